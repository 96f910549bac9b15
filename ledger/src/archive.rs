//! What is sealed, for whoever reads it on whatever thread: leaves, bundles, tiles and whole segments, each checked against the tree.

mod keeping;
mod opening;

use crate::at_rest::AtRest;
use crate::clients::{TAG, Tag};
use crate::medium::{Medium, StoreError};
use crate::remembered;
use crate::segment::{BUNDLE, Bundle, Extent, SEAL_EVERY, SEAL_LEAVES, Segment, ends, leaves_of, unchecked};
use crate::tree::{Hash, Lower, leaf_hash, root_of};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Leaf hashes, 32 octets each.
pub(crate) const TILES_0: &str = "tiles_0";
/// Roots of 256 leaves, 32 octets each.
pub(crate) const TILES_1: &str = "tiles_1";
/// Tags of client ids, 16 octets each, and a CRC-32 after each 4,096.
pub(crate) const CLIENTS: &str = "clients";
/// The same again: what a node has had cannot be made anew where leaves are pruned.
pub(crate) const CLIENTS_COPY: &str = "clients_copy";
pub(crate) const CLIENTS_BLOCK: u64 = SEAL_EVERY * TAG as u64 + 4;
const HASH: u64 = 32;
/// Bundles and tiles kept in memory.
const RECENT: usize = 8;

/// Something on the disk that is not what it was.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Damage {
    /// The file.
    pub file: String,
    /// Where, in octets.
    pub offset: u64,
    /// The bundle of 256 leaves that cannot be read, if it is one: a peer has it.
    pub bundle: Option<u64>,
    /// What is wrong.
    pub what: String,
}

/// The sealed leaves. Clones share what they know.
#[derive(Debug)]
pub struct Archive<M> {
    pub(crate) medium: M,
    pub(crate) ledger: Hash,
    pub(crate) at_rest: Option<AtRest>,
    /// So many leaves end a segment.
    pub(crate) segment_leaves: u64,
    catalog: Arc<Mutex<Catalog>>,
}

impl<M: Clone> Clone for Archive<M> {
    fn clone(&self) -> Self {
        let (medium, at_rest, catalog) = (self.medium.clone(), self.at_rest.clone(), Arc::clone(&self.catalog));
        Self { medium, ledger: self.ledger, at_rest, segment_leaves: self.segment_leaves, catalog }
    }
}

#[derive(Debug, Default)]
struct Catalog {
    /// Leaves below are pruned.
    floor: u64,
    /// By first leaf.
    segments: BTreeMap<u64, Arc<Segment>>,
    /// The roots of all sealed bundles, pruned ones included.
    roots: Vec<Hash>,
    /// What is damaged and not mended.
    damage: Vec<Damage>,
    /// What was damaged when it was opened, and made anew.
    mended: Vec<Damage>,
    /// Bundles of segments that are lost as a whole, until they are complete.
    gathered: BTreeMap<u64, Vec<u8>>,
    /// The bundle that is looked at next.
    glanced: u64,
    bundles: VecDeque<(u64, Arc<Bundle>)>,
    tiles: VecDeque<(u64, Vec<Hash>)>,
    /// SHA-256 of the logical octets of segments that somebody asked for, by first leaf.
    digests: BTreeMap<u64, Hash>,
}

impl<M: Medium> Archive<M> {
    pub(crate) fn new(medium: M, ledger: Hash, at_rest: Option<AtRest>, floor: u64) -> Self {
        let catalog = Catalog { floor, ..Catalog::default() };
        Self { medium, ledger, at_rest, segment_leaves: SEAL_LEAVES, catalog: Arc::new(Mutex::new(catalog)) }
    }

    /// Whether a segment ends at a tree of `size` leaves, when it holds the leaves from `first` on with so many logical octets.
    pub(crate) fn ends(&self, first: u64, size: u64, octets: u64) -> bool {
        ends(first, size, octets) || (size.is_multiple_of(SEAL_EVERY) && size >= first + self.segment_leaves)
    }

