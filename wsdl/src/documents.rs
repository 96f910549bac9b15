//! The documents of a contract: WSDL and schemas, found through a resolver, and the names that they declare.

use crate::cursor::Cursor;
use crate::finding::{Finding, Rule};
use crate::read::Resolve;
use crate::{WSDL, XS};
use std::collections::{BTreeMap, BTreeSet};
use xsd::read::Limits;
use xsd::tree::{Element, Place, QName};

/// The documents one contract may bring.
const DOCUMENTS_MAX: usize = 256;
/// Element types of a schema, whose names are declared.
const TYPES: [&str; 2] = ["simpleType", "complexType"];
const SOAP_ENCODING: &str = "http://schemas.xmlsoap.org/soap/encoding/";

/// The documents, and what schemas declare in them.
#[derive(Debug, Default)]
pub(crate) struct Documents {
    /// (location, document); the first is the one that was asked for.
    pub(crate) wsdl: Vec<(String, Element)>,
    pub(crate) schemas: BTreeMap<String, Element>,
    /// The locations of the schemas, those that others import first.
    pub(crate) order: Vec<String>,
    pub(crate) elements: BTreeSet<QName>,
    pub(crate) types: BTreeSet<QName>,
    /// Namespaces whose schema is not there.
    pub(crate) opaque: BTreeSet<String>,
}

/// Gathers documents.
pub(crate) struct Gather<'r> {
    resolve: Resolve<'r>,
    pub(crate) found: Documents,
    pub(crate) findings: Vec<Finding>,
    /// Namespaces imported without a location, and where.
    unlocated: Vec<(String, String, Place)>,
}

impl<'r> Gather<'r> {
    pub(crate) fn new(resolve: Resolve<'r>) -> Self {
        Self { resolve, found: Documents::default(), findings: Vec::new(), unlocated: Vec::new() }
    }

    fn say(&mut self, rule: Rule, file: &str, place: Place, what: impl Into<String>) {
        self.findings.push(Finding { rule, file: file.to_owned(), place, what: what.into() });
    }

    /// The document `file` and everything it imports. `None` where it is no WSDL document.
    pub(crate) fn root(&mut self, file: &str, octets: &[u8]) -> Option<()> {
        let root = match xsd::read::read(octets, None, &Limits::default()) {
            Ok(root) => root,
            Err(error) => {
                self.say(Rule::W001, file, error.place, error.what);
                return None;
            }
        };
        if !root.name().is(WSDL, "definitions") {
            let what = format!("the root is {}, and that of a contract is wsdl:definitions", root.name());
            self.say(Rule::W002, file, root.place(), what);
            return None;
        }
        self.definitions(file, root);
        for (namespace, file, place) in std::mem::take(&mut self.unlocated) {
            let known = self.found.elements.iter().chain(&self.found.types).any(|name| *name.namespace() == *namespace);
            if !known && namespace != XS && namespace != "http://www.w3.org/XML/1998/namespace" {
                self.say(Rule::W004, &file, place, format!("no schema of {namespace:?} is in the contract: what it declares is opaque"));
                self.found.opaque.insert(namespace);
            }
        }
        Some(())
    }

    fn definitions(&mut self, file: &str, root: Element) {
        let cursor = Cursor::root(file, &root);
        self.order(&cursor);
        if relative(cursor.attribute("targetNamespace").unwrap_or("urn:none")) {
            let what = format!("targetNamespace {:?} is no absolute URI", cursor.attribute("targetNamespace").unwrap_or_default());
            self.say(Rule::R2803, file, root.place(), what);
        }
        // Its place is taken before those it imports, so that the one asked for comes first and cycles end.
        self.found.wsdl.push((file.to_owned(), root.clone()));
        for types in cursor.all(WSDL, "types") {
            for schema in types.children().filter(|child| child.element.name().is(XS, "schema")) {
                self.inline(&schema);
            }
        }
        for import in cursor.all(WSDL, "import") {
            self.wsdl_import(file, &import);
        }
    }

