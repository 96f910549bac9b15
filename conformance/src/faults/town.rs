//! Four real nodes for the fault rows: laid out once, each process started, stopped, killed and asked by itself.

use super::mount::Disk;
use crate::city::{SECTORS, Standing, root, scratch, waybill};
use adapter::cli::profile::Profile;
use adapter::cli::session::Session;
use adapter::config::{Config, file};
use adapter::unified::governance::{ShowGovernance, ShowGovernanceResponse};
use adapter::unified::registry::{ListSectors, ListSectorsResponse, Sector};
use ledger::body::{Content, Member, Request, Suffrage};
use ledger::checkpoint::Policy;
use ledger::keys::{PublicKey, SecretKey};
use ledger::medium::Directory;
use ledger::node::Node;
use ledger::record::Entry;
use ledger::store::{Batch, HardState, Store};
use ledger::tree::Hash;
use std::fs::OpenOptions;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;

/// How long nodes may take until they all stand, and until they agree.
const STAND: Duration = Duration::from_secs(40);
/// The nodes that vote; the fourth learns.
pub const VOTERS: [usize; 3] = [0, 1, 2];

/// Where the nodes live.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ground {
    /// The machine's own disk and loopback.
    Plain,
    /// Each on a disk that forgets, with traps.
    Disks,
    /// Each in a network namespace of its own.
    Spaces,
    /// Each under a clock of its own.
    Clocks,
}

/// Four nodes.
#[derive(Debug)]
pub struct Town {
    /// Its directory.
    pub dir: PathBuf,
    /// The nodes' disks, on [`Ground::Disks`].
    pub disks: Vec<Disk>,
    /// Runs what is asynchronous.
    pub runtime: Runtime,
    /// Who is believed: by the genesis, and after each change of the nodes.
    pub policies: Vec<Policy>,
    /// The nodes' numbers.
    numbers: Vec<u64>,
    ground: Ground,
    children: Vec<Option<Child>>,
    spaces: Vec<String>,
}

/// Runs a program for its effect.
///
/// # Errors
/// What it said when it failed.
pub fn run(program: &str, arguments: &[&str]) -> Result<(), String> {
    let out = Command::new(program).args(arguments).output().map_err(|error| format!("{program}: {error}"))?;
    let said = || format!("{program} {}: {}", arguments.join(" "), String::from_utf8_lossy(&out.stderr).trim());
    if out.status.success() { Ok(()) } else { Err(said()) }
}

/// The library that fakes a process's clock, where Debian puts it.
#[must_use]
pub fn faketime() -> Option<PathBuf> {
    let folders = std::fs::read_dir("/usr/lib").into_iter().flatten().flatten();
    folders.map(|item| item.path().join("faketime/libfaketime.so.1")).find(|path| path.exists())
}

/// Four namespaces on one bridge; the addresses of the nodes end with 1 to 4, this machine's with 254.
fn lay_spaces(names: &[String]) -> Result<(), String> {
    let bridge = bridge();
    run("ip", &["link", "add", &bridge, "type", "bridge"])?;
    run("ip", &["addr", "add", &format!("{}254/24", net()), "dev", &bridge])?;
    run("ip", &["link", "set", &bridge, "up"])?;
    for (name, number) in names.iter().zip(1..) {
        let (here, there) = (format!("{name}a"), format!("{name}b"));
        run("ip", &["netns", "add", name])?;
        run("ip", &["link", "add", &here, "type", "veth", "peer", "name", &there])?;
        run("ip", &["link", "set", &here, "master", &bridge, "up"])?;
        run("ip", &["link", "set", &there, "netns", name])?;
        let inside = |rest: &[&str]| run("ip", &[&["-n", name], rest].concat());
        inside(&["addr", "add", &format!("{}{number}/24", net()), "dev", &there])?;
        inside(&["link", "set", &there, "up"])?;
        inside(&["link", "set", "lo", "up"])?;
        run("ip", &["netns", "exec", name, "nft", "add", "table", "inet", "f"])?;
        let chain = ["add", "chain", "inet", "f", "in", "{", "type", "filter", "hook", "input", "priority", "0", ";", "}"];
        run("ip", &[&["netns", "exec", name, "nft"], chain.as_slice()].concat())?;
    }
    Ok(())
}

