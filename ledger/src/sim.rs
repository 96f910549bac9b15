//! The simulator: the real node, state and store of a whole city on a seeded network, clock and disk. The same seed gives the same run.

mod check;
mod city;
mod dice;
mod disk;
mod faults;
mod plan;
mod world;

pub use check::Violation;
pub use dice::Dice;
pub use disk::Disk;
pub use plan::Plan;
pub use world::Outcome;

/// What several schedules came to.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Schedules that were run.
    pub schedules: u64,
    /// Of these, those with hardly any traffic between the faults: their time does not count.
    pub thin: u64,
    /// The virtual time of the others, in milliseconds.
    pub ms: u64,
    /// Records that clients were told are committed.
    pub acknowledged: u64,
    /// Faults that were put in.
    pub faults: u64,
    /// The seed of the schedule that broke an invariant, and which.
    pub violation: Option<(u64, Violation)>,
}

/// A run in which one schedule in twenty, and more than three, had no traffic has tested too little.
const THIN_OF: u64 = 20;
const THIN_MIN: u64 = 3;

/// Runs schedules from `seed` on, each with a seed of its own, until they add up to `ms` of virtual time or `schedules` were run,
/// or one breaks an invariant. `progress` hears of each.
pub fn run(seed: u64, ms: u64, schedules: u64, progress: &mut dyn FnMut(u64, &Report)) -> Report {
    let mut report = Report::default();
    while report.ms < ms && report.schedules < schedules && report.violation.is_none() {
        let this = seed.wrapping_add(report.schedules);
        let outcome = world::schedule(&Plan::draw(this));
        report.schedules += 1;
        report.thin += u64::from(outcome.thin);
        report.ms += if outcome.thin { 0 } else { outcome.ms };
        report.acknowledged += outcome.acknowledged;
        report.faults += outcome.faults;
        let idle = report.thin > THIN_MIN && report.thin * THIN_OF > report.schedules;
        let idle = idle.then(|| Violation { rule: "traffic", what: format!("{} of {} schedules had none", report.thin, report.schedules) });
        report.violation = outcome.violation.or(idle).map(|violation| (this, violation));
        progress(this, &report);
    }
    report
}

/// Runs one schedule.
#[must_use]
pub fn one(seed: u64) -> Outcome {
    world::schedule(&Plan::draw(seed))
}
