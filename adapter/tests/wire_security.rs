//! Messages signed by this house: verified here and by xmlsec1, and refused by name after every known attack on them.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::print_stdout,
    clippy::too_many_lines,
    reason = "a test stops where it fails, and its tables are long"
)]

use adapter::addressing;
use adapter::fault::{Fault, Reason, Received};
use adapter::pki::{Authority, Issued, Use};
use adapter::security::{Fingerprint, Profile, Security, Signer, Trust, WSSE, WSU, Window};
use adapter::soap::{self, Draft, SOAP11, SOAP12, Version};
use data_encoding::BASE64;
use openssl::bn::BigNum;
use openssl::ec::EcKey;
use openssl::ecdsa::EcdsaSig;
use openssl::hash::MessageDigest;
use openssl::pkey::PKey;
use openssl::rsa::Rsa;
use openssl::x509::{X509Builder, X509NameBuilder};
use std::io::Write;
use std::process::Command;
use std::sync::LazyLock;
use xsd::read::{self, Limits};
use xsd::time::Timestamp;
use xsd::tree::{Attribute, Element, Node, QName};
use xsd::write;

const DS: &str = "http://www.w3.org/2000/09/xmldsig#";
const XSI: &str = "http://www.w3.org/2001/XMLSchema-instance";
const EXCLUSIVE: &str = "http://www.w3.org/2001/10/xml-exc-c14n#";

/// Two members, and somebody who is none.
struct Parties {
    member: Issued,
    other: Issued,
    stranger: Issued,
}

static PARTIES: LazyLock<Parties> = LazyLock::new(|| {
    let authority = Authority::found("Test authority").unwrap();
    let issue = |name: &str| authority.issue(name, &[], Use::Message).unwrap();
    Parties { member: issue("member"), other: issue("other"), stranger: issue("stranger") }
});

fn now() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    Timestamp(u64::try_from(since.as_millis()).unwrap())
}

/// A node that trusts both members and signs as `who`.
fn node(who: &Issued) -> Security {
    let both = [PARTIES.member.certificate.as_bytes(), PARTIES.other.certificate.as_bytes()].concat();
    let signer = Signer::from_pem(who.certificate.as_bytes(), who.key.as_bytes()).unwrap();
    Security::new(Trust::from_pem(&both).unwrap(), Some(signer), Window::default(), Limits::default())
}

fn draft(version: Version, text: &str) -> Draft {
    let mut typed = Element::new("t", QName::new("urn:t", "value")).declare("o", "urn:other").text(text);
    typed.set_attribute(Attribute { name: QName::new(XSI, "type"), prefix: "xsi".into(), value: String::from("o:Kind") });
    let headers = addressing::request_headers("https://b.example/ws", "urn:t/Echo", "urn:uuid:1");
    let draft = Draft::new(version).body(Element::new("t", QName::new("urn:t", "Echo")).child(typed));
    headers.into_iter().fold(draft, Draft::header)
}

fn signed(version: Version, text: &str, at: Timestamp) -> Vec<u8> {
    node(&PARTIES.member).sign(draft(version, text), at).unwrap()
}

/// What the receiving member says: the element in the Body with the signer, or the reason.
fn verdict(receiver: &Security, octets: &[u8], at: Timestamp) -> Result<(Option<Fingerprint>, Element), Reason> {
    let envelope = soap::parse(octets, "text/xml", None, &Limits::default()).map_err(|refused| refused.fault.reason())?;
    let body = receiver.verify(&envelope, None, Profile::Signature, at).map_err(|fault| fault.reason())?;
    let (caller, only) = body.try_map(soap::payload).map_err(|fault| fault.reason())?.into_parts();
    Ok((caller.message, only))
}

fn check(name: &str, octets: &[u8], at: Timestamp, expected: Reason) {
    let got = verdict(&node(&PARTIES.other), octets, at).map(|(signer, _)| signer);
    assert_eq!(got, Err(expected), "{name}\n{}", String::from_utf8_lossy(octets));
}

