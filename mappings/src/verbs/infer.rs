//! A schema inferred from sample documents: what was seen, as an XSD that says so; a starting point, never a contract.

use crate::verbs::layout::laid_out;
use crate::verbs::page::{Item, Node, element, written};
use std::collections::BTreeMap;
use xsd::tree::{Element, QName};

/// What was seen of elements at one place.
#[derive(Debug, Default)]
struct Seen {
    /// How many elements.
    times: u64,
    /// Most of one parent, and how many parents had any.
    most: u64,
    parents: u64,
    text: Kinds,
    has_text: bool,
    attributes: BTreeMap<QName, (u64, Kinds)>,
    /// In the order of first appearance.
    children: Vec<(QName, Seen)>,
}

/// Which types all values seen so far are of.
#[derive(Clone, Debug)]
struct Kinds {
    values: u64,
    length: Option<usize>,
    candidates: Vec<&'static str>,
    distinct: Vec<String>,
}

impl Default for Kinds {
    fn default() -> Self {
        Self { values: 0, length: None, candidates: vec!["boolean", "integer", "decimal", "date", "dateTime"], distinct: Vec::new() }
    }
}

/// So many different short values are still taken for a code.
const CODES_MAX: usize = 8;

impl Kinds {
    fn saw(&mut self, value: &str) {
        let value = value.trim();
        let length = value.chars().count();
        self.length = if self.values == 0 || self.length == Some(length) { Some(length) } else { None };
        self.values += 1;
        self.candidates.retain(|kind| is(kind, value));
        if self.distinct.len() <= CODES_MAX && !self.distinct.iter().any(|known| known == value) {
            self.distinct.push(value.to_owned());
        }
    }

    /// The simple type: built in, or text with what all values have in common.
    fn definition(&self) -> (Option<&'static str>, Option<Node>) {
        let digits = self.distinct.iter().all(|value| !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()));
        let leading = digits && self.distinct.iter().any(|value| value.len() > 1 && value.starts_with('0'));
        // Numbers of one length are rather keys, codes or dates, whose zeros count.
        let fixed = digits && self.length.is_some_and(|length| length >= 6) && self.values > 0;
        if let (true, Some(length)) = (fixed, self.length) {
            let pattern = format!("[0-9]{{{length}}}");
            let restriction = element("xs:restriction").with("base", "xs:string").child(element("xs:pattern").with("value", &pattern));
            return (None, Some(element("xs:simpleType").child(restriction)));
        }
        match self.candidates.first() {
            Some(_) if leading || self.values == 0 => (Some("xs:string"), None),
            Some(&"boolean") if digits => (Some("xs:integer"), None),
            Some(&"boolean") => (Some("xs:boolean"), None),
            Some(&"integer") => (Some("xs:integer"), None),
            Some(&"decimal") => (Some("xs:decimal"), None),
            Some(&"date") => (Some("xs:date"), None),
            Some(_) => (Some("xs:dateTime"), None),
            None => (Some("xs:string"), None),
        }
    }
}

fn is(kind: &str, value: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let unsigned = value.strip_prefix(['-', '+']).unwrap_or(value);
    let date = |text: &str| {
        let mut parts = text.splitn(3, '-');
        let mut next = |length: usize| parts.next().is_some_and(|part| part.len() == length && digits(part));
        next(4) && next(2) && next(2)
    };
    match kind {
        "boolean" => matches!(value, "true" | "false" | "0" | "1"),
        "integer" => digits(unsigned),
        "decimal" => unsigned.split_once('.').map_or(digits(unsigned), |(whole, part)| digits(whole) && digits(part)),
        "date" => date(value),
        _ => value.split_once('T').is_some_and(|(day, time)| date(day) && time.len() >= 8 && time.contains(':')),
    }
}

/// An XSD that takes every sample. Elements of other namespaces than the root's are open (`xs:any`).
///
/// # Errors
/// No sample, or samples of different roots.
pub fn infer(samples: &[Element]) -> Result<String, String> {
    let Some(first) = samples.first() else { return Err("no sample".to_owned()) };
    if let Some(other) = samples.iter().find(|sample| sample.name() != first.name()) {
        return Err(format!("samples of different roots: '{}' and '{}'", first.name(), other.name()));
    }
    let mut seen = Seen::default();
    samples.iter().for_each(|sample| see(sample, &mut seen));
    let namespace = first.name().namespace();
    let note = format!("Inferred from {} sample documents: what was seen in them, and nothing else is known.", samples.len());
    let schema = element("xs:schema").with("xmlns:xs", "http://www.w3.org/2001/XMLSchema");
    let schema = if namespace.is_empty() { schema } else { schema.with("xmlns:s", namespace).with("targetNamespace", namespace) };
    let schema = schema.child(element("xs:annotation").child(element("xs:documentation").text(&note))).child(declared(
        first.name(),
        &seen,
        namespace,
        None,
    ));
    Ok(["<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n", &laid_out(&written(&Item::Node(schema)))].concat())
}

const XSI: &str = "http://www.w3.org/2001/XMLSchema-instance";

