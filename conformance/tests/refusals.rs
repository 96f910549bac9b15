//! What the adapters refuse, on the wire of a running city: the right fault, and on the ledger what belongs there and nothing else.

#![allow(
    clippy::print_stdout,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::too_many_lines,
    clippy::panic,
    clippy::type_complexity,
    reason = "a test says what it measured and skipped, and fails by panicking"
)]

use adapter::cli::session::{Failure, Session};
use adapter::client::{Client, Reply};
use adapter::fault::Received;
use adapter::limits::HttpLimits;
use adapter::security::{Security, Signer, Trust, Window};
use adapter::soap::{Draft, Version};
use adapter::tls::{self, IdentityPem};
use adapter::trade::{commitment, selection};
use adapter::unified::audit::{GetEntry, GetEntryResponse, ListEntries, ListEntriesResponse};
use adapter::unified::governance::{RefusalRecord, RotateKey, RotateKeyResponse};
use adapter::unified::trading::{
    AcceptOffer, Fetch, FetchResponse, Item, Locate, LocateResponse, Order, PlaceOrder, PlaceOrderResponse, TradeStatus,
    TradeStatusResponse,
};
use adapter::unified::{Criterion, Document, FaultDetail, Instant, PartySignature, Principal, Receipt, Status};
use conformance::city::City;
use ledger::keys::SecretKey;
use std::collections::BTreeSet;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::time::Duration;
use xsd::read::Limits;
use xsd::time::Timestamp;
use xsd::tree::Element;

const SOAP12: &str = "application/soap+xml; charset=utf-8";

struct Wire {
    client: Client,
    url: String,
}

impl Wire {
    /// To a sector's trading service, with the certificate `sector/name.pem`, or none.
    fn open(city: &City, to: &str, identity: Option<(&str, &str)>) -> Self {
        let ca = fs::read(city.dir().join("ca.pem")).expect("a CA");
        let pem = identity.map(|(sector, name)| {
            let dir = city.dir().join(sector);
            (fs::read(dir.join(format!("{name}.pem"))).expect("a certificate"), fs::read(dir.join(format!("{name}.key"))).expect("a key"))
        });
        let identity = pem.as_ref().map(|(certificate, key)| IdentityPem { certificate, key });
        let tls = tls::client(identity, &ca).expect("TLS");
        Self { client: Client::new(Some(tls), HttpLimits::default()), url: format!("{}/ws/trading", city.url(to)) }
    }

    async fn post(&self, content_type: &str, octets: Vec<u8>) -> Reply {
        self.client.post(&self.url, &[("content-type", content_type)], octets, Duration::from_secs(30)).await.expect("an HTTP answer")
    }
}

fn body(reply: &Reply) -> Element {
    let content_type = reply.header("content-type").unwrap_or_default();
    let envelope = xsd::read::read(&reply.body, None, &Limits::default()).unwrap_or_else(|error| panic!("{content_type}: {error}"));
    envelope.elements().find(|element| element.name().local() == "Body").cloned().expect("a Body")
}

fn fault(reply: &Reply) -> (Received, FaultDetail) {
    let received = Received::read(&body(reply)).unwrap_or_else(|| panic!("a fault: {}", String::from_utf8_lossy(&reply.body)));
    let detail = received.detail.iter().find_map(|entry| FaultDetail::of(entry).ok());
    let detail = detail.unwrap_or_else(|| panic!("a detail: {}", String::from_utf8_lossy(&reply.body)));
    (received, detail)
}

fn envelope(request: &impl Document) -> Vec<u8> {
    Draft::new(Version::Soap12).body(request.element()).octets()
}

