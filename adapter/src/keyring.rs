//! The record keys of this node: the one that the ledger names signs, and the next one waits in a file beside it.

use crate::config::Misconfigured;
use crate::pki;
use data_encoding::HEXLOWER;
use ledger::body::Member;
use ledger::keys::{PublicKey, SecretKey};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// This sector's record key and its successor, if there is one.
#[derive(Debug)]
pub struct Keyring {
    path: PathBuf,
    held: Mutex<Held>,
}

#[derive(Debug)]
struct Held {
    current: SecretKey,
    next: Option<SecretKey>,
    /// A key that the ledger names and this node does not hold was reported.
    strange: Option<PublicKey>,
}

impl Keyring {
    /// Reads the key in `path`, and in `path` with `.next` the one after it.
    ///
    /// # Errors
    /// A file cannot be read or is no key.
    pub fn open(path: &Path) -> Result<Self, Misconfigured> {
        let read = |path: &Path| pki::read_seed(path).map(SecretKey::from_seed);
        let next = successor(path);
        let next = if next.exists() { Some(read(&next)?) } else { None };
        Ok(Self { path: path.to_owned(), held: Mutex::new(Held { current: read(path)?, next, strange: None }) })
    }

    /// The key that signs now.
    #[must_use]
    pub fn current(&self) -> SecretKey {
        self.held().current.clone()
    }

    /// The next key; it is made, and on the disk, before anybody hears of it.
    ///
    /// # Errors
    /// The file cannot be written, or there is no randomness.
    pub fn next(&self) -> Result<SecretKey, Misconfigured> {
        let mut held = self.held();
        if let Some(next) = &held.next {
            return Ok(next.clone());
        }
        let seed = pki::seed()?;
        pki::write_secret(&successor(&self.path), HEXLOWER.encode(&seed).as_bytes())?;
        self.sync_names()?;
        let next = SecretKey::from_seed(seed);
        held.next = Some(next.clone());
        Ok(next)
    }

    /// These are the members from now on: when the ledger names the next key for this sector, that one signs, and its file takes
    /// the place of the old one. A key that nobody trusts any more is not kept.
    pub fn follow(&self, sector: &str, members: &[Member]) {
        if let Some(me) = members.iter().find(|member| member.id == sector) {
            self.named(me.record_key);
        }
    }

    /// The ledger names this key.
    pub fn named(&self, key: PublicKey) {
        let mut held = self.held();
        if held.current.public() == key {
            return;
        }
        let Some(next) = held.next.take_if(|next| next.public() == key) else {
            if held.strange != Some(key) {
                tracing::error!(ledger = %key, here = %held.current.public(), "the ledger names a record key that this node does not hold");
                held.strange = Some(key);
            }
            return;
        };
        held.current = next;
        // Should this fail, the next start finds the key where it is now, and tries again.
        match std::fs::rename(successor(&self.path), &self.path).map_err(|error| Misconfigured::File(self.path.clone(), error)) {
            Ok(()) => tracing::info!(%key, "the next record key signs from now on"),
            Err(error) => {
                tracing::error!(%error, %key, "the next record key signs from now on, but its file cannot take the old one's place")
            }
        }
        if let Err(error) = self.sync_names() {
            tracing::error!(%error, "the directory of the record key");
        }
    }

    fn sync_names(&self) -> Result<(), Misconfigured> {
        let dir = self.path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
        let synced = std::fs::File::open(dir).and_then(|dir| dir.sync_all());
        synced.map_err(|error| Misconfigured::File(dir.to_owned(), error))
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn successor(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".next");
    name.into()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail")]
mod tests {
    use super::*;

    #[test]
    fn the_next_key_takes_over_when_the_ledger_names_it_and_not_before() {
        let dir = std::env::temp_dir().join(format!("waybill-keyring-{}", uuid::Uuid::new_v4()));
        std::fs::create_dir(&dir).unwrap();
        let path = dir.join("record.key");
        let first = SecretKey::from_seed([1; 32]).public();
        pki::write_secret(&path, HEXLOWER.encode(&[1; 32]).as_bytes()).unwrap();
        let ring = Keyring::open(&path).unwrap();
        let next = ring.next().unwrap().public();
        assert_ne!(next, first);
        assert_eq!(Keyring::open(&path).unwrap().next().unwrap().public(), next, "it survives a restart");
        ring.named(first);
        ring.named(SecretKey::from_seed([9; 32]).public());
        assert_eq!(ring.current().public(), first, "a key that is not here cannot sign");
        ring.named(next);
        assert_eq!(ring.current().public(), next);
        assert!(!successor(&path).exists());
        let again = Keyring::open(&path).unwrap();
        assert_eq!(again.current().public(), next);
        assert_ne!(again.next().unwrap().public(), next, "and there is a next one again");
        std::fs::remove_dir_all(&dir).unwrap();
    }
}
