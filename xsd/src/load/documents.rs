//! The schema documents of one graph: includes and imports followed through the resolver, each element checked against the grammar.

use super::{Defect, Document, Level, Naming, Resolver, catalogue, conditional, grammar, nearest};
use crate::read::{Limits, Malformed, Rule, read};
use crate::schema::{Source, XSD_NAMESPACE};
use crate::scope::{Scope, XML_NAMESPACE};
use crate::tree::{Attribute, Element, Node, Place, QName};
use crate::write::Binding;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

/// What a schema document may cost: it comes from an integrator, not from a peer.
pub(super) const LIMITS: Limits = Limits {
    document_bytes_max: 64 << 20,
    depth_max: 200,
    attributes_max: 256,
    children_max: 200_000,
    name_bytes_max: 4096,
    value_bytes_max: 1 << 20,
    bindings_max: 1024,
    elements_max: 4_000_000,
    relative_namespaces: true,
};

/// Documents that one graph may have.
const DOCUMENTS_MAX: usize = 2000;

/// A schema document, and what it says of all its components.
pub(super) struct Schema {
    pub(super) root: Item,
    pub(super) target: Arc<str>,
    /// Included without a target namespace of its own: names without namespace are in the target namespace (src-include.3.2).
    chameleon: bool,
    imports: BTreeSet<Arc<str>>,
    /// Imports whose document was not found.
    pub(super) missing: BTreeMap<String, Source>,
}

/// An element of a schema document.
pub(super) struct Item {
    pub(super) local: &'static str,
    attributes: Vec<(&'static str, String)>,
    pub(super) foreign: Vec<Attribute>,
    pub(super) documentation: Option<String>,
    pub(super) children: Vec<Item>,
    pub(super) source: Source,
    pub(super) scope: Arc<Scope>,
}

impl Item {
    pub(super) fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(listed, _)| *listed == name).map(|(_, value)| value.as_str())
    }

    /// An attribute that is a token: white space at its ends does not count.
    pub(super) fn token(&self, name: &str) -> Option<&str> {
        self.attribute(name).map(crate::chars::trim)
    }

    pub(super) fn all<'a>(&'a self, locals: &'a [&str]) -> impl Iterator<Item = &'a Self> {
        self.children.iter().filter(|child| locals.contains(&child.local))
    }

    pub(super) fn first(&self, locals: &[&str]) -> Option<&Self> {
        self.children.iter().find(|child| locals.contains(&child.local))
    }

    pub(super) fn defect(&self, rule: &'static str, what: impl Into<String>) -> Defect {
        Defect { rule, source: self.source.clone(), what: what.into(), help: None }
    }
}

impl Schema {
    /// A name in content of this document; `Err` says why it is none.
    pub(super) fn name(&self, item: &Item, text: &str) -> Result<QName, Defect> {
        let name = item
            .scope
            .qname(text)
            .ok_or_else(|| item.defect("src-qname", format!("'{text}' is no name, or its prefix is not declared")))?;
        let adopted = self.chameleon && name.namespace().is_empty();
        Ok(if adopted { QName::new(Arc::clone(&self.target), name.local()) } else { name })
    }

    /// src-resolve.4: whether names of this namespace may be used here.
    pub(super) fn sees(&self, namespace: &str) -> bool {
        *self.target == *namespace || namespace == XSD_NAMESPACE || self.imports.iter().any(|imported| **imported == *namespace)
    }

    pub(super) fn flag(&self, attribute: &str) -> bool {
        self.root.token(attribute) == Some("qualified")
    }
}

/// Reads a schema document. Where the level lets it pass, octets that are not of the encoding are read as those of Western Europe.
pub(super) fn octets(level: Level, octets: &[u8], name: &str, defects: &mut Vec<Defect>) -> Result<Element, Malformed> {
    let malformed = match read(octets, None, &LIMITS) {
        Err(malformed) if malformed.rule == Rule::Encoding && level == Level::Compat => malformed,
        done => return done,
    };
    let (text, _) = encoding_rs::WINDOWS_1252.decode_without_bom_handling(octets);
    let Ok(root) = read(text.as_bytes(), None, &LIMITS) else { return Err(malformed) };
    defects.push(Defect { rule: "encoding", ..Defect::of_xml(name, malformed) });
    Ok(root)
}

