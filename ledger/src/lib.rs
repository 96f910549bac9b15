//! The ledger: records, a deterministic state machine, a Merkle log with checkpoints, and the Raft node that replicates them.

pub mod body;
pub mod checkpoint;
pub mod keys;
pub mod proof;
pub mod record;
pub mod state;
pub mod tree;
