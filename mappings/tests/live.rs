//! Mappings that change while they are in force, source schemas that are not strict, and schemas that name their mapping.
#![expect(clippy::unwrap_used, reason = "the helpers of tests stand outside #[test] functions")]

use mappings::{Change, Live, Mapping, Sector, mapping_of};
use std::fs;
use std::path::{Path, PathBuf};

/// A copy of a shipped sector's folder.
fn copied(name: &str, sector: &str) -> PathBuf {
    fn copy(from: &Path, to: &Path) {
        fs::create_dir_all(to).unwrap();
        for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
            let to = to.join(entry.file_name());
            if entry.path().is_dir() { copy(&entry.path(), &to) } else { assert!(fs::copy(entry.path(), to).is_ok()) }
        }
    }
    let to = Path::new(env!("CARGO_TARGET_TMPDIR")).join("live").join(name);
    let _absent = fs::remove_dir_all(&to);
    copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join(sector), &to);
    to
}

fn edit(path: &Path, from: &str, to: &str) {
    let text = fs::read_to_string(path).unwrap();
    assert!(text.contains(from), "no {from} in {}", path.display());
    fs::write(path, text.replace(from, to)).unwrap();
}

fn digest(live: &Live<Sector>) -> String {
    live.current().resources().next().unwrap().response().sha256().to_owned()
}

#[test]
fn what_checks_clean_is_taken_up_and_the_rest_refused() {
    let dir = copied("reload", "health");
    let live = Live::load(&dir, Ok).unwrap();
    let (first, held) = (digest(&live), live.current());
    assert_eq!(live.refresh(), Change::None);

    // Another text of the same meaning: other octets, another digest.
    edit(&dir.join("visit.map.xml"), "</m:mapping>", "</m:mapping>\n<!-- looked at again -->\n");
    let Change::Taken(names) = live.refresh() else { unreachable!("a mapping that checks clean is taken") };
    let second = digest(&live);
    assert!(second != first && names.contains(&("health.visit".to_owned(), second.clone())), "{names:?}");
    // Who has begun goes on with what was in force.
    assert_eq!(held.resources().next().unwrap().response().sha256(), first);
    assert_eq!(live.refresh(), Change::None);

    // A path that the source does not have, and a sample that comes out otherwise: refused, with the finding, until it is mended.
    for (from, to, finding) in [("from=\"@date\"", "from=\"@dat\"", "SM101"), ("value=\"ward\"", "value=\"bed\"", "expect.business.xml")] {
        edit(&dir.join("visit.map.xml"), from, to);
        let Change::Refused(why) = live.refresh() else { unreachable!("{to} is refused") };
        assert!(why.first().is_some_and(|line| line.contains(finding)), "the error comes first: {why:?}");
        assert_eq!((digest(&live), live.refresh()), (second.clone(), Change::None));
        edit(&dir.join("visit.map.xml"), to, from);
        assert!(matches!(live.refresh(), Change::Taken(_)));
        assert_eq!(digest(&live), second);
    }

    // A schema counts as much as the mapping, and what makes more of a sector may refuse it, too.
    edit(&dir.join("visit.xsd"), "</xs:schema>", "</xs:schema>\n");
    assert!(matches!(live.refresh(), Change::Taken(_)) && digest(&live) != second);
    assert_eq!(Live::<Sector>::load(&dir, |_| Err(vec!["no".to_owned()])).unwrap_err(), ["no"]);
}

/// A mapping of one leaf, over a source schema of this text at this level.
fn one(name: &str, schema: &str, (level, root): (&str, &str), rules: &str) -> PathBuf {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("live").join(name);
    fs::create_dir_all(&dir).unwrap();
    fs::write(dir.join("s.xsd"), schema).unwrap();
    fs::copy(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/check/record.xsd"), dir.join("record.xsd")).unwrap();
    let map = [
        "<m:mapping xmlns:m='urn:waybill:mapping:1' xmlns:b='urn:test:record' version='1.0' id='test.one'><m:source schema='s.xsd' root='",
        root,
        "' ",
        level,
        "/><m:target name='summary' schema='record.xsd' root='b:Summary'/><m:once to='summary' at='end'>\
         <m:set path='b:Count' value='0'/>",
        rules,
        "</m:once></m:mapping>",
    ]
    .concat();
    let path = dir.join("s.map.xml");
    fs::write(&path, map).unwrap();
    path
}

fn codes(path: &Path) -> Vec<&'static str> {
    Mapping::check(path).diagnostics.iter().map(|found| found.code).collect()
}

