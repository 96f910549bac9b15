//! What the city is made of: who is in it, on which ports, with which keys and files.

use crate::config::{Config, Identity, KeyPair, Keys, Legacy, Limits, Misconfigured, Peer, Service};
use crate::founding::{self, Founder};
use crate::pki::{self, Authority, Issued, Use};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use xsd::time::Timestamp;

/// The ledger's id.
pub(super) const LEDGER: &str = "city.example/main/1";
/// Stands in a directory that a demo made, and that a demo may therefore replace.
pub(super) const MARKER: &str = ".waybill-demo-city";
/// The first port that the city tries; it takes three blocks of four.
const PORT: u16 = 7101;

/// One member of the city.
#[derive(Clone, Debug)]
pub(super) struct Member {
    /// Its name on the ledger.
    pub(super) id: &'static str,
    /// English and Chinese names.
    pub(super) names: [&'static str; 2],
    /// Where its processes listen.
    pub(super) host: String,
    /// Port of its services.
    pub(super) service: u16,
    /// Port of its ledger node.
    pub(super) peer: u16,
    /// Port of its legacy system and the path it answers on; the Bureau has none.
    pub(super) legacy: Option<(u16, &'static str)>,
    /// The people who get a certificate.
    pub(super) users: &'static [&'static str],
}

impl Member {
    /// The public address of its services.
    #[must_use]
    pub(super) fn url(&self) -> String {
        format!("https://{}:{}", self.host, self.service)
    }

    /// Its directory in the city's.
    #[must_use]
    pub(super) fn dir(&self, city: &Path) -> PathBuf {
        city.join(self.id)
    }
}

/// The members, each on a host, on ports that are free now.
///
/// # Errors
/// No free ports.
pub(super) fn members(hosts: [&str; 4]) -> Result<Vec<Member>, Misconfigured> {
    let fixed: Vec<u16> = (0..12).map(|offset| PORT + offset / 4 * 100 + offset % 4).collect();
    let free = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok();
    let ports = if fixed.iter().all(free) { fixed } else { any_ports(12)? };
    let port = |at: usize| ports.get(at).copied().unwrap_or_default();
    let member = |at: usize, id, names, path: Option<&'static str>, users| Member {
        id,
        names,
        host: hosts.get(at).copied().unwrap_or_default().to_owned(),
        service: port(at),
        peer: port(4 + at),
        legacy: path.map(|path| (port(8 + at), path)),
        users,
    };
    Ok(vec![
        member(0, "transport", ["Transport Bureau", "交通运输局"], Some("/trff/services/VehicleService"), &["admin"]),
        member(1, "health", ["Health Commission", "卫生健康委员会"], Some("/his/visits"), &["admin"]),
        member(2, "civil", ["Civil Affairs Bureau", "民政局"], Some("/household"), &["admin", "clerk", "trainee"]),
        member(3, "bureau", ["Big Data Bureau", "大数据局"], None, &["admin", "auditor"]),
    ])
}

fn any_ports(count: usize) -> Result<Vec<u16>, Misconfigured> {
    let none = |error| Misconfigured::Value(format!("no free port on 127.0.0.1: {error}"));
    let held: Vec<TcpListener> = (0..count).map(|_| TcpListener::bind("127.0.0.1:0")).collect::<Result<_, _>>().map_err(none)?;
    held.iter().map(|listener| listener.local_addr().map(|address| address.port()).map_err(none)).collect()
}

