//! What a member's node hands to the leader and no leaf can hold: refused, and on record with the member's name.

#![allow(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use adapter::peers::Link;
use adapter::security::Fingerprint;
use adapter::tls::{self, IdentityPem};
use adapter::unified::Document;
use adapter::unified::audit::{GetEntry, GetEntryResponse, ListEntries, ListEntriesResponse};
use adapter::unified::governance::{RefusalRecord, ShowGovernance, ShowGovernanceResponse};
use conformance::city::{City, SECTORS};
use ledger::keys::SecretKey;
use ledger::record::{Entry, Leaf, PartySignature};
use std::fs;
use std::time::{Duration, Instant};

/// The Bureau's node, played by this test with its own keys, beside the node itself.
struct Node<'a> {
    city: &'a City,
    link: Link,
    record: SecretKey,
}

impl<'a> Node<'a> {
    /// Linked to whoever leads.
    async fn of_the_bureau(city: &'a City) -> Self {
        let leader = city.settled().await.leader.expect("a leader");
        let agreed: ShowGovernanceResponse =
            city.session("bureau", "admin").call("governance", &ShowGovernance {}).await.expect("what is agreed on");
        let member = agreed.members.iter().find(|member| member.node == leader).expect("the leader is a member");
        let file = |name: &str| fs::read(city.dir().join("bureau").join(name)).expect("a file");
        let (certificate, key) = (file("tls.pem"), file("tls.key"));
        let ca = fs::read(city.dir().join("ca.pem")).expect("a CA");
        let tls = tls::client(Some(IdentityPem { certificate: &certificate, key: &key }), &ca).expect("TLS");
        let fingerprint = Fingerprint::parse(&member.tls_certificate).expect("a fingerprint");
        let seed = data_encoding::HEXLOWER.decode(&file("record.key")).expect("hex").try_into().expect("32 octets");
        Self { city, link: Link::dial(member.peer.clone(), fingerprint, tls), record: SecretKey::from_seed(seed) }
    }

    fn forward(&self, entry: &[u8]) {
        self.link.send([&[2], entry].concat());
    }

    fn log(&self, n: u8) -> String {
        let ledger = "city.example/main/1";
        let id = format!("6f0d1c9a-0000-4000-8000-0000000000{n:02x}");
        let log = xsd::tree::Element::new("l", xsd::tree::QName::new("urn:waybill:ledger:1", "Log")).with("id", id).with("ledger", ledger);
        let log = log.leaf("Sector", "bureau").leaf("Source", "test").leaf("Digest", "ab".repeat(32));
        String::from_utf8(xsd::write::canonical(&log, &[], &[])).expect("UTF-8")
    }

    fn signed(&self, body: &str) -> Vec<u8> {
        self.signed_over(body, body)
    }

    fn signed_over(&self, body: &str, signed: &str) -> Vec<u8> {
        let signature = PartySignature::sign("bureau", &self.record, signed.as_bytes());
        Entry::new(body.as_bytes().to_vec(), vec![signature]).expect("an entry").encode()
    }

    /// (account, verdict) of the refusals on record, oldest first, when there are `count`.
    async fn refusals(&self, count: usize) -> Vec<(String, String)> {
        let auditor = self.city.session("bureau", "auditor");
        let list = ListEntries { kind: Some(String::from("refusal")), sector: None, from: None, to: None, cursor: None, limit: None };
        let until = Instant::now() + Duration::from_secs(10);
        loop {
            let listed: ListEntriesResponse = auditor.call("audit", &list).await.expect("a list");
            if listed.entries.len() >= count {
                let mut found = Vec::new();
                for entry in listed.entries {
                    let answer: GetEntryResponse = auditor.call("audit", &GetEntry { index: entry.index }).await.expect("a leaf");
                    let leaf = data_encoding::BASE64.decode(answer.leaf.as_bytes()).expect("base64");
                    let refusal = RefusalRecord::read(Leaf::read(&leaf).expect("a leaf").entry.body()).expect("a refusal");
                    found.push((refusal.account, refusal.verdict));
                }
                return found;
            }
            assert!(Instant::now() < until, "{} of {count} refusals on record", listed.entries.len());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_members_node_should_not_have_handed_on_is_on_record() {
    let city = City::start("bad-input");
    let node = Node::of_the_bureau(&city).await;
    let good = node.log(1);
    let mut long = node.signed(&good);
    long.resize(65_535, b'x');
    let mut longer = long.clone();
    longer.push(b'x');
    let forged = SecretKey::from_seed([9; 32]);
    let forged = PartySignature::sign("bureau", &forged, good.as_bytes());
    let unsigned = |signatures| Entry::new(good.as_bytes().to_vec(), signatures).expect("an entry").encode();
    let rows: Vec<(&str, Vec<u8>, &str)> = vec![
        ("a forged signature", unsigned(vec![forged]), "bad-signature"),
        ("a signature over another record", node.signed_over(&node.log(2), &good), "bad-signature"),
        ("no signature", unsigned(Vec::new()), "missing-signature"),
        ("a line feed at the end", node.signed(&format!("{good}\n")), "not-canonical"),
        ("the next version", node.signed(&good.replace("ledger:1\"", "ledger:2\"")), "unknown-kind"),
        ("an invalid record", node.signed(&good.replace(">test<", "><")), "invalid"),
        ("another ledger", node.signed(&good.replace("city.example/main/1", "town.example/main/1")), "wrong-ledger"),
        ("no document", node.signed("<"), "malformed"),
        ("65,535 octets", long, "too-large"),
        ("65,536 octets", longer, "too-large"),
        ("an entry of version 9", [&[9], &node.signed(&good)[1..]].concat(), "malformed"),
    ];
    let before = city.settled().await.leaves;
    let mut expected = Vec::new();
    for (name, entry, verdict) in rows {
        node.forward(&entry);
        expected.push((String::from("bureau"), verdict.to_owned()));
        assert_eq!(node.refusals(expected.len()).await, expected, "{name}");
    }
    // What is right is taken, once; handed on again it is neither a leaf nor a fault.
    for _ in 0..3 {
        node.forward(&node.signed(&good));
    }
    let until = Instant::now() + Duration::from_secs(10);
    while city.settled().await.leaves < before + 12 {
        assert!(Instant::now() < until, "the good record is taken");
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(city.settled().await.leaves, before + 12);
    assert_eq!(node.refusals(expected.len()).await, expected);
    for sector in SECTORS {
        let ready = city.session(sector, "admin").get("/readyz").await.expect("an answer");
        assert_eq!(ready.0, 200, "{sector}");
    }
}
