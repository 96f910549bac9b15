//! Evidence in parts: what holds of one bundle holds of all together, and a part that is missing, moved or another's is named.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may fail")]

mod city;

use city::{NOW, Network, delivered, founding, genesis, log, record_key, shown, signed};
use ledger::audit::{Export, Query, Report, Trust, asked, bundle, part, parts, verify_parts, write};
use ledger::examine::Alone;
use ledger::medium::Scratch;
use ledger::node::{Answer, Input};
use ledger::record::{Entry, Leaf};
use ledger::tree::Hash;
use std::fs;
use std::path::{Path, PathBuf};

const MINUTE: u64 = 60_000;

fn commit_all(city: &mut Network<Scratch>, entries: Vec<Entry>) {
    for entry in entries {
        let ticket = 1 + city.answers.len() as u64;
        let answer = city.commit(1 + ticket % 4, ticket, entry);
        assert!(matches!(answer, Answer::Committed { .. }), "{answer:?}");
    }
}

/// Trades in the first minute, then logs with a name of their own, then trades again.
fn history(name: &str) -> Network<Scratch> {
    let mut city = Network::new(3, |_| city::scratch(3));
    city.tick(40);
    commit_all(&mut city, founding());
    commit_all(&mut city, (0..4).map(|n| delivered(&format!("trade {n}"))).collect());
    city.now = NOW.plus_ms(10 * MINUTE);
    let log = |n: usize| signed(&log(&format!("{name} {n}"), "transport", Some("health")), &["transport", "health"]);
    commit_all(&mut city, (0..3).map(log).collect());
    city.now = NOW.plus_ms(30 * MINUTE);
    commit_all(&mut city, (4..7).map(|n| delivered(&format!("trade {n}"))).collect());
    city.now = NOW.plus_ms(40 * MINUTE);
    city.step(1, Input::Mark);
    city.tick(60);
    city
}

fn question(sector: &str, from: Option<u64>, to: Option<u64>) -> Query {
    let at = |minute: Option<u64>| minute.map(|minute| NOW.plus_ms(minute * MINUTE));
    Query { sector: Some(sector.to_owned()), from: at(from), to: at(to), ..Query::default() }
}

/// Puts the answer to a question where a part is.
fn put(dir: &Path, number: u64, city: &Network<Scratch>, query: &Query, exporter: &str) {
    let node = &city.nodes[&4];
    let files = bundle(node, &shown(node, query), query, exporter, &record_key(exporter)).unwrap();
    drop(fs::remove_dir_all(dir.join(part(number))));
    write(&dir.join(part(number)), &files).unwrap();
}

fn whole(city: &Network<Scratch>, dir: &Path) {
    drop(fs::remove_dir_all(dir));
    fs::create_dir_all(dir).unwrap();
    let periods = [(None, Some(5)), (Some(5), Some(25)), (Some(25), None)];
    (1..).zip(periods).for_each(|(number, (from, to))| put(dir, number, city, &question("transport", from, to), "bureau"));
}

fn verified(dir: &Path) -> Report {
    let report = verify_parts(dir, &Trust::Fingerprint(Hash::of(genesis(3).body())), &Alone, &|_, _| {}).unwrap();
    assert_eq!(report.is_complete(), report.holds());
    report
}

fn first(dir: &Path, number: u64, after: usize) -> PathBuf {
    let mut found: Vec<PathBuf> = fs::read_dir(dir.join(part(number)).join("entries")).unwrap().map(|item| item.unwrap().path()).collect();
    found.sort();
    found[after].clone()
}

