//! Simple type definitions: restriction, list and union, and what facets may do to those of the base (part 2 §4.1, §4.3).

use super::components::{At, Compiler};
use super::{grammar, nearest};
use crate::pattern::Pattern;
use crate::report::shortened;
use crate::schema::{ANY_SIMPLE_TYPE, Derivations, Kind, TypeId};
use crate::simple::{Enumeration, Facets, Identity, Lexical, Literal, Simple, Variety, WhiteSpace};
use crate::value::{Decimal, Primitive, Value};
use std::cmp::Ordering;
use std::sync::Arc;

/// Patterns of one restriction: a value is tried against each.
const PATTERNS_MAX: usize = 500;

impl<'d> Compiler<'d> {
    /// Builds the definition that `at` holds as type `id`.
    pub(super) fn simple_type(&mut self, at: At<'d>, id: TypeId) {
        let allowed = Derivations::RESTRICTION.and(Derivations::LIST).and(Derivations::UNION);
        let last = self.derivations(at, "final", "finalDefault", allowed);
        let Some(body) = at.first(&["restriction", "list", "union"]) else {
            self.report(at, "s4s-elt-invalid-content", "a simple type is a restriction, a list or a union");
            return;
        };
        let (base, method, simple) = match body.item.local {
            "restriction" => self.restriction(body),
            "list" => (ANY_SIMPLE_TYPE, Derivations::LIST, self.list(body)),
            _ => (ANY_SIMPLE_TYPE, Derivations::UNION, self.union(body)),
        };
        if let Some(noun) = self.schemas.types.get_mut(id) {
            noun.base = base;
            noun.method = method;
            noun.last = last;
            noun.kind = Kind::Simple(Box::new(simple));
        }
    }

    fn restriction(&mut self, at: At<'d>) -> (TypeId, Derivations, Simple) {
        let Some(base) = self.one_type(at, "base", "src-simple-type.2") else {
            return (ANY_SIMPLE_TYPE, Derivations::RESTRICTION, any_simple());
        };
        if base == ANY_SIMPLE_TYPE && self.opaque.is_empty() {
            self.report(at, "cos-st-restricts.1.1", "a simple type restricts a more exact type than anySimpleType");
        }
        if self.schemas.types.get(base).is_some_and(|noun| noun.last.has(Derivations::RESTRICTION)) {
            self.report(at, "st-props-correct.3", "the base type is final for restriction");
        }
        for child in at.children(&["group", "all", "choice", "sequence", "attribute", "attributeGroup", "anyAttribute"]) {
            self.report(child, "s4s-elt-invalid-content", format!("xs:{} cannot stand in a simple type", child.item.local));
        }
        let simple = self.restricted(at, base);
        (base, Derivations::RESTRICTION, simple)
    }

    /// A restriction of the simple type `base` by the facets in `at`.
    pub(super) fn restricted(&mut self, at: At<'d>, base: TypeId) -> Simple {
        let Some(mut simple) = self.schemas.simple(base).cloned() else { return any_simple() };
        let before = simple.facets.clone();
        self.facets(at, base, &mut simple);
        self.consistent(at, &before, &simple.facets);
        self.named_bounds_once(at);
        simple
    }

    /// maxInclusive-maxExclusive, minInclusive-minExclusive: a step of derivation gives one of them.
    fn named_bounds_once(&mut self, at: At<'_>) {
        let has = |name: &str| at.item.first(&[name]).is_some();
        if has("maxInclusive") && has("maxExclusive") {
            self.report(at, "maxInclusive-maxExclusive", "maxInclusive and maxExclusive stand together");
        }
        if has("minInclusive") && has("minExclusive") {
            self.report(at, "minInclusive-minExclusive", "minInclusive and minExclusive stand together");
        }
    }

    fn list(&mut self, at: At<'d>) -> Simple {
        let item = self.one_type(at, "itemType", "src-simple-type.3").unwrap_or(ANY_SIMPLE_TYPE);
        let listed = |simple: &Simple| matches!(simple.variety, Variety::List(_));
        let nested = self.schemas.simple(item).is_some_and(|simple| match &simple.variety {
            Variety::Union(members) => members.iter().any(|member| self.schemas.simple(*member).is_some_and(listed)),
            _ => listed(simple),
        });
        if nested {
            self.report(at, "cos-st-restricts.2.1", "the items of a list are no lists");
        }
        if self.schemas.types.get(item).is_some_and(|noun| noun.last.has(Derivations::LIST)) {
            self.report(at, "st-props-correct.4.2.1", "the item type is final for lists");
        }
        let identity = self.schemas.simple(item).map_or(Identity::None, |simple| simple.identity);
        let facets = Facets { white_space: WhiteSpace::Collapse, fixed: vec!["whiteSpace"], ..Facets::default() };
        Simple { variety: Variety::List(item), lexical: Lexical::Plain, identity, facets }
    }

