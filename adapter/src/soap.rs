//! SOAP 1.1 and 1.2 envelopes: read by position, written in the version that was received.

use crate::fault::{Fault, Reason};
use std::sync::Arc;
use xsd::read::{self, Limits};
use xsd::tree::{Attribute, Element, Node, QName};
use xsd::write::{self, Binding};

/// The namespace of SOAP 1.1 envelopes.
pub const SOAP11: &str = "http://schemas.xmlsoap.org/soap/envelope/";
/// The namespace of SOAP 1.2 envelopes.
pub const SOAP12: &str = "http://www.w3.org/2003/05/soap-envelope";
/// The prefix under which envelopes are written.
pub const PREFIX: &str = "env";

const ACTOR_NEXT: &str = "http://schemas.xmlsoap.org/soap/actor/next";
const ROLE_NEXT: &str = "http://www.w3.org/2003/05/soap-envelope/role/next";
const ROLE_ULTIMATE: &str = "http://www.w3.org/2003/05/soap-envelope/role/ultimateReceiver";

/// The namespaces of the header blocks that are understood here.
const UNDERSTOOD: [&str; 3] = [crate::security::WSSE, crate::addressing::NAMESPACE, crate::addressing::NAMESPACE_2004];

/// Which SOAP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Version {
    /// W3C Note, 8 May 2000.
    Soap11,
    /// W3C Recommendation (second edition), 27 April 2007.
    Soap12,
}

impl Version {
    /// The envelope's namespace.
    #[must_use]
    pub fn namespace(self) -> &'static str {
        match self {
            Self::Soap11 => SOAP11,
            Self::Soap12 => SOAP12,
        }
    }

    /// What a media type alone says: the version of a fault for a message that could not be read.
    #[must_use]
    pub fn of_media_type(content_type: &str) -> Self {
        if MediaType::parse(content_type).essence == "application/soap+xml" { Self::Soap12 } else { Self::Soap11 }
    }

    /// The `Content-Type` of a message; SOAP 1.2 says the action in it.
    #[must_use]
    pub fn content_type(self, action: Option<&str>) -> String {
        match (self, action) {
            (Self::Soap11, _) => String::from("text/xml; charset=utf-8"),
            (Self::Soap12, None) => String::from("application/soap+xml; charset=utf-8"),
            (Self::Soap12, Some(action)) => format!("application/soap+xml; charset=utf-8; action=\"{action}\""),
        }
    }

    pub(crate) fn element(self, local: &str) -> Element {
        Element::new(PREFIX, QName::new(self.namespace(), local))
    }

    /// The attribute that makes a header block mandatory.
    pub(crate) fn must_understand(self) -> Attribute {
        let value = if self == Self::Soap11 { "1" } else { "true" };
        Attribute { name: QName::new(self.namespace(), "mustUnderstand"), prefix: PREFIX.into(), value: String::from(value) }
    }
}

/// A media type with its parameters, read as leniently as clients write it: single quotes, no space after `;`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MediaType {
    /// Type and subtype in lower case.
    pub essence: String,
    parameters: Vec<(String, String)>,
}

impl MediaType {
    /// Reads the value of a `Content-Type` header; total.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let mut parts = split_unquoted(text).into_iter();
        let essence = parts.next().unwrap_or_default().trim().to_ascii_lowercase();
        let parameter = |part: String| {
            let (name, value) = part.split_once('=')?;
            let value = value.trim();
            let bare = ['"', '\''].into_iter().find_map(|quote| value.strip_prefix(quote)?.strip_suffix(quote));
            Some((name.trim().to_ascii_lowercase(), bare.unwrap_or(value).to_owned()))
        };
        Self { essence, parameters: parts.filter_map(parameter).collect() }
    }

    /// The first parameter of this name.
    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

fn split_unquoted(text: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut quoted = false;
    for character in text.chars() {
        quoted ^= character == '"';
        match parts.last_mut() {
            Some(last) if character != ';' || quoted => last.push(character),
            _ => parts.push(String::new()),
        }
    }
    parts
}

/// A message that is no envelope, and the version in which to say so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The version received, as far as it could be seen.
    pub version: Version,
    /// Why.
    pub fault: Fault,
}

/// An envelope whose shape was checked and nothing else: nobody knows yet who wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    version: Version,
    root: Element,
    action: Option<String>,
}

