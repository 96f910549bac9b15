//! What the members decide together: proposals, ballots, rules, keys, the brake, and that none of it leaves them unable to decide.
#![allow(clippy::unwrap_used, clippy::unwrap_in_result, clippy::panic, clippy::indexing_slicing, reason = "a test may fail")]

mod city;

use city::{
    LEDGER, MEMBERS, NOW, Network, ballot, body, delivered, founding, genesis, grant, key, l, log, node_key, octets, proposal, record_key,
    rekey, signed, signed_by, trade, uuid,
};
use ledger::body::{Request, Suffrage};
use ledger::keys::SecretKey;
use ledger::node::{Answer, Input};
use ledger::record::{Entry, Leaf, Outcome, Refusal, Verdict};
use ledger::state::{Ending, State};
use ledger::tree::Hash;
use std::collections::BTreeSet;
use xsd::tree::Element;

struct Table {
    state: State,
    founded: State,
    leaves: Vec<Vec<u8>>,
    names: u64,
}

fn rules(rules: &[(&str, Option<&str>, &[&str])]) -> Element {
    rules.iter().fold(l("Rules"), |all, (threshold, role, organizations)| {
        let mut rule = l("Rule").with("threshold", *threshold);
        if let Some(role) = role {
            rule = rule.with("role", *role);
        }
        all.child(organizations.iter().fold(rule, |rule, id| rule.leaf("Organization", id)))
    })
}

fn replace(member: &str, node: u64, name: &str) -> Element {
    let hash = Hash::of(name.as_bytes()).to_string();
    let new = l("ReplaceNode").with("id", member).with("node", node.to_string());
    let new = new.leaf("NodeKey", key(name).public().to_string()).leaf("TlsCertificate", hash);
    new.leaf("Service", "new.example:443").leaf("Peer", "new.example:7000")
}

fn add(member: &str, node: u64, role: &str) -> Element {
    let hash = |what: &str| Hash::of(format!("{what} {member}").as_bytes()).to_string();
    let mut new = l("AddMember").with("id", member).with("node", node.to_string()).with("role", role).with("suffrage", "voter");
    new.push(l("Name").with("lang", "zh").text("公安"));
    new = new.leaf("RecordKey", record_key(member).public().to_string()).leaf("NodeKey", node_key(member).public().to_string());
    new = new.leaf("TlsCertificate", hash("tls")).leaf("MessageCertificate", hash("message"));
    new.leaf("Administrator", hash("administrator")).leaf("Service", "new.example:443").leaf("Peer", "new.example:7000")
}

fn revoke(member: &str, revoked: &SecretKey, successor: Option<&SecretKey>) -> Element {
    let action = l("RevokeKey").with("id", member).leaf("Revoked", revoked.public().to_string());
    successor.into_iter().fold(action, |action, key| action.leaf("Successor", key.public().to_string()))
}

impl Table {
    fn new() -> Self {
        let (state, applied) = State::found(Request::read(genesis(3)).unwrap()).unwrap();
        let mut table = Self { founded: state.clone(), state, leaves: vec![applied.octets], names: 0 };
        for entry in founding() {
            table.check(&entry, "done");
        }
        table
    }

    fn name(&mut self) -> String {
        self.names += 1;
        format!("governance {}", self.names)
    }

    /// Applies; whatever happened, the state comes back from its encoding.
    fn check(&mut self, entry: &Entry, expected: &str) {
        let found = match Request::read(entry.clone()).and_then(|request| self.state.check_one(request)) {
            Ok(checked) => {
                let applied = self.state.apply(&checked, NOW, 0).pop().unwrap();
                self.leaves.push(applied.octets);
                applied.outcome.code()
            }
            Err(verdict) => verdict.code(),
        };
        assert_eq!(found, expected, "{}", String::from_utf8_lossy(entry.body()));
        let again = State::decode(&self.founded, &self.state.encode()).expect("an encoding is read");
        assert_eq!(again.digest(), self.state.digest());
        assert_eq!(again.members().collect::<Vec<_>>(), self.state.members().collect::<Vec<_>>());
        assert_eq!(again.motions().collect::<Vec<_>>(), self.state.motions().collect::<Vec<_>>());
    }

