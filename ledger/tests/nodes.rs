//! Nodes over a message queue: commits, lost leaders, restarts, and the same leaves everywhere.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may fail")]

mod city;

use city::{Network, delivered, founding, open, signed, trade};
use ledger::checkpoint::{Checkpoint, Cosignature};
use ledger::medium::{Medium, Scratch};
use ledger::node::{Answer, Input, Transaction};
use ledger::record::{Outcome, Refusal, Verdict};
use ledger::store::Batch;
use ledger::tree::Hash;
use ledger::witness::{Fork, Unfounded};

fn city() -> Network<Scratch> {
    let mut city = Network::new(3, |_| city::scratch(3));
    city.tick(40);
    for (ticket, entry) in (1..).zip(founding()) {
        let answer = city.commit(1 + ticket % 4, ticket, entry);
        assert!(matches!(answer, Answer::Committed { outcome: Outcome::Done, index, .. } if index == ticket), "{answer:?}");
    }
    city.tick(3);
    city
}

fn check_same(city: &mut Network<Scratch>, size: u64) {
    city.tick(30);
    let roots = city.roots();
    assert_eq!(roots.len(), 1, "{roots:?}");
    assert_eq!(roots.first().unwrap().0, size);
    assert!(city.forks.is_empty());
    for node in city.nodes.values() {
        assert_eq!(node.status().covered, size, "a checkpoint covers everything");
        for index in 0..size {
            let leaf = node.leaf(index).unwrap();
            assert_eq!(node.receipt(index).unwrap().verify(&leaf, node.policy()).unwrap().size, size);
        }
    }
}

#[test]
fn every_node_commits_and_checkpoints_without_a_tick() {
    let mut city = city();
    for number in 1..=4 {
        city.now = city.now.plus_ms(30);
        let answer = city.commit(number, 100 + number, delivered(&format!("trade {number}")));
        assert!(matches!(answer, Answer::Committed { outcome: Outcome::Done, .. }), "{answer:?}");
        let Answer::Committed { index, .. } = answer else { unreachable!() };
        assert!(city.nodes[&number].receipt(index).is_some(), "the receipt is there when the frames are delivered");
    }
    assert_eq!(city.members[&4], [1, 2, 3, 4], "whom to connect to");
    check_same(&mut city, 10);
}

#[test]
fn a_proposal_has_one_leaf_however_often_and_wherever_it_is_made() {
    let mut city = city();
    let first = city.commit(1, 100, delivered("trade"));
    assert_eq!(city.commit(2, 101, delivered("trade")), first);
    city.step(3, Input::Propose { ticket: 102, entry: delivered("other") });
    city.step(4, Input::Propose { ticket: 103, entry: delivered("other") });
    city.step(1, Input::Propose { ticket: 104, entry: delivered("other") });
    city.settle();
    assert_eq!(city.answers[&102], city.answers[&103]);
    assert_eq!(city.answers[&102], city.answers[&104]);
    let other_body = signed(&trade("trade", "transport", "transport/vehicle", "timed-out", None), &["civil"]);
    assert_eq!(city.commit(1, 105, other_body), Answer::Invalid(Verdict::Conflict { index: 6 }));
    let unsigned = signed(&trade("unsigned", "transport", "transport/vehicle", "delivered", Some("grant")), &["civil"]);
    assert_eq!(city.commit(1, 106, unsigned), Answer::Invalid(Verdict::MissingSignature("transport".to_owned())));
    let ungranted = signed(&trade("ungranted", "transport", "transport/vehicle", "delivered", Some("no")), &["transport", "civil"]);
    let answer = city.commit(2, 107, ungranted);
    assert!(matches!(answer, Answer::Committed { outcome: Outcome::Refused(Refusal::UnknownGrant), .. }), "{answer:?}");
    check_same(&mut city, 9);
}

#[test]
fn a_killed_leader_costs_no_answered_trade_and_none_happens_twice() {
    let mut city = city();
    for round in 0..4_u64 {
        for n in 0..20_u64 {
            let ticket = 1000 + round * 100 + n;
            city.step(1 + n % 4, Input::Propose { ticket, entry: delivered(&format!("trade {ticket}")) });
        }
        for _ in 0..30 + 7 * round {
            let Some((from, to, octets)) = city.queue.pop_front() else { break };
            city.step(to, Input::Message { from, octets });
        }
        let leader = city.leader().unwrap();
        let store = city.kill(leader);
        city.tick(60);
        let member = city::MEMBERS[usize::try_from(leader - 1).unwrap()];
        city.nodes.insert(leader, open(member, 3, store));
        city.tick(60);
        for n in 0..20_u64 {
            let ticket = 1000 + round * 100 + n;
            if !city.answers.contains_key(&ticket) {
                assert_eq!(1 + n % 4, leader, "only the killed node forgets its tickets");
                let answer = city.commit(2, 5000 + ticket, delivered(&format!("trade {ticket}")));
                assert!(matches!(answer, Answer::Committed { .. }));
            }
        }
        check_same(&mut city, 6 + 20 * (round + 1));
    }
}

