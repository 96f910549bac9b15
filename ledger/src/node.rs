//! One replica: the whole Ready loop of Raft in this one file, numbered as raft's documentation numbers it.

mod alone;
mod birth;
mod disk;
mod give;
mod job;
mod keep;
mod membership;
mod ports;
mod prepared;
mod reads;
mod start;
mod take;

pub use crate::frame::forwarded;
pub use alone::Copy;
pub use job::{Done, Job};
pub(crate) use membership::is_sound;
pub use ports::{Answer, CLOCK_MS_MAX, Config, Input, Introduction, Outbox, Output, Seen, Standing, Status, Transaction};

use crate::body::{Member, Record, Request, Suffrage};
use crate::checkpoint::{Checkpoint, Note, Policy};
use crate::clients::Tag;
use crate::frame::{Frame, change_of_members};
use crate::medium::{Medium, StoreError};
use crate::mutant;
use crate::proof::Receipt;
use crate::record::{Entry, Kind, Leaf, Stamped, Verdict};
use crate::seal::Sealed;
use crate::segment::SEAL_EVERY;
use crate::snapshot::Snapshot;
use crate::state::{Applied, Checked, Judged, ROOT_MS, State};
use crate::store::{Batch, HardState, LogEntry, Store};
use crate::tree::{Hash, Tree, leaf_hash};
use crate::witness::{Effect, Fork, Witness};
use birth::Birth;
use disk::{Disk, log_entry};
use give::Wishes;
use job::{Outcome, Work};
use keep::Keeping;
use membership::{Next, Wanted};
use prepared::Prepared;
use raft::eraftpb::{ConfChangeV2, Entry as RaftEntry, EntryType, Message, MessageType};
use raft::{Progress, RawNode, StateRole};
use reads::Reads;
use start::{Recent, Start};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use take::Taking;
use xsd::time::Timestamp;

#[derive(Debug)]
struct Pending {
    entry: Entry,
    client: String,
    sent_at: u64,
    /// This node's clock when it came.
    since: Timestamp,
}

/// This node's number, and the member whose it is.
#[derive(Debug)]
struct Seat {
    node: u64,
    id: String,
}

/// A committed entry of the log, read.
enum Committed {
    Mark { raft_index: u64, stamp: Timestamp },
    Record { raft_index: u64, stamp: Timestamp, judged: Option<Box<Judged>> },
    Members { raft_index: u64, change: Option<ConfChangeV2> },
}

/// Where a proposal comes from: a ticket of this node's, or another node that took this one for the leader.
#[derive(Clone, Copy, Debug)]
enum Source {
    Ticket(u64),
    Node(u64),
}

/// A node that is at most so many entries behind has caught up.
const CAUGHT_UP: u64 = 1024;
/// Client ids of refused proposals that are remembered.
const INVALID_MAX: usize = 4096;

/// One replica. Owns no thread, no clock and no socket.
pub struct Node<M: Medium> {
    raft: RawNode<Disk<M>>,
    state: State,
    /// Where the latest client ids were used.
    recent: Recent,
    /// The log entry of which so many records have their leaves already: the snapshot was taken in the middle of it.
    resume: (u64, usize),
    /// Work that the driver has not fetched yet.
    jobs: VecDeque<Job<M>>,
    wishes: Wishes,
    taking: Taking<M>,
    keeping: Keeping,
    birth: Birth,
    /// What jobs have left for the next step to put out.
    late: Vec<Output>,
    config: Config,
    tree: Tree,
    witness: Witness,
    me: Seat,
    members: BTreeMap<u64, Member>,
    pending: BTreeMap<u64, Pending>,
    /// The tickets that wait for each client id.
    waiting: BTreeMap<String, BTreeSet<u64>>,
    /// Client ids that this node proposed as leader of the current term.
    proposed: BTreeSet<String>,
    pending_max: usize,
    election_ticks: usize,
    /// What [`Node::pace`] adds to the election timeout in a term.
    spread: (u64, usize),
    ticks: u64,
    /// The leaf that last changed whose signatures make a checkpoint, as far as the witness knows.
    policy_at: u64,
    /// The tick at which this node last proposed a mark of its own.
    marked_at: u64,
    covered_at: u64,
    /// A published checkpoint that is not on the disk yet, and since which tick: it goes with the next write.
    note: Option<(String, u64)>,
    leader: (u64, u64),
    prepared: Prepared,
    /// What was acknowledged and not yet read and checked, for [`Node::prepare`].
    unprepared: Vec<LogEntry>,
    /// Up to where a leader has told others that the log is committed, and whether somebody elsewhere waits for more of it.
    told: u64,
    urgent: bool,
    reads: Reads,
    /// What was refused lately, the oldest first.
    invalid: VecDeque<(String, Verdict)>,
    /// The tick at which the leader's clock was last reported.
    clock_reported: Option<u64>,
    /// What the witness wants done at the end of the step.
    effects: Vec<Effect>,
}

impl<M: Medium> std::fmt::Debug for Node<M> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Node {:?}", self.status())
    }
}

/// Opening and asking.
impl<M: Medium> Node<M> {
    /// A node over its storage: founds the ledger, and applies what the log says is committed. What was committed and not yet
    /// saved as such follows in the first steps.
    ///
    /// # Errors
    /// The genesis is not acceptable, no number is given and none is known for the node key, the store fails or is
    /// [lacking](Store::lacking), or its leaves contradict the checkpoint that was published of them.
    pub fn open(config: Config, mut store: Store<M>) -> Result<Self, StoreError> {
        store.refuse_lacking()?;
        Self::start(config, store)
    }

