//! What is sealed: the same on every node, whole after any crash, found when it is damaged, and mended.
#![allow(clippy::unwrap_used, clippy::unwrap_in_result, clippy::panic, clippy::indexing_slicing, reason = "a test may fail")]

mod city;

use city::{NOW, batch, founding, genesis, log};
use ledger::archive::Damage;
use ledger::at_rest::AtRest;
use ledger::body::Request;
use ledger::checkpoint::{Checkpoint, Note, NoteSignature};
use ledger::examine::Alone;
use ledger::inspect::inspect;
use ledger::medium::{Medium, Scratch, StoreError};
use ledger::segment::{SEAL_LEAVES, bundle_of};
use ledger::snapshot::Snapshot;
use ledger::state::{Applied, State};
use ledger::store::{Batch, HardState, LogEntry, Store};
use ledger::tree::{Hash, Tree, consistent, root_of_inclusion};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, OnceLock};

/// Real leaves, enough for three segments and a tail.
fn leaves() -> &'static [Applied] {
    static LEAVES: OnceLock<Vec<Applied>> = OnceLock::new();
    LEAVES.get_or_init(|| {
        let (mut state, founding_leaf) = State::found(Request::read(genesis(3)).unwrap()).unwrap();
        let mut leaves = vec![founding_leaf];
        let batches = (0..194).map(|n| {
            let logs: Vec<_> = (n * 256..(n + 1) * 256).map(|n| log(&format!("log {n}"), "transport", Some("civil"))).collect();
            batch(&logs, &["transport", "civil"])
        });
        for entry in founding().into_iter().chain(batches) {
            let checked = state.check_one(Request::read(entry).unwrap()).unwrap();
            leaves.extend(state.apply(&checked, NOW, 0));
        }
        assert!(leaves.len() > 3 * 16_384 + 100);
        leaves
    })
}

fn ledger() -> Hash {
    Hash::of(b"g")
}

fn open<M: Medium>(medium: &M) -> Result<Store<M>, StoreError> {
    Store::open(medium.clone(), &ledger(), None)
}

/// A store and the tree of its node; each leaf is a log entry of its own.
struct Kept<M: Medium> {
    store: Store<M>,
    tree: Tree,
}

impl<M: Medium> Kept<M> {
    fn new(store: Store<M>) -> Self {
        let tree = store.tree();
        Self { store, tree }
    }

    /// Appends leaves up to `end`, sealing where it is due; the medium may fail.
    fn fill(&mut self, end: usize) -> Result<(), StoreError> {
        let from = usize::try_from(self.store.size()).unwrap();
        let mut index = self.store.last().max(from as u64);
        for leaves in leaves()[from..end].chunks(512) {
            let entries: Vec<LogEntry> =
                leaves.iter().map(|leaf| LogEntry { index: leaf.index + 1, term: 1, data: leaf.hash.0.to_vec() }).collect();
            let new: Vec<LogEntry> = entries.into_iter().filter(|entry| entry.index > index).collect();
            index = index.max(new.last().map_or(0, |entry| entry.index));
            let hard_state = Some(HardState { term: 1, vote: 1, commit: index });
            self.store.save(Batch { hard_state, entries: &new, note: None })?;
            for leaf in leaves {
                self.store.push_leaf(&leaf.client, leaf.hash, &leaf.octets);
                self.tree.push(leaf.hash);
                if self.store.due() {
                    let job = self.store.seal(self.snapshot()).unwrap();
                    self.store.adopt(job.run()?)?;
                    self.store.lean(&mut self.tree);
                }
            }
        }
        Ok(())
    }

    fn snapshot(&self) -> Snapshot {
        let size = self.store.size();
        let (raft_index, root, state) = (size, self.tree.root(size).unwrap(), size.to_be_bytes().repeat(100));
        Snapshot { raft_index, raft_term: 1, members: vec![1], skip: 0, size, root, state }
    }