struct Wanted {
    name: String,
    root: Element,
    inherited: Vec<Binding>,
    /// The namespace of the document that includes it.
    adopted: Option<Arc<str>>,
}

/// Follows includes and imports from `documents` on.
pub(super) fn gather(level: Level, documents: Vec<Document>, (resolver, naming): (Resolver<'_>, Naming<'_>)) -> (Vec<Schema>, Vec<Defect>) {
    let mut gathering = Gathering {
        level,
        queue: VecDeque::new(),
        seen: BTreeSet::new(),
        ids: BTreeSet::new(),
        defects: Vec::new(),
        resolver,
        naming,
        namespaces: BTreeSet::new(),
    };
    for document in &documents {
        let target = document.root.attribute("", "targetNamespace").unwrap_or_default().to_owned();
        gathering.seen.insert((document.name.clone(), target.clone()));
        gathering.namespaces.insert(target);
    }
    for Document { name, root, inherited } in documents {
        gathering.queue.push_back(Wanted { name, root, inherited, adopted: None });
    }
    let mut schemas = Vec::new();
    while let Some(wanted) = gathering.queue.pop_front() {
        if schemas.len() >= DOCUMENTS_MAX {
            let source = Source { file: wanted.name.as_str().into(), place: wanted.root.place() };
            gathering.defects.push(Defect {
                rule: "unsupported",
                source,
                what: format!("more than {DOCUMENTS_MAX} schema documents"),
                help: None,
            });
            break;
        }
        schemas.extend(gathering.document(wanted));
    }
    (schemas, gathering.defects)
}

struct Gathering<'r> {
    level: Level,
    queue: VecDeque<Wanted>,
    /// Documents by name and the namespace they were taken into.
    seen: BTreeSet<(String, String)>,
    /// Namespaces that some document of the graph has.
    namespaces: BTreeSet<String>,
    /// The ids of schema elements, with their file.
    ids: BTreeSet<(Arc<str>, String)>,
    defects: Vec<Defect>,
    resolver: Resolver<'r>,
    naming: Naming<'r>,
}

