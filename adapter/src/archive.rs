//! The log over HTTP as C2SP tlog-tiles lays it out: checkpoint, tiles of hashes, bundles of entries.

use crate::http::{Method, Representation, Request, Response};
use crate::security::Caller;
use crate::site::{Account, Site};
use ledger::tile::{Part, Tile, bundle};

/// What a path names never changes: it says how many hashes or entries are in it.
const FOREVER: &str = "public, max-age=31536000, immutable";
/// The same for what not everybody may see.
const FOREVER_PRIVATE: &str = "private, max-age=31536000, immutable";
const OCTETS: &str = "application/octet-stream";

/// Answers a GET or HEAD below `/tile/` and of `/checkpoint`; `None` for every other path.
pub async fn answer(site: &Site, request: &Request) -> Option<Response> {
    let read = request.method == Method::GET || request.method == Method::HEAD;
    match request.path.as_str() {
        "/checkpoint" if read => Some(checkpoint(site, request).await),
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
