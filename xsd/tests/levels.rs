//! The levels of loading: what `strict` refuses, `compat` lets pass and lists, and `sample` infers.

#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

use xsd::load::{Level, Loaded};
use xsd::read::{Limits, read};
use xsd::schema::Schemas;
use xsd::tree::QName;

fn load(level: Level, body: &str) -> Result<Loaded, Vec<String>> {
    let text = format!(
        "<xs:schema xmlns:xs='http://www.w3.org/2001/XMLSchema' xmlns='urn:t' xmlns:o='urn:o' targetNamespace='urn:t'>{body}</xs:schema>"
    );
    let resolver = |location: &str, _: &str| {
        let text = match location {
            "base.xsd" => {
                "<xs:complexType name='T'><xs:sequence><xs:element name='a'/></xs:sequence></xs:complexType>\
                <xs:simpleType name='S'><xs:restriction base='xs:string'><xs:maxLength value='5'/></xs:restriction></xs:simpleType>\
                <xs:group name='G'><xs:sequence><xs:element name='a'/><xs:element name='b' minOccurs='0'/></xs:sequence></xs:group>\
                <xs:attributeGroup name='A'><xs:attribute name='x'/></xs:attributeGroup>"
            }
            _ => return None,
        };
        Some(format!("<xs:schema xmlns:xs='http://www.w3.org/2001/XMLSchema'>{text}</xs:schema>").into_bytes())
    };
    Schemas::load_at(level, &[("s.xsd", text.as_bytes())], &resolver)
        .map_err(|defects| defects.iter().map(|defect| format!("{} {}", defect.rule, defect.source.place)).collect())
}

#[test]
fn strict_refuses_what_compat_warns_of() {
    let check = |body: &str, strict: &[&str], compat: &[&str], opaque: &[&str]| {
        assert_eq!(
            load(Level::Strict, body).err().unwrap_or_default().iter().map(|one| one.split(' ').next().unwrap()).collect::<Vec<_>>(),
            strict,
            "{body}"
        );
        let loaded = load(Level::Compat, body).unwrap();
        assert_eq!(loaded.warnings.iter().map(|warning| warning.rule).collect::<Vec<_>>(), compat, "{body}");
        assert_eq!(loaded.opaque.iter().map(|opaque| format!("{} {}", opaque.kind, opaque.name)).collect::<Vec<_>>(), opaque, "{body}");
    };
    let typed = |content: &str| format!("<xs:complexType name='R'>{content}</xs:complexType>");
    check(
        &typed("<xs:sequence><xs:element name='a' minOccurs='0'/><xs:element name='a'/></xs:sequence>"),
        &["cos-nonambig"],
        &["cos-nonambig"],
        &[],
    );
    check(
        "<xs:import namespace='urn:o' schemaLocation='http://o/o.xsd'/><xs:element name='r' type='o:T'/>",
        &["src-resolve"],
        &["missing"],
        &["type {urn:o}T"],
    );
    check(
        &format!(
            "<xs:import namespace='urn:o'/>{}",
            typed(
                "<xs:complexContent><xs:extension base='o:T'><xs:sequence><xs:element ref='o:e'/><xs:group ref='o:g'/></xs:sequence><xs:attribute ref='o:a'/></xs:extension></xs:complexContent>"
            )
        ),
        &["src-resolve", "src-resolve", "src-resolve", "src-resolve"],
        &["missing"],
        &["attribute {urn:o}a", "element {urn:o}e", "group {urn:o}g", "type {urn:o}T"],
    );
    check("<xs:import namespace='urn:o'/><xs:attribute name='a' type='o:S'/>", &["src-resolve"], &["missing"], &["type {urn:o}S"]);
    check("<xs:element name='r' type='N'/>", &["src-resolve"], &["missing"], &["type {urn:t}N"]);
    check("<xs:element name='r' type='o:N'/>", &["src-resolve.4.2"], &["src-resolve.4.2", "missing"], &["type {urn:o}N"]);
    check("<xs:element name='r'/><xs:element name='r' type='xs:string'/>", &["sch-props-correct.2"], &["sch-props-correct.2"], &[]);
    check("<xs:include schemaLocation='none.xsd'/><xs:element name='r' type='N'/>", &["src-resolve"], &["missing"], &["type {urn:t}N"]);
    check("<xs:import namespace='a%zz'/><xs:element name='r'/>", &["anyURI"], &["anyURI", "missing"], &[]);
    // What is no question of taste stays an error.
    assert_eq!(load(Level::Compat, "<xs:element name='r' typ='N'/>").unwrap_err(), ["s4s-att-not-allowed 1:110"]);
}

