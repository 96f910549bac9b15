//! The verbs of `audit`: pull evidence, verify it offline, report on it, follow nodes live.

use crate::cli::pull::Parts;
use crate::cli::session::{Failure, Session};
use crate::cli::verbs::{instant, open, status, usage};
use crate::cli::{Caller, Filter, print};
use crate::config::{Misconfigured, file};
use crate::unified::audit::{Pull, PullResponse};
use clap::{Args, Subcommand};
use ledger::audit::{Complete, Covered, Files, Query, Report, Trust, parts, verify_parts};
use ledger::checkpoint::Policy;
use ledger::record::{Kind, Leaf};
use ledger::tree::Hash;
use std::io::IsTerminal;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// Verbs of `audit`.
#[derive(Debug, Subcommand)]
pub enum Audit {
    /// Pulls a history with its proofs into a directory that verifies on any machine.
    Pull {
        /// Who asks whom.
        #[command(flatten)]
        caller: Caller,
        /// What is asked.
        #[command(flatten)]
        question: Box<Question>,
        /// The directory to write; it must not exist. Of many records it holds parts, `part-000001` and so on: bundles of periods that follow
        /// each other.
        #[arg(long)]
        bundle: PathBuf,
        /// Records of a part: so many are in memory at once, here and at the node.
        #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u64).range(1..=1000))]
        part: u64,
        /// Go on with a pull of the same question that was cut, where its last whole part ends.
        #[arg(long)]
        resume: bool,
        /// Say on standard error how far it is, also where that is no terminal.
        #[arg(long)]
        progress: bool,
        /// End 1 if there is any such record, or if the bundle does not show that there is none in the whole period.
        #[arg(long)]
        expect_none: bool,
    },
    /// Verifies a bundle, or a node's data directory, offline. Ends 1 and names the file if anything in it was changed, added or removed.
    ///
    /// Examples: waybill audit verify city/civil/ledger --genesis city/genesis
    ///           waybill audit verify city/civil/ledger --genesis city/genesis --policy city/policy --range 1000..2000
    Verify(Verify),
    /// Verifies a bundle or a node's data directory and tells a person what is in it: who asked what of whom, what was permitted and
    /// denied, by which grants, and what nobody answered. Of what does not hold nothing is reported.
    ///
    /// Example: waybill audit report evidence --policy city/policy --csv trades.csv
    Report(crate::cli::report::Tell),
    /// Follows nodes: each new checkpoint is verified, goes on from the one that was seen last and is what its leaves lead to; new records
    /// that fit are printed, a JSON document a line. A fork, a rollback, a wrong key, a missing quorum and an old checkpoint are alarms: a
    /// line, and the exit status 3.
    ///
    /// Example: waybill audit watch --profile city/bureau/auditor.toml --policy city/policy --state seen --kind trade
    Watch(Box<crate::cli::watch::Watch>),
}

/// What a bundle is to show; all that is given must hold.
#[derive(Clone, Debug, Args)]
pub struct Question {
    /// Only what this sector sent or received.
    #[arg(long)]
    pub sector: Option<String>,
    /// Only between `--sector` and this one.
    #[arg(long, requires = "sector")]
    pub with: Option<String>,
    /// A kind of record: trade, grant, log …
    #[arg(long)]
    pub kind: Option<String>,
    /// A trade's purpose.
    #[arg(long)]
    pub purpose: Option<String>,
    /// Which trades.
    #[command(flatten)]
    pub filter: Filter,
}