#[test]
fn parts_are_one_answer_and_what_is_wrong_is_named() {
    let (city, other) = (history("log"), history("other"));
    let dir = std::env::temp_dir().join(format!("waybill-parts-{}", std::process::id()));
    whole(&city, &dir);
    let report = verified(&dir);
    assert_eq!(report.problems, []);
    assert_eq!(report.query, question("transport", None, None));
    let node = &city.nodes[&4];
    let fits = |index: &u64| {
        let leaf = Leaf::read(&node.leaf(*index).unwrap()).unwrap();
        report.query.fits(&leaf, &ledger::body::Record::read(leaf.entry.body()).unwrap())
    };
    assert_eq!(report.answers, (1..node.state().rooted().index()).filter(fits).collect::<Vec<_>>());
    let sent = report.complete.iter().find(|complete| complete.kind == ledger::record::StreamKind::Sender).unwrap();
    assert_eq!(sent.within, sent.count);
    assert_eq!(asked(&dir.join(part(2))), Some(question("transport", Some(5), Some(25))));
    // (what is done to the parts, the file that is named, what is said of it)
    type Harm<'a> = Box<dyn Fn() + 'a>;
    let cases: Vec<(Harm<'_>, &str, &str)> = vec![
        (Box::new(|| fs::remove_dir_all(dir.join(part(2))).unwrap()), "part-000003", "does not belong here"),
        (Box::new(|| fs::write(dir.join("part-000009"), "").unwrap()), "part-000009", "does not belong here"),
        (
            Box::new(|| {
                fs::remove_dir_all(dir.join(part(2))).unwrap();
                fs::rename(dir.join(part(3)), dir.join(part(2))).unwrap();
            }),
            "part-000002",
            "does not begin where",
        ),
        (Box::new(|| put(&dir, 2, &city, &question("transport", Some(6), Some(25)), "bureau")), "part-000002", "does not begin where"),
        (Box::new(|| put(&dir, 2, &city, &question("transport", Some(5), None), "bureau")), "part-000003", "does not begin where"),
        (Box::new(|| put(&dir, 2, &city, &question("civil", Some(5), Some(25)), "bureau")), "part-000002", "another question"),
        (Box::new(|| put(&dir, 3, &city, &question("transport", Some(25), None), "civil")), "part-000003", "another exporter"),
        (Box::new(|| fs::write(first(&dir, 3, 1), "<leaf/>").unwrap()), "part-000003/entries/", "changed"),
        (Box::new(|| fs::remove_file(dir.join(part(2)).join("checkpoint")).unwrap()), "part-000002/checkpoint", "missing"),
        // Each part verifies; but the first leaf of the second period is not the one that the first part has seen there.
        (Box::new(|| put(&dir, 2, &other, &question("transport", Some(5), Some(25)), "bureau")), "part-000002/entries/", "not the same"),
        (Box::new(|| fs::remove_dir_all(dir.join(part(1))).unwrap()), "part-000001", "missing"),
    ];
    for (at, (harm, file, what)) in cases.into_iter().enumerate() {
        whole(&city, &dir);
        harm();
        let problems = verified(&dir).problems;
        assert!(problems.iter().any(|problem| problem.file.starts_with(file) && problem.what.contains(what)), "case {at}: {problems:?}");
    }
    assert_eq!(parts(&dir).unwrap().0, Vec::<PathBuf>::new());
    fs::remove_dir_all(&dir).unwrap();
}

#[test]
fn a_bundle_that_grows_while_the_ledger_goes_on_is_the_one_that_was_begun() {
    let mut city = history("log");
    let (query, key) = (question("transport", None, None), record_key("bureau"));
    let run = shown(&city.nodes[&4], &query);
    let at_once = bundle(&city.nodes[&4], &run, &query, "bureau", &key).unwrap();
    let mut export = Export::begin(&city.nodes[&4], &run, &query, "bureau", &key.public()).unwrap();
    export.take(&city.nodes[&4], 3).unwrap();
    commit_all(&mut city, vec![delivered("meanwhile")]);
    city.step(1, Input::Mark);
    city.tick(60);
    assert!(!export.is_whole());
    while !export.is_whole() {
        export.take(&city.nodes[&4], 3).unwrap();
    }
    assert_eq!(export.finish(&key).unwrap(), at_once);
}
