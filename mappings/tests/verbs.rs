//! The verbs of `waybill map` over shipped mappings and over copies of them that were broken on purpose.
#![expect(clippy::unwrap_used, reason = "the helpers of tests stand outside #[test] functions")]

use mappings::verbs::report::{Findings, Format, report};
use mappings::verbs::{diff, layout, samples};
use mappings::{Mapping, Witness};
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
    let ran = samples::run(&mapping, &fs::read(dir.join("tests/bad-birth-date/in.xml")).unwrap(), &Witness::default()).unwrap();
    assert_eq!(ran.rejects.len(), 1);
    has(&String::from_utf8(ran.rejected[0].clone().unwrap()).unwrap(), &["20010229", "Visit"]);
    let sex = ran.trace.iter().find(|traced| traced.path.ends_with("/b:Person/b:Sex")).unwrap();
    assert_eq!((sex.path.as_str(), sex.rule.line), ("/b:Record/b:Subject/b:Person/b:Sex", 18));
    assert!(sex.source.line > 1);
    assert!(ran.trace.iter().any(|traced| traced.path == "/b:Record/b:RecordId/@scheme" && traced.rule.line == 9));
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
