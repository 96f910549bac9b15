//! What each verb does.

use crate::cli::profile::Profile;
use crate::cli::session::{Failure, Session};
use crate::cli::{Audit, Caller, Directory, Filter, Grant, Output, Trade, print};
use crate::config::{Misconfigured, file};
use crate::unified::audit::{Pull, PullResponse};
use crate::unified::authority::{CheckAuthority, GiveGrant, ListGrants, RevokeGrant};
use crate::unified::directory::{Publish, Search, Show, Withdraw};
use crate::unified::metadata::Resource;
use crate::unified::trading::{Fetch, History, Item, TradeStatus};
use crate::unified::{Criterion, Document, Instant, Period, Permission, Principal, Status};
use ledger::checkpoint::Policy;
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

fn usage(what: String) -> Failure {
    Failure::Usage(what)
}

fn instant(flag: &str, text: &str) -> Result<Instant, Failure> {
    Timestamp::parse(text).map(Instant).ok_or_else(|| usage(format!("{flag} '{text}': an instant looks like 2026-11-21T08:00:00Z")))
}

fn principal(flag: &str, text: &str) -> Result<Principal, Failure> {
    let (authority, name) = text.split_once(':').ok_or_else(|| usage(format!("{flag} '{text}': write sector:name, as civil:clerk")))?;
    Ok(Principal { authority: authority.to_owned(), name: name.to_owned() })
}

fn permission(text: &str) -> Result<Permission, Failure> {
    Permission::parse(text).ok_or_else(|| usage(format!("--permission '{text}': one of read, query, write, subscribe, transfer")))
}

fn status(text: &str) -> Result<Status, Failure> {
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
        Trade::History { caller, filter } => ask(&caller, "trading", &history(&filter)?).await,
    }
}

async fn show(caller: &Caller, id: String) -> Result<(), Failure> {
    let trade = find(&open(caller)?, &id).await?;
    print::answer(&trade.element(), caller.output);
    Ok(())
}

/// A trade record that the session may see.
///
/// # Errors
/// There is none, or the node cannot be reached.
pub async fn find(session: &Session, id: &str) -> Result<crate::unified::trading::Trade, Failure> {
    let mut request = history(&Filter { sender: None, receiver: None, what: None, status: None, from: None, to: None })?;
    loop {
        let page: crate::unified::trading::HistoryResponse = session.call("trading", &request).await?;
        if let Some(entry) = page.entries.into_iter().find(|entry| entry.trade.id == id) {
            return Ok(entry.trade);
        }
        request.cursor = page.next;
        if request.cursor.is_none() {
            return Err(Failure::DoesNotHold(vec![format!("error[not-found]: no trade {id} that you may see")]));
        }
    }
}

fn history(filter: &Filter) -> Result<History, Failure> {
    Ok(History {
        sender: filter.sender.clone(),
        receiver: filter.receiver.clone(),
        user: None,
        resource: filter.what.clone(),
        server: None,
        from: filter.from.as_deref().map(|from| instant("--from", from)).transpose()?,
        to: filter.to.as_deref().map(|to| instant("--to", to)).transpose()?,
        status: filter.status.as_deref().map(status).transpose()?,
        purpose: None,
        cursor: None,
        limit: Some(500),
    })
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

/// `waybill audit …`.
///
/// # Errors
/// See [`Failure`].
pub async fn audit(verb: Audit) -> Result<(), Failure> {
    match verb {
        Audit::Pull { caller, sector, filter, bundle } => {
            let session = open(&caller)?;
            let files = pull(&session, sector, &filter).await?;
            let written = files.files.len();
            write_bundle(&bundle, files)?;
            print::out(&format!("{}: {written} files. Verify it anywhere: waybill audit verify {0} --policy FILE", bundle.display()));
            Ok(())
        }
        Audit::Verify { bundle, policy, genesis, json } => verify(&bundle, policy.as_deref(), genesis.as_deref(), json),
    }
}

/// Pulls a bundle's files.
///
/// # Errors
/// See [`Failure`].
pub async fn pull(session: &Session, sector: Option<String>, filter: &Filter) -> Result<PullResponse, Failure> {
    let filter = history(filter)?;
    let request = Pull {
        sector,
        sender: filter.sender,
        receiver: filter.receiver,
        resource: filter.resource,
        status: filter.status,
        from: filter.from,
        to: filter.to,
    };
    session.call("audit", &request).await
}

/// Writes a bundle's files into a new directory.
///
/// # Errors
/// The directory exists or cannot be written, or a file's name leaves it.
pub fn write_bundle(dir: &Path, bundle: PullResponse) -> Result<(), Failure> {
    let failed = |path: &Path, error| Failure::Misconfigured(Misconfigured::File(path.to_owned(), error));
    std::fs::create_dir(dir).map_err(|error| failed(dir, error))?;
    for entry in bundle.files {
        let inside = entry.name.split('/').all(|part| !part.is_empty() && part != "." && part != "..");
        let octets = data_encoding::BASE64.decode(entry.content.as_bytes()).ok();
        let Some(octets) = octets.filter(|_| inside) else {
            return Err(Failure::Garbled(format!("the node sent a file '{}'", entry.name)));
        };
        let path = dir.join(&entry.name);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent).map_err(|error| failed(parent, error))?;
        }
        std::fs::write(&path, octets).map_err(|error| failed(&path, error))?;
    }
    Ok(())
}

