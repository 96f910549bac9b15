//! What the compiler asks of a schema: children, attributes and types by small numbers of its own, never expanded into a tree.

use crate::diagnostic::Location;
use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::ops::Deref;
use std::rc::Rc;
use xsd::schema::{Choice, ElementDecl, Schemas, SimpleType, Source, TypeDef, XSD_NAMESPACE};
use xsd::tree::QName;

/// A type of one graph.
pub(crate) type TypeId = usize;

/// One schema graph, and the types met in it so far.
pub(crate) struct Graph<'s> {
    schemas: &'s Schemas,
    types: RefCell<Vec<TypeDef<'s>>>,
    numbers: RefCell<HashMap<TypeDef<'s>, TypeId>>,
    /// What was asked for once: each rule asks again, and a content model may be as wide as there are rules.
    children: RefCell<HashMap<TypeId, Rc<Children>>>,
    attributes: RefCell<HashMap<TypeId, Rc<[Attribute]>>>,
}

/// The children that a content model has, each name once; members of substitution groups stand beside their heads.
#[derive(Debug, Default)]
pub(crate) struct Children {
    list: Vec<Child>,
    places: HashMap<QName, usize>,
}

impl Children {
    pub(crate) fn named(&self, name: &QName) -> Option<&Child> {
        self.list.get(*self.places.get(name)?)
    }
}

impl Deref for Children {
    type Target = [Child];

    fn deref(&self) -> &[Child] {
        &self.list
    }
}

/// An element that a content model has.
#[derive(Clone, Debug)]
pub(crate) struct Child {
    pub(crate) name: QName,
    pub(crate) type_id: TypeId,
    pub(crate) nillable: bool,
    pub(crate) min: usize,
    pub(crate) max: Option<usize>,
    pub(crate) choice: Option<Choice>,
    /// The choice around each of its particles, if there is one.
    pub(crate) standing: Vec<Option<Choice>>,
    /// What it means empty.
    pub(crate) default: Option<String>,
    /// The only value that it may have.
    pub(crate) fixed: Option<String>,
    /// Its place in the content model.
    pub(crate) rank: usize,
    pub(crate) declared: Option<Location>,
}

/// An attribute that a type has.
#[derive(Clone, Debug)]
pub(crate) struct Attribute {
    pub(crate) name: QName,
    pub(crate) type_id: TypeId,
    pub(crate) required: bool,
    /// What its absence means.
    pub(crate) default: Option<String>,
    /// The only value that it may have.
    pub(crate) fixed: Option<String>,
    pub(crate) declared: Option<Location>,
}

fn location(source: &Source) -> Option<Location> {
    (source.place.line > 0).then(|| Location { file: source.file.clone(), place: source.place })
}

impl Child {
    /// Whether where one of the two stands the other cannot: they are in different alternatives of a choice that is made once, or
    /// stand for the same element, which stands once.
    pub(crate) fn excludes(&self, other: &Self) -> bool {
        let once = |child: &Self| child.standing.len() == 1 && child.max == Some(1);
        if once(self) && once(other) && self.rank == other.rank && self.name != other.name {
            return true;
        }
        self.standing.iter().all(|here| {
            here.filter(|here| here.max == Some(1)).is_some_and(|here| {
                let apart = |there: &Choice| there.number == here.number && there.alternative != here.alternative;
                other.standing.iter().all(|there| there.as_ref().is_some_and(apart))
            })
        })
    }
}

impl<'s> Graph<'s> {
    pub(crate) fn new(schemas: &'s Schemas) -> Self {
        let (types, numbers, children, attributes) = Default::default();
        Self { schemas, types, numbers, children, attributes }
    }

    fn intern(&self, definition: TypeDef<'s>) -> TypeId {
        let mut types = self.types.borrow_mut();
        *self.numbers.borrow_mut().entry(definition).or_insert_with(|| {
            types.push(definition);
            types.len() - 1
        })
    }

