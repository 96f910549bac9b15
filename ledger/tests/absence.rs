//! Bundles that show all there is, or that there is nothing: with period and partner, of batches, and under keys that have changed.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, clippy::string_slice, reason = "a test may fail")]

mod city;

use city::{
    LEDGER, NOW, Network, ballot, batch, delivered, founding, genesis, key, l, log, node_key, proposal, record_key, rekey, shown, signed,
    signed_by, trade,
};
use ledger::audit::{Files, Query, Report, Trust, bundle, verify_files, write};
use ledger::checkpoint::Policy;
use ledger::keys::SecretKey;
use ledger::medium::Scratch;
use ledger::node::{Answer, Input};
use ledger::record::{Entry, Kind, Leaf, Outcome, Refusal};
use ledger::tree::Hash;
use std::process::Command;
use xsd::time::Timestamp;

const MINUTE: u64 = 60_000;

fn trust() -> Trust {
    Trust::Fingerprint(Hash::of(genesis(3).body()))
}

fn pull(city: &Network<Scratch>, run: &[u64], query: &Query) -> Files {
    bundle(&city.nodes[&4], run, query, "bureau", &record_key("bureau")).unwrap()
}

fn commit_all(city: &mut Network<Scratch>, entries: Vec<Entry>) {
    for entry in entries {
        let ticket = 1 + city.answers.len() as u64;
        let answer = city.commit(1 + ticket % 4, ticket, entry);
        assert!(matches!(answer, Answer::Committed { .. }), "{answer:?}");
    }
}

/// A city with its founding records.
fn city() -> Network<Scratch> {
    let mut city = Network::new(3, |_| city::scratch(3));
    city.tick(40);
    commit_all(&mut city, founding());
    city
}

fn rooted(city: &mut Network<Scratch>) {
    city.step(1, Input::Mark);
    city.tick(60);
}

/// The shell script's word on a bundle, in `sh` with openssl and xmllint.
fn by_hand(name: &str, files: &Files) -> (bool, String) {
    let dir = std::env::temp_dir().join(format!("waybill-by-hand-{name}-{}", std::process::id()));
    drop(std::fs::remove_dir_all(&dir));
    write(&dir, files).unwrap();
    let output = Command::new("sh").arg("VERIFY.txt").current_dir(&dir).output().unwrap();
    std::fs::remove_dir_all(&dir).unwrap();
    (output.status.success(), format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr)))
}

/// Four periods of ten minutes: trades with civil, then logs with health, then nothing, then trades again.
fn year() -> Network<Scratch> {
    let mut city = city();
    let late = |n: usize| signed(&trade(&format!("late {n}"), "transport", "transport/vehicle", "timed-out", None), &["civil"]);
    let mixed = |n: usize| if n.is_multiple_of(3) { late(n) } else { delivered(&format!("trade {n}")) };
    commit_all(&mut city, (0..5).map(mixed).collect());
    city.now = NOW.plus_ms(10 * MINUTE);
    let with_health = |n: usize| signed(&log(&format!("log {n}"), "transport", Some("health")), &["transport", "health"]);
    commit_all(&mut city, (0..3).map(with_health).collect());
    city.now = NOW.plus_ms(30 * MINUTE);
    commit_all(&mut city, (5..9).map(mixed).collect());
    city.now = NOW.plus_ms(40 * MINUTE);
    rooted(&mut city);
    city
}

