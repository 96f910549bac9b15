//! Which leaves of the source travel, which stay behind with a reason, and which nobody has thought of.

use crate::diagnostic::Location;
use crate::document::OPEN;
use crate::graph::{Graph, TypeId};
use crate::path::Scope;
use crate::plan::Check;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use xsd::tree::QName;

/// How many leaves of a window are mapped, ignored with a reason, or neither.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Coverage {
    /// Read by a rule.
    pub mapped: usize,
    /// Left behind with a reason.
    pub ignored: usize,
    /// Given to a stylesheet, which nobody looks into.
    pub opaque: usize,
    /// Neither: each has a warning SM300.
    pub unaccounted: usize,
}

impl fmt::Display for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { mapped, ignored, opaque, unaccounted } = self;
        write!(f, "{mapped} mapped, {ignored} ignored with a reason, ")?;
        if *opaque > 0 {
            write!(f, "{opaque} opaque, ")?;
        }
        write!(f, "{unaccounted} unaccounted")
    }
}

/// A step from the root towards what a rule speaks of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Key {
    Child(QName),
    /// Only where the element has one of these types.
    Typed(Vec<TypeId>),
    Attribute(QName),
}

/// What the rules do with an element or an attribute and what is in it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Touch {
    pub(crate) read: bool,
    pub(crate) ignored: bool,
    /// Taken over with everything in it, or given to a stylesheet.
    pub(crate) whole: Option<Whole>,
    /// Reported by another finding already.
    pub(crate) skipped: bool,
    /// A rule stands or reads in it, so it is looked into leaf by leaf.
    entered: bool,
    children: BTreeMap<QName, Self>,
    attributes: BTreeMap<QName, Self>,
    typed: BTreeMap<TypeId, Self>,
    filters: Vec<Vec<Check>>,
    unfiltered: bool,
    /// What no path can name and is ignored with a reason.
    pub(crate) open: BTreeSet<&'static str>,
}

/// Elements of which rules read only some: the names that lead to what holds them, their own, and the predicates.
pub(crate) type Watched = (Vec<QName>, QName, Vec<Vec<Check>>);

/// What takes an element with everything in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Whole {
    Copied,
    Opaque,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum State {
    Ignored,
    Opaque,
    Mapped,
    Unaccounted,
}

impl Touch {
    pub(crate) fn ignored() -> Self {
        Self { ignored: true, ..Self::default() }
    }

    /// Applies `change` to what `keys` lead to, in every type that they allow.
    pub(crate) fn at(&mut self, keys: &[Key], change: &dyn Fn(&mut Self)) {
        let Some((key, rest)) = keys.split_first() else { return change(self) };
        self.entered = true;
        match key {
            Key::Child(name) => self.children.entry(name.clone()).or_default().at(rest, change),
            Key::Attribute(name) => self.attributes.entry(name.clone()).or_default().at(rest, change),
            Key::Typed(types) => types.iter().for_each(|id| self.typed.entry(*id).or_default().at(rest, change)),
        }
    }

    /// Says that a rule reads the elements here that satisfy `checks`.
    pub(crate) fn seen(&mut self, checks: &[Check]) {
        let filter: Vec<Check> = checks.iter().filter(|check| !matches!(check, Check::Type(_))).cloned().collect();
        if filter.is_empty() {
            self.unfiltered = true;
        } else {
            self.filters.push(filter);
        }
    }

    /// Elements of which only some are read, below `self` at `parents`.
    pub(crate) fn guards(&self, parents: &[QName], into: &mut Vec<Watched>) {
        for touch in std::iter::once(self).chain(self.typed.values()) {
            for (name, child) in &touch.children {
                if !child.unfiltered && !child.ignored && !child.filters.is_empty() {
                    into.push((parents.to_vec(), name.clone(), child.filters.clone()));
                }
                let inner: Vec<QName> = parents.iter().chain([name]).cloned().collect();
                child.guards(&inner, into);
            }
        }
    }

    /// Whether rules read only some of the elements there, by predicates.
    pub(crate) fn is_filtered(&self, keys: &[Key]) -> bool {
        let Some((key, rest)) = keys.split_first() else { return !self.filters.is_empty() };
        match key {
            Key::Child(name) => self.children.get(name).is_some_and(|child| child.is_filtered(rest)),
            Key::Attribute(_) => false,
            Key::Typed(types) => types.iter().filter_map(|id| self.typed.get(id)).any(|typed| typed.is_filtered(rest)),
        }
    }

    /// What the rules do with this element where its type is `id`.
    fn of_type(&self, id: TypeId) -> Self {
        let mut merged = self.clone();
        if let Some(typed) = self.typed.get(&id) {
            merged.merge(typed);
        }
        merged
    }

    fn merge(&mut self, other: &Self) {
        self.read |= other.read;
        self.ignored |= other.ignored;
        self.whole = self.whole.or(other.whole);
        self.entered |= other.entered;
        self.open.extend(&other.open);
        for (name, touch) in &other.children {
            self.children.entry(name.clone()).or_default().merge(touch);
        }
        for (name, touch) in &other.attributes {
            self.attributes.entry(name.clone()).or_default().merge(touch);
        }
        for (id, touch) in &other.typed {
            self.typed.entry(*id).or_default().merge(touch);
        }
    }

