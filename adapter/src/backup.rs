//! A copy of a ledger's directory while its node runs, checked by opening it; and the way back, when every node is lost.

use crate::config::{Config, Misconfigured, file};
use data_encoding::HEXLOWER;
use ledger::keys::SecretKey;
use ledger::medium::Directory;
use ledger::node::Node;
use ledger::record::Entry;
use ledger::store::Store;
use ledger::tree::Hash;
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::path::Path;

/// The copy of what is being written may be of no one moment; then it is taken again.
const TRIES: usize = 8;
/// In the form that `sha256sum --check` reads.
const SUMS: &str = "SHA256SUMS";

/// What a backup holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// Leaves, all applied again from the copy.
    pub leaves: u64,
    /// Their root.
    pub root: Hash,
    /// The checkpoint that was published last, if there was one.
    pub checkpoint: Option<String>,
    /// Octets copied.
    pub octets: u64,
}

/// Copies the ledger of `config` into the new directory `to`: its files below `ledger/`, the genesis, the last checkpoint, and the
/// SHA-256 of each. The node may run meanwhile.
///
/// # Errors
/// The directory exists, a file cannot be read or written, or no copy could be opened.
pub fn make(config: &Config, to: &Path) -> Result<Held, Misconfigured> {
    let failed = |path: &Path, error| Misconfigured::File(path.to_owned(), error);
    std::fs::create_dir(to).map_err(|error| failed(to, error))?;
    let genesis = file(&config.genesis)?;
    let copy = to.join("ledger");
    let mut last = None;
    for _ in 0..TRIES {
        if copy.exists() {
            std::fs::remove_dir_all(&copy).map_err(|error| failed(&copy, error))?;
        }
        // The node goes on without its copy, which must not vote in its place.
        let life = Some(crate::replica::now().0);
        match copied(&config.data, &copy).and_then(|octets| opened(config, &genesis, &copy, octets, life)) {
            Ok(held) => {
                crate::pki::write_public(&to.join("genesis"), &genesis)?;
                if let Some(checkpoint) = &held.checkpoint {
                    crate::pki::write_public(&to.join("checkpoint"), checkpoint.as_bytes())?;
                }
                write_sums(to)?;
                return Ok(held);
            }
            Err(error) => last = Some(error),
        }
    }
    Err(last.unwrap_or_else(|| Misconfigured::Value(String::from("nothing was copied"))))
}

/// Copies the files of a directory, and returns how many octets they had. Files that came or went meanwhile are an error.
fn copied(from: &Path, to: &Path) -> Result<u64, Misconfigured> {
    let failed = |path: &Path, error| Misconfigured::File(path.to_owned(), error);
    std::fs::create_dir(to).map_err(|error| failed(to, error))?;
    let before = names(from)?;
    let mut octets = 0;
    for name in &before {
        let (source, target) = (from.join(name), to.join(name));
        octets += std::fs::copy(&source, &target).map_err(|error| failed(&source, error))?;
        std::fs::File::open(&target).and_then(|file| file.sync_all()).map_err(|error| failed(&target, error))?;
    }
    if names(from)? == before {
        Ok(octets)
    } else {
        Err(Misconfigured::Value(format!("{}: its files change all the time: try again", from.display())))
    }
}

/// The files of a ledger's directory that say something: not the lock, not the index, which the leaves give again.
fn names(dir: &Path) -> Result<BTreeSet<String>, Misconfigured> {
    let failed = |error| Misconfigured::File(dir.to_owned(), error);
    let mut names = BTreeSet::new();
    for entry in dir.read_dir().map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let is_file = entry.file_type().map_err(failed)?.is_file();
        names.extend(entry.file_name().to_str().filter(|name| is_file && *name != "lock").map(str::to_owned));
    }
    Ok(names)
}

