//! Sealed segments: leaves as C2SP entry bundles, compressed, and encrypted if that is configured. What is hashed, served and the
//! same on every node are the logical octets; how they lie on the disk is each node's own matter.

pub use crate::medium::StoreError;

use crate::at_rest::{AtRest, DataKey, WRAPPED};
use crate::medium::Medium;
use crate::tree::{Hash, root_over};
use std::ops::Range;
use std::sync::Arc;

/// Leaves of one bundle and hashes of one tile.
pub const BUNDLE: u64 = 256;
/// A segment ends where the tree's size is a multiple of this…
pub const SEAL_EVERY: u64 = 4096;
/// …and it holds so many leaves…
pub const SEAL_LEAVES: u64 = 16_384;
/// …or so many logical octets.
pub const SEAL_OCTETS: u64 = 64 << 20;
const MAGIC: &[u8; 12] = b"WAYBILL3 seg";
const IDENTITY: usize = 101;
const SLOT: usize = WRAPPED + 4;
const HEADER: usize = IDENTITY + 4 + 2 * SLOT;
const ROW: usize = 12;
/// Trade leaves shrink to 28 % at this level and to 26 % at level 3, which takes twice the time.
const ZSTD_LEVEL: i32 = 1;
/// For who is pressed: leaves of batches to 13 % instead of 7 %, trade leaves to 39 %, in less than half the time.
const ZSTD_LEVEL_PRESSED: i32 = -2;
/// Of a bundle in C2SP's form, at most: 256 leaves of 65,535 octets and their lengths.
pub(crate) const BUNDLE_OCTETS_MAX: usize = 256 * (65_535 + 2);

/// Whether a segment ends at a tree of `size` leaves, when it holds the leaves from `first` on with so many logical octets.
#[must_use]
pub fn ends(first: u64, size: u64, octets: u64) -> bool {
    size > first && size.is_multiple_of(SEAL_EVERY) && (size - first >= SEAL_LEAVES || octets >= SEAL_OCTETS)
}

/// Leaves in C2SP's form: each with its length in two octets before it.
///
/// # Panics
/// A leaf has more than 65,535 octets, which no record leads to.
#[must_use]
pub fn bundle_of<'a>(leaves: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut bundle = Vec::new();
    leaves.into_iter().for_each(|leaf| put_leaf(&mut bundle, leaf));
    bundle
}

/// Appends a leaf to a bundle.
pub(crate) fn put_leaf(bundle: &mut Vec<u8>, leaf: &[u8]) {
    let length = u16::try_from(leaf.len()).expect("a leaf has at most 65,535 octets");
    bundle.extend_from_slice(&length.to_be_bytes());
    bundle.extend_from_slice(leaf);
}

/// Where the leaves of a bundle lie in it; `None` if it is none.
#[must_use]
pub fn leaves_of(bundle: &[u8]) -> Option<Vec<Range<usize>>> {
    let mut leaves = Vec::new();
    let mut at = 0;
    while at < bundle.len() {
        let length = bundle.get(at..)?.first_chunk::<2>().map(|length| usize::from(u16::from_be_bytes(*length)))?;
        bundle.get(at + 2..at + 2 + length)?;
        leaves.push(at + 2..at + 2 + length);
        at += 2 + length;
    }
    Some(leaves)
}

/// What a sealed segment is, on every node alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extent {
    /// Its first leaf.
    pub first: u64,
    /// The leaf after its last one.
    pub end: u64,
    /// Its logical octets.
    pub length: u64,
    /// The root of the tree (RFC 6962 §2.1) over its leaves alone.
    pub root: Hash,
}

impl Extent {
    /// Its name: first and last leaf in twelve digits.
    #[must_use]
    pub fn name(&self) -> String {
        name(self.first, self.end)
    }
}

pub(crate) fn name(first: u64, end: u64) -> String {
    format!("seg_{first:012}-{:012}.sealed", end - 1)
}

/// First leaf and the one after the last, by a file's name; `None` if it is no segment's.
#[must_use]
pub fn span(name: &str) -> Option<(u64, u64)> {
    let (first, last) = name.strip_prefix("seg_")?.strip_suffix(".sealed")?.split_once('-')?;
    let (first, end) = (first.parse().ok()?, last.parse::<u64>().ok()?.checked_add(1)?);
    (first < end && first % BUNDLE == 0 && end % BUNDLE == 0).then_some((first, end))
}

