//! What a node keeps: the log, which is the truth, and the leaves, which follow from it.

pub use crate::frames::Torn;
pub use crate::medium::StoreError;
pub use crate::wal::{Batch, HardState, LogEntry};

use crate::medium::Medium;
use crate::tree::Hash;
use crate::wal::Wal;
use std::sync::Arc;

/// What one node keeps on its medium. The leaves since the last seal, the tail, are in memory: the log gives them again.
#[derive(Debug)]
pub struct Store<M: Medium> {
    medium: M,
    wal: Wal<M>,
    tail: Vec<Arc<[u8]>>,
    stopped: bool,
    repairs: Vec<Torn>,
}

impl<M: Medium> Store<M> {
    /// Opens what is on a medium, or begins. `ledger` is the genesis fingerprint.
    ///
    /// # Errors
    /// It is of another ledger, damaged, or the medium failed.
    pub fn open(medium: M, ledger: &Hash) -> Result<Self, StoreError> {
        let (wal, torn) = Wal::open(medium.clone(), ledger)?;
        Ok(Self { medium, wal, tail: Vec::new(), stopped: false, repairs: torn.into_iter().collect() })
    }

    /// Where everything is kept.
    #[must_use]
    pub fn medium(&self) -> &M {
        &self.medium
    }

    /// The torn ends that were cut off when the store was opened.
    #[must_use]
    pub fn repairs(&self) -> &[Torn] {
        &self.repairs
    }

    /// The hard state saved last.
    #[must_use]
    pub fn hard_state(&self) -> HardState {
        self.wal.hard_state()
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

    /// Saves a batch and returns when it is durable.
    ///
    /// # Errors
    /// The medium failed: the node stops and nothing is tried again.
    pub fn save(&mut self, batch: Batch<'_>) -> Result<(), StoreError> {
        if self.stopped {
            return Err(StoreError::Stopped);
        }
        let saved = self.wal.save(batch);
        self.stopped = saved.is_err();
        saved
    }

    /// How many leaves there are.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.tail.len() as u64
    }

    /// A leaf's octets.
    ///
    /// # Errors
    /// It is not there, damaged, or the medium failed.
    pub fn leaf(&self, index: u64) -> Result<Arc<[u8]>, StoreError> {
        let found = usize::try_from(index).ok().and_then(|index| self.tail.get(index));
        found.cloned().ok_or_else(|| StoreError::Diverged(format!("no leaf {index}")))
    }

    /// Appends a leaf to the tail.
    pub fn push_leaf(&mut self, octets: Vec<u8>) {
        self.tail.push(octets.into());
    }
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
        Store::open(medium.clone(), &Hash::of(b"g"))
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
        assert!(matches!(Store::open(medium.clone(), &Hash::of(b"other")), Err(StoreError::Corrupt { offset: 0, .. })));
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