#[test]
fn what_is_opaque_takes_any_content() {
    let loaded = load(Level::Compat, "<xs:import namespace='urn:o'/><xs:element name='r' type='o:T'/><xs:element name='d'><xs:complexType><xs:complexContent><xs:extension base='o:T'><xs:attribute name='x'/></xs:extension></xs:complexContent></xs:complexType></xs:element>").unwrap();
    for name in ["r", "d"] {
        let element = loaded.schemas.element(&QName::new("urn:t", name)).unwrap();
        assert!(element.type_definition().is_opaque(), "{name}");
        let document = format!("<t:{name} xmlns:t='urn:t' y='1'>text<any><thing/></any></t:{name}>");
        assert_eq!(loaded.schemas.validate_all(&read(document.as_bytes(), None, &Limits::default()).unwrap(), 9), [], "{name}");
    }
    assert!(!loaded.schemas.type_named(&QName::new("http://www.w3.org/2001/XMLSchema", "anyType")).unwrap().is_opaque());
}

#[test]
fn redefinition_takes_the_place_of_what_it_redefines() {
    let check = |body: &str, instance: &str, expected: &str| {
        let loaded = load(
            Level::Strict,
            &format!(
                "<xs:redefine schemaLocation='base.xsd'>{body}</xs:redefine><xs:element name='r' type='T'/><xs:element name='s' type='S'/>"
            ),
        );
        let found = match loaded {
            Err(defects) => defects.join(", "),
            Ok(loaded) => {
                let root = read(instance.as_bytes(), None, &Limits::default()).unwrap();
                loaded.schemas.validate_all(&root, 1).first().map_or("valid", |violation| violation.rule).to_owned()
            }
        };
        assert_eq!(found.split(' ').next().unwrap(), expected, "{body}");
    };
    let extended = "<xs:complexType name='T'><xs:complexContent><xs:extension base='T'><xs:sequence><xs:element name='b'/></xs:sequence></xs:extension></xs:complexContent></xs:complexType>";
    check(extended, "<t:r xmlns:t='urn:t'><a/><b/></t:r>", "valid");
    check(extended, "<t:r xmlns:t='urn:t'><a/></t:r>", "cvc-complex-type.2.4.b");
    let narrowed = "<xs:simpleType name='S'><xs:restriction base='S'><xs:minLength value='2'/></xs:restriction></xs:simpleType>";
    check(narrowed, "<t:s xmlns:t='urn:t'>abc</t:s>", "valid");
    check(narrowed, "<t:s xmlns:t='urn:t'>a</t:s>", "cvc-minLength-valid");
    check(narrowed, "<t:s xmlns:t='urn:t'>abcdef</t:s>", "cvc-maxLength-valid");
    check("<xs:simpleType name='S'><xs:restriction base='xs:string'/></xs:simpleType>", "", "src-redefine.5");
    check("<xs:simpleType name='N'><xs:restriction base='N'/></xs:simpleType>", "", "src-redefine");
    check(
        "<xs:group name='G'><xs:sequence><xs:group ref='G'/><xs:element name='c'/></xs:sequence></xs:group>",
        "<t:r xmlns:t='urn:t'><a/></t:r>",
        "valid",
    );
    check("<xs:group name='G'><xs:sequence><xs:group ref='G' maxOccurs='2'/></xs:sequence></xs:group>", "", "src-redefine.6.1.2");
    check("<xs:group name='G'><xs:sequence><xs:element name='a'/></xs:sequence></xs:group>", "<t:r xmlns:t='urn:t'><a/></t:r>", "valid");
    check("<xs:group name='G'><xs:sequence><xs:element name='z'/></xs:sequence></xs:group>", "", "src-redefine.6.2.2");
    check(
        "<xs:attributeGroup name='A'><xs:attributeGroup ref='A'/><xs:attribute name='y'/></xs:attributeGroup>",
        "<t:r xmlns:t='urn:t'><a/></t:r>",
        "valid",
    );
    check("<xs:attributeGroup name='A'><xs:attribute name='z'/></xs:attributeGroup>", "", "derivation-ok-restriction.2.2");
}

