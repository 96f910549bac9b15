//! What a node takes from others: a snapshot with the leaves under it when it is behind the log, and bundles in place of damaged
//! ones. All of it is checked against a checkpoint of the quorum before it counts.

use super::job::{Job, Work};
use super::start::proven;
use super::{Node, Outbox, Output};
use crate::body::Request;
use crate::checkpoint::Policy;
use crate::frame::{Frame, Item, PIECE_BYTES_MAX};
use crate::install::Install;
use crate::medium::{Medium, StoreError};
use crate::segment::{BUNDLE, BUNDLE_OCTETS_MAX, leaves_of, unpacked};
use crate::snapshot::{STATE_OCTETS_MAX, Snapshot};
use crate::state::State;
use crate::tree::{Hash, consistent, leaf_hash, root_of};
use raft::StateRole;
use raft::eraftpb::{Message, MessageType};
use std::collections::{BTreeMap, BTreeSet};

/// Bundles that were asked for or wait to be written.
const BUNDLES_MAX: u64 = 64;
/// Damaged bundles that are asked for at once.
const MENDS_MAX: usize = 8;
/// How often a thing is asked for in vain before the whole is begun anew.
const TRIES_MAX: u32 = 40;

/// What was asked for and is not there yet.
#[derive(Debug)]
struct Asked {
    from: u64,
    at: u64,
    tries: u32,
    parts: u32,
    next: u32,
    octets: Vec<u8>,
}

#[derive(Debug)]
pub(super) struct Taking<M> {
    asked: BTreeMap<Item, Asked>,
    /// Whom to ask next: the members take turns.
    turn: usize,
    stage: Stage<M>,
    /// Bundles that are being put in place of damaged ones.
    mending: BTreeSet<u64>,
}

/// How far a snapshot is.
#[derive(Debug)]
enum Stage<M> {
    None,
    /// It was asked for.
    Newest,
    /// It is here, and the checkpoint is good; the roots of its bundles were asked for.
    Roots(Box<Snapshot>),
    /// So are the roots; the last bundle was asked for, whose last leaf speaks for the state.
    Last(Box<Snapshot>, Vec<Hash>),
    /// The state is that of the last leaf; a seal that runs goes first.
    Proven(Box<Snapshot>, Vec<Hash>),
    Bundles(Bundles<M>),
}

#[derive(Debug)]
struct Bundles<M> {
    /// With a job while one runs.
    install: Option<Box<Install<M>>>,
    size: u64,
    /// The next to be asked for the first time.
    next: u64,
    again: BTreeSet<u64>,
    arrived: BTreeMap<u64, Vec<u8>>,
    /// What the job has.
    writing: BTreeSet<u64>,
}

/// Bundles on their way to the disk.
#[derive(Debug)]
pub(super) struct Take<M> {
    install: Box<Install<M>>,
    bundles: BTreeMap<u64, Vec<u8>>,
}

#[derive(Debug)]
pub(super) struct Taken<M> {
    install: Option<Box<Install<M>>>,
    /// What was not what it should be.
    again: BTreeSet<u64>,
    whole: bool,
    error: Option<StoreError>,
}

impl<M> Default for Taking<M> {
    fn default() -> Self {
        Self { asked: BTreeMap::new(), turn: 0, stage: Stage::None, mending: BTreeSet::new() }
    }
}

impl<M> Taking<M> {
    /// Whether leaves are being written beside the log: nothing may be appended to it meanwhile.
    pub(super) fn installs(&self) -> bool {
        matches!(self.stage, Stage::Bundles(_))
    }

    /// How many leaves the snapshot has that is being taken.
    pub(super) fn size(&self) -> Option<u64> {
        match &self.stage {
            Stage::None => None,
            Stage::Newest => Some(0),
            Stage::Roots(snapshot) | Stage::Last(snapshot, _) | Stage::Proven(snapshot, _) => Some(snapshot.size),
            Stage::Bundles(bundles) => Some(bundles.size),
        }
    }

