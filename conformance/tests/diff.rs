//! `ledger diff` on directories of nodes that parted, on files of segments, and on the nodes of a running city.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    dead_code,
    reason = "a test may fail; the ledger's city has more than is needed here"
)]

#[path = "../../ledger/tests/city/mod.rs"]
mod city;

use city::{LEDGER, Network, batch, delivered, founding, genesis, log, uuid};
use conformance::city::{City, SECTORS, scratch, waybill};
use ledger::body::{Content, Request};
use ledger::checkpoint::Policy;
use ledger::medium::Directory;
use ledger::node::Answer;
use ledger::record::Entry;
use ledger::store::Store;
use ledger::tree::Hash;
use serde_json::{Value, json};
use std::path::Path;
use std::process::Command;

fn run(dir: &Path, arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = Command::new(waybill()).args(["ledger", "diff"]).args(arguments).current_dir(dir).output().unwrap();
    (output.status.code(), String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())
}

fn said(dir: &Path, arguments: &[&str], status: i32) -> Value {
    let (code, out, err) = run(dir, &[arguments, &["--output", "json"]].concat());
    assert_eq!(code, Some(status), "{out}{err}");
    serde_json::from_str(&out).unwrap_or_else(|_| panic!("{out}{err}"))
}

/// Node 2 of a city of its own, with these entries on it; its directory is `dir`.
fn node(dir: &Path, entries: Vec<Entry>) {
    let open = |number: u64| {
        let dir = if number == 2 { dir.to_owned() } else { dir.with_extension(number.to_string()) };
        Store::open(Directory::open(&dir).unwrap(), &Hash::of(genesis(3).body()), None).unwrap().with_segments_of(4096)
    };
    let mut city = Network::new(3, open);
    city.tick(40);
    for (ticket, entry) in (1..).zip(founding().into_iter().chain(entries)) {
        let answer = city.commit(1, ticket, entry);
        assert!(matches!(answer, Answer::Committed { .. }), "{answer:?}");
        city.tick(1);
    }
    city.tick(60);
}

fn trades(names: &[&str]) -> Vec<Entry> {
    names.iter().map(|name| delivered(name)).collect()
}

/// Seventeen batches, so that a segment is sealed.
fn history(trades: &[&str]) -> Vec<Entry> {
    let batched = (0..17).map(|n| {
        let logs: Vec<_> = (0..256).map(|at| log(&format!("log {n} of {at}"), "transport", Some("civil"))).collect();
        batch(&logs, &["transport", "civil"])
    });
    batched.chain(self::trades(trades)).collect()
}

fn copied(from: &Path, to: &Path) {
    std::fs::create_dir(to).unwrap();
    for file in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        std::fs::copy(file.path(), to.join(file.file_name())).unwrap();
    }
}