#[test]
fn identity_constraints_are_checked_as_components() {
    let check = |constraints: &str, expected: &[&str]| {
        let defects =
            load(Level::Strict, &format!("<xs:element name='r'><xs:complexType/>{constraints}</xs:element>")).err().unwrap_or_default();
        assert_eq!(defects.iter().map(|defect| defect.split(' ').next().unwrap()).collect::<Vec<_>>(), expected, "{constraints}");
    };
    let key = "<xs:key name='k'><xs:selector xpath='a'/><xs:field xpath='@b'/></xs:key>";
    let keyref =
        |refer: &str, fields: &str| format!("{key}<xs:keyref name='f' refer='{refer}'><xs:selector xpath='c'/>{fields}</xs:keyref>");
    check(key, &[]);
    check(&keyref("k", "<xs:field xpath='.'/>"), &[]);
    check(&keyref("k", "<xs:field xpath='.'/><xs:field xpath='@x'/>"), &["c-props-correct.2"]);
    check(&keyref("n", "<xs:field xpath='.'/>"), &["src-resolve"]);
    check(&format!("{key}{key}"), &["sch-props-correct.2"]);
    check("<xs:unique name='u'><xs:selector xpath='@a'/><xs:field xpath='.'/></xs:unique>", &["c-selector-xpath"]);
    check("<xs:unique name='u'><xs:selector xpath='a'/><xs:field xpath='a[1]'/></xs:unique>", &["c-fields-xpaths"]);
    check("<xs:unique name='u'><xs:selector xpath='a'/></xs:unique>", &["s4s-elt-invalid-content"]);
}

#[test]
fn a_schema_is_inferred_from_samples() {
    let samples: [&[u8]; 2] = [
        b"<l:list xmlns:l='urn:l' xmlns:m='urn:m' date='2026-11-21'><l:item no='1' m:kind='x'><l:name>one</l:name><l:size>1.5</l:size></l:item></l:list>",
        b"<l:list xmlns:l='urn:l' date='2026-11-22'><l:item no='2'><l:name>two</l:name></l:item><l:item no='03'><l:name/><l:size>2</l:size></l:item><l:open>true</l:open></l:list>",
    ];
    let documents: Vec<(&str, &[u8])> = samples.iter().map(|sample| ("sample.xml", *sample)).collect();
    let loaded = Schemas::load_at(Level::Sample, &documents, &|_, _| None).unwrap();
    for sample in samples {
        assert_eq!(loaded.schemas.validate_all(&read(sample, None, &Limits::default()).unwrap(), 9), []);
    }
    let named = |local: &str| loaded.schemas.element(&QName::new("urn:l", local)).unwrap();
    let type_of = |local: &str| named(local).type_definition().name().map(|name| name.local().to_owned());
    assert_eq!(
        (type_of("size").as_deref(), type_of("name").as_deref(), type_of("open").as_deref()),
        (Some("decimal"), Some("string"), Some("boolean"))
    );
    let list = named("list").type_definition();
    let children: Vec<String> =
        list.children().iter().map(|child| format!("{} {} {:?}", child.element.name().local(), child.min, child.max)).collect();
    assert_eq!(children, ["item 1 None", "open 0 Some(1)"]);
    let attribute =
        |local: &str| list.attribute("", local).map(|used| (used.type_definition().name().unwrap().local().to_owned(), used.is_required()));
    assert_eq!(attribute("date"), Some(("date".to_owned(), true)));
    let item = named("item").type_definition();
    // A leading zero makes a code of a number.
    assert_eq!(item.attribute("", "no").unwrap().type_definition().name().unwrap().local(), "string");
    assert!(!item.attribute("urn:m", "kind").unwrap().is_required());
    assert_eq!(named("list").source().to_string(), "sample.xml:1:1");
    let wrong = read(b"<l:list xmlns:l='urn:l' date='soon'><l:open>true</l:open></l:list>", None, &Limits::default()).unwrap();
    assert_eq!(loaded.schemas.validate_all(&wrong, 9).len(), 2);
}