/// Every question about a year, with whether it is answered by anything.
fn questions() -> Vec<(Query, bool)> {
    let some = |text: &str| Some(text.to_owned());
    let period =
        |from: u64, to: u64| Query { from: Some(NOW.plus_ms(from * MINUTE)), to: Some(NOW.plus_ms(to * MINUTE)), ..Query::default() };
    let of = |sector: &str, with: &str| Query { sector: some(sector), with: some(with), ..Query::default() };
    vec![
        (of("transport", "civil"), true),
        (Query { ..of("transport", "bureau") }, false),
        (Query { sector: some("transport"), with: some("civil"), ..period(5, 25) }, false),
        (Query { sector: some("civil"), with: some("transport"), ..period(5, 25) }, false),
        (Query { sector: some("transport"), with: some("health"), ..period(5, 25) }, true),
        (Query { sector: some("transport"), with: some("health"), ..period(15, 25) }, false),
        (Query { sector: some("health"), with: some("civil"), ..period(0, 50) }, false),
        (Query { sector: some("police"), with: some("civil"), ..period(5, 25) }, false),
        (Query { sector: some("transport"), with: some("civil"), ..period(25, 35) }, true),
        (Query { sector: some("transport"), with: some("civil"), status: some("denied"), ..Query::default() }, false),
        (Query { sender: some("transport"), status: some("delivered"), ..period(0, 5) }, true),
        (Query { receiver: some("health"), kind: Some(Kind::Trade), ..Query::default() }, false),
        (Query { what: some("transport/vehicle"), purpose: some("benefit"), ..period(20, 60) }, true),
        (Query { what: some("transport/vehicle"), purpose: some("tax"), ..Query::default() }, false),
        (Query { what: some("transport/vehicle"), outcome: Some(Outcome::Refused(Refusal::Stopped)), ..Query::default() }, false),
        (Query { grant: Some(city::uuid("grant")), ..period(5, 25) }, false),
    ]
}

/// Every leaf that fits, by reading all.
fn naive(city: &Network<Scratch>, query: &Query) -> Vec<u64> {
    let node = &city.nodes[&4];
    let fits = |index: &u64| {
        let leaf = Leaf::read(&node.leaf(*index).unwrap()).unwrap();
        let record = ledger::body::Record::read(leaf.entry.body()).unwrap();
        query.fits(&leaf, &record)
    };
    (1..node.state().rooted().index()).filter(fits).collect()
}

fn names(report: &Report, text: &str) -> bool {
    report.problems.iter().any(|problem| problem.what.contains(text))
}

#[test]
fn nothing_between_two_sectors_in_a_period_is_proven_and_what_is_hidden_is_named() {
    let city = year();
    let node = &city.nodes[&4];
    let mut left_out = 0;
    for (query, answered) in questions() {
        let run = shown(node, &query);
        let files = pull(&city, &run, &query);
        let report = verify_files(&files, &trust());
        assert_eq!(report.problems, [], "{query:?}");
        assert!(report.is_complete(), "{query:?}");
        assert_eq!(report.answers, naive(&city, &query), "{query:?}");
        assert_eq!(!report.answers.is_empty(), answered, "{query:?}");
        assert_eq!(report.query, query);
        for index in run.iter().filter(|index| **index != 0) {
            let rest: Vec<u64> = run.iter().copied().filter(|other| other != index).collect();
            let report = verify_files(&pull(&city, &rest, &query), &trust());
            let leaf = Leaf::read(&node.leaf(*index).unwrap()).unwrap();
            let streams = query.streams();
            let heads = leaf.heads.iter().filter(|head| streams.contains(&(head.kind, head.id.clone())));
            let found: Vec<bool> = heads
                .map(|head| {
                    names(&report, &format!("the stream '{}' of {} lacks its record {} ", head.kind.code(), head.id, head.sequence))
                })
                .collect();
            assert!(!found.is_empty() && found.iter().all(|found| *found), "{query:?} without {index}: {:?}", report.problems);
            assert!(!report.is_complete());
            left_out += 1;
        }
    }
    assert!(left_out > 100, "{left_out}");
}

/// What an exporter changes in a manifest, and what is said of it.
type Change<'a> = (&'a str, &'a dyn Fn(&str) -> String, &'a str);

/// With another manifest, which the exporter signs.
fn signed_again(mut files: Files, change: impl Fn(&str) -> String) -> Files {
    let manifest = change(std::str::from_utf8(&files["manifest.xml"]).unwrap()).into_bytes();
    let signature = data_encoding::BASE64.encode(&record_key("bureau").sign(&manifest));
    files.insert("manifest.sig".to_owned(), format!("{}\n{signature}\n", Hash::of(&manifest)).into_bytes());
    files.insert("manifest.xml".to_owned(), manifest);
    files
}

