//! What each construct of the language makes of one small document, and what is said where it cannot.
#![expect(clippy::unwrap_used, clippy::panic, reason = "the helpers of tests stand outside #[test] functions")]

use mappings::{Item, Mapper, Mapping};
use std::fs;
use std::ops::ControlFlow;
use std::path::Path;
use xsd::read::{Limits, read};
use xsd::write::canonical;

const SOURCE: &str = r#"<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns:s="urn:s" targetNamespace="urn:s" elementFormDefault="qualified">
<xs:complexType name="Mark"><xs:sequence><xs:element name="Kind" type="xs:string"/></xs:sequence><xs:attribute name="lang" type="xs:token"/></xs:complexType>
<xs:element name="Batch"><xs:complexType><xs:sequence>
  <xs:element name="Office" type="xs:string"/>
  <xs:element name="Group" maxOccurs="unbounded"><xs:complexType><xs:sequence>
    <xs:element name="Clerk" type="xs:string"/>
    <xs:element name="Case" minOccurs="0" maxOccurs="unbounded"><xs:complexType><xs:sequence>
      <xs:element name="Day" type="xs:date"/><xs:element name="Mass" type="xs:decimal"/><xs:element name="Mark" type="s:Mark" minOccurs="0"/>
      <xs:element name="Note" type="xs:string" minOccurs="0" maxOccurs="unbounded"/>
    </xs:sequence><xs:attribute name="no" type="xs:token" use="required"/></xs:complexType></xs:element>
  </xs:sequence></xs:complexType></xs:element>
  <xs:element name="Total" type="xs:integer"/>
</xs:sequence></xs:complexType></xs:element></xs:schema>"#;

const TARGET: &str = r#"<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns:t="urn:t" xmlns:s="urn:s" targetNamespace="urn:t" elementFormDefault="qualified">
<xs:import namespace="urn:s" schemaLocation="s.xsd"/>
<xs:element name="Out"><xs:complexType><xs:sequence>
  <xs:element name="No" type="xs:token" minOccurs="0"/><xs:element name="Value" type="xs:string" minOccurs="0" maxOccurs="unbounded"/>
  <xs:element name="Same" type="s:Mark" minOccurs="0"/><xs:element name="Any" type="xs:anyType" minOccurs="0"/>
  <xs:element name="Kind" type="xs:token" minOccurs="0"/>
</xs:sequence></xs:complexType></xs:element></xs:schema>"#;

const DOCUMENT: &str = r#"<s:Batch xmlns:s="urn:s" xmlns:u="urn:unused"><s:Office>O</s:Office>
<s:Group><s:Clerk>a</s:Clerk><s:Case no="1"><s:Day>2026-07-03</s:Day><s:Mass>1500</s:Mass><s:Mark lang="x"><s:Kind>k &amp; l</s:Kind></s:Mark></s:Case>
<s:Case no="2"><s:Day>2026-07-04</s:Day><s:Mass>2.5</s:Mass><s:Note>long</s:Note><s:Note>er</s:Note></s:Case></s:Group>
<s:Group><s:Clerk>b</s:Clerk><s:Case no="3"><s:Day>2026-07-05</s:Day><s:Mass>0</s:Mass></s:Case></s:Group>
<s:Total>3</s:Total></s:Batch>"#;

