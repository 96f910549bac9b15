//! The bodies of records as the state machine sees them, and who must sign which.

use crate::keys::PublicKey;
use crate::record::{Entry, Kind, LEDGER_NS, PartySignature, Verdict, limits};
use crate::tree::Hash;
use std::collections::BTreeSet;
use std::fmt;
use std::sync::OnceLock;
use xsd::schema::Schemas;
use xsd::time::Timestamp;
use xsd::tree::Element;

/// What schemas let pass and records do without: the ledger's own prefix, which would not be declared again inside a leaf,
/// instructions, and the attributes that any element may carry.
const STRANGE: [&str; 3] = ["xmlns:leaf=", "<?", "http://www.w3.org/2001/XMLSchema-instance"];
/// Loaded once: every replica judges by the schemas it was built with.
static SCHEMAS: OnceLock<Option<Schemas>> = OnceLock::new();
const AUTHORITY: &str = "urn:waybill:authority:1";
const DIRECTORY: &str = "urn:waybill:directory:1";
const TRADING: &str = "urn:waybill:trading:1";

/// A user or a role, and the sector that manages it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Principal {
    /// The sector.
    pub authority: String,
    /// The name inside it.
    pub name: String,
}

impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.authority, self.name)
    }
}

/// [start, end): the start is inside, the end is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Period {
    /// The first instant inside.
    pub start: Timestamp,
    /// The first instant after.
    pub end: Timestamp,
}

impl Period {
    /// Whether `time` is inside.
    #[must_use]
    pub fn contains(&self, time: Timestamp) -> bool {
        self.start <= time && time < self.end
    }
}

/// What a role may do with an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Permission {
    /// Read it.
    Read,
    /// Ask it questions.
    Query,
    /// Change it.
    Write,
    /// Be told of changes.
    Subscribe,
    /// Hand it on.
    Transfer,
}

impl Permission {
    /// Its code in a grant.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Query => "query",
            Self::Write => "write",
            Self::Subscribe => "subscribe",
            Self::Transfer => "transfer",
        }
    }

    /// The permission of this code.
    #[must_use]
    pub fn from_code(code: &str) -> Option<Self> {
        [Self::Read, Self::Query, Self::Write, Self::Subscribe, Self::Transfer].into_iter().find(|known| known.code() == code)
    }
}

/// How a member's node takes part in Raft.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Suffrage {
    /// It votes.
    Voter,
    /// It follows and witnesses.
    Learner,
}

/// A member as the genesis registers it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// The sector's name.
    pub id: String,
    /// Its node's number, from 1.
    pub node: u64,
    /// Whether it is the bureau.
    pub bureau: bool,
    /// Whether its node votes.
    pub suffrage: Suffrage,
    /// Signs the sector's records.
    pub record_key: PublicKey,
    /// Signs the node's checkpoints.
    pub node_key: PublicKey,
    /// SHA-256 of its TLS certificate's DER.
    pub tls_certificate: Hash,
    /// SHA-256 of the DER of the certificate that signs its messages.
    pub message_certificate: Hash,
    /// SHA-256 of the DER of its first administrator's certificate.
    pub administrator: Hash,
    /// Host and port of its services.
    pub service: String,
    /// Host and port of its ledger node.
    pub peer: String,
}

/// Leaf 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Genesis {
    /// When, by its founders.
    pub founded: Timestamp,
    /// How many nodes must sign a checkpoint.
    pub quorum: u64,
    /// The members.
    pub members: Vec<Member>,
}

/// An account added, modified or deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// The account.
    pub user: Principal,
    /// `add`, `modify` or `delete`.
    pub action: String,
    /// The class of the account.
    pub class: String,
    /// The certificates by which it speaks.
    pub certificates: Vec<Hash>,
}

/// A role defined or retired.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Role {
    /// The role.
    pub role: Principal,
    /// Defined; otherwise retired.
    pub define: bool,
}

/// A role given to a user, or withdrawn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assignment {
    /// The user.
    pub user: Principal,
    /// The role, of the same sector.
    pub role: Principal,
    /// Given; otherwise withdrawn.
    pub assign: bool,
    /// From when to when.
    pub period: Period,
}

