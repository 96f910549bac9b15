//! The schema graph: XML Schema 1.0 components in an arena. A schema is a graph and stays one: nothing is expanded into a tree.

use crate::automaton::Model;
use crate::identity::{ConstraintId, IdentityConstraint};
use crate::plan::Plan;
use crate::scope::Scope;
use crate::simple::{Simple, Variety};
use crate::tree::{Attribute, Place, QName};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, OnceLock};

pub use crate::view::{AttributeUse, Child, Choice, ElementDecl, SimpleType, TypeDef};

/// The namespace of XML Schema.
pub const XSD_NAMESPACE: &str = "http://www.w3.org/2001/XMLSchema";
/// The namespace of `xsi:type` and `xsi:nil`.
pub const XSI_NAMESPACE: &str = "http://www.w3.org/2001/XMLSchema-instance";
/// The namespace of Semantic Annotations for WSDL and XML Schema (W3C 2007).
pub const SAWSDL_NAMESPACE: &str = "http://www.w3.org/ns/sawsdl";

pub(crate) type TypeId = usize;
pub(crate) type ElementId = usize;
pub(crate) type AttributeId = usize;

/// `xs:anyType` is the first type of every graph.
pub(crate) const ANY_TYPE: TypeId = 0;
/// `xs:anySimpleType` is the second.
pub(crate) const ANY_SIMPLE_TYPE: TypeId = 1;

/// Where a component was declared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// The file by the name it was loaded under; `xs` for what is built in.
    pub file: Arc<str>,
    /// The place in it.
    pub place: Place,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.place)
    }
}

/// What annotations say of a component: foreign attributes, as `sawsdl:modelReference`, and documentation.
#[derive(Clone, Debug, Default)]
pub(crate) struct Notes {
    pub(crate) foreign: Vec<Attribute>,
    pub(crate) documentation: Option<String>,
}

/// Part 1 §3.3: an element declaration.
#[derive(Clone, Debug)]
pub(crate) struct ElementNoun {
    pub(crate) name: QName,
    pub(crate) definition: TypeId,
    pub(crate) global: bool,
    pub(crate) nillable: bool,
    pub(crate) is_abstract: bool,
    pub(crate) default: Option<String>,
    pub(crate) fixed: Option<String>,
    /// What prefixes in these values stand for.
    pub(crate) names: Option<Arc<Scope>>,
    pub(crate) head: Option<ElementId>,
    pub(crate) block: Derivations,
    pub(crate) last: Derivations,
    /// The identity constraints that hold inside it.
    pub(crate) constraints: Vec<ConstraintId>,
    pub(crate) source: Source,
    pub(crate) notes: Notes,
}

/// A set of derivation methods, as `block` and `final` hold them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Derivations(pub(crate) u8);

impl Derivations {
    pub(crate) const EXTENSION: Self = Self(1);
    pub(crate) const RESTRICTION: Self = Self(2);
    pub(crate) const SUBSTITUTION: Self = Self(4);
    pub(crate) const LIST: Self = Self(8);
    pub(crate) const UNION: Self = Self(16);

