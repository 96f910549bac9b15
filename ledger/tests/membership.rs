//! Members come and go while nodes run: by the ledger's decision, through Raft, learners first; and a lost disk gets a new number.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may fail")]

mod city;

use city::{Network, batch, body, delivered, founding, genesis, log, node_key, record_key, scratch, shown, signed, uuid};
use ledger::audit::{Query, Trust, bundle, verify_files};
use ledger::keys::SecretKey;
use ledger::medium::Scratch;
use ledger::node::{Answer, Config, Input, Introduction, Node, Standing};
use ledger::record::{Entry, Kind, Outcome};
use ledger::store::Store;
use ledger::tree::Hash;
use xsd::tree::Element;

fn l(local: &str) -> Element {
    body("l", "ledger", "X", "x").sibling(local)
}

fn hash(name: &str) -> String {
    Hash::of(name.as_bytes()).to_string()
}

fn add(member: &str, node: u64, suffrage: &str) -> Element {
    let mut new = l("AddMember").with("id", member).with("node", node.to_string()).with("role", "sector").with("suffrage", suffrage);
    new.push(l("Name").with("lang", "en").text(member));
    new = new.leaf("RecordKey", record_key(member).public().to_string()).leaf("NodeKey", node_key(member).public().to_string());
    new = new.leaf("TlsCertificate", hash(&format!("tls {member}"))).leaf("MessageCertificate", hash(&format!("message {member}")));
    new = new.leaf("Administrator", hash(&format!("administrator {member}")));
    new.leaf("Service", "new.example:443").leaf("Peer", "new.example:7000")
}

fn replace(member: &str, node: u64, key: &SecretKey) -> Element {
    let new = l("ReplaceNode").with("id", member).with("node", node.to_string());
    let new = new.leaf("NodeKey", key.public().to_string()).leaf("TlsCertificate", hash(&format!("tls of {node}")));
    new.leaf("Service", "new.example:443").leaf("Peer", "new.example:7000")
}

fn remove(member: &str) -> Element {
    l("RemoveMember").with("id", member)
}

fn suffrage(member: &str, suffrage: &str) -> Element {
    l("Suffrage").with("id", member).text(suffrage)
}

/// The entries that make sectors decide something: a majority of them all.
fn decision(name: &str, action: Element, voices: &[&str]) -> Vec<Entry> {
    let proposer = voices[0];
    let proposal = body("l", "ledger", "Proposal", name).leaf("Proposer", proposer).leaf("Reason", "agreed").child(action);
    let ballot = |voter: &&str| {
        let ballot = body("l", "ledger", "Ballot", &format!("ballot of {voter} on {name}")).leaf("Voter", voter);
        signed(&ballot.leaf("Proposal", uuid(name)).leaf("Vote", "yes"), &[voter])
    };
    std::iter::once(signed(&proposal, &[proposer])).chain(voices[1..].iter().map(ballot)).collect()
}

fn city() -> Network<Scratch> {
    let mut city = Network::new(3, |_| scratch(3));
    city.tick(40);
    for (ticket, entry) in (1..).zip(founding()) {
        assert!(matches!(city.commit(1, ticket, entry), Answer::Committed { outcome: Outcome::Done, .. }));
    }
    city
}

fn decide(city: &mut Network<Scratch>, ticket: u64, name: &str, action: Element, voices: &[&str]) {
    let at = city.leader().unwrap();
    for (ticket, entry) in (ticket..).zip(decision(name, action, voices)) {
        let answer = city.commit(at, ticket, entry);
        assert!(matches!(answer, Answer::Committed { outcome: Outcome::Done, .. }), "{name}: {answer:?}");
    }
}

fn blank() -> Store<Scratch> {
    Store::open(Scratch::default(), &Hash::of(genesis(3).body()), None).unwrap()
}

fn node(number: u64, member: &str, life: u64, key: SecretKey, store: Store<Scratch>) -> Node<Scratch> {
    Node::open(Config { node: number, life, ..Config::new(member, genesis(3), key) }, store).unwrap()
}

fn reopen(city: &mut Network<Scratch>, number: u64, member: &str) {
    let store = city.kill(number);
    city.nodes.insert(number, node(number, member, 99, node_key(member), store));
}

