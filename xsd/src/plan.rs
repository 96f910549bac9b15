//! What the validator asks of a schema at every element, in numbers: made once for a graph, each type when it is first met.

use crate::automaton::Table;
use crate::schema::{AttributeId, Content, ElementId, Kind, Schemas, TypeId, Use, XSI_NAMESPACE};
use crate::simple::Identity;
use crate::tree::QName;
use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

/// The numbers of the names that every document may use. 0 is a name that no schema has.
pub(crate) const XSI_TYPE: usize = 1;
pub(crate) const XSI_NIL: usize = 2;
pub(crate) const XSI_LAST: usize = 4;
const XSI_NAMES: [&str; XSI_LAST] = ["type", "nil", "schemaLocation", "noNamespaceSchemaLocation"];

/// The numbers of a graph's names, and its types by them.
#[derive(Debug)]
pub(crate) struct Plan {
    /// In order, and not by hashes: names are short, and so a handful of comparisons is the faster of the two.
    names: BTreeMap<Arc<str>, BTreeMap<Arc<str>, usize>>,
    count: usize,
    elements: Vec<Option<ElementId>>,
    attributes: Vec<Option<AttributeId>>,
    named: Vec<Option<TypeId>>,
    types: Vec<OnceLock<TypePlan>>,
}

/// A complex type by numbers.
#[derive(Debug, Default)]
pub(crate) struct TypePlan {
    /// For each attribute use the number of its name.
    pub(crate) uses: Vec<usize>,
    /// The bits of the uses that must stand; of the 129th and later ones there are none.
    pub(crate) required: u128,
    /// Whether an attribute that is left out has a value that is an ID or refers to one.
    pub(crate) implied: bool,
    /// The content model, if it is one that has a table.
    pub(crate) table: Option<Table>,
}

impl Plan {
    pub(crate) fn new(schemas: &Schemas) -> Self {
        let types = schemas.types.iter().map(|_| OnceLock::new()).collect();
        let mut plan = Self { names: BTreeMap::new(), count: 1, elements: Vec::new(), attributes: Vec::new(), named: Vec::new(), types };
        XSI_NAMES.iter().for_each(|name| plan.learn(&QName::new(XSI_NAMESPACE, *name)));
        schemas.elements.iter().for_each(|noun| plan.learn(&noun.name));
        schemas.attributes.iter().for_each(|noun| plan.learn(&noun.name));
        schemas.global_types.keys().for_each(|name| plan.learn(name));
        plan.elements = vec![None; plan.count];
        plan.named = vec![None; plan.count];
        plan.attributes = vec![None; plan.count];
        for (name, id) in &schemas.global_elements {
            let number = plan.number(name.namespace(), name.local());
            plan.elements.get_mut(number).into_iter().for_each(|slot| *slot = Some(*id));
        }
        for (name, id) in &schemas.global_attributes {
            let number = plan.number(name.namespace(), name.local());
            plan.attributes.get_mut(number).into_iter().for_each(|slot| *slot = Some(*id));
        }
        for (name, id) in &schemas.global_types {
            let number = plan.number(name.namespace(), name.local());
            plan.named.get_mut(number).into_iter().for_each(|slot| *slot = Some(*id));
        }
        plan
    }

    fn learn(&mut self, name: &QName) {
        if self.number(name.namespace(), name.local()) == 0 {
            self.names.entry(name.namespace().into()).or_default().insert(name.local().into(), self.count);
            self.count += 1;
        }
    }

    /// The number of a name; 0 for one that no schema has.
    pub(crate) fn number(&self, namespace: &str, local: &str) -> usize {
        self.names.get(namespace).and_then(|locals| locals.get(local)).copied().unwrap_or_default()
    }

    /// The global element declaration of a name.
    pub(crate) fn element(&self, number: usize) -> Option<ElementId> {
        self.elements.get(number).copied().flatten()
    }

    /// The global attribute declaration of a name.
    pub(crate) fn attribute(&self, number: usize) -> Option<AttributeId> {
        self.attributes.get(number).copied().flatten()
    }

    /// The global type definition of a name.
    pub(crate) fn definition(&self, namespace: &str, local: &str) -> Option<TypeId> {
        self.named.get(self.number(namespace, local)).copied().flatten()
    }

    pub(crate) fn of(&self, schemas: &Schemas, id: TypeId) -> Option<&TypePlan> {
        self.types.get(id).map(|slot| slot.get_or_init(|| self.make(schemas, id)))
    }

    fn make(&self, schemas: &Schemas, id: TypeId) -> TypePlan {
        let Some(Kind::Complex(complex)) = schemas.types.get(id).map(|noun| &noun.kind) else { return TypePlan::default() };
        let named = |name: &QName| self.number(name.namespace(), name.local());
        let uses = complex.attributes.iter().map(|used| schemas.attributes.get(used.attribute).map_or(0, |noun| named(&noun.name)));
        let required = complex.attributes.iter().take(128).enumerate().fold(0, |bits, (at, used)| bits | u128::from(used.required) << at);
        let is_implied = |used: &Use| {
            let Some(noun) = schemas.attributes.get(used.attribute) else { return false };
            let valued = [&used.default, &used.fixed, &noun.default, &noun.fixed].into_iter().any(Option::is_some);
            valued && schemas.simple(noun.definition).is_some_and(|simple| simple.identity != Identity::None)
        };
        let implied = complex.attributes.iter().any(is_implied);
        let table = match &complex.content {
            Content::Elements { model, .. } => Table::new(model, &named),
            Content::Empty | Content::Simple(_) => None,
        };
        TypePlan { uses: uses.collect(), required, implied, table }
    }
}
