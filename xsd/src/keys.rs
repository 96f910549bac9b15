//! Identity constraints while a document goes by (part 1 §3.11.4): keys are collected and told apart inside the element that has the
//! constraint, and nothing else of it is kept.

use crate::identity::{Category, ConstraintId, IdentityConstraint, XPath};
use crate::report::qualified;
use crate::schema::{ElementNoun, Schemas};
use crate::site::Site;
use crate::tree::Place;
use crate::validate::Finding;
use crate::value::Value;
use crate::verdict::Violation;
use std::collections::HashSet;

/// Octets of memory that the keys inside one element may cost, more or less.
const BYTES_MAX: usize = 24 << 20;
/// What a key costs beside its text.
const ENTRY_BYTES: usize = 64;

/// The constraints of the open elements.
#[derive(Default)]
pub(crate) struct Keys<'s> {
    open: Vec<Held<'s>>,
    selected: Vec<Selected>,
    bytes: usize,
    full: bool,
}

/// A constraint of an open element.
struct Held<'s> {
    id: ConstraintId,
    constraint: &'s IdentityConstraint,
    /// The depth of its element.
    depth: usize,
    keys: HashSet<String>,
    /// Of a keyref: what must be found, with where it stands.
    wanted: Vec<(String, Place, String)>,
}

/// What an element that ends has been.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    /// Of a simple type or simple content.
    Value,
    Nil,
    /// Of a type whose content is no value: no field leads to it.
    Complex,
}

/// An open element that a selector has chosen.
struct Selected {
    /// Which of the constraints.
    held: usize,
    depth: usize,
    fields: Vec<Option<String>>,
    /// The depth of the open element that a field has chosen, by field.
    waiting: Vec<Option<usize>>,
    place: Place,
}

impl<'s> Keys<'s> {
    /// Whether values matter now.
    #[inline]
    pub(crate) fn is_watching(&self) -> bool {
        !self.selected.is_empty()
    }

    /// Whether any constraint holds here.
    #[inline]
    pub(crate) fn is_idle(&self) -> bool {
        self.open.is_empty()
    }

    /// An element starts that has constraints.
    pub(crate) fn open(&mut self, schemas: &'s Schemas, noun: &'s ElementNoun, depth: usize) {
        for id in &noun.constraints {
            if let Some(constraint) = schemas.constraints.get(*id) {
                self.open.push(Held { id: *id, constraint, depth, keys: HashSet::new(), wanted: Vec::new() });
            }
        }
    }

    /// An element starts inside constraints: selectors and fields look at it.
    pub(crate) fn start<S: Site>(&mut self, site: &S, depth: usize) -> Vec<Finding> {
        let mut findings = Vec::new();
        for (at, held) in self.open.iter().enumerate() {
            if !self.full && held.constraint.selector.iter().any(|path| leads(site, path, held.depth, depth)) {
                let count = held.constraint.fields.len();
                let place = site.place_at(depth);
                self.selected.push(Selected { held: at, depth, fields: vec![None; count], waiting: vec![None; count], place });
            }
        }
        for selected in &mut self.selected {
            let Some(held) = self.open.get(selected.held) else { continue };
            for (paths, (value, waiting)) in held.constraint.fields.iter().zip(selected.fields.iter().zip(&mut selected.waiting)) {
                let chosen = paths.iter().any(|path| path.attribute.is_none() && leads(site, path, selected.depth, depth));
                if chosen && (value.is_some() || waiting.is_some()) {
                    findings.push(twice(held.constraint));
                } else if chosen {
                    *waiting = Some(depth);
                }
            }
        }
        findings
    }

    /// An attribute of the element at `depth` has a value.
    pub(crate) fn attribute<S: Site>(&mut self, site: &S, depth: usize, name: crate::event::Name<'_>, value: &Value<'_>) -> Vec<Finding> {
        let mut findings = Vec::new();
        let name = qualified(name);
        for selected in &mut self.selected {
            let Some(held) = self.open.get(selected.held) else { continue };
            for (paths, field) in held.constraint.fields.iter().zip(&mut selected.fields) {
                let chosen = |path: &XPath| {
                    path.attribute.as_ref().is_some_and(|test| test.matches(&name)) && leads(site, path, selected.depth, depth)
                };
                if !paths.iter().any(chosen) {
                    continue;
                }
                match field {
                    Some(_) => findings.push(twice(held.constraint)),
                    None => *field = Some(key(value)),
                }
            }
        }
        findings
    }

    /// The element at `depth` has a value.
    pub(crate) fn value(&mut self, depth: usize, value: &Value<'_>) {
        for selected in &mut self.selected {
            for (field, _) in selected.fields.iter_mut().zip(&selected.waiting).filter(|(_, waiting)| **waiting == Some(depth)) {
                *field = Some(key(value));
            }
        }
    }

