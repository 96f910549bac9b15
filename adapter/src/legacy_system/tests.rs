//! The records keep the rules of their schemas, and the three servers answer over HTTP as their contracts say.

use super::*;
use crate::unified::business::{Definition, Records};
use crate::unified::{Document, metadata};
use std::collections::BTreeSet;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use xsd::read::{Limits, read};
use xsd::tree::QName;

const SECTORS: [&str; 3] = ["transport", "health", "civil"];

#[test]
fn records_are_the_same_for_the_same_seed_and_grow_at_the_end() {
    for sector in SECTORS {
        let (few, many, other) = (records(sector, 7, 100).unwrap(), records(sector, 7, 1000).unwrap(), records(sector, 8, 100).unwrap());
        assert_eq!(few[..], many[..100], "{sector}");
        assert_ne!(few, other, "{sector}");
        let distinct: BTreeSet<String> = many.iter().map(canon).collect();
        assert_eq!(distinct.len(), 1000, "{sector}");
    }
    assert_eq!(records("bureau", 7, 1), Err(UnknownSector("bureau".to_owned())));
}

fn canon(element: &Element) -> String {
    String::from_utf8(xsd::write::canonical(element, &[], &[])).unwrap()
}

fn leaf(record: &Element, path: &[&str]) -> String {
    path.iter().fold(record.clone(), |at, name| at.elements().find(|child| child.name().local() == *name).unwrap().clone()).string()
}

#[test]
fn the_three_registers_know_the_same_people() {
    let households = records("civil", 7, 1000).unwrap();
    let mut citizens = BTreeSet::new();
    for household in &households {
        let members = household.elements().find(|child| child.name().local() == "Members").unwrap();
        for member in members.elements() {
            let id = leaf(member, &["CitizenId"]);
            assert_eq!(id, identifier::citizen(id.split_at(17).0));
            assert_eq!(id.get(6..14).unwrap(), leaf(member, &["Born"]).replace('-', ""));
            assert!(citizens.insert(id), "two citizens have one number");
        }
    }
    let head = leaf(&households[0], &["Members", "Member", "CitizenId"]);
    let (vehicles, visits) = (records("transport", 7, 1000).unwrap(), records("health", 7, 1000).unwrap());
    assert_eq!((leaf(&vehicles[0], &["sfzmhm"]), leaf(&visits[0], &["Patient", "IdNo"])), (head.clone(), head));
    for vehicle in vehicles.iter().filter(|vehicle| leaf(vehicle, &["sfzmmc"]) == "A") {
        assert!(citizens.contains(&leaf(vehicle, &["sfzmhm"])));
    }
    let plates: BTreeSet<String> = vehicles.iter().map(|vehicle| leaf(vehicle, &["hphm"])).collect();
    let vins: BTreeSet<String> = vehicles.iter().map(|vehicle| leaf(vehicle, &["clsbdh"])).collect();
    assert_eq!((plates.len(), vins.len()), (1000, 1000));
    assert!(vins.iter().all(|vin| *vin == identifier::vin(vin)));
    assert!(values("transport", 7, 1000).unwrap().iter().any(|value| value.contains('𠮷')), "a character outside the BMP");
}

/// Asks a running system; status and the child of the Body.
async fn ask(sector: &str, path: &str, soap: &str, question: Element, charset: &str) -> (String, Vec<u8>, Element) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let sector = sector.to_owned();
    let server = tokio::spawn(async move { serve(&sector, listener, 1000, 7).await });
    let envelope = Element::new("e", QName::new(soap, "Envelope")).child(Element::new("e", QName::new(soap, "Body")).child(question));
    let text = String::from_utf8(xsd::write::document(&envelope)).unwrap();
    let body = xsd::decode::encode(&text, xsd::decode::Charset::named(charset).unwrap()).unwrap();
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: text/xml; charset={charset}\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(&[head.into_bytes(), body].concat()).await.unwrap();
    let mut reply = Vec::new();
    stream.read_to_end(&mut reply).await.unwrap();
    server.abort();
    let end = reply.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
    let head = String::from_utf8(reply[..end].to_vec()).unwrap();
    let octets = reply[end + 4..].to_vec();
    let envelope = read(&octets, None, &Limits::default()).expect("a reply that is read without help of the transport");
    assert!(envelope.name().is(soap, "Envelope"));
    let content = envelope.first(soap, "Body").unwrap().elements().next().unwrap().clone();
    (head, octets, content)
}

