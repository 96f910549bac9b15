//! Our side: a deployment of one or three processes with real peer links, and the records that are put on its ledger.

use super::load::Connection;
use super::process::{Process, free_port};
use super::submit::{STATUS, SUBMIT, Standing, Submit, request};
use super::wrong;
use crate::config::Misconfigured;
use crate::founding::{self, Founder};
use crate::pki::{self, Authority, Use};
use data_encoding::HEXLOWER;
use ledger::body::Request;
use ledger::keys::SecretKey;
use ledger::record::{Entry, PartySignature, Verdict};
use ledger::tree::Hash;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};
use xsd::tree::{Element, QName};

const LEDGER: &str = "bench.example/main/1";
const START: Duration = Duration::from_secs(20);
const RECOVERY: Duration = Duration::from_secs(600);

/// The members of a measured deployment.
pub(super) struct Ours {
    dir: PathBuf,
    ports: Vec<u16>,
    members: Vec<Option<Process>>,
}

impl Ours {
    /// Founds a ledger of `voters` under `dir`, starts their nodes and waits for a leader. So many learners more stand in the genesis,
    /// and are not started.
    pub(super) fn start(dir: &Path, voters: usize, learners: usize) -> Result<Self, Misconfigured> {
        let all = voters + learners;
        let (mut ports, mut founders, mut seeds) = (Vec::new(), Vec::new(), Vec::new());
        let authority = Authority::found("bench")?;
        for (number, at) in (1..).zip(0..all) {
            let (name, folder) = (name(at), dir.join(format!("n{at}")));
            std::fs::create_dir_all(&folder).map_err(|error| Misconfigured::File(folder.clone(), error))?;
            let tls = authority.issue(&name, &["127.0.0.1".to_owned()], Use::Node)?;
            let node = pki::seed()?;
            pki::write_secret(&folder.join("node.key"), HEXLOWER.encode(&node).as_bytes())?;
            pki::write_secret(&folder.join("tls.key"), tls.key.as_bytes())?;
            pki::write_public(&folder.join("tls.pem"), tls.certificate.as_bytes())?;
            pki::write_public(&folder.join("ca.pem"), authority.pem().as_bytes())?;
            let (service, peer) = (free_port()?, free_port()?);
            let unused = |what: &str| Hash::of(format!("{what} {name}").as_bytes()).to_string();
            founders.push(Founder {
                id: name.clone(),
                names: vec![("en".to_owned(), name.clone())],
                bureau: at >= voters,
                node: number,
                record_key: record_key(&name).public().0,
                node_key: founding::public(&node),
                tls_certificate: tls.fingerprint,
                message_certificate: unused("message"),
                administrator: unused("administrator"),
                service: format!("127.0.0.1:{service}"),
                peer: format!("127.0.0.1:{peer}"),
            });
            seeds.push((name.clone(), record_seed(&name)));
            ports.push(service);
        }
        let id = uuid::Uuid::new_v4().to_string();
        let genesis = founding::genesis(&id, LEDGER, crate::replica::now(), &founders);
        let genesis = founding::entry(&genesis, &seeds).map_err(|error| wrong("genesis", &error))?.encode();
        let mut ours = Self { dir: dir.to_owned(), ports, members: (0..all).map(|_| None).collect() };
        for member in 0..all {
            pki::write_public(&dir.join(format!("n{member}/genesis")), &genesis)?;
        }
        for member in 0..voters {
            ours.revive(member)?;
        }
        ours.leader()?;
        Ok(ours)
    }

