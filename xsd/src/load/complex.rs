//! Complex type definitions: content, extension, restriction, attributes and attribute wildcards (part 1 §3.4).

use super::components::{At, Compiler, DEPTH_MAX};
use crate::schema::{
    ANY_SIMPLE_TYPE, ANY_TYPE, Complex, Content, Derivations, Kind, Namespaces, Notes, Particle, Process, Term, TypeId, TypeNoun, Use,
    Wildcard,
};
use crate::tree::QName;
use std::sync::Arc;

const PARTICLES: &[&str] = &["group", "all", "choice", "sequence"];

/// What a type or an attribute group says of attributes.
#[derive(Default)]
pub(super) struct Attributes {
    pub(super) uses: Vec<Use>,
    prohibited: Vec<QName>,
    pub(super) any: Option<Wildcard>,
}

impl<'d> Compiler<'d> {
    /// Builds the definition that `at` holds as type `id`.
    pub(super) fn complex_type(&mut self, at: At<'d>, id: TypeId) {
        let both = Derivations::EXTENSION.and(Derivations::RESTRICTION);
        let block = self.derivations(at, "block", "blockDefault", both);
        let last = self.derivations(at, "final", "finalDefault", both);
        let is_abstract = self.boolean(at, "abstract");
        let mixed = self.boolean(at, "mixed");
        let derived = at.first(&["simpleContent", "complexContent"]);
        let (base, method, mut complex) = match derived {
            Some(content) => {
                if at.item.children.len() > 1 {
                    self.report(at, "s4s-elt-invalid-content", "nothing stands beside simpleContent or complexContent");
                }
                match content.first(&["restriction", "extension"]) {
                    Some(body) if content.item.local == "simpleContent" => self.simple_content(body),
                    Some(body) => {
                        let mixed = if content.item.attribute("mixed").is_some() { self.boolean(content, "mixed") } else { mixed };
                        self.complex_content(body, mixed)
                    }
                    None => {
                        self.report(content, "s4s-elt-invalid-content", "content is a restriction or an extension");
                        return;
                    }
                }
            }
            None => {
                let particle = self.own_particle(at);
                let attributes = self.attribute_uses(at, &mut Vec::new());
                let content = content(particle, mixed);
                (ANY_TYPE, Derivations::RESTRICTION, Complex { attributes: attributes.uses, any_attribute: attributes.any, content })
            }
        };
        self.check_attributes(at, &complex.attributes);
        let opaque = self.is_opaque(base);
        if opaque && let Some(any) = self.base_complex(ANY_TYPE) {
            complex = any;
        }
        if let Some(noun) = self.schemas.types.get_mut(id) {
            noun.base = base;
            noun.method = method;
            noun.is_abstract = is_abstract;
            noun.block = block;
            noun.last = last;
            noun.kind = Kind::Complex(complex);
            noun.opaque = opaque;
        }
    }

    fn own_particle(&mut self, at: At<'d>) -> Option<Particle> {
        let mut particles = at.children(PARTICLES);
        let first = particles.next()?;
        if let Some(second) = particles.next() {
            self.report(second, "s4s-elt-invalid-content", "a type has one group as content");
        }
        self.particle(first)
    }

    /// The base of a derivation, built. `None` after a report.
    fn base(&mut self, at: At<'d>, method: Derivations) -> Option<TypeId> {
        let Some(text) = at.item.token("base") else {
            self.report(at, "s4s-att-must-appear", "a derivation names its base");
            return None;
        };
        let id = self.base_in(at, text)?;
        if !self.ensure(id) {
            self.report(at, "ct-props-correct.3", "the definition is circular");
            return None;
        }
        let last = self.schemas.types.get(id).map(|noun| noun.last).unwrap_or_default();
        if last.has(method) {
            let rule = if method == Derivations::EXTENSION { "cos-ct-extends.1.1" } else { "derivation-ok-restriction.1" };
            self.report(at, rule, format!("the base type '{text}' is final"));
        }
        Some(id)
    }

    fn base_complex(&self, id: TypeId) -> Option<Complex> {
        match &self.schemas.types.get(id)?.kind {
            Kind::Complex(complex) => Some(complex.clone()),
            Kind::Simple(_) => None,
        }
    }

