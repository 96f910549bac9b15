//! The rows of the fault matrix: what is done to the nodes, and what must hold meanwhile.

use super::members::{disk_replaced, members_change, quorum_loss, transfer_interrupted};
use super::mount::{Deed, Op, Trap};
use super::town::{Ground, Town, VOTERS, run};
use super::trial::{HEAL, TRAFFIC, Trial};
use adapter::cli::verbs;
use adapter::unified::authority::{
    AssignRole, AssignRoleResponse, CheckAuthority, CheckAuthorityResponse, Decision, DefineRole, DefineRoleResponse, GiveGrant,
    GiveGrantResponse, RevokeGrant, RevokeGrantResponse, WithdrawRole, WithdrawRoleResponse,
};
use adapter::unified::directory::PublishResponse;
use adapter::unified::registry::{AddUser, AddUserResponse};
use adapter::unified::{Document, Instant as Time, Period, Permission, Principal};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// One fault.
#[derive(Clone, Debug)]
pub struct Row {
    /// As the table names it.
    pub name: &'static str,
    /// Where it can be done.
    pub ground: Ground,
    /// Trials in the long run.
    pub trials: usize,
    /// Does the harm and undoes it; the nodes may still be starting when it returns.
    pub fault: fn(&mut Trial) -> Result<(), String>,
}

/// All rows, by ground.
pub const ROWS: &[Row] = &[
    Row { name: "kill -9 leader", ground: Ground::Plain, trials: 5, fault: kill_leader },
    Row { name: "kill -9 follower", ground: Ground::Plain, trials: 5, fault: kill_follower },
    Row { name: "kill -9 all", ground: Ground::Plain, trials: 5, fault: kill_all },
    Row { name: "pause leader", ground: Ground::Plain, trials: 5, fault: pause_leader },
    Row { name: "pause follower", ground: Ground::Plain, trials: 5, fault: pause_follower },
    Row { name: "two processes", ground: Ground::Plain, trials: 5, fault: two_processes },
    Row { name: "bit flip", ground: Ground::Plain, trials: 5, fault: bit_flip },
    Row { name: "old backup restored", ground: Ground::Plain, trials: 5, fault: rollback },
    Row { name: "disk emptied", ground: Ground::Plain, trials: 5, fault: emptied },
    Row { name: "members change", ground: Ground::Plain, trials: 5, fault: members_change },
    Row { name: "lost disk replaced", ground: Ground::Plain, trials: 5, fault: disk_replaced },
    Row { name: "quorum loss", ground: Ground::Plain, trials: 5, fault: quorum_loss },
    Row { name: "transfer interrupted", ground: Ground::Disks, trials: 5, fault: transfer_interrupted },
    Row { name: "kill points", ground: Ground::Disks, trials: 5, fault: kill_points },
    Row { name: "power loss", ground: Ground::Disks, trials: 100, fault: power_loss },
    Row { name: "fsync error", ground: Ground::Disks, trials: 6, fault: sync_error },
    Row { name: "write error", ground: Ground::Disks, trials: 6, fault: write_error },
    Row { name: "disk full", ground: Ground::Disks, trials: 6, fault: disk_full },
    Row { name: "slow fsync", ground: Ground::Disks, trials: 5, fault: slow_sync },
    Row { name: "hung fsync", ground: Ground::Disks, trials: 5, fault: hung_sync },
    Row { name: "leader isolated", ground: Ground::Spaces, trials: 5, fault: leader_isolated },
    Row { name: "follower isolated", ground: Ground::Spaces, trials: 5, fault: follower_isolated },
    Row { name: "leader hears nobody", ground: Ground::Spaces, trials: 5, fault: leader_deaf },
    Row { name: "nobody hears leader", ground: Ground::Spaces, trials: 5, fault: leader_mute },
    Row { name: "bridge", ground: Ground::Spaces, trials: 5, fault: bridge },
    Row { name: "clock jump", ground: Ground::Clocks, trials: 5, fault: clock_jump },
];

pub(super) fn others(not: usize) -> Vec<usize> {
    VOTERS.into_iter().filter(|at| *at != not).collect()
}

/// Without `victim` the others go on within [`HEAL`].
fn others_go_on(trial: &mut Trial, victim: usize, from: u64) -> Result<(), String> {
    let time = trial.served(from, &others(victim), HEAL)?;
    trial.said.push(format!("others went on after {} ms", time.as_millis()));
    Ok(())
}

