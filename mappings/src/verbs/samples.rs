//! `map test`, `map run` and `map coverage`: mappings over documents, what comes out beside what is expected, and what never had its turn.

use crate::diagnostic::Diagnostic;
use crate::document::{Block, Document, Origin, Rule, RuleKind, Set};
use crate::mapping::{Mapping, Outcome};
use crate::run::Reject;
use crate::verbs::page::element;
use crate::verbs::report::{push, suite};
use crate::verbs::set_in;
use crate::witness::Witness;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use xsd::read::{Limits, read};
use xsd::tree::{Element, Place};
use xsd::write::canonical;

/// What one document became.
#[derive(Debug, Default)]
pub struct Ran {
    /// For each target, in the order of the mapping, its documents as canonical XML.
    pub made: Vec<(String, Vec<Vec<u8>>)>,
    /// What could not be made.
    pub rejects: Vec<Reject>,
}

/// Maps one document; `witness` learns what had its turn.
///
/// # Errors
/// The document is not well-formed, or not valid against the source schema: the text has the place.
pub fn run(mapping: &Mapping, octets: &[u8], witness: &Witness) -> Result<Ran, String> {
    let root = read(octets, None, &Limits::default())
        .or_else(|first| mapping.encoding().map_or(Err(first), |encoding| read(octets, Some(encoding), &Limits::default())))
        .map_err(|malformed| format!("{}: {}", malformed.place, malformed.what))?;
    let valid = mapping.validate(root).map_err(|invalid| {
        let shown: Vec<String> = invalid
            .violations
            .iter()
            .map(|violation| format!("{} {}: {} at {}", violation.rule, violation.place, violation.what, violation.path))
            .collect();
        shown.join("\n")
    })?;
    let outcome = mapping.apply_watched(&valid, Some(witness));
    outcome.rejects.iter().for_each(|reject| witness.rule(reject.rule));
    let made = mapping.targets().map(|target| (target.to_owned(), documents(&outcome, target))).collect();
    Ok(Ran { made, rejects: outcome.rejects })
}

fn documents(outcome: &Outcome, target: &str) -> Vec<Vec<u8>> {
    let all = outcome.records.iter().chain(&outcome.once).filter(|made| made.target() == target);
    all.map(|made| canonical(made.element(), &[], &[])).collect()
}

/// The records of a document that these places lie in; `None` if it is too large to be held in memory, or is none.
#[must_use]
pub fn records_at(mapping: &Mapping, octets: &[u8], places: &[Place]) -> Option<Vec<Option<Vec<u8>>>> {
    let root = read(octets, mapping.encoding(), &HELD).ok()?;
    let windows = windows(mapping.document(), &root);
    Some(places.iter().map(|place| record_of(&windows, *place)).collect())
}

/// What a document may have whose rejected records are looked up.
const HELD: Limits = Limits {
    document_bytes_max: 64 << 20,
    depth_max: 100,
    attributes_max: 256,
    children_max: usize::MAX,
    name_bytes_max: 1024,
    value_bytes_max: 1 << 20,
    bindings_max: 128,
    elements_max: 2_000_000,
    relative_namespaces: true,
};

/// The elements that records are made of, in the order of the document.
fn windows<'r>(document: &Document, root: &'r Element) -> Vec<&'r Element> {
    let paths = document.blocks.iter().filter_map(|block| block.window.as_ref());
    let mut windows: Vec<&Element> = Vec::new();
    for path in paths {
        let mut found = vec![root];
        for step in &path.steps {
            if let crate::path::Step::Element { name, .. } = step {
                found = found.into_iter().flat_map(Element::elements).filter(|child| child.name() == name).collect();
            }
        }
        windows.extend(found);
    }
    windows.sort_by_key(|window| window.place());
    windows
}

/// The record that a place of the source lies in.
fn record_of(windows: &[&Element], source: Place) -> Option<Vec<u8>> {
    let behind = windows.partition_point(|window| window.place() <= source);
    Some(xsd::write::document(windows.get(behind.checked_sub(1)?)?))
}

/// One sample that was tried.
#[derive(Debug)]
pub struct Case {
    /// Its folder.
    pub folder: PathBuf,
    /// What differs; empty if nothing does.
    pub failures: Vec<String>,
    /// Expectations that were written.
    pub blessed: Vec<PathBuf>,
}