    fn union(&mut self, at: At<'d>) -> Simple {
        let mut members = Vec::new();
        for text in crate::simple::words(at.item.attribute("memberTypes").unwrap_or_default()) {
            members.extend(self.simple_in(at, text));
        }
        for inline in at.children(&["simpleType"]) {
            members.push(self.anonymous_type(inline));
        }
        if members.is_empty() {
            self.report(at, "src-union-memberTypes-or-simpleTypes", "a union has members");
        }
        for member in &members {
            if !self.ensure(*member) {
                self.report(at, "st-props-correct.2", "the definition is circular");
                return any_simple();
            }
            if self.schemas.types.get(*member).is_some_and(|noun| noun.last.has(Derivations::UNION)) {
                self.report(at, "st-props-correct.4.2.1", "a member type is final for unions");
            }
        }
        let identified = members.iter().filter_map(|member| self.schemas.simple(*member)).find(|simple| simple.identity != Identity::None);
        let identity = identified.map_or(Identity::None, |simple| simple.identity);
        // Each member processes white space its own way.
        let facets = Facets { white_space: WhiteSpace::Preserve, fixed: vec!["whiteSpace"], ..Facets::default() };
        Simple { variety: Variety::Union(members), lexical: Lexical::Plain, identity, facets }
    }

    /// The one simple type that is named in an attribute or stands inside, built.
    fn one_type(&mut self, at: At<'d>, attribute: &str, rule: &'static str) -> Option<TypeId> {
        let id = match (at.item.token(attribute), at.first(&["simpleType"])) {
            (Some(text), None) => self.simple_in(at, text)?,
            (None, Some(inline)) => self.anonymous_type(inline),
            _ => {
                self.report(at, rule, format!("a type is either named in {attribute} or stands inside"));
                return None;
            }
        };
        if self.ensure(id) {
            return Some(id);
        }
        self.report(at, "st-props-correct.2", "the definition is circular");
        None
    }

    /// Merges the facets that stand in `at` into `simple`, which starts as a copy of its base.
    fn facets(&mut self, at: At<'d>, base: TypeId, simple: &mut Simple) {
        let inherited_fixed = simple.facets.fixed.clone();
        let mut patterns = Vec::new();
        let mut values = Vec::new();
        let mut seen: Vec<&'static str> = Vec::new();
        for child in at.children(grammar::FACETS) {
            let Some(name) = grammar::FACETS.iter().copied().find(|name| *name == child.item.local) else { continue };
            let Some(text) = child.item.attribute("value") else {
                self.report(child, "s4s-att-must-appear", format!("the facet {name} has no value"));
                continue;
            };
            if !applies(name, &simple.variety) {
                self.report(child, "cos-applicable-facets", format!("the facet {name} does not apply to this type"));
                continue;
            }
            match name {
                "pattern" if patterns.len() == PATTERNS_MAX => {
                    self.report(
                        child,
                        "unsupported",
                        format!("more than {PATTERNS_MAX} patterns stand here: write them as one, parted by |"),
                    );
                    break;
                }
                "pattern" => match Pattern::new(text) {
                    Ok(pattern) => patterns.push(pattern),
                    Err(what) => self.report(child, "src-pattern-value", format!("the pattern '{}': {what}", shortened(text))),
                },
                "enumeration" => values.extend(self.literal(child, base, text, "enumeration-valid-restriction")),
                _ if seen.contains(&name) => self.report(child, "src-single-facet-value", format!("the facet {name} stands twice")),
                _ => {
                    seen.push(name);
                    self.facet(child, base, (name, text), simple, &inherited_fixed);
                }
            }
        }
        if !patterns.is_empty() {
            simple.facets.patterns.push(patterns);
        }
        if !values.is_empty() {
            simple.facets.enumeration = Some(Arc::new(Enumeration::new(values)));
        }
    }

