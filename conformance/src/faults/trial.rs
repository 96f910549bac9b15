//! One trial: traffic, a fault, the healing, and the judgement of what the nodes hold afterwards.

use super::disk::Dice;
use super::history::{self, Verdict};
use super::rows::Row;
use super::town::{Ground, Town, VOTERS, faketime, run};
use super::traffic::Traffic;
use ledger::tree::{Tree, leaf_hash};
use std::path::Path;
use std::time::{Duration, Instant};

/// Records that must be acknowledged before the fault: less shows nothing.
pub const TRAFFIC: usize = 30;
/// How long that may take.
pub const FLOW: Duration = Duration::from_secs(30);
/// After healing every voting node's clients must be served again within this time (I9).
pub const HEAL: Duration = Duration::from_secs(10);

/// What a fault may touch.
#[derive(Debug)]
pub struct Trial<'a> {
    /// The nodes.
    pub town: &'a mut Town,
    /// Their clients.
    pub traffic: &'a Traffic,
    /// Chance, from the trial's seed.
    pub dice: Dice,
    /// What the table says of this trial beside the numbers.
    pub said: Vec<String>,
}

impl Trial<'_> {
    /// Who leads.
    ///
    /// # Errors
    /// Nobody.
    pub fn leader(&self) -> Result<usize, String> {
        self.town.leader(&VOTERS, &[])
    }

    /// A voter that does not lead.
    ///
    /// # Errors
    /// Nobody leads.
    pub fn follower(&mut self) -> Result<usize, String> {
        let leader = self.leader()?;
        let others: Vec<usize> = VOTERS.into_iter().filter(|at| *at != leader).collect();
        let at = usize::try_from(self.dice.below(2)).unwrap_or(0);
        others.get(at).copied().ok_or_else(|| String::from("no follower"))
    }

    /// Microseconds since the trial began.
    #[must_use]
    pub fn now(&self) -> u64 {
        self.traffic.recorder.now()
    }

    /// Waits until all of `nodes` serve calls that began after `from`, and tells after what time.
    ///
    /// # Errors
    /// They do not in time.
    pub fn served(&self, from: u64, nodes: &[usize], within: Duration) -> Result<Duration, String> {
        let numbers: Vec<u64> = nodes.iter().map(|at| *at as u64 + 1).collect();
        let until = Instant::now() + within;
        loop {
            if let Some(time) = self.traffic.recorder.progress(from, &numbers) {
                return Ok(time);
            }
            if Instant::now() > until {
                return Err(format!("no progress of nodes {numbers:?} within {within:?}"));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// What trials of a row gave, added up.
#[derive(Clone, Debug, Default)]
pub struct Sum {
    /// Trials.
    pub trials: usize,
    /// Calls acknowledged.
    pub acknowledged: usize,
    /// Acknowledged records that are gone.
    pub lost: usize,
    /// Nodes that disagree, or evidence of it.
    pub forks: usize,
    /// From the end of each fault until every voter serves again.
    pub heal: Vec<Duration>,
    /// What else was seen.
    pub said: Vec<String>,
    /// What was wrong, by trial.
    pub wrong: Vec<String>,
}

/// Whether this machine lets a ground be made.
///
/// # Errors
/// Why not.
pub fn possible(ground: Ground) -> Result<(), String> {
    let there = |path: &str| if Path::new(path).exists() { Ok(()) } else { Err(format!("there is no {path}")) };
    match ground {
        Ground::Plain => Ok(()),
        Ground::Disks => there("/dev/fuse").and_then(|()| run("fusermount3", &["--version"])).and_then(|()| run("strace", &["-V"])),
        Ground::Clocks => faketime().map(drop).ok_or_else(|| String::from("there is no libfaketime")),
        Ground::Spaces => {
            let name = format!("wfprobe{}", std::process::id());
            run("ip", &["netns", "add", &name])?;
            let made = run("ip", &["netns", "exec", &name, "nft", "add", "table", "inet", "f"]);
            run("ip", &["netns", "del", &name])?;
            made
        }
    }
}

/// One trial on a standing town.
///
/// # Errors
/// What does not hold, in one sentence.
pub fn trial(town: &mut Town, row: &Row, seed: u64, sum: &mut Sum) -> Result<(), String> {
    town.start_all()?;
    town.stand(&[0, 1, 2, 3])?;
    let name = format!("{}-{seed}", row.name.replace(' ', "-"));
    let path = town.dir.join(format!("{name}.jsonl"));
    let traffic = Traffic::start(town, &path, &name)?;
    let prefix = traffic.prefix.clone();
    let mut trial = Trial { town, traffic: &traffic, dice: Dice::new(seed), said: Vec::new() };
    trial.traffic.wait(0, TRAFFIC, FLOW)?;
    (row.fault)(&mut trial)?;
    trial.town.start_all()?;
    let healed = trial.now();
    let heal = trial.served(healed, &VOTERS, HEAL * 3)?;
    let (mut dice, said) = (trial.dice, trial.said);
    traffic.stop(town);
    sum.trials += 1;
    sum.said.extend(said);
    sum.heal.push(heal);
    let verdict = judge(town, &path, &prefix, &mut dice, sum)?;
    if !verdict.holds() {
        return Err(verdict.to_string());
    }
    if heal > HEAL { Err(format!("served again only after {heal:?}")) } else { Ok(()) }
}

/// All nodes must agree, none have evidence of a fork, and one of them, stopped and read, hold what was acknowledged.
fn judge(town: &mut Town, path: &Path, prefix: &str, dice: &mut Dice, sum: &mut Sum) -> Result<Verdict, String> {
    let settled = town.settle();
    sum.forks += usize::from(settled.is_err()) + town.evidence();
    let settled = settled?;
    let witness = usize::try_from(dice.below(3)).unwrap_or(0);
    town.stop(witness)?;
    let leaves = town.leaves(witness)?;
    town.start(witness)?;
    let mut tree = Tree::default();
    leaves.iter().for_each(|leaf| tree.push(leaf_hash(leaf)));
    if tree.root(settled.leaves).is_none_or(|root| root.to_string() != settled.root) {
        sum.forks += 1;
        return Err(format!("the disk of node {} does not hold what it says", witness + 1));
    }
    let text = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
    let verdict = history::judge(&history::read(&text)?, &leaves, &town.policies, prefix);
    sum.acknowledged += verdict.acknowledged;
    sum.lost += verdict.lost.len();
    if town.evidence() > 0 { Err(String::from("there is evidence of a fork")) } else { Ok(verdict) }
}

/// The control: with disks that lie about syncing, a power loss of all nodes must lose what was acknowledged, and the judge
/// must see it. Gives its verdict.
///
/// # Errors
/// The control cannot be made.
pub fn lying(town: &mut Town, seed: u64) -> Result<Verdict, String> {
    let path = town.dir.join(format!("lying-{seed}.jsonl"));
    let traffic = Traffic::start(town, &path, &format!("lying-{seed}"))?;
    let prefix = traffic.prefix.clone();
    traffic.wait(0, TRAFFIC, FLOW)?;
    town.disks.iter().for_each(|disk| disk.lie(true));
    let from = traffic.recorder.now();
    traffic.wait(from, TRAFFIC, FLOW)?;
    (0..4).for_each(|at| town.kill(at));
    traffic.stop(town);
    for disk in &mut town.disks {
        disk.lose_power(&mut Dice::new(seed), false).map_err(|error| error.to_string())?;
        disk.lie(false);
    }
    town.start_all()?;
    town.stand(&[0, 1, 2, 3])?;
    town.settle()?;
    town.stop(0)?;
    let leaves = town.leaves(0)?;
    let text = std::fs::read_to_string(&path).map_err(|error| error.to_string())?;
    Ok(history::judge(&history::read(&text)?, &leaves, &town.policies, &prefix))
}

/// Runs trials of rows that share a ground; a town serves all of them until a trial fails.
pub fn trials(rows: &[&Row], count: impl Fn(&Row) -> usize, seed: u64, mut told: impl FnMut(&Row, &Sum)) {
    let mut town: Option<Town> = None;
    let mut towns = 0_usize;
    for row in rows {
        let mut sum = Sum::default();
        for number in 0..count(row) {
            let ground = row.ground;
            // A log that grows for ever makes every reading of it slower.
            if number % 10 == 9 {
                town = None;
            }
            if town.is_none() {
                towns += 1;
                match Town::found(&format!("faults-{ground:?}-{towns}").to_lowercase(), ground) {
                    Ok(made) => town = Some(made),
                    Err(why) => {
                        sum.wrong.push(why);
                        break;
                    }
                }
            }
            let Some(standing) = town.as_mut() else { break };
            if let Err(why) = trial(standing, row, seed + number as u64, &mut sum) {
                sum.wrong.push(format!("trial {number}, seed {}: {why}; see {}", seed + number as u64, standing.dir.display()));
                town = None;
            }
        }
        told(row, &sum);
    }
}
