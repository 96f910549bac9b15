//! Nothing is lost in silence: for each way to lose a value a finding, or a reject at run time.
#![expect(clippy::unwrap_used, clippy::panic, reason = "the helpers of tests stand outside #[test] functions")]

use mappings::{Mapping, verbs::samples};
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use xsd::read::{Limits, read};

const TARGET: &str = r#"<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema"><xs:element name="T"><xs:complexType><xs:sequence><xs:element name="v" minOccurs="0" maxOccurs="unbounded"><xs:complexType><xs:simpleContent><xs:extension base="xs:string"><xs:attribute name="k"/></xs:extension></xs:simpleContent></xs:complexType></xs:element></xs:sequence></xs:complexType></xs:element></xs:schema>"#;

/// A schema of rows of this content model; a name with `?`, `+` or `~` behind it is optional, repeated or nillable.
fn schema(row: &str) -> String {
    let element = |name: &str| {
        let (name, occurs) = match name.split_at(name.len() - 1) {
            (name, "?") => (name, r#" minOccurs="0""#),
            (name, "+") => (name, r#" maxOccurs="unbounded""#),
            (name, "~") => (name, r#" nillable="true""#),
            _ => (name, ""),
        };
        let start = ["<xs:element name=\"", name, "\"", occurs].concat();
        match name {
            // Elements in an element, and a key.
            "c" => format!(
                r#"{start}><xs:complexType><xs:sequence><xs:element name="b" type="xs:string"/><xs:element name="e" type="xs:string" minOccurs="0"/></xs:sequence><xs:attribute name="t"/></xs:complexType></xs:element>"#
            ),
            // Text with an attribute that has a default.
            "q" => format!(
                r#"{start}><xs:complexType><xs:simpleContent><xs:extension base="xs:string"><xs:attribute name="t" default="x"/></xs:extension></xs:simpleContent></xs:complexType></xs:element>"#
            ),
            _ => [&start, r#" type="xs:string"/>"#].concat(),
        }
    };
    let row: String = row.split(' ').map(element).collect();
    [
        r#"<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema"><xs:element name="D"><xs:complexType><xs:sequence><xs:element name="R" type="R" maxOccurs="unbounded"/><xs:element name="f" type="xs:string" minOccurs="0"/></xs:sequence></xs:complexType></xs:element>"#,
        r#"<xs:complexType name="Marked"><xs:simpleContent><xs:extension base="xs:string"><xs:attribute name="y"/></xs:extension></xs:simpleContent></xs:complexType>"#,
        r#"<xs:complexType name="R"><xs:sequence>"#,
        &row,
        "</xs:sequence></xs:complexType></xs:schema>",
    ]
    .concat()
}

/// The codes that `check` finds and those of rejects in a document of these rows; also whether coverage holds.
fn found(row: &str, blocks: &str, rows: &str) -> (String, String, bool) {
    static CALLS: AtomicUsize = AtomicUsize::new(0);
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("loss-{}", CALLS.fetch_add(1, Ordering::Relaxed)));
    fs::create_dir_all(&folder).unwrap();
    let path = folder.join("a.map.xml");
    let head = r#"<m:mapping xmlns:m="urn:waybill:mapping:1" version="1.0" id="test.loss"><m:source schema="s.xsd" root="D"/><m:target name="t" schema="t.xsd" root="T"/><m:codes name="known" on-missing="omit"><m:code from="1" to="one"/></m:codes>"#;
    fs::write(folder.join("s.xsd"), schema(row)).unwrap();
    fs::write(folder.join("t.xsd"), TARGET).unwrap();
    fs::write(&path, [head, blocks, "</m:mapping>"].concat()).unwrap();
    let checked = Mapping::check(&path);
    let codes = checked.diagnostics.iter().map(|finding| finding.code).collect::<Vec<_>>().join(" ");
    let Some(mapping) = checked.mapping else { return (codes, String::new(), false) };
    let document = [r#"<D xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">"#, rows, "</D>"].concat();
    let source = mapping.validate(read(document.as_bytes(), None, &Limits::default()).unwrap());
    let outcome = mapping.apply(&source.unwrap_or_else(|why| panic!("{why}: {rows}")));
    let rejects = outcome.rejects.iter().map(|reject| reject.code).collect::<Vec<_>>().join(" ");
    let (said, holds) = samples::coverage(&path, None).unwrap();
    assert_eq!(said.contains("coverage: every leaf"), holds, "{said}");
    (codes, rejects, holds)
}

/// What is said of records of `row` by the rules: `expected` are the codes of findings, `rejects` those of `rows`.
fn check(row: &str, rules: &str, rows: &str, expected: &str, rejects: &str) {
    let ignored = r#"<m:once to="t" at="end"><m:ignore path="f" reason="rest"/></m:once>"#;
    let blocks =
        if rules.starts_with("<m:record") { rules.to_owned() } else { [r#"<m:record select="R" to="t">"#, rules, "</m:record>"].concat() };
    let (codes, found, holds) = found(row, &[&blocks, ignored].concat(), rows);
    assert_eq!((codes.as_str(), found.as_str()), (expected, rejects), "{row}: {rules}");
    assert_eq!(holds, !expected.contains("SM3") && !expected.contains("SM0") && !expected.contains("SM203"), "{row}: {rules}");
}

const XY: &str = r#"<R><c t="x"><b>1</b></c><c t="y"><b>2</b></c></R>"#;
const ROWS: &str = "<R><a>1</a><a>2</a><a>3</a></R>";

fn set(from: &str) -> String {
    [r#"<m:set path="v" from=""#, from, r#""/>"#].concat()
}

fn each(select: &str, from: &str) -> String {
    [r#"<m:each path="v" select=""#, select, r#""><m:set path="." from=""#, from, r#""/></m:each>"#].concat()
}

fn ignore(path: &str) -> String {
    [r#"<m:ignore path=""#, path, r#"" reason="rest"/>"#].concat()
}

#[test]
fn what_predicates_leave_out() {
    let rest = ignore("c/e");
    let check_c = |rules: &[String], rejects: &str| check("c+", &[rules.concat(), rest.clone()].concat(), XY, "", rejects);
    check_c(&[set("c[@t='x']/b"), each("c", "@t")], "SM905");
    check("c+", &[set("c[1]/b"), each("c", "@t"), rest.clone()].concat(), XY, "SM303", "SM905");
    check_c(&[set("c[@t='x']/b"), ignore("c/@t")], "SM905");
    check_c(&[set("c[@t='x']/b")], "SM905");
    check_c(&[set("c[@t='x']/b"), ignore("c/b"), ignore("c/@t")], "");
    check_c(&[set("c[@t='x']/b"), set("c[@t='y']/b")], "");
    check_c(&[set("c[@t='x']/b"), ignore("c[@t='y']/b")], "");
    check_c(&[set("c[@t='x']/b"), ignore("c[@t='y']")], "");
    check_c(&[ignore("c[@t='x']")], "SM905");
    check_c(&[ignore("c[b='1']")], "SM905");
    check_c(&[each("c[@t='x']", "b"), each("c[@t='y']", "@t"), ignore("c/@t")], "SM905");
    check_c(&[each("c[@t='x']", "b"), each("c[b='2']", "@t"), ignore("c/@t")], "");
    let two = |rules: &[String], expected: &str, rejects: &str| {
        check("c+", &rules.concat(), r#"<R><c t="x"><b>1</b></c><c t="y"><b>2</b><e>3</e></c></R>"#, expected, rejects);
    };
    two(&[each("c", "b"), ignore("c/@t"), ignore("c[@t='x']/e")], "", "SM905");
    two(&[each("c", "b"), ignore("c/@t"), ignore("c[@t='y']/e")], "", "");
    check("a+", &ignore("a[1]"), ROWS, "SM303", "SM905");
    check("a+", &[set("a[1]"), ignore("a[2]")].concat(), ROWS, "SM303", "SM905");
    check("a+", &[set("a[1]"), ignore("a")].concat(), ROWS, "", "");
    // What stands once is all of it.
    check("a", &ignore("a[1]"), "<R><a>1</a></R>", "", "");
    check("c", &[set("c/b"), ignore("c[1]")].concat(), r#"<R><c><b>1</b></c></R>"#, "SM302", "");
    // A branch in which only some are read, and one where what is asked for is absent.
    let choose = |when: &str, rules: &str, other: &str| {
        ["<m:choose><m:when ", when, ">", rules, "</m:when><m:otherwise>", other, "</m:otherwise></m:choose>"].concat()
    };
    let both = [set("a"), choose(r#"of="a" equals="1""#, &each("d", "."), &set("d[1]"))].concat();
    check("a d+", &both, "<R><a>2</a><d>1</d><d>2</d></R>", "SM303", "");
    let missing = [choose(r#"missing="c[@t='x']""#, "", &each("c", "b")), ignore("c/@t"), rest.clone()].concat();
    check("c+", &missing, r#"<R><c t="y"><b>2</b></c></R>"#, "SM303", "");
    let missing = [choose(r#"missing="c""#, "", &each("c", "b")), ignore("c/@t"), rest.clone()].concat();
    check("c+", &missing, r#"<R><c t="y"><b>2</b></c></R>"#, "", "");
    // Positions are those of all elements of the name.
    check("c+", &set("c[@t='x'][1]/b"), XY, "SM010", "");
}

#[test]
fn what_stands_in_an_element_that_is_left_out() {
    let inner = |rule: &str, from: &str| [r#"<m:set path="v" "#, rule, r#"><m:set path="@k" from=""#, from, r#""/></m:set>"#].concat();
    check("a? b", &inner(r#"from="a""#, "b"), "<R><b>1</b></R>", "SM303", "");
    check("a b", &inner(r#"from="a" when-empty="omit""#, "b"), "<R><a/><b>1</b></R>", "SM303", "");
    check("q", &inner(r#"from="q" when-empty="omit""#, "q/@t"), r#"<R><q t="1"/></R>"#, "SM303", "");
    check("q~", &inner(r#"from="q" when-nil="omit""#, "q/@t"), r#"<R><q t="1" xsi:nil="true"/></R>"#, "SM303", "");
    check("a b", &inner(r#"from="a" codes="known""#, "b"), "<R><a>2</a><b>1</b></R>", "SM303", "");
    check("a b", &inner(r#"from="a""#, "b"), "<R><a>2</a><b>1</b></R>", "", "");
    check("q?", &inner(r#"from="q""#, "q/@t"), "<R/>", "", "");
    check("a? b", &inner(r#"from="a" default="-""#, "b"), "<R><b>1</b></R>", "", "");
}

#[test]
fn what_one_rule_writes_over_or_drops() {
    check(
        "a b",
        &[r#"<m:in path="v">"#, &set("a").replace("\"v\"", "\".\""), &set("b").replace("\"v\"", "\".\""), "</m:in>"].concat(),
        "",
        "SM203",
        "",
    );
    check("a", r#"<m:set path="v" from="a" via="concat('H')"/>"#, "<R><a>1</a></R>", "SM300", "");
    check("a", r#"<m:set path="v" from="a" via="concat('H',.)"/>"#, "<R><a>1</a></R>", "", "");
}

#[test]
fn a_default_is_the_same_value_everywhere() {
    check("q+", &each("q[@t='x']", "."), "<R><q>1</q></R>", "", "");
    check("q+", &[each("q[@t='x']", "."), ignore("q[@t='y']")].concat(), r#"<R><q>1</q><q t="y">2</q></R>"#, "", "");
    check("q+", &each("q[@t='y']", "."), "<R><q>1</q></R>", "", "SM905");
}

#[test]
fn attributes_of_a_type_that_the_document_names() {
    let rows = r#"<R><a xsi:type="Marked" y="1">2</a></R>"#;
    check("a+", &each("a", "."), rows, "", "SM905");
    check("a+", &each("a", "."), "<R><a>2</a></R>", "", "");
    check("a+", &ignore("a"), rows, "", "");
}

#[test]
fn records_that_predicates_part() {
    let record = |select: &str, rules: &str| [r#"<m:record select=""#, select, r#"" to="t">"#, rules, "</m:record>"].concat();
    let rows = "<R><a>1</a><b>0</b></R><R><a>0</a><b>2</b></R>";
    let two = |left: &str, right: &str| [record("R[a='1']", left), record("R[b='2']", right)].concat();
    check("a b", &two(&set("a"), &set("b")), rows, "SM303 SM303", "");
    check("a b", &two(&[set("a"), ignore("b")].concat(), &[set("b"), ignore("a")].concat()), rows, "", "");
    let over = [record("R", &set("a")), record("R[b='2']", &[set("b"), ignore("a")].concat())].concat();
    check("a b", &over, rows, "SM303", "");
    check("a b", &over.replace("R[b='2']", "R"), rows, "", "");
}

#[test]
fn what_rules_outside_records_read_in_one_of_them() {
    let rows = "<R><a>1</a><b>1</b></R><R><a>1</a><b>2</b></R>";
    let once = |rules: &str| {
        let blocks =
            [r#"<m:record select="R" to="t">"#, &set("a"), r#"</m:record><m:once to="t" at="end">"#, rules, &ignore("f"), "</m:once>"];
        found("a b", &blocks.concat(), rows).0
    };
    assert_eq!(once(&set("R[1]/b")), "SM402 SM303");
    assert_eq!(once(&[set("R[1]/b"), ignore("R")].concat()), "SM402 SM302");
    assert_eq!(once(&each("R", "b")), "SM402");
    // A header that nobody thought of: coverage does not hold either.
    let (codes, _, holds) = found("a", &[r#"<m:record select="R" to="t">"#, &set("a"), "</m:record>"].concat(), "<R><a>1</a></R><f>1</f>");
    assert_eq!((codes.as_str(), holds), ("SM301", false));
}
