//! Any WSDL 1.1 is read, what is wrong with it is said by rule and place, and it becomes what a sector's folder begins with.

#![expect(clippy::unwrap_used, reason = "the helpers of tests stand outside #[test] functions")]
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;
use wsdl::{Contract, Judged, Rule, SERVICES, Severity, Style, import, schema};
use xsd::schema::Schemas;
use xsd::tree::QName;

const DOCUMENT: &str = r#"<w:definitions xmlns:w="http://schemas.xmlsoap.org/wsdl/" xmlns:s="http://schemas.xmlsoap.org/wsdl/soap/" xmlns:t="urn:t" targetNamespace="urn:t" xmlns:xs="http://www.w3.org/2001/XMLSchema">
<w:types><xs:schema targetNamespace="urn:t"><xs:element name="In"/><xs:element name="Out"/><xs:element name="Head"/><xs:complexType name="T"/></xs:schema></w:types>
<w:message name="i"><w:part name="p" element="t:In"/></w:message>
<w:message name="o"><w:part name="p" element="t:Out"/></w:message>
<w:message name="h"><w:part name="h" element="t:Head"/></w:message>
<w:portType name="P"><w:operation name="In"><w:input message="t:i"/><w:output message="t:o"/><w:fault name="F" message="t:o"/></w:operation></w:portType>
<w:binding name="B" type="t:P"><s:binding style="document" transport="http://schemas.xmlsoap.org/soap/http"/>
<w:operation name="In"><s:operation soapAction="urn:a"/><w:input><s:header message="t:h" part="h" use="literal"/><s:body use="literal"/></w:input><w:output><s:body use="literal"/></w:output><w:fault name="F"><s:fault name="F" use="literal"/></w:fault></w:operation></w:binding>
<w:service name="S"><w:port name="Q" binding="t:B"><s:address location="http://h"/></w:port></w:service>
</w:definitions>"#;

const RPC: &str = r#"<w:definitions xmlns:w="http://schemas.xmlsoap.org/wsdl/" xmlns:s="http://schemas.xmlsoap.org/wsdl/soap12/" xmlns:t="urn:t" targetNamespace="urn:t" xmlns:xs="http://www.w3.org/2001/XMLSchema">
<w:types><xs:schema targetNamespace="urn:t"><xs:element name="E"/><xs:complexType name="T"><xs:sequence><xs:element name="x" type="xs:int"/></xs:sequence></xs:complexType></xs:schema></w:types>
<w:message name="i"><w:part name="a" type="t:T"/><w:part name="b" type="xs:string"/></w:message>
<w:message name="o"><w:part name="r" type="xs:int"/></w:message>
<w:portType name="P"><w:operation name="Ask"><w:input message="t:i"/><w:output message="t:o"/></w:operation></w:portType>
<w:binding name="B" type="t:P"><s:binding style="rpc" transport="http://schemas.xmlsoap.org/soap/http"/>
<w:operation name="Ask"><s:operation soapAction=""/><w:input><s:body use="literal" namespace="urn:b"/></w:input><w:output><s:body use="literal" namespace="urn:b"/></w:output></w:operation></w:binding>
<w:service name="S"><w:port name="Q" binding="t:B"><s:address location="http://h"/></w:port></w:service>
</w:definitions>"#;

/// The rules that something was found by in this process.
static FOUND: Mutex<BTreeSet<Rule>> = Mutex::new(BTreeSet::new());

fn judge(text: &str, files: &[(&str, &str)]) -> Judged {
    let files: BTreeMap<&str, &str> = files.iter().copied().collect();
    noted(Contract::judge("x.wsdl", text.as_bytes(), &|location| files.get(location).map(|text| text.as_bytes().to_vec())))
}

fn noted(judged: Judged) -> Judged {
    FOUND.lock().unwrap().extend(judged.findings.iter().map(|finding| finding.rule));
    judged
}

