//! Every node is lost: all restore one backup, the members agree on the next epoch, and what was proven before still is.

#![allow(clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use conformance::city::{City, SECTORS};
use ledger::checkpoint::{Note, Policy};
use ledger::proof::Receipt;
use serde_json::Value;
use std::fs;
use std::time::{Duration, Instant};

fn run(city: &City, arguments: &[&str], status: i32) -> (String, String) {
    let output = city.run(arguments);
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(status), "{arguments:?}: {told}");
    (String::from_utf8(output.stdout).expect("UTF-8"), told)
}

fn trade(city: &City) -> bool {
    let profile = city.profile("civil", "clerk").display().to_string();
    let request = ["trade", "request", "--profile", &profile, "--purpose", "registration-check", "transport/vehicle", "plate=none"];
    city.run(&request).status.success()
}

/// One node alone does not go on from a backup: it has voted since, and the others know the life of its own directory.
fn refused_alone(city: &mut City, config: &str) {
    city.kill("transport");
    let (own, aside) = (city.dir().join("transport/ledger"), city.dir().join("transport/own"));
    fs::rename(&own, &aside).expect("its own directory");
    fs::create_dir(&own).expect("a directory");
    for file in fs::read_dir(city.dir().join("copy/ledger")).expect("the copy").map(|file| file.expect("a file")) {
        fs::copy(file.path(), own.join(file.file_name())).expect("it can be copied");
    }
    let (_, told) = run(city, &["serve", "--config", config], 3);
    assert!(told.contains("or a backup") && told.contains("ReplaceNode"), "{told}");
    fs::remove_dir_all(&own).expect("the copy goes");
    fs::rename(&aside, &own).expect("its own directory comes back");
    city.restart("transport");
}

#[test]
fn a_ledger_is_restored_from_one_backup_in_a_new_epoch() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let mut city = City::start("restore");
    let path = |city: &City, name: &str| city.dir().join(name).display().to_string();
    let auditor = city.profile("bureau", "auditor").display().to_string();
    assert!(trade(&city));
    let (receipt, _) = run(&city, &["ledger", "proof", "--profile", &auditor, "7"], 0);
    let receipt = Receipt::parse(&receipt).expect("a proof");
    assert!(trade(&city), "what is committed is known from the log once another write says so");
    let (config, backup) = (path(&city, "transport/waybill.toml"), path(&city, "copy"));
    run(&city, &["ledger", "backup", "--config", &config, &backup], 0);
    let restore = |city: &City, sector: &str, status: i32| {
        let config = path(city, &format!("{sector}/waybill.toml"));
        run(city, &["ledger", "restore", "--config", &config, "--every-node-is-lost", &backup], status).1
    };
    assert!(restore(&city, "transport", 3).contains("not empty"), "a running node's ledger is not replaced");
    for _ in 0..3 {
        assert!(trade(&city), "these will be missing");
    }
    refused_alone(&mut city, &config);
    let before = runtime.block_on(city.settled());
    for sector in SECTORS {
        city.kill(sector);
        fs::remove_dir_all(city.dir().join(sector).join("ledger")).expect("every disk is lost");
    }
    let (_, told) = run(&city, &["ledger", "restore", "--config", &config, &backup], 2);
    assert!(told.contains("--every-node-is-lost"), "{told}");
    let wal = city.dir().join("copy/ledger/wal_00000000000000000000");
    let whole = fs::read(&wal).expect("the log");
    let mut damaged = whole.clone();
    damaged[500] ^= 1;
    fs::write(&wal, damaged).expect("it can be written");
    assert!(restore(&city, "transport", 3).contains("wal_00000000000000000000"), "a changed file is named");
    fs::write(&wal, whole).expect("it can be written");
    for sector in SECTORS {
        restore(&city, sector, 0);
    }
    for sector in SECTORS {
        city.restart(sector);
    }
    let until = Instant::now() + Duration::from_secs(30);
    while !trade(&city) {
        assert!(Instant::now() < until, "the restored city trades");
        std::thread::sleep(Duration::from_millis(200));
    }
    assert!(runtime.block_on(city.settled()).leaves < before.leaves, "what came after the backup is gone");
    let say = |city: &City, sector: &str, verbs: &[&str], rest: &[&str]| -> Value {
        let profile = city.profile(sector, "admin").display().to_string();
        let (out, _) = run(city, &[verbs, &["--profile", &profile, "--output", "json"], rest].concat(), 0);
        serde_json::from_str(&out).expect("JSON")
    };
    let proposed = say(&city, "transport", &["govern", "propose"], &["--reason", "restored", "epoch", "2"]);
    let ended = say(&city, "civil", &["govern", "vote"], &[proposed["RecordId"].as_str().expect("an id"), "yes"]);
    assert_eq!(ended["Ending"], "accepted");
    let until = Instant::now() + Duration::from_secs(20);
    loop {
        assert!(trade(&city), "in the new epoch");
        let (note, _) = run(&city, &["ledger", "checkpoint", "--profile", &auditor], 0);
        if Note::parse(&note).expect("a note").checkpoint.origin == "city.example/main/2" {
            break;
        }
        assert!(Instant::now() < until, "checkpoints are of the next epoch");
        std::thread::sleep(Duration::from_millis(100));
    }
    assert_eq!(say(&city, "bureau", &["govern", "status"], &[])["Origin"], "city.example/main/2");
    let policy = Policy::parse(&fs::read_to_string(city.dir().join("policy")).expect("the policy")).expect("a policy");
    let leaf = adapter::unified::audit::GetEntry { index: 7 };
    let leaf: adapter::unified::audit::GetEntryResponse =
        runtime.block_on(city.session("bureau", "auditor").call("audit", &leaf)).expect("a leaf");
    let leaf = data_encoding::BASE64.decode(leaf.leaf.as_bytes()).expect("base64");
    receipt.verify(&leaf, &policy).expect("a receipt of the old epoch still verifies");
}
