//! The demo: a city of three sectors and the Bureau as real processes, and the fifteen steps of the paper between them.

mod drill;
mod grow;
mod plan;
mod processes;
mod show;
mod tamper;

pub use grow::grow;

use crate::cli::session::Failure;
use crate::cli::{Demo, Drill, LegacySystem, print};
use crate::config::Misconfigured;
use serde_json::json;
use std::path::Path;
use std::time::Instant;
use tokio::signal::unix::{SignalKind, signal};

/// Seed of the legacy systems' records: every run of the demo has the same citizens.
pub const SEED: u64 = 2021;

/// The demo stays on this machine.
const HOSTS: [&str; 4] = ["127.0.0.1"; 4];

/// Lays a city out without starting it: certificates, keys, configurations, genesis and policy, with the members transport,
/// health, civil and bureau on `hosts`.
///
/// # Errors
/// `dir` holds something else, or a file cannot be written.
pub fn lay_out(dir: &Path, hosts: [&str; 4], mappings: &Path) -> Result<(), Misconfigured> {
    clear(dir)?;
    let mappings = mappings.canonicalize().map_err(|error| Misconfigured::File(mappings.to_owned(), error))?;
    plan::lay_out(dir, &plan::members(hosts)?, &mappings, crate::replica::now())
}

/// `waybill demo`.
///
/// # Errors
/// The city does not stand, or a step of it does not do what the paper says.
pub async fn run(demo: Demo) -> Result<(), Failure> {
    let since = Instant::now();
    let say = |line: &str| if demo.json { print::err(line) } else { print::out(line) };
    let dir = std::path::absolute(&demo.dir).map_err(|error| Misconfigured::File(demo.dir.clone(), error))?;
    clear(&dir)?;
    let mappings = demo.mappings.canonicalize().map_err(|error| Misconfigured::File(demo.mappings.clone(), error))?;
    let members = plan::members(HOSTS)?;
    plan::lay_out(&dir, &members, &mappings, crate::replica::now())?;
    let mut processes = processes::Processes::start(&dir, &members, &mappings, demo.records)?;
    let shown = show::all(&dir, &members, &mappings, &say).await;
    let shown = match shown {
        Ok(shown) => shown,
        Err(failure) => {
            processes.stop().await;
            return Err(failure);
        }
    };
    let drilled = match demo.drill {
        Some(Drill::Kill) => Some(drill::kill(&dir, &members, &mut processes, &say).await),
        Some(Drill::Tamper) => Some(tamper::tamper(&dir, &members, &say).await),
        None => None,
    };
    let drilled = match drilled.transpose() {
        Ok(drilled) => drilled,
        Err(failure) => {
            processes.stop().await;
            return Err(failure);
        }
    };
    let seconds = u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX);
    if demo.json {
        let sectors: Vec<_> = members.iter().map(|member| json!({ "name": member.id, "url": member.url() })).collect();
        let document = json!({
            "ok": shown.ok() && drilled.as_ref().is_none_or(|drilled| drilled.missing.is_empty()),
            "seconds": show::thousandths(seconds),
            "sectors": sectors,
            "steps": shown.steps,
            "trades": shown.trades,
            "proof": shown.proof,
            "drill": drilled.as_ref().map(|drilled| &drilled.document),
        });
        print::out(&document.to_string());
    } else {
        print::out(&format!("Shown in {}.{:03} s.", seconds / 1000, seconds % 1000));
    }
    if !demo.exit {
        for member in &members {
            say(&format!("  {:<10} {}/ws/trading?wsdl", member.id, member.url()));
        }
        say(&format!("Certificates and profiles are in {}. Try, in another terminal:", dir.display()));
        if let Some((resource, field, value)) = example()?.first() {
            let program = std::env::current_exe().map_err(|error| Misconfigured::File("waybill".into(), error))?;
            let profile = dir.join("civil/clerk.toml");
            let (program, profile) = (program.display(), profile.display());
            say(&format!("  {program} trade request --profile {profile} --purpose medical-aid {resource} {field}={value}"));
        }
        say("The city is up; Ctrl-C ends it.");
        wait().await;
    }
    processes.stop().await;
    let missing: Vec<String> = shown.missing().into_iter().chain(drilled.into_iter().flat_map(|drilled| drilled.missing)).collect();
    if missing.is_empty() { Ok(()) } else { Err(Failure::DoesNotHold(missing)) }
}

/// One of the legacy systems, in a process of its own.
///
/// # Errors
/// Its contract cannot be read or its address not be bound.
pub async fn legacy(arguments: &LegacySystem) -> Result<(), Failure> {
    let wrong = |error: &dyn std::fmt::Display| Misconfigured::Value(format!("{}: {error}", arguments.sector));
    let listener = tokio::net::TcpListener::bind(&arguments.listen).await.map_err(|error| wrong(&error))?;
    let served = crate::legacy_system::serve(&arguments.sector, listener, arguments.records, SEED).await;
    Ok(served.map_err(|error| wrong(&error))?)
}

/// (resource, field, value) by which the records of one citizen are found in transport and in health.
///
/// # Errors
/// The legacy systems have no records, which a test would have shown.
pub fn example() -> Result<Vec<(&'static str, &'static str, String)>, Failure> {
    let none = || Failure::Garbled(String::from("the legacy systems have no records"));
    let first = crate::legacy_system::records("transport", SEED, 1).ok().and_then(|records| records.into_iter().next()).ok_or_else(none)?;
    let citizen = first.elements().find(|element| element.name().local() == "sfzmhm").map(xsd::tree::Element::string).ok_or_else(none)?;
    Ok(vec![("transport/vehicle", "owner-id", citizen.clone()), ("health/visit", "patient-id", citizen)])
}

/// Removes an earlier city; anything else that stands there is left alone.
fn clear(dir: &Path) -> Result<(), Misconfigured> {
    let failed = |error| Misconfigured::File(dir.to_owned(), error);
    if !dir.exists() {
        return Ok(());
    }
    let empty = dir.read_dir().map_err(failed)?.next().is_none();
    let earlier = dir.join(plan::MARKER).exists();
    if !empty && !earlier {
        return Err(Misconfigured::Value(format!("{} is not empty and no earlier city: name another with --dir", dir.display())));
    }
    if let Some(pid) = running(dir) {
        let sentence = format!("a city is running in {} (process {pid}): end it first, or name another with --dir", dir.display());
        return Err(Misconfigured::Value(sentence));
    }
    std::fs::remove_dir_all(dir).map_err(failed)
}

/// A node of the city in `dir` that still runs.
fn running(dir: &Path) -> Option<String> {
    let nodes = dir.read_dir().ok()?.filter_map(Result::ok).map(|entry| entry.path());
    nodes
        .filter_map(|node| {
            let pid = std::fs::read_to_string(node.join("pid")).ok()?;
            let command = std::fs::read(format!("/proc/{}/cmdline", pid.trim())).ok()?;
            let config = node.join("waybill.toml").display().to_string();
            String::from_utf8_lossy(&command).contains(&config).then(|| pid.trim().to_owned())
        })
        .next()
}

async fn wait() {
    let signals = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()), signal(SignalKind::hangup()));
    let (Ok(mut term), Ok(mut int), Ok(mut hangup)) = signals else { return };
    tokio::select! {
        _ = term.recv() => {}
        _ = int.recv() => {}
        _ = hangup.recv() => {}
    }
}
