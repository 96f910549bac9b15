//! `ledger diff`: where two nodes part, each a running one, a data directory or a segment's file; who signed what on each side.

use crate::cli::profile::Profile;
use crate::cli::session::{Failure, Session};
use crate::cli::verbs::usage;
use crate::cli::{Output, audit, print};
use crate::config::{Misconfigured, file};
use clap::Args;
use ledger::audit::Trust;
use ledger::checkpoint::{Note, Policy};
use ledger::diff::{Search, Subtree, continues, holds, siblings, subtrees};
use ledger::medium::{Directory, Overlay};
use ledger::node::Node;
use ledger::record::Leaf;
use ledger::segment::leaves_of;
use ledger::tile::{Part, Tile, WIDTH};
use ledger::tree::Hash;
use ledger::witness::Fork;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// Arguments of `ledger diff`.
#[derive(Clone, Debug, Args)]
pub struct Diff {
    /// A node's address, as https://127.0.0.1:7101; the data directory of a node that does not run; or the file of a segment, as
    /// /segment/… gives it, under its name.
    pub one: String,
    /// Another one.
    pub other: String,
    /// Who asks running nodes: a profile whose certificate they know; an auditor's to see the leaves.
    #[arg(long, env = "WAYBILL_PROFILE")]
    pub profile: Option<PathBuf>,
    /// The genesis' file, for data directories.
    #[arg(long)]
    pub genesis: Option<PathBuf>,
    /// By which policy the checkpoints of running nodes are verified; without one their signers are not named.
    #[arg(long)]
    pub policy: Option<PathBuf>,
    /// The keys at rest of an encrypted data directory.
    #[arg(long)]
    pub at_rest: Option<PathBuf>,
    /// Where the evidence goes if two checkpoints contradict each other; the file must not exist.
    #[arg(long)]
    pub evidence: Option<PathBuf>,
    /// How the answer is printed.
    #[arg(long, value_enum, default_value_t = Output::Table)]
    pub output: Output,
}

/// One of the two.
struct Side {
    name: String,
    source: Source,
    /// Its leaves: a segment's file has only some.
    leaves: Range<u64>,
    /// The root that it says; none of a segment.
    root: Option<Hash>,
    /// Its checkpoints by size.
    notes: BTreeMap<u64, String>,
    policy: Option<Policy>,
}

enum Source {
    Running { session: Box<Session>, address: String, tiles: BTreeMap<Tile, Vec<Hash>> },
    Stopped(Box<Node<Overlay<Directory>>>),
    Segment { octets: Vec<u8>, leaves: Vec<Range<usize>>, hashes: Vec<Hash> },
}

/// What was found.
struct Found {
    /// The leaves that both have.
    common: Range<u64>,
    /// The first that differs.
    parted: Option<u64>,
    compared: u64,
    /// What a side says of itself and does not hold.
    false_claims: Vec<String>,
}

/// `waybill ledger diff`.
///
/// # Errors
/// They differ, or see [`Failure`].
pub(super) async fn run(diff: &Diff) -> Result<(), Failure> {
    let (mut one, mut other) = (Side::open(&diff.one, diff).await?, Side::open(&diff.other, diff).await?);
    let found = compare(&mut one, &mut other).await?;
    let fork = fork(&one, &other);
    let leaves = match found.parted {
        Some(index) => [one.leaf(index).await, other.leaf(index).await],
        None => [None, None],
    };
    if let (Some(path), Some(fork)) = (&diff.evidence, &fork) {
        let failed = |error| Misconfigured::File(path.clone(), error);
        let mut written = std::fs::File::create_new(path).map_err(failed)?;
        std::io::Write::write_all(&mut written, fork.text().as_bytes()).map_err(failed)?;
    }
    let said = if diff.output == Output::Json {
        vec![document(&one, &other, &found, &leaves, fork.as_ref()).to_string()]
    } else {
        lines(&one, &other, &found, &leaves, fork.as_ref(), diff)
    };
    said.iter().for_each(|line| print::out(line));
    if found.parted.is_none() && fork.is_none() && found.false_claims.is_empty() {
        return Ok(());
    }
    Err(Failure::DoesNotHold(found.false_claims.iter().map(|claim| format!("error[claim]: {claim}")).collect()))
}

