//! Random access: some leaves of a directory verified against a checkpoint, without reading those before them.

use super::{Crew, Examination, Findings, look};
use crate::body::{Content, Record, Request};
use crate::checkpoint::Policy;
use crate::medium::{Medium, StoreError};
use crate::node::Node;
use crate::record::{Kind, Leaf, Outcome, Refusal};
use crate::state::State;
use crate::tree::{Hash, Tree, root_of_inclusion};
use std::collections::BTreeSet;
use std::ops::Range;

/// Leaves that are looked at together.
const TOGETHER: u64 = 256;

/// A leaf with what shows that it is one of the checkpoint's.
struct Leading {
    index: u64,
    octets: Result<Vec<u8>, String>,
    path: Vec<Hash>,
    /// Of a body of a batch: whether its batch leads to what was signed.
    batch: Option<bool>,
}

/// Verifies the leaves of a range: each is under the published checkpoint, which the policy's quorum signed, and (from level 4 on) bears
/// the signatures of exactly its parties under the keys they held at its index. Without a policy the members are those of the
/// directory's own state. What a leaf did (level 5) cannot be known without those before it.
///
/// # Errors
/// As of [`super::examine`]; the range is empty or the ledger ends before it does.
pub fn examine_range<M: Medium>(
    medium: &M,
    what: &Examination,
    policy: Option<&Policy>,
    range: Range<u64>,
    crew: &impl Crew,
) -> Result<Findings, StoreError> {
    let node = look(medium, &what.genesis, what.at_rest.clone())?;
    let size = node.state().size();
    if range.is_empty() || range.end > size {
        return Err(StoreError::Diverged(format!("leaves {} to {} are not all there: there are {size}", range.start, range.end)));
    }
    let mut found = Findings { leaves: range.end - range.start, ..Findings::default() };
    let Some((checkpoint, note)) = node.published().filter(|(checkpoint, _)| range.end <= checkpoint.size) else {
        let covered = node.published().map_or(0, |(checkpoint, _)| checkpoint.size);
        found.blame("wal_", format_args!("no checkpoint covers the leaves from {covered} on"));
        return Ok(found);
    };
    let own = Policy::of_members(&node.state().origin(), node.state().members(), node.state().quorum());
    match policy.unwrap_or(&own).verify(note) {
        Err(distrust) => found.blame("wal_", format_args!("the published checkpoint: {distrust}")),
        Ok(_) if node.tree().root(checkpoint.size) != Some(checkpoint.root) => found.blame("wal_", "the checkpoint is of another history"),
        Ok(_) => found.checkpoints = 1,
    }
    found.root = Some(checkpoint.root);
    rooted(&node, checkpoint.size, &mut found);
    if policy.is_none() {
        found
            .unseen
            .push("the members and their keys are those of the directory's own state: give a policy, or verify all of it".to_owned());
    }
    let (size, root) = (checkpoint.size, checkpoint.root);
    let (mut at, mut last) = (range.start, None);
    while at < range.end {
        let end = (at + TOGETHER).min(range.end);
        let leading = (at..end).map(|index| leading(&node, index, size, &mut last)).collect::<Result<Vec<_>, _>>()?;
        let state = node.state();
        let judged = crew.each(leading, |leading| (leading.index, judge(&leading, state, what.level > 3, size, root)));
        for (index, verdict) in judged {
            match verdict {
                Ok(signatures) => found.signatures += signatures,
                Err(what) => found.blame(&file_of(&node, index), format_args!("leaf {index}: {what}")),
            }
        }
        at = end;
    }
    found.sort();
    Ok(found)
}

/// The state that the snapshot holds, whose keys are used, is the one that its state root names.
fn rooted<M: Medium>(node: &Node<M>, covered: u64, found: &mut Findings) {
    let Some(snapshot) = node.store().snapshot() else { return };
    let leaf = snapshot.size.checked_sub(1).and_then(|last| node.leaf(last).ok());
    let record = leaf.and_then(|octets| Record::read(Leaf::read(&octets).ok()?.entry.body()).ok());
    let named = match record.as_ref().map(Record::content) {
        Some(Content::StateRoot(root)) => Some(root.state),
        _ => None,
    };
    let file = crate::snapshot::name(snapshot.size);
    if named != Some(Hash::of(&snapshot.state)) {
        found.blame(&file, "its state is not the one that the state root names");
    } else if snapshot.size > covered {
        found.unseen.push(format!("no checkpoint covers the state root of {file}, by whose keys signatures were verified"));
    }
}

