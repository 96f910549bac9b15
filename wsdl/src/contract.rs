//! The nouns of a contract.

use std::collections::BTreeMap;
use xsd::tree::{Element, QName};

/// The SOAP version of a port, said by the namespace of its binding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SoapVersion {
    /// SOAP 1.1.
    Soap11,
    /// SOAP 1.2.
    Soap12,
}

/// What stands in the Body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// The element of the message's part.
    Document,
    /// A wrapper named as the operation, and in it an element for each part.
    Rpc,
}

/// A service and its ports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// Its name; empty for the bindings of a contract that has no service.
    pub name: String,
    /// Its ports that speak SOAP over HTTP.
    pub ports: Vec<Port>,
}

/// A port: where and in which version of SOAP its operations are called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Port {
    /// Its name.
    pub name: String,
    /// The version of SOAP.
    pub version: SoapVersion,
    /// Where it answers; empty where the contract does not say.
    pub address: String,
    /// Its operations, in the order of the port type: those whose messages are clear.
    pub operations: Vec<Operation>,
}

/// An operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation {
    /// Its name.
    pub name: String,
    /// What its documentation says, in one line.
    pub documentation: String,
    /// SOAPAction; empty where the contract gives none.
    pub soap_action: String,
    /// What stands in the Body.
    pub style: Style,
    /// Whether a message uses SOAP encoding: then its elements may stand anywhere in the Body and refer to each other.
    pub encoded: bool,
    /// The child of the request's Body: the element of the part, or the wrapper (R2729).
    pub input: QName,
    /// The parts in the request's wrapper; empty in document style.
    pub input_parts: Vec<Part>,
    /// The header entries of the request.
    pub input_headers: Vec<QName>,
    /// wsa:Action of the request.
    pub input_action: Option<String>,
    /// The child of the reply's Body; `None` for a one-way operation.
    pub output: Option<QName>,
    /// The parts in the reply's wrapper; empty in document style.
    pub output_parts: Vec<Part>,
    /// The header entries of the reply.
    pub output_headers: Vec<QName>,
    /// wsa:Action of the reply.
    pub output_action: Option<String>,
    /// The declared faults.
    pub faults: Vec<DetailElement>,
}

/// A part of an rpc message: an element in no namespace inside the wrapper (R2735, R2755).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// The name of the part and of its element.
    pub name: String,
    /// The element's type.
    pub type_name: QName,
}

/// A declared fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DetailElement {
    /// Its name.
    pub name: String,
    /// The child of the fault's detail.
    pub element: QName,
}

/// A contract that was read: the services, and the schemas of their messages.
#[derive(Clone, Debug)]
pub struct Contract {
    pub(crate) file: String,
    pub(crate) definitions: Element,
    /// The WSDL documents it imports, (location, document).
    pub(crate) imported: Vec<(String, Element)>,
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

    /// The operations of all ports: those of one port type more than once where several bindings have it.
    pub fn operations(&self) -> impl Iterator<Item = &Operation> {
        self.ports().flat_map(|port| &port.operations)
    }

    /// The schema documents, (location, document), those that others import first.
    pub fn schemas(&self) -> impl Iterator<Item = (&str, &Element)> {
        self.order.iter().filter_map(|location| self.schemas.get_key_value(location)).map(|(location, schema)| (location.as_str(), schema))
    }
}
