//! What is sealed, kept whole: read again and again, mended here or from a peer, pruned, its keys wrapped anew.

use super::{Archive, CLIENTS, CLIENTS_BLOCK, CLIENTS_COPY, Damage, HASH, TILES_0, TILES_1};
use crate::clients::Tag;
use crate::examine::Crew;
use crate::medium::{Medium, StoreError};
use crate::record::client_of;
use crate::segment::{BUNDLE, Extent, SEAL_EVERY, Segment, checked, leaves_of, put_file};
use crate::tree::{Hash, leaf_hash, root_of};
use std::sync::Arc;

impl<M: Medium> Archive<M> {
    /// Reads and re-hashes some of what is sealed, from bundle `from` on, until so many logical octets have passed: leaves,
    /// leaf hashes and client tags. Leaf hashes and tags that are damaged are made anew from their leaves; damaged leaves are
    /// noted in [`Archive::damage`]. Returns where to go on, 0 at the end, and what was found.
    ///
    /// # Errors
    /// The medium failed to write.
    pub fn scrub(&self, from: u64, octets: u64) -> Result<(u64, Vec<Damage>), StoreError> {
        let size = self.size();
        let mut found = Vec::new();
        let (mut bundle, mut left) = (from, octets);
        while bundle * BUNDLE < size && left > 0 {
            left = left.saturating_sub(self.scrub_with(bundle, &mut found)?);
            bundle += 1;
        }
        Ok((if bundle * BUNDLE < size { bundle } else { 0 }, found))
    }

    /// [`Archive::scrub`] of everything that is sealed, by a crew, 4,096 leaves a part. What is found comes in no order.
    pub(crate) fn scrub_all(&self, crew: &impl Crew) -> Result<Vec<Damage>, StoreError> {
        let blocks = self.size() / SEAL_EVERY;
        if blocks > 0 {
            // None is made by two at once.
            [TILES_0, TILES_1, CLIENTS, CLIENTS_COPY].into_iter().try_for_each(|cache| self.ensure(cache))?;
        }
        let part = |(archive, block): (Self, u64)| {
            let mut found = Vec::new();
            for bundle in block * SEAL_EVERY / BUNDLE..(block + 1) * SEAL_EVERY / BUNDLE {
                archive.scrub_with(bundle, &mut found)?;
            }
            Ok::<_, StoreError>(found)
        };
        let found = crew.each((0..blocks).map(|block| (self.clone(), block)).collect(), part);
        Ok(found.into_iter().collect::<Result<Vec<_>, _>>()?.concat())
    }

    /// A bundle, with what stands before the first one of a block of tags and of a segment. Returns its logical octets.
    fn scrub_with(&self, bundle: u64, found: &mut Vec<Damage>) -> Result<u64, StoreError> {
        let first = bundle * BUNDLE;
        if first.is_multiple_of(SEAL_EVERY) {
            self.scrub_block(first / SEAL_EVERY, found)?;
        }
        let segment = self.catalog().segments.get(&first).map(|segment| segment.extent.name());
        if let Some(name) = segment {
            self.scrub_header(&name, found)?;
        }
        self.scrub_bundle(bundle, found)
    }

    /// Looks at some of the octets as they are stored, until so many have passed: the checksums of bundles and the hashes of tiles, not
    /// the leaves. That is a hundredth of the work of [`Archive::scrub`], which does the rest for what is not right.
    ///
    /// # Errors
    /// The medium failed to write.
    pub(crate) fn glance(&self, octets: u64) -> Result<Vec<Damage>, StoreError> {
        let bundles = self.size() / BUNDLE;
        let mut found = Vec::new();
        let (mut passed, mut seen) = (0, 0);
        while passed < octets && seen < bundles {
            let bundle = self.catalog().glanced.checked_rem(bundles).unwrap_or(0);
            self.catalog().glanced = bundle + 1;
            let stored = if bundle * BUNDLE < self.floor() { Ok(0) } else { self.packed(bundle).map(|packed| packed.len() as u64) };
            if stored.is_err() || self.stored_tile(bundle).is_none() {
                self.scrub_bundle(bundle, &mut found)?;
            }
            passed += stored.unwrap_or(0) + BUNDLE * HASH;
            seen += 1;
        }
        Ok(found)
    }

