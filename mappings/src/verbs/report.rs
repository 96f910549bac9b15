//! Findings for people and for machines: with the line of the file and a mark under it, as JSON, as SARIF 2.1.0, as JUnit.

use crate::diagnostic::{Diagnostic, Location, Severity};
use crate::verbs::markup::{self, Tag};
use crate::verbs::page::{Item, element, written};
use serde_json::{Value, json};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use xsd::tree::Place;

/// Findings about one mapping, and the folder that its files' names are relative to.
#[derive(Debug)]
pub struct Findings {
    /// The mapping's path, as it was given.
    pub path: PathBuf,
    /// What was found.
    pub diagnostics: Vec<Diagnostic>,
}

/// How findings are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// For people: the finding, the line, a mark, what helps.
    Text,
    /// One JSON document with `schema: waybill/map-check/1`.
    Json,
    /// SARIF 2.1.0, as code hosts read it.
    Sarif,
    /// JUnit, as build servers read it: a test case for each mapping.
    Junit,
}

/// Writes the findings of all mappings in one format.
#[must_use]
pub fn report(findings: &[Findings], format: Format) -> String {
    match format {
        Format::Text => text(findings),
        Format::Json => format!("{:#}", as_json(findings)),
        Format::Sarif => format!("{:#}", sarif(findings)),
        Format::Junit => junit(findings),
    }
}

/// Whether a finding says that the mapping may not pass.
#[must_use]
pub fn denied(diagnostic: &Diagnostic, deny_warnings: bool) -> bool {
    deny_warnings || diagnostic.severity == Severity::Error
}

fn severity(diagnostic: &Diagnostic) -> &'static str {
    match diagnostic.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    }
}

impl Findings {
    /// Where a location's file is, from where the mapping's path counts; a unified schema keeps its own name.
    fn file(&self, location: &Location) -> String {
        let path = self.path.parent().unwrap_or(Path::new("")).join(&*location.file);
        if unified(&location.file).is_some() && !path.is_file() {
            return location.file.to_string();
        }
        path.to_string_lossy().into_owned()
    }

    fn at(&self, location: &Location) -> String {
        let file = self.file(location);
        if location.place.line == 0 { file } else { format!("{file}:{}", location.place) }
    }
}

/// A unified schema by the name that diagnostics give it.
pub(crate) fn unified(file: &str) -> Option<&'static [u8]> {
    let name = file.trim_end_matches(".xsd");
    let known = !name.contains(['/', '.']);
    known.then(|| xsd::unified::document(&[name, ".xsd"].concat())).flatten()
}

/// The texts of files, each read once.
#[derive(Default)]
pub(crate) struct Texts(RefCell<BTreeMap<String, Option<Arc<str>>>>);

impl Texts {
    pub(crate) fn of(&self, dir: &Path, file: &str) -> Option<Arc<str>> {
        let path = dir.join(file);
        let key = path.to_string_lossy().into_owned();
        let mut known = self.0.borrow_mut();
        let read = || {
            let octets = xsd::files::read(&path).ok().or_else(|| unified(file).map(<[u8]>::to_vec))?;
            xsd::decode::decode(&octets, None).ok().map(|text| Arc::from(&*text))
        };
        known.entry(key).or_insert_with(read).clone()
    }
}

fn text(findings: &[Findings]) -> String {
    let texts = Texts::default();
    let mut out = String::new();
    let (mut errors, mut warnings) = (0, 0);
    for of in findings {
        let dir = of.path.parent().unwrap_or(Path::new(""));
        for diagnostic in &of.diagnostics {
            match diagnostic.severity {
                Severity::Error => errors += 1,
                Severity::Warning => warnings += 1,
            }
            line(&mut out, &format!("{}[{}] {}: {}", severity(diagnostic), diagnostic.code, of.at(&diagnostic.at), diagnostic.text));
            let mark = |tag: &Tag<'_>| marked(diagnostic, tag);
            let first = texts.of(dir, &diagnostic.at.file).and_then(|text| snippet(&text, diagnostic.at.place, &mark));
            let second = diagnostic.declared.as_ref().and_then(|location| {
                let text = texts.of(dir, &location.file)?;
                Some((location, snippet(&text, location.place, &|tag| tag.span.start..tag.span.start + 1 + tag.name.len())?))
            });
            let gutter = first.iter().chain(second.iter().map(|(_, snippet)| snippet)).map(|snippet| snippet.number.len()).max();
            let gutter = gutter.unwrap_or(1);
            if let Some(snippet) = &first {
                snippet.show(gutter, "", &mut out);
            }
            if let Some(location) = &diagnostic.declared {
                line(&mut out, &format!("{:gutter$} ::: declared: {}", "", of.at(location)));
            }
            if let Some((_, snippet)) = &second {
                snippet.show(gutter, " declared here", &mut out);
            }
            if let Some(help) = &diagnostic.help {
                line(&mut out, &format!("{:gutter$} = help: {help}", ""));
            }
        }
    }
    let files = findings.len();
    line(&mut out, &format!("{files} {}, {errors} errors, {warnings} warnings", if files == 1 { "mapping" } else { "mappings" }));
    out
}

