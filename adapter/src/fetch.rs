//! The receiver's half of a trade: a user's request becomes signed orders, offers are countersigned, packets are checked.

use crate::fault::{Fault, Reason};
use crate::salts::Kept;
use crate::site::{Declined, Located, Site};
use crate::steps::{self, Step};
use crate::trade::{commitment, record, salt, selection, unsalted};
use crate::unified::trading::{
    AcceptOffer, AcceptOfferResponse, Fetch, FetchResponse, Item, Order, Outcome, PlaceOrder, PlaceOrderResponse, Refusal,
};
use crate::unified::{Document, Instant, MendedBy, Principal, Receipt, Status};
use std::sync::Arc;
use std::time::Instant as Stopwatch;
use xsd::time::Timestamp;

/// W6 to W15: one trade an item, all at once.
///
/// # Errors
/// When not one item could be delivered: the first item's fault. A request that is partly answered is an answer.
pub async fn fetch(site: &Arc<Site>, user: &Principal, request: Fetch, now: Timestamp) -> Result<FetchResponse, Fault> {
    let since = Stopwatch::now();
    let conversation = request.conversation_id.clone().unwrap_or_else(|| uuid::Uuid::new_v4().to_string());
    steps::done(Step::Submitted, &conversation, since);
    let resources: Vec<String> = request.items.iter().map(|item| item.resource.clone()).collect();
    let located = crate::services::directory::locate(site, user, &conversation, request.conversation_id.is_some(), &resources, now).await?;
    let mut running = tokio::task::JoinSet::new();
    for (at, (item, located)) in request.items.into_iter().zip(located).enumerate() {
        let purchase =
            Purchase { site: Arc::clone(site), user: user.clone(), conversation: conversation.clone(), purpose: request.purpose.clone() };
        running.spawn(async move { (at, purchase.item(item, located, now).await) });
    }
    let mut results: Vec<(usize, (Outcome, Option<Fault>))> = Vec::new();
    while let Some(done) = running.join_next().await {
        results.push(done.map_err(|error| Fault::new(Reason::Internal, format!("an item's task ended: {error}")))?);
    }
    results.sort_by_key(|(at, _)| *at);
    let (results, faults): (Vec<Outcome>, Vec<Option<Fault>>) = results.into_iter().map(|(_, result)| result).unzip();
    steps::done(Step::Returned, &conversation, since);
    if results.iter().all(|result| !matches!(result.status, Status::Delivered | Status::NotFound))
        && let Some(fault) = faults.into_iter().flatten().next()
    {
        return Err(fault);
    }
    Ok(FetchResponse { conversation_id: conversation, results })
}

struct Purchase {
    site: Arc<Site>,
    user: Principal,
    conversation: String,
    purpose: String,
}

impl Purchase {
    async fn item(&self, item: Item, located: Option<Located>, now: Timestamp) -> (Outcome, Option<Fault>) {
        let mut result =
            Outcome { resource: item.resource.clone(), trade_id: None, status: Status::NotFound, packet: None, fault: None, receipt: None };
        let Some(located) = located else { return (result, None) };
        if located.sector == self.site.sector {
            let sentence = format!("{} is this sector's own resource: ask its own system", item.resource);
            let fault = Fault::new(Reason::BadRecord, sentence);
            result.status = Status::Failed;
            result.fault = Some(refusal(&fault));
            return (result, Some(fault));
        }
        match self.trade(&item, &located, now).await {
            Ok((id, delivered)) => {
                result.trade_id = Some(id);
                result.status = Status::Delivered;
                result.packet = Some(delivered.packet);
                result.receipt = Some(delivered.receipt);
                (result, None)
            }
            Err(lost) => {
                result.trade_id = Some(lost.trade);
                result.status = lost.status;
                result.receipt = lost.receipt;
                result.fault = Some(refusal(&lost.fault));
                (result, Some(lost.fault))
            }
        }
    }

    async fn trade(&self, item: &Item, located: &Located, now: Timestamp) -> Result<(String, AcceptOfferResponse), Lost> {
        let salt = salt().map_err(Lost::nowhere)?;
        let order = self.order(item, located, &salt, now);
        let place = PlaceOrder {
            signature: self.site.sign(&order.octets()),
            order,
            salt: data_encoding::HEXLOWER.encode(&salt),
            criteria: item.criteria.clone(),
        };
        self.site.keep_salts(&place.order.id, Kept::new(Some(salt), None), &item.criteria);
        let mut offered: Result<PlaceOrderResponse, Declined> = self.site.ask(located, "PlaceOrder", &place.element()).await;
        for pause_ms in [50, 200, 800, 2_000, 4_000] {
            match &offered {
                Err(declined) if declined.fault.reason() == Reason::Busy => {
                    tokio::time::sleep(std::time::Duration::from_millis(pause_ms)).await;
                    offered = self.site.ask(located, "PlaceOrder", &place.element()).await;
                }
                _ => break,
            }
        }
        let offer = match offered {
            Ok(offer) => offer,
            Err(declined) => return Err(self.lost(&place.order, located, declined).await),
        };
        if let Err(fault) = self.check_offer(&place.order, &offer).await {
            return Err(self.lost(&place.order, located, fault.into()).await);
        }
        let accept = AcceptOffer { trade_id: offer.trade.id.clone(), signature: self.site.sign(&offer.trade.octets()) };
        match self.accept(located, &accept, &offer).await {
            Ok(delivered) => Ok((offer.trade.id, delivered)),
            Err(declined) => Err(self.lost(&place.order, located, declined).await),
        }
    }

