//! The validator and the loader: the unified schemas, the samples, and rows of (schema, instance, expected rule).

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test stops at what it did not expect")]

use xsd::read::{Limits, read};
use xsd::schema::Schemas;
use xsd::tree::QName;
use xsd::unified;
use xsd::validate::Checker;

fn load(text: &str) -> Result<Schemas, Vec<String>> {
    let found = Schemas::load(&[("t.xsd", text.as_bytes())], &|location, _| {
        match location {
        "chameleon.xsd" => Some(schema("", "<xs:complexType name='C'><xs:sequence><xs:element name='x' type='S'/></xs:sequence></xs:complexType><xs:simpleType name='S'><xs:restriction base='xs:int'/></xs:simpleType>").into_bytes()),
        "other.xsd" => Some(
            schema("targetNamespace='urn:o' xmlns:o='urn:o'", "<xs:element name='e' type='xs:int'/><xs:attribute name='a' type='xs:int'/><xs:complexType name='T'><xs:sequence><xs:element name='l' type='xs:int'/></xs:sequence></xs:complexType>").into_bytes(),
        ),
        _ => None,
    }
    });
    found.map_err(|defects| defects.iter().map(|defect| format!("{} {}", defect.rule, defect.source.place)).collect())
}

fn schema(attributes: &str, body: &str) -> String {
    ["<xs:schema xmlns:xs='http://www.w3.org/2001/XMLSchema' ", attributes, ">\n", body, "</xs:schema>"].concat()
}

fn verdict(schemas: &Schemas, instance: &str) -> String {
    let root = read(instance.as_bytes(), None, &Limits::default()).unwrap_or_else(|error| panic!("{instance}: {error}"));
    let found = schemas.validate_all(&root, 50);
    // A tree, a document in memory and one in parts are validated alike.
    let limits = Limits::default();
    let again = Checker::new(schemas, &limits, 50).check(instance.as_bytes(), None);
    assert_eq!(again.as_ref(), Ok(&found), "{instance}");
    assert_eq!(schemas.validate_stream(instance.as_bytes(), None, &limits, 50).as_ref(), Ok(&found), "{instance}");
    let found: Vec<String> = found.iter().map(|violation| format!("{} {}", violation.rule, violation.path)).collect();
    if found.is_empty() { "valid".to_owned() } else { found.join("; ") }
}

/// Each row: an instance and what is found in it.
fn check(body: &str, rows: &[(&str, &str)]) {
    let schemas = load(&schema("", body)).unwrap_or_else(|defects| panic!("{body}: {defects:?}"));
    for (instance, expected) in rows {
        let instance = instance.replace("XSI", "xmlns:xsi='http://www.w3.org/2001/XMLSchema-instance'");
        assert_eq!(verdict(&schemas, &instance), *expected, "{instance} against {body}");
    }
}

fn element(content: &str) -> String {
    ["<xs:element name='r'><xs:complexType>", content, "</xs:complexType></xs:element>"].concat()
}

#[test]
fn every_unified_schema_loads() {
    let schemas =
        unified::schemas().unwrap_or_else(|defects| panic!("{}", defects.iter().map(|defect| format!("{defect}\n")).collect::<String>()));
    for name in ["Order", "Trade"] {
        assert!(schemas.element(&QName::new("urn:waybill:trading:1", name)).is_some(), "{name}");
    }
    assert!(unified::names().count() >= 8);
    assert!(unified::document("../Cargo.toml").is_none());
}

#[test]
fn the_samples_load_and_validate() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/samples");
    if !folder.exists() {
        println!("skipped: ../shared/samples is not here");
        return;
    }
    for name in ["visit.xsd", "vehicle.xsd", "business.xsd"] {
        let octets = std::fs::read(folder.join(name)).unwrap();
        let schemas = Schemas::load(&[(name, &octets)], &|_, _| None).unwrap_or_else(|defects| panic!("{name}: {defects:?}"));
        if name == "visit.xsd" {
            let visit = std::fs::read(folder.join("visit.in.xml")).unwrap();
            let root = read(&visit, None, &Limits::default()).unwrap();
            assert_eq!(schemas.validate_all(&root, 10), vec![]);
        }
    }
}

