//! The provider's half of a trade: an order becomes an offer, an acceptance becomes a committed record and a released packet.

use crate::fault::{Fault, Reason};
use crate::salts::Kept;
use crate::site::{Site, Standing};
use crate::steps::{self, Step};
use crate::unified::business::Records;
use crate::unified::trading::{
    AcceptOffer, AcceptOfferResponse, Evidence, How, MappingRef, Order, Packet, PlaceOrder, PlaceOrderResponse, Trade, What, When, Where,
    Who,
};
use crate::unified::{Criterion, Document, Instant, PartySignature, Permission, Status};
use ledger::record::Outcome;
use ledger::state::{BODY_AHEAD_MS, BODY_BEHIND_MS};
use openssl::rand::rand_bytes;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Instant as Stopwatch;
use xsd::time::Timestamp;

/// Offers that wait for their acceptance at once; one more is told to come back.
const OFFERS_MAX: usize = 4096;
/// Bytes of content that wait with them.
const OFFERS_BYTES_MAX: u64 = 256 << 20;

/// SHA-256(salt, octets) in hexadecimal: a commitment that says nothing of the octets to who lacks the salt.
#[must_use]
pub fn commitment(salt: &[u8; 16], octets: &[u8]) -> String {
    let mut hash = Sha256::new();
    hash.update(salt);
    hash.update(octets);
    data_encoding::HEXLOWER.encode(&hash.finalize())
}

/// 16 random octets.
///
/// # Errors
/// The random source failed.
pub fn salt() -> Result<[u8; 16], Fault> {
    let mut salt = [0; 16];
    rand_bytes(&mut salt).map_err(|error| Fault::new(Reason::Internal, format!("no randomness: {error}")))?;
    Ok(salt)
}

/// The trade record of an order in which nothing was handed over yet.
#[must_use]
pub fn record(order: &Order, server: &str, status: Status) -> Trade {
    Trade {
        id: order.id.clone(),
        ledger: order.ledger.clone(),
        conversation_id: order.conversation_id.clone(),
        who: Who { sender: order.sender.clone(), receiver: order.receiver.clone(), user: order.user.clone() },
        what: What { resource: order.resource.clone(), records: Vec::new(), digest: None, size: 0, mapping: None },
        where_: Where { server: server.to_owned(), service: String::from("trading"), operation: String::from("PlaceOrder") },
        when: When { requested: order.requested, authorised: None, packed: None },
        how: How { status, tokens: Vec::new(), grant_ref: None, fault: None, purpose: order.purpose.clone() },
        evidence: None,
    }
}

/// What was packed for an order and waits for the receiver's signature.
#[derive(Clone, Debug)]
struct Offer {
    receiver: String,
    order: Order,
    order_signature: PartySignature,
    trade: Trade,
    salt: [u8; 16],
    records: Records,
    expires: Timestamp,
    settled: bool,
}

/// The offers of this node. They live in memory: one that is lost before its commit has released nothing.
#[derive(Debug, Default)]
pub struct Offers {
    waiting: Mutex<BTreeMap<String, Offer>>,
}

impl Offers {
    fn put(&self, offer: Offer) -> Result<(), Fault> {
        let mut waiting = self.waiting.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let bytes: u64 = waiting.values().map(|offer| offer.trade.what.size).sum();
        if waiting.len() >= OFFERS_MAX || bytes + offer.trade.what.size > OFFERS_BYTES_MAX {
            return Err(Fault::new(Reason::Busy, "too many offers wait for their acceptance"));
        }
        waiting.insert(offer.trade.id.clone(), offer);
        Ok(())
    }

    fn get(&self, trade: &str) -> Option<Offer> {
        self.waiting.lock().unwrap_or_else(std::sync::PoisonError::into_inner).get(trade).cloned()
    }

    /// Whether an offer waits for its acceptance.
    #[must_use]
    pub fn waits(&self, trade: &str) -> bool {
        self.get(trade).is_some_and(|offer| !offer.settled)
    }

    /// The trade is on the ledger: what is left of the offer is only there to be fetched again.
    fn settle(&self, trade: &str) {
        if let Some(offer) = self.waiting.lock().unwrap_or_else(std::sync::PoisonError::into_inner).get_mut(trade) {
            offer.settled = true;
        }
    }

    /// Drops the offers whose time is up and gives those that nobody accepted.
    fn expired(&self, now: Timestamp) -> Vec<Offer> {
        let mut waiting = self.waiting.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let gone: Vec<String> = waiting.iter().filter(|(_, offer)| offer.expires <= now).map(|(id, _)| id.clone()).collect();
        gone.iter().filter_map(|id| waiting.remove(id)).filter(|offer| !offer.settled).collect()
    }
}

