//! Verifying a bundle: the keys follow from the genesis by what the members decided; nothing in it is believed.

use super::complete::{self, Whole};
use super::export::{answers, signature_text};
use super::manifest::{Manifest, covered, digits, entry_of};
use super::{CHECKPOINT, Files, INSTRUCTIONS, MANIFEST, Query, Report, SIGNATURE, Trust, VERIFY, keys};
use crate::body::Request;
use crate::checkpoint::Policy;
use crate::proof::Receipt;
use crate::record::{ENTRY_BYTES_MAX, Kind, Leaf, Outcome, Refusal};
use crate::state::State;
use crate::tree::{Hash, root_of_inclusion};
use data_encoding::BASE64;

/// Verifies a bundle: each file against the manifest, the genesis and the checkpoint against `trust`, what the members decided since
/// against the genesis, the manifest against its signature, each leaf against its schema, its inclusion proof and its parties' keys of
/// its index, the streams against the state root, and the answers against the question.
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
    let Some(mut state) = founded(files, trust, &mut report) else {
        signed(files, manifest.as_ref(), None, &mut report);
        return report;
    };
    if files.get(INSTRUCTIONS).map(Vec::as_slice) != Some(VERIFY.as_bytes()) {
        report.blame(INSTRUCTIONS, "not the instructions of this format");
    }
    let leaves = entries(files, &mut state, &mut report);
    for (name, octets) in keys(&state) {
        if files.get(&name) != Some(&octets) {
            report.blame(&name, "not the key that the members registered");
        }
    }
    signed(files, manifest.as_ref(), Some(&state), &mut report);
    let policy = match trust {
        Trust::Policy(policy) => policy.clone(),
        Trust::Fingerprint(_) => Policy::of_members(&state.origin(), state.members(), state.quorum()),
    };
    let note = files.get(CHECKPOINT).and_then(|octets| std::str::from_utf8(octets).ok()).unwrap_or_default();
    match policy.verify(note) {
        Ok(checkpoint) => report.checkpoint = Some(checkpoint),
        Err(distrust) => report.blame(CHECKPOINT, distrust),
    }
    proofs(files, &leaves, note, &mut report);
    if let Some(manifest) = manifest {
        answered(&manifest, &leaves, &mut report);
    }
    if report.holds() {
        report.members = state.members().cloned().collect();
    }
    report.problems.sort();
    report
}

