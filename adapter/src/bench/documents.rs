//! Documents to measure with: visits in a hospital's own schema and records in the unified one, in the style of real messages.

use xsd::write::Pieces;

/// What a document is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    /// `mappings/health/visit.xsd`: default namespace, indented, `xsi:type`, Chinese text.
    Visits,
    /// `xsd/business.xsd`: prefixes, attributes on most elements, patterns on most values.
    Records,
}

/// The schema of the visits.
pub(super) const VISITS: &[u8] = include_bytes!("../../../mappings/health/visit.xsd");

/// A valid document of at least so many octets, and at most a record more.
pub(super) fn document(style: Style, octets: usize) -> Vec<u8> {
    let mut count = 1;
    loop {
        let made = of(style, count);
        if made.len() >= octets {
            return made;
        }
        count += (octets - made.len()) / (made.len() / count + 1) + 1;
    }
}

fn of(style: Style, count: usize) -> Vec<u8> {
    let mut pieces = Pieces::with_capacity(count * 1024);
    match style {
        Style::Visits => {
            let xsi = ("xmlns:xsi", "http://www.w3.org/2001/XMLSchema-instance");
            pieces.open("VisitReport", &[("xmlns", "urn:city:health:his:2009"), xsi]);
            pieces.text("\n  ");
            pieces.leaf("Hospital", &[], "12310000425001111J");
            (0..count).for_each(|number| visit(&mut pieces, number));
            pieces.text("\n");
            pieces.close("VisitReport");
        }
        Style::Records => {
            pieces.open("b:Records", &[("xmlns:b", "urn:waybill:business:1")]);
            (0..count).for_each(|number| record(&mut pieces, number));
            pieces.close("b:Records");
        }
    }
    pieces.octets()
}

const NAMES: [&str; 5] = ["张三", "李四", "Wang Wu", "赵六", "欧阳修"];
const CLINICS: [&str; 4] = ["心内科", "骨科", "儿科", "General surgery"];

fn pick<'a>(list: &[&'a str], number: usize) -> &'a str {
    list.get(number % list.len()).copied().unwrap_or_default()
}

fn visit(pieces: &mut Pieces, number: usize) {
    let indented = |pieces: &mut Pieces, depth: usize| pieces.text(&format!("\n{}", "  ".repeat(depth)));
    let leaf = |pieces: &mut Pieces, depth: usize, name: &str, attributes: &[(&str, &str)], text: &str| {
        indented(pieces, depth);
        pieces.leaf(name, attributes, text);
    };
    let no = format!("{}{:011}", if number % 4 == 3 { "Z" } else { "M" }, 20_260_703_000 + number % 1000);
    let day = format!("202607{:02}", number % 28 + 1);
    let citizen = format!("310101199001{:02}{:03}X", number % 28 + 1, number % 1000);
    indented(pieces, 1);
    pieces.open("Visit", &[("date", &day), ("no", &no)]);
    indented(pieces, 2);
    pieces.open("Patient", &[]);
    leaf(pieces, 3, "Name", &[], pick(&NAMES, number));
    leaf(pieces, 3, "IdNo", &[], &citizen);
    leaf(pieces, 3, "Birth", &[], "19900101");
    leaf(pieces, 3, "Sex", &[], pick(&["1", "2", "9"], number));
    leaf(pieces, 3, "Phone", &[], "13800000001");
    indented(pieces, 2);
    pieces.close("Patient");
    indented(pieces, 2);
    let payer = if number.is_multiple_of(2) { "OrgParty" } else { "InsurerParty" };
    pieces.open("Payer", &[("xsi:type", payer)]);
    leaf(pieces, 3, "Phone", &[], "021-12345678");
    leaf(pieces, 3, "OrgName", &[], "上海市医疗保险事务管理中心");
    if payer == "InsurerParty" {
        leaf(pieces, 3, "PolicyNo", &[], "PA-000123");
    }
    indented(pieces, 2);
    pieces.close("Payer");
    if number % 4 == 3 {
        indented(pieces, 2);
        pieces.open("Inpatient", &[]);
        leaf(pieces, 3, "Ward", &[], "3B");
        leaf(pieces, 3, "Bed", &[], "12");
        leaf(pieces, 3, "Out", &[], &day);
        indented(pieces, 2);
        pieces.close("Inpatient");
    } else {
        leaf(pieces, 2, "Outpatient", &[("clinic", pick(&CLINICS, number)), ("doctor", pick(&NAMES, number + 1))], "");
    }
    leaf(pieces, 2, "Diag", &[("icd", "I10")], "高血压");
    leaf(pieces, 2, "Diag", &[("icd", "E11.9")], "2型糖尿病 & complications");
    leaf(pieces, 2, "Fee", &[], &format!("{}.50", number % 900 + 10));
    leaf(pieces, 2, "SelfPaid", &[], "32.5");
    indented(pieces, 1);
    pieces.close("Visit");
}

fn record(pieces: &mut Pieces, number: usize) {
    let id = format!("沪A{:05}-{}", number % 100_000, number % 7);
    let scheme = ("scheme", "urn:cn:gb:32100");
    pieces.open("b:Record", &[]);
    pieces.leaf("b:RecordId", &[("scheme", "urn:city:transport:plate")], &id);
    pieces.leaf("b:DefinitionRef", &[("id", "transport/vehicle"), ("version", "1.0")], "");
    pieces.leaf("b:SourceSector", &[scheme], "11310000MB2F30366X");
    pieces.leaf("b:OccurredAt", &[], &format!("2026-07-{:02}T08:30:00.000Z", number % 28 + 1));
    pieces.open("b:Subject", &[("role", "owner")]);
    pieces.open("b:Person", &[]);
    pieces.leaf("b:Name", &[], pick(&NAMES, number));
    pieces.leaf("b:Identifier", &[("scheme", "urn:cn:gb:11643")], "310101199001011234");
    pieces.leaf("b:BirthDate", &[], "1990-01-01");
    pieces.leaf("b:Sex", &[], pick(&["M", "F", "U"], number));
    pieces.close("b:Person");
    pieces.close("b:Subject");
    pieces.leaf("b:Value", &[("code", "02"), ("field", "plate-type")], "小型汽车号牌");
    pieces.leaf("b:Value", &[("field", "vin")], "LSVAM4187C2184847");
    pieces.leaf("b:Value", &[("field", "colour")], "white & grey");
    pieces.leaf("b:Value", &[("field", "mass"), ("unit", "kg")], "1500");
    pieces.close("b:Record");
}

#[cfg(test)]
mod tests {
    use super::*;
    use xsd::read::Limits;
    use xsd::schema::Schemas;

    #[test]
    fn documents_are_valid_and_as_long_as_was_asked_for() {
        let visits = Schemas::load(&[("visit.xsd", VISITS)], &|_, _| None).expect("a schema");
        let records = xsd::unified::schemas().expect("schemas");
        for octets in [1_000, 10_000, 100_000] {
            for (style, schemas) in [(Style::Visits, &visits), (Style::Records, &records)] {
                let made = document(style, octets);
                assert!((octets..octets + 1_200).contains(&made.len()), "{style:?} {octets}: {}", made.len());
                assert_eq!(schemas.validate_octets(&made, None, &Limits::default(), 5), Ok(Vec::new()), "{style:?}");
            }
        }
    }
}
