//! A target document under construction: written in the order of the rules, held in the order of the content model.

use crate::plan::{Names, Slot};
use crate::witness::Traced;
use std::ops::Range;
use std::sync::Arc;
use xsd::event::Name;
use xsd::scope::Scope;
use xsd::tree::{Attribute, Element, Node, Place};
use xsd::validate::{Site, Validator};
use xsd::write::Pieces;

/// An element of the document.
pub(crate) type OutId = usize;

/// The rule that made an element, and where the source stood.
pub(crate) type Origin = (Place, Place);

const NONE: usize = usize::MAX;

#[derive(Debug)]
struct Made {
    name: usize,
    /// Its place among its siblings in the content model.
    rank: usize,
    first: OutId,
    last: OutId,
    next: OutId,
    attribute: usize,
    text: Range<usize>,
    text_origin: Origin,
    /// Made on the way to others: rules that name it share it.
    shared: bool,
    /// Content that was taken over as it stood.
    content: usize,
    origin: Origin,
}

#[derive(Debug)]
struct Value {
    name: usize,
    text: Range<usize>,
    next: usize,
    origin: Origin,
}

/// The document.
#[derive(Debug, Default)]
pub(crate) struct Out {
    nodes: Vec<Made>,
    values: Vec<Value>,
    text: String,
    contents: Vec<Element>,
}

impl Out {
    /// Forgets everything and starts a document.
    pub(crate) fn start(&mut self, root: &Slot, origin: Origin) -> OutId {
        self.nodes.clear();
        self.values.clear();
        self.text.clear();
        self.contents.clear();
        self.make(root, origin)
    }

    /// An element that stands nowhere yet.
    pub(crate) fn make(&mut self, slot: &Slot, origin: Origin) -> OutId {
        let (name, rank) = (slot.number, slot.rank);
        let node = Made {
            name,
            rank,
            first: NONE,
            last: NONE,
            next: NONE,
            attribute: NONE,
            text: 0..0,
            text_origin: origin,
            shared: false,
            content: NONE,
            origin,
        };
        self.nodes.push(node);
        self.nodes.len() - 1
    }

    /// Where the next text starts.
    pub(crate) fn mark(&self) -> usize {
        self.text.len()
    }

    pub(crate) fn push(&mut self, text: &str) {
        self.text.push_str(text);
    }

    pub(crate) fn set_text(&mut self, at: OutId, text: Range<usize>, origin: Origin) {
        self.link(at, |node| (node.text, node.text_origin) = (text, origin));
    }

    /// Sets an attribute, replacing one of the same name.
    pub(crate) fn set_attribute(&mut self, at: OutId, name: usize, text: Range<usize>, origin: Origin) {
        let Some(node) = self.nodes.get_mut(at) else { return };
        let mut next = node.attribute;
        while let Some(value) = self.values.get_mut(next) {
            if value.name == name {
                (value.text, value.origin) = (text, origin);
                return;
            }
            next = value.next;
        }
        self.values.push(Value { name, text, next: node.attribute, origin });
        node.attribute = self.values.len() - 1;
    }

    /// Takes the attributes and the content of `element` over.
    pub(crate) fn set_content(&mut self, at: OutId, mut element: Element) {
        placed(&mut element, number_of(at));
        self.contents.push(element);
        let number = self.contents.len() - 1;
        self.nodes.get_mut(at).into_iter().for_each(|node| node.content = number);
    }

    /// Puts an element among the children of `parent`, behind those of its rank.
    pub(crate) fn attach(&mut self, parent: OutId, child: OutId) {
        let rank = self.rank(child);
        let Some((first, last)) = self.nodes.get(parent).map(|node| (node.first, node.last)) else { return };
        if first == NONE {
            self.link(parent, |node| (node.first, node.last) = (child, child));
        } else if self.rank(last) <= rank {
            self.link(last, |node| node.next = child);
            self.link(parent, |node| node.last = child);
        } else if self.rank(first) > rank {
            self.link(child, |node| node.next = first);
            self.link(parent, |node| node.first = child);
        } else {
            let mut before = first;
            while let Some(next) = self.nodes.get(before).map(|node| node.next).filter(|next| self.rank(*next) <= rank) {
                before = next;
            }
            let after = self.nodes.get(before).map_or(NONE, |node| node.next);
            self.link(child, |node| node.next = after);
            self.link(before, |node| node.next = child);
        }
    }

    fn rank(&self, at: OutId) -> usize {
        self.nodes.get(at).map_or(usize::MAX, |node| node.rank)
    }

    fn link(&mut self, at: OutId, change: impl FnOnce(&mut Made)) {
        if let Some(node) = self.nodes.get_mut(at) {
            change(node);
        }
    }

