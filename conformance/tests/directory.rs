//! The data directory of a node that was stopped, verified by the program: it holds, and no changed octet of its files passes.

#![allow(clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use conformance::city::City;
use std::fs;
use std::path::{Path, PathBuf};

/// The exit status and what was said, of both outputs.
fn verify(city: &City, level: &str) -> (Option<i32>, String) {
    let (dir, genesis) = (city.dir().join("transport/ledger"), city.dir().join("genesis"));
    let arguments = ["audit", "verify", &dir.display().to_string(), "--genesis", &genesis.display().to_string(), "--level", level];
    let output = city.run(&arguments);
    (output.status.code(), [String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr)].concat())
}

fn check(city: &City, expected: i32, what: &str) {
    for level in ["1", "5"] {
        let (status, said) = verify(city, level);
        assert_eq!(status, Some(expected), "{what}, level {level}: {said}");
        assert!(expected == 0 || said.contains(what), "{what}, level {level}: {said}");
    }
}

fn flipped(file: &Path, at: usize) -> Vec<u8> {
    let mut octets = fs::read(file).expect("a file");
    if let Some(octet) = octets.get_mut(at) {
        *octet ^= 4;
    }
    octets
}

/// The files below a directory.
fn files(dir: &Path) -> Vec<PathBuf> {
    let items = fs::read_dir(dir).expect("a directory").filter_map(Result::ok).map(|entry| entry.path());
    items.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

/// Threads, a range, and what a killed run leaves behind.
fn whatever_way(city: &City) {
    let (dir, genesis) = (city.dir().join("transport/ledger").display().to_string(), city.dir().join("genesis").display().to_string());
    let said = |arguments: &[&str]| {
        let output = city.run(&[&["audit", "verify", &dir, "--genesis", &genesis, "--json"], arguments].concat());
        (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (status, one, _) = said(&["--threads", "1"]);
    assert_eq!((status, &one), (Some(0), &said(&["--threads", "3"]).1), "the same with any number of threads");
    let policy = city.dir().join("policy").display().to_string();
    let (status, ranged, errors) = said(&["--range", "3..9", "--policy", &policy]);
    let ranged: serde_json::Value = serde_json::from_str(&ranged).expect("JSON");
    assert_eq!((status, &ranged["leaves"], &ranged["unseen"]), (Some(0), &serde_json::json!(6), &serde_json::json!([])), "{errors}");
    assert_eq!(said(&["--range", "9..3"]).0, Some(2));
    let (_, _, errors) = said(&["--progress"]);
    assert!(errors.contains("leaf "), "{errors}");
    let kept = city.dir().join("halfway");
    fs::write(&kept, "of something else").expect("it can be written");
    let (status, _, errors) = said(&["--resume", &kept.display().to_string()]);
    assert_eq!(status, Some(3), "{errors}");
    assert!(errors.contains("begin again without it") && kept.exists(), "{errors}");
    fs::remove_file(&kept).expect("it can be removed");
    assert_eq!(said(&["--resume", &kept.display().to_string()]).0, Some(0));
    assert!(!kept.exists(), "a run that comes to its end leaves nothing");
}

#[test]
fn every_changed_octet_of_a_stopped_nodes_directory_is_found() {
    let mut city = City::start("directory");
    let profile = city.profile("civil", "clerk").display().to_string();
    for _ in 0..5 {
        let request = ["trade", "request", "--profile", &profile, "--purpose", "registration-check", "transport/vehicle", "plate=none"];
        assert!(city.run(&request).status.success());
    }
    let (status, said) = verify(&city, "5");
    assert!(status != Some(0) && said.contains("ledger"), "a running node's directory is not read: {said}");
    // What the node cosigned as a witness stands beside its directory.
    let admin = city.profile("transport", "admin").display().to_string();
    let cosigned = city.run(&["ledger", "witness", "--profile", &admin, "--to", &city.url("transport")]);
    assert!(cosigned.status.success(), "{}", String::from_utf8_lossy(&cosigned.stderr));
    city.stop("transport");
    check(&city, 0, "");
    whatever_way(&city);

    let dir = city.dir().join("transport/ledger");
    let mut tried = 0;
    for path in files(&dir).into_iter().chain(files(&city.dir().join("transport/witness"))) {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let whole = fs::read(&path).expect("a file");
        if whole.is_empty() {
            continue;
        }
        for at in (0..whole.len()).step_by(whole.len() / 12 + 1) {
            fs::write(&path, flipped(&path, at)).expect("it can be written");
            check(&city, 1, &name);
            fs::write(&path, &whole).expect("it can be written");
            tried += 1;
        }
        fs::write(&path, whole.get(..whole.len() / 2).unwrap_or_default()).expect("it can be written");
        check(&city, 1, &name);
        fs::write(&path, &whole).expect("it can be written");
    }
    assert!(tried >= 10, "{tried} flips show little");
    fs::write(dir.join("wal_99999999999999999999"), "stray").expect("it can be written");
    check(&city, 1, "wal_99999999999999999999");
    fs::remove_file(dir.join("wal_99999999999999999999")).expect("it can be removed");
    check(&city, 0, "");
}
