//! Proposals and ballots: who may decide what, and what a decision does.

use super::State;
use super::constitution::Constitution;
use super::rules::require;
use crate::body::{Action, Ballot, Member, Principal, Proposal, Rekey, Request};
use crate::record::{Kind, Leaf, Outcome, Refusal, Verdict};
use std::collections::BTreeMap;

/// Open proposals of one member.
pub const OPEN_MAX: usize = 16;

/// How a proposal ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Enough voices were for it: it took effect.
    Accepted,
    /// It cannot be accepted any more.
    Rejected,
    /// Its proposer voted against it.
    Withdrawn,
    /// Enough voices were for it when it was not possible any more.
    Void,
}

impl Ending {
    pub(super) const ALL: [Self; 4] = [Self::Accepted, Self::Rejected, Self::Withdrawn, Self::Void];

    /// A stable code.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Rejected => "rejected",
            Self::Withdrawn => "withdrawn",
            Self::Void => "void",
        }
    }
}

/// A proposal and what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Motion {
    /// What was proposed.
    pub proposal: Proposal,
    /// Its leaf.
    pub index: u64,
    /// The latest voice of each member.
    pub votes: BTreeMap<String, bool>,
    /// How it ended, and the leaf that decided.
    pub closed: Option<(Ending, u64)>,
}

impl State {
    pub(super) fn decide_proposal(&self, proposal: &Proposal) -> Result<(), Refusal> {
        let mine = |motion: &&Motion| motion.closed.is_none() && motion.proposal.proposer == proposal.proposer;
        require(self.motions.values().filter(mine).count() < OPEN_MAX, Refusal::TooMany)?;
        self.constitution.enacted(&proposal.action, self.size)?;
        if let Action::AddMember(member) = &proposal.action {
            require(!self.certificates.contains_key(&member.administrator), Refusal::CertificateTaken)?;
        }
        Ok(())
    }

    pub(super) fn decide_ballot(&self, ballot: &Ballot) -> Result<(), Refusal> {
        let motion = self.motions.get(&ballot.proposal).ok_or(Refusal::UnknownProposal)?;
        require(motion.closed.is_none(), Refusal::Closed)?;
        let withdraws = motion.proposal.proposer == ballot.voter && !ballot.yes;
        require(withdraws || self.has_voice(&ballot.voter), Refusal::NoVote)
    }

    pub(super) fn decide_key(&self, rekey: &Rekey) -> Result<(), Refusal> {
        self.constitution.rekeyed(rekey, self.size).map(drop)
    }

    pub(super) fn evolve_proposal(&mut self, id: &str, proposal: &Proposal, index: u64) {
        let voice = self.has_voice(&proposal.proposer).then(|| (proposal.proposer.clone(), true));
        let motion = Motion { proposal: proposal.clone(), index, votes: voice.into_iter().collect(), closed: None };
        self.motions.insert(id.to_owned(), motion);
        self.settle_motion(id, index);
    }

    pub(super) fn evolve_ballot(&mut self, ballot: &Ballot, index: u64) {
        let voice = self.has_voice(&ballot.voter);
        let Some(motion) = self.motions.get_mut(&ballot.proposal) else { return };
        if motion.proposal.proposer == ballot.voter && !ballot.yes {
            motion.closed = Some((Ending::Withdrawn, index));
            return;
        }
        if voice {
            motion.votes.insert(ballot.voter.clone(), ballot.yes);
        }
        self.settle_motion(&ballot.proposal, index);
    }

    pub(super) fn evolve_key(&mut self, rekey: &Rekey, index: u64) {
        if let Ok(next) = self.constitution.rekeyed(rekey, index) {
            self.constitution = next;
        }
    }

    /// Closes a proposal if the voices decide it. The emergency brake does not wait for any.
    fn settle_motion(&mut self, id: &str, index: u64) {
        let Some(motion) = self.motions.get(id) else { return };
        let action = motion.proposal.action.clone();
        let decided = if action == Action::Stop { Some(true) } else { self.constitution.tally(&motion.votes) };
        let ending = match decided {
            None => return,
            Some(false) => Ending::Rejected,
            Some(true) => match self.constitution.enacted(&action, index) {
                Ok(next) => {
                    self.enact(next, index);
                    Ending::Accepted
                }
                Err(_) => Ending::Void,
            },
        };
        if let Some(motion) = self.motions.get_mut(id) {
            motion.closed = Some((ending, index));
        }
    }

    /// Takes over what was decided; whoever left has no accounts any more, whoever came has the first one.
    fn enact(&mut self, next: Constitution, index: u64) {
        let before = std::mem::replace(&mut self.constitution, next);
        for left in before.members.keys().filter(|id| !self.constitution.members.contains_key(*id)) {
            self.users.retain(|user, _| user.authority != *left);
            self.certificates.retain(|_, user| user.authority != *left);
            self.assignments.retain(|(user, _), _| user.authority != *left);
        }
        let new = |member: &&Member| !before.members.contains_key(&member.id);
        for member in self.constitution.members.values().filter(new).cloned().collect::<Vec<_>>() {
            self.seat_administrator(&member, index);
        }
    }

    pub(super) fn seat_administrator(&mut self, member: &Member, index: u64) {
        let user = Principal { authority: member.id.clone(), name: "administrator".to_owned() };
        let account = super::Account { class: "administrator".to_owned(), certificates: vec![member.administrator], index };
        // Somebody may have got the certificate since it was proposed: the members have decided whose it is.
        let before = self.certificates.insert(member.administrator, user.clone());
        if let Some(account) = before.and_then(|before| self.users.get_mut(&before)) {
            account.certificates.retain(|certificate| *certificate != member.administrator);
        }
        self.users.insert(user, account);
    }

    /// Takes a leaf of the governance stream without those between: members, rules and keys are as after it, and nothing else is.
    /// For whoever has the genesis and that stream alone.
    ///
    /// # Errors
    /// It comes too early, its signatures do not verify under the keys of now, or its outcome is not what they and the rules lead to.
    pub fn follow(&mut self, leaf: Leaf) -> Result<(), Verdict> {
        let wrong = |what: &str| Verdict::Invalid(format!("{what} at leaf {}", leaf.index));
        if leaf.index < self.size || !matches!(leaf.kind, Kind::Proposal | Kind::Ballot | Kind::Key) {
            return Err(wrong("no decision of the members"));
        }
        let checked = self.check_one(Request::read(leaf.entry.clone())?)?;
        self.size = leaf.index;
        let [record] = checked.request().records() else { return Err(wrong("more than one body")) };
        let decided =
            checked.refusal().map_or_else(|| self.decide(record, leaf.time), Err).map_or_else(Outcome::Refused, |()| Outcome::Done);
        // Whose certificate it is, is no decision of the members: that alone is taken from the leaf.
        let taken = decided == Outcome::Done && leaf.outcome == Outcome::Refused(Refusal::CertificateTaken);
        if decided != leaf.outcome && !(taken && leaf.kind == Kind::Proposal) {
            return Err(wrong("another outcome than the rules lead to"));
        }
        if leaf.outcome == Outcome::Done {
            self.evolve(record, leaf.index);
        }
        (self.size, self.time) = (leaf.index + 1, leaf.time);
        Ok(())
    }

    fn has_voice(&self, id: &str) -> bool {
        self.constitution.members.get(id).is_some_and(|member| self.constitution.rules().iter().any(|rule| rule.counts(member)))
    }
}
