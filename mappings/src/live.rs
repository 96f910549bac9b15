//! The mappings of a directory while it changes on the disk: what checks clean takes the place of what is in force, the rest is refused.

use crate::diagnostic::{Diagnostic, Severity};
use crate::sector::Sector;
use crate::verbs::samples;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::SystemTime;

/// Files of a directory that are looked at for a change.
const FILES_MAX: usize = 10_000;

/// When each file was written, and how long it is.
type Stamp = BTreeMap<PathBuf, (u64, Option<SystemTime>)>;

/// Id and digest of mappings.
type Names = Vec<(String, String)>;

/// What is made of a directory's mappings, as they last checked clean.
#[derive(Debug)]
pub struct Live<T> {
    dir: PathBuf,
    make: fn(Sector) -> Result<T, Vec<String>>,
    seen: Mutex<Stamp>,
    current: RwLock<Arc<T>>,
}

/// What a look at the directory found.
#[derive(Debug, PartialEq, Eq)]
pub enum Change {
    /// Nothing was written since the last look.
    None,
    /// What stands there now is in force: id and digest of each mapping that trade records name.
    Taken(Names),
    /// What stands there now is refused, and what was in force stays: why, a finding a line.
    Refused(Vec<String>),
}

impl<T> Live<T> {
    /// Loads a directory. `make` says what is kept of it, and may refuse it.
    ///
    /// # Errors
    /// Everything found in its files, or by `make`.
    pub fn load(dir: &Path, make: fn(Sector) -> Result<T, Vec<String>>) -> Result<Self, Vec<String>> {
        let seen = stamp(dir);
        let sector = Sector::load(dir).map_err(lines)?;
        Ok(Self { dir: dir.to_owned(), make, seen: Mutex::new(seen), current: RwLock::new(Arc::new(make(sector)?)) })
    }

    /// What is in force. Who holds it goes on with it, whatever happens on the disk.
    #[must_use]
    pub fn current(&self) -> Arc<T> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Looks at the directory. Where something was written since, it is checked and its samples are tried: all of it is taken, or nothing.
    pub fn refresh(&self) -> Change {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let now = stamp(&self.dir);
        if *seen == now {
            return Change::None;
        }
        // A file that is half written is refused now, and looked at again when the rest has come.
        *seen = now;
        match self.read() {
            Ok((next, names)) => {
                *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(next);
                Change::Taken(names)
            }
            Err(why) => Change::Refused(why),
        }
    }

    fn read(&self) -> Result<(T, Names), Vec<String>> {
        let sector = Sector::load(&self.dir).map_err(lines)?;
        let tested = samples::test(&self.dir, false).map_err(|why| vec![why])?;
        let failed = tested.cases.iter().flat_map(|case| case.failures.iter().map(|why| format!("{}: {why}", case.folder.display())));
        let failed: Vec<String> = failed.collect();
        if !failed.is_empty() {
            return Err(failed);
        }
        let names = sector.resources().map(|resource| resource.response());
        let names = names.map(|mapping| (mapping.id().to_owned(), mapping.sha256().to_owned())).collect();
        Ok(((self.make)(sector)?, names))
    }
}

/// Errors first: who shows some of these shows why it is refused.
fn lines(mut found: Vec<Diagnostic>) -> Vec<String> {
    found.sort_by_key(|diagnostic| diagnostic.severity != Severity::Error);
    found.iter().map(ToString::to_string).collect()
}

/// The files of a directory and of those in it. What cannot be read has no stamp: the check will say so.
fn stamp(dir: &Path) -> Stamp {
    let mut found = Stamp::new();
    let mut folders = vec![dir.to_owned()];
    while let Some(folder) = folders.pop() {
        let entries = std::fs::read_dir(&folder).into_iter().flatten().flatten();
        for entry in entries.take(FILES_MAX.saturating_sub(found.len())) {
            match entry.metadata() {
                Ok(of) if of.is_dir() => folders.push(entry.path()),
                Ok(of) => drop(found.insert(entry.path(), (of.len(), of.modified().ok()))),
                Err(_) => {}
            }
        }
    }
    found
}
