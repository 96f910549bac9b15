//! Reading a contract: services, ports and bindings, with everything wrong said in one go, each with its place.

use crate::contract::{Contract, DetailElement, Operation, Part, Port, Service, SoapVersion, Style};
use crate::cursor::Cursor;
use crate::documents::{Documents, Gather, relative};
use crate::finding::{Finding, Rule, Severity};
use crate::{SOAP11, SOAP12, WSAM, WSDL};
use std::collections::{BTreeMap, BTreeSet};
use xsd::tree::{Place, QName};

const HTTP: &str = "http://schemas.xmlsoap.org/wsdl/http/";
const OVER_HTTP: &str = "http://schemas.xmlsoap.org/soap/http";

/// Finds a document by its location, relative to where the contract stands.
pub(crate) type Resolve<'r> = &'r dyn Fn(&str) -> Option<Vec<u8>>;

/// What came of reading a contract.
#[derive(Clone, Debug)]
pub struct Judged {
    /// What of it is clear; `None` where it is no WSDL document.
    pub contract: Option<Contract>,
    /// Everything found, in the order of files and places.
    pub findings: Vec<Finding>,
}

impl Contract {
    /// Reads a WSDL 1.1 document in which nothing is wrong. `file` names it in findings; `resolve` gives the document at a location
    /// relative to where the contract stands, never from the network.
    ///
    /// # Errors
    /// Every finding of [`Contract::judge`], where an error is among them.
    pub fn read(file: &str, octets: &[u8], resolve: Resolve<'_>) -> Result<Self, Vec<Finding>> {
        let judged = Self::judge(file, octets, resolve);
        let failed = judged.findings.iter().any(|finding| finding.severity() == Severity::Error);
        judged.contract.filter(|_| !failed).ok_or(judged.findings)
    }

    /// Reads any WSDL 1.1 document and says what is wrong with it: the operations whose messages are clear stand in the contract.
    #[must_use]
    pub fn judge(file: &str, octets: &[u8], resolve: Resolve<'_>) -> Judged {
        let mut gather = Gather::new(resolve);
        let read = gather.root(file, octets);
        let (documents, mut findings) = (gather.found, gather.findings);
        let services = read.map(|()| {
            let mut judge = Judge { documents: &documents, findings: &mut findings, bound: BTreeSet::new() };
            judge.definitions()
        });
        findings.sort_by(|left, right| (&left.file, left.place, left.rule).cmp(&(&right.file, right.place, right.rule)));
        findings.dedup();
        let Documents { wsdl, schemas, order, .. } = documents;
        let mut wsdl = wsdl.into_iter();
        let contract = services.zip(wsdl.next()).map(|(services, (file, definitions))| Self {
            file,
            definitions,
            imported: wsdl.collect(),
            schemas,
            order,
            services,
        });
        Judged { contract, findings }
    }
}

/// Judges what stands in the documents.
pub(crate) struct Judge<'d, 'f> {
    pub(crate) documents: &'d Documents,
    findings: &'f mut Vec<Finding>,
    /// Bindings that a port has, by document and place.
    bound: BTreeSet<(&'d str, Place)>,
}

impl<'d> Judge<'d, '_> {
    pub(crate) fn say(&mut self, rule: Rule, at: &Cursor<'_>, what: impl Into<String>) {
        self.findings.push(Finding { rule, file: at.file.to_owned(), place: at.place(), what: what.into() });
    }

    fn roots(&self) -> impl Iterator<Item = Cursor<'d>> + use<'d> {
        self.documents.wsdl.iter().map(|(file, root)| Cursor::root(file, root))
    }

