//! What another member presented and was refused: on record with its reason, within a bound that no flood can pass.

use crate::fault::{Fault, Reason};
use crate::http::Request;
use crate::security::Caller;
use crate::site::Site;
use crate::unified::Document;
use crate::unified::governance::RefusalRecord;
use ledger::tree::Hash;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::mpsc::{self, Receiver, Sender};
use xsd::time::Timestamp;
use xsd::tree::Element;

/// Refusals that wait to be put on record; more are only in the log.
const QUEUE: usize = 64;
/// Refusals of one member that may go on record at once.
const BURST: u64 = 16;
/// After so many milliseconds one more may.
const EVERY_MS: u64 = 60_000;

/// What a member presented to this sector and was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The member.
    pub account: String,
    /// Why, as a code.
    pub verdict: String,
    /// SHA-256 of what was presented.
    pub digest: Hash,
}

/// Where refusals are told. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Refusals(Sender<Refused>);

/// The desk, and what [`record`] takes from it.
#[must_use]
pub fn desk() -> (Refusals, Receiver<Refused>) {
    let (told, queue) = mpsc::channel(QUEUE);
    (Refusals(told), queue)
}

impl Refusals {
    /// Tells of one.
    pub fn tell(&self, refused: Refused) {
        tracing::warn!(account = refused.account, verdict = refused.verdict, digest = %refused.digest, "refused");
        // A full queue is a flood: the log has it.
        let _full = self.0.try_send(refused);
    }
}

/// Puts refusals on record until the desk is gone. The record's id follows from what it says: the same thing presented again
/// is the same record.
pub async fn record(site: Arc<Site>, mut queue: Receiver<Refused>) {
    let mut bounds = Bounds::default();
    while let Some(Refused { account, verdict, digest }) = queue.recv().await {
        if account == site.sector || !bounds.admit(&account, crate::replica::now()) {
            continue;
        }
        let name = format!("urn:waybill:refusal:1\n{}\n{}\n{account}\n{verdict}\n{digest}\n", site.ledger, site.sector);
        let refusal = RefusalRecord {
            id: crate::services::named(&Hash::of(name.as_bytes())),
            ledger: site.ledger.clone(),
            sector: site.sector.clone(),
            account,
            verdict,
            digest: digest.to_string(),
        };
        if let Err(fault) = site.record(&refusal.element()).await {
            tracing::warn!(%fault, account = refusal.account, "a refusal is not on record");
        }
    }
}

/// How many more refusals of each member may go on record, and since when.
#[derive(Debug, Default)]
struct Bounds(BTreeMap<String, (u64, Timestamp)>);

impl Bounds {
    fn admit(&mut self, account: &str, now: Timestamp) -> bool {
        let (left, since) = self.0.entry(account.to_owned()).or_insert((BURST, now));
        let earned = now.0.saturating_sub(since.0) / EVERY_MS;
        if *left + earned >= BURST {
            (*left, *since) = (BURST, now);
        } else {
            *left += earned;
            since.0 += earned * EVERY_MS;
        }
        let admitted = *left > 0;
        *left = left.saturating_sub(1);
        admitted
    }
}

/// Tells of a call that was refused, if another member's certificate proved in TLS who made it.
pub(crate) async fn of_call(site: &Site, request: &Request, body: Option<&Element>, fault: &Fault) {
    let Some(verdict) = verdict(fault, body) else { return };
    let Ok(account) = site.account(Caller { tls: request.peer, message: None }).await else { return };
    if account.sector() != site.sector {
        let refused = Refused { account: account.sector().to_owned(), verdict: verdict.to_owned(), digest: Hash::of(&request.body) };
        site.refusals.tell(refused);
    }
}

/// What a fault says of who called; none where it says something of us, or where a trade's own record says it.
fn verdict(fault: &Fault, body: Option<&Element>) -> Option<&'static str> {
    if let Some(verdict) = fault.verdict() {
        return Some(verdict);
    }
    Some(match fault.reason() {
        Reason::NotWellFormed | Reason::Doctype | Reason::Encoding | Reason::Envelope => "malformed",
        Reason::Invalid | Reason::UnknownOperation if body.is_some_and(of_unknown_version) => "unknown-version",
        Reason::UnknownOperation => "unknown-kind",
        Reason::Invalid => "invalid",
        Reason::BadRecord => "bad-record",
        Reason::InvalidSecurity
        | Reason::UnsupportedSecurityToken
        | Reason::UnsupportedAlgorithm
        | Reason::InvalidSecurityToken
        | Reason::SecurityTokenUnavailable
        | Reason::FailedAuthentication => "not-authenticated",
        Reason::FailedCheck => "bad-signature",
        Reason::MessageExpired => "back-dated",
        Reason::NotRegistered | Reason::NotPermitted => "not-permitted",
        _ => return None,
    })
}

/// Whether an element's namespace is of the house and of no version that is known here.
fn of_unknown_version(element: &Element) -> bool {
    let namespace = element.name().namespace();
    namespace.starts_with("urn:waybill:") && !crate::unified::is_known(namespace) || element.elements().any(of_unknown_version)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_bounded_and_one_member_does_not_use_up_another_ones_bound() {
        let mut bounds = Bounds::default();
        let mut admitted = |account: &str, ms: u64| bounds.admit(account, Timestamp(1_000_000 + ms));
        let burst = (0..1000).filter(|ms| admitted("civil", *ms)).count();
        assert_eq!(burst as u64, BURST);
        assert!(admitted("health", 1000));
        assert!(!admitted("civil", EVERY_MS - 1));
        let hour = (0..3600).filter(|second| admitted("civil", EVERY_MS + second * 1000)).count();
        assert_eq!(hour, 60);
        assert!(admitted("civil", 10 * 3_600_000));
        assert_eq!((0..100).filter(|_| admitted("civil", 10 * 3_600_000)).count() as u64, BURST - 1, "it never saves up more");
        assert!(admitted("bureau", 0) && admitted("bureau", 0), "a clock that stands still earns nothing and takes nothing");
    }
}
