//! Mappings: how a sector's own documents become unified records, checked against both schemas before the first one does.

mod date;
mod diagnostic;
mod document;
mod function;
mod identifier;
mod path;

pub use diagnostic::{Diagnostic, Location, Severity};
