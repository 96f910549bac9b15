//! From schema documents to the graph: documents found through a resolver, components resolved, every defect reported at once.

mod builtin;
mod check;
mod complex;
mod components;
mod derive;
mod documents;
mod grammar;
mod particles;

pub(crate) use complex::subset;

use crate::read::Malformed;
use crate::schema::{Schemas, Source};
use crate::tree::Element;
use crate::write::Binding;
use std::fmt;

/// Finds a schema document by its location, already resolved against the document that names it, and its namespace (empty for
/// none, and for an include). Nothing is ever fetched from a network.
pub type Resolver<'r> = &'r dyn Fn(&str, &str) -> Option<Vec<u8>>;

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
    /// schemas forbids, `xml` for what is no XML, `unsupported` for constructs that are not loaded.
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

impl Schemas {
    /// Loads schema documents, each under the name that messages and relative locations use.
    ///
    /// # Errors
    /// All defects, in the order of files and places.
    pub fn load(documents: &[(&str, &[u8])], resolver: Resolver<'_>) -> Result<Self, Vec<Defect>> {
        let mut read = Vec::new();
        let mut defects = Vec::new();
        for (name, octets) in documents {
            match crate::read::read(octets, None, &documents::LIMITS) {
                Ok(root) => read.push(Document { name: (*name).to_owned(), root, inherited: Vec::new() }),
                Err(malformed) => defects.push(Defect::of_xml(name, malformed)),
            }
        }
        if defects.is_empty() { Self::load_documents(read, resolver) } else { Err(defects) }
    }

    /// Loads schema documents that have been read already.
    ///
    /// # Errors
    /// All defects, in the order of files and places.
    pub fn load_documents(documents: Vec<Document>, resolver: Resolver<'_>) -> Result<Self, Vec<Defect>> {
        let (documents, mut defects) = documents::gather(documents, resolver);
        let (schemas, more) = components::compile(&documents);
        defects.extend(more);
        defects.sort_by(|left, right| (&left.source.file, left.source.place).cmp(&(&right.source.file, right.source.place)));
        defects.dedup();
        if defects.is_empty() { Ok(schemas) } else { Err(defects) }
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
