//! The WSDL operations that mappings are bound to: whether the message is the one that the mapping reads or writes.

use crate::diagnostic::{Report, meant};
use crate::document::{Bind, Document};
use crate::files::Files;
use crate::path::{Scope, name};
use xsd::read::{Limits, read};
use xsd::tree::{Element, QName};

const WSDL: &str = "http://schemas.xmlsoap.org/wsdl/";
const SOAP: [&str; 2] = ["http://schemas.xmlsoap.org/wsdl/soap/", "http://schemas.xmlsoap.org/wsdl/soap12/"];

/// Checks every `m:bind` of the document against its WSDL 1.1 file.
pub(crate) fn check(document: &Document, files: &Files, report: &mut Report) {
    for bind in &document.binds {
        let octets = match files.read(&bind.wsdl) {
            Ok(octets) => octets,
            Err(why) => {
                report.error("SM030", bind.place, why);
                continue;
            }
        };
        match read(&octets, None, &Limits::default()) {
            Ok(definitions) => one(&definitions, bind, document, report),
            Err(why) => {
                report.error("SM030", bind.place, format!("'{}' cannot be read: {why}", bind.wsdl));
            }
        }
    }
}

fn one(definitions: &Element, bind: &Bind, document: &Document, report: &mut Report) {
    let operations: Vec<&Element> = definitions.all(WSDL, "portType").flat_map(|port| port.all(WSDL, "operation")).collect();
    let named = |operation: &&Element| operation.attribute("", "name").map(str::to_owned);
    let Some(operation) = operations.iter().find(|operation| named(operation).as_deref() == Some(&bind.operation)) else {
        let names: Vec<String> = operations.iter().filter_map(named).collect();
        let diagnostic = report.error("SM031", bind.place, format!("'{}' has no operation '{}'", bind.wsdl, bind.operation));
        diagnostic.help = meant(&bind.operation, names.iter().map(String::as_str)).map(|likely| format!("did you mean '{likely}'?"));
        return;
    };
    let direction = if bind.input { "input" } else { "output" };
    let found = message_element(definitions, operation, direction).or_else(|| wrapper(definitions, bind));
    let Some(element) = found else {
        let text = format!("the {direction} of '{}' is not a message of one element", bind.operation);
        report.error("SM032", bind.place, text);
        return;
    };
    let here = if bind.input { document.targets.iter().map(|side| &side.root).collect() } else { vec![&document.source.root] };
    if !here.contains(&&element) {
        let text = format!(
            "the {direction} of '{}' is '{}', and the mapping has '{}'",
            bind.operation,
            document.scope.show(&element),
            shown(&here, document)
        );
        report.error("SM032", bind.place, text);
    }
}

/// What wraps the parts of an rpc message: named as the operation, a reply with Response, in the namespace of its soap:body
/// (WS-I BP 1.1 R2717, R2729). `waybill wsdl import` writes the schema of it.
fn wrapper(definitions: &Element, bind: &Bind) -> Option<QName> {
    let soap = |element: &Element, local: &str| SOAP.iter().find_map(|namespace| element.first(namespace, local).cloned());
    let rpc = |element: Option<Element>| element.as_ref().and_then(|soap| soap.attribute("", "style")) == Some("rpc");
    let (direction, suffix) = if bind.input { ("input", "") } else { ("output", "Response") };
    definitions.all(WSDL, "binding").find_map(|binding| {
        let mut operations = binding.all(WSDL, "operation");
        let operation = operations.find(|operation| operation.attribute("", "name") == Some(&bind.operation))?;
        let rpc = rpc(soap(operation, "operation")) || rpc(soap(binding, "binding"));
        let body = soap(operation.first(WSDL, direction).filter(|_| rpc)?, "body")?;
        Some(QName::new(body.attribute("", "namespace")?, [bind.operation.as_str(), suffix].concat()))
    })
}

fn shown(roots: &[&QName], document: &Document) -> String {
    roots.iter().map(|root| document.scope.show(root)).collect::<Vec<_>>().join("', '")
}

pub(crate) fn message_element(definitions: &Element, operation: &Element, direction: &str) -> Option<QName> {
    let reference = operation.first(WSDL, direction)?.attribute("", "message")?;
    let local = reference.split_once(':').map_or(reference, |(_, local)| local);
    let message = definitions.all(WSDL, "message").find(|message| message.attribute("", "name") == Some(local))?;
    let mut parts = message.all(WSDL, "part");
    let (part, None) = (parts.next()?, parts.next()) else { return None };
    let scope = Scope::default().within(definitions).within(message).within(part);
    name(part.attribute("", "element")?, &scope).ok()
}
