//! The rules of the state machine: `decide` says whether a record takes effect, `evolve` is the effect.

use super::{Account, Assigned, BODY_AHEAD_MS, BODY_BEHIND_MS, Granted, Listed, State, owner};
use crate::body::{Assignment, Content, Evidence, Grant, Permission, Principal, Record, Revocation, Role, Trade, User};
use crate::record::{Kind, Refusal};
use xsd::time::Timestamp;

impl State {
    pub(super) fn decide(&self, record: &Record, time: Timestamp) -> Result<(), Refusal> {
        require(!self.constitution.stopped || runs_when_stopped(record.kind()), Refusal::Stopped)?;
        match record.content() {
            Content::Genesis(_) => require(self.size == 0, Refusal::Founded),
            Content::User(user) => self.decide_user(user),
            Content::Role(role) => match (role.define, self.roles.contains_key(&role.role)) {
                (true, true) => Err(Refusal::Exists),
                (false, false) => Err(Refusal::UnknownRole),
                _ => Ok(()),
            },
            Content::Assignment(assignment) => self.decide_assignment(assignment),
            Content::Grant(grant) => self.decide_grant(grant),
            Content::Revocation(revocation) => self.decide_revocation(revocation),
            Content::Directory(listing) => {
                require(owner(&listing.resource) == listing.producer, Refusal::NotOwner)?;
                let stands = self.directory.get(&listing.resource).map(|listed| &listed.id);
                require(listing.supersedes.is_none() || listing.supersedes.as_ref() == stands, Refusal::NotSuperseded)
            }
            Content::Inquiry(inquiry) => {
                is_of_now(inquiry.asked, time)?;
                require(inquiry.user.authority == inquiry.sector && self.users.contains_key(&inquiry.user), Refusal::UnknownUser)
            }
            Content::Trade(trade) => self.decide_trade(record, trade, time),
            Content::Log(_) | Content::StateRoot(_) => Ok(()),
            Content::Proposal(proposal) => self.decide_proposal(proposal),
            Content::Ballot(ballot) => self.decide_ballot(ballot),
            Content::Key(rekey) => self.decide_key(rekey),
            Content::Refusal(refused) => {
                require(self.member(&refused.account).is_some() && refused.account != refused.sector, Refusal::UnknownMember)
            }
        }
    }

    fn decide_user(&self, user: &User) -> Result<(), Refusal> {
        match (user.action.as_str(), self.users.contains_key(&user.user)) {
            ("add", true) => return Err(Refusal::Exists),
            ("add", false) | ("modify" | "delete", true) => {}
            _ => return Err(Refusal::UnknownUser),
        }
        let free = |certificate| self.certificates.get(certificate).is_none_or(|holder| *holder == user.user);
        require(user.action == "delete" || user.certificates.iter().all(free), Refusal::CertificateTaken)
    }

    fn decide_assignment(&self, assignment: &Assignment) -> Result<(), Refusal> {
        let stands = self.assignments.contains_key(&(assignment.user.clone(), assignment.role.clone()));
        if !assignment.assign {
            return require(stands, Refusal::UnknownAssignment);
        }
        require(self.users.contains_key(&assignment.user), Refusal::UnknownUser)?;
        require(self.roles.contains_key(&assignment.role), Refusal::UnknownRole)?;
        require(assignment.period.start < assignment.period.end, Refusal::EmptyPeriod)?;
        require(!stands, Refusal::Exists)
    }

    fn decide_grant(&self, grant: &Grant) -> Result<(), Refusal> {
        require(owner(&grant.object) == grant.issuer, Refusal::NotOwner)?;
        require(self.published(&grant.object), Refusal::NotPublished)?;
        require(self.roles.contains_key(&grant.role), Refusal::UnknownRole)?;
        require(grant.period.start < grant.period.end, Refusal::EmptyPeriod)?;
        let Some(supersedes) = &grant.supersedes else { return Ok(()) };
        let old = self.grants.get(supersedes).filter(|old| old.grant.issuer == grant.issuer).ok_or(Refusal::UnknownGrant)?;
        require(old.grant.object == grant.object, Refusal::NotSuperseded)?;
        require(old.ended.is_none(), Refusal::GrantEnded)
    }

    fn decide_revocation(&self, revocation: &Revocation) -> Result<(), Refusal> {
        let granted = self.grants.get(&revocation.grant).filter(|granted| granted.grant.issuer == revocation.issuer);
        require(granted.ok_or(Refusal::UnknownGrant)?.ended.is_none(), Refusal::GrantEnded)
    }

    fn decide_trade(&self, record: &Record, trade: &Trade, time: Timestamp) -> Result<(), Refusal> {
        let terms = &trade.terms;
        require(owner(&terms.resource) == terms.sender, Refusal::NotOwner)?;
        require(self.member(&terms.sender).is_some() && self.member(&terms.receiver).is_some(), Refusal::Incomplete)?;
        require(terms.user.authority == terms.receiver, Refusal::Incomplete)?;
        if let Some(evidence) = &trade.evidence {
            agrees(record, trade, evidence)?;
        }
        is_of_now(terms.requested, time)?;
        match trade.status.as_str() {
            "delivered" => {
                let grant = trade.grant.as_ref().filter(|_| trade.packed).ok_or(Refusal::Incomplete)?;
                require(self.published(&terms.resource), Refusal::NotPublished)?;
                let granted = self.grants.get(grant).ok_or(Refusal::UnknownGrant)?;
                let permits = self.allows(granted, &terms.user, &terms.resource, Permission::Read, Some(&terms.purpose), time);
                require(permits, Refusal::NotPermitted)
            }
            "denied" | "not-found" => require(trade.evidence.is_some(), Refusal::EvidenceMismatch),
            // With evidence by the sender: its system failed, or nobody accepted its offer. Without, by the receiver.
            "failed" | "timed-out" => Ok(()),
            _ => Err(Refusal::WrongStatus),
        }
    }

