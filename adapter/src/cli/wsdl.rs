//! `waybill wsdl`: contracts of legacy systems, judged and taken apart. What is judged is in the crate `wsdl`.

use super::map::described;
use super::print;
use super::session::Failure;
use super::verbs::usage;
use crate::config::Misconfigured;
use ::wsdl::{Contract, Exchange, Finding, Severity, Style, import, stub};
use clap::{Subcommand, ValueEnum};
use serde_json::json;
use std::path::{Component, Path, PathBuf};

/// Verbs of `wsdl`.
#[derive(Debug, Subcommand)]
pub enum Wsdl {
    /// Judges a contract: every departure from WSDL 1.1 and WS-I Basic Profile 1.1 with its rule and place. Nothing is fetched: a document
    /// at an address is looked for by its last name beside the contract.
    ///
    /// Example: waybill wsdl check mappings/health/visit.wsdl
    Check {
        /// The contract.
        file: PathBuf,
        /// How findings are written.
        #[arg(long, value_enum, default_value_t = Form::Text)]
        output: Form,
    },
    /// Takes a contract apart into what a sector's folder begins with: its documents, a schema for each one inside it, the wrappers of rpc
    /// messages, stubs of metadata and definition; and says which commands come next.
    ///
    /// Example: waybill wsdl import legacy/visit.wsdl --into sectors/health
    Import {
        /// The contract.
        file: PathBuf,
        /// The sector's folder; no file in it is overwritten.
        #[arg(long)]
        into: PathBuf,
    },
}

/// Forms of findings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Form {
    /// A line each.
    Text,
    /// One JSON document.
    Json,
}

/// `waybill wsdl …`.
///
/// # Errors
/// The contract has an error, or see [`Failure`].
pub(super) fn run(verb: &Wsdl) -> Result<(), Failure> {
    match verb {
        Wsdl::Check { file, output } => check(file, *output),
        Wsdl::Import { file, into } => take_apart(file, into),
    }
}

/// A document beside the contract, or below that folder.
fn beside(folder: &Path) -> impl Fn(&str) -> Option<Vec<u8>> {
    move |location| {
        let remote = location.contains("://");
        let path = Path::new(if remote { location.rsplit('/').next()? } else { location });
        let inside = path.components().all(|part| matches!(part, Component::Normal(_)));
        described(&folder.join(path)).ok().filter(|_| inside)
    }
}

fn name_of(path: &Path) -> Result<(&str, &Path), Failure> {
    let name = path.file_name().and_then(|name| name.to_str());
    let name = name.ok_or_else(|| usage(format!("{}: this is not the name of a file", path.display())))?;
    Ok((name, path.parent().unwrap_or(Path::new(""))))
}

fn check(path: &Path, form: Form) -> Result<(), Failure> {
    let (name, folder) = name_of(path)?;
    let judged = Contract::judge(name, &described(path)?, &beside(folder));
    match form {
        Form::Json => print::out(&json(&judged.findings, judged.contract.as_ref()).to_string()),
        Form::Text => {
            judged.findings.iter().for_each(|finding| print::out(&finding.to_string()));
            print::out(&tally(&judged.findings, judged.contract.as_ref().map_or(0, |contract| contract.operations().count())));
        }
    }
    let sound = judged.findings.iter().all(|finding| finding.severity() != Severity::Error);
    if sound { Ok(()) } else { Err(Failure::DoesNotHold(Vec::new())) }
}

fn tally(findings: &[Finding], operations: usize) -> String {
    let count = |severity| findings.iter().filter(|finding| finding.severity() == severity).count();
    let (errors, warnings, notes) = (count(Severity::Error), count(Severity::Warning), count(Severity::Note));
    format!("{operations} operations usable; {errors} errors, {warnings} warnings, {notes} notes")
}