/// The element that stands below `root` along local names.
fn find<'a>(root: &'a mut Element, path: &str) -> &'a mut Element {
    path.split('/').filter(|step| !step.is_empty()).fold(root, |element, step| {
        let found = element.children_mut().iter_mut().find_map(|node| match node {
            Node::Element(child) if child.name().local() == step => Some(child),
            _ => None,
        });
        found.unwrap_or_else(|| panic!("no {step} in {path}"))
    })
}

fn remove(root: &mut Element, path: &str) -> Element {
    let (parent, local) = path.rsplit_once('/').unwrap_or(("", path));
    let children = find(root, parent).children_mut();
    let at = children.iter().position(|node| matches!(node, Node::Element(child) if child.name().local() == local)).unwrap();
    match children.remove(at) {
        Node::Element(element) => element,
        other => panic!("{other:?}"),
    }
}

fn insert(root: &mut Element, path: &str, at: usize, element: Element) {
    find(root, path).children_mut().insert(at, Node::Element(element));
}

fn duplicate(root: &mut Element, path: &str) {
    let (parent, _) = path.rsplit_once('/').unwrap();
    let copy = find(root, path).clone();
    find(root, parent).push(copy);
}

fn set(root: &mut Element, path: &str, local: &str, value: &str) {
    find(root, path).set_attribute(Attribute { name: QName::new("", local), prefix: "".into(), value: value.to_owned() });
}

fn retext(root: &mut Element, path: &str, text: &str) {
    let element = find(root, path);
    element.children_mut().clear();
    element.push_text(text);
}

fn ds(local: &str) -> Element {
    Element::new("ds", QName::new(DS, local))
}

fn foreign(local: &str) -> Element {
    Element::new("x", QName::new("urn:x", local))
}

fn evil_body(namespace: &str) -> Element {
    Element::new("env", QName::new(namespace, "Body")).child(Element::new("t", QName::new("urn:t", "Echo")).leaf("value", "evil"))
}

/// Makes the references fit again and signs SignedInfo with the member's own key: for what is wrong though well signed.
fn resign(root: &mut Element) {
    let key = EcKey::private_key_from_pem(PARTIES.member.key.as_bytes()).unwrap();
    let info = write::canonical(find(root, "Header/Security/Signature/SignedInfo"), &[], &[]);
    let digest = openssl::hash::hash(MessageDigest::sha256(), &info).unwrap();
    let pair = EcdsaSig::sign(&digest, &key).unwrap();
    let value = [pair.r().to_vec_padded(32).unwrap(), pair.s().to_vec_padded(32).unwrap()].concat();
    retext(root, "Header/Security/Signature/SignatureValue", &BASE64.encode(&value));
}

/// Gives the Reference at `number` the digest of `element`.
fn redigest(root: &mut Element, number: usize, path: &str) {
    let octets = write::canonical(find(root, path), &[], &[]);
    let value = BASE64.encode(&openssl::hash::hash(MessageDigest::sha256(), &octets).unwrap());
    let info = find(root, SIGNED_INFO);
    let Some(Node::Element(reference)) = info.children_mut().get_mut(number + 2) else { panic!("no reference {number}") };
    retext(reference, "DigestValue", &value);
}

const SIGNATURE: &str = "Header/Security/Signature";
const SIGNED_INFO: &str = "Header/Security/Signature/SignedInfo";
const REFERENCE: &str = "Header/Security/Signature/SignedInfo/Reference";
const SECURITY: &str = "Header/Security";
/// References in the order of signing: To, Action, MessageID, ReplyTo, Timestamp, Body.
const TIMESTAMP_REFERENCE: usize = 4;

type Surgery = fn(&mut Element, &str);