    /// [`Node::open`] among others: over a store that is [lacking](Store::lacking) it takes no part until they have sent what mends it.
    ///
    /// # Errors
    /// As [`Node::open`], but for that.
    pub fn start(config: Config, mut store: Store<M>) -> Result<Self, StoreError> {
        let bad = |verdict: Verdict| StoreError::Diverged(format!("the genesis is not acceptable: {verdict}"));
        let genesis = Request::read(config.genesis.clone()).map_err(bad)?;
        let (founded, founding) = State::found(genesis).map_err(bad)?;
        let birth = Birth::of(&mut store, config.life)?;
        let Start { state, tree, members, applied, resume } = Start::of(&mut store, founded, founding)?;
        let me = Seat { node: config.number(&state)?, id: config.member.clone() };
        let policy = Policy::of_members(&state.origin(), state.members(), state.quorum());
        let witness = Witness::new(policy, me.id.clone(), config.node_key.clone());
        let settings = raft::Config { applied, ..settings(me.node, config.election_ticks, config.heartbeat_ticks) };
        // Whoever came later, or has not heard that it is a member, follows nobody until a leader speaks to it, and stands for nothing.
        let founding = || Wanted::of(state.genesis().members.iter()).founding();
        let alone = store.alone().until > applied;
        let members = if alone { alone::members(me.node) } else { members.unwrap_or_else(founding) };
        let disk = Disk::new(store, members);
        let logger = slog::Logger::root(slog::Discard, slog::o!());
        let raft = RawNode::new(&settings, disk, &logger).map_err(|error| StoreError::Diverged(error.to_string()))?;
        let mut node = Self {
            raft,
            state,
            recent: Recent::default(),
            resume,
            jobs: VecDeque::new(),
            wishes: Wishes::default(),
            taking: Taking::default(),
            keeping: Keeping::default(),
            birth,
            late: Vec::new(),
            tree,
            witness,
            me,
            members: BTreeMap::new(),
            pending: BTreeMap::new(),
            waiting: BTreeMap::new(),
            proposed: BTreeSet::new(),
            pending_max: config.pending_max,
            election_ticks: config.election_ticks,
            spread: (u64::MAX, 0),
            ticks: 0,
            policy_at: 0,
            marked_at: 0,
            covered_at: 0,
            note: None,
            leader: (0, 0),
            prepared: Prepared::new(config.pending_max),
            unprepared: Vec::new(),
            told: 0,
            urgent: false,
            reads: Reads::default(),
            invalid: VecDeque::new(),
            clock_reported: None,
            effects: Vec::new(),
            config,
        };
        node.pace();
        if node.store().lacking().is_none() {
            node.be_born()?;
            node.recover()?;
        }
        Ok(node)
    }

    /// Applies what the log says is committed, and takes up the checkpoint that was published of it.
    fn recover(&mut self) -> Result<(), StoreError> {
        // Nobody waits for an answer, and no clock is judged by old stamps.
        let never = Timestamp(u64::MAX);
        while self.raft.has_ready() {
            self.ready(never, &mut Vec::new())?;
        }
        // The members and their keys are those of the log, no longer the genesis' alone.
        self.witness.set_policy(self.policy_of_members());
        if let Some(note) = self.store().note().map(str::to_owned) {
            self.witness.adopt(&self.tree, &note, self.state.time(), &mut Vec::new());
            // It was saved together with a commit index that covers it. Its signers may be members no more, or have other keys.
            let ours = Note::parse(&note).is_ok_and(|note| self.tree.root(note.checkpoint.size) == Some(note.checkpoint.root));
            if !ours {
                return Err(StoreError::Diverged("the leaves contradict the checkpoint that was published of them".to_owned()));
            }
        }
        self.raft.store().failure.take().map_or(Ok(()), Err)
    }

    /// What the leaves say.
    #[must_use]
    pub fn state(&self) -> &State {
        &self.state
    }

    /// The Merkle tree over the leaves.
    #[must_use]
    pub fn tree(&self) -> &Tree {
        &self.tree
    }

    /// Whose signatures make a checkpoint.
    #[must_use]
    pub fn policy(&self) -> &Policy {
        self.witness.policy()
    }

    /// The latest published checkpoint and its signed note.
    #[must_use]
    pub fn published(&self) -> Option<(&Checkpoint, &str)> {
        self.witness.published()
    }

    /// The receipt of a leaf under the latest published checkpoint; `None` until one covers it.
    #[must_use]
    pub fn receipt(&self, index: u64) -> Option<Receipt> {
        let (checkpoint, note) = self.witness.published()?;
        Receipt::make(&self.tree, index, checkpoint.size, note)
    }

    /// A leaf's octets, checked against the tree.
    ///
    /// # Errors
    /// There is none, it is damaged, or the medium failed.
    pub fn leaf(&self, index: u64) -> Result<Vec<u8>, StoreError> {
        let octets = self.raft.store().store.leaf(index)?;
        if Some(Leaf::hash(&octets)) == self.tree.leaf(index) {
            Ok(octets.to_vec())
        } else {
            Err(StoreError::Diverged(format!("leaf {index} changed on disk")))
        }
    }

    /// Whether a proposal with this client id waits here for its answer. Once it has a leaf, [`State::client`] knows it.
    #[must_use]
    pub fn is_pending(&self, client: &str) -> bool {
        self.waiting.contains_key(client)
    }

    /// Where a client id was used.
    ///
    /// # Errors
    /// Its leaf cannot be read here: it is damaged, and being mended, or was pruned.
    pub fn client(&self, id: &str) -> Result<Option<Seen>, StoreError> {
        self.look_up(id, Tag::of(id))
    }

    fn look_up(&self, id: &str, tag: Tag) -> Result<Option<Seen>, StoreError> {
        if mutant::is("ids-forgotten") {
            return Ok(None);
        }
        let Some(index) = self.store().tagged(tag)? else { return Ok(None) };
        if let Some((client, seen)) = self.recent.get(index) {
            return Ok((client == id).then_some(*seen));
        }
        let leaf = Leaf::read(&self.store().leaf(index)?).map_err(|error| StoreError::Diverged(format!("leaf {index}: {error}")))?;
        Ok((leaf.client == id).then(|| Seen::of_leaf(&leaf)))
    }

    /// Work that is due, for the driver to run on any thread; its result comes back to [`Node::done`].
    pub fn job(&mut self) -> Option<Job<M>> {
        self.jobs.pop_front()
    }

    /// Takes what came of a job. What follows from it leaves with the next step.
    ///
    /// # Errors
    /// The job or the store failed: the driver stops the process.
    pub fn done(&mut self, done: Done<M>) -> Result<(), StoreError> {
        match done.0 {
            Outcome::Sealed(sealed) => self.sealed(*sealed),
            Outcome::Given(given) => {
                let frames = self.given(given);
                self.late.extend(frames.into_iter().map(|(to, octets)| Output::Send { to, octets }));
                Ok(())
            }
            Outcome::Taken(taken) => self.taken(*taken),
            Outcome::Swept(swept) => self.swept(*swept),
            Outcome::Mended { bundle, mended } => self.mended(bundle, mended),
        }
    }

