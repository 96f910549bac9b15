//! Governance: this sector's proposals and votes, its record key, and what the members have agreed on.

use crate::fault::{Fault, Reason};
use crate::services::{Recorded, named, put};
use crate::site::{Account, Site};
use crate::unified::governance::{
    Ending, HeldKeys, Key, ListKeys, ListKeysResponse, ListProposals, ListProposalsResponse, MemberEntry, MemberVoice, PrepareKey,
    PrepareKeyResponse, Proposal, ProposalEntry, Propose, ProposeResponse, ProvenKey, RotateKey, RotateKeyResponse, Rule, ShowGovernance,
    ShowGovernanceResponse, Vote, VoteResponse,
};
use ledger::body::{Rekey, Suffrage};
use ledger::state::{Motion, State};
use ledger::tree::Hash;
use xsd::time::Timestamp;

/// Proposals that one answer holds at most.
const PAGE: u64 = 100;

/// Puts a proposal on record. With enough voices, or when it needs none, it takes effect at once.
///
/// # Errors
/// It is another sector's or for another ledger, or the ledger refuses it.
pub async fn propose(site: &Site, _: &Account, request: Propose, _: Timestamp) -> Result<ProposeResponse, Fault> {
    let proposal = request.proposal;
    own(site, "Proposer", &proposal.proposer, &proposal.ledger)?;
    let Recorded { id, index, receipt } = put(site, &proposal.id, &proposal).await?;
    Ok(ProposeResponse { record_id: id, leaf_index: index, ending: ending(site, &proposal.id).await?, receipt })
}

/// Puts a voice on record.
///
/// # Errors
/// As [`propose`].
pub async fn vote(site: &Site, _: &Account, request: Vote, _: Timestamp) -> Result<VoteResponse, Fault> {
    let ballot = request.ballot;
    own(site, "Voter", &ballot.voter, &ballot.ledger)?;
    let Recorded { id, index, receipt } = put(site, &ballot.id, &ballot).await?;
    Ok(VoteResponse { record_id: id, leaf_index: index, ending: ending(site, &ballot.proposal).await?, receipt })
}

fn own(site: &Site, what: &str, sector: &str, ledger: &str) -> Result<(), Fault> {
    if sector != site.sector {
        return Err(Fault::new(Reason::NotPermitted, format!("{what} is {sector}: this is the adapter of {}", site.sector)));
    }
    if ledger != site.ledger {
        return Err(Fault::new(Reason::BadRecord, format!("the record is for another ledger than {}", site.ledger)));
    }
    Ok(())
}

/// How a proposal ended, if it did.
///
/// # Errors
/// Busy.
pub(crate) async fn ending(site: &Site, proposal: &str) -> Result<Option<Ending>, Fault> {
    let id = proposal.to_owned();
    let closed = site.read(move |node| node.state().motion(&id).and_then(|motion| motion.closed)).await?;
    Ok(closed.and_then(|(ending, _)| Ending::parse(ending.code())))
}

/// The proposals that fit, oldest first.
///
/// # Errors
/// Busy.
pub async fn list(site: &Site, _: &Account, request: ListProposals, _: Timestamp) -> Result<ListProposalsResponse, Fault> {
    let limit = usize::try_from(request.limit.unwrap_or(PAGE)).unwrap_or(usize::MAX);
    let from = request.cursor.unwrap_or(0);
    let found: Vec<Motion> = site
        .read(move |node| {
            let fits = |id: &str, motion: &Motion| {
                request.proposal_id.as_ref().is_none_or(|wanted| id == wanted)
                    && request.open.is_none_or(|open| motion.closed.is_none() == open)
                    && motion.index >= from
            };
            let mut found: Vec<Motion> =
                node.state().motions().filter(|(id, motion)| fits(id, motion)).map(|(_, motion)| motion.clone()).collect();
            found.sort_unstable_by_key(|motion| motion.index);
            found.truncate(limit.saturating_add(1));
            found
        })
        .await?;
    let next = found.get(limit).map(|motion| motion.index);
    let mut entries = Vec::new();
    for motion in found.into_iter().take(limit) {
        let (leaf, proposal) = site.leaf_as::<Proposal>(motion.index).await?;
        let voice = |(member, yes): (String, bool)| MemberVoice { member, voice: String::from(if yes { "yes" } else { "no" }) };
        entries.push(ProposalEntry {
            decided: motion.closed.map(|(_, index)| index),
            ending: motion.closed.map(|(ending, _)| ending.code().to_owned()),
            index: motion.index,
            time: leaf.time.into(),
            proposal,
            voices: motion.votes.into_iter().map(voice).collect(),
        });
    }
    Ok(ListProposalsResponse { entries, next })
}

