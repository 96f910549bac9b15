//! What a node keeps: the Raft log and hard state, durable before they are answered for, and the leaves, which follow from them.

use crate::medium::Medium;
use crate::segment::{Place, Segments, StoreError, Torn};
use crate::tree::Hash;
use std::collections::BTreeMap;

/// Leaves written and not synced, at most: what a power loss costs in replay.
const LEAVES_UNSYNCED_MAX: u64 = 1024;
/// Log entries kept in memory for followers that are a little behind.
const RECENT_MAX: usize = 4096;

/// Raft's hard state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HardState {
    /// The current term.
    pub term: u64,
    /// The node voted for in it; 0 for none.
    pub vote: u64,
    /// The highest index known to be committed.
    pub commit: u64,
}

/// One entry of the Raft log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogEntry {
    /// Its Raft index, from 1.
    pub index: u64,
    /// Its term.
    pub term: u64,
    /// What it carries; empty for a leader's first entry.
    pub data: Vec<u8>,
}

/// What becomes durable together.
#[derive(Clone, Copy, Debug, Default)]
pub struct Batch<'a> {
    /// The hard state, if it changed.
    pub hard_state: Option<HardState>,
    /// Entries; those from the first one's index on are replaced.
    pub entries: &'a [LogEntry],
    /// The latest published checkpoint, if there is a new one.
    pub note: Option<&'a str>,
}

/// What a node keeps on its medium: `wal_…` is the truth, `seg_…` the leaves.
#[derive(Debug)]
pub struct Store<M> {
    wal: Segments<M>,
    seg: Segments<M>,
    medium: M,
    log: Log,
    leaves: Vec<Place>,
    unsynced: u64,
    stopped: bool,
    repairs: Vec<Torn>,
}

/// What the frames of the log say.
#[derive(Debug, Default)]
struct Log {
    hard_state: HardState,
    note: Option<String>,
    leaves_durable: u64,
    /// Term and frame of entry i + 1.
    entries: Vec<(u64, Place)>,
    recent: BTreeMap<u64, LogEntry>,
}

impl<M: Medium> Store<M> {
    /// Opens what is on a medium, or begins there. `ledger` is the genesis fingerprint.
    ///
    /// # Errors
    /// It is of another ledger, it is damaged, or the medium failed.
    pub fn open(medium: M, ledger: &Hash) -> Result<Self, StoreError> {
        let mut log = Log::default();
        let (wal, torn_wal) = Segments::open(medium.clone(), "wal", ledger, None, &mut |place, payload| {
            log.take(place, payload).ok_or_else(|| "a frame of the log that cannot be read".to_owned())
        })?;
        let mut leaves = Vec::new();
        let (seg, torn_seg) = Segments::open(medium.clone(), "seg", ledger, Some(log.leaves_durable), &mut |place, payload| {
            let raft_index = payload.first_chunk::<8>().map(|octets| u64::from_be_bytes(*octets));
            leaves.push(place);
            let known = raft_index.is_some_and(|index| index <= log.entries.len() as u64);
            if known { Ok(()) } else { Err("a leaf of an entry that the log does not hold: the log has lost its end".to_owned()) }
        })?;
        let repairs = torn_wal.into_iter().chain(torn_seg).collect();
        Ok(Self { wal, seg, medium, log, leaves, unsynced: 0, stopped: false, repairs })
    }

    /// The torn ends that were cut off when the store was opened.
    #[must_use]
    pub fn repairs(&self) -> &[Torn] {
        &self.repairs
    }

    /// Where everything is kept.
    #[must_use]
    pub fn medium(&self) -> &M {
        &self.medium
    }

    /// The hard state saved last.
    #[must_use]
    pub fn hard_state(&self) -> HardState {
        self.log.hard_state
    }

    /// The checkpoint saved last.
    #[must_use]
    pub fn note(&self) -> Option<&str> {
        self.log.note.as_deref()
    }

    /// The index of the last log entry; 0 if there is none.
    #[must_use]
    pub fn last(&self) -> u64 {
        self.log.entries.len() as u64
    }