#[test]
fn sequences_and_counts() {
    check(
        &element(
            "<xs:sequence><xs:element name='a'/><xs:element name='b' minOccurs='0'/><xs:element name='c' maxOccurs='2'/></xs:sequence>",
        ),
        &[
            ("<r><a/><c/></r>", "valid"),
            ("<r>\n<a/> <b/> <c/><c/></r>", "valid"),
            ("<r><a/></r>", "cvc-complex-type.2.4.b /r"),
            ("<r/>", "cvc-complex-type.2.4.b /r"),
            ("<r><c/></r>", "cvc-complex-type.2.4.a /r/c"),
            ("<r><a/><c/><c/><c/></r>", "cvc-complex-type.2.4.d /r/c[3]"),
            ("<r><a/><b/><b/><x/></r>", "cvc-complex-type.2.4.a /r/b[2]"),
            ("<r>x<a/><c/></r>", "cvc-complex-type.2.3 /r"),
            ("<q/>", "cvc-elt.1 /q"),
            ("<r><a/><c xmlns='urn:x'/></r>", "cvc-complex-type.2.4.a /r/c"),
        ],
    );
    check(
        &element(
            "<xs:choice minOccurs='2' maxOccurs='3'><xs:element name='a' maxOccurs='2'/><xs:sequence><xs:element name='b'/><xs:element name='c'/></xs:sequence></xs:choice>",
        ),
        &[
            ("<r><a/><a/></r>", "valid"),
            ("<r><a/></r>", "cvc-complex-type.2.4.b /r"),
            ("<r><a/><a/><a/><a/><a/><a/></r>", "valid"),
            ("<r><a/><a/><a/><a/><a/><a/><a/></r>", "cvc-complex-type.2.4.d /r/a[7]"),
            ("<r><b/><c/><a/><b/><c/></r>", "valid"),
            ("<r><b/><c/><b/></r>", "cvc-complex-type.2.4.b /r"),
            ("<r><b/><c/></r>", "cvc-complex-type.2.4.b /r"),
        ],
    );
    check(
        &element(
            "<xs:sequence maxOccurs='1000000000'><xs:element name='a' minOccurs='2' maxOccurs='1000000000'/><xs:element name='b' minOccurs='3' maxOccurs='unbounded'/></xs:sequence>",
        ),
        &[
            ("<r><a/><a/><b/><b/><b/><b/><a/><a/><a/><b/><b/><b/></r>", "valid"),
            ("<r><a/><b/></r>", "cvc-complex-type.2.4.a /r/b"),
            ("<r><a/><a/><b/><b/></r>", "cvc-complex-type.2.4.b /r"),
        ],
    );
    check(
        &element(
            "<xs:sequence minOccurs='3' maxOccurs='3'><xs:element name='a' minOccurs='0'/><xs:element name='b' minOccurs='0'/></xs:sequence>",
        ),
        &[
            ("<r/>", "valid"),
            ("<r><a/><b/><a/></r>", "valid"),
            ("<r><b/><b/><b/></r>", "valid"),
            ("<r><b/><b/><b/><b/></r>", "cvc-complex-type.2.4.d /r/b[4]"),
        ],
    );
}

#[test]
fn all_empty_and_mixed() {
    check(
        &element("<xs:all><xs:element name='a'/><xs:element name='b' minOccurs='0'/></xs:all>"),
        &[
            ("<r><b/><a/></r>", "valid"),
            ("<r><a/></r>", "valid"),
            ("<r><b/></r>", "cvc-complex-type.2.4.b /r"),
            ("<r><a/><a/></r>", "cvc-complex-type.2.4.a /r/a[2]"),
        ],
    );
    check(
        &element(""),
        &[
            ("<r/>", "valid"),
            ("<r><!-- c --></r>", "valid"),
            ("<r> </r>", "cvc-complex-type.2.1 /r"),
            ("<r><a/></r>", "cvc-complex-type.2.1 /r/a"),
        ],
    );
    check(
        "<xs:element name='r'><xs:complexType mixed='true'><xs:choice minOccurs='0' maxOccurs='unbounded'><xs:element name='b'/></xs:choice></xs:complexType></xs:element>",
        &[("<r>x<b/>y</r>", "valid"), ("<r>x<c/>y</r>", "cvc-complex-type.2.4.a /r/c")],
    );
}

#[test]
fn wildcards() {
    check(
        &format!(
            "{}<xs:element name='g' type='xs:int'/>",
            element(
                "<xs:sequence><xs:any namespace='##other' processContents='lax' maxOccurs='2'/><xs:any namespace='##local' minOccurs='0'/></xs:sequence><xs:anyAttribute namespace='urn:a urn:b' processContents='skip'/>"
            )
        ),
        &[
            ("<r xmlns:x='urn:x'><x:a><g>x</g></x:a></r>", "cvc-datatype-valid.1.2.1 /r/x:a/g"),
            ("<r xmlns:x='urn:x'><x:a/><g>1</g></r>", "valid"),
            ("<r xmlns:x='urn:x'><x:a/><g>x</g></r>", "cvc-datatype-valid.1.2.1 /r/g"),
            ("<r xmlns:x='urn:x'><x:a/><h/></r>", "cvc-complex-type.2.4.c /r/h"),
            ("<r xmlns:x='urn:x'><x:a/><x:a/><x:a/></r>", "cvc-complex-type.2.4.a /r/x:a[3]"),
            ("<r xmlns:a='urn:a' a:z=''><a:a/></r>", "valid"),
            ("<r xmlns:a='urn:c' a:z=''><a:a/></r>", "cvc-complex-type.3.2.2 /r/@a:z"),
            ("<r z=''><a xmlns='urn:a'/></r>", "cvc-complex-type.3.2.2 /r/@z"),
        ],
    );
}

#[test]
fn attributes() {
    check(
        &element(
            "<xs:attribute name='a' use='required' type='xs:int'/><xs:attribute name='f' fixed='1.0' type='xs:decimal'/><xs:attribute name='colour' type='xs:token'/>",
        ),
        &[
            ("<r a=' 1 '/>", "valid"),
            ("<r a='1' f='1'/>", "valid"),
            ("<r a='1' f='2'/>", "cvc-au /r/@f"),
            ("<r/>", "cvc-complex-type.4 /r"),
            ("<r a='x'/>", "cvc-datatype-valid.1.2.1 /r/@a"),
            ("<r a='1' color=''/>", "cvc-complex-type.3.2.2 /r/@color"),
            ("<r a='1' xsi:schemaLocation='x y' XSI/>", "valid"),
            ("<r a='1' xsi:other='' XSI/>", "cvc-complex-type.3.2.2 /r/@xsi:other"),
            ("<r a='1' xsi:nil='true' XSI/>", "cvc-elt.3.1 /r"),
        ],
    );
}