    fn definition(&self, id: TypeId) -> Option<TypeDef<'s>> {
        self.types.borrow().get(id).copied()
    }

    /// A global element.
    pub(crate) fn global(&self, name: &QName) -> Option<Child> {
        let element = self.schemas.element(name)?;
        Some(self.one(element, 0, (1, Some(1), None)))
    }

    pub(crate) fn global_names(&self) -> Vec<QName> {
        self.schemas.elements().map(|element| element.name().clone()).collect()
    }

    fn one(&self, element: ElementDecl<'s>, rank: usize, occurs: (usize, Option<usize>, Option<Choice>)) -> Child {
        let (min, max, choice) = occurs;
        Child {
            name: element.name().clone(),
            type_id: self.intern(element.type_definition()),
            nillable: element.is_nillable(),
            default: element.default().or(element.fixed()).map(str::to_owned),
            fixed: element.fixed().map(str::to_owned),
            min,
            max,
            choice,
            standing: vec![choice],
            rank,
            declared: location(element.source()),
        }
    }

    /// The children that a content model has, each name once; members of substitution groups stand beside their heads.
    pub(crate) fn children(&self, id: TypeId) -> Rc<Children> {
        if let Some(known) = self.children.borrow().get(&id) {
            return Rc::clone(known);
        }
        let found = Rc::new(self.collect(id));
        self.children.borrow_mut().insert(id, Rc::clone(&found));
        found
    }

    fn collect(&self, id: TypeId) -> Children {
        let (mut children, mut particles): (Children, Vec<Vec<Occurs>>) = Default::default();
        for child in self.definition(id).map(|definition| definition.children()).unwrap_or_default() {
            let substitutes = child.element.substitutes();
            let least = if substitutes.is_empty() { usize::try_from(child.min).unwrap_or(usize::MAX) } else { 0 };
            let most = child.max.map(|max| usize::try_from(max).unwrap_or(usize::MAX));
            let head = Some(child.element).filter(|element| !element.is_abstract());
            for element in head.into_iter().chain(substitutes) {
                let one = self.one(element, child.order, (least, most, child.choice));
                let same = children.places.get(&one.name).copied();
                match same.and_then(|at| children.list.get_mut(at).zip(particles.get_mut(at))) {
                    Some((before, particles)) => {
                        before.min += one.min;
                        before.standing.push(child.choice);
                        particles.push((child.choice, most));
                        before.max = most_of(particles);
                    }
                    None => {
                        children.places.insert(one.name.clone(), children.list.len());
                        children.list.push(one);
                        particles.push(vec![(child.choice, most)]);
                    }
                }
            }
        }
        children
    }

    pub(crate) fn attributes(&self, id: TypeId) -> Rc<[Attribute]> {
        if let Some(known) = self.attributes.borrow().get(&id) {
            return Rc::clone(known);
        }
        let uses = self.definition(id).map(|definition| definition.attributes()).unwrap_or_default();
        let found: Rc<[Attribute]> = uses
            .iter()
            .map(|used| Attribute {
                name: used.name().clone(),
                type_id: self.intern(used.type_definition()),
                required: used.is_required(),
                default: used.default().or(used.fixed()).map(str::to_owned),
                fixed: used.fixed().map(str::to_owned),
                declared: location(used.source()),
            })
            .collect();
        self.attributes.borrow_mut().insert(id, Rc::clone(&found));
        found
    }

    /// The type of its text, if it has any.
    pub(crate) fn text_type(&self, id: TypeId) -> Option<SimpleType<'s>> {
        self.definition(id)?.simple_content()
    }

    pub(crate) fn has_wildcard(&self, id: TypeId) -> bool {
        self.definition(id).is_some_and(|definition| definition.has_any())
    }

    pub(crate) fn is_mixed(&self, id: TypeId) -> bool {
        self.definition(id).is_some_and(|definition| definition.is_mixed())
    }

    pub(crate) fn has_any_attribute(&self, id: TypeId) -> bool {
        self.definition(id).is_some_and(|definition| definition.has_any_attribute())
    }

    pub(crate) fn type_name(&self, id: TypeId) -> Option<QName> {
        self.definition(id)?.name().cloned()
    }

    pub(crate) fn type_named(&self, name: &QName) -> Option<TypeId> {
        self.schemas.type_named(name).map(|definition| self.intern(definition))
    }

    pub(crate) fn derives(&self, id: TypeId, base: TypeId) -> bool {
        self.definition(id).zip(self.definition(base)).is_some_and(|(definition, base)| definition.is_derived_from(base))
    }

    /// The types an element so declared can have: for text only its own, since its leaves are the same in all.
    pub(crate) fn concrete(&self, id: TypeId) -> Vec<TypeId> {
        let Some(definition) = self.definition(id) else { return Vec::new() };
        let any = definition.name().is_some_and(|name| name.is(XSD_NAMESPACE, "anyType"));
        if definition.is_simple() || any {
            return vec![id];
        }
        definition.concrete_types().into_iter().map(|concrete| self.intern(concrete)).collect()
    }

    /// Of text: the complex types that `xsi:type` may name there, and whose attributes come with it.
    pub(crate) fn with_attributes(&self, id: TypeId) -> Vec<TypeId> {
        let Some(definition) = self.definition(id).filter(|definition| definition.is_simple()) else { return Vec::new() };
        let has = |other: &TypeDef<'s>| !other.attributes().is_empty() || other.has_any_attribute();
        definition.concrete_types().into_iter().filter(has).map(|other| self.intern(other)).collect()
    }

    /// The base furthest up that has this child already.
    pub(crate) fn owner_of_child(&self, id: TypeId, name: &QName) -> TypeId {
        self.owner(id, |owner| self.children(owner).named(name).is_some())
    }

    /// The base furthest up that has this attribute already.
    pub(crate) fn owner_of_attribute(&self, id: TypeId, name: &QName) -> TypeId {
        self.owner(id, |owner| self.attributes(owner).iter().any(|attribute| attribute.name == *name))
    }

    fn owner(&self, id: TypeId, has: impl Fn(TypeId) -> bool) -> TypeId {
        let Some(definition) = self.definition(id) else { return id };
        definition.ancestors().map(|owner| self.intern(owner)).take_while(|owner| has(*owner)).last().unwrap_or(id)
    }

    pub(crate) fn declared(&self, id: TypeId) -> Option<Location> {
        location(self.definition(id)?.source())
    }
}