fn bridge() -> String {
    format!("wf{}", std::process::id() % 100_000)
}

fn net() -> String {
    let id = std::process::id();
    format!("10.{}.{}.", 100 + id / 250 % 100, id % 250)
}

/// What a policy needs of a member.
fn member(sector: &Sector) -> Option<Member> {
    Some(Member {
        id: sector.id.clone(),
        node: sector.node,
        bureau: sector.role == "bureau",
        suffrage: if sector.suffrage == "voter" { Suffrage::Voter } else { Suffrage::Learner },
        record_key: PublicKey::from_hex(&sector.record_key)?,
        node_key: PublicKey::from_hex(&sector.node_key)?,
        tls_certificate: Hash::default(),
        message_certificate: Hash::default(),
        administrator: Hash::default(),
        service: sector.service.clone(),
        peer: String::new(),
    })
}

fn genesis(dir: &Path) -> Result<Entry, String> {
    let octets = file(&dir.join("genesis")).map_err(|error| error.to_string())?;
    Entry::decode(&octets).map_err(|verdict| verdict.to_string())
}

impl Town {
    /// Lays four nodes out under `name` and starts them.
    ///
    /// # Errors
    /// What this machine does not allow, or the nodes do not stand.
    pub fn found(name: &str, ground: Ground) -> Result<Self, String> {
        let dir = scratch(name);
        let names: Vec<String> = (1..=4).map(|number| format!("{}n{number}", bridge())).collect();
        let hosts: Vec<String> = match ground {
            Ground::Spaces => (1..=4).map(|number| format!("{}{number}", net())).collect(),
            _ => vec![String::from("127.0.0.1"); 4],
        };
        let [first, second, third, fourth] = hosts.as_slice() else { return Err(String::from("four hosts")) };
        let laid = adapter::city::lay_out(&dir, [first, second, third, fourth], &root().join("mappings"));
        laid.map_err(|error| error.to_string())?;
        let founding = Request::read(genesis(&dir)?).map_err(|verdict| verdict.to_string())?;
        let Content::Genesis(founded) = founding.content() else { return Err(String::from("leaf 0 is no genesis")) };
        let policy = Policy::of_genesis(founding.ledger(), founded);
        let runtime = Runtime::new().map_err(|error| error.to_string())?;
        let spaces = if ground == Ground::Spaces { names } else { Vec::new() };
        let children = (0..4).map(|_| None).collect();
        let (policies, numbers) = (vec![policy], vec![1, 2, 3, 4]);
        let mut town = Self { dir, disks: Vec::new(), runtime, policies, numbers, ground, children, spaces };
        if ground == Ground::Spaces {
            lay_spaces(&town.spaces)?;
        }
        if ground == Ground::Disks {
            for sector in SECTORS {
                let disk = Disk::mount(&town.dir.join(sector).join("ledger")).map_err(|error| format!("FUSE: {error}"))?;
                town.disks.push(disk);
            }
        }
        for at in 0..4 {
            town.start(at)?;
        }
        town.stand(&[0, 1, 2, 3])?;
        Ok(town)
    }

    /// A node's folder.
    #[must_use]
    pub fn seat(&self, at: usize) -> PathBuf {
        self.dir.join(SECTORS.get(at).copied().unwrap_or_default())
    }

