//! Content models as automata: one position for each element or wildcard particle, edges between them, and counters for
//! occurrences, so that `maxOccurs="1000000000"` costs what `maxOccurs="2"` costs.

mod count;
mod restriction;
mod table;

use crate::schema::{ElementId, Particle, Source, Term, Wildcard};
use crate::tree::QName;
use std::collections::{BTreeMap, HashSet, VecDeque};

use count::Standing;
pub(crate) use table::{At, Table};

/// A compiled content model. Nothing is accepted by the default one but no child at all.
#[derive(Clone, Debug, Default)]
pub(crate) struct Model {
    positions: Vec<Position>,
    /// Edges from the start, in the order of the positions they lead to.
    start: Vec<Edge>,
    nullable: bool,
    /// An all group: its members in any order, each at most once.
    all: bool,
}

#[derive(Clone, Debug)]
struct Position {
    leaf: Leaf,
    /// The counted particles around and at it, outermost first.
    counters: Vec<Counter>,
    edges: Vec<Edge>,
    /// Whether the content may end here, counters permitting.
    last: bool,
    required: bool,
    source: Source,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Counter {
    min: u32,
    max: Option<u32>,
}

/// A step to `target`: the first `keep` counters stay, the last of them one higher if `bump`; the rest have ended and start anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Edge {
    target: usize,
    keep: usize,
    bump: bool,
    /// The particles around that are not left by the step, and whether the innermost of them is repeated.
    level: usize,
    repeat: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Leaf {
    /// The declaration and those that may stand for it.
    Element(Vec<(QName, ElementId)>),
    Any(Wildcard),
}

impl Leaf {
    fn matches(&self, name: &QName) -> bool {
        match self {
            Self::Element(names) => names.iter().any(|(listed, _)| listed == name),
            Self::Any(wildcard) => wildcard.allows(name.namespace()),
        }
    }
}

/// What a child is to be validated against.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Target<'m> {
    Element(ElementId),
    Any(&'m Wildcard),
}

/// Where in a model the children of an element have got to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cursor {
    places: Vec<Standing>,
    /// Of an all group: what has been.
    seen: Vec<bool>,
    started: bool,
    /// The last child could be counted in more ways than are followed.
    crowded: bool,
}

impl Cursor {
    /// Whether the child that was just refused could be counted in more ways than are followed: how many those are.
    pub(crate) fn crowded(&self) -> Option<usize> {
        self.crowded.then_some(count::WAYS_MAX)
    }
}

/// Two particles that one child could belong to (cos-nonambig).
pub(crate) struct Ambiguity {
    pub(crate) name: String,
    pub(crate) first: Source,
    pub(crate) second: Source,
}

