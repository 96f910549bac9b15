//! The contracts and the code name the same operations.

use adapter::service::OPERATIONS;
use std::collections::BTreeSet;

#[test]
fn every_operation_of_the_contracts_is_served_and_no_other() {
    let served: BTreeSet<(String, String)> =
        OPERATIONS.iter().map(|(service, operation, _)| ((*service).into(), (*operation).into())).collect();
    assert_eq!(served.len(), OPERATIONS.len(), "no operation is listed twice");
    let mut promised = BTreeSet::new();
    for service in wsdl::SERVICES {
        let contract = wsdl::contract(service).expect("a contract");
        assert_eq!(contract.ports().count(), 2, "{service}: SOAP 1.1 and 1.2");
        for port in contract.ports() {
            let names: BTreeSet<(String, String)> =
                port.operations.iter().map(|operation| (service.into(), operation.name.clone())).collect();
            for operation in &port.operations {
                assert_eq!(operation.input.local(), operation.name, "{service}: document/literal wrapped");
                assert_eq!(operation.soap_action, format!("urn:waybill:ws:{service}:1:{}", operation.name));
            }
            promised.extend(names);
        }
    }
    assert_eq!(served, promised);
}
