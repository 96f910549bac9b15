//! What the members have agreed on and what keys they hold: changed by accepted proposals and by key records alone.

use super::rules::require;
use crate::body::{Action, Genesis, Member, Rekey, Rule, Suffrage, Threshold};
use crate::keys::PublicKey;
use crate::record::Refusal;
use std::collections::{BTreeMap, BTreeSet};

/// Members of a ledger, at most.
pub const MEMBERS_MAX: usize = 64;
/// Former keys that a signature is tried with, the latest ones.
const FORMER_MAX: usize = 8;

/// The keys that a member holds from one leaf on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    /// Signs its records; none while a revoked one has no successor.
    pub record_key: Option<PublicKey>,
    /// Signs its node's checkpoints.
    pub node_key: PublicKey,
    /// The first leaf that they count for.
    pub from: u64,
    /// The first leaf that they do not count for any more.
    pub until: Option<u64>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Constitution {
    pub(super) members: BTreeMap<String, Member>,
    pub(super) quorum: u64,
    pub(super) rules: Vec<Rule>,
    pub(super) stopped: bool,
    pub(super) epoch: u64,
    /// The highest node number that ever was.
    pub(super) node_max: u64,
    /// What each member held, in the ledger's order; those who left keep theirs.
    pub(super) held: BTreeMap<String, Vec<Held>>,
    /// The leaf that changed any of this last.
    pub(super) version: u64,
}

impl Constitution {
    pub(super) fn of_genesis(ledger: &str, genesis: &Genesis) -> Self {
        let mut constitution = Self {
            members: BTreeMap::new(),
            quorum: genesis.quorum,
            rules: genesis.rules.clone(),
            stopped: false,
            epoch: split(ledger).1,
            node_max: genesis.members.iter().map(|member| member.node).max().unwrap_or_default(),
            held: BTreeMap::new(),
            version: 0,
        };
        for member in &genesis.members {
            constitution.seat(member, 0);
        }
        constitution
    }

    /// What an action makes of it, decided by leaf `index`.
    pub(super) fn enacted(&self, action: &Action, index: u64) -> Result<Self, Refusal> {
        let mut next = self.clone();
        next.enact(action, index)?;
        next.able()?;
        next.version = index;
        Ok(next)
    }

    fn enact(&mut self, action: &Action, index: u64) -> Result<(), Refusal> {
        match action {
            Action::AddMember(member) => {
                require(!self.members.contains_key(&member.id), Refusal::NoChange)?;
                require(self.members.len() < MEMBERS_MAX, Refusal::TooMany)?;
                self.take_number(member.node)?;
                self.take_keys(&[member.record_key, member.node_key])?;
                self.seat(member, index + 1);
            }
            Action::RemoveMember(id) => {
                self.members.remove(id).ok_or(Refusal::UnknownMember)?;
                self.end(id, index + 1);
            }
            Action::ReplaceNode(new) => {
                self.take_number(new.node)?;
                self.take_keys(&[new.node_key])?;
                let member = self.members.get_mut(&new.member).ok_or(Refusal::UnknownMember)?;
                (member.node, member.node_key, member.tls_certificate) = (new.node, new.node_key, new.tls_certificate);
                (member.service, member.peer) = (new.service.clone(), new.peer.clone());
                self.hold(&new.member, index, |held| held.node_key = new.node_key);
            }
            Action::Suffrage(id, suffrage) => {
                let member = self.members.get_mut(id).ok_or(Refusal::UnknownMember)?;
                require(member.suffrage != *suffrage, Refusal::NoChange)?;
                member.suffrage = *suffrage;
            }
            Action::Quorum(quorum) => {
                require(self.quorum != *quorum, Refusal::NoChange)?;
                self.quorum = *quorum;
            }
            Action::Rules(rules) => {
                require(self.rules != *rules, Refusal::NoChange)?;
                self.rules.clone_from(rules);
            }
            Action::RevokeKey { member, key, successor } => self.revoke(member, *key, *successor, index)?,
            Action::Stop | Action::Resume => {
                let stop = *action == Action::Stop;
                require(self.stopped != stop, Refusal::NoChange)?;
                self.stopped = stop;
            }
            Action::Epoch(epoch) => {
                require(Some(*epoch) == self.epoch.checked_add(1), Refusal::NoChange)?;
                self.epoch = *epoch;
            }
        }
        Ok(())
    }

    fn revoke(&mut self, id: &str, key: PublicKey, successor: Option<PublicKey>, index: u64) -> Result<(), Refusal> {
        self.take_keys(successor.as_slice())?;
        let current = self.current(id).ok_or(Refusal::UnknownMember)?;
        let member = self.members.get_mut(id).ok_or(Refusal::UnknownMember)?;
        if current.record_key == Some(key) {
            member.record_key = successor.unwrap_or(key);
            self.hold(id, index, |held| held.record_key = successor);
        } else if current.record_key.is_none() && member.record_key == key && successor.is_some() {
            // The successor of a key that was revoked without one.
            member.record_key = successor.unwrap_or(key);
            self.hold(id, index, |held| held.record_key = successor);
        } else {
            require(current.node_key == key, Refusal::NoChange)?;
            let successor = successor.ok_or(Refusal::Undecidable)?;
            member.node_key = successor;
            self.hold(id, index, |held| held.node_key = successor);
        }
        Ok(())
    }

