//! Every shipped mapping compiles without a finding, and every sample beside one becomes what is expected, byte for byte.
//!
//! `WAYBILL_BLESS=1` writes the expectations; look at them before you commit them.

#![expect(clippy::unwrap_used, reason = "the helpers of tests stand outside #[test] functions")]
use mappings::{Item, Mapping, Outcome, Sector, Unmappable};
use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use xsd::read::{Limits, read};
use xsd::tree::{Element, Node};
use xsd::write::canonical;

/// The folders, two and more for each domain: e-government, transport, energy, medical, industrial.
const SECTORS: [&str; 11] = ["archive", "civil", "clinic", "factory", "freight", "gas", "health", "power", "quality", "tax", "transport"];

fn sectors() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    SECTORS.into_iter().map(|sector| root.join(sector)).collect()
}

fn maps(sector: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(sector).unwrap().map(|entry| entry.unwrap().path());
    let mut maps: Vec<PathBuf> = entries.filter(|path| path.to_string_lossy().ends_with(".map.xml")).collect();
    maps.sort();
    maps
}

#[test]
fn every_leaf_of_every_sector_is_accounted_for() {
    let mut seen = Vec::new();
    let mut found = Vec::new();
    for map in sectors().iter().flat_map(|sector| maps(sector)) {
        let checked = Mapping::check(&map);
        // A criterion is any text and may be missing, and a legacy query is narrow or takes one of several: SM170, SM121 and SM206 say
        // that such a query is refused, as it must be.
        let query = map.to_string_lossy().ends_with("-query.map.xml");
        let refused = |code: &str| query && ["SM121", "SM170", "SM206"].contains(&code);
        found.extend(checked.diagnostics.iter().filter(|finding| !refused(finding.code)).map(ToString::to_string));
        seen.push((map.file_name().unwrap().to_string_lossy().into_owned(), checked.coverage.mapped, checked.coverage.ignored));
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
    let expected = [
        ("dossier-query.map.xml", 2, 1),
        ("dossier.map.xml", 18, 2),
        ("household-query.map.xml", 2, 1),
        ("household.map.xml", 16, 3),
        ("summary-query.map.xml", 2, 1),
        ("summary.map.xml", 19, 27),
        ("equipment-query.map.xml", 2, 1),
        ("equipment.map.xml", 11, 2),
        ("consignment-query.map.xml", 2, 1),
        ("consignment.map.xml", 20, 3),
        ("network.map.xml", 24, 3),
        ("visit-query.map.xml", 2, 1),
        ("visit.map.xml", 16, 5),
        ("meter-query.map.xml", 2, 1),
        ("meter.map.xml", 16, 2),
        ("certificate.map.xml", 15, 1),
        ("invoice-query.map.xml", 2, 1),
        ("invoice.map.xml", 29, 11),
        ("vehicle-query.map.xml", 2, 1),
        ("vehicle.map.xml", 19, 2),
    ];
    assert_eq!(seen, expected.map(|(name, mapped, ignored)| (name.to_owned(), mapped, ignored)));
}

/// All files of a sector, in a folder of their own.
fn copied(sector: &Path, name: &str) -> PathBuf {
    let to = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::create_dir_all(to.join("codes")).unwrap();
    let nested = sector.join("codes");
    let folders = [(sector.to_owned(), to.clone()), (nested, to.join("codes"))];
    for (from, to) in folders.iter().filter(|(from, _)| from.is_dir()) {
        for entry in fs::read_dir(from).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_file()) {
            fs::copy(&entry, to.join(entry.file_name().unwrap())).unwrap();
        }
    }
    to
}

/// Every document that is this one without one of its elements, with the name of that element.
fn without_one(root: &Element) -> Vec<(String, Element)> {
    let mut found = Vec::new();
    for (at, node) in root.children().iter().enumerate() {
        let Node::Element(child) = node else { continue };
        let mut less = root.clone();
        less.children_mut().remove(at);
        let otherwise = root.elements().any(|sibling| sibling.name().local() == "otherwise");
        let local = child.name().local();
        // What otherwise takes over is still handled.
        found.push((if otherwise { [local, " beside otherwise"].concat() } else { local.to_owned() }, less));
        for (name, inner) in without_one(child) {
            let mut less = root.clone();
            *less.children_mut().get_mut(at).unwrap() = Node::Element(inner);
            found.push((name, less));
        }
    }
    found
}

