//! Answers as text, JSON or XML: the one place that turns an answer into lines.

use crate::cli::Output;
use serde_json::{Map, Value};
use std::io::{Error, ErrorKind, Write};
use std::sync::OnceLock;
use xsd::tree::Element;

/// What kept standard output from being written, the first time.
static FAILED: OnceLock<Error> = OnceLock::new();

/// Writes to standard output. A reader that has gone away is no failure of ours; any other is kept for [`failed`].
pub fn out(text: &str) {
    let mut stdout = std::io::stdout().lock();
    let written = stdout.write_all(text.as_bytes()).and_then(|()| stdout.write_all(b"\n")).and_then(|()| stdout.flush());
    if let Err(error) = written
        && error.kind() != ErrorKind::BrokenPipe
    {
        FAILED.get_or_init(|| error);
    }
}

/// Why what was to be printed was not, if so.
#[must_use]
pub fn failed() -> Option<&'static Error> {
    FAILED.get()
}

/// Writes to standard error.
pub fn err(text: &str) {
    let mut stderr = std::io::stderr().lock();
    drop(stderr.write_all(text.as_bytes()).and_then(|()| stderr.write_all(b"\n")));
}

/// Prints an answer in the form asked for.
pub fn answer(element: &Element, output: Output) {
    match output {
        Output::Xml => out(&String::from_utf8_lossy(&xsd::write::canonical(element, &[], &[]))),
        Output::Json => out(&format!("{:#}", json(element))),
        Output::Table => {
            let mut lines = Vec::new();
            table(element, 0, &mut lines);
            out(&lines.join("\n"));
        }
    }
}

/// An element as JSON: attributes and children by local name, repeated children as an array, text alone as a string.
#[must_use]
pub fn json(element: &Element) -> Value {
    let mut members = Map::new();
    for attribute in element.attributes() {
        members.insert(attribute.name.local().to_owned(), Value::String(attribute.value.clone()));
    }
    for child in element.elements() {
        let value = json(child);
        match members.get_mut(child.name().local()) {
            Some(Value::Array(values)) => values.push(value),
            Some(first) => *first = Value::Array(vec![first.take(), value]),
            None => {
                members.insert(child.name().local().to_owned(), value);
            }
        }
    }
    let text = element.string();
    match (members.is_empty(), text.trim().is_empty()) {
        (true, _) => Value::String(text),
        (false, true) => Value::Object(members),
        (false, false) => {
            members.insert(String::from("value"), Value::String(text));
            Value::Object(members)
        }
    }
}

fn table(element: &Element, depth: usize, lines: &mut Vec<String>) {
    let indent = "  ".repeat(depth);
    let attributes: Vec<String> =
        element.attributes().iter().map(|attribute| format!("{}={}", attribute.name.local(), attribute.value)).collect();
    let mut line = format!("{indent}{}", element.name().local());
    if !attributes.is_empty() {
        line = format!("{line} ({})", attributes.join(", "));
    }
    if element.elements().next().is_some() {
        lines.push(line);
        for child in element.elements() {
            table(child, depth + 1, lines);
        }
        return;
    }
    let text = element.string();
    let mut rows = text.lines();
    lines.push(format!("{line}: {}", rows.next().unwrap_or_default()));
    lines.extend(rows.map(|row| format!("{indent}  {row}")));
}
