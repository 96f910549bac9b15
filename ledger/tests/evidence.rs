//! Evidence bundles and indexes over real files: every octet counts, and what can be rebuilt is rebuilt.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, clippy::string_slice, reason = "a test may fail")]

mod city;

use city::{Network, delivered, founding, genesis, record_key, shown, signed, trade};
use ledger::audit::{Files, Problem, Query, Trust, bundle, verify, verify_files, write};
use ledger::checkpoint::Policy;
use ledger::index::{Direction, Filter, Index, Terms};
use ledger::medium::{Directory, Medium};
use ledger::node::Input;
use ledger::store::Store;
use ledger::tree::Hash;
use std::path::{Path, PathBuf};
use std::process::Command;
use xsd::time::Timestamp;

fn fresh(name: &str) -> PathBuf {
    let dir = std::env::temp_dir().join(format!("waybill-{name}-{}", std::process::id()));
    drop(std::fs::remove_dir_all(&dir));
    dir
}

fn run<M: Medium>(city: &mut Network<M>, trades: u64) {
    city.tick(40);
    let mut entries = founding();
    for n in 0..trades {
        entries.push(match n % 3 {
            0 => signed(&trade(&format!("late {n}"), "transport", "transport/vehicle", "timed-out", None), &["civil"]),
            1 => signed(&trade(&format!("no {n}"), "transport", "transport/vehicle", "delivered", Some("no")), &["transport", "civil"]),
            _ => delivered(&format!("trade {n}")),
        });
    }
    for (ticket, entry) in (1..).zip(entries) {
        city.commit(1 + ticket % 4, ticket, entry);
    }
    city.tick(30);
}

/// A city whose leaves so far are under a published state root.
fn rooted<M: Medium>(city: &mut Network<M>) {
    city.step(1, Input::Mark);
    city.tick(60);
}

fn evidence() -> (Files, Trust) {
    let mut city = Network::new(3, |_| city::scratch(3));
    run(&mut city, 6);
    rooted(&mut city);
    let node = &city.nodes[&4];
    let query = Query { what: Some("transport/vehicle".to_owned()), from: Some(city::NOW), ..Query::default() };
    let run = shown(node, &query);
    let files = bundle(node, &run, &query, "bureau", &record_key("bureau")).unwrap();
    let again: Vec<u64> = run.iter().rev().copied().chain([0, run[0]]).collect();
    assert_eq!(files, bundle(node, &again, &query, "bureau", &record_key("bureau")).unwrap(), "two exports are equal");
    assert!(bundle(node, &[6], &query, "bureau", &record_key("civil")).is_err());
    assert!(bundle(node, &[999], &query, "bureau", &record_key("bureau")).is_err());
    (files, Trust::Fingerprint(Hash::of(genesis(3).body())))
}

#[test]
fn a_bundle_holds_under_the_right_trust_only() {
    let (files, trust) = evidence();
    let report = verify_files(&files, &trust);
    assert_eq!(report.problems, []);
    assert_eq!((report.entries, report.signatures), (10, 16));
    assert!(report.streams.iter().any(|stream| stream.id == "grant" || stream.last > stream.first), "{:?}", report.streams);
    let node = city::open("civil", 3, city::scratch(3));
    let policy = Policy::parse(&node.policy().text()).unwrap();
    assert!(verify_files(&files, &Trust::Policy(policy.clone())).holds());
    let wrong = |report: Vec<Problem>| report.into_iter().map(|problem| problem.file).collect::<Vec<_>>();
    assert_eq!(wrong(verify_files(&files, &Trust::Fingerprint(Hash::of(b"else"))).problems), ["entries/0000000000.xml"]);
    let other = Policy::of_genesis("other.example/main/1", node.state().genesis());
    assert_eq!(wrong(verify_files(&files, &Trust::Policy(other)).problems), ["checkpoint"]);
    let strangers = policy.with_quorum(5);
    assert_eq!(wrong(verify_files(&files, &Trust::Policy(strangers)).problems), ["checkpoint"]);
}

