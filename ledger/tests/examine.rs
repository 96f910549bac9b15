//! A node's directory: whatever was changed in any of its files is found, and the file is named.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may fail")]

mod city;

use city::{LEDGER, Network, batch, delivered, founding, genesis, key, log, node_key, record_key, rekey, signed_by};
use ledger::at_rest::AtRest;
use ledger::checkpoint::{Checkpoint, Note, NoteSignature, Policy};
use ledger::examine::{Alone, Crew, Examination, Findings, LEVEL_MAX, Point, examine, examine_range};
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
    let (city, before) = city(None, 17);
    let mut files = held(&city);
    let (size, note) = city.nodes[&TWO].published().map(|(checkpoint, note)| (checkpoint.size, note.to_owned())).unwrap();
    assert_eq!(size, city.nodes[&TWO].state().size());
    files.entry(format!("note_{size:012}")).or_insert(note.clone().into_bytes());
    let checkpoint = Checkpoint { origin: LEDGER.to_owned(), size, root: Hash::of(b"another history") };
    let signatures = vec![NoteSignature::sign(LEDGER, &node_key("civil"), &checkpoint.text())];
    let fork = Fork { ours: note, theirs: Note { checkpoint, signatures }.text() };
    files.insert(fork.name(), fork.text().into_bytes());
    (files, before)
}

/// A city after so many batches of 256, and what a node had on its disk after eight of them.
fn city(at_rest: Option<AtRest>, batches: usize) -> (Network<Scratch>, Files) {
    let store = |_| Store::open(Scratch::default(), &Hash::of(genesis(3).body()), at_rest.clone()).unwrap().with_segments_of(4096);
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
    for n in 0..batches {
        if n == 8 {
            before = Some(held(&city));
        }
        let logs: Vec<_> = (0..256).map(|at| log(&format!("log {n} of {at}"), "transport", Some("civil"))).collect();
        commit(&mut city, batch(&logs, &["transport", "civil"]));
    }
    (0..5).for_each(|n| commit(&mut city, delivered(&format!("trade {n}"))));
    city.tick(60);
    (city, before.unwrap())
}

fn held(city: &Network<Scratch>) -> Files {
    let medium = city.nodes[&TWO].store().medium().clone();
    medium.list().unwrap().into_iter().map(|name| (name.clone(), medium.octets(&name).unwrap())).collect()
}

fn medium(files: &Files) -> Scratch {
    let medium = Scratch::default();
    files.iter().for_each(|(name, octets)| medium.put(name, octets.clone()));
    medium
}

