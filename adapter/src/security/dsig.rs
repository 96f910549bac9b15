//! XML Signature, narrowly: exclusive c14n over the one reader's tree, the allowed algorithms, and the octets that were signed.

use super::keys::{Certificate, Fingerprint, Hint, Kind, Trust};
use super::{DS, WSSE, WSU, keys::Signer, scope};
use crate::fault::{Fault, Reason};
use crate::soap::{self, Draft, Envelope};
use data_encoding::BASE64;
use openssl::bn::BigNum;
use openssl::ecdsa::EcdsaSig;
use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use sha2::{Digest, Sha256, Sha384, Sha512};
use std::collections::{BTreeMap, BTreeSet};
use std::ptr;
use xsd::time::Timestamp;
use xsd::tree::{Attribute, Element, Node, QName};
use xsd::write;

/// References of one signature (Santuario's secure validation).
const REFERENCES_MAX: usize = 30;
/// Transforms of one reference (the same).
const TRANSFORMS_MAX: usize = 5;

const EXCLUSIVE: &str = "http://www.w3.org/2001/10/xml-exc-c14n#";
const EXCLUSIVE_WITH_COMMENTS: &str = "http://www.w3.org/2001/10/xml-exc-c14n#WithComments";
const ENVELOPED: &str = "http://www.w3.org/2000/09/xmldsig#enveloped-signature";
const RSA_SHA256: &str = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256";
const RSA_SHA384: &str = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha384";
const RSA_SHA512: &str = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha512";
const ECDSA_SHA256: &str = "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256";
const ECDSA_SHA384: &str = "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha384";
const SHA256: &str = "http://www.w3.org/2001/04/xmlenc#sha256";
const SHA384: &str = "http://www.w3.org/2001/04/xmldsig-more#sha384";
const SHA512: &str = "http://www.w3.org/2001/04/xmlenc#sha512";
const BASE64_BINARY: &str = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-soap-message-security-1.0#Base64Binary";
const X509V3: &str = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-x509-token-profile-1.0#X509v3";
const X509_SKI: &str = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-x509-token-profile-1.0#X509SubjectKeyIdentifier";
const THUMBPRINT: &str = "http://docs.oasis-open.org/wss/oasis-wss-soap-message-security-1.1#ThumbprintSHA1";

const XPATH: &str = "/Envelope/Header/Security/Signature";

/// An element that the signature covers, and the octets that were digested.
pub(super) struct Part<'a> {
    pub(super) element: &'a Element,
    pub(super) octets: Vec<u8>,
}

/// The verdict on a signature that verified: who signed, and a non-empty list of what.
#[must_use]
pub(super) struct Coverage<'a> {
    pub(super) signer: Fingerprint,
    pub(super) parts: Vec<Part<'a>>,
    /// SHA-256 of the canonical SignedInfo, the same for every signature value over it.
    pub(super) signed_info: [u8; 32],
}

fn fault(reason: Reason, sentence: impl Into<String>, at: &Element) -> Fault {
    Fault::new(reason, sentence).xpath(XPATH).at(at.place())
}

fn invalid(sentence: impl Into<String>, at: &Element) -> Fault {
    fault(Reason::InvalidSecurity, sentence, at)
}

/// Verifies `signature`, which stands in the security header of `envelope`.
pub(super) fn verify<'a>(envelope: &'a Envelope, signature: &'a Element, trust: &Trust, now: Timestamp) -> Result<Coverage<'a>, Fault> {
    let root = envelope.root();
    let mut index = BTreeMap::new();
    index_ids(root, &mut index)?;
    refuse_comments(signature)?;
    let shape = Shape::of(signature)?;

    let header = root.first(envelope.version().namespace(), "Header").ok_or_else(|| invalid("no Header", root))?;
    let security = header.first(WSSE, "Security").ok_or_else(|| invalid("no Security", header))?;
    let hints = hints(shape.key_info, security, &index)?;
    let certificate = trust.find(&hints)?;
    certificate.check_time(now)?;

    let above = [root, header, security, signature];
    let prefixes = prefix_list(shape.canonicalization)?;
    let signed_info = write::canonical(shape.signed_info, &scope(&above), &prefixes);
    check_signature(shape.method, &signed_info, &base64(shape.value)?, certificate)?;

    let mut parts: Vec<Part<'a>> = Vec::with_capacity(shape.references.len());
    for reference in &shape.references {
        let target = Target::of(reference, envelope, [root, header, security], &index)?;
        if parts.iter().any(|part| ptr::eq(part.element, target.element)) {
            return Err(invalid("a signature refers to nothing twice", reference.element));
        }
        parts.push(target.digested(reference)?);
    }
    Ok(Coverage { signer: certificate.fingerprint(), parts, signed_info: Sha256::digest(&signed_info).into() })
}