/// Where a stored bundle lies, and what it is there.
#[derive(Clone, Copy, Debug)]
struct Row {
    offset: u64,
    stored: u32,
    logical: u32,
    crc: u32,
}

/// A sealed segment on a medium.
#[derive(Debug)]
pub(crate) struct Segment {
    pub(crate) extent: Extent,
    name: String,
    rows: Vec<Row>,
    key: Option<DataKey>,
    /// Both copies of the wrapped key are whole.
    intact: bool,
    /// And of the current key.
    fresh: bool,
}

/// Stored bundles in order, on their way into a file.
pub(crate) struct Writer<'k> {
    ledger: Hash,
    first: u64,
    at_rest: Option<&'k AtRest>,
    length: u64,
    /// Compressed bundles and their logical lengths.
    bundles: Vec<(Vec<u8>, u32)>,
    compressor: zstd::bulk::Compressor<'static>,
}

impl<'k> Writer<'k> {
    /// # Errors
    /// The compressor has no memory.
    pub(crate) fn new(ledger: Hash, first: u64, at_rest: Option<&'k AtRest>, pressed: bool) -> Result<Self, StoreError> {
        let level = if pressed { ZSTD_LEVEL_PRESSED } else { ZSTD_LEVEL };
        let compressor = zstd::bulk::Compressor::new(level).map_err(uncompressed)?;
        Ok(Self { ledger, first, at_rest, length: 0, bundles: Vec::new(), compressor })
    }

    /// Takes the next bundle's logical octets.
    ///
    /// # Errors
    /// The compressor has no memory.
    pub(crate) fn push(&mut self, bundle: &[u8]) -> Result<(), StoreError> {
        let stored = self.compressor.compress(bundle).map_err(uncompressed)?;
        self.length += bundle.len() as u64;
        self.bundles.push((stored, u32::try_from(bundle.len()).unwrap_or(u32::MAX)));
        Ok(())
    }

    /// The segment and its file's octets, with the roots of its bundles.
    pub(crate) fn finish(self, roots: &[Hash]) -> (Extent, Vec<u8>) {
        assert_eq!(roots.len(), self.bundles.len(), "every bundle has its root");
        let end = self.first + self.bundles.len() as u64 * BUNDLE;
        let sealed = Extent { first: self.first, end, length: self.length, root: root_over(roots) };
        let key = self.at_rest.map(|at_rest| at_rest.data_key(&identity(&self.ledger, &sealed, true)));
        let (mut table, mut body) = (Vec::new(), Vec::new());
        for (part, (stored, logical)) in (0..).zip(self.bundles) {
            let stored = match &key {
                Some(key) => key.encrypt(part, &stored),
                None => stored,
            };
            for number in [u32::try_from(stored.len()).unwrap_or(u32::MAX), logical, crc32fast::hash(&stored)] {
                table.extend_from_slice(&number.to_be_bytes());
            }
            body.extend_from_slice(&stored);
        }
        let identity = identity(&self.ledger, &sealed, key.is_some());
        let slot = self.at_rest.zip(key.as_ref()).map_or_else(|| vec![0; SLOT], |(at_rest, key)| slot_of(&at_rest.wrap(key)));
        (sealed, [checked(identity), slot.clone(), slot, checked(table), body].concat())
    }
}

fn identity(ledger: &Hash, sealed: &Extent, encrypted: bool) -> Vec<u8> {
    let count = sealed.end - sealed.first;
    let numbers = [sealed.first, count, sealed.length].map(u64::to_be_bytes).concat();
    [MAGIC.as_slice(), &ledger.0, &numbers, &sealed.root.0, &[u8::from(encrypted)]].concat()
}

fn uncompressed(error: std::io::Error) -> StoreError {
    StoreError::Io { what: "compress", path: "a bundle".into(), error }
}

/// The logical octets of a compressed bundle; `None` if they are none, or more than any bundle has.
pub(crate) fn unpacked(packed: &[u8]) -> Option<Vec<u8>> {
    let length = zstd::zstd_safe::get_frame_content_size(packed).ok()??;
    let length = usize::try_from(length).ok().filter(|length| *length <= BUNDLE_OCTETS_MAX)?;
    zstd::bulk::decompress(packed, length).ok().filter(|octets| octets.len() == length)
}