    /// The term of a log entry.
    #[must_use]
    pub fn term(&self, index: u64) -> Option<u64> {
        self.log.place(index).map(|(term, _)| term)
    }

    /// A log entry.
    ///
    /// # Errors
    /// It is not there, damaged, or the medium failed.
    pub fn entry(&self, index: u64) -> Result<LogEntry, StoreError> {
        if let Some(entry) = self.log.recent.get(&index) {
            return Ok(entry.clone());
        }
        let (_, place) = self.log.place(index).ok_or_else(|| StoreError::Diverged(format!("no log entry {index}")))?;
        let payload = self.wal.read(place)?;
        let found = records(&payload).into_iter().flatten().find_map(|(tag, numbers, data)| match (tag, numbers.as_slice()) {
            (2, [at, term]) if *at == index => Some(LogEntry { index, term: *term, data: data.to_vec() }),
            _ => None,
        });
        found.ok_or_else(|| StoreError::Diverged(format!("log entry {index} is not in its frame")))
    }

    /// Saves a batch and returns when it is durable.
    ///
    /// # Errors
    /// The medium failed: the node stops and nothing is tried again.
    pub fn save(&mut self, batch: Batch<'_>) -> Result<(), StoreError> {
        self.guarded(|store| store.write(batch))
    }

    /// How many leaves there are.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.leaves.len() as u64
    }

    /// A leaf: the Raft index it came from, and its octets.
    ///
    /// # Errors
    /// It is not there, damaged, or the medium failed.
    pub fn leaf(&self, index: u64) -> Result<(u64, Vec<u8>), StoreError> {
        let place = usize::try_from(index).ok().and_then(|index| self.leaves.get(index));
        let payload = self.seg.read(*place.ok_or_else(|| StoreError::Diverged(format!("no leaf {index}")))?)?;
        let (raft_index, octets) = payload.split_first_chunk::<8>().ok_or(StoreError::Stopped)?;
        Ok((u64::from_be_bytes(*raft_index), octets.to_vec()))
    }

    /// Appends a leaf. It need not be durable: it can be derived again from the log.
    ///
    /// # Errors
    /// The medium failed.
    pub fn push_leaf(&mut self, raft_index: u64, octets: &[u8]) -> Result<(), StoreError> {
        self.guarded(|store| store.write_leaf(raft_index, octets))
    }

    fn write(&mut self, batch: Batch<'_>) -> Result<(), StoreError> {
        let mut payload = Vec::new();
        put(&mut payload, 4, &[self.log.leaves_durable], &[]);
        if let Some(state) = batch.hard_state {
            put(&mut payload, 1, &[state.term, state.vote, state.commit], &[]);
        }
        if let Some(note) = batch.note {
            put(&mut payload, 3, &[], note.as_bytes());
        }
        for entry in batch.entries {
            put(&mut payload, 2, &[entry.index, entry.term], &entry.data);
        }
        let place = self.wal.append(&payload)?;
        self.wal.sync()?;
        let taken = self.log.take(place, &payload);
        assert!(taken.is_some(), "what was written is what is read");
        Ok(())
    }

    fn write_leaf(&mut self, raft_index: u64, octets: &[u8]) -> Result<(), StoreError> {
        let place = self.seg.append(&[raft_index.to_be_bytes().as_slice(), octets].concat())?;
        self.leaves.push(place);
        self.unsynced += 1;
        if self.unsynced >= LEAVES_UNSYNCED_MAX {
            self.seg.sync()?;
            self.unsynced = 0;
            self.log.leaves_durable = self.seg.next();
        }
        Ok(())
    }

    fn guarded(&mut self, work: impl FnOnce(&mut Self) -> Result<(), StoreError>) -> Result<(), StoreError> {
        if self.stopped {
            return Err(StoreError::Stopped);
        }
        let result = work(self);
        self.stopped = result.is_err();
        result
    }
}

impl Log {
    fn place(&self, index: u64) -> Option<(u64, Place)> {
        self.entries.get(usize::try_from(index.checked_sub(1)?).ok()?).copied()
    }

