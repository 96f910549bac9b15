//! Evidence in parts: one question, answered by a bundle for each of the periods that follow each other. Each part verifies alone.

use super::manifest::Manifest;
use super::{Complete, Covered, Files, MANIFEST, Problem, Query, Report, Trust, read, verify_all};
use crate::examine::Crew;
use crate::record::StreamKind;
use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

const BEGINS: &str = "part-";
const DIGITS: usize = 6;

/// The name of a part's folder, from 1.
#[must_use]
pub fn part(number: u64) -> String {
    format!("{BEGINS}{number:0DIGITS$}")
}

/// The folders of a directory's parts in order, and the names of what is no part. A directory that has no first part is no
/// evidence in parts: then there is nothing.
///
/// # Errors
/// The directory cannot be read.
pub fn parts(dir: &Path) -> io::Result<(Vec<PathBuf>, Vec<String>)> {
    let mut names = BTreeSet::new();
    for item in std::fs::read_dir(dir)? {
        names.insert(item?.file_name().to_string_lossy().into_owned());
    }
    let mut found = Vec::new();
    while names.remove(&part(found.len() as u64 + 1)) {
        found.push(dir.join(part(found.len() as u64 + 1)));
    }
    Ok(if found.is_empty() { (Vec::new(), Vec::new()) } else { (found, names.into_iter().collect()) })
}

/// What a bundle says that it was asked; nothing of it is verified. `None` if that cannot be read.
#[must_use]
pub fn asked(dir: &Path) -> Option<Query> {
    Query::read(&Manifest::read(&std::fs::read(dir.join(MANIFEST)).ok()?)?.query)
}

/// Verifies evidence in parts, offline: each part by itself, one of a crew's members a part, and that their periods follow each other
/// without a gap, of one question, ledger and exporter. `done` is shown each part as it was read, with what is found in it. The report's
/// question is that of all parts together: where a pull was cut, its period ends where the last part does.
///
/// # Errors
/// A directory cannot be read.
pub fn verify_parts(dir: &Path, trust: &Trust, crew: &impl Crew, done: &(dyn Fn(&Files, &Report) + Sync)) -> io::Result<Report> {
    let (folders, odd) = parts(dir)?;
    let verified = crew.each(folders.clone(), |folder| {
        let read = read(&folder)?;
        let report = verify_all(&read, trust);
        done(&read.0, &report);
        Ok::<Report, io::Error>(report)
    });
    let mut whole: Option<Report> = None;
    let mut problems = Vec::new();
    for (number, report) in (1..).zip(verified) {
        let mut report = report?;
        let here = |problem: Problem| Problem { file: format!("{}/{}", part(number), problem.file), ..problem };
        problems.extend(std::mem::take(&mut report.problems).into_iter().map(here));
        let Some(before) = whole.take() else {
            whole = Some(report);
            continue;
        };
        if let Some(what) = parted(&before, &report) {
            problems.push(Problem { file: part(number), entry: None, what: what.to_owned() });
        }
        whole = Some(joined(before, report));
    }
    for pair in folders.windows(2) {
        let [one, other] = pair else { continue };
        if let Some(name) = contradiction(one, other)? {
            problems.push(Problem { file: name, entry: None, what: "not the same in the part before".to_owned() });
        }
    }
    let stray = odd.into_iter().map(|name| Problem {
        file: name,
        entry: None,
        what: "does not belong here, or a part before it is missing".to_owned(),
    });
    problems.extend(stray);
    problems.sort();
    let mut report = whole.unwrap_or_default();
    if folders.is_empty() {
        problems.push(Problem { file: part(1), entry: None, what: "missing".to_owned() });
    }
    if !problems.is_empty() {
        report.members.clear();
    }
    report.problems = problems;
    Ok(report)
}

/// Why a part is not the next one.
fn parted(before: &Report, next: &Report) -> Option<&'static str> {
    if (&before.ledger, before.genesis) != (&next.ledger, next.genesis) {
        return Some("of another ledger than the part before");
    }
    if before.exporter != next.exporter {
        return Some("of another exporter than the part before");
    }
    let question = |query: &Query| Query { from: None, to: None, ..query.clone() };
    if question(&before.query) != question(&next.query) {
        return Some("of another question than the part before");
    }
    if before.query.to.is_none() || before.query.to != next.query.from {
        return Some("its period does not begin where that of the part before ends");
    }
    None
}

/// What two parts that follow each other say together.
fn joined(before: Report, next: Report) -> Report {
    let Report { entries, signatures, checkpoint, root, members, .. } = next;
    let complete = before.complete.iter().filter_map(|before| {
        let next = next.complete.iter().find(|next| (next.kind, &next.id) == (before.kind, &before.id))?;
        // What the members decided is in every part from its beginning on.
        let earlier = if before.kind == StreamKind::Governance { 0 } else { before.within };
        Some(Complete { within: earlier + next.within, ..next.clone() })
    });
    let streams = before.streams.iter().filter_map(|before| {
        let next = next.streams.iter().find(|next| (next.kind, &next.id) == (before.kind, &before.id))?;
        (next.first <= before.last + 1).then(|| Covered { first: before.first.min(next.first), ..next.clone() })
    });
    let (complete, streams) = (complete.collect(), streams.collect());
    let mut answers = before.answers;
    answers.extend(next.answers);
    let query = Query { to: next.query.to, ..before.query };
    let (entries, signatures) = (before.entries + entries, before.signatures + signatures);
    Report { entries, signatures, checkpoint, root, members, complete, streams, answers, query, ..before }
}

/// A leaf that is in both parts, with other octets: the first of one period shows in the part before that nothing comes after, and
/// the last of the other that nothing came before.
fn contradiction(one: &Path, other: &Path) -> io::Result<Option<String>> {
    for item in std::fs::read_dir(other.join("entries"))? {
        let name = Path::new("entries").join(item?.file_name());
        if one.join(&name).is_file() && std::fs::read(one.join(&name))? != std::fs::read(other.join(&name))? {
            return Ok(other.file_name().map(|part| Path::new(part).join(&name).to_string_lossy().into_owned()));
        }
    }
    Ok(None)
}