fn see(from: &Element, into: &mut Seen) {
    into.times += 1;
    for attribute in from.attributes().iter().filter(|attribute| attribute.name.namespace() != XSI) {
        let (times, kinds) = into.attributes.entry(attribute.name.clone()).or_default();
        *times += 1;
        kinds.saw(&attribute.value);
    }
    let text = from.string();
    if from.elements().next().is_none() || !text.trim().is_empty() {
        into.has_text |= !text.trim().is_empty() || from.elements().next().is_none();
        into.text.saw(&text);
    }
    let mut counts: BTreeMap<QName, u64> = BTreeMap::new();
    for child in from.elements() {
        *counts.entry(child.name().clone()).or_default() += 1;
        let at = into.children.iter().position(|(name, _)| name == child.name()).unwrap_or_else(|| {
            into.children.push((child.name().clone(), Seen::default()));
            into.children.len() - 1
        });
        if let Some((_, seen)) = into.children.get_mut(at) {
            see(child, seen);
        }
    }
    for (name, seen) in &mut into.children {
        if let Some(count) = counts.get(name) {
            seen.most = seen.most.max(*count);
            seen.parents += 1;
        }
    }
}

fn declared(name: &QName, seen: &Seen, namespace: &str, parents: Option<u64>) -> Node {
    let mut node = element("xs:element").with("name", name.local());
    if let Some(parents) = parents {
        if !namespace.is_empty() && name.namespace() == namespace {
            node = node.with("form", "qualified");
        }
        if seen.parents < parents {
            node = node.with("minOccurs", "0");
        }
        if seen.most > 1 {
            node = node.with("maxOccurs", "unbounded");
        }
    }
    let (named, own) = seen.text.definition();
    if seen.children.is_empty() && seen.attributes.is_empty() {
        return match (named, own) {
            (Some(named), _) => node.with("type", named),
            (None, own) => node.children(own),
        };
    }
    let attributes = seen.attributes.iter().filter(|(name, _)| name.namespace().is_empty()).map(|(name, (times, kinds))| {
        let (named, own) = kinds.definition();
        let node = element("xs:attribute").with("name", name.local()).maybe("type", named);
        let node = if *times == seen.times { node.with("use", "required") } else { node };
        node.children(own)
    });
    let foreign = seen
        .attributes
        .keys()
        .any(|name| !name.namespace().is_empty())
        .then(|| element("xs:anyAttribute").with("namespace", "##other").with("processContents", "skip"));
    let attributes: Vec<Node> = attributes.chain(foreign).collect();
    if seen.children.is_empty() {
        let base = named.unwrap_or("xs:string");
        let extension = element("xs:extension").with("base", base).children(attributes);
        return node.child(element("xs:complexType").child(element("xs:simpleContent").child(extension)));
    }
    let own = |name: &QName| name.namespace().is_empty() || name.namespace() == namespace;
    let mut particles: Vec<Node> = seen
        .children
        .iter()
        .filter(|(name, _)| own(name))
        .map(|(name, child)| declared(name, child, namespace, Some(seen.times)))
        .collect();
    if seen.children.iter().any(|(name, _)| !own(name)) {
        let any = element("xs:any").with("namespace", "##other").with("processContents", "skip");
        particles.push(any.with("minOccurs", "0").with("maxOccurs", "unbounded"));
    }
    let complex = element("xs:complexType");
    let complex = if seen.has_text { complex.with("mixed", "true") } else { complex };
    node.child(complex.child(element("xs:sequence").children(particles)).children(attributes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use xsd::read::{Limits, read};
    use xsd::schema::Schemas;

    #[test]
    fn a_schema_takes_what_it_was_inferred_from() {
        let texts = [
            "<r xmlns='urn:a:b' no='7'><d>20260101</d><v u='kg'>1.5</v><v>2</v><w>2026-01-01</w><c>01</c><t>x</t></r>",
            "<r xmlns='urn:a:b' no='8' x='y'><d>20260202</d><v u='t'>3</v><w>2026-02-01</w><c>12</c><n><m>true</m></n></r>",
        ];
        let samples: Vec<Element> = texts.iter().map(|text| read(text.as_bytes(), None, &Limits::default()).unwrap()).collect();
        let schema = infer(&samples).unwrap();
        for piece in [
            "value=\"[0-9]{8}\"",
            "name=\"w\" form=\"qualified\" type=\"xs:date\"",
            "name=\"v\" form=\"qualified\" maxOccurs=\"unbounded\"",
            "name=\"c\" form=\"qualified\" type=\"xs:string\"",
            "name=\"no\" type=\"xs:integer\" use=\"required\"",
            "minOccurs=\"0\"",
        ] {
            assert!(schema.contains(piece), "no {piece} in\n{schema}");
        }
        let schemas = Schemas::load(&[("inferred.xsd", schema.as_bytes())], &|_, _| None).unwrap();
        for sample in samples {
            schemas.validate(sample).unwrap();
        }
        assert!(infer(&[]).is_err());
    }
}
