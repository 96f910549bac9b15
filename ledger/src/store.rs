//! What a node keeps: the log, which is the truth, and the leaves, which follow from it.

pub use crate::frames::Torn;
pub use crate::medium::StoreError;
pub use crate::wal::{Batch, HardState, LogEntry};

use crate::archive::{Archive, Damage};
use crate::at_rest::AtRest;
use crate::clients::{Clients, Tag};
use crate::medium::{Medium, Overlay};
use crate::scrub::{Sweep, Swept};
use crate::seal::{Seal, Sealed};
use crate::segment::{DRAFT, SEAL_EVERY, checked, put_file, unchecked};
use crate::snapshot::{Snapshot, name, size_of};
use crate::tail::Tail;
use crate::tree::{Hash, Tree};
use crate::wal::{Alone, Wal};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// Seals whose log entries are kept. A node that misses more, 32,000 records and above, is given the snapshot: that is less than
/// the log over the same records, and the log is the part of the disk that is neither compressed nor encrypted. One seal would
/// do; with two, a node that is being given one finds the log still there when it has it.
const LOG_SEALS: usize = 2;

/// Says which leaves were pruned: there before any of them goes.
const FLOOR: &str = "floor";
/// Begins the name of a checkpoint that was kept.
const NOTE: &str = "note_";

/// What one node keeps on its medium: the log, sealed segments with their tiles, and the newest snapshot. The leaves since the
/// last seal, the tail, are in memory: the log gives them again.
#[derive(Debug)]
pub struct Store<M: Medium> {
    medium: M,
    wal: Wal<M>,
    archive: Archive<M>,
    snapshot: Option<Arc<Snapshot>>,
    /// The leaves that are not sealed.
    tail: Tail,
    clients: Clients,
    /// Where the next segment begins, and the logical octets in it so far.
    boundary: (u64, u64),
    /// Seals that wait for the one that runs.
    waiting: VecDeque<Arc<Snapshot>>,
    running: bool,
    /// Seals shall be quick rather than small.
    pub(crate) pressed: bool,
    scrubbed: u64,
    /// The older file of the log that was read again last.
    log_swept: usize,
    /// Of the log, and not mended: nothing else holds what was there.
    log_damage: Vec<Damage>,
    /// Where the last snapshots stand in the log, the oldest first.
    covered: VecDeque<u64>,
    stopped: bool,
    repairs: Vec<Torn>,
    /// Why it is not known which clients' records are sealed.
    lacking: Option<StoreError>,
}

/// Opening.
impl<M: Medium> Store<M> {
    /// Opens what is on a medium, or begins. `ledger` is the genesis fingerprint; `at_rest` encrypts what is sealed from now on.
    /// Damaged segments do not stop it: see [`Store::damaged`]; with [`Store::lacking`] it is only to be mended.
    ///
    /// # Errors
    /// The log or the snapshot is damaged or of another ledger, a key at rest is missing, or the medium failed.
    pub fn open(medium: M, ledger: &Hash, at_rest: Option<AtRest>) -> Result<Self, StoreError> {
        let mut names = medium.list()?;
        for draft in names.extract_if(.., |name| name.starts_with(DRAFT)) {
            medium.remove(&draft)?;
        }
        let newest = names.iter().filter_map(|name| size_of(name)).max();
        let snapshot = match newest {
            Some(size) => Some(Snapshot::read(&medium, &name(size), ledger, at_rest.as_ref())?),
            None => None,
        };
        let (mut wal, torn) = Wal::open(medium.clone(), ledger)?;
        let floor = read_floor(&medium, &names)?;
        let archive = Archive::new(medium.clone(), *ledger, at_rest, floor);
        let mut lacking = None;
        let mut clients = Clients::with_capacity(snapshot.as_ref().map_or(0, |snapshot| snapshot.size));
        if let Some(snapshot) = &snapshot {
            wal.follow(snapshot.raft_index, snapshot.raft_term)?;
            archive.take_up(&names, snapshot)?;
            for block in 0..snapshot.size / SEAL_EVERY {
                match archive.tags(block).map_or_else(|| archive.remake_tags(block), Ok) {
                    Ok(tags) => (block * SEAL_EVERY..).zip(tags).for_each(|(index, tag)| clients.put(tag, index)),
                    Err(error @ StoreError::Corrupt { .. }) => lacking = lacking.or(Some(error)),
                    Err(error) => return Err(error),
                }
            }
        }
        let boundary = (archive.size(), 0);
        let (snapshot, repairs) = (snapshot.map(Arc::new), torn.into_iter().collect());
        let (tail, waiting) = (Tail::default(), VecDeque::new());
        Ok(Self {
            medium,
            wal,
            archive,
            snapshot,
            tail,
            clients,
            boundary,
            waiting,
            running: false,
            pressed: false,
            scrubbed: 0,
            log_swept: 0,
            log_damage: Vec::new(),
            covered: VecDeque::new(),
            stopped: false,
            repairs,
            lacking,
        })
    }

