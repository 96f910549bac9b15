//! Bursts on our nodes and on etcd's in turn: the figures that are ratios.

use super::etcd::{self, Etcd};
use super::figures::{Figure, Floor, median};
use super::load::{Burst, Connection};
use super::ours::{Like, Ours, Records};
use super::sol3::Sol3;
use super::submit::{GET, STATUS, Standing, Submit, request};
use super::wrong;
use crate::cli::print;
use crate::config::Misconfigured;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const PROBE: Duration = Duration::from_millis(10);
const PATIENCE: Duration = Duration::from_secs(30);
/// Between a member's return and the next kill.
const CALM: Duration = Duration::from_millis(500);

/// A load: records of a form, in requests of `batch`, so many requests in flight.
#[derive(Clone, Copy, Debug)]
pub(super) struct Load {
    pub(super) like: Like,
    pub(super) batch: usize,
    pub(super) in_flight: usize,
    /// Values of a transaction and transactions in flight at etcd.
    pub(super) etcd: (usize, usize),
}

/// Both systems, running.
pub(super) struct Compare {
    pub(super) ours: Ours,
    pub(super) etcd: Etcd,
    pub(super) records: Records,
    pub(super) limit: Sol3,
    pub(super) rounds: usize,
    pub(super) burst: Duration,
    pub(super) keys: u64,
}

/// How often a burst is made until it counts.
const BURST_TRIES: usize = 3;

impl Compare {
    /// Bursts in turn; `latency` gives mean milliseconds instead of records a second.
    pub(super) fn load(&mut self, id: &str, load: Load, latency: bool, floor: Floor) -> Result<Figure, Misconfigured> {
        let (mut ours, mut etcd, mut ratios, mut limits) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let mut guess = 20_000.0;
        for _ in 0..self.rounds {
            limits.push(self.limit.measure(self.burst / 5)?.as_secs_f64());
            let rate = again(|| load_ours(&self.ours, &mut self.records, load, self.burst, guess))?;
            guess = rate;
            let theirs = again(|| self.load_etcd(load))?;
            ratios.push(if latency { theirs / rate } else { rate / theirs });
            ours.push(rate);
            etcd.push(theirs);
        }
        let value = |rates: &[f64]| if latency { 1000.0 / median(rates) } else { median(rates) };
        let limit = if latency { Some(median(&limits) * 1000.0) } else { None };
        let unit = if latency { "ms" } else { "records/s" };
        Ok(Figure { id: id.to_owned(), ours: value(&ours), unit, peer: Some(("etcd", value(&etcd), median(&ratios))), limit, floor })
    }

    /// Three nodes against one of ours.
    pub(super) fn replication(&mut self, id: &str, single: &Ours, load: Load, floor: Floor) -> Result<Figure, Misconfigured> {
        let (mut three, mut one, mut ratios, mut guess) = (Vec::new(), Vec::new(), Vec::new(), 20_000.0);
        for _ in 0..self.rounds {
            let rate = load_ours(&self.ours, &mut self.records, load, self.burst, guess)?;
            let alone = load_ours(single, &mut self.records, load, self.burst, rate * 2.0)?;
            guess = rate;
            ratios.push(rate / alone);
            three.push(rate);
            one.push(alone);
        }
        let peer = Some(("one node of ours", median(&one), median(&ratios)));
        Ok(Figure { id: id.to_owned(), ours: median(&three), unit: "records/s", peer, limit: None, floor })
    }

    fn load_etcd(&mut self, load: Load) -> Result<f64, Misconfigured> {
        let failed = |error: std::io::Error| wrong("etcd", &error);
        let leader = self.etcd.leader()?;
        let (values, in_flight) = load.etcd;
        let value = vec![0x5a; load.like.octets];
        let mut next = || {
            self.keys += 1;
            etcd::put(format!("record/{:016x}", self.keys).as_bytes(), &value)
        };
        // etcd takes at most some ten thousand requests a second.
        let pool = pool(30_000.0, self.burst, in_flight);
        let (method, requests): (_, Vec<Vec<u8>>) = if values == 1 {
            (etcd::PUT, (0..pool).map(|_| next()).collect())
        } else {
            (etcd::TXN, (0..pool / 16).map(|_| etcd::txn(&(0..values).map(|_| next()).collect::<Vec<_>>())).collect())
        };
        let mut connection = self.etcd.connect(leader, method).map_err(failed)?;
        let before = self.etcd.revision(leader);
        let burst = connection.burst(requests.iter().map(Vec::as_slice), in_flight, self.burst).map_err(failed)?;
        let committed = self.etcd.revision(leader) - before;
        if burst.failed > 0 || committed != burst.done {
            return Err(wrong("etcd", &format!("{} answers and {} refusals for {committed} commits", burst.done, burst.failed)));
        }
        Ok(rate(&burst, values))
    }

