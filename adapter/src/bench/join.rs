//! P16: a new node is given a long ledger while the others work at half of what they can.

use super::RECORD;
use super::compare::{Load, load_ours};
use super::figures::{Figure, Floor};
use super::load::Connection;
use super::ours::{Ours, Records};
use super::submit::Submit;
use super::wrong;
use crate::config::Misconfigured;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Voters, before whom the newcomer stands in the genesis as a learner.
const VOTERS: usize = 3;
/// How long is listened before it comes.
const BEFORE: Duration = Duration::from_secs(10);
/// Batches that are made beforehand: to make one takes longer than to commit it.
const BATCHES: usize = 6_000;

/// What clients saw meanwhile.
struct Seen {
    /// The 99th of a hundred latencies of a single record, in milliseconds.
    p99: f64,
    /// Records of the load a second.
    rate: f64,
}

/// Fills a ledger of three to `scale` records, and lets a fourth node come.
pub(super) fn figures(dir: &Path, load: Load, scale: u64) -> Result<[Figure; 2], Misconfigured> {
    let mut ours = Ours::start(dir, VOTERS, 1)?;
    let mut records = Records::new();
    let mut size = 0;
    while size < scale {
        load_ours(&ours, &mut records, load, Duration::from_secs(60), 1000.0)?;
        size = ours.standing(ours.leader()?).map_or(0, |standing| standing.size);
    }
    let full = load_ours(&ours, &mut records, load, Duration::from_secs(5), 60_000.0)?;
    let bad = |error: ledger::record::Verdict| wrong("record", &error);
    let batches = (0..BATCHES).map(|_| records.batch(load.like, load.batch)).collect::<Result<Vec<_>, _>>().map_err(bad)?;
    let mut batches = batches.iter();
    #[expect(clippy::cast_precision_loss, reason = "a batch is small")]
    let every = Duration::from_secs_f64(2.0 * load.batch as f64 / full);
    let (normal, ()) = under(&mut ours, &mut batches, (every, load.batch), |_| {
        std::thread::sleep(BEFORE);
        Ok(())
    })?;
    let (joining, (took, size)) = under(&mut ours, &mut batches, (every, load.batch), |ours| {
        let size = ours.standing(ours.leader()?).map_or(0, |standing| standing.size);
        let since = Instant::now();
        ours.revive(VOTERS)?;
        ours.reaches(VOTERS, size)?;
        Ok((since.elapsed(), size))
    })?;
    let load = joining.rate / full;
    let peer = Some(("before it came", normal.p99, joining.p99 / normal.p99));
    let writes = format!("P16 write p99, {:.0} % load", load * 100.0);
    Ok([
        Figure::alone(&format!("P16 a node joins, {size} records"), took.as_secs_f64(), "s", Floor::AtMost(300.0)),
        Figure { id: writes, ours: joining.p99, unit: "ms", peer, limit: None, floor: Floor::RatioAtMost(2.0) },
    ])
}

/// Does something while batches come, one each so often, and one client writes one record after the other.
fn under<'a, T>(
    ours: &mut Ours,
    batches: &mut (impl Iterator<Item = &'a Vec<u8>> + Send),
    (every, batch): (Duration, usize),
    work: impl FnOnce(&mut Ours) -> Result<T, Misconfigured>,
) -> Result<(Seen, T), Misconfigured> {
    let failed = |error: std::io::Error| wrong("ledger", &error);
    let leader = ours.leader()?;
    let (mut loaded, mut single) = (ours.connect(leader).map_err(failed)?, ours.connect(leader).map_err(failed)?);
    let over = AtomicBool::new(false);
    let (done, rate, latencies) = std::thread::scope(|scope| {
        let loading = scope.spawn(|| paced(&mut loaded, batches, every, &over));
        let writing = scope.spawn(|| one_by_one(&mut single, &over));
        let done = work(ours);
        over.store(true, Ordering::Relaxed);
        let joined = |_panic| wrong("load", &"a thread ended");
        Ok::<_, Misconfigured>((done?, loading.join().map_err(joined)?.map_err(failed)?, writing.join().map_err(joined)??))
    })?;
    let mut sorted = latencies;
    sorted.sort_by(f64::total_cmp);
    let p99 = sorted.get(sorted.len() * 99 / 100).copied().ok_or_else(|| wrong("load", &"no record was written"))?;
    #[expect(clippy::cast_precision_loss, reason = "a batch is small")]
    let rate = rate * batch as f64;
    Ok((Seen { p99, rate }, done))
}

/// Batches a second.
#[expect(clippy::cast_precision_loss, reason = "far fewer than 2^53")]
fn paced<'a>(
    connection: &mut Connection<Submit>,
    batches: &mut impl Iterator<Item = &'a Vec<u8>>,
    every: Duration,
    over: &AtomicBool,
) -> std::io::Result<f64> {
    let since = Instant::now();
    let (mut next, mut done) = (since, 0_u64);
    while !over.load(Ordering::Relaxed) {
        let Some(batch) = batches.next() else { break };
        std::thread::sleep(next.saturating_duration_since(Instant::now()));
        next += every;
        done += u64::from(connection.call(batch)?.good);
    }
    while !over.load(Ordering::Relaxed) {
        std::thread::sleep(every);
    }
    Ok(done as f64 / since.elapsed().as_secs_f64())
}

/// Milliseconds that each record took.
fn one_by_one(connection: &mut Connection<Submit>, over: &AtomicBool) -> Result<Vec<f64>, Misconfigured> {
    let mut records = Records::new();
    let mut latencies = Vec::new();
    while !over.load(Ordering::Relaxed) {
        let (_, record) = records.single(RECORD).map_err(|error| wrong("record", &error))?;
        let since = Instant::now();
        if connection.call(&record).map_err(|error| wrong("ledger", &error))?.good {
            latencies.push(since.elapsed().as_secs_f64() * 1000.0);
        }
    }
    Ok(latencies)
}
