//! An element together with the namespace declarations in scope there, for names that stand in values.

use std::sync::Arc;
use xsd::tree::{Element, Place, QName};

/// An element and its scope, innermost declaration last.
#[derive(Clone)]
pub(crate) struct Cursor<'a> {
    pub(crate) element: &'a Element,
    scope: Vec<(Arc<str>, Arc<str>)>,
}

impl<'a> Cursor<'a> {
    pub(crate) fn root(element: &'a Element) -> Self {
        Self { element, scope: element.namespaces().to_vec() }
    }

    fn step(&self, child: &'a Element) -> Self {
        let mut scope = self.scope.clone();
        scope.extend(child.namespaces().iter().cloned());
        Self { element: child, scope }
    }

    /// The child elements of this name.
    pub(crate) fn all(&self, namespace: &'static str, local: &'static str) -> impl Iterator<Item = Self> {
        self.element.all(namespace, local).map(|child| self.step(child))
    }

    pub(crate) fn first(&self, namespace: &'static str, local: &'static str) -> Option<Self> {
        self.all(namespace, local).next()
    }

    /// The child of this local name in the namespace of either SOAP binding.
    pub(crate) fn soap(&self, local: &'static str) -> Option<Self> {
        self.first(crate::SOAP11, local).or_else(|| self.first(crate::SOAP12, local))
    }

    pub(crate) fn attribute(&self, local: &str) -> Option<&'a str> {
        self.element.attribute("", local)
    }

    pub(crate) fn place(&self) -> Place {
        self.element.place()
    }

    /// The name that a QName-valued attribute holds.
    pub(crate) fn qname(&self, attribute: &str) -> Option<QName> {
        let text = self.attribute(attribute)?.trim();
        let (prefix, local) = text.split_once(':').unwrap_or(("", text));
        let declared = self.scope.iter().rev().find(|(declared, _)| **declared == *prefix);
        match declared {
            Some((_, namespace)) => Some(QName::new(Arc::clone(namespace), local)),
            None => prefix.is_empty().then(|| QName::new("", local)),
        }
    }
}