#[test]
fn without_a_quorum_nothing_is_answered_and_afterwards_everything_is() {
    let mut city = city();
    city.cut = [2, 3].into();
    city.step(1, Input::Propose { ticket: 100, entry: delivered("trade") });
    city.tick(100);
    assert!(!city.answers.contains_key(&100));
    assert!(city.nodes[&1].is_pending(&city::uuid("trade")));
    assert_eq!(city.leader().filter(|leader| *leader == 1), None, "check_quorum steps down");
    city.step(1, Input::Propose { ticket: 101, entry: delivered("withdrawn") });
    city.step(1, Input::Withdraw { ticket: 101 });
    city.cut.clear();
    city.tick(100);
    assert!(matches!(city.answers[&100], Answer::Committed { outcome: Outcome::Done, .. }));
    assert!(!city.answers.contains_key(&101));
    assert!(!city.nodes[&1].is_pending(&city::uuid("trade")));
    check_same(&mut city, 7);
}

#[test]
fn a_new_node_catches_up_from_nothing_and_a_changed_log_is_not_opened() {
    let mut city = Network::new(3, |_| city::scratch(3));
    city.cut = [4].into();
    city.tick(40);
    let entries = founding().into_iter().chain((0..30).map(|n| delivered(&format!("trade {n}"))));
    for (ticket, entry) in (1..).zip(entries) {
        city.commit(1, ticket, entry);
    }
    assert_eq!(city.nodes[&4].status().size, 1);
    city.cut.clear();
    check_same(&mut city, 36);

    let store = city.kill(4);
    let mut damaged = city::scratch(3);
    for index in 1..=store.last() {
        let mut entry = store.entry(index).unwrap();
        if let Some(at) = entry.data.windows(9).position(|window| window == b"delivered") {
            entry.data[at] = b'D';
        }
        damaged.save(Batch { hard_state: Some(store.hard_state()), entries: &[entry], note: store.note() }).unwrap();
    }
    let config = ledger::node::Config::new("bureau", city::genesis(3), city::node_key("bureau"));
    let error = ledger::node::Node::open(config, damaged).unwrap_err();
    assert!(error.to_string().contains("contradict the checkpoint"), "{error}");
}

#[test]
fn frames_of_a_broken_peer_change_nothing() {
    let mut city = city();
    let frames: Vec<Vec<u8>> = {
        city.step(1, Input::Propose { ticket: 100, entry: delivered("trade") });
        city.tick(1);
        city.step(city.leader().unwrap(), Input::Tick);
        city.step(city.leader().unwrap(), Input::Tick);
        city.queue.iter().map(|(_, _, octets)| octets.clone()).collect()
    };
    assert!(!frames.is_empty());
    city.settle();
    for octets in frames {
        for at in 0..octets.len() {
            let mut damaged = octets.clone();
            damaged[at] ^= 0x55;
            for from in 0..6 {
                city.step(2, Input::Message { from, octets: damaged.clone() });
            }
            city.step(2, Input::Message { from: 1, octets: octets[..at].to_vec() });
        }
    }
    city.queue.clear();
    city.tick(200);
    check_same(&mut city, 7);
}

#[test]
fn a_failed_write_stops_the_node() {
    let mut city = city();
    let store = city.kill(2);
    let medium = store.medium().clone();
    city.nodes.insert(2, open("health", 3, store));
    medium.fail();
    city.step(city.leader().unwrap_or(1), Input::Propose { ticket: 100, entry: delivered("trade") });
    let mut outputs = Vec::new();
    let mut failed = false;
    for _ in 0..40 {
        city.step(1, Input::Tick);
        city.step(3, Input::Tick);
        while let Some((from, to, octets)) = city.queue.pop_front() {
            if to == 2 {
                failed |= city.nodes.get_mut(&2).unwrap().step(Input::Message { from, octets }, city.now, &mut outputs).is_err();
            } else {
                city.step(to, Input::Message { from, octets });
            }
        }
    }
    assert!(failed, "an entry needs the disk");
    assert!(outputs.iter().all(|output| !matches!(output, ledger::node::Output::Answer { .. })));
}