#[test]
fn an_exporter_that_signs_another_manifest_is_found_out() {
    let city = year();
    let query = Query { sector: Some("transport".to_owned()), with: Some("civil".to_owned()), ..Query::default() };
    let files = pull(&city, &shown(&city.nodes[&4], &query), &query);
    let cut = |manifest: &str, from: &str, to: &str| {
        let (head, rest) = manifest.split_at(manifest.find(from).unwrap());
        head.to_owned() + &rest[rest.find(to).unwrap()..]
    };
    let changes: [Change<'_>; 5] = [
        ("a count", &|manifest| manifest.replacen(" count=\"", " count=\"9", 1), "not proven"),
        ("no proofs", &|manifest| cut(manifest, "<b:Proven", "<b:File"), "does not say how far"),
        ("an answer hidden", &|manifest| cut(manifest, "<b:Answer", "<b:Stream"), "not those that fit"),
        (
            "a question for which less is an answer",
            &|manifest| manifest.replace(">civil</b:Asked>", ">health</b:Asked>"),
            "not those that fit",
        ),
        ("a question that nobody understands", &|manifest| manifest.replace("name=\"with\"", "name=\"wit\""), "does not know"),
    ];
    for (name, change, expected) in changes {
        let report = verify_files(&signed_again(files.clone(), change), &trust());
        assert!(names(&report, expected), "{name}: {:?}", report.problems);
        assert!(!report.is_complete(), "{name}");
    }
    assert!(by_hand("period", &files).0);
}

#[test]
fn a_period_that_is_not_over_is_complete_up_to_the_state_root() {
    let mut city = year();
    let open = |to: u64| Query { sector: Some("civil".to_owned()), to: Some(NOW.plus_ms(to * MINUTE)), ..Query::default() };
    let report = |city: &Network<Scratch>, query: &Query| verify_files(&pull(city, &shown(&city.nodes[&4], query), query), &trust());
    let before = report(&city, &open(60));
    let (root, until): (u64, Timestamp) = before.root.unwrap();
    assert!(before.is_complete() && until < NOW.plus_ms(60 * MINUTE), "{until}");
    assert_eq!(root, city.nodes[&4].state().rooted().index());
    commit_all(&mut city, vec![delivered("after the root")]);
    city.tick(60);
    let after = city.nodes[&4].state().size() - 1;
    let refused = bundle(&city.nodes[&4], &[after], &open(60), "bureau", &record_key("bureau"));
    assert!(refused.is_err(), "of a record after the state root nobody could say under which keys");
    rooted(&mut city);
    assert_eq!(report(&city, &open(60)).answers.len(), before.answers.len() + 1);
}