/// A change of a contract, and what is said then: (rule, line, part of the sentence) each, and how many operations stay.
type Case<'c> = ((&'c str, &'c str), &'c [(&'c str, u32, &'c str)], usize);

/// What is not as expected.
fn check(good: &str, ((from, to), expected, operations): Case<'_>) -> Option<String> {
    assert!(good.contains(from), "{from}");
    let judged = judge(&good.replacen(from, to, 1), &[]);
    let kept = judged.contract.map_or(0, |contract| contract.operations().count());
    let right =
        judged.findings.len() == expected.len()
            && judged.findings.iter().zip(expected).all(|(finding, (rule, line, part))| {
                finding.rule.id() == *rule && finding.place.line == *line && finding.what.contains(part)
            });
    let said: Vec<String> = judged.findings.iter().map(ToString::to_string).collect();
    (!right || kept != operations).then(|| format!("{from} -> {to}: {kept} operations, and\n{}", said.join("\n")))
}

#[test]
fn what_is_wrong_with_messages_is_said_by_rule_and_place() {
    let wrong = std::cell::RefCell::new(Vec::new());
    let check = |from: &str, to: &str, expected: &[(&str, u32, &str)], operations: usize| {
        wrong.borrow_mut().extend(self::check(DOCUMENT, ((from, to), expected, operations)));
    };
    check("t:In", "t:In", &[], 1);
    check("http://schemas.xmlsoap.org/wsdl/\"", "urn:x\"", &[("W002", 1, "{urn:x}definitions")], 0);
    check("</w:types>", "", &[("W001", 10, "")], 0);
    check("element=\"t:In\"", "element=\"t:Inn\"", &[("R2206", 3, "no schema declares the element {urn:t}Inn")], 0);
    check("element=\"t:In\"", "type=\"t:T\"", &[("R2204", 3, "the part \"p\"")], 0);
    check("element=\"t:In\"", "element=\"t:In\" type=\"t:T\"", &[("R2306", 3, "either element or type")], 1);
    check("element=\"t:In\"", "element=\"u:In\"", &[("R2206", 3, "no schema declares the element In")], 0);
    check("<w:part name=\"p\" element=\"t:Out\"/>", "", &[("R2205", 4, "fault"), ("W030", 4, "puts nothing into the Body")], 0);
    check(
        "<w:part name=\"p\" element=\"t:In\"/>",
        "<w:part name=\"p\" element=\"t:In\"/><w:part name=\"q\" element=\"t:In\"/>",
        &[("R2210", 3, "2 parts")],
        0,
    );
    check("<s:body use=\"literal\"/>", "<s:body use=\"literal\" parts=\"p q\"/>", &[("R2201", 8, "2 parts")], 0);
    check(
        "<s:body use=\"literal\"/>",
        "<s:body use=\"literal\" parts=\"q\"/>",
        &[("W030", 3, ""), ("R2209", 8, "\"p\""), ("W032", 8, "\"q\"")],
        0,
    );
    check("message=\"t:i\"", "message=\"t:j\"", &[("W010", 6, "there is no wsdl:message \"t:j\"")], 0);
    check("message=\"t:i\"", "message=\"i\"", &[("R2101", 6, "there is one in \"urn:t\": mend the prefix")], 0);
    check("binding=\"t:B\"", "binding=\"B\"", &[("W020", 1, ""), ("W024", 7, "\"B\""), ("R2101", 9, "wsdl:binding \"B\"")], 0);
    check("type=\"t:P\"", "type=\"t:O\"", &[("W020", 1, ""), ("W010", 7, "wsdl:portType \"t:O\"")], 0);
    assert!(wrong.borrow().is_empty(), "{}", wrong.borrow().join("\n\n"));
}