    pub(super) fn mended(&mut self, bundle: u64) {
        self.mending.remove(&bundle);
    }

    /// Forgets the snapshot; the leader says again that it is needed. Not while a job writes its leaves.
    fn give_up(&mut self) {
        if matches!(&self.stage, Stage::Bundles(bundles) if bundles.install.is_none()) {
            return;
        }
        self.stage = Stage::None;
        self.asked.retain(|item, _| matches!(item, Item::Bundle(number) if self.mending.contains(number)));
    }
}

/// As leader and as follower.
impl<M: Medium> Node<M> {
    /// As leader: tells who needs entries that the log has forgotten.
    pub(super) fn tell_who_is_behind(&self, outputs: &mut dyn Outbox) {
        let raft = &self.raft.raft;
        if raft.state != StateRole::Leader || !self.ticks.is_multiple_of(self.election_ticks as u64) {
            return;
        }
        let first = self.store().first();
        for (node, progress) in raft.prs().iter() {
            if *node != self.me.node && progress.recent_active && progress.next_idx < first {
                outputs.put(Output::Send { to: *node, octets: Frame::Behind(first).encode() });
            }
        }
    }

    /// The leader's log begins with entry `first`. Whoever has what is before it says so, as Raft's follower does after a
    /// snapshot; whoever has not asks for one.
    pub(super) fn behind(&mut self, from: u64, first: u64, outputs: &mut dyn Outbox) {
        let raft = &self.raft.raft;
        if from != raft.leader_id || from == self.me.node {
            return;
        }
        if raft.raft_log.committed + 1 >= first {
            let (index, commit) = (raft.raft_log.committed, raft.raft_log.committed);
            let mut message = Message { to: from, from: self.me.node, term: raft.term, index, commit, ..Message::default() };
            message.set_msg_type(MessageType::MsgAppendResponse);
            outputs.put(Output::Send { to: from, octets: Frame::Raft(Box::new(message)).encode() });
        } else if matches!(self.taking.stage, Stage::None) {
            self.taking.stage = Stage::Newest;
            self.want(Item::Newest, from, outputs);
        }
    }

    fn want(&mut self, item: Item, from: u64, outputs: &mut dyn Outbox) {
        let at = self.ticks;
        let tries = self.taking.asked.get(&item).map_or(0, |asked| asked.tries + 1);
        self.taking.asked.insert(item, Asked { from, at, tries, parts: 0, next: 0, octets: Vec::new() });
        outputs.put(Output::Send { to: from, octets: Frame::Want { item, part: 0 }.encode() });
    }

    /// The other members in turn.
    fn other(&mut self) -> Option<u64> {
        let others: Vec<u64> = self.members.keys().copied().filter(|node| *node != self.me.node).collect();
        self.taking.turn = self.taking.turn.wrapping_add(1);
        others.get(self.taking.turn.checked_rem(others.len())?).copied()
    }

    /// Once a tick: what is late is asked of another, what is next is asked for.
    pub(super) fn take_on(&mut self, outputs: &mut dyn Outbox) {
        let patience = 2 * self.election_ticks as u64;
        let late = self.taking.asked.iter().filter(|(_, asked)| asked.at + patience <= self.ticks);
        let late: Vec<(Item, u32)> = late.map(|(item, asked)| (*item, asked.tries)).collect();
        for (item, tries) in late {
            self.ask_another(item, tries, outputs);
        }
        if let Stage::Proven(snapshot, roots) = &self.taking.stage
            && !self.store().is_sealing()
        {
            let (first, size) = (self.store().sealed(), snapshot.size);
            self.taking.stage = match self.store().install((**snapshot).clone(), roots.clone()) {
                Ok(install) => Stage::Bundles(Bundles {
                    install: Some(Box::new(install)),
                    size,
                    next: first / BUNDLE,
                    again: BTreeSet::new(),
                    arrived: BTreeMap::new(),
                    writing: BTreeSet::new(),
                }),
                // The log has brought us further meanwhile.
                Err(_) => Stage::None,
            };
        }
        self.take_bundles(outputs);
        self.ask_for_damaged(outputs);
    }

