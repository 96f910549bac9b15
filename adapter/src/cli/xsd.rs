//! `waybill xsd`: schemas are checked and shown, documents of any length validated.

use super::print;
use super::session::Failure;
use super::xsd_show;
use crate::config::Misconfigured;
use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Value, json};
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};
use xsd::files::{Folders, load};
use xsd::load::{Defect, Level, Loaded};
use xsd::read::{Limits, Malformed};
use xsd::schema::Schemas;
use xsd::tree::Place;
use xsd::validate::Violation;

/// Verbs of `xsd`.
#[derive(Debug, Subcommand)]
pub enum Xsd {
    /// Loads schemas and what they include and import: everything that is wrong, in one run.
    ///
    /// Example: waybill xsd check --level compat their/schema.xsd
    Check(Check),
    /// Validates documents, of any length, against schemas; - is standard input. Ends 1 when one is not valid.
    ///
    /// Example: waybill xsd validate --schema mappings/health/visit.xsd mappings/health/tests/payers/in.xml
    Validate(Validate),
    /// Says what a schema declares: its elements and types, or what one of them contains. Types are named and never expanded.
    ///
    /// Example: waybill xsd show mappings/health/visit.xsd --type Visit
    Show(Show),
}

/// Which schemas, and how they are read.
#[derive(Debug, Args)]
pub struct Reading {
    /// strict: the law; compat: what schemas in use break is a warning; sample: the files are documents, the schema is inferred.
    #[arg(long, value_enum, default_value_t = LevelName::Compat)]
    pub level: LevelName,
    /// A further folder that schemas may be in, beside those of the schemas named and the working folder.
    #[arg(long, value_name = "DIR")]
    pub root: Vec<PathBuf>,
}

/// Names of levels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LevelName {
    /// The law.
    Strict,
    /// What schemas in use break is a warning.
    Compat,
    /// The files are documents.
    Sample,
}

/// Forms of findings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Form {
    /// Lines for people.
    Text,
    /// One JSON document.
    Json,
}

/// Arguments of `check`.
#[derive(Debug, Args)]
pub struct Check {
    /// The schemas.
    #[arg(required = true)]
    pub schemas: Vec<PathBuf>,
    /// How they are read.
    #[command(flatten)]
    pub reading: Reading,
    /// How findings are written.
    #[arg(long, value_enum, default_value_t = Form::Text)]
    pub output: Form,
}

/// Arguments of `validate`.
#[derive(Debug, Args)]
pub struct Validate {
    /// A schema; may stand several times.
    #[arg(long = "schema", required = true)]
    pub schemas: Vec<PathBuf>,
    /// The documents.
    #[arg(required = true)]
    pub documents: Vec<PathBuf>,
    /// How the schemas are read.
    #[command(flatten)]
    pub reading: Reading,
    /// The encoding, where neither a byte order mark nor the XML declaration says it.
    #[arg(long)]
    pub charset: Option<String>,
    /// Violations of one document after which no more are told.
    #[arg(long, default_value_t = 100)]
    pub max: usize,
    /// How findings are written.
    #[arg(long, value_enum, default_value_t = Form::Text)]
    pub output: Form,
}

/// Arguments of `show`.
#[derive(Debug, Args)]
pub struct Show {
    /// The schemas.
    #[arg(required = true)]
    pub schemas: Vec<PathBuf>,
    /// A type: its local name, or {namespace}name.
    #[arg(long = "type", value_name = "NAME", conflicts_with = "element")]
    pub type_name: Option<String>,
    /// A global element: its local name, or {namespace}name.
    #[arg(long, value_name = "NAME")]
    pub element: Option<String>,
    /// How the schemas are read.
    #[command(flatten)]
    pub reading: Reading,
    /// How it is written.
    #[arg(long, value_enum, default_value_t = Form::Text)]
    pub output: Form,
}

/// `waybill xsd …`.
///
/// # Errors
/// A schema or a document is not what it should be, or see [`Failure`].
pub(super) fn run(verb: &Xsd) -> Result<(), Failure> {
    match verb {
        Xsd::Check(arguments) => check(arguments),
        Xsd::Validate(arguments) => validate(arguments),
        Xsd::Show(arguments) => xsd_show::show(arguments),
    }
}

fn fails(fails: bool) -> Result<(), Failure> {
    if fails { Err(Failure::DoesNotHold(Vec::new())) } else { Ok(()) }
}

fn read(files: &[PathBuf], reading: &Reading) -> (Result<Loaded, Vec<Defect>>, Vec<String>) {
    let level = match reading.level {
        LevelName::Strict => Level::Strict,
        LevelName::Compat => Level::Compat,
        LevelName::Sample => Level::Sample,
    };
    // Schemas name others by ../: whoever works in a project's folder means what is in it.
    let working = std::env::current_dir().ok().filter(|folder| folder.parent().is_some());
    let allowed: Vec<PathBuf> = reading.root.iter().cloned().chain(working).collect();
    let folders = Folders::of(files, &allowed);
    let loaded = load(level, files, &folders);
    (loaded, folders.refused())
}

pub(super) fn located(place: Place) -> Value {
    json!({ "line": place.line, "column": place.column })
}