    /// Everything is there and right.
    fn check(&self, from: u64) {
        let all = leaves();
        let size = self.store.size();
        let root = self.tree.root(size).unwrap();
        for index in (from..size).step_by(1999).chain([size - 1]) {
            let leaf = &all[usize::try_from(index).unwrap()];
            assert_eq!(*self.store.leaf(index).unwrap(), *leaf.octets, "{index}");
            assert_eq!(self.store.client(&leaf.client).unwrap(), Some(index));
            let path = self.tree.inclusion(index, size).unwrap();
            assert_eq!(root_of_inclusion(leaf.hash, index, size, &path), Some(root));
            let old = self.tree.root(index).unwrap();
            assert!(consistent(index, old, size, root, &self.tree.consistency(index, size).unwrap()));
        }
        for leaf in all.iter().skip(usize::try_from(size).unwrap()).step_by(101) {
            assert_eq!(self.store.client(&leaf.client).unwrap(), None);
        }
    }
}

/// A directory with so many segments and a tail.
fn sealed(segments: usize, at_rest: Option<AtRest>) -> Scratch {
    let medium = Scratch::default();
    let mut kept = Kept::new(Store::open(medium.clone(), &ledger(), at_rest).unwrap());
    kept.fill(segments * 16_384 + 100).unwrap();
    assert_eq!(kept.store.archive().segments().len(), segments);
    kept.check(0);
    medium
}

fn names(medium: &impl Medium, prefix: &str) -> Vec<String> {
    medium.list().unwrap().into_iter().filter(|name| name.starts_with(prefix)).collect()
}

#[test]
fn what_is_sealed_is_there_after_opening_again_and_the_log_forgets_it() {
    let medium = sealed(3, None);
    let mut kept = Kept::new(open(&medium).unwrap());
    assert_eq!((kept.store.sealed(), kept.store.size()), (3 * SEAL_LEAVES, 3 * SEAL_LEAVES));
    let snapshot = kept.store.snapshot().unwrap().clone();
    assert_eq!((snapshot.size, snapshot.root), (3 * SEAL_LEAVES, kept.tree.root(3 * SEAL_LEAVES).unwrap()));
    assert_eq!(kept.store.hard_state().commit, 3 * SEAL_LEAVES + 100);
    assert!(kept.store.term(kept.store.first() - 1).is_some(), "a follower can be asked about the entry before the first");
    assert!(kept.store.first() <= 2 * SEAL_LEAVES + 1, "followers two snapshots behind are served from the log");
    kept.check(0);
    kept.fill(3 * 16_384 + 300).unwrap();
    kept.check(0);
    assert_eq!((names(&medium, "snap_").len(), names(&medium, "draft_").len()), (1, 0));
}

#[test]
fn segments_are_the_same_on_every_node_however_they_lie_on_the_disk() {
    let (plain, secret) = (sealed(2, None), sealed(2, Some(AtRest::new([7; 32], Vec::new()))));
    let mut late = Kept::new(open(&Scratch::default()).unwrap());
    let mut jobs = Vec::new();
    for leaf in &leaves()[..2 * 16_384 + 50] {
        late.store.push_leaf(&leaf.client, leaf.hash, &leaf.octets);
        late.tree.push(leaf.hash);
        if late.store.due() {
            jobs.extend(late.store.seal(late.snapshot()));
        }
    }
    assert_eq!(jobs.len(), 1, "one job runs at a time");
    late.store.adopt(jobs.pop().unwrap().run().unwrap()).unwrap();
    let second = late.store.next_seal().unwrap();
    assert!(late.store.next_seal().is_none());
    late.store.adopt(second.run().unwrap()).unwrap();
    late.check(0);
    let plain = open(&plain).unwrap().archive();
    let secret = Store::open(secret, &ledger(), Some(AtRest::new([7; 32], Vec::new()))).unwrap().archive();
    assert_eq!((plain.segments(), plain.segments()), (secret.segments(), late.store.archive().segments()));
    for extent in plain.segments() {
        let logical = plain.segment(extent.first, 0..extent.length).unwrap();
        assert_eq!((Hash::of(&logical), logical.len() as u64), (plain.digest(extent.first).unwrap(), extent.length));
        assert_eq!(secret.segment(extent.first, 0..u64::MAX).unwrap(), logical);
        let part = plain.segment(extent.first, 1000..900_000).unwrap();
        assert_eq!(part, &logical[1000..900_000]);
        assert_eq!(extent.name(), format!("seg_{:012}-{:012}.sealed", extent.first, extent.end - 1));
    }
    let bundle = bundle_of(leaves()[512..768].iter().map(|leaf| leaf.octets.as_slice()));
    assert_eq!(plain.bundle(2).unwrap(), bundle);
    let tree = &late.tree;
    for (level, tile, width) in [(0, 0, 256), (0, 127, 256), (0, 5, 9), (1, 0, 128), (1, 0, 3), (2, 0, 0)] {
        let hashes: Vec<u8> = tree.tile(level, tile, width).unwrap().iter().flat_map(|hash| hash.0).collect();
        assert_eq!(plain.tile(level, tile, width).unwrap(), Some(hashes), "{level} {tile}");
    }
    for (level, tile, width) in [(0, 128, 1), (1, 0, 129), (2, 0, 1), (0, 0, 257), (9, 0, 1), (0, u64::MAX, 1)] {
        assert_eq!(plain.tile(level, tile, width).unwrap(), None, "{level} {tile}");
    }
}

