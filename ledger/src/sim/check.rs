//! What must hold of a run: one history for all nodes, and every answer, read and checkpoint in accordance with it.

use super::city;
use crate::checkpoint::Note;
use crate::medium::Medium;
use crate::node::{Answer, Node};
use crate::record::{Kind, Leaf, Outcome, Refusal, StreamKind};
use crate::segment::BUNDLE;
use crate::tree::{Hash, Tree, leaf_hash};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use xsd::time::Timestamp;

/// An invariant that was broken, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Its short name, as `one-history`.
    pub rule: &'static str,
    /// What was seen.
    pub what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.rule, self.what)
    }
}

fn broken<T>(rule: &'static str, what: String) -> Result<T, Violation> {
    Err(Violation { rule, what })
}

/// The one history, as its leaves first came to light at any node.
#[derive(Debug, Default)]
pub(super) struct Truth {
    tree: Tree,
    leaves: Vec<Hash>,
    ids: BTreeMap<String, (u64, Hash)>,
    streams: BTreeMap<(StreamKind, String), (u64, Hash)>,
    time: Timestamp,
    /// The bodies that must never become leaves.
    pub(super) forbidden: BTreeSet<Hash>,
    /// When the grant of the trades ends.
    pub(super) granted_until: Timestamp,
    /// The number of leaves below the highest index that was acknowledged.
    pub(super) acknowledged: u64,
    granted: bool,
    published: u64,
}

impl Truth {
    pub(super) fn size(&self) -> u64 {
        self.leaves.len() as u64
    }

    /// Compares a node's leaves from `from` on with the history, and takes in what is new (I1, I4, I7; checkers 1, 4, 6, 8).
    pub(super) fn compare<M: Medium>(&mut self, name: u64, node: &Node<M>, from: u64) -> Result<u64, Violation> {
        let size = node.tree().size();
        let mut index = from;
        while index < size {
            let first = index - index % BUNDLE;
            let end = size.min(first + BUNDLE);
            // All hashes of a tile at once: to read one of them, the tree reads and checks the whole tile.
            let hashes = node.tree().tile(0, first / BUNDLE, end - first);
            for index in index..end {
                let hash = hashes.as_ref().and_then(|hashes| hashes.get(usize::try_from(index - first).ok()?)).copied();
                if !self.compare_one(name, node, index, hash)? {
                    return Ok(index);
                }
            }
            index = end;
        }
        Ok(size)
    }

    /// False if it cannot be said now.
    fn compare_one<M: Medium>(&mut self, name: u64, node: &Node<M>, index: u64, hash: Option<Hash>) -> Result<bool, Violation> {
        let known = usize::try_from(index).ok().and_then(|at| self.leaves.get(at)).copied();
        match known {
            Some(known) if hash == Some(known) => {}
            // Hashes and leaves cannot be read just now, both are damaged or the disk fails: it is looked at again.
            Some(_) if hash.is_none() => return Ok(false),
            Some(_) => return broken("one-history", format!("node {name} has another leaf {index} than was seen before")),
            None => {
                let octets = node.leaf(index).map_err(|error| Violation { rule: "readable", what: format!("node {name}: {error}") })?;
                if hash != Some(Leaf::hash(&octets)) {
                    return broken("readable", format!("node {name} gives other octets for leaf {index} than its tree has"));
                }
                self.take(&octets)?;
            }
        }
        Ok(true)
    }

    fn take(&mut self, octets: &[u8]) -> Result<(), Violation> {
        let index = self.size();
        let leaf = Leaf::read(octets).or_else(|error| broken("leaf", format!("leaf {index}: {error}")))?;
        let hash = Leaf::hash(octets);
        if leaf.index != index {
            return broken("leaf", format!("leaf {index} says it is {}", leaf.index));
        }
        let body = leaf_hash(leaf.entry.body());
        if let Some((first, _)) = self.ids.insert(leaf.client.clone(), (index, body)) {
            return broken("exactly-once", format!("client id {} has leaves {first} and {index}", leaf.client));
        }
        if self.forbidden.contains(&body) {
            return broken("signatures", format!("leaf {index} is a record that its parties never signed"));
        }
        if leaf.time < self.time {
            return broken("time", format!("leaf {index} is earlier than the one before"));
        }
        for head in &leaf.heads {
            let stands = self.streams.get(&(head.kind, head.id.clone())).copied().unwrap_or_default();
            if (head.sequence, head.previous) != stands {
                return broken("streams", format!("leaf {index}: stream {} {} does not follow", head.kind.code(), head.id));
            }
            self.streams.insert((head.kind, head.id.clone()), (head.sequence + 1, hash));
        }
        self.granted |= leaf.kind == Kind::Grant && leaf.outcome == Outcome::Done;
        if leaf.kind == Kind::Trade && self.granted {
            let expected = if leaf.time < self.granted_until { Outcome::Done } else { Outcome::Refused(Refusal::NotPermitted) };
            if leaf.outcome != expected {
                return broken(
                    "grants",
                    format!("leaf {index} at {}: {} with a grant until {}", leaf.time, leaf.outcome.code(), self.granted_until),
                );
            }
        }
        self.time = leaf.time;
        self.tree.push(hash);
        self.leaves.push(hash);
        Ok(())
    }

