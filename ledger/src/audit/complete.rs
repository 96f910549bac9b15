//! Completeness: what a state root says of the streams that a bundle promises, held against the leaves in it.

use super::manifest::{Manifest, Proven};
use super::{MANIFEST, Report, promised};
use crate::body::{Content, Request};
use crate::record::{Kind, Leaf, StreamKind};
use crate::streams::Rooted;
use crate::tree::Hash;
use std::collections::BTreeMap;

/// A stream of which nothing was left out.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Complete {
    /// Its kind.
    pub kind: StreamKind,
    /// Its id.
    pub id: String,
    /// How many leaves it has below the state root; 0: there is no such stream.
    pub count: u64,
    /// The state root's leaf.
    pub root: u64,
}

/// How far streams are at a state root.
pub(super) fn prove(rooted: &Rooted, streams: &[(StreamKind, String)]) -> Vec<Proven> {
    let proven =
        |(kind, id): &(StreamKind, String)| Proven { kind: *kind, id: id.clone(), root: rooted.index(), proof: rooted.prove(*kind, id) };
    streams.iter().map(proven).collect()
}

/// Compares the leaves with what the state roots among them say, and reports the first record that a stream lacks.
pub(super) fn verify(manifest: &Manifest, leaves: &[(Leaf, Hash)], report: &mut Report) {
    let roots: BTreeMap<u64, Hash> = leaves.iter().filter_map(|(leaf, _)| Some((leaf.index, root(leaf)?))).collect();
    let streams = promised(&manifest.query);
    for proven in &manifest.proven {
        let (kind, id) = (proven.kind, &proven.id);
        let said = roots.get(&proven.root).and_then(|root| proven.proof.verify(kind, id, *root).ok());
        let Some(said) = said.filter(|_| streams.contains(&(kind, id.clone()))) else {
            report.blame(MANIFEST, format_args!("what it says of the stream '{}' of {id} is not proven by a state root", kind.code()));
            continue;
        };
        let count = said.map_or(0, |(count, _)| count);
        let run = leaves.iter().filter(|(leaf, _)| leaf.index < proven.root).flat_map(|(leaf, hash)| {
            let heads = leaf.heads.iter().filter(move |head| head.kind == kind && head.id == *id);
            heads.map(move |head| (head.sequence, head.previous, *hash))
        });
        match lacks(run, said) {
            None => report.complete.push(Complete { kind, id: id.clone(), count, root: proven.root }),
            Some(number) => report.add(MANIFEST, format_args!("the stream '{}' of {id} lacks its record {number} of {count}", kind.code())),
        }
    }
}

/// The root over the streams, if the leaf is a state root.
fn root(leaf: &Leaf) -> Option<Hash> {
    let request = (leaf.kind == Kind::StateRoot).then(|| Request::read(leaf.entry.clone()).ok())??;
    match request.content() {
        Content::StateRoot(state) => Some(state.root),
        _ => None,
    }
}

/// The number of the first record that is not there, or is another; from 0.
fn lacks(run: impl Iterator<Item = (u64, Hash, Hash)>, said: Option<(u64, Hash)>) -> Option<u64> {
    let (mut next, mut last) = (0, Hash::default());
    for (sequence, previous, hash) in run {
        if sequence != next || (sequence > 0 && previous != last) {
            return Some(next);
        }
        (next, last) = (sequence + 1, hash);
    }
    match said {
        Some((count, head)) if (next, last) == (count, head) => None,
        None if next == 0 => None,
        _ => Some(next),
    }
}