/// How often the parts of one mapping had their turn in all samples.
#[derive(Debug)]
pub struct Exercised {
    /// The mapping's path.
    pub path: PathBuf,
    /// Rules that write, and those of them that wrote or rejected something.
    pub rules: (usize, usize),
    /// Cases of m:choose and m:case, and those taken.
    pub branches: (usize, usize),
    /// Codes of the tables that rules use, and those looked up.
    pub codes: (usize, usize),
    /// What never had its turn.
    pub never: Vec<String>,
}

/// What `map test` found.
#[derive(Debug, Default)]
pub struct Tested {
    /// Each sample.
    pub cases: Vec<Case>,
    /// Each mapping.
    pub exercised: Vec<Exercised>,
    /// Mappings that do not load.
    pub broken: Vec<(PathBuf, Vec<Diagnostic>)>,
}

/// The mappings in a folder, or in the folders right below it, in the order of their names.
///
/// # Errors
/// The folder cannot be read.
pub fn mappings_in(dir: &Path) -> Result<Vec<PathBuf>, String> {
    let list = |dir: &Path| -> Result<Vec<PathBuf>, String> {
        let entries = fs::read_dir(dir).map_err(|why| format!("{}: {why}", dir.display()))?;
        let mut found: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
        found.sort();
        Ok(found)
    };
    let mut found = Vec::new();
    for path in list(dir)? {
        if path.is_dir() {
            found.extend(list(&path)?.into_iter().filter(|path| is_map(path)));
        } else if is_map(&path) {
            found.push(path);
        }
    }
    Ok(found)
}

fn is_map(path: &Path) -> bool {
    path.is_file() && path.to_string_lossy().ends_with(".map.xml")
}

/// Tries every sample beside the mappings of `dir`: `tests/NAME/in.xml` becomes `expect.TARGET.xml` and `expect.rejects`. With `bless`
/// the expectations are written instead.
///
/// # Errors
/// The folder cannot be read, or has no mapping.
pub fn test(dir: &Path, bless: bool) -> Result<Tested, String> {
    let mut tested = Tested::default();
    let mut folders: BTreeMap<PathBuf, Vec<(PathBuf, Mapping, Witness)>> = BTreeMap::new();
    for path in mappings_in(dir)? {
        match Mapping::load(&path) {
            Ok(mapping) => {
                let folder = path.parent().unwrap_or(Path::new("")).to_owned();
                folders.entry(folder).or_default().push((path, mapping, Witness::default()));
            }
            Err(found) => tested.broken.push((path, found)),
        }
    }
    if folders.is_empty() && tested.broken.is_empty() {
        return Err(format!("{} has no *.map.xml, nor has a folder in it", dir.display()));
    }
    for (folder, mappings) in folders {
        let mut samples: Vec<PathBuf> =
            fs::read_dir(folder.join("tests")).into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path())).collect();
        samples.sort();
        for sample in samples.into_iter().filter(|sample| sample.join("in.xml").is_file()) {
            tested.cases.push(case(sample, &mappings, bless));
        }
        tested.exercised.extend(mappings.into_iter().map(|(path, mapping, witness)| exercised(path, &mapping, &witness)));
    }
    Ok(tested)
}

fn case(folder: PathBuf, mappings: &[(PathBuf, Mapping, Witness)], bless: bool) -> Case {
    let mut case = Case { folder, failures: Vec::new(), blessed: Vec::new() };
    let octets = match fs::read(case.folder.join("in.xml")) {
        Ok(octets) => octets,
        Err(why) => {
            case.failures.push(format!("in.xml: {why}"));
            return case;
        }
    };
    let root = read(&octets, None, &Limits::default());
    let found = match &root {
        Ok(root) => mappings.iter().find(|(_, mapping, _)| mapping.source_root() == root.name()),
        Err(_) => mappings.first(),
    };
    let Some((_, mapping, witness)) = found else {
        case.failures.push("no mapping beside it reads a document with this root".to_owned());
        return case;
    };
    let (made, rejects) = match run(mapping, &octets, witness) {
        Ok(ran) => (ran.made, ran.rejects.iter().map(reject_line).collect()),
        Err(why) => (mapping.targets().map(|target| (target.to_owned(), Vec::new())).collect(), [why.as_str(), "\n"].concat()),
    };
    for (target, documents) in made {
        let lines: Vec<u8> = documents.iter().flat_map(|document| [document.as_slice(), b"\n"].concat()).collect();
        case.compare(&format!("expect.{target}.xml"), &String::from_utf8_lossy(&lines), bless, canonical_lines);
    }
    case.compare("expect.rejects", &rejects, bless, |text| Ok(text.to_owned()));
    case
}

