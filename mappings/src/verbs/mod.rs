//! What an integrator does with mappings: the verbs of `waybill map`, as functions from documents to documents. Nothing here prints.

pub mod codes;
pub mod diff;
pub mod evolve;
pub mod explain;
pub mod layout;
pub(crate) mod markup;
#[expect(dead_code, reason = "what makes documents comes with the next verbs")]
pub(crate) mod page;
pub(crate) mod parts;
pub mod report;
pub mod samples;
pub(crate) mod wires;

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