/// W7 to W13 (W8 to W14 at the second sector): checks the order and the user's authority, fetches, maps, packs, and offers.
///
/// # Errors
/// The order is not what its signer could have sent; or the trade is denied, not found or failed, which is then on record.
pub async fn place_order(site: &Site, sector: &str, request: PlaceOrder, now: Timestamp) -> Result<PlaceOrderResponse, Fault> {
    let order = request.order;
    let since = Stopwatch::now();
    check_order(site, sector, &order, &request.signature, &request.salt, &request.criteria, now).await?;
    let asked = Kept::new(unsalted(&request.salt), None);
    site.keep_salts(&order.id, asked, &request.criteria);
    steps::done(Step::Ordered, &order.conversation_id, since);

    let since = Stopwatch::now();
    let authority = site.authority(&order.user, &order.resource, Permission::Read, &order.purpose, now).await?;
    steps::done(Step::AuthorityAsked, &order.conversation_id, since);
    let draft = Draft { order, order_signature: request.signature };
    let Standing::Permitted { grant, .. } = authority else {
        let fault = Fault::new(
            Reason::Denied,
            format!("no grant lets {}:{} read {} now", draft.order.user.authority, draft.order.user.name, draft.order.resource),
        );
        return Err(draft.unfulfilled(site, Status::Denied, "no-grant", fault).await);
    };
    steps::done(Step::AuthorityAnswered, &draft.order.conversation_id, since);

    let since = Stopwatch::now();
    let fetched = match &site.legacy {
        Some(legacy) => legacy.fetch(&site.client, &draft.order.resource, &request.criteria).await,
        None => Err(Fault::new(Reason::NoRecord, format!("{} has no such resource", site.sector))),
    };
    let (records, mapping) = match fetched {
        Ok(fetched) => fetched,
        Err(fault) => {
            let (status, code) = if fault.reason() == Reason::NoRecord {
                (Status::NotFound, "no-resource")
            } else {
                (Status::Failed, fault.reason().code())
            };
            return Err(draft.unfulfilled(site, status, code, fault).await);
        }
    };
    if records.records.is_empty() {
        let fault = Fault::new(Reason::NoRecord, format!("no record of {} fits the criteria", draft.order.resource));
        return Err(draft.unfulfilled(site, Status::NotFound, "no-record", fault).await);
    }
    let offer = draft.offer(site, grant, records, mapping, now)?;
    steps::done(Step::Packed, &draft.order.conversation_id, since);
    Ok(offer)
}

async fn check_order(
    site: &Site,
    sector: &str,
    order: &Order,
    signature: &PartySignature,
    salt: &str,
    criteria: &[Criterion],
    now: Timestamp,
) -> Result<(), Fault> {
    let bad = |verdict, what: &str| Err(Fault::new(Reason::BadRecord, what.to_owned()).because(verdict));
    if order.ledger != site.ledger {
        return bad("wrong-ledger", "the order is for another ledger");
    }
    if order.sender != site.sector {
        return bad("wrong-party", "the order is for another sector");
    }
    if order.receiver != sector || order.user.authority != sector || signature.account != sector {
        let fault = Fault::new(Reason::FailedAuthentication, "the order is another sector's than the message");
        return Err(fault.because("wrong-party"));
    }
    if let Err(verdict) = site.verifies(signature, &order.octets()).await? {
        return Err(Fault::new(Reason::FailedCheck, format!("the order's own signature: {verdict}")).because(verdict));
    }
    // The ledger would refuse it later.
    if order.requested.0 > now.plus_ms(BODY_AHEAD_MS) || now > order.requested.0.plus_ms(BODY_BEHIND_MS) {
        return bad("back-dated", "Requested is more than 5 minutes ahead of this node's clock, or 2 hours behind it");
    }
    let Some(salt) = unsalted(salt) else { return bad("not-committed", "Salt is 32 hexadecimal digits") };
    if commitment(&salt, &selection(&order.resource, criteria)) != order.selection {
        return bad("not-committed", "Selection does not commit to these criteria");
    }
    Ok(())
}

/// Reads a salt.
#[must_use]
pub fn unsalted(salt: &str) -> Option<[u8; 16]> {
    data_encoding::HEXLOWER.decode(salt.as_bytes()).ok()?.try_into().ok()
}

/// The octets that an order's Selection commits to.
#[must_use]
pub fn selection(resource: &str, criteria: &[Criterion]) -> Vec<u8> {
    crate::legacy::selection(resource, criteria).octets()
}

struct Draft {
    order: Order,
    order_signature: PartySignature,
}