#[test]
fn a_source_keeps_as_much_of_the_law_as_its_level_says() {
    // A type of a document that is not there: opaque at compat.
    let broken = "<xs:schema xmlns:xs='http://www.w3.org/2001/XMLSchema' xmlns:o='urn:o'><xs:import namespace='urn:o'/>\
         <xs:element name='r'><xs:complexType><xs:sequence><xs:element name='n' type='xs:int'/><xs:element name='x' type='o:T'/></xs:sequence></xs:complexType></xs:element></xs:schema>";
    let read = "<m:set path='b:Total' from='n'/>";
    let ignored = [read, "<m:ignore path='x' reason='its schema is not here'/>"].concat();
    assert_eq!(codes(&one("strict", broken, ("", "r"), &ignored)), ["SM022"]);
    assert_eq!(codes(&one("compat", broken, ("level='compat'", "r"), &ignored)), [""; 0]);
    // What is opaque is accounted for like anything else, and not read.
    assert_eq!(codes(&one("forgotten", broken, ("level='compat'", "r"), read)), ["SM300"]);
    assert_eq!(
        codes(&one("read", broken, ("level='compat'", "r"), "<m:set path='b:Total' from='x'/><m:ignore path='n' reason='rest'/>")).first(),
        Some(&"SM102")
    );
    // A sample instead of a schema, in which nobody reads the second one.
    assert_eq!(codes(&one("sample", "<r><n>7</n><n>8</n></r>", ("level='sample'", "r"), "<m:set path='b:Total' from='n[1]'/>")), ["SM303"]);
}

#[test]
fn a_pattern_that_is_a_date_is_read_as_one() {
    let schema = |pattern: &str| {
        [
            "<xs:schema xmlns:xs='http://www.w3.org/2001/XMLSchema'><xs:element name='r'><xs:simpleType><xs:restriction base='xs:string'><xs:pattern value='",
            pattern,
            "'/></xs:restriction></xs:simpleType></xs:element></xs:schema>",
        ]
        .concat()
    };
    let rules = "<m:set path='b:Total' value='0'/><m:set path='b:At' from='.' as='dateTime' zone='-03:00'/>";
    let at = |pattern: &str| {
        let path = one("pattern", &schema(pattern), ("", "r"), rules);
        let codes: Vec<&str> = codes(&path).into_iter().filter(|code| *code == "SM164" || *code == "SM165").collect();
        codes.join(" ")
    };
    // As the Brazilian invoice writes its own dateTime.
    assert_eq!(at(r"20\d\d-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])T([01]\d|2[0-3]):[0-5]\d:[0-5]\d([\-\+]\d\d:\d\d|Z)"), "");
    assert_eq!(at(r"\d{4}-\d\d-\d\d"), "SM165");
    assert_eq!(at(r".*"), "SM164");
    assert_eq!(at(r"\d{8}"), "SM164");
}

#[test]
fn a_schema_names_its_mapping() {
    let dir = copied("lifting", "health");
    let (schema, map) = (dir.join("visit.xsd"), dir.join("visit.map.xml"));
    assert_eq!(mapping_of(&map).unwrap(), map);
    let fails = |piece: &str| {
        let why = mapping_of(&schema).unwrap_err();
        assert!(why.contains(piece), "{why}");
    };
    let annotated = fs::read_to_string(&schema).unwrap();
    assert_eq!(mapping_of(&schema).unwrap(), map);
    fs::write(&schema, annotated.replace("sawsdl:liftingSchemaMapping=\"visit.map.xml\"", "")).unwrap();
    fails("no global element has a sawsdl:liftingSchemaMapping");
    let named =
        |name: &str| fs::write(&schema, annotated.replace("Mapping=\"visit.map.xml\"", &["Mapping=\"", name, "\""].concat())).unwrap();
    named("other.map.xml");
    fails("which is not there");
    named("visit.map.xml visit-query.map.xml");
    fails("several mappings, say which: visit-query.map.xml, visit.map.xml");
    named("../health/visit.map.xml");
    fails("only a file beside the schema");
    named("http://example.org/visit.map.xml");
    fails("only a file beside the schema");
}
