//! A city for the tests: four members, their keys, and records of every kind as their sectors would write them.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, clippy::string_slice, reason = "a test may fail")]
#![allow(dead_code, unreachable_pub, missing_docs, reason = "each test file uses its part of the city")]

use data_encoding::BASE64;
use ledger::archive::Damage;
use ledger::audit::Query;
use ledger::body::{Rekey, Request};
use ledger::keys::SecretKey;
use ledger::medium::{Medium, Scratch};
use ledger::node::{Answer, Config, Input, Node, Output};
use ledger::record::{Entry, Leaf, PartySignature, StreamKind};
use ledger::store::Store;
use ledger::tree::Hash;
use ledger::witness::Fork;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use xsd::time::Timestamp;
use xsd::tree::{Element, QName};

pub const LEDGER: &str = "city.example/main/1";
pub const MEMBERS: [&str; 4] = ["transport", "health", "civil", "bureau"];
pub const NOW: Timestamp = Timestamp(1_780_000_000_000);
const SHA: &str = "00000000000000000000000000000000000000000000000000000000000000aa";

pub fn record_key(member: &str) -> SecretKey {
    SecretKey::from_seed(Hash::of(format!("record {member}").as_bytes()).0)
}

pub fn node_key(member: &str) -> SecretKey {
    SecretKey::from_seed(Hash::of(format!("node {member}").as_bytes()).0)
}

pub fn uuid(name: &str) -> String {
    let hex = Hash::of(name.as_bytes()).to_string();
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..32])
}

pub fn body(prefix: &str, namespace: &str, local: &str, name: &str) -> Element {
    Element::new(prefix, QName::new(format!("urn:waybill:{namespace}:1"), local)).with("id", uuid(name)).with("ledger", LEDGER)
}

pub fn octets(element: &Element) -> Vec<u8> {
    xsd::write::canonical(element, &[], &[])
}

pub fn signed(element: &Element, signers: &[&str]) -> Entry {
    let body = octets(element);
    let signatures = signers.iter().map(|signer| PartySignature::sign(signer, &record_key(signer), &body)).collect();
    Entry::new(body, signatures).unwrap()
}

pub fn genesis(voters: usize) -> Entry {
    let mut genesis = body("l", "ledger", "Genesis", "genesis").leaf("Founded", NOW.to_string()).leaf("Quorum", "2");
    for (number, member) in (1..).zip(MEMBERS) {
        let hash = |what: &str| Hash::of(format!("{what} {member}").as_bytes()).to_string();
        let suffrage = if number <= voters { "voter" } else { "learner" };
        let mut seat = genesis.sibling("Member").with("id", member).with("node", number.to_string());
        seat = seat.with("role", if member == "bureau" { "bureau" } else { "sector" }).with("suffrage", suffrage);
        seat.push(genesis.sibling("Name").with("lang", "en").text(member));
        seat = seat.leaf("RecordKey", record_key(member).public().to_string()).leaf("NodeKey", node_key(member).public().to_string());
        seat = seat
            .leaf("TlsCertificate", hash("tls"))
            .leaf("MessageCertificate", hash("message"))
            .leaf("Administrator", hash("administrator"));
        genesis.push(seat.leaf("Service", format!("{member}.example:443")).leaf("Peer", format!("{member}.example:7000")));
    }
    signed(&genesis, &MEMBERS)
}

pub fn user(name: &str, sector: &str, action: &str, user: &str, certificate: &str) -> Element {
    let user =
        body("a", "authority", "User", name).leaf("Issuer", sector).leaf("Action", action).leaf("UserId", user).leaf("Class", "official");
    user.leaf("Certificate", Hash::of(certificate.as_bytes()).to_string())
}

pub fn role(name: &str, sector: &str, action: &str, role: &str) -> Element {
    body("a", "authority", "Role", name).leaf("Issuer", sector).leaf("Action", action).leaf("RoleName", role)
}

fn period(parent: &Element, from: u64, to: u64) -> Element {
    let at = |local: &str, ms: u64| Element::new("", QName::new("", local)).text(NOW.plus_ms(ms).to_string());
    parent.sibling("Period").child(at("NotBefore", from)).child(at("NotAfter", to))
}

pub fn assignment(name: &str, sector: &str, action: &str, user: &str, role: &str, (from, to): (u64, u64)) -> Element {
    let element = body("a", "authority", "Assignment", name)
        .leaf("Issuer", sector)
        .leaf("Action", action)
        .leaf("UserId", user)
        .leaf("RoleName", role);
    let period = period(&element, from, to);
    element.child(period)
}

