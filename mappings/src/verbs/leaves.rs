//! The leaves of a record's type with how they are reached, as far as a scaffold goes: what recurs, is open or empty is left, with why.

use std::cell::RefCell;
use xsd::schema::{AttributeUse, Child, SimpleType, TypeDef, XSD_NAMESPACE};
use xsd::scope::XML_NAMESPACE;
use xsd::tree::QName;

/// Prefixes for the namespaces of a schema, in the order in which they were met.
#[derive(Debug, Default)]
pub(crate) struct Prefixes(RefCell<Vec<String>>);

impl Prefixes {
    /// A name with its prefix; unqualified names have none.
    pub(crate) fn show(&self, name: &QName) -> String {
        if name.namespace().is_empty() {
            return name.local().to_owned();
        }
        if name.namespace() == XML_NAMESPACE {
            return format!("xml:{}", name.local());
        }
        let mut known = self.0.borrow_mut();
        let at = known.iter().position(|namespace| namespace == name.namespace()).unwrap_or_else(|| {
            known.push(name.namespace().to_owned());
            known.len() - 1
        });
        format!("{}:{}", Self::prefix(at), name.local())
    }

    fn prefix(at: usize) -> String {
        if at == 0 { "s".to_owned() } else { format!("s{at}") }
    }

    pub(crate) fn all(&self) -> Vec<(String, String)> {
        self.0.borrow().iter().enumerate().map(|(at, namespace)| (Self::prefix(at), namespace.clone())).collect()
    }
}

/// An element or attribute that has a text.
#[derive(Clone, Debug)]
pub(crate) struct Leaf<'s> {
    /// From the record.
    pub(crate) path: String,
    /// Where something on the way repeats: the path to the last element.
    pub(crate) each: Option<String>,
    /// The type whose case it belongs to.
    pub(crate) of_type: Option<String>,
    pub(crate) what: What<'s>,
    pub(crate) optional: bool,
}

#[derive(Clone, Copy)]
pub(crate) enum What<'s> {
    Element(Child<'s>),
    Attribute(AttributeUse<'s>),
}

impl std::fmt::Debug for What<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Element(child) => write!(f, "{}", child.element.name()),
            Self::Attribute(used) => write!(f, "@{}", used.name()),
        }
    }
}

impl<'s> Leaf<'s> {
    pub(crate) fn element(child: Child<'s>, path: &str, each: Option<String>) -> Self {
        Self { path: path.to_owned(), each, of_type: None, what: What::Element(child), optional: child.min == 0 }
    }

    pub(crate) fn attribute(used: AttributeUse<'s>, path: &str, each: Option<String>) -> Self {
        Self { path: path.to_owned(), each, of_type: None, what: What::Attribute(used), optional: !used.is_required() }
    }

    pub(crate) fn name(&self) -> &'s str {
        match self.what {
            What::Element(child) => child.element.name().local(),
            What::Attribute(used) => used.name().local(),
        }
    }

    pub(crate) fn type_definition(&self) -> TypeDef<'s> {
        match self.what {
            What::Element(child) => child.element.type_definition(),
            What::Attribute(used) => used.type_definition(),
        }
    }

    pub(crate) fn text(&self) -> Option<SimpleType<'s>> {
        self.type_definition().simple_content()
    }

    /// The values of its enumeration, if there are few.
    pub(crate) fn codes(&self) -> Option<Vec<&'s str>> {
        self.text()?.enumeration()
    }

    pub(crate) fn nillable(&self) -> bool {
        matches!(self.what, What::Element(child) if child.element.is_nillable())
    }

    pub(crate) fn may_be_empty(&self) -> bool {
        self.text().is_some_and(|simple| simple.check("").is_ok())
    }

    pub(crate) fn model_references(&self) -> Vec<&'s str> {
        let own = match self.what {
            What::Element(child) => child.element.model_references(),
            What::Attribute(used) => used.model_references(),
        };
        own.into_iter().chain(self.type_definition().model_references()).collect()
    }

    pub(crate) fn documentation(&self) -> Option<&'s str> {
        let own = match self.what {
            What::Element(child) => child.element.documentation(),
            What::Attribute(_) => None,
        };
        own.or_else(|| self.type_definition().documentation())
    }

    /// From the element at `each`.
    pub(crate) fn inner(&self) -> &str {
        match self.what {
            What::Element(_) => ".",
            What::Attribute(_) => self.path.rsplit('/').next().unwrap_or("."),
        }
    }
}

/// What a type holds.
#[derive(Debug, Default)]
pub(crate) struct Leaves<'s> {
    pub(crate) found: Vec<Leaf<'s>>,
    pub(crate) cases: Vec<Case<'s>>,
    /// What no suggestion is made for, and why.
    pub(crate) left: Vec<(String, String)>,
    /// Headers that stand behind the records.
    pub(crate) late: Vec<String>,
}

