//! `waybill sim`: hours of a simulated city in minutes, with every fault that its seed draws.

use super::print;
use super::session::Failure;
use clap::Args;
use ledger::sim;

/// Milliseconds of an hour.
const HOUR_MS: u64 = 3_600_000;

/// Arguments of `sim`.
#[derive(Debug, Args)]
pub struct Sim {
    /// The seed of the first schedule; the others have those that follow. One seed is one run.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Virtual hours of the city of four nodes.
    #[arg(long, default_value_t = 1)]
    pub hours: u64,
    /// At most so many schedules.
    #[arg(long, default_value_t = u64::MAX, hide_default_value = true)]
    pub schedules: u64,
    /// Print one JSON document.
    #[arg(long)]
    pub json: bool,
}

/// Runs it. A broken invariant is a check that does not hold: its seed runs again as it ran here.
///
/// # Errors
/// [`Failure::DoesNotHold`].
pub(super) fn run(verb: &Sim) -> Result<(), Failure> {
    let mut said = 0;
    let report = sim::run(verb.seed, verb.hours.saturating_mul(HOUR_MS), verb.schedules, &mut |seed, report| {
        if report.ms / HOUR_MS > said {
            said = report.ms / HOUR_MS;
            print::err(&format!(
                "{said} h: {} schedules, {} records acknowledged, seed {seed} done",
                report.schedules, report.acknowledged
            ));
        }
    });
    let (seed, what) = report.violation.as_ref().map_or((None, None), |(seed, violation)| (Some(*seed), Some(violation.to_string())));
    if verb.json {
        let document = serde_json::json!({
            "schedules": report.schedules, "thin": report.thin, "hours": report.ms / HOUR_MS, "acknowledged": report.acknowledged, "faults": report.faults,
            "violation": what, "seed": seed,
        });
        print::out(&document.to_string());
    } else {
        print::out(&format!(
            "{} schedules, {} h {} min of a city: {} records acknowledged, {} faults, {}",
            report.schedules,
            report.ms / HOUR_MS,
            report.ms % HOUR_MS / 60_000,
            report.acknowledged,
            report.faults,
            if what.is_none() { "no invariant broken" } else { "an invariant broken" }
        ));
    }
    match (seed, what) {
        (Some(seed), Some(what)) => {
            Err(Failure::DoesNotHold(vec![format!("seed {seed}: {what}"), format!("again: waybill sim --seed {seed} --schedules 1")]))
        }
        _ => Ok(()),
    }
}
