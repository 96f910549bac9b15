//! What `check` says of a mapping: a code, both places, and what to do about it.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use xsd::tree::Place;

/// Whether a mapping with this diagnostic may run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// It may not.
    Error,
    /// It may, and somebody should look.
    Warning,
}

/// A place in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Location {
    /// The file's name, as the mapping or the schema names it.
    pub file: Arc<str>,
    /// Line and column; the default (line 0) for the file as a whole.
    pub place: Place,
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.place.line == 0 { f.write_str(&self.file) } else { write!(f, "{}:{}", self.file, self.place) }
    }
}

/// One finding. Families: SM0xx document, SM1xx source, SM2xx target, SM3xx coverage, SM4xx streaming, SM5xx schema drift.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// Error or warning.
    pub severity: Severity,
    /// The code, which never changes meaning.
    pub code: &'static str,
    /// The rule of the mapping.
    pub at: Location,
    /// What is wrong, in one sentence.
    pub text: String,
    /// Where the schema declares what the rule speaks of.
    pub declared: Option<Location>,
    /// What would mend it.
    pub help: Option<String>,
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        write!(f, "{severity}[{}] {}: {}", self.code, self.at, self.text)?;
        if let Some(declared) = &self.declared {
            write!(f, "\n    declared: {declared}")?;
        }
        if let Some(help) = &self.help {
            write!(f, "\n    help: {help}")?;
        }
        Ok(())
    }
}

/// All findings of one run, with the file they are about.
#[derive(Debug)]
pub(crate) struct Report {
    file: Arc<str>,
    found: Vec<Diagnostic>,
}

impl Report {
    pub(crate) fn new(file: impl Into<Arc<str>>) -> Self {
        Self { file: file.into(), found: Vec::new() }
    }

    pub(crate) fn error(&mut self, code: &'static str, place: Place, text: impl Into<String>) -> &mut Diagnostic {
        self.add(Severity::Error, code, place, text.into())
    }

    pub(crate) fn warning(&mut self, code: &'static str, place: Place, text: impl Into<String>) -> &mut Diagnostic {
        self.add(Severity::Warning, code, place, text.into())
    }

    fn add(&mut self, severity: Severity, code: &'static str, place: Place, text: String) -> &mut Diagnostic {
        let at = Location { file: Arc::clone(&self.file), place };
        self.found.push(Diagnostic { severity, code, at, text, declared: None, help: None });
        self.found.last_mut().expect("one was pushed just now")
    }

    pub(crate) fn failed(&self) -> bool {
        self.found.iter().any(|diagnostic| diagnostic.severity == Severity::Error)
    }

    /// The findings in the order of the document, errors before warnings. A rule that could not be read is one finding, not also
    /// what its absence seems to leave undone.
    pub(crate) fn into_sorted(mut self) -> Vec<Diagnostic> {
        let unread = |diagnostic: &Diagnostic| diagnostic.code.starts_with("SM01");
        let places: BTreeSet<Place> =
            self.found.iter().filter(|diagnostic| unread(diagnostic)).map(|diagnostic| diagnostic.at.place).collect();
        self.found.retain(|diagnostic| {
            let follows = ["SM202", "SM300", "SM301"].contains(&diagnostic.code) || places.contains(&diagnostic.at.place);
            places.is_empty() || unread(diagnostic) || !follows
        });
        self.found.sort_by_key(|diagnostic| (diagnostic.severity == Severity::Warning, diagnostic.at.place));
        self.found.dedup();
        self.found
    }
}

impl Diagnostic {
    pub(crate) fn helped(&mut self, help: impl Into<String>) -> &mut Self {
        self.help = Some(help.into());
        self
    }

    pub(crate) fn declared_at(&mut self, location: Option<Location>) -> &mut Self {
        self.declared = location;
        self
    }
}

/// The candidate most like `name`, and how many letters apart they are.
pub(crate) fn closest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<(&'a str, usize)> {
    candidates.into_iter().map(|candidate| (candidate, distance(name, candidate))).min_by_key(|(_, apart)| *apart)
}

/// The candidate that somebody who wrote `name` may well have meant.
pub(crate) fn meant<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let (candidate, apart) = closest(name, candidates)?;
    (apart <= (name.chars().count() / 3).max(1)).then_some(candidate)
}

fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (up, letter) in left.chars().enumerate() {
        let mut next = vec![up + 1];
        for (other, pair) in right.iter().zip(row.windows(2)) {
            let (&[diagonal, above], Some(&before)) = (pair, next.last()) else { continue };
            next.push((diagonal + usize::from(letter != *other)).min(above + 1).min(before + 1));
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_pen_is_recognised() {
        let names = ["Name", "IdNo", "Birth", "Sex"];
        for (slip, expected) in [("Nane", Some("Name")), ("IdNr", Some("IdNo")), ("Brith", None), ("Weight", None), ("name", Some("Name"))]
        {
            assert_eq!(meant(slip, names), expected, "{slip}");
        }
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("", "abc"), 3);
    }
}
