//! The rules of the state machine as one table: a record, who signs it, when, and what becomes of it.
#![allow(clippy::unwrap_used, clippy::unwrap_in_result, clippy::panic, clippy::indexing_slicing, reason = "a test may fail")]

mod city;

use city::{
    NOW, assignment, body, delivered, entry, founding, genesis, grant, inquiry, order, refusal, revocation, role, signed, trade, user,
    uuid, with_evidence,
};
use ledger::body::{Permission, Principal, Request};
use ledger::record::{ENTRY_BYTES_MAX, Entry, Kind, LEAF_BYTES_MAX, Leaf, Outcome, PartySignature, StreamKind, Verdict};
use ledger::state::{BODY_AHEAD_MS, BODY_BEHIND_MS, State};
use ledger::tree::Hash;
use std::collections::BTreeMap;
use xsd::time::Timestamp;
use xsd::tree::Element;

const HOUR: u64 = 3_600_000;

struct Table {
    state: State,
    hashes: Vec<Hash>,
    /// The ids that were used, as a node keeps them, and the hashes of their bodies.
    ids: BTreeMap<String, usize>,
    bodies: Vec<Hash>,
}

impl Table {
    fn new() -> Self {
        let (state, applied) = State::found(Request::read(genesis(3)).unwrap()).unwrap();
        let ids = BTreeMap::from([(applied.client, 0)]);
        let mut table = Self { state, hashes: vec![applied.hash], ids, bodies: vec![applied.body] };
        for entry in founding() {
            table.check(&entry, 0, "done");
        }
        table
    }

    fn apply(&mut self, entry: &Entry, time: Timestamp) -> Result<Leaf, Verdict> {
        let checked = self.state.check_one(Request::read(entry.clone())?)?;
        let record = &checked.request().records()[0];
        if let Some(index) = self.ids.get(record.id()).copied() {
            return Err(if self.bodies[index] == record.hash() { Verdict::Duplicate { index: 0 } } else { Verdict::Conflict { index: 0 } });
        }
        let mut leaves = self.state.apply(&checked, time, 0);
        let applied = leaves.pop().unwrap();
        for root in leaves {
            assert_eq!((root.kind, Leaf::read(&root.octets).unwrap().octets()), (Kind::StateRoot, root.octets));
            self.hashes.push(root.hash);
        }
        let leaf = Leaf::read(&applied.octets).unwrap();
        assert_eq!(leaf.octets(), applied.octets, "a leaf reads as it was written");
        self.ids.insert(record.id().to_owned(), self.bodies.len());
        self.bodies.push(record.hash());
        assert!(applied.octets.windows(entry.body().len()).any(|window| window == entry.body()), "the body stands in it as signed");
        for head in &leaf.heads {
            assert_eq!(self.state.stream(head.kind, &head.id), Some((head.sequence + 1, applied.hash)));
            let known = head.sequence == 0 && head.previous == Hash::default() || self.hashes.contains(&head.previous);
            assert!(known, "the leaf before is one of ours");
        }
        self.hashes.push(applied.hash);
        Ok(leaf)
    }

    /// What becomes of `entry` at `ms` after the founding: `done`, a refusal's code, or a verdict's.
    fn check(&mut self, entry: &Entry, ms: u64, expected: &str) {
        let found = match self.apply(entry, NOW.plus_ms(ms)) {
            Ok(leaf) => leaf.outcome.code(),
            Err(verdict) => verdict.code(),
        };
        assert_eq!(found, expected, "{}", String::from_utf8_lossy(entry.body()));
    }
}

