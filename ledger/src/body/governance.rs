//! What the members decide together, and how many of whom it takes: proposals, ballots, rules, new keys.

use super::{Member, Suffrage, read};
use crate::keys::PublicKey;
use crate::record::{LEDGER_NS, number};
use crate::tree::Hash;
use data_encoding::BASE64;
use std::collections::BTreeSet;
use std::fmt;
use xsd::tree::Element;

/// How many voices of those that count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Threshold {
    /// One.
    Any,
    /// Every one.
    All,
    /// More than half.
    Majority,
    /// So many.
    Count(u64),
    /// At least this part of them, as two thirds: (2, 3).
    Part(u64, u64),
}

impl Threshold {
    /// From its code: `ANY`, `ALL`, `MAJORITY`, a number from 1 to 99, or two of them with a slash, a part of the whole.
    #[must_use]
    pub fn parse(code: &str) -> Option<Self> {
        let small = |text: &str| number(text).filter(|number| (1..=99).contains(number));
        match (code, code.split_once('/')) {
            ("ANY", _) => Some(Self::Any),
            ("ALL", _) => Some(Self::All),
            ("MAJORITY", _) => Some(Self::Majority),
            (_, Some((part, whole))) => {
                let (part, whole) = (small(part)?, small(whole)?);
                (part <= whole).then_some(Self::Part(part, whole))
            }
            (count, None) => small(count).map(Self::Count),
        }
    }

    /// How many of `all` voices it takes.
    #[must_use]
    pub fn of(self, all: u64) -> u64 {
        match self {
            Self::Any => 1,
            Self::All => all.max(1),
            Self::Majority => all / 2 + 1,
            Self::Count(count) => count,
            Self::Part(part, whole) => (all * part).div_ceil(whole).max(1),
        }
    }
}

impl fmt::Display for Threshold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("ANY"),
            Self::All => f.write_str("ALL"),
            Self::Majority => f.write_str("MAJORITY"),
            Self::Count(count) => write!(f, "{count}"),
            Self::Part(part, whole) => write!(f, "{part}/{whole}"),
        }
    }
}

/// How many of whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// How many.
    pub threshold: Threshold,
    /// Only the bureaus, or only the sectors; none for both.
    pub bureau: Option<bool>,
    /// Only these members; empty for all.
    pub organizations: BTreeSet<String>,
}

impl Rule {
    /// Whether this member's voice counts.
    #[must_use]
    pub fn counts(&self, member: &Member) -> bool {
        self.bureau.is_none_or(|bureau| bureau == member.bureau)
            && (self.organizations.is_empty() || self.organizations.contains(&member.id))
    }
}

/// A change to what the members have agreed on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// A new member with its node.
    AddMember(Box<Member>),
    /// This member leaves.
    RemoveMember(String),
    /// Another node for a member, because the old one's disk is lost.
    ReplaceNode(Box<NewNode>),
    /// How a member's node takes part from now on.
    Suffrage(String, Suffrage),
    /// How many nodes must sign a checkpoint.
    Quorum(u64),
    /// What proposals need.
    Rules(Vec<Rule>),
    /// A member's key is not to be trusted any more.
    RevokeKey {
        /// The member.
        member: String,
        /// Its present record key or node key.
        key: PublicKey,
        /// The key instead of it; a node key always has one.
        successor: Option<PublicKey>,
    },
    /// The emergency brake: nothing but governance, keys, revocations, logs and refusals takes effect any more.
    Stop,
    /// The end of it.
    Resume,
    /// The ledger was restored and may lack what it once had: checkpoints are of this epoch now.
    Epoch(u64),
}

/// What is new about a replaced node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewNode {
    /// Whose.
    pub member: String,
    /// Its number, above all that ever were.
    pub node: u64,
    /// Signs the node's checkpoints.
    pub node_key: PublicKey,
    /// SHA-256 of its TLS certificate's DER.
    pub tls_certificate: Hash,
    /// Host and port of its services.
    pub service: String,
    /// Host and port of its ledger node.
    pub peer: String,
}

/// A change that the members shall decide.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proposal {
    /// Who proposes it, and thereby votes for it.
    pub proposer: String,
    /// Why, as a code.
    pub reason: String,
    /// What.
    pub action: Action,
}

/// A member's voice on a proposal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ballot {
    /// Whose.
    pub voter: String,
    /// The proposal's id.
    pub proposal: String,
    /// For it; otherwise against.
    pub yes: bool,
}

/// A key with its signature over [`Rekey::statement`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Proven {
    /// The key.
    pub key: PublicKey,
    /// Its signature.
    pub proof: [u8; 64],
}

/// A member's new keys or certificates; at least one of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rekey {
    /// Whose.
    pub member: String,
    /// The new record key.
    pub record_key: Option<Proven>,
    /// The new node key.
    pub node_key: Option<Proven>,
    /// The new TLS certificate.
    pub tls_certificate: Option<Hash>,
    /// The new certificate that signs its messages.
    pub message_certificate: Option<Hash>,
}

