//! Gathering the nodes' signatures over tree heads until a checkpoint has its quorum.

use crate::checkpoint::{Checkpoint, Note, NoteSignature, Policy, Verifier};
use crate::frame::Frame;
use crate::keys::SecretKey;
use crate::tree::{Hash, Tree};
use std::collections::BTreeMap;

/// Sizes for which signatures are gathered at once.
const GATHERED_MAX: usize = 256;

/// What follows from a head or a note.
#[derive(Debug)]
pub(crate) enum Effect {
    /// To every other node.
    Broadcast(Frame),
    /// A checkpoint has its quorum.
    Published(String),
    /// A node signed another history: its note is the evidence.
    Fork(String),
}

/// A node as a witness of tree heads.
#[derive(Debug)]
pub(crate) struct Witness {
    policy: Policy,
    member: String,
    key: SecretKey,
    gathered: BTreeMap<u64, BTreeMap<String, [u8; 64]>>,
    /// The latest head of each member that is ahead of us.
    ahead: BTreeMap<String, (u64, Hash, [u8; 64])>,
    published: Option<(Checkpoint, String)>,
}

impl Witness {
    pub(crate) fn new(policy: Policy, member: String, key: SecretKey) -> Self {
        Self { policy, member, key, gathered: BTreeMap::new(), ahead: BTreeMap::new(), published: None }
    }

    pub(crate) fn policy(&self) -> &Policy {
        &self.policy
    }

    pub(crate) fn published(&self) -> Option<(&Checkpoint, &str)> {
        self.published.as_ref().map(|(checkpoint, note)| (checkpoint, note.as_str()))
    }

    /// Leaves that a published checkpoint covers.
    pub(crate) fn covered(&self) -> u64 {
        self.published.as_ref().map_or(0, |(checkpoint, _)| checkpoint.size)
    }

    /// Signs the head at `size` and tells the others, once; again when `again`.
    pub(crate) fn sign(&mut self, tree: &Tree, size: u64, again: bool, effects: &mut Vec<Effect>) {
        let Some(root) = tree.root(size) else { return };
        if size <= self.covered() {
            return;
        }
        let text = self.text(size, root);
        let signatures = self.gathered.entry(size).or_default();
        let fresh = !signatures.contains_key(&self.member);
        let signature = *signatures.entry(self.member.clone()).or_insert_with(|| self.key.sign(text.as_bytes()));
        if fresh || again {
            effects.push(Effect::Broadcast(Frame::Head { size, root, signature }));
        }
        self.publish(tree, size, effects);
    }

    /// Takes a member's signature over a head.
    pub(crate) fn head(&mut self, tree: &Tree, member: &str, head: (u64, Hash, [u8; 64]), effects: &mut Vec<Effect>) {
        let (size, root, signature) = head;
        let Some(verifier) = self.policy.witnesses.get(member).cloned() else { return };
        let ours = tree.root(size) == Some(root);
        if ours && size <= self.covered() {
            return;
        }
        if !verifier.key.verifies(self.text(size, root).as_bytes(), &signature) {
            return;
        }
        if size > tree.size() {
            self.ahead.insert(member.to_owned(), head);
        } else if !ours {
            effects.push(Effect::Fork(self.note(size, root, &[(verifier, signature)])));
        } else {
            self.gathered.entry(size).or_default().insert(member.to_owned(), signature);
            while self.gathered.len() > GATHERED_MAX {
                self.gathered.pop_first();
            }
            self.sign(tree, size, false, effects);
        }
    }

    /// Looks again at the heads that were ahead.
    pub(crate) fn caught_up(&mut self, tree: &Tree, effects: &mut Vec<Effect>) {
        let size = tree.size();
        let ready: Vec<String> = self.ahead.iter().filter(|(_, head)| head.0 <= size).map(|(member, _)| member.clone()).collect();
        for member in ready {
            if let Some(head) = self.ahead.remove(&member) {
                self.head(tree, &member, head, effects);
            }
        }
    }

    /// Takes a published checkpoint of another node, or our own from the store.
    pub(crate) fn adopt(&mut self, tree: &Tree, text: &str, effects: &mut Vec<Effect>) {
        let new = Note::parse(text).is_ok_and(|note| note.checkpoint.size > self.covered() && note.checkpoint.size <= tree.size());
        if !new {
            return;
        }
        let Ok(checkpoint) = self.policy.verify(text) else { return };
        if tree.root(checkpoint.size) == Some(checkpoint.root) {
            self.set_published(checkpoint, text.to_owned(), effects);
        } else {
            effects.push(Effect::Fork(text.to_owned()));
        }
    }

    fn publish(&mut self, tree: &Tree, size: u64, effects: &mut Vec<Effect>) {
        let Some(root) = tree.root(size) else { return };
        let Some(signatures) = self.gathered.get(&size).filter(|signatures| signatures.len() >= self.policy.quorum) else { return };
        let known =
            |(member, signature): (&String, &[u8; 64])| self.policy.witnesses.get(member).map(|verifier| (verifier.clone(), *signature));
        let signed: Vec<_> = signatures.iter().filter_map(known).collect();
        let note = self.note(size, root, &signed);
        self.set_published(Checkpoint { origin: self.policy.origin.clone(), size, root }, note, effects);
    }

    fn set_published(&mut self, checkpoint: Checkpoint, note: String, effects: &mut Vec<Effect>) {
        self.gathered = self.gathered.split_off(&(checkpoint.size + 1));
        self.published = Some((checkpoint, note.clone()));
        effects.push(Effect::Published(note));
    }

    fn text(&self, size: u64, root: Hash) -> String {
        Checkpoint { origin: self.policy.origin.clone(), size, root }.text()
    }

    fn note(&self, size: u64, root: Hash, signed: &[(Verifier, [u8; 64])]) -> String {
        let signatures = signed.iter().map(|(verifier, signature)| NoteSignature::put(verifier, signature)).collect();
        Note { checkpoint: Checkpoint { origin: self.policy.origin.clone(), size, root }, signatures }.text()
    }
}
