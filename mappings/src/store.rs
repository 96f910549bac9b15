//! The elements of a source document that rules still need: in the order of the document, texts in one buffer, no allocation each.

use crate::kept::Kept;
use crate::plan::{Check, Down, Select, TypeCheck};
use std::ops::Range;
use xsd::tree::{Element, Place, QName};

/// An element of the store.
pub(crate) type NodeId = usize;

/// The root.
pub(crate) const TOP: NodeId = 0;

#[derive(Debug)]
struct Node {
    /// Its way in [`Kept`].
    way: u32,
    parent: u32,
    /// Where its own part of the index starts.
    index: u32,
    /// Its neighbours among the children of its parent that came by the same way; 0 for none.
    before: u32,
    after: u32,
    attributes: u32,
    text: Range<u32>,
    place: Place,
    nil: bool,
    /// 1 + its type in the list of those that `xsi:type` named; 0 for its declared one.
    type_name: u32,
    /// 1 + what stands in it, where that is kept whole.
    whole: u32,
}

/// The elements kept.
#[derive(Debug, Default)]
pub(crate) struct Store {
    nodes: Vec<Node>,
    /// For each way its number among those of its parent, and how many lead on from it.
    ways: Vec<(u32, u32)>,
    /// For each element and each way that leads on from it the first and the last child that came by it; 0 for none.
    index: Vec<(u32, u32)>,
    /// (number among those kept of its element, value), those of each element together.
    attributes: Vec<(u32, Range<u32>)>,
    text: String,
    types: Vec<QName>,
    wholes: Vec<Element>,
    whole_octets: usize,
}

/// How much a store holds, to go back to.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Mark {
    nodes: usize,
    index: usize,
    attributes: usize,
    text: usize,
    types: usize,
    wholes: usize,
    whole_octets: usize,
}

/// Octets that an element costs beside its texts.
const NODE_OCTETS: usize = size_of::<Node>();

impl Mark {
    /// How many octets were in use.
    pub(crate) fn octets(&self) -> usize {
        self.nodes * NODE_OCTETS + self.index * 8 + self.attributes * 16 + self.text + self.whole_octets
    }
}

