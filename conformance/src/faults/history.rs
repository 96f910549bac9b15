//! The history of a run, and its judge: what was acknowledged must stand in the ledger, once, in order, and provably.

use ledger::checkpoint::Policy;
use ledger::proof::Receipt;
use ledger::record::{Leaf, Outcome};
use ledger::tree::{Tree, leaf_hash};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// What a client knows of its call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Phase {
    /// It begins.
    Invoke,
    /// It was acknowledged.
    Ok {
        /// The record's id.
        id: String,
        /// Its leaf.
        index: u64,
        /// The receipt's text, if a checkpoint covered the leaf in time.
        receipt: Option<String>,
    },
    /// It did not happen, and will not.
    Fail,
    /// Whether it happened is unknown: the final ledger says.
    Info,
}

/// One line of a history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Microseconds since the run began.
    pub at: u64,
    /// The node that was asked, from 1.
    pub node: u64,
    /// What the record is told from others by; a client never uses one again.
    pub key: String,
    /// What happened.
    pub phase: Phase,
}

impl Event {
    /// The event as an object of a JSON line.
    #[must_use]
    pub fn json(&self) -> Value {
        let Self { at, node, key, phase } = self;
        match phase {
            Phase::Invoke => json!({ "at_us": at, "node": node, "key": key, "phase": "invoke" }),
            Phase::Ok { id, index, receipt } => {
                json!({ "at_us": at, "node": node, "key": key, "phase": "ok", "id": id, "index": index, "receipt": receipt })
            }
            Phase::Fail => json!({ "at_us": at, "node": node, "key": key, "phase": "fail" }),
            Phase::Info => json!({ "at_us": at, "node": node, "key": key, "phase": "info" }),
        }
    }

    fn read(line: &str) -> Option<Self> {
        let value: Value = serde_json::from_str(line).ok()?;
        let text = |key: &str| value.get(key)?.as_str().map(str::to_owned);
        let number = |key: &str| value.get(key)?.as_u64();
        let phase = match text("phase")?.as_str() {
            "invoke" => Phase::Invoke,
            "ok" => Phase::Ok { id: text("id")?, index: number("index")?, receipt: text("receipt") },
            "fail" => Phase::Fail,
            "info" => Phase::Info,
            _ => return None,
        };
        Some(Self { at: number("at_us")?, node: number("node")?, key: text("key")?, phase })
    }
}

/// Reads a history of JSON lines.
///
/// # Errors
/// The line that is no event.
pub fn read(text: &str) -> Result<Vec<Event>, String> {
    text.lines().map(|line| Event::read(line).ok_or_else(|| format!("no event: {line}"))).collect()
}

/// Writes a history while it happens.
#[derive(Debug)]
pub struct Recorder {
    begin: Instant,
    taken: Mutex<(File, Vec<Event>)>,
}

impl Recorder {
    /// A new file.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn create(path: &Path) -> std::io::Result<Self> {
        Ok(Self { begin: Instant::now(), taken: Mutex::new((File::create(path)?, Vec::new())) })
    }

    fn taken(&self) -> MutexGuard<'_, (File, Vec<Event>)> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Microseconds since the run began.
    #[must_use]
    pub fn now(&self) -> u64 {
        u64::try_from(self.begin.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    /// Takes an event down. The time is read under the lock, so that the lines are in its order.
    ///
    /// # Panics
    /// The file cannot be written: a history with a gap judges nothing.
    pub fn take(&self, node: u64, key: &str, phase: Phase) {
        let mut taken = self.taken();
        let event = Event { at: self.now(), node, key: key.to_owned(), phase };
        let wrote = writeln!(taken.0, "{}", event.json());
        assert!(wrote.is_ok(), "the history cannot be written: {wrote:?}");
        taken.1.push(event);
    }

    /// How many calls were acknowledged that began at `from` or later, per node.
    #[must_use]
    pub fn acknowledged(&self, from: u64) -> BTreeMap<u64, usize> {
        let taken = self.taken();
        let mut begun = BTreeMap::new();
        let mut counts = BTreeMap::new();
        for event in &taken.1 {
            match event.phase {
                Phase::Invoke => drop(begun.insert(event.key.as_str(), event.at)),
                Phase::Ok { .. } if begun.get(event.key.as_str()).is_some_and(|at| *at >= from) => {
                    *counts.entry(event.node).or_default() += 1
                }
                _ => {}
            }
        }
        counts
    }

    /// When the first call that began at `from` or later was acknowledged by each of `nodes`; none until all have one.
    #[must_use]
    pub fn progress(&self, from: u64, nodes: &[u64]) -> Option<Duration> {
        let taken = self.taken();
        let mut begun = BTreeSet::new();
        let mut first = BTreeMap::new();
        for event in taken.1.iter().filter(|event| event.at >= from) {
            match event.phase {
                Phase::Invoke => drop(begun.insert(event.key.as_str())),
                Phase::Ok { .. } if begun.contains(event.key.as_str()) => drop(first.entry(event.node).or_insert(event.at)),
                _ => {}
            }
        }
        let last = nodes.iter().map(|node| first.get(node).copied()).collect::<Option<Vec<u64>>>()?.into_iter().max()?;
        Some(Duration::from_micros(last - from))
    }
}

/// What the judge found; every list is empty when all is well.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Calls that were acknowledged.
    pub acknowledged: usize,
    /// Acknowledged, and not at their leaf (I2).
    pub lost: Vec<String>,
    /// On the ledger twice (I4), or although it was said that they failed, or although nobody asked.
    pub uncalled: Vec<String>,
    /// Acknowledged before another began, and behind it (I3).
    pub disordered: Vec<String>,
    /// Receipts that do not verify against the final ledger (I6), or leaves with a time before their predecessor's.
    pub unproven: Vec<String>,
}

