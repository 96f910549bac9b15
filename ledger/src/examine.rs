//! A node's directory verified from its bytes to what they mean, offline: nothing in it is believed, nothing is changed.

use crate::archive::Damage;
use crate::at_rest::AtRest;
use crate::body::Request;
use crate::checkpoint::{Note, Policy};
use crate::frames::AHEAD_BYTES;
use crate::inspect::{inspect, oddity, whole};
use crate::keys::SecretKey;
use crate::medium::{Medium, Overlay, StoreError};
use crate::node::{Config, Node};
use crate::record::{Entry, Kind, Leaf, Outcome, Refusal};
use crate::segment::span;
use crate::snapshot::{self, Snapshot, size_of};
use crate::state::State;
use crate::store::Store;
use crate::tree::{Hash, Tree};
use crate::wal::Wal;
use crate::witness::Fork;
use std::collections::BTreeMap;

/// The deepest level.
pub const LEVEL_MAX: u8 = 5;
/// Leaves whose signatures are verified together.
const TOGETHER: usize = 512;
/// Octets at the beginning of a leaf in which its kind stands.
const HEAD: usize = 400;

/// What is verified, and by what.
#[derive(Clone, Debug)]
pub struct Examination {
    /// Leaf 0, whose fingerprint is the trust root.
    pub genesis: Entry,
    /// The keys at rest, if the directory is encrypted.
    pub at_rest: Option<AtRest>,
    /// How deep, each level with those before it: 0 names, 1 and 2 frames, checksums, leaf hashes and tiles, 3 checkpoints and who signed them,
    /// 4 every party's signature under the key of its place, 5 what every leaf did, its streams and the state roots.
    pub level: u8,
}

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    /// What is not as it was written or should not be there, sorted.
    pub damage: Vec<Damage>,
    /// Leaves, pruned ones included.
    pub leaves: u64,
    /// The root over them, if the directory can be opened.
    pub root: Option<Hash>,
    /// Checkpoints that were verified.
    pub checkpoints: u64,
    /// Signatures of parties that were verified.
    pub signatures: u64,
    /// What could not be verified though nothing is damaged, in words.
    pub unseen: Vec<String>,
}

impl Findings {
    fn blame(&mut self, file: &str, what: impl std::fmt::Display) {
        self.damage.push(Damage { file: file.to_owned(), offset: 0, bundle: None, what: what.to_string() });
    }
}

/// Verifies a directory. `progress` is told how many leaves are done, of how many.
///
/// # Errors
/// The medium cannot be read, the genesis is none, or a key at rest is missing. Damage is no error.
pub fn examine<M: Medium>(medium: &M, what: &Examination, progress: &mut dyn FnMut(u64, u64)) -> Result<Findings, StoreError> {
    let ledger = Hash::of(what.genesis.body());
    let mut found = Findings::default();
    let names = medium.list()?;
    for name in &names {
        if let Some(odd) = oddity(medium, name)? {
            found.blame(name, odd);
        }
    }
    if what.level > 0 {
        lengths(medium, &names, &mut found)?;
        if let Some(what) = agreement(medium, &names, &ledger, what.at_rest.as_ref()) {
            found.blame(names.iter().rfind(|name| name.starts_with("wal_")).map_or("", String::as_str), what);
        }
        let inspection = match inspect(medium.clone(), &ledger, what.at_rest.clone()) {
            Ok(inspection) => inspection,
            Err(StoreError::Diverged(what)) => {
                found.blame(names.iter().find(|name| name.starts_with("wal_")).map_or("", String::as_str), what);
                found.damage.sort();
                return Ok(found);
            }
            Err(other) => return Err(other),
        };
        found.damage.extend(inspection.damage);
        (found.leaves, found.root) = (inspection.sealed, inspection.root);
        // What opening takes for an interrupted seal may be a lost or an older snapshot.
        for (name, (_, end)) in names.iter().filter_map(|name| Some((name, span(name)?))) {
            if end > inspection.sealed {
                found.blame(name, "no snapshot covers this segment: an interrupted seal, or a snapshot that is lost or older");
            }
        }
    }
    let opens = found.root.is_some() || found.leaves == 0 && !found.damage.iter().any(|damage| damage.file.starts_with("wal_"));
    if what.level > 1 && opens {
        history(medium, what, &ledger, &names, &mut found, progress)?;
    }
    found.damage.sort();
    found.damage.dedup();
    Ok(found)
}

