//! Content models as tables over numbered names: a step compares numbers and allocates nothing.

use super::count::Standing;
use super::{Counter, Cursor, Edge, Leaf, Model, Target, permits};
use crate::schema::{ElementId, Wildcard};
use crate::tree::QName;

/// Counted particles inside one another that a table follows.
const COUNTERS_MAX: usize = 4;
/// Members of an all group that a table follows.
const MEMBERS_MAX: usize = 64;
/// Names of all states together: large substitution groups at many places would cost too much memory.
const NAMES_MAX: usize = 100_000;
/// From so many names on they are searched by halves.
const LISTED_MAX: usize = 12;

/// A model in which each child can be but one particle, however its occurrences are counted.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    /// The start, then the model's positions.
    states: Vec<State>,
    /// An all group: for each member its names; those that must stand.
    members: Vec<Vec<(usize, ElementId)>>,
    required: u64,
    all: bool,
}

#[derive(Clone, Debug, Default)]
struct State {
    /// Sorted by name.
    named: Vec<Way>,
    wild: Vec<(Edge, Wildcard)>,
    counters: Vec<Counter>,
    last: bool,
}

#[derive(Clone, Copy, Debug)]
struct Way {
    name: usize,
    element: ElementId,
    edge: Edge,
}

/// Where in a table the children of an element have got to.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct At {
    state: usize,
    counts: [u32; COUNTERS_MAX],
    seen: u64,
    started: bool,
}

impl Table {
    /// `None`: the model is too large for a table, or a child can be several particles of it.
    pub(crate) fn new(model: &Model, number: &dyn Fn(&QName) -> usize) -> Option<Self> {
        let mut table = Self { states: Vec::new(), members: Vec::new(), required: 0, all: model.all };
        if model.all {
            return table.fill_all(model, number);
        }
        let mut names = 0;
        let start = State { last: model.nullable, ..State::default() };
        table.states.push(start.fill(model, &model.start, number, &mut names)?);
        for position in &model.positions {
            if position.counters.len() > COUNTERS_MAX {
                return None;
            }
            let state = State { counters: position.counters.clone(), last: position.last, ..State::default() };
            table.states.push(state.fill(model, &position.edges, number, &mut names)?);
        }
        Some(table)
    }

    fn fill_all(mut self, model: &Model, number: &dyn Fn(&QName) -> usize) -> Option<Self> {
        if model.positions.len() > MEMBERS_MAX {
            return None;
        }
        for (at, position) in model.positions.iter().enumerate() {
            let Leaf::Element(names) = &position.leaf else { return None };
            self.members.push(names.iter().map(|(name, element)| (number(name), *element)).collect());
            self.required |= u64::from(position.required) << at;
        }
        self.states.push(State { last: model.nullable, ..State::default() });
        Some(self)
    }

    /// Takes a child by the number of its name, 0 for one that no schema has. `None`: none may stand here, and nothing has moved.
    #[inline]
    pub(crate) fn step<'n>(&self, at: &mut At, name: usize, namespace: impl FnOnce() -> &'n str) -> Option<Target<'_>> {
        if self.all {
            return self.step_all(at, name);
        }
        let state = self.states.get(at.state)?;
        let found = match state.named.len() {
            0..LISTED_MAX => state.named.iter().find(|way| way.name == name),
            _ => state.named.binary_search_by_key(&name, |way| way.name).ok().and_then(|found| state.named.get(found)),
        };
        let (edge, target) = match found.filter(|_| name != 0) {
            Some(way) => (&way.edge, Target::Element(way.element)),
            None => {
                let namespace = if state.wild.is_empty() { return None } else { namespace() };
                let (edge, wildcard) = state.wild.iter().find(|(_, wildcard)| wildcard.allows(namespace))?;
                (edge, Target::Any(wildcard))
            }
        };
        if !state.counters.is_empty() && !permits(&state.counters, &at.counts, edge) {
            return None;
        }
        let counters = self.states.get(edge.target + 1).map(|state| state.counters.as_slice()).unwrap_or_default();
        for (depth, (counter, count)) in counters.iter().zip(&mut at.counts).enumerate() {
            if depth >= edge.keep {
                *count = 1;
            } else if edge.bump && depth + 1 == edge.keep {
                // Beyond the least count of an unbounded particle there is nothing left to tell apart.
                *count = if counter.max.is_none() { (*count + 1).min(counter.min) } else { *count + 1 };
            }
        }
        at.state = edge.target + 1;
        at.started = true;
        Some(target)
    }

    fn step_all(&self, at: &mut At, name: usize) -> Option<Target<'_>> {
        let mut members = self.members.iter().enumerate();
        let (member, element) = members
            .find_map(|(member, names)| names.iter().find(|(listed, _)| *listed == name && name != 0).map(|(_, id)| (member, *id)))?;
        at.started = true;
        let fresh = at.seen & 1 << member == 0;
        at.seen |= 1 << member;
        fresh.then_some(Target::Element(element))
    }

    /// Whether the content may end.
    #[inline]
    pub(crate) fn accepts(&self, at: &At) -> bool {
        if self.all && at.started {
            return at.seen & self.required == self.required;
        }
        self.states
            .get(at.state)
            .is_some_and(|state| state.last && state.counters.iter().zip(&at.counts).all(|(counter, count)| *count >= counter.min))
    }

    /// The same place in the model itself, to ask what may stand there.
    pub(crate) fn cursor(&self, at: &At) -> Cursor {
        let counters = self.states.get(at.state).map_or(0, |state| state.counters.len());
        let counts = at.counts.iter().take(counters).copied().collect();
        let places = at.state.checked_sub(1).map(|position| Standing::new(position, counts)).into_iter().collect();
        let seen = (0..self.members.len()).map(|member| at.seen & 1 << member != 0).collect();
        Cursor { places, seen, started: at.started, crowded: false }
    }
}

impl State {
    fn fill(mut self, model: &Model, edges: &[Edge], number: &dyn Fn(&QName) -> usize, names: &mut usize) -> Option<Self> {
        let mut namespaces: Vec<(usize, &str)> = Vec::new();
        for edge in edges {
            match &model.positions.get(edge.target)?.leaf {
                Leaf::Any(wildcard) => self.wild.push((*edge, wildcard.clone())),
                Leaf::Element(listed) => {
                    *names += listed.len();
                    for (name, element) in listed {
                        let number = number(name);
                        self.named.push(Way { name: number, element: *element, edge: *edge });
                        namespaces.push((number, name.namespace()));
                    }
                }
            }
        }
        self.named.sort_by_key(|way| way.name);
        let twice = self.named.windows(2).any(|pair| matches!(pair, [left, right] if left.name == right.name));
        let both = namespaces.iter().any(|(_, namespace)| self.wild.iter().any(|(_, wildcard)| wildcard.allows(namespace)));
        let wild =
            self.wild.iter().enumerate().any(|(at, (_, left))| self.wild.iter().skip(at + 1).any(|(_, right)| super::overlap(left, right)));
        (*names <= NAMES_MAX && !twice && !both && !wild).then_some(self)
    }
}