#[test]
fn what_is_wrong_with_ports_and_operations_is_said_by_rule_and_place() {
    let wrong = std::cell::RefCell::new(Vec::new());
    let check = |from: &str, to: &str, expected: &[(&str, u32, &str)], operations: usize| {
        wrong.borrow_mut().extend(self::check(DOCUMENT, ((from, to), expected, operations)));
    };
    check("use=\"literal\"/></w:input>", "use=\"encoded\"/></w:input>", &[("R2706", 8, "use=\"encoded\"")], 1);
    check(
        "soapAction=\"urn:a\"",
        "style=\"rpc\" soapAction=\"urn:a\"",
        &[("R2203", 3, ""), ("R2203", 4, ""), ("R2717", 8, ""), ("R2717", 8, "")],
        0,
    );
    check(" soapAction=\"urn:a\"", "", &[("W040", 8, "no soapAction")], 1);
    check("<w:operation name=\"In\"><s:", "<w:operation name=\"Im\"><s:", &[("R2718", 6, "no binding"), ("R2718", 8, "\"Im\"")], 0);
    check("<s:address location=\"http://h\"/>", "", &[("W021", 9, "where it answers")], 1);
    check("<s:address", "<s2:address xmlns:s2=\"http://schemas.xmlsoap.org/wsdl/soap12/\"", &[("W022", 9, "other version")], 1);
    check("<w:port name=\"Q\" binding=\"t:B\"><s:address location=\"http://h\"/></w:port>", "", &[("W020", 1, ""), ("W024", 7, "")], 0);
    check(
        "<s:address location=\"http://h\"/>",
        "<g:address xmlns:g=\"http://schemas.xmlsoap.org/wsdl/http/\" location=\"http://h\"/>",
        &[("W020", 1, ""), ("W024", 7, ""), ("W023", 9, "HTTP GET")],
        0,
    );
    assert!(wrong.borrow().is_empty(), "{}", wrong.borrow().join("\n\n"));
}

#[test]
fn what_is_wrong_with_a_document_binding_is_said_by_rule_and_place() {
    let wrong = std::cell::RefCell::new(Vec::new());
    let check = |from: &str, to: &str, expected: &[(&str, u32, &str)], operations: usize| {
        wrong.borrow_mut().extend(self::check(DOCUMENT, ((from, to), expected, operations)));
    };
    check(" transport=\"http://schemas.xmlsoap.org/soap/http\"", "", &[("R2701", 7, "taken as HTTP")], 1);
    check("soap/http\"", "soap/smtp\"", &[("W020", 1, ""), ("R2702", 7, "smtp")], 0);
    check(
        "<s:binding style=\"document\" transport=\"http://schemas.xmlsoap.org/soap/http\"/>",
        "",
        &[("W020", 1, ""), ("R2401", 7, "\"B\"")],
        0,
    );
    check("<s:body use=\"literal\"/></w:output>", "</w:output>", &[("W031", 8, "output")], 1);
    check("<s:body", "<s:body namespace=\"urn:z\"", &[("R2716", 8, "soap:body")], 1);
    check("part=\"h\" use", "namespace=\"urn:z\" part=\"h\" use", &[("R2716", 8, "soap:header")], 1);
    check("part=\"h\" use", "part=\"g\" use", &[("W032", 8, "\"g\"")], 1);
    check("element=\"t:Head\"", "type=\"t:T\"", &[("R2205", 5, "defined by type")], 1);
    check("<s:fault name=\"F\" use=\"literal\"/>", "", &[("R2740", 6, "\"F\"")], 1);
    check("<s:fault name=\"F\"", "<s:fault name=\"G\"", &[("R2754", 8, "\"G\"")], 1);
    check("<s:fault name=\"F\"", "<s:fault", &[("R2721", 8, "no name")], 1);
    check(
        "<w:input message=\"t:i\"/><w:output message=\"t:o\"/>",
        "<w:output message=\"t:o\"/><w:input message=\"t:i\"/>",
        &[("R2303", 6, "\"In\"")],
        1,
    );
    assert!(wrong.borrow().is_empty(), "{}", wrong.borrow().join("\n\n"));
}

