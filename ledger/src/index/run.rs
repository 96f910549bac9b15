//! A run: an immutable, sorted file of all terms of consecutive leaves. Every octet that is read has a CRC.

mod writer;

pub(super) use writer::{Writer, pack_times};

use super::posting::{Bits, CHUNK, Part, Posting, read_directory, take, take_number};
use super::{Direction, IndexError};
use crate::medium::{Directory, Medium, StoreError};
use crate::tree::Hash;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use xsd::time::Timestamp;

/// What a file ends with; the digit is the version.
const MAGIC: &[u8; 8] = b"WBindex1";
/// Offset and length of the footer, its CRC, the magic.
const TRAILER: usize = 8 + 8 + 4 + 8;
/// Leaves of one block of times.
const TIMES: u64 = 1024;
/// Bits of the filter for each light term, and how many are asked.
const FILTER_BITS: u64 = 10;
const FILTER_PROBES: u32 = 4;
/// Octets of a posting read at once: at first, and when a query goes on and on.
pub(super) const WINDOW_MIN: usize = 16 << 10;
const WINDOW_MAX: usize = 256 << 10;
/// Octets beyond a window that the disk is told of.
pub(super) const AHEAD: usize = 512 << 10;

/// A term with a posting of its own place.
#[derive(Clone, Debug)]
struct Heavy {
    key: Box<[u8]>,
    at: u64,
    directory: usize,
    crc: u32,
    length: usize,
}

/// A block of light terms.
#[derive(Clone, Debug)]
struct Block {
    first: Box<[u8]>,
    at: u64,
    length: usize,
    crc: u32,
}

/// A block of times.
#[derive(Clone, Copy, Debug)]
struct Times {
    base: Timestamp,
    at: u64,
    length: usize,
    crc: u32,
}

/// A filter that says of nearly every absent light term that it is absent (Bloom 1970).
#[derive(Clone, Debug, Default)]
struct Sieve(Vec<u8>);

impl Sieve {
    fn for_terms(count: u64) -> Self {
        Self(vec![0; usize::try_from((count * FILTER_BITS).div_ceil(8).max(8)).unwrap_or(8)])
    }

    fn places(&self, key: &[u8]) -> impl Iterator<Item = (usize, u8)> + use<> {
        let hash = key.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3));
        let mut state = hash;
        let bits = self.0.len() as u64 * 8;
        (0..FILTER_PROBES).map(move |_| {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let bit = (mixed ^ (mixed >> 31)) % bits;
            (usize::try_from(bit / 8).unwrap_or_default(), 1 << (bit % 8))
        })
    }

    fn add(&mut self, key: &[u8]) {
        for (octet, bit) in self.places(key) {
            if let Some(octet) = self.0.get_mut(octet) {
                *octet |= bit;
            }
        }
    }

    fn may_have(&self, key: &[u8]) -> bool {
        !self.0.is_empty() && self.places(key).all(|(octet, bit)| self.0.get(octet).is_some_and(|octet| octet & bit != 0))
    }
}

/// An open run: its tables are in memory, the rest is read when a query wants it.
#[derive(Debug)]
pub(super) struct Run {
    medium: Directory,
    name: String,
    /// Its leaves.
    pub(super) leaves: Range<u64>,
    /// The hash of the last one.
    pub(super) head: Hash,
    heavy: Vec<Heavy>,
    blocks: Vec<Block>,
    times: Vec<Times>,
    /// The time of the last leaf.
    last: Timestamp,
    sieve: Sieve,
    lights: u64,
    /// Where the tables start in the file.
    tables_at: u64,
    /// Its file goes when nobody asks it any more.
    merged: AtomicBool,
}

/// The file of a run over these leaves.
pub(super) fn name(leaves: &Range<u64>) -> String {
    format!("run_{:012}-{:012}", leaves.start, leaves.end)
}

/// The leaves of the run in a file of this name.
pub(super) fn leaves_of(file: &str) -> Option<Range<u64>> {
    let (start, end) = file.strip_prefix("run_")?.split_once('-')?;
    let leaves = start.parse().ok()?..end.parse().ok()?;
    (name(&leaves) == file).then_some(leaves)
}

