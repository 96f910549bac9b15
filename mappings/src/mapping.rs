//! A mapping that has been checked, and the documents it makes: the only maker of unified records from legacy ones.

use crate::bind;
use crate::compile::{Compiled, Compiler, Named};
use crate::coverage::{Coverage, Leaf};
use crate::diagnostic::{Diagnostic, Location, Report, Severity};
use crate::document::{self, Bind, Codes, Document, Side};
use crate::engine::Engine;
use crate::files::{Files, unified};
use crate::graph::Graph;
use crate::lock;
use crate::plan::{CodeTable, Plan};
use crate::run::Reject;
use crate::source::Source;
use crate::witness::Witness;
use crate::xslt::Stylesheet;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use xsd::read::{Limits, read};
use xsd::schema::Schemas;
use xsd::tree::{Element, Place, QName};
use xsd::validate::{Invalid, Valid};

/// A checked mapping.
#[derive(Debug)]
pub struct Mapping {
    document: Document,
    file: Arc<str>,
    sha256: String,
    source: Schemas,
    targets: Vec<Schemas>,
    plan: Plan,
    tables: BTreeMap<String, Arc<CodeTable>>,
    coverage: Coverage,
}

/// What checking a mapping found: the mapping too, unless there is an error.
#[derive(Debug)]
pub struct Checked {
    /// The mapping, if it may run.
    pub mapping: Option<Mapping>,
    /// Everything found, errors first, each in the order of the document.
    pub diagnostics: Vec<Diagnostic>,
    /// The leaves of the windows; all zero where the schemas could not be read.
    pub coverage: Coverage,
    /// What becomes of each of them; where a mapping has no records, of each leaf of the document.
    pub leaves: Vec<Leaf>,
}

/// A document that a mapping made and the target schema accepts. Only [`Mapping::apply`] makes one.
///
/// ```compile_fail,E0451
/// fn forge(valid: xsd::validate::Valid) -> mappings::Unified {
///     mappings::Unified { target: "business".into(), valid }
/// }
/// ```
#[derive(Clone, Debug)]
pub struct Unified {
    target: Arc<str>,
    valid: Valid,
}

impl Unified {
    pub(crate) fn new(target: &str, valid: Valid) -> Self {
        Self { target: target.into(), valid }
    }

    /// The name of the target in the mapping, as `business`.
    #[must_use]
    pub fn target(&self) -> &str {
        &self.target
    }

    /// The document.
    #[must_use]
    pub fn element(&self) -> &Element {
        self.valid.element()
    }

    /// The document as what the target schema made of it.
    #[must_use]
    pub fn into_valid(self) -> Valid {
        self.valid
    }
}

/// What one source document became.
#[derive(Debug, Default)]
pub struct Outcome {
    /// The documents of `m:record`, in the order of the source.
    pub records: Vec<Unified>,
    /// The documents of `m:once`.
    pub once: Vec<Unified>,
    /// Records that could not be made, the first [`crate::REJECTS_MAX`] of them; the others are not touched by it.
    pub rejects: Vec<Reject>,
    /// How many could not be made.
    pub rejected: usize,
}

impl Mapping {
    /// Checks the mapping in a file against both schemas.
    #[must_use]
    pub fn check(path: &Path) -> Checked {
        let file = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        Self::check_with(&file, &Files::new(path.parent().unwrap_or(Path::new(""))))
    }

    /// Checks a mapping whose files are not all as they are on the disk: an editor's, or one beside a newer schema.
    pub(crate) fn check_with(file: &str, files: &Files) -> Checked {
        let mut report = Report::new(file);
        let mut covered = Covered::default();
        let mapping = build(file, files, &mut report, &mut covered);
        if mapping.is_some() {
            lock::verify(file, files, &mut report);
        }
        let mapping = mapping.filter(|_| !report.failed());
        let (coverage, leaves) = covered;
        Checked { mapping, diagnostics: report.into_sorted(), coverage, leaves }
    }

    /// The lock file of a mapping that can be read, as its name and its text: what it is checked against from then on.
    ///
    /// # Errors
    /// What keeps its files from being read.
    pub fn lock(path: &Path) -> Result<(String, String), Vec<Diagnostic>> {
        let file = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let files = Files::new(path.parent().unwrap_or(Path::new("")));
        let (mut report, mut covered) = (Report::new(file.as_str()), Covered::default());
        match build(&file, &files, &mut report, &mut covered) {
            Some(_) => Ok((lock::name(&file), lock::text(&file, &files))),
            None => Err(report.into_sorted()),
        }
    }

    /// Loads a mapping that has no errors; warnings do not stop it.
    ///
    /// # Errors
    /// Everything that [`Mapping::check`] found, if there is an error among it.
    pub fn load(path: &Path) -> Result<Self, Vec<Diagnostic>> {
        let checked = Self::check(path);
        checked.mapping.ok_or(checked.diagnostics)
    }

