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
