//! Many records at once, for drills and trials: logs of the Bureau, in batches, handed to the leader as a member's node does.

use crate::cli::profile::Profile;
use crate::cli::session::{Failure, Session};
use crate::config::{Config, Misconfigured, file};
use crate::peers::Link;
use crate::security::Fingerprint;
use crate::tls::{self, IdentityPem};
use crate::unified::governance::{ShowGovernance, ShowGovernanceResponse};
use ledger::body::Request;
use ledger::keys::SecretKey;
use ledger::record::{Entry, PartySignature};
use serde_json::Value;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use xsd::tree::{Element, QName};

/// Records of one batch, and batches under way at once.
const BATCH: usize = 256;
const BATCHES: usize = 32;
/// How long a round of batches may take before what was lost is made up for.
const ROUND: Duration = Duration::from_secs(3);
/// How long all of it may take.
const PATIENCE: Duration = Duration::from_secs(120);

/// Grows the ledger of the city in `dir` until the Bureau's node, which runs and does not lead, holds `goal` leaves.
///
/// # Errors
/// A file is missing, the Bureau's node does not answer, or the ledger does not grow.
pub async fn grow(dir: &Path, goal: u64) -> Result<(), Failure> {
    let config = Config::load(&dir.join("bureau/waybill.toml"))?;
    let session = Session::open(&Profile::load(&dir.join("bureau/admin.toml"))?)?;
    let (certificate, key, ca) = (file(&config.tls.certificate)?, file(&config.tls.key)?, file(&config.tls.ca)?);
    let client = tls::client(Some(IdentityPem { certificate: &certificate, key: &key }), &ca);
    let client = client.map_err(|error| Misconfigured::Value(format!("[tls]: {error}")))?;
    let record = SecretKey::from_seed(crate::pki::read_seed(&config.keys.record)?);
    let agreed: ShowGovernanceResponse = session.call("governance", &ShowGovernance {}).await?;
    let mut link: Option<(u64, Link)> = None;
    let until = Instant::now() + PATIENCE;
    loop {
        let (leader, leaves, ledger) = standing(&session).await?;
        if leaves >= goal {
            return Ok(());
        }
        if Instant::now() > until {
            return Err(Failure::DoesNotHold(vec![format!("error[grow]: {leaves} of {goal} leaves after {PATIENCE:?}")]));
        }
        if link.as_ref().is_none_or(|(to, _)| Some(*to) != leader) {
            let member = agreed.members.iter().find(|member| Some(member.node) == leader);
            let dial = |member: &crate::unified::governance::MemberEntry| {
                let fingerprint = Fingerprint::parse(&member.tls_certificate)?;
                Some((member.node, Link::dial(member.peer.clone(), fingerprint, Arc::clone(&client))))
            };
            link = member.and_then(dial);
        }
        let missing = usize::try_from(goal - leaves).unwrap_or(usize::MAX);
        let batches = missing.div_ceil(BATCH).min(BATCHES);
        for _ in 0..batches {
            let entry = batch(&ledger, &record).map_err(|verdict| Failure::Garbled(verdict.to_string()))?;
            if let Some((_, link)) = &link {
                link.send(ledger::node::forwarded(&entry));
            }
        }
        let round = Instant::now() + ROUND;
        let wanted = leaves + (batches * BATCH) as u64;
        while standing(&session).await?.1 < wanted && Instant::now() < round {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

async fn standing(session: &Session) -> Result<(Option<u64>, u64, String), Failure> {
    let (_, body) = session.get("/readyz").await?;
    let seen: Value = serde_json::from_slice(&body).map_err(|error| Failure::Garbled(format!("/readyz: {error}")))?;
    let number = |key: &str| seen.get(key).and_then(Value::as_u64);
    let ledger = seen.get("ledger").and_then(Value::as_str).unwrap_or_default().to_owned();
    Ok((number("leader"), number("leaves").unwrap_or(0), ledger))
}

fn batch(ledger: &str, key: &SecretKey) -> Result<Entry, ledger::record::Verdict> {
    let log = || {
        let log = Element::new("l", QName::new(crate::founding::NAMESPACE, "Log"));
        let log = log.with("id", crate::services::id()).with("ledger", ledger);
        let log = log.leaf("Sector", "bureau").leaf("Source", "drill").leaf("Digest", "00".repeat(32));
        xsd::write::canonical(&log, &[], &[])
    };
    let bodies: Vec<Vec<u8>> = (0..BATCH).map(|_| log()).collect();
    let unsigned = Request::read(Entry::batch(bodies.clone(), Vec::new())?)?;
    Entry::batch(bodies, vec![PartySignature::sign("bureau", key, unsigned.signed())])
}
