//! Which leaves of the source travel, which stay behind with a reason, and which nobody has thought of.

use crate::diagnostic::Location;
use crate::document::OPEN;
use crate::graph::{Graph, TypeId};
use crate::path::Scope;
use crate::plan::Check;
use crate::turn::{Turn, Turns};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use xsd::tree::{Place, QName};

/// How many leaves of a window are mapped, ignored with a reason, or neither.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Coverage {
    /// Read by a rule, or ignored with a reason where no rule reads it.
    pub mapped: usize,
    /// Read in some branches, and neither read nor ignored in another. Each has a warning SM303, unless one rule says what comes first
    /// (`from="a | b"`).
    pub in_part: usize,
    /// Asked for by an `m:when` whose other branches lose the value: each has a warning SM304.
    pub decides: usize,
    /// Left behind with a reason.
    pub ignored: usize,
    /// Given to a stylesheet, which nobody looks into.
    pub opaque: usize,
    /// Neither: each has a warning SM300.
    pub unaccounted: usize,
}

impl fmt::Display for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { mapped, in_part, decides, ignored, opaque, unaccounted } = self;
        write!(f, "{mapped} mapped, ")?;
        if *in_part > 0 {
            write!(f, "{in_part} in part, ")?;
        }
        if *decides > 0 {
            write!(f, "{decides} only decide, ")?;
        }
        write!(f, "{ignored} ignored with a reason, ")?;
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
    /// Where rules read it, and whether that is only to decide.
    reads: Vec<(Turn, bool)>,
    /// Where it is left out for a reason.
    ignores: Vec<Turn>,
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

/// What becomes of a leaf.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// It stays, for a reason.
    Ignored,
    /// A stylesheet has it.
    Opaque,
    /// A rule reads it.
    Mapped,
    /// A rule reads it, and in another branch none does.
    InPart,
    /// It decides which rules run, and its value is lost in a branch.
    Decides,
    /// Nobody thought of it.
    Unaccounted,
}

impl State {
    /// In the words of the report.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Ignored => "ignored",
            Self::Opaque => "opaque",
            Self::Mapped => "mapped",
            Self::InPart => "in part",
            Self::Decides => "decides",
            Self::Unaccounted => "unaccounted",
        }
    }
}

impl Touch {
    pub(crate) fn ignored() -> Self {
        Self { ignores: vec![Turn::new()], ..Self::default() }
    }

    /// Says that a rule reads it at `turn`.
    pub(crate) fn read(&mut self, turn: Turn) {
        self.reads.push((turn, false));
    }

    /// Says that at `turn` its value is known, since it decided that.
    pub(crate) fn decide(&mut self, turn: Turn) {
        self.reads.push((turn, true));
    }

    /// Says that it is left out for a reason at `turn`.
    pub(crate) fn ignore(&mut self, turn: Turn) {
        self.ignores.push(turn);
    }