fn kill(trial: &mut Trial, victim: usize) -> Result<(), String> {
    let from = trial.now();
    trial.town.kill(victim);
    others_go_on(trial, victim, from)
}

fn kill_leader(trial: &mut Trial) -> Result<(), String> {
    let leader = trial.leader()?;
    kill(trial, leader)
}

fn kill_follower(trial: &mut Trial) -> Result<(), String> {
    let follower = trial.follower()?;
    kill(trial, follower)
}

fn kill_all(trial: &mut Trial) -> Result<(), String> {
    (0..4).for_each(|at| trial.town.kill(at));
    Ok(())
}

/// An operation of a disk, how often it passes first, and what then happens.
const POINTS: [(&str, Op, &str, u32, Deed); 8] = [
    ("before a write to the log", Op::Write, "wal_", 5, Deed::KillBefore),
    ("halfway through a write to the log", Op::Write, "wal_", 7, Deed::KillHalfway),
    ("after a write, before its fsync", Op::Write, "wal_", 6, Deed::KillAfter),
    ("in fsync, before it has an effect", Op::Sync, "wal_", 4, Deed::KillBefore),
    ("in fsync, after it, before sending and applying", Op::Sync, "wal_", 8, Deed::KillAfter),
    ("in the next fsync but one", Op::Sync, "wal_", 9, Deed::KillAfter),
    ("before the first fsync of the names at a start", Op::SyncNames, "", 0, Deed::KillBefore),
    ("after the first fsync of the names at a start", Op::SyncNames, "", 0, Deed::KillAfter),
];
/// A frame or an answer leaves: killed at this many system calls from now.
const SENDS: [u32; 3] = [1, 4, 16];

fn kill_points(trial: &mut Trial) -> Result<(), String> {
    for (name, op, file, pass, deed) in POINTS {
        let victim = if trial.dice.toss() { trial.leader()? } else { trial.follower()? };
        let at_start = op == Op::SyncNames;
        if at_start {
            trial.town.kill(victim);
            trial.town.start(victim)?;
        }
        let pid = trial.town.pid(victim)?;
        let disk = trial.town.disks.get(victim).ok_or("no disk")?;
        disk.set(Trap { op, name: file, pass, hits: 1, deed }, pid);
        trial.town.ended(victim, Duration::from_secs(20)).map_err(|why| format!("{name}: {why}"))?;
        again(trial, victim).map_err(|why| format!("{name}: {why}"))?;
    }
    for when in SENDS {
        let victim = if trial.dice.toss() { trial.leader()? } else { trial.follower()? };
        let pid = trial.town.pid(victim)?.to_string();
        let inject = format!("inject=sendto,writev:signal=KILL:when={when}");
        let mut strace = Command::new("strace")
            .args(["-f", "-qq", "-o", "/dev/null", "-e", "trace=sendto,writev", "-e", &inject, "-p", &pid])
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| format!("strace: {error}"))?;
        let ended = trial.town.ended(victim, Duration::from_secs(20));
        drop(strace.kill());
        drop(strace.wait());
        ended.map_err(|why| format!("before sending: {why}"))?;
        again(trial, victim).map_err(|why| format!("before sending: {why}"))?;
    }
    trial.said.push(format!("{} points", POINTS.len() + SENDS.len()));
    Ok(())
}

/// The victim of a kill comes back and serves.
fn again(trial: &mut Trial, victim: usize) -> Result<(), String> {
    if let Some(disk) = trial.town.disks.get(victim) {
        disk.clear();
    }
    trial.town.start(victim)?;
    trial.town.stand(&[victim])?;
    let from = trial.now();
    trial.served(from, &VOTERS, HEAL).map(drop)
}

/// In half of the trials all nodes, else some; what was not synced is gone, or in part.
fn power_loss(trial: &mut Trial) -> Result<(), String> {
    let all = trial.dice.toss();
    let mut victims: Vec<usize> = (0..4).filter(|_| all || trial.dice.toss()).collect();
    if victims.is_empty() {
        victims.push(trial.leader()?);
    }
    victims.iter().for_each(|at| trial.town.kill(*at));
    for at in victims {
        let keep = trial.dice.below(4) > 0;
        let disk = trial.town.disks.get_mut(at).ok_or("no disk")?;
        disk.lose_power(&mut trial.dice, keep).map_err(|error| format!("mount: {error}"))?;
    }
    Ok(())
}

