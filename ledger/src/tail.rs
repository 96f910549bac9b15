//! The leaves that are not sealed, in the form in which they will be: bundles, whose memory is used again.

use crate::clients::Tag;
use crate::segment::{BUNDLE, put_leaf};
use crate::tree::Hash;
use std::collections::VecDeque;
use std::sync::Arc;

/// Bundles whose memory is kept for others: a segment's.
const SPARE_MAX: usize = 64;
/// Octets of one of them; a larger one is given back.
const SPARE_OCTETS_MAX: usize = 1 << 20;

/// Up to 256 leaves, one after the other.
#[derive(Debug, Default)]
pub(crate) struct Run {
    /// The leaves as a C2SP entry bundle.
    pub(crate) octets: Vec<u8>,
    pub(crate) hashes: Vec<Hash>,
    pub(crate) tags: Vec<Tag>,
    /// Where each leaf begins, after its length.
    starts: Vec<usize>,
}

impl Run {
    fn leaf(&self, at: usize) -> Option<&[u8]> {
        let start = *self.starts.get(at)?;
        let end = self.starts.get(at + 1).map_or(self.octets.len(), |next| next - 2);
        self.octets.get(start..end)
    }

    fn clear(&mut self) {
        self.octets.clear();
        self.hashes.clear();
        self.tags.clear();
        self.starts.clear();
    }
}

/// The leaves since the last seal. What is sealed is a multiple of 256 leaves, so that bundles begin where the tail does.
#[derive(Debug, Default)]
pub(crate) struct Tail {
    whole: VecDeque<Arc<Run>>,
    /// The bundle that is not whole.
    open: Run,
    spare: Vec<Run>,
}

impl Tail {
    pub(crate) fn len(&self) -> u64 {
        self.whole.len() as u64 * BUNDLE + self.open.hashes.len() as u64
    }

    pub(crate) fn push(&mut self, tag: Tag, hash: Hash, leaf: &[u8]) {
        let run = &mut self.open;
        put_leaf(&mut run.octets, leaf);
        run.starts.push(run.octets.len() - leaf.len());
        run.hashes.push(hash);
        run.tags.push(tag);
        if run.hashes.len() as u64 == BUNDLE {
            let next = self.spare.pop().unwrap_or_default();
            self.whole.push_back(Arc::new(std::mem::replace(&mut self.open, next)));
        }
    }

    fn run(&self, at: u64) -> Option<(&Run, usize)> {
        let (run, at) = (usize::try_from(at / BUNDLE).ok()?, usize::try_from(at % BUNDLE).ok()?);
        let run = if run == self.whole.len() { &self.open } else { self.whole.get(run)? };
        Some((run, at))
    }

    /// The octets of leaf `at`, counted from the last seal.
    pub(crate) fn leaf(&self, at: u64) -> Option<&[u8]> {
        let (run, at) = self.run(at)?;
        run.leaf(at)
    }

    /// Its tag.
    pub(crate) fn tag(&self, at: u64) -> Option<Tag> {
        let (run, at) = self.run(at)?;
        run.tags.get(at).copied()
    }

    /// The first so many leaves, a multiple of 256, for a thread that seals them.
    pub(crate) fn first(&self, leaves: u64) -> Vec<Arc<Run>> {
        self.whole.iter().take(usize::try_from(leaves / BUNDLE).unwrap_or(usize::MAX)).cloned().collect()
    }

    /// Forgets the first so many leaves. A page that is used again costs less than a fresh one, which the system has to clear.
    pub(crate) fn forget(&mut self, leaves: u64) {
        let count = usize::try_from(leaves / BUNDLE).unwrap_or(usize::MAX).min(self.whole.len());
        for run in self.whole.drain(..count) {
            let used = Arc::into_inner(run).filter(|run| self.spare.len() < SPARE_MAX && run.octets.capacity() <= SPARE_OCTETS_MAX);
            self.spare.extend(used.map(|mut run| {
                run.clear();
                run
            }));
        }
    }
}
