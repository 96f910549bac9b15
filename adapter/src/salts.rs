//! The salts of this sector's trades: with one, a value can be compared with its commitment on the ledger; without it, never again.

use crate::config::{Misconfigured, file};
use crate::unified::Criterion;
use data_encoding::HEXLOWER;
use openssl::rand::rand_bytes;
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Makes the tags of persons: whoever takes the files without it cannot look for a number in them.
const KEY: &str = "key";
const SUFFIX: &str = "salt";

/// A directory beside the ledger's, of this sector alone: one file a trade. No copy of it belongs into a backup of the ledger.
#[derive(Clone, Debug)]
pub struct Salts {
    dir: PathBuf,
    key: [u8; 32],
}

/// What is kept of one trade.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// Of the commitment to what was asked for.
    pub selection: Option<[u8; 16]>,
    /// Of the commitments to the records and to the packet.
    pub content: Option<[u8; 16]>,
    subjects: BTreeSet<String>,
}

impl Salts {
    /// Opens or makes the store.
    ///
    /// # Errors
    /// The directory or its key cannot be made or read.
    pub fn open(dir: &Path) -> Result<Self, Misconfigured> {
        std::fs::create_dir_all(dir).map_err(|error| failed(dir, error))?;
        let path = dir.join(KEY);
        if !path.exists() {
            let mut key = [0; 32];
            rand_bytes(&mut key).map_err(|error| Misconfigured::Value(format!("no randomness: {error}")))?;
            crate::pki::write_secret(&path, HEXLOWER.encode(&key).as_bytes())?;
        }
        Ok(Self { dir: dir.to_owned(), key: crate::pki::read_seed(&path)? })
    }

    /// Keeps salts of a trade, and by which criteria it was asked for. They are not synced: after a power loss the newest may be gone,
    /// as if they had been erased.
    ///
    /// # Errors
    /// The id is none, or the file cannot be written.
    pub fn keep(&self, trade: &str, salts: Kept, criteria: &[Criterion]) -> Result<(), Misconfigured> {
        let mut kept = self.of(trade)?.unwrap_or_default();
        kept.selection = salts.selection.or(kept.selection);
        kept.content = salts.content.or(kept.content);
        kept.subjects.extend(criteria.iter().map(|criterion| self.tag(&criterion.field, &criterion.value)));
        let path = self.path(trade)?;
        let new = path.with_extension("new");
        let mut options = OpenOptions::new();
        let file = options.write(true).create(true).truncate(true).mode(0o600).open(&new);
        let written = file.and_then(|mut file| file.write_all(kept.text().as_bytes())).and_then(|()| std::fs::rename(&new, &path));
        written.map_err(|error| failed(&path, error))
    }

    /// What is kept of a trade; nothing if it was erased or is not this sector's.
    ///
    /// # Errors
    /// The id is none, or the file cannot be read.
    pub fn of(&self, trade: &str) -> Result<Option<Kept>, Misconfigured> {
        let path = self.path(trade)?;
        if !path.exists() {
            return Ok(None);
        }
        let text = String::from_utf8_lossy(&file(&path)?).into_owned();
        let damaged = || Misconfigured::Value(format!("{}: not what this program wrote", path.display()));
        Kept::read(&text).map(Some).ok_or_else(damaged)
    }

    /// The trades of which salts are kept; of one person's, if a criterion is given by which that person was asked for.
    ///
    /// # Errors
    /// The directory cannot be read.
    pub fn trades(&self, subject: Option<(&str, &str)>) -> Result<Vec<String>, Misconfigured> {
        let tag = subject.map(|(field, value)| self.tag(field, value));
        let mut trades = Vec::new();
        for entry in self.dir.read_dir().map_err(|error| failed(&self.dir, error))? {
            let name = entry.map_err(|error| failed(&self.dir, error))?.file_name();
            let trade = name.to_str().and_then(|name| name.strip_suffix(SUFFIX)?.strip_suffix('.'));
            let Some(trade) = trade else { continue };
            let of_subject = match &tag {
                Some(tag) => self.of(trade)?.is_some_and(|kept| kept.subjects.contains(tag)),
                None => true,
            };
            if of_subject {
                trades.push(trade.to_owned());
            }
        }
        trades.sort();
        Ok(trades)
    }