const VEHICLES: &str = "<xs:complexType name='V' abstract='true'><xs:sequence><xs:element name='w' type='xs:int'/></xs:sequence></xs:complexType>\
    <xs:complexType name='Car'><xs:complexContent><xs:extension base='V'><xs:sequence><xs:element name='d' type='xs:int'/></xs:sequence><xs:attribute name='k'/></xs:extension></xs:complexContent></xs:complexType>\
    <xs:complexType name='Small'><xs:complexContent><xs:restriction base='Car'><xs:sequence><xs:element name='w' type='xs:int'/><xs:element name='d' type='xs:int'/></xs:sequence><xs:attribute name='k' use='prohibited'/></xs:restriction></xs:complexContent></xs:complexType>\
    <xs:complexType name='Alien'/>\
    <xs:element name='v' type='V'/><xs:element name='c' type='Car' nillable='true' block='restriction'/>\
    <xs:element name='head' type='V' abstract='true'/><xs:element name='m1' type='Car' substitutionGroup='head'/><xs:element name='m2' substitutionGroup='m1'/>\
    <xs:element name='r'><xs:complexType><xs:sequence><xs:element ref='head' maxOccurs='unbounded'/></xs:sequence></xs:complexType></xs:element>\
    <xs:element name='n' type='xs:int' nillable='true' default='5'/><xs:element name='x' type='xs:int' fixed='7'/>";

#[test]
fn types_by_name_nil_and_substitution() {
    check(
        VEHICLES,
        &[
            ("<v><w>1</w></v>", "cvc-type.2 /v"),
            ("<v xsi:type='Car' XSI><w>1</w><d>2</d></v>", "valid"),
            ("<v xsi:type=' Small ' XSI><w>1</w><d>2</d></v>", "valid"),
            ("<v xsi:type='Small' k='' XSI><w>1</w><d>2</d></v>", "cvc-complex-type.3.2.2 /v/@k"),
            ("<v xsi:type='Car' XSI><w>1</w></v>", "cvc-complex-type.2.4.b /v"),
            ("<v xsi:type='Alien' XSI><w>1</w></v>", "cvc-elt.4.3 /v; cvc-type.2 /v"),
            ("<v xsi:type='Nix' XSI><w>1</w></v>", "cvc-elt.4.2 /v; cvc-type.2 /v"),
            ("<v xsi:type='p:Car' XSI><w>1</w></v>", "cvc-elt.4.1 /v; cvc-type.2 /v"),
            ("<v xsi:type='' XSI><w>1</w></v>", "cvc-elt.4.1 /v; cvc-type.2 /v"),
            ("<c xsi:type='Small' XSI><w>1</w><d>2</d></c>", "cvc-elt.4.3 /c"),
            ("<c xsi:nil='true' k='1' XSI/>", "valid"),
            ("<c xsi:nil='true' XSI><w>1</w></c>", "cvc-elt.3.2.1 /c/w"),
            ("<c xsi:nil='1' XSI> </c>", "cvc-elt.3.2.1 /c"),
            ("<c xsi:nil='no' XSI><w>1</w><d>2</d></c>", "cvc-datatype-valid.1.2.1 /c"),
            ("<r><m1><w>1</w><d>1</d></m1><m2><w>1</w><d>1</d></m2></r>", "valid"),
            ("<r><head xsi:type='Car' XSI><w>1</w><d>1</d></head></r>", "cvc-elt.2 /r/head"),
            ("<n/>", "valid"),
            ("<n> </n>", "cvc-datatype-valid.1.2.1 /n"),
            ("<n xsi:nil='true' XSI/>", "valid"),
            ("<n k=''>1</n>", "cvc-type.3.1.1 /n/@k"),
            ("<n><a/></n>", "cvc-type.3.1.2 /n/a"),
            ("<x>07</x>", "valid"),
            ("<x/>", "valid"),
            ("<x>8</x>", "cvc-elt.5.2.2.2.2 /x"),
        ],
    );
}

#[test]
fn ids() {
    check(
        &element(
            "<xs:sequence><xs:element name='i' maxOccurs='9'><xs:complexType><xs:attribute name='id' type='xs:ID'/><xs:attribute name='to' type='xs:IDREFS'/></xs:complexType></xs:element></xs:sequence>",
        ),
        &[
            ("<r><i to='a b'/><i id='a'/><i id='b'/></r>", "valid"),
            ("<r><i id='a'/><i id='a'/></r>", "cvc-id.2 /r/i[2]"),
            ("<r><i id='a' to='b'/></r>", "cvc-id.1 /r/i"),
        ],
    );
}

/// A simple type as a restriction body, and what it accepts and refuses.
fn values(body: &str, yes: &[&str], no: &[(&str, &str)]) {
    let text = ["<xs:element name='r'><xs:simpleType>", body, "</xs:simpleType></xs:element>"].concat();
    let schemas = load(&schema("", &text)).unwrap_or_else(|defects| panic!("{body}: {defects:?}"));
    let simple = schemas.element(&QName::new("", "r")).unwrap().type_definition().simple_content().unwrap();
    let document = |value: &str| ["<r>", &value.replace('&', "&amp;").replace('<', "&lt;").replace('\r', "&#13;"), "</r>"].concat();
    for value in yes {
        assert_eq!(simple.check(value).map_err(|failure| failure.rule), Ok(()), "{value:?} of {body}");
        assert_eq!(verdict(&schemas, &document(value)), "valid", "{value:?} of {body}");
    }
    for (value, rule) in no {
        assert_eq!(simple.check(value).map_err(|failure| failure.rule), Err(*rule), "{value:?} of {body}");
        assert_eq!(verdict(&schemas, &document(value)), [rule, " /r"].concat(), "{value:?} of {body}");
    }
}

fn restriction(base: &str, facets: &str) -> String {
    ["<xs:restriction base='xs:", base, "'>", facets, "</xs:restriction>"].concat()
}