impl Verdict {
    /// Whether nothing is wrong.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.lost.is_empty() && self.uncalled.is_empty() && self.disordered.is_empty() && self.unproven.is_empty()
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} acknowledged", self.acknowledged)?;
        let lists = [("lost", &self.lost), ("uncalled", &self.uncalled), ("disordered", &self.disordered), ("unproven", &self.unproven)];
        for (name, list) in lists.iter().filter(|(_, list)| !list.is_empty()) {
            write!(f, "; {} {name}: {}", list.len(), list.iter().take(3).cloned().collect::<Vec<_>>().join(", "))?;
        }
        Ok(())
    }
}

/// The key of a traffic record: the name of the role that it defines.
fn key(leaf: &str) -> Option<&str> {
    leaf.split_once("RoleName>").and_then(|(_, rest)| rest.split('<').next())
}

/// Judges a history by the final ledger's leaves; a receipt counts by one of `policies`. Keys that begin with `prefix` are this history's.
#[must_use]
pub fn judge(events: &[Event], leaves: &[Vec<u8>], policies: &[Policy], prefix: &str) -> Verdict {
    let mut verdict = Verdict::default();
    let mut tree = Tree::default();
    let mut places: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    let mut clients: BTreeMap<u64, String> = BTreeMap::new();
    let mut time = None;
    for (octets, index) in leaves.iter().zip(0..) {
        tree.push(leaf_hash(octets));
        let Ok(leaf) = Leaf::read(octets) else {
            verdict.unproven.push(format!("leaf {index} cannot be read"));
            continue;
        };
        if leaf.index != index || time.is_some_and(|time| leaf.time < time) {
            verdict.unproven.push(format!("leaf {index} has a wrong place or time"));
        }
        time = Some(leaf.time);
        let text = String::from_utf8_lossy(octets);
        if let Some(key) = key(&text).filter(|key| key.starts_with(prefix) && leaf.outcome == Outcome::Done) {
            places.entry(key.to_owned()).or_default().push(index);
        }
        clients.insert(index, leaf.client);
    }
    let invoked: BTreeMap<&str, u64> =
        events.iter().filter(|event| event.phase == Phase::Invoke).map(|event| (event.key.as_str(), event.at)).collect();
    let failed: BTreeSet<&str> = events.iter().filter(|event| event.phase == Phase::Fail).map(|event| event.key.as_str()).collect();
    for (key, at) in &places {
        if at.len() > 1 || !invoked.contains_key(key.as_str()) || failed.contains(key.as_str()) {
            verdict.uncalled.push(format!("{key} at {at:?}"));
        }
    }
    for event in events {
        let Phase::Ok { id, index, receipt } = &event.phase else { continue };
        verdict.acknowledged += 1;
        let there = places.get(&event.key).is_some_and(|at| at.contains(index)) && clients.get(index) == Some(id);
        if !there {
            verdict.lost.push(format!("{} at {index}", event.key));
            continue;
        }
        if let Some(receipt) = receipt
            && !proves(receipt, *index, leaves, &tree, policies)
        {
            verdict.unproven.push(format!("the receipt of {} at {index}", event.key));
        }
    }
    verdict.disordered = disordered(events, &invoked);
    verdict
}

/// A receipt verifies with its leaf, and its checkpoint is a prefix of the final ledger.
fn proves(receipt: &str, index: u64, leaves: &[Vec<u8>], tree: &Tree, policies: &[Policy]) -> bool {
    let leaf = usize::try_from(index).ok().and_then(|index| leaves.get(index));
    let checkpoint = leaf
        .zip(Receipt::parse(receipt).ok())
        .and_then(|(leaf, receipt)| policies.iter().find_map(|policy| receipt.verify(leaf, policy).ok()));
    checkpoint.is_some_and(|checkpoint| tree.root(checkpoint.size) == Some(checkpoint.root))
}

/// Sweeps the calls by time: whoever begins is placed behind everything acknowledged before.
fn disordered(events: &[Event], invoked: &BTreeMap<&str, u64>) -> Vec<String> {
    let mut steps: Vec<(u64, bool, &str, u64)> = Vec::new();
    for event in events {
        if let (Phase::Ok { index, .. }, Some(begun)) = (&event.phase, invoked.get(event.key.as_str())) {
            steps.push((*begun, false, &event.key, *index));
            steps.push((event.at, true, &event.key, *index));
        }
    }
    steps.sort_unstable();
    let (mut highest, mut wrong) = (None, Vec::new());
    for (_, acknowledged, key, index) in steps {
        if acknowledged {
            highest = highest.max(Some(index));
        } else if highest.is_some_and(|highest| index <= highest) {
            wrong.push(format!("{key} at {index}, after {highest:?} was acknowledged"));
        }
    }
    wrong
}