#[test]
fn who_may_do_what() {
    let mut t = Table::new();
    let vehicle = "transport/vehicle";
    let period = (0, HOUR);
    t.check(&signed(&grant("g1", "transport", "clerk", vehicle, period, &[]), &["transport"]), 0, "done");
    t.check(&signed(&grant("g2", "bureau", "clerk", vehicle, period, &[]), &["bureau"]), 0, "not-owner");
    t.check(&signed(&grant("g3", "transport", "clerk", vehicle, period, &[]), &["bureau"]), 0, "stray-signature");
    t.check(&signed(&grant("g3", "transport", "clerk", vehicle, period, &[]), &[]), 0, "missing-signature");
    t.check(&signed(&grant("g3", "transport", "clerk", vehicle, period, &[]), &["transport", "bureau"]), 0, "stray-signature");
    t.check(&signed(&grant("g3", "nobody", "clerk", "nobody/x", period, &[]), &[]), 0, "unknown-account");
    t.check(&signed(&grant("g4", "transport", "clerk", "transport/driver", period, &[]), &["transport"]), 0, "not-published");
    t.check(&signed(&grant("g5", "transport", "chief", vehicle, period, &[]), &["transport"]), 0, "unknown-role");
    t.check(&signed(&grant("g6", "transport", "clerk", vehicle, (5, 5), &[]), &["transport"]), 0, "empty-period");
    t.check(&signed(&entry("e1", "health", vehicle, "active"), &["health"]), 0, "not-owner");
    t.check(&signed(&entry("e2", "health", "health/visit", "active"), &["health"]), 0, "done");
    t.check(&signed(&entry("e3", "health", "health/visit", "active").leaf("Supersedes", uuid("e1")), &["health"]), 0, "not-superseded");
    t.check(&signed(&entry("e4", "health", "health/visit", "withdrawn").leaf("Supersedes", uuid("e2")), &["health"]), 0, "done");
    assert!(t.state.locate("health/visit").is_none() && t.state.locate(vehicle).is_some());
    assert_eq!(t.state.directory_history("health/visit").len(), 2);
    t.check(&signed(&user("u1", "civil", "add", "wang", "w2"), &["civil"]), 0, "exists");
    t.check(&signed(&user("u2", "civil", "add", "li", "wang"), &["civil"]), 0, "certificate-taken");
    t.check(&signed(&user("u3", "civil", "modify", "zhao", "zhao"), &["civil"]), 0, "unknown-user");
    t.check(&signed(&user("u4", "health", "add", "wang", "hw"), &["health"]), 0, "done");
    t.check(&signed(&role("r1", "civil", "define", "clerk"), &["civil"]), 0, "exists");
    t.check(&signed(&role("r2", "civil", "retire", "chief"), &["civil"]), 0, "unknown-role");
    t.check(&signed(&assignment("a1", "civil", "assign", "zhao", "clerk", period), &["civil"]), 0, "unknown-user");
    t.check(&signed(&assignment("a2", "civil", "assign", "wang", "chief", period), &["civil"]), 0, "unknown-role");
    t.check(&signed(&assignment("a3", "civil", "assign", "wang", "clerk", period), &["civil"]), 0, "exists");
    t.check(&signed(&assignment("a4", "health", "assign", "wang", "clerk", period), &["health"]), 0, "unknown-role");
    t.check(&signed(&inquiry("i1", "civil", "wang"), &["civil"]), 0, "done");
    t.check(&signed(&inquiry("i2", "civil", "zhao"), &["civil"]), 0, "unknown-user");
    t.check(&signed(&revocation("v1", "bureau", "grant"), &["bureau"]), 0, "unknown-grant");
    t.check(&signed(&revocation("v2", "transport", "no"), &["transport"]), 0, "unknown-grant");
    t.check(&signed(&revocation("v3", "transport", "g1"), &["transport"]), 0, "done");
    t.check(&signed(&revocation("v4", "transport", "g1"), &["transport"]), 0, "grant-ended");
    t.check(&genesis(3), 0, "duplicate");
    let wang = Principal { authority: "civil".to_owned(), name: "wang".to_owned() };
    assert_eq!(t.state.user_by_certificate(&Hash::of(b"wang")).map(|(user, _)| user.clone()), Some(wang));
    assert_eq!(
        t.state.user_by_certificate(&Hash::of(b"administrator health")).map(|(_, account)| account.class.clone()),
        Some("administrator".to_owned())
    );
}

