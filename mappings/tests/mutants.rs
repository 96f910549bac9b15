//! Does `check` see what is wrong? Every shipped mapping is spoilt in one place at a time, over all classes of errors; each mutant must
//! be found by `check` (an error, or a warning as under `--deny warnings`), by loading its sector, or make other documents of the mapping's own samples or of
//! these with one value changed.
//!
//! Mutants that nothing finds stand in `mutants.survivors` with the reason why they are no fault: the test compares. With
//! `WAYBILL_BLESS=1` the list is written anew; the reasons are for people to write.

#![expect(clippy::unwrap_used, reason = "the helpers of tests stand outside #[test] functions")]
use mappings::{Mapping, Outcome, Sector};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use xsd::read::{Limits, read};
use xsd::tree::{Attribute, Element, Node, QName};
use xsd::write::{canonical, document};

const LANGUAGE: &str = "urn:waybill:mapping:1";

/// How many mutants of one class are made of one mapping.
const OF_ONE_CLASS: usize = 5;

/// How many samples with one value changed are made of one sample.
const CHANGED_MAX: usize = 1000;

/// Attributes that hold paths of the source, and of the target.
const READ: [&str; 8] = ["from", "select", "of", "exists", "missing", "count", "path", "is"];

/// The place of an element: the numbers of the children that lead to it.
type Way = Vec<usize>;

fn element<'e>(root: &'e mut Element, way: &[usize]) -> &'e mut Element {
    way.iter().fold(root, |parent, at| match parent.children_mut().get_mut(*at) {
        Some(Node::Element(child)) => child,
        _ => unreachable!("ways lead to elements"),
    })
}

fn ways(root: &Element, way: &mut Way, into: &mut Vec<(Way, Element)>) {
    into.push((way.clone(), root.clone()));
    for (at, node) in root.children().iter().enumerate() {
        if let Node::Element(child) = node {
            way.push(at);
            ways(child, way, into);
            way.pop();
        }
    }
}

fn set(element: &mut Element, name: &str, value: String) {
    element.set_attribute(Attribute { name: QName::new("", name), prefix: "".into(), value });
}

/// The same element without one attribute, or under another name.
fn rebuilt(element: &Element, local: &str, without: &str) -> Element {
    let mut made = Element::new(element.prefix(), QName::new(LANGUAGE, local));
    element.namespaces().iter().for_each(|(prefix, namespace)| made.push_namespace(prefix.clone(), namespace.clone()));
    let kept = element.attributes().iter().filter(|attribute| attribute.name.local() != without);
    kept.for_each(|attribute| made.set_attribute(attribute.clone()));
    element.children().iter().for_each(|node| made.push_node(node.clone()));
    made
}

/// What is done to one element: the class, and the element in its place (none: it is taken out).
type Mutation = (String, Option<Element>);

