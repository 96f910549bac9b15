//! Which attributes and children each element of a schema document may have: the schema for schemas (XML Schema part 1 appendix A).

/// The constraining facets.
pub(super) const FACETS: &[&str] = &[
    "length",
    "minLength",
    "maxLength",
    "pattern",
    "enumeration",
    "whiteSpace",
    "maxInclusive",
    "maxExclusive",
    "minInclusive",
    "minExclusive",
    "totalDigits",
    "fractionDigits",
];

const SCHEMA: &[&str] =
    &["include", "import", "redefine", "notation", "simpleType", "complexType", "group", "attributeGroup", "element", "attribute"];
const ELEMENT: &[&str] = &[
    "name",
    "ref",
    "type",
    "substitutionGroup",
    "default",
    "fixed",
    "nillable",
    "abstract",
    "form",
    "block",
    "final",
    "minOccurs",
    "maxOccurs",
];
const SCHEMA_ATTRIBUTES: &[&str] =
    &["targetNamespace", "version", "elementFormDefault", "attributeFormDefault", "blockDefault", "finalDefault"];

/// The name, the attributes and the children of an element of a schema.
type Grammar = (&'static str, &'static [&'static str], &'static [&'static str]);

/// Elements whose attributes and children are listed, by name.
const ELEMENTS: &[&str] = &[
    "schema",
    "element",
    "attribute",
    "complexType",
    "simpleContent",
    "complexContent",
    "restriction",
    "extension",
    "group",
    "attributeGroup",
    "sequence",
    "choice",
    "all",
    "any",
    "anyAttribute",
    "simpleType",
    "notation",
    "unique",
    "key",
    "keyref",
    "selector",
    "field",
    "redefine",
    "list",
    "union",
    "include",
    "import",
];

/// Attributes and children, `id` and annotations left out. `None`: no element of a schema.
pub(super) fn of(local: &str) -> Option<Grammar> {
    let name = ELEMENTS.iter().chain(FACETS).find(|known| **known == local)?;
    let (attributes, children) = content(name)?;
    Some((name, attributes, children))
}

fn content(local: &str) -> Option<(&'static [&'static str], &'static [&'static str])> {
    const COMPLEX: &[&str] =
        &["simpleContent", "complexContent", "group", "all", "choice", "sequence", "attribute", "attributeGroup", "anyAttribute"];
    const EXTENSION: &[&str] = &["group", "all", "choice", "sequence", "attribute", "attributeGroup", "anyAttribute"];
    const RESTRICTION: &[&str] = &[
        "group",
        "all",
        "choice",
        "sequence",
        "attribute",
        "attributeGroup",
        "anyAttribute",
        "simpleType",
        "length",
        "minLength",
        "maxLength",
        "pattern",
        "enumeration",
        "whiteSpace",
        "maxInclusive",
        "maxExclusive",
        "minInclusive",
        "minExclusive",
        "totalDigits",
        "fractionDigits",
    ];
    Some(match local {
        "schema" => (SCHEMA_ATTRIBUTES, SCHEMA),
        "element" => (ELEMENT, &["simpleType", "complexType", "unique", "key", "keyref"]),
        "attribute" => (&["name", "ref", "type", "use", "default", "fixed", "form"], &["simpleType"]),
        "complexType" => (&["name", "mixed", "abstract", "block", "final"], COMPLEX),
        "simpleContent" => (&[], &["restriction", "extension"]),
        "complexContent" => (&["mixed"], &["restriction", "extension"]),
        "restriction" => (&["base"], RESTRICTION),
        "extension" => (&["base"], EXTENSION),
        "group" => (&["name", "ref", "minOccurs", "maxOccurs"], &["all", "choice", "sequence"]),
        "attributeGroup" => (&["name", "ref"], &["attribute", "attributeGroup", "anyAttribute"]),
        "sequence" | "choice" => (&["minOccurs", "maxOccurs"], &["element", "group", "choice", "sequence", "any"]),
        "all" => (&["minOccurs", "maxOccurs"], &["element"]),
        "any" => (&["namespace", "processContents", "minOccurs", "maxOccurs"], &[]),
        "anyAttribute" => (&["namespace", "processContents"], &[]),
        "simpleType" => (&["name", "final"], &["restriction", "list", "union"]),
        "notation" => (&["name", "public", "system"], &[]),
        "unique" | "key" => (&["name"], &["selector", "field"]),
        "keyref" => (&["name", "refer"], &["selector", "field"]),
        "selector" | "field" => (&["xpath"], &[]),
        "redefine" => (&["schemaLocation"], &["simpleType", "complexType", "group", "attributeGroup"]),
        "list" => (&["itemType"], &["simpleType"]),
        "union" => (&["memberTypes"], &["simpleType"]),
        "include" => (&["schemaLocation"], &[]),
        "import" => (&["namespace", "schemaLocation"], &[]),
        facet if FACETS.contains(&facet) => (&["value", "fixed"], &[]),
        _ => return None,
    })
}

/// The order of children: each comes in its phase, and phases only go up. The flag says that its phase is for one child only.
/// `None`: it may stand anywhere.
pub(super) fn phase(parent: &str, child: &str) -> Option<(u8, bool)> {
    Some(match (parent, child) {
        ("schema" | "redefine", "annotation") => return None,
        ("schema", "include" | "import" | "redefine") => (1, false),
        (_, "annotation") => (1, true),
        (_, "unique" | "key" | "keyref") => (3, false),
        (_, "attribute" | "attributeGroup") if parent != "schema" => (4, false),
        (_, "anyAttribute") => (5, true),
        ("schema" | "redefine" | "sequence" | "choice" | "all" | "union", _) => (2, false),
        (_, "field") => (3, false),
        ("restriction", facet) if FACETS.contains(&facet) => (3, false),
        _ => (2, true),
    })
}
