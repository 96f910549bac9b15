//! The read-only view of the schema graph that other crates compile against.
//!
//! Handles ([`ElementDecl`], [`TypeDef`], …) are an id and a borrow of [`Schemas`]; two handles are equal when they mean the same
//! component of the same graph.

use crate::schema::{
    ANY_TYPE, AttributeNoun, Complex, Content, ElementId, ElementNoun, Kind, Notes, Particle, SAWSDL_NAMESPACE, Schemas, Source, Term,
    TypeId, TypeNoun, Use,
};
use crate::simple::{Facets, Failure, Identity, Simple, Variety};
use crate::tree::{Attribute, QName};
use crate::value::Primitive;
use std::fmt;

macro_rules! handle {
    ($name:ident) => {
        impl PartialEq for $name<'_> {
            fn eq(&self, other: &Self) -> bool {
                self.id == other.id && std::ptr::eq(self.schemas, other.schemas)
            }
        }

        impl Eq for $name<'_> {}

        impl std::hash::Hash for $name<'_> {
            fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
                self.id.hash(state);
            }
        }

        impl fmt::Debug for $name<'_> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.id)
            }
        }
    };
}

/// An element declaration (part 1 §3.3).
#[derive(Clone, Copy)]
pub struct ElementDecl<'s> {
    pub(crate) schemas: &'s Schemas,
    pub(crate) id: ElementId,
}

handle!(ElementDecl);

/// The graph's own ids index its own arena: each is made where the component is pushed.
#[expect(clippy::indexing_slicing, reason = "ids are made by pushing to this very arena, which never shrinks")]
impl<'s> ElementDecl<'s> {
    fn noun(&self) -> &'s ElementNoun {
        &self.schemas.elements[self.id]
    }

    /// The name; a local declaration of unqualified form has no namespace.
    #[must_use]
    pub fn name(&self) -> &'s QName {
        &self.noun().name
    }

    /// The type that content has unless `xsi:type` says otherwise.
    #[must_use]
    pub fn type_definition(&self) -> TypeDef<'s> {
        TypeDef { schemas: self.schemas, id: self.noun().definition }
    }

    /// Whether it stands directly under a schema.
    #[must_use]
    pub fn is_global(&self) -> bool {
        self.noun().global
    }

    /// Whether `xsi:nil="true"` may stand.
    #[must_use]
    pub fn is_nillable(&self) -> bool {
        self.noun().nillable
    }

    /// Whether only members of its substitution group may stand.
    #[must_use]
    pub fn is_abstract(&self) -> bool {
        self.noun().is_abstract
    }

    /// What an empty element means.
    #[must_use]
    pub fn default(&self) -> Option<&'s str> {
        self.noun().default.as_deref()
    }

    /// The only value it may have.
    #[must_use]
    pub fn fixed(&self) -> Option<&'s str> {
        self.noun().fixed.as_deref()
    }

    /// The members of its substitution group that may stand for it, abstract ones left out, itself left out.
    #[must_use]
    pub fn substitutes(&self) -> Vec<Self> {
        let members = self.schemas.members.get(&self.id).map(Vec::as_slice).unwrap_or_default();
        members.iter().map(|id| Self { schemas: self.schemas, id: *id }).filter(|member| !member.is_abstract()).collect()
    }

    /// Where it is declared.
    #[must_use]
    pub fn source(&self) -> &'s Source {
        &self.noun().source
    }

    /// Attributes of other namespaces that stand on the declaration.
    #[must_use]
    pub fn annotations(&self) -> &'s [Attribute] {
        &self.noun().notes.foreign
    }

    /// The URIs of `sawsdl:modelReference`.
    #[must_use]
    pub fn model_references(&self) -> Vec<&'s str> {
        model_references(&self.noun().notes)
    }

    /// The URIs of `sawsdl:liftingSchemaMapping`: the mappings from such an element into something that is understood.
    #[must_use]
    pub fn lifting_mappings(&self) -> Vec<&'s str> {
        annotated(&self.noun().notes, "liftingSchemaMapping")
    }

    /// The text of its first `xs:documentation`.
    #[must_use]
    pub fn documentation(&self) -> Option<&'s str> {
        self.noun().notes.documentation.as_deref()
    }
}

fn model_references(notes: &Notes) -> Vec<&str> {
    annotated(notes, "modelReference")
}

/// SAWSDL (W3C 2007) §4: a list of URIs.
fn annotated<'n>(notes: &'n Notes, name: &str) -> Vec<&'n str> {
    let found = notes.foreign.iter().find(|attribute| attribute.name.is(SAWSDL_NAMESPACE, name));
    found.map(|attribute| attribute.value.split_ascii_whitespace().collect()).unwrap_or_default()
}