fn reject_line(reject: &Reject) -> String {
    format!("{} rule {} source {}: {}\n", reject.code, reject.rule, reject.source, reject.text)
}

/// One document a line, or one document laid out over many, in the form that documents are compared in.
fn canonical_lines(text: &str) -> Result<String, String> {
    let one = |text: &str| {
        let mut root = read(text.trim().as_bytes(), Some("UTF-8"), &Limits::default()).map_err(|why| why.to_string())?;
        set_in(&mut root);
        Ok::<_, String>([&*String::from_utf8_lossy(&canonical(&root, &[], &[])), "\n"].concat())
    };
    if text.trim().is_empty() {
        return Ok(String::new());
    }
    let lines: Result<String, String> = text.lines().filter(|line| !line.trim().is_empty()).map(one).collect();
    lines.or_else(|_not_a_document_a_line| one(text))
}

impl Case {
    fn compare(&mut self, name: &str, found: &str, bless: bool, form: impl Fn(&str) -> Result<String, String>) {
        let path = self.folder.join(name);
        let expected = fs::read_to_string(&path).unwrap_or_default();
        if bless {
            let same = form(&expected).is_ok_and(|expected| expected == found);
            let written = match (same, found.is_empty()) {
                (true, _) => return,
                (false, true) => fs::remove_file(&path),
                (false, false) => fs::write(&path, found),
            };
            match written {
                Ok(()) => self.blessed.push(path),
                Err(why) => self.failures.push(format!("{}: {why}", path.display())),
            }
            return;
        }
        match form(&expected) {
            Ok(expected) if expected == found => {}
            Ok(expected) => self.failures.push(difference(name, &expected, found)),
            Err(why) => self.failures.push(format!("{name}: {why}")),
        }
    }
}

/// The first line in which two texts differ, from where they do.
fn difference(name: &str, expected: &str, found: &str) -> String {
    let (mut left, mut right) = (expected.lines(), found.lines());
    for number in 1.. {
        let pair = (left.next(), right.next());
        if pair.0 == pair.1 && pair.0.is_some() {
            continue;
        }
        let (expected, found) = (pair.0.unwrap_or("nothing"), pair.1.unwrap_or("nothing"));
        let same = expected.chars().zip(found.chars()).take_while(|(left, right)| left == right).count();
        let piece = |text: &str| text.chars().skip(same.saturating_sub(40)).take(120).collect::<String>();
        return format!("{name}: line {number} differs\n    expected …{}\n    found    …{}", piece(expected), piece(found));
    }
    String::new()
}

/// What had its turn of one mapping.
fn exercised(path: PathBuf, mapping: &Mapping, witness: &Witness) -> Exercised {
    let document = mapping.document();
    let mut turns = Turns { witness, rules: (0, 0), branches: (0, 0), tables: BTreeSet::new(), never: Vec::new() };
    document.blocks.iter().for_each(|block: &Block| turns.rules(&block.rules));
    let mut codes = (0, 0);
    for table in document.codes.iter().filter(|table| turns.tables.contains(&table.name)) {
        let all: Vec<&str> = mapping.tables().get(&table.name).iter().flat_map(|table| table.to.keys()).map(String::as_str).collect();
        let unseen: Vec<&str> = all.iter().copied().filter(|from| !witness.has_code(&table.name, from)).collect();
        codes = (codes.0 + all.len(), codes.1 + all.len() - unseen.len());
        if !unseen.is_empty() {
            turns.never.push(format!("{}: codes of '{}' never looked up: {}", table.place, table.name, unseen.join(" ")));
        }
    }
    Exercised { path, rules: turns.rules, branches: turns.branches, codes, never: turns.never }
}

struct Turns<'a> {
    witness: &'a Witness,
    rules: (usize, usize),
    branches: (usize, usize),
    tables: BTreeSet<String>,
    never: Vec<String>,
}