    /// Ends a segment after so many leaves already, a multiple of 4,096 of at most [`crate::segment::SEAL_LEAVES`]: for tests, which
    /// then need fewer. All nodes of a ledger must agree.
    #[must_use]
    pub fn with_segments_of(mut self, leaves: u64) -> Self {
        self.archive.segment_leaves = leaves;
        self
    }

    /// Opens the store again, after a snapshot was installed. The clones of the archive follow.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub fn reopen(&mut self) -> Result<(), StoreError> {
        *self = self.again()?;
        Ok(())
    }

    /// What [`Store::reopen`] becomes: this one must not be written to any more.
    pub(crate) fn again(&self) -> Result<Self, StoreError> {
        let mut again = Self::open(self.medium.clone(), &self.archive.ledger, self.archive.at_rest.clone())?;
        self.archive.follow(&again.archive);
        again.archive = self.archive.clone();
        Ok(again)
    }

    /// The store as it would be after changes that are kept in memory.
    pub(crate) fn overlaid(&self) -> Result<Store<Overlay<M>>, StoreError> {
        let mut store = Store::open(Overlay::new(self.medium.clone()), &self.archive.ledger, self.archive.at_rest.clone())?;
        store.archive.segment_leaves = self.archive.segment_leaves;
        Ok(store)
    }

    /// Where everything is kept.
    #[must_use]
    pub fn medium(&self) -> &M {
        &self.medium
    }

    /// What was damaged when the store was opened, and made anew from the leaves.
    #[must_use]
    pub fn mended(&self) -> Vec<Damage> {
        self.archive.mended()
    }

    /// The damaged bundle without which nobody knows which clients' records were sealed: both copies of their tags are damaged, too. When
    /// it is mended, the store must be opened again.
    #[must_use]
    pub fn lacking(&self) -> Option<&StoreError> {
        self.lacking.as_ref()
    }

    /// [`Store::lacking`] as an error that says what to do.
    pub(crate) fn refuse_lacking(&mut self) -> Result<(), StoreError> {
        self.lacking.take().map_or(Ok(()), |error| match error {
            StoreError::Corrupt { path, offset, what } => {
                let advice = "and so are both copies of the client tags of its leaves: a node that runs mends it from the others, or put the \
                              file of this name from another node here, it is the same";
                Err(StoreError::Corrupt { path, offset, what: format!("{what}, {advice}") })
            }
            other => Err(other),
        })
    }

    /// The torn ends that were cut off when the store was opened.
    #[must_use]
    pub fn repairs(&self) -> &[Torn] {
        &self.repairs
    }
}

/// The log.
impl<M: Medium> Store<M> {
    /// The hard state saved last.
    #[must_use]
    pub fn hard_state(&self) -> HardState {
        let state = self.wal.hard_state();
        let applied = self.snapshot.as_ref().map_or(0, |snapshot| snapshot.raft_index);
        HardState { commit: state.commit.max(applied), ..state }
    }

    /// Whether nothing was ever voted, logged or sealed here.
    pub(crate) fn is_blank(&self) -> bool {
        self.hard_state() == HardState::default() && self.last() == 0 && self.snapshot.is_none()
    }