#[test]
fn what_is_wrong_with_definitions_is_said_by_rule_and_place() {
    let wrong = std::cell::RefCell::new(Vec::new());
    let check = |from: &str, to: &str, expected: &[(&str, u32, &str)], operations: usize| {
        wrong.borrow_mut().extend(self::check(DOCUMENT, ((from, to), expected, operations)));
    };
    let overloaded = "<w:operation name=\"In\"><w:input message=\"t:i\"/></w:operation></w:portType>";
    check("</w:portType>", overloaded, &[("R2304", 6, "overloaded")], 1);
    check("<w:message name=\"h\">", "<w:message name=\"o\"/><w:message name=\"h\">", &[("W011", 5, "\"o\"")], 1);
    check(
        "targetNamespace=\"urn:t\" xmlns:xs",
        "targetNamespace=\"t\" xmlns:xs",
        &[("R2803", 1, "\"t\""), ("W020", 1, ""), ("R2101", 7, ""), ("W024", 7, ""), ("R2101", 9, "")],
        0,
    );
    check("<w:types>", "<w:import namespace=\"urn:i\"/><w:types>", &[("R2007", 2, "no location")], 1);
    check(
        "<w:message name=\"i\">",
        "<w:import namespace=\"urn:i\" location=\"i.wsdl\"/><w:message name=\"i\">",
        &[("R2022", 3, ""), ("W003", 3, "\"i.wsdl\"")],
        1,
    );
    check(
        "<xs:schema targetNamespace=\"urn:t\">",
        "<xs:schema/><xs:schema><xs:element name=\"n\"/></xs:schema><xs:schema targetNamespace=\"urn:t\">",
        &[("R2105", 2, "no targetNamespace")],
        1,
    );
    check(
        "<xs:element name=\"Out\"/>",
        "<xs:import namespace=\"urn:y\" schemaLocation=\"y.xsd\"/><xs:element name=\"Out\"/>",
        &[("W003", 2, "\"y.xsd\"")],
        1,
    );
    check(
        "<xs:element name=\"Out\"/>",
        "<xs:import namespace=\"urn:y\" schemaLocation=\"http://h/y.xsd\"/><xs:element name=\"Out\"/>",
        &[("W004", 2, "not fetched")],
        1,
    );
    check("<xs:element name=\"Out\"/>", "<xs:import namespace=\"urn:y\"/><xs:element name=\"Out\"/>", &[("W004", 2, "opaque")], 1);
    check("<w:message name=\"i\">", "<e:x xmlns:e=\"urn:e\" w:required=\"true\"/><w:message name=\"i\">", &[("R2026", 3, "{urn:e}x")], 1);
    check("<w:operation name=\"In\"><w:input", "<w:operation name=\"Ask\"><w:input", &[("R2718", 6, ""), ("R2718", 8, "")], 0);
    check("</w:types>", "</w:types><w:types/>", &[], 1);
    check("</w:definitions>", "<w:types/></w:definitions>", &[("R2023", 10, "after other elements")], 1);
    assert!(wrong.borrow().is_empty(), "{}", wrong.borrow().join("\n\n"));
}

