//! What an auditor is told of a city: nothing that does not hold, every trade once, and at once who shows another history.

#![allow(clippy::panic, clippy::indexing_slicing, clippy::string_slice, reason = "a test fails by panicking")]

use adapter::config::Config;
use conformance::city::City;
use ledger::checkpoint::{Checkpoint, Note, NoteSignature, Verifier};
use ledger::diff::subtrees;
use ledger::keys::SecretKey;
use ledger::tree::{Tree, leaf_hash};
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Mutex;

/// Two cities that start at the same moment may take the same ports.
static ONE: Mutex<()> = Mutex::new(());

fn told(city: &City, arguments: &[&str], status: i32) -> (String, String) {
    let output = city.run(arguments);
    let (out, err) = (String::from_utf8_lossy(&output.stdout).into_owned(), String::from_utf8_lossy(&output.stderr).into_owned());
    assert_eq!(output.status.code(), Some(status), "{arguments:?}: {out}{err}");
    (out, err)
}

fn report(city: &City, arguments: &[&str]) -> Value {
    let (out, _) = told(city, &[&["audit", "report"], arguments, &["--json"]].concat(), 0);
    serde_json::from_str(&out).unwrap_or_else(|_| panic!("{out}"))
}

fn sum(report: &Value, what: &str) -> u64 {
    report["trades"].as_array().expect("a list").iter().filter_map(|row| row[what].as_u64()).sum()
}

fn flip(path: &Path) {
    let mut octets = std::fs::read(path).expect("a file");
    let middle = octets.len() / 2;
    octets[middle] ^= 1;
    std::fs::write(path, octets).expect("it can be written");
}

#[test]
fn a_report_counts_what_is_proven_and_nothing_else() {
    let _one = ONE.lock();
    let mut city = City::start("report");
    let clerk = city.profile("civil", "clerk").display().to_string();
    for plate in ["none", "nowhere"] {
        let criterion = format!("plate={plate}");
        told(&city, &["trade", "request", "--profile", &clerk, "--purpose", "registration-check", "transport/vehicle", &criterion], 0);
    }
    let auditor = city.profile("bureau", "auditor").display().to_string();
    told(&city, &["audit", "pull", "--profile", &auditor, "--sector", "civil", "--bundle", "pulled"], 0);
    let of_bundle = report(&city, &["pulled", "--policy", "policy", "--csv", "trades.csv"]);
    assert_eq!(of_bundle["proof"]["verified"], json!(true));
    let table = std::fs::read_to_string(city.dir().join("trades.csv")).expect("the table");
    let counted: u64 = ["permitted", "denied", "not_delivered", "refused"].iter().map(|what| sum(&of_bundle, what)).sum();
    assert!(counted > 2 && table.lines().count() as u64 == counted + 1, "{counted}\n{table}");
    assert!(sum(&of_bundle, "permitted") > 0 && sum(&of_bundle, "denied") > 0, "{of_bundle}");
    let (text, _) = told(&city, &["audit", "report", "pulled", "--policy", "policy"], 0);
    let top: Vec<&str> = text.lines().take(4).collect();
    assert!(top[1].starts_with("Verified up to the checkpoint of ") && top[3].contains("all records of: sector=civil"), "{text}");

    // The whole ledger says the same of civil, and more: the grants with their periods.
    city.stop("transport");
    let of_ledger = report(&city, &["transport/ledger", "--genesis", "genesis"]);
    let rows = |report: &Value| -> Vec<Value> {
        let all = report["trades"].as_array().expect("a list").iter();
        all.filter(|row| row["sender"] == json!("civil") || row["receiver"] == json!("civil")).cloned().collect()
    };
    assert_eq!(rows(&of_bundle), rows(&of_ledger));
    let used: u64 = of_ledger["grants"].as_array().expect("a list").iter().filter_map(|grant| grant["uses"].as_u64()).sum();
    assert_eq!(used, sum(&of_ledger, "permitted"), "each delivery by a grant: {of_ledger}");
    assert!(of_ledger["grants"].as_array().expect("a list").iter().all(|grant| grant["outside"] == json!([])), "{of_ledger}");
    assert_eq!((&of_ledger["unknown_grants"], &of_ledger["ungranted"]), (&json!({}), &json!([])));

    // One changed octet, another trust root, and there is no report.
    let other = "0".repeat(64);
    let (out, _) = told(&city, &["audit", "report", "pulled", "--genesis", &other], 1);
    assert_eq!(out, "");
    let entry = std::fs::read_dir(city.dir().join("pulled/entries")).expect("a folder").filter_map(Result::ok).next().expect("an entry");
    flip(&entry.path());
    let (out, err) = told(&city, &["audit", "report", "pulled", "--policy", "policy"], 1);
    assert!(out.is_empty() && err.contains("error[unverified]"), "{out}{err}");
    let log = std::fs::read_dir(city.dir().join("transport/ledger")).expect("a folder").filter_map(Result::ok).map(|item| item.path());
    let log = log.filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("wal_"))).max().expect("a log");
    let mut octets = std::fs::read(&log).expect("a log");
    octets[200] ^= 1;
    std::fs::write(&log, octets).expect("it can be written");
    let (out, _) = told(&city, &["audit", "report", "transport/ledger", "--genesis", "genesis"], 1);
    assert_eq!(out, "");
}

