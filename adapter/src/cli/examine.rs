//! `audit verify` of a node's data directory: all of it or a range of its leaves, on many threads, going on where a killed run stood.

use crate::cli::audit::{Verify, trust};
use crate::cli::print;
use crate::cli::session::Failure;
use crate::cli::verbs::usage;
use crate::config::{Misconfigured, file};
use ledger::audit::Trust;
use ledger::examine::{Crew, Examination, Findings, Point, examine, examine_range, look};
use ledger::index::Index;
use ledger::medium::{Directory, StoreError};
use ledger::record::{Entry, number};
use std::fmt::Display;
use std::io::{IsTerminal, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How often a run writes down where it stands.
const KEEP_EVERY: Duration = Duration::from_secs(5);

/// So many threads.
pub(super) struct Threads(usize);

/// That many, or one a processor.
pub(super) fn threads(given: Option<u16>) -> Threads {
    Threads(given.map_or_else(|| std::thread::available_parallelism().map_or(1, Into::into), usize::from))
}

impl Crew for Threads {
    fn each<T: Send, R: Send>(&self, work: Vec<T>, part: impl Fn(T) -> R + Sync) -> Vec<R> {
        let queue = Mutex::new(work.into_iter().enumerate());
        let hand = || {
            let mut mine = Vec::new();
            loop {
                let next = queue.lock().unwrap_or_else(PoisonError::into_inner).next();
                let Some((at, work)) = next else { return mine };
                mine.push((at, part(work)));
            }
        };
        let mut done: Vec<(usize, R)> = std::thread::scope(|scope| {
            let hands: Vec<_> = (0..self.0).map(|_| scope.spawn(hand)).collect();
            let joined = hands.into_iter().map(|hand| hand.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
            joined.flatten().collect()
        });
        done.sort_by_key(|(at, _)| *at);
        done.into_iter().map(|(_, result)| result).collect()
    }
}

/// Leaves `A..B`: from A, before B.
///
/// # Errors
/// What is wrong with it.
pub(super) fn range(text: &str) -> Result<Range<u64>, String> {
    let both = text.split_once("..").and_then(|(from, to)| Some(number(from)?..number(to)?));
    both.filter(|range| !range.is_empty()).ok_or_else(|| format!("'{text}': leaves look like 1000..2000, the last one not included"))
}

/// Verifies a node's data directory.
///
/// # Errors
/// Something in it does not hold, or see [`Failure`].
pub(super) fn directory(arguments: &Verify) -> Result<(), Failure> {
    let needed = "a data directory is verified by the genesis' file, as city/genesis: --genesis FILE (a bundle has a manifest.xml)";
    let genesis = arguments.genesis.as_ref().map(PathBuf::from).filter(|path| path.is_file()).ok_or_else(|| usage(String::from(needed)))?;
    let wrong = |error: &dyn Display| usage(format!("{}: {error}", genesis.display()));
    let examination = Examination {
        genesis: Entry::decode(&file(&genesis)?).map_err(|verdict| wrong(&verdict))?,
        at_rest: arguments.at_rest.as_deref().map(crate::serve::at_rest).transpose()?,
        level: arguments.level,
    };
    let dir = &arguments.bundle;
    let failed = |error: StoreError| Failure::Misconfigured(Misconfigured::Value(format!("{}: {error}", dir.display())));
    let medium = Directory::look(dir).map_err(failed)?;
    let crew = threads(arguments.threads);
    let mut lines = Vec::new();
    let found = if let Some(range) = &arguments.range {
        let policy = match arguments.policy.as_deref().map(|path| trust(Some(path), None)).transpose()? {
            Some(Trust::Policy(policy)) => Some(policy),
            _ => None,
        };
        examine_range(&medium, &examination, policy.as_ref(), range.clone(), &crew).map_err(failed)?
    } else {
        let found = whole(arguments, &medium, &examination, &crew)?;
        lines.extend(strangers(dir).map_err(|error| Misconfigured::File(dir.clone(), error))?);
        lines.extend(beside(dir, &medium, &examination));
        found
    };
    lines.extend(found.damage.iter().map(|damage| format!("{} at {}: {}", damage.file, damage.offset, damage.what)));
    lines.sort();
    said(arguments, &found, &lines);
    if lines.is_empty() { Ok(()) } else { Err(Failure::DoesNotHold(if arguments.json { Vec::new() } else { lines })) }
}

/// All of it, with what a killed run left to go on from.
fn whole(arguments: &Verify, medium: &Directory, what: &Examination, crew: &Threads) -> Result<Findings, Failure> {
    let kept = arguments.resume.as_deref();
    let halfway = kept.filter(|path| path.exists()).map(file).transpose()?;
    if let (Some(path), Some(_)) = (kept, &halfway) {
        print::err(&format!("going on from {}: what was looked at before is not looked at again", path.display()));
    }
    let shown = arguments.progress || std::io::stderr().is_terminal();
    let (since, mut told, mut wrote, mut unwritten) = (Instant::now(), 0, Instant::now(), None);
    let mut progress = |point: &Point<'_>| {
        let seconds = since.elapsed().as_secs();
        if shown && (seconds > told || arguments.progress && point.done == point.all) {
            told = seconds;
            print::err(&format!("leaf {} of {} after {seconds} s", point.done, point.all));
        }
        if let Some(path) = kept.filter(|_| wrote.elapsed() >= KEEP_EVERY) {
            unwritten = keep(path, &point.halfway()).err();
            wrote = Instant::now();
        }
    };
    let found = examine(medium, what, crew, halfway.as_deref(), &mut progress);
    let about = |error: StoreError| match (kept, error) {
        (Some(path), StoreError::Diverged(what)) if halfway.is_some() => Misconfigured::Value(format!("{}: {what}", path.display())),
        (_, error) => Misconfigured::Value(format!("{}: {error}", arguments.bundle.display())),
    };
    let found = found.map_err(about)?;
    match (kept, unwritten) {
        (Some(path), Some(error)) => return Err(Misconfigured::File(path.to_owned(), error).into()),
        (Some(path), None) if path.exists() => {
            std::fs::remove_file(path).map_err(|error| Misconfigured::File(path.to_owned(), error))?;
        }
        _ => {}
    }
    Ok(found)
}

/// Replaces a file as a whole: a run that is killed meanwhile leaves the one before.
pub(super) fn keep(path: &Path, octets: &[u8]) -> std::io::Result<()> {
    let mut draft = path.as_os_str().to_owned();
    draft.push(".new");
    let mut written = std::fs::File::create(&draft)?;
    written.write_all(octets)?;
    written.sync_all()?;
    std::fs::rename(&draft, path)?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    std::fs::File::open(folder)?.sync_all()
}

fn said(arguments: &Verify, found: &Findings, lines: &[String]) {
    if arguments.json {
        let document = serde_json::json!({
            "verified": lines.is_empty(), "level": arguments.level, "leaves": found.leaves, "root": found.root.map(|root| root.to_string()),
            "range": arguments.range.as_ref().map(|range| [range.start, range.end]),
            "checkpoints": found.checkpoints, "signatures": found.signatures, "unseen": found.unseen, "problems": lines,
        });
        print::out(&document.to_string());
    } else if lines.is_empty() {
        let root = found.root.map_or_else(String::new, |root| format!(", root {root}"));
        match &arguments.range {
            Some(range) => print::out(&format!(
                "leaves {} to {} are under the published checkpoint{root}; {} signatures of their parties hold",
                range.start,
                range.end - 1,
                found.signatures
            )),
            None => {
                print::out(&format!("verified to level {}: {} leaves{root}", arguments.level, found.leaves));
                print::out(&format!("{} checkpoints and {} signatures of parties hold", found.checkpoints, found.signatures));
            }
        }
        found.unseen.iter().for_each(|unseen| print::out(unseen));
    }
}

/// What is in a data directory that no store has there: folders but for the index, and anything in the lock.
fn strangers(dir: &Path) -> std::io::Result<Vec<String>> {
    let mut lines = Vec::new();
    for item in dir.read_dir()? {
        let item = item?;
        let (name, kind) = (item.file_name(), item.file_type()?);
        let known = kind.is_file() && (name != "lock" || item.metadata()?.len() == 0) || kind.is_dir() && name == "index";
        if !known || name.to_str().is_none() {
            lines.push(format!("{} at 0: does not belong here", name.to_string_lossy()));
        }
    }
    Ok(lines)
}

/// The index, which is a cache with checksums, and what the node cosigned, which stands beside the directory.
fn beside(dir: &Path, medium: &Directory, what: &Examination) -> Vec<String> {
    let mut lines = Vec::new();
    if what.level > 0 && dir.join("index").is_dir() {
        match Index::inspect(&dir.join("index")) {
            Ok(damage) => lines.extend(damage.iter().map(|damage| {
                let help = "the index is a cache: delete it, and the next start makes it again";
                format!("index/{} at {}: {}; {help}", damage.file, damage.offset, damage.what)
            })),
            Err(error) => lines.push(format!("index at 0: {error}")),
        }
    }
    let witness = dir.canonicalize().ok().and_then(|dir| Some(dir.parent()?.join("witness"))).filter(|witness| witness.is_dir());
    if let Some(witness) = witness.filter(|_| what.level > 0) {
        let node = look(medium, &what.genesis, what.at_rest.clone()).ok();
        let ours = |origin: &str, size: u64| {
            let node = node.as_ref().filter(|node| what.level > 2 && node.state().origin() == origin)?;
            node.tree().root(size)
        };
        lines.extend(crate::witness::inspect(&witness, &ours));
    }
    lines
}