impl Model {
    /// Compiles a particle. `names` lists the declarations that may stand for one, itself included.
    ///
    /// # Errors
    /// The model has too many edges.
    pub(crate) fn new(
        particle: &Particle,
        names: &dyn Fn(ElementId) -> Vec<(QName, ElementId)>,
        budget: &mut usize,
    ) -> Result<Self, &'static str> {
        let mut build = Build { positions: Vec::new(), level: 0, chain: Vec::new(), budget, names };
        if let (Term::All(members), 1..) = (&particle.term, particle.max.unwrap_or(1)) {
            for member in members.iter().filter(|member| member.max != Some(0)) {
                build.leaf(member);
            }
            let nullable = particle.min == 0 || build.positions.iter().all(|position| !position.required);
            return Ok(Self { positions: build.positions, start: Vec::new(), nullable, all: true });
        }
        let fragment = build.particle(particle)?;
        let mut positions = build.positions;
        for at in fragment.last {
            if let Some(position) = positions.get_mut(at) {
                position.last = true;
            }
        }
        for position in &mut positions {
            position.edges.sort_unstable();
            position.edges.dedup();
        }
        let mut start: Vec<Edge> =
            fragment.first.iter().map(|target| Edge { target: *target, keep: 0, bump: false, level: 0, repeat: false }).collect();
        start.sort_unstable();
        Ok(Self { positions, start, nullable: fragment.nullable, all: false })
    }

    pub(crate) fn start(&self) -> Cursor {
        let seen = if self.all { vec![false; self.positions.len()] } else { Vec::new() };
        Cursor { places: Vec::new(), seen, started: false, crowded: false }
    }

    /// Takes a child of this name. `None`: none may stand here, or [`Cursor::crowded`] says so; the cursor has not moved.
    pub(crate) fn step(&self, cursor: &mut Cursor, name: &QName) -> Option<Target<'_>> {
        if self.all {
            let at = self.positions.iter().position(|position| position.leaf.matches(name))?;
            let seen = cursor.seen.get_mut(at)?;
            cursor.started = true;
            return if std::mem::replace(seen, true) { None } else { self.target(at, name) };
        }
        if cursor.crowded {
            // It was said, and costs nothing again for each child that follows.
            return None;
        }
        let (mut next, mut first): (Vec<Standing>, Option<usize>) = (Vec::new(), None);
        let mut edges = self.enabled(cursor).filter(|(edge, _)| self.positions.get(edge.target).is_some_and(|to| to.leaf.matches(name)));
        let followed = edges.try_for_each(|(edge, from)| {
            first = first.or(Some(edge.target));
            self.follow(&mut next, &from, edge)
        });
        drop(edges);
        if followed.is_err() {
            cursor.crowded = true;
            return None;
        }
        let target = self.target(first?, name);
        (cursor.places, cursor.started) = (next, true);
        target
    }

    fn target(&self, at: usize, name: &QName) -> Option<Target<'_>> {
        Some(match &self.positions.get(at)?.leaf {
            Leaf::Element(names) => Target::Element(names.iter().find(|(listed, _)| listed == name)?.1),
            Leaf::Any(wildcard) => Target::Any(wildcard),
        })
    }

    /// The edges that may be taken, with the counts they start from.
    fn enabled<'a>(&'a self, cursor: &'a Cursor) -> impl Iterator<Item = (Edge, Standing)> {
        let start = self.start.iter().filter(|_| !cursor.started).map(|edge| (*edge, Standing::nowhere()));
        let places = cursor.places.iter().filter_map(|place| self.positions.get(place.at).map(|position| (position, place)));
        start.chain(places.flat_map(|(position, place)| {
            position.edges.iter().filter_map(move |edge| Some((*edge, place.permitted(&position.counters, edge)?)))
        }))
    }

    /// Whether the content may end.
    pub(crate) fn accepts(&self, cursor: &Cursor) -> bool {
        if !cursor.started {
            return self.nullable;
        }
        if self.all {
            return self.positions.iter().zip(&cursor.seen).all(|(position, seen)| *seen || !position.required);
        }
        let done =
            |place: &Standing| self.positions.get(place.at).is_some_and(|position| position.last && place.is_enough(&position.counters));
        cursor.places.iter().any(done)
    }

    /// The names that may stand next; wildcards are left out.
    pub(crate) fn expected(&self, cursor: &Cursor) -> Vec<&QName> {
        let mut targets: Vec<usize> = match self.all {
            true => cursor.seen.iter().enumerate().filter(|(_, seen)| !**seen).map(|(at, _)| at).collect(),
            false => self.enabled(cursor).map(|(edge, _)| edge.target).collect(),
        };
        targets.sort_unstable();
        targets.dedup();
        let leaves = targets.into_iter().filter_map(|at| self.positions.get(at));
        leaves
            .flat_map(|position| if let Leaf::Element(names) = &position.leaf { names.as_slice() } else { &[] })
            .map(|(name, _)| name)
            .collect()
    }

    /// Whether a wildcard may take what stands next.
    pub(crate) fn expects_any(&self, cursor: &Cursor) -> bool {
        !self.all
            && self
                .enabled(cursor)
                .any(|(edge, _)| self.positions.get(edge.target).is_some_and(|position| matches!(position.leaf, Leaf::Any(_))))
    }

    /// Any declaration of this name in the model: what to check a child against that stands in the wrong place.
    pub(crate) fn find(&self, name: &QName) -> Option<ElementId> {
        let names = self.positions.iter().filter_map(|position| if let Leaf::Element(names) = &position.leaf { Some(names) } else { None });
        names.flatten().find(|(listed, _)| listed == name).map(|(_, id)| *id)
    }

    /// All declarations in the model, for cos-element-consistent.
    pub(crate) fn declarations(&self) -> impl Iterator<Item = (&QName, ElementId, &Source)> {
        self.positions.iter().flat_map(|position| {
            let names = if let Leaf::Element(names) = &position.leaf { names.as_slice() } else { &[] };
            names.iter().map(|(name, id)| (name, *id, &position.source))
        })
    }

    /// See [`crate::schema::TypeDef::arrange`].
    pub(crate) fn arrange(&self, names: &[&QName]) -> Vec<usize> {
        let mut waiting: BTreeMap<&QName, VecDeque<usize>> = BTreeMap::new();
        for (at, name) in names.iter().enumerate() {
            waiting.entry(*name).or_default().push_back(at);
        }
        let mut order = Vec::with_capacity(names.len());
        let mut cursor = self.start();
        while let Some(at) = self.next_waiting(&mut cursor, &mut waiting) {
            order.push(at);
        }
        let mut rest: Vec<usize> = waiting.into_values().flatten().collect();
        rest.sort_unstable();
        order.extend(rest);
        order
    }

    /// Takes the first waiting child that may stand next: what is inside a particle is finished before the particle is repeated,
    /// and it is repeated before it is left.
    fn next_waiting(&self, cursor: &mut Cursor, waiting: &mut BTreeMap<&QName, VecDeque<usize>>) -> Option<usize> {
        if self.all {
            let free = |at: &usize| cursor.seen.get(*at) == Some(&false);
            let (at, found) = (0..self.positions.len()).filter(free).find_map(|at| Some((at, self.take(at, waiting)?)))?;
            *cursor.seen.get_mut(at)? = true;
            return Some(found);
        }
        let mut ways: Vec<(Edge, Standing)> = self.enabled(cursor).collect();
        ways.sort_unstable_by_key(|(edge, _)| (usize::MAX - edge.level, edge.repeat, edge.target));
        let (found, edge, from) = ways.into_iter().find_map(|(edge, from)| Some((self.take(edge.target, waiting)?, edge, from)))?;
        cursor.places.clear();
        self.follow(&mut cursor.places, &from, edge).ok()?;
        cursor.started = true;
        Some(found)
    }

    /// The first of the waiting children that the particle at a position takes.
    fn take(&self, at: usize, waiting: &mut BTreeMap<&QName, VecDeque<usize>>) -> Option<usize> {
        let leaf = &self.positions.get(at)?.leaf;
        if let Leaf::Element(names) = leaf {
            return names.iter().find_map(|(name, _)| waiting.get_mut(name)?.pop_front());
        }
        let foreign = waiting.iter().filter(|(name, queue)| !queue.is_empty() && leaf.matches(name) && self.find(name).is_none());
        let name = foreign.min_by_key(|(_, queue)| queue.front().copied()).map(|(name, _)| *name)?;
        waiting.get_mut(name)?.pop_front()
    }

    /// Whether no name stands twice and no wildcard takes one: then nothing competes, and no name has two types.
    pub(crate) fn is_plain(&self) -> bool {
        let mut names: HashSet<&QName> = HashSet::new();
        let mut wildcards = Vec::new();
        for position in &self.positions {
            match &position.leaf {
                Leaf::Element(listed) if listed.iter().any(|(name, _)| !names.insert(name)) => return false,
                Leaf::Element(_) => {}
                Leaf::Any(wildcard) => wildcards.push(wildcard),
            }
        }
        match wildcards.as_slice() {
            [] => true,
            [only] => names.iter().all(|name| !only.allows(name.namespace())),
            _ => false,
        }
    }

    /// Part 1 §3.8.6 (cos-nonambig): the first child name that two particles compete for.
    pub(crate) fn ambiguity(&self) -> Option<Ambiguity> {
        if self.all {
            let all: Vec<Edge> =
                (0..self.positions.len()).map(|target| Edge { target, keep: 0, bump: false, level: 0, repeat: false }).collect();
            return self.conflict(&[], &all);
        }
        self.conflict(&[], &self.start)
            .or_else(|| self.positions.iter().find_map(|position| self.conflict(&position.counters, &position.edges)))
    }

    fn conflict(&self, counters: &[Counter], edges: &[Edge]) -> Option<Ambiguity> {
        let mut named: BTreeMap<&QName, Vec<Edge>> = BTreeMap::new();
        let mut wild: Vec<(Edge, &Wildcard)> = Vec::new();
        let report = |name: String, left: Edge, right: Edge| {
            let (first, second) = (self.positions.get(left.target)?, self.positions.get(right.target)?);
            Some(Ambiguity { name, first: first.source.clone(), second: second.source.clone() })
        };
        for edge in edges {
            let rival = |other: &Edge| other.target != edge.target && !exclusive(counters, *edge, *other);
            match &self.positions.get(edge.target)?.leaf {
                Leaf::Element(names) => {
                    let clash =
                        names.iter().find_map(|(name, _)| named.get(name)?.iter().find(|other| rival(other)).map(|other| (name, *other)));
                    if let Some((name, other)) = clash {
                        return report(name.to_string(), other, *edge);
                    }
                    names.iter().for_each(|(name, _)| named.entry(name).or_default().push(*edge));
                }
                Leaf::Any(wildcard) => {
                    if let Some((other, _)) = wild.iter().find(|(other, listed)| rival(other) && overlap(wildcard, listed)) {
                        return report("a wildcard".to_owned(), *other, *edge);
                    }
                    wild.push((*edge, wildcard));
                }
            }
        }
        for (name, elements) in &named {
            let clash = wild.iter().filter(|(_, wildcard)| wildcard.allows(name.namespace()));
            let mut pairs = clash.flat_map(|(any, _)| elements.iter().map(move |element| (*any, *element)));
            if let Some((any, element)) = pairs.find(|(any, element)| !exclusive(counters, *any, *element)) {
                return report(name.to_string(), element, any);
            }
        }
        None
    }
}

