//! [`super::Level::Sample`]: schemas inferred from sample documents, one for each namespace: types from values, occurrence from counts.

use super::Document;
use crate::chars;
use crate::schema::{XSD_NAMESPACE, XSI_NAMESPACE};
use crate::scope::XML_NAMESPACE;
use crate::tree::{Element, Node, Place, QName};
use crate::value::{Primitive, parse};
use std::collections::{BTreeMap, BTreeSet};

/// What values of one place have in common, the narrowest first. Digits with a leading zero are a code, not a number.
const TYPES: &[(Primitive, &str)] = &[
    (Primitive::Boolean, "boolean"),
    (Primitive::Decimal, "integer"),
    (Primitive::Decimal, "decimal"),
    (Primitive::Date, "date"),
    (Primitive::DateTime, "dateTime"),
    (Primitive::Time, "time"),
];

/// What has been seen of all elements, or attributes, of one name.
#[derive(Default)]
struct Seen {
    file: String,
    place: Place,
    count: usize,
    /// Which of [`TYPES`] every value so far has; `None` before the first.
    types: Option<Vec<bool>>,
    text: bool,
    nil: bool,
    attributes: BTreeMap<QName, Seen>,
    children: BTreeMap<QName, Occurs>,
    /// Which child name has been seen before which.
    before: BTreeSet<(QName, QName)>,
    /// A child name came back after another one.
    returns: bool,
}

/// How often a child has stood in one element: in how many elements at all, and at most.
#[derive(Default)]
struct Occurs {
    present: usize,
    most: usize,
}

/// Schema documents that every sample is valid against.
pub(super) fn infer(samples: &[Document]) -> Vec<Document> {
    let mut elements: BTreeMap<QName, Seen> = BTreeMap::new();
    for sample in samples {
        see(&mut elements, &sample.root, &sample.name);
    }
    let mut namespaces: BTreeSet<&str> = elements.keys().map(QName::namespace).collect();
    namespaces.extend(elements.values().flat_map(|seen| seen.attributes.keys().map(QName::namespace)).filter(|name| !name.is_empty()));
    namespaces.remove(XML_NAMESPACE);
    let all: Vec<&str> = namespaces.into_iter().collect();
    all.iter().map(|namespace| document(namespace, &all, &elements)).collect()
}

fn see(elements: &mut BTreeMap<QName, Seen>, element: &Element, file: &str) {
    let seen =
        elements.entry(element.name().clone()).or_insert_with(|| Seen { file: file.to_owned(), place: element.place(), ..Seen::default() });
    seen.count += 1;
    for attribute in element.attributes() {
        if attribute.name.namespace() == XSI_NAMESPACE {
            seen.nil |= attribute.name.local() == "nil";
            continue;
        }
        let of = seen.attributes.entry(attribute.name.clone()).or_default();
        of.count += 1;
        of.value(&attribute.value);
    }
    let leaf = element.elements().next().is_none();
    let text = element.string();
    if leaf && element.attribute(XSI_NAMESPACE, "nil").is_none() {
        seen.value(&text);
    }
    seen.text |= !chars::is_blank(&text);
    seen.order(element);
    for node in element.children() {
        if let Node::Element(child) = node {
            see(elements, child, file);
        }
    }
}

impl Seen {
    fn value(&mut self, text: &str) {
        let text = chars::trim(text);
        let code = text.trim_start_matches(['+', '-']).starts_with('0') && !matches!(text, "0" | "-0") && !text.contains(['.', ':', '-']);
        let is = |(primitive, name): &(Primitive, &str)| match *name {
            "boolean" => matches!(text, "true" | "false"),
            "integer" => !code && !text.contains('.') && parse(*primitive, text, None).is_some(),
            _ => !code && parse(*primitive, text, None).is_some(),
        };
        let types = self.types.get_or_insert_with(|| vec![true; TYPES.len()]);
        types.iter_mut().zip(TYPES).for_each(|(holds, listed)| *holds &= is(listed));
    }

