//! What a store of many records costs: octets on disk, time to open, memory, proofs. Real leaves, no Raft.
//! `cargo run --release -p ledger --example scale -- RECORDS [single]` (`single`: two signatures a record instead of two a batch)
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::float_arithmetic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a measurement"
)]

#[path = "../tests/city/mod.rs"]
mod city;

use city::{NOW, founding, genesis, log, octets, record_key, signed, uuid};
use ledger::body::Request;
use ledger::medium::{Directory, Medium};
use ledger::record::{Entry, PartySignature};
use ledger::snapshot::Snapshot;
use ledger::state::State;
use ledger::store::{Batch, HardState, LogEntry, Store};
use ledger::tree::{Hash, root_of_inclusion};
use std::path::Path;
use std::time::Instant;

const SIGNERS: [&str; 2] = ["transport", "civil"];

/// Bodies as `city::log` makes them, from a pattern.
struct Pattern {
    body: String,
    id: String,
    digest: String,
}

impl Pattern {
    fn new() -> Self {
        let body = String::from_utf8(octets(&log("pattern", "transport", Some("civil")))).unwrap();
        Self { body, id: uuid("pattern"), digest: Hash::of(b"pattern").to_string() }
    }

    fn body(&self, n: u64) -> Vec<u8> {
        let digest = Hash::of(&n.to_be_bytes()).to_string();
        let id = [&digest[..8], &digest[8..12], &digest[12..16], &digest[16..20], &digest[20..32]].join("-");
        self.body.replace(&self.id, &id).replace(&self.digest, &Hash::of(digest.as_bytes()).to_string()).into_bytes()
    }

    fn entry(&self, from: u64, to: u64) -> Entry {
        let bodies: Vec<Vec<u8>> = (from..to).map(|n| self.body(n)).collect();
        let unsigned = Request::read(Entry::batch(bodies.clone(), Vec::new()).unwrap()).unwrap();
        let sign = |signer: &&str| PartySignature::sign(signer, &record_key(signer), unsigned.signed());
        Entry::batch(bodies, SIGNERS.iter().map(sign).collect()).unwrap()
    }
}

fn disk(medium: &Directory) -> Vec<(String, u64)> {
    let mut kinds = std::collections::BTreeMap::<String, u64>::new();
    for name in medium.list().unwrap() {
        let kind = name.split(['_', '.']).next().unwrap().to_owned();
        *kinds.entry(kind).or_default() += medium.length(&name).unwrap();
    }
    kinds.into_iter().collect()
}

fn resident_mib() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() / 1024.0
}