    /// An answer that a client was given (I2, I3; checkers 1, 2). `before` is what was acknowledged when it first asked.
    pub(super) fn answered(&mut self, client: &str, answer: &Answer, fresh: bool, before: u64) -> Result<(), Violation> {
        let Answer::Committed { index, .. } = answer else { return Ok(()) };
        let known = self.ids.get(client).map(|(known, _)| *known);
        if known != Some(*index) {
            return broken("acknowledged", format!("{client} was answered with leaf {index}; its leaf is {known:?}"));
        }
        if fresh && *index < before {
            return broken("real-time", format!("leaf {index} is before leaf {before}, which was answered before it was asked for"));
        }
        self.acknowledged = self.acknowledged.max(index + 1);
        Ok(())
    }

    /// Whether a record has its leaf, with this body.
    pub(super) fn has(&self, client: &str, body: &Hash) -> bool {
        self.ids.get(client).is_some_and(|(_, known)| known == body)
    }

    /// A checkpoint that a node has published (I6; checker 5).
    pub(super) fn checkpoint<M: Medium>(&mut self, name: u64, node: &Node<M>, note: &str) -> Result<(), Violation> {
        let checkpoint = match node.policy().verify(note) {
            Ok(checkpoint) => checkpoint,
            Err(distrust) => {
                return broken("checkpoint", format!("node {name} published one that the policy does not believe: {distrust}"));
            }
        };
        let signed = Note::parse(note).map_or(0, |note| note.signatures.len());
        if self.tree.root(checkpoint.size) != Some(checkpoint.root) {
            return broken(
                "checkpoint",
                format!("node {name}: the one of {} leaves with {signed} lines is not of this history", checkpoint.size),
            );
        }
        self.published = self.published.max(checkpoint.size);
        Ok(())
    }

    /// A linearizable read at a node that has applied `size` leaves (I5; checker 3).
    pub(super) fn read(&self, name: u64, size: u64, before: u64) -> Result<(), Violation> {
        if size < before {
            return broken("stale-read", format!("node {name} read {size} leaves, and leaf {before} had been answered before"));
        }
        Ok(())
    }

    /// At the end, when everything is healed and quiet (I2, I6, I8; checkers 1, 4, 9).
    pub(super) fn settled<M: Medium>(&self, nodes: &[(u64, &Node<M>)]) -> Result<(), Violation> {
        for (name, node) in nodes {
            let status = node.status();
            if status.size != self.size() || status.root != self.tree.root(self.size()).unwrap_or_default() {
                return broken("converged", format!("node {name} has {} of {} leaves after the healing", status.size, self.size()));
            }
            if status.size < self.acknowledged {
                return broken("durable", format!("node {name} has {} leaves, {} were acknowledged", status.size, self.acknowledged));
            }
            if status.damaged > 0 {
                return broken("mended", format!("node {name} has {} damaged places after the healing", status.damaged));
            }
            if status.covered < status.size {
                return broken("published", format!("node {name}: checkpoint of {} for {} leaves", status.covered, status.size));
            }
            for index in [0, status.size / 2, status.size - 1] {
                let leaf = node.leaf(index).map_err(|error| Violation { rule: "readable", what: error.to_string() })?;
                let receipt = node.receipt(index).map(|receipt| receipt.verify(&leaf, node.policy()));
                if !matches!(receipt, Some(Ok(_))) {
                    return broken("receipts", format!("node {name}: leaf {index}: {receipt:?}"));
                }
            }
        }
        let digests: BTreeSet<Hash> = nodes.iter().map(|(_, node)| node.state().digest()).collect();
        if digests.len() > 1 {
            return broken("one-state", "the nodes have the same leaves and other states".to_owned());
        }
        debug_assert_eq!(city::MEMBERS.len(), nodes.len());
        Ok(())
    }
}
