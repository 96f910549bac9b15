//! etcd as the yardstick: three processes, its default timers and its own fdatasync, driven through its leader.

use super::grpc::{Grpc, field, number};
use super::load::Connection;
use super::process::{Process, free_port};
use super::wrong;
use crate::config::Misconfigured;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

pub(super) const PUT: &str = "/etcdserverpb.KV/Put";
pub(super) const RANGE: &str = "/etcdserverpb.KV/Range";
pub(super) const TXN: &str = "/etcdserverpb.KV/Txn";
const STATUS: &str = "/etcdserverpb.Maintenance/Status";
const START: Duration = Duration::from_secs(20);

/// A cluster of etcd.
pub(super) struct Etcd {
    binary: PathBuf,
    dir: PathBuf,
    ports: Vec<(u16, u16)>,
    members: Vec<Option<Process>>,
}

impl Etcd {
    /// Starts three members under `dir` and waits for a leader.
    pub(super) fn start(binary: &Path, dir: &Path) -> Result<Self, Misconfigured> {
        std::fs::create_dir_all(dir).map_err(|error| Misconfigured::File(dir.to_owned(), error))?;
        let ports = (0..3).map(|_| Ok((free_port()?, free_port()?))).collect::<Result<Vec<_>, Misconfigured>>()?;
        let mut etcd = Self { binary: binary.to_owned(), dir: dir.to_owned(), ports, members: vec![None, None, None] };
        for member in 0..3 {
            etcd.revive(member)?;
        }
        etcd.leader()?;
        Ok(etcd)
    }

    /// Starts a member again on what it has on disk.
    pub(super) fn revive(&mut self, member: usize) -> Result<(), Misconfigured> {
        let all: Vec<String> = (0..).zip(&self.ports).map(|(at, (_, peer))| format!("m{at}=http://127.0.0.1:{peer}")).collect();
        let Some((client, peer)) = self.ports.get(member) else { return Ok(()) };
        let (client, peer) = (format!("http://127.0.0.1:{client}"), format!("http://127.0.0.1:{peer}"));
        let mut command = Command::new(&self.binary);
        command.args(["--name", &format!("m{member}"), "--data-dir"]).arg(self.dir.join(format!("m{member}")));
        command.args(["--listen-client-urls", &client, "--advertise-client-urls", &client]);
        command.args(["--listen-peer-urls", &peer, "--initial-advertise-peer-urls", &peer]);
        command.args(["--initial-cluster", &all.join(","), "--initial-cluster-state", "new", "--log-level", "error"]);
        command.args(["--quota-backend-bytes", "8589934592"]);
        let process = Process::start(&mut command, &self.dir.join(format!("m{member}.log")))?;
        if let Some(slot) = self.members.get_mut(member) {
            *slot = Some(process);
        }
        Ok(())
    }

    pub(super) fn kill(&mut self, member: usize) {
        if let Some(slot) = self.members.get_mut(member) {
            *slot = None;
        }
    }

    /// A connection to a member for one method.
    pub(super) fn connect(&self, member: usize, method: &str) -> std::io::Result<Connection<Grpc>> {
        let port = self.ports.get(member).map_or(0, |(client, _)| *client);
        Connection::open(&format!("127.0.0.1:{port}"), Grpc::new(method), &Grpc::greeting())
    }

    fn status(&self, member: usize) -> Option<Vec<u8>> {
        let reply = self.connect(member, STATUS).ok()?.call(&[]).ok()?;
        reply.good.then_some(reply.octets)
    }

    /// Which member leads, once every running member says the same.
    pub(super) fn leader(&self) -> Result<usize, Misconfigured> {
        let until = Instant::now() + START;
        while Instant::now() < until {
            let running: Vec<usize> = self.members.iter().enumerate().filter(|(_, process)| process.is_some()).map(|(at, _)| at).collect();
            let said: Vec<(usize, Option<u64>, Option<u64>)> = running
                .iter()
                .filter_map(|member| self.status(*member).map(|status| (*member, number(&status, &[1, 2]), number(&status, &[4]))))
                .collect();
            let named = said.first().and_then(|(_, _, leader)| *leader);
            let agree = said.len() == running.len() && said.iter().all(|(_, _, leader)| *leader == named);
            if let Some((member, _, _)) = said.iter().find(|(_, id, _)| agree && named.is_some() && *id == named) {
                return Ok(*member);
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Err(wrong("etcd", &format!("no leader; its log is in {}", self.dir.display())))
    }

    /// Commits so far, as the server counts them: each Put or Txn is one.
    pub(super) fn revision(&self, member: usize) -> u64 {
        self.status(member).and_then(|status| number(&status, &[1, 3])).unwrap_or_default()
    }
}

/// `PutRequest`.
pub(super) fn put(key: &[u8], value: &[u8]) -> Vec<u8> {
    [field(1, key), field(2, value)].concat()
}

/// `RangeRequest` of one key; linearizable, as is the default.
pub(super) fn range(key: &[u8]) -> Vec<u8> {
    field(1, key)
}

/// `TxnRequest` of puts.
pub(super) fn txn(puts: &[Vec<u8>]) -> Vec<u8> {
    puts.iter().flat_map(|put| field(2, &field(2, put))).collect()
}