const WRAPPING: &[(&str, Surgery, Reason)] = &[
    ("X01 an evil Body before the signed one", |root, ns| insert(root, "", 1, evil_body(ns)), Reason::Envelope),
    ("X02 an evil Body after the signed one", |root, ns| root.push(evil_body(ns)), Reason::Envelope),
    (
        "X03 the signed Body in a header wrapper, an evil one in its place",
        |root, ns| {
            let body = remove(root, "Body");
            find(root, "Header").push(foreign("Wrapper").child(body));
            root.push(evil_body(ns));
        },
        Reason::InvalidSecurity,
    ),
    (
        "X04 the same with the Id on both",
        |root, ns| {
            let body = remove(root, "Body");
            let mut evil = evil_body(ns);
            for attribute in body.attributes() {
                evil.set_attribute(attribute.clone());
            }
            find(root, "Header").push(foreign("Wrapper").child(body));
            root.push(evil);
        },
        Reason::InvalidSecurity,
    ),
    (
        "X05 the signed Body in ds:Object",
        |root, ns| {
            let body = remove(root, "Body");
            find(root, SIGNATURE).push(ds("Object").child(body));
            root.push(evil_body(ns));
        },
        Reason::InvalidSecurity,
    ),
    (
        "X06 the signed Body in the Security header",
        |root, ns| {
            let body = remove(root, "Body");
            find(root, SECURITY).push(body);
            root.push(evil_body(ns));
        },
        Reason::UnsupportedSecurityToken,
    ),
    (
        "X07 an evil Body around the signed one",
        |root, ns| {
            let body = remove(root, "Body");
            root.push(evil_body(ns).child(body));
        },
        Reason::InvalidSecurity,
    ),
    (
        "X08 the whole envelope in the Body of a new one, its header copied",
        |root, ns| {
            let mut whole = Element::new("env", QName::new(ns, "Envelope"));
            whole.push(find(root, "Header").clone());
            whole.push(evil_body(ns).child(root.clone()));
            *root = whole;
        },
        Reason::InvalidSecurity,
    ),
    (
        "X09 the Timestamp in a header wrapper, another in its place",
        |root, _| {
            let old = remove(root, "Header/Security/Timestamp");
            let mut fresh = Element::new("wsu", QName::new(WSU, "Timestamp"));
            fresh.push(find(&mut old.clone(), "Created").clone());
            find(root, "Header").push(foreign("Wrapper").child(old));
            find(root, SECURITY).push(fresh);
        },
        Reason::InvalidSecurity,
    ),
    (
        "X10 a second Security header",
        |root, _| find(root, "Header").push(Element::new("wsse", QName::new(WSSE, "Security"))),
        Reason::InvalidSecurity,
    ),
    ("X11 an Id twice", |root, _| set(root, "Body/Echo", "Id", "waybill-body"), Reason::InvalidSecurity),
    (
        "X12 no signature",
        |root, _| {
            remove(root, SIGNATURE);
        },
        Reason::InvalidSecurity,
    ),
    (
        "X12 no header at all",
        |root, _| {
            remove(root, "Header");
        },
        Reason::InvalidSecurity,
    ),
    (
        "X13 a comment in a signed value",
        |root, _| find(root, "Body/Echo/value").children_mut().push(Node::Comment),
        Reason::InvalidSecurity,
    ),
    (
        "X16 the key as KeyValue",
        |root, _| {
            find(root, "Header/Security/Signature/KeyInfo").children_mut().clear();
            find(root, "Header/Security/Signature/KeyInfo").push(ds("KeyValue"));
        },
        Reason::UnsupportedSecurityToken,
    ),
    ("X17 another text in the Body", |root, _| retext(root, "Body/Echo/value", "evil"), Reason::FailedCheck),
    (
        "X18 the Security header for another node",
        |root, ns| {
            let (local, value) = if ns == SOAP11 { ("actor", "urn:another") } else { ("role", "urn:another") };
            let name = QName::new(ns, local);
            find(root, SECURITY).set_attribute(Attribute { name, prefix: "env".into(), value: value.to_owned() });
        },
        Reason::InvalidSecurity,
    ),
    (
        "A02 an addressing header that is not signed",
        |root, _| find(root, "Header").push(Element::new("wsa", QName::new(addressing::NAMESPACE, "RelatesTo")).text("urn:uuid:2")),
        Reason::FailedCheck,
    ),
    ("A04 another To", |root, _| retext(root, "Header/To", "https://c.example/ws"), Reason::FailedCheck),
    (
        "W12 a mandatory header nobody knows",
        |root, ns| {
            let mut block = foreign("Block");
            let value = if ns == SOAP11 { "1" } else { "true" };
            block.set_attribute(Attribute { name: QName::new(ns, "mustUnderstand"), prefix: "env".into(), value: value.to_owned() });
            find(root, "Header").push(block);
        },
        Reason::MustUnderstand,
    ),
];