#[test]
fn encrypted_files_show_nothing_and_keys_rotate() {
    let (old, new) = (AtRest::new([7; 32], Vec::new()), AtRest::new([8; 32], vec![[7; 32]]));
    let medium = sealed(2, Some(old));
    for name in names(&medium, "seg_").into_iter().chain(names(&medium, "snap_")) {
        let octets = medium.octets(&name).unwrap();
        assert!(octets.windows(4).all(|four| four != [0x28, 0xb5, 0x2f, 0xfd]), "no zstd frame in {name}");
    }
    assert!(matches!(open(&medium), Err(StoreError::Diverged(_))), "a key is needed");
    assert!(Store::open(medium.clone(), &ledger(), Some(AtRest::new([9; 32], Vec::new()))).is_err());
    let mut store = Store::open(medium.clone(), &ledger(), Some(new)).unwrap();
    assert_eq!((store.rewrap().unwrap(), store.rewrap().unwrap()), (2, 0));
    let store = Store::open(medium.clone(), &ledger(), Some(AtRest::new([8; 32], Vec::new()))).unwrap();
    Kept::new(store).check(0);
    let name = &names(&medium, "seg_")[0];
    let mut octets = medium.octets(name).unwrap();
    octets[110] ^= 1;
    medium.put(name, octets);
    let mut store = Store::open(medium.clone(), &ledger(), Some(AtRest::new([8; 32], Vec::new()))).unwrap();
    let found = store.scrub(u64::MAX).unwrap();
    assert_eq!(found.iter().map(|damage| &damage.file).collect::<Vec<_>>(), [name], "one of two copies of the key is damaged");
    let mut store = Store::open(medium, &ledger(), Some(AtRest::new([8; 32], Vec::new()))).unwrap();
    assert_eq!(store.scrub(u64::MAX).unwrap(), []);
}

#[test]
fn a_client_id_is_found_wherever_its_leaf_is() {
    let medium = sealed(1, None);
    let store = open(&medium).unwrap();
    for leaf in &leaves()[..16_384] {
        assert_eq!(store.client(&leaf.client).unwrap(), Some(leaf.index));
    }
    assert_eq!(store.client("somebody else").unwrap(), None);
    assert_eq!(store.client("").unwrap(), None);
}

#[test]
fn caches_are_made_anew() {
    let medium = sealed(2, None);
    for gone in [&["tiles_0"][..], &["tiles_1"], &["clients"], &["clients_copy"], &["tiles_0", "tiles_1", "clients", "clients_copy"]] {
        let copy = medium.fork();
        gone.iter().for_each(|name| copy.remove(name).unwrap());
        let mut store = open(&copy).unwrap();
        store.scrub(u64::MAX).unwrap();
        Kept::new(store).check(0);
        for name in gone {
            assert_eq!(copy.octets(name).map(|octets| Hash::of(&octets)), medium.octets(name).map(|octets| Hash::of(&octets)), "{name}");
        }
    }
}

