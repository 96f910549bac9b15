//! The way through the leaves: the tree, its checkpoints, signatures, and what every leaf leads to.

use super::resume::Halfway;
use super::{Crew, Examination, Findings, LEVEL_MAX, Point, look};
use crate::archive::Archive;
use crate::body::{Record, Request};
use crate::checkpoint::{Note, Policy};
use crate::inspect::whole;
use crate::medium::{Medium, StoreError};
use crate::node::Node;
use crate::record::{Kind, Leaf, Outcome, Refusal, Verdict};
use crate::segment::{BUNDLE, span};
use crate::state::{Checked, State};
use crate::tree::{Hash, root_over};
use crate::witness::Fork;
use std::collections::BTreeMap;

/// Leaves whose signatures are verified together.
const TOGETHER: usize = 256;
/// Leaves that are in memory at once; all of them are read, and then all are checked.
const WINDOW: u64 = 16 * BUNDLE;
/// Octets at the beginning of a leaf in which its kind stands.
const HEAD: usize = 400;

/// A leaf on its way through a window.
struct Taken {
    index: u64,
    /// `None` if it cannot be read: that was named already.
    octets: Option<Vec<u8>>,
    leaf: Option<Result<Leaf, String>>,
    request: Option<Request>,
}

/// Walks through the leaves, from the segments and, after them, from the log; from the first one, with what was found until then, or from
/// where another walk stood.
pub(super) fn history<M: Medium>(
    medium: &M,
    what: &Examination,
    crew: &impl Crew,
    names: &[String],
    from: Result<Halfway, Findings>,
    progress: &mut dyn FnMut(&Point<'_>),
) -> Result<Findings, StoreError> {
    let last = names.iter().rfind(|name| name.starts_with("wal_")).cloned().unwrap_or_default();
    let node = match look(medium, &what.genesis, what.at_rest.clone()) {
        Ok(node) => node,
        Err(StoreError::Io { what, path, error }) => return Err(StoreError::Io { what, path, error }),
        Err(other) => {
            let mut found = from.map_or_else(|found| found, |halfway| halfway.found);
            found.blame(&last, other);
            return Ok(found);
        }
    };
    let (size, root) = (node.state().size(), node.tree().root(node.state().size()));
    let mut found = match &from {
        Ok(halfway) => halfway.found.clone(),
        Err(found) => found.clone(),
    };
    (found.leaves, found.root) = (size, root);
    if what.level < 3 {
        return Ok(found);
    }
    if node.store().floor() > 0 {
        found.unseen.push(format!("levels 3 to 5 begin with leaf 0, and the leaves below {} were pruned", node.store().floor()));
        return Ok(found);
    }
    let (mut walk, mut next) = (Walk::new(&node, what, names, last)?, 1);
    if let Ok(halfway) = &from {
        next = walk.go_on(halfway)?;
    }
    let ledger = Hash::of(what.genesis.body());
    while next < size {
        let end = (next + WINDOW).min(size) / WINDOW * WINDOW;
        let end = if end > next { end } else { size };
        walk.window(crew, next, end, &mut found)?;
        next = end;
        let halfway = || walk.halfway(next, &found).octets(&ledger);
        // In the middle of a batch there is no place to go on from.
        if walk.bodies.is_none() {
            progress(&Point { done: next, all: size, halfway: &halfway });
        }
    }
    walk.end(medium, names, &mut found)?;
    Ok(found)
}

struct Walk<'a, M: Medium> {
    node: &'a Node<M>,
    archive: Archive<M>,
    level: u8,
    asked: u8,
    /// At level 5 everything the leaves say, before it what the members decided.
    state: State,
    /// Kept checkpoints by size.
    notes: BTreeMap<u64, &'a str>,
    segments: Vec<(u64, &'a str)>,
    /// The log's last file, which holds what is in no segment.
    log: String,
    bodies: Option<(Hash, Vec<Hash>)>,
}

impl<'a, M: Medium> Walk<'a, M> {
    fn new(node: &'a Node<M>, what: &Examination, names: &'a [String], log: String) -> Result<Self, StoreError> {
        let bad = |error: &dyn std::fmt::Display| StoreError::Diverged(format!("the genesis is not acceptable: {error}"));
        let request = Request::read(what.genesis.clone()).map_err(|error| bad(&error))?;
        let (state, _) = State::found(request).map_err(|error| bad(&error))?;
        let notes = names.iter().filter_map(|name| Some((name.strip_prefix("note_")?.parse().ok()?, name.as_str()))).collect();
        let segments = names.iter().filter_map(|name| Some((span(name)?.1, name.as_str()))).collect();
        let (archive, level) = (node.store().archive(), what.level);
        Ok(Self { node, archive, level, asked: level, state, notes, segments, log, bodies: None })
    }

    /// Goes on where another walk stood; gives the leaf that comes next.
    fn go_on(&mut self, halfway: &Halfway) -> Result<u64, StoreError> {
        let refused = || StoreError::Diverged(format!("of another directory: its first {} leaves are others", halfway.next));
        if self.node.tree().root(halfway.next) != Some(halfway.root) {
            return Err(refused());
        }
        self.state = State::decode(&self.state, &halfway.state).ok_or_else(refused)?;
        self.level = halfway.now;
        Ok(halfway.next)
    }

    fn halfway(&self, next: u64, found: &Findings) -> Halfway {
        let root = self.node.tree().root(next).unwrap_or_default();
        Halfway { level: self.asked, now: self.level, next, root, state: self.state.encode(), found: found.clone() }
    }

    /// Takes the leaves from `next` to `end`.
    fn window(&mut self, crew: &impl Crew, next: u64, end: u64, found: &mut Findings) -> Result<(), StoreError> {
        let mut leaves = self.read(crew, next, end)?.into_iter().peekable();
        while leaves.peek().is_some() {
            // Keys change with what the members decide: what came before was signed with those of before.
            let mut span = Vec::new();
            for taken in leaves.by_ref() {
                let ends = taken.octets.is_none() || taken.leaf.as_ref().is_some_and(|leaf| leaf.as_ref().is_ok_and(decides));
                span.push(taken);
                if ends {
                    break;
                }
            }
            self.span(crew, span, found)?;
        }
        Ok(())
    }

    /// The leaves' octets and what they say, as deep as the level needs it.
    fn read(&self, crew: &impl Crew, next: u64, end: u64) -> Result<Vec<Taken>, StoreError> {
        let mut work = Vec::new();
        let mut at = next;
        while at < end {
            let to = ((at / BUNDLE + 1) * BUNDLE).min(end);
            let sealed = to <= self.archive.size();
            let octets = (at..to).map(|index| if sealed { Ok(None) } else { readable(self.node.leaf(index)) });
            work.push((sealed.then(|| self.archive.clone()), at, octets.collect::<Result<Vec<_>, _>>()?));
            at = to;
        }
        let deep = self.level > 3;
        let read = crew.each(work, |(archive, first, octets)| {
            (first..)
                .zip(octets)
                .map(|(index, octets)| {
                    let octets = match &archive {
                        Some(archive) => readable(archive.leaf(index).map(|octets| octets.to_vec()))?,
                        None => octets,
                    };
                    Ok(taken(index, octets, deep))
                })
                .collect::<Result<Vec<Taken>, StoreError>>()
        });
        Ok(read.into_iter().collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect())
    }

    /// Takes leaves of which only the last one may change members or keys, or cannot be read.
    fn span(&mut self, crew: &impl Crew, mut span: Vec<Taken>, found: &mut Findings) -> Result<(), StoreError> {
        let mut requests: Vec<(u64, Request)> = span.iter_mut().filter_map(|taken| Some((taken.index, taken.request.take()?))).collect();
        if self.level < 4 {
            requests.clear();
        }
        for (index, request) in &requests {
            self.batched(*index, request, found);
            found.signatures += request.entry().signatures().len() as u64;
        }
        let mut parts = Vec::new();
        while !requests.is_empty() {
            parts.push(requests.split_off(requests.len().saturating_sub(TOGETHER)));
        }
        let state = &self.state;
        let checked = crew.each(parts, |part: Vec<(u64, Request)>| {
            let (indexes, requests): (Vec<u64>, Vec<Request>) = part.into_iter().unzip();
            indexes.into_iter().zip(state.check(requests)).collect::<Vec<_>>()
        });
        let mut checked: BTreeMap<u64, Result<Checked, Verdict>> = checked.into_iter().flatten().collect();
        for Taken { index, octets, leaf, .. } in span {
            match (octets, leaf) {
                // What follows a leaf that cannot be read cannot be replayed.
                (None, _) => (self.level, self.bodies) = (self.level.min(3), None),
                (Some(_), None) => {}
                (Some(_), Some(Err(error))) => self.blame(index, error, found),
                (Some(octets), Some(Ok(leaf))) => self.judge(leaf, &octets, checked.remove(&index), found),
            }
            if let Some(name) = self.notes.get(&(index + 1)) {
                let text = whole(self.node.store().note_of(index + 1))?.unwrap_or_default();
                self.noted(name, &text, found);
            }
        }
        Ok(())
    }

    fn judge(&mut self, leaf: Leaf, octets: &[u8], checked: Option<Result<Checked, Verdict>>, found: &mut Findings) {
        let (index, revoked) = (leaf.index, leaf.outcome == Outcome::Refused(Refusal::KeyRevoked));
        match &checked {
            Some(Err(verdict)) => self.blame(index, verdict, found),
            Some(Ok(checked)) if (checked.refusal() == Some(Refusal::KeyRevoked)) != revoked => {
                self.blame(index, "its outcome does not fit the key that it is signed with", found);
            }
            _ => {}
        }
        if self.level == LEVEL_MAX {
            let applied = match checked {
                Some(Ok(checked)) => self.state.apply(&checked, leaf.time, 0).pop().ok_or(Verdict::UnknownKind),
                _ => self.state.replay(leaf),
            };
            match applied {
                Ok(applied) if applied.octets == octets => {}
                Ok(_) => self.blame(index, "the rules lead to another leaf: its outcome, streams or state are others", found),
                Err(verdict) => self.blame(index, verdict, found),
            }
        } else if decides(&leaf)
            && let Err(verdict) = self.state.follow(leaf)
        {
            self.blame(index, verdict, found);
        }
    }

    /// The bodies of a batch lead to the root that its parties signed.
    fn batched(&mut self, index: u64, request: &Request, found: &mut Findings) {
        let Some(place) = request.entry().place() else { return };
        let hash = request.records().first().map(Record::hash).unwrap_or_default();
        let (root, bodies) = self.bodies.get_or_insert_with(|| (place.root, Vec::new()));
        let next = *root == place.root && bodies.len() == usize::from(place.position);
        bodies.push(hash);
        let whole = bodies.len() == usize::from(place.size);
        let leads = !whole || root_over(bodies) == place.root;
        if whole || !next {
            self.bodies = None;
        }
        if !next || !leads {
            self.blame(index, "its batch is not what its parties signed", found);
        }
    }

    /// A checkpoint is of this tree, its quorum signed it, and every line is a signature of a member's node.
    fn noted(&self, file: &str, text: &str, found: &mut Findings) {
        let policy = Policy::of_members(&self.state.origin(), self.state.members(), self.state.quorum());
        match policy.verify(text) {
            Err(distrust) => found.blame(file, distrust),
            Ok(checkpoint) if self.node.tree().root(checkpoint.size) != Some(checkpoint.root) => {
                found.blame(file, "the checkpoint is of another history");
            }
            Ok(_) => {
                let note = Note::parse(text).ok();
                let strange = note.iter().flat_map(|note| &note.signatures).find(|line| !policy.knows(line));
                match strange {
                    Some(line) => found.blame(file, format_args!("the line of {} is no signature of a member's node", line.name)),
                    None => found.checkpoints += 1,
                }
            }
        }
    }

    /// What is about the whole: the published checkpoint, and evidence of forks.
    fn end<U: Medium>(self, medium: &U, names: &[String], found: &mut Findings) -> Result<(), StoreError> {
        if let Some(text) = self.node.store().note() {
            self.noted(&self.log, text, found);
        }
        let policy = Policy::of_members(&self.state.origin(), self.state.members(), self.state.quorum());
        for name in names.iter().filter(|name| name.starts_with("fork_")) {
            let text = String::from_utf8(medium.read_all(name)?).unwrap_or_default();
            match Fork::parse(&text).and_then(|fork| fork.verify(&policy)) {
                Ok(lie) => found.unseen.push(format!("{name} proves that a member lied about the first {} leaves", lie.size)),
                Err(unfounded) => found.blame(name, unfounded),
            }
        }
        Ok(())
    }

    fn blame(&self, index: u64, what: impl std::fmt::Display, found: &mut Findings) {
        let file = self.segments.iter().find(|(end, _)| index < *end).map_or(self.log.as_str(), |(_, name)| name);
        found.blame(file, format_args!("leaf {index}: {what}"));
    }
}

/// Nothing for a leaf that is damaged.
fn readable(read: Result<Vec<u8>, StoreError>) -> Result<Option<Vec<u8>>, StoreError> {
    match read {
        Err(StoreError::Io { what, path, error }) => Err(StoreError::Io { what, path, error }),
        read => Ok(read.ok()),
    }
}

fn decides(leaf: &Leaf) -> bool {
    matches!(leaf.kind, Kind::Proposal | Kind::Ballot | Kind::Key)
}

/// What is read of a leaf: all of it, or only of those with which the members decide.
fn taken(index: u64, octets: Option<Vec<u8>>, deep: bool) -> Taken {
    let mut taken = Taken { index, octets, leaf: None, request: None };
    let Some(octets) = &taken.octets else { return taken };
    let head = octets.get(..HEAD.min(octets.len())).unwrap_or_default();
    let says = |kind: &Kind| {
        let attribute = format!(" kind=\"{}\"", kind.code());
        head.windows(attribute.len()).any(|window| window == attribute.as_bytes())
    };
    if !deep && ![Kind::Proposal, Kind::Ballot, Kind::Key].iter().any(says) {
        return taken;
    }
    let read = Leaf::read(octets).map_err(|error| error.to_string()).and_then(|leaf| {
        if deep && leaf.kind != Kind::StateRoot {
            taken.request = Some(Request::read(leaf.entry.clone()).map_err(|verdict| verdict.to_string())?);
        }
        Ok(leaf)
    });
    taken.leaf = Some(read);
    taken
}