/// The elements that have an id.
type Index<'a> = BTreeMap<&'a str, &'a Element>;

/// Registers `wsu:Id` and `Id` of the whole document; two of one value are refused wherever they stand.
fn index_ids<'a>(element: &'a Element, index: &mut Index<'a>) -> Result<(), Fault> {
    for id in [element.attribute(WSU, "Id"), element.attribute("", "Id")].into_iter().flatten() {
        if index.insert(id, element).is_some() {
            return Err(Fault::new(Reason::InvalidSecurity, "an Id is given twice").at(element.place()));
        }
    }
    element.elements().try_for_each(|child| index_ids(child, index))
}

/// What is signed, or says what is signed, holds neither comments nor processing instructions.
fn refuse_comments(element: &Element) -> Result<(), Fault> {
    for node in element.children() {
        match node {
            Node::Comment | Node::Instruction { .. } => {
                return Err(invalid("a comment or processing instruction in signed content", element));
            }
            Node::Element(child) => refuse_comments(child)?,
            Node::Text(_) => {}
        }
    }
    Ok(())
}

/// A Signature whose parts are each there once, in the order of the schema, with no room for a second reading.
struct Shape<'a> {
    signed_info: &'a Element,
    canonicalization: &'a Element,
    method: &'a str,
    references: Vec<Reference<'a>>,
    value: &'a Element,
    key_info: &'a Element,
}

struct Reference<'a> {
    element: &'a Element,
    fragment: &'a str,
    prefixes: Vec<&'a str>,
    digest: &'a str,
    value: Vec<u8>,
}

/// The child elements, which must be these and no others, between white space.
fn children<'a, const N: usize>(parent: &'a Element, names: [&str; N]) -> Result<[&'a Element; N], Fault> {
    let found: Vec<&Element> = parent.elements().collect();
    let right = found.len() == N && found.iter().zip(names).all(|(child, name)| child.name().is(DS, name));
    let wrong = || invalid(format!("{} holds {}, each once, in this order", parent.name().local(), names.join(", ")), parent);
    if !right || !parent.string().trim().is_empty() {
        return Err(wrong());
    }
    found.try_into().map_err(|_other_count| wrong())
}

fn algorithm(element: &Element) -> Result<&str, Fault> {
    element.attribute("", "Algorithm").ok_or_else(|| invalid(format!("{} names no Algorithm", element.name().local()), element))
}

fn unsupported(element: &Element, algorithm: &str) -> Fault {
    fault(Reason::UnsupportedAlgorithm, format!("{} {algorithm} is not accepted", element.name().local()), element)
}

impl<'a> Shape<'a> {
    fn of(signature: &'a Element) -> Result<Self, Fault> {
        let [signed_info, value, key_info] = children(signature, ["SignedInfo", "SignatureValue", "KeyInfo"])?;
        let mut elements = signed_info.elements();
        let canonicalization = elements.next().filter(|element| element.name().is(DS, "CanonicalizationMethod"));
        let method = elements.next().filter(|element| element.name().is(DS, "SignatureMethod"));
        let (Some(canonicalization), Some(method)) = (canonicalization, method) else {
            return Err(invalid("SignedInfo holds CanonicalizationMethod, SignatureMethod, then References", signed_info));
        };
        if !exclusive(algorithm(canonicalization)?) {
            return Err(unsupported(canonicalization, algorithm(canonicalization)?));
        }
        let method_name = algorithm(method)?;
        if signature_method(method_name).is_none() {
            return Err(unsupported(method, method_name));
        }
        if method.elements().next().is_some() {
            return Err(invalid("SignatureMethod takes no parameters", method));
        }
        let elements: Vec<&Element> = elements.collect();
        if elements.is_empty() || elements.len() > REFERENCES_MAX || !signed_info.string().trim().is_empty() {
            return Err(invalid(format!("SignedInfo holds 1 to {REFERENCES_MAX} References"), signed_info));
        }
        let references = elements.into_iter().map(Reference::of).collect::<Result<_, _>>()?;
        Ok(Self { signed_info, canonicalization, method: method_name, references, value, key_info })
    }
}