#[test]
fn a_trade_needs_its_grant_at_ledger_time() {
    let mut t = Table::new();
    let vehicle = "transport/vehicle";
    let deliver = |name: &str, grant: &str| signed(&trade(name, "transport", vehicle, "delivered", Some(grant)), &["transport", "civil"]);
    t.check(&signed(&grant("later", "transport", "clerk", vehicle, (1000, 2000), &[]), &["transport"]), 0, "done");
    t.check(&signed(&grant("purpose", "transport", "clerk", vehicle, (0, HOUR), &["census", "benefit"]), &["transport"]), 0, "done");
    t.check(&signed(&grant("other", "transport", "clerk", vehicle, (0, HOUR), &["census"]), &["transport"]), 0, "done");
    t.check(&deliver("t0", "grant"), 0, "done");
    t.check(&deliver("t1", "later"), 999, "not-permitted");
    t.check(&deliver("t2", "purpose"), 999, "done");
    t.check(&deliver("t3", "other"), 999, "not-permitted");
    t.check(&deliver("t4", "no"), 999, "unknown-grant");
    t.check(&signed(&trade("t5", "transport", vehicle, "delivered", None), &["transport", "civil"]), 999, "incomplete");
    t.check(&signed(&trade("t6", "transport", vehicle, "delivered", Some("grant")), &["transport"]), 999, "missing-signature");
    t.check(&signed(&trade("t7", "health", vehicle, "delivered", Some("grant")), &["health", "civil"]), 999, "not-owner");
    t.check(&deliver("t8", "later"), 1000, "done");
    t.check(&deliver("t9", "later"), 1999, "done");
    t.check(&deliver("t10", "later"), 2000, "not-permitted");
    t.check(&deliver("t11", "later"), 1500, "not-permitted");
    assert_eq!(t.state.time(), NOW.plus_ms(2000), "ledger time does not go back");
    let wang = Principal { authority: "civil".to_owned(), name: "wang".to_owned() };
    let permit =
        |t: &Table, ms, purpose| t.state.permits(&wang, vehicle, Permission::Read, purpose, NOW.plus_ms(ms)).map(|permit| permit.grant);
    assert_eq!(permit(&t, 0, "census"), Some(uuid("other")));
    assert_eq!(permit(&t, HOUR - 1, "benefit"), Some(uuid("purpose")));
    assert_eq!(permit(&t, HOUR, "benefit"), None);
    t.check(&signed(&revocation("v", "transport", "grant"), &["transport"]), 2000, "done");
    t.check(&deliver("t12", "grant"), 2000, "not-permitted");
    t.check(
        &signed(&grant("newer", "transport", "clerk", vehicle, (0, HOUR), &[]).leaf("Supersedes", uuid("purpose")), &["transport"]),
        2000,
        "done",
    );
    t.check(&deliver("t13", "purpose"), 2000, "not-permitted");
    t.check(&deliver("t14", "newer"), 2000, "done");
    t.check(&signed(&assignment("w", "civil", "withdraw", "wang", "clerk", (0, HOUR)), &["civil"]), 2000, "done");
    t.check(&deliver("t15", "newer"), 2000, "not-permitted");
    t.check(&signed(&assignment("w2", "civil", "assign", "wang", "clerk", (0, HOUR)), &["civil"]), 2000, "done");
    t.check(&signed(&entry("gone", "transport", vehicle, "withdrawn"), &["transport"]), 2000, "done");
    t.check(&deliver("t16", "newer"), 2000, "not-published");
    t.check(&signed(&user("del", "civil", "delete", "wang", "wang"), &["civil"]), 2000, "done");
    assert_eq!(t.state.assignments().count(), 0, "a deleted user holds no role");
}

#[test]
fn a_trade_that_did_not_happen_shows_its_order() {
    let mut t = Table::new();
    let vehicle = "transport/vehicle";
    let make = |name: &str, status: &str| trade(name, "transport", vehicle, status, None);
    let ordered = |name: &str| order(name, "transport", "civil", vehicle);
    let evident = |name: &str, status: &str| with_evidence(make(name, status), ordered(name), "civil", &ordered(name));
    for status in ["denied", "not-found", "failed", "timed-out"] {
        t.check(&signed(&evident(status, status), &["transport"]), 0, "done");
        t.check(&signed(&evident(&format!("{status}1"), status), &["civil"]), 0, "stray-signature");
        let forged = with_evidence(make("f", status), ordered("f"), "bureau", &ordered("f"));
        t.check(&signed(&forged.clone(), &["transport"]), 0, if status == "denied" { "evidence-mismatch" } else { "conflict" });
        let unsigned = with_evidence(make("u", status), ordered("u"), "civil", &ordered("else"));
        t.check(&signed(&unsigned, &["transport"]), 0, "bad-signature");
        let name = format!("{status}2");
        let elsewhere = order(&name, "transport", "civil", "transport/driver");
        t.check(
            &signed(&with_evidence(make(&name, status), elsewhere.clone(), "civil", &elsewhere), &["transport"]),
            0,
            "evidence-mismatch",
        );
        let name = format!("{status}3");
        let renamed = ordered("another");
        t.check(&signed(&with_evidence(make(&name, status), renamed.clone(), "civil", &renamed), &["transport"]), 0, "evidence-mismatch");
    }
    t.check(&signed(&make("d", "denied"), &["transport"]), 0, "evidence-mismatch");
    t.check(&signed(&make("x1", "failed"), &["civil"]), 0, "done");
    t.check(&signed(&make("x2", "timed-out"), &["civil"]), 0, "done");
    t.check(&signed(&make("x3", "timed-out"), &["transport"]), 0, "stray-signature");
    t.check(&signed(&make("x4", "requested"), &["civil"]), 0, "wrong-status");
}

