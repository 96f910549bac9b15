//! A disk that loses what was not synced, tears writes, fails, fills up, and kills its process at the nth operation.

use super::Dice;
use crate::medium::{Medium, StoreError, io_error};
use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

const SECTOR: usize = 512;
/// Of a thousand times that a disk rots.
const ALL_AT_ONCE: u64 = 100;

/// Which operations fail, of a thousand.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Faults {
    pub(crate) read: u64,
    pub(crate) write: u64,
    pub(crate) sync: u64,
    /// Octets that fit in all; 0 for no end.
    pub(crate) capacity: u64,
}

/// A machine's disk. Clones are the same disk.
#[derive(Clone, Debug)]
pub struct Disk(Arc<Mutex<Inner>>);

#[derive(Debug)]
struct Inner {
    dice: Dice,
    names: BTreeMap<String, u64>,
    /// The names that a power loss leaves, and what was done to them since.
    durable: BTreeMap<String, u64>,
    changes: Vec<(String, Option<u64>)>,
    files: BTreeMap<u64, File>,
    next: u64,
    faults: Faults,
    /// The process dies at this operation from now.
    dies_in: Option<u64>,
    dead: bool,
    rotten: bool,
    operations: u64,
}

#[derive(Debug, Default)]
struct File {
    octets: Vec<u8>,
    /// Since the last sync, oldest first.
    unsynced: Vec<Change>,
}

#[derive(Debug)]
struct Change {
    offset: usize,
    new: Vec<u8>,
    old: Vec<u8>,
    length: usize,
    /// A truncation to this length.
    cut: Option<usize>,
}

impl Disk {
    /// An empty disk.
    #[must_use]
    pub fn new(dice: Dice) -> Self {
        Self(Arc::new(Mutex::new(Inner {
            dice,
            names: BTreeMap::new(),
            durable: BTreeMap::new(),
            changes: Vec::new(),
            files: BTreeMap::new(),
            next: 0,
            faults: Faults::default(),
            dies_in: None,
            dead: false,
            rotten: false,
            operations: 0,
        })))
    }

    pub(crate) fn set(&self, faults: Faults) {
        self.inner().faults = faults;
    }

    /// The process dies at the nth operation from now, in the middle of it.
    pub(crate) fn die_in(&self, operations: u64) {
        self.inner().dies_in = Some(operations);
    }

    /// A new process: the operating system still has everything that was written.
    pub(crate) fn revive(&self) {
        let mut inner = self.inner();
        inner.dead = false;
        inner.dies_in = None;
    }

    /// Power is lost: of what was not synced any part may be there, in any order of sectors.
    pub(crate) fn lose_power(&self) {
        let mut inner = self.inner();
        let Inner { dice, files, names, durable, changes, .. } = &mut *inner;
        let kept = usize::try_from(dice.below(changes.len() as u64 + 1)).unwrap_or_default();
        for (name, file) in changes.drain(..).take(kept) {
            match file {
                Some(file) => durable.insert(name, file),
                None => durable.remove(&name),
            };
        }
        names.clone_from(durable);
        for file in files.values_mut() {
            file.lose(dice);
        }
    }

    /// Flips a bit of a sealed file; now and then of a segment and, at one place, of both copies of the client tags, which leaves nothing
    /// to make these anew from. False if there is nothing sealed.
    pub(crate) fn rot(&self) -> bool {
        let mut inner = self.inner();
        let caches = ["tiles_0", "tiles_1", "clients", "clients_copy"];
        let sealed = |name: &&String| name.starts_with("seg_") || caches.contains(&name.as_str());
        let names: Vec<String> = inner.names.keys().filter(sealed).cloned().collect();
        let segments: Vec<String> = names.iter().filter(|name| name.starts_with("seg_")).cloned().collect();
        if !segments.is_empty() && inner.dice.chance(ALL_AT_ONCE) {
            inner.rotten = true;
            let segment = inner.dice.pick(&segments).cloned().unwrap_or_default();
            let at = inner.dice.below(1 << 16);
            return inner.flip(&segment, None) && inner.flip("clients", Some(at)) && inner.flip("clients_copy", Some(at));
        }
        let one = inner.dice.pick(&names).cloned();
        one.is_some_and(|name| inner.flip(&name, None))
    }

