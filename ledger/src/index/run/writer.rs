//! Writing a run: terms in order, then times, then the tables.

use super::{Block, Heavy, IndexError, MAGIC, Sieve, TIMES, Times, name};
use crate::index::posting::{CHUNK, Posting, push_number};
use crate::medium::{Directory, Medium};
use crate::tree::Hash;
use std::ops::Range;
use xsd::time::Timestamp;

/// Octets of a block of light terms.
const BLOCK_BYTES: usize = 4096;
/// A posting that is larger stands alone, and its key in memory.
const LIGHT_BYTES_MAX: usize = 1024;
/// Octets written at once.
const WRITE_BYTES: usize = 1 << 20;

/// A run being written.
pub(in crate::index) struct Writer<'a> {
    medium: &'a Directory,
    pub(super) name: String,
    leaves: Range<u64>,
    /// Octets in the file.
    written: u64,
    /// Octets after those.
    buffer: Vec<u8>,
    /// The block being filled: its octets, its first key, its last one.
    block: Vec<u8>,
    first: Vec<u8>,
    last: Vec<u8>,
    heavy: Vec<Heavy>,
    blocks: Vec<Block>,
    times: Vec<Times>,
    sieve: Sieve,
    lights: u64,
}

impl<'a> Writer<'a> {
    /// Starts the file. `lights_max`: how many terms there are at most.
    pub(in crate::index) fn create(medium: &'a Directory, leaves: Range<u64>, lights_max: u64) -> Result<Self, IndexError> {
        let name = name(&leaves);
        if medium.list()?.contains(&name) {
            medium.remove(&name)?;
        }
        medium.create(&name)?;
        Ok(Self {
            medium,
            name,
            leaves,
            written: 0,
            buffer: Vec::with_capacity(WRITE_BYTES * 2),
            block: Vec::new(),
            first: Vec::new(),
            last: Vec::new(),
            heavy: Vec::new(),
            blocks: Vec::new(),
            times: Vec::new(),
            sieve: Sieve::for_terms(lights_max),
            lights: 0,
        })
    }

    /// Writes the next term; keys ascend.
    pub(in crate::index) fn put(&mut self, key: &[u8], posting: &Posting) -> Result<(), IndexError> {
        let base = self.leaves.start / CHUNK;
        let light = posting.directory(base, false);
        let length = light.len() + posting.octets.len();
        if length > LIGHT_BYTES_MAX {
            let directory = posting.directory(base, true);
            let crc = crc32fast::hash(&directory);
            let at = self.append(&directory)?;
            self.append(&posting.octets)?;
            self.heavy.push(Heavy { key: key.into(), at, directory: directory.len(), crc, length: posting.octets.len() });
            return Ok(());
        }
        if self.block.is_empty() {
            self.first = key.to_vec();
            self.last.clear();
        }
        let shared = key.iter().zip(&self.last).take_while(|(new, old)| new == old).count();
        push_number(&mut self.block, shared as u64);
        push_number(&mut self.block, (key.len() - shared) as u64);
        self.block.extend_from_slice(key.get(shared..).unwrap_or_default());
        push_number(&mut self.block, length as u64);
        self.block.extend_from_slice(&light);
        self.block.extend_from_slice(&posting.octets);
        self.last = key.to_vec();
        self.sieve.add(key);
        self.lights += 1;
        if self.block.len() >= BLOCK_BYTES { self.end_block() } else { Ok(()) }
    }

    /// Writes the next block of times, after the terms.
    pub(in crate::index) fn put_times(&mut self, base: Timestamp, octets: &[u8]) -> Result<(), IndexError> {
        if self.times.is_empty() {
            self.end_block()?;
        }
        let at = self.append(octets)?;
        self.times.push(Times { base, at, length: octets.len(), crc: crc32fast::hash(octets) });
        Ok(())
    }

    fn end_block(&mut self) -> Result<(), IndexError> {
        if self.block.is_empty() {
            return Ok(());
        }
        let block = std::mem::take(&mut self.block);
        let at = self.append(&block)?;
        let first = std::mem::take(&mut self.first).into_boxed_slice();
        self.blocks.push(Block { first, at, length: block.len(), crc: crc32fast::hash(&block) });
        Ok(())
    }

    /// Appends octets and says where they are.
    fn append(&mut self, octets: &[u8]) -> Result<u64, IndexError> {
        let at = self.written + self.buffer.len() as u64;
        self.buffer.extend_from_slice(octets);
        if self.buffer.len() >= WRITE_BYTES {
            self.flush()?;
        }
        Ok(at)
    }

    fn flush(&mut self) -> Result<(), IndexError> {
        self.medium.write(&self.name, self.written, &self.buffer)?;
        self.written += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }

    /// Writes the tables, with the last leaf's hash and time. The file is durable when this returns.
    pub(in crate::index) fn finish(mut self, head: Hash, last: Timestamp) -> Result<(), IndexError> {
        self.end_block()?;
        let mut footer = Vec::new();
        push_number(&mut footer, self.leaves.start);
        push_number(&mut footer, self.leaves.end);
        footer.extend_from_slice(&head.0);
        push_number(&mut footer, self.heavy.len() as u64);
        for heavy in &self.heavy {
            push_number(&mut footer, heavy.key.len() as u64);
            footer.extend_from_slice(&heavy.key);
            push_number(&mut footer, heavy.at);
            push_number(&mut footer, heavy.directory as u64);
            footer.extend_from_slice(&heavy.crc.to_le_bytes());
            push_number(&mut footer, heavy.length as u64);
        }
        push_number(&mut footer, self.blocks.len() as u64);
        for block in &self.blocks {
            push_number(&mut footer, block.first.len() as u64);
            footer.extend_from_slice(&block.first);
            push_number(&mut footer, block.at);
            push_number(&mut footer, block.length as u64);
            footer.extend_from_slice(&block.crc.to_le_bytes());
        }
        push_number(&mut footer, self.times.first().map_or(0, |block| block.at));
        push_number(&mut footer, self.times.len() as u64);
        for block in &self.times {
            push_number(&mut footer, block.base.0);
            push_number(&mut footer, block.length as u64);
            footer.extend_from_slice(&block.crc.to_le_bytes());
        }
        push_number(&mut footer, last.0);
        push_number(&mut footer, self.lights);
        footer.extend_from_slice(&self.sieve.0);
        let (crc, length) = (crc32fast::hash(&footer), footer.len() as u64);
        let at = self.append(&footer)?;
        let trailer = [at.to_le_bytes().as_slice(), &length.to_le_bytes(), &crc.to_le_bytes(), MAGIC].concat();
        self.append(&trailer)?;
        self.flush()?;
        self.medium.sync(&self.name)?;
        self.medium.sync_names()?;
        Ok(())
    }
}

/// Packs the times of a chunk into blocks: the first one's time, and the steps from one to the next.
pub(in crate::index) fn pack_times(times: &[Timestamp]) -> impl Iterator<Item = (Timestamp, Vec<u8>)> {
    times.chunks(usize::try_from(TIMES).unwrap_or(1)).map(|block| {
        let base = block.first().copied().unwrap_or_default();
        let (mut octets, mut now) = (Vec::with_capacity(block.len()), base);
        for time in block {
            push_number(&mut octets, time.0 - now.0);
            now = *time;
        }
        (base, octets)
    })
}