/// Reads an envelope: `content_type` and `soap_action` are the values of those HTTP headers as they stand.
///
/// The version is that of the envelope's namespace, whatever the media type says. Checked here: one Header at most, one Body,
/// nothing else beside them; no processing instruction; every mandatory header block understood.
///
/// # Errors
/// Another media type, not well formed, not an envelope, or a mandatory header block that nobody here knows.
pub fn parse(octets: &[u8], content_type: &str, soap_action: Option<&str>, limits: &Limits) -> Result<Envelope, Refused> {
    let media = MediaType::parse(content_type);
    let likely = Version::of_media_type(content_type);
    let refuse = |fault| Refused { version: likely, fault };
    if !["text/xml", "application/soap+xml", "application/xml"].contains(&media.essence.as_str()) {
        let sentence = "a SOAP message comes as text/xml (1.1) or application/soap+xml (1.2)";
        return Err(refuse(Fault::new(Reason::MediaType, sentence)));
    }
    let root = read::read(octets, media.parameter("charset"), limits).map_err(|malformed| refuse(malformed.into()))?;
    let root = if root.name().is("", "Envelope") { as_soap11(root, 1) } else { root };
    let version = match (root.name().namespace(), root.name().local()) {
        (SOAP11, "Envelope") => Version::Soap11,
        (SOAP12, "Envelope") => Version::Soap12,
        _ => {
            let sentence = "the root is not Envelope in the namespace of SOAP 1.1 or SOAP 1.2";
            return Err(refuse(Fault::new(Reason::VersionMismatch, sentence).xpath("/*").at(root.place())));
        }
    };
    let header = soap_action.map(|value| value.trim().trim_matches('"').trim()).filter(|value| !value.is_empty());
    let parameter = media.parameter("action").map(str::trim).filter(|value| !value.is_empty());
    let action = if version == Version::Soap12 { parameter.or(header) } else { header };
    let envelope = Envelope { version, action: action.map(str::to_owned), root };
    match envelope.check_shape().and_then(|()| envelope.check_understood()) {
        Ok(()) => Ok(envelope),
        Err(fault) => Err(Refused { version, fault }),
    }
}

/// SOAP 1.1 §3: a message without the SOAP namespace may be read as though it had it; some releases of SOAP::Lite send such.
/// Such a message cannot be signed, because the names that would be digested are others.
fn as_soap11(element: Element, levels: u32) -> Element {
    let mut known = Element::new(PREFIX, QName::new(SOAP11, element.name().local()));
    known.set_place(element.place());
    for (prefix, namespace) in element.namespaces() {
        known.push_namespace(Arc::clone(prefix), Arc::clone(namespace));
    }
    for attribute in element.attributes() {
        known.set_attribute(attribute.clone());
    }
    let mut element = element;
    for node in element.children_mut().drain(..) {
        known.push_node(match node {
            Node::Element(child) if levels > 0 && child.name().namespace().is_empty() => Node::Element(as_soap11(child, levels - 1)),
            other => other,
        });
    }
    known
}

impl Envelope {
    /// Whether a security header stands in it: only such a client can read one.
    #[must_use]
    pub fn is_signed(&self) -> bool {
        self.blocks().any(|block| block.name().is(crate::security::WSSE, "Security"))
    }

    /// The version received, in which to answer.
    #[must_use]
    pub fn version(&self) -> Version {
        self.version
    }

    /// The action that the HTTP headers name. It never decides which operation runs.
    #[must_use]
    pub fn action(&self) -> Option<&str> {
        self.action.as_deref()
    }

    /// The Envelope element.
    pub(crate) fn root(&self) -> &Element {
        &self.root
    }

    /// The header blocks.
    pub(crate) fn blocks(&self) -> impl Iterator<Item = &Element> {
        self.root.first(self.version.namespace(), "Header").into_iter().flat_map(Element::elements)
    }

    /// The header blocks that are for this node: without a role, or for the next or the last one.
    pub(crate) fn blocks_for_us(&self) -> impl Iterator<Item = &Element> {
        self.blocks().filter(|block| match self.version {
            Version::Soap11 => matches!(block.attribute(SOAP11, "actor").map(str::trim), None | Some("" | ACTOR_NEXT)),
            Version::Soap12 => matches!(block.attribute(SOAP12, "role").map(str::trim), None | Some("" | ROLE_NEXT | ROLE_ULTIMATE)),
        })
    }

    /// The Body element.
    pub(crate) fn body(&self) -> Option<&Element> {
        self.root.first(self.version.namespace(), "Body")
    }

    fn check_shape(&self) -> Result<(), Fault> {
        let namespace = self.version.namespace();
        let wrong = |sentence: &str, element: &Element| Err(Fault::new(Reason::Envelope, sentence).at(element.place()));
        let mut expected = ["Header", "Body"].iter().peekable();
        for child in self.root.elements() {
            if child.name().is(namespace, "Body") && expected.peek() == Some(&&"Header") {
                expected.next();
            }
            match expected.next() {
                Some(local) if child.name().is(namespace, local) => {}
                _ => return wrong("an Envelope holds one Header at most, then one Body, and nothing else", child),
            }
        }
        if expected.next().is_some() {
            return wrong("an Envelope holds a Body", &self.root);
        }
        let holders = [Some(&self.root), self.root.first(namespace, "Header"), self.body()];
        for holder in holders.into_iter().flatten() {
            if !holder.string().trim().is_empty() {
                return wrong("no text stands directly in Envelope, Header or Body", holder);
            }
        }
        if let Some(block) = self.blocks().find(|block| block.name().namespace().is_empty()) {
            return wrong("a header block has a namespace", block);
        }
        check_instructions(&self.root)
    }

