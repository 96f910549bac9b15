//! From the tree of a valid body to what the state machine sees of it.

use super::{
    Assignment, Content, Evidence, Genesis, Grant, Inquiry, Listing, Log, Member, Period, Permission, Principal, Revocation, Role,
    StateRoot, Suffrage, Terms, Trade, User, governance,
};
use crate::keys::PublicKey;
use crate::record::{Kind, LEDGER_NS, PartySignature};
use crate::tree::Hash;
use xsd::time::Timestamp;
use xsd::tree::Element;

const AUTHORITY: &str = "urn:waybill:authority:1";
const DIRECTORY: &str = "urn:waybill:directory:1";
const TRADING: &str = "urn:waybill:trading:1";

pub(super) fn content(kind: Kind, body: &Element) -> Option<Content> {
    Some(match kind {
        Kind::Genesis => Content::Genesis(genesis(body)?),
        Kind::User => Content::User(user(body)?),
        Kind::Role => Content::Role(role(body)?),
        Kind::Assignment => Content::Assignment(assignment(body)?),
        Kind::Grant => Content::Grant(grant(body)?),
        Kind::Revocation => {
            Content::Revocation(Revocation { issuer: text(body, "Issuer")?, grant: text(body, "GrantRef")?, reason: text(body, "Reason")? })
        }
        Kind::Directory => Content::Directory(listing(body)?),
        Kind::Inquiry => Content::Inquiry(Inquiry {
            sector: text(body, "Sector")?,
            user: principal(body.first(DIRECTORY, "User")?)?,
            resources: texts(body, "Resource"),
            asked: Timestamp::parse(&text(body, "Asked")?)?,
        }),
        Kind::Trade => Content::Trade(Box::new(trade(body)?)),
        Kind::Log => Content::Log(Log { sector: text(body, "Sector")?, peer: text(body, "Peer") }),
        Kind::StateRoot => Content::StateRoot(StateRoot {
            streams: crate::record::number(&text(body, "Streams")?)?,
            root: hash(body, "Root")?,
            state: hash(body, "State")?,
        }),
        Kind::Proposal => Content::Proposal(governance::proposal(body)?),
        Kind::Ballot => Content::Ballot(governance::ballot(body)?),
        Kind::Key => Content::Key(Box::new(governance::rekey(body)?)),
        Kind::Refusal => Content::Refusal(governance::refused(body)?),
    })
}

/// The text of the one child of this name in the parent's namespace.
pub(super) fn text(parent: &Element, local: &str) -> Option<String> {
    parent.first(parent.name().namespace(), local).map(Element::string)
}

pub(super) fn texts(parent: &Element, local: &str) -> Vec<String> {
    parent.all(parent.name().namespace(), local).map(Element::string).collect()
}

pub(super) fn hash(parent: &Element, local: &str) -> Option<Hash> {
    Hash::from_hex(&text(parent, local)?)
}

fn principal(element: &Element) -> Option<Principal> {
    Some(Principal { authority: element.attribute("", "authority")?.to_owned(), name: element.string() })
}

fn period(parent: &Element) -> Option<Period> {
    let period = parent.first(AUTHORITY, "Period")?;
    let instant = |local| Timestamp::parse(&period.first("", local)?.string());
    Some(Period { start: instant("NotBefore")?, end: instant("NotAfter")? })
}

fn genesis(body: &Element) -> Option<Genesis> {
    let members = body.all(LEDGER_NS, "Member").map(member).collect::<Option<Vec<_>>>()?;
    let founded = Timestamp::parse(&text(body, "Founded")?)?;
    let rules = governance::rules(body)?;
    Some(Genesis { founded, quorum: crate::record::number(&text(body, "Quorum")?)?, rules, members })
}

pub(super) fn suffrage(code: &str) -> Option<Suffrage> {
    match code {
        "voter" => Some(Suffrage::Voter),
        "learner" => Some(Suffrage::Learner),
        _ => None,
    }
}