    /// Whether it has lost what it cannot make anew: then the process may end, and start again to be mended.
    pub(crate) fn is_rotten(&self) -> bool {
        self.inner().rotten
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl File {
    fn lose(&mut self, dice: &mut Dice) {
        let changes = std::mem::take(&mut self.unsynced);
        for change in changes.iter().rev() {
            self.octets.truncate(change.length);
            self.octets.resize(change.length, 0);
            if let Some(place) = self.octets.get_mut(change.offset..change.offset + change.old.len()) {
                place.copy_from_slice(&change.old);
            }
        }
        for change in changes {
            if dice.chance(500) {
                continue;
            }
            if let Some(length) = change.cut {
                self.octets.truncate(length);
                continue;
            }
            // Of a long write each sector is there or not.
            let whole = dice.chance(500);
            for (at, sector) in change.new.chunks(SECTOR).enumerate() {
                if whole || dice.chance(500) {
                    self.put(change.offset + at * SECTOR, sector);
                }
            }
        }
    }

    fn put(&mut self, offset: usize, octets: &[u8]) {
        let end = offset + octets.len();
        if self.octets.len() < end {
            self.octets.resize(end, 0);
        }
        if let Some(place) = self.octets.get_mut(offset..end) {
            place.copy_from_slice(octets);
        }
    }
}

impl Inner {
    /// Flips a bit of a file: in this octet, or in any.
    fn flip(&mut self, name: &str, at: Option<u64>) -> bool {
        let Inner { dice, files, names, .. } = self;
        let Some(file) = names.get(name).and_then(|file| files.get_mut(file)).filter(|file| !file.octets.is_empty()) else { return false };
        let length = file.octets.len() as u64;
        let at = place(at.map_or_else(|| dice.below(length), |at| at % length));
        if let Some(octet) = file.octets.get_mut(at) {
            *octet ^= 1 << dice.below(8);
        }
        true
    }

    /// Counts an operation; an error is the process's death or a fault.
    fn operate(&mut self, what: &'static str, name: &str, permille: u64) -> Result<(), StoreError> {
        self.operations += 1;
        if let Some(left) = &mut self.dies_in {
            *left = left.saturating_sub(1);
            self.dead |= *left == 0;
        }
        let failed = self.dead || (permille > 0 && self.dice.chance(permille));
        if failed { Err(fail(what, name, ErrorKind::Other)) } else { Ok(()) }
    }

    fn file(&mut self, what: &'static str, name: &str) -> Result<&mut File, StoreError> {
        let file = self.names.get(name).and_then(|file| self.files.get_mut(file));
        file.ok_or_else(|| fail(what, name, ErrorKind::NotFound))
    }

    fn used(&self) -> u64 {
        self.names.values().filter_map(|file| self.files.get(file)).map(|file| file.octets.len() as u64).sum()
    }
}

fn fail(what: &'static str, name: &str, kind: ErrorKind) -> StoreError {
    io_error(what, Path::new(name), kind.into())
}

fn place(offset: u64) -> usize {
    usize::try_from(offset).unwrap_or(usize::MAX)
}

impl Medium for Disk {
    fn list(&self) -> Result<Vec<String>, StoreError> {
        let mut inner = self.inner();
        inner.operate("list", ".", 0)?;
        Ok(inner.names.keys().cloned().collect())
    }

    fn length(&self, name: &str) -> Result<u64, StoreError> {
        let mut inner = self.inner();
        inner.operate("look at", name, 0)?;
        Ok(inner.file("look at", name)?.octets.len() as u64)
    }

    fn read(&self, name: &str, offset: u64, octets: &mut [u8]) -> Result<(), StoreError> {
        let mut inner = self.inner();
        let permille = inner.faults.read;
        inner.operate("read", name, permille)?;
        let from = place(offset);
        let found = inner.file("read", name)?.octets.get(from..from.saturating_add(octets.len()));
        octets.copy_from_slice(found.ok_or_else(|| fail("read", name, ErrorKind::UnexpectedEof))?);
        Ok(())
    }

    fn create(&self, name: &str) -> Result<(), StoreError> {
        let mut inner = self.inner();
        inner.operate("create", name, 0)?;
        if inner.names.contains_key(name) {
            return Err(fail("create", name, ErrorKind::AlreadyExists));
        }
        let file = inner.next;
        inner.next += 1;
        inner.files.insert(file, File::default());
        inner.names.insert(name.to_owned(), file);
        inner.changes.push((name.to_owned(), Some(file)));
        Ok(())
    }

    fn write(&self, name: &str, offset: u64, octets: &[u8]) -> Result<(), StoreError> {
        let mut inner = self.inner();
        let permille = inner.faults.write;
        let failed = inner.operate("write", name, permille);
        if inner.faults.capacity > 0 && inner.used() + octets.len() as u64 > inner.faults.capacity {
            return Err(fail("write", name, ErrorKind::StorageFull));
        }
        // A write that fails or is interrupted may have written a part.
        let part = if failed.is_ok() { octets.len() } else { place(inner.dice.below(octets.len() as u64 + 1)) };
        let octets = octets.get(..part).unwrap_or_default();
        let file = inner.file("write", name)?;
        let (from, length) = (place(offset), file.octets.len());
        let old = file.octets.get(from..length.min(from.saturating_add(octets.len()))).unwrap_or_default().to_vec();
        file.unsynced.push(Change { offset: from, new: octets.to_vec(), old, length, cut: None });
        file.put(from, octets);
        failed
    }

    fn truncate(&self, name: &str, length: u64) -> Result<(), StoreError> {
        let mut inner = self.inner();
        inner.operate("truncate", name, 0)?;
        let file = inner.file("truncate", name)?;
        let (length, before) = (place(length), file.octets.len());
        let old = file.octets.get(length..).unwrap_or_default().to_vec();
        file.unsynced.push(Change { offset: length.min(before), new: Vec::new(), old, length: before, cut: Some(length) });
        file.octets.truncate(length);
        Ok(())
    }

    fn sync(&self, name: &str) -> Result<(), StoreError> {
        let mut inner = self.inner();
        let permille = inner.faults.sync;
        inner.operate("sync", name, permille)?;
        inner.file("sync", name)?.unsynced.clear();
        Ok(())
    }

    fn rename(&self, from: &str, to: &str) -> Result<(), StoreError> {
        let mut inner = self.inner();
        inner.operate("rename", from, 0)?;
        let file = inner.names.remove(from).ok_or_else(|| fail("rename", from, ErrorKind::NotFound))?;
        inner.names.insert(to.to_owned(), file);
        // A journal makes both names change together, or neither: the new name comes first, so that none is lost.
        inner.changes.push((to.to_owned(), Some(file)));
        inner.changes.push((from.to_owned(), None));
        Ok(())
    }

    fn remove(&self, name: &str) -> Result<(), StoreError> {
        let mut inner = self.inner();
        inner.operate("remove", name, 0)?;
        inner.names.remove(name).ok_or_else(|| fail("remove", name, ErrorKind::NotFound))?;
        inner.changes.push((name.to_owned(), None));
        Ok(())
    }

    fn sync_names(&self) -> Result<(), StoreError> {
        let mut inner = self.inner();
        inner.operate("sync", ".", 0)?;
        inner.changes.clear();
        let names = inner.names.clone();
        inner.durable = names;
        let Inner { files, names, durable, .. } = &mut *inner;
        files.retain(|file, _| names.values().chain(durable.values()).any(|known| known == file));
        Ok(())
    }
}
