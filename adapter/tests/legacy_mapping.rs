//! Every record that the demo's legacy systems hold becomes a unified record: none is rejected by its sector's mapping.
#![expect(clippy::unwrap_used, reason = "the helpers of tests stand outside #[test] functions")]

use mappings::Sector;
use std::path::Path;
use xsd::read::{Limits, read};
use xsd::tree::{Element, QName};

/// The legacy answer with nothing in it yet.
fn answer(sector: &str) -> Element {
    match sector {
        "transport" => {
            let root = Element::new("v", QName::new("urn:city:traffic:vehicle:2006", "VehRegs"));
            let total = Element::new("", QName::new("", "zs")).text("0");
            root.with("dept", "1131000000042168MG").with("cxsj", "2026-01-01T00:00:00").child(total)
        }
        "health" => Element::new("h", QName::new("urn:city:health:his:2009", "VisitReport")).leaf("Hospital", "12310000425001111J"),
        _ => {
            let root = Element::new("r", QName::new("urn:city:civil:household:2", "HouseholdReply"));
            let registry = root.sibling("Registry").leaf("Code", "11310000002420606Y").leaf("Name", "市民政局");
            root.child(registry)
        }
    }
}

fn check(sector: &str, resource: &str) {
    let loaded = Sector::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../mappings").join(sector)).unwrap();
    let resource = loaded.resource(resource).unwrap();
    let records = adapter::legacy_system::records(sector, 1, 1200).unwrap();
    let mut made = 0;
    for chunk in records.chunks(400) {
        let mut body = answer(sector);
        chunk.iter().for_each(|record| body.push(record.clone()));
        let octets = xsd::write::document(&body.declare("xsi", "http://www.w3.org/2001/XMLSchema-instance"));
        let answer = resource.answer(read(&octets, None, &Limits::default()).unwrap()).unwrap();
        assert!(answer.rejects.is_empty(), "{:?}", answer.rejects);
        made += answer.ids.len();
    }
    assert_eq!(made, records.len());
}

#[test]
fn every_legacy_record_becomes_a_unified_one() {
    check("transport", "transport/vehicle");
    check("health", "health/visit");
    check("civil", "civil/household");
}
