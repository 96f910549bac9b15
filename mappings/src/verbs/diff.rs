//! `map diff OLD NEW`: the changes between two releases of a schema, the rules of mappings that they hit, and the edits that are mechanical.

use crate::document::Document;
use crate::files::Files;
use crate::path::split_outside;
use crate::verbs::evolve::{Change, Impact, Key, changes, key};
use crate::verbs::markup::{self, edited, tag_at};
use crate::verbs::parts::Parts;
use crate::verbs::report::push;
use crate::verbs::wires::{Node, Reading, Wire, wires};
use std::cell::RefCell;
use std::ops::Range;
use std::path::{Path, PathBuf};
use xsd::load::{Level, Loaded};
use xsd::schema::{Schemas, Source};
use xsd::tree::{Place, QName};

/// A rule that a change concerns.
#[derive(Clone, Debug)]
pub struct Hit {
    /// The mapping.
    pub map: PathBuf,
    /// The rule.
    pub place: Place,
    /// As `m:set from`.
    pub rule: String,
    /// The path as the rule writes it.
    pub path: String,
    /// Whether the rule reads the schema; else it writes it.
    pub reads: bool,
    /// Whether `--fix` mended it.
    pub fixed: bool,
}

/// What `map diff` found.
#[derive(Debug)]
pub struct Diffed {
    /// The changes, each with the rules that it hits.
    pub changes: Vec<(Change, Vec<Hit>)>,
    /// Mappings with their new text, where `--fix` had something to do.
    pub fixed: Vec<(PathBuf, String)>,
    /// How many mappings were looked at.
    pub maps: usize,
}

/// Loads a schema and what it names, from its folder, at level compat.
///
/// # Errors
/// Its defects, as text.
pub fn schema(path: &Path) -> Result<Schemas, String> {
    loaded(path).map(|(schemas, _)| schemas)
}

/// As [`schema`], with what it names and what was not found.
///
/// # Errors
/// Its defects, as text.
pub fn loaded(path: &Path) -> Result<(Schemas, Vec<String>), String> {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let files = Files::new(path.parent().unwrap_or(Path::new("")));
    let octets = files.read(&name).map_err(|why| format!("{}: {why}", path.display()))?;
    let refused = RefCell::new(Vec::new());
    let resolve = |location: &str, namespace: &str| match crate::files::unified(namespace) {
        Some(octets) => Some(octets.to_vec()),
        None if location.is_empty() => None,
        None => files.read(location).map_err(|why| refused.borrow_mut().push((location.to_owned(), why))).ok(),
    };
    let loaded = Schemas::load_at(Level::Compat, &[(&name, &octets)], &resolve);
    let missing = |loaded: &Loaded| {
        let missing = loaded.warnings.iter().filter(|warning| warning.rule == "missing");
        let why =
            |what: &str| refused.borrow().iter().find(|(location, _)| what.contains(&format!("{location:?}"))).map(|(_, why)| why.clone());
        missing
            .map(|warning| {
                format!("{}: {}{}", warning.source, warning.what, why(&warning.what).map(|why| format!(" ({why})")).unwrap_or_default())
            })
            .collect()
    };
    loaded
        .map(|loaded| (missing(&loaded), loaded))
        .map(|(missing, loaded)| (loaded.schemas, missing))
        .map_err(|defects| defects.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
}

/// Compares two releases; with mappings, says which of their rules are hit, and with `fix` renames what was renamed.
///
/// # Errors
/// A schema or a mapping cannot be read; all that is wrong with it, as text.
pub fn diff(old: &Path, new: &Path, maps: &[PathBuf], fix: bool) -> Result<Diffed, String> {
    let (old, new) = (schema(old)?, schema(new)?);
    let mut parts = Vec::new();
    for map in maps {
        let part = Parts::load(map).map_err(|found| found.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))?;
        parts.push((map, part));
    }
    let roots: Vec<QName> = parts.iter().flat_map(|(_, part)| roots(&part.document, &old)).collect();
    if !maps.is_empty() && roots.is_empty() {
        return Err("none of the mappings reads or writes a global element of the old schema: is it theirs?".to_owned());
    }
    let mut found: Vec<(Change, Vec<Hit>)> = changes(&old, &new, &roots).into_iter().map(|change| (change, Vec::new())).collect();
    let mut fixed = Vec::new();
    for (map, part) in &parts {
        let edits = hits(map, part, &old, &mut found, fix);
        if !edits.is_empty() {
            fixed.push(((*map).clone(), edited(&part.text, edits)));
        }
    }
    Ok(Diffed { changes: found, fixed, maps: maps.len() })
}

/// The roots of a mapping that a schema declares.
fn roots(document: &Document, schemas: &Schemas) -> Vec<QName> {
    let all = std::iter::once(&document.source).chain(&document.targets);
    all.map(|side| side.root.clone()).filter(|root| schemas.element(root).is_some()).collect()
}

