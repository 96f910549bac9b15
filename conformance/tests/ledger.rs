//! The verbs of `ledger`, every node as a witness that does not forget, and the drills of the demo.

#![allow(clippy::indexing_slicing, clippy::panic, clippy::print_stdout, reason = "a test says what it measured, and fails by panicking")]

use adapter::cli::session::Session;
use adapter::unified::Criterion;
use adapter::unified::trading::{Fetch, FetchResponse, Item};
use conformance::city::{City, root, scratch, waybill};
use ledger::checkpoint::{Checkpoint, Note, Policy};
use ledger::proof::Receipt;
use serde_json::Value;
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Cities that start at once would try the same ports.
fn alone() -> MutexGuard<'static, ()> {
    static ONE: Mutex<()> = Mutex::new(());
    ONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn said(city: &City, arguments: &[&str]) -> String {
    let output = city.run(arguments);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("UTF-8")
}

#[test]
fn a_node_says_where_it_stands_and_proves_it() {
    let _alone = alone();
    let city = City::start("ledger-verbs");
    let (auditor, civil) = (city.profile("bureau", "auditor"), city.profile("civil", "clerk"));
    let (auditor, civil) = (auditor.display().to_string(), civil.display().to_string());
    let status: Value = serde_json::from_str(&said(&city, &["ledger", "status", "--profile", &auditor, "--output", "json"])).expect("JSON");
    let members = status["members"].as_array().expect("members");
    assert_eq!(members.len(), 4, "{status}");
    assert!(
        members.iter().all(|member| member["answers"] == true && member["behind"].as_u64().is_some_and(|behind| behind < 5)),
        "{status}"
    );
    assert!(members.iter().filter(|member| member["cosigned"].is_u64()).count() >= 2, "{status}");
    assert!(status["disk_octets"].as_u64().is_some_and(|octets| octets > 1000), "{status}");
    assert!(said(&city, &["ledger", "status", "--profile", &auditor]).contains("id=transport"));

    let policy = city.dir().join("policy").display().to_string();
    let text = said(&city, &["ledger", "checkpoint", "--profile", &civil, "--policy", &policy]);
    let policy = Policy::parse(&std::fs::read_to_string(&policy).expect("the demo's policy")).expect("a policy");
    let checkpoint = policy.verify(&text).expect("it prints the note as it is");
    let proof = said(&city, &["ledger", "proof", "--profile", &auditor, "7"]);
    let proof = Receipt::parse(&proof).expect("a tlog-proof");
    assert_eq!(proof.index, 7);
    assert!(checkpoint.size > 7);
    let list = said(&city, &["trade", "history", "--profile", &auditor, "--status", "denied", "--output", "json"]);
    let id = list.split("\"id\": \"").nth(1).and_then(|rest| rest.split('"').next()).expect("a denied trade");
    let by_id = Receipt::parse(&said(&city, &["ledger", "proof", "--profile", &auditor, id])).expect("a tlog-proof");
    let by_index = Receipt::parse(&said(&city, &["ledger", "proof", "--profile", &auditor, &by_id.index.to_string()])).expect("one");
    assert_eq!(by_id.index, by_index.index);
    backed_up(&city, checkpoint.size);
    let unknown = city.run(&["ledger", "proof", "--profile", &auditor, "7c8a0000-0000-4000-8000-000000000000"]);
    assert_eq!(unknown.status.code(), Some(1));
}

/// A copy that is taken while trades go on holds all that was published before, and says when a file of it was changed.
fn backed_up(city: &City, published: u64) {
    let config = city.dir().join("transport/waybill.toml").display().to_string();
    let clerk = city.profile("civil", "clerk").display().to_string();
    let to = city.dir().join("backup");
    let backup = to.display().to_string();
    let trade =
        || said(city, &["trade", "request", "--profile", &clerk, "--purpose", "registration-check", "transport/vehicle", "plate=none"]);
    // What is committed is known from the log once another write says so.
    trade();
    let told = std::thread::scope(|scope| {
        let trades = scope.spawn(|| (0..10).for_each(|_| drop(trade())));
        let told = said(city, &["ledger", "backup", "--config", &config, &backup]);
        trades.join().expect("the trades go on");
        told
    });
    let leaves = told.split(": ").nth(1).and_then(|rest| rest.split(' ').next()?.parse::<u64>().ok()).expect("a number");
    assert!(leaves >= published, "{told}");
    let sums = || Command::new("sha256sum").args(["--check", "--quiet", "SHA256SUMS"]).current_dir(&to).output().expect("sha256sum runs");
    assert!(sums().status.success(), "{}", String::from_utf8_lossy(&sums().stdout));
    let again = city.run(&["ledger", "backup", "--config", &config, &backup]);
    assert_eq!(again.status.code(), Some(3), "an earlier backup is not replaced");
    let wal = to.join("ledger/wal_00000000000000000000");
    let mut octets = std::fs::read(&wal).expect("the log");
    octets[500] ^= 1;
    std::fs::write(&wal, octets).expect("it can be written");
    assert!(!sums().status.success());
}

