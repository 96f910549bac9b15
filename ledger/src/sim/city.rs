//! The simulated city: who its members are, and the records that its clients write.

use crate::body::Request;
use crate::keys::SecretKey;
use crate::record::{Entry, PartySignature};
use crate::tree::Hash;
use std::collections::BTreeMap;
use std::sync::LazyLock;
use xsd::time::Timestamp;
use xsd::tree::{Element, QName};

pub(super) const LEDGER: &str = "sim.example/main/1";
pub(super) const MEMBERS: [&str; 4] = ["transport", "health", "civil", "bureau"];
/// When the city was founded, and the clock of every machine at the start.
pub(super) const FOUNDED: Timestamp = Timestamp(1_780_000_000_000);

const PURPOSES: [&str; 3] = ["node", "record", "forged"];
/// By purpose and member: to make a key costs as much as a signature.
static KEYS: LazyLock<BTreeMap<(&str, &str), SecretKey>> = LazyLock::new(|| {
    let all = PURPOSES.into_iter().flat_map(|purpose| MEMBERS.map(|member| (purpose, member)));
    all.map(|(purpose, member)| ((purpose, member), SecretKey::from_seed(Hash::of([purpose, member].join(" ").as_bytes()).0))).collect()
});
static GENESIS: LazyLock<Entry> = LazyLock::new(found);

fn key(purpose: &str, member: &str) -> SecretKey {
    KEYS.get(&(purpose, member)).expect("a member's key").clone()
}

pub(super) fn node_key(member: &str) -> SecretKey {
    key("node", member)
}

pub(super) fn uuid(name: &str) -> String {
    let hex = Hash::of(name.as_bytes()).to_string();
    let part = |from, to| hex.get(from..to).unwrap_or_default();
    [part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32)].join("-")
}

fn body(prefix: &str, namespace: &str, local: &str, name: &str) -> Element {
    let name = uuid(name);
    Element::new(prefix, QName::new(["urn:waybill:", namespace, ":1"].concat(), local)).with("id", name).with("ledger", LEDGER)
}

fn octets(element: &Element) -> Vec<u8> {
    xsd::write::canonical(element, &[], &[])
}

/// An entry signed by its parties, or by somebody else's key in the place of theirs.
pub(super) fn signed(element: &Element, signers: &[&str], forged: bool) -> Entry {
    let body = octets(element);
    let signature = |signer: &&str| PartySignature::sign(signer, &key(if forged { "forged" } else { "record" }, signer), &body);
    Entry::new(body.clone(), signers.iter().map(signature).collect()).expect("a small entry")
}

pub(super) fn batch(elements: &[Element], signers: &[&str]) -> Entry {
    let bodies: Vec<Vec<u8>> = elements.iter().map(octets).collect();
    let unsigned = Entry::batch(bodies.clone(), Vec::new()).and_then(Request::read).expect("a small batch");
    let signature = |signer: &&str| PartySignature::sign(signer, &key("record", signer), unsigned.signed());
    Entry::batch(bodies, signers.iter().map(signature).collect()).expect("a small batch")
}

pub(super) fn genesis() -> Entry {
    GENESIS.clone()
}

fn found() -> Entry {
    let mut genesis = body("l", "ledger", "Genesis", "genesis").leaf("Founded", FOUNDED.to_string()).leaf("Quorum", "2");
    for (number, member) in (1..).zip(MEMBERS) {
        let hash = |what: &str| Hash::of([what, member].join(" ").as_bytes()).to_string();
        let mut seat = genesis.sibling("Member").with("id", member).with("node", number.to_string());
        let bureau = member == "bureau";
        seat = seat.with("role", if bureau { "bureau" } else { "sector" }).with("suffrage", if bureau { "learner" } else { "voter" });
        seat.push(genesis.sibling("Name").with("lang", "en").text(member));
        seat = seat.leaf("RecordKey", key("record", member).public().to_string()).leaf("NodeKey", node_key(member).public().to_string());
        for what in ["TlsCertificate", "MessageCertificate", "Administrator"] {
            seat = seat.leaf(what, hash(what));
        }
        let address = |port: &str| [member, ".example:", port].concat();
        genesis.push(seat.leaf("Service", address("443")).leaf("Peer", address("7000")));
    }
    signed(&genesis, &MEMBERS, false)
}

