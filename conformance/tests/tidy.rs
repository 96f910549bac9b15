//! The shape of the house: who may import whom, and how a file looks.

use std::fs;
use std::path::{Path, PathBuf};

/// Who may import whom; a line that is not here does not exist. ARCHITECTURE.md gives the reasons.
const MAY_IMPORT: &[(&str, &str)] = &[
    ("xsd", "encoding_rs memchr quick-xml regex"),
    ("wsdl", "xsd"),
    ("mappings", "data-encoding regex serde_json sha2 sm3 xsd"),
    ("ledger", "aes-gcm crc32fast data-encoding ed25519-zebra nix protobuf raft rand_core sha2 sled slog xsd zstd"),
    (
        "adapter",
        "clap data-encoding flate2 http-body-util hyper hyper-util ledger mappings mimalloc openssl rcgen rustls serde serde_json \
         sha2 tokio tokio-rustls toml tracing tracing-subscriber uuid wsdl xsd yaserde",
    ),
];

/// Production lines of one file, tests at its end not counted.
const FILE_LINES_MAX: usize = 600;

/// Files that are one argument and may be longer, with the reason.
const LONGER: &[(&str, &str)] = &[("ledger/src/node.rs", "the Ready loop is read as one piece")];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    let mut entries: Vec<PathBuf> = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// (path below the root, production lines) of every source file.
fn production() -> Vec<(String, Vec<String>)> {
    let mut found = Vec::new();
    for (name, _) in MAY_IMPORT {
        sources(&root().join(name).join("src"), &mut found);
    }
    assert!(found.len() > 20, "the sources are where this test looks");
    let read = |path: PathBuf| {
        let text = fs::read_to_string(&path).expect("a source");
        let lines = text.lines().take_while(|line| *line != "#[cfg(test)]").map(str::to_owned).collect();
        (path.strip_prefix(root()).expect("below the root").display().to_string(), lines)
    };
    found.into_iter().map(read).collect()
}

#[test]
fn crates_import_only_what_the_map_allows() {
    for (name, allowed) in MAY_IMPORT {
        let manifest = fs::read_to_string(root().join(name).join("Cargo.toml")).expect("a manifest");
        let mut section = "";
        for line in manifest.lines().map(str::trim) {
            if line.starts_with('[') {
                section = line;
            } else if section == "[dependencies]" && line.contains('=') {
                let dependency = line.split(['=', '.', ' ']).next().unwrap_or_default();
                assert!(allowed.split_whitespace().any(|name| name == dependency), "{name} must not import {dependency}");
            }
        }
    }
}

#[test]
fn files_have_the_shape_of_the_house() {
    let mut wrong = Vec::new();
    for (path, lines) in production() {
        if !lines.first().is_some_and(|line| line.starts_with("//! ")) {
            wrong.push(format!("{path}: opens without the one sentence that says what it is the only place for"));
        }
        if lines.len() > FILE_LINES_MAX && !LONGER.iter().any(|(file, _)| *file == path) {
            wrong.push(format!("{path}: {} production lines, at most {FILE_LINES_MAX}", lines.len()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn only_one_file_writes_markup() {
    let mut wrong = Vec::new();
    for (path, lines) in production() {
        for (number, line) in lines.iter().enumerate() {
            let text = line.split("format!(").nth(1).unwrap_or_default().trim_start_matches(['r', '#', '"', ' ']);
            // Up to the end of the text; a type among the arguments is no markup.
            let text = text.replace("\\\"", "'");
            let text = text.split('"').next().unwrap_or_default();
            let markup = |rest: &str| rest.starts_with(|next: char| next == '/' || next.is_ascii_alphabetic());
            if text.split('<').skip(1).any(markup) {
                wrong.push(format!("{path}:{}: {}", number + 1, line.trim()));
            }
        }
    }
    assert!(wrong.is_empty(), "markup is written by xsd/src/write.rs alone:\n{}", wrong.join("\n"));
}

#[test]
fn nothing_is_unsafe_and_no_lock_is_an_architecture() {
    for (path, lines) in production() {
        for line in &lines {
            let code = line.split("//").next().unwrap_or_default();
            assert!(!code.contains("unsafe "), "{path}: unsafe: {line}");
            assert!(!code.contains("Arc<Mutex<HashMap") && !code.contains("Arc<RwLock"), "{path}: {line}");
        }
    }
}