#[test]
fn built_in_types() {
    const LEXICAL: &str = "cvc-datatype-valid.1.2.1";
    let rows: &[(&str, &[&str], &[&str])] = &[
        ("string", &["", " x\n"], &[]),
        ("boolean", &["true", " 0 "], &["TRUE", "", "yes"]),
        ("decimal", &["+1.50", "-.5", "5.", "00"], &["", ".", "1e3", "1,0", "--1"]),
        ("integer", &["-0", "123456789012345678901234567890"], &["1.0", "1.", "x"]),
        ("float", &["1e3", "INF", "-INF", "NaN", "1.E-2", "1e309"], &["inf", "+INF", "1e", "e1", "0x1", "1e2.5"]),
        ("double", &["-1.5E+3"], &["nan", "infinity"]),
        (
            "dateTime",
            &["2024-02-29T24:00:00Z", "-0001-12-31T00:00:00.5+14:00", "12026-01-01T00:00:00"],
            &[
                "2023-02-29T00:00:00",
                "0000-01-01T00:00:00",
                "2024-01-01T24:00:01",
                "2024-01-01 00:00:00",
                "2024-01-01T00:00:00+14:01",
                "2024-01-01T00:00:60",
                "02024-01-01T00:00:00",
                "2024-1-1T00:00:00",
                "2024-01-01T00:00:00.",
            ],
        ),
        ("date", &["2024-02-29", "2024-02-29Z", "2024-02-29-05:00"], &["2024-02-30", "24-02-01", "2024-02-29T"]),
        ("time", &["23:59:59.999", "24:00:00"], &["24:00:01", "1:00:00", "12:60:00"]),
        ("gYearMonth", &["2024-02", "2024-02Z"], &["2024-13", "2024"]),
        ("gYear", &["2024", "-0044", "2024+01:00"], &["24", "0000"]),
        ("gMonthDay", &["--02-29", "--12-31Z"], &["--02-30", "02-29", "-02-29"]),
        ("gDay", &["---31"], &["---32", "--31", "31"]),
        ("gMonth", &["--12", "--01Z"], &["--13", "-12"]),
        ("duration", &["P1Y2M3DT4H5M6.7S", "-P1D", "PT0S", "P0Y"], &["P", "PT", "P1YT", "1Y", "P-1Y", "P1S", "PT1.S", "P1M1Y"]),
        ("hexBinary", &["", "0aFF"], &["0", "0g"]),
        ("base64Binary", &["", "TWFu", "TW E=", "TQ=="], &["T", "TQ=", "TR==", "TQ==TQ==", "T$=="]),
        ("anyURI", &["", "urn:x", "http://x/a b", "../x#y"], &["%zz", "a#b#c", ":x"]),
        ("QName", &["a"], &["p:a", "", "a:b:c", "1"]),
        ("language", &["zh", "zh-Hans-CN"], &["", "z_h", "abcdefghi", "zh-"]),
        ("NMTOKEN", &["1a:-."], &["", "a b"]),
        ("Name", &["a:b", "_"], &["1", ""]),
        ("NCName", &["a-b", "张"], &["a:b", "-a"]),
        ("anySimpleType", &["anything"], &[]),
    ];
    let schemas = load(&schema("", "")).unwrap();
    for (name, yes, no) in rows {
        let simple = schemas.type_named(&QName::new("http://www.w3.org/2001/XMLSchema", *name)).unwrap().simple_content().unwrap();
        yes.iter().for_each(|value| assert_eq!(simple.check(value).map_err(|failure| failure.rule), Ok(()), "{name} {value:?}"));
        no.iter().for_each(|value| assert_eq!(simple.check(value).map_err(|failure| failure.rule), Err(LEXICAL), "{name} {value:?}"));
    }
    for (name, yes, no) in [
        ("byte", "-128", "128"),
        ("unsignedLong", "18446744073709551615", "18446744073709551616"),
        ("positiveInteger", "1", "0"),
        ("negativeInteger", "-1", "0"),
    ] {
        let simple = schemas.type_named(&QName::new("http://www.w3.org/2001/XMLSchema", name)).unwrap().simple_content().unwrap();
        assert!(simple.check(yes).is_ok() && simple.check(no).is_err(), "{name}");
    }
}

