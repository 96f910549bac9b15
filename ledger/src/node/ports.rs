//! What goes into a node and what comes out of it: a closed set, both ways.

use crate::archive::Damage;
use crate::body::Member;
use crate::keys::SecretKey;
use crate::record::{Entry, Leaf, Outcome, Verdict};
use crate::state::{Applied, State};
use crate::store::StoreError;
use crate::tree::{Hash, leaf_hash};
use crate::witness::Fork;
use xsd::time::Timestamp;

/// How far a leader's clock may be from a node's own before it is reported.
pub const CLOCK_MS_MAX: u64 = 5_000;

/// What a node is.
#[derive(Clone, Debug)]
pub struct Config {
    /// The member whose node this is.
    pub member: String,
    /// The node's number; 0 for the one that the ledger gives to the node with this key. A node that came later than the
    /// genesis, or whose key changed since its newest snapshot, needs it.
    pub node: u64,
    /// A number that no other start of this node on an empty directory had, as the time is: see [`Standing::Unborn`].
    pub life: u64,
    /// Leaf 0, signed by every member.
    pub genesis: Entry,
    /// The node's key, whose public half the genesis names.
    pub node_key: SecretKey,
    /// Ticks without a leader before an election; each node waits up to twice as long.
    pub election_ticks: usize,
    /// Ticks between the leader's heartbeats.
    pub heartbeat_ticks: usize,
    /// Proposals that wait for their answer at once; beyond it the answer is [`Answer::Busy`].
    pub pending_max: usize,
    /// The members of a later moment than this node's directory knows, if they were proven to it: whom it asks, and hears.
    pub introduction: Option<Introduction>,
}

/// Who the members are, for a node that holds nothing or little: those whom it knows by the genesis may all be gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Introduction {
    /// They were the members when the ledger had so many leaves. With as many leaves of its own, a node believes those.
    pub size: u64,
    /// All of them.
    pub members: Vec<Member>,
}

impl Config {
    /// With the default timing: an election after 10 to 20 ticks, a heartbeat each 2, 4,096 proposals waiting.
    #[must_use]
    pub fn new(member: &str, genesis: Entry, node_key: SecretKey) -> Self {
        Self {
            member: member.to_owned(),
            node: 0,
            life: 1,
            genesis,
            node_key,
            election_ticks: 10,
            heartbeat_ticks: 2,
            pending_max: 4096,
            introduction: None,
        }
    }
}

impl Config {
    /// The number of this node, by a state of its ledger.
    pub(super) fn number(&self, state: &State) -> Result<u64, StoreError> {
        if self.node > 0 {
            return Ok(self.node);
        }
        let mine = state.members().find(|member| member.node_key == self.node_key.public()).map(|member| member.node);
        let what = "the ledger, as far as this directory knows it, names no node with this node key: configure the node's number";
        mine.ok_or_else(|| StoreError::Diverged(what.to_owned()))
    }
}

/// Everything that can happen to a node.
#[derive(Clone, Debug)]
pub enum Input {
    /// The driver's clock ticked.
    Tick,
    /// A frame of an authenticated peer.
    Message {
        /// The peer's node number, as its TLS certificate proves.
        from: u64,
        /// The frame, at most [`crate::frame::FRAME_BYTES_MAX`] octets.
        octets: Vec<u8>,
    },
    /// An entry to put on the ledger.
    Propose {
        /// Chosen by the caller; comes back in [`Output::Answer`].
        ticket: u64,
        /// What to put there.
        entry: Entry,
    },
    /// The caller waits no longer. The entry may still be committed.
    Withdraw {
        /// The proposal's or read's ticket.
        ticket: u64,
    },
    /// A wish to read what is certainly not older than this moment, wherever it was written.
    Read {
        /// Chosen by the caller; comes back in [`Output::ReadAt`].
        ticket: u64,
    },
    /// A wish for a state root after what is there now: an auditor waits for one. It is a leaf a moment later.
    Mark,
    /// A wish that another node leads. It may not come true: the new leader is seen in [`Output::Leader`].
    Transfer {
        /// The node that shall lead.
        to: u64,
    },
}

/// What became of a proposal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It has a leaf, which this replica has applied. A proposal made twice is answered with its first leaf.
    Committed {
        /// The leaf.
        index: u64,
        /// Ledger time.
        time: Timestamp,
        /// What it did.
        outcome: Outcome,
    },
    /// It has no leaf and will have none.
    Invalid(Verdict),
    /// Too many proposals wait; nothing was tried.
    Busy,
}

/// Where a node puts its outputs while it works. A driver that sends at once lets the peers write to their disks while this
/// node writes to its own; one that collects them in a vector loses only time. What was put before an error counts.
pub trait Outbox {
    /// Takes the next output.
    fn put(&mut self, output: Output);
}

impl Outbox for Vec<Output> {
    fn put(&mut self, output: Output) {
        self.push(output);
    }
}