    fn take(&mut self, place: Place, payload: &[u8]) -> Option<()> {
        for (tag, numbers, data) in records(payload)? {
            match (tag, numbers.as_slice()) {
                (1, &[term, vote, commit]) => self.hard_state = HardState { term, vote, commit },
                (2, &[index, term]) => self.put(place, LogEntry { index, term, data: data.to_vec() })?,
                (3, []) => self.note = Some(String::from_utf8(data.to_vec()).ok()?),
                (4, &[leaves]) => self.leaves_durable = leaves,
                _ => return None,
            }
        }
        Some(())
    }

    /// Entries from its index on are replaced, as Raft replaces what was never committed.
    fn put(&mut self, place: Place, entry: LogEntry) -> Option<()> {
        let at = usize::try_from(entry.index.checked_sub(1)?).ok()?;
        if at > self.entries.len() {
            return None;
        }
        self.entries.truncate(at);
        self.entries.push((entry.term, place));
        while self.recent.last_key_value().is_some_and(|(index, _)| *index >= entry.index) {
            self.recent.pop_last();
        }
        self.recent.insert(entry.index, entry);
        if self.recent.len() > RECENT_MAX {
            self.recent.pop_first();
        }
        Some(())
    }
}

type Record<'a> = (u8, Vec<u64>, &'a [u8]);

/// A record of a log frame: its tag, its numbers' count, the numbers, the length of its data, the data.
fn put(payload: &mut Vec<u8>, tag: u8, numbers: &[u64], data: &[u8]) {
    payload.push(tag);
    payload.push(u8::try_from(numbers.len()).unwrap_or(u8::MAX));
    for number in numbers {
        payload.extend_from_slice(&number.to_be_bytes());
    }
    payload.extend_from_slice(&(data.len() as u64).to_be_bytes());
    payload.extend_from_slice(data);
}