    /// The sealed leaves leave the memory, and the log forgets what is far behind.
    fn sealed(&mut self, sealed: Result<Sealed, StoreError>) -> Result<(), StoreError> {
        let store = &mut self.raft.mut_store().store;
        store.adopt(sealed?)?;
        store.lean(&mut self.tree);
        let next = store.next_seal();
        self.jobs.extend(next.map(|seal| Job(Work::Seal(Box::new(seal)))));
        Ok(())
    }

    /// Goes on from a snapshot that has just become durable, as a node does that starts. Who waits here still waits.
    fn go_on(&mut self) -> Result<(), StoreError> {
        let mut next = Self::start(self.config.clone(), self.store().again()?)?;
        assert!(next.state.size() >= self.state.size(), "a snapshot is only taken when it is ahead");
        std::mem::swap(&mut next.witness, &mut self.witness);
        std::mem::swap(&mut next.pending, &mut self.pending);
        std::mem::swap(&mut next.waiting, &mut self.waiting);
        std::mem::swap(&mut next.reads, &mut self.reads);
        std::mem::swap(&mut next.invalid, &mut self.invalid);
        std::mem::swap(&mut next.members, &mut self.members);
        std::mem::swap(&mut next.wishes, &mut self.wishes);
        std::mem::swap(&mut next.keeping, &mut self.keeping);
        std::mem::swap(&mut next.late, &mut self.late);
        next.jobs.append(&mut self.jobs);
        (next.ticks, next.marked_at, next.covered_at) = (self.ticks, self.marked_at, self.covered_at);
        next.clock_reported = self.clock_reported;
        std::mem::swap(&mut next.birth.confirmed, &mut self.birth.confirmed);
        *self = next;
        self.forget_lives()?;
        // The leaves of what waits here may be among those that came.
        let waiting: Vec<(u64, Entry)> = self.pending.iter().map(|(ticket, pending)| (*ticket, pending.entry.clone())).collect();
        for (ticket, entry) in waiting {
            if let Some(answer) = Request::read(entry).ok().and_then(|request| self.known(&request)) {
                self.withdraw(ticket);
                self.late.push(Output::Answer { ticket, answer });
            }
        }
        Ok(())
    }

    /// What is known here of a client id.
    ///
    /// # Errors
    /// As of [`Node::client`].
    pub fn transaction(&self, client: &str) -> Result<Transaction, StoreError> {
        if let Some(seen) = self.client(client)? {
            return Ok(Transaction::Committed { index: seen.index, time: seen.time, outcome: seen.outcome });
        }
        if self.is_pending(client) {
            return Ok(Transaction::Pending);
        }
        let refused = self.invalid.iter().rev().find(|(refused, _)| refused == client);
        Ok(refused.map_or(Transaction::Unknown, |(_, verdict)| Transaction::Invalid(verdict.clone())))
    }

    /// The storage.
    #[must_use]
    pub fn store(&self) -> &Store<M> {
        &self.raft.store().store
    }

    /// Gives the storage back; the node ends.
    #[must_use]
    pub fn into_store(self) -> Store<M> {
        self.raft.raft.r.raft_log.store.store
    }

    /// As leader: the voter that would lead best after this node, the one that has most of the log.
    #[must_use]
    pub fn successor(&self) -> Option<u64> {
        let raft = &self.raft.raft;
        let voters = self.raft.store().members.voters.iter().filter(|node| **node != self.me.node);
        let active =
            voters.filter_map(|node| raft.prs().get(*node).filter(|progress| progress.recent_active).map(|at| (at.matched, *node)));
        active.max().map(|(_, node)| node).filter(|_| raft.state == StateRole::Leader)
    }

    /// Where the node stands.
    #[must_use]
    pub fn status(&self) -> Status {
        let raft = &self.raft.raft;
        Status {
            node: self.me.node,
            leader: (raft.leader_id != 0).then_some(raft.leader_id),
            leads: raft.state == StateRole::Leader,
            term: raft.term,
            commit: raft.raft_log.committed,
            size: self.state.size(),
            root: self.tree.root(self.tree.size()).unwrap_or_default(),
            covered: self.witness.covered(),
            pending: self.pending.len(),
            split: self.witness.split(),
            voters: {
                let members = &self.raft.store().members;
                let voters: BTreeSet<u64> = members.voters.iter().chain(&members.voters_outgoing).copied().collect();
                voters.into_iter().collect()
            },
            standing: self.standing(),
            taking: self.taking.size(),
            damaged: self.store().damaged().len(),
        }
    }

    fn is_learner(&self) -> bool {
        self.state.members().any(|member| member.node == self.me.node && member.suffrage == Suffrage::Learner)
    }

    fn standing(&self) -> Standing {
        match self.state.members().any(|member| member.node == self.me.node) {
            true if self.birth.is_born() || self.is_learner() => Standing::Member,
            true => Standing::Unborn,
            false if self.me.node <= self.state.node_max() => Standing::Removed,
            false => Standing::Coming,
        }
    }
}

/// Stepping.
impl<M: Medium> Node<M> {
    /// Takes one input and puts out what follows from it. `now` is the driver's clock: a leader stamps entries with it.
    ///
    /// # Errors
    /// The store failed or the replica disagrees with itself: the driver stops the process.
    pub fn step(&mut self, input: Input, now: Timestamp, outputs: &mut dyn Outbox) -> Result<(), StoreError> {
        self.steps(std::iter::once(input), now, outputs)
    }

    /// Takes inputs that have gathered, with one write to the store for all of them.
    ///
    /// # Errors
    /// As [`Node::step`].
    pub fn steps(&mut self, inputs: impl IntoIterator<Item = Input>, now: Timestamp, outputs: &mut dyn Outbox) -> Result<(), StoreError> {
        self.late.drain(..).for_each(|output| outputs.put(output));
        self.look_at_members(outputs);
        if self.store().lacking().is_some() {
            inputs.into_iter().for_each(|input| self.be_mended(input, outputs));
            return Ok(());
        }
        let mut arrived = Vec::new();
        for input in inputs {
            match input {
                Input::Tick => self.tick(now, outputs)?,
                Input::Message { from, octets } => self.receive(from, &octets, now, &mut arrived, outputs)?,
                Input::Propose { ticket, entry } => self.arrive(ticket, entry, &mut arrived, outputs),
                Input::Withdraw { ticket } => self.withdraw(ticket),
                Input::Read { ticket } => self.reads.add(ticket),
                Input::Transfer { to } => self.transfer(to, outputs),
                Input::Mark => self.mark(now, outputs),
            }
            self.pace();
        }
        self.admit(arrived, now, outputs);
        self.ask_to_read(now);
        while self.raft.has_ready() {
            self.ready(now, outputs)?;
            self.pace();
        }
        if self.urgent {
            self.tell(now, outputs)?;
        }
        self.look_at_members(outputs);
        if self.raft.raft.state == StateRole::Leader {
            self.witness.ask(&self.tree, now, &mut self.effects);
        }
        self.witness.caught_up(&self.tree, now, &mut self.effects);
        self.perform(outputs)?;
        self.raft.store().failure.take().map_or(Ok(()), Err)
    }

