//! The store as Raft reads it.

use crate::body::{Member, Suffrage};
use crate::medium::Medium;
use crate::segment::StoreError;
use crate::store::Store;
use raft::eraftpb::{ConfState, Entry as RaftEntry, Snapshot};
use raft::{GetEntriesContext, RaftState, StorageError};
use std::cell::RefCell;
use std::collections::BTreeMap;

/// The store as Raft reads it.
pub(super) struct Disk<M> {
    pub(super) store: Store<M>,
    members: ConfState,
    applied: u64,
    /// A read that failed: Raft would end the process over it, the node reports it at the end of the step.
    pub(super) failure: RefCell<Option<StoreError>>,
}

impl<M: Medium> Disk<M> {
    pub(super) fn new(store: Store<M>, members: &BTreeMap<u64, Member>, applied: u64) -> Self {
        let of = |suffrage| members.values().filter(move |member| member.suffrage == suffrage).map(|member| member.node).collect();
        let members = ConfState { voters: of(Suffrage::Voter), learners: of(Suffrage::Learner), ..ConfState::default() };
        Self { store, members, applied, failure: RefCell::new(None) }
    }
}

impl<M: Medium> raft::Storage for Disk<M> {
    fn initial_state(&self) -> raft::Result<RaftState> {
        let saved = self.store.hard_state();
        let mut state = raft::eraftpb::HardState { term: saved.term, vote: saved.vote, ..raft::eraftpb::HardState::default() };
        state.commit = saved.commit.max(self.applied);
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
                    entries.push(RaftEntry { index, term: entry.term, data: entry.data.into(), ..RaftEntry::default() });
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
        if index == 0 {
            return Ok(0);
        }
        self.store.term(index).ok_or(raft::Error::Store(StorageError::Unavailable))
    }

    fn first_index(&self) -> raft::Result<u64> {
        Ok(1)
    }

    fn last_index(&self) -> raft::Result<u64> {
        Ok(self.store.last())
    }

    fn snapshot(&self, _request_index: u64, _to: u64) -> raft::Result<Snapshot> {
        Err(raft::Error::Store(StorageError::SnapshotTemporarilyUnavailable))
    }
}
