//! Which leaves of the source travel, which stay behind with a reason, and which nobody has thought of.

use crate::diagnostic::Location;
use crate::document::OPEN;
use crate::graph::{Graph, TypeId};
use crate::kept::counts as counts_siblings;
use crate::path::Scope;
use crate::plan::{Check, TypeCheck};
use crate::turn::{Turn, Turns};
use std::collections::BTreeMap;
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
    /// Only where the element satisfies these predicates.
    Where(Vec<Check>),
    Attribute(QName),
}

/// The predicates on a way: each with how many elements lead to the one that it is asked of.
pub(crate) type Wheres = Vec<(usize, Check)>;

/// The predicates among `keys`.
pub(crate) fn wheres(keys: &[Key]) -> Wheres {
    let (mut depth, mut found) = (0, Wheres::new());
    for key in keys {
        match key {
            Key::Child(_) => depth += 1,
            Key::Where(checks) => found.extend(checks.iter().map(|check| (depth, check.clone()))),
            Key::Typed(_) | Key::Attribute(_) => {}
        }
    }
    found
}

/// Whether all of these predicates are among those of `other`: what satisfies `other` satisfies them.
pub(crate) fn holds_in(wheres: &[(usize, Check)], other: &[(usize, Check)]) -> bool {
    wheres.iter().all(|asked| other.contains(asked))
}

/// `keys` with the predicates of `wheres` that they do not have.
fn narrowed(keys: &[Key], wheres: &[(usize, Check)]) -> Vec<Key> {
    let (mut depth, mut all) = (0, Vec::new());
    for key in keys {
        all.push(key.clone());
        if matches!(key, Key::Child(_)) {
            depth += 1;
            let here: Vec<Check> = wheres.iter().filter(|(at, _)| *at == depth).map(|(_, check)| check.clone()).collect();
            if !here.is_empty() {
                all.push(Key::Where(here));
            }
        }
    }
    all
}

/// How many elements lead to what `keys` lead to.
pub(crate) fn depth(keys: &[Key]) -> usize {
    keys.iter().filter(|key| matches!(key, Key::Child(_))).count()
}

/// What a rule does with an element or an attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    Read,
    /// A predicate asks for its value, which is known where that holds.
    Tests,
    /// Its value is known, since it decided which rules run.
    Decides,
    /// It is left out for a reason, with everything in it.
    Ignores,
    /// It is taken over with everything in it.
    Copies,
    /// It is given to a stylesheet, which nobody looks into.
    Transforms,
}

/// What one rule does, in which branches, and where which predicates hold.
#[derive(Clone, Debug)]
struct Claim {
    what: What,
    turn: Turn,
    only: Wheres,
}

