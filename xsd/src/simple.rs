//! Simple types: variety, white space, facets, and the check of a lexical value (XML Schema 1.0 part 2 §4).

use crate::chars;
use crate::pattern::Pattern;
use crate::report::shortened;
use crate::schema::{Schemas, TypeId};
use crate::scope::Scope;
use crate::value::{Primitive, Value, parse};
use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

/// A simple type: everything that a check needs, that of its bases merged in.
#[derive(Clone, Debug)]
pub(crate) struct Simple {
    pub(crate) variety: Variety,
    pub(crate) lexical: Lexical,
    pub(crate) identity: Identity,
    pub(crate) facets: Facets,
}

#[derive(Clone, Debug)]
pub(crate) enum Variety {
    Atomic(Primitive),
    List(TypeId),
    Union(Vec<TypeId>),
}

/// What a built-in derived type asks of the lexical form beside its facets (part 2 §3.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lexical {
    Plain,
    Integer,
    Language,
    Name,
    NcName,
    NmToken,
}

/// Whether a value identifies something in its document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Identity {
    None,
    Id,
    Reference,
}

/// Part 2 §4.3.6, in the order of strictness.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum WhiteSpace {
    /// As it stands.
    #[default]
    Preserve,
    /// Every white space character is a space.
    Replace,
    /// Runs are one space, none at the ends.
    Collapse,
}

/// A value as written and as meant.
#[derive(Clone, Debug)]
pub struct Literal {
    /// As written in the schema.
    pub lexical: String,
    pub(crate) value: Value<'static>,
}

/// The values of an enumeration, and where they are text an index of them: some enumerations have thousands.
#[derive(Debug)]
pub(crate) struct Enumeration {
    values: Vec<Literal>,
    /// The numbers of the values in the order of their texts; empty where some value is no text.
    by_text: Vec<usize>,
}

impl std::ops::Deref for Enumeration {
    type Target = [Literal];

    fn deref(&self) -> &[Literal] {
        &self.values
    }
}

impl Enumeration {
    pub(crate) fn new(values: Vec<Literal>) -> Self {
        let all_text = values.iter().all(|literal| matches!(literal.value, Value::Text(_)));
        let mut by_text: Vec<usize> = if all_text { (0..values.len()).collect() } else { Vec::new() };
        by_text.sort_by(|left, right| text_of(&values, *left).cmp(text_of(&values, *right)));
        Self { values, by_text }
    }

    /// Of texts alone.
    fn has_text(&self, text: &str) -> bool {
        self.by_text.binary_search_by(|at| text_of(&self.values, *at).cmp(text)).is_ok()
    }

    fn has(&self, value: &Value<'_>) -> bool {
        match value {
            Value::Text(text) if !self.by_text.is_empty() => self.has_text(text),
            value => self.values.iter().any(|listed| listed.value.equals(value)),
        }
    }
}

fn text_of(values: &[Literal], at: usize) -> &str {
    match values.get(at).map(|literal| &literal.value) {
        Some(Value::Text(text)) => text,
        _ => "",
    }
}

/// The constraining facets of part 2 §4.3.
#[derive(Clone, Debug, Default)]
pub struct Facets {
    /// Exact length: characters, octets or items.
    pub length: Option<u64>,
    /// Least length.
    pub min_length: Option<u64>,
    /// Greatest length.
    pub max_length: Option<u64>,
    /// Most significant digits.
    pub total_digits: Option<u64>,
    /// Most digits behind the point.
    pub fraction_digits: Option<u64>,
    /// Greatest value.
    pub max_inclusive: Option<Literal>,
    /// What values must be less than.
    pub max_exclusive: Option<Literal>,
    /// Least value.
    pub min_inclusive: Option<Literal>,
    /// What values must be greater than.
    pub min_exclusive: Option<Literal>,
    /// How white space is processed.
    pub white_space: WhiteSpace,
    /// The patterns: one of each step of derivation must match.
    pub patterns: Vec<Vec<Pattern>>,
    pub(crate) enumeration: Option<Arc<Enumeration>>,
    /// The names of the facets that a derived type must not change.
    pub(crate) fixed: Vec<&'static str>,
}

/// Why a lexical value is not of a type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The rule of XML Schema, as `cvc-pattern-valid`.
    pub rule: &'static str,
    /// What is wrong, in one sentence. It quotes the value: keep it out of ledgers and logs.
    pub what: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.rule, self.what)
    }
}

impl std::error::Error for Failure {}

fn fails<T>(rule: &'static str, what: impl Into<String>) -> Result<T, Failure> {
    Err(Failure { rule, what: what.into() })
}

/// The start of a value, short enough for a message.
fn shown(text: &str) -> String {
    match text.char_indices().nth(60) {
        Some((at, _)) => format!("'{}…'", text.get(..at).unwrap_or_default()),
        None => format!("'{text}'"),
    }
}