pub(super) fn log(name: &str, peer: bool, digest: &str) -> Element {
    let mut log = body("l", "ledger", "Log", name).leaf("Sector", "transport");
    if peer {
        log = log.leaf("Peer", "civil");
    }
    log.leaf("Source", "gateway").leaf("Digest", Hash::of(digest.as_bytes()).to_string())
}

fn period(parent: &Element, ms: u64) -> Element {
    let at = |local: &str, ms: u64| Element::new("", QName::new("", local)).text(FOUNDED.plus_ms(ms).to_string());
    parent.sibling("Period").child(at("NotBefore", 0)).child(at("NotAfter", ms))
}

/// What a city needs before its first trade: a resource, a role, a user who holds it, and a grant until `ms` after the founding.
pub(super) fn founding(ms: u64) -> Vec<Entry> {
    let sha = Hash::of(b"metadata").to_string();
    let mut entry = body("d", "directory", "Entry", "vehicle").leaf("Resource", "transport/vehicle").leaf("Metadata", sha);
    entry = entry.leaf("Producer", "transport").leaf("Timestamp", FOUNDED.to_string()).leaf("Format", "application/xml");
    entry.push(entry.sibling("Content").child(entry.sibling("Title").with("lang", "en").text("vehicles")));
    let path = entry.sibling("AccessPath").leaf("Service", "Trading").leaf("Operation", "PlaceOrder");
    entry.push(path.leaf("Endpoint", "https://transport.example/ws/trading").leaf("Version", "1.0"));
    let entry = entry.leaf("Server", "transport.example:443").leaf("Catalog", "city").leaf("Status", "active");
    let role = body("a", "authority", "Role", "clerk").leaf("Issuer", "civil").leaf("Action", "define").leaf("RoleName", "clerk");
    let user = body("a", "authority", "User", "wang").leaf("Issuer", "civil").leaf("Action", "add").leaf("UserId", "wang");
    let user = user.leaf("Class", "official").leaf("Certificate", Hash::of(b"wang").to_string());
    let assigned = body("a", "authority", "Assignment", "wang-clerk").leaf("Issuer", "civil").leaf("Action", "assign");
    let assigned = assigned.leaf("UserId", "wang").leaf("RoleName", "clerk");
    let until = period(&assigned, 100_000_000);
    let assigned = assigned.child(until);
    let mut grant = body("a", "authority", "Grant", "grant").leaf("Issuer", "transport");
    grant.push(grant.sibling("Role").with("authority", "civil").text("clerk"));
    let grant = grant.leaf("Object", "transport/vehicle").leaf("Permission", "read");
    let until = period(&grant, ms);
    let grant = grant.child(until);
    let civil = ["civil"];
    vec![
        signed(&entry, &["transport"], false),
        signed(&role, &civil, false),
        signed(&user, &civil, false),
        signed(&assigned, &civil, false),
        signed(&grant, &["transport"], false),
    ]
}

/// A delivery of the resource to the user, under the grant.
pub(super) fn trade(name: &str) -> Entry {
    let sha = Hash::of(b"packet").to_string();
    let mut trade = body("t", "trading", "Trade", name).leaf("ConversationId", uuid("conversation"));
    let user = trade.sibling("User").with("authority", "civil").text("wang");
    trade.push(trade.sibling("Who").leaf("Sender", "transport").leaf("Receiver", "civil").child(user));
    let mut what = trade.sibling("What").leaf("Resource", "transport/vehicle").leaf("Record", sha.as_str()).leaf("Digest", sha.as_str());
    what = what.leaf("Size", "256");
    what.push(trade.sibling("Mapping").with("id", "vehicle").with("version", "1.0").with("sha256", sha));
    trade.push(what);
    trade.push(trade.sibling("Where").leaf("Server", "transport.example:443").leaf("Service", "Trading").leaf("Operation", "PlaceOrder"));
    trade.push(trade.sibling("When").leaf("Requested", FOUNDED.to_string()));
    trade.push(trade.sibling("How").leaf("Status", "delivered").leaf("GrantRef", uuid("grant")).leaf("Purpose", "benefit"));
    signed(&trade, &["transport", "civil"], false)
}
