//! Reading a contract: every defect in one go, each with its place.

use crate::contract::{Contract, Defect, DetailElement, Operation, Port, Service, SoapVersion};
use crate::cursor::Cursor;
use crate::{SOAP12, WSAM, WSDL, XS};
use std::collections::{BTreeMap, BTreeSet};
use xsd::read::Limits;
use xsd::tree::{Element, Place, QName};

/// The schemas one contract may bring.
const SCHEMAS_MAX: usize = 256;

/// Finds a document by its schemaLocation.
type Resolve<'r> = &'r dyn Fn(&str) -> Option<Vec<u8>>;

impl Contract {
    /// Reads a WSDL 1.1 document. `file` names it in defects; `resolve` gives the schema at a schemaLocation, never from the
    /// network.
    ///
    /// # Errors
    /// Everything wrong with it: not well formed, names that refer to nothing, elements that no schema declares, and what this
    /// house does not speak (rpc style, encoded use, wsdl:import).
    pub fn read(file: &str, octets: &[u8], resolve: Resolve<'_>) -> Result<Self, Vec<Defect>> {
        let malformed = |error: xsd::read::Malformed| vec![Defect { file: file.to_owned(), place: error.place, what: error.what }];
        let definitions = xsd::read::read(octets, None, &Limits::default()).map_err(malformed)?;
        let mut reading = Reading { file, defects: Vec::new(), schemas: BTreeMap::new(), order: Vec::new(), declared: BTreeSet::new() };
        if !definitions.name().is(WSDL, "definitions") {
            return Err(vec![reading.defect(definitions.place(), "the root of a contract is wsdl:definitions")]);
        }
        let services = reading.definitions(&Cursor::root(&definitions), resolve);
        if reading.defects.is_empty() {
            let (schemas, order) = (reading.schemas, reading.order);
            Ok(Self { definitions, schemas, order, services })
        } else {
            Err(reading.defects)
        }
    }
}

struct Reading<'f> {
    file: &'f str,
    defects: Vec<Defect>,
    schemas: BTreeMap<String, Element>,
    order: Vec<String>,
    declared: BTreeSet<QName>,
}

