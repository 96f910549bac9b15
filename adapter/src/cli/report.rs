//! `audit report`: what a bundle or a node's data directory says, for a person; nothing that was not verified is in it.

mod tally;

use crate::cli::audit::trust;
use crate::cli::print;
use crate::cli::session::Failure;
use crate::cli::verbs::usage;
use crate::config::{Misconfigured, file};
use clap::Args;
use ledger::audit::{Files, Report, Trust, parts, verify_parts};
use ledger::body::Record;
use ledger::checkpoint::Checkpoint;
use ledger::examine::{Alone, Examination, LEVEL_MAX, examine, look};
use ledger::medium::{Directory, StoreError};
use ledger::record::{Entry, Leaf};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use tally::{Counts, Given, Line, Tally};

/// Arguments of `audit report`.
#[derive(Clone, Debug, Args)]
pub struct Tell {
    /// A bundle, or the data directory of a node that does not run, or a copy of it.
    pub evidence: PathBuf,
    /// The trust root: a policy file with the origin, the nodes' keys and the quorum.
    #[arg(long, required_unless_present = "genesis")]
    pub policy: Option<PathBuf>,
    /// The trust root: the genesis fingerprint, 64 hexadecimal digits; for a data directory the genesis' file.
    #[arg(long)]
    pub genesis: Option<String>,
    /// The keys at rest of an encrypted data directory.
    #[arg(long)]
    pub at_rest: Option<PathBuf>,
    /// Write the trades as comma-separated values into this file, too; it must not exist.
    #[arg(long)]
    pub csv: Option<PathBuf>,
    /// Print one JSON document.
    #[arg(long)]
    pub json: bool,
}

/// Leaves that were verified, and how.
struct Proven {
    leaves: Vec<(Leaf, Record)>,
    checkpoint: Checkpoint,
    /// By which trust root.
    by: String,
    level: String,
    /// What the leaves are all of, if they are.
    whole: String,
    /// What is not shown.
    open: Vec<String>,
}

/// `waybill audit report`.
///
/// # Errors
/// Something in the evidence does not hold, then nothing is reported; or see [`Failure`].
pub(super) fn run(tell: &Tell) -> Result<(), Failure> {
    let has = |name: &str| tell.evidence.join(name).exists();
    let in_parts = parts(&tell.evidence).is_ok_and(|(parts, _)| !parts.is_empty());
    let bundle = in_parts || has("manifest.xml") || has("manifest.sig") || has("entries");
    let proven = if bundle { of_bundle(tell)? } else { of_directory(tell)? };
    let tally = Tally::of(&proven.leaves);
    if let Some(path) = &tell.csv {
        let failed = |error| Misconfigured::File(path.clone(), error);
        let mut written = std::fs::File::create_new(path).map_err(failed)?;
        std::io::Write::write_all(&mut written, table(&tally.trades).as_bytes()).map_err(failed)?;
    }
    if tell.json {
        print::out(&document(&proven, &tally).to_string());
    } else {
        proof(&proven).iter().chain(&lines(&tally)).for_each(|line| print::out(line));
    }
    Ok(())
}

fn by(tell: &Tell) -> String {
    match (&tell.policy, &tell.genesis) {
        (Some(policy), _) => format!("the policy {}", policy.display()),
        (None, genesis) => format!("the genesis {}", genesis.as_deref().unwrap_or_default()),
    }
}

fn unreported(mut problems: Vec<String>) -> Failure {
    problems.push(String::from("error[unverified]: nothing is reported of evidence that does not hold"));
    Failure::DoesNotHold(problems)
}

fn of_bundle(tell: &Tell) -> Result<Proven, Failure> {
    let trust = trust(tell.policy.as_deref(), tell.genesis.as_deref())?;
    let failed = |error| Misconfigured::File(tell.evidence.clone(), error);
    // What is reported is what was verified: the files are read once.
    let leaves = Mutex::new(Vec::new());
    let take = |files: &Files, report: &Report| {
        // The records beside the answers show that nothing is missing; they are not what was asked for.
        let answers = report.answers.iter().filter_map(|index| files.get(&format!("entries/{index:010}.xml")));
        let entries = answers.map(|octets| parsed(octets));
        leaves.lock().unwrap_or_else(PoisonError::into_inner).extend(entries);
    };
    let report = if parts(&tell.evidence).map_err(failed)?.0.is_empty() {
        let read = ledger::audit::read(&tell.evidence).map_err(failed)?;
        let report = ledger::audit::verify_all(&read, &trust);
        take(&read.0, &report);
        report
    } else {
        verify_parts(&tell.evidence, &trust, &Alone, &take).map_err(failed)?
    };
    let problems: Vec<String> = report.problems.iter().map(ToString::to_string).collect();
    let Some(checkpoint) = report.checkpoint.clone().filter(|_| problems.is_empty()) else {
        return Err(unreported(problems));
    };
    let leaves: Option<Vec<(Leaf, Record)>> = leaves.into_inner().unwrap_or_else(PoisonError::into_inner).into_iter().collect();
    let leaves = leaves.ok_or_else(|| Failure::Garbled(String::from("a leaf that was verified is not to be read")))?;
    let asked: Vec<String> = report.query.pairs().iter().map(|(name, value)| format!("{name}={value}")).collect();
    let asked = if asked.is_empty() { String::from("everything") } else { asked.join(", ") };
    let until = report.root.map_or_else(String::new, |(root, time)| format!(" up to leaf {root} of {time}"));
    let mut open = vec![String::from("what the leaves did (level 5) is taken from them: only a whole ledger can be replayed")];
    let whole = if report.is_complete() {
        format!("all records of: {asked}{until}")
    } else {
        open.push(format!("that these are all records of: {asked}; the question names no party or resource"));
        format!("some records of: {asked}")
    };
    Ok(Proven { leaves, checkpoint, by: by(tell), level: String::from("4, every party's signature"), whole, open })
}

