//! Entries that this node has read and checked at admission, kept so that their commit does not cost the same again.

use crate::state::Checked;
use std::collections::BTreeMap;

/// Checked entries by a short name of their octets. A name that two entries share costs a second reading, nothing else.
#[derive(Debug)]
pub(super) struct Prepared {
    by_name: BTreeMap<(u32, usize), Checked>,
    max: usize,
    /// Of all entries.
    octets: usize,
}

/// Octets of entries that are kept: as many as a leader has in flight.
const OCTETS_MAX: usize = 64 << 20;

impl Prepared {
    pub(super) fn new(max: usize) -> Self {
        Self { by_name: BTreeMap::new(), max, octets: 0 }
    }

    /// Keeps an entry until it is taken; when too many were never committed, all are forgotten.
    pub(super) fn keep(&mut self, checked: Checked) {
        let (mut crc, mut length) = (crc32fast::Hasher::new(), 0);
        checked.request().entry().pieces(|piece| {
            crc.update(piece);
            length += piece.len();
        });
        if self.by_name.len() >= self.max || self.octets + length > OCTETS_MAX {
            self.by_name.clear();
            self.octets = 0;
        }
        if self.by_name.insert((crc.finalize(), length), checked).is_none() {
            self.octets += length;
        }
    }

    /// The checked entry of exactly these octets.
    pub(super) fn take(&mut self, octets: &[u8]) -> Option<Checked> {
        let checked = self.by_name.remove(&(crc32fast::hash(octets), octets.len()))?;
        self.octets -= octets.len();
        checked.request().entry().is(octets).then_some(checked)
    }
}
