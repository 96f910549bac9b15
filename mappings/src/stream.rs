//! A mapping applied: to a document that is in memory as a tree, or to one that passes by, which may be larger than memory.

use crate::document::When;
use crate::engine::{Draft, Engine, Sink, Tag};
use crate::mapping::{Mapping, Outcome, Unified};
use crate::out::{Bound, Out, OutId};
use crate::plan::Plan;
use crate::run::Reject;
use crate::witness::{Traced, Witness};
use std::ops::ControlFlow;
use std::sync::Arc;
use xsd::event::Event;
use xsd::read::{Kind, Limits, Malformed, Reader, Source, Whole};
use xsd::schema::Schemas;
use xsd::scope::Scope;
use xsd::tree::{Element, Node, Place};
use xsd::validate::{Valid, Validator, Violation};
use xsd::write::Pieces;

/// How many rejects [`Mapping::apply`] remembers; it counts the rest.
pub const REJECTS_MAX: usize = 10_000;

/// Violations of one document that are looked for before it is known to be invalid: one is enough.
const VIOLATIONS_MAX: usize = 1;

/// What a document that passes by becomes, in the order of the document.
#[derive(Debug)]
pub enum Item<'i> {
    /// A document of `m:record`.
    Record(Made<'i>),
    /// A document of `m:once`.
    Once(Made<'i>),
    /// A record that could not be made; the others are not touched by it.
    Reject(&'i Reject),
}

/// A document that the target schema accepts.
pub struct Made<'i> {
    target: &'i str,
    octets: &'i [u8],
    out: &'i Out,
    root: OutId,
    plan: &'i Plan,
}

impl std::fmt::Debug for Made<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Made").field("target", &self.target).finish_non_exhaustive()
    }
}

impl Made<'_> {
    /// The name of the target in the mapping, as `business`.
    #[must_use]
    pub fn target(&self) -> &str {
        self.target
    }

    /// The document in its canonical form.
    #[must_use]
    pub fn octets(&self) -> &[u8] {
        self.octets
    }

    /// Where each of its values comes from, in the order of the document.
    #[must_use]
    pub fn trace(&self) -> Vec<Traced> {
        let mut values = Vec::new();
        self.out.trace(self.root, &self.plan.names, "", &mut values);
        values
    }
}

/// How many documents a source document became.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Documents of `m:record`.
    pub records: u64,
    /// Documents of `m:once`.
    pub once: u64,
    /// Records that could not be made.
    pub rejects: u64,
}

impl Mapping {
    /// Makes the target documents of one source document. A record that cannot be made is a reject; the others are made.
    #[must_use]
    pub fn apply(&self, source: &Valid) -> Outcome {
        self.apply_watched(source, None)
    }

    /// As [`Mapping::apply`], with somebody who watches which rules do what.
    #[must_use]
    pub fn apply_watched(&self, source: &Valid, witness: Option<&Witness>) -> Outcome {
        let mut trees = Trees { mapping: self, outcome: Outcome::default() };
        let mut engine = self.engine(witness);
        let mut scope = Scope::default();
        feed(&mut engine, source.element(), &mut scope, &mut trees);
        engine.finish(&mut trees);
        trees.outcome
    }

    /// Makes the target documents of a document that passes by, and hands each over as it is made: `take` may break it off. The
    /// source is validated meanwhile: a record that is not what its schema says is a reject; what is wrong outside records ends it.
    ///
    /// # Errors
    /// Octets that cannot be had, are no document, or more than `limits` allow; what was handed over before stands.
    pub fn stream(
        &self,
        from: impl std::io::Read,
        charset: Option<&str>,
        limits: &Limits,
        take: &mut dyn FnMut(Item<'_>) -> ControlFlow<()>,
    ) -> Result<Counts, Malformed> {
        let mut reader = Reader::stream(from, charset.or(self.source_encoding()), limits)?;
        Mapper::new(self, limits).pass(&mut reader, take)
    }
}

/// Applies a mapping to documents that are in memory, one after the other, in the same memory.
///
/// ```no_run
/// # fn documents() -> Vec<Vec<u8>> { Vec::new() }
/// use mappings::{Item, Mapper, Mapping};
/// use std::ops::ControlFlow;
///
/// let mapping = Mapping::load(std::path::Path::new("visits.map.xml")).map_err(|found| format!("{found:?}"))?;
/// let mut mapper = Mapper::new(&mapping, &xsd::read::Limits::default());
/// for octets in documents() {
///     let counts = mapper.map(&octets, None, &mut |item| {
///         if let Item::Record(made) = item {
///             println!("{}: {} octets", made.target(), made.octets().len());
///         }
///         ControlFlow::Continue(())
///     })?;
///     println!("{} records, {} rejects", counts.records, counts.rejects);
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Mapper<'m> {
    engine: Engine<'m>,
    source: Validator<'m>,
    made: Checks<'m>,
    idle: Option<Reader<Whole<'static>>>,
    limits: Limits,
}

