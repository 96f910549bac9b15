//! Which leaves have a term: per chunk of 65,536 leaves one container, and the sets of leaves they make.

use super::Direction;
use std::ops::Range;

/// Leaves of one chunk.
pub(super) const CHUNK: u64 = 1 << 16;
const WORDS: usize = 1 << 10;
/// Gaps between the leaves.
const SPARSE: u8 = 0;
/// A bit a leaf, lowest first.
const BITMAP: u8 = 1;
/// Gaps between the leaves that do not have the term.
const ABSENT: u8 = 2;

/// Appends a number in groups of seven bits, lowest first.
pub(super) fn push_number(octets: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        octets.push(u8::try_from(number & 0x7f).unwrap_or_default() | 0x80);
        number >>= 7;
    }
    octets.push(u8::try_from(number).unwrap_or_default());
}

/// Takes a number off the front.
pub(super) fn take_number(octets: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for (place, byte) in octets.iter().take(10).enumerate() {
        number |= u64::from(byte & 0x7f).checked_shl(u32::try_from(place).ok()? * 7)?;
        if byte & 0x80 == 0 {
            *octets = octets.get(place + 1..)?;
            return Some(number);
        }
    }
    None
}

/// Takes so many octets off the front.
pub(super) fn take<'a>(octets: &mut &'a [u8], count: usize) -> Option<&'a [u8]> {
    let (taken, rest) = octets.split_at_checked(count)?;
    *octets = rest;
    Some(taken)
}

/// A container: its kind, and its octets.
pub(super) type Container = (u8, Vec<u8>);

/// Octets of gaps that are still worth walking through; a bitmap costs more room and hardly any time.
const GAPS_MAX: usize = WORDS * 4;

/// Packs the places of one chunk, ascending: gaps where they are few, else a bitmap.
pub(super) fn pack(places: &[u16]) -> Container {
    let mut bits = Bits::new();
    if places.len() <= GAPS_MAX {
        let octets = gaps(places);
        if octets.len() <= GAPS_MAX {
            return (SPARSE, octets);
        }
    }
    bits.add(places);
    if places.len() + GAPS_MAX >= WORDS * 64 {
        let octets = gaps(&bits.absent());
        if octets.len() <= GAPS_MAX {
            return (ABSENT, octets);
        }
    }
    (BITMAP, bits.octets())
}

fn gaps(places: &[u16]) -> Vec<u8> {
    let mut octets = Vec::with_capacity(places.len());
    let mut next = 0;
    for place in places.iter().copied().map(u64::from) {
        push_number(&mut octets, place.saturating_sub(next));
        next = place + 1;
    }
    octets
}

/// A set of places in one chunk.
#[derive(Clone, Debug)]
pub(super) struct Bits(Box<[u64; WORDS]>);

impl Bits {
    /// No place.
    pub(super) fn new() -> Self {
        Self(Box::new([0; WORDS]))
    }

    /// No place any more.
    pub(super) fn clear(&mut self) {
        self.0.fill(0);
    }

    /// These places and no others.
    pub(super) fn set(&mut self, range: &Range<u64>) {
        self.clear();
        self.add_range(range);
    }

    fn add_range(&mut self, range: &Range<u64>) {
        let mut place = range.start;
        while place < range.end {
            let stop = range.end.min((place / 64 + 1) * 64);
            let word = usize::try_from(place / 64).ok().and_then(|word| self.0.get_mut(word));
            if let Some(word) = word {
                *word |= (u64::MAX >> (64 - (stop - place))) << (place % 64);
            }
            place = stop;
        }
    }

    /// These places too.
    pub(super) fn add(&mut self, places: &[u16]) {
        for place in places {
            if let Some(word) = self.0.get_mut(usize::from(place / 64)) {
                *word |= 1 << (place % 64);
            }
        }
    }