#[test]
fn facets() {
    values(&restriction("string", "<xs:length value='2'/>"), &["张三", "ab"], &[("a", "cvc-length-valid"), ("abc", "cvc-length-valid")]);
    values(&restriction("hexBinary", "<xs:maxLength value='1'/>"), &["ff"], &[("ffff", "cvc-maxLength-valid")]);
    values(&restriction("string", "<xs:minLength value='1'/>"), &[" "], &[("", "cvc-minLength-valid")]);
    values(
        &restriction("string", "<xs:minLength value='2'/><xs:maxLength value='4'/>"),
        &["ab", "张三", "\u{1F600}\u{1F600}", "张三李四", "abcd"],
        &[
            ("a", "cvc-minLength-valid"),
            ("张", "cvc-minLength-valid"),
            ("\u{1F600}", "cvc-minLength-valid"),
            ("abcde", "cvc-maxLength-valid"),
        ],
    );
    values(
        &restriction("string", "<xs:length value='2'/>"),
        &["ab", "张三"],
        &[("张", "cvc-length-valid"), ("abcdef", "cvc-length-valid")],
    );
    values(&restriction("token", "<xs:pattern value='[a-z]{2}'/>"), &["ab", " ab\n"], &[("a b", "cvc-pattern-valid")]);
    values(
        &restriction("decimal", "<xs:totalDigits value='4'/><xs:fractionDigits value='2'/>"),
        &["0012.340", "99.99"],
        &[("12345", "cvc-totalDigits-valid"), ("1.234", "cvc-fractionDigits-valid")],
    );
    values(
        &restriction("int", "<xs:minInclusive value='1'/><xs:maxExclusive value='10'/>"),
        &["1", "9"],
        &[("0", "cvc-minInclusive-valid"), ("10", "cvc-maxExclusive-valid")],
    );
    values(
        &restriction("double", "<xs:maxInclusive value='1e3'/>"),
        &["1000", "-INF"],
        &[("1000.5", "cvc-maxInclusive-valid"), ("NaN", "cvc-maxInclusive-valid")],
    );
    values(
        &restriction("dateTime", "<xs:minInclusive value='2024-01-01T00:00:00Z'/>"),
        &["2024-01-01T08:00:00+08:00", "2024-01-02T00:00:00"],
        &[("2023-12-31T23:59:59Z", "cvc-minInclusive-valid"), ("2024-01-01T00:00:00", "cvc-minInclusive-valid")],
    );
    values(
        &restriction("duration", "<xs:maxInclusive value='P1M'/>"),
        &["P27D"],
        &[("P28D", "cvc-maxInclusive-valid"), ("P32D", "cvc-maxInclusive-valid")],
    );
    values(
        &restriction("token", "<xs:pattern value='[a-z]+'/><xs:pattern value='[0-9]+'/>"),
        &["abc", " 12 "],
        &[("a1", "cvc-pattern-valid")],
    );
    values(
        &restriction("decimal", "<xs:enumeration value='1.0'/><xs:enumeration value='2'/>"),
        &["1", "2.00"],
        &[("3", "cvc-enumeration-valid")],
    );
    values(&restriction("token", "<xs:enumeration value='a b'/>"), &[" a  b "], &[("ab", "cvc-enumeration-valid")]);
    values("<xs:list itemType='xs:int'/>", &["", "1 2\n3"], &[("1 x", "cvc-datatype-valid.1.2.1")]);
    values(
        "<xs:restriction><xs:simpleType><xs:list itemType='xs:int'/></xs:simpleType><xs:maxLength value='2'/></xs:restriction>",
        &["1 2"],
        &[("1 2 3", "cvc-maxLength-valid")],
    );
    values(
        "<xs:union memberTypes='xs:int xs:boolean'><xs:simpleType><xs:restriction base='xs:token'><xs:enumeration value='n/a'/></xs:restriction></xs:simpleType></xs:union>",
        &["7", "true", " n/a "],
        &[("x", "cvc-datatype-valid.1.2.3")],
    );
}

#[test]
fn includes_imports_and_forms() {
    let text = schema(
        "targetNamespace='urn:t' xmlns:t='urn:t' xmlns:o='urn:o'",
        "<xs:include schemaLocation='chameleon.xsd'/><xs:import namespace='urn:o' schemaLocation='other.xsd'/><xs:import namespace='http://www.w3.org/XML/1998/namespace'/>\
         <xs:element name='r'><xs:complexType><xs:sequence><xs:element name='c' type='t:C'/><xs:element ref='o:e'/><xs:element name='q' form='qualified' type='o:T'/></xs:sequence>\
         <xs:attribute ref='o:a'/><xs:attribute ref='xml:lang'/></xs:complexType></xs:element>",
    );
    let schemas = load(&text).unwrap();
    for (instance, expected) in [
        ("<t:r xmlns:t='urn:t' xmlns:o='urn:o' o:a='1' xml:lang='zh'><c><x>1</x></c><o:e>2</o:e><t:q><l>3</l></t:q></t:r>", "valid"),
        (
            "<t:r xmlns:t='urn:t' xmlns:o='urn:o' a='1'><t:c/><o:e>2</o:e><t:q/></t:r>",
            "cvc-complex-type.3.2.2 /t:r/@a; cvc-complex-type.2.4.a /t:r/t:c; cvc-complex-type.2.4.b /t:r/t:q",
        ),
    ] {
        assert_eq!(verdict(&schemas, instance), expected);
    }
}

/// The body of a schema, and the defects of it.
fn defects(body: &str, expected: &[&str]) {
    assert_eq!(load(&schema("", body)).err().unwrap_or_default(), expected, "{body}");
}

