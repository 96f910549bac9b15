//! Where a store keeps its files: the only place in the ledger that touches a file system.

use nix::fcntl::{PosixFadviseAdvice, posix_fadvise};
use std::collections::BTreeMap;
use std::fmt;
use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// File handles kept open at once.
const OPEN_MAX: usize = 128;

/// One flat directory of named files. Clones share it: jobs use it from other threads.
pub trait Medium: Clone + Send + 'static {
    /// The names of all files, sorted.
    ///
    /// # Errors
    /// The medium failed.
    fn list(&self) -> Result<Vec<String>, StoreError>;
    /// A file's length in octets.
    ///
    /// # Errors
    /// There is no such file, or the medium failed.
    fn length(&self, name: &str) -> Result<u64, StoreError>;
    /// Fills `octets` from `offset` on.
    ///
    /// # Errors
    /// The file is shorter, not there, or the medium failed.
    fn read(&self, name: &str, offset: u64, octets: &mut [u8]) -> Result<(), StoreError>;
    /// Says what will be read soon, so that the disk can begin. It changes nothing else, and need not be heeded.
    fn will_read(&self, _name: &str, _offset: u64, _length: u64) {}
    /// Makes an empty file. Its name is durable after [`Medium::sync_names`].
    ///
    /// # Errors
    /// The file is there already, or the medium failed.
    fn create(&self, name: &str) -> Result<(), StoreError>;
    /// Writes at `offset`; the file grows as needed. Durable after [`Medium::sync`].
    ///
    /// # Errors
    /// The medium failed; how much was written is unknown.
    fn write(&self, name: &str, offset: u64, octets: &[u8]) -> Result<(), StoreError>;
    /// Cuts a file off at `length`.
    ///
    /// # Errors
    /// The medium failed.
    fn truncate(&self, name: &str, length: u64) -> Result<(), StoreError>;
    /// Returns when the file's octets and length are on the medium (`fdatasync`). Never tried again after an error: the kernel may have
    /// dropped what it could not write.
    ///
    /// # Errors
    /// The medium failed.
    fn sync(&self, name: &str) -> Result<(), StoreError>;
    /// Gives a file another name, replacing what had it; durable after [`Medium::sync_names`].
    ///
    /// # Errors
    /// The medium failed.
    fn rename(&self, from: &str, to: &str) -> Result<(), StoreError>;
    /// Removes a file; durable after [`Medium::sync_names`].
    ///
    /// # Errors
    /// The medium failed.
    fn remove(&self, name: &str) -> Result<(), StoreError>;
    /// Returns when the names of all files are on the medium (`fsync` of the directory).
    ///
    /// # Errors
    /// The medium failed.
    fn sync_names(&self) -> Result<(), StoreError>;

    /// What messages call a file.
    fn path(&self, name: &str) -> PathBuf {
        PathBuf::from(name)
    }

    /// A whole file.
    ///
    /// # Errors
    /// As [`Medium::read`].
    fn read_all(&self, name: &str) -> Result<Vec<u8>, StoreError> {
        let length = usize::try_from(self.length(name)?).unwrap_or(usize::MAX);
        let mut octets = vec![0; length];
        self.read(name, 0, &mut octets)?;
        Ok(octets)
    }
}