/// Where a client id was used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The leaf.
    pub index: u64,
    /// [`crate::body::Record::hash`] of the body.
    pub body: Hash,
    /// What it did.
    pub outcome: Outcome,
    /// Ledger time.
    pub time: Timestamp,
}

impl Seen {
    pub(super) fn of(applied: &Applied) -> Self {
        Self { index: applied.index, body: applied.body, outcome: applied.outcome, time: applied.time }
    }

    pub(super) fn of_leaf(leaf: &Leaf) -> Self {
        Self { index: leaf.index, body: leaf_hash(leaf.entry.body()), outcome: leaf.outcome, time: leaf.time }
    }
}

/// What is known of a client id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Transaction {
    /// This node has not heard of it.
    Unknown,
    /// It was proposed here and waits for its answer.
    Pending,
    /// It has a leaf, which this replica has applied.
    Committed {
        /// The leaf.
        index: u64,
        /// Ledger time.
        time: Timestamp,
        /// What it did.
        outcome: Outcome,
    },
    /// It was proposed here lately and can have no leaf.
    Invalid(Verdict),
}

/// Everything a node asks of its driver, in this order.
#[derive(Clone, Debug)]
pub enum Output {
    /// Send a frame. Losing it is allowed; peers are asked again.
    Send {
        /// The peer's node number.
        to: u64,
        /// The frame.
        octets: Vec<u8>,
    },
    /// What became of a proposal.
    Answer {
        /// As given in [`Input::Propose`].
        ticket: u64,
        /// The answer.
        answer: Answer,
    },
    /// A checkpoint has the signatures of its quorum: [`crate::node::Node::receipt`] now covers all leaves below its size.
    Checkpoint {
        /// Leaves.
        size: u64,
        /// The signed note.
        note: String,
    },
    /// Who leads has changed.
    Leader {
        /// The leader's node number, if there is one.
        node: Option<u64>,
        /// The term.
        term: u64,
    },
    /// What this node has applied now includes everything that was answered anywhere before the [`Input::Read`].
    ReadAt {
        /// As given there.
        ticket: u64,
        /// Raft's index, which this node has applied.
        index: u64,
    },
    /// The members are others than before: whom to connect to, and whose certificates to accept. It comes first when the node
    /// takes its first step.
    Members {
        /// All that this node deals with; one that leaves is among them until Raft has let it go.
        members: Vec<Member>,
    },
    /// A member signed a tree head that contradicts ours: one of us holds another history. Each contradiction comes once.
    Fork {
        /// The evidence.
        evidence: Fork,
    },
    /// As leader: another node handed on what no leaf can hold. Its own member's adapter should have refused it.
    Refused {
        /// The member whose node it is.
        member: String,
        /// Why.
        verdict: Verdict,
        /// [`crate::body::Record::hash`] of the first body; SHA-256 of what is no entry at all.
        digest: Hash,
    },
    /// Something on this node's disk is not what was written. What it can it makes anew, the rest it asks others for.
    Damaged {
        /// Where, and what.
        damage: Damage,
    },
    /// What was damaged is as it was.
    Mended {
        /// As it was told before.
        damage: Damage,
    },
    /// A leader's stamp and this node's clock are more than [`CLOCK_MS_MAX`] apart. The stamp counts all the same.
    Clock {
        /// The node that leads.
        leader: u64,
        /// How far its clock is ahead of ours, in milliseconds; negative when it is behind.
        ahead_ms: i64,
    },
}

/// What the ledger says of a node, as far as that node knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It is a member's.
    Member,
    /// It is a member's, but has not voted yet: as a founder it waits until all other founders have heard of it, else until it
    /// is made a voter. A directory that was lost and begun anew does not come further.
    Unborn,
    /// It is not there yet: it waits for the leader's messages.
    Coming,
    /// It was a member's, or could have been: its number is used up, and nobody listens to it any more.
    Removed,
}

/// Where a node stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// Its number.
    pub node: u64,
    /// The leader's number, if known.
    pub leader: Option<u64>,
    /// Whether it leads.
    pub leads: bool,
    /// The term.
    pub term: u64,
    /// Raft's commit index.
    pub commit: u64,
    /// Leaves.
    pub size: u64,
    /// The root over them.
    pub root: Hash,
    /// Leaves that a published checkpoint covers.
    pub covered: u64,
    /// Proposals without answer.
    pub pending: usize,
    /// Whether a quorum of the nodes signed a checkpoint that contradicts this node's leaves. It publishes none any more.
    pub split: bool,
    /// Who votes by Raft's members, as this node has applied them; of a change that is not over, both sides.
    pub voters: Vec<u64>,
    /// What the ledger says of it.
    pub standing: Standing,
    /// The leaves of the snapshot that it takes from others because it is behind the log; 0 while it asks for one.
    pub taking: Option<u64>,
    /// Places on its disk that are damaged and not mended yet.
    pub damaged: usize,
}
