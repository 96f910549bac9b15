//! The log over HTTP as C2SP tlog-tiles lays it out: checkpoint, tiles of hashes, bundles of entries.

use crate::http::{Method, Representation, Request, Response};
use crate::security::Caller;
use crate::site::{Account, Site};
use ledger::body::{Member, Suffrage};
use ledger::checkpoint::{Cosignature, Note, NoteSignature};
use ledger::tile::{Part, Tile, bundle};
use serde_json::json;
use std::collections::BTreeMap;
use std::path::Path;

/// What a path names never changes: it says how many hashes or entries are in it.
const FOREVER: &str = "public, max-age=31536000, immutable";
/// The same for what not everybody may see.
const FOREVER_PRIVATE: &str = "private, max-age=31536000, immutable";
const OCTETS: &str = "application/octet-stream";

/// Answers a GET or HEAD below `/tile/`, of `/checkpoint` and of `/ledger/status`; `None` for every other path.
pub async fn answer(site: &Site, request: &Request) -> Option<Response> {
    let read = request.method == Method::GET || request.method == Method::HEAD;
    match request.path.as_str() {
        "/checkpoint" if read => Some(checkpoint(site, request).await),
        "/ledger/status" if read => Some(status(site, request).await),
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
        (node.status(), note, members, first, last)
    });
    let Ok((status, note, members, first, last)) = seen.await else { return refused(503, "The ledger is busy; come back soon.\n") };
    let note = note.and_then(|note| Note::parse(&note).ok());
    let cosigned: BTreeMap<String, u64> = note.iter().flat_map(|note| &note.signatures).filter_map(cosigner).collect();
    let latest = cosigned.values().max().map(|latest| (crate::replica::now().0 / 1000).saturating_sub(*latest));
    let member = |member: &Member| {
        json!({
            "id": member.id, "node": member.node, "role": if member.bureau { "bureau" } else { "sector" },
            "suffrage": if member.suffrage == Suffrage::Voter { "voter" } else { "learner" }, "service": member.service,
            "cosigned": cosigned.get(&format!("{}.{}", member.id, site.ledger)),
        })
    };
    let data = site.config.data.clone();
    let (files, octets) = tokio::task::spawn_blocking(move || on_disk(&data)).await.unwrap_or_default();
    let body = json!({
        "sector": site.sector, "ledger": site.ledger, "node": status.node, "leader": status.leader, "term": status.term,
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
    let found = site.replica.read(move |node| {
        let published = node.published().map_or(0, |(checkpoint, _)| checkpoint.size);
        tile.needs().filter(|needs| *needs <= published)?;
        if let Part::Hashes(_) = tile.part {
            return tile.hashes(node.tree()).map(Ok);
        }
        let (mut octets, first) = (Vec::new(), tile.index * ledger::tile::WIDTH);
        for index in first..first + tile.width {
            match node.leaf(index) {
                Ok(leaf) => bundle(&mut octets, &leaf),
                Err(error) => return Some(Err(error)),
            }
        }
        Some(Ok(octets))
    });
    match found.await {
        Ok(Some(Ok(octets))) => {
            let cache = if tile.part == Part::Entries || !site.config.ledger.public_tiles { FOREVER_PRIVATE } else { FOREVER };
            whole(request, OCTETS, cache, &octets)
        }
        Ok(Some(Err(error))) => {
            tracing::error!(%error, path = request.path, "tile");
            refused(500, "The node cannot read these entries; another node can.\n")
        }
        Ok(None) => refused(404, "The published checkpoint does not reach so far.\n"),
        Err(_) => refused(503, "The ledger is busy; come back soon.\n"),
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