async fn compare(one: &mut Side, other: &mut Side) -> Result<Found, Failure> {
    let common = one.leaves.start.max(other.leaves.start)..one.leaves.end.min(other.leaves.end);
    if common.is_empty() {
        return Err(usage(format!("{} and {} have no leaf number in common", one.name, other.name)));
    }
    let mut search = Search::among(common.clone());
    while let Some(subtree) = search.wish() {
        let same = one.hash(subtree).await? == other.hash(subtree).await?;
        search.answer(same);
    }
    // What was compared are hashes that each side named; it must show that they are those of its own root.
    let last = search.found().unwrap_or(common.end - 1);
    let mut false_claims = Vec::new();
    let shorter = [&*one, &*other].into_iter().find(|side| side.leaves == (0..common.end)).and_then(|side| side.root);
    for side in [one, other] {
        let shown = search.found().map_or(shorter, |_| None);
        if let Some(claim) = side.shows(last, shown).await? {
            false_claims.push(claim);
        }
    }
    Ok(Found { common, parted: search.found(), compared: search.compared(), false_claims })
}

/// Two checkpoints of one size and different roots, each with a signature of a node of the policy.
fn fork(one: &Side, other: &Side) -> Option<Fork> {
    let policy = one.policy.as_ref().or(other.policy.as_ref())?;
    let pairs = one.notes.iter().filter_map(|(size, ours)| Some((ours, other.notes.get(size)?)));
    let mut forks = pairs.map(|(ours, theirs)| Fork { ours: ours.clone(), theirs: theirs.clone() });
    forks.find(|fork| fork.verify(policy).is_ok())
}

impl Side {
    async fn open(what: &str, diff: &Diff) -> Result<Self, Failure> {
        let path = Path::new(what);
        if what.starts_with("https://") || what.starts_with("http://") {
            Self::running(what, diff).await
        } else if path.is_dir() {
            Self::stopped(path, diff)
        } else if path.is_file() {
            Self::segment(path)
        } else {
            Err(usage(format!("{what}: neither a node's address (https://…) nor a directory nor a file")))
        }
    }

    async fn running(address: &str, diff: &Diff) -> Result<Self, Failure> {
        let needed = || usage(String::from("a running node is asked with a certificate: --profile FILE"));
        let session = Session::open(&Profile::load(diff.profile.as_deref().ok_or_else(needed)?)?)?;
        let address = address.trim_end_matches('/').to_owned();
        let text = String::from_utf8_lossy(&got(&session, &address, "/checkpoint").await?).into_owned();
        let note = Note::parse(&text).map_err(|distrust| Failure::Garbled(format!("{address}/checkpoint: {distrust}")))?;
        let policy = match &diff.policy {
            Some(path) => match audit::trust(Some(path), None)? {
                Trust::Policy(policy) => Some(policy),
                Trust::Fingerprint(_) => None,
            },
            None => None,
        };
        let source = Source::Running { session: Box::new(session), address: address.clone(), tiles: BTreeMap::new() };
        let (leaves, root) = (0..note.checkpoint.size, Some(note.checkpoint.root));
        Ok(Self { name: address, source, leaves, root, notes: BTreeMap::from([(note.checkpoint.size, text)]), policy })
    }

    fn stopped(dir: &Path, diff: &Diff) -> Result<Self, Failure> {
        let needed = || usage(String::from("a data directory is opened by the genesis' file: --genesis FILE"));
        let genesis = diff.genesis.as_ref().ok_or_else(needed)?;
        let entry = ledger::record::Entry::decode(&file(genesis)?).map_err(|verdict| usage(format!("{}: {verdict}", genesis.display())))?;
        let at_rest = diff.at_rest.as_deref().map(crate::serve::at_rest).transpose()?;
        let help = "waybill audit verify says what is wrong with it";
        let failed = |error: ledger::store::StoreError| Misconfigured::Value(format!("{}: {error}; {help}", dir.display()));
        let medium = Directory::look(dir).map_err(failed)?;
        let node = ledger::examine::look(&medium, &entry, at_rest).map_err(failed)?;
        let size = node.state().size();
        let mut notes: BTreeMap<u64, String> = node.published().map(|(seen, note)| (seen.size, note.to_owned())).into_iter().collect();
        for size in node.store().notes().map_err(failed)? {
            if let Ok(Some(note)) = node.store().note_of(size) {
                notes.insert(size, note);
            }
        }
        let policy = Policy::of_members(&node.state().origin(), node.state().members(), node.state().quorum());
        let (root, name) = (node.tree().root(size), dir.display().to_string());
        Ok(Self { name, source: Source::Stopped(Box::new(node)), leaves: 0..size, root, notes, policy: Some(policy) })
    }