    fn ask_another(&mut self, item: Item, tries: u32, outputs: &mut dyn Outbox) {
        let mends = matches!(item, Item::Bundle(number) if self.taking.mending.contains(&number));
        if tries >= TRIES_MAX && !mends {
            self.taking.give_up();
        }
        if !self.taking.asked.contains_key(&item) {
            return;
        }
        if let Some(from) = self.other() {
            self.want(item, from, outputs);
        }
    }

    fn take_bundles(&mut self, outputs: &mut dyn Outbox) {
        let Stage::Bundles(bundles) = &mut self.taking.stage else { return };
        let asked: BTreeSet<u64> = self.taking.asked.keys().filter_map(|item| bundle_of(*item)).collect();
        let oldest = asked.iter().chain(bundles.arrived.keys()).chain(&bundles.writing).chain(&bundles.again).min().copied();
        let end = (oldest.unwrap_or(bundles.next) + BUNDLES_MAX).min(bundles.size / BUNDLE);
        let mut wanted: Vec<u64> = std::mem::take(&mut bundles.again).into_iter().collect();
        wanted.extend((bundles.next..end).filter(|bundle| !asked.contains(bundle)));
        bundles.next = bundles.next.max(end);
        if !bundles.arrived.is_empty()
            && let Some(install) = bundles.install.take()
        {
            let arrived = std::mem::take(&mut bundles.arrived);
            bundles.writing = arrived.keys().copied().collect();
            self.jobs.push_back(Job(Work::Take(Box::new(Take { install, bundles: arrived }))));
        }
        for bundle in wanted {
            if let Some(from) = self.other() {
                self.want(Item::Bundle(bundle), from, outputs);
            }
        }
    }

    /// Asks for what is damaged here.
    fn ask_for_damaged(&mut self, outputs: &mut dyn Outbox) {
        if self.taking.installs() || self.taking.mending.len() >= MENDS_MAX {
            return;
        }
        let damaged = self.store().damaged().into_iter().filter_map(|damage| damage.bundle);
        let new: Vec<u64> = damaged.filter(|bundle| !self.taking.mending.contains(bundle)).take(MENDS_MAX).collect();
        for bundle in new {
            if let Some(from) = self.other() {
                self.taking.mending.insert(bundle);
                self.want(Item::Bundle(bundle), from, outputs);
            }
        }
    }

    /// Takes a part of what was asked for, from whom it was asked.
    pub(super) fn piece(&mut self, from: u64, (item, part, parts): (Item, u32, u32), octets: &[u8], outputs: &mut dyn Outbox) {
        // The newest snapshot comes under its size.
        if matches!(item, Item::Snapshot(_))
            && parts > 0
            && self.taking.asked.get(&Item::Newest).is_some_and(|asked| asked.from == from)
            && let Some(asked) = self.taking.asked.remove(&Item::Newest)
        {
            self.taking.asked.insert(item, asked);
        }
        let ticks = self.ticks;
        let Some(asked) = self.taking.asked.get_mut(&item).filter(|asked| asked.from == from) else { return };
        if parts == 0 {
            // Not here: the next one is asked at the next tick.
            asked.at = 0;
            return;
        }
        if part != asked.next || (part > 0 && parts != asked.parts) {
            return;
        }
        if u64::from(parts) > parts_max(item, if part == 0 { octets } else { &asked.octets }) {
            // Longer than it can be: nothing more is taken of it, and another is asked.
            (asked.at, asked.octets) = (0, Vec::new());
            return;
        }
        asked.octets.extend_from_slice(octets);
        (asked.at, asked.parts, asked.next) = (ticks, parts, part + 1);
        if part + 1 < parts {
            outputs.put(Output::Send { to: from, octets: Frame::Want { item, part: part + 1 }.encode() });
            return;
        }
        let Some(asked) = self.taking.asked.remove(&item) else { return };
        self.arrived(item, asked, outputs);
    }