fn json(findings: &[Finding], contract: Option<&Contract>) -> serde_json::Value {
    let findings: Vec<serde_json::Value> = findings
        .iter()
        .map(|finding| {
            json!({
                "rule": finding.rule.id(), "severity": finding.severity().to_string(), "file": finding.file,
                "line": finding.place.line, "column": finding.place.column, "text": finding.what, "asks": finding.rule.sentence(),
            })
        })
        .collect();
    let operations: Vec<serde_json::Value> = contract
        .iter()
        .flat_map(|contract| contract.ports())
        .flat_map(|port| port.operations.iter().map(move |operation| (port, operation)))
        .map(|(port, operation)| {
            json!({
                "port": port.name, "name": operation.name, "style": if operation.style == Style::Rpc { "rpc" } else { "document" },
                "use": if operation.encoded { "encoded" } else { "literal" }, "soapAction": operation.soap_action,
                "input": operation.input.to_string(), "output": operation.output.as_ref().map(ToString::to_string),
                "headers": operation.input_headers.iter().map(ToString::to_string).collect::<Vec<_>>(),
            })
        })
        .collect();
    json!({ "findings": findings, "operations": operations })
}

fn take_apart(path: &Path, into: &Path) -> Result<(), Failure> {
    let (name, folder) = name_of(path)?;
    let (imported, findings) = import(name, &described(path)?, &beside(folder));
    findings.iter().for_each(|finding| print::err(&finding.to_string()));
    let Some(mut imported) = imported else { return Err(Failure::DoesNotHold(Vec::new())) };
    let resource = identifier(name.strip_suffix(".wsdl").unwrap_or(name));
    let sector = identifier(&into.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default());
    imported.files.push((format!("{resource}.metadata.xml"), stub::metadata(&sector, &resource)));
    imported.files.push((format!("{resource}.definition.xml"), stub::definition(&sector, &resource)));
    let there: Vec<String> = imported.files.iter().map(|(file, _)| into.join(file)).filter(|path| path.exists()).map(shown).collect();
    if !there.is_empty() {
        return Err(usage(format!("{}: there already, and nothing is overwritten", there.join(", "))));
    }
    for (file, octets) in &imported.files {
        let path = into.join(file);
        let parent = path.parent().unwrap_or(into).to_owned();
        std::fs::create_dir_all(&parent).map_err(|error| Misconfigured::File(parent, error))?;
        std::fs::write(&path, octets).map_err(|error| Misconfigured::File(path.clone(), error))?;
        print::out(&format!("wrote {}", path.display()));
    }
    print::out("next, for each operation that the sector answers:");
    imported.messages.iter().for_each(|exchange| next(exchange, into, name));
    print::out(&tally(&findings, imported.messages.len()));
    Ok(())
}

fn shown(path: PathBuf) -> String {
    path.display().to_string()
}

/// The commands that begin the mappings of an operation.
fn next(exchange: &Exchange, into: &Path, wsdl: &str) {
    let Exchange { operation, reply, encoded, .. } = exchange;
    if *encoded {
        print::out(&format!("  {operation}: SOAP encoding; a mapping reads it only where no element refers to another"));
    }
    match reply {
        Some((_, Some(_))) => {
            let (wsdl, map) = (into.join(wsdl), into.join(format!("{}.map.xml", identifier(operation))));
            print::out(&format!("  waybill map scaffold --wsdl {} --operation {operation} --out {}", wsdl.display(), map.display()));
        }
        Some((root, None)) => print::out(&format!("  {operation}: no file declares {root}: bring its schema")),
        None => print::out(&format!("  {operation}: one-way, nothing comes back that could be mapped")),
    }
}

/// A name as ids of sectors and resources are written.
fn identifier(name: &str) -> String {
    let lower = name.to_lowercase();
    let id: String =
        lower.chars().map(|letter| if letter.is_ascii_lowercase() || letter.is_ascii_digit() { letter } else { '-' }).collect();
    let id = id.trim_matches(|letter: char| letter == '-').to_owned();
    if id.starts_with(|letter: char| letter.is_ascii_lowercase()) { id } else { ["r", &id].concat() }
}
