//! Nothing ships from here: peers, attacks, faults, the shape of the house. See `tests/` and `peers/`.

pub mod city;
pub mod faults;
pub mod liar;
pub mod xsts;
