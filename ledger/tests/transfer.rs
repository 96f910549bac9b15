//! A node that lacks what the log has forgotten, or holds what is damaged, gets it from the others.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may fail")]

mod city;

use city::{Network, batch, genesis, log, node_key, record_key, uuid};
use ledger::archive::Damage;
use ledger::audit::{ExportError, Query, bundle};
use ledger::medium::{Medium, Scratch};
use ledger::node::{Answer, Config, Input, Node, Transaction};
use ledger::record::Verdict;
use ledger::store::{Store, StoreError};
use ledger::tree::Hash;

const SEGMENT: u64 = 4096;

fn store(medium: Scratch) -> Store<Scratch> {
    Store::open(medium, &Hash::of(genesis(3).body()), None).unwrap().with_segments_of(SEGMENT)
}

fn city() -> Network<Scratch> {
    let mut city = Network::new(3, |_| store(Scratch::default()));
    city.tick(40);
    city
}

/// So many batches of 256 records.
fn write(city: &mut Network<Scratch>, from: u64, batches: u64) {
    for n in from..from + batches {
        let logs: Vec<_> = (0..256).map(|at| log(&format!("log {n} of {at}"), "transport", Some("civil"))).collect();
        let at = 1 + n % 3;
        let at = if city.cut.contains(&at) || !city.nodes.contains_key(&at) { city.leader().unwrap() } else { at };
        let answer = city.commit(at, 10_000 + n, batch(&logs, &["transport", "civil"]));
        assert!(matches!(answer, Answer::Committed { .. }), "{answer:?}");
        city.tick(1);
    }
}

fn check_same(city: &mut Network<Scratch>) {
    city.tick(60);
    let roots = city.roots();
    assert_eq!(roots.len(), 1, "{roots:?}");
    assert!(city.forks.is_empty());
    for node in city.nodes.values() {
        let status = node.status();
        assert_eq!((status.covered, status.taking), (status.size, None));
        for index in (0..status.size).step_by(511) {
            let leaf = node.leaf(index).unwrap();
            assert_eq!(node.receipt(index).unwrap().verify(&leaf, node.policy()).unwrap().size, status.size);
        }
        assert_eq!(node.store().damaged(), []);
    }
    let sealed: Vec<_> = city.nodes.values().map(|node| node.store().archive().segments()).collect();
    assert!(sealed.windows(2).all(|two| two[0] == two[1]), "the same segments");
}

#[test]
fn who_is_behind_the_log_is_given_the_snapshot() {
    let mut city = city();
    city.cut = [4].into();
    write(&mut city, 0, 70);
    let first = city.nodes[&city.leader().unwrap()].store().first();
    assert!(first > 1, "the log was cut: {first}");
    assert_eq!(city.nodes[&4].status().size, 1);
    city.cut.clear();
    check_same(&mut city);
    assert!(city.nodes[&4].store().sealed() >= 4 * SEGMENT && city.nodes[&4].store().first() > 1);
    write(&mut city, 70, 20);
    check_same(&mut city);
    // A voter that was away, with a part of the history of its own, and a second time.
    for round in 0..2 {
        let away = 1 + city.leader().unwrap() % 3;
        city.cut = [away].into();
        write(&mut city, 100 + round * 100, 70);
        city.cut.clear();
        check_same(&mut city);
    }
}

#[test]
fn a_transfer_that_is_interrupted_again_and_again_leaves_the_old_state_or_the_new_one() {
    let mut city = city();
    city.cut = [4].into();
    write(&mut city, 0, 54);
    let mut ended = Vec::new();
    for round in 0..200 {
        city.cut = if round % 3 == 2 { [1 + round % 4].into() } else { [].into() };
        for number in [1, 2, 3, 4] {
            city.step(number, Input::Tick);
        }
        for _ in 0..round {
            let Some((from, to, octets)) = city.queue.pop_front() else { break };
            if !city.cut.contains(&from) && !city.cut.contains(&to) {
                city.step(to, Input::Message { from, octets });
            }
        }
        if round % 5 == 0 {
            let medium = city.nodes.remove(&4).unwrap().into_store().medium().clone();
            city.nodes.insert(4, open(4, "bureau", store(medium)));
        }
        ended.push(city.nodes[&4].status().size);
        if round == 50 {
            city.queue.clear();
            city.cut = [4].into();
            city.tick(30);
            write(&mut city, 60, 20);
        }
    }
    city.cut.clear();
    check_same(&mut city);
    assert!(ended.is_sorted(), "{ended:?}");
}