/// What the rules do with an element or an attribute and what is in it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Touch {
    claims: Vec<Claim>,
    /// Reported by another finding already.
    pub(crate) skipped: bool,
    /// A rule stands or reads in it, so it is looked into leaf by leaf.
    entered: bool,
    children: BTreeMap<QName, Self>,
    attributes: BTreeMap<QName, Self>,
    typed: BTreeMap<TypeId, Self>,
    /// What no path can name.
    open: BTreeMap<&'static str, Self>,
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
        let mut touch = Self::default();
        touch.claim(What::Ignores, Turn::new(), Wheres::new());
        touch
    }

    /// Says what a rule does with it at `turn`, where the predicates `only` hold.
    pub(crate) fn claim(&mut self, what: What, turn: Turn, only: Wheres) {
        self.claims.push(Claim { what, turn, only });
    }

    /// What no path can name in it.
    pub(crate) fn open(&mut self, what: &'static str) -> &mut Self {
        self.open.entry(what).or_default()
    }

    fn is_ignored(&self) -> bool {
        self.claims.iter().any(|claim| claim.what == What::Ignores)
    }

    fn is_used(&self) -> bool {
        self.claims.iter().any(|claim| claim.what != What::Ignores)
    }

    fn is_whole(&self) -> bool {
        self.claims.iter().any(|claim| claim.what.is_whole())
    }

    /// Applies `change` to what `keys` lead to, in every type that they allow.
    pub(crate) fn at(&mut self, keys: &[Key], change: &dyn Fn(&mut Self)) {
        let Some((key, rest)) = keys.split_first() else { return change(self) };
        self.entered |= !matches!(key, Key::Where(_));
        match key {
            Key::Child(name) => self.children.entry(name.clone()).or_default().at(rest, change),
            Key::Attribute(name) => self.attributes.entry(name.clone()).or_default().at(rest, change),
            Key::Typed(types) => types.iter().for_each(|id| self.typed.entry(*id).or_default().at(rest, change)),
            Key::Where(_) => self.at(rest, change),
        }
    }

    /// Whether rules read, of all that `keys` lead to, only what satisfies predicates that `keys` do not have.
    pub(crate) fn is_read_in_part(&self, keys: &[Key]) -> bool {
        let Some(touch) = self.find(keys) else { return false };
        let (own, depth) = (wheres(keys), depth(keys));
        let in_part = |claim: &Claim| !claim.only.iter().filter(|(at, _)| *at <= depth).all(|asked| own.contains(asked));
        let (mut some, mut all) = (false, false);
        touch.each_claim(true, &mut |claim, itself| match claim.what {
            What::Ignores => {}
            _ if claim.what == What::Tests || in_part(claim) => some = true,
            _ => all |= !itself,
        });
        some && !all
    }

    pub(crate) fn find(&self, keys: &[Key]) -> Option<&Self> {
        let Some((key, rest)) = keys.split_first() else { return Some(self) };
        match key {
            Key::Child(name) => self.children.get(name)?.find(rest),
            Key::Attribute(name) => self.attributes.get(name)?.find(rest),
            Key::Typed(types) => self.find(rest).or_else(|| types.iter().find_map(|id| self.typed.get(id)?.find(rest))),
            Key::Where(_) => self.find(rest),
        }
    }

    /// Calls `visit` with each claim here and below; `itself` says that it is on the element or its attributes.
    fn each_claim(&self, itself: bool, visit: &mut dyn FnMut(&Claim, bool)) {
        self.claims.iter().for_each(|claim| visit(claim, itself));
        self.attributes.values().for_each(|attribute| attribute.each_claim(itself, visit));
        self.typed.values().for_each(|typed| typed.each_claim(itself, visit));
        self.children.values().for_each(|child| child.each_claim(false, visit));
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
        self.claims.extend(other.claims.iter().cloned());
        self.entered |= other.entered;
        for (what, touch) in &other.open {
            self.open.entry(what).or_default().merge(touch);
        }
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

impl What {
    /// Whether it is done to everything in an element.
    fn is_whole(self) -> bool {
        matches!(self, Self::Copies | Self::Transforms)
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

/// A step of the walk: a name and its place in the content model, and the type that the element has where it may have others.
pub(crate) type Trod = (QName, usize, Option<TypeCheck>);

/// A leaf that rules read or ignore only where predicates hold: a record in which others stand must not pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Watch {
    /// The window itself, and the elements that lead from it to the leaf, or to the element that has it.
    pub(crate) steps: Vec<Trod>,
    pub(crate) attribute: Option<QName>,
    pub(crate) leaf: String,
    /// What each rule asks for; depths are those from the root. Nothing where none reads what the types have that are looked for.
    pub(crate) seen: Vec<Wheres>,
}

/// Walks the leaves of one window (or header) and says how many are accounted for and which are not.
pub(crate) struct Walk<'g, 't> {
    graph: &'t Graph<'g>,
    scope: &'t Scope,
    turns: &'t Turns,
    /// From the root to where the walk is.
    keys: Vec<Key>,
    /// From the window to where the walk is.
    steps: Vec<Trod>,
    /// What makes an element the window, and how many elements lead to it.
    around: Wheres,
    depth: usize,
    /// The block, and whether it looks at run time for what predicates leave out.
    place: Place,
    watching: bool,
    leaves: BTreeMap<String, Leaf>,
    watches: Vec<Watch>,
}

/// In which case a leaf is lost, where that stands, and whether one rule says so.
type Lost = (String, Place, bool);

impl<'g, 't> Walk<'g, 't> {
    pub(crate) fn new(graph: &'t Graph<'g>, scope: &'t Scope, turns: &'t Turns, keys: &[Key], at: (Place, bool)) -> Self {
        let (around, depth, (place, watching)) = (wheres(keys), depth(keys), at);
        let steps = vec![(QName::new("", ""), 0, None)];
        let (leaves, watches) = Default::default();
        Self { graph, scope, turns, keys: keys.to_vec(), steps, around, depth, place, watching, leaves, watches }
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
            let name = self.graph.type_name(actual).into_iter().collect();
            let check = (concrete.len() > 1).then_some(TypeCheck { declared: actual == id, named: name });
            self.steps.last_mut().into_iter().for_each(|step| step.2.clone_from(&check));
            self.keys.push(Key::Typed(vec![actual]));
            self.content(actual, &touch.of_type(actual), &words);
            self.keys.pop();
            self.steps.last_mut().into_iter().for_each(|step| step.2 = None);
        }
        if self.watching && touch.is_used() && !touch.is_ignored() {
            self.types_of_text(id, touch, path);
        }
    }

    /// A rule that reads text reads nothing of the attributes that types have which `xsi:type` may name there.
    fn types_of_text(&mut self, id: TypeId, touch: &Touch, path: &str) {
        let unread = self.graph.with_attributes(id).into_iter().filter(|other| !touch.typed.contains_key(other));
        let named: Vec<QName> = unread.filter_map(|other| self.graph.type_name(other)).collect();
        if let Some(last) = self.steps.last_mut().filter(|_| !named.is_empty()) {
            last.2 = Some(TypeCheck { declared: false, named });
            self.watches.push(Watch { steps: self.steps.clone(), attribute: None, leaf: path.to_owned(), seen: Vec::new() });
        }
        self.steps.last_mut().into_iter().for_each(|step| step.2 = None);
    }

    fn content(&mut self, id: TypeId, touch: &Touch, words: &dyn Fn(TypeId) -> String) {
        let graph = self.graph;
        let own = || Some(words(id)).filter(|path| !path.is_empty()).unwrap_or_else(|| ".".to_owned());
        if touch.is_whole() && !touch.entered {
            self.leaf(own(), touch, None);
            return;
        }
        if touch.is_ignored() && !touch.entered && !touch.is_used() {
            self.leaf(words(id), touch, None);
            return;
        }
        let (children, attributes) = (graph.children(id), graph.attributes(id));
        let inherited = |inner: Option<&Touch>| {
            let mut inner = inner.cloned().unwrap_or_default();
            let whole = touch.claims.iter().filter(|claim| claim.what == What::Ignores || claim.what.is_whole());
            inner.claims.extend(whole.cloned());
            inner
        };
        for attribute in attributes.iter() {
            let inner = inherited(touch.attributes.get(&attribute.name));
            let path = join(&words(graph.owner_of_attribute(id, &attribute.name)), &format!("@{}", self.scope.show(&attribute.name)));
            self.keys.push(Key::Attribute(attribute.name.clone()));
            self.leaf(path, &inner, attribute.declared.clone());
            self.keys.pop();
        }
        if graph.text_type(id).is_some() || (children.is_empty() && attributes.is_empty()) {
            self.leaf(own(), touch, graph.declared(id));
        }
        for child in children.iter() {
            let path = join(&words(graph.owner_of_child(id, &child.name)), &self.scope.show(&child.name));
            let known = touch.children.get(&child.name);
            let inner = inherited(known);
            self.keys.push(Key::Child(child.name.clone()));
            self.steps.push((child.name.clone(), child.rank, None));
            match known {
                None => self.leaf(path, &inner, child.declared.clone()),
                Some(known) if !known.entered && !known.is_used() && inner.is_ignored() => self.leaf(path, &inner, None),
                Some(_) => self.element(child.type_id, &inner, &path),
            }
            self.steps.pop();
            self.keys.pop();
        }
        // What no path can name: it goes with the element, or somebody must say that it stays.
        for (there, what) in [graph.has_wildcard(id), graph.has_any_attribute(id), graph.is_mixed(id)].into_iter().zip(OPEN) {
            if there {
                self.leaf(join(&words(id), what), &inherited(touch.open.get(what)), graph.declared(id));
            }
        }
    }

    fn leaf(&mut self, path: String, touch: &Touch, declared: Option<Location>) {
        let (state, lost, seen) = self.judged(&touch.claims);
        if !seen.is_empty() {
            let attribute = self.keys.last().and_then(|key| if let Key::Attribute(name) = key { Some(name.clone()) } else { None });
            let watch = Watch { steps: self.steps.clone(), attribute, leaf: path.clone(), seen };
            if !self.watches.contains(&watch) {
                self.watches.push(watch);
            }
        }
        let open = state == State::Unaccounted || lost.as_ref().is_some_and(|(.., said)| !said);
        let lost = lost.map(|(words, place, _)| (words, place));
        self.add(Leaf { path, state, lost, open, declared });
    }

    /// Of what stands at one path in several types or for several records the worst is said.
    pub(crate) fn add(&mut self, leaf: Leaf) {
        match self.leaves.get_mut(&leaf.path) {
            Some(before) if (before.state, before.open) < (leaf.state, leaf.open) => *before = leaf,
            Some(_) => {}
            None => drop(self.leaves.insert(leaf.path.clone(), leaf)),
        }
    }

    /// What becomes of what stands here, in which case it is lost, and what predicates those ask for that read it.
    fn judged(&self, claims: &[Claim]) -> (State, Option<Lost>, Vec<Wheres>) {
        if claims.is_empty() {
            return (State::Unaccounted, None, Vec::new());
        }
        // What makes other elements windows says nothing of this one.
        let (outer, depth) = (&self.around, self.depth);
        let counts = |claim: &&Claim| claim.only.iter().filter(|(at, _)| *at <= depth).all(|asked| outer.contains(asked));
        let inner = |claim: &Claim| claim.only.iter().filter(|(at, _)| *at > depth).cloned().collect::<Wheres>();
        let here: Vec<(&Claim, Wheres)> = claims.iter().filter(counts).map(|claim| (claim, inner(claim))).collect();
        let plain = here.iter().any(|(_, only)| only.is_empty());
        let mut groups: Vec<Wheres> = Vec::new();
        for (_, only) in here.iter().filter(|(_, only)| only.is_empty() == plain) {
            if !groups.contains(only) {
                groups.push(only.clone());
            }
        }
        let missed = groups.iter().find_map(|group| {
            let turns: Vec<&[(usize, usize)]> =
                here.iter().filter(|(_, only)| holds_in(only, group)).map(|(claim, _)| claim.turn.as_slice()).collect();
            self.turns.missed(&turns, &narrowed(&self.keys, group))
        });
        // Where all are positions it is known now that there may be more; what values there are only the document knows.
        let some = |group: &Wheres| group.iter().any(|(_, check)| counts_siblings(check));
        let unwatched = !plain && (!self.watching || groups.iter().all(some));
        let lost = match missed {
            Some(branch) => Some((branch.words.clone(), branch.place, branch.said)),
            None if here.is_empty() || unwatched => Some((OTHERWISE.to_owned(), self.place, false)),
            None => None,
        };
        let does = |what: &[What]| here.iter().any(|(claim, _)| what.contains(&claim.what));
        let carried = does(&[What::Read, What::Tests, What::Copies, What::Transforms]);
        let state = match lost {
            Some(_) if !carried && does(&[What::Decides]) => State::Decides,
            Some(_) => State::InPart,
            None if does(&[What::Transforms]) => State::Opaque,
            None if carried || !does(&[What::Ignores]) => State::Mapped,
            None => State::Ignored,
        };
        (state, lost, if plain || !self.watching { Vec::new() } else { groups })
    }

    /// Takes what the run must look for.
    pub(crate) fn watches(&mut self) -> Vec<Watch> {
        std::mem::take(&mut self.watches)
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

/// The case that no branch of the mapping says.
const OTHERWISE: &str = "the predicates of the rules that read it do not hold";

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
