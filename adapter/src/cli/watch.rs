//! `audit watch`: follows nodes live. What they publish has to go on from what was seen last, which is on the disk before it is said.

use crate::cli::audit::{Question, query, trust};
use crate::cli::diff::{got, tiles_of};
use crate::cli::examine::keep;
use crate::cli::session::{Failure, Session};
use crate::cli::verbs::{open, usage};
use crate::cli::{Caller, print};
use crate::config::{Misconfigured, file};
use crate::unified::audit::{GetConsistency, GetConsistencyResponse};
use clap::Args;
use ledger::audit::{Query, Trust};
use ledger::body::Record;
use ledger::checkpoint::{Checkpoint, Cosignature, Distrust, Note, Policy};
use ledger::diff::subtrees;
use ledger::follow::Frontier;
use ledger::record::Leaf;
use ledger::segment::leaves_of;
use ledger::tile::{Part, Tile, WIDTH};
use ledger::tree::{Hash, consistent};
use ledger::witness::Fork;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Arguments of `audit watch`.
#[derive(Clone, Debug, Args)]
pub struct Watch {
    /// Who asks: an auditor.
    #[command(flatten)]
    pub caller: Caller,
    /// The nodes' addresses, as https://127.0.0.1:7101; the profile's node if none is given.
    pub nodes: Vec<String>,
    /// The trust root: a policy file with the origin, the nodes' keys and the quorum.
    #[arg(long)]
    pub policy: PathBuf,
    /// The file that remembers what was seen last; without it there, watching begins with what the first node shows now.
    #[arg(long)]
    pub state: PathBuf,
    /// Which new records are printed; all that is given must hold. None are without a question.
    #[command(flatten)]
    pub question: Question,
    /// Seconds after which a checkpoint without a newer cosignature is an alarm. A ledger on which nothing happens has old ones.
    #[arg(long)]
    pub stale: Option<u64>,
    /// Seconds for which a node that starts again may show less than before.
    #[arg(long, default_value_t = 10)]
    pub grace: u64,
    /// Seconds between two looks.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub every: u64,
    /// Look once, and once more after the grace if a node shows less than before.
    #[arg(long)]
    pub once: bool,
}

/// What raises an alarm: a code, what it is about, and the notes that show it.
struct Alarm {
    code: &'static str,
    what: String,
    notes: Vec<String>,
}

/// What was seen last.
struct Seen {
    note: String,
    checkpoint: Checkpoint,
    frontier: Frontier,
    /// How far each node has shown itself.
    nodes: BTreeMap<String, u64>,
}

/// What stops a look.
enum Stop {
    Alarm(Alarm),
    Failure(Failure),
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self::Failure(failure)
    }
}

impl From<Alarm> for Stop {
    fn from(alarm: Alarm) -> Self {
        Self::Alarm(alarm)
    }
}

struct Watcher<'a> {
    watch: &'a Watch,
    session: Session,
    policy: Policy,
    query: Option<Query>,
    seen: Option<Seen>,
    /// Since when a node has shown less than before.
    behind: BTreeMap<String, Instant>,
    /// The node that showed what was seen last.
    source: String,
}

/// `waybill audit watch`.
///
/// # Errors
/// An alarm, or see [`Failure`].
pub(super) async fn run(watch: &Watch) -> Result<(), Failure> {
    let Trust::Policy(policy) = trust(Some(&watch.policy), None)? else { return Err(usage(String::from("--policy FILE"))) };
    let profile = crate::cli::profile::Profile::load(&watch.caller.profile)?;
    let mut nodes: Vec<String> = watch.nodes.iter().map(|node| node.trim_end_matches('/').to_owned()).collect();
    if nodes.is_empty() {
        nodes.push(profile.node.trim_end_matches('/').to_owned());
    }
    let asked = query(&watch.question)?;
    let query = Some(asked).filter(|query| *query != Query::default());
    let seen = Seen::load(&watch.state, &policy)?;
    let source = nodes.first().cloned().unwrap_or_default();
    let mut watcher = Watcher { watch, session: open(&watch.caller)?, policy, query, seen, behind: BTreeMap::new(), source };
    loop {
        let mut unreached = Vec::new();
        for node in &nodes {
            match watcher.look(node).await {
                Ok(()) => {}
                Err(Stop::Failure(failure @ Failure::Unreached(..))) => unreached.push(failure),
                Err(Stop::Failure(failure)) => return Err(failure),
                Err(Stop::Alarm(alarm)) => return Err(watcher.raise(node, &alarm)),
            }
        }
        unreached.iter().for_each(|failure| print::err(&failure.to_string()));
        if watch.once && watcher.behind.is_empty() {
            let silent = unreached.len() == nodes.len();
            return unreached.pop().filter(|_| silent).map_or(Ok(()), Err);
        }
        tokio::time::sleep(Duration::from_secs(watch.every)).await;
    }
}