    /// The number that this directory was given when it was begun, and whether the node may vote with it.
    pub(crate) fn life(&self) -> Option<(u64, bool)> {
        self.wal.life()
    }

    pub(crate) fn set_life(&mut self, life: u64, born: bool) -> Result<(), StoreError> {
        self.guarded(|store| store.wal.set_life(life, born))
    }

    /// Makes this directory a copy, which has a life of its own: a node that starts on it beside others, which know another life of its
    /// number, ends with an error. It may have voted and acknowledged since the copy was taken.
    ///
    /// # Errors
    /// The medium failed.
    pub fn become_copy(&mut self, life: u64) -> Result<(), StoreError> {
        self.set_life(life, false)
    }

    /// Makes a copy the directory of a node again, where no node has more than it: see [`Store::become_copy`].
    ///
    /// # Errors
    /// The medium failed.
    pub fn become_whole(&mut self) -> Result<(), StoreError> {
        self.life().map_or(Ok(()), |(life, _)| self.set_life(life, true))
    }

    /// Whether this node went on alone, see [`crate::node::Node::stand_alone`].
    pub(crate) fn alone(&self) -> Alone {
        self.wal.alone()
    }

    pub(crate) fn set_alone(&mut self, alone: Alone) -> Result<(), StoreError> {
        self.guarded(|store| store.wal.set_alone(alone))
    }

    /// The lives of other nodes, as they were first heard of; 0 for one that was forgotten.
    pub(crate) fn lives(&self) -> &BTreeMap<u64, u64> {
        self.wal.lives()
    }

    pub(crate) fn put_life(&mut self, node: u64, life: u64) -> Result<(), StoreError> {
        self.guarded(|store| store.wal.put_life(node, life))
    }

    /// The checkpoint saved last.
    #[must_use]
    pub fn note(&self) -> Option<&str> {
        self.wal.note()
    }

    /// The Raft index of the first entry in the log, or of the one that would be.
    #[must_use]
    pub fn first(&self) -> u64 {
        self.wal.first()
    }

    /// The Raft index of the last log entry; `first() - 1` if there is none.
    #[must_use]
    pub fn last(&self) -> u64 {
        self.wal.last()
    }

    /// The term of a log entry, or of the one before the first.
    #[must_use]
    pub fn term(&self, index: u64) -> Option<u64> {
        self.wal.term(index)
    }

    /// A log entry.
    ///
    /// # Errors
    /// It is not there, damaged, or the medium failed.
    pub fn entry(&self, index: u64) -> Result<LogEntry, StoreError> {
        self.wal.entry(index)
    }

    /// Saves a batch and returns when it is durable: one frame, one sync.
    ///
    /// # Errors
    /// The medium failed: the node stops and nothing is tried again.
    pub fn save(&mut self, batch: Batch<'_>) -> Result<(), StoreError> {
        self.guarded(|store| store.wal.save(batch))
    }

    fn guarded<T>(&mut self, work: impl FnOnce(&mut Self) -> Result<T, StoreError>) -> Result<T, StoreError> {
        if self.stopped {
            return Err(StoreError::Stopped);
        }
        let done = work(self);
        self.stopped = done.is_err();
        done
    }
}