    fn simple_content(&mut self, at: At<'d>) -> (TypeId, Derivations, Complex) {
        let extension = at.item.local == "extension";
        let method = if extension { Derivations::EXTENSION } else { Derivations::RESTRICTION };
        let fallback = Complex { content: Content::Simple(ANY_SIMPLE_TYPE), ..Complex::default() };
        let Some(base) = self.base(at, method) else { return (ANY_TYPE, method, fallback) };
        if self.is_opaque(base) {
            return (base, method, fallback);
        }
        for child in at.children(PARTICLES) {
            self.report(child, "s4s-elt-invalid-content", "simple content has no child elements");
        }
        let attributes = self.attribute_uses(at, &mut Vec::new());
        let base_complex = self.base_complex(base);
        let base_content = match &base_complex {
            None if extension => Some(base),
            None => None,
            Some(Complex { content: Content::Simple(simple), .. }) => Some(*simple),
            Some(Complex { content: Content::Elements { mixed: true, particle, .. }, .. })
                if !extension && emptiable(particle) && at.first(&["simpleType"]).is_some() =>
            {
                Some(ANY_SIMPLE_TYPE)
            }
            Some(_) => None,
        };
        let Some(base_content) = base_content else {
            self.report(at, "src-ct.2", "the base type has no simple content that this derivation could start from");
            return (ANY_TYPE, method, fallback);
        };
        let content = if extension { base_content } else { self.narrowed(at, base_content) };
        let base_complex = base_complex.unwrap_or_default();
        let (attributes, any_attribute) = if extension {
            self.extended(at, &base_complex, attributes)
        } else {
            self.restricted_attributes(at, &base_complex, attributes)
        };
        (base, method, Complex { attributes, any_attribute, content: Content::Simple(content) })
    }

    /// The simple type of a restriction of simple content.
    fn narrowed(&mut self, at: At<'d>, base: TypeId) -> TypeId {
        let mut start = base;
        if let Some(inline) = at.first(&["simpleType"]) {
            let id = self.anonymous_type(inline);
            self.ensure(id);
            if !self.schemas.derives(id, base) {
                self.report(inline, "derivation-ok-restriction.2.2.2.2.1", "the type is not derived from that of the base");
            }
            start = id;
        }
        let simple = self.restricted(at, start);
        self.made_type(TypeNoun {
            name: None,
            base: start,
            method: Derivations::RESTRICTION,
            is_abstract: false,
            block: Derivations::default(),
            last: Derivations::default(),
            opaque: false,
            kind: Kind::Simple(Box::new(simple)),
            source: at.item.source.clone(),
            notes: Notes::default(),
        })
    }

    fn complex_content(&mut self, at: At<'d>, mixed: bool) -> (TypeId, Derivations, Complex) {
        let extension = at.item.local == "extension";
        let method = if extension { Derivations::EXTENSION } else { Derivations::RESTRICTION };
        for child in at.children(super::grammar::FACETS).chain(at.children(&["simpleType"])) {
            self.report(child, "s4s-elt-invalid-content", format!("xs:{} cannot stand in complex content", child.item.local));
        }
        let particle = self.own_particle(at);
        let attributes = self.attribute_uses(at, &mut Vec::new());
        let Some(base) = self.base(at, method) else {
            return (
                ANY_TYPE,
                method,
                Complex { attributes: attributes.uses, any_attribute: attributes.any, content: content(particle, mixed) },
            );
        };
        if self.is_opaque(base) {
            return (base, method, Complex::default());
        }
        let Some(base_complex) = self.base_complex(base) else {
            self.report(at, "src-ct.1", "the base of complex content is a complex type");
            return (
                ANY_TYPE,
                method,
                Complex { attributes: attributes.uses, any_attribute: attributes.any, content: content(particle, mixed) },
            );
        };
        if !extension {
            let (attributes, any_attribute) = self.restricted_attributes(at, &base_complex, attributes);
            return (base, method, Complex { attributes, any_attribute, content: content(particle, mixed) });
        }
        let content = self.extended_content(at, &base_complex.content, particle, mixed);
        let (attributes, any_attribute) = self.extended(at, &base_complex, attributes);
        (base, method, Complex { attributes, any_attribute, content })
    }

