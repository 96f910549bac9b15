//! The nouns of the ledger: the entry that is proposed, the leaf that it becomes, and the verdict when it becomes none.

use crate::tree::{Hash, leaf_hash};
use data_encoding::BASE64;
use std::fmt;
use xsd::read::Limits;
use xsd::time::{LAST, Timestamp};
use xsd::tree::{Element, QName};

/// Octets of one entry in its wire form, and of one leaf: an entry bundle of C2SP tlog-tiles holds at most 65,535 a leaf.
pub const ENTRY_BYTES_MAX: usize = 60_000;
/// Signatures of one entry.
pub const SIGNATURES_MAX: usize = 64;
/// The namespace of leaves and the genesis.
pub const LEDGER_NS: &str = "urn:waybill:ledger:1";
/// The prefix of a leaf's own elements. No body uses it, so a body's octets stand in the leaf as they were signed.
const LEAF_PREFIX: &str = "leaf";
const WIRE_VERSION: u8 = 1;

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
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 9] = [
        Self::Genesis,
        Self::User,
        Self::Role,
        Self::Assignment,
        Self::Grant,
        Self::Revocation,
        Self::Directory,
        Self::Inquiry,
        Self::Trade,
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

/// What is submitted: the octets of one body and the signatures of its parties, sorted by account, one each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    body: Vec<u8>,
    signatures: Vec<PartySignature>,
}

impl Entry {
    /// Puts an entry together, sorting the signatures.
    ///
    /// # Errors
    /// [`Verdict::TooLarge`], or [`Verdict::Malformed`] for two signatures of one account.
    pub fn new(body: Vec<u8>, mut signatures: Vec<PartySignature>) -> Result<Self, Verdict> {
        signatures.sort();
        if signatures.windows(2).any(|pair| matches!(pair, [left, right] if left.account == right.account)) {
            return Err(Verdict::Malformed("two signatures of one account".to_owned()));
        }
        let accounts = signatures.iter().all(|signature| u8::try_from(signature.account.len()).is_ok());
        let entry = Self { body, signatures };
        if !accounts || entry.signatures.len() > SIGNATURES_MAX || entry.encode().len() > ENTRY_BYTES_MAX {
            return Err(Verdict::TooLarge);
        }
        Ok(entry)
    }

    /// The octets that the parties signed.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// The signatures, sorted by account.
    #[must_use]
    pub fn signatures(&self) -> &[PartySignature] {
        &self.signatures
    }

    /// The one wire form: version, signature count, then per signature the account's length and octets and 64 octets of
    /// signature, then the body to the end.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut octets = vec![WIRE_VERSION, u8::try_from(self.signatures.len()).unwrap_or(u8::MAX)];
        for signature in &self.signatures {
            octets.push(u8::try_from(signature.account.len()).unwrap_or(u8::MAX));
            octets.extend_from_slice(signature.account.as_bytes());
            octets.extend_from_slice(&signature.value);
        }
        octets.extend_from_slice(&self.body);
        octets
    }

    /// Reads the wire form, and nothing else than it.
    ///
    /// # Errors
    /// [`Verdict::TooLarge`] or [`Verdict::Malformed`].
    pub fn decode(octets: &[u8]) -> Result<Self, Verdict> {
        if octets.len() > ENTRY_BYTES_MAX {
            return Err(Verdict::TooLarge);
        }
        let entry = Self::split(octets).ok_or_else(|| Verdict::Malformed("not the wire form of an entry".to_owned()))?;
        let entry = Self::new(entry.body, entry.signatures)?;
        if entry.encode() == octets { Ok(entry) } else { Err(Verdict::Malformed("signatures out of order".to_owned())) }
    }

    fn split(octets: &[u8]) -> Option<Self> {
        let (&[version, count], mut rest) = octets.split_first_chunk::<2>()?;
        let mut signatures = Vec::new();
        for _ in 0..count {
            let (length, tail) = rest.split_first()?;
            let (account, tail) = tail.split_at_checked(usize::from(*length))?;
            let (value, tail) = tail.split_first_chunk::<64>()?;
            signatures.push(PartySignature { account: std::str::from_utf8(account).ok()?.to_owned(), value: *value });
            rest = tail;
        }
        (version == WIRE_VERSION).then(|| Self { body: rest.to_vec(), signatures })
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
    /// The same body has a leaf already: submitting again changes nothing.
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
}

/// The streams that a leaf belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum StreamKind {
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
    pub const ALL: [Self; 4] = [Self::Grant, Self::Object, Self::Receiver, Self::Sender];

    /// Its code in a leaf; the codes sort as the kinds do.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
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

