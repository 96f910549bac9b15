//! The bodies of records as the state machine sees them, and who must sign which.

mod form;
mod governance;
mod read;

pub use governance::{Action, Ballot, NewNode, Proposal, Proven, Refused, Rekey, Rule, Threshold};

use crate::clients::Tag;
use crate::keys::PublicKey;
use crate::record::{Entry, Kind, PartySignature, Place, Verdict, limits};
use crate::tree::{Hash, Tree, leaf_hash};
use std::collections::BTreeSet;
use std::fmt;
use std::sync::OnceLock;
use xsd::schema::Schemas;
use xsd::time::Timestamp;

/// What schemas let pass and records do without: the ledger's own prefix, which would not be declared again inside a leaf,
/// instructions, and the attributes that any element may carry.
const STRANGE: [&str; 3] = ["xmlns:leaf=", "<?", "http://www.w3.org/2001/XMLSchema-instance"];
/// Loaded once: every replica judges by the schemas it was built with.
static SCHEMAS: OnceLock<Option<Schemas>> = OnceLock::new();

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
        self.start <= time && (time < self.end || crate::mutant::is("grant-never-ends"))
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
    /// What proposals need; empty for a majority of the sectors.
    pub rules: Vec<Rule>,
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
    /// When.
    pub asked: Timestamp,
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

/// The hash of a log that a sector keeps itself (the paper's oLogH).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    /// Whose log.
    pub sector: String,
    /// Who signs too.
    pub peer: Option<String>,
}

/// What the ledger says of itself, between records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StateRoot {
    /// How many streams there are.
    pub streams: u64,
    /// The root over them; see [`crate::streams`].
    pub root: Hash,
    /// SHA-256 of the state's encoding before this leaf.
    pub state: Hash,
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
    /// See [`Log`].
    Log(Log),
    /// See [`StateRoot`].
    StateRoot(StateRoot),
    /// See [`Proposal`].
    Proposal(Proposal),
    /// See [`Ballot`].
    Ballot(Ballot),
    /// See [`Rekey`].
    Key(Box<Rekey>),
    /// See [`Refused`].
    Refusal(Refused),
}

/// A body that was read: canonical, of a known kind, valid against its schema.
#[derive(Clone, Debug)]
pub struct Record {
    id: String,
    ledger: String,
    kind: Kind,
    content: Content,
    /// Of the body's octets: as a leaf of the batch's tree, and to tell two bodies of one id apart.
    hash: Hash,
    tag: Tag,
}

impl Record {
    /// Reads a body.
    ///
    /// # Errors
    /// It is no document, not canonical, of no kind the ledger keeps, or breaks its schema.
    pub fn read(body: &[u8]) -> Result<Self, Verdict> {
        let hash = leaf_hash(body);
        if let Some((id, ledger, log)) = form::log(body) {
            let (id, ledger, tag) = (id.to_owned(), ledger.to_owned(), Tag::of(id));
            return Ok(Self { id, ledger, kind: Kind::Log, content: Content::Log(log), hash, tag });
        }
        Self::parse(body, hash)
    }

    fn parse(body: &[u8], hash: Hash) -> Result<Self, Verdict> {
        let element = xsd::read::read(body, Some("UTF-8"), &limits()).map_err(|error| Verdict::Malformed(error.to_string()))?;
        if xsd::write::canonical(&element, &[], &[]) != body {
            return Err(Verdict::NotCanonical);
        }
        let kind = Kind::of(element.name()).ok_or(Verdict::UnknownKind)?;
        let text = std::str::from_utf8(body).unwrap_or_default();
        if let Some(strange) = STRANGE.iter().find(|strange| text.contains(**strange)) {
            return Err(Verdict::Invalid(format!("{strange} has no place in a record")));
        }
        let schemas = SCHEMAS.get_or_init(|| xsd::unified::schemas().ok()).as_ref();
        let schemas = schemas.ok_or_else(|| Verdict::Invalid("the unified schemas do not load".to_owned()))?;
        if let Some(violation) = schemas.validate_all(&element, 1).first() {
            return Err(Verdict::Invalid(violation.to_string()));
        }
        let invalid = || Verdict::Invalid(format!("{} lacks a part or one has the wrong form", element.name()));
        let content = read::content(kind, &element).ok_or_else(invalid)?;
        let id = element.attribute("", "id").filter(|id| is_uuid(id)).ok_or_else(invalid)?.to_owned();
        let ledger = element.attribute("", "ledger").ok_or_else(invalid)?.to_owned();
        let tag = Tag::of(&id);
        Ok(Self { id, ledger, kind, content, hash, tag })
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

    /// The body by its kind.
    #[must_use]
    pub fn content(&self) -> &Content {
        &self.content
    }

    /// SHA-256 of an octet 0 and the body's octets.
    #[must_use]
    pub fn hash(&self) -> Hash {
        self.hash
    }

    pub(crate) fn tag(&self) -> Tag {
        self.tag
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
            Content::Log(log) => std::iter::once(log.sector.as_str()).chain(log.peer.as_deref()).collect(),
            Content::StateRoot(_) => BTreeSet::new(),
            Content::Proposal(proposal) => BTreeSet::from([proposal.proposer.as_str()]),
            Content::Ballot(ballot) => BTreeSet::from([ballot.voter.as_str()]),
            Content::Key(rekey) => BTreeSet::from([rekey.member.as_str()]),
            Content::Refusal(refused) => BTreeSet::from([refused.sector.as_str()]),
        }
    }
}