    /// A leader tells the others what is committed, where no entry has told them since. A driver calls it when it has nothing else
    /// to do: until then the next entry may tell it for nothing. Each tick does, and what others' clients wait for is told at once.
    ///
    /// # Errors
    /// As [`Node::step`].
    pub fn tell(&mut self, now: Timestamp, outputs: &mut dyn Outbox) -> Result<(), StoreError> {
        self.urgent = false;
        if self.raft.raft.state == StateRole::Leader && self.told < self.raft.raft.raft_log.committed {
            self.raft.raft.bcast_append();
            while self.raft.has_ready() {
                self.ready(now, outputs)?;
                self.pace();
            }
        }
        Ok(())
    }

    /// One round of Raft's Ready, with the numbers of the raft crate's documentation ("Processing the Ready State").
    fn ready(&mut self, now: Timestamp, outputs: &mut dyn Outbox) -> Result<(), StoreError> {
        let mut ready = self.raft.ready();
        // 3: what is committed, before all else if no disk and no follower waits: its clients are who waits longest.
        if ready.entries().is_empty() {
            let committed = ready.take_committed_entries();
            self.apply(&committed, now, outputs)?;
        }
        // 1: a leader's messages, before its own disk has what is in them: it counts itself only when it has. Nobody else
        // has any here.
        self.send(ready.take_messages(), outputs);
        // 4 and 5: entries and hard state become durable, together. A commit index alone is not written, it goes
        // with the next batch: who restarts without it learns it from the others. (2, snapshots: there are none.)
        let entries: Vec<LogEntry> = ready.take_entries().into_iter().map(log_entry).collect();
        if ready.must_sync() || !entries.is_empty() {
            let note = self.note.take().map(|(note, _)| note);
            let hard_state = self.hard_state(entries.last().map(|entry| entry.index));
            self.raft.mut_store().store.save(Batch { hard_state, entries: &entries, note: note.as_deref() })?;
        }
        // 6: votes and acknowledgements, which promise what is now on the disk.
        self.send(ready.take_persisted_messages(), outputs);
        self.unprepared.extend(entries);
        // 3 again: committed entries are applied and answered.
        let committed = ready.take_committed_entries();
        self.apply(&committed, now, outputs)?;
        for read in ready.take_read_states() {
            self.reads.granted(&read.request_ctx, read.index);
        }
        let led = ready.ss().is_some();
        // 7: the round is over, and with it more may have been committed.
        let mut light = self.raft.advance(ready);
        self.send(light.take_messages(), outputs);
        let committed = light.take_committed_entries();
        self.apply(&committed, now, outputs)?;
        self.raft.advance_apply();
        let applied = self.raft.raft.raft_log.applied;
        self.unprepared.retain(|entry| entry.index > applied);
        for (ticket, index) in self.reads.ready(self.raft.raft.raft_log.applied) {
            outputs.put(Output::ReadAt { ticket, index });
        }
        if led {
            self.leader_changed(now, outputs);
        }
        Ok(())
    }

    /// Reads and checks what was acknowledged, for a driver that has nothing else to do while the disks of others are waited
    /// for: when it is committed, little is left to do. What nobody prepares is checked when it is applied.
    pub fn prepare(&mut self) {
        let entries = std::mem::take(&mut self.unprepared);
        if self.raft.raft.state == StateRole::Leader {
            return;
        }
        let read = |entry: &LogEntry| {
            let (_, octets) = Stamped::split(&entry.data).ok()?;
            Request::read(Entry::decode(octets).ok()?).ok()
        };
        let requests = entries.iter().filter_map(read).collect();
        self.state.check(requests).into_iter().flatten().for_each(|checked| self.prepared.keep(checked));
    }

    /// As it stands, with entries up to `last` if there are any: the commit index goes along, so that a saved checkpoint is one of what is
    /// known to be committed. It may be known of entries that are not on the disk yet: then not of those, or the log would not open.
    fn hard_state(&self, last: Option<u64>) -> Option<HardState> {
        let state = self.raft.raft.hard_state();
        let last = last.unwrap_or_else(|| self.store().last());
        let vote = if mutant::is("vote-not-saved") { 0 } else { state.vote };
        let term = if mutant::is("term-not-saved") { 0 } else { state.term };
        Some(HardState { term, vote, commit: state.commit.min(last) })
    }

    /// Applies committed entries in order. Those that this node admitted itself were read and checked then; the signatures
    /// of the others are verified as one batch.
    fn apply(&mut self, entries: &[RaftEntry], now: Timestamp, outputs: &mut dyn Outbox) -> Result<(), StoreError> {
        let mut committed = Vec::new();
        let mut unread = Vec::new();
        for entry in entries.iter().filter(|entry| entry.get_entry_type() == EntryType::EntryConfChangeV2 || !entry.data.is_empty()) {
            if entry.get_entry_type() == EntryType::EntryConfChangeV2 {
                committed.push(Committed::Members { raft_index: entry.index, change: change_of_members(&entry.data) });
                continue;
            }
            let Ok((stamp, octets)) = Stamped::split(&entry.data) else { continue };
            if Stamped::is_mark(octets) {
                committed.push(Committed::Mark { raft_index: entry.index, stamp });
                continue;
            }
            let checked = self.prepared.take(octets);
            if checked.is_none() {
                let Some(request) = Entry::decode(octets).ok().and_then(|entry| Request::read(entry).ok()) else { continue };
                unread.push(request);
            }
            let judged = checked.map(|checked| Box::new(checked.into()));
            committed.push(Committed::Record { raft_index: entry.index, stamp, judged });
        }
        let mut read = self.state.judge(unread).into_iter();
        for entry in committed {
            match entry {
                Committed::Members { raft_index, change } => self.follow(raft_index, change.as_ref())?,
                Committed::Mark { raft_index, stamp } => {
                    self.urgent = true;
                    if let Some(applied) = self.state.mark(stamp) {
                        self.keep(applied, (raft_index, 0), now);
                    }
                }
                Committed::Record { raft_index, stamp, judged } => {
                    let Some(judged) = judged.map(|judged| *judged).or_else(|| read.next()) else { continue };
                    let client = judged.request().id().to_owned();
                    self.look_at_clock(stamp, &client, now, outputs);
                    self.urgent |= !self.waiting.contains_key(&client);
                    // An entry before this one may have changed members or keys: it counts what they are here.
                    match self.state.settle(judged) {
                        Ok(checked) => {
                            self.take(raft_index, &checked, stamp, now)?;
                            self.answer(checked.request(), outputs);
                        }
                        Err(_) => self.reject(&client, outputs),
                    }
                }
            }
        }
        Ok(())
    }