impl Leaf {
    /// The leaf's octets: the canonical form of its element with the body inside as it was signed. `body` is the tree of
    /// the body's octets.
    #[must_use]
    pub fn octets(&self, body: &Element) -> Vec<u8> {
        let mut leaf = Element::new(LEAF_PREFIX, QName::new(LEDGER_NS, "Leaf"))
            .with("client", self.client.as_str())
            .with("index", self.index.to_string())
            .with("kind", self.kind.code())
            .with("time", self.time.to_string());
        for head in &self.heads {
            let stream = leaf
                .sibling("Stream")
                .with("kind", head.kind.code())
                .with("id", head.id.as_str())
                .with("sequence", head.sequence.to_string())
                .with("previous", head.previous.to_string());
            leaf.push(stream);
        }
        leaf = leaf.leaf("Outcome", self.outcome.code());
        let holder = leaf.sibling("Body").child(body.clone());
        leaf.push(holder);
        for signature in &self.entry.signatures {
            let signature = signature.write(leaf.sibling("Signature"));
            leaf.push(signature);
        }
        xsd::write::canonical(&leaf, &[], &[])
    }

    /// Reads a leaf, and accepts nothing but the octets that [`Leaf::octets`] writes.
    ///
    /// # Errors
    /// The octets are no leaf, or not its canonical form.
    pub fn read(octets: &[u8]) -> Result<Self, NotALeaf> {
        let root = xsd::read::read(octets, Some("UTF-8"), &limits()).map_err(|error| NotALeaf(error.to_string()))?;
        let (leaf, body) = Self::of(&root).ok_or_else(|| NotALeaf("a part is missing or has the wrong form".to_owned()))?;
        if leaf.octets(body) == octets { Ok(leaf) } else { Err(NotALeaf("not in canonical form".to_owned())) }
    }

    /// The hash of a leaf's octets (RFC 6962 §2.1).
    #[must_use]
    pub fn hash(octets: &[u8]) -> Hash {
        leaf_hash(octets)
    }

    fn of(root: &Element) -> Option<(Self, &Element)> {
        let heads = root.all(LEDGER_NS, "Stream").map(read_head).collect::<Option<Vec<_>>>()?;
        let body = root.first(LEDGER_NS, "Body")?.elements().next()?;
        let signatures = root.all(LEDGER_NS, "Signature").map(PartySignature::read).collect::<Option<Vec<_>>>()?;
        let leaf = Self {
            index: number(root.attribute("", "index")?)?,
            time: Timestamp::parse(root.attribute("", "time")?)?,
            client: root.attribute("", "client")?.to_owned(),
            kind: Kind::from_code(root.attribute("", "kind")?)?,
            heads,
            outcome: Outcome::from_code(&root.first(LEDGER_NS, "Outcome")?.string())?,
            entry: Entry { body: xsd::write::canonical(body, &[], &[]), signatures },
        };
        root.name().is(LEDGER_NS, "Leaf").then_some((leaf, body))
    }
}

fn read_head(stream: &Element) -> Option<Head> {
    Some(Head {
        kind: StreamKind::from_code(stream.attribute("", "kind")?)?,
        id: stream.attribute("", "id")?.to_owned(),
        sequence: number(stream.attribute("", "sequence")?)?,
        previous: Hash::from_hex(stream.attribute("", "previous")?)?,
    })
}

/// A decimal number in its one form: digits only, no leading zero.
#[must_use]
pub fn number(text: &str) -> Option<u64> {
    let value: u64 = text.parse().ok()?;
    (value.to_string() == text).then_some(value)
}

/// An entry with the leader's stamp: what a Raft entry carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stamped {
    /// The leader's clock when it proposed.
    pub(crate) time: Timestamp,
    /// What was submitted.
    pub(crate) entry: Entry,
}

impl Stamped {
    /// Eight octets of time, big-endian, before the entry's wire form.
    pub(crate) fn encode(time: Timestamp, entry: &[u8]) -> Vec<u8> {
        [time.0.to_be_bytes().as_slice(), entry].concat()
    }

    /// # Errors
    /// As [`Entry::decode`], and for a time after the year 9999.
    pub(crate) fn decode(octets: &[u8]) -> Result<Self, Verdict> {
        let Some((time, entry)) = octets.split_first_chunk::<8>() else {
            return Err(Verdict::Malformed("no time".to_owned()));
        };
        let time = Timestamp(u64::from_be_bytes(*time));
        if time > LAST {
            return Err(Verdict::Malformed("a time beyond all calendars".to_owned()));
        }
        Ok(Self { time, entry: Entry::decode(entry)? })
    }
}