/// A grant of read to `civil`'s role; the period is in milliseconds after [`NOW`].
pub fn grant(name: &str, issuer: &str, role: &str, object: &str, (from, to): (u64, u64), purposes: &[&str]) -> Element {
    let mut grant = body("a", "authority", "Grant", name).leaf("Issuer", issuer);
    grant.push(grant.sibling("Role").with("authority", "civil").text(role));
    grant = grant.leaf("Object", object).leaf("Permission", "read");
    grant.push(period(&grant, from, to));
    purposes.iter().fold(grant, |grant, purpose| grant.leaf("Purpose", purpose))
}

pub fn revocation(name: &str, issuer: &str, grant: &str) -> Element {
    body("a", "authority", "Revocation", name).leaf("Issuer", issuer).leaf("GrantRef", uuid(grant)).leaf("Reason", "ended")
}

pub fn entry(name: &str, producer: &str, resource: &str, status: &str) -> Element {
    let mut entry = body("d", "directory", "Entry", name).leaf("Resource", resource).leaf("Metadata", SHA).leaf("Producer", producer);
    entry = entry.leaf("Timestamp", NOW.to_string()).leaf("Format", "application/xml");
    entry.push(entry.sibling("Content").child(entry.sibling("Title").with("lang", "en").text(resource)));
    let path = entry.sibling("AccessPath").leaf("Service", "Trading").leaf("Operation", "PlaceOrder");
    entry.push(path.leaf("Endpoint", "https://transport.example/ws/trading").leaf("Version", "1.0"));
    entry.leaf("Server", "transport.example:443").leaf("Catalog", "city").leaf("Status", status)
}

pub fn inquiry(name: &str, sector: &str, user: &str) -> Element {
    let mut inquiry = body("d", "directory", "Inquiry", name).leaf("Sector", sector);
    inquiry.push(inquiry.sibling("User").with("authority", sector).text(user));
    inquiry.leaf("Resource", "transport/vehicle").leaf("Asked", NOW.to_string())
}

pub fn order(name: &str, sender: &str, receiver: &str, resource: &str) -> Element {
    let mut order =
        body("t", "trading", "Order", name).leaf("ConversationId", uuid("conversation")).leaf("Sender", sender).leaf("Receiver", receiver);
    order.push(order.sibling("User").with("authority", receiver).text("wang"));
    order.leaf("Resource", resource).leaf("Selection", SHA).leaf("Purpose", "benefit").leaf("Requested", NOW.to_string())
}

/// A log hash of a sector, signed by it and by `peer` if there is one.
pub fn log(name: &str, sector: &str, peer: Option<&str>) -> Element {
    let mut log = body("l", "ledger", "Log", name).leaf("Sector", sector);
    if let Some(peer) = peer {
        log = log.leaf("Peer", peer);
    }
    log.leaf("Source", "gateway").leaf("Digest", Hash::of(name.as_bytes()).to_string())
}

/// That `account` presented something to `sector`, which refused it.
pub fn refusal(name: &str, sector: &str, account: &str) -> Element {
    let refusal = body("l", "ledger", "Refusal", name).leaf("Sector", sector).leaf("Account", account);
    refusal.leaf("Verdict", "not-canonical").leaf("Digest", SHA)
}

/// Bodies signed together.
pub fn batch(elements: &[Element], signers: &[&str]) -> Entry {
    let bodies: Vec<Vec<u8>> = elements.iter().map(octets).collect();
    let unsigned = Request::read(Entry::batch(bodies.clone(), Vec::new()).unwrap()).unwrap();
    let signatures = signers.iter().map(|signer| PartySignature::sign(signer, &record_key(signer), unsigned.signed())).collect();
    Entry::batch(bodies, signatures).unwrap()
}

/// A trade of `transport/…` to civil's user wang.
pub fn trade(name: &str, sender: &str, resource: &str, status: &str, grant: Option<&str>) -> Element {
    let mut trade = body("t", "trading", "Trade", name).leaf("ConversationId", uuid("conversation"));
    let user = trade.sibling("User").with("authority", "civil").text("wang");
    trade.push(trade.sibling("Who").leaf("Sender", sender).leaf("Receiver", "civil").child(user));
    let mut what = trade.sibling("What").leaf("Resource", resource);
    if status == "delivered" {
        what = what.leaf("Record", SHA).leaf("Digest", SHA).leaf("Size", "256");
        what.push(trade.sibling("Mapping").with("id", "vehicle").with("version", "1.0").with("sha256", SHA));
    } else {
        what = what.leaf("Size", "0");
    }
    trade.push(what);
    trade.push(trade.sibling("Where").leaf("Server", "transport.example:443").leaf("Service", "Trading").leaf("Operation", "PlaceOrder"));
    trade.push(trade.sibling("When").leaf("Requested", NOW.to_string()));
    let mut how = trade.sibling("How").leaf("Status", status);
    if let Some(grant) = grant {
        how = how.leaf("GrantRef", uuid(grant));
    }
    trade.push(how.leaf("Purpose", "benefit"));
    trade
}