/// A type definition, simple or complex (part 1 §3.4, §3.14).
#[derive(Clone, Copy)]
pub struct TypeDef<'s> {
    pub(crate) schemas: &'s Schemas,
    pub(crate) id: TypeId,
}

handle!(TypeDef);

#[expect(clippy::indexing_slicing, reason = "ids are made by pushing to this very arena, which never shrinks")]
impl<'s> TypeDef<'s> {
    fn noun(&self) -> &'s TypeNoun {
        &self.schemas.types[self.id]
    }

    fn complex(&self) -> Option<&'s Complex> {
        match &self.noun().kind {
            Kind::Complex(complex) => Some(complex),
            Kind::Simple(_) => None,
        }
    }

    /// The name; `None` for an anonymous type.
    #[must_use]
    pub fn name(&self) -> Option<&'s QName> {
        self.noun().name.as_ref()
    }

    /// Whether it is a simple type.
    #[must_use]
    pub fn is_simple(&self) -> bool {
        self.complex().is_none()
    }

    /// Whether only types derived from it may be used.
    #[must_use]
    pub fn is_abstract(&self) -> bool {
        self.noun().is_abstract
    }

    /// Whether what it is depends on a schema document that was not found ([`crate::load::Level::Compat`]): it takes any content, which can
    /// be copied or ignored, and not mapped into.
    #[must_use]
    pub fn is_opaque(&self) -> bool {
        self.noun().opaque
    }

    /// Whether text may stand between its child elements.
    #[must_use]
    pub fn is_mixed(&self) -> bool {
        matches!(self.complex().map(|complex| &complex.content), Some(Content::Elements { mixed: true, .. }))
    }

    /// The type it is derived from; `None` for `xs:anyType`.
    #[must_use]
    pub fn base(&self) -> Option<Self> {
        (self.id != ANY_TYPE).then(|| Self { schemas: self.schemas, id: self.noun().base })
    }

    /// Its base, that one's base, and so on up to `xs:anyType`.
    pub fn ancestors(&self) -> impl Iterator<Item = Self> + use<'s> {
        let schemas = self.schemas;
        schemas.chain(self.id).skip(1).map(move |(id, _)| Self { schemas, id })
    }

    /// Whether `other` is this type, one of its ancestors, or a union that has such a one as member.
    #[must_use]
    pub fn is_derived_from(&self, other: Self) -> bool {
        self.schemas.derives(self.id, other.id)
    }

    /// The types that `xsi:type` may name where this type is declared: named, derived from it, not abstract; itself included.
    #[must_use]
    pub fn concrete_types(&self) -> Vec<Self> {
        let named = self.schemas.global_types.values().map(|id| Self { schemas: self.schemas, id: *id });
        let mut found: Vec<Self> = named.filter(|named| *named != *self && !named.is_abstract() && named.is_derived_from(*self)).collect();
        if !self.is_abstract() {
            found.insert(0, *self);
        }
        found
    }

    /// The attributes, those of its bases included.
    #[must_use]
    pub fn attributes(&self) -> Vec<AttributeUse<'s>> {
        let uses = self.complex().map(|complex| complex.attributes.as_slice()).unwrap_or_default();
        uses.iter().map(|used| AttributeUse { schemas: self.schemas, used }).collect()
    }

    /// An attribute by its name; `namespace` is empty for an unqualified one.
    #[must_use]
    pub fn attribute(&self, namespace: &str, local: &str) -> Option<AttributeUse<'s>> {
        self.attributes().into_iter().find(|attribute| attribute.name().is(namespace, local))
    }

    /// Whether attributes that it does not name may stand.
    #[must_use]
    pub fn has_any_attribute(&self) -> bool {
        self.complex().is_some_and(|complex| complex.any_attribute.is_some())
    }

    /// Whether elements that it does not name may stand.
    #[must_use]
    pub fn has_any(&self) -> bool {
        fn open(particle: &Particle) -> bool {
            match &particle.term {
                Term::Element(_) => false,
                Term::Any(_) => true,
                Term::Sequence(inner) | Term::Choice(inner) | Term::All(inner) => inner.iter().any(open),
            }
        }
        matches!(self.complex().map(|complex| &complex.content), Some(Content::Elements { particle, .. }) if open(particle))
    }

    /// The element particles of its content model in document order, those of its bases included.
    #[must_use]
    pub fn children(&self) -> Vec<Child<'s>> {
        let mut children = Vec::new();
        if let Some(Content::Elements { particle, .. }) = self.complex().map(|complex| &complex.content) {
            let around = Around { min: 1, max: Some(1), choice: None };
            collect_children(self.schemas, particle, around, &mut children);
        }
        children
    }

    /// The first element particle of this name, or whose substitution group has it.
    #[must_use]
    pub fn child(&self, name: &QName) -> Option<Child<'s>> {
        let children = self.children();
        let exact = children.iter().find(|child| child.element.name() == name).copied();
        exact.or_else(|| children.iter().find(|child| child.element.substitutes().iter().any(|member| member.name() == name)).copied())
    }

    /// Puts names of children into an order that the content model accepts, as far as there is one: the result is a permutation
    /// of the indices of `names`. Equal names keep their order; a name that fits nowhere comes last. Where a repeated choice
    /// accepts any order, the order is that of the model.
    #[must_use]
    pub fn arrange(&self, names: &[&QName]) -> Vec<usize> {
        match self.complex().map(|complex| &complex.content) {
            Some(Content::Elements { model, .. }) => model.arrange(names),
            _ => (0..names.len()).collect(),
        }
    }

    /// The type of its character content: itself if it is simple, else that of its simple content. `None`: it has none.
    #[must_use]
    pub fn simple_content(&self) -> Option<SimpleType<'s>> {
        let id = match self.complex().map(|complex| &complex.content) {
            None => self.id,
            Some(Content::Simple(id)) => *id,
            Some(_) => return None,
        };
        self.schemas.simple(id).map(|simple| SimpleType { schemas: self.schemas, id, simple })
    }

    /// Where it is defined.
    #[must_use]
    pub fn source(&self) -> &'s Source {
        &self.noun().source
    }

    /// Attributes of other namespaces that stand on the definition.
    #[must_use]
    pub fn annotations(&self) -> &'s [Attribute] {
        &self.noun().notes.foreign
    }

    /// The URIs of `sawsdl:modelReference`.
    #[must_use]
    pub fn model_references(&self) -> Vec<&'s str> {
        model_references(&self.noun().notes)
    }

    /// The text of its first `xs:documentation`.
    #[must_use]
    pub fn documentation(&self) -> Option<&'s str> {
        self.noun().notes.documentation.as_deref()
    }
}

