//! A quorum of the voters is lost for ever: the ledger goes on from the copy of one of them, which then leads alone.

use super::{Config, Node};
use crate::medium::{Medium, StoreError};
use crate::store::{Batch, HardState, Store};
use crate::tree::Hash;
use crate::wal::Alone;
use raft::eraftpb::ConfState;

/// The copy from which a ledger goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copy {
    /// The number of its node.
    pub node: u64,
    /// Its leaves, with those of which it does not know that they were committed.
    pub leaves: u64,
    /// The root over them.
    pub root: Hash,
    /// The leaves that its last published checkpoint covers.
    pub covered: u64,
    /// Nodes up to this number, but `node`, take no part any more: their members get new ones.
    pub lost: u64,
}

impl<M: Medium> Node<M> {
    /// Makes the node of a directory the only member of Raft up to the last entry of its log, durably: a quorum of the voters is lost
    /// for ever, and the ledger goes on from this copy. What the copy lacks is gone, although it may have been answered for. The node
    /// then leads alone and hears none of the others under their old numbers; the members replace them and count the epoch up, which
    /// is on record. If the others are not lost, there are two histories from here on, and two checkpoints of one size prove it.
    ///
    /// # Errors
    /// The node does not vote, or votes alone already; the directory cannot be opened, or the medium failed.
    pub fn stand_alone(config: Config, store: &mut Store<M>) -> Result<Copy, StoreError> {
        let refused = |what: &str| Err(StoreError::Diverged(what.to_owned()));
        if !store.life().is_none_or(|(_, born)| born) || store.is_blank() {
            return refused("this directory is of a node that has never voted: recover from a voter's");
        }
        // Alone it commits all that it has: so it looks ahead, in memory, to what that leads to.
        let mut ahead = store.overlaid()?;
        ahead.save(Batch { hard_state: Some(HardState { commit: ahead.last(), ..ahead.hard_state() }), ..Batch::default() })?;
        let node = Node::open(config, ahead)?;
        let status = node.status();
        if !status.voters.contains(&status.node) {
            let what = "this node does not vote: nobody waited for its disk when a record was answered, so it may lack more than any voter's \
                        copy. Recover from a voter's; if none is left, every node restores one backup (waybill ledger restore)";
            return refused(what);
        }
        if status.voters == [status.node] {
            return refused("this node votes alone already: start it, nothing else is needed");
        }
        let copy =
            Copy { node: status.node, leaves: status.size, root: status.root, covered: status.covered, lost: node.state().node_max() };
        store.set_alone(Alone { until: store.last(), lost: copy.lost })?;
        Ok(copy)
    }

    /// Whether a node of this number is one of those without which this one went on: what its disk holds may contradict what came
    /// since, so it neither votes nor counts, should it come back.
    pub(super) fn is_lost(&self, node: u64) -> bool {
        node != self.me.node && node <= self.store().alone().lost
    }
}

/// The members of Raft where a node stands alone: in a joint time, which its first change ends. Who replays the log may be in one
/// from before, and must not stay there.
pub(super) fn members(node: u64) -> ConfState {
    ConfState { voters: vec![node], voters_outgoing: vec![node], ..ConfState::default() }
}
