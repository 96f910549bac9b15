//! A node's directory: whatever was changed in any of its files is found, and the file is named.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may fail")]

mod city;

use city::{LEDGER, Network, batch, delivered, founding, genesis, key, log, node_key, record_key, rekey, signed_by};
use ledger::checkpoint::{Checkpoint, Note, NoteSignature};
use ledger::examine::{Examination, Findings, LEVEL_MAX, examine};
use ledger::medium::{Directory, Medium, Scratch};
use ledger::node::Answer;
use ledger::store::Store;
use ledger::tree::Hash;
use ledger::witness::Fork;
use std::collections::BTreeMap;

type Files = BTreeMap<String, Vec<u8>>;

const TWO: u64 = 2;

/// What a node has on its disk: a segment with its tiles and snapshot, a log that goes on, a kept checkpoint, evidence of a fork. And
/// what it had before the seal.
fn files() -> (Files, Files) {
    let store = |_| Store::open(Scratch::default(), &Hash::of(genesis(3).body()), None).unwrap().with_segments_of(4096);
    let mut city = Network::new(3, store);
    city.tick(40);
    let commit = |city: &mut Network<Scratch>, entry| {
        let answer = city.commit(1 + (city.answers.len() as u64) % 3, 1 + city.answers.len() as u64, entry);
        assert!(matches!(answer, Answer::Committed { .. }), "{answer:?}");
        city.tick(1);
    };
    for entry in founding() {
        commit(&mut city, entry);
    }
    let next = key("next");
    commit(&mut city, signed_by(&rekey("rotation", "health", &[("RecordKey", &next)]), "health", &record_key("health")));
    commit(&mut city, signed_by(&log("with the next key", "health", None), "health", &next));
    let mut before = None;
    for n in 0..17 {
        if n == 8 {
            before = Some(held(&city));
        }
        let logs: Vec<_> = (0..256).map(|at| log(&format!("log {n} of {at}"), "transport", Some("civil"))).collect();
        commit(&mut city, batch(&logs, &["transport", "civil"]));
    }
    (0..5).for_each(|n| commit(&mut city, delivered(&format!("trade {n}"))));
    city.tick(60);
    let mut files = held(&city);
    let (size, note) = city.nodes[&TWO].published().map(|(checkpoint, note)| (checkpoint.size, note.to_owned())).unwrap();
    assert_eq!(size, city.nodes[&TWO].state().size());
    files.entry(format!("note_{size:012}")).or_insert(note.clone().into_bytes());
    let checkpoint = Checkpoint { origin: LEDGER.to_owned(), size, root: Hash::of(b"another history") };
    let signatures = vec![NoteSignature::sign(LEDGER, &node_key("civil"), &checkpoint.text())];
    let fork = Fork { ours: note, theirs: Note { checkpoint, signatures }.text() };
    files.insert(fork.name(), fork.text().into_bytes());
    (files, before.unwrap())
}

fn held(city: &Network<Scratch>) -> Files {
    let medium = city.nodes[&TWO].store().medium().clone();
    medium.list().unwrap().into_iter().map(|name| (name.clone(), medium.octets(&name).unwrap())).collect()
}

fn found(files: &Files, level: u8) -> Findings {
    let medium = Scratch::default();
    files.iter().for_each(|(name, octets)| medium.put(name, octets.clone()));
    let what = Examination { genesis: genesis(3), at_rest: None, level };
    let findings = examine(&medium, &what, &mut |_, _| {}).unwrap();
    assert_eq!(medium.list().unwrap().len(), files.len(), "nothing is changed");
    findings
}

/// A deeper level finds what a shallower one does, so the cheap one is asked first.
fn names(files: &Files, name: &str) -> bool {
    [2, LEVEL_MAX].into_iter().any(|level| found(files, level).damage.iter().any(|damage| damage.file == name))
}

#[test]
fn any_change_of_any_file_is_found_and_the_file_is_named() {
    let (files, before) = files();
    let kinds = ["wal_", "seg_", "tiles_0", "tiles_1", "clients", "snap_", "note_", "fork_"];
    assert!(kinds.iter().all(|kind| files.keys().any(|name| name.starts_with(kind))), "{:?}", files.keys());
    let mut signatures = Vec::new();
    for level in 0..=LEVEL_MAX {
        let findings = found(&files, level);
        assert_eq!(findings.damage, [], "level {level}");
        signatures.push(findings.signatures);
        if level == LEVEL_MAX {
            assert!(findings.leaves > 4352 && findings.checkpoints >= 2 && findings.unseen.len() == 1, "{findings:?}");
        }
    }
    assert!(signatures[..4] == [0; 4] && signatures[4] > 8700 && signatures[4] == signatures[5], "{signatures:?}");
    let mut flips = 0;
    for (name, octets) in &files {
        let used = octets.iter().rposition(|octet| *octet != 0).unwrap();
        // Headers and what was written last, every octet here and there, the zeros beyond.
        let stride = (octets.len() / 30).max(1);
        let last = octets.len() - 1;
        let places = (0..octets.len()).step_by(stride).chain((0..octets.len().min(120)).step_by(6)).chain([used, (used + last) / 2, last]);
        for at in places {
            let mut flipped = files.clone();
            flipped.get_mut(name).unwrap()[at] ^= 1 << (at % 8);
            assert!(names(&flipped, name), "{name}: the flip at {at} of {} is not named: {:?}", octets.len(), found(&flipped, 5));
            flips += 1;
        }
        for length in [0, octets.len() / 2, octets.len() - 1] {
            let mut cut = files.clone();
            cut.get_mut(name).unwrap().truncate(length);
            assert!(names(&cut, name), "{name} cut to {length}: {:?}", found(&cut, 5));
        }
        let mut longer = files.clone();
        longer.get_mut(name).unwrap().push(0);
        let cache = name.starts_with("tiles_") || name == "clients";
        assert!(cache || names(&longer, name), "{name} and an octet more");
        // Nobody can miss a checkpoint or evidence that was kept besides.
        let mut gone = files.clone();
        gone.remove(name);
        assert!(name.starts_with("note_") || name.starts_with("fork_") || !found(&gone, 5).damage.is_empty(), "{name} removed");
        if let Some(old) = before.get(name).filter(|old| *old != octets) {
            let mut swapped = files.clone();
            swapped.insert(name.clone(), old.clone());
            assert!(names(&swapped, name), "{name} as it was before");
        }
    }
    assert!(flips > 400, "{flips}");
    let mut more = files;
    more.insert("notes.txt".to_owned(), b"x".to_vec());
    assert!(names(&more, "notes.txt"));
}

#[test]
fn a_directory_is_looked_at_without_leaving_a_trace() {
    let dir = std::env::temp_dir().join(format!("waybill-look-{}", std::process::id()));
    drop(std::fs::remove_dir_all(&dir));
    std::fs::create_dir(&dir).unwrap();
    assert!(Directory::look(&dir).unwrap().list().unwrap().is_empty());
    assert_eq!(std::fs::read_dir(&dir).unwrap().count(), 0);
    let running = Directory::open(&dir).unwrap();
    assert!(Directory::look(&dir).is_err(), "a process has it");
    drop(running);
    assert!(Directory::look(&dir).is_ok());
    std::fs::remove_dir_all(&dir).unwrap();
}