/// A disk that fails for good: the node ends by itself, with a failure, and the others go on.
fn disk_fails(trial: &mut Trial, op: Op, deed: Deed) -> Result<(), String> {
    let victim = if trial.dice.toss() { trial.leader()? } else { trial.follower()? };
    let (pid, from) = (trial.town.pid(victim)?, trial.now());
    let disk = trial.town.disks.get(victim).ok_or("no disk")?;
    disk.set(Trap { op, name: "wal_", pass: 3, hits: u32::MAX, deed }, pid);
    let status = trial.town.ended(victim, Duration::from_secs(20))?;
    if status.success() {
        return Err(String::from("the node ended as if all were well"));
    }
    let tried = trial.town.disks.get(victim).map_or(0, super::mount::Disk::clear);
    if op == Op::Sync && tried != 1 {
        return Err(format!("a failed fsync was tried again: {tried} times"));
    }
    trial.said.push(String::from("the node ends with a failure"));
    others_go_on(trial, victim, from)
}

fn sync_error(trial: &mut Trial) -> Result<(), String> {
    disk_fails(trial, Op::Sync, Deed::Fail)
}

fn write_error(trial: &mut Trial) -> Result<(), String> {
    disk_fails(trial, Op::Write, Deed::Fail)
}

fn disk_full(trial: &mut Trial) -> Result<(), String> {
    disk_fails(trial, Op::Write, Deed::Full)
}

