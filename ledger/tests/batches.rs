//! Batches and state roots: many records under one signature pair, and what the ledger says of itself between them.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may fail")]

mod city;

use city::{NOW, Network, batch, founding, genesis, log, octets, record_key, signed};
use ledger::body::{Content, Request};
use ledger::medium::Scratch;
use ledger::node::{Answer, Input};
use ledger::record::{BATCH_MAX, Entry, Kind, Leaf, Outcome, PartySignature, Place, StreamKind, Verdict};
use ledger::state::{ROOT_EVERY, ROOT_MS, State};
use ledger::tree::{Hash, Tree};

fn logs(from: usize, to: usize) -> Vec<xsd::tree::Element> {
    (from..to).map(|n| log(&format!("log {n}"), "transport", Some("civil"))).collect()
}

fn city() -> Network<Scratch> {
    let mut city = Network::new(3, |_| city::scratch(3));
    city.tick(40);
    for (ticket, entry) in (1..).zip(founding()) {
        city.commit(1, ticket, entry);
    }
    city
}

#[test]
fn a_batch_becomes_leaves_of_its_own_that_verify_alone() {
    let mut city = city();
    let entry = batch(&logs(0, 100), &["transport", "civil"]);
    assert_eq!(Entry::decode(&entry.encode()), Ok(entry.clone()));
    let answer = city.commit(2, 100, entry.clone());
    assert!(matches!(answer, Answer::Committed { index: 6, outcome: Outcome::Done, .. }), "{answer:?}");
    assert_eq!(city.commit(3, 101, entry), answer, "the same batch again is the same answer");
    city.tick(30);
    let node = &city.nodes[&1];
    assert_eq!(node.status().size, 106);
    let mut tree = Tree::default();
    for body in logs(0, 100) {
        tree.push(ledger::tree::leaf_hash(&octets(&body)));
    }
    for n in 0..100_u8 {
        let leaf = Leaf::read(&node.leaf(6 + u64::from(n)).unwrap()).unwrap();
        assert_eq!(leaf.entry.place(), Some(Place { position: n, size: 100, root: tree.root(100).unwrap() }));
        let request = Request::read(leaf.entry).unwrap();
        assert_eq!(node.state().check_one(request).map(|checked| checked.request().kind()), Ok(Kind::Log));
    }
    assert_eq!(node.state().stream(StreamKind::Receiver, "civil").map(|(count, _)| count), Some(100));
    // One of its records alone, or with others, is a conflict; so is another body under one of its ids.
    let single = signed(&log("log 3", "transport", Some("civil")), &["transport", "civil"]);
    assert_eq!(city.commit(1, 102, single), answer_at(&city, 9));
    let mixed = batch(&logs(99, 101), &["transport", "civil"]);
    assert_eq!(city.commit(1, 103, mixed), Answer::Invalid(Verdict::Conflict { index: 105 }));
    let mut other = log("log 3", "transport", Some("civil"));
    other = other.leaf("Digest", Hash::of(b"another").to_string());
    assert_eq!(city.commit(1, 104, signed(&other, &["transport", "civil"])), Answer::Invalid(Verdict::Conflict { index: 9 }));
}

fn answer_at(city: &Network<Scratch>, index: u64) -> Answer {
    let leaf = Leaf::read(&city.nodes[&1].leaf(index).unwrap()).unwrap();
    Answer::Committed { index, time: leaf.time, outcome: leaf.outcome }
}

#[test]
fn what_is_no_batch_is_refused_whole() {
    let (state, _) = State::found(Request::read(genesis(3)).unwrap()).unwrap();
    let check = |entry: Result<Entry, Verdict>, expected: &str| {
        let verdict = entry.and_then(Request::read).and_then(|request| state.check_one(request)).map(|_| ()).unwrap_err();
        assert_eq!(verdict.code(), expected, "{verdict}");
    };
    let both = ["transport", "civil"];
    let bodies = |elements: &[xsd::tree::Element]| elements.iter().map(octets).collect::<Vec<_>>();
    check(Entry::batch(Vec::new(), Vec::new()), "malformed");
    check(Entry::decode(&[2, 0, 0, 0]), "malformed");
    check(Entry::batch(bodies(&logs(0, BATCH_MAX + 1)), Vec::new()), "too-large");
    check(Entry::batch(bodies(&[logs(0, 1), logs(0, 1)].concat()), Vec::new()), "malformed");
    check(Entry::batch(bodies(&[log("a", "transport", None), log("b", "civil", None)]), Vec::new()), "malformed");
    check(Entry::batch(bodies(&logs(0, 2)), Vec::new()), "missing-signature");
    check(Entry::batch([bodies(&logs(0, 1)), vec![b"<x/>".to_vec()]].concat(), Vec::new()), "not-canonical");
    let signature = |signer: &str, over: &[u8]| PartySignature::sign(signer, &record_key(signer), over);
    let over_first = both.iter().map(|signer| signature(signer, &octets(&logs(0, 1)[0]))).collect();
    check(Entry::batch(bodies(&logs(0, 2)), over_first), "bad-signature");
    // The statement of other bodies, of another order, of fewer.
    let good = batch(&logs(0, 3), &both);
    let swapped = [logs(1, 2), logs(0, 1), logs(2, 3)].concat();
    check(Entry::batch(bodies(&swapped), good.signatures().to_vec()), "bad-signature");
    check(Entry::batch(bodies(&logs(0, 2)), good.signatures().to_vec()), "bad-signature");
    check(Entry::new(octets(&logs(0, 1)[0]), good.signatures().to_vec()), "bad-signature");
    assert!(state.check_one(Request::read(good).unwrap()).is_ok());
    // Nobody submits a state root.
    let mut state = state;
    let root = state.mark(NOW).unwrap();
    let body = Leaf::read(&root.octets).unwrap().entry.body().to_vec();
    let (fresh, _) = State::found(Request::read(genesis(3)).unwrap()).unwrap();
    let submitted = Request::read(Entry::new(body, Vec::new()).unwrap()).unwrap();
    assert_eq!(fresh.check_one(submitted).unwrap_err(), Verdict::UnknownKind);
}

