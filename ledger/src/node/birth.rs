//! A directory that holds nothing: it is that of a ledger's founding, or of a new node, or of one that has lost what it voted.
//! Each directory has a number of its own, its life. The others remember the first life that they heard of each node, and a node
//! takes no part before they have said that it is this one.

use super::{Node, Outbox, Output};
use crate::body::Suffrage;
use crate::frame::Frame;
use crate::medium::{Medium, StoreError};
use crate::store::Store;
use raft::StateRole;
use raft::eraftpb::{ConfChangeType, ConfChangeV2};
use std::collections::{BTreeMap, BTreeSet};

/// Ticks between two questions.
const ASK_TICKS: u64 = 4;
/// Octets of a node's number and its life in a change of members.
const PAIR: usize = 16;

#[derive(Debug)]
pub(super) struct Birth {
    life: u64,
    /// It may vote: all founders have heard of this life, or Raft's members made it a voter in this life.
    born: bool,
    /// Who have said that this is the life that they know.
    pub(super) confirmed: BTreeSet<u64>,
    /// The number is another life's.
    lost: bool,
}

impl Birth {
    /// What the directory says; one that holds nothing begins the life `new`.
    pub(super) fn of<M: Medium>(store: &mut Store<M>, new: u64) -> Result<Self, StoreError> {
        let known = store.life();
        let (life, born) = known.unwrap_or((new.max(1), !store.is_blank()));
        if known.is_none() {
            store.set_life(life, born)?;
        }
        Ok(Self { life, born, confirmed: BTreeSet::new(), lost: false })
    }

    pub(super) fn is_born(&self) -> bool {
        self.born
    }
}

impl<M: Medium> Node<M> {
    /// The voters of the genesis: a ledger begins when each of them has heard of all others.
    fn founders(&self) -> BTreeSet<u64> {
        self.state.genesis().members.iter().filter(|member| member.suffrage == Suffrage::Voter).map(|member| member.node).collect()
    }

    /// Whether this node deals with what Raft says to it from there.
    pub(super) fn takes_part_with(&self, from: u64) -> bool {
        let follows = || !self.birth.lost && !self.founders().contains(&self.me.node) && self.birth.confirmed.contains(&from);
        !self.is_lost(from) && (self.birth.born || follows())
    }

    /// Whether Raft's clock runs here: a founder that is not born yet waits for no leader, nor does a copy of a voter's directory.
    pub(super) fn takes_part(&self) -> bool {
        let votes = || self.raft.store().members.voters.contains(&self.me.node);
        self.birth.born || !self.birth.lost && !self.founders().contains(&self.me.node) && !votes()
    }

    /// Once a tick, before it is born: asks the others whether they know another life of this number.
    ///
    /// # Errors
    /// They do.
    pub(super) fn ask_for_life(&mut self, outputs: &mut dyn Outbox) -> Result<(), StoreError> {
        if self.birth.born {
            return Ok(());
        }
        if self.birth.lost {
            let what = "this directory is new, or a backup, but the others have heard of another one of this node: what it voted and acknowledged there is \
                        lost, so it must not take part any more. Put the old directory back, or let the members replace the node \
                        (ReplaceNode) and start with the new number";
            return Err(StoreError::Diverged(format!("node {}: {what}", self.me.node)));
        }
        if self.ticks % ASK_TICKS == 1 {
            let octets = Frame::Hello(self.birth.life).encode();
            for node in self.members.keys().filter(|node| **node != self.me.node) {
                outputs.put(Output::Send { to: *node, octets: octets.clone() });
            }
        }
        self.be_born()
    }

