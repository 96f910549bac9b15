//! What changed between two releases of a schema, and for whom that breaks something.

use crate::diagnostic::closest;
use std::collections::{BTreeMap, BTreeSet};
use xsd::schema::{Child, Schemas, SimpleType, Source, TypeDef};
use xsd::tree::QName;

/// Whom a change breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Impact {
    /// A document of the new schema may not be what a reader of the old one expects.
    Readers,
    /// A document of the old schema may not be valid any more.
    Writers,
    /// Both.
    Both,
    /// Neither.
    None,
}

impl Impact {
    fn of(readers: bool, writers: bool) -> Self {
        match (readers, writers) {
            (true, true) => Self::Both,
            (true, false) => Self::Readers,
            (false, true) => Self::Writers,
            (false, false) => Self::None,
        }
    }

    /// As `breaking for readers`.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Readers => "breaking for readers",
            Self::Writers => "breaking for writers",
            Self::Both => "breaking",
            Self::None => "compatible",
        }
    }
}

/// One change.
#[derive(Clone, Debug)]
pub struct Change {
    /// Whom it breaks.
    pub impact: Impact,
    /// Where, as a path from a global element; the first of several.
    pub path: String,
    /// What, in a sentence.
    pub what: String,
    /// Where the old schema declares it.
    pub old: Option<Source>,
    /// Where the new schema does.
    pub new: Option<Source>,
    /// What it was probably renamed to: a name in the same type.
    pub renamed: Option<QName>,
    /// The type (by its place in the old schema) and the name in it that are concerned; nothing in it for the type as a whole.
    pub(crate) keys: BTreeSet<Key>,
}

/// A type of the old schema by its file and place, and what stands in it.
pub(crate) type Key = (String, Option<QName>, bool);

pub(crate) fn key(owner: TypeDef<'_>, name: Option<&QName>, attribute: bool) -> Key {
    (owner.source().to_string(), name.cloned(), attribute)
}

/// The changes from `old` to `new`, in the order of paths; from the elements of `roots`, or from all global ones that both have.
#[must_use]
pub fn changes(old: &Schemas, new: &Schemas, roots: &[QName]) -> Vec<Change> {
    let mut walk = Walk { seen: BTreeSet::new(), found: BTreeMap::new() };
    let names: Vec<QName> = if roots.is_empty() { old.elements().map(|element| element.name().clone()).collect() } else { roots.to_vec() };
    for name in &names {
        let path = name.local().to_owned();
        match (old.element(name), new.element(name)) {
            (Some(left), Some(right)) => walk.types(left.type_definition(), right.type_definition(), &path),
            (Some(left), None) => walk.say(Impact::Both, &path, "global element removed", (Some(left.source()), None), None),
            _ => {}
        }
    }
    if roots.is_empty() {
        for right in new.elements().filter(|right| old.element(right.name()).is_none()) {
            walk.say(Impact::None, right.name().local(), "global element added", (None, Some(right.source())), None);
        }
    }
    let mut found: Vec<Change> = walk.found.into_values().collect();
    found.sort_by(|left, right| (&left.path, &left.what).cmp(&(&right.path, &right.what)));
    found
}

struct Walk {
    seen: BTreeSet<(String, String)>,
    found: BTreeMap<(String, String, String), Change>,
}

type Places<'a> = (Option<&'a Source>, Option<&'a Source>);

impl Walk {
    /// A change, once for each declaration that has it, however many paths lead there.
    fn say(&mut self, impact: Impact, path: &str, what: impl Into<String>, places: Places<'_>, key: Option<Key>) {
        let what = what.into();
        let text = |place: Option<&Source>| place.map(ToString::to_string).unwrap_or_default();
        let id = (text(places.0), text(places.1), what.clone());
        let (old, new) = (places.0.cloned(), places.1.cloned());
        let fresh = || Change { impact, path: path.to_owned(), what, old, new, renamed: None, keys: BTreeSet::new() };
        self.found.entry(id).or_insert_with(fresh).keys.extend(key);
    }

