//! The register of households of the civil affairs bureau, in SOAP 1.2; see `mappings/civil/household.wsdl`.

use super::Complaint;
use super::city::{Citizen, Household};
use super::identifier::organisation;
use xsd::tree::{Attribute, Element, QName};

/// The namespace of its documents.
pub(super) const NAMESPACE: &str = "urn:city:civil:household:2";

fn r(name: &str) -> Element {
    Element::new("r", QName::new(NAMESPACE, name))
}

fn member(citizen: &Citizen) -> Element {
    let mut member = r("Member").with("relation", citizen.relation).leaf("Name", &citizen.name);
    match &citizen.former_name {
        Some(Some(name)) => member.push(r("FormerName").text(name)),
        Some(None) => {
            let nil = QName::new("http://www.w3.org/2001/XMLSchema-instance", "nil");
            let mut former = r("FormerName");
            former.set_attribute(Attribute { name: nil, prefix: "xsi".into(), value: "true".to_owned() });
            member.push(former);
        }
        None => {}
    }
    member
        .leaf("CitizenId", &citizen.id)
        .leaf("Sex", if citizen.female { "2" } else { "1" })
        .leaf("Born", citizen.born.dashed())
        .leaf("Nation", citizen.nation)
        .leaf("Marital", citizen.marital)
}

/// A household in the form of `household.xsd`.
pub(super) fn element(household: &Household) -> Element {
    let mut address = r("Address")
        .leaf("Division", household.division)
        .leaf("District", household.district)
        .leaf("Street", &household.street)
        .leaf("Door", &household.door);
    if let Some(code) = &household.post_code {
        address.push(r("PostCode").text(code));
    }
    let mut members = r("Members");
    household.members.iter().for_each(|citizen| members.push(member(citizen)));
    let mut element = r("Household")
        .leaf("HouseholdNumber", &household.number)
        .leaf("Kind", if household.collective { "2" } else { "1" })
        .leaf("Registered", household.registered.dashed())
        .child(address)
        .child(members);
    if let Some((since, fen)) = household.allowance {
        element.push(r("MinimumLiving").leaf("Since", since.dashed()).leaf("Amount", format!("{}.{:02}", fen / 100, fen % 100)));
    }
    element.leaf("Updated", &household.updated)
}

fn complain(words: &str) -> Complaint {
    let detail = r("HouseholdFault").leaf("Reason", "invalid-query").leaf("Detail", words);
    Complaint { detail: Box::new(detail), words: words.to_owned() }
}

/// Answers a HouseholdQuery.
pub(super) fn answer(households: &[Household], question: &Element) -> Result<Element, Complaint> {
    let mut criteria = question.elements();
    let (Some(criterion), None, true) = (criteria.next(), criteria.next(), question.name().is(NAMESPACE, "HouseholdQuery")) else {
        return Err(complain("HouseholdQuery takes HouseholdNumber or CitizenId"));
    };
    let value = criterion.string().trim().to_owned();
    let by_number = criterion.name().is(NAMESPACE, "HouseholdNumber") && value.len() == 9;
    let by_citizen = criterion.name().is(NAMESPACE, "CitizenId") && value.len() == 18;
    if !value.is_ascii() || !(by_number || by_citizen) {
        return Err(complain("HouseholdNumber has 9 digits, CitizenId 18 characters"));
    }
    let registry = r("Registry").leaf("Code", organisation("11310000", "00242427")).leaf("Name", "上海市民政局");
    let mut answer = r("HouseholdReply").child(registry);
    let holds = |household: &&Household| {
        if by_number { household.number == value } else { household.members.iter().any(|member| member.id == value) }
    };
    households.iter().filter(holds).for_each(|household| answer.push(element(household)));
    Ok(answer)
}
