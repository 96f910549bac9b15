//! `waybill map`: what an integrator types. Arguments come in, text and files go out; what the verbs do is in `mappings::verbs`.

use super::map_make::{self, Diff, Page, Scaffold};
use super::map_run;
use super::print;
use super::session::Failure;
use super::verbs::usage;
use crate::config::Misconfigured;
use clap::{Args, Subcommand, ValueEnum};
use mappings::verbs::report::{self, Findings, Format};
use mappings::verbs::{codes, explain, layout, samples};
use mappings::{Diagnostic, Mapping};
use std::io::Read;
use std::path::{Path, PathBuf};

/// Verbs of `map`.
#[derive(Debug, Subcommand)]
pub enum Map {
    /// Checks mappings against both schemas: everything that is wrong, in one run.
    ///
    /// Example: waybill map check --deny warnings mappings/health/visit.map.xml
    Check(Check),
    /// Maps a document: one record a line on standard output, rejects on standard error.
    ///
    /// Example: waybill map run --trace mappings/health/visit.map.xml mappings/health/tests/payers/in.xml
    Run(Run),
    /// Tries the samples beside the mappings (tests/NAME/in.xml, expect.TARGET.xml, expect.rejects) and says what they do not exercise.
    ///
    /// Example: waybill map test mappings/health
    Test(Test),
    /// Says which leaves of the source travel, which stay with a reason, and which nobody thought of.
    ///
    /// Example: waybill map coverage mappings/health/visit.map.xml mappings/health/tests/payers/in.xml
    Coverage {
        /// The mapping.
        map: PathBuf,
        /// A document: what of the mapping it exercises is said too.
        document: Option<PathBuf>,
        /// The sentence with what is left, or each leaf as data.
        #[arg(long, value_enum, default_value_t = Told::Text)]
        format: Told,
    },
    /// Says where a value of the target comes from; or what a code means, with an example of the fault and of the edit.
    ///
    /// Example: waybill map explain Person/BirthDate --map mappings/health/visit.map.xml
    Explain {
        /// A path of the target or its last steps, as Person/BirthDate; or a code, as SM120.
        what: String,
        /// The mapping; a code needs none.
        #[arg(long)]
        map: Option<PathBuf>,
    },
    /// Writes a first mapping for an unknown schema: every rule a suggestion with its score, nothing guessed in silence.
    ///
    /// Example: waybill map scaffold legacy/visit.xsd --target business
    Scaffold(Scaffold),
    /// Compares two releases of a schema: what breaks, for whom, and which rules are hit.
    ///
    /// Example: waybill map diff old/visit.xsd new/visit.xsd --map visit.map.xml --fix
    Diff(Diff),
    /// Writes the way back, from unified records to the legacy document, as far as values can be computed back.
    ///
    /// Example: waybill map invert mappings/health/visit.map.xml --out visit-back.map.xml
    Invert {
        /// The mapping.
        map: PathBuf,
        /// Where it goes; standard output if not given.
        #[arg(long)]
        out: Option<PathBuf>,
    },
    /// Writes the mapping as a page with lines between source and target, or as a table for people of the trade.
    ///
    /// Example: waybill map doc mappings/health/visit.map.xml --format html --out visit.html
    Doc {
        /// The mapping.
        map: PathBuf,
        /// The page or the table.
        #[arg(long, value_enum, default_value_t = Page::Html)]
        format: Page,
        /// Where it goes; standard output if not given.
        #[arg(long)]
        out: Option<PathBuf>,
    },
    /// Writes the mapping as an XSLT 1.0 stylesheet of the same meaning; what XSLT cannot say is refused by name.
    ///
    /// Example: waybill map export --xslt 1.0 mappings/health/visit.map.xml --out visit.xsl
    Export {
        /// The mapping.
        map: PathBuf,
        /// The version of XSLT.
        #[arg(long, default_value = "1.0", value_parser = ["1.0"])]
        xslt: String,
        /// The target; the first if not given.
        #[arg(long)]
        target: Option<String>,
        /// Where it goes; standard output if not given.
        #[arg(long)]
        out: Option<PathBuf>,
    },
    /// Writes the lock file of a mapping: the SHA-256 of every file that it names. Another file is an error from then on (SM501).
    ///
    /// Example: waybill map lock mappings/health/visit.map.xml
    Lock {
        /// The mapping.
        map: PathBuf,
    },
    /// Writes what the mapping knows into a copy of its schema (SAWSDL): modelReference and liftingSchemaMapping.
    ///
    /// Example: waybill map annotate mappings/health/visit.map.xml --out visit.annotated.xsd
    Annotate {
        /// The mapping.
        map: PathBuf,
        /// Where the copy goes; standard output if not given.
        #[arg(long)]
        out: Option<PathBuf>,
    },
    /// A language server over standard input and output: findings, completion, hover and definition in an editor.
    ///
    /// Example: waybill map lsp   (started by the editor, see mappings/EDITORS.md)
    Lsp,
    /// Lays mappings out in the one layout; comments stay.
    ///
    /// Example: waybill map fmt --check mappings/health/visit.map.xml
    Fmt {
        /// The mappings.
        #[arg(required = true)]
        maps: Vec<PathBuf>,
        /// Change nothing; say which are laid out otherwise, with exit status 1.
        #[arg(long)]
        check: bool,
    },
}

