//! A node whose disk is lost comes back under a new number, by the members' votes; its old number does not come back.

#![allow(clippy::panic, clippy::indexing_slicing, clippy::print_stdout, reason = "a test says what it measured, and fails by panicking")]

use conformance::city::City;
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

/// How long a node may take to come in, or to be let go.
const PATIENCE: Duration = Duration::from_secs(30);

fn run(city: &City, sector: &str, verbs: &[&str], rest: &[&str]) -> Value {
    let profile = city.profile(sector, "admin").display().to_string();
    let output = city.run(&[verbs, &["--profile", &profile, "--output", "json"], rest].concat());
    assert!(output.status.success(), "{sector}: {verbs:?} {rest:?}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

fn trade(city: &City) -> bool {
    let profile = city.profile("civil", "clerk").display().to_string();
    let request = ["trade", "request", "--profile", &profile, "--purpose", "registration-check", "transport/vehicle", "plate=none"];
    city.run(&request).status.success()
}

fn wait(what: &str, mut holds: impl FnMut() -> bool) -> Duration {
    let since = Instant::now();
    while !holds() {
        assert!(since.elapsed() < PATIENCE, "{what} after {PATIENCE:?}");
        std::thread::sleep(Duration::from_millis(100));
    }
    since.elapsed()
}

fn edit(path: &Path, change: impl Fn(String) -> String) {
    let text = fs::read_to_string(path).expect("a configuration");
    fs::write(path, change(text)).expect("it can be written");
}

#[test]
fn a_lost_disk_is_replaced_under_a_new_number_and_the_old_one_is_refused() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let mut city = City::start("replace");
    for _ in 0..3 {
        assert!(trade(&city));
    }
    let health = city.dir().join("health");
    city.kill("health");
    let (config, key) = (health.join("waybill.toml"), health.join("node.key"));
    let (old_config, old_key) = (fs::read_to_string(&config).expect("a configuration"), fs::read(&key).expect("a key"));
    fs::remove_dir_all(health.join("ledger")).expect("the disk is lost");
    fs::write(&key, data_encoding::HEXLOWER.encode(&[77; 32])).expect("a new key");
    edit(&config, |text| text.replace("[ledger]\n", "[ledger]\nnode = 5\n"));
    let path = config.display().to_string();
    let card = city.run(&["ledger", "member", "card", "--config", &path, "--node", "5", "--replace"]);
    assert!(card.status.success(), "{}", String::from_utf8_lossy(&card.stderr));
    let file = city.dir().join("card.xml");
    fs::write(&file, &card.stdout).expect("a card");
    let proposed = run(&city, "transport", &["ledger", "member", "replace"], &[&file.display().to_string()]);
    let ended = run(&city, "civil", &["govern", "vote"], &[proposed["RecordId"].as_str().expect("an id"), "yes"]);
    assert_eq!(ended["Ending"], "accepted", "the two that are left decide");
    assert!(trade(&city), "and trade");

    city.restart("health");
    let took = wait("the new node holds what the others hold", || {
        let standings = ["transport", "health"].map(|sector| runtime.block_on(city.standing(sector)));
        matches!(&standings, [Some(one), Some(other)] if one.root == other.root && one.leaves == other.leaves)
    });
    println!("replace-node: in after {took:?}");
    let list = run(&city, "bureau", &["ledger", "member", "list"], &[]);
    let health_of = |list: &Value| list["members"].as_array().expect("members").iter().find(|one| one["id"] == "health").cloned();
    assert_eq!(health_of(&list).map(|one| one["node"].clone()), Some(Value::from(5)), "{list}");
    // With transport away, civil and the new node are the quorum: it votes.
    wait("the new node may lead", || {
        let output = ["ledger", "transfer", "--profile", &city.profile("civil", "admin").display().to_string(), "health"];
        city.run(&output).status.success()
    });
    city.kill("transport");
    let define = |city: &City, name: &str| {
        let session = city.session("civil", "admin");
        let define = adapter::unified::authority::DefineRole { role_name: name.to_owned() };
        let defined: Result<adapter::unified::authority::DefineRoleResponse, _> = runtime.block_on(session.call("authority", &define));
        defined.is_ok()
    };
    let mut tries = 0;
    wait("civil and the new node commit", || {
        tries += 1;
        define(&city, &format!("role-{}", char::from(b'a' + tries % 26)))
    });
    city.restart("transport");
    wait("transport is back", || trade(&city));

    // Somebody starts what is left of the old node: nobody listens to it, and nothing is held up by it.
    city.kill("health");
    let new_config = fs::read_to_string(&config).expect("a configuration");
    let new_key = fs::read(&key).expect("a key");
    fs::rename(health.join("ledger"), health.join("ledger-5")).expect("the new node's disk is put aside");
    fs::write(&config, &old_config).expect("the old configuration");
    fs::write(&key, &old_key).expect("the old key");
    city.restart("health");
    let until = Instant::now() + Duration::from_secs(3);
    while Instant::now() < until {
        let ready = runtime.block_on(city.session("health", "admin").get("/readyz"));
        assert!(ready.map_or(true, |(status, _)| status == 503), "the old number is not ready");
        assert!(trade(&city), "the others go on");
    }
    city.kill("health");
    fs::remove_dir_all(health.join("ledger")).expect("what the old node wrote goes");
    fs::rename(health.join("ledger-5"), health.join("ledger")).expect("the new node's disk");
    fs::write(&config, new_config).expect("the new configuration");
    fs::write(&key, new_key).expect("the new key");
    city.restart("health");
    runtime.block_on(city.settled());
}