#[test]
fn what_is_no_record_has_no_leaf() {
    let mut t = Table::new();
    let good = delivered("t");
    t.check(&good, 0, "done");
    t.check(&good, 9, "duplicate");
    t.check(&signed(&trade("t", "transport", "transport/vehicle", "timed-out", None), &["civil"]), 0, "conflict");
    let size = t.state.size();
    let change = |from: &str, to: &str| {
        let text = String::from_utf8(good.body().to_vec()).unwrap();
        assert!(text.contains(from));
        Entry::new(text.replace(from, to).into_bytes(), good.signatures().to_vec()).unwrap()
    };
    t.check(&change("<t:Trade ", "<t:Trade  "), 0, "not-canonical");
    t.check(&change("benefit", "&#98;enefit"), 0, "not-canonical");
    t.check(&change("benefit", "<!-- -->benefit"), 0, "not-canonical");
    t.check(&change("</t:Trade>", "</t:Tradf>"), 0, "malformed");
    t.check(&change("<t:Trade ", "<!DOCTYPE t><t:Trade "), 0, "malformed");
    t.check(&change("benefit", "census"), 0, "bad-signature");
    t.check(&change("main/1", "main/2"), 0, "wrong-ledger");
    t.check(&change("urn:waybill:trading:1", "urn:waybill:trading:2"), 0, "unknown-kind");
    t.check(&change(&uuid("t"), "not-a-uuid"), 0, "invalid");
    t.check(&change(">benefit<", ">two words<"), 0, "invalid");
    t.check(&change(">256<", ">-1<"), 0, "invalid");
    t.check(&change("<t:Where>", "<t:More></t:More><t:Where>"), 0, "invalid");
    t.check(&change("<t:Where>", "<?more?><t:Where>"), 0, "invalid");
    let hint = "http://www.w3.org/2001/XMLSchema-instance";
    t.check(&change("<t:Where>", &format!("<t:Where xmlns:x=\"{hint}\" x:schemaLocation=\"a b\">")), 0, "invalid");
    let whole = change("<t:Size>256</t:Size>", "");
    t.check(&whole, 0, "invalid");
    t.check(&signed(&body("leaf", "ledger", "Genesis", "g"), &[]), 0, "invalid");
    assert_eq!(t.state.size(), size);
    let mut longest = trade("long", "transport", "transport/vehicle", "timed-out", None);
    longest.push_text(&"x".repeat(60_000));
    let long = Entry::new(city::octets(&longest), vec![]);
    assert_eq!(long, Err(Verdict::TooLarge));
}

#[test]
fn entries_have_one_wire_form() {
    let entry = delivered("t");
    let octets = entry.encode();
    assert_eq!(Entry::decode(&octets), Ok(entry));
    for at in 0..octets.len() {
        assert!(Entry::decode(&octets[..at]).is_err() || at >= 146, "the parties and their signatures take 146 octets, {at}");
    }
    let mut swapped = octets.clone();
    swapped[1] = 3;
    assert!(Entry::decode(&swapped).is_err_and(|verdict| verdict.code() == "malformed"));
    for outcome in [Outcome::Done].into_iter().chain(ledger::record::Refusal::ALL.map(Outcome::Refused)) {
        assert_eq!(Outcome::from_code(outcome.code()), Some(outcome));
    }
}

