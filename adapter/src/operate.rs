//! What an operator asks of the own node over HTTP: that another node leads, that the ledger writes a state root now, or that the voice
//! of a sector whose node is lost is put on record.

use crate::archive::refused;
use crate::http::{Method, Request, Response};
use crate::replica::{Committed, Unrecorded};
use crate::security::Caller;
use crate::site::{Account, Site};
use ledger::body::Content;
use ledger::node::Input;
use ledger::record::{Entry, Outcome};
use serde_json::json;
use std::time::Duration;

/// Answers a POST of `/ledger/transfer?to=N`, `/ledger/snapshot` or `/ledger/ballot`, for an administrator of this sector; `None` for every other path.
pub async fn answer(site: &Site, request: &Request) -> Option<Response> {
    if request.method != Method::POST {
        return None;
    }
    match request.path.as_str() {
        "/ledger/transfer" => Some(admitted(site, request, transfer(site, request)).await),
        "/ledger/snapshot" => Some(admitted(site, request, snapshot(site)).await),
        "/ledger/ballot" => Some(admitted(site, request, ballot(site, request)).await),
        _ => None,
    }
}

/// Puts a ballot on record that another sector signed: its signature is all that counts, whoever brings it.
async fn ballot(site: &Site, request: &Request) -> Response {
    let read = Entry::decode(&request.body).and_then(|entry| ledger::body::Request::read(entry.clone()).map(|read| (entry, read)));
    let (entry, read) = match read {
        Ok(read) => read,
        Err(verdict) => return refused(400, &format!("This is no signed ballot: {verdict}\n")),
    };
    let Content::Ballot(ballot) = read.content() else { return refused(400, "This is a record, but no ballot.\n") };
    let timeout = Duration::from_millis(site.config.limits.commit_timeout_ms);
    match site.replica.submit(entry, timeout).await {
        Ok(Committed { index, outcome }) => {
            let ending = crate::services::governance::ending(site, &ballot.proposal).await.ok().flatten();
            let ending = ending.map(|ending| ending.to_string());
            let body = json!({ "voter": ballot.voter, "leaf": index, "outcome": outcome.code(), "ending": ending });
            Response::new(if outcome == Outcome::Done { 200 } else { 409 }, "application/json", body.to_string().into_bytes())
        }
        Err(Unrecorded::Invalid(verdict)) => refused(409, &format!("The ledger does not take it: {verdict}\n")),
        Err(_) => refused(503, "The ledger is busy or has no quorum; come back soon.\n"),
    }
}

async fn admitted(site: &Site, request: &Request, wish: impl Future<Output = Response>) -> Response {
    let account = site.account(Caller { tls: request.peer, message: None }).await;
    match account {
        Ok(Account::User { user, class }) if class == "administrator" && user.authority == site.sector => wish.await,
        _ => refused(403, "This is for administrators of this sector.\n"),
    }
}

/// Asks for it; who leads is seen at `/readyz`.
async fn transfer(site: &Site, request: &Request) -> Response {
    let said = request.query.as_deref().unwrap_or_default().strip_prefix("to=").and_then(ledger::record::number);
    let Some(to) = said else { return refused(400, "Say which node shall lead: /ledger/transfer?to=2\n") };
    let votes = move |member: &ledger::body::Member| member.node == to && member.suffrage == ledger::body::Suffrage::Voter;
    match site.replica.read(move |node| node.state().members().any(votes)).await {
        Ok(true) => {}
        Ok(false) => return refused(409, "No voting member has a node of this number.\n"),
        Err(_) => return refused(503, "The ledger is busy; come back soon.\n"),
    }
    match site.replica.wish(Input::Transfer { to }) {
        Ok(()) => Response::new(202, "application/json", json!({ "to": to }).to_string().into_bytes()),
        Err(_) => refused(503, "The ledger is busy; come back soon.\n"),
    }
}

/// How far the ledger, its last state root, and what is sealed are.
struct Stand {
    size: u64,
    root: u64,
    sealed: u64,
    snapshot: u64,
    sealing: bool,
}

async fn stand(site: &Site) -> Option<Stand> {
    let seen = site.replica.read(|node| Stand {
        size: node.state().size(),
        root: node.state().rooted().index(),
        sealed: node.store().sealed(),
        snapshot: node.store().snapshot().map_or(0, |snapshot| snapshot.size),
        sealing: node.store().is_sealing(),
    });
    seen.await.ok()
}

/// A state root of what is there now, if it is not there already; and how far the sealed part is. Segments end at the same leaves on
/// every node, so nothing is sealed before its time.
async fn snapshot(site: &Site) -> Response {
    let busy = || refused(503, "The ledger is busy; come back soon.\n");
    if site.fresh().await.is_err() {
        return refused(503, "The ledger has no quorum now; ask again.\n");
    }
    let Some(Stand { size: asked, .. }) = stand(site).await else { return busy() };
    let until = tokio::time::Instant::now() + Duration::from_millis(site.config.limits.commit_timeout_ms);
    loop {
        let Some(Stand { size, root, sealed, snapshot, sealing }) = stand(site).await else { return busy() };
        // Before the first there is none: its place is beyond the ledger.
        if root < size && root + 1 >= asked {
            let body = json!({
                "leaves": size, "state_root": root, "sealed": sealed, "snapshot": snapshot, "sealing": sealing, "in_log": size - sealed,
            });
            return Response::new(200, "application/json", body.to_string().into_bytes());
        }
        if tokio::time::Instant::now() > until || site.replica.wish(Input::Mark).is_err() {
            return refused(503, "No quorum has put a state root on record; nothing is lost, ask again.\n");
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
