//! Gathering the nodes' cosignatures over tree heads until a checkpoint has its quorum.

pub mod outside;

use crate::checkpoint::{Checkpoint, Cosignature, Note, NoteSignature, Policy, Verifier};
use crate::frame::Frame;
use crate::keys::SecretKey;
use crate::tree::{Hash, Tree};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use xsd::time::Timestamp;

/// Sizes for which cosignatures are gathered at once.
const GATHERED_MAX: usize = 256;
/// A leader asks for a checkpoint of what is new at once, and then not again before this.
const PAUSE_MS: u64 = 20;
/// When there is much new, it waits longer: the nodes' time is then for the records.
const PAUSE_BUSY_MS: u64 = 100;
/// Leaves since the last round that make it busy.
const BUSY: u64 = 16;

/// Contradictions that are put down; the first is proof enough.
const FORKS_MAX: usize = 64;

/// What follows from a head or a note.
#[derive(Debug)]
pub(crate) enum Effect {
    /// To every other node.
    Broadcast(Frame),
    /// A checkpoint has its quorum.
    Published(String),
    /// A node signed another history.
    Fork(Fork),
}

/// Two checkpoints of one size with different roots, each signed by a node of the policy: the proof of a lie, for anyone who
/// has the policy. As a file it is the two notes with an empty line between them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fork {
    /// What this node holds.
    pub ours: String,
    /// What was shown to it.
    pub theirs: String,
}

/// Why two notes are no evidence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unfounded {
    /// Not two signed notes.
    Malformed,
    /// One of them bears no signature of a key of the policy.
    Unsigned,
    /// They do not contradict each other: other sizes, or one root.
    Consistent,
}

impl fmt::Display for Unfounded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed => "not two signed checkpoints with an empty line between them",
            Self::Unsigned => "a checkpoint without a valid signature of the policy's nodes",
            Self::Consistent => "the checkpoints do not contradict each other",
        })
    }
}

impl std::error::Error for Unfounded {}

/// What a fork proves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lie {
    /// The size of both.
    pub size: u64,
    /// One root and the nodes that signed it.
    pub ours: (Hash, BTreeSet<String>),
    /// The other.
    pub theirs: (Hash, BTreeSet<String>),
}

impl Fork {
    /// The evidence file.
    #[must_use]
    pub fn text(&self) -> String {
        format!("{}\n{}", self.ours, self.theirs)
    }

    /// The name of its file: the size, and a digest of the text. The same two roots may be shown again with more signatures.
    #[must_use]
    pub fn name(&self) -> String {
        let size = Note::parse(&self.theirs).map_or(0, |shown| shown.checkpoint.size);
        let digest = Hash::of(self.text().as_bytes()).to_string();
        format!("fork_{size:020}_{}", digest.get(..16).unwrap_or_default())
    }

    /// Reads an evidence file.
    ///
    /// # Errors
    /// [`Unfounded::Malformed`].
    pub fn parse(text: &str) -> Result<Self, Unfounded> {
        let cut = text.match_indices("\n\n").nth(1).map(|(at, _)| at + 1).ok_or(Unfounded::Malformed)?;
        let (ours, theirs) = text.split_at_checked(cut).ok_or(Unfounded::Malformed)?;
        let theirs = theirs.strip_prefix('\n').ok_or(Unfounded::Malformed)?;
        for note in [ours, theirs] {
            Note::parse(note).map_err(|_malformed| Unfounded::Malformed)?;
        }
        Ok(Self { ours: ours.to_owned(), theirs: theirs.to_owned() })
    }

    /// Verifies both signatures and that the checkpoints exclude each other. It needs nothing but the policy.
    ///
    /// # Errors
    /// See [`Unfounded`].
    pub fn verify(&self, policy: &Policy) -> Result<Lie, Unfounded> {
        let read = |text: &str| {
            let note = Note::parse(text).map_err(|_malformed| Unfounded::Malformed)?;
            let signed = policy.signers(&note).map_err(|_distrust| Unfounded::Unsigned)?;
            let signers: BTreeSet<String> = signed.log.union(&signed.cosigners).map(|name| (*name).to_owned()).collect();
            if signers.is_empty() { Err(Unfounded::Unsigned) } else { Ok((note.checkpoint, signers)) }
        };
        let ((ours, we), (theirs, they)) = (read(&self.ours)?, read(&self.theirs)?);
        if ours.size != theirs.size || ours.root == theirs.root {
            return Err(Unfounded::Consistent);
        }
        Ok(Lie { size: ours.size, ours: (ours.root, we), theirs: (theirs.root, they) })
    }
}