/// What the members have agreed on.
///
/// # Errors
/// Busy, or no quorum: nothing that was decided anywhere before is overlooked.
pub async fn show(site: &Site, _: &Account, _: ShowGovernance, _: Timestamp) -> Result<ShowGovernanceResponse, Fault> {
    site.fresh().await?;
    site.read(|node| agreed(node.state())).await
}

fn agreed(state: &State) -> ShowGovernanceResponse {
    let role = |bureau: bool| String::from(if bureau { "bureau" } else { "sector" });
    let member = |member: &ledger::body::Member| MemberEntry {
        id: member.id.clone(),
        node: member.node,
        role: role(member.bureau),
        suffrage: String::from(if member.suffrage == Suffrage::Voter { "voter" } else { "learner" }),
        service: member.service.clone(),
        peer: member.peer.clone(),
        tls_certificate: member.tls_certificate.to_string(),
        message_certificate: member.message_certificate.to_string(),
    };
    let rule = |rule: ledger::body::Rule| Rule {
        role: rule.bureau.map(role),
        threshold: rule.threshold.to_string(),
        organizations: rule.organizations.into_iter().collect(),
    };
    ShowGovernanceResponse {
        origin: state.origin(),
        stopped: state.is_stopped(),
        quorum: state.quorum(),
        highest_node: state.node_max(),
        changed: state.keys_version(),
        rules: state.rules().into_iter().map(rule).collect(),
        members: state.members().map(member).collect(),
    }
}

/// Makes the next record key, or tells the one that was made.
///
/// # Errors
/// It cannot be kept.
pub async fn prepare_key(site: &Site, _: &Account, _: PrepareKey, _: Timestamp) -> Result<PrepareKeyResponse, Fault> {
    Ok(PrepareKeyResponse { record_key: next_key(site)?.public().to_string() })
}

fn next_key(site: &Site) -> Result<ledger::keys::SecretKey, Fault> {
    site.keys.next().map_err(|error| {
        tracing::error!(%error, "the next record key");
        Fault::new(Reason::Internal, "the next record key cannot be kept on this node")
    })
}

/// Replaces the record key by the next one. The record's id follows from the key: asked again after a failure, it is the same
/// record.
///
/// # Errors
/// The ledger refuses it: the present key was revoked, say, and the others must name its successor.
pub async fn rotate_key(site: &Site, _: &Account, _: RotateKey, _: Timestamp) -> Result<RotateKeyResponse, Fault> {
    let next = next_key(site)?;
    let key = next.public();
    let id = named(&Hash::of(format!("urn:waybill:rotate:1\n{}\n{key}\n", site.ledger).as_bytes()));
    let proof = next.sign(&Rekey::statement(&site.ledger, &id, &site.sector, &key));
    let record = Key {
        id,
        ledger: site.ledger.clone(),
        member: site.sector.clone(),
        record_key: Some(ProvenKey { proof: data_encoding::BASE64.encode(&proof), key: key.to_string() }),
        node_key: None,
        tls_certificate: None,
        message_certificate: None,
    };
    let Recorded { id, index, receipt } = put(site, &record.id, &record).await?;
    site.keys.named(key);
    Ok(RotateKeyResponse { record_id: id, leaf_index: index, record_key: key.to_string(), receipt })
}

/// The keys that members hold and held.
///
/// # Errors
/// Busy.
pub async fn list_keys(site: &Site, _: &Account, request: ListKeys, _: Timestamp) -> Result<ListKeysResponse, Fault> {
    let held = site
        .read(move |node| {
            let state = node.state();
            let held = |member: String| {
                let keys = state.held(&member).iter().map(|held| HeldKeys {
                    from: held.from,
                    member: member.clone(),
                    until: held.until,
                    record_key: held.record_key.map(|key| key.to_string()),
                    node_key: held.node_key.to_string(),
                });
                keys.collect::<Vec<_>>()
            };
            match request.member {
                Some(member) => held(member),
                None => state.holders().map(str::to_owned).flat_map(held).collect(),
            }
        })
        .await?;
    Ok(ListKeysResponse { held })
}