fn line(out: &mut String, text: &str) {
    out.push_str(text);
    out.push('\n');
}

/// A line of a file with what is to be marked in it.
struct Snippet {
    number: String,
    before: String,
    marked: String,
    after: String,
}

/// So many characters of a line are shown before and after what is marked.
const AROUND: usize = 60;

fn snippet(text: &str, place: Place, mark: &dyn Fn(&Tag<'_>) -> std::ops::Range<usize>) -> Option<Snippet> {
    if place.line == 0 {
        return None;
    }
    let start = markup::offset(text, place);
    let span = markup::tag_at(text, place).map_or(start..start, |tag| mark(&tag));
    let shown = markup::place(text, span.start);
    let from = text.get(..span.start)?.rfind('\n').map_or(0, |at| at + 1);
    let end = text.get(span.start..)?.find(['\n', '\r']).map_or(text.len(), |at| span.start + at);
    let (before, after) = (text.get(from..span.start)?, text.get(span.end.min(end)..end)?);
    let marked = text.get(span.start..span.end.min(end))?;
    let plain = |text: &str| text.replace('\t', " ");
    let count = before.chars().count();
    let before = if count > AROUND { format!("…{}", before.chars().skip(count - AROUND).collect::<String>()) } else { before.to_owned() };
    let more = if after.chars().count() > AROUND { "…" } else { "" };
    let after = format!("{}{more}", after.chars().take(AROUND).collect::<String>());
    Some(Snippet { number: shown.line.to_string(), before: plain(&before), marked: plain(marked), after: plain(&after) })
}

impl Snippet {
    fn show(&self, gutter: usize, label: &str, out: &mut String) {
        let blanks = " ".repeat(width(&self.before));
        let mark = "^".repeat(width(&self.marked).max(1));
        line(out, &format!("{:>gutter$} | {}{}{}", self.number, self.before, self.marked, self.after));
        line(out, &format!("{:gutter$} | {blanks}{mark}{label}", ""));
    }
}

/// Columns that a text takes on a terminal: CJK characters take two.
fn width(text: &str) -> usize {
    let wide = |letter: char| matches!(u32::from(letter), 0x1100..=0x115F | 0x2E80..=0xA4CF | 0xAC00..=0xD7A3 | 0xF900..=0xFAFF | 0xFE30..=0xFE6F | 0xFF00..=0xFF60 | 0xFFE0..=0xFFE6 | 0x2_0000..=0x3_FFFD);
    text.chars().map(|letter| if wide(letter) { 2 } else { 1 }).sum()
}

/// The attribute of a rule that a finding is about; the tag's name where it is about the whole.
pub(crate) fn marked(diagnostic: &Diagnostic, tag: &Tag<'_>) -> std::ops::Range<usize> {
    let source = ["from", "select", "of", "exists", "missing", "count", "root", "is", "path"];
    let target = ["path", "root", "to"];
    let names: &[&str] = match diagnostic.code {
        "SM020" => &["to", "digest"],
        "SM021" | "SM022" => &["schema"],
        "SM023" => &["href"],
        "SM030" => &["wsdl"],
        "SM031" | "SM032" => &["operation"],
        "SM013" | "SM170" => &["via", "from", "default"],
        "SM014" => &["parse"],
        "SM091" => &["confidence"],
        "SM131" | "SM132" => &["is", "from", "select", "of", "exists", "missing", "path"],
        "SM150" | "SM151" | "SM152" => &["codes", "name"],
        "SM153" => &["value", "default"],
        "SM155" => &["equals"],
        "SM163" | "SM164" | "SM165" => &["as", "parse"],
        "SM500" => &["sha256"],
        code if code.starts_with("SM2") => &target,
        code if code.starts_with("SM1") || code == "SM401" => &source,
        _ => &[],
    };
    // What the finding quotes is more telling than what such findings are about.
    let quoted = |name: &&&str| {
        tag.attribute(name)
            .is_some_and(|attribute| !attribute.raw.is_empty() && diagnostic.text.contains(&["'", attribute.raw, "'"].concat()))
    };
    let name = names.iter().find(quoted).or_else(|| names.iter().find(|name| tag.attribute(name).is_some()));
    name.and_then(|name| tag.attribute(name))
        .map_or(tag.span.start..tag.span.start + 1 + tag.name.len(), |attribute| attribute.span.clone())
}

fn as_json(findings: &[Findings]) -> Value {
    let location = |of: &Findings, location: &Location| json!({ "file": of.file(location), "line": location.place.line, "column": location.place.column });
    let one = |of: &Findings, diagnostic: &Diagnostic| {
        json!({
            "severity": severity(diagnostic), "code": diagnostic.code, "at": location(of, &diagnostic.at), "text": diagnostic.text,
            "declared": diagnostic.declared.as_ref().map(|declared| location(of, declared)), "help": diagnostic.help,
        })
    };
    let all: Vec<Value> = findings.iter().flat_map(|of| of.diagnostics.iter().map(move |diagnostic| one(of, diagnostic))).collect();
    let errors = findings.iter().flat_map(|of| &of.diagnostics).filter(|diagnostic| diagnostic.severity == Severity::Error).count();
    json!({ "schema": "waybill/map-check/1", "mappings": findings.len(), "errors": errors, "warnings": all.len() - errors, "findings": all })
}

fn sarif(findings: &[Findings]) -> Value {
    let physical = |of: &Findings, location: &Location| {
        let uri: String = of.file(location).replace('\\', "/");
        let artifact = json!({ "uri": uri.replace(' ', "%20") });
        let place = location.place;
        if place.line == 0 {
            return json!({ "artifactLocation": artifact });
        }
        json!({ "artifactLocation": artifact, "region": { "startLine": place.line, "startColumn": place.column } })
    };
    let mut codes: Vec<&str> = findings.iter().flat_map(|of| &of.diagnostics).map(|diagnostic| diagnostic.code).collect();
    codes.sort_unstable();
    codes.dedup();
    let rule = |code: &&str| {
        let meaning = super::codes::of(code).map_or("", |known| known.meaning);
        json!({ "id": code, "shortDescription": { "text": meaning } })
    };
    let result = |of: &Findings, diagnostic: &Diagnostic| {
        let help = diagnostic.help.as_ref().map(|help| format!("\nhelp: {help}")).unwrap_or_default();
        let related = diagnostic
            .declared
            .as_ref()
            .map(|declared| json!({ "id": 1, "physicalLocation": physical(of, declared), "message": { "text": "declared here" } }));
        json!({
            "ruleId": diagnostic.code, "level": severity(diagnostic), "message": { "text": format!("{}{help}", diagnostic.text) },
            "locations": [{ "physicalLocation": physical(of, &diagnostic.at) }],
            "relatedLocations": related.into_iter().collect::<Vec<Value>>(),
        })
    };
    let results: Vec<Value> = findings.iter().flat_map(|of| of.diagnostics.iter().map(move |diagnostic| result(of, diagnostic))).collect();
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json", "version": "2.1.0",
        "runs": [{
            "tool": { "driver": { "name": "waybill", "version": env!("CARGO_PKG_VERSION"), "rules": codes.iter().map(rule).collect::<Vec<_>>() } },
            "columnKind": "unicodeCodePoints", "results": results,
        }],
    })
}

