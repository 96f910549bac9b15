//! The validator: a push machine over start tags, text and end tags, driven by a tree or by the reader.

use crate::automaton::{Cursor, Model, Target};
use crate::chars;
use crate::event::{Event, Kind as EventKind};
use crate::load::nearest;
use crate::schema::{
    ANY_TYPE, AttributeNoun, Complex, Content, Derivations, ElementId, ElementNoun, Kind, Process, Schemas, TypeId, Use, Wildcard,
    XSD_NAMESPACE, XSI_NAMESPACE,
};
use crate::scope::Scope;
use crate::simple::{Identity, Simple, Variety, words};
use crate::tree::{Attribute, Element, Place, QName};
use std::collections::BTreeSet;
use std::sync::Arc;

pub use crate::verdict::{Invalid, VIOLATIONS_MAX, Valid, Violation};

/// The machine. Feed it one document's start tags, texts and end tags in order.
pub struct Validator<'s> {
    schemas: &'s Schemas,
    scope: Scope,
    frames: Vec<Frame<'s>>,
    violations: Vec<Violation>,
    max: usize,
    ids: BTreeSet<String>,
    references: Vec<(String, Place, String)>,
}

/// An open element.
struct Frame<'s> {
    name: QName,
    prefix: Arc<str>,
    place: Place,
    /// Its number among the siblings of its name, from 1; 0 beyond what is counted.
    number: u32,
    counts: Vec<(QName, u32)>,
    element: Option<&'s ElementNoun>,
    content: Expect<'s>,
    nil: bool,
    text: String,
}

/// What an open element may contain.
enum Expect<'s> {
    /// Not looked at.
    Skip,
    /// No declaration is known: children are checked if they have one.
    Lax,
    Empty,
    Simple(&'s Simple),
    Elements {
        mixed: bool,
        model: &'s Model,
        cursor: Cursor,
        /// A child was wrong: what follows cannot be told from its consequences.
        broken: bool,
    },
}

/// Names of children that are counted for paths.
const COUNTED_NAMES_MAX: usize = 32;

/// Names that a message lists.
const LISTED_MAX: usize = 12;

/// What a start tag is checked against.
enum Against<'s> {
    Skip,
    Lax,
    Element(ElementId, &'s ElementNoun),
}

impl<'s> Validator<'s> {
    /// A machine that stops looking after `max` violations.
    #[must_use]
    pub fn new(schemas: &'s Schemas, max: usize) -> Self {
        let (ids, references) = (BTreeSet::new(), Vec::new());
        Self { schemas, scope: Scope::default(), frames: Vec::new(), violations: Vec::new(), max: max.max(1), ids, references }
    }

    /// Takes an event of the reader.
    pub fn event(&mut self, event: Event<'_>) {
        match event.kind() {
            EventKind::Start => self.start(&event.element()),
            EventKind::Text => self.text(event.text()),
            EventKind::End => self.end(),
            EventKind::Comment | EventKind::Instruction => {}
        }
    }

    /// What was found since this was asked last; what is found later counts against the maximum anew.
    pub fn take_violations(&mut self) -> Vec<Violation> {
        std::mem::take(&mut self.violations)
    }

    /// Ends the document and returns what was found.
    #[must_use]
    pub fn finish(mut self) -> Vec<Violation> {
        for (id, place, path) in std::mem::take(&mut self.references) {
            if !self.ids.contains(&id) && self.violations.len() < self.max {
                let what = format!("no element of the document has the ID '{id}'");
                self.violations.push(Violation { rule: "cvc-id.1", place, path, what, help: None });
            }
        }
        self.violations
    }

    fn path(&self) -> String {
        let mut path = String::new();
        for frame in &self.frames {
            path.push('/');
            if !frame.prefix.is_empty() {
                path.push_str(&frame.prefix);
                path.push(':');
            }
            path.push_str(frame.name.local());
            if frame.number > 1 {
                path.push_str(&format!("[{}]", frame.number));
            }
        }
        path
    }

