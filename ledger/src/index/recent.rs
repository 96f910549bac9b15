//! The leaves after the last run, in memory: at most one chunk of them.

use super::posting::{Bits, CHUNK, Posting, pack};
use super::run::{Writer, pack_times};
use super::terms::{FIELDS, Terms};
use super::{Direction, Groups, IndexError};
use crate::medium::Directory;
use crate::tree::Hash;
use std::collections::BTreeMap;
use std::ops::Range;
use xsd::time::Timestamp;

/// The places of every term, a map a field: a field of few values costs little.
#[derive(Debug)]
pub(super) struct Recent {
    first: u64,
    head: Option<Hash>,
    fields: [BTreeMap<Box<[u8]>, Vec<u16>>; FIELDS],
    times: Vec<Timestamp>,
}

impl Recent {
    /// No leaf yet; the next one is `first`, a chunk's first, and `head` the hash of the one before.
    pub(super) fn new(first: u64, head: Option<Hash>) -> Self {
        Self { first, head, fields: std::array::from_fn(|_| BTreeMap::new()), times: Vec::new() }
    }

    pub(super) fn leaves(&self) -> Range<u64> {
        self.first..self.first + self.times.len() as u64
    }

    /// The hash of the last leaf.
    pub(super) fn head(&self) -> Option<Hash> {
        self.head
    }

    /// Leaves until the chunk is full.
    pub(super) fn room(&self) -> u64 {
        CHUNK.saturating_sub(self.times.len() as u64)
    }

    /// Takes the next leaf.
    pub(super) fn push(&mut self, leaf: &Terms) {
        let place = u16::try_from(self.times.len()).expect("a run is made when the chunk is full");
        for (field, value) in leaf.iter() {
            let Some(values) = self.fields.get_mut(usize::from(field)) else { continue };
            match values.get_mut(value) {
                Some(places) if places.last() == Some(&place) => {}
                Some(places) => places.push(place),
                None => drop(values.insert(value.into(), vec![place])),
            }
        }
        let before = self.times.last().copied().unwrap_or_default();
        self.times.push(leaf.time.max(before));
        self.head = Some(leaf.hash);
    }

    /// The first leaf of this ledger time or later, or the end.
    pub(super) fn since(&self, time: Timestamp) -> u64 {
        self.first + self.times.partition_point(|known| *known < time) as u64
    }

    /// Adds the leaves of `range` that have a value of every group, until there are more than `limit`.
    pub(super) fn search(&self, groups: &Groups, range: &Range<u64>, direction: Direction, limit: usize, found: &mut Vec<u64>) {
        let within = range.start.max(self.first)..range.end.min(self.leaves().end);
        if within.is_empty() {
            return;
        }
        let (mut bits, mut any) = (Bits::new(), Bits::new());
        bits.set(&(within.start - self.first..within.end - self.first));
        for group in groups {
            any.clear();
            for key in group {
                let places = key.split_first().and_then(|(field, value)| self.fields.get(usize::from(*field))?.get(value));
                any.add(places.map_or(&[], Vec::as_slice));
            }
            if !bits.and(&any) {
                return;
            }
        }
        bits.each(direction, |place| {
            found.push(self.first + place);
            found.len() <= limit
        });
    }

    /// Writes a full chunk as a run.
    pub(super) fn write(&self, medium: &Directory) -> Result<(), IndexError> {
        let terms = self.fields.iter().map(BTreeMap::len).sum::<usize>() as u64;
        let mut writer = Writer::create(medium, self.leaves(), terms)?;
        let mut key = Vec::new();
        for (field, values) in (0..).zip(&self.fields) {
            for (value, places) in values {
                key.clear();
                key.push(field);
                key.extend_from_slice(value);
                let mut posting = Posting::default();
                let (kind, octets) = pack(places);
                posting.push(self.first / CHUNK, kind, &octets);
                writer.put(&key, &posting)?;
            }
        }
        for (base, octets) in pack_times(&self.times) {
            writer.put_times(base, &octets)?;
        }
        writer.finish(self.head.unwrap_or_default(), self.times.last().copied().unwrap_or_default())
    }
}
