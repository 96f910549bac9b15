//! What `check` says of mappings: one rule that is right, and one for each thing that can be wrong with one.
#![expect(clippy::unwrap_used, clippy::panic, reason = "the helpers of tests stand outside #[test] functions")]

use mappings::{Checked, Mapping, Outcome, State};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use xsd::read::{Limits, read};
use xsd::write::canonical;

const FILES: [&str; 3] = ["stay.xsd", "record.xsd", "stay.wsdl"];

/// Rules that account for every leaf of a stay, so that a case shows nothing but its own finding.
const REST: &str = r#"<m:ignore path="h:Guest" reason="rest"/><m:ignore path="h:Payer" reason="rest"/><m:ignore path="h:Room" reason="rest"/>
  <m:ignore path="h:Suite" reason="rest"/><m:ignore path="h:Meal" reason="rest"/><m:ignore path="h:Arrived" reason="rest"/><m:ignore path="h:Fee" reason="rest"/>
  <m:ignore path="@no" reason="rest"/><m:ignore path="../h:Hotel" reason="rest"/>"#;

const CODES: &str = r#"<m:codes name="sex"><m:code from="1" to="M"/><m:code from="2" to="F"/><m:code from="9" to="U"/></m:codes>"#;

fn directory(name: &str) -> PathBuf {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/check");
    // A folder for each call: tests run beside each other.
    static CALLS: AtomicUsize = AtomicUsize::new(0);
    let call = CALLS.fetch_add(1, Ordering::Relaxed);
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{call}"));
    fs::create_dir_all(&directory).unwrap();
    for file in FILES {
        fs::copy(fixtures.join(file), directory.join(file)).unwrap();
    }
    directory
}

