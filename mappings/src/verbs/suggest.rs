//! How well a leaf of the source fits a place of the unified record, and why: the evidence of a scaffold.

use crate::date::Kind;
use crate::value::spelled;
use crate::verbs::leaves::Leaf;
use crate::verbs::names::{meaning, words};
use crate::verbs::page::{Node, element};
use std::sync::OnceLock;
use xsd::Primitive;
use xsd::schema::{Schemas, SimpleType};
use xsd::tree::QName;

/// A score in hundredths, and the evidence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Suggestion {
    pub(crate) score: u32,
    pub(crate) why: String,
}

/// What the dictionary's field names mean for the places of `b:Record`; the earlier of a list fit better.
const PLACES: [(&str, &[&str]); 12] = [
    (
        "RecordId",
        &[
            "visit-number",
            "vin",
            "registration-number",
            "serial-number",
            "record-number",
            "case-number",
            "acceptance-number",
            "certificate-number",
            "invoice-number",
            "household-number",
            "account-number",
            "meter-number",
            "batch",
            "inspection-number",
            "prescription-number",
            "contract-number",
            "project-number",
            "number",
        ],
    ),
    ("SourceSector", &["organisation-id", "issuing-authority", "registration-authority", "organisation-name"]),
    (
        "OccurredAt",
        &[
            "visit-date",
            "visit-time",
            "first-registered-date",
            "registered-date",
            "registered-at",
            "handled-date",
            "reading-date",
            "reading-time",
            "accident-time",
            "violation-time",
            "outage-start",
            "production-date",
            "tested-date",
            "invoice-date",
            "inspection-date",
            "issued-date",
            "admission-date",
            "declared-date",
            "applied-date",
            "reported-date",
            "start-date",
            "start-time",
            "date",
            "time",
            "updated-at",
            "created-at",
        ],
    ),
    ("Person/Name", &["name", "owner", "applicant", "head-name", "customer-name", "right-holder"]),
    ("Person/Identifier", &["citizen-id", "identity-number"]),
    ("Person/BirthDate", &["birth-date"]),
    ("Person/Sex", &["sex"]),
    ("Person/Address", &["address"]),
    ("LegalEntity/Name", &["organisation-name", "taxpayer-name", "manufacturer"]),
    ("LegalEntity/Identifier", &["organisation-id", "taxpayer-id"]),
    ("Validity/From", &["valid-from"]),
    ("Validity/Until", &["valid-until"]),
];

impl Suggestion {
    pub(crate) fn weak(why: &str) -> Self {
        Self { score: 10, why: why.to_owned() }
    }

    /// A leaf as a field of its own: nothing is lost, and only the name is a guess.
    pub(crate) fn field(leaf: &Leaf<'_>, name: String) -> (String, Self) {
        let codes = leaf
            .codes()
            .map(|codes| format!("; codes {}", codes.iter().take(12).copied().collect::<Vec<_>>().join(" ")))
            .unwrap_or_default();
        let said = leaf.documentation().map(|words| format!("; “{}”", shortened(words))).unwrap_or_default();
        let (score, why) = match meaning(leaf.name()) {
            Some(((term, chinese, _), true)) => (80, format!("dictionary: {term} {chinese}")),
            _ => (60, "a field of its own under its own name".to_owned()),
        };
        (name, Self { score, why: format!("{why}{codes}{said}") })
    }
}

fn shortened(text: &str) -> String {
    let words: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if words.chars().count() > 60 { format!("{}…", words.chars().take(60).collect::<String>()) } else { words }
}