/// The medium failed or holds something else than was written. A log that fails so ends the node; nothing is tried again.
#[derive(Debug)]
pub enum StoreError {
    /// The operating system refused.
    Io {
        /// What was tried.
        what: &'static str,
        /// On which file.
        path: PathBuf,
        /// Its answer.
        error: io::Error,
    },
    /// A file does not hold what was written, and it is not the end of an interrupted write.
    Corrupt {
        /// The file.
        path: PathBuf,
        /// Where the damaged part starts, in octets.
        offset: u64,
        /// What is wrong.
        what: String,
    },
    /// Another process has the directory open.
    Locked(PathBuf),
    /// The directory belongs to another ledger, or the leaves to another history.
    Diverged(String),
    /// The leaf was pruned: this is the first one that is there.
    Pruned(u64),
    /// An earlier call failed.
    Stopped,
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io { what, path, error } => write!(f, "{}: cannot {what}: {error}{}", path.display(), advice(error.kind())),
            Self::Corrupt { path, offset, what } => write!(f, "{} is damaged at octet {offset}: {what}", path.display()),
            Self::Locked(path) => write!(f, "{} is in use by another process", path.display()),
            Self::Diverged(what) => f.write_str(what),
            Self::Pruned(floor) => write!(f, "leaves before {floor} were pruned here: ask another node, or an archive"),
            Self::Stopped => f.write_str("the store stopped after an earlier error"),
        }
    }
}

/// What an operator does about it. A node that cannot write ends: what the disk has of the last write is then looked at by the next
/// start, and by nothing that believes to know.
fn advice(kind: io::ErrorKind) -> &'static str {
    match kind {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "; the disk is full: make room (waybill ledger prune, or a larger disk) and start the node again. It has lost nothing that it \
             acknowledged, and the other nodes bring it what it missed"
        }
        io::ErrorKind::ReadOnlyFilesystem => {
            "; the disk can only be read, which systems do to a disk that fails: look at it, then start the node again"
        }
        _ => "",
    }
}

impl std::error::Error for StoreError {}

impl StoreError {
    pub(crate) fn corrupt(path: impl Into<PathBuf>, offset: u64, what: impl Into<String>) -> Self {
        Self::Corrupt { path: path.into(), offset, what: what.into() }
    }
}

pub(crate) fn io_error(what: &'static str, path: &Path, error: io::Error) -> StoreError {
    StoreError::Io { what, path: path.to_owned(), error }
}

/// Removes a folder of an index and everything in it.
pub(crate) fn remove_folder(dir: &Path) -> Result<(), StoreError> {
    match std::fs::remove_dir_all(dir) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(io_error("remove", dir, error)),
        _ => Ok(()),
    }
}

/// What every file under a folder holds: its name from there, its length, CRC-32 of its octets, in the order of the names.
pub(crate) fn sums(dir: &Path) -> Result<Vec<(String, u64, u32)>, StoreError> {
    let failed = |error| io_error("list", dir, error);
    let mut found = Vec::new();
    for item in std::fs::read_dir(dir).map_err(failed)? {
        let item = item.map_err(failed)?;
        let (path, name) = (item.path(), item.file_name().to_string_lossy().into_owned());
        if item.file_type().map_err(failed)?.is_dir() {
            found.extend(sums(&path)?.into_iter().map(|(inner, length, crc)| (format!("{name}/{inner}"), length, crc)));
        } else {
            let octets = std::fs::read(&path).map_err(|error| io_error("read", &path, error))?;
            found.push((name, octets.len() as u64, crc32fast::hash(&octets)));
        }
    }
    found.sort();
    Ok(found)
}

/// A directory of the operating system. One process has it: an advisory lock on the file `lock`.
#[derive(Clone, Debug)]
pub struct Directory {
    dir: PathBuf,
    open: Arc<Mutex<BTreeMap<String, Arc<File>>>>,
    _lock: Arc<File>,
}