/// (status, body) of POST /add-checkpoint.
fn add(runtime: &tokio::runtime::Runtime, session: &Session, to: &str, body: String) -> (u16, String) {
    let (status, answer) = runtime.block_on(session.post_to(to, "/add-checkpoint", body.into_bytes())).expect("the witness answers");
    (status, String::from_utf8(answer).expect("text"))
}

#[test]
fn a_witness_that_was_killed_has_not_forgotten() {
    let _alone = alone();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let mut city = City::start("witness");
    let profile = city.profile("civil", "clerk").display().to_string();
    let bureau = city.url("bureau");
    let policy = Policy::parse(&std::fs::read_to_string(city.dir().join("policy")).expect("the demo's policy")).expect("a policy");
    let line = said(&city, &["ledger", "witness", "--profile", &profile, "--to", &bureau]);
    assert!(line.starts_with("\u{2014} bureau.city.example/main/1 "), "{line}");
    let note = Note::parse(&said(&city, &["ledger", "checkpoint", "--profile", &profile])).expect("a note");
    let cosigned = Note::parse(&format!("{}\n{line}", note.checkpoint.text())).expect("a note with the one line");
    assert_eq!(policy.signers(&cosigned).expect("it verifies").cosigners.into_iter().collect::<Vec<_>>(), ["bureau"]);
    for _ in 0..3 {
        said(&city, &["trade", "request", "--profile", &profile, "--purpose", "registration-check", "transport/vehicle", "plate=none"]);
    }
    runtime.block_on(city.settled());
    said(&city, &["ledger", "witness", "--profile", &profile, "--to", &bureau]);

    let session = city.session("civil", "clerk");
    let (_, text) = runtime.block_on(session.get("/checkpoint")).expect("a checkpoint");
    let text = String::from_utf8(text).expect("text");
    let size = Note::parse(&text).expect("a note").checkpoint.size;
    city.kill("bureau");
    city.restart("bureau");
    let until = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while runtime.block_on(city.standing("bureau")).is_none_or(|standing| standing.leaves < size) {
        assert!(std::time::Instant::now() < until, "the Bureau's node does not come back");
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    assert_eq!(add(&runtime, &session, &bureau, format!("old 0\n\n{text}")), (409, format!("{size}\n")));
    assert_eq!(add(&runtime, &session, &bureau, format!("old {size}\n\n{text}")).0, 200, "the same again");
    let garbage = ledger::tree::Hash::of(b"x").to_base64();
    assert_eq!(add(&runtime, &session, &bureau, format!("old {size}\n{garbage}\n\n{text}")).0, 422);
    assert_eq!(add(&runtime, &session, &bureau, format!("old {}\n\n{text}", size + 1)).0, 400);
    assert_eq!(add(&runtime, &session, &bureau, text.clone()).0, 400);
    let other = Checkpoint { origin: String::from("log.example/other"), ..Note::parse(&text).expect("a note").checkpoint };
    let (_, lines) = text.split_once("\n\n").expect("signatures");
    assert_eq!(add(&runtime, &session, &bureau, format!("old 0\n\n{}\n{lines}", other.text())).0, 404);
    let forged = text.replacen(&format!("\n{size}\n"), &format!("\n{}\n", size - 1), 1);
    assert_eq!(add(&runtime, &session, &bureau, format!("old {}\n\n{forged}", size - 1)).0, 403);
}

#[test]
fn a_leader_that_is_killed_in_the_middle_of_a_trade_loses_nothing() {
    let _alone = alone();
    let dir = scratch("demo-kill");
    let mut demo = Command::new(waybill());
    demo.args(["demo", "kill", "--exit", "--json", "--dir"]).arg(&dir).current_dir(root());
    let output = demo.output().expect("waybill runs");
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    assert_eq!(output.status.code(), Some(0), "{text}{told}");
    let document: Value = serde_json::from_str(&text).expect("one JSON document");
    let drill = &document["drill"];
    assert_eq!((&drill["ok"], &drill["lost"]), (&Value::Bool(true), &Value::from(0)), "{drill}");
    assert!(drill["in_flight"].as_u64().is_some_and(|trades| trades > 0), "{drill}");
    assert!(drill["answered_before"].as_u64().is_some_and(|trades| trades >= 5), "{drill}");
    assert!(drill["answered_after"].as_u64().is_some_and(|trades| trades >= 5), "{drill}");
    assert!(drill["leads"].is_string() && drill["leads"] != drill["killed"], "{drill}");
    println!("demo kill: {drill}");
}

#[test]
fn an_octet_that_is_flipped_on_a_running_nodes_disk_is_found_named_and_mended() {
    let _alone = alone();
    let dir = scratch("demo-tamper");
    let mut demo = Command::new(waybill());
    demo.args(["demo", "tamper", "--exit", "--json", "--dir"]).arg(&dir).current_dir(root());
    let output = demo.output().expect("waybill runs");
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    let document: Value = serde_json::from_str(&text).unwrap_or_else(|_| panic!("one JSON document: {text}{told}"));
    let drill = &document["drill"];
    let flips = drill["flips"].as_array().expect("flips");
    assert_eq!(flips.len(), 3, "{drill}");
    for flip in flips {
        let file = flip["file"].as_str().expect("a file");
        assert!(flip["named"].as_str().is_some_and(|named| named.contains(file)), "{drill}");
        assert!(flip["found_ms"].as_f64().is_some_and(|ms| ms <= 1000.0) && flip["mended_ms"].is_number(), "{drill}");
        assert_eq!(flip["as_before"], true, "{drill}");
    }
    assert_eq!((output.status.code(), &drill["ok"]), (Some(0), &Value::Bool(true)), "{drill}{told}");
    println!("demo tamper: {drill}");
}

#[test]
fn who_a_trade_was_about_can_be_confirmed_until_its_salt_is_erased() {
    let _alone = alone();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let city = City::start("salts");
    let (resource, field, citizen) = adapter::city::example().expect("the demo's citizens").swap_remove(0);
    let criteria = vec![Criterion { field: field.to_owned(), value: citizen.clone() }];
    let items = vec![Item { resource: resource.to_owned(), criteria }];
    let fetch = Fetch { conversation_id: None, purpose: String::from("medical-aid"), items };
    let fetched: FetchResponse = runtime.block_on(city.session("civil", "clerk").call("trading", &fetch)).expect("a trade");
    let result = fetched.results.into_iter().next().expect("a result");
    let (trade, packet) = (result.trade_id.expect("a trade"), result.packet.expect("delivered"));
    let record = packet.records.records.first().expect("a record").record_id.value.clone();

    let (auditor, policy) = (city.profile("bureau", "auditor").display().to_string(), city.dir().join("policy").display().to_string());
    let confirm = |sector: &str, record: &str| {
        let (config, admin) = (city.dir().join(sector).join("waybill.toml"), city.profile(sector, "admin"));
        let (config, admin) = (config.display().to_string(), admin.display().to_string());
        let output = city.run(&["salt", "confirm", "--config", &config, "--profile", &admin, &trade, record]);
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    for sector in ["civil", "transport"] {
        assert_eq!(confirm(sector, &record), (Some(0), String::new()), "{sector}");
        assert_eq!(confirm(sector, "another record").0, Some(1), "{sector}");
    }
    let whole_before = said(&city, &["ledger", "proof", "--profile", &auditor, &trade]);
    for sector in ["civil", "transport"] {
        let config = city.dir().join(sector).join("waybill.toml").display().to_string();
        let subject = format!("{field}={citizen}");
        let listed = said(&city, &["salt", "list", "--config", &config, "--subject", &subject]);
        assert!(listed.contains(&trade), "{listed}");
        said(&city, &["salt", "erase", "--config", &config, "--subject", &subject]);
        assert!(!said(&city, &["salt", "list", "--config", &config]).contains(&trade));
        let (status, told) = confirm(sector, &record);
        assert!(status == Some(1) && told.contains("no-salt"), "{sector}: {told}");
    }
    let whole_after = said(&city, &["ledger", "proof", "--profile", &auditor, &trade]);
    let index = |proof: &str| Receipt::parse(proof).expect("a tlog-proof").index;
    assert_eq!(index(&whole_before), index(&whole_after));
    let bundle = city.dir().join("after-erasure").display().to_string();
    said(&city, &["audit", "pull", "--profile", &auditor, "--sector", "civil", "--bundle", &bundle]);
    assert!(said(&city, &["audit", "verify", &bundle, "--policy", &policy]).starts_with("verified"));
}