#[test]
fn what_is_wrong_with_an_rpc_binding_is_said_by_rule_and_place() {
    let wrong = std::cell::RefCell::new(Vec::new());
    let check = |from: &str, to: &str, expected: &[(&str, u32, &str)], operations: usize| {
        wrong.borrow_mut().extend(self::check(RPC, ((from, to), expected, operations)));
    };
    check("t:T", "t:T", &[], 1);
    check("<w:part name=\"b\" type=\"xs:string\"/>", "<w:part name=\"b\" element=\"t:E\"/>", &[("R2203", 3, "\"b\"")], 0);
    check("type=\"t:T\"", "type=\"t:U\"", &[("W033", 3, "{urn:t}U")], 0);
    check(" namespace=\"urn:b\"", "", &[("R2717", 7, "no namespace")], 1);
    check("namespace=\"urn:b\"", "namespace=\"b\"", &[("R2717", 7, "no absolute URI")], 1);
    check("use=\"literal\"", "use=\"encoded\"", &[("R2706", 7, "encoded")], 1);
    let array = "<xs:complexType name=\"A\"><xs:complexContent><xs:restriction xmlns:e=\"http://schemas.xmlsoap.org/soap/encoding/\" base=\"e:Array\"/></xs:complexContent></xs:complexType>";
    let array = [array, "<xs:complexType name=\"T\">"].concat();
    check("<xs:complexType name=\"T\">", &array, &[("R2110", 2, "\"A\"")], 1);
    let two = "<w:operation name=\"Ask2\"><s:operation style=\"document\" soapAction=\"\"/></w:operation></w:binding>";
    check("</w:binding>", two, &[("R2705", 7, "another style"), ("R2718", 7, "\"Ask2\"")], 1);
    assert!(wrong.borrow().is_empty(), "{}", wrong.borrow().join("\n\n"));
}

#[test]
fn every_rule_has_a_case_that_it_is_found_in() {
    what_is_wrong_with_messages_is_said_by_rule_and_place();
    what_is_wrong_with_ports_and_operations_is_said_by_rule_and_place();
    what_is_wrong_with_a_document_binding_is_said_by_rule_and_place();
    what_is_wrong_with_definitions_is_said_by_rule_and_place();
    what_is_wrong_with_an_rpc_binding_is_said_by_rule_and_place();
    contracts_in_several_documents_are_one();
    a_contract_without_a_service_and_ports_of_one_address_are_read();
    nothing_is_wrong_with_the_contracts_of_the_house();
    let found = FOUND.lock().unwrap();
    let without: Vec<&str> = Rule::ALL.iter().filter(|rule| !found.contains(rule)).map(|rule| rule.id()).collect();
    assert!(without.is_empty(), "no case produces {}", without.join(", "));
}