/// Every way in which one element can be spoilt.
fn mutations(rule: &Element) -> Vec<Mutation> {
    let local = rule.name().local();
    let mut found: Vec<Mutation> = Vec::new();
    let changed = |name: &str, value: String| {
        let mut made = rule.clone();
        set(&mut made, name, value);
        Some(made)
    };
    if !["mapping", "source", "target", "record", "once"].contains(&local) {
        found.push((format!("{local} is missing"), None));
    }
    for attribute in rule.attributes() {
        let (name, value) = (attribute.name.local(), attribute.value.as_str());
        let side = if name == "path" && local != "ignore" { "target" } else { "source" };
        if READ.contains(&name) && value != "." {
            found.push((format!("{local}: a {side} name is wrong in {name}"), changed(name, format!("{value}x"))));
            found.push((format!("{local}: a {side} prefix is wrong in {name}"), changed(name, format!("zz:{}", value.replace(':', "-")))));
            found.push((format!("{local}: {name} leads out"), changed(name, format!("../../../../../../{value}"))));
            if let Some((before, _)) = value.rsplit_once('/') {
                found.push((format!("{local}: {name} is cut short"), changed(name, before.to_owned())));
            }
        }
        let other = match (name, value) {
            ("parse", _) => value.replace("MM", "MX").replace("dd", "MM").replace("MX", "dd"),
            ("as", "date") => "dateTime".to_owned(),
            ("as", _) => "date".to_owned(),
            ("zone", _) => "-11:00".to_owned(),
            ("codes", _) => format!("{value}s"),
            ("to" | "value" | "equals", _) => format!("{value}?"),
            ("from", _) if local == "code" => format!("{value}?"),
            ("when-nil" | "when-empty", "omit") => "reject".to_owned(),
            ("check", "gb11643") => "gb32100".to_owned(),
            ("check", _) => "gb11643".to_owned(),
            ("root" | "schema" | "operation" | "wsdl" | "href", _) => format!("{value}x"),
            ("message", "output") => "input".to_owned(),
            ("message", _) => "output".to_owned(),
            ("on-missing", _) => "omit".to_owned(),
            ("via", _) => "substring(2)".to_owned(),
            ("default", _) => format!("{value}?"),
            _ => continue,
        };
        found.push((format!("{local}: {name} says something else"), changed(name, other)));
        if !["to", "root", "schema", "from", "value", "equals", "wsdl", "operation", "message", "href"].contains(&name) {
            found.push((format!("{local}: {name} is missing"), Some(rebuilt(rule, local, name))));
        }
    }
    if rule.attribute("", "value").is_some() {
        found.push((format!("{local}: the constant is too long"), changed("value", "x".repeat(5_000))));
    }
    match local {
        "when" | "otherwise" | "type" if rule.elements().next().is_some() => {
            let mut made = rule.clone();
            made.children_mut().clear();
            found.push((format!("{local}: its rules are gone"), Some(made)));
        }
        "each" => found.push(("each: it is an in".to_owned(), Some(rebuilt(rule, "in", "")))),
        "source" | "codes" if rule.attribute("", "schema").or(rule.attribute("", "href")).is_some() => {
            found.push((format!("{local}: another file is pinned"), changed("sha256", "0".repeat(64))));
        }
        "set" => {
            found.push(("set: it says two things".to_owned(), changed("value", "x".to_owned()).map(|made| twice(&made))));
            found.push(("set: an unknown attribute".to_owned(), changed("fom", "x".to_owned())));
            if rule.attribute("", "from").is_some() && rule.attribute("", "codes").is_none() {
                found.push(("set: a code table that is of something else".to_owned(), changed("codes", "zz".to_owned())));
                found.push(("set: a date is expected".to_owned(), changed("parse", "yyyyMMdd".to_owned())));
            }
        }
        _ => {}
    }
    found
}

/// A set with both a constant and a path.
fn twice(rule: &Element) -> Element {
    let mut made = rule.clone();
    if made.attribute("", "from").is_none() {
        set(&mut made, "from", ".".to_owned());
    }
    made
}

/// All files of a sector, in a folder of their own.
fn copied(sector: &Path, name: &str) -> PathBuf {
    let to = Path::new(env!("CARGO_TARGET_TMPDIR")).join(["mutants-", name].concat());
    fs::create_dir_all(to.join("codes")).unwrap();
    for (from, to) in [(sector.to_owned(), to.clone()), (sector.join("codes"), to.join("codes"))].iter().filter(|(from, _)| from.is_dir()) {
        for entry in fs::read_dir(from).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_file()) {
            fs::copy(&entry, to.join(entry.file_name().unwrap())).unwrap();
        }
    }
    to
}

/// The samples of a sector that a mapping reads.
fn samples(sector: &Path, mapping: &Mapping) -> Vec<Element> {
    let mut folders: Vec<PathBuf> = fs::read_dir(sector.join("tests")).unwrap().map(|entry| entry.unwrap().path()).collect();
    folders.sort();
    let read = |folder: PathBuf| {
        let octets = fs::read(folder.join("in.xml")).ok()?;
        read(&octets, None, &Limits::default()).or_else(|_| read(&octets, mapping.encoding(), &Limits::default())).ok()
    };
    folders.into_iter().filter_map(read).filter(|root| root.name() == mapping.source_root()).collect()
}

