//! What can only be said once every component is known: substitution groups, content models, value constraints.

use super::Defect;
use super::components::{Compiler, DEPTH_MAX};
use crate::automaton::{EDGES_MAX, Model, TOO_LARGE_HELP};
use crate::schema::{ANY_TYPE, AttributeId, Complex, Content, Derivations, ElementId, Kind, Schemas, Source, TypeId};
use crate::scope::Scope;
use crate::simple::{Identity, Simple, Variety};
use crate::tree::QName;
use crate::value::Primitive;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Heads of substitution groups above one another.
const HEADS_MAX: usize = 256;

pub(super) fn finish(compiler: &mut Compiler<'_>) {
    let mut check = Check { schemas: &mut compiler.schemas, defects: &mut compiler.defects };
    check.simple_types();
    check.substitution_groups();
    check.models();
    check.restrictions();
    check.element_values();
    check.attribute_values();
    check.notations();
}

/// How many simple types stand in one another, from this one on: more than [`DEPTH_MAX`] if `left` steps do not reach the last.
fn nested(schemas: &Schemas, id: TypeId, left: usize, depths: &mut Vec<usize>) -> usize {
    match depths.get(id) {
        Some(0) => {}
        known => return known.copied().unwrap_or(1),
    }
    let Some(simple) = schemas.simple(id) else { return 1 };
    let members = match &simple.variety {
        Variety::Atomic(_) => &[],
        Variety::List(item) => std::slice::from_ref(item),
        Variety::Union(members) => members.as_slice(),
    };
    let Some(left) = left.checked_sub(1) else { return DEPTH_MAX + 1 };
    let depth = members.iter().map(|member| nested(schemas, *member, left, depths)).max().unwrap_or_default() + 1;
    depths.get_mut(id).into_iter().for_each(|known| *known = depth);
    depth
}

struct Check<'c> {
    schemas: &'c mut Schemas,
    defects: &'c mut Vec<Defect>,
}