/// What the groups around a particle make of its occurrence.
#[derive(Clone, Copy)]
struct Around {
    min: u32,
    max: Option<u32>,
    choice: Option<Choice>,
}

/// Part 1 §3.9.6 (Particle Emptiable).
fn emptiable(particle: &Particle) -> bool {
    let inside = match &particle.term {
        Term::Element(_) | Term::Any(_) => false,
        Term::Sequence(particles) | Term::All(particles) => particles.iter().all(emptiable),
        Term::Choice(particles) => particles.is_empty() || particles.iter().any(emptiable),
    };
    particle.min == 0 || inside
}

fn collect_children<'s>(schemas: &'s Schemas, particle: &'s Particle, around: Around, children: &mut Vec<Child<'s>>) {
    let min = around.min.saturating_mul(particle.min);
    let max = match (around.max, particle.max) {
        (Some(0), _) | (_, Some(0)) => Some(0),
        (Some(around), Some(own)) => Some(around.saturating_mul(own)),
        _ => None,
    };
    match &particle.term {
        Term::Any(_) => {}
        Term::Element(id) => {
            children.push(Child { element: ElementDecl { schemas, id: *id }, min, max, choice: around.choice, order: children.len() });
        }
        Term::Choice(particles) => {
            let (number, several) = (children.len(), particles.len() > 1);
            let choice_min = if emptiable(particle) { 0 } else { min };
            for (alternative, particle) in particles.iter().enumerate() {
                let this = Choice { number, alternative, min: choice_min, max };
                let choice = around.choice.or_else(|| several.then_some(this));
                collect_children(schemas, particle, Around { min: if several { 0 } else { min }, max, choice }, children);
            }
        }
        Term::Sequence(particles) | Term::All(particles) => {
            particles.iter().for_each(|particle| collect_children(schemas, particle, Around { min, max, ..around }, children));
        }
    }
}

/// A choice of several in a content model, seen from one of its element particles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Choice {
    /// Tells the choices of one content model apart.
    pub number: usize,
    /// Which of its alternatives, from 0.
    pub alternative: usize,
    /// How often one must be made; 0 where the choice may be empty.
    pub min: u32,
    /// How often one may be made; `None` for unbounded.
    pub max: Option<u32>,
}