/// The leaves.
impl<M: Medium> Store<M> {
    /// How many leaves there are, sealed and pruned ones included.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.sealed() + self.tail.len()
    }

    /// How many leaves are sealed.
    #[must_use]
    pub fn sealed(&self) -> u64 {
        self.archive.size()
    }

    /// The first leaf that is not pruned.
    #[must_use]
    pub fn floor(&self) -> u64 {
        self.archive.floor()
    }

    /// A leaf's octets, checked against the tree.
    ///
    /// # Errors
    /// It is not there, pruned or damaged, or the medium failed.
    pub fn leaf(&self, index: u64) -> Result<Arc<[u8]>, StoreError> {
        let Some(at) = index.checked_sub(self.sealed()) else { return self.archive.leaf(index) };
        self.tail.leaf(at).map(Arc::from).ok_or_else(|| StoreError::Diverged(format!("no leaf {index}")))
    }

    /// Appends a leaf to the tail: the client id it uses up, empty for none; its hash; its octets.
    pub fn push_leaf(&mut self, client: &str, hash: Hash, octets: &[u8]) {
        self.push(Tag::of(client), hash, octets);
    }

    /// [`Store::push_leaf`], by the tag of the client id.
    pub(crate) fn push(&mut self, tag: Tag, hash: Hash, octets: &[u8]) {
        self.clients.put(tag, self.size());
        self.boundary.1 += octets.len() as u64 + 2;
        self.tail.push(tag, hash, octets);
    }

    /// The leaf that used up a client id.
    ///
    /// # Errors
    /// What tells ids apart is damaged, or the medium failed.
    pub fn client(&self, id: &str) -> Result<Option<u64>, StoreError> {
        self.tagged(Tag::of(id))
    }

    /// [`Store::client`], by the tag of the client id.
    pub(crate) fn tagged(&self, tag: Tag) -> Result<Option<u64>, StoreError> {
        self.clients.find(tag, |index| match index.checked_sub(self.sealed()) {
            None => self.archive.has_tag(index, tag),
            Some(at) => Ok(self.tail.tag(at) == Some(tag)),
        })
    }

    /// What is sealed, for other threads.
    #[must_use]
    pub fn archive(&self) -> Archive<M> {
        self.archive.clone()
    }

    /// The tree over the sealed leaves.
    #[must_use]
    pub fn tree(&self) -> Tree {
        Tree::resume(&self.archive.roots(), self.archive.lower())
    }

    /// Forgets in a tree what the tiles of the sealed leaves say.
    pub fn lean(&self, tree: &mut Tree) {
        tree.lean(self.sealed(), self.archive.lower());
    }
}

/// Sealing.
impl<M: Medium> Store<M> {
    /// The newest durable snapshot.
    #[must_use]
    pub fn snapshot(&self) -> Option<&Snapshot> {
        self.snapshot.as_deref()
    }

    pub(crate) fn newest(&self) -> Option<Arc<Snapshot>> {
        self.snapshot.clone()
    }

    /// Whether a seal runs or waits.
    #[must_use]
    pub fn is_sealing(&self) -> bool {
        self.running || !self.waiting.is_empty()
    }

    /// Whether a segment ends here, on every node: [`Store::seal`] must be called before the next leaf.
    #[must_use]
    pub fn due(&self) -> bool {
        self.archive.ends(self.boundary.0, self.size(), self.boundary.1)
    }

    /// Ends a segment with the last leaf. Returns the job that seals it; `None` while one runs: then [`Store::next_seal`] has it
    /// after that one's [`Store::adopt`].
    pub fn seal(&mut self, snapshot: Snapshot) -> Option<Seal<M>> {
        assert!(self.due() && snapshot.size == self.size(), "segments end at the same leaves on every node");
        self.boundary = (snapshot.size, 0);
        self.waiting.push_back(Arc::new(snapshot));
        self.next_seal()
    }

    /// The next job, if none runs.
    pub fn next_seal(&mut self) -> Option<Seal<M>> {
        if self.running {
            return None;
        }
        let snapshot = self.waiting.pop_front()?;
        self.running = true;
        let first = self.sealed();
        let bundles = self.tail.first(snapshot.size - first);
        Some(Seal { archive: self.archive(), first, bundles, snapshot, pressed: self.pressed })
    }

    /// Takes in what a job has made durable: the tail shrinks, and the log forgets what is far behind.
    ///
    /// # Errors
    /// The medium failed: the node stops.
    pub fn adopt(&mut self, sealed: Sealed) -> Result<(), StoreError> {
        self.guarded(|store| {
            assert!(store.running && sealed.segment.extent.first == store.sealed(), "seals are adopted in order");
            store.running = false;
            store.tail.forget(sealed.snapshot.size - store.sealed());
            store.archive.add(Some(sealed.segment), &sealed.roots);
            let before = store.snapshot.replace(sealed.snapshot);
            if let Some(before) = before {
                store.covered.push_back(before.raft_index);
                if store.covered.len() > LOG_SEALS
                    && let Some(raft_index) = store.covered.pop_front()
                {
                    store.wal.forget(raft_index)?;
                    store.log_damage.clear();
                }
                store.medium.remove(&name(before.size))?;
                store.medium.sync_names()?;
            }
            Ok(())
        })
    }