/// A stylesheet with these rules for the element Mark.
fn stylesheet(rules: &str) -> String {
    let head = r#"<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform" xmlns:s="urn:s" xmlns:t="urn:t">"#;
    [head, r#"<xsl:template match="/s:Mark">"#, rules, "</xsl:template></xsl:stylesheet>"].concat()
}

/// The blocks as a mapping, in a folder of its own, and what is found that is no leaf left out.
fn mapping(name: &str, blocks: &str, sheet: &str) -> (Option<Mapping>, Vec<String>) {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(["language-", name].concat());
    fs::create_dir_all(&folder).unwrap();
    let head = r#"<m:mapping xmlns:m="urn:waybill:mapping:1" xmlns:s="urn:s" xmlns:t="urn:t" version="1.0" id="test.language"><m:source schema="s.xsd" root="s:Batch"/><m:target name="out" schema="t.xsd" root="t:Out"/><m:target name="sum" schema="t.xsd" root="t:Out"/>"#;
    for (file, text) in [("s.xsd", SOURCE), ("t.xsd", TARGET), ("x.xsl", sheet), ("a.map.xml", &[head, blocks, "</m:mapping>"].concat())] {
        fs::write(folder.join(file), text).unwrap();
    }
    let checked = Mapping::check(&folder.join("a.map.xml"));
    let found = checked.diagnostics.iter().filter(|found| !found.code.starts_with("SM3"));
    let found = found.map(ToString::to_string).collect();
    (checked.mapping, found)
}

/// What the document becomes, without the root's tags, and the codes of rejects with the places of rule and source; the same both
/// in memory and passing by.
fn made(name: &str, blocks: &str, sheet: &str) -> Vec<String> {
    let (mapping, found) = mapping(name, blocks, sheet);
    let mapping = mapping.unwrap_or_else(|| panic!("{found:#?}"));
    let inner = |text: String| {
        let text = text.replace(r#"<t:Out xmlns:t="urn:t">"#, "").replace("</t:Out>", "");
        text.replace("t:", "").replace(r#" xmlns:s="urn:s""#, "").replace("s:", "")
    };
    let mut passing = Vec::new();
    let stream = mapping.stream(DOCUMENT.as_bytes(), None, &Limits::default(), &mut |item| {
        passing.push(match item {
            Item::Record(made) | Item::Once(made) => inner(String::from_utf8(made.octets().to_vec()).unwrap()),
            Item::Reject(reject) => [reject.code, " ", &reject.source.to_string()].concat(),
        });
        ControlFlow::Continue(())
    });
    stream.unwrap();
    let outcome = mapping.apply(&mapping.validate(read(DOCUMENT.as_bytes(), None, &Limits::default()).unwrap()).unwrap());
    let documents = outcome.records.iter().chain(&outcome.once);
    let mut found: Vec<String> = documents.map(|made| inner(String::from_utf8(canonical(made.element(), &[], &[])).unwrap())).collect();
    found.extend(outcome.rejects.iter().map(|reject| [reject.code, " ", &reject.source.to_string()].concat()));
    let mut sorted = passing.clone();
    sorted.sort();
    found.sort();
    assert_eq!(sorted, found, "passing by and in memory");
    passing
}

fn record(rules: &str) -> String {
    [r#"<m:record select="s:Group/s:Case" to="out"><m:set path="t:No" from="@no"/>"#, rules, "</m:record>"].concat()
}

/// What three cases become under the rules.
fn check(name: &str, rules: &str, expected: [&str; 3]) {
    let bare = |text: &String| text.replace("<No>", "").replace("</No>", "");
    assert_eq!(made(name, &record(rules), "").iter().map(bare).collect::<Vec<_>>(), expected, "{rules}");
}

fn refused(name: &str, blocks: &str, sheet: &str, expected: &[(&str, &str)]) {
    let (mapping, found) = mapping(name, blocks, sheet);
    assert!(mapping.is_none(), "{blocks}");
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    for (found, (code, piece)) in found.iter().zip(expected) {
        assert!(found.contains(code) && found.contains(piece), "expected {code} {piece}, found {found}");
    }
}

#[test]
fn functions_make_numbers_dates_and_units() {
    let set = |via: &str, from: &str| [r#"<m:set path="t:Value" from=""#, from, r#"" via=""#, via, r#""/>"#].concat();
    let value = |number: &str, text: &str| [number, "<Value>", text, "</Value>"].concat();
    let run = |via: &str, from: &str, expected: [&str; 3]| {
        let [one, two, three] = [("1", expected[0]), ("2", expected[1]), ("3", expected[2])].map(|(number, text)| value(number, text));
        check("functions", &set(via, from), [&one, &two, &three]);
    };
    run("number-format('#,##0.00')", "s:Mass", ["1,500.00", "2.50", "0.00"]);
    run("unit('kg','t') number-format('0.0000')", "s:Mass", ["1.5000", "0.0025", "0.0000"]);
    run("date-format('dd.MM.yyyy')", "s:Day", ["03.07.2026", "04.07.2026", "05.07.2026"]);
    check("functions", &set("date-format('yyyyMMddHH')", "s:Day"), ["SM907 2:45", "SM907 3:16", "SM907 4:45"]);
}

#[test]
fn paths_look_at_positions_and_values() {
    check(
        "paths",
        r#"<m:set path="t:Value" from="s:Note[2]"/><m:ignore path="s:Note" reason="the others"/>"#,
        ["1", "2<Value>er</Value>", "3"],
    );
    check("paths", r#"<m:set path="t:Value" from="s:Mark[@lang='x']/s:Kind"/>"#, ["1<Value>k &amp; l</Value>", "2", "3"]);
    check(
        "paths",
        r#"<m:set path="t:Value" from="s:Mark[s:Kind='k']/@lang" default="-"/><m:ignore path="s:Mark" reason="the others"/>"#,
        ["1<Value>-</Value>", "2<Value>-</Value>", "3<Value>-</Value>"],
    );
    check(
        "paths",
        r#"<m:set path="t:Value" from="../s:Clerk"/><m:set path="t:Value" from="../../s:Office"/>"#,
        ["1<Value>a</Value><Value>O</Value>", "2<Value>a</Value><Value>O</Value>", "3<Value>b</Value><Value>O</Value>"],
    );
    let second = r#"<m:record select="s:Group/s:Case[2]" to="out"><m:set path="t:No" from="@no"/></m:record>"#;
    assert_eq!(made("paths", second, ""), ["SM905 2:30", "<No>2</No>", "SM905 4:30"]);
    let only = |record: &str| record.replace(r#"to="out""#, r#"to="out" ignore-others="of no use""#);
    assert_eq!(made("paths", &only(second), ""), ["<No>2</No>"]);
    let buffered = second.replace(r#"to="out""#, r#"to="out" buffer="document""#);
    assert_eq!(made("paths", &only(&buffered), ""), ["<No>2</No>"]);
    assert_eq!(made("paths", &buffered, ""), ["<No>2</No>", "SM905 2:30", "SM905 4:30"]);
    // What a record took while the document passed is not left out at its end, nor the other way round.
    let mixed = |left: &str, right: &str| made("paths", &[left, right].concat(), "");
    let first = buffered.replace("[2]", "[1]");
    assert_eq!(mixed(second, &first), ["<No>2</No>", "<No>1</No>", "<No>3</No>"]);
    assert_eq!(mixed(&first, second), ["<No>2</No>", "<No>1</No>", "<No>3</No>"]);
    assert_eq!(mixed(second, &buffered), ["<No>2</No>", "<No>2</No>", "SM905 2:30", "SM905 4:30"]);
    assert_eq!(mixed(&only(second), &buffered), ["<No>2</No>", "<No>2</No>"]);
    let first = second.replace("[2]", "[1]");
    assert_eq!(made("paths", &[second, first.as_str()].concat(), ""), ["<No>1</No>", "<No>2</No>", "<No>3</No>"]);
    let group = r#"<m:record select="s:Group[s:Clerk='b']/s:Case" to="out"><m:set path="t:No" from="@no"/></m:record>"#;
    assert_eq!(made("paths", &only(group), ""), ["<No>3</No>"]);
    // To count elements is not to read them.
    check(
        "paths",
        r#"<m:set path="t:Value" count="s:Note"/><m:set path="t:Value" from="s:Note[1]" default="-"/>"#,
        ["1<Value>0</Value><Value>-</Value>", "SM905 3:82", "3<Value>0</Value><Value>-</Value>"],
    );
}

#[test]
fn elements_are_copied_as_they_stand() {
    let mark = r#" lang="x"><Kind>k &amp; l</Kind>"#;
    let same = [r#"1<Same"#, mark, "</Same>"].concat();
    check("copy", r#"<m:copy path="t:Same" from="s:Mark"/>"#, [&same, "2", "3"]);
    let any = ["1<Any", mark, "</Any>"].concat();
    check("copy", r#"<m:copy path="t:Any" from="s:Mark"/>"#, [&any, "2", "3"]);
    refused("copy", &record(r#"<m:copy path="t:Same" from="s:Note"/>"#), "", &[("SM120", "repeats"), ("SM161", "only one type")]);
    refused("copy", &record(r#"<m:copy path="t:Same" from="@no"/>"#), "", &[("SM104", "needs an element")]);
    refused("copy", &record(r#"<m:copy path="t:Same" from="s:Day"/>"#), "", &[("SM161", "and target 't:Out/t:Same' is s:Mark")]);
}

#[test]
fn a_stylesheet_runs_apart_and_within_limits() {
    let rule = r#"<m:xslt path="t:Kind" select="s:Mark" href="x.xsl"/>"#;
    if std::process::Command::new("xsltproc").arg("--version").output().is_err() {
        eprintln!("skipped: xsltproc is not here");
        return;
    }
    let run = |rules: &str| made("xslt", &record(rule), &stylesheet(rules));
    let good = r#"<t:Kind><xsl:value-of select="concat(s:Kind, '-', @lang)"/></t:Kind>"#;
    assert_eq!(run(good).first().unwrap(), "<No>1</No><Kind>k &amp; l-x</Kind>");
    assert_eq!(run("<t:Sort>x</t:Sort>").first().unwrap(), "SM912 2:91");
    assert_eq!(run("text").first().unwrap(), "SM912 2:91");
    assert_eq!(run("<t:Kind><t:Inner/></t:Kind>").first().unwrap(), "SM910 2:91");
    let endless = r#"<t:Kind><xsl:call-template name="n"/></t:Kind></xsl:template><xsl:template name="n"><xsl:call-template name="n"/>"#;
    assert_eq!(run(endless).first().unwrap(), "SM912 2:91");
    for (sheet, piece) in [
        (stylesheet(r#"<xsl:copy-of select="document ('x.xml')"/>"#), "document() reaches"),
        (stylesheet("").replace("<xsl:template", r#"<xsl:import href="y.xsl"/><xsl:template"#), "xsl:import reaches"),
        (stylesheet("").replace(r#"version="1.0""#, r#"version="2.0""#), "no stylesheet of XSLT 1.0"),
        (stylesheet("").replace("<xsl:stylesheet", r#"<xsl:stylesheet extension-element-prefixes="s""#), "extension elements"),
        ("<!DOCTYPE x><x/>".to_owned(), "x.xsl:1:1: a document type declaration"),
    ] {
        refused("xslt-refused", &record(rule), &sheet, &[("SM024", piece)]);
    }
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("language-coverage");
    drop(mapping("coverage", &record(rule), &stylesheet(good)));
    let coverage = Mapping::check(&folder.join("a.map.xml")).coverage;
    assert_eq!(coverage.to_string(), "1 mapped, 0 ignored with a reason, 1 opaque, 3 unaccounted");
}

#[test]
fn what_no_path_can_name_is_ignored_by_what_it_is() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("language-open");
    drop(mapping("open", &record(""), ""));
    let schema = r###"<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns:s="urn:s" targetNamespace="urn:s" elementFormDefault="qualified">
<xs:complexType name="Mark"><xs:sequence/></xs:complexType>
<xs:element name="Batch"><xs:complexType><xs:sequence><xs:element name="Row" maxOccurs="unbounded"><xs:complexType><xs:sequence>
<xs:element name="No" type="xs:token"/><xs:element name="Mix"><xs:complexType mixed="true"><xs:sequence><xs:element name="Bold" type="xs:token" minOccurs="0"/></xs:sequence></xs:complexType></xs:element>
<xs:any namespace="##other" processContents="lax" minOccurs="0"/></xs:sequence><xs:anyAttribute namespace="##other" processContents="lax"/></xs:complexType></xs:element>
</xs:sequence></xs:complexType></xs:element></xs:schema>"###;
    fs::write(folder.join("s.xsd"), schema).unwrap();
    let open = ["*", "@*", "s:Mix/text()"];
    for left in 0..=open.len() {
        let ignored = open.iter().enumerate().filter(|(at, _)| *at != left);
        let ignored: String = ignored.map(|(_, path)| format!(r#"<m:ignore path="{path}" reason="of no use"/>"#)).collect();
        let map = format!(
            r#"<m:mapping xmlns:m="urn:waybill:mapping:1" xmlns:s="urn:s" xmlns:t="urn:t" version="1.0" id="test.open"><m:source schema="s.xsd" root="s:Batch"/><m:target name="out" schema="t.xsd" root="t:Out"/><m:record select="s:Row" to="out"><m:set path="t:No" from="s:No"/><m:set path="t:Value" from="s:Mix/s:Bold" default="-"/>{ignored}</m:record></m:mapping>"#
        );
        fs::write(folder.join("a.map.xml"), map).unwrap();
        let found = Mapping::check(&folder.join("a.map.xml")).diagnostics;
        let found: Vec<String> = found.iter().map(|found| format!("{} {}", found.code, found.text)).collect();
        let expected: Vec<String> =
            open.get(left).iter().map(|path| format!("SM300 source leaf '{path}' is neither mapped nor ignored")).collect();
        assert_eq!(found, expected);
    }
}

#[test]
fn once_knows_the_header_first_and_the_whole_last() {
    let once = |at: &str, rules: &str| [r#"<m:once to="sum" at=""#, at, r#"">"#, rules, "</m:once>"].concat();
    let start = once("start", r#"<m:set path="t:Value" from="s:Office"/>"#);
    let end = once(
        "end",
        r#"<m:set path="t:No" count="s:Group/s:Case"/><m:set path="t:Value" from="s:Total"/><m:set path="t:Value" digest="out" alg="sm3"/>"#,
    );
    // printf '…' | openssl dgst -sm3 over the three records.
    let digest = "<Value>f63284747683aaa5f13aad715dd7f7ecb3ba02e0efc0c38e35f67622334e639a</Value>";
    let found = made("once", &[record("").as_str(), &start, &end].concat(), "");
    let last = ["<No>3</No><Value>3</Value>", digest].concat();
    assert_eq!(found, ["<Value>O</Value>", "<No>1</No>", "<No>2</No>", "<No>3</No>", last.as_str()]);
    for (rule, piece) in [
        (r#"<m:set path="t:Value" from="s:Total"/>"#, "'s:Total' does not stand before 's:Group'"),
        (r#"<m:set path="t:Value" count="s:Group"/>"#, "'s:Group' does not stand before"),
        (r#"<m:set path="t:Value" digest="out"/>"#, "is not known yet"),
    ] {
        refused("once", &[record("").as_str(), &once("start", rule)].concat(), "", &[("SM401", piece)]);
    }
}

#[test]
fn a_record_may_ask_for_the_whole_document() {
    let total = r#"<m:set path="t:Value" from="../../s:Total"/>"#;
    refused("buffer", &record(total), "", &[("SM401", "does not stand before")]);
    let buffered = |max: &str| record(total).replace(r#"to="out""#, &[r#"to="out" buffer="document""#, max].concat());
    let all = ["1", "2", "3"].map(|number| ["<No>", number, "</No><Value>3</Value>"].concat());
    assert_eq!(made("buffer", &buffered(""), ""), all);
    assert_eq!(made("buffer", &buffered(r#" max="10000""#), ""), all);
    assert_eq!(made("buffer", &buffered(r#" max="200""#), ""), ["SM913 3:1"]);
}

#[test]
fn a_record_that_needs_too_much_is_rejected_alone() {
    let notes = r#"<m:each path="t:Value" select="s:Note"><m:set path="." from="."/></m:each>"#;
    let limited = |max: &str| record(notes).replace(r#"to="out""#, &[r#"to="out" max=""#, max, "\""].concat());
    let second = "<No>2</No><Value>long</Value><Value>er</Value>";
    assert_eq!(made("large", &limited("1000"), ""), ["<No>1</No>", second, "<No>3</No>"]);
    assert_eq!(made("large", &limited("150"), ""), ["<No>1</No>", "SM914 3:1", "<No>3</No>"]);
}

#[test]
fn a_record_that_is_not_of_its_schema_is_rejected_alone() {
    let mapping = mapping("invalid", &record(r#"<m:set path="t:Value" from="s:Mass"/>"#), "").0.unwrap();
    let run = |document: &str| {
        let mut found = Vec::new();
        let counts = mapping.stream(document.as_bytes(), None, &Limits::default(), &mut |item| {
            found.push(match item {
                Item::Record(_) => "record".to_owned(),
                Item::Once(_) => "once".to_owned(),
                Item::Reject(reject) => reject.to_string(),
            });
            ControlFlow::Continue(())
        });
        counts.map(|_| found).map_err(|malformed| malformed.to_string())
    };
    let found = run(&DOCUMENT.replace("2.5", "2,5")).unwrap();
    let reject = "reject[SM901] a.map.xml:1:250: source 3:41: the source is not what its schema says: cvc-datatype-valid.1.2.1 at /s:Batch/s:Group/s:Case[2]/s:Mass";
    assert_eq!(found, ["record", reject, "record"]);
    let found = run(&DOCUMENT.replace("<s:Clerk>b</s:Clerk>", "")).unwrap();
    assert_eq!(found.len(), 3, "{found:?}");
    assert!(run(&DOCUMENT.replace("</s:Total>", "</s:Totl>")).is_err());
    let found = run("<other/>").unwrap();
    assert!(found.concat().starts_with("reject[SM90"), "{found:?}");
    // Whoever takes the records may break it off.
    let mut taken = 0;
    let counts = mapping.stream(DOCUMENT.as_bytes(), None, &Limits::default(), &mut |_| {
        taken += 1;
        ControlFlow::Break(())
    });
    assert_eq!((taken, counts.unwrap().records), (1, 1));
}

#[test]
fn a_mapper_keeps_nothing_of_the_document_before() {
    let once = r#"<m:once to="sum" at="end"><m:set path="t:No" count="s:Group/s:Case"/><m:set path="t:Value" from="s:Office"/><m:set path="t:Value" digest="out"/></m:once>"#;
    let mapping = mapping("mapper", &[record(r#"<m:set path="t:Value" from="s:Mass"/>"#).as_str(), once].concat(), "").0.unwrap();
    let documents = [
        DOCUMENT.to_owned(),
        DOCUMENT.replace("</s:Total>", "</s:Totl>"),
        DOCUMENT.replace("<s:", "<z:").replace("</s:", "</z:").replace("xmlns:s", "xmlns:z").replace(">O<", ">P<"),
        DOCUMENT.replace("2.5", "2,5"),
        "<other/>".to_owned(),
        DOCUMENT.replace("<s:Clerk>b</s:Clerk>", ""),
        DOCUMENT.replace(r#"no="3""#, ""),
    ];
    let shown = |item: Item<'_>| match item {
        Item::Record(made) | Item::Once(made) => String::from_utf8_lossy(made.octets()).into_owned(),
        Item::Reject(reject) => reject.to_string(),
    };
    let mut mapper = Mapper::new(&mapping, &Limits::default());
    for document in documents.iter().chain(&documents).chain(documents.iter().rev()) {
        let (mut once, mut again, mut broken) = (Vec::new(), Vec::new(), Vec::new());
        let take = |item: Item<'_>, into: &mut Vec<String>, stop: bool| {
            into.push(shown(item));
            if stop { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        let streamed = mapping.stream(document.as_bytes(), None, &Limits::default(), &mut |item| take(item, &mut once, false));
        let mapped = mapper.map(document.as_bytes(), None, &mut |item| take(item, &mut again, false));
        assert_eq!((mapped, &again), (streamed, &once), "{document}");
        drop(mapper.map(document.as_bytes(), None, &mut |item| take(item, &mut broken, true)));
        assert_eq!(broken.first(), once.first(), "{document}");
    }
}

#[test]
fn rules_outside_records_that_read_in_them_are_named() {
    let end = r#"<m:once to="sum" at="end"><m:each path="t:Value" select="s:Group"><m:set path="." from="s:Clerk"/></m:each></m:once>"#;
    let reads = r#"<m:once to="sum" at="end"><m:set path="t:Value" from="s:Group[1]/s:Case[1]/s:Mass"/></m:once>"#;
    for (once, warned) in [(end, false), (reads, true)] {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("language-retained");
        drop(mapping("retained", &[record("").as_str(), once].concat(), ""));
        let found = Mapping::check(&folder.join("a.map.xml")).diagnostics;
        assert_eq!(found.iter().any(|found| found.code == "SM402"), warned, "{found:?}");
    }
    let found = made("retained", &[record("").as_str(), reads].concat(), "");
    assert_eq!(found.last().unwrap(), "<Value>1500</Value>");
    let found = made("retained", &[record("").as_str(), end].concat(), "");
    assert_eq!(found.last().unwrap(), "<Value>a</Value><Value>b</Value>");
}

#[test]
fn a_lock_file_notices_another_file() {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("language-lock/a.map.xml");
    let lock = path.with_file_name("a.lock");
    drop(fs::remove_file(&lock));
    assert!(mapping("lock", &record(""), "").0.is_some());
    let (name, text) = Mapping::lock(&path).unwrap();
    assert_eq!((name.as_str(), text.lines().count()), ("a.lock", 2), "{text}");
    let codes = |text: &str| {
        fs::write(&lock, text).unwrap();
        let found = Mapping::check(&path).diagnostics.into_iter().map(|found| found.code);
        found.filter(|code| code.starts_with("SM5")).collect::<Vec<_>>()
    };
    assert!(codes(&text).is_empty());
    let schema = fs::read_to_string(path.with_file_name("s.xsd")).unwrap();
    fs::write(path.with_file_name("s.xsd"), schema.replace("Clerk", "Clark")).unwrap();
    assert_eq!(codes(&text), ["SM501"]);
    fs::write(path.with_file_name("s.xsd"), schema).unwrap();
    assert_eq!(codes(text.lines().next().unwrap()), ["SM502"]);
    assert_eq!(codes(&[text.as_str(), &"0".repeat(64), "  more.xsd\n"].concat()), ["SM502"]);
    assert_eq!(codes("no lock file\n"), ["SM502"]);
    fs::remove_file(&lock).unwrap();
}
