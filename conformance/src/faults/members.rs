//! The rows about members and what a node is given: voters that come and go, a lost disk, a transfer that is interrupted.

use super::mount::{Deed, Disk, Op, Trap};
use super::rows::{ask, others};
use super::town::{Town, VOTERS};
use super::trial::{HEAL, TRAFFIC, Trial};
use crate::city::SECTORS;
use adapter::config::Config;
use adapter::peers::Link;
use adapter::security::Fingerprint;
use adapter::tls::{self, IdentityPem};
use adapter::unified::governance::{
    Ballot, Ending, NewNode, Proposal, Propose, ProposeResponse, ShowGovernance, ShowGovernanceResponse, Suffrage, Voice, Vote,
    VoteResponse,
};
use ledger::keys::SecretKey;
use ledger::record::{Entry, PartySignature};
use std::time::{Duration, Instant};
use xsd::tree::{Element, QName};

const LEDGER: &str = "city.example/main/1";
/// Records of one batch, and of all that put a node behind the log: it forgets what two seals cover.
const BATCH: usize = 256;
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

/// A follower's disk is gone. It comes back under the next number, by the others' votes, and then counts: without another voter it
/// and the third go on.
pub(super) fn disk_replaced(trial: &mut Trial) -> Result<(), String> {
    let victim = trial.follower()?;
    let by = pair(&others(victim))?;
    trial.town.kill(victim);
    let seat = trial.town.seat(victim);
    std::fs::remove_dir_all(seat.join("ledger")).map_err(|error| error.to_string())?;
    let agreed: ShowGovernanceResponse = ask(trial.town, by[0], "governance", &ShowGovernance {})?;
    let member = agreed.members.iter().find(|member| Some(&member.id.as_str()) == SECTORS.get(victim)).ok_or("no such member")?;
    let node = agreed.highest_node + 1;
    let mut seed = [0; 32];
    seed.fill_with(|| u8::try_from(trial.dice.below(256)).unwrap_or(0));
    std::fs::write(seat.join("node.key"), data_encoding::HEXLOWER.encode(&seed)).map_err(|error| error.to_string())?;
    let new = NewNode {
        id: member.id.clone(),
        node,
        node_key: SecretKey::from_seed(seed).public().to_string(),
        tls_certificate: member.tls_certificate.clone(),
        service: member.service.clone(),
        peer: member.peer.clone(),
    };
    let (from, at) = (trial.now(), Instant::now());
    decide(trial.town, by, Proposal { replace_node: Some(new), ..nothing() })?;
    trial.town.renumber(victim, node)?;
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

/// Log records of one sector, in batches, handed to the leader as a node does: many at once.
fn fill(trial: &Trial, by: usize, count: u64) -> Result<(), String> {
    let said = |error: &dyn std::fmt::Display| error.to_string();
    let config = Config::load(&trial.town.seat(by).join("waybill.toml")).map_err(|error| said(&error))?;
    let file = |path: &std::path::Path| adapter::config::file(path).map_err(|error| said(&error));
    let (certificate, key, ca) = (file(&config.tls.certificate)?, file(&config.tls.key)?, file(&config.tls.ca)?);
    let tls = tls::client(Some(IdentityPem { certificate: &certificate, key: &key }), &ca).map_err(|error| format!("{error:?}"))?;
    let record = SecretKey::from_seed(adapter::pki::read_seed(&config.keys.record).map_err(|error| said(&error))?);
    let agreed: ShowGovernanceResponse = ask(trial.town, by, "governance", &ShowGovernance {})?;
    let goal = leaves(trial, by) + count;
    let until = Instant::now() + Duration::from_secs(120);
    let mut link: Option<(usize, Link)> = None;
    while leaves(trial, by) < goal {
        if Instant::now() > until {
            return Err(format!("the ledger does not grow to {goal} leaves"));
        }
        let leader = trial.leader()?;
        if link.as_ref().is_none_or(|(to, _)| *to != leader) {
            let member = agreed.members.iter().find(|member| Some(&member.id.as_str()) == SECTORS.get(leader)).ok_or("no such member")?;
            let fingerprint = Fingerprint::parse(&member.tls_certificate).ok_or("no fingerprint")?;
            let _entered = trial.town.runtime.enter();
            link = Some((leader, Link::dial(member.peer.clone(), fingerprint, std::sync::Arc::clone(&tls))));
        }
        let before = leaves(trial, by);
        let batches = usize::try_from((goal - before).div_ceil(BATCH as u64)).unwrap_or(1).min(32);
        for _ in 0..batches {
            let bodies = (0..BATCH).map(|_| log(by)).collect();
            let entry = batch(bodies, SECTORS.get(by).copied().unwrap_or_default(), &record)?;
            if let Some((_, link)) = &link {
                link.send([&[2], entry.encode().as_slice()].concat());
            }
        }
        let wait = Instant::now() + Duration::from_secs(3);
        while leaves(trial, by) < before + (batches * BATCH) as u64 && Instant::now() < wait {
            std::thread::sleep(Duration::from_millis(20));
        }
    }
    Ok(())
}

fn leaves(trial: &Trial, at: usize) -> u64 {
    trial.town.standing(at).map_or(0, |standing| standing.leaves)
}

fn log(by: usize) -> Vec<u8> {
    let log = Element::new("l", QName::new("urn:waybill:ledger:1", "Log")).with("id", adapter::services::id()).with("ledger", LEDGER);
    let log = log.leaf("Sector", SECTORS.get(by).copied().unwrap_or_default()).leaf("Source", "test").leaf("Digest", "ab".repeat(32));
    xsd::write::canonical(&log, &[], &[])
}

/// A batch and its sector's signature over the statement of it.
fn batch(bodies: Vec<Vec<u8>>, sector: &str, key: &SecretKey) -> Result<Entry, String> {
    let unsigned = Entry::batch(bodies.clone(), Vec::new()).map_err(|verdict| verdict.to_string())?;
    let request = ledger::body::Request::read(unsigned).map_err(|verdict| verdict.to_string())?;
    let signature = PartySignature::sign(sector, key, request.signed());
    Entry::batch(bodies, vec![signature]).map_err(|verdict| verdict.to_string())
}

/// A follower is behind what the log still has, is given a snapshot, and is killed twice while it writes what it is given; then it is
/// left alone, and has everything.
pub(super) fn transfer_interrupted(trial: &mut Trial) -> Result<(), String> {
    let victim = trial.follower()?;
    let by = pair(&others(victim))?;
    trial.town.kill(victim);
    let from = trial.now();
    // The Bureau never leads: what it hands on is not its own.
    fill(trial, 3, BEHIND)?;
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