    /// The id that trade records name.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.document.id
    }

    /// The version that trade records name.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.document.version
    }

    /// The digest that trade records name, in lower-case hexadecimal: SHA-256 over the lines that `sha256sum` prints of the
    /// mapping and of every schema, code table and WSDL it names, sorted by name.
    #[must_use]
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    /// The mapping's file, as diagnostics name it.
    #[must_use]
    pub fn file(&self) -> &str {
        &self.file
    }

    /// How the leaves of the source are accounted for.
    #[must_use]
    pub fn coverage(&self) -> Coverage {
        self.coverage
    }

    /// The character encoding in which the source arrives, or in which the first target is to be sent; `None` says UTF-8.
    #[must_use]
    pub fn encoding(&self) -> Option<&str> {
        let target = self.document.targets.first().and_then(|side| side.encoding.as_deref());
        self.document.source.encoding.as_deref().or(target)
    }

    /// The root element of the documents that it reads.
    #[must_use]
    pub fn source_root(&self) -> &QName {
        &self.document.source.root
    }

    /// The names of its targets.
    pub fn targets(&self) -> impl Iterator<Item = &str> {
        self.document.targets.iter().map(|side| side.name.as_str())
    }

    pub(crate) fn document(&self) -> &Document {
        &self.document
    }

    /// The code tables, wherever they were written.
    pub(crate) fn tables(&self) -> &BTreeMap<String, Arc<CodeTable>> {
        &self.tables
    }

    pub(crate) fn binds(&self) -> &[Bind] {
        &self.document.binds
    }

    pub(crate) fn engine<'m>(&'m self, witness: Option<&'m Witness>) -> Engine<'m> {
        Engine::new(&self.plan, &self.file, (&self.document.source.root, self.document.source.place), witness)
    }

    pub(crate) fn plan(&self) -> &Plan {
        &self.plan
    }

    pub(crate) fn shared_file(&self) -> &Arc<str> {
        &self.file
    }

    /// A target's schemas and its name.
    pub(crate) fn target(&self, number: usize) -> Option<(&Schemas, &str)> {
        self.targets.get(number).zip(self.document.targets.get(number).map(|side| side.name.as_str()))
    }

    pub(crate) fn source_encoding(&self) -> Option<&str> {
        self.document.source.encoding.as_deref()
    }

    /// The schemas of the source.
    #[must_use]
    pub fn source_schemas(&self) -> &Schemas {
        &self.source
    }

    pub(crate) fn target_schemas(&self) -> Option<&Schemas> {
        self.targets.first()
    }

    /// Validates a document against the source schema.
    ///
    /// # Errors
    /// The first thing in it that the schema does not allow.
    pub fn validate(&self, source: Element) -> Result<Valid, Invalid> {
        self.source.validate(source)
    }
}

/// What becomes of the leaves of a mapping's source.
type Covered = (Coverage, Vec<Leaf>);

/// Reads, checks and compiles; whatever is wrong is in `report`, and `None` says that no more could be found out.
fn build(file: &str, files: &Files, report: &mut Report, covered: &mut Covered) -> Option<Mapping> {
    let octets = files.read(file).map_err(|why| report.error("SM000", Place::default(), why).code).ok()?;
    let root = read(&octets, None, &Limits::default()).map_err(|why| report.error("SM000", why.place, why.what).code).ok()?;
    let language = language(report)?;
    for violation in language.validate_all(&root, DEFECTS_MAX) {
        report.error("SM001", violation.place, format!("{} at {}", violation.what, violation.path)).help = violation.help;
    }
    if report.failed() {
        return None;
    }
    let document = document::read(&root, report);
    let source = schemas(&document.source, files, report);
    let targets: Vec<Option<Schemas>> = document.targets.iter().map(|side| schemas(side, files, report)).collect();
    let stylesheets = stylesheets(&document, files, report);
    let codes: BTreeMap<String, Arc<CodeTable>> =
        document.codes.iter().map(|codes| (codes.name.clone(), Arc::new(code_table(codes, &language, files, report)))).collect();
    bind::check(&document, files, report);
    let (source, targets) = (source?, targets.into_iter().collect::<Option<Vec<_>>>()?);
    let compiled = compile(&document, (&source, &targets), codes.clone(), stylesheets, report);
    *covered = (compiled.coverage, compiled.leaves);
    Some(Mapping {
        file: file.into(),
        sha256: files.digest(),
        source,
        targets,
        plan: compiled.plan,
        tables: codes,
        coverage: compiled.coverage,
        document,
    })
}

/// How many places of a mapping that is no mapping are reported at once.
const DEFECTS_MAX: usize = 50;

fn language(report: &mut Report) -> Option<Schemas> {
    let octets = unified(document::LANGUAGE)?;
    let loaded = Schemas::load(&[("mapping.xsd", octets)], &|_, namespace| unified(namespace).map(<[u8]>::to_vec));
    loaded.map_err(|_defects| report.error("SM000", Place::default(), "the language's own schema cannot be loaded").code).ok()
}