fn check(city: &mut Network<Scratch>, voters: &[u64], gone: &[u64]) {
    city.tick(80);
    for (number, node) in city.nodes.iter().filter(|(number, _)| !gone.contains(number)) {
        let status = node.status();
        assert_eq!((status.voters.as_slice(), status.standing), (voters, Standing::Member), "node {number}");
        assert_eq!(status.covered, status.size, "node {number}");
    }
    let here: Vec<_> = city.nodes.iter().filter(|(number, _)| !gone.contains(number)).map(|(_, node)| node.status().root).collect();
    assert!(here.windows(2).all(|two| two[0] == two[1]));
    assert!(city.forks.is_empty());
}

#[test]
fn a_member_that_comes_later_follows_first_and_votes_when_it_has_caught_up() {
    let mut city = city();
    decide(&mut city, 100, "police", add("police", 5, "learner"), &["transport", "health"]);
    let five = node(5, "police", 7, node_key("police"), blank());
    assert_eq!(five.status().standing, Standing::Coming);
    city.nodes.insert(5, five);
    check(&mut city, &[1, 2, 3], &[]);
    decide(&mut city, 110, "promoted", suffrage("police", "voter"), &["transport", "health", "civil"]);
    check(&mut city, &[1, 2, 3, 5], &[]);
    // It votes: with one of the old ones gone for good a leader still needs three of four.
    let leader = city.leader().unwrap();
    city.cut = [leader].into();
    city.tick(80);
    assert!(matches!(city.commit(4, 120, delivered("with a vote of five")), Answer::Committed { .. }));
    city.cut.clear();
    // Its directory is enough for it to start again, by its number or its key.
    let store = city.kill(5);
    city.nodes.insert(5, node(5, "police", 8, node_key("police"), store));
    check(&mut city, &[1, 2, 3, 5], &[]);
    let answer = city.commit(5, 130, signed(&log("of police", "police", None), &["police"]));
    assert!(matches!(answer, Answer::Committed { outcome: Outcome::Done, .. }), "{answer:?}");
    decide(&mut city, 140, "demoted", suffrage("police", "learner"), &["civil", "health", "transport"]);
    check(&mut city, &[1, 2, 3], &[]);
}

#[test]
fn a_leader_whose_member_leaves_hands_over_and_nobody_listens_to_it_any_more() {
    let mut city = city();
    let leader = city.leader().unwrap();
    let member = city::MEMBERS[usize::try_from(leader - 1).unwrap()];
    let others: Vec<&str> = city::MEMBERS.into_iter().filter(|id| *id != member && *id != "bureau").collect();
    let left: Vec<u64> = (1..=3).filter(|node| *node != leader).collect();
    decide(&mut city, 100, "out", remove(member), &others);
    check(&mut city, &left, &[leader]);
    assert_eq!(city.nodes[&leader].status().standing, Standing::Removed);
    let size = city.nodes[&left[0]].status().size;
    reopen(&mut city, leader, member);
    let terms: Vec<u64> = left.iter().map(|node| city.nodes[node].status().term).collect();
    city.tick(200);
    assert_eq!(left.iter().map(|node| city.nodes[node].status().term).collect::<Vec<_>>(), terms, "it disturbs nobody");
    city.step(leader, Input::Propose { ticket: 500, entry: delivered("from outside") });
    city.tick(100);
    assert!(!city.answers.contains_key(&500));
    assert_eq!(city.nodes[&left[0]].status().size, size);
    assert!(matches!(city.commit(left[1], 200, delivered("goes on")), Answer::Committed { .. }));
}

#[test]
fn two_changes_at_once_come_one_after_the_other_also_in_a_partition() {
    let mut city = city();
    let leader = city.leader().unwrap();
    let away = 1 + leader % 3;
    city.cut = [away].into();
    let two: Vec<Entry> = decision("police", add("police", 5, "voter"), &["transport", "health"])
        .into_iter()
        .chain(decision("seventh", add("seventh", 6, "voter"), &["civil", "health", "transport"]))
        .chain(decision("bureau", suffrage("bureau", "voter"), &["civil", "transport", "health"]))
        .collect();
    for (ticket, entry) in (100..).zip(two) {
        city.step(leader, Input::Propose { ticket, entry });
    }
    city.settle();
    for number in [5, 6] {
        let member = if number == 5 { "police" } else { "seventh" };
        city.nodes.insert(number, node(number, member, 7, node_key(member), blank()));
    }
    city.tick(100);
    city.cut.clear();
    check(&mut city, &[1, 2, 3, 4, 5, 6], &[]);
    assert!(matches!(city.commit(6, 200, delivered("six votes")), Answer::Committed { .. }));
}