    /// A segment's logical octets, under the name that /segments gives them.
    fn segment(path: &Path) -> Result<Self, Failure> {
        let wrong = |what: &str| usage(format!("{}: {what}", path.display()));
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let span = ledger::segment::span(&name)
            .ok_or_else(|| wrong("a segment's file goes by its name, as seg_000000000000-000000016383.sealed"))?;
        let octets = file(path)?;
        let leaves = leaves_of(&octets).filter(|leaves| leaves.len() as u64 == span.1 - span.0);
        let needed =
            "not the octets of this segment, as a node gives them at /segment/…; a file of a data directory is compared with its directory";
        let leaves = leaves.ok_or_else(|| wrong(needed))?;
        let hashes = leaves.iter().map(|leaf| Leaf::hash(octets.get(leaf.clone()).unwrap_or_default())).collect();
        let source = Source::Segment { octets, leaves, hashes };
        Ok(Self { name: path.display().to_string(), source, leaves: span.0..span.1, root: None, notes: BTreeMap::new(), policy: None })
    }

    /// The root over a complete subtree.
    async fn hash(&mut self, subtree: Subtree) -> Result<Hash, Failure> {
        let (name, size) = (&self.name, self.leaves.end);
        let missing =
            || Failure::DoesNotHold(vec![format!("error[damaged]: {name}: its hashes over leaves {:?} cannot be read", subtree.leaves())]);
        match &mut self.source {
            Source::Stopped(node) => node.tree().subtree_root(subtree).ok_or_else(missing),
            Source::Segment { hashes, .. } => {
                let at = |leaf: u64| usize::try_from(leaf - self.leaves.start).unwrap_or(usize::MAX);
                let Range { start, end } = subtree.leaves();
                hashes.get(at(start)..at(end)).and_then(ledger::tree::root_of).ok_or_else(missing)
            }
            Source::Running { session, address, tiles } => tiles_of(session, address, tiles, subtree, size).await,
        }
    }

    /// What a side does not hold of what it says: that leaf `index`, by the hash it gave, is under its root, and that its tree goes
    /// on from the `shorter` one that ends with this leaf.
    async fn shows(&mut self, index: u64, shorter: Option<Hash>) -> Result<Option<String>, Failure> {
        let Some(root) = self.root else { return Ok(None) };
        let size = self.leaves.end;
        let mut path = Vec::new();
        for range in siblings(index, size) {
            let mut peaks = Vec::new();
            for subtree in subtrees(range) {
                peaks.push(self.hash(subtree).await?);
            }
            path.push(peaks);
        }
        let leaf = self.hash(Subtree { level: 0, index }).await?;
        if !holds(leaf, index, size, &path, root) {
            return Ok(Some(format!("{}: its tiles do not lead to the root of its own checkpoint of {size} leaves", self.name)));
        }
        let goes_on = shorter.is_none_or(|shorter| continues(leaf, index, size, &path, shorter));
        Ok((!goes_on).then(|| format!("{}: its first {} leaves are not those of the other's root", self.name, index + 1)))
    }