impl Gathering<'_> {
    fn document(&mut self, wanted: Wanted) -> Option<Schema> {
        let file: Arc<str> = wanted.name.as_str().into();
        if !wanted.root.name().is(XSD_NAMESPACE, "schema") {
            let source = Source { file, place: wanted.root.place() };
            let what = format!("the root element is {}, not xs:schema", wanted.root.name());
            self.defects.push(Defect { rule: "src-import", source, what, help: None });
            return None;
        }
        let mut scope = Scope::default();
        scope.enter();
        for (prefix, namespace) in &wanted.inherited {
            scope.declare(Arc::clone(prefix), Arc::clone(namespace));
        }
        let root = self.item(wanted.root, &file, &Arc::new(scope))?;
        let own: Option<Arc<str>> = root.token("targetNamespace").map(Into::into);
        if own.as_deref() == Some("") {
            self.defects.push(root.defect("s4s-att-invalid-value", "targetNamespace is empty"));
        }
        for name in ["elementFormDefault", "attributeFormDefault"] {
            if let Some(other) = root.token(name).filter(|value| !matches!(*value, "qualified" | "unqualified")) {
                self.defects.push(root.defect("s4s-att-invalid-value", format!("{name} has no value '{other}'")));
            }
        }
        let chameleon = own.is_none() && wanted.adopted.is_some();
        let target = own.or(wanted.adopted).unwrap_or_else(|| "".into());
        let mut schema = Schema { root, target, chameleon, imports: BTreeSet::new(), missing: BTreeMap::new() };
        self.follow(&mut schema, &wanted.name);
        Some(schema)
    }

    fn follow(&mut self, schema: &mut Schema, base: &str) {
        let target = schema.target.to_string();
        let mut imports = BTreeSet::new();
        let mut missing = BTreeMap::new();
        for item in schema.root.all(&["include", "import", "redefine"]) {
            let location = item.token("schemaLocation").map(|location| self.located(base, location));
            if item.local != "import" {
                let Some(location) = location else {
                    self.defects.push(item.defect("s4s-att-must-appear", format!("xs:{} names a schemaLocation", item.local)));
                    continue;
                };
                if !self.include(item, &location, &schema.target) {
                    missing.insert(target.clone(), item.source.clone());
                }
                continue;
            }
            let namespace = item.token("namespace").unwrap_or_default();
            if namespace == target {
                self.defects.push(item.defect("src-import.1", "a schema imports its own target namespace"));
            }
            imports.insert(namespace.into());
            if !self.import(item, location.as_deref(), namespace) {
                if self.level != Level::Strict {
                    let at = location.as_deref().map(|location| format!(" at {location:?}{}", unfetched(item))).unwrap_or_default();
                    self.defects.push(item.defect("missing", format!("there is no document of namespace {namespace:?}{at}")));
                }
                missing.insert(namespace.to_owned(), item.source.clone());
            }
        }
        schema.imports = imports;
        schema.missing = missing;
    }

    fn located(&self, base: &str, location: &str) -> String {
        let joined = join(base, location);
        if is_address(location) { joined } else { (self.naming)(joined) }
    }

    /// src-include, src-redefine. False if there is no document at the location.
    fn include(&mut self, item: &Item, location: &str, target: &Arc<str>) -> bool {
        let redefines = item.local == "redefine";
        if !self.seen.insert((location.to_owned(), target.to_string())) {
            return true;
        }
        let Some(octets) = self.found(item, location, "") else {
            // Part 1 §4.2.1: that is no error in itself, only what then is not known; §4.2.2: nor where nothing is redefined.
            let rule = if self.level == Level::Strict && !item.children.is_empty() { "src-redefine.1" } else { "missing" };
            self.defects.push(item.defect(rule, format!("there is no document at {location:?}{}", unfetched(item))));
            return false;
        };
        let Some(root) = self.read(location, &octets) else { return true };
        match root.attribute("", "targetNamespace") {
            Some(own) if *own != **target => {
                let rule = if redefines { "src-redefine.3" } else { "src-include.2" };
                self.defects.push(item.defect(rule, format!("the document at {location:?} is of namespace {own:?}, not {:?}", &**target)));
            }
            _ => self.queue.push_back(Wanted { name: location.to_owned(), root, inherited: Vec::new(), adopted: Some(Arc::clone(target)) }),
        }
        true
    }

    /// Asks the resolver, but never for a file by its address: what lies outside the folders that it knows is none of ours.
    fn found(&self, item: &Item, location: &str, namespace: &str) -> Option<Vec<u8>> {
        let written = item.token("schemaLocation").unwrap_or_default();
        if is_address(written) { None } else { (self.resolver)(location, namespace) }
    }

    /// False if no document is known for the namespace: what that breaks is reported where it is used.
    fn import(&mut self, item: &Item, location: Option<&str>, namespace: &str) -> bool {
        let known = self.namespaces.contains(namespace);
        if location.is_some_and(|location| self.seen.contains(&(location.to_owned(), namespace.to_owned()))) || known && location.is_none()
        {
            return true;
        }
        let found = self.found(item, location.unwrap_or_default(), namespace);
        let (name, octets) = match (found, namespace) {
            (Some(octets), _) => (location.unwrap_or(namespace).to_owned(), octets),
            (None, _) if known => return true,
            (None, namespace) => match catalogue::document(namespace) {
                Some((name, octets)) => (name.to_owned(), octets.to_vec()),
                None => return false,
            },
        };
        if !self.seen.insert((name.clone(), namespace.to_owned())) {
            return true;
        }
        let Some(root) = self.read(&name, &octets) else { return true };
        let own = root.attribute("", "targetNamespace").unwrap_or_default();
        if own != namespace {
            self.defects.push(item.defect("src-import.3", format!("the imported document is of namespace {own:?}, not {namespace:?}")));
            return true;
        }
        self.namespaces.insert(namespace.to_owned());
        self.queue.push_back(Wanted { name, root, inherited: Vec::new(), adopted: None });
        true
    }

    fn annotation(&mut self, annotation: &Element, file: &Arc<str>) {
        if let Some((place, what)) = misplaced_in_annotation(annotation) {
            let source = Source { file: Arc::clone(file), place };
            self.defects.push(Defect { rule: "s4s-elt-invalid-content", source, what, help: None });
        }
        if let Some(id) = annotation.attribute("", "id").map(crate::chars::trim)
            && !(crate::chars::is_ncname(id) && self.ids.insert((Arc::clone(file), id.to_owned())))
        {
            let source = Source { file: Arc::clone(file), place: annotation.place() };
            let what = format!("the id '{id}' is no name, or stands twice in the document");
            self.defects.push(Defect { rule: "s4s-att-invalid-value", source, what, help: None });
        }
    }

    fn read(&mut self, name: &str, octets: &[u8]) -> Option<Element> {
        match self::octets(self.level, octets, name, &mut self.defects) {
            Ok(root) => Some(root),
            Err(malformed) => {
                self.defects.push(Defect::of_xml(name, malformed));
                None
            }
        }
    }

    /// Takes the attributes that the grammar knows, and those of other namespaces; the others are reported.
    fn attributes(&mut self, item: &mut Item, attributes: &[&'static str], written: Vec<Attribute>) {
        for attribute in written {
            match (attribute.name.namespace(), attribute.name.local()) {
                ("", name) => {
                    if let Some(known) = attributes.iter().chain(&["id"]).find(|known| **known == name) {
                        item.attributes.push((known, attribute.value));
                        continue;
                    }
                    let help = nearest(name, attributes.iter().copied()).map(|near| format!("did you mean '{near}'?"));
                    self.defects.push(Defect {
                        help,
                        ..item.defect("s4s-att-not-allowed", format!("xs:{} has no attribute '{name}'", item.local))
                    });
                }
                (XSD_NAMESPACE, name) => {
                    let defect = item.defect("s4s-att-not-allowed", format!("the attribute xs:{name} must have no prefix"));
                    self.defects.push(defect);
                }
                _ => item.foreign.push(attribute),
            }
        }
    }

    /// Checks an element and what is in it against the grammar; what is not of it is reported and left out.
    fn item(&mut self, mut element: Element, file: &Arc<str>, around: &Arc<Scope>) -> Option<Item> {
        let source = Source { file: Arc::clone(file), place: element.place() };
        let (local, attributes, children) = grammar::of(element.name().local())?;
        let scope = if element.namespaces().is_empty() {
            Arc::clone(around)
        } else {
            let mut scope = Scope::clone(around);
            scope.enter_element(&element);
            Arc::new(scope)
        };
        let mut item =
            Item { local, attributes: Vec::new(), foreign: Vec::new(), documentation: None, children: Vec::new(), source, scope };
        let (written, content) = element.take();
        self.attributes(&mut item, attributes, written);
        if let Some(id) = item.token("id")
            && !(crate::chars::is_ncname(id) && self.ids.insert((Arc::clone(file), id.to_owned())))
        {
            self.defects.push(item.defect("s4s-att-invalid-value", format!("the id '{id}' is no name, or stands twice in the document")));
        }
        for name in ["targetNamespace", "schemaLocation", "namespace"] {
            // The namespaces of a wildcard are words, not one address.
            let address = item.token(name).filter(|_| name != "namespace" || local == "import");
            if let Some(wrong) = address.filter(|address| !crate::value::is_uri(address)) {
                self.defects.push(item.defect("anyURI", format!("{name}='{wrong}' is no URI")));
            }
        }
        let (mut last, mut blank) = ((0, ""), true);
        let scope = Arc::clone(&item.scope);
        for node in content {
            let child = match node {
                Node::Element(child) if !conditional::is_excluded(&child, &scope) => child,
                Node::Text(text) => {
                    blank &= crate::chars::is_blank(&text);
                    continue;
                }
                _ => continue,
            };
            let source = Source { file: Arc::clone(file), place: child.place() };
            let misplaced = |what: String, help| Defect { rule: "s4s-elt-invalid-content", source, what, help };
            let known = child.name().namespace() == XSD_NAMESPACE
                && (child.name().local() == "annotation" || children.contains(&child.name().local()));
            if !known {
                let help = nearest(child.name().local(), children.iter().copied()).map(|near| format!("did you mean 'xs:{near}'?"));
                self.defects.push(misplaced(format!("{} cannot stand in xs:{local}", child.name()), help));
                continue;
            }
            let (phase, once) = grammar::phase(local, child.name().local()).unwrap_or((last.0, false));
            if phase < last.0 || once && phase == last.0 {
                self.defects.push(misplaced(format!("xs:{} cannot stand behind xs:{} in xs:{local}", child.name().local(), last.1), None));
            }
            if phase >= last.0 {
                let named = children.iter().find(|known| **known == child.name().local());
                last = (phase, named.copied().unwrap_or("annotation"));
            }
            if child.name().local() == "annotation" {
                self.annotation(&child, file);
                annotate(&mut item, &child);
            } else {
                item.children.extend(self.item(child, file, &scope));
            }
        }
        if !blank {
            self.defects.push(item.defect("s4s-elt-character", format!("text stands in xs:{local}")));
        }
        Some(item)
    }
}