const SOAP11: &str = "http://schemas.xmlsoap.org/soap/envelope/";
const SOAP12: &str = "http://www.w3.org/2003/05/soap-envelope";

fn vehicle_query(criteria: &[(&str, &str)]) -> Element {
    let bare = |name: &str| Element::new("", QName::new("", name));
    let query = Element::new("v", QName::new(transport::NAMESPACE, "VehQuery"));
    criteria.iter().fold(query, |query, (name, value)| query.child(bare(name).text(value)))
}

#[tokio::test]
async fn transport_answers_in_gb18030() {
    let path = "/trff/services/VehicleService";
    let vehicles = records("transport", 7, 1000).unwrap();
    let plate = leaf(&vehicles[0], &["hphm"]);
    let (head, octets, answer) = ask("transport", path, SOAP11, vehicle_query(&[("hphm", &plate)]), "GB18030").await;
    assert!(head.starts_with("HTTP/1.1 200") && head.contains("charset=GB18030"), "{head}");
    assert!(std::str::from_utf8(&octets).is_err(), "Chinese text in GB 18030 is no UTF-8");
    assert_eq!(canon(answer.elements().nth(1).unwrap()), canon(&vehicles[0]));
    assert_eq!(leaf(&answer, &["zs"]), "1");
    let (_, _, answer) = ask("transport", path, SOAP11, vehicle_query(&[("hphm", &format!(" {}", plate.to_lowercase()))]), "UTF-8").await;
    assert_eq!(leaf(&answer, &["zs"]), "1", "clerks type plates in their own way");
    let (_, _, answer) = ask("transport", path, SOAP11, vehicle_query(&[("clsbdh", "LSVAU2180N2183294")]), "UTF-8").await;
    assert_eq!(leaf(&answer, &["zs"]), "0");
    for (criteria, code) in [
        (vec![("ym", "1")], "E01"),
        (vec![("hphm", "x"), ("mys", "201")], "E02"),
        (vec![("hphm", "x"), ("ym", "0")], "E02"),
        (vec![("wrong", "x")], "E02"),
        (vec![("clsbdh", "")], "E02"),
    ] {
        let (head, _, fault) = ask("transport", path, SOAP11, vehicle_query(&criteria), "UTF-8").await;
        assert!(head.starts_with("HTTP/1.1 500"));
        assert_eq!(leaf(&fault, &["detail", "VehFault", "dm"]), code, "{criteria:?}");
    }
}

#[tokio::test]
async fn health_and_civil_answer_as_their_contracts_say() {
    let visits = records("health", 7, 1000).unwrap();
    let patient = leaf(&visits[0], &["Patient", "IdNo"]);
    let h = |name: &str| Element::new("h", QName::new(health::NAMESPACE, name));
    let (_, octets, answer) = ask("health", "/his/visits", SOAP11, h("VisitQuery").leaf("IdNo", &patient), "UTF-8").await;
    assert_eq!(canon(answer.elements().nth(1).unwrap()), canon(&visits[0]));
    let text = String::from_utf8(octets).unwrap();
    assert!(text.contains("xmlns:h=") && text.starts_with("<?xml version=\"1.0\" encoding=\"UTF-8\"?>"));
    let number = visits[3].attribute("", "no").unwrap();
    let (_, _, answer) = ask("health", "/his/visits", SOAP11, h("VisitQuery").leaf("VisitNo", number), "UTF-8").await;
    assert_eq!(answer.elements().skip(1).map(canon).collect::<Vec<_>>(), [canon(&visits[3])]);
    let (_, _, fault) = ask("health", "/his/visits", SOAP11, h("VisitQuery"), "UTF-8").await;
    assert_eq!(leaf(&fault, &["detail", "HisFault", "Code"]), "BAD_QUERY");

    let households = records("civil", 7, 1000).unwrap();
    let r = |name: &str| Element::new("r", QName::new(civil::NAMESPACE, name));
    let (_, _, answer) = ask("civil", "/household", SOAP12, r("HouseholdQuery").leaf("CitizenId", &patient), "UTF-8").await;
    assert_eq!(canon(answer.elements().nth(1).unwrap()), canon(&households[0]));
    let (head, _, fault) = ask("civil", "/household", SOAP12, r("HouseholdQuery").leaf("CitizenId", "1"), "UTF-8").await;
    assert!(head.contains("application/soap+xml; charset=UTF-8"));
    assert_eq!(leaf(&fault, &["Detail", "HouseholdFault", "Reason"]), "invalid-query");
    let (_, _, fault) = ask("civil", "/household", SOAP12, Element::new("", QName::new("", "Other")), "UTF-8").await;
    assert_eq!(leaf(&fault, &["Code", "Value"]), "soap:Sender");
}