impl Run {
    /// Opens the run over these leaves.
    ///
    /// # Errors
    /// The file is not there, or is damaged where its tables are.
    pub(super) fn open(medium: &Directory, leaves: &Range<u64>) -> Result<Self, StoreError> {
        let name = name(leaves);
        let corrupt = |offset: u64, what: &str| StoreError::corrupt(medium.path(&name), offset, what);
        let length = medium.length(&name)?;
        let trailer_at = length.checked_sub(TRAILER as u64).ok_or_else(|| corrupt(0, "too short for a run"))?;
        let mut trailer = [0; TRAILER];
        medium.read(&name, trailer_at, &mut trailer)?;
        let number =
            |from: usize| trailer.get(from..).and_then(|octets| octets.first_chunk()).copied().map_or(u64::MAX, u64::from_le_bytes);
        let (at, size) = (number(0), number(8));
        let crc = trailer.get(16..).and_then(|octets| octets.first_chunk()).copied().map(u32::from_le_bytes);
        if !trailer.ends_with(MAGIC) || at.checked_add(size) != Some(trailer_at) {
            return Err(corrupt(trailer_at, "no trailer of a run"));
        }
        let mut footer = vec![0; usize::try_from(size).unwrap_or_default()];
        medium.read(&name, at, &mut footer)?;
        if Some(crc32fast::hash(&footer)) != crc {
            return Err(corrupt(at, "the tables have another checksum"));
        }
        let run = Self::tables(&mut footer.as_slice(), at, medium, &name).ok_or_else(|| corrupt(at, "the tables are no tables"))?;
        if run.leaves == *leaves { Ok(run) } else { Err(corrupt(at, "a run over other leaves")) }
    }

    fn tables(octets: &mut &[u8], tables_at: u64, medium: &Directory, name: &str) -> Option<Self> {
        let leaves = take_number(octets)?..take_number(octets)?;
        let head = Hash(*take(octets, 32)?.first_chunk()?);
        let size = |octets: &mut &[u8]| usize::try_from(take_number(octets)?).ok();
        let crc = |octets: &mut &[u8]| Some(u32::from_le_bytes(*take(octets, 4)?.first_chunk()?));
        let key = |octets: &mut &[u8]| {
            let length = usize::try_from(take_number(octets)?).ok()?;
            take(octets, length).map(Box::from)
        };
        let mut heavy = Vec::new();
        for _ in 0..take_number(octets)? {
            let (key, at) = (key(octets)?, take_number(octets)?);
            heavy.push(Heavy { key, at, directory: size(octets)?, crc: crc(octets)?, length: size(octets)? });
        }
        let mut blocks = Vec::new();
        for _ in 0..take_number(octets)? {
            blocks.push(Block { first: key(octets)?, at: take_number(octets)?, length: size(octets)?, crc: crc(octets)? });
        }
        let mut times = Vec::new();
        let mut at = take_number(octets)?;
        for _ in 0..take_number(octets)? {
            let block = Times { base: Timestamp(take_number(octets)?), at, length: size(octets)?, crc: crc(octets)? };
            at = at.checked_add(block.length as u64)?;
            times.push(block);
        }
        let (last, lights) = (Timestamp(take_number(octets)?), take_number(octets)?);
        let sieve = Sieve(octets.to_vec());
        let merged = AtomicBool::new(false);
        let medium = medium.clone();
        Some(Self { medium, name: name.to_owned(), leaves, head, heavy, blocks, times, last, sieve, lights, tables_at, merged })
    }

    /// Another run says all that this one says: its file goes with the last who asks it.
    pub(super) fn is_merged(&self) {
        self.merged.store(true, Ordering::Relaxed);
    }

    fn corrupt(&self, at: u64, what: &str) -> IndexError {
        IndexError::Store(StoreError::corrupt(self.medium.path(&self.name), at, what))
    }

    fn read(&self, at: u64, length: usize) -> Result<Vec<u8>, IndexError> {
        let mut octets = vec![0; length];
        self.medium.read(&self.name, at, &mut octets)?;
        Ok(octets)
    }

    fn read_checked(&self, at: u64, length: usize, crc: u32) -> Result<Vec<u8>, IndexError> {
        let octets = self.read(at, length)?;
        if crc32fast::hash(&octets) == crc { Ok(octets) } else { Err(self.corrupt(at, "another checksum")) }
    }

    fn base(&self) -> u64 {
        self.leaves.start / CHUNK
    }