#[test]
fn a_damaged_bundle_is_named_and_mended_from_a_peer() {
    let good = sealed(2, None);
    let peer = open(&good).unwrap();
    let name = names(&good, "seg_")[1].clone();
    let whole = good.octets(&name).unwrap();
    let table = whole.len() - (whole.len() - 253 - 64 * 12 - 4);
    let mut other_root = whole[..101].to_vec();
    other_root[80] ^= 1;
    let sum = crc32fast::hash(&other_root).to_be_bytes();
    let damages: [(&str, Vec<u8>, usize); 7] = [
        ("another root, with its checksum", [&other_root, sum.as_slice(), &whole[105..]].concat(), 64),
        ("a flipped bit", [&whole[..table + 70_000], &[whole[table + 70_000] ^ 1], &whole[table + 70_001..]].concat(), 1),
        ("cut off", whole[..whole.len() - 1].to_vec(), 1),
        ("half of it", whole[..whole.len() / 2].to_vec(), 25),
        ("header", [&[0], &whole[1..]].concat(), 64),
        ("table", [&whole[..300], &[whole[300] ^ 1], &whole[301..]].concat(), 64),
        ("empty", Vec::new(), 64),
    ];
    for (case, octets, least) in damages {
        let medium = good.fork();
        medium.put(&name, octets);
        let mut store = open(&medium).unwrap();
        let mut found = store.scrub(u64::MAX).unwrap();
        found.extend(store.damaged());
        assert!(found.iter().all(|damage| damage.file == name), "{case}: {found:?}");
        let bundles: BTreeSet<u64> = store.damaged().iter().filter_map(|damage| damage.bundle).collect();
        assert!(bundles.len() >= least && bundles.iter().all(|bundle| (64..128).contains(bundle)), "{case}: {bundles:?}");
        let index = bundles.first().unwrap() * 256;
        match store.leaf(index) {
            Err(StoreError::Corrupt { path, .. }) => assert_eq!(path.to_str(), Some(name.as_str()), "{case}"),
            other => panic!("{case}: {other:?}"),
        }
        assert!(store.leaf(5).is_ok() && store.tree().inclusion(index, 32_768).is_some(), "{case}: the rest is served");
        let wrong = peer.archive().bundle(3).unwrap();
        assert!(store.repair(*bundles.first().unwrap(), &wrong).is_err());
        for bundle in bundles {
            store.repair(bundle, &peer.archive().bundle(bundle).unwrap()).unwrap();
        }
        assert_eq!((store.damaged(), store.scrub(u64::MAX).unwrap()), (vec![], vec![]), "{case}");
        Kept::new(open(&medium).unwrap()).check(0);
        assert_eq!(medium.octets(&name).unwrap(), whole, "{case}");
    }
    for missing in [&names(&good, "seg_")[..1], &names(&good, "seg_")[1..], &names(&good, "seg_")[..]] {
        let medium = good.fork();
        missing.iter().for_each(|name| medium.remove(name).unwrap());
        let mut store = open(&medium).unwrap();
        assert_eq!(store.damaged().len(), 64 * missing.len());
        for damage in store.damaged().iter().rev() {
            store.repair(damage.bundle.unwrap(), &peer.archive().bundle(damage.bundle.unwrap()).unwrap()).unwrap();
        }
        assert_eq!(store.damaged(), []);
        Kept::new(open(&medium).unwrap()).check(0);
        assert_eq!(names(&medium, "seg_"), names(&good, "seg_"));
    }
}

