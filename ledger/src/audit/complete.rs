//! Completeness: what a state root says of streams, held against the leaves of a bundle. What is missing is named.

use super::manifest::{Manifest, Proven};
use super::query::Query;
use super::{MANIFEST, Report};
use crate::body::{Content, Record};
use crate::record::{Leaf, StreamKind};
use crate::streams::Rooted;
use crate::tree::Hash;
use xsd::time::Timestamp;

/// A stream of which nothing was left out of the period that was asked for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Complete {
    /// Its kind.
    pub kind: StreamKind,
    /// Its id.
    pub id: String,
    /// How many leaves it has below the state root; 0: there is no such stream.
    pub count: u64,
    /// How many of them are of the period.
    pub within: u64,
    /// The state root's leaf.
    pub root: u64,
}

/// A leaf that was found whole.
#[derive(Clone, Debug)]
pub(super) struct Whole {
    pub(super) leaf: Leaf,
    pub(super) record: Record,
    pub(super) hash: Hash,
}

/// How far streams are at a state root.
pub(super) fn prove(rooted: &Rooted, streams: &[(StreamKind, String)]) -> Vec<Proven> {
    let proven =
        |(kind, id): &(StreamKind, String)| Proven { kind: *kind, id: id.clone(), root: rooted.index(), proof: rooted.prove(*kind, id) };
    streams.iter().map(proven).collect()
}

/// The streams that a bundle shows to be complete: what the members decided, from its beginning on, and those of the query.
pub(super) fn promised(ledger: &str, query: &Query) -> Vec<(StreamKind, String)> {
    let governance = (StreamKind::Governance, ledger.to_owned());
    [governance].into_iter().chain(query.streams()).collect()
}

/// Compares the leaves with what the one state root says of each promised stream, and reports the first record that each lacks.
pub(super) fn verify(manifest: &Manifest, query: &Query, leaves: &[Whole], report: &mut Report) {
    let promised = promised(&manifest.ledger, query);
    if !manifest.proven.iter().map(|proven| (proven.kind, proven.id.clone())).eq(promised.iter().cloned()) {
        return report.add(MANIFEST, "it does not say how far exactly the streams are that its question is about");
    }
    for proven in &manifest.proven {
        let (kind, id) = (proven.kind, &proven.id);
        let root = leaves.iter().find(|whole| whole.leaf.index == proven.root && Some(proven.root) == report.root.map(|(root, _)| root));
        let said = root.and_then(|whole| proven.proof.verify(kind, id, streams_root(&whole.record)?).ok());
        let Some(said) = said else {
            report.add(MANIFEST, format_args!("what it says of the stream '{}' of {id} is not proven by a state root", kind.code()));
            continue;
        };
        let period = if kind == StreamKind::Governance { Query::default() } else { query.clone() };
        let run: Vec<Step> =
            leaves.iter().filter(|whole| whole.leaf.index < proven.root).filter_map(|whole| step(whole, kind, id)).collect();
        let within = run.iter().filter(|step| period.covers(step.time)).count() as u64;
        let count = said.map_or(0, |(count, _)| count);
        match lacks(&run, said, &period) {
            None => report.complete.push(Complete { kind, id: id.clone(), count, within, root: proven.root }),
            Some(number) => report.add(MANIFEST, format_args!("the stream '{}' of {id} lacks its record {number} of {count}", kind.code())),
        }
    }
}

/// The root over the streams, if the record is a state root.
fn streams_root(record: &Record) -> Option<Hash> {
    match record.content() {
        Content::StateRoot(state) => Some(state.root),
        _ => None,
    }
}

/// A leaf in one stream.
struct Step {
    time: Timestamp,
    sequence: u64,
    previous: Hash,
    hash: Hash,
}

fn step(whole: &Whole, kind: StreamKind, id: &str) -> Option<Step> {
    let head = whole.leaf.heads.iter().find(|head| head.kind == kind && head.id == id)?;
    Some(Step { time: whole.leaf.time, sequence: head.sequence, previous: head.previous, hash: whole.hash })
}

/// The number of the first record that is missing, from 0, for a run that shall hold all of a period: it begins with the stream
/// or with a record before the period, has no gap, and ends as the state root says or with a record after the period.
fn lacks(run: &[Step], said: Option<(u64, Hash)>, period: &Query) -> Option<u64> {
    let (Some(first), Some(last)) = (run.first(), run.last()) else {
        return said.map(|(count, _)| count.saturating_sub(1));
    };
    if first.sequence > 0 && period.from.is_none_or(|from| first.time >= from) {
        return Some(if period.from.is_none() { 0 } else { first.sequence - 1 });
    }
    for (left, right) in run.iter().zip(run.iter().skip(1)) {
        if right.sequence != left.sequence + 1 || right.previous != left.hash {
            return Some(left.sequence + 1);
        }
    }
    let ended = said == Some((last.sequence + 1, last.hash));
    let beyond = period.to.is_some_and(|to| last.time >= to) && said.is_some_and(|(count, _)| last.sequence < count);
    if ended || beyond { None } else { Some(last.sequence + 1) }
}