    fn propose(&mut self, proposer: &str, action: &Element, expected: &str) -> String {
        let name = self.name();
        self.check(&signed(&proposal(&name, proposer, action.clone()), &[proposer]), expected);
        name
    }

    fn vote(&mut self, voter: &str, proposal: &str, vote: &str, expected: &str) {
        let name = self.name();
        self.check(&signed(&ballot(&name, voter, proposal, vote), &[voter]), expected);
    }

    fn ending(&self, proposal: &str) -> Option<Ending> {
        self.state.motion(&uuid(proposal)).unwrap().closed.map(|(ending, _)| ending)
    }

    /// Proposed by transport, with health's voice: a majority of the three sectors.
    fn decide(&mut self, action: &Element) {
        let name = self.propose("transport", action, "done");
        assert_eq!(self.ending(&name), None, "one voice of three decides nothing");
        self.vote("health", &name, "yes", "done");
        assert_eq!(self.ending(&name), Some(Ending::Accepted));
        assert_eq!(self.state.motion(&uuid(&name)).unwrap().closed.unwrap().1, self.state.size() - 1, "the ballot that decides");
    }

    fn decide_what_is_impossible(&mut self, action: &Element, expected: &str) {
        self.propose("transport", action, expected);
    }
}

#[test]
fn a_majority_of_the_sectors_decides_unless_the_members_want_it_otherwise() {
    let mut t = Table::new();
    let quorum = |n: u64| l("Quorum").text(n.to_string());
    let name = t.propose("bureau", &quorum(3), "done");
    assert!(t.state.motion(&uuid(&name)).unwrap().votes.is_empty(), "the bureau proposes, the sectors decide");
    t.vote("bureau", &name, "yes", "no-vote");
    t.vote("civil", "no such proposal", "yes", "unknown-proposal");
    t.vote("civil", &name, "yes", "done");
    t.vote("civil", &name, "no", "done");
    t.vote("health", &name, "yes", "done");
    assert_eq!(t.ending(&name), None, "the later voice of two counts");
    t.vote("transport", &name, "yes", "done");
    assert_eq!((t.ending(&name), t.state.quorum()), (Some(Ending::Accepted), 3));
    t.vote("transport", &name, "no", "closed");
    let name = t.propose("transport", &quorum(2), "done");
    t.vote("civil", &name, "no", "done");
    assert_eq!(t.ending(&name), None);
    t.vote("health", &name, "no", "done");
    assert_eq!((t.ending(&name), t.state.quorum()), (Some(Ending::Rejected), 3));
    let name = t.propose("transport", &quorum(2), "done");
    t.vote("transport", &name, "no", "done");
    assert_eq!(t.ending(&name), Some(Ending::Withdrawn));
    // Two thirds of all, the bureau's voice among them, and one of health and civil.
    t.decide(&rules(&[("2/3", None, &[]), ("1", Some("bureau"), &[]), ("ANY", None, &["civil", "health"])]));
    let name = t.propose("transport", &quorum(2), "done");
    t.vote("bureau", &name, "yes", "done");
    assert_eq!(t.ending(&name), None);
    t.vote("civil", &name, "yes", "done");
    assert_eq!((t.ending(&name), t.state.quorum()), (Some(Ending::Accepted), 2));
    let name = t.propose("bureau", &rules(&[("ALL", Some("bureau"), &[])]), "done");
    t.vote("transport", &name, "yes", "done");
    t.vote("health", &name, "yes", "done");
    let name = t.propose("bureau", &quorum(4), "done");
    assert_eq!((t.ending(&name), t.state.quorum()), (Some(Ending::Accepted), 4), "a proposal may decide itself");
    for n in 0..16 {
        t.propose("civil", &quorum(1 + n % 3), "done");
    }
    t.propose("civil", &quorum(3), "too-many");
}

