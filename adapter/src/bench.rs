//! `waybill bench`: figures beside those of peers, measured in one run on one machine, each next to its floor.
#![expect(clippy::float_arithmetic, reason = "a figure is a ratio; nothing of it reaches the ledger")]

mod arguments;
mod beside;
mod compare;
mod documents;
mod etcd;
mod figures;
mod grpc;
mod join;
mod load;
mod map;
pub mod member;
mod ours;
mod process;
mod sol3;
mod submit;
mod xsd;

pub use arguments::{Bench, BenchLedger, BenchMap, BenchXsd, LedgerNode, MapPeer, Peer, Sol3 as Sol3Arguments, XsdPeer};

use crate::cli::session::Failure;
use crate::config::Misconfigured;
use compare::{Compare, Load, load_ours};
use figures::{Figure, Floor};
use ours::{Like, Ours, Records};
use sol3::Sol3;
use std::time::Duration;

const RECORD: Like = Like { octets: 256, parties: 1 };
const TRADE_LIKE: Like = Like { octets: 256, parties: 2 };

/// Records at which a restart and the memory are promised.
const SCALE: u64 = 10_000_000;

fn wrong(what: &str, error: &dyn std::fmt::Display) -> Misconfigured {
    Misconfigured::Value(format!("{what}: {error}"))
}

/// Measures and prints.
///
/// # Errors
/// A floor does not hold, a process cannot be started, or it does not answer as it should.
pub async fn run(verb: Bench) -> Result<(), Failure> {
    let measured = tokio::task::spawn_blocking(move || measure(&verb)).await;
    if measured.map_err(|error| Failure::Garbled(error.to_string()))?? {
        Ok(())
    } else {
        Err(Failure::DoesNotHold(vec![String::from("error[floor]: a figure misses its floor; its line says so")]))
    }
}

fn measure(verb: &Bench) -> Result<bool, Misconfigured> {
    match verb {
        Bench::Ledger(arguments) => ledger(arguments),
        Bench::Xsd(arguments) => xsd::run(arguments),
        Bench::Map(arguments) => map::run(arguments),
        Bench::Sol3(arguments) => sol3(arguments).map(|()| true),
    }
}

fn sol3(arguments: &Sol3Arguments) -> Result<(), Misconfigured> {
    for octets in [256, 25_600, 65_536] {
        let took = Sol3::start(&arguments.dir, octets)?.measure(Duration::from_secs(2))?;
        Figure::alone(&format!("SOL3 {octets} octets"), took.as_secs_f64() * 1000.0, "ms", Floor::None).print(arguments.json);
    }
    Ok(())
}

struct Run<'a> {
    arguments: &'a BenchLedger,
    compare: Compare,
    holds: bool,
}

fn ledger(arguments: &BenchLedger) -> Result<bool, Misconfigured> {
    let dir = &arguments.dir;
    if dir.exists() {
        return Err(wrong("--dir", &format!("{} exists: name a folder that does not, or remove it", dir.display())));
    }
    let (rounds, burst) = if arguments.quick { (3, Duration::from_secs(1)) } else { (5, Duration::from_secs(4)) };
    let etcd = etcd::Etcd::start(&arguments.etcd, &dir.join("etcd"))?;
    let ours = Ours::start(&dir.join("ours"), 3, 0)?;
    let limit = Sol3::start(&dir.join("sol3"), 256)?;
    let compare = Compare { ours, etcd, records: Records::new(), limit, rounds, burst, keys: 0 };
    let mut run = Run { arguments, compare, holds: true };
    run.rates()?;
    run.sweep()?;
    run.times()?;
    run.sizes()?;
    run.join()?;
    let holds = run.holds;
    drop(run);
    std::fs::remove_dir_all(dir).map_err(|error| Misconfigured::File(dir.clone(), error))?;
    Ok(holds)
}

