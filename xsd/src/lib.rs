//! XML Schema: the one XML reader and the one writer of the house, the schema graph, and the validator every record passes.

pub mod read;
pub mod time;
pub mod tree;
pub mod write;