/// An element particle of a content model.
#[derive(Clone, Copy, Debug)]
pub struct Child<'s> {
    /// The declaration.
    pub element: ElementDecl<'s>,
    /// How often it must stand, the groups around it taken into account; 0 inside a choice.
    pub min: u32,
    /// How often it may stand, the groups around it taken into account; `None` for unbounded.
    pub max: Option<u32>,
    /// The outermost choice of several around it.
    pub choice: Option<Choice>,
    /// Its place among the element particles, from 0.
    pub order: usize,
}

/// An attribute of a complex type (part 1 §3.5).
#[derive(Clone, Copy)]
pub struct AttributeUse<'s> {
    schemas: &'s Schemas,
    used: &'s Use,
}

#[expect(clippy::indexing_slicing, reason = "ids are made by pushing to this very arena, which never shrinks")]
impl<'s> AttributeUse<'s> {
    fn noun(&self) -> &'s AttributeNoun {
        &self.schemas.attributes[self.used.attribute]
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &'s QName {
        &self.noun().name
    }

    /// Its simple type.
    #[must_use]
    pub fn type_definition(&self) -> TypeDef<'s> {
        TypeDef { schemas: self.schemas, id: self.noun().definition }
    }

    /// Whether it must stand.
    #[must_use]
    pub fn is_required(&self) -> bool {
        self.used.required
    }

    /// What its absence means.
    #[must_use]
    pub fn default(&self) -> Option<&'s str> {
        self.used.default.as_deref().or(self.noun().default.as_deref())
    }

    /// The only value it may have.
    #[must_use]
    pub fn fixed(&self) -> Option<&'s str> {
        self.used.fixed.as_deref().or(self.noun().fixed.as_deref())
    }

    /// Where it is declared.
    #[must_use]
    pub fn source(&self) -> &'s Source {
        &self.noun().source
    }

    /// The URIs of `sawsdl:modelReference`.
    #[must_use]
    pub fn model_references(&self) -> Vec<&'s str> {
        model_references(&self.noun().notes)
    }
}

/// A simple type as a set of values (part 2).
#[derive(Clone, Copy)]
pub struct SimpleType<'s> {
    pub(crate) schemas: &'s Schemas,
    pub(crate) id: TypeId,
    pub(crate) simple: &'s Simple,
}

handle!(SimpleType);

impl<'s> SimpleType<'s> {
    /// The type definition.
    #[must_use]
    pub fn definition(&self) -> TypeDef<'s> {
        TypeDef { schemas: self.schemas, id: self.id }
    }

    /// The primitive it is derived from; `None` for a list or a union.
    #[must_use]
    pub fn primitive(&self) -> Option<Primitive> {
        match self.simple.variety {
            Variety::Atomic(primitive) => Some(primitive),
            Variety::List(_) | Variety::Union(_) => None,
        }
    }

    /// The type of a list's items; `None` if it is no list.
    #[must_use]
    pub fn item(&self) -> Option<Self> {
        match self.simple.variety {
            Variety::List(id) => self.schemas.simple(id).map(|simple| Self { schemas: self.schemas, id, simple }),
            _ => None,
        }
    }

    /// The members of a union; empty if it is none.
    #[must_use]
    pub fn members(&self) -> Vec<Self> {
        let Variety::Union(members) = &self.simple.variety else { return Vec::new() };
        members.iter().filter_map(|id| self.schemas.simple(*id).map(|simple| Self { schemas: self.schemas, id: *id, simple })).collect()
    }

    /// The enumerated values as written, of this type or the nearest base that has some. `None`: not enumerated.
    #[must_use]
    pub fn enumeration(&self) -> Option<Vec<&'s str>> {
        self.simple.facets.enumeration.as_ref().map(|values| values.iter().map(|value| value.lexical.as_str()).collect())
    }

    /// The facets, those of its bases merged in.
    #[must_use]
    pub fn facets(&self) -> &'s Facets {
        &self.simple.facets
    }

    /// Whether its values are `xs:ID` or references to them.
    #[must_use]
    pub fn is_identity(&self) -> bool {
        self.simple.identity != Identity::None
    }

    /// Whether two texts mean the same value of this type, as `1.0` and `1` do of `xs:decimal`; what is no value of it is compared as it is.
    #[must_use]
    pub fn equals(&self, left: &str, right: &str) -> bool {
        let value = |text| self.simple.value(self.schemas, text, None);
        match (value(left), value(right)) {
            (Ok(left), Ok(right)) => left.equals(&right),
            _ => left == right,
        }
    }

    /// Checks a lexical value, white space processed as the type asks. Names may have no prefix here.
    ///
    /// # Errors
    /// The rule of part 2 and what is wrong.
    pub fn check(&self, lexical: &str) -> Result<(), Failure> {
        self.simple.check(self.schemas, lexical, None)
    }
}
