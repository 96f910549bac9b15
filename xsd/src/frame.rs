//! What the validator knows of an open element.

use crate::automaton::{At, Cursor, Model, Table};
use crate::schema::{ANY_TYPE, ElementId, ElementNoun, TypeId};
use crate::simple::{Identity, Lexical, Simple, Variety};
use crate::value::Primitive;

/// An open element.
pub(crate) struct Frame<'s> {
    /// Its number among the siblings of its name, from 1; 0 beyond what is counted.
    pub(crate) ordinal: u32,
    pub(crate) counts: usize,
    pub(crate) text: usize,
    pub(crate) element: Option<(ElementId, &'s ElementNoun)>,
    pub(crate) definition: Option<TypeId>,
    pub(crate) content: Expect<'s>,
    pub(crate) nil: bool,
}

impl Frame<'_> {
    /// Whether its text must be one value. An opaque type says nothing of values.
    pub(crate) fn is_fixed(&self) -> bool {
        self.element.is_some_and(|(_, noun)| noun.fixed.is_some())
            && (!matches!(self.content, Expect::Lax) || self.definition == Some(ANY_TYPE))
    }
}

/// What an open element may contain.
pub(crate) enum Expect<'s> {
    /// Not looked at.
    Skip,
    /// No declaration is known: children are checked if they have one.
    Lax,
    Empty,
    /// Text; `any` says that every text will do.
    Simple {
        simple: &'s Simple,
        any: bool,
    },
    Elements {
        mixed: bool,
        model: &'s Model,
        way: Way<'s>,
        /// A child was wrong: what follows cannot be told from its consequences.
        broken: bool,
    },
}

/// How a content model is followed.
pub(crate) enum Way<'s> {
    Table(&'s Table, At),
    Model(Box<Cursor>),
}

impl Way<'_> {
    pub(crate) fn accepts(&self, model: &Model) -> bool {
        match self {
            Self::Table(table, at) => table.accepts(at),
            Self::Model(cursor) => model.accepts(cursor),
        }
    }

    pub(crate) fn cursor(&self) -> Cursor {
        match self {
            Self::Table(table, at) => table.cursor(at),
            Self::Model(cursor) => Cursor::clone(cursor),
        }
    }
}

/// Whether every text is a value of the type.
pub(crate) fn is_any(simple: &Simple) -> bool {
    let facets = &simple.facets;
    matches!(simple.variety, Variety::Atomic(Primitive::String | Primitive::AnySimpleType))
        && simple.lexical == Lexical::Plain
        && simple.identity == Identity::None
        && facets.patterns.is_empty()
        && facets.enumeration.is_none()
        && facets.length.or(facets.min_length).or(facets.max_length).is_none()
}