/// Arguments of `check`.
#[derive(Debug, Args)]
pub struct Check {
    /// The mappings; a schema (*.xsd) stands for the mapping that its sawsdl:liftingSchemaMapping names.
    #[arg(required = true)]
    pub maps: Vec<PathBuf>,
    /// How findings are written.
    #[arg(long, value_enum, default_value_t = Form::Text)]
    pub format: Form,
    /// Warnings fail too.
    #[arg(long, value_name = "warnings")]
    pub deny: Option<Deny>,
}

/// What fails beside errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Deny {
    /// Warnings.
    Warnings,
}

/// Forms of what samples became.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Tried {
    /// A line a sample, and what none exercises.
    Text,
    /// JUnit, as build servers read it.
    Junit,
}

/// Forms of what coverage says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Told {
    /// A sentence, and what is left.
    Text,
    /// One JSON document with each leaf.
    Json,
}

/// Forms of findings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Form {
    /// With the line and a mark under it.
    Text,
    /// One JSON document.
    Json,
    /// SARIF 2.1.0, as code hosts read it.
    Sarif,
    /// JUnit, as build servers read it.
    Junit,
}

/// Arguments of `run`.
#[derive(Debug, Args)]
pub struct Run {
    /// The mapping, or the schema that names it.
    pub map: PathBuf,
    /// The document; - for standard input.
    pub document: PathBuf,
    /// A folder for rejected records, new or empty: REJECT/1.xml as it came, REJECT/1.txt why.
    #[arg(long)]
    pub reject: Option<PathBuf>,
    /// Say for each value which rule made it, and from which place of the source.
    #[arg(long)]
    pub trace: bool,
    /// A folder for the documents, one file a target, instead of standard output.
    #[arg(long)]
    pub out: Option<PathBuf>,
}

/// Arguments of `test`.
#[derive(Debug, Args)]
pub struct Test {
    /// The folder of the mappings, or one that has such folders.
    #[arg(default_value = ".")]
    pub dir: PathBuf,
    /// Write what comes out as what is expected. Read it before you commit it.
    #[arg(long)]
    pub bless: bool,
    /// How results are written.
    #[arg(long, value_enum, default_value_t = Tried::Text)]
    pub format: Tried,
}

/// `waybill map …`.
///
/// # Errors
/// A check does not hold, or see [`Failure`].
pub(super) fn run(verb: &Map) -> Result<(), Failure> {
    match verb {
        Map::Check(arguments) => check(arguments),
        Map::Run(arguments) => map_run::run(arguments),
        Map::Test(arguments) => test(arguments),
        Map::Coverage { map, document, format } => coverage(map, document.as_deref(), *format),
        Map::Explain { what, map } => explained(what, map.as_deref()),
        Map::Scaffold(arguments) => map_make::scaffold(arguments),
        Map::Diff(arguments) => map_make::diff(arguments),
        Map::Invert { map, out } => map_make::invert(&followed(map)?, out.as_deref()),
        Map::Doc { map, format, out } => map_make::doc(&followed(map)?, *format, out.as_deref()),
        Map::Export { map, target, out, .. } => map_make::export(&followed(map)?, target.as_deref(), out.as_deref()),
        Map::Lock { map } => map_make::lock(&followed(map)?),
        Map::Annotate { map, out } => map_make::annotate(map, out.as_deref()),
        Map::Lsp => map_make::lsp(),
        Map::Fmt { maps, check } => fmt(maps, *check),
    }
}

/// A check that does not hold, when everything has been said already.
pub(super) fn holds(holds: bool) -> Result<(), Failure> {
    if holds { Ok(()) } else { Err(Failure::DoesNotHold(Vec::new())) }
}

fn check(arguments: &Check) -> Result<(), Failure> {
    let maps: Vec<PathBuf> = arguments.maps.iter().map(|path| followed(path)).collect::<Result<_, _>>()?;
    let all: Vec<Findings> =
        maps.iter().map(|path| Findings { path: path.clone(), diagnostics: Mapping::check(path).diagnostics }).collect();
    let format = match arguments.format {
        Form::Text => Format::Text,
        Form::Json => Format::Json,
        Form::Sarif => Format::Sarif,
        Form::Junit => Format::Junit,
    };
    print::out(report::report(&all, format).trim_end());
    let deny = arguments.deny == Some(Deny::Warnings);
    holds(!all.iter().flat_map(|of| &of.diagnostics).any(|diagnostic| report::denied(diagnostic, deny)))
}

