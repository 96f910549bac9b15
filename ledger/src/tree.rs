//! The Merkle tree of RFC 6962 §2.1: append, root at any size, inclusion and consistency proofs, and their verification.

use data_encoding::{BASE64, HEXLOWER};
use sha2::{Digest, Sha256};
use std::fmt;

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

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&HEXLOWER.encode(&self.0))
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

/// A log of leaf hashes with the hashes of all complete subtrees: 64 octets of memory a leaf.
#[derive(Clone, Debug, Default)]
pub struct Tree {
    /// `levels[k][i]` is the root of leaves `i << k` to `(i + 1) << k`.
    levels: Vec<Vec<Hash>>,
}

impl Tree {
    /// How many leaves there are.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.levels.first().map_or(0, |leaves| leaves.len() as u64)
    }

    /// Appends a leaf by its hash.
    pub fn push(&mut self, leaf: Hash) {
        let mut hash = leaf;
        for level in 0.. {
            if self.levels.len() == level {
                self.levels.push(Vec::new());
            }
            let Some(row) = self.levels.get_mut(level) else { return };
            row.push(hash);
            let [.., left, right] = row.as_slice() else { return };
            if row.len() % 2 == 1 {
                return;
            }
            hash = node_hash(left, right);
        }
    }

    /// The hash of leaf `index`.
    #[must_use]
    pub fn leaf(&self, index: u64) -> Option<Hash> {
        self.levels.first()?.get(usize::try_from(index).ok()?).copied()
    }

    /// The hashes of a C2SP tile: `width` of them, at most 256, from number `256 × tile` on at level `8 × level`. `None` beyond
    /// the tree.
    #[must_use]
    pub fn tile(&self, level: u32, tile: u64, width: u64) -> Option<Vec<Hash>> {
        let row = self.levels.get(usize::try_from(level.checked_mul(8)?).ok()?)?;
        let from = usize::try_from(tile.checked_mul(256)?).ok()?;
        row.get(from..from.checked_add(usize::try_from(width).ok()?)?).map(<[Hash]>::to_vec)
    }

    /// MTH(D[0:size]); of the empty tree it is SHA-256 of nothing. `None` beyond the tree.
    #[must_use]
    pub fn root(&self, size: u64) -> Option<Hash> {
        if size == 0 { Some(Hash::of(&[])) } else { self.range(0, size) }
    }

    /// PATH(index, D[0:size]), from the leaf's sibling up. `None` unless index < size ≤ the tree's size.
    #[must_use]
    pub fn inclusion(&self, index: u64, size: u64) -> Option<Vec<Hash>> {
        if index >= size || size > self.size() {
            return None;
        }
        let mut path = Vec::new();
        let (mut from, mut to) = (0, size);
        while to - from > 1 {
            let middle = from + split(to - from);
            if index < middle {
                path.push(self.range(middle, to)?);
                to = middle;
            } else {
                path.push(self.range(from, middle)?);
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
        let mut path = Vec::new();
        if old == 0 || old == new {
            return Some(path);
        }
        let (mut from, mut to) = (0, new);
        let mut whole = true;
        while old != to {
            let middle = from + split(to - from);
            if old <= middle {
                path.push(self.range(middle, to)?);
                to = middle;
            } else {
                path.push(self.range(from, middle)?);
                from = middle;
                whole = false;
            }
        }
        if !whole {
            path.push(self.range(from, to)?);
        }
        path.reverse();
        Some(path)
    }

    /// The root of leaves `from` to `to`; `from` is a multiple of the largest power of two not above the length.
    fn range(&self, from: u64, to: u64) -> Option<Hash> {
        let mut root: Option<Hash> = None;
        let mut end = to;
        while end > from {
            let level = (end.trailing_zeros()).min((end - from).ilog2());
            let start = end - (1 << level);
            let subtree = self.levels.get(usize::try_from(level).ok()?)?.get(usize::try_from(start >> level).ok()?)?;
            root = Some(root.map_or(*subtree, |right| node_hash(subtree, &right)));
            end = start;
        }
        root
    }
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