fn junit(findings: &[Findings]) -> String {
    let cases = findings.iter().map(|of| {
        let name = of.path.to_string_lossy().into_owned();
        let mut case = element("testcase").with("classname", "waybill.map.check").with("name", &name);
        let errors: Vec<&Diagnostic> = of.diagnostics.iter().filter(|diagnostic| diagnostic.severity == Severity::Error).collect();
        if let Some(first) = errors.first() {
            let all: Vec<String> = errors.iter().map(ToString::to_string).collect();
            let failure = element("failure").with("type", first.code).with("message", &first.text).text(&all.join("\n"));
            case = case.child(failure);
        }
        let warnings: Vec<String> =
            of.diagnostics.iter().filter(|diagnostic| diagnostic.severity == Severity::Warning).map(ToString::to_string).collect();
        if warnings.is_empty() { case } else { case.child(element("system-out").text(&warnings.join("\n"))) }
    });
    let failed = findings.iter().filter(|of| of.diagnostics.iter().any(|diagnostic| denied(diagnostic, false))).count();
    suite("map check", findings.len(), failed, cases.collect())
}

/// A JUnit document of one suite.
pub(crate) fn suite(name: &str, tests: usize, failures: usize, cases: Vec<super::page::Node>) -> String {
    let counts = |suite: super::page::Node| {
        suite.with("name", name).with("tests", &tests.to_string()).with("failures", &failures.to_string()).with("errors", "0")
    };
    let suite = cases.into_iter().fold(counts(element("testsuite")), super::page::Node::child);
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    out.push_str(&written(&Item::Node(counts(element("testsuites")).child(suite))));
    out.push('\n');
    out
}

/// Appends what a formatting macro makes; a `String` takes everything.
pub(crate) fn push(out: &mut String, arguments: std::fmt::Arguments<'_>) {
    out.write_fmt(arguments).expect("writing to a String cannot fail");
}