    /// The element that a path leads to; elements on the way are shared by the rules that name them.
    pub(crate) fn through(&mut self, from: OutId, path: &[Slot], origin: Origin) -> OutId {
        let mut at = from;
        for slot in path {
            let (mut found, mut next) = (None, self.nodes.get(at).map_or(NONE, |node| node.first));
            while let Some(child) = self.nodes.get(next) {
                if child.shared && child.name == slot.number {
                    found = Some(next);
                }
                next = child.next;
            }
            at = found.unwrap_or_else(|| {
                let made = self.make(slot, origin);
                self.link(made, |node| node.shared = true);
                self.attach(at, made);
                made
            });
        }
        at
    }

    pub(crate) fn is_bare(&self, at: OutId) -> bool {
        self.nodes.get(at).is_none_or(|node| node.first == NONE && node.attribute == NONE && node.text.is_empty() && node.content == NONE)
    }

    /// The element by its number in the order of the document, counted from 1: its origin.
    pub(crate) fn origin(&self, place: Place) -> Option<Origin> {
        let number = usize::try_from(place.line).ok()?.checked_sub(1)?;
        self.nodes.get(number).map(|node| node.origin)
    }

    fn slice(&self, range: &Range<usize>) -> &str {
        self.text.get(range.clone()).unwrap_or_default()
    }

    /// The attributes of an element in the order of the canonical form.
    fn attributes<'o>(&'o self, at: OutId, names: &'o Names) -> Vec<(&'o crate::plan::Written, &'o str)> {
        let mut next = self.nodes.get(at).map_or(NONE, |node| node.attribute);
        let mut found = Vec::new();
        while let Some(value) = self.values.get(next) {
            found.extend(names.get(value.name).map(|name| (name, self.slice(&value.text))));
            next = value.next;
        }
        found.sort_by(|(left, _), (right, _)| left.name.cmp(&right.name));
        found
    }

    fn children(&self, at: OutId) -> impl Iterator<Item = OutId> {
        let mut next = self.nodes.get(at).map_or(NONE, |node| node.first);
        std::iter::from_fn(move || {
            let at = next;
            next = self.nodes.get(at)?.next;
            Some(at)
        })
    }

    /// Each text and attribute of the document, with where it comes from.
    pub(crate) fn trace(&self, at: OutId, names: &Names, path: &str, into: &mut Vec<Traced>) {
        let Some((node, name)) = self.nodes.get(at).and_then(|node| Some((node, names.get(node.name)?))) else { return };
        let path = format!("{path}/{}", name.text);
        let traced = |path: String, value: &str, (rule, source): Origin| Traced { path, value: value.to_owned(), rule, source };
        let mut next = node.attribute;
        let first = into.len();
        while let Some(value) = self.values.get(next) {
            let name = names.get(value.name).map_or("", |name| &name.text);
            into.insert(first, traced(format!("{path}/@{name}"), self.slice(&value.text), value.origin));
            next = value.next;
        }
        if !node.text.is_empty() {
            into.push(traced(path.clone(), self.slice(&node.text), node.text_origin));
        }
        if let Some(content) = self.contents.get(node.content) {
            into.push(traced(path.clone(), &content.string(), node.origin));
        }
        self.children(at).for_each(|child| self.trace(child, names, &path, into));
    }

    /// A start tag. Its line is its number among the elements made.
    fn tag(&self, at: OutId, names: &Names) -> Option<(Element, &Made)> {
        let node = self.nodes.get(at)?;
        let name = names.get(node.name)?;
        let mut element = Element::new(Arc::clone(&name.prefix), name.name.clone());
        element.set_place(number_of(at));
        for (name, value) in self.attributes(at, names) {
            element.set_attribute(Attribute { name: name.name.clone(), prefix: Arc::clone(&name.prefix), value: value.to_owned() });
        }
        if let Some(content) = self.contents.get(node.content) {
            content.namespaces().iter().for_each(|(prefix, namespace)| element.push_namespace(Arc::clone(prefix), Arc::clone(namespace)));
            content.attributes().iter().for_each(|attribute| element.set_attribute(attribute.clone()));
        }
        Some((element, node))
    }

    /// The document as a tree.
    pub(crate) fn element(&self, at: OutId, names: &Names) -> Option<Element> {
        let (mut element, node) = self.tag(at, names)?;
        element.push_text(self.slice(&node.text));
        for child in self.children(at) {
            element.push(self.element(child, names)?);
        }
        if let Some(content) = self.contents.get(node.content) {
            content.children().iter().for_each(|node| element.push_node(node.clone()));
        }
        Some(element)
    }

    /// Feeds the document to a validator.
    pub(crate) fn feed(&self, root: OutId, names: &Names, scope: &Scope, validator: &mut Validator<'_>) {
        let mut walk = Walk { out: self, names, scope, open: Vec::new(), attributes: Vec::new() };
        walk.feed(root, validator);
    }

    /// Whether some of it was taken over as it stood.
    pub(crate) fn has_foreign(&self) -> bool {
        !self.contents.is_empty()
    }

    /// Writes the document's canonical octets. What was taken over as it stood needs [`Out::element`].
    pub(crate) fn write<'o>(&'o self, at: OutId, names: &'o Names, bound: &mut Bound<'o>, pieces: &mut Pieces) {
        let Some((node, name)) = self.nodes.get(at).and_then(|node| Some((node, names.get(node.name)?))) else { return };
        let before = bound.0.len();
        pieces.begin(&name.text);
        bound.declare(&name.prefix, name.name.namespace());
        let attributes = if node.attribute == NONE { Vec::new() } else { self.attributes(at, names) };
        for (attribute, _) in attributes.iter().filter(|(attribute, _)| !attribute.prefix.is_empty()) {
            bound.declare(&attribute.prefix, attribute.name.namespace());
        }
        if bound.0.len() > before {
            bound.write(before, pieces);
        }
        for (attribute, value) in attributes {
            pieces.attribute(&attribute.text, value);
        }
        pieces.content();
        pieces.text(self.slice(&node.text));
        self.children(at).for_each(|child| self.write(child, names, bound, pieces));
        pieces.close(&name.text);
        bound.0.truncate(before);
    }
}

