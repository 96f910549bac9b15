//! WSDL 1.1: the contracts of the services, how they are served, and the contracts of legacy systems.

mod contract;
mod cursor;
mod documents;
mod embedded;
mod finding;
mod import;
mod messages;
mod read;
mod serve;
pub mod stub;
mod wrapper;

pub use contract::{Contract, DetailElement, Operation, Part, Port, Service, SoapVersion, Style};
pub use embedded::{SERVICES, contract, schema, schemas};
pub use finding::{Finding, Rule, Severity};
pub use import::{Exchange, Import, import};
pub use read::Judged;

/// Namespace of WSDL 1.1.
pub const WSDL: &str = "http://schemas.xmlsoap.org/wsdl/";
/// Namespace of the SOAP 1.1 binding.
pub const SOAP11: &str = "http://schemas.xmlsoap.org/wsdl/soap/";
/// Namespace of the SOAP 1.2 binding.
pub const SOAP12: &str = "http://schemas.xmlsoap.org/wsdl/soap12/";
/// Namespace of WS-Addressing metadata, for `wsam:Action`.
pub const WSAM: &str = "http://www.w3.org/2007/05/addressing/metadata";
/// Namespace of XML Schema.
pub const XS: &str = "http://www.w3.org/2001/XMLSchema";