    fn order(&mut self, root: &Cursor<'_>) {
        let mut before = true;
        let mut seen_other = false;
        for child in root.children().filter(|child| child.element.name().namespace() == WSDL) {
            match child.element.name().local() {
                "documentation" => {}
                "import" if !before => self.say(Rule::R2022, root.file, child.place(), "this wsdl:import stands after other elements"),
                "import" => {}
                "types" if seen_other => self.say(Rule::R2023, root.file, child.place(), "wsdl:types stands after other elements"),
                "types" => before = false,
                _ => (before, seen_other) = (false, true),
            }
        }
    }

    fn wsdl_import(&mut self, file: &str, import: &Cursor<'_>) {
        let Some(location) = import.attribute("location").filter(|location| !location.trim().is_empty()) else {
            self.say(Rule::R2007, file, import.place(), "this wsdl:import has no location");
            return;
        };
        let location = self.beside(file, location);
        if self.found.wsdl.iter().any(|(known, _)| *known == location) || self.found.schemas.contains_key(&location) {
            return;
        }
        let namespace = import.attribute("namespace").unwrap_or_default();
        if relative(namespace) {
            self.say(Rule::R2803, file, import.place(), format!("the namespace {namespace:?} of this import is no absolute URI"));
        }
        let Some(document) = self.document(file, import.place(), &location, namespace) else { return };
        if document.name().is(XS, "schema") {
            self.say(Rule::R2001, file, import.place(), format!("{location:?} is a schema: import it by xs:import inside wsdl:types"));
            self.keep_schema(&location, document);
        } else if document.name().is(WSDL, "definitions") {
            let own = document.attribute("", "targetNamespace").unwrap_or_default();
            if own != namespace {
                let what = format!("{location:?} is of namespace {own:?}, and the import says {namespace:?}");
                self.say(Rule::R2005, file, import.place(), what);
            }
            self.definitions(&location, document);
        } else {
            self.say(Rule::W002, file, import.place(), format!("{location:?} is no WSDL document but {}", document.name()));
        }
    }

    fn inline(&mut self, schema: &Cursor<'_>) {
        let only_imports = schema.children().all(|child| ["import", "annotation"].contains(&child.element.name().local()));
        if schema.attribute("targetNamespace").is_none_or(str::is_empty) && !only_imports {
            self.say(Rule::R2105, schema.file, schema.place(), "this schema declares things and has no targetNamespace");
        }
        self.schema(schema);
    }

    /// Notes what a schema declares, and reads the documents that it names.
    fn schema(&mut self, schema: &Cursor<'_>) {
        let namespace = schema.attribute("targetNamespace").unwrap_or_default();
        for child in schema.children().filter(|child| child.element.name().namespace() == XS) {
            match (child.element.name().local(), child.attribute("name")) {
                ("element", Some(name)) => {
                    self.found.elements.insert(QName::new(namespace, name));
                }
                (local, Some(name)) if TYPES.contains(&local) => {
                    self.found.types.insert(QName::new(namespace, name));
                    self.array(&child);
                }
                ("import", _) => self.schema_import(&child),
                ("include" | "redefine", _) => self.schema_include(namespace, &child),
                _ => {}
            }
        }
    }

    fn array(&mut self, complex: &Cursor<'_>) {
        let content = complex.first(XS, "complexContent");
        let derived = content.and_then(|content| content.first(XS, "restriction").or_else(|| content.first(XS, "extension")));
        if derived.and_then(|derived| derived.qname("base")).is_some_and(|base| base.is(SOAP_ENCODING, "Array")) {
            self.say(Rule::R2110, complex.file, complex.place(), format!("{:?} is an array of SOAP encoding", complex.name()));
        }
    }

    fn schema_import(&mut self, import: &Cursor<'_>) {
        let (file, namespace) = (import.file, import.attribute("namespace").unwrap_or_default());
        let Some(location) = import.attribute("schemaLocation") else {
            self.unlocated.push((namespace.to_owned(), file.to_owned(), import.place()));
            return;
        };
        let location = self.beside(file, location);
        if self.found.schemas.contains_key(&location) {
            return;
        }
        let Some(document) = self.document(file, import.place(), &location, namespace) else { return };
        if document.name().is(XS, "schema") {
            self.keep_schema(&location, document);
        } else {
            self.say(Rule::R2004, file, import.place(), format!("{location:?} is no schema but {}", document.name()));
        }
    }