    /// Erases what is kept of a trade, and returns when the disk has done so. False if there was nothing. The record stays on the ledger,
    /// and every proof of it holds.
    ///
    /// # Errors
    /// The id is none, or the file cannot be removed.
    pub fn erase(&self, trade: &str) -> Result<bool, Misconfigured> {
        let path = self.path(trade)?;
        if !path.exists() {
            return Ok(false);
        }
        let erased = OpenOptions::new().write(true).open(&path).and_then(|mut file| {
            let length = usize::try_from(file.metadata()?.len()).unwrap_or(0);
            file.write_all(&vec![0; length])?;
            file.sync_all()?;
            std::fs::remove_file(&path)?;
            File::open(&self.dir)?.sync_all()
        });
        erased.map(|()| true).map_err(|error| failed(&path, error))
    }

    fn tag(&self, field: &str, value: &str) -> String {
        let mut hash = Sha256::new();
        hash.update(self.key);
        hash.update((field.len() as u64).to_be_bytes());
        hash.update(field);
        hash.update(value);
        HEXLOWER.encode(&hash.finalize())
    }

    fn path(&self, trade: &str) -> Result<PathBuf, Misconfigured> {
        let plain = !trade.is_empty() && trade.len() <= 100 && trade.bytes().all(|octet| octet.is_ascii_alphanumeric() || octet == b'-');
        if plain {
            Ok(self.dir.join(format!("{trade}.{SUFFIX}")))
        } else {
            Err(Misconfigured::Value(format!("'{trade}' is no trade's id")))
        }
    }
}

fn failed(path: &Path, error: std::io::Error) -> Misconfigured {
    Misconfigured::File(path.to_owned(), error)
}

impl Kept {
    /// Salts of the two commitments, as far as they are known.
    #[must_use]
    pub fn new(selection: Option<[u8; 16]>, content: Option<[u8; 16]>) -> Self {
        Self { selection, content, subjects: BTreeSet::new() }
    }

    fn text(&self) -> String {
        let salt =
            |name: &str, salt: &Option<[u8; 16]>| salt.map(|salt| format!("{name} {}\n", HEXLOWER.encode(&salt))).unwrap_or_default();
        let subjects = self.subjects.iter().map(|tag| format!("subject {tag}\n"));
        [salt("selection", &self.selection), salt("content", &self.content)].into_iter().chain(subjects).collect()
    }

    fn read(text: &str) -> Option<Self> {
        let mut kept = Self::default();
        for line in text.lines() {
            let (name, value) = line.split_once(' ')?;
            match name {
                "selection" => kept.selection = Some(crate::trade::unsalted(value)?),
                "content" => kept.content = Some(crate::trade::unsalted(value)?),
                "subject" => _ = kept.subjects.insert(value.to_owned()),
                _ => return None,
            }
        }
        (kept.text() == text).then_some(kept)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trade::commitment;

    #[test]
    fn what_is_erased_can_no_longer_be_compared() {
        let dir = std::env::temp_dir().join(format!("waybill-salts-{}", std::process::id()));
        drop(std::fs::remove_dir_all(&dir));
        let salts = Salts::open(&dir).unwrap();
        let of = |value: &str| vec![Criterion { field: "owner-id".to_owned(), value: value.to_owned() }];
        let on_ledger = commitment(&[2; 16], b"plate");
        salts.keep("t-1", Kept { selection: Some([1; 16]), ..Kept::default() }, &of("310")).unwrap();
        salts.keep("t-1", Kept { content: Some([2; 16]), ..Kept::default() }, &[]).unwrap();
        salts.keep("t-2", Kept { content: Some([3; 16]), ..Kept::default() }, &of("311")).unwrap();
        let salts = Salts::open(&dir).unwrap();
        let kept = salts.of("t-1").unwrap().unwrap();
        assert_eq!((kept.selection, kept.content), (Some([1; 16]), Some([2; 16])));
        assert_eq!(commitment(&kept.content.unwrap(), b"plate"), on_ledger);
        assert_eq!(salts.trades(None).unwrap(), ["t-1", "t-2"]);
        assert_eq!(salts.trades(Some(("owner-id", "310"))).unwrap(), ["t-1"]);
        assert_eq!(salts.trades(Some(("patient-id", "310"))).unwrap(), Vec::<String>::new());
        let text = std::fs::read_to_string(dir.join("t-1.salt")).unwrap();
        assert!(!text.contains("310"), "a person's number does not stand there: {text}");
        assert!(salts.erase("t-1").unwrap());
        assert_eq!(salts.of("t-1").unwrap(), None);
        assert!(!salts.erase("t-1").unwrap());
        assert_eq!(salts.trades(None).unwrap(), ["t-2"]);
        std::fs::write(dir.join("t-2.salt"), "content 00\n").unwrap();
        assert!(salts.of("t-2").is_err());
        for wrong in ["", "../key", "a/b", "key.salt"] {
            assert!(salts.of(wrong).is_err(), "{wrong}");
        }
        std::fs::remove_dir_all(&dir).unwrap();
    }
}