impl<'m> Mapper<'m> {
    /// For documents of at most these limits.
    #[must_use]
    pub fn new(mapping: &'m Mapping, limits: &Limits) -> Self {
        Self {
            engine: mapping.engine(None),
            source: Validator::new(mapping.source_schemas(), VIOLATIONS_MAX),
            made: Checks { mapping, validators: Vec::new(), scope: Scope::default(), pieces: Pieces::with_capacity(4096) },
            idle: None,
            limits: *limits,
        }
    }

    /// As [`Mapping::stream`], for a document that is in memory.
    ///
    /// # Errors
    /// Octets that are no document, or more than the limits allow; what was handed over before stands.
    pub fn map(
        &mut self,
        octets: &[u8],
        charset: Option<&str>,
        take: &mut dyn FnMut(Item<'_>) -> ControlFlow<()>,
    ) -> Result<Counts, Malformed> {
        let text = xsd::read::text(octets, charset.or(self.made.mapping.source_encoding()), &self.limits)?;
        let mut reader = match self.idle.take() {
            Some(reader) => reader.again(&text),
            None => {
                self.source.forget();
                Reader::new(&text, &self.limits)
            }
        };
        let counts = self.pass(&mut reader, take);
        self.idle = reader.idle();
        counts
    }

    fn pass<S: Source>(&mut self, reader: &mut Reader<S>, take: &mut dyn FnMut(Item<'_>) -> ControlFlow<()>) -> Result<Counts, Malformed> {
        let (engine, source) = (&mut self.engine, &mut self.source);
        engine.again();
        let _of_a_document_broken_off = source.conclude();
        let mut octets = Octets { made: &mut self.made, take, counts: Counts::default(), broken: false };
        while let Some(event) = reader.next_event()? {
            source.event(event);
            match event.kind() {
                Kind::Start => {
                    engine.start(&Passing(event), &mut octets);
                    outcome_of(source, engine, &mut octets);
                }
                Kind::Text => engine.text(event.text()),
                Kind::End => {
                    outcome_of(source, engine, &mut octets);
                    engine.end(&mut octets);
                }
                Kind::Comment | Kind::Instruction => {}
            }
            if octets.broken {
                return Ok(octets.counts);
            }
        }
        for violation in source.conclude() {
            engine.invalid(violation.place, sentence(&violation), &mut octets);
        }
        engine.finish(&mut octets);
        Ok(octets.counts)
    }
}

/// Tells the engine what the validator found since it was asked last.
#[inline]
fn outcome_of(checked: &mut Validator<'_>, engine: &mut Engine<'_>, sink: &mut Octets<'_, '_>) {
    if checked.violations().is_empty() {
        return;
    }
    for violation in checked.take_violations() {
        engine.invalid(violation.place, sentence(&violation), sink);
    }
}

/// A violation without the value that it may quote.
fn sentence(violation: &Violation) -> String {
    format!("the source is not what its schema says: {} at {}", violation.rule, violation.path)
}

/// A start tag that passes by.
struct Passing<'r>(Event<'r>);

impl Tag for Passing<'_> {
    fn name(&self) -> (&str, &str) {
        let name = self.0.name();
        (name.namespace, name.local)
    }

    fn place(&self) -> Place {
        self.0.place()
    }

    fn scope(&self) -> &Scope {
        self.0.scope()
    }

    fn attributes(&self, mut visit: impl FnMut(&str, &str, &str)) {
        self.0.attributes().for_each(|(name, value)| visit(name.namespace, name.local, value));
    }

    fn shell(&self) -> Element {
        self.0.element()
    }
}

/// A start tag of a tree.
struct Tree<'t> {
    element: &'t Element,
    scope: &'t Scope,
}

impl Tag for Tree<'_> {
    fn name(&self) -> (&str, &str) {
        (self.element.name().namespace(), self.element.name().local())
    }

    fn place(&self) -> Place {
        self.element.place()
    }

    fn scope(&self) -> &Scope {
        self.scope
    }

    fn attributes(&self, mut visit: impl FnMut(&str, &str, &str)) {
        for attribute in self.element.attributes() {
            visit(attribute.name.namespace(), attribute.name.local(), &attribute.value);
        }
    }

    fn shell(&self) -> Element {
        let element = self.element;
        let mut shell = Element::new(element.prefix(), element.name().clone());
        element.namespaces().iter().for_each(|(prefix, namespace)| shell.push_namespace(Arc::clone(prefix), Arc::clone(namespace)));
        element.attributes().iter().for_each(|attribute| shell.set_attribute(attribute.clone()));
        shell.set_place(element.place());
        shell
    }
}

