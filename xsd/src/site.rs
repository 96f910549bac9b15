//! Where in a document the validator is: what it asks of an event of the reader and of a tree alike.

use crate::event::{Event, Name};
use crate::scope::Scope;
use crate::tree::{Element, Place, QName};
use std::collections::HashMap;

/// The innermost open element and those around it. Depths count from 1.
pub trait Site {
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
    /// The numbers of the names of the attributes of the element that starts.
    fn attribute_numbers(&self) -> impl Iterator<Item = usize>;
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

    #[inline]
    fn attribute_numbers(&self) -> impl Iterator<Item = usize> {
        Event::attribute_numbers(*self)
    }

    fn attributes(&self) -> impl ExactSizeIterator<Item = (Name<'_>, &str)> {
        Event::attributes(*self)
    }
}

/// A walk over a tree.
#[derive(Default)]
pub(crate) struct Walk<'e> {
    open: Vec<(&'e Element, usize)>,
    attributes: Vec<usize>,
    scope: Scope,
    numbers: HashMap<&'e QName, usize>,
}

impl<'e> Walk<'e> {
    pub(crate) fn enter(&mut self, element: &'e Element) {
        self.scope.enter_element(element);
        let number = self.numbered(element.name());
        self.attributes.clear();
        for attribute in element.attributes() {
            let number = self.numbered(&attribute.name);
            self.attributes.push(number);
        }
        self.open.push((element, number));
    }

    pub(crate) fn leave(&mut self) {
        self.scope.leave();
        self.open.pop();
    }

    fn numbered(&mut self, name: &'e QName) -> usize {
        let fresh = self.numbers.len();
        *self.numbers.entry(name).or_insert(fresh)
    }
}

fn named(element: &Element, number: usize) -> Name<'_> {
    let name = element.name();
    Name { namespace: name.namespace(), local: name.local(), prefix: element.prefix(), number }
}

impl Site for Walk<'_> {
    fn number(&self) -> usize {
        self.open.last().map_or(0, |(_, number)| *number)
    }

    fn name(&self) -> Name<'_> {
        self.name_at(self.open.len()).unwrap_or(Name { namespace: "", local: "", prefix: "", number: 0 })
    }

    fn name_at(&self, depth: usize) -> Option<Name<'_>> {
        depth.checked_sub(1).and_then(|at| self.open.get(at)).map(|(element, number)| named(element, *number))
    }

    fn place_at(&self, depth: usize) -> Place {
        depth.checked_sub(1).and_then(|at| self.open.get(at)).map(|(element, _)| element.place()).unwrap_or_default()
    }

    fn scope(&self) -> &Scope {
        &self.scope
    }

    fn attribute_numbers(&self) -> impl Iterator<Item = usize> {
        self.attributes.iter().copied()
    }

    fn attributes(&self) -> impl ExactSizeIterator<Item = (Name<'_>, &str)> {
        let attributes = self.open.last().map(|(element, _)| element.attributes()).unwrap_or_default();
        attributes.iter().zip(&self.attributes).map(|(attribute, number)| {
            let name = &attribute.name;
            let name = Name { namespace: name.namespace(), local: name.local(), prefix: &attribute.prefix, number: *number };
            (name, attribute.value.as_str())
        })
    }
}