#[test]
fn any_octet_of_any_file_counts_and_the_file_is_named() {
    let (files, trust) = evidence();
    for (name, octets) in &files {
        let step = (octets.len() / 60).max(1);
        for (at, bit) in (0..octets.len()).step_by(step).zip([1_u8, 0x20, 0x80].into_iter().cycle()) {
            let mut damaged = files.clone();
            damaged.get_mut(name).unwrap()[at] ^= bit;
            let report = verify_files(&damaged, &trust);
            let named = report.problems.iter().find(|problem| problem.file == *name);
            let named = named.unwrap_or_else(|| panic!("{name} at {at}: {:?}", report.problems));
            let digits = name.starts_with("entries/") || name.starts_with("proofs/");
            assert_eq!(named.entry.is_some(), digits, "{name}");
        }
        for change in [0, 1] {
            let mut damaged = files.clone();
            let octets = damaged.get_mut(name).unwrap();
            if change == 0 {
                octets.push(b'\n')
            } else {
                octets.truncate(octets.len() - 1)
            }
            assert!(verify_files(&damaged, &trust).problems.iter().any(|problem| problem.file == *name), "{name}");
        }
        let mut missing = files.clone();
        missing.remove(name);
        assert!(verify_files(&missing, &trust).problems.iter().any(|problem| problem.file == *name), "{name}");
    }
    for extra in ["entries/0000000099.xml", "entries/1.xml", "proofs/0000000099.tlog-proof", "keys/x.pem", "readme"] {
        let mut added = files.clone();
        added.insert(extra.to_owned(), b"x".to_vec());
        assert!(verify_files(&added, &trust).problems.iter().any(|problem| problem.file == extra), "{extra}");
    }
}

#[test]
fn a_bundle_signed_again_by_a_member_still_shows_what_was_changed() {
    let (files, trust) = evidence();
    let resign = |mut files: Files, name: &str| {
        let old = Hash::of(&evidence().0[name]).to_string();
        let new = Hash::of(&files[name]).to_string();
        let manifest = String::from_utf8(files["manifest.xml"].clone()).unwrap().replace(&old, &new).into_bytes();
        let signature = data_encoding::BASE64.encode(&record_key("bureau").sign(&manifest));
        files.insert("manifest.sig".to_owned(), format!("{}\n{signature}\n", Hash::of(&manifest)).into_bytes());
        files.insert("manifest.xml".to_owned(), manifest);
        verify_files(&files, &trust).problems
    };
    for (name, from, to) in [
        ("entries/0000000006.xml", "timed-out", "delivered"),
        ("entries/0000000007.xml", ">unknown-grant<", ">done<"),
        ("entries/0000000008.xml", "sequence=\"", "sequence=\"1"),
        ("keys/civil.pem", "A", "B"),
        ("VERIFY.txt", "set -eu", "exit 0"),
    ] {
        let mut changed = files.clone();
        let text = String::from_utf8(changed[name].clone()).unwrap();
        assert!(text.contains(from));
        changed.insert(name.to_owned(), text.replacen(from, to, 1).into_bytes());
        let problems = resign(changed, name);
        assert!(problems.iter().any(|problem| problem.file == name), "{name}: {problems:?}");
    }
}

#[test]
fn xmllint_openssl_and_sha256sum_alone_verify_every_record() {
    let (files, trust) = evidence();
    let dir = fresh("bundle");
    write(&dir, &files).unwrap();
    assert!(verify(&dir, &trust).unwrap().holds());
    let sh = || Command::new("sh").arg("VERIFY.txt").current_dir(&dir).output().unwrap();
    let output = sh();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    assert!(text.contains(&format!("genesis {}", Hash::of(genesis(3).body()))), "{text}");
    assert_eq!(text.matches("signed and included").count(), 10);
    assert!(text.matches("checkpoint cosigned by").count() >= 2);

    let entry = dir.join("entries/0000000008.xml");
    let good = std::fs::read_to_string(&entry).unwrap();
    for (from, to) in [("benefit", "benefix"), (">done<", ">dona<")] {
        std::fs::write(&entry, good.replace(from, to)).unwrap();
        assert!(!sh().status.success());
        let problems = verify(&dir, &trust).unwrap().problems;
        assert!(problems.iter().any(|problem| problem.file == "entries/0000000008.xml" && problem.entry == Some(8)));
    }
    std::fs::write(&entry, good).unwrap();
    std::fs::create_dir(dir.join("more")).unwrap();
    assert!(verify(&dir, &trust).unwrap().problems.iter().any(|problem| problem.file == "more"));
    std::fs::remove_dir_all(&dir).unwrap();
}

/// Every answer of the index against a scan of the leaves.
fn check(index: &Index, city: &Network<Directory>, filter: &Filter, expected: &dyn Fn(&ledger::record::Leaf, &str) -> bool) {
    let node = &city.nodes[&2];
    let mut scan = Vec::new();
    for at in 0..node.status().size {
        let octets = node.leaf(at).unwrap();
        if expected(&ledger::record::Leaf::read(&octets).unwrap(), std::str::from_utf8(&octets).unwrap()) {
            scan.push(at);
        }
    }
    for limit in [1, 2, 7, 1000] {
        for direction in [Direction::Ascending, Direction::Descending] {
            let (mut found, mut cursor) = (Vec::new(), None);
            loop {
                let page = index.query(filter, cursor, limit, direction).unwrap();
                assert!(page.indexes.len() <= limit);
                found.extend(page.indexes);
                cursor = page.next;
                if cursor.is_none() {
                    break;
                }
            }
            if direction == Direction::Descending {
                found.reverse();
            }
            assert_eq!(found, scan, "{filter:?} by {limit}");
        }
    }
}

