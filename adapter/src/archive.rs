//! The log over HTTP: checkpoint, tiles and bundles as C2SP tlog-tiles lays them out, sealed segments, where the node stands.

use crate::http::{Method, Representation, Request, Response};
use crate::security::Caller;
use crate::site::{Account, Site};
use ledger::body::{Member, Suffrage};
use ledger::checkpoint::{Cosignature, Note, NoteSignature};
use ledger::medium::StoreError;
use ledger::segment::{Extent, bundle_of, leaves_of};
use ledger::tile::{Part, Tile, WIDTH};
use serde_json::json;
use std::collections::BTreeMap;
use std::path::Path;

/// What a path names never changes: it says how many hashes or entries are in it.
const FOREVER: &str = "public, max-age=31536000, immutable";
/// The same for what not everybody may see.
const FOREVER_PRIVATE: &str = "private, max-age=31536000, immutable";
const OCTETS: &str = "application/octet-stream";

/// Answers a GET or HEAD below `/tile/`, of `/checkpoint`, `/ledger/status`, `/segments` and below `/segment/`; `None` for every other path.
pub async fn answer(site: &Site, request: &Request) -> Option<Response> {
    let read = request.method == Method::GET || request.method == Method::HEAD;
    match request.path.as_str() {
        "/checkpoint" if read => Some(checkpoint(site, request).await),
        "/ledger/status" if read => Some(status(site, request).await),
        "/segments" if read => Some(segments(site, request).await),
        path if read && path.starts_with("/segment/") => Some(segment(site, request).await),
        path if read && path.starts_with("/tile/") => Some(match Tile::parse(path) {
            Some(tile) => self::tile(site, request, tile).await,
            None => refused(404, "There is no such tile: a path looks like /tile/0/x001/234, /tile/1/000.p/8 or /tile/entries/000.\n"),
        }),
        _ => None,
    }
}

pub(crate) fn refused(status: u16, sentence: &str) -> Response {
    Response::new(status, "text/plain; charset=utf-8", sentence.as_bytes().to_vec())
}

async fn checkpoint(site: &Site, request: &Request) -> Response {
    match site.replica.read(|node| node.published().map(|(_, note)| note.to_owned())).await {
        Ok(Some(note)) => whole(request, "text/plain; charset=utf-8", "no-cache", note.as_bytes()),
        _ => refused(503, "There is no checkpoint yet.\n"),
    }
}

/// Where the node stands, for who has a certificate.
async fn status(site: &Site, request: &Request) -> Response {
    if request.peer.is_none() {
        return refused(403, "The status is shown to who has a certificate of this city's authority.\n");
    }
    let seen = site.replica.read(|node| {
        let note = node.published().map(|(_, note)| note.to_owned());
        let members: Vec<Member> = node.state().members().cloned().collect();
        let (first, last) = (node.store().first(), node.store().last());
        (node.status(), note, members, node.state().origin(), first, last)
    });
    let Ok((status, note, members, origin, first, last)) = seen.await else { return refused(503, "The ledger is busy; come back soon.\n") };
    let note = note.and_then(|note| Note::parse(&note).ok());
    let cosigned: BTreeMap<String, u64> = note.iter().flat_map(|note| &note.signatures).filter_map(cosigner).collect();
    let latest = cosigned.values().max().map(|latest| (crate::replica::now().0 / 1000).saturating_sub(*latest));
    let member = |member: &Member| {
        json!({
            "id": member.id, "node": member.node, "role": if member.bureau { "bureau" } else { "sector" },
            "suffrage": if member.suffrage == Suffrage::Voter { "voter" } else { "learner" }, "service": member.service,
            "cosigned": cosigned.get(&format!("{}.{origin}", member.id)),
        })
    };
    let data = site.config.data.clone();
    let (files, octets) = tokio::task::spawn_blocking(move || on_disk(&data)).await.unwrap_or_default();
    let body = json!({
        "sector": site.sector, "ledger": site.ledger, "origin": origin, "node": status.node, "leader": status.leader, "term": status.term,
        "leaves": status.size, "root": status.root.to_string(), "published": status.covered, "checkpoint_age_s": latest,
        "split": status.split, "forks": site.replica.forks(), "log_first": first, "log_last": last,
        "disk_files": files, "disk_octets": octets, "members": members.iter().map(member).collect::<Vec<_>>(),
    });
    Response::new(200, "application/json", body.to_string().into_bytes())
}

/// Whose cosignature a line is, and when it was made, in seconds since 1970.
fn cosigner(line: &NoteSignature) -> Option<(String, u64)> {
    let cosignature = Cosignature::read(line.octets.get(4..)?)?;
    Some((line.name.clone(), cosignature.seconds))
}

/// How many files a directory has, and how many octets they take.
fn on_disk(dir: &Path) -> (u64, u64) {
    let entries = dir.read_dir().into_iter().flatten().filter_map(Result::ok);
    entries.fold((0, 0), |(files, octets), entry| match entry.metadata() {
        Ok(inside) if inside.is_dir() => {
            let (more, below) = on_disk(&entry.path());
            (files + more, octets + below)
        }
        Ok(file) => (files + 1, octets + file.len()),
        Err(_) => (files, octets),
    })
}

/// The answer to a request for octets that are at hand.
fn whole(request: &Request, content_type: &'static str, cache: &'static str, octets: &[u8]) -> Response {
    let part = |from: u64, to: u64| {
        let bounds = usize::try_from(from).ok().zip(usize::try_from(to).ok());
        bounds.and_then(|(from, to)| octets.get(from..to)).map(<[u8]>::to_vec).ok_or(())
    };
    let answered = Representation::of(content_type, cache, octets).answer(request, part);
    answered.unwrap_or_else(|()| refused(500, "The node read beyond an end.\n"))
}

