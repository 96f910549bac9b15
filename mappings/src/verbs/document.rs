//! `map doc`: a mapping as a page with a line from each field of the source to where it goes, and as a table for people of the trade.

use crate::document::Origin;
use crate::verbs::explain::type_words;
use crate::verbs::markup::{tag_at, unescaped};
use crate::verbs::page::{Item, Node, element, written};
use crate::verbs::parts::Parts;
use crate::verbs::wires::{Node as Decl, Wire};
use std::path::Path;

/// One line of the table: a field of the source and what becomes of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Row {
    source: String,
    source_type: String,
    source_words: String,
    target: String,
    target_type: String,
    rule: String,
    reason: String,
    line: String,
}

fn rows(parts: &Parts) -> Vec<Row> {
    let wires = parts.wires();
    let mut rows = Vec::new();
    for wire in &wires {
        match wire.rule {
            "ignore" => rows.extend(
                wire.reads
                    .iter()
                    .map(|reading| Row { reason: attribute(parts, wire, "reason"), ..row(wire, &reading.shown, reading.end.as_ref()) }),
            ),
            "set" => {
                let rule = summary(parts, wire);
                let (target, target_type) = wire.writes.as_ref().map_or_else(Default::default, |writes| {
                    (writes.shown.clone(), writes.end.as_ref().map(type_words).unwrap_or_default())
                });
                let whole = |row: Row| Row { target: target.clone(), target_type: target_type.clone(), rule: rule.clone(), ..row };
                if wire.reads.is_empty() {
                    rows.push(whole(row(wire, "", None)));
                }
                rows.extend(wire.reads.iter().map(|reading| whole(row(wire, &reading.shown, reading.end.as_ref()))));
            }
            _ => {}
        }
    }
    rows
}

fn row(wire: &Wire<'_, '_>, source: &str, end: Option<&Decl<'_>>) -> Row {
    Row {
        source: source.to_owned(),
        source_type: end.map(type_words).unwrap_or_default(),
        source_words: end.and_then(Decl::documentation).unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" "),
        line: wire.place.line.to_string(),
        ..Row::default()
    }
}

fn attribute(parts: &Parts, wire: &Wire<'_, '_>, name: &str) -> String {
    tag_at(&parts.text, wire.place).and_then(|tag| Some(unescaped(tag.attribute(name)?.raw))).unwrap_or_default()
}

/// What a rule does with its value, as its attributes say.
fn summary(parts: &Parts, wire: &Wire<'_, '_>) -> String {
    let Some(tag) = tag_at(&parts.text, wire.place) else { return String::new() };
    let constant = wire.set.is_some_and(|set| matches!(set.origin, Origin::Value(_)));
    let told =
        tag.attributes.iter().filter(|attribute| !["path", "from"].contains(&attribute.name) && !attribute.name.starts_with("xmlns"));
    let told: Vec<String> = told
        .map(|attribute| {
            if constant && attribute.name == "value" {
                format!("constant “{}”", unescaped(attribute.raw))
            } else {
                format!("{} {}", attribute.name, unescaped(attribute.raw))
            }
        })
        .collect();
    told.join(", ")
}

/// The table as CSV (RFC 4180), with a line of headings.
///
/// # Errors
/// The mapping cannot be read.
pub fn csv(map: &Path) -> Result<String, String> {
    let parts = load(map)?;
    let mut out =
        line(["source", "source type", "source meaning", "target", "target type", "rule", "left out because", "line of the mapping"]);
    for row in rows(&parts) {
        out.push_str(&line([
            &row.source,
            &row.source_type,
            &row.source_words,
            &row.target,
            &row.target_type,
            &row.rule,
            &row.reason,
            &row.line,
        ]));
    }
    Ok(out)
}

fn line(fields: [&str; 8]) -> String {
    // A spreadsheet takes what begins so for a formula.
    let safe = |field: &str| if field.starts_with(['=', '+', '-', '@', '\t']) { ["'", field].concat() } else { field.to_owned() };
    let quoted =
        |field: &str| if field.contains([',', '"', '\n', '\r']) { format!("\"{}\"", field.replace('"', "\"\"")) } else { field.to_owned() };
    let fields: Vec<String> = fields.iter().map(|field| quoted(&safe(field))).collect();
    format!("{}\r\n", fields.join(","))
}

