//! A running city for the tests: real processes, started and ended by `waybill demo`, each killable and restartable.

use adapter::cli::profile::Profile;
use adapter::cli::session::Session;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// How long a city may take to stand.
const START: Duration = Duration::from_secs(120);

/// A city that ends when it is dropped.
#[derive(Debug)]
pub struct City {
    dir: PathBuf,
    demo: Child,
    restarted: Vec<Child>,
}

/// The root of the repository.
#[must_use]
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap_or_default()
}

/// The program under test: built beside this one by `cargo build --workspace --bins`.
///
/// # Panics
/// It is not built.
#[must_use]
#[expect(clippy::panic, reason = "a test cannot go on without the program")]
pub fn waybill() -> PathBuf {
    let exe = std::env::current_exe().unwrap_or_default();
    match exe.ancestors().skip(1).take(2).map(|folder| folder.join("waybill")).find(|program| program.exists()) {
        Some(program) => program,
        None => panic!("waybill is not built: run `cargo build --workspace --bins` first, or deploy/test"),
    }
}

/// A directory of its own for a test, below the target directory; what an earlier run left there is removed.
///
/// # Panics
/// It cannot be made.
#[must_use]
#[expect(clippy::expect_used, reason = "a test cannot go on without its directory")]
pub fn scratch(name: &str) -> PathBuf {
    let dir = waybill().parent().map(|debug| debug.join("scratch").join(name)).unwrap_or_default();
    if dir.exists() {
        std::fs::remove_dir_all(&dir).expect("an earlier run's files can be removed");
    }
    std::fs::create_dir_all(dir.parent().unwrap_or(&dir)).expect("the target directory is writable");
    dir
}