    /// Deals with the members that the ledger names and with those that Raft has not let go yet. The policy is the ledger's.
    fn look_at_members(&mut self, outputs: &mut dyn Outbox) {
        if self.policy_at != self.state.keys_version() {
            self.policy_at = self.state.keys_version();
            self.witness.set_policy(self.policy_of_members());
        }
        let introduced = self.config.introduction.as_ref().filter(|introduced| self.state.size() < introduced.size);
        let same = |member: &Member| self.members.get(&member.node) == Some(member);
        if introduced.is_none() && self.state.members().count() == self.members.len() && self.state.members().all(same) {
            return;
        }
        let raft = &self.raft.store().members;
        let present = introduced.into_iter().flat_map(|introduced| &introduced.members);
        let mut members: BTreeMap<u64, Member> = self.state.members().chain(present).map(|member| (member.node, member.clone())).collect();
        for (node, leaving) in &self.members {
            if raft.voters.contains(node) || raft.voters_outgoing.contains(node) || raft.learners.contains(node) {
                members.entry(*node).or_insert_with(|| leaving.clone());
            }
        }
        if members != self.members {
            outputs.put(Output::Members { members: members.values().cloned().collect() });
            self.members = members;
        }
    }

    fn policy_of_members(&self) -> Policy {
        Policy::of_members(&self.state.origin(), self.state.members(), self.state.quorum())
    }

    /// Changes Raft's members, if the ledger wants it at this place of the log: every node decides the same here. What does
    /// not fit the members of now is an error of Raft's that changes nothing.
    fn follow(&mut self, raft_index: u64, change: Option<&ConfChangeV2>) -> Result<(), StoreError> {
        // Where this node stands alone, changes of before count no more.
        let counts = raft_index > self.store().alone().until;
        let Some(change) = change.filter(|change| counts && self.wanted().permits(change)) else { return Ok(()) };
        if let Ok(members) = self.raft.apply_conf_change(change) {
            self.raft.mut_store().members = members;
            return self.take_lives(change);
        }
        Ok(())
    }

    /// Raft's members as the ledger wants them.
    fn wanted(&self) -> Wanted {
        Wanted::of(self.state.members())
    }

    /// As leader: the next step from Raft's members to those that the ledger wants, one at a time.
    fn lead_members(&mut self, outputs: &mut dyn Outbox) {
        let raft = &self.raft.raft;
        if raft.state != StateRole::Leader || raft.has_pending_conf() || raft.lead_transferee.is_some() {
            return;
        }
        let last = raft.raft_log.last_index();
        // A node that Raft has just been told of passes for active: one that has acknowledged nothing has not been heard.
        let heard = |progress: &Progress| progress.recent_active && progress.matched > 0;
        let caught_up = |node| raft.prs().get(node).is_some_and(|progress| heard(progress) && progress.matched + CAUGHT_UP >= last);
        match self.wanted().next(&self.raft.store().members, self.me.node, caught_up) {
            Next::Nothing => {}
            // It is dropped while the log is full: the next tick tries again.
            Next::Change(change) => drop(self.raft.propose_conf_change(Vec::new(), self.with_lives(change))),
            Next::Transfer(to) => self.transfer(to, outputs),
        }
    }

    /// Applies a request, unless one of its client ids has a leaf: then all of it is in the ledger, or none may be.
    fn take(&mut self, raft_index: u64, checked: &Checked, stamp: Timestamp, now: Timestamp) -> Result<(), StoreError> {
        let (resumed, records) = self.resume;
        let mut done = if resumed == raft_index { records } else { 0 };
        for record in checked.request().records().iter().skip(done) {
            // A tag is an id: no leaf is read for it, which may be damaged or pruned here and not elsewhere.
            let used = self.store().tagged(record.tag())?.is_some() && !mutant::is("ids-forgotten");
            if used && !mutant::is("applied-twice") {
                return Ok(());
            }
        }
        for applied in self.state.apply(checked, stamp, done) {
            let record = applied.kind != Kind::StateRoot;
            self.keep(applied, (raft_index, done), now);
            done += usize::from(record);
        }
        assert_eq!(self.tree.size(), self.state.size(), "state and tree go together");
        Ok(())
    }

    /// Keeps a leaf. `at` is the log entry that it comes from, and how many of that entry's records have their leaves.
    fn keep(&mut self, applied: Applied, at: (u64, usize), now: Timestamp) {
        assert_eq!(applied.index, self.tree.size(), "leaves have no gaps");
        let seen = Seen::of(&applied);
        let store = &mut self.raft.mut_store().store;
        store.push(applied.tag, applied.hash, &applied.octets);
        self.tree.push(applied.hash);
        self.recent.put(applied.client, seen);
        if let Some(state) = applied.state.filter(|_| store.due()) {
            self.seal(state.to_vec(), at, now);
        }
    }

    /// Ends a segment here, where a state root speaks for the state: the snapshot is taken, its files are the driver's work.
    fn seal(&mut self, state: Vec<u8>, (raft_index, skip): (u64, usize), now: Timestamp) {
        let members = protobuf::Message::write_to_bytes(&self.raft.store().members).unwrap_or_default();
        let (size, raft_index) = (self.tree.size(), raft_index - 1);
        let root = self.tree.root(size).unwrap_or_default();
        let store = &mut self.raft.mut_store().store;
        let raft_term = store.term(raft_index).unwrap_or_default();
        let skip = u32::try_from(skip).unwrap_or(u32::MAX);
        let job = store.seal(Snapshot { raft_index, raft_term, members, skip, size, root, state });
        self.jobs.extend(job.map(|seal| Job(Work::Seal(Box::new(seal)))));
        // A checkpoint of just these leaves belongs to the segment.
        self.witness.sign(&self.tree, size, false, now, &mut self.effects);
    }