/// Flips a bit at each place, all at once, and returns what opening and scrubbing say.
fn flipped(good: &Scratch, name: &str, places: &[usize]) -> Result<Vec<Damage>, StoreError> {
    let medium = good.fork();
    let mut octets = medium.octets(name).unwrap();
    places.iter().for_each(|at| octets[*at] ^= 0x20);
    medium.put(name, octets.clone());
    let inspected = inspect(medium.clone(), &ledger(), None, &Alone).unwrap();
    assert!(inspected.damage.iter().any(|damage| damage.file == name), "{name} {places:?}: {inspected:?}");
    assert_eq!(medium.octets(name).unwrap(), octets, "nothing is changed");
    let mut store = open(&medium)?;
    let mut found = store.mended();
    found.extend(store.damaged());
    found.extend(store.scrub(u64::MAX)?);
    Ok(found)
}

#[test]
fn every_flipped_bit_is_found_and_its_file_is_named() {
    let good = sealed(1, None);
    let mut kept = Kept::new(open(&good).unwrap());
    let root = kept.tree.root(SEAL_LEAVES).unwrap();
    let checkpoint = Checkpoint { origin: city::LEDGER.to_owned(), size: SEAL_LEAVES, root };
    let text = checkpoint.text();
    let signature = NoteSignature::sign(city::LEDGER, &city::node_key("civil"), &text);
    let note = Note { checkpoint, signatures: vec![signature] }.text();
    kept.store.put_note(SEAL_LEAVES, &note).unwrap();
    assert_eq!(kept.store.note_of(SEAL_LEAVES).unwrap(), Some(note));
    let clean = inspect(good.clone(), &ledger(), None, &Alone).unwrap();
    assert_eq!((clean.damage, clean.sealed, clean.last, clean.root), (vec![], SEAL_LEAVES, 16_484, Some(root)));
    let named = |name: &str, places: &[usize], least: usize| match flipped(&good, name, places) {
        Err(StoreError::Corrupt { path, .. }) => assert_eq!(path.to_str(), Some(name), "{places:?}"),
        Err(other) => panic!("{name} {places:?}: {other}"),
        Ok(found) => {
            let blamed = found.iter().filter(|damage| damage.file == name).count();
            assert!(blamed >= least, "{name} {places:?}: {found:?}");
        }
    };
    for name in good.list().unwrap() {
        let length = good.octets(&name).unwrap().len();
        match name.as_str() {
            // Opening does not read it.
            _ if name.starts_with("note_") => {
                let origin = city::LEDGER.len();
                for at in origin..text.len() {
                    let medium = good.fork();
                    let mut octets = medium.octets(&name).unwrap();
                    octets[at] ^= 1;
                    medium.put(&name, octets);
                    let found = inspect(medium, &ledger(), None, &Alone).unwrap().damage;
                    assert!(found.iter().any(|damage| damage.file == name), "{at}");
                }
            }
            // The last log file ends in zeros: a bit there is the end of an interrupted write, and so are those of the last frame.
            _ if name.starts_with("wal_") => {
                let used = good.octets(&name).unwrap().iter().rposition(|octet| *octet != 0).unwrap();
                let last = used.saturating_sub(6_000);
                (0..last).step_by(last / 15).for_each(|at| named(&name, &[at], 1));
            }
            _ if name.starts_with("seg_") => {
                let header = 253 + 64 * 12 + 4;
                (0..header).step_by(17).for_each(|at| named(&name, &[at], 1));
                let share = (length - header) / 64;
                for offset in [0, 1, share / 2, share - 1] {
                    let places: Vec<usize> = (0..64).map(|bundle| header + bundle * share + offset).collect();
                    named(&name, &places, 50);
                }
            }
            "tiles_0" => {
                for offset in [0, 31, 4000, 8191] {
                    named(&name, &(0..64).map(|tile| tile * 8192 + offset).collect::<Vec<_>>(), 64);
                }
            }
            "tiles_1" => (0..length).step_by(197).for_each(|at| named(&name, &[at], 1)),
            "clients" | "clients_copy" => named(&name, &[0, 65_539, 65_540, 140_000, length - 1], 4),
            _ if name.starts_with("snap_") => (0..length).step_by(23).for_each(|at| named(&name, &[at], 1)),
            other => panic!("{other} is not covered"),
        }
    }
}