fn fill(dir: &Path, fingerprint: &Hash, records: u64, single: bool) {
    let (mut state, founded) = State::found(Request::read(genesis(3)).unwrap()).unwrap();
    let mut store = Store::open(Directory::open(dir).unwrap(), fingerprint, None).unwrap();
    let mut tree = store.tree();
    let pattern = Pattern::new();
    let size = if single { 1 } else { 256 };
    let batches = (0..records.div_ceil(size)).map(|n| {
        if single {
            signed(&log(&format!("record {n}"), "transport", Some("civil")), &SIGNERS)
        } else {
            pattern.entry(n * size, records.min((n + 1) * size))
        }
    });
    let (mut sealing, mut saving, mut octets) = (0.0, 0.0, 0);
    let since = Instant::now();
    let mut pending = vec![founded];
    let mut entries = Vec::new();
    for (index, entry) in (1..).zip(founding().into_iter().chain(batches)) {
        entries.push(LogEntry { index, term: 1, data: [NOW.0.to_be_bytes().as_slice(), &entry.encode()].concat() });
        if entries.len() as u64 * size >= 1024 {
            let saved = Instant::now();
            let hard_state = Some(HardState { term: 1, vote: 1, commit: index });
            store.save(Batch { hard_state, entries: &entries, note: None }).unwrap();
            entries.clear();
            saving += saved.elapsed().as_secs_f64();
        }
        let checked = state.check_one(Request::read(entry).unwrap()).unwrap();
        pending.extend(state.apply(&checked, NOW, 0));
        for leaf in pending.drain(..) {
            octets += leaf.octets.len();
            store.push_leaf(&leaf.client, leaf.hash, &leaf.octets);
            tree.push(leaf.hash);
            if store.due() {
                let sealed = Instant::now();
                let (size, state) = (store.size(), state.encode());
                let root = tree.root(size).unwrap();
                let snapshot = Snapshot { raft_index: index - 1, raft_term: 1, members: Vec::new(), skip: 0, size, root, state };
                let done = store.seal(snapshot).unwrap().run().unwrap();
                store.adopt(done).unwrap();
                store.lean(&mut tree);
                sealing += sealed.elapsed().as_secs_f64();
            }
        }
    }
    let took = since.elapsed().as_secs_f64();
    let per = |seconds: f64| seconds * 1e6 / records as f64;
    println!(
        "{records} records in {took:.1} s, {:.2} µs each: sealing {:.2}, saving {:.2}; leaf {} octets; resident {:.0} MiB",
        per(took),
        per(sealing),
        per(saving),
        octets as u64 / store.size(),
        resident_mib()
    );
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let records = arguments.next().map_or(100_000, |count| count.parse().unwrap());
    let mode = arguments.next();
    let dir = std::env::temp_dir().join(format!("waybill-scale-{records}"));
    let fingerprint = Hash::of(genesis(3).body());
    if mode.as_deref() != Some("open") {
        drop(std::fs::remove_dir_all(&dir));
        fill(&dir, &fingerprint, records, mode.as_deref() == Some("single"));
    }
    let before = resident_mib();
    let medium = Directory::open(&dir).unwrap();
    let since = Instant::now();
    let mut store = Store::open(medium.clone(), &fingerprint, None).unwrap();
    let tree = store.tree();
    println!("opened in {:.2} s; resident {:.0} MiB before, {:.0} after", since.elapsed().as_secs_f64(), before, resident_mib());
    let sealed = store.sealed();
    let mut all = 0;
    for (kind, length) in disk(&medium) {
        all += length;
        println!("  {kind:8} {:10.1} octets a leaf", length as f64 / sealed as f64);
    }
    println!("  together {:10.1} octets a leaf, log included", all as f64 / sealed as f64);
    let some: Vec<u64> = (0..1000).map(|n| (n * 7_919_317) % sealed).collect();
    let since = Instant::now();
    let leaves: Vec<_> = some.iter().map(|index| store.leaf(*index).unwrap()).collect();
    println!("a leaf anywhere: {:.0} µs", since.elapsed().as_secs_f64() * 1e3);
    let root = tree.root(sealed).unwrap();
    let since = Instant::now();
    let paths: Vec<_> = some.iter().map(|index| tree.inclusion(*index, sealed).unwrap()).collect();
    println!("an inclusion proof: {:.0} µs, {} hashes", since.elapsed().as_secs_f64() * 1e3, paths[0].len());
    let since = Instant::now();
    for ((index, path), leaf) in some.iter().zip(&paths).zip(&leaves) {
        assert_eq!(root_of_inclusion(ledger::tree::leaf_hash(leaf), *index, sealed, path), Some(root));
    }
    println!("verifying one: {:.1} µs", since.elapsed().as_secs_f64() * 1e3);
    let since = Instant::now();
    let archive = store.archive();
    for bundle in 0..(sealed / 256).min(400) {
        archive.bundle(bundle).unwrap();
    }
    println!("export: {:.0} leaves/s", (sealed.min(400 * 256)) as f64 / since.elapsed().as_secs_f64());
    let since = Instant::now();
    let found = store.scrub(64 << 20).unwrap();
    println!(
        "scrubbing 64 MiB of leaves: {:.2} s, {} damaged; resident {:.0} MiB",
        since.elapsed().as_secs_f64(),
        found.len(),
        resident_mib()
    );
    if mode.as_deref() != Some("keep") && mode.as_deref() != Some("open") {
        std::fs::remove_dir_all(&dir).unwrap();
    }
}
