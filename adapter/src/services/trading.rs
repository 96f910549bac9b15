//! The Trading Service: where resources are (W1 to W5), trades (W6 to W15), their status and their history.

use crate::fault::{Fault, Reason};
use crate::services::directory;
use crate::site::{Account, Located, Site, pruned};
use crate::steps::{self, Step};
use crate::unified::Principal;
use crate::unified::trading::{
    AcceptOffer, AcceptOfferResponse, Fetch, FetchResponse, History, HistoryResponse, Locate, LocateResponse, Location, Place, PlaceOrder,
    PlaceOrderResponse, State, Trade, TradeEntry, TradeStatus, TradeStatusResponse,
};
use crate::{fetch, trade};
use ledger::index::{Direction, Filter};
use ledger::node::Transaction;
use ledger::record::{Kind, Outcome};
use std::sync::Arc;
use std::time::Instant as Stopwatch;
use xsd::time::Timestamp;

/// Trades that one answer holds at most.
const PAGE: u64 = 100;

/// W1 to W5: where each resource is, or Null.
///
/// # Errors
/// The inquiry cannot be put on record.
pub async fn locate_all(site: &Arc<Site>, account: &Account, request: Locate, now: Timestamp) -> Result<LocateResponse, Fault> {
    let since = Stopwatch::now();
    let user = user(account)?;
    let given = request.conversation_id.is_some();
    let conversation_id = request.conversation_id.unwrap_or_else(crate::services::id);
    steps::done(Step::Asked, &conversation_id, since);
    let located = directory::locate(site, &user, &conversation_id, given, &request.resources, now).await?;
    let place =
        |located: Located| Place { sector: located.sector, server: located.server, entry_index: located.index, title: located.title };
    let locations =
        request.resources.into_iter().zip(located).map(|(resource, located)| Location { resource, place: located.map(place) }).collect();
    steps::done(Step::Told, &conversation_id, since);
    Ok(LocateResponse { conversation_id, locations })
}

/// W6 to W15.
///
/// # Errors
/// See [`fetch::fetch`].
pub async fn fetch(site: &Arc<Site>, account: &Account, request: Fetch, now: Timestamp) -> Result<FetchResponse, Fault> {
    fetch::fetch(site, &user(account)?, request, now).await
}

/// W7, W8.
///
/// # Errors
/// See [`trade::place_order`].
pub async fn place_order(site: &Site, account: &Account, request: PlaceOrder, now: Timestamp) -> Result<PlaceOrderResponse, Fault> {
    trade::place_order(site, account.sector(), request, now).await
}

/// W13, W14.
///
/// # Errors
/// See [`trade::accept_offer`].
pub async fn accept_offer(site: &Site, account: &Account, request: AcceptOffer, _: Timestamp) -> Result<AcceptOfferResponse, Fault> {
    trade::accept_offer(site, account.sector(), request).await
}

/// Which promise a trade has reached.
///
/// # Errors
/// Busy.
pub async fn status(site: &Site, _: &Account, request: TradeStatus, _: Timestamp) -> Result<TradeStatusResponse, Fault> {
    let id = request.trade_id.clone();
    let (index, outcome) = match site.known(move |node| node.transaction(&id)).await? {
        Transaction::Committed { index, outcome, .. } => (index, outcome),
        Transaction::Invalid(_) => return Ok(TradeStatusResponse { state: State::Invalid, leaf_index: None, status: None }),
        other => {
            let pending = other == Transaction::Pending || site.offers.waits(&request.trade_id);
            let state = if pending { State::Pending } else { State::Unknown };
            return Ok(TradeStatusResponse { state, leaf_index: None, status: None });
        }
    };
    if matches!(outcome, Outcome::Refused(_)) {
        return Ok(TradeStatusResponse { state: State::Invalid, leaf_index: Some(index), status: None });
    }
    let (leaf, _) = site.leaf(index).await?;
    let status = if leaf.kind == Kind::Trade { Some(site.leaf_as::<Trade>(index).await?.1.how.status) } else { None };
    Ok(TradeStatusResponse { state: State::Committed, leaf_index: Some(index), status })
}

/// Trades by any of the 4W+H. Who is no auditor sees those of its own sector.
///
/// # Errors
/// Busy, or the index cannot be read.
pub async fn history(site: &Site, account: &Account, request: History, _: Timestamp) -> Result<HistoryResponse, Fault> {
    let limit = usize::try_from(request.limit.unwrap_or(PAGE)).unwrap_or(usize::MAX);
    let filter = Filter {
        who: if account.audits() { Vec::new() } else { vec![account.sector().to_owned()] },
        sender: request.sender,
        receiver: request.receiver,
        user: request.user.iter().map(|user| format!("{}/{}", user.authority, user.name)).collect(),
        what: request.resource,
        grant: request.grant,
        server: request.server,
        service: request.service,
        operation: request.operation,
        status: request.status.iter().map(ToString::to_string).collect(),
        purpose: request.purpose,
        conversation: request.conversation,
        kind: vec![Kind::Trade.code().to_owned()],
        outcome: vec![Outcome::Done.code().to_owned()],
        from: request.from.map(|from| from.0),
        to: request.to.map(|to| to.0),
        ..Filter::default()
    };
    let direction = if request.latest_first == Some(true) { Direction::Descending } else { Direction::Ascending };
    let gone = hidden(site, filter.from, request.cursor, direction).await?;
    let page = site.histories.page(filter, request.cursor, limit, direction).await?;
    let mut entries = Vec::with_capacity(page.indexes.len());
    // Past the last one that is here the next page says that there were more.
    let end = gone.filter(|gone| direction == Direction::Descending && page.next.is_none_or(|next| next <= *gone));
    for index in page.indexes.into_iter().filter(|index| gone.is_none_or(|gone| *index > gone)) {
        let (leaf, trade) = site.leaf_as::<Trade>(index).await?;
        entries.push(TradeEntry { index, time: leaf.time.into(), trade });
    }
    Ok(HistoryResponse { entries, next: end.or(page.next), previous: page.previous })
}

/// The last leaf that is not here any more, where the question reaches so far back. An index that was made anew knows nothing of it,
/// and an answer without a word would pass for whole.
///
/// # Errors
/// The page begins there.
async fn hidden(site: &Site, from: Option<Timestamp>, cursor: Option<u64>, direction: Direction) -> Result<Option<u64>, Fault> {
    let floor = site.archive.floor();
    let Some(gone) = floor.checked_sub(1) else { return Ok(None) };
    let since = site.leaf(floor).await?.0.time;
    if from.is_some_and(|from| from > since) {
        return Ok(None);
    }
    let begins = cursor.unwrap_or(if direction == Direction::Ascending { 0 } else { u64::MAX });
    if begins < floor { Err(pruned("what came before", floor)) } else { Ok(Some(gone)) }
}

fn user(account: &Account) -> Result<Principal, Fault> {
    match account {
        Account::User { user, .. } => Ok(user.clone()),
        Account::Adapter { .. } => Err(Fault::new(Reason::NotRegistered, "a trade needs a user: an adapter is none")),
    }
}
