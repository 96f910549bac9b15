//! How a contract is served: as one document with everything in it, or in parts that import each other.

use crate::contract::Contract;
use crate::{SOAP11, SOAP12, WSDL, XS};
use std::sync::Arc;
use xsd::tree::{Attribute, Element, Node, QName};
use xsd::write::document;

impl Contract {
    /// One document: every schema inline, imports between them without a location, and `address` in every port. What
    /// `?wsdl` answers; toolkits that do not follow imports read it too.
    #[must_use]
    pub fn flat(&self, address: &str) -> Vec<u8> {
        let mut types = Element::new(self.definitions.prefix(), QName::new(WSDL, "types"));
        for location in &self.order {
            if let Some(schema) = self.schemas.get(location).filter(|_| !self.is_included(location)) {
                types.push(self.inlined(schema));
            }
        }
        for inline in self.inline_schemas().filter(|schema| schema.attribute("", "targetNamespace").is_some()) {
            types.push(self.inlined(inline));
        }
        document(&self.with(&[types], address))
    }

    /// The contract whose imports point at `?xsd=NAME` of the same address. What `?wsdl&split` answers.
    #[must_use]
    pub fn split(&self, address: &str) -> Vec<u8> {
        let types: Vec<Element> = self.definitions.all(WSDL, "types").map(pointed).collect();
        document(&self.with(&types, address))
    }

    /// The schema document of this name with its own imports pointing at `?xsd=NAME`; `None` where there is none.
    #[must_use]
    pub fn part(&self, name: &str) -> Option<Vec<u8>> {
        self.schemas.get(name).map(|schema| document(&pointed(schema)))
    }

    fn inline_schemas(&self) -> impl Iterator<Item = &Element> {
        self.definitions.all(WSDL, "types").flat_map(|types| types.all(XS, "schema"))
    }

    /// Whether a schema includes the document at `location`.
    fn is_included(&self, location: &str) -> bool {
        let includes = |schema: &Element| schema.all(XS, "include").any(|part| part.attribute("", "schemaLocation") == Some(location));
        self.schemas.values().any(includes) || self.inline_schemas().any(includes)
    }

    /// The schema with included ones in place and imports without location.
    fn inlined(&self, schema: &Element) -> Element {
        let mut inlined = hollow(schema);
        for node in schema.children() {
            match node {
                Node::Element(child) if child.name().is(XS, "include") => {
                    let included = child.attribute("", "schemaLocation").and_then(|location| self.schemas.get(location));
                    for (included, child) in included.iter().flat_map(|schema| schema.elements().map(move |child| (schema, child))) {
                        inlined.push(in_scope(child, included));
                    }
                }
                Node::Element(child) if child.name().is(XS, "import") => {
                    let namespace = child.attribute("", "namespace").unwrap_or_default();
                    inlined.push(child.sibling("import").with("namespace", namespace));
                }
                node => inlined.push_node(node.clone()),
            }
        }
        inlined
    }

    /// The definitions with these types and this address.
    fn with(&self, types: &[Element], address: &str) -> Element {
        let mut served = hollow(&self.definitions);
        let mut pending = types;
        for node in self.definitions.children() {
            match node {
                Node::Element(child) if child.name().is(WSDL, "types") => {
                    std::mem::take(&mut pending).iter().for_each(|types| served.push(types.clone()));
                }
                Node::Element(child) if child.name().is(WSDL, "service") => served.push(addressed(child, address)),
                node => served.push_node(node.clone()),
            }
        }
        served
    }
}

/// The element without its content.
fn hollow(element: &Element) -> Element {
    let mut hollow = Element::new(element.prefix(), element.name().clone());
    for (prefix, namespace) in element.namespaces() {
        hollow.push_namespace(Arc::clone(prefix), Arc::clone(namespace));
    }
    element.attributes().iter().for_each(|attribute| hollow.set_attribute(attribute.clone()));
    hollow
}

/// A child of `from` that carries the declarations of `from` itself.
pub(crate) fn in_scope(child: &Element, from: &Element) -> Element {
    let mut moved = child.clone();
    for (prefix, namespace) in from.namespaces() {
        if child.namespaces().iter().all(|(own, _)| own != prefix) {
            moved.push_namespace(Arc::clone(prefix), Arc::clone(namespace));
        }
    }
    moved
}

/// The element with every schemaLocation of an import or include pointing at the served part.
fn pointed(element: &Element) -> Element {
    let mut pointed = hollow(element);
    let is_part = element.name().is(XS, "import") || element.name().is(XS, "include");
    if let Some(location) = element.attribute("", "schemaLocation").filter(|_| is_part) {
        set(&mut pointed, "schemaLocation", &["?xsd=", location].concat());
    }
    each_child(element, &mut pointed, self::pointed);
    pointed
}

/// The element with every soap:address in it set.
fn addressed(element: &Element, address: &str) -> Element {
    let mut addressed = hollow(element);
    if element.name().is(SOAP11, "address") || element.name().is(SOAP12, "address") {
        set(&mut addressed, "location", address);
    }
    each_child(element, &mut addressed, |child| self::addressed(child, address));
    addressed
}

fn each_child(from: &Element, to: &mut Element, change: impl Fn(&Element) -> Element) {
    for node in from.children() {
        match node {
            Node::Element(child) => to.push(change(child)),
            node => to.push_node(node.clone()),
        }
    }
}

fn set(element: &mut Element, local: &str, value: &str) {
    element.set_attribute(Attribute { name: QName::new("", local), prefix: "".into(), value: value.to_owned() });
}
