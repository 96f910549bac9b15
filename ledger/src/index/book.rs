//! The part of the index that sled keeps: which runs there are, and the terms of the leaves after the last one.

use super::IndexError;
use super::posting::{push_number, take, take_number};
use super::terms::Terms;
use crate::tree::Hash;
use std::ops::Range;
use std::panic::AssertUnwindSafe;
use std::path::Path;
use xsd::time::Timestamp;

const RUN: u8 = b'r';
const LEAVES: u8 = b't';
/// Leaves of one row, and octets of their terms after which a row ends.
const ROW_LEAVES: usize = 512;
const ROW_BYTES: usize = 32 << 10;

/// The rows. Those of one call are there all or not at all.
#[derive(Clone, Debug)]
pub(super) struct Book {
    db: sled::Db,
}

fn row_key(tag: u8, first: u64) -> Vec<u8> {
    [[tag].as_slice(), &first.to_be_bytes()].concat()
}

fn crc_of(key: &[u8], value: &[u8]) -> [u8; 4] {
    let mut crc = crc32fast::Hasher::new();
    crc.update(key);
    crc.update(value);
    crc.finalize().to_le_bytes()
}

/// A value with the checksum of its key and itself.
fn checked(key: &[u8], mut value: Vec<u8>) -> Vec<u8> {
    let crc = crc_of(key, &value);
    value.extend_from_slice(&crc);
    value
}

fn unchecked<'a>(key: &[u8], value: &'a [u8]) -> Option<&'a [u8]> {
    let (octets, crc) = value.split_last_chunk::<4>()?;
    (crc_of(key, octets) == *crc).then_some(octets)
}

/// Does something with sled, which answers some damage with a panic.
pub(super) fn guarded<T>(work: impl FnOnce() -> Result<T, IndexError>) -> Result<T, IndexError> {
    std::panic::catch_unwind(AssertUnwindSafe(work)).unwrap_or(Err(IndexError::Panicked))
}

fn first_of(key: &[u8]) -> Option<u64> {
    key.last_chunk().copied().map(u64::from_be_bytes)
}

impl Book {
    /// Opens the rows.
    pub(super) fn open(dir: &Path) -> Result<Self, IndexError> {
        Ok(Self { db: sled::Config::new().path(dir).cache_capacity(16 << 20).open()? })
    }

    /// The leaves of the runs, from leaf 0 on without a gap; rows that say something else are left out.
    pub(super) fn runs(&self) -> Result<Vec<Range<u64>>, IndexError> {
        let (mut runs, mut next) = (Vec::new(), 0);
        for row in self.db.scan_prefix([RUN]) {
            let (key, value) = row?;
            let end = unchecked(&key, &value).and_then(|end| end.first_chunk()).copied().map(u64::from_be_bytes);
            match (first_of(&key), end) {
                (Some(first), Some(end)) if first == next && end > first => {
                    runs.push(first..end);
                    next = end;
                }
                _ => break,
            }
        }
        Ok(runs)
    }

    /// How many of these leaves, from the first on, make one row.
    pub(super) fn row(leaves: &[Terms]) -> usize {
        let mut octets = 0;
        let fits = leaves.iter().take(ROW_LEAVES).take_while(|leaf| {
            let before = octets;
            octets += leaf.octets.len() + 8;
            before < ROW_BYTES
        });
        fits.count()
    }

    /// Keeps the terms of a row's leaves.
    pub(super) fn put(&self, leaves: &[Terms]) -> Result<(), IndexError> {
        let (Some(first), Some(last)) = (leaves.first(), leaves.last()) else { return Ok(()) };
        let mut value = last.hash.0.to_vec();
        for leaf in leaves {
            push_number(&mut value, leaf.time.0);
            push_number(&mut value, leaf.octets.len() as u64);
            value.extend_from_slice(&leaf.octets);
        }
        let key = row_key(LEAVES, first.index);
        guarded(|| {
            self.db.insert(&key, checked(&key, value))?;
            Ok(())
        })
    }

    /// Gives the terms of the leaves from `next` on to `take`, as far as there are rows without a gap. The hash is that of the last
    /// leaf of a row in all of them.
    pub(super) fn leaves(&self, mut next: u64, mut take: impl FnMut(&Terms) -> Result<(), IndexError>) -> Result<u64, IndexError> {
        for row in self.db.range(row_key(LEAVES, next)..row_key(LEAVES + 1, 0)) {
            let (key, value) = row?;
            let Some(leaves) = unchecked(&key, &value).filter(|_| first_of(&key) == Some(next)).and_then(|value| read_row(next, value))
            else {
                break;
            };
            for leaf in &leaves {
                take(leaf)?;
            }
            next += leaves.len() as u64;
        }
        Ok(next)
    }

    /// A run has these leaves now: the smaller runs' and the leaves' rows go. Durable when it returns.
    pub(super) fn has_run(&self, leaves: &Range<u64>) -> Result<(), IndexError> {
        let key = row_key(RUN, leaves.start);
        let row = checked(&key, leaves.end.to_be_bytes().to_vec());
        self.replace(|tag| row_key(tag, leaves.start)..row_key(tag, leaves.end), Some((key, row)))
    }

    /// Forgets everything from leaf `from` on. Durable when it returns.
    pub(super) fn forget(&self, from: u64) -> Result<(), IndexError> {
        self.replace(|tag| row_key(tag, from)..row_key(tag + 1, 0), None)
    }

    fn replace(&self, range: impl Fn(u8) -> Range<Vec<u8>>, row: Option<(Vec<u8>, Vec<u8>)>) -> Result<(), IndexError> {
        guarded(|| {
            let mut batch = sled::Batch::default();
            for tag in [RUN, LEAVES] {
                for key in self.db.range(range(tag)).keys() {
                    batch.remove(key?);
                }
            }
            if let Some((key, value)) = row {
                batch.insert(key, value);
            }
            self.db.apply_batch(batch)?;
            self.db.flush()?;
            Ok(())
        })
    }
}

fn read_row(first: u64, value: &[u8]) -> Option<Vec<Terms>> {
    let (hash, mut rest) = value.split_first_chunk::<32>()?;
    let mut leaves = Vec::new();
    while !rest.is_empty() {
        let time = Timestamp(take_number(&mut rest)?);
        let length = usize::try_from(take_number(&mut rest)?).ok()?;
        let octets = take(&mut rest, length)?.to_vec();
        leaves.push(Terms { index: first + leaves.len() as u64, time, hash: Hash(*hash), octets });
    }
    Some(leaves)
}
