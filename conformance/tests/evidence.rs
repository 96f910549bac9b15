//! What an auditor pulls from a running city verifies anywhere, breaks at every flipped byte, and holds no business data.

#![allow(
    clippy::print_stdout,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::too_many_lines,
    reason = "a test says what it measured and skipped, and fails by panicking"
)]

use conformance::city::City;
use data_encoding::{BASE64, BASE64_NOPAD, HEXLOWER};
use ledger::audit::{Trust, verify};
use ledger::checkpoint::Policy;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Values shorter than this are found everywhere by chance.
const VALUE_BYTES_MIN: usize = 6;
const RECORDS: usize = 1200;

fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}

fn policy(city: &City) -> Policy {
    Policy::parse(&fs::read_to_string(city.dir().join("policy")).expect("the city's policy")).expect("a policy")
}

#[test]
fn evidence_of_a_city() {
    let city = City::start("evidence");
    let bundle = city.dir().join("pulled");
    let auditor = city.profile("bureau", "auditor");
    let pull =
        ["audit", "pull", "--profile", auditor.to_str().expect("UTF-8"), "--sector", "civil", "--bundle", bundle.to_str().expect("UTF-8")];
    let pulled = city.run(&pull);
    assert_eq!(pulled.status.code(), Some(0), "{}", String::from_utf8_lossy(&pulled.stderr));
    trust_roots(&city, &bundle);
    two_exports_are_alike(&city, &bundle);
    every_change_is_named(&city, &bundle);
    one_record_with_other_peoples_tools(&bundle);
    in_parts(&city, &bundle);
    nothing_with_a_partner(&city);
    typed_values(&city);
    no_business_data(&city);
}

