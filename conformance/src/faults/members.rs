//! The rows about members and what a node is given: voters that come and go, a lost disk, a transfer that is interrupted.

use super::mount::{Deed, Disk, Op, Trap};
use super::rows::{ask, others};
use super::town::{Town, VOTERS};
use super::trial::{HEAL, TRAFFIC, Trial};
use crate::city::{SECTORS, waybill};
use adapter::unified::governance::{
    Ballot, Ending, NewNode, Proposal, Propose, ProposeResponse, ShowGovernance, ShowGovernanceResponse, Suffrage, Voice, Vote,
    VoteResponse,
};
use ledger::keys::SecretKey;
use ledger::tree::Hash;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

const LEDGER: &str = "city.example/main/1";
/// Records that put a node behind the log, which forgets what two seals cover.
const BEHIND: u64 = 3 * 16_384 + 8_192;

/// A proposal of one sector with the voice of another, both of which are up: that is enough.
fn decide(town: &Town, by: [usize; 2], action: Proposal) -> Result<(), String> {
    let name = |at: usize| SECTORS.get(at).copied().unwrap_or_default().to_owned();
    let (id, ledger) = (adapter::services::id(), String::from(LEDGER));
    let proposal = Proposal { id: id.clone(), ledger: ledger.clone(), proposer: name(by[0]), reason: String::from("test"), ..action };
    let _open: ProposeResponse = ask(town, by[0], "governance", &Propose { proposal })?;
    let ballot = Ballot { id: adapter::services::id(), ledger, voter: name(by[1]), proposal: id, vote: Voice::Yes };
    let ended: VoteResponse = ask(town, by[1], "governance", &Vote { ballot })?;
    if ended.ending == Some(Ending::Accepted) { Ok(()) } else { Err(format!("two of three sectors did not decide: {:?}", ended.ending)) }
}

fn nothing() -> Proposal {
    Proposal {
        id: String::new(),
        ledger: String::new(),
        proposer: String::new(),
        reason: String::new(),
        add_member: None,
        remove_member: None,
        replace_node: None,
        suffrage: None,
        quorum: None,
        rules: None,
        revoke_key: None,
        stop: None,
        resume: None,
        epoch: None,
    }
}

fn suffrage(town: &Town, by: [usize; 2], at: usize, suffrage: &str) -> Result<(), String> {
    let id = SECTORS.get(at).copied().unwrap_or_default().to_owned();
    decide(town, by, Proposal { suffrage: Some(Suffrage { id, suffrage: suffrage.to_owned() }), ..nothing() })
}

fn pair(nodes: &[usize]) -> Result<[usize; 2], String> {
    nodes.first_chunk::<2>().copied().ok_or_else(|| String::from("two nodes are needed"))
}

/// Under load: a follower stops voting and votes again; then the leader, which another one follows; and when it comes back, the leader
/// of that moment dies.
pub(super) fn members_change(trial: &mut Trial) -> Result<(), String> {
    let (follower, leader) = (trial.follower()?, trial.leader()?);
    for victim in [follower, leader] {
        let by = pair(&others(victim))?;
        let leads = trial.leader()? == victim;
        let (from, at) = (trial.now(), Instant::now());
        suffrage(trial.town, by, victim, "learner")?;
        if leads {
            trial.town.leader(&others(victim), &[victim])?;
            trial.said.push(format!("the leader was let go after {} ms", at.elapsed().as_millis()));
        }
        trial.served(from, &VOTERS, HEAL)?;
        trial.traffic.wait(trial.now(), TRAFFIC, Duration::from_secs(30))?;
        let from = trial.now();
        suffrage(trial.town, by, victim, "voter")?;
        if leads {
            let next = trial.leader()?;
            trial.town.kill(next);
            trial.town.start(next)?;
        }
        trial.served(from, &VOTERS, HEAL)?;
        trial.traffic.wait(trial.now(), TRAFFIC, Duration::from_secs(30))?;
    }
    // All three vote again: any two of them are a majority.
    let gone = trial.follower()?;
    let from = trial.now();
    trial.town.kill(gone);
    trial.served(from, &others(gone), HEAL).map(drop)
}

