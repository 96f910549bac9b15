//! The contracts of the house and their messages, as they stand in the program.

use crate::contract::Contract;
use crate::finding::{Finding, Rule};
use xsd::schema::Schemas;

/// The services, by the name that stands in their path `/ws/NAME`.
pub const SERVICES: [&str; 6] = ["directory", "trading", "authority", "registry", "audit", "governance"];

const DOCUMENTS: [(&str, &[u8]); 14] = [
    ("audit.wsdl", include_bytes!("../audit.wsdl")),
    ("authority.wsdl", include_bytes!("../authority.wsdl")),
    ("directory.wsdl", include_bytes!("../directory.wsdl")),
    ("governance.wsdl", include_bytes!("../governance.wsdl")),
    ("registry.wsdl", include_bytes!("../registry.wsdl")),
    ("trading.wsdl", include_bytes!("../trading.wsdl")),
    ("audit-messages.xsd", include_bytes!("../audit-messages.xsd")),
    ("authority-messages.xsd", include_bytes!("../authority-messages.xsd")),
    ("directory-messages.xsd", include_bytes!("../directory-messages.xsd")),
    ("governance-messages.xsd", include_bytes!("../governance-messages.xsd")),
    ("registry-messages.xsd", include_bytes!("../registry-messages.xsd")),
    ("trading-messages.xsd", include_bytes!("../trading-messages.xsd")),
    ("fault.xsd", include_bytes!("../fault.xsd")),
    ("receipt.xsd", include_bytes!("../receipt.xsd")),
];

fn document(name: &str) -> Option<&'static [u8]> {
    DOCUMENTS.iter().find(|(known, _)| *known == name).map(|(_, octets)| *octets)
}

/// A schema that a contract of the house imports, by its schemaLocation.
#[must_use]
pub fn schema(location: &str) -> Option<&'static [u8]> {
    document(location).filter(|_| location.ends_with(".xsd")).or_else(|| xsd::unified::document(location))
}

/// The unified schemas and the messages of all services as one graph: what a request or reply is validated against.
///
/// # Errors
/// Their defects: a test keeps them free of any.
pub fn schemas() -> Result<Schemas, Vec<xsd::load::Defect>> {
    let messages = DOCUMENTS.iter().filter(|(name, _)| name.ends_with(".xsd")).copied();
    let unified = xsd::unified::names().filter_map(|name| xsd::unified::document(name).map(|octets| (name, octets)));
    let documents: Vec<(&str, &[u8])> = messages.chain(unified).collect();
    Schemas::load(&documents, &|location, _| schema(location).map(<[u8]>::to_vec))
}

/// Reads the contract of a service of [`SERVICES`].
///
/// # Errors
/// There is no such service. (That the contracts of the house hold together is shown by a test.)
pub fn contract(service: &str) -> Result<Contract, Vec<Finding>> {
    let file = [service, ".wsdl"].concat();
    let missing = || {
        vec![Finding { rule: Rule::W003, file: file.clone(), place: Default::default(), what: format!("there is no service {service:?}") }]
    };
    let octets = document(&file).ok_or_else(missing)?;
    Contract::read(&file, octets, &|location| schema(location).map(<[u8]>::to_vec))
}
