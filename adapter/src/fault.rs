//! The complete list of what a caller can be told when a call fails, and how it is told in both versions of SOAP.

mod received;

pub use received::Received;

use crate::soap::{self, Draft, Version};
use std::fmt;
use xsd::read::{Malformed, Rule};
use xsd::tree::{Attribute, Element, Place, QName};

/// The namespace of the element in which a fault explains itself.
pub const NAMESPACE: &str = "urn:waybill:fault:1";

/// The RFC 9110 `Retry-After` of a call that may be repeated as it is, in seconds.
const RETRY_AFTER_S: u32 = 2;

const XML: &str = "http://www.w3.org/XML/1998/namespace";

/// Why a call failed; one variant per thing a caller would do differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// The HTTP request contradicts RFC 9110 or 9112.
    BadRequest,
    /// Nothing is served at this path.
    NotFound,
    /// The path is served, but not with this method.
    MethodNotAllowed,
    /// The request did not arrive in time.
    RequestTimeout,
    /// The media type, charset or content coding is none that is read here.
    MediaType,
    /// The header section is too large.
    HeadersTooLarge,
    /// XML 1.0 or Namespaces in XML 1.0 is violated.
    NotWellFormed,
    /// A document type declaration (SOAP 1.2 part 1 §5).
    Doctype,
    /// The message is larger, deeper or wider than allowed.
    TooLarge,
    /// The octets are not of the stated character encoding.
    Encoding,
    /// The envelope does not have the shape of SOAP 1.1 §4 or SOAP 1.2 part 1 §5.
    Envelope,
    /// The root is no envelope of a known version.
    VersionMismatch,
    /// A mandatory header block is unknown.
    MustUnderstand,
    /// No operation takes this Body.
    UnknownOperation,
    /// The content is not valid against its schema.
    Invalid,
    /// A record in the call is not signed as it must be by its party.
    BadRecord,
    /// The record has no form in the other schema.
    Unmapped,
    /// `wsse:InvalidSecurity`: the security header is missing or has a forbidden shape.
    InvalidSecurity,
    /// `wsse:UnsupportedSecurityToken`: a token kind that is not accepted here.
    UnsupportedSecurityToken,
    /// `wsse:UnsupportedAlgorithm`: an algorithm that is not on the list.
    UnsupportedAlgorithm,
    /// `wsse:InvalidSecurityToken`: a token that cannot be read.
    InvalidSecurityToken,
    /// `wsse:FailedAuthentication`: nobody known, or a message seen before.
    FailedAuthentication,
    /// `wsse:FailedCheck`: a signature or digest does not verify, or does not cover what it must.
    FailedCheck,
    /// `wsse:SecurityTokenUnavailable`: the token referred to is not there.
    SecurityTokenUnavailable,
    /// `wsu:MessageExpired`: outside its time.
    MessageExpired,
    /// `wsa:InvalidAddressingHeader`: an addressing header that makes no sense.
    InvalidAddressingHeader,
    /// `wsa:InvalidCardinality`: an addressing header given twice.
    InvalidCardinality,
    /// `wsa:OnlyAnonymousAddressSupported`: a reply address other than anonymous or none.
    OnlyAnonymousAddressSupported,
    /// `wsa:MessageAddressingHeaderRequired`: an addressing header is missing.
    MessageAddressingHeaderRequired,
    /// `wsa:ActionNotSupported`: the action is none of this endpoint, or contradicts itself.
    ActionNotSupported,
    /// `wsa:DestinationUnreachable`: the message is for somebody else.
    DestinationUnreachable,
    /// The ledger holds no grant that permits this.
    Denied,
    /// The caller's certificate stands for nobody on the ledger, or for somebody who may not do this.
    NotRegistered,
    /// The caller is known, and may not do this.
    NotPermitted,
    /// There is no such resource or record.
    NoRecord,
    /// Another sector's adapter did not answer in time.
    PeerTimeout,
    /// No such trade is waiting here.
    UnknownTrade,
    /// The identifier was used before, for something else.
    Conflict,
    /// The ledger refused the record.
    Refused,
    /// The sector's own system did not answer.
    LegacyUnavailable,
    /// The sector's own system answered something that cannot be used.
    LegacyAnswer,
    /// The other sector's adapter did not answer.
    PeerUnavailable,
    /// The other sector's adapter answered something that cannot be used.
    PeerAnswer,
    /// The record is on the ledger, and this node has pruned its octets: another node or an archive has them.
    Pruned,
    /// The ledger has no quorum; nothing was released.
    NoQuorum,
    /// Too many calls at once.
    Busy,
    /// A defect of this program.
    Internal,
}

