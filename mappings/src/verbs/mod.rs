//! What an integrator does with mappings: the verbs of `waybill map`, as functions from documents to documents. Nothing here prints.

pub mod annotate;
pub mod codes;
pub(crate) mod cursor;
pub mod diff;
pub mod document;
pub mod evolve;
pub mod explain;
pub mod export;
pub mod infer;
pub mod invert;
pub mod layout;
pub(crate) mod leaves;
pub mod lsp;
pub(crate) mod markup;
pub(crate) mod names;
pub(crate) mod page;
pub(crate) mod parts;
pub mod report;
pub mod samples;
pub mod scaffold;
pub(crate) mod suggest;
pub(crate) mod wires;
pub(crate) mod xpath;
pub(crate) mod xslt_function;
mod xslt_value;

use xsd::tree::{Element, Node};

/// The document without white space that only sets it out, so that people may lay expectations out as they like.
pub(crate) fn set_in(element: &mut Element) {
    if element.elements().next().is_some() {
        element.children_mut().retain(|node| !matches!(node, Node::Text(text) if text.trim().is_empty()));
    }
    for node in element.children_mut() {
        if let Node::Element(child) = node {
            set_in(child);
        }
    }
}