    /// A node's clock, on [`Ground::Clocks`]: an offset in seconds as `+3600`.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn clock(&self, at: usize, offset: &str) -> Result<(), String> {
        std::fs::write(self.seat(at).join("clock"), format!("{offset}s\n")).map_err(|error| error.to_string())
    }

    /// Starts a node that is not running.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn start(&mut self, at: usize) -> Result<(), String> {
        let config = self.seat(at).join("waybill.toml");
        let child = self.serve(at, &config)?;
        if let Some(place) = self.children.get_mut(at) {
            *place = Some(child);
        }
        Ok(())
    }

    /// A process of a node with this configuration; its words go to the node's log.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn serve(&self, at: usize, config: &Path) -> Result<Child, String> {
        let log = OpenOptions::new().create(true).append(true).open(self.seat(at).join("log")).map_err(|error| error.to_string())?;
        let mut command = match self.spaces.get(at) {
            Some(space) => {
                let mut command = Command::new("ip");
                command.args(["netns", "exec", space]).arg(waybill());
                command
            }
            None => Command::new(waybill()),
        };
        if self.ground == Ground::Clocks {
            self.clock(at, "+0")?;
            command.env("LD_PRELOAD", faketime().ok_or("there is no libfaketime")?);
            command.env("FAKETIME_TIMESTAMP_FILE", self.seat(at).join("clock"));
            command.envs([("FAKETIME_NO_CACHE", "1"), ("FAKETIME_DONT_FAKE_MONOTONIC", "1")]);
        }
        command.arg("serve").arg("--config").arg(config).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        command.env("WAYBILL_LOG", "warn,adapter::replica=info").spawn().map_err(|error| format!("waybill: {error}"))
    }

    /// The process of a node.
    ///
    /// # Errors
    /// It is not running.
    pub fn pid(&self, at: usize) -> Result<u32, String> {
        let child = self.children.get(at).and_then(Option::as_ref);
        child.map(Child::id).ok_or_else(|| format!("node {} is not running", at + 1))
    }

    /// Sends a signal.
    ///
    /// # Errors
    /// The node is not running.
    pub fn signal(&self, at: usize, signal: &str) -> Result<(), String> {
        run("kill", &[&format!("-{signal}"), &self.pid(at)?.to_string()])
    }

    /// kill -9.
    pub fn kill(&mut self, at: usize) {
        if let Some(mut child) = self.children.get_mut(at).and_then(Option::take) {
            drop(child.kill());
            drop(child.wait());
        }
    }

    /// Asks a node to end, and waits until it did.
    ///
    /// # Errors
    /// It does not within 20 s.
    pub fn stop(&mut self, at: usize) -> Result<(), String> {
        self.signal(at, "TERM")?;
        self.ended(at, Duration::from_secs(20)).map(drop)
    }

    /// Waits until a node's process ends by itself.
    ///
    /// # Errors
    /// It does not in time.
    pub fn ended(&mut self, at: usize, within: Duration) -> Result<ExitStatus, String> {
        let until = Instant::now() + within;
        let Some(place) = self.children.get_mut(at) else { return Err(String::from("no such node")) };
        loop {
            let Some(child) = place else { return Err(format!("node {} is not running", at + 1)) };
            if let Ok(Some(status)) = child.try_wait() {
                *place = None;
                return Ok(status);
            }
            if Instant::now() > until {
                return Err(format!("node {} still runs after {within:?}", at + 1));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Whether a node's process runs.
    pub fn runs(&mut self, at: usize) -> bool {
        self.children.get_mut(at).and_then(Option::as_mut).is_some_and(|child| matches!(child.try_wait(), Ok(None)))
    }

    /// Starts what does not run.
    ///
    /// # Errors
    /// As [`Town::start`].
    pub fn start_all(&mut self) -> Result<(), String> {
        for at in 0..4 {
            if !self.runs(at) {
                self.start(at)?;
            }
        }
        Ok(())
    }

    /// The node of this seat has another number from now on, and the key that is in its file; it is introduced by a bundle, and `asked`
    /// says who the members are.
    ///
    /// # Errors
    /// Its configuration cannot be written, or nobody says who the members are.
    pub fn renumber(&mut self, at: usize, number: u64, asked: usize, introduction: &Path) -> Result<(), String> {
        let path = self.seat(at).join("waybill.toml");
        let text = std::fs::read_to_string(&path).map_err(|error| error.to_string())?;
        let other = |line: &&str| !(line.starts_with("introduction = ") || line.starts_with("node = ") && !line.contains(".key"));
        let ledger = format!("[ledger]\nnode = {number}\nintroduction = \"{}\"", introduction.display());
        let lines = text.lines().filter(other).map(|line| if line == "[ledger]" { ledger.clone() } else { line.to_owned() });
        std::fs::write(&path, lines.collect::<Vec<_>>().join("\n")).map_err(|error| error.to_string())?;
        if let Some(place) = self.numbers.get_mut(at) {
            *place = number;
        }
        let asked = self.session(asked)?;
        let said: Result<ListSectorsResponse, _> = self.runtime.block_on(asked.call("registry", &ListSectors {}));
        let members: Option<Vec<Member>> = said.map_err(|failure| failure.to_string())?.sectors.iter().map(member).collect();
        let members = members.ok_or("a sector with a key that is none")?;
        let agreed: Result<ShowGovernanceResponse, _> = self.runtime.block_on(asked.call("governance", &ShowGovernance {}));
        let agreed = agreed.map_err(|failure| failure.to_string())?;
        self.policies.push(Policy::of_members(&agreed.origin, &members, agreed.quorum));
        Ok(())
    }

    /// A session of a sector's administrator.
    ///
    /// # Errors
    /// Its files cannot be read.
    pub fn session(&self, at: usize) -> Result<Session, String> {
        let profile = Profile::load(&self.seat(at).join("admin.toml")).map_err(|error| error.to_string())?;
        Session::open(&profile).map_err(|error| error.to_string())
    }

    /// Where a node stands; none if it does not say so within two seconds, or is not ready.
    #[must_use]
    pub fn standing(&self, at: usize) -> Option<Standing> {
        let session = self.session(at).ok()?;
        let asked = async { tokio::time::timeout(Duration::from_secs(2), session.get("/readyz")).await };
        let (status, body) = self.runtime.block_on(asked).ok()?.ok()?;
        let value: serde_json::Value = serde_json::from_slice(&body).ok()?;
        let standing = Standing {
            leader: value.get("leader")?.as_u64(),
            leaves: value.get("leaves")?.as_u64()?,
            root: value.get("root")?.as_str()?.to_owned(),
        };
        (status == 200).then_some(standing)
    }

    /// Waits until these nodes are ready.
    ///
    /// # Errors
    /// Who is not in time, and the last words of its log.
    pub fn stand(&mut self, nodes: &[usize]) -> Result<(), String> {
        let until = Instant::now() + STAND;
        for at in nodes.iter().copied() {
            while self.standing(at).is_none() {
                if Instant::now() > until || !self.runs(at) {
                    let log = std::fs::read_to_string(self.seat(at).join("log")).unwrap_or_default();
                    let last: Vec<&str> = log.lines().rev().take(3).collect();
                    return Err(format!("node {} does not stand: {}", at + 1, last.join(" | ")));
                }
                std::thread::sleep(Duration::from_millis(50));
            }
        }
        Ok(())
    }

    /// Who leads, as these nodes say; waits for one that is none of `not`.
    ///
    /// # Errors
    /// Nobody does in time.
    pub fn leader(&self, asked: &[usize], not: &[usize]) -> Result<usize, String> {
        let until = Instant::now() + STAND;
        while Instant::now() < until {
            for at in asked {
                let leader = self.standing(*at).and_then(|standing| standing.leader);
                let seat = self.numbers.iter().position(|number| Some(*number) == leader);
                if let Some(leader) = seat.filter(|leader| !not.contains(leader)) {
                    return Ok(leader);
                }
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Err(String::from("nobody leads"))
    }

    /// Waits until all four nodes hold the same leaves.
    ///
    /// # Errors
    /// What they say when they do not agree in time: a fork.
    pub fn settle(&self) -> Result<Standing, String> {
        let until = Instant::now() + STAND;
        loop {
            let standings: Vec<Option<Standing>> = (0..4).map(|at| self.standing(at)).collect();
            if let Some(Some(first)) = standings.first()
                && standings.iter().flatten().filter(|other| other.root == first.root && other.leaves == first.leaves).count() == 4
            {
                return Ok(first.clone());
            }
            if Instant::now() > until {
                return Err(format!("the nodes differ: {standings:?}"));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Waits until a node has what another one has by now, while more is coming.
    ///
    /// # Errors
    /// It does not catch up.
    pub fn catch_up(&self, at: usize, within: Duration) -> Result<(), String> {
        let until = Instant::now() + within;
        let others = (0..4).filter(|other| *other != at);
        let goal = others.filter_map(|other| self.standing(other)).map(|standing| standing.leaves).max().unwrap_or(0);
        while self.standing(at).is_none_or(|standing| standing.leaves < goal) {
            if Instant::now() > until {
                return Err(format!("node {} does not catch up with {goal} leaves", at + 1));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }

    /// The leaves in a copy of a stopped node's log, read by the product's own code. All entries count as committed: the
    /// nodes had settled, and what was committed last is told to a disk with what comes next.
    ///
    /// # Errors
    /// It refuses them.
    pub fn leaves(&self, at: usize) -> Result<Vec<Vec<u8>>, String> {
        let said = |error: &dyn std::fmt::Display| error.to_string();
        let config = Config::load(&self.seat(at).join("waybill.toml")).map_err(|error| said(&error))?;
        let genesis = genesis(&self.dir)?;
        let key = SecretKey::from_seed(adapter::pki::read_seed(&config.keys.node).map_err(|error| said(&error))?);
        let founded = Hash::of(genesis.body());
        let copy = self.dir.join("copy");
        drop(std::fs::remove_dir_all(&copy));
        std::fs::create_dir_all(&copy).map_err(|error| said(&error))?;
        for item in std::fs::read_dir(&config.data).map_err(|error| said(&error))?.flatten().filter(|item| item.path().is_file()) {
            std::fs::copy(item.path(), copy.join(item.file_name())).map_err(|error| said(&error))?;
        }
        let store = Directory::open(&copy).and_then(|directory| Store::open(directory, &founded, None));
        let mut store = store.map_err(|error| said(&error))?;
        let committed = HardState { commit: store.last(), ..store.hard_state() };
        store.save(Batch { hard_state: Some(committed), ..Batch::default() }).map_err(|error| said(&error))?;
        let settings = ledger::node::Config::new(&config.sector, genesis, key);
        let settings = ledger::node::Config { node: config.ledger.node.unwrap_or_default(), ..settings };
        let node = Node::open(settings, store).map_err(|error| said(&error))?;
        (0..node.status().size).map(|index| node.leaf(index).map_err(|error| said(&error))).collect()
    }

    /// Evidence of forks in the nodes' directories.
    #[must_use]
    pub fn evidence(&self) -> usize {
        let in_seat = |at: usize| std::fs::read_dir(self.seat(at).join("ledger")).into_iter().flatten().flatten();
        (0..4).flat_map(in_seat).filter(|item| item.file_name().to_string_lossy().starts_with("fork_")).count()
    }

    /// On [`Ground::Spaces`]: node `at` hears nothing of node `from` any more.
    ///
    /// # Errors
    /// nft refuses.
    pub fn deafen(&self, at: usize, from: usize) -> Result<(), String> {
        let space = self.spaces.get(at).ok_or("no namespaces")?;
        let source = format!("{}{}", net(), from + 1);
        run("ip", &["netns", "exec", space, "nft", "add", "rule", "inet", "f", "in", "ip", "saddr", &source, "drop"])
    }

    /// Everybody hears everybody again.
    ///
    /// # Errors
    /// nft refuses.
    pub fn mend(&self) -> Result<(), String> {
        self.spaces.iter().try_for_each(|space| run("ip", &["netns", "exec", space, "nft", "flush", "chain", "inet", "f", "in"]))
    }
}

impl Drop for Town {
    fn drop(&mut self) {
        for at in 0..4 {
            drop(self.signal(at, "CONT"));
            self.kill(at);
        }
        self.disks.clear();
        for space in &self.spaces {
            drop(run("ip", &["netns", "del", space]));
        }
        if self.ground == Ground::Spaces {
            drop(run("ip", &["link", "del", &bridge()]));
        }
    }
}
