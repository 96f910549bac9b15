//! What the members have agreed on, as octets: members, rules, keys and proposals.

use super::{Reader, Writer};
use crate::body::{Action, Member, NewNode, Proposal, Rule, Suffrage, Threshold};
use crate::keys::PublicKey;
use crate::state::constitution::Constitution;
use crate::state::{Ending, Held, Motion};
use crate::tree::Hash;

impl Writer {
    pub(super) fn constitution(&mut self, constitution: &Constitution) {
        self.list(constitution.members.values(), Self::member);
        self.number(constitution.quorum);
        self.list(&constitution.rules, Self::rule);
        self.number(u64::from(constitution.stopped));
        self.number(constitution.epoch);
        self.number(constitution.node_max);
        self.list(&constitution.held, |out, (id, held)| {
            out.text(id);
            out.list(held, |out, held| {
                out.option(held.record_key, |out, key| out.key(key));
                out.key(held.node_key);
                out.number(held.from);
                out.option(held.until, Self::number);
            });
        });
        self.number(constitution.version);
    }

    pub(super) fn motion(&mut self, id: &str, motion: &Motion) {
        self.text(id);
        self.text(&motion.proposal.proposer);
        self.text(&motion.proposal.reason);
        self.action(&motion.proposal.action);
        self.number(motion.index);
        self.list(&motion.votes, |out, (member, yes)| {
            out.text(member);
            out.number(u64::from(*yes));
        });
        self.option(motion.closed, |out, (ending, index)| {
            out.text(ending.code());
            out.number(index);
        });
    }

    fn key(&mut self, key: PublicKey) {
        self.hash(&Hash(key.0));
    }

    fn member(&mut self, member: &Member) {
        self.text(&member.id);
        self.number(member.node);
        self.number(u64::from(member.bureau));
        self.suffrage(member.suffrage);
        self.key(member.record_key);
        self.key(member.node_key);
        for hash in [&member.tls_certificate, &member.message_certificate, &member.administrator] {
            self.hash(hash);
        }
        self.text(&member.service);
        self.text(&member.peer);
    }

    fn suffrage(&mut self, suffrage: Suffrage) {
        self.number(u64::from(suffrage == Suffrage::Voter));
    }

    fn rule(&mut self, rule: &Rule) {
        self.text(&rule.threshold.to_string());
        self.option(rule.bureau, |out, bureau| out.number(u64::from(bureau)));
        self.list(&rule.organizations, |out, id| out.text(id));
    }

    fn action(&mut self, action: &Action) {
        match action {
            Action::AddMember(member) => {
                self.text("add-member");
                self.member(member);
            }
            Action::RemoveMember(id) => {
                self.text("remove-member");
                self.text(id);
            }
            Action::ReplaceNode(new) => {
                self.text("replace-node");
                self.text(&new.member);
                self.number(new.node);
                self.key(new.node_key);
                self.hash(&new.tls_certificate);
                self.text(&new.service);
                self.text(&new.peer);
            }
            Action::Suffrage(id, suffrage) => {
                self.text("suffrage");
                self.text(id);
                self.suffrage(*suffrage);
            }
            Action::Quorum(quorum) => {
                self.text("quorum");
                self.number(*quorum);
            }
            Action::Rules(rules) => {
                self.text("rules");
                self.list(rules, Self::rule);
            }
            Action::RevokeKey { member, key, successor } => {
                self.text("revoke-key");
                self.text(member);
                self.key(*key);
                self.option(*successor, Self::key);
            }
            Action::Stop => self.text("stop"),
            Action::Resume => self.text("resume"),
            Action::Epoch(epoch) => {
                self.text("epoch");
                self.number(*epoch);
            }
        }
    }
}

impl Reader<'_> {
    pub(super) fn constitution(&mut self) -> Option<Constitution> {
        Some(Constitution {
            members: self.map(|from| from.member().map(|member| (member.id.clone(), member)))?,
            quorum: self.number()?,
            rules: self.list(Self::rule)?,
            stopped: self.flag()?,
            epoch: self.number()?,
            node_max: self.number()?,
            held: self.map(|from| {
                let id = from.text()?;
                let held = |from: &mut Self| {
                    let (record_key, node_key) = (from.option(Self::key)?, from.key()?);
                    Some(Held { record_key, node_key, from: from.number()?, until: from.option(Self::number)? })
                };
                Some((id, from.list(held)?))
            })?,
            version: self.number()?,
        })
    }

    pub(super) fn motion(&mut self) -> Option<(String, Motion)> {
        let id = self.text()?;
        let proposal = Proposal { proposer: self.text()?, reason: self.text()?, action: self.action()? };
        let index = self.number()?;
        let votes = self.map(|from| Some((from.text()?, from.flag()?)))?;
        let closed = self.option(|from| {
            let code = from.text()?;
            Some((Ending::ALL.into_iter().find(|ending| ending.code() == code)?, from.number()?))
        })?;
        Some((id, Motion { proposal, index, votes, closed }))
    }

    fn key(&mut self) -> Option<PublicKey> {
        self.hash().map(|hash| PublicKey(hash.0))
    }

    fn flag(&mut self) -> Option<bool> {
        match self.number()? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }

    fn member(&mut self) -> Option<Member> {
        Some(Member {
            id: self.text()?,
            node: self.number()?,
            bureau: self.flag()?,
            suffrage: self.suffrage()?,
            record_key: self.key()?,
            node_key: self.key()?,
            tls_certificate: self.hash()?,
            message_certificate: self.hash()?,
            administrator: self.hash()?,
            service: self.text()?,
            peer: self.text()?,
        })
    }

    fn suffrage(&mut self) -> Option<Suffrage> {
        Some(if self.flag()? { Suffrage::Voter } else { Suffrage::Learner })
    }

    fn rule(&mut self) -> Option<Rule> {
        Some(Rule {
            threshold: Threshold::parse(&self.text()?)?,
            bureau: self.option(Self::flag)?,
            organizations: self.list(Self::text)?.into_iter().collect(),
        })
    }

    fn action(&mut self) -> Option<Action> {
        Some(match self.text()?.as_str() {
            "add-member" => Action::AddMember(Box::new(self.member()?)),
            "remove-member" => Action::RemoveMember(self.text()?),
            "replace-node" => Action::ReplaceNode(Box::new(NewNode {
                member: self.text()?,
                node: self.number()?,
                node_key: self.key()?,
                tls_certificate: self.hash()?,
                service: self.text()?,
                peer: self.text()?,
            })),
            "suffrage" => Action::Suffrage(self.text()?, self.suffrage()?),
            "quorum" => Action::Quorum(self.number()?),
            "rules" => Action::Rules(self.list(Self::rule)?),
            "revoke-key" => Action::RevokeKey { member: self.text()?, key: self.key()?, successor: self.option(Self::key)? },
            "stop" => Action::Stop,
            "resume" => Action::Resume,
            "epoch" => Action::Epoch(self.number()?),
            _ => return None,
        })
    }
}
