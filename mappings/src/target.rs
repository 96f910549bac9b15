//! What a target document gets: paths resolved against the target schema, and whether what it must have is written, once.

use crate::diagnostic::{Location, Report, meant};
use crate::graph::{Child, Graph, TypeId};
use crate::path::{Path, Scope, Step};
use crate::plan::{Last, Names, Slot};
use crate::turn::{Branch, Turn, Turns};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use xsd::tree::{Place, QName};

/// How often something is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Times {
    pub(crate) min: usize,
    /// `None`: as often as the source has it.
    pub(crate) max: Option<usize>,
}

impl Times {
    pub(crate) const ONCE: Self = Self { min: 1, max: Some(1) };
    pub(crate) const PERHAPS: Self = Self { min: 0, max: Some(1) };
    const NEVER: Self = Self { min: 0, max: Some(0) };

    fn and(self, other: Self) -> Self {
        Self { min: self.min + other.min, max: self.max.zip(other.max).map(|(left, right)| left + right) }
    }

    fn or(self, other: Self) -> Self {
        Self { min: self.min.min(other.min), max: self.max.zip(other.max).map(|(left, right)| left.max(right)) }
    }
}

/// One element of the target under construction.
#[derive(Clone, Debug)]
pub(crate) struct Draft {
    pub(crate) type_id: TypeId,
    pub(crate) path: String,
    pub(crate) declared: Option<Location>,
    elements: BTreeMap<QName, Times>,
    attributes: BTreeMap<QName, Times>,
    text: Times,
    /// Elements made on the way to others, and how surely.
    shared: BTreeMap<QName, (Times, Self)>,
    /// Each element that a rule writes, and when.
    written: Vec<(QName, Written)>,
    /// The only text that it may have.
    pub(crate) fixed: Option<String>,
}

/// When a rule writes: the branches that it stands in, and what of the source is there then.
#[derive(Clone, Debug, Default)]
pub(crate) struct Written {
    pub(crate) turn: Turn,
    pub(crate) there: Branch,
}

/// Where a target path leads.
pub(crate) struct Aim {
    pub(crate) through: Vec<Slot>,
    pub(crate) last: Last,
    /// Of the element or attribute aimed at.
    pub(crate) type_id: TypeId,
    pub(crate) path: String,
    pub(crate) declared: Option<Location>,
    /// The only value that it may have.
    pub(crate) fixed: Option<String>,
}

/// The target schema, and the prefixes that its elements get.
#[derive(Clone, Copy)]
pub(crate) struct Target<'a> {
    pub(crate) graph: &'a Graph<'a>,
    pub(crate) scope: &'a Scope,
    pub(crate) names: &'a RefCell<Names>,
}

impl Draft {
    pub(crate) fn new(type_id: TypeId, path: impl Into<String>, declared: Option<Location>) -> Self {
        let (elements, attributes, shared, written) = Default::default();
        Self { type_id, path: path.into(), declared, elements, attributes, text: Times::NEVER, shared, written, fixed: None }
    }

    /// The same element with nothing written yet: for one branch of several.
    pub(crate) fn fresh(&self) -> Self {
        Self { fixed: self.fixed.clone(), ..Self::new(self.type_id, self.path.clone(), self.declared.clone()) }
    }

    /// Of several branches one happens.
    pub(crate) fn either(mut self, other: &Self) -> Self {
        merge(&mut self.elements, &other.elements, Times::or);
        merge(&mut self.attributes, &other.attributes, Times::or);
        self.text = self.text.or(other.text);
        self.written.extend(other.written.iter().cloned());
        let names: Vec<QName> = self.shared.keys().chain(other.shared.keys()).cloned().collect();
        for name in names {
            let both = match (self.shared.get(&name), other.shared.get(&name)) {
                (Some((left, draft)), Some((right, second))) => (left.or(*right), draft.clone().either(second)),
                (Some((times, draft)), None) | (None, Some((times, draft))) => (times.or(Times::NEVER), draft.clone()),
                (None, None) => continue,
            };
            self.shared.insert(name, both);
        }
        self
    }