    /// Has the disk begin to read where the terms are, and so much of each posting, if each group may have one here.
    pub(super) fn announce(&self, groups: &[Vec<Vec<u8>>], most: usize) {
        let places: Vec<Vec<(u64, usize)>> =
            groups.iter().map(|group| group.iter().filter_map(|key| self.place(key, most)).collect()).collect();
        if places.iter().all(|places| !places.is_empty()) {
            places.into_iter().flatten().for_each(|(at, length)| self.medium.will_read(&self.name, at, length as u64));
        }
    }

    /// Where a term may be, and how much is read first.
    fn place(&self, key: &[u8], most: usize) -> Option<(u64, usize)> {
        if let Ok(place) = self.heavy.binary_search_by(|heavy| heavy.key.as_ref().cmp(key)) {
            return self.heavy.get(place).map(|heavy| (heavy.at, heavy.directory + heavy.length.min(most)));
        }
        let place = self.blocks.partition_point(|block| block.first.as_ref() <= key).checked_sub(1)?;
        self.blocks.get(place).filter(|_| self.sieve.may_have(key)).map(|block| (block.at, block.length))
    }

    /// Where the leaves of a term are.
    pub(super) fn find(&self, key: &[u8]) -> Result<Option<Found>, IndexError> {
        if let Ok(place) = self.heavy.binary_search_by(|heavy| heavy.key.as_ref().cmp(key)) {
            return self.heavy.get(place).map(|heavy| self.heavy(heavy)).transpose();
        }
        let block =
            self.blocks.partition_point(|block| block.first.as_ref() <= key).checked_sub(1).and_then(|place| self.blocks.get(place));
        let Some(block) = block.filter(|_| self.sieve.may_have(key)) else { return Ok(None) };
        let octets = self.read_checked(block.at, block.length, block.crc)?;
        let broken = || self.corrupt(block.at, "no block of terms");
        let (mut rest, mut known) = (octets.as_slice(), Vec::new());
        while !rest.is_empty() {
            let mut value = take_entry(&mut rest, &mut known).ok_or_else(broken)?;
            if known == key {
                let parts = read_directory(&mut value, self.base(), false).ok_or_else(broken)?;
                return Ok(Some(Found { parts, length: value.len(), from: None, start: 0, window: value.to_vec(), size: 0 }));
            }
        }
        Ok(None)
    }

    fn heavy(&self, heavy: &Heavy) -> Result<Found, IndexError> {
        let mut octets = self.read(heavy.at, heavy.directory + heavy.length.min(WINDOW_MIN))?;
        let window = octets.split_off(heavy.directory);
        if crc32fast::hash(&octets) != heavy.crc {
            return Err(self.corrupt(heavy.at, "another checksum"));
        }
        let parts = read_directory(&mut octets.as_slice(), self.base(), true);
        let parts = parts.ok_or_else(|| self.corrupt(heavy.at, "no directory of a posting"))?;
        let from = Some(heavy.at + heavy.directory as u64);
        Ok(Found { parts, length: heavy.length, from, start: 0, window, size: WINDOW_MIN })
    }

    /// The first leaf of this ledger time or later; the end of the run if there is none.
    pub(super) fn since(&self, time: Timestamp) -> Result<u64, IndexError> {
        if self.last < time {
            return Ok(self.leaves.end);
        }
        let place = self.times.partition_point(|block| block.base < time);
        let Some(block) = place.checked_sub(1).and_then(|place| self.times.get(place)) else { return Ok(self.leaves.start) };
        let octets = self.read_checked(block.at, block.length, block.crc)?;
        let (mut rest, mut at, mut now) = (octets.as_slice(), self.leaves.start + (place as u64 - 1) * TIMES, block.base);
        while !rest.is_empty() {
            now = Timestamp(now.0 + take_number(&mut rest).ok_or_else(|| self.corrupt(block.at, "no times"))?);
            if now >= time {
                return Ok(at);
            }
            at += 1;
        }
        Ok(at)
    }

    /// Reads everything but the tables, which were judged when it was opened, and says what is not as it was written.
    pub(super) fn check(&self, say: &mut dyn FnMut(u64, &str)) -> Result<(), IndexError> {
        let mut extents: Vec<(u64, usize, Option<&Heavy>, u32)> = Vec::new();
        extents.extend(self.heavy.iter().map(|heavy| (heavy.at, heavy.directory + heavy.length, Some(heavy), heavy.crc)));
        extents.extend(self.blocks.iter().map(|block| (block.at, block.length, None, block.crc)));
        extents.extend(self.times.iter().map(|block| (block.at, block.length, None, block.crc)));
        extents.sort_by_key(|(at, ..)| *at);
        let mut next = 0;
        for (at, length, heavy, crc) in extents {
            if at != next {
                say(next, "octets that no table names");
            }
            next = at + length as u64;
            let right = match (self.read(at, length), heavy) {
                (Ok(octets), Some(heavy)) => self.is_right(heavy, &octets),
                (Ok(octets), None) => crc32fast::hash(&octets) == crc,
                (Err(IndexError::Store(error)), _) if super::is_damage(&error) => false,
                (Err(error), _) => return Err(error),
            };
            if !right {
                say(at, "another checksum");
            }
        }
        if next != self.tables_at {
            say(next, "octets that no table names");
        }
        Ok(())
    }

