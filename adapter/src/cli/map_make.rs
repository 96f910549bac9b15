//! `waybill map`, the verbs that write: scaffold, diff, invert, doc, export, lock, annotate, and the language server.

use super::map::{octets, written};
use super::print;
use super::session::Failure;
use super::verbs::usage;
use clap::{Args, ValueEnum};
use mappings::verbs::scaffold::Wanted;
use mappings::verbs::{annotate, diff, document, export, infer, invert, lsp, scaffold};
use std::path::{Path, PathBuf};
use xsd::read::{Limits, read};

/// Arguments of `scaffold`.
#[derive(Debug, Args)]
pub struct Scaffold {
    /// The schema of the legacy documents.
    #[arg(required_unless_present_any = ["from_sample", "wsdl"], conflicts_with_all = ["from_sample", "wsdl"])]
    pub schema: Option<PathBuf>,
    /// Sample documents, where there is no schema: one is inferred and written beside the first of them.
    #[arg(long, num_args = 1.., conflicts_with = "wsdl")]
    pub from_sample: Vec<PathBuf>,
    /// A WSDL 1.1 contract instead of a schema.
    #[arg(long, requires = "operation")]
    pub wsdl: Option<PathBuf>,
    /// The operation of the WSDL whose answer is mapped.
    #[arg(long, requires = "wsdl")]
    pub operation: Option<String>,
    /// The unified schema that records become.
    #[arg(long, value_enum, default_value_t = Target::Business)]
    pub target: Target,
    /// The root element; the one with most below it if not given.
    #[arg(long)]
    pub root: Option<String>,
    /// The element that is a record, as NFe or batch/item; what repeats below the root if not given, or what holds it where it only has lines.
    #[arg(long)]
    pub record: Option<String>,
    /// The mapping's id, as health.visit; from the folder and the schema if not given.
    #[arg(long)]
    pub id: Option<String>,
    /// Where the mapping goes; beside the schema if not given.
    #[arg(long)]
    pub out: Option<PathBuf>,
    /// Write over a mapping that is there.
    #[arg(long)]
    pub force: bool,
}

/// Unified schemas that a scaffold can aim at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Target {
    /// b:Record of urn:waybill:business:1.
    Business,
}

/// Arguments of `diff`.
#[derive(Debug, Args)]
pub struct Diff {
    /// The schema as it was.
    pub old: PathBuf,
    /// The schema as it is.
    pub new: PathBuf,
    /// Mappings whose rules may be hit.
    #[arg(long, num_args = 1..)]
    pub map: Vec<PathBuf>,
    /// Rename in the mappings what was renamed in the schema.
    #[arg(long, requires = "map")]
    pub fix: bool,
}

/// Forms of a mapping's documentation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Page {
    /// A page with lines between source and target.
    Html,
    /// A table for a spreadsheet.
    Csv,
}

/// A check that does not hold, for each line of a text.
fn lines(text: &str) -> Failure {
    Failure::DoesNotHold(text.lines().map(str::to_owned).collect())
}

fn stem(path: &Path) -> String {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    name.split('.')
        .next()
        .unwrap_or_default()
        .to_lowercase()
        .chars()
        .filter(|letter| letter.is_ascii_alphanumeric() || *letter == '-')
        .collect()
}

/// Writes to a file, or to standard output, and says so.
pub(super) fn put(out: Option<&Path>, text: &str, what: &str) -> Result<(), Failure> {
    match out {
        Some(path) => {
            written(path, text.as_bytes())?;
            print::err(&format!("{}: {what} written", path.display()));
        }
        None => print::out(text.trim_end()),
    }
    Ok(())
}

/// `map scaffold`.
///
/// # Errors
/// The source cannot be read, or the mapping is there already.
pub(super) fn scaffold(arguments: &Scaffold) -> Result<(), Failure> {
    let (schema, root, bind) = source(arguments)?;
    let folder = schema.parent().unwrap_or(Path::new("")).to_owned();
    let out = arguments.out.clone().unwrap_or_else(|| folder.join([stem(&schema).as_str(), ".map.xml"].concat()));
    if out.exists() && !arguments.force {
        return Err(usage(format!("{} is there already: --force writes over it, --out writes elsewhere", out.display())));
    }
    let beside = out.parent().unwrap_or(Path::new(""));
    let name = schema.strip_prefix(beside).map_err(|_elsewhere| {
        usage(format!("{} is not beside or below {}: a mapping names files from where it stands", schema.display(), out.display()))
    })?;
    let sector = folder.canonicalize().ok().and_then(|folder| Some(stem(Path::new(folder.file_name()?)))).filter(|name| !name.is_empty());
    let id = arguments.id.clone().unwrap_or_else(|| format!("{}.{}", sector.as_deref().unwrap_or("sector"), stem(&schema)));
    let (schemas, missing) = diff::loaded(&schema).map_err(|why| lines(&why))?;
    for what in &missing {
        print::err(&format!("warning[missing] {what}: what it declares is opaque; put the file there, beside the mapping or below"));
    }
    let record = arguments.record.clone();
    let wanted = Wanted { schema: name.to_string_lossy().into_owned(), root, record, id, bind };
    let made = scaffold::scaffold(&schemas, &wanted).map_err(usage)?;
    written(&out, made.text.as_bytes())?;
    print::out(&format!("{}: {} rules suggested, {} TODO", out.display(), made.suggested, made.todo));
    let (root, select) = &made.records;
    print::out(&format!("root {root}, a record for each {select}: --root and --record say another"));
    print::out(&format!("next: waybill map check {}   (each suggestion is a warning until its confidence is removed)", out.display()));
    Ok(())
}