impl Directory {
    /// Opens or makes the directory and locks it.
    ///
    /// # Errors
    /// [`StoreError::Locked`], or the operating system refused.
    pub fn open(dir: &Path) -> Result<Self, StoreError> {
        std::fs::create_dir_all(dir).map_err(|error| io_error("create", dir, error))?;
        let path = dir.join("lock");
        let lock = File::create(&path).map_err(|error| io_error("create", &path, error))?;
        lock.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => StoreError::Locked(dir.to_owned()),
            TryLockError::Error(error) => io_error("lock", &path, error),
        })?;
        let directory = Self { dir: dir.to_owned(), open: Arc::default(), _lock: Arc::new(lock) };
        directory.sync_names()?;
        Ok(directory)
    }

    /// Opens a directory to look at: nothing is made in it.
    ///
    /// # Errors
    /// It is not there, or a process has it.
    pub fn look(dir: &Path) -> Result<Self, StoreError> {
        let path = dir.join("lock");
        let lock = if path.exists() { File::open(&path) } else { File::open(dir) }.map_err(|error| io_error("open", dir, error))?;
        lock.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => StoreError::Locked(dir.to_owned()),
            TryLockError::Error(error) => io_error("lock", &path, error),
        })?;
        Ok(Self { dir: dir.to_owned(), open: Arc::default(), _lock: Arc::new(lock) })
    }

    fn handles(&self) -> MutexGuard<'_, BTreeMap<String, Arc<File>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn file(&self, name: &str) -> Result<Arc<File>, StoreError> {
        if let Some(file) = self.handles().get(name) {
            return Ok(Arc::clone(file));
        }
        let path = self.dir.join(name);
        let file = OpenOptions::new().read(true).write(true).open(&path).map_err(|error| io_error("open", &path, error))?;
        Ok(keep(&mut self.handles(), name, file))
    }

    fn with<T>(&self, what: &'static str, name: &str, work: impl FnOnce(&File) -> io::Result<T>) -> Result<T, StoreError> {
        work(self.file(name)?.as_ref()).map_err(|error| io_error(what, &self.dir.join(name), error))
    }
}

fn keep(handles: &mut BTreeMap<String, Arc<File>>, name: &str, file: File) -> Arc<File> {
    if handles.len() >= OPEN_MAX {
        handles.pop_first();
    }
    let file = Arc::new(file);
    handles.insert(name.to_owned(), Arc::clone(&file));
    file
}

impl Medium for Directory {
    fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    fn list(&self) -> Result<Vec<String>, StoreError> {
        let failed = |error| io_error("list", &self.dir, error);
        let mut names = Vec::new();
        for item in std::fs::read_dir(&self.dir).map_err(failed)? {
            let item = item.map_err(failed)?;
            if item.file_type().map_err(failed)?.is_file() {
                names.extend(item.file_name().to_str().filter(|name| *name != "lock").map(str::to_owned));
            }
        }
        names.sort();
        Ok(names)
    }

    fn length(&self, name: &str) -> Result<u64, StoreError> {
        self.with("look at", name, |file| file.metadata().map(|metadata| metadata.len()))
    }

    fn read(&self, name: &str, offset: u64, octets: &mut [u8]) -> Result<(), StoreError> {
        self.with("read", name, |file| file.read_exact_at(octets, offset))
    }

    fn will_read(&self, name: &str, offset: u64, length: u64) {
        let (Ok(file), Ok(offset), Ok(length)) = (self.file(name), offset.try_into(), length.try_into()) else { return };
        // To the system no length is all of the file.
        if length > 0 {
            let _heeded = posix_fadvise(file, offset, length, PosixFadviseAdvice::POSIX_FADV_WILLNEED);
        }
    }

    fn create(&self, name: &str) -> Result<(), StoreError> {
        let path = self.dir.join(name);
        let file = OpenOptions::new().read(true).write(true).create_new(true).open(&path);
        let file = file.map_err(|error| io_error("create", &path, error))?;
        keep(&mut self.handles(), name, file);
        Ok(())
    }

    fn write(&self, name: &str, offset: u64, octets: &[u8]) -> Result<(), StoreError> {
        self.with("write", name, |file| file.write_all_at(octets, offset))
    }

    fn truncate(&self, name: &str, length: u64) -> Result<(), StoreError> {
        self.with("truncate", name, |file| file.set_len(length))
    }

    fn sync(&self, name: &str) -> Result<(), StoreError> {
        self.with("sync", name, File::sync_data)
    }

