//! From schema documents to the graph: documents found through a resolver, components resolved, every defect reported at once.

mod attributes;
mod builtin;
mod catalogue;
mod check;
mod complex;
mod components;
mod conditional;
mod constraints;
mod derive;
mod documents;
mod grammar;
mod opaque;
mod particles;
mod redefine;
mod sample;

pub(crate) use complex::subset;

use crate::read::Malformed;
use crate::schema::{Schemas, Source};
use crate::tree::{Element, QName};
use crate::write::Binding;
use std::fmt;

/// Finds a schema document by its location, already resolved against the document that names it, and its namespace (empty for
/// none, and for an include). Nothing is ever fetched from a network.
pub type Resolver<'r> = &'r dyn Fn(&str, &str) -> Option<Vec<u8>>;

/// Says the one name of a document that may have several.
pub type Naming<'r> = &'r dyn Fn(String) -> String;

/// A schema document that has been read already, as the one inside a WSDL.
#[derive(Clone, Debug)]
pub struct Document {
    /// What messages call it, and what locations in it are relative to.
    pub name: String,
    /// Its `xs:schema`.
    pub root: Element,
    /// The namespace declarations around the root.
    pub inherited: Vec<Binding>,
}

/// Why schema documents make no graph.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Defect {
    /// The constraint of XML Schema part 1 or 2 by its name, as `src-resolve` or `cos-nonambig`; `s4s-…` for what the schema for
    /// schemas forbids, `xml` for what is no XML, `missing` for what is not found, `unsupported` for what is too large to be loaded.
    pub rule: &'static str,
    /// Where.
    pub source: Source,
    /// What is wrong, in one sentence.
    pub what: String,
    /// What may help.
    pub help: Option<String>,
}

impl fmt::Display for Defect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error[{}] {}: {}", self.rule, self.source, self.what)?;
        match &self.help {
            Some(help) => write!(f, "\n    help: {help}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Defect {}

impl Defect {
    fn of_xml(file: &str, malformed: Malformed) -> Self {
        Self { rule: "xml", source: Source { file: file.into(), place: malformed.place }, what: malformed.what, help: None }
    }
}

/// How much of XML Schema's law a schema must keep.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Level {
    /// All of it, as the W3C's test suite judges.
    #[default]
    Strict,
    /// What schemas in use break without harm is a warning: restrictions that widen, content models that are ambiguous, a second component
    /// of one name (the last one counts), octets that are not of the encoding, what is not found, which is then opaque.
    Compat,
    /// The documents are no schemas but sample documents: the schema is inferred from them.
    Sample,
}

impl std::str::FromStr for Level {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "strict" => Ok(Self::Strict),
            "compat" => Ok(Self::Compat),
            "sample" => Ok(Self::Sample),
            _ => Err("a level is strict, compat or sample"),
        }
    }
}

/// A graph, and what was let pass.
#[derive(Clone, Debug, Default)]
pub struct Loaded {
    /// The graph.
    pub schemas: Schemas,
    /// Defects that the level lets pass, in the order of files and places.
    pub warnings: Vec<Defect>,
    /// The components that are not known, in the order of their names.
    pub opaque: Vec<Opaque>,
}

/// A component that is used and not known: its document was not found, or has none of the name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opaque {
    /// `type`, `element`, `attribute`, `group` or `attribute group`.
    pub kind: &'static str,
    /// Its name.
    pub name: QName,
    /// Where it is used first.
    pub source: Source,
    /// Why it is not known.
    pub why: String,
}

impl fmt::Display for Opaque {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "opaque: {} {} (used at {}): {}", self.kind, self.name, self.source, self.why)
    }
}

impl Level {
    /// Whether a defect only warns.
    fn lets_pass(self, rule: &str) -> bool {
        const PASSED: &[&str] = &[
            "derivation-ok-restriction",
            "cos-nonambig",
            "cos-element-consistent",
            "sch-props-correct.2",
            "src-resolve.4.2",
            "anyURI",
            "encoding",
        ];
        // What an include or import does not find is no error by itself (part 1 §4.2.1): its names are not known then.
        rule == "missing" || self != Self::Strict && PASSED.iter().any(|passed| rule.starts_with(passed))
    }
}

