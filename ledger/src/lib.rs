//! The ledger: records, a deterministic state machine, a Merkle log with checkpoints, and the Raft node that replicates them.

pub mod archive;
pub mod at_rest;
pub mod audit;
pub mod body;
pub mod checkpoint;
mod clients;
pub mod diff;
pub mod examine;
pub mod follow;
pub mod frame;
mod frames;
pub mod index;
pub mod inspect;
pub mod install;
pub mod keys;
pub mod medium;
#[cfg(feature = "mutants")]
pub mod mutant;
#[cfg(not(feature = "mutants"))]
mod mutant;
pub mod node;
pub mod proof;
pub mod record;
mod remembered;
mod scrub;
pub mod seal;
pub mod segment;
pub mod sim;
pub mod snapshot;
pub mod state;
pub mod store;
pub mod streams;
mod tail;
pub mod tile;
pub mod tree;
mod wal;
pub mod witness;
