//! The hospitals' information system: visits, with abstract types and xsi:type; see `mappings/health/visit.wsdl`.

use super::Complaint;
use super::city::{Day, Dice, name, resident};
use super::identifier::organisation;
use xsd::tree::{Attribute, Element, QName};

/// The namespace of its documents.
pub(super) const NAMESPACE: &str = "urn:city:health:his:2009";
const XSI: &str = "http://www.w3.org/2001/XMLSchema-instance";

/// A visit as it stands in the system.
pub(super) struct Visit {
    number: String,
    patient: Option<String>,
    element: Element,
}

impl Visit {
    pub(super) fn element(&self) -> Element {
        self.element.clone()
    }
}

fn h(name: &str) -> Element {
    Element::new("h", QName::new(NAMESPACE, name))
}

fn xsi(element: Element, local: &str, value: &str) -> Element {
    let mut element = element;
    element.set_attribute(Attribute { name: QName::new(XSI, local), prefix: "xsi".into(), value: value.to_owned() });
    element
}

/// ICD-10 code, diagnosis, clinic, ward.
const DIAGNOSES: [(&str, &str, &str, &str); 24] = [
    ("I10", "原发性高血压", "心血管内科", "心内科一病区"),
    ("I25.1", "冠状动脉粥样硬化性心脏病", "心血管内科", "心内科二病区"),
    ("E11.9", "2型糖尿病", "内分泌科", "内分泌科病区"),
    ("E03.9", "甲状腺功能减退症", "内分泌科", "内分泌科病区"),
    ("J06.9", "急性上呼吸道感染", "呼吸内科", "呼吸科病区"),
    ("J18.9", "肺炎", "呼吸内科", "呼吸科病区"),
    ("J45.9", "支气管哮喘", "呼吸内科", "呼吸科病区"),
    ("K29.5", "慢性胃炎", "消化内科", "消化科病区"),
    ("K35.8", "急性阑尾炎", "普外科", "普外科三病区"),
    ("K80.2", "胆囊结石", "普外科", "普外科三病区"),
    ("M51.2", "腰椎间盘突出症", "骨科", "骨科二病区"),
    ("S52.5", "桡骨远端骨折", "骨科", "骨科一病区"),
    ("M54.5", "腰痛", "康复医学科", "康复科病区"),
    ("N20.0", "肾结石", "泌尿外科", "泌尿外科病区"),
    ("N40", "前列腺增生", "泌尿外科", "泌尿外科病区"),
    ("H25.9", "老年性白内障", "眼科", "眼科病区"),
    ("H52.1", "近视", "眼科", "眼科病区"),
    ("L20.9", "特应性皮炎", "皮肤科", "皮肤科病区"),
    ("G43.9", "偏头痛", "神经内科", "神经内科病区"),
    ("I63.9", "脑梗死", "神经内科", "卒中单元"),
    ("F41.1", "广泛性焦虑障碍", "心理科", "心理科病区"),
    ("C50.9", "乳腺恶性肿瘤", "乳腺外科", "肿瘤科病区"),
    ("O80.9", "顺产", "妇产科", "产科病区"),
    ("Z00.0", "健康体检", "体检中心", "特需病区"),
];

/// The first `n` visits.
pub(super) fn visits(seed: u64, n: usize) -> Vec<Visit> {
    (0..u64::try_from(n).unwrap_or(u64::MAX)).map(|index| visit(seed, index)).collect()
}

fn money(fen: u64) -> String {
    format!("{}.{:02}", fen / 100, fen % 100)
}

