//! Lock files: which schemas, code tables, contracts and stylesheets a mapping was looked at with, so that another one is noticed.
//!
//! `visit.lock` stands beside `visit.map.xml` and holds what `sha256sum` prints of every file that the mapping names, itself left out.

use crate::diagnostic::Report;
use crate::files::Files;
use std::collections::BTreeMap;
use xsd::tree::Place;

/// The lock file of a mapping's file.
pub(crate) fn name(mapping: &str) -> String {
    let stem = mapping.strip_suffix(".map.xml").or_else(|| mapping.strip_suffix(".xml")).unwrap_or(mapping);
    format!("{stem}.lock")
}

/// What the lock file of a mapping holds whose files were all read.
pub(crate) fn text(mapping: &str, files: &Files) -> String {
    files.digests().into_iter().filter(|(name, _)| name != mapping).map(|(name, sha256)| format!("{sha256}  {name}\n")).collect()
}

/// Compares the files that were read with the lock file, if there is one.
pub(crate) fn verify(mapping: &str, files: &Files, report: &mut Report) {
    let lock = name(mapping);
    let Some(text) = files.beside(&lock) else { return };
    let mut pinned: BTreeMap<&str, &str> = BTreeMap::new();
    for line in text.lines() {
        match line.split_once("  ") {
            Some((sha256, name)) if sha256.len() == 64 => {
                pinned.insert(name, sha256);
            }
            _ => {
                report.error("SM502", Place::default(), format!("{lock} is no lock file: 'SHA-256, two spaces, name' on each line"));
                return;
            }
        }
    }
    const AGAIN: &str = "look at what changed (map diff OLD.xsd NEW.xsd), then write the lock file anew with map lock";
    for (name, sha256) in files.digests() {
        match pinned.remove(name.as_str()) {
            Some(pinned) if pinned != sha256 => {
                let text = format!("'{name}' is not the file that {lock} pins: its SHA-256 is {sha256}");
                report.error("SM501", Place::default(), text).helped(AGAIN);
            }
            None if name != mapping => {
                report.error("SM502", Place::default(), format!("{lock} does not pin '{name}'")).helped(AGAIN);
            }
            _ => {}
        }
    }
    for name in pinned.into_keys() {
        report.error("SM502", Place::default(), format!("{lock} pins '{name}', which the mapping does not read")).helped(AGAIN);
    }
}
