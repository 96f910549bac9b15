//! Mappings: how a sector's own documents become unified records, checked against both schemas before the first one does.

mod compile;
mod coverage;
mod date;
mod diagnostic;
mod document;
mod function;
mod graph;
mod identifier;
mod judge;
mod path;
mod plan;
mod run;
mod source;
mod target;
mod value;

pub use diagnostic::{Diagnostic, Location, Severity};