/// Part 1 §3.13.2: `id` on an annotation, `source` and `xml:lang` on what is in it.
fn misplaced_in_annotation(annotation: &Element) -> Option<(Place, String)> {
    let own = |element: &Element, known: &[&str]| {
        let found = element.attributes().iter().find(|attribute| {
            attribute.name.namespace() == XSD_NAMESPACE || attribute.name.namespace().is_empty() && !known.contains(&attribute.name.local())
        })?;
        Some((element.place(), format!("xs:{} has no attribute '{}'", element.name().local(), found.name.local())))
    };
    let inside = |child: &Element| {
        if child.name().namespace() != XSD_NAMESPACE || !matches!(child.name().local(), "appinfo" | "documentation") {
            return Some((child.place(), format!("{} cannot stand in xs:annotation", child.name())));
        }
        let blank = child.attribute(XML_NAMESPACE, "lang").is_some_and(|lang| !lang.is_empty() && crate::chars::is_blank(lang));
        own(child, &["source"]).or_else(|| blank.then(|| (child.place(), "xml:lang names no language".to_owned())))
    };
    own(annotation, &["id"]).or_else(|| annotation.elements().find_map(inside))
}

fn annotate(item: &mut Item, annotation: &Element) {
    item.foreign.extend(annotation.attributes().iter().filter(|attribute| !attribute.name.namespace().is_empty()).cloned());
    if item.documentation.is_none() {
        item.documentation = annotation.first(XSD_NAMESPACE, "documentation").map(|documentation| documentation.string().trim().to_owned());
    }
}