    fn full(&self) -> bool {
        self.violations.len() >= self.max
    }

    /// Reports at the innermost open element.
    fn report(&mut self, rule: &'static str, what: impl Into<String>, help: Option<String>) {
        if !self.full() {
            let place = self.frames.last().map(|frame| frame.place).unwrap_or_default();
            self.violations.push(Violation { rule, place, path: self.path(), what: what.into(), help });
        }
    }

    fn report_attribute(&mut self, attribute: &Attribute, rule: &'static str, what: impl Into<String>, help: Option<String>) {
        self.report(rule, what, help);
        if let Some(last) = self.violations.last_mut() {
            let prefix = if attribute.prefix.is_empty() { String::new() } else { format!("{}:", attribute.prefix) };
            last.path.push_str(&format!("/@{prefix}{}", attribute.name.local()));
        }
    }

    /// A name as the document around would write it.
    fn shown(&self, name: &QName) -> String {
        match self.scope.prefix_of(name.namespace()) {
            Some("") => name.local().to_owned(),
            Some(prefix) => format!("{prefix}:{}", name.local()),
            None => name.to_string(),
        }
    }

    /// Takes a start tag: name, declarations, attributes and place of `element`; its content is not looked at.
    pub fn start(&mut self, element: &Element) {
        self.scope.enter_element(element);
        let number = self.count(element.name());
        let against = self.against(element);
        self.frames.push(Frame {
            name: element.name().clone(),
            prefix: element.prefix().into(),
            place: element.place(),
            number,
            counts: Vec::new(),
            element: None,
            content: Expect::Skip,
            nil: false,
            text: String::new(),
        });
        let (id, noun) = match against {
            Ok(Against::Skip) => return,
            Ok(Against::Lax) => return self.lax(element),
            Ok(Against::Element(id, noun)) => (id, noun),
            Err((rule, what, help)) => {
                self.report(rule, what, help);
                match self.recover(element.name()) {
                    Some(found) => found,
                    None => return self.lax(element),
                }
            }
        };
        self.element(element, id, noun);
    }

    fn count(&mut self, name: &QName) -> u32 {
        let Some(parent) = self.frames.last_mut() else { return 1 };
        if let Some((_, count)) = parent.counts.iter_mut().find(|(counted, _)| counted == name) {
            *count += 1;
            return *count;
        }
        if parent.counts.len() >= COUNTED_NAMES_MAX {
            return 0;
        }
        parent.counts.push((name.clone(), 1));
        1
    }

