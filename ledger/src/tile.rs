//! The coordinates of C2SP tlog-tiles: which tile a path names, and which hashes it holds.

use crate::record::number;
use crate::tree::Tree;

/// Hashes of a full tile, and entries of a full bundle.
pub const WIDTH: u64 = 256;
/// Levels above this hold nothing in a tree that can be counted with 64 bits.
const LEVEL_MAX: u64 = 63;

/// What a tile holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// Hashes of complete subtrees of 256^level leaves; of leaves at level 0.
    Hashes(u64),
    /// The leaves' octets, each after its length in two octets.
    Entries,
}

/// A tile, or a bundle of entries: the first `width` things of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tile {
    /// What it holds.
    pub part: Part,
    /// Its number within its level.
    pub index: u64,
    /// 1 to 256; less than 256 in a partial tile.
    pub width: u64,
}

impl Tile {
    /// Reads a path as `/tile/0/x001/234`, `/tile/2/017.p/8` or `/tile/entries/000`; only what [`Tile::path`] writes is one.
    #[must_use]
    pub fn parse(path: &str) -> Option<Self> {
        let (part, rest) = path.strip_prefix("/tile/")?.split_once('/')?;
        let part = if part == "entries" { Part::Entries } else { Part::Hashes(number(part).filter(|level| *level <= LEVEL_MAX)?) };
        let (digits, width) = match rest.split_once(".p/") {
            Some((digits, width)) => (digits, number(width).filter(|width| (1..WIDTH).contains(width))?),
            None => (rest, WIDTH),
        };
        let mut index = 0_u64;
        for group in digits.split('/') {
            let group = group.strip_prefix('x').unwrap_or(group);
            let value = group.parse::<u64>().ok().filter(|_| group.len() == 3 && group.bytes().all(|octet| octet.is_ascii_digit()))?;
            index = index.checked_mul(1000)?.checked_add(value)?;
        }
        let tile = Self { part, index, width };
        (tile.path() == path).then_some(tile)
    }

    /// The path, with a slash before it.
    #[must_use]
    pub fn path(&self) -> String {
        let mut digits = format!("{:03}", self.index % 1000);
        let mut rest = self.index / 1000;
        while rest > 0 {
            digits = format!("x{:03}/{digits}", rest % 1000);
            rest /= 1000;
        }
        let part = match self.part {
            Part::Hashes(level) => level.to_string(),
            Part::Entries => "entries".to_owned(),
        };
        let partial = if self.width == WIDTH { String::new() } else { format!(".p/{}", self.width) };
        format!("/tile/{part}/{digits}{partial}")
    }

    /// Whether nothing can be added to it.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.width == WIDTH
    }

    /// How many leaves a tree must have for this tile to be in it; `None` if none can have so many.
    #[must_use]
    pub fn needs(&self) -> Option<u64> {
        let end = self.index.checked_mul(WIDTH)?.checked_add(self.width)?;
        match self.part {
            Part::Entries => Some(end),
            Part::Hashes(level) => (0..level).try_fold(end, |end, _| end.checked_mul(WIDTH)),
        }
    }

    /// The octets of a tile of hashes; `None` for a bundle of entries, and beyond the tree.
    #[must_use]
    pub fn hashes(&self, tree: &Tree) -> Option<Vec<u8>> {
        let Part::Hashes(level) = self.part else { return None };
        self.needs().filter(|needs| *needs <= tree.size())?;
        let row = tree.tile(u32::try_from(level).ok()?, self.index, self.width)?;
        Some(row.iter().flat_map(|hash| hash.0).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::{Hash, leaf_hash};

    #[test]
    fn a_path_is_that_of_c2sp_and_names_one_tile() {
        let tile = |part, index, width| Tile { part, index, width };
        for (path, named) in [
            ("/tile/0/000", tile(Part::Hashes(0), 0, 256)),
            ("/tile/0/x001/x234/067", tile(Part::Hashes(0), 1_234_067, 256)),
            ("/tile/63/x001/234.p/8", tile(Part::Hashes(63), 1_234, 8)),
            ("/tile/entries/x001/000.p/255", tile(Part::Entries, 1000, 255)),
        ] {
            assert_eq!(Tile::parse(path), Some(named));
            assert_eq!(named.path(), path);
        }
        for wrong in [
            "/tile/0/1",
            "/tile/0/0000",
            "/tile/00/000",
            "/tile/64/000",
            "/tile/0/x000/000",
            "/tile/0/001/000",
            "/tile/0/000.p/0",
            "/tile/0/000.p/256",
            "/tile/0/000.p/08",
            "/tile/0/x001",
            "/tile/data/000",
            "/tile/0/+01",
            "/tile/0/",
            "/tile/0",
            "/tile/-1/000",
            "/tile/0/000/",
            "/tile/0/000.p/",
            "/tile/0/x99999999999999999999/000",
            "/tile/0/x018/x446/x744/x073/x709/x551/616",
        ] {
            assert_eq!(Tile::parse(wrong), None, "{wrong}");
        }
        assert_eq!(tile(Part::Hashes(2), 1, 3).needs(), Some(259 << 16));
        assert_eq!(tile(Part::Hashes(8), 0, 1).needs(), None);
    }

    #[test]
    fn a_tile_holds_the_roots_of_complete_subtrees() {
        let mut tree = Tree::default();
        (0_u32..700).for_each(|leaf| tree.push(leaf_hash(&leaf.to_be_bytes())));
        let read = |path: &str| Tile::parse(path).and_then(|tile| tile.hashes(&tree));
        let second = read("/tile/0/001").unwrap();
        assert_eq!(second.len(), 256 * 32);
        assert_eq!(second[32..64], leaf_hash(&257_u32.to_be_bytes()).0);
        let mut below = Tree::default();
        second.chunks(32).for_each(|hash| below.push(Hash(hash.try_into().unwrap())));
        assert_eq!(read("/tile/1/000.p/2").unwrap()[32..], below.root(256).unwrap().0);
        assert_eq!(read("/tile/0/002.p/188").unwrap().len(), 188 * 32);
        for beyond in ["/tile/0/002.p/189", "/tile/0/002", "/tile/1/000.p/3", "/tile/2/000.p/1", "/tile/entries/000"] {
            assert_eq!(read(beyond), None, "{beyond}");
        }
    }
}
