//! How Raft's members come to be those that the ledger wants: one joint change after the other, learners first.

use crate::body::{Member, Suffrage};
use raft::eraftpb::{ConfChangeSingle, ConfChangeTransition, ConfChangeType, ConfChangeV2, ConfState};
use std::collections::BTreeSet;

/// Changes of one entry.
const CHANGES_MAX: usize = 64;

/// The nodes that shall vote and those that shall follow, by the ledger.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) voters: BTreeSet<u64>,
    pub(super) learners: BTreeSet<u64>,
}

/// What a leader does next about the members.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Next {
    /// They are as they shall be, or a node has to catch up first.
    Nothing,
    /// Propose this.
    Change(ConfChangeV2),
    /// The leader itself shall not vote any more: another one leads first.
    Transfer(u64),
}

impl Wanted {
    pub(super) fn of<'a>(members: impl IntoIterator<Item = &'a Member>) -> Self {
        let mut wanted = Self::default();
        for member in members {
            match member.suffrage {
                Suffrage::Voter => wanted.voters.insert(member.node),
                Suffrage::Learner => wanted.learners.insert(member.node),
            };
        }
        wanted
    }

    /// Raft's members at the beginning.
    pub(super) fn founding(&self) -> ConfState {
        let (voters, learners) = (self.voters.iter().copied().collect(), self.learners.iter().copied().collect());
        ConfState { voters, learners, ..ConfState::default() }
    }

    fn has(&self, node: u64) -> bool {
        self.voters.contains(&node) || self.learners.contains(&node)
    }

    /// The change that leads from Raft's members to these. A node that is new follows until it has caught up, and only then
    /// votes; whoever goes, goes at once, but for the last voter.
    pub(super) fn next(&self, now: &ConfState, leader: u64, caught_up: impl Fn(u64) -> bool) -> Next {
        if !now.voters_outgoing.is_empty() {
            return Next::Change(ConfChangeV2::default());
        }
        let voters: BTreeSet<u64> = now.voters.iter().copied().collect();
        let known: BTreeSet<u64> = now.learners.iter().chain(&now.voters).copied().collect();
        let new: Vec<_> = self.voters.union(&self.learners).filter(|node| !known.contains(node)).map(|node| (*node, LEARNER)).collect();
        if !new.is_empty() {
            return change(new);
        }
        let promoted: Vec<_> = self.voters.difference(&voters).filter(|node| caught_up(**node)).map(|node| (*node, VOTER)).collect();
        let demoted = voters.intersection(&self.learners).map(|node| (*node, LEARNER));
        let removed = known.iter().filter(|node| !self.has(**node)).map(|node| (*node, GONE));
        let leaving: Vec<_> = demoted.chain(removed).collect();
        let staying: BTreeSet<u64> = voters.intersection(&self.voters).copied().collect();
        if self.voters.contains(&leader) || leaving.is_empty() {
            return change([promoted, leaving].concat());
        }
        match staying.iter().copied().find(|node| caught_up(*node)) {
            Some(node) => Next::Transfer(node),
            None => change(promoted),
        }
    }

    /// Whether a change leads towards these members. One that does not is not followed by any node: what the ledger wants
    /// was decided by its members, and has changed since, or the leader invented it.
    pub(super) fn permits(&self, change: &ConfChangeV2) -> bool {
        change.get_changes().iter().all(|single| match single.get_change_type() {
            ConfChangeType::AddNode => self.voters.contains(&single.node_id),
            ConfChangeType::AddLearnerNode => self.has(single.node_id),
            ConfChangeType::RemoveNode => !self.has(single.node_id),
        })
    }
}

const VOTER: ConfChangeType = ConfChangeType::AddNode;
const LEARNER: ConfChangeType = ConfChangeType::AddLearnerNode;
const GONE: ConfChangeType = ConfChangeType::RemoveNode;

fn change(changes: Vec<(u64, ConfChangeType)>) -> Next {
    if changes.is_empty() {
        return Next::Nothing;
    }
    let mut joint = ConfChangeV2::default();
    // Explicit: the leader of the day proposes the end of the joint time, which Raft's own one may forget when it falls.
    joint.set_transition(ConfChangeTransition::Explicit);
    for (node_id, kind) in changes.into_iter().take(CHANGES_MAX) {
        let mut single = ConfChangeSingle { node_id, ..ConfChangeSingle::default() };
        single.set_change_type(kind);
        joint.mut_changes().push(single);
    }
    Next::Change(joint)
}