    fn type_name(&self) -> &'static str {
        let types = self.types.as_deref().unwrap_or_default();
        types.iter().zip(TYPES).find(|(holds, _)| **holds).map_or("string", |(_, (_, name))| name)
    }

    fn order(&mut self, element: &Element) {
        let mut counts: BTreeMap<&QName, usize> = BTreeMap::new();
        let mut runs: Vec<&QName> = Vec::new();
        for child in element.elements() {
            *counts.entry(child.name()).or_default() += 1;
            if runs.last() == Some(&child.name()) {
                continue;
            }
            self.returns |= runs.contains(&child.name());
            // Only neighbours: the order of all follows from theirs.
            self.before.extend(runs.last().map(|last| ((*last).clone(), child.name().clone())));
            runs.push(child.name());
        }
        for (name, count) in counts {
            let occurs = self.children.entry(name.clone()).or_default();
            occurs.present += 1;
            occurs.most = occurs.most.max(count);
        }
    }

    /// The children in an order that every element keeps; `None`: there is none.
    fn sequence(&self) -> Option<Vec<&QName>> {
        let mut order: Vec<&QName> = Vec::new();
        let mut waiting: BTreeSet<&QName> = self.children.keys().collect();
        while !self.returns && !waiting.is_empty() {
            let free = |name: &&&QName| !self.before.iter().any(|(first, then)| then == **name && waiting.contains(first));
            let next = *waiting.iter().find(free)?;
            waiting.remove(next);
            order.push(next);
        }
        waiting.is_empty().then_some(order)
    }
}

fn xs(local: &str) -> Element {
    Element::new("xs", QName::new(XSD_NAMESPACE, local))
}

fn document(namespace: &str, all: &[&str], elements: &BTreeMap<QName, Seen>) -> Document {
    let mut root = xs("schema").with("elementFormDefault", "qualified");
    if !namespace.is_empty() {
        root = root.with("targetNamespace", namespace);
    }
    root = root.child(xs("import").with("namespace", XML_NAMESPACE));
    for (number, other) in all.iter().enumerate().filter(|(_, other)| !other.is_empty()) {
        root = root.declare(format!("n{number}"), *other);
    }
    for other in all.iter().filter(|other| **other != namespace) {
        root = root.child(if other.is_empty() { xs("import") } else { xs("import").with("namespace", *other) });
    }
    let reference = |name: &QName| match all.iter().position(|other| *other == name.namespace()) {
        None => format!("xml:{}", name.local()),
        Some(_) if name.namespace().is_empty() => name.local().to_owned(),
        Some(number) => format!("n{number}:{}", name.local()),
    };
    let mut file = "sample";
    for (name, seen) in elements.iter().filter(|(name, _)| name.namespace() == namespace) {
        file = &seen.file;
        root = root.child(declaration(name, seen, &reference));
    }
    let qualified =
        elements.values().flat_map(|seen| &seen.attributes).filter(|(name, _)| name.namespace() == namespace && !namespace.is_empty());
    let mut global: BTreeMap<&QName, BTreeSet<&str>> = BTreeMap::new();
    for (name, seen) in qualified {
        global.entry(name).or_default().insert(seen.type_name());
    }
    for (name, types) in global {
        let one = types.iter().next().filter(|_| types.len() == 1).copied().unwrap_or("string");
        root = root.child(xs("attribute").with("name", name.local()).with("type", format!("xs:{one}")));
    }
    Document { name: file.to_owned(), root: root.declare("xs", XSD_NAMESPACE), inherited: Vec::new() }
}

fn declaration(name: &QName, seen: &Seen, reference: &dyn Fn(&QName) -> String) -> Element {
    let mut element = xs("element").with("name", name.local());
    element.set_place(seen.place);
    if seen.nil {
        element = element.with("nillable", "true");
    }
    let simple = format!("xs:{}", seen.type_name());
    if seen.children.is_empty() && seen.attributes.is_empty() {
        return element.with("type", simple);
    }
    let mut attributes = Vec::new();
    for (name, of) in &seen.attributes {
        let attribute = match name.namespace() {
            "" => xs("attribute").with("name", name.local()).with("type", format!("xs:{}", of.type_name())),
            _ => xs("attribute").with("ref", reference(name)),
        };
        attributes.push(if of.count == seen.count { attribute.with("use", "required") } else { attribute });
    }
    let mut complex = xs("complexType");
    if seen.children.is_empty() {
        let extension = attributes.into_iter().fold(xs("extension").with("base", simple), Element::child);
        return element.child(complex.child(xs("simpleContent").child(extension)));
    }
    if seen.text {
        complex = complex.with("mixed", "true");
    }
    let occurs = |particle: Element, occurs: &Occurs| {
        let particle = if occurs.present < seen.count { particle.with("minOccurs", "0") } else { particle };
        if occurs.most > 1 { particle.with("maxOccurs", "unbounded") } else { particle }
    };
    let of = |name: &QName| xs("element").with("ref", reference(name));
    let group = match seen.sequence() {
        Some(order) => {
            let members = order.into_iter().filter_map(|name| seen.children.get(name).map(|counted| occurs(of(name), counted)));
            members.fold(xs("sequence"), Element::child)
        }
        None => seen.children.keys().map(of).fold(xs("choice").with("minOccurs", "0").with("maxOccurs", "unbounded"), Element::child),
    };
    element.child(attributes.into_iter().fold(complex.child(group), Element::child))
}