fn padding(row: &Row, error: StoreError) -> Result<Vec<u8>, StoreError> {
    match error {
        StoreError::Corrupt { .. } => Ok(vec![0; usize::try_from(row.stored).unwrap_or(0)]),
        other => Err(other),
    }
}

fn slot_of(wrapped: &[u8]) -> Vec<u8> {
    checked(wrapped.to_vec())
}

/// Octets and their CRC-32.
pub(crate) fn checked(mut octets: Vec<u8>) -> Vec<u8> {
    let crc = crc32fast::hash(&octets);
    octets.extend_from_slice(&crc.to_be_bytes());
    octets
}

/// The octets before a CRC-32 that is theirs.
pub(crate) fn unchecked(octets: &[u8]) -> Option<&[u8]> {
    let (octets, crc) = octets.split_last_chunk::<4>()?;
    (crc32fast::hash(octets).to_be_bytes() == *crc).then_some(octets)
}

impl Segment {
    /// Reads a segment's header and table.
    ///
    /// # Errors
    /// They are damaged, of another ledger, or encrypted by a key that is not configured; or the medium failed.
    pub(crate) fn open<M: Medium>(medium: &M, name: &str, ledger: &Hash, at_rest: Option<&AtRest>) -> Result<Self, StoreError> {
        let corrupt = |offset: usize, what: &str| StoreError::corrupt(medium.path(name), offset as u64, what);
        let (first, end) = span(name).ok_or_else(|| corrupt(0, "the name is no segment's"))?;
        let count = (end - first) / BUNDLE;
        let table = usize::try_from(count).ok().and_then(|count| count.checked_mul(ROW)).ok_or_else(|| corrupt(0, "the name"))?;
        let mut octets = vec![0; HEADER + table + 4];
        if medium.length(name)? < octets.len() as u64 {
            return Err(corrupt(0, "it is shorter than its table"));
        }
        medium.read(name, 0, &mut octets)?;
        let (identity, rest) = octets.split_at(IDENTITY + 4);
        let (slots, table) = rest.split_at(2 * SLOT);
        let identity = unchecked(identity).ok_or_else(|| corrupt(0, "the header does not match its checksum"))?;
        let encrypted = identity.last() == Some(&1);
        let sealed = read_identity(identity, ledger, first, end).ok_or_else(|| corrupt(0, "a header of another ledger or segment"))?;
        let (key, fresh) = match (encrypted, at_rest) {
            (false, _) => (None, true),
            (true, None) => return Err(StoreError::Diverged(format!("{name} is encrypted, and no key at rest is configured"))),
            (true, Some(at_rest)) => {
                let keys: Vec<_> = slots.chunks(SLOT).map(|slot| unchecked(slot).and_then(|slot| at_rest.unwrap(slot))).collect();
                let fresh = keys.iter().all(|key| key.as_ref().is_some_and(|(_, current)| *current));
                let key = keys.into_iter().flatten().next();
                let missing = || StoreError::Diverged(format!("none of the configured keys at rest opens {name}"));
                (Some(key.ok_or_else(missing)?.0), fresh)
            }
        };
        let intact =
            slots.chunks(SLOT).all(|slot| if encrypted { unchecked(slot).is_some() } else { slot.iter().all(|octet| *octet == 0) });
        let table = unchecked(table).ok_or_else(|| corrupt(HEADER, "the table does not match its checksum"))?;
        let mut offset = octets.len() as u64;
        let mut rows = Vec::with_capacity(table.len() / ROW);
        for row in table.chunks(ROW) {
            let mut numbers = row.chunks(4).map(|four| four.first_chunk().map_or(0, |four| u32::from_be_bytes(*four)));
            let mut next = || numbers.next().unwrap_or(0);
            let row = Row { offset, stored: next(), logical: next(), crc: next() };
            offset += u64::from(row.stored);
            rows.push(row);
        }
        if medium.length(name)? > offset {
            return Err(StoreError::corrupt(medium.path(name), offset, "there is more than the segment"));
        }
        Ok(Self { extent: sealed, name: name.to_owned(), rows, key, intact, fresh })
    }

    /// Whether both copies of the wrapped key are whole.
    pub(crate) fn is_intact(&self) -> bool {
        self.intact
    }

    /// Whether both copies of the key are wrapped by the current key.
    pub(crate) fn is_fresh(&self) -> bool {
        self.fresh
    }