/// A submitted entry whose bodies were read. Its signatures are not checked yet.
#[derive(Clone, Debug)]
pub struct Request {
    entry: Entry,
    records: Vec<Record>,
    /// Of the first body in its batch.
    place: Option<Place>,
    /// What the parties of a batch signed.
    statement: Option<Vec<u8>>,
}

impl Request {
    /// Reads the bodies of an entry.
    ///
    /// # Errors
    /// A body cannot be read; or those of a batch are of several ledgers or parties, or two have one id.
    pub fn read(entry: Entry) -> Result<Self, Verdict> {
        let records = entry.bodies().iter().map(|body| Record::read(body)).collect::<Result<Vec<_>, _>>()?;
        let Some(first) = records.first() else { return Err(Verdict::Malformed("an entry without a body".to_owned())) };
        let ids: BTreeSet<&str> = records.iter().map(Record::id).collect();
        if ids.len() < records.len() {
            return Err(Verdict::Malformed("two bodies of one id".to_owned()));
        }
        let signers = first.signers();
        if records.iter().skip(1).any(|record| record.ledger != first.ledger || record.signers() != signers) {
            return Err(Verdict::Malformed("the bodies of a batch have one ledger and the same parties".to_owned()));
        }
        // What changes keys and members is judged, and verifies later, at its own place.
        let lone = |record: &Record| matches!(record.kind, Kind::Proposal | Kind::Ballot | Kind::Key);
        if (entry.is_batch() || entry.place().is_some()) && records.iter().any(lone) {
            return Err(Verdict::Malformed("proposals, ballots and keys are submitted alone".to_owned()));
        }
        let place = if entry.is_batch() { batched(&records) } else { entry.place() };
        let statement = place.map(|place| place.statement(first.ledger()));
        Ok(Self { entry, records, place, statement })
    }

    /// The client id; of a batch, that of its first body.
    #[must_use]
    pub fn id(&self) -> &str {
        self.first().id()
    }

    /// The ledger it is for.
    #[must_use]
    pub fn ledger(&self) -> &str {
        self.first().ledger()
    }

    /// The kind; of a batch, that of its first body.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.first().kind()
    }

    /// The body by its kind; of a batch, the first.
    #[must_use]
    pub fn content(&self) -> &Content {
        self.first().content()
    }

    /// What was submitted.
    #[must_use]
    pub fn entry(&self) -> &Entry {
        &self.entry
    }

    /// What was read of each body.
    #[must_use]
    pub fn records(&self) -> &[Record] {
        &self.records
    }

    /// The octets that the parties signed.
    #[must_use]
    pub fn signed(&self) -> &[u8] {
        self.statement.as_deref().unwrap_or(self.entry.body())
    }

    /// Where the body at `position` stands in its batch.
    #[must_use]
    pub fn place(&self, position: usize) -> Option<Place> {
        let place = self.place?;
        Some(if self.entry.is_batch() { Place { position: u8::try_from(position).ok()?, ..place } } else { place })
    }

    fn first(&self) -> &Record {
        let [first, ..] = self.records.as_slice() else { unreachable!("read makes no request without a record") };
        first
    }
}

fn batched(records: &[Record]) -> Option<Place> {
    let mut tree = Tree::default();
    for record in records {
        tree.push(record.hash);
    }
    Some(Place { position: 0, size: u16::try_from(records.len()).ok()?, root: tree.root(tree.size())? })
}

/// Lower-case hexadecimal in groups of 8-4-4-4-12 (RFC 9562 §4).
fn is_uuid(text: &str) -> bool {
    let hex = |group: &str| group.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
    text.split('-').map(str::len).eq([8, 4, 4, 4, 12]) && text.split('-').all(hex)
}
