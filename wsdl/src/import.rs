//! What a sector's folder needs to begin with, out of a legacy system's contract.

use crate::contract::{Contract, Style};
use crate::cursor::Cursor;
use crate::documents::absolute;
use crate::finding::Finding;
use crate::read::Resolve;
use crate::serve::in_scope;
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
    /// With the declarations around it.
    root: Element,
    kind: Kind,
    elements: BTreeSet<String>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Stood inside the contract.
    Inline,
    /// A document of its own.
    Document,
    /// Made for the messages of rpc operations.
    Wrappers,
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
                    self.keep(numbered(self.stem, self.schemas.len()), alone(&schema), Kind::Inline);
                }
            }
        }
    }

    fn outside(&mut self, contract: &Contract) {
        for (location, schema) in contract.schemas() {
            self.keep(local(location), schema.clone(), Kind::Document);
        }
    }

    fn keep(&mut self, file: String, root: Element, kind: Kind) {
        let namespace = root.attribute("", "targetNamespace").unwrap_or_default().to_owned();
        let elements = root.all(XS, "element").filter_map(|element| element.attribute("", "name")).map(str::to_owned).collect();
        self.by_namespace.entry(namespace.clone()).or_insert_with(|| file.clone());
        self.schemas.push(Schema { file, namespace, root, kind, elements });
    }

    fn files(&mut self, contract: &Contract, resolve: Resolve<'_>) -> Vec<(String, Vec<u8>)> {
        let mut files = Vec::new();
        for schema in self.schemas.iter().filter(|schema| schema.kind == Kind::Inline) {
            files.push((schema.file.clone(), document(&self.with_locations(schema))));
        }
        for (location, schema) in contract.schemas() {
            let moved = local(location) != location;
            let octets = if moved { Some(document(&self.relocated(schema))) } else { resolve(location) };
            files.extend(octets.map(|octets| (local(location), octets)));
        }
        let wrappers = contract.wrappers(&|namespace| self.by_namespace.get(namespace).cloned());
        for (at, (namespace, schema)) in wrappers.into_iter().enumerate() {
            let file = numbered(&[self.stem, "-messages"].concat(), at);
            let schema = self.beside_others(&namespace, schema);
            files.push((file.clone(), document(&schema)));
            self.keep(file, schema, Kind::Wrappers);
        }
        files
    }

    /// A schema of wrappers of which an element of the contract has the name of one: in the Body stands the wrapper, so that schema is
    /// taken over without the element instead of being included.
    fn beside_others(&self, namespace: &str, mut wrappers: Element) -> Element {
        let names: BTreeSet<String> =
            wrappers.all(XS, "element").filter_map(|element| element.attribute("", "name")).map(str::to_owned).collect();
        let own: Vec<&Schema> = self.schemas.iter().filter(|schema| schema.namespace == namespace).collect();
        if own.iter().all(|schema| schema.elements.is_disjoint(&names)) {
            return wrappers;
        }
        let made = std::mem::take(wrappers.children_mut());
        let mut children: Vec<Node> = Vec::new();
        for schema in &own {
            for attribute in schema.root.attributes() {
                wrappers.set_attribute(attribute.clone());
            }
            let relocated = self.relocated(&schema.root);
            let own_include = |child: &Element| {
                child.name().is(XS, "include") && own.iter().any(|other| child.attribute("", "schemaLocation") == Some(&other.file))
            };
            let taken =
                |child: &Element| child.name().is(XS, "element") && child.attribute("", "name").is_some_and(|name| names.contains(name));
            let kept = relocated.elements().filter(|child| !taken(child) && !own_include(child));
            children.extend(kept.map(|child| Node::Element(in_scope(child, &schema.root))));
        }
        children.extend(made.into_iter().filter(|node| !matches!(node, Node::Element(child) if child.name().is(XS, "include"))));
        let brings =
            |node: &Node| matches!(node, Node::Element(child) if ["import", "include", "redefine"].contains(&child.name().local()));
        children.sort_by_key(|node| !brings(node));
        *wrappers.children_mut() = children;
        wrappers
    }

    /// An inline schema whose imports say where their schemas are now. The first of a namespace includes the others of it.
    fn with_locations(&self, schema: &Schema) -> Element {
        let mut written = self.relocated(&schema.root);
        if self.by_namespace.get(&schema.namespace) == Some(&schema.file) {
            let others = self.schemas.iter().filter(|other| other.kind == Kind::Inline && other.namespace == schema.namespace);
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
            let rpc = operation.style == Style::Rpc;
            let placed = |name: &QName| (name.clone(), self.declaring(name, rpc));
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

    /// The file that declares what stands in the Body.
    fn declaring(&self, name: &QName, rpc: bool) -> Option<String> {
        let right = |schema: &&Schema| schema.namespace == name.namespace() && (schema.kind == Kind::Wrappers) == rpc;
        let mut own = self.schemas.iter().filter(right);
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