    pub(super) fn published(&self, resource: &str) -> bool {
        self.directory.get(resource).is_some_and(|listed| listed.listing.status == "active")
    }

    pub(super) fn allows(
        &self,
        granted: &Granted,
        user: &Principal,
        object: &str,
        permission: Permission,
        purpose: Option<&str>,
        time: Timestamp,
    ) -> bool {
        let grant = &granted.grant;
        let assigned = self.assignments.get(&(user.clone(), grant.role.clone()));
        granted.ended.is_none()
            && grant.object == object
            && grant.permissions.contains(&permission)
            && grant.period.contains(time)
            && (grant.purposes.is_empty() || purpose.is_some_and(|purpose| grant.purposes.contains(purpose)))
            && self.users.contains_key(user)
            && self.roles.contains_key(&grant.role)
            && assigned.is_some_and(|assigned| assigned.period.contains(time))
    }

    pub(super) fn evolve(&mut self, record: &Record, index: u64) {
        match record.content() {
            Content::Genesis(_) => self.seat_administrators(),
            Content::User(user) => self.evolve_user(user, index),
            Content::Role(role) => self.evolve_role(role, index),
            Content::Assignment(assignment) => {
                let key = (assignment.user.clone(), assignment.role.clone());
                if assignment.assign {
                    self.assignments.insert(key, Assigned { period: assignment.period, index });
                } else {
                    self.assignments.remove(&key);
                }
            }
            Content::Grant(grant) => {
                if let Some(old) = grant.supersedes.as_ref().and_then(|old| self.grants.get_mut(old)) {
                    old.ended = Some(index);
                }
                self.grants_by_object.entry(grant.object.clone()).or_default().insert(record.id().to_owned());
                self.grants.insert(record.id().to_owned(), Granted { grant: grant.clone(), index, ended: None });
            }
            Content::Revocation(revocation) => {
                if let Some(granted) = self.grants.get_mut(&revocation.grant) {
                    granted.ended = Some(index);
                }
            }
            Content::Directory(listing) => {
                self.history.entry(listing.resource.clone()).or_default().push(index);
                let listed = Listed { id: record.id().to_owned(), listing: listing.clone(), index };
                self.directory.insert(listing.resource.clone(), listed);
            }
            Content::Proposal(proposal) => self.evolve_proposal(record.id(), proposal, index),
            Content::Ballot(ballot) => self.evolve_ballot(ballot, index),
            Content::Key(rekey) => self.evolve_key(rekey, index),
            Content::Inquiry(_) | Content::Trade(_) | Content::Log(_) | Content::StateRoot(_) | Content::Refusal(_) => {}
        }
    }

    fn seat_administrators(&mut self) {
        for member in self.constitution.members.values().cloned().collect::<Vec<_>>() {
            self.seat_administrator(&member, 0);
        }
    }

    fn evolve_user(&mut self, user: &User, index: u64) {
        if let Some(old) = self.users.remove(&user.user) {
            for certificate in &old.certificates {
                self.certificates.remove(certificate);
            }
        }
        if user.action == "delete" {
            self.assignments.retain(|(holder, _), _| *holder != user.user);
            return;
        }
        for certificate in &user.certificates {
            self.certificates.insert(*certificate, user.user.clone());
        }
        let account = Account { class: user.class.clone(), certificates: user.certificates.clone(), index };
        self.users.insert(user.user.clone(), account);
    }

    fn evolve_role(&mut self, role: &Role, index: u64) {
        if role.define {
            self.roles.insert(role.role.clone(), index);
            return;
        }
        self.roles.remove(&role.role);
        self.assignments.retain(|(_, held), _| *held != role.role);
    }
}

pub(super) fn require(holds: bool, refusal: Refusal) -> Result<(), Refusal> {
    if holds { Ok(()) } else { Err(refusal) }
}

/// What an emergency stop leaves: deciding, what makes the ledger safer, and putting on record.
fn runs_when_stopped(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::Genesis | Kind::Proposal | Kind::Ballot | Kind::Key | Kind::Revocation | Kind::Log | Kind::Refusal | Kind::StateRoot
    )
}

/// A body's own time may not be far from ledger time.
fn is_of_now(said: Timestamp, time: Timestamp) -> Result<(), Refusal> {
    require(said <= time.plus_ms(BODY_AHEAD_MS) && time <= said.plus_ms(BODY_BEHIND_MS), Refusal::BackDated)
}

fn agrees(record: &Record, trade: &Trade, evidence: &Evidence) -> Result<(), Refusal> {
    let signed = evidence.signature.account == trade.terms.receiver;
    require(signed && evidence.terms == trade.terms && record.id() == trade.terms.id, Refusal::EvidenceMismatch)
}
