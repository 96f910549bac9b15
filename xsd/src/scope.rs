//! Namespace declarations in scope, and what names in content stand for.

use crate::chars;
use crate::tree::{Element, QName};
use std::sync::Arc;

/// The namespace that the prefix `xml` always stands for.
pub const XML_NAMESPACE: &str = "http://www.w3.org/XML/1998/namespace";
/// The namespace of declarations; no name can be in it.
pub(crate) const XMLNS_NAMESPACE: &str = "http://www.w3.org/2000/xmlns/";

/// The namespace declarations in scope.
#[derive(Clone, Debug)]
pub struct Scope {
    bindings: Vec<(Arc<str>, Arc<str>)>,
    marks: Vec<usize>,
    none: Arc<str>,
    xml: Arc<str>,
}

impl Default for Scope {
    fn default() -> Self {
        Self { bindings: Vec::new(), marks: Vec::new(), none: "".into(), xml: XML_NAMESPACE.into() }
    }
}

impl Scope {
    /// The scope inside `element`: what it and the elements around it declare.
    pub fn enter_element(&mut self, element: &Element) {
        self.enter();
        self.bindings.extend(element.namespaces().iter().cloned());
    }

    /// Opens a scope that declares nothing yet.
    pub(crate) fn enter(&mut self) {
        self.marks.push(self.bindings.len());
    }

    /// The declarations in scope that no inner one hides, the innermost first.
    pub fn bindings(&self) -> impl Iterator<Item = (&Arc<str>, &Arc<str>)> {
        let inner = |at: usize| self.bindings.get(at + 1..).unwrap_or_default();
        let hidden = move |at: usize, prefix: &Arc<str>| inner(at).iter().any(|(later, _)| later == prefix);
        let all = self.bindings.iter().enumerate().rev();
        all.filter(move |(at, (prefix, _))| !hidden(*at, prefix)).map(|(_, (prefix, namespace))| (prefix, namespace))
    }

    /// Leaves the scope entered last.
    pub fn leave(&mut self) {
        self.bindings.truncate(self.marks.pop().unwrap_or_default());
    }

    /// Declares a prefix in the innermost scope; false if that scope has declared it already.
    pub(crate) fn declare(&mut self, prefix: Arc<str>, namespace: Arc<str>) -> bool {
        let fresh = self.innermost().iter().all(|(declared, _)| *declared != prefix);
        self.bindings.push((prefix, namespace));
        fresh
    }

    /// As new, in the same memory.
    pub(crate) fn clear(&mut self) {
        self.bindings.clear();
        self.marks.clear();
    }

    /// What the innermost scope declares itself.
    pub(crate) fn innermost(&self) -> &[(Arc<str>, Arc<str>)] {
        self.bindings.get(self.marks.last().copied().unwrap_or_default()..).unwrap_or_default()
    }

    pub(crate) fn len(&self) -> usize {
        self.bindings.len()
    }

    /// The namespace of a prefix; for the empty prefix the default namespace, which is the empty one where none is declared.
    /// `None`: the prefix is not declared.
    #[must_use]
    pub fn namespace(&self, prefix: &str) -> Option<&Arc<str>> {
        if prefix == "xml" {
            return Some(&self.xml);
        }
        match self.bindings.iter().rev().find(|(declared, _)| **declared == *prefix) {
            Some((_, namespace)) => Some(namespace),
            None => prefix.is_empty().then_some(&self.none),
        }
    }

    /// A prefix that stands for a namespace here; empty for the default namespace and for no namespace.
    pub(crate) fn prefix_of(&self, namespace: &str) -> Option<&str> {
        if namespace.is_empty() {
            return Some("");
        }
        let mut bound = self.bindings.iter().rev().filter(|(_, bound)| **bound == *namespace).map(|(prefix, _)| &**prefix);
        bound.find(|prefix| self.namespace(prefix).is_some_and(|now| **now == *namespace))
    }

    /// A qualified name in content (xs:QName: the default namespace applies). `None`: no name, or a prefix that is not declared.
    #[must_use]
    pub fn qname(&self, text: &str) -> Option<QName> {
        self.expanded(text).map(|(namespace, local)| QName::new(Arc::clone(namespace), local))
    }

    /// The namespace and the local part of a qualified name in content.
    pub(crate) fn expanded<'t>(&self, text: &'t str) -> Option<(&Arc<str>, &'t str)> {
        let (prefix, local) = chars::split_qname(chars::trim(text))?;
        self.namespace(prefix).map(|namespace| (namespace, local))
    }
}

/// Why a declaration is refused (Namespaces in XML 1.0 §2.2, §3).
pub(crate) fn forbidden(prefix: &str, namespace: &str, relative: bool) -> Option<&'static str> {
    let absolute = namespace.split_once(':').is_some_and(|(scheme, _)| {
        let mut bytes = scheme.bytes();
        bytes.next().is_some_and(|first| first.is_ascii_alphabetic())
            && bytes.all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'))
    });
    match (prefix, namespace) {
        ("xml", XML_NAMESPACE) => None,
        ("xml", _) => Some("the prefix xml cannot be bound to another namespace"),
        ("xmlns", _) => Some("the prefix xmlns cannot be declared"),
        (_, XML_NAMESPACE | XMLNS_NAMESPACE) => Some("this namespace has its own prefix"),
        ("", "") => None,
        (_, "") => Some("only the default namespace can be undeclared"),
        _ if !absolute && !relative => Some("a namespace name is an absolute URI"),
        _ => None,
    }
}
