//! Faults of real processes: the nodes as they ship, on disks, networks and clocks that fail.

pub mod disk;
pub mod history;
mod members;
pub mod mount;
pub mod rows;
pub mod table;
pub mod town;
pub mod traffic;
pub mod trial;
