//! The documents of the unified schemas and of the service contracts as types: yaserde reads them, the one writer writes them.
//!
//! yaserde is tolerant: it overlooks elements it does not know, takes the last of two, and accepts any root. So a document is
//! read only by [`Document::read`] and [`Document::of`], which write what was read and compare octets: what a type would lose
//! is an error here, never a silence. The reader is given every character of the content; yaserde's own would trim it.

#[macro_use]
mod shape;
pub mod audit;
pub mod authority;
pub mod business;
pub mod directory;
pub mod governance;
pub mod metadata;
pub mod registry;
pub mod trading;

use shape::empty;
pub use shape::{Content, is_known, namespace};
use std::fmt;
use xsd::time::Timestamp;
use xsd::tree::{Attribute, Element, Node, QName};
use xsd::write::canonical;
use yaserde::__xml::reader::{EventReader, ParserConfig};
use yaserde::YaDeserialize;
use yaserde::de::Deserializer;

/// Namespace of `xsi:nil`, `xsi:type` and the schema hints.
pub const XSI: &str = "http://www.w3.org/2001/XMLSchema-instance";

/// Why octets are not a document of a type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unreadable {
    /// yaserde does not find the type in them; its own words.
    NotThis(String),
    /// They hold more than the type does, or spell a value in another way than the writer: the first place, in octets, where
    /// what was read and what is written part.
    NotCanonical(usize),
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotThis(what) => f.write_str(what),
            Self::NotCanonical(at) => write!(f, "the document holds something in a form that is not canonical, after {at} octets"),
        }
    }
}

impl std::error::Error for Unreadable {}

/// A document that has one canonical form. Reading costs about 0.4 ms for a kilobyte: what is only passed on stays a tree.
pub trait Document: Content + YaDeserialize {
    /// The house's prefix for the root's namespace, and the root's local name.
    const ROOT: (&'static str, &'static str);

    /// The root's name.
    #[must_use]
    fn name() -> QName {
        QName::new(namespace(Self::ROOT.0), Self::ROOT.1)
    }

    /// The document as a tree.
    #[must_use]
    fn element(&self) -> Element {
        let mut root = Element::new(Self::ROOT.0, Self::name());
        self.fill(&mut root);
        root
    }

    /// The canonical octets: what is hashed, signed and stored.
    #[must_use]
    fn octets(&self) -> Vec<u8> {
        canonical(&self.element(), &[], &[])
    }

    /// Reads canonical octets.
    ///
    /// # Errors
    /// They are not this document, or not in the form that [`Document::octets`] would give it.
    fn read(octets: &[u8]) -> Result<Self, Unreadable> {
        let config = ParserConfig::new()
            .trim_whitespace(false)
            .whitespace_to_characters(true)
            .cdata_to_characters(true)
            .ignore_comments(true)
            .coalesce_characters(true);
        let mut reader = Deserializer::new(EventReader::new_with_config(octets, config));
        let document = Self::deserialize(&mut reader).map_err(|error| Unreadable::NotThis(error.to_string()))?;
        let written = document.octets();
        if written == octets {
            return Ok(document);
        }
        let at = written.iter().zip(octets).take_while(|(ours, theirs)| ours == theirs).count();
        Err(Unreadable::NotCanonical(at))
    }

    /// Reads an element that the schema has found valid, whatever prefixes and layout its sender chose.
    ///
    /// # Errors
    /// As [`Document::read`], for the element in the house's prefixes.
    fn of(element: &Element) -> Result<Self, Unreadable> {
        Self::read(&canonical(&plain(element), &[], &[]))
    }
}

/// The element in the house's prefixes, without comments, instructions, layout and schema hints. For schema-valid elements only:
/// there, white space beside child elements means nothing, and xsi:type can only repeat what our types say.
#[must_use]
pub fn plain(element: &Element) -> Element {
    let mut plain = Element::new(shape::prefix(element.name().namespace()), element.name().clone());
    plain.set_place(element.place());
    for attribute in element.attributes() {
        if attribute.name.namespace() != XSI {
            plain.set_attribute(Attribute { prefix: shape::prefix(attribute.name.namespace()).into(), ..attribute.clone() });
        } else if attribute.name.local() == "nil" && matches!(attribute.value.trim(), "true" | "1") {
            set_nil(&mut plain);
        }
    }
    let structured = element.elements().next().is_some();
    for node in element.children() {
        match node {
            Node::Element(child) => plain.push(self::plain(child)),
            Node::Text(text) if !(structured && text.trim().is_empty()) => plain.push_text(text),
            Node::Text(_) | Node::Comment | Node::Instruction { .. } => {}
        }
    }
    plain
}