#[test]
fn defects_are_located_and_all_reported() {
    let check = defects;
    check(
        "<xs:element name='a' type='xs:strin'/>\n<xs:element name='a' type='B'/>",
        &["src-resolve 2:1", "sch-props-correct.2 3:1", "src-resolve 3:1"],
    );
    check("<xs:elment name='a'/>", &["s4s-elt-invalid-content 2:1"]);
    check("<xs:element nme='a'/>", &["s4s-att-not-allowed 2:1", "s4s-att-must-appear 2:1"]);
    check(
        "<xs:element name='a' type='xs:int'><xs:simpleType><xs:restriction base='xs:int'/></xs:simpleType></xs:element>",
        &["src-element.3 2:1"],
    );
    check("<xs:element name='a'/>\n<xs:include schemaLocation='chameleon.xsd'/>", &["s4s-elt-invalid-content 3:1"]);
    check(&element("<xs:attribute name='a'/><xs:sequence/>"), &["s4s-elt-invalid-content 2:62"]);
    check(
        "<xs:redefine schemaLocation='x.xsd'><xs:group name='g'><xs:all/></xs:group></xs:redefine>",
        &["src-redefine.1 2:1", "src-redefine 2:37"],
    );
    check(
        "<xs:element name='a'><xs:complexType/><xs:key name='k'><xs:selector xpath='x'/></xs:key></xs:element>",
        &["s4s-elt-invalid-content 2:39"],
    );
    check("<xs:include schemaLocation='none.xsd'/><xs:element name='a' type='none'/>", &["src-resolve 2:40"]);
    check("<xs:element name='a' type='xs:NOTATION'/>", &["enumeration-required-notation 2:1"]);
    check("<xs:element name='a' type='xs:QName' default='p:q'/>", &["e-props-correct.2 2:1"]);
    check("<xs:attribute xmlns:p='urn:p' name='a' type='xs:QName' fixed='p:q'/>", &[]);
    check(
        "<xs:redefine schemaLocation='chameleon.xsd'><xs:simpleType name='S'><xs:restriction base='S'/></xs:simpleType></xs:redefine><xs:simpleType name='S'><xs:restriction base='xs:int'/></xs:simpleType>",
        &["sch-props-correct.2 2:101", "src-redefine 2:45"],
    );
    check("<xs:simpleType name='a'><xs:restriction base='a'/></xs:simpleType>", &["st-props-correct.2 2:25"]);
    check(
        "<xs:complexType name='a'><xs:complexContent><xs:extension base='a'/></xs:complexContent></xs:complexType>",
        &["ct-props-correct.3 2:45"],
    );
    check("<xs:group name='g'><xs:sequence><xs:group ref='g'/></xs:sequence></xs:group>", &["mg-props-correct.2 2:1"]);
    check(&element("<xs:sequence><xs:element name='a' minOccurs='0'/><xs:element name='a'/></xs:sequence>"), &["cos-nonambig 2:22"]);
    check(&element("<xs:sequence><xs:element name='a' minOccurs='2' maxOccurs='2'/><xs:element name='a'/></xs:sequence>"), &[]);
    check(&element("<xs:sequence><xs:any minOccurs='0'/><xs:element name='a'/></xs:sequence>"), &["cos-nonambig 2:22"]);
    check(
        &element(
            "<xs:sequence><xs:element name='a' type='xs:int'/><xs:element name='b'/><xs:element name='a' type='xs:long'/></xs:sequence>",
        ),
        &["cos-element-consistent 2:109"],
    );
    check(&element("<xs:sequence><xs:element name='a' minOccurs='2'/></xs:sequence>"), &["p-props-correct.2.1 2:51"]);
    check(&element("<xs:attribute name='a'/><xs:attribute name='a'/>"), &["ct-props-correct.4 2:22"]);
    check("<xs:element name='a' type='xs:int' default='x'/>", &["e-props-correct.2 2:1"]);
    check(&element("<xs:attribute name='a' type='xs:int' fixed='x'/>"), &["a-props-correct.2 2:38"]);
    check(
        "<xs:simpleType name='s'><xs:restriction base='xs:string'><xs:pattern value='(a'/></xs:restriction></xs:simpleType>",
        &["src-pattern-value 2:58"],
    );
    check(
        "<xs:simpleType name='s'><xs:restriction base='xs:int'><xs:length value='1'/></xs:restriction></xs:simpleType>",
        &["cos-applicable-facets 2:55"],
    );
    check(
        "<xs:simpleType name='s'><xs:restriction base='xs:int'><xs:enumeration value='x'/></xs:restriction></xs:simpleType>",
        &["enumeration-valid-restriction 2:55"],
    );
    check(
        "<xs:simpleType name='s'><xs:restriction base='xs:byte'><xs:maxInclusive value='200'/></xs:restriction></xs:simpleType>",
        &["maxInclusive-valid-restriction 2:56"],
    );
    check("<xs:element name='a' substitutionGroup='b' type='xs:string'/><xs:element name='b' type='xs:int'/>", &["e-props-correct.4 2:1"]);
    check(
        "<xs:element name='a' substitutionGroup='b'/><xs:element name='b' substitutionGroup='a'/>",
        &["e-props-correct.6 2:1", "e-props-correct.6 2:45"],
    );
}

#[test]
fn restrictions_accept_what_their_base_accepts() {
    let check = defects;
    let restricted = |base: &str, own: &str| {
        let types =
            ["<xs:complexType name='b'>", base, "</xs:complexType><xs:complexType name='r'><xs:complexContent><xs:restriction base='b'>"]
                .concat();
        [&types, "\n", own, "</xs:restriction></xs:complexContent></xs:complexType>"].concat()
    };
    let (a, optional, many) = (
        "<xs:element name='a' type='xs:int'/>",
        "<xs:element name='a' type='xs:int' minOccurs='0'/>",
        "<xs:element name='a' type='xs:int' maxOccurs='7'/>",
    );
    let sequence = |inside: &str| ["<xs:sequence>", inside, "</xs:sequence>"].concat();
    check(&restricted(&sequence(many), &sequence(a)), &[]);
    check(&restricted(&sequence(optional), ""), &[]);
    check(&restricted(&sequence("<xs:any processContents='skip'/>"), &sequence(a)), &[]);
    check(&restricted(&sequence(a), &sequence(many)), &["derivation-ok-restriction.5 3:14"]);
    check(&restricted(&sequence(a), &sequence("<xs:element name='a' type='xs:decimal'/>")), &["derivation-ok-restriction.5 3:14"]);
    check(&restricted(&sequence(a), &sequence("<xs:any/>")), &["derivation-ok-restriction.5 3:14"]);
    check(&restricted(&sequence(a), ""), &["derivation-ok-restriction.5 2:106"]);
}