    /// Part 1 §3.4.2: the content of an extension, and cos-ct-extends.1.4.
    fn extended_content(&mut self, at: At<'_>, base: &Content, particle: Option<Particle>, mixed: bool) -> Content {
        let own = content(particle, mixed);
        match (base, own) {
            (base, Content::Empty) => base.clone(),
            (Content::Empty, own) => own,
            (Content::Elements { mixed: base_mixed, particle: base, model }, Content::Elements { particle, .. }) => {
                if is_void(&particle) && !mixed {
                    return Content::Elements { mixed: *base_mixed, particle: base.clone(), model: Arc::clone(model) };
                }
                if *base_mixed != mixed {
                    self.report(at, "cos-ct-extends.1.4.3.2.2.1", "an extension is mixed exactly if its base is");
                }
                if is_void(&particle) {
                    return Content::Elements { mixed, particle: base.clone(), model: Arc::clone(model) };
                }
                if matches!(particle.term, Term::All(_)) || matches!(base.term, Term::All(_)) {
                    self.report(
                        at,
                        "cos-all-limited.1.2",
                        "an all group is the whole content of a type: it is neither extended nor an extension",
                    );
                }
                if !self.may_copy(at, base.weight()) {
                    return Content::Empty;
                }
                let source = particle.source.clone();
                let particle = Particle { min: 1, max: Some(1), term: Term::Sequence(vec![base.clone(), particle]), source };
                Content::Elements { mixed, particle, model: Arc::default() }
            }
            (Content::Simple(_), own) => {
                self.report(at, "cos-ct-extends.1.4.1", "simple content is not extended by child elements");
                own
            }
            (_, Content::Simple(_)) => Content::Empty,
        }
    }

    fn extended(&mut self, at: At<'_>, base: &Complex, own: Attributes) -> (Vec<Use>, Option<Wildcard>) {
        let mut uses = if self.may_copy(at, base.attributes.len()) { base.attributes.clone() } else { Vec::new() };
        uses.extend(own.uses);
        let any = match (&base.any_attribute, own.any) {
            (None, own) => own,
            (Some(base), None) => Some(base.clone()),
            (Some(base), Some(own)) => match union(&base.namespaces, &own.namespaces) {
                Some(namespaces) => Some(Wildcard { namespaces, process: own.process }),
                None => {
                    self.report(at, "src-ct.5", "the union of the attribute wildcards cannot be expressed");
                    Some(own)
                }
            },
        };
        (uses, any)
    }

    /// Part 1 §3.4.2 and derivation-ok-restriction.2 to 4.
    pub(super) fn restricted_attributes(&mut self, at: At<'_>, base: &Complex, own: Attributes) -> (Vec<Use>, Option<Wildcard>) {
        let name_of = |compiler: &Self, used: &Use| compiler.schemas.attributes.get(used.attribute).map(|noun| noun.name.clone());
        for used in &own.uses {
            let Some(noun) = self.schemas.attributes.get(used.attribute).cloned() else { continue };
            let old = base.attributes.iter().find(|old| name_of(self, old).as_ref() == Some(&noun.name)).cloned();
            let Some(old) = old else {
                if !base.any_attribute.as_ref().is_some_and(|any| any.allows(noun.name.namespace())) {
                    self.report(at, "derivation-ok-restriction.2.2", format!("the base type has no attribute {}", noun.name));
                }
                continue;
            };
            if old.required && !used.required {
                self.report(at, "derivation-ok-restriction.2.1.1", format!("the attribute {} is required in the base type", noun.name));
            }
            let old_type = self.schemas.attributes.get(old.attribute).map_or(ANY_SIMPLE_TYPE, |old| old.definition);
            self.ensure(noun.definition);
            self.ensure(old_type);
            if !self.schemas.derives(noun.definition, old_type) {
                self.report(
                    at,
                    "derivation-ok-restriction.2.1.2",
                    format!("the type of attribute {} is not derived from that in the base type", noun.name),
                );
            }
        }
        for used in &own.uses {
            self.fixed_kept(at, base, used);
        }
        let kept = |used: &Use| {
            let name = name_of(self, used);
            let overridden = own.uses.iter().any(|own| name_of(self, own) == name);
            !overridden && !name.is_some_and(|name| own.prohibited.contains(&name))
        };
        let mut uses: Vec<Use> = base.attributes.iter().filter(|used| kept(used)).cloned().collect();
        if let Some(lost) =
            base.attributes.iter().find(|old| old.required && name_of(self, old).is_some_and(|name| own.prohibited.contains(&name)))
        {
            let name = name_of(self, lost).map(|name| name.to_string()).unwrap_or_default();
            self.report(at, "derivation-ok-restriction.3", format!("the attribute {name} is required in the base type"));
        }
        let narrower = match (&base.any_attribute, &own.any) {
            (_, None) => true,
            (None, Some(_)) => false,
            (Some(base), Some(own)) => subset(&own.namespaces, &base.namespaces) && own.process >= base.process,
        };
        if !narrower {
            self.report(at, "derivation-ok-restriction.4", "the attribute wildcard allows more than that of the base type");
        }
        uses.extend(own.uses);
        (uses, own.any)
    }

