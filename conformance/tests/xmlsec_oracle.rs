//! The crate xmlsec (libxmlsec1 over libxml2) as a second judge of signatures, and what it does not judge.

use adapter::pki::{Authority, Use};
use adapter::security::{Profile, Security, Signer, Trust, Window};
use adapter::soap::{self, Draft, Version};
use adapter::{addressing, replica};
use libxml::parser::Parser;
use xmlsec::{XmlSecDocumentExt, XmlSecKey, XmlSecKeyFormat, XmlSecSignatureContext};
use xsd::read::Limits;
use xsd::tree::{Element, QName};

const WSU: &str = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd";

struct Judges {
    security: Security,
    certificate: String,
}

impl Judges {
    /// What xmlsec says: `None` when it cannot process the message at all.
    fn xmlsec(&self, message: &str) -> Option<bool> {
        let document = Parser::default().parse_string(message).ok()?;
        document.specify_idattr("//*[@wsu:Id]", "Id", Some(&[("wsu", WSU)])).ok()?;
        let key = XmlSecKey::from_memory(self.certificate.as_bytes(), XmlSecKeyFormat::CertPem, None).ok()?;
        let mut context = XmlSecSignatureContext::new();
        context.insert_key(key);
        context.verify_document(&document).ok()
    }

    /// What this house says.
    fn ours(&self, message: &str) -> bool {
        let envelope = soap::parse(message.as_bytes(), "application/soap+xml", None, &Limits::default());
        envelope.is_ok_and(|envelope| self.security.verify(&envelope, None, Profile::Signature, replica::now()).is_ok())
    }
}

#[test]
fn xmlsec_agrees_on_signatures_and_not_on_wrapping() {
    let authority = Authority::found("Judges").expect("an authority");
    let issued = authority.issue("civil", &[], Use::Message).expect("a certificate");
    let signer = Signer::from_pem(issued.certificate.as_bytes(), issued.key.as_bytes()).expect("a signer");
    let trust = Trust::from_pem(issued.certificate.as_bytes()).expect("trust");
    let security = Security::new(trust, Some(signer), Window::default(), Limits::default());
    let order = Element::new("o", QName::new("urn:example", "Order")).leaf("What", "车辆 & <more>\r\n").leaf("Amount", "100");
    let headers = addressing::request_headers("https://a.example/", "urn:example:Order", "urn:uuid:1");
    let draft = headers.into_iter().fold(Draft::new(Version::Soap12), Draft::header).body(order);
    let good = String::from_utf8(security.sign(draft, replica::now()).expect("signed")).expect("UTF-8");
    let judges = Judges { security, certificate: issued.certificate };

    let body = good.split_once("<env:Body").map(|(_, rest)| rest.split_once("</env:Body>").expect("a Body").0).expect("a Body");
    let signed_body = ["<env:Body", body, "</env:Body>"].concat();
    let evil_body = signed_body.replace(">100<", ">999<").replacen("Id=\"", "Id=\"x", 1);
    // (name, message, xmlsec, ours): both refuse what was changed; only the rules of position see what was moved.
    let rows = [
        ("as signed", good.clone(), true, true),
        ("a changed Body", good.replace(">100<", ">101<"), false, false),
        ("a changed address", good.replace("https://a.example/", "https://b.example/"), false, false),
        (
            "the signed Body moved aside, another in its place",
            good.replace("<env:Header>", &["<env:Header><w:Wrap xmlns:w=\"urn:w\">", &signed_body, "</w:Wrap>"].concat()).replacen(
                &["</env:Header>", &signed_body].concat(),
                &["</env:Header>", &evil_body].concat(),
                1,
            ),
            true,
            false,
        ),
    ];
    for (name, message, xmlsec, ours) in rows {
        assert_eq!(judges.xmlsec(&message).unwrap_or(false), xmlsec, "xmlsec: {name}");
        assert_eq!(judges.ours(&message), ours, "ours: {name}");
    }
}
