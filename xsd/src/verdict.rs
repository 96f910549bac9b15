//! What validation says: a document that is [`Valid`], or the violations.

use crate::schema::Schemas;
use crate::tree::{Element, Node, Place};
use crate::validate::Validator;
use std::fmt;

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
        walk(&mut validator, element);
        validator.finish()
    }
}

fn walk(validator: &mut Validator<'_>, element: &Element) {
    validator.start(element);
    for node in element.children() {
        match node {
            Node::Element(child) => walk(validator, child),
            Node::Text(text) => validator.text(text),
            Node::Comment | Node::Instruction { .. } => {}
        }
    }
    validator.end();
}
