//! What a sector's folder needs to begin with, out of a legacy system's contract.

use crate::contract::{Contract, Style};
use crate::cursor::Cursor;
use crate::documents::absolute;
use crate::finding::Finding;
use crate::read::Resolve;
use crate::{WSDL, XS};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use xsd::tree::{Attribute, Element, Node, QName};
use xsd::write::document;

/// A contract in files, each schema apart, so that mappings can name them.
#[derive(Clone, Debug)]
pub struct Import {
    /// The files, (path below the folder, octets).
    pub files: Vec<(String, Vec<u8>)>,
    /// What stands in the Body of each operation's messages, and the file that declares it.
    pub messages: Vec<Exchange>,
}

/// The messages of an operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exchange {
    /// The operation.
    pub operation: String,
    /// The child of the request's Body, and the file that declares it; `None` where no file does.
    pub request: (QName, Option<String>),
    /// The same of the reply.
    pub reply: Option<(QName, Option<String>)>,
    /// Whether its messages use SOAP encoding, which a mapping cannot follow from element to element.
    pub encoded: bool,
}

/// Takes a contract apart: the WSDL documents as they are, the schemas inside them as files of their own, a schema of the wrappers of
/// rpc operations. `file` is the name of the contract without folders.
///
/// The contract is `None` where `octets` are no WSDL document; the findings are those of [`Contract::judge`].
#[must_use]
pub fn import(file: &str, octets: &[u8], resolve: Resolve<'_>) -> (Option<Import>, Vec<Finding>) {
    let judged = Contract::judge(file, octets, resolve);
    let import = judged.contract.map(|contract| {
        let mut parts = Parts { stem: file.strip_suffix(".wsdl").unwrap_or(file), schemas: Vec::new(), by_namespace: BTreeMap::new() };
        parts.inline(&contract);
        parts.outside(&contract);
        let mut files = vec![(file.to_owned(), octets.to_vec())];
        for location in contract.imported.iter().map(|(location, _)| location) {
            files.extend(resolve(location).map(|octets| (local(location), octets)));
        }
        files.extend(parts.files(&contract, resolve));
        let messages = parts.messages(&contract);
        Import { files, messages }
    });
    (import, judged.findings)
}

/// A schema of the contract, and the file that it becomes.
struct Schema {
    file: String,
    namespace: String,
    /// With the declarations around it; `None` for a document that stays as it is.
    inline: Option<Element>,
    elements: BTreeSet<String>,
}

struct Parts<'n> {
    stem: &'n str,
    schemas: Vec<Schema>,
    /// The first file of each namespace.
    by_namespace: BTreeMap<String, String>,
}

