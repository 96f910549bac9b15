//! Parse and validate: this house's reader and validator beside libxml2 in process and Xerces in a warm JVM, in turn, on the same
//! documents.

use super::arguments::{BenchXsd, XsdPeer};
use super::documents::{Style, VISITS, document};
use super::figures::{Figure, Floor, median};
use super::wrong;
use crate::config::Misconfigured;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};
use xsd::read::Limits;
use xsd::schema::Schemas;
use xsd::validate::Checker;

const SIZES: [(usize, &str); 3] = [(1_000, "1 kB"), (10_000, "10 kB"), (100_000, "100 kB")];

/// A program that measures itself when it is asked.
struct Asked {
    name: &'static str,
    floor: f64,
    child: Child,
    ask: ChildStdin,
    answer: BufReader<ChildStdout>,
}

impl Asked {
    fn start(name: &'static str, floor: f64, command: &mut Command) -> Result<Self, Misconfigured> {
        let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut child = child.map_err(|error| wrong(&command.get_program().to_string_lossy(), &error))?;
        let (Some(ask), Some(answer)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(wrong(name, &"has no standard input and output"));
        };
        Ok(Self { name, floor, child, ask, answer: BufReader::new(answer) })
    }

    /// Nanoseconds that one document takes, over so many.
    fn measure(&mut self, number: usize, rounds: u64) -> Result<f64, Misconfigured> {
        let failed = |error: std::io::Error| wrong(self.name, &error);
        writeln!(self.ask, "{number} {rounds}").and_then(|()| self.ask.flush()).map_err(failed)?;
        let mut line = String::new();
        self.answer.read_line(&mut line).map_err(failed)?;
        line.trim()
            .parse()
            .map_err(|error| wrong(self.name, &format!("{:?} is no figure ({error}): is the document valid to it?", line.trim())))
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        // One that has ended already is gone as well.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Measures and prints; whether all floors hold.
pub(super) fn run(arguments: &BenchXsd) -> Result<bool, Misconfigured> {
    let dir = &arguments.dir;
    if dir.exists() {
        return Err(wrong("--dir", &format!("{} exists: name a folder that does not, or remove it", dir.display())));
    }
    std::fs::create_dir_all(dir).map_err(|error| Misconfigured::File(dir.clone(), error))?;
    let mut holds = true;
    for (style, name) in [(Style::Visits, "visits"), (Style::Records, "records")] {
        holds &= measure(arguments, style, name)?;
    }
    std::fs::remove_dir_all(dir).map_err(|error| Misconfigured::File(dir.clone(), error))?;
    Ok(holds)
}

fn write(path: PathBuf, octets: &[u8]) -> Result<PathBuf, Misconfigured> {
    std::fs::write(&path, octets).map_err(|error| Misconfigured::File(path.clone(), error))?;
    Ok(path)
}

fn measure(arguments: &BenchXsd, style: Style, name: &str) -> Result<bool, Misconfigured> {
    let loaded = match style {
        Style::Visits => Schemas::load(&[("visit.xsd", VISITS)], &|_, _| None),
        Style::Records => xsd::unified::schemas(),
    };
    let schemas = loaded.map_err(|defects| wrong(name, &format!("{} defects", defects.len())))?;
    let schema = match style {
        Style::Visits => write(arguments.dir.join("visit.xsd"), VISITS)?,
        Style::Records => {
            for file in xsd::unified::names() {
                write(arguments.dir.join(file), xsd::unified::document(file).unwrap_or_default())?;
            }
            arguments.dir.join("business.xsd")
        }
    };
    let documents: Vec<Vec<u8>> = SIZES.iter().map(|(octets, _)| document(style, *octets)).collect();
    let mut files = Vec::new();
    for (octets, (_, size)) in documents.iter().zip(SIZES) {
        files.push(write(arguments.dir.join(format!("{name}-{}.xml", size.replace(' ', ""))), octets)?);
    }
    let mut peers = start(arguments, &schema, &files)?;
    let mut checker = Checker::new(&schemas, &Limits::default(), 1);
    let mut holds = true;
    for (number, (octets, (_, size))) in documents.iter().zip(SIZES).enumerate() {
        for figure in rounds(arguments, &mut checker, (number, octets), &mut peers, &format!("{name} {size}"))? {
            holds &= figure.holds().unwrap_or(true);
            figure.print(arguments.json);
        }
    }
    Ok(holds)
}

fn start(arguments: &BenchXsd, schema: &Path, files: &[PathBuf]) -> Result<Vec<Asked>, Misconfigured> {
    let mut peers = Vec::new();
    if arguments.peer.contains(&XsdPeer::Libxml2) {
        let program = arguments.dir.join("libxml2");
        let mut compile = Command::new("cc");
        compile.args(["-O2", "-I/usr/include/libxml2"]).arg(arguments.peers.join("libxml2.c")).arg("-lxml2").arg("-o").arg(&program);
        let compiled = compile.status().map_err(|error| wrong("cc", &error))?;
        if !compiled.success() {
            return Err(wrong("cc", &"libxml2.c does not compile: apt-get install gcc libxml2-dev"));
        }
        let program = std::fs::canonicalize(&program).map_err(|error| Misconfigured::File(program, error))?;
        peers.push(Asked::start("libxml2", 1.5, Command::new(program).arg(schema).args(files))?);
    }
    if arguments.peer.contains(&XsdPeer::Xerces) {
        let mut java = Command::new("java");
        // One of our threads is measured beside one of its: its collector may have no others.
        java.args(["-XX:+UseSerialGC"]).arg(arguments.peers.join("Xerces.java")).arg(schema).args(files);
        peers.push(Asked::start("Xerces, warm", 2.0, &mut java)?);
    }
    Ok(peers)
}

/// One document, everybody in turn: the medians of the rounds and of their ratios.
#[expect(clippy::cast_precision_loss, reason = "a duration in nanoseconds is far below 2^53")]
fn rounds(
    arguments: &BenchXsd,
    checker: &mut Checker<'_>,
    document: (usize, &[u8]),
    peers: &mut [Asked],
    id: &str,
) -> Result<Vec<Figure>, Misconfigured> {
    let (number, octets) = document;
    let (turns, burst) = if arguments.quick { (5, Duration::from_millis(40)) } else { (15, Duration::from_millis(200)) };
    let mut check = |times: u64| -> Result<f64, Misconfigured> {
        let start = Instant::now();
        for _ in 0..times {
            match checker.check(octets, None) {
                Ok(violations) if violations.is_empty() => {}
                refused => return Err(wrong(id, &format!("{refused:?}"))),
            }
        }
        Ok(start.elapsed().as_nanos() as f64 / times as f64)
    };
    let first = check(20)?;
    let times = |nanoseconds: f64| {
        let pace = Duration::from_secs_f64(nanoseconds.clamp(1.0, 1e12) / 1e9);
        u64::try_from(burst.as_nanos() / pace.as_nanos().max(1)).unwrap_or(1) + 1
    };
    let mut paces = vec![first];
    for peer in peers.iter_mut() {
        paces.push(peer.measure(number, 20)?);
    }
    let mut ours = Vec::new();
    let mut theirs = vec![Vec::new(); peers.len()];
    for _ in 0..turns {
        let own = check(times(first))?;
        ours.push(own);
        for ((peer, pace), values) in peers.iter_mut().zip(paces.iter().skip(1)).zip(&mut theirs) {
            values.push(peer.measure(number, times(*pace))?);
        }
    }
    let figure = |(peer, values): (&Asked, &Vec<f64>)| {
        let ratios: Vec<f64> = values.iter().zip(&ours).map(|(value, own)| value / own).collect();
        Figure {
            id: format!("{id}, {} octets, times as fast as {}", octets.len(), peer.name),
            ours: median(&ours) / 1000.0,
            unit: "us",
            peer: Some((peer.name, median(values) / 1000.0, median(&ratios))),
            limit: None,
            floor: Floor::RatioAtLeast(peer.floor),
        }
    };
    if peers.is_empty() {
        return Ok(vec![Figure::alone(&format!("{id}, {} octets", octets.len()), median(&ours) / 1000.0, "us", Floor::None)]);
    }
    Ok(peers.iter().zip(&theirs).map(figure).collect())
}
