//! Where in a document the validator is: what it asks of an event of the reader and of a tree alike.

use crate::event::{Event, Name};
use crate::scope::Scope;
use crate::tree::{Element, Place, QName};
use std::borrow::Borrow;
use std::collections::HashMap;

/// The innermost open element and those around it. Depths count from 1.
pub(crate) trait Site {
    /// The number of the innermost element's name: the same name has the same in one document.
    fn number(&self) -> usize;
    /// The name of the innermost element.
    fn name(&self) -> Name<'_>;
    /// The name of an open element.
    fn name_at(&self, depth: usize) -> Option<Name<'_>>;
    /// Where an open element starts.
    fn place_at(&self, depth: usize) -> Place;
    /// What prefixes stand for.
    fn scope(&self) -> &Scope;
    /// The attributes of the element that starts.
    fn attributes(&self) -> impl ExactSizeIterator<Item = (Name<'_>, &str)>;
}

impl Site for Event<'_> {
    #[inline]
    fn number(&self) -> usize {
        Event::number(*self)
    }

    fn name(&self) -> Name<'_> {
        Event::name(*self)
    }

    fn name_at(&self, depth: usize) -> Option<Name<'_>> {
        Event::name_at(*self, depth)
    }

    fn place_at(&self, depth: usize) -> Place {
        Event::place_at(*self, depth)
    }

    fn scope(&self) -> &Scope {
        Event::scope(*self)
    }

    fn attributes(&self) -> impl ExactSizeIterator<Item = (Name<'_>, &str)> {
        Event::attributes(*self)
    }
}

/// A walk over a tree, or over start tags that are given one by one.
pub(crate) struct Walk<E> {
    open: Vec<(E, usize)>,
    attributes: Vec<usize>,
    scope: Scope,
    numbers: HashMap<QName, usize>,
}

impl<E> Default for Walk<E> {
    fn default() -> Self {
        Self { open: Vec::new(), attributes: Vec::new(), scope: Scope::default(), numbers: HashMap::new() }
    }
}

impl<E: Borrow<Element>> Walk<E> {
    pub(crate) fn enter(&mut self, element: E) {
        let tag = element.borrow();
        self.scope.enter_element(tag);
        let number = self.numbered(tag.name());
        self.attributes.clear();
        for attribute in tag.attributes() {
            let number = self.numbered(&attribute.name);
            self.attributes.push(number);
        }
        self.open.push((element, number));
    }

    pub(crate) fn leave(&mut self) {
        self.scope.leave();
        self.open.pop();
    }

    fn numbered(&mut self, name: &QName) -> usize {
        if let Some(known) = self.numbers.get(name) {
            return *known;
        }
        let fresh = self.numbers.len();
        self.numbers.insert(name.clone(), fresh);
        fresh
    }
}

fn named(element: &Element, number: usize) -> Name<'_> {
    let name = element.name();
    Name { namespace: name.namespace(), local: name.local(), prefix: element.prefix(), number }
}

impl<E: Borrow<Element>> Site for Walk<E> {
    fn number(&self) -> usize {
        self.open.last().map_or(0, |(_, number)| *number)
    }

    fn name(&self) -> Name<'_> {
        self.name_at(self.open.len()).unwrap_or(Name { namespace: "", local: "", prefix: "", number: 0 })
    }

    fn name_at(&self, depth: usize) -> Option<Name<'_>> {
        depth.checked_sub(1).and_then(|at| self.open.get(at)).map(|(element, number)| named(element.borrow(), *number))
    }

    fn place_at(&self, depth: usize) -> Place {
        depth.checked_sub(1).and_then(|at| self.open.get(at)).map(|(element, _)| element.borrow().place()).unwrap_or_default()
    }

    fn scope(&self) -> &Scope {
        &self.scope
    }

    fn attributes(&self) -> impl ExactSizeIterator<Item = (Name<'_>, &str)> {
        let attributes = self.open.last().map(|(element, _)| element.borrow().attributes()).unwrap_or_default();
        attributes.iter().zip(&self.attributes).map(|(attribute, number)| {
            let name = &attribute.name;
            let name = Name { namespace: name.namespace(), local: name.local(), prefix: &attribute.prefix, number: *number };
            (name, attribute.value.as_str())
        })
    }
}
