//! P11: how fast leaves are verified on one core, beside bare SHA-256 over the same octets. `cargo run --release --example verify`
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::disallowed_methods, clippy::float_arithmetic, reason = "a measurement")]

#[path = "../tests/city/mod.rs"]
mod city;

use city::{NOW, genesis, log, signed};
use ledger::body::Request;
use ledger::record::Leaf;
use ledger::state::State;
use ledger::tree::{Tree, leaf_hash};
use sha2::{Digest, Sha256};
use std::hint::black_box;
use std::time::Instant;

const LEAVES: usize = 20_000;
const ROUNDS: usize = 5;

fn best(mut work: impl FnMut()) -> f64 {
    let once = |work: &mut dyn FnMut()| {
        let since = Instant::now();
        work();
        since.elapsed().as_secs_f64()
    };
    (0..ROUNDS).map(|_| once(&mut work)).fold(f64::MAX, f64::min)
}

fn main() {
    let (mut state, _) = State::found(Request::read(genesis(3)).unwrap()).unwrap();
    let mut leaves = Vec::new();
    for n in 0..LEAVES {
        let entry = signed(&log(&format!("log {n}"), "transport", Some("civil")), &["transport", "civil"]);
        let checked = state.check_one(Request::read(entry).unwrap()).unwrap();
        leaves.extend(state.apply(&checked, NOW, 0).into_iter().map(|leaf| leaf.octets));
    }
    let octets: usize = leaves.iter().map(Vec::len).sum();
    let bare = best(|| {
        for leaf in &leaves {
            black_box(Sha256::digest(leaf));
        }
    });
    let hashed = best(|| {
        let mut tree = Tree::default();
        leaves.iter().for_each(|leaf| tree.push(leaf_hash(leaf)));
        black_box(tree.root(tree.size()));
    });
    let signed = best(|| {
        for some in leaves.chunks(512) {
            let leaves = some.iter().map(|octets| Leaf::read(octets).unwrap()).filter(|leaf| !leaf.entry.signatures().is_empty());
            let requests = leaves.map(|leaf| Request::read(leaf.entry).unwrap()).collect();
            assert!(state.check(requests).iter().all(Result::is_ok));
        }
    });
    let rate = |seconds: f64| leaves.len() as f64 / seconds;
    println!("{} leaves of {} octets on average, two signatures each", leaves.len(), octets / leaves.len());
    println!("bare SHA-256      {:>9.0} a second", rate(bare));
    println!("leaf hashes, tree {:>9.0} a second: {:.0} % of bare SHA-256", rate(hashed), 100.0 * bare / hashed);
    println!("all signatures    {:>9.0} a second: read, canonical form and schema checked, both signatures verified", rate(signed));
}