    /// Both happen, one after the other.
    pub(crate) fn then(&mut self, other: &Self) {
        merge(&mut self.elements, &other.elements, Times::and);
        merge(&mut self.attributes, &other.attributes, Times::and);
        self.text = self.text.and(other.text);
        self.written.extend(other.written.iter().cloned());
        for (name, (times, draft)) in &other.shared {
            match self.shared.get_mut(name) {
                Some((before, already)) => {
                    before.min = before.min.max(times.min);
                    already.then(draft);
                }
                None => {
                    self.shared.insert(name.clone(), (*times, draft.clone()));
                }
            }
        }
    }

    /// Records that what `aim` leads to is written.
    pub(crate) fn write(&mut self, aim: &Aim, times: Times, written: &Written) {
        let mut draft = self;
        for slot in &aim.through {
            draft.written.push((slot.name.clone(), written.clone()));
            let Some((before, inner)) = draft.shared.get_mut(&slot.name) else { return };
            before.min = before.min.max(times.min.min(1));
            draft = inner;
        }
        let entry = match &aim.last {
            Last::Text => &mut draft.text,
            Last::Attribute(name, _) => draft.attributes.entry(name.clone()).or_insert(Times::NEVER),
            Last::Element(slot) => draft.elements.entry(slot.name.clone()).or_insert(Times::NEVER),
        };
        *entry = entry.and(times);
        if let Last::Element(slot) = &aim.last {
            draft.written.push((slot.name.clone(), written.clone()));
        }
    }

    /// Records that its own text is written.
    pub(crate) fn write_text(&mut self) {
        self.text = self.text.and(Times::ONCE);
    }

    fn times(&self, child: &QName) -> Times {
        let shared = self.shared.get(child).map_or(Times::NEVER, |(times, _)| *times);
        self.elements.get(child).copied().unwrap_or(Times::NEVER).and(shared)
    }
}

/// What may stand so often is not called narrow for a source that may have more.
const MANY: usize = 64;

fn merge(into: &mut BTreeMap<QName, Times>, other: &BTreeMap<QName, Times>, how: fn(Times, Times) -> Times) {
    let names: Vec<QName> = into.keys().chain(other.keys()).cloned().collect::<BTreeSet<_>>().into_iter().collect();
    for name in names {
        let left = into.get(&name).copied().unwrap_or(Times::NEVER);
        let right = other.get(&name).copied().unwrap_or(Times::NEVER);
        into.insert(name, how(left, right));
    }
}

impl Aim {
    /// The element aimed at, with nothing written yet.
    pub(crate) fn draft(&self) -> Draft {
        Draft { fixed: self.fixed.clone(), ..Draft::new(self.type_id, self.path.clone(), self.declared.clone()) }
    }
}