/// Whether the counts let an edge be taken: what it ends has been there often enough, what it repeats not too often.
fn permits(counters: &[Counter], counts: &[u32], edge: &Edge) -> bool {
    let mut pairs = counters.iter().zip(counts).enumerate();
    pairs.all(|(at, (counter, count))| match () {
        () if at >= edge.keep => *count >= counter.min,
        () if edge.bump && at + 1 == edge.keep => counter.max.is_none_or(|max| *count < max),
        () => true,
    })
}

/// Whether the counts never permit both edges: one repeats a particle of a fixed count that the other ends.
fn exclusive(counters: &[Counter], left: Edge, right: Edge) -> bool {
    let repeats = |one: Edge, other: Edge| {
        let counter = one.keep.checked_sub(1).filter(|_| one.bump).and_then(|at| counters.get(at).map(|counter| (at, counter)));
        counter.is_some_and(|(at, counter)| other.keep <= at && counter.max == Some(counter.min))
    };
    repeats(left, right) || repeats(right, left)
}

fn overlap(left: &Wildcard, right: &Wildcard) -> bool {
    use crate::schema::Namespaces::{Any, Not, These};
    match (&left.namespaces, &right.namespaces) {
        (Any, These(list)) | (These(list), Any) => !list.is_empty(),
        (Any | Not(_), Any | Not(_)) => true,
        (These(list), _) => list.iter().any(|namespace| right.allows(namespace)),
        (_, These(list)) => list.iter().any(|namespace| left.allows(namespace)),
    }
}