#[test]
fn members_come_and_go_and_numbers_and_keys_never_come_back() {
    let mut t = Table::new();
    t.decide_what_is_impossible(&add("police", 4, "sector"), "node-used");
    t.decide_what_is_impossible(&add("civil", 5, "sector"), "no-change");
    t.decide(&add("police", 5, "sector"));
    let police = t.state.member("police").unwrap();
    assert_eq!((police.node, police.suffrage, t.state.node_max()), (5, Suffrage::Voter, 5));
    t.check(&signed(&city::role("pr", "police", "define", "clerk"), &["police"]), "done");
    assert!(t.state.user_by_certificate(&Hash::of(b"administrator police")).is_some());
    // Four sectors now: two are no majority any more.
    let name = t.propose("transport", &l("RemoveMember").with("id", "civil"), "done");
    t.vote("police", &name, "yes", "done");
    assert_eq!(t.ending(&name), None);
    t.vote("health", &name, "yes", "done");
    assert_eq!(t.ending(&name), Some(Ending::Accepted));
    t.check(&signed(&city::role("cr", "civil", "define", "chief"), &["civil"]), "unknown-account");
    t.check(&delivered("after civil left"), "unknown-account");
    assert_eq!(t.state.users().filter(|(user, _)| user.authority == "civil").count(), 0);
    assert_eq!(t.state.assignments().count(), 0);
    t.decide_what_is_impossible(&add("civil", 3, "sector"), "node-used");
    t.decide_what_is_impossible(&add("civil", 6, "sector"), "key-used");
    t.decide_what_is_impossible(&l("RemoveMember").with("id", "nobody"), "unknown-member");
    t.decide_what_is_impossible(&replace("health", 2, "new node"), "node-used");
    t.decide(&replace("health", 6, "new node"));
    let health = t.state.member("health").unwrap();
    assert_eq!((health.node, health.node_key, health.record_key), (6, key("new node").public(), record_key("health").public()));
    t.decide_what_is_impossible(&replace("health", 7, "new node"), "key-used");
    t.decide_what_is_impossible(&l("Suffrage").with("id", "bureau").text("learner"), "no-change");
    t.decide(&l("Suffrage").with("id", "bureau").text("voter"));
    let sized = t.propose("transport", &l("Quorum").text("4"), "done");
    let name = t.propose("transport", &l("RemoveMember").with("id", "bureau"), "done");
    t.vote("health", &name, "yes", "done");
    t.vote("health", &sized, "yes", "done");
    assert_eq!(t.ending(&sized), Some(Ending::Void), "four of three cannot sign a checkpoint");
}

#[test]
fn nothing_leaves_the_members_unable_to_decide() {
    let mut t = Table::new();
    let learner = |id: &str| l("Suffrage").with("id", id).text("learner");
    t.decide_what_is_impossible(&l("Quorum").text("5"), "undecidable");
    t.decide_what_is_impossible(&l("Quorum").text("2"), "no-change");
    for wrong in [
        rules(&[("5", None, &[])]),
        rules(&[("ANY", None, &["nobody"])]),
        rules(&[("2", Some("bureau"), &[])]),
        rules(&[("MAJORITY", None, &[]), ("ALL", Some("bureau"), &["civil"])]),
    ] {
        t.decide_what_is_impossible(&wrong, "undecidable");
    }
    t.decide(&learner("transport"));
    t.decide(&learner("health"));
    t.decide_what_is_impossible(&learner("civil"), "undecidable");
    t.decide_what_is_impossible(&l("RemoveMember").with("id", "civil"), "undecidable");
    // Without civil's and then health's key two of three sectors could not agree.
    t.decide(&revoke("civil", &record_key("civil"), None));
    t.decide_what_is_impossible(&revoke("health", &record_key("health"), None), "undecidable");
    t.decide_what_is_impossible(&revoke("bureau", &node_key("bureau"), None), "undecidable");
    t.decide(&revoke("bureau", &node_key("bureau"), Some(&key("bureau's next node key"))));
    t.decide_what_is_impossible(&revoke("bureau", &node_key("bureau"), Some(&key("x"))), "no-change");
    t.decide_what_is_impossible(&revoke("nobody", &key("x"), None), "unknown-member");
    let wrong = body("l", "ledger", "Genesis", "genesis");
    assert!(Request::read(signed(&wrong, &[])).is_err());
}