#[test]
fn where_two_directories_part_is_said_with_both_leaves_and_who_signed() {
    let dir = scratch("diff-directories");
    std::fs::create_dir_all(&dir).unwrap();
    std::fs::write(dir.join("genesis"), genesis(3).encode()).unwrap();
    let request = Request::read(genesis(3)).unwrap();
    let Content::Genesis(founded) = request.content() else { panic!("a genesis") };
    std::fs::write(dir.join("policy"), Policy::of_genesis(LEDGER, founded).text()).unwrap();
    node(&dir.join("a"), history(&["one", "two", "three"]));
    node(&dir.join("b"), history(&["one", "other", "three"]));
    node(&dir.join("long"), history(&["one", "two", "three", "four"]));
    copied(&dir.join("a"), &dir.join("again"));
    let ask = |one: &str, other: &str, status| said(&dir, &[one, other, "--genesis", "genesis"], status);

    let same = ask("a", "again", 0);
    assert_eq!((&same["same"], &same["parted"]), (&json!(true), &Value::Null));
    let longer = ask("a", "long", 0);
    assert_eq!((&longer["same"], &longer["parted"], &longer["common"]), (&json!(false), &Value::Null, &same["common"]));
    let (_, told, _) = run(&dir, &["a", "long", "--genesis", "genesis"]);
    assert!(told.contains("the same as far as both go") && told.contains("long has 1 more"), "{told}");

    let parted = ask("a", "b", 1);
    let client = |side: usize| parted["sides"][side]["leaf"]["client"].clone();
    assert_eq!((client(0), client(1)), (json!(uuid("two")), json!(uuid("other"))), "{parted}");
    assert_eq!(parted["parted"], json!(same["common"].as_u64().unwrap() - 2), "{parted}");
    assert!(parted["compared"].as_u64().unwrap() < 30, "a logarithm of {}: {}", parted["common"], parted["compared"]);
    let signers = parted["sides"][0]["checkpoints"][0]["signers"].as_array().unwrap();
    assert!(signers.len() >= 2, "{signers:?}");

    // Both had a quorum: that is a proof, for anyone with the policy.
    let (status, told, err) = run(&dir, &["a", "b", "--genesis", "genesis", "--evidence", "lie"]);
    assert_eq!(status, Some(1), "{told}{err}");
    assert!(told.contains("they part at leaf") && told.contains(&uuid("other")) && told.contains("proves it to anyone"), "{told}");
    let proof = Command::new(waybill()).args(["audit", "verify", "lie", "--policy", "policy"]).current_dir(&dir).output().unwrap();
    assert!(proof.status.success() && String::from_utf8_lossy(&proof.stdout).contains("signed both, and so lied"), "{proof:?}");
    assert_ne!(run(&dir, &["a", "b", "--genesis", "genesis", "--evidence", "lie"]).0, Some(1), "evidence is not overwritten");
    segments(&dir);
    for (wrong, status) in [(["a", "nowhere"], 2), (["a", "genesis"], 2)] {
        assert_eq!(run(&dir, &[&wrong[..], &["--genesis", "genesis"]].concat()).0, Some(status), "{wrong:?}");
    }
    assert_eq!(run(&dir, &["a", "b"]).0, Some(2), "a directory needs the genesis");
    assert_eq!(run(&dir, &["a", "https://127.0.0.1:1", "--genesis", "genesis"]).0, Some(2), "a node needs a profile");
}

/// A segment as it is downloaded, beside a directory.
fn segments(dir: &Path) {
    let store = Store::open(Directory::open(&dir.join("again")).unwrap(), &Hash::of(genesis(3).body()), None).unwrap();
    let segment = store.archive().segments()[0].clone();
    let octets = store.archive().segment(segment.first, 0..segment.length).unwrap();
    drop(store);
    let path = dir.join(segment.name());
    std::fs::write(&path, &octets).unwrap();
    let ask = |status| said(dir, &["b", &segment.name(), "--genesis", "genesis"], status);
    let found = ask(0);
    assert_eq!((&found["parted"], &found["common"]), (&Value::Null, &json!(4096)));
    let leaves = ledger::segment::leaves_of(&octets).unwrap();
    for leaf in [0, 1, 1000, 4095] {
        let mut flipped = octets.clone();
        flipped[leaves[leaf].start + 40] ^= 1;
        std::fs::write(&path, &flipped).unwrap();
        assert_eq!(ask(1)["parted"], json!(leaf));
    }
    std::fs::write(&path, &octets[..octets.len() / 2]).unwrap();
    assert_eq!(run(dir, &["b", &segment.name(), "--genesis", "genesis"]).0, Some(2));
}

#[test]
fn the_nodes_of_a_running_city_are_compared() {
    let mut city = City::start("diff");
    let auditor = city.profile("bureau", "auditor").display().to_string();
    let urls: Vec<String> = SECTORS.iter().map(|sector| city.url(sector)).collect();
    let found = said(city.dir(), &["--profile", &auditor, &urls[0], &urls[2], "--policy", "policy"], 0);
    let ends: Vec<u64> = (0..2).map(|side| found["sides"][side]["end"].as_u64().unwrap()).collect();
    assert_eq!((&found["parted"], found["common"].as_u64()), (&Value::Null, ends.iter().min().copied()), "{found}");
    assert!(ends[0] > 10, "{found}");
    city.stop("transport");
    let ask = [&urls[2], "transport/ledger", "--profile", &auditor, "--genesis", "genesis"];
    let beside = said(city.dir(), &ask, 0);
    assert_eq!(beside["parted"], Value::Null, "{beside}");
    assert_eq!(run(city.dir(), &["--profile", &auditor, &urls[0], &urls[2]]).0, Some(4), "a node that does not answer");
}