    fn types(&mut self, old: TypeDef<'_>, new: TypeDef<'_>, path: &str) {
        if !self.seen.insert((old.source().to_string() + &name_of(old), new.source().to_string() + &name_of(new))) {
            return;
        }
        self.children(old, new, path);
        self.attributes(old, new, path);
        if let (Some(left), Some(right)) = (old.simple_content(), new.simple_content()) {
            self.simple((left, right), path, (Some(old.source()), Some(new.source())), &key(old, None, false));
        }
        let here = || Some(key(old, None, false));
        let places = (Some(old.source()), Some(new.source()));
        match (old.simple_content().is_some() || old.is_mixed(), new.simple_content().is_some() || new.is_mixed()) {
            (true, false) => self.say(Impact::Both, path, "text is no longer allowed", places, here()),
            (false, true) => self.say(Impact::Readers, path, "text is allowed now", places, here()),
            _ => {}
        }
        match (old.has_any(), new.has_any()) {
            (true, false) => self.say(Impact::Writers, path, "any element (xs:any) is no longer allowed", places, here()),
            (false, true) => self.say(Impact::None, path, "any element (xs:any) is allowed now", places, here()),
            _ => {}
        }
        self.derived(old, new, path);
    }

    /// The types that xsi:type may name.
    fn derived(&mut self, old: TypeDef<'_>, new: TypeDef<'_>, path: &str) {
        if old.is_simple() || new.is_simple() || name_of(old).ends_with("}anyType") {
            return;
        }
        let (left, right) = (old.concrete_types(), new.concrete_types());
        let named = |types: &[TypeDef<'_>], name: &QName| types.iter().any(|other| other.name() == Some(name));
        for gone in left.iter().filter(|gone| gone.name().is_some_and(|name| !named(&right, name)) && **gone != old) {
            let what = format!("type {} (xsi:type) removed", gone.name().map(QName::local).unwrap_or_default());
            self.say(Impact::Writers, path, what, (Some(gone.source()), None), Some(key(old, None, false)));
        }
        for come in right.iter().filter(|come| come.name().is_some_and(|name| !named(&left, name)) && **come != new) {
            let what = format!("type {} (xsi:type) added", come.name().map(QName::local).unwrap_or_default());
            self.say(Impact::Readers, path, what, (None, Some(come.source())), Some(key(old, None, false)));
        }
        for was in left.iter().filter(|was| **was != old) {
            if let Some(is) = right.iter().find(|is| is.name().is_some() && is.name() == was.name()) {
                let step = format!("{path}[{}]", was.name().map(QName::local).unwrap_or_default());
                self.types(*was, *is, &step);
            }
        }
    }

    fn children(&mut self, old: TypeDef<'_>, new: TypeDef<'_>, path: &str) {
        let (left, right) = (unique(old), unique(new));
        let find = |all: &[Child<'_>], name: &QName| all.iter().any(|child| child.element.name() == name);
        let gone: Vec<&Child<'_>> = left.iter().filter(|child| !find(&right, child.element.name())).collect();
        let mut come: Vec<&Child<'_>> = right.iter().filter(|child| !find(&left, child.element.name())).collect();
        for child in gone {
            let renamed = likely_rename(child, &left, &come, &right);
            if let Some(renamed) = renamed {
                come.retain(|other| other.element.name() != renamed.element.name());
                self.removed(child, Some(renamed), old, path);
                let step = join(path, renamed.element.name());
                self.types(child.element.type_definition(), renamed.element.type_definition(), &step);
            } else {
                self.removed(child, None, old, path);
            }
        }
        for child in come {
            let (word, impact) = match (child.min > 0, child.choice.is_some()) {
                (true, _) => ("required element", Impact::Writers),
                (false, true) => ("alternative", Impact::Readers),
                (false, false) => ("optional element", Impact::None),
            };
            let what = format!("{word} '{}' added: it is unaccounted for until a rule maps or ignores it", child.element.name().local());
            self.say(impact, &join(path, child.element.name()), what, (None, Some(child.element.source())), Some(key(old, None, false)));
        }
        for was in &left {
            if let Some(is) = right.iter().find(|is| is.element.name() == was.element.name()) {
                self.element(was, is, old, path);
            }
        }
        self.order(&left, &right, (old, new), path);
    }

    fn removed(&mut self, child: &Child<'_>, renamed: Option<&Child<'_>>, owner: TypeDef<'_>, path: &str) {
        let name = child.element.name();
        let key = key(owner, Some(name), false);
        let new = renamed.map(|renamed| renamed.element.source());
        let what = match renamed {
            Some(renamed) => format!("element '{}' removed, probably renamed to '{}'", name.local(), renamed.element.name().local()),
            None => format!("element '{}' removed", name.local()),
        };
        self.say(Impact::Both, &join(path, name), what, (Some(child.element.source()), new), Some(key.clone()));
        if let Some(renamed) = renamed {
            self.found.values_mut().filter(|change| change.keys.contains(&key) && change.new.as_ref() == new).for_each(|change| {
                change.renamed = Some(renamed.element.name().clone());
            });
        }
    }

    /// The order of the names that both have.
    fn order(&mut self, left: &[Child<'_>], right: &[Child<'_>], types: (TypeDef<'_>, TypeDef<'_>), path: &str) {
        let common = |all: &[Child<'_>], other: &[Child<'_>]| -> Vec<QName> {
            let names = all.iter().filter(|child| child.choice.is_none()).map(|child| child.element.name().clone());
            names.filter(|name| other.iter().any(|child| child.element.name() == name && child.choice.is_none())).collect()
        };
        let (before, after) = (common(left, right), common(right, left));
        if before != after {
            let moved = before.iter().zip(&after).find(|(before, after)| before != after).map(|(before, _)| before.local().to_owned());
            let what = format!("elements in another order, from '{}' on", moved.unwrap_or_default());
            let places = (Some(types.0.source()), Some(types.1.source()));
            self.say(Impact::Writers, path, what, places, None);
        }
    }

    fn element(&mut self, was: &Child<'_>, is: &Child<'_>, owner: TypeDef<'_>, path: &str) {
        let name = was.element.name();
        let path = join(path, name);
        let places = (Some(was.element.source()), Some(is.element.source()));
        let this = || Some(key(owner, Some(name), false));
        if was.min > 0 && is.min == 0 {
            self.say(Impact::Readers, &path, "was required, is optional", places, this());
        } else if was.min < is.min {
            self.say(Impact::Writers, &path, format!("must stand {} times, before {}", is.min, was.min), places, this());
        }
        let shown = |max: Option<u32>| max.map_or_else(|| "unbounded".to_owned(), |max| max.to_string());
        let less = |left: Option<u32>, right: Option<u32>| left.is_some_and(|left| right.is_none_or(|right| left < right));
        if less(was.max, is.max) {
            let readers = was.max == Some(1);
            self.say(
                Impact::of(readers, false),
                &path,
                format!("may stand {} times, before {}", shown(is.max), shown(was.max)),
                places,
                this(),
            );
        } else if less(is.max, was.max) {
            self.say(Impact::Writers, &path, format!("may stand only {} times, before {}", shown(is.max), shown(was.max)), places, this());
        }
        match (was.element.is_nillable(), is.element.is_nillable()) {
            (false, true) => self.say(Impact::Readers, &path, "may be nil now", places, this()),
            (true, false) => self.say(Impact::Writers, &path, "may no longer be nil", places, this()),
            _ => {}
        }
        if was.element.fixed() != is.element.fixed() || was.element.default() != is.element.default() {
            self.say(Impact::Both, &path, "another default or fixed value", places, this());
        }
        let (left, right) = (was.element.type_definition(), is.element.type_definition());
        match (left.is_simple(), right.is_simple()) {
            (true, true) => {
                if let (Some(left), Some(right)) = (left.simple_content(), right.simple_content()) {
                    self.simple((left, right), &path, places, &key(owner, Some(name), false));
                }
            }
            (false, false) => self.types(left, right, &path),
            (true, false) => self.say(Impact::Both, &path, "was text, holds elements or attributes now", places, this()),
            (false, true) => self.say(Impact::Both, &path, "held elements or attributes, is text now", places, this()),
        }
    }

    fn attributes(&mut self, old: TypeDef<'_>, new: TypeDef<'_>, path: &str) {
        for was in old.attributes() {
            let name = was.name();
            let at = format!("{path}/@{}", name.local());
            let this = key(old, Some(name), true);
            let Some(is) = new.attribute(name.namespace(), name.local()) else {
                self.say(Impact::Both, &at, format!("attribute '{}' removed", name.local()), (Some(was.source()), None), Some(this));
                continue;
            };
            let places = (Some(was.source()), Some(is.source()));
            match (was.is_required(), is.is_required()) {
                (true, false) => self.say(Impact::Readers, &at, "was required, is optional", places, Some(this.clone())),
                (false, true) => self.say(Impact::Writers, &at, "is required now", places, Some(this.clone())),
                _ => {}
            }
            if was.fixed() != is.fixed() || was.default() != is.default() {
                self.say(Impact::Both, &at, "another default or fixed value", places, Some(this.clone()));
            }
            if let (Some(left), Some(right)) = (was.type_definition().simple_content(), is.type_definition().simple_content()) {
                self.simple((left, right), &at, places, &this);
            }
        }
        for is in new.attributes() {
            let name = is.name();
            if old.attribute(name.namespace(), name.local()).is_none() {
                let (word, impact) = if is.is_required() { ("required", Impact::Writers) } else { ("optional", Impact::None) };
                let what = format!("{word} attribute '{}' added: it is unaccounted for until a rule maps or ignores it", name.local());
                self.say(impact, &format!("{path}/@{}", name.local()), what, (None, Some(is.source())), Some(key(old, None, false)));
            }
        }
    }

    fn simple(&mut self, types: (SimpleType<'_>, SimpleType<'_>), path: &str, places: Places<'_>, key: &Key) {
        for (impact, what) in simple_changes(types.0, types.1) {
            self.say(impact, path, what, places, Some(key.clone()));
        }
    }
}

/// Each child name once.
fn unique<'s>(of: TypeDef<'s>) -> Vec<Child<'s>> {
    let mut found: Vec<Child<'s>> = Vec::new();
    for child in of.children() {
        match found.iter_mut().find(|before| before.element.name() == child.element.name()) {
            Some(before) => {
                before.min = before.min.saturating_add(child.min);
                before.max = before.max.zip(child.max).map(|(left, right)| left.saturating_add(right));
            }
            None => found.push(child),
        }
    }
    found
}