    /// A bundle's logical octets, by its number in the tree.
    ///
    /// # Errors
    /// It is damaged, or the medium failed.
    pub(crate) fn bundle<M: Medium>(&self, medium: &M, bundle: u64) -> Result<Vec<u8>, StoreError> {
        let (_, row) = self.row(bundle)?;
        let octets = unpacked(&self.packed(medium, bundle)?).filter(|octets| octets.len() == row.logical as usize);
        let what = || format!("bundle {bundle} cannot be decompressed");
        octets.ok_or_else(|| StoreError::corrupt(medium.path(&self.name), row.offset, what()))
    }

    /// A bundle as it is compressed, for a peer that checks it by its leaves.
    ///
    /// # Errors
    /// It is damaged, or the medium failed.
    pub(crate) fn packed<M: Medium>(&self, medium: &M, bundle: u64) -> Result<Vec<u8>, StoreError> {
        let (part, row) = self.row(bundle)?;
        let stored = self.stored(medium, row)?;
        let corrupt = |what: &str| StoreError::corrupt(medium.path(&self.name), row.offset, format!("bundle {bundle} {what}"));
        if crc32fast::hash(&stored) != row.crc {
            return Err(corrupt("does not match its checksum"));
        }
        match &self.key {
            Some(key) => key.decrypt(part, &stored).ok_or_else(|| corrupt("cannot be decrypted")),
            None => Ok(stored),
        }
    }

    /// Where a bundle lies in the file, in octets.
    pub(crate) fn offset(&self, bundle: u64) -> u64 {
        self.row(bundle).map_or(0, |(_, row)| row.offset)
    }

    /// The bundles' numbers in the tree, with where each starts in the logical octets.
    pub(crate) fn logical(&self) -> impl Iterator<Item = (u64, u64, u64)> + '_ {
        let mut at = 0;
        (self.extent.first / BUNDLE..).zip(&self.rows).map(move |(bundle, row)| {
            let from = at;
            at += u64::from(row.logical);
            (bundle, from, at)
        })
    }

    /// The file's octets with one bundle put right. The others stay as they are, damaged or not.
    ///
    /// # Errors
    /// The medium failed, or the compressor.
    pub(crate) fn mended<M: Medium>(
        &self,
        medium: &M,
        ledger: &Hash,
        at_rest: Option<&AtRest>,
        mend: (u64, &[u8]),
    ) -> Result<Vec<u8>, StoreError> {
        let (part, before) = self.row(mend.0)?;
        let length = |octets: &[u8]| u32::try_from(octets.len()).unwrap_or(u32::MAX);
        let stored = |level: i32| {
            let packed = zstd::bulk::compress(mend.1, level).map_err(uncompressed)?;
            let stored = self.key.as_ref().map_or_else(|| packed.clone(), |key| key.encrypt(part, &packed));
            let row = Row { offset: 0, stored: length(&stored), logical: length(mend.1), crc: crc32fast::hash(&stored) };
            Ok((part, row, stored))
        };
        // As it was, where one of the two levels gives that: then nobody sees that it was mended.
        let (usual, pressed) = (stored(ZSTD_LEVEL)?, stored(ZSTD_LEVEL_PRESSED)?);
        let same = |row: &Row| (row.stored, row.crc) == (before.stored, before.crc);
        self.again(medium, ledger, at_rest, Some(if same(&pressed.1) { pressed } else { usual }))
    }

    /// The file's octets with header and table written again, as they are in memory.
    ///
    /// # Errors
    /// The medium failed.
    pub(crate) fn renewed<M: Medium>(&self, medium: &M, ledger: &Hash, at_rest: Option<&AtRest>) -> Result<Vec<u8>, StoreError> {
        self.again(medium, ledger, at_rest, None)
    }

    fn again<M: Medium>(
        &self,
        medium: &M,
        ledger: &Hash,
        at_rest: Option<&AtRest>,
        mut mend: Option<(u64, Row, Vec<u8>)>,
    ) -> Result<Vec<u8>, StoreError> {
        let (mut table, mut body) = (Vec::new(), Vec::new());
        for (number, row) in (0..).zip(&self.rows) {
            let (row, stored) = match mend.take_if(|(part, ..)| *part == number) {
                Some((_, row, stored)) => (row, stored),
                // A file that is too short is filled up: the bundle stays damaged, and the others can be read.
                None => (*row, self.stored(medium, row).or_else(|error| padding(row, error))?),
            };
            table.extend([row.stored, row.logical, row.crc].map(u32::to_be_bytes).concat());
            body.extend_from_slice(&stored);
        }
        let slots = self.slots(at_rest);
        Ok([checked(identity(ledger, &self.extent, self.key.is_some())), slots, checked(table), body].concat())
    }

    /// Writes both copies of the wrapped key again, by the current key, one after the other.
    ///
    /// # Errors
    /// The medium failed.
    pub(crate) fn rewrap<M: Medium>(&self, medium: &M, at_rest: Option<&AtRest>) -> Result<(), StoreError> {
        let slots = self.slots(at_rest);
        for (slot, offset) in slots.chunks(SLOT).zip([IDENTITY + 4, IDENTITY + 4 + SLOT]) {
            medium.write(&self.name, offset as u64, slot)?;
            medium.sync(&self.name)?;
        }
        Ok(())
    }

    fn slots(&self, at_rest: Option<&AtRest>) -> Vec<u8> {
        let slot = self.key.as_ref().zip(at_rest).map_or_else(|| vec![0; SLOT], |(key, at_rest)| slot_of(&at_rest.wrap(key)));
        [slot.clone(), slot].concat()
    }

    fn row(&self, bundle: u64) -> Result<(u64, &Row), StoreError> {
        let part = bundle.checked_sub(self.extent.first / BUNDLE);
        let row = part.and_then(|part| Some((part, self.rows.get(usize::try_from(part).ok()?)?)));
        row.ok_or_else(|| StoreError::Diverged(format!("no bundle {bundle} in {}", self.name)))
    }

    fn stored<M: Medium>(&self, medium: &M, row: &Row) -> Result<Vec<u8>, StoreError> {
        let length = usize::try_from(row.stored).ok().filter(|length| *length <= 2 * BUNDLE_OCTETS_MAX).unwrap_or(0);
        if medium.length(&self.name)? < row.offset + u64::from(row.stored) {
            return Err(StoreError::corrupt(medium.path(&self.name), row.offset, "the file ends before a bundle does"));
        }
        let mut stored = vec![0; length];
        medium.read(&self.name, row.offset, &mut stored)?;
        Ok(stored)
    }
}