    /// Linearizable reads of one record by id.
    pub(super) fn reads(&mut self, id: &str, in_flight: usize, floor: Floor) -> Result<Figure, Misconfigured> {
        let failed = |error: std::io::Error| wrong("reads", &error);
        let like = Like { octets: 256, parties: 1 };
        let some = 4096;
        let mut ids = Vec::new();
        let mut writes = Vec::new();
        for _ in 0..some {
            let (id, write) = self.records.single(like).map_err(|error| wrong("record", &error))?;
            ids.push(request(GET, id.as_bytes()));
            writes.push(write);
        }
        let (leader, their_leader) = (self.ours.leader()?, self.etcd.leader()?);
        let mut ours = self.ours.connect(leader).map_err(failed)?;
        let wrote = ours.burst(writes.iter().map(Vec::as_slice), 256, PATIENCE).map_err(failed)?;
        let keys: Vec<String> = (0..some).map(|key| format!("read/{key}")).collect();
        let puts: Vec<Vec<u8>> = keys.iter().map(|key| etcd::put(key.as_bytes(), &[0x5a; 256])).collect();
        let mut etcd = self.etcd.connect(their_leader, etcd::PUT).map_err(failed)?;
        let put = etcd.burst(puts.iter().map(Vec::as_slice), 256, PATIENCE).map_err(failed)?;
        let mut etcd = self.etcd.connect(their_leader, etcd::RANGE).map_err(failed)?;
        let ranges: Vec<Vec<u8>> = keys.iter().map(|key| etcd::range(key.as_bytes())).collect();
        let (mut mine, mut theirs, mut ratios, mut lost) = (Vec::new(), Vec::new(), Vec::new(), wrote.failed + put.failed);
        for _ in 0..self.rounds {
            let burst = ours.burst(ids.iter().map(Vec::as_slice).cycle(), in_flight, self.burst).map_err(failed)?;
            let other = etcd.burst(ranges.iter().map(Vec::as_slice).cycle(), in_flight, self.burst).map_err(failed)?;
            lost += burst.failed + other.failed;
            ratios.push(rate(&burst, 1) / rate(&other, 1));
            mine.push(rate(&burst, 1));
            theirs.push(rate(&other, 1));
        }
        if lost > 0 {
            return Err(wrong("reads", &format!("{lost} writes or reads failed")));
        }
        let peer = Some(("etcd", median(&theirs), median(&ratios)));
        Ok(Figure { id: id.to_owned(), ours: median(&mine), unit: "reads/s", peer, limit: None, floor })
    }

    /// kill -9 of the leader until the next committed write through a survivor.
    pub(super) fn failover(&mut self, id: &str, times: usize, floor: Floor) -> Result<Figure, Misconfigured> {
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for _ in 0..times {
            ours.push(self.failover_ours()?.as_secs_f64());
            theirs.push(self.failover_etcd()?.as_secs_f64());
        }
        let (ours, theirs) = (median(&ours), median(&theirs));
        Ok(Figure { id: id.to_owned(), ours, unit: "s", peer: Some(("etcd", theirs, ours / theirs)), limit: None, floor })
    }

    fn failover_ours(&mut self) -> Result<Duration, Misconfigured> {
        let failed = |error: std::io::Error| wrong("ledger", &error);
        let leader = self.ours.leader()?;
        let survivor = (leader + 1) % 3;
        let size = self.ours.standing(leader).map_or(0, |standing| standing.size);
        self.ours.reaches(survivor, size)?;
        let mut connection = self.ours.connect(survivor).map_err(failed)?;
        connection.call(&request(STATUS, &[])).map_err(failed)?;
        let like = Like { octets: 256, parties: 1 };
        let since = Instant::now();
        self.ours.kill(leader);
        let records = &mut self.records;
        let fresh = || records.single(like).map(|(_, request)| request).unwrap_or_default();
        let took = connection.first_success(fresh, since, PROBE, PATIENCE);
        self.ours.revive(leader)?;
        self.ours.reaches(leader, size)?;
        std::thread::sleep(CALM);
        took.ok_or_else(|| wrong("ledger", &"no write was committed after the leader was killed"))
    }

    fn failover_etcd(&mut self) -> Result<Duration, Misconfigured> {
        let failed = |error: std::io::Error| wrong("etcd", &error);
        let leader = self.etcd.leader()?;
        let mut connection = self.etcd.connect((leader + 1) % 3, etcd::PUT).map_err(failed)?;
        connection.call(&etcd::put(b"probe", b"first")).map_err(failed)?;
        let since = Instant::now();
        self.etcd.kill(leader);
        let took = connection.first_success(|| etcd::put(b"probe", &[0x5a; 256]), since, PROBE, PATIENCE);
        self.etcd.revive(leader)?;
        self.etcd.leader()?;
        std::thread::sleep(CALM);
        took.ok_or_else(|| wrong("etcd", &"no write was committed after the leader was killed"))
    }

