//! The people of the city that the three systems keep records of: households, drawn from a seed.

use super::identifier::citizen;

/// The households of the city: whoever owns a vehicle or visits a hospital lives in one of them.
pub(super) const HOUSEHOLDS: u64 = 1000;

/// SplitMix64 (Steele, Lea, Flood 2014): the same draws for the same seed on every machine.
pub(super) struct Dice(u64);

impl Dice {
    /// The draws for the record `index` of a `kind`.
    pub(super) fn new(seed: u64, kind: u64, index: u64) -> Self {
        let mut dice = Self(seed ^ kind.wrapping_mul(0xA24B_AED4_963E_E407) ^ index.wrapping_mul(0x9FB2_1C65_1E98_DF25));
        dice.next();
        dice
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number from `low` to `high`, both inside.
    pub(super) fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.next() % (high.saturating_sub(low) + 1)
    }

    pub(super) fn chance(&mut self, percent: u64) -> bool {
        self.between(1, 100) <= percent
    }

    pub(super) fn pick<T: Copy + Default>(&mut self, of: &[T]) -> T {
        let count = u64::try_from(of.len()).unwrap_or(1).max(1);
        let index = usize::try_from(self.between(0, count - 1)).unwrap_or_default();
        of.get(index).copied().unwrap_or_default()
    }

    /// A character of a text.
    pub(super) fn letter(&mut self, of: &str) -> char {
        let letters: Vec<char> = of.chars().collect();
        self.pick(&letters)
    }
}

/// A calendar day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Day {
    pub(super) year: u64,
    pub(super) month: u64,
    pub(super) day: u64,
}

impl Day {
    pub(super) fn drawn(dice: &mut Dice, first_year: u64, last_year: u64) -> Self {
        let (year, month) = (dice.between(first_year, last_year), dice.between(1, 12));
        let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
        let last = match month {
            4 | 6 | 9 | 11 => 30,
            2 => 28 + u64::from(leap),
            _ => 31,
        };
        Self { year, month, day: dice.between(1, last) }
    }

