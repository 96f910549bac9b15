//! The audit service: the log as it is, with its proofs, and evidence bundles.

use crate::fault::{Fault, Reason};
use crate::site::{Account, Site, pruned};
use crate::unified::audit::{
    BundleFile, GetCheckpoint, GetCheckpointResponse, GetConsistency, GetConsistencyResponse, GetEntry, GetEntryResponse, GetProof,
    GetProofResponse, ListEntries, ListEntriesResponse, LogEntry, Pull, PullResponse,
};
use ledger::audit::{Export, ExportError, Query};
use ledger::index::{Direction, Filter};
use ledger::medium::{Directory, StoreError};
use ledger::node::Node;
use ledger::record::{Kind, StreamKind};
use std::collections::BTreeSet;
use std::time::Duration;
use tokio::task::spawn_blocking;
use xsd::time::Timestamp;

/// Entries that one answer holds at most.
const PAGE: u64 = 100;
/// Records that are looked up at once for a bundle.
const PULL_PAGE: usize = 500;
/// Records of one bundle: two or three files each, and an element's children have a limit.
const PULL_MAX: usize = 15_000;
/// Leaves of a bundle that are taken between two steps of the ledger.
const TAKEN_AT_ONCE: usize = 16;
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

/// An evidence bundle of what fits, with what shows that this is all: the state root is made for it. With a limit, it is one of the
/// first records that fit, and the answer says until when.
///
/// # Errors
/// A filter that nothing can fit, no quorum, busy, or the ledger cannot be read.
pub async fn pull(site: &Site, _: &Account, request: Pull, _: Timestamp) -> Result<PullResponse, Fault> {
    let limit = request.limit.map(|limit| usize::try_from(limit).unwrap_or(usize::MAX));
    let asked = asked(request)?;
    let timeout = Duration::from_millis(site.config.limits.commit_timeout_ms);
    for _ in 0..PULL_TRIES {
        let root = site.replica.rooted(timeout).await?;
        let query = match limit {
            Some(limit) => narrowed(site, &asked, root, limit).await?,
            None => asked.clone(),
        };
        let until = query.to.filter(|to| asked.to != Some(*to)).map(Into::into);
        let run = run(site, &query, root).await?;
        let (exporter, key) = (site.sector.clone(), site.keys.current());
        let public = key.public();
        let begin = move |node: &Node<Directory>| {
            // A state root that came meanwhile speaks of records that were not looked for.
            (node.state().rooted().index() == root).then(|| Export::begin(node, &run, &query, &exporter, &public))
        };
        let Some(export) = site.read(begin).await? else { continue };
        let mut export = export.map_err(unbundled)?;
        while !export.is_whole() {
            let take = move |node: &Node<Directory>| export.take(node, TAKEN_AT_ONCE).map(|()| export);
            export = site.read(take).await?.map_err(unbundled)?;
        }
        let files = spawn_blocking(move || export.finish(&key)).await;
        let files = files.map_err(|_ended| Fault::new(Reason::Internal, "the bundle was broken off"))?.map_err(unbundled)?;
        let file = |(name, octets): (String, Vec<u8>)| BundleFile { name, content: data_encoding::BASE64.encode(&octets) };
        return Ok(PullResponse { files: files.into_iter().map(file).collect(), until });
    }
    Err(Fault::new(Reason::NoQuorum, "the ledger goes on too fast: try again, or narrow the time span"))
}

fn unbundled(error: ExportError) -> Fault {
    match error {
        ExportError::Store(StoreError::Pruned(floor)) => pruned("a leaf that the bundle needs (each holds the genesis)", floor),
        error => Fault::new(Reason::Internal, format!("no bundle: {error}")),
    }
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

/// The question, or, if more than `limit` records below `root` show its answer, the same of a period that ends with about so many:
/// those of one instant are not parted.
async fn narrowed(site: &Site, asked: &Query, root: u64, limit: usize) -> Result<Query, Fault> {
    let mut found = BTreeSet::new();
    for (_, filter) in filters(asked) {
        let within = Filter { from: asked.from, to: asked.to, ..filter };
        found.extend(first(site, &within, root, limit + 1).await?);
    }
    let (Some(begin), Some(end)) = (found.first(), found.iter().nth(limit)) else { return Ok(asked.clone()) };
    let (begin, end) = (site.leaf(*begin).await?.0.time, site.leaf(*end).await?.0.time);
    let to = if begin < end { end } else { end.plus_ms(1) };
    Ok(Query { to: Some(asked.to.map_or(to, |asked| asked.min(to))), ..asked.clone() })
}

/// What the index is asked for: each stream that the question is about, or the records that fit it.
fn filters(query: &Query) -> Vec<(Option<(StreamKind, String)>, Filter)> {
    let streams = query.streams();
    if streams.is_empty() {
        let kind = query.kind.iter().map(|kind| kind.code().to_owned()).collect();
        return vec![(None, Filter { kind, status: query.status.iter().cloned().collect(), ..Filter::default() })];
    }
    let of = |stream: (StreamKind, String)| {
        let id = vec![stream.1.clone()];
        let all = match stream.0 {
            StreamKind::Sender => Filter { sender: id, ..Filter::default() },
            StreamKind::Receiver => Filter { receiver: id, ..Filter::default() },
            _ => Filter { what: id, ..Filter::default() },
        };
        (Some(stream), all)
    };
    streams.into_iter().map(of).collect()
}

/// The leaves below `root` that show the answer: see [`ledger::audit::bundle`].
async fn run(site: &Site, query: &Query, root: u64) -> Result<Vec<u64>, Fault> {
    let mut indexes = BTreeSet::new();
    for kind in [Kind::Proposal, Kind::Ballot, Kind::Key] {
        let filter = Filter { kind: vec![kind.code().to_owned()], ..Filter::default() };
        indexes.extend(first(site, &filter, root, PULL_MAX + 1).await?);
    }
    for (stream, all) in filters(query) {
        indexes.extend(first(site, &Filter { from: query.from, to: query.to, ..all.clone() }, root, PULL_MAX + 1).await?);
        let Some(stream) = stream else { continue };
        if let Some(to) = query.to {
            indexes.extend(first_in(site, &stream, &Filter { from: Some(to), ..all.clone() }, root).await?);
        }
        if let Some(from) = query.from {
            indexes.extend(last_in(site, &stream, &Filter { to: Some(from), ..all.clone() }, root).await?);
        }
    }
    if indexes.len() > PULL_MAX {
        return Err(Fault::new(
            Reason::TooLarge,
            format!("more than {PULL_MAX} records show the answer: ask with a limit, or narrow the time span"),
        ));
    }
    Ok(indexes.into_iter().collect())
}

/// The first leaves below `root` that a filter finds, at most so many.
async fn first(site: &Site, filter: &Filter, root: u64, most: usize) -> Result<Vec<u64>, Fault> {
    let (mut indexes, mut start) = (Vec::new(), Some(0));
    while let Some(at) = start.filter(|at| *at < root && indexes.len() < most) {
        let page = site.histories.page(filter.clone(), Some(at), PULL_PAGE.min(most - indexes.len()), Direction::Ascending).await?;
        indexes.extend(page.indexes.into_iter().filter(|index| *index < root));
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