/// [`NOW`] is what the city's bodies say: the table moves ledger time.
#[test]
fn a_body_says_a_time_near_ledger_time() {
    let mut t = Table::new();
    let vehicle = "transport/vehicle";
    let failed = |name: &str| trade(name, "transport", vehicle, "failed", None);
    // What the body says is `ms` after NOW.
    let at = |record: &Element, ms: u64| {
        let text = String::from_utf8(city::octets(record)).unwrap();
        let body = text.replace(&NOW.to_string(), &NOW.plus_ms(ms).to_string()).into_bytes();
        let signature = PartySignature::sign("civil", &city::record_key("civil"), &body);
        Entry::new(body, vec![signature]).unwrap()
    };
    t.check(&at(&failed("a1"), BODY_AHEAD_MS), 0, "done");
    t.check(&at(&failed("a2"), BODY_AHEAD_MS + 1), 0, "back-dated");
    t.check(&at(&inquiry("a3", "civil", "wang"), BODY_AHEAD_MS), 0, "done");
    t.check(&at(&inquiry("a4", "civil", "wang"), BODY_AHEAD_MS + 1), 0, "back-dated");
    t.check(&at(&failed("b1"), 0), BODY_BEHIND_MS, "done");
    t.check(&at(&inquiry("b2", "civil", "wang"), 0), BODY_BEHIND_MS, "done");
    t.check(&at(&failed("b3"), 0), BODY_BEHIND_MS + 1, "back-dated");
    t.check(&at(&inquiry("b4", "civil", "wang"), 0), BODY_BEHIND_MS + 1, "back-dated");
    t.check(&at(&failed("b5"), 1), 0, "done");
}

#[test]
fn a_grant_ends_with_the_millisecond_before_its_end_wherever_it_is_asked() {
    let mut t = Table::new();
    let vehicle = "transport/vehicle";
    let end = 60_000;
    t.check(&signed(&grant("brief", "transport", "clerk", vehicle, (1000, end), &[]), &["transport"]), 0, "done");
    let deliver = |name: &str| signed(&trade(name, "transport", vehicle, "delivered", Some("brief")), &["transport", "civil"]);
    let wang = Principal { authority: "civil".to_owned(), name: "wang".to_owned() };
    t.check(&signed(&revocation("others", "transport", "grant"), &["transport"]), 0, "done");
    for (ms, permitted) in [(999, false), (1000, true), (end - 1, true), (end, false), (end + 1, false)] {
        let permit = t.state.permits(&wang, vehicle, Permission::Read, "benefit", NOW.plus_ms(ms));
        assert_eq!(permit.is_some(), permitted, "{ms}");
        t.check(&deliver(&format!("at {ms}")), ms, if permitted { "done" } else { "not-permitted" });
    }
}

#[test]
fn a_sector_puts_on_record_what_a_member_presented() {
    let mut t = Table::new();
    t.check(&signed(&refusal("r1", "health", "civil"), &["health"]), 0, "done");
    t.check(&signed(&refusal("r2", "health", "nobody"), &["health"]), 0, "unknown-member");
    t.check(&signed(&refusal("r3", "health", "health"), &["health"]), 0, "unknown-member");
    t.check(&signed(&refusal("r4", "health", "civil"), &["civil"]), 0, "stray-signature");
    for (kind, id) in [(StreamKind::Sender, "health"), (StreamKind::Receiver, "civil")] {
        assert!(t.state.stream(kind, id).is_some(), "it is in the history of both");
    }
}