    /// A leaf's octets, if they can be had and are those of its hash.
    async fn leaf(&mut self, index: u64) -> Option<Vec<u8>> {
        let expected = self.hash(Subtree { level: 0, index }).await.ok()?;
        let octets = match &self.source {
            Source::Stopped(node) => node.leaf(index).ok()?,
            Source::Segment { octets, leaves, .. } => {
                let at = usize::try_from(index - self.leaves.start).ok()?;
                octets.get(leaves.get(at)?.clone())?.to_vec()
            }
            Source::Running { session, address, .. } => {
                let tile = Tile { part: Part::Entries, index: index / WIDTH, width: WIDTH.min(self.leaves.end - index / WIDTH * WIDTH) };
                let bundle = got(session, address, &tile.path()).await.ok()?;
                let at = usize::try_from(index % WIDTH).ok()?;
                bundle.get(leaves_of(&bundle)?.get(at)?.clone())?.to_vec()
            }
        };
        (Leaf::hash(&octets) == expected).then_some(octets)
    }

    /// The checkpoints over a leaf, each with its size and who signed it; none are named whose signatures were not verified.
    fn signers(&self, index: u64) -> Vec<(u64, Result<Vec<String>, String>)> {
        let over = self.notes.iter().filter(|(size, _)| **size > index);
        let signed = |(size, text): (&u64, &String)| {
            let Some(policy) = &self.policy else { return (*size, Err(String::from("not verified: give --policy"))) };
            let note = Note::parse(text).map_err(|distrust| distrust.to_string());
            let signers = note.and_then(|note| {
                let signers = policy.signers(&note).map_err(|distrust| distrust.to_string())?;
                Ok(signers.cosigners.union(&signers.log).map(|name| (*name).to_owned()).collect())
            });
            (*size, signers)
        };
        over.map(signed).collect()
    }
}

/// The root over a complete subtree by a running node's tiles, of which those that were read are kept.
pub(super) async fn tiles_of(
    session: &Session,
    address: &str,
    tiles: &mut BTreeMap<Tile, Vec<Hash>>,
    subtree: Subtree,
    size: u64,
) -> Result<Hash, Failure> {
    let garbled = || Failure::Garbled(format!("{address}: no tile over leaves {:?} of {size}", subtree.leaves()));
    let (tile, range) = subtree.tile(size).ok_or_else(garbled)?;
    let hashes = match tiles.entry(tile) {
        Entry::Occupied(known) => known.into_mut(),
        Entry::Vacant(place) => {
            let octets = got(session, address, &tile.path()).await?;
            place.insert(octets.as_chunks::<32>().0.iter().map(|hash| Hash(*hash)).collect())
        }
    };
    hashes.get(range).and_then(ledger::tree::root_of).ok_or_else(garbled)
}

pub(super) async fn got(session: &Session, address: &str, path: &str) -> Result<Vec<u8>, Failure> {
    match session.get_from(address, path).await? {
        (200, body) => Ok(body),
        (403, body) => Err(Failure::Denied(format!("{address}{path}: {}", String::from_utf8_lossy(&body).trim_end()))),
        (status, body) => {
            Err(Failure::DoesNotHold(vec![format!("error[{status}]: {address}{path}: {}", String::from_utf8_lossy(&body).trim_end())]))
        }
    }
}

/// What a leaf says, field by field.
fn fields(octets: Option<&[u8]>) -> Vec<(&'static str, String)> {
    let Some(octets) = octets else { return vec![("leaf", String::from("cannot be had here"))] };
    let mut fields = vec![("hash", Leaf::hash(octets).to_string()), ("octets", octets.len().to_string())];
    match Leaf::read(octets) {
        Err(error) => fields.push(("leaf", error.to_string())),
        Ok(leaf) => {
            let signers: Vec<&str> = leaf.entry.signatures().iter().map(|signature| signature.account.as_str()).collect();
            let streams: Vec<String> =
                leaf.heads.iter().map(|head| format!("{} {} {}", head.kind.code(), head.id, head.sequence)).collect();
            fields.extend([
                ("kind", leaf.kind.code().to_owned()),
                ("time", leaf.time.to_string()),
                ("client", leaf.client.clone()),
                ("outcome", leaf.outcome.code().to_owned()),
                ("signed by", signers.join(", ")),
                ("streams", streams.join("; ")),
                ("body", Hash::of(leaf.entry.body()).to_string()),
            ]);
        }
    }
    fields
}