impl Rekey {
    /// What a new key signs, to show that the member has it: five lines, with the record's ledger and id.
    #[must_use]
    pub fn statement(ledger: &str, id: &str, member: &str, key: &PublicKey) -> Vec<u8> {
        format!("urn:waybill:key:1\n{ledger}\n{id}\n{member}\n{key}\n").into_bytes()
    }
}

/// What a member presented to a sector and was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The sector that refused it.
    pub sector: String,
    /// The member that presented it.
    pub account: String,
    /// Why, as a code.
    pub verdict: String,
    /// SHA-256 of what was presented.
    pub digest: Hash,
}

pub(super) fn rules(parent: &Element) -> Option<Vec<Rule>> {
    parent.all(LEDGER_NS, "Rule").map(rule).collect()
}

fn rule(element: &Element) -> Option<Rule> {
    let bureau = match element.attribute("", "role") {
        None => None,
        Some("bureau") => Some(true),
        Some("sector") => Some(false),
        Some(_) => return None,
    };
    let organizations = read::texts(element, "Organization").into_iter().collect();
    Some(Rule { threshold: Threshold::parse(element.attribute("", "threshold")?)?, bureau, organizations })
}

pub(super) fn proposal(body: &Element) -> Option<Proposal> {
    let action = action(body.elements().nth(2)?)?;
    Some(Proposal { proposer: read::text(body, "Proposer")?, reason: read::text(body, "Reason")?, action })
}

fn action(element: &Element) -> Option<Action> {
    let id = || element.attribute("", "id").map(str::to_owned);
    Some(match element.name().local() {
        "AddMember" => Action::AddMember(Box::new(read::member(element)?)),
        "RemoveMember" => Action::RemoveMember(id()?),
        "ReplaceNode" => Action::ReplaceNode(Box::new(NewNode {
            member: id()?,
            node: number(element.attribute("", "node")?)?,
            node_key: PublicKey::from_hex(&read::text(element, "NodeKey")?)?,
            tls_certificate: read::hash(element, "TlsCertificate")?,
            service: read::text(element, "Service")?,
            peer: read::text(element, "Peer")?,
        })),
        "Suffrage" => Action::Suffrage(id()?, read::suffrage(&element.string())?),
        "Quorum" => Action::Quorum(number(&element.string())?),
        "Rules" => Action::Rules(rules(element)?),
        "RevokeKey" => Action::RevokeKey {
            member: id()?,
            key: PublicKey::from_hex(&read::text(element, "Revoked")?)?,
            successor: match read::text(element, "Successor") {
                Some(hex) => Some(PublicKey::from_hex(&hex)?),
                None => None,
            },
        },
        "Stop" => Action::Stop,
        "Resume" => Action::Resume,
        "Epoch" => Action::Epoch(number(&element.string())?),
        _ => return None,
    })
}

pub(super) fn ballot(body: &Element) -> Option<Ballot> {
    let yes = match read::text(body, "Vote")?.as_str() {
        "yes" => true,
        "no" => false,
        _ => return None,
    };
    Some(Ballot { voter: read::text(body, "Voter")?, proposal: read::text(body, "Proposal")?, yes })
}

pub(super) fn rekey(body: &Element) -> Option<Rekey> {
    let proven = |local| -> Option<Option<Proven>> {
        let Some(element) = body.first(LEDGER_NS, local) else { return Some(None) };
        let proof = BASE64.decode(element.attribute("", "proof")?.as_bytes()).ok()?.try_into().ok()?;
        Some(Some(Proven { key: PublicKey::from_hex(&element.string())?, proof }))
    };
    let rekey = Rekey {
        member: read::text(body, "Member")?,
        record_key: proven("RecordKey")?,
        node_key: proven("NodeKey")?,
        tls_certificate: read::hash(body, "TlsCertificate"),
        message_certificate: read::hash(body, "MessageCertificate"),
    };
    (body.elements().count() > 1).then_some(rekey)
}

pub(super) fn refused(body: &Element) -> Option<Refused> {
    Some(Refused {
        sector: read::text(body, "Sector")?,
        account: read::text(body, "Account")?,
        verdict: read::text(body, "Verdict")?,
        digest: read::hash(body, "Digest")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thresholds_count_as_their_words_say() {
        let table: [(&str, u64, u64); 12] = [
            ("ANY", 7, 1),
            ("ALL", 7, 7),
            ("ALL", 0, 1),
            ("MAJORITY", 3, 2),
            ("MAJORITY", 4, 3),
            ("MAJORITY", 0, 1),
            ("2", 9, 2),
            ("2/3", 3, 2),
            ("2/3", 4, 3),
            ("1/2", 4, 2),
            ("3/3", 5, 5),
            ("1/9", 0, 1),
        ];
        for (code, all, needed) in table {
            let threshold = Threshold::parse(code).expect(code);
            assert_eq!((threshold.of(all), threshold.to_string().as_str()), (needed, code));
        }
        for wrong in ["", "any", "0", "01", "100", "3/2", "1/0", "0/1", "1/", "/2", "1/2/3", "-1"] {
            assert_eq!(Threshold::parse(wrong), None, "{wrong}");
        }
    }
}