/// Writes every file of the city into `city`: certificates, keys, configurations, profiles, and the genesis.
///
/// # Errors
/// A file is there already or cannot be written.
pub(super) fn lay_out(city: &Path, members: &[Member], mappings: &Path, now: Timestamp) -> Result<(), Misconfigured> {
    let made = |path: &Path| std::fs::create_dir_all(path).map_err(|error| Misconfigured::File(path.to_owned(), error));
    made(city)?;
    pki::write_public(&city.join(MARKER), b"A demo of Waybill made this directory and replaces it when it is run again.\n")?;
    let authority = Authority::found("City of Example CA")?;
    pki::write_public(&city.join("ca.pem"), authority.pem().as_bytes())?;
    let mut founders = Vec::new();
    let mut seeds = Vec::new();
    let mut messages = String::new();
    for (node, member) in (1..).zip(members) {
        let dir = member.dir(city);
        made(&dir)?;
        let hosts = [member.host.clone(), String::from("localhost"), format!("gateway.{}.city.example", member.id)];
        let tls = issue(&authority, &dir, "tls", member.id, &hosts, Use::Node)?;
        let message = issue(&authority, &dir, "message", member.id, &[], Use::Message)?;
        messages.push_str(&message.certificate);
        let mut administrator = String::new();
        for user in member.users {
            let issued = issue(&authority, &dir, user, &format!("{user}@{}", member.id), &[], Use::Client)?;
            pki::write_public(&dir.join(format!("{user}.fingerprint")), issued.fingerprint.as_bytes())?;
            profile(&dir, user, member)?;
            if *user == "admin" {
                administrator = issued.fingerprint;
            }
        }
        let (record, node_seed) = (pki::seed()?, pki::seed()?);
        pki::write_secret(&dir.join("record.key"), data_encoding::HEXLOWER.encode(&record).as_bytes())?;
        pki::write_secret(&dir.join("node.key"), data_encoding::HEXLOWER.encode(&node_seed).as_bytes())?;
        let [english, chinese] = member.names;
        founders.push(Founder {
            id: member.id.to_owned(),
            names: vec![(String::from("en"), english.to_owned()), (String::from("zh"), chinese.to_owned())],
            bureau: member.legacy.is_none(),
            node,
            record_key: founding::public(&record),
            node_key: founding::public(&node_seed),
            tls_certificate: tls.fingerprint,
            message_certificate: message.fingerprint,
            administrator,
            service: format!("{}:{}", member.host, member.service),
            peer: format!("{}:{}", member.host, member.peer),
        });
        seeds.push((member.id.to_owned(), record));
        configure(&dir, member, mappings)?;
    }
    pki::write_public(&city.join("messages.pem"), messages.as_bytes())?;
    let genesis = founding::genesis(&uuid::Uuid::new_v4().to_string(), LEDGER, now, &founders);
    let entry = founding::entry(&genesis, &seeds).map_err(|verdict| Misconfigured::Value(verdict.to_string()))?;
    pki::write_public(&city.join("genesis"), &entry.encode())
}

fn issue(authority: &Authority, dir: &Path, file: &str, name: &str, hosts: &[String], purpose: Use) -> Result<Issued, Misconfigured> {
    let issued = authority.issue(name, hosts, purpose)?;
    pki::write_public(&dir.join(format!("{file}.pem")), issued.certificate.as_bytes())?;
    pki::write_secret(&dir.join(format!("{file}.key")), issued.key.as_bytes())?;
    Ok(issued)
}

fn profile(dir: &Path, user: &str, member: &Member) -> Result<(), Misconfigured> {
    let profile = crate::cli::profile::Profile {
        node: member.url(),
        certificate: PathBuf::from(format!("{user}.pem")),
        key: PathBuf::from(format!("{user}.key")),
        ca: PathBuf::from("../ca.pem"),
    };
    let text = toml::to_string(&profile).map_err(|error| Misconfigured::Value(error.to_string()))?;
    pki::write_public(&dir.join(format!("{user}.toml")), text.as_bytes())
}

fn configure(dir: &Path, member: &Member, mappings: &Path) -> Result<(), Misconfigured> {
    let file = PathBuf::from;
    let config = Config {
        sector: member.id.to_owned(),
        data: file("ledger"),
        genesis: file("../genesis"),
        service: Service { listen: format!("{}:{}", member.host, member.service), address: member.url() },
        peer: Peer { listen: format!("{}:{}", member.host, member.peer) },
        tls: Identity { certificate: file("tls.pem"), key: file("tls.key"), ca: file("../ca.pem") },
        message: KeyPair { certificate: file("message.pem"), key: file("message.key"), members: file("../messages.pem") },
        keys: Keys { record: file("record.key"), node: file("node.key") },
        legacy: member.legacy.map(|(port, path)| Legacy {
            mappings: mappings.join(member.id),
            endpoint: format!("http://127.0.0.1:{port}{path}"),
            timeout_ms: 10_000,
        }),
        ledger: crate::config::Ledger::default(),
        limits: Limits::default(),
    };
    let text = toml::to_string(&config).map_err(|error| Misconfigured::Value(error.to_string()))?;
    pki::write_public(&dir.join("waybill.toml"), text.as_bytes())
}