    fn scrub_header(&self, name: &str, found: &mut Vec<Damage>) -> Result<(), StoreError> {
        let read = Segment::open(&self.medium, name, &self.ledger, self.at_rest.as_ref());
        let known = || self.catalog().segments.values().find(|segment| segment.extent.name() == name).cloned();
        match (read, known()) {
            (Err(error), Some(known)) => {
                found.push(Damage { file: name.to_owned(), offset: 0, bundle: None, what: error.to_string() });
                // What the header says is in memory: it is written again.
                if self.medium.list()?.iter().any(|file| file == name) {
                    let octets = known.renewed(&self.medium, &self.ledger, self.at_rest.as_ref())?;
                    put_file(&self.medium, name, &octets)?;
                }
            }
            (Ok(read), Some(known)) if !read.is_intact() => {
                found.push(Damage {
                    file: name.to_owned(),
                    offset: 0,
                    bundle: None,
                    what: "a copy of the wrapped key is damaged".to_owned(),
                });
                known.rewrap(&self.medium, self.at_rest.as_ref())?;
            }
            _ => {}
        }
        Ok(())
    }

    fn scrub_bundle(&self, bundle: u64, found: &mut Vec<Damage>) -> Result<u64, StoreError> {
        self.catalog().forget(bundle);
        let tile = self.stored_tile(bundle);
        if bundle * BUNDLE < self.floor() {
            if tile.is_none() {
                found.push(self.tile_damage(bundle));
            }
            return Ok(BUNDLE * HASH);
        }
        self.scrub_root(bundle, found)?;
        match self.bundle(bundle) {
            Ok(octets) => {
                if tile.is_none() {
                    found.push(self.tile_damage(bundle));
                    self.mend_tile(bundle, &octets)?;
                }
                Ok(octets.len() as u64)
            }
            Err(_) => {
                found.extend(self.catalog().damage.iter().filter(|damage| damage.bundle == Some(bundle)).cloned());
                Ok(BUNDLE * HASH)
            }
        }
    }

    fn scrub_root(&self, bundle: u64, found: &mut Vec<Damage>) -> Result<(), StoreError> {
        let (mut stored, offset) = ([0; 32], bundle * HASH);
        let read = self.medium.read(TILES_1, offset, &mut stored);
        let Some(root) = self.root(bundle).filter(|root| read.is_err() || root.0 != stored) else { return Ok(()) };
        let what = format!("the root of bundle {bundle} is not that of the tree");
        found.push(Damage { file: TILES_1.to_owned(), offset, bundle: None, what });
        self.ensure(TILES_1)?;
        self.medium.write(TILES_1, offset, &root.0)?;
        self.medium.sync(TILES_1)
    }

    fn tile_damage(&self, bundle: u64) -> Damage {
        let what = format!("the hashes of bundle {bundle} do not lead to its root");
        Damage { file: TILES_0.to_owned(), offset: bundle * BUNDLE * HASH, bundle: None, what }
    }

    fn mend_tile(&self, bundle: u64, octets: &[u8]) -> Result<(), StoreError> {
        let leaves = leaves_of(octets).unwrap_or_default();
        let hashes = leaves.into_iter().filter_map(|leaf| octets.get(leaf)).flat_map(|leaf| leaf_hash(leaf).0).collect::<Vec<u8>>();
        self.ensure(TILES_0)?;
        self.medium.write(TILES_0, bundle * BUNDLE * HASH, &hashes)?;
        self.medium.sync(TILES_0)
    }