/// The 4-tuple: role, object, permission, period.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// The sector that grants.
    pub issuer: String,
    /// To whom.
    pub role: Principal,
    /// On what.
    pub object: String,
    /// To do what.
    pub permissions: BTreeSet<Permission>,
    /// When.
    pub period: Period,
    /// For what; empty for everything.
    pub purposes: BTreeSet<String>,
    /// The grant that this one replaces.
    pub supersedes: Option<String>,
}

/// The end of a grant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revocation {
    /// The sector that granted.
    pub issuer: String,
    /// The grant.
    pub grant: String,
    /// Why, as a code.
    pub reason: String,
}

/// What stands of a directory entry in the state; the rest is in its leaf.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing {
    /// The resource.
    pub resource: String,
    /// Its producer.
    pub producer: String,
    /// SHA-256 of its metadata document.
    pub metadata: Hash,
    /// Host and port of its adapters.
    pub servers: Vec<String>,
    /// `active`, `suspended` or `withdrawn`.
    pub status: String,
    /// The entry before.
    pub supersedes: Option<String>,
}

/// A look into the directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inquiry {
    /// The asking sector.
    pub sector: String,
    /// For whom.
    pub user: Principal,
    /// For what.
    pub resources: Vec<String>,
}

/// What a trade and its order have in common.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    /// The order's and the trade's id.
    pub id: String,
    /// The ledger.
    pub ledger: String,
    /// The conversation of several trades.
    pub conversation: String,
    /// Who gives.
    pub sender: String,
    /// Who asked.
    pub receiver: String,
    /// For whom.
    pub user: Principal,
    /// What.
    pub resource: String,
    /// For what purpose.
    pub purpose: String,
    /// When it was asked.
    pub requested: Timestamp,
}

/// The receiver's signed order inside a trade record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// What was ordered.
    pub terms: Terms,
    /// The order's canonical octets.
    pub octets: Vec<u8>,
    /// The receiver's signature over them.
    pub signature: PartySignature,
}

/// One trade, one requested item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trade {
    /// Who, what, when and what for.
    pub terms: Terms,
    /// `delivered`, `denied`, `failed`, …
    pub status: String,
    /// The grant it rests on.
    pub grant: Option<String>,
    /// Whether a digest of a packet is there.
    pub packed: bool,
    /// The receiver's order, for the sender's records of trades that did not happen.
    pub evidence: Option<Evidence>,
}

/// A body by its kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// Leaf 0.
    Genesis(Genesis),
    /// See [`User`].
    User(User),
    /// See [`Role`].
    Role(Role),
    /// See [`Assignment`].
    Assignment(Assignment),
    /// See [`Grant`].
    Grant(Grant),
    /// See [`Revocation`].
    Revocation(Revocation),
    /// See [`Listing`].
    Directory(Listing),
    /// See [`Inquiry`].
    Inquiry(Inquiry),
    /// See [`Trade`].
    Trade(Box<Trade>),
}

/// A submitted entry whose body was read: canonical and of a known kind. Its signatures are not checked yet.
#[derive(Clone, Debug)]
pub struct Request {
    entry: Entry,
    element: Element,
    id: String,
    ledger: String,
    kind: Kind,
    content: Content,
}

impl Request {
    /// Reads the body of an entry.
    ///
    /// # Errors
    /// The body is no document, not canonical, of no kind the ledger keeps, or breaks its schema.
    pub fn read(entry: Entry) -> Result<Self, Verdict> {
        let element = xsd::read::read(entry.body(), Some("UTF-8"), &limits()).map_err(|error| Verdict::Malformed(error.to_string()))?;
        if xsd::write::canonical(&element, &[], &[]) != entry.body() {
            return Err(Verdict::NotCanonical);
        }
        let kind = Kind::of(element.name()).ok_or(Verdict::UnknownKind)?;
        let text = std::str::from_utf8(entry.body()).unwrap_or_default();
        if let Some(strange) = STRANGE.iter().find(|strange| text.contains(**strange)) {
            return Err(Verdict::Invalid(format!("{strange} has no place in a record")));
        }
        let schemas = SCHEMAS.get_or_init(|| xsd::unified::schemas().ok()).as_ref();
        let schemas = schemas.ok_or_else(|| Verdict::Invalid("the unified schemas do not load".to_owned()))?;
        if let Some(violation) = schemas.validate_all(&element, 1).first() {
            return Err(Verdict::Invalid(violation.to_string()));
        }
        let invalid = || Verdict::Invalid(format!("{} lacks a part or one has the wrong form", element.name()));
        let content = content(kind, &element).ok_or_else(invalid)?;
        let id = element.attribute("", "id").filter(|id| is_uuid(id)).ok_or_else(invalid)?.to_owned();
        let ledger = element.attribute("", "ledger").ok_or_else(invalid)?.to_owned();
        Ok(Self { entry, element, id, ledger, kind, content })
    }

