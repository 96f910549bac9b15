//! A lying leader: two histories to two halves, caught within one checkpoint interval, proven by a file to a third machine.

#![allow(clippy::print_stdout, reason = "a test says what it measured")]

use conformance::city::{City, scratch, waybill};
use conformance::liar::Liar;
use ledger::checkpoint::Policy;
use ledger::record::{Entry, PartySignature};
use ledger::witness::Fork;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
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

/// The last line of a watch, and how long after the lie it ended; it has to end with an alarm.
fn watched(mut child: Child, said: impl Iterator<Item = String>, lied: Instant) -> (String, Duration) {
    let pid = child.id().to_string();
    let (done, ended) = std::sync::mpsc::channel::<()>();
    let patience = std::thread::spawn(move || {
        if ended.recv_timeout(Duration::from_secs(30)).is_err() {
            drop(Command::new("kill").arg(pid).status());
        }
    });
    let last = said.last().unwrap_or_default();
    let status = child.wait().expect("its end");
    drop(done);
    patience.join().expect("a thread");
    assert_eq!(status.code(), Some(3), "{last}");
    (last, lied.elapsed())
}

/// Follows both halves; what it says comes line by line.
fn watch(city: &City) -> (Child, impl Iterator<Item = String> + use<>) {
    let auditor = city.profile("bureau", "auditor");
    let mut command = Command::new(waybill());
    command.args(["audit", "watch", "--policy", "policy", "--state", "watched", "--every", "1", "--profile"]).arg(&auditor);
    command.args([city.url("health"), city.url("civil")]).current_dir(city.dir()).stdout(Stdio::piped());
    let mut child = command.spawn().expect("waybill starts");
    let lines = BufReader::new(child.stdout.take().expect("stdout is piped")).lines();
    (child, lines.map_while(Result::ok))
}

#[test]
fn a_leader_that_shows_two_histories_is_proven_to_have_lied() {
    let mut city = City::start("liar");
    city.kill("transport");
    let policy = Policy::parse(&std::fs::read_to_string(city.dir().join("policy")).expect("a file")).expect("a policy");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let (lied_at, index, alarm) = runtime.block_on(async {
        let liar = Liar::start(city.dir(), "transport").await;
        liar.lead().await;
        let (child, mut said) = watch(&city);
        assert!(said.next().is_some_and(|line| line.contains("\"begins\"")), "it has seen what was before the lie");
        let committed = liar.tell(role(&liar, "branch-a"), &role(&liar, "branch-b"), &[3]).await.expect("the liar has a majority");
        let at = Instant::now();
        // The honest nodes find out by themselves, and who it was.
        let convicted = |sector: &&str| evidence(&city, sector).iter().any(|file| liars(file, &policy) == ["transport"]);
        while at.elapsed() < Duration::from_secs(20) && !["health", "civil"].iter().all(convicted) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let convicted = at.elapsed();
        let watched = tokio::task::spawn_blocking(move || watched(child, said, at));
        (convicted, committed.index, watched.await.expect("a watch that ends"))
    });
    println!("measured: evidence that names the liar on both halves {lied_at:?} after the commit of leaf {index}");
    println!("measured: an auditor who follows both halves was alarmed {:?} after it", alarm.1);
    assert!(alarm.0.contains("\"alarm\":\"fork\""), "{}", alarm.0);
    let file = alarm.0.split("\"evidence\":\"").nth(1).and_then(|rest| rest.split('"').next()).expect("a file of evidence");
    let (status, said) = verify(city.dir(), file);
    assert_eq!(status, Some(0), "{said}");
    assert!(said.contains("signed both, and so lied: transport"), "{said}");
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
