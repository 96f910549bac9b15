//! The contracts hold together, are served whole, and what is wrong with a contract is said with its place.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use wsdl::{Contract, SERVICES, SoapVersion, XS, contract, schema};
use xsd::read::{Limits, read};
use xsd::tree::Element;

fn parse(octets: &[u8]) -> Element {
    read(octets, None, &Limits::default()).expect("a well-formed document")
}

#[test]
fn both_bindings_of_every_contract_are_equal() {
    for name in SERVICES {
        let contract = contract(name).unwrap_or_else(|defects| panic!("{defects:?}"));
        let [service] = contract.services() else { panic!("{name}: one service") };
        let [soap11, soap12] = service.ports.as_slice() else { panic!("{name}: two ports") };
        assert_eq!((soap11.version, soap12.version), (SoapVersion::Soap11, SoapVersion::Soap12));
        assert_eq!(soap11.operations, soap12.operations, "{name}");
        assert!(soap11.operations.len() >= 4, "{name}");
        let namespace = ["urn:waybill:ws:", name, ":1"].concat();
        for operation in &soap11.operations {
            assert!(operation.input.is(&namespace, &operation.name), "wrapped: the request is named as the operation");
            assert!(operation.output.as_ref().unwrap().is(&namespace, &[&operation.name, "Response"].concat()));
            assert_eq!(operation.soap_action, [&namespace, ":", &operation.name].concat());
            assert_eq!(operation.input_action.as_deref(), Some(operation.soap_action.as_str()), "WS-Addressing 1.0 Metadata §4.4.4");
            assert_eq!(operation.output_action.as_deref(), Some([&operation.soap_action, "Response"].concat().as_str()));
            let [fault] = operation.faults.as_slice() else { panic!("{name}: one fault") };
            assert!(fault.element.is("urn:waybill:fault:1", "Detail"));
            assert!(!operation.documentation.is_empty());
        }
    }
}

#[test]
fn every_message_element_belongs_to_an_operation() {
    for name in SERVICES {
        let contract = contract(name).unwrap();
        let port = contract.ports().next().unwrap();
        let used: BTreeSet<&str> = port
            .operations
            .iter()
            .flat_map(|operation| [Some(&operation.input), operation.output.as_ref()])
            .flatten()
            .map(|name| name.local())
            .collect();
        let messages = parse(schema(&[name, "-messages.xsd"].concat()).unwrap());
        let declared: BTreeSet<&str> = messages.all(XS, "element").filter_map(|element| element.attribute("", "name")).collect();
        assert_eq!(used, declared, "{name}");
    }
}

#[test]
fn the_flat_contract_needs_nothing_else() {
    for name in SERVICES {
        let address = ["https://gateway.transport.city:7101/ws/", name].concat();
        let original = contract(name).unwrap();
        let flat = original.flat(&address);
        assert!(!String::from_utf8_lossy(&flat).contains("schemaLocation") && !String::from_utf8_lossy(&flat).contains("invalid"));
        let again =
            Contract::read("flat", &flat, &|location| panic!("{location} is asked for")).unwrap_or_else(|defects| panic!("{defects:?}"));
        for (port, before) in again.ports().zip(original.ports()) {
            assert_eq!((&port.address, &port.operations), (&address, &before.operations));
        }
        assert_eq!(flat, again.flat(&address), "serving what was served changes nothing");
        let types = parse(&flat);
        let types = types.first(wsdl::WSDL, "types").unwrap();
        let namespaces: Vec<&str> = types.all(XS, "schema").filter_map(|schema| schema.attribute("", "targetNamespace")).collect();
        assert_eq!(namespaces.iter().collect::<BTreeSet<_>>().len(), namespaces.len(), "one schema a namespace: {namespaces:?}");
        for import in types.all(XS, "schema").flat_map(|schema| schema.all(XS, "import")) {
            assert!(namespaces.contains(&import.attribute("", "namespace").unwrap()));
        }
    }
}

#[test]
fn the_parts_of_a_split_contract_find_each_other() {
    for name in SERVICES {
        let original = contract(name).unwrap();
        let split = original.split("https://g/ws/x");
        let part = |location: &str| original.part(location.strip_prefix("?xsd=").unwrap_or("no part"));
        let again = Contract::read("split", &split, &part).unwrap_or_else(|defects| panic!("{defects:?}"));
        assert_eq!(again.ports().next().unwrap().operations, original.ports().next().unwrap().operations);
        assert_eq!(again.schemas().count(), original.schemas().count());
        assert!(original.part("nothing.xsd").is_none());
    }
}