impl Target<'_> {
    pub(crate) fn show(&self, name: &QName) -> String {
        self.scope.show(name)
    }

    pub(crate) fn slot(&self, name: &QName, rank: usize) -> Slot {
        Slot { name: name.clone(), number: self.number(name), rank }
    }

    fn number(&self, name: &QName) -> usize {
        self.names.borrow_mut().intern(name, &self.scope.prefix(name.namespace()))
    }

    /// Resolves a target path from `draft`, entering shared elements on the way.
    pub(crate) fn aim(&self, path: &Path, draft: &mut Draft, place: Place, report: &mut Report) -> Option<Aim> {
        let mut aim = Aim {
            through: Vec::new(),
            last: Last::Text,
            type_id: draft.type_id,
            path: draft.path.clone(),
            declared: draft.declared.clone(),
            fixed: draft.fixed.clone(),
        };
        let mut here = draft;
        for (at, step) in path.steps.iter().enumerate() {
            let last = at + 1 == path.steps.len();
            match step {
                Step::Up => {
                    report.error("SM210", place, format!("target path '{path}' goes up; it may only go down"));
                    return None;
                }
                Step::Element { tests, .. } if !tests.is_empty() => {
                    let text = format!("the target path '{path}' has a predicate: which element is written follows from the rules");
                    report.error("SM214", place, text).helped("write the element with m:in, and in it what the predicate asks for");
                    return None;
                }
                Step::Element { name, .. } => {
                    let child = self.child(here, name, place, report)?;
                    aim.type_id = child.type_id;
                    aim.path = format!("{}/{}", here.path, self.show(name));
                    aim.declared.clone_from(&child.declared);
                    aim.fixed.clone_from(&child.fixed);
                    if last {
                        aim.last = Last::Element(self.slot(name, child.rank));
                        break;
                    }
                    aim.through.push(self.slot(name, child.rank));
                    let made = || (Times::PERHAPS, aim.draft());
                    here = &mut here.shared.entry(name.clone()).or_insert_with(made).1;
                }
                Step::Attribute(name) => self.attribute(here, name, &mut aim, place, report)?,
            }
        }
        Some(aim)
    }

    fn child(&self, draft: &Draft, name: &QName, place: Place, report: &mut Report) -> Option<Child> {
        let children = self.graph.children(draft.type_id);
        if let Some(child) = children.named(name) {
            return Some(child.clone());
        }
        let expected: Vec<String> = children.iter().map(|child| self.show(&child.name)).collect();
        let text = format!("target has no element '{}' in '{}' (expected one of: {})", self.show(name), draft.path, expected.join(", "));
        let diagnostic = report.error("SM200", place, text).declared_at(draft.declared.clone());
        if let Some(likely) = meant(name.local(), children.iter().map(|child| child.name.local())) {
            let shown = children.iter().find(|child| child.name.local() == likely).map(|child| self.show(&child.name)).unwrap_or_default();
            diagnostic.helped(format!("did you mean '{shown}'?"));
        }
        None
    }

    fn attribute(&self, draft: &Draft, name: &QName, aim: &mut Aim, place: Place, report: &mut Report) -> Option<()> {
        let attributes = self.graph.attributes(draft.type_id);
        let Some(attribute) = attributes.iter().find(|attribute| attribute.name == *name) else {
            let expected: Vec<String> = attributes.iter().map(|attribute| format!("@{}", self.show(&attribute.name))).collect();
            let text = format!("target has no attribute '@{}' in '{}' (it has: {})", self.show(name), draft.path, expected.join(", "));
            report.error("SM201", place, text).declared_at(draft.declared.clone());
            return None;
        };
        aim.type_id = attribute.type_id;
        aim.path = format!("{}/@{}", draft.path, self.show(name));
        aim.declared.clone_from(&attribute.declared);
        aim.fixed.clone_from(&attribute.fixed);
        aim.last = Last::Attribute(name.clone(), self.number(name));
        Some(())
    }

    /// Checks that a finished element has what it must have and nothing twice.
    pub(crate) fn finish(&self, draft: &Draft, turns: &Turns, place: Place, report: &mut Report) {
        let children = self.graph.children(draft.type_id);
        for child in children.iter() {
            self.occurs(draft, child, place, report);
        }
        self.choices(draft, &children, place, report);
        self.excluded(draft, &children, turns, place, report);
        let needs_text = self.graph.text_type(draft.type_id).is_some_and(|text| text.check("").is_err());
        self.required(draft.text, usize::from(needs_text), &format!("the text of {}", draft.path), draft.declared.clone(), place, report);
        if draft.text.max != Some(0) && draft.text.max != Some(1) {
            report.error("SM203", place, format!("the text of '{}' is written more than once", draft.path));
        }
        for attribute in self.graph.attributes(draft.type_id).iter() {
            let path = format!("{}/@{}", draft.path, self.show(&attribute.name));
            let times = draft.attributes.get(&attribute.name).copied().unwrap_or(Times::NEVER);
            self.required(times, usize::from(attribute.required), &path, attribute.declared.clone(), place, report);
            if times.max != Some(0) && times.max != Some(1) {
                report.error("SM203", place, format!("target '{path}' is written more than once"));
            }
        }
        for (_, inner) in draft.shared.values() {
            self.finish(inner, turns, place, report);
        }
    }

    /// Of a choice that must be made some alternative is written, and never surely two.
    fn choices(&self, draft: &Draft, children: &[Child], place: Place, report: &mut Report) {
        let mut seen = BTreeSet::new();
        for choice in children.iter().filter_map(|child| child.choice) {
            if !seen.insert(choice.number) {
                continue;
            }
            let own: Vec<&Child> =
                children.iter().filter(|child| child.choice.is_some_and(|other| other.number == choice.number)).collect();
            let names = || own.iter().map(|child| self.show(&child.name)).collect::<Vec<_>>().join(", ");
            let written = own.iter().any(|child| draft.times(&child.name).max != Some(0));
            if choice.min > 0 && !written {
                let text = format!("target requires one of {} in '{}', and none is ever written", names(), draft.path);
                report.error("SM202", place, text).declared_at(draft.declared.clone());
            }
        }
    }

    /// Of elements that exclude each other one is written: not surely two, and not two where the source happens to have both.
    fn excluded(&self, draft: &Draft, children: &[Child], turns: &Turns, place: Place, report: &mut Report) {
        let written: Vec<&Child> = children.iter().filter(|child| draft.times(&child.name).max != Some(0)).collect();
        let mut rules: BTreeMap<&QName, Vec<&Written>> = BTreeMap::new();
        draft.written.iter().for_each(|(name, when)| rules.entry(name).or_default().push(when));
        let when = |child: &Child| rules.get(&child.name).into_iter().flatten().map(|when| (&when.turn, &when.there));
        for (at, left) in written.iter().enumerate() {
            for right in written.iter().skip(at + 1).filter(|right| left.excludes(right)) {
                let both = format!("'{}' and '{}' in '{}'", self.show(&left.name), self.show(&right.name), draft.path);
                if [left, right].iter().all(|child| draft.times(&child.name).min > 0) {
                    let text = format!("target takes one of {both}, and more than one is always written");
                    report.error("SM205", place, text).declared_at(draft.declared.clone());
                } else if when(left).any(|left| when(right).any(|right| turns.meet(left, right))) {
                    let text =
                        format!("target takes one of {both}, and both are written where the source has both: such a record is rejected");
                    let help = "part the rules by m:choose, so that one of them has its turn";
                    report.warning("SM206", place, text).declared_at(draft.declared.clone()).helped(help);
                }
            }
        }
    }

    fn occurs(&self, draft: &Draft, child: &Child, place: Place, report: &mut Report) {
        let (times, path) = (draft.times(&child.name), format!("{}/{}", draft.path, self.show(&child.name)));
        self.required(times, child.min, &path, child.declared.clone(), place, report);
        let most = child.max.unwrap_or(usize::MAX);
        if most == 1 && times.max.is_none_or(|max| max > 1) {
            let text = format!("target '{path}' stands at most once, and may be written more often");
            report.error("SM203", place, text).declared_at(child.declared.clone());
        } else if times.min > most {
            let text = format!("target '{path}' stands at most {most} times, and is always written {} times", times.min);
            report.error("SM203", place, text).declared_at(child.declared.clone());
        } else if most < MANY && times.max.is_none_or(|max| max > most) {
            let often = times.max.map_or("as often as the source has it".to_owned(), |max| format!("up to {max} times"));
            let text = format!("target '{path}' stands at most {most} times, and is written {often}: a record with more is rejected");
            report.warning("SM207", place, text).declared_at(child.declared.clone());
        }
    }

    fn required(&self, times: Times, min: usize, path: &str, declared: Option<Location>, place: Place, report: &mut Report) {
        if min <= times.min {
            return;
        }
        if times.max.is_some_and(|max| max > 0 && max < min) {
            let text = format!("target requires '{path}' {min} times, and it is written {} times", times.max.unwrap_or_default());
            report.error("SM202", place, text).declared_at(declared);
        } else if times.max == Some(0) {
            report.error("SM202", place, format!("target requires '{path}', and it is never written")).declared_at(declared);
        } else {
            let text = format!("target requires '{path}', which is not written where the source has nothing: such a record is rejected");
            report.warning("SM121", place, text).declared_at(declared).helped("add default=\"…\" to the rule, if there is a true one");
        }
    }
}