    fn is_ignored(&self) -> bool {
        !self.ignores.is_empty()
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
                if !child.unfiltered && !child.is_ignored() && !child.filters.is_empty() {
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
        self.reads.extend(other.reads.iter().cloned());
        self.ignores.extend(other.ignores.iter().cloned());
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

/// A leaf of the source, in the words of the mapping, and what becomes of it.
#[derive(Clone, Debug)]
pub struct Leaf {
    /// From the record, or from the root for a header.
    pub path: String,
    /// What becomes of it.
    pub state: State,
    /// The branch in which it is lost, and where that stands in the mapping.
    pub lost: Option<(String, Place)>,
    /// Whether somebody must say more: not where one rule says what comes first.
    pub open: bool,
    pub(crate) declared: Option<Location>,
}

/// Walks the leaves of one window (or header) and says how many are accounted for and which are not.
pub(crate) struct Walk<'g, 't> {
    graph: &'t Graph<'g>,
    scope: &'t Scope,
    turns: &'t Turns,
    /// From the root to where the walk is.
    keys: Vec<Key>,
    leaves: BTreeMap<String, Leaf>,
}

impl<'g, 't> Walk<'g, 't> {
    pub(crate) fn new(graph: &'t Graph<'g>, scope: &'t Scope, turns: &'t Turns, keys: &[Key]) -> Self {
        Self { graph, scope, turns, keys: keys.to_vec(), leaves: BTreeMap::new() }
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
            self.keys.push(Key::Typed(vec![actual]));
            self.content(actual, &touch.of_type(actual), &words);
            self.keys.pop();
        }
    }

    fn content(&mut self, id: TypeId, touch: &Touch, words: &dyn Fn(TypeId) -> String) {
        let graph = self.graph;
        let own = || Some(words(id)).filter(|path| !path.is_empty()).unwrap_or_else(|| ".".to_owned());
        if let Some(whole) = touch.whole {
            self.leaf(own(), touch, Some(whole), None);
            return;
        }
        if touch.is_ignored() && !touch.entered && touch.reads.is_empty() {
            self.leaf(words(id), touch, None, None);
            return;
        }
        let (children, attributes) = (graph.children(id), graph.attributes(id));
        let inherited = |inner: Option<&Touch>| {
            let mut inner = inner.cloned().unwrap_or_default();
            inner.ignores.extend(touch.ignores.iter().cloned());
            inner
        };
        for attribute in attributes.iter() {
            let inner = inherited(touch.attributes.get(&attribute.name));
            let path = join(&words(graph.owner_of_attribute(id, &attribute.name)), &format!("@{}", self.scope.show(&attribute.name)));
            self.keys.push(Key::Attribute(attribute.name.clone()));
            self.leaf(path, &inner, None, attribute.declared.clone());
            self.keys.pop();
        }
        if graph.text_type(id).is_some() || (children.is_empty() && attributes.is_empty()) {
            self.leaf(own(), touch, None, graph.declared(id));
        }
        for child in children.iter() {
            let path = join(&words(graph.owner_of_child(id, &child.name)), &self.scope.show(&child.name));
            let known = touch.children.get(&child.name);
            let inner = inherited(known);
            self.keys.push(Key::Child(child.name.clone()));
            match known {
                None => self.leaf(path, &inner, None, child.declared.clone()),
                Some(known) if !known.entered && known.reads.is_empty() && known.whole.is_none() && inner.is_ignored() => {
                    self.leaf(path, &inner, None, None);
                }
                Some(_) => self.element(child.type_id, &inner, &path),
            }
            self.keys.pop();
        }
        // What no path can name: it goes with the element, or somebody must say that it stays.
        for (there, what) in [graph.has_wildcard(id), graph.has_any_attribute(id), graph.is_mixed(id)].into_iter().zip(OPEN) {
            if there {
                let open = if touch.open.contains(what) { Touch::ignored() } else { inherited(None) };
                self.leaf(join(&words(id), what), &open, None, graph.declared(id));
            }
        }
    }

    fn leaf(&mut self, path: String, touch: &Touch, whole: Option<Whole>, declared: Option<Location>) {
        let (state, lost) = self.judged(touch, whole);
        let open = state == State::Unaccounted || lost.is_some_and(|branch| !branch.said);
        let lost = lost.map(|branch| (branch.words.clone(), branch.place));
        let leaf = Leaf { path: path.clone(), state, lost, open, declared };
        match self.leaves.get_mut(&path) {
            Some(before) if (before.state, before.open) < (state, open) => *before = leaf,
            Some(_) => {}
            None => drop(self.leaves.insert(path, leaf)),
        }
    }

    /// What becomes of what stands here, and in which branch it is lost.
    fn judged(&self, touch: &Touch, whole: Option<Whole>) -> (State, Option<&'t crate::turn::Branch>) {
        let turns: Vec<&[(usize, usize)]> = touch.reads.iter().map(|(turn, _)| turn).chain(&touch.ignores).map(Vec::as_slice).collect();
        if turns.is_empty() {
            return (State::Unaccounted, None);
        }
        let missed = self.turns.missed(&turns, &self.keys);
        let carried = touch.reads.iter().any(|(_, decides)| !decides);
        let state = match missed {
            Some(_) if !carried && !touch.reads.is_empty() => State::Decides,
            Some(_) => State::InPart,
            None if whole == Some(Whole::Opaque) => State::Opaque,
            None if carried || !touch.is_ignored() => State::Mapped,
            None => State::Ignored,
        };
        (state, missed)
    }

    /// The totals, and all leaves.
    pub(crate) fn finish(self) -> (Coverage, Vec<Leaf>) {
        let mut coverage = Coverage::default();
        for leaf in self.leaves.values() {
            match leaf.state {
                State::Mapped => coverage.mapped += 1,
                State::InPart => coverage.in_part += 1,
                State::Decides => coverage.decides += 1,
                State::Ignored => coverage.ignored += 1,
                State::Opaque => coverage.opaque += 1,
                State::Unaccounted => coverage.unaccounted += 1,
            }
        }
        (coverage, self.leaves.into_values().collect())
    }
}

impl std::ops::AddAssign for Coverage {
    fn add_assign(&mut self, other: Self) {
        self.mapped += other.mapped;
        self.in_part += other.in_part;
        self.decides += other.decides;
        self.ignored += other.ignored;
        self.opaque += other.opaque;
        self.unaccounted += other.unaccounted;
    }
}

fn join(path: &str, step: &str) -> String {
    if path.is_empty() { step.to_owned() } else { format!("{path}/{step}") }
}