/// An element of several possible types.
#[derive(Debug)]
pub(crate) struct Case<'s> {
    pub(crate) path: String,
    pub(crate) types: Vec<(String, Leaves<'s>)>,
}

/// A scaffold of more leaves than this would help nobody.
const LEAVES_MAX: usize = 600;
const DEPTH_MAX: usize = 12;
/// A case of more types than this is left to a person.
const TYPES_MAX: usize = 16;

/// The leaves of a type.
pub(crate) fn leaves<'s>(of: TypeDef<'s>, prefixes: &Prefixes) -> Leaves<'s> {
    let mut leaves = Leaves::default();
    leaves.content(of, &At { path: String::new(), each: None, above: vec![of], in_case: false }, prefixes);
    leaves
}

/// Where the walk is.
struct At<'s> {
    path: String,
    each: Option<String>,
    above: Vec<TypeDef<'s>>,
    /// Inside an element of several types.
    in_case: bool,
}

fn join(path: &str, step: &str) -> String {
    if path.is_empty() { step.to_owned() } else { format!("{path}/{step}") }
}

impl<'s> Leaves<'s> {
    fn leave(&mut self, path: &str, why: &str) {
        self.left.push((if path.is_empty() { "." } else { path }.to_owned(), why.to_owned()));
    }

    fn content(&mut self, of: TypeDef<'s>, at: &At<'s>, prefixes: &Prefixes) {
        for used in of.attributes() {
            let path = join(&at.path, &format!("@{}", prefixes.show(used.name())));
            self.found.push(Leaf::attribute(used, &path, at.each.clone()));
        }
        if of.has_any() || of.has_any_attribute() || of.is_mixed() {
            self.leave(&at.path, "open content (xs:any, or text between elements): no path can name it");
        }
        let mut seen: Vec<&QName> = Vec::new();
        for child in of.children() {
            let name = child.element.name();
            if seen.contains(&name) {
                continue;
            }
            seen.push(name);
            if child.element.is_abstract() || !child.element.substitutes().is_empty() {
                for member in child.element.substitutes() {
                    self.leave(&join(&at.path, &prefixes.show(member.name())), "member of a substitution group");
                }
                if child.element.is_abstract() {
                    continue;
                }
            }
            self.child(child, at, prefixes);
        }
    }

    fn child(&mut self, child: Child<'s>, at: &At<'s>, prefixes: &Prefixes) {
        let of = child.element.type_definition();
        let path = join(&at.path, &prefixes.show(child.element.name()));
        let each = if at.each.is_some() || child.max != Some(1) { Some(path.clone()) } else { None };
        if self.found.len() >= LEAVES_MAX || at.above.len() > DEPTH_MAX {
            return self.leave(&path, "more than a scaffold covers: map it by hand");
        }
        if at.above.contains(&of) && !of.is_simple() {
            return self.leave(&path, "it contains itself");
        }
        if of.name().is_some_and(|name| name.is(XSD_NAMESPACE, "anyType")) {
            return self.leave(&path, "it may hold anything");
        }
        let concrete: Vec<TypeDef<'s>> = if of.is_simple() { Vec::new() } else { of.concrete_types() };
        if of.is_abstract() || concrete.len() > 1 {
            return self.several(&path, &concrete, each.is_some(), at, prefixes);
        }
        if of.simple_content().is_some() {
            self.found.push(Leaf::element(child, &path, each.clone()));
        } else if of.children().is_empty() && of.attributes().is_empty() && !of.has_any() {
            return self.leave(&path, "an empty element: its presence is read by m:when exists");
        }
        if !of.is_simple() {
            let above = at.above.iter().copied().chain([of]).collect();
            self.content(of, &At { path, each, above, in_case: at.in_case }, prefixes);
        }
    }

    fn several(&mut self, path: &str, concrete: &[TypeDef<'s>], many: bool, at: &At<'s>, prefixes: &Prefixes) {
        if many
            || concrete.is_empty()
            || concrete.len() > TYPES_MAX
            || concrete.iter().any(|of| of.name().is_none() || at.above.contains(of))
        {
            return self.leave(path, "of several types, and more than a scaffold covers");
        }
        if at.in_case {
            return self.leave(path, "of several types inside one of several types");
        }
        let types = concrete.iter().map(|of| {
            let above = at.above.iter().copied().chain([*of]).collect();
            let mut inside = Self::default();
            inside.content(*of, &At { path: String::new(), each: None, above, in_case: true }, prefixes);
            let name = of.name().map(|name| prefixes.show(name)).unwrap_or_default();
            inside.found.iter_mut().for_each(|leaf| leaf.of_type = Some(name.clone()));
            (name, inside)
        });
        let types = types.collect();
        self.cases.push(Case { path: path.to_owned(), types });
    }
}