/// The log's files are written ahead in whole steps, and its parts have no gap to the snapshot.
fn lengths<M: Medium>(medium: &M, names: &[String], found: &mut Findings) -> Result<(), StoreError> {
    for name in names.iter().filter(|name| name.starts_with("wal_")) {
        let length = medium.length(name)?;
        if length > 44 && !length.is_multiple_of(AHEAD_BYTES) {
            let what =
                format!("{length} octets: the log is written in steps of {AHEAD_BYTES}, so its end was cut off or something was added");
            found.damage.push(Damage { file: name.clone(), offset: length, bundle: None, what });
        }
    }
    let first = names.iter().find(|name| name.starts_with("wal_"));
    match first {
        None => found.blame("wal_00000000000000000000", "missing: a node's log is never without a file"),
        Some(first) if !names.iter().any(|name| size_of(name).is_some()) && !first.ends_with(&"0".repeat(20)) => {
            found.blame(first, "the log does not begin with its first frame, and no snapshot stands for those before it");
        }
        Some(_) => {}
    }
    if names.iter().filter(|name| size_of(name).is_some()).count() > 1 {
        for name in names.iter().filter(|name| size_of(name).is_some()).rev().skip(1) {
            found.blame(name, "an older snapshot, which the next one should have replaced");
        }
    }
    Ok(())
}

/// What is wrong with the log beside the snapshot. Opening would let the log start anew after it.
fn agreement<M: Medium>(medium: &M, names: &[String], ledger: &Hash, at_rest: Option<&AtRest>) -> Option<String> {
    let newest = names.iter().filter_map(|name| size_of(name)).max()?;
    let snapshot = Snapshot::read(medium, &snapshot::name(newest), ledger, at_rest).ok()?;
    let (wal, _) = Wal::open(Overlay::new(medium.clone()), ledger).ok()?;
    let (index, last) = (snapshot.raft_index, wal.last());
    if last < index {
        return Some(format!(
            "the log ends with entry {last}, and the snapshot with {index}: an older copy, or an interrupted installation"
        ));
    }
    let other = wal.term(index).is_some_and(|term| term != snapshot.raft_term);
    other.then(|| format!("entry {index} of the log is another than that of the snapshot"))
}

