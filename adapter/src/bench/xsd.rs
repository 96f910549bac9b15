//! Parse and validate: this house's reader and validator beside libxml2 in process and Xerces in a warm JVM, in turn, on the same
//! documents.

use super::arguments::{BenchXsd, XsdPeer};
use super::beside::{Asked, compiled, rounds, written};
use super::documents::{Style, VISITS, document};
use super::wrong;
use crate::config::Misconfigured;
use std::path::{Path, PathBuf};
use std::process::Command;
use xsd::read::Limits;
use xsd::schema::Schemas;
use xsd::validate::Checker;

const SIZES: [(usize, &str); 3] = [(1_000, "1 kB"), (10_000, "10 kB"), (100_000, "100 kB")];

/// Measures and prints; whether all floors hold.
pub(super) fn run(arguments: &BenchXsd) -> Result<bool, Misconfigured> {
    let dir = &arguments.dir;
    if dir.exists() {
        return Err(wrong("--dir", &format!("{} exists: name a folder that does not, or remove it", dir.display())));
    }
    std::fs::create_dir_all(dir).map_err(|error| Misconfigured::File(dir.clone(), error))?;
    let mut holds = true;
    for (style, name) in [(Style::Visits, "visits"), (Style::Records, "records")] {
        holds &= measure(arguments, style, name)?;
    }
    std::fs::remove_dir_all(dir).map_err(|error| Misconfigured::File(dir.clone(), error))?;
    Ok(holds)
}

fn measure(arguments: &BenchXsd, style: Style, name: &str) -> Result<bool, Misconfigured> {
    let loaded = match style {
        Style::Visits => Schemas::load(&[("visit.xsd", VISITS)], &|_, _| None),
        Style::Records => xsd::unified::schemas(),
    };
    let schemas = loaded.map_err(|defects| wrong(name, &format!("{} defects", defects.len())))?;
    let schema = match style {
        Style::Visits => written(arguments.dir.join("visit.xsd"), VISITS)?,
        Style::Records => {
            for file in xsd::unified::names() {
                written(arguments.dir.join(file), xsd::unified::document(file).unwrap_or_default())?;
            }
            arguments.dir.join("business.xsd")
        }
    };
    let documents: Vec<Vec<u8>> = SIZES.iter().map(|(octets, _)| document(style, *octets)).collect();
    let mut files = Vec::new();
    for (octets, (_, size)) in documents.iter().zip(SIZES) {
        files.push(written(arguments.dir.join(format!("{name}-{}.xml", size.replace(' ', ""))), octets)?);
    }
    let mut peers = start(arguments, &schema, &files)?;
    let mut checker = Checker::new(&schemas, &Limits::default(), 1);
    let mut holds = true;
    for (number, (octets, (_, size))) in documents.iter().zip(SIZES).enumerate() {
        let id = format!("{name} {size}, {} octets", octets.len());
        let mut check = |times: u64| {
            for _ in 0..times {
                match checker.check(octets, None) {
                    Ok(violations) if violations.is_empty() => {}
                    refused => return Err(wrong(name, &format!("{refused:?}"))),
                }
            }
            Ok(())
        };
        for figure in rounds(&id, number, arguments.quick, &mut check, &mut peers)? {
            holds &= figure.holds().unwrap_or(true);
            figure.print(arguments.json);
        }
    }
    Ok(holds)
}

fn start(arguments: &BenchXsd, schema: &Path, files: &[PathBuf]) -> Result<Vec<Asked>, Misconfigured> {
    let mut peers = Vec::new();
    if arguments.peer.contains(&XsdPeer::Libxml2) {
        let program = compiled(&arguments.peers.join("libxml2.c"), &["-lxml2"], "libxml2-dev", arguments.dir.join("libxml2"))?;
        peers.push(Asked::start("libxml2", vec![1.5; SIZES.len()], Command::new(program).arg(schema).args(files))?);
    }
    if arguments.peer.contains(&XsdPeer::Xerces) {
        let mut java = Command::new("java");
        // One of our threads is measured beside one of its: its collector may have no others.
        java.args(["-XX:+UseSerialGC"]).arg(arguments.peers.join("Xerces.java")).arg(schema).args(files);
        peers.push(Asked::start("Xerces, warm", vec![2.0; SIZES.len()], &mut java)?);
    }
    Ok(peers)
}