    fn facet(&mut self, at: At<'_>, base: TypeId, (name, text): (&'static str, &str), simple: &mut Simple, fixed: &[&'static str]) {
        let facets = &mut simple.facets;
        let text = crate::chars::trim(text);
        let changed;
        match name {
            "whiteSpace" => {
                let value = match text {
                    "preserve" => WhiteSpace::Preserve,
                    "replace" => WhiteSpace::Replace,
                    "collapse" => WhiteSpace::Collapse,
                    other => return self.report(at, "s4s-att-invalid-value", format!("whiteSpace has no value '{other}'")),
                };
                if value < facets.white_space {
                    self.report(at, "whiteSpace-valid-restriction", "white space is processed less than in the base type");
                }
                changed = value != facets.white_space;
                facets.white_space = value;
            }
            "maxInclusive" | "maxExclusive" | "minInclusive" | "minExclusive" => {
                let Some(literal) = self.bound(at, base, name, text) else { return };
                let slot = match name {
                    "maxInclusive" => &mut facets.max_inclusive,
                    "maxExclusive" => &mut facets.max_exclusive,
                    "minInclusive" => &mut facets.min_inclusive,
                    _ => &mut facets.min_exclusive,
                };
                changed = !slot.as_ref().is_some_and(|old| old.value.equals(&literal.value));
                *slot = Some(literal);
            }
            _ => {
                let number = Decimal::parse(text)
                    .filter(|decimal| decimal.fraction_digits() == 0)
                    .and_then(|_| text.trim_start_matches('+').parse::<u64>().ok());
                let Some(number) = number.filter(|number| *number > 0 || name != "totalDigits") else {
                    return self.report(at, "s4s-att-invalid-value", format!("{name} has no value '{text}'"));
                };
                let slot = match name {
                    "length" => &mut facets.length,
                    "minLength" => &mut facets.min_length,
                    "maxLength" => &mut facets.max_length,
                    "totalDigits" => &mut facets.total_digits,
                    _ => &mut facets.fraction_digits,
                };
                changed = *slot != Some(number);
                *slot = Some(number);
            }
        }
        if changed && fixed.contains(&name) {
            self.report(at, "facet-fixed", format!("the base type fixes the facet {name}"));
        }
        if self.boolean(at, "fixed") {
            simple.facets.fixed.push(name);
        }
    }

    /// A bound is a value of the base type, of its value space at least where it moves a bound of the base outwards.
    fn bound(&mut self, at: At<'_>, base: TypeId, name: &str, text: &str) -> Option<Literal> {
        let rule = match name {
            "maxInclusive" => "maxInclusive-valid-restriction",
            "maxExclusive" => "maxExclusive-valid-restriction",
            "minInclusive" => "minInclusive-valid-restriction",
            _ => "minExclusive-valid-restriction",
        };
        let mut open = self.schemas.simple(base)?.clone();
        // An exclusive bound may equal the base's own exclusive or inclusive bound on the same side.
        if name.ends_with("Exclusive") {
            let equal = |old: &Option<Literal>| {
                old.as_ref().is_some_and(|old| open.value(&self.schemas, text, None).is_err() && old.lexical == text)
            };
            let (max, min) = (equal(&open.facets.max_exclusive), equal(&open.facets.min_exclusive));
            if max && name == "maxExclusive" {
                open.facets.max_exclusive = None;
            }
            if min && name == "minExclusive" {
                open.facets.min_exclusive = None;
            }
        }
        open.facets.patterns.clear();
        open.facets.enumeration = None;
        match open.value(&self.schemas, text, Some(&at.item.scope)) {
            Ok(value) => Some(Literal { lexical: text.to_owned(), value: value.into_owned() }),
            Err(failure) => {
                self.report(at, rule, format!("the bound is no value of the base type: {}", failure.what));
                None
            }
        }
    }

    fn literal(&mut self, at: At<'_>, base: TypeId, text: &str, rule: &'static str) -> Option<Literal> {
        match self.schemas.simple(base)?.value(&self.schemas, text, Some(&at.item.scope)) {
            Ok(Value::Name(name)) if self.is_notation(base) && !self.schemas.notations.contains(&name) => {
                self.report(at, rule, format!("there is no notation {name}"));
                None
            }
            Ok(value) => Some(Literal { lexical: text.to_owned(), value: value.into_owned() }),
            Err(failure) => {
                let near = self.schemas.simple(base).and_then(|simple| simple.facets.enumeration.as_ref()).and_then(|values| {
                    nearest(text, values.iter().map(|value| value.lexical.as_str())).map(|near| format!("did you mean '{near}'?"))
                });
                let mut defect = at.item.defect(rule, format!("the value is none of the base type: {}", failure.what));
                defect.help = near;
                self.defects.push(defect);
                None
            }
        }
    }