fn set_nil(element: &mut Element) {
    element.set_attribute(Attribute { name: QName::new(XSI, "nil"), prefix: "xsi".into(), value: "true".to_owned() });
}

/// An instant: xs:dateTime in its one form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Instant(pub Timestamp);

impl Instant {
    fn parse(text: &str) -> Option<Self> {
        Timestamp::parse(text).map(Self)
    }
}

impl fmt::Display for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl From<Timestamp> for Instant {
    fn from(instant: Timestamp) -> Self {
        Self(instant)
    }
}

simple!(Instant);

tokens! {
    /// What became of a trade (unified-schema code list).
    Status {
        /// Asked for.
        Requested = "requested",
        /// Allowed.
        Granted = "granted",
        /// Not allowed.
        Denied = "denied",
        /// Handed over.
        Delivered = "delivered",
        /// Something broke.
        Failed = "failed",
        /// There is no such record.
        NotFound = "not-found",
        /// The other side did not answer in time.
        TimedOut = "timed-out",
    }
    /// What a grant allows.
    Permission {
        /// Read Only.
        Read = "read",
        /// Ask whether and how many.
        Query = "query",
        /// Change.
        Write = "write",
        /// Be told of changes.
        Subscribe = "subscribe",
        /// Hand on.
        Transfer = "transfer",
    }
    /// Who can do something about a fault.
    MendedBy {
        /// Who asked.
        Caller = "caller",
        /// Who holds the data.
        Provider = "provider",
        /// Who runs the gateway.
        Operator = "operator",
    }
}

shape! {
    /// c:Principal: a user or a role, and the sector that manages it.
    Principal {
        attributes { "authority" authority: String }
        text name
    }
    /// c:Period: [NotBefore, NotAfter).
    Period {
        elements { "" "NotBefore" not_before: Instant, "" "NotAfter" not_after: Instant }
    }
    /// c:PartySignature: detached, raw, over the canonical octets of a record; the text is base64.
    PartySignature {
        attributes { "account" account: String, "algorithm" algorithm: String }
        text base64
    }
    /// A text and its language (m:Phrase, b:Phrase, d:Title).
    Phrase {
        attributes { "lang" lang: String }
        text text
    }
    /// A field and the value it must have (b:Selection, st:Item).
    Criterion {
        attributes { "field" field: String }
        text value
    }
    /// An identifier and its scheme (b:Identifier), or a code and its list (m:Coded).
    Identifier {
        attributes { "scheme" scheme: String }
        text value
    }
    /// A digest in lower-case hexadecimal.
    Digest {
        attributes { "alg" alg: String }
        text hex
    }
    /// A business definition by id and version.
    DefinitionRef {
        attributes { "id" id: String, "version" version: String }
    }
    /// r:Receipt: the proof that a record stands on the ledger.
    Receipt = "r" "Receipt" {
        elements { "r" "LeafIndex" leaf_index: u64, "r" "Proof" proof: String }
    }
    /// f:Detail: what stands in the detail of every fault.
    FaultDetail = "f" "Detail" {
        elements {
            "f" "Code" code: String,
            "f" "Sentence" sentence: String,
            "f" "XPath" xpath: Option<String>,
            "f" "Line" line: Option<u64>,
            "f" "Column" column: Option<u64>,
            "f" "TradeId" trade_id: Option<String>,
            "f" "Retry" retry: bool,
            "f" "MendedBy" mended_by: MendedBy,
        }
    }
}

impl Period {
    /// Whether `instant` is inside: the start is, the end is not.
    #[must_use]
    pub fn contains(&self, instant: Timestamp) -> bool {
        self.not_before.0 <= instant && instant < self.not_after.0
    }
}

impl PartySignature {
    /// An Ed25519 signature of `account`.
    #[must_use]
    pub fn ed25519(account: &str, raw: &[u8]) -> Self {
        Self { account: account.to_owned(), algorithm: "Ed25519".to_owned(), base64: data_encoding::BASE64.encode(raw) }
    }

    /// The raw signature; `None` where the text is not base64.
    #[must_use]
    pub fn raw(&self) -> Option<Vec<u8>> {
        data_encoding::BASE64.decode(self.base64.as_bytes()).ok()
    }
}

#[cfg(test)]
mod tests;