impl Draft {
    /// Records a trade that hands nothing over, with the receiver's order as evidence, and gives the fault to answer with.
    async fn unfulfilled(&self, site: &Site, status: Status, code: &str, fault: Fault) -> Fault {
        let mut trade = record(&self.order, &site.server, status);
        trade.how.fault = Some(code.to_owned());
        trade.evidence = Some(Evidence { order: self.order.clone(), signature: self.order_signature.clone() });
        let fault = fault.trade(&trade.id);
        match site.record(&trade.element()).await {
            Ok(committed) => match site.receipt(committed.index).await {
                Some(receipt) => fault.evidence(receipt.element()),
                None => fault,
            },
            Err(unrecorded) => unrecorded,
        }
    }

    fn offer(
        &self,
        site: &Site,
        grant: String,
        records: Records,
        mapping: MappingRef,
        now: Timestamp,
    ) -> Result<PlaceOrderResponse, Fault> {
        let salt = salt()?;
        let content = records.octets();
        let mut trade = record(&self.order, &site.server, Status::Delivered);
        trade.what.records = records.records.iter().map(|record| commitment(&salt, record.record_id.value.as_bytes())).collect();
        trade.what.digest = Some(commitment(&salt, &content));
        trade.what.size = u64::try_from(content.len()).unwrap_or(u64::MAX);
        trade.what.mapping = Some(mapping);
        trade.when.authorised = Some(Instant(now));
        trade.when.packed = Some(Instant(crate::replica::now()));
        trade.how.grant_ref = Some(grant);
        let signature = site.sign(&trade.octets());
        let response = PlaceOrderResponse { trade: trade.clone(), signature };
        site.keep_salts(&trade.id, Kept::new(None, Some(salt)), &[]);
        site.offers.put(Offer {
            receiver: self.order.receiver.clone(),
            order: self.order.clone(),
            order_signature: self.order_signature.clone(),
            trade,
            salt,
            records,
            expires: now.plus_ms(site.config.limits.offer_timeout_ms),
            settled: false,
        })?;
        Ok(response)
    }
}

/// Commits the trade under both signatures, and only then releases its packet. Asked again, it answers the same again until the
/// offer expires.
///
/// # Errors
/// No such offer, a wrong signature, a refusal of the ledger, or no quorum: the packet stays here.
pub async fn accept_offer(site: &Site, sector: &str, request: AcceptOffer) -> Result<AcceptOfferResponse, Fault> {
    let unknown = || Fault::new(Reason::UnknownTrade, "no offer of this id waits here: place a new order").trade(&request.trade_id);
    let offer = site.offers.get(&request.trade_id).filter(|offer| offer.receiver == sector).ok_or_else(unknown)?;
    let octets = offer.trade.octets();
    let verified = if request.signature.account == sector { site.verifies(&request.signature, &octets).await? } else { Err("wrong-party") };
    if let Err(verdict) = verified {
        let fault = Fault::new(Reason::FailedCheck, format!("the signature is not the receiver's over the offered trade: {verdict}"));
        return Err(fault.because(verdict).trade(&request.trade_id));
    }
    // Everything that the release needs is at hand before the commit: nothing may fail between the two but the ledger.
    let metadata = site.metadata(&offer.trade.what.resource).ok_or_else(unknown)?;
    // The offer may have been signed with a key that was replaced meanwhile.
    let ours = site.sign(&octets);
    let committed =
        site.submit(octets, vec![ours.clone(), request.signature.clone()]).await.map_err(|fault| fault.trade(&request.trade_id))?;
    if let Outcome::Refused(refusal) = committed.outcome {
        let fault = Fault::new(Reason::Denied, format!("the ledger refused the trade: {}", refusal.code()));
        return Err(fault.trade(&request.trade_id));
    }
    site.offers.settle(&request.trade_id);
    let receipt = site.receipt(committed.index).await.ok_or_else(|| {
        Fault::new(Reason::NoQuorum, "the trade is committed, and no checkpoint covers it yet: accept again").trade(&request.trade_id)
    })?;
    let packet = Packet {
        salt: data_encoding::HEXLOWER.encode(&offer.salt),
        records: offer.records,
        metadata,
        trade: offer.trade,
        signatures: vec![ours, request.signature],
    };
    Ok(AcceptOfferResponse { packet, receipt })
}

/// Records offers that nobody accepted in time. Runs until the process ends.
#[expect(clippy::infinite_loop, reason = "its owner aborts it when the node stops")]
pub async fn expire(site: std::sync::Arc<Site>) {
    let mut every = tokio::time::interval(std::time::Duration::from_secs(1));
    loop {
        every.tick().await;
        for offer in site.offers.expired(crate::replica::now()) {
            let draft = Draft { order: offer.order, order_signature: offer.order_signature };
            let fault = Fault::new(Reason::PeerTimeout, "nobody accepted the offer in time");
            let fault = draft.unfulfilled(&site, Status::TimedOut, "offer-expired", fault).await;
            tracing::info!(%fault, "offer expired");
        }
    }
}