/// Arguments of `audit verify`.
#[derive(Clone, Debug, Args)]
pub struct Verify {
    /// The bundle, or the data directory of a node that does not run, or a copy of it.
    pub bundle: PathBuf,
    /// The trust root: a policy file with the origin, the nodes' keys and the quorum.
    #[arg(long, required_unless_present = "genesis")]
    pub policy: Option<PathBuf>,
    /// The trust root: the genesis fingerprint, 64 hexadecimal digits; for a data directory the genesis' file.
    #[arg(long)]
    pub genesis: Option<String>,
    /// Of a data directory, each level with those before it: 0 names, 1 and 2 checksums, leaf hashes and tiles, 3 checkpoints and who
    /// signed them, 4 every party's signature, 5 what every leaf did.
    #[arg(long, default_value_t = ledger::examine::LEVEL_MAX, value_parser = clap::value_parser!(u8).range(0..=5))]
    pub level: u8,
    /// The keys at rest of an encrypted data directory.
    #[arg(long)]
    pub at_rest: Option<PathBuf>,
    /// Of a data directory, only these leaves, as 1000..2000, against the published checkpoint: those before them are not read.
    #[arg(long, value_parser = crate::cli::examine::range)]
    pub range: Option<Range<u64>>,
    /// Of a data directory: a file that a run which is killed goes on from, when it is started again with it.
    #[arg(long, conflicts_with = "range")]
    pub resume: Option<PathBuf>,
    /// Threads for a data directory or the parts of a bundle; as many as there are processors. What is found is the same.
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub threads: Option<u16>,
    /// Say on standard error how far it is, also where that is no terminal.
    #[arg(long)]
    pub progress: bool,
    /// End 1 if the bundle holds an answer, or does not show that there is none in the whole period.
    #[arg(long)]
    pub expect_none: bool,
    /// Print one JSON document.
    #[arg(long)]
    pub json: bool,
}

/// `waybill audit …`.
///
/// # Errors
/// See [`Failure`].
pub async fn run(verb: Audit) -> Result<(), Failure> {
    match verb {
        Audit::Pull { caller, question, bundle, part, resume, progress, expect_none } => {
            let pull = Parts { question: &question, dir: &bundle, limit: part, resume, shown: progress || std::io::stderr().is_terminal() };
            let number = pull.run(&open(&caller)?).await?;
            let parts = if number == 0 { String::from("one bundle") } else { format!("a bundle of {number} parts") };
            print::out(&format!("{}: {parts}. Verify it anywhere: waybill audit verify {0} --policy FILE", bundle.display()));
            if expect_none {
                let own = own_genesis(&bundle).ok_or_else(|| Failure::Garbled(String::from("a bundle without a genesis")))?;
                expected_none(&verified(&bundle, &Trust::Fingerprint(own), None, false)?)?;
                print::out("there is no such record, if the genesis in the bundle is the one you trust");
            }
            Ok(())
        }
        Audit::Verify(arguments) => verify(&arguments),
        Audit::Watch(watch) => crate::cli::watch::run(&watch).await,
        Audit::Report(tell) => crate::cli::report::run(&tell),
    }
}

/// A question as it is asked of leaves at hand.
pub(super) fn query(question: &Question) -> Result<Query, Failure> {
    let filter = &question.filter;
    let kind =
        question.kind.as_deref().map(|kind| Kind::from_code(kind).ok_or_else(|| usage(format!("--kind '{kind}': no kind of record"))));
    Ok(Query {
        sector: question.sector.clone(),
        with: question.with.clone(),
        sender: filter.sender.clone(),
        receiver: filter.receiver.clone(),
        what: filter.what.clone(),
        kind: kind.transpose()?,
        status: filter.status.as_deref().map(status).transpose()?.map(|status| status.to_string()),
        purpose: question.purpose.clone(),
        from: filter.from.as_deref().map(|from| instant("--from", from)).transpose()?.map(|from| from.0),
        to: filter.to.as_deref().map(|to| instant("--to", to)).transpose()?.map(|to| to.0),
        ..Query::default()
    })
}