    fn scrub_block(&self, block: u64, found: &mut Vec<Damage>) -> Result<(), StoreError> {
        let damaged: Vec<&str> = [CLIENTS, CLIENTS_COPY].into_iter().filter(|file| self.tags_of(file, block).is_none()).collect();
        for file in &damaged {
            let what = format!("client tags of leaves {} on do not match their checksum", block * SEAL_EVERY);
            found.push(Damage { file: (*file).to_owned(), offset: block * CLIENTS_BLOCK, bundle: None, what });
        }
        if damaged.is_empty() {
            return Ok(());
        }
        match self.mend_tags(block) {
            // Their bundle is damaged, too, and noted: they are made when it is mended, or were pruned with it.
            Err(StoreError::Corrupt { .. } | StoreError::Pruned(_)) => Ok(()),
            other => other.map(drop),
        }
    }

    /// Makes a cache's file if it is missing.
    pub(crate) fn ensure(&self, file: &str) -> Result<(), StoreError> {
        if self.medium.list()?.iter().any(|name| name == file) {
            return Ok(());
        }
        self.medium.create(file)?;
        self.medium.sync_names()
    }

    /// [`Archive::mend_tags`] when a store is opened, noted.
    pub(crate) fn remake_tags(&self, block: u64) -> Result<Vec<Tag>, StoreError> {
        for file in [CLIENTS, CLIENTS_COPY] {
            self.note_mended(file, block * CLIENTS_BLOCK, "client tags that do not match their checksum");
        }
        self.mend_tags(block)
    }

    /// Writes both copies of the client tags of 4,096 leaves anew: from the one that is whole, or from the leaves.
    ///
    /// # Errors
    /// Neither is, and a leaf is pruned or damaged; or the medium failed.
    pub(crate) fn mend_tags(&self, block: u64) -> Result<Vec<Tag>, StoreError> {
        let tags = self.tags(block).map_or_else(|| self.tags_of_leaves(block), Ok)?;
        for file in [CLIENTS, CLIENTS_COPY].into_iter().filter(|file| self.tags_of(file, block).is_none()) {
            self.write_tags(file, block, &tags)?;
        }
        Ok(tags)
    }

    fn tags_of_leaves(&self, block: u64) -> Result<Vec<Tag>, StoreError> {
        let tag = |index| {
            let client = client_of(&self.leaf(index)?).ok_or_else(|| StoreError::Diverged(format!("leaf {index} cannot be read")))?;
            Ok(Tag::of(&client))
        };
        (block * SEAL_EVERY..(block + 1) * SEAL_EVERY).map(tag).collect()
    }

    /// Writes client tags from a block of 4,096 on, durably.
    pub(crate) fn write_tags(&self, file: &str, block: u64, tags: &[Tag]) -> Result<(), StoreError> {
        self.ensure(file)?;
        for (block, tags) in (block..).zip(tags.chunks(4096)) {
            let octets = checked(tags.iter().flat_map(|tag| tag.0).collect());
            self.medium.write(file, block * CLIENTS_BLOCK, &octets)?;
        }
        self.medium.sync(file)
    }

    /// Puts a bundle that a peer has back where it belongs.
    ///
    /// # Errors
    /// The octets are not this bundle's, it is not damaged here, or the medium failed.
    pub(crate) fn repair(&self, bundle: u64, octets: &[u8]) -> Result<(), StoreError> {
        let hashes = leaves_of(octets).unwrap_or_default().into_iter().filter_map(|leaf| octets.get(leaf)).map(leaf_hash);
        let hashes: Vec<Hash> = hashes.collect();
        if hashes.len() as u64 != BUNDLE || root_of(&hashes).is_none() || root_of(&hashes) != self.root(bundle) {
            return Err(StoreError::Diverged(format!("this is not bundle {bundle} of the tree")));
        }
        let first = bundle * BUNDLE;
        let holder = self.catalog().segments.range(..=first).next_back().map(|(_, segment)| Arc::clone(segment));
        match holder.filter(|segment| first < segment.extent.end) {
            Some(segment) => {
                let mended = segment.mended(&self.medium, &self.ledger, self.at_rest.as_ref(), (bundle, octets))?;
                self.replace(&segment.extent.name(), &mended)?;
            }
            None => self.gather(bundle, octets)?,
        }
        self.catalog().mended(bundle);
        Ok(())
    }