#[test]
fn keys_change_and_an_old_leaf_verifies_with_the_keys_of_then() {
    let mut t = Table::new();
    let (new, newer) = (key("transport 2"), key("transport 3"));
    let before = t.state.size();
    let revocation = |name: &str| city::revocation(name, "transport", "grant");
    t.check(&signed_by(&log("l0", "transport", None), "transport", &new), "bad-signature");
    t.check(&signed(&rekey("k0", "transport", &[]), &["transport"]), "invalid");
    let stolen = rekey("k1", "transport", &[("RecordKey", &record_key("health"))]);
    t.check(&signed(&stolen, &["transport"]), "key-used");
    let mut unproven = rekey("k2", "transport", &[("RecordKey", &new)]);
    unproven = unproven.with("id", uuid("k3"));
    t.check(&signed(&unproven, &["transport"]), "bad-signature");
    t.check(&signed_by(&rekey("k4", "transport", &[("RecordKey", &new)]), "transport", &new), "bad-signature");
    t.check(&signed(&rekey("k5", "transport", &[("RecordKey", &new), ("NodeKey", &newer)]), &["transport"]), "done");
    let at = t.state.size() - 1;
    assert_eq!(t.state.keys_version(), at);
    t.check(&signed_by(&log("l1", "transport", None), "transport", &new), "done");
    t.check(&signed(&revocation("v0"), &["transport"]), "key-revoked");
    assert!(t.state.grant(&uuid("grant")).unwrap().ended.is_none(), "on record, without effect");
    t.check(&delivered("signed before, committed after"), "key-revoked");
    let held = |index| t.state.key_at("transport", index).unwrap();
    assert_eq!(
        (held(before).record_key, held(at).record_key),
        (Some(record_key("transport").public()), Some(record_key("transport").public()))
    );
    assert_eq!((held(at + 1).record_key, held(at + 1).node_key), (Some(new.public()), newer.public()));
    // Transport's key is known to others: the rest take it away, and later agree on the next.
    let taken = t.name();
    t.check(&signed(&proposal(&taken, "health", revoke("transport", &new, None)), &["health"]), "done");
    t.vote("civil", &taken, "yes", "done");
    t.check(&signed_by(&revocation("v1"), "transport", &new), "key-revoked");
    t.check(&signed_by(&log("l2", "transport", None), "transport", &key("a thief's")), "bad-signature");
    assert_eq!(t.state.key_at("transport", t.state.size()).unwrap().record_key, None);
    let given = t.name();
    t.check(&signed(&proposal(&given, "health", revoke("transport", &new, Some(&key("transport 4")))), &["health"]), "done");
    t.vote("civil", &given, "yes", "done");
    t.check(&signed_by(&revocation("v2"), "transport", &key("transport 4")), "done");
    t.check(&signed_by(&log("l3", "transport", None), "transport", &new), "key-revoked");
    // Each leaf verifies with what its parties held for it, and a replay gives the same leaves.
    let mut again = t.founded.clone();
    for (index, octets) in t.leaves.iter().enumerate().skip(1) {
        let leaf = Leaf::read(octets).unwrap();
        let request = Request::read(leaf.entry.clone()).unwrap();
        let revoked = leaf.outcome == Outcome::Refused(Refusal::KeyRevoked);
        let right = leaf.entry.signatures().iter().all(|signature| {
            let key = t.state.key_at(&signature.account, index as u64).and_then(|held| held.record_key);
            key.is_some_and(|key| key.verifies(request.signed(), &signature.value))
        });
        assert_eq!(right, !revoked, "leaf {index}");
        assert_eq!(again.check_one(request).unwrap().refusal().is_some(), revoked);
        assert_eq!(again.replay(leaf).unwrap().octets, *octets);
    }
    assert_eq!(again.digest(), t.state.digest());
    let lie =
        Leaf { outcome: Outcome::Refused(Refusal::KeyRevoked), index: again.size(), ..Leaf::read(&t.leaves[t.leaves.len() - 2]).unwrap() };
    assert!(again.replay(lie).map_or(true, |applied| applied.outcome != Outcome::Refused(Refusal::KeyRevoked)));
}

