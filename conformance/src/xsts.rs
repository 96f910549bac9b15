//! The W3C's XML Schema Test Suite: the list of its judgements, and what the loader and the validator of this house say to each.

pub mod peers;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use xsd::load::Level;
use xsd::read::{Limits, read};
use xsd::schema::{Schemas, XSI_NAMESPACE};
use xsd::tree::Element;

/// What the suite says of a schema or an instance. `None`: the suite does not say, or says that it may be either.
pub type Expected = Option<bool>;

/// A schema and the instances that are judged against it.
#[derive(Clone, Debug)]
pub struct Group {
    /// The contributor and the name, as `ms/particlesA001`.
    pub name: String,
    /// Whether the schema is valid.
    pub expected: Expected,
    /// Its documents, relative to the root of the suite; none where instances name them.
    pub documents: Vec<String>,
    /// Its instances.
    pub instances: Vec<Instance>,
}

/// An instance document.
#[derive(Clone, Debug)]
pub struct Instance {
    /// Its name inside the group.
    pub name: String,
    /// The document, relative to the root of the suite.
    pub document: String,
    /// Whether it is valid.
    pub expected: Expected,
}

/// One judgement: the suite's and ours.
#[derive(Clone, Debug)]
pub struct Judgement {
    /// `contributor/group` for a schema, `contributor/group/instance` for an instance.
    pub name: String,
    /// Whether it is about an instance.
    pub instance: bool,
    /// Whether the suite accepts it.
    pub expected: bool,
    /// Whether we accept it. `None`: it could not be judged, as its schema did not load.
    pub accepted: Option<bool>,
    /// The first defect or violation, if there was one.
    pub why: String,
}

impl Judgement {
    /// Whether we say what the suite says.
    #[must_use]
    pub fn agrees(&self) -> bool {
        self.accepted == Some(self.expected)
    }
}

/// Why a list of judgements cannot be read.
#[derive(Debug, PartialEq, Eq)]
pub struct BadList {
    /// The line, from 1.
    pub line: usize,
}

impl fmt::Display for BadList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: neither a schema (G, set, group, validity, documents) nor an instance (I, name, document, validity)", self.line)
    }
}

impl std::error::Error for BadList {}

/// Reads a list of judgements: tab-separated, `G` for a schema, `I` for an instance of the schema above it.
///
/// # Errors
/// The first line that is neither.
pub fn list(text: &str) -> Result<Vec<Group>, BadList> {
    let mut groups: Vec<Group> = Vec::new();
    let expected = |word: &str| match word {
        "valid" => Some(true),
        "invalid" => Some(false),
        _ => None,
    };
    for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.starts_with('#') && !line.is_empty()) {
        let fields: Vec<&str> = line.split('\t').collect();
        match (fields.as_slice(), groups.last_mut()) {
            (["G", set, group, validity, documents], _) => groups.push(Group {
                name: format!("{set}/{group}"),
                expected: expected(validity),
                documents: documents.split_whitespace().map(str::to_owned).collect(),
                instances: Vec::new(),
            }),
            (["I", name, document, validity], Some(group)) => {
                let instance = Instance { name: (*name).to_owned(), document: (*document).to_owned(), expected: expected(validity) };
                group.instances.push(instance);
            }
            _ => return Err(BadList { line: number + 1 }),
        }
    }
    Ok(groups)
}

/// Judges every group, on all processors; the order is that of the list.
#[must_use]
pub fn run(root: &Path, groups: &[Group], level: Level) -> Vec<Judgement> {
    let next = AtomicUsize::new(0);
    let found: Mutex<BTreeMap<usize, Vec<Judgement>>> = Mutex::default();
    let work = || {
        while let Some((at, group)) = Some(next.fetch_add(1, Ordering::Relaxed)).and_then(|at| groups.get(at).map(|group| (at, group))) {
            let judgements = judge(root, group, level);
            if let Ok(mut found) = found.lock() {
                found.insert(at, judgements);
            }
        }
    };
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    // Schemas may nest as deep as the reader lets them: the validator's walk over a tree is recursive.
    const STACK_BYTES: usize = 64 << 20;
    std::thread::scope(|scope| {
        for number in 0..workers {
            let worker = std::thread::Builder::new().name(format!("xsts-{number}")).stack_size(STACK_BYTES);
            if worker.spawn_scoped(scope, work).is_err() {
                work();
            }
        }
    });
    found.into_inner().unwrap_or_default().into_values().flatten().collect()
}

