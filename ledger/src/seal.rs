//! Sealing: the leaves since the last seal become a segment, tiles and client tags, and the state a snapshot, off the hot path.

use crate::archive::{Archive, CLIENTS, CLIENTS_COPY, TILES_0, TILES_1};
use crate::clients::Tag;
use crate::medium::{Medium, StoreError};
use crate::segment::{BUNDLE, SEAL_EVERY, Segment, Writer, put_file};
use crate::snapshot::{Snapshot, name};
use crate::tail::Run;
use crate::tree::{Hash, root_of};
use std::sync::Arc;

/// All the file work of one seal. What it writes counts when the snapshot has its name: whatever comes before can be written
/// again, and says the same then.
#[derive(Debug)]
pub struct Seal<M> {
    pub(crate) archive: Archive<M>,
    pub(crate) first: u64,
    pub(crate) bundles: Vec<Arc<Run>>,
    pub(crate) snapshot: Arc<Snapshot>,
    /// The node has more to write than processor to compress it well.
    pub(crate) pressed: bool,
}

/// What a seal has made durable; for [`crate::store::Store::adopt`].
#[derive(Debug)]
pub struct Sealed {
    pub(crate) segment: Segment,
    pub(crate) roots: Vec<Hash>,
    pub(crate) snapshot: Arc<Snapshot>,
}

impl<M: Medium> Seal<M> {
    /// Does it, on any thread.
    ///
    /// # Errors
    /// The medium failed. The old state is intact.
    pub fn run(self) -> Result<Sealed, StoreError> {
        let tags: Vec<Tag> = self.bundles.iter().flat_map(|run| &run.tags).copied().collect();
        let hashes: Vec<Hash> = self.bundles.iter().flat_map(|run| &run.hashes).copied().collect();
        let roots = self.archive.write_caches(self.first, &hashes, &tags)?;
        let mut writer = self.archive.writer(self.first, self.pressed)?;
        self.bundles.iter().try_for_each(|run| writer.push(&run.octets))?;
        let segment = self.archive.write_segment(writer, &roots)?;
        self.archive.write_snapshot(&self.snapshot)?;
        Ok(Sealed { segment, roots, snapshot: self.snapshot })
    }
}

impl<M: Medium> Archive<M> {
    pub(crate) fn writer(&self, first: u64, pressed: bool) -> Result<Writer<'_>, StoreError> {
        Writer::new(self.ledger, first, self.at_rest.as_ref(), pressed)
    }

    pub(crate) fn write_segment(&self, writer: Writer<'_>, roots: &[Hash]) -> Result<Segment, StoreError> {
        let (extent, octets) = writer.finish(roots);
        put_file(&self.medium, &extent.name(), &octets)?;
        Segment::open(&self.medium, &extent.name(), &self.ledger, self.at_rest.as_ref())
    }

    pub(crate) fn write_snapshot(&self, snapshot: &Snapshot) -> Result<(), StoreError> {
        put_file(&self.medium, &name(snapshot.size), &snapshot.encode(&self.ledger, self.at_rest.as_ref())?)
    }

    /// Appends leaf hashes, their roots and client tags to their files, and makes them durable.
    pub(crate) fn write_caches(&self, first: u64, hashes: &[Hash], tags: &[Tag]) -> Result<Vec<Hash>, StoreError> {
        assert!(first.is_multiple_of(SEAL_EVERY) && hashes.len() == tags.len(), "a seal begins where one ended");
        [TILES_0, TILES_1].iter().try_for_each(|name| self.ensure(name))?;
        let flat = |hashes: &[Hash]| hashes.iter().flat_map(|hash| hash.0).collect::<Vec<u8>>();
        let roots: Vec<Hash> = hashes.chunks_exact(256).filter_map(root_of).collect();
        self.medium.write(TILES_0, first * 32, &flat(hashes))?;
        self.medium.write(TILES_1, first / BUNDLE * 32, &flat(&roots))?;
        [TILES_0, TILES_1].iter().try_for_each(|name| self.medium.sync(name))?;
        [CLIENTS, CLIENTS_COPY].iter().try_for_each(|name| self.write_tags(name, first / SEAL_EVERY, tags))?;
        Ok(roots)
    }
}