fn document(before: &str, rules: &str, after: &str) -> String {
    let names = r#"xmlns:m="urn:waybill:mapping:1" xmlns:h="urn:test:stay" xmlns:b="urn:test:record" version="1.0" id="test.stay""#;
    let ends = r#"<m:source schema="stay.xsd" root="h:Report"/><m:target name="record" schema="record.xsd" root="b:Record"/>
      <m:target name="summary" schema="record.xsd" root="b:Summary"/>"#;
    let total = if after.contains("Total") { "" } else { r#"<m:ignore path="h:Total" reason="rest"/>"# };
    let total =
        format!(r#"<m:once to="summary" at="end"><m:set path="b:Count" value="0"/><m:set path="b:Total" value="0"/>{total}</m:once>"#);
    let after = if after.is_empty() { &total } else { after };
    [
        "<m:mapping ",
        names,
        ">",
        ends,
        before,
        r#"<m:record select="h:Stay" to="record">"#,
        "\n",
        rules,
        "\n",
        "</m:record>",
        after,
        "</m:mapping>",
    ]
    .concat()
}

fn run(name: &str, text: &str) -> Checked {
    let path = directory(name).join("case.map.xml");
    fs::write(&path, text).unwrap();
    Mapping::check(&path)
}

/// `rules` beside a rule for the id; `expected` are the codes found and a piece of the text of each, in order.
fn check(rules: &str, expected: &[(&str, &str)]) {
    check_whole("rules", &document(CODES, &[r#"<m:set path="b:Id" from="@no"/>"#, rules, REST].concat(), ""), expected);
}

fn check_whole(name: &str, text: &str, expected: &[(&str, &str)]) {
    let mut found = run(name, text).diagnostics;
    // REST ignores whole elements whatever the rule of the case reads in them.
    found.retain(|finding| finding.code != "SM302" || expected.iter().any(|(code, _)| *code == "SM302"));
    let shown: Vec<String> = found.iter().map(ToString::to_string).collect();
    assert_eq!(found.len(), expected.len(), "{text}\n{}", shown.join("\n"));
    for (finding, (code, piece)) in shown.iter().zip(expected) {
        assert!(finding.contains(&["[", code, "]"].concat()) && finding.contains(piece), "expected {code} {piece}, found {finding}");
    }
}

#[test]
fn one_finding_for_each_fault() {
    check("", &[]);
    check(r#"<m:set path="b:Source" from="@num"/>"#, &[("SM101", "source has no attribute '@num' at '@num' (type h:Stay)")]);
    check(r#"<m:set path="b:Source" from="h:Rom"/>"#, &[("SM100", "did you mean 'h:Room'?")]);
    check(r#"<m:set path="b:Source" from="h:no"/>"#, &[("SM100", "did you mean '@no'?")]);
    check(r#"<m:set path="b:Source" from="h:Payer/h:FirmName"/>"#, &[("SM100", "only h:Firm has it")]);
    check(r#"<m:set path="b:Source" from="h:Guest"/>"#, &[("SM102", "holds elements, not text")]);
    check(r#"<m:set path="b:Source" from="../../h:X"/>"#, &[("SM110", "leaves the document")]);
    check(r#"<m:set path="b:Source" from="h:Meal"/>"#, &[("SM120", "'h:Meal' repeats")]);
    check(r#"<m:in path="b:Item" select="h:Meal"><m:set path="@name" value="x"/></m:in>"#, &[("SM120", "declared: stay.xsd:")]);
    check(r#"<m:set path="b:Source" from="h:Guest/h:IdNo"/>"#, &[("SM140", "add when-nil")]);
    check(r#"<m:set path="b:Source" from="h:Guest/h:IdNo" when-nil="omit"/>"#, &[]);
    check(r#"<m:set path="b:Source" from="../h:Total"/>"#, &[("SM401", "once at=\"end\"")]);
    check(r#"<m:ignore path="../h:Total" reason="it stands behind, and nobody reads it"/>"#, &[]);
    check(r#"<m:set path="b:Source" from="h:Room" codes="sexx"/>"#, &[("SM150", "did you mean 'sex'?")]);
    check(r#"<m:set path="b:Source" from="h:Room" as="date"/>"#, &[("SM164", "as needs a date")]);
    check(r#"<m:set path="b:Day" from="h:Arrived"/>"#, &[("SM160", "add as=\"date\" zone=")]);
    check(r#"<m:set path="b:Day" from="h:Arrived" as="date"/>"#, &[("SM163", "in which one")]);
    check(r#"<m:set path="b:Day" from="h:Arrived" as="date" zone="+08:00"/>"#, &[]);
    check(r#"<m:set path="b:At" from="h:Arrived" as="dateTime" zone="+08:00"/>"#, &[]);
    check(r#"<m:set path="b:At" from="h:Guest/h:Birth" parse="yyyyMMdd" as="dateTime"/>"#, &[("SM165", "a day, which has no time")]);
    check(
        r#"<m:set path="b:Day" from="h:Guest/h:Birth"/>"#,
        &[("SM160", "'h:Guest/h:Birth' is h:Ymd (xs:string) but target 'b:Record/b:Day' is xs:date")],
    );
    check(r#"<m:set path="b:Day" from="h:Guest/h:Birth" parse="yyMMdd"/>"#, &[("SM014", "'yy' is none of")]);
    check(r#"<m:set path="b:Amount" from="h:Room"/>"#, &[("SM160", "is xs:string but target 'b:Record/b:Amount' is xs:decimal")]);
    check(r#"<m:set path="b:Amount" from="h:Room" via="trim"/>"#, &[("SM170", "after via it is text")]);
    check(r#"<m:set path="b:Amount" value="much"/>"#, &[("SM153", "'much' is not allowed")]);
    check(r#"<m:set path="b:Source" from="h:Room" via="trimm"/>"#, &[("SM013", "there is no function 'trimm'")]);
    check(r#"<m:set path="b:Source" from="h:Room" value="x"/>"#, &[("SM012", "exactly one of")]);
    check(r#"<m:set path="b:Source" value="x" default="y"/>"#, &[("SM012", "go with from")]);
    check(r#"<m:set path="b:Sorce" from="h:Room"/>"#, &[("SM200", "did you mean 'b:Source'?")]);
    check(r#"<m:set path="@lang" value="x"/>"#, &[("SM201", "no attribute '@lang' in 'b:Record'")]);
    check(
        r#"<m:set path="b:Person" value="x"/>"#,
        &[("SM204", "holds elements, not text"), ("SM202", "requires 'b:Record/b:Person/b:Name'")],
    );
    check(r#"<m:set path="b:Source" value="x"/><m:set path="b:Source" value="y"/>"#, &[("SM203", "stands at most once")]);
    check(r#"<m:each path="b:Source" select="h:Meal"><m:set path="." from="."/></m:each>"#, &[("SM203", "stands at most once")]);
    check(r#"<m:in path="b:Item"><m:set path="b:Text" value="x"/></m:in>"#, &[("SM202", "requires 'b:Record/b:Item/@name'")]);
    check(r#"<m:set path="b:Person/b:Name" from="h:Payer[h:Person]/h:Name"/>"#, &[("SM121", "not written where the source has nothing")]);
    check(r#"<m:set path="b:Person/b:Name" from="h:Payer[h:Person]/h:Name | h:Guest/h:Name"/>"#, &[]);
    check(r#"<m:set path="b:Person/b:Name" from="h:Payer[h:Person]/h:Name" default="-"/>"#, &[]);
    check(r#"<m:set path="b:Source" from="h:Payer[h:Stay]/h:Name"/>"#, &[("SM132", "not derived from h:Party")]);
    check(r#"<m:set path="b:Source" from="h:Payer[h:Nobody]/h:Name"/>"#, &[("SM131", "no type 'h:Nobody'")]);
    check(r#"<m:set path="../b:Source" value="x"/>"#, &[("SM210", "may only go down")]);
    check(r#"<m:set path="b:Item[1]/b:Text" value="x"/>"#, &[("SM214", "has a predicate")]);
    check(r#"<m:copy path="b:Item" from="h:Guest"/>"#, &[("SM161", "only one type is copied")]);
    check(r#"<m:set path="b:Source" from="h:Room" confidence="0.7"/>"#, &[("SM091", "nobody has confirmed")]);
    check(r#"<m:set path="b:Source" from="z:Room"/>"#, &[("SM010", "prefix 'z' is not declared")]);
}

#[test]
fn nothing_is_ignored_in_which_rules_read() {
    check(r#"<m:set path="b:Source" from="h:Guest/h:Name"/>"#, &[("SM302", "'h:Guest' is ignored as a whole, and rules read in it")]);
    check(r#"<m:set path="b:Source" from="h:Meal[@kind='x']"/>"#, &[]);
}

/// A mapping of a stay that says nothing of `leaf` but in `rules`.
fn without(leaf: &str, rules: &str) -> String {
    let ignored = [r#"<m:ignore path=""#, leaf, r#"" reason="rest"/>"#].concat();
    let rest = REST.replace(r#"path="h:Guest""#, r#"path="h:Guest/h:Name""#).replace(&ignored, "");
    let guest: String = ["h:IdNo", "h:Birth", "h:Sex"]
        .iter()
        .filter(|path| !leaf.ends_with(**path))
        .map(|path| [r#"<m:ignore path="h:Guest/"#, path, r#"" reason="rest"/>"#].concat())
        .collect();
    document("", &[r#"<m:set path="b:Id" from="@no"/>"#, rules, &rest, &guest].concat(), "")
}

#[test]
fn a_leaf_that_is_lost_in_a_branch_is_named() {
    let check_of = |leaf: &str, rules: &str, expected: &[(&str, &str)]| check_whole("lost", &without(leaf, rules), expected);
    let set = |from: &str| [r#"<m:set path="b:Source" from=""#, from, r#""/>"#].concat();
    let when = |test: &str, rules: &str| ["<m:when ", test, ">", rules, "</m:when>"].concat();
    let choose = |whens: &[String], rest: &str| ["<m:choose>", &whens.concat(), rest, "</m:choose>"].concat();
    let (room, suite, fee) = (r#"exists="h:Room""#, r#"exists="h:Suite""#, r#"exists="h:Fee""#);
    // Where it is absent nothing is lost; neither is the other alternative of the source's choice.
    check_of("h:Fee", &choose(&[when(fee, &set("h:Fee"))], "<m:otherwise/>"), &[]);
    check_of("h:Suite", &choose(&[when(room, &set("h:Room")), when(suite, &set("h:Suite"))], ""), &[]);
    check_of("h:Fee", &choose(&[when(r#"missing="h:Fee""#, "")], &["<m:otherwise>", &set("h:Fee"), "</m:otherwise>"].concat()), &[]);
    check_of("h:Fee", &choose(&[when(room, &set("h:Fee")), when(suite, "")], ""), &[("SM303", "'h:Fee' is read in some branches only")]);
    let said = r#"<m:ignore path="h:Fee" reason="a suite's is another matter"/>"#;
    check_of("h:Fee", &choose(&[when(room, &set("h:Fee")), when(suite, said)], ""), &[]);
    check_of("h:Fee", &choose(&[when(room, said), when(suite, "")], ""), &[("SM303", "lost where 'h:Suite' is there")]);
    let rest = ["<m:otherwise>", &set("h:Fee"), "</m:otherwise>"].concat();
    check_of("h:Fee", &choose(&[when(room, &choose(&[when(fee, &set("h:Fee"))], "<m:otherwise/>"))], &rest), &[]);
    check_of(
        "h:Room",
        &choose(&[when(fee, &set("h:Fee")), when(room, &set("h:Room"))], "<m:otherwise/>"),
        &[("SM303", "lost where 'h:Fee' is there")],
    );
    // What an optional element holds, and what is read from in it.
    let inside = |path: &str| {
        [r#"<m:in path="b:Item" select="h:Payer"><m:set path="@name" value="x"/><m:set path="b:Text" from=""#, path, r#""/></m:in>"#]
            .concat()
    };
    check_of("h:Payer/h:Phone", &inside("h:Phone"), &[]);
    check_of("h:Fee", &inside("../h:Fee"), &[("SM303", "lost where 'h:Payer' is absent")]);
    let typed =
        r#"<m:case of="h:Payer"><m:type is="h:Firm"><m:set path="b:Source" from="../h:Fee"/></m:type><m:type is="h:Person"/></m:case>"#;
    check_of("h:Fee", typed, &[("SM303", "lost where it is h:Person")]);
    // What decides: its value is known where it was asked for, and where one value is left.
    let sex = |values: &[&str], rest: &str| {
        let whens: Vec<String> = values.iter().map(|value| when(&[r#"of="h:Guest/h:Sex" equals=""#, value, r#"""#].concat(), "")).collect();
        choose(&whens, rest)
    };
    check_of("h:Guest/h:Sex", &sex(&["1", "2", "9"], ""), &[]);
    check_of("h:Guest/h:Sex", &sex(&["1", "2"], "<m:otherwise/>"), &[]);
    check_of("h:Guest/h:Sex", &sex(&["1"], "<m:otherwise/>"), &[("SM304", "its value is lost where m:otherwise holds")]);
    let said = r#"<m:otherwise><m:ignore path="h:Guest/h:Sex" reason="rest"/></m:otherwise>"#;
    check_of("h:Guest/h:Sex", &sex(&["1"], said), &[]);
    check_of("h:Guest/h:Sex", &[&sex(&["1"], "<m:otherwise/>"), set("h:Guest/h:Sex").as_str()].concat(), &[]);
}

#[test]
fn what_one_rule_says_of_several_is_no_finding_and_told() {
    let found = run("said", &without("h:Fee", r#"<m:set path="b:Source" from="h:Room | h:Fee"/>"#));
    assert!(found.diagnostics.is_empty(), "{:?}", found.diagnostics);
    assert_eq!(found.coverage.to_string(), "2 mapped, 1 in part, 8 ignored with a reason, 0 unaccounted");
    let part = found.leaves.iter().find(|leaf| leaf.state == State::InPart).unwrap();
    assert_eq!((part.path.as_str(), part.lost.as_ref().unwrap().0.as_str()), ("h:Fee", "'h:Room' is there"));
}

#[test]
fn cases_are_exhaustive() {
    let item =
        |text: &str| [r#"<m:in path="b:Item"><m:set path="@name" value="x"/><m:set path="b:Text" from=""#, text, r#""/></m:in>"#].concat();
    let case = |branches: &str| [r#"<m:case of="h:Payer">"#, branches, "</m:case>"].concat();
    let firm = [r#"<m:type is="h:Firm">"#, &item("h:FirmName"), "</m:type>"].concat();
    let person = [r#"<m:type is="h:Person">"#, &item("h:Name"), "</m:type>"].concat();
    check(&case(&[firm.as_str(), &person].concat()), &[]);
    check(&case(&firm), &[("SM130", "xsi:type h:Person of 'h:Payer' is not handled")]);
    check(&case(&[firm.as_str(), "<m:otherwise/>"].concat()), &[]);
    let when = |test: &str, from: &str| ["<m:when ", test, ">", &item(from), "</m:when>"].concat();
    let choose = |whens: &[String]| ["<m:choose>", &whens.concat(), "</m:choose>"].concat();
    check(&choose(&[when(r#"exists="h:Room""#, "h:Room"), when(r#"exists="h:Suite""#, "h:Suite")]), &[]);
    check(&choose(&[when(r#"exists="h:Room""#, "h:Room")]), &[("SM133", "do not cover every source")]);
    check(&choose(&[when(r#"exists="h:Fee""#, "h:Fee"), when(r#"missing="h:Fee""#, "@no")]), &[]);
    check(&choose(&[when(r#"of="h:Guest/h:Sex" equals="7""#, "@no"), "<m:otherwise/>".to_owned()]), &[("SM155", "is never the value")]);
    check(&choose(&[when(r#"exists="h:Fee" of="h:Fee""#, "@no"), "<m:otherwise/>".to_owned()]), &[("SM012", "m:when has")]);
}

#[test]
fn a_choice_of_the_target_is_made_once() {
    let check_either = |rules: &str, expected: &[(&str, &str)]| {
        let text = document("", &[rules, REST].concat(), "").replace(r#"root="b:Record""#, r#"root="b:Either""#);
        check_whole("either", &text, expected);
    };
    check_either(r#"<m:set path="b:Left" from="@no"/>"#, &[]);
    check_either(r#"<m:set path="b:Right" value="r"/><m:set path="b:More" from="@no"/>"#, &[]);
    check_either("", &[("SM202", "requires one of b:Left, b:Right, b:More in 'b:Either'")]);
    check_either(r#"<m:set path="b:Left" value="l"/><m:set path="b:More" value="m"/>"#, &[("SM205", "more than one is always written")]);
    let branches = |second: &str| {
        [r#"<m:choose><m:when exists="h:Room"><m:set path="b:Left" from="h:Room"/></m:when>"#, second, "</m:choose>"].concat()
    };
    check_either(&branches(r#"<m:when exists="h:Suite"><m:set path="b:Right" from="h:Suite"/></m:when>"#), &[]);
    // The source may have both, one alone (its own choice), or the rules part it.
    let both =
        |left: &str, right: &str| [r#"<m:set path="b:Left" from=""#, left, r#""/><m:set path="b:Right" from=""#, right, r#""/>"#].concat();
    check_either(&both("h:Fee", "h:Payer[h:Firm]/h:FirmName"), &[("SM206", "'b:Left' and 'b:Right' in 'b:Either'")]);
    check_either(&both("h:Room", "h:Suite"), &[]);
    check_either(&both("h:Payer[h:Person]/h:Name", "h:Payer[h:Firm]/h:FirmName"), &[]);
    let absent = r#"<m:choose><m:when missing="h:Payer"><m:set path="b:Left" from="@no"/></m:when><m:otherwise/></m:choose>"#;
    let there = r#"<m:set path="b:Right" from="h:Payer/h:Phone"/>"#;
    check_either(&[absent, there].concat(), &[]);
    check_either(&[&absent.replace("missing", "exists"), there].concat(), &[("SM206", "part the rules by m:choose")]);
}

#[test]
fn what_the_target_takes_only_so_far() {
    let check_narrow = |rules: &str, expected: &[(&str, &str)]| {
        let text = document("", &[rules, REST].concat(), "").replace(r#"root="b:Record""#, r#"root="b:Narrow""#);
        check_whole("narrow", &text, expected);
    };
    check_narrow(r#"<m:set path="b:Kind" value="1.00"/><m:set path="@version" value="2"/>"#, &[]);
    check_narrow(r#"<m:set path="b:Kind" value="2"/>"#, &[("SM153", "which is always '1.0'")]);
    check_narrow(r#"<m:set path="@version" value="2.0"/>"#, &[("SM153", "which is always '2'")]);
    check_narrow(r#"<m:in path="b:Kind"><m:set path="." value="3"/></m:in>"#, &[("SM153", "which is always '1.0'")]);
    check_narrow(r#"<m:set path="b:Kind" from="h:Fee" default="1"/>"#, &[("SM170", "is always '1.0'")]);
    check_narrow(r#"<m:set path="b:Short" value="1234567"/>"#, &[("SM153", "'1234567' is not allowed")]);
    check_narrow(r#"<m:set path="b:Short" from="h:Room" default="1234567"/>"#, &[("SM153", ""), ("SM170", "takes 5 characters")]);
    let each = |path: &str, select: &str| {
        [r#"<m:each path=""#, path, r#"" select=""#, select, r#""><m:set path="." from="@kind"/></m:each>"#].concat()
    };
    check_narrow(&each("b:Few", "h:Meal"), &[("SM207", "at most 3 times, and is written as often as the source has it")]);
    check_narrow(&each("b:Many", "h:Meal"), &[]);
    let few = |times: usize| r#"<m:set path="b:Few" from="@no"/>"#.repeat(times);
    check_narrow(&few(3), &[]);
    check_narrow(&few(4), &[("SM203", "is always written 4 times")]);
    check_narrow(&[few(3), r#"<m:set path="b:Few" from="h:Fee"/>"#.to_owned()].concat(), &[("SM207", "written up to 4 times")]);
    let one = |times: usize| ["<m:in path='b:Pair'>", &r#"<m:set path="b:One" from="@no"/>"#.repeat(times), "</m:in>"].concat();
    check_narrow(&one(2), &[]);
    check_narrow(&one(1), &[("SM202", "requires 'b:Narrow/b:Pair/b:One' 2 times")]);
    check_narrow(&["<m:in path='b:Pair'>", &each("b:One", "h:Meal"), "</m:in>"].concat(), &[("SM121", ""), ("SM207", "")]);
    // An element of both alternatives excludes neither.
    check_narrow(r#"<m:set path="b:A" from="@no"/><m:set path="b:C" from="@no"/>"#, &[]);
    check_narrow(r#"<m:set path="b:B" from="@no"/><m:set path="b:C" from="@no"/>"#, &[("SM205", "'b:B' and 'b:C'")]);
}

#[test]
fn code_tables_are_complete_on_both_sides() {
    let rule = r#"<m:in path="b:Person"><m:set path="b:Name" value="x"/><m:set path="b:Sex" from="h:Guest/h:Sex" codes="t"/></m:in>"#;
    let rules = [r#"<m:set path="b:Id" from="@no"/>"#, rule, REST].concat();
    let table =
        |attributes: &str, codes: &str| document(&[r#"<m:codes name="t" "#, attributes, ">", codes, "</m:codes>"].concat(), &rules, "");
    let all = r#"<m:code from="1" to="M"/><m:code from="2" to="F"/><m:code from="9" to="U"/>"#;
    check_whole("codes", &table("", all), &[]);
    let few = r#"<m:code from="1" to="M"/><m:code from="2" to="X"/>"#;
    check_whole(
        "codes",
        &table("", few),
        &[("SM151", "misses source values ['9'] (enumeration of h:Sex"), ("SM152", "yields ['X'], not allowed by target")],
    );
    let some = r#"<m:code from="1" to="M"/>"#;
    check_whole("codes", &table(r#"on-missing="omit""#, some), &[]);
    check_whole("codes", &table(r#"default="U""#, some), &[]);
    check_whole("codes", &table(r#"default="?""#, some), &[("SM152", "yields ['?']")]);
    check_whole("codes", &table(r#"on-missing="default""#, some), &[("SM012", "go together"), ("SM151", "misses")]);
    check_whole("codes", &table("", &[all, r#"<m:code from="1" to="F"/>"#].concat()), &[("SM156", "has '1' twice")]);
    check_whole("codes", &table(r#"href="none.xml""#, ""), &[("SM023", "cannot be read"), ("SM151", "misses")]);
    check_whole("codes", &table(r#"href="../stay.xsd""#, ""), &[("SM023", "is not a file beside the mapping"), ("SM151", "misses")]);
}

#[test]
fn documents_that_are_no_mappings() {
    let good = document(CODES, &[r#"<m:set path="b:Id" from="@no"/>"#, REST].concat(), "");
    check_whole("whole", "<m:mapping", &[("SM000", "case.map.xml:1:")]);
    check_whole("whole", &good.replace("version=\"1.0\"", "version=\"1.0\" colour=\"red\""), &[("SM001", "colour")]);
    check_whole("whole", &good.replace("<m:record ", "<m:recrd ").replace("</m:record>", "</m:recrd>"), &[("SM001", "recrd")]);
    check_whole("whole", &good.replace("root=\"h:Report\"", "root=\"h:Rapport\""), &[("SM103", "did you mean 'Report'?")]);
    check_whole("whole", &good.replace("root=\"b:Record\"", "root=\"b:Recard\""), &[("SM213", "no global element 'b:Recard'")]);
    check_whole("whole", &good.replace("schema=\"stay.xsd\"", "schema=\"stray.xsd\""), &[("SM021", "'stray.xsd' cannot be read")]);
    check_whole(
        "whole",
        &good.replace("schema=\"stay.xsd\"", "schema=\"http://a/b.xsd\""),
        &[("SM021", "is an address, and nothing is fetched")],
    );
    let pinned = ["schema=\"stay.xsd\" sha256=\"", &"0".repeat(64), "\""].concat();
    check_whole("whole", &good.replace("schema=\"stay.xsd\"", &pinned), &[("SM500", "is not the file that the mapping pins")]);
    check_whole("whole", &good.replace("to=\"record\"", "to=\"records\""), &[("SM020", "no target 'records'"), ("SM301", "")][..1]);
}

#[test]
fn what_nobody_thought_of_is_a_warning_for_each_leaf() {
    let rules = [r#"<m:set path="b:Id" from="@no"/>"#, REST]
        .concat()
        .replace(r#"<m:ignore path="h:Guest" reason="rest"/>"#, r#"<m:ignore path="h:Guest/h:Sex" reason="rest"/>"#);
    let checked = run("coverage", &document("", &rules.replace(r#"<m:ignore path="../h:Hotel" reason="rest"/>"#, ""), ""));
    let found: Vec<String> = checked.diagnostics.iter().map(|finding| [finding.code, " ", &finding.text].concat()).collect();
    let open = |code: &str, what: &str, leaf: &str| [code, " source ", what, " '", leaf, "' is neither mapped nor ignored"].concat();
    let expected = [
        open("SM300", "leaf", "h:Guest/h:Birth"),
        open("SM300", "leaf", "h:Guest/h:IdNo"),
        open("SM300", "leaf", "h:Guest/h:Name"),
        open("SM301", "header", "h:Hotel"),
    ];
    assert_eq!(found, expected);
    assert_eq!(checked.coverage.to_string(), "1 mapped, 7 ignored with a reason, 3 unaccounted");
}

#[test]
fn a_bound_mapping_reads_the_message_of_its_operation() {
    let rules = [r#"<m:set path="b:Id" from="@no"/>"#, REST].concat();
    let check_bind =
        |bind: &str, expected: &[(&str, &str)]| check_whole("bind", &document(&["<m:bind ", bind, "/>"].concat(), &rules, ""), expected);
    check_bind(r#"wsdl="stay.wsdl" operation="QueryStays" message="output""#, &[]);
    check_bind(r#"wsdl="none.wsdl" operation="QueryStays" message="output""#, &[("SM030", "cannot be read")]);
    check_bind(r#"wsdl="stay.wsdl" operation="QueryStay" message="output""#, &[("SM031", "did you mean 'QueryStays'?")]);
    check_bind(r#"wsdl="stay.wsdl" operation="Other" message="output""#, &[("SM032", "is 'h:Question', and the mapping has 'h:Report'")]);
    check_bind(r#"wsdl="stay.wsdl" operation="Other" message="input""#, &[("SM032", "is not a message of one element")]);
    check_bind(r#"wsdl="stay.wsdl" operation="QueryStays" message="input""#, &[("SM032", "the mapping has 'b:Record', 'b:Summary'")]);
}

const REPORT: &str = r#"<h:Report xmlns:h="urn:test:stay" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><h:Hotel>H</h:Hotel>
<h:Stay no="1"><h:Guest><h:Name>A</h:Name><h:IdNo xsi:nil="true"/><h:Birth>20000229</h:Birth><h:Sex>1</h:Sex></h:Guest><h:Payer xsi:type="h:Firm"><h:FirmName>F</h:FirmName></h:Payer><h:Room>7</h:Room><h:Meal kind="x">soup</h:Meal><h:Meal kind="y">tea</h:Meal><h:Arrived>2026-07-03T23:30:00Z</h:Arrived></h:Stay>
<h:Stay no="2"><h:Guest><h:Name>B</h:Name><h:IdNo> 9 </h:IdNo><h:Birth>20010229</h:Birth><h:Sex>9</h:Sex></h:Guest><h:Suite>8</h:Suite><h:Arrived>2026-07-03T23:30:00</h:Arrived><h:Fee>1.50</h:Fee></h:Stay>
<h:Total>2</h:Total></h:Report>"#;

fn applied(rules: &str, after: &str) -> Outcome {
    let rules = [r#"<m:set path="b:Id" from="@no"/>"#, rules].concat();
    let checked = run("apply", &document(CODES, &rules, after));
    let mapping = checked.mapping.unwrap_or_else(|| panic!("{:?}", checked.diagnostics));
    let source = read(REPORT.as_bytes(), None, &Limits::default()).unwrap();
    mapping.apply(&mapping.validate(source).unwrap())
}

/// What stands in the records, each without its root and without prefixes' declarations, and where the rejects are.
fn check_run(rules: &str, expected: &[&str], rejects: &[&str]) {
    let outcome = applied(rules, "");
    let records: Vec<String> = outcome.records.iter().map(|made| String::from_utf8(canonical(made.element(), &[], &[])).unwrap()).collect();
    let inner =
        |record: &String| record.replace(r#"<b:Record xmlns:b="urn:test:record"><b:Id>"#, "").replace("</b:Record>", "").replace("b:", "");
    assert_eq!(records.iter().map(inner).collect::<Vec<_>>(), expected, "{rules}");
    let found: Vec<String> =
        outcome.rejects.iter().map(|reject| format!("{} rule {} source {}", reject.code, reject.rule.line, reject.source)).collect();
    assert_eq!(found, rejects, "{rules}");
}

#[test]
fn rules_make_what_they_say() {
    check_run("", &["1</Id>", "2</Id>"], &[]);
    check_run(r#"<m:set path="b:Amount" from="h:Fee"/>"#, &["1</Id>", "2</Id><Amount>1.50</Amount>"], &[]);
    check_run(r#"<m:set path="b:Amount" from="h:Fee" default="0"/>"#, &["1</Id><Amount>0</Amount>", "2</Id><Amount>1.50</Amount>"], &[]);
    check_run(
        r#"<m:set path="b:Day" from="h:Arrived" as="date" zone="+08:00"/>"#,
        &["1</Id><Day>2026-07-04</Day>", "2</Id><Day>2026-07-03</Day>"],
        &[],
    );
    check_run(
        r#"<m:set path="b:At" from="h:Arrived" as="dateTime" zone="+08:00"/>"#,
        &["1</Id><At>2026-07-03T23:30:00.000Z</At>", "2</Id><At>2026-07-03T15:30:00.000Z</At>"],
        &[],
    );
    check_run(r#"<m:set path="b:Source" from="../h:Hotel"/>"#, &["1</Id><Source>H</Source>", "2</Id><Source>H</Source>"], &[]);
    check_run(
        r#"<m:set path="b:Source" from="h:Room|h:Suite" via="pad(3,'0')"/>"#,
        &["1</Id><Source>007</Source>", "2</Id><Source>008</Source>"],
        &[],
    );
    check_run(r#"<m:set path="b:Source" from="h:Guest/h:IdNo" when-nil="omit" via="trim"/>"#, &["1</Id>", "2</Id><Source>9</Source>"], &[]);
    check_run(
        r#"<m:set path="b:Source" from="h:Guest/h:IdNo" when-nil="reject"/>"#,
        &["2</Id><Source> 9 </Source>"],
        &["SM904 rule 3 source 2:43"],
    );
    check_run(
        "\n<m:set path=\"b:Day\" from=\"h:Guest/h:Birth\" parse=\"yyyyMMdd\"/>",
        &["1</Id><Day>2000-02-29</Day>"],
        &["SM908 rule 4 source 3:63"],
    );
    check_run(r#"<m:set path="b:Source" from="h:Meal[2]"/>"#, &["2</Id>"], &["SM905 rule 2 source 2:201"]);
    check_run(
        r#"<m:set path="b:Source" from="h:Meal[@kind='x']"/><m:ignore path="h:Meal" reason="the others"/>"#,
        &["1</Id><Source>soup</Source>", "2</Id>"],
        &[],
    );
    check_run(
        r#"<m:each path="b:Item" select="h:Meal"><m:set path="b:Text" from="."/><m:set path="@name" from="@kind"/></m:each>"#,
        &[r#"1</Id><Item name="x"><Text>soup</Text></Item><Item name="y"><Text>tea</Text></Item>"#, "2</Id>"],
        &[],
    );
    check_run(
        r#"<m:set path="b:Item/@name" count="h:Meal"/>"#,
        &[r#"1</Id><Item name="2"></Item>"#, r#"2</Id><Item name="0"></Item>"#],
        &[],
    );
    check_run(
        r#"<m:case of="h:Payer"><m:type is="h:Firm"><m:set path="b:Source" from="h:FirmName"/></m:type><m:otherwise/></m:case>"#,
        &["1</Id><Source>F</Source>", "2</Id>"],
        &[],
    );
    check_run(
        r#"<m:choose><m:when exists="h:Suite"><m:set path="b:Source" value="suite"/></m:when></m:choose>"#,
        &["2</Id><Source>suite</Source>"],
        &["SM906 rule 3 source 2:1"],
    );
    // The order is that of the target's content model, whatever the order of the rules.
    check_run(
        r#"<m:set path="b:Amount" value="1"/><m:set path="b:Person/b:Sex" from="h:Guest/h:Sex" codes="sex"/><m:set path="b:Person/b:Name" from="h:Guest/h:Name"/><m:set path="b:Source" value="s"/>"#,
        &[
            "1</Id><Source>s</Source><Person><Name>A</Name><Sex>M</Sex></Person><Amount>1</Amount>",
            "2</Id><Source>s</Source><Person><Name>B</Name><Sex>U</Sex></Person><Amount>1</Amount>",
        ],
        &[],
    );
}

#[test]
fn once_sees_the_whole_document_and_what_was_made_of_it() {
    let after = r#"<m:once to="summary" at="end"><m:set path="b:Count" count="h:Stay"/><m:set path="b:Total" from="h:Total"/><m:set path="b:Digest" digest="record" alg="sha256"/></m:once>"#;
    let outcome = applied("", after);
    let made = String::from_utf8(canonical(outcome.once.first().unwrap().element(), &[], &[])).unwrap();
    // printf '…' | sha256sum over the two records above.
    let digest = "d13975e8ed89f79ef8be93525ee9c669c81c4b71f7dfb8fdfbb66a01df2a9d69";
    let expected =
        [r#"<b:Summary xmlns:b="urn:test:record"><b:Count>2</b:Count><b:Total>2</b:Total><b:Digest>"#, digest, "</b:Digest></b:Summary>"]
            .concat();
    assert_eq!(made, expected);
}

/// As many rules as leaves, side by side: each rule looks its own up. It took minutes when each went through all of them.
#[test]
fn wide_schemas_are_mapped_in_bounded_time() {
    const LEAVES: usize = 3000;
    let start = std::time::Instant::now();
    let folder = directory("wide");
    let each = |write: &dyn Fn(usize) -> String| (0..LEAVES).map(write).collect::<String>();
    let leaves = each(&|at| format!("<xs:element name='e{at}' type='xs:int' minOccurs='0'/>"));
    let used = each(&|at| format!("<xs:attribute name='a{at}' type='xs:int'/>"));
    let schema = [
        "<xs:schema xmlns:xs='http://www.w3.org/2001/XMLSchema'><xs:element name='D'><xs:complexType><xs:all>",
        &leaves,
        "</xs:all>",
        &used,
        "</xs:complexType></xs:element></xs:schema>",
    ];
    fs::write(folder.join("wide.xsd"), schema.concat()).unwrap();
    let rules = each(&|at| format!(r#"<m:set path="e{at}" from="e{at}"/><m:set path="@a{at}" from="@a{at}"/>"#));
    let mapping = [
        r#"<m:mapping xmlns:m="urn:waybill:mapping:1" version="1.0" id="test.wide"><m:source schema="wide.xsd" root="D"/>"#,
        r#"<m:target name="wide" schema="wide.xsd" root="D"/><m:record select="." to="wide">"#,
        &rules,
        "</m:record></m:mapping>",
    ];
    fs::write(folder.join("wide.map.xml"), mapping.concat()).unwrap();
    let found = Mapping::check(&folder.join("wide.map.xml"));
    assert_eq!(found.diagnostics, []);
    assert_eq!(found.coverage.to_string(), "6000 mapped, 0 ignored with a reason, 0 unaccounted");
    assert!(start.elapsed().as_secs() < 60, "{:?}", start.elapsed());
}

#[test]
fn the_shared_samples_are_judged_as_the_design_says() {
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/samples");
    if !samples.is_dir() {
        eprintln!("skipped: ../shared/samples is not here");
        return;
    }
    let good = Mapping::check(&samples.join("hospital-visit.map.xml"));
    assert_eq!(good.diagnostics, [], "{:?}", good.diagnostics);
    assert_eq!(good.coverage.to_string(), "13 mapped, 3 ignored with a reason, 0 unaccounted");
    let mapping = good.mapping.unwrap();
    let source = read(&fs::read(samples.join("visit.in.xml")).unwrap(), None, &Limits::default()).unwrap();
    let outcome = mapping.apply(&mapping.validate(source).unwrap());
    let rejects: Vec<String> = outcome.rejects.iter().map(ToString::to_string).collect();
    assert_eq!((outcome.records.len(), rejects.len()), (1, 1), "{rejects:?}");
    assert!(rejects.concat().starts_with("reject[SM908] hospital-visit.map.xml:19:7: source 5:"), "{rejects:?}");
    let broken = Mapping::check(&samples.join("broken.map.xml"));
    let found: Vec<String> =
        broken.diagnostics.iter().map(|finding| [finding.code, ":", &finding.at.place.line.to_string()].concat()).collect();
    let expected = ["SM101:10", "SM100:15", "SM160:19", "SM151:20", "SM152:20", "SM120:22", "SM130:35", "SM200:39", "SM300:9"];
    assert_eq!(found, expected, "{:?}", broken.diagnostics);
    assert!(broken.mapping.is_none());
    let vehicle = Mapping::check(&samples.join("vehicle.map.xml"));
    let found: Vec<&str> = vehicle.diagnostics.iter().map(|finding| finding.code).collect();
    assert_eq!(found, ["SM160", "SM160"], "{:?}", vehicle.diagnostics);
}
