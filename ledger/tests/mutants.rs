//! Each mistake made on purpose is found by the simulator within 200 schedules: `cargo test -p ledger --features mutants --test mutants`.
#![allow(clippy::print_stdout, clippy::panic, reason = "a test says what it measured, and may fail")]

use ledger::{mutant, sim};
use std::panic::{AssertUnwindSafe, catch_unwind};

const SCHEDULES: u64 = 200;

#[test]
fn every_mistake_is_found() {
    let mut missed = Vec::new();
    for name in mutant::ALL {
        mutant::make(name);
        let mut found = None;
        for seed in 1..=SCHEDULES {
            // An assertion of the ledger's own is a find as well: the replica stopped.
            let outcome = catch_unwind(AssertUnwindSafe(|| sim::one(seed).violation.map(|violation| violation.to_string())));
            if let Some(what) = outcome.unwrap_or_else(|_| Some("an assertion".to_owned())) {
                found = Some((seed, what));
                break;
            }
        }
        match found {
            Some((seed, what)) => println!("{name}: schedule {seed}: {what}"),
            None => missed.push(name),
        }
    }
    mutant::make("");
    assert!(missed.is_empty(), "not found within {SCHEDULES} schedules: {missed:?}");
}
