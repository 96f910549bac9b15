//! Faults that somebody else sent, read leniently.

use super::{NAMESPACE, Reason};
use crate::soap::{SOAP11, SOAP12};
use xsd::tree::Element;

/// A fault that somebody else sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// `Sender`, `Receiver`, `MustUnderstand`, `VersionMismatch` in either version, or what else stood there, without its prefix.
    pub code: String,
    /// SOAP 1.2: the subcodes, general first, without their prefixes.
    pub subcodes: Vec<String>,
    /// The first reason text.
    pub text: String,
    /// The entries of `detail`.
    pub detail: Vec<Element>,
}

impl Received {
    /// Reads the fault in a Body, if there is one. The HTTP status does not matter: faults come with 200, 400 and 500.
    #[must_use]
    pub fn read(body: &Element) -> Option<Self> {
        if let Some(fault) = body.first(SOAP11, "Fault") {
            let text = |local: &str| fault.first("", local).map(Element::string).unwrap_or_default();
            let code = match local_part(&text("faultcode")) {
                "Client" => String::from("Sender"),
                "Server" => String::from("Receiver"),
                other => other.to_owned(),
            };
            let detail = fault.first("", "detail").map(|detail| detail.elements().cloned().collect()).unwrap_or_default();
            return Some(Self { code, subcodes: Vec::new(), text: text("faultstring").trim().to_owned(), detail });
        }
        let fault = body.first(SOAP12, "Fault")?;
        let value = |holder: &Element| {
            let value = holder.first(SOAP12, "Value").map(Element::string).unwrap_or_default();
            local_part(&value).to_owned()
        };
        let code = fault.first(SOAP12, "Code")?;
        let mut subcodes = Vec::new();
        let mut next = code.first(SOAP12, "Subcode");
        while let Some(subcode) = next {
            subcodes.push(value(subcode));
            next = subcode.first(SOAP12, "Subcode");
        }
        let text = fault.first(SOAP12, "Reason").and_then(|reason| reason.first(SOAP12, "Text")).map(Element::string);
        let detail = fault.first(SOAP12, "Detail").map(|detail| detail.elements().cloned().collect()).unwrap_or_default();
        Some(Self { code: value(code), subcodes, text: text.unwrap_or_default().trim().to_owned(), detail })
    }

    /// The stable code of another Waybill, if the fault explains itself as one.
    #[must_use]
    pub fn stable(&self) -> Option<Reason> {
        let explanation = self.detail.iter().find(|entry| entry.name().is(NAMESPACE, "Detail"))?;
        let code = explanation.first(NAMESPACE, "Code")?.string();
        Reason::ALL.into_iter().find(|reason| reason.code() == code)
    }
}

fn local_part(name: &str) -> &str {
    let name = name.trim();
    name.rsplit_once(':').map_or(name, |(_, local)| local)
}
