//! What a running adapter is made of, and the few things that every service does with it.

use crate::client::Client;
use crate::config::Config;
use crate::fault::{Fault, Reason};
use crate::histories::Histories;
use crate::keyring::Keyring;
use crate::legacy::Legacy;
use crate::refusals::Refusals;
use crate::replica::{Committed, Replica, Unrecorded};
use crate::salts::{Kept, Salts};
use crate::security::{Caller, Fingerprint, Security};
use crate::trade::Offers;
use crate::unified::metadata::Resource;
use crate::unified::{Criterion, Document, PartySignature, Permission, Principal, Receipt};
use ledger::archive::Archive;
use ledger::body::Period;
use ledger::medium::{Directory, StoreError};
use ledger::node::Node;
use ledger::record::{Entry, Leaf};
use ledger::state::Held;
use ledger::tree::Hash;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use xsd::read::Limits;
use xsd::time::Timestamp;
use xsd::tree::Element;

/// Former keys that a signature is tried with, the latest ones.
const FORMER_MAX: usize = 8;

/// Built once when the node starts, then only read.
#[derive(Debug)]
pub struct Site {
    /// As the file says.
    pub config: Config,
    /// This member.
    pub sector: String,
    /// The ledger's origin.
    pub ledger: String,
    /// host:port of the services, as the genesis says.
    pub server: String,
    /// What a message may cost.
    pub reader: Limits,
    /// Keys and trust of messages.
    pub security: Security,
    /// The unified schemas and the services' messages.
    pub schemas: xsd::schema::Schemas,
    /// The contracts that are served.
    pub contracts: BTreeMap<String, wsdl::Contract>,
    /// The sector's own system.
    pub legacy: Option<Legacy>,
    /// Calls to others.
    pub client: Client,
    /// The ledger.
    pub replica: Replica,
    /// What is sealed, read on other threads than the ledger's.
    pub archive: Archive<Directory>,
    /// Histories; what can be rebuilt from the ledger.
    pub histories: Histories,
    /// Signs this sector's records.
    pub keys: Arc<Keyring>,
    /// What other members presented and was refused.
    pub refusals: Refusals,
    /// Offers of this provider.
    pub offers: Offers,
    /// Salts of this sector's trades.
    pub salts: Salts,
    /// Cosigns checkpoints that are brought to it.
    pub witness: crate::witness::Witness,
    /// Where the metadata of published resources is kept.
    pub metadata_dir: PathBuf,
}

/// Who calls, by what the ledger says of the certificates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Account {
    /// A person or system with an account.
    User {
        /// Who.
        user: Principal,
        /// official, administrator, auditor …
        class: String,
    },
    /// A member's adapter.
    Adapter {
        /// Which member.
        sector: String,
    },
}

impl Account {
    /// The sector that answers for the caller.
    #[must_use]
    pub fn sector(&self) -> &str {
        match self {
            Self::User { user, .. } => &user.authority,
            Self::Adapter { sector } => sector,
        }
    }

    /// Whether the caller may see what other sectors traded.
    #[must_use]
    pub fn audits(&self) -> bool {
        matches!(self, Self::User { class, .. } if class == "auditor")
    }
}

/// The answer of Authority Management.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// "The user can Read Only the info X in Tstart-Tend".
    Permitted {
        /// By which grant.
        grant: String,
        /// Its effective period.
        period: Period,
        /// Its leaf.
        index: u64,
    },
    /// No grant says so.
    Denied,
}

/// Where a resource is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Located {
    /// Whose it is.
    pub sector: String,
    /// host:port of that sector's adapter.
    pub server: String,
    /// The leaf of the directory entry.
    pub index: u64,
    /// Its first title.
    pub title: String,
}

/// Another adapter's fault, and the receipt of the record it left.
#[derive(Clone, Debug)]
pub struct Declined {
    /// The fault in this adapter's words.
    pub fault: Fault,
    /// The provider's proof that the trade is on record.
    pub receipt: Option<Receipt>,
}

impl From<Fault> for Declined {
    fn from(fault: Fault) -> Self {
        Self { fault, receipt: None }
    }
}