/// Part 2 §4.3.6.
pub(crate) fn process(white_space: WhiteSpace, text: &str) -> Cow<'_, str> {
    let spaced = |byte: u8| matches!(byte, b'\t' | b'\n' | b'\r');
    match white_space {
        WhiteSpace::Preserve => Cow::Borrowed(text),
        WhiteSpace::Replace if !text.bytes().any(spaced) => Cow::Borrowed(text),
        WhiteSpace::Replace => Cow::Owned(text.replace(['\t', '\n', '\r'], " ")),
        WhiteSpace::Collapse => {
            let outside = |byte: Option<&u8>| byte.is_some_and(|byte| chars::is_space(*byte));
            let trimmed = if outside(text.as_bytes().first()) || outside(text.as_bytes().last()) { chars::trim(text) } else { text };
            let mut before = 0;
            let plain = trimmed.bytes().all(|byte| {
                let plain = byte > b' ' || !spaced(byte) && before != b' ';
                before = byte;
                plain
            });
            if plain {
                return Cow::Borrowed(trimmed);
            }
            let words: Vec<&str> = words(trimmed).collect();
            Cow::Owned(words.join(" "))
        }
    }
}

pub(crate) fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split([' ', '\t', '\n', '\r']).filter(|word| !word.is_empty())
}

impl Simple {
    /// Whether facets of a union refuse values of its members.
    pub(crate) fn is_narrowed(&self) -> bool {
        self.facets.enumeration.is_some() || !self.facets.patterns.is_empty()
    }

    /// Whether a text is a value, where it is its own value and that can be said at a glance; all else is for [`Simple::value`] to say.
    #[inline]
    pub(crate) fn takes(&self, text: &str) -> bool {
        let facets = &self.facets;
        matches!(self.variety, Variety::Atomic(Primitive::String | Primitive::AnySimpleType))
            && self.lexical == Lexical::Plain
            && self.identity == Identity::None
            && facets.white_space == WhiteSpace::Preserve
            && facets.surely_long(text.len())
            && facets.enumeration.as_ref().is_none_or(|values| values.has_text(text))
            && facets.patterns.iter().all(|step| step.iter().any(|pattern| pattern.matches(text)))
    }

    /// Checks a lexical value before white space processing (cvc-simple-type). Names resolve in `scope`.
    pub(crate) fn check(&self, schemas: &Schemas, text: &str, scope: Option<&Scope>) -> Result<(), Failure> {
        self.value(schemas, text, scope).map(drop)
    }

    /// The value of a lexical form before white space processing.
    pub(crate) fn value<'t>(&self, schemas: &Schemas, text: &'t str, scope: Option<&Scope>) -> Result<Value<'t>, Failure> {
        match process(self.facets.white_space, text) {
            Cow::Borrowed(text) => self.processed(schemas, text, scope),
            Cow::Owned(text) => self.processed(schemas, &text, scope).map(Value::into_owned),
        }
    }

    fn processed<'t>(&self, schemas: &Schemas, text: &'t str, scope: Option<&Scope>) -> Result<Value<'t>, Failure> {
        for step in &self.facets.patterns {
            if !step.iter().any(|pattern| pattern.matches(text)) {
                let patterns: Vec<&str> = step.iter().map(Pattern::source).collect();
                return fails(
                    "cvc-pattern-valid",
                    format!("{} does not match the pattern {}", shown(text), shortened(&patterns.join(" | "))),
                );
            }
        }
        let value = match &self.variety {
            Variety::Atomic(primitive) => match self.atomic(*primitive, text, scope)? {
                Value::Name(name) if *primitive == Primitive::Notation && !schemas.notations.contains(&name) => {
                    return fails("cvc-datatype-valid.1.2.1", format!("no notation {name} is declared"));
                }
                value => value,
            },
            Variety::List(item) => {
                let Some(item) = schemas.simple(*item) else { return fails("cvc-datatype-valid.1.2.2", "the list has no item type") };
                Value::List(words(text).map(|word| item.value(schemas, word, scope)).collect::<Result<_, _>>()?)
            }
            Variety::Union(members) => {
                let mut members = members.iter().filter_map(|member| schemas.simple(*member));
                let Some(value) = members.find_map(|member| member.value(schemas, text, scope).ok()) else {
                    return fails("cvc-datatype-valid.1.2.3", format!("{} is of no member type of the union", shown(text)));
                };
                value
            }
        };
        self.facets.check(&value, text)?;
        Ok(value)
    }

    fn atomic<'t>(&self, primitive: Primitive, text: &'t str, scope: Option<&Scope>) -> Result<Value<'t>, Failure> {
        let formed = match self.lexical {
            Lexical::Plain => true,
            Lexical::Integer => !text.contains('.'),
            Lexical::Language => is_language(text),
            Lexical::Name => {
                text.chars().next().is_some_and(chars::starts_name_or_colon) && text.chars().all(chars::continues_name_or_colon)
            }
            Lexical::NcName => chars::is_ncname(text),
            Lexical::NmToken => !text.is_empty() && text.chars().all(chars::continues_name_or_colon),
        };
        let value = if formed { parse(primitive, text, scope) } else { None };
        match value {
            Some(value) => Ok(value),
            None => fails("cvc-datatype-valid.1.2.1", format!("{} is no {}", shown(text), self.word(primitive))),
        }
    }

    fn word(&self, primitive: Primitive) -> &'static str {
        match self.lexical {
            Lexical::Plain => primitive.name(),
            Lexical::Integer => "integer",
            Lexical::Language => "language",
            Lexical::Name => "Name",
            Lexical::NcName => "NCName",
            Lexical::NmToken => "NMTOKEN",
        }
    }
}

