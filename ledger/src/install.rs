//! A snapshot and the leaves under it, fetched from other nodes: verified bundle by bundle, and nothing until all of it is there.

use crate::archive::Archive;
use crate::clients::Tag;
use crate::medium::{Medium, StoreError};
use crate::record::client_of;
use crate::segment::{BUNDLE, leaves_of};
use crate::snapshot::Snapshot;
use crate::store::Store;
use crate::tree::{Hash, Tree, leaf_hash, root_of};
use std::collections::BTreeMap;

/// Bundles that came before their turn, at most.
const HELD_MAX: usize = 256;

/// The leaves between what a node has sealed and a snapshot of other nodes. The caller has verified the snapshot: its root by a
/// checkpoint of just its size, its state by the state-root leaf. Its old state stays as it is until [`Install::finish`].
#[derive(Debug)]
pub struct Install<M> {
    archive: Archive<M>,
    snapshot: Snapshot,
    roots: Vec<Hash>,
    /// The first leaf of the segment that is being gathered, and its bundles so far.
    first: u64,
    bundles: Vec<Vec<u8>>,
    length: u64,
    held: BTreeMap<u64, Vec<u8>>,
}

impl<M: Medium> Store<M> {
    /// Begins to install a snapshot. `roots` are those of all bundles below it: the C2SP tiles of level 1.
    ///
    /// # Errors
    /// A seal runs; the roots do not lead to the snapshot's, or not to what is sealed here.
    pub fn install(&self, snapshot: Snapshot, roots: Vec<Hash>) -> Result<Install<M>, StoreError> {
        let diverged = |what: &str| Err(StoreError::Diverged(format!("the snapshot of {} leaves: {what}", snapshot.size)));
        if self.is_sealing() {
            return diverged("a seal runs, try again after it");
        }
        if snapshot.size <= self.sealed() || !snapshot.size.is_multiple_of(BUNDLE) || roots.len() as u64 != snapshot.size / BUNDLE {
            return diverged("it is not ahead of what is sealed here, or not of whole bundles");
        }
        let archive = self.archive();
        if Tree::resume(&roots, archive.lower()).root(snapshot.size) != Some(snapshot.root) {
            return diverged("the roots of its bundles do not lead to its root");
        }
        if !roots.starts_with(&archive.roots()) {
            return diverged("it is of another history than what is sealed here");
        }
        let first = self.sealed();
        Ok(Install { archive, snapshot, roots, first, bundles: Vec::new(), length: 0, held: BTreeMap::new() })
    }
}

impl<M: Medium> Install<M> {
    /// The bundles to fetch next, in order, at most so many.
    #[must_use]
    pub fn wanted(&self, count: usize) -> Vec<u64> {
        let next = self.next();
        let end = (next + HELD_MAX as u64).min(self.roots.len() as u64);
        (next..end).filter(|bundle| !self.held.contains_key(bundle)).take(count).collect()
    }

    /// Takes a bundle that is wanted; others are ignored.
    ///
    /// # Errors
    /// [`StoreError::Diverged`]: the octets are not that bundle's, another peer may have it. Otherwise the medium failed.
    pub fn put(&mut self, bundle: u64, octets: Vec<u8>) -> Result<(), StoreError> {
        let wanted = (self.next()..self.next() + HELD_MAX as u64).contains(&bundle) && !self.held.contains_key(&bundle);
        let root = usize::try_from(bundle).ok().and_then(|bundle| self.roots.get(bundle)).filter(|_| wanted);
        let Some(root) = root else { return Ok(()) };
        let hashes: Vec<Hash> = leaves_of(&octets).unwrap_or_default().into_iter().filter_map(|at| octets.get(at)).map(leaf_hash).collect();
        if hashes.len() as u64 != BUNDLE || root_of(&hashes) != Some(*root) {
            return Err(StoreError::Diverged(format!("this is not bundle {bundle} of the snapshot's tree")));
        }
        self.held.insert(bundle, octets);
        while let Some(octets) = self.held.remove(&self.next()) {
            self.length += octets.len() as u64;
            self.bundles.push(octets);
            if self.archive.ends(self.first, self.next() * BUNDLE, self.length) {
                self.write_segment()?;
            }
        }
        Ok(())
    }

    /// Whether all leaves are there.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.first == self.snapshot.size
    }

    /// Makes the snapshot durable: from now on it counts. The store must be opened again, see [`Store::reopen`].
    ///
    /// # Errors
    /// Leaves are missing, or the medium failed.
    pub fn finish(self) -> Result<Snapshot, StoreError> {
        if !self.is_whole() {
            return Err(StoreError::Diverged(format!("bundle {} of the snapshot is missing", self.next())));
        }
        self.archive.write_snapshot(&self.snapshot)?;
        Ok(self.snapshot)
    }

    fn next(&self) -> u64 {
        self.first / BUNDLE + self.bundles.len() as u64
    }

    fn write_segment(&mut self) -> Result<(), StoreError> {
        let (mut hashes, mut tags) = (Vec::new(), Vec::new());
        let mut writer = self.archive.writer(self.first, false)?;
        for bundle in &self.bundles {
            writer.push(bundle)?;
            for leaf in leaves_of(bundle).unwrap_or_default().into_iter().filter_map(|at| bundle.get(at)) {
                hashes.push(leaf_hash(leaf));
                let client = client_of(leaf).ok_or_else(|| StoreError::Diverged("a leaf that cannot be read".to_owned()))?;
                tags.push(Tag::of(&client));
            }
        }
        let roots = self.archive.write_caches(self.first, &hashes, &tags)?;
        self.archive.write_segment(writer, &roots)?;
        self.first = self.next() * BUNDLE;
        self.bundles.clear();
        self.length = 0;
        Ok(())
    }
}
