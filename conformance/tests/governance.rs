//! What operators decide together, at the edge: proposals and votes, the brake, keys that change while the city trades.

#![allow(clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]

use conformance::city::{City, SECTORS};
use serde_json::Value;
use std::time::{Duration, Instant};

struct Desk {
    city: City,
    runtime: tokio::runtime::Runtime,
}

impl Desk {
    /// Runs `waybill VERBS --profile … --output json`, expecting this exit status; gives the answer and what stood on stderr.
    fn run(&self, sector: &str, user: &str, status: i32, verbs: &[&str]) -> (Value, String) {
        let profile = self.city.profile(sector, user).display().to_string();
        let (head, tail) = verbs.split_at(2);
        let output = self.city.run(&[head, &["--profile", &profile, "--output", "json"], tail].concat());
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(status), "{sector}: {verbs:?}: {told}");
        (serde_json::from_slice(&output.stdout).unwrap_or_default(), told)
    }

    fn admin(&self, sector: &str, verbs: &[&str]) -> Value {
        self.run(sector, "admin", 0, verbs).0
    }

    /// What is refused on record, or denied.
    fn refused(&self, sector: &str, status: i32, verbs: &[&str], why: &str) {
        let (_, told) = self.run(sector, "admin", status, verbs);
        assert!(told.contains(why), "{verbs:?}: {told}");
    }

    fn trade(&self) -> Option<i32> {
        let profile = self.city.profile("civil", "clerk").display().to_string();
        let request = ["trade", "request", "--profile", &profile, "--purpose", "registration-check", "transport/vehicle", "plate=none"];
        self.city.run(&request).status.code()
    }

    /// Trades go on within a few seconds.
    fn trades_again(&self, why: &str) {
        let until = Instant::now() + Duration::from_secs(15);
        while self.trade() != Some(0) {
            assert!(Instant::now() < until, "no trade: {why}");
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    fn status(&self, sector: &str) -> Value {
        self.admin(sector, &["govern", "status"])
    }

    fn leaves(&self) -> u64 {
        self.runtime.block_on(self.city.settled()).leaves
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("a text, not {value}"))
}

#[test]
fn members_decide_stop_and_change_their_keys_while_the_city_runs() {
    let mut desk = Desk { city: City::start("governance"), runtime: tokio::runtime::Runtime::new().expect("a runtime") };
    decide(&desk);
    brake(&desk);
    operate(&desk);
    rotate(&mut desk);
    revoke(&desk);
}

fn decide(desk: &Desk) {
    let agreed = desk.status("bureau");
    assert_eq!((text(&agreed["Quorum"]), text(&agreed["Stopped"]), text(&agreed["HighestNode"])), ("2", "false", "4"), "{agreed}");
    assert_eq!(agreed["Member"].as_array().map(Vec::len), Some(4), "{agreed}");
    let id = "6f0d1c9a-0000-4000-8000-000000000001";
    let propose = |quorum: &str| -> Vec<String> {
        ["govern", "propose", "--id", id, "--reason", "test", "quorum", quorum].map(str::to_owned).to_vec()
    };
    let words = propose("3");
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let first = desk.admin("transport", &words);
    assert!(first["Ending"].is_null(), "{first}");
    let again = desk.admin("transport", &words);
    assert_eq!(first["LeafIndex"], again["LeafIndex"], "the same proposal sent twice is one");
    let other = propose("1");
    let other: Vec<&str> = other.iter().map(String::as_str).collect();
    desk.refused("transport", 6, &other, "trade.conflict");
    assert_eq!(desk.run("civil", "clerk", 5, &["govern", "propose", "quorum", "3"]).0, Value::Null);
    desk.refused("civil", 6, &["govern", "propose", "quorum", "9"], "undecidable");
    desk.refused("civil", 6, &["govern", "propose", "quorum", "2"], "no-change");
    desk.refused("civil", 2, &["govern", "propose", "rules", "SOME"], "2/3@sector");
    desk.refused("bureau", 6, &["govern", "vote", id, "yes"], "no-vote");
    let open = desk.admin("bureau", &["govern", "list", "--open"]);
    assert_eq!(open["Entry"]["Proposal"]["id"], id, "{open}");
    let ended = desk.admin("health", &["govern", "vote", id, "yes"]);
    assert_eq!(text(&ended["Ending"]), "accepted");
    for sector in SECTORS {
        assert_eq!(text(&desk.status(sector)["Quorum"]), "3", "{sector}");
    }
    desk.refused("civil", 6, &["govern", "vote", id, "no"], "closed");
    desk.refused("civil", 1, &["govern", "show", "6f0d1c9a-0000-4000-8000-00000000000f"], "waybill govern list");
    let shown = desk.admin("civil", &["govern", "show", id]);
    assert_eq!((text(&shown["Entry"]["ending"]), shown["Entry"]["Voice"].as_array().map(Vec::len)), ("accepted", Some(2)), "{shown}");
}

fn brake(desk: &Desk) {
    assert_eq!(desk.trade(), Some(0));
    let pulled = desk.admin("bureau", &["brake", "pull", "--reason", "test"]);
    assert_eq!(text(&pulled["Ending"]), "accepted", "nobody is asked first");
    assert_ne!(desk.trade(), Some(0), "nothing is traded while the brake is pulled");
    let before = desk.leaves();
    let (_, told) = desk.run("health", "admin", 0, &["brake", "pull"]);
    assert!(told.contains("already"), "{told}");
    assert_eq!(desk.leaves(), before, "what is so already needs no record");
    let proposed = desk.admin("civil", &["brake", "release"]);
    assert!(proposed["Ending"].is_null(), "{proposed}");
    assert_eq!(text(&desk.status("health")["Stopped"]), "true", "one voice does not release it");
    let released = desk.admin("health", &["brake", "release"]);
    assert_eq!(text(&released["Ending"]), "accepted", "the second release is a vote for the first: {released}");
    desk.trades_again("the brake is released");
}

/// Who leads is moved, a state root asked for, and a card made: each for the own node's administrator alone.
fn operate(desk: &Desk) {
    for member in ["civil", "transport", "health"] {
        let led = desk.admin("transport", &["ledger", "transfer", member]);
        assert_eq!(led["member"], member, "{led}");
        let list = said(desk, "bureau", "auditor", &["ledger", "member", "list"], 0);
        let leads: Vec<&Value> = list["members"].as_array().expect("members").iter().filter(|one| one["leads"] == true).collect();
        assert_eq!((leads.len(), &leads[0]["id"]), (1, &Value::from(member)), "{list}");
    }
    desk.refused("transport", 2, &["ledger", "transfer", "nobody"], "ledger member list");
    desk.refused("transport", 6, &["ledger", "transfer", "bureau"], "No voting member");
    let (_, told) = desk.run("civil", "clerk", 5, &["ledger", "transfer", "civil"]);
    assert!(told.contains("administrators"), "{told}");
    let root = |desk: &Desk| desk.admin("health", &["ledger", "snapshot"])["state_root"].as_u64().expect("a leaf");
    assert_eq!(desk.trade(), Some(0));
    let first = root(desk);
    assert_eq!(root(desk), first, "nothing new, no new state root");
    assert_eq!(desk.trade(), Some(0));
    assert!(root(desk) > first);
    let dir = desk.city.dir();
    let (config, administrator) = (dir.join("civil/waybill.toml").display().to_string(), dir.join("civil/admin.pem").display().to_string());
    let card = ["ledger", "member", "card", "--config", &config, "--node", "5", "--name", "zh=民政", "--administrator", &administrator];
    let output = desk.city.run(&card);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let path = dir.join("card.xml");
    std::fs::write(&path, &output.stdout).expect("a card");
    let path = path.display().to_string();
    said(desk, "health", "admin", &["ledger", "member", "add", &path], 6);
    said(desk, "health", "admin", &["ledger", "member", "replace", &path], 2);
    let gone = said(desk, "health", "admin", &["ledger", "member", "remove", "bureau"], 0);
    assert!(gone["Ending"].is_null(), "one voice removes nobody: {gone}");
    let withdrawn = desk.admin("health", &["govern", "vote", text(&gone["RecordId"]), "no"]);
    assert_eq!(text(&withdrawn["Ending"]), "withdrawn");
}

/// Verbs of three words.
fn said(desk: &Desk, sector: &str, user: &str, verbs: &[&str], status: i32) -> Value {
    let profile = desk.city.profile(sector, user).display().to_string();
    let (head, tail) = verbs.split_at(3);
    let output = desk.city.run(&[head, &["--profile", &profile, "--output", "json"], tail].concat());
    assert_eq!(output.status.code(), Some(status), "{verbs:?}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap_or_default()
}

/// The record key that a member holds now, and how many it has held.
fn key(desk: &Desk, member: &str) -> (String, usize) {
    let keys = desk.admin("bureau", &["key", "list", member]);
    let held = match &keys["Held"] {
        Value::Array(held) => held.clone(),
        one => vec![one.clone()],
    };
    let present = held.iter().find(|held| held["until"].is_null()).expect("a present key");
    (text(&present["RecordKey"]).to_owned(), held.len())
}

fn rotate(desk: &mut Desk) {
    let (old, count) = key(desk, "transport");
    let pid = desk.city.pid("transport");
    let rotated = desk.admin("transport", &["key", "rotate"]);
    let new = text(&rotated["RecordKey"]).to_owned();
    assert_ne!(old, new);
    assert_eq!(key(desk, "transport"), (new.clone(), count + 1));
    desk.trades_again("transport signs with its next key, without a restart");
    assert_eq!(desk.city.pid("transport"), pid);
    assert!(!desk.city.dir().join("transport/record.key.next").exists());
    desk.city.kill("transport");
    desk.city.restart("transport");
    desk.trades_again("the new key is in its file");
    assert_eq!(key(desk, "transport").0, new);
}

/// The others take civil's key away and name the next one, which civil made: it signs from then on.
fn revoke(desk: &Desk) {
    let prepared = desk.admin("civil", &["key", "prepare"]);
    let successor = text(&prepared["RecordKey"]);
    assert_eq!(desk.admin("civil", &["key", "prepare"]), prepared, "asked twice, it is the same key");
    let proposed = desk.admin("health", &["key", "revoke", "civil", "--successor", successor]);
    let ended = desk.admin("transport", &["govern", "vote", text(&proposed["RecordId"]), "yes"]);
    assert_eq!(text(&ended["Ending"]), "accepted");
    assert_eq!(key(desk, "civil").0, successor);
    desk.trades_again("civil signs with the successor");
    desk.refused("health", 6, &["key", "revoke", "civil", successor, "--successor", successor], "key-used");
}