    /// A node that holds nothing asks whether it is known: the first life of a number that is heard of is written down.
    ///
    /// # Errors
    /// The store failed.
    pub(super) fn greet(&mut self, from: u64, life: u64, outputs: &mut dyn Outbox) -> Result<(), StoreError> {
        let founders = self.founders();
        let known = self.store().lives().get(&from).copied().filter(|known| *known > 0);
        let conf = &self.raft.store().members;
        let votes = conf.voters.contains(&from) || conf.voters_outgoing.contains(&from);
        // A leader that has not applied all changes does not know whether it votes.
        let unsure = self.raft.raft.state == StateRole::Leader && self.raft.raft.has_pending_conf();
        let new = if founders.contains(&from) { founders.contains(&self.me.node) } else { !votes && !unsure };
        if known.is_none() && !new && !self.is_lost(from) {
            return Ok(());
        }
        if known.is_none() && !self.is_lost(from) {
            self.raft.mut_store().store.put_life(from, life)?;
        }
        let same = known.is_none_or(|known| known == life) && !self.is_lost(from);
        outputs.put(Output::Send { to: from, octets: Frame::Welcome { life, same }.encode() });
        Ok(())
    }

    /// Another node says whether this is the life that it knows.
    pub(super) fn welcomed(&mut self, from: u64, life: u64, same: bool) {
        if self.birth.born || life != self.birth.life {
            return;
        }
        if same {
            self.birth.confirmed.insert(from);
        } else {
            self.birth.lost = true;
        }
    }

    /// A founder may vote when all others have written its life down.
    pub(super) fn be_born(&mut self) -> Result<(), StoreError> {
        let (founders, me) = (self.founders(), self.me.node);
        let all = founders.contains(&me) && founders.iter().all(|node| *node == me || self.birth.confirmed.contains(node));
        if all && !self.birth.born && !self.birth.lost {
            self.bear()?;
        }
        Ok(())
    }

    fn bear(&mut self) -> Result<(), StoreError> {
        self.birth.born = true;
        let life = self.birth.life;
        self.raft.mut_store().store.set_life(life, true)
    }

    /// The lives of the nodes that a change makes voters, for those of them that have not been born yet.
    pub(super) fn with_lives(&self, mut change: ConfChangeV2) -> ConfChangeV2 {
        let voters = change.get_changes().iter().filter(|single| single.get_change_type() == ConfChangeType::AddNode);
        let lives = voters.filter_map(|single| self.store().lives().get(&single.node_id).map(|life| [single.node_id, *life]));
        let context: Vec<u8> = lives.flatten().flat_map(u64::to_be_bytes).collect();
        change.context = context.into();
        change
    }

    /// A change of members was applied: whoever it made a voter votes in the life that it names.
    pub(super) fn take_lives(&mut self, change: &ConfChangeV2) -> Result<(), StoreError> {
        let lives = lives_of(&change.context);
        let voters = change.get_changes().iter().filter(|single| single.get_change_type() == ConfChangeType::AddNode);
        for node in voters.map(|single| single.node_id) {
            let life = lives.get(&node).copied();
            if node != self.me.node {
                if let Some(life) = life.filter(|life| self.store().lives().get(&node) != Some(life)) {
                    self.raft.mut_store().store.put_life(node, life)?;
                }
            } else if !self.birth.born {
                if life == Some(self.birth.life) {
                    self.bear()?;
                } else {
                    self.birth.lost = true;
                }
            }
        }
        Ok(())
    }

    /// After a snapshot it is not known in which life the voters among the later nodes became voters.
    pub(super) fn forget_lives(&mut self) -> Result<(), StoreError> {
        let founders = self.founders();
        let later: Vec<u64> = self.raft.store().members.voters.iter().copied().filter(|node| !founders.contains(node)).collect();
        for node in later {
            if self.store().lives().get(&node).is_some_and(|life| *life > 0) {
                self.raft.mut_store().store.put_life(node, 0)?;
            }
        }
        Ok(())
    }
}

fn lives_of(context: &[u8]) -> BTreeMap<u64, u64> {
    let pair = |pair: &[u8]| {
        let (node, life) = pair.split_first_chunk::<8>()?;
        Some((u64::from_be_bytes(*node), u64::from_be_bytes(life.try_into().ok()?)))
    };
    context.chunks(PAIR).filter_map(pair).collect()
}