    /// `2026-11-21`.
    pub(super) fn dashed(self) -> String {
        format!("{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }

    /// `20261121`.
    pub(super) fn plain(self) -> String {
        format!("{:04}{:02}{:02}", self.year, self.month, self.day)
    }
}

/// A citizen as the register of households knows one.
#[derive(Clone, Debug, Default)]
pub(super) struct Citizen {
    pub(super) name: String,
    /// None: not asked; Some(None): asked, none.
    pub(super) former_name: Option<Option<String>>,
    pub(super) id: String,
    pub(super) female: bool,
    pub(super) born: Day,
    pub(super) nation: &'static str,
    pub(super) marital: &'static str,
    pub(super) relation: &'static str,
    pub(super) phone: String,
}

/// A household.
#[derive(Clone, Debug, Default)]
pub(super) struct Household {
    pub(super) number: String,
    pub(super) collective: bool,
    pub(super) registered: Day,
    pub(super) division: &'static str,
    pub(super) district: &'static str,
    pub(super) street: String,
    pub(super) door: String,
    pub(super) post_code: Option<String>,
    pub(super) members: Vec<Citizen>,
    /// Since when, and how many fen a month.
    pub(super) allowance: Option<(Day, u64)>,
    pub(super) updated: String,
}

impl Household {
    pub(super) fn address(&self) -> String {
        ["上海市", self.district, &self.street, &self.door].concat()
    }
}

const DIVISIONS: [(&str, &str); 12] = [
    ("310101", "黄浦区"),
    ("310104", "徐汇区"),
    ("310105", "长宁区"),
    ("310106", "静安区"),
    ("310107", "普陀区"),
    ("310109", "虹口区"),
    ("310110", "杨浦区"),
    ("310112", "闵行区"),
    ("310113", "宝山区"),
    ("310115", "浦东新区"),
    ("310117", "松江区"),
    ("310120", "奉贤区"),
];
const STREETS: [&str; 20] = [
    "南京西路",
    "淮海中路",
    "肇嘉浜路",
    "漕溪北路",
    "虹桥路",
    "延安西路",
    "愚园路",
    "曹杨路",
    "四川北路",
    "控江路",
    "七莘路",
    "牡丹江路",
    "世纪大道",
    "张杨路",
    "锦绣路",
    "人民北路",
    "南桥路",
    "长寿路",
    "江苏路",
    "打浦路",
];
const SURNAMES: &str = "王李张刘陈杨黄赵吴周徐孙马朱胡郭何林高罗郑梁谢宋唐许韩冯邓曹彭曾肖田董袁潘于蒋蔡余杜叶程苏魏吕丁任沈姚卢姜崔钟谭陆汪范金石廖贾夏韦付方白邹孟熊秦邱江尹薛闫段雷侯龙史陶黎贺顾毛郝龚邵万钱严覃武戴莫孔向汤";
const COMPOUND: [&str; 6] = ["欧阳", "上官", "司马", "诸葛", "东方", "慕容"];
const FEMALE: &str = "秀娟英华慧巧美娜静淑惠珠翠雅芝玉萍红娥玲芬芳燕彩春菊兰凤洁梅琳素云莲真环雪荣爱妹霞香月莺媛艳瑞凡佳嘉琼勤珍贞莉桂娣叶璧璐娅琦晶妍茜秋珊莎锦黛青倩婷姣婉娴瑾颖露瑶怡婵雁蓓";
const MALE: &str = "伟刚勇毅俊峰强军平保东文辉力明永健世广志义兴良海山仁波宁贵福生龙元全国胜学祥才发武新利清飞彬富顺信子杰涛昌成康星光天达安岩中茂进林有坚和彪博诚先敬震振壮会思群豪心邦承乐绍功松善厚庆磊民友裕河哲江超浩亮政谦亨奇固之轮翰朗伯宏言若鸣朋斌梁栋维启克伦翔旭鹏泽晨辰士以建家致树炎德行时泰盛雄琛钧冠策腾楠榕风航弘";

/// The name of a person: of one family when a surname is given.
pub(super) fn name(dice: &mut Dice, female: bool, surname: Option<&str>) -> String {
    let mut name = match surname {
        Some(surname) => surname.to_owned(),
        None if dice.chance(2) => dice.pick(&COMPOUND).to_owned(),
        None => dice.letter(SURNAMES).to_string(),
    };
    let given = if female { FEMALE } else { MALE };
    if dice.chance(1) {
        // U+4DAE stands in GB 18030 with four octets and in GBK not at all.
        name.push('䶮');
        return name;
    }
    name.push(dice.letter(given));
    if dice.chance(72) {
        name.push(dice.letter(given));
    }
    name
}

fn phone(dice: &mut Dice) -> String {
    format!("1{}{}{:08}", dice.between(3, 9), dice.between(0, 9), dice.between(0, 99_999_999))
}

/// Draws a citizen who is registered in `division`.
fn person(dice: &mut Dice, division: &str, female: bool, born: Day, surname: Option<&str>) -> Citizen {
    let order = dice.between(0, 498) * 2 + u64::from(!female);
    let uyghur = surname.is_none() && dice.chance(1);
    let full = if uyghur {
        let given =
            dice.pick(if female { &["阿依古丽", "古丽娜尔", "热依罕"] } else { &["买买提", "艾尔肯", "吐尔逊"] });
        [given, "·", dice.pick(&["买买提", "阿不都拉", "卡德尔"])].concat()
    } else {
        name(dice, female, surname)
    };
    let adult = born.year + 22 < 2026;
    Citizen {
        former_name: match dice.between(1, 100) {
            1..=4 => Some(Some(name(dice, female, surname))),
            5..=14 => Some(None),
            _ => None,
        },
        id: citizen(&[division, &born.plain(), &format!("{order:03}")].concat()),
        female,
        born,
        nation: if uyghur { "05" } else { dice.pick(&["01", "01", "01", "01", "01", "01", "01", "01", "01", "03", "11", "15"]) },
        marital: if adult { dice.pick(&["10", "20", "20", "30", "40", "90"]) } else { "10" },
        relation: "0",
        phone: phone(dice),
        name: full,
    }
}

/// The first `n` households of the city.
pub(super) fn households(seed: u64, n: usize) -> Vec<Household> {
    (0..u64::try_from(n).unwrap_or(u64::MAX)).map(|index| household(seed, index)).collect()
}

/// The household `index` of the city.
pub(super) fn household(seed: u64, index: u64) -> Household {
    let dice = &mut Dice::new(seed, 1, index);
    let (division, district) = dice.pick(&DIVISIONS);
    let collective = index != 0 && dice.chance(4);
    let members = if collective { dormitory(dice, division) } else { family(dice, division) };
    let registered = Day::drawn(dice, 1990, 2025);
    let updated = Day::drawn(dice, 2024, 2025);
    Household {
        number: format!("{:09}", 310_000_000 + (index * 7919 + seed % 1000) % 10_000_000),
        collective,
        registered,
        division,
        district,
        street: dice.pick(&STREETS).to_owned(),
        door: format!("{}弄{}号{}室", dice.between(1, 1900), dice.between(1, 60), dice.between(1, 24) * 100 + dice.between(1, 4)),
        post_code: dice.chance(85).then(|| format!("20{:04}", dice.between(0, 2200))),
        members,
        allowance: dice.chance(6).then(|| (Day::drawn(dice, 2019, 2025), dice.between(60_000, 151_000))),
        updated: format!("{}T{:02}:{:02}:{:02}+08:00", updated.dashed(), dice.between(8, 17), dice.between(0, 59), dice.between(0, 59)),
    }
}

fn dormitory(dice: &mut Dice, division: &str) -> Vec<Citizen> {
    let female = dice.chance(50);
    let count = dice.between(3, 8);
    let mut members = Vec::new();
    for place in 0..count {
        let born = Day::drawn(dice, 1975, 2006);
        let relation = if place == 0 { "0" } else { "8" };
        members.push(Citizen { relation, ..person(dice, division, female, born, None) });
    }
    members
}

/// The surname that children of this person bear, where the name has one.
fn family_name(citizen: &Citizen) -> Option<String> {
    let length = if COMPOUND.iter().any(|name| citizen.name.starts_with(name)) { 2 } else { 1 };
    (!citizen.name.contains('·')).then(|| citizen.name.chars().take(length).collect())
}

fn family(dice: &mut Dice, division: &str) -> Vec<Citizen> {
    let female = dice.chance(30);
    let born = Day::drawn(dice, 1946, 2001);
    let head = person(dice, division, female, born, None);
    let own = family_name(&head);
    let mut surname = own.clone();
    let mut members = vec![head];
    if dice.chance(70) {
        let born = Day::drawn(dice, born.year.saturating_sub(4), (born.year + 4).min(2003));
        let spouse = person(dice, division, !female, born, None);
        surname = if female { family_name(&spouse) } else { surname };
        members.push(Citizen { relation: "1", marital: "20", ..spouse });
        members.iter_mut().for_each(|member| member.marital = "20");
        for _ in 0..dice.pick(&[0, 1, 1, 1, 2, 2, 3]) {
            let daughter = dice.chance(49);
            let earliest = born.year + 22;
            if earliest <= 2025 {
                let child_born = Day::drawn(dice, earliest, (earliest + 12).min(2025));
                let relation = if daughter { "3" } else { "2" };
                members.push(Citizen { relation, ..person(dice, division, daughter, child_born, surname.as_deref()) });
            }
        }
    }
    if dice.chance(12) && born.year > 1955 {
        let parent_born = Day::drawn(dice, born.year - 32, born.year - 23);
        let mother = dice.chance(60);
        members.push(Citizen { relation: "5", ..person(dice, division, mother, parent_born, own.as_deref().filter(|_| !mother)) });
    }
    members
}

/// A citizen and the household, drawn; record 0 of every sector is about the head of household 0.
pub(super) fn resident(dice: &mut Dice, seed: u64, record: u64) -> (Citizen, Household) {
    let home = if record == 0 { 0 } else { dice.between(0, HOUSEHOLDS - 1) };
    let household = household(seed, home);
    let adults: Vec<&Citizen> = household.members.iter().filter(|member| member.born.year <= 2006).collect();
    let last = u64::try_from(adults.len()).unwrap_or(1).max(1) - 1;
    let chosen = if record == 0 { 0 } else { usize::try_from(dice.between(0, last)).unwrap_or_default() };
    let citizen = adults.get(chosen).map(|adult| (*adult).clone()).unwrap_or_default();
    (citizen, household)
}
