//! Where two logs part: which hashes to compare, a few for any number of leaves, and which prove what a node says of itself.

use crate::tile::{Part, Tile, WIDTH};
use crate::tree::{Hash, root_of_inclusion, root_of_peaks};
use std::ops::Range;

/// Levels of subtrees that one tile spans.
const TILE_LEVELS: u32 = 8;

/// A complete subtree: the leaves from `index << level` on, `1 << level` of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Subtree {
    /// 0 for a leaf.
    pub level: u32,
    /// Its number in its level.
    pub index: u64,
}

impl Subtree {
    /// Its leaves.
    #[must_use]
    pub fn leaves(&self) -> Range<u64> {
        self.index << self.level..(self.index + 1) << self.level
    }

    /// The tile of a log of `size` leaves that holds what is under it, and which hashes of the tile: 1 to 128 of them, whose
    /// root is the subtree's. `None` if the log has not so many leaves.
    #[must_use]
    pub fn tile(&self, size: u64) -> Option<(Tile, Range<usize>)> {
        let (level, height) = (self.level / TILE_LEVELS, self.level % TILE_LEVELS);
        let first = self.index.checked_shl(height)?;
        let (index, at) = (first / WIDTH, usize::try_from(first % WIDTH).ok()?);
        let there = size.checked_shr(TILE_LEVELS * level).unwrap_or(0).checked_sub(index * WIDTH)?.min(WIDTH);
        let range = at..at + (1 << height);
        let tile = Tile { part: Part::Hashes(u64::from(level)), index, width: there };
        (range.end as u64 <= there).then_some((tile, range))
    }

    fn halves(self) -> Option<[Self; 2]> {
        let level = self.level.checked_sub(1)?;
        Some([self.index * 2, self.index * 2 + 1].map(|index| Self { level, index }))
    }
}

/// The complete subtrees that leaves `range` consist of, in order: fewer than twice the bits of a leaf's number.
#[must_use]
pub fn subtrees(range: Range<u64>) -> Vec<Subtree> {
    let (mut at, mut found) = (range.start, Vec::new());
    while at < range.end {
        let level = at.trailing_zeros().min((range.end - at).ilog2());
        found.push(Subtree { level, index: at >> level });
        at += 1 << level;
    }
    found
}

/// The leaves that each hash of an inclusion path is over, from the leaf's sibling up, for `index` < `size`.
#[must_use]
pub fn siblings(index: u64, size: u64) -> Vec<Range<u64>> {
    let (mut from, mut to, mut path) = (0, size, Vec::new());
    while to - from > 1 {
        let middle = from + (1 << (to - from - 1).ilog2());
        if index < middle {
            path.push(middle..to);
            to = middle;
        } else {
            path.push(from..middle);
            from = middle;
        }
    }
    path.reverse();
    path
}

/// Whether a log shows that it has a leaf, in a tree with the root that it says: `path` are hashes over [`siblings`], each given
/// as those of its [`subtrees`].
#[must_use]
pub fn holds(leaf: Hash, index: u64, size: u64, path: &[Vec<Hash>], root: Hash) -> bool {
    let path: Option<Vec<Hash>> = path.iter().map(|peaks| root_of_peaks(peaks)).collect();
    path.is_some_and(|path| root_of_inclusion(leaf, index, size, &path) == Some(root))
}

/// Whether the same hashes, given for the last common leaf of a longer log, lead to the root of the shorter one of
/// `index` + 1 leaves: then the shorter is a prefix of the longer.
#[must_use]
pub fn continues(leaf: Hash, index: u64, size: u64, path: &[Vec<Hash>], shorter: Hash) -> bool {
    let left = siblings(index, size).into_iter().zip(path).filter(|(range, _)| range.end <= index);
    let left: Option<Vec<Hash>> = left.map(|(_, peaks)| root_of_peaks(peaks)).collect();
    left.is_some_and(|left| root_of_inclusion(leaf, index, index + 1, &left) == Some(shorter))
}

/// The search for the first leaf of a range in which two logs differ. It asks about one subtree after the other.
#[derive(Clone, Debug)]
pub struct Search {
    /// The next on top, and whether its hash is known to differ because its sibling's does not.
    open: Vec<(Subtree, bool)>,
    compared: u64,
    found: Option<u64>,
}

impl Search {
    /// A search among these leaves.
    #[must_use]
    pub fn among(range: Range<u64>) -> Self {
        let open = subtrees(range).into_iter().rev().map(|subtree| (subtree, false)).collect();
        Self { open, compared: 0, found: None }
    }

