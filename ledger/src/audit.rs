//! Evidence bundles: one directory that proves its records on any machine, offline, without trust in who made it.

mod complete;
mod export;
mod manifest;
mod parts;
mod query;
mod verifying;

pub use complete::Complete;
pub(crate) use export::bodies;
pub use export::{Export, ExportError, bundle};
pub use manifest::Covered;
pub use parts::{asked, part, parts, verify_parts};
pub use query::Query;
pub use verifying::verify_files;

use crate::body::Member;
use crate::checkpoint::{Checkpoint, Policy};
use crate::record::StreamKind;
use crate::state::State;
use crate::tree::Hash;
use manifest::entry_of;
use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use xsd::time::Timestamp;

const TEN: usize = 10;
const MANIFEST: &str = "manifest.xml";
const SIGNATURE: &str = "manifest.sig";
const CHECKPOINT: &str = "checkpoint";
const INSTRUCTIONS: &str = "VERIFY.txt";
const VERIFY: &str = include_str!("audit/VERIFY.txt");
const FOLDERS: [&str; 4] = ["entries", "proofs", "keys", "batches"];
/// Octets of one file in a bundle; the manifest may be longer.
const FILE_BYTES_MAX: u64 = 256 << 20;

/// A bundle in memory: file names, with `/` between folder and file, and their octets.
pub type Files = BTreeMap<String, Vec<u8>>;

/// Writes a bundle into a directory that does not exist yet.
///
/// # Errors
/// The directory is there, or the medium.
pub fn write(dir: &Path, files: &Files) -> io::Result<()> {
    std::fs::create_dir(dir)?;
    for folder in FOLDERS {
        std::fs::create_dir(dir.join(folder))?;
    }
    for (name, octets) in files {
        if name.split('/').any(|part| part.is_empty() || part == "." || part == "..") {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, format!("{name} is no name of a bundle's file")));
        }
        std::fs::write(dir.join(name), octets)?;
    }
    Ok(())
}

/// What the auditor trusts. It never comes out of the bundle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trust {
    /// The nodes whose signatures make a checkpoint.
    Policy(Policy),
    /// SHA-256 of the genesis' body; its members' nodes and quorum follow from it.
    Fingerprint(Hash),
}

/// Something that does not hold.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// The file.
    pub file: String,
    /// The leaf that it holds or is about.
    pub entry: Option<u64>,
    /// What is wrong with it.
    pub what: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.entry {
            Some(entry) => write!(f, "{} (entry {entry}): {}", self.file, self.what),
            None => write!(f, "{}: {}", self.file, self.what),
        }
    }
}

/// What verifying has found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Empty when the bundle proves what it says.
    pub problems: Vec<Problem>,
    /// Leaves in it.
    pub entries: u64,
    /// Signatures of parties that were verified.
    pub signatures: u64,
    /// The ledger.
    pub ledger: String,
    /// SHA-256 of the genesis' body.
    pub genesis: Hash,
    /// Under which checkpoint.
    pub checkpoint: Option<Checkpoint>,
    /// Who exported it.
    pub exporter: String,
    /// What was asked.
    pub query: Query,
    /// The leaves that answer it, found by asking again.
    pub answers: Vec<u64>,
    /// The state root that says how far streams are: its leaf, and until when nothing is missing.
    pub root: Option<(u64, Timestamp)>,
    /// The members at that state root, by what they decided since the genesis; none where anything does not hold.
    pub members: Vec<Member>,
    /// The streams that have no gap here.
    pub streams: Vec<Covered>,
    /// The streams of which nothing of the period was left out, by a state root under the checkpoint.
    pub complete: Vec<Complete>,
}

impl Report {
    /// Whether everything holds.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.problems.is_empty()
    }

    /// Whether the answers are shown to be all there are, up to [`Report::root`]: the question names a party, a resource or a
    /// grant, and nothing is missing in the streams that this is about.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        let streams = self.query.streams();
        let shown = |(kind, id): &(StreamKind, String)| self.complete.iter().any(|complete| complete.kind == *kind && complete.id == *id);
        self.holds() && !streams.is_empty() && streams.iter().all(shown)
    }

    fn blame(&mut self, file: &str, what: impl fmt::Display) {
        let known = self.problems.iter().any(|problem| problem.file == file);
        if !known {
            self.problems.push(Problem { file: file.to_owned(), entry: entry_of(file), what: what.to_string() });
        }
    }

    /// One more problem with a file that may have others.
    fn add(&mut self, file: &str, what: impl fmt::Display) {
        self.problems.push(Problem { file: file.to_owned(), entry: entry_of(file), what: what.to_string() });
    }

    fn blamed(&self, file: &str) -> bool {
        self.problems.iter().any(|problem| problem.file == file)
    }
}

/// Reads a bundle's directory: its files, and the names of what is there and can be none.
///
/// # Errors
/// The directory cannot be read.
pub fn read(dir: &Path) -> io::Result<(Files, Vec<String>)> {
    let mut files = Files::new();
    let mut odd = Vec::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(folder) = folders.pop() {
        for item in std::fs::read_dir(dir.join(&folder))? {
            let item = item?;
            let path = folder.join(item.file_name());
            let name = path.to_string_lossy().into_owned();
            let kind = item.file_type()?;
            if kind.is_dir() && FOLDERS.contains(&name.as_str()) {
                folders.push(path);
            } else if !kind.is_file() || item.metadata()?.len() > FILE_BYTES_MAX || path.to_str().is_none() {
                odd.push(name);
            } else {
                files.insert(name, std::fs::read(item.path())?);
            }
        }
    }
    Ok((files, odd))
}

/// Verifies what [`read`] gave, offline.
#[must_use]
pub fn verify_all((files, odd): &(Files, Vec<String>), trust: &Trust) -> Report {
    let mut report = verify_files(files, trust);
    for name in odd {
        report.blame(name, "does not belong here");
    }
    report.problems.sort();
    report
}

/// Reads a directory and verifies it, offline.
///
/// # Errors
/// The directory cannot be read.
pub fn verify(dir: &Path, trust: &Trust) -> io::Result<Report> {
    Ok(verify_all(&read(dir)?, trust))
}

/// The keys that members hold and held as PEM, for openssl: those of the genesis, and the later ones with their first leaf.
fn keys(state: &State) -> Files {
    let mut files = Files::new();
    for member in state.holders() {
        let (mut record, mut node) = (None, None);
        for held in state.held(member) {
            let since = if held.from == 0 { member.to_owned() } else { format!("{member}.{}", held.from) };
            if let Some(key) = held.record_key.filter(|key| record.replace(*key) != Some(*key)) {
                files.insert(format!("keys/{since}.pem"), key.pem().into_bytes());
            }
            if node.replace(held.node_key) != Some(held.node_key) {
                files.insert(format!("keys/{since}.node.pem"), held.node_key.pem().into_bytes());
            }
        }
    }
    files
}