    /// Keeps a checkpoint beside the segments, by its size.
    ///
    /// # Errors
    /// The medium failed.
    pub fn put_note(&mut self, size: u64, note: &str) -> Result<(), StoreError> {
        self.guarded(|store| put_file(&store.medium, &format!("{NOTE}{size:012}"), note.as_bytes()))
    }

    /// The sizes for which checkpoints were kept, in order.
    ///
    /// # Errors
    /// The medium failed.
    pub fn notes(&self) -> Result<Vec<u64>, StoreError> {
        Ok(self.medium.list()?.iter().filter_map(|name| name.strip_prefix(NOTE)?.parse().ok()).collect())
    }

    /// The checkpoint that was kept for a size.
    ///
    /// # Errors
    /// It is no text, or the medium failed.
    pub fn note_of(&self, size: u64) -> Result<Option<String>, StoreError> {
        note_of(&self.medium, size)
    }
}

/// Keeping.
impl<M: Medium> Store<M> {
    /// What is damaged and not mended: bundles that a peer may have.
    #[must_use]
    pub fn damaged(&self) -> Vec<Damage> {
        let mut damage = self.archive.damage();
        damage.extend(self.log_damage.iter().cloned());
        damage
    }

    /// Re-hashes the next so many logical octets of what is sealed, round and round, and the log, and returns what it found.
    /// What can be made anew here is made anew; for the rest see [`Store::damaged`].
    ///
    /// # Errors
    /// The medium failed to write: the node stops.
    pub fn scrub(&mut self, octets: u64) -> Result<Vec<Damage>, StoreError> {
        let swept = self.sweep(octets, usize::MAX).run();
        self.swept(swept)
    }

    /// The reading of [`Store::scrub`], for any thread; `files` of the log are read, the last one always.
    pub(crate) fn sweep(&mut self, octets: u64, files: usize) -> Sweep<M> {
        let log = self.wal.files();
        let older = log.count().saturating_sub(1);
        let mut chosen: Vec<usize> = if files == 0 { Vec::new() } else { vec![older] };
        for _ in 1..files.min(log.count()) {
            self.log_swept = (self.log_swept + 1) % older.max(1);
            chosen.push(self.log_swept);
        }
        Sweep { archive: self.archive(), from: self.scrubbed, octets, snapshot: self.newest(), log, files: chosen }
    }

    /// Takes what a sweep has found, and mends of it what it can.
    ///
    /// # Errors
    /// The medium failed to write: the node stops.
    pub(crate) fn swept(&mut self, swept: Swept) -> Result<Vec<Damage>, StoreError> {
        self.guarded(|store| {
            let (next, mut found) = swept.sealed?;
            store.scrubbed = next;
            if let Some((size, damage)) = swept.snapshot
                && let Some(snapshot) = store.snapshot.as_ref().filter(|snapshot| snapshot.size == size)
            {
                store.archive.write_snapshot(snapshot)?;
                found.push(damage);
            }
            let log: Vec<Damage> = swept.log.into_iter().filter(|damage| store.log_damage.iter().all(|known| known != damage)).collect();
            if !log.is_empty() || !store.log_damage.is_empty() {
                found.extend(log.iter().cloned());
                store.log_damage.extend(log);
                if store.wal.renew()? {
                    store.log_damage.clear();
                }
            }
            Ok(found)
        })
    }

    /// Puts a bundle of 256 leaves that a peer sent back in place of a damaged one.
    ///
    /// # Errors
    /// The octets are not that bundle's: nothing is changed. Or the medium failed.
    pub fn repair(&mut self, bundle: u64, octets: &[u8]) -> Result<(), StoreError> {
        self.archive.repair(bundle, octets)
    }