impl Parts<'_> {
    fn inline(&mut self, contract: &Contract) {
        let documents = std::iter::once((&contract.file, &contract.definitions));
        let documents = documents.chain(contract.imported.iter().map(|(location, document)| (location, document)));
        for (file, document) in documents {
            for types in Cursor::root(file, document).all(WSDL, "types") {
                for schema in types.all(XS, "schema").filter(|schema| declares(schema.element)) {
                    self.keep(numbered(self.stem, self.schemas.len()), schema.element, Some(alone(&schema)));
                }
            }
        }
    }

    fn outside(&mut self, contract: &Contract) {
        for (location, schema) in contract.schemas() {
            self.keep(local(location), schema, None);
        }
    }

    fn keep(&mut self, file: String, schema: &Element, inline: Option<Element>) {
        let namespace = schema.attribute("", "targetNamespace").unwrap_or_default().to_owned();
        let elements = schema.all(XS, "element").filter_map(|element| element.attribute("", "name")).map(str::to_owned).collect();
        self.by_namespace.entry(namespace.clone()).or_insert_with(|| file.clone());
        self.schemas.push(Schema { file, namespace, inline, elements });
    }

    fn files(&mut self, contract: &Contract, resolve: Resolve<'_>) -> Vec<(String, Vec<u8>)> {
        let mut files = Vec::new();
        for schema in &self.schemas {
            if let Some(inline) = &schema.inline {
                files.push((schema.file.clone(), document(&self.with_locations(schema, inline))));
            }
        }
        for (location, schema) in contract.schemas() {
            let moved = local(location) != location;
            let octets = if moved { Some(document(&self.relocated(schema))) } else { resolve(location) };
            files.extend(octets.map(|octets| (local(location), octets)));
        }
        let declared =
            self.schemas.iter().flat_map(|schema| schema.elements.iter().map(|name| QName::new(schema.namespace.as_str(), name.as_str())));
        let declared: BTreeSet<QName> = declared.collect();
        let wrappers = contract.wrappers(&|namespace| self.by_namespace.get(namespace).cloned(), &declared);
        for (at, (_, schema)) in wrappers.iter().enumerate() {
            let file = numbered(&[self.stem, "-messages"].concat(), at);
            files.push((file.clone(), document(schema)));
            self.keep(file, schema, None);
        }
        files
    }

    /// An inline schema whose imports say where their schemas are now. The first of a namespace includes the others of it.
    fn with_locations(&self, schema: &Schema, inline: &Element) -> Element {
        let mut written = self.relocated(inline);
        if self.by_namespace.get(&schema.namespace) == Some(&schema.file) {
            let others = self.schemas.iter().filter(|other| other.inline.is_some() && other.namespace == schema.namespace);
            for other in others.filter(|other| other.file != schema.file) {
                let include = Element::new("xs", QName::new(XS, "include")).declare("xs", XS).with("schemaLocation", other.file.as_str());
                written.children_mut().insert(0, Node::Element(include));
            }
        }
        written
    }

    fn relocated(&self, schema: &Element) -> Element {
        let mut written = schema.clone();
        for node in written.children_mut() {
            let Node::Element(part) = node else { continue };
            let imports = part.name().is(XS, "import");
            if !imports && !part.name().is(XS, "include") && !part.name().is(XS, "redefine") {
                continue;
            }
            let location = part.attribute("", "schemaLocation").map(local);
            let known = location.clone().filter(|file| self.schemas.iter().any(|schema| schema.file == *file));
            let namespace = part.attribute("", "namespace").unwrap_or_default();
            let wanted = known.or_else(|| imports.then(|| self.by_namespace.get(namespace).cloned()).flatten()).or(location);
            if let Some(file) = wanted {
                part.set_attribute(Attribute { name: QName::new("", "schemaLocation"), prefix: "".into(), value: file });
            }
        }
        written
    }

    fn messages(&self, contract: &Contract) -> Vec<Exchange> {
        let mut found: Vec<Exchange> = Vec::new();
        for operation in contract.operations() {
            let placed = |name: &QName| (name.clone(), self.declaring(name));
            let exchange = Exchange {
                operation: operation.name.clone(),
                request: placed(&operation.input),
                reply: operation.output.as_ref().map(placed),
                encoded: operation.encoded && operation.style == Style::Rpc,
            };
            if !found.contains(&exchange) {
                found.push(exchange);
            }
        }
        found
    }

    /// The file to begin with for a global element: the first of its namespace, which includes the others, or the one that has it.
    fn declaring(&self, name: &QName) -> Option<String> {
        let mut own = self.schemas.iter().filter(|schema| schema.namespace == name.namespace());
        own.find(|schema| schema.elements.contains(name.local())).map(|schema| schema.file.clone())
    }
}

/// The file name of one of several schemas: the first has no number.
fn numbered(stem: &str, before: usize) -> String {
    if before == 0 { [stem, ".xsd"].concat() } else { format!("{stem}-{}.xsd", before + 1) }
}

fn declares(schema: &Element) -> bool {
    schema.elements().any(|child| !["import", "annotation"].contains(&child.name().local()))
}

/// A schema inside a contract with the declarations around it.
fn alone(schema: &Cursor<'_>) -> Element {
    let mut alone = schema.element.clone();
    let mut seen: BTreeSet<Arc<str>> = alone.namespaces().iter().map(|(prefix, _)| Arc::clone(prefix)).collect();
    for (prefix, namespace) in schema.scope().iter().rev() {
        if seen.insert(Arc::clone(prefix)) {
            alone.push_namespace(Arc::clone(prefix), Arc::clone(namespace));
        }
    }
    alone
}

/// Where a document stands in the folder: at its own relative path, or under its last name where it came from elsewhere.
fn local(location: &str) -> String {
    if absolute(location) || location.split('/').any(|step| step == "..") {
        return location.rsplit('/').next().unwrap_or(location).to_owned();
    }
    location.strip_prefix("./").unwrap_or(location).to_owned()
}