    /// What is to be compared next; `None` when it is over.
    #[must_use]
    pub fn wish(&self) -> Option<Subtree> {
        self.open.last().map(|(subtree, _)| *subtree)
    }

    /// Takes whether both logs have the same hash for the [`Search::wish`].
    pub fn answer(&mut self, same: bool) {
        self.compared += 1;
        let Some((subtree, _)) = self.open.pop() else { return };
        if same {
            if let Some((other, true)) = self.open.last().copied() {
                self.open.pop();
                self.part(other);
            }
        } else {
            self.part(subtree);
        }
    }

    /// Looks for the difference in this subtree and nowhere else.
    fn part(&mut self, subtree: Subtree) {
        self.open.clear();
        match subtree.halves() {
            Some([left, right]) => self.open.extend([(right, true), (left, false)]),
            None => self.found = Some(subtree.index),
        }
    }

    /// The first leaf that differs, once the search is over.
    #[must_use]
    pub fn found(&self) -> Option<u64> {
        self.found
    }

    /// How many hashes were compared.
    #[must_use]
    pub fn compared(&self) -> u64 {
        self.compared
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::{Tree, leaf_hash};

    fn tree(size: u64, other: Option<u64>) -> Tree {
        let mut tree = Tree::default();
        (0..size).for_each(|leaf| {
            let parted = other.is_some_and(|other| leaf >= other);
            tree.push(leaf_hash(&[leaf.to_be_bytes().as_slice(), &[u8::from(parted)]].concat()));
        });
        tree
    }

    fn path(tree: &Tree, index: u64, size: u64) -> Vec<Vec<Hash>> {
        let hashes = |range| subtrees(range).iter().map(|subtree| tree.subtree_root(*subtree).unwrap()).collect();
        siblings(index, size).into_iter().map(hashes).collect()
    }

    fn searched(ours: &Tree, theirs: &Tree, range: Range<u64>) -> (Option<u64>, u64) {
        let mut search = Search::among(range);
        while let Some(subtree) = search.wish() {
            search.answer(ours.subtree_root(subtree) == theirs.subtree_root(subtree));
        }
        (search.found(), search.compared())
    }

    #[test]
    fn the_first_leaf_that_differs_is_found_by_a_logarithm_of_hashes() {
        for size in [1, 2, 7, 256, 300, 1000] {
            let ours = tree(size, None);
            for parted in (0..=size).step_by(if size > 300 { 37 } else { 1 }) {
                let theirs = tree(size, Some(parted));
                for from in [0, size / 2, parted.min(size - 1)] {
                    let (found, compared) = searched(&ours, &theirs, from..size);
                    assert_eq!(found, (parted < size).then_some(parted.max(from)), "{size} {parted} {from}");
                    assert!(compared <= 3 * (u64::from(size.ilog2()) + 1), "{compared}");
                }
            }
        }
    }

    #[test]
    fn a_log_shows_what_it_has_by_the_same_hashes_as_an_inclusion_path() {
        for size in 1..70 {
            let tree = tree(size, None);
            let root = tree.root(size).unwrap();
            for index in 0..size {
                let path = path(&tree, index, size);
                let folded: Vec<Hash> = path.iter().map(|peaks| root_of_peaks(peaks).unwrap()).collect();
                assert_eq!(Some(folded), tree.inclusion(index, size));
                let leaf = tree.leaf(index).unwrap();
                assert!(holds(leaf, index, size, &path, root) && !holds(Hash::of(b"x"), index, size, &path, root));
                let shorter = tree.root(index + 1).unwrap();
                assert!(continues(leaf, index, size, &path, shorter));
                assert!(!continues(leaf, index, size, &path, Hash::of(b"x")) && !continues(Hash::of(b"x"), index, size, &path, shorter));
            }
        }
    }

    #[test]
    fn a_subtree_lies_in_one_tile() {
        let tree = tree(70_000, None);
        for subtree in subtrees(3..70_000).into_iter().chain([Subtree { level: 16, index: 0 }, Subtree { level: 9, index: 5 }]) {
            let (tile, range) = subtree.tile(70_000).unwrap();
            let octets = tile.hashes(&tree).unwrap();
            let hashes: Vec<Hash> = octets.as_chunks::<32>().0.iter().map(|hash| Hash(*hash)).collect();
            assert_eq!(crate::tree::root_of(&hashes[range]), tree.subtree_root(subtree), "{subtree:?}");
        }
        assert_eq!(Subtree { level: 0, index: 70_000 }.tile(70_000), None);
        assert_eq!(Subtree { level: 16, index: 1 }.tile(70_000), None);
        assert_eq!(Subtree { level: 8, index: 273 }.tile(70_000), None);
    }
}