/// Who can mend it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mend {
    /// The one who called.
    Caller,
    /// The sector that holds the data.
    Provider,
    /// Whoever runs this node.
    Operator,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Sender,
    Receiver,
    MustUnderstand,
    VersionMismatch,
}

/// A code of another standard: its prefix, its namespace, and from the general to the special its names.
#[derive(Clone, Copy)]
struct Standard {
    prefix: &'static str,
    namespace: &'static str,
    names: &'static [&'static str],
}

struct Row {
    code: &'static str,
    class: Class,
    standard: Option<Standard>,
    status: Option<u16>,
    retry: bool,
    mend: Mend,
}

const fn sender(code: &'static str) -> Row {
    Row { code, class: Class::Sender, standard: None, status: None, retry: false, mend: Mend::Caller }
}

const fn http(code: &'static str, status: u16) -> Row {
    Row { code, class: Class::Sender, standard: None, status: Some(status), retry: false, mend: Mend::Caller }
}

const fn receiver(code: &'static str, mend: Mend, retry: bool, status: Option<u16>) -> Row {
    Row { code, class: Class::Receiver, standard: None, status, retry, mend }
}

const fn wsse(code: &'static str, names: &'static [&'static str]) -> Row {
    let standard = Standard { prefix: "wsse", namespace: crate::security::WSSE, names };
    Row { code, class: Class::Sender, standard: Some(standard), status: None, retry: false, mend: Mend::Caller }
}

const fn wsa(code: &'static str, names: &'static [&'static str]) -> Row {
    let standard = Standard { prefix: "wsa", namespace: crate::addressing::NAMESPACE, names };
    Row { code, class: Class::Sender, standard: Some(standard), status: None, retry: false, mend: Mend::Caller }
}

impl Reason {
    /// All of them, in the order of their declaration.
    pub const ALL: [Self; 47] = [
        Self::NotPermitted,
        Self::NoRecord,
        Self::PeerTimeout,
        Self::BadRequest,
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::RequestTimeout,
        Self::MediaType,
        Self::HeadersTooLarge,
        Self::NotWellFormed,
        Self::Doctype,
        Self::TooLarge,
        Self::Encoding,
        Self::Envelope,
        Self::VersionMismatch,
        Self::MustUnderstand,
        Self::UnknownOperation,
        Self::Invalid,
        Self::BadRecord,
        Self::Unmapped,
        Self::InvalidSecurity,
        Self::UnsupportedSecurityToken,
        Self::UnsupportedAlgorithm,
        Self::InvalidSecurityToken,
        Self::FailedAuthentication,
        Self::FailedCheck,
        Self::SecurityTokenUnavailable,
        Self::MessageExpired,
        Self::InvalidAddressingHeader,
        Self::InvalidCardinality,
        Self::OnlyAnonymousAddressSupported,
        Self::MessageAddressingHeaderRequired,
        Self::ActionNotSupported,
        Self::DestinationUnreachable,
        Self::Denied,
        Self::NotRegistered,
        Self::UnknownTrade,
        Self::Conflict,
        Self::Refused,
        Self::LegacyUnavailable,
        Self::LegacyAnswer,
        Self::PeerUnavailable,
        Self::PeerAnswer,
        Self::Pruned,
        Self::NoQuorum,
        Self::Busy,
        Self::Internal,
    ];

    fn row(self) -> Row {
        match self {
            Self::BadRequest => http("http.bad-request", 400),
            Self::NotFound => http("http.not-found", 404),
            Self::MethodNotAllowed => http("http.method", 405),
            Self::RequestTimeout => Row { retry: true, ..http("http.timeout", 408) },
            Self::MediaType => http("http.media-type", 415),
            Self::HeadersTooLarge => http("http.headers-too-large", 431),
            Self::NotWellFormed => sender("xml.not-well-formed"),
            Self::Doctype => sender("xml.doctype"),
            Self::TooLarge => http("xml.too-large", 413),
            Self::Encoding => sender("xml.encoding"),
            Self::Envelope => sender("soap.envelope"),
            Self::VersionMismatch => Row { class: Class::VersionMismatch, ..sender("soap.version") },
            Self::MustUnderstand => Row { class: Class::MustUnderstand, ..sender("soap.must-understand") },
            Self::UnknownOperation => sender("soap.operation"),
            Self::Invalid => sender("record.invalid"),
            Self::BadRecord => sender("record.signature"),
            Self::Unmapped => sender("record.unmapped"),
            Self::InvalidSecurity => wsse("security.invalid", &["InvalidSecurity"]),
            Self::UnsupportedSecurityToken => wsse("security.token-kind", &["UnsupportedSecurityToken"]),
            Self::UnsupportedAlgorithm => wsse("security.algorithm", &["UnsupportedAlgorithm"]),
            Self::InvalidSecurityToken => wsse("security.token", &["InvalidSecurityToken"]),
            Self::FailedAuthentication => wsse("security.authentication", &["FailedAuthentication"]),
            Self::FailedCheck => wsse("security.check", &["FailedCheck"]),
            Self::SecurityTokenUnavailable => wsse("security.token-unavailable", &["SecurityTokenUnavailable"]),
            Self::MessageExpired => {
                let standard = Standard { prefix: "wsu", namespace: crate::security::WSU, names: &["MessageExpired"] };
                Row { standard: Some(standard), ..sender("security.expired") }
            }
            Self::InvalidAddressingHeader => wsa("addressing.header", &["InvalidAddressingHeader"]),
            Self::InvalidCardinality => wsa("addressing.cardinality", &["InvalidAddressingHeader", "InvalidCardinality"]),
            Self::OnlyAnonymousAddressSupported => {
                wsa("addressing.reply-address", &["InvalidAddressingHeader", "OnlyAnonymousAddressSupported"])
            }
            Self::MessageAddressingHeaderRequired => wsa("addressing.required", &["MessageAddressingHeaderRequired"]),
            Self::ActionNotSupported => wsa("addressing.action", &["ActionNotSupported"]),
            Self::DestinationUnreachable => wsa("addressing.destination", &["DestinationUnreachable"]),
            Self::Denied => Row { mend: Mend::Provider, ..sender("trade.denied") },
            Self::NotRegistered => Row { mend: Mend::Operator, ..sender("caller.not-registered") },
            Self::NotPermitted => Row { mend: Mend::Operator, ..sender("caller.not-permitted") },
            Self::NoRecord => sender("trade.not-found"),
            Self::PeerTimeout => receiver("peer.timeout", Mend::Provider, true, None),
            Self::UnknownTrade => sender("trade.unknown"),
            Self::Conflict => sender("trade.conflict"),
            Self::Refused => sender("ledger.refused"),
            Self::LegacyUnavailable => receiver("legacy.unavailable", Mend::Provider, true, None),
            Self::LegacyAnswer => receiver("legacy.answer", Mend::Provider, false, None),
            Self::PeerUnavailable => receiver("peer.unavailable", Mend::Provider, true, None),
            Self::PeerAnswer => receiver("peer.answer", Mend::Provider, false, None),
            Self::Pruned => receiver("ledger.pruned", Mend::Operator, false, None),
            Self::NoQuorum => receiver("ledger.no-quorum", Mend::Operator, true, Some(503)),
            Self::Busy => receiver("busy", Mend::Operator, true, Some(503)),
            Self::Internal => receiver("internal", Mend::Operator, false, None),
        }
    }

    /// The stable code, which `waybill fault` explains.
    #[must_use]
    pub fn code(self) -> &'static str {
        self.row().code
    }

    /// Whether the same call may succeed later.
    #[must_use]
    pub fn retry(self) -> bool {
        self.row().retry
    }

    /// Who can mend it.
    #[must_use]
    pub fn mend(self) -> Mend {
        self.row().mend
    }

    /// Whether the fault is about a header block, which in SOAP 1.1 (§4.4) keeps its explanation out of `detail`.
    fn of_header(self) -> bool {
        self == Self::MustUnderstand || self.row().standard.is_some()
    }
}

impl Mend {
    fn name(self) -> &'static str {
        match self {
            Self::Caller => "caller",
            Self::Provider => "provider",
            Self::Operator => "operator",
        }
    }
}

