//! Leaves by the million, as a city of ten sectors would make them, and what each can be found by.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::cast_possible_truncation, reason = "a test may fail")]
#![allow(dead_code, unreachable_pub, missing_docs, reason = "the test and the example use their parts")]

use ledger::index::{Filter, Terms};
use ledger::record::{Entry, Head, Kind, Leaf, Outcome, PartySignature, Refusal, StreamKind};
use ledger::tree::Hash;
use xsd::time::Timestamp;

pub const START: Timestamp = Timestamp(1_780_000_000_000);

/// Numbers that look random and are the same every time (SplitMix64).
#[derive(Clone, Debug)]
pub struct Dice(pub u64);

impl Dice {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }
}

pub fn uuid(number: u64) -> String {
    let mut dice = Dice(number);
    let (high, low) = (dice.next(), dice.next());
    format!(
        "{:08x}-{:04x}-4{:03x}-8{:03x}-{:012x}",
        high >> 32,
        high >> 16 & 0xffff,
        high & 0xfff,
        low >> 48 & 0xfff,
        low & 0xffff_ffff_ffff
    )
}

/// One record in numbers. Which words they stand for, [`Record::leaf`] and [`Asked`] say.
#[derive(Clone, Copy, Debug)]
pub struct Record {
    pub index: u64,
    pub time: Timestamp,
    pub trade: bool,
    pub sender: u8,
    pub receiver: u8,
    pub user: u16,
    pub object: u16,
    pub status: u8,
    pub purpose: u8,
    pub refused: bool,
    pub conversation: u64,
}

const STATUS: [&str; 3] = ["delivered", "denied", "timed-out"];
const PURPOSE: [&str; 4] = ["benefit", "licence", "survey", "audit"];

fn sector(number: u8) -> String {
    format!("sector-{number}")
}

fn object(record: &Record) -> String {
    format!("sector-{}/resource-{}", record.sender, record.object)
}

fn user(record: &Record) -> String {
    format!("sector-{}/user-{}", record.receiver, record.user)
}

impl Record {
    /// The record of this number: nine trades to one log. Sector 0 only ever denies, sectors 1 to 9 never do: two dense terms without
    /// a common leaf. One trade in eight goes on in the conversation of an earlier one.
    pub fn of(index: u64, per_second: u64) -> Self {
        let mut dice = Dice(index);
        let trade = dice.below(10) != 0;
        let sender = dice.below(10) as u8;
        Self {
            index,
            time: Timestamp(START.0 + index * 1000 / per_second),
            trade,
            sender,
            receiver: ((u64::from(sender) + 1 + dice.below(9)) % 10) as u8,
            user: (dice.below(100) * dice.below(100)) as u16,
            object: (dice.below(45) * dice.below(45)) as u16,
            status: if sender == 0 { 1 } else { 2 * u8::from(dice.below(20) == 0) },
            purpose: (dice.below(6) % 4) as u8,
            refused: trade && dice.below(1000) == 0,
            conversation: if dice.below(8) == 0 { index - dice.below(64).min(index) } else { index },
        }
    }

    /// Its leaf's octets, 1.4 kB for a trade and 0.9 kB for a log.
    pub fn leaf(&self) -> Vec<u8> {
        let digest = "00000000000000000000000000000000000000000000000000000000000000aa";
        let (sender, receiver) = (sector(self.sender), sector(self.receiver));
        let head = |kind, id: &str| Head { kind, id: id.to_owned(), sequence: self.index, previous: Hash([7; 32]) };
        let mut heads = vec![head(StreamKind::Receiver, &receiver), head(StreamKind::Sender, &sender)];
        let id = uuid(self.index ^ 1 << 60);
        let body =
            if self.trade {
                heads.insert(0, head(StreamKind::Object, &object(self)));
                let (user, status, purpose) = (self.user, STATUS[usize::from(self.status)], PURPOSE[usize::from(self.purpose)]);
                [
                "<t:Trade xmlns:t=\"urn:waybill:trading:1\" id=\"", &id, "\" ledger=\"city.example/main/1\"><t:ConversationId>",
                &uuid(self.conversation), "</t:ConversationId><t:Who><t:Sender>", &sender, "</t:Sender><t:Receiver>", &receiver,
                "</t:Receiver><t:User authority=\"", &receiver, "\">user-", &user.to_string(), "</t:User></t:Who><t:What><t:Resource>",
                &object(self), "</t:Resource><t:Record>", digest, "</t:Record><t:Digest>", digest,
                "</t:Digest><t:Size>256</t:Size></t:What><t:Where><t:Server>", &sender,
                ".example:443</t:Server><t:Service>Trading</t:Service><t:Operation>PlaceOrder</t:Operation></t:Where><t:When><t:Requested>",
                &self.time.to_string(), "</t:Requested></t:When><t:How><t:Status>", status, "</t:Status><t:Purpose>", purpose,
                "</t:Purpose></t:How></t:Trade>",
            ]
            .concat()
            } else {
                [
                    "<l:Log xmlns:l=\"urn:waybill:ledger:1\" id=\"",
                    &id,
                    "\" ledger=\"city.example/main/1\"><l:Sector>",
                    &sender,
                    "</l:Sector><l:Peer>",
                    &receiver,
                    "</l:Peer><l:Source>gateway</l:Source><l:Digest>",
                    digest,
                    "</l:Digest></l:Log>",
                ]
                .concat()
            };
        let signatures = [sender, receiver].map(|account| PartySignature { account, value: [3; 64] });
        let leaf = Leaf {
            index: self.index,
            time: self.time,
            client: id,
            kind: if self.trade { Kind::Trade } else { Kind::Log },
            heads,
            outcome: if self.refused { Outcome::Refused(Refusal::NotPermitted) } else { Outcome::Done },
            entry: Entry::new(body.into_bytes(), signatures.into()).unwrap(),
        };
        leaf.octets()
    }

