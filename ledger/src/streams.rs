//! Streams: how far each one is, the root over all of them at a state root, and proofs of what a stream holds or that there is none.

use crate::record::StreamKind;
use crate::tree::{Hash, Tree, leaf_hash, root_of_inclusion};
use std::collections::BTreeMap;
use std::sync::Arc;
use xsd::time::Timestamp;
use xsd::write::Pieces;

/// Count and last leaf of every stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Heads {
    by_kind: BTreeMap<StreamKind, BTreeMap<String, (u64, Hash)>>,
}

impl Heads {
    pub(crate) fn get(&self, kind: StreamKind, id: &str) -> Option<(u64, Hash)> {
        self.by_kind.get(&kind)?.get(id).copied()
    }

    /// A leaf more.
    pub(crate) fn push(&mut self, kind: StreamKind, id: &str, leaf: Hash) {
        let streams = self.by_kind.entry(kind).or_default();
        if let Some(head) = streams.get_mut(id) {
            let stuck = crate::mutant::is("stream-stuck") && head.0 % 7 == 6;
            *head = (if stuck { head.0 } else { head.0 + 1 }, leaf);
        } else {
            streams.insert(id.to_owned(), (1, leaf));
        }
    }

    pub(crate) fn set(&mut self, kind: StreamKind, id: String, count: u64, last: Hash) {
        self.by_kind.entry(kind).or_default().insert(id, (count, last));
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = Reach> {
        let of = |(kind, streams): (&StreamKind, &BTreeMap<String, (u64, Hash)>)| {
            let kind = *kind;
            let reach = move |(id, (count, last)): (&String, &(u64, Hash))| Reach { kind, id: id.clone(), count: *count, last: *last };
            streams.iter().map(reach).collect::<Vec<_>>()
        };
        self.by_kind.iter().flat_map(of)
    }
}

/// How far a stream is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reach {
    /// Its kind.
    pub kind: StreamKind,
    /// Its id.
    pub id: String,
    /// How many leaves it has.
    pub count: u64,
    /// The hash of the last one.
    pub last: Hash,
}

impl Reach {
    /// The hash under which a stream stands in the tree of streams: SHA-256 of 00 ‖ kind ‖ 00 ‖ id ‖ 00 ‖ count(8) ‖ last leaf(32).
    #[must_use]
    pub fn hash(&self) -> Hash {
        let name = [self.kind.code().as_bytes(), &[0], self.id.as_bytes(), &[0]].concat();
        leaf_hash(&[&name, self.count.to_be_bytes().as_slice(), &self.last.0].concat())
    }

    fn key(&self) -> (StreamKind, &str) {
        (self.kind, &self.id)
    }
}

/// All streams at a state root, sorted by kind and id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rooted {
    index: u64,
    time: Timestamp,
    streams: Arc<[Reach]>,
    root: Hash,
}

impl Rooted {
    /// Before the first state root: as if it stood just before leaf 0.
    pub(crate) fn new(time: Timestamp) -> Self {
        Self { index: u64::MAX - 1, time, streams: Arc::default(), root: Hash::of(&[]) }
    }

    pub(crate) fn of(heads: &Heads, index: u64, time: Timestamp) -> Self {
        let streams: Arc<[Reach]> = heads.iter().collect();
        let root = tree(&streams).root(streams.len() as u64).unwrap_or_default();
        Self { index, time, streams, root }
    }

    pub(crate) fn parts(&self) -> (u64, Timestamp, &[Reach]) {
        (self.index, self.time, &self.streams)
    }

    pub(crate) fn again(index: u64, time: Timestamp, streams: Vec<Reach>) -> Self {
        let root = tree(&streams).root(streams.len() as u64).unwrap_or_default();
        Self { index, time, streams: streams.into(), root }
    }

    /// The state root's leaf; a number beyond all leaves when there is none yet.
    #[must_use]
    pub fn index(&self) -> u64 {
        self.index
    }

    /// Its ledger time.
    #[must_use]
    pub fn time(&self) -> Timestamp {
        self.time
    }

    /// How many streams there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.streams.len() as u64
    }

    /// The RFC 6962 root over them.
    #[must_use]
    pub fn root(&self) -> Hash {
        self.root
    }

    /// The proof of how far a stream is, or that there is none of this name.
    #[must_use]
    pub fn prove(&self, kind: StreamKind, id: &str) -> Proof {
        let tree = tree(&self.streams);
        let path = |at: usize| {
            let reach = self.streams.get(at)?.clone();
            Some(Neighbour { place: at as u64, path: tree.inclusion(at as u64, self.count())?, reach })
        };
        match self.streams.binary_search_by(|reach| reach.key().cmp(&(kind, id))) {
            Ok(at) => Proof { streams: self.count(), neighbours: path(at).into_iter().collect() },
            Err(at) => {
                let around = [at.checked_sub(1).and_then(path), path(at)];
                Proof { streams: self.count(), neighbours: around.into_iter().flatten().collect() }
            }
        }
    }
}