impl Check<'_> {
    fn report(&mut self, source: &Source, rule: &'static str, what: impl Into<String>) {
        self.defects.push(Defect { rule, source: source.clone(), what: what.into(), help: None });
    }

    /// Lists and unions in one another have a limit before the stack of who checks a value has one.
    fn simple_types(&mut self) {
        let mut depths = vec![0; self.schemas.types.len()];
        let deep = (0..depths.len()).find(|id| nested(self.schemas, *id, DEPTH_MAX, &mut depths) > DEPTH_MAX);
        if let Some(noun) = deep.and_then(|id| self.schemas.types.get(id)) {
            let source = noun.source.clone();
            self.report(&source, "unsupported", format!("more than {DEPTH_MAX} lists and unions stand in one another"));
        }
    }

    /// Part 1 §3.3.6: e-props-correct.4 and .6, and who may stand for whom (cos-equiv-class).
    fn substitution_groups(&mut self) {
        let mut members: BTreeMap<ElementId, Vec<ElementId>> = BTreeMap::new();
        let headed: Vec<ElementId> =
            (0..self.schemas.elements.len()).filter(|id| self.schemas.elements.get(*id).is_some_and(|noun| noun.head.is_some())).collect();
        let schemas = &*self.schemas;
        let mut found = Vec::new();
        'elements: for id in headed {
            let Some(noun) = schemas.elements.get(id) else { continue };
            let mut defect = |rule, what: String| found.push(Defect { rule, source: noun.source.clone(), what, help: None });
            let mut next = noun.head;
            let mut passed = vec![id];
            while let Some(head) = next {
                if passed.contains(&head) {
                    defect("e-props-correct.6", format!("the substitution group of {} contains itself", noun.name));
                    break;
                }
                if passed.len() > HEADS_MAX {
                    defect("unsupported", format!("{} has more than {HEADS_MAX} heads of substitution groups above it", noun.name));
                    break 'elements;
                }
                let Some(of) = schemas.elements.get(head) else { break };
                let methods = schemas.methods(noun.definition, of.definition);
                if passed.len() == 1 && (!schemas.derives(noun.definition, of.definition) || methods.has(of.last)) {
                    defect("e-props-correct.4", format!("the type of {} is not derived from that of its head {}", noun.name, of.name));
                }
                let type_block = schemas.types.get(of.definition).map(|noun| noun.block).unwrap_or_default();
                if !of.block.has(Derivations::SUBSTITUTION) && !methods.has(of.block.and(type_block)) {
                    members.entry(head).or_default().push(id);
                }
                passed.push(head);
                next = of.head;
            }
        }
        self.defects.extend(found);
        self.schemas.members = members;
    }

    fn models(&mut self) {
        let mut budget = EDGES_MAX;
        for id in 0..self.schemas.types.len() {
            let Some((model, defects)) = self.model(id, &mut budget) else { continue };
            self.defects.extend(defects);
            let noun = self.schemas.types.get_mut(id);
            if let Some(Kind::Complex(complex)) = noun.map(|noun| &mut noun.kind)
                && let Content::Elements { model: slot, .. } = &mut complex.content
            {
                *slot = Arc::new(model);
            }
        }
    }

    /// The model of a type's content, and what is wrong with it.
    fn model(&self, id: TypeId, budget: &mut usize) -> Option<(Model, Vec<Defect>)> {
        let noun = self.schemas.types.get(id)?;
        let Kind::Complex(Complex { content: Content::Elements { particle, .. }, .. }) = &noun.kind else { return None };
        let defect = |rule, what: String| Defect { rule, source: noun.source.clone(), what, help: None };
        let names = |element: ElementId| {
            let members = self.schemas.members.get(&element).map(Vec::as_slice).unwrap_or_default();
            let all = std::iter::once(element).chain(members.iter().copied());
            all.filter_map(|id| self.schemas.elements.get(id).map(|noun| (noun.name.clone(), id))).collect()
        };
        let model = match Model::new(particle, &names, budget) {
            Ok(model) => model,
            Err(what) => {
                let help = Some(TOO_LARGE_HELP.to_owned());
                return Some((Model::default(), vec![Defect { help, ..defect("unsupported", what.to_owned()) }]));
            }
        };
        let mut defects = Vec::new();
        if !model.is_plain() {
            defects.extend(model.ambiguity().map(|found| {
                let what = format!("a child {} could belong to the particle at {} or to that at {}", found.name, found.first, found.second);
                defect("cos-nonambig", what)
            }));
            defects.extend(self.inconsistent(&model));
        }
        Some((model, defects))
    }

    /// Part 1 §3.4.6 (derivation-ok-restriction.5): the content of a restriction is content of its base.
    fn restrictions(&mut self) {
        let mut found = Vec::new();
        for noun in &self.schemas.types {
            let base = self.schemas.types.get(noun.base).map(|base| &base.kind);
            let (Kind::Complex(own), Some(Kind::Complex(base))) = (&noun.kind, base) else { continue };
            if noun.base == ANY_TYPE || noun.method != Derivations::RESTRICTION {
                continue;
            }
            let wrong = match (&own.content, &base.content) {
                (Content::Empty, Content::Elements { model, .. }) if !model.accepts(&model.start()) => {
                    Some((None, "the base type's content cannot be empty".to_owned()))
                }
                (Content::Empty, Content::Simple(_)) => Some((None, "the base type has simple content".to_owned())),
                (Content::Elements { .. }, Content::Empty | Content::Simple(_)) => {
                    Some((None, "the base type has no child elements".to_owned()))
                }
                (Content::Elements { mixed: true, .. }, Content::Elements { mixed: false, .. }) => {
                    Some((None, "the base type is not mixed".to_owned()))
                }
                (Content::Elements { model: own, .. }, Content::Elements { model: base, .. }) => {
                    own.beyond(base, &|own, base| self.fits(own, base)).map(|beyond| (beyond.source, beyond.what))
                }
                _ => None,
            };
            found.extend(wrong.map(|(source, what)| (source.unwrap_or_else(|| noun.source.clone()), what)));
        }
        for (source, what) in found {
            self.report(&source, "derivation-ok-restriction.5", what);
        }
    }

    /// Part 1 §3.9.6 (rcase-NameAndTypeOK), the name apart.
    fn fits(&self, own: ElementId, base: ElementId) -> bool {
        let (Some(own), Some(base)) = (self.schemas.elements.get(own), self.schemas.elements.get(base)) else { return true };
        let scopes = (own.names.as_deref(), base.names.as_deref());
        let same = |own: &str, fixed: &str| match self.schemas.simple(base.definition) {
            Some(simple) => match (simple.value(self.schemas, own, scopes.0), simple.value(self.schemas, fixed, scopes.1)) {
                (Ok(own), Ok(fixed)) => own.equals(&fixed),
                _ => own == fixed,
            },
            None => own == fixed,
        };
        let fixed = base.fixed.as_deref().is_none_or(|fixed| own.fixed.as_deref().is_some_and(|own| same(own, fixed)));
        let methods = self.schemas.methods(own.definition, base.definition);
        let derived = self.schemas.derives(own.definition, base.definition) && !methods.has(Derivations::EXTENSION);
        // Part 1 §3.9.6, rcase-NameAndTypeOK.6: what the base blocks stays blocked.
        let blocked = own.block.0 & base.block.0 == base.block.0;
        fixed && derived && blocked && (base.nillable || !own.nillable)
    }

    /// Part 1 §3.8.6 (cos-element-consistent).
    fn inconsistent(&self, model: &Model) -> Vec<Defect> {
        let mut types: BTreeMap<&QName, TypeId> = BTreeMap::new();
        let mut wrong = Vec::new();
        for (name, id, source) in model.declarations() {
            let Some(definition) = self.schemas.elements.get(id).map(|noun| noun.definition) else { continue };
            if *types.entry(name).or_insert(definition) != definition {
                let what = format!("two elements {name} of one content model have different types");
                wrong.push(Defect { rule: "cos-element-consistent", source: source.clone(), what, help: None });
            }
        }
        wrong
    }

    /// Part 1 §3.3.6 (e-props-correct.2, .5; cos-valid-default).
    fn element_values(&mut self) {
        for id in 0..self.schemas.elements.len() {
            let constrained = self.schemas.elements.get(id).filter(|noun| noun.default.is_some() || noun.fixed.is_some());
            let Some(noun) = constrained.cloned() else { continue };
            let Some(value) = noun.default.as_ref().or(noun.fixed.as_ref()) else { continue };
            let Some(definition) = self.schemas.types.get(noun.definition) else { continue };
            let simple = match &definition.kind {
                Kind::Simple(_) => Some(noun.definition),
                Kind::Complex(complex) => match &complex.content {
                    Content::Simple(simple) => Some(*simple),
                    Content::Elements { mixed: true, model, .. } if model.accepts(&model.start()) => continue,
                    _ => None,
                },
            };
            match simple {
                Some(simple) => self.value(&noun.source, simple, (value, noun.names.as_deref()), "e-props-correct"),
                None => self.report(
                    &noun.source,
                    "cos-valid-default.2.1",
                    "a value constraint needs simple content, or mixed content that may be empty",
                ),
            }
        }
    }

    /// Part 2 §3.2.19 (enumeration-required-notation): a NOTATION lists the notations that it may be.
    fn notations(&mut self) {
        let elements = self.schemas.elements.iter().map(|noun| (noun.definition, &noun.source));
        let attributes = self.schemas.attributes.iter().map(|noun| (noun.definition, &noun.source));
        let open = |(definition, _): &(TypeId, &Source)| {
            let is_notation = |simple: &&Simple| matches!(simple.variety, Variety::Atomic(Primitive::Notation));
            self.schemas.simple(*definition).filter(is_notation).is_some_and(|simple| simple.facets.enumeration.is_none())
        };
        let found: Vec<Source> = elements.chain(attributes).filter(open).map(|(_, source)| source.clone()).collect();
        for source in found {
            self.report(&source, "enumeration-required-notation", "a NOTATION needs an enumeration of notations");
        }
    }

    fn attribute_values(&mut self) {
        let mut uses: Vec<(AttributeId, String, Option<Arc<Scope>>, Source)> = Vec::new();
        for (id, noun) in self.schemas.attributes.iter().enumerate() {
            let value = noun.default.as_ref().or(noun.fixed.as_ref());
            uses.extend(value.map(|value| (id, value.clone(), noun.names.clone(), noun.source.clone())));
        }
        let mut identities = Vec::new();
        for noun in &self.schemas.types {
            let Kind::Complex(complex) = &noun.kind else { continue };
            for used in &complex.attributes {
                let value = used.default.as_ref().or(used.fixed.as_ref());
                uses.extend(value.map(|value| (used.attribute, value.clone(), used.names.clone(), noun.source.clone())));
            }
            let definitions = complex.attributes.iter().filter_map(|used| self.schemas.attributes.get(used.attribute));
            let ids = definitions
                .filter(|noun| self.schemas.simple(noun.definition).is_some_and(|simple| simple.identity == Identity::Id))
                .count();
            if ids > 1 {
                identities.push(noun.source.clone());
            }
        }
        for source in identities {
            self.report(&source, "ct-props-correct.5", "two attributes of one type are IDs");
        }
        for (id, value, names, source) in uses {
            let definition = self.schemas.attributes.get(id).map(|noun| noun.definition);
            if let Some(definition) = definition {
                self.value(&source, definition, (&value, names.as_deref()), "a-props-correct");
            }
        }
    }

    fn value(&mut self, source: &Source, definition: TypeId, (value, names): (&str, Option<&Scope>), rule: &'static str) {
        let Some(simple) = self.schemas.simple(definition) else { return };
        let failure = simple.value(self.schemas, value, names).err();
        let atomic = matches!(simple.variety, Variety::Atomic(_));
        let (is_element, identity) = (rule == "e-props-correct", atomic && simple.identity == Identity::Id);
        if let Some(failure) = failure {
            self.report(
                source,
                if is_element { "e-props-correct.2" } else { "a-props-correct.2" },
                format!("the default or fixed value: {}", failure.what),
            );
        } else if identity {
            self.report(source, if is_element { "e-props-correct.5" } else { "a-props-correct.3" }, "an ID has no default or fixed value");
        }
    }
}
