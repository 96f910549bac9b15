//! The data directory of a node that was stopped, verified by the program: it holds, and no changed octet of its files passes.

#![allow(clippy::panic, reason = "a test fails by panicking")]

use conformance::city::City;
use std::fs;
use std::path::Path;

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
    city.stop("transport");
    check(&city, 0, "");

    let dir = city.dir().join("transport/ledger");
    let files = fs::read_dir(&dir).expect("the directory").filter_map(Result::ok).filter(|entry| entry.path().is_file());
    let mut tried = 0;
    for entry in files {
        let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
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