/// `None`: it panicked, which is a verdict too, and never the right one.
fn guarded<T>(work: impl FnOnce() -> Result<T, String>) -> Option<Result<T, String>> {
    catch_unwind(AssertUnwindSafe(work)).ok()
}

fn judge(root: &Path, group: &Group, level: Level) -> Vec<Judgement> {
    let schemas = guarded(|| load(root, &group.documents, level));
    let verdict = |judged: Option<Result<(), String>>| match judged {
        None => (None, "panic".to_owned()),
        Some(Ok(())) => (Some(true), String::new()),
        Some(Err(why)) => (Some(false), why),
    };
    let mut judgements = Vec::new();
    if let Some(expected) = group.expected {
        let (accepted, why) = verdict(schemas.as_ref().map(|schemas| schemas.as_ref().map(drop).map_err(String::clone)));
        judgements.push(Judgement { name: group.name.clone(), instance: false, expected, accepted, why });
    }
    for instance in &group.instances {
        let Some(expected) = instance.expected else { continue };
        let (accepted, why) = match &schemas {
            Some(Ok(schemas)) => verdict(guarded(|| validate(root, group, instance, schemas, level))),
            // A schema of which the suite does not say that it is valid may be refused; then no instance is valid.
            Some(Err(why)) if group.expected != Some(true) => (Some(false), why.clone()),
            _ => (None, "the schema did not load".to_owned()),
        };
        judgements.push(Judgement { name: format!("{}/{}", group.name, instance.name), instance: true, expected, accepted, why });
    }
    judgements
}

/// Loads the documents of a schema.
///
/// # Errors
/// The first defect.
fn load(root: &Path, documents: &[String], level: Level) -> Result<Schemas, String> {
    let mut read = Vec::new();
    for document in documents {
        read.push((document.as_str(), std::fs::read(root.join(document)).map_err(|error| format!("{document}: {error}"))?));
    }
    let borrowed: Vec<(&str, &[u8])> = read.iter().map(|(name, octets)| (*name, octets.as_slice())).collect();
    let resolver = |location: &str, _: &str| inside(root, location).and_then(|path| std::fs::read(path).ok());
    let loaded = Schemas::load_at(level, &borrowed, &resolver);
    loaded
        .map(|loaded| loaded.schemas)
        .map_err(|defects| defects.first().map_or_else(String::new, |defect| defect.to_string().replace(['\n', '\t'], " ")))
}

/// A location as a path below the root of the suite.
fn inside(root: &Path, location: &str) -> Option<PathBuf> {
    let relative = !location.is_empty() && !location.starts_with('/') && !location.split('/').any(|part| part == "..");
    (relative && !location.contains(':')).then(|| root.join(location))
}

fn validate(root: &Path, group: &Group, instance: &Instance, schemas: &Schemas, level: Level) -> Result<(), String> {
    let octets = std::fs::read(root.join(&instance.document)).map_err(|error| error.to_string())?;
    let limits = Limits { relative_namespaces: true, attributes_max: 10_000, value_bytes_max: 1 << 20, ..Limits::default() };
    let element = read(&octets, None, &limits).map_err(|malformed| malformed.to_string())?;
    // What an instance names beside the group's documents counts too, unless the two contradict.
    let mut hints = Hints { folder: instance.document.rsplit_once('/').map_or("", |(folder, _)| folder), ..Hints::default() };
    hints.documents.clone_from(&group.documents);
    hints.follow(&element)?;
    let documents = hints.documents;
    let own;
    let schemas = match documents.len() > group.documents.len() {
        true => {
            own = load(root, &documents, level);
            own.as_ref().unwrap_or(schemas)
        }
        false => schemas,
    };
    match schemas.assess_all(&element, 1).first() {
        None => Ok(()),
        Some(violation) => Err(violation.to_string()),
    }
}