impl Watcher<'_> {
    /// Looks at what a node shows now.
    async fn look(&mut self, node: &str) -> Result<(), Stop> {
        let text = String::from_utf8_lossy(&got(&self.session, node, "/checkpoint").await?).into_owned();
        let alarm = |code, what: String| Alarm { code, what, notes: vec![text.clone()] };
        let checkpoint = self.policy.verify(&text).map_err(|distrust| alarm(code_of(&distrust), distrust.to_string()))?;
        self.fresh(&text).map_err(|what| alarm("stale", what))?;
        let before = self.seen.as_ref().and_then(|seen| seen.nodes.get(node)).copied().unwrap_or(0);
        if checkpoint.size < before {
            let since = *self.behind.entry(node.to_owned()).or_insert_with(Instant::now);
            if since.elapsed() >= Duration::from_secs(self.watch.grace) {
                let notes = [Some(text), self.seen.as_ref().map(|seen| seen.note.clone())].into_iter().flatten().collect();
                let what = format!("it showed {before} leaves, and now {} for {} s", checkpoint.size, since.elapsed().as_secs());
                return Err(Alarm { code: "rollback", what, notes }.into());
            }
        } else {
            self.behind.remove(node);
        }
        match &self.seen {
            None => self.begin(node, text, checkpoint).await,
            Some(seen) if checkpoint.size > seen.checkpoint.size => self.go_on(node, text, checkpoint).await,
            Some(seen) => {
                let whole = seen.checkpoint.clone();
                // Only what was compared was seen.
                if self.prefix(&text, &checkpoint, &whole).await? { self.remember(node, checkpoint.size) } else { Ok(()) }
            }
        }
    }

    /// A cosignature that is young enough, if that is asked for.
    fn fresh(&self, text: &str) -> Result<(), String> {
        let Some(stale) = self.watch.stale else { return Ok(()) };
        let note = Note::parse(text).map_err(|distrust| distrust.to_string())?;
        let times = note.signatures.iter().filter_map(|line| Some(Cosignature::read(line.octets.get(4..)?)?.seconds));
        let age = (crate::replica::now().0 / 1000).saturating_sub(times.max().unwrap_or(0));
        if age > stale { Err(format!("the latest cosignature is {age} s old, and {stale} s are allowed")) } else { Ok(()) }
    }

    /// Takes what is shown first as what is to be gone on from.
    async fn begin(&mut self, node: &str, note: String, checkpoint: Checkpoint) -> Result<(), Stop> {
        let mut tiles = BTreeMap::new();
        let mut peaks = Vec::new();
        for subtree in subtrees(0..checkpoint.size) {
            peaks.push(tiles_of(&self.session, node, &mut tiles, subtree, checkpoint.size).await?);
        }
        let false_tiles =
            || Alarm { code: "false-tiles", what: String::from("its tiles do not lead to its checkpoint"), notes: vec![note.clone()] };
        let frontier = Frontier::new(checkpoint.size, peaks, checkpoint.root).ok_or_else(false_tiles)?;
        print::out(&json!({ "begins": checkpoint.size, "root": checkpoint.root.to_string(), "node": node }).to_string());
        self.seen = Some(Seen { note, checkpoint: checkpoint.clone(), frontier, nodes: BTreeMap::new() });
        node.clone_into(&mut self.source);
        self.remember(node, checkpoint.size)
    }

    /// The new leaves lead from what was seen to what is shown: then it goes on from there, and they are the ledger's.
    async fn go_on(&mut self, node: &str, text: String, checkpoint: Checkpoint) -> Result<(), Stop> {
        let Some(seen) = &self.seen else { return Ok(()) };
        let mut frontier = seen.frontier.clone();
        let mut lines = Vec::new();
        while frontier.size() < checkpoint.size {
            let bundle = frontier.size() / WIDTH;
            let tile = Tile { part: Part::Entries, index: bundle, width: WIDTH.min(checkpoint.size - bundle * WIDTH) };
            let octets = got(&self.session, node, &tile.path()).await?;
            let leaves = leaves_of(&octets).filter(|leaves| leaves.len() as u64 == tile.width);
            let leaves = leaves.ok_or_else(|| Failure::Garbled(format!("{node}{}: no bundle of {} leaves", tile.path(), tile.width)))?;
            let new = usize::try_from(frontier.size() % WIDTH).unwrap_or(usize::MAX);
            for leaf in leaves.into_iter().skip(new) {
                let leaf = octets.get(leaf).unwrap_or_default();
                frontier.push(Leaf::hash(leaf));
                lines.extend(self.query.as_ref().and_then(|query| line(query, leaf)));
            }
        }
        if frontier.root() != checkpoint.root {
            return Err(self.contradiction(node, text, &checkpoint).await.into());
        }
        lines.iter().for_each(|line| print::out(&line.to_string()));
        let signers = Note::parse(&text).ok().and_then(|note| {
            let signers = self.policy.signers(&note).ok()?;
            Some(signers.cosigners.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>())
        });
        let said = json!({ "checkpoint": checkpoint.size, "root": checkpoint.root.to_string(), "signers": signers, "node": node });
        let nodes = seen.nodes.clone();
        self.seen = Some(Seen { note: text, checkpoint: checkpoint.clone(), frontier, nodes });
        node.clone_into(&mut self.source);
        self.remember(node, checkpoint.size)?;
        print::out(&said.to_string());
        Ok(())
    }

    /// Why a node's leaves do not lead to its checkpoint: it has another history, or it gives out leaves that are not in its own.
    async fn contradiction(&self, node: &str, text: String, checkpoint: &Checkpoint) -> Alarm {
        let Some(seen) = &self.seen else { return Alarm { code: "fork", what: String::new(), notes: vec![text] } };
        let (from, to) = (&seen.checkpoint, checkpoint);
        let notes = vec![seen.note.clone(), text];
        if matches!(self.proven(node, from, to).await, Ok(Some(true))) {
            return Alarm {
                code: "false-leaves",
                what: format!("the leaves it gives out from {} on are not those of its checkpoint", from.size),
                notes,
            };
        }
        Alarm { code: "fork", what: format!("its {} leaves do not go on from the {} that were seen", to.size, from.size), notes }
    }

    /// What a node shows is a prefix of what was seen, or the same; says whether that could be compared now.
    async fn prefix(&self, text: &str, shown: &Checkpoint, whole: &Checkpoint) -> Result<bool, Stop> {
        let notes = || vec![self.seen.as_ref().map(|seen| seen.note.clone()).unwrap_or_default(), text.to_owned()];
        if shown.size == whole.size {
            let what = || format!("another root over the same {} leaves", whole.size);
            return if shown.root == whole.root { Ok(true) } else { Err(Alarm { code: "fork", what: what(), notes: notes() }.into()) };
        }
        match self.proven(&self.source, shown, whole).await? {
            Some(true) => return Ok(true),
            Some(false) => {}
            None => {
                let (source, size) = (&self.source, whole.size);
                print::err(&format!("{source} has not the {size} leaves that were seen, or not yet: {} are not compared now", shown.size));
                return Ok(false);
            }
        }
        let what = format!("its {} leaves are no beginning of the {} that were seen", shown.size, whole.size);
        Err(Alarm { code: "fork", what, notes: notes() }.into())
    }

    /// Whether one checkpoint goes on from the other, by a node that has both; nothing from one that has not so many leaves.
    async fn proven(&self, node: &str, old: &Checkpoint, new: &Checkpoint) -> Result<Option<bool>, Failure> {
        let request = GetConsistency { from: old.size, to: new.size };
        let answer: Result<GetConsistencyResponse, Failure> = self.session.call_at(node, "audit", &request).await;
        let path = match answer {
            Err(Failure::Fault(_)) => return Ok(None),
            answer => answer?.hashes.iter().map(|hash| Hash::from_hex(hash)).collect::<Option<Vec<_>>>(),
        };
        Ok(Some(path.is_some_and(|path| consistent(old.size, old.root, new.size, new.root, &path))))
    }

    /// Puts down what was seen before anything is built on it.
    fn remember(&mut self, node: &str, size: u64) -> Result<(), Stop> {
        let Some(seen) = &mut self.seen else { return Ok(()) };
        let known = seen.nodes.entry(node.to_owned()).or_default();
        if size > *known {
            *known = size;
        } else if self.watch.state.exists() {
            return Ok(());
        }
        let failed = |error| Failure::from(Misconfigured::File(self.watch.state.clone(), error));
        Ok(keep(&self.watch.state, seen.text().as_bytes()).map_err(failed)?)
    }

    /// One line of JSON, and the evidence as a file if the notes contradict each other.
    fn raise(&self, node: &str, alarm: &Alarm) -> Failure {
        let fork = match alarm.notes.as_slice() {
            [ours, theirs] => Some(Fork { ours: ours.clone(), theirs: theirs.clone() }).filter(|fork| fork.verify(&self.policy).is_ok()),
            _ => None,
        };
        let evidence = fork.map(|fork| {
            let path = self.watch.state.with_file_name(fork.name());
            keep(&path, fork.text().as_bytes())
                .map_or_else(|error| json!({ "unwritten": error.to_string() }), |()| json!(path.display().to_string()))
        });
        let line = json!({ "alarm": alarm.code, "node": node, "what": alarm.what, "notes": alarm.notes, "evidence": evidence });
        print::out(&line.to_string());
        Failure::Alarm(format!("error[{}]: {node}: {}", alarm.code, alarm.what))
    }
}