fn compile(
    document: &Document,
    schemas: (&Schemas, &[Schemas]),
    codes: BTreeMap<String, Arc<CodeTable>>,
    stylesheets: BTreeMap<String, Arc<Stylesheet>>,
    report: &mut Report,
) -> Compiled {
    let (source, targets) = schemas;
    let graph = Graph::new(source);
    let graphs: Vec<Graph<'_>> = targets.iter().map(Graph::new).collect();
    let mut named = Vec::new();
    for (side, graph) in document.targets.iter().zip(&graphs) {
        if graph.global(&side.root).is_none() {
            report.error("SM213", side.place, format!("target schema has no global element '{}'", document.scope.show(&side.root)));
        }
        named.push(Named { name: &side.name, root: &side.root, graph });
    }
    let source = Source::new(&graph, &document.scope);
    let names = RefCell::default();
    Compiler { document, source, targets: named, codes, stylesheets, plan: Plan::default(), names: &names, ignored: Vec::new(), report }
        .compile()
}

/// The stylesheets of `m:xslt` that may run, by their names.
fn stylesheets(document: &Document, files: &Files, report: &mut Report) -> BTreeMap<String, Arc<Stylesheet>> {
    let mut found = BTreeMap::new();
    for (href, pinned, place) in &document.stylesheets {
        let read = files.read(href).and_then(|octets| Stylesheet::new(href, files.path(href), &octets));
        match read {
            Ok(stylesheet) => {
                found.insert(href.clone(), Arc::new(stylesheet));
            }
            Err(why) => {
                report.error("SM024", *place, why);
            }
        }
        locked(href, pinned.as_deref(), *place, files, report);
    }
    found
}

pub(crate) fn schemas(side: &Side, files: &Files, report: &mut Report) -> Option<Schemas> {
    let octets = files.read(&side.schema).map_err(|why| report.error("SM021", side.place, why).code).ok()?;
    locked(&side.schema, side.sha256.as_deref(), side.place, files, report);
    let name = if side.schema.starts_with("urn:") { side.schema.rsplit(':').nth(1).unwrap_or_default() } else { &side.schema };
    let resolve = |location: &str, namespace: &str| match unified(namespace) {
        Some(octets) => Some(octets.to_vec()),
        None => files.read(location).ok(),
    };
    match Schemas::load_at(side.level, &[(name, &octets)], &resolve) {
        Ok(loaded) => Some(loaded.schemas),
        Err(defects) => {
            for defect in defects {
                let declared = Location { file: defect.source.file.clone(), place: defect.source.place };
                let diagnostic = report.error("SM022", side.place, format!("{} ({})", defect.what, defect.rule));
                diagnostic.declared_at(Some(declared)).help = defect.help;
            }
            None
        }
    }
}

/// A file that the mapping pins must be the very one.
fn locked(name: &str, pinned: Option<&str>, place: Place, files: &Files, report: &mut Report) {
    if let (Some(pinned), Some(found)) = (pinned, files.sha256(name))
        && pinned != found
    {
        report.error("SM500", place, format!("'{name}' is not the file that the mapping pins: its SHA-256 is {found}"));
    }
}

fn code_table(codes: &Codes, language: &Schemas, files: &Files, report: &mut Report) -> CodeTable {
    let mut pairs = codes.pairs.clone();
    if let Some(href) = &codes.href {
        match code_list(href, language, files) {
            Ok(more) => pairs.extend(more),
            Err(why) => {
                report.error("SM023", codes.place, why);
            }
        }
        locked(href, codes.sha256.as_deref(), codes.place, files, report);
    }
    let mut to = BTreeMap::new();
    for (from, code) in pairs {
        if to.insert(from.clone(), code).is_some() {
            report.error("SM156", codes.place, format!("code table '{}' has '{from}' twice", codes.name));
        }
    }
    CodeTable { name: codes.name.clone(), to, missing: codes.missing.clone() }
}

fn code_list(href: &str, language: &Schemas, files: &Files) -> Result<Vec<(String, String)>, String> {
    let octets = files.read(href)?;
    let root = read(&octets, None, &Limits::default()).map_err(|why| format!("{href}:{why}"))?;
    if !root.name().is(document::LANGUAGE, "codeList") {
        return Err(format!("the root of '{href}' is not m:codeList"));
    }
    let valid = language.validate(root).map_err(|invalid| format!("{href}:{invalid}"))?;
    Ok(document::pairs(valid.element()))
}

/// Whether one of the findings forbids the mapping to run.
pub(crate) fn has_errors(diagnostics: &[Diagnostic]) -> bool {
    diagnostics.iter().any(|diagnostic| diagnostic.severity == Severity::Error)
}