    /// derivation-ok-restriction.2.1.3: a fixed value stays.
    fn fixed_kept(&mut self, at: At<'_>, base: &Complex, used: &Use) {
        let Some(noun) = self.schemas.attributes.get(used.attribute) else { return };
        let same_name = |old: &&Use| self.schemas.attributes.get(old.attribute).is_some_and(|old| old.name == noun.name);
        let Some(old) = base.attributes.iter().find(same_name) else { return };
        let of = |used: &Use| used.fixed.clone().or_else(|| self.schemas.attributes.get(used.attribute)?.fixed.clone());
        let Some(fixed) = of(old) else { return };
        let kept = of(used).is_some_and(|own| self.same_value(noun.definition, &own, &fixed));
        if !kept {
            let what = format!("the attribute {} has the fixed value '{fixed}' in the base type", noun.name);
            self.report(at, "derivation-ok-restriction.2.1.3", what);
        }
    }

    /// Whether two lexical values are one value of a simple type.
    pub(super) fn same_value(&self, definition: TypeId, left: &str, right: &str) -> bool {
        let value = |text| self.schemas.simple(definition).and_then(|simple| simple.value(&self.schemas, text, None).ok());
        match (value(left), value(right)) {
            (Some(left), Some(right)) => left.equals(&right),
            _ => left == right,
        }
    }

    /// The attributes of `at`, attribute groups followed. `open` are the groups being read.
    pub(super) fn attribute_uses(&mut self, at: At<'d>, open: &mut Vec<(QName, usize)>) -> Attributes {
        let mut attributes = Attributes::default();
        let mut own_any = None;
        let mut group_any: Vec<Wildcard> = Vec::new();
        for child in at.children(&["attribute", "attributeGroup", "anyAttribute"]) {
            match child.item.local {
                "attribute" => match self.attribute_use(child) {
                    Some((used, false)) => attributes.uses.push(used),
                    Some((used, true)) => {
                        attributes.prohibited.extend(self.schemas.attributes.get(used.attribute).map(|noun| noun.name.clone()))
                    }
                    None => {}
                },
                "anyAttribute" => own_any = Some(self.wildcard(child)),
                _ => {
                    let inner = self.attribute_group(child, open);
                    attributes.uses.extend(inner.uses);
                    group_any.extend(inner.any);
                }
            }
        }
        // Part 1 §3.4.2: the complete wildcard is what all of them allow.
        let process = own_any.as_ref().or(group_any.first()).map_or(Process::Strict, |any: &Wildcard| any.process);
        for any in own_any.into_iter().chain(group_any) {
            attributes.any = match attributes.any.take() {
                None => Some(any),
                Some(before) => match intersection(&before.namespaces, &any.namespaces) {
                    Some(namespaces) => Some(Wildcard { namespaces, process }),
                    None => {
                        self.report(at, "src-ct.4", "what the attribute wildcards allow in common cannot be expressed");
                        Some(before)
                    }
                },
            };
        }
        attributes
    }

    fn attribute_group(&mut self, at: At<'d>, open: &mut Vec<(QName, usize)>) -> Attributes {
        let Some(text) = at.item.token("ref") else {
            self.report(at, "s4s-att-must-appear", "an attribute group inside a type is a reference");
            return Attributes::default();
        };
        if !at.item.children.is_empty() {
            self.report(at, "s4s-elt-invalid-content", "a reference to an attribute group holds nothing");
        }
        let Some(name) = self.name_in(at, text) else { return Attributes::default() };
        // Inside a redefinition the group's own name is that of the group it redefines.
        let below = open.last().filter(|(own, level)| *own == name && *level > 0).map(|(_, level)| level - 1);
        let levels = self.attribute_groups.get(&name).map(Vec::as_slice).unwrap_or_default();
        let level = below.unwrap_or(levels.len().saturating_sub(1));
        let Some(group) = levels.get(level).copied() else {
            if self.is_missing(at, "attribute group", &name) {
                let any = Some(Wildcard { namespaces: Namespaces::Any, process: Process::Lax });
                return Attributes { any, ..Attributes::default() };
            }
            let known = self.attribute_groups.keys().cloned().collect();
            self.unresolved(at, "attribute group", &name, known);
            return Attributes::default();
        };
        if open.contains(&(name.clone(), level)) {
            self.report(at, "src-attribute_group.3", format!("the attribute group {name} contains itself"));
            return Attributes::default();
        }
        if open.len() >= DEPTH_MAX {
            self.report(at, "unsupported", format!("more than {DEPTH_MAX} attribute groups stand in one another"));
            return Attributes::default();
        }
        open.push((name, level));
        let attributes = if self.may_copy(at, 1) { self.attribute_uses(group, open) } else { Attributes::default() };
        open.pop();
        attributes
    }