/// How well `leaf` fits a place of the record, as `Person/Name`; nothing where there is no evidence at all.
pub(crate) fn suggest(place: &str, leaf: &Leaf<'_>) -> Option<Suggestion> {
    let kind = fits(place, leaf)?;
    if let Some(reference) = leaf.model_references().iter().find(|reference| references(place).contains(&(**reference).to_owned())) {
        return Some(Suggestion { score: 95, why: format!("modelReference {reference}") });
    }
    let (_, wanted) = PLACES.iter().find(|(known, _)| *known == place)?;
    let rank = |english: &str| wanted.iter().position(|name| *name == english);
    let known = meaning(leaf.name())
        .and_then(|((term, chinese, english), whole)| Some((rank(english)?, whole, format!("dictionary: {term} {chinese}"))));
    if let Some((at, whole, why)) = known {
        let base = if whole { 90 } else { 70 };
        let less = u32::try_from(at * 2).unwrap_or(50).min(40);
        return Some(Suggestion { score: scaled(base - less, kind), why });
    }
    if let Some(words) = leaf.documentation().filter(|words| said(place, words)) {
        return Some(Suggestion { score: scaled(40, kind), why: format!("annotation “{}”", shortened(words)) });
    }
    let key = place == "RecordId" && leaf.text().is_some_and(|simple| simple.is_identity());
    if key {
        return Some(Suggestion { score: 65, why: "xs:ID".to_owned() });
    }
    (place == "OccurredAt" && is_date(leaf)).then(|| Suggestion { score: 30, why: "the first that is a date".to_owned() })
}

fn scaled(score: u32, percent: u32) -> u32 {
    score * percent / 100
}

/// Whether an annotation speaks of the place.
fn said(place: &str, text: &str) -> bool {
    let wanted: &[&str] = match place {
        "Person/Name" => &["full name", "name of the person", "姓名"],
        "Person/Identifier" => &["citizen", "identity number", "身份证", "公民身份"],
        "Person/BirthDate" => &["date of birth", "birth date", "出生"],
        "Person/Sex" => &["gender", "sex", "性别"],
        "Person/Address" => &["address", "住址", "地址"],
        "LegalEntity/Name" => &["name of the company", "name of the organi", "企业名称", "单位名称"],
        "LegalEntity/Identifier" => &["统一社会信用代码", "registration number of the company"],
        "RecordId" => &["unique identifier", "primary key", "唯一", "流水号", "主键"],
        "Validity/Until" => &["valid until", "expir", "有效期"],
        _ => return false,
    };
    let text = text.to_lowercase();
    wanted.iter().any(|piece| text.contains(piece))
}

/// How well the type fits, in percent; nothing where it cannot.
fn fits(place: &str, leaf: &Leaf<'_>) -> Option<u32> {
    let simple = leaf.text()?;
    let date = is_date(leaf);
    match place {
        "OccurredAt" | "Person/BirthDate" | "Validity/From" | "Validity/Until" => {
            date.then_some(if native(simple) || spelled(simple).is_some() { 100 } else { 90 })
        }
        "RecordId" | "SourceSector" => {
            let long = simple.facets().max_length.is_some_and(|most| most > 128);
            let required = if leaf.optional || leaf.nillable() { 60 } else { 100 };
            (!date && !long && simple.primitive() != Some(Primitive::Boolean)).then_some(required)
        }
        "Person/Sex" => (simple.enumeration().is_none_or(|codes| of_sexes(&codes)) && !date).then_some(100),
        _ => (!date && simple.primitive() == Some(Primitive::String)).then_some(100),
    }
}

fn native(simple: SimpleType<'_>) -> bool {
    matches!(simple.primitive(), Some(Primitive::Date | Primitive::DateTime))
}

/// Whether a leaf is a date: by its type, or a text whose name says so.
fn is_date(leaf: &Leaf<'_>) -> bool {
    let Some(simple) = leaf.text() else { return false };
    if native(simple) || spelled(simple).is_some() {
        return true;
    }
    let english = meaning(leaf.name()).map(|((_, _, english), _)| english).unwrap_or_default();
    let named = english.ends_with("date")
        || english.ends_with("-at")
        || english.starts_with("valid-")
        || english == "time"
        || english.ends_with("-time");
    let last = words(leaf.name()).pop().unwrap_or_default();
    let said = named || ["date", "datum", "data", "rq", "day"].contains(&last.as_str()) || leaf.name().to_lowercase().ends_with("date");
    said && simple.enumeration().is_none() && pattern(simple).is_some()
}

