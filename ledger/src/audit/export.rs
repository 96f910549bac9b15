//! Making a bundle: the leaves, their proofs, and what shows that none is missing.

use super::complete::{Whole, promised, prove};
use super::manifest::{Manifest, covered, digits};
use super::{CHECKPOINT, Files, INSTRUCTIONS, MANIFEST, Query, SIGNATURE, VERIFY, keys};
use crate::body::Request;
use crate::keys::{PublicKey, SecretKey};
use crate::medium::Medium;
use crate::node::Node;
use crate::proof::Receipt;
use crate::record::{Kind, Leaf, Place};
use crate::segment::StoreError;
use crate::streams::Rooted;
use crate::tree::{Hash, Tree};
use data_encoding::BASE64;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// Why there is no bundle.
#[derive(Debug)]
pub enum ExportError {
    /// No published checkpoint covers this leaf yet.
    NotCovered(u64),
    /// The exporter is no member, or the key is not its record key.
    Exporter,
    /// A leaf could not be read.
    Store(StoreError),
    /// No state root is under the published checkpoint yet: ask for one by a mark.
    NoRoot,
}

impl fmt::Display for ExportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotCovered(index) => write!(f, "no checkpoint covers leaf {index} yet"),
            Self::Exporter => f.write_str("the exporting member has another record key"),
            Self::Store(error) => error.fmt(f),
            Self::NoRoot => f.write_str("no state root is published yet"),
        }
    }
}

impl std::error::Error for ExportError {}

/// The evidence for a question, under the latest published checkpoint and the latest state root in it, signed by the exporting
/// member. `run` are the leaves that show it: what the members decided since the genesis, and of the streams that the question
/// names ([`Query::streams`]) every leaf of the period with the last before and the first after it; of a question that names none,
/// the leaves that fit. Leaf 0 and the state root are always there. The same leaves and checkpoint give the same octets.
///
/// # Errors
/// A leaf comes after the state root or cannot be read, there is none yet, or the key is not the exporter's.
pub fn bundle<M: Medium>(node: &Node<M>, run: &[u64], query: &Query, exporter: &str, key: &SecretKey) -> Result<Files, ExportError> {
    let mut export = Export::begin(node, run, query, exporter, &key.public())?;
    while !export.is_whole() {
        export.take(node, usize::MAX)?;
    }
    export.finish(key)
}

/// A bundle that is put together a few leaves at a time, so that a node which is asked for many goes on working in between: what
/// was begun under a checkpoint ends under it, whatever comes meanwhile.
#[derive(Debug)]
pub struct Export {
    ledger: String,
    exporter: String,
    query: Query,
    size: u64,
    note: String,
    rooted: Rooted,
    files: Files,
    /// Leaves that are still to be taken.
    left: BTreeSet<u64>,
    batches: BTreeMap<Hash, Tree>,
}

impl Export {
    /// As of [`bundle`]; `key` is the public half of the one that will sign.
    ///
    /// # Errors
    /// As of [`bundle`].
    pub fn begin<M: Medium>(node: &Node<M>, run: &[u64], query: &Query, exporter: &str, key: &PublicKey) -> Result<Self, ExportError> {
        let state = node.state();
        state.member(exporter).filter(|member| member.record_key == *key).ok_or(ExportError::Exporter)?;
        let (checkpoint, note) = node.published().ok_or(ExportError::NoRoot)?;
        let rooted = Some(state.rooted()).filter(|rooted| rooted.index() < checkpoint.size).ok_or(ExportError::NoRoot)?.clone();
        let left: BTreeSet<u64> = run.iter().copied().chain([0, rooted.index()]).collect();
        if let Some(late) = left.last().filter(|last| **last > rooted.index()) {
            return Err(ExportError::NotCovered(*late));
        }
        let mut files = keys(state);
        files.insert(CHECKPOINT.to_owned(), note.as_bytes().to_vec());
        files.insert(INSTRUCTIONS.to_owned(), VERIFY.as_bytes().to_vec());
        let (ledger, note) = (state.ledger().to_owned(), note.to_owned());
        let (exporter, query, size) = (exporter.to_owned(), query.clone(), checkpoint.size);
        Ok(Self { ledger, exporter, query, size, note, rooted, files, left, batches: BTreeMap::new() })
    }

