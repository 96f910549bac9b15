//! The Merkle tree of RFC 6962 §2.1: append, root at any size, inclusion and consistency proofs, and their verification.

use crate::diff::Subtree;
use data_encoding::{BASE64, HEXLOWER};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

/// A SHA-256 digest; shown in lower-case hexadecimal.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hash(pub [u8; 32]);

impl Hash {
    /// SHA-256 of `octets`.
    #[must_use]
    pub fn of(octets: &[u8]) -> Self {
        Self(Sha256::digest(octets).into())
    }

    /// From 64 lower-case hexadecimal digits.
    #[must_use]
    pub fn from_hex(text: &str) -> Option<Self> {
        HEXLOWER.decode(text.as_bytes()).ok()?.try_into().ok().map(Self)
    }

    /// In lower-case hexadecimal, without memory of its own: each leaf has a few.
    pub(crate) fn hex(&self) -> Hex {
        let mut digits = [0; 64];
        HEXLOWER.encode_mut(&self.0, &mut digits);
        Hex(digits)
    }

    /// From standard base64, padded and canonical.
    #[must_use]
    pub fn from_base64(text: &str) -> Option<Self> {
        BASE64.decode(text.as_bytes()).ok()?.try_into().ok().map(Self)
    }

    /// In standard base64.
    #[must_use]
    pub fn to_base64(&self) -> String {
        BASE64.encode(&self.0)
    }
}

/// The digits of a [`Hash`].
#[derive(Clone, Copy)]
pub(crate) struct Hex([u8; 64]);

impl Hex {
    pub(crate) fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("hexadecimal digits")
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.hex().as_str())
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The hash of a leaf: SHA-256(0x00 ‖ octets).
#[must_use]
pub fn leaf_hash(octets: &[u8]) -> Hash {
    let mut hash = Sha256::new();
    hash.update([0]);
    hash.update(octets);
    Hash(hash.finalize().into())
}

fn node_hash(left: &Hash, right: &Hash) -> Hash {
    let mut hash = Sha256::new();
    hash.update([1]);
    hash.update(left.0);
    hash.update(right.0);
    Hash(hash.finalize().into())
}

/// Leaves of one tile: the hashes of levels 0 to 7 are not kept in memory where there are tiles.
const TILE: u64 = 256;
const TILE_LEVEL: usize = 8;

/// Gives the 256 leaf hashes of a tile that is on the disk, checked against its root; `None` if they cannot be had.
pub(crate) type Lower = Arc<Mutex<dyn Fn(u64) -> Option<Vec<Hash>> + Send>>;

/// A log of leaf hashes with the hashes of all complete subtrees. Below the leaves that are sealed it keeps the subtrees of 256
/// leaves and more, a quarter of an octet a leaf; the rest it reads from tiles when a proof wants it.
#[derive(Clone, Default)]
pub struct Tree {
    levels: Vec<Row>,
    lower: Option<Lower>,
}

/// The roots of leaves `i << level` to `(i + 1) << level`, from `first` on.
#[derive(Clone, Debug, Default)]
struct Row {
    first: u64,
    hashes: Vec<Hash>,
}

/// The levels of the tiles that one proof reads.
type Read = BTreeMap<u64, Vec<Vec<Hash>>>;

impl fmt::Debug for Tree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tree of {}", self.size())
    }
}

impl Row {
    fn end(&self) -> u64 {
        self.first + self.hashes.len() as u64
    }

    fn get(&self, index: u64) -> Option<Hash> {
        self.hashes.get(usize::try_from(index.checked_sub(self.first)?).ok()?).copied()
    }
}