    /// The element at `depth` ends. `path` says the way to it.
    pub(crate) fn end(
        &mut self,
        schemas: &Schemas,
        depth: usize,
        ended: Ended,
        path: impl Fn() -> String,
    ) -> (Vec<Finding>, Vec<Violation>) {
        let (mut findings, mut violations) = (Vec::new(), Vec::new());
        for selected in &mut self.selected {
            let constraint = self.open.get(selected.held).map(|held| held.constraint);
            let is_key = self.open.get(selected.held).is_some_and(|held| held.constraint.category == Category::Key);
            let fields = selected.waiting.iter_mut().zip(&mut selected.fields).filter(|(waiting, _)| **waiting == Some(depth));
            for (waiting, field) in fields {
                // It stays chosen, so that a second one is found; a nil element has no value.
                *waiting = Some(usize::MAX);
                if ended == Ended::Complex {
                    *field = Some(String::new());
                    findings.extend(constraint.map(no_value));
                } else if ended == Ended::Nil && is_key {
                    *field = Some(String::new());
                    findings.push(("cvc-identity-constraint.4.2.3", "a field of a key is nil".to_owned(), None));
                }
            }
        }
        while let Some(selected) = self.selected.pop_if(|selected| selected.depth == depth) {
            findings.extend(self.close(selected, &path));
        }
        while let Some(held) = self.open.pop_if(|held| held.depth == depth) {
            self.bytes = self.bytes.saturating_sub(held.keys.iter().map(|key| key.len() + ENTRY_BYTES).sum());
            self.resolve(schemas, held, depth, &mut violations);
        }
        (findings, violations)
    }

    fn close(&mut self, selected: Selected, path: &impl Fn() -> String) -> Option<Finding> {
        let held = self.open.get_mut(selected.held).filter(|_| !self.full)?;
        let (name, category) = (held.constraint.name.local(), held.constraint.category);
        let Some(fields) = selected.fields.into_iter().collect::<Option<Vec<String>>>() else {
            let what = format!("a field of the key '{name}' is missing");
            return (category == Category::Key).then(|| ("cvc-identity-constraint.4.2.1", what, declared(held.constraint)));
        };
        // Lengths before the parts: no two lists of fields give one key.
        let key: String = fields.iter().map(|field| format!("{}:{field}", field.len())).collect();
        self.bytes += key.len() + ENTRY_BYTES;
        if self.bytes > BYTES_MAX {
            self.full = true;
            let what = format!("the keys of '{name}' take more than {BYTES_MAX} bytes: they are not looked at from here on");
            return Some(("cvc-identity-constraint", what, None));
        }
        if category == Category::Keyref {
            held.wanted.push((key, selected.place, path()));
            return None;
        }
        let what = || format!("a second element has this value of '{name}'");
        let rule = if category == Category::Key { "cvc-identity-constraint.4.2.2" } else { "cvc-identity-constraint.4.1" };
        (!held.keys.insert(key)).then(|| (rule, what(), declared(held.constraint)))
    }

    /// A constraint's element ends: its keys can be referred to from around it, its references must have been found inside it.
    fn resolve(&mut self, schemas: &Schemas, held: Held<'_>, depth: usize, violations: &mut Vec<Violation>) {
        for (key, place, path) in held.wanted.iter().filter(|(key, ..)| !held.keys.contains(key) && !self.full) {
            let here =
                self.open.iter().any(|other| other.depth == depth && Some(other.id) == held.constraint.refer && other.keys.contains(key));
            if !here {
                let refer = held.constraint.refer.and_then(|id| schemas.constraints.get(id)).map_or("", |refer| refer.name.local());
                let what = format!("no element has the value of '{refer}' that '{}' refers to", held.constraint.name.local());
                let (place, path) = (*place, path.clone());
                violations.push(Violation { rule: "cvc-identity-constraint.4.3", place, path, what, help: declared(held.constraint) });
            }
        }
        if held.constraint.category != Category::Keyref {
            for other in self.open.iter_mut().filter(|other| other.constraint.refer == Some(held.id)) {
                other.keys.extend(held.keys.iter().cloned());
            }
        }
    }
}

fn twice(constraint: &IdentityConstraint) -> Finding {
    let what = format!("a field of '{}' leads to more than one value", constraint.name.local());
    ("cvc-identity-constraint.3", what, declared(constraint))
}

fn no_value(constraint: &IdentityConstraint) -> Finding {
    let what = format!("a field of '{}' leads to an element that has no simple type", constraint.name.local());
    ("cvc-identity-constraint.3", what, declared(constraint))
}

/// Where to look for what is asked for.
fn declared(constraint: &IdentityConstraint) -> Option<String> {
    Some(format!("the constraint stands at {}", constraint.source))
}

/// Whether a path, attributes left out, leads from the open element at one depth to that at another.
fn leads<S: Site>(site: &S, path: &XPath, from: usize, to: usize) -> bool {
    let length = path.steps.len();
    let fits = if path.descendants { to >= from + length } else { to == from + length };
    fits && path
        .steps
        .iter()
        .zip(to + 1 - length..)
        .all(|(step, depth)| site.name_at(depth).is_some_and(|name| step.matches(&qualified(name))))
}

/// A value as text that is equal where the values are: of one primitive type each (part 2 §4.2.1).
fn key(value: &Value<'_>) -> String {
    match value {
        Value::Text(text) => format!("s{text}"),
        Value::Boolean(value) => format!("b{value}"),
        Value::Decimal(value) => format!("d{}", value.canonical()),
        Value::Float(value) => format!("f{}", if *value == 0.0 { 0.0 } else { *value }),
        Value::Octets(octets) => format!("o{octets:?}"),
        Value::Name(name) => format!("q{name}"),
        Value::Moment(moment) => format!("m{}", moment.canonical()),
        Value::Duration(value) => format!("p{value:?}"),
        Value::List(items) => items.iter().map(key).map(|item| format!("{}:{item}", item.len())).collect(),
    }
}