fn open(node: u64, member: &str, store: Store<Scratch>) -> Node<Scratch> {
    Node::open(Config { node, ..Config::new(member, genesis(3), node_key(member)) }, store).unwrap()
}

#[test]
fn a_damaged_bundle_comes_back_from_another_node() {
    let mut city = city();
    write(&mut city, 0, 34);
    city.tick(30);
    let medium = city.nodes[&2].store().medium().clone();
    let name = medium.list().unwrap().into_iter().find(|name| name.starts_with("seg_")).unwrap();
    let whole = medium.octets(&name).unwrap();
    let mut octets = whole.clone();
    let at = octets.len() / 2;
    octets[at] ^= 1;
    medium.put(&name, octets);
    let node = city.nodes.get_mut(&2).unwrap();
    let damaged = (0..SEGMENT).step_by(256).filter(|index| node.leaf(*index).is_err()).count();
    assert_eq!(damaged, 1, "never wrong octets");
    city.tick(12);
    assert!(medium.octets(&name).unwrap() == whole);
    check_same(&mut city);
    let places = |told: &[(u64, Damage)]| told.iter().map(|(node, damage)| (*node, damage.file.clone())).collect::<Vec<_>>();
    assert_eq!((places(&city.damaged), places(&city.mended)), (vec![(2, name.clone())], vec![(2, name.clone())]));
    // The whole file, at a node that starts.
    let store_of_2 = city.kill(2);
    medium.remove(&name).unwrap();
    drop(store_of_2);
    city.nodes.insert(2, open(2, "health", store(medium.clone())));
    assert_eq!(city.nodes[&2].store().damaged().len(), 16);
    // What became of a record in it cannot be told here, least of all that it is a conflict or unknown.
    let first = || {
        batch(&(0..256).map(|at| log(&format!("log 0 of {at}"), "transport", Some("civil"))).collect::<Vec<_>>(), &["transport", "civil"])
    };
    assert!(city.nodes[&2].transaction(&uuid("log 0 of 7")).is_err());
    city.step(2, Input::Propose { ticket: 1, entry: first() });
    assert_eq!(city.answers[&1], Answer::Busy);
    city.tick(60);
    let Answer::Committed { index, .. } = city.commit(2, 2, first()) else { panic!("{:?}", city.answers) };
    assert!(matches!(city.nodes[&2].transaction(&uuid("log 0 of 7")), Ok(Transaction::Committed { index: at, .. }) if at == index + 7));
    assert!(medium.octets(&name).unwrap() == whole);
    check_same(&mut city);
}

