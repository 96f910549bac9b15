//! A node's directory verified from its bytes to what they mean, offline: nothing in it is believed, nothing is changed.

mod range;
mod resume;
mod walk;

pub use range::examine_range;

use crate::archive::Damage;
use crate::at_rest::AtRest;
use crate::frames::AHEAD_BYTES;
use crate::inspect::{inspect, oddity};
use crate::keys::SecretKey;
use crate::medium::{Medium, Overlay, StoreError};
use crate::node::{Config, Node};
use crate::record::Entry;
use crate::segment::span;
use crate::snapshot::{self, Snapshot, size_of};
use crate::store::Store;
use crate::tree::Hash;
use crate::wal::Wal;
use resume::Halfway;

/// The deepest level.
pub const LEVEL_MAX: u8 = 5;

/// Who does work whose parts do not depend on each other. The ledger has no threads of its own; results come in the order of the
/// work, whoever does it.
pub trait Crew {
    /// Does each part.
    fn each<T: Send, R: Send>(&self, work: Vec<T>, part: impl Fn(T) -> R + Sync) -> Vec<R>;
}

/// One after the other.
#[derive(Clone, Copy, Debug)]
pub struct Alone;

impl Crew for Alone {
    fn each<T: Send, R: Send>(&self, work: Vec<T>, part: impl Fn(T) -> R + Sync) -> Vec<R> {
        work.into_iter().map(part).collect()
    }
}

/// How far an examination is.
pub struct Point<'a> {
    /// Leaves that are done.
    pub done: u64,
    /// Of so many.
    pub all: u64,
    halfway: &'a dyn Fn() -> Vec<u8>,
}

impl std::fmt::Debug for Point<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} of {} leaves", self.done, self.all)
    }
}

impl Point<'_> {
    /// What an examination of the same directory goes on from: see [`examine`]. It is the state of the ledger at this point, and
    /// what was found so far.
    #[must_use]
    pub fn halfway(&self) -> Vec<u8> {
        (self.halfway)()
    }
}

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

    fn sort(&mut self) {
        self.damage.sort();
        self.damage.dedup();
    }
}

/// Verifies a directory. `progress` is told how far it is. `halfway` are the octets of a [`Point`] of an examination that was broken
/// off: what it looked at is not looked at again.
///
/// # Errors
/// The medium cannot be read, the genesis is none, a key at rest is missing, or `halfway` is damaged, of another directory or of another
/// level. Damage is no error.
pub fn examine<M: Medium>(
    medium: &M,
    what: &Examination,
    crew: &impl Crew,
    halfway: Option<&[u8]>,
    progress: &mut dyn FnMut(&Point<'_>),
) -> Result<Findings, StoreError> {
    let ledger = Hash::of(what.genesis.body());
    let names = medium.list()?;
    if let Some(octets) = halfway {
        let halfway = Halfway::read(octets, &ledger, what.level).map_err(StoreError::Diverged)?;
        let mut found = walk::history(medium, what, crew, &names, Ok(halfway), progress)?;
        found.sort();
        return Ok(found);
    }
    let mut found = Findings::default();
    for name in &names {
        if let Some(odd) = oddity(medium, name)? {
            found.blame(name, odd);
        }
    }
    if what.level > 0 && !look_through(medium, what, crew, (&ledger, &names), &mut found)? {
        found.sort();
        return Ok(found);
    }
    let opens = found.root.is_some() || found.leaves == 0 && !found.damage.iter().any(|damage| damage.file.starts_with("wal_"));
    if what.level > 1 && opens {
        found = walk::history(medium, what, crew, &names, Err(found), progress)?;
    }
    found.sort();
    Ok(found)
}

/// Frames, checksums, hashes and tiles; says whether the log is of this ledger.
fn look_through<M: Medium>(
    medium: &M,
    what: &Examination,
    crew: &impl Crew,
    (ledger, names): (&Hash, &[String]),
    found: &mut Findings,
) -> Result<bool, StoreError> {
    lengths(medium, names, found)?;
    if let Some(what) = agreement(medium, names, ledger, what.at_rest.as_ref()) {
        found.blame(names.iter().rfind(|name| name.starts_with("wal_")).map_or("", String::as_str), what);
    }
    let inspection = match inspect(medium.clone(), ledger, what.at_rest.clone(), crew) {
        Ok(inspection) => inspection,
        Err(StoreError::Diverged(what)) => {
            found.blame(names.iter().find(|name| name.starts_with("wal_")).map_or("", String::as_str), what);
            return Ok(false);
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
    Ok(true)
}

/// The node of a directory as it would start, to look at: nothing is changed, and it takes part in nothing.
///
/// # Errors
/// The directory is damaged or of another ledger, the genesis is none, a key at rest is missing, or the medium failed.
pub fn look<M: Medium>(medium: &M, genesis: &Entry, at_rest: Option<AtRest>) -> Result<Node<Overlay<M>>, StoreError> {
    let store = Store::open(Overlay::new(medium.clone()), &Hash::of(genesis.body()), at_rest)?;
    // Any number and key will do.
    let config = Config { node: u64::MAX, ..Config::new("auditor", genesis.clone(), SecretKey::from_seed([0; 32])) };
    Node::open(config, store)
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