fn slow_sync(trial: &mut Trial) -> Result<(), String> {
    let victim = if trial.dice.toss() { trial.leader()? } else { trial.follower()? };
    let from = trial.now();
    let slow = Trap { op: Op::Sync, name: "wal_", pass: 0, hits: 20, deed: Deed::Slow(Duration::from_millis(200)) };
    trial.town.disks.get(victim).ok_or("no disk")?.set(slow, trial.town.pid(victim)?);
    let until = Instant::now() + Duration::from_secs(20);
    let hit = |trial: &Trial| trial.town.disks.get(victim).map_or(0, super::mount::Disk::sprung);
    while hit(trial) < 20 {
        if Instant::now() > until {
            return Err(format!("only {} fsyncs were slow", hit(trial)));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    trial.town.disks.get(victim).map(super::mount::Disk::clear);
    trial.traffic.wait(from, TRAFFIC, Duration::from_secs(30))
}

/// The leader's disk hangs for 8 s: leadership moves within 10.
fn hung_sync(trial: &mut Trial) -> Result<(), String> {
    let leader = trial.leader()?;
    let (from, at) = (trial.now(), Instant::now());
    let hang = Trap { op: Op::Sync, name: "wal_", pass: 2, hits: 1, deed: Deed::Slow(Duration::from_secs(8)) };
    trial.town.disks.get(leader).ok_or("no disk")?.set(hang, trial.town.pid(leader)?);
    trial.town.leader(&others(leader), &[leader])?;
    trial.said.push(format!("leadership moved after {} ms", at.elapsed().as_millis()));
    others_go_on(trial, leader, from)?;
    std::thread::sleep(Duration::from_secs(8).saturating_sub(at.elapsed()));
    Ok(())
}

/// Cuts, checks who goes on and who does not, and mends. Each cut is (who, from whom) and one-way.
fn cut(trial: &mut Trial, cuts: &[(usize, usize)], go_on: &[usize], alone: Option<usize>) -> Result<(), String> {
    let from = trial.now();
    for (at, source) in cuts {
        trial.town.deafen(*at, *source)?;
    }
    let went_on = trial.served(from, go_on, HEAL);
    std::thread::sleep(Duration::from_secs(1));
    let mark = trial.now();
    std::thread::sleep(Duration::from_secs(2));
    let acknowledged = trial.traffic.recorder.acknowledged(mark);
    trial.town.mend()?;
    let number = |at: usize| acknowledged.get(&(at as u64 + 1)).copied().unwrap_or(0);
    if let Some(alone) = alone.filter(|alone| number(*alone) > 0) {
        return Err(format!("node {} has no quorum and acknowledged {} records", alone + 1, number(alone)));
    }
    trial.said.push(format!("{} went on after {} ms", if go_on.len() == 1 { "one" } else { "others" }, went_on?.as_millis()));
    Ok(())
}

fn isolate(trial: &mut Trial, victim: usize) -> Result<(), String> {
    let cuts: Vec<(usize, usize)> = (0..4).filter(|at| *at != victim).flat_map(|at| [(at, victim), (victim, at)]).collect();
    cut(trial, &cuts, &others(victim), Some(victim))
}

fn leader_isolated(trial: &mut Trial) -> Result<(), String> {
    let leader = trial.leader()?;
    isolate(trial, leader)
}

fn follower_isolated(trial: &mut Trial) -> Result<(), String> {
    let follower = trial.follower()?;
    isolate(trial, follower)
}

fn leader_deaf(trial: &mut Trial) -> Result<(), String> {
    let leader = trial.leader()?;
    let cuts: Vec<(usize, usize)> = (0..4).filter(|at| *at != leader).map(|at| (leader, at)).collect();
    cut(trial, &cuts, &others(leader), Some(leader))
}

fn leader_mute(trial: &mut Trial) -> Result<(), String> {
    let leader = trial.leader()?;
    let cuts: Vec<(usize, usize)> = (0..4).filter(|at| *at != leader).map(|at| (at, leader)).collect();
    cut(trial, &cuts, &others(leader), Some(leader))
}

/// A and C do not hear each other, both hear B: with PreVote there is no end of elections only if there is none.
fn bridge(trial: &mut Trial) -> Result<(), String> {
    let (leader, middle) = (trial.leader()?, trial.follower()?);
    let far = others(leader).into_iter().find(|at| *at != middle).ok_or("three voters")?;
    cut(trial, &[(leader, far), (far, leader)], &[middle], None)
}

/// The leader's clock jumps an hour ahead, then an hour back, then comes right.
fn clock_jump(trial: &mut Trial) -> Result<(), String> {
    let victim = if trial.dice.toss() { trial.leader()? } else { trial.follower()? };
    for offset in ["+3600", "-3600", "+0"] {
        trial.town.clock(victim, offset)?;
        let from = trial.now();
        trial.served(from, &VOTERS, HEAL)?;
        trial.traffic.wait(from, TRAFFIC, Duration::from_secs(30))?;
    }
    Ok(())
}

/// A second process on the directory of a running node ends with a sentence, and harms nothing.
fn two_processes(trial: &mut Trial) -> Result<(), String> {
    let victim = trial.leader()?;
    let path = trial.town.seat(victim).join("waybill.toml");
    let text = std::fs::read_to_string(&path).map_err(|error| error.to_string())?;
    let second: Vec<String> = text
        .lines()
        .map(|line| if line.starts_with("listen = ") { String::from("listen = \"127.0.0.1:0\"") } else { line.to_owned() })
        .collect();
    let other = path.with_file_name("second.toml");
    std::fs::write(&other, second.join("\n")).map_err(|error| error.to_string())?;
    let log = trial.town.seat(victim).join("log");
    let before = std::fs::read_to_string(&log).unwrap_or_default().len();
    let mut child = trial.town.serve(victim, &other)?;
    let until = Instant::now() + Duration::from_secs(10);
    let status = loop {
        if let Ok(Some(status)) = child.try_wait() {
            break status;
        }
        if Instant::now() > until {
            drop(child.kill());
            drop(child.wait());
            return Err(String::from("two processes run on one directory"));
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    let said = std::fs::read_to_string(&log).unwrap_or_default();
    let said = said.get(before..).unwrap_or_default();
    if status.success() || !said.contains("error") {
        return Err(format!("the second process did not say why it ended: {said}"));
    }
    trial.said.push(String::from("the second process is refused"));
    let from = trial.now();
    trial.served(from, &VOTERS, HEAL).map(drop)
}

/// One bit of each kind of file of a stopped follower: it refuses to start and names the file, or mends itself.
fn bit_flip(trial: &mut Trial) -> Result<(), String> {
    let victim = trial.follower()?;
    trial.town.stop(victim)?;
    let mut files = Vec::new();
    for folder in [trial.town.seat(victim).join("ledger"), trial.town.seat(victim).join("ledger/index")] {
        let listed = std::fs::read_dir(&folder).into_iter().flatten().flatten().map(|item| item.path());
        files.extend(listed.filter(|path| path.is_file() && path.metadata().is_ok_and(|metadata| metadata.len() > 0)));
    }
    files.sort();
    let (mut refused, mut mended) = (0, 0);
    for file in files {
        // The index replaces its files when it is opened.
        let Ok(octets) = std::fs::read(&file) else { continue };
        let used = octets.iter().rposition(|octet| *octet != 0).unwrap_or(0) as u64 + 1;
        let at = usize::try_from(trial.dice.below(used)).unwrap_or(0);
        let mut damaged = octets.clone();
        damaged.iter_mut().skip(at).take(1).for_each(|octet| *octet ^= 1 << trial.dice.below(8));
        std::fs::write(&file, damaged).map_err(|error| error.to_string())?;
        trial.town.start(victim)?;
        if trial.town.stand(&[victim]).is_ok() {
            mended += 1;
            trial.town.catch_up(victim, HEAL)?;
            trial.town.stop(victim)?;
            continue;
        }
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if trial.town.runs(victim) {
            return Err(format!("with a flipped bit at {at} of {name} the node neither stands nor ends"));
        }
        let log = std::fs::read_to_string(trial.town.seat(victim).join("log")).unwrap_or_default();
        if !log.lines().rev().take(3).any(|line| line.contains(&name)) {
            return Err(format!("the node does not name {name}, in which bit {at} is flipped"));
        }
        trial.town.kill(victim);
        std::fs::write(&file, octets).map_err(|error| error.to_string())?;
        refused += 1;
    }
    trial.said.push(format!("{refused} refused, {mended} mended"));
    Ok(())
}

/// A copy of a folder and what is in it; what stood at `to` is gone.
fn copy(from: &Path, to: &Path) -> Result<(), String> {
    drop(std::fs::remove_dir_all(to));
    let (from, to) = (from.to_string_lossy(), to.to_string_lossy());
    run("cp", &["-a", &from, &to])
}

/// A voter whose disk goes back in time, or is emptied, while what it acknowledged is in the log of others: it must not
/// serve as if it knew nothing. If it refuses, it goes on with its own directory.
fn forgets(trial: &mut Trial, emptied: bool) -> Result<(), String> {
    let victim = trial.follower()?;
    let ledger = trial.town.seat(victim).join("ledger");
    let (old, own) = (ledger.with_file_name("ledger-old"), ledger.with_file_name("ledger-own"));
    trial.town.stop(victim)?;
    copy(&ledger, &old)?;
    trial.town.start(victim)?;
    trial.town.stand(&[victim])?;
    let from = trial.now();
    trial.served(from, &VOTERS, HEAL)?;
    trial.traffic.wait(from, TRAFFIC, Duration::from_secs(30))?;
    trial.town.stop(victim)?;
    copy(&ledger, &own)?;
    drop(std::fs::remove_dir_all(&ledger));
    if !emptied {
        copy(&old, &ledger)?;
    }
    let log = trial.town.seat(victim).join("log");
    let before = std::fs::read_to_string(&log).unwrap_or_default().len();
    let from = trial.now();
    trial.town.start(victim)?;
    let ended = trial.town.ended(victim, Duration::from_secs(5));
    let said = std::fs::read_to_string(&log).unwrap_or_default().get(before..).unwrap_or_default().to_owned();
    let last = said.lines().rev().find(|line| line.contains("panicked") || line.contains("error")).unwrap_or("silent").to_owned();
    trial.said.push(match ended {
        Ok(status) if status.success() => return Err(String::from("it ended as if all were well")),
        Ok(_) => format!("it ends: {}", last.chars().filter(|letter| !letter.is_ascii_digit()).take(160).collect::<String>()),
        Err(_) if trial.town.catch_up(victim, HEAL).is_ok() => String::from("it is given what it lost"),
        Err(_) => String::from("it stands still until another leads"),
    });
    others_go_on(trial, victim, from)?;
    if trial.said.iter().any(|said| said.contains("given")) {
        return Ok(());
    }
    trial.town.kill(victim);
    copy(&own, &ledger)
}

fn rollback(trial: &mut Trial) -> Result<(), String> {
    forgets(trial, false)
}

fn emptied(trial: &mut Trial) -> Result<(), String> {
    forgets(trial, true)
}

const OBJECT: &str = "transport/vehicle";
const PURPOSE: &str = "medical-aid";

pub(super) fn ask<T: Document>(town: &Town, at: usize, service: &str, request: &impl Document) -> Result<T, String> {
    let session = town.session(at)?;
    town.runtime.block_on(session.call(service, request)).map_err(|failure| failure.to_string())
}

fn year() -> Period {
    let now = adapter::replica::now();
    Period { not_before: Time(now), not_after: Time(now.plus_ms(365 * 86_400_000)) }
}

fn user(number: u64) -> String {
    format!("clerk-{number}")
}

/// A user of civil with a role, which transport grants its vehicles: gives the grant's id.
fn permitted(town: &Town, number: u64) -> Result<String, String> {
    let metadata = crate::city::root().join("mappings/transport/vehicle.metadata.xml");
    let publish = verbs::publication(&metadata).map_err(|failure| failure.to_string())?;
    // It may be published since an earlier trial.
    let _published: Result<PublishResponse, String> = ask(town, 0, "directory", &publish);
    let certificates = vec![format!("{number:064x}")];
    let add = AddUser { user_id: user(number), class: String::from("official"), certificates };
    let _added: AddUserResponse = ask(town, 2, "registry", &add)?;
    let _defined: DefineRoleResponse = ask(town, 2, "authority", &DefineRole { role_name: user(number) })?;
    let assign = AssignRole { user_id: user(number), role_name: user(number), period: year() };
    let _assigned: AssignRoleResponse = ask(town, 2, "authority", &assign)?;
    let role = Principal { authority: String::from("civil"), name: user(number) };
    let grant = GiveGrant {
        role,
        object: String::from(OBJECT),
        permissions: vec![Permission::Read],
        period: year(),
        purposes: vec![],
        supersedes: None,
    };
    let given: GiveGrantResponse = ask(town, 0, "authority", &grant)?;
    Ok(given.grant_id)
}

fn may(town: &Town, at: usize, number: u64) -> Result<Decision, String> {
    let check = CheckAuthority {
        user: Principal { authority: String::from("civil"), name: user(number) },
        object: String::from(OBJECT),
        permission: Permission::Read,
        purpose: String::from(PURPOSE),
        at: None,
    };
    ask::<CheckAuthorityResponse>(town, at, "authority", &check).map(|answer| answer.decision)
}

/// SIGSTOP for 1 to 10 s. What is taken away meanwhile is not given by the node that slept, whose word was law before.
fn pause(trial: &mut Trial, victim: usize) -> Result<(), String> {
    let number = trial.now();
    let grant = permitted(trial.town, number)?;
    if may(trial.town, victim, number)? != Decision::Permit {
        return Err(String::from("the grant does not count before the pause"));
    }
    let (from, at) = (trial.now(), Instant::now());
    let sleep = Duration::from_millis(1000 + trial.dice.below(9000));
    trial.town.signal(victim, "STOP")?;
    let went_on = others_go_on(trial, victim, from);
    let taken = if victim == 2 {
        let revoke = RevokeGrant { grant_id: grant, reason: String::from("test") };
        ask::<RevokeGrantResponse>(trial.town, 0, "authority", &revoke).map(drop)
    } else {
        let withdraw = WithdrawRole { user_id: user(number), role_name: user(number) };
        ask::<WithdrawRoleResponse>(trial.town, 2, "authority", &withdraw).map(drop)
    };
    std::thread::sleep(sleep.saturating_sub(at.elapsed()));
    // The question waits in the sleeper's socket when it wakes up: it is the first thing it reads.
    let stale = std::thread::scope(|scope| {
        let town: &Town = trial.town;
        let asking = scope.spawn(move || may(town, victim, number));
        std::thread::sleep(Duration::from_millis(100));
        let woken = town.signal(victim, "CONT");
        let answer = asking.join().map_err(|_panic| String::from("the question failed"));
        woken.and(answer)
    })?;
    went_on?;
    taken?;
    let seen = match stale {
        Ok(Decision::Permit) => return Err(String::from("a stale read: the paused node still permits what was taken away")),
        Ok(Decision::Deny) => "the sleeper denies",
        Err(_) => "the sleeper does not answer yet",
    };
    trial.said.push(seen.to_owned());
    Ok(())
}

fn pause_leader(trial: &mut Trial) -> Result<(), String> {
    let leader = trial.leader()?;
    pause(trial, leader)
}

fn pause_follower(trial: &mut Trial) -> Result<(), String> {
    let follower = trial.follower()?;
    pause(trial, follower)
}