#[test]
fn a_change_survives_its_leader_at_every_step() {
    for steps in (0..120).step_by(7) {
        let mut city = city();
        decide(&mut city, 100, "police", add("police", 5, "voter"), &["transport", "health"]);
        city.nodes.insert(5, node(5, "police", 7, node_key("police"), blank()));
        for (ticket, entry) in (110..).zip(decision("out", remove("civil"), &["transport", "health", "police"])) {
            city.step(1, Input::Propose { ticket, entry });
        }
        for step in 0..steps {
            if step % 9 == 0 {
                for number in [1, 2, 3, 4, 5] {
                    city.step(number, Input::Tick);
                }
            }
            let Some((from, to, octets)) = city.queue.pop_front() else { continue };
            city.step(to, Input::Message { from, octets });
        }
        let leader = city.leader().unwrap();
        let member = if leader == 5 { "police" } else { city::MEMBERS[usize::try_from(leader - 1).unwrap()] };
        let store = city.kill(leader);
        city.queue.clear();
        city.tick(60);
        city.nodes.insert(leader, node(leader, member, 9, node_key(member), store));
        city.tick(100);
        for (ticket, entry) in (120..).zip(decision("out", remove("civil"), &["transport", "health", "police"])) {
            city.commit(2, ticket, entry);
        }
        city.tick(100);
        check(&mut city, &[1, 2, 5], &[3]);
        let after = city.commit(5, 200, signed(&log("after it", "transport", None), &["transport"]));
        assert!(matches!(after, Answer::Committed { outcome: Outcome::Done, .. }), "{steps}: {after:?}");
    }
}

#[test]
fn a_directory_that_comes_back_empty_takes_no_part_and_its_successor_has_a_new_number() {
    let mut city = city();
    // What only 1 and 3 hold, of the voters.
    city.step(2, Input::Transfer { to: 1 });
    city.tick(20);
    city.cut = [2].into();
    assert!(matches!(city.commit(1, 100, delivered("held by two")), Answer::Committed { .. }));
    city.kill(3);
    let one = city.kill(1);
    city.cut.clear();
    city.queue.clear();
    let mut wiped = node(3, "civil", 2, node_key("civil"), blank());
    assert_eq!(wiped.status().standing, Standing::Unborn);
    // Nobody who knows better answers yet: it does not vote, and two cannot be elected.
    let (mut outputs, mut refused) = (Vec::new(), None);
    for _ in 0..100 {
        city.tick(1);
        if let Err(error) = wiped.step(Input::Tick, city.now, &mut outputs) {
            refused = Some(error);
            break;
        }
        for output in std::mem::take(&mut outputs) {
            if let ledger::node::Output::Send { to, octets } = output {
                city.step(to, Input::Message { from: 3, octets });
            }
        }
        for (from, to, octets) in std::mem::take(&mut city.queue) {
            if to == 3 {
                wiped.step(Input::Message { from, octets }, city.now, &mut outputs).unwrap();
            } else {
                city.step(to, Input::Message { from, octets });
            }
        }
        assert_eq!(city.leader(), None);
    }
    let refused = refused.expect("two has heard of another life of three").to_string();
    assert!(refused.contains("ReplaceNode"), "{refused}");
    assert_eq!(city.leader(), None, "nobody leads without what only one holds");
    city.nodes.insert(1, node(1, "transport", 9, node_key("transport"), one));
    city.tick(100);
    let key = SecretKey::from_seed(Hash::of(b"the new node").0);
    decide(&mut city, 200, "replaced", replace("civil", 5, &key), &["transport", "health"]);
    city.nodes.insert(5, node(5, "civil", 3, key.clone(), blank()));
    check(&mut city, &[1, 2, 5], &[]);
    let known = city.commit(5, 210, delivered("held by two"));
    assert!(matches!(known, Answer::Committed { index: 6, .. }), "{known:?}");
    // A second loss, of the new node: its number is used up as well.
    city.kill(5);
    city.nodes.insert(5, node(5, "civil", 4, key, blank()));
    let mut refused = false;
    for _ in 0..100 {
        city.now = city.now.plus_ms(10);
        let mut outputs = Vec::new();
        let now = city.now;
        match city.nodes.get_mut(&5).unwrap().step(Input::Tick, now, &mut outputs) {
            Err(_) => refused = true,
            Ok(()) => outputs.into_iter().for_each(|output| {
                if let ledger::node::Output::Send { to, octets } = output {
                    city.queue.push_back((5, to, octets));
                }
            }),
        }
        if refused {
            break;
        }
        for number in [1, 2, 4] {
            city.step(number, Input::Tick);
        }
        city.settle();
    }
    assert!(refused);
}

