//! Following a log from a checkpoint on: the few hashes that it takes, without the leaves before.

use crate::tree::{Hash, root_of, root_of_peaks};

/// The roots of the complete subtrees that a log consists of, one for each bit of its size: whoever has them and all later leaves
/// has every later root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frontier {
    size: u64,
    peaks: Vec<Hash>,
}

impl Frontier {
    /// The frontier of a log of `size` leaves with this root; `None` unless the peaks lead to it.
    #[must_use]
    pub fn new(size: u64, peaks: Vec<Hash>, root: Hash) -> Option<Self> {
        let count = usize::try_from(size.count_ones()).ok()?;
        let frontier = Self { size, peaks };
        (frontier.peaks.len() == count && frontier.root() == root).then_some(frontier)
    }

    /// Leaves.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The peaks, the largest subtree's first.
    #[must_use]
    pub fn peaks(&self) -> &[Hash] {
        &self.peaks
    }

    /// Appends a leaf by its hash.
    pub fn push(&mut self, leaf: Hash) {
        let (mut hash, mut rest) = (leaf, self.size);
        while rest % 2 == 1 {
            let left = self.peaks.pop().unwrap_or_default();
            hash = root_of(&[left, hash]).unwrap_or_default();
            rest >>= 1;
        }
        self.peaks.push(hash);
        self.size += 1;
    }

    /// The root over all leaves.
    #[must_use]
    pub fn root(&self) -> Hash {
        root_of_peaks(&self.peaks).unwrap_or_else(|| Hash::of(&[]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diff::subtrees;
    use crate::tree::{Tree, leaf_hash};

    #[test]
    fn a_follower_has_every_later_root() {
        let mut tree = Tree::default();
        (0_u64..300).for_each(|leaf| tree.push(leaf_hash(&leaf.to_be_bytes())));
        for from in [0, 1, 2, 7, 8, 100, 255, 256, 257] {
            let peaks: Vec<Hash> = subtrees(0..from).iter().map(|subtree| tree.subtree_root(*subtree).unwrap()).collect();
            let root = tree.root(from).unwrap();
            let mut frontier = Frontier::new(from, peaks.clone(), root).unwrap();
            assert_eq!(Frontier::new(from, peaks.clone(), Hash::of(b"x")), None);
            for size in from..300 {
                assert_eq!(frontier.root(), tree.root(size).unwrap(), "{from} {size}");
                frontier.push(tree.leaf(size).unwrap());
            }
            assert_eq!((frontier.size(), frontier.root()), (300, tree.root(300).unwrap()));
        }
    }
}