/// The trade with an order of civil in it, signed by `signer` over `signed`'s octets.
pub fn with_evidence(trade: Element, order: Element, signer: &str, over: &Element) -> Element {
    let signature = PartySignature::sign(signer, &record_key(signer), &octets(over));
    let signature = signature.write(trade.sibling("Signature"));
    let evidence = trade.sibling("Evidence").child(order).child(signature);
    trade.child(evidence)
}

/// What a city needs before its first trade: a published resource, a user with a role, and a grant for an hour.
pub fn founding() -> Vec<Entry> {
    vec![
        signed(&entry("vehicle", "transport", "transport/vehicle", "active"), &["transport"]),
        signed(&role("clerk", "civil", "define", "clerk"), &["civil"]),
        signed(&user("wang", "civil", "add", "wang", "wang"), &["civil"]),
        signed(&assignment("wang-clerk", "civil", "assign", "wang", "clerk", (0, 3_600_000)), &["civil"]),
        signed(&grant("grant", "transport", "clerk", "transport/vehicle", (0, 3_600_000), &[]), &["transport"]),
    ]
}

pub fn delivered(name: &str) -> Entry {
    signed(&trade(name, "transport", "transport/vehicle", "delivered", Some("grant")), &["transport", "civil"])
}

/// What the members decide: a key by its name, a signature with it, an element of the ledger's schema.
pub fn key(name: &str) -> SecretKey {
    SecretKey::from_seed(Hash::of(name.as_bytes()).0)
}

pub fn signed_by(element: &Element, account: &str, key: &SecretKey) -> Entry {
    let body = octets(element);
    let signature = PartySignature::sign(account, key, &body);
    Entry::new(body, vec![signature]).unwrap()
}

pub fn l(local: &str) -> Element {
    body("l", "ledger", "X", "x").sibling(local)
}

pub fn proposal(name: &str, proposer: &str, action: Element) -> Element {
    body("l", "ledger", "Proposal", name).leaf("Proposer", proposer).leaf("Reason", "agreed").child(action)
}

pub fn ballot(name: &str, voter: &str, proposal: &str, vote: &str) -> Element {
    body("l", "ledger", "Ballot", name).leaf("Voter", voter).leaf("Proposal", uuid(proposal)).leaf("Vote", vote)
}

pub fn rekey(name: &str, member: &str, keys: &[(&str, &SecretKey)]) -> Element {
    let mut record = body("l", "ledger", "Key", name).leaf("Member", member);
    for (local, key) in keys {
        let statement = Rekey::statement(LEDGER, &uuid(name), member, &key.public());
        let proof = BASE64.encode(&key.sign(&statement));
        record.push(record.sibling(local).with("proof", proof).text(key.public().to_string()));
    }
    record
}

/// A store in memory.
pub fn scratch(voters: usize) -> Store<Scratch> {
    Store::open(Scratch::default(), &Hash::of(genesis(voters).body()), None).unwrap()
}

/// Nodes and the frames between them, in one queue: the same calls give the same run.
pub struct Network<M: Medium> {
    pub nodes: BTreeMap<u64, Node<M>>,
    pub queue: VecDeque<(u64, u64, Vec<u8>)>,
    pub answers: BTreeMap<u64, Answer>,
    pub forks: Vec<Fork>,
    pub reads: BTreeMap<u64, u64>,
    pub clocks: Vec<(u64, i64)>,
    pub refused: Vec<(String, &'static str)>,
    pub members: BTreeMap<u64, Vec<u64>>,
    pub cut: BTreeSet<u64>,
    pub now: Timestamp,
    /// How far a node's clock is ahead of `now`.
    pub ahead_ms: BTreeMap<u64, u64>,
    pub damaged: Vec<(u64, Damage)>,
    pub mended: Vec<(u64, Damage)>,
    /// Whether the nodes' jobs are run.
    pub works: bool,
}

impl<M: Medium> Network<M> {
    pub fn new(voters: usize, mut store: impl FnMut(u64) -> Store<M>) -> Self {
        let nodes = (1..).zip(MEMBERS).map(|(number, member)| (number, open(member, voters, store(number)))).collect();
        let (queue, answers) = (VecDeque::new(), BTreeMap::new());
        let (reads, clocks) = (BTreeMap::new(), Vec::new());
        Self {
            nodes,
            queue,
            answers,
            forks: Vec::new(),
            reads,
            clocks,
            refused: Vec::new(),
            members: BTreeMap::new(),
            cut: BTreeSet::new(),
            now: NOW,
            ahead_ms: BTreeMap::new(),
            damaged: Vec::new(),
            mended: Vec::new(),
            works: true,
        }
    }

