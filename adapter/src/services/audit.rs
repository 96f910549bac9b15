//! The audit service: the log as it is, with its proofs, and evidence bundles.

use crate::fault::{Fault, Reason};
use crate::site::{Account, Site};
use crate::unified::Instant;
use crate::unified::audit::{
    BundleFile, GetCheckpoint, GetCheckpointResponse, GetConsistency, GetConsistencyResponse, GetEntry, GetEntryResponse, GetProof,
    GetProofResponse, ListEntries, ListEntriesResponse, LogEntry, Pull, PullResponse,
};
use ledger::index::Filter;
use ledger::medium::Directory;
use ledger::node::Node;
use ledger::record::Kind;
use xsd::time::Timestamp;

/// Entries that one answer holds at most.
const PAGE: u64 = 100;
/// Records that are looked up at once for a bundle.
const PULL_PAGE: usize = 500;
/// Records of one bundle: two files each, and an element's children have a limit.
const PULL_MAX: usize = 20_000;

/// The latest published checkpoint.
///
/// # Errors
/// There is none yet, or busy.
pub async fn checkpoint(site: &Site, _: &Account, _: GetCheckpoint, _: Timestamp) -> Result<GetCheckpointResponse, Fault> {
    let note = site.read(|node| node.published().map(|(_, note)| note.to_owned())).await?;
    let checkpoint = note.ok_or_else(|| Fault::new(Reason::NoQuorum, "no checkpoint has the signatures of its quorum yet"))?;
    Ok(GetCheckpointResponse { checkpoint })
}

/// A leaf's octets.
///
/// # Errors
/// There is no such leaf, or busy.
pub async fn entry(site: &Site, _: &Account, request: GetEntry, _: Timestamp) -> Result<GetEntryResponse, Fault> {
    let (_, octets) = site.leaf(request.index).await?;
    Ok(GetEntryResponse { leaf: data_encoding::BASE64.encode(&octets) })
}

/// An inclusion proof.
///
/// # Errors
/// The tree has no such leaf or size, or busy.
pub async fn proof(site: &Site, _: &Account, request: GetProof, _: Timestamp) -> Result<GetProofResponse, Fault> {
    let GetProof { index, size } = request;
    let found = site
        .read(move |node| {
            let published = node.published().map_or(0, |(checkpoint, _)| checkpoint.size);
            let size = size.unwrap_or(published);
            let receipt = if size == published { node.receipt(index) } else { None };
            node.tree().inclusion(index, size).map(|path| (size, path, receipt.map(|receipt| receipt.text())))
        })
        .await?;
    let (size, path, proof) = found.ok_or_else(|| Fault::new(Reason::NoRecord, format!("no tree of that size holds leaf {index}")))?;
    Ok(GetProofResponse { size, hashes: path.iter().map(ToString::to_string).collect(), proof })
}

/// A consistency proof.
///
/// # Errors
/// The tree has no such sizes, or busy.
pub async fn consistency(site: &Site, _: &Account, request: GetConsistency, _: Timestamp) -> Result<GetConsistencyResponse, Fault> {
    let path = site.read(move |node| node.tree().consistency(request.from, request.to)).await?;
    let path = path.ok_or_else(|| Fault::new(Reason::NoRecord, "the tree does not have these sizes, or From is after To"))?;
    Ok(GetConsistencyResponse { hashes: path.iter().map(ToString::to_string).collect() })
}

/// The index of the log.
///
/// # Errors
/// Busy.
pub async fn list(site: &Site, _: &Account, request: ListEntries, _: Timestamp) -> Result<ListEntriesResponse, Fault> {
    let limit = usize::try_from(request.limit.unwrap_or(PAGE)).unwrap_or(usize::MAX);
    let size = site.read(|node| node.state().size()).await?;
    let mut entries = Vec::new();
    for index in request.cursor.unwrap_or(0)..size {
        if entries.len() == limit {
            return Ok(ListEntriesResponse { entries, next: Some(index) });
        }
        let (leaf, _) = site.leaf(index).await?;
        let fits = request.kind.as_ref().is_none_or(|kind| Kind::from_code(&kind.to_lowercase()) == Some(leaf.kind))
            && request.sector.as_ref().is_none_or(|sector| leaf.entry.signatures().iter().any(|signature| signature.account == *sector))
            && request.from.is_none_or(|from| from.0 <= leaf.time)
            && request.to.is_none_or(|to| leaf.time < to.0);
        if fits {
            entries.push(LogEntry {
                index,
                kind: leaf.kind.code().to_owned(),
                time: leaf.time.into(),
                client: leaf.client.clone(),
                outcome: leaf.outcome.code().to_owned(),
            });
        }
    }
    Ok(ListEntriesResponse { entries, next: None })
}

/// An evidence bundle of what fits.
///
/// # Errors
/// Nothing is published yet, busy, or the ledger cannot be read.
pub async fn pull(site: &Site, _: &Account, request: Pull, _: Timestamp) -> Result<PullResponse, Fault> {
    let query = asked(&request);
    let filter = Filter {
        who: request.sector,
        sender: request.sender,
        receiver: request.receiver,
        what: request.resource,
        status: request.status.map(|status| status.to_string()),
        from: request.from.map(|from| from.0),
        to: request.to.map(|to| to.0),
        ..Filter::default()
    };
    let mut indexes = Vec::new();
    let mut start = 0;
    let listed = loop {
        let size = site.read(|node| node.state().size()).await?;
        let page = site.history(filter.clone(), start, PULL_PAGE).await?;
        indexes.extend(page.indexes);
        match page.next {
            Some(next) if indexes.len() < PULL_MAX => start = next,
            Some(_) => return Err(Fault::new(Reason::TooLarge, format!("more than {PULL_MAX} records fit: narrow the time span"))),
            None => break size,
        }
    };
    if let Some(last) = indexes.last() {
        site.receipt(*last).await.ok_or_else(|| Fault::new(Reason::NoQuorum, "the latest records are not published yet: try again"))?;
    }
    let (exporter, key) = (site.sector.clone(), site.keys.current());
    let made = move |node: &Node<Directory>| {
        let state = node.state();
        // A state root that came after the listing speaks of records that are not in it.
        let late = (listed..state.size()).contains(&state.rooted().index());
        (!late).then(|| ledger::audit::bundle(node, &indexes, &query, &exporter, &key))
    };
    let files = site.read(made).await?.ok_or_else(|| Fault::new(Reason::NoQuorum, "the ledger went on meanwhile: try again"))?;
    let files = files.map_err(|error| Fault::new(Reason::Internal, format!("no bundle: {error}")))?;
    let file = |(name, octets): (String, Vec<u8>)| BundleFile { name, content: data_encoding::BASE64.encode(&octets) };
    Ok(PullResponse { files: files.into_iter().map(file).collect() })
}

/// The filters in words, for the manifest.
fn asked(request: &Pull) -> Vec<(String, String)> {
    let instant = |instant: Option<Instant>| instant.map(|instant| instant.to_string());
    let filters = [
        ("sector", request.sector.clone()),
        ("sender", request.sender.clone()),
        ("receiver", request.receiver.clone()),
        ("what", request.resource.clone()),
        ("status", request.status.map(|status| status.to_string())),
        ("from", instant(request.from)),
        ("to", instant(request.to)),
    ];
    filters.into_iter().filter_map(|(name, value)| value.map(|value| (name.to_owned(), value))).collect()
}