/// Opens the copy as the node would, which reads and applies all of it. With a life of its own it is a copy from then on, without
/// one a node's directory.
fn opened(config: &Config, genesis: &[u8], copy: &Path, octets: u64, life: Option<u64>) -> Result<Held, Misconfigured> {
    let wrong = |error: &dyn std::fmt::Display| Misconfigured::Value(format!("{}: {error}", copy.display()));
    let genesis = Entry::decode(genesis).map_err(|verdict| wrong(&verdict))?;
    let keys = config.ledger.at_rest_key.as_deref().map(crate::serve::at_rest).transpose()?;
    let founded = Hash::of(genesis.body());
    let store = Directory::open(copy).and_then(|directory| Store::open(directory, &founded, keys)).map_err(|error| wrong(&error))?;
    let key = SecretKey::from_seed(crate::pki::read_seed(&config.keys.node)?);
    let settings = ledger::node::Config::new(&config.sector, genesis, key);
    let settings = ledger::node::Config { node: config.ledger.node.unwrap_or_default(), ..settings };
    let node = Node::open(settings, store).map_err(|error| wrong(&error))?;
    let status = node.status();
    let held = Held { leaves: status.size, root: status.root, checkpoint: node.published().map(|(_, note)| note.to_owned()), octets };
    let mut store = node.into_store();
    let marked = match life {
        Some(life) => store.become_copy(life),
        None => store.become_whole(),
    };
    marked.map_err(|error| wrong(&error))?;
    drop(store);
    let lock = copy.join("lock");
    std::fs::remove_file(&lock).map_err(|error| Misconfigured::File(lock, error))?;
    Ok(held)
}

/// Puts a backup in place of a node's ledger that is lost. Only when all nodes are: they restore one and the same backup, and
/// the members agree on the next epoch. What was acknowledged after the backup is gone, and the epoch says so for ever.
///
/// # Errors
/// The node's directory holds something, the backup is of another ledger, a file of it was changed, or it cannot be opened.
pub fn restore(config: &Config, from: &Path) -> Result<Held, Misconfigured> {
    let failed = |path: &Path, error| Misconfigured::File(path.to_owned(), error);
    let occupied = config.data.exists() && config.data.read_dir().map_err(|error| failed(&config.data, error))?.next().is_some();
    if occupied {
        let sentence = format!("{} is not empty: a backup replaces nothing; move it away if every node is lost", config.data.display());
        return Err(Misconfigured::Value(sentence));
    }
    check_sums(from)?;
    let genesis = file(&from.join("genesis"))?;
    if genesis != file(&config.genesis)? {
        let sentence = format!("{} is of another ledger than {}", from.display(), config.genesis.display());
        return Err(Misconfigured::Value(sentence));
    }
    let draft = config.data.with_extension("restoring");
    if draft.exists() {
        std::fs::remove_dir_all(&draft).map_err(|error| failed(&draft, error))?;
    }
    let octets = copied(&from.join("ledger"), &draft)?;
    let held = opened(config, &genesis, &draft, octets, None)?;
    if config.data.exists() {
        std::fs::remove_dir(&config.data).map_err(|error| failed(&config.data, error))?;
    }
    std::fs::rename(&draft, &config.data).map_err(|error| failed(&config.data, error))?;
    let parent = config.data.parent().unwrap_or_else(|| Path::new("."));
    std::fs::File::open(parent).and_then(|dir| dir.sync_all()).map_err(|error| failed(parent, error))?;
    Ok(held)
}

/// Each file is what it was when the backup was made, and there is no other.
fn check_sums(from: &Path) -> Result<(), Misconfigured> {
    let sums = file(&from.join(SUMS))?;
    let sums = String::from_utf8_lossy(&sums).into_owned();
    let mut known = BTreeSet::new();
    for line in sums.lines() {
        let (sum, name) =
            line.split_once("  ").ok_or_else(|| Misconfigured::Value(format!("{}: not a line of sums: {line}", from.display())))?;
        if HEXLOWER.encode(&Sha256::digest(file(&from.join(name))?)) != sum {
            return Err(Misconfigured::Value(format!("{}: it was changed since the backup was made", from.join(name).display())));
        }
        known.insert(name.to_owned());
    }
    let there = names(&from.join("ledger"))?.into_iter().map(|name| format!("ledger/{name}"));
    match there.chain([String::from("genesis")]).find(|name| !known.contains(name)) {
        Some(name) => Err(Misconfigured::Value(format!("{}: it is not of the backup", from.join(name).display()))),
        None => Ok(()),
    }
}

fn write_sums(to: &Path) -> Result<(), Misconfigured> {
    let mut sums = String::new();
    let ledger = names(&to.join("ledger"))?.into_iter().map(|name| format!("ledger/{name}"));
    for name in ledger.chain(names(to)?) {
        sums.push_str(&format!("{}  {name}\n", HEXLOWER.encode(&Sha256::digest(file(&to.join(&name))?))));
    }
    crate::pki::write_public(&to.join(SUMS), sums.as_bytes())
}