    fn rename(&self, from: &str, to: &str) -> Result<(), StoreError> {
        let (old, new) = (self.dir.join(from), self.dir.join(to));
        let mut handles = self.handles();
        std::fs::rename(&old, &new).map_err(|error| io_error("rename", &old, error))?;
        handles.remove(to);
        if let Some(file) = handles.remove(from) {
            handles.insert(to.to_owned(), file);
        }
        Ok(())
    }

    fn remove(&self, name: &str) -> Result<(), StoreError> {
        let path = self.dir.join(name);
        self.handles().remove(name);
        std::fs::remove_file(&path).map_err(|error| io_error("remove", &path, error))
    }

    fn sync_names(&self) -> Result<(), StoreError> {
        let opened = File::open(&self.dir).map_err(|error| io_error("open", &self.dir, error))?;
        opened.sync_all().map_err(|error| io_error("sync", &self.dir, error))
    }
}

/// A medium as it would be after changes that are kept in memory: what is under it is only read.
#[derive(Clone, Debug)]
pub struct Overlay<M> {
    under: M,
    /// Files that were changed, whole; `None` for those that are gone.
    changed: Arc<Mutex<BTreeMap<String, Option<Vec<u8>>>>>,
}

impl<M: Medium> Overlay<M> {
    pub(crate) fn new(under: M) -> Self {
        Self { under, changed: Arc::default() }
    }

    fn changed(&self) -> MutexGuard<'_, BTreeMap<String, Option<Vec<u8>>>> {
        self.changed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change<T>(&self, what: &'static str, name: &str, work: impl FnOnce(&mut Vec<u8>) -> Option<T>) -> Result<T, StoreError> {
        let mut changed = self.changed();
        if !changed.contains_key(name) {
            changed.insert(name.to_owned(), Some(self.under.read_all(name)?));
        }
        let done = changed.get_mut(name).and_then(Option::as_mut).and_then(work);
        done.ok_or_else(|| io_error(what, &self.path(name), io::ErrorKind::NotFound.into()))
    }
}

impl<M: Medium> Medium for Overlay<M> {
    fn path(&self, name: &str) -> PathBuf {
        self.under.path(name)
    }

    fn list(&self) -> Result<Vec<String>, StoreError> {
        let mut names: std::collections::BTreeSet<String> = self.under.list()?.into_iter().collect();
        for (name, file) in self.changed().iter() {
            if file.is_some() {
                names.insert(name.clone())
            } else {
                names.remove(name)
            };
        }
        Ok(names.into_iter().collect())
    }

    fn length(&self, name: &str) -> Result<u64, StoreError> {
        match self.changed().get(name) {
            Some(Some(file)) => Ok(file.len() as u64),
            Some(None) => Err(io_error("look at", &self.path(name), io::ErrorKind::NotFound.into())),
            None => self.under.length(name),
        }
    }

    fn read(&self, name: &str, offset: u64, octets: &mut [u8]) -> Result<(), StoreError> {
        if let Some(file) = self.changed().get(name) {
            let from = usize::try_from(offset).unwrap_or(usize::MAX);
            let found = file.as_ref().and_then(|file| file.get(from..from.checked_add(octets.len())?));
            octets.copy_from_slice(found.ok_or_else(|| io_error("read", &self.path(name), io::ErrorKind::UnexpectedEof.into()))?);
            return Ok(());
        }
        // Without the lock: many read at once.
        self.under.read(name, offset, octets)
    }

    fn create(&self, name: &str) -> Result<(), StoreError> {
        if self.list()?.iter().any(|known| known == name) {
            return Err(io_error("create", &self.path(name), io::ErrorKind::AlreadyExists.into()));
        }
        self.changed().insert(name.to_owned(), Some(Vec::new()));
        Ok(())
    }

    fn write(&self, name: &str, offset: u64, octets: &[u8]) -> Result<(), StoreError> {
        self.change("write", name, |file| write_at(file, offset, octets))
    }