#[test]
fn no_reason_and_no_case_can_be_taken_out_unnoticed() {
    let mut tried = 0;
    for sector in sectors() {
        let name = sector.file_name().unwrap().to_string_lossy().into_owned();
        let folder = copied(&sector, &["less-", &name].concat());
        for map in maps(&sector).iter().filter(|map| !map.to_string_lossy().contains("-query")) {
            let root = read(&fs::read(map).unwrap(), None, &Limits::default()).unwrap();
            for (name, less) in without_one(&root) {
                let path = folder.join(map.file_name().unwrap());
                fs::write(&path, xsd::write::document(&less)).unwrap();
                let quiet = Mapping::check(&path).diagnostics.is_empty();
                let telling = ["ignore", "type", "when", "codes", "source", "target", "record"].contains(&name.as_str());
                assert!(!(quiet && telling), "{} without one m:{name}", map.display());
                tried += 1;
            }
        }
    }
    assert!(tried > 150, "only {tried}");
}

/// The document without white space that only sets it out, so that expectations can be read.
fn set_in(element: &mut Element) {
    if element.elements().next().is_some() {
        element.children_mut().retain(|node| matches!(node, Node::Element(_)));
    }
    for node in element.children_mut() {
        if let Node::Element(child) = node {
            set_in(child);
        }
    }
}

fn octets(path: &Path) -> Option<Vec<u8>> {
    let mut root = read(&fs::read(path).ok()?, None, &Limits::default()).unwrap();
    set_in(&mut root);
    Some(canonical(&root, &[], &[]))
}

fn compare(path: &Path, found: &[u8], expected: Option<Vec<u8>>) {
    if std::env::var_os("WAYBILL_BLESS").is_some() && !found.is_empty() {
        fs::write(path, found).unwrap();
        return;
    }
    let expected = expected.unwrap_or_default();
    assert_eq!(String::from_utf8_lossy(found), String::from_utf8_lossy(&expected), "{}", path.display());
}

/// All documents of one target under one root, as `in.xml` was one document.
fn made(outcome: &Outcome, target: &str) -> Vec<u8> {
    let all = outcome.records.iter().chain(&outcome.once).filter(|made| made.target() == target);
    all.flat_map(|made| [canonical(made.element(), &[], &[]), b"\n".to_vec()].concat()).collect()
}

fn lines(path: &Path) -> Option<Vec<u8>> {
    let text = fs::read_to_string(path).ok()?;
    let documents = text.split_inclusive('\n').filter(|line| !line.trim().is_empty());
    let canonical = documents.flat_map(|line| {
        let mut root = read(line.trim().as_bytes(), None, &Limits::default()).unwrap();
        set_in(&mut root);
        [canonical(&root, &[], &[]), b"\n".to_vec()].concat()
    });
    Some(canonical.collect())
}

/// A document that passes by becomes what one in memory does.
fn passes_by(mapping: &Mapping, octets: &[u8], outcome: &Outcome) {
    let (mut made, mut rejects) = (Vec::new(), Vec::new());
    let counts = mapping.stream(octets, None, &Limits::default(), &mut |item| {
        match item {
            Item::Record(document) | Item::Once(document) => made.push(String::from_utf8(document.octets().to_vec()).unwrap()),
            Item::Reject(reject) => rejects.push(reject.clone()),
        }
        ControlFlow::Continue(())
    });
    let all = outcome.records.iter().chain(&outcome.once);
    let expected: Vec<String> = all.map(|made| String::from_utf8(canonical(made.element(), &[], &[])).unwrap()).collect();
    assert_eq!((made, rejects), (expected, outcome.rejects.clone()));
    let counted = (outcome.records.len() as u64, outcome.once.len() as u64, outcome.rejected as u64);
    assert_eq!(counts.map(|counts| (counts.records, counts.once, counts.rejects)), Ok(counted));
}