    /// ct-props-correct.4: no attribute twice. That at most one is an ID is checked when all types are known.
    fn check_attributes(&mut self, at: At<'_>, uses: &[Use]) {
        let mut names: Vec<QName> =
            uses.iter().filter_map(|used| self.schemas.attributes.get(used.attribute)).map(|noun| noun.name.clone()).collect();
        names.sort();
        let twice =
            names.windows(2).find_map(|pair| matches!(pair, [left, right] if left == right).then(|| pair.first().cloned()).flatten());
        if let Some(name) = twice {
            self.report(at, "ct-props-correct.4", format!("the attribute {name} stands twice in the type"));
        }
    }
}

fn content(particle: Option<Particle>, mixed: bool) -> Content {
    match particle {
        Some(particle) if mixed || !is_void(&particle) => Content::Elements { mixed, particle, model: Arc::default() },
        None if mixed => {
            let source = crate::schema::Source { file: "".into(), place: crate::tree::Place::default() };
            Content::Elements {
                mixed,
                particle: Particle { min: 1, max: Some(1), term: Term::Sequence(Vec::new()), source },
                model: Arc::default(),
            }
        }
        _ => Content::Empty,
    }
}

/// Part 1 §3.4.2, 2.1: a particle that says nothing.
fn is_void(particle: &Particle) -> bool {
    match &particle.term {
        _ if particle.max == Some(0) => true,
        Term::Sequence(inner) | Term::All(inner) => inner.is_empty(),
        Term::Choice(inner) => inner.is_empty() && particle.min == 0,
        Term::Element(_) | Term::Any(_) => false,
    }
}

/// Part 1 §3.9.6 (cos-group-emptiable).
fn emptiable(particle: &Particle) -> bool {
    particle.min == 0
        || match &particle.term {
            Term::Sequence(inner) | Term::All(inner) => inner.iter().all(emptiable),
            Term::Choice(inner) => inner.is_empty() || inner.iter().any(emptiable),
            Term::Element(_) | Term::Any(_) => false,
        }
}

/// Part 1 §3.10.6 (cos-aw-union). `None`: not expressible.
fn union(left: &Namespaces, right: &Namespaces) -> Option<Namespaces> {
    use Namespaces::{Any, Not, These};
    Some(match (left, right) {
        (Any, _) | (_, Any) => Any,
        (These(left), These(right)) => {
            These(left.iter().chain(right.iter().filter(|namespace| !left.contains(namespace))).cloned().collect())
        }
        (Not(left), Not(right)) if left == right => Not(Arc::clone(left)),
        (Not(_), Not(_)) => Not("".into()),
        (Not(other), These(list)) | (These(list), Not(other)) => {
            let (has_other, has_none) = (list.contains(other), list.iter().any(|namespace| namespace.is_empty()));
            match (other.is_empty(), has_other, has_none) {
                (true, true, _) | (false, true, true) => Any,
                (true, false, _) | (false, false, false) => Not(Arc::clone(other)),
                (false, true, false) => Not("".into()),
                (false, false, true) => return None,
            }
        }
    })
}

/// Part 1 §3.10.6 (cos-aw-intersect). `None`: not expressible.
fn intersection(left: &Namespaces, right: &Namespaces) -> Option<Namespaces> {
    use Namespaces::{Any, Not, These};
    Some(match (left, right) {
        (Any, other) | (other, Any) => other.clone(),
        (These(left), These(right)) => These(left.iter().filter(|namespace| right.contains(namespace)).cloned().collect()),
        (Not(other), These(list)) | (These(list), Not(other)) => {
            These(list.iter().filter(|namespace| !namespace.is_empty() && *namespace != other).cloned().collect())
        }
        (Not(left), Not(right)) if left == right || right.is_empty() => Not(Arc::clone(left)),
        (Not(left), Not(right)) if left.is_empty() => Not(Arc::clone(right)),
        (Not(_), Not(_)) => return None,
    })
}

/// Part 1 §3.10.6 (cos-ns-subset).
pub(crate) fn subset(inner: &Namespaces, outer: &Namespaces) -> bool {
    use Namespaces::{Any, Not, These};
    match (inner, outer) {
        (_, Any) => true,
        (Not(inner), Not(outer)) => inner == outer || outer.is_empty(),
        (These(list), Not(other)) => list.iter().all(|namespace| !namespace.is_empty() && namespace != other),
        (These(list), These(outer)) => list.iter().all(|namespace| outer.contains(namespace)),
        (Any, _) | (Not(_), These(_)) => false,
    }
}