/// The schema, its root where the source says which, and the operation that is bound.
#[expect(clippy::type_complexity, reason = "what three kinds of source have in common")]
fn source(arguments: &Scaffold) -> Result<(PathBuf, Option<String>, Option<(String, String)>), Failure> {
    if let (Some(wsdl), Some(operation)) = (&arguments.wsdl, &arguments.operation) {
        let (name, octets, root) = scaffold::of_wsdl(wsdl, operation).map_err(|why| lines(&why))?;
        let path = wsdl.with_file_name(&name);
        if let Some(octets) = octets {
            written(&path, &octets)?;
            print::err(&format!("{}: the schema in the WSDL written", path.display()));
        }
        let bound = wsdl.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        return Ok((path, arguments.root.clone().or(Some(root)), Some((bound, operation.clone()))));
    }
    if let Some(first) = arguments.from_sample.first() {
        let mut samples = Vec::new();
        for path in &arguments.from_sample {
            samples.push(
                read(&octets(path)?, None, &Limits::default()).map_err(|why| lines(&format!("error[xml] {}:{why}", path.display())))?,
            );
        }
        let path = first.with_file_name([stem(first).as_str(), ".inferred.xsd"].concat());
        written(&path, infer::infer(&samples).map_err(usage)?.as_bytes())?;
        print::err(&format!("{}: a schema inferred from {} samples written", path.display(), samples.len()));
        return Ok((path, arguments.root.clone(), None));
    }
    let schema = arguments.schema.clone().ok_or_else(|| usage("a schema, --from-sample or --wsdl".to_owned()))?;
    Ok((schema, arguments.root.clone(), None))
}

/// `map diff`.
///
/// # Errors
/// A change breaks something, or a file cannot be read.
pub(super) fn diff(arguments: &Diff) -> Result<(), Failure> {
    let found = diff::diff(&arguments.old, &arguments.new, &arguments.map, arguments.fix).map_err(|why| lines(&why))?;
    print::out(found.text().trim_end());
    for (path, text) in &found.fixed {
        written(path, text.as_bytes())?;
        print::err(&format!("{}: mended", path.display()));
    }
    if found.holds() { Ok(()) } else { Err(Failure::DoesNotHold(Vec::new())) }
}

/// `map invert`.
///
/// # Errors
/// The mapping cannot be read.
pub(super) fn invert(map: &Path, out: Option<&Path>) -> Result<(), Failure> {
    let back = invert::invert(map).map_err(|why| lines(&why))?;
    for (place, path, class, why) in &back.classes {
        let class = match class {
            invert::Class::Bijective => "bijective",
            invert::Class::Injective => "injective",
            invert::Class::Lossy => "lossy",
        };
        let why = if why.is_empty() { String::new() } else { format!(": {why}") };
        print::err(&format!("{}:{place} {path}: {class}{why}", map.display()));
    }
    put(out, &back.text, "the way back")
}

/// `map doc`.
///
/// # Errors
/// The mapping cannot be read.
pub(super) fn doc(map: &Path, page: Page, out: Option<&Path>) -> Result<(), Failure> {
    let text = match page {
        Page::Html => document::html(map),
        Page::Csv => document::csv(map),
    };
    put(out, &text.map_err(|why| lines(&why))?, "the page")
}

/// `map export`.
///
/// # Errors
/// The mapping has errors, or rules that XSLT 1.0 cannot say.
pub(super) fn export(map: &Path, target: Option<&str>, out: Option<&Path>) -> Result<(), Failure> {
    put(out, &export::export(map, target).map_err(|why| lines(&why))?, "the stylesheet")
}

/// `map lock`.
///
/// # Errors
/// The mapping or a file that it names cannot be read.
pub(super) fn lock(map: &Path) -> Result<(), Failure> {
    let broken = |found: Vec<mappings::Diagnostic>| lines(&found.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"));
    let (name, text) = mappings::Mapping::lock(map).map_err(broken)?;
    let path = map.with_file_name(name);
    written(&path, text.as_bytes())?;
    print::out(text.trim_end());
    print::err(&format!("{}: {} files pinned", path.display(), text.lines().count()));
    Ok(())
}

/// `map annotate`.
///
/// # Errors
/// The mapping or its schema cannot be read.
pub(super) fn annotate(map: &Path, out: Option<&Path>) -> Result<(), Failure> {
    let (text, count) = annotate::annotate(map).map_err(|why| lines(&why))?;
    print::err(&format!("{count} declarations annotated"));
    put(out, &text, "the annotated schema")
}

/// `map lsp`.
///
/// # Errors
/// The client's messages cannot be read.
pub(super) fn lsp() -> Result<(), Failure> {
    let served = lsp::serve(&mut std::io::stdin().lock(), &mut std::io::stdout().lock());
    served.map_err(|error| Failure::Garbled(format!("the editor's messages: {error}")))
}
