//! A disk that forgets: what was not synced is lost with the power, in part or whole, and names that were not synced too.

use std::collections::BTreeMap;

/// Octets that a disk writes whole or not at all.
const SECTOR: u64 = 512;
/// The number of the root folder.
pub const ROOT: u64 = 1;

/// A seeded source of chance (`SplitMix64`).
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    /// The same seed gives the same throws.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number below `bound`; 0 if that is 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)).checked_rem(bound).unwrap_or(0)
    }

    /// Heads or tails.
    pub fn toss(&mut self) -> bool {
        self.below(2) == 0
    }
}

#[derive(Clone, Debug)]
enum Change {
    Write { at: u64, octets: Vec<u8> },
    Length(u64),
}

/// A file as its readers see it, and as it would be after a power loss.
#[derive(Clone, Debug, Default)]
struct File {
    now: Vec<u8>,
    durable: Vec<u8>,
    pending: Vec<Change>,
}

#[derive(Clone, Debug)]
enum Rename {
    Put(String, u64),
    Take(String),
    Move(String, String),
}

#[derive(Clone, Debug, Default)]
struct Folder {
    now: BTreeMap<String, u64>,
    durable: BTreeMap<String, u64>,
    pending: Vec<Rename>,
}

#[derive(Clone, Debug)]
enum Item {
    File(File),
    Folder(Folder),
}

/// What a number stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A file of this many octets.
    File(u64),
    /// A folder.
    Folder,
}

/// A volume of files and folders, all in memory.
#[derive(Clone, Debug)]
pub struct Volume {
    items: BTreeMap<u64, Item>,
    next: u64,
    /// Whether syncing does nothing and says that it did.
    pub lying: bool,
}

impl Default for Volume {
    fn default() -> Self {
        Self { items: BTreeMap::from([(ROOT, Item::Folder(Folder::default()))]), next: ROOT + 1, lying: false }
    }
}

fn apply(file: &mut Vec<u8>, change: &Change) {
    let size = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
    match change {
        Change::Length(length) => file.resize(size(*length), 0),
        Change::Write { at, octets } => {
            let (from, end) = (size(*at), size(*at) + octets.len());
            if file.len() < end {
                file.resize(end, 0);
            }
            if let Some(place) = file.get_mut(from..end) {
                place.copy_from_slice(octets);
            }
        }
    }
}

fn rename(names: &mut BTreeMap<String, u64>, change: &Rename) {
    match change {
        Rename::Put(name, number) => drop(names.insert(name.clone(), *number)),
        Rename::Take(name) => drop(names.remove(name)),
        Rename::Move(from, to) => {
            if let Some(number) = names.remove(from) {
                names.insert(to.clone(), number);
            }
        }
    }
}

impl File {
    fn change(&mut self, change: Change) {
        apply(&mut self.now, &change);
        self.pending.push(change);
    }

    fn sync(&mut self) {
        for change in self.pending.drain(..) {
            apply(&mut self.durable, &change);
        }
    }

    /// A disk writes what waits in any order, and tears at sectors.
    fn lose(&mut self, dice: &mut Dice, keep: bool) {
        for change in std::mem::take(&mut self.pending) {
            match change {
                _ if !keep || dice.toss() => {}
                Change::Write { at, octets } if dice.toss() => self.tear(at, &octets, dice),
                whole => apply(&mut self.durable, &whole),
            }
        }
        self.now.clone_from(&self.durable);
    }

    /// Some of a write's sectors.
    fn tear(&mut self, at: u64, octets: &[u8], dice: &mut Dice) {
        let mut from = 0;
        while from < octets.len() {
            let to_sector = SECTOR - (at + from as u64) % SECTOR;
            let to = octets.len().min(from + usize::try_from(to_sector).unwrap_or(1));
            let piece = octets.get(from..to).filter(|_| dice.toss()).map(<[u8]>::to_vec);
            if let Some(octets) = piece {
                apply(&mut self.durable, &Change::Write { at: at + from as u64, octets });
            }
            from = to;
        }
    }
}

impl Folder {
    fn change(&mut self, change: Rename) {
        rename(&mut self.now, &change);
        self.pending.push(change);
    }

    fn sync(&mut self) {
        for change in self.pending.drain(..) {
            rename(&mut self.durable, &change);
        }
    }

    /// Names are journaled: a part of them from the first on is there.
    fn lose(&mut self, dice: &mut Dice, keep: bool) {
        let kept = if keep { dice.below(self.pending.len() as u64 + 1) } else { 0 };
        let kept = usize::try_from(kept).unwrap_or(0);
        for change in std::mem::take(&mut self.pending).into_iter().take(kept) {
            rename(&mut self.durable, &change);
        }
        self.now.clone_from(&self.durable);
    }
}

impl Volume {
    fn file(&mut self, number: u64) -> Option<&mut File> {
        match self.items.get_mut(&number)? {
            Item::File(file) => Some(file),
            Item::Folder(_) => None,
        }
    }

    fn folder(&mut self, number: u64) -> Option<&mut Folder> {
        match self.items.get_mut(&number)? {
            Item::Folder(folder) => Some(folder),
            Item::File(_) => None,
        }
    }

    /// What stands under a number.
    #[must_use]
    pub fn kind(&self, number: u64) -> Option<Kind> {
        Some(match self.items.get(&number)? {
            Item::File(file) => Kind::File(file.now.len() as u64),
            Item::Folder(_) => Kind::Folder,
        })
    }