impl<'a> Reference<'a> {
    fn of(element: &'a Element) -> Result<Self, Fault> {
        if !element.name().is(DS, "Reference") {
            return Err(invalid("SignedInfo holds References after its methods", element));
        }
        let Some(fragment) = element.attribute("", "URI").and_then(|uri| uri.strip_prefix('#')).filter(|id| is_ncname(id)) else {
            return Err(invalid("a Reference names an element of this message by #Id", element));
        };
        let [transforms, method, value] = match children(element, ["Transforms", "DigestMethod", "DigestValue"]) {
            Err(_) if element.first(DS, "Transforms").is_none() => return Err(unsupported(element, "without transforms")),
            other => other?,
        };
        let digest = algorithm(method)?;
        if digest_of(digest, b"").is_none() {
            return Err(unsupported(method, digest));
        }
        if method.elements().next().is_some() {
            return Err(invalid("DigestMethod takes no parameters", method));
        }
        Ok(Self { element, fragment, prefixes: transforms_of(transforms)?, digest, value: base64(value)? })
    }
}

/// An XML name without colon, in the ASCII range: what every known signer writes, and nothing that could be an XPointer.
fn is_ncname(id: &str) -> bool {
    let name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    id.bytes().next().is_some_and(|first| first.is_ascii_alphabetic() || first == b'_') && id.bytes().all(name)
}

fn exclusive(algorithm: &str) -> bool {
    algorithm == EXCLUSIVE || algorithm == EXCLUSIVE_WITH_COMMENTS
}

/// The prefix list of the one canonicalisation, which comes last; an enveloped-signature before it changes nothing, because no
/// element that may be referred to contains the Signature.
fn transforms_of(transforms: &Element) -> Result<Vec<&str>, Fault> {
    let all: Vec<&Element> = transforms.elements().collect();
    if all.len() > TRANSFORMS_MAX || all.iter().any(|transform| !transform.name().is(DS, "Transform")) {
        return Err(invalid(format!("Transforms holds 1 to {TRANSFORMS_MAX} Transform"), transforms));
    }
    let Some((last, before)) = all.split_last() else { return Err(invalid("Transforms is empty", transforms)) };
    for transform in before {
        let name = algorithm(transform)?;
        if name != ENVELOPED || transform.elements().next().is_some() {
            return Err(unsupported(transform, name));
        }
    }
    let name = algorithm(last)?;
    if exclusive(name) { prefix_list(last) } else { Err(unsupported(last, name)) }
}

fn prefix_list(method: &Element) -> Result<Vec<&str>, Fault> {
    let mut elements = method.elements();
    let Some(list) = elements.next() else { return Ok(Vec::new()) };
    if !list.name().is(EXCLUSIVE, "InclusiveNamespaces") || elements.next().is_some() || list.elements().next().is_some() {
        return Err(invalid("the only parameter of exclusive canonicalisation is one InclusiveNamespaces", method));
    }
    Ok(list.attribute("", "PrefixList").unwrap_or_default().split_whitespace().collect())
}

/// The octets of base64 text in an element that holds nothing else; white space in it is allowed, as XML Schema does.
fn base64(element: &Element) -> Result<Vec<u8>, Fault> {
    let text: Vec<u8> = element.string().bytes().filter(|byte| !matches!(byte, b' ' | b'\t' | b'\r' | b'\n')).collect();
    let decoded = if element.elements().next().is_none() { BASE64.decode(&text).ok() } else { None };
    decoded.filter(|octets| !octets.is_empty()).ok_or_else(|| invalid(format!("{} is not base64", element.name().local()), element))
}

fn digest_of(algorithm: &str, octets: &[u8]) -> Option<Vec<u8>> {
    match algorithm {
        SHA256 => Some(Sha256::digest(octets).to_vec()),
        SHA384 => Some(Sha384::digest(octets).to_vec()),
        SHA512 => Some(Sha512::digest(octets).to_vec()),
        _ => None,
    }
}

/// What a reference means: the Body, a header block, or the Timestamp or token of the security header, and nothing else.
struct Target<'a> {
    element: &'a Element,
    /// What stands above it, outermost first.
    above: Vec<&'a Element>,
}