    pub fn terms(&self) -> Terms {
        let octets = self.leaf();
        Terms::read(&octets, Leaf::hash(&octets)).unwrap()
    }
}

/// A filter in numbers: of every field that has values, one; and the time span.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    pub who: Vec<u8>,
    pub sender: Vec<u8>,
    pub receiver: Vec<u8>,
    pub signer: Vec<u8>,
    pub user: Vec<Record>,
    pub what: Vec<Record>,
    pub status: Vec<u8>,
    pub purpose: Vec<u8>,
    pub trade: Vec<bool>,
    pub refused: Vec<bool>,
    pub conversation: Vec<u64>,
    pub server: Vec<u8>,
    pub from: Option<Timestamp>,
    pub to: Option<Timestamp>,
}

impl Asked {
    /// The same in words.
    pub fn filter(&self) -> Filter {
        let sectors = |numbers: &[u8]| numbers.iter().map(|number| sector(*number)).collect::<Vec<_>>();
        let choose = |words: &[&str], numbers: &[u8]| numbers.iter().map(|number| words[usize::from(*number)].to_owned()).collect();
        let either = |yes: &str, no: &str, wanted: &[bool]| wanted.iter().map(|wanted| if *wanted { yes } else { no }.to_owned()).collect();
        Filter {
            who: sectors(&self.who),
            sender: sectors(&self.sender),
            receiver: sectors(&self.receiver),
            signer: sectors(&self.signer),
            user: self.user.iter().map(user).collect(),
            what: self.what.iter().map(object).collect(),
            status: choose(&STATUS, &self.status),
            purpose: choose(&PURPOSE, &self.purpose),
            kind: either("trade", "log", &self.trade),
            outcome: either("not-permitted", "done", &self.refused),
            conversation: self.conversation.iter().map(|number| uuid(*number)).collect(),
            server: sectors(&self.server).into_iter().map(|sector| sector + ".example:443").collect(),
            from: self.from,
            to: self.to,
            ..Filter::default()
        }
    }

    /// Whether a record is asked for, without any index.
    pub fn fits(&self, record: &Record) -> bool {
        fn any<T>(wanted: &[T], is: impl Fn(&T) -> bool) -> bool {
            wanted.is_empty() || wanted.iter().any(is)
        }
        let party = |number: &u8| *number == record.sender || *number == record.receiver;
        any(&self.who, party)
            && any(&self.signer, party)
            && any(&self.sender, |number| *number == record.sender)
            && any(&self.receiver, |number| *number == record.receiver)
            && any(&self.user, |other| record.trade && other.user == record.user && other.receiver == record.receiver)
            && any(&self.what, |other| record.trade && other.object == record.object && other.sender == record.sender)
            && any(&self.status, |number| record.trade && *number == record.status)
            && any(&self.purpose, |number| record.trade && *number == record.purpose)
            && any(&self.trade, |trade| *trade == record.trade)
            && any(&self.refused, |refused| *refused == record.refused)
            && any(&self.conversation, |number| record.trade && *number == record.conversation)
            && any(&self.server, |number| record.trade && *number == record.sender)
            && self.from.is_none_or(|from| from <= record.time)
            && self.to.is_none_or(|to| record.time < to)
    }

    /// Something that somebody might ask of the first `count` records: one to four fields, one to three values each, often of records
    /// that exist, and one time span in three.
    pub fn random(dice: &mut Dice, count: u64, per_second: u64) -> Self {
        let mut asked = Self::default();
        for _ in 0..1 + dice.below(4) {
            for _ in 0..1 + dice.below(5).saturating_sub(2) {
                let some = Record::of(dice.below(count + count / 20), per_second);
                match dice.below(14) {
                    0 | 1 => asked.who.push(some.sender),
                    2 => asked.sender.push(some.sender),
                    3 => asked.receiver.push(some.receiver),
                    4 | 5 => asked.user.push(some),
                    6 | 7 => asked.what.push(some),
                    8 => asked.status.push(some.status),
                    9 => asked.purpose.push(some.purpose),
                    10 => asked.trade.push(some.trade),
                    11 => asked.refused.push(some.refused),
                    12 => asked.conversation.push(some.conversation),
                    _ => match dice.below(2) {
                        0 => asked.signer.push(some.receiver),
                        _ => asked.server.push(some.sender),
                    },
                }
            }
        }
        let mut instant = || Timestamp(START.0 + dice.below(count + count / 20) * 1000 / per_second);
        let (one, other) = (instant(), instant());
        match dice.below(6) {
            0 => (asked.from, asked.to) = (Some(one.min(other)), Some(one.max(other))),
            1 => asked.from = Some(one),
            2 => asked.to = Some(other),
            _ => {}
        }
        asked
    }
}