pub(super) fn member(element: &Element) -> Option<Member> {
    Some(Member {
        id: element.attribute("", "id")?.to_owned(),
        node: crate::record::number(element.attribute("", "node")?)?,
        bureau: match element.attribute("", "role")? {
            "bureau" => true,
            "sector" => false,
            _ => return None,
        },
        suffrage: suffrage(element.attribute("", "suffrage")?)?,
        record_key: PublicKey::from_hex(&text(element, "RecordKey")?)?,
        node_key: PublicKey::from_hex(&text(element, "NodeKey")?)?,
        tls_certificate: hash(element, "TlsCertificate")?,
        message_certificate: hash(element, "MessageCertificate")?,
        administrator: hash(element, "Administrator")?,
        service: text(element, "Service")?,
        peer: text(element, "Peer")?,
    })
}

fn user(body: &Element) -> Option<User> {
    Some(User {
        user: Principal { authority: text(body, "Issuer")?, name: text(body, "UserId")? },
        action: text(body, "Action")?,
        class: text(body, "Class")?,
        certificates: texts(body, "Certificate").iter().map(|hex| Hash::from_hex(hex)).collect::<Option<Vec<_>>>()?,
    })
}

fn role(body: &Element) -> Option<Role> {
    let role = Principal { authority: text(body, "Issuer")?, name: text(body, "RoleName")? };
    match text(body, "Action")?.as_str() {
        "define" => Some(Role { role, define: true }),
        "retire" => Some(Role { role, define: false }),
        _ => None,
    }
}

fn assignment(body: &Element) -> Option<Assignment> {
    let issuer = text(body, "Issuer")?;
    Some(Assignment {
        user: Principal { authority: issuer.clone(), name: text(body, "UserId")? },
        role: Principal { authority: issuer, name: text(body, "RoleName")? },
        assign: match text(body, "Action")?.as_str() {
            "assign" => true,
            "withdraw" => false,
            _ => return None,
        },
        period: period(body)?,
    })
}

fn grant(body: &Element) -> Option<Grant> {
    let permissions = texts(body, "Permission").iter().map(|code| Permission::from_code(code)).collect::<Option<_>>()?;
    Some(Grant {
        issuer: text(body, "Issuer")?,
        role: principal(body.first(AUTHORITY, "Role")?)?,
        object: text(body, "Object")?,
        permissions,
        period: period(body)?,
        purposes: texts(body, "Purpose").into_iter().collect(),
        supersedes: text(body, "Supersedes"),
    })
}

fn listing(body: &Element) -> Option<Listing> {
    Some(Listing {
        resource: text(body, "Resource")?,
        producer: text(body, "Producer")?,
        metadata: hash(body, "Metadata")?,
        servers: texts(body, "Server"),
        status: text(body, "Status")?,
        supersedes: text(body, "Supersedes"),
    })
}

fn trade(body: &Element) -> Option<Trade> {
    let (who, what) = (body.first(TRADING, "Who")?, body.first(TRADING, "What")?);
    let (when, how) = (body.first(TRADING, "When")?, body.first(TRADING, "How")?);
    let evidence = match body.first(TRADING, "Evidence") {
        Some(evidence) => Some(read_evidence(evidence)?),
        None => None,
    };
    Some(Trade {
        terms: terms(body, who, what, when, how)?,
        status: text(how, "Status")?,
        grant: text(how, "GrantRef"),
        packed: what.first(TRADING, "Digest").is_some(),
        evidence,
    })
}

fn terms(root: &Element, who: &Element, what: &Element, when: &Element, why: &Element) -> Option<Terms> {
    Some(Terms {
        id: root.attribute("", "id")?.to_owned(),
        ledger: root.attribute("", "ledger")?.to_owned(),
        conversation: text(root, "ConversationId")?,
        sender: text(who, "Sender")?,
        receiver: text(who, "Receiver")?,
        user: principal(who.first(TRADING, "User")?)?,
        resource: text(what, "Resource")?,
        purpose: text(why, "Purpose")?,
        requested: Timestamp::parse(&text(when, "Requested")?)?,
    })
}

fn read_evidence(evidence: &Element) -> Option<Evidence> {
    let order = evidence.first(TRADING, "Order")?;
    Some(Evidence {
        terms: terms(order, order, order, order, order)?,
        octets: xsd::write::canonical(order, &[], &[]),
        signature: PartySignature::read(evidence.first(TRADING, "Signature")?)?,
    })
}