    pub(crate) fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    pub(crate) fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// Part 1 §3.4 and §3.14: a type definition.
#[derive(Clone, Debug)]
pub(crate) struct TypeNoun {
    pub(crate) name: Option<QName>,
    pub(crate) base: TypeId,
    pub(crate) method: Derivations,
    pub(crate) is_abstract: bool,
    pub(crate) block: Derivations,
    pub(crate) last: Derivations,
    /// What it is depends on a document that was not found: it takes any content.
    pub(crate) opaque: bool,
    pub(crate) kind: Kind,
    pub(crate) source: Source,
    pub(crate) notes: Notes,
}

#[derive(Clone, Debug)]
pub(crate) enum Kind {
    Simple(Box<Simple>),
    Complex(Complex),
}

impl Default for Kind {
    fn default() -> Self {
        Self::Complex(Complex::default())
    }
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Complex {
    pub(crate) attributes: Vec<Use>,
    pub(crate) any_attribute: Option<Wildcard>,
    pub(crate) content: Content,
}

/// The content type of a complex type.
#[derive(Clone, Debug, Default)]
pub(crate) enum Content {
    #[default]
    Empty,
    Simple(TypeId),
    Elements {
        mixed: bool,
        particle: Particle,
        model: Arc<Model>,
    },
}

/// Part 1 §3.5: an attribute use.
#[derive(Clone, Debug)]
pub(crate) struct Use {
    pub(crate) attribute: AttributeId,
    pub(crate) required: bool,
    pub(crate) default: Option<String>,
    pub(crate) fixed: Option<String>,
    pub(crate) names: Option<Arc<Scope>>,
}

/// Part 1 §3.2: an attribute declaration.
#[derive(Clone, Debug)]
pub(crate) struct AttributeNoun {
    pub(crate) name: QName,
    pub(crate) definition: TypeId,
    pub(crate) default: Option<String>,
    pub(crate) fixed: Option<String>,
    pub(crate) names: Option<Arc<Scope>>,
    pub(crate) source: Source,
    pub(crate) notes: Notes,
}

/// Part 1 §3.9: a particle. `max` is `None` for unbounded.
#[derive(Clone, Debug)]
pub(crate) struct Particle {
    pub(crate) min: u32,
    pub(crate) max: Option<u32>,
    pub(crate) term: Term,
    pub(crate) source: Source,
}

#[derive(Clone, Debug)]
pub(crate) enum Term {
    Element(ElementId),
    Any(Wildcard),
    Sequence(Vec<Particle>),
    Choice(Vec<Particle>),
    All(Vec<Particle>),
}

impl Particle {
    /// How many particles it consists of.
    pub(crate) fn weight(&self) -> usize {
        match &self.term {
            Term::Element(_) | Term::Any(_) => 1,
            Term::Sequence(inner) | Term::Choice(inner) | Term::All(inner) => 1 + inner.iter().map(Self::weight).sum::<usize>(),
        }
    }
}

/// Part 1 §3.10: a wildcard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wildcard {
    pub(crate) namespaces: Namespaces,
    pub(crate) process: Process,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Namespaces {
    Any,
    /// Every namespace but this one and none.
    Not(Arc<str>),
    /// These; the empty one is no namespace.
    These(Vec<Arc<str>>),
}

/// In the order of strictness.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Process {
    Skip,
    Lax,
    Strict,
}

impl Wildcard {
    /// Part 1 §3.10.4.
    pub(crate) fn allows(&self, namespace: &str) -> bool {
        match &self.namespaces {
            Namespaces::Any => true,
            Namespaces::Not(other) => !namespace.is_empty() && **other != *namespace,
            Namespaces::These(list) => list.iter().any(|listed| **listed == *namespace),
        }
    }
}

/// A set of schemas, resolved and checked: the only thing that makes [`crate::validate::Valid`].
#[derive(Clone, Debug, Default)]
pub struct Schemas {
    pub(crate) elements: Vec<ElementNoun>,
    pub(crate) types: Vec<TypeNoun>,
    pub(crate) attributes: Vec<AttributeNoun>,
    pub(crate) global_elements: BTreeMap<QName, ElementId>,
    pub(crate) global_types: BTreeMap<QName, TypeId>,
    pub(crate) global_attributes: BTreeMap<QName, AttributeId>,
    /// For each head of a substitution group all its members, itself left out.
    pub(crate) members: BTreeMap<ElementId, Vec<ElementId>>,
    pub(crate) constraints: Vec<IdentityConstraint>,
    /// The notations that are declared: values of `xs:NOTATION`.
    pub(crate) notations: BTreeSet<QName>,
    /// Made by the first validation.
    pub(crate) plan: OnceLock<Arc<Plan>>,
}

impl Schemas {
    /// The global element declarations, in the order of their names.
    pub fn elements(&self) -> impl Iterator<Item = ElementDecl<'_>> {
        self.global_elements.values().map(|id| ElementDecl { schemas: self, id: *id })
    }

    /// A global element declaration.
    #[must_use]
    pub fn element(&self, name: &QName) -> Option<ElementDecl<'_>> {
        self.global_elements.get(name).map(|id| ElementDecl { schemas: self, id: *id })
    }

    /// A global type definition, built-in ones included.
    #[must_use]
    pub fn type_named(&self, name: &QName) -> Option<TypeDef<'_>> {
        self.global_types.get(name).map(|id| TypeDef { schemas: self, id: *id })
    }

    /// The named type definitions that documents declare, in the order of their names.
    pub fn types(&self) -> impl Iterator<Item = TypeDef<'_>> {
        self.global_types.iter().filter(|(name, _)| name.namespace() != XSD_NAMESPACE).map(|(_, id)| TypeDef { schemas: self, id: *id })
    }

    pub(crate) fn plan(&self) -> &Plan {
        self.plan.get_or_init(|| Arc::new(Plan::new(self)))
    }

    pub(crate) fn simple(&self, id: TypeId) -> Option<&Simple> {
        match &self.types.get(id)?.kind {
            Kind::Simple(simple) => Some(simple),
            Kind::Complex(_) => None,
        }
    }

    /// The type itself, its base, and so on up to `anyType`.
    pub(crate) fn chain(&self, id: TypeId) -> impl Iterator<Item = (TypeId, &TypeNoun)> {
        let mut next = Some(id);
        std::iter::from_fn(move || {
            let id = next?;
            let noun = self.types.get(id)?;
            next = (id != ANY_TYPE).then_some(noun.base);
            Some((id, noun))
        })
    }

    /// Part 1 §3.4.6, §3.14.6 (cos-ct-derived-ok, cos-st-derived-ok) with nothing blocked: also from a union's member.
    pub(crate) fn derives(&self, id: TypeId, from: TypeId) -> bool {
        if self.chain(id).any(|(ancestor, _)| ancestor == from) {
            return true;
        }
        match self.simple(from).map(|simple| &simple.variety) {
            // A member's values are the union's only where no facet of the union narrows them.
            Some(Variety::Union(members)) if !self.simple(from).is_some_and(Simple::is_narrowed) => {
                members.iter().any(|member| self.derives(id, *member))
            }
            _ => false,
        }
    }

    /// The methods used on the way from `id` up to `from`.
    pub(crate) fn methods(&self, id: TypeId, from: TypeId) -> Derivations {
        self.chain(id)
            .take_while(|(ancestor, _)| *ancestor != from)
            .fold(Derivations::default(), |methods, (_, noun)| methods.and(noun.method))
    }
}