#[test]
fn a_city_that_lost_power_goes_on_where_it_was() {
    let mut city = city();
    for n in 0..20 {
        city.commit(1 + n % 4, 100 + n, delivered(&format!("trade {n}")));
    }
    let roots = city.roots();
    for number in [1, 2, 3, 4] {
        let store = city.kill(number);
        city.nodes.insert(number, open(city::MEMBERS[usize::try_from(number - 1).unwrap()], 3, store));
    }
    city.queue.clear();
    city.tick(60);
    assert_eq!(city.roots(), roots);
    let again = city.commit(3, 200, delivered("trade 7"));
    assert!(matches!(again, Answer::Committed { index: 13, .. }), "{again:?}");
    city.commit(2, 201, delivered("after"));
    check_same(&mut city, 27);
}

#[test]
fn a_signature_over_another_history_is_evidence() {
    let mut city = city();
    let head = |size: u64, root: Hash, signer: &str| {
        let text = Checkpoint { origin: city::LEDGER.to_owned(), size, root }.text();
        let cosignature = Cosignature::sign(&city::node_key(signer), 7, &text);
        [[3].as_slice(), &size.to_be_bytes(), &root.0, &7_u64.to_be_bytes(), &cosignature.value].concat()
    };
    let ours = city.nodes[&1].tree().root(4).unwrap();
    city.step(1, Input::Message { from: 2, octets: head(4, ours, "health") });
    city.step(1, Input::Message { from: 2, octets: head(4, Hash::of(b"other"), "civil") });
    city.step(1, Input::Message { from: 7, octets: head(4, Hash::of(b"other"), "health") });
    assert!(city.forks.is_empty(), "the true root, another's key, no member");
    city.step(1, Input::Message { from: 2, octets: head(4, Hash::of(b"other"), "health") });
    city.step(1, Input::Message { from: 3, octets: head(9, Hash::of(b"later"), "civil") });
    city.step(1, Input::Message { from: 2, octets: head(4, Hash::of(b"other"), "health") });
    assert_eq!(city.forks.len(), 1, "each contradiction once");
    let fork = Fork::parse(&city.forks[0].text()).unwrap();
    assert_eq!(fork, city.forks[0]);
    let policy = city.nodes[&3].policy().clone();
    let lie = fork.verify(&policy).expect("anyone can check who signed what");
    assert_eq!((lie.size, lie.ours.0, lie.theirs.0), (4, ours, Hash::of(b"other")));
    assert_eq!(lie.theirs.1, ["health".to_owned()].into());
    assert!(lie.ours.1.contains("transport"));
    let harmless = Fork { theirs: fork.ours.clone(), ..fork.clone() };
    assert_eq!(harmless.verify(&policy), Err(Unfounded::Consistent));
    let forged = fork.theirs.replacen("\n4\n", "\n5\n", 1);
    assert_eq!(Fork { theirs: forged, ..fork.clone() }.verify(&policy), Err(Unfounded::Unsigned));
    assert_eq!(Fork::parse(&fork.ours), Err(Unfounded::Malformed));
    let medium = city.nodes[&1].store().medium().clone();
    let files: Vec<String> = medium.list().unwrap().into_iter().filter(|name| name.starts_with("fork_")).collect();
    let [file] = files.as_slice() else { panic!("{files:?}") };
    assert_eq!(medium.read_all(file).unwrap(), fork.text().as_bytes(), "the evidence lies beside the log");
    for n in 0..4 {
        city.commit(1, 300 + n, delivered(&format!("trade {n}")));
    }
    assert_eq!(city.forks.len(), 2, "a head ahead of us is judged when we are there");
}

#[test]
fn a_read_sees_what_was_answered_anywhere_before_it() {
    let mut city = city();
    for n in 0..8_u64 {
        let answer = city.commit(1 + n % 4, 100 + n, delivered(&format!("trade {n}")));
        let Answer::Committed { index, .. } = answer else { panic!("{answer:?}") };
        let reader = 1 + (n + 1) % 4;
        city.step(reader, Input::Read { ticket: 500 + n });
        city.settle();
        assert!(city.reads.contains_key(&(500 + n)));
        assert!(city.nodes[&reader].status().size > index);
    }
    let leader = city.leader().unwrap();
    city.cut = [leader].into();
    city.step(leader, Input::Read { ticket: 600 });
    city.tick(60);
    let other = city.leader().unwrap();
    assert_ne!(other, leader);
    city.commit(other, 200, delivered("news"));
    assert!(!city.reads.contains_key(&600), "a leader that is cut off answers no read");
    assert_eq!(city.nodes[&leader].transaction(&city::uuid("news")).unwrap(), Transaction::Unknown);
    city.cut.clear();
    city.tick(60);
    assert!(city.reads.contains_key(&600), "the question is asked again");
    assert!(matches!(city.nodes[&leader].transaction(&city::uuid("news")).unwrap(), Transaction::Committed { .. }));
}

