//! The contracts that are served and the schemas that every message is held against, loaded once.

use crate::config::Misconfigured;
use std::collections::BTreeMap;
use wsdl::Contract;
use xsd::schema::Schemas;

/// The contracts by service, and one schema set for all their messages.
///
/// # Errors
/// They do not hold together, which a test would have shown.
pub fn load() -> Result<(BTreeMap<String, Contract>, Schemas), Misconfigured> {
    let mut contracts = BTreeMap::new();
    for service in wsdl::SERVICES {
        let contract = wsdl::contract(service).map_err(|defects| Misconfigured::Value(format!("{service}.wsdl: {defects:?}")))?;
        contracts.insert(service.to_owned(), contract);
    }
    let resolver = |location: &str, _namespace: &str| wsdl::schema(location).map(<[u8]>::to_vec);
    let documents: Vec<(String, &[u8])> = wsdl::SERVICES
        .iter()
        .map(|service| format!("{service}-messages.xsd"))
        .filter_map(|name| wsdl::schema(&name).map(|octets| (name, octets)))
        .collect();
    let documents: Vec<(&str, &[u8])> = documents.iter().map(|(name, octets)| (name.as_str(), *octets)).collect();
    let schemas = Schemas::load(&documents, &resolver)
        .map_err(|defects| Misconfigured::Value(defects.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")))?;
    Ok((contracts, schemas))
}