    /// How old the newest checkpoint gets: after a single write, and the oldest it was under load.
    pub(super) fn checkpoints(&mut self) -> Result<[Figure; 2], Misconfigured> {
        let failed = |error: std::io::Error| wrong("ledger", &error);
        let like = Like { octets: 256, parties: 1 };
        let leader = self.ours.leader()?;
        let mut connection = self.ours.connect(leader).map_err(failed)?;
        let mut idle = Vec::new();
        for _ in 0..20 {
            std::thread::sleep(Duration::from_millis(100));
            let (_, write) = self.records.single(like).map_err(|error| wrong("record", &error))?;
            let index = connection.call(&write).map_err(failed)?.octets;
            let index = <[u8; 8]>::try_from(index).map_or(u64::MAX, u64::from_be_bytes);
            let since = Instant::now();
            while standing(&mut connection)?.covered <= index && since.elapsed() < PATIENCE {}
            idle.push(since.elapsed().as_secs_f64() * 1000.0);
        }
        let load = Load { like, batch: 1, in_flight: 256, etcd: (1, 256) };
        let over = AtomicBool::new(false);
        let oldest = std::thread::scope(|scope| {
            let watching = scope.spawn(|| oldest(connection, &over));
            let loaded = load_ours(&self.ours, &mut self.records, load, self.burst, 20_000.0);
            over.store(true, Ordering::Relaxed);
            let oldest = watching.join().map_err(|_panic| wrong("ledger", &"the watcher ended"))?;
            loaded.and(oldest)
        })?;
        Ok([
            Figure::alone("P13 checkpoint, idle", median(&idle), "ms", Floor::AtMost(200.0)),
            Figure::alone("P13 checkpoint, oldest", oldest.as_secs_f64() * 1000.0, "ms", Floor::AtMost(1000.0)),
        ])
    }
}

fn standing(connection: &mut Connection<Submit>) -> Result<Standing, Misconfigured> {
    let reply = connection.call(&request(STATUS, &[])).map_err(|error| wrong("ledger", &error))?;
    Standing::decode(&reply.octets).ok_or_else(|| wrong("ledger", &"no status"))
}

/// The longest that a leaf was seen without a checkpoint over it.
fn oldest(mut connection: Connection<Submit>, over: &AtomicBool) -> Result<Duration, Misconfigured> {
    let (mut open, mut oldest) = (VecDeque::<(Instant, u64)>::new(), Duration::ZERO);
    while !over.load(Ordering::Relaxed) {
        let at = standing(&mut connection)?;
        let now = Instant::now();
        open.push_back((now, at.size));
        while open.front().is_some_and(|(_, size)| *size <= at.covered) {
            open.pop_front();
        }
        if let Some((since, _)) = open.front() {
            oldest = oldest.max(now.duration_since(*since));
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(oldest)
}

/// A burst in which a system changed its leader, and so refused something, measures that and is made again; this is said.
fn again(mut burst: impl FnMut() -> Result<f64, Misconfigured>) -> Result<f64, Misconfigured> {
    for _ in 1..BURST_TRIES {
        match burst() {
            Err(error) => print::err(&format!("a burst is made again: {error}")),
            measured => return measured,
        }
    }
    burst()
}

/// A burst on our nodes: records a second, as the tree counts them.
pub(super) fn load_ours(ours: &Ours, records: &mut Records, load: Load, limit: Duration, guess: f64) -> Result<f64, Misconfigured> {
    let failed = |error: std::io::Error| wrong("ledger", &error);
    let bad = |error: ledger::record::Verdict| wrong("record", &error);
    #[expect(clippy::cast_precision_loss, reason = "a batch is small")]
    let pool = pool(guess / load.batch as f64, limit, load.in_flight);
    let requests: Vec<Vec<u8>> = (0..pool)
        .map(|_| if load.batch == 1 { records.single(load.like).map(|(_, single)| single) } else { records.batch(load.like, load.batch) })
        .collect::<Result<_, _>>()
        .map_err(bad)?;
    let leader = ours.leader()?;
    let mut connection = ours.connect(leader).map_err(failed)?;
    let before = standing(&mut connection)?.size;
    let burst = connection.burst(requests.iter().map(Vec::as_slice), load.in_flight, limit).map_err(failed)?;
    let leaves = standing(&mut connection)?.size - before;
    let done = burst.done * load.batch as u64;
    if burst.failed > 0 || leaves < done {
        return Err(wrong("ledger", &format!("{done} answers and {} refusals for {leaves} leaves", burst.failed)));
    }
    Ok(rate(&burst, load.batch))
}

/// Requests to prepare for a burst: half again as many as it took last time.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a small positive number")]
fn pool(rate: f64, limit: Duration, in_flight: usize) -> usize {
    (rate * 1.5 * limit.as_secs_f64()) as usize + 2 * in_flight
}

#[expect(clippy::cast_precision_loss, reason = "a burst has far fewer than 2^53 records")]
fn rate(burst: &Burst, each: usize) -> f64 {
    (burst.done * each as u64) as f64 / burst.took.as_secs_f64()
}