fn verdict(one: &Side, other: &Side, found: &Found) -> String {
    let (Range { start, end }, names) = (&found.common, [&one.name, &other.name]);
    let partly = if *start > 0 { format!("from leaf {start} on ") } else { String::new() };
    match found.parted {
        Some(index) => format!("they part at leaf {index}: {partly}the leaves before it are the same, {index} differs"),
        None if one.leaves == other.leaves => format!("the same: leaves {start} to {}", end - 1),
        None => {
            let longer = if one.leaves.end > other.leaves.end { names[0] } else { names[1] };
            let more = one.leaves.end.max(other.leaves.end) - end;
            format!("the same as far as both go: leaves {start} to {}; {longer} has {more} more", end - 1)
        }
    }
}

fn lines(one: &Side, other: &Side, found: &Found, leaves: &[Option<Vec<u8>>; 2], fork: Option<&Fork>, diff: &Diff) -> Vec<String> {
    let mut lines = vec![verdict(one, other, found), format!("{} hashes were compared", found.compared)];
    for (letter, side) in [("A", one), ("B", other)] {
        let root = side.root.map_or_else(String::new, |root| format!(", root {root}"));
        lines.push(format!("{letter}: {}, leaves {} to {}{root}", side.name, side.leaves.start, side.leaves.end - 1));
        for (size, signers) in found.parted.map(|index| side.signers(index)).into_iter().flatten() {
            let signers = signers.map_or_else(|why| why, |signers| signers.join(", "));
            lines.push(format!("  the checkpoint of {size} leaves covers it, signed by: {signers}"));
        }
    }
    if found.parted.is_some() {
        let [ours, theirs] = leaves.each_ref().map(|leaf| fields(leaf.as_deref()));
        let name = |name: &str| ours.iter().chain(&theirs).any(|(known, _)| *known == name);
        for field in ["leaf", "hash", "octets", "kind", "time", "client", "outcome", "signed by", "streams", "body"] {
            let value = |fields: &[(&str, String)]| {
                fields.iter().find(|(known, _)| *known == field).map_or_else(|| String::from("-"), |(_, value)| value.clone())
            };
            let (a, b) = (value(&ours), value(&theirs));
            if name(field) && a == b {
                lines.push(format!("  {field}: {a}"));
            } else if name(field) {
                lines.extend([format!("  {field} A: {a}"), format!("  {field} B: {b}")]);
            }
        }
    }
    match (fork, &diff.evidence) {
        (None, _) => {}
        (Some(_), Some(path)) => {
            lines.push(format!("two checkpoints contradict each other: {} proves it to anyone with the policy", path.display()))
        }
        (Some(_), None) => lines.push(String::from("two checkpoints contradict each other: --evidence FILE writes the proof")),
    }
    lines
}

fn document(one: &Side, other: &Side, found: &Found, leaves: &[Option<Vec<u8>>; 2], fork: Option<&Fork>) -> Value {
    let side = |side: &Side, leaf: &Option<Vec<u8>>| {
        let signed = |(size, signers): (u64, Result<Vec<String>, String>)| match signers {
            Ok(signers) => json!({ "size": size, "signers": signers }),
            Err(why) => json!({ "size": size, "unverified": why }),
        };
        let checkpoints: Vec<Value> = found.parted.map(|index| side.signers(index)).into_iter().flatten().map(signed).collect();
        let fields: serde_json::Map<String, Value> = found
            .parted
            .map(|_| fields(leaf.as_deref()))
            .into_iter()
            .flatten()
            .map(|(name, value)| (name.to_owned(), json!(value)))
            .collect();
        json!({
            "name": side.name, "first": side.leaves.start, "end": side.leaves.end, "root": side.root.map(|root| root.to_string()),
            "checkpoints": checkpoints, "leaf": fields,
        })
    };
    json!({
        "same": found.parted.is_none() && one.leaves == other.leaves, "first": found.common.start, "common": found.common.end,
        "parted": found.parted, "compared": found.compared, "false_claims": found.false_claims,
        "sides": [side(one, &leaves[0]), side(other, &leaves[1])], "fork": fork.map(Fork::text),
    })
}