    fn truncate(&self, name: &str, length: u64) -> Result<(), StoreError> {
        self.change("truncate", name, |file| {
            file.resize(usize::try_from(length).ok()?, 0);
            Some(())
        })
    }

    fn sync(&self, name: &str) -> Result<(), StoreError> {
        self.length(name).map(drop)
    }

    fn rename(&self, from: &str, to: &str) -> Result<(), StoreError> {
        let file = self.change("rename", from, |file| Some(std::mem::take(file)))?;
        self.changed().extend([(from.to_owned(), None), (to.to_owned(), Some(file))]);
        Ok(())
    }

    fn remove(&self, name: &str) -> Result<(), StoreError> {
        self.length(name)?;
        self.changed().insert(name.to_owned(), None);
        Ok(())
    }

    fn sync_names(&self) -> Result<(), StoreError> {
        Ok(())
    }
}

fn write_at(file: &mut Vec<u8>, offset: u64, octets: &[u8]) -> Option<()> {
    let from = usize::try_from(offset).ok()?;
    let end = from.checked_add(octets.len())?;
    file.resize(file.len().max(end), 0);
    file.get_mut(from..end)?.copy_from_slice(octets);
    Some(())
}

/// Memory that behaves as a directory does when nothing fails, until [`Scratch::fail`].
#[derive(Clone, Debug, Default)]
pub struct Scratch {
    files: Arc<Mutex<BTreeMap<String, Vec<u8>>>>,
    failing: Arc<AtomicBool>,
}

impl Scratch {
    /// A copy that shares nothing with this one.
    #[must_use]
    pub fn fork(&self) -> Self {
        Self { files: Arc::new(Mutex::new(self.files().clone())), failing: Arc::default() }
    }

    /// From now on every change fails.
    pub fn fail(&self) {
        self.failing.store(true, Ordering::Relaxed);
    }

    fn files(&self) -> MutexGuard<'_, BTreeMap<String, Vec<u8>>> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A file's octets, if it is there.
    #[must_use]
    pub fn octets(&self, name: &str) -> Option<Vec<u8>> {
        self.files().get(name).cloned()
    }

    /// Puts a file in place, as damage or a restore would.
    pub fn put(&self, name: &str, octets: Vec<u8>) {
        self.files().insert(name.to_owned(), octets);
    }

    fn changing(&self, what: &'static str, name: &str) -> Result<MutexGuard<'_, BTreeMap<String, Vec<u8>>>, StoreError> {
        if self.failing.load(Ordering::Relaxed) {
            return Err(io_error(what, Path::new(name), io::ErrorKind::StorageFull.into()));
        }
        Ok(self.files())
    }

    fn with<T>(&self, what: &'static str, name: &str, work: impl FnOnce(&mut Vec<u8>) -> Option<T>) -> Result<T, StoreError> {
        let mut files = self.files();
        let done = files.get_mut(name).and_then(work);
        done.ok_or_else(|| io_error(what, Path::new(name), io::ErrorKind::UnexpectedEof.into()))
    }
}

impl Medium for Scratch {
    fn list(&self) -> Result<Vec<String>, StoreError> {
        Ok(self.files().keys().cloned().collect())
    }

    fn length(&self, name: &str) -> Result<u64, StoreError> {
        self.with("look at", name, |file| Some(file.len() as u64))
    }

    fn read(&self, name: &str, offset: u64, octets: &mut [u8]) -> Result<(), StoreError> {
        self.with("read", name, |file| {
            let from = usize::try_from(offset).ok()?;
            octets.copy_from_slice(file.get(from..from.checked_add(octets.len())?)?);
            Some(())
        })
    }

    fn create(&self, name: &str) -> Result<(), StoreError> {
        let mut files = self.changing("create", name)?;
        if files.contains_key(name) {
            return Err(io_error("create", Path::new(name), io::ErrorKind::AlreadyExists.into()));
        }
        files.insert(name.to_owned(), Vec::new());
        Ok(())
    }