fn small(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

fn large(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

impl Store {
    pub(crate) fn new(kept: &Kept) -> Self {
        let ways = kept.ways().map(|way| (small(way.slot), small(way.slots))).collect();
        Self { ways, ..Self::default() }
    }

    /// Octets in use; all counts stay below 4 Gi because this is limited.
    pub(crate) fn octets(&self) -> usize {
        self.mark().octets()
    }

    pub(crate) fn mark(&self) -> Mark {
        Mark {
            nodes: self.nodes.len(),
            index: self.index.len(),
            attributes: self.attributes.len(),
            text: self.text.len(),
            types: self.types.len(),
            wholes: self.wholes.len(),
            whole_octets: self.whole_octets,
        }
    }

    /// Forgets what came after `mark`: one element with everything in it, or all.
    pub(crate) fn forget(&mut self, mark: Mark) {
        self.unlink(mark.nodes);
        self.nodes.truncate(mark.nodes);
        self.index.truncate(mark.index);
        self.attributes.truncate(mark.attributes);
        self.text.truncate(mark.text);
        self.types.truncate(mark.types);
        self.wholes.truncate(mark.wholes);
        self.whole_octets = mark.whole_octets;
    }

    pub(crate) fn open(&mut self, way: usize, parent: NodeId, place: Place) -> NodeId {
        let (at, text) = (self.nodes.len(), small(self.text.len()));
        let (_, slots) = self.ways.get(way).copied().unwrap_or_default();
        let node = Node {
            way: small(way),
            parent: small(parent),
            index: small(self.index.len()),
            before: 0,
            after: 0,
            attributes: small(self.attributes.len()),
            text: text..text,
            place,
            nil: false,
            type_name: 0,
            whole: 0,
        };
        self.nodes.push(node);
        self.index.resize(self.index.len() + large(slots), (0, 0));
        if at != TOP {
            self.link(at, parent, way);
        }
        at
    }

    fn link(&mut self, at: NodeId, parent: NodeId, way: usize) {
        let entry = self.entry(parent, way).and_then(|entry| self.index.get_mut(entry));
        let Some((first, last)) = entry else { return };
        let before = std::mem::replace(last, small(at));
        if *first == 0 {
            *first = small(at);
        }
        if let Some(node) = self.nodes.get_mut(at) {
            node.before = before;
        }
        if let Some(node) = self.nodes.get_mut(large(before)).filter(|_| before != 0) {
            node.after = small(at);
        }
    }

    fn unlink(&mut self, at: NodeId) {
        let Some((parent, way, before)) = self.nodes.get(at).map(|node| (large(node.parent), large(node.way), node.before)) else { return };
        if let Some((first, last)) = self.entry(parent, way).and_then(|entry| self.index.get_mut(entry)) {
            *last = before;
            if before == 0 {
                *first = 0;
            }
        }
        if let Some(node) = self.nodes.get_mut(large(before)) {
            node.after = 0;
        }
    }

    /// Where in the index the children of `parent` stand that came by `way`.
    fn entry(&self, parent: NodeId, way: usize) -> Option<usize> {
        let (slot, _) = self.ways.get(way)?;
        Some(large(self.nodes.get(parent)?.index) + large(*slot))
    }

    /// An attribute of the element opened last.
    pub(crate) fn attribute(&mut self, number: usize, value: &str) {
        let start = small(self.text.len());
        self.text.push_str(value);
        self.attributes.push((small(number), start..small(self.text.len())));
        let end = small(self.text.len());
        if let Some(node) = self.nodes.last_mut() {
            node.text = end..end;
        }
    }

    /// What `xsi:nil` and `xsi:type` say of the element opened last.
    pub(crate) fn nil(&mut self) {
        self.nodes.last_mut().into_iter().for_each(|node| node.nil = true);
    }

    pub(crate) fn type_name(&mut self, name: QName) {
        self.types.push(name);
        let number = small(self.types.len());
        self.nodes.last_mut().into_iter().for_each(|node| node.type_name = number);
    }

    /// Text that stands directly in an open element.
    pub(crate) fn push_text(&mut self, at: NodeId, text: &str) {
        let end = small(self.text.len());
        let Some(node) = self.nodes.get_mut(at) else { return };
        if node.text.is_empty() {
            node.text = end..end;
        } else if node.text.end != end {
            // Something stood between: what came before moves up to it.
            let before = large(node.text.start)..large(node.text.end);
            self.text.extend_from_within(before);
            node.text = end..small(self.text.len());
        }
        self.text.push_str(text);
        node.text.end = small(self.text.len());
    }

    /// Puts the whole element beside one that is kept whole.
    pub(crate) fn keep_whole(&mut self, at: NodeId, element: Element, octets: usize) {
        self.wholes.push(element);
        self.whole_octets += octets;
        let number = small(self.wholes.len());
        self.nodes.get_mut(at).into_iter().for_each(|node| node.whole = number);
    }

    pub(crate) fn whole(&self, at: NodeId) -> Option<&Element> {
        self.wholes.get(large(self.nodes.get(at)?.whole).checked_sub(1)?)
    }

    pub(crate) fn place(&self, at: NodeId) -> Place {
        self.nodes.get(at).map(|node| node.place).unwrap_or_default()
    }

    pub(crate) fn is_nil(&self, at: NodeId) -> bool {
        self.nodes.get(at).is_some_and(|node| node.nil)
    }

    pub(crate) fn text(&self, at: NodeId) -> &str {
        self.nodes.get(at).map_or("", |node| self.slice(&node.text))
    }

    pub(crate) fn parent(&self, at: NodeId) -> NodeId {
        self.nodes.get(at).map_or(TOP, |node| large(node.parent))
    }

    pub(crate) fn value(&self, at: NodeId, attribute: usize) -> Option<&str> {
        let start = large(self.nodes.get(at)?.attributes);
        let end = self.nodes.get(at + 1).map_or(self.attributes.len(), |next| large(next.attributes));
        let own = self.attributes.get(start..end)?;
        own.iter().find(|(number, _)| large(*number) == attribute).map(|(_, value)| self.slice(value))
    }

    fn slice(&self, range: &Range<u32>) -> &str {
        self.text.get(large(range.start)..large(range.end)).unwrap_or_default()
    }

    /// The children that came by this way, in the order of the document.
    pub(crate) fn children(&self, parent: NodeId, way: usize) -> impl Iterator<Item = NodeId> {
        let mut next = self.entry(parent, way).and_then(|entry| self.index.get(entry)).map_or(0, |(first, _)| *first);
        std::iter::from_fn(move || {
            let at = large(next);
            let node = self.nodes.get(at).filter(|_| at != TOP)?;
            next = node.after;
            Some(at)
        })
    }

    /// Calls `visit` with each element that `select` leads to from `focus`, until it returns false.
    pub(crate) fn select(&self, select: &Select, focus: NodeId, visit: &mut dyn FnMut(NodeId) -> bool) {
        let start = (0..select.up).fold(focus, |at, _| self.parent(at));
        self.down(&select.down, start, visit);
    }

    fn down(&self, steps: &[Down], from: NodeId, visit: &mut dyn FnMut(NodeId) -> bool) -> bool {
        let Some((step, rest)) = steps.split_first() else { return visit(from) };
        for (at, child) in self.children(from, step.to).enumerate() {
            if step.checks.iter().all(|check| self.passes(check, at, child)) && !self.down(rest, child, visit) {
                return false;
            }
        }
        true
    }

    /// The first element that `select` leads to, and whether there are more.
    pub(crate) fn one(&self, select: &Select, focus: NodeId) -> (Option<NodeId>, Option<NodeId>) {
        let (mut first, mut second) = (None, None);
        self.select(select, focus, &mut |found| {
            if first.is_none() {
                first = Some(found);
            } else {
                second = Some(found);
            }
            second.is_none()
        });
        (first, second)
    }

    /// The text or the attribute that `select` leads to where it leads to one element; absent attributes have their default.
    pub(crate) fn read<'s>(&'s self, select: &'s Select, at: NodeId) -> Option<&'s str> {
        let default = select.declared_default.as_deref();
        match select.attribute {
            Some(attribute) => self.value(at, attribute).or(default),
            None => Some(default.filter(|_| self.text(at).is_empty()).unwrap_or_else(|| self.text(at))),
        }
    }

    /// `at` is the element's number among its siblings of the name, from 0.
    pub(crate) fn passes(&self, check: &Check, at: usize, node: NodeId) -> bool {
        match check {
            Check::Position(position) => at + 1 == *position,
            Check::Attribute(attribute, value, default) => self.value(node, *attribute).map_or(*default, |found| found == value),
            Check::Child(way, value, default) => self.children(node, *way).any(|child| {
                let text = self.text(child);
                text == value || *default && text.is_empty()
            }),
            Check::Type(check) => self.has_type(check, node),
        }
    }

    /// Whether `xsi:type` stands anywhere in what is kept.
    pub(crate) fn has_types(&self) -> bool {
        !self.types.is_empty()
    }

    /// Whether the element's own type, as xsi:type or its declaration gives it, is one of those checked for.
    pub(crate) fn has_type(&self, check: &TypeCheck, at: NodeId) -> bool {
        let number = self.nodes.get(at).map_or(0, |node| node.type_name);
        match large(number).checked_sub(1).and_then(|number| self.types.get(number)) {
            Some(name) => check.named.contains(name),
            None => check.declared,
        }
    }
}
