//! The six services: Trading, Directory, Authority Management, registry, audit and governance.

pub mod audit;
pub mod authority;
pub mod directory;
pub mod governance;
pub mod registry;
pub mod trading;

use crate::fault::{Fault, Reason};
use crate::site::Site;
use crate::unified::{Document, Receipt};
use ledger::record::Outcome;

/// What was put on record, for a reply.
#[derive(Clone, Debug)]
pub struct Recorded {
    /// The record's id.
    pub id: String,
    /// Its leaf.
    pub index: u64,
    /// Its proof; absent when no checkpoint covers it yet.
    pub receipt: Option<Receipt>,
}

/// Signs a record for this sector, commits it, and turns a refusal into a fault.
///
/// # Errors
/// Refused (which is on record), invalid, no quorum, busy.
pub async fn put<T: Document>(site: &Site, id: &str, record: &T) -> Result<Recorded, Fault> {
    let committed = site.record(&record.element()).await?;
    let receipt = site.receipt(committed.index).await;
    match committed.outcome {
        Outcome::Done => Ok(Recorded { id: id.to_owned(), index: committed.index, receipt }),
        Outcome::Refused(refusal) => {
            let sentence = format!("the ledger refused the record as leaf {}: {}", committed.index, refusal.code());
            let fault = Fault::new(Reason::Refused, sentence);
            Err(match receipt {
                Some(receipt) => fault.evidence(receipt.element()),
                None => fault,
            })
        }
    }
}

/// A new record id.
#[must_use]
pub fn id() -> String {
    uuid::Uuid::new_v4().to_string()
}

/// A record id that follows from a name (RFC 9562 §5.8: a hash is a version 8).
#[must_use]
pub fn named(name: &ledger::tree::Hash) -> String {
    let mut octets = [0; 16];
    octets.iter_mut().zip(name.0).for_each(|(octet, hashed)| *octet = hashed);
    uuid::Builder::from_custom_bytes(octets).into_uuid().to_string()
}

/// A new message id.
#[must_use]
pub fn urn() -> String {
    format!("urn:uuid:{}", uuid::Uuid::new_v4())
}