    /// A committed entry was not good any more at its place. Whoever waits with that same entry waits for nothing.
    fn reject(&mut self, client: &str, outputs: &mut dyn Outbox) {
        self.proposed.remove(client);
        for ticket in self.waiting.get(client).cloned().unwrap_or_default() {
            let Some(pending) = self.pending.get(&ticket) else { continue };
            let judged = Request::read(pending.entry.clone()).and_then(|request| self.state.check_one(request));
            if let Err(verdict) = judged {
                self.withdraw(ticket);
                self.remember(client.to_owned(), verdict.clone());
                outputs.put(Output::Answer { ticket, answer: Answer::Invalid(verdict) });
            }
        }
    }

    fn answer(&mut self, request: &Request, outputs: &mut dyn Outbox) {
        self.proposed.remove(request.id());
        for ticket in self.waiting.remove(request.id()).unwrap_or_default() {
            let Some(pending) = self.pending.remove(&ticket) else { continue };
            let body = pending.entry.body();
            // Another entry under the same first id is compared by its own bodies.
            let answer = if body == request.entry().body() && pending.entry.bodies().len() == request.entry().bodies().len() {
                self.known(request)
            } else {
                Request::read(pending.entry).ok().and_then(|other| self.known(&other))
            };
            if let Some(answer) = answer {
                outputs.put(Output::Answer { ticket, answer });
            }
        }
    }

    /// The answer to a request whose client id has a leaf; of a batch, that of its first record. A batch that shares an id
    /// with anything else is a conflict. While a leaf of it is damaged here, nothing can be said: the caller asks again.
    fn known(&self, request: &Request) -> Option<Answer> {
        let mut first = None;
        let mut missing = false;
        for record in request.records() {
            match self.look_up(record.id(), record.tag()) {
                // The id is used; with which body is for those to say who have the leaf.
                Err(StoreError::Pruned(_)) => {
                    let index = self.store().tagged(record.tag()).ok().flatten()?;
                    return Some(Answer::Invalid(Verdict::Duplicate { index }));
                }
                Err(_) => return Some(Answer::Busy),
                Ok(Some(seen)) if seen.body != record.hash() && !mutant::is("conflict-blind") => {
                    return Some(Answer::Invalid(Verdict::Conflict { index: seen.index }));
                }
                Ok(Some(seen)) => first = first.or(Some(seen)),
                Ok(None) => missing = true,
            }
        }
        let seen = first?;
        Some(if missing {
            Answer::Invalid(Verdict::Conflict { index: seen.index })
        } else {
            Answer::Committed { index: seen.index, time: seen.time, outcome: seen.outcome }
        })
    }

    /// A proposal waits for its batch, or is refused at once when too many wait.
    fn arrive(&self, ticket: u64, entry: Entry, arrived: &mut Vec<(Source, Entry)>, outputs: &mut dyn Outbox) {
        if self.pending.len() + arrived.len() >= self.pending_max || self.pending.contains_key(&ticket) {
            outputs.put(Output::Answer { ticket, answer: Answer::Busy });
        } else {
            arrived.push((Source::Ticket(ticket), entry));
        }
    }

    /// Reads proposals, of tickets here and forwarded ones, and verifies their parties' signatures as one batch. What is
    /// admitted is proposed and kept for its commit.
    fn admit(&mut self, arrived: Vec<(Source, Entry)>, now: Timestamp, outputs: &mut dyn Outbox) {
        let (mut sources, mut requests) = (Vec::new(), Vec::new());
        for (source, entry) in arrived {
            // What cannot be read is gone after it; of what another node sent, its digest may be asked for.
            let kept = matches!(source, Source::Node(_)).then(|| entry.clone());
            match Request::read(entry) {
                Ok(request) => {
                    let digest = request.records().first().map(Record::hash).unwrap_or_default();
                    sources.push((source, request.id().to_owned(), digest));
                    requests.push(request);
                }
                Err(verdict) => self.refuse(source, verdict, kept.map(|entry| leaf_hash(entry.body())).unwrap_or_default(), outputs),
            }
        }
        for (checked, (source, client, digest)) in self.state.check(requests).into_iter().zip(sources) {
            match (checked, source) {
                (Ok(checked), Source::Ticket(ticket)) => self.submit(Some(ticket), checked, now, outputs),
                (Ok(checked), Source::Node(_)) => self.submit(None, checked, now, outputs),
                (Err(verdict), source) => {
                    self.remember(client, verdict.clone());
                    self.refuse(source, verdict, digest, outputs);
                }
            }
        }
    }

    fn submit(&mut self, ticket: Option<u64>, checked: Checked, now: Timestamp, outputs: &mut dyn Outbox) {
        let request = checked.request();
        let (client, entry) = (request.id().to_owned(), request.entry().clone());
        match (self.known(request), ticket) {
            (Some(answer), Some(ticket)) => outputs.put(Output::Answer { ticket, answer }),
            (Some(_), None) => {}
            (None, ticket) => {
                if let Some(ticket) = ticket.filter(|_| mutant::is("answered-early")) {
                    let (index, time) = (self.state.size(), self.state.time());
                    outputs
                        .put(Output::Answer { ticket, answer: Answer::Committed { index, time, outcome: crate::record::Outcome::Done } });
                }
                self.prepared.keep(checked);
                self.propose(&client, &entry, now, outputs);
                if let Some(ticket) = ticket {
                    self.waiting.entry(client.clone()).or_default().insert(ticket);
                    self.pending.insert(ticket, Pending { entry, client, sent_at: self.ticks, since: now });
                }
            }
        }
    }

    /// Answers the caller, or says what the other node presented.
    fn refuse(&self, source: Source, verdict: Verdict, digest: Hash, outputs: &mut dyn Outbox) {
        match source {
            Source::Ticket(ticket) => outputs.put(Output::Answer { ticket, answer: Answer::Invalid(verdict) }),
            Source::Node(node) => {
                if let Some(member) = self.members.get(&node) {
                    outputs.put(Output::Refused { member: member.id.clone(), verdict, digest });
                }
            }
        }
    }

    fn remember(&mut self, client: String, verdict: Verdict) {
        self.invalid.push_back((client, verdict));
        if self.invalid.len() > INVALID_MAX {
            self.invalid.pop_front();
        }
    }