const SIGNATURES: &[(&str, Surgery, Reason)] = &[
    (
        "S01 no reference, well signed",
        |root, _| {
            find(root, SIGNED_INFO).children_mut().truncate(2);
            resign(root);
        },
        Reason::InvalidSecurity,
    ),
    ("S03 two SignedInfo", |root, _| duplicate(root, SIGNED_INFO), Reason::InvalidSecurity),
    ("S04 a comment in DigestValue", |root, _| find(root, REFERENCE).children_mut().push(Node::Comment), Reason::InvalidSecurity),
    (
        "S04 a comment within the value",
        |root, _| find(root, "Header/Security/Signature/SignedInfo/Reference/DigestValue").children_mut().insert(0, Node::Comment),
        Reason::InvalidSecurity,
    ),
    (
        "S05 SignedInfo in Object",
        |root, _| {
            let info = remove(root, SIGNED_INFO);
            find(root, SIGNATURE).push(ds("Object").child(info));
        },
        Reason::InvalidSecurity,
    ),
    (
        "S06 two DigestValue",
        |root, _| duplicate(root, "Header/Security/Signature/SignedInfo/Reference/DigestValue"),
        Reason::InvalidSecurity,
    ),
    ("S06 two SignatureValue", |root, _| duplicate(root, "Header/Security/Signature/SignatureValue"), Reason::InvalidSecurity),
    ("S06 two KeyInfo", |root, _| duplicate(root, "Header/Security/Signature/KeyInfo"), Reason::InvalidSecurity),
    ("S06 two Signatures", |root, _| duplicate(root, SIGNATURE), Reason::InvalidSecurity),
    (
        "S07 no SignatureMethod",
        |root, _| {
            remove(root, "Header/Security/Signature/SignedInfo/SignatureMethod");
        },
        Reason::InvalidSecurity,
    ),
    (
        "S07 no SignatureValue",
        |root, _| {
            remove(root, "Header/Security/Signature/SignatureValue");
        },
        Reason::InvalidSecurity,
    ),
    ("S07 an empty SignatureValue", |root, _| retext(root, "Header/Security/Signature/SignatureValue", ""), Reason::InvalidSecurity),
    (
        "S07 no KeyInfo",
        |root, _| {
            remove(root, "Header/Security/Signature/KeyInfo");
        },
        Reason::InvalidSecurity,
    ),
    (
        "S07 no token",
        |root, _| {
            remove(root, "Header/Security/BinarySecurityToken");
        },
        Reason::SecurityTokenUnavailable,
    ),
    (
        "S08 HMAC",
        |root, _| {
            set(root, "Header/Security/Signature/SignedInfo/SignatureMethod", "Algorithm", "http://www.w3.org/2000/09/xmldsig#hmac-sha1")
        },
        Reason::UnsupportedAlgorithm,
    ),
    (
        "S10 an RSA method with an ECDSA key",
        |root, _| {
            let method = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256";
            set(root, "Header/Security/Signature/SignedInfo/SignatureMethod", "Algorithm", method);
            resign(root);
        },
        Reason::FailedCheck,
    ),
    (
        "S11 SHA-1 as digest",
        |root, _| {
            set(root, "Header/Security/Signature/SignedInfo/Reference/DigestMethod", "Algorithm", "http://www.w3.org/2000/09/xmldsig#sha1")
        },
        Reason::UnsupportedAlgorithm,
    ),
    (
        "S11 an empty algorithm",
        |root, _| set(root, "Header/Security/Signature/SignedInfo/SignatureMethod", "Algorithm", ""),
        Reason::UnsupportedAlgorithm,
    ),
    (
        "S14 RetrievalMethod",
        |root, _| {
            find(root, "Header/Security/Signature/KeyInfo").children_mut().clear();
            find(root, "Header/Security/Signature/KeyInfo").push(ds("RetrievalMethod").with("URI", "http://127.0.0.1/key"));
        },
        Reason::UnsupportedSecurityToken,
    ),
    ("S15 http", |root, _| set(root, REFERENCE, "URI", "http://127.0.0.1/"), Reason::InvalidSecurity),
    ("S15 file", |root, _| set(root, REFERENCE, "URI", "file:///etc/passwd"), Reason::InvalidSecurity),
    ("S15 relative", |root, _| set(root, REFERENCE, "URI", "other.xml#waybill-body"), Reason::InvalidSecurity),
    ("S16 xpointer", |root, _| set(root, REFERENCE, "URI", "#xpointer(id('waybill-body'))"), Reason::InvalidSecurity),
    ("S16 percent", |root, _| set(root, REFERENCE, "URI", "#waybill%2Dbody"), Reason::InvalidSecurity),
    ("S16 two hashes", |root, _| set(root, REFERENCE, "URI", "##waybill-body"), Reason::InvalidSecurity),
    ("S16 white space", |root, _| set(root, REFERENCE, "URI", " #waybill-body"), Reason::InvalidSecurity),
    (
        "S16 another case, well signed",
        |root, _| {
            set(root, REFERENCE, "URI", "#Waybill-Body");
            resign(root);
        },
        Reason::FailedCheck,
    ),
    ("S17 an empty URI", |root, _| set(root, REFERENCE, "URI", ""), Reason::InvalidSecurity),
    (
        "S18 XSLT",
        |root, _| {
            let transform = "Header/Security/Signature/SignedInfo/Reference/Transforms/Transform";
            set(root, transform, "Algorithm", "http://www.w3.org/TR/1999/REC-xslt-19991116");
        },
        Reason::UnsupportedAlgorithm,
    ),
    (
        "S19 six transforms",
        |root, _| (0..5).for_each(|_| duplicate(root, "Header/Security/Signature/SignedInfo/Reference/Transforms/Transform")),
        Reason::InvalidSecurity,
    ),
    ("S19 31 references", |root, _| (0..25).for_each(|_| duplicate(root, REFERENCE)), Reason::InvalidSecurity),
    (
        "S20 inclusive canonicalisation",
        |root, _| {
            let method = "Header/Security/Signature/SignedInfo/CanonicalizationMethod";
            set(root, method, "Algorithm", "http://www.w3.org/TR/2001/REC-xml-c14n-20010315");
        },
        Reason::UnsupportedAlgorithm,
    ),
    (
        "S20 a prefix list that was not signed",
        |root, _| {
            let list = Element::new("ec", QName::new(EXCLUSIVE, "InclusiveNamespaces")).with("PrefixList", "env");
            find(root, "Header/Security/Signature/SignedInfo/CanonicalizationMethod").push(list);
        },
        Reason::FailedCheck,
    ),
    (
        "S21 the digest of nothing, well signed",
        |root, _| {
            retext(root, "Header/Security/Signature/SignedInfo/Reference/DigestValue", "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=");
            resign(root);
        },
        Reason::FailedCheck,
    ),
    ("S22 zero", |root, _| retext(root, "Header/Security/Signature/SignatureValue", &BASE64.encode(&[0; 64])), Reason::FailedCheck),
    ("S22 short", |root, _| retext(root, "Header/Security/Signature/SignatureValue", &BASE64.encode(&[7; 63])), Reason::FailedCheck),
    ("S22 long", |root, _| retext(root, "Header/Security/Signature/SignatureValue", &BASE64.encode(&[7; 66])), Reason::FailedCheck),
    (
        "S26 a reference to a Manifest, well signed",
        |root, _| {
            let manifest = foreign("Manifest").with("Id", "manifest");
            find(root, "Header").push(foreign("Wrapper").child(manifest));
            set(root, REFERENCE, "URI", "#manifest");
            redigest(root, 0, "Header/Wrapper/Manifest");
            resign(root);
        },
        Reason::InvalidSecurity,
    ),
    (
        "S27 the Body not signed",
        |root, _| {
            find(root, SIGNED_INFO).children_mut().pop();
            resign(root);
        },
        Reason::FailedCheck,
    ),
    (
        "S27 the Timestamp not signed",
        |root, _| {
            find(root, SIGNED_INFO).children_mut().remove(2 + TIMESTAMP_REFERENCE);
            resign(root);
        },
        Reason::FailedCheck,
    ),
    (
        "S28 two references of one Id, well signed",
        |root, _| {
            duplicate(root, REFERENCE);
            resign(root);
        },
        Reason::InvalidSecurity,
    ),
    (
        "W03 no Timestamp, well signed",
        |root, _| {
            find(root, SIGNED_INFO).children_mut().remove(2 + TIMESTAMP_REFERENCE);
            remove(root, "Header/Security/Timestamp");
            resign(root);
        },
        Reason::InvalidSecurity,
    ),
    ("W03 two Timestamps", |root, _| find(root, SECURITY).push(Element::new("wsu", QName::new(WSU, "Timestamp"))), Reason::InvalidSecurity),
    (
        "W03 created after it expires, well signed",
        |root, _| {
            retext(root, "Header/Security/Timestamp/Expires", "2000-01-01T00:00:00Z");
            redigest(root, TIMESTAMP_REFERENCE, "Header/Security/Timestamp");
            resign(root);
        },
        Reason::InvalidSecurity,
    ),
    (
        "W11 the token of another type",
        |root, _| set(root, "Header/Security/BinarySecurityToken", "ValueType", "urn:another"),
        Reason::UnsupportedSecurityToken,
    ),
    (
        "X14 encrypted content",
        |root, _| find(root, SECURITY).push(Element::new("xenc", QName::new("http://www.w3.org/2001/04/xmlenc#", "EncryptedKey"))),
        Reason::UnsupportedSecurityToken,
    ),
];