async fn tile(site: &Site, request: &Request, tile: Tile) -> Response {
    let admitted = match tile.part {
        Part::Hashes(_) if site.config.ledger.public_tiles => Ok(()),
        Part::Hashes(_) if request.peer.is_some() => Ok(()),
        Part::Hashes(_) => Err(refused(403, "Tiles are shown to who has a certificate of this city's authority.\n")),
        Part::Entries => auditor(site, request).await,
    };
    if let Err(response) = admitted {
        return response;
    }
    if let Some(octets) = sealed(site, tile).await {
        return whole(request, OCTETS, FOREVER_PRIVATE, &octets);
    }
    let found = site.replica.read(move |node| {
        let published = node.published().map_or(0, |(checkpoint, _)| checkpoint.size);
        tile.needs().filter(|needs| *needs <= published)?;
        if let Part::Hashes(_) = tile.part {
            return tile.hashes(node.tree()).map(Ok);
        }
        let first = tile.index * WIDTH;
        let leaves: Result<Vec<_>, _> = (first..first + tile.width).map(|index| node.leaf(index)).collect();
        Some(leaves.map(|leaves| bundle_of(leaves.iter().map(AsRef::as_ref))))
    });
    match found.await {
        Ok(Some(Ok(octets))) => {
            let cache = if tile.part == Part::Entries || !site.config.ledger.public_tiles { FOREVER_PRIVATE } else { FOREVER };
            whole(request, OCTETS, cache, &octets)
        }
        Ok(Some(Err(error @ StoreError::Pruned(_)))) => refused(410, &format!("{error}\n")),
        Ok(Some(Err(error))) => {
            tracing::error!(%error, path = request.path, "tile");
            refused(500, "The node cannot read these entries; another node can.\n")
        }
        Ok(None) => refused(404, "The published checkpoint does not reach so far.\n"),
        Err(_) => refused(503, "The ledger is busy; come back soon.\n"),
    }
}

/// A bundle of entries that is sealed, read without troubling the ledger's thread. What is damaged there is left to the other way,
/// which says so.
async fn sealed(site: &Site, tile: Tile) -> Option<Vec<u8>> {
    let here = tile.part == Part::Entries && (tile.index + 1).checked_mul(WIDTH)? <= site.archive.size();
    let archive = site.archive.clone();
    let read = tokio::task::spawn_blocking(move || here.then(|| archive.bundle(tile.index)));
    let octets = read.await.ok()??.ok()?;
    let end = leaves_of(&octets)?.get(usize::try_from(tile.width - 1).ok()?)?.end;
    octets.get(..end).map(<[u8]>::to_vec)
}

/// What is sealed and published, in order.
async fn extents(site: &Site) -> Vec<Extent> {
    let published = site.replica.read(|node| node.published().map_or(0, |(checkpoint, _)| checkpoint.size)).await.unwrap_or(0);
    site.archive.segments().into_iter().filter(|segment| segment.end <= published).collect()
}

async fn segments(site: &Site, request: &Request) -> Response {
    if let Err(response) = auditor(site, request).await {
        return response;
    }
    let row = |segment: &Extent| {
        json!({
            "name": segment.name(), "first": segment.first, "last": segment.end - 1, "length": segment.length,
            "root": segment.root.to_string(),
        })
    };
    let list: Vec<_> = extents(site).await.iter().map(row).collect();
    whole(
        request,
        "application/json",
        "no-cache",
        json!({ "ledger": site.ledger, "floor": site.archive.floor(), "segments": list }).to_string().as_bytes(),
    )
}

/// A segment's logical octets, byte for byte the same on every node: bundles of entries, one after the other.
async fn segment(site: &Site, request: &Request) -> Response {
    if let Err(response) = auditor(site, request).await {
        return response;
    }
    let name = request.path.trim_start_matches("/segment/");
    let Some(segment) = extents(site).await.into_iter().find(|segment| segment.name() == name) else {
        return refused(404, "There is no such segment; /segments lists them.\n");
    };
    let (archive, request) = (site.archive.clone(), request.clone());
    let read = move || {
        let sha256 = archive.digest(segment.first)?.0;
        let what = Representation { content_type: OCTETS, cache: FOREVER_PRIVATE, length: segment.length, sha256 };
        what.answer(&request, |from, to| archive.segment(segment.first, from..to))
    };
    match tokio::task::spawn_blocking(read).await {
        Ok(Ok(response)) => response,
        Ok(Err(error)) => {
            tracing::error!(%error, name, "segment");
            refused(500, "The node cannot read this segment; another node can.\n")
        }
        Err(_) => refused(503, "The node ends.\n"),
    }
}

/// Entries show who traded what with whom: they are for auditors, this sector's administrators, and the members' own nodes, which
/// have them anyway.
pub(crate) async fn auditor(site: &Site, request: &Request) -> Result<(), Response> {
    let account = site.account(Caller { tls: request.peer, message: None }).await;
    let admitted = match &account {
        Ok(Account::Adapter { .. }) => true,
        Ok(Account::User { user, class }) => class == "auditor" || class == "administrator" && user.authority == site.sector,
        Err(_) => false,
    };
    if admitted { Ok(()) } else { Err(refused(403, "Entries are shown to auditors, this sector's administrators and members' nodes.\n")) }
}