    fn everywhere(&self, local: &'static str) -> Vec<Cursor<'d>> {
        self.roots().flat_map(|root| root.all(WSDL, local).collect::<Vec<_>>()).collect()
    }

    fn definitions(&mut self) -> Vec<Service> {
        for root in self.roots() {
            self.unique(&root);
            self.required_extensions(&root);
        }
        for port_type in self.everywhere("portType") {
            self.port_type(&port_type);
        }
        let mut services = Vec::new();
        for service in self.everywhere("service") {
            let ports = service.all(WSDL, "port").filter_map(|port| self.port(&port)).collect();
            services.push(Service { name: service.name().to_owned(), ports });
        }
        let loose = self.loose_bindings(!services.is_empty());
        if !loose.is_empty() {
            services.push(Service { name: String::new(), ports: loose });
        }
        self.addresses(&services);
        if services.iter().all(|service| service.ports.is_empty())
            && let Some(root) = self.roots().next()
        {
            self.say(Rule::W020, &root, "no service has a port that speaks SOAP");
        }
        services
    }

    /// Bindings that no port has: judged like the others, and ports themselves where the contract has no service.
    fn loose_bindings(&mut self, services: bool) -> Vec<Port> {
        let mut ports = Vec::new();
        for binding in self.everywhere("binding").into_iter().filter(|binding| is_soap(binding)) {
            if self.bound.contains(&(binding.file, binding.place())) {
                continue;
            }
            self.say(Rule::W024, &binding, format!("no port has the binding {:?}", binding.name()));
            if let Some((version, operations)) = self.binding(&binding)
                && !services
            {
                ports.push(Port { name: binding.name().to_owned(), version, address: String::new(), operations });
            }
        }
        ports
    }

    fn unique(&mut self, root: &Cursor<'d>) {
        for kind in ["message", "portType", "binding", "service"] {
            let mut seen = BTreeSet::new();
            for component in root.all(WSDL, kind) {
                if !seen.insert(component.name()) {
                    self.say(Rule::W011, &component, format!("there are two wsdl:{kind} of the name {:?}", component.name()));
                }
            }
        }
    }

    fn required_extensions(&mut self, at: &Cursor<'_>) {
        for child in at.children() {
            if child.element.name().namespace() == WSDL {
                self.required_extensions(&child);
            } else if child.element.attribute(WSDL, "required") == Some("true") {
                self.say(Rule::R2026, &child, format!("{} is required of every caller", child.element.name()));
            }
        }
    }

    fn port_type(&mut self, port_type: &Cursor<'d>) {
        let mut seen = BTreeSet::new();
        for operation in port_type.all(WSDL, "operation") {
            if !seen.insert(operation.name()) {
                self.say(
                    Rule::R2304,
                    &operation,
                    format!("the operation {:?} is overloaded: only its first form is read", operation.name()),
                );
            }
            let first = operation.children().find(|child| ["input", "output"].contains(&child.element.name().local()));
            if first.is_none_or(|first| first.element.name().local() == "output") {
                let what = format!("the operation {:?} does not begin with an input: nobody can call it", operation.name());
                self.say(Rule::R2303, &operation, what);
            }
        }
        for part in self.everywhere("message").iter().flat_map(|message| message.all(WSDL, "part").collect::<Vec<_>>()) {
            if part.attribute("element").is_some() == part.attribute("type").is_some() {
                self.say(Rule::R2306, &part, format!("the part {:?} has to have either element or type", part.name()));
            }
        }
    }

    fn port(&mut self, port: &Cursor<'d>) -> Option<Port> {
        if port.first(HTTP, "address").is_some() {
            self.say(Rule::W023, port, format!("the port {:?} is bound to HTTP GET or POST without SOAP: not usable", port.name()));
            return None;
        }
        let address = port.soap("address");
        let binding = self.find(port, "binding", "binding")?;
        self.bound.insert((binding.file, binding.place()));
        if binding.first(HTTP, "binding").is_some() {
            self.say(Rule::W023, &binding, format!("the binding {:?} is for HTTP without SOAP: not usable", binding.name()));
            return None;
        }
        let (version, operations) = self.binding(&binding)?;
        let expected = if version == SoapVersion::Soap12 { SOAP12 } else { SOAP11 };
        match &address {
            None => self.say(Rule::W021, port, format!("the port {:?} does not say where it answers", port.name())),
            Some(address) if address.element.name().namespace() != expected => {
                self.say(Rule::W022, address, format!("the binding {:?} is of the other version of SOAP", binding.name()));
            }
            Some(_) => {}
        }
        let address = address.and_then(|address| address.attribute("location")).unwrap_or_default().to_owned();
        Some(Port { name: port.name().to_owned(), version, address, operations })
    }

    fn addresses(&mut self, services: &[Service]) {
        let mut seen: BTreeMap<(&str, bool), &str> = BTreeMap::new();
        for port in services.iter().flat_map(|service| &service.ports).filter(|port| !port.address.is_empty()) {
            let before = seen.insert((&port.address, port.version == SoapVersion::Soap12), &port.name);
            if let (Some(before), Some(root)) = (before, self.roots().next()) {
                self.say(Rule::R2711, &root, format!("the ports {before:?} and {:?} have one address", port.name));
            }
        }
    }

    /// The component that `attribute` of `from` refers to.
    pub(crate) fn find(&mut self, from: &Cursor<'_>, attribute: &str, local: &'static str) -> Option<Cursor<'d>> {
        let name = from.qname(attribute).unwrap_or_else(|| QName::new("", ""));
        let all = self.everywhere(local);
        let namespace = |component: &Cursor<'_>| {
            let root = self.roots().find(|root| root.file == component.file);
            root.and_then(|root| root.attribute("targetNamespace")).unwrap_or_default()
        };
        if let Some(found) = all.iter().find(|found| found.name() == name.local() && namespace(found) == name.namespace()) {
            return Some(found.clone());
        }
        let known = self.roots().any(|root| root.attribute("targetNamespace").unwrap_or_default() == name.namespace());
        let elsewhere = all.iter().find(|other| other.name() == name.local()).map(namespace);
        let hint = elsewhere.map(|namespace| format!("; there is one in {namespace:?}: mend the prefix")).unwrap_or_default();
        let rule = if known { Rule::W010 } else { Rule::R2101 };
        let written = from.attribute(attribute).unwrap_or_default();
        self.say(rule, from, format!("there is no wsdl:{local} {written:?}{hint}"));
        None
    }

    fn binding(&mut self, binding: &Cursor<'d>) -> Option<(SoapVersion, Vec<Operation>)> {
        let Some(soap) = binding.soap("binding") else {
            self.say(Rule::R2401, binding, format!("the binding {:?} is not of SOAP", binding.name()));
            return None;
        };
        let version = if soap.element.name().namespace() == SOAP12 { SoapVersion::Soap12 } else { SoapVersion::Soap11 };
        match soap.attribute("transport") {
            Some(OVER_HTTP) => {}
            Some("http://www.w3.org/2003/05/soap/bindings/HTTP/") if version == SoapVersion::Soap12 => {}
            Some(other) => {
                self.say(Rule::R2702, &soap, format!("the transport is {other:?}: not usable"));
                return None;
            }
            None => self.say(Rule::R2701, &soap, "soap:binding does not say its transport: taken as HTTP"),
        }
        let port_type = self.find(binding, "type", "portType")?;
        let bound: Vec<Cursor<'d>> = binding.all(WSDL, "operation").collect();
        self.same_operations(&port_type, binding, &bound);
        self.one_style(&soap, &bound);
        let mut operations: Vec<Operation> = Vec::new();
        let mut names = BTreeSet::new();
        for abstract_ in port_type.all(WSDL, "operation").filter(|operation| names.insert(operation.name())) {
            let Some(bound) = bound.iter().find(|bound| bound.name() == abstract_.name()) else { continue };
            let style = style(bound.soap("operation").as_ref()).or_else(|| style(Some(&soap))).unwrap_or(Style::Document);
            let Some(operation) = self.operation(&abstract_, bound, style) else { continue };
            if let Some(other) = operations.iter().find(|other| other.input == operation.input) {
                let what = format!("{:?} and {:?} have one child of the Body, {}", other.name, operation.name, operation.input);
                self.say(Rule::R2710, bound, what);
            }
            operations.push(operation);
        }
        Some((version, operations))
    }

    fn same_operations(&mut self, port_type: &Cursor<'d>, binding: &Cursor<'d>, bound: &[Cursor<'d>]) {
        let has = |all: &[Cursor<'d>], name: &str| all.iter().any(|operation| operation.name() == name);
        let abstracts: Vec<Cursor<'d>> = port_type.all(WSDL, "operation").collect();
        for operation in abstracts.iter().filter(|operation| !has(bound, operation.name())) {
            let what = format!("operation {:?} has no binding in {:?}", operation.name(), binding.name());
            self.say(Rule::R2718, operation, what);
        }
        for operation in bound.iter().filter(|operation| !has(&abstracts, operation.name())) {
            let what = format!("the binding speaks of an operation {:?} that the port type does not have", operation.name());
            self.say(Rule::R2718, operation, what);
        }
    }

    fn one_style(&mut self, soap: &Cursor<'d>, bound: &[Cursor<'d>]) {
        let of_binding = style(Some(soap));
        let mut first: Option<Style> = None;
        for operation in bound {
            let own = style(operation.soap("operation").as_ref()).or(of_binding).unwrap_or(Style::Document);
            if *first.get_or_insert(own) != own {
                let what = format!("operation {:?} is of another style than those before it", operation.name());
                self.say(Rule::R2705, operation, what);
            }
        }
    }

    fn operation(&mut self, abstract_: &Cursor<'d>, bound: &Cursor<'d>, style: Style) -> Option<Operation> {
        let name = abstract_.name();
        let soap = bound.soap("operation");
        let soap_action = soap.as_ref().and_then(|soap| soap.attribute("soapAction"));
        if soap_action.is_none() {
            self.say(Rule::W040, soap.as_ref().unwrap_or(bound), format!("operation {name:?} has no soapAction"));
        }
        let input = abstract_.first(WSDL, "input")?;
        let output = abstract_.first(WSDL, "output");
        let action = |message: &Cursor<'_>| message.element.attribute(WSAM, "Action").map(str::to_owned);
        // Everything is looked at before what is not clear ends the operation.
        let faults = abstract_.all(WSDL, "fault").filter_map(|fault| self.fault(&fault, bound)).collect();
        let request = self.message(&input, bound.first(WSDL, "input").as_ref(), bound, style, name);
        let response = [name, "Response"].concat();
        let replied = bound.first(WSDL, "output");
        let reply = output.as_ref().map(|output| self.message(output, replied.as_ref(), bound, style, &response));
        let (request, reply) = match reply {
            Some(reply) => (request?, Some(reply?)),
            None => (request?, None),
        };
        if request.element.local() != name {
            let what = format!("operation {name:?} is asked for by {}", request.element);
            self.say(Rule::W041, &input, what);
        }
        let documentation = abstract_.first(WSDL, "documentation").map(|documentation| documentation.element.string());
        let encoded = request.encoded || reply.as_ref().is_some_and(|reply| reply.encoded);
        let (output_element, output_parts, output_headers) =
            reply.map(|reply| (Some(reply.element), reply.parts, reply.headers)).unwrap_or_default();
        Some(Operation {
            name: name.to_owned(),
            documentation: documentation.unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" "),
            soap_action: soap_action.unwrap_or_default().to_owned(),
            style,
            encoded,
            input: request.element,
            input_parts: request.parts,
            input_headers: request.headers,
            input_action: action(&input),
            output: output_element,
            output_parts,
            output_headers,
            output_action: output.as_ref().and_then(action),
            faults,
        })
    }

    fn fault(&mut self, fault: &Cursor<'d>, bound: &Cursor<'d>) -> Option<DetailElement> {
        let name = fault.name();
        let bound = bound.all(WSDL, "fault").find(|bound| bound.name() == name);
        match bound.as_ref().and_then(|bound| bound.soap("fault")) {
            Some(soap) => self.bound_fault(&soap, name),
            None => self.say(Rule::R2740, fault, format!("fault {name:?} has no binding")),
        }
        let message = self.find(fault, "message", "message")?;
        let parts: Vec<Cursor<'d>> = message.all(WSDL, "part").collect();
        match parts.as_slice() {
            [part] if part.attribute("element").is_some() => {
                let element = self.declared(part)?;
                Some(DetailElement { name: name.to_owned(), element })
            }
            _ => {
                self.say(Rule::R2205, &message, format!("the message of fault {name:?} has not one part with an element"));
                None
            }
        }
    }

    fn bound_fault(&mut self, soap: &Cursor<'d>, name: &str) {
        self.literal(soap);
        match soap.attribute("name") {
            None => self.say(Rule::R2721, soap, "soap:fault has no name"),
            Some(own) if own != name => self.say(Rule::R2754, soap, format!("soap:fault is named {own:?} and its wsdl:fault {name:?}")),
            Some(_) => {}
        }
    }

    /// Says where a use is not literal; whether it is encoded.
    pub(crate) fn literal(&mut self, soap: &Cursor<'_>) -> bool {
        let encoded = soap.attribute("use").is_some_and(|used| used != "literal");
        if encoded {
            self.say(Rule::R2706, soap, format!("use={:?}: only literal is spoken", soap.attribute("use").unwrap_or_default()));
        }
        encoded
    }

    /// The global element of a part, if a schema has it or may have it.
    pub(crate) fn declared(&mut self, part: &Cursor<'_>) -> Option<QName> {
        let element = part.qname("element")?;
        if self.documents.elements.contains(&element) {
            return Some(element);
        }
        if self.documents.opaque.contains(element.namespace()) {
            self.say(Rule::W034, part, format!("the schema of {element} is not there"));
            return Some(element);
        }
        self.say(Rule::R2206, part, format!("no schema declares the element {element}"));
        None
    }

    /// A part of an rpc message.
    pub(crate) fn typed(&mut self, part: &Cursor<'_>) -> Option<Part> {
        let type_name = part.qname("type")?;
        let known = type_name.namespace() == crate::XS || self.documents.types.contains(&type_name);
        if !known && self.documents.opaque.contains(type_name.namespace()) {
            self.say(Rule::W034, part, format!("the schema of {type_name} is not there"));
        } else if !known {
            self.say(Rule::W033, part, format!("no schema has the type {type_name}"));
            return None;
        }
        Some(Part { name: part.name().to_owned(), type_name })
    }

    /// The namespace of an rpc wrapper.
    pub(crate) fn wrapper_namespace(&mut self, body: &Cursor<'_>) -> String {
        let own = body.attribute("namespace");
        match own {
            Some(namespace) if !relative(namespace) => {}
            Some(namespace) => self.say(Rule::R2717, body, format!("the namespace {namespace:?} of the wrapper is no absolute URI")),
            None => self.say(Rule::R2717, body, "soap:body of an rpc operation has no namespace: toolkits differ in what they send"),
        }
        own.unwrap_or_default().to_owned()
    }
}

fn is_soap(binding: &Cursor<'_>) -> bool {
    binding.soap("binding").is_some()
}

fn style(soap: Option<&Cursor<'_>>) -> Option<Style> {
    match soap?.attribute("style")? {
        "rpc" => Some(Style::Rpc),
        _ => Some(Style::Document),
    }
}