fn load(map: &Path) -> Result<Parts, String> {
    Parts::load(map).map_err(|found| found.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
}

const STYLE: &str = "body{font:15px/1.45 system-ui,sans-serif;margin:2rem;color:#1b1f24;background:#fff}h1{font-size:1.4rem}svg{max-width:100%;height:auto}\
svg text{font:13px system-ui,sans-serif;fill:#1b1f24}path{fill:none;stroke:#3a6ea5;stroke-width:1.4}path:hover{stroke:#c2410c;stroke-width:3}.left{fill:#8a8f98}\
table{border-collapse:collapse;margin-top:1rem}td,th{border:1px solid #d0d4da;padding:.25rem .5rem;text-align:left;vertical-align:top}th{background:#f3f5f8}";

const ROW: usize = 24;

/// The page: a drawing of lines between source and target, then the table. It needs nothing from outside.
///
/// # Errors
/// The mapping cannot be read.
pub fn html(map: &Path) -> Result<String, String> {
    let parts = load(map)?;
    let rows = rows(&parts);
    let document = &parts.document;
    let title = format!("Mapping {} {}", document.id, document.version);
    let coverage = crate::Mapping::check(map).coverage;
    let head = element("head")
        .child(element("meta").with("charset", "utf-8"))
        .child(element("title").text(&title))
        .child(element("style").text(STYLE));
    let headings = ["Source", "Type", "Meaning", "Target", "Type", "Rule", "Left out because", "Line"];
    let mut table = element("table").child(element("tr").children(headings.iter().map(|heading| element("th").text(heading))));
    for row in &rows {
        let fields = [&row.source, &row.source_type, &row.source_words, &row.target, &row.target_type, &row.rule, &row.reason, &row.line];
        table = table.child(element("tr").children(fields.iter().map(|field| element("td").text(field))));
    }
    let body = element("body")
        .child(element("h1").text(&title))
        .child(element("p").text(&format!("Leaves of a record: {coverage}.")))
        .child(drawing(&rows))
        .child(table);
    let page = element("html").with("lang", "en").child(head).child(body);
    Ok(["<!DOCTYPE html>\n", &written(&Item::Node(page)), "\n"].concat())
}

fn drawing(rows: &[Row]) -> Node {
    let (mut left, mut right): (Vec<&str>, Vec<&str>) = (Vec::new(), Vec::new());
    for row in rows {
        for (side, text) in [(&mut left, row.source.as_str()), (&mut right, row.target.as_str())] {
            if !text.is_empty() && !side.contains(&text) {
                side.push(text);
            }
        }
    }
    let height = (left.len().max(right.len()) + 1) * ROW;
    let at = |side: &[&str], text: &str| side.iter().position(|known| *known == text).map(|at| (at + 1) * ROW);
    let mut svg =
        element("svg").with("xmlns", "http://www.w3.org/2000/svg").with("viewBox", &format!("0 0 1120 {height}")).with("role", "img");
    svg = svg.child(element("title").text("Lines from each field of the source to the field of the target it becomes"));
    let label = |x: &str, y: usize, anchor: &str, class: &str, text: &str| {
        element("text").with("x", x).with("y", &y.to_string()).with("text-anchor", anchor).with("class", class).text(text)
    };
    for source in &left {
        let ignored = rows.iter().filter(|row| row.source == *source).all(|row| row.target.is_empty());
        let reason = rows.iter().find(|row| row.source == *source).map(|row| row.reason.clone()).unwrap_or_default();
        let node = label("400", at(&left, source).unwrap_or_default(), "end", if ignored { "left" } else { "field" }, source);
        svg = svg.child(if ignored { node.child(element("title").text(&reason)) } else { node });
    }
    for target in &right {
        svg = svg.child(label("720", at(&right, target).unwrap_or_default(), "start", "field", target));
    }
    for row in rows {
        if let (Some(from), Some(to)) = (at(&left, &row.source), at(&right, &row.target)) {
            let (from, to) = (from - 5, to - 5);
            let line = element("path").with("d", &format!("M410 {from} C520 {from} 600 {to} 710 {to}"));
            let words = format!("{} → {} (line {}) {}", row.source, row.target, row.line, row.rule);
            svg = svg.child(line.child(element("title").text(&words)));
        }
    }
    svg
}