    fn order(&self, item: &Item, located: &Located, salt: &[u8; 16], now: Timestamp) -> Order {
        Order {
            id: uuid::Uuid::new_v4().to_string(),
            ledger: self.site.ledger.clone(),
            conversation_id: self.conversation.clone(),
            sender: located.sector.clone(),
            receiver: self.site.sector.clone(),
            user: self.user.clone(),
            resource: item.resource.clone(),
            selection: commitment(salt, &selection(&item.resource, &item.criteria)),
            purpose: self.purpose.clone(),
            requested: Instant(now),
        }
    }

    /// The offer must be for this order, word for word, before it is countersigned.
    async fn check_offer(&self, order: &Order, offer: &PlaceOrderResponse) -> Result<(), Fault> {
        let trade = &offer.trade;
        let same = trade.id == order.id
            && trade.ledger == order.ledger
            && trade.conversation_id == order.conversation_id
            && trade.who.sender == order.sender
            && trade.who.receiver == order.receiver
            && trade.who.user == order.user
            && trade.what.resource == order.resource
            && trade.when.requested == order.requested
            && trade.how.purpose == order.purpose
            && trade.how.status == Status::Delivered
            && trade.what.digest.is_some();
        if !same || offer.signature.account != order.sender || self.site.verifies(&offer.signature, &trade.octets()).await?.is_err() {
            return Err(Fault::new(Reason::PeerAnswer, format!("{} offers another trade than was ordered", order.sender)));
        }
        Ok(())
    }

    /// Accepts, once more if the provider says that it may help, and checks that what came is what was signed.
    async fn accept(&self, located: &Located, accept: &AcceptOffer, offer: &PlaceOrderResponse) -> Result<AcceptOfferResponse, Declined> {
        let mut delivered: Result<AcceptOfferResponse, Declined> = self.site.ask(located, "AcceptOffer", &accept.element()).await;
        for _ in 0..3 {
            match &delivered {
                Err(declined) if declined.fault.reason().retry() => {
                    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
                    delivered = self.site.ask(located, "AcceptOffer", &accept.element()).await;
                }
                _ => break,
            }
        }
        let delivered = delivered?;
        let packet = &delivered.packet;
        let content = packet.records.octets();
        let as_signed = packet.trade == offer.trade
            && unsalted(&packet.salt).map(|salt| commitment(&salt, &content)) == offer.trade.what.digest
            && usize::try_from(offer.trade.what.size) == Ok(content.len());
        if !as_signed {
            return Err(Fault::new(Reason::PeerAnswer, format!("{} released something else than it signed", located.sector)).into());
        }
        self.site.check_receipt(&delivered.receipt, &accept.trade_id).await?;
        self.site.keep_salts(&accept.trade_id, Kept::new(None, unsalted(&packet.salt)), &[]);
        Ok(delivered)
    }

    /// What is left of a trade that was not delivered. If the provider did not put it on record, the receiver does, alone.
    async fn lost(&self, order: &Order, located: &Located, declined: Declined) -> Lost {
        let Declined { fault, receipt } = declined;
        let status = match fault.reason() {
            Reason::Denied => Status::Denied,
            Reason::NoRecord => Status::NotFound,
            Reason::PeerTimeout => Status::TimedOut,
            _ => Status::Failed,
        };
        let fault = fault.trade(&order.id);
        if let Some(receipt) = receipt
            && self.site.check_receipt(&receipt, &order.id).await.is_ok()
        {
            return Lost { trade: order.id.clone(), status, fault, receipt: Some(receipt) };
        }
        let on_record = if status == Status::TimedOut { status } else { Status::Failed };
        let mut trade = record(order, &located.server, on_record);
        trade.how.fault = Some(fault.reason().code().to_owned());
        let receipt = match self.site.record(&trade.element()).await {
            Ok(committed) => self.site.receipt(committed.index).await,
            Err(unrecorded) => {
                tracing::warn!(%unrecorded, trade = order.id, "a failed trade is not on record");
                None
            }
        };
        Lost { trade: order.id.clone(), status, fault, receipt }
    }
}

struct Lost {
    trade: String,
    status: Status,
    fault: Fault,
    receipt: Option<Receipt>,
}

impl Lost {
    fn nowhere(fault: Fault) -> Self {
        Self { trade: uuid::Uuid::nil().to_string(), status: Status::Failed, fault, receipt: None }
    }
}

fn mended_by(reason: Reason) -> MendedBy {
    match reason.mend() {
        crate::fault::Mend::Caller => MendedBy::Caller,
        crate::fault::Mend::Provider => MendedBy::Provider,
        crate::fault::Mend::Operator => MendedBy::Operator,
    }
}

fn refusal(fault: &Fault) -> Refusal {
    Refusal {
        code: fault.reason().code().to_owned(),
        reason: fault.sentence().to_owned(),
        retry: fault.reason().retry(),
        mended_by: mended_by(fault.reason()),
    }
}