    pub fn step(&mut self, number: u64, input: Input) {
        let mut outputs = Vec::new();
        let Some(node) = self.nodes.get_mut(&number) else { return };
        let now = self.now.plus_ms(self.ahead_ms.get(&number).copied().unwrap_or_default());
        node.step(input, now, &mut outputs).unwrap();
        node.tell(now, &mut outputs).unwrap();
        if number.is_multiple_of(2) {
            node.prepare();
        }
        while let Some(job) = node.job().filter(|_| self.works) {
            node.done(job.run()).unwrap();
        }
        for output in outputs {
            match output {
                Output::Send { to, octets } => self.queue.push_back((number, to, octets)),
                Output::Answer { ticket, answer } => assert!(self.answers.insert(ticket, answer).is_none(), "one answer a ticket"),
                Output::Checkpoint { note, size } => assert_eq!(self.nodes[&number].policy().verify(&note).unwrap().size, size),
                Output::Fork { evidence } => self.forks.push(evidence),
                Output::ReadAt { ticket, index } => assert!(self.reads.insert(ticket, index).is_none(), "one answer a read"),
                Output::Clock { leader, ahead_ms } => self.clocks.push((leader, ahead_ms)),
                Output::Refused { member, verdict, .. } => self.refused.push((member, verdict.code())),
                Output::Members { members } => drop(self.members.insert(number, members.iter().map(|member| member.node).collect())),
                Output::Damaged { damage } => self.damaged.push((number, damage)),
                Output::Mended { damage } => self.mended.push((number, damage)),
                Output::Leader { .. } => {}
            }
        }
    }

    /// Delivers frames until none is left.
    pub fn settle(&mut self) {
        while let Some((from, to, octets)) = self.queue.pop_front() {
            if !self.cut.contains(&from) && !self.cut.contains(&to) {
                self.step(to, Input::Message { from, octets });
            }
        }
    }

    pub fn tick(&mut self, times: usize) {
        for _ in 0..times {
            self.now = self.now.plus_ms(10);
            for number in self.nodes.keys().copied().collect::<Vec<_>>() {
                self.step(number, Input::Tick);
            }
            self.settle();
        }
    }

    pub fn leader(&self) -> Option<u64> {
        let leading = self.nodes.iter().filter(|(number, node)| node.status().leads && !self.cut.contains(number));
        leading.max_by_key(|(_, node)| node.status().term).map(|(number, _)| *number)
    }

    /// Proposes at a node and delivers what follows, ticking until there is an answer.
    pub fn commit(&mut self, number: u64, ticket: u64, entry: Entry) -> Answer {
        self.step(number, Input::Propose { ticket, entry });
        self.settle();
        for _ in 0..200 {
            if let Some(answer) = self.answers.get(&ticket) {
                return answer.clone();
            }
            self.tick(1);
        }
        panic!("no answer to {ticket}")
    }

    /// Ends a node, and opens again what it leaves.
    pub fn kill(&mut self, number: u64) -> Store<M> {
        let medium = self.nodes.remove(&number).unwrap().into_store().medium().clone();
        Store::open(medium, &Hash::of(genesis(3).body()), None).unwrap()
    }

    pub fn roots(&self) -> BTreeSet<(u64, String)> {
        self.nodes.values().map(|node| (node.status().size, node.status().root.to_string())).collect()
    }
}

pub fn open<M: Medium>(member: &str, voters: usize, store: Store<M>) -> Node<M> {
    Node::open(Config::new(member, genesis(voters), node_key(member)), store).unwrap()
}

/// The leaves that a bundle needs to answer a question, found by reading all: what the members decided, and of each stream in question
/// those of the period, with the last before and the first after it.
pub fn shown<M: Medium>(node: &Node<M>, query: &Query) -> Vec<u64> {
    let leaves: Vec<Leaf> = (0..node.state().rooted().index()).map(|index| Leaf::read(&node.leaf(index).unwrap()).unwrap()).collect();
    let in_stream = |leaf: &Leaf, kind: StreamKind, id: &str| leaf.heads.iter().any(|head| head.kind == kind && head.id == id);
    let mut shown: BTreeSet<u64> = BTreeSet::new();
    shown.extend(leaves.iter().filter(|leaf| in_stream(leaf, StreamKind::Governance, LEDGER)).map(|leaf| leaf.index));
    for (kind, id) in query.streams() {
        let stream: Vec<&Leaf> = leaves.iter().filter(|leaf| in_stream(leaf, kind, &id)).collect();
        shown.extend(stream.iter().filter(|leaf| query.covers(leaf.time)).map(|leaf| leaf.index));
        shown.extend(stream.iter().rfind(|leaf| query.from.is_some_and(|from| leaf.time < from)).map(|leaf| leaf.index));
        shown.extend(stream.iter().find(|leaf| query.to.is_some_and(|to| leaf.time >= to)).map(|leaf| leaf.index));
    }
    shown.into_iter().collect()
}