    fn replace(&self, name: &str, octets: &[u8]) -> Result<(), StoreError> {
        put_file(&self.medium, name, octets)?;
        let segment = Segment::open(&self.medium, name, &self.ledger, self.at_rest.as_ref())?;
        self.catalog().segments.insert(segment.extent.first, Arc::new(segment));
        Ok(())
    }

    /// Keeps a bundle of lost segments until all of one are there, and writes it again.
    fn gather(&self, bundle: u64, octets: &[u8]) -> Result<(), StoreError> {
        self.catalog().gathered.insert(bundle, octets.to_vec());
        let mut at = bundle * BUNDLE;
        while let Some(extent) = self.gathered_around(at)? {
            at = extent.end;
        }
        Ok(())
    }

    /// Writes the lost segment that would hold a leaf, if all its bundles are there.
    fn gathered_around(&self, leaf: u64) -> Result<Option<Extent>, StoreError> {
        let mut catalog = self.catalog();
        let first = catalog.segments.range(..leaf + 1).next_back().map_or(catalog.floor, |(_, segment)| segment.extent.end);
        let (mut writer, mut length) = (self.writer(first, false)?, 0);
        let mut at = first / BUNDLE;
        while let Some(octets) = catalog.gathered.get(&at) {
            writer.push(octets)?;
            length += octets.len() as u64;
            at += 1;
            if self.ends(first, at * BUNDLE, length) {
                let span = first / BUNDLE..at;
                let bounds = usize::try_from(span.start).unwrap_or(usize::MAX)..usize::try_from(span.end).unwrap_or(usize::MAX);
                let (extent, octets) = writer.finish(catalog.roots.get(bounds).unwrap_or_default());
                catalog.gathered.retain(|bundle, _| !span.contains(bundle));
                drop(catalog);
                self.replace(&extent.name(), &octets)?;
                return Ok(Some(extent));
            }
        }
        Ok(None)
    }

    /// Forgets and removes the segments below `floor`, and returns the octets that they took.
    pub(crate) fn prune(&self, floor: u64) -> Result<u64, StoreError> {
        let gone: Vec<Arc<Segment>> = {
            let mut catalog = self.catalog();
            catalog.floor = floor;
            let kept = catalog.segments.split_off(&floor);
            catalog.bundles.clear();
            catalog.damage.retain(|damage| damage.bundle.is_none_or(|bundle| bundle * BUNDLE >= floor));
            std::mem::replace(&mut catalog.segments, kept).into_values().collect()
        };
        let mut octets = 0;
        for segment in gone {
            let name = segment.extent.name();
            octets += self.medium.length(&name)?;
            self.medium.remove(&name)?;
        }
        self.medium.sync_names()?;
        Ok(octets)
    }

    /// Wraps every segment's key by the current key again.
    pub(crate) fn rewrap(&self) -> Result<u64, StoreError> {
        let stale: Vec<Arc<Segment>> = self.catalog().segments.values().filter(|segment| !segment.is_fresh()).cloned().collect();
        for segment in &stale {
            segment.rewrap(&self.medium, self.at_rest.as_ref())?;
            let renewed = Segment::open(&self.medium, &segment.extent.name(), &self.ledger, self.at_rest.as_ref())?;
            self.catalog().segments.insert(renewed.extent.first, Arc::new(renewed));
        }
        Ok(stale.len() as u64)
    }
}