#[test]
fn attacks_are_refused_by_name() {
    let at = now();
    for (version, namespace) in [(Version::Soap11, SOAP11), (Version::Soap12, SOAP12)] {
        let good = signed(version, "value", at);
        let root = read::read(&good, None, &Limits::default()).unwrap();
        let (signer, body) = verdict(&node(&PARTIES.other), &write::document(&root), at).expect("reading and writing change nothing");
        assert_eq!(signer.unwrap().to_string(), PARTIES.member.fingerprint);
        assert_eq!(body.first("urn:t", "value").unwrap().string(), "value");
        for (name, surgery, expected) in WRAPPING.iter().chain(SIGNATURES) {
            let mut root = root.clone();
            surgery(&mut root, namespace);
            // The writer leaves comments out, so they are put back into the octets where the tree has them.
            let octets = with_comments(&root);
            check(name, &octets, at, *expected);
        }
    }
}

/// The octets of a tree, its comments included.
fn with_comments(root: &Element) -> Vec<u8> {
    fn marked(element: &Element) -> Element {
        let mut copy = element.clone();
        for node in copy.children_mut() {
            match node {
                Node::Comment => *node = Node::Instruction { target: String::from("comment"), data: String::new() },
                Node::Element(child) => *child = marked(child),
                _ => {}
            }
        }
        copy
    }
    String::from_utf8(write::document(&marked(root))).unwrap().replace("<?comment?>", "<!--x-->").into_bytes()
}