fn is_language(text: &str) -> bool {
    let part = |part: &str, first: bool| {
        (1..=8).contains(&part.len())
            && part.bytes().all(|byte| if first { byte.is_ascii_alphabetic() } else { byte.is_ascii_alphanumeric() })
    };
    text.split('-').enumerate().all(|(number, text)| part(text, number == 0))
}

impl Facets {
    fn check(&self, value: &Value<'_>, text: &str) -> Result<(), Failure> {
        self.lengths(value, text)?;
        self.digits(value, text)?;
        self.bounds(value, text)?;
        match &self.enumeration {
            Some(values) if !values.has(value) => {
                let listed: Vec<&str> = values.iter().take(12).map(|listed| listed.lexical.as_str()).collect();
                let more = if values.len() > listed.len() { ", …" } else { "" };
                fails("cvc-enumeration-valid", format!("{} is none of {}{more}", shown(text), listed.join(", ")))
            }
            _ => Ok(()),
        }
    }

    /// Whether every text of so many octets has a length that is allowed: a character has one to four of them.
    #[inline]
    fn surely_long(&self, octets: usize) -> bool {
        let bounds = u64::try_from(octets).map(|most| (most.div_ceil(4), most));
        self.length.is_none()
            && bounds
                .is_ok_and(|(least, most)| self.min_length.is_none_or(|min| min <= least) && self.max_length.is_none_or(|max| most <= max))
    }

    fn lengths(&self, value: &Value<'_>, text: &str) -> Result<(), Failure> {
        if self.length.or(self.min_length).or(self.max_length).is_none() {
            return Ok(());
        }
        let Some(length) = value.length().and_then(|length| u64::try_from(length).ok()) else { return Ok(()) };
        let facets = [
            ("cvc-length-valid", "not", self.length, self.length.is_some_and(|exact| length != exact)),
            ("cvc-minLength-valid", "less than", self.min_length, self.min_length.is_some_and(|min| length < min)),
            ("cvc-maxLength-valid", "more than", self.max_length, self.max_length.is_some_and(|max| length > max)),
        ];
        match facets.into_iter().find(|(.., broken)| *broken) {
            Some((rule, word, bound, _)) => {
                fails(rule, format!("{} has length {length}, {word} {}", shown(text), bound.unwrap_or_default()))
            }
            None => Ok(()),
        }
    }

    fn digits(&self, value: &Value<'_>, text: &str) -> Result<(), Failure> {
        let Value::Decimal(decimal) = value else { return Ok(()) };
        let over = |found: usize, max: Option<u64>| max.filter(|max| u64::try_from(found).is_ok_and(|found| found > *max));
        if let Some(max) = over(decimal.digits(), self.total_digits) {
            return fails("cvc-totalDigits-valid", format!("{} has more than {max} digits", shown(text)));
        }
        match over(decimal.fraction_digits(), self.fraction_digits) {
            Some(max) => fails("cvc-fractionDigits-valid", format!("{} has more than {max} digits behind the point", shown(text))),
            None => Ok(()),
        }
    }

    fn bounds(&self, value: &Value<'_>, text: &str) -> Result<(), Failure> {
        use Ordering::{Equal, Greater, Less};
        if self.max_inclusive.is_none() && self.max_exclusive.is_none() && self.min_inclusive.is_none() && self.min_exclusive.is_none() {
            return Ok(());
        }
        let bounds: [(&'static str, &str, &Option<Literal>, &[Ordering]); 4] = [
            ("cvc-maxInclusive-valid", "at most", &self.max_inclusive, &[Less, Equal]),
            ("cvc-maxExclusive-valid", "less than", &self.max_exclusive, &[Less]),
            ("cvc-minInclusive-valid", "at least", &self.min_inclusive, &[Greater, Equal]),
            ("cvc-minExclusive-valid", "more than", &self.min_exclusive, &[Greater]),
        ];
        for (rule, word, bound, allowed) in bounds {
            let Some(bound) = bound else { continue };
            if !value.order(&bound.value).is_some_and(|order| allowed.contains(&order)) {
                return fails(rule, format!("{} is not {word} {}", shown(text), bound.lexical));
            }
        }
        Ok(())
    }
}
