//! The table of fault trials in `conformance/faults.md`.

use super::rows::Row;
use super::trial::Sum;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

const BEGIN: &str = "<!-- rows: written by deploy/faults -->\n";
const END: &str = "<!-- end of rows -->\n";
const HEAD: &str = "| fault | trials | acknowledged | lost | forks | healed after, median / worst | also |\n\
                    | --- | ---: | ---: | ---: | ---: | --- | --- |\n";

/// One line of the table.
#[must_use]
pub fn line(name: &str, sum: &Sum) -> String {
    let mut heal = sum.heal.clone();
    heal.sort_unstable();
    let ms = |time: Option<&Duration>| time.map_or_else(|| String::from("–"), |time| format!("{} ms", time.as_millis()));
    let (median, worst) = (ms(heal.get(heal.len() / 2)), ms(heal.last()));
    let mut said: BTreeMap<&str, usize> = BTreeMap::new();
    let mut times: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
    for text in &sum.said {
        match text.strip_suffix(" ms").and_then(|text| text.rsplit_once(' ')) {
            Some((what, number)) => times.entry(what).or_default().push(number.parse().unwrap_or(u64::MAX)),
            None => *said.entry(text).or_default() += 1,
        }
    }
    let mut also: Vec<String> = said.into_iter().map(|(what, count)| format!("{what} ({count})")).collect();
    for (what, mut numbers) in times {
        numbers.sort_unstable();
        let median = numbers.get(numbers.len() / 2).copied().unwrap_or(0);
        also.push(format!("{what} {median} / {} ms", numbers.last().copied().unwrap_or(0)));
    }
    also.extend(sum.wrong.iter().map(|why| format!("WRONG: {why}")));
    let Sum { trials, acknowledged, lost, forks, .. } = sum;
    format!("| {name} | {trials} | {acknowledged} | {lost} | {forks} | {median} / {worst} | {} |\n", also.join("; "))
}

/// Puts lines in their places in the file; those of other rows stay.
///
/// # Errors
/// The file cannot be read or written, or has no place for a table.
pub fn write(path: &Path, rows: &[Row], lines: &BTreeMap<String, String>) -> Result<(), String> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let split = text.split_once(BEGIN).and_then(|(before, rest)| rest.split_once(END).map(|(table, after)| (before, table, after)));
    let (before, table, after) = split.ok_or_else(|| format!("{}: no place for the rows", path.display()))?;
    let standing = |name: &str| table.lines().find(|line| line.starts_with(&format!("| {name} |"))).map(|line| format!("{line}\n"));
    let names = rows.iter().map(|row| row.name).chain(["lying fsync (control)"]);
    let body: String = names.filter_map(|name| lines.get(name).cloned().or_else(|| standing(name))).collect();
    std::fs::write(path, [before, BEGIN, HEAD, &body, END, after].concat()).map_err(|error| format!("{}: {error}", path.display()))
}