impl Reading<'_> {
    fn defect(&self, place: Place, what: impl Into<String>) -> Defect {
        Defect { file: self.file.to_owned(), place, what: what.into() }
    }

    fn wrong(&mut self, place: Place, what: impl Into<String>) {
        let defect = self.defect(place, what);
        self.defects.push(defect);
    }

    fn definitions(&mut self, root: &Cursor<'_>, resolve: Resolve<'_>) -> Vec<Service> {
        for import in root.all(WSDL, "import") {
            self.wrong(import.place(), "wsdl:import is not read: give the contract as one document");
        }
        for schema in root.all(WSDL, "types").flat_map(|types| types.all(XS, "schema").collect::<Vec<_>>()) {
            self.schema(self.file.to_owned().as_str(), schema.element, resolve);
        }
        let mut services = Vec::new();
        for service in root.all(WSDL, "service") {
            let ports = service.all(WSDL, "port").filter_map(|port| self.port(root, &port)).collect();
            services.push(Service { name: service.attribute("name").unwrap_or_default().to_owned(), ports });
        }
        if services.iter().all(|service| service.ports.is_empty()) && self.defects.is_empty() {
            self.wrong(root.place(), "no service has a port that speaks SOAP");
        }
        services
    }

    /// Notes what a schema declares, and reads the documents that it imports.
    fn schema(&mut self, file: &str, schema: &Element, resolve: Resolve<'_>) {
        let namespace = schema.attribute("", "targetNamespace").unwrap_or_default();
        for element in schema.all(XS, "element") {
            if let Some(name) = element.attribute("", "name") {
                self.declared.insert(QName::new(namespace, name));
            }
        }
        let parts = |local| schema.all(XS, local);
        for part in parts("import").chain(parts("include")) {
            let Some(location) = part.attribute("", "schemaLocation") else { continue };
            if self.schemas.contains_key(location) {
                continue;
            }
            let document = match self.document(file, part.place(), location, resolve) {
                Ok(document) => document,
                Err(defect) => {
                    self.defects.push(defect);
                    continue;
                }
            };
            let included = part.name().local() == "include";
            if included && document.attribute("", "targetNamespace").unwrap_or_default() != namespace {
                self.defects.push(Defect {
                    file: file.to_owned(),
                    place: part.place(),
                    what: format!(
                        "{location} is included, but its targetNamespace is not {namespace:?}: chameleon includes are not served"
                    ),
                });
            }
            self.schemas.insert(location.to_owned(), document.clone());
            self.schema(location, &document, resolve);
            self.order.push(location.to_owned());
        }
    }

    fn document(&self, file: &str, place: Place, location: &str, resolve: Resolve<'_>) -> Result<Element, Defect> {
        let defect = |what: String| Defect { file: file.to_owned(), place, what };
        if self.schemas.len() >= SCHEMAS_MAX {
            return Err(defect(format!("more than {SCHEMAS_MAX} schema documents")));
        }
        let octets = resolve(location).ok_or_else(|| defect(format!("there is no schema document {location:?}")))?;
        let read = xsd::read::read(&octets, None, &Limits::default());
        let document = read.map_err(|error| Defect { file: location.to_owned(), place: error.place, what: error.what })?;
        let right = document.name().is(XS, "schema");
        if right { Ok(document) } else { Err(defect(format!("{location:?} is no schema but {}", document.name()))) }
    }

    fn port(&mut self, root: &Cursor<'_>, port: &Cursor<'_>) -> Option<Port> {
        let address = port.soap("address")?;
        let version = if address.element.name().namespace() == SOAP12 { SoapVersion::Soap12 } else { SoapVersion::Soap11 };
        let location = address.attribute("location").unwrap_or_default().to_owned();
        let binding = self.named(root, port, "binding", "binding")?;
        let port_type = self.named(root, &binding, "type", "portType")?;
        match binding.soap("binding") {
            Some(soap) if soap.element.name().namespace() == address.element.name().namespace() => self.style(&soap, "document"),
            _ => self.wrong(binding.place(), "the binding is not of the SOAP version of its port's address"),
        }
        let bound: Vec<Cursor<'_>> = binding.all(WSDL, "operation").collect();
        let mut operations = Vec::new();
        for operation in port_type.all(WSDL, "operation") {
            let name = operation.attribute("name").unwrap_or_default();
            match bound.iter().find(|bound| bound.attribute("name") == Some(name)) {
                Some(bound) => operations.extend(self.operation(root, &operation, bound)),
                None => self.wrong(operation.place(), format!("operation {name:?} has no binding")),
            }
        }
        for bound in &bound {
            let name = bound.attribute("name").unwrap_or_default();
            if port_type.all(WSDL, "operation").all(|operation| operation.attribute("name") != Some(name)) {
                self.wrong(bound.place(), format!("the binding speaks of an operation {name:?} that the port type does not have"));
            }
        }
        Some(Port { name: port.attribute("name").unwrap_or_default().to_owned(), version, address: location, operations })
    }

    /// The component that `attribute` of `from` refers to.
    fn named<'a>(&mut self, root: &Cursor<'a>, from: &Cursor<'_>, attribute: &str, local: &'static str) -> Option<Cursor<'a>> {
        let target = root.attribute("targetNamespace").unwrap_or_default();
        let name = from.qname(attribute);
        let found = name.as_ref().filter(|name| name.namespace() == target).and_then(|name| {
            let mut candidates = root.all(WSDL, local);
            candidates.find(|candidate| candidate.attribute("name") == Some(name.local()))
        });
        if found.is_none() {
            let name = from.attribute(attribute).unwrap_or_default();
            self.wrong(from.place(), format!("there is no wsdl:{local} {name:?}"));
        }
        found
    }

    fn style(&mut self, soap: &Cursor<'_>, default: &str) {
        if soap.attribute("style").unwrap_or(default) != "document" {
            self.wrong(soap.place(), "only style document is spoken");
        }
    }

    fn operation(&mut self, root: &Cursor<'_>, abstract_: &Cursor<'_>, bound: &Cursor<'_>) -> Option<Operation> {
        let soap = bound.soap("operation");
        if let Some(soap) = &soap {
            self.style(soap, "document");
        }
        for direction in ["input", "output"] {
            if let Some(body) = bound.first(WSDL, direction).and_then(|direction| direction.soap("body")) {
                self.literal(&body);
            }
        }
        let Some(input) = abstract_.first(WSDL, "input") else {
            self.wrong(abstract_.place(), "an operation without input is not spoken");
            return None;
        };
        let output = abstract_.first(WSDL, "output");
        let action = |message: &Cursor<'_>| message.element.attribute(WSAM, "Action").map(str::to_owned);
        let mut faults = Vec::new();
        for fault in abstract_.all(WSDL, "fault") {
            let name = fault.attribute("name").unwrap_or_default();
            let bound_fault = bound.all(WSDL, "fault").find(|bound| bound.attribute("name") == Some(name));
            match bound_fault.and_then(|bound| bound.soap("fault")) {
                Some(soap) => self.literal(&soap),
                None => self.wrong(fault.place(), format!("fault {name:?} has no binding")),
            }
            faults.extend(self.element(root, &fault).map(|element| DetailElement { name: name.to_owned(), element }));
        }
        let documentation = abstract_.first(WSDL, "documentation").map(|documentation| documentation.element.string());
        Some(Operation {
            name: abstract_.attribute("name").unwrap_or_default().to_owned(),
            documentation: documentation.unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" "),
            soap_action: soap.and_then(|soap| soap.attribute("soapAction")).unwrap_or_default().to_owned(),
            input: self.element(root, &input)?,
            input_action: action(&input),
            output: match &output {
                Some(output) => Some(self.element(root, output)?),
                None => None,
            },
            output_action: output.as_ref().and_then(action),
            faults,
        })
    }

    fn literal(&mut self, soap: &Cursor<'_>) {
        if soap.attribute("use").unwrap_or("literal") != "literal" {
            self.wrong(soap.place(), "only use literal is spoken");
        }
    }

    /// The element of the one part of the message that an input, output or fault names.
    fn element(&mut self, root: &Cursor<'_>, direction: &Cursor<'_>) -> Option<QName> {
        let message = self.named(root, direction, "message", "message")?;
        let parts: Vec<Cursor<'_>> = message.all(WSDL, "part").collect();
        let [part] = parts.as_slice() else {
            self.wrong(message.place(), "a document/literal message has one part");
            return None;
        };
        let Some(element) = part.qname("element") else {
            self.wrong(part.place(), "the part of a document/literal message names an element");
            return None;
        };
        if !self.declared.contains(&element) {
            self.wrong(part.place(), format!("no schema declares the element {element}"));
        }
        Some(element)
    }
}
