//! Evidence bundles: one directory that proves its records on any machine, offline, without trust in who made it.

mod complete;
mod manifest;

pub use complete::Complete;
pub use manifest::Covered;

use crate::body::Request;
use crate::checkpoint::{Checkpoint, Policy};
use crate::keys::SecretKey;
use crate::medium::Medium;
use crate::node::Node;
use crate::proof::Receipt;
use crate::record::{ENTRY_BYTES_MAX, Kind, Leaf, StreamKind};
use crate::segment::StoreError;
use crate::state::State;
use crate::tree::{Hash, root_of_inclusion};
use data_encoding::BASE64;
use manifest::{Manifest, covered, digits, entry_of};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

const TEN: usize = 10;
const MANIFEST: &str = "manifest.xml";
const SIGNATURE: &str = "manifest.sig";
const CHECKPOINT: &str = "checkpoint";
const INSTRUCTIONS: &str = "VERIFY.txt";
const VERIFY: &str = include_str!("audit/VERIFY.txt");
/// Octets of one file in a bundle; the manifest may be longer.
const FILE_BYTES_MAX: u64 = 256 << 20;

/// A bundle in memory: file names, with `/` between folder and file, and their octets.
pub type Files = BTreeMap<String, Vec<u8>>;

/// Why there is no bundle.
#[derive(Debug)]
pub enum ExportError {
    /// No published checkpoint covers this leaf yet.
    NotCovered(u64),
    /// The exporter is no member, or the key is not its record key.
    Exporter,
    /// A leaf could not be read.
    Store(StoreError),
}