/// A count that no element's children reach: a particle that may stand as often is as good as unbounded.
const COUNT_MAX: u32 = 10_000_000;
/// Edges that the models of one graph may have together: beyond this they would cost too much memory.
pub(crate) const EDGES_MAX: usize = 3_000_000;
const TOO_LARGE: &str = "with this content model all of them together have more than 3000000 steps from one child to the next";
/// What to do then.
pub(crate) const TOO_LARGE_HELP: &str = "of n optional elements in a sequence each leads to all that follow, in a repeated choice to all: \
    put parts of them into elements of their own, or repeat an element with an attribute that says which it is";

struct Build<'b> {
    positions: Vec<Position>,
    /// How many particles are around, and those of them that are counted.
    level: usize,
    chain: Vec<Counter>,
    /// Edges that may still be made.
    budget: &'b mut usize,
    names: &'b dyn Fn(ElementId) -> Vec<(QName, ElementId)>,
}

#[derive(Default)]
struct Fragment {
    first: Vec<usize>,
    last: Vec<usize>,
    nullable: bool,
}

impl Build<'_> {
    fn particle(&mut self, particle: &Particle) -> Result<Fragment, &'static str> {
        if particle.max == Some(0) {
            return Ok(Fragment { nullable: true, ..Fragment::default() });
        }
        let depth = self.chain.len();
        let counted = particle.max.is_some_and(|max| max > 1) || particle.min > 1;
        if counted {
            self.chain.push(Counter { min: particle.min, max: particle.max.filter(|max| *max < COUNT_MAX) });
        }
        let before = self.positions.len();
        self.level += 1;
        let mut fragment = self.term(particle)?;
        self.level -= 1;
        self.chain.truncate(depth);
        if counted && fragment.nullable {
            // Empty repetitions make up any least count.
            let inside = self.positions.iter_mut().skip(before).filter_map(|position| position.counters.get_mut(depth));
            inside.for_each(|counter| counter.min = 0);
        }
        if counted {
            self.repeat(&fragment, depth + 1, true)?;
        } else if particle.max.is_none() {
            self.repeat(&fragment, depth, false)?;
        }
        fragment.nullable |= particle.min == 0;
        Ok(fragment)
    }

    fn term(&mut self, particle: &Particle) -> Result<Fragment, &'static str> {
        match &particle.term {
            Term::Element(_) | Term::Any(_) => {
                let at = self.leaf(particle);
                Ok(Fragment { first: vec![at], last: vec![at], nullable: false })
            }
            Term::Choice(particles) => {
                let mut whole = Fragment::default();
                for particle in particles {
                    let part = self.particle(particle)?;
                    whole.first.extend(part.first);
                    whole.last.extend(part.last);
                    whole.nullable |= part.nullable;
                }
                Ok(whole)
            }
            Term::Sequence(particles) | Term::All(particles) => {
                let mut whole = Fragment { nullable: true, ..Fragment::default() };
                for particle in particles {
                    let part = self.particle(particle)?;
                    let depth = self.chain.len();
                    let edge = Edge { target: 0, keep: depth, bump: false, level: self.level, repeat: false };
                    self.edges(&whole.last, &part.first, edge)?;
                    if whole.nullable {
                        whole.first.extend(&part.first);
                    }
                    if !part.nullable {
                        whole.last.clear();
                    }
                    whole.last.extend(part.last);
                    whole.nullable &= part.nullable;
                }
                Ok(whole)
            }
        }
    }

    fn leaf(&mut self, particle: &Particle) -> usize {
        let leaf = match &particle.term {
            Term::Element(id) => Leaf::Element((self.names)(*id)),
            Term::Any(wildcard) => Leaf::Any(wildcard.clone()),
            Term::Sequence(_) | Term::Choice(_) | Term::All(_) => Leaf::Element(Vec::new()),
        };
        let position = Position {
            leaf,
            counters: self.chain.clone(),
            edges: Vec::new(),
            last: false,
            required: particle.min > 0,
            source: particle.source.clone(),
        };
        self.positions.push(position);
        self.positions.len() - 1
    }

    /// Repeats the particle that has just been read.
    fn repeat(&mut self, fragment: &Fragment, keep: usize, bump: bool) -> Result<(), &'static str> {
        let level = self.level + 1;
        self.edges(&fragment.last, &fragment.first, Edge { target: 0, keep, bump, level, repeat: true })
    }

    fn edges(&mut self, from: &[usize], to: &[usize], edge: Edge) -> Result<(), &'static str> {
        *self.budget = self.budget.checked_sub(from.len().saturating_mul(to.len())).ok_or(TOO_LARGE)?;
        for at in from {
            if let Some(position) = self.positions.get_mut(*at) {
                position.edges.extend(to.iter().map(|target| Edge { target: *target, ..edge }));
            }
        }
        Ok(())
    }
}
