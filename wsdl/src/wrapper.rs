//! The schemas of rpc messages: what a contract says only by parts, as elements that a document can be held against.

use crate::XS;
use crate::contract::{Contract, Operation, Part, Style};
use std::collections::{BTreeMap, BTreeSet};
use xsd::tree::{Element, QName};

/// A wrapper that the style rpc gives a message (R2729, R2735): an element, and in it one in no namespace for each part.
struct Wrapper<'c> {
    name: &'c QName,
    parts: &'c [Part],
}

impl Contract {
    /// A schema for each namespace of rpc wrappers, (namespace, schema). `location` says which document declares a namespace, where
    /// there is one: it is included or imported.
    pub(crate) fn wrappers(&self, location: &dyn Fn(&str) -> Option<String>) -> Vec<(String, Element)> {
        let mut found: BTreeMap<&str, Vec<Wrapper<'_>>> = BTreeMap::new();
        let rpc = self.operations().filter(|operation| operation.style == Style::Rpc);
        for wrapper in rpc.flat_map(of_operation) {
            let same = found.entry(wrapper.name.namespace()).or_default();
            if same.iter().all(|other| other.name != wrapper.name) {
                same.push(wrapper);
            }
        }
        found.into_iter().map(|(namespace, wrappers)| (namespace.to_owned(), schema(namespace, &wrappers, location))).collect()
    }
}

fn of_operation(operation: &Operation) -> impl Iterator<Item = Wrapper<'_>> {
    let request = Wrapper { name: &operation.input, parts: &operation.input_parts };
    let reply = operation.output.as_ref().map(|name| Wrapper { name, parts: &operation.output_parts });
    std::iter::once(request).chain(reply)
}

fn schema(namespace: &str, wrappers: &[Wrapper<'_>], location: &dyn Fn(&str) -> Option<String>) -> Element {
    let used: BTreeSet<&str> = wrappers.iter().flat_map(|wrapper| wrapper.parts).map(|part| part.type_name.namespace()).collect();
    let foreign: Vec<&str> = used.into_iter().filter(|used| *used != XS && *used != namespace).collect();
    let mut schema = Element::new("xs", QName::new(XS, "schema")).declare("xs", XS);
    if !namespace.is_empty() {
        schema = schema.declare("tns", namespace).with("targetNamespace", namespace);
    }
    for (at, other) in foreign.iter().enumerate().filter(|(_, other)| !other.is_empty()) {
        schema = schema.declare(format!("n{at}"), *other);
    }
    if let Some(file) = location(namespace) {
        schema = schema.child(xs("include").with("schemaLocation", file));
    }
    for other in &foreign {
        let import = if other.is_empty() { xs("import") } else { xs("import").with("namespace", *other) };
        schema = schema.child(match location(other) {
            Some(file) => import.with("schemaLocation", file),
            None => import,
        });
    }
    for wrapper in wrappers {
        let mut sequence = xs("sequence");
        for part in wrapper.parts {
            let name = &part.type_name;
            let prefix = match foreign.iter().position(|other| *other == name.namespace()) {
                _ if name.namespace() == XS => "xs:".to_owned(),
                _ if name.namespace().is_empty() => String::new(),
                Some(at) => format!("n{at}:"),
                None => "tns:".to_owned(),
            };
            let type_name = [prefix.as_str(), name.local()].concat();
            sequence = sequence.child(xs("element").with("name", part.name.as_str()).with("type", type_name).with("form", "unqualified"));
        }
        let element = xs("element").with("name", wrapper.name.local());
        schema = schema.child(element.child(xs("complexType").child(sequence)));
    }
    schema
}

fn xs(local: &str) -> Element {
    Element::new("xs", QName::new(XS, local))
}