#[test]
fn rpc_parts_become_elements_of_a_wrapper() {
    let contract = judge(RPC, &[]).contract.unwrap();
    let operation = contract.operations().next().unwrap();
    assert_eq!((operation.style, operation.encoded), (Style::Rpc, false));
    assert_eq!((operation.input.clone(), operation.output.clone()), (QName::new("urn:b", "Ask"), Some(QName::new("urn:b", "AskResponse"))));
    assert_eq!(operation.input_parts.iter().map(|part| part.name.as_str()).collect::<Vec<_>>(), ["a", "b"]);
    let (imported, findings) = import("x.wsdl", RPC.as_bytes(), &|_| None);
    assert!(findings.is_empty());
    let imported = imported.unwrap();
    assert_eq!(imported.files.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["x.wsdl", "x.xsd", "x-messages.xsd"]);
    let schemas = load(&imported.files, "x-messages.xsd");
    let body = r#"<m:Ask xmlns:m="urn:b"><a><x>1</x></a><b>two</b></m:Ask>"#;
    let read = |text: &str| xsd::read::read(text.as_bytes(), None, &xsd::read::Limits::default()).unwrap();
    assert!(schemas.validate(read(body)).is_ok());
    assert!(schemas.validate(read(&body.replace("<x>1", "<x>one"))).is_err());
    assert!(schemas.validate(read(r#"<m:AskResponse xmlns:m="urn:b"><r>7</r></m:AskResponse>"#)).is_ok());
}

#[test]
fn a_wrapper_stands_in_the_body_even_where_a_schema_has_an_element_of_its_name() {
    let taken = "<xs:element name=\"Ask\" type=\"t:T\"/><xs:element name=\"E\"/>";
    let text = RPC.replace("<xs:element name=\"E\"/>", taken).replace("namespace=\"urn:b\"", "namespace=\"urn:t\"");
    let imported = import("x.wsdl", text.as_bytes(), &|_| None).0.unwrap();
    assert_eq!(imported.messages.first().unwrap().request.1.as_deref(), Some("x-messages.xsd"));
    let read = |text: &str| xsd::read::read(text.as_bytes(), None, &xsd::read::Limits::default()).unwrap();
    let schemas = load(&imported.files, "x-messages.xsd");
    assert!(schemas.validate(read("<m:Ask xmlns:m=\"urn:t\"><a><x>1</x></a><b>two</b></m:Ask>")).is_ok());
    assert!(schemas.validate(read("<m:Ask xmlns:m=\"urn:t\"><x>1</x></m:Ask>")).is_err());
    assert!(load(&imported.files, "x.xsd").validate(read("<m:Ask xmlns:m=\"urn:t\"><x>1</x></m:Ask>")).is_ok());
}

fn load(files: &[(String, Vec<u8>)], root: &str) -> Schemas {
    let find = |name: &str| files.iter().find(|(known, _)| known == name).map(|(_, octets)| octets.clone());
    Schemas::load(&[(root, &find(root).unwrap())], &|location, _| find(location)).unwrap()
}

#[test]
fn stubs_are_valid() {
    for (root, octets) in
        [("business.xsd", wsdl::stub::definition("tax", "invoice")), ("metadata.xsd", wsdl::stub::metadata("tax", "invoice"))]
    {
        let unified = |name: &str| xsd::unified::document(name).map(<[u8]>::to_vec);
        let schemas = Schemas::load(&[(root, &unified(root).unwrap())], &|location, _| unified(location)).unwrap();
        let mut read = xsd::read::read(&octets, None, &xsd::read::Limits::default()).unwrap();
        read.children_mut().retain(|node| matches!(node, xsd::tree::Node::Element(_)));
        schemas.validate(read).unwrap();
    }
}

#[test]
fn contracts_in_several_documents_are_one() {
    let (abstracts, rest) = DOCUMENT.split_at(DOCUMENT.find("<w:binding").unwrap());
    let head = DOCUMENT.lines().next().unwrap();
    let main = [head, "\n<w:import namespace=\"urn:t\" location=\"parts/abstract.wsdl\"/>\n", rest].concat();
    let schema = r#"<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" targetNamespace="urn:u"><xs:include schemaLocation="../base.xsd"/><xs:element name="U"/></xs:schema>"#;
    let base = r#"<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema"><xs:include schemaLocation="parts/u.xsd"/><xs:element name="Base"/></xs:schema>"#;
    let import = "<xs:import namespace=\"urn:u\" schemaLocation=\"u.xsd\"/><xs:element name=\"In\"/>";
    let part = [&abstracts.replace("<xs:element name=\"In\"/>", import), "</w:definitions>"].concat();
    let part = part.replace("element=\"t:In\"", "element=\"u:Base\" xmlns:u=\"urn:u\"");
    let files = [("parts/abstract.wsdl", part.as_str()), ("parts/u.xsd", schema), ("base.xsd", base)];
    let judged = judge(&main, &files);
    let said: Vec<String> = judged.findings.iter().map(|finding| format!("{} {}", finding.rule.id(), finding.file)).collect();
    assert_eq!(said, ["W041 parts/abstract.wsdl", "W042 parts/u.xsd"]);
    let contract = judged.contract.unwrap();
    assert_eq!(contract.operations().next().unwrap().input, QName::new("urn:u", "Base"));
    let other = judge(&main.replace("namespace=\"urn:t\" location", "namespace=\"urn:z\" location"), &files);
    assert!(other.findings.iter().any(|finding| finding.rule.id() == "R2005"));
    let schema_by_wsdl = judge(&main.replace("parts/abstract.wsdl", "base.xsd"), &files);
    assert!(schema_by_wsdl.findings.iter().any(|finding| finding.rule.id() == "R2001"));
    let no_schema = judge(&part.replace("u.xsd", "parts/abstract.wsdl"), &files);
    assert!(no_schema.findings.iter().any(|finding| finding.rule.id() == "R2004"));
    let many: String =
        (0..300).map(|number| format!("<xs:import namespace=\"urn:n{number}\" schemaLocation=\"n{number}.xsd\"/>")).collect();
    let many = DOCUMENT.replace("<xs:element name=\"In\"/>", &[&many, "<xs:element name=\"In\"/>"].concat());
    let tiny = br#"<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema"/>"#;
    let judged = noted(Contract::judge("x.wsdl", many.as_bytes(), &|location| location.starts_with('n').then(|| tiny.to_vec())));
    assert!(judged.findings.iter().any(|finding| finding.rule.id() == "W005"));
}

#[test]
fn a_contract_without_a_service_and_ports_of_one_address_are_read() {
    let (before, _) = DOCUMENT.split_at(DOCUMENT.find("<w:service").unwrap());
    let judged = judge(&[before, "</w:definitions>"].concat(), &[]);
    assert_eq!(judged.findings.iter().map(|finding| finding.rule.id()).collect::<Vec<_>>(), ["W024"]);
    assert_eq!(judged.contract.unwrap().operations().count(), 1);
    let twice =
        DOCUMENT.replace("</w:service>", "<w:port name=\"R\" binding=\"t:B\"><s:address location=\"http://h\"/></w:port></w:service>");
    let judged = judge(&twice, &[]);
    assert_eq!(judged.findings.iter().map(|finding| finding.rule.id()).collect::<Vec<_>>(), ["R2711"]);
    let one_body =
        DOCUMENT.replace("</w:portType>", "<w:operation name=\"Two\"><w:input message=\"t:i\"/></w:operation></w:portType>").replace(
            "</w:binding>",
            "<w:operation name=\"Two\"><s:operation soapAction=\"\"/><w:input><s:body/></w:input></w:operation></w:binding>",
        );
    let rules: Vec<&str> = judge(&one_body, &[]).findings.iter().map(|finding| finding.rule.id()).collect();
    assert_eq!(rules, ["W041", "R2710"]);
    let mime = DOCUMENT.replace(
        "<w:output><s:body use=\"literal\"/></w:output>",
        "<w:output><m:multipartRelated xmlns:m=\"http://schemas.xmlsoap.org/wsdl/mime/\"><m:part><s:body use=\"literal\"/></m:part><m:part/></m:multipartRelated></w:output>",
    );
    assert_eq!(judge(&mime, &[]).findings.iter().map(|finding| finding.rule.id()).collect::<Vec<_>>(), ["W035"]);
    let opaque = DOCUMENT.replace("<xs:element name=\"In\"/>", "<xs:import namespace=\"urn:y\"/><xs:element name=\"In\"/>");
    let opaque = opaque.replace("element=\"t:Head\"", "element=\"y:Head\" xmlns:y=\"urn:y\"");
    assert_eq!(judge(&opaque, &[]).findings.iter().map(|finding| finding.rule.id()).collect::<Vec<_>>(), ["W004", "W034"]);
    let header = RPC.replacen("<s:body", "<s:header message=\"t:i\" part=\"b\" use=\"literal\" namespace=\"urn:z\"/><s:body", 1);
    let rules: Vec<&str> = judge(&header, &[]).findings.iter().map(|finding| finding.rule.id()).collect();
    assert_eq!(rules, ["R2205", "R2726"]);
}

#[test]
fn nothing_is_wrong_with_the_contracts_of_the_house() {
    for name in SERVICES {
        let octets = fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join([name, ".wsdl"].concat())).unwrap();
        let judged = noted(Contract::judge(name, &octets, &|location| schema(location).map(<[u8]>::to_vec)));
        assert_eq!(judged.findings, [], "{name}");
    }
    let sectors = Path::new(env!("CARGO_MANIFEST_DIR")).join("../mappings");
    let mut read = 0;
    for folder in fs::read_dir(sectors).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()) {
        for path in fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.extension().is_none_or(|extension| extension != "wsdl") || folder.ends_with("tests") {
                continue;
            }
            let judged = Contract::judge("it", &fs::read(&path).unwrap(), &|location| fs::read(folder.join(location)).ok());
            let loud: Vec<_> = judged.findings.iter().filter(|finding| finding.severity() != Severity::Note).collect();
            assert!(loud.is_empty(), "{}: {loud:?}", path.display());
            read += 1;
        }
    }
    assert!(read >= 3, "only {read}");
}