fn of_directory(tell: &Tell) -> Result<Proven, Failure> {
    let needed = "a data directory is verified by the genesis' file, as city/genesis: --genesis FILE (a bundle has a manifest.xml)";
    let genesis = tell.genesis.as_ref().map(PathBuf::from).filter(|path| path.is_file()).ok_or_else(|| usage(String::from(needed)))?;
    let entry = Entry::decode(&file(&genesis)?).map_err(|verdict| usage(format!("{}: {verdict}", genesis.display())))?;
    let at_rest = tell.at_rest.as_deref().map(crate::serve::at_rest).transpose()?;
    let what = Examination { genesis: entry, at_rest, level: LEVEL_MAX };
    let failed = |error: StoreError| Misconfigured::Value(format!("{}: {error}", tell.evidence.display()));
    let medium = Directory::look(&tell.evidence).map_err(failed)?;
    let found = examine(&medium, &what, &crate::cli::examine::threads(None), None, &mut |_| {}).map_err(failed)?;
    let mut problems: Vec<String> =
        found.damage.iter().map(|damage| format!("{} at {}: {}", damage.file, damage.offset, damage.what)).collect();
    if !problems.is_empty() {
        return Err(unreported(problems));
    }
    let node = look(&medium, &what.genesis, what.at_rest.clone()).map_err(failed)?;
    if node.store().floor() > 0 {
        problems.push(format!("the leaves below {} were pruned: what follows cannot be replayed", node.store().floor()));
    }
    let published = node.published().map(|(checkpoint, note)| (checkpoint.clone(), note.to_owned()));
    if published.is_none() {
        problems.push(String::from("no checkpoint with its quorum is there"));
    }
    if let (Some(path), Some((_, note))) = (&tell.policy, &published)
        && let Trust::Policy(policy) = trust(Some(path), None)?
        && let Err(distrust) = policy.verify(note)
    {
        problems.push(format!("the checkpoint, by {}: {distrust}", path.display()));
    }
    let Some((checkpoint, _)) = published.filter(|_| problems.is_empty()) else { return Err(unreported(problems)) };
    let mut leaves = Vec::new();
    for index in 0..checkpoint.size {
        let octets = node.leaf(index).map_err(failed)?;
        leaves.push(parsed(&octets).ok_or_else(|| Failure::Garbled(format!("leaf {index}: verified, and not to be read")))?);
    }
    let after = node.state().size() - checkpoint.size;
    let mut open = found.unseen;
    if after > 0 {
        open.push(format!("{after} leaves after the checkpoint: they are not in this report"));
    }
    let whole = String::from("the whole ledger, up to the checkpoint");
    Ok(Proven { leaves, checkpoint, by: by(tell), level: String::from("5, what every leaf did"), whole, open })
}

fn parsed(octets: &[u8]) -> Option<(Leaf, Record)> {
    let leaf = Leaf::read(octets).ok()?;
    let record = Record::read(leaf.entry.body()).ok()?;
    Some((leaf, record))
}

/// What is proven stands on top.
fn proof(proven: &Proven) -> Vec<String> {
    let Proven { checkpoint, leaves, .. } = proven;
    let mut lines = vec![
        format!("Report on {}", checkpoint.origin),
        format!("Verified up to the checkpoint of {} leaves, root {}", checkpoint.size, checkpoint.root),
        format!("  to level {}; by {}", proven.level, proven.by),
        format!("  {} records: {}", leaves.len(), proven.whole),
    ];
    lines.extend(proven.open.iter().map(|open| format!("  not verified: {open}")));
    lines
}