    pub(crate) fn child(&self, name: &QName) -> Option<&Self> {
        self.children.get(name)
    }
}

/// A leaf and where it was found, in the words of the mapping.
type Leaves = BTreeMap<String, (State, Option<Location>)>;

/// A leaf that is neither mapped nor ignored, and where the schema declares it.
pub(crate) type Open = (String, Option<Location>);

/// Walks the leaves of one window (or header) and says how many are accounted for and which are not.
pub(crate) struct Walk<'a> {
    graph: &'a Graph<'a>,
    scope: &'a Scope,
    leaves: Leaves,
}

impl<'a> Walk<'a> {
    pub(crate) fn new(graph: &'a Graph<'a>, scope: &'a Scope) -> Self {
        Self { graph, scope, leaves: Leaves::new() }
    }

    /// Everything in an element of the declared type `id`.
    pub(crate) fn element(&mut self, id: TypeId, touch: &Touch, path: &str) {
        let concrete = self.graph.concrete(id);
        for actual in concrete.iter().copied() {
            if touch.typed.get(&actual).is_some_and(|typed| typed.skipped) {
                continue;
            }
            // What a type inherits is said once, at the type that declares it.
            let words = |owner: TypeId| match self.graph.type_name(owner) {
                Some(name) if owner != id && self.graph.derives(owner, id) => format!("{path}[{}]", self.scope.show(&name)),
                _ => path.to_owned(),
            };
            self.content(actual, &touch.of_type(actual), &words);
        }
    }

    fn content(&mut self, id: TypeId, touch: &Touch, words: &dyn Fn(TypeId) -> String) {
        let graph = self.graph;
        if let Some(whole) = touch.whole {
            let path = words(id);
            let path = if path.is_empty() { ".".to_owned() } else { path };
            self.leaf(path, if whole == Whole::Copied { State::Mapped } else { State::Opaque }, None);
            return;
        }
        if touch.ignored && !touch.entered && !touch.read {
            self.leaf(words(id), State::Ignored, None);
            return;
        }
        let (children, attributes) = (graph.children(id), graph.attributes(id));
        for attribute in &attributes {
            let state = touch
                .attributes
                .get(&attribute.name)
                .map_or(state_of(false, touch.ignored), |inner| state_of(inner.read, inner.ignored || touch.ignored));
            let path = join(&words(graph.owner_of_attribute(id, &attribute.name)), &format!("@{}", self.scope.show(&attribute.name)));
            self.leaf(path, state, attribute.declared.clone());
        }
        if graph.text_type(id).is_some() || (children.is_empty() && attributes.is_empty()) {
            let path = words(id);
            let path = if path.is_empty() { ".".to_owned() } else { path };
            self.leaf(path, state_of(touch.read, touch.ignored), graph.declared(id));
        }
        for child in &children {
            let path = join(&words(graph.owner_of_child(id, &child.name)), &self.scope.show(&child.name));
            match touch.children.get(&child.name) {
                None if touch.ignored => self.leaf(path, State::Ignored, None),
                None => self.leaf(path, State::Unaccounted, child.declared.clone()),
                Some(inner) if !inner.entered && !inner.read && inner.whole.is_none() && (inner.ignored || touch.ignored) => {
                    self.leaf(path, State::Ignored, None)
                }
                Some(inner) => {
                    let mut inner = inner.clone();
                    inner.ignored |= touch.ignored;
                    self.element(child.type_id, &inner, &path);
                }
            }
        }
        // What no path can name: it goes with the element, or somebody must say that it stays.
        for (there, what) in [graph.has_wildcard(id), graph.has_any_attribute(id), graph.is_mixed(id)].into_iter().zip(OPEN) {
            if there {
                let ignored = touch.ignored || touch.open.contains(what);
                self.leaf(join(&words(id), what), state_of(false, ignored), graph.declared(id));
            }
        }
    }

    fn leaf(&mut self, path: String, state: State, declared: Option<Location>) {
        let entry = self.leaves.entry(path).or_insert((state, declared));
        entry.0 = entry.0.max(state);
    }

    /// The totals, and the leaves that are neither mapped nor ignored.
    pub(crate) fn finish(self) -> (Coverage, Vec<Open>) {
        let mut coverage = Coverage::default();
        let mut open = Vec::new();
        for (path, (state, declared)) in self.leaves {
            match state {
                State::Mapped => coverage.mapped += 1,
                State::Ignored => coverage.ignored += 1,
                State::Opaque => coverage.opaque += 1,
                State::Unaccounted => {
                    coverage.unaccounted += 1;
                    open.push((path, declared));
                }
            }
        }
        (coverage, open)
    }
}

fn state_of(read: bool, ignored: bool) -> State {
    match (read, ignored) {
        (true, _) => State::Mapped,
        (false, true) => State::Ignored,
        (false, false) => State::Unaccounted,
    }
}

fn join(path: &str, step: &str) -> String {
    if path.is_empty() { step.to_owned() } else { format!("{path}/{step}") }
}