impl<'a> Target<'a> {
    fn of(reference: &Reference<'_>, envelope: &'a Envelope, above: [&'a Element; 3], index: &Index<'a>) -> Result<Self, Fault> {
        let Some(&element) = index.get(reference.fragment) else {
            return Err(fault(Reason::FailedCheck, format!("no element has the Id {}", reference.fragment), reference.element));
        };
        let [root, header, security] = above;
        if envelope.body().is_some_and(|body| ptr::eq(body, element)) {
            return Ok(Self { element, above: vec![root] });
        }
        if envelope.blocks().any(|block| ptr::eq(block, element)) && !ptr::eq(element, security) {
            return Ok(Self { element, above: vec![root, header] });
        }
        let signable = element.name().is(WSU, "Timestamp") || element.name().is(WSSE, "BinarySecurityToken");
        if signable && security.elements().any(|child| ptr::eq(child, element)) {
            return Ok(Self { element, above: vec![root, header, security] });
        }
        let sentence = "a Reference means the Body, a header block, or the Timestamp or token of the security header";
        Err(invalid(sentence, reference.element))
    }

    fn digested(self, reference: &Reference<'_>) -> Result<Part<'a>, Fault> {
        refuse_comments(self.element)?;
        let octets = write::canonical(self.element, &scope(&self.above), &reference.prefixes);
        if digest_of(reference.digest, &octets).as_ref() == Some(&reference.value) {
            return Ok(Part { element: self.element, octets });
        }
        let sentence = format!("the digest of {} is another", self.element.name().local());
        Err(fault(Reason::FailedCheck, sentence, reference.element))
    }
}

fn signature_method(algorithm: &str) -> Option<(bool, MessageDigest)> {
    match algorithm {
        RSA_SHA256 => Some((true, MessageDigest::sha256())),
        RSA_SHA384 => Some((true, MessageDigest::sha384())),
        RSA_SHA512 => Some((true, MessageDigest::sha512())),
        ECDSA_SHA256 => Some((false, MessageDigest::sha256())),
        ECDSA_SHA384 => Some((false, MessageDigest::sha384())),
        _ => None,
    }
}

fn check_signature(method: &str, octets: &[u8], value: &[u8], certificate: &Certificate) -> Result<(), Fault> {
    let failed = || Fault::new(Reason::FailedCheck, "the signature does not verify with the certificate named").xpath(XPATH);
    let (rsa, digest) = signature_method(method).ok_or_else(failed)?;
    let encoded = match (rsa, certificate.kind()) {
        (true, Kind::Rsa) => Some(value.to_vec()),
        (false, Kind::Ecdsa { octets }) => der_of(value, octets),
        _ => None,
    };
    let encoded = encoded.ok_or_else(failed)?;
    let verdict =
        openssl::sign::Verifier::new(digest, certificate.key()).and_then(|mut verifier| verifier.verify_oneshot(&encoded, octets));
    // OpenSSL reports a malformed signature as an error: to the caller it is the same as one that does not verify.
    if verdict.unwrap_or(false) { Ok(()) } else { Err(failed()) }
}

/// The DER form of r‖s (RFC 4050 §3.3, XML Signature 1.1 §6.4.3), each of exactly `octets`.
fn der_of(value: &[u8], octets: i32) -> Option<Vec<u8>> {
    let octets = usize::try_from(octets).ok()?;
    if value.len() != octets * 2 {
        return None;
    }
    let (r, s) = value.split_at_checked(octets)?;
    EcdsaSig::from_private_components(BigNum::from_slice(r).ok()?, BigNum::from_slice(s).ok()?).ok()?.to_der().ok()
}

/// Which certificate KeyInfo names, in every way it does so.
fn hints(key_info: &Element, security: &Element, index: &Index<'_>) -> Result<Vec<Hint>, Fault> {
    let mut elements = key_info.elements();
    let (Some(only), None) = (elements.next(), elements.next()) else {
        return Err(invalid("KeyInfo holds one reference to a token", key_info));
    };
    if only.name().is(DS, "X509Data") {
        return x509_data(only);
    }
    if !only.name().is(WSSE, "SecurityTokenReference") {
        let sentence = format!("a key is named by its certificate, not by {}", only.name().local());
        return Err(fault(Reason::UnsupportedSecurityToken, sentence, only));
    }
    let mut elements = only.elements();
    let (Some(reference), None) = (elements.next(), elements.next()) else {
        return Err(invalid("SecurityTokenReference holds one reference", only));
    };
    match (reference.name().namespace(), reference.name().local()) {
        (WSSE, "Reference") => {
            let located = reference.attribute("", "URI").and_then(|uri| uri.strip_prefix('#')).and_then(|id| index.get(id));
            let token = located.copied().filter(|token| security.elements().any(|child| ptr::eq(child, *token)));
            let missing = || fault(Reason::SecurityTokenUnavailable, "the token referred to is not in the security header", reference);
            binary_token(token.ok_or_else(missing)?).map(|hint| vec![hint])
        }
        (WSSE, "KeyIdentifier") => key_identifier(reference).map(|hint| vec![hint]),
        (DS, "X509Data") => x509_data(reference),
        (_, local) => Err(fault(Reason::UnsupportedSecurityToken, format!("{local} does not name a certificate"), reference)),
    }
}

fn binary_token(token: &Element) -> Result<Hint, Fault> {
    if !token.name().is(WSSE, "BinarySecurityToken") || token.attribute("", "ValueType") != Some(X509V3) {
        return Err(fault(Reason::UnsupportedSecurityToken, "the token is not a BinarySecurityToken of type X509v3", token));
    }
    if token.attribute("", "EncodingType").is_some_and(|encoding| encoding != BASE64_BINARY) {
        return Err(fault(Reason::InvalidSecurityToken, "a token is encoded as Base64Binary", token));
    }
    refuse_comments(token)?;
    let der = base64(token).map_err(|_fault| fault(Reason::InvalidSecurityToken, "the token is not base64", token))?;
    Ok(Hint::Der(der))
}

fn key_identifier(identifier: &Element) -> Result<Hint, Fault> {
    let octets = base64(identifier).map_err(|_fault| fault(Reason::InvalidSecurityToken, "KeyIdentifier is not base64", identifier))?;
    match identifier.attribute("", "ValueType") {
        Some(X509_SKI) => Ok(Hint::SubjectKeyId(octets)),
        Some(THUMBPRINT) => Ok(Hint::Thumbprint(octets)),
        Some(X509V3) => Ok(Hint::Der(octets)),
        _ => Err(fault(Reason::UnsupportedSecurityToken, "KeyIdentifier is of an unknown type", identifier)),
    }
}

fn x509_data(data: &Element) -> Result<Vec<Hint>, Fault> {
    let mut hints = Vec::new();
    for element in data.elements() {
        let hint = match (element.name().namespace(), element.name().local()) {
            (DS, "X509Certificate") => Hint::Der(base64(element)?),
            (DS, "X509SKI") => Hint::SubjectKeyId(base64(element)?),
            (DS, "X509IssuerSerial") => {
                let [issuer, serial] = children(element, ["X509IssuerName", "X509SerialNumber"])?;
                Hint::IssuerSerial(issuer.string(), serial.string().trim().to_owned())
            }
            (_, local) => return Err(fault(Reason::UnsupportedSecurityToken, format!("{local} does not name a certificate"), element)),
        };
        hints.push(hint);
    }
    let whole = hints.iter().position(|hint| matches!(hint, Hint::Der(_)));
    if let Some(at) = whole {
        hints.swap(0, at);
    }
    if hints.is_empty() { Err(invalid("X509Data is empty", data)) } else { Ok(hints) }
}

fn ds(local: &str) -> Element {
    Element::new("ds", QName::new(DS, local))
}

fn method(local: &str, algorithm: &str) -> Element {
    ds(local).with("Algorithm", algorithm)
}

fn with_id(mut element: Element, id: &str) -> Element {
    element.set_attribute(Attribute { name: QName::new(WSU, "Id"), prefix: "wsu".into(), value: id.to_owned() });
    element
}

/// The prefixes declared anywhere in `element`: content such as `xsi:type` may use them where exclusive c14n does not look.
fn declared(element: &Element, prefixes: &mut BTreeSet<String>) {
    let here = element.namespaces().iter().map(|(prefix, _)| if prefix.is_empty() { "#default" } else { prefix });
    prefixes.extend(here.filter(|prefix| *prefix != "xml").map(str::to_owned));
    for child in element.elements() {
        declared(child, prefixes);
    }
}

/// A Reference to `element`, which stands below `parents` and has the Id `id`.
fn reference(element: &Element, parents: &[&Element], id: &str) -> Element {
    let mut prefixes = BTreeSet::new();
    declared(element, &mut prefixes);
    let list: Vec<&str> = prefixes.iter().map(String::as_str).collect();
    let octets = write::canonical(element, &scope(parents), &list);
    let mut transform = method("Transform", EXCLUSIVE);
    if !list.is_empty() {
        transform.push(Element::new("ec", QName::new(EXCLUSIVE, "InclusiveNamespaces")).with("PrefixList", list.join(" ")));
    }
    ds("Reference")
        .with("URI", format!("#{id}"))
        .child(ds("Transforms").child(transform))
        .child(method("DigestMethod", SHA256))
        .leaf("DigestValue", BASE64.encode(&Sha256::digest(&octets)))
}

/// The octets of `draft`, signed: the token first, then what is signed, then the Signature, so that a reader needs one pass.
pub(super) fn sign(draft: Draft, timestamp: Element, signer: &Signer) -> Result<Vec<u8>, ErrorStack> {
    const TOKEN: &str = "waybill-token";
    const BODY: &str = "waybill-body";
    const TIME: &str = "waybill-time";
    let (version, headers, body) = draft.into_parts();
    let body = with_id(body, BODY);
    let timestamp = with_id(timestamp, TIME);
    let mut signed_info = ds("SignedInfo").child(method("CanonicalizationMethod", EXCLUSIVE)).child(method(
        "SignatureMethod",
        match signer.certificate.kind() {
            Kind::Rsa => RSA_SHA256,
            Kind::Ecdsa { octets } if octets > 32 => ECDSA_SHA384,
            Kind::Ecdsa { .. } => ECDSA_SHA256,
        },
    ));
    let mut blocks = Vec::with_capacity(headers.len() + 1);
    for (number, block) in headers.into_iter().enumerate() {
        let id = block.attribute(WSU, "Id").map_or_else(|| format!("waybill-header-{number}"), str::to_owned);
        let block = with_id(block, &id);
        signed_info.push(reference(&block, &[], &id));
        blocks.push(block);
    }
    signed_info.push(reference(&timestamp, &[], TIME));
    signed_info.push(reference(&body, &[], BODY));

    let value = sign_octets(&write::canonical(&signed_info, &[], &[]), signer)?;
    let token_reference = Element::new("wsse", QName::new(WSSE, "SecurityTokenReference"));
    let pointer = token_reference.sibling("Reference").with("URI", format!("#{TOKEN}")).with("ValueType", X509V3);
    let signature = ds("Signature")
        .child(signed_info)
        .leaf("SignatureValue", BASE64.encode(&value))
        .child(ds("KeyInfo").child(token_reference.child(pointer)));
    let token = Element::new("wsse", QName::new(WSSE, "BinarySecurityToken"))
        .with("EncodingType", BASE64_BINARY)
        .with("ValueType", X509V3)
        .text(BASE64.encode(signer.der()));
    let mut security = Element::new("wsse", QName::new(WSSE, "Security"));
    security.set_attribute(version.must_understand());
    blocks.push(security.child(with_id(token, TOKEN)).child(timestamp).child(signature));
    Ok(write::document(&soap::assemble(version, blocks, body)))
}

fn sign_octets(octets: &[u8], signer: &Signer) -> Result<Vec<u8>, ErrorStack> {
    let (rsa_or_256, octets_of_one) = match signer.certificate.kind() {
        Kind::Rsa => (MessageDigest::sha256(), None),
        Kind::Ecdsa { octets } if octets > 32 => (MessageDigest::sha384(), Some(octets)),
        Kind::Ecdsa { octets } => (MessageDigest::sha256(), Some(octets)),
    };
    let der = openssl::sign::Signer::new(rsa_or_256, &signer.key)?.sign_oneshot_to_vec(octets)?;
    let Some(octets_of_one) = octets_of_one else { return Ok(der) };
    let pair = EcdsaSig::from_der(&der)?;
    let mut value = pair.r().to_vec_padded(octets_of_one)?;
    value.extend(pair.s().to_vec_padded(octets_of_one)?);
    Ok(value)
}