/// Contracts of others, where they are: every one is read, and what was found is a number to look at.
#[test]
fn contracts_of_others_are_read() {
    let shared = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/captures/service");
    if !shared.is_dir() {
        println!("skipped: {} is not here", shared.display());
        return;
    }
    for (file, errors, operations) in
        [("exchange.wsdl", 0, 10), ("exchange11.wsdl", 0, 5), ("exchange12.wsdl", 0, 5), ("rpcenc.wsdl", 2, 1)]
    {
        let octets = fs::read(shared.join(file)).unwrap();
        let (imported, findings) = import(file, &octets, &|location| fs::read(shared.join(location)).ok());
        let wrong: Vec<_> = findings.iter().filter(|finding| finding.severity() == Severity::Error).collect();
        assert_eq!(wrong.len(), errors, "{file}: {wrong:?}");
        let judged = Contract::judge(file, &octets, &|location| fs::read(shared.join(location)).ok());
        assert_eq!(judged.contract.unwrap().operations().count(), operations, "{file}");
        let imported = imported.unwrap();
        assert!(imported.messages.iter().all(|message| message.request.1.is_some()), "{file}: {:?}", imported.messages);
    }
}

/// The four contracts of a document exchange in use, each of another year: read whole, and what is said of them.
#[test]
fn contracts_of_a_service_in_use_are_read_and_judged() {
    let archive = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpora/adit.tar.xz");
    if !archive.exists() {
        println!("skipped: {} is not here", archive.display());
        return;
    }
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("adit");
    fs::create_dir_all(&folder).unwrap();
    assert!(Command::new("tar").arg("-xf").arg(&archive).arg("-C").arg(&folder).status().unwrap().success());
    let folder = folder.join("adit-war/src/main/resources");
    let mut said = Vec::new();
    for file in ["adit.wsdl", "adit_new_v1.wsdl", "adit_new_v2.wsdl", "adit_new_v3.wsdl"] {
        let octets = fs::read(folder.join(file)).unwrap();
        let judged = Contract::judge(file, &octets, &|location| fs::read(folder.join(location)).ok());
        let mut rules: BTreeMap<&str, usize> = BTreeMap::new();
        judged.findings.iter().for_each(|finding| *rules.entry(finding.rule.id()).or_default() += 1);
        let rules: Vec<String> = rules.iter().map(|(rule, count)| format!("{rule}x{count}")).collect();
        let operations = judged.contract.map_or(0, |contract| contract.operations().count());
        said.push(format!("{file}: {operations} operations, {}", rules.join(" ")));
    }
    assert_eq!(
        said,
        [
            "adit.wsdl: 25 operations, R2105x1 R2304x7 R2726x300 W004x1 W034x5",
            "adit_new_v1.wsdl: 25 operations, R2105x1 W004x2 W034x6 W040x25 W041x25",
            "adit_new_v2.wsdl: 5 operations, R2105x1 W004x2 W034x6 W040x5 W041x5",
            "adit_new_v3.wsdl: 1 operations, R2105x1 W004x2 W034x6 W040x1 W041x1",
        ]
    );
}
