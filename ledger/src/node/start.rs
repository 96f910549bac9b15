//! Where a node begins: at the founding, or at the newest snapshot of its store.

use super::Seen;
use crate::medium::{Medium, StoreError};
use crate::record::Leaf;
use crate::snapshot::Snapshot;
use crate::state::{Applied, State};
use crate::store::Store;
use crate::tree::{Hash, Tree};
use protobuf::Message as _;
use raft::eraftpb::ConfState;
use std::collections::VecDeque;

/// What the log goes on from.
pub(super) struct Start {
    pub(super) state: State,
    pub(super) tree: Tree,
    /// Raft's members; none for those of the founding.
    pub(super) members: Option<ConfState>,
    /// The last log entry that is applied whole.
    pub(super) applied: u64,
    /// The entry after it, and how many of its records have their leaves.
    pub(super) resume: (u64, usize),
}

impl Start {
    pub(super) fn of<M: Medium>(store: &mut Store<M>, founded: State, founding: Applied) -> Result<Self, StoreError> {
        let mut tree = store.tree();
        let Some(snapshot) = store.snapshot().cloned() else {
            assert_eq!(store.size(), 0, "the leaves of an opened store follow from its log");
            tree.push(founding.hash);
            store.push_leaf(&founding.client, founding.hash, &founding.octets);
            return Ok(Self { state: founded, tree, members: None, applied: 0, resume: (0, 0) });
        };
        let bad = |what: &str| StoreError::Diverged(format!("the snapshot of {} leaves: {what}", snapshot.size));
        let state = match store.leaf(snapshot.size - 1) {
            Ok(last) => proven(&founded, &snapshot, &last)?,
            // Its bundle will be mended. The state says what the leaf was, and the tree whether that is so.
            Err(StoreError::Corrupt { .. }) => remade(&founded, &snapshot, tree.leaf(snapshot.size - 1))?,
            Err(other) => return Err(other),
        };
        if tree.root(snapshot.size) != Some(snapshot.root) {
            return Err(bad("its root is not that of its leaves"));
        }
        let members = ConfState::parse_from_bytes(&snapshot.members).map_err(|_malformed| bad("its members cannot be read"))?;
        let resume = (snapshot.raft_index + 1, usize::try_from(snapshot.skip).unwrap_or(usize::MAX));
        Ok(Self { state, tree, members: Some(members), applied: snapshot.raft_index, resume })
    }
}

/// The state of a snapshot whose last leaf, the state root, is damaged here: if it gives a leaf with that leaf's hash.
fn remade(founded: &State, snapshot: &Snapshot, last: Option<Hash>) -> Result<State, StoreError> {
    let bad = |what: &str| StoreError::Diverged(format!("the snapshot of {} leaves: {what}", snapshot.size));
    let mut state = State::decode(founded, &snapshot.state).ok_or_else(|| bad("its state cannot be read"))?;
    let applied = state.mark(state.time());
    let agree = applied.is_some_and(|applied| Some(applied.hash) == last) && state.size() == snapshot.size;
    agree.then_some(state).ok_or_else(|| bad("its last leaf is damaged, and the state does not give it: put a copy of the segment there"))
}

/// The state of a snapshot, if its last leaf, the state root, speaks for it.
pub(super) fn proven(founded: &State, snapshot: &Snapshot, last: &[u8]) -> Result<State, StoreError> {
    let bad = |what: &str| StoreError::Diverged(format!("the snapshot of {} leaves: {what}", snapshot.size));
    let mut state = State::decode(founded, &snapshot.state).ok_or_else(|| bad("its state cannot be read"))?;
    let leaf = Leaf::read(last).map_err(|error| bad(&error.to_string()))?;
    let applied = state.replay(leaf).map_err(|verdict| bad(&verdict.to_string()))?;
    let agree = *applied.octets == *last && state.size() == snapshot.size;
    agree.then_some(state).ok_or_else(|| bad("its state and its state root do not agree"))
}

/// What became of the latest leaves' client ids, in memory: most questions are about them.
#[derive(Debug, Default)]
pub(super) struct Recent {
    first: u64,
    seen: VecDeque<(String, Seen)>,
}

/// Ids that are kept.
const RECENT_MAX: usize = 16_384;

impl Recent {
    /// The client id of a leaf and what became of it, if it is one of the latest.
    pub(super) fn get(&self, index: u64) -> Option<&(String, Seen)> {
        self.seen.get(usize::try_from(index.checked_sub(self.first)?).ok()?)
    }

    /// The next leaf. After a gap, where a snapshot was installed, it is the first.
    pub(super) fn put(&mut self, id: String, seen: Seen) {
        if seen.index != self.first + self.seen.len() as u64 {
            self.seen.clear();
        } else if self.seen.len() >= RECENT_MAX {
            self.seen.pop_front();
        }
        self.seen.push_back((id, seen));
        self.first = seen.index + 1 - self.seen.len() as u64;
    }
}
