//! Client id → leaf, exactly, in at most 14 octets of memory a leaf.

use sha2::{Digest, Sha256};

/// Octets of a tag: twice what no one can find a collision in by chance or by 2⁶⁰ tries.
pub(crate) const TAG: usize = 16;
const SHARDS: usize = 256;
const INDEX_BITS: u32 = 40;
/// A shard grows by half when it is filled to 85 %.
const FULL: usize = 85;

/// The first octets of SHA-256 of a client id: what is kept of it. Zeros stand for a leaf without one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tag(pub(crate) [u8; TAG]);

impl Tag {
    pub(crate) fn of(client: &str) -> Self {
        if client.is_empty() {
            return Self::default();
        }
        let digest: [u8; 32] = Sha256::digest(client.as_bytes()).into();
        Self(digest.first_chunk().copied().unwrap_or_default())
    }

    fn shard(self) -> usize {
        usize::from(self.0[0])
    }

    /// The 24 bits that a slot keeps.
    fn short(self) -> u32 {
        u32::from_be_bytes([0, self.0[1], self.0[2], self.0[3]])
    }
}

/// Slots of 64 bits: 24 bits of the tag, and the leaf's index plus one; 0 is free.
#[derive(Clone, Debug, Default)]
struct Shard {
    slots: Vec<u64>,
    used: usize,
}

/// The table. It knows 32 bits of each tag: whoever asks says whether a leaf found is the right one.
#[derive(Debug)]
pub(crate) struct Clients {
    shards: Vec<Shard>,
}

impl Default for Clients {
    fn default() -> Self {
        Self { shards: vec![Shard::default(); SHARDS] }
    }
}

impl Clients {
    /// A table for so many ids, and some more: one that is filled at once need not grow on the way.
    pub(crate) fn with_capacity(ids: u64) -> Self {
        let slots = usize::try_from(ids).unwrap_or(0) / SHARDS * 4 / 3;
        Self { shards: vec![Shard { slots: vec![0; slots], used: 0 }; SHARDS] }
    }

    /// Puts a client id's tag in place. `index` is below 2⁴⁰ − 1.
    pub(crate) fn put(&mut self, tag: Tag, index: u64) {
        assert!(index + 1 < 1 << INDEX_BITS, "a ledger has fewer leaves");
        if tag == Tag::default() {
            return;
        }
        let Some(shard) = self.shards.get_mut(tag.shard()) else { return };
        if (shard.used + 1) * 100 > shard.slots.len() * FULL {
            shard.grow();
        }
        shard.put(u64::from(tag.short()) << INDEX_BITS | (index + 1));
    }

    /// The leaf of a tag, among those that share 32 bits with it: the first of which `is` says so.
    ///
    /// # Errors
    /// Those of `is`.
    pub(crate) fn find<E>(&self, tag: Tag, mut is: impl FnMut(u64) -> Result<bool, E>) -> Result<Option<u64>, E> {
        let Some(shard) = self.shards.get(tag.shard()).filter(|shard| !shard.slots.is_empty()) else { return Ok(None) };
        let mut at = shard.home(tag.short());
        while let Some(slot) = shard.slots.get(at).copied().filter(|slot| *slot != 0) {
            let index = (slot & ((1 << INDEX_BITS) - 1)) - 1;
            if slot >> INDEX_BITS == u64::from(tag.short()) && is(index)? {
                return Ok(Some(index));
            }
            at = shard.next(at);
        }
        Ok(None)
    }
}

impl Shard {
    fn home(&self, short: u32) -> usize {
        usize::try_from((u64::from(short) * self.slots.len() as u64) >> 24).unwrap_or(0)
    }

    fn next(&self, at: usize) -> usize {
        if at + 1 == self.slots.len() { 0 } else { at + 1 }
    }

    fn put(&mut self, slot: u64) {
        let mut at = self.home(u32::try_from(slot >> INDEX_BITS).unwrap_or(0));
        while self.slots.get(at).is_some_and(|slot| *slot != 0) {
            at = self.next(at);
        }
        if let Some(free) = self.slots.get_mut(at) {
            *free = slot;
            self.used += 1;
        }
    }

    fn grow(&mut self) {
        let larger = vec![0; (self.slots.len() + self.slots.len() / 2).max(16)];
        let old = std::mem::replace(&mut self.slots, larger);
        self.used = 0;
        for slot in old.into_iter().filter(|slot| *slot != 0) {
            self.put(slot);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn every_id_is_found_and_no_other() {
        let ids: Vec<String> = (0..100_000).map(|number| format!("client {number}")).collect();
        let mut clients = Clients::with_capacity(70_000);
        let tags: Vec<Tag> = ids.iter().map(|id| Tag::of(id)).collect();
        for (index, tag) in (0..).zip(&tags) {
            clients.put(*tag, index);
        }
        let is = |tag: Tag| {
            let tags = &tags;
            move |index: u64| Ok::<bool, ()>(tags[usize::try_from(index).unwrap()] == tag)
        };
        for (index, tag) in (0..).zip(&tags) {
            assert_eq!(clients.find(*tag, is(*tag)), Ok(Some(index)));
        }
        for number in 0..10_000 {
            let tag = Tag::of(&format!("stranger {number}"));
            assert_eq!(clients.find(tag, is(tag)), Ok(None));
        }
        let octets: usize = clients.shards.iter().map(|shard| shard.slots.len() * 8).sum();
        assert!(octets <= 16 * tags.len(), "{octets}");
    }

    #[test]
    fn ids_that_share_a_slots_bits_are_told_apart() {
        let mut clients = Clients::default();
        let tag = |last: u8| {
            let mut tag = [7; TAG];
            tag[15] = last;
            Tag(tag)
        };
        let known: BTreeMap<u64, Tag> = (0..50).map(|last| (u64::from(last), tag(last))).collect();
        for (index, tag) in &known {
            clients.put(*tag, *index);
        }
        clients.put(Tag::of(""), 99);
        for last in 0..60 {
            let found = clients.find(tag(last), |index| Ok::<bool, ()>(known[&index] == tag(last)));
            assert_eq!(found, Ok((last < 50).then_some(u64::from(last))));
        }
        assert_eq!(clients.find(Tag::of(""), |_| Ok::<bool, ()>(true)), Ok(None), "a leaf without an id is not found");
        assert_eq!(clients.find(tag(1), |_| Err("a failed read is no answer")), Err("a failed read is no answer"));
    }
}