    /// The number under a name.
    pub fn find(&mut self, folder: u64, name: &str) -> Option<u64> {
        self.folder(folder)?.now.get(name).copied()
    }

    /// The names of a folder.
    pub fn names(&mut self, folder: u64) -> Vec<(String, u64)> {
        let names = self.folder(folder).map(|folder| folder.now.clone()).unwrap_or_default();
        names.into_iter().collect()
    }

    /// Makes an empty file or folder; none if the name is taken or `folder` is none.
    pub fn make(&mut self, folder: u64, name: &str, is_folder: bool) -> Option<u64> {
        let number = self.next;
        let parent = self.folder(folder).filter(|parent| !parent.now.contains_key(name))?;
        parent.change(Rename::Put(name.to_owned(), number));
        self.next += 1;
        let item = if is_folder { Item::Folder(Folder::default()) } else { Item::File(File::default()) };
        self.items.insert(number, item);
        Some(number)
    }

    /// Takes a name away; the file stays for whoever has it open.
    pub fn take(&mut self, folder: u64, name: &str) -> Option<()> {
        let parent = self.folder(folder).filter(|parent| parent.now.contains_key(name))?;
        parent.change(Rename::Take(name.to_owned()));
        Some(())
    }

    /// Renames; between folders it is a put and a take.
    pub fn rename(&mut self, folder: u64, name: &str, to_folder: u64, to: &str) -> Option<()> {
        if folder == to_folder {
            let parent = self.folder(folder).filter(|parent| parent.now.contains_key(name))?;
            parent.change(Rename::Move(name.to_owned(), to.to_owned()));
            return Some(());
        }
        let number = self.find(folder, name)?;
        self.folder(to_folder)?.change(Rename::Put(to.to_owned(), number));
        self.folder(folder)?.change(Rename::Take(name.to_owned()));
        Some(())
    }

    /// Octets of a file, fewer at its end.
    pub fn read(&mut self, number: u64, at: u64, length: usize) -> Option<Vec<u8>> {
        let file = self.file(number)?;
        let from = usize::try_from(at).ok()?.min(file.now.len());
        file.now.get(from..file.now.len().min(from.saturating_add(length))).map(<[u8]>::to_vec)
    }

    /// Writes; lost with the power until it is synced.
    pub fn write(&mut self, number: u64, at: u64, octets: &[u8]) -> Option<()> {
        self.file(number)?.change(Change::Write { at, octets: octets.to_vec() });
        Some(())
    }

    /// Cuts or fills with zeros.
    pub fn resize(&mut self, number: u64, length: u64) -> Option<()> {
        self.file(number)?.change(Change::Length(length));
        Some(())
    }

    /// Makes a file's octets, or a folder's names, durable; a liar only says so.
    pub fn sync(&mut self, number: u64) {
        if self.lying {
            return;
        }
        match self.items.get_mut(&number) {
            Some(Item::File(file)) => file.sync(),
            Some(Item::Folder(folder)) => folder.sync(),
            None => {}
        }
    }

    /// The power goes: of what was not synced, nothing stays, or with `keep` what chance leaves.
    pub fn lose_power(&mut self, dice: &mut Dice, keep: bool) {
        for item in self.items.values_mut() {
            match item {
                Item::File(file) => file.lose(dice, keep),
                Item::Folder(folder) => folder.lose(dice, keep),
            }
        }
        let mut reached = vec![ROOT];
        let mut at = 0;
        while let Some(number) = reached.get(at).copied() {
            reached.extend(self.names(number).into_iter().map(|(_, number)| number));
            at += 1;
        }
        self.items.retain(|number, _| reached.contains(number));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_synced_stays_and_what_was_not_may_go() {
        let mut torn = 0;
        for seed in 0..200 {
            let (mut volume, mut dice) = (Volume::default(), Dice::new(seed));
            let file = volume.make(ROOT, "a", false).unwrap();
            volume.write(file, 0, &[1; 2000]).unwrap();
            volume.sync(file);
            volume.sync(ROOT);
            volume.write(file, 0, &[2; 2000]).unwrap();
            volume.make(ROOT, "b", false).unwrap();
            volume.rename(ROOT, "a", ROOT, "c").unwrap();
            let keep = seed % 2 == 0;
            volume.lose_power(&mut dice, keep);
            let names: Vec<String> = volume.names(ROOT).into_iter().map(|(name, _)| name).collect();
            assert!([vec!["a"], vec!["a", "b"], vec!["b", "c"]].iter().any(|held| *held == names), "{names:?}");
            let octets = volume.read(file, 0, 4000).unwrap();
            assert_eq!(octets.len(), 2000);
            let sectors: Vec<bool> = octets.chunks(512).map(|sector| sector.iter().all(|octet| *octet == sector[0])).collect();
            assert!(sectors.iter().all(|whole| *whole), "torn at sectors only");
            torn += usize::from(octets.contains(&1) && octets.contains(&2));
            assert!(keep || (names == ["a"] && !octets.contains(&2)), "without luck nothing stays");
        }
        assert!(torn > 10, "writes are torn: {torn}");
    }

    #[test]
    fn a_lying_sync_keeps_nothing() {
        let mut volume = Volume { lying: true, ..Volume::default() };
        let file = volume.make(ROOT, "a", false).unwrap();
        volume.write(file, 0, &[1; 10]).unwrap();
        volume.sync(file);
        volume.sync(ROOT);
        volume.lose_power(&mut Dice::new(1), false);
        assert!(volume.names(ROOT).is_empty() && volume.kind(file).is_none());
    }
}
