//! `map annotate` and `map lock`: what a mapping knows written into a copy of its schema (SAWSDL), and its files pinned by their digests.

use crate::files::Files;
use crate::verbs::markup::{Piece, Tag, edited, offset, pieces, tag_at};
use crate::verbs::parts::Parts;
use crate::verbs::wires::Node;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::Path;
use xsd::schema::SAWSDL_NAMESPACE;

type Edits = Vec<(Range<usize>, String)>;

/// The mapping's source schema with `sawsdl:liftingSchemaMapping` on its root and `sawsdl:modelReference` on every leaf that becomes
/// something that has one. Declarations in other files are left. Returns the text and how many declarations were annotated.
///
/// # Errors
/// The mapping or its schema cannot be read.
pub fn annotate(map: &Path) -> Result<(String, usize), String> {
    let text = |found: Vec<crate::Diagnostic>| found.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
    let parts = Parts::load(map).map_err(text)?;
    let schema = &parts.document.source.schema;
    let files = Files::new(map.parent().unwrap_or(Path::new("")));
    let octets = files.read(schema)?;
    let text = xsd::decode::decode(&octets, None).map_err(|why| format!("{schema}: {}", why.what))?;
    let root =
        parts.source.as_ref().and_then(|source| source.element(&parts.document.source.root)).ok_or("the source schema does not load")?;
    let mut wanted: BTreeMap<usize, (Option<String>, BTreeSet<String>)> = BTreeMap::new();
    let own = |file: &str| file == schema || schema.ends_with(&["/", file].concat());
    if own(&root.source().file) {
        let name = map.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        wanted.entry(offset(&text, root.source().place)).or_default().0 = Some(name);
    }
    for wire in parts.wires().iter().filter(|wire| wire.rule == "set") {
        let Some(target) = wire.writes.as_ref().and_then(|writes| writes.end) else { continue };
        let references = references(&target);
        for source in wire.reads.iter().filter_map(|reading| reading.end).filter(|source| own(&source.source().file)) {
            wanted.entry(offset(&text, source.source().place)).or_default().1.extend(references.iter().cloned());
        }
    }
    wanted.retain(|_, (mapping, references)| mapping.is_some() || !references.is_empty());
    let (prefix, mut edits) = prefix(&text);
    let count = wanted.len();
    for (at, (mapping, references)) in wanted {
        let Some(tag) = tag_at(&text, xsd_place(&text, at)) else { continue };
        edits.extend(mapping.and_then(|mapping| added(&tag, &[&prefix, ":liftingSchemaMapping"].concat(), [mapping].into())));
        edits.extend(added(&tag, &[&prefix, ":modelReference"].concat(), references));
    }
    Ok((edited(&text, edits), count))
}

fn xsd_place(text: &str, at: usize) -> xsd::tree::Place {
    crate::verbs::markup::place(text, at)
}

fn references(node: &Node<'_>) -> Vec<String> {
    let found = match node {
        Node::Element { decl, .. } => decl.model_references(),
        Node::Attribute { used, .. } => used.model_references(),
    };
    found.into_iter().map(str::to_owned).collect()
}

/// The prefix of SAWSDL in a schema, and the edit that declares it where it is not.
fn prefix(text: &str) -> (String, Edits) {
    let schema = pieces(text).into_iter().find_map(|piece| match piece {
        Piece::Start(tag) => Some(tag),
        _ => None,
    });
    let Some(tag) = schema else { return ("sawsdl".to_owned(), Vec::new()) };
    let bound = tag
        .attributes
        .iter()
        .find(|attribute| attribute.raw == SAWSDL_NAMESPACE)
        .and_then(|attribute| attribute.name.strip_prefix("xmlns:"));
    match bound {
        Some(prefix) => (prefix.to_owned(), Vec::new()),
        None => {
            let at = tag.span.start + 1 + tag.name.len();
            ("sawsdl".to_owned(), vec![(at..at, [" xmlns:sawsdl=\"", SAWSDL_NAMESPACE, "\""].concat())])
        }
    }
}

/// The edit that adds values to an attribute that is a list, or the attribute.
fn added(tag: &Tag<'_>, name: &str, values: BTreeSet<String>) -> Option<(Range<usize>, String)> {
    match tag.attribute(name) {
        Some(attribute) => {
            let known: Vec<&str> = attribute.raw.split_whitespace().collect();
            let fresh: Vec<String> = values.into_iter().filter(|value| !known.contains(&value.as_str())).collect();
            (!fresh.is_empty()).then(|| (attribute.value.end..attribute.value.end, [" ", &fresh.join(" ")].concat()))
        }
        None => {
            let at = tag.span.end - if tag.empty { 2 } else { 1 };
            let values: Vec<String> = values.into_iter().collect();
            (!values.is_empty()).then(|| (at..at, [" ", name, "=\"", &values.join(" "), "\""].concat()))
        }
    }
}

/// A mapping with the SHA-256 of each file that it names, in attributes `sha256`; unified schemas have their version in their name.
/// Returns the text and (file, digest) of each.
///
/// # Errors
/// The mapping or a file that it names cannot be read.
pub fn lock(map: &Path) -> Result<(String, Vec<(String, String)>), String> {
    let file = map.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let files = Files::new(map.parent().unwrap_or(Path::new("")));
    let text = String::from_utf8(files.read(&file)?).map_err(|why| format!("{file}: {why}"))?;
    let mut edits = Vec::new();
    let mut pinned = Vec::new();
    for piece in pieces(&text) {
        let Piece::Start(tag) = piece else { continue };
        let name = match tag.local() {
            "source" | "target" => tag.attribute("schema"),
            "codes" | "xslt" => tag.attribute("href"),
            _ => None,
        };
        let Some(name) = name.map(|attribute| attribute.raw).filter(|name| !name.starts_with("urn:")) else { continue };
        files.read(name)?;
        let digest = files.sha256(name).unwrap_or_default();
        match tag.attribute("sha256") {
            Some(attribute) => edits.push((attribute.value.clone(), digest.clone())),
            None => {
                let at = tag.span.end - if tag.empty { 2 } else { 1 };
                edits.push((at..at, [" sha256=\"", &digest, "\""].concat()));
            }
        }
        pinned.push((name.to_owned(), digest));
    }
    Ok((edited(&text, edits), pinned))
}