    /// Removes whole segments of leaves below `index`, and returns how many octets that freed. The last segment stays, and so do
    /// all hashes: proofs of pruned leaves can still be made for whoever has the leaves. There is no way back.
    ///
    /// # Errors
    /// The medium failed: the node stops, and goes on pruning when it is opened again.
    pub fn prune(&mut self, index: u64) -> Result<u64, StoreError> {
        let segments = self.archive.segments();
        let Some((_, gone)) = segments.split_last() else { return Ok(0) };
        let floor = gone.iter().map(|segment| segment.end).filter(|end| *end <= index).max().unwrap_or(0);
        if floor <= self.floor() || !self.damaged().is_empty() {
            return Ok(0);
        }
        self.guarded(|store| {
            put_file(&store.medium, FLOOR, &checked(floor.to_be_bytes().to_vec()))?;
            store.archive.prune(floor)
        })
    }

    /// Wraps the data keys of all segments by the current key at rest; returns how many were not.
    ///
    /// # Errors
    /// The medium failed.
    pub fn rewrap(&mut self) -> Result<u64, StoreError> {
        self.guarded(|store| {
            let count = store.archive.rewrap()?;
            if let Some(snapshot) = &store.snapshot {
                store.archive.write_snapshot(snapshot)?;
            }
            Ok(count)
        })
    }
}

pub(crate) fn note_of<M: Medium>(medium: &M, size: u64) -> Result<Option<String>, StoreError> {
    let file = format!("{NOTE}{size:012}");
    if !medium.list()?.contains(&file) {
        return Ok(None);
    }
    let text = String::from_utf8(medium.read_all(&file)?);
    text.map(Some).map_err(|_other| StoreError::corrupt(medium.path(&file), 0, "a checkpoint is text"))
}