#[test]
fn every_4096th_leaf_is_a_state_root_and_the_state_comes_back_from_its_encoding() {
    let (founded, _) = State::found(Request::read(genesis(3)).unwrap()).unwrap();
    let mut state = founded.clone();
    for entry in founding() {
        let checked = state.check_one(Request::read(entry).unwrap()).unwrap();
        state.apply(&checked, NOW, 0);
    }
    let (mut roots, mut before) = (Vec::new(), state.clone());
    for n in 0..50 {
        let request = Request::read(batch(&logs(n * 200, n * 200 + 200), &["transport", "civil"])).unwrap();
        let checked = state.check_one(request).unwrap();
        let copy = State::decode(&founded, &state.encode()).unwrap();
        let leaves = state.apply(&checked, NOW, 0);
        let mut again = copy;
        assert_eq!(again.apply(&checked, NOW, 0), leaves, "a state that was decoded goes on as the other");
        roots.extend(leaves.iter().filter(|leaf| leaf.kind == Kind::StateRoot).cloned());
        if leaves.iter().any(|leaf| leaf.kind == Kind::StateRoot) {
            let skip = leaves.iter().position(|leaf| leaf.kind == Kind::StateRoot).unwrap();
            // The state at the root, the root, and the rest of the batch: as after a snapshot in the middle of it.
            let mut partly = before.clone();
            for leaf in &leaves[..skip] {
                partly.replay(Leaf::read(&leaf.octets).unwrap()).unwrap();
            }
            let body = Request::read(Leaf::read(&leaves[skip].octets).unwrap().entry).unwrap();
            let Content::StateRoot(said) = body.content() else { panic!("no state root") };
            assert_eq!((said.state, said.streams), (partly.digest(), 5));
            let mut restored = State::decode(&founded, &partly.encode()).unwrap();
            assert_eq!(restored.replay(Leaf::read(&leaves[skip].octets).unwrap()).unwrap(), leaves[skip]);
            assert_eq!(restored.apply(&checked, NOW, skip), leaves[skip + 1..]);
            assert_eq!(restored.digest(), state.digest());
            let proof = restored.rooted().prove(StreamKind::Sender, "transport");
            assert!(matches!(proof.verify(StreamKind::Sender, "transport", said.root), Ok(Some((count, _))) if count > 4000));
            assert_eq!(restored.rooted().prove(StreamKind::Sender, "health").verify(StreamKind::Sender, "health", said.root), Ok(None));
        }
        before = state.clone();
    }
    let indexes: Vec<u64> = roots.iter().map(|root| root.index).collect();
    assert_eq!(indexes, [ROOT_EVERY - 1, 2 * ROOT_EVERY - 1]);
    assert_eq!(State::decode(&founded, &state.encode()[1..]).map(|_| ()), None);
    assert_eq!(State::decode(&founded, &[state.encode(), vec![0]].concat()).map(|_| ()), None);
}

#[test]
fn a_state_root_comes_with_time_and_when_it_is_asked_for() {
    let mut city = city();
    city.step(2, Input::Mark);
    city.settle();
    city.tick(5);
    assert_eq!(city.nodes[&1].status().size, 7, "a mark makes a state root");
    city.step(1, Input::Mark);
    city.settle();
    assert_eq!(city.nodes[&1].status().size, 7, "never two in a row");
    city.commit(1, 100, signed(&log("a", "transport", None), &["transport"]));
    city.now = city.now.plus_ms(ROOT_MS);
    city.commit(1, 101, signed(&log("b", "transport", None), &["transport"]));
    assert_eq!(city.nodes[&1].status().size, 10, "a leaf that comes later than a minute follows a state root");
    city.now = city.now.plus_ms(ROOT_MS);
    city.tick(20);
    assert_eq!(city.nodes[&1].status().size, 11, "an idle ledger closes what is open");
    city.now = city.now.plus_ms(10 * ROOT_MS);
    city.tick(50);
    assert_eq!(city.nodes[&1].status().size, 11, "and then is quiet");
    assert_eq!(city.roots().len(), 1);
}
