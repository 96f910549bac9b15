//! The store as Raft reads it.

use crate::medium::{Medium, StoreError};
use crate::store::{LogEntry, Store};
use raft::eraftpb::{ConfState, Entry as RaftEntry, EntryType, Snapshot};
use raft::{GetEntriesContext, RaftState, StorageError};
use std::cell::RefCell;

/// Begins the data of a log entry that changes the members. A record begins with a time, whose first octet is 0 for the next
/// two million years.
const MEMBERS: u8 = 0xc2;

/// The store as Raft reads it.
pub(super) struct Disk<M: Medium> {
    pub(super) store: Store<M>,
    /// Raft's members by what is applied.
    pub(super) members: ConfState,
    /// A read that failed: Raft would end the process over it, the node reports it at the end of the step.
    pub(super) failure: RefCell<Option<StoreError>>,
}

impl<M: Medium> Disk<M> {
    pub(super) fn new(store: Store<M>, members: ConfState) -> Self {
        Self { store, members, failure: RefCell::new(None) }
    }
}

/// An entry as the store keeps it.
pub(super) fn log_entry(mut entry: RaftEntry) -> LogEntry {
    let data = entry.take_data().to_vec();
    let changes = entry.get_entry_type() == EntryType::EntryConfChangeV2;
    LogEntry { index: entry.index, term: entry.term, data: if changes { [[MEMBERS].as_slice(), &data].concat() } else { data } }
}

fn raft_entry(entry: LogEntry) -> RaftEntry {
    let LogEntry { index, term, data } = entry;
    let mut read = RaftEntry { index, term, ..RaftEntry::default() };
    if let Some(change) = data.strip_prefix(&[MEMBERS]) {
        read.set_entry_type(EntryType::EntryConfChangeV2);
        read.data = change.to_vec().into();
    } else {
        read.data = data.into();
    }
    read
}

impl<M: Medium> raft::Storage for Disk<M> {
    fn initial_state(&self) -> raft::Result<RaftState> {
        let saved = self.store.hard_state();
        let mut state = raft::eraftpb::HardState { term: saved.term, vote: saved.vote, ..raft::eraftpb::HardState::default() };
        state.commit = saved.commit;
        Ok(RaftState::new(state, self.members.clone()))
    }

    fn entries(&self, low: u64, high: u64, max_size: impl Into<Option<u64>>, _context: GetEntriesContext) -> raft::Result<Vec<RaftEntry>> {
        let limit = max_size.into().unwrap_or(u64::MAX);
        let (mut entries, mut size) = (Vec::new(), 0_u64);
        for index in low..high {
            match self.store.entry(index) {
                Ok(entry) => {
                    size = size.saturating_add(entry.data.len() as u64 + 16);
                    if size > limit && !entries.is_empty() {
                        break;
                    }
                    entries.push(raft_entry(entry));
                }
                Err(error) => {
                    *self.failure.borrow_mut() = Some(error);
                    break;
                }
            }
        }
        Ok(entries)
    }

    fn term(&self, index: u64) -> raft::Result<u64> {
        self.store.term(index).ok_or(raft::Error::Store(StorageError::Unavailable))
    }

    fn first_index(&self) -> raft::Result<u64> {
        Ok(self.store.first())
    }

    fn last_index(&self) -> raft::Result<u64> {
        Ok(self.store.last())
    }

    fn snapshot(&self, _request_index: u64, _to: u64) -> raft::Result<Snapshot> {
        Err(raft::Error::Store(StorageError::SnapshotTemporarilyUnavailable))
    }
}
