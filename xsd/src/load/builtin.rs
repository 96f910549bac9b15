//! The built-in types: `anyType`, `anySimpleType`, the primitives and the derived types of XML Schema 1.0 part 2 §3.

use crate::schema::{
    ANY_SIMPLE_TYPE, ANY_TYPE, Complex, Content, Derivations, Kind, Namespaces, Notes, Particle, Process, Schemas, Source, Term, TypeId,
    TypeNoun, Wildcard, XSD_NAMESPACE,
};
use crate::simple::{Facets, Identity, Lexical, Literal, Simple, Variety, WhiteSpace};
use crate::tree::{Place, QName};
use crate::value::{Primitive, parse};
use std::sync::Arc;

const PRIMITIVES: &[Primitive] = &[
    Primitive::String,
    Primitive::Boolean,
    Primitive::Decimal,
    Primitive::Float,
    Primitive::Double,
    Primitive::Duration,
    Primitive::DateTime,
    Primitive::Time,
    Primitive::Date,
    Primitive::GYearMonth,
    Primitive::GYear,
    Primitive::GMonthDay,
    Primitive::GDay,
    Primitive::GMonth,
    Primitive::HexBinary,
    Primitive::Base64Binary,
    Primitive::AnyUri,
    Primitive::QName,
    Primitive::Notation,
];

/// The derived atomic types: name, base, least and greatest value.
const DERIVED: &[(&str, &str, Option<&str>, Option<&str>)] = &[
    ("normalizedString", "string", None, None),
    ("token", "normalizedString", None, None),
    ("language", "token", None, None),
    ("NMTOKEN", "token", None, None),
    ("Name", "token", None, None),
    ("NCName", "Name", None, None),
    ("ID", "NCName", None, None),
    ("IDREF", "NCName", None, None),
    ("ENTITY", "NCName", None, None),
    ("integer", "decimal", None, None),
    ("nonPositiveInteger", "integer", None, Some("0")),
    ("negativeInteger", "nonPositiveInteger", None, Some("-1")),
    ("long", "integer", Some("-9223372036854775808"), Some("9223372036854775807")),
    ("int", "long", Some("-2147483648"), Some("2147483647")),
    ("short", "int", Some("-32768"), Some("32767")),
    ("byte", "short", Some("-128"), Some("127")),
    ("nonNegativeInteger", "integer", Some("0"), None),
    ("unsignedLong", "nonNegativeInteger", None, Some("18446744073709551615")),
    ("unsignedInt", "unsignedLong", None, Some("4294967295")),
    ("unsignedShort", "unsignedInt", None, Some("65535")),
    ("unsignedByte", "unsignedShort", None, Some("255")),
    ("positiveInteger", "nonNegativeInteger", Some("1"), None),
];

const LISTS: &[(&str, &str)] = &[("NMTOKENS", "NMTOKEN"), ("IDREFS", "IDREF"), ("ENTITIES", "ENTITY")];

/// A graph that holds the built-in types only.
pub(super) fn schemas() -> Schemas {
    let mut schemas = Schemas::default();
    let source = Source { file: "xs".into(), place: Place::default() };
    let any = |particle: Particle| Content::Elements { mixed: true, particle, model: Arc::default() };
    let wildcard = Wildcard { namespaces: Namespaces::Any, process: Process::Lax };
    let particle = Particle { min: 0, max: None, term: Term::Any(wildcard.clone()), source };
    let complex = Complex { attributes: Vec::new(), any_attribute: Some(wildcard), content: any(particle) };
    add(&mut schemas, "anyType", ANY_TYPE, Kind::Complex(complex));
    let root = Simple {
        variety: Variety::Atomic(Primitive::AnySimpleType),
        lexical: Lexical::Plain,
        identity: Identity::None,
        facets: Facets::default(),
    };
    add(&mut schemas, "anySimpleType", ANY_TYPE, Kind::Simple(Box::new(root.clone())));
    for primitive in PRIMITIVES {
        let mut simple = Simple { variety: Variety::Atomic(*primitive), ..root.clone() };
        if *primitive != Primitive::String {
            simple.facets.white_space = WhiteSpace::Collapse;
            simple.facets.fixed.push("whiteSpace");
        }
        add(&mut schemas, primitive.name(), ANY_SIMPLE_TYPE, Kind::Simple(Box::new(simple)));
    }
    for (name, base, min, max) in DERIVED {
        let base = id_of(&schemas, base);
        let Some(mut simple) = schemas.simple(base).cloned() else { continue };
        narrow(&mut simple, name, *min, *max);
        add(&mut schemas, name, base, Kind::Simple(Box::new(simple)));
    }
    for (name, item) in LISTS {
        let facets = Facets { min_length: Some(1), white_space: WhiteSpace::Collapse, ..Facets::default() };
        let item = id_of(&schemas, item);
        let identity = schemas.simple(item).map_or(Identity::None, |simple| simple.identity);
        let simple = Simple { variety: Variety::List(item), lexical: Lexical::Plain, identity, facets };
        add(&mut schemas, name, ANY_SIMPLE_TYPE, Kind::Simple(Box::new(simple)));
    }
    schemas
}

fn narrow(simple: &mut Simple, name: &str, min: Option<&str>, max: Option<&str>) {
    match name {
        "normalizedString" => simple.facets.white_space = WhiteSpace::Replace,
        "token" => simple.facets.white_space = WhiteSpace::Collapse,
        "language" => simple.lexical = Lexical::Language,
        "NMTOKEN" => simple.lexical = Lexical::NmToken,
        "Name" => simple.lexical = Lexical::Name,
        "NCName" => simple.lexical = Lexical::NcName,
        "ID" => simple.identity = Identity::Id,
        "IDREF" => simple.identity = Identity::Reference,
        "integer" => {
            simple.lexical = Lexical::Integer;
            simple.facets.fraction_digits = Some(0);
            simple.facets.fixed.push("fractionDigits");
        }
        _ => {}
    }
    let bound =
        |text: &str| parse(Primitive::Decimal, text, None).map(|value| Literal { lexical: text.to_owned(), value: value.into_owned() });
    if let Some(min) = min.and_then(bound) {
        simple.facets.min_inclusive = Some(min);
    }
    if let Some(max) = max.and_then(bound) {
        simple.facets.max_inclusive = Some(max);
    }
}

/// Whether XML Schema 1.0 has a type of this name.
pub(super) fn is_type(local: &str) -> bool {
    matches!(local, "anyType" | "anySimpleType")
        || PRIMITIVES.iter().any(|primitive| primitive.name() == local)
        || DERIVED.iter().any(|(name, ..)| *name == local)
        || LISTS.iter().any(|(name, _)| *name == local)
}

fn id_of(schemas: &Schemas, name: &str) -> TypeId {
    schemas.global_types.get(&QName::new(XSD_NAMESPACE, name)).copied().unwrap_or(ANY_SIMPLE_TYPE)
}

fn add(schemas: &mut Schemas, name: &str, base: TypeId, kind: Kind) {
    let name = QName::new(XSD_NAMESPACE, name);
    schemas.global_types.insert(name.clone(), schemas.types.len());
    schemas.types.push(TypeNoun {
        name: Some(name),
        base,
        method: Derivations::RESTRICTION,
        is_abstract: false,
        block: Derivations::default(),
        last: Derivations::default(),
        opaque: false,
        kind,
        source: Source { file: "xs".into(), place: Place::default() },
        notes: Notes::default(),
    });
}