impl fmt::Display for ExportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotCovered(index) => write!(f, "no checkpoint covers leaf {index} yet"),
            Self::Exporter => f.write_str("the exporting member has another record key"),
            Self::Store(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for ExportError {}

/// The evidence for some leaves under the latest published checkpoint, signed by the exporting member. Leaf 0 is always
/// there. `query` says what was asked for, in the exporter's words. The same leaves and checkpoint give the same octets.
///
/// # Errors
/// A leaf is not covered or cannot be read, or the key is not the exporter's.
pub fn bundle<M: Medium>(
    node: &Node<M>,
    indexes: &[u64],
    query: &[(String, String)],
    exporter: &str,
    key: &SecretKey,
) -> Result<Files, ExportError> {
    let state = node.state();
    state.member(exporter).filter(|member| member.record_key == key.public()).ok_or(ExportError::Exporter)?;
    let (_, note) = node.published().ok_or(ExportError::NotCovered(0))?;
    let mut files = Files::from([(CHECKPOINT.to_owned(), note.as_bytes().to_vec()), (INSTRUCTIONS.to_owned(), VERIFY.as_bytes().to_vec())]);
    let mut leaves = Vec::new();
    // A state root that the checkpoint covers says how far the streams that were asked for are.
    let rooted = Some(state.rooted()).filter(|rooted| node.published().is_some_and(|(checkpoint, _)| rooted.index() < checkpoint.size));
    let proven: Vec<_> = rooted.map(|rooted| complete::prove(rooted, &promised(query))).unwrap_or_default();
    let root = proven.first().map(|proven| proven.root);
    for index in indexes.iter().copied().chain([0]).chain(root).collect::<BTreeSet<u64>>() {
        let receipt = node.receipt(index).ok_or(ExportError::NotCovered(index))?;
        let octets = node.leaf(index).map_err(ExportError::Store)?;
        let leaf = Leaf::read(&octets).map_err(|error| ExportError::Store(StoreError::Diverged(error.to_string())))?;
        leaves.push((leaf, Leaf::hash(&octets)));
        files.insert(format!("proofs/{}.tlog-proof", digits(index)), receipt.text().into_bytes());
        files.insert(format!("entries/{}.xml", digits(index)), octets);
    }
    files.extend(keys(state));
    let hashes = files.iter().map(|(name, octets)| (name.clone(), Hash::of(octets))).collect();
    let (ledger, exporter) = (state.ledger().to_owned(), exporter.to_owned());
    let manifest = Manifest { ledger, exporter, query: query.to_vec(), streams: covered(&leaves), proven, files: hashes }.octets();
    files.insert(SIGNATURE.to_owned(), signature_text(&manifest, &key.sign(&manifest)).into_bytes());
    files.insert(MANIFEST.to_owned(), manifest);
    Ok(files)
}

/// Writes a bundle into a directory that does not exist yet.
///
/// # Errors
/// The directory is there, or the medium.
pub fn write(dir: &Path, files: &Files) -> io::Result<()> {
    std::fs::create_dir(dir)?;
    for folder in ["entries", "proofs", "keys"] {
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
    /// What was asked, in the exporter's words.
    pub query: Vec<(String, String)>,
    /// The streams that have no gap here.
    pub streams: Vec<Covered>,
    /// The streams of which nothing was left out, by a state root under the checkpoint.
    pub complete: Vec<Complete>,
}

impl Report {
    /// Whether everything holds.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.problems.is_empty()
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

/// Reads a directory and verifies it, offline.
///
/// # Errors
/// The directory cannot be read.
pub fn verify(dir: &Path, trust: &Trust) -> io::Result<Report> {
    let mut files = Files::new();
    let mut odd = Vec::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(folder) = folders.pop() {
        for item in std::fs::read_dir(dir.join(&folder))? {
            let item = item?;
            let path = folder.join(item.file_name());
            let name = path.to_string_lossy().into_owned();
            let kind = item.file_type()?;
            if kind.is_dir() && matches!(name.as_str(), "entries" | "proofs" | "keys") {
                folders.push(path);
            } else if !kind.is_file() || item.metadata()?.len() > FILE_BYTES_MAX || path.to_str().is_none() {
                odd.push(name);
            } else {
                files.insert(name, std::fs::read(item.path())?);
            }
        }
    }
    let mut report = verify_files(&files, trust);
    for name in odd {
        report.blame(&name, "does not belong here");
    }
    report.problems.sort();
    Ok(report)
}

/// Verifies a bundle: each file against the manifest, the manifest against its signature, the genesis and the checkpoint
/// against `trust`, each leaf against its schema, its parties' signatures and its inclusion proof, and the streams.
#[must_use]
pub fn verify_files(files: &Files, trust: &Trust) -> Report {
    let mut report = Report::default();
    let manifest = files.get(MANIFEST).and_then(|octets| Manifest::read(octets));
    if manifest.is_none() {
        report.blame(MANIFEST, "missing, or not a manifest in its one form");
    }
    if let Some(manifest) = &manifest {
        compare(files, manifest, &mut report);
    }
    let Some((state, policy)) = trusted(files, trust, &mut report) else {
        signed(files, manifest.as_ref(), None, &mut report);
        return report;
    };
    signed(files, manifest.as_ref(), Some(&state), &mut report);
    for (name, octets) in keys(&state) {
        if files.get(&name) != Some(&octets) {
            report.blame(&name, "not the key that the genesis registers");
        }
    }
    if files.get(INSTRUCTIONS).map(Vec::as_slice) != Some(VERIFY.as_bytes()) {
        report.blame(INSTRUCTIONS, "not the instructions of this format");
    }
    let note = files.get(CHECKPOINT).and_then(|octets| std::str::from_utf8(octets).ok()).unwrap_or_default();
    match policy.verify(note) {
        Ok(checkpoint) => report.checkpoint = Some(checkpoint),
        Err(distrust) => report.blame(CHECKPOINT, distrust),
    }
    let leaves = entries(files, &state, note, &mut report);
    let found = covered(&leaves);
    if let Some(manifest) = manifest {
        if manifest.streams != found && report.holds() {
            report.blame(MANIFEST, "the streams it lists are not those that are here without a gap");
        }
        for (kind, id) in promised(&manifest.query) {
            let whole = found.iter().any(|covered| covered.kind == kind && covered.id == id && covered.first == 0);
            let there = leaves.iter().any(|(leaf, _)| leaf.heads.iter().any(|head| head.kind == kind && head.id == id));
            if there && !whole && report.holds() {
                report.blame(MANIFEST, format_args!("every record of {id} was asked for, and its stream '{}' has a gap", kind.code()));
            }
        }
        complete::verify(&manifest, &leaves, &mut report);
        (report.exporter, report.query, report.streams) = (manifest.exporter, manifest.query, found);
    }
    report.problems.sort();
    report
}

/// The streams that a query for everything of one sector must bring from their first record on.
fn promised(query: &[(String, String)]) -> Vec<(StreamKind, String)> {
    match query {
        [(name, sector)] if name == "sector" => vec![(StreamKind::Receiver, sector.clone()), (StreamKind::Sender, sector.clone())],
        _ => Vec::new(),
    }
}

/// Every file is listed, every listed file is there with its hash.
fn compare(files: &Files, manifest: &Manifest, report: &mut Report) {
    for (name, hash) in &manifest.files {
        match files.get(name) {
            None => report.blame(name, "missing"),
            Some(octets) if Hash::of(octets) != *hash => report.blame(name, "changed: not the SHA-256 that the manifest lists"),
            Some(_) => {}
        }
    }
    for name in files.keys().filter(|name| !matches!(name.as_str(), MANIFEST | SIGNATURE)) {
        if !manifest.files.contains_key(name) {
            report.blame(name, "not in the manifest");
        }
    }
}

/// The state after the genesis, and the policy for the checkpoint, if leaf 0 can be believed.
fn trusted(files: &Files, trust: &Trust, report: &mut Report) -> Option<(State, Policy)> {
    let name = format!("entries/{}.xml", digits(0));
    let Some(octets) = files.get(&name) else {
        report.blame(&name, "missing");
        return None;
    };
    let leaf = Leaf::read(octets).map_err(|error| report.blame(&name, error)).ok()?;
    let genesis = Hash::of(leaf.entry.body());
    let request = Request::read(leaf.entry).map_err(|verdict| report.blame(&name, verdict)).ok()?;
    let (state, applied) = State::found(request).map_err(|verdict| report.blame(&name, verdict)).ok()?;
    if applied.octets != *octets {
        report.blame(&name, "not the leaf that the genesis leads to");
    }
    let policy = match trust {
        Trust::Policy(policy) => policy.clone(),
        Trust::Fingerprint(fingerprint) => {
            if genesis != *fingerprint {
                report.blame(&name, "another genesis than the one you trust");
                return None;
            }
            Policy::of_genesis(state.ledger(), state.genesis())
        }
    };
    (report.genesis, report.ledger) = (genesis, state.ledger().to_owned());
    Some((state, policy))
}

/// The manifest's signature file: SHA-256 of the manifest in hexadecimal, and the signature in base64, a line each. The
/// hash tells which of the two files was changed.
fn signature_text(manifest: &[u8], signature: &[u8; 64]) -> String {
    format!("{}\n{}\n", Hash::of(manifest), BASE64.encode(signature))
}

fn signed(files: &Files, manifest: Option<&Manifest>, state: Option<&State>, report: &mut Report) {
    let (Some(octets), Some(text)) = (files.get(MANIFEST), files.get(SIGNATURE)) else {
        return report.blame(SIGNATURE, "there is no manifest with a signature");
    };
    let lines = std::str::from_utf8(text).ok().and_then(|text| text.split_once('\n'));
    let hash = lines.and_then(|(hash, _)| Hash::from_hex(hash));
    let signature: Option<[u8; 64]> =
        lines.and_then(|(_, line)| BASE64.decode(line.trim_end_matches('\n').as_bytes()).ok()?.try_into().ok());
    let (Some(hash), Some(signature)) = (hash, signature) else {
        return report.blame(SIGNATURE, "not a hash and a signature");
    };
    if signature_text(octets, &signature).as_bytes() != text.as_slice() && hash == Hash::of(octets) {
        return report.blame(SIGNATURE, "not in its one form");
    }
    let (Some(manifest), Some(state)) = (manifest, state) else { return };
    let Some(member) = state.member(&manifest.exporter).filter(|_| manifest.ledger == state.ledger()) else {
        return report.blame(MANIFEST, "its exporter is no member of this ledger");
    };
    match (hash == Hash::of(octets), member.record_key.verifies(octets, &signature)) {
        (true, true) => {}
        (false, false) => report.blame(MANIFEST, "changed: not what its exporter signed"),
        _ => report.blame(SIGNATURE, "the signature does not verify"),
    }
}

/// Checks every leaf and gives those that were found whole, in the ledger's order.
fn entries(files: &Files, state: &State, note: &str, report: &mut Report) -> Vec<(Leaf, Hash)> {
    let (mut leaves, mut requests, mut names) = (Vec::new(), Vec::new(), Vec::new());
    let mut time = None;
    for (name, octets) in files.iter().filter(|(name, _)| name.starts_with("entries/")) {
        report.entries += 1;
        let proof = name.replace("entries/", "proofs/").replace(".xml", ".tlog-proof");
        if report.blamed(name) || report.blamed(&proof) {
            continue;
        }
        let Some((leaf, request)) = leaf(name, octets, report) else { continue };
        if time.is_some_and(|time| leaf.time < time) {
            report.blame(name, "its time is before that of an earlier leaf");
        }
        time = Some(leaf.time);
        included(files, &proof, &leaf, octets, note, report);
        // Every node derives a state root for itself: nobody signs it, and its inclusion is its proof.
        if leaf.kind == Kind::StateRoot {
            if !request.entry().signatures().is_empty() || request.ledger() != state.ledger() {
                report.blame(name, "not a state root of this ledger");
            }
        } else {
            requests.push(request);
            names.push(name);
        }
        leaves.push((leaf, Hash::of(&[]), octets));
    }
    report.signatures = requests.iter().map(|request| request.entry().signatures().len() as u64).sum();
    for (checked, name) in state.check(requests).into_iter().zip(names) {
        if let Err(verdict) = checked {
            report.blame(name, verdict);
        }
    }
    for name in files.keys().filter(|name| name.starts_with("proofs/")) {
        let entry = name.replace("proofs/", "entries/").replace(".tlog-proof", ".xml");
        if entry_of(name).is_none() || !files.contains_key(&entry) {
            report.blame(name, "a proof without its entry");
        }
    }
    leaves.into_iter().map(|(leaf, _, octets)| (leaf, Leaf::hash(octets))).collect()
}

fn leaf(name: &str, octets: &[u8], report: &mut Report) -> Option<(Leaf, Request)> {
    if octets.len() > 2 * ENTRY_BYTES_MAX {
        report.blame(name, "too large for a leaf");
        return None;
    }
    let leaf = Leaf::read(octets).map_err(|error| report.blame(name, error)).ok()?;
    let request = Request::read(leaf.entry.clone()).map_err(|verdict| report.blame(name, verdict)).ok()?;
    let right = entry_of(name) == Some(leaf.index) && leaf.client == request.id() && leaf.kind == request.kind();
    if !right {
        report.blame(name, "its index, client id or kind is not that of its name and body");
    }
    Some((leaf, request))
}

fn included(files: &Files, proof: &str, leaf: &Leaf, octets: &[u8], note: &str, report: &mut Report) {
    let text = files.get(proof).and_then(|octets| std::str::from_utf8(octets).ok());
    let Some(receipt) = text.and_then(|text| Receipt::parse(text).ok()) else {
        return report.blame(proof, "missing, or not a proof");
    };
    if receipt.index != leaf.index || receipt.checkpoint != note {
        return report.blame(proof, "of another leaf or under another checkpoint");
    }
    let Some(checkpoint) = report.checkpoint.clone() else { return };
    if root_of_inclusion(Leaf::hash(octets), leaf.index, checkpoint.size, &receipt.path) != Some(checkpoint.root) {
        report.blame(&format!("entries/{}.xml", digits(leaf.index)), "not in the tree of the checkpoint");
    }
}

/// The members' record keys and node keys as PEM, for openssl.
fn keys(state: &State) -> Files {
    let members = state.genesis().members.iter();
    let pems = members.flat_map(|member| {
        let record = (format!("keys/{}.pem", member.id), member.record_key.pem().into_bytes());
        [record, (format!("keys/{}.node.pem", member.id), member.node_key.pem().into_bytes())]
    });
    pems.collect()
}