#[test]
fn keys_are_unique_and_references_are_found() {
    let city = "<xs:element name='city'><xs:complexType><xs:sequence><xs:element name='w' maxOccurs='9'><xs:complexType><xs:sequence>\
        <xs:element name='n' type='xs:decimal' nillable='true' minOccurs='0' maxOccurs='2'/><xs:element name='s' type='xs:string' minOccurs='0'/></xs:sequence>\
        <xs:attribute name='id' type='xs:token'/><xs:attribute name='to' type='xs:token'/></xs:complexType></xs:element></xs:sequence></xs:complexType>\
        <xs:key name='k'><xs:selector xpath='w'/><xs:field xpath='n'/></xs:key>\
        <xs:unique name='u'><xs:selector xpath='.//w | x'/><xs:field xpath='@id'/><xs:field xpath='s'/></xs:unique>\
        <xs:keyref name='r' refer='i'><xs:selector xpath='w'/><xs:field xpath='@to'/></xs:keyref>\
        <xs:unique name='i'><xs:selector xpath='./w'/><xs:field xpath='@id'/></xs:unique></xs:element>";
    check(
        city,
        &[
            ("<city><w><n>1</n></w><w><n>2</n></w></city>", "valid"),
            ("<city><w><n>1</n></w><w><n>1.0</n></w></city>", "cvc-identity-constraint.4.2.2 /city/w[2]"),
            ("<city><w/></city>", "cvc-identity-constraint.4.2.1 /city/w"),
            ("<city><w><n xsi:nil='true' XSI/></w></city>", "cvc-identity-constraint.4.2.3 /city/w/n"),
            ("<city><w><n>1</n><n>2</n></w></city>", "cvc-identity-constraint.3 /city/w/n[2]"),
            ("<city><w id='a'><n>1</n><s>x</s></w><w id='b'><n>2</n><s>x</s></w></city>", "valid"),
            ("<city><w id='a'><n>1</n></w><w id=' a '><n>2</n></w></city>", "cvc-identity-constraint.4.1 /city/w[2]"),
            ("<city><w id='a'><n>1</n><s>x</s></w><w id='b' to='a'><n>2</n></w></city>", "valid"),
            ("<city><w to='c'><n>1</n></w><w id='b'><n>2</n></w></city>", "cvc-identity-constraint.4.3 /city/w"),
            ("<city><w to='b'><n>1</n></w><w id='b'><n>2</n></w></city>", "valid"),
        ],
    );
    // A key of an inner element can be referred to from around it.
    check(
        "<xs:element name='r'><xs:complexType><xs:sequence><xs:element ref='l' maxOccurs='2'/><xs:element name='f' type='xs:dateTime' minOccurs='0'/></xs:sequence></xs:complexType>\
         <xs:keyref name='kr' refer='k'><xs:selector xpath='f'/><xs:field xpath='.'/></xs:keyref></xs:element>\
         <xs:element name='l'><xs:complexType><xs:sequence><xs:element name='e' type='xs:dateTime' maxOccurs='9'/></xs:sequence></xs:complexType>\
         <xs:key name='k'><xs:selector xpath='e'/><xs:field xpath='.'/></xs:key></xs:element>",
        &[
            ("<r><l><e>2024-01-01T12:00:00Z</e></l><f>2024-01-01T13:00:00+01:00</f></r>", "valid"),
            ("<r><l><e>2024-01-01T12:00:00Z</e></l><f>2024-01-01T12:00:01Z</f></r>", "cvc-identity-constraint.4.3 /r/f"),
            ("<r><l><e>2024-01-01T12:00:00Z</e></l><l><e>2024-01-01T12:00:00Z</e></l></r>", "valid"),
            ("<r><l><e>2024-01-01T12:00:00Z</e><e>2024-01-01T12:00:00.0Z</e></l></r>", "cvc-identity-constraint.4.2.2 /r/l/e[2]"),
        ],
    );
}

#[test]
fn values_that_nobody_wrote_count() {
    // Part 1 §3.11.4 is about what validation makes of a document, and that has the attributes that were left out.
    let attribute = "<xs:element name='r'><xs:complexType><xs:sequence><xs:element name='e' maxOccurs='9'><xs:complexType>\
         <xs:attribute name='a' type='xs:string' default='x'/></xs:complexType></xs:element></xs:sequence></xs:complexType>\
         <xs:unique name='u'><xs:selector xpath='e'/><xs:field xpath='@a'/></xs:unique></xs:element>";
    check(
        attribute,
        &[
            ("<r><e/><e a='y'/></r>", "valid"),
            ("<r><e/><e/></r>", "cvc-identity-constraint.4.1 /r/e[2]"),
            ("<r><e/><e a='x'/></r>", "cvc-identity-constraint.4.1 /r/e[2]"),
        ],
    );
    check(&element("<xs:attribute name='to' type='xs:IDREFS' default='x'/>"), &[("<r/>", "cvc-id.1 /r")]);
    check(
        "<xs:element name='r' fixed='x'/>",
        &[("<r>x</r>", "valid"), ("<r/>", "valid"), ("<r>y</r>", "cvc-elt.5.2.2.2.1 /r"), ("<r><x/></r>", "cvc-elt.5.2.2.1 /r/x")],
    );
    check(
        "<xs:element name='r' xmlns:p='urn:p' type='xs:QName' fixed='p:x'/>",
        &[("<r xmlns:q='urn:p'>q:x</r>", "valid"), ("<r xmlns:p='urn:q'>p:x</r>", "cvc-elt.5.2.2.2.2 /r"), ("<r/>", "valid")],
    );
}