/// A fault: what a caller may know. What only the operator may know goes to the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    reason: Reason,
    account: Box<Account>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Account {
    sentence: String,
    xpath: Option<String>,
    place: Option<Place>,
    trade: Option<String>,
    evidence: Vec<Element>,
    verdict: Option<&'static str>,
    not_understood: Vec<QName>,
}

impl Fault {
    /// A fault, with the sentence that explains it to a person.
    #[must_use]
    pub fn new(reason: Reason, sentence: impl Into<String>) -> Self {
        Self { reason, account: Box::new(Account { sentence: sentence.into(), ..Account::default() }) }
    }

    /// Says which node of the received message it is about.
    #[must_use]
    pub fn xpath(mut self, xpath: impl Into<String>) -> Self {
        self.account.xpath = Some(xpath.into());
        self
    }

    /// Says where in the received text that node starts; line 0 (a tree that was never text) is left out.
    #[must_use]
    pub fn at(mut self, place: Place) -> Self {
        self.account.place = (place.line > 0).then_some(place);
        self
    }

    /// Names the trade that failed.
    #[must_use]
    pub fn trade(mut self, id: impl Into<String>) -> Self {
        self.account.trade = Some(id.into());
        self
    }

    /// Puts an element, such as the denied record, beside the explanation in `detail`.
    #[must_use]
    pub fn evidence(mut self, element: Element) -> Self {
        self.account.evidence.push(element);
        self
    }