impl From<Unrecorded> for Fault {
    fn from(unrecorded: Unrecorded) -> Self {
        match unrecorded {
            Unrecorded::Invalid(verdict @ ledger::record::Verdict::Conflict { .. }) => {
                Self::new(Reason::Conflict, format!("another record has this id already: {verdict}"))
            }
            Unrecorded::Invalid(verdict) => Self::new(Reason::BadRecord, format!("the ledger does not take the record: {verdict}")),
            Unrecorded::NoQuorum => Self::new(Reason::NoQuorum, "the ledger has no quorum now: nothing was released, try again"),
            Unrecorded::Busy => Self::new(Reason::Busy, "the ledger's queue is full: try again"),
            Unrecorded::Stopped => Self::new(Reason::Busy, "the ledger node has stopped"),
        }
    }
}

impl Site {
    /// Signs octets with the record key that the ledger names for this sector.
    #[must_use]
    pub fn sign(&self, octets: &[u8]) -> PartySignature {
        PartySignature::ed25519(&self.sector, &self.keys.current().sign(octets))
    }

    /// Whether a party's signature over `octets` verifies with the key that the ledger registers for it now; otherwise what a
    /// record of its refusal says: `key-revoked` for a key that it held before, or `bad-signature`.
    ///
    /// # Errors
    /// Busy.
    pub async fn verifies(&self, signature: &PartySignature, octets: &[u8]) -> Result<Result<(), &'static str>, Fault> {
        let account = signature.account.clone();
        let held = self.read(move |node| node.state().held(&account).to_vec()).await?;
        let raw = signature.raw().and_then(|raw| <[u8; 64]>::try_from(raw).ok()).filter(|_| signature.algorithm == "Ed25519");
        let Some(raw) = raw else { return Ok(Err("bad-signature")) };
        let signed = |held: &Held| held.record_key.is_some_and(|key| key.verifies(octets, &raw));
        let (present, former): (Vec<Held>, Vec<Held>) = held.into_iter().partition(|held| held.until.is_none());
        Ok(match (present.iter().any(signed), former.iter().rev().take(FORMER_MAX).any(signed)) {
            (true, _) => Ok(()),
            (false, true) => Err("key-revoked"),
            (false, false) => Err("bad-signature"),
        })
    }

    /// Runs `look` on the ledger between two of its steps.
    ///
    /// # Errors
    /// Busy.
    pub async fn read<T: Send + 'static>(&self, look: impl FnOnce(&Node<Directory>) -> T + Send + 'static) -> Result<T, Fault> {
        Ok(self.replica.read(look).await?)
    }

    /// Reads what is known of a client id.
    ///
    /// # Errors
    /// Busy: also while its leaf is damaged here.
    pub async fn known<T: Send + 'static>(
        &self,
        look: impl FnOnce(&Node<Directory>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, Fault> {
        self.read(look).await?.map_err(|error| {
            if let StoreError::Pruned(floor) = error {
                return pruned("the record of that id is on the ledger, and its leaf", floor);
            }
            tracing::warn!(%error, "client id");
            Fault::new(Reason::Busy, "this node cannot read the record of that id just now; ask again, or ask another node")
        })
    }

    /// Waits until everything that was answered anywhere before is applied here.
    ///
    /// # Errors
    /// Busy, or no quorum.
    pub async fn fresh(&self) -> Result<(), Fault> {
        Ok(self.replica.fresh(Duration::from_millis(self.config.limits.commit_timeout_ms)).await?)
    }

    /// Signs a record for this sector alone and commits it.
    ///
    /// # Errors
    /// Invalid, no quorum, busy.
    pub async fn record(&self, record: &Element) -> Result<Committed, Fault> {
        let body = xsd::write::canonical(record, &[], &[]);
        let signature = self.sign(&body);
        self.submit(body, vec![signature]).await
    }

    /// Commits a signed record. A record that is there already, word for word, answers as it did the first time.
    ///
    /// # Errors
    /// Invalid, no quorum, busy.
    pub async fn submit(&self, body: Vec<u8>, signatures: Vec<PartySignature>) -> Result<Committed, Fault> {
        let unsigned = || Fault::new(Reason::BadRecord, "a party's signature is no base64 of 64 octets");
        let mut parties = Vec::with_capacity(signatures.len());
        for signature in signatures {
            let value = signature.raw().and_then(|raw| raw.try_into().ok()).ok_or_else(unsigned)?;
            parties.push(ledger::record::PartySignature { account: signature.account, value });
        }
        let entry = Entry::new(body, parties).map_err(|verdict| Fault::from(Unrecorded::Invalid(verdict)))?;
        let timeout = Duration::from_millis(self.config.limits.commit_timeout_ms);
        match self.replica.submit(entry, timeout).await {
            Err(Unrecorded::Invalid(ledger::record::Verdict::Duplicate { index })) => {
                let outcome = self.leaf(index).await?.0.outcome;
                Ok(Committed { index, outcome })
            }
            other => Ok(other?),
        }
    }

    /// The receipt of a leaf, once a checkpoint covers it; none if that takes too long.
    pub async fn receipt(&self, index: u64) -> Option<Receipt> {
        let timeout = Duration::from_millis(self.config.limits.commit_timeout_ms);
        let receipt = self.replica.receipt(index, timeout).await.ok()?;
        Some(Receipt { leaf_index: index, proof: receipt.text() })
    }

    /// Checks another adapter's receipt against this replica's own leaf: it must be the record of `id`, under a checkpoint that
    /// the policy believes.
    ///
    /// # Errors
    /// It does not hold.
    pub async fn check_receipt(&self, receipt: &Receipt, id: &str) -> Result<(), Fault> {
        let wrong = |what: String| Fault::new(Reason::PeerAnswer, format!("the receipt does not hold: {what}"));
        let proof = ledger::proof::Receipt::parse(&receipt.proof).map_err(|unproven| wrong(unproven.to_string()))?;
        let covered = proof.index == receipt.leaf_index;
        self.replica.caught_up(receipt.leaf_index, Duration::from_millis(self.config.limits.commit_timeout_ms)).await?;
        let (leaf, octets) = self.leaf(receipt.leaf_index).await?;
        let policy = self.read(|node| node.policy().clone()).await?;
        proof.verify(&octets, &policy).map_err(|unproven| wrong(unproven.to_string()))?;
        if covered && leaf.client == id { Ok(()) } else { Err(wrong(String::from("it is of another record"))) }
    }

    /// A leaf and its octets.
    ///
    /// # Errors
    /// No such leaf here, or busy.
    pub async fn leaf(&self, index: u64) -> Result<(Leaf, Vec<u8>), Fault> {
        let octets = self.read(move |node| node.leaf(index)).await?;
        let octets = octets.map_err(|error| {
            if let StoreError::Pruned(floor) = error {
                return pruned(&format!("leaf {index}"), floor);
            }
            tracing::warn!(%error, index, "leaf");
            Fault::new(Reason::NoRecord, format!("this node has no leaf {index}"))
        })?;
        let leaf = Leaf::read(&octets).map_err(|not| Fault::new(Reason::Internal, format!("leaf {index}: {not}")))?;
        Ok((leaf, octets))
    }

    /// A leaf with its body as a document.
    ///
    /// # Errors
    /// No such leaf, or its body is another document.
    pub async fn leaf_as<T: Document>(&self, index: u64) -> Result<(Leaf, T), Fault> {
        let (leaf, _) = self.leaf(index).await?;
        let body = T::read(leaf.entry.body()).map_err(|unreadable| Fault::new(Reason::Internal, format!("leaf {index}: {unreadable}")))?;
        Ok((leaf, body))
    }

    /// Who the certificates belong to, by the ledger.
    ///
    /// # Errors
    /// Nobody's, or two different members'.
    pub async fn account(&self, caller: Caller) -> Result<Account, Fault> {
        let hash = |fingerprint: Fingerprint| Hash(*fingerprint.octets());
        let (tls, message) = (caller.tls.map(hash), caller.message.map(hash));
        let account = self
            .read(move |node| {
                let state = node.state();
                let by_message = message.and_then(|message| state.members().find(|member| member.message_certificate == message));
                let by_tls = tls.and_then(|tls| state.members().find(|member| member.tls_certificate == tls));
                let by_user = tls.and_then(|tls| state.user_by_certificate(&tls));
                match (by_message, by_tls, by_user) {
                    (Some(message), Some(tls), _) if message.id == tls.id => Some(Account::Adapter { sector: message.id.clone() }),
                    (None, Some(tls), None) if message.is_none() => Some(Account::Adapter { sector: tls.id.clone() }),
                    (None, None, Some((user, account))) if message.is_none() => {
                        let user = Principal { authority: user.authority.clone(), name: user.name.clone() };
                        Some(Account::User { user, class: account.class.clone() })
                    }
                    _ => None,
                }
            })
            .await?;
        account.ok_or_else(|| Fault::new(Reason::NotRegistered, "the ledger knows no account with this certificate"))
    }

    /// W9 to W12: whether a user may, and by which grant. Nothing that was answered anywhere before is overlooked: a
    /// revocation counts at once.
    ///
    /// # Errors
    /// Busy, or no quorum.
    pub async fn authority(
        &self,
        user: &Principal,
        object: &str,
        permission: Permission,
        purpose: &str,
        at: Timestamp,
    ) -> Result<Standing, Fault> {
        let user = ledger::body::Principal { authority: user.authority.clone(), name: user.name.clone() };
        let (object, purpose) = (object.to_owned(), purpose.to_owned());
        let permission = permission.to_string();
        self.fresh().await?;
        let permit = self
            .read(move |node| {
                let permission = ledger::body::Permission::from_code(&permission)?;
                node.state().permits(&user, &object, permission, &purpose, at)
            })
            .await?;
        Ok(match permit {
            Some(permit) => Standing::Permitted { grant: permit.grant, period: permit.period, index: permit.index },
            None => Standing::Denied,
        })
    }

    /// W3: where a resource is, by the directory chain.
    ///
    /// # Errors
    /// Busy.
    pub async fn locate(&self, resource: &str) -> Result<Option<Located>, Fault> {
        let key = resource.to_owned();
        let found = self
            .read(move |node| {
                let listed = node.state().locate(&key).filter(|listed| listed.listing.status == "active")?;
                Some((listed.listing.producer.clone(), listed.listing.servers.first().cloned()?, listed.index))
            })
            .await?;
        let Some((sector, server, index)) = found else { return Ok(None) };
        let title = match self.leaf_as::<crate::unified::directory::Entry>(index).await {
            Ok((_, entry)) => entry.content.titles.first().map(|title| title.text.clone()).unwrap_or_default(),
            // What it is called for people went with its leaf: no reason not to find it.
            Err(fault) if fault.reason() == Reason::Pruned => resource.to_owned(),
            Err(fault) => return Err(fault),
        };
        Ok(Some(Located { sector, server, index, title }))
    }

    /// Keeps the salts of a trade. One that cannot be kept is as good as erased: no reason to lose the trade.
    pub fn keep_salts(&self, trade: &str, salts: Kept, criteria: &[Criterion]) {
        if let Err(error) = self.salts.keep(trade, salts, criteria) {
            tracing::error!(%error, trade, "the salts of a trade are not kept");
        }
    }

    /// Keeps the metadata of a published resource.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn keep_metadata(&self, metadata: &Resource) -> Result<(), Fault> {
        let failed = |error: std::io::Error| Fault::new(Reason::Internal, format!("the metadata cannot be kept: {error}"));
        std::fs::create_dir_all(&self.metadata_dir).map_err(failed)?;
        std::fs::write(self.metadata_file(&metadata.resource_id), metadata.octets()).map_err(failed)
    }

    /// The metadata of a resource of this sector.
    #[must_use]
    pub fn metadata(&self, resource: &str) -> Option<Resource> {
        let octets = std::fs::read(self.metadata_file(resource)).ok()?;
        Resource::read(&octets).ok()
    }

    fn metadata_file(&self, resource: &str) -> PathBuf {
        self.metadata_dir.join(format!("{}.xml", resource.replace('/', "~")))
    }
}

/// What is not here any more: where it begins here, and who has it.
pub(crate) fn pruned(what: &str, floor: u64) -> Fault {
    let sentence =
        format!("{what} was pruned on this node, which begins with leaf {floor}: ask another node, or the archive; pages go on from there");
    Fault::new(Reason::Pruned, sentence)
}

/// A certificate's fingerprint, as the ledger keeps it, for TLS.
#[must_use]
pub fn fingerprint(hash: Hash) -> Fingerprint {
    Fingerprint::from_octets(hash.0)
}