fn tree(streams: &[Reach]) -> Tree {
    let mut tree = Tree::default();
    for reach in streams {
        tree.push(reach.hash());
    }
    tree
}

/// A stream in the tree of streams.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Neighbour {
    /// Its place among all, from 0.
    pub place: u64,
    /// What stands there.
    pub reach: Reach,
    /// From its sibling up to the root.
    pub path: Vec<Hash>,
}

/// How far a stream is: itself, or, when there is no such stream, those between which it would stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    /// How many streams there are.
    pub streams: u64,
    /// One, or the two neighbours; the one at an end, or none, if there are no others.
    pub neighbours: Vec<Neighbour>,
}

/// A proof that proves nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unproven;

impl Proof {
    /// Count and last leaf of the stream under `root`; `None` if it is proven that there is none.
    ///
    /// # Errors
    /// The proof does not lead to the root, or leaves room for the stream.
    pub fn verify(&self, kind: StreamKind, id: &str, root: Hash) -> Result<Option<(u64, Hash)>, Unproven> {
        for neighbour in &self.neighbours {
            let leads = root_of_inclusion(neighbour.reach.hash(), neighbour.place, self.streams, &neighbour.path);
            if leads != Some(root) {
                return Err(Unproven);
            }
        }
        let key = (kind, id);
        let absent = match self.neighbours.as_slice() {
            [] => self.streams == 0 && root == Hash::of(&[]),
            [one] if one.reach.key() == key => return Ok(Some((one.reach.count, one.reach.last))),
            [one] if one.reach.key() < key => one.place + 1 == self.streams,
            [one] => one.place == 0,
            [left, right] => left.reach.key() < key && key < right.reach.key() && left.place + 1 == right.place,
            _ => false,
        };
        if absent { Ok(None) } else { Err(Unproven) }
    }
}

/// The body of a state root.
pub(crate) fn body(id: &str, ledger: &str, rooted: &Rooted, state: &Hash) -> Vec<u8> {
    let mut body = Pieces::with_capacity(400);
    body.open("l:StateRoot", &[("xmlns:l", crate::record::LEDGER_NS), ("id", id), ("ledger", ledger)]);
    body.leaf("l:Streams", &[], &rooted.count().to_string());
    body.leaf("l:Root", &[], &rooted.root().to_string());
    body.leaf("l:State", &[], &state.to_string());
    body.close("l:StateRoot");
    body.octets()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn says_nothing_false(proof: &Proof, heads: &Heads, (kind, id): (StreamKind, &str), root: Hash) {
        if let Ok(said) = proof.verify(kind, id, root) {
            assert_eq!(said, heads.get(kind, id));
        }
    }

    fn damaged(proof: &Proof, at: usize, heads: &Heads, (kind, id): (StreamKind, &str), root: Hash) {
        let mut fewer = proof.clone();
        fewer.neighbours.remove(at);
        says_nothing_false(&fewer, heads, (kind, id), root);
        let mut other = proof.clone();
        other.neighbours[at].reach.count += 1;
        assert_eq!(other.verify(kind, id, root), Err(Unproven));
    }

    #[test]
    fn what_is_there_and_what_is_not_is_proven() {
        let name = |n: u64| format!("s{n:03}");
        for count in 0..20_u64 {
            let mut heads = Heads::default();
            for n in 0..count {
                let kind = StreamKind::ALL[usize::try_from(n % 5).unwrap()];
                for _ in 0..=n {
                    heads.push(kind, &name(2 * n + 1), Hash::of(&n.to_be_bytes()));
                }
            }
            let rooted = Rooted::of(&heads, 7, Timestamp(0));
            for kind in StreamKind::ALL {
                for n in 0..2 * count + 2 {
                    let proof = rooted.prove(kind, &name(n));
                    assert_eq!(proof.verify(kind, &name(n), rooted.root()), Ok(heads.get(kind, &name(n))), "{count} {kind:?} {n}");
                    assert_eq!(proof.verify(kind, &name(n), Hash::of(b"other")), Err(Unproven));
                    // A proof about another stream says nothing about this one, unless it names the same gap.
                    (0..2 * count + 2).for_each(|m| says_nothing_false(&proof, &heads, (kind, &name(m)), rooted.root()));
                    (0..proof.neighbours.len()).for_each(|at| damaged(&proof, at, &heads, (kind, &name(n)), rooted.root()));
                }
            }
        }
    }
}