    fn is_right(&self, heavy: &Heavy, octets: &[u8]) -> bool {
        let Some((directory, containers)) = octets.split_at_checked(heavy.directory) else { return false };
        let parts = read_directory(&mut &*directory, self.base(), true).filter(|_| crc32fast::hash(directory) == heavy.crc);
        let Some(parts) = parts else { return false };
        let right = |part: &Part| containers.get(part.at..part.at + part.length).is_some_and(|octets| crc32fast::hash(octets) == part.crc);
        parts.iter().all(right) && parts.iter().map(|part| part.length).sum::<usize>() == containers.len()
    }

    /// All terms, in order.
    fn entries(&self) -> Entries<'_> {
        Entries { run: self, heavy: 0, block: 0, octets: Vec::new(), at: 0, key: Vec::new(), light: None }
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        if self.merged.load(Ordering::Relaxed) {
            // A file that stays is removed when the index is opened again.
            drop(self.medium.remove(&self.name));
        }
    }
}

/// Takes an entry off a block: the key is completed in `key`, the value returned.
fn take_entry<'a>(rest: &mut &'a [u8], key: &mut Vec<u8>) -> Option<&'a [u8]> {
    let shared = usize::try_from(take_number(rest)?).ok().filter(|shared| *shared <= key.len())?;
    let own = usize::try_from(take_number(rest)?).ok()?;
    key.truncate(shared);
    key.extend_from_slice(take(rest, own)?);
    let length = usize::try_from(take_number(rest)?).ok()?;
    take(rest, length)
}

/// A posting being read: its directory, and a window over its containers.
#[derive(Debug)]
pub(super) struct Found {
    parts: Vec<Part>,
    /// Octets of all containers.
    pub(super) length: usize,
    /// Where they start in the file; `None` if the window has them all.
    from: Option<u64>,
    start: usize,
    window: Vec<u8>,
    size: usize,
}

impl Found {
    /// The container of a chunk.
    pub(super) fn part(&self, chunk: u64) -> Option<Part> {
        self.parts.binary_search_by_key(&chunk, |part| part.chunk).ok().and_then(|place| self.parts.get(place)).copied()
    }

    /// Adds the leaves of a container.
    pub(super) fn fill(&mut self, run: &Run, part: &Part, direction: Direction, bits: &mut Bits) -> Result<(), IndexError> {
        let octets = self.container(run, part, direction)?;
        bits.fill(part.kind, octets).ok_or_else(|| run.corrupt(0, "no container of a posting"))
    }

    /// The octets of a container, read ahead in the direction of the query.
    fn container(&mut self, run: &Run, part: &Part, direction: Direction) -> Result<&[u8], IndexError> {
        let within = |start: usize, window: &[u8]| part.at >= start && part.at + part.length <= start + window.len();
        if let Some(from) = self.from
            && !within(self.start, &self.window)
        {
            let range = match direction {
                Direction::Ascending => part.at..(part.at + self.size.max(part.length)).min(self.length),
                Direction::Descending => (part.at + part.length).saturating_sub(self.size.max(part.length))..part.at + part.length,
            };
            // Who goes on will go on: the next windows are on their way while this one is looked at.
            let ahead = match direction {
                Direction::Ascending => range.end..(range.end + AHEAD).min(self.length),
                Direction::Descending => range.start.saturating_sub(AHEAD)..range.start,
            };
            run.medium.will_read(&run.name, from + ahead.start as u64, ahead.len() as u64);
            self.window = run.read(from + range.start as u64, range.len())?;
            self.start = range.start;
            self.size = (self.size * 2).min(WINDOW_MAX);
        }
        let octets = part.at.checked_sub(self.start).and_then(|at| self.window.get(at..at + part.length));
        let octets = octets.ok_or_else(|| run.corrupt(self.from.unwrap_or_default(), "a posting without its container"))?;
        let right = self.from.is_none() || crc32fast::hash(octets) == part.crc;
        if right { Ok(octets) } else { Err(run.corrupt(self.from.unwrap_or_default() + part.at as u64, "another checksum")) }
    }
}

