//! The simulator finds nothing in the code as it is, and the same seed gives the same run.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "a test may fail, and says what it measured")]

use ledger::sim;

/// Virtual time of one run in milliseconds, from `WAYBILL_SIM_HOURS` if it is set.
fn ms() -> u64 {
    let hours: Option<u64> = std::env::var("WAYBILL_SIM_HOURS").ok().and_then(|hours| hours.parse().ok());
    hours.map_or(600_000, |hours| hours * 3_600_000)
}

#[test]
fn no_schedule_breaks_an_invariant() {
    // Half of the time each, for two processors.
    let halves = [1, 1_000_000_000].map(|seed| std::thread::spawn(move || sim::run(seed, ms() / 2, u64::MAX, &mut |_, _| {})));
    for half in halves {
        let report = half.join().unwrap();
        println!("measured: {report:?}");
        if let Some((seed, violation)) = report.violation {
            panic!("seed {seed}: {violation}");
        }
        assert!(report.faults > report.schedules, "schedules without faults test nothing");
    }
}

#[test]
fn a_seed_is_a_run() {
    for seed in [3, 4] {
        let (one, other) = (sim::one(seed), sim::one(seed));
        assert_eq!((one.trace, one.leaves, one.violation), (other.trace, other.leaves, other.violation));
    }
    assert_ne!(sim::one(3).trace, sim::one(4).trace);
}