#[test]
fn what_keys_and_ids_may_be() {
    check(
        "<xs:element name='r'><xs:complexType><xs:sequence><xs:element name='e' nillable='true' maxOccurs='9'/></xs:sequence></xs:complexType>\
         <xs:unique name='u'><xs:selector xpath='e'/><xs:field xpath='.'/></xs:unique></xs:element>",
        &[
            ("<r XSI xmlns:xs='http://www.w3.org/2001/XMLSchema'><e xsi:type='xs:int'>1</e><e xsi:type='xs:int'>2</e></r>", "valid"),
            ("<r><e>1</e></r>", "cvc-identity-constraint.3 /r/e"),
        ],
    );
    check(
        "<xs:attribute name='i' type='xs:ID'/><xs:attribute name='j' type='xs:ID'/><xs:element name='r'><xs:complexType><xs:anyAttribute/></xs:complexType></xs:element>\
         <xs:element name='s'><xs:complexType><xs:attribute name='k' type='xs:ID'/><xs:anyAttribute/></xs:complexType></xs:element>",
        &[("<r i='a'/>", "valid"), ("<r i='a' j='b'/>", "cvc-complex-type.5.1 /r"), ("<s i='a'/>", "cvc-complex-type.5.2 /s")],
    );
    // A union that lists its values takes no longer every value of its members.
    check(
        "<xs:element name='r'><xs:simpleType><xs:restriction><xs:simpleType><xs:union memberTypes='xs:string xs:int'/></xs:simpleType><xs:enumeration value='a'/></xs:restriction></xs:simpleType></xs:element>",
        &[
            ("<r>a</r>", "valid"),
            ("<r XSI xmlns:xs='http://www.w3.org/2001/XMLSchema' xsi:type='xs:int'>1</r>", "cvc-elt.4.3 /r; cvc-enumeration-valid /r"),
        ],
    );
}

#[test]
fn what_is_for_another_version_is_left_out() {
    let schema = |condition: &str| {
        [
            "<xs:element name='r'><xs:complexType><xs:assert test='true()' xmlns:vc='http://www.w3.org/2007/XMLSchema-versioning' ",
            condition,
            "/></xs:complexType></xs:element>",
        ]
        .concat()
    };
    for (condition, excluded) in [
        ("vc:minVersion='1.1'", true),
        ("vc:minVersion='1.0'", false),
        ("vc:maxVersion='1.0'", true),
        ("vc:maxVersion='1.1'", false),
        ("vc:typeAvailable='xs:error'", true),
        ("vc:typeAvailable='xs:int'", false),
        ("vc:typeUnavailable='xs:int'", true),
        ("vc:facetAvailable='xs:length xs:assertion'", true),
        ("vc:facetUnavailable='xs:length xs:assertion'", false),
    ] {
        let loaded = load(&self::schema("", &schema(condition)));
        assert_eq!(loaded.is_ok(), excluded, "{condition}: {:?}", loaded.err());
    }
}

/// All words of a and b up to a length, as children and as a text that a pattern judges: a content model is that pattern.
#[test]
fn counted_particles_are_counted_as_a_pattern_counts() {
    let words: Vec<String> = (1..=10_u32)
        .flat_map(|length| {
            (0..1_u32 << length).map(move |bits| (0..length).map(|at| if bits >> at & 1 == 0 { 'a' } else { 'b' }).collect())
        })
        .collect();
    for model in [
        "(a{2,4}|b{1,2}){2,3}",
        "((a{2,4}|b{3,3}){1,2}){2,3}",
        "((a{3,4}|b{2,5}){2,3}){2,2}",
        "(((a{2,3}){2,2}){1,3}b{0,1}){1,2}",
        "(a{0,1}(b{2,3}){1,2}){2,3}",
        "(a{0,1}(b{2,3}a{2,2}){1,2}){2,3}",
        "((a{2,9}){2,9}b{2,3}){1,2}",
    ] {
        let mut content = String::new();
        let mut rest = model.chars();
        let mut open: Vec<(usize, &str)> = Vec::new();
        // A group is written when its counts are known, behind it.
        while let Some(letter) = rest.next() {
            match letter {
                '(' => open.push((content.len(), "sequence")),
                '|' => open.last_mut().unwrap().1 = "choice",
                'a' | 'b' | ')' => {
                    let counts: String = rest.by_ref().take_while(|letter| *letter != '}').collect();
                    let (least, most) = counts.trim_start_matches('{').split_once(',').unwrap();
                    let counts = format!("minOccurs='{least}' maxOccurs='{most}'");
                    if letter == ')' {
                        let (start, name) = open.pop().unwrap();
                        let inside = content.split_off(start);
                        content += &format!("<xs:{name} {counts}>{inside}</xs:{name}>");
                    } else {
                        content += &format!("<xs:element name='{letter}' {counts}/>");
                    }
                }
                other => unreachable!("{other}"),
            }
        }
        let pattern =
            format!("<xs:simpleType><xs:restriction base='xs:string'><xs:pattern value='{model}'/></xs:restriction></xs:simpleType>");
        let schemas = load(&schema("", &format!("{}<xs:element name='p'>{pattern}</xs:element>", element(&content)))).unwrap();
        let mut valid = 0;
        for word in &words {
            let says = |text: String| {
                schemas.validate_all(&read(text.as_bytes(), None, &Limits::default()).unwrap(), 1).first().map(|violation| violation.rule)
            };
            let expected = says(format!("<p>{word}</p>")).is_none();
            let children: String = word.chars().map(|letter| format!("<{letter}/>")).collect();
            let found = says(format!("<r>{children}</r>"));
            assert_eq!(found.is_none(), expected, "{word} against {model}: {found:?}");
            valid += usize::from(expected);
        }
        assert!(valid > 0, "{model}");
    }
}