    /// What the parent's content says of a child (cvc-complex-type.2, cvc-particle).
    fn against(&mut self, element: &Element) -> Result<Against<'s>, (&'static str, String, Option<String>)> {
        let schemas = self.schemas;
        let name = element.name();
        let global = schemas.global_elements.get(name).copied();
        let declared = |id: ElementId| schemas.elements.get(id).map_or(Against::Lax, |noun| Against::Element(id, noun));
        let shown = self.shown(name);
        let Some(parent) = self.frames.last_mut() else {
            let near =
                || nearest(name.local(), schemas.global_elements.keys().map(QName::local)).map(|near| format!("did you mean '{near}'?"));
            return global.map(declared).ok_or_else(|| ("cvc-elt.1", format!("no schema declares the root element {name}"), near()));
        };
        if parent.nil {
            return Err(("cvc-elt.3.2.1", format!("{shown} stands in an element that is nil"), None));
        }
        let (model, cursor, broken) = match &mut parent.content {
            Expect::Skip => return Ok(Against::Skip),
            Expect::Lax => return Ok(global.map_or(Against::Lax, declared)),
            Expect::Empty => return Err(("cvc-complex-type.2.1", format!("{shown} stands in an element that must be empty"), None)),
            Expect::Simple(_) => return Err(("cvc-type.3.1.2", format!("{shown} stands in an element that has text only"), None)),
            Expect::Elements { .. } if parent.element.is_some_and(|noun| noun.fixed.is_some()) => {
                return Err(("cvc-elt.5.2.2.1", format!("{shown} stands in an element of a fixed value"), None));
            }
            Expect::Elements { model, cursor, broken, .. } => (*model, cursor, broken),
        };
        match model.step(cursor, name) {
            Some(Target::Element(id)) => Ok(declared(id)),
            Some(Target::Any(Wildcard { process: Process::Skip, .. })) => Ok(Against::Skip),
            Some(Target::Any(Wildcard { process: Process::Lax, .. })) => Ok(global.map_or(Against::Lax, declared)),
            Some(Target::Any(_)) if element.attribute(XSI_NAMESPACE, "type").is_some() => Ok(global.map_or(Against::Lax, declared)),
            Some(Target::Any(_)) => global
                .map(declared)
                .ok_or_else(|| ("cvc-complex-type.2.4.c", format!("no schema declares {name}, and a declaration is asked for"), None)),
            None if std::mem::replace(broken, true) => Ok(model.find(name).or(global).map_or(Against::Lax, declared)),
            None => {
                let expected: Vec<QName> = model.expected(cursor).into_iter().cloned().collect();
                let open = model.expects_any(cursor);
                Err(self.unexpected(&shown, name, &expected, open))
            }
        }
    }

    fn unexpected(&self, shown: &str, name: &QName, expected: &[QName], open: bool) -> (&'static str, String, Option<String>) {
        if expected.is_empty() && !open {
            return ("cvc-complex-type.2.4.d", format!("{shown} cannot stand here, where nothing may follow"), None);
        }
        let mut list: Vec<String> = expected.iter().take(LISTED_MAX).map(|name| self.shown(name)).collect();
        if expected.len() > LISTED_MAX {
            list.push("…".to_owned());
        }
        if open {
            list.push("what a wildcard allows".to_owned());
        }
        let what = format!("{shown} cannot stand here; expected: {}", list.join(", "));
        let other_namespace = expected.iter().find(|other| other.local() == name.local());
        let help = match other_namespace {
            Some(other) if other.namespace().is_empty() => Some(format!("'{}' has no namespace here", other.local())),
            Some(other) => Some(format!("'{}' is of namespace {} here", other.local(), other.namespace())),
            None => nearest(name.local(), expected.iter().map(QName::local)).map(|near| format!("did you mean '{near}'?")),
        };
        ("cvc-complex-type.2.4.a", what, help)
    }

    /// A declaration to go on with after a child that cannot stand where it does.
    fn recover(&self, name: &QName) -> Option<(ElementId, &'s ElementNoun)> {
        let parent = self.frames.len().checked_sub(2).and_then(|at| self.frames.get(at))?;
        let Expect::Elements { model, .. } = &parent.content else { return None };
        let id = model.find(name)?;
        self.schemas.elements.get(id).map(|noun| (id, noun))
    }

    /// Part 1 §3.3.4, schema-validity assessment without a declaration: `xsi:type` may still name a type.
    fn lax(&mut self, element: &Element) {
        match element.attribute(XSI_NAMESPACE, "type") {
            Some(text) => match self.named_type(text) {
                Some(definition) => self.typed(element, definition),
                None => self.set(Expect::Lax),
            },
            None => self.set(Expect::Lax),
        }
    }

    fn set(&mut self, content: Expect<'s>) {
        if let Some(frame) = self.frames.last_mut() {
            frame.content = content;
        }
    }

    fn named_type(&mut self, text: &str) -> Option<TypeId> {
        let Some(name) = self.scope.qname(text) else {
            self.report("cvc-elt.4.1", format!("xsi:type='{}' is no name, or its prefix is not declared", limited(text)), None);
            return None;
        };
        let found = self.schemas.global_types.get(&name).copied();
        if found.is_none() {
            let near = nearest(name.local(), self.schemas.types().filter_map(|known| known.name().map(QName::local)))
                .map(|near| format!("did you mean '{near}'?"));
            self.report("cvc-elt.4.2", format!("xsi:type: there is no type {name}"), near);
        }
        found
    }

    /// Part 1 §3.3.4 (cvc-elt).
    fn element(&mut self, element: &Element, id: ElementId, noun: &'s ElementNoun) {
        if let Some(frame) = self.frames.last_mut() {
            frame.element = Some(noun);
        }
        if noun.is_abstract {
            let members: Vec<String> = self
                .schemas
                .members
                .get(&id)
                .into_iter()
                .flatten()
                .filter_map(|id| self.schemas.elements.get(*id))
                .map(|noun| self.shown(&noun.name))
                .collect();
            let help = (!members.is_empty()).then(|| format!("one of {} may stand for it", members.join(", ")));
            self.report("cvc-elt.2", format!("{} is abstract", self.shown(&noun.name)), help);
        }
        let mut definition = noun.definition;
        if let Some(text) = element.attribute(XSI_NAMESPACE, "type")
            && let Some(named) = self.named_type(text)
        {
            let declared_block = self.schemas.types.get(definition).map(|noun| noun.block).unwrap_or_default();
            let methods = self.schemas.methods(named, definition);
            if !self.schemas.derives(named, definition) || methods.has(Derivations(noun.block.0 | declared_block.0)) {
                let declared = self.type_name(definition);
                self.report("cvc-elt.4.3", format!("xsi:type: {} is not derived from {declared}, or that is blocked", limited(text)), None);
            } else {
                definition = named;
            }
        }
        self.typed(element, definition);
        self.nil(element, noun);
    }

    fn type_name(&self, definition: TypeId) -> String {
        let name = self.schemas.types.get(definition).and_then(|noun| noun.name.as_ref());
        name.map_or_else(
            || "an anonymous type".to_owned(),
            |name| if name.namespace() == XSD_NAMESPACE { format!("xs:{}", name.local()) } else { self.shown(name) },
        )
    }

    fn nil(&mut self, element: &Element, noun: &ElementNoun) {
        let Some(text) = element.attribute(XSI_NAMESPACE, "nil") else { return };
        let nil = match chars::trim(text) {
            "true" | "1" => true,
            "false" | "0" => false,
            _ => return self.report("cvc-datatype-valid.1.2.1", format!("xsi:nil='{}' is neither true nor false", limited(text)), None),
        };
        if !noun.nillable {
            return self.report("cvc-elt.3.1", format!("{} is not nillable", self.shown(&noun.name)), None);
        }
        if nil && noun.fixed.is_some() {
            self.report("cvc-elt.3.2.2", "an element with a fixed value is not nil", None);
        }
        if let Some(frame) = self.frames.last_mut() {
            frame.nil = nil;
        }
    }

    /// Part 1 §3.4.4 (cvc-type, cvc-complex-type.3 and .4): attributes now, content as it comes.
    fn typed(&mut self, element: &Element, definition: TypeId) {
        let Some(noun) = self.schemas.types.get(definition) else { return };
        if noun.is_abstract {
            let concrete: Vec<String> = crate::schema::TypeDef { schemas: self.schemas, id: definition }
                .concrete_types()
                .iter()
                .filter_map(|known| known.name())
                .map(|name| self.shown(name))
                .collect();
            let help = (!concrete.is_empty()).then(|| format!("xsi:type may name {}", concrete.join(", ")));
            self.report("cvc-type.2", format!("the type {} is abstract", self.type_name(definition)), help);
        }
        match &noun.kind {
            Kind::Simple(simple) => {
                self.set(Expect::Simple(simple));
                if let Some(attribute) = element.attributes().iter().find(|attribute| attribute.name.namespace() != XSI_NAMESPACE) {
                    self.report_attribute(attribute, "cvc-type.3.1.1", "an element of a simple type has no attributes", None);
                }
            }
            Kind::Complex(complex) => {
                let content = match &complex.content {
                    Content::Empty => Expect::Empty,
                    Content::Simple(simple) => self.schemas.simple(*simple).map_or(Expect::Skip, Expect::Simple),
                    Content::Elements { .. } if definition == ANY_TYPE => Expect::Lax,
                    Content::Elements { mixed, model, .. } => {
                        Expect::Elements { mixed: *mixed, model, cursor: model.start(), broken: false }
                    }
                };
                self.set(content);
                self.attributes(element, complex);
            }
        }
    }

    fn attributes(&mut self, element: &Element, complex: &'s Complex) {
        let schemas = self.schemas;
        let declared = |used: &Use| schemas.attributes.get(used.attribute);
        for attribute in element.attributes() {
            let own = complex
                .attributes
                .iter()
                .find_map(|used| declared(used).filter(|noun| noun.name == attribute.name).map(|noun| (used, noun)));
            if let Some((used, noun)) = own {
                let fixed = used.fixed.as_deref().or(noun.fixed.as_deref());
                self.attribute(attribute, noun, fixed);
                continue;
            }
            if attribute.name.namespace() == XSI_NAMESPACE
                && matches!(attribute.name.local(), "type" | "nil" | "schemaLocation" | "noNamespaceSchemaLocation")
            {
                continue;
            }
            let wildcard = complex.any_attribute.as_ref().filter(|any| any.allows(attribute.name.namespace()));
            let global = schemas.global_attributes.get(&attribute.name).and_then(|id| schemas.attributes.get(*id));
            match (wildcard.map(|any| any.process), global) {
                (Some(Process::Skip), _) | (Some(Process::Lax), None) => {}
                (Some(_), Some(noun)) => self.attribute(attribute, noun, noun.fixed.as_deref()),
                (Some(Process::Strict), None) => self.report_attribute(
                    attribute,
                    "cvc-complex-type.3.2.2",
                    "no schema declares the attribute, and a declaration is asked for",
                    None,
                ),
                (None, _) => {
                    let names = complex.attributes.iter().filter_map(declared).map(|noun| noun.name.local());
                    let help = nearest(attribute.name.local(), names).map(|near| format!("did you mean '{near}'?"));
                    let what = format!("{} has no attribute {}", element.name().local(), attribute.name);
                    self.report_attribute(attribute, "cvc-complex-type.3.2.2", what, help);
                }
            }
        }
        for noun in complex.attributes.iter().filter(|used| used.required).filter_map(declared) {
            if element.attribute(noun.name.namespace(), noun.name.local()).is_none() {
                self.report("cvc-complex-type.4", format!("the attribute {} is missing", self.shown_attribute(&noun.name)), None);
            }
        }
    }

    fn shown_attribute(&self, name: &QName) -> String {
        if name.namespace().is_empty() { name.local().to_owned() } else { self.shown(name) }
    }

    fn attribute(&mut self, attribute: &Attribute, noun: &'s AttributeNoun, fixed: Option<&str>) {
        let Some(simple) = self.schemas.simple(noun.definition) else { return };
        match simple.value(self.schemas, &attribute.value, Some(&self.scope)) {
            Err(failure) => {
                let help = suggestion(failure.rule, simple, &attribute.value);
                self.report_attribute(attribute, failure.rule, failure.what, help);
            }
            Ok(value) => {
                let same =
                    fixed.is_none_or(|fixed| simple.value(self.schemas, fixed, Some(&self.scope)).is_ok_and(|fixed| fixed.equals(&value)));
                if !same {
                    self.report_attribute(
                        attribute,
                        "cvc-au",
                        format!("the value is not the fixed one, '{}'", fixed.unwrap_or_default()),
                        None,
                    );
                }
                self.identify(simple, &attribute.value);
            }
        }
    }

    /// Part 1 §3.15.4 (cvc-id): an ID stands once, a reference has its ID.
    fn identify(&mut self, simple: &Simple, text: &str) {
        if simple.identity == Identity::None || matches!(simple.variety, Variety::Union(_)) {
            return;
        }
        for word in words(text) {
            if simple.identity == Identity::Reference {
                let place = self.frames.last().map(|frame| frame.place).unwrap_or_default();
                self.references.push((word.to_owned(), place, self.path()));
            } else if !self.ids.insert(word.to_owned()) {
                self.report("cvc-id.2", format!("a second element has the ID '{}'", limited(word)), None);
            }
        }
    }

    /// Takes character data.
    pub fn text(&mut self, text: &str) {
        let Some(frame) = self.frames.last_mut() else { return };
        if frame.nil && !text.is_empty() {
            return self.report("cvc-elt.3.2.1", "an element that is nil has text", None);
        }
        match &frame.content {
            Expect::Simple(_) => frame.text.push_str(text),
            Expect::Elements { mixed: true, .. } if frame.element.is_some_and(|noun| noun.fixed.is_some()) => frame.text.push_str(text),
            Expect::Elements { mixed: false, .. } if !chars::is_blank(text) => {
                self.report("cvc-complex-type.2.3", "text stands between child elements", None);
            }
            Expect::Empty if !text.is_empty() => self.report("cvc-complex-type.2.1", "text stands in an element that must be empty", None),
            _ => {}
        }
    }

    /// Takes an end tag.
    pub fn end(&mut self) {
        if let Some(frame) = self.frames.last_mut().filter(|frame| !frame.nil) {
            let text = std::mem::take(&mut frame.text);
            let noun = frame.element;
            match &frame.content {
                Expect::Simple(simple) => {
                    let simple: &'s Simple = simple;
                    self.content(simple, noun, &text);
                }
                Expect::Elements { model, cursor, broken: false, .. } if !model.accepts(cursor) => {
                    let expected: Vec<QName> = model.expected(cursor).into_iter().cloned().collect();
                    let list: Vec<String> = expected.iter().take(LISTED_MAX).map(|name| self.shown(name)).collect();
                    self.report("cvc-complex-type.2.4.b", format!("the content is not complete; expected: {}", list.join(", ")), None);
                }
                Expect::Elements { .. } => {
                    let fixed = noun.and_then(|noun| noun.fixed.as_deref()).filter(|fixed| *fixed != text && !text.is_empty());
                    if let Some(fixed) = fixed {
                        self.report("cvc-elt.5.2.2.2.1", format!("the text is not the fixed one, '{fixed}'"), None);
                    }
                }
                Expect::Skip | Expect::Lax | Expect::Empty => {}
            }
        }
        self.frames.pop();
        self.scope.leave();
    }

    /// Part 1 §3.3.4, cvc-elt.5: an empty element has its default or fixed value, which `xsi:type` may have made wrong.
    fn content(&mut self, simple: &'s Simple, noun: Option<&'s ElementNoun>, text: &str) {
        let fixed = noun.and_then(|noun| noun.fixed.as_deref());
        let implied = noun.and_then(|noun| noun.default.as_deref()).or(fixed).filter(|_| text.is_empty());
        let text = implied.unwrap_or(text);
        match simple.value(self.schemas, text, Some(&self.scope)) {
            Err(failure) => self.report(failure.rule, failure.what, suggestion(failure.rule, simple, text)),
            Ok(value) => {
                let same =
                    fixed.is_none_or(|fixed| simple.value(self.schemas, fixed, Some(&self.scope)).is_ok_and(|fixed| fixed.equals(&value)));
                if !same {
                    self.report("cvc-elt.5.2.2.2.2", format!("the value is not the fixed one, '{}'", fixed.unwrap_or_default()), None);
                }
                self.identify(simple, text);
            }
        }
    }
}

fn suggestion(rule: &str, simple: &Simple, text: &str) -> Option<String> {
    let values = simple.facets.enumeration.as_ref().filter(|_| rule == "cvc-enumeration-valid")?;
    nearest(chars::trim(text), values.iter().map(|value| value.lexical.as_str())).map(|near| format!("did you mean '{near}'?"))
}

/// The start of what a peer wrote, short enough for a message.
fn limited(text: &str) -> String {
    text.chars().take(60).collect()
}
