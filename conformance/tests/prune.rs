//! A node that prunes: its archive verifies alone, and who asks it for what is gone is told where it begins.

#![allow(clippy::panic, reason = "a test fails by panicking")]

use adapter::cli::profile::Profile;
use adapter::cli::session::{Failure, Session};
use adapter::fault::Reason;
use adapter::unified::audit::{Pull, PullResponse};
use adapter::unified::trading::{History, HistoryResponse, State, TradeStatus, TradeStatusResponse};
use conformance::city::City;
use std::time::{Duration, Instant};

/// Two whole segments and a part of a third.
const GOAL: u64 = 36_000;

fn run(city: &City, arguments: &[&str], status: i32) -> String {
    let output = city.run(arguments);
    let told = [output.stdout.as_slice(), &output.stderr].concat();
    let told = String::from_utf8_lossy(&told).into_owned();
    assert_eq!(output.status.code(), Some(status), "{arguments:?}: {told}");
    told
}

fn trade(city: &City) {
    let profile = city.profile("civil", "clerk").display().to_string();
    run(city, &["trade", "request", "--profile", &profile, "--purpose", "registration-check", "transport/vehicle", "plate=none"], 0);
}

fn pruned<T: std::fmt::Debug>(answer: Result<T, Failure>) {
    match answer {
        Err(Failure::Fault(fault)) => {
            assert_eq!(fault.stable(), Some(Reason::Pruned), "{fault:?}");
            assert!(fault.text.contains("begins with leaf 16384") && fault.text.contains("another node"), "{}", fault.text);
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_was_pruned_is_in_the_archive_and_the_node_says_so() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let mut city = City::start("prune");
    trade(&city);
    let clerk = city.session("civil", "clerk");
    let history = |cursor: Option<u64>, latest_first: Option<bool>| {
        let request = History { cursor, latest_first, limit: Some(100), ..History::default() };
        runtime.block_on(clerk.call::<HistoryResponse>("trading", &request))
    };
    let before = history(None, None).expect("trades").entries;
    let old = before.first().expect("a trade").trade.id.clone();
    runtime.block_on(adapter::city::grow(city.dir(), GOAL)).expect("it grows");
    trade(&city);
    runtime.block_on(city.settled());
    let dir = city.dir().to_owned();
    let path = |name: &str| dir.join(name).display().to_string();
    let (config, archive, second) = (path("civil/waybill.toml"), path("archive"), path("second"));
    let prune =
        |below: &'static str, to: &str| ["ledger", "prune", "--config", &config, "--below", below, "--archive", to].map(str::to_owned);
    let prune = |city: &City, below: &'static str, to: &str, status: i32| {
        let arguments = prune(below, to);
        run(city, &arguments.iter().map(String::as_str).collect::<Vec<_>>(), status)
    };
    assert!(prune(&city, "20000", &archive, 3).contains("in use by another process"), "a running node is not pruned");
    city.stop("civil");
    assert!(prune(&city, "16000", &archive, 3).contains("the first ones end at 16384"));
    let told = prune(&city, "20000", &archive, 0);
    assert!(told.contains("begins with leaf 16384 now"), "{told}");
    let (ledger, genesis) = (path("archive/ledger"), path("archive/genesis"));
    let told = run(&city, &["audit", "verify", &ledger, "--genesis", &genesis], 0);
    assert!(told.contains("verified to level 5"), "{told}");
    assert!(prune(&city, "20000", &second, 3).contains("nothing can be pruned yet"), "the last segment stays");
    let told = run(&city, &["audit", "verify", &path("civil/ledger"), "--genesis", &genesis], 0);
    assert!(told.contains("the leaves below 16384 were pruned"), "{told}");

    city.restart("civil");
    let until = Instant::now() + Duration::from_secs(30);
    while runtime.block_on(city.standing("civil")).is_none_or(|standing| standing.leader.is_none()) {
        assert!(Instant::now() < until, "a pruned node stands");
        std::thread::sleep(Duration::from_millis(100));
    }
    trade(&city);
    runtime.block_on(city.settled());
    pruned(history(None, None));
    let page = history(Some(16_384), None).expect("what is here").entries;
    assert!(page.len() >= 2 && page.iter().all(|entry| entry.index >= 16_384), "{}", page.len());
    let page = history(None, Some(true)).expect("the latest first");
    assert_eq!(page.entries.len(), 2, "up to where the node begins");
    pruned(history(page.next, Some(true)));
    let late = History { from: page.entries.last().map(|entry| entry.time), ..History::default() };
    let late: HistoryResponse = runtime.block_on(clerk.call("trading", &late)).expect("a period that is here whole");
    assert_eq!(late.entries.len(), 2);
    let ask = TradeStatus { trade_id: old.clone() };
    pruned(runtime.block_on(clerk.call::<TradeStatusResponse>("trading", &ask)));
    let whole: TradeStatusResponse = runtime.block_on(city.session("transport", "admin").call("trading", &ask)).expect("a status");
    assert_eq!(whole.state, State::Committed, "another node knows it");
    let profile = Profile::load(&city.profile("bureau", "auditor")).expect("a profile");
    let auditor = Session::open(&Profile { node: city.url("civil"), ..profile }).expect("a session");
    let (sender, receiver, resource, purpose) = (None, None, None, None);
    let (partner, kind, status, from, to) = (None, None, None, None, None);
    let pull =
        Pull { sector: Some(String::from("civil")), partner, sender, receiver, resource, kind, status, purpose, from, to, limit: None };
    pruned(runtime.block_on(auditor.call::<PullResponse>("audit", &pull)));
    let entries = |tile: &str| runtime.block_on(auditor.get(&format!("/tile/entries/{tile}"))).expect("an answer");
    let (status, told) = entries("000");
    assert!(status == 410 && String::from_utf8_lossy(&told).contains("16384"), "{status}");
    assert_eq!(entries("064").0, 200);
}