/// What the samples become, without places of rules: a mutant is laid out as its original is, but its rules may have moved.
fn made(mapping: &Mapping, samples: &[Element]) -> Vec<String> {
    let shown = |outcome: Outcome| {
        let documents =
            outcome.records.iter().chain(&outcome.once).map(|made| String::from_utf8(canonical(made.element(), &[], &[])).unwrap());
        let rejects = outcome.rejects.iter().map(|reject| format!("{} {}", reject.code, reject.source));
        documents.chain(rejects).collect::<Vec<_>>().join("\n")
    };
    samples
        .iter()
        .map(|sample| mapping.validate(sample.clone()).map_or("not valid".to_owned(), |valid| shown(mapping.apply(&valid))))
        .collect()
}

/// What a sector's folder answers for; nothing where it does not load.
fn resources(folder: &Path) -> Vec<String> {
    Sector::load(folder).map(|sector| sector.resources().map(|resource| resource.id().to_owned()).collect()).unwrap_or_default()
}

/// The codes that the tables of a mapping have.
fn codes_of(mapping: &Element) -> BTreeSet<String> {
    let tables = mapping.all(LANGUAGE, "codes").flat_map(|table| table.all(LANGUAGE, "code"));
    tables.filter_map(|code| code.attribute("", "from")).map(str::to_owned).collect()
}

/// Values that stand for the one that is there: beside white space, with a slip, empty, at another time of day, another code.
fn others(value: &str, codes: &BTreeSet<String>) -> Vec<String> {
    let mut found = vec![format!(" {value} "), String::new()];
    if let Some((at, last)) = value.char_indices().last() {
        let other = if last == '7' { '3' } else { '7' };
        found.push(format!("{}{other}", value.get(..at).unwrap_or_default()));
    }
    if let Some((day, _)) = value.split_once('T').filter(|(day, _)| day.len() == 10) {
        found.extend(["T23:30:00Z", "T23:30:00", "T00:30:00"].map(|time| format!("{day}{time}")));
    }
    if codes.contains(value) {
        found.extend(codes.iter().cloned());
    }
    found
}

/// The samples with one value changed: what a mapping makes of them tells more than the samples themselves.
fn with_one_changed(sample: &Element, codes: &BTreeSet<String>) -> Vec<Element> {
    let (mut all, mut found) = (Vec::new(), Vec::new());
    ways(sample, &mut Vec::new(), &mut all);
    for (way, here) in all {
        for attribute in here.attributes().iter().filter(|attribute| attribute.name.namespace().is_empty()) {
            for value in others(&attribute.value, codes) {
                let mut other = sample.clone();
                element(&mut other, &way).set_attribute(Attribute { value, ..attribute.clone() });
                found.push(other);
            }
        }
        if here.elements().next().is_none() {
            for value in others(&here.string(), codes) {
                let mut other = sample.clone();
                *element(&mut other, &way).children_mut() = vec![Node::Text(value)];
                found.push(other);
            }
        }
    }
    found.truncate(CHANGED_MAX);
    found
}

