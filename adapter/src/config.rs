//! A node's configuration: one TOML file, read once, every path in it relative to the file.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::{Path, PathBuf};

/// What `waybill serve` needs to know.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The member this node belongs to.
    pub sector: String,
    /// The ledger's directory.
    pub data: PathBuf,
    /// The entry that founds the ledger, the same file on every node.
    pub genesis: PathBuf,
    /// Where clients and other adapters call.
    pub service: Service,
    /// Where the other ledger nodes connect.
    pub peer: Peer,
    /// The node's TLS identity and whom it trusts.
    pub tls: Identity,
    /// The certificate and key that sign the sector's SOAP messages.
    pub message: KeyPair,
    /// The ledger keys.
    pub keys: Keys,
    /// The sector's own system; the Bureau has none.
    pub legacy: Option<Legacy>,
    /// How the ledger is kept and shown.
    #[serde(default)]
    pub ledger: Ledger,
    /// Bounds on what a call may cost.
    #[serde(default)]
    pub limits: Limits,
}

/// The HTTPS endpoint.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Service {
    /// Address and port to bind.
    pub listen: String,
    /// The public address that stands in the contracts, as `https://gateway.transport.city:7101`.
    pub address: String,
}

/// The ledger's own endpoint.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Peer {
    /// Address and port to bind.
    pub listen: String,
}

/// A TLS identity and its trust.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Identity {
    /// PEM, leaf first.
    pub certificate: PathBuf,
    /// PEM, PKCS#8.
    pub key: PathBuf,
    /// PEM: the authorities whose certificates are accepted.
    pub ca: PathBuf,
}

/// A certificate and its private key.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct KeyPair {
    /// PEM.
    pub certificate: PathBuf,
    /// PEM, PKCS#8.
    pub key: PathBuf,
    /// PEM: the message certificates of the other members; which of them counts is said by the ledger.
    pub members: PathBuf,
}

/// The Ed25519 seeds, each 64 hexadecimal digits in a file of mode 0600.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Keys {
    /// Signs the sector's records.
    pub record: PathBuf,
    /// Signs tree heads.
    pub node: PathBuf,
}

/// The legacy system behind this adapter.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Legacy {
    /// The directory with its contract, schemas and mappings.
    pub mappings: PathBuf,
    /// Where it answers; overrides the address in its contract.
    pub endpoint: String,
    /// How long it may take.
    #[serde(default = "legacy_timeout_ms")]
    pub timeout_ms: u64,
}

fn legacy_timeout_ms() -> u64 {
    10_000
}

/// How the ledger is kept and shown.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Ledger {
    /// The node's number, where the genesis does not say it: the node came later, or in place of a lost one, or has another key.
    pub node: Option<u64>,
    /// A bundle of `waybill ledger member introduce`, for a node that starts with nothing where the founders' nodes are gone: it proves who
    /// the members are.
    pub introduction: Option<PathBuf>,
    /// Whether tiles of hashes are shown to who has no certificate. Entries never are.
    pub public_tiles: bool,
    /// Encrypts what is sealed: 64 hexadecimal digits a line, the key of now first, then those before it.
    pub at_rest_key: Option<PathBuf>,
    /// Logs besides this ledger whose checkpoints this node cosigns: their keys as `vkey`, whose names are the origins.
    pub witness_of: Vec<String>,
}

/// Bounds; the defaults are those of ARCHITECTURE.md.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Octets of a request's body.
    pub body_bytes_max: usize,
    /// Calls being answered at once; one more is told to come back.
    pub calls_max: usize,
    /// How long a call waits for the ledger before it is told to come back.
    pub commit_timeout_ms: u64,
    /// How long another adapter may take to answer.
    pub peer_timeout_ms: u64,
    /// How long an offer waits for its acceptance before it is recorded as timed out.
    pub offer_timeout_ms: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { body_bytes_max: 10 << 20, calls_max: 256, commit_timeout_ms: 5_000, peer_timeout_ms: 20_000, offer_timeout_ms: 30_000 }
    }
}

/// Why a configuration cannot be used.
#[derive(Debug)]
pub enum Misconfigured {
    /// A file that cannot be read.
    File(PathBuf, std::io::Error),
    /// TOML that is wrong; the text names line, column and the keys that exist.
    Toml(PathBuf, String),
    /// A value that makes no sense, and what to do.
    Value(String),
}

impl fmt::Display for Misconfigured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path, error) => write!(f, "{}: {error}", path.display()),
            Self::Toml(path, error) => write!(f, "{}: {error}", path.display()),
            Self::Value(what) => f.write_str(what),
        }
    }
}

impl std::error::Error for Misconfigured {}

impl Config {
    /// Reads `path`.
    ///
    /// # Errors
    /// The file cannot be read, is not TOML, has an unknown key, or lacks one.
    pub fn load(path: &Path) -> Result<Self, Misconfigured> {
        let text = std::fs::read_to_string(path).map_err(|error| Misconfigured::File(path.to_owned(), error))?;
        let mut config: Self = toml::from_str(&text).map_err(|error| Misconfigured::Toml(path.to_owned(), error.to_string()))?;
        let base = path.parent().unwrap_or_else(|| Path::new("."));
        for file in config.paths() {
            *file = base.join(&*file);
        }
        Ok(config)
    }

    /// Where the salts of this sector's trades are: beside the ledger, not in it.
    #[must_use]
    pub fn salts(&self) -> PathBuf {
        self.data.join("../salts")
    }

    fn paths(&mut self) -> Vec<&mut PathBuf> {
        let mut paths = vec![
            &mut self.data,
            &mut self.genesis,
            &mut self.tls.certificate,
            &mut self.tls.key,
            &mut self.tls.ca,
            &mut self.message.certificate,
            &mut self.message.key,
            &mut self.message.members,
            &mut self.keys.record,
            &mut self.keys.node,
        ];
        paths.extend(&mut self.ledger.at_rest_key);
        paths.extend(&mut self.ledger.introduction);
        if let Some(legacy) = &mut self.legacy {
            paths.push(&mut legacy.mappings);
        }
        paths
    }
}

/// Reads a file that the configuration names.
///
/// # Errors
/// The file cannot be read.
pub fn file(path: &Path) -> Result<Vec<u8>, Misconfigured> {
    std::fs::read(path).map_err(|error| Misconfigured::File(path.to_owned(), error))
}