impl Turns<'_> {
    fn rules(&mut self, rules: &[Rule]) {
        rules.iter().for_each(|rule| self.rule(rule));
    }

    fn rule(&mut self, rule: &Rule) {
        match &rule.kind {
            RuleKind::Set(set) => {
                self.tables.extend(set.codes.clone());
                self.wrote(rule.place, || words(set));
                self.rules(&set.inside);
            }
            RuleKind::In { path, rules, .. } | RuleKind::Each { path, rules, .. } => {
                self.wrote(rule.place, || path.text.clone());
                self.rules(rules);
            }
            RuleKind::Choose { whens, otherwise } => {
                for (at, when) in whens.iter().enumerate() {
                    self.branch(rule.place, at, when.place, "m:when");
                    self.rules(&when.rules);
                }
                self.otherwise(rule.place, whens.len(), otherwise.as_deref());
            }
            RuleKind::Case { types, otherwise, .. } => {
                for (at, branch) in types.iter().enumerate() {
                    self.branch(rule.place, at, branch.place, "m:type");
                    self.rules(&branch.rules);
                }
                self.otherwise(rule.place, types.len(), otherwise.as_deref());
            }
            RuleKind::Copy { path, .. } | RuleKind::Xslt { path, .. } => self.wrote(rule.place, || path.text.clone()),
            RuleKind::Ignore(_) | RuleKind::IgnoreOpen(..) => {}
        }
    }

    fn otherwise(&mut self, rule: Place, at: usize, otherwise: Option<&[Rule]>) {
        if let Some(rules) = otherwise {
            self.branch(rule, at, rule, "m:otherwise");
            self.rules(rules);
        }
    }

    fn wrote(&mut self, place: Place, what: impl Fn() -> String) {
        self.rules.0 += 1;
        if self.witness.has_rule(place) {
            self.rules.1 += 1;
        } else {
            self.never.push(format!("{place}: rule for {} never wrote anything", what()));
        }
    }

    fn branch(&mut self, rule: Place, at: usize, place: Place, what: &str) {
        self.branches.0 += 1;
        if self.witness.has_branch(rule, at) {
            self.branches.1 += 1;
        } else {
            self.never.push(format!("{place}: {what} was never taken"));
        }
    }
}

fn words(set: &Set) -> String {
    match &set.origin {
        Origin::From(paths) => {
            let paths: Vec<&str> = paths.iter().map(|path| path.text.as_str()).collect();
            format!("{} from {}", set.path.text, paths.join("|"))
        }
        _ => set.path.text.clone(),
    }
}

impl Tested {
    /// Whether everything is as expected.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.broken.is_empty() && self.cases.iter().all(|case| case.failures.is_empty())
    }

    /// For people: each sample, what differs, and what no sample exercises.
    #[must_use]
    pub fn text(&self) -> String {
        let mut out = String::new();
        for (path, found) in &self.broken {
            push(&mut out, format_args!("BROKEN {}\n", path.display()));
            found.iter().for_each(|finding| push(&mut out, format_args!("    {finding}\n")));
        }
        for case in &self.cases {
            let word = if case.failures.is_empty() { "ok    " } else { "FAILED" };
            push(&mut out, format_args!("{word} {}\n", case.folder.display()));
            case.failures.iter().for_each(|failure| push(&mut out, format_args!("    {failure}\n")));
            case.blessed.iter().for_each(|path| push(&mut out, format_args!("    wrote {}\n", path.display())));
        }
        for exercised in &self.exercised {
            let (rules, branches, codes) = (exercised.rules, exercised.branches, exercised.codes);
            push(
                &mut out,
                format_args!(
                    "{}: {} of {} rules, {} of {} branches, {} of {} codes exercised\n",
                    exercised.path.display(),
                    rules.1,
                    rules.0,
                    branches.1,
                    branches.0,
                    codes.1,
                    codes.0
                ),
            );
            exercised.never.iter().for_each(|never| push(&mut out, format_args!("    {never}\n")));
        }
        let failed = self.cases.iter().filter(|case| !case.failures.is_empty()).count();
        push(&mut out, format_args!("{} passed, {} failed\n", self.cases.len() - failed, failed + self.broken.len()));
        out
    }

    /// JUnit: a test case for each sample and for each mapping that does not load.
    #[must_use]
    pub fn junit(&self) -> String {
        let case = |name: &Path, failures: Vec<String>| {
            let case = element("testcase").with("classname", "waybill.map.test").with("name", &name.to_string_lossy());
            match failures.first() {
                None => case,
                Some(first) => {
                    case.child(element("failure").with("message", first.lines().next().unwrap_or_default()).text(&failures.join("\n")))
                }
            }
        };
        let broken = self.broken.iter().map(|(path, found)| case(path, found.iter().map(ToString::to_string).collect()));
        let samples = self.cases.iter().map(|sample| case(&sample.folder, sample.failures.clone()));
        let cases: Vec<_> = broken.chain(samples).collect();
        let failed = self.broken.len() + self.cases.iter().filter(|case| !case.failures.is_empty()).count();
        suite("map test", cases.len(), failed, cases)
    }
}

