//! The city's processes: started, their output kept in files, ended together.

use super::plan::Member;
use crate::config::Misconfigured;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::process::{Child, Command};

/// How long a process may take to end by itself.
const END: Duration = Duration::from_secs(10);

/// What runs. Ended by [`Processes::stop`], and killed if it is dropped before.
pub(super) struct Processes {
    running: Vec<Child>,
}

impl Processes {
    /// Starts the legacy systems and the nodes.
    ///
    /// # Errors
    /// One cannot be started.
    pub(super) fn start(city: &Path, members: &[Member], mappings: &Path, records: usize) -> Result<Self, Misconfigured> {
        let mut running = Vec::new();
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
            let mut node = program()?;
            node.arg("serve").arg("--config").arg(dir.join("waybill.toml"));
            running.push(spawn(node, &dir.join("log"))?);
        }
        Ok(Self { running })
    }

    /// Asks all to end, and kills what does not in time.
    pub(super) async fn stop(&mut self) {
        for pid in self.running.iter().filter_map(Child::id) {
            let asked = Command::new("kill").args(["-TERM", &pid.to_string()]).status().await;
            if let Err(error) = asked {
                tracing::debug!(%error, pid, "kill");
            }
        }
        for child in &mut self.running {
            if tokio::time::timeout(END, child.wait()).await.is_err() {
                drop(child.kill().await);
            }
        }
        self.running.clear();
    }
}

fn program() -> Result<Command, Misconfigured> {
    let program = std::env::current_exe().map_err(|error| Misconfigured::File(PathBuf::from("waybill"), error))?;
    let mut command = Command::new(program);
    command.kill_on_drop(true).stdin(Stdio::null());
    Ok(command)
}

fn spawn(mut command: Command, log: &Path) -> Result<Child, Misconfigured> {
    let failed = |error| Misconfigured::File(log.to_owned(), error);
    let file = File::create(log).map_err(failed)?;
    let copy = file.try_clone().map_err(failed)?;
    command.stdout(file).stderr(copy).spawn().map_err(failed)
}
