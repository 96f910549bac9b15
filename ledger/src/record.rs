//! The nouns of the ledger: the entry that is proposed, the leaf that it becomes, and the verdict when it becomes none.

mod entry;
mod leaf;

pub use entry::{Entry, Place};
pub(crate) use leaf::{Parts, client_of};

use crate::tree::Hash;
use data_encoding::BASE64;
use std::fmt;
use xsd::read::Limits;
use xsd::time::{LAST, Timestamp};
use xsd::tree::{Element, QName};

/// Octets of the wire form of an entry with one body, so that its leaf has at most [`LEAF_BYTES_MAX`].
pub const ENTRY_BYTES_MAX: usize = 50_000;
/// Octets of a leaf: the length in an entry bundle of C2SP tlog-tiles is 16 bits.
pub const LEAF_BYTES_MAX: usize = 65_535;
/// Bodies of a batch.
pub const BATCH_MAX: usize = 256;
/// Octets of the wire form of a batch.
pub const BATCH_BYTES_MAX: usize = 1 << 20;
/// Signatures of one entry.
pub const SIGNATURES_MAX: usize = 64;
/// The namespace of leaves and the genesis.
pub const LEDGER_NS: &str = "urn:waybill:ledger:1";
const WIRE_MARK: u8 = 3;

/// The limits under which a record's body and a leaf are read.
#[must_use]
pub fn limits() -> Limits {
    Limits { document_bytes_max: 2 * ENTRY_BYTES_MAX, depth_max: 32, attributes_max: 32, children_max: 2_000, ..Limits::default() }
}

/// What a record is about; a leaf's `kind`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Leaf 0.
    Genesis,
    /// An account added, changed or deleted.
    User,
    /// A role defined or retired.
    Role,
    /// A role given to a user, or withdrawn.
    Assignment,
    /// A 4-tuple granted.
    Grant,
    /// A grant revoked.
    Revocation,
    /// An entry of the directory.
    Directory,
    /// A look into the directory.
    Inquiry,
    /// A trade.
    Trade,
    /// The hash of a log outside the ledger.
    Log,
    /// What the ledger says of itself.
    StateRoot,
    /// A change that the members shall decide.
    Proposal,
    /// A member's voice on a proposal.
    Ballot,
    /// A member's new keys or certificates.
    Key,
    /// What a member presented elsewhere and was refused.
    Refusal,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 15] = [
        Self::Genesis,
        Self::User,
        Self::Role,
        Self::Assignment,
        Self::Grant,
        Self::Revocation,
        Self::Directory,
        Self::Inquiry,
        Self::Trade,
        Self::Log,
        Self::StateRoot,
        Self::Proposal,
        Self::Ballot,
        Self::Key,
        Self::Refusal,
    ];

    /// Its code in a leaf.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Genesis => "genesis",
            Self::User => "user",
            Self::Role => "role",
            Self::Assignment => "assignment",
            Self::Grant => "grant",
            Self::Revocation => "revocation",
            Self::Directory => "directory",
            Self::Inquiry => "inquiry",
            Self::Trade => "trade",
            Self::Log => "log",
            Self::StateRoot => "state-root",
            Self::Proposal => "proposal",
            Self::Ballot => "ballot",
            Self::Key => "key",
            Self::Refusal => "refusal",
        }
    }

    /// The kind of this code.
    #[must_use]
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.code() == code)
    }

    /// The kind of a body by the name of its root.
    #[must_use]
    pub fn of(name: &QName) -> Option<Self> {
        match (name.namespace(), name.local()) {
            (LEDGER_NS, "Genesis") => Some(Self::Genesis),
            ("urn:waybill:authority:1", "User") => Some(Self::User),
            ("urn:waybill:authority:1", "Role") => Some(Self::Role),
            ("urn:waybill:authority:1", "Assignment") => Some(Self::Assignment),
            ("urn:waybill:authority:1", "Grant") => Some(Self::Grant),
            ("urn:waybill:authority:1", "Revocation") => Some(Self::Revocation),
            ("urn:waybill:directory:1", "Entry") => Some(Self::Directory),
            ("urn:waybill:directory:1", "Inquiry") => Some(Self::Inquiry),
            ("urn:waybill:trading:1", "Trade") => Some(Self::Trade),
            (LEDGER_NS, "Log") => Some(Self::Log),
            (LEDGER_NS, "StateRoot") => Some(Self::StateRoot),
            (LEDGER_NS, "Proposal") => Some(Self::Proposal),
            (LEDGER_NS, "Ballot") => Some(Self::Ballot),
            (LEDGER_NS, "Key") => Some(Self::Key),
            (LEDGER_NS, "Refusal") => Some(Self::Refusal),
            _ => None,
        }
    }
}

/// A detached Ed25519 signature of a member over a body's octets.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PartySignature {
    /// The member.
    pub account: String,
    /// The raw signature.
    pub value: [u8; 64],
}