    /// Says what a record of this refusal says, more exactly than the reason does.
    #[must_use]
    pub fn because(mut self, verdict: &'static str) -> Self {
        self.account.verdict = Some(verdict);
        self
    }

    /// See [`Fault::because`].
    #[must_use]
    pub fn verdict(&self) -> Option<&'static str> {
        self.account.verdict
    }

    /// Names the header blocks that a MustUnderstand fault is about (SOAP 1.2 part 1 §5.4.8).
    #[must_use]
    pub(crate) fn not_understood(mut self, blocks: Vec<QName>) -> Self {
        self.account.not_understood = blocks;
        self
    }

    /// Why.
    #[must_use]
    pub fn reason(&self) -> Reason {
        self.reason
    }

    /// The sentence.
    #[must_use]
    pub fn sentence(&self) -> &str {
        &self.account.sentence
    }

    /// The HTTP status: 500 in SOAP 1.1 and for faults of the receiver, 400 for a sender's in SOAP 1.2, or one of HTTP's own.
    #[must_use]
    pub fn status(&self, version: Version) -> u16 {
        let row = self.reason.row();
        match (row.status, version, row.class) {
            (Some(status), ..) => status,
            (None, Version::Soap12, Class::Sender) => 400,
            _ => 500,
        }
    }

    /// Seconds for `Retry-After`, with status 503.
    #[must_use]
    pub fn retry_after_s(&self) -> Option<u32> {
        (self.reason.row().status == Some(503)).then_some(RETRY_AFTER_S)
    }

    /// The action of WS-Addressing 1.0 SOAP binding §6 for this fault.
    #[must_use]
    pub fn action(&self) -> &'static str {
        match self.reason.row().standard {
            Some(standard) if standard.prefix == "wsa" => "http://www.w3.org/2005/08/addressing/fault",
            _ => "http://www.w3.org/2005/08/addressing/soap/fault",
        }
    }

    /// The message that carries this fault, without addressing headers.
    #[must_use]
    pub fn draft(&self, version: Version) -> Draft {
        match version {
            Version::Soap11 => self.draft11(),
            Version::Soap12 => self.draft12(),
        }
    }

    /// SOAP 1.1 §4.4: unqualified children; `faultcode` is the most special code of a standard that has its own.
    fn draft11(&self) -> Draft {
        let row = self.reason.row();
        let (prefix, namespace, local) = match row.standard {
            Some(standard) => (standard.prefix, standard.namespace, standard.names.last().copied().unwrap_or_default()),
            None => (soap::PREFIX, Version::Soap11.namespace(), class11(row.class)),
        };
        let plain = |local: &str| Element::new("", QName::new("", local));
        let code = plain("faultcode").declare(prefix, namespace).text(format!("{prefix}:{local}"));
        let fault = Version::Soap11.element("Fault").child(code).child(in_english(plain("faultstring")).text(self.sentence()));
        if self.reason.of_header() {
            let fault = self.account.evidence.iter().cloned().fold(fault, Element::child);
            return Draft::new(Version::Soap11).header(self.explanation()).body(fault);
        }
        let detail = self.account.evidence.iter().cloned().fold(plain("detail").child(self.explanation()), Element::child);
        Draft::new(Version::Soap11).body(fault.child(detail))
    }

    /// SOAP 1.2 part 1 §5.4.
    fn draft12(&self) -> Draft {
        let row = self.reason.row();
        let env = |local: &str| Version::Soap12.element(local);
        let mut code = env("Code").child(env("Value").declare(soap::PREFIX, Version::Soap12.namespace()).text(format!(
            "{}:{}",
            soap::PREFIX,
            class12(row.class)
        )));
        if let Some(standard) = row.standard {
            let mut inner: Option<Element> = None;
            for name in standard.names.iter().rev() {
                let value = env("Value").declare(standard.prefix, standard.namespace).text(format!("{}:{name}", standard.prefix));
                let subcode = env("Subcode").child(value);
                inner = Some(match inner {
                    Some(special) => subcode.child(special),
                    None => subcode,
                });
            }
            code = inner.into_iter().fold(code, Element::child);
        }
        let reason = env("Reason").child(in_english(env("Text")).text(self.sentence()));
        let detail = self.account.evidence.iter().cloned().fold(env("Detail").child(self.explanation()), Element::child);
        let fault = env("Fault").child(code).child(reason).child(detail);
        self.headers12().into_iter().fold(Draft::new(Version::Soap12), Draft::header).body(fault)
    }

    /// The header blocks that two faults of SOAP 1.2 carry (part 1 §5.4.7 and §5.4.8).
    fn headers12(&self) -> Vec<Element> {
        if self.reason == Reason::VersionMismatch {
            let supported = |prefix: &'static str, version: Version| {
                let name = format!("{prefix}:Envelope");
                Version::Soap12.element("SupportedEnvelope").declare(prefix, version.namespace()).with("qname", name)
            };
            let upgrade = Version::Soap12.element("Upgrade");
            return vec![upgrade.child(supported(soap::PREFIX, Version::Soap12)).child(supported("s11", Version::Soap11))];
        }
        let block = |name: &QName| {
            let block = Version::Soap12.element("NotUnderstood");
            if name.namespace().is_empty() {
                return block.with("qname", name.local());
            }
            block.declare("h", name.namespace()).with("qname", format!("h:{}", name.local()))
        };
        self.account.not_understood.iter().map(block).collect()
    }

    /// f:Detail of the contracts' fault.xsd.
    fn explanation(&self) -> Element {
        let row = self.reason.row();
        let detail = Element::new("f", QName::new(NAMESPACE, "Detail")).leaf("Code", row.code).leaf("Sentence", self.sentence());
        let place = self.account.place;
        let optional = [
            ("XPath", self.account.xpath.clone()),
            ("Line", place.map(|place| place.line.to_string())),
            ("Column", place.map(|place| place.column.to_string())),
            ("TradeId", self.account.trade.clone()),
        ];
        let known = optional.into_iter().filter_map(|(local, text)| Some((local, text?)));
        let detail = known.fold(detail, |detail, (local, text)| detail.leaf(local, text));
        detail.leaf("Retry", if row.retry { "true" } else { "false" }).leaf("MendedBy", row.mend.name())
    }
}

