//! Measures the index: taking in, size, memory, and the first page of any filter with nothing in any cache.
//!
//! `cargo run --release -p ledger --example history -- 1000000 /tmp/index 300`: leaves, a directory, questions. As root every question
//! is a process of its own after the page cache was dropped.
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::indexing_slicing, clippy::cast_possible_truncation, reason = "a measurement")]
#![allow(clippy::float_arithmetic, clippy::disallowed_methods, reason = "it reads the clock and prints ratios")]

#[path = "../tests/crowd/mod.rs"]
mod crowd;

use crowd::{Asked, Dice, Record};
use ledger::index::{Direction, Filter, Index, Terms};
use ledger::record::Leaf;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

const PER_SECOND: u64 = 2000;
const PAGE: usize = 100;

/// A question: its class, and what is asked.
fn question(number: u64, count: u64) -> (&'static str, Filter, Direction) {
    let mut dice = Dice(number);
    let direction = if dice.below(2) == 0 { Direction::Ascending } else { Direction::Descending };
    let some = Record::of(dice.below(count), PER_SECOND);
    let (class, asked) = match number % 6 {
        0 => ("disjoint", Asked { sender: vec![0], status: vec![0, 2], ..Asked::default() }),
        1 => ("conversation", Asked { conversation: vec![some.conversation], ..Asked::default() }),
        2 => ("user and what", Asked { user: vec![some], what: vec![some], ..Asked::default() }),
        3 => {
            let many = (0..12).map(|_| Record::of(dice.below(count), PER_SECOND)).collect::<Vec<_>>();
            let conversation = many.iter().map(|some| some.conversation).collect();
            ("12 conversations, 12 users", Asked { conversation, user: many, trade: vec![true], ..Asked::default() })
        }
        _ => ("random", Asked::random(&mut dice, count, PER_SECOND)),
    };
    (class, asked.filter(), direction)
}

/// What this thread has worked, and waited for a core.
fn spent() -> (Duration, Duration) {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    let numbers: Vec<u64> = text.split_whitespace().map(|number| number.parse().unwrap()).collect();
    (Duration::from_nanos(numbers[0]), Duration::from_nanos(numbers[1]))
}

/// How long `work` takes where nobody else wants the core.
fn alone<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let (start, (_, waited)) = (Instant::now(), spent());
    let done = work();
    (done, start.elapsed().saturating_sub(spent().1 - waited))
}

fn ask(dir: &Path, number: u64, count: u64) -> (Duration, Duration, usize) {
    // A node that runs has its own code in memory: the page cache was dropped for the index.
    std::fs::read(std::env::current_exe().unwrap()).unwrap();
    let (index, opened) = alone(|| Index::open(dir).unwrap());
    let (_, filter, direction) = question(number, count);
    let (page, answered) = alone(|| index.query(&filter, None, PAGE, direction).unwrap());
    (opened, answered, page.indexes.len())
}

fn memory_mb(field: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with(field)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
}

fn size(dir: &Path) -> u64 {
    let entries = std::fs::read_dir(dir).unwrap().map(Result::unwrap);
    entries.map(|entry| if entry.path().is_dir() { size(&entry.path()) } else { entry.metadata().unwrap().len() }).sum()
}

fn take_in(dir: &Path, count: u64) {
    let index = Index::open(dir).unwrap();
    let (mut reading, mut taking, mut merging, mut worst) = <(Duration, Duration, Duration, Duration)>::default();
    let mut at = index.known().0;
    while at < count {
        let octets: Vec<Vec<u8>> = (at..count.min(at + 1000)).map(|index| Record::of(index, PER_SECOND).leaf()).collect();
        let hashes: Vec<_> = octets.iter().map(|octets| Leaf::hash(octets)).collect();
        let read = || octets.iter().zip(hashes).map(|(octets, hash)| Terms::read(octets, hash).unwrap()).collect::<Vec<Terms>>();
        let (terms, spent) = alone(read);
        reading += spent;
        let (known, spent) = alone(|| index.take(&terms).unwrap());
        at = known;
        taking += spent;
        worst = worst.max(spent);
        merging += alone(|| while index.merge().unwrap() {}).1;
    }
    let each = |spent: Duration| spent.as_secs_f64() * 1e6 / count as f64;
    println!("{count} leaves: terms {:.2} µs, take {:.2} µs, merges {:.2} µs a leaf", each(reading), each(taking), each(merging));
    println!("{:.0} leaves a second on one core; longest take of 1,000: {worst:?}", 1e6 / each(reading + taking + merging));
    println!("memory: {} MB now, {} MB at most", memory_mb("VmRSS"), memory_mb("VmHWM"));
    drop(index);
    println!("disk: {:.1} octets a leaf", size(dir) as f64 / count as f64);
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let (count, dir) = (arguments[1].parse().unwrap(), Path::new(&arguments[2]));
    let questions = arguments[3].parse().unwrap();
    if arguments.get(4).is_some() {
        let (opened, answered, found) = ask(dir, questions, count);
        println!("{} {} {found} {}", opened.as_micros(), answered.as_micros(), memory_mb("VmRSS"));
        return;
    }
    take_in(dir, count);
    let mut times: Vec<(u64, u64, &str, u64)> = Vec::new();
    let mut opens = Vec::new();
    let mut memory = 0;
    let mut cold = false;
    for number in 0..questions {
        cold = std::fs::write("/proc/sys/vm/drop_caches", "3").is_ok();
        let mut child = Command::new(&arguments[0]);
        let output = child.args([&arguments[1], &arguments[2], &number.to_string(), "ask"]).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let numbers: Vec<u64> = text.split_whitespace().map(|number| number.parse().unwrap()).collect();
        opens.push(numbers[0]);
        times.push((numbers[1], numbers[2], question(number, count).0, number));
        memory = memory.max(numbers[3]);
    }
    times.sort_unstable();
    opens.sort_unstable();
    let at = |part: usize| times[(times.len() * part / 100).min(times.len() - 1)].0;
    println!(
        "page cache {}; open: {} µs in the middle, {} at most",
        if cold { "dropped" } else { "kept" },
        opens[opens.len() / 2],
        opens.last().unwrap()
    );
    println!("first page of {PAGE}, {questions} processes: p50 {} µs, p90 {} µs, p99 {} µs, most {} µs", at(50), at(90), at(99), at(100));
    println!("memory of a process that asked: {memory} MB");
    for (spent, found, class, number) in times.iter().rev().take(5) {
        println!("  {spent} µs, {found} found: {class} ({number})");
    }
}