fn visit(seed: u64, index: u64) -> Visit {
    let dice = &mut Dice::new(seed, 3, index);
    let (patient, _) = resident(dice, seed, index);
    let inpatient = dice.chance(22);
    let date = Day::drawn(dice, 2023, 2025);
    let number = format!("{}{:02}{:02}{:02}{index:05}", if inpatient { 'Z' } else { 'M' }, date.year % 100, date.month, date.day);
    let known = index == 0 || dice.chance(97);
    let id = if known { h("IdNo").text(&patient.id) } else { xsi(h("IdNo"), "nil", "true") };
    let sex = if dice.chance(1) {
        "9"
    } else if patient.female {
        "2"
    } else {
        "1"
    };
    let mut person = h("Patient").leaf("Name", &patient.name).child(id).leaf("Birth", patient.born.plain()).leaf("Sex", sex);
    if dice.chance(60) {
        person.push(h("Phone").text(&patient.phone));
    }
    let mut element = h("Visit").with("no", number.clone()).with("date", date.plain()).child(person);
    if dice.chance(80) {
        element.push(payer(dice, seed));
    }
    let (icd, diagnosis, clinic, ward) = dice.pick(&DIAGNOSES);
    element.push(if inpatient { stay(dice, ward, date) } else { h("Outpatient").with("clinic", clinic).with("doctor", doctor(dice)) });
    element.push(h("Diag").with("icd", icd).text(diagnosis));
    if dice.chance(30) {
        let (icd, second, ..) = dice.pick(&DIAGNOSES);
        element.push(h("Diag").with("icd", icd).text(second));
    }
    let fee = if inpatient { dice.between(280_000, 9_800_000) } else { dice.between(2_500, 180_000) };
    element.push(h("Fee").text(money(fee)));
    if dice.chance(85) {
        element.push(h("SelfPaid").text(money(fee * dice.between(5, 60) / 100)));
    }
    Visit { number, patient: known.then_some(patient.id), element }
}

fn doctor(dice: &mut Dice) -> String {
    let female = dice.chance(50);
    name(dice, female, None)
}

fn stay(dice: &mut Dice, ward: &str, date: Day) -> Element {
    let stay = h("Inpatient").leaf("Ward", ward).leaf("Bed", format!("{}床", dice.between(1, 60)));
    if dice.chance(90) && date.day < 20 {
        return stay.leaf("Out", Day { day: date.day + dice.between(1, 8), ..date }.plain());
    }
    stay
}

fn payer(dice: &mut Dice, seed: u64) -> Element {
    let phone = dice.chance(50).then(|| h("Phone").text(format!("021-{}", dice.between(50_000_000, 69_999_999))));
    let mut payer = h("Payer");
    phone.into_iter().for_each(|phone| payer.push(phone));
    match dice.between(1, 10) {
        1..=6 => xsi(payer, "type", "h:OrgParty").leaf("OrgName", "上海市医疗保险事业管理中心"),
        7 | 8 => {
            let insurer = dice.pick(&["中国人寿保险股份有限公司", "平安养老保险股份有限公司", "太平洋健康保险股份有限公司"]);
            let policy = format!("P{:012}", dice.between(0, 999_999_999_999));
            xsi(payer, "type", "h:InsurerParty").leaf("OrgName", insurer).leaf("PolicyNo", policy)
        }
        _ => {
            let home = dice.between(0, super::city::HOUSEHOLDS - 1);
            let relative = super::city::household(seed, home).members.into_iter().next().unwrap_or_default();
            xsi(payer, "type", "h:PersonParty").leaf("Name", relative.name).leaf("IdNo", relative.id)
        }
    }
}

fn complain(code: &str, words: &str) -> Complaint {
    let detail = h("HisFault").leaf("Code", code).leaf("Message", words);
    Complaint { detail: Box::new(detail), words: words.to_owned() }
}

/// Answers a VisitQuery.
pub(super) fn answer(visits: &[Visit], question: &Element) -> Result<Element, Complaint> {
    let mut criteria = question.elements();
    let (Some(criterion), None, true) = (criteria.next(), criteria.next(), question.name().is(NAMESPACE, "VisitQuery")) else {
        return Err(complain("BAD_QUERY", "VisitQuery takes IdNo or VisitNo"));
    };
    let value = criterion.string().trim().to_owned();
    let by_patient = criterion.name().is(NAMESPACE, "IdNo") && value.len() == 18;
    let by_number = criterion.name().is(NAMESPACE, "VisitNo") && value.len() == 12;
    if !value.is_ascii() || !(by_patient || by_number) {
        return Err(complain("BAD_QUERY", "IdNo has 18 characters, VisitNo 12"));
    }
    let mut answer = h("VisitReport").leaf("Hospital", organisation("12310000", "42500613"));
    for visit in visits.iter().filter(|visit| if by_patient { visit.patient.as_ref() == Some(&value) } else { visit.number == value }) {
        answer.push(visit.element());
    }
    Ok(answer)
}
