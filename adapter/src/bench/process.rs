//! Processes that are measured: started here, ended here.

use super::wrong;
use crate::config::Misconfigured;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// A running process; killed with -9 when it goes out of scope.
#[derive(Debug)]
pub(super) struct Process {
    child: Child,
}

impl Process {
    /// Starts a program whose output goes to `log`.
    pub(super) fn start(command: &mut Command, log: &Path) -> Result<Self, Misconfigured> {
        let failed = |error| Misconfigured::File(log.to_owned(), error);
        let file = std::fs::OpenOptions::new().create(true).append(true).open(log).map_err(failed)?;
        let errors = file.try_clone().map_err(failed)?;
        let child = command.stdin(Stdio::null()).stdout(file).stderr(errors).spawn();
        Ok(Self { child: child.map_err(|error| wrong(&command.get_program().to_string_lossy(), &error))? })
    }

    /// Ends it with SIGKILL and waits until it is gone.
    pub(super) fn kill(&mut self) {
        // One that has ended already is gone as well.
        drop(self.child.kill());
        drop(self.child.wait());
    }

    /// Octets of it that are in memory.
    pub(super) fn resident(&self) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        line.trim().strip_suffix(" kB")?.parse::<u64>().ok().map(|kib| kib << 10)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Octets of all files below a folder.
pub(super) fn size_of(folder: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    entries
        .flatten()
        .map(|entry| match entry.metadata() {
            Ok(metadata) if metadata.is_dir() => size_of(&entry.path()),
            Ok(metadata) => metadata.len(),
            Err(_) => 0,
        })
        .sum()
}

/// A port of the loopback that is free at this moment.
pub(super) fn free_port() -> Result<u16, Misconfigured> {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).and_then(|listener| listener.local_addr());
    listener.map(|address| address.port()).map_err(|error| wrong("loopback", &error))
}