#[test]
fn a_message_that_was_not_changed_but_comes_from_or_for_others() {
    let at = now();
    let good = signed(Version::Soap12, "value", at);
    let stranger = node(&PARTIES.stranger).sign(draft(Version::Soap12, "value"), at).unwrap();
    check("X15 the certificate of a stranger", &stranger, at, Reason::FailedAuthentication);
    check("W01 expired", &good, at.plus_ms(300_001), Reason::MessageExpired);
    check("W02 in the future", &signed(Version::Soap12, "value", at.plus_ms(60_001)), at, Reason::MessageExpired);
    assert!(verdict(&node(&PARTIES.other), &good, at.plus_ms(300_000)).is_ok());

    let token =
        |octets: &[u8]| find(&mut read::read(octets, None, &Limits::default()).unwrap(), "Header/Security/BinarySecurityToken").string();
    let others = node(&PARTIES.other).sign(draft(Version::Soap12, "value"), at).unwrap();
    let mut root = read::read(&good, None, &Limits::default()).unwrap();
    retext(&mut root, "Header/Security/BinarySecurityToken", &token(&others));
    check("S13 the token of another member", &write::document(&root), at, Reason::FailedCheck);

    let mut root = read::read(&good, None, &Limits::default()).unwrap();
    let mut older = read::read(&signed(Version::Soap12, "another value", at), None, &Limits::default()).unwrap();
    *find(&mut root, SIGNATURE) = find(&mut older, SIGNATURE).clone();
    check("S24 the signature of another message", &write::document(&root), at, Reason::FailedCheck);
}