#[test]
fn every_bad_input_has_its_verdict() {
    let mut t = Table::new();
    let add = |name: &str, user: &str| city::octets(&city::user(name, "civil", "add", user, name));
    let listed = |name: &str, title: &str| {
        let text = String::from_utf8(city::octets(&entry(name, "health", "health/visit", "active"))).unwrap();
        text.replace(">health/visit</d:Title>", &format!(">{title}</d:Title>")).into_bytes()
    };
    let (composed, decomposed) = ("caf\u{e9}", "cafe\u{301}");
    let latin: Vec<u8> = listed("latin", "@").into_iter().flat_map(|byte| if byte == b'@' { vec![0xe9] } else { vec![byte] }).collect();
    let gb18030: Vec<u8> =
        listed("gb", "@").into_iter().flat_map(|byte| if byte == b'@' { vec![0xb9, 0xab] } else { vec![byte] }).collect();
    let version = |from: &str, to: &str| String::from_utf8(add("version", "li")).unwrap().replace(from, to).into_bytes();
    let table: Vec<(&str, &str, Vec<u8>, &str)> = vec![
        ("civil", "ASCII name", add("ascii", "zhao"), "done"),
        ("civil", "composed name", add("nfc", composed), "invalid"),
        ("civil", "decomposed name", add("nfd", decomposed), "invalid"),
        ("civil", "Chinese name", add("cjk", "王"), "invalid"),
        ("civil", "full-width name", add("wide", "\u{ff57}ang"), "invalid"),
        ("health", "Chinese title, one rare character", listed("title", "门诊\u{20bb7}"), "done"),
        ("health", "composed title", listed("title nfc", composed), "done"),
        ("health", "decomposed title: other octets, another text", listed("title nfd", decomposed), "done"),
        ("health", "the same id with the other form", listed("title nfc", decomposed), "conflict"),
        ("health", "title in Latin-1", latin, "malformed"),
        ("health", "title in GB 18030", gb18030, "malformed"),
        ("health", "a zero in the title", listed("zero", "\0"), "malformed"),
        ("civil", "next version of the namespace", version("authority:1", "authority:2"), "unknown-kind"),
        ("civil", "no version", version("authority:1", "authority"), "unknown-kind"),
        ("civil", "a byte order mark", [b"\xef\xbb\xbf".to_vec(), add("mark", "li")].concat(), "not-canonical"),
        ("civil", "an XML declaration", [b"<?xml version=\"1.0\"?>".to_vec(), add("decl", "li")].concat(), "not-canonical"),
        ("civil", "a line feed at the end", [add("end", "li"), b"\n".to_vec()].concat(), "not-canonical"),
        ("civil", "two documents", [add("two", "li"), add("two", "li")].concat(), "malformed"),
        ("civil", "nothing", Vec::new(), "malformed"),
    ];
    for (signer, what, body, expected) in table {
        let signature = PartySignature::sign(signer, &city::record_key(signer), &body);
        let submitted = Entry::new(body, vec![signature]).unwrap();
        assert_eq!(Entry::decode(&submitted.encode()).as_ref(), Ok(&submitted), "{what}");
        t.check(&submitted, 0, expected);
    }
    for verdict in [Entry::batch(Vec::new(), Vec::new()).map(drop), Entry::decode(&[2, 0, 0, 0]).map(drop), Entry::decode(&[]).map(drop)] {
        assert_eq!(verdict.unwrap_err().code(), "malformed", "an empty batch, and nothing at all");
    }
    assert_eq!(Request::read(Entry::batch(vec![Vec::new()], Vec::new()).unwrap()).unwrap_err().code(), "malformed");
    for unknown in [0, 3, 4, 255] {
        assert_eq!(Entry::decode(&[unknown, 0, b'<']).unwrap_err().code(), "malformed", "an entry of version {unknown}");
    }
}

/// The largest entry that is taken becomes a leaf that a bundle can hold; one octet more is refused, and so is what would fill
/// or pass the 16 bits of a bundle's length.
#[test]
fn sizes_have_one_limit() {
    let mut t = Table::new();
    let long = |total: usize| {
        let element = entry("long", "transport", "transport/vehicle", "active");
        let text = String::from_utf8(city::octets(&element)).unwrap();
        let wire = 2 + 65 + "transport".len();
        let room = total.checked_sub(wire + text.len()).unwrap();
        let body = text.replace(">transport/vehicle</d:Title>", &format!(">transport/vehicle{}</d:Title>", "x".repeat(room))).into_bytes();
        let signature = PartySignature::sign("transport", &city::record_key("transport"), &body);
        Entry::new(body, vec![signature])
    };
    for total in [ENTRY_BYTES_MAX + 1, LEAF_BYTES_MAX, LEAF_BYTES_MAX + 1] {
        assert_eq!(long(total), Err(Verdict::TooLarge), "{total}");
    }
    let largest = long(ENTRY_BYTES_MAX).unwrap();
    assert_eq!(largest.encode().len(), ENTRY_BYTES_MAX);
    let mut longer = largest.encode();
    longer.push(b'>');
    assert_eq!(Entry::decode(&longer), Err(Verdict::TooLarge));
    let leaf = t.apply(&largest, NOW).map(|leaf| leaf.octets().len());
    assert!(leaf.is_ok_and(|octets| octets <= LEAF_BYTES_MAX));
}