#[test]
fn a_new_node_is_given_the_snapshot() {
    let mut city = Network::new(3, |_| scratch(3).with_segments_of(4096));
    city.tick(40);
    for n in 0..70 {
        let logs: Vec<_> = (0..256).map(|at| log(&format!("log {n} of {at}"), "transport", Some("civil"))).collect();
        city.commit(1 + n % 3, 100 + n, batch(&logs, &["transport", "civil"]));
        city.tick(1);
    }
    assert!(city.nodes[&city.leader().unwrap()].store().first() > 1);
    decide(&mut city, 300, "police", add("police", 5, "voter"), &["transport", "health"]);
    city.nodes.insert(5, node(5, "police", 7, node_key("police"), blank().with_segments_of(4096)));
    check(&mut city, &[1, 2, 3, 5], &[]);
    assert!(city.nodes[&5].store().first() > 1 && city.nodes[&5].leaf(7).is_ok());
}

#[test]
fn one_copy_is_enough_to_go_on_and_the_new_epoch_says_so() {
    let mut city = city();
    decide(&mut city, 90, "police", add("police", 5, "voter"), &["transport", "health"]);
    city.nodes.insert(5, node(5, "police", 7, node_key("police"), blank()));
    check(&mut city, &[1, 2, 3, 5], &[]);
    let receipt = city.nodes[&2].receipt(7).unwrap();
    let (leaf, policy) = (city.nodes[&2].leaf(7).unwrap(), city.nodes[&2].policy().clone());
    city.cut = [2].into();
    let left = if city.leader() == Some(1) { 1 } else { 3 };
    city.tick(40);
    let lacks = city.commit(left, 95, delivered("that the copy lacks"));
    assert!(matches!(lacks, Answer::Committed { index: 8, .. }), "{lacks:?}");
    city.cut.clear();
    city.queue.clear();
    city.kill(5);
    let mut bureau = city.kill(4);
    let old = [(1, "transport", city.kill(1)), (3, "civil", city.kill(3))];
    city.tick(100);
    assert_eq!(city.leader(), None);
    let mut store = city.kill(2);
    let as_node = |number, member: &str| Config { node: number, ..Config::new(member, genesis(3), node_key(member)) };
    let copy = Node::stand_alone(as_node(2, "health"), &mut store).unwrap();
    assert_eq!((copy.node, copy.leaves, copy.covered, copy.lost), (2, 8, 8, 5));
    let refused = |store: &mut Store<Scratch>, number, member| Node::stand_alone(as_node(number, member), store).unwrap_err().to_string();
    assert!(refused(&mut blank(), 2, "health").contains("never voted"));
    assert!(refused(&mut bureau, 4, "bureau").contains("never voted"));
    assert!(refused(&mut store, 2, "health").contains("votes alone already"));
    city.nodes.insert(2, node(2, "health", 9, node_key("health"), store));
    city.tick(60);
    assert_eq!(city.leader(), Some(2));
    // The others were not lost: they come back, with more than the copy had, and are not heard.
    for (number, member, store) in old {
        city.nodes.insert(number, node(number, member, 9, node_key(member), store));
    }
    let (term, size) = (city.nodes[&2].status().term, city.nodes[&2].status().size);
    city.tick(200);
    assert_eq!((city.leader(), city.nodes[&2].status().term, city.nodes[&2].status().size), (Some(2), term, size));
    assert_eq!(city.nodes[&2].status().voters, [2], "they neither vote nor count");
    let all = ["transport", "health", "civil", "police"];
    decide(&mut city, 300, "epoch", l("Epoch").text("2"), &all[..3]);
    let key = |name: &str| SecretKey::from_seed(Hash::of(name.as_bytes()).0);
    for (number, member) in [(6, "transport"), (7, "civil"), (8, "police"), (9, "bureau")] {
        decide(&mut city, 310 + number * 10, &format!("new {member}"), replace(member, number, &key(member)), &all[..3]);
        city.nodes.insert(number, node(number, member, 1, key(member), blank()));
        city.tick(60);
    }
    reopen(&mut city, 2, "health");
    check(&mut city, &[2, 6, 7, 8], &[1, 3]);
    let node = &city.nodes[&7];
    assert!(node.state().origin().ends_with("/2"), "{}", node.state().origin());
    assert_eq!(node.leaf(7).unwrap(), leaf);
    receipt.verify(&leaf, &policy).expect("what was given before the loss verifies by the policy of then");
    let after = city.commit(7, 500, signed(&log("after all", "transport", None), &["transport"]));
    assert!(matches!(after, Answer::Committed { outcome: Outcome::Done, .. }), "{after:?}");
    // A bundle over both epochs: the members of now follow from the genesis, and what was recorded before verifies under their checkpoint.
    city.step(2, Input::Mark);
    city.tick(60);
    let node = &city.nodes[&7];
    let query = Query { sector: Some("transport".to_owned()), ..Query::default() };
    let files = bundle(node, &shown(node, &query), &query, "civil", &record_key("civil")).unwrap();
    let report = verify_files(&files, &Trust::Fingerprint(Hash::of(genesis(3).body())));
    assert_eq!(report.problems, []);
    assert!(report.is_complete() && report.answers.contains(&6), "{report:?}");
    assert_eq!(report.checkpoint.unwrap().origin, node.state().origin());
    assert_eq!(report.members.iter().map(|member| member.node).collect::<Vec<_>>(), [9, 7, 2, 8, 6]);
    assert_eq!(verify_files(&files, &Trust::Policy(node.policy().clone())).problems, []);
    assert_ne!(verify_files(&files, &Trust::Policy(policy)).problems, [], "the policy of before does not know the nodes of now");
}