#[test]
fn a_message_is_taken_once_whatever_its_signature_value() {
    let at = now();
    let good = signed(Version::Soap11, "value", at);
    let receiver = node(&PARTIES.other);
    assert!(verdict(&receiver, &good, at).is_ok());
    assert_eq!(verdict(&receiver, &good, at.plus_ms(1)).map(|_| ()), Err(Reason::FailedAuthentication), "W04");

    // (r, n − s) verifies as well as (r, s).
    let mut root = read::read(&good, None, &Limits::default()).unwrap();
    let value = BASE64.decode(find(&mut root, "Header/Security/Signature/SignatureValue").string().as_bytes()).unwrap();
    let order = BigNum::from_hex_str("FFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551").unwrap();
    let twin = [value[..32].to_vec(), (&order - &BigNum::from_slice(&value[32..]).unwrap()).to_vec_padded(32).unwrap()].concat();
    retext(&mut root, "Header/Security/Signature/SignatureValue", &BASE64.encode(&twin));
    let octets = write::document(&root);
    assert!(verdict(&node(&PARTIES.other), &octets, at).is_ok(), "the twin verifies where the first was not seen");
    assert_eq!(verdict(&receiver, &octets, at).map(|_| ()), Err(Reason::FailedAuthentication));
}

#[test]
fn no_flipped_bit_changes_what_is_accepted() {
    let at = now();
    let good = signed(Version::Soap12, "value", at);
    let (signer, body) = verdict(&node(&PARTIES.other), &good, at).unwrap();
    let receiver = Security::new(
        Trust::from_pem(PARTIES.member.certificate.as_bytes()).unwrap(),
        None,
        Window { replay_entries_max: 0, ..Window::default() },
        Limits::default(),
    );
    let mut refused = 0;
    for at_byte in 0..good.len() {
        let mut octets = good.clone();
        octets[at_byte] ^= 1 << (at_byte % 8);
        // With no memory for replays a message that passes every other check is told that the node is busy.
        match verdict(&receiver, &octets, at) {
            Err(Reason::Busy) => {
                let accepted = verdict(&node(&PARTIES.other), &octets, at).unwrap();
                assert_eq!((accepted.0, &accepted.1), (signer, &body), "byte {at_byte}");
            }
            Err(_) => refused += 1,
            Ok(_) => panic!("the memory has no room"),
        }
    }
    assert!(refused > good.len() * 9 / 10, "{refused} of {} refused", good.len());
}

#[test]
fn endpoints_ask_for_what_their_profile_says() {
    let at = now();
    let unsigned = draft(Version::Soap11, "value").octets();
    let envelope = soap::parse(&unsigned, "text/xml", None, &Limits::default()).unwrap();
    let peer = Fingerprint::of(b"certificate");
    let receiver = node(&PARTIES.other);
    let reason = |peer, profile| receiver.verify(&envelope, peer, profile, at).map(|_| ()).map_err(|fault| fault.reason());
    assert_eq!(reason(None, Profile::Transport), Err(Reason::FailedAuthentication));
    assert_eq!(reason(Some(peer), Profile::Signature), Err(Reason::InvalidSecurity));
    let body = receiver.verify(&envelope, Some(peer), Profile::Transport, at).unwrap();
    assert_eq!((body.caller().tls, body.caller().message), (Some(peer), None));
    let typed = body.try_map(soap::payload).unwrap().into_parts().1;
    assert_eq!(typed.first("urn:t", "value").unwrap().string(), "value");
}