/// Verified by a policy file or the genesis fingerprint; not by another ledger's.
fn trust_roots(city: &City, bundle: &Path) {
    let bundle = bundle.to_str().expect("UTF-8");
    let policy = city.dir().join("policy");
    let fingerprint = fs::read_to_string(city.dir().join("genesis.fingerprint")).expect("the fingerprint");
    let other = "0".repeat(64);
    let check = |arguments: &[&str], expected: i32| {
        let output = city.run(&[&["audit", "verify", bundle], arguments].concat());
        assert_eq!(output.status.code(), Some(expected), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    };
    check(&["--policy", policy.to_str().expect("UTF-8")], 0);
    check(&["--genesis", fingerprint.trim()], 0);
    check(&["--genesis", &other], 1);
    check(&["--genesis", "nonsense"], 2);
    check(&[], 2);
}

/// A pull in parts answers as one bundle does, and one that was cut goes on after its last whole part.
fn in_parts(city: &City, bundle: &Path) {
    let auditor = city.profile("bureau", "auditor");
    let dir = city.dir().join("in-parts");
    let policy = city.dir().join("policy");
    let [auditor, parts, policy] = [&auditor, &dir, &policy].map(|path| path.to_str().expect("UTF-8"));
    let question = ["--sector", "civil", "--kind", "trade", "--to", "2999-01-01"];
    let pull = |more: &[&str], expected: i32| {
        let output = city.run(&[&["audit", "pull", "--profile", auditor, "--bundle", parts, "--part", "2", "--progress"], more].concat());
        assert_eq!(output.status.code(), Some(expected), "{more:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let answers = |dir: &str| {
        let output = city.run(&["audit", "verify", dir, "--policy", policy, "--json"]);
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        let report: serde_json::Value = serde_json::from_slice(&output.stdout).expect("a document");
        assert_eq!(report["all"], true, "{report}");
        report["answers"].as_array().expect("answers").clone()
    };
    let said = pull(&question, 0);
    assert!(said.contains("in 2 parts, up to"), "{said}");
    let all = answers(parts);
    assert!(all.len() > 2, "{all:?}");
    let every: BTreeSet<String> = answers(bundle.to_str().expect("UTF-8")).iter().map(ToString::to_string).collect();
    assert!(all.iter().all(|index| every.contains(&index.to_string())), "{all:?} of {every:?}");
    let count = fs::read_dir(&dir).expect("a directory").count();
    assert!(count > 2, "{count} parts");
    pull(&question, 2);
    // As after a kill: the last part is lost, and the one before is half written.
    fs::rename(dir.join(format!("part-{:06}", count - 1)), dir.join("draft")).expect("a part");
    fs::remove_file(dir.join("draft/manifest.xml")).expect("a manifest");
    fs::remove_dir_all(dir.join(format!("part-{count:06}"))).expect("a part");
    pull(&[&question[..], &["--status", "denied", "--resume"]].concat(), 2);
    pull(&[&question[..], &["--resume"]].concat(), 0);
    assert_eq!(answers(parts), all);
    pull(&[&question[..], &["--resume"]].concat(), 0);
    fs::remove_dir_all(dir.join("part-000002")).expect("a part");
    assert_eq!(city.run(&["audit", "verify", parts, "--policy", policy]).status.code(), Some(1));
    let report = city.run(&["audit", "report", parts, "--policy", policy]);
    assert_eq!(report.status.code(), Some(1), "{}", String::from_utf8_lossy(&report.stdout));
}

/// "No trade of civil with health in March" is shown, here and by who has the bundle alone; what there is is named.
fn nothing_with_a_partner(city: &City) {
    let auditor = city.profile("bureau", "auditor");
    let policy = city.dir().join("policy");
    let march = ["--from", "2026-03-01", "--to", "2026-04-01"];
    let pull = |name: &str, question: &[&str], expected: i32| {
        let bundle = city.dir().join(name);
        let (auditor, dir) = (auditor.to_str().expect("UTF-8"), bundle.to_str().expect("UTF-8"));
        let output = city.run(&[&["audit", "pull", "--profile", auditor, "--bundle", dir, "--expect-none"], question].concat());
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(expected), "{question:?}: {said}");
        let verified = city.run(&["audit", "verify", dir, "--policy", policy.to_str().expect("UTF-8"), "--expect-none"]);
        assert_eq!(verified.status.code(), Some(expected), "{question:?}: {}", String::from_utf8_lossy(&verified.stderr));
        (said, String::from_utf8_lossy(&verified.stdout).into_owned(), bundle)
    };
    let (_, said, bundle) = pull("march", &[&["--sector", "civil", "--with", "health"], &march[..]].concat(), 0);
    assert!(said.contains("no record fits: that is proven"), "{said}");
    // Of what came after, the first record shows that the period was over.
    let shown = files(&bundle.join("entries"));
    for entry in &shown[1..] {
        let octets = fs::read(entry).expect("a file");
        fs::remove_file(entry).expect("removable");
        assert!(!verify(&bundle, &Trust::Policy(self::policy(city))).expect("readable").holds(), "{}", entry.display());
        fs::write(entry, octets).expect("writable");
    }
    pull("nobody", &["--sector", "police", "--with", "health"], 0);
    pull("other-kind", &["--sector", "civil", "--with", "transport", "--kind", "grant"], 0);
    let (said, ..) = pull("traded", &["--sector", "civil", "--with", "transport", "--kind", "trade", "--from", "2026-03-01"], 1);
    assert!(said.contains("fits what was asked"), "{said}");
    let (said, ..) = pull("not-over", &["--sector", "civil", "--with", "bureau", "--to", "2999-01-01"], 1);
    assert!(said.contains("not-over"), "{said}");
    let (said, ..) = pull("nobody-named", &["--kind", "key"], 1);
    assert!(said.contains("not-complete"), "{said}");
}

fn two_exports_are_alike(city: &City, bundle: &Path) {
    let again = city.dir().join("again");
    let auditor = city.profile("bureau", "auditor");
    let pull =
        ["audit", "pull", "--profile", auditor.to_str().expect("UTF-8"), "--sector", "civil", "--bundle", again.to_str().expect("UTF-8")];
    assert_eq!(city.run(&pull).status.code(), Some(0));
    let names = |dir: &Path| files(dir).iter().map(|file| file.strip_prefix(dir).expect("below").to_owned()).collect::<Vec<_>>();
    assert_eq!(names(bundle), names(&again));
    for name in names(bundle) {
        assert_eq!(fs::read(bundle.join(&name)).expect("a file"), fs::read(again.join(&name)).expect("a file"), "{}", name.display());
    }
    fs::remove_dir_all(again).expect("removable");
}

/// Any byte of any file flipped, a file added, a file removed: the report names the file, and the entry where it holds one.
fn every_change_is_named(city: &City, bundle: &Path) {
    let trust = Trust::Policy(policy(city));
    let blamed = |file: &str| {
        let report = verify(bundle, &trust).expect("readable");
        let entry = file.split('/').next_back().and_then(|name| name.split('.').next()).and_then(|stem| stem.parse::<u64>().ok());
        report.problems.iter().any(|problem| problem.file == file && problem.entry == entry)
    };
    let all = files(bundle);
    assert!(all.len() > 20, "a bundle of some size: {}", all.len());
    let mut flips = 0;
    for path in &all {
        let name = path.strip_prefix(bundle).expect("below").to_str().expect("UTF-8").to_owned();
        let octets = fs::read(path).expect("a file");
        // Every byte of the first file of each kind, every 41st of the others.
        let first = !all.iter().any(|other| other < path && other.parent() == path.parent() && other.extension() == path.extension());
        let stride = if first && octets.len() < 1500 { 1 } else { 41 };
        for at in (0..octets.len()).step_by(stride).chain([octets.len() - 1]) {
            let mut flipped = octets.clone();
            flipped[at] ^= 1 << (at % 8);
            fs::write(path, &flipped).expect("writable");
            let named = blamed(&name);
            assert!(named, "{name}: the flip at {at} is not named: {:?}", verify(bundle, &trust).expect("readable").problems);
            flips += 1;
        }
        fs::remove_file(path).expect("removable");
        assert!(blamed(&name), "{name}: its absence is not named");
        fs::write(path, &octets).expect("writable");
    }
    for name in ["extra", "entries/0000009999.xml", "proofs/0000000001.tlog-proof~", "keys/other.pem"] {
        fs::write(bundle.join(name), "x").expect("writable");
        let report = verify(bundle, &trust).expect("readable");
        assert!(report.problems.iter().any(|problem| problem.file == name), "{name}: {:?}", report.problems);
        fs::remove_file(bundle.join(name)).expect("removable");
    }
    let report = verify(bundle, &trust).expect("readable");
    assert!(report.holds(), "whole again: {:?}", report.problems);
    println!("{flips} flips in {} files, each named", all.len());
    // And as a person sees it.
    let entry = all.iter().find(|path| path.parent() == Some(&bundle.join("entries"))).expect("an entry");
    let octets = fs::read(entry).expect("a file");
    let mut flipped = octets.clone();
    flipped[octets.len() / 2] ^= 1;
    fs::write(entry, flipped).expect("writable");
    let output =
        city.run(&["audit", "verify", bundle.to_str().expect("UTF-8"), "--policy", city.dir().join("policy").to_str().expect("UTF-8")]);
    assert_eq!(output.status.code(), Some(1));
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(told.contains("entries/0000000000.xml (entry 0)"), "{told}");
    fs::write(entry, octets).expect("writable");
}

/// xmllint, sha256sum, openssl and base64, by the script that stands in the bundle.
fn one_record_with_other_peoples_tools(bundle: &Path) {
    let run = |bundle: &Path| Command::new("sh").arg("VERIFY.txt").current_dir(bundle).output().expect("sh runs");
    let other = Command::new("sh").args(["VERIFY.txt", &"0".repeat(64)]).current_dir(bundle).output().expect("sh runs");
    assert!(!other.status.success(), "another genesis than the one that is trusted");
    for (name, replacement) in [("keys/civil.pem", "keys/health.pem"), ("keys/civil.node.pem", "keys/civil.pem")] {
        let octets = fs::read(bundle.join(name)).expect("a key");
        fs::copy(bundle.join(replacement), bundle.join(name)).expect("writable");
        assert!(!run(bundle).status.success(), "{name}: the script takes keys from the genesis alone");
        fs::write(bundle.join(name), octets).expect("writable");
    }
    let note = fs::read_to_string(bundle.join("checkpoint")).expect("a checkpoint");
    let bare: String = note.lines().filter(|line| !line.starts_with('\u{2014}')).map(|line| format!("{line}\n")).collect();
    fs::write(bundle.join("checkpoint"), bare).expect("writable");
    assert!(!run(bundle).status.success(), "a checkpoint without signatures");
    fs::write(bundle.join("checkpoint"), note).expect("writable");
    let output = run(bundle);
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{told}{}", String::from_utf8_lossy(&output.stderr));
    let entries = files(&bundle.join("entries"));
    assert_eq!(told.matches("signed and included").count(), entries.len(), "{told}");
    // The very last one is the state root, which stands in no stream.
    let last = entries.iter().rev().nth(1).expect("an entry");
    let octets = fs::read(last).expect("a file");
    let text = String::from_utf8(octets.clone()).expect("UTF-8").replacen("sequence=\"", "sequence=\"1", 1);
    fs::write(last, text).expect("writable");
    assert!(!run(bundle).status.success(), "the script sees a changed leaf");
    fs::write(last, octets).expect("writable");
}

/// What a person types where a code belongs does not reach the ledger: an unknown resource is a commitment, a purpose has no digits.
fn typed_values(city: &City) {
    let typed = adapter::city::example().expect("an example")[0].2.clone();
    let profile = city.profile("civil", "clerk").display().to_string();
    let resource = format!("transport/vehicle/{typed}");
    let asked = city.run(&["trade", "request", "--profile", &profile, "--purpose", "inquiry", &resource]);
    assert!(String::from_utf8_lossy(&asked.stdout).contains("not-found"), "{}", String::from_utf8_lossy(&asked.stderr));
    let purpose = format!("p{typed}");
    let refused = city.run(&["trade", "request", "--profile", &profile, "--purpose", &purpose, "transport/vehicle"]);
    assert!(String::from_utf8_lossy(&refused.stderr).contains("record.invalid"), "{}", String::from_utf8_lossy(&refused.stderr));
}

/// Every value of the legacy systems' records, in every form in which it could hide.
fn no_business_data(city: &City) {
    let mut values = BTreeSet::new();
    for sector in ["transport", "health", "civil"] {
        let found = adapter::legacy_system::values(sector, adapter::city::SEED, RECORDS).expect("a sector");
        values.extend(found.into_iter().filter(|value| value.len() >= VALUE_BYTES_MIN));
    }
    // A day on which the ledger itself wrote, or on which a grant of this city ends, says nothing of a record.
    let now = adapter::replica::now();
    let days = [now, now.plus_ms(365 * 86_400_000)].map(|instant| instant.to_string()[..10].to_owned());
    values.retain(|value| !days.contains(value));
    assert!(values.len() > 5000, "enough values to look for: {}", values.len());
    let mut haystack = Vec::new();
    for sector in conformance::city::SECTORS {
        for file in files(&city.dir().join(sector).join("ledger")) {
            haystack.push((file.display().to_string(), fs::read(&file).unwrap_or_default()));
        }
    }
    haystack.extend(files(&city.dir().join("pulled")).iter().map(|file| (file.display().to_string(), fs::read(file).expect("a file"))));
    let bytes: usize = haystack.iter().map(|(_, octets)| octets.len()).sum();
    assert!(haystack.len() > 20 && bytes > 100_000, "the ledger is where this test looks: {} files, {bytes} bytes", haystack.len());
    let control = b"transport/vehicle".to_vec();
    assert!(haystack.iter().any(|(_, octets)| holds(octets, &control)), "the search finds what is there");

    let needles: Vec<(String, Vec<u8>)> = values.iter().flat_map(|value| forms(value)).collect();
    // One pass a file: the first four bytes of every needle lead to the needles that begin so.
    let mut starts: std::collections::HashMap<[u8; 4], Vec<usize>> = std::collections::HashMap::new();
    for (at, (_, needle)) in needles.iter().enumerate() {
        starts.entry([needle[0], needle[1], needle[2], needle[3]]).or_default().push(at);
    }
    let mut found = BTreeSet::new();
    for (file, octets) in &haystack {
        for at in 0..octets.len().saturating_sub(4) {
            let Some(candidates) = starts.get(&octets[at..at + 4]) else { continue };
            for candidate in candidates.iter().filter(|candidate| stands(octets, at, &needles[**candidate].1)) {
                found.insert(format!("{file}: {}", needles[*candidate].0));
            }
        }
    }
    assert!(found.is_empty(), "business data in the ledger: {found:#?}");
    println!("{} values in {} forms, none in {} files of {bytes} bytes", values.len(), needles.len(), haystack.len());
}

/// Whether a needle is there. A short number (a post code, a day) is a part of any hexadecimal digest by chance: it counts where
/// no hexadecimal digit stands beside it, as it would in an element or an attribute.
fn stands(octets: &[u8], at: usize, needle: &[u8]) -> bool {
    let digit = |at: Option<usize>| at.and_then(|at| octets.get(at)).is_some_and(u8::is_ascii_hexdigit);
    let short = needle.len() < 12 && needle.iter().all(u8::is_ascii_hexdigit);
    octets[at..].starts_with(needle) && !(short && (digit(at.checked_sub(1)) || digit(at.checked_add(needle.len()))))
}

fn holds(octets: &[u8], needle: &[u8]) -> bool {
    octets.windows(needle.len()).any(|window| window == needle)
}

/// UTF-8, GB18030, hexadecimal, and base64 at each of its three alignments.
fn forms(value: &str) -> Vec<(String, Vec<u8>)> {
    let (gb, _, _) = encoding_rs::GB18030.encode(value);
    let mut forms = vec![(format!("{value} in UTF-8"), value.as_bytes().to_vec()), (format!("{value} in GB18030"), gb.to_vec())];
    for octets in [value.as_bytes(), &gb] {
        forms.push((format!("{value} in hex"), HEXLOWER.encode(octets).into_bytes()));
        forms.push((format!("{value} in base64"), BASE64.encode(octets).trim_end_matches('=').as_bytes()[..octets.len() / 3 * 4].to_vec()));
        for shift in 1..3 {
            let shifted = [&vec![0; shift], octets].concat();
            let text = BASE64_NOPAD.encode(&shifted);
            forms.push((format!("{value} in base64, shifted"), text.as_bytes()[4..shifted.len() / 3 * 4].to_vec()));
        }
    }
    // Fewer octets than this turn up by chance: two characters of GB18030, the whole groups of a short value in base64.
    forms.retain(|(_, needle)| needle.len() >= VALUE_BYTES_MIN + usize::from(needle.is_ascii()) * 2 || needle == value.as_bytes());
    forms.sort();
    forms.dedup();
    forms
}
