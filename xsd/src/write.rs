//! The one writer of markup: Exclusive XML Canonicalization 1.0 without comments, and the same with declarations kept.

use crate::decode::{Charset, encode};
use crate::read::{Malformed, Rule};
use crate::tree::{Attribute, Element, Node, Place};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A prefix and the namespace it stands for.
pub type Binding = (Arc<str>, Arc<str>);

/// The octets of `element` under Exclusive XML Canonicalization 1.0 (W3C 2002), without comments.
///
/// `inherited` are the declarations in scope where the element stands and `inclusive` its `InclusiveNamespaces` prefix list
/// (`#default` for the default namespace); both are empty for a document of our own.
#[must_use]
pub fn canonical(element: &Element, inherited: &[Binding], inclusive: &[&str]) -> Vec<u8> {
    let mut scope = BTreeMap::new();
    for (prefix, namespace) in inherited {
        scope.insert(Arc::clone(prefix), Arc::clone(namespace));
    }
    let mut writer = Writer { octets: Vec::with_capacity(1024), inclusive, declared: false };
    writer.element(element, &scope, &BTreeMap::new());
    writer.octets
}

/// The octets of a document in which every declaration stays where it stands: for content that holds prefixed names.
#[must_use]
pub fn document(element: &Element) -> Vec<u8> {
    let mut writer = Writer { octets: Vec::with_capacity(1024), inclusive: &[], declared: true };
    writer.element(element, &BTreeMap::new(), &BTreeMap::new());
    writer.octets
}

/// The octets of a document in another encoding, with the XML declaration that names it: for systems that want theirs.
///
/// # Errors
/// The encoding is unknown, or a name holds a character that it lacks.
pub fn encoded(element: &Element, encoding: &str) -> Result<Vec<u8>, Malformed> {
    let refused = |what: String| Malformed { rule: Rule::Encoding, place: Place::default(), what };
    let known = Charset::named(encoding).ok_or_else(|| refused("the encoding is not written here".to_owned()))?;
    let content = String::from_utf8(document(element)).map_err(|error| refused(error.to_string()))?;
    let declaration = ["<?xml version=\"1.0\" encoding=\"", encoding.trim(), "\"?>\n", &content].concat();
    encode(&declaration, known)
}

/// Canonical octets written piece by piece, for documents of one fixed form: the caller gives names with their prefixes,
/// declarations first and attributes sorted, as the canonical form wants them.
#[derive(Debug)]
pub struct Pieces(Writer<'static>);

impl Pieces {
    /// With room for so many octets.
    #[must_use]
    pub fn with_capacity(octets: usize) -> Self {
        Self(Writer { octets: Vec::with_capacity(octets), inclusive: &[], declared: false })
    }

    /// Starts a start tag: what it declares follows, then its attributes, then [`Pieces::content`].
    pub fn begin(&mut self, name: &str) {
        self.0.octets.push(b'<');
        self.0.octets.extend_from_slice(name.as_bytes());
    }

    /// A declaration of the start tag that has begun.
    pub fn declaration(&mut self, prefix: &str, namespace: &str) {
        self.0.octets.extend_from_slice(if prefix.is_empty() { b" xmlns" } else { b" xmlns:" });
        self.0.octets.extend_from_slice(prefix.as_bytes());
        self.0.value(namespace);
    }

    /// An attribute of the start tag that has begun.
    pub fn attribute(&mut self, name: &str, value: &str) {
        self.0.octets.push(b' ');
        self.0.octets.extend_from_slice(name.as_bytes());
        self.0.value(value);
    }

    /// Ends a start tag that has begun.
    pub fn content(&mut self) {
        self.0.octets.push(b'>');
    }

    /// A start tag.
    pub fn open(&mut self, name: &str, attributes: &[(&str, &str)]) {
        self.0.octets.push(b'<');
        self.0.octets.extend_from_slice(name.as_bytes());
        for (name, value) in attributes {
            self.0.octets.push(b' ');
            self.0.octets.extend_from_slice(name.as_bytes());
            self.0.value(value);
        }
        self.0.octets.push(b'>');
    }

    /// Text.
    pub fn text(&mut self, text: &str) {
        self.0.text(text);
    }

    /// An end tag.
    pub fn close(&mut self, name: &str) {
        self.0.octets.extend_from_slice(b"</");
        self.0.octets.extend_from_slice(name.as_bytes());
        self.0.octets.push(b'>');
    }

    /// An element with text and nothing else.
    pub fn leaf(&mut self, name: &str, attributes: &[(&str, &str)], text: &str) {
        self.open(name, attributes);
        self.text(text);
        self.close(name);
    }

    /// The canonical octets of an element that declares every prefix it uses.
    pub fn splice(&mut self, octets: &[u8]) {
        self.0.octets.extend_from_slice(octets);
    }

    /// What was written so far.
    #[must_use]
    pub fn as_octets(&self) -> &[u8] {
        &self.0.octets
    }

    /// Forgets what was written, not the room for it.
    pub fn clear(&mut self) {
        self.0.octets.clear();
    }

    /// What was written.
    #[must_use]
    pub fn octets(self) -> Vec<u8> {
        self.0.octets
    }
}

#[derive(Debug)]
struct Writer<'a> {
    octets: Vec<u8>,
    inclusive: &'a [&'a str],
    declared: bool,
}

