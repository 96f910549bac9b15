//! What each verb does.

use crate::cli::profile::Profile;
use crate::cli::session::{Failure, Session};
use crate::cli::{Caller, Directory, Grant, Output, Trade, history, print};
use crate::config::file;
use crate::unified::authority::{CheckAuthority, GiveGrant, ListGrants, RevokeGrant};
use crate::unified::directory::{Publish, Search, Show, Withdraw};
use crate::unified::metadata::Resource;
use crate::unified::trading::{Fetch, Item, TradeStatus};
use crate::unified::{Criterion, Document, Instant, Period, Permission, Principal, Status};
use std::path::Path;
use xsd::time::Timestamp;

/// Calls an operation and prints its answer.
///
/// # Errors
/// See [`Failure`].
pub(super) async fn ask(caller: &Caller, service: &str, request: &impl Document) -> Result<(), Failure> {
    let session = open(caller)?;
    let answer = session.element(service, &request.element()).await?;
    print::answer(&answer, caller.output);
    Ok(())
}

/// A session for a caller's profile.
///
/// # Errors
/// The profile is wrong.
pub fn open(caller: &Caller) -> Result<Session, Failure> {
    Ok(Session::open(&Profile::load(&caller.profile)?)?)
}

pub(super) fn usage(what: String) -> Failure {
    Failure::Usage(what)
}

pub(super) fn instant(flag: &str, text: &str) -> Result<Instant, Failure> {
    let day = || Timestamp::parse(&format!("{text}T00:00:00Z"));
    let wrong = || usage(format!("{flag} '{text}': an instant looks like 2026-11-21T08:00:00Z, a day like 2026-11-21"));
    Timestamp::parse(text).or_else(day).map(Instant).ok_or_else(wrong)
}

pub(super) fn principal(flag: &str, text: &str) -> Result<Principal, Failure> {
    let (authority, name) = text.split_once(':').ok_or_else(|| usage(format!("{flag} '{text}': write sector:name, as civil:clerk")))?;
    Ok(Principal { authority: authority.to_owned(), name: name.to_owned() })
}

fn permission(text: &str) -> Result<Permission, Failure> {
    Permission::parse(text).ok_or_else(|| usage(format!("--permission '{text}': one of read, query, write, subscribe, transfer")))
}

pub(super) fn status(text: &str) -> Result<Status, Failure> {
    Status::parse(text).ok_or_else(|| usage(format!("--status '{text}': one of delivered, denied, failed, not-found, timed-out")))
}

/// `waybill status`.
///
/// # Errors
/// The node cannot be reached.
pub async fn node_status(caller: &Caller) -> Result<(), Failure> {
    let (_, body) = open(caller)?.get("/readyz").await?;
    let text = String::from_utf8_lossy(&body).into_owned();
    if caller.output == Output::Json {
        print::out(&text);
        return Ok(());
    }
    let value: serde_json::Value = serde_json::from_str(&text).map_err(|error| Failure::Garbled(error.to_string()))?;
    for (key, value) in value.as_object().into_iter().flatten() {
        print::out(&format!("{key}: {}", value.as_str().map_or_else(|| value.to_string(), str::to_owned)));
    }
    Ok(())
}

/// `waybill trade …`.
///
/// # Errors
/// See [`Failure`].
pub async fn trade(verb: Trade) -> Result<(), Failure> {
    match verb {
        Trade::Request { caller, purpose, resource, criteria } => {
            let criteria = criteria.into_iter().map(|(field, value)| Criterion { field, value }).collect();
            ask(&caller, "trading", &Fetch { conversation_id: None, purpose, items: vec![Item { resource, criteria }] }).await
        }
        Trade::Status { caller, id } => ask(&caller, "trading", &TradeStatus { trade_id: id }).await,
        Trade::Show { caller, id } => show(&caller, id).await,
        Trade::History { caller, asked } => ask(&caller, "trading", &history::request(*asked)?).await,
    }
}

async fn show(caller: &Caller, id: String) -> Result<(), Failure> {
    let trade = history::find(&open(caller)?, &id).await?;
    print::answer(&trade.element(), caller.output);
    Ok(())
}

/// `waybill grant …`.
///
/// # Errors
/// See [`Failure`].
pub async fn grant(verb: Grant) -> Result<(), Failure> {
    match verb {
        Grant::Give { caller, role, object, permission: permissions, from, to, purpose } => {
            let request = GiveGrant {
                role: principal("--role", &role)?,
                object,
                permissions: permissions.iter().map(|text| permission(text)).collect::<Result<_, _>>()?,
                period: Period { not_before: instant("--from", &from)?, not_after: instant("--to", &to)? },
                purposes: purpose,
                supersedes: None,
            };
            ask(&caller, "authority", &request).await
        }
        Grant::Revoke { caller, id, reason } => ask(&caller, "authority", &RevokeGrant { grant_id: id, reason }).await,
        Grant::List { caller, object } => {
            let request = ListGrants { object, role: None, issuer: None, at: None, cursor: None, limit: Some(500) };
            ask(&caller, "authority", &request).await
        }
        Grant::Check { caller, user, object, permission: allowed, purpose } => {
            let user = principal("--user", &user)?;
            let request = CheckAuthority { user, object, permission: permission(&allowed)?, purpose, at: None };
            ask(&caller, "authority", &request).await
        }
    }
}

/// `waybill directory …`.
///
/// # Errors
/// See [`Failure`].
pub async fn directory(verb: Directory) -> Result<(), Failure> {
    match verb {
        Directory::Publish { caller, metadata } => ask(&caller, "directory", &publication(&metadata)?).await,
        Directory::Search { caller, text } => {
            ask(&caller, "directory", &Search { text, producer: None, catalog: None, cursor: None, limit: Some(500) }).await
        }
        Directory::Show { caller, resource } => ask(&caller, "directory", &Show { resource }).await,
        Directory::Withdraw { caller, resource } => ask(&caller, "directory", &Withdraw { resource }).await,
    }
}

/// The request that publishes a metadata document, under the catalogue branch of its first classification.
///
/// # Errors
/// The file is no metadata document.
pub fn publication(path: &Path) -> Result<Publish, Failure> {
    let element = xsd::read::read(&file(path)?, None, &xsd::read::Limits::default())
        .map_err(|malformed| usage(format!("{}:{malformed}", path.display())))?;
    let metadata = Resource::of(&element).map_err(|unreadable| usage(format!("{}: {unreadable}", path.display())))?;
    let catalogs = vec![metadata.resource_id.clone()];
    Ok(Publish { metadata, catalogs })
}