#[test]
fn the_lead_is_handed_over() {
    let mut city = city();
    let leader = city.leader().unwrap();
    assert!(city.nodes.iter().all(|(node, it)| (*node == leader) == it.successor().is_some()));
    let lagging = 1 + leader % 3;
    city.cut = [lagging].into();
    city.commit(4, 90, delivered("while one is away"));
    city.tick(1);
    assert_eq!(city.nodes[&leader].successor(), Some(6 - leader - lagging), "who has most of the log");
    city.cut.clear();
    city.tick(20);
    for to in [2, 3, 1] {
        let asked = 1 + to % 3;
        city.step(asked, Input::Transfer { to });
        city.tick(2);
        assert_eq!(city.leader(), Some(to));
        assert!(matches!(city.commit(4, 100 + to, delivered(&format!("trade {to}"))), Answer::Committed { .. }));
    }
    city.step(1, Input::Transfer { to: 4 });
    city.step(1, Input::Transfer { to: 9 });
    city.tick(40);
    assert_eq!(city.leader(), Some(1), "a learner does not lead, and a stranger neither");
    check_same(&mut city, 10);
}

#[test]
fn a_client_id_has_one_of_four_states() {
    let mut city = city();
    let id = |name: &str| city::uuid(name);
    assert_eq!(city.nodes[&1].transaction(&id("trade")).unwrap(), Transaction::Unknown);
    city.cut = [2, 3].into();
    city.step(1, Input::Propose { ticket: 100, entry: delivered("trade") });
    assert_eq!(city.nodes[&1].transaction(&id("trade")).unwrap(), Transaction::Pending);
    city.cut.clear();
    city.tick(100);
    assert!(matches!(city.nodes[&4].transaction(&id("trade")).unwrap(), Transaction::Committed { index: 6, outcome: Outcome::Done, .. }));
    let unsigned = signed(&trade("unsigned", "transport", "transport/vehicle", "delivered", Some("grant")), &["civil"]);
    city.commit(1, 101, unsigned);
    let missing = Verdict::MissingSignature("transport".to_owned());
    assert_eq!(city.nodes[&1].transaction(&id("unsigned")).unwrap(), Transaction::Invalid(missing));
}

#[test]
fn a_clock_that_is_far_off_is_reported_and_changes_nothing() {
    let mut city = city();
    let leader = city.leader().unwrap();
    let other = 1 + leader % 3;
    city.commit(other, 100, delivered("in time"));
    city.ahead_ms = [(other, 4_900)].into();
    city.commit(other, 101, delivered("nearly"));
    assert_eq!(city.clocks, []);
    city.ahead_ms = [(other, 60_000)].into();
    city.commit(other, 102, delivered("behind"));
    assert_eq!(city.clocks, [(leader, -60_000)], "only the node that knows when it asked can tell");
    city.tick(20);
    city.clocks.clear();
    city.ahead_ms = [(leader, 60_000)].into();
    city.commit(other, 103, delivered("ahead"));
    assert_eq!(city.clocks, [(leader, 60_000); 3]);
    city.commit(other, 104, delivered("again"));
    assert_eq!(city.clocks.len(), 3, "once in an election timeout");
    check_same(&mut city, 12);
}

#[test]
fn a_checkpoint_is_asked_for_at_once_and_then_not_too_often() {
    let mut city = city();
    city.now = city.now.plus_ms(1_000);
    let leader = city.leader().unwrap();
    let mut sizes = std::collections::BTreeSet::new();
    for n in 0..130 {
        city.step(leader, Input::Propose { ticket: 100 + n, entry: delivered(&format!("trade {n}")) });
        while let Some((from, to, octets)) = city.queue.pop_front() {
            if octets[0] == 3 {
                sizes.insert(octets[1..9].to_vec());
            }
            city.step(to, Input::Message { from, octets });
        }
        city.now = city.now.plus_ms(1);
    }
    assert_eq!(sizes.len(), 2, "130 ms of a record a millisecond");
    check_same(&mut city, 136);
    sizes.clear();
    for n in 0..4 {
        city.now = city.now.plus_ms(25);
        city.commit(leader, 300 + n, delivered(&format!("slow trade {n}")));
        assert!(city.nodes.values().all(|node| node.status().covered == 137 + n), "with little to do, each record at once");
    }
}