impl Seen {
    fn text(&self) -> String {
        let peaks: Vec<String> = self.frontier.peaks().iter().map(ToString::to_string).collect();
        json!({ "note": self.note, "peaks": peaks, "nodes": self.nodes }).to_string()
    }

    /// What is remembered, if there is such a file. The quorum's signatures say that it was not changed.
    fn load(path: &Path, policy: &Policy) -> Result<Option<Self>, Failure> {
        if !path.exists() {
            return Ok(None);
        }
        let refused = |what: &str| Misconfigured::Value(format!("{}: {what}; a watch must not guess what it has seen", path.display()));
        let value: Value = serde_json::from_slice(&file(path)?).map_err(|_error| refused("damaged"))?;
        let note = value.get("note").and_then(Value::as_str).ok_or_else(|| refused("damaged"))?.to_owned();
        let checkpoint = policy.verify(&note).map_err(|distrust| refused(&format!("its checkpoint by this policy: {distrust}")))?;
        let peaks = value.get("peaks").and_then(Value::as_array).into_iter().flatten().map(|hash| Hash::from_hex(hash.as_str()?)).collect();
        let frontier: Option<Vec<Hash>> = peaks;
        let frontier =
            frontier.and_then(|peaks| Frontier::new(checkpoint.size, peaks, checkpoint.root)).ok_or_else(|| refused("damaged"))?;
        let nodes = value.get("nodes").and_then(Value::as_object).ok_or_else(|| refused("damaged"))?;
        let nodes = nodes
            .iter()
            .map(|(node, size)| Some((node.clone(), size.as_u64()?)))
            .collect::<Option<_>>()
            .ok_or_else(|| refused("damaged"))?;
        Ok(Some(Self { note, checkpoint, frontier, nodes }))
    }
}

fn code_of(distrust: &Distrust) -> &'static str {
    match distrust {
        Distrust::Malformed => "malformed",
        Distrust::Origin => "another-ledger",
        Distrust::Log | Distrust::Signature(_) => "wrong-key",
        Distrust::Quorum { .. } => "no-quorum",
    }
}

/// A record that fits, or one that nobody can read, which is worth a look.
fn line(query: &Query, octets: &[u8]) -> Option<Value> {
    let read = Leaf::read(octets).ok().and_then(|leaf| Some((Record::read(leaf.entry.body()).ok()?, leaf)));
    let Some((record, leaf)) = read else { return Some(json!({ "unreadable": Leaf::hash(octets).to_string() })) };
    let streams: Vec<String> = leaf.heads.iter().map(|head| format!("{} {}", head.kind.code(), head.id)).collect();
    query.fits(&leaf, &record).then(|| {
        json!({
            "leaf": leaf.index, "time": leaf.time.to_string(), "kind": leaf.kind.code(), "client": leaf.client,
            "outcome": leaf.outcome.code(), "streams": streams,
        })
    })
}
