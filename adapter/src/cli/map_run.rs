//! `waybill map run`: a document passes by and becomes records, one a line; one record at a time is in memory.

use super::map::{Run, holds, loaded, octets, written};
use super::print;
use super::session::Failure;
use super::verbs::usage;
use crate::config::Misconfigured;
use mappings::verbs::samples;
use mappings::{Item, Made, Mapping, REJECTS_MAX, Reject};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, BufWriter, ErrorKind, Read, Stdout, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use xsd::read::Limits;
use xsd::tree::Place;

/// Where documents, traces and rejects go.
struct Sink<'a> {
    arguments: &'a Run,
    stdout: BufWriter<Stdout>,
    /// With `--out` a file for each target.
    files: BTreeMap<String, (PathBuf, BufWriter<File>, u64)>,
    rejects: u64,
    /// Where the rejected records stand, of the first [`REJECTS_MAX`].
    places: Vec<Place>,
    failed: Option<Failure>,
}

pub(super) fn run(arguments: &Run) -> Result<(), Failure> {
    if let Some(folder) = arguments.reject.as_deref() {
        fresh(folder)?;
    }
    let mapping = loaded(&arguments.map)?;
    let name = arguments.document.display().to_string();
    let stdout = BufWriter::new(std::io::stdout());
    let mut sink = Sink { arguments, stdout, files: BTreeMap::new(), rejects: 0, places: Vec::new(), failed: None };
    let counts = mapping.stream(opened(&arguments.document)?, None, &Limits::endless(), &mut |item| sink.take(item));
    sink.flush();
    if let Some(failed) = sink.failed {
        return Err(failed);
    }
    let counts = counts.map_err(|why| Failure::DoesNotHold(vec![format!("error[source] {name}:{}: {}", why.place, why.what)]))?;
    for (path, _, documents) in sink.files.values() {
        print::err(&format!("{}: {documents} documents", path.display()));
    }
    if let Some(folder) = arguments.reject.as_ref().filter(|_| !sink.places.is_empty()) {
        records(&mapping, arguments, folder, &sink)?;
    }
    print::err(&format!("{} made, {} rejected", counts.records + counts.once, counts.rejects));
    holds(counts.rejects == 0)
}

/// A folder for rejects has none of another run, which nobody could tell from those of this one.
fn fresh(folder: &Path) -> Result<(), Failure> {
    match std::fs::read_dir(folder).map(|mut there| there.next().is_some()) {
        Ok(true) => Err(usage(format!("--reject {}: there are files in it already; name a new folder, or empty it", folder.display()))),
        Err(error) if error.kind() != ErrorKind::NotFound => Err(Misconfigured::File(folder.to_owned(), error).into()),
        _ => Ok(()),
    }
}

/// Writes the rejected records beside the reasons, and says which are not written.
fn records(mapping: &Mapping, arguments: &Run, folder: &Path, sink: &Sink<'_>) -> Result<(), Failure> {
    if arguments.document == Path::new("-") {
        print::err("the rejected records themselves are not written: standard input cannot be read again");
        return Ok(());
    }
    let Some(records) = samples::records_at(mapping, &octets(&arguments.document)?, &sink.places) else {
        print::err("the rejected records themselves are not written: the document is too large to be held in memory");
        return Ok(());
    };
    let mut missing = sink.rejects;
    for (number, record) in (1..).zip(records) {
        if let Some(record) = record {
            written(&folder.join(format!("{number}.xml")), &record)?;
            missing = missing.saturating_sub(1);
        }
    }
    if missing > 0 {
        print::err(&format!(
            "{missing} of {} rejects have their reason and no record: what is wrong stands in none, or they are more than {REJECTS_MAX}",
            sink.rejects
        ));
    }
    Ok(())
}

fn opened(path: &Path) -> Result<Box<dyn Read>, Failure> {
    if path == Path::new("-") {
        return Ok(Box::new(std::io::stdin().lock()));
    }
    let file = xsd::files::open(path).map_err(|error| Misconfigured::File(path.to_owned(), error))?;
    Ok(Box::new(BufReader::new(file)))
}

impl Sink<'_> {
    fn take(&mut self, item: Item<'_>) -> ControlFlow<()> {
        let taken = match item {
            Item::Record(made) | Item::Once(made) => self.made(&made),
            Item::Reject(reject) => self.reject(reject),
        };
        match taken {
            Ok(flow) => flow,
            Err(failure) => {
                self.failed = Some(failure);
                ControlFlow::Break(())
            }
        }
    }

    fn made(&mut self, made: &Made<'_>) -> Result<ControlFlow<()>, Failure> {
        if self.arguments.trace {
            let (map, name) = (self.arguments.map.display(), self.arguments.document.display());
            for traced in made.trace() {
                let place = traced.rule;
                print::err(&format!("{} = '{}'  rule {map}:{place}  source {name}:{}", traced.path, traced.value, traced.source));
            }
        }
        let Some(folder) = &self.arguments.out else {
            let line = self.stdout.write_all(made.octets()).and_then(|()| self.stdout.write_all(b"\n"));
            return match line {
                // A reader that has gone away is no failure of ours.
                Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(ControlFlow::Break(())),
                line => {
                    Ok(line.map(ControlFlow::Continue).map_err(|error| Misconfigured::File(PathBuf::from("standard output"), error))?)
                }
            };
        };
        let path = folder.join(format!("{}.xml", made.target()));
        let failed = |error| Misconfigured::File(path.clone(), error);
        if !self.files.contains_key(made.target()) {
            std::fs::create_dir_all(folder).map_err(failed)?;
            let file = BufWriter::new(File::create(&path).map_err(failed)?);
            self.files.insert(made.target().to_owned(), (path.clone(), file, 0));
        }
        if let Some((_, file, documents)) = self.files.get_mut(made.target()) {
            file.write_all(made.octets()).and_then(|()| file.write_all(b"\n")).map_err(failed)?;
            *documents += 1;
        }
        Ok(ControlFlow::Continue(()))
    }

    fn reject(&mut self, reject: &Reject) -> Result<ControlFlow<()>, Failure> {
        self.rejects += 1;
        print::err(&reject.to_string());
        if let Some(folder) = &self.arguments.reject {
            written(&folder.join(format!("{}.txt", self.rejects)), format!("{reject}\n").as_bytes())?;
        }
        if self.places.len() < REJECTS_MAX {
            self.places.push(reject.source);
        }
        Ok(ControlFlow::Continue(()))
    }

    fn flush(&mut self) {
        let files = self.files.values_mut().map(|(path, file, _)| file.flush().map_err(|error| Misconfigured::File(path.clone(), error)));
        if let Some(Err(error)) = files.into_iter().find(Result::is_err) {
            self.failed.get_or_insert(error.into());
        }
        match self.stdout.flush() {
            Err(error) if error.kind() != ErrorKind::BrokenPipe => {
                self.failed.get_or_insert(Misconfigured::File(PathBuf::from("standard output"), error).into());
            }
            _ => {}
        }
    }
}
