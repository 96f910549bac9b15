//! The tree of one document: names, attributes, children, and where each element stood in the bytes.

use std::fmt;
use std::sync::Arc;

/// A name with its namespace; the empty namespace is "no namespace".
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QName {
    namespace: Arc<str>,
    local: Arc<str>,
}

impl QName {
    /// A name in a namespace.
    #[must_use]
    pub fn new(namespace: impl Into<Arc<str>>, local: impl Into<Arc<str>>) -> Self {
        Self { namespace: namespace.into(), local: local.into() }
    }

    /// The namespace; empty for none.
    #[must_use]
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The local part.
    #[must_use]
    pub fn local(&self) -> &str {
        &self.local
    }

    /// Whether this is `local` in `namespace`.
    #[must_use]
    pub fn is(&self, namespace: &str, local: &str) -> bool {
        *self.namespace == *namespace && *self.local == *local
    }
}

impl fmt::Display for QName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.namespace.is_empty() { f.write_str(&self.local) } else { write!(f, "{{{}}}{}", self.namespace, self.local) }
    }
}

/// Where a construct starts in the decoded text of its document: line and column count from 1 (column in characters).
/// The default, line 0, is the place of a tree that was built and not read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// An attribute. Namespace declarations are not attributes here, see [`Element::namespaces`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attribute {
    /// The name.
    pub name: QName,
    /// The prefix as written; empty for an attribute without namespace.
    pub prefix: Arc<str>,
    /// The value, after XML 1.0 §3.3.3 normalisation for CDATA attributes.
    pub value: String,
}

/// What an element contains, in document order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Node {
    /// A child element.
    Element(Element),
    /// Character data, CDATA and references resolved; two texts never stand side by side.
    Text(String),
    /// A comment: kept so that the security layer can refuse it, never written.
    Comment,
    /// A processing instruction.
    Instruction {
        /// Its target.
        target: String,
        /// What follows the target and its white space.
        data: String,
    },
}

/// An element with its attributes and content. Equality ignores the place and the declarations.
#[derive(Clone, Debug)]
pub struct Element {
    name: QName,
    prefix: Arc<str>,
    namespaces: Vec<(Arc<str>, Arc<str>)>,
    attributes: Vec<Attribute>,
    children: Vec<Node>,
    place: Place,
}

impl PartialEq for Element {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && self.attributes == other.attributes && self.children == other.children
    }
}

impl Eq for Element {}

impl Element {
    /// An empty element. `prefix` is what the writer will use for its namespace.
    #[must_use]
    pub fn new(prefix: impl Into<Arc<str>>, name: QName) -> Self {
        Self { name, prefix: prefix.into(), namespaces: Vec::new(), attributes: Vec::new(), children: Vec::new(), place: Place::default() }
    }

    /// An empty element of the same namespace and prefix as this one.
    #[must_use]
    pub fn sibling(&self, local: &str) -> Self {
        Self::new(Arc::clone(&self.prefix), QName { namespace: Arc::clone(&self.name.namespace), local: local.into() })
    }

    /// Adds an attribute without namespace.
    #[must_use]
    pub fn with(mut self, local: &str, value: impl Into<String>) -> Self {
        self.set_attribute(Attribute { name: QName::new("", local), prefix: "".into(), value: value.into() });
        self
    }

    /// Adds a child element.
    #[must_use]
    pub fn child(mut self, child: Self) -> Self {
        self.push(child);
        self
    }

    /// Adds a child of the same namespace and prefix that holds only text.
    #[must_use]
    pub fn leaf(mut self, local: &str, text: impl AsRef<str>) -> Self {
        let leaf = self.sibling(local).text(text);
        self.push(leaf);
        self
    }

    /// Adds character data.
    #[must_use]
    pub fn text(mut self, text: impl AsRef<str>) -> Self {
        self.push_text(text.as_ref());
        self
    }