#[test]
fn pruning_takes_whole_segments_and_leaves_proofs() {
    let medium = sealed(3, None);
    let mut kept = Kept::new(open(&medium).unwrap());
    assert_eq!(kept.store.prune(16_383).unwrap(), 0, "half a segment stays");
    let first = medium.octets(&names(&medium, "seg_")[0]).unwrap().len() as u64;
    assert_eq!(kept.store.prune(20_000).unwrap(), first);
    assert_eq!((kept.store.floor(), names(&medium, "seg_").len()), (SEAL_LEAVES, 2));
    assert!(kept.store.prune(u64::MAX).unwrap() > 0);
    assert_eq!((kept.store.floor(), names(&medium, "seg_").len()), (2 * SEAL_LEAVES, 1), "the last segment stays");
    assert_eq!(kept.store.prune(5).unwrap(), 0, "there is no way back");
    for mut kept in [kept, Kept::new(open(&medium).unwrap())] {
        assert!(matches!(kept.store.leaf(7), Err(StoreError::Pruned(floor)) if floor == 2 * SEAL_LEAVES));
        let leaf = &leaves()[7];
        let path = kept.tree.inclusion(7, 40_000).unwrap();
        assert_eq!(root_of_inclusion(leaf.hash, 7, 40_000, &path), kept.tree.root(40_000), "whoever has the leaf can prove it");
        assert_eq!(kept.store.client(&leaf.client).unwrap(), Some(7), "its id stays used up");
        assert!(kept.store.archive().bundle(0).is_err() && kept.store.archive().tile(0, 0, 256).unwrap().is_some());
        kept.check(2 * SEAL_LEAVES);
        assert_eq!(kept.store.scrub(u64::MAX).unwrap(), []);
    }
    let mut floor = medium.octets("floor").unwrap();
    floor[7] ^= 64;
    medium.put("floor", floor);
    assert!(matches!(open(&medium), Err(StoreError::Corrupt { .. })), "what was pruned is not guessed");
}

/// A medium that loses power: at operation `left` and from then on nothing works, and what was not synced is gone.
#[derive(Clone, Default)]
struct Power {
    state: Arc<Mutex<PowerState>>,
}

#[derive(Clone, Default)]
struct PowerState {
    left: Option<usize>,
    operations: usize,
    /// Content as read now, and as synced.
    files: Vec<(Vec<u8>, Vec<u8>)>,
    names: BTreeMap<String, usize>,
    durable: BTreeMap<String, usize>,
}

impl Power {
    fn of(medium: &Scratch) -> Self {
        let power = Self::default();
        let mut state = power.state.lock().unwrap();
        for name in medium.list().unwrap() {
            let octets = medium.octets(&name).unwrap();
            let file = state.files.len();
            state.files.push((octets.clone(), octets));
            state.names.insert(name.clone(), file);
            state.durable.insert(name, file);
        }
        drop(state);
        power
    }

    /// What is there after power came back, if nothing that was not synced has survived, or everything.
    fn after(&self, everything: bool) -> Scratch {
        let state = self.state.lock().unwrap();
        let medium = Scratch::default();
        for (name, file) in if everything { &state.names } else { &state.durable } {
            let (now, synced) = &state.files[*file];
            medium.put(name, if everything { now.clone() } else { synced.clone() });
        }
        medium
    }

    fn change<T>(&self, work: impl FnOnce(&mut PowerState) -> T) -> Result<T, StoreError> {
        let mut state = self.state.lock().unwrap();
        state.operations += 1;
        match state.left.map(|left| left.checked_sub(1)) {
            Some(None) => return Err(StoreError::Stopped),
            Some(left) => state.left = left,
            None => {}
        }
        Ok(work(&mut state))
    }
}

impl Medium for Power {
    fn list(&self) -> Result<Vec<String>, StoreError> {
        Ok(self.state.lock().unwrap().names.keys().cloned().collect())
    }

    fn length(&self, name: &str) -> Result<u64, StoreError> {
        let state = self.state.lock().unwrap();
        state.names.get(name).map(|file| state.files[*file].0.len() as u64).ok_or(StoreError::Stopped)
    }