    /// The client id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The ledger it is for.
    #[must_use]
    pub fn ledger(&self) -> &str {
        &self.ledger
    }

    /// The kind.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// What was submitted.
    #[must_use]
    pub fn entry(&self) -> &Entry {
        &self.entry
    }

    /// The body as a tree.
    #[must_use]
    pub fn element(&self) -> &Element {
        &self.element
    }

    /// The body by its kind.
    #[must_use]
    pub fn content(&self) -> &Content {
        &self.content
    }

    /// Who must sign this body, each once.
    #[must_use]
    pub fn signers(&self) -> BTreeSet<&str> {
        match &self.content {
            Content::Genesis(genesis) => genesis.members.iter().map(|member| member.id.as_str()).collect(),
            Content::User(user) => BTreeSet::from([user.user.authority.as_str()]),
            Content::Role(role) => BTreeSet::from([role.role.authority.as_str()]),
            Content::Assignment(assignment) => BTreeSet::from([assignment.user.authority.as_str()]),
            Content::Grant(grant) => BTreeSet::from([grant.issuer.as_str()]),
            Content::Revocation(revocation) => BTreeSet::from([revocation.issuer.as_str()]),
            Content::Directory(listing) => BTreeSet::from([listing.producer.as_str()]),
            Content::Inquiry(inquiry) => BTreeSet::from([inquiry.sector.as_str()]),
            Content::Trade(trade) => match (trade.status.as_str(), &trade.evidence) {
                ("delivered", _) => BTreeSet::from([trade.terms.sender.as_str(), trade.terms.receiver.as_str()]),
                ("denied" | "not-found", _) | ("failed" | "timed-out", Some(_)) => BTreeSet::from([trade.terms.sender.as_str()]),
                _ => BTreeSet::from([trade.terms.receiver.as_str()]),
            },
        }
    }
}

/// Lower-case hexadecimal in groups of 8-4-4-4-12 (RFC 9562 §4).
fn is_uuid(text: &str) -> bool {
    let hex = |group: &str| group.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
    text.split('-').map(str::len).eq([8, 4, 4, 4, 12]) && text.split('-').all(hex)
}

fn content(kind: Kind, body: &Element) -> Option<Content> {
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
        }),
        Kind::Trade => Content::Trade(Box::new(trade(body)?)),
    })
}

/// The text of the one child of this name in the parent's namespace.
fn text(parent: &Element, local: &str) -> Option<String> {
    parent.first(parent.name().namespace(), local).map(Element::string)
}

fn texts(parent: &Element, local: &str) -> Vec<String> {
    parent.all(parent.name().namespace(), local).map(Element::string).collect()
}

fn hash(parent: &Element, local: &str) -> Option<Hash> {
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
    Some(Genesis { founded, quorum: crate::record::number(&text(body, "Quorum")?)?, members })
}

fn member(element: &Element) -> Option<Member> {
    Some(Member {
        id: element.attribute("", "id")?.to_owned(),
        node: crate::record::number(element.attribute("", "node")?)?,
        bureau: match element.attribute("", "role")? {
            "bureau" => true,
            "sector" => false,
            _ => return None,
        },
        suffrage: match element.attribute("", "suffrage")? {
            "voter" => Suffrage::Voter,
            "learner" => Suffrage::Learner,
            _ => return None,
        },
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