fn records(mut payload: &[u8]) -> Option<Vec<Record<'_>>> {
    let mut records = Vec::new();
    while let Some((&[tag, count], mut rest)) = payload.split_first_chunk::<2>() {
        let mut numbers = Vec::new();
        for _ in 0..count {
            let (number, tail) = rest.split_first_chunk::<8>()?;
            numbers.push(u64::from_be_bytes(*number));
            rest = tail;
        }
        let (length, tail) = rest.split_first_chunk::<8>()?;
        let (data, tail) = tail.split_at_checked(usize::try_from(u64::from_be_bytes(*length)).ok()?)?;
        records.push((tag, numbers, data));
        payload = tail;
    }
    payload.is_empty().then_some(records)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::medium::Directory;
    use std::path::Path;

    fn open(dir: &Path) -> Result<Store<Directory>, StoreError> {
        Store::open(Directory::open(dir)?, &Hash::of(b"g"))
    }

    fn entry(index: u64, term: u64) -> LogEntry {
        LogEntry { index, term, data: vec![u8::try_from(index).unwrap(); 100] }
    }

    fn fresh(name: &str) -> std::path::PathBuf {
        let dir = std::env::temp_dir().join(format!("waybill-store-{name}-{}", std::process::id()));
        drop(std::fs::remove_dir_all(&dir));
        dir
    }

    fn fill(dir: &Path) {
        let mut files = open(dir).unwrap();
        for index in 1..=5 {
            let state = HardState { term: 2, vote: 1, commit: index };
            files.save(Batch { hard_state: Some(state), entries: &[entry(index, 2)], note: None }).unwrap();
        }
        for index in 0..3 {
            files.push_leaf(index, &[u8::try_from(index).unwrap(); 50]).unwrap();
        }
    }

    #[test]
    fn what_was_saved_is_there_after_opening_again() {
        let dir = fresh("reopen");
        fill(&dir);
        let mut files = open(&dir).unwrap();
        assert_eq!((files.last(), files.size(), files.hard_state().commit), (5, 3, 5));
        assert_eq!(files.leaf(2).unwrap(), (2, vec![2; 50]));
        files.save(Batch { entries: &[entry(3, 4)], note: Some("note"), ..Batch::default() }).unwrap();
        assert!(matches!(open(&dir), Err(StoreError::Locked(_))));
        drop(files);
        let mut files = open(&dir).unwrap();
        assert_eq!((files.last(), files.term(3), files.note()), (3, Some(4), Some("note")));
        files.log.recent.clear();
        assert_eq!(files.entry(2).unwrap(), entry(2, 2));
        drop(files);
        assert!(matches!(Store::open(Directory::open(&dir).unwrap(), &Hash::of(b"other")), Err(StoreError::Corrupt { offset: 0, .. })));
        std::fs::remove_dir_all(&dir).unwrap();
    }

    #[test]
    fn a_torn_end_is_cut_off_and_said_so() {
        let dir = fresh("torn");
        fill(&dir);
        let wal = dir.join("wal_00000000000000000000");
        let whole = std::fs::read(&wal).unwrap();
        let frame = (whole.len() - 44) / 5;
        for cut in 1..frame {
            std::fs::write(&wal, &whole[..whole.len() - cut]).unwrap();
            let files = open(&dir).unwrap();
            assert_eq!((files.last(), files.repairs().len()), (4, 1), "{cut}");
            assert_eq!(files.repairs()[0].octets, (frame - cut) as u64);
            drop(files);
            assert!(open(&dir).unwrap().repairs().is_empty());
        }
        std::fs::write(&wal, &whole[..whole.len() - 4 * frame]).unwrap();
        let lost = open(&dir).unwrap_err();
        assert!(lost.to_string().contains("the log has lost its end"), "{lost}");
        std::fs::remove_dir_all(&dir).unwrap();
    }

    #[test]
    fn a_flipped_octet_is_an_error_with_file_and_offset_or_a_torn_end() {
        let dir = fresh("flip");
        fill(&dir);
        let wal = dir.join("wal_00000000000000000000");
        let whole = std::fs::read(&wal).unwrap();
        let frame = (whole.len() - 44) / 5;
        for at in 0..whole.len() - frame {
            let mut damaged = whole.clone();
            damaged[at] ^= 0x10;
            std::fs::write(&wal, &damaged).unwrap();
            let start = if at < 44 { 0 } else { 44 + (at - 44) / frame * frame };
            match open(&dir) {
                Err(StoreError::Corrupt { path, offset, .. }) => assert_eq!((path, offset), (wal.clone(), start as u64), "{at}"),
                other => panic!("{at}: {other:?}"),
            }
        }
        std::fs::write(&wal, &whole).unwrap();
        let files = open(&dir).unwrap();
        let seg = dir.join("seg_00000000000000000000");
        let mut damaged = std::fs::read(&seg).unwrap();
        damaged[70] ^= 1;
        std::fs::write(&seg, &damaged).unwrap();
        assert!(matches!(files.leaf(0), Err(StoreError::Corrupt { offset: 44, .. })));
        drop(files);
        let mut files = open(&dir).unwrap();
        assert_eq!((files.size(), files.repairs().len()), (0, 1), "leaves that were not synced follow from the log again");
        for _ in 0..LEAVES_UNSYNCED_MAX + 10 {
            files.push_leaf(1, &[7; 50]).unwrap();
        }
        files.save(Batch { entries: &[entry(6, 2)], ..Batch::default() }).unwrap();
        drop(files);
        let whole = std::fs::read(&seg).unwrap();
        let frame = 16 + 8 + 50;
        for (leaf, survives) in [(0, false), (1023, false), (1024, true), (1033, true)] {
            let mut damaged = whole.clone();
            damaged[44 + leaf * frame + 30] ^= 1;
            std::fs::write(&seg, &damaged).unwrap();
            match open(&dir) {
                Ok(files) => assert_eq!((survives, files.size()), (true, leaf as u64)),
                Err(StoreError::Corrupt { path, offset, .. }) => {
                    assert_eq!((survives, path, offset), (false, seg.clone(), (44 + leaf * frame) as u64))
                }
                Err(other) => panic!("{other}"),
            }
        }
        std::fs::remove_dir_all(&dir).unwrap();
    }
}