fn defect(defect: &Defect, severity: &str) -> Value {
    let source = &defect.source;
    json!({ "severity": severity, "rule": defect.rule, "file": &*source.file, "place": located(source.place), "what": defect.what, "help": defect.help })
}

fn check(arguments: &Check) -> Result<(), Failure> {
    let (loaded, refused) = read(&arguments.schemas, &arguments.reading);
    let (errors, warnings, opaque) = match &loaded {
        Ok(loaded) => (&[][..], loaded.warnings.as_slice(), loaded.opaque.as_slice()),
        Err(defects) => (defects.as_slice(), &[][..], &[][..]),
    };
    let counts = loaded.as_ref().ok().map(|loaded| (loaded.schemas.elements().count(), loaded.schemas.types().count()));
    if arguments.output == Form::Json {
        let findings: Vec<Value> =
            errors.iter().map(|error| defect(error, "error")).chain(warnings.iter().map(|warning| defect(warning, "warning"))).collect();
        let unknown: Vec<Value> = opaque
            .iter()
            .map(|opaque| json!({ "kind": opaque.kind, "name": opaque.name.to_string(), "used": opaque.source.to_string(), "why": opaque.why }))
            .collect();
        let counts = counts.map(|(elements, types)| json!({ "elements": elements, "types": types }));
        let report = json!({ "schema": "waybill:xsd-check:1", "loads": loaded.is_ok(), "declares": counts, "findings": findings, "opaque": unknown, "not_found": refused });
        print::out(&format!("{report:#}"));
        return fails(loaded.is_err());
    }
    for error in errors {
        print::err(&error.to_string());
    }
    for warning in warnings {
        print::err(&warning.to_string().replacen("error[", "warning[", 1));
    }
    for line in opaque.iter().map(ToString::to_string).chain(refused.iter().map(|refused| format!("not found: {refused}"))) {
        print::err(&line);
    }
    match counts {
        Some((elements, types)) => {
            print::out(&format!(
                "loads: {elements} global elements, {types} named types, {} warnings, {} opaque",
                warnings.len(),
                opaque.len()
            ));
            Ok(())
        }
        None => fails(true),
    }
}

pub(super) fn schemas(files: &[PathBuf], reading: &Reading) -> Result<Schemas, Failure> {
    let (loaded, refused) = read(files, reading);
    loaded.map(|loaded| loaded.schemas).map_err(|defects| {
        let lines = defects.iter().map(ToString::to_string).chain(refused.into_iter().map(|refused| format!("not found: {refused}")));
        Failure::DoesNotHold(lines.collect())
    })
}

fn validate(arguments: &Validate) -> Result<(), Failure> {
    let schemas = schemas(&arguments.schemas, &arguments.reading)?;
    let (mut all, mut wrong) = (Vec::new(), false);
    for path in &arguments.documents {
        let name = path.display().to_string();
        let result = one(&schemas, arguments, path)?;
        let valid = matches!(&result, Ok(violations) if violations.is_empty());
        wrong |= !valid;
        if arguments.output == Form::Json {
            all.push(as_json(&name, valid, &result));
            continue;
        }
        match result {
            Err(malformed) => print::err(&format!("error[xml] {name}:{malformed}")),
            Ok(violations) if violations.is_empty() => print::out(&format!("{name}: valid")),
            Ok(violations) => {
                for violation in &violations {
                    let help = violation.help.as_ref().map_or_else(String::new, |help| format!("\n    help: {help}"));
                    let Violation { rule, place, path, what, .. } = violation;
                    print::err(&format!("error[{rule}] {name}:{place}: {what}\n    at {path}{help}"));
                }
                if violations.len() >= arguments.max {
                    print::err(&format!("{name}: there may be more: --max says how many are told"));
                }
            }
        }
    }
    if arguments.output == Form::Json {
        print::out(&format!("{:#}", json!({ "schema": "waybill:xsd-validate:1", "documents": all })));
    }
    fails(wrong)
}

type Outcome = Result<Vec<Violation>, Malformed>;

fn one(schemas: &Schemas, arguments: &Validate, path: &Path) -> Result<Outcome, Failure> {
    let charset = arguments.charset.as_deref();
    let limits = Limits::endless();
    if path.as_os_str() == "-" {
        return Ok(schemas.validate_stream(std::io::stdin().lock(), charset, &limits, arguments.max));
    }
    let file = xsd::files::open(path).map_err(|error| Failure::Misconfigured(Misconfigured::File(path.to_owned(), error)))?;
    let from: Box<dyn Read> = Box::new(BufReader::new(file));
    Ok(schemas.validate_stream(from, charset, &limits, arguments.max))
}

fn as_json(name: &str, valid: bool, result: &Outcome) -> Value {
    let findings: Vec<Value> = match result {
        Err(malformed) => vec![json!({ "rule": "xml", "place": located(malformed.place), "what": malformed.what })],
        Ok(violations) => violations
            .iter()
            .map(|violation| {
                let Violation { rule, place, path, what, help } = violation;
                json!({ "rule": rule, "place": located(*place), "path": path, "what": what, "help": help })
            })
            .collect(),
    };
    json!({ "file": name, "valid": valid, "violations": findings })
}