#[test]
fn one_record_of_a_batch_leads_to_what_its_parties_signed() {
    let mut city = city();
    let logs: Vec<_> = (0..100).map(|n| log(&format!("log {n}"), "transport", Some("health"))).collect();
    commit_all(
        &mut city,
        vec![batch(&logs, &["transport", "health"]), batch(&[log("alone", "transport", Some("civil"))], &["transport", "civil"])],
    );
    // A state root stands in the middle of a batch, too: at leaf 4095.
    for first in (0..40).map(|n| 1000 + n * 100) {
        let logs: Vec<_> = (first..first + 100).map(|n| log(&format!("log {n}"), "health", None)).collect();
        commit_all(&mut city, vec![batch(&logs, &["health"])]);
    }
    rooted(&mut city);
    let everything = Query::default();
    let split: Vec<u64> = (6..112).step_by(9).chain([106, 4090, 4094, 4096, 4100]).collect();
    let files = pull(&city, &split, &everything);
    let report = verify_files(&files, &trust());
    assert_eq!((report.problems.clone(), report.answers.len()), (vec![], split.len()));
    assert!(!report.is_complete(), "a question without a party shows what is there, and nothing else");
    let paths: Vec<&String> = files.keys().filter(|name| name.starts_with("batches/")).collect();
    assert_eq!(paths.len(), split.len());
    for name in paths {
        let index = name.trim_start_matches("batches/").trim_end_matches(".path").parse().unwrap();
        let octets = &files[name];
        for at in (0..octets.len()).step_by(7) {
            let mut damaged = files.clone();
            damaged.get_mut(name).unwrap()[at] ^= 1;
            let old = Hash::of(octets).to_string();
            let new = Hash::of(&damaged[name]).to_string();
            let report = verify_files(&signed_again(damaged, |manifest| manifest.replace(&old, &new)), &trust());
            assert!(report.problems.iter().any(|problem| problem.file == *name && problem.entry == Some(index)), "{name} at {at}");
        }
    }
    let (right, said) = by_hand("batch", &files);
    assert!(right, "{said}");
    let mut swapped = files.clone();
    swapped.insert("batches/0000000006.path".to_owned(), files["batches/0000000015.path"].clone());
    let (right, said) = by_hand("swapped", &swapped);
    assert!(!right && said.contains("not of its batch"), "{said}");
}

/// What the members decide in a city: a new member, a rotated key, a revoked one, another quorum, a new epoch.
fn governed() -> Network<Scratch> {
    let mut city = city();
    let by = |name: &str| delivered(name);
    commit_all(&mut city, vec![by("before")]);
    let mut named = 0;
    let mut decide = |city: &mut Network<Scratch>, action: &xsd::tree::Element, voices: &[(&str, &SecretKey)]| {
        named += 1;
        let name = format!("motion {named}");
        commit_all(city, vec![signed_by(&proposal(&name, voices[0].0, action.clone()), voices[0].0, voices[0].1)]);
        for (member, key) in &voices[1..] {
            commit_all(city, vec![signed_by(&ballot(&format!("{name} {member}"), member, &name, "yes"), member, key)]);
        }
    };
    let (transport, health) = (record_key("transport"), record_key("health"));
    let mut seat = l("AddMember").with("id", "police").with("node", "5").with("role", "sector").with("suffrage", "learner");
    seat.push(l("Name").with("lang", "en").text("police"));
    seat = seat.leaf("RecordKey", record_key("police").public().to_string()).leaf("NodeKey", node_key("police").public().to_string());
    for what in ["TlsCertificate", "MessageCertificate", "Administrator"] {
        seat = seat.leaf(what, Hash::of(format!("{what} police").as_bytes()).to_string());
    }
    seat = seat.leaf("Service", "police.example:443").leaf("Peer", "police.example:7000");
    decide(&mut city, &seat, &[("transport", &transport), ("health", &health)]);
    let second = key("second");
    commit_all(&mut city, vec![signed_by(&rekey("rotation", "transport", &[("RecordKey", &second)]), "transport", &transport)]);
    // With the key of before: on record as that, without effect.
    commit_all(&mut city, vec![signed(&log("too late", "transport", None), &["transport"])]);
    commit_all(&mut city, vec![signed_by(&log("in time", "transport", None), "transport", &second)]);
    let (civil, police) = (record_key("civil"), record_key("police"));
    decide(&mut city, &l("Quorum").text("3"), &[("transport", &second), ("health", &health), ("police", &police)]);
    let revoke = l("RevokeKey").with("id", "health").leaf("Revoked", health.public().to_string());
    decide(&mut city, &revoke, &[("transport", &second), ("civil", &civil), ("police", &police)]);
    commit_all(&mut city, vec![signed_by(&log("with police", "police", None), "police", &police)]);
    rooted(&mut city);
    city
}

