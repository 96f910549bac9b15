//! A lying leader: two histories to two halves, caught within one checkpoint interval, proven by a file to a third machine.

#![allow(clippy::print_stdout, reason = "a test says what it measured")]

use conformance::city::{City, scratch, waybill};
use conformance::liar::Liar;
use ledger::checkpoint::Policy;
use ledger::record::{Entry, PartySignature};
use ledger::witness::Fork;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};
use xsd::tree::{Element, QName};

/// The time within which a checkpoint follows what was committed.
const INTERVAL: Duration = Duration::from_secs(1);

fn role(liar: &Liar, name: &str) -> Entry {
    let role = Element::new("a", QName::new("urn:waybill:authority:1", "Role"))
        .with("id", "00000000-0000-4000-8000-0000000000ff")
        .with("ledger", liar.ledger())
        .leaf("Issuer", "transport")
        .leaf("Action", "define")
        .leaf("RoleName", name);
    let body = xsd::write::canonical(&role, &[], &[]);
    let signature = PartySignature::sign("transport", liar.record_key(), &body);
    Entry::new(body, vec![signature]).expect("an entry")
}

fn evidence(city: &City, sector: &str) -> Vec<PathBuf> {
    let files = std::fs::read_dir(city.dir().join(sector).join("ledger")).expect("the node's directory");
    let paths = files.filter_map(|item| Some(item.ok()?.path()));
    paths.filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("fork_"))).collect()
}

/// The names in an evidence file that signed both histories.
fn liars(path: &Path, policy: &Policy) -> Vec<String> {
    let text = std::fs::read_to_string(path).expect("a file");
    let Ok(lie) = Fork::parse(&text).map(|fork| fork.verify(policy).expect("a proof")) else { return Vec::new() };
    lie.ours.1.intersection(&lie.theirs.1).cloned().collect()
}

fn verify(dir: &Path, file: &str) -> (Option<i32>, String) {
    let out =
        Command::new(waybill()).args(["audit", "verify", file, "--policy", "policy"]).current_dir(dir).output().expect("waybill runs");
    (out.status.code(), String::from_utf8_lossy(&out.stdout).into_owned() + &String::from_utf8_lossy(&out.stderr))
}

#[test]
fn a_leader_that_shows_two_histories_is_proven_to_have_lied() {
    let mut city = City::start("liar");
    city.kill("transport");
    let policy = Policy::parse(&std::fs::read_to_string(city.dir().join("policy")).expect("a file")).expect("a policy");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let (lied_at, index) = runtime.block_on(async {
        let liar = Liar::start(city.dir(), "transport").await;
        liar.lead().await;
        let committed = liar.tell(role(&liar, "branch-a"), &role(&liar, "branch-b"), &[3]).await.expect("the liar has a majority");
        let at = Instant::now();
        // The honest nodes find out by themselves, and who it was.
        let convicted = |sector: &&str| evidence(&city, sector).iter().any(|file| liars(file, &policy) == ["transport"]);
        while at.elapsed() < Duration::from_secs(20) && !["health", "civil"].iter().all(convicted) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        (at.elapsed(), committed.index)
    });
    println!("measured: evidence that names the liar on both halves {lied_at:?} after the commit of leaf {index}");
    assert!(lied_at < INTERVAL, "the contradiction is put down within a checkpoint interval, not after {lied_at:?}");

    // A third machine: an empty directory with the evidence, the policy, and nothing of the city.
    let third = scratch("liar-third");
    std::fs::create_dir_all(&third).expect("a directory");
    std::fs::copy(city.dir().join("policy"), third.join("policy")).expect("the policy");
    for (at, file) in ["health", "civil"].iter().flat_map(|sector| evidence(&city, sector)).enumerate() {
        let name = format!("evidence-{at}.note");
        std::fs::copy(&file, third.join(&name)).expect("a copy");
        let text = std::fs::read_to_string(&file).expect("a file");
        let named = liars(&file, &policy);
        let (status, said) = verify(&third, &name);
        assert_eq!(status, Some(0), "{said}");
        assert!(named.iter().all(|liar| said.contains(&format!("signed both, and so lied: {liar}"))), "{said}");
        std::fs::write(third.join("damaged.note"), text.replacen("city.example", "city.exemple", 1)).expect("a file");
        assert_eq!(verify(&third, "damaged.note").0, Some(1), "what proves nothing is no evidence");
    }
}