fn files(root: &Path, number: u64) -> Store<Directory> {
    Store::open(Directory::open(&root.join(number.to_string())).unwrap(), &Hash::of(genesis(3).body()), None).unwrap()
}

#[test]
fn a_node_on_files_comes_back_whole_and_its_index_can_be_deleted() {
    let root = fresh("nodes");
    std::fs::create_dir(&root).unwrap();
    let mut city = Network::new(3, |number| files(&root, number));
    run(&mut city, 30);
    let roots = city.roots();
    assert_eq!(roots.len(), 1);
    let some = |text: &str| vec![text.to_owned()];
    for round in 0..3 {
        let store = city.kill(2);
        drop(store);
        if round == 1 {
            std::fs::remove_dir_all(root.join("index")).unwrap();
        }
        city.nodes.insert(2, city::open("health", 3, files(&root, 2)));
        assert!(city.nodes[&2].status().size >= 30, "the leaves are there before anybody speaks");
        assert!(city.nodes[&2].status().covered >= 30, "and so is a checkpoint");
        city.tick(40);
        assert_eq!(city.roots(), roots);
        let index = Index::open(&root.join("index")).unwrap();
        let leaves: Vec<Vec<u8>> = (0..36).map(|at| city.nodes[&2].leaf(at).unwrap()).collect();
        let terms: Vec<Terms> = leaves.iter().map(|octets| Terms::read(octets, ledger::record::Leaf::hash(octets)).unwrap()).collect();
        assert_eq!(index.known().0, if round == 2 { 36 } else { 0 }, "what was taken in stays");
        assert_eq!(index.take(&terms).unwrap(), 36);
        check(&index, &city, &Filter::default(), &|_, _| true);
        check(&index, &city, &Filter { who: some("civil"), ..Filter::default() }, &|_, text| text.contains(" id=\"civil\" kind="));
        check(&index, &city, &Filter { sender: some("civil"), ..Filter::default() }, &|_, text| {
            text.contains(" id=\"civil\" kind=\"sender\"")
        });
        check(&index, &city, &Filter { status: some("delivered"), who: some("transport"), ..Filter::default() }, &|_, text| {
            text.contains(">delivered<")
        });
        let refused = Filter { status: some("delivered"), outcome: some("unknown-grant"), ..Filter::default() };
        check(&index, &city, &refused, &|leaf, _| leaf.outcome.code() == "unknown-grant");
        check(&index, &city, &Filter { kind: some("grant"), what: some("transport/vehicle"), ..Filter::default() }, &|leaf, _| {
            leaf.kind.code() == "grant"
        });
        check(&index, &city, &Filter { user: some("civil/wang"), ..Filter::default() }, &|_, text| text.contains(">wang<"));
        check(&index, &city, &Filter { what: some("transport/nothing"), ..Filter::default() }, &|_, _| false);
        let place =
            Filter { server: some("transport.example:443"), service: some("Trading"), operation: some("PlaceOrder"), ..Filter::default() };
        check(&index, &city, &place, &|_, text| text.contains(">transport.example:443<") && text.contains(">PlaceOrder<"));
        check(&index, &city, &Filter { purpose: some("benefit"), ..Filter::default() }, &|_, text| text.contains("Purpose>benefit<"));
        check(&index, &city, &Filter { conversation: vec![city::uuid("conversation")], ..Filter::default() }, &|leaf, text| {
            leaf.kind.code() == "trade" && text.contains(&city::uuid("conversation"))
        });
        check(&index, &city, &Filter { signer: some("bureau"), ..Filter::default() }, &|leaf, _| {
            leaf.entry.signatures().iter().any(|signature| signature.account == "bureau")
        });
        let kinds = Filter { kind: vec!["user".to_owned(), "role".to_owned(), "directory".to_owned()], ..Filter::default() };
        check(&index, &city, &kinds, &|leaf, _| ["user", "role", "directory"].contains(&leaf.kind.code()));
        let (from, to) = (Timestamp(city::NOW.0 + 410), Timestamp(city::NOW.0 + 470));
        check(&index, &city, &Filter { from: Some(from), to: Some(to), ..Filter::default() }, &|leaf, _| {
            from <= leaf.time && leaf.time < to
        });
    }
    std::fs::remove_dir_all(&root).unwrap();
}
