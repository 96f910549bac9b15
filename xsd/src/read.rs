//! The one reader: octets to a tree, behind a well-formedness guard and limits.

use crate::tree::{Element, Place};
use std::fmt;

/// What a document may cost before it is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Octets of the whole document.
    pub document_bytes_max: usize,
    /// Depth of nested elements.
    pub depth_max: usize,
    /// Attributes and declarations of one element.
    pub attributes_max: usize,
    /// Child elements of one element.
    pub children_max: usize,
    /// Bytes of one name.
    pub name_bytes_max: usize,
    /// Bytes of one attribute value.
    pub value_bytes_max: usize,
    /// Namespace bindings in scope at once.
    pub bindings_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            document_bytes_max: 10 << 20,
            depth_max: 100,
            attributes_max: 256,
            children_max: 50_000,
            name_bytes_max: 1024,
            value_bytes_max: 64 << 10,
            bindings_max: 128,
        }
    }
}

/// Why octets are not a document this house reads, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Malformed {
    /// Which rule.
    pub rule: Rule,
    /// Where the offending construct starts.
    pub place: Place,
    /// What stands there, in one sentence.
    pub what: String,
}

/// The rules of the reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// XML 1.0 or Namespaces in XML 1.0 well-formedness.
    NotWellFormed,
    /// A document type declaration, whatever is in it.
    Doctype,
    /// One of [`Limits`].
    TooLarge,
    /// The character encoding is unknown, contradicts itself, or the octets are not of it.
    Encoding,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.what)
    }
}

impl std::error::Error for Malformed {}

/// Reads one document. `charset` is what the transport said of the encoding, if it said anything.
///
/// # Errors
/// Not well formed, not allowed, or too large.
pub fn read(octets: &[u8], charset: Option<&str>, limits: &Limits) -> Result<Element, Malformed> {
    let what = format!("not read yet ({} octets, {charset:?})", octets.len().min(limits.document_bytes_max));
    Err(Malformed { rule: Rule::NotWellFormed, place: Place::default(), what })
}
