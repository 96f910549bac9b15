//! Mappings: how a sector's own documents become unified records, checked against both schemas before the first one does.
//!
//! The language is `xsd/mapping.xsd`; the sectors' mappings stand beside this engine, in `mappings/<sector>/`. An adapter needs
//! [`Sector::load`], [`Resource::ask`] and [`Resource::answer`]; an integrator's tools need [`Mapping::check`].

mod bind;
mod compile;
mod convert;
mod coverage;
mod date;
mod decimal;
mod diagnostic;
mod digest;
mod document;
mod engine;
mod files;
mod function;
mod graph;
mod identifier;
mod judge;
mod kept;
mod lifting;
mod live;
mod lock;
mod mapping;
mod out;
mod path;
mod plan;
mod run;
mod sector;
mod source;
mod store;
mod stream;
mod target;
mod turn;
mod value;
pub mod verbs;
mod witness;
mod xslt;

pub use coverage::{Coverage, Leaf, State};
pub use diagnostic::{Diagnostic, Location, Severity};
pub use lifting::mapping_of;
pub use live::{Change, Live};
pub use mapping::{Checked, Mapping, Outcome, Unified};
pub use run::Reject;
pub use sector::{Answer, Resource, Sector, Unmappable};
pub use stream::{Counts, Item, Made, Mapper, REJECTS_MAX};
pub use witness::{Traced, Witness};