type Scope = BTreeMap<Arc<str>, Arc<str>>;

const XML: &str = "http://www.w3.org/XML/1998/namespace";

impl Writer<'_> {
    /// `scope` is what the input declares, `rendered` what the output has declared so far (exc-c14n §3).
    fn element(&mut self, element: &Element, scope: &Scope, rendered: &Scope) {
        let mut scope_here = None;
        if !element.namespaces().is_empty() {
            let mut extended = scope.clone();
            extended.extend(element.namespaces().iter().cloned());
            scope_here = Some(extended);
        }
        let scope = scope_here.as_ref().unwrap_or(scope);
        let fresh = self.fresh(element, scope, rendered);

        self.octets.push(b'<');
        self.name(element.prefix(), element.name().local());
        for (prefix, namespace) in &fresh {
            self.octets.extend_from_slice(if prefix.is_empty() { b" xmlns" } else { b" xmlns:" });
            self.octets.extend_from_slice(prefix.as_bytes());
            self.value(namespace);
        }
        let mut attributes: Vec<&Attribute> = element.attributes().iter().collect();
        attributes.sort_by(|left, right| left.name.cmp(&right.name));
        for attribute in attributes {
            self.octets.push(b' ');
            self.name(&attribute.prefix, attribute.name.local());
            self.value(&attribute.value);
        }
        self.octets.push(b'>');

        if fresh.is_empty() {
            self.content(element, scope, rendered);
        } else {
            let mut extended = rendered.clone();
            extended.extend(fresh);
            self.content(element, scope, &extended);
        }
        self.octets.extend_from_slice(b"</");
        self.name(element.prefix(), element.name().local());
        self.octets.push(b'>');
    }

    /// The declarations this element must render: those its names use visibly, the listed ones, and all of them in a document.
    fn fresh(&self, element: &Element, scope: &Scope, rendered: &Scope) -> Scope {
        let mut fresh = Scope::new();
        let mut render = |prefix: &str, namespace: &str| {
            if prefix == "xml" && namespace == XML {
                return;
            }
            let stands = rendered.get(prefix).map_or("", |stands| stands);
            if stands != namespace {
                fresh.insert(prefix.into(), namespace.into());
            }
        };
        render(element.prefix(), element.name().namespace());
        for attribute in element.attributes().iter().filter(|attribute| !attribute.prefix.is_empty()) {
            render(&attribute.prefix, attribute.name.namespace());
        }
        for prefix in self.inclusive {
            let prefix = if *prefix == "#default" { "" } else { prefix };
            if let Some(namespace) = scope.get(prefix) {
                render(prefix, namespace);
            }
        }
        if self.declared {
            for (prefix, namespace) in element.namespaces() {
                render(prefix, namespace);
            }
        }
        fresh
    }

    fn content(&mut self, element: &Element, scope: &Scope, rendered: &Scope) {
        for node in element.children() {
            match node {
                Node::Element(child) => self.element(child, scope, rendered),
                Node::Text(text) => self.text(text),
                Node::Comment => {}
                Node::Instruction { target, data } => {
                    self.octets.extend_from_slice(b"<?");
                    self.octets.extend_from_slice(target.as_bytes());
                    if !data.is_empty() {
                        self.octets.push(b' ');
                        self.octets.extend_from_slice(data.as_bytes());
                    }
                    self.octets.extend_from_slice(b"?>");
                }
            }
        }
    }

    fn name(&mut self, prefix: &str, local: &str) {
        if !prefix.is_empty() {
            self.octets.extend_from_slice(prefix.as_bytes());
            self.octets.push(b':');
        }
        self.octets.extend_from_slice(local.as_bytes());
    }

    fn text(&mut self, text: &str) {
        self.escaped(text, |byte| match byte {
            b'&' => Some("&amp;"),
            b'<' => Some("&lt;"),
            b'>' => Some("&gt;"),
            b'\r' => Some("&#xD;"),
            _ => None,
        });
    }

    fn value(&mut self, value: &str) {
        self.octets.extend_from_slice(b"=\"");
        self.escaped(value, |byte| match byte {
            b'&' => Some("&amp;"),
            b'<' => Some("&lt;"),
            b'"' => Some("&quot;"),
            b'\t' => Some("&#x9;"),
            b'\n' => Some("&#xA;"),
            b'\r' => Some("&#xD;"),
            _ => None,
        });
        self.octets.push(b'"');
    }

    fn escaped(&mut self, text: &str, escape: impl Fn(u8) -> Option<&'static str>) {
        let mut rest = text.as_bytes();
        // Nearly all texts hold nothing special, and looking at all octets alike takes a fraction of looking for the first.
        let special = |octet: &u8| *octet < b' ' || matches!(*octet, b'&' | b'<' | b'>' | b'"');
        if !rest.iter().fold(false, |any, octet| any | special(octet)) {
            self.octets.extend_from_slice(rest);
            return;
        }
        while let Some(at) = rest.iter().position(|byte| escape(*byte).is_some()) {
            let (plain, tail) = rest.split_at(at);
            self.octets.extend_from_slice(plain);
            if let Some((special, tail)) = tail.split_first() {
                self.octets.extend_from_slice(escape(*special).unwrap_or_default().as_bytes());
                rest = tail;
            }
        }
        self.octets.extend_from_slice(rest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::QName;

    fn check(element: &Element, expected: &str) {
        assert_eq!(String::from_utf8(canonical(element, &[], &[])).unwrap(), expected);
    }

    #[test]
    fn exclusive_canonicalization_renders_what_names_use() {
        let a = |local: &str| Element::new("a", QName::new("urn:a", local));
        check(&a("r"), "<a:r xmlns:a=\"urn:a\"></a:r>");
        check(&a("r").leaf("x", "1 < 2 & \r\n"), "<a:r xmlns:a=\"urn:a\"><a:x>1 &lt; 2 &amp; &#xD;\n</a:x></a:r>");
        check(&a("r").child(Element::new("", QName::new("", "x"))), "<a:r xmlns:a=\"urn:a\"><x></x></a:r>");
        check(
            &Element::new("", QName::new("urn:a", "r")).child(Element::new("", QName::new("", "x"))),
            "<r xmlns=\"urn:a\"><x xmlns=\"\"></x></r>",
        );
        check(
            &a("r").with("z", "\"\t").with("b", "2").declare("u", "urn:unused"),
            "<a:r xmlns:a=\"urn:a\" b=\"2\" z=\"&quot;&#x9;\"></a:r>",
        );
        assert_eq!(document(&a("r").declare("u", "urn:u")), b"<a:r xmlns:a=\"urn:a\" xmlns:u=\"urn:u\"></a:r>");
        let listed = a("r").declare("u", "urn:u");
        assert_eq!(canonical(&listed, &[], &["u"]), b"<a:r xmlns:a=\"urn:a\" xmlns:u=\"urn:u\"></a:r>");
    }
}