/// Where in a document a validator is that looks at it. Numbers of names are those of the plan: they are the same for every document.
struct Walk<'o> {
    out: &'o Out,
    names: &'o Names,
    /// Nothing that is written declares more than its names use.
    scope: &'o Scope,
    open: Vec<OutId>,
    attributes: Vec<usize>,
}

impl Walk<'_> {
    fn feed(&mut self, at: OutId, validator: &mut Validator<'_>) {
        let Some(node) = self.out.nodes.get(at) else { return };
        self.open.push(at);
        self.attributes.clear();
        let mut next = node.attribute;
        while let Some(value) = self.out.values.get(next) {
            self.attributes.push(next);
            next = value.next;
        }
        validator.start(self);
        let text = self.out.slice(&node.text);
        if !text.is_empty() {
            validator.text(self, text);
        }
        let mut next = node.first;
        while let Some(child) = self.out.nodes.get(next) {
            self.feed(next, validator);
            next = child.next;
        }
        validator.end(self);
        self.open.pop();
    }

    fn named(&self, number: usize) -> Name<'_> {
        let Some(known) = self.names.get(number) else { return Name { namespace: "", local: "", prefix: "", number } };
        Name { namespace: known.name.namespace(), local: known.name.local(), prefix: &known.prefix, number }
    }
}

impl Site for Walk<'_> {
    #[inline]
    fn number(&self) -> usize {
        self.open.last().and_then(|at| self.out.nodes.get(*at)).map_or(usize::MAX, |node| node.name)
    }

    fn name(&self) -> Name<'_> {
        self.named(self.number())
    }

    fn name_at(&self, depth: usize) -> Option<Name<'_>> {
        let at = depth.checked_sub(1).and_then(|at| self.open.get(at))?;
        self.out.nodes.get(*at).map(|node| self.named(node.name))
    }

    fn place_at(&self, depth: usize) -> Place {
        depth.checked_sub(1).and_then(|at| self.open.get(at)).map(|at| number_of(*at)).unwrap_or_default()
    }

    fn scope(&self) -> &Scope {
        self.scope
    }

    fn attribute_numbers(&self) -> impl Iterator<Item = usize> {
        self.attributes.iter().map(|at| self.out.values.get(*at).map_or(usize::MAX, |value| value.name))
    }

    fn attributes(&self) -> impl ExactSizeIterator<Item = (Name<'_>, &str)> {
        self.attributes.iter().map(|at| match self.out.values.get(*at) {
            Some(value) => (self.named(value.name), self.out.slice(&value.text)),
            None => (self.named(usize::MAX), ""),
        })
    }
}

/// The number of an element made, as a place. Whoever finds fault with it can say where it comes from: see [`Out::origin`].
fn number_of(at: OutId) -> Place {
    Place { line: u32::try_from(at + 1).unwrap_or(u32::MAX), column: 0 }
}

/// What is taken over is at fault where the rule is that took it.
fn placed(element: &mut Element, place: Place) {
    element.set_place(place);
    for node in element.children_mut() {
        if let Node::Element(child) = node {
            placed(child, place);
        }
    }
}

/// The declarations that stand around the place where a document is written.
#[derive(Debug, Default)]
pub(crate) struct Bound<'o>(Vec<(&'o str, &'o str)>);

impl<'o> Bound<'o> {
    fn declare(&mut self, prefix: &'o str, namespace: &'o str) {
        let stands = self.0.iter().rev().find(|(bound, _)| *bound == prefix).map_or("", |(_, namespace)| namespace);
        if stands != namespace && prefix != "xml" {
            self.0.push((prefix, namespace));
        }
    }

    /// In the order of the canonical form.
    fn write(&mut self, from: usize, pieces: &mut Pieces) {
        let mut fresh: Vec<(&str, &str)> = self.0.get(from..).unwrap_or_default().to_vec();
        fresh.sort_unstable();
        for (prefix, namespace) in fresh {
            pieces.declaration(prefix, namespace);
        }
    }
}