impl Tree {
    /// The tree over whole tiles, by their roots.
    pub(crate) fn resume(tiles: &[Hash], lower: Lower) -> Self {
        let mut levels: Vec<Row> =
            (0..TILE_LEVEL).map(|level| Row { first: (tiles.len() as u64 * TILE) >> level, hashes: Vec::new() }).collect();
        let mut row = tiles.to_vec();
        while !row.is_empty() {
            let above = row.as_chunks::<2>().0.iter().map(|[left, right]| node_hash(left, right)).collect();
            levels.push(Row { first: 0, hashes: std::mem::replace(&mut row, above) });
        }
        Self { levels, lower: Some(lower) }
    }

    /// Forgets the lower levels below `sealed`, a multiple of 256: `lower` has them.
    pub(crate) fn lean(&mut self, sealed: u64, lower: Lower) {
        assert!(sealed.is_multiple_of(TILE) && sealed <= self.size(), "whole tiles are sealed");
        for (level, row) in self.levels.iter_mut().take(TILE_LEVEL).enumerate() {
            let gone = (sealed >> level).saturating_sub(row.first);
            row.hashes.drain(..usize::try_from(gone).unwrap_or(usize::MAX).min(row.hashes.len()));
            row.first += gone;
        }
        self.lower = Some(lower);
    }

    /// How many leaves there are.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.levels.first().map_or(0, Row::end)
    }

    /// Appends a leaf by its hash.
    pub fn push(&mut self, leaf: Hash) {
        let mut hash = leaf;
        for level in 0.. {
            if self.levels.len() == level {
                self.levels.push(Row::default());
            }
            let Some(row) = self.levels.get_mut(level) else { return };
            row.hashes.push(hash);
            if row.end() % 2 == 1 {
                return;
            }
            let [.., left, right] = row.hashes.as_slice() else { return };
            hash = node_hash(left, right);
        }
    }

    /// The hash of leaf `index`. `None` beyond the tree, or if its tile is damaged.
    #[must_use]
    pub fn leaf(&self, index: u64) -> Option<Hash> {
        self.subtree(0, index, &mut Read::new())
    }

    /// The hashes of a C2SP tile: `width` of them, at most 256, from number `256 × tile` on at level `8 × level`. `None` beyond
    /// the tree, or if a tile on the disk is damaged.
    #[must_use]
    pub fn tile(&self, level: u32, tile: u64, width: u64) -> Option<Vec<Hash>> {
        let level = usize::try_from(level.checked_mul(8)?).ok()?;
        let first = tile.checked_mul(TILE)?;
        let mut read = Read::new();
        (first..first.checked_add(width.min(TILE))?).map(|index| self.subtree(level, index, &mut read)).collect()
    }

    /// The root of a complete subtree. `None` beyond the tree, or if a tile on the disk is damaged.
    #[must_use]
    pub fn subtree_root(&self, subtree: Subtree) -> Option<Hash> {
        self.subtree(usize::try_from(subtree.level).ok()?, subtree.index, &mut Read::new())
    }

    /// MTH(D[0:size]); of the empty tree it is SHA-256 of nothing. `None` beyond the tree.
    #[must_use]
    pub fn root(&self, size: u64) -> Option<Hash> {
        if size == 0 { Some(Hash::of(&[])) } else { self.range(0, size, &mut Read::new()) }
    }

    /// PATH(index, D[0:size]), from the leaf's sibling up. `None` unless index < size ≤ the tree's size.
    #[must_use]
    pub fn inclusion(&self, index: u64, size: u64) -> Option<Vec<Hash>> {
        if index >= size || size > self.size() {
            return None;
        }
        let mut read = Read::new();
        let mut path = Vec::new();
        let (mut from, mut to) = (0, size);
        while to - from > 1 {
            let middle = from + split(to - from);
            if index < middle {
                path.push(self.range(middle, to, &mut read)?);
                to = middle;
            } else {
                path.push(self.range(from, middle, &mut read)?);
                from = middle;
            }
        }
        path.reverse();
        Some(path)
    }

    /// PROOF(old, D[0:new]). Empty when old = 0 or old = new; `None` unless old ≤ new ≤ the tree's size.
    #[must_use]
    pub fn consistency(&self, old: u64, new: u64) -> Option<Vec<Hash>> {
        if old > new || new > self.size() {
            return None;
        }
        let mut read = Read::new();
        let mut path = Vec::new();
        if old == 0 || old == new {
            return Some(path);
        }
        let (mut from, mut to) = (0, new);
        let mut whole = true;
        while old != to {
            let middle = from + split(to - from);
            if old <= middle {
                path.push(self.range(middle, to, &mut read)?);
                to = middle;
            } else {
                path.push(self.range(from, middle, &mut read)?);
                from = middle;
                whole = false;
            }
        }
        if !whole {
            path.push(self.range(from, to, &mut read)?);
        }
        path.reverse();
        Some(path)
    }

    /// The root of leaves `from` to `to`; `from` is a multiple of the largest power of two not above the length.
    fn range(&self, from: u64, to: u64, read: &mut Read) -> Option<Hash> {
        let mut root: Option<Hash> = None;
        let mut end = to;
        while end > from {
            let level = (end.trailing_zeros()).min((end - from).ilog2());
            let start = end - (1 << level);
            let subtree = self.subtree(usize::try_from(level).ok()?, start >> level, read)?;
            root = Some(root.map_or(subtree, |right| node_hash(&subtree, &right)));
            end = start;
        }
        root
    }

    fn subtree(&self, level: usize, index: u64, read: &mut Read) -> Option<Hash> {
        let row = self.levels.get(level)?;
        if level >= TILE_LEVEL || index >= row.first {
            return row.get(index);
        }
        let tile = index >> (TILE_LEVEL - level);
        let levels = match read.entry(tile) {
            Entry::Occupied(read) => read.into_mut(),
            Entry::Vacant(place) => {
                let lower = self.lower.as_ref()?.lock().unwrap_or_else(PoisonError::into_inner);
                let levels = levels_of(lower(tile)?);
                let root = levels.get(TILE_LEVEL).and_then(|row| row.first().copied());
                let ours = root.is_some() && root == self.levels.get(TILE_LEVEL).and_then(|row| row.get(tile));
                place.insert(if ours { levels } else { Vec::new() })
            }
        };
        let within = usize::try_from(index - (tile << (TILE_LEVEL - level))).ok()?;
        levels.get(level)?.get(within).copied()
    }
}