    /// The places of a container too. `None` for one that no [`pack`] makes.
    pub(super) fn fill(&mut self, kind: u8, octets: &[u8]) -> Option<()> {
        match kind {
            BITMAP if octets.len() == WORDS * 8 => {
                for (word, octets) in self.0.iter_mut().zip(octets.as_chunks::<8>().0) {
                    *word |= u64::from_le_bytes(*octets);
                }
            }
            SPARSE => self.add_gaps(octets)?,
            ABSENT => {
                let mut absent = Self::new();
                absent.add_gaps(octets)?;
                for (word, absent) in self.0.iter_mut().zip(absent.0.iter()) {
                    *word |= !absent;
                }
            }
            _ => return None,
        }
        Some(())
    }

    fn add_gaps(&mut self, mut octets: &[u8]) -> Option<()> {
        let mut next = 0_u64;
        while let Some((&first, rest)) = octets.split_first() {
            let gap = if first < 0x80 {
                octets = rest;
                u64::from(first)
            } else {
                take_number(&mut octets)?
            };
            let place = next.checked_add(gap)?;
            *self.0.get_mut(usize::try_from(place / 64).ok()?)? |= 1 << (place % 64);
            next = place + 1;
        }
        Some(())
    }

    /// Only the places that `other` has too. False when none is left.
    pub(super) fn and(&mut self, other: &Self) -> bool {
        let mut any = 0;
        for (word, other) in self.0.iter_mut().zip(other.0.iter()) {
            *word &= other;
            any |= *word;
        }
        any != 0
    }

    /// The places in order, until `take` says no.
    pub(super) fn each(&self, direction: Direction, mut take: impl FnMut(u64) -> bool) -> bool {
        let in_word = |number: usize, word: u64, take: &mut dyn FnMut(u64) -> bool| {
            let mut left = word;
            while left != 0 {
                let bit = match direction {
                    Direction::Ascending => left.trailing_zeros(),
                    Direction::Descending => 63 - left.leading_zeros(),
                };
                left &= !(1 << bit);
                if !take(number as u64 * 64 + u64::from(bit)) {
                    return false;
                }
            }
            true
        };
        let mut words = self.0.iter().copied().enumerate().filter(|(_, word)| *word != 0);
        match direction {
            Direction::Ascending => words.all(|(number, word)| in_word(number, word, &mut take)),
            Direction::Descending => words.rev().all(|(number, word)| in_word(number, word, &mut take)),
        }
    }

    fn absent(&self) -> Vec<u16> {
        let mut rest = Self::new();
        for (word, own) in rest.0.iter_mut().zip(self.0.iter()) {
            *word = !own;
        }
        let mut places = Vec::new();
        rest.each(Direction::Ascending, |place| {
            places.extend(u16::try_from(place));
            true
        });
        places
    }

    fn octets(&self) -> Vec<u8> {
        self.0.iter().flat_map(|word| word.to_le_bytes()).collect()
    }
}

/// Where a container of a posting is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Part {
    /// The chunk, counted from leaf 0.
    pub(super) chunk: u64,
    pub(super) kind: u8,
    /// CRC-32 of its octets.
    pub(super) crc: u32,
    /// Where it starts behind the directory.
    pub(super) at: usize,
    pub(super) length: usize,
}

/// A term's containers over the chunks of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Posting {
    pub(super) parts: Vec<Part>,
    /// All containers, one after the other.
    pub(super) octets: Vec<u8>,
}

impl Posting {
    /// Appends the container of a later chunk.
    pub(super) fn push(&mut self, chunk: u64, kind: u8, octets: &[u8]) {
        let crc = crc32fast::hash(octets);
        self.parts.push(Part { chunk, kind, crc, at: self.octets.len(), length: octets.len() });
        self.octets.extend_from_slice(octets);
    }

    /// Appends what another run says of later chunks.
    pub(super) fn append(&mut self, later: &Self) {
        let start = self.octets.len();
        self.parts.extend(later.parts.iter().map(|part| Part { at: part.at + start, ..*part }));
        self.octets.extend_from_slice(&later.octets);
    }

    /// The directory: how many, and per part the chunk as a distance, kind, length, and with `checked` the CRC.
    pub(super) fn directory(&self, base: u64, checked: bool) -> Vec<u8> {
        let mut octets = Vec::new();
        push_number(&mut octets, self.parts.len() as u64);
        let mut next = base;
        for part in &self.parts {
            push_number(&mut octets, part.chunk.saturating_sub(next));
            octets.push(part.kind);
            push_number(&mut octets, part.length as u64);
            if checked {
                octets.extend_from_slice(&part.crc.to_le_bytes());
            }
            next = part.chunk + 1;
        }
        octets
    }
}