/// A particle: the choice around it, and how often it may stand; `None` for unbounded.
type Occurs = (Option<Choice>, Option<usize>);

/// How often an element may stand that has several particles. Those in different alternatives of one choice exclude each other.
fn most_of(particles: &[Occurs]) -> Option<usize> {
    let mut alternatives: BTreeMap<(Option<usize>, usize), Option<usize>> = BTreeMap::new();
    for (choice, most) in particles {
        let place = choice.map_or((None, 0), |choice| (Some(choice.number), choice.alternative));
        let sum = alternatives.entry(place).or_insert(Some(0));
        *sum = sum.zip(*most).map(|(left, right)| left.saturating_add(right));
    }
    let mut choices: BTreeMap<Option<usize>, Option<usize>> = BTreeMap::new();
    for ((choice, _), most) in alternatives {
        let largest = choices.entry(choice).or_insert(Some(0));
        *largest = largest.zip(most).map(|(left, right)| left.max(right));
    }
    choices.into_values().try_fold(0_usize, |sum, most| Some(sum.saturating_add(most?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn particles_of_other_alternatives_exclude_each_other() {
        let most = |model: &str| {
            let (open, close) = (
                "<xs:schema xmlns:xs='http://www.w3.org/2001/XMLSchema'><xs:element name='r'><xs:complexType>",
                "</xs:complexType></xs:element></xs:schema>",
            );
            let item = |name: &str, most: &str| {
                let least = if name == "a" { "0" } else { "1" };
                ["<xs:element name='", name, "' type='xs:string' minOccurs='", least, "' maxOccurs='", most, "'/>"].concat()
            };
            let mut text = model.to_owned();
            for (sign, name, most) in [("a", "a", "1"), ("A", "a", "3"), ("*", "a", "unbounded"), ("b", "b", "1"), ("c", "c", "1")] {
                text = text.replace(&["{", sign, "}"].concat(), &item(name, most));
            }
            let text =
                text.replace('(', "<xs:sequence>").replace(')', "</xs:sequence>").replace('[', "<xs:choice>").replace(']', "</xs:choice>");
            let schemas = Schemas::load(&[("s.xsd", [open, &text, close].concat().as_bytes())], &|_, _| None).unwrap();
            let graph = Graph::new(&schemas);
            let root = graph.global(&QName::new("", "r")).unwrap();
            graph.children(root.type_id).iter().find(|child| child.name.local() == "a").unwrap().max
        };
        for (model, expected) in [
            ("({a}{b})", Some(1)),
            ("({a}{b}{a})", Some(2)),
            ("([({b}{a})({c}{a})])", Some(1)),
            ("([({b}{a})({c}{A})])", Some(3)),
            ("([({a}{b}{a})({c}{a})])", Some(2)),
            ("([({b}{a})({c})]{b}{a})", Some(2)),
            ("([({b}{a})({c}{*})])", None),
        ] {
            assert_eq!(most(model), expected, "{model}");
        }
    }
}
