//! A function of ours beside programs that measure themselves, in turn, on the same documents.

use super::figures::{Figure, Floor, median};
use super::wrong;
use crate::config::Misconfigured;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

/// A program that measures itself when it is asked.
pub(super) struct Asked {
    name: &'static str,
    /// A floor for each document.
    floors: Vec<f64>,
    child: Child,
    ask: ChildStdin,
    answer: BufReader<ChildStdout>,
}

impl Asked {
    /// Starts it. `floors` has how many times as fast we are to be, for each document.
    pub(super) fn start(name: &'static str, floors: Vec<f64>, command: &mut Command) -> Result<Self, Misconfigured> {
        let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut child = child.map_err(|error| wrong(&command.get_program().to_string_lossy(), &error))?;
        let (Some(ask), Some(answer)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(wrong(name, &"has no standard input and output"));
        };
        Ok(Self { name, floors, child, ask, answer: BufReader::new(answer) })
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

/// Compiles a C program.
pub(super) fn compiled(source: &Path, libraries: &[&str], package: &str, program: PathBuf) -> Result<PathBuf, Misconfigured> {
    let mut compile = Command::new("cc");
    compile.args(["-O2", "-I/usr/include/libxml2"]).arg(source).args(libraries).arg("-o").arg(&program);
    if !compile.status().map_err(|error| wrong("cc", &error))?.success() {
        return Err(wrong("cc", &format!("{} does not compile: apt-get install gcc {package}", source.display())));
    }
    std::fs::canonicalize(&program).map_err(|error| Misconfigured::File(program, error))
}

/// Writes a file for the peers.
pub(super) fn written(path: PathBuf, octets: &[u8]) -> Result<PathBuf, Misconfigured> {
    std::fs::write(&path, octets).map_err(|error| Misconfigured::File(path.clone(), error))?;
    Ok(path)
}

/// Document `number`, everybody in turn: the medians of the rounds and of their ratios. `ours` does it so many times.
#[expect(clippy::cast_precision_loss, reason = "a duration in nanoseconds is far below 2^53")]
pub(super) fn rounds(
    id: &str,
    number: usize,
    quick: bool,
    ours: &mut dyn FnMut(u64) -> Result<(), Misconfigured>,
    peers: &mut [Asked],
) -> Result<Vec<Figure>, Misconfigured> {
    let (turns, burst) = if quick { (5, Duration::from_millis(40)) } else { (15, Duration::from_millis(200)) };
    let mut timed = |times: u64| -> Result<f64, Misconfigured> {
        let start = Instant::now();
        ours(times)?;
        Ok(start.elapsed().as_nanos() as f64 / times as f64)
    };
    let first = timed(20)?;
    let times = |nanoseconds: f64| {
        let pace = Duration::from_secs_f64(nanoseconds.clamp(1.0, 1e12) / 1e9);
        u64::try_from(burst.as_nanos() / pace.as_nanos().max(1)).unwrap_or(1) + 1
    };
    let mut paces = Vec::new();
    for peer in peers.iter_mut() {
        paces.push(peer.measure(number, 20)?);
    }
    let mut own = Vec::new();
    let mut theirs = vec![Vec::new(); peers.len()];
    for _ in 0..turns {
        own.push(timed(times(first))?);
        for ((peer, pace), values) in peers.iter_mut().zip(&paces).zip(&mut theirs) {
            values.push(peer.measure(number, times(*pace))?);
        }
    }
    let figure = |(peer, values): (&Asked, &Vec<f64>)| {
        let ratios: Vec<f64> = values.iter().zip(&own).map(|(value, own)| value / own).collect();
        let floor = peer.floors.get(number).map_or(Floor::None, |floor| Floor::RatioAtLeast(*floor));
        Figure {
            id: format!("{id}, times as fast as {}", peer.name),
            ours: median(&own) / 1000.0,
            unit: "us",
            peer: Some((peer.name, median(values) / 1000.0, median(&ratios))),
            limit: None,
            floor,
        }
    };
    if peers.is_empty() {
        return Ok(vec![Figure::alone(id, median(&own) / 1000.0, "us", Floor::None)]);
    }
    Ok(peers.iter().zip(&theirs).map(figure).collect())
}
