//! The rows about members and what a node is given: voters that come and go, a lost disk, a transfer that is interrupted.

use super::mount::{Deed, Disk, Op, Trap};
use super::rows::{ask, others};
use super::town::{Town, VOTERS};
use super::trial::{HEAL, TRAFFIC, Trial};
use crate::city::SECTORS;
use adapter::unified::governance::{
    Ballot, Ending, NewNode, Proposal, Propose, ProposeResponse, ShowGovernance, ShowGovernanceResponse, Suffrage, Voice, Vote,
    VoteResponse,
};
use ledger::keys::SecretKey;
use std::time::{Duration, Instant};

const LEDGER: &str = "city.example/main/1";
/// The seat of a node that is never replaced.
const FOUNDER: usize = 0;
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

/// A follower's disk is gone. It comes back under the next number, by the others' votes, and then counts: without another voter it
/// and the third go on.
pub(super) fn disk_replaced(trial: &mut Trial) -> Result<(), String> {
    // Whoever starts with nothing knows the founders' nodes alone: one of them leads, and is not replaced itself.
    let until = Instant::now() + HEAL;
    while trial.leader()? != FOUNDER {
        if Instant::now() > until {
            return Err(String::from("the lead is not handed to a founder's node"));
        }
        let session = trial.town.session(FOUNDER)?;
        let asked = trial.town.runtime.block_on(session.post("/ledger/transfer?to=1", Vec::new()));
        asked.map_err(|failure| failure.to_string())?;
        std::thread::sleep(Duration::from_millis(500));
    }
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