fn vehicle(purpose: &str) -> Fetch {
    let example = adapter::city::example().expect("an example");
    let (resource, field, value) = &example[0];
    let criteria = vec![Criterion { field: (*field).to_owned(), value: value.clone() }];
    Fetch { conversation_id: None, purpose: purpose.to_owned(), items: vec![Item { resource: (*resource).to_owned(), criteria }] }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refusals_on_the_wire() {
    let mut city = City::start("refusals");
    unreadable(&city).await;
    unknown_callers(&city).await;
    null_is_an_answer(&city).await;
    denied(&city).await;
    orders(&city).await;
    legacy(&city).await;
    no_quorum(&mut city).await;
    never_accepted(&mut city).await;
}

/// Nothing of these reaches a service: a fault, and no leaf.
async fn unreadable(city: &City) {
    let before = city.settled().await.leaves;
    let wire = Wire::open(city, "civil", Some(("civil", "clerk")));
    let good =
        String::from_utf8(envelope(&Locate { conversation_id: None, resources: vec![String::from("transport/vehicle")] })).expect("UTF-8");
    let rows: &[(&str, &str, Vec<u8>, u16, &str, &str)] = &[
        ("not well formed", SOAP12, good.replace("</env:Body>", "</env:Bady>").into_bytes(), 400, "Sender", "xml.not-well-formed"),
        ("two roots", SOAP12, [good.as_bytes(), b"<x/>"].concat(), 400, "Sender", "xml.not-well-formed"),
        (
            "a DTD",
            SOAP12,
            [b"<!DOCTYPE x [<!ENTITY e SYSTEM 'file:///etc/passwd'>]>", good.as_bytes()].concat(),
            400,
            "Sender",
            "xml.doctype",
        ),
        ("no envelope", SOAP12, b"<x/>".to_vec(), 500, "VersionMismatch", "soap.version"),
        ("JSON", "application/json", b"{}".to_vec(), 415, "Sender", "http.media-type"),
        ("no operation", SOAP12, good.replace("Locate", "Relocate").into_bytes(), 400, "Sender", "record.invalid"),
        ("invalid", SOAP12, good.replace("transport/vehicle", "Transport Vehicle").into_bytes(), 400, "Sender", "record.invalid"),
        (
            "another operation's action",
            "application/soap+xml; action=\"urn:waybill:ws:trading:1:Fetch\"",
            good.clone().into_bytes(),
            400,
            "Sender",
            "addressing.action",
        ),
    ];
    for (name, content_type, octets, status, code, stable) in rows {
        let reply = wire.post(content_type, octets.clone()).await;
        let (received, detail) = fault(&reply);
        assert_eq!((reply.status, received.code.as_str(), detail.code.as_str()), (*status, *code, *stable), "{name}: {}", received.text);
    }
    let (_, located) = fault(&wire.post(SOAP12, good.replace("transport/vehicle", "Transport Vehicle").into_bytes()).await);
    assert!(located.xpath.is_some() && located.line.is_some() && located.column.is_some(), "an invalid value is located: {located:?}");
    oversize(city, &good);
    assert_eq!(city.settled().await.leaves, before, "no leaf");
}

/// One octet too many is refused by its Content-Length alone; curl waits for the word before it sends so much.
fn oversize(city: &City, good: &str) {
    let dir = city.dir();
    let (huge, answer) = (dir.join("huge.xml"), dir.join("huge.answer"));
    fs::write(&huge, [good.as_bytes(), &vec![b' '; (10 << 20) + 1 - good.len()]].concat()).expect("writable");
    let file = |name: &str| dir.join("civil").join(name).display().to_string();
    let curl = std::process::Command::new("curl")
        .args([
            "--silent",
            "--cacert",
            &dir.join("ca.pem").display().to_string(),
            "--cert",
            &file("clerk.pem"),
            "--key",
            &file("clerk.key"),
        ])
        .args(["--header", "Content-Type: application/soap+xml", "--header", "Expect: 100-continue", "--write-out", "%{http_code}"])
        .args(["--data-binary", &format!("@{}", huge.display()), "--output", &answer.display().to_string()])
        .arg(format!("{}/ws/trading", city.url("civil")))
        .output()
        .expect("curl runs");
    assert_eq!(String::from_utf8_lossy(&curl.stdout), "413");
    let text = fs::read_to_string(&answer).expect("an answer");
    assert!(text.contains("xml.too-large"), "{text}");
}

async fn unknown_callers(city: &City) {
    let before = city.settled().await.leaves;
    let locate = envelope(&Locate { conversation_id: None, resources: vec![String::from("transport/vehicle")] });
    let rows = [
        ("no certificate", None, "security.authentication"),
        ("a certificate of nobody on the ledger", Some(("civil", "message")), "caller.not-registered"),
        ("an adapter where a user is needed", Some(("transport", "tls")), "caller.not-permitted"),
        ("a user of another sector", Some(("health", "admin")), "caller.not-permitted"),
    ];
    for (name, identity, stable) in rows {
        let reply = Wire::open(city, "civil", identity).post(SOAP12, locate.clone()).await;
        let (received, detail) = fault(&reply);
        assert_eq!((reply.status, received.code.as_str(), detail.code.as_str()), (400, "Sender", stable), "{name}");
    }
    let on_record = refusals(city, 2).await;
    let on_record: BTreeSet<(&str, &str)> = on_record.iter().map(|(account, verdict)| (account.as_str(), verdict.as_str())).collect();
    assert_eq!(on_record, BTreeSet::from([("health", "not-permitted"), ("transport", "not-permitted")]), "those who are known");
    assert_eq!(city.settled().await.leaves, before + 2, "and nothing else");
}

/// Who was refused why, by the records of it, oldest first, when there are `count`.
async fn refusals(city: &City, count: usize) -> Vec<(String, String)> {
    let auditor = city.session("bureau", "auditor");
    let list = ListEntries { kind: Some(String::from("refusal")), sector: None, from: None, to: None, cursor: None, limit: None };
    let until = std::time::Instant::now() + Duration::from_secs(10);
    loop {
        let listed: ListEntriesResponse = auditor.call("audit", &list).await.expect("a list");
        if listed.entries.len() >= count {
            let mut found = Vec::new();
            for entry in listed.entries {
                let answer: GetEntryResponse = auditor.call("audit", &GetEntry { index: entry.index }).await.expect("a leaf");
                let leaf = data_encoding::BASE64.decode(answer.leaf.as_bytes()).expect("base64");
                let leaf = ledger::record::Leaf::read(&leaf).expect("a leaf");
                let refusal = RefusalRecord::read(leaf.entry.body()).expect("a refusal");
                found.push((refusal.account, refusal.verdict));
            }
            return found;
        }
        assert!(std::time::Instant::now() < until, "{} of {count} refusals on record", listed.entries.len());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn null_is_an_answer(city: &City) {
    let before = city.settled().await.leaves;
    let request = Locate { conversation_id: None, resources: vec![String::from("energy/meter"), String::from("transport/vehicle")] };
    let reply = Wire::open(city, "civil", Some(("civil", "clerk"))).post(SOAP12, envelope(&request)).await;
    assert_eq!(reply.status, 200);
    let answer = LocateResponse::of(body(&reply).elements().next().expect("an answer")).expect("a LocateResponse");
    assert!(answer.locations[0].place.is_none() && answer.locations[1].place.is_some(), "{answer:?}");
    assert!(String::from_utf8_lossy(&reply.body).contains("nil=\"true\""), "Null is xsi:nil");
    assert_eq!(city.settled().await.leaves, before + 1, "the inquiry is on record");
    let mut fetch = vehicle("medical-aid");
    fetch.items[0].resource = String::from("energy/meter");
    let answer: FetchResponse = city.session("civil", "clerk").call("trading", &fetch).await.expect("an answer, not a fault");
    assert_eq!((answer.results[0].status, answer.results[0].packet.is_none()), (Status::NotFound, true));
    // The id of another record is no licence to look unseen.
    let before = city.settled().await.leaves;
    fetch.conversation_id = Some(answer.conversation_id);
    fetch.items[0].resource = String::from("energy/gauge");
    let answer: FetchResponse = city.session("civil", "clerk").call("trading", &fetch).await.expect("an answer");
    assert_eq!(answer.results[0].status, Status::NotFound);
    assert_eq!(city.settled().await.leaves, before + 1, "an inquiry of its own");
}

async fn denied(city: &City) {
    let before = city.settled().await.leaves;
    let reply = Wire::open(city, "civil", Some(("civil", "trainee"))).post(SOAP12, envelope(&vehicle("medical-aid"))).await;
    let (received, detail) = fault(&reply);
    assert_eq!((reply.status, received.code.as_str(), detail.code.as_str()), (400, "Sender", "trade.denied"), "{}", received.text);
    assert!(received.text.contains("civil:trainee"), "the reason says who: {}", received.text);
    let status = recorded(&city.session("civil", "trainee"), &detail.trade_id.expect("the trade's id")).await;
    assert_eq!(status, Some(Status::Denied));
    assert_eq!(city.settled().await.leaves, before + 2, "the inquiry and the denied trade");
}

async fn recorded(session: &Session, id: &str) -> Option<Status> {
    let answer: TradeStatusResponse = session.call("trading", &TradeStatus { trade_id: id.to_owned() }).await.expect("a status");
    answer.status
}

/// The civil sector's adapter, played by this test with that sector's own keys.
struct Adapter {
    wire: Wire,
    security: Security,
    record: SecretKey,
}

impl Adapter {
    fn of(city: &City, message: (&str, &str)) -> Self {
        let file = |sector: &str, name: &str| fs::read(city.dir().join(sector).join(name)).expect("a file");
        let signer = Signer::from_pem(&file(message.0, &format!("{}.pem", message.1)), &file(message.0, &format!("{}.key", message.1)));
        let trust = Trust::from_pem(&fs::read(city.dir().join("messages.pem")).expect("messages")).expect("certificates");
        let seed = data_encoding::HEXLOWER.decode(&file("civil", "record.key")).expect("hex").try_into().expect("32 octets");
        Self {
            wire: Wire::open(city, "transport", Some(("civil", "tls"))),
            security: Security::new(trust, Some(signer.expect("a signer")), Window::default(), Limits::default()),
            record: SecretKey::from_seed(seed),
        }
    }

    fn sign(&self, octets: &[u8]) -> PartySignature {
        PartySignature::ed25519("civil", &self.record.sign(octets))
    }

    fn order(&self) -> PlaceOrder {
        let fetch = vehicle("medical-aid");
        let item = &fetch.items[0];
        let salt = [7; 16];
        let order = Order {
            id: uuid(),
            ledger: String::from("city.example/main/1"),
            conversation_id: uuid(),
            sender: String::from("transport"),
            receiver: String::from("civil"),
            user: Principal { authority: String::from("civil"), name: String::from("clerk") },
            resource: item.resource.clone(),
            selection: commitment(&salt, &selection(&item.resource, &item.criteria)),
            purpose: fetch.purpose.clone(),
            requested: Instant(adapter::replica::now()),
        };
        let signature = self.sign(&order.octets());
        PlaceOrder { order, signature, salt: data_encoding::HEXLOWER.encode(&salt), criteria: item.criteria.clone() }
    }

    /// An order for a visit, to the health sector.
    fn visit(&self) -> PlaceOrder {
        let mut place = self.order();
        let example = adapter::city::example().expect("an example");
        let (resource, field, value) = &example[1];
        place.criteria = vec![Criterion { field: (*field).to_owned(), value: value.clone() }];
        place.order.sender = String::from("health");
        place.order.resource = (*resource).to_owned();
        place.order.selection = commitment(&[7; 16], &selection(resource, &place.criteria));
        place.signature = self.sign(&place.order.octets());
        place
    }

    fn message(&self, request: &impl Document, now: Timestamp) -> Vec<u8> {
        let action = format!("urn:waybill:ws:trading:1:{}", request.element().name().local());
        let headers = adapter::addressing::request_headers(&self.wire.url, &action, &format!("urn:uuid:{}", uuid()));
        let draft = headers.into_iter().fold(Draft::new(Version::Soap12), Draft::header).body(request.element());
        self.security.sign(draft, now).expect("signed")
    }

    /// A message of another namespace, or another word, than this version knows.
    fn altered(&self, request: &impl Document, from: &str, to: &str) -> Vec<u8> {
        let text = String::from_utf8(request.octets()).expect("UTF-8").replace(from, to);
        let element = xsd::read::read(text.as_bytes(), None, &Limits::default()).expect("well formed");
        let action = format!("urn:waybill:ws:trading:1:{}", element.name().local());
        let headers = adapter::addressing::request_headers(&self.wire.url, &action, &format!("urn:uuid:{}", uuid()));
        let draft = headers.into_iter().fold(Draft::new(Version::Soap12), Draft::header).body(element);
        self.security.sign(draft, adapter::replica::now()).expect("signed")
    }

    async fn send(&self, request: &impl Document) -> Reply {
        self.wire.post(SOAP12, self.message(request, adapter::replica::now())).await
    }
}

fn uuid() -> String {
    adapter::services::id()
}

/// Messages between adapters: whose signature, when, over what.
async fn orders(city: &City) {
    let old = Adapter::of(city, ("civil", "message"));
    let rotated: RotateKeyResponse = city.session("civil", "admin").call("governance", &RotateKey {}).await.expect("a new key");
    let adapter = Adapter::of(city, ("civil", "message"));
    assert_eq!(adapter.record.public().to_string(), rotated.record_key);
    let before = city.settled().await.leaves;
    let now = adapter::replica::now();
    let hour = 3_600_000;
    let text = |octets: Vec<u8>| String::from_utf8(octets).expect("UTF-8");
    let altered = text(adapter.message(&adapter.order(), now)).replace(">medical-aid<", ">medical-aim<").into_bytes();
    let unsigned = envelope(&adapter.order());
    let wrong = Adapter::of(city, ("civil", "clerk"));
    let other = Adapter::of(city, ("health", "message"));
    let mut foreign = adapter.order();
    foreign.order.ledger = String::from("other.example/main/1");
    foreign.signature = adapter.sign(&foreign.order.octets());
    let mut forged = adapter.order();
    forged.order.purpose = String::from("curiosity");
    let mut late = adapter.order();
    late.order.requested = Instant(Timestamp(now.0 - 3 * hour));
    late.signature = adapter.sign(&late.order.octets());
    let mut uncommitted = adapter.order();
    uncommitted.criteria[0].value = String::from("310101199001010010");
    let replayed = adapter.message(&adapter.order(), now);
    let taken = adapter.wire.post(SOAP12, replayed.clone()).await;
    let taken = PlaceOrderResponse::of(body(&taken).elements().next().expect("an offer")).expect("the good order is taken");
    let settled = AcceptOffer { trade_id: taken.trade.id.clone(), signature: adapter.sign(&taken.trade.octets()) };
    assert_eq!(adapter.send(&settled).await.status, 200);
    let before = before + 1;
    let rows = [
        ("a flipped word in the Body", altered, "security.check", "bad-signature"),
        ("no signature", unsigned, "caller.not-permitted", "not-permitted"),
        ("an expired timestamp", adapter.message(&adapter.order(), Timestamp(now.0 - hour)), "security.expired", "back-dated"),
        ("a timestamp of the future", adapter.message(&adapter.order(), Timestamp(now.0 + hour)), "security.expired", "back-dated"),
        ("a certificate that signs no messages", wrong.message(&wrong.order(), now), "security.authentication", "not-authenticated"),
        ("another sector's message over this one's TLS", other.message(&other.order(), now), "caller.not-registered", "not-permitted"),
        ("the same message again", replayed, "security.authentication", "replayed"),
        ("an order for another ledger", adapter.message(&foreign, now), "record.signature", "wrong-ledger"),
        ("an order changed after its own signature", adapter.message(&forged, now), "security.check", "bad-signature"),
        ("an order signed with a key of the past", adapter.message(&old.order(), now), "security.check", "key-revoked"),
        ("an order of three hours ago", adapter.message(&late, now), "record.signature", "back-dated"),
        ("a selection that was not committed to", adapter.message(&uncommitted, now), "record.signature", "not-committed"),
        ("an order of the next version", adapter.altered(&adapter.order(), "trading:1", "trading:2"), "record.invalid", "unknown-version"),
        ("an invalid order", adapter.altered(&adapter.order(), ">medical-aid<", ">77<"), "record.invalid", "invalid"),
    ];
    let mut expected = refusals(city, 2).await;
    for (name, octets, stable, verdict) in rows {
        let reply = adapter.wire.post(SOAP12, octets).await;
        let (received, detail) = fault(&reply);
        assert_eq!((received.code.as_str(), detail.code.as_str()), ("Sender", stable), "{name}: {}", received.text);
        expected.push((String::from("civil"), verdict.to_owned()));
        assert_eq!(refusals(city, expected.len()).await, expected, "{name}: who is known is on record");
    }
    let before = before + 14;
    // An acceptance under a wrong signature releases nothing; the right one does, twice the same.
    let offer = PlaceOrderResponse::of(body(&adapter.send(&adapter.order()).await).elements().next().expect("an offer")).expect("an offer");
    let mut accept = AcceptOffer { trade_id: offer.trade.id.clone(), signature: adapter.sign(b"something else") };
    let (_, detail) = fault(&adapter.send(&accept).await);
    assert_eq!(detail.code, "security.check");
    expected.push((String::from("civil"), String::from("bad-signature")));
    assert_eq!(refusals(city, expected.len()).await, expected);
    let before = before + 1;
    assert_eq!(city.settled().await.leaves, before, "no other leaf for any of these");
    accept.signature = adapter.sign(&offer.trade.octets());
    for _ in 0..2 {
        assert_eq!(adapter.send(&accept).await.status, 200);
    }
    assert_eq!(city.settled().await.leaves, before + 1, "one leaf for one trade");
    // A flood is refused as politely, and does not fill the ledger: one more is on record, then one a minute.
    for _ in 0..40 {
        let mut forged = adapter.order();
        forged.order.purpose = String::from("curiosity");
        let (_, detail) = fault(&adapter.send(&forged).await);
        assert_eq!(detail.code, "security.check");
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    let flooded = refusals(city, expected.len() + 1).await.len() - expected.len();
    assert!((1..=2).contains(&flooded), "{flooded} of 40");
}

/// The legacy system down, then answering rubbish: a Receiver fault and a failed record each.
async fn legacy(city: &City) {
    let config = fs::read_to_string(city.dir().join("transport/waybill.toml")).expect("a configuration");
    let endpoint = config.lines().find_map(|line| line.strip_prefix("endpoint = ")).expect("an endpoint").trim_matches('"').to_owned();
    let address = endpoint.trim_start_matches("http://").split('/').next().unwrap_or_default().to_owned();
    let pid = fs::read_to_string(city.dir().join("transport/legacy.pid")).expect("the legacy system's pid");
    std::process::Command::new("kill").args(["-9", pid.trim()]).status().expect("kill runs");
    tokio::time::sleep(Duration::from_millis(200)).await;
    failed(city, "legacy.unavailable").await;
    let rubbish = TcpListener::bind(&address).expect("its port is free now");
    std::thread::spawn(move || {
        for stream in rubbish.incoming().map_while(Result::ok) {
            let mut stream = stream;
            let mut request = [0; 65_536];
            let _read = stream.read(&mut request);
            let _written = stream
                .write_all(b"HTTP/1.1 200 OK\r\ncontent-type: text/xml\r\ncontent-length: 12\r\nconnection: close\r\n\r\n<rubbish>&&&");
        }
    });
    failed(city, "legacy.answer").await;
}

async fn failed(city: &City, stable: &str) {
    let before = city.settled().await.leaves;
    let reply = Wire::open(city, "civil", Some(("civil", "clerk"))).post(SOAP12, envelope(&vehicle("medical-aid"))).await;
    let (received, detail) = fault(&reply);
    assert_eq!((reply.status, received.code.as_str(), detail.code.as_str()), (500, "Receiver", stable), "{}", received.text);
    let status = recorded(&city.session("civil", "clerk"), &detail.trade_id.expect("the trade's id")).await;
    assert_eq!(status, Some(Status::Failed));
    assert_eq!(city.settled().await.leaves, before + 2, "the inquiry and the failed trade");
}

/// Two of three voters gone: 503 with Retry-After, and the provider keeps its packet.
async fn no_quorum(city: &mut City) {
    let adapter = Adapter::of(city, ("civil", "message"));
    // The health sector's legacy system still answers; its adapter plays the provider here.
    let health = Adapter { wire: Wire::open(city, "health", Some(("civil", "tls"))), ..adapter };
    let place = health.visit();
    let value = &place.criteria[0].value;
    let offered = health.send(&place).await;
    let offer = PlaceOrderResponse::of(body(&offered).elements().next().expect("an offer"))
        .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&offered.body)));
    let before = city.settled().await.leaves;
    city.kill("transport");
    city.kill("civil");
    let accept = AcceptOffer { trade_id: offer.trade.id.clone(), signature: health.sign(&offer.trade.octets()) };
    let reply = health.send(&accept).await;
    let (_, detail) = fault(&reply);
    assert_eq!((reply.status, detail.code.as_str(), detail.retry), (503, "ledger.no-quorum", true));
    assert!(reply.header("retry-after").is_some_and(|seconds| seconds.parse::<u32>().is_ok()), "Retry-After");
    let text = String::from_utf8_lossy(&reply.body).into_owned();
    assert!(!text.contains("Packet") && !text.contains(value.as_str()), "nothing is released");
    city.restart("transport");
    city.restart("civil");
    let until = std::time::Instant::now() + Duration::from_secs(20);
    loop {
        let reply = health.send(&accept).await;
        if reply.status == 200 {
            let answer = body(&reply);
            assert!(answer.elements().next().expect("an answer").elements().any(|part| Receipt::of(part).is_ok()), "with its receipt");
            break;
        }
        assert!(std::time::Instant::now() < until, "the quorum is back: {}", String::from_utf8_lossy(&reply.body));
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    assert_eq!(city.settled().await.leaves, before + 1, "one leaf for one trade");
    let unreached: Result<FetchResponse, Failure> = city.session("civil", "clerk").call("trading", &vehicle("medical-aid")).await;
    assert!(unreached.is_err(), "the transport sector's legacy system still answers rubbish");
}

/// An offer that nobody accepts in time is on record as timed out, by the provider with the receiver's order as evidence.
async fn never_accepted(city: &mut City) {
    let path = city.dir().join("health/waybill.toml");
    let config = fs::read_to_string(&path).expect("a configuration");
    assert!(config.contains("offer_timeout_ms = 30000"), "{config}");
    fs::write(&path, config.replace("offer_timeout_ms = 30000", "offer_timeout_ms = 1000")).expect("writable");
    city.kill("health");
    city.restart("health");
    let before = city.settled().await.leaves;
    let adapter = Adapter::of(city, ("civil", "message"));
    let health = Adapter { wire: Wire::open(city, "health", Some(("civil", "tls"))), ..adapter };
    let place = health.visit();
    let offered = health.send(&place).await;
    assert_eq!(offered.status, 200, "{}", String::from_utf8_lossy(&offered.body));
    let session = city.session("civil", "clerk");
    let until = std::time::Instant::now() + Duration::from_secs(20);
    while recorded(&session, &place.order.id).await != Some(Status::TimedOut) {
        assert!(std::time::Instant::now() < until, "the offer is on record as timed out");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    assert_eq!(city.settled().await.leaves, before + 1);
    let accept = AcceptOffer { trade_id: place.order.id.clone(), signature: health.sign(b"too late") };
    let (_, detail) = fault(&health.send(&accept).await);
    assert_eq!(detail.code, "trade.unknown");
}