    /// Declares a namespace here, beside those that names need: for prefixes used in content.
    #[must_use]
    pub fn declare(mut self, prefix: impl Into<Arc<str>>, namespace: impl Into<Arc<str>>) -> Self {
        self.push_namespace(prefix.into(), namespace.into());
        self
    }

    /// Records a declaration `xmlns:prefix="namespace"` (`prefix` empty for the default namespace).
    pub fn push_namespace(&mut self, prefix: Arc<str>, namespace: Arc<str>) {
        self.namespaces.push((prefix, namespace));
    }

    /// Sets an attribute, replacing one of the same name.
    pub fn set_attribute(&mut self, attribute: Attribute) {
        match self.attributes.iter_mut().find(|old| old.name == attribute.name) {
            Some(old) => *old = attribute,
            None => self.attributes.push(attribute),
        }
    }

    /// Replaces all attributes; their names must differ.
    pub(crate) fn replace_attributes(&mut self, attributes: Vec<Attribute>) {
        self.attributes = attributes;
    }

    /// Appends a child element.
    pub fn push(&mut self, child: Self) {
        self.children.push(Node::Element(child));
    }

    /// Appends character data, joining it to a text that ends the content.
    pub fn push_text(&mut self, text: &str) {
        if text.is_empty() {
            return;
        }
        match self.children.last_mut() {
            Some(Node::Text(last)) => last.push_str(text),
            _ => self.children.push(Node::Text(text.to_owned())),
        }
    }

    /// Appends any node; text is joined as in [`Element::push_text`].
    pub fn push_node(&mut self, node: Node) {
        match node {
            Node::Text(text) => self.push_text(&text),
            other => self.children.push(other),
        }
    }

    /// Says where the element started.
    pub fn set_place(&mut self, place: Place) {
        self.place = place;
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &QName {
        &self.name
    }

    /// The prefix as written; empty for the default namespace.
    #[must_use]
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The declarations that stand on this element, (prefix, namespace), in document order.
    #[must_use]
    pub fn namespaces(&self) -> &[(Arc<str>, Arc<str>)] {
        &self.namespaces
    }

    /// The attributes, in document order.
    #[must_use]
    pub fn attributes(&self) -> &[Attribute] {
        &self.attributes
    }

    /// The value of an attribute; `namespace` is empty for an unqualified one.
    #[must_use]
    pub fn attribute(&self, namespace: &str, local: &str) -> Option<&str> {
        self.attributes.iter().find(|attribute| attribute.name.is(namespace, local)).map(|attribute| attribute.value.as_str())
    }

    /// The content.
    #[must_use]
    pub fn children(&self) -> &[Node] {
        &self.children
    }

    /// The content, to change it.
    pub fn children_mut(&mut self) -> &mut Vec<Node> {
        &mut self.children
    }

    /// The attributes and the content, taken out of it.
    pub(crate) fn take(&mut self) -> (Vec<Attribute>, Vec<Node>) {
        (std::mem::take(&mut self.attributes), std::mem::take(&mut self.children))
    }

    /// The child elements.
    pub fn elements(&self) -> impl Iterator<Item = &Self> {
        self.children.iter().filter_map(|node| match node {
            Node::Element(element) => Some(element),
            _ => None,
        })
    }

    /// The first child element of this name.
    #[must_use]
    pub fn first(&self, namespace: &str, local: &str) -> Option<&Self> {
        self.elements().find(|element| element.name.is(namespace, local))
    }

    /// All child elements of this name.
    pub fn all<'a>(&'a self, namespace: &'a str, local: &'a str) -> impl Iterator<Item = &'a Self> {
        self.elements().filter(move |element| element.name.is(namespace, local))
    }

    /// The character data that stands directly in this element, comments and instructions left out.
    #[must_use]
    pub fn string(&self) -> String {
        self.children
            .iter()
            .filter_map(|node| match node {
                Node::Text(text) => Some(text.as_str()),
                _ => None,
            })
            .collect()
    }

    /// Where the element started.
    #[must_use]
    pub fn place(&self) -> Place {
        self.place
    }
}
