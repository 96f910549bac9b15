//! The Directory Service: what this sector shares, and where everything is.

use crate::fault::{Fault, Reason};
use crate::services::{id, put};
use crate::site::{Account, Located, Site};
use crate::steps::{self, Step};
use crate::unified::directory::{
    AccessPath, Entry, EntryContent, EntryStatus, Found, Inquiry, Publish, PublishResponse, Search, SearchResponse, Show, ShowResponse,
    Withdraw, WithdrawResponse,
};
use crate::unified::{Document, Instant, Principal};
use ledger::record::Kind;
use sha2::{Digest, Sha256};
use std::time::Instant as Stopwatch;
use xsd::time::Timestamp;

/// Entries that one answer holds at most.
const PAGE: u64 = 100;

/// Publishes a resource: its metadata stays with the sector, its digest and its entry go on the ledger.
///
/// # Errors
/// The metadata is of another sector, or the ledger refuses.
pub async fn publish(site: &Site, _: &Account, request: Publish, now: Timestamp) -> Result<PublishResponse, Fault> {
    let Publish { metadata, catalogs } = request;
    if metadata.producer.identifier != site.sector {
        let sentence = format!("{} is produced by {}, not by {}", metadata.resource_id, metadata.producer.identifier, site.sector);
        return Err(Fault::new(Reason::BadRecord, sentence).xpath("/Envelope/Body/*/Resource/Producer/Identifier"));
    }
    let resource = metadata.resource_id.clone();
    let before = site.read(move |node| node.state().locate(&resource).map(|listed| listed.id.clone())).await?;
    let entry = Entry {
        id: id(),
        ledger: site.ledger.clone(),
        resource: metadata.resource_id.clone(),
        metadata: data_encoding::HEXLOWER.encode(&Sha256::digest(metadata.octets())),
        producer: site.sector.clone(),
        timestamp: Instant(now),
        format: metadata.media_type.clone(),
        content: EntryContent { titles: metadata.names.clone(), keywords: metadata.keywords.clone() },
        access_paths: vec![AccessPath {
            service: String::from("trading"),
            operation: String::from("PlaceOrder"),
            endpoint: format!("{}/ws/trading", site.config.service.address),
            version: String::from("1"),
        }],
        servers: vec![site.server.clone()],
        catalogs,
        status: EntryStatus::Active,
        supersedes: before,
    };
    site.keep_metadata(&metadata)?;
    let recorded = put(site, &entry.id, &entry).await?;
    Ok(PublishResponse { entry_id: recorded.id, leaf_index: recorded.index, receipt: recorded.receipt })
}

/// Withdraws a resource of this sector; its entries stay.
///
/// # Errors
/// It is not in the directory, or not this sector's.
pub async fn withdraw(site: &Site, _: &Account, request: Withdraw, now: Timestamp) -> Result<WithdrawResponse, Fault> {
    let Some(found) = find(site, &request.resource).await? else {
        return Err(Fault::new(Reason::NoRecord, format!("{} is not in the directory", request.resource)));
    };
    if found.entry.producer != site.sector {
        let sentence = format!("{} is produced by {}, not by {}", request.resource, found.entry.producer, site.sector);
        return Err(Fault::new(Reason::BadRecord, sentence).xpath("/Envelope/Body/*/Resource"));
    }
    let before = found.entry.id.clone();
    let entry = Entry { id: id(), timestamp: Instant(now), status: EntryStatus::Withdrawn, supersedes: Some(before), ..found.entry };
    let recorded = put(site, &entry.id, &entry).await?;
    Ok(WithdrawResponse { entry_id: recorded.id, leaf_index: recorded.index, receipt: recorded.receipt })
}

/// The entry that stands, with its metadata where it is held here.
///
/// # Errors
/// Busy.
pub async fn show(site: &Site, _: &Account, request: Show, _: Timestamp) -> Result<ShowResponse, Fault> {
    Ok(ShowResponse { found: find(site, &request.resource).await? })
}