fn feed(engine: &mut Engine<'_>, element: &Element, scope: &mut Scope, sink: &mut dyn Sink) {
    scope.enter_element(element);
    engine.start(&Tree { element, scope }, sink);
    for node in element.children() {
        match node {
            Node::Element(child) => feed(engine, child, scope, sink),
            Node::Text(text) => engine.text(text),
            Node::Comment | Node::Instruction { .. } => {}
        }
    }
    engine.end(sink);
    scope.leave();
}

/// What the rules made is not valid: the rule that made the element at fault, and where its source stood.
fn not_valid(mapping: &Mapping, draft: &Draft<'_>, first: Option<&Violation>) -> Reject {
    let origin = first.and_then(|violation| draft.out.origin(violation.place));
    let (rule, source) = origin.unwrap_or((draft.block.place, draft.source));
    let (broken, path) = first.map_or(("invalid", ""), |violation| (violation.rule, violation.path.as_str()));
    let text = format!("what the rules made is not valid: {broken} at {path}");
    Reject { code: "SM910", mapping: Arc::clone(mapping.shared_file()), rule, source, text }
}

/// Takes documents as trees.
struct Trees<'m> {
    mapping: &'m Mapping,
    outcome: Outcome,
}

impl Sink for Trees<'_> {
    fn take(&mut self, draft: &Draft<'_>) -> Result<(), Reject> {
        let mapping = self.mapping;
        let (Some((schemas, target)), Some(element)) =
            (mapping.target(draft.block.target), draft.out.element(draft.root, &mapping.plan().names))
        else {
            return Err(not_valid(mapping, draft, None));
        };
        let valid = schemas.validate(element).map_err(|invalid| not_valid(mapping, draft, invalid.violations.first()))?;
        let made = Unified::new(target, valid);
        let of_record = matches!(draft.block.when, When::Window | When::Buffered);
        if of_record {
            self.outcome.records.push(made)
        } else {
            self.outcome.once.push(made)
        }
        Ok(())
    }

    fn reject(&mut self, reject: Reject) {
        self.outcome.rejected += 1;
        if self.outcome.rejects.len() < REJECTS_MAX {
            self.outcome.rejects.push(reject);
        }
    }
}

/// What checks and writes the documents that are made; it serves one after the other.
struct Checks<'m> {
    mapping: &'m Mapping,
    /// By the number of the target, each made for its first document.
    validators: Vec<Option<Validator<'m>>>,
    scope: Scope,
    pieces: Pieces,
}

impl<'m> Checks<'m> {
    fn check(&mut self, schemas: &'m Schemas, draft: &Draft<'_>) -> Vec<Violation> {
        let names = &self.mapping.plan().names;
        if draft.out.has_foreign() {
            let element = draft.out.element(draft.root, names);
            return element.map(|element| schemas.validate_all(&element, VIOLATIONS_MAX)).unwrap_or_default();
        }
        let target = draft.block.target;
        if self.validators.len() <= target {
            self.validators.resize_with(target + 1, || None);
        }
        let Some(slot) = self.validators.get_mut(target) else { return Vec::new() };
        let validator = slot.get_or_insert_with(|| Validator::new(schemas, VIOLATIONS_MAX));
        draft.out.feed(draft.root, names, &self.scope, validator);
        validator.conclude()
    }
}

/// Takes documents as octets, and hands them over.
struct Octets<'t, 'm> {
    made: &'t mut Checks<'m>,
    take: &'t mut dyn FnMut(Item<'_>) -> ControlFlow<()>,
    counts: Counts,
    broken: bool,
}

impl Sink for Octets<'_, '_> {
    fn take(&mut self, draft: &Draft<'_>) -> Result<(), Reject> {
        let mapping = self.made.mapping;
        let plan = mapping.plan();
        let Some((schemas, target)) = mapping.target(draft.block.target) else { return Err(not_valid(mapping, draft, None)) };
        if let Some(first) = self.made.check(schemas, draft).first() {
            return Err(not_valid(mapping, draft, Some(first)));
        }
        let pieces = &mut self.made.pieces;
        pieces.clear();
        if draft.out.has_foreign() {
            pieces.splice(&draft.octets(plan));
        } else {
            draft.out.write(draft.root, &plan.names, &mut Bound::default(), pieces);
        }
        let made = Made { target, octets: pieces.as_octets(), out: draft.out, root: draft.root, plan };
        let item = match draft.block.when {
            When::Window | When::Buffered => {
                self.counts.records += 1;
                Item::Record(made)
            }
            When::Start | When::End => {
                self.counts.once += 1;
                Item::Once(made)
            }
        };
        self.broken |= (self.take)(item).is_break();
        Ok(())
    }

    fn reject(&mut self, reject: Reject) {
        self.counts.rejects += 1;
        self.broken |= (self.take)(Item::Reject(&reject)).is_break();
    }
}
