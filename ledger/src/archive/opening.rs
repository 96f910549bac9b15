//! What is sealed, taken up when a store is opened: segments, and the roots that must lead to the snapshot's.

use super::{Archive, Damage, HASH, TILES_0, TILES_1, hashes_of};
use crate::medium::{Medium, StoreError};
use crate::segment::{self, BUNDLE, Segment, leaves_of, span};
use crate::snapshot::Snapshot;
use crate::tree::{Hash, Tree, leaf_hash, root_of, root_over};
use std::ops::Range;

impl<M: Medium> Archive<M> {
    /// Takes up what is sealed below a snapshot, in `names`, and removes what is not. Segments that cannot be opened are noted
    /// as damaged; leaf hashes and roots that are, are made anew.
    ///
    /// # Errors
    /// The roots cannot be had, a key at rest is missing, or the medium failed.
    pub(crate) fn take_up(&self, names: &[String], snapshot: &Snapshot) -> Result<(), StoreError> {
        let floor = self.floor();
        let roots = self.read_roots(names, snapshot)?;
        let mut at = floor;
        for (name, (first, end)) in names.iter().filter_map(|name| span(name).map(|span| (name, span))) {
            if end > snapshot.size || end <= floor {
                self.medium.remove(name)?;
                continue;
            }
            if first > at {
                let missing = format!("missing: leaves {at} to {} were in it", first - 1);
                self.lose(at..first, &segment::name(at, first), &missing);
            }
            at = end;
            match Segment::open(&self.medium, name, &self.ledger, self.at_rest.as_ref()) {
                Ok(segment) if segment.extent.root != root_over(bundles(&roots, first..end)) => {
                    self.lose(first..end, name, "the header's root is not that of the tree");
                }
                Ok(segment) => self.add(Some(segment), &[]),
                Err(StoreError::Corrupt { what, .. }) => self.lose(first..end, name, &what),
                Err(other) => return Err(other),
            }
        }
        if at < snapshot.size {
            let missing = format!("missing: leaves {at} to {} were in it", snapshot.size - 1);
            self.lose(at..snapshot.size, &segment::name(at, snapshot.size), &missing);
        }
        self.add(None, &roots);
        Ok(())
    }

    /// The roots of the bundles, which must lead to the snapshot's: from their file, or from the leaf hashes, or from the leaves.
    fn read_roots(&self, names: &[String], snapshot: &Snapshot) -> Result<Vec<Hash>, StoreError> {
        let right = |roots: &[Hash]| Tree::resume(roots, self.lower()).root(snapshot.size) == Some(snapshot.root);
        let read = |name: &str, count: u64| {
            let mut octets = vec![0; usize::try_from(count * HASH).ok()?];
            self.medium.read(name, 0, &mut octets).ok()?;
            Some(hashes_of(&octets))
        };
        let bundles = snapshot.size / BUNDLE;
        if let Some(roots) = read(TILES_1, bundles).filter(|roots| right(roots)) {
            return Ok(roots);
        }
        let mut hashes = read(TILES_0, snapshot.size).unwrap_or_else(|| vec![Hash::default(); usize::try_from(snapshot.size).unwrap_or(0)]);
        let mut roots: Vec<Hash> = hashes.chunks_exact(256).filter_map(root_of).collect();
        let same = right(&roots);
        if !same {
            let opened = names.iter().filter(|name| span(name).is_some_and(|(first, _)| first < snapshot.size));
            for segment in opened.filter_map(|name| Segment::open(&self.medium, name, &self.ledger, self.at_rest.as_ref()).ok()) {
                self.hash_again(&segment, &mut hashes);
            }
            roots = hashes.chunks_exact(256).filter_map(root_of).collect();
        }
        if !right(&roots) {
            return Err(StoreError::corrupt(self.medium.path(TILES_1), 0, "neither leaf hashes nor leaves lead to the snapshot's root"));
        }
        self.ensure(TILES_0)?;
        self.ensure(TILES_1)?;
        let file = if same { TILES_1 } else { TILES_0 };
        self.note_mended(file, 0, "hashes that do not lead to the snapshot's root");
        let flat = |hashes: &[Hash]| hashes.iter().flat_map(|hash| hash.0).collect::<Vec<u8>>();
        self.medium.write(TILES_0, 0, &flat(&hashes))?;
        self.medium.write(TILES_1, 0, &flat(&roots))?;
        self.medium.sync(TILES_0)?;
        self.medium.sync(TILES_1)?;
        Ok(roots)
    }

    fn hash_again(&self, segment: &Segment, hashes: &mut [Hash]) {
        for (bundle, ..) in segment.logical() {
            let Ok(octets) = segment.bundle(&self.medium, bundle) else { continue };
            let leaves = leaves_of(&octets).unwrap_or_default().into_iter().filter_map(|leaf| octets.get(leaf));
            let from = usize::try_from(bundle * BUNDLE).unwrap_or(usize::MAX);
            hashes.iter_mut().skip(from).zip(leaves).for_each(|(hash, leaf)| *hash = leaf_hash(leaf));
        }
    }

    /// Notes a segment that cannot be opened as a whole.
    pub(crate) fn lose(&self, span: Range<u64>, file: &str, what: &str) {
        let mut catalog = self.catalog();
        for bundle in span.start / BUNDLE..span.end / BUNDLE {
            catalog.note(Damage { file: file.to_owned(), offset: 0, bundle: Some(bundle), what: what.to_owned() });
        }
    }
}

/// The roots of the bundles of some leaves.
fn bundles(roots: &[Hash], leaves: Range<u64>) -> &[Hash] {
    let at = |leaf: u64| usize::try_from(leaf / BUNDLE).unwrap_or(usize::MAX);
    roots.get(at(leaves.start)..at(leaves.end)).unwrap_or_default()
}