impl Run<'_> {
    fn wants(&self, id: &str) -> bool {
        self.arguments.only.is_empty() || self.arguments.only.iter().any(|only| only == id)
    }

    fn print(&mut self, figure: &Figure) {
        self.holds &= figure.holds().unwrap_or(true);
        figure.print(self.arguments.json);
    }

    fn load(&mut self, id: &str, name: &str, load: Load, latency: bool, floor: Floor) -> Result<(), Misconfigured> {
        if !self.wants(id) {
            return Ok(());
        }
        let figure = self.compare.load(&format!("{id} {name}"), load, latency, floor)?;
        self.print(&figure);
        Ok(())
    }

    fn rates(&mut self) -> Result<(), Misconfigured> {
        let one = Load { like: RECORD, batch: 1, in_flight: 1, etcd: (1, 1) };
        self.load("P1", "latency, 1 in flight", one, true, Floor::RatioAtMost(0.7))?;
        let presigned = Load { like: TRADE_LIKE, batch: 32, in_flight: 8, etcd: (1, 256) };
        self.load("P2", "256 in flight, 8 x 32", presigned, false, Floor::RatioAtLeast(3.0))?;
        let signed = Load { like: TRADE_LIKE, batch: 1, in_flight: 256, etcd: (1, 256) };
        self.load("P3", "2 signatures each", signed, false, Floor::RatioAtLeast(0.5))?;
        let batches = Load { like: TRADE_LIKE, batch: 100, in_flight: 64, etcd: (100, 64) };
        self.load("P4", "batches of 100", batches, false, Floor::RatioAtLeast(3.0))?;
        if self.wants("P6") {
            let single = Ours::start(&self.arguments.dir.join("single"), 1, 0)?;
            let load = Load { like: RECORD, batch: 1, in_flight: 256, etcd: (1, 256) };
            let figure = self.compare.replication("P6 3 nodes to 1", &single, load, Floor::RatioAtLeast(0.35))?;
            self.print(&figure);
        }
        Ok(())
    }

    fn sweep(&mut self) -> Result<(), Misconfigured> {
        for octets in [256, 1024] {
            for in_flight in [1, 8, 64, 256, 1024] {
                let load = Load { like: Like { octets, parties: 1 }, batch: 1, in_flight, etcd: (1, in_flight) };
                self.load("sweep", &format!("{octets} octets, {in_flight}"), load, false, Floor::None)?;
            }
        }
        Ok(())
    }

    fn times(&mut self) -> Result<(), Misconfigured> {
        if self.wants("P8") {
            let figure = self.compare.reads("P8 linearizable get, 64", 64, Floor::RatioAtLeast(1.0))?;
            self.print(&figure);
        }
        if self.wants("P13") {
            for figure in self.compare.checkpoints()? {
                self.print(&figure);
            }
        }
        if self.wants("P7") {
            let times = if self.arguments.quick { 5 } else { 20 };
            let figure = self.compare.failover("P7 failover", times, Floor::AtMost(0.8))?;
            self.print(&figure);
        }
        Ok(())
    }

    /// A node more, of a ledger of its own.
    fn join(&mut self) -> Result<(), Misconfigured> {
        if !self.wants("P16") {
            return Ok(());
        }
        let load = Load { like: TRADE_LIKE, batch: 100, in_flight: 16, etcd: (1, 1) };
        for figure in join::figures(&self.arguments.dir.join("join"), load, self.arguments.scale)? {
            self.print(&figure);
        }
        Ok(())
    }

    /// Fills the ledger to the scale, and looks at a follower.
    #[expect(clippy::cast_precision_loss, reason = "sizes are far below 2^53")]
    fn sizes(&mut self) -> Result<(), Misconfigured> {
        if !["P14", "P15", "P17"].iter().any(|id| self.wants(id)) {
            return Ok(());
        }
        let compare = &mut self.compare;
        let leader = compare.ours.leader()?;
        let follower = (leader + 1) % 3;
        let load = Load { like: TRADE_LIKE, batch: 100, in_flight: 16, etcd: (1, 1) };
        let mut size = 0;
        while size < self.arguments.scale {
            load_ours(&compare.ours, &mut compare.records, load, Duration::from_secs(60), 1000.0)?;
            size = compare.ours.standing(leader).map_or(0, |standing| standing.size);
        }
        compare.ours.reaches(follower, size)?;
        let octets = process::size_of(&compare.ours.data(follower)) as f64 / size as f64;
        let resident = compare.ours.process(follower).and_then(process::Process::resident).unwrap_or_default();
        compare.ours.kill(follower);
        compare.ours.revive(follower)?;
        let restart = compare.ours.reaches(follower, size)?;
        // These two are promised at 10^7 records: of fewer they say nothing.
        let at_scale = |floor| if size >= SCALE { Floor::AtMost(floor) } else { Floor::None };
        for figure in [
            Figure::alone(&format!("P14 disk, {size} records"), octets, "octets/record", Floor::AtMost(1200.0)),
            Figure::alone(&format!("P15 restart, {size} records"), restart.as_secs_f64(), "s", at_scale(5.0)),
            Figure::alone(&format!("P17 memory, {size} records"), resident as f64 / f64::from(1 << 20), "MiB", at_scale(512.0)),
        ] {
            self.print(&figure);
        }
        Ok(())
    }
}