/// Entries that fit, in the order of their leaves. Nothing found is an answer.
///
/// # Errors
/// Busy.
pub async fn search(site: &Site, _: &Account, request: Search, _: Timestamp) -> Result<SearchResponse, Fault> {
    let limit = usize::try_from(request.limit.unwrap_or(PAGE)).unwrap_or(usize::MAX);
    let from = request.cursor.unwrap_or(0);
    let mut listed: Vec<u64> = site
        .read(move |node| node.state().directory().filter(|listed| listed.listing.status == "active").map(|listed| listed.index).collect())
        .await?;
    listed.sort_unstable();
    let mut found = Vec::new();
    for index in listed.into_iter().filter(|index| *index >= from) {
        let (leaf, entry) = site.leaf_as::<Entry>(index).await?;
        if !fits(&entry, &request) {
            continue;
        }
        if found.len() == limit {
            return Ok(SearchResponse { found, next: Some(index) });
        }
        found.push(Found { index, time: leaf.time.into(), metadata: site.metadata(&entry.resource), entry });
    }
    Ok(SearchResponse { found, next: None })
}

fn fits(entry: &Entry, request: &Search) -> bool {
    let below = |catalog: &str, branch: &str| catalog == branch || catalog.strip_prefix(branch).is_some_and(|rest| rest.starts_with('/'));
    let mentions = |text: &str| {
        entry.resource.contains(text)
            || entry.content.titles.iter().any(|title| title.text.contains(text))
            || entry.content.keywords.iter().any(|keyword| keyword == text)
    };
    request.producer.as_ref().is_none_or(|producer| entry.producer == *producer)
        && request.catalog.as_ref().is_none_or(|branch| entry.catalogs.iter().any(|catalog| below(catalog, branch)))
        && request.text.as_ref().is_none_or(|text| mentions(text))
}

async fn find(site: &Site, resource: &str) -> Result<Option<Found>, Fault> {
    let key = resource.to_owned();
    let index = site
        .read(move |node| node.state().locate(&key).filter(|listed| listed.listing.status != "withdrawn").map(|listed| listed.index))
        .await?;
    let Some(index) = index else { return Ok(None) };
    let (leaf, entry) = site.leaf_as::<Entry>(index).await?;
    Ok(Some(Found { index, time: leaf.time.into(), metadata: site.metadata(resource), entry }))
}

/// W2 to W4: asks the directory, and puts on record who asked for what, unless this conversation already did.
///
/// # Errors
/// The inquiry cannot be put on record.
pub async fn locate(
    site: &Site,
    user: &Principal,
    conversation: &str,
    asked_before: bool,
    resources: &[String],
    now: Timestamp,
) -> Result<Vec<Option<Located>>, Fault> {
    let since = Stopwatch::now();
    steps::done(Step::Queried, conversation, since);
    let mut located = Vec::with_capacity(resources.len());
    for resource in resources {
        located.push(site.locate(resource).await?);
    }
    steps::done(Step::LookedUp, conversation, since);
    let named = on_ledger(resources, &located)?;
    let (covered, used) = if asked_before { inquired(site, conversation, user, &named).await? } else { (false, false) };
    if !covered {
        let inquiry = Inquiry {
            id: if used { id() } else { conversation.to_owned() },
            ledger: site.ledger.clone(),
            sector: site.sector.clone(),
            user: user.clone(),
            resources: named,
            asked: Instant(now),
        };
        site.record(&inquiry.element()).await?;
    }
    steps::done(Step::Located, conversation, since);
    Ok(located)
}

/// The resources as an inquiry names them. What nobody shares may be anything that somebody typed: it is a salted commitment.
fn on_ledger(resources: &[String], located: &[Option<Located>]) -> Result<Vec<String>, Fault> {
    let salt = crate::trade::salt()?;
    let name = |(resource, located): (&String, &Option<Located>)| match located {
        Some(_) => resource.clone(),
        None => format!("unknown/{}", crate::trade::commitment(&salt, resource.as_bytes())),
    };
    Ok(resources.iter().zip(located).map(name).collect())
}

/// Whether this conversation's inquiry, by the same user, names all of these; and whether the id is used on the ledger.
async fn inquired(site: &Site, conversation: &str, user: &Principal, named: &[String]) -> Result<(bool, bool), Fault> {
    let id = conversation.to_owned();
    let Some(seen) = site.known(move |node| node.client(&id)).await? else { return Ok((false, false)) };
    let index = seen.index;
    let (leaf, _) = site.leaf(index).await?;
    if leaf.kind != Kind::Inquiry {
        return Ok((false, true));
    }
    let (_, before) = site.leaf_as::<Inquiry>(index).await?;
    let same = before.sector == site.sector && before.user == *user;
    Ok((same && named.iter().all(|resource| before.resources.contains(resource)), true))
}
