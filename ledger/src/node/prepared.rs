//! Entries that this node has read and checked at admission, kept so that their commit does not cost the same again.

use crate::state::Checked;
use std::collections::BTreeMap;

/// Checked entries by a short name of their octets. A name that two entries share costs a second reading, nothing else.
#[derive(Debug)]
pub(super) struct Prepared {
    by_name: BTreeMap<(u32, usize), Checked>,
    max: usize,
}

impl Prepared {
    pub(super) fn new(max: usize) -> Self {
        Self { by_name: BTreeMap::new(), max }
    }

    /// Keeps an entry until it is taken; when too many were never committed, all are forgotten.
    pub(super) fn keep(&mut self, octets: &[u8], checked: Checked) {
        if self.by_name.len() >= self.max {
            self.by_name.clear();
        }
        self.by_name.insert(name(octets), checked);
    }

    /// The checked entry of exactly these octets.
    pub(super) fn take(&mut self, octets: &[u8]) -> Option<Checked> {
        let checked = self.by_name.remove(&name(octets))?;
        (checked.request().entry().encode() == octets).then_some(checked)
    }
}

fn name(octets: &[u8]) -> (u32, usize) {
    (crc32fast::hash(octets), octets.len())
}