fn in_english(element: Element) -> Element {
    let mut element = element;
    element.set_attribute(Attribute { name: QName::new(XML, "lang"), prefix: "xml".into(), value: String::from("en") });
    element
}

fn class11(class: Class) -> &'static str {
    match class {
        Class::Sender => "Client",
        Class::Receiver => "Server",
        _ => class12(class),
    }
}

fn class12(class: Class) -> &'static str {
    match class {
        Class::Sender => "Sender",
        Class::Receiver => "Receiver",
        Class::MustUnderstand => "MustUnderstand",
        Class::VersionMismatch => "VersionMismatch",
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.reason.code(), self.sentence())
    }
}

impl std::error::Error for Fault {}

impl From<xsd::validate::Invalid> for Fault {
    fn from(invalid: xsd::validate::Invalid) -> Self {
        let fault = Self::new(Reason::Invalid, invalid.to_string());
        match invalid.violations.first() {
            Some(first) => fault.xpath(format!("/Envelope/Body{}", first.path)).at(first.place),
            None => fault,
        }
    }
}

impl From<Malformed> for Fault {
    fn from(malformed: Malformed) -> Self {
        let reason = match malformed.rule {
            // A message is in memory when it is read: its source cannot fail.
            Rule::NotWellFormed | Rule::Source => Reason::NotWellFormed,
            Rule::Doctype => Reason::Doctype,
            Rule::TooLarge => Reason::TooLarge,
            Rule::Encoding => Reason::Encoding,
        };
        Self::new(reason, malformed.what).at(malformed.place)
    }
}