fn file_of<M: Medium>(node: &Node<M>, index: u64) -> String {
    let segments = node.store().archive().segments();
    segments.iter().find(|segment| index < segment.end).map_or_else(|| "wal_".to_owned(), crate::segment::Extent::name)
}

/// `last` is the tree over the batch that was looked at last, with its root; none if not all of it can be read.
fn leading<M: Medium>(node: &Node<M>, index: u64, size: u64, last: &mut Option<(Hash, Option<Tree>)>) -> Result<Leading, StoreError> {
    let octets = match node.leaf(index) {
        Err(StoreError::Io { what, path, error }) => return Err(StoreError::Io { what, path, error }),
        octets => octets.map_err(|error| error.to_string()),
    };
    let leaf = octets.as_ref().ok().and_then(|octets| Leaf::read(octets).ok());
    let batch = leaf.and_then(|leaf| {
        let place = leaf.entry.place()?;
        if last.as_ref().is_none_or(|(root, _)| *root != place.root) {
            *last = Some((place.root, crate::audit::bodies(node, index, place).ok()));
        }
        let tree = last.as_ref().and_then(|(_, tree)| tree.as_ref());
        let path = tree.and_then(|tree| tree.inclusion(u64::from(place.position), u64::from(place.size)));
        let body = Record::read(leaf.entry.body()).ok()?.hash();
        let root = path.and_then(|path| root_of_inclusion(body, u64::from(place.position), u64::from(place.size), &path));
        Some(root == Some(place.root))
    });
    Ok(Leading { index, octets, path: node.tree().inclusion(index, size).unwrap_or_default(), batch })
}

/// How many signatures were verified, or what is wrong.
fn judge(leading: &Leading, state: &State, deep: bool, size: u64, root: Hash) -> Result<u64, String> {
    let octets = leading.octets.as_ref().map_err(Clone::clone)?;
    if root_of_inclusion(Leaf::hash(octets), leading.index, size, &leading.path) != Some(root) {
        return Err("not in the tree of the checkpoint".to_owned());
    }
    if !deep {
        return Ok(0);
    }
    let leaf = Leaf::read(octets).map_err(|error| error.to_string())?;
    let (outcome, kind) = (leaf.outcome, leaf.kind);
    if leaf.index != leading.index {
        return Err(format!("it says that it is leaf {}", leaf.index));
    }
    let request = Request::read(leaf.entry).map_err(|verdict| verdict.to_string())?;
    if leading.batch == Some(false) {
        return Err("its batch is not what its parties signed, or not all of it can be read".to_owned());
    }
    if kind == Kind::Genesis && leading.index != 0 {
        return Err("a genesis that is not leaf 0".to_owned());
    }
    signed(&request, state, leading.index, outcome == Outcome::Refused(Refusal::KeyRevoked))
}

/// Exactly the parties signed, with the keys of the leaf's index; with one of before where the leaf says so.
fn signed(request: &Request, state: &State, index: u64, revoked: bool) -> Result<u64, String> {
    let mut parties = request.records().first().map(Record::signers).unwrap_or_default();
    let check = |account: &str, octets: &[u8], value: &[u8; 64]| {
        let now = state.key_at(account, index).and_then(|held| held.record_key);
        let right = now.is_some_and(|key| key.verifies(octets, value));
        let before = || state.held(account).iter().filter(|held| held.from <= index).filter_map(|held| held.record_key);
        if right || revoked && before().any(|key| key.verifies(octets, value)) {
            Ok(())
        } else {
            Err(format!("the signature of {account} does not verify under the key of this index"))
        }
    };
    let mut count = 0;
    for signature in request.entry().signatures() {
        if !parties.remove(signature.account.as_str()) {
            return Err(format!("{} is no party and signed", signature.account));
        }
        check(&signature.account, request.signed(), &signature.value)?;
        count += 1;
    }
    for record in request.records() {
        if let Content::Trade(trade) = record.content()
            && let Some(evidence) = &trade.evidence
        {
            check(&evidence.signature.account, &evidence.octets, &evidence.signature.value)?;
        }
    }
    let missing: BTreeSet<&str> = parties;
    missing.first().map_or(Ok(count), |party| Err(format!("the signature of {party} is missing")))
}