#[test]
fn keys_members_and_the_quorum_follow_from_the_genesis_alone() {
    let city = governed();
    let node = &city.nodes[&4];
    assert_eq!((node.state().quorum(), node.state().members().count()), (3, 5));
    assert!(node.state().key_at("health", node.state().size()).unwrap().record_key.is_none());
    let query = Query { sector: Some("transport".to_owned()), ..Query::default() };
    let run = shown(node, &query);
    let files = pull(&city, &run, &query);
    let report = verify_files(&files, &trust());
    assert_eq!(report.problems, []);
    assert!(report.is_complete() && !files.contains_key("keys/police.pem"));
    assert!(files.keys().any(|name| name.starts_with("keys/police.")) && files.keys().any(|name| name.starts_with("keys/transport.")));
    // Who believes the genesis' quorum of 2 believes a checkpoint that the members would not: 3 is what they decided.
    let note = std::str::from_utf8(&files["checkpoint"]).unwrap();
    let (head, lines) = note.split_once("\n\n").unwrap();
    let lines: Vec<&str> = lines.lines().collect();
    let few = format!("{head}\n\n{}\n", lines[..3].join("\n"));
    assert!(Policy::of_genesis(LEDGER, node.state().genesis()).verify(&few).is_ok());
    let again = |files: &Files, name: &str, octets: Vec<u8>| {
        let (mut changed, old) = (files.clone(), Hash::of(&files[name]).to_string());
        let new = Hash::of(&octets).to_string();
        changed.insert(name.to_owned(), octets);
        verify_files(&signed_again(changed, |manifest| manifest.replace(&old, &new)), &trust())
    };
    assert!(again(&files, "checkpoint", few.into_bytes()).problems.iter().any(|problem| problem.file == "checkpoint"));
    // Each decision that is left out is missed, and what is signed by the keys that it brought does not verify.
    let decided: Vec<u64> =
        run.iter().copied().filter(|index| Leaf::read(&node.leaf(*index).unwrap()).unwrap().heads[0].id == LEDGER).collect();
    assert_eq!(decided.len(), 9);
    for (number, index) in decided.iter().enumerate() {
        let rest: Vec<u64> = run.iter().copied().filter(|other| other != index).collect();
        let report = verify_files(&pull(&city, &rest, &query), &trust());
        assert!(
            names(&report, &format!("the stream 'governance' of {LEDGER} lacks its record {number} of 9")),
            "{index}: {:?}",
            report.problems
        );
    }
    // A leaf that says it was signed in time, though its key had ended, and one that says the contrary.
    let of = |name: &str| {
        let index = run.iter().find(|index| Leaf::read(&node.leaf(**index).unwrap()).unwrap().client == city::uuid(name)).unwrap();
        format!("entries/{index:010}.xml")
    };
    for (name, from, to) in [("too late", ">key-revoked<", ">done<"), ("in time", ">done<", ">key-revoked<")] {
        let text = String::from_utf8(files[&of(name)].clone()).unwrap();
        assert!(text.contains(from), "{text}");
        let report = again(&files, &of(name), text.replace(from, to).into_bytes());
        assert!(
            report.problems.iter().any(|problem| problem.file == of(name) && problem.what.contains("outcome")),
            "{:?}",
            report.problems
        );
    }
    let (right, said) = by_hand("keys", &files);
    assert!(right && said.contains("a later key"), "{said}");
}

#[test]
fn a_key_that_never_was_registered_verifies_nothing() {
    let city = governed();
    let query = Query { sector: Some("police".to_owned()), ..Query::default() };
    let files = pull(&city, &shown(&city.nodes[&4], &query), &query);
    let report = verify_files(&files, &trust());
    assert_eq!((report.problems.clone(), report.answers.len()), (vec![], 3));
    let name = files.keys().find(|name| name.starts_with("keys/police.") && !name.contains("node")).unwrap();
    let mut other = files.clone();
    other.insert(name.clone(), key("stranger").public().pem().into_bytes());
    let (old, new) = (Hash::of(&files[name]).to_string(), Hash::of(&other[name]).to_string());
    let report = verify_files(&signed_again(other, |manifest| manifest.replace(&old, &new)), &trust());
    assert!(report.problems.iter().any(|problem| problem.file == *name), "{:?}", report.problems);
}