    fn read(&self, name: &str, offset: u64, octets: &mut [u8]) -> Result<(), StoreError> {
        let state = self.state.lock().unwrap();
        let file = &state.files[*state.names.get(name).ok_or(StoreError::Stopped)?].0;
        let from = usize::try_from(offset).unwrap();
        octets.copy_from_slice(file.get(from..from + octets.len()).ok_or(StoreError::Stopped)?);
        Ok(())
    }

    fn create(&self, name: &str) -> Result<(), StoreError> {
        self.change(|state| {
            state.files.push(Default::default());
            let file = state.files.len() - 1;
            assert!(state.names.insert(name.to_owned(), file).is_none(), "{name} is there");
        })
    }

    fn write(&self, name: &str, offset: u64, octets: &[u8]) -> Result<(), StoreError> {
        self.change(|state| {
            let file = &mut state.files[state.names[name]].0;
            let from = usize::try_from(offset).unwrap();
            file.resize(file.len().max(from + octets.len()), 0);
            file[from..from + octets.len()].copy_from_slice(octets);
        })
    }

    fn truncate(&self, name: &str, length: u64) -> Result<(), StoreError> {
        self.change(|state| state.files[state.names[name]].0.resize(usize::try_from(length).unwrap(), 0))
    }

    fn sync(&self, name: &str) -> Result<(), StoreError> {
        self.change(|state| {
            let file = &mut state.files[state.names[name]];
            file.1.clone_from(&file.0);
        })
    }

    fn rename(&self, from: &str, to: &str) -> Result<(), StoreError> {
        self.change(|state| {
            let file = state.names.remove(from).unwrap();
            state.names.insert(to.to_owned(), file);
        })
    }

    fn remove(&self, name: &str) -> Result<(), StoreError> {
        self.change(|state| state.names.remove(name).map(drop).unwrap())
    }

    fn sync_names(&self) -> Result<(), StoreError> {
        self.change(|state| state.durable.clone_from(&state.names))
    }
}

/// Cuts the power at every operation of `work`, and checks what is left.
fn at_every_operation(before: &Scratch, work: impl Fn(&Power) -> Result<(), StoreError>, check: impl Fn(Scratch)) {
    let whole = Power::of(before);
    work(&whole).unwrap();
    let operations = whole.state.lock().unwrap().operations;
    assert!(operations > 5, "{operations}");
    let mut seen = BTreeSet::new();
    for left in (0..operations).rev() {
        let power = Power::of(before);
        power.state.lock().unwrap().left = Some(left);
        assert!(work(&power).is_err());
        for left in [power.after(false), power.after(true)] {
            let files: Vec<_> =
                left.list().unwrap().into_iter().map(|name| (left.octets(&name).map(|octets| Hash::of(&octets)), name)).collect();
            if seen.insert(files) {
                check(left);
            }
        }
    }
}

#[test]
fn a_crash_at_any_point_of_a_seal_loses_nothing() {
    let medium = sealed(1, None);
    let mut kept = Kept::new(open(&medium).unwrap());
    kept.fill(2 * 16_384 - 1).unwrap();
    let end = 2 * 16_384 + 10;
    let before = medium.fork();
    at_every_operation(
        &before,
        |power| {
            let mut kept = Kept::new(open(power)?);
            kept.fill(end)
        },
        |left| {
            let mut kept = Kept::new(open(&left).unwrap());
            assert_eq!(kept.store.damaged(), []);
            assert!(kept.store.last() >= 2 * SEAL_LEAVES - 1, "the log was not cut");
            kept.fill(end).unwrap();
            assert_eq!(kept.store.sealed(), 2 * SEAL_LEAVES);
            kept.check(0);
            assert_eq!(kept.store.scrub(u64::MAX).unwrap(), []);
        },
    );
}

/// The roots of the bundles, as tiles of level 1 have them.
fn roots(peer: &Store<Scratch>) -> Vec<Hash> {
    let count = peer.sealed() / 256;
    let octets = peer.archive().tile(1, 0, count).unwrap().unwrap();
    octets.as_chunks::<32>().0.iter().map(|hash| Hash(*hash)).collect()
}

