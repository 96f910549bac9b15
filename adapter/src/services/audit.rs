//! The audit service: the log as it is, with its proofs, and evidence bundles.

use crate::fault::{Fault, Reason};
use crate::site::{Account, Site, pruned};
use crate::unified::audit::{
    BundleFile, GetCheckpoint, GetCheckpointResponse, GetConsistency, GetConsistencyResponse, GetEntry, GetEntryResponse, GetProof,
    GetProofResponse, ListEntries, ListEntriesResponse, LogEntry, Pull, PullResponse,
};
use ledger::audit::{ExportError, Query};
use ledger::index::{Direction, Filter};
use ledger::medium::{Directory, StoreError};
use ledger::node::Node;
use ledger::record::{Kind, StreamKind};
use std::collections::BTreeSet;
use std::time::Duration;
use xsd::time::Timestamp;

/// Entries that one answer holds at most.
const PAGE: u64 = 100;
/// Records that are looked up at once for a bundle.
const PULL_PAGE: usize = 500;
/// Records of one bundle: two or three files each, and an element's children have a limit.
const PULL_MAX: usize = 15_000;
/// State roots that may come while a bundle is put together.
const PULL_TRIES: usize = 8;

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

/// An evidence bundle of what fits, with what shows that this is all: the state root is made for it.
///
/// # Errors
/// A filter that nothing can fit, no quorum, busy, or the ledger cannot be read.
pub async fn pull(site: &Site, _: &Account, request: Pull, _: Timestamp) -> Result<PullResponse, Fault> {
    let query = asked(request)?;
    let timeout = Duration::from_millis(site.config.limits.commit_timeout_ms);
    for _ in 0..PULL_TRIES {
        let root = site.replica.rooted(timeout).await?;
        let run = run(site, &query, root).await?;
        let (exporter, key, query) = (site.sector.clone(), site.keys.current(), query.clone());
        let made = move |node: &Node<Directory>| {
            // A state root that came meanwhile speaks of records that were not looked for.
            (node.state().rooted().index() == root).then(|| ledger::audit::bundle(node, &run, &query, &exporter, &key))
        };
        if let Some(files) = site.read(made).await? {
            let files = files.map_err(|error| match error {
                ExportError::Store(StoreError::Pruned(floor)) => pruned("a leaf that the bundle needs (each holds the genesis)", floor),
                error => Fault::new(Reason::Internal, format!("no bundle: {error}")),
            })?;
            let file = |(name, octets): (String, Vec<u8>)| BundleFile { name, content: data_encoding::BASE64.encode(&octets) };
            return Ok(PullResponse { files: files.into_iter().map(file).collect() });
        }
    }
    Err(Fault::new(Reason::NoQuorum, "the ledger goes on too fast: try again, or narrow the time span"))
}

fn asked(request: Pull) -> Result<Query, Fault> {
    let kind = request.kind.map(|kind| Kind::from_code(&kind).ok_or(kind)).transpose();
    let kind = kind.map_err(|kind| Fault::new(Reason::BadRequest, format!("there are no records of kind '{kind}'")))?;
    if request.partner.is_some() && request.sector.is_none() {
        return Err(Fault::new(Reason::BadRequest, "a partner is the other party of a sector: give both"));
    }
    Ok(Query {
        sector: request.sector,
        with: request.partner,
        sender: request.sender,
        receiver: request.receiver,
        what: request.resource,
        kind,
        status: request.status.map(|status| status.to_string()),
        purpose: request.purpose,
        from: request.from.map(|from| from.0),
        to: request.to.map(|to| to.0),
        ..Query::default()
    })
}

/// The leaves below `root` that show the answer: see [`ledger::audit::bundle`].
async fn run(site: &Site, query: &Query, root: u64) -> Result<Vec<u64>, Fault> {
    let mut indexes = BTreeSet::new();
    for kind in [Kind::Proposal, Kind::Ballot, Kind::Key] {
        let filter = Filter { kind: vec![kind.code().to_owned()], ..Filter::default() };
        indexes.extend(collect(site, &filter, root, PULL_MAX).await?);
    }
    for stream in query.streams() {
        let id = vec![stream.1.clone()];
        let all = match stream.0 {
            StreamKind::Sender => Filter { sender: id, ..Filter::default() },
            StreamKind::Receiver => Filter { receiver: id, ..Filter::default() },
            _ => Filter { what: id, ..Filter::default() },
        };
        let within = collect(site, &Filter { from: query.from, to: query.to, ..all.clone() }, root, PULL_MAX).await?;
        let after = match query.to {
            Some(to) => first_in(site, &stream, &Filter { from: Some(to), ..all.clone() }, root).await?,
            None => None,
        };
        if let Some(from) = query.from {
            indexes.extend(last_in(site, &stream, &Filter { to: Some(from), ..all.clone() }, root).await?);
        }
        indexes.extend(within.into_iter().chain(after));
    }
    if query.streams().is_empty() {
        let filter = Filter {
            from: query.from,
            to: query.to,
            kind: query.kind.iter().map(|kind| kind.code().to_owned()).collect(),
            ..Filter::default()
        };
        let filter = Filter { status: query.status.iter().cloned().collect(), ..filter };
        indexes.extend(collect(site, &filter, root, PULL_MAX).await?);
    }
    if indexes.len() > PULL_MAX {
        return Err(Fault::new(Reason::TooLarge, format!("more than {PULL_MAX} records show the answer: narrow the time span")));
    }
    Ok(indexes.into_iter().collect())
}

/// The leaves below `root` that a filter finds.
async fn collect(site: &Site, filter: &Filter, root: u64, max: usize) -> Result<Vec<u64>, Fault> {
    let (mut indexes, mut start) = (Vec::new(), Some(0));
    while let Some(at) = start.filter(|at| *at < root) {
        let page = site.histories.page(filter.clone(), Some(at), PULL_PAGE, Direction::Ascending).await?;
        indexes.extend(page.indexes.into_iter().filter(|index| *index < root));
        if indexes.len() > max {
            return Err(Fault::new(Reason::TooLarge, format!("more than {max} records fit: narrow the time span")));
        }
        start = page.next;
    }
    Ok(indexes)
}

/// Whether a leaf stands in a stream; the index finds others, too, as grants by who issued them.
async fn stands_in(site: &Site, stream: &(StreamKind, String), index: u64) -> Result<bool, Fault> {
    let (leaf, _) = site.leaf(index).await?;
    Ok(leaf.heads.iter().any(|head| head.kind == stream.0 && head.id == stream.1))
}

/// The first leaf of a stream below `root` that a filter finds.
async fn first_in(site: &Site, stream: &(StreamKind, String), filter: &Filter, root: u64) -> Result<Option<u64>, Fault> {
    let mut start = 0;
    loop {
        let page = site.histories.page(filter.clone(), Some(start), 1, Direction::Ascending).await?;
        match page.indexes.first() {
            Some(found) if *found >= root => return Ok(None),
            Some(found) if stands_in(site, stream, *found).await? => return Ok(Some(*found)),
            Some(found) => start = found + 1,
            None => return Ok(None),
        }
    }
}

/// The last leaf of a stream below `root` that a filter finds.
async fn last_in(site: &Site, stream: &(StreamKind, String), filter: &Filter, root: u64) -> Result<Option<u64>, Fault> {
    let mut below = root;
    loop {
        let page = site.histories.page(filter.clone(), Some(below), 1, Direction::Descending).await?;
        match page.indexes.first() {
            Some(found) if !stands_in(site, stream, *found).await? => below = *found,
            found => return Ok(found.copied()),
        }
    }
}