    fn is_notation(&self, id: TypeId) -> bool {
        self.schemas.simple(id).is_some_and(|simple| matches!(simple.variety, Variety::Atomic(Primitive::Notation)))
    }

    /// The constraints between facets, and between them and those of the base.
    fn consistent(&mut self, at: At<'_>, base: &Facets, new: &Facets) {
        let more = |left: Option<u64>, right: Option<u64>| left.zip(right).is_some_and(|(left, right)| left > right);
        let order = |left: &Option<Literal>, right: &Option<Literal>| {
            left.as_ref().zip(right.as_ref()).and_then(|(left, right)| left.value.order(&right.value))
        };
        let beyond = |left: &Option<Literal>, right: &Option<Literal>| order(left, right) == Some(Ordering::Greater);
        let not_below = |left: &Option<Literal>, right: &Option<Literal>| order(left, right).is_some_and(|order| order != Ordering::Less);
        let broken = [
            ("length-valid-restriction", base.length.is_some() && base.length != new.length, "length differs from that of the base type"),
            ("minLength-valid-restriction", more(base.min_length, new.min_length), "minLength is less than that of the base type"),
            ("maxLength-valid-restriction", more(new.max_length, base.max_length), "maxLength is more than that of the base type"),
            ("minLength-less-than-equal-to-maxLength", more(new.min_length, new.max_length), "minLength is more than maxLength"),
            (
                "length-minLength-maxLength",
                more(new.min_length, new.length) || more(new.length, new.max_length),
                "length contradicts minLength or maxLength",
            ),
            ("totalDigits-valid-restriction", more(new.total_digits, base.total_digits), "totalDigits is more than that of the base type"),
            (
                "fractionDigits-valid-restriction",
                more(new.fraction_digits, base.fraction_digits),
                "fractionDigits is more than that of the base type",
            ),
            ("fractionDigits-totalDigits", more(new.fraction_digits, new.total_digits), "fractionDigits is more than totalDigits"),
            (
                "minInclusive-less-than-equal-to-maxInclusive",
                beyond(&new.min_inclusive, &new.max_inclusive),
                "minInclusive is more than maxInclusive",
            ),
            (
                "minExclusive-less-than-equal-to-maxExclusive",
                beyond(&new.min_exclusive, &new.max_exclusive),
                "minExclusive is more than maxExclusive",
            ),
            (
                "minExclusive-less-than-maxInclusive",
                not_below(&new.min_exclusive, &new.max_inclusive),
                "minExclusive is not less than maxInclusive",
            ),
            (
                "minInclusive-less-than-maxExclusive",
                not_below(&new.min_inclusive, &new.max_exclusive),
                "minInclusive is not less than maxExclusive",
            ),
            (
                "length-minLength-maxLength",
                new.length.is_some() && (new.min_length != base.min_length || new.max_length != base.max_length),
                "length stands beside minLength or maxLength",
            ),
        ];
        for (rule, is_broken, what) in broken {
            if is_broken {
                self.report(at, rule, what);
            }
        }
    }
}

fn any_simple() -> Simple {
    Simple {
        variety: Variety::Atomic(Primitive::AnySimpleType),
        lexical: Lexical::Plain,
        identity: Identity::None,
        facets: Facets::default(),
    }
}

/// Part 2 §4.1.5.
fn applies(facet: &str, variety: &Variety) -> bool {
    let lengths = ["length", "minLength", "maxLength"];
    let bounds = ["maxInclusive", "maxExclusive", "minInclusive", "minExclusive"];
    if facet == "pattern" || facet == "enumeration" && !matches!(variety, Variety::Atomic(Primitive::Boolean)) {
        return true;
    }
    match variety {
        Variety::Union(_) => false,
        Variety::List(_) => facet == "whiteSpace" || lengths.contains(&facet),
        Variety::Atomic(primitive) => match primitive {
            _ if facet == "whiteSpace" => true,
            Primitive::Boolean | Primitive::AnySimpleType => false,
            Primitive::String
            | Primitive::AnyUri
            | Primitive::HexBinary
            | Primitive::Base64Binary
            | Primitive::QName
            | Primitive::Notation => lengths.contains(&facet),
            Primitive::Decimal => bounds.contains(&facet) || matches!(facet, "totalDigits" | "fractionDigits"),
            _ => bounds.contains(&facet),
        },
    }
}
