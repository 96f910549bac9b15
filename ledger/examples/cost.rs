//! What a record costs one replica, in microseconds: reading, checking its signatures, applying it. `cargo run --release --example cost`
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::disallowed_methods, clippy::float_arithmetic, reason = "a measurement")]

#[path = "../tests/city/mod.rs"]
mod city;

use city::{NOW, batch, delivered, founding, genesis, log, signed};
use ledger::body::Request;
use ledger::record::Entry;
use ledger::state::State;
use std::time::Instant;

fn measure(name: &str, entries: &[Entry], records: usize) {
    let wire: Vec<Vec<u8>> = entries.iter().map(Entry::encode).collect();
    let (mut state, _) = State::found(Request::read(genesis(3)).unwrap()).unwrap();
    for entry in founding() {
        let checked = state.check_one(Request::read(entry).unwrap()).unwrap();
        state.apply(&checked, NOW, 0);
    }
    let mut best = [f64::MAX; 3];
    for _ in 0..5 {
        let mut state = state.clone();
        let since = Instant::now();
        let requests: Vec<Request> = wire.iter().map(|octets| Request::read(Entry::decode(octets).unwrap()).unwrap()).collect();
        let read = since.elapsed();
        let since = Instant::now();
        let mut checked = Vec::new();
        let mut requests = requests.into_iter();
        loop {
            let some: Vec<Request> = requests.by_ref().take(256).collect();
            if some.is_empty() {
                break;
            }
            checked.extend(state.check(some).into_iter().map(Result::unwrap));
        }
        let verified = since.elapsed();
        let since = Instant::now();
        let mut octets = 0;
        for request in &checked {
            octets += state.apply(request, NOW, 0).iter().map(|leaf| leaf.octets.len()).sum::<usize>();
        }
        let applied = since.elapsed();
        assert!(octets > 0, "leaves");
        for (best, took) in best.iter_mut().zip([read, verified, applied]) {
            *best = best.min(took.as_secs_f64() * 1e6 / records as f64);
        }
    }
    let [read, checked, applied] = best;
    println!(
        "{name:24} read {read:6.2}  check {checked:6.2}  apply {applied:6.2}  octets {}",
        wire.iter().map(Vec::len).sum::<usize>() / records
    );
}

fn main() {
    let both = ["transport", "civil"];
    let name = |n: usize| format!("record {n}");
    let trades: Vec<Entry> = (0..2000).map(|n| delivered(&name(n))).collect();
    measure("trade, 2 signatures", &trades, 2000);
    let logs: Vec<Entry> = (0..5000).map(|n| signed(&log(&name(n), "transport", None), &["transport"])).collect();
    measure("log, 1 signature", &logs, 5000);
    let logs: Vec<Entry> = (0..5000).map(|n| signed(&log(&name(n), "transport", Some("civil")), &both)).collect();
    measure("log, 2 signatures", &logs, 5000);
    let batches = |size: usize| {
        (0..50)
            .map(|n| batch(&(n * size..n * size + size).map(|n| log(&name(n), "transport", Some("civil"))).collect::<Vec<_>>(), &both))
            .collect::<Vec<_>>()
    };
    measure("log, batches of 100", &batches(100), 5000);
    measure("log, batches of 256", &batches(256), 50 * 256);
}
