//! The formats against what does not change and what we did not write: golden files, and Go's own sumdb packages.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may fail")]

mod city;

use city::{LEDGER, Network, batch, body, delivered, founding, genesis, inquiry, log, refusal, revocation, signed, uuid};
use data_encoding::BASE64;
use ledger::body::{Rekey, Request};
use ledger::keys::SecretKey;
use ledger::node::Answer;
use ledger::record::Entry;
use ledger::state::State;
use ledger::tree::Hash;
use std::path::Path;
use std::process::Command;

/// A record of each kind that the city's first records do not have.
fn further() -> Vec<Entry> {
    let stop = body("l", "ledger", "Proposal", "stop").leaf("Proposer", "transport").leaf("Reason", "agreed");
    let stop = stop.child(body("l", "ledger", "X", "x").sibling("Stop"));
    let ballot = body("l", "ledger", "Ballot", "voice").leaf("Voter", "civil").leaf("Proposal", uuid("stop")).leaf("Vote", "yes");
    let key = SecretKey::from_seed(Hash::of(b"a new key").0);
    let proof = BASE64.encode(&key.sign(&Rekey::statement(LEDGER, &uuid("new key"), "health", &key.public())));
    let mut rekey = body("l", "ledger", "Key", "new key").leaf("Member", "health");
    rekey.push(rekey.sibling("RecordKey").with("proof", proof).text(key.public().to_string()));
    vec![
        signed(&inquiry("asked", "civil", "clerk"), &["civil"]),
        batch(&[log("first", "transport", Some("civil")), log("second", "transport", Some("civil"))], &["transport", "civil"]),
        signed(&refusal("refused", "transport", "civil"), &["transport"]),
        signed(&revocation("revoked", "transport", &uuid("grant")), &["transport"]),
        signed(&rekey, &["health"]),
        signed(&stop, &["transport"]),
        signed(&ballot, &["civil"]),
    ]
}

/// The leaves that version 1 makes of records of every kind, and the digest of the state after them. With WAYBILL_BLESS=1 the files are written anew: only for a
/// new version of the format.
#[test]
fn leaves_are_octet_for_octet_those_of_version_1() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let bless = std::env::var_os("WAYBILL_BLESS").is_some();
    let (mut state, applied) = State::found(Request::read(genesis(3)).unwrap()).unwrap();
    let mut leaves = vec![applied];
    for (ms, entry) in (1..).zip(founding().into_iter().chain([delivered("trade")]).chain(further())) {
        let checked = state.check_one(Request::read(entry).unwrap()).unwrap();
        leaves.extend(state.apply(&checked, city::NOW.plus_ms(ms), 0));
    }
    leaves.extend(state.mark(state.time()));
    let mut hashes = String::new();
    for applied in leaves {
        let name = format!("leaf-{}-{}.xml", applied.index, applied.kind.code());
        hashes.push_str(&format!("{}  {name}\n", applied.hash));
        if bless {
            std::fs::write(golden.join(&name), &applied.octets).unwrap();
        }
        let expected = std::fs::read(golden.join(&name)).unwrap();
        assert_eq!(String::from_utf8(applied.octets).unwrap(), String::from_utf8(expected).unwrap(), "{name}");
    }
    hashes.push_str(&format!("{}  state\n", state.digest()));
    if bless {
        std::fs::write(golden.join("leaf-hashes"), &hashes).unwrap();
    }
    assert_eq!(hashes, std::fs::read_to_string(golden.join("leaf-hashes")).unwrap());
}

#[test]
fn gos_sumdb_packages_accept_our_checkpoints_and_proofs() {
    let dir = std::env::temp_dir().join(format!("waybill-go-{}", std::process::id()));
    drop(std::fs::remove_dir_all(&dir));
    std::fs::create_dir(&dir).unwrap();
    let put = |name: &str, octets: &[u8]| std::fs::write(dir.join(name), octets).unwrap();
    let mut city = Network::new(3, |_| city::scratch(3));
    city.tick(40);
    for (ticket, entry) in (1..).zip(founding()) {
        city.commit(1, ticket, entry);
    }
    let (old, note) = city.nodes[&1].published().map(|(checkpoint, note)| (checkpoint.size, note.to_owned())).unwrap();
    put("old", note.as_bytes());
    for ticket in 10..21 {
        assert!(matches!(city.commit(2, ticket, delivered(&format!("trade {ticket}"))), Answer::Committed { .. }));
    }
    city.tick(3);
    let node = &city.nodes[&3];
    let (checkpoint, note) = node.published().unwrap();
    put("new", note.as_bytes());
    put("policy", node.policy().text().as_bytes());
    put("receipt", node.receipt(13).unwrap().text().as_bytes());
    put("leaf", &node.leaf(13).unwrap());
    put("other", &node.leaf(12).unwrap());
    let hashes: Vec<String> = node.tree().consistency(old, checkpoint.size).unwrap().iter().map(Hash::to_base64).collect();
    put("hashes", format!("{}\n", hashes.join("\n")).as_bytes());

    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../conformance/peers/go-tlog/main.go");
    let verifier = dir.join("verifier");
    let go = |command: &mut Command| {
        command.env("GO111MODULE", "off").env("GOPATH", "/usr/share/gocode").env("GOCACHE", dir.join("cache")).output()
    };
    let built = go(Command::new("go").arg("build").arg("-o").arg(&verifier).arg(&source))
        .expect("go: apt-get install golang-go golang-golang-x-mod-dev");
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    let check = |arguments: &[&str], expected: bool| {
        let output = Command::new(&verifier).args(arguments).current_dir(&dir).output().unwrap();
        assert_eq!(output.status.success(), expected, "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    };
    check(&["checkpoint", "policy", "new"], true);
    check(&["checkpoint", "policy", "old"], true);
    check(&["receipt", "policy", "receipt", "leaf"], true);
    check(&["receipt", "policy", "receipt", "other"], false);
    check(&["consistency", "policy", "old", "new", "hashes"], true);
    check(&["consistency", "policy", "new", "old", "hashes"], false);
    std::fs::remove_dir_all(&dir).unwrap();
}