impl PartySignature {
    /// The signature of `account` with its record key.
    #[must_use]
    pub fn sign(account: &str, key: &crate::keys::SecretKey, body: &[u8]) -> Self {
        Self { account: account.to_owned(), value: key.sign(body) }
    }

    /// Reads `@account`, `@algorithm` and the base64 text of an element of type `c:PartySignature`.
    #[must_use]
    pub fn read(element: &Element) -> Option<Self> {
        let account = element.attribute("", "account")?.to_owned();
        let value = BASE64.decode(element.string().as_bytes()).ok()?.try_into().ok()?;
        (element.attribute("", "algorithm")? == "Ed25519").then_some(Self { account, value })
    }

    /// Fills an empty element of type `c:PartySignature`.
    #[must_use]
    pub fn write(&self, element: Element) -> Element {
        element.with("account", self.account.as_str()).with("algorithm", "Ed25519").text(BASE64.encode(&self.value))
    }
}

/// Why a submission becomes no leaf.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// More than [`ENTRY_BYTES_MAX`].
    TooLarge,
    /// Not an entry, or its body no document, and what is wrong.
    Malformed(String),
    /// Writing what was read does not give back the body's octets.
    NotCanonical,
    /// The body is of no kind that the ledger keeps.
    UnknownKind,
    /// The body breaks its schema, and how.
    Invalid(String),
    /// The body names another ledger.
    WrongLedger,
    /// A party is no member.
    UnknownAccount(String),
    /// This party's signature is missing.
    MissingSignature(String),
    /// This account signed and is no party.
    StraySignature(String),
    /// This party's signature does not verify, over the body or over the order in it.
    BadSignature(String),
    /// This client id has a leaf already, whose octets are not here any more to be compared: submitting again changes nothing.
    Duplicate {
        /// The first one.
        index: u64,
    },
    /// Another body has this client id already.
    Conflict {
        /// The leaf that holds it.
        index: u64,
    },
}

impl Verdict {
    /// A stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::TooLarge => "too-large",
            Self::Malformed(_) => "malformed",
            Self::NotCanonical => "not-canonical",
            Self::UnknownKind => "unknown-kind",
            Self::Invalid(_) => "invalid",
            Self::WrongLedger => "wrong-ledger",
            Self::UnknownAccount(_) => "unknown-account",
            Self::MissingSignature(_) => "missing-signature",
            Self::StraySignature(_) => "stray-signature",
            Self::BadSignature(_) => "bad-signature",
            Self::Duplicate { .. } => "duplicate",
            Self::Conflict { .. } => "conflict",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(what)
            | Self::Invalid(what)
            | Self::UnknownAccount(what)
            | Self::MissingSignature(what)
            | Self::StraySignature(what)
            | Self::BadSignature(what) => write!(f, "{}: {what}", self.code()),
            Self::Duplicate { index } | Self::Conflict { index } => write!(f, "{}: leaf {index}", self.code()),
            _ => f.write_str(self.code()),
        }
    }
}

impl std::error::Error for Verdict {}

/// What a leaf did to the state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// The state took it in.
    Done,
    /// Well signed and against the rules: on record, without effect.
    Refused(Refusal),
}

impl Outcome {
    /// `done`, or the refusal's code.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Refused(refusal) => refusal.code(),
        }
    }

    /// The outcome of this code.
    #[must_use]
    pub fn from_code(code: &str) -> Option<Self> {
        let refusal = Refusal::ALL.into_iter().find(|refusal| refusal.code() == code);
        if code == "done" { Some(Self::Done) } else { refusal.map(Self::Refused) }
    }
}