    fn schema_include(&mut self, namespace: &str, include: &Cursor<'_>) {
        let file = include.file;
        let Some(location) = include.attribute("schemaLocation") else { return };
        let location = self.beside(file, location);
        if self.found.schemas.contains_key(&location) {
            return;
        }
        let Some(mut document) = self.document(file, include.place(), &location, namespace) else { return };
        if !document.name().is(XS, "schema") {
            self.say(Rule::R2004, file, include.place(), format!("{location:?} is no schema but {}", document.name()));
            return;
        }
        match document.attribute("", "targetNamespace").unwrap_or_default() {
            own if own == namespace => self.keep_schema(&location, document),
            "" => {
                self.say(Rule::W042, file, include.place(), format!("{location:?} takes the namespace of the schema that includes it"));
                let original = document.clone();
                // Kept before what it names is read, so that a cycle ends.
                self.found.schemas.insert(location.clone(), original);
                document = document.with("targetNamespace", namespace);
                self.schema(&Cursor::root(&location, &document));
                self.found.order.push(location);
            }
            own => {
                let what = format!("{location:?} is included, but its targetNamespace is {own:?} and not {namespace:?}");
                self.say(Rule::R2004, file, include.place(), what);
            }
        }
    }

    fn keep_schema(&mut self, location: &str, document: Element) {
        self.found.schemas.insert(location.to_owned(), document.clone());
        self.schema(&Cursor::root(location, &document));
        self.found.order.push(location.to_owned());
    }

    /// A location as `file` names it, from where the contract stands.
    fn beside(&self, file: &str, location: &str) -> String {
        let is_root = self.found.wsdl.first().is_none_or(|(root, _)| root == file);
        joined(if is_root { "" } else { file }, location.trim())
    }

    fn document(&mut self, file: &str, place: Place, location: &str, namespace: &str) -> Option<Element> {
        if self.found.schemas.len() + self.found.wsdl.len() >= DOCUMENTS_MAX {
            self.say(Rule::W005, file, place, format!("more than {DOCUMENTS_MAX} documents"));
            return None;
        }
        let Some(octets) = (self.resolve)(location) else {
            self.found.opaque.insert(namespace.to_owned());
            let (rule, what) = if absolute(location) {
                (Rule::W004, format!("{location:?} is not fetched: put the document beside the contract"))
            } else {
                (Rule::W003, format!("there is no document {location:?}"))
            };
            self.say(rule, file, place, what);
            return None;
        };
        match xsd::read::read(&octets, None, &Limits::default()) {
            Ok(document) => Some(document),
            Err(error) => {
                self.say(Rule::W001, location, error.place, error.what);
                None
            }
        }
    }
}

/// Whether a location has a scheme, as `http://…` or `urn:…`.
pub(crate) fn absolute(location: &str) -> bool {
    let scheme = location.split_once(':').map_or("", |(scheme, _)| scheme);
    scheme.len() > 1 && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
}

/// Whether a namespace is a URI that says nothing by itself. The empty one is no URI at all.
pub(crate) fn relative(namespace: &str) -> bool {
    namespace.is_empty() || !absolute(namespace)
}

/// A location as the document at `base` names it. What leads above where the contract stands stays so, and no resolver has it.
fn joined(base: &str, location: &str) -> String {
    if absolute(location) {
        return location.to_owned();
    }
    let folder = base.rsplit_once('/').map_or("", |(folder, _)| folder);
    let mut steps: Vec<&str> = folder.split('/').filter(|step| absolute(base) || !step.is_empty()).collect();
    for step in location.split('/') {
        match step {
            "" | "." => {}
            ".." if steps.last().is_some_and(|last| *last != "..") => {
                steps.pop();
            }
            step => steps.push(step),
        }
    }
    steps.join("/")
}
