//! The nouns of a contract, and what can be wrong with one.

use std::collections::BTreeMap;
use std::fmt;
use xsd::tree::{Element, Place, QName};

/// The SOAP version of a port, said by the namespace of its binding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SoapVersion {
    /// SOAP 1.1.
    Soap11,
    /// SOAP 1.2.
    Soap12,
}

/// A service and its ports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// Its name.
    pub name: String,
    /// Its ports, document/literal over HTTP.
    pub ports: Vec<Port>,
}

/// A port: where and in which version of SOAP its operations are called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Port {
    /// Its name.
    pub name: String,
    /// The version of SOAP.
    pub version: SoapVersion,
    /// Where it answers.
    pub address: String,
    /// Its operations, in the order of the port type.
    pub operations: Vec<Operation>,
}

/// A document/literal operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation {
    /// Its name.
    pub name: String,
    /// What its documentation says, in one line.
    pub documentation: String,
    /// SOAPAction; empty where the contract gives none.
    pub soap_action: String,
    /// The child of the request's Body.
    pub input: QName,
    /// wsa:Action of the request.
    pub input_action: Option<String>,
    /// The child of the reply's Body; `None` for a one-way operation.
    pub output: Option<QName>,
    /// wsa:Action of the reply.
    pub output_action: Option<String>,
    /// The declared faults.
    pub faults: Vec<DetailElement>,
}

/// A declared fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DetailElement {
    /// Its name.
    pub name: String,
    /// The child of the fault's detail.
    pub element: QName,
}

/// A contract that was read and holds together: every name in it refers to something, every element it speaks of is declared.
#[derive(Clone, Debug)]
pub struct Contract {
    pub(crate) definitions: Element,
    pub(crate) schemas: BTreeMap<String, Element>,
    pub(crate) order: Vec<String>,
    pub(crate) services: Vec<Service>,
}

impl Contract {
    /// The services.
    #[must_use]
    pub fn services(&self) -> &[Service] {
        &self.services
    }

    /// The ports of all services.
    pub fn ports(&self) -> impl Iterator<Item = &Port> {
        self.services.iter().flat_map(|service| &service.ports)
    }

    /// The schema documents, (location, document), those that others import first.
    pub fn schemas(&self) -> impl Iterator<Item = (&str, &Element)> {
        self.order.iter().filter_map(|location| self.schemas.get_key_value(location)).map(|(location, schema)| (location.as_str(), schema))
    }
}

/// Something wrong with a contract, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Defect {
    /// The document.
    pub file: String,
    /// Where in it.
    pub place: Place,
    /// What, in one sentence.
    pub what: String,
}

impl fmt::Display for Defect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.place, self.what)
    }
}

impl std::error::Error for Defect {}
