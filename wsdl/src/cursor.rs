//! An element together with its document and the namespace declarations in scope there, for names that stand in values.

use std::sync::Arc;
use xsd::tree::{Element, Place, QName};

/// An element, its document's name and its scope, innermost declaration last.
#[derive(Clone)]
pub(crate) struct Cursor<'a> {
    pub(crate) file: &'a str,
    pub(crate) element: &'a Element,
    scope: Vec<(Arc<str>, Arc<str>)>,
}

impl<'a> Cursor<'a> {
    pub(crate) fn root(file: &'a str, element: &'a Element) -> Self {
        Self { file, element, scope: element.namespaces().to_vec() }
    }

    fn step(&self, child: &'a Element) -> Self {
        let mut scope = self.scope.clone();
        scope.extend(child.namespaces().iter().cloned());
        Self { file: self.file, element: child, scope }
    }

    /// The child elements.
    pub(crate) fn children(&self) -> impl Iterator<Item = Self> {
        self.element.elements().map(|child| self.step(child))
    }

    /// The child elements of this name.
    pub(crate) fn all(&self, namespace: &'static str, local: &'static str) -> impl Iterator<Item = Self> {
        self.element.all(namespace, local).map(|child| self.step(child))
    }

    pub(crate) fn first(&self, namespace: &'static str, local: &'static str) -> Option<Self> {
        self.all(namespace, local).next()
    }

    /// The children of this local name in the namespace of either SOAP binding.
    pub(crate) fn soaps(&self, local: &'static str) -> Vec<Self> {
        self.all(crate::SOAP11, local).chain(self.all(crate::SOAP12, local)).collect()
    }

    /// The first of [`Self::soaps`].
    pub(crate) fn soap(&self, local: &'static str) -> Option<Self> {
        self.soaps(local).into_iter().next()
    }

    pub(crate) fn attribute(&self, local: &str) -> Option<&'a str> {
        self.element.attribute("", local)
    }

    /// The attribute `name`; empty where there is none.
    pub(crate) fn name(&self) -> &'a str {
        self.attribute("name").unwrap_or_default()
    }

    pub(crate) fn place(&self) -> Place {
        self.element.place()
    }

    /// The declarations in scope, innermost last.
    pub(crate) fn scope(&self) -> &[(Arc<str>, Arc<str>)] {
        &self.scope
    }

    /// The name that a QName-valued attribute holds; a prefix that is not declared stands for no namespace.
    pub(crate) fn qname(&self, attribute: &str) -> Option<QName> {
        let text = self.attribute(attribute)?.trim();
        let (prefix, local) = text.split_once(':').unwrap_or(("", text));
        let declared = self.scope.iter().rev().find(|(declared, _)| **declared == *prefix);
        let namespace = declared.map_or_else(|| "".into(), |(_, namespace)| Arc::clone(namespace));
        Some(QName::new(namespace, local))
    }
}