    /// What a key record makes of it.
    pub(super) fn rekeyed(&self, rekey: &Rekey, index: u64) -> Result<Self, Refusal> {
        let mut next = self.clone();
        let (record, node) = (rekey.record_key.map(|proven| proven.key), rekey.node_key.map(|proven| proven.key));
        next.take_keys(&record.into_iter().chain(node).collect::<Vec<_>>())?;
        let member = next.members.get_mut(&rekey.member).ok_or(Refusal::UnknownMember)?;
        member.record_key = record.unwrap_or(member.record_key);
        member.node_key = node.unwrap_or(member.node_key);
        member.tls_certificate = rekey.tls_certificate.unwrap_or(member.tls_certificate);
        member.message_certificate = rekey.message_certificate.unwrap_or(member.message_certificate);
        require(next.members != self.members, Refusal::NoChange)?;
        if record.is_some() || node.is_some() {
            next.hold(&rekey.member, index, |held| {
                held.record_key = record.or(held.record_key);
                held.node_key = node.unwrap_or(held.node_key);
            });
        }
        next.version = index;
        Ok(next)
    }

    fn seat(&mut self, member: &Member, from: u64) {
        let held = Held { record_key: Some(member.record_key), node_key: member.node_key, from, until: None };
        self.held.entry(member.id.clone()).or_default().push(held);
        self.members.insert(member.id.clone(), member.clone());
    }

    /// From the leaf after `index` on the member holds something else.
    fn hold(&mut self, id: &str, index: u64, change: impl Fn(&mut Held)) {
        let Some(mut held) = self.current(id) else { return };
        self.end(id, index + 1);
        (held.from, held.until) = (index + 1, None);
        change(&mut held);
        self.held.entry(id.to_owned()).or_default().push(held);
    }

    fn end(&mut self, id: &str, until: u64) {
        if let Some(held) = self.held.get_mut(id).and_then(|held| held.last_mut()) {
            held.until = Some(until);
        }
    }

    /// A node that may have voted must not come back without what it voted: its number is used up.
    fn take_number(&mut self, node: u64) -> Result<(), Refusal> {
        require(node > self.node_max, Refusal::NodeUsed)?;
        self.node_max = node;
        Ok(())
    }

    /// A key that was anybody's before could let old signatures pass for new ones.
    fn take_keys(&self, keys: &[PublicKey]) -> Result<(), Refusal> {
        let used = self.held.values().flatten().flat_map(|held| held.record_key.into_iter().chain([held.node_key]));
        let used: BTreeSet<PublicKey> = used.collect();
        let distinct: BTreeSet<&PublicKey> = keys.iter().collect();
        require(distinct.len() == keys.len() && keys.iter().all(|key| !used.contains(key)), Refusal::KeyUsed)
    }

    /// What a member holds now.
    pub(super) fn current(&self, id: &str) -> Option<Held> {
        self.held.get(id)?.last().filter(|held| held.until.is_none()).copied()
    }

    /// The latest record keys that were a member's, newest first, without the present one.
    pub(super) fn former(&self, id: &str) -> impl Iterator<Item = PublicKey> {
        let present = self.current(id).and_then(|held| held.record_key);
        let mut seen: BTreeSet<PublicKey> = present.into_iter().collect();
        let keys = self.held.get(id).into_iter().flatten().rev().filter_map(|held| held.record_key);
        keys.filter(move |key| seen.insert(*key)).take(FORMER_MAX)
    }

    /// The rules in force.
    pub(super) fn rules(&self) -> Vec<Rule> {
        if self.rules.is_empty() {
            let sectors = self.members.values().any(|member| !member.bureau);
            let bureau = if sectors { Some(false) } else { None };
            return vec![Rule { threshold: Threshold::Majority, bureau, organizations: BTreeSet::new() }];
        }
        self.rules.clone()
    }

    /// Whether those who hold keys can fulfil every rule, a node votes, and there are nodes enough for a checkpoint.
    pub(super) fn able(&self) -> Result<(), Refusal> {
        let voters = self.members.values().any(|member| member.suffrage == Suffrage::Voter);
        let quorum = (1..=self.members.len() as u64).contains(&self.quorum);
        let deciding = self.rules().iter().all(|rule| {
            let voices: Vec<&Member> = self.members.values().filter(|member| rule.counts(member)).collect();
            let live = voices.iter().filter(|member| self.current(&member.id).is_some_and(|held| held.record_key.is_some()));
            live.count() as u64 >= rule.threshold.of(voices.len() as u64)
        });
        require(voters && quorum && deciding, Refusal::Undecidable)
    }

    /// Whether these votes accept, or can only reject; none while that is open.
    pub(super) fn tally(&self, votes: &BTreeMap<String, bool>) -> Option<bool> {
        let mut accepted = true;
        for rule in self.rules() {
            let voices: Vec<&Member> = self.members.values().filter(|member| rule.counts(member)).collect();
            let needed = rule.threshold.of(voices.len() as u64);
            let yes = voices.iter().filter(|member| votes.get(&member.id) == Some(&true)).count() as u64;
            let open = voices.iter().filter(|member| !votes.contains_key(&member.id)).count() as u64;
            if yes + open < needed {
                return Some(false);
            }
            accepted &= yes >= needed;
        }
        accepted.then_some(true)
    }
}

/// A ledger's id without its epoch, and the epoch.
pub(super) fn split(ledger: &str) -> (&str, u64) {
    let (name, epoch) = ledger.rsplit_once('/').unwrap_or((ledger, ""));
    (name, epoch.parse().unwrap_or_default())
}