/// What `check` finds that it did not find in the original.
fn told(mapping: &Path, before: &BTreeSet<(&'static str, String)>) -> (Option<Mapping>, bool) {
    let checked = Mapping::check(mapping);
    let new = checked.diagnostics.iter().any(|finding| !before.contains(&(finding.code, finding.text.clone())));
    (checked.mapping, new)
}

#[derive(Default)]
struct Tally {
    made: usize,
    classes: BTreeMap<String, (usize, usize)>,
    survivors: Vec<String>,
}

fn try_mapping(sector: &Path, map: &Path, folder: &Path, tally: &mut Tally) {
    let mut root = read(&fs::read(map).unwrap(), None, &Limits::default()).unwrap();
    let path = folder.join(map.file_name().unwrap());
    fs::write(&path, document(&root)).unwrap();
    let original = Mapping::check(&path);
    let before = original.diagnostics.iter().map(|finding| (finding.code, finding.text.clone())).collect();
    let mapping = original.mapping.unwrap();
    let samples = samples(sector, &mapping);
    let expected = made(&mapping, &samples);
    let changed: Vec<Element> = samples.iter().flat_map(|sample| with_one_changed(sample, &codes_of(&root))).collect();
    let changed_expected: Vec<String> = made(&mapping, &changed);
    let bound_before = resources(folder);
    let (mut all, mut of_class) = (Vec::new(), BTreeMap::<String, usize>::new());
    ways(&root, &mut Vec::new(), &mut all);
    for (way, rule) in all.iter().skip(1) {
        for (class, mutant) in mutations(rule).into_iter().filter(|(_, mutant)| mutant.as_ref() != Some(rule)) {
            let count = of_class.entry(class.clone()).or_default();
            *count += 1;
            if *count > OF_ONE_CLASS {
                continue;
            }
            let (last, above) = way.split_last().unwrap();
            let place = element(&mut root, above).children_mut().get_mut(*last).unwrap();
            let kept = std::mem::replace(place, mutant.map_or(Node::Comment, Node::Element));
            fs::write(&path, document(&root)).unwrap();
            *element(&mut root, above).children_mut().get_mut(*last).unwrap() = kept;
            let (mapping, told) = told(&path, &before);
            let bound = class.starts_with("bind") && resources(folder) != bound_before;
            let differs = |mapping: Mapping| {
                made(&mapping, &samples) != expected
                    || changed
                        .iter()
                        .zip(&changed_expected)
                        .any(|(sample, expected)| made(&mapping, std::slice::from_ref(sample)) != [expected.clone()])
            };
            let killed = told || bound || mapping.is_none_or(differs);
            tally.made += 1;
            let of = tally.classes.entry(class.clone()).or_default();
            of.0 += 1;
            of.1 += usize::from(killed);
            if !killed {
                let shown: Vec<String> = rule.attributes().iter().map(|at| format!("{}='{}'", at.name.local(), at.value)).collect();
                let name = map.file_name().unwrap().to_string_lossy().into_owned();
                tally.survivors.push([name, class, shown.join(" ")].join("\t"));
            }
        }
    }
    // The next mapping's sector is whole again.
    fs::copy(map, path).unwrap();
}

#[test]
fn what_is_spoilt_in_a_mapping_is_found() {
    let crate_root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut sectors: Vec<PathBuf> = fs::read_dir(crate_root).unwrap().map(|entry| entry.unwrap().path()).collect();
    sectors.retain(|path| path.join("tests").is_dir());
    sectors.sort();
    let mut tally = Tally::default();
    for sector in &sectors {
        let folder = copied(sector, &sector.file_name().unwrap().to_string_lossy());
        let mut maps: Vec<PathBuf> = fs::read_dir(sector).unwrap().map(|entry| entry.unwrap().path()).collect();
        maps.retain(|path| path.to_string_lossy().ends_with(".map.xml"));
        maps.sort();
        maps.iter().for_each(|map| try_mapping(sector, map, &folder, &mut tally));
    }
    let killed = tally.made - tally.survivors.len();
    for (class, (made, killed)) in &tally.classes {
        println!("{killed:4} of {made:4}  {class}");
    }
    println!("{} mutants, {killed} killed, {} survive", tally.made, tally.survivors.len());
    assert!(tally.made >= 300 && tally.classes.len() >= 30, "{} mutants of {} classes", tally.made, tally.classes.len());
    assert!(killed * 100 >= tally.made * 98, "{killed} of {}:\n{}", tally.made, tally.survivors.join("\n"));
    let list = crate_root.join("tests/mutants.survivors");
    if std::env::var_os("WAYBILL_BLESS").is_some() {
        let lines: String = tally.survivors.iter().map(|line| [line.as_str(), "\twhy?\n"].concat()).collect();
        fs::write(&list, lines).unwrap();
    }
    let known = fs::read_to_string(&list).unwrap();
    let explained: Vec<&str> = known
        .lines()
        .filter_map(|line| line.rsplit_once('\t'))
        .map(|(line, why)| {
            assert!(why.len() > 10, "{line}: why is this no fault?");
            line
        })
        .collect();
    assert_eq!(tally.survivors, explained, "mappings/tests/mutants.survivors");
}