macro_rules! refusals {
    ($($(#[$doc:meta])* $name:ident = $code:literal,)*) => {
        /// Why a well-signed record has no effect. Part of the format: a code never changes its meaning.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Refusal { $($(#[$doc])* $name,)* }

        impl Refusal {
            /// Every refusal.
            pub const ALL: [Self; [$($code),*].len()] = [$(Self::$name),*];

            /// Its code in a leaf.
            #[must_use]
            pub fn code(self) -> &'static str {
                match self { $(Self::$name => $code,)* }
            }
        }
    };
}

refusals! {
    /// The issuer, producer or sender does not own the object.
    NotOwner = "not-owner",
    /// The object has no entry in the directory, or it is withdrawn.
    NotPublished = "not-published",
    /// The account is not registered with its sector.
    UnknownUser = "unknown-user",
    /// The role is not defined by its sector.
    UnknownRole = "unknown-role",
    /// There is no such grant of this issuer.
    UnknownGrant = "unknown-grant",
    /// There is no such assignment.
    UnknownAssignment = "unknown-assignment",
    /// The account, role or assignment stands already.
    Exists = "exists",
    /// The certificate speaks for another account.
    CertificateTaken = "certificate-taken",
    /// The grant was revoked or superseded before.
    GrantEnded = "grant-ended",
    /// The period does not end after it starts.
    EmptyPeriod = "empty-period",
    /// The record it says to supersede is not the one that stands.
    NotSuperseded = "not-superseded",
    /// The grant named does not permit this trade at this time.
    NotPermitted = "not-permitted",
    /// A delivery without digest or grant, or a user of another sector than the receiver.
    Incomplete = "incomplete",
    /// The sender's record needs the receiver's order, or the order in it says something else.
    EvidenceMismatch = "evidence-mismatch",
    /// A trade cannot end with this status on the ledger.
    WrongStatus = "wrong-status",
    /// A second genesis.
    Founded = "founded",
    /// The ledger was stopped in an emergency.
    Stopped = "stopped",
    /// There is no such member.
    UnknownMember = "unknown-member",
    /// There is no such proposal.
    UnknownProposal = "unknown-proposal",
    /// The proposal was decided before.
    Closed = "closed",
    /// No rule counts this member's voice.
    NoVote = "no-vote",
    /// The member has too many open proposals.
    TooMany = "too-many",
    /// A key was a member's before.
    KeyUsed = "key-used",
    /// A node's number is not above all that ever were.
    NodeUsed = "node-used",
    /// It is so already.
    NoChange = "no-change",
    /// After it, the members left could not decide anything, or no node would vote.
    Undecidable = "undecidable",
    /// A party signed with a key that was its own before and was replaced or revoked.
    KeyRevoked = "key-revoked",
    /// The body's own time is far from ledger time.
    BackDated = "back-dated",
}

/// The streams that a leaf belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum StreamKind {
    /// What decides who signs and who counts: proposals, ballots and keys, by the ledger's id. One stream, so that whoever
    /// verifies can follow it without the rest.
    Governance,
    /// A grant and its end, by the grant's id.
    Grant,
    /// A resource.
    Object,
    /// Who asked.
    Receiver,
    /// Who gave, published or issued.
    Sender,
}

impl StreamKind {
    /// Every kind of stream.
    pub const ALL: [Self; 5] = [Self::Governance, Self::Grant, Self::Object, Self::Receiver, Self::Sender];

    /// Its code in a leaf; the codes sort as the kinds do.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Governance => "governance",
            Self::Grant => "grant",
            Self::Object => "object",
            Self::Receiver => "receiver",
            Self::Sender => "sender",
        }
    }

    /// The kind of this code.
    #[must_use]
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.code() == code)
    }
}

/// The place of a leaf in one stream.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Head {
    /// The stream's kind.
    pub kind: StreamKind,
    /// The stream's id.
    pub id: String,
    /// Its place, from 0.
    pub sequence: u64,
    /// The hash of the leaf before; zeros at 0.
    pub previous: Hash,
}

/// A record as the ledger keeps it: an `l:Leaf` of `xsd/ledger.xsd`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leaf {
    /// Its place in the ledger, from 0, without gaps.
    pub index: u64,
    /// Ledger time: max(previous, leader's stamp).
    pub time: Timestamp,
    /// The client id: the body's `id`.
    pub client: String,
    /// The kind.
    pub kind: Kind,
    /// The stream heads, sorted by (kind, id).
    pub heads: Vec<Head>,
    /// What it did.
    pub outcome: Outcome,
    /// The body and its signatures.
    pub entry: Entry,
}

/// Octets that are no leaf, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotALeaf(pub String);

impl fmt::Display for NotALeaf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not a leaf: {}", self.0)
    }
}

impl std::error::Error for NotALeaf {}

/// A decimal number in its one form: digits only, no leading zero.
#[must_use]
pub fn number(text: &str) -> Option<u64> {
    let value: u64 = text.parse().ok()?;
    (value.to_string() == text).then_some(value)
}

/// What a Raft entry carries: the leader's clock when it proposed, and an entry or a mark, the wish for a state root here.
pub(crate) struct Stamped;

impl Stamped {
    /// Eight octets of time, big-endian, before the entry's wire form.
    pub(crate) fn encode(time: Timestamp, entry: &[u8]) -> Vec<u8> {
        [time.0.to_be_bytes().as_slice(), entry].concat()
    }

    /// A mark.
    pub(crate) fn mark(time: Timestamp) -> Vec<u8> {
        Self::encode(time, &[WIRE_MARK])
    }

    /// The time, and the entry's wire form or a mark.
    ///
    /// # Errors
    /// There is no time, or one after the year 9999.
    pub(crate) fn split(octets: &[u8]) -> Result<(Timestamp, &[u8]), Verdict> {
        let Some((time, entry)) = octets.split_first_chunk::<8>() else {
            return Err(Verdict::Malformed("no time".to_owned()));
        };
        let time = Timestamp(u64::from_be_bytes(*time));
        if time > LAST {
            return Err(Verdict::Malformed("a time beyond all calendars".to_owned()));
        }
        Ok((time, entry))
    }

    pub(crate) fn is_mark(entry: &[u8]) -> bool {
        entry == [WIRE_MARK]
    }
}
