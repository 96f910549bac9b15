//! What validation says: a document that is [`Valid`], or the violations.

use crate::read::{Limits, Malformed, Reader};
use crate::schema::Schemas;
use crate::site::Walk;
use crate::source::{Source, Whole};
use crate::tree::{Element, Node, Place};
use crate::validate::Validator;
use std::fmt;
use std::io::Read;

/// A document that is valid against the schemas that made it. Defaults are not inserted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Valid(Element);

impl Valid {
    /// The document.
    #[must_use]
    pub fn element(&self) -> &Element {
        &self.0
    }

    /// The document, which may now be changed and is valid no more.
    #[must_use]
    pub fn into_element(self) -> Element {
        self.0
    }
}

/// One violation of a schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The validation rule of XML Schema, as `cvc-complex-type.2.4.a`.
    pub rule: &'static str,
    /// Where the element starts.
    pub place: Place,
    /// The way to it, as `/h:VisitReport/h:Visit[2]/h:Fee`; `[n]` from the second of a name on.
    pub path: String,
    /// What is wrong, in one sentence. It may quote a value: keep it out of ledgers and logs.
    pub what: String,
    /// What may help.
    pub help: Option<String>,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} at {}: {}", self.place, self.rule, self.path, self.what)?;
        match &self.help {
            Some(help) => write!(f, " ({help})"),
            None => Ok(()),
        }
    }
}

/// Why a document is not valid: at least one violation, at most [`VIOLATIONS_MAX`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invalid {
    /// In document order.
    pub violations: Vec<Violation>,
}

/// Violations that [`Schemas::validate`] looks for before it stops.
pub const VIOLATIONS_MAX: usize = 20;

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.violations.as_slice() {
            [] => f.write_str("not valid"),
            [only] => write!(f, "{only}"),
            [first, rest @ ..] => write!(f, "{first} (and {} more)", rest.len()),
        }
    }
}

impl std::error::Error for Invalid {}

impl Schemas {
    /// Validates a document whose root is a global element: the only maker of [`Valid`].
    ///
    /// # Errors
    /// The violations.
    pub fn validate(&self, element: Element) -> Result<Valid, Invalid> {
        let violations = self.validate_all(&element, VIOLATIONS_MAX);
        if violations.is_empty() { Ok(Valid(element)) } else { Err(Invalid { violations }) }
    }

    /// The first `max` violations of a document, in document order; none if it is valid.
    #[must_use]
    pub fn validate_all(&self, element: &Element, max: usize) -> Vec<Violation> {
        let mut validator = Validator::new(self, max);
        walk(&mut validator, &mut Walk::default(), element);
        validator.finish()
    }

    /// As [`Self::validate_all`], but a root that no schema declares is assessed by its `xsi:type`, if it has one (part 1 §5.2). For judges
    /// of schemas: what it says of a document makes nothing [`Valid`].
    #[must_use]
    pub fn assess_all(&self, element: &Element, max: usize) -> Vec<Violation> {
        let mut validator = Validator::new(self, max);
        validator.lax_root = true;
        walk(&mut validator, &mut Walk::default(), element);
        validator.finish()
    }

    /// Reads and validates a document that is in memory: the first `max` violations. `charset` is what the transport said.
    ///
    /// # Errors
    /// Not well formed, not allowed, or too large.
    pub fn validate_octets(&self, octets: &[u8], charset: Option<&str>, limits: &Limits, max: usize) -> Result<Vec<Violation>, Malformed> {
        let text = crate::read::text(octets, charset, limits)?;
        validate(self, Reader::new(&text, limits), max)
    }

    /// Reads and validates a document part by part, in memory that does not grow with it: the first `max` violations.
    ///
    /// # Errors
    /// Not well formed, not allowed, or what is in memory at once is too large.
    pub fn validate_stream(
        &self,
        from: impl Read,
        charset: Option<&str>,
        limits: &Limits,
        max: usize,
    ) -> Result<Vec<Violation>, Malformed> {
        validate(self, Reader::stream(from, charset, limits)?, max)
    }
}

fn validate<S: Source>(schemas: &Schemas, mut reader: Reader<S>, max: usize) -> Result<Vec<Violation>, Malformed> {
    let mut validator = Validator::new(schemas, max);
    while let Some(event) = reader.pull().map_err(|broken| *broken)? {
        validator.event(event);
    }
    Ok(validator.finish())
}

/// Validates documents that are in memory, one after the other, in the same memory.
pub struct Checker<'s> {
    validator: Validator<'s>,
    idle: Option<Reader<Whole<'static>>>,
    limits: Limits,
}

impl<'s> Checker<'s> {
    /// A checker that stops looking after `max` violations of a document.
    #[must_use]
    pub fn new(schemas: &'s Schemas, limits: &Limits, max: usize) -> Self {
        Self { validator: Validator::new(schemas, max), idle: None, limits: *limits }
    }

    /// Reads and validates a document: the violations, none if it is valid.
    ///
    /// # Errors
    /// Not well formed, not allowed, or too large.
    pub fn check(&mut self, octets: &[u8], charset: Option<&str>) -> Result<Vec<Violation>, Malformed> {
        let text = crate::read::text(octets, charset, &self.limits)?;
        let mut reader = match self.idle.take() {
            Some(reader) => reader.again(&text),
            None => {
                self.validator.forget();
                Reader::new(&text, &self.limits)
            }
        };
        let read = loop {
            match reader.pull() {
                Ok(Some(event)) => self.validator.event(event),
                Ok(None) => break Ok(()),
                Err(broken) => break Err(*broken),
            }
        };
        self.idle = reader.idle();
        let violations = self.validator.conclude();
        read.map(|()| violations)
    }
}

fn walk<'e>(validator: &mut Validator<'_>, site: &mut Walk<'e>, element: &'e Element) {
    site.enter(element);
    validator.start(site);
    for node in element.children() {
        match node {
            Node::Element(child) => walk(validator, site, child),
            Node::Text(text) => validator.text(site, text),
            Node::Comment | Node::Instruction { .. } => {}
        }
    }
    validator.end(site);
    site.leave();
}