    /// How many leaves are sealed, pruned ones included.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.catalog().roots.len() as u64 * BUNDLE
    }

    /// The first leaf that is there; those before it are pruned.
    #[must_use]
    pub fn floor(&self) -> u64 {
        self.catalog().floor
    }

    /// The segments that are there, in order.
    #[must_use]
    pub fn segments(&self) -> Vec<Extent> {
        self.catalog().segments.values().map(|segment| segment.extent.clone()).collect()
    }

    /// Octets of a segment's logical form, at most up to its end.
    ///
    /// # Errors
    /// There is none that begins with leaf `first`, a bundle in the range is damaged, or the medium failed.
    pub fn segment(&self, first: u64, range: Range<u64>) -> Result<Vec<u8>, StoreError> {
        let found = self.catalog().segments.get(&first).cloned();
        let segment = found.ok_or_else(|| StoreError::Diverged(format!("no segment begins with leaf {first}")))?;
        let mut octets = Vec::new();
        for (bundle, from, to) in segment.logical().filter(|(_, from, to)| *from < range.end && range.start < *to) {
            let read = self.bundle(bundle)?;
            let within = |at: u64| usize::try_from(at.clamp(from, to) - from).unwrap_or(usize::MAX);
            octets.extend_from_slice(read.get(within(range.start)..within(range.end)).unwrap_or_default());
        }
        Ok(octets)
    }

    /// SHA-256 of a segment's logical octets. It reads all of them once.
    ///
    /// # Errors
    /// As [`Archive::segment`].
    pub fn digest(&self, first: u64) -> Result<Hash, StoreError> {
        let known = self.catalog().digests.get(&first).copied();
        if let Some(known) = known {
            return Ok(known);
        }
        let found = self.catalog().segments.get(&first).cloned();
        let segment = found.ok_or_else(|| StoreError::Diverged(format!("no segment begins with leaf {first}")))?;
        let mut digest = Sha256::new();
        for (bundle, ..) in segment.logical() {
            digest.update(self.bundle(bundle)?);
        }
        let digest = Hash(digest.finalize().into());
        self.catalog().digests.insert(first, digest);
        Ok(digest)
    }

    /// A C2SP entry bundle: leaves `256 × bundle` to `256 × bundle + 255`.
    ///
    /// # Errors
    /// It is not sealed, pruned or damaged, or the medium failed.
    pub fn bundle(&self, bundle: u64) -> Result<Vec<u8>, StoreError> {
        let read = self.read_bundle(bundle)?;
        let hashes = || (0..read.leaves.len()).filter_map(|at| read.leaf(at)).map(leaf_hash).collect::<Vec<Hash>>();
        if self.root(bundle).is_some_and(|root| remembered::leads_to("bundle", root, &read.octets, || root_of(&hashes()))) {
            Ok(read.octets.clone())
        } else {
            Err(self.damaged(bundle, "the leaves are not those of the tree"))
        }
    }

    /// A leaf's octets.
    ///
    /// # Errors
    /// It is not sealed, pruned or damaged, or the medium failed.
    pub fn leaf(&self, index: u64) -> Result<Arc<[u8]>, StoreError> {
        let bundle = index / BUNDLE;
        let read = self.read_bundle(bundle)?;
        let at = usize::try_from(index % BUNDLE).unwrap_or(usize::MAX);
        let octets = read.leaf(at).ok_or(StoreError::Stopped)?;
        if self.tile_hashes(bundle)?.get(at) == Some(&leaf_hash(octets)) {
            Ok(octets.into())
        } else {
            Err(self.damaged(bundle, &format!("leaf {index} is not that of the tree")))
        }
    }

    /// A C2SP hash tile: `width` hashes, at most 256, from number `256 × tile` on at level `8 × level`. `None` beyond what is
    /// sealed. Pruned leaves keep their tiles.
    ///
    /// # Errors
    /// It is damaged and so is its bundle, or the medium failed.
    pub fn tile(&self, level: u32, tile: u64, width: u64) -> Result<Option<Vec<u8>>, StoreError> {
        if width > BUNDLE || tile >= 1 << 50 {
            return Ok(None);
        }
        let hashes = match level {
            0 if (tile + 1) * BUNDLE > self.size() => return Ok(None),
            0 => self.tile_hashes(tile)?,
            level => {
                let catalog = self.catalog();
                let step = 1_u64.checked_shl(8 * (level - 1)).filter(|_| level < 6).unwrap_or(u64::MAX);
                let root = |index: u64| {
                    let (from, to) = (index.checked_mul(step)?, (index + 1).checked_mul(step)?);
                    let under = catalog.roots.get(usize::try_from(from).ok()?..usize::try_from(to).ok()?)?;
                    root_of(under)
                };
                let Some(hashes) = (tile * BUNDLE..tile * BUNDLE + width).map(root).collect::<Option<Vec<Hash>>>() else { return Ok(None) };
                hashes
            }
        };
        let width = usize::try_from(width).unwrap_or(usize::MAX);
        Ok(hashes.get(..width).map(|hashes| hashes.iter().flat_map(|hash| hash.0).collect()))
    }

    /// Notes what was made anew.
    fn note_mended(&self, file: &str, offset: u64, what: &str) {
        self.catalog().mended.push(Damage { file: file.to_owned(), offset, bundle: None, what: what.to_owned() });
    }

    pub(crate) fn mended(&self) -> Vec<Damage> {
        self.catalog().mended.clone()
    }

    /// What is damaged and not mended.
    #[must_use]
    pub fn damage(&self) -> Vec<Damage> {
        self.catalog().damage.clone()
    }

    /// The client tags of 4,096 leaves; `None` if both copies are damaged.
    pub(crate) fn tags(&self, block: u64) -> Option<Vec<Tag>> {
        [CLIENTS, CLIENTS_COPY].into_iter().find_map(|file| self.tags_of(file, block))
    }

    /// What one of the two files has of them.
    fn tags_of(&self, file: &str, block: u64) -> Option<Vec<Tag>> {
        let mut octets = vec![0; usize::try_from(CLIENTS_BLOCK).ok()?];
        self.medium.read(file, block * CLIENTS_BLOCK, &mut octets).ok()?;
        let tags = unchecked(&octets)?;
        Some(tags.as_chunks::<TAG>().0.iter().map(|tag| Tag(*tag)).collect())
    }

    /// The client tag of a sealed leaf.
    ///
    /// # Errors
    /// It is damaged, and cannot be made anew, or the medium failed.
    pub(crate) fn has_tag(&self, index: u64, tag: Tag) -> Result<bool, StoreError> {
        let (block, at) = (index / SEAL_EVERY, index % SEAL_EVERY);
        let mut found = [0; TAG];
        self.medium.read(CLIENTS, block * CLIENTS_BLOCK + at * TAG as u64, &mut found)?;
        if found == tag.0 {
            return Ok(true);
        }
        // Another id with the same 32 bits, once in a million reads; or the tag is damaged.
        let tags = self.tags(block).map_or_else(|| self.mend_tags(block), Ok)?;
        Ok(usize::try_from(at).ok().and_then(|at| tags.get(at)) == Some(&tag))
    }

    /// Becomes what another archive is over the same medium, for all clones: a snapshot was installed.
    pub(crate) fn follow(&self, other: &Self) {
        let taken = std::mem::take(&mut *other.catalog());
        *self.catalog() = taken;
    }

    /// Takes in a sealed segment and the roots of its bundles.
    pub(crate) fn add(&self, segment: Option<Segment>, roots: &[Hash]) {
        let mut catalog = self.catalog();
        catalog.roots.extend_from_slice(roots);
        if let Some(segment) = segment {
            catalog.segments.insert(segment.extent.first, Arc::new(segment));
        }
    }

    /// The leaf hashes of the tiles, for a tree.
    pub(crate) fn lower(&self) -> Lower {
        let archive = self.clone();
        Arc::new(Mutex::new(move |tile| archive.tile_hashes(tile).ok()))
    }

    /// The roots of all sealed bundles.
    pub(crate) fn roots(&self) -> Vec<Hash> {
        self.catalog().roots.clone()
    }

    /// The 256 leaf hashes of a bundle, from the tiles or, if these are damaged, from the leaves.
    fn tile_hashes(&self, tile: u64) -> Result<Vec<Hash>, StoreError> {
        let recent = self.catalog().tiles.iter().find(|(number, _)| *number == tile).map(|(_, hashes)| hashes.clone());
        if let Some(hashes) = recent {
            return Ok(hashes);
        }
        let hashes = match self.stored_tile(tile) {
            Some(hashes) => hashes,
            None => {
                let octets = self.bundle(tile)?;
                leaves_of(&octets).unwrap_or_default().into_iter().filter_map(|leaf| octets.get(leaf)).map(leaf_hash).collect()
            }
        };
        let mut catalog = self.catalog();
        catalog.tiles.push_back((tile, hashes.clone()));
        if catalog.tiles.len() > RECENT {
            catalog.tiles.pop_front();
        }
        Ok(hashes)
    }

    fn stored_tile(&self, tile: u64) -> Option<Vec<Hash>> {
        let mut octets = vec![0; usize::try_from(BUNDLE * HASH).ok()?];
        self.medium.read(TILES_0, tile.checked_mul(BUNDLE * HASH)?, &mut octets).ok()?;
        let hashes = hashes_of(&octets);
        self.root(tile).is_some_and(|root| remembered::leads_to("tile", root, &octets, || root_of(&hashes))).then_some(hashes)
    }

    /// A bundle as it is compressed, for a peer that checks it by its leaves.
    ///
    /// # Errors
    /// As [`Archive::bundle`].
    pub(crate) fn packed(&self, bundle: u64) -> Result<Vec<u8>, StoreError> {
        match self.holder(bundle)?.packed(&self.medium, bundle) {
            Err(StoreError::Corrupt { what, .. }) => Err(self.damaged(bundle, &what)),
            other => other,
        }
    }

    /// The segment that holds a bundle.
    fn holder(&self, bundle: u64) -> Result<Arc<Segment>, StoreError> {
        let segment = {
            let catalog = self.catalog();
            if bundle >= catalog.roots.len() as u64 {
                return Err(StoreError::Diverged(format!("bundle {bundle} is not sealed")));
            }
            if bundle * BUNDLE < catalog.floor {
                return Err(StoreError::Pruned(catalog.floor));
            }
            catalog.segments.range(..=bundle * BUNDLE).next_back().map(|(_, segment)| Arc::clone(segment))
        };
        let segment = segment.filter(|segment| bundle * BUNDLE < segment.extent.end);
        segment.ok_or_else(|| self.damaged(bundle, "the segment is lost"))
    }

    fn read_bundle(&self, bundle: u64) -> Result<Arc<Bundle>, StoreError> {
        let recent = self.catalog().bundles.iter().find(|(number, _)| *number == bundle).map(|(_, read)| Arc::clone(read));
        if let Some(read) = recent {
            return Ok(read);
        }
        let segment = self.holder(bundle)?;
        let octets = match segment.bundle(&self.medium, bundle) {
            Err(StoreError::Corrupt { what, .. }) => return Err(self.damaged(bundle, &what)),
            other => other?,
        };
        let read = Bundle::read(octets).ok_or_else(|| self.damaged(bundle, "these are no 256 leaves"))?;
        let mut catalog = self.catalog();
        catalog.bundles.push_back((bundle, Arc::clone(&read)));
        if catalog.bundles.len() > RECENT {
            catalog.bundles.pop_front();
        }
        Ok(read)
    }

    /// Notes a damaged bundle, and says so.
    fn damaged(&self, bundle: u64, what: &str) -> StoreError {
        let mut catalog = self.catalog();
        catalog.forget(bundle);
        let segment = catalog.segments.range(..=bundle * BUNDLE).next_back().filter(|(_, segment)| bundle * BUNDLE < segment.extent.end);
        let lost =
            || catalog.damage.iter().find(|damage| damage.bundle == Some(bundle)).map_or_else(String::new, |damage| damage.file.clone());
        let (file, offset) = segment.map_or_else(|| (lost(), 0), |(_, segment)| (segment.extent.name(), segment.offset(bundle)));
        let error = StoreError::corrupt(self.medium.path(&file), offset, what);
        catalog.note(Damage { file, offset, bundle: Some(bundle), what: what.to_owned() });
        error
    }

    fn root(&self, bundle: u64) -> Option<Hash> {
        self.catalog().roots.get(usize::try_from(bundle).ok()?).copied()
    }

    fn catalog(&self) -> MutexGuard<'_, Catalog> {
        self.catalog.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Catalog {
    fn note(&mut self, damage: Damage) {
        if !self.damage.iter().any(|known| known.bundle == damage.bundle) {
            self.damage.push(damage);
        }
    }

    fn mended(&mut self, bundle: u64) {
        self.forget(bundle);
        self.damage.retain(|damage| damage.bundle != Some(bundle));
    }

    fn forget(&mut self, bundle: u64) {
        self.bundles.retain(|(number, _)| *number != bundle);
        self.tiles.retain(|(number, _)| *number != bundle);
    }
}

pub(crate) fn hashes_of(octets: &[u8]) -> Vec<Hash> {
    octets.as_chunks::<32>().0.iter().map(|hash| Hash(*hash)).collect()
}