fn read_identity(identity: &[u8], ledger: &Hash, first: u64, end: u64) -> Option<Extent> {
    let rest = identity.strip_prefix(MAGIC)?.strip_prefix(&ledger.0)?;
    let (from, rest) = rest.split_first_chunk::<8>()?;
    let (count, rest) = rest.split_first_chunk::<8>()?;
    let (length, rest) = rest.split_first_chunk::<8>()?;
    let (root, _) = rest.split_first_chunk::<32>()?;
    let whole = u64::from_be_bytes(*from) == first && u64::from_be_bytes(*count) == end - first;
    whole.then_some(Extent { first, end, length: u64::from_be_bytes(*length), root: Hash(*root) })
}

/// Writes a file under another name, and gives it its own when it is whole and durable.
///
/// # Errors
/// The medium failed.
pub(crate) fn put_file<M: Medium>(medium: &M, name: &str, octets: &[u8]) -> Result<(), StoreError> {
    let draft = format!("{DRAFT}{name}");
    if medium.list()?.contains(&draft) {
        medium.remove(&draft)?;
    }
    medium.create(&draft)?;
    let mut offset = 0;
    for chunk in octets.chunks(1 << 20) {
        medium.write(&draft, offset, chunk)?;
        offset += chunk.len() as u64;
    }
    medium.sync(&draft)?;
    medium.rename(&draft, name)?;
    medium.sync_names()
}

/// Begins the name of a file that is not whole yet.
pub(crate) const DRAFT: &str = "draft_";

/// A bundle in memory, with its leaves found.
#[derive(Debug)]
pub(crate) struct Bundle {
    pub(crate) octets: Vec<u8>,
    pub(crate) leaves: Vec<Range<usize>>,
}

impl Bundle {
    /// `None` if the octets are no whole bundle.
    pub(crate) fn read(octets: Vec<u8>) -> Option<Arc<Self>> {
        let leaves = leaves_of(&octets).filter(|leaves| leaves.len() as u64 == BUNDLE)?;
        Some(Arc::new(Self { octets, leaves }))
    }

    pub(crate) fn leaf(&self, at: usize) -> Option<&[u8]> {
        self.octets.get(self.leaves.get(at)?.clone())
    }
}
