//! The ledger: records, a deterministic state machine, a Merkle log with checkpoints, and the Raft node that replicates them.

pub mod audit;
pub mod body;
pub mod checkpoint;
pub mod frame;
mod frames;
pub mod index;
pub mod keys;
pub mod medium;
pub mod node;
pub mod proof;
pub mod record;
pub mod state;
pub mod store;
pub mod streams;
pub mod tile;
pub mod tree;
mod wal;
pub mod witness;

/// Where [`medium::StoreError`] used to be.
pub mod segment {
    pub use crate::medium::StoreError;
}
