//! The W3C's suite for XML Schema 1.0, the corpora of schemas in use, and what the levels make of them; skipped where they are not there.

#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test stops at what it did not expect, and says what it skips")]

use conformance::xsts::{self, Judgement, Reasons, bucket};
use std::path::{Path, PathBuf};
use std::process::Command;
use xsd::load::Level;
use xsd::schema::Schemas;

/// An archive of the design's folder, unpacked; `None` if it is not there.
fn unpacked(archive: &str, into: &str) -> Option<PathBuf> {
    let archive = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared").join(archive);
    if !archive.exists() {
        eprintln!("skipped: {into} is not there");
        return None;
    }
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(into);
    std::fs::create_dir_all(&folder).unwrap();
    let status = Command::new("tar").arg("-xf").arg(archive).arg("-C").arg(&folder).status();
    assert!(status.unwrap().success(), "tar cannot unpack {into}");
    Some(folder)
}

#[test]
fn the_suite_of_the_w3c() {
    let Some(root) = unpacked("suites/xsts-1.0.tar.xz", "xsts") else { return };
    let groups = xsts::list(&std::fs::read_to_string(root.join("judgements.tsv")).unwrap()).unwrap();
    let judgements = xsts::run(&root, &groups, Level::Strict);
    let all = bucket(&judgements, |_| true);
    let rejected = bucket(&judgements, |judgement| !judgement.instance && !judgement.expected);
    assert!(all.basis_points() >= 9930 && rejected.basis_points() >= 9950, "all {all}, invalid schemas rejected {rejected}");
    let reasons = Reasons::read(include_str!("../xsts-reasons.tsv"));
    let failures: Vec<&Judgement> = judgements.iter().filter(|judgement| !judgement.agrees()).collect();
    let unexplained: Vec<&str> = failures.iter().map(|failure| failure.name.as_str()).filter(|name| reasons.of(name).is_none()).collect();
    assert_eq!(
        (unexplained, reasons.stale(&failures)),
        (Vec::new(), Vec::new()),
        "failures without a reason, and reasons without a failure"
    );
}

fn schemas_in(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
        match entry.path() {
            path if path.is_dir() => schemas_in(&path, found),
            path if path.extension().is_some_and(|extension| extension == "xsd") => found.push(path),
            _ => {}
        }
    }
}

#[test]
fn every_root_of_the_corpora_loads() {
    for (corpus, least) in [("hl7-cda", 7), ("nfe", 200), ("adit", 8), ("ofd", 10), ("semic-core", 10)] {
        let Some(folder) = unpacked(&format!("corpora/{corpus}.tar.xz"), corpus) else { return };
        let mut roots = Vec::new();
        schemas_in(&folder, &mut roots);
        assert!(roots.len() >= least, "{corpus} has {} roots only", roots.len());
        for root in roots {
            let name = root.strip_prefix(&folder).unwrap().to_string_lossy().into_owned();
            let octets = std::fs::read(&root).unwrap();
            let loaded = Schemas::load_at(Level::Compat, &[(&name, &octets)], &|location, _| std::fs::read(folder.join(location)).ok());
            match loaded {
                Ok(loaded) => assert!(loaded.opaque.iter().all(|opaque| !opaque.why.is_empty()), "{name}"),
                Err(defects) => unreachable!("{name}: {:?}", defects.first().map(ToString::to_string)),
            }
        }
    }
}
