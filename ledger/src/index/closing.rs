//! What an index says of itself when it is closed, so that every octet of its directory can be judged without opening it.

use super::IndexError;
use super::run::{self, Run};
use crate::archive::Damage;
use crate::medium::{self, Directory, Medium};
use std::path::{Path, PathBuf};

/// Names the files of a closed index: gone while one is open.
const CLOSED: &str = "closed";
const DRAFT: &str = "draft_closed";

/// Writes [`CLOSED`] when it is dropped: declared after everything that still writes.
#[derive(Debug)]
pub(super) struct Closing {
    pub(super) medium: Directory,
    pub(super) rows: PathBuf,
}

impl Drop for Closing {
    fn drop(&mut self) {
        // Without it the next start trusts what has a checksum of its own.
        drop(self.close());
    }
}

/// sled's threads may still shorten or write a file when its last handle is gone: its files are read until two readings agree.
const SETTLE: std::time::Duration = std::time::Duration::from_millis(10);
const SETTLE_MAX: usize = 100;

impl Closing {
    fn close(&self) -> Result<(), IndexError> {
        let mut text = listed(&self.medium, &self.rows)?;
        for _ in 0..SETTLE_MAX {
            std::thread::sleep(SETTLE);
            let before = std::mem::replace(&mut text, listed(&self.medium, &self.rows)?);
            if before == text {
                break;
            }
        }
        self.medium.create(DRAFT)?;
        self.medium.write(DRAFT, 0, text.as_bytes())?;
        self.medium.sync(DRAFT)?;
        self.medium.rename(DRAFT, CLOSED)?;
        self.medium.sync_names()?;
        Ok(())
    }
}

/// A line for each run, one with length and CRC for each file of sled, and the CRC of all that.
fn listed(medium: &Directory, rows: &Path) -> Result<String, IndexError> {
    let mut lines: Vec<String> = runs(medium)?.into_iter().map(|(name, _)| format!("run {name}\n")).collect();
    lines.extend(medium::sums(rows)?.into_iter().map(|(name, length, crc)| format!("file {name} {length} {crc:08x}\n")));
    let text = lines.concat();
    let crc = crc32fast::hash(text.as_bytes());
    Ok(format!("{text}end {crc:08x}\n"))
}

type Named = (String, std::ops::Range<u64>);

/// The names that are runs'.
fn runs(medium: &Directory) -> Result<Vec<Named>, IndexError> {
    Ok(medium.list()?.into_iter().filter_map(|name| run::leaves_of(&name).map(|leaves| (name, leaves))).collect())
}

/// The lines, if the file is as it was written.
fn read(medium: &Directory) -> Result<Option<Vec<String>>, IndexError> {
    let Ok(text) = String::from_utf8(medium.read_all(CLOSED)?) else { return Ok(None) };
    let whole = text.rfind("end ").and_then(|at| text.split_at_checked(at));
    let right = whole.filter(|(lines, end)| *end == format!("end {:08x}\n", crc32fast::hash(lines.as_bytes())));
    Ok(right.map(|(lines, _)| lines.lines().map(str::to_owned).collect()))
}

/// Before an index is opened: files of sled that are not those that were closed are removed.
pub(super) fn reopen(medium: &Directory, rows: &Path) -> Result<(), IndexError> {
    if !medium.list()?.iter().any(|name| name == CLOSED) {
        return Ok(());
    }
    let said = read(medium)?;
    let same = said.is_some_and(|said| files(rows).is_ok_and(|files| said.iter().filter(|line| line.starts_with("file ")).eq(&files)));
    if !same {
        medium::remove_folder(rows)?;
    }
    medium.remove(CLOSED)?;
    medium.sync_names()?;
    Ok(())
}

fn files(rows: &Path) -> Result<Vec<String>, IndexError> {
    Ok(medium::sums(rows)?.into_iter().map(|(name, length, crc)| format!("file {name} {length} {crc:08x}")).collect())
}

/// See [`super::Index::inspect`].
pub(super) fn inspect(medium: &Directory, rows: &Path) -> Result<Vec<Damage>, IndexError> {
    let mut found = Vec::new();
    let mut say = |file: &str, offset: u64, what: &str| {
        found.push(Damage { file: file.to_owned(), offset, bundle: None, what: what.to_owned() });
    };
    let mut next = 0;
    for (name, leaves) in runs(medium)? {
        if leaves.start != next {
            say(&name, 0, "leaves are missing before this run, or in two runs");
        }
        next = leaves.end;
        match Run::open(medium, &leaves) {
            Ok(run) => run.check(&mut |offset, what| say(&name, offset, what))?,
            Err(error) => say(&name, 0, &error.to_string()),
        }
    }
    let names = medium.list()?;
    for name in names.iter().filter(|name| run::leaves_of(name).is_none() && *name != CLOSED) {
        say(name, 0, "no file of an index, or one that was never finished");
    }
    if !names.iter().any(|name| name == CLOSED) {
        say(CLOSED, 0, "the index was not closed: the terms of its latest leaves cannot be judged. The next start judges them");
        return Ok(found);
    }
    let Some(said) = read(medium)? else {
        say(CLOSED, 0, "another checksum");
        return Ok(found);
    };
    let mut there: Vec<String> = runs(medium)?.into_iter().map(|(name, _)| format!("run {name}")).collect();
    there.extend(files(rows)?);
    for line in said.iter().filter(|line| !there.contains(line)) {
        say(name_in(line), 0, "missing, or not as it was closed");
    }
    for line in there.iter().filter(|line| !said.contains(line)) {
        say(name_in(line), 0, "not as it was closed");
    }
    Ok(found)
}

/// The file's name in a line; sled's stand in a folder.
fn name_in(line: &str) -> &str {
    line.split(' ').nth(1).unwrap_or(line)
}