#[test]
fn records_are_valid_against_the_schemas_of_their_systems() {
    let bare = |name: &str| Element::new("", QName::new("", name));
    let (v, h, r) = (transport::NAMESPACE, health::NAMESPACE, civil::NAMESPACE);
    let registry = Element::new("r", QName::new(r, "Registry"));
    let (dept, hospital, code) = ("1131000000242409XN", "123100004250061330", "1131000000242427XK");
    let vehicles = Element::new("v", QName::new(v, "VehRegs")).with("dept", dept).with("cxsj", "2026-11-21T10:00:00");
    let cases = [
        ("transport", "vehicle.xsd", vehicles.child(bare("zs").text("1000"))),
        ("health", "visit.xsd", Element::new("h", QName::new(h, "VisitReport")).declare("h", h).leaf("Hospital", hospital)),
        ("civil", "household.xsd", Element::new("r", QName::new(r, "HouseholdReply")).child(registry.leaf("Code", code).leaf("Name", "x"))),
    ];
    for (sector, file, mut report) in cases {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../mappings").join(sector).join(file);
        let schema = std::fs::read(path).unwrap();
        let schemas = xsd::schema::Schemas::load(&[(file, &schema)], &|_, _| None).unwrap();
        records(sector, 7, 1000).unwrap().into_iter().for_each(|record| report.push(record));
        assert_eq!(schemas.validate(report).err().map(|invalid| invalid.to_string()), None, "{sector}");
    }
}

/// Asks a sector's system for every record in unified terms, and reads what its answers become.
fn check_mapped(sector: &str, resource: &str, field: &str, prefix: (&str, &str), key: impl Fn(&Element) -> String) {
    let mappings = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../mappings").join(sector);
    let sectors = mappings::Sector::load(&mappings).unwrap_or_else(|found| panic!("{}", found[0]));
    let resource = sectors.resource(resource).unwrap();
    let metadata = metadata::Resource::of(resource.metadata().element()).unwrap();
    let definition = Definition::of(resource.definition().element()).unwrap();
    assert_eq!((metadata.resource_id.as_str(), metadata.structure.id), (resource.id(), definition.id));
    let system = System::new(sector, 7, 1000).unwrap();
    for record in system.records() {
        let wanted = key(&record);
        let question = resource.ask([(field, wanted.as_str())]).unwrap();
        let answer =
            system.answer(question.element(), Timestamp(1_795_230_000_000)).unwrap_or_else(|complaint| panic!("{}", complaint.words));
        let mapped = resource.answer(answer.declare(prefix.0, prefix.1)).unwrap_or_else(|error| panic!("{wanted}: {error}"));
        assert_eq!(mapped.rejects, [], "{wanted}");
        assert_eq!(mapped.ids, std::slice::from_ref(&wanted));
        let records = Records::of(mapped.records.element()).unwrap();
        assert_eq!(String::from_utf8(records.octets()).unwrap(), canon(mapped.records.element()));
    }
}

#[test]
fn every_record_of_every_system_becomes_a_unified_record() {
    check_mapped("transport", "transport/vehicle", "vin", ("v", transport::NAMESPACE), |vehicle| leaf(vehicle, &["clsbdh"]));
    check_mapped("health", "health/visit", "visit-no", ("h", health::NAMESPACE), |visit| visit.attribute("", "no").unwrap().to_owned());
    check_mapped("civil", "civil/household", "household-no", ("r", civil::NAMESPACE), |household| leaf(household, &["HouseholdNumber"]));
}