fn read_floor<M: Medium>(medium: &M, names: &[String]) -> Result<u64, StoreError> {
    if !names.iter().any(|name| name == FLOOR) {
        return Ok(0);
    }
    let octets = medium.read_all(FLOOR)?;
    let floor = unchecked(&octets).and_then(|octets| octets.try_into().ok()).map(u64::from_be_bytes);
    floor.ok_or_else(|| StoreError::corrupt(medium.path(FLOOR), 0, "the mark of pruned leaves does not match its checksum"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::medium::Scratch;

    const WAL: &str = "wal_00000000000000000000";

    fn entry(index: u64, term: u64) -> LogEntry {
        LogEntry { index, term, data: vec![u8::try_from(index % 256).unwrap(); 100] }
    }

    fn open(medium: &Scratch) -> Result<Store<Scratch>, StoreError> {
        Store::open(medium.clone(), &Hash::of(b"g"), None)
    }

    /// Five entries, each saved alone; and the octets in use.
    fn filled() -> (Scratch, Vec<u8>) {
        let medium = Scratch::default();
        let mut store = open(&medium).unwrap();
        for index in 1..=5 {
            let state = HardState { term: 2, vote: 1, commit: index };
            store.save(Batch { hard_state: Some(state), entries: &[entry(index, 2)], note: None }).unwrap();
        }
        let mut whole = medium.octets(WAL).unwrap();
        let end = whole.iter().rposition(|octet| *octet != 0).unwrap() + 1;
        assert!(whole.len() > end, "space is written ahead");
        whole.truncate(end);
        (medium, whole)
    }

    /// Where the frames of the first log file start.
    fn starts(whole: &[u8]) -> Vec<usize> {
        let mut starts = vec![44];
        while let Some(head) = whole[*starts.last().unwrap()..].first_chunk::<4>() {
            starts.push(starts.last().unwrap() + 16 + u32::from_be_bytes(*head) as usize);
        }
        starts
    }

    #[test]
    fn what_was_saved_is_there_after_opening_again() {
        let (medium, _) = filled();
        let mut store = open(&medium).unwrap();
        assert_eq!((store.first(), store.last(), store.hard_state().commit), (1, 5, 5));
        store.save(Batch { entries: &[entry(3, 4)], note: Some("note"), ..Batch::default() }).unwrap();
        let mut store = open(&medium).unwrap();
        assert_eq!((store.last(), store.term(3), store.term(0), store.note()), (3, Some(4), Some(0), Some("note")));
        let big: Vec<LogEntry> = (4..4 + 5000).map(|index| entry(index, 4)).collect();
        store.save(Batch { entries: &big, ..Batch::default() }).unwrap();
        assert_eq!(store.entry(2).unwrap(), entry(2, 2), "an entry that is no longer in memory");
        assert_eq!(store.entry(4000).unwrap(), entry(4000, 4));
        assert!(store.entry(9000).is_err());
        assert!(matches!(Store::open(medium.clone(), &Hash::of(b"other"), None), Err(StoreError::Corrupt { offset: 0, .. })));
        medium.fail();
        assert!(matches!(store.save(Batch { note: Some("x"), ..Batch::default() }), Err(StoreError::Io { .. })));
        assert!(matches!(store.save(Batch { note: Some("x"), ..Batch::default() }), Err(StoreError::Stopped)));
    }

    #[test]
    fn a_full_file_is_followed_by_another_that_says_everything_again() {
        let medium = Scratch::default();
        let mut store = open(&medium).unwrap();
        store.save(Batch { hard_state: Some(HardState { term: 3, vote: 2, commit: 0 }), note: Some("note"), ..Batch::default() }).unwrap();
        for index in 1..=40 {
            let entry = LogEntry { index, term: 3, data: vec![7; 1 << 20] };
            store.save(Batch { entries: &[entry], ..Batch::default() }).unwrap();
        }
        let names = medium.list().unwrap();
        assert_eq!(names.len(), 3, "{names:?}");
        let store = open(&medium).unwrap();
        assert_eq!((store.last(), store.entry(1).unwrap().data.len()), (40, 1 << 20));
        medium.remove(&names[1]).unwrap();
        let gap = open(&medium).unwrap_err();
        assert!(matches!(gap, StoreError::Corrupt { .. }), "{gap}");
        medium.remove(&names[0]).unwrap();
        let store = open(&medium).unwrap();
        assert_eq!((store.hard_state().vote, store.note(), store.last()), (2, Some("note"), 40));
        assert!(store.first() > 20 && store.term(store.first() - 1) == Some(3), "{}", store.first());
        assert!(store.entry(store.first()).is_ok());
    }

    #[test]
    fn a_torn_end_is_cut_off_and_said_so() {
        let (medium, whole) = filled();
        let last = starts(&whole)[4];
        for end in last..whole.len() {
            for zeros in [0, 1000] {
                medium.put(WAL, [&whole[..end], &vec![0; zeros]].concat());
                let store = open(&medium).unwrap();
                let torn = whole[last..end].iter().any(|octet| *octet != 0);
                assert_eq!((store.last(), store.repairs().len()), (4, usize::from(torn)), "{end}");
                assert!(open(&medium).unwrap().repairs().is_empty());
            }
        }
        for end in 0..=44 {
            medium.put(WAL, whole[..end].to_vec());
            assert_eq!(open(&medium).unwrap().repairs().len(), usize::from(end < 44));
            assert_eq!(open(&medium).unwrap().repairs().len(), 0);
        }
    }

    #[test]
    fn a_flipped_octet_is_an_error_with_file_and_offset_or_a_torn_end() {
        let (medium, whole) = filled();
        let starts = starts(&whole);
        for at in 0..starts[4] {
            let mut damaged = whole.clone();
            damaged[at] ^= 0x10;
            medium.put(WAL, damaged);
            let start = starts.iter().rev().find(|start| **start <= at).copied().unwrap_or(0);
            match open(&medium) {
                Err(StoreError::Corrupt { path, offset, .. }) => {
                    assert_eq!((path.to_str(), offset), (Some(WAL), start as u64), "{at}");
                }
                other => panic!("{at}: {other:?}"),
            }
        }
    }
}