/// Runs the program; gives what it said.
fn cli(arguments: &[&str]) -> Result<String, String> {
    let out = Command::new(waybill()).args(arguments).output().map_err(|error| format!("waybill: {error}"))?;
    let said = [out.stdout.as_slice(), &out.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    if out.status.success() { Ok(said) } else { Err(format!("waybill {}: {said}", arguments.join(" "))) }
}

fn path(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

/// A bundle that proves who the members are, as the node of a seat knows it.
fn introduction(town: &Town, from: usize) -> Result<PathBuf, String> {
    let bundle = town.dir.join(format!("introduction-{}", adapter::services::id()));
    cli(&["ledger", "member", "introduce", "--profile", &path(&town.seat(from).join("admin.toml")), &path(&bundle)])?;
    Ok(bundle)
}

/// The node that takes the place of a seat's, whose disk is gone: the next number, another key.
fn next_node(trial: &mut Trial, victim: usize, asked: usize) -> Result<NewNode, String> {
    let seat = trial.town.seat(victim);
    let agreed: ShowGovernanceResponse = ask(trial.town, asked, "governance", &ShowGovernance {})?;
    let member = agreed.members.iter().find(|member| Some(&member.id.as_str()) == SECTORS.get(victim)).ok_or("no such member")?;
    let node = agreed.highest_node + 1;
    // A key is nobody's twice.
    let seed = Hash::of(format!("{victim} {node} {}", trial.dice.below(u64::MAX)).as_bytes()).0;
    std::fs::write(seat.join("node.key"), data_encoding::HEXLOWER.encode(&seed)).map_err(|error| error.to_string())?;
    Ok(NewNode {
        id: member.id.clone(),
        node,
        node_key: SecretKey::from_seed(seed).public().to_string(),
        tls_certificate: member.tls_certificate.clone(),
        service: member.service.clone(),
        peer: member.peer.clone(),
    })
}

fn lose_disk(town: &mut Town, victim: usize) -> Result<(), String> {
    town.kill(victim);
    std::fs::remove_dir_all(town.seat(victim).join("ledger")).map_err(|error| error.to_string())
}

/// A follower's disk is gone. It comes back under the next number, by the others' votes, and then counts: without another voter it
/// and the third go on.
pub(super) fn disk_replaced(trial: &mut Trial) -> Result<(), String> {
    let victim = trial.follower()?;
    let by = pair(&others(victim))?;
    lose_disk(trial.town, victim)?;
    let new = next_node(trial, victim, by[0])?;
    let node = new.node;
    let (from, at) = (trial.now(), Instant::now());
    decide(trial.town, by, Proposal { replace_node: Some(new), ..nothing() })?;
    let known = introduction(trial.town, by[0])?;
    trial.town.renumber(victim, node, by[0], &known)?;
    trial.town.start(victim)?;
    trial.town.catch_up(victim, HEAL * 3)?;
    trial.said.push(format!("the new node had everything after {} ms", at.elapsed().as_millis()));
    trial.served(from, &VOTERS, HEAL)?;
    // It votes once it has caught up: then one of the others can be missed.
    std::thread::sleep(Duration::from_secs(1));
    let from = trial.now();
    trial.town.kill(by[1]);
    let left = [by[0], victim];
    let time = trial.served(from, &left, HEAL)?;
    trial.said.push(format!("it and one other went on after {} ms", time.as_millis()));
    Ok(())
}

/// A proposal of the one sector whose node runs; another, whose node is lost, signs its voice into a file, which the first hands in.
fn decide_alone(town: &Town, by: usize, voice: usize, action: Proposal) -> Result<(), String> {
    let name = SECTORS.get(by).copied().unwrap_or_default().to_owned();
    let (id, ledger, reason) = (adapter::services::id(), String::from(LEDGER), String::from("quorum-lost"));
    let proposal = Proposal { id: id.clone(), ledger, proposer: name, reason, ..action };
    let _open: ProposeResponse = ask(town, by, "governance", &Propose { proposal })?;
    let (config, ballot) = (path(&town.seat(voice).join("waybill.toml")), path(&town.dir.join(format!("{id}.ballot"))));
    cli(&["govern", "sign", "--config", &config, &id, "yes", &ballot])?;
    let said = cli(&["govern", "hand-in", "--profile", &path(&town.seat(by).join("admin.toml")), &ballot])?;
    if said.contains("accepted") { Ok(()) } else { Err(format!("two of three sectors did not decide: {said}")) }
}

/// Two of three voters' disks are gone under load. The third, which led, goes on alone by its operator's word, the members say so on
/// record, and replace the nodes of all others, the learner's too: its old disk is not heard any more. Then the third can be missed.
pub(super) fn quorum_loss(trial: &mut Trial) -> Result<(), String> {
    let survivor = trial.leader()?;
    let lost = others(survivor);
    let kept = introduction(trial.town, survivor)?;
    trial.traffic.wait(trial.now(), TRAFFIC, Duration::from_secs(30))?;
    let from = trial.now();
    for victim in &lost {
        lose_disk(trial.town, *victim)?;
    }
    std::thread::sleep(Duration::from_secs(1));
    let mark = trial.now();
    std::thread::sleep(Duration::from_secs(1));
    if trial.traffic.recorder.acknowledged(mark).values().sum::<usize>() > 0 {
        return Err(String::from("one of three voters acknowledged a record"));
    }
    let config = path(&trial.town.seat(survivor).join("waybill.toml"));
    let recover = ["ledger", "recover", "--config", &config, "--alone", "--the-others-are-lost"];
    let refused = |arguments: &[&str], why: &str| match cli(arguments) {
        Err(said) if said.contains(why) => Ok(()),
        other => Err(format!("it should be refused ({why}): {other:?}")),
    };
    refused(&recover, "in use by another process")?;
    let bureau = path(&trial.town.seat(3).join("waybill.toml"));
    trial.town.kill(3);
    refused(&["ledger", "recover", "--config", &bureau, "--alone", "--the-others-are-lost"], "recover from a voter's")?;
    // The learner's disk is not lost: it stays what it was, and must not be heard.
    trial.town.start(3)?;
    trial.town.stop(survivor)?;
    refused(&recover[..5], "--the-others-are-lost")?;
    cli(&recover)?;
    trial.town.start(survivor)?;
    let (alone, at) = (trial.now(), Instant::now());
    trial.served(alone, &[survivor], HEAL)?;
    trial.said.push(format!("one voter went on alone after {} ms", at.elapsed().as_millis()));
    let agreed: ShowGovernanceResponse = ask(trial.town, survivor, "governance", &ShowGovernance {})?;
    let epoch = agreed.origin.rsplit_once('/').and_then(|(_, epoch)| epoch.parse::<u64>().ok()).ok_or("an origin without an epoch")?;
    let voice = *lost.first().ok_or("two are lost")?;
    decide_alone(trial.town, survivor, voice, Proposal { epoch: Some(epoch + 1), ..nothing() })?;
    for victim in [lost.as_slice(), &[3]].concat() {
        if victim == 3 {
            lose_disk(trial.town, victim)?;
        }
        let new = next_node(trial, victim, survivor)?;
        let node = new.node;
        decide_alone(trial.town, survivor, voice, Proposal { replace_node: Some(new), ..nothing() })?;
        // While one signs alone there is no checkpoint; later the one that is new may lead, whom an old introduction does not name.
        let known = if Some(&victim) == lost.first() { kept.clone() } else { introduction(trial.town, survivor)? };
        trial.town.renumber(victim, node, survivor, &known)?;
        trial.town.start(victim)?;
        trial.town.catch_up(victim, HEAL * 3)?;
    }
    trial.said.push(format!("all others were replaced after {} ms", at.elapsed().as_millis()));
    trial.served(from, &VOTERS, HEAL)?;
    std::thread::sleep(Duration::from_secs(1));
    let from = trial.now();
    trial.town.kill(survivor);
    trial.served(from, &lost, HEAL).map(drop)
}

/// A follower is behind what the log still has, is given a snapshot, and is killed twice while it writes what it is given; then it is
/// left alone, and has everything.
pub(super) fn transfer_interrupted(trial: &mut Trial) -> Result<(), String> {
    let victim = trial.follower()?;
    let by = pair(&others(victim))?;
    trial.town.kill(victim);
    let from = trial.now();
    let goal = trial.town.standing(by[0]).map_or(0, |standing| standing.leaves) + BEHIND;
    let grown = trial.town.runtime.block_on(adapter::city::grow(&trial.town.dir, goal));
    grown.map_err(|failure| failure.to_string())?;
    trial.served(from, &by, HEAL)?;
    for pass in [trial.dice.below(3), 2 + trial.dice.below(3)] {
        trial.town.start(victim)?;
        let trap = Trap { op: Op::Write, name: "draft_", pass: u32::try_from(pass).unwrap_or(0), hits: 1, deed: Deed::KillHalfway };
        trial.town.disks.get(victim).ok_or("no disk")?.set(trap, trial.town.pid(victim)?);
        trial.town.ended(victim, Duration::from_secs(30)).map_err(|why| format!("the transfer was not interrupted: {why}"))?;
        trial.town.disks.get(victim).map(Disk::clear);
    }
    let at = Instant::now();
    trial.town.start(victim)?;
    trial.town.catch_up(victim, HEAL * 3)?;
    trial.said.push(format!("after two interruptions it had everything after {} ms", at.elapsed().as_millis()));
    Ok(())
}