/// A node as a witness of tree heads.
#[derive(Debug)]
pub(crate) struct Witness {
    policy: Policy,
    member: String,
    key: SecretKey,
    gathered: BTreeMap<u64, BTreeMap<String, Cosignature>>,
    /// The latest head of each member that is ahead of us.
    ahead: BTreeMap<String, (u64, Hash, Cosignature)>,
    published: Option<(Checkpoint, String)>,
    /// When this node, as leader, last asked for a checkpoint, and of which size.
    asked: Option<(Timestamp, u64)>,
    /// The contradictions that were put down, and whether the policy's quorum had signed what was shown.
    accused: BTreeMap<Checkpoint, bool>,
}

impl Witness {
    pub(crate) fn new(policy: Policy, member: String, key: SecretKey) -> Self {
        Self {
            policy,
            member,
            key,
            gathered: BTreeMap::new(),
            ahead: BTreeMap::new(),
            published: None,
            asked: None,
            accused: BTreeMap::new(),
        }
    }

    pub(crate) fn policy(&self) -> &Policy {
        &self.policy
    }

    pub(crate) fn published(&self) -> Option<(&Checkpoint, &str)> {
        self.published.as_ref().map(|(checkpoint, note)| (checkpoint, note.as_str()))
    }

    /// Other members, or another quorum. What was gathered under another key or origin is no line of the next checkpoint.
    pub(crate) fn set_policy(&mut self, policy: Policy) {
        let stays = |member: &String| self.policy.witness(member) == policy.witness(member);
        self.gathered.values_mut().for_each(|signatures| signatures.retain(|member, _| stays(member)));
        self.ahead.retain(|member, _| stays(member));
        self.policy = policy;
    }

    /// Leaves that a published checkpoint covers.
    pub(crate) fn covered(&self) -> u64 {
        self.published.as_ref().map_or(0, |(checkpoint, _)| checkpoint.size)
    }

    /// Whether a quorum has signed a history that contradicts ours: some of those who signed lie, and no further checkpoint
    /// is to be had from here.
    pub(crate) fn split(&self) -> bool {
        self.accused.values().any(|quorum| *quorum)
    }

    /// As leader: asks for a checkpoint of all leaves, if it is time. The clock may jump back: then it is time.
    pub(crate) fn ask(&mut self, tree: &Tree, now: Timestamp, effects: &mut Vec<Effect>) {
        let size = tree.size();
        let due = self.asked.is_none_or(|(at, last)| {
            let pause = if size.saturating_sub(last) > BUSY { PAUSE_BUSY_MS } else { PAUSE_MS };
            size > last && (now < at || now >= at.plus_ms(pause))
        });
        if due {
            self.asked = Some((now, size));
            self.sign(tree, size, false, now, effects);
        }
    }

    /// Cosigns the head at `size` and tells the others, once; again when `again`.
    pub(crate) fn sign(&mut self, tree: &Tree, size: u64, again: bool, now: Timestamp, effects: &mut Vec<Effect>) {
        let Some(root) = tree.root(size) else { return };
        // A node that its member has replaced signs no more: another key stands for the member.
        let counts = self.policy.witness(&self.member).is_some_and(|known| known.key == self.key.public());
        if size <= self.covered() || self.split() || !counts {
            return;
        }
        let fresh = !self.gathered.get(&size).is_some_and(|signatures| signatures.contains_key(&self.member));
        if fresh {
            let cosignature = self.cosign(size, root, now);
            self.gathered.entry(size).or_default().insert(self.member.clone(), cosignature);
        }
        if let Some(cosignature) = self.gathered.get(&size).and_then(|signatures| signatures.get(&self.member)).copied()
            && (fresh || again)
        {
            effects.push(Effect::Broadcast(Frame::Head { size, root, cosignature }));
        }
        self.publish(tree, size, effects);
    }

    /// Takes a member's cosignature over a head.
    pub(crate) fn head(&mut self, tree: &Tree, member: &str, head: (u64, Hash, Cosignature), now: Timestamp, effects: &mut Vec<Effect>) {
        let (size, root, cosignature) = head;
        let Some(verifier) = self.policy.witness(member).cloned() else { return };
        let ours = tree.root(size) == Some(root);
        if ours && size < self.covered() {
            return;
        }
        if !cosignature.verifies(&verifier.key, &self.text(size, root)) {
            return;
        }
        if size > tree.size() {
            self.ahead.insert(member.to_owned(), head);
        } else if !ours {
            let note = Note { checkpoint: self.checkpoint(size, root), signatures: vec![NoteSignature::put(&verifier, &cosignature)] };
            self.accuse(tree, note, now, effects);
        } else if size == self.covered() {
            self.add(&NoteSignature::put(&verifier, &cosignature));
        } else {
            self.gathered.entry(size).or_default().insert(member.to_owned(), cosignature);
            while self.gathered.len() > GATHERED_MAX {
                self.gathered.pop_first();
            }
            self.sign(tree, size, false, now, effects);
        }
    }