#[test]
fn a_new_node_is_introduced_when_all_that_it_knows_are_gone() {
    let mut city = city();
    let key = |number: u64| SecretKey::from_seed(Hash::of(&number.to_be_bytes()).0);
    let three = ["transport", "health", "civil"];
    for (at, number) in [(0, 5), (1, 6), (2, 7)] {
        let (member, gone) = (three[at], at as u64 + 1);
        let voices = [three[(at + 1) % 3], three[(at + 2) % 3]];
        if city.leader() == Some(gone) {
            city.step(gone, Input::Transfer { to: if gone == 3 { 5 } else { 3 } });
            city.tick(20);
        }
        decide(&mut city, 100 * number, &format!("new {member}"), replace(member, number, &key(number)), &voices);
        let new = newcomer(&mut city, number, member, key(number));
        city.nodes.insert(number, new);
        city.tick(100);
        city.kill(gone);
        city.tick(60);
    }
    check(&mut city, &[5, 6, 7], &[]);
    decide(&mut city, 900, "new bureau", replace("bureau", 8, &key(8)), &three[..2]);
    city.kill(4);
    city.tick(20);
    // It knows the founders' nodes alone, and none of them is left.
    city.nodes.insert(8, node(8, "bureau", 1, key(8), blank()));
    city.tick(100);
    assert_eq!((city.nodes[&8].status().size, city.nodes[&8].status().standing), (1, Standing::Coming));
    city.kill(8);
    let introduced = newcomer(&mut city, 8, "bureau", key(8));
    city.nodes.insert(8, introduced);
    check(&mut city, &[5, 6, 7], &[]);
    assert_eq!(city.members[&8], [5, 6, 7, 8], "with as many leaves of its own it believes those");
}

/// A node with nothing, and what a member that stands tells it: a bundle, which it believes by the genesis alone.
fn newcomer(city: &mut Network<Scratch>, number: u64, member: &str, key: SecretKey) -> Node<Scratch> {
    let leader = city.leader().unwrap();
    city.step(leader, Input::Mark);
    city.tick(60);
    let guide = &city.nodes[&city.leader().unwrap()];
    let query = Query { kind: Some(Kind::Genesis), ..Query::default() };
    let files = bundle(guide, &shown(guide, &query), &query, "health", &record_key("health")).unwrap();
    let report = verify_files(&files, &Trust::Fingerprint(Hash::of(genesis(3).body())));
    assert_eq!(report.problems, []);
    let introduction = Some(Introduction { size: report.root.unwrap().0 + 1, members: report.members });
    Node::open(Config { node: number, life: 1, introduction, ..Config::new(member, genesis(3), key) }, blank()).unwrap()
}
