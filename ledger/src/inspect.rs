//! A directory looked through without changing anything: every file, every octet.

use crate::archive::Damage;
use crate::at_rest::AtRest;
use crate::checkpoint::Note;
use crate::examine::Crew;
use crate::medium::{Medium, Overlay, StoreError};
use crate::segment::DRAFT;
use crate::snapshot::size_of;
use crate::store::Store;
use crate::tree::Hash;
use crate::witness::Fork;

/// How a directory was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inspection {
    /// What is not as it was written, with the ends of interrupted writes and files that are none of a store's. One flipped bit
    /// in the very last frame of the log is such an end.
    pub damage: Vec<Damage>,
    /// Leaves that are sealed, pruned ones included.
    pub sealed: u64,
    /// The first leaf that is not pruned.
    pub floor: u64,
    /// The last entry of the log.
    pub last: u64,
    /// The root of the sealed leaves; `None` if the directory cannot be opened.
    pub root: Option<Hash>,
}

/// Reads all of a store's files: frames of the log, segments, leaves, hashes, client tags, snapshot, checkpoints but for
/// their signatures, which need a policy; a crew shares what is sealed. Nothing is changed. Memory: the client tags, and a copy of each file that would have been mended.
///
/// # Errors
/// The medium cannot be read, the directory is of another ledger, or a key at rest is missing. Damage is no error.
pub fn inspect<M: Medium>(medium: M, ledger: &Hash, at_rest: Option<AtRest>, crew: &impl Crew) -> Result<Inspection, StoreError> {
    let mut found = Inspection { damage: Vec::new(), sealed: 0, floor: 0, last: 0, root: None };
    let names = medium.list()?;
    for name in &names {
        if let Some(what) = oddity(&medium, name)? {
            found.damage.push(Damage { file: name.clone(), offset: 0, bundle: None, what });
        }
    }
    let mut store = match Store::open(Overlay::new(medium), ledger, at_rest) {
        Ok(store) => store,
        Err(StoreError::Corrupt { path, offset, what }) => {
            let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            found.damage.push(Damage { file, offset, bundle: None, what });
            return Ok(found);
        }
        Err(other) => return Err(other),
    };
    for torn in store.repairs() {
        let file = torn.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let what = format!(
            "a torn frame at the end: an interrupted write, or damage of the last one, of {} octets, which the next start cuts off",
            torn.octets
        );
        found.damage.push(Damage { file, offset: torn.offset, bundle: None, what });
    }
    found.damage.extend(store.mended());
    found.damage.extend(store.archive().scrub_all(crew)?);
    // The log and the snapshot; what is sealed was read.
    found.damage.extend(store.scrub(0)?);
    found.damage.extend(store.damaged());
    let tree = store.tree();
    for (size, name) in names.iter().filter_map(|name| Some((name.strip_prefix("note_")?.parse::<u64>().ok()?, name))) {
        let noted = whole(store.note_of(size))?.and_then(|text| Note::parse(&text).ok()).map(|note| note.checkpoint.root);
        if noted.is_some() && size <= store.sealed() && noted != tree.root(size) {
            let what = "the checkpoint is not of this tree".to_owned();
            found.damage.push(Damage { file: name.clone(), offset: 0, bundle: None, what });
        }
    }
    found.damage.sort();
    found.damage.dedup();
    (found.sealed, found.floor, found.last) = (store.sealed(), store.floor(), store.last());
    found.root = tree.root(store.sealed());
    Ok(found)
}

/// Nothing for what is damaged: that was named already.
pub(crate) fn whole<T>(read: Result<Option<T>, StoreError>) -> Result<Option<T>, StoreError> {
    match read {
        Err(StoreError::Corrupt { .. }) => Ok(None),
        other => other,
    }
}

/// What is wrong with a file that opening a store does not read.
pub(crate) fn oddity<M: Medium>(medium: &M, name: &str) -> Result<Option<String>, StoreError> {
    let text = || medium.read_all(name).map(|octets| String::from_utf8(octets).unwrap_or_default());
    let known = ["wal_", "seg_"].iter().any(|prefix| name.starts_with(prefix))
        || ["tiles_0", "tiles_1", "clients", "clients_copy", "floor"].contains(&name);
    Ok(if known || size_of(name).is_some() {
        None
    } else if let Some(size) = name.strip_prefix("note_") {
        let text = text()?;
        let noted = Note::parse(&text).ok().filter(|note| note.text() == text).map(|note| note.checkpoint.size);
        (noted.is_none() || noted != size.parse().ok()).then(|| "not the checkpoint of this size".to_owned())
    } else if name.starts_with("fork_") {
        Fork::parse(&text()?).map_or(true, |fork| fork.name() != name).then(|| "not the evidence of the fork that its name says".to_owned())
    } else if name.starts_with(DRAFT) {
        Some("a file that was never finished, which the next start removes".to_owned())
    } else {
        Some("no file of a store".to_owned())
    })
}