#[test]
fn a_snapshot_of_another_node_is_installed_whole_or_not_at_all() {
    let peer = open(&sealed(3, None)).unwrap();
    let snapshot = peer.snapshot().unwrap().clone();
    let behind = Scratch::default();
    Kept::new(open(&behind).unwrap()).fill(16_384 + 500).unwrap();
    let store = open(&behind).unwrap();
    let mut wrong = roots(&peer);
    wrong[70].0[0] ^= 1;
    assert!(store.install(snapshot.clone(), wrong).is_err(), "roots that are not the snapshot's");
    let mut install = store.install(snapshot.clone(), roots(&peer)).unwrap();
    assert_eq!(install.wanted(3), [64, 65, 66]);
    let bundle = |number: u64| peer.archive().bundle(number).unwrap();
    assert!(install.put(64, bundle(65)).is_err(), "another bundle");
    install.put(3, bundle(3)).unwrap();
    install.put(66, bundle(66)).unwrap();
    assert_eq!(install.wanted(2), [64, 65]);
    for number in (64..150).rev() {
        install.put(number, bundle(number)).unwrap();
    }
    assert!(!install.is_whole() && install.finish().is_err());
    let left = Kept::new(open(&behind.fork()).unwrap());
    assert_eq!((left.store.sealed(), left.store.last(), left.store.snapshot().unwrap().size), (SEAL_LEAVES, 16_884, SEAL_LEAVES));
    left.check(0);
    let run = |power: &Power| {
        let mut store = open(power)?;
        let mut install = store.install(snapshot.clone(), roots(&peer))?;
        while let Some(number) = install.wanted(1).first() {
            install.put(*number, bundle(*number))?;
        }
        install.finish()?;
        store.reopen()?;
        assert_eq!((store.snapshot(), store.size()), (Some(&snapshot), 3 * SEAL_LEAVES));
        assert_eq!((store.first(), store.last(), store.hard_state().commit), (3 * SEAL_LEAVES + 1, 3 * SEAL_LEAVES, 3 * SEAL_LEAVES));
        assert_eq!((store.term(3 * SEAL_LEAVES), store.hard_state().vote), (Some(1), 1));
        let mut kept = Kept::new(store);
        kept.fill(3 * 16_384 + 200)
    };
    at_every_operation(&behind, run, |left| {
        let mut kept = Kept::new(open(&left).unwrap());
        assert!(kept.store.damaged().is_empty() && [1, 3].contains(&(kept.store.sealed() / SEAL_LEAVES)));
        kept.fill(3 * 16_384 + 200).unwrap();
        kept.check(0);
    });
}

#[test]
fn a_crash_at_any_point_of_pruning_or_mending_loses_nothing_else() {
    let medium = sealed(3, None);
    at_every_operation(
        &medium,
        |power| open(power)?.prune(2 * SEAL_LEAVES).map(drop),
        |left| {
            let store = open(&left).unwrap();
            assert_eq!(store.damaged(), [], "{:?}", left.list());
            assert_eq!(names(&left, "seg_").len() as u64, 3 - store.floor() / SEAL_LEAVES, "pruning goes on, or has not begun");
            let floor = store.floor();
            Kept::new(store).check(floor);
        },
    );
    let name = names(&medium, "seg_")[0].clone();
    let bundle = open(&medium).unwrap().archive().bundle(1).unwrap();
    let mut octets = medium.octets(&name).unwrap();
    let at = octets.len() / 40;
    octets[at] ^= 1;
    medium.put(&name, octets);
    at_every_operation(
        &medium,
        |power| open(power)?.repair(1, &bundle),
        |left| {
            let mut store = open(&left).unwrap();
            store.scrub(u64::MAX).unwrap();
            let damaged: Vec<_> = store.damaged().into_iter().map(|damage| damage.bundle).collect();
            assert!(damaged.is_empty() || damaged == [Some(1)], "{damaged:?}");
        },
    );
}