/// The pattern of parse that a text's facets allow; nothing where they allow none of those known.
fn pattern(simple: SimpleType<'_>) -> Option<(&'static str, bool)> {
    if simple.primitive() != Some(Primitive::String) {
        return None;
    }
    let known = [
        ("yyyyMMdd", "20260703"),
        ("yyyy-MM-dd", "2026-07-03"),
        ("yyyyMMddHHmmss", "20260703153000"),
        ("yyyy-MM-dd HH:mm:ss", "2026-07-03 15:30:00"),
    ];
    let bounded = |facets: &xsd::simple::Facets| {
        !facets.patterns.is_empty() || facets.length.is_some() || facets.max_length.is_some_and(|most| most < 20)
    };
    let sure = bounded(simple.facets());
    let longest = simple.facets().max_length.or(simple.facets().length);
    let mut fitting = known.iter().filter(|(_, sample)| simple.check(sample).is_ok());
    let exact = known.iter().find(|(_, sample)| simple.check(sample).is_ok() && longest == u64::try_from(sample.len()).ok());
    exact.or_else(|| fitting.next()).map(|(pattern, _)| (*pattern, sure))
}

/// A rule that reads a date, with how it is to be read. A zone or a form that is not written down is a guess, and has its mark.
pub(crate) fn dated(node: Node, leaf: &Leaf<'_>, moment: bool) -> Node {
    let Some(simple) = leaf.text() else { return node };
    match (simple.primitive(), pattern(simple)) {
        (Some(Primitive::String), _) if spelled(simple) == Some(Kind::Date) => node.with("as", "date"),
        (Some(Primitive::String), _) if spelled(simple).is_some() => {
            node.with("as", if moment { "dateTime" } else { "date" }).with("zone", "+08:00")
        }
        (Some(Primitive::Date), _) => node.with("as", "date"),
        (Some(Primitive::DateTime), _) => node.with("as", if moment { "dateTime" } else { "date" }).with("zone", "+08:00"),
        (_, Some((pattern, _))) if pattern.contains("HH") => {
            node.with("parse", pattern).with("as", if moment { "dateTime" } else { "date" }).with("zone", "+08:00")
        }
        (_, Some((pattern, _))) => node.with("parse", pattern),
        _ => node,
    }
}

/// The code table from a source's values to those of the unified schema. What is not known from GB/T 2261.1 or the words is left out, so
/// that `check` asks for it (SM151).
pub(crate) fn sex_codes(leaf: &Leaf<'_>) -> Node {
    let values = leaf.codes().unwrap_or_else(|| vec!["0", "1", "2", "9"]);
    let code = |value: &&str| sex(value).map(|to| element("m:code").with("from", value).with("to", to));
    element("m:codes").with("name", "sex").children(values.iter().filter_map(code))
}

fn sex(value: &str) -> Option<&'static str> {
    match value.to_lowercase().as_str() {
        "1" | "m" | "male" | "男" | "男性" => Some("M"),
        "2" | "f" | "female" | "女" | "女性" => Some("F"),
        "0" | "9" | "u" | "x" | "unknown" | "未知" | "未说明" => Some("U"),
        _ => None,
    }
}

/// Whether an enumeration is of sexes: it has both, and at most two values more than are known.
fn of_sexes(values: &[&str]) -> bool {
    let known: Vec<&str> = values.iter().filter_map(|value| sex(value)).collect();
    known.contains(&"M") && known.contains(&"F") && values.len() <= known.len() + 2
}

/// The model references of a place of the unified record.
fn references(place: &str) -> Vec<String> {
    static SCHEMAS: OnceLock<Option<Schemas>> = OnceLock::new();
    let business = "urn:waybill:business:1";
    let Some(schemas) = SCHEMAS.get_or_init(|| xsd::unified::schemas().ok()) else { return Vec::new() };
    let mut here = schemas.element(&QName::new(business, "Record"));
    let steps = if place.starts_with("Person") || place.starts_with("LegalEntity") { vec!["Subject"] } else { Vec::new() };
    for step in steps.into_iter().chain(place.split('/')) {
        here = here.and_then(|element| element.type_definition().child(&QName::new(business, step))).map(|child| child.element);
    }
    here.map(|element| element.model_references().into_iter().map(str::to_owned).collect()).unwrap_or_default()
}