    /// Starts a node again on what it has on disk.
    pub(super) fn revive(&mut self, member: usize) -> Result<(), Misconfigured> {
        let program = std::env::current_exe().map_err(|error| wrong("this program", &error))?;
        let mut command = Command::new(program);
        command.args(["ledger-node", "--dir"]).arg(self.data(member));
        let process = Process::start(&mut command, &self.dir.join(format!("n{member}.log")))?;
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

    /// The process of a member that runs.
    pub(super) fn process(&self, member: usize) -> Option<&Process> {
        self.members.get(member)?.as_ref()
    }

    /// Everything that a member has on disk.
    pub(super) fn data(&self, member: usize) -> PathBuf {
        self.dir.join(format!("n{member}"))
    }

    pub(super) fn connect(&self, member: usize) -> std::io::Result<Connection<Submit>> {
        let port = self.ports.get(member).copied().unwrap_or_default();
        Connection::open(&format!("127.0.0.1:{port}"), Submit, &[])
    }

    pub(super) fn standing(&self, member: usize) -> Option<Standing> {
        let reply = self.connect(member).ok()?.call(&request(STATUS, &[])).ok()?;
        Standing::decode(&reply.octets)
    }

    /// The member that leads.
    pub(super) fn leader(&self) -> Result<usize, Misconfigured> {
        let until = Instant::now() + START;
        while Instant::now() < until {
            let leads = |member: &usize| self.process(*member).is_some() && self.standing(*member).is_some_and(|at| at.leads);
            if let Some(member) = (0..self.ports.len()).find(leads) {
                return Ok(member);
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Err(wrong("ledger", &format!("no leader; the nodes' logs are in {}", self.dir.display())))
    }

    /// Waits until a member has `size` leaves: how long that took.
    pub(super) fn reaches(&self, member: usize, size: u64) -> Result<Duration, Misconfigured> {
        let since = Instant::now();
        while since.elapsed() < RECOVERY {
            if self.standing(member).is_some_and(|standing| standing.size >= size) {
                return Ok(since.elapsed());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Err(wrong("ledger", &format!("member {member} does not reach {size} leaves; its log is in {}", self.dir.display())))
    }
}

fn name(member: usize) -> String {
    format!("sector-{member}")
}

fn record_seed(name: &str) -> [u8; 32] {
    Hash::of(name.as_bytes()).0
}

fn record_key(name: &str) -> SecretKey {
    SecretKey::from_seed(record_seed(name))
}

/// What a record is like.
#[derive(Clone, Copy, Debug)]
pub(super) struct Like {
    /// Octets of the body, at least; 256 or more.
    pub(super) octets: usize,
    /// Its parties, who all sign: one or two.
    pub(super) parties: usize,
}

/// Makes log records (kind `log`) with ids that nobody used.
pub(super) struct Records {
    next: u64,
    salt: u128,
    keys: [SecretKey; 2],
}

impl Records {
    pub(super) fn new() -> Self {
        Self { next: 0, salt: uuid::Uuid::new_v4().as_u128(), keys: [record_key(&name(0)), record_key(&name(1))] }
    }

    fn body(&mut self, like: Like) -> (String, Vec<u8>) {
        self.next += 1;
        let id = uuid::Uuid::from_u128(self.salt ^ u128::from(self.next)).to_string();
        let root = Element::new("l", QName::new(founding::NAMESPACE, "Log")).with("id", &id).with("ledger", LEDGER);
        let mut log = root.leaf("Sector", name(0));
        if like.parties > 1 {
            log = log.leaf("Peer", name(1));
        }
        log = log.leaf("Source", "gateway");
        let mut octets = Vec::new();
        while octets.len() < like.octets {
            log = log.leaf("Digest", Hash::of(&[self.next.to_be_bytes(), (octets.len() as u64).to_be_bytes()].concat()).to_string());
            octets = xsd::write::canonical(&log, &[], &[]);
        }
        (id, octets)
    }

    fn sign(&self, like: Like, octets: &[u8]) -> Vec<PartySignature> {
        let parties = self.keys.iter().enumerate().take(like.parties);
        parties.map(|(at, key)| PartySignature::sign(&name(at), key, octets)).collect()
    }

    /// A record's client id, and the request that submits it.
    pub(super) fn single(&mut self, like: Like) -> Result<(String, Vec<u8>), Verdict> {
        let (id, body) = self.body(like);
        let signatures = self.sign(like, &body);
        Ok((id, request(SUBMIT, &Entry::new(body, signatures)?.encode())))
    }

    /// The request that submits `size` records under one set of signatures.
    pub(super) fn batch(&mut self, like: Like, size: usize) -> Result<Vec<u8>, Verdict> {
        let bodies: Vec<Vec<u8>> = (0..size).map(|_| self.body(like).1).collect();
        let unsigned = Request::read(Entry::batch(bodies.clone(), Vec::new())?)?;
        let signatures = self.sign(like, unsigned.signed());
        Ok(request(SUBMIT, &Entry::batch(bodies, signatures)?.encode()))
    }
}
