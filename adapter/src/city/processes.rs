//! The city's processes: started, their output kept in files, ended together.

use super::plan::Member;
use crate::config::Misconfigured;
use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::process::{Child, Command};

/// How long a process may take to end by itself.
const END: Duration = Duration::from_secs(10);

/// What runs. Ended by [`Processes::stop`], and killed if it is dropped before.
pub(super) struct Processes {
    running: Vec<Child>,
    /// The nodes, by their member.
    nodes: BTreeMap<&'static str, Child>,
}

impl Processes {
    /// Starts the legacy systems and the nodes.
    ///
    /// # Errors
    /// One cannot be started.
    pub(super) fn start(city: &Path, members: &[Member], mappings: &Path, records: usize) -> Result<Self, Misconfigured> {
        let (mut running, mut nodes) = (Vec::new(), BTreeMap::new());
        for member in members {
            let dir = member.dir(city);
            if let Some((port, _)) = member.legacy {
                let mut legacy = program()?;
                legacy.args(["legacy-system", member.id, "--listen", &format!("127.0.0.1:{port}"), "--records", &records.to_string()]);
                legacy.arg("--mappings").arg(mappings.join(member.id));
                let child = spawn(legacy, &dir.join("legacy.log"))?;
                let pid = child.id().map(|pid| pid.to_string()).unwrap_or_default();
                crate::pki::write_public(&dir.join("legacy.pid"), pid.as_bytes())?;
                running.push(child);
            }
            nodes.insert(member.id, node(&dir)?);
        }
        Ok(Self { running, nodes })
    }

    /// Kills a member's node.
    ///
    /// # Errors
    /// There is none, or it cannot be killed.
    pub(super) async fn kill(&mut self, member: &str) -> Result<(), Misconfigured> {
        let mut node = self.nodes.remove(member).ok_or_else(|| Misconfigured::Value(format!("{member} does not run")))?;
        node.kill().await.map_err(|error| Misconfigured::Value(format!("{member} cannot be killed: {error}")))
    }

    /// Asks a member's node to end, and waits until it has.
    ///
    /// # Errors
    /// There is none.
    pub(super) async fn end(&mut self, member: &str) -> Result<(), Misconfigured> {
        let node = self.nodes.remove(member).ok_or_else(|| Misconfigured::Value(format!("{member} does not run")))?;
        end(vec![node]).await;
        Ok(())
    }

    /// Starts a member's node again.
    ///
    /// # Errors
    /// It cannot be started.
    pub(super) fn start_again(&mut self, dir: &Path, member: &'static str) -> Result<(), Misconfigured> {
        self.nodes.insert(member, node(dir)?);
        Ok(())
    }

    /// Asks all to end, and kills what does not in time.
    pub(super) async fn stop(&mut self) {
        end(self.running.drain(..).chain(std::mem::take(&mut self.nodes).into_values()).collect()).await;
    }
}

async fn end(mut children: Vec<Child>) {
    for pid in children.iter().filter_map(Child::id) {
        let asked = Command::new("kill").args(["-TERM", &pid.to_string()]).status().await;
        if let Err(error) = asked {
            tracing::debug!(%error, pid, "kill");
        }
    }
    for child in &mut children {
        if tokio::time::timeout(END, child.wait()).await.is_err() {
            drop(child.kill().await);
        }
    }
}

fn node(dir: &Path) -> Result<Child, Misconfigured> {
    let mut node = program()?;
    node.arg("serve").arg("--config").arg(dir.join("waybill.toml"));
    spawn(node, &dir.join("log"))
}

fn program() -> Result<Command, Misconfigured> {
    let program = std::env::current_exe().map_err(|error| Misconfigured::File(PathBuf::from("waybill"), error))?;
    let mut command = Command::new(program);
    command.kill_on_drop(true).stdin(Stdio::null());
    Ok(command)
}

fn spawn(mut command: Command, log: &Path) -> Result<Child, Misconfigured> {
    let failed = |error| Misconfigured::File(log.to_owned(), error);
    let file = OpenOptions::new().create(true).append(true).open(log).map_err(failed)?;
    let copy = file.try_clone().map_err(failed)?;
    command.stdout(file).stderr(copy).spawn().map_err(failed)
}