    /// SOAP 1.1 §4.2.3, SOAP 1.2 part 1 §2.4. An attribute without namespace is not `mustUnderstand`.
    fn check_understood(&self) -> Result<(), Fault> {
        let mut unknown = Vec::new();
        for block in self.blocks_for_us() {
            let mandatory = match block.attribute(self.version.namespace(), "mustUnderstand").map(str::trim) {
                None | Some("0" | "false") => false,
                Some("1" | "true") => true,
                Some(_) => return Err(Fault::new(Reason::Envelope, "mustUnderstand is true or false").at(block.place())),
            };
            if mandatory && !UNDERSTOOD.contains(&block.name().namespace()) {
                unknown.push(block);
            }
        }
        let Some(first) = unknown.first() else { return Ok(()) };
        let sentence = format!("the mandatory header block {} is not known here", first.name());
        let xpath = format!("/Envelope/Header/*[local-name()='{}']", first.name().local());
        let names = unknown.iter().map(|block| block.name().clone()).collect();
        Err(Fault::new(Reason::MustUnderstand, sentence).xpath(xpath).at(first.place()).not_understood(names))
    }
}

/// SOAP 1.2 part 1 §5, SOAP 1.1 §3.
fn check_instructions(element: &Element) -> Result<(), Fault> {
    for node in element.children() {
        match node {
            Node::Instruction { .. } => {
                return Err(Fault::new(Reason::Envelope, "a SOAP message holds no processing instruction").at(element.place()));
            }
            Node::Element(child) => check_instructions(child)?,
            Node::Text(_) | Node::Comment => {}
        }
    }
    Ok(())
}

/// The one element that a Body of a document/literal operation holds.
///
/// # Errors
/// None, or more than one.
pub fn payload(body: Element) -> Result<Element, Fault> {
    let place = body.place();
    let inherited: Vec<Binding> = body.namespaces().to_vec();
    let mut body = body;
    let mut elements = body.children_mut().drain(..).filter_map(|node| match node {
        Node::Element(element) => Some(element),
        _ => None,
    });
    match (elements.next(), elements.next()) {
        (Some(mut only), None) => {
            inherit(&mut only, &inherited);
            Ok(only)
        }
        _ => Err(Fault::new(Reason::UnknownOperation, "the Body holds exactly one element").xpath("/Envelope/Body").at(place)),
    }
}

/// Declares on `element` what was in scope around it, so that prefixes in its content keep their meaning when it stands alone.
pub(crate) fn inherit(element: &mut Element, scope: &[Binding]) {
    let mut missing: Vec<Binding> = Vec::new();
    for (prefix, namespace) in scope.iter().rev() {
        let known = |bindings: &[Binding]| bindings.iter().any(|(have, _)| have == prefix);
        if !known(element.namespaces()) && !known(&missing) {
            missing.push((Arc::clone(prefix), Arc::clone(namespace)));
        }
    }
    for (prefix, namespace) in missing.into_iter().rev() {
        element.push_namespace(prefix, namespace);
    }
}

/// A message of our own that is not written yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    version: Version,
    headers: Vec<Element>,
    body: Vec<Element>,
}

impl Draft {
    /// An empty message.
    #[must_use]
    pub fn new(version: Version) -> Self {
        Self { version, headers: Vec::new(), body: Vec::new() }
    }

    /// Adds a header block.
    #[must_use]
    pub fn header(mut self, block: Element) -> Self {
        self.headers.push(block);
        self
    }

    /// Adds an element to the Body.
    #[must_use]
    pub fn body(mut self, element: Element) -> Self {
        self.body.push(element);
        self
    }

    /// The version in which it will be written.
    #[must_use]
    pub fn version(&self) -> Version {
        self.version
    }

    /// The message as a tree, without a security header.
    #[must_use]
    pub fn element(self) -> Element {
        let (version, headers, body) = self.into_parts();
        assemble(version, headers, body)
    }

    pub(crate) fn into_parts(self) -> (Version, Vec<Element>, Element) {
        let body = self.body.into_iter().fold(self.version.element("Body"), Element::child);
        (self.version, self.headers, body)
    }

    /// The message without a security header.
    #[must_use]
    pub fn octets(self) -> Vec<u8> {
        write::document(&self.element())
    }
}

pub(crate) fn assemble(version: Version, headers: Vec<Element>, body: Element) -> Element {
    let mut envelope = version.element("Envelope");
    if !headers.is_empty() {
        envelope.push(headers.into_iter().fold(version.element("Header"), Element::child));
    }
    envelope.push(body);
    envelope
}