/// Adds to each change the rules that it hits; returns the edits of the mapping's text.
fn hits(map: &Path, part: &Parts, old: &Schemas, found: &mut [(Change, Vec<Hit>)], fix: bool) -> Vec<(Range<usize>, String)> {
    let document = &part.document;
    let source = old.element(&document.source.root).map(|_| old);
    let targets: Vec<Option<&Schemas>> = document.targets.iter().map(|side| old.element(&side.root).map(|_| old)).collect();
    let wires = wires(document, source, &targets);
    let mut edits: Vec<(Range<usize>, String)> = Vec::new();
    for (change, hits) in found {
        for (wire, reading, at, reads) in wires.iter().flat_map(touched) {
            if !keys(reading, at).iter().any(|key| change.keys.contains(key)) {
                continue;
            }
            let edit = change.renamed.as_ref().filter(|_| fix).and_then(|renamed| rename(&part.text, wire.place, reading, at, renamed));
            let hit = Hit {
                map: map.to_owned(),
                place: wire.place,
                rule: format!("m:{} {}", wire.rule, reading.attribute),
                path: reading.text.clone(),
                reads,
                fixed: edit.is_some(),
            };
            edits.extend(edit.filter(|edit| !edits.contains(edit)));
            if !hits.iter().any(|known| (known.place, &known.rule, &known.path) == (hit.place, &hit.rule, &hit.path)) {
                hits.push(hit);
            }
        }
    }
    edits
}

/// Every step of every path of a rule, with whether it is read.
fn touched<'w, 'd, 's>(wire: &'w Wire<'d, 's>) -> Vec<(&'w Wire<'d, 's>, &'w Reading<'s>, usize, bool)> {
    let sides = wire.reads.iter().map(|reading| (reading, true)).chain(wire.writes.iter().map(|writing| (writing, false)));
    sides.flat_map(|(reading, reads)| (0..reading.nodes.len()).map(move |at| (wire, reading, at, reads))).collect()
}

/// What a step is for the comparison: a name in a type, and, where the path ends, that type as a whole.
fn keys(reading: &Reading<'_>, at: usize) -> Vec<Key> {
    let last = at + 1 == reading.nodes.len();
    match reading.nodes.get(at) {
        Some(Node::Attribute { used, owner }) => vec![key(*owner, Some(used.name()), true)],
        Some(Node::Element { inside, of, .. }) => {
            let own = inside.as_ref().map(|(owner, child)| key(*owner, Some(child.element.name()), false));
            own.into_iter().chain(last.then(|| key(*of, None, false))).collect()
        }
        None => Vec::new(),
    }
}

/// The edit that gives step `at` of a rule's path its new name, if the prefix can stay.
fn rename(text: &str, place: Place, reading: &Reading<'_>, at: usize, renamed: &QName) -> Option<(Range<usize>, String)> {
    let old = reading.nodes.get(at)?.name();
    if old.namespace() != renamed.namespace() {
        return None;
    }
    let tag = tag_at(text, place)?;
    let attribute = tag.attribute(reading.attribute)?;
    let start = attribute.value.start + attribute.raw.find(reading.text.as_str())?;
    let mut offset = start;
    let mut step = 0;
    for piece in split_outside(&reading.text, '/')? {
        let name = piece.trim_start().split('[').next().unwrap_or_default().trim_end();
        if step == at && markup::local(name.trim_start_matches('@')) == old.local() {
            let lead = piece.len() - piece.trim_start().len();
            let end = offset + lead + name.len();
            return Some((end - old.local().len()..end, renamed.local().to_owned()));
        }
        step += usize::from(name != "." && name != "..");
        offset += piece.len() + 1;
    }
    None
}

impl Diffed {
    /// Whether nothing breaks: no rule that is hit, or without mappings no change at all, and what was hit is mended.
    #[must_use]
    pub fn holds(&self) -> bool {
        let breaks = |change: &Change, reads: bool| match change.impact {
            Impact::Both => true,
            Impact::Readers => reads,
            Impact::Writers => !reads,
            Impact::None => false,
        };
        if self.maps == 0 {
            return self.changes.iter().all(|(change, _)| change.impact == Impact::None);
        }
        self.changes.iter().all(|(change, hits)| hits.iter().all(|hit| hit.fixed || !breaks(change, hit.reads)))
    }

    /// For people: each change with both places and the rules that it hits, then the totals.
    #[must_use]
    pub fn text(&self) -> String {
        let mut out = String::new();
        for (change, hits) in &self.changes {
            push(&mut out, format_args!("{}: {}: {}\n", change.impact.words(), change.path, change.what));
            let place = |place: &Option<Source>| place.as_ref().map_or_else(|| "-".to_owned(), ToString::to_string);
            push(&mut out, format_args!("    old {}  new {}\n", place(&change.old), place(&change.new)));
            for hit in hits {
                let fixed = match (&change.renamed, hit.fixed) {
                    (_, true) => ", mended",
                    (Some(_), false) => ", --fix renames it",
                    (None, false) => "",
                };
                push(&mut out, format_args!("    hits {}:{} {}=\"{}\"{fixed}\n", hit.map.display(), hit.place, hit.rule, hit.path));
            }
        }
        let breaking = self.changes.iter().filter(|(change, _)| change.impact != Impact::None).count();
        let mut rules: Vec<(&PathBuf, Place)> =
            self.changes.iter().flat_map(|(_, hits)| hits.iter().map(|hit| (&hit.map, hit.place))).collect();
        rules.sort();
        rules.dedup();
        push(
            &mut out,
            format_args!(
                "{} changes: {breaking} breaking, {} compatible; {} rules of {} mappings are hit\n",
                self.changes.len(),
                self.changes.len() - breaking,
                rules.len(),
                self.maps
            ),
        );
        out
    }
}