/// The sentence of `map coverage`, then every leaf that is not wholly accounted for; with a document also what it does not exercise.
///
/// # Errors
/// The mapping has errors (all of them, as text), or the document cannot be mapped.
pub fn coverage(path: &Path, document: Option<&[u8]>) -> Result<(String, bool), String> {
    let (mapping, checked) = covered(path)?;
    let windows: Vec<&crate::path::Path> = mapping.document().blocks.iter().filter_map(|block| block.window.as_ref()).collect();
    let mut names: Vec<String> = windows.iter().filter_map(|window| window.steps.last()).filter_map(local_of).collect();
    names.dedup();
    let of = if names.is_empty() { "the document".to_owned() } else { format!("a {}", names.join(" and a ").to_lowercase()) };
    let coverage = checked.coverage;
    let holds = holds(&checked);
    let word = if holds { "every leaf of" } else { "not every leaf of" };
    let mut out = format!("coverage: {word} {of} accounted for: {coverage}\n");
    for finding in checked.diagnostics.iter().filter(|finding| finding.code.starts_with("SM3")) {
        push(&mut out, format_args!("  {}\n", finding.text));
    }
    for leaf in checked.leaves.iter().filter(|leaf| !leaf.open) {
        if let Some((case, place)) = &leaf.lost {
            push(&mut out, format_args!("  in part, as the rule at {place} says: '{}' stays where {case}\n", leaf.path));
        }
    }
    if let Some(octets) = document {
        let witness = Witness::default();
        let ran = run(&mapping, octets, &witness)?;
        let exercised = exercised(path.to_owned(), &mapping, &witness);
        let made: usize = ran.made.iter().map(|(_, documents)| documents.len()).sum();
        push(&mut out, format_args!("document: {made} made, {} rejected; ", ran.rejects.len()));
        let (rules, branches, codes) = (exercised.rules, exercised.branches, exercised.codes);
        push(
            &mut out,
            format_args!(
                "{} of {} rules, {} of {} branches, {} of {} codes had their turn\n",
                rules.1, rules.0, branches.1, branches.0, codes.1, codes.0
            ),
        );
        exercised.never.iter().for_each(|never| push(&mut out, format_args!("  {never}\n")));
    }
    Ok((out, holds))
}

/// The figures of `map coverage` and what becomes of each leaf, as JSON (`schema: waybill/map-coverage/1`).
///
/// # Errors
/// The mapping has errors: all of them, as text.
pub fn coverage_json(path: &Path) -> Result<(String, bool), String> {
    let (mapping, checked) = covered(path)?;
    let leaf = |leaf: &crate::Leaf| {
        let lost = leaf.lost.as_ref().map(|(case, place)| json!({ "where": case, "line": place.line, "column": place.column }));
        json!({ "path": leaf.path, "state": leaf.state.word(), "lost": lost, "warning": leaf.open })
    };
    let crate::Coverage { mapped, in_part, decides, ignored, opaque, unaccounted } = checked.coverage;
    let leaves: Vec<Value> = checked.leaves.iter().map(leaf).collect();
    let data = json!({
        "schema": "waybill/map-coverage/1", "mapping": mapping.id(), "mapped": mapped, "in_part": in_part, "decides": decides,
        "ignored": ignored, "opaque": opaque, "unaccounted": unaccounted, "leaves": leaves,
    });
    Ok((format!("{data:#}"), holds(&checked)))
}

/// Whether somebody thought of every leaf of a record and of every header.
fn holds(checked: &crate::Checked) -> bool {
    checked.diagnostics.iter().all(|finding| !finding.code.starts_with("SM3"))
}

fn covered(path: &Path) -> Result<(Mapping, crate::Checked), String> {
    let mut checked = Mapping::check(path);
    match checked.mapping.take() {
        Some(mapping) => Ok((mapping, checked)),
        None => Err(checked.diagnostics.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")),
    }
}

fn local_of(step: &crate::path::Step) -> Option<String> {
    match step {
        crate::path::Step::Element { name, .. } => Some(name.local().to_owned()),
        _ => None,
    }
}