#[test]
fn anybody_pulls_the_brake_and_the_rules_release_it() {
    let mut t = Table::new();
    t.propose("civil", &l("Resume"), "no-change");
    let name = t.propose("bureau", &l("Stop"), "done");
    assert_eq!((t.ending(&name), t.state.is_stopped()), (Some(Ending::Accepted), true));
    let wang = ledger::body::Principal { authority: "civil".to_owned(), name: "wang".to_owned() };
    let permits = |t: &Table| t.state.permits(&wang, "transport/vehicle", ledger::body::Permission::Read, "benefit", NOW).is_some();
    assert!(!permits(&t));
    t.check(&delivered("while stopped"), "stopped");
    t.check(&signed(&grant("g", "transport", "clerk", "transport/vehicle", (0, 9), &[]), &["transport"]), "stopped");
    t.check(&signed(&log("l", "transport", None), &["transport"]), "done");
    t.propose("civil", &l("Stop"), "no-change");
    t.decide(&l("Resume"));
    assert!(permits(&t));
    t.check(&delivered("after"), "done");
    t.decide_what_is_impossible(&l("Epoch").text("1"), "no-change");
    t.decide_what_is_impossible(&l("Epoch").text("3"), "no-change");
    t.decide(&l("Epoch").text("2"));
    assert_eq!((t.state.origin().as_str(), t.state.ledger()), ("city.example/main/2", LEDGER));
    t.check(&delivered("in the new epoch"), "done");
}

#[test]
fn governance_is_submitted_alone() {
    let bodies: Vec<Vec<u8>> = [proposal("p", "civil", l("Stop")), proposal("q", "civil", l("Resume"))].iter().map(octets).collect();
    let verdict = Request::read(Entry::batch(bodies, Vec::new()).unwrap()).unwrap_err();
    assert_eq!(verdict.code(), "malformed");
}

#[test]
fn nodes_that_see_a_key_change_in_one_round_or_in_many_give_the_same_leaves() {
    let mut city = Network::new(3, |_| city::scratch(3));
    city.tick(40);
    for (ticket, entry) in (1..).zip(founding()) {
        city.commit(1, ticket, entry);
    }
    let new = key("transport 2");
    // The learner misses it all and gets it at once; the others apply one by one.
    city.cut = [4].into();
    let old = signed(&log("old", "transport", None), &["transport"]);
    let entries = [
        signed(&rekey("rotate", "transport", &[("RecordKey", &new)]), &["transport"]),
        signed_by(&log("new", "transport", None), "transport", &new),
        old.clone(),
        signed(&proposal("stop", "civil", l("Stop")), &["civil"]),
        signed(&trade("t", "transport", "transport/vehicle", "timed-out", None), &["civil"]),
    ];
    let outcomes: Vec<String> = (100..)
        .zip(entries)
        .map(|(ticket, entry)| match city.commit(1, ticket, entry) {
            Answer::Committed { outcome, .. } => outcome.code().to_owned(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(outcomes, ["done", "done", "key-revoked", "done", "stopped"]);
    city.cut.clear();
    city.tick(60);
    assert_eq!(city.roots().len(), 1);
    let digests: BTreeSet<String> = city.nodes.values().map(|node| node.state().digest().to_string()).collect();
    assert_eq!(digests.len(), 1);
    // Admitted together in one step, so that the second is judged before the first is applied.
    let removal = proposal("remove", "transport", l("RemoveMember").with("id", "bureau"));
    assert!(matches!(city.commit(1, 200, signed_by(&removal, "transport", &new)), Answer::Committed { .. }));
    let leader = city.leader().unwrap();
    city.step(leader, Input::Propose { ticket: 201, entry: signed(&ballot("yes", "health", "remove", "yes"), &["health"]) });
    city.step(leader, Input::Propose { ticket: 202, entry: signed(&log("late", "bureau", None), &["bureau"]) });
    city.settle();
    city.tick(60);
    assert!(matches!(city.answers[&201], Answer::Committed { outcome: Outcome::Done, .. }));
    assert_eq!(city.answers[&202], Answer::Invalid(Verdict::UnknownAccount("bureau".to_owned())));
    assert_eq!(city.members[&1], [1, 2, 3], "the ledger's members are the node's");
    city.nodes.remove(&4);
    assert_eq!(city.roots().len(), 1);
    for member in MEMBERS {
        assert_eq!(city.nodes[&1].state().member(member).is_some(), member != "bureau");
    }
}