/// Octets of a file, or of standard input.
///
/// # Errors
/// It cannot be read.
pub(super) fn octets(path: &Path) -> Result<Vec<u8>, Failure> {
    if path != Path::new("-") {
        return Ok(document(path)?);
    }
    let mut octets = Vec::new();
    std::io::stdin().read_to_end(&mut octets).map_err(|error| Misconfigured::File(PathBuf::from("standard input"), error))?;
    Ok(octets)
}

/// A document on the disk.
fn document(path: &Path) -> Result<Vec<u8>, Misconfigured> {
    let mut octets = Vec::new();
    let read = xsd::files::open(path).and_then(|mut file| file.read_to_end(&mut octets));
    read.map(|_| octets).map_err(|error| Misconfigured::File(path.to_owned(), error))
}

/// A schema, a mapping or a contract: what cannot be read holds as little as what is wrong with it.
pub(super) fn described(path: &Path) -> Result<Vec<u8>, Failure> {
    document(path).map_err(|why| Failure::DoesNotHold(vec![format!("error[file] {why}")]))
}

pub(super) fn loaded(path: &Path) -> Result<Mapping, Failure> {
    let broken = |found: Vec<Diagnostic>| {
        let findings = [Findings { path: path.to_owned(), diagnostics: found }];
        Failure::DoesNotHold(report::report(&findings, Format::Text).lines().map(str::to_owned).collect())
    };
    Mapping::load(&followed(path)?).map_err(broken)
}

/// The mapping that an argument names: itself, or the one of a schema (`sawsdl:liftingSchemaMapping`).
///
/// # Errors
/// The schema names none.
pub(super) fn followed(path: &Path) -> Result<PathBuf, Failure> {
    mappings::mapping_of(path).map_err(|why| Failure::DoesNotHold(why.lines().map(str::to_owned).collect()))
}

/// Writes a file, and the folder that it stands in.
///
/// # Errors
/// It cannot be written.
pub(super) fn written(path: &Path, octets: &[u8]) -> Result<(), Failure> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let made = folder.map_or(Ok(()), std::fs::create_dir_all).and_then(|()| std::fs::write(path, octets));
    Ok(made.map_err(|error| Misconfigured::File(path.to_owned(), error))?)
}

fn test(arguments: &Test) -> Result<(), Failure> {
    let dir = &arguments.dir;
    std::fs::metadata(dir).map_err(|error| Misconfigured::File(dir.clone(), error))?;
    let tested = samples::test(dir, arguments.bless).map_err(usage)?;
    let text = match arguments.format {
        Tried::Text => tested.text(),
        Tried::Junit => tested.junit(),
    };
    print::out(text.trim_end());
    holds(tested.holds())
}

fn explained(what: &str, map: Option<&Path>) -> Result<(), Failure> {
    let code = what.get(..2).is_some_and(|start| start.eq_ignore_ascii_case("SM")) && what.len() <= 6;
    let text = match (code, map) {
        (true, _) => codes::explain(what).map_err(usage)?,
        (false, Some(map)) => explain::explain(what, map).map_err(|why| Failure::DoesNotHold(why.lines().map(str::to_owned).collect()))?,
        (false, None) => return Err(usage(format!("'{what}' is no code: for a path of the target add --map FILE"))),
    };
    print::out(text.trim_end());
    Ok(())
}

fn coverage(path: &Path, document: Option<&Path>, format: Told) -> Result<(), Failure> {
    if let (Told::Json, Some(_)) = (format, document) {
        return Err(usage("--format json is about the mapping alone: leave out the document".to_owned()));
    }
    let document = document.map(octets).transpose()?;
    let failed = |why: String| Failure::DoesNotHold(why.lines().map(str::to_owned).collect());
    let path = followed(path)?;
    let told = match format {
        Told::Text => samples::coverage(&path, document.as_deref()),
        Told::Json => samples::coverage_json(&path),
    };
    let (text, whole) = told.map_err(failed)?;
    print::out(text.trim_end());
    holds(whole)
}

fn fmt(maps: &[PathBuf], check: bool) -> Result<(), Failure> {
    let mut other = Vec::new();
    for path in maps {
        let octets = described(path)?;
        let wrong = |why: &dyn std::fmt::Display| usage(format!("{}: {why}", path.display()));
        let before = String::from_utf8(octets).map_err(|why| wrong(&why))?;
        let after = layout::fmt(&before).map_err(|why| wrong(&why))?;
        if after == before {
            continue;
        }
        if check {
            other.push(format!("error[layout] {}: not laid out as `waybill map fmt` does", path.display()));
        } else {
            written(path, after.as_bytes())?;
            print::out(&format!("{}: laid out", path.display()));
        }
    }
    if other.is_empty() { Ok(()) } else { Err(Failure::DoesNotHold(other)) }
}