impl Schemas {
    /// Loads schema documents, each under the name that messages and relative locations use, at [`Level::Strict`].
    ///
    /// # Errors
    /// All defects, in the order of files and places.
    pub fn load(documents: &[(&str, &[u8])], resolver: Resolver<'_>) -> Result<Self, Vec<Defect>> {
        Self::load_at(Level::Strict, documents, resolver).map(|loaded| loaded.schemas)
    }

    /// Loads schema documents, or at [`Level::Sample`] sample documents, each under the name that messages and relative locations use.
    ///
    /// # Errors
    /// All defects that the level does not let pass, in the order of files and places.
    pub fn load_at(level: Level, documents: &[(&str, &[u8])], resolver: Resolver<'_>) -> Result<Loaded, Vec<Defect>> {
        Self::load_named(level, documents, resolver, &|location| location)
    }

    /// As [`Schemas::load_at`], where a document has several names: `naming` says the one that counts.
    ///
    /// # Errors
    /// All defects that the level does not let pass, in the order of files and places.
    pub fn load_named(
        level: Level,
        documents: &[(&str, &[u8])],
        resolver: Resolver<'_>,
        naming: Naming<'_>,
    ) -> Result<Loaded, Vec<Defect>> {
        let mut read = Vec::new();
        let mut defects = Vec::new();
        for (name, octets) in documents {
            match documents::octets(level, octets, name, &mut defects) {
                Ok(root) => read.push(Document { name: (*name).to_owned(), root, inherited: Vec::new() }),
                Err(malformed) => defects.push(Defect::of_xml(name, malformed)),
            }
        }
        let (warnings, errors): (Vec<Defect>, Vec<Defect>) = defects.into_iter().partition(|defect| level.lets_pass(defect.rule));
        if !errors.is_empty() {
            return Err(errors);
        }
        let mut loaded = Self::load_gathered(level, read, (resolver, naming))?;
        loaded.warnings.splice(0..0, warnings);
        Ok(loaded)
    }

    /// Loads schema documents that have been read already, at [`Level::Strict`].
    ///
    /// # Errors
    /// All defects, in the order of files and places.
    pub fn load_documents(documents: Vec<Document>, resolver: Resolver<'_>) -> Result<Self, Vec<Defect>> {
        Self::load_documents_at(Level::Strict, documents, resolver).map(|loaded| loaded.schemas)
    }

    /// Loads documents that have been read already.
    ///
    /// # Errors
    /// All defects that the level does not let pass, in the order of files and places.
    pub fn load_documents_at(level: Level, documents: Vec<Document>, resolver: Resolver<'_>) -> Result<Loaded, Vec<Defect>> {
        Self::load_gathered(level, documents, (resolver, &|location| location))
    }

    fn load_gathered(level: Level, documents: Vec<Document>, resolver: (Resolver<'_>, Naming<'_>)) -> Result<Loaded, Vec<Defect>> {
        let documents = if level == Level::Sample { sample::infer(&documents) } else { documents };
        let (documents, mut defects) = documents::gather(level, documents, resolver);
        let (schemas, more, opaque) = components::compile(level, &documents);
        defects.extend(more);
        defects.sort_by(|left, right| (&left.source.file, left.source.place).cmp(&(&right.source.file, right.source.place)));
        defects.dedup();
        let (warnings, errors): (Vec<Defect>, Vec<Defect>) = defects.into_iter().partition(|defect| level.lets_pass(defect.rule));
        if errors.is_empty() { Ok(Loaded { schemas, warnings, opaque }) } else { Err(errors) }
    }
}

/// The candidate nearest to `wanted`, if one is near enough to have been meant.
pub(crate) fn nearest<'c>(wanted: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    const LENGTH_MAX: usize = 64;
    let length = wanted.chars().count();
    if length > LENGTH_MAX {
        return None;
    }
    let near = candidates
        .into_iter()
        .filter(|candidate| candidate.chars().count() <= LENGTH_MAX)
        .map(|candidate| (distance(wanted, candidate), candidate));
    near.filter(|(distance, _)| *distance > 0 && *distance <= length.div_ceil(3))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Levenshtein's distance, letters of other case counting as equal but for one.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (i, a) in left.chars().enumerate() {
        let mut diagonal = i;
        let mut before = i + 1;
        let mut next = vec![before];
        for (b, above) in right.iter().zip(row.iter().skip(1)) {
            let cost = usize::from(a != *b);
            before = (diagonal + cost).min(above + 1).min(before + 1);
            diagonal = *above;
            next.push(before);
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}
