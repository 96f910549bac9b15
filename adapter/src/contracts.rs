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
    let schemas =
        wsdl::schemas().map_err(|defects| Misconfigured::Value(defects.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")))?;
    Ok((contracts, schemas))
}