impl City {
    /// Starts a city named `name` and waits until it has shown the fifteen steps and stands.
    ///
    /// # Panics
    /// It does not stand in time.
    #[must_use]
    #[expect(clippy::panic, clippy::expect_used, reason = "a test cannot go on without its city")]
    pub fn start(name: &str) -> Self {
        let dir = scratch(name);
        let mut demo = Command::new(waybill())
            .args(["demo", "--dir"])
            .arg(&dir)
            .current_dir(root())
            .stdout(Stdio::piped())
            .spawn()
            .expect("waybill starts");
        let stdout = demo.stdout.take().expect("stdout is piped");
        let (told, ready) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if line.starts_with("The city is up") {
                    let _ended = told.send(());
                }
            }
        });
        if ready.recv_timeout(START).is_err() {
            drop(demo.kill());
            panic!("the city does not stand after {START:?}; see {}", dir.display());
        }
        Self { dir, demo, restarted: Vec::new() }
    }

    /// The city's directory.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// A person's profile.
    #[must_use]
    pub fn profile(&self, sector: &str, user: &str) -> PathBuf {
        self.dir.join(sector).join(format!("{user}.toml"))
    }

    /// A sector's service address.
    ///
    /// # Panics
    /// The configuration cannot be read.
    #[must_use]
    #[expect(clippy::expect_used, reason = "a test cannot go on without the address")]
    pub fn url(&self, sector: &str) -> String {
        let text = std::fs::read_to_string(self.dir.join(sector).join("waybill.toml")).expect("the sector is configured");
        text.lines().find_map(|line| line.strip_prefix("address = ")).expect("an address").trim_matches('"').to_owned()
    }

    /// Runs `waybill` with these arguments.
    ///
    /// # Panics
    /// It cannot be started.
    #[expect(clippy::expect_used, reason = "a test cannot go on without the program")]
    pub fn run(&self, arguments: &[&str]) -> Output {
        Command::new(waybill()).args(arguments).current_dir(&self.dir).output().expect("waybill starts")
    }

    /// The process of a sector's node.
    ///
    /// # Panics
    /// It is not running.
    #[must_use]
    #[expect(clippy::expect_used, reason = "a test cannot go on without the node")]
    pub fn pid(&self, sector: &str) -> u32 {
        let text = std::fs::read_to_string(self.dir.join(sector).join("pid")).expect("the node wrote its pid");
        text.trim().parse().expect("a pid")
    }

    /// Kills a sector's node with SIGKILL and waits until it is gone.
    ///
    /// # Panics
    /// `kill` cannot be run.
    pub fn kill(&mut self, sector: &str) {
        self.end(sector, "-9");
    }

    /// Tells a sector's node to stop, with SIGTERM, and waits until it is gone.
    ///
    /// # Panics
    /// `kill` cannot be run.
    pub fn stop(&mut self, sector: &str) {
        self.end(sector, "-TERM");
    }

    #[expect(clippy::expect_used, reason = "a test cannot go on without kill")]
    fn end(&mut self, sector: &str, signal: &str) {
        let pid = self.pid(sector);
        Command::new("kill").args([signal, &pid.to_string()]).status().expect("kill runs");
        let until = Instant::now() + Duration::from_secs(10);
        while Instant::now() < until && alive(pid) {
            for child in &mut self.restarted {
                drop(child.try_wait());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Starts a sector's node again.
    ///
    /// # Panics
    /// It cannot be started.
    #[expect(clippy::expect_used, reason = "a test cannot go on without the node")]
    pub fn restart(&mut self, sector: &str) {
        let log = std::fs::OpenOptions::new().create(true).append(true).open(self.dir.join(sector).join("log")).expect("a log");
        let child = Command::new(waybill())
            .arg("serve")
            .arg("--config")
            .arg(self.dir.join(sector).join("waybill.toml"))
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("waybill starts");
        self.restarted.push(child);
    }
}

/// A killed child of another process stays as a zombie until that one reaps it: that counts as gone.
fn alive(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(") ").next().and_then(|rest| rest.chars().next()).is_some_and(|state| state != 'Z' && state != 'X')
}

impl Drop for City {
    fn drop(&mut self) {
        for child in &mut self.restarted {
            drop(child.kill());
            drop(child.wait());
        }
        drop(Command::new("kill").args(["-TERM", &self.demo.id().to_string()]).status());
        let until = Instant::now() + Duration::from_secs(15);
        while Instant::now() < until && matches!(self.demo.try_wait(), Ok(None)) {
            std::thread::sleep(Duration::from_millis(50));
        }
        drop(self.demo.kill());
        drop(self.demo.wait());
    }
}

/// What a node says of itself at /readyz.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The leader's node number.
    pub leader: Option<u64>,
    /// Leaves.
    pub leaves: u64,
    /// The root over them.
    pub root: String,
}

impl City {
    /// A session of a person.
    ///
    /// # Panics
    /// The profile is wrong.
    #[must_use]
    #[expect(clippy::expect_used, reason = "a test cannot go on without its profile")]
    pub fn session(&self, sector: &str, user: &str) -> Session {
        Session::open(&Profile::load(&self.profile(sector, user)).expect("a profile")).expect("its files")
    }

    /// Where a sector's node stands; none if it does not answer.
    pub async fn standing(&self, sector: &str) -> Option<Standing> {
        let (_, body) = self.session(sector, "admin").get("/readyz").await.ok()?;
        let value: serde_json::Value = serde_json::from_slice(&body).ok()?;
        Some(Standing {
            leader: value.get("leader")?.as_u64(),
            leaves: value.get("leaves")?.as_u64()?,
            root: value.get("root")?.as_str()?.to_owned(),
        })
    }

    /// Waits until all nodes hold the same leaves, and gives them.
    ///
    /// # Panics
    /// They do not within 30 s.
    pub async fn settled(&self) -> Standing {
        let until = Instant::now() + Duration::from_secs(30);
        loop {
            let mut standings = Vec::new();
            for sector in SECTORS {
                standings.push(self.standing(sector).await);
            }
            if let Some(Some(first)) = standings.first()
                && standings.iter().flatten().count() == SECTORS.len()
                && standings.iter().flatten().all(|standing| standing.root == first.root && standing.leaves == first.leaves)
            {
                return first.clone();
            }
            assert!(Instant::now() < until, "the nodes differ after 30 s: {standings:?}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

/// The members, in the order of their nodes from 1.
pub const SECTORS: [&str; 4] = ["transport", "health", "civil", "bureau"];
