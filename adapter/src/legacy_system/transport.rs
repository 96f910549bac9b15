//! The traffic police's register of vehicles: pinyin element names, unqualified, paged; see `mappings/transport/vehicle.wsdl`.

use super::Complaint;
use super::city::{Day, Dice, resident};
use super::identifier::{organisation, vin};
use xsd::time::Timestamp;
use xsd::tree::{Element, QName};

/// The namespace of its documents.
pub(super) const NAMESPACE: &str = "urn:city:traffic:vehicle:2006";

/// A registered vehicle, by the names of `vehicle.xsd`; the record itself is what the register holds, spaces and small letters
/// included.
pub(super) struct Vehicle {
    fields: Vec<(&'static str, String)>,
}

impl Vehicle {
    fn field(&self, name: &str) -> &str {
        self.fields.iter().find(|(known, _)| *known == name).map_or("", |(_, value)| value)
    }

    pub(super) fn element(&self) -> Element {
        let mut element = local("veh");
        for (name, value) in &self.fields {
            element.push(local(name).text(value));
        }
        element
    }
}

fn local(name: &str) -> Element {
    Element::new("", QName::new("", name))
}

fn global(name: &str) -> Element {
    Element::new("v", QName::new(NAMESPACE, name))
}

/// World manufacturer identifier, make, model, vehicle type, fuel, seats, total mass in kg.
type Model = (&'static str, &'static str, &'static str, &'static str, &'static str, u64, u64);

const MODELS: [Model; 14] = [
    ("LSV", "上汽大众", "SVW7182BBI", "K33", "A", 5, 1890),
    ("LFV", "一汽-大众", "FV7187BADBG", "K33", "A", 5, 1855),
    ("LSG", "别克", "SGM6529UBA7", "K31", "A", 7, 2470),
    ("LRW", "特斯拉", "TSL7000BEVAR0", "K33", "C", 5, 2184),
    ("LGX", "比亚迪", "BYD7009BEV15", "K33", "C", 5, 2325),
    ("LGW", "长城", "CC6466BM0A", "K33", "O", 5, 2100),
    ("LFM", "丰田", "CA7180MHEVA5", "K33", "O", 5, 1845),
    ("LZW", "五菱", "LZW6450SVF", "K31", "A", 7, 1810),
    ("LBV", "宝马", "BMW7301XL", "K33", "A", 5, 2380),
    ("LJ1", "江淮", "HFC1041P93K1C2", "H31", "B", 3, 4495),
    ("LZZ", "豪沃", "ZZ4257V324HE1", "H11", "B", 2, 25_000),
    ("LZY", "宇通", "ZK6125CHEVNPG", "K11", "O", 38, 18_000),
    ("LL3", "申沃", "SWB6128BEV72", "K11", "C", 40, 18_000),
    ("LWB", "本田", "WH125-12A", "M21", "A", 2, 280),
];
const LETTERS: &str = "ABCDEFGHJKLMNPQRSTUVWXYZ";
const ALPHANUMERIC: &str = "0123456789ABCDEFGHJKLMNPRSTUVWXYZ";

/// The first `n` vehicles of the register.
pub(super) fn vehicles(seed: u64, n: usize) -> Vec<Vehicle> {
    (0..u64::try_from(n).unwrap_or(u64::MAX)).map(|index| vehicle(seed, index)).collect()
}

fn vehicle(seed: u64, index: u64) -> Vehicle {
    let dice = &mut Dice::new(seed, 2, index);
    let (wmi, make, model, kind, fuel, seats, mass) =
        if index == 0 { MODELS.first().copied().unwrap_or_default() } else { dice.pick(&MODELS) };
    let plate_type = plate_type(kind, fuel);
    let (owner, household) = resident(dice, seed, index);
    let company = index != 0 && (matches!(kind, "H31" | "H11" | "K11") || dice.chance(6));
    let first = Day::drawn(dice, 2012, 2025);
    let mut fields = vec![
        ("hpzl", plate_type.to_owned()),
        ("hphm", plate(dice, seed, index, plate_type)),
        ("clsbdh", number(dice, wmi, first.year, index)),
    ];
    if dice.chance(97) {
        let digits = dice.between(5, 7);
        fields.push(("fdjh", if dice.chance(1) { String::new() } else { (0..digits).map(|_| dice.letter(ALPHANUMERIC)).collect() }));
    }
    let used = match kind {
        _ if !company => "A",
        "K11" => "B",
        "H31" | "H11" => "F",
        _ => dice.pick(&["A", "D"]),
    };
    fields.extend([("clpp", make.to_owned()), ("clxh", model.to_owned()), ("cllx", kind.to_owned())]);
    fields.extend([("csys", dice.letter("ABCDEFGHIJ").to_string()), ("syxz", used.to_owned())]);
    if dice.chance(96) {
        fields.push(("rlzl", fuel.to_owned()));
    }
    if company {
        fields.extend([("syr", company_name(dice)), ("sfzmmc", "B".to_owned()), ("sfzmhm", company_number(dice, household.division))]);
    } else {
        fields.extend([("syr", owner.name), ("sfzmmc", "A".to_owned()), ("sfzmhm", owner.id)]);
    }
    fields.push(("zsxxdz", household.address()));
    if dice.chance(70) {
        fields.push(("lxdh", owner.phone));
    }
    let until = Day { year: 2028 + dice.between(0, 1), ..first };
    let until = if until.month == 2 && until.day == 29 { Day { day: 28, ..until } } else { until };
    fields.push(("ccdjrq", format!("{}T{:02}:{:02}:00", first.dashed(), dice.between(8, 16), dice.between(0, 59))));
    fields.push(("yxqz", until.dashed()));
    fields.push(("hdzk", seats.to_string()));
    if dice.chance(95) {
        fields.push(("zzl", if dice.chance(8) { format!("{mass}kg") } else { mass.to_string() }));
    }
    fields.push(("zt", (if index == 0 || dice.chance(93) { "A" } else { dice.pick(&["B", "E", "G"]) }).to_owned()));
    if dice.chance(6) {
        fields.push(("bz", dice.pick(&["2021年变更车身颜色", "补领行驶证", "抵押登记已解除", "夫妻间变更所有人"]).to_owned()));
    }
    Vehicle { fields }
}

/// GA 24.7: large, small, motorcycle, large and small with new energy.
fn plate_type(kind: &str, fuel: &str) -> &'static str {
    match (kind, fuel) {
        ("M21", _) => "07",
        ("K11" | "H11", "C") => "51",
        (_, "C") => "52",
        ("K11" | "H11", _) => "01",
        _ => "02",
    }
}

/// A plate that no other index has; one in thirty as a clerk once typed it.
fn plate(dice: &mut Dice, seed: u64, index: u64, plate_type: &str) -> String {
    let four = (index * 7919 + seed % 7907) % 10_000;
    let office = LETTERS.chars().nth(usize::try_from(index / 10_000).unwrap_or_default() % LETTERS.len()).unwrap_or('A');
    let plate = match plate_type {
        "52" => format!("沪{office}D{}{four:04}", dice.between(0, 9)),
        "51" => format!("沪{office}{}{four:04}D", dice.between(0, 9)),
        _ => format!("沪{office}{}{four:04}", dice.letter(LETTERS)),
    };
    match dice.between(1, 60) {
        1 if index != 0 => plate.to_lowercase(),
        2 if index != 0 => [plate.as_str(), " "].concat(),
        _ => plate,
    }
}

/// A VIN: manufacturer, descriptor, model year (GB 16735 table 1), plant, serial number.
fn number(dice: &mut Dice, wmi: &str, year: u64, index: u64) -> String {
    let descriptor: String = (0..5).map(|_| dice.letter(ALPHANUMERIC)).collect();
    let year = "ABCDEFGHJKLMNPRSTVWXY".chars().nth(usize::try_from(year - 2010).unwrap_or_default()).unwrap_or('A');
    let serial = format!("{:06}", (index * 611_953 + 214_013) % 1_000_000);
    vin(&[wmi, &descriptor, "0", &year.to_string(), &dice.letter("2DNSX").to_string(), &serial].concat())
}

fn company_name(dice: &mut Dice) -> String {
    let own = dice.pick(&["申泰", "锦江", "浦发", "强生", "东方", "海博", "光明", "巴士", "安吉", "𠮷祥", "宏图", "佳吉"]);
    let trade = dice.pick(&["物流", "汽车租赁", "出租汽车", "国际贸易", "建筑工程", "旅游客运"]);
    ["上海", own, trade, "有限公司"].concat()
}

fn company_number(dice: &mut Dice, division: &str) -> String {
    let own: String = (0..6).map(|_| dice.letter("0123456789ABCDEFGHJKLMNPQRTUWXY")).collect();
    organisation(&["91", division].concat(), &["MA", &own].concat())
}

/// The register's own code in the answers.
fn department() -> String {
    organisation("11310000", "00242409")
}

fn plain_plate(text: &str) -> String {
    text.chars().filter(|c| !matches!(c, ' ' | '·' | '\u{3000}')).flat_map(char::to_uppercase).collect()
}

fn complain(code: &str, words: &str) -> Complaint {
    let detail = global("VehFault").child(local("dm").text(code)).child(local("xx").text(words));
    Complaint { detail: Box::new(detail), words: words.to_owned() }
}

/// Answers a VehQuery.
pub(super) fn answer(vehicles: &[Vehicle], question: &Element, now: Timestamp) -> Result<Element, Complaint> {
    const KNOWN: [&str; 6] = ["hpzl", "hphm", "clsbdh", "sfzmhm", "ym", "mys"];
    if !question.name().is(NAMESPACE, "VehQuery") || question.elements().any(|child| !KNOWN.iter().any(|known| child.name().is("", known)))
    {
        return Err(complain("E02", "报文格式错误"));
    }
    let given = |name: &str| question.first("", name).map(|element| element.string().trim().to_owned());
    let page = |name: &str, default: usize, most: usize| match given(name) {
        None => Ok(default),
        Some(text) => text.parse().ok().filter(|page| (1..=most).contains(page)).ok_or_else(|| complain("E02", "页码或每页数格式错误")),
    };
    let (page, size) = (page("ym", 1, 1_000_000)?, page("mys", 50, 200)?);
    let (plate, vin, owner) = (given("hphm").map(|text| plain_plate(&text)), given("clsbdh"), given("sfzmhm"));
    if plate.is_none() && vin.is_none() && owner.is_none() {
        return Err(complain("E01", "号牌、车辆识别代号、所有人证件号至少一项"));
    }
    if [&vin, &owner].into_iter().flatten().zip([17, 18]).any(|(text, _)| text.is_empty() || !text.is_ascii()) {
        return Err(complain("E02", "车辆识别代号或证件号格式错误"));
    }
    let kind = given("hpzl");
    let same = |wanted: &Option<String>, value: String| wanted.as_ref().is_none_or(|wanted| *wanted == value);
    let found: Vec<&Vehicle> = vehicles
        .iter()
        .filter(|vehicle| {
            same(&kind, vehicle.field("hpzl").to_owned())
                && same(&plate, plain_plate(vehicle.field("hphm")))
                && same(&vin, vehicle.field("clsbdh").to_owned())
                && same(&owner, vehicle.field("sfzmhm").to_owned())
        })
        .collect();
    let beijing = now.plus_ms(8 * 3_600_000).to_string();
    let local_time = beijing.split('.').next().unwrap_or_default();
    let mut answer = global("VehRegs").with("dept", department()).with("cxsj", local_time).child(local("zs").text(found.len().to_string()));
    for vehicle in found.iter().skip((page - 1).saturating_mul(size)).take(size) {
        answer.push(vehicle.element());
    }
    Ok(answer)
}