/// A checkpoint that three members' nodes signed, over a history of its own, as a watch remembers it.
fn lie(city: &City, origin: &str, size: u64, node: &str) -> String {
    let mut tree = Tree::default();
    (0..size).for_each(|leaf| tree.push(leaf_hash(format!("another leaf {leaf}").as_bytes())));
    let checkpoint = Checkpoint { origin: origin.to_owned(), size, root: tree.root(size).expect("a root") };
    let text = checkpoint.text();
    let key = |sector: &str| {
        let config = Config::load(&city.dir().join(sector).join("waybill.toml")).expect("the sector is configured");
        SecretKey::from_seed(adapter::pki::read_seed(&config.keys.node).expect("a key"))
    };
    let mut signatures = vec![NoteSignature::sign(origin, &key("civil"), &text)];
    for sector in ["civil", "health", "transport"] {
        let verifier = Verifier::cosigner(sector, origin, key(sector).public());
        signatures.push(NoteSignature::cosign(&verifier, &key(sector), 1_780_000_000, &text));
    }
    let peaks: Vec<String> = subtrees(0..size).iter().map(|subtree| tree.subtree_root(*subtree).expect("a hash").to_string()).collect();
    json!({ "note": Note { checkpoint, signatures }.text(), "peaks": peaks, "nodes": { node: size } }).to_string()
}

#[test]
fn a_watch_follows_and_sees_who_shows_another_history() {
    let _one = ONE.lock();
    let city = City::start("watch");
    let (auditor, clerk) = (city.profile("bureau", "auditor").display().to_string(), city.profile("civil", "clerk").display().to_string());
    let (one, other) = (city.url("transport"), city.url("civil"));
    let watch = |more: &[&str], status: i32| -> (Vec<Value>, String) {
        let base = ["audit", "watch", "--profile", &auditor, "--state", "seen", "--once", &one, &other];
        let policy: &[&str] = if more.contains(&"--policy") { &[] } else { &["--policy", "policy"] };
        let (out, err) = told(&city, &[&base, policy, more].concat(), status);
        (out.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{out}"))).collect(), err)
    };
    let (said, _) = watch(&[], 0);
    assert!(said[0]["begins"].as_u64().is_some_and(|size| size > 5), "{said:?}");
    let criteria = ["transport/vehicle", "plate=none"];
    told(&city, &[&["trade", "request", "--profile", &clerk, "--purpose", "registration-check"], &criteria[..]].concat(), 0);
    let (mut said, _) = watch(&["--kind", "trade"], 0);
    for _ in 0..20 {
        if said.iter().any(|line| line["kind"] == json!("trade")) {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(200));
        said.extend(watch(&["--kind", "trade"], 0).0);
    }
    assert_eq!(said.iter().filter(|line| line["kind"] == json!("trade")).count(), 1, "once, and no other record: {said:?}");
    assert!(
        said.iter().any(|line| line["checkpoint"].is_u64() && line["signers"].as_array().is_some_and(|names| names.len() >= 2)),
        "{said:?}"
    );

    let honest = std::fs::read_to_string(city.dir().join("seen")).expect("what was seen");
    let note: Value = serde_json::from_str(&honest).expect("JSON");
    let note = Note::parse(note["note"].as_str().expect("a note")).expect("a note");
    let (origin, size) = (note.checkpoint.origin.as_str(), note.checkpoint.size);
    let seen = city.dir().join("seen");
    let alarm = |state: &str, more: &[&str], code: &str| {
        std::fs::write(&seen, state).expect("it can be written");
        let (said, err) = watch(more, 3);
        let last = said.last().cloned().unwrap_or_default();
        assert_eq!(last["alarm"], json!(code), "{said:?}{err}");
        assert_eq!(std::fs::read_to_string(&seen).expect("a file"), state, "what was seen stays what it was");
        last
    };
    // The same number of leaves, fewer, and more of them than the node has.
    let forked = alarm(&lie(&city, origin, size, &one), &[], "fork");
    let evidence = forked["evidence"].as_str().expect("two notes of one size are evidence").to_owned();
    let (proof, _) = told(&city, &["audit", "verify", &evidence, "--policy", "policy"], 0);
    assert!(proof.contains("signed both, and so lied"), "{proof}");
    alarm(&lie(&city, origin, size - 3, &one), &[], "fork");
    let back = alarm(&lie(&city, origin, size + 7, &one), &["--grace", "1", "--every", "1"], "rollback");
    assert_eq!(back["notes"].as_array().map(Vec::len), Some(2), "{back}");
    std::thread::sleep(std::time::Duration::from_secs(3));
    alarm(&honest, &["--stale", "1"], "stale");

    let key = |member: &str| SecretKey::from_seed(ledger::tree::Hash::of(member.as_bytes()).0).public();
    let seats = ["transport", "health"].map(|member| {
        let (log, seat) = (Verifier::log(origin, key(member)), Verifier::cosigner(member, origin, key(member)));
        format!("log {}\nwitness {member} {}\n", log.vkey(), seat.vkey())
    });
    std::fs::write(city.dir().join("strangers"), format!("{}group nodes 2 transport health\nquorum nodes\n", seats.concat()))
        .expect("a policy");
    std::fs::remove_file(&seen).expect("it can be removed");
    let (said, _) = watch(&["--policy", "strangers"], 3);
    assert_eq!(said[0]["alarm"], json!("wrong-key"), "{said:?}");
    for damaged in ["", "{}", &honest[..honest.len() / 2], &honest.replacen("\"peaks\":[\"", "\"peaks\":[\"0", 1)] {
        std::fs::write(&seen, damaged).expect("it can be written");
        let (said, err) = watch(&[], 3);
        assert!(said.is_empty() && err.contains("must not guess"), "{said:?}{err}");
    }
    std::fs::write(&seen, &honest).expect("it can be written");
    watch(&[], 0);
}