/// A walk over all terms of a run.
struct Entries<'a> {
    run: &'a Run,
    heavy: usize,
    block: usize,
    octets: Vec<u8>,
    at: usize,
    key: Vec<u8>,
    light: Option<Posting>,
}

impl Entries<'_> {
    /// The next term, without taking it.
    fn peek(&mut self) -> Result<Option<&[u8]>, IndexError> {
        if self.light.is_none() {
            self.read_light()?;
        }
        let heavy = self.run.heavy.get(self.heavy).map(|heavy| heavy.key.as_ref());
        let light = self.light.is_some().then_some(self.key.as_slice());
        Ok(match (heavy, light) {
            (Some(heavy), Some(light)) => Some(heavy.min(light)),
            (heavy, light) => heavy.or(light),
        })
    }

    /// Takes the posting of the term that [`Entries::peek`] gave.
    fn take(&mut self) -> Result<Posting, IndexError> {
        let is_light = self.run.heavy.get(self.heavy).is_none_or(|heavy| *self.key < *heavy.key);
        if is_light && let Some(posting) = self.light.take() {
            return Ok(posting);
        }
        let Some(heavy) = self.run.heavy.get(self.heavy) else { return Ok(Posting::default()) };
        self.heavy += 1;
        let mut found = self.run.heavy(heavy)?;
        found.size = WINDOW_MAX;
        let mut posting = Posting::default();
        for part in std::mem::take(&mut found.parts) {
            posting.push(part.chunk, part.kind, found.container(self.run, &part, Direction::Ascending)?);
        }
        Ok(posting)
    }

    fn read_light(&mut self) -> Result<(), IndexError> {
        if self.at == self.octets.len() {
            let Some(block) = self.run.blocks.get(self.block) else { return Ok(()) };
            self.octets = self.run.read_checked(block.at, block.length, block.crc)?;
            self.key.clear();
            (self.at, self.block) = (0, self.block + 1);
        }
        let broken = || self.run.corrupt(0, "no block of terms");
        let mut rest = self.octets.get(self.at..).unwrap_or_default();
        let mut value = take_entry(&mut rest, &mut self.key).ok_or_else(broken)?;
        self.at = self.octets.len() - rest.len();
        let mut posting = Posting::default();
        for part in read_directory(&mut value, self.run.base(), false).ok_or_else(broken)? {
            posting.push(part.chunk, part.kind, take(&mut value, part.length).ok_or_else(broken)?);
        }
        self.light = Some(posting);
        Ok(())
    }
}

/// Makes one run of several neighbours, oldest first; none if it is told to stop.
///
/// # Errors
/// The medium, or one of them is damaged.
pub(super) fn merge(medium: &Directory, runs: &[&Run], stops: &AtomicBool) -> Result<Option<Run>, IndexError> {
    let (Some(first), Some(last)) = (runs.first(), runs.last()) else {
        return Err(IndexError::Store(StoreError::Diverged(String::from("a merge of nothing"))));
    };
    let leaves = first.leaves.start..last.leaves.end;
    let mut writer = Writer::create(medium, leaves.clone(), runs.iter().map(|run| run.lights).sum())?;
    let mut walks: Vec<Entries<'_>> = runs.iter().map(|run| run.entries()).collect();
    loop {
        let mut next: Option<Vec<u8>> = None;
        for walk in &mut walks {
            if let Some(key) = walk.peek()?
                && next.as_deref().is_none_or(|next| key < next)
            {
                next = Some(key.to_vec());
            }
        }
        let Some(key) = next else { break };
        if stops.load(Ordering::Relaxed) {
            medium.remove(&writer.name)?;
            return Ok(None);
        }
        let mut posting = Posting::default();
        for walk in &mut walks {
            if walk.peek()? == Some(key.as_slice()) {
                posting.append(&walk.take()?);
            }
        }
        writer.put(&key, &posting)?;
    }
    for run in runs {
        for block in &run.times {
            writer.put_times(block.base, &run.read_checked(block.at, block.length, block.crc)?)?;
        }
    }
    writer.finish(last.head, last.last)?;
    Ok(Some(Run::open(medium, &leaves)?))
}