    /// Whether all leaves were taken.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.left.is_empty()
    }

    /// Takes the next leaves from the node, at most so many, with their proofs.
    ///
    /// # Errors
    /// A leaf cannot be read.
    pub fn take<M: Medium>(&mut self, node: &Node<M>, most: usize) -> Result<(), ExportError> {
        for _ in 0..most {
            let Some(index) = self.left.pop_first() else { return Ok(()) };
            let receipt = Receipt::make(node.tree(), index, self.size, &self.note).ok_or(ExportError::NotCovered(index))?;
            let octets = node.leaf(index).map_err(ExportError::Store)?;
            if let Some(place) = Leaf::read(&octets).map_err(|error| broken(error.to_string()))?.entry.place() {
                self.files.insert(format!("batches/{}.path", digits(index)), path(node, index, place, &mut self.batches)?);
            }
            self.files.insert(format!("proofs/{}.tlog-proof", digits(index)), receipt.text().into_bytes());
            self.files.insert(format!("entries/{}.xml", digits(index)), octets);
        }
        Ok(())
    }

    /// Reads what was taken, and signs the manifest over it. This needs no node.
    ///
    /// # Errors
    /// Leaves are missing, or one cannot be read.
    pub fn finish(self, key: &SecretKey) -> Result<Files, ExportError> {
        let Self { ledger, exporter, query, rooted, mut files, left, .. } = self;
        if let Some(missing) = left.first() {
            return Err(ExportError::NotCovered(*missing));
        }
        let leaves = files.iter().filter(|(name, _)| name.starts_with("entries/")).map(|(_, octets)| whole(octets));
        let leaves = leaves.collect::<Result<Vec<Whole>, ExportError>>()?;
        let hashes = files.iter().map(|(name, octets)| (name.clone(), Hash::of(octets))).collect();
        let proven = prove(&rooted, &promised(&ledger, &query));
        let answers = answers(&query, &leaves);
        let manifest =
            Manifest { ledger, exporter, query: query.pairs(), answers, streams: covered(&leaves), proven, files: hashes }.octets();
        files.insert(SIGNATURE.to_owned(), signature_text(&manifest, &key.sign(&manifest)).into_bytes());
        files.insert(MANIFEST.to_owned(), manifest);
        Ok(files)
    }
}

fn broken(what: String) -> ExportError {
    ExportError::Store(StoreError::Diverged(what))
}

/// The leaves that answer a question; leaf 0 and state roots are nobody's answer.
pub(super) fn answers(query: &Query, leaves: &[Whole]) -> Vec<u64> {
    let asked = |whole: &&Whole| !matches!(whole.leaf.kind, Kind::Genesis | Kind::StateRoot) && query.fits(&whole.leaf, &whole.record);
    leaves.iter().filter(asked).map(|whole| whole.leaf.index).collect()
}

fn whole(octets: &[u8]) -> Result<Whole, ExportError> {
    let leaf = Leaf::read(octets).map_err(|error| broken(error.to_string()))?;
    let request = Request::read(leaf.entry.clone()).map_err(|verdict| broken(verdict.to_string()))?;
    let record = request.records().first().cloned().ok_or_else(|| broken("a leaf without a body".to_owned()))?;
    Ok(Whole { leaf, record, hash: Leaf::hash(octets) })
}

/// The path of a body up to the root that its parties signed, a hash in base64 a line.
fn path<M: Medium>(node: &Node<M>, index: u64, place: Place, batches: &mut BTreeMap<Hash, Tree>) -> Result<Vec<u8>, ExportError> {
    let tree = match batches.remove(&place.root) {
        Some(tree) => tree,
        None => bodies(node, index, place)?,
    };
    let path = tree.inclusion(u64::from(place.position), u64::from(place.size));
    batches.insert(place.root, tree);
    let path = path.ok_or_else(|| broken(format!("the batch of leaf {index} is not whole")))?;
    Ok(path.iter().flat_map(|hash| (hash.to_base64() + "\n").into_bytes()).collect())
}

/// The tree over the bodies of a batch. Its leaves stand one after the other, but for state roots.
pub(crate) fn bodies<M: Medium>(node: &Node<M>, index: u64, place: Place) -> Result<Tree, ExportError> {
    let mut bodies = BTreeMap::new();
    let mut take = |at: u64| {
        let whole = whole(&node.leaf(at).map_err(ExportError::Store)?)?;
        let found = whole.leaf.entry.place().filter(|found| found.root == place.root);
        bodies.extend(found.map(|found| (found.position, whole.record.hash())));
        Ok::<_, ExportError>(found.map(|found| found.position).or((whole.leaf.kind == Kind::StateRoot).then_some(u8::MAX)))
    };
    let mut first = index;
    while take(first)?.is_some_and(|position| position > 0) {
        first = first.checked_sub(1).ok_or(ExportError::NotCovered(index))?;
    }
    let mut last = index + 1;
    while last < node.state().size() && take(last)?.is_some() {
        last += 1;
    }
    let mut tree = Tree::default();
    bodies.into_values().for_each(|hash| tree.push(hash));
    Ok(tree)
}

/// The manifest's signature file: SHA-256 of the manifest in hexadecimal, and the signature in base64, a line each. The
/// hash tells which of the two files was changed.
pub(super) fn signature_text(manifest: &[u8], signature: &[u8; 64]) -> String {
    format!("{}\n{}\n", Hash::of(manifest), BASE64.encode(signature))
}
