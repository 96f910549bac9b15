//! What a consumer of a document sees of it: one event at a time, with the names, values and declarations that it stands among.

use crate::scope::Scope;
use crate::token::{Core, Open};
use crate::tree::{Attribute, Element, Node, Place, QName};
use std::fmt;

pub use crate::token::Kind;

/// One event, while it is the reader's last. It is a handle: copying it copies nothing of the document.
#[derive(Clone, Copy)]
pub struct Event<'r> {
    kind: Kind,
    core: &'r Core,
    text: &'r str,
}

/// A name as it stands in a document and as it is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Name<'r> {
    /// The namespace; empty for none.
    pub namespace: &'r str,
    /// The local part.
    pub local: &'r str,
    /// The prefix as written; empty for none.
    pub prefix: &'r str,
    /// The number of (namespace, local part) in its reader: the same as long as that lives, from 0, without large gaps.
    pub number: usize,
}

impl Name<'_> {
    /// Whether this is `local` in `namespace`.
    #[must_use]
    pub fn is(&self, namespace: &str, local: &str) -> bool {
        self.local == local && self.namespace == namespace
    }
}

/// As it stands in the document.
impl fmt::Display for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.prefix.is_empty() { f.write_str(self.local) } else { write!(f, "{}:{}", self.prefix, self.local) }
    }
}

impl<'r> Event<'r> {
    pub(crate) fn new(kind: Kind, core: &'r Core, text: &'r str) -> Self {
        Self { kind, core, text }
    }

    /// What it is.
    #[must_use]
    #[inline]
    pub fn kind(self) -> Kind {
        self.kind
    }

    /// Elements that are open, the one that starts or ends here included.
    #[must_use]
    #[inline]
    pub fn depth(self) -> usize {
        self.core.open.len()
    }

    fn open(self, depth: usize) -> Option<&'r Open> {
        depth.checked_sub(1).and_then(|at| self.core.open.get(at))
    }

    /// The name of the open element at a depth, from 1; at [`Event::depth`] of the one that starts or ends here, or that this text
    /// stands in. `None`: there is none.
    #[must_use]
    pub fn name_at(self, depth: usize) -> Option<Name<'r>> {
        self.open(depth).map(|open| self.named(open.name, open.number))
    }

    /// Where the open element at a depth starts.
    #[must_use]
    pub fn place_at(self, depth: usize) -> Place {
        self.open(depth).map(|open| self.core.place_of(self.text, open)).unwrap_or_default()
    }

    /// The name of the innermost open element; outside the root one without anything.
    #[must_use]
    #[inline]
    pub fn name(self) -> Name<'r> {
        match self.core.open.last() {
            Some(open) => self.named(open.name, open.number),
            None => self.named(0, 0),
        }
    }

    /// The number of [`Event::name`].
    #[must_use]
    #[inline]
    pub fn number(self) -> usize {
        self.core.open.last().map_or(0, |open| open.number)
    }

    fn named(self, entry: usize, number: usize) -> Name<'r> {
        let names = &self.core.names;
        let (namespace, local) = names.expanded(number);
        Name { namespace, local, prefix: names.raw(names.parts(entry).0), number }
    }

    /// Where the innermost open element starts.
    #[must_use]
    pub fn place(self) -> Place {
        self.core.open.last().map(|open| self.core.place_of(self.text, open)).unwrap_or_default()
    }

    /// What prefixes stand for here.
    #[must_use]
    pub fn scope(self) -> &'r Scope {
        &self.core.scope
    }

    pub(crate) fn attribute_numbers(self) -> impl Iterator<Item = usize> {
        let pairs = if self.kind == Kind::Start { self.core.pairs.as_slice() } else { &[] };
        pairs.iter().map(|pair| pair.number)
    }

    /// The attributes of a start tag in the order of the document; declarations are none.
    pub fn attributes(self) -> impl ExactSizeIterator<Item = (Name<'r>, &'r str)> {
        let pairs = if self.kind == Kind::Start { self.core.pairs.as_slice() } else { &[] };
        pairs.iter().map(move |pair| {
            let values = if pair.changed { self.core.values.as_str() } else { self.text };
            (self.named(pair.name, pair.number), values.get(pair.value.clone()).unwrap_or_default())
        })
    }

    /// The value of an attribute of a start tag; `namespace` is empty for an unqualified one.
    #[must_use]
    pub fn attribute(self, namespace: &str, local: &str) -> Option<&'r str> {
        self.attributes().find(|(name, _)| name.is(namespace, local)).map(|(_, value)| value)
    }

    /// The character data of a text; a very long one of a document that is read in parts comes in several events.
    #[must_use]
    #[inline]
    pub fn text(self) -> &'r str {
        match self.kind {
            Kind::Text if self.core.joined.is_empty() => self.text.get(self.core.run.clone()).unwrap_or_default(),
            Kind::Text => &self.core.joined,
            _ => "",
        }
    }

    /// Target and data of an instruction; nothing of anything else.
    #[must_use]
    pub fn instruction(self) -> (&'r str, &'r str) {
        let slice = |span: &std::ops::Range<usize>| self.text.get(span.clone()).unwrap_or_default();
        match self.kind {
            Kind::Instruction => (slice(&self.core.target), slice(&self.core.data)),
            _ => ("", ""),
        }
    }

    /// The innermost open element with its name, place and declarations, and if it starts here its attributes, without content.
    #[must_use]
    pub fn element(self) -> Element {
        let Some(open) = self.core.open.last() else { return Element::new("", QName::new("", "")) };
        let names = &self.core.names;
        let (namespace, local) = names.shared_expanded(open.number);
        let mut element = Element::new(names.shared(names.parts(open.name).0), QName::new(namespace, local));
        if open.declares > 0 {
            self.core.scope.innermost().iter().cloned().for_each(|(prefix, namespace)| element.push_namespace(prefix, namespace));
        }
        if self.kind == Kind::Start && !self.core.pairs.is_empty() {
            let pairs = self.core.pairs.iter().map(|pair| {
                let (namespace, local) = names.shared_expanded(pair.number);
                let values = if pair.changed { self.core.values.as_str() } else { self.text };
                let value = values.get(pair.value.clone()).unwrap_or_default().to_owned();
                Attribute { name: QName::new(namespace, local), prefix: names.shared(names.parts(pair.name).0), value }
            });
            element.replace_attributes(pairs.collect());
        }
        element.set_place(self.core.place_of(self.text, open));
        element
    }
}

/// Makes a tree of events: of a whole document, or of the part that it is given.
#[derive(Debug, Default)]
pub struct Builder {
    open: Vec<Element>,
}

impl Builder {
    /// Whether an element has been given whose end has not.
    #[must_use]
    pub fn is_open(&self) -> bool {
        !self.open.is_empty()
    }

    /// Takes an event. The end of the element that was given first completes it. What stands outside of an element is left out.
    pub fn take(&mut self, event: Event<'_>) -> Option<Element> {
        if event.kind() == Kind::Start {
            self.open.push(event.element());
            return None;
        }
        if event.kind() == Kind::End {
            let done = self.open.pop()?;
            let Some(parent) = self.open.last_mut() else { return Some(done) };
            parent.push(done);
            return None;
        }
        if let Some(parent) = self.open.last_mut() {
            match event.kind() {
                Kind::Text => parent.push_text(event.text()),
                Kind::Comment => parent.push_node(Node::Comment),
                _ => {
                    let (target, data) = event.instruction();
                    parent.push_node(Node::Instruction { target: target.to_owned(), data: data.to_owned() });
                }
            }
        }
        None
    }
}