/// The leaf hashes of a tile and all the levels above them.
fn levels_of(leaves: Vec<Hash>) -> Vec<Vec<Hash>> {
    let mut levels = vec![leaves];
    while let Some(row) = levels.last().filter(|row| row.len() > 1) {
        levels.push(row.as_chunks::<2>().0.iter().map(|[left, right]| node_hash(left, right)).collect());
    }
    levels
}

/// The root over a power of two of hashes.
#[must_use]
pub fn root_of(hashes: &[Hash]) -> Option<Hash> {
    assert!(hashes.len().is_power_of_two(), "a complete subtree");
    levels_of(hashes.to_vec()).last()?.first().copied()
}

/// MTH over leaf hashes; or over the roots of complete subtrees of one size, in order, as of a tree of their leaves alone.
#[must_use]
pub fn root_over(subtrees: &[Hash]) -> Hash {
    let mut tree = Tree::default();
    subtrees.iter().for_each(|root| tree.push(*root));
    tree.root(tree.size()).unwrap_or_else(|| Hash::of(&[]))
}

/// The root over complete subtrees, each smaller than the one before it: MTH of the leaves that they hold. `None` of none.
#[must_use]
pub fn root_of_peaks(peaks: &[Hash]) -> Option<Hash> {
    peaks.iter().rev().copied().reduce(|right, left| node_hash(&left, &right))
}

/// The largest power of two below `count` (count > 1).
fn split(count: u64) -> u64 {
    1 << (count - 1).ilog2()
}