#[test]
fn a_node_that_cannot_know_what_it_has_had_takes_no_part_until_others_have_mended_it() {
    let mut city = city();
    write(&mut city, 0, 34);
    city.tick(30);
    for whole_segment in [false, true] {
        let down = 1 + city.leader().unwrap() % 3;
        let member = city::MEMBERS[usize::try_from(down - 1).unwrap()];
        let medium = city.kill(down).medium().clone();
        let segment = medium.list().unwrap().into_iter().find(|name| name.starts_with("seg_")).unwrap();
        let wholes: Vec<_> =
            [segment.as_str(), "clients", "clients_copy"].map(|name| (name.to_owned(), medium.octets(name).unwrap())).into();
        for (name, whole) in &wholes {
            let mut octets = whole.clone();
            let at = if name.starts_with("clients") { 30_000 } else { octets.len() / 2 };
            octets[at] ^= 1;
            medium.put(name, octets);
        }
        if whole_segment {
            medium.remove(&segment).unwrap();
        }
        let opened = || store(medium.clone());
        let config = Config { node: down, ..Config::new(member, genesis(3), node_key(member)) };
        let refused = Node::open(config.clone(), opened()).unwrap_err().to_string();
        assert!(refused.contains(&segment) && refused.contains("client tags"), "{refused}");
        // It hears nobody who could tell it, and says nothing of what it had: others go on.
        city.nodes.insert(down, Node::start(config.clone(), opened()).unwrap());
        city.cut = [down].into();
        let held = city.nodes[&down].status();
        write(&mut city, 100 + 100 * u64::from(whole_segment), 2);
        city.step(down, Input::Propose { ticket: 70, entry: batch(&[log("anew", "transport", None)], &["transport"]) });
        assert_eq!(city.answers.remove(&70), Some(Answer::Busy));
        let status = city.nodes[&down].status();
        assert_eq!((status.size, status.term, status.commit), (held.size, held.term, held.commit), "no vote, no entry, no leaf");
        // And it starts again and again so.
        city.nodes.remove(&down);
        city.nodes.insert(down, Node::start(config, opened()).unwrap());
        city.cut.clear();
        check_same(&mut city);
        for (name, whole) in wholes {
            assert!(medium.octets(&name).is_some_and(|octets| octets.starts_with(&whole)), "{name}");
        }
        write(&mut city, 150 + 100 * u64::from(whole_segment), 20);
        check_same(&mut city);
    }
}

#[test]
fn a_flipped_bit_in_any_file_is_found_within_a_second_named_and_mended() {
    let mut city = city();
    write(&mut city, 0, 20);
    city.tick(60);
    let medium = city.nodes[&3].store().medium().clone();
    let names: Vec<String> = medium.list().unwrap().into_iter().filter(|name| !name.starts_with("note_")).collect();
    assert!(names.len() >= 6, "{names:?}");
    for name in names {
        let whole = medium.octets(&name).unwrap();
        let used = whole.iter().rposition(|octet| *octet != 0).unwrap();
        for at in [0, used / 3, used / 2, used - 40] {
            let (damaged, mended) = (city.damaged.len(), city.mended.len());
            let mut octets = medium.octets(&name).unwrap_or_else(|| whole.clone());
            octets[at] ^= 4;
            if !medium.list().unwrap().contains(&name) {
                break;
            }
            medium.put(&name, octets);
            // A second of an adapter's ticks.
            city.tick(40);
            let told = &city.damaged[damaged..];
            assert!(told.iter().any(|(node, damage)| *node == 3 && damage.file == name), "{name} at {at}: {told:?}");
            assert_eq!(told.len(), city.mended.len() - mended, "{name} at {at}");
            if !name.starts_with("wal_") {
                assert!(medium.octets(&name).unwrap() == whole, "{name} at {at}");
            }
        }
        check_same(&mut city);
    }
    let store_of_3 = city.kill(3);
    assert_eq!((store_of_3.damaged(), store_of_3.mended(), store_of_3.repairs()), (vec![], vec![], [].as_slice()));
}