    fn write(&self, name: &str, offset: u64, octets: &[u8]) -> Result<(), StoreError> {
        drop(self.changing("write", name)?);
        self.with("write", name, |file| write_at(file, offset, octets))
    }

    fn truncate(&self, name: &str, length: u64) -> Result<(), StoreError> {
        drop(self.changing("truncate", name)?);
        self.with("truncate", name, |file| {
            file.resize(usize::try_from(length).ok()?, 0);
            Some(())
        })
    }

    fn sync(&self, name: &str) -> Result<(), StoreError> {
        drop(self.changing("sync", name)?);
        self.with("sync", name, |_| Some(()))
    }

    fn rename(&self, from: &str, to: &str) -> Result<(), StoreError> {
        let mut files = self.changing("rename", from)?;
        let file = files.remove(from).ok_or_else(|| io_error("rename", Path::new(from), io::ErrorKind::NotFound.into()))?;
        files.insert(to.to_owned(), file);
        Ok(())
    }

    fn remove(&self, name: &str) -> Result<(), StoreError> {
        let removed = self.changing("remove", name)?.remove(name);
        removed.map(drop).ok_or_else(|| io_error("remove", Path::new(name), io::ErrorKind::NotFound.into()))
    }

    fn sync_names(&self) -> Result<(), StoreError> {
        self.changing("sync", "the directory").map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What every medium does.
    fn check<M: Medium>(medium: &M) {
        medium.create("b").unwrap();
        assert!(medium.create("b").is_err(), "a file is made once");
        medium.write("b", 3, b"xyz").unwrap();
        assert_eq!(medium.length("b").unwrap(), 6);
        let mut octets = [9; 6];
        medium.read("b", 0, &mut octets).unwrap();
        assert_eq!(&octets, b"\0\0\0xyz");
        assert!(medium.read("b", 1, &mut octets).is_err(), "a read is whole or an error");
        medium.truncate("b", 4).unwrap();
        medium.sync("b").unwrap();
        medium.create("c").unwrap();
        medium.rename("b", "c").unwrap();
        medium.create("a").unwrap();
        medium.sync_names().unwrap();
        assert_eq!((medium.list().unwrap(), medium.length("c").unwrap()), (vec!["a".to_owned(), "c".to_owned()], 4));
        medium.clone().remove("a").unwrap();
        for failed in [medium.length("a").err(), medium.sync("a").err(), medium.write("a", 0, b"").err(), medium.rename("a", "d").err()] {
            assert!(matches!(failed, Some(StoreError::Io { .. })), "{failed:?}");
        }
    }

    #[test]
    fn a_directory_and_memory_do_the_same() {
        check(&Scratch::default());
        let under = Scratch::default();
        under.put("b2", b"under".to_vec());
        let overlay = Overlay::new(under.clone());
        overlay.write("b2", 0, b"over").unwrap();
        assert_eq!((overlay.read_all("b2").unwrap(), under.octets("b2").unwrap()), (b"overr".to_vec(), b"under".to_vec()));
        overlay.remove("b2").unwrap();
        check(&overlay);
        assert_eq!(under.list().unwrap(), ["b2"], "what is under it is only read");
        let dir = std::env::temp_dir().join(format!("waybill-medium-{}", std::process::id()));
        drop(std::fs::remove_dir_all(&dir));
        let medium = Directory::open(&dir).unwrap();
        std::fs::create_dir(dir.join("index")).unwrap();
        check(&medium);
        assert!(matches!(Directory::open(&dir), Err(StoreError::Locked(_))));
        for number in 0..OPEN_MAX + 10 {
            medium.create(&number.to_string()).unwrap();
        }
        medium.write("0", 0, b"still there").unwrap();
        drop(medium);
        Directory::open(&dir).unwrap();
        std::fs::remove_dir_all(&dir).unwrap();
    }
}