/// The root that `path` leads to from the hash of leaf `index` in a tree of `size` leaves (RFC 9162 §2.1.3.2), or `None`
/// if the path has the wrong length.
#[must_use]
pub fn root_of_inclusion(leaf: Hash, index: u64, size: u64, path: &[Hash]) -> Option<Hash> {
    if index >= size {
        return None;
    }
    let (mut node, mut last) = (index, size - 1);
    let mut root = leaf;
    for sibling in path {
        if last == 0 {
            return None;
        }
        if node % 2 == 1 || node == last {
            root = node_hash(sibling, &root);
            while node % 2 == 0 && node != 0 {
                node >>= 1;
                last >>= 1;
            }
        } else {
            root = node_hash(&root, sibling);
        }
        node >>= 1;
        last >>= 1;
    }
    (last == 0).then_some(root)
}

/// Whether `path` proves that the tree of `old` leaves with `old_root` is a prefix of that of `new` leaves with `new_root`
/// (RFC 9162 §2.1.4.2).
#[must_use]
pub fn consistent(old: u64, old_root: Hash, new: u64, new_root: Hash, path: &[Hash]) -> bool {
    if old == 0 || old == new {
        let empty = old != 0 || old_root == Hash::of(&[]);
        return path.is_empty() && empty && old <= new && (old != new || old_root == new_root);
    }
    if old > new {
        return false;
    }
    let full = old.is_power_of_two().then_some(old_root);
    let mut hashes = full.iter().chain(path);
    let Some(first) = hashes.next() else { return false };
    let (mut node, mut last) = (old - 1, new - 1);
    while node % 2 == 1 {
        node >>= 1;
        last >>= 1;
    }
    let (mut old_side, mut new_side) = (*first, *first);
    for hash in hashes {
        if last == 0 {
            return false;
        }
        if node % 2 == 1 || node == last {
            old_side = node_hash(hash, &old_side);
            new_side = node_hash(hash, &new_side);
            while node % 2 == 0 && node != 0 {
                node >>= 1;
                last >>= 1;
            }
        } else {
            new_side = node_hash(&new_side, hash);
        }
        node >>= 1;
        last >>= 1;
    }
    last == 0 && old_side == old_root && new_side == new_root
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The eight leaves and the roots of Certificate Transparency's reference tests (merkletree/merkle_tree_test).
    const LEAVES: [&str; 8] = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"];
    const ROOTS: [&str; 9] = [
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    ];

    fn tree(count: usize) -> Tree {
        let mut tree = Tree::default();
        for leaf in LEAVES.iter().cycle().take(count) {
            tree.push(leaf_hash(&HEXLOWER.decode(leaf.as_bytes()).unwrap()));
        }
        tree
    }

    #[test]
    fn roots_are_those_of_certificate_transparency() {
        let tree = tree(8);
        for (size, root) in (0..).zip(ROOTS) {
            assert_eq!(tree.root(size).unwrap().to_string(), root, "{size}");
        }
        assert_eq!(tree.root(9), None);
    }

    #[test]
    fn paths_are_those_of_certificate_transparency() {
        let tree = tree(8);
        let hex = |path: Option<Vec<Hash>>| path.unwrap().iter().map(Hash::to_string).collect::<Vec<_>>();
        assert_eq!(
            hex(tree.inclusion(5, 8)),
            [
                "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
                "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
                "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7"
            ]
        );
        assert_eq!(
            hex(tree.consistency(6, 8)),
            [
                "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
                "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
                "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7"
            ]
        );
        assert_eq!(tree.inclusion(8, 8), None);
        assert_eq!(tree.consistency(9, 8), None);
    }

    #[test]
    fn a_lean_tree_says_what_a_full_one_says() {
        let mut full = Tree::default();
        let leaves: Vec<Hash> = (0..3000_u64).map(|number| leaf_hash(&number.to_be_bytes())).collect();
        let lower: Lower = {
            let leaves = leaves.clone();
            Arc::new(Mutex::new(move |tile: u64| {
                let first = usize::try_from(tile).unwrap() * 256;
                Some(leaves[first..first + 256].to_vec()).filter(|_| tile != 5)
            }))
        };
        let mut lean = Tree::default();
        for (number, leaf) in leaves.iter().enumerate() {
            full.push(*leaf);
            lean.push(*leaf);
            if number == 300 || number == 2600 {
                lean.lean(number as u64 / 256 * 256, Arc::clone(&lower));
            }
        }
        let tiles: Vec<Hash> = leaves.chunks_exact(256).map(|tile| root_of(tile).unwrap()).collect();
        let mut resumed = Tree::resume(&tiles, lower);
        assert_eq!(resumed.size(), 2816);
        leaves[2816..].iter().for_each(|leaf| resumed.push(*leaf));
        for tree in [&lean, &resumed] {
            for size in (0..=3000).rev().step_by(7) {
                let damaged = size / 256 == 5 && size % 256 != 0;
                assert_eq!(tree.root(size), full.root(size).filter(|_| !damaged), "{size}");
                assert_eq!(tree.consistency(size, 3000), full.consistency(size, 3000).filter(|_| !damaged), "{size}");
                let whole = |index: u64| index / 256 != 5;
                let index = size.saturating_sub(1);
                assert_eq!(tree.inclusion(index, 3000), full.inclusion(index, 3000).filter(|_| whole(index)), "{index}");
                assert_eq!(tree.leaf(index), full.leaf(index).filter(|_| whole(index)));
            }
            assert_eq!((tree.root(3001), tree.leaf(3000)), (None, None));
            assert_eq!(tree.tile(0, 11, 184), full.tile(0, 11, 184));
            assert_eq!(tree.tile(0, 11, 185), None);
            assert_eq!((tree.tile(1, 0, 11).unwrap(), tree.tile(0, 5, 1)), (tiles.clone(), None));
            let kept: usize = tree.levels.iter().map(|row| row.hashes.len()).sum();
            assert!(kept < 2 * 512 + 2 * 12 + 12, "{kept}");
        }
        let wrong = Tree::resume(&tiles, Arc::new(Mutex::new(|_| Some(vec![Hash::default(); 256]))));
        assert_eq!(wrong.leaf(0), None, "a tile that does not lead to its root is not believed");
    }

    #[test]
    fn every_proof_verifies_and_no_damaged_one_does() {
        let tree = tree(40);
        for size in 1..=40 {
            let root = tree.root(size).unwrap();
            for index in 0..size {
                let path = tree.inclusion(index, size).unwrap();
                let leaf = tree.leaf(index).unwrap();
                assert_eq!(root_of_inclusion(leaf, index, size, &path), Some(root));
                assert_ne!(root_of_inclusion(Hash::of(b"other"), index, size, &path), Some(root));
                let longer = [path.as_slice(), &[root]].concat();
                assert_ne!(root_of_inclusion(leaf, index, size, &longer), Some(root));
                for at in 0..path.len() {
                    let mut damaged = path.clone();
                    damaged[at].0[31] ^= 1;
                    assert_ne!(root_of_inclusion(leaf, index, size, &damaged), Some(root));
                    assert_ne!(root_of_inclusion(leaf, index, size, &path[..at]), Some(root));
                }
            }
            for old in 0..=size {
                let old_root = tree.root(old).unwrap();
                let path = tree.consistency(old, size).unwrap();
                assert!(consistent(old, old_root, size, root, &path), "{old} {size}");
                let changed = old == 0 || consistent(old, Hash::of(b"other"), size, root, &path);
                assert_eq!(changed, old == 0);
                for at in 0..path.len() {
                    let mut damaged = path.clone();
                    damaged[at].0[0] ^= 1;
                    assert!(!consistent(old, old_root, size, root, &damaged));
                    assert!(!consistent(old, old_root, size, root, &path[..at]));
                }
            }
        }
    }
}