/// Why a location that is an address finds nothing.
fn unfetched(item: &Item) -> &'static str {
    let written = item.token("schemaLocation").unwrap_or_default();
    match written.split_once(':').map_or("", |(scheme, _)| scheme) {
        "http" | "https" | "ftp" => ": nothing is ever fetched from a network",
        "file" => ": no file is read by its address",
        _ if written.starts_with('/') => ": no file is read outside the folder of the schema",
        _ => "",
    }
}

/// Whether a location names a file by its address.
fn is_address(location: &str) -> bool {
    location.starts_with('/') || location.starts_with("file:")
}

/// A location relative to the document that names it; absolute ones stay.
fn join(base: &str, location: &str) -> String {
    let absolute =
        location.starts_with('/') || location.split_once(':').is_some_and(|(scheme, _)| scheme.len() > 1 && !scheme.contains('/'));
    if absolute {
        return location.to_owned();
    }
    let folder = base.rsplit_once('/').map_or("", |(folder, _)| folder);
    let mut parts: Vec<&str> = if folder.is_empty() { Vec::new() } else { folder.split('/').collect() };
    for part in location.split('/') {
        match part {
            "." => {}
            ".." if parts.last().is_some_and(|last| !last.is_empty() && *last != "..") => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.join("/")
}
