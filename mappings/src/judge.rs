//! Whether a value of one type can stand where another is asked for: always, sometimes, or never.

use xsd::schema::{SimpleType, XSD_NAMESPACE};
use xsd::{Pattern, Primitive};

/// What is known of a value before it is read.
#[derive(Debug)]
pub(crate) enum Produced<'s> {
    Constant(String),
    /// As the source has it.
    Typed(SimpleType<'s>),
    /// What functions made of it.
    Text,
    /// One of these, from a code table.
    Codes(Vec<String>),
    Date,
    Instant,
    LocalTime,
    Count,
    Digest,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Fits,
    /// Some values do not: which, in words.
    Narrow(String),
    Never,
}

/// Judges a value against the type it is written to.
pub(crate) fn judge(produced: &Produced<'_>, target: SimpleType<'_>) -> Verdict {
    let sample = |sample: &str| if target.check(sample).is_ok() { Verdict::Fits } else { Verdict::Never };
    match produced {
        Produced::Constant(value) => sample(value),
        Produced::Codes(values) => {
            let bad: Vec<&str> = values.iter().map(String::as_str).filter(|value| target.check(value).is_err()).collect();
            if bad.is_empty() { Verdict::Fits } else { Verdict::Narrow(list(&bad)) }
        }
        Produced::Date => sample("2026-07-03"),
        Produced::Instant => sample("2026-07-03T15:30:00.000Z"),
        Produced::LocalTime => sample("2026-07-03T15:30:00.000"),
        Produced::Count => sample("1"),
        Produced::Digest => sample("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        Produced::Text if texty(target) => narrowed(None, target),
        Produced::Text => Verdict::Narrow(format!("after via it is text, and the target is {}", words(target, &|name| name.to_string()))),
        Produced::Typed(source) => typed(*source, target),
    }
}

fn typed(source: SimpleType<'_>, target: SimpleType<'_>) -> Verdict {
    if let Some(values) = source.enumeration() {
        let bad: Vec<&str> = values.iter().copied().filter(|value| target.check(value).is_err()).collect();
        return match bad.len() {
            0 => Verdict::Fits,
            all if all == values.len() && !texty(target) => Verdict::Never,
            _ => Verdict::Narrow(format!("{} of the source are not allowed", list(&bad))),
        };
    }
    let members = target.members();
    if !members.is_empty() {
        let verdicts: Vec<Verdict> = members.into_iter().map(|member| typed(source, member)).collect();
        let rank = |verdict: &Verdict| match verdict {
            Verdict::Fits => 0,
            Verdict::Narrow(_) => 1,
            Verdict::Never => 2,
        };
        return verdicts.into_iter().min_by_key(rank).unwrap_or(Verdict::Never);
    }
    if texty(target) {
        return narrowed(Some(source), target);
    }
    match (source.primitive(), target.primitive()) {
        (Some(Primitive::Decimal), Some(Primitive::Float | Primitive::Double)) => Verdict::Fits,
        (Some(from), Some(to)) if from == to && (!is_integer(target) || is_integer(source)) => narrowed(Some(source), target),
        _ => Verdict::Never,
    }
}

/// Whether any text is of the type but for its facets.
pub(crate) fn texty(simple: SimpleType<'_>) -> bool {
    matches!(simple.primitive(), Some(Primitive::String | Primitive::AnyUri | Primitive::AnySimpleType))
}

fn is_integer(simple: SimpleType<'_>) -> bool {
    let own = simple.definition();
    std::iter::once(own).chain(own.ancestors()).any(|definition| definition.name().is_some_and(|name| name.is(XSD_NAMESPACE, "integer")))
}

/// What the facets of the target ask beyond what is known of the source.
fn narrowed(source: Option<SimpleType<'_>>, target: SimpleType<'_>) -> Verdict {
    let (wants, has) = (target.facets(), source.map(|source| source.facets()));
    if source.is_some_and(|source| source.definition().name().is_some() && source.definition().name() == target.definition().name()) {
        return Verdict::Fits;
    }
    if let Some(values) = target.enumeration() {
        return Verdict::Narrow(format!("the target allows only {}", list(&values)));
    }
    if !wants.patterns.is_empty() && !builtin(target) {
        // The source's own patterns may be those that the target asks for, word for word.
        let words = |step: &Vec<Pattern>| step.iter().map(|pattern| pattern.source().to_owned()).collect::<Vec<_>>();
        let same = has.is_some_and(|has| wants.patterns.iter().all(|step| has.patterns.iter().any(|other| words(other) == words(step))));
        if !same {
            return Verdict::Narrow("the target has a pattern".to_owned());
        }
    }
    let longest = wants.max_length.or(wants.length);
    let known = has.and_then(|has| has.max_length.or(has.length).or_else(|| bounded_by_pattern(source?)));
    match (longest, known) {
        (Some(most), Some(known)) if known > most => {
            Verdict::Narrow(format!("the target takes {most} characters, the source has up to {known}"))
        }
        (Some(most), None) if source.is_none_or(texty) && most < SHORT => Verdict::Narrow(format!("the target takes {most} characters")),
        _ => Verdict::Fits,
    }
}

/// A target that takes more characters than this is not called narrow for a source without bound.
const SHORT: u64 = 64;

fn bounded_by_pattern(source: SimpleType<'_>) -> Option<u64> {
    (!source.facets().patterns.is_empty()).then_some(0)
}

fn builtin(simple: SimpleType<'_>) -> bool {
    simple.definition().name().is_some_and(|name| name.namespace() == XSD_NAMESPACE)
}

/// A list for people: `['1', '9']`.
pub(crate) fn list(values: &[&str]) -> String {
    let quoted: Vec<String> = values.iter().map(|value| format!("'{value}'")).collect();
    format!("[{}]", quoted.join(", "))
}

/// A type in words: its name, and its primitive where that is another.
pub(crate) fn words(simple: SimpleType<'_>, show: &dyn Fn(&xsd::tree::QName) -> String) -> String {
    let primitive = simple.primitive().map_or_else(|| "a list or union".to_owned(), |primitive| primitive.to_string());
    match simple.definition().name() {
        Some(name) if name.namespace() == XSD_NAMESPACE => format!("xs:{}", name.local()),
        Some(name) => format!("{} ({primitive})", show(name)),
        None => primitive,
    }
}
