//! What an operator does to the directory of a stopped node: going on alone after the loss of a quorum, and pruning.

use crate::config::{Config, Misconfigured, file};
use ledger::examine::{Alone, Examination, LEVEL_MAX, examine};
use ledger::keys::SecretKey;
use ledger::medium::Directory;
use ledger::node::{Copy, Node};
use ledger::record::Entry;
use ledger::store::Store;
use ledger::tree::Hash;
use std::path::Path;

/// What pruning did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pruned {
    /// The first leaf that is there.
    pub floor: u64,
    /// Octets that are free again.
    pub freed: u64,
    /// Leaves in the archive, those included that were pruned before.
    pub archived: u64,
}

/// Opens the directory of a node that does not run.
fn open(config: &Config) -> Result<(Entry, Store<Directory>), Misconfigured> {
    let at = |error: &dyn std::fmt::Display| Misconfigured::Value(format!("{}: {error}", config.data.display()));
    if !config.data.exists() {
        return Err(at(&"there is no such directory"));
    }
    let genesis = Entry::decode(&file(&config.genesis)?);
    let genesis = genesis.map_err(|verdict| Misconfigured::Value(format!("{}: {verdict}", config.genesis.display())))?;
    let keys = config.ledger.at_rest_key.as_deref().map(crate::serve::at_rest).transpose()?;
    let store = Directory::open(&config.data).and_then(|directory| Store::open(directory, &Hash::of(genesis.body()), keys));
    Ok((genesis, store.map_err(|error| at(&error))?))
}

/// Makes the node of `config` the only one that votes: see [`Node::stand_alone`].
///
/// # Errors
/// It runs, its directory cannot be read, or it is not one to go on from.
pub fn recover(config: &Config) -> Result<Copy, Misconfigured> {
    let (genesis, mut store) = open(config)?;
    let key = SecretKey::from_seed(crate::pki::read_seed(&config.keys.node)?);
    let settings = ledger::node::Config::new(&config.sector, genesis, key);
    let settings = ledger::node::Config { node: config.ledger.node.unwrap_or_default(), ..settings };
    Node::stand_alone(settings, &mut store).map_err(|error| Misconfigured::Value(format!("{}: {error}", config.data.display())))
}

/// Copies the ledger to the new directory `archive`, verifies the copy as `waybill audit verify` does, and then removes the segments of
/// leaves below `below`. Hashes and what tells client ids apart stay.
///
/// # Errors
/// The node runs, something is damaged, the copy does not hold, or there is nothing to prune.
pub fn prune(config: &Config, below: u64, archive: &Path) -> Result<Pruned, Misconfigured> {
    let (genesis, mut store) = open(config)?;
    let at = |what: &dyn std::fmt::Display| Misconfigured::Value(format!("{}: {what}", config.data.display()));
    if let Some(damage) = store.damaged().first() {
        let what = format!(
            "{} at {}: {}: start the node, which mends it from the others, and stop it again",
            damage.file, damage.offset, damage.what
        );
        return Err(at(&what));
    }
    let segments = store.archive().segments();
    let whole = segments.split_last().map(|(_, whole)| whole).unwrap_or_default();
    if !whole.iter().any(|segment| segment.end <= below) {
        let ends: Vec<String> = whole.iter().take(3).map(|segment| segment.end.to_string()).collect();
        let what = match ends.as_slice() {
            [] => String::from("nothing can be pruned yet: it goes by whole sealed segments, and the last one stays"),
            ends => format!("no whole segment is below leaf {below}: the first ones end at {}", ends.join(", ")),
        };
        return Err(at(&what));
    }
    crate::backup::make(config, archive)?;
    let copy = archive.join("ledger");
    let medium = Directory::look(&copy).map_err(|error| at(&error))?;
    let at_rest = config.ledger.at_rest_key.as_deref().map(crate::serve::at_rest).transpose()?;
    let found =
        examine(&medium, &Examination { genesis, at_rest, level: LEVEL_MAX }, &Alone, None, &mut |_| {}).map_err(|error| at(&error))?;
    if let Some(damage) = found.damage.first() {
        let what = format!("the archive does not hold: {} at {}: {}; nothing was pruned", damage.file, damage.offset, damage.what);
        return Err(Misconfigured::Value(format!("{}: {what}", copy.display())));
    }
    let freed = store.prune(below).map_err(|error| at(&error))?;
    Ok(Pruned { floor: store.floor(), freed, archived: found.leaves })
}