/// A question as it is asked of a node.
pub(super) fn request(question: &Question) -> Result<Pull, Failure> {
    let filter = &question.filter;
    Ok(Pull {
        sector: question.sector.clone(),
        partner: question.with.clone(),
        sender: filter.sender.clone(),
        receiver: filter.receiver.clone(),
        resource: filter.what.clone(),
        kind: question.kind.clone(),
        status: filter.status.as_deref().map(status).transpose()?,
        purpose: question.purpose.clone(),
        from: filter.from.as_deref().map(|from| instant("--from", from)).transpose()?,
        to: filter.to.as_deref().map(|to| instant("--to", to)).transpose()?,
        limit: None,
    })
}

/// Pulls a bundle's files.
///
/// # Errors
/// See [`Failure`].
pub async fn pull(session: &Session, question: &Question) -> Result<PullResponse, Failure> {
    session.call("audit", &request(question)?).await
}

/// The fingerprint of the genesis in a bundle.
fn own_genesis(bundle: &Path) -> Option<Hash> {
    let part = parts(bundle).ok()?.0.into_iter().next().unwrap_or_else(|| bundle.to_owned());
    let leaf = Leaf::read(&std::fs::read(part.join("entries").join("0000000000.xml")).ok()?).ok()?;
    Some(Hash::of(leaf.entry.body()))
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

/// The trust root that was given.
pub(super) fn trust(policy: Option<&Path>, genesis: Option<&str>) -> Result<Trust, Failure> {
    match (policy, genesis) {
        (Some(path), _) => {
            let text = String::from_utf8_lossy(&file(path)?).into_owned();
            let policy = Policy::parse(&text).map_err(|line| usage(format!("{}:{line}: not a policy line", path.display())))?;
            Ok(Trust::Policy(policy))
        }
        (None, Some(fingerprint)) => {
            let hash = Hash::from_hex(fingerprint).ok_or_else(|| usage(String::from("--genesis: 64 hexadecimal digits")))?;
            Ok(Trust::Fingerprint(hash))
        }
        (None, None) => Err(usage(String::from("give the trust root: --policy FILE or --genesis FINGERPRINT"))),
    }
}

/// Verifies a bundle, or its parts on so many threads.
fn verified(bundle: &Path, trust: &Trust, threads: Option<u16>, shown: bool) -> Result<Report, Failure> {
    let failed = |error| Misconfigured::File(bundle.to_owned(), error);
    let count = parts(bundle).map_err(failed)?.0.len();
    if count == 0 {
        return Ok(ledger::audit::verify(bundle, trust).map_err(failed)?);
    }
    let (since, said) = (Instant::now(), Mutex::new((0, 0)));
    let done = |_: &Files, part: &Report| {
        let mut said = said.lock().unwrap_or_else(PoisonError::into_inner);
        *said = (said.0 + 1, said.1 + part.entries);
        if shown {
            print::err(&format!("part {} of {count}, {} entries after {} s", said.0, said.1, since.elapsed().as_secs()));
        }
    };
    Ok(verify_parts(bundle, trust, &crate::cli::examine::threads(threads), &done).map_err(failed)?)
}

fn verify(arguments: &Verify) -> Result<(), Failure> {
    let has = |name: &str| arguments.bundle.join(name).exists();
    let in_parts = arguments.bundle.is_dir() && parts(&arguments.bundle).is_ok_and(|(parts, _)| !parts.is_empty());
    if arguments.bundle.is_dir() && !in_parts && !has("manifest.xml") && !has("manifest.sig") && !has("entries") {
        return crate::cli::examine::directory(arguments);
    }
    if arguments.range.is_some() || arguments.resume.is_some() {
        return Err(usage(String::from("--range and --resume are for a node's data directory")));
    }
    let trust = trust(arguments.policy.as_deref(), arguments.genesis.as_deref())?;
    if arguments.bundle.is_file() {
        return fork(&arguments.bundle, &trust, arguments.json);
    }
    let shown = arguments.progress || std::io::stderr().is_terminal();
    let report = verified(&arguments.bundle, &trust, arguments.threads, shown)?;
    let lines: Vec<String> = report.problems.iter().map(ToString::to_string).collect();
    if arguments.json {
        print::out(&document(&report, &lines).to_string());
    } else if lines.is_empty() {
        described(&report);
    }
    if !lines.is_empty() {
        return Err(Failure::DoesNotHold(if arguments.json { Vec::new() } else { lines }));
    }
    if arguments.expect_none { expected_none(&report) } else { Ok(()) }
}

/// That a bundle which holds shows that nothing fits its question.
fn expected_none(report: &Report) -> Result<(), Failure> {
    let mut lines: Vec<String> = report.problems.iter().map(ToString::to_string).collect();
    let until = report.root.map_or_else(String::new, |(_, time)| time.to_string());
    if lines.is_empty() && !report.is_complete() {
        lines.push(String::from("error[not-complete]: what is there is proven, but not that it is all: ask for a sector or a resource"));
    } else if lines.is_empty() && report.query.to.is_some_and(|to| report.root.is_none_or(|(_, time)| time < to)) {
        lines.push(format!("error[not-over]: shown up to {until}, and the period ends later"));
    }
    lines.extend(report.answers.iter().map(|index| format!("error[found]: entry {index} fits what was asked")));
    if lines.is_empty() { Ok(()) } else { Err(Failure::DoesNotHold(lines)) }
}

fn in_words(report: &Report) -> Vec<String> {
    report.query.pairs().iter().map(|(name, value)| format!("{name}={value}")).collect()
}

fn stream(covered: &Covered) -> String {
    format!("{} {} {}-{}", covered.kind.code(), covered.id, covered.first, covered.last)
}

fn whole(complete: &Complete) -> String {
    let Complete { kind, id, count, within, root } = complete;
    format!("{} {id}: all {within} records of the period, of {count} before leaf {root}", kind.code())
}

fn document(report: &Report, lines: &[String]) -> serde_json::Value {
    serde_json::json!({
        "verified": lines.is_empty(),
        "entries": report.entries,
        "signatures": report.signatures,
        "size": report.checkpoint.as_ref().map_or(0, |checkpoint| checkpoint.size),
        "exporter": report.exporter,
        "query": in_words(report),
        "answers": report.answers,
        "all": report.is_complete(),
        "until": report.root.map(|(_, time)| time.to_string()),
        "streams": report.streams.iter().map(stream).collect::<Vec<_>>(),
        "complete": report.complete.iter().map(whole).collect::<Vec<_>>(),
        "problems": lines,
    })
}

fn described(report: &Report) {
    let size = report.checkpoint.as_ref().map_or(0, |checkpoint| checkpoint.size);
    print::out(&format!("verified: {} entries under a checkpoint of {size} leaves; every file, proof and signature holds", report.entries));
    let query = in_words(report);
    let asked = if query.is_empty() { String::from("everything") } else { query.join(", ") };
    print::out(&format!("exported by {}; asked for: {asked}", report.exporter));
    let until = report.root.map_or_else(String::new, |(root, time)| format!("up to leaf {root} of {time}"));
    match (report.answers.len(), report.is_complete()) {
        (0, true) => print::out(&format!("no record fits: that is proven {until}")),
        (count, true) => print::out(&format!("{count} records fit, and it is proven that these are all {until}")),
        (count, false) => {
            print::out(&format!("{count} records fit; that these are all is not shown: the question names no party or resource"))
        }
    }
    for complete in &report.complete {
        print::out(&format!("complete, by the state root: {}", whole(complete)));
    }
    print::out("without a gap between (and nothing said of what came after):");
    for covered in &report.streams {
        print::out(&format!("  {}", stream(covered)));
    }
}

/// Verifies the proof of a lie: two checkpoints that exclude each other.
fn fork(path: &Path, trust: &Trust, json: bool) -> Result<(), Failure> {
    let Trust::Policy(policy) = trust else {
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
