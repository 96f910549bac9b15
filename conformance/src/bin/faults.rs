//! `faults [--trials N] [--seed N] [--write] [ROW…]`: the fault trials of real processes, and their table.

#![allow(clippy::print_stdout, reason = "it is a program for a terminal")]

use conformance::city::root;
use conformance::faults::rows::{ROWS, Row};
use conformance::faults::table;
use conformance::faults::town::{Ground, Town};
use conformance::faults::trial::{Sum, lying, possible, trials};
use std::collections::BTreeMap;
use std::process::ExitCode;

const CONTROL: &str = "lying fsync (control)";

/// Disks that lie: the judge must find what they lost.
fn control(count: usize, seed: u64) -> Sum {
    let mut sum = Sum::default();
    for number in 0..count {
        let town = Town::found(&format!("faults-lying-{number}"), Ground::Disks);
        match town.and_then(|mut town| lying(&mut town, seed + number as u64)) {
            Ok(verdict) => {
                sum.trials += 1;
                sum.acknowledged += verdict.acknowledged;
                sum.lost += verdict.lost.len();
                if verdict.lost.is_empty() {
                    sum.wrong.push(String::from("the judge finds no loss"));
                }
            }
            Err(why) => sum.wrong.push(why),
        }
    }
    sum.said.push(String::from("the judge must find losses here, and does"));
    sum
}

fn main() -> ExitCode {
    let (mut count, mut seed, mut write, mut wanted) = (None, 1, false, Vec::new());
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--trials" => count = arguments.next().and_then(|number| number.parse().ok()),
            "--seed" => seed = arguments.next().and_then(|number| number.parse().ok()).unwrap_or(1),
            "--write" => write = true,
            _ => wanted.push(argument),
        }
    }
    let is_wanted = |name: &str| wanted.is_empty() || wanted.iter().any(|word| name.contains(word.as_str()));
    let (mut lines, mut fine) = (BTreeMap::new(), true);
    let mut told = |name: &str, sum: &Sum| {
        let line = table::line(name, sum);
        print!("{line}");
        lines.insert(name.to_owned(), line);
        fine = fine && sum.wrong.is_empty() && sum.trials > 0;
    };
    for ground in [Ground::Plain, Ground::Disks, Ground::Spaces, Ground::Clocks] {
        let rows: Vec<&Row> = ROWS.iter().filter(|row| row.ground == ground && is_wanted(row.name)).collect();
        if let Err(why) = possible(ground) {
            println!("skipped: {} rows: {why}", rows.len());
            continue;
        }
        trials(&rows, |row| count.unwrap_or(row.trials), seed, |row, sum| told(row.name, sum));
        if ground == Ground::Disks && is_wanted(CONTROL) {
            told(CONTROL, &control(count.unwrap_or(5), seed));
        }
    }
    let written = if write { table::write(&root().join("conformance/faults.md"), ROWS, &lines) } else { Ok(()) };
    if let Err(why) = &written {
        println!("{why}");
    }
    if fine && written.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