#[test]
fn legacy_contracts_are_read() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../mappings");
    let cases = [
        (
            "transport/vehicle.wsdl",
            SoapVersion::Soap11,
            "QueryVehicle",
            "urn:city:traffic:vehicle:2006#QueryVehicle",
            "VehRegs",
            "VehFault",
        ),
        ("health/visit.wsdl", SoapVersion::Soap11, "QueryVisits", "urn:city:health:his:2009/QueryVisits", "VisitReport", "HisFault"),
        (
            "civil/household.wsdl",
            SoapVersion::Soap12,
            "QueryHousehold",
            "urn:city:civil:household:2:QueryHousehold",
            "HouseholdReply",
            "HouseholdFault",
        ),
    ];
    for (file, version, name, action, output, fault) in cases {
        let path = folder.join(file);
        let beside = |location: &str| fs::read(path.parent().unwrap().join(location)).ok();
        let contract = Contract::read(file, &fs::read(&path).unwrap(), &beside).unwrap_or_else(|defects| panic!("{defects:?}"));
        let port = contract.ports().next().unwrap();
        let [operation] = port.operations.as_slice() else { panic!("one operation") };
        assert_eq!((port.version, operation.name.as_str(), operation.soap_action.as_str()), (version, name, action));
        assert_eq!((operation.output.as_ref().unwrap().local(), operation.faults[0].element.local()), (output, fault));
        assert!(port.address.starts_with("http://127.0.0.1:710"));
        let flat = contract.flat("http://h/legacy");
        let again = Contract::read("flat", &flat, &|_| None).unwrap_or_else(|defects| panic!("{defects:?}"));
        assert_eq!(again.ports().next().unwrap().operations, port.operations);
    }
}

/// A small contract with one thing replaced: what is said of it, and where.
fn check(from: &str, to: &str, expected: &str) {
    let good = "<w:definitions xmlns:w=\"http://schemas.xmlsoap.org/wsdl/\" xmlns:s=\"http://schemas.xmlsoap.org/wsdl/soap/\" xmlns:t=\"urn:t\" \
                targetNamespace=\"urn:t\" xmlns:xs=\"http://www.w3.org/2001/XMLSchema\">\n\
                <w:types><xs:schema targetNamespace=\"urn:t\"><xs:element name=\"In\"/><xs:element name=\"Out\"/></xs:schema></w:types>\n\
                <w:message name=\"i\"><w:part name=\"p\" element=\"t:In\"/></w:message>\n\
                <w:message name=\"o\"><w:part name=\"p\" element=\"t:Out\"/></w:message>\n\
                <w:portType name=\"P\"><w:operation name=\"In\"><w:input message=\"t:i\"/><w:output message=\"t:o\"/></w:operation></w:portType>\n\
                <w:binding name=\"B\" type=\"t:P\"><s:binding style=\"document\"/>\n\
                <w:operation name=\"In\"><s:operation soapAction=\"\"/><w:input><s:body use=\"literal\"/></w:input></w:operation></w:binding>\n\
                <w:service name=\"S\"><w:port name=\"Q\" binding=\"t:B\"><s:address location=\"http://h\"/></w:port></w:service>\n\
                </w:definitions>";
    assert!(good.contains(from), "{from}");
    let changed = good.replacen(from, to, 1);
    let said = match Contract::read("x.wsdl", changed.as_bytes(), &|_| None) {
        Ok(contract) => format!("{} operations", contract.ports().map(|port| port.operations.len()).sum::<usize>()),
        Err(defects) => defects.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"),
    };
    assert_eq!(said, expected, "{from} -> {to}");
}

#[test]
fn defects_are_said_with_their_place() {
    check("t:In", "t:In", "1 operations");
    check("<w:output message=\"t:o\"/>", "", "1 operations");
    check("element=\"t:In\"", "element=\"t:Inn\"", "x.wsdl:3:21: no schema declares the element {urn:t}Inn");
    check("element=\"t:In\"", "type=\"t:In\"", "x.wsdl:3:21: the part of a document/literal message names an element");
    check("element=\"t:In\"", "element=\"u:In\"", "x.wsdl:3:21: the part of a document/literal message names an element");
    check("<w:part name=\"p\" element=\"t:Out\"/>", "", "x.wsdl:4:1: a document/literal message has one part");
    check("message=\"t:i\"", "message=\"t:j\"", "x.wsdl:5:45: there is no wsdl:message \"t:j\"");
    check("binding=\"t:B\"", "binding=\"B\"", "x.wsdl:8:21: there is no wsdl:binding \"B\"");
    check("type=\"t:P\"", "type=\"t:O\"", "x.wsdl:6:1: there is no wsdl:portType \"t:O\"");
    check("style=\"document\"", "style=\"rpc\"", "x.wsdl:6:32: only style document is spoken");
    check("use=\"literal\"", "use=\"encoded\"", "x.wsdl:7:61: only use literal is spoken");
    check(
        "<w:operation name=\"In\"><s:",
        "<w:operation name=\"Im\"><s:",
        "x.wsdl:5:22: operation \"In\" has no binding\nx.wsdl:7:1: the binding speaks of an operation \"Im\" that the port type does not have",
    );
    check("<s:address location=\"http://h\"/>", "", "x.wsdl:1:1: no service has a port that speaks SOAP");
    check("<w:types>", "<w:import/><w:types>", "x.wsdl:2:1: wsdl:import is not read: give the contract as one document");
    check(
        "<xs:element name=\"Out\"/>",
        "<xs:import schemaLocation=\"y.xsd\"/><xs:element name=\"Out\"/>",
        "x.wsdl:2:68: there is no schema document \"y.xsd\"",
    );
    check("http://schemas.xmlsoap.org/wsdl/\"", "urn:x\"", "x.wsdl:1:1: the root of a contract is wsdl:definitions");
}