    fn arrived(&mut self, item: Item, asked: Asked, outputs: &mut dyn Outbox) {
        let from = asked.from;
        match (item, std::mem::replace(&mut self.taking.stage, Stage::None)) {
            (Item::Snapshot(_), Stage::Newest) => {
                if let Some(snapshot) = self.offered(&asked.octets) {
                    let size = snapshot.size;
                    self.taking.stage = Stage::Roots(Box::new(snapshot));
                    self.want(Item::Roots(size), from, outputs);
                }
            }
            (Item::Roots(_), Stage::Roots(snapshot)) => {
                let last = snapshot.size / BUNDLE - 1;
                self.taking.stage = Stage::Last(snapshot, crate::archive::hashes_of(&asked.octets));
                self.want(Item::Bundle(last), from, outputs);
            }
            (Item::Bundle(number), Stage::Last(snapshot, roots)) if number == snapshot.size / BUNDLE - 1 => {
                if self.proves(&snapshot, &roots, &asked.octets) {
                    self.taking.stage = Stage::Proven(snapshot, roots);
                }
            }
            (Item::Bundle(number), Stage::Bundles(mut bundles)) if !self.taking.mending.contains(&number) => {
                bundles.arrived.insert(number, asked.octets);
                self.taking.stage = Stage::Bundles(bundles);
            }
            (Item::Bundle(bundle), stage) => {
                self.taking.stage = stage;
                match unpacked(&asked.octets) {
                    Some(octets) if self.taking.mending.contains(&bundle) => {
                        self.keeping.mend(bundle, octets);
                    }
                    _ => drop(self.taking.mending.remove(&bundle)),
                }
            }
            (_, stage) => self.taking.stage = stage,
        }
    }

    /// A snapshot that a checkpoint of the quorum stands for: of the members that are known here, or of those that it leads to.
    fn offered(&self, octets: &[u8]) -> Option<Snapshot> {
        let (snapshot, note, path) = read_offer(octets)?;
        if snapshot.size <= self.store().sealed() || !snapshot.size.is_multiple_of(BUNDLE) {
            return None;
        }
        let state = State::decode(&self.founded()?, &snapshot.state)?;
        let led_to = Policy::of_members(&state.origin(), state.members(), state.quorum());
        let checkpoint = [self.witness.policy(), &led_to].into_iter().find_map(|policy| policy.verify(&note).ok())?;
        consistent(snapshot.size, snapshot.root, checkpoint.size, checkpoint.root, &path).then_some(snapshot)
    }

    fn founded(&self) -> Option<State> {
        State::found(Request::read(self.config.genesis.clone()).ok()?).ok().map(|(state, _)| state)
    }

    /// Whether the snapshot's state is the one of which its last leaf speaks, and that leaf the tree's.
    fn proves(&self, snapshot: &Snapshot, roots: &[Hash], packed: &[u8]) -> bool {
        let Some(octets) = unpacked(packed) else { return false };
        let leaves: Vec<&[u8]> = leaves_of(&octets).unwrap_or_default().into_iter().filter_map(|leaf| octets.get(leaf)).collect();
        let hashes: Vec<Hash> = leaves.iter().map(|leaf| leaf_hash(leaf)).collect();
        let right = hashes.len() as u64 == BUNDLE && root_of(&hashes).is_some() && root_of(&hashes).as_ref() == roots.last();
        let Some((founded, last)) = self.founded().zip(leaves.last()).filter(|_| right) else { return false };
        proven(&founded, snapshot, last).is_ok()
    }