/// The schema documents that an instance names (part 1 §4.3.2).
#[derive(Default)]
struct Hints<'i> {
    folder: &'i str,
    documents: Vec<String>,
    /// The namespaces of the elements so far.
    passed: BTreeSet<&'i str>,
}

impl<'i> Hints<'i> {
    /// # Errors
    /// A namespace is located behind the first element that is in it.
    fn follow(&mut self, element: &'i Element) -> Result<(), String> {
        let pairs: Vec<&str> = element.attribute(XSI_NAMESPACE, "schemaLocation").unwrap_or_default().split_whitespace().collect();
        let mut located: Vec<(&str, &str)> = pairs.chunks(2).filter_map(|pair| Some((*pair.first()?, *pair.get(1)?))).collect();
        located.extend(element.attribute(XSI_NAMESPACE, "noNamespaceSchemaLocation").map(|location| ("", location.trim())));
        for (namespace, location) in located {
            let location = format!("{}/{location}", self.folder);
            if self.documents.contains(&location) {
                continue;
            }
            if self.passed.contains(namespace) {
                return Err(format!("{namespace:?} is located behind the first element that is in it"));
            }
            self.documents.push(location);
        }
        self.passed.insert(element.name().namespace());
        element.elements().try_for_each(|child| self.follow(child))
    }
}

/// A count of judgements that agree with the suite.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bucket {
    /// How many do.
    pub right: usize,
    /// Of how many.
    pub of: usize,
}

impl Bucket {
    /// The share that agrees, in hundredths of a percent, rounded down.
    #[must_use]
    pub fn basis_points(self) -> usize {
        (self.right * 10_000).checked_div(self.of).unwrap_or(10_000)
    }
}

impl fmt::Display for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let points = self.basis_points();
        write!(f, "{:>5} of {:>5}  {:>3}.{:02} %", self.right, self.of, points / 100, points % 100)
    }
}

/// The judgements that `chosen` picks.
pub fn bucket<'j>(judgements: impl IntoIterator<Item = &'j Judgement>, chosen: impl Fn(&Judgement) -> bool) -> Bucket {
    judgements
        .into_iter()
        .filter(|judgement| chosen(judgement))
        .fold(Bucket::default(), |bucket, judgement| Bucket { right: bucket.right + usize::from(judgement.agrees()), of: bucket.of + 1 })
}

/// The reasons file: a name, or the start of names with a `*` behind it, a tab, and why this house differs from the suite.
#[derive(Clone, Debug, Default)]
pub struct Reasons(Vec<(String, String)>);

impl Reasons {
    /// Reads the file; lines that start with `#` are comments.
    #[must_use]
    pub fn read(text: &str) -> Self {
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        Self(lines.filter_map(|line| line.split_once('\t').map(|(name, why)| (name.to_owned(), why.to_owned()))).collect())
    }

    /// Why the judgement of this name differs.
    #[must_use]
    pub fn of(&self, name: &str) -> Option<&str> {
        let hit = |listed: &str| listed.strip_suffix('*').map_or(listed == name, |start| name.starts_with(start));
        self.0.iter().find(|(listed, _)| hit(listed)).map(|(_, why)| why.as_str())
    }

    /// The names that no failure has: reasons for what is right by now.
    #[must_use]
    pub fn stale(&self, failures: &[&Judgement]) -> Vec<&str> {
        let used = |listed: &str| failures.iter().any(|failure| Self(vec![(listed.to_owned(), String::new())]).of(&failure.name).is_some());
        self.0.iter().map(|(listed, _)| listed.as_str()).filter(|listed| !used(listed)).collect()
    }
}