#[test]
fn a_pruned_node_says_so_and_goes_on() {
    let mut city = city();
    write(&mut city, 0, 36);
    city.tick(60);
    let pruned = 1 + city.leader().unwrap() % 3;
    let member = city::MEMBERS[usize::try_from(pruned - 1).unwrap()];
    let medium = city.nodes.remove(&pruned).unwrap().into_store().medium().clone();
    let mut opened = store(medium);
    assert!(opened.prune(SEGMENT + 7).unwrap() > 0);
    city.nodes.insert(pruned, open(pruned, member, opened));
    city.tick(40);
    let (node, whole) = (&city.nodes[&pruned], &city.nodes[&4]);
    assert_eq!((node.store().floor(), node.leaf(SEGMENT).unwrap()), (SEGMENT, whole.leaf(SEGMENT).unwrap()));
    for index in [0, 7, SEGMENT - 1] {
        assert!(matches!(node.leaf(index), Err(StoreError::Pruned(SEGMENT))));
        let leaf = whole.leaf(index).unwrap();
        assert!(node.receipt(index).unwrap().verify(&leaf, node.policy()).is_ok(), "proofs stay, for whoever has the leaf");
    }
    let exported = bundle(node, &[], &Query::default(), member, &record_key(member));
    assert!(matches!(exported, Err(ExportError::Store(StoreError::Pruned(SEGMENT)))));
    // A client id stays used, also where its leaf is gone: no second leaf, and no word that is not true.
    let first =
        batch(&(0..256).map(|at| log(&format!("log 0 of {at}"), "transport", Some("civil"))).collect::<Vec<_>>(), &["transport", "civil"]);
    assert!(matches!(node.transaction(&uuid("log 0 of 7")), Err(StoreError::Pruned(SEGMENT))));
    assert!(matches!(node.transaction(&uuid("log 34 of 7")), Ok(Transaction::Committed { .. })));
    let Answer::Committed { index, .. } = city.commit(4, 1, first.clone()) else { panic!("{:?}", city.answers) };
    assert_eq!(city.commit(pruned, 2, first), Answer::Invalid(Verdict::Duplicate { index }));
    let other = batch(&[log("log 0 of 3", "transport", None)], &["transport"]);
    assert_eq!(city.commit(pruned, 3, other), Answer::Invalid(Verdict::Duplicate { index: index + 3 }));
    write(&mut city, 40, 20);
    check_roots(&mut city);
    // It leads as well as any other, and takes no damage from being read again.
    city.step(pruned, Input::Transfer { to: pruned });
    city.tick(40);
    assert_eq!(city.leader(), Some(pruned));
    write(&mut city, 80, 20);
    check_roots(&mut city);
    assert_eq!((city.damaged.len(), city.nodes[&pruned].store().floor()), (0, SEGMENT));
    // What tells its client ids apart is there twice: while it runs, and when it starts.
    let medium = city.nodes[&pruned].store().medium().clone();
    for name in ["clients", "clients_copy"] {
        let whole = medium.octets(name).unwrap();
        for starts in [false, true] {
            let mut octets = whole.clone();
            octets[1_000] ^= 4;
            medium.put(name, octets);
            if starts {
                city.kill(pruned);
                city.nodes.insert(pruned, open(pruned, member, store(medium.clone())));
            }
            city.tick(800);
            assert!(medium.octets(name).unwrap() == whole, "{name}");
        }
    }
    assert_eq!(city.damaged.len(), 4);
    check_roots(&mut city);
}

fn check_roots(city: &mut Network<Scratch>) {
    city.tick(60);
    assert_eq!(city.roots().len(), 1);
    assert!(city.forks.is_empty());
}

#[test]
fn what_is_announced_as_longer_than_it_can_be_is_not_taken() {
    let mut city = city();
    city.cut = [4].into();
    write(&mut city, 0, 70);
    city.cut.clear();
    // One of the voters answers every wish with a part of something that has no end.
    let liar = 1 + city.leader().unwrap() % 3;
    let mut lies = 0;
    for _ in 0..400 {
        city.now = city.now.plus_ms(10);
        for number in [1, 2, 3, 4] {
            city.step(number, Input::Tick);
        }
        while let Some((from, to, octets)) = city.queue.pop_front() {
            let wish = to == liar && octets.first() == Some(&9);
            if wish {
                // The same thing, the part that was asked for, of 16,000.
                let (item, part) = octets[1..].split_at(9);
                let lie = [[10].as_slice(), item, part, &16_000_u32.to_be_bytes(), &[0; 1 << 18]].concat();
                city.step(from, Input::Message { from: liar, octets: lie });
                lies += 1;
            } else {
                city.step(to, Input::Message { from, octets });
            }
        }
    }
    let first = lies;
    assert!(first > 0);
    check_same(&mut city);
    assert!(lies < 200, "no second part is asked of who lies: {lies}");
}