fn verify(bundle: &Path, policy: Option<&Path>, genesis: Option<&str>, json: bool) -> Result<(), Failure> {
    let trust = match (policy, genesis) {
        (Some(path), _) => {
            let text = String::from_utf8_lossy(&file(path)?).into_owned();
            ledger::audit::Trust::Policy(
                Policy::parse(&text).map_err(|line| usage(format!("{}:{line}: not a policy line", path.display())))?,
            )
        }
        (None, Some(fingerprint)) => {
            let hash = ledger::tree::Hash::from_hex(fingerprint).ok_or_else(|| usage(String::from("--genesis: 64 hexadecimal digits")))?;
            ledger::audit::Trust::Fingerprint(hash)
        }
        (None, None) => return Err(usage(String::from("give the trust root: --policy FILE or --genesis FINGERPRINT"))),
    };
    if bundle.is_file() {
        return fork(bundle, &trust, json);
    }
    let report = ledger::audit::verify(bundle, &trust).map_err(|error| Misconfigured::File(bundle.to_owned(), error))?;
    let size = report.checkpoint.as_ref().map_or(0, |checkpoint| checkpoint.size);
    let lines: Vec<String> = report.problems.iter().map(ToString::to_string).collect();
    let query: Vec<String> = report.query.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let stream = |covered: &ledger::audit::Covered| format!("{} {} {}-{}", covered.kind.code(), covered.id, covered.first, covered.last);
    let streams: Vec<String> = report.streams.iter().map(stream).collect();
    let whole = |complete: &ledger::audit::Complete| {
        format!("{} {}: all {} records before leaf {}", complete.kind.code(), complete.id, complete.count, complete.root)
    };
    let complete: Vec<String> = report.complete.iter().map(whole).collect();
    if json {
        let document = serde_json::json!({
            "verified": lines.is_empty(),
            "entries": report.entries,
            "size": size,
            "exporter": report.exporter,
            "query": query,
            "streams": streams,
            "complete": complete,
            "problems": lines,
        });
        print::out(&document.to_string());
    } else if lines.is_empty() {
        print::out(&format!(
            "verified: {} entries under a checkpoint of {size} leaves; every file, proof and signature holds",
            report.entries
        ));
        print::out(&format!(
            "exported by {}; asked for: {}",
            report.exporter,
            if query.is_empty() { String::from("everything") } else { query.join(", ") }
        ));
        for stream in complete {
            print::out(&format!("complete, by the state root: {stream}"));
        }
        print::out("without a gap between (and nothing said of what came after):");
        for stream in streams {
            print::out(&format!("  {stream}"));
        }
    }
    if lines.is_empty() { Ok(()) } else { Err(Failure::DoesNotHold(if json { Vec::new() } else { lines })) }
}

/// Verifies the proof of a lie: two checkpoints that exclude each other.
fn fork(path: &Path, trust: &ledger::audit::Trust, json: bool) -> Result<(), Failure> {
    let ledger::audit::Trust::Policy(policy) = trust else {
        return Err(usage(String::from("evidence of a fork is verified by a policy file: --policy FILE")));
    };
    let text = String::from_utf8_lossy(&file(path)?).into_owned();
    let lie = ledger::witness::Fork::parse(&text).and_then(|fork| fork.verify(policy));
    let lie = lie.map_err(|unfounded| Failure::DoesNotHold(vec![format!("{}: no proof of a lie: {unfounded}", path.display())]))?;
    let ((one, signed_one), (other, signed_other)) = (&lie.ours, &lie.theirs);
    let both: Vec<&str> = signed_one.intersection(signed_other).map(String::as_str).collect();
    let list = |names: &std::collections::BTreeSet<String>| names.iter().cloned().collect::<Vec<_>>().join(", ");
    if json {
        let document = serde_json::json!({
            "proven": true, "size": lie.size, "signed_both": both,
            "branches": [
                { "root": one.to_string(), "signers": signed_one },
                { "root": other.to_string(), "signers": signed_other },
            ],
        });
        print::out(&document.to_string());
        return Ok(());
    }
    print::out(&format!("proven: two histories of {} leaves, which exclude each other", lie.size));
    print::out(&format!("  root {one} signed by {}", list(signed_one)));
    print::out(&format!("  root {other} signed by {}", list(signed_other)));
    print::out(&match both.as_slice() {
        [] => String::from("nobody signed both: one of them follows a leader that lied"),
        liars => format!("signed both, and so lied: {}", liars.join(", ")),
    });
    Ok(())
}