/// Reads what [`Posting::directory`] wrote.
pub(super) fn read_directory(octets: &mut &[u8], base: u64, checked: bool) -> Option<Vec<Part>> {
    let count = take_number(octets)?;
    let (mut next, mut at) = (base, 0);
    let mut parts = Vec::new();
    for _ in 0..count {
        let chunk = next.checked_add(take_number(octets)?)?;
        let kind = *take(octets, 1)?.first()?;
        let length = usize::try_from(take_number(octets)?).ok()?;
        let crc = if checked { u32::from_le_bytes(*take(octets, 4)?.first_chunk()?) } else { 0 };
        parts.push(Part { chunk, kind, crc, at, length });
        next = chunk.checked_add(1)?;
        at = at.checked_add(length)?;
    }
    Some(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(bits: &Bits, direction: Direction) -> Vec<u16> {
        let mut found = Vec::new();
        bits.each(direction, |place| {
            found.push(u16::try_from(place).unwrap());
            true
        });
        found
    }

    #[test]
    fn every_container_gives_back_its_places() {
        let every = |step: usize| (0..=u16::MAX).step_by(step).collect::<Vec<_>>();
        let but = |holes: &[u16]| (0..=u16::MAX).filter(|place| !holes.contains(place)).collect::<Vec<_>>();
        let cases = [
            (vec![], SPARSE),
            (vec![0], SPARSE),
            (vec![65_535], SPARSE),
            (vec![0, 63, 64, 65_535], SPARSE),
            (every(1), ABSENT),
            (but(&[0, 63, 64, 127, 65_535]), ABSENT),
            (but(&[1]), ABSENT),
            (every(2), BITMAP),
            (every(3), BITMAP),
            (every(9), BITMAP),
            (every(17), SPARSE),
            (but(&every(17)), ABSENT),
            (but(&every(9)), BITMAP),
            (every(400), SPARSE),
        ];
        for (wanted, as_kind) in cases {
            let (kind, octets) = pack(&wanted);
            assert_eq!(kind, as_kind, "{} places", wanted.len());
            let mut bits = Bits::new();
            bits.fill(kind, &octets).unwrap();
            assert_eq!(places(&bits, Direction::Ascending), wanted);
            let backwards: Vec<u16> = wanted.iter().rev().copied().collect();
            assert_eq!(places(&bits, Direction::Descending), backwards);
        }
    }

    #[test]
    fn a_range_is_what_it_says() {
        for range in [0..0, 0..1, 5..64, 63..65, 64..128, 0..CHUNK, 70..CHUNK, CHUNK - 1..CHUNK, 9..9] {
            let mut bits = Bits::new();
            bits.set(&range);
            let wanted: Vec<u16> = range.map(|place| u16::try_from(place).unwrap()).collect();
            assert_eq!(places(&bits, Direction::Ascending), wanted);
        }
    }

    #[test]
    fn numbers_and_directories_come_back() {
        for number in [0, 1, 127, 128, 300, u64::from(u32::MAX), u64::MAX] {
            let mut octets = Vec::new();
            push_number(&mut octets, number);
            assert_eq!(take_number(&mut octets.as_slice()), Some(number));
        }
        let mut posting = Posting::default();
        posting.push(7, SPARSE, &[1, 2, 3]);
        posting.push(9, BITMAP, &[4; 8192]);
        for checked in [false, true] {
            let octets = posting.directory(4, checked);
            let parts = read_directory(&mut octets.as_slice(), 4, checked).unwrap();
            let wanted: Vec<Part> = posting.parts.iter().map(|part| Part { crc: if checked { part.crc } else { 0 }, ..*part }).collect();
            assert_eq!(parts, wanted);
            for end in 0..octets.len() {
                assert!(read_directory(&mut &octets[..end], 4, checked).is_none(), "cut at {end}");
            }
        }
    }
}