fn name_of(of: TypeDef<'_>) -> String {
    of.name().map(ToString::to_string).unwrap_or_default()
}

fn join(path: &str, name: &QName) -> String {
    format!("{path}/{}", name.local())
}

/// What was probably meant where one name is gone and others are new: of a type like it, and a name like it or the very place.
fn likely_rename<'c, 'n>(gone: &Child<'_>, left: &[Child<'_>], come: &[&'c Child<'n>], right: &[Child<'_>]) -> Option<&'c Child<'n>> {
    let before = |all: &[Child<'_>], name: &QName| {
        let at = all.iter().position(|child| child.element.name() == name)?;
        at.checked_sub(1).and_then(|at| all.get(at)).map(|child| child.element.name().clone())
    };
    let alike = |other: &Child<'_>| {
        let (was, is) = (gone.element.type_definition(), other.element.type_definition());
        let same_name = was.name().is_some() && was.name() == is.name();
        let primitive = |of: TypeDef<'_>| of.simple_content().and_then(|simple| simple.primitive());
        same_name || (primitive(was).is_some() && primitive(was) == primitive(is)) || same_children(was, is)
    };
    let letters = gone.element.name().local().chars().count();
    let score = |other: &Child<'_>| {
        let (old, new) = (gone.element.name(), other.element.name());
        let (_, apart) = closest(&old.local().to_lowercase(), [new.local().to_lowercase().as_str()])?;
        let near = apart * 3 <= letters.max(new.local().chars().count());
        let same_place = before(left, old) == before(right, new) && come.len() == 1;
        let documented = gone.element.documentation().is_some() && gone.element.documentation() == other.element.documentation();
        (alike(other) && (near || same_place || documented)).then_some(apart)
    };
    come.iter().filter_map(|other| Some((score(other)?, *other))).min_by_key(|(apart, _)| *apart).map(|(_, other)| other)
}