fn found(files: &Files, level: u8) -> Findings {
    let medium = medium(files);
    let what = Examination { genesis: genesis(3), at_rest: None, level };
    let findings = examine(&medium, &what, &Alone, None, &mut |_| {}).unwrap();
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
    let kinds = ["wal_", "seg_", "tiles_0", "tiles_1", "clients", "clients_copy", "snap_", "note_", "fork_"];
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
        let cache = name.starts_with("tiles_") || name.starts_with("clients");
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

/// Two threads, which take what is next.
struct Two;

impl Crew for Two {
    fn each<T: Send, R: Send>(&self, work: Vec<T>, part: impl Fn(T) -> R + Sync) -> Vec<R> {
        let half = work.len() / 2;
        let mut work = work;
        let rest = work.split_off(half);
        std::thread::scope(|scope| {
            let other = scope.spawn(|| rest.into_iter().map(&part).collect::<Vec<R>>());
            let mut done: Vec<R> = work.into_iter().map(&part).collect();
            done.extend(other.join().unwrap());
            done
        })
    }
}

#[test]
fn an_examination_that_was_broken_off_goes_on_and_finds_the_same() {
    let (whole, _) = files();
    let mut broken = whole.clone();
    let segment = whole.keys().find(|name| name.starts_with("seg_")).unwrap();
    let middle = broken[segment].len() / 2;
    broken.get_mut(segment).unwrap()[middle] ^= 1;
    let mut points = 0;
    for (files, level) in [(&whole, 3), (&whole, 4), (&whole, 5), (&broken, 5)] {
        let (medium, what) = (medium(files), Examination { genesis: genesis(3), at_rest: None, level });
        let mut kept = Vec::new();
        let all = examine(&medium, &what, &Two, None, &mut |point: &Point<'_>| kept.push(point.halfway())).unwrap();
        assert_eq!(all, examine(&medium, &what, &Alone, None, &mut |_| {}).unwrap(), "however many threads there are");
        for halfway in &kept {
            assert_eq!(examine(&medium, &what, &Alone, Some(halfway), &mut |_| {}).unwrap(), all, "level {level}");
            points += 1;
        }
        let halfway = &kept[0];
        let refused =
            |halfway: &[u8], what: &Examination| examine(&medium, what, &Alone, Some(halfway), &mut |_| {}).unwrap_err().to_string();
        for at in (0..halfway.len()).step_by(halfway.len() / 40) {
            let mut flipped = halfway.clone();
            flipped[at] ^= 4;
            assert!(refused(&flipped, &what).contains("begin again without it"), "{at}");
        }
        assert!(refused(&halfway[..halfway.len() / 2], &what).contains("damaged"));
        let deeper = Examination { level: if level == 5 { 4 } else { 5 }, ..what.clone() };
        assert!(refused(halfway, &deeper).contains("level"));
        let other = Examination { genesis: genesis(2), ..what };
        assert!(refused(halfway, &other).contains("of another ledger"));
    }
    assert!(points > 4, "{points}");
    // The same ledger, and another history.
    let mut kept = Vec::new();
    let what = Examination { genesis: genesis(3), at_rest: None, level: 5 };
    examine(&medium(&whole), &what, &Alone, None, &mut |point: &Point<'_>| kept.push(point.halfway())).unwrap();
    let (other, _) = city(None, 9);
    let other = examine(&medium(&held(&other)), &what, &Alone, kept.last().map(Vec::as_slice), &mut |_| {});
    assert!(other.unwrap_err().to_string().contains("of another directory"));
}

#[test]
fn a_range_is_verified_without_the_rest() {
    let (whole, _) = files();
    let what = Examination { genesis: genesis(3), at_rest: None, level: LEVEL_MAX };
    let found = |files: &Files, policy: Option<&Policy>, range| examine_range(&medium(files), &what, policy, range, &Two).unwrap();
    let seats: Vec<_> =
        city::MEMBERS.iter().map(|member| ledger::checkpoint::Verifier::cosigner(member, LEDGER, node_key(member).public())).collect();
    let text = |quorum: &str| {
        let logs =
            city::MEMBERS.map(|member| format!("log {}\n", ledger::checkpoint::Verifier::log(LEDGER, node_key(member).public()).vkey()));
        let witnesses: Vec<String> =
            city::MEMBERS.iter().zip(&seats).map(|(member, seat)| format!("witness {member} {}\n", seat.vkey())).collect();
        format!("{}{}group nodes {quorum} {}\nquorum nodes\n", logs.concat(), witnesses.concat(), city::MEMBERS.join(" "))
    };
    let policy = Policy::parse(&text("2")).unwrap();
    for range in [0..1, 0..300, 5..8, 1000..1600, 4090..4110, 4350..4360] {
        let findings = found(&whole, Some(&policy), range.clone());
        assert_eq!((findings.damage, findings.checkpoints), (Vec::new(), 1), "{range:?}");
        assert!(findings.signatures >= range.end - range.start - 1, "{range:?}: {}", findings.signatures);
    }
    assert!(found(&whole, None, 7..9).unseen[0].contains("give a policy"));
    let strict = Policy::parse(&text("all")).unwrap();
    assert!(found(&whole, Some(&strict), 7..9).damage.len() <= 1);
    let stranger = Policy::of_members(LEDGER, &[], 1);
    assert!(!found(&whole, Some(&stranger), 7..9).damage.is_empty(), "the policy decides");
    // A bundle in the middle cannot be read: a range with it says so, and one beside it does not care.
    let segment = whole.keys().find(|name| name.starts_with("seg_")).unwrap();
    let mut broken = whole.clone();
    let middle = broken[segment].len() / 2;
    broken.get_mut(segment).unwrap()[middle] ^= 1;
    let damaged: Vec<u64> = (0..16).filter(|bundle| !found(&broken, None, bundle * 256..bundle * 256 + 256).damage.is_empty()).collect();
    // The batches that lie half in it cannot be shown to be what was signed.
    assert!((1..4).contains(&damaged.len()), "{damaged:?}");
    let middle = damaged[damaged.len() / 2];
    let named = found(&broken, None, middle * 256 + 100..middle * 256 + 102).damage;
    assert!(named.len() == 2 && named.iter().all(|damage| damage.file == *segment), "{named:?}");
    let beyond = examine_range(&medium(&whole), &what, None, 4000..9000, &Two).unwrap_err();
    assert!(beyond.to_string().contains("not all there"), "{beyond}");
}

#[test]
fn any_change_of_what_is_encrypted_or_was_pruned_is_found() {
    let keys = AtRest::new([7; 32], Vec::new());
    let (mut city, _) = city(Some(keys.clone()), 33);
    let files = held(&city);
    let medium_of = medium;
    let examined = |files: &Files, at_rest: Option<AtRest>, level| {
        let what = Examination { genesis: genesis(3), at_rest, level };
        examine(&medium_of(files), &what, &Alone, None, &mut |_| {})
    };
    let sound = examined(&files, Some(keys.clone()), LEVEL_MAX).unwrap();
    assert!(sound.damage.is_empty() && sound.signatures > 16_000 && sound.unseen.is_empty(), "{sound:?}");
    for wrong in [None, Some(AtRest::new([8; 32], Vec::new()))] {
        let seen = examined(&files, wrong, LEVEL_MAX);
        assert!(seen.is_err() || !seen.unwrap().damage.is_empty(), "without the key nothing is called verified");
    }
    let mut store = city.nodes.remove(&TWO).unwrap().into_store();
    assert!(store.prune(8192).unwrap() > 0);
    let shared = store.medium().clone();
    let pruned: Files = shared.list().unwrap().into_iter().map(|name| (name.clone(), shared.octets(&name).unwrap())).collect();
    let seen = examined(&pruned, Some(keys.clone()), LEVEL_MAX).unwrap();
    assert!(seen.damage.is_empty() && seen.unseen[0].contains("pruned") && pruned.contains_key("floor"), "{seen:?}");
    for (files, kinds) in [(&files, ["seg_", "snap_"]), (&pruned, ["floor", "seg_"])] {
        for (name, octets) in files.iter().filter(|(name, _)| kinds.iter().any(|kind| name.starts_with(kind))) {
            let stride = (octets.len() / 12).max(1);
            for at in (0..octets.len()).step_by(stride).chain((0..octets.len().min(330)).step_by(30)) {
                let mut flipped = files.clone();
                flipped.get_mut(name).unwrap()[at] ^= 1 << (at % 8);
                let seen = examined(&flipped, Some(keys.clone()), 2).unwrap();
                assert!(seen.damage.iter().any(|damage| damage.file == *name), "{name}: the flip at {at} is not named: {seen:?}");
            }
            let mut gone = files.clone();
            gone.remove(name);
            let seen = examined(&gone, Some(keys.clone()), LEVEL_MAX);
            assert!(seen.is_ok_and(|seen| !seen.damage.is_empty()), "{name} removed");
        }
    }
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