/// Whether a change that a peer sends can be given to Raft.
pub(crate) fn is_sound(change: &ConfChangeV2) -> bool {
    let changes = change.get_changes();
    let nodes: BTreeSet<u64> = changes.iter().map(|single| single.node_id).collect();
    let explicit = changes.is_empty() || change.get_transition() == ConfChangeTransition::Explicit;
    let lives = change.context.len().is_multiple_of(16) && change.context.len() <= 16 * CHANGES_MAX;
    explicit && lives && changes.len() <= CHANGES_MAX && nodes.len() == changes.len() && !nodes.contains(&0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(voters: &[u64], learners: &[u64]) -> Wanted {
        Wanted { voters: voters.iter().copied().collect(), learners: learners.iter().copied().collect() }
    }

    fn conf(voters: &[u64], learners: &[u64], outgoing: &[u64]) -> ConfState {
        let (voters, learners, voters_outgoing) = (voters.to_vec(), learners.to_vec(), outgoing.to_vec());
        ConfState { voters, learners, voters_outgoing, ..ConfState::default() }
    }

    #[test]
    fn members_change_step_by_step() {
        let all = |_| true;
        let none = |_| false;
        let given = |changes: &[(u64, ConfChangeType)]| change(changes.to_vec());
        let now = conf(&[1, 2, 3], &[4], &[]);
        assert_eq!(wanted(&[1, 2, 3], &[4]).next(&now, 1, all), Next::Nothing);
        assert_eq!(wanted(&[1, 2, 3, 5], &[4, 6]).next(&now, 1, none), given(&[(5, LEARNER), (6, LEARNER)]), "learner first");
        let joined = conf(&[1, 2, 3], &[4, 5], &[]);
        assert_eq!(wanted(&[1, 2, 3, 5], &[4]).next(&joined, 1, none), Next::Nothing, "it must catch up");
        assert_eq!(wanted(&[1, 2, 3, 5], &[4]).next(&joined, 1, all), given(&[(5, VOTER)]));
        assert_eq!(wanted(&[1, 2, 3], &[4]).next(&conf(&[1, 2, 3], &[4], &[1, 2]), 1, all), Next::Change(ConfChangeV2::default()));
        assert_eq!(wanted(&[1, 2, 5], &[4]).next(&joined, 1, all), given(&[(5, VOTER), (3, GONE)]), "a lost disk is replaced at once");
        assert_eq!(wanted(&[1, 2, 5], &[4]).next(&joined, 1, none), given(&[(3, GONE)]), "who never catches up holds nothing up");
        assert_eq!(wanted(&[1, 2], &[3, 4]).next(&now, 1, all), given(&[(3, LEARNER)]));
        assert_eq!(wanted(&[2, 3], &[4]).next(&now, 1, all), Next::Transfer(2));
        assert_eq!(wanted(&[2, 3], &[4]).next(&now, 1, |node| node == 3), Next::Transfer(3));
        assert_eq!(wanted(&[2, 3], &[4]).next(&now, 2, all), given(&[(1, GONE)]));
        assert_eq!(wanted(&[5], &[]).next(&conf(&[1], &[5], &[]), 1, none), Next::Nothing, "the last voter stays");
        assert_eq!(wanted(&[5], &[]).next(&conf(&[1], &[5], &[]), 1, all), given(&[(5, VOTER)]));
        assert_eq!(wanted(&[5], &[]).next(&conf(&[1, 5], &[], &[]), 1, all), Next::Transfer(5));
    }

    #[test]
    fn a_change_that_nobody_decided_is_not_followed() {
        let wanted = wanted(&[1, 2, 3], &[4]);
        let permits = |changes: &[(u64, ConfChangeType)]| match change(changes.to_vec()) {
            Next::Change(change) => wanted.permits(&change),
            _ => false,
        };
        assert!(permits(&[(1, VOTER), (4, LEARNER), (3, LEARNER), (9, GONE)]));
        for wrong in [(4, VOTER), (9, VOTER), (9, LEARNER), (1, GONE), (4, GONE)] {
            assert!(!permits(&[(1, VOTER), wrong]), "{wrong:?}");
        }
        assert!(wanted.permits(&ConfChangeV2::default()), "a joint time may always end");
    }
}
