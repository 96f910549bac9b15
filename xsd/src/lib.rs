//! XML Schema: the one XML reader and the one writer of the house, the schema graph, and the validator every record passes.

mod automaton;
mod blocks;
mod calendar;
mod chars;
pub mod decode;
pub mod event;
pub mod files;
mod frame;
mod identity;
mod ids;
mod implied;
mod keys;
pub mod load;
mod names;
mod pattern;
mod plan;
pub mod read;
mod report;
pub mod scan;
pub mod schema;
pub mod scope;
pub mod simple;
mod site;
mod source;
mod tag;
pub mod time;
mod token;
pub mod tree;
pub mod unified;
pub mod validate;
mod value;
mod verdict;
mod view;
pub mod write;

pub use pattern::Pattern;
pub use value::Primitive;
