//! The verbs of `waybill map` over shipped mappings and over copies of them that were broken on purpose.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "the helpers of tests stand outside #[test] functions, and a test that is skipped says so"
)]

use mappings::verbs::report::{Findings, Format, report};
use mappings::verbs::scaffold::Wanted;
use mappings::verbs::{annotate, diff, document, export, infer, invert, layout, lsp, samples, scaffold};
use mappings::{Item, Mapping, Severity, Witness};
use std::fs;
use std::path::{Path, PathBuf};

/// A sector's folder with its samples, copied so that it can be changed: each (file, text, other text) once.
fn sector(name: &str, copy: &str, changes: &[(&str, &str, &str)]) -> PathBuf {
    fn copied(from: &Path, to: &Path) {
        fs::create_dir_all(to).unwrap();
        for entry in fs::read_dir(from).unwrap().map(|entry| entry.unwrap().path()) {
            let to = to.join(entry.file_name().unwrap());
            if entry.is_dir() { copied(&entry, &to) } else { fs::copy(&entry, &to).map(|_| ()).unwrap() }
        }
    }
    let to = Path::new(env!("CARGO_TARGET_TMPDIR")).join(copy);
    fs::remove_dir_all(&to).unwrap_or_default();
    copied(&Path::new(env!("CARGO_MANIFEST_DIR")).join(name), &to);
    for (file, text, other) in changes {
        let path = to.join(file);
        let before = fs::read_to_string(&path).unwrap();
        assert!(before.contains(text), "{file} has no {text}");
        fs::write(&path, before.replacen(text, other, 1)).unwrap();
    }
    to
}

fn has(text: &str, pieces: &[&str]) {
    for piece in pieces {
        assert!(text.contains(piece), "no {piece} in\n{text}");
    }
}