    fn withdraw(&mut self, ticket: u64) {
        self.reads.withdraw(ticket);
        let Some(pending) = self.pending.remove(&ticket) else { return };
        if let Some(tickets) = self.waiting.get_mut(&pending.client) {
            tickets.remove(&ticket);
            if tickets.is_empty() {
                self.waiting.remove(&pending.client);
            }
        }
    }

    /// Proposes as leader, or hands the entry to the leader. What gets lost is proposed again by [`Node::tick`].
    fn propose(&mut self, client: &str, entry: &Entry, now: Timestamp, outputs: &mut dyn Outbox) {
        let leader = self.raft.raft.leader_id;
        if self.raft.raft.state != StateRole::Leader {
            if leader != 0 && leader != self.me.node {
                outputs.put(Output::Send { to: leader, octets: Frame::Forward(entry.clone()).encode() });
            }
            return;
        }
        if !self.proposed.contains(client) && self.raft.propose(Vec::new(), Stamped::encode(now, &entry.encode())).is_ok() {
            self.proposed.insert(client.to_owned());
        }
    }

    fn receive(
        &mut self,
        from: u64,
        octets: &[u8],
        now: Timestamp,
        arrived: &mut Vec<(Source, Entry)>,
        outputs: &mut dyn Outbox,
    ) -> Result<(), StoreError> {
        let Some(member) = self.members.get(&from).filter(|member| member.node != self.me.node) else { return Ok(()) };
        let name = member.id.clone();
        match Frame::decode(octets) {
            // An error of step is a message that Raft has no use for: an old one, or of a peer it does not count.
            Some(Frame::Raft(message)) if self.fits(from, &message) => drop(self.raft.step(self.while_taking(*message))),
            Some(Frame::Forward(entry)) if self.raft.raft.state == StateRole::Leader => arrived.push((Source::Node(from), entry)),
            Some(Frame::Head { size, root, cosignature }) => {
                self.witness.head(&self.tree, &name, (size, root, cosignature), now, &mut self.effects);
            }
            Some(Frame::Note(text)) => self.witness.adopt(&self.tree, &text, now, &mut self.effects),
            Some(Frame::Ask) => {
                if let Some((_, note)) = self.witness.published() {
                    outputs.put(Output::Send { to: from, octets: Frame::Note(note.to_owned()).encode() });
                }
            }
            Some(Frame::Mark) if self.raft.raft.state == StateRole::Leader => self.mark(now, outputs),
            Some(Frame::Transfer(to)) if self.raft.raft.state == StateRole::Leader => self.transfer(to, outputs),
            Some(Frame::Hello(life)) => self.greet(from, life, outputs)?,
            Some(Frame::Welcome { life, same }) => self.welcomed(from, life, same),
            Some(Frame::Behind(first)) if self.takes_part_with(from) => self.behind(from, first, outputs),
            Some(Frame::Want { item, part }) => self.wishes.add(from, item, part),
            Some(Frame::Piece { item, part, parts, octets }) => self.piece(from, (item, part, parts), &octets, outputs),
            None => {
                let led = self.raft.raft.state == StateRole::Leader;
                if let Some((verdict, digest)) = Frame::no_entry(octets).filter(|_| led) {
                    self.refuse(Source::Node(from), verdict, digest, outputs);
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Proposes a state root, or hands the wish to the leader. One that is not needed makes no leaf.
    fn mark(&mut self, now: Timestamp, outputs: &mut dyn Outbox) {
        let leader = self.raft.raft.leader_id;
        if self.raft.raft.state == StateRole::Leader {
            // It is dropped while the log is full: whoever waits asks again.
            drop(self.raft.propose(Vec::new(), Stamped::mark(now)));
        } else if leader != 0 {
            outputs.put(Output::Send { to: leader, octets: Frame::Mark.encode() });
        }
    }

    /// As leader: a state root when nothing has followed the last leaves for so long.
    fn mark_when_idle(&mut self, now: Timestamp, outputs: &mut dyn Outbox) {
        let rooted = self.state.rooted();
        let open = rooted.index() + 1 != self.state.size();
        let leads = self.raft.raft.state == StateRole::Leader;
        if leads && open && self.marked_at + self.election_ticks as u64 <= self.ticks && now >= rooted.time().plus_ms(ROOT_MS) {
            self.marked_at = self.ticks;
            self.mark(now, outputs);
        }
    }

    /// Hands the lead over, or the wish for it to the leader.
    fn transfer(&mut self, to: u64, outputs: &mut dyn Outbox) {
        let leader = self.raft.raft.leader_id;
        if self.raft.raft.state == StateRole::Leader {
            self.raft.transfer_leader(to);
        } else if leader != 0 {
            outputs.put(Output::Send { to: leader, octets: Frame::Transfer(to).encode() });
        }
    }

    /// One question to the leader for all reads that came together.
    fn ask_to_read(&mut self, now: Timestamp) {
        if self.raft.raft.leader_id != 0
            && let Some(name) = self.reads.ask(self.me.node, now, self.ticks)
        {
            self.raft.read_index(name);
        }
    }

    /// Reports a leader's clock that is far from ours: ahead of now, or behind the moment when a proposal came that it
    /// stamped later.
    fn look_at_clock(&mut self, stamp: Timestamp, client: &str, now: Timestamp, outputs: &mut dyn Outbox) {
        let patience = self.election_ticks as u64;
        if self.clock_reported.is_some_and(|at| at + patience > self.ticks) || self.raft.raft.state == StateRole::Leader {
            return;
        }
        let tickets = self.waiting.get(client).into_iter().flatten();
        let since = tickets.filter_map(|ticket| self.pending.get(ticket)).map(|pending| pending.since).min();
        let behind = since.map_or(0, |since| since.0.saturating_sub(stamp.0));
        let ahead = stamp.0.saturating_sub(now.0);
        if ahead.max(behind) > CLOCK_MS_MAX {
            self.clock_reported = Some(self.ticks);
            let ms = |ms: u64| i64::try_from(ms).unwrap_or(i64::MAX);
            outputs.put(Output::Clock { leader: self.raft.raft.leader_id, ahead_ms: if ahead > 0 { ms(ahead) } else { -ms(behind) } });
        }
    }

    /// While a snapshot is being written beside the log, the log stays as it is: a heartbeat commits nothing more.
    fn while_taking(&self, mut message: Message) -> Message {
        if self.taking.installs() {
            message.commit = message.commit.min(self.raft.raft.raft_log.committed);
        }
        message
    }

    /// Whether a message can be given to Raft, which ends the process on some that only a broken peer sends.
    fn fits(&self, from: u64, message: &Message) -> bool {
        let raft = &self.raft.raft;
        let last = raft.raft_log.last_index();
        message.from == from
            && message.to == self.me.node
            && self.takes_part_with(from)
            && match message.get_msg_type() {
                // A follower would hand it on in its own name.
                MessageType::MsgReadIndex => raft.state == StateRole::Leader,
                MessageType::MsgHeartbeat => message.term < raft.term || message.commit <= last,
                MessageType::MsgRequestVote | MessageType::MsgRequestPreVote => self.birth.is_born(),
                MessageType::MsgTimeoutNow => self.birth.is_born() && !self.taking.installs(),
                MessageType::MsgAppend => !self.taking.installs(),
                MessageType::MsgAppendResponse => message.reject || message.term != raft.term || message.index <= last,
                _ => true,
            }
    }

    fn tick(&mut self, now: Timestamp, outputs: &mut dyn Outbox) -> Result<(), StoreError> {
        self.ticks += 1;
        self.ask_for_life(outputs)?;
        if self.takes_part() {
            self.raft.tick();
            self.urgent = true;
        }
        self.mark_when_idle(now, outputs);
        let patience = self.election_ticks as u64;
        if let Some((note, _)) = self.note.take_if(|(_, since)| *since + patience <= self.ticks) {
            let hard_state = self.hard_state(None);
            self.raft.mut_store().store.save(Batch { hard_state, note: Some(&note), entries: &[] })?;
        }
        self.lead_members(outputs);
        self.tell_who_is_behind(outputs);
        self.take_on(outputs);
        self.keep_watch(outputs);
        self.give();
        self.reads.late(self.ticks.saturating_sub(patience));
        let late: Vec<u64> =
            self.pending.iter().filter(|(_, pending)| pending.sent_at + patience <= self.ticks).map(|(ticket, _)| *ticket).collect();
        self.propose_again(&late, now, outputs);
        if self.witness.covered() == self.tree.size() {
            self.covered_at = self.ticks;
        } else if self.covered_at + patience <= self.ticks {
            self.covered_at = self.ticks;
            if self.raft.raft.state == StateRole::Leader {
                self.witness.sign(&self.tree, self.tree.size(), true, now, &mut self.effects);
            }
            self.effects.push(Effect::Broadcast(Frame::Ask));
        }
        Ok(())
    }

    fn propose_again(&mut self, tickets: &[u64], now: Timestamp, outputs: &mut dyn Outbox) {
        for ticket in tickets {
            let Some(mut pending) = self.pending.remove(ticket) else { continue };
            pending.sent_at = self.ticks;
            self.propose(&pending.client, &pending.entry, now, outputs);
            self.pending.insert(*ticket, pending);
        }
    }

    fn leader_changed(&mut self, now: Timestamp, outputs: &mut dyn Outbox) {
        let leader = (self.raft.raft.leader_id, self.raft.raft.term);
        if leader == self.leader {
            return;
        }
        self.leader = leader;
        self.proposed.clear();
        outputs.put(Output::Leader { node: (leader.0 != 0).then_some(leader.0), term: leader.1 });
        let all: Vec<u64> = self.pending.keys().copied().collect();
        self.propose_again(&all, now, outputs);
        if self.raft.raft.state == StateRole::Leader {
            self.witness.sign(&self.tree, self.tree.size(), false, now, &mut self.effects);
        }
    }

    fn perform(&mut self, outputs: &mut dyn Outbox) -> Result<(), StoreError> {
        for effect in std::mem::take(&mut self.effects) {
            match effect {
                Effect::Broadcast(frame) => {
                    let octets = frame.encode();
                    for node in self.members.keys().filter(|node| **node != self.me.node) {
                        outputs.put(Output::Send { to: *node, octets: octets.clone() });
                    }
                }
                Effect::Published(note) => {
                    self.covered_at = self.ticks;
                    let size = self.witness.covered();
                    if size.is_multiple_of(SEAL_EVERY) {
                        self.raft.mut_store().store.put_note(size, &note)?;
                    }
                    self.note = Some((note.clone(), self.ticks));
                    outputs.put(Output::Checkpoint { size: self.witness.covered(), note });
                }
                Effect::Fork(evidence) => {
                    self.put_down(&evidence)?;
                    outputs.put(Output::Fork { evidence });
                }
            }
        }
        Ok(())
    }

    /// Keeps the evidence of a lie beside the log: `fork_<size>_<digest>`, written once.
    fn put_down(&self, evidence: &Fork) -> Result<(), StoreError> {
        let medium = self.raft.store().store.medium();
        let (name, text) = (evidence.name(), evidence.text());
        if medium.list()?.contains(&name) {
            return Ok(());
        }
        let partial = format!("{name}.new");
        if medium.list()?.contains(&partial) {
            medium.remove(&partial)?;
        }
        medium.create(&partial)?;
        medium.write(&partial, 0, text.as_bytes())?;
        medium.sync(&partial)?;
        medium.rename(&partial, &name)?;
        medium.sync_names()
    }

    fn send(&mut self, messages: Vec<Message>, outputs: &mut dyn Outbox) {
        for message in messages {
            if self.is_lost(message.to) {
                continue;
            }
            if message.get_msg_type() == MessageType::MsgAppend {
                self.told = self.told.max(message.commit);
            }
            outputs.put(Output::Send { to: message.to, octets: Frame::Raft(Box::new(message)).encode() });
        }
    }

    /// Sets the election timeout from node and term, where the raft crate would draw it: the ledger has no randomness.
    fn pace(&mut self) {
        let term = self.raft.raft.term;
        if self.spread.0 != term {
            let seed = Hash::of(&[self.me.node.to_be_bytes(), term.to_be_bytes()].concat());
            self.spread = (term, usize::from(u16::from_be_bytes([seed.0[0], seed.0[1]])) % self.election_ticks);
        }
        self.raft.raft.set_randomized_election_timeout(self.election_ticks + self.spread.1);
    }
}

fn settings(node: u64, election_tick: usize, heartbeat_tick: usize) -> raft::Config {
    raft::Config {
        id: node,
        election_tick,
        heartbeat_tick,
        max_size_per_msg: 1 << 20,
        max_inflight_msgs: 256,
        max_uncommitted_size: 64 << 20,
        check_quorum: true,
        pre_vote: true,
        batch_append: true,
        // See `Node::tell`.
        skip_bcast_commit: true,
        max_committed_size_per_ready: 8 << 20,
        ..raft::Config::default()
    }
}