/// Asks the manifest's question again, and holds what it says against the leaves.
fn answered(manifest: &Manifest, leaves: &[Whole], report: &mut Report) {
    let found = covered(leaves);
    if manifest.streams != found && report.holds() {
        report.blame(MANIFEST, "the streams it lists are not those that are here without a gap");
    }
    report.root = leaves.last().filter(|whole| whole.leaf.kind == Kind::StateRoot).map(|whole| (whole.leaf.index, whole.leaf.time));
    let Some(query) = Query::read(&manifest.query) else {
        return report.add(MANIFEST, "it was asked for something that this version does not know");
    };
    complete::verify(manifest, &query, leaves, report);
    report.answers = answers(&query, leaves);
    if report.answers != manifest.answers && report.holds() {
        report.blame(MANIFEST, "the leaves it calls answers are not those that fit the question");
    }
    (report.exporter, report.query, report.streams) = (manifest.exporter.clone(), query, found);
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

/// The state after the genesis, if leaf 0 can be believed.
fn founded(files: &Files, trust: &Trust, report: &mut Report) -> Option<State> {
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
    if matches!(trust, Trust::Fingerprint(fingerprint) if genesis != *fingerprint) {
        report.blame(&name, "another genesis than the one you trust");
        return None;
    }
    (report.genesis, report.ledger) = (genesis, state.ledger().to_owned());
    Some(state)
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

/// Checks every leaf in the ledger's order, each under the keys of its index, and gives those that were found whole.
fn entries(files: &Files, state: &mut State, report: &mut Report) -> Vec<Whole> {
    let (mut leaves, mut waiting) = (Vec::<Whole>::new(), Vec::new());
    for (name, octets) in files.iter().filter(|(name, _)| name.starts_with("entries/")) {
        report.entries += 1;
        let other = |folder: &str, end: &str| name.replace("entries/", folder).replace(".xml", end);
        if report.blamed(name) || report.blamed(&other("proofs/", ".tlog-proof")) || report.blamed(&other("batches/", ".path")) {
            continue;
        }
        let Some((leaf, request)) = leaf(name, octets, report) else { continue };
        if leaves.last().is_some_and(|before| leaf.time < before.leaf.time) {
            report.blame(name, "its time is before that of an earlier leaf");
        }
        let Some(record) = request.records().first().cloned() else { continue };
        batched(files, &leaf, record.hash(), report);
        report.signatures += leaf.entry.signatures().len() as u64;
        match leaf.kind {
            // Every node derives a state root for itself: nobody signs it, and its inclusion is its proof.
            Kind::StateRoot => {
                if !request.entry().signatures().is_empty() || request.ledger() != state.ledger() {
                    report.blame(name, "not a state root of this ledger");
                }
            }
            Kind::Proposal | Kind::Ballot | Kind::Key => {
                check(state, &mut waiting, report);
                if let Err(verdict) = state.follow(leaf.clone()) {
                    report.blame(name, verdict);
                }
            }
            _ => waiting.push((name.as_str(), leaf.outcome, request)),
        }
        leaves.push(Whole { hash: Leaf::hash(octets), leaf, record });
    }
    check(state, &mut waiting, report);
    leaves
}

/// Verifies the signatures of leaves between which no key changed, as one batch.
fn check(state: &State, waiting: &mut Vec<(&str, Outcome, Request)>, report: &mut Report) {
    let (said, requests): (Vec<_>, Vec<_>) = waiting.drain(..).map(|(name, outcome, request)| ((name, outcome), request)).unzip();
    for (checked, (name, outcome)) in state.check(requests).into_iter().zip(said) {
        let revoked = outcome == Outcome::Refused(Refusal::KeyRevoked);
        match checked {
            Err(verdict) => report.blame(name, verdict),
            Ok(checked) if (checked.refusal() == Some(Refusal::KeyRevoked)) != revoked => {
                report.blame(name, "its outcome does not fit the key that it is signed with");
            }
            Ok(_) => {}
        }
    }
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

/// A body of a batch leads to the root that its parties signed.
fn batched(files: &Files, leaf: &Leaf, body: Hash, report: &mut Report) {
    let Some(place) = leaf.entry.place() else { return };
    let name = format!("batches/{}.path", digits(leaf.index));
    let text = files.get(&name).and_then(|octets| std::str::from_utf8(octets).ok()).filter(|text| text.is_empty() || text.ends_with('\n'));
    let path: Option<Vec<Hash>> = text.and_then(|text| text.split_terminator('\n').map(Hash::from_base64).collect());
    let root = path.and_then(|path| root_of_inclusion(body, u64::from(place.position), u64::from(place.size), &path));
    if root != Some(place.root) {
        report.blame(&name, "missing, or it does not lead from the record to what its parties signed");
    }
}

/// Every leaf is under the checkpoint, and every proof is a leaf's.
fn proofs(files: &Files, leaves: &[Whole], note: &str, report: &mut Report) {
    for whole in leaves {
        included(files, &format!("proofs/{}.tlog-proof", digits(whole.leaf.index)), whole, note, report);
    }
    for name in files.keys().filter(|name| name.starts_with("proofs/") || name.starts_with("batches/")) {
        let index = entry_of(name);
        let at = index.and_then(|index| leaves.binary_search_by_key(&index, |whole| whole.leaf.index).ok());
        let entry = at.and_then(|at| leaves.get(at));
        let stray = entry.is_none_or(|whole| name.starts_with("batches/") && whole.leaf.entry.place().is_none());
        let known = index.is_some_and(|index| report.blamed(&format!("entries/{}.xml", digits(index))));
        if stray && !known {
            report.blame(name, "a proof without its entry");
        }
    }
}

fn included(files: &Files, proof: &str, whole: &Whole, note: &str, report: &mut Report) {
    let leaf = &whole.leaf;
    let text = files.get(proof).and_then(|octets| std::str::from_utf8(octets).ok());
    let Some(receipt) = text.and_then(|text| Receipt::parse(text).ok()) else {
        return report.blame(proof, "missing, or not a proof");
    };
    if receipt.index != leaf.index || receipt.checkpoint != note {
        return report.blame(proof, "of another leaf or under another checkpoint");
    }
    let Some(checkpoint) = report.checkpoint.clone() else { return };
    if root_of_inclusion(whole.hash, leaf.index, checkpoint.size, &receipt.path) != Some(checkpoint.root) {
        report.blame(&format!("entries/{}.xml", digits(leaf.index)), "not in the tree of the checkpoint");
    }
}