    /// What a job has written. When all leaves are there, this node goes on from the snapshot.
    pub(super) fn taken(&mut self, taken: Taken<M>) -> Result<(), StoreError> {
        if let Some(error) = taken.error {
            return Err(error);
        }
        if taken.whole {
            return self.go_on();
        }
        if let Stage::Bundles(bundles) = &mut self.taking.stage {
            bundles.install = taken.install;
            bundles.again.extend(taken.again);
            bundles.writing.clear();
        }
        Ok(())
    }
}

impl<M: Medium> Take<M> {
    pub(super) fn run(mut self) -> Taken<M> {
        let mut again = BTreeSet::new();
        for (number, packed) in self.bundles {
            let put = match unpacked(&packed) {
                Some(octets) => self.install.put(number, octets),
                None => Err(StoreError::Diverged(format!("bundle {number} cannot be decompressed"))),
            };
            match put {
                Ok(()) => {}
                Err(StoreError::Diverged(_)) => drop(again.insert(number)),
                Err(error) => return Taken { install: None, again, whole: false, error: Some(error) },
            }
        }
        if self.install.is_whole() {
            let error = self.install.finish().err();
            return Taken { install: None, again, whole: error.is_none(), error };
        }
        Taken { install: Some(self.install), again, whole: false, error: None }
    }
}

/// Parts that a thing can have, at most; a snapshot begins with its length.
fn parts_max(item: Item, begin: &[u8]) -> u64 {
    let packed = |octets: u64| zstd::zstd_safe::compress_bound(usize::try_from(octets).unwrap_or(usize::MAX)) as u64;
    let octets = match item {
        Item::Newest | Item::Snapshot(_) => {
            let plain = begin.first_chunk::<8>().map_or(0, |length| u64::from_be_bytes(*length));
            if plain > STATE_OCTETS_MAX { 0 } else { 8 + packed(plain) }
        }
        Item::Roots(size) => size / BUNDLE * 32,
        Item::Bundle(_) => packed(BUNDLE_OCTETS_MAX as u64),
    };
    octets.div_ceil(PIECE_BYTES_MAX as u64)
}

fn bundle_of(item: Item) -> Option<u64> {
    match item {
        Item::Bundle(number) => Some(number),
        _ => None,
    }
}

/// A snapshot on its way: the length of what follows, and compressed: the note's length and the note, the path's length and the
/// path, the snapshot.
pub(super) fn offer(snapshot: &Snapshot, note: &str, path: &[Hash]) -> Result<Vec<u8>, StoreError> {
    let mut plain = Vec::new();
    for part in [note.as_bytes(), &path.iter().flat_map(|hash| hash.0).collect::<Vec<u8>>()] {
        plain.extend_from_slice(&(part.len() as u64).to_be_bytes());
        plain.extend_from_slice(part);
    }
    plain.extend_from_slice(&snapshot.plain());
    let failed = |error| StoreError::Io { what: "compress", path: "a snapshot".into(), error };
    let packed = zstd::bulk::compress(&plain, 1).map_err(failed)?;
    Ok([(plain.len() as u64).to_be_bytes().as_slice(), &packed].concat())
}

fn read_offer(octets: &[u8]) -> Option<(Snapshot, String, Vec<Hash>)> {
    let (length, packed) = octets.split_first_chunk::<8>()?;
    let length = Some(u64::from_be_bytes(*length)).filter(|length| *length <= STATE_OCTETS_MAX)?;
    let plain = zstd::bulk::decompress(packed, usize::try_from(length).ok()?).ok()?;
    let part = |octets: &[u8]| -> Option<(Vec<u8>, Vec<u8>)> {
        let (length, rest) = octets.split_first_chunk::<8>()?;
        let (part, rest) = rest.split_at_checked(usize::try_from(u64::from_be_bytes(*length)).ok()?)?;
        Some((part.to_vec(), rest.to_vec()))
    };
    let (note, rest) = part(&plain)?;
    let (path, rest) = part(&rest)?;
    Some((Snapshot::parse(&rest)?, String::from_utf8(note).ok()?, crate::archive::hashes_of(&path)))
}