/// The leaves, from the segments and, after them, from the log: the tree, its checkpoints, signatures and what they lead to.
fn history<M: Medium>(
    medium: &M,
    what: &Examination,
    ledger: &Hash,
    names: &[String],
    found: &mut Findings,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<(), StoreError> {
    let last = names.iter().rfind(|name| name.starts_with("wal_")).cloned().unwrap_or_default();
    let store = Store::open(Overlay::new(medium.clone()), ledger, what.at_rest.clone());
    // A node of this directory that never takes part: any number and key will do.
    let config = Config { node: u64::MAX, ..Config::new("auditor", what.genesis.clone(), SecretKey::from_seed([0; 32])) };
    let node = match store.and_then(|store| Node::open(config, store)) {
        Ok(node) => node,
        Err(StoreError::Io { what, path, error }) => return Err(StoreError::Io { what, path, error }),
        Err(other) => {
            found.blame(&last, other);
            return Ok(());
        }
    };
    (found.leaves, found.root) = (node.state().size(), node.tree().root(node.state().size()));
    if what.level < 3 {
        return Ok(());
    }
    if node.store().floor() > 0 {
        found.unseen.push(format!("levels 3 to 5 begin with leaf 0, and the leaves below {} were pruned", node.store().floor()));
        return Ok(());
    }
    let mut walk = Walk::new(&node, what, names, last)?;
    for index in 1..node.state().size() {
        walk.take(index, found)?;
        if index % 1024 == 0 {
            progress(index, node.state().size());
        }
    }
    walk.end(medium, names, found)
}

/// The way through the leaves.
struct Walk<'a, M: Medium> {
    node: &'a Node<M>,
    level: u8,
    /// At level 5 everything the leaves say, before it what the members decided.
    state: State,
    /// Kept checkpoints by size.
    notes: BTreeMap<u64, &'a str>,
    segments: Vec<(u64, &'a str)>,
    /// The log's last file, which holds what is in no segment.
    log: String,
    waiting: Vec<(u64, Outcome, Request)>,
    bodies: Option<(Hash, Vec<Hash>)>,
}

impl<'a, M: Medium> Walk<'a, M> {
    fn new(node: &'a Node<M>, what: &Examination, names: &'a [String], log: String) -> Result<Self, StoreError> {
        let bad = |error: &dyn std::fmt::Display| StoreError::Diverged(format!("the genesis is not acceptable: {error}"));
        let request = Request::read(what.genesis.clone()).map_err(|error| bad(&error))?;
        let (state, _) = State::found(request).map_err(|error| bad(&error))?;
        let notes = names.iter().filter_map(|name| Some((name.strip_prefix("note_")?.parse().ok()?, name.as_str()))).collect();
        let segments = names.iter().filter_map(|name| Some((span(name)?.1, name.as_str()))).collect();
        Ok(Self { node, level: what.level, state, notes, segments, log, waiting: Vec::new(), bodies: None })
    }

    fn take(&mut self, index: u64, found: &mut Findings) -> Result<(), StoreError> {
        let octets = match self.node.leaf(index) {
            Ok(octets) => octets,
            Err(StoreError::Io { what, path, error }) => return Err(StoreError::Io { what, path, error }),
            // A damaged bundle was named already; what follows it cannot be replayed.
            Err(_) => {
                self.level = self.level.min(3);
                return Ok(());
            }
        };
        let head = octets.get(..HEAD.min(octets.len())).unwrap_or_default();
        let decides = [Kind::Proposal, Kind::Ballot, Kind::Key].iter().any(|kind| {
            let attribute = format!(" kind=\"{}\"", kind.code());
            head.windows(attribute.len()).any(|window| window == attribute.as_bytes())
        });
        if decides || self.level > 3 {
            match Leaf::read(&octets) {
                Ok(leaf) => self.read(leaf, &octets, found),
                Err(error) => self.blame(index, error, found),
            }
        }
        if let Some(name) = self.notes.get(&(index + 1)) {
            let text = whole(self.node.store().note_of(index + 1))?.unwrap_or_default();
            self.noted(name, &text, found);
        }
        Ok(())
    }

    fn read(&mut self, leaf: Leaf, octets: &[u8], found: &mut Findings) {
        let (index, kind, outcome) = (leaf.index, leaf.kind, leaf.outcome);
        let decides = matches!(kind, Kind::Proposal | Kind::Ballot | Kind::Key);
        if kind != Kind::StateRoot && self.level > 3 {
            match Request::read(leaf.entry.clone()) {
                Ok(request) => {
                    self.batched(&leaf, &request, found);
                    self.waiting.push((index, outcome, request));
                }
                Err(verdict) => self.blame(index, verdict, found),
            }
        }
        // Keys change with these: what came before was signed with those of before.
        if decides || self.waiting.len() >= TOGETHER {
            self.check(found);
        }
        if self.level == LEVEL_MAX {
            match self.state.replay(leaf) {
                Ok(applied) if applied.octets == octets => {}
                Ok(_) => self.blame(index, "the rules lead to another leaf: its outcome, streams or state are others", found),
                Err(verdict) => self.blame(index, verdict, found),
            }
        } else if decides && let Err(verdict) = self.state.follow(leaf) {
            self.blame(index, verdict, found);
        }
    }

    /// The bodies of a batch lead to the root that its parties signed.
    fn batched(&mut self, leaf: &Leaf, request: &Request, found: &mut Findings) {
        let Some(place) = leaf.entry.place() else { return };
        let hash = request.records().first().map(crate::body::Record::hash).unwrap_or_default();
        let (root, bodies) = self.bodies.get_or_insert_with(|| (place.root, Vec::new()));
        let next = *root == place.root && bodies.len() == usize::from(place.position);
        bodies.push(hash);
        let whole = bodies.len() == usize::from(place.size);
        let leads = !whole || root_over(bodies) == Some(place.root);
        if whole || !next {
            self.bodies = None;
        }
        if !next || !leads {
            self.blame(leaf.index, "its batch is not what its parties signed", found);
        }
    }

    fn check(&mut self, found: &mut Findings) {
        let (said, requests): (Vec<_>, Vec<_>) =
            self.waiting.drain(..).map(|(index, outcome, request)| ((index, outcome), request)).unzip();
        found.signatures += requests.iter().map(|request| request.entry().signatures().len() as u64).sum::<u64>();
        for (checked, (index, outcome)) in self.state.check(requests).into_iter().zip(said) {
            let revoked = outcome == Outcome::Refused(Refusal::KeyRevoked);
            match checked {
                Err(verdict) => self.blame(index, verdict, found),
                Ok(checked) if (checked.refusal() == Some(Refusal::KeyRevoked)) != revoked => {
                    self.blame(index, "its outcome does not fit the key that it is signed with", found);
                }
                Ok(_) => {}
            }
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
    fn end<U: Medium>(mut self, medium: &U, names: &[String], found: &mut Findings) -> Result<(), StoreError> {
        self.check(found);
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

fn root_over(hashes: &[Hash]) -> Option<Hash> {
    let mut tree = Tree::default();
    hashes.iter().for_each(|hash| tree.push(*hash));
    tree.root(tree.size())
}