fn check(test: &Path, mappings: &[Mapping]) {
    let root = read(&fs::read(test.join("in.xml")).unwrap(), None, &Limits::default()).unwrap();
    let name = root.name().clone();
    let mapping = mappings.iter().find(|mapping| mapping.source_root() == &name).unwrap();
    let outcome = mapping.apply(&mapping.validate(root).unwrap());
    passes_by(mapping, &fs::read(test.join("in.xml")).unwrap(), &outcome);
    let targets: Vec<&str> = mapping.targets().collect();
    for target in targets {
        let path = test.join(format!("expect.{target}.xml"));
        compare(&path, &made(&outcome, target), lines(&path));
    }
    let rejects: String = outcome
        .rejects
        .iter()
        .map(|reject| format!("{} rule {} source {}: {}\n", reject.code, reject.rule, reject.source, reject.text))
        .collect();
    let path = test.join("expect.rejects");
    compare(&path, rejects.as_bytes(), fs::read(&path).ok());
}

#[test]
fn samples_become_what_is_expected() {
    let mut ran = 0;
    for sector in sectors() {
        let mappings: Vec<Mapping> = maps(&sector).iter().map(|map| Mapping::load(map).unwrap()).collect();
        for entry in fs::read_dir(sector.join("tests")).unwrap() {
            check(&entry.unwrap().path(), &mappings);
            ran += 1;
        }
    }
    assert!(ran >= 45, "only {ran} samples");
}

#[test]
fn a_sector_answers_for_its_resources() {
    for (id, criteria, answer) in [
        ("archive/dossier", ("dossier", "4711"), "dossiers"),
        ("civil/household", ("household-no", "310101001"), "households"),
        ("clinic/summary", ("document", "DS2026050001"), "two-documents"),
        ("factory/equipment", ("equipment", "P001-0042"), "press"),
        ("freight/consignment", ("consignment", "KH00012345"), "two-legs"),
        ("health/visit", ("visit-no", "M20260703001"), "payers"),
        ("power/meter", ("month", "202603"), "march"),
        ("tax/invoice", ("access-key", "31002026070300000017"), "lot"),
        ("transport/vehicle", ("plate", "沪A12345"), "owners"),
    ] {
        let (sector, _) = id.split_once('/').unwrap();
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join(sector);
        let loaded = Sector::load(&dir).unwrap_or_else(|found| panic!("{found:?}"));
        let resource = loaded.resource(id).unwrap();
        assert_eq!(loaded.resources().count(), 1);
        assert!(resource.wsdl().is_file());
        assert_eq!((resource.response().id(), resource.response().version()), (id.replace('/', ".").as_str(), "1.0"));
        assert_eq!(resource.response().sha256().len(), 64);
        let request = resource.ask([criteria]).unwrap();
        assert!(String::from_utf8(canonical(request.element(), &[], &[])).unwrap().contains(criteria.1));
        assert!(matches!(resource.ask([("no-such-field", "1")]), Err(Unmappable::Rejected(_))));
        let body = read(&fs::read(dir.join("tests").join(answer).join("in.xml")).unwrap(), None, &Limits::default()).unwrap();
        let answer = resource.answer(body).unwrap();
        assert_eq!(answer.records.element().elements().count(), answer.ids.len());
        assert!(answer.ids.iter().all(|id| !id.is_empty()) && !answer.ids.is_empty());
        assert!(answer.rejects.is_empty());
        assert!(matches!(resource.answer(request.element().clone()), Err(Unmappable::Invalid(_) | Unmappable::Rejected(_))));
        assert_eq!(
            octets(&dir.join(format!("{}.metadata.xml", id.rsplit('/').next().unwrap()))).unwrap(),
            canonical(resource.metadata().element(), &[], &[])
        );
    }
}