    /// Looks again at the heads that were ahead.
    pub(crate) fn caught_up(&mut self, tree: &Tree, now: Timestamp, effects: &mut Vec<Effect>) {
        let size = tree.size();
        let ready: Vec<String> = self.ahead.iter().filter(|(_, head)| head.0 <= size).map(|(member, _)| member.clone()).collect();
        for member in ready {
            if let Some(head) = self.ahead.remove(&member) {
                self.head(tree, &member, head, now, effects);
            }
        }
    }

    /// Takes a published checkpoint of another node, or our own from the store.
    pub(crate) fn adopt(&mut self, tree: &Tree, text: &str, now: Timestamp, effects: &mut Vec<Effect>) {
        let Ok(note) = Note::parse(text) else { return };
        let size = note.checkpoint.size;
        let ours = tree.root(size) == Some(note.checkpoint.root);
        if size > tree.size() || (ours && size <= self.covered()) || self.policy.verify(text).is_err() {
            return;
        }
        if ours {
            self.set_published(note.checkpoint, text.to_owned(), effects);
        } else {
            self.accuse(tree, note, now, effects);
        }
    }

    /// A cosignature over the published checkpoint that came after its quorum.
    fn add(&mut self, signature: &NoteSignature) {
        let Some((_, text)) = &mut self.published else { return };
        if let Ok(mut note) = Note::parse(text)
            && !note.signatures.iter().any(|known| known.name == signature.name && known.octets.get(..4) == signature.octets.get(..4))
        {
            note.signatures.push(signature.clone());
            note.signatures.sort_by(|a, b| (a.octets.len(), &a.name).cmp(&(b.octets.len(), &b.name)));
            *text = note.text();
        }
    }

    /// Puts a contradiction down with what this node itself holds at that size.
    fn accuse(&mut self, tree: &Tree, theirs: Note, now: Timestamp, effects: &mut Vec<Effect>) {
        let size = theirs.checkpoint.size;
        let Some(root) = tree.root(size).filter(|_| self.accused.len() < FORKS_MAX) else { return };
        let quorum = self.policy.verify(&theirs.text()).is_ok();
        if self.accused.get(&theirs.checkpoint).is_some_and(|known| *known || !quorum) {
            return;
        }
        let new = self.accused.insert(theirs.checkpoint.clone(), quorum).is_none();
        let ours = self.published.as_ref().filter(|(checkpoint, _)| checkpoint.size == size).map(|(_, note)| note.clone());
        let own = || {
            let cosigned = NoteSignature::put(&self.verifier(), &self.cosign(size, root, now));
            let signatures = vec![self.logged(size, root), cosigned];
            Note { checkpoint: self.checkpoint(size, root), signatures }.text()
        };
        let published = ours.clone();
        effects.push(Effect::Fork(Fork { ours: ours.unwrap_or_else(own), theirs: theirs.text() }));
        // The others may have heard one side only: each node tells all of them what it holds.
        if new {
            let cosignature = self.cosign(size, root, now);
            effects.push(Effect::Broadcast(Frame::Head { size, root, cosignature }));
            effects.extend(published.map(|note| Effect::Broadcast(Frame::Note(note))));
        }
    }

    fn publish(&mut self, tree: &Tree, size: u64, effects: &mut Vec<Effect>) {
        let Some(root) = tree.root(size) else { return };
        let Some(gathered) = self.gathered.get(&size) else { return };
        if !self.policy.met(&gathered.keys().map(String::as_str).collect()) {
            return;
        }
        let known =
            |(member, value): (&String, &Cosignature)| self.policy.witness(member).map(|verifier| NoteSignature::put(verifier, value));
        let signatures = std::iter::once(self.logged(size, root)).chain(gathered.iter().filter_map(known)).collect();
        let note = Note { checkpoint: self.checkpoint(size, root), signatures };
        let text = note.text();
        self.set_published(note.checkpoint, text, effects);
    }

    fn set_published(&mut self, checkpoint: Checkpoint, note: String, effects: &mut Vec<Effect>) {
        self.gathered = self.gathered.split_off(&(checkpoint.size + 1));
        self.published = Some((checkpoint, note.clone()));
        if !self.accused.is_empty() {
            effects.push(Effect::Broadcast(Frame::Note(note.clone())));
        }
        effects.push(Effect::Published(note));
    }

    fn cosign(&self, size: u64, root: Hash, now: Timestamp) -> Cosignature {
        Cosignature::sign(&self.key, (now.0 / 1000).max(1), &self.text(size, root))
    }

    fn logged(&self, size: u64, root: Hash) -> NoteSignature {
        NoteSignature::sign(self.policy.origin(), &self.key, &self.text(size, root))
    }

    fn verifier(&self) -> Verifier {
        Verifier::cosigner(&self.member, self.policy.origin(), self.key.public())
    }

    fn checkpoint(&self, size: u64, root: Hash) -> Checkpoint {
        Checkpoint { origin: self.policy.origin().to_owned(), size, root }
    }

    fn text(&self, size: u64, root: Hash) -> String {
        self.checkpoint(size, root).text()
    }
}
