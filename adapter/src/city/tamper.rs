//! The drill `tamper`: octets are flipped on one node's disk while it runs; it finds and names each, and mends it.

use super::drill::{City, Drilled, PATIENCE, leader};
use super::plan::Member;
use super::show::thousandths;
use crate::cli::session::Failure;
use crate::config::Misconfigured;
use serde_json::{Value, json};
use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Leaves after which a segment is certainly sealed.
const SEALED: u64 = 16_384 + 2_048;
/// A flip is found within this time.
const SECOND: Duration = Duration::from_secs(1);

/// One flip, and what the node said of it.
struct Flip {
    file: String,
    offset: u64,
    found: Duration,
    named: String,
    mended: Duration,
    /// Whether the file's octets are what they were; the log goes on in new files instead.
    same: bool,
}

/// `waybill demo tamper`.
///
/// # Errors
/// The city cannot be reached, its disk not be written, or a flip is not found or not mended.
pub(super) async fn tamper(dir: &Path, members: &[Member], say: &impl Fn(&str)) -> Result<Drilled, Failure> {
    let city = City { dir, members };
    let leads = leader(&city).await?;
    let victim = members.iter().find(|member| member.legacy.is_some() && member.id != leads.id);
    let victim = victim.ok_or_else(|| Failure::DoesNotHold(vec![String::from("error[leader]: the city has no follower")]))?;
    super::grow::grow(dir, SEALED).await?;
    let ledger = victim.dir(dir).join("ledger");
    let segment = sealed(&ledger).await?;
    let settled = city.settled().await;
    say(&format!("{} leads; the disk of {} is tampered with while its node runs.", leads.id, victim.id));
    let mut flips = Vec::new();
    for file in [segment.as_str(), "tiles_0", "wal_"] {
        flips.push(flip(&victim.dir(dir), &ledger, file, say).await?);
    }
    let mut missing = Vec::new();
    for flip in &flips {
        if flip.found > SECOND {
            missing.push(format!("error[late]: the flip in {} was found only after {} ms", flip.file, flip.found.as_millis()));
        }
        if !flip.same {
            missing.push(format!("error[mended]: {} is not what it was", flip.file));
        }
    }
    let after = city.settled().await;
    if after.is_none() || settled.is_none() {
        missing.push(String::from("error[nodes]: the nodes do not hold the same leaves"));
    }
    if let Some((leaves, root)) = &after {
        say(&format!("All four nodes hold the same {leaves} leaves, root {root}."));
    }
    let us = |time: Duration| thousandths(u64::try_from(time.as_micros()).unwrap_or(u64::MAX));
    let told = |flip: &Flip| {
        json!({
            "file": flip.file, "offset": flip.offset, "named": flip.named, "found_ms": us(flip.found), "mended_ms": us(flip.mended),
            "as_before": flip.same,
        })
    };
    let document = json!({
        "ok": missing.is_empty(), "drill": "tamper", "victim": victim.id, "leads": leads.id,
        "flips": flips.iter().map(told).collect::<Vec<Value>>(),
        "leaves": after.as_ref().map(|(leaves, _)| leaves), "root": after.as_ref().map(|(_, root)| root),
    });
    Ok(Drilled { document, missing })
}

/// The first sealed segment, when it is there.
async fn sealed(ledger: &Path) -> Result<String, Failure> {
    let until = Instant::now() + PATIENCE;
    loop {
        if let Some(name) = names(ledger)?.into_iter().find(|name| name.starts_with("seg_")) {
            return Ok(name);
        }
        if Instant::now() > until {
            return Err(Failure::DoesNotHold(vec![format!("error[seal]: {} has no sealed segment after {PATIENCE:?}", ledger.display())]));
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn names(ledger: &Path) -> Result<Vec<String>, Misconfigured> {
    let failed = |error| Misconfigured::File(ledger.to_owned(), error);
    let mut names = Vec::new();
    for entry in ledger.read_dir().map_err(failed)? {
        names.extend(entry.map_err(failed)?.file_name().into_string());
    }
    names.sort();
    Ok(names)
}

/// Flips an octet of the newest file whose name begins so, and waits for what the node says.
async fn flip(victim: &Path, ledger: &Path, begins: &str, say: &impl Fn(&str)) -> Result<Flip, Failure> {
    let name = names(ledger)?.into_iter().rfind(|name| name.starts_with(begins)).unwrap_or_else(|| begins.to_owned());
    let path = ledger.join(&name);
    let failed = |error| Misconfigured::File(path.clone(), error);
    let before = fs::read(&path).map_err(failed)?;
    let used = before.iter().rposition(|octet| *octet != 0).unwrap_or(0) as u64;
    // In the log, what came since the last seal; elsewhere, the middle.
    let offset = if begins == "wal_" { used.saturating_sub(1000) } else { used / 2 };
    let octet = before.get(usize::try_from(offset).unwrap_or(0)).copied().unwrap_or(0);
    let log = victim.join("log");
    let heard = fs::read_to_string(&log).map_err(|error| Misconfigured::File(log.clone(), error))?.len();
    let file = OpenOptions::new().write(true).open(&path).map_err(failed)?;
    file.write_all_at(&[octet ^ 1], offset).and_then(|()| file.sync_all()).map_err(failed)?;
    let since = Instant::now();
    say(&format!("  octet {offset} of {name} was {octet:#04x} and is {:#04x} now", octet ^ 1));
    let (found, named) = hear(&log, heard, "damage on this node's disk", &name, since).await?;
    say(&format!("  found after {} ms: {named}", found.as_millis()));
    let (mended, _) = hear(&log, heard, "damage mended", &name, since).await?;
    let same = match fs::read(&path) {
        Ok(after) => after == before,
        Err(_) => begins == "wal_",
    };
    say(&format!("  mended after {} ms{}", mended.as_millis(), if path.exists() { ", as it was" } else { ", in a new file" }));
    Ok(Flip { file: name, offset, found, named, mended, same })
}

/// Waits for a line of the node's log about a file, and gives what it says of it.
async fn hear(log: &PathBuf, from: usize, what: &str, file: &str, since: Instant) -> Result<(Duration, String), Failure> {
    loop {
        let text = fs::read(log).map_err(|error| Misconfigured::File(log.clone(), error))?;
        let text = String::from_utf8_lossy(text.get(from..).unwrap_or_default()).into_owned();
        if let Some(line) = text.lines().find(|line| line.contains(what) && line.contains(file)) {
            let said = line.split_once(what).map_or(line, |(_, said)| said.trim()).to_owned();
            return Ok((since.elapsed(), said));
        }
        if since.elapsed() > PATIENCE {
            let lines = format!("error[tamper]: the node does not say '{what}' of {file} within {PATIENCE:?}; see {}", log.display());
            return Err(Failure::DoesNotHold(vec![lines]));
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