fn same_children(left: TypeDef<'_>, right: TypeDef<'_>) -> bool {
    let names = |of: TypeDef<'_>| of.children().iter().map(|child| child.element.name().clone()).collect::<Vec<_>>();
    !left.is_simple() && !right.is_simple() && !names(left).is_empty() && names(left) == names(right)
}

/// What changed between two simple types, and for whom.
fn simple_changes(left: SimpleType<'_>, right: SimpleType<'_>) -> Vec<(Impact, String)> {
    let mut found = Vec::new();
    let words = |simple: SimpleType<'_>| simple.primitive().map_or_else(|| "a list or union".to_owned(), |primitive| primitive.to_string());
    if left.primitive() != right.primitive() {
        found.push((Impact::Both, format!("was {}, is {}", words(left), words(right))));
        return found;
    }
    let set = |values: Option<Vec<&str>>| values.map(|values| values.into_iter().map(str::to_owned).collect::<BTreeSet<_>>());
    match (set(left.enumeration()), set(right.enumeration())) {
        (Some(was), Some(is)) => {
            let list = |values: Vec<&String>| values.into_iter().map(String::as_str).collect::<Vec<_>>().join(" ");
            let (come, gone): (Vec<_>, Vec<_>) = (is.difference(&was).collect(), was.difference(&is).collect());
            if !come.is_empty() {
                found.push((Impact::Readers, format!("values added: {}", list(come))));
            }
            if !gone.is_empty() {
                found.push((Impact::Writers, format!("values removed: {}", list(gone))));
            }
        }
        (None, Some(is)) => found.push((Impact::Writers, format!("only {} values are allowed now", is.len()))),
        (Some(was), None) => found.push((Impact::Readers, format!("was one of {} values, is not enumerated now", was.len()))),
        (None, None) => {}
    }
    let (was, is) = (left.facets(), right.facets());
    let bound = |name: &str, was: Option<String>, is: Option<String>, narrower: bool| {
        (was != is).then(|| {
            let shown = |value: Option<String>| value.unwrap_or_else(|| "none".to_owned());
            let narrower = narrower && is.is_some() || was.is_none();
            (Impact::of(!narrower, narrower), format!("{name} {} → {}", shown(was), shown(is)))
        })
    };
    let number = |value: Option<u64>| value.map(|value| value.to_string());
    let fewer = |was: Option<u64>, is: Option<u64>| is.is_some_and(|is| was.is_none_or(|was| is < was));
    let more = |was: Option<u64>, is: Option<u64>| is.is_some_and(|is| was.is_none_or(|was| is > was));
    found.extend(bound("length", number(was.length), number(is.length), true));
    found.extend(bound("minLength", number(was.min_length), number(is.min_length), more(was.min_length, is.min_length)));
    found.extend(bound("maxLength", number(was.max_length), number(is.max_length), fewer(was.max_length, is.max_length)));
    found.extend(bound("totalDigits", number(was.total_digits), number(is.total_digits), fewer(was.total_digits, is.total_digits)));
    found.extend(bound(
        "fractionDigits",
        number(was.fraction_digits),
        number(is.fraction_digits),
        fewer(was.fraction_digits, is.fraction_digits),
    ));
    let literal = |value: &Option<xsd::simple::Literal>| value.as_ref().map(|value| value.lexical.clone());
    for (name, was, is) in [
        ("minInclusive", &was.min_inclusive, &is.min_inclusive),
        ("maxInclusive", &was.max_inclusive, &is.max_inclusive),
        ("minExclusive", &was.min_exclusive, &is.min_exclusive),
        ("maxExclusive", &was.max_exclusive, &is.max_exclusive),
    ] {
        // Which of two bounds is the narrower one is not asked of values that have no order here: both sides look.
        found.extend(bound(name, literal(was), literal(is), true).map(|(_, what)| (Impact::Both, what)));
    }
    let patterns = |simple: SimpleType<'_>| {
        simple
            .facets()
            .patterns
            .iter()
            .map(|step| step.iter().map(|pattern| pattern.source().to_owned()).collect::<Vec<_>>().join("|"))
            .collect::<Vec<_>>()
    };
    if patterns(left) != patterns(right) {
        let what = format!("pattern {} → {}", shown(&patterns(left)), shown(&patterns(right)));
        found.push((if patterns(left).is_empty() { Impact::Writers } else { Impact::Both }, what));
    }
    found
}

fn shown(patterns: &[String]) -> String {
    if patterns.is_empty() { "none".to_owned() } else { patterns.join(" and ") }
}