#[test]
fn findings_are_written_for_people_and_machines() {
    let broken =
        [("visit.map.xml", r#"from="h:Sex" codes="sex""#, r#"from="h:Sexx""#), ("visit.map.xml", r#"from="h:Fee""#, r#"from="h:Feee""#)];
    let dir = sector("health", "verbs-report", &broken);
    let path = dir.join("visit.map.xml");
    let findings = [Findings { diagnostics: Mapping::check(&path).diagnostics, path: path.clone() }];
    assert_eq!(findings[0].diagnostics.len(), 2, "{:?}", findings[0].diagnostics);
    let text = report(&findings, Format::Text);
    has(
        &text,
        &[
            "error[SM100] ",
            "visit.map.xml:18:9: source has no element 'h:Sexx'",
            "<m:set path=\"b:Sex\" from=\"h:Sexx\"/>\n",
            "^^^^^^^^^^^^^\n",
            "::: declared: ",
            "visit.xsd:",
            " declared here\n",
            "= help: did you mean 'h:Sex'?",
            "1 mapping, 2 errors, 0 warnings",
        ],
    );
    let under = text.lines().position(|line| line.contains("from=\"h:Sexx\"")).unwrap();
    let (line, mark) = (text.lines().nth(under).unwrap(), text.lines().nth(under + 1).unwrap());
    assert_eq!(line.find("from="), mark.find('^'), "{text}");

    let json: serde_json::Value = serde_json::from_str(&report(&findings, Format::Json)).unwrap();
    assert_eq!(
        (&json["errors"], &json["findings"][0]["code"], &json["findings"][0]["at"]["line"]),
        (&2.into(), &"SM100".into(), &18.into())
    );
    let sarif: serde_json::Value = serde_json::from_str(&report(&findings, Format::Sarif)).unwrap();
    let result = &sarif["runs"][0]["results"][0];
    assert_eq!((&sarif["version"], &result["ruleId"], &result["level"]), (&"2.1.0".into(), &"SM100".into(), &"error".into()));
    assert_eq!(result["locations"][0]["physicalLocation"]["region"]["startLine"], 18);
    assert!(result["relatedLocations"][0]["physicalLocation"]["artifactLocation"]["uri"].as_str().unwrap().ends_with("visit.xsd"));
    assert_eq!(sarif["runs"][0]["tool"]["driver"]["rules"].as_array().unwrap().len(), 1);
    let junit = report(&findings, Format::Junit);
    let root = xsd::read::read(junit.as_bytes(), None, &xsd::read::Limits::default()).unwrap();
    let suite = root.first("", "testsuite").unwrap();
    assert_eq!((suite.attribute("", "tests"), suite.attribute("", "failures")), (Some("1"), Some("1")));
    assert!(suite.first("", "testcase").unwrap().first("", "failure").is_some());
}

#[test]
fn shipped_samples_pass_and_say_what_they_do_not_exercise() {
    let tested = samples::test(Path::new(env!("CARGO_MANIFEST_DIR")), false).unwrap();
    assert!(tested.holds(), "{}", tested.text());
    assert!(tested.cases.len() >= 16, "{}", tested.text());
    has(&tested.text(), &["health/visit.map.xml: ", " codes exercised", " passed, 0 failed"]);
}

#[test]
fn a_changed_mapping_fails_its_samples_and_bless_mends_them() {
    let dir = sector("health", "verbs-test", &[("visit.map.xml", r#"from="9" to="U""#, r#"from="9" to="M""#)]);
    let tested = samples::test(&dir, false).unwrap();
    assert!(!tested.holds());
    has(&tested.text(), &["FAILED", "expect.business.xml: line ", "expected …", "found    …"]);
    let root = xsd::read::read(tested.junit().as_bytes(), None, &xsd::read::Limits::default()).unwrap();
    assert_ne!(root.attribute("", "failures"), Some("0"));
    let blessed = samples::test(&dir, true).unwrap();
    assert!(blessed.cases.iter().any(|case| !case.blessed.is_empty()));
    let again = samples::test(&dir, false).unwrap();
    assert!(again.holds(), "{}", again.text());
    fs::remove_dir_all(dir.join("tests")).unwrap();
    let none = samples::test(&dir, false).unwrap();
    has(
        &none.text(),
        &[
            "visit.map.xml: 0 of ",
            "rule for b:RecordId from @no never wrote anything",
            "m:type was never taken",
            "codes of 'sex' never looked up: 1 2 9",
        ],
    );
}

#[test]
fn a_run_says_where_values_come_from_and_which_record_was_rejected() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("health");
    let mapping = Mapping::load(&dir.join("visit.map.xml")).unwrap();
    let octets = fs::read(dir.join("tests/bad-birth-date/in.xml")).unwrap();
    let (mut trace, mut places) = (Vec::new(), Vec::new());
    let counts = mapping.stream(octets.as_slice(), None, &xsd::read::Limits::default(), &mut |item| {
        match item {
            Item::Record(made) | Item::Once(made) => trace.extend(made.trace()),
            Item::Reject(reject) => places.push(reject.source),
        }
        std::ops::ControlFlow::Continue(())
    });
    assert_eq!(counts.unwrap().rejects, 1);
    let rejected = samples::records_at(&mapping, &octets, &places).unwrap();
    has(&String::from_utf8(rejected[0].clone().unwrap()).unwrap(), &["20010229", "Visit"]);
    let sex = trace.iter().find(|traced| traced.path.ends_with("/b:Person/b:Sex")).unwrap();
    assert_eq!((sex.path.as_str(), sex.rule.line), ("/b:Record/b:Subject/b:Person/b:Sex", 18));
    assert!(sex.source.line > 1);
    assert!(trace.iter().any(|traced| traced.path == "/b:Record/b:RecordId/@scheme" && traced.rule.line == 9));
    let wrong = samples::run(&mapping, b"<x/>", &Witness::default()).unwrap_err();
    has(&wrong, &["cvc-"]);
}

#[test]
fn coverage_is_one_sentence_and_names_what_is_left() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("health");
    let document = fs::read(dir.join("tests/payers/in.xml")).unwrap();
    let (text, holds) = samples::coverage(&dir.join("visit.map.xml"), Some(&document)).unwrap();
    assert!(holds);
    has(
        &text,
        &[
            "coverage: every leaf of a visit accounted for: 16 mapped, 5 ignored with a reason, 0 unaccounted\n",
            "document: 4 made, 0 rejected; 50 of 50 rules, ",
        ],
    );
    let ignored = r#"<m:ignore path="h:Inpatient/h:Bed" reason="not in the unified model"/>"#;
    let dir = sector("health", "verbs-coverage", &[("visit.map.xml", ignored, "")]);
    let (text, holds) = samples::coverage(&dir.join("visit.map.xml"), None).unwrap();
    assert!(!holds);
    has(
        &text,
        &["coverage: not every leaf of a visit accounted for: 16 mapped, 4 ignored with a reason, 1 unaccounted\n", "h:Inpatient/h:Bed"],
    );
    let (text, holds) = samples::coverage_json(&dir.join("visit.map.xml")).unwrap();
    let data: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!((holds, &data["mapped"], &data["unaccounted"]), (false, &16.into(), &1.into()));
    let leaves = data["leaves"].as_array().unwrap();
    let bed = leaves.iter().find(|leaf| leaf["path"] == "h:Inpatient/h:Bed").unwrap();
    assert_eq!((leaves.len(), &bed["state"], &bed["warning"]), (21, &"unaccounted".into(), &true.into()));
    // What one rule says comes first is told, and no finding.
    let both = (r#"from="h:Inpatient/h:Ward""#, r#"from="h:Inpatient/h:Ward | h:Inpatient/h:Bed""#);
    let dir = sector("health", "verbs-coverage-part", &[("visit.map.xml", ignored, ""), ("visit.map.xml", both.0, both.1)]);
    let (text, holds) = samples::coverage(&dir.join("visit.map.xml"), None).unwrap();
    assert!(holds, "{text}");
    has(&text, &["16 mapped, 1 in part, 4 ignored", "says: 'h:Inpatient/h:Bed' stays where 'h:Inpatient/h:Ward' is there"]);
}

#[test]
fn shipped_mappings_keep_their_meaning_in_the_one_layout() {
    for sector in ["civil", "health", "transport"] {
        for map in samples::mappings_in(&Path::new(env!("CARGO_MANIFEST_DIR")).join(sector)).unwrap() {
            let text = fs::read_to_string(&map).unwrap();
            let once = layout::fmt(&text).unwrap();
            assert_eq!(layout::fmt(&once).unwrap(), once, "{}", map.display());
            assert_eq!(once.matches("<!--").count(), text.matches("<!--").count());
            assert!(once.lines().all(|line| line.chars().count() <= 160), "{once}");
        }
    }
}

#[test]
fn a_newer_schema_names_the_rules_it_breaks_and_renames_what_was_renamed() {
    let changes = [
        ("visit.xsd", "name=\"Ward\"", "name=\"Wards\""),
        ("visit.xsd", "<xs:enumeration value=\"9\"/>", "<xs:enumeration value=\"9\"/><xs:enumeration value=\"0\"/>"),
    ];
    let old = sector("health", "verbs-diff-old", &[]);
    let new = sector("health", "verbs-diff-new", &changes);
    let map = old.join("visit.map.xml");
    let found = diff::diff(&old.join("visit.xsd"), &new.join("visit.xsd"), std::slice::from_ref(&map), true).unwrap();
    let text = found.text();
    has(
        &text,
        &[
            "breaking: VisitReport/Visit/Inpatient/Ward: element 'Ward' removed, probably renamed to 'Wards'",
            "m:set from=\"h:Inpatient/h:Ward\", mended",
            "breaking for readers: VisitReport/Visit/Patient/Sex: values added: 0",
            "m:set from=\"h:Sex\"\n",
            "2 changes: 2 breaking, 0 compatible; 2 rules of 1 mappings are hit",
        ],
    );
    assert!(!found.holds(), "the code table misses a value");
    let (path, fixed) = &found.fixed[0];
    assert_eq!(path, &map);
    has(fixed, &["from=\"h:Inpatient/h:Wards\"", "<!-- Hospital visits"]);
    fs::write(new.join("visit.map.xml"), fixed).unwrap();
    let codes: Vec<&str> = Mapping::check(&new.join("visit.map.xml")).diagnostics.iter().map(|found| found.code).collect();
    assert_eq!(codes, ["SM151"], "the rename is mended, the value is left");
    let same = diff::diff(&old.join("visit.xsd"), &old.join("visit.xsd"), &[map], false).unwrap();
    assert!(same.changes.is_empty() && same.holds());
}

/// A scaffold written beside its schema, and the codes that `check` finds in it.
fn scaffolded(dir: &Path, schema: &str, root: &str) -> (String, Vec<&'static str>) {
    let schemas = diff::schema(&dir.join(schema)).unwrap();
    let wanted =
        Wanted { schema: schema.to_owned(), root: Some(root.to_owned()), record: None, id: "test.scaffold".to_owned(), bind: None };
    let made = scaffold::scaffold(&schemas, &wanted).unwrap();
    let path = dir.join("scaffold.map.xml");
    fs::write(&path, &made.text).unwrap();
    let checked = Mapping::check(&path);
    assert_eq!(checked.coverage.unaccounted, 0, "{}\n{:?}", made.text, checked.diagnostics);
    assert_eq!(made.text.matches("confidence=").count(), made.suggested);
    let codes = checked.diagnostics.iter().map(|found| found.code).collect::<Vec<_>>();
    assert_eq!(codes.iter().filter(|code| **code == "SM091").count(), made.suggested, "each suggestion is warned of");
    (made.text, codes)
}

#[test]
fn a_scaffold_accounts_for_every_leaf_and_claims_nothing() {
    for (sector_name, schema, root, pieces) in [
        (
            "transport",
            "vehicle.xsd",
            "VehRegs",
            vec![
                "<m:record select=\"veh\" to=\"business\">",
                "<m:set path=\"b:RecordId\" from=\"clsbdh\"",
                "<m:set path=\"b:SourceSector\" from=\"../@dept\"",
                "<m:set path=\"b:OccurredAt\" from=\"ccdjrq\" as=\"dateTime\" zone=\"+08:00\" confidence=",
                "dictionary: hphm 号牌号码",
                "<m:set path=\"@field\" value=\"plate\"/>",
                "reason=\"TODO ",
            ],
        ),
        (
            "health",
            "visit.xsd",
            "VisitReport",
            vec![
                "<m:case of=\"s:Payer\">",
                "<m:type is=\"s:PersonParty\">",
                "parse=\"yyyyMMdd\"",
                "<m:codes name=\"sex\"><m:code from=\"1\" to=\"M\"/>",
                "<m:each path=\"b:Value\" select=\"s:Diag\" confidence=",
                "when-nil=\"omit\"",
            ],
        ),
        ("civil", "household.xsd", "HouseholdReply", vec!["<m:record select=\"s:Household\""]),
    ] {
        let dir = sector(sector_name, &["verbs-scaffold-", sector_name].concat(), &[]);
        let (text, codes) = scaffolded(&dir, schema, root);
        has(&text, &pieces);
        let errors: Vec<_> = codes.iter().filter(|code| !["SM091", "SM121", "SM170", "SM301"].contains(code)).collect();
        assert!(errors.is_empty(), "{text}\n{:?}", Mapping::check(&dir.join("scaffold.map.xml")).diagnostics);
    }
}

/// What is scaffolded of elements in the root `R`, and the path to its records.
#[expect(clippy::unwrap_in_result, reason = "what is asked of the scaffold is the result, what is around it is the test's")]
fn drafted(name: &str, elements: &str, record: Option<&str>) -> Result<(String, String), String> {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(["verbs-draft-", name].concat());
    fs::create_dir_all(&dir).unwrap();
    let element = ["<xs:element name='R'><xs:complexType><xs:sequence>", elements, "</xs:sequence></xs:complexType></xs:element>"].concat();
    let schema = ["<xs:schema xmlns:xs='http://www.w3.org/2001/XMLSchema'>", &element, "</xs:schema>"].concat();
    fs::write(dir.join("r.xsd"), schema).unwrap();
    let (schemas, missing) = diff::loaded(&dir.join("r.xsd")).unwrap();
    assert_eq!(missing, [""; 0]);
    let wanted =
        Wanted { schema: "r.xsd".to_owned(), root: None, record: record.map(str::to_owned), id: "test.draft".to_owned(), bind: None };
    let made = scaffold::scaffold(&schemas, &wanted)?;
    fs::write(dir.join("draft.map.xml"), &made.text).unwrap();
    let checked = Mapping::check(&dir.join("draft.map.xml"));
    assert_eq!(checked.coverage.unaccounted, 0, "{}\n{:?}", made.text, checked.diagnostics);
    // A rule that is suggested is one that check takes; what is missing is asked for.
    let wrong: Vec<String> =
        checked.diagnostics.iter().filter(|found| found.severity == Severity::Error).map(ToString::to_string).collect();
    assert!(wrong.iter().all(|found| found.contains("SM202")), "{}\n{}", wrong.join("\n"), made.text);
    Ok((made.text, made.records.1))
}

#[test]
fn a_scaffold_chooses_what_a_person_would() {
    let leaf = |name: &str| ["<xs:element name='", name, "' type='xs:string'/>"].concat();
    let holds = |name: &str, occurs: &str, inner: &str| {
        ["<xs:element name='", name, "' ", occurs, "><xs:complexType><xs:sequence>", inner, "</xs:sequence></xs:complexType></xs:element>"]
            .concat()
    };
    let restricted = |name: &str, facets: &str| {
        let restriction = ["<xs:restriction base='xs:string'>", facets, "</xs:restriction>"].concat();
        ["<xs:element name='", name, "'><xs:simpleType>", &restriction, "</xs:simpleType></xs:element>"].concat()
    };
    let moment =
        restricted("dhEmi", "<xs:pattern value='20[0-9]{2}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}[+\\-][0-9]{2}:[0-9]{2}'/>");
    let lines = holds("det", "maxOccurs='990'", &[leaf("item"), leaf("price")].concat());
    let fields: String = (1..14).map(|number| leaf(&["f", &number.to_string()].concat())).collect();
    // The lines of one document are no records; those of a list with a short header are.
    let invoice = holds("inf", "", &[moment.as_str(), &fields, &lines].concat());
    let (text, records) = drafted("lines", &invoice, None).unwrap();
    assert_eq!(records, "inf");
    has(&text, &["<m:set path=\"b:OccurredAt\" from=\"dhEmi\" as=\"dateTime\" zone="]);
    assert_eq!(drafted("list", &holds("list", "", &[leaf("sender").as_str(), &lines].concat()), None).unwrap().1, "list/det");
    for (record, expected) in [("det", "inf/det"), ("inf/det", "inf/det"), ("inf", "inf"), ("R", ".")] {
        assert_eq!(drafted("named", &invoice, Some(record)).unwrap().1, expected);
    }
    assert!(drafted("named", &invoice, Some("dat")).unwrap_err().contains("no element 'dat'"));
    // Whom the record is about, by what only one of the two has.
    let row = |inner: &str| holds("row", "maxOccurs='unbounded'", inner);
    let draft = |name: &str, inner: &[String]| drafted(name, &row(&inner.concat()), None).unwrap().0;
    has(&draft("company", &[leaf("单位名称"), leaf("姓名"), leaf("统一社会信用代码")]), &["<m:in path=\"b:LegalEntity\""]);
    has(&draft("person", &[leaf("单位名称"), leaf("姓名"), leaf("身份证号"), leaf("性别")]), &["<m:in path=\"b:Person\""]);
    has(&draft("either", &[leaf("姓名"), leaf("x")]), &["confidence=\"0.30\"", "nothing says which"]);
    // Codes of sexes have both.
    let values = |values: &[&str]| values.iter().map(|value| ["<xs:enumeration value='", value, "'/>"].concat()).collect::<String>();
    for (codes, sexes) in
        [(vec!["MALE", "FEMALE"], true), (vec!["1", "2", "9"], true), (vec!["MALE", "COMPANY"], false), (vec!["0", "1"], false)]
    {
        let text = draft("sexes", &[leaf("姓名"), restricted("性别", &values(&codes))]);
        assert_eq!(text.contains("<m:codes name=\"sex\">"), sexes, "{codes:?}\n{text}");
    }
    // A field has a name of its own.
    let party = |name: &str| holds(name, "", &[leaf("cnpj"), leaf("cst")].concat());
    let text = draft("fields", &[party("seller"), party("buyer"), party("carrier")]);
    for name in ["cnpj", "buyer-cnpj", "carrier-cnpj", "cst", "buyer-cst", "carrier-cst"] {
        assert_eq!(text.matches(&["value=\"", name, "\""].concat()).count(), 1, "{name}\n{text}");
    }
}

#[test]
fn a_scaffold_says_what_it_lacks() {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("verbs-lacking");
    fs::create_dir_all(&dir).unwrap();
    let import = |namespace: &str, location: &str| ["<xs:import namespace='", namespace, "' schemaLocation='", location, "'/>"].concat();
    let imports = [import("urn:a", "../a.xsd"), import("urn:b", "none.xsd"), import("urn:c", "http://c/c.xsd")].concat();
    fs::write(
        dir.join("r.xsd"),
        ["<xs:schema xmlns:xs='http://www.w3.org/2001/XMLSchema'>", &imports, "<xs:element name='r'/></xs:schema>"].concat(),
    )
    .unwrap();
    let (_, missing) = diff::loaded(&dir.join("r.xsd")).unwrap();
    for (told, expected) in
        missing.iter().zip([["\"../a.xsd\"", "beside the mapping or below"], ["\"none.xsd\"", "No such file"], ["http://c", ""]])
    {
        has(told, &expected);
    }
    assert_eq!(missing.len(), 3, "{missing:?}");
    let rpc = Path::new(env!("CARGO_MANIFEST_DIR")).join("archive/dossier.wsdl");
    let wsdl = fs::read_to_string(&rpc).unwrap();
    let operation = wsdl.split("<wsdl:operation name=\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap();
    has(&scaffold::of_wsdl(&rpc, operation).unwrap_err(), &["rpc, or of several parts", "waybill wsdl import"]);
}

#[test]
fn a_scaffold_of_types_that_hold_one_another_ends() {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("verbs-recursive");
    fs::create_dir_all(&dir).unwrap();
    fs::copy(Path::new(env!("CARGO_MANIFEST_DIR")).join("../xsd/business.xsd"), dir.join("business.xsd")).unwrap();
    let pair = |own: &str, other: &str| {
        format!(
            "<xs:complexType name='{own}'><xs:sequence><xs:element name='to{other}' type='{other}' minOccurs='0'/></xs:sequence></xs:complexType>\
             <xs:complexType name='{own}2'><xs:complexContent><xs:extension base='{own}'/></xs:complexContent></xs:complexType>"
        )
    };
    let schema = format!(
        "<xs:schema xmlns:xs='http://www.w3.org/2001/XMLSchema'><xs:import namespace='http://www.w3.org/XML/1998/namespace'/>\
         <xs:element name='R'><xs:complexType><xs:sequence><xs:element name='Row' maxOccurs='unbounded'><xs:complexType><xs:sequence>\
         <xs:element name='No'><xs:complexType><xs:simpleContent><xs:extension base='xs:token'><xs:attribute ref='xml:lang'/></xs:extension></xs:simpleContent></xs:complexType></xs:element>\
         <xs:element name='A' type='A' minOccurs='0'/></xs:sequence></xs:complexType></xs:element></xs:sequence></xs:complexType></xs:element>{}{}</xs:schema>",
        pair("A", "B"),
        pair("B", "A")
    );
    fs::write(dir.join("r.xsd"), schema).unwrap();
    let schemas = diff::schema(&dir.join("r.xsd")).unwrap();
    let wanted =
        Wanted { schema: "r.xsd".to_owned(), root: Some("R".to_owned()), record: None, id: "test.recursive".to_owned(), bind: None };
    let made = scaffold::scaffold(&schemas, &wanted).unwrap();
    fs::write(dir.join("scaffold.map.xml"), &made.text).unwrap();
    has(&made.text, &["No/@xml:lang"]);
    let codes: Vec<_> = Mapping::check(&dir.join("scaffold.map.xml")).diagnostics.iter().map(|found| found.code).collect();
    assert!(!codes.contains(&"SM000") && !codes.contains(&"SM010"), "{codes:?}\n{}", made.text);
}

#[test]
fn samples_alone_are_enough_for_a_scaffold_that_maps_them() {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("verbs-infer");
    fs::create_dir_all(&dir).unwrap();
    let sample = "<ywlb dept='12100000400000624D'><jl><lsh>20260001</lsh><xm>张三</xm><xb>1</xb><csrq>19900101</csrq><je>12.50</je><rq>2026-07-03</rq></jl>\
        <jl><lsh>20260002</lsh><xm>李四</xm><xb>2</xb><csrq>19910101</csrq><je>7.00</je><rq>2026-07-04</rq></jl></ywlb>";
    let root = xsd::read::read(sample.as_bytes(), None, &xsd::read::Limits::default()).unwrap();
    fs::write(dir.join("inferred.xsd"), infer::infer(&[root]).unwrap()).unwrap();
    let (text, codes) = scaffolded(&dir, "inferred.xsd", "ywlb");
    assert!(codes.iter().all(|code| *code == "SM091" || *code == "SM170" || *code == "SM121"), "{codes:?}\n{text}");
    let mapping = Mapping::load(&dir.join("scaffold.map.xml")).unwrap();
    let ran = samples::run(&mapping, sample.as_bytes(), &Witness::default()).unwrap();
    assert_eq!(ran.rejects, [], "{text}");
    let first = String::from_utf8(ran.made[0].1[0].clone()).unwrap();
    has(
        &first,
        &[
            "<b:Name>张三</b:Name>",
            "<b:Sex>M</b:Sex>",
            "<b:BirthDate>1990-01-01</b:BirthDate>",
            "<b:OccurredAt>2026-07-03</b:OccurredAt>",
            "field=\"amount\">12.50<",
        ],
    );
}

/// What `xsltproc` makes of a document, one canonical document for each that the stylesheet writes.
fn by_xslt(sheet: &Path, document: &Path) -> Vec<String> {
    let made = std::process::Command::new("xsltproc").arg("--nonet").arg(sheet).arg(document).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let text = String::from_utf8(made.stdout).unwrap();
    let whole = ["<all>", &text, "</all>"].concat();
    let root = xsd::read::read(whole.as_bytes(), None, &xsd::read::Limits::default()).unwrap_or_else(|why| panic!("{why}\n{text}"));
    root.elements().map(|made| String::from_utf8(xsd::write::canonical(made, &[], &[])).unwrap()).collect()
}

/// The plan and the exported stylesheet over one document: the same, but for records that the plan rejects.
fn agree(map: &Path, octets: &[u8], work: &Path) -> usize {
    let mapping = Mapping::load(map).unwrap();
    let Ok(ran) = samples::run(&mapping, octets, &Witness::default()) else { return 0 };
    let root = xsd::read::read(octets, None, &xsd::read::Limits::default()).unwrap();
    fs::write(work.join("in.xml"), xsd::write::document(&root)).unwrap();
    let mut compared = 0;
    for (target, documents) in ran.made {
        let sheet = work.join("export.xsl");
        let exported = match export::export(map, Some(&target)) {
            Err(why) if why.lines().all(|line| line.contains("cannot say digest")) => continue,
            exported => exported.unwrap(),
        };
        fs::write(&sheet, exported).unwrap();
        let theirs = by_xslt(&sheet, &work.join("in.xml"));
        let ours: Vec<String> = documents.into_iter().map(|document| String::from_utf8(document).unwrap()).collect();
        // A record that is rejected has no place among ours: what is left of theirs must be ours, in order.
        let mut rest = theirs.iter();
        for one in &ours {
            assert!(rest.any(|other| other == one), "{}: {target}\nours   {one}\ntheirs {}", map.display(), theirs.join("\n       "));
        }
        assert_eq!(theirs.len(), ours.len() + ran.rejects.len(), "{}", map.display());
        compared += ours.len();
    }
    compared
}

fn has_xsltproc() -> bool {
    let there = std::process::Command::new("xsltproc").arg("--version").output().is_ok();
    if !there {
        eprintln!("skipped: xsltproc is not installed, so no exported stylesheet was compared");
    }
    there
}

#[test]
fn the_exported_stylesheet_makes_the_same_of_every_sample() {
    if !has_xsltproc() {
        return;
    }
    let work = Path::new(env!("CARGO_TARGET_TMPDIR")).join("verbs-export");
    fs::create_dir_all(&work).unwrap();
    let (mut compared, mut refused) = (0, Vec::new());
    for map in samples::mappings_in(Path::new(env!("CARGO_MANIFEST_DIR"))).unwrap() {
        if let Err(why) = export::export(&map, None) {
            refused.push(why);
            continue;
        }
        let mapping = Mapping::load(&map).unwrap();
        for sample in fs::read_dir(map.with_file_name("tests")).unwrap().map(|entry| entry.unwrap().path().join("in.xml")) {
            let octets = fs::read(&sample).unwrap();
            let root = xsd::read::read(&octets, None, &xsd::read::Limits::default()).unwrap();
            if root.name() == mapping.source_root() {
                compared += agree(&map, &octets, &work);
            }
        }
    }
    assert!(compared >= 40, "only {compared} documents; refused:\n{}", refused.join("\n"));
    // What is refused is refused by name, and only for this.
    let none = ["cannot say number"];
    let known = |line: &str| line.contains("XSLT 1.0 cannot say") && none.iter().any(|none| line.contains(none));
    assert!(refused.len() <= 1 && refused.iter().all(|why| why.lines().all(known)), "{}", refused.join("\n"));
}

/// A mapping of one element `s:R` with a child `s:V` of text, whose rules say how `b:V` is made.
fn small(work: &Path, kind: &str, rules: &str) -> PathBuf {
    let source = [
        r#"<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns:s="urn:test:s" targetNamespace="urn:test:s" elementFormDefault="qualified"><xs:element name="R"><xs:complexType><xs:sequence><xs:element name="V" type=""#,
        kind,
        r#"" minOccurs="0" nillable="true"/><xs:element name="W" type="xs:string" minOccurs="0" maxOccurs="unbounded"/></xs:sequence><xs:attribute name="a" type="xs:string"/></xs:complexType></xs:element></xs:schema>"#,
    ]
    .concat();
    fs::write(work.join("s.xsd"), source).unwrap();
    let target = r#"<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" targetNamespace="urn:test:b" elementFormDefault="qualified"><xs:element name="R"><xs:complexType><xs:sequence>
      <xs:element name="First" minOccurs="0"><xs:complexType><xs:sequence><xs:element name="X" type="xs:string" minOccurs="0"/><xs:element name="Y" type="xs:string" minOccurs="0"/></xs:sequence></xs:complexType></xs:element>
      <xs:element name="V" minOccurs="0" maxOccurs="unbounded"><xs:complexType><xs:simpleContent><xs:extension base="xs:string"><xs:attribute name="k" type="xs:string"/></xs:extension></xs:simpleContent></xs:complexType></xs:element>
      <xs:element name="D" type="xs:string" minOccurs="0"/></xs:sequence></xs:complexType></xs:element></xs:schema>"#;
    fs::write(work.join("b.xsd"), target).unwrap();
    let map = [
        r#"<m:mapping xmlns:m="urn:waybill:mapping:1" version="1.0" id="test.small" xmlns:s="urn:test:s" xmlns:b="urn:test:b"><m:source schema="s.xsd" root="s:R"/><m:target name="b" schema="b.xsd" root="b:R"/>"#,
        r#"<m:codes name="c" on-missing="omit"><m:code from="1" to="one"/><m:code from="2" to="it's &quot;two&quot;"/></m:codes><m:once to="b" at="end">"#,
        rules,
        "</m:once></m:mapping>",
    ]
    .concat();
    fs::write(work.join("small.map.xml"), map).unwrap();
    work.join("small.map.xml")
}

/// A source's type, what a rule says of its value, and values.
const DATES: [(&str, &str, [&str; 4]); 5] = [
    (
        "xs:dateTime",
        r#"as="date" zone="+08:00""#,
        ["2026-02-28T23:30:00Z", "2024-02-28T16:00:00.5Z", "2026-12-31T20:00:00-05:00", "2000-01-01T00:00:00"],
    ),
    (
        "xs:dateTime",
        r#"as="dateTime" zone="+05:30""#,
        ["2026-03-01T03:30:00", "2024-03-01T00:00:00.123456+14:00", "1999-12-31T23:59:59Z", "2026-07-03T15:30:00-00:00"],
    ),
    (
        "xs:token",
        r#"parse="dd.MM.yyyy HH:mm" zone="+08:00""#,
        ["01.03.2024 07:59", "31.12.1999 23:59", "01.01.2000 00:00", "29.02.2024 08:00"],
    ),
    ("xs:token", r#"parse="yyyyMMdd""#, ["20240229", "19491001", "00010101", "99991231"]),
    ("xs:token", r#"parse="yyyy年MM月dd日HH时""#, ["2024年02月29日23时", "1949年10月01日15时", "2026年07月03日00时", "2026年12月31日09时"]),
];

/// Functions that XSLT 1.0 has no word for.
const FUNCTIONS: [(&str, &str, [&str; 4]); 6] = [
    ("xs:decimal", r#"via="unit('t','kg')""#, ["1.5", "-0.0500", "+12.34567", "-0.000"]),
    ("xs:decimal", r#"via="unit('MWh','kWh')""#, ["007", ".0001", "123456789012345678.9", "0.1230"]),
    ("xs:date", r#"via="date-format('yyyy/MM/dd')""#, ["2026-02-28", "1999-12-31Z", "2000-01-01+08:00", "0001-01-01"]),
    ("xs:string", r#"via="replace('\s+',' ')""#, ["  a \t b\u{a0}\u{3000}c\n", " ", "x", "张\u{2003}三 "]),
    ("xs:string", r#"via="replace('^.*:','')""#, ["urn:a:b", "none", "a:b\nc:d", ":"]),
    ("xs:string", r#"via="replace('^([0-9]{4})-([0-9]{2})$','$2 $1')""#, ["2026-07", "2026-7", "0000-00", "x2026-07"]),
];

#[test]
fn rules_mean_the_same_in_xslt() {
    if !has_xsltproc() {
        return;
    }
    let work = Path::new(env!("CARGO_TARGET_TMPDIR")).join("verbs-export-rules");
    fs::create_dir_all(&work).unwrap();
    let document = |inside: &str| {
        [r#"<s:R xmlns:s="urn:test:s" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" a="A">"#, inside, "</s:R>"].concat()
    };
    let texts = [
        "<s:V> ab 1kg </s:V>",
        "<s:V>x/y/z</s:V><s:W>1</s:W><s:W>2</s:W>",
        "",
        "<s:V></s:V>",
        "<s:V>Ünï 张 kg</s:V>",
        "<s:V xsi:nil='true'/>",
    ];
    let text_rules = [
        r#"<m:set path="b:V" from="s:V" when-nil="omit" when-empty="omit" via="trim upper"/>"#,
        r#"<m:set path="b:V" from="s:V" when-nil="omit" default="none" via="replace('kg','KG') lower"/>"#,
        r#"<m:set path="b:V" from="s:V|@a" when-nil="omit" when-empty="omit" via="pad(9,'0') substring(2,5)"><m:set path="@k" from="@a"/></m:set>"#,
        r#"<m:set path="b:V" from="s:V" when-nil="omit" via="replace('kg $','!') concat('&lt;',.,'>') strip('a b')"/>"#,
        r#"<m:set path="b:D" from="s:V" when-nil="omit" via="split('/',1)"/><m:set path="b:First/b:Y" from="s:V" when-nil="omit" when-empty="omit"/><m:set path="b:First/b:X" from="@a"/>"#,
        r#"<m:in path="b:First"><m:set path="b:X" from="s:V" when-nil="omit" when-empty="omit"/></m:in><m:each path="b:V" select="s:W"><m:set path="@k" value="w"/><m:set path="." from="." codes="c"/></m:each>"#,
        r#"<m:choose><m:when exists="s:V"><m:set path="b:D" value="it's"/><m:set path="b:V" value="1"/></m:when><m:otherwise><m:set path="b:D" count="s:W"/></m:otherwise></m:choose><m:set path="b:V" from="@a"/>"#,
        r#"<m:choose><m:when of="s:W" equals="2"><m:set path="b:D" from="s:W[2]"/></m:when><m:when missing="s:V"><m:set path="b:D" value="m"/></m:when><m:otherwise/></m:choose>"#,
    ];
    for rules in text_rules {
        for text in texts {
            let map = small(
                &work,
                "xs:string",
                &[rules, r#"<m:ignore path="s:V" reason="rest"/><m:ignore path="s:W" reason="rest"/><m:ignore path="@a" reason="rest"/>"#]
                    .concat(),
            );
            agree(&map, document(text).as_bytes(), &work);
        }
    }
    for (kind, rule, values) in DATES.into_iter().chain(FUNCTIONS) {
        for value in values {
            let rules = [
                r#"<m:set path="b:D" from="s:V" when-nil="omit" "#,
                rule,
                r#"/><m:ignore path="s:W" reason="rest"/><m:ignore path="@a" reason="rest"/>"#,
            ]
            .concat();
            let map = small(&work, kind, &rules);
            assert_eq!(agree(&map, document(&["<s:V>", value, "</s:V>"].concat()).as_bytes(), &work), 1, "{rule} {value}");
        }
    }
    let map = small(&work, "xs:string", r#"<m:set path="b:D" from="s:V" when-nil="omit" via="replace('[0-9]','')"/>"#);
    has(&export::export(&map, None).unwrap_err(), &["error[export] small.map.xml:1:", "XSLT 1.0 cannot say replace('[0-9]',…)"]);
}

/// Speaks the protocol: requests in, what the server says to each.
fn talk(messages: &[serde_json::Value]) -> Vec<serde_json::Value> {
    let framed = messages.iter().flat_map(|message| {
        let text = message.to_string();
        [format!("Content-Length: {}\r\n\r\n", text.len()), text].concat().into_bytes()
    });
    let (mut input, mut output) = (std::io::Cursor::new(framed.collect::<Vec<u8>>()), Vec::new());
    lsp::serve(&mut input, &mut output).unwrap();
    let text = String::from_utf8(output).unwrap();
    let bodies = text.split("Content-Length: ").skip(1).map(|message| message.split_once("\r\n\r\n").unwrap());
    bodies
        .map(|(length, body)| {
            assert_eq!(length.parse::<usize>().unwrap(), body.len());
            serde_json::from_str(body).unwrap()
        })
        .collect()
}

#[test]
fn an_editor_gets_findings_completion_hover_and_definitions() {
    use serde_json::json;
    let map = Path::new(env!("CARGO_MANIFEST_DIR")).join("health/visit.map.xml");
    let uri = format!("file://{}", map.display());
    let sound = fs::read_to_string(&map).unwrap();
    let at = |text: &str, piece: &str, more: usize| {
        let offset = text.find(piece).unwrap_or_else(|| panic!("no {piece}")) + more;
        let before = text.get(..offset).unwrap();
        json!({ "line": before.matches('\n').count(), "character": before.rsplit('\n').next().unwrap().encode_utf16().count() })
    };
    let ask = |id: u64, method: &str, position: serde_json::Value| json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": { "textDocument": { "uri": uri }, "position": position } });
    let changed = |text: &str| json!({ "jsonrpc": "2.0", "method": "textDocument/didChange", "params": { "textDocument": { "uri": uri }, "contentChanges": [{ "text": text }] } });
    let typing = sound.replace("from=\"h:Sex\" codes=\"sex\"", "from=\"h:S");
    let rules = sound.replace("<m:case of=\"h:Payer\">", "<m:\n<m:case of=\"h:Payer\">");
    let slip = sound.replace("from=\"h:Sex\"", "from=\"h:Sexx\"");
    let said = talk(&[
        json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {} }),
        json!({ "jsonrpc": "2.0", "method": "textDocument/didOpen", "params": { "textDocument": { "uri": uri, "languageId": "xml", "version": 1, "text": sound } } }),
        ask(2, "textDocument/hover", at(&sound, "from=\"h:Sex\"", 8)),
        ask(3, "textDocument/definition", at(&sound, "from=\"h:Sex\"", 8)),
        ask(4, "textDocument/definition", at(&sound, "codes=\"sex\"", 8)),
        changed(&slip),
        changed(&typing),
        ask(5, "textDocument/completion", at(&typing, "from=\"h:S/", 9)),
        changed(&rules),
        ask(6, "textDocument/completion", at(&rules, "<m:\n", 3)),
        changed(&sound),
        ask(7, "textDocument/completion", at(&sound, "path=\"b:Sex\"", 6)),
        ask(8, "textDocument/unknown", json!({})),
        json!({ "jsonrpc": "2.0", "id": 9, "method": "shutdown" }),
        json!({ "jsonrpc": "2.0", "method": "exit" }),
    ]);
    let answer = |id: u64| said.iter().find(|message| message["id"] == id).unwrap_or_else(|| panic!("no answer to {id}"));
    let labels = |id: u64| {
        answer(id)["result"].as_array().unwrap().iter().map(|item| item["label"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(answer(1)["result"]["capabilities"]["hoverProvider"], true);
    has(answer(2)["result"]["contents"]["value"].as_str().unwrap(), &["**Sex**", "one of 1 2 9", "visit.xsd:"]);
    has(answer(3)["result"]["uri"].as_str().unwrap(), &["file:///", "/health/visit.xsd"]);
    assert!(answer(3)["result"]["range"]["start"]["line"].as_u64().unwrap() > 10);
    assert_eq!(answer(4)["result"]["uri"], uri.as_str());
    assert_eq!(labels(5), ["h:Name", "h:IdNo", "h:Birth", "h:Sex", "h:Phone"]);
    assert!(labels(6).iter().any(|label| label == "m:each") && !labels(6).iter().any(|label| label == "m:source"), "{:?}", labels(6));
    assert_eq!(labels(7), ["b:Name", "b:Identifier", "b:BirthDate", "b:Sex", "b:Address"]);
    assert_eq!(answer(8)["error"]["code"], -32601);
    let published: Vec<&serde_json::Value> = said
        .iter()
        .filter(|message| message["method"] == "textDocument/publishDiagnostics")
        .map(|message| &message["params"]["diagnostics"])
        .collect();
    assert_eq!(published.first().unwrap().as_array().unwrap().len(), 0, "{published:?}");
    let finding = &published[1][0];
    assert_eq!((&finding["code"], &finding["severity"]), (&"SM100".into(), &1.into()));
    assert_eq!(finding["range"]["start"], at(&slip, "from=\"h:Sexx\"", 0));
    assert!(finding["relatedInformation"][0]["location"]["uri"].as_str().unwrap().ends_with("/health/visit.xsd"));
    assert!(!published[2].as_array().unwrap().is_empty(), "half-written documents have a finding too");
}

#[test]
fn the_way_back_has_the_rules_that_can_be_undone() {
    let dir = sector("health", "verbs-invert", &[]);
    let back = invert::invert(&dir.join("visit.map.xml")).unwrap();
    has(
        &back.text,
        &[
            "<m:target name=\"legacy\" schema=\"visit.xsd\" root=\"h:VisitReport\"/>",
            "<m:set path=\"h:Visit/@no\" from=\"b:RecordId[@scheme='urn:city:health:visit-no']\"/>",
            "<m:set path=\"h:Hospital\" from=\"b:SourceSector[@scheme='urn:cn:gb:32100']\"/>",
            "path=\"h:Visit/h:Patient/h:Name\" from=\"b:Subject[@role='patient']/b:Person/b:Name\"",
            "codes=\"sex-back\"",
            "<m:code from=\"M\" to=\"1\"/>",
            "via=\"date-format('yyyyMMdd')\"",
            "<m:each path=\"h:Visit/h:Diag\" select=\"b:Value[@field='diagnosis']\">",
            "TODO h:Payer: xsi:type is not written by rules",
            "TODO h:Patient/h:Phone: it was ignored",
        ],
    );
    let class = |what: &str| back.classes.iter().find(|(_, path, ..)| path.contains(what)).map(|(_, _, class, _)| *class);
    assert_eq!(class("b:Name"), Some(invert::Class::Bijective), "{:?}", back.classes);
    assert_eq!(class("b:Sex"), Some(invert::Class::Injective));
    let back = invert::invert(&Path::new(env!("CARGO_MANIFEST_DIR")).join("transport/vehicle.map.xml")).unwrap();
    assert!(
        back.classes.iter().any(|(_, path, class, why)| path.contains("'plate'") && *class == invert::Class::Lossy && why.contains("via"))
    );
    has(&back.text, &["<m:set path=\"veh/hdzk\" from=\"b:Value[@field='seats']\" via=\"trim\"/>"]);
}

#[test]
fn pages_tables_annotations_and_locks_say_what_the_mapping_says() {
    let dir = sector("health", "verbs-doc", &[]);
    let map = dir.join("visit.map.xml");
    let html = document::html(&map).unwrap();
    has(
        &html,
        &[
            "<!DOCTYPE html>",
            "<path d=\"M410 ",
            "h:VisitReport/h:Visit/h:Patient/h:Sex",
            "b:Record/b:Subject/b:Person/b:Sex",
            "privacy: a third person's number",
            "16 mapped, 5 ignored with a reason, 0 unaccounted",
        ],
    );
    assert!(
        !html.contains("http://") || html.matches("http").count() == html.matches("http://www.w3.org/2000/svg").count(),
        "it needs nothing from outside"
    );
    let csv = document::csv(&map).unwrap();
    has(
        &csv,
        &[
            "source,source type,",
            "h:VisitReport/h:Visit/h:Patient/h:Sex,Sex (xs:string),",
            "codes sex",
            "privacy: contact data is in no grant",
        ],
    );
    assert!(csv.lines().count() > 25);
    let (schema, count) = annotate::annotate(&map).unwrap();
    assert!(count >= 8, "{schema}");
    has(&schema, &["sawsdl:liftingSchemaMapping=\"visit.map.xml\"", "http://schema.org/birthDate"]);
    fs::write(dir.join("visit.xsd"), &schema).unwrap();
    assert!(Mapping::load(&map).is_ok(), "the annotated schema is still a schema");
    assert_eq!(annotate::annotate(&map).unwrap().0, schema, "twice is once");
    let (locked, pinned) = annotate::lock(&map).unwrap();
    assert_eq!(pinned.len(), 1);
    fs::write(&map, &locked).unwrap();
    assert!(Mapping::load(&map).is_ok());
    fs::write(dir.join("visit.xsd"), schema.replace("<xs:schema ", "<xs:schema  ")).unwrap();
    let codes: Vec<&str> = Mapping::check(&map).diagnostics.iter().map(|found| found.code).collect();
    assert_eq!(codes, ["SM500"]);
}

#[test]
fn a_wsdl_names_the_schema_of_its_answer() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (schema, octets, root) = scaffold::of_wsdl(&dir.join("health/visit.wsdl"), "QueryVisits").unwrap();
    assert_eq!((schema.as_str(), octets, root.as_str()), ("visit.xsd", None, "VisitReport"));
    has(&scaffold::of_wsdl(&dir.join("health/visit.wsdl"), "Query").unwrap_err(), &["no operation 'Query'"]);
}

/// A small mapping of the Brazilian electronic invoice: what it reads of the two releases in ../shared/corpora.
const INVOICE: &str = r#"<m:mapping xmlns:m="urn:waybill:mapping:1" version="1.0" id="finance.invoice" xmlns:n="http://www.portalfiscal.inf.br/nfe" xmlns:b="urn:waybill:business:1">
  <m:source schema="nfe_v4.00.xsd" root="n:NFe"/><m:target name="business" schema="urn:waybill:business:1" root="b:Record"/>
  <m:record select="n:infNFe" to="business">
    <m:set path="b:RecordId" from="@Id"><m:set path="@scheme" value="urn:br:nfe"/></m:set>
    <m:set path="b:OccurredAt" from="n:ide/n:dhEmi" as="dateTime" zone="-03:00"/>
    <m:set path="b:Value" from="n:ide/n:finNFe"><m:set path="@field" value="purpose"/></m:set>
    <m:set path="b:Value" from="n:ide/n:nNF"><m:set path="@field" value="number"/></m:set>
    <m:set path="b:Value" from="n:emit/n:xNome"><m:set path="@field" value="issuer"/></m:set>
    <m:each path="b:Value" select="n:det"><m:set path="@field" value="item"/><m:set path="." from="n:prod/n:xProd"/></m:each>
  </m:record>
</m:mapping>"#;

#[test]
fn two_releases_of_a_real_schema_are_compared() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpora/nfe.tar.xz");
    let work = Path::new(env!("CARGO_TARGET_TMPDIR")).join("verbs-nfe");
    fs::create_dir_all(&work).unwrap();
    let unpacked = std::process::Command::new("tar").arg("-xJf").arg(&corpus).arg("-C").arg(&work).output();
    if !corpus.is_file() || !unpacked.is_ok_and(|done| done.status.success()) {
        println!("skipped: ../shared/corpora is not here, so the releases of NF-e were not compared");
        return;
    }
    let map = work.join("PL_009_V4/invoice.map.xml");
    fs::write(&map, INVOICE).unwrap();
    let found = diff::diff(&work.join("PL_009_V4/nfe_v4.00.xsd"), &work.join("PL_010_V1/nfe_v4.00.xsd"), &[map], false).unwrap();
    let text = found.text();
    println!("{text}");
    assert!(found.changes.len() >= 15, "{text}");
    has(&text, &["NFe/infNFe/ide/finNFe: values added: 5 6", "m:set from=\"n:ide/n:finNFe\"", "leiauteNFe_v4.00.xsd:"]);
    let unhit = text.lines().all(|line| !line.contains("hits") || !line.contains("n:nNF"));
    assert!(unhit, "the number did not change\n{text}");
    assert!(!found.holds());
}

/// The way back is a mapping: what it cannot say is a TODO and a finding of its own, and nothing in it is wrong.
#[test]
fn the_way_back_of_every_shipped_mapping_checks() {
    let mut wrong = Vec::new();
    for name in ["archive", "civil", "clinic", "factory", "freight", "gas", "health", "power", "quality", "tax", "transport"] {
        let dir = sector(name, "invert", &[]);
        for map in samples::mappings_in(&dir).unwrap() {
            let Ok(back) = invert::invert(&map) else { continue };
            let path = map.with_file_name("back.map.xml");
            fs::write(&path, &back.text).unwrap();
            for finding in Mapping::check(&path).diagnostics {
                // What the legacy document needs and nothing gives, or two rules give, is a TODO that says so; warnings are about values.
                let said = ["SM202", "SM203"].contains(&finding.code) && back.text.contains(&finding.text.replace("--", "- -"));
                if finding.severity == mappings::Severity::Error && !said {
                    wrong.push(format!("{} {finding}", map.display()));
                }
            }
            fs::remove_file(&path).unwrap();
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Nobody writes into the FIFO: whoever opened it to show a line of it would wait for ever, and of `/dev/zero` read all.
#[test]
fn what_is_no_file_is_neither_checked_nor_shown() {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("pipe.map.xml");
    if !path.exists() {
        assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
    }
    let findings = [Findings { diagnostics: Mapping::check(&path).diagnostics, path }];
    for format in [Format::Text, Format::Json, Format::Sarif, Format::Junit] {
        assert!(report(&findings, format).contains("this is a FIFO, not a file"));
    }
}
