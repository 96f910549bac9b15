//! XML Schema: the one XML reader and the one writer of the house, the schema graph, and the validator every record passes.

mod chars;
pub mod decode;
pub mod read;
pub mod scope;
pub mod time;
pub mod tree;
pub mod write;