fn listed(indexes: &[u64]) -> String {
    indexes.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn period(given: &Given) -> String {
    let period = given.grant.period;
    let ended = given.ended.map_or_else(String::new, |(time, leaf)| format!(", ended at {time} by leaf {leaf}"));
    format!("from {} to before {}{ended}", period.start, period.end)
}

fn lines(tally: &Tally) -> Vec<String> {
    let kinds: Vec<String> = tally.kinds.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
    let mut lines = vec![String::new(), format!("Records: {}", kinds.join(", ")), String::new()];
    lines.push(String::from("Who asked what of whom, what for, and what came of it"));
    for ([sender, receiver, resource, purpose, month], counts) in &tally.counts {
        let Counts { permitted, denied, other, refused } = counts;
        lines.push(format!(
            "  {month}  {receiver} of {sender}  {resource}  {purpose}: {permitted} permitted, {denied} denied, {other} not delivered, {refused} refused by the ledger"
        ));
    }
    lines.extend([String::new(), String::from("Given and received")]);
    lines.extend(tally.shares.iter().map(|(sector, (given, received))| format!("  {sector}: gave {given}, received {received}")));
    lines.extend([String::new(), String::from("Grants and their use")]);
    for (id, given) in &tally.grants {
        let grant = &given.grant;
        let permissions: Vec<&str> = grant.permissions.iter().map(|permission| permission.code()).collect();
        lines.push(format!("  {id}: {} may {} {}", grant.role, permissions.join(", "), grant.object));
        lines.push(format!("    {}; used {} times", period(given), given.uses));
        if !given.outside.is_empty() {
            lines.push(format!("    used outside of what it allows: leaves {}", listed(&given.outside)));
        }
    }
    for (id, leaves) in &tally.unknown_grants {
        lines.push(format!("  {id}: not among these records, so its period is not known here; used by leaves {}", listed(leaves)));
    }
    if !tally.ungranted.is_empty() {
        lines.push(format!("  delivered without a grant: leaves {}", listed(&tally.ungranted)));
    }
    lines.extend([String::new(), String::from("Asked for, and no trade on record here")]);
    for asked in &tally.unanswered {
        lines.push(format!("  leaf {} of {}: {} of {} for {}", asked.index, asked.time, asked.user, asked.sector, asked.resource));
    }
    lines.extend([String::new(), format!("Offers that were not accepted in time: {}", tally.lapsed.len())]);
    if !tally.lapsed.is_empty() {
        lines.push(format!("  leaves {}", listed(&tally.lapsed)));
    }
    lines
}

fn document(proven: &Proven, tally: &Tally) -> Value {
    let counts = tally.counts.iter().map(|([sender, receiver, resource, purpose, month], counts)| {
        json!({
            "sender": sender, "receiver": receiver, "resource": resource, "purpose": purpose, "month": month,
            "permitted": counts.permitted, "denied": counts.denied, "not_delivered": counts.other, "refused": counts.refused,
        })
    });
    let grants = tally.grants.iter().map(|(id, given)| {
        json!({
            "id": id, "leaf": given.index, "issuer": given.grant.issuer, "role": given.grant.role.to_string(), "object": given.grant.object,
            "permissions": given.grant.permissions.iter().map(|permission| permission.code()).collect::<Vec<_>>(),
            "purposes": given.grant.purposes, "from": given.grant.period.start.to_string(), "to": given.grant.period.end.to_string(),
            "ended": given.ended.map(|(time, leaf)| json!({ "time": time.to_string(), "leaf": leaf })),
            "uses": given.uses, "outside": given.outside,
        })
    });
    let unanswered = tally.unanswered.iter().map(|asked| {
        json!({ "leaf": asked.index, "time": asked.time.to_string(), "sector": asked.sector, "user": asked.user, "resource": asked.resource })
    });
    let shares = tally.shares.iter().map(|(sector, (given, received))| json!({ "sector": sector, "given": given, "received": received }));
    json!({
        "proof": {
            "verified": true, "origin": proven.checkpoint.origin, "size": proven.checkpoint.size, "root": proven.checkpoint.root.to_string(),
            "level": proven.level, "by": proven.by, "records": proven.leaves.len(), "whole": proven.whole, "not_verified": proven.open,
        },
        "kinds": tally.kinds, "trades": counts.collect::<Vec<_>>(), "shares": shares.collect::<Vec<_>>(),
        "grants": grants.collect::<Vec<_>>(), "unknown_grants": tally.unknown_grants, "ungranted": tally.ungranted,
        "unanswered": unanswered.collect::<Vec<_>>(), "lapsed": tally.lapsed,
    })
}

/// RFC 4180, with a line of names. A value that a spreadsheet would take for a formula gets an apostrophe.
fn table(trades: &[Line]) -> String {
    let cell = |value: &str| {
        let safe = if value.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{value}") } else { value.to_owned() };
        if safe.contains([',', '"', '\n', '\r']) { format!("\"{}\"", safe.replace('"', "\"\"")) } else { safe }
    };
    let mut text = String::from("leaf,time,trade,conversation,sender,receiver,user,resource,purpose,requested,status,outcome,grant\r\n");
    for line in trades {
        let terms = &line.trade.terms;
        let cells = [
            line.index.to_string(),
            line.time.to_string(),
            terms.id.clone(),
            terms.conversation.clone(),
            terms.sender.clone(),
            terms.receiver.clone(),
            terms.user.to_string(),
            terms.resource.clone(),
            terms.purpose.clone(),
            terms.requested.to_string(),
            line.trade.status.clone(),
            line.outcome.code().to_owned(),
            line.trade.grant.clone().unwrap_or_default(),
        ];
        text.push_str(&cells.iter().map(|value| cell(value)).collect::<Vec<_>>().join(","));
        text.push_str("\r\n");
    }
    text
}
