//! Runs the W3C's suite for XML Schema against this house, `suite xsts`, and against other processors, `suite peers`.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "it is a program for a terminal")]

use conformance::xsts::{self, Group, Judgement, Reasons, bucket, peers};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;
use xsd::load::Level;

const USAGE: &str = "usage: suite xsts --root DIR --list judgements.tsv [--level strict|compat] [--reasons FILE] [--failures FILE]
       suite peers --root DIR --list judgements.tsv [--level strict|compat] [--reasons FILE] [--failures FILE] [--judge PROGRAM]";

#[derive(Default)]
struct Arguments {
    peers: bool,
    root: PathBuf,
    list: PathBuf,
    level: Option<Level>,
    reasons: Option<PathBuf>,
    failures: Option<PathBuf>,
    judge: Option<PathBuf>,
}

fn arguments() -> Option<Arguments> {
    let mut given = std::env::args().skip(1);
    let peers = match given.next()?.as_str() {
        "xsts" => false,
        "peers" => true,
        _ => return None,
    };
    let mut arguments = Arguments { peers, ..Arguments::default() };
    while let Some(name) = given.next() {
        let value = given.next()?;
        match name.as_str() {
            "--root" => arguments.root = value.into(),
            "--list" => arguments.list = value.into(),
            "--level" => arguments.level = Some(value.parse().ok()?),
            "--reasons" => arguments.reasons = Some(value.into()),
            "--failures" => arguments.failures = Some(value.into()),
            "--judge" => arguments.judge = Some(value.into()),
            _ => return None,
        }
    }
    Some(arguments)
}

fn main() -> ExitCode {
    let Some(arguments) = arguments() else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    match if arguments.peers { peers_run(&arguments) } else { xsts_run(&arguments) } {
        Ok(code) => code,
        Err(what) => {
            eprintln!("{what}");
            ExitCode::from(2)
        }
    }
}

fn read(path: &PathBuf) -> Result<String, String> {
    std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
}

fn groups(arguments: &Arguments) -> Result<Vec<Group>, String> {
    xsts::list(&read(&arguments.list)?).map_err(|bad| format!("{}: {bad}", arguments.list.display()))
}

/// Lists each judgement on which a peer says other than this house, with the reason where it is ours to give.
fn peers_run(arguments: &Arguments) -> Result<ExitCode, String> {
    let groups = groups(arguments)?;
    let reasons = arguments.reasons.as_ref().map(read).transpose()?.map(|text| Reasons::read(&text)).unwrap_or_default();
    let judgements = xsts::run(&arguments.root, &groups, arguments.level.unwrap_or_default());
    let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/peers"));
    let judge = arguments.judge.clone().unwrap_or_else(|| folder.join("xsd-schema/target/release/judge"));
    let failed = |error: std::io::Error| error.to_string();
    let (root, list) = (&arguments.root, &arguments.list);
    let asked = [
        ("xmllint", peers::xmllint(root, &groups, &std::env::temp_dir()).map_err(failed)?),
        ("xerces", peers::xerces(root, list, &folder.join("xerces/Judge.java")).map_err(failed)?),
        ("xsd-schema", peers::xsd_schema(root, list, &judge).map_err(failed)?),
    ];
    let mut lines =
        String::from("# Where others judge otherwise than this house: the peer, the name, the suite's verdict, ours, the peer's, why.\n");
    for (peer, verdicts) in asked {
        let Some(verdicts) = verdicts else {
            println!("{peer}: skipped, it is not there");
            continue;
        };
        let found = peers::disagreements(&judgements, &verdicts);
        let right = bucket(&judgements, |judgement| verdicts.contains_key(&judgement.name));
        let theirs = judgements.iter().filter(|judgement| verdicts.get(&judgement.name) == Some(&judgement.expected)).count();
        println!(
            "{peer}: of {} judgements that it was asked {theirs} are the suite's, of ours {}; {} differ",
            right.of,
            right.right,
            found.len()
        );
        let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
        for found in &found {
            *kinds.entry(found.kind()).or_default() += 1;
            let Judgement { name, expected, accepted, .. } = found.judgement;
            let words = [*expected, *accepted == Some(true), found.peer].map(|valid| if valid { "valid" } else { "invalid" });
            let why =
                if found.judgement.agrees() { "the suite is with us" } else { reasons.of(name).unwrap_or("the suite is with the peer") };
            lines.push_str(&[peer, name, &words.join("\t"), why].join("\t"));
            lines.push('\n');
        }
        kinds.iter().for_each(|(kind, count)| println!("    {count:>5} {kind}"));
    }
    if let Some(path) = &arguments.failures {
        std::fs::write(path, lines).map_err(|error| format!("{}: {error}", path.display()))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn xsts_run(arguments: &Arguments) -> Result<ExitCode, String> {
    let groups = groups(arguments)?;
    let reasons = arguments.reasons.as_ref().map(read).transpose()?.map(|text| Reasons::read(&text));
    let judgements = xsts::run(&arguments.root, &groups, arguments.level.unwrap_or_default());
    for (what, instance, expected) in [
        ("schemas that are valid, accepted    ", false, true),
        ("schemas that are invalid, rejected  ", false, false),
        ("instances that are valid, accepted  ", true, true),
        ("instances that are invalid, rejected", true, false),
    ] {
        println!("{what} {}", bucket(&judgements, |judgement| judgement.instance == instance && judgement.expected == expected));
    }
    println!("all                                  {}", bucket(&judgements, |_| true));
    let failures: Vec<&Judgement> = judgements.iter().filter(|judgement| !judgement.agrees()).collect();
    if let Some(path) = &arguments.failures {
        let lines: String = failures.iter().map(|failure| line(failure)).collect();
        std::fs::write(path, lines).map_err(|error| format!("{}: {error}", path.display()))?;
    }
    let mut unexplained = 0;
    if let Some(reasons) = &reasons {
        for failure in failures.iter().filter(|failure| reasons.of(&failure.name).is_none()) {
            unexplained += 1;
            println!("without a reason: {}", line(failure).trim_end());
        }
        for stale in reasons.stale(&failures) {
            unexplained += 1;
            println!("a reason for what does not fail: {stale}");
        }
    }
    println!("{} passed, {} failed", judgements.len() - failures.len(), failures.len());
    Ok(if unexplained > 0 || reasons.is_none() && !failures.is_empty() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn line(failure: &Judgement) -> String {
    let expected = if failure.expected { "valid" } else { "invalid" };
    let found = match failure.accepted {
        Some(true) => "valid",
        Some(false) => "invalid",
        None => "not judged",
    };
    format!("{}\t{}\t{expected}\t{found}\t{}\n", if failure.instance { "I" } else { "G" }, failure.name, failure.why)
}