#[test]
fn faults_can_be_signed_and_are_read_from_their_signed_octets() {
    for (version, namespace) in [(Version::Soap11, SOAP11), (Version::Soap12, SOAP12)] {
        for reason in [Reason::Denied, Reason::FailedCheck, Reason::MustUnderstand] {
            let at = now();
            let octets = node(&PARTIES.member).sign(Fault::new(reason, "why").draft(version), at).unwrap();
            let envelope = soap::parse(&octets, "text/xml", None, &Limits::default()).unwrap();
            let body = node(&PARTIES.other).verify(&envelope, None, Profile::Signature, at).unwrap();
            let received = Received::read(body.content()).unwrap();
            assert_eq!(received.text, "why");
            let standard = body.content().first(namespace, "Fault").unwrap();
            let code = standard.first("", "faultcode").or_else(|| standard.first(SOAP12, "Code")?.first(SOAP12, "Value")).unwrap();
            let prefix = code.string().split_once(':').unwrap().0.to_owned();
            let bound = |element: &Element| element.namespaces().iter().any(|(declared, _)| **declared == *prefix);
            assert!(bound(code) || bound(body.content()), "{version:?} {reason:?}: {prefix}");
        }
    }
}

#[test]
fn prefixes_in_content_keep_their_meaning_through_the_signature() {
    let at = now();
    let good = signed(Version::Soap11, "value", at);
    let (_, body) = verdict(&node(&PARTIES.other), &good, at).unwrap();
    let value = body.first("urn:t", "value").unwrap();
    let declared = |element: &Element| element.namespaces().iter().any(|(prefix, ns)| &**prefix == "o" && &**ns == "urn:other");
    assert!(declared(value) || declared(&body), "{value:?}");
    assert!(value.place().line > 0);
}

fn rsa() -> (Vec<u8>, Vec<u8>) {
    let key = PKey::from_rsa(Rsa::generate(2048).unwrap()).unwrap();
    let mut name = X509NameBuilder::new().unwrap();
    name.append_entry_by_text("CN", "rsa").unwrap();
    let name = name.build();
    let mut certificate = X509Builder::new().unwrap();
    certificate.set_version(2).unwrap();
    certificate.set_subject_name(&name).unwrap();
    certificate.set_issuer_name(&name).unwrap();
    certificate.set_pubkey(&key).unwrap();
    certificate.set_not_before(&openssl::asn1::Asn1Time::from_unix(0).unwrap()).unwrap();
    certificate.set_not_after(&openssl::asn1::Asn1Time::days_from_now(2).unwrap()).unwrap();
    certificate.sign(&key, MessageDigest::sha256()).unwrap();
    (certificate.build().to_pem().unwrap(), key.private_key_to_pem_pkcs8().unwrap())
}

#[test]
fn xmlsec1_verifies_what_is_signed_here() {
    let folder = std::env::temp_dir().join(format!("waybill-xmlsec-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    if Command::new("xmlsec1").arg("--version").output().is_err() {
        println!("SKIPPED: xmlsec1 is not installed");
        return;
    }
    let (rsa_certificate, rsa_key) = rsa();
    let member = &PARTIES.member;
    for (kind, certificate, key) in
        [("p256", member.certificate.as_bytes(), member.key.as_bytes()), ("rsa", &rsa_certificate[..], &rsa_key[..])]
    {
        for (version, namespace) in [(Version::Soap11, SOAP11), (Version::Soap12, SOAP12)] {
            let signer = Signer::from_pem(certificate, key).unwrap();
            let security = Security::new(Trust::from_pem(certificate).unwrap(), Some(signer), Window::default(), Limits::default());
            let octets = security.sign(draft(version, "Tere õhtust, 你好 & <\r\n"), now()).unwrap();
            assert!(verdict(&security, &octets, now()).is_ok(), "{kind} {version:?}");
            let (message, pem) = (folder.join("message.xml"), folder.join("certificate.pem"));
            std::fs::File::create(&message).unwrap().write_all(&octets).unwrap();
            std::fs::write(&pem, certificate).unwrap();
            let mut command = Command::new("xmlsec1");
            command.args(["--verify", "--pubkey-cert-pem"]).arg(&pem);
            let addressing = ["To", "Action", "MessageID", "ReplyTo"].map(|local| format!("{}:{local}", addressing::NAMESPACE));
            for element in [format!("{namespace}:Body"), format!("{WSU}:Timestamp")].into_iter().chain(addressing) {
                command.args(["--id-attr:Id", &element]);
            }
            let output = command.arg(&message).output().unwrap();
            assert!(output.status.success(), "{kind} {version:?}: {}", String::from_utf8_lossy(&output.stderr));
        }
    }
    std::fs::remove_dir_all(&folder).unwrap();
}
