//! The files a mapping rests on: beside it on disk, or the unified schemas of the house; and the digest that names them all.

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Component, Path, PathBuf};

/// The largest file that a mapping may rest on.
const FILE_BYTES_MAX: u64 = 16 << 20;

/// Reads files and remembers their digests.
#[derive(Debug)]
pub(crate) struct Files {
    dir: PathBuf,
    /// What takes the place of files on the disk.
    instead: BTreeMap<String, Vec<u8>>,
    seen: RefCell<BTreeMap<String, String>>,
}

impl Files {
    pub(crate) fn new(dir: &Path) -> Self {
        Self { dir: dir.to_owned(), instead: BTreeMap::new(), seen: RefCell::default() }
    }

    /// With these octets in the place of a file beside the mapping.
    pub(crate) fn with(mut self, name: &str, octets: Vec<u8>) -> Self {
        self.instead.insert(name.to_owned(), octets);
        self
    }

    /// The octets of a file by its name relative to the mapping, or of a unified schema by its namespace.
    pub(crate) fn read(&self, name: &str) -> Result<Vec<u8>, String> {
        let octets = match unified(name) {
            Some(octets) => octets.to_vec(),
            None => self.read_beside(name)?,
        };
        self.seen.borrow_mut().insert(name.to_owned(), HEXLOWER.encode(&Sha256::digest(&octets)));
        Ok(octets)
    }

    /// Where a file beside the mapping is.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    fn read_beside(&self, name: &str) -> Result<Vec<u8>, String> {
        if let Some(octets) = self.instead.get(name) {
            return Ok(octets.clone());
        }
        if name.contains("://") {
            return Err(format!("'{name}' is an address, and nothing is fetched: bring the file, and name that"));
        }
        let path = Path::new(name);
        if !path.components().all(|part| matches!(part, Component::Normal(_))) {
            return Err(format!("'{name}' is not a file beside the mapping or below it"));
        }
        let mut octets = Vec::new();
        let file = xsd::files::open(&self.dir.join(path)).map_err(|why| format!("'{name}' cannot be read: {why}"))?;
        file.take(FILE_BYTES_MAX + 1).read_to_end(&mut octets).map_err(|why| format!("'{name}' cannot be read: {why}"))?;
        if u64::try_from(octets.len()).unwrap_or(u64::MAX) > FILE_BYTES_MAX {
            return Err(format!("'{name}' is larger than {FILE_BYTES_MAX} bytes"));
        }
        Ok(octets)
    }

    /// The text of a file beside the mapping that it does not name; `None`: there is none.
    pub(crate) fn beside(&self, name: &str) -> Option<String> {
        self.read_beside(name).ok().and_then(|octets| String::from_utf8(octets).ok())
    }

    /// The digest of every file read before, in the order of their names.
    pub(crate) fn digests(&self) -> BTreeMap<String, String> {
        self.seen.borrow().clone()
    }

    /// The digest of one file read before.
    pub(crate) fn sha256(&self, name: &str) -> Option<String> {
        self.seen.borrow().get(name).cloned()
    }

    /// SHA-256 over what `sha256sum` prints of every file read, in the order of their names.
    pub(crate) fn digest(&self) -> String {
        let mut digest = Sha256::new();
        for (name, sha256) in self.seen.borrow().iter() {
            digest.update(format!("{sha256}  {name}\n"));
        }
        HEXLOWER.encode(&digest.finalize())
    }
}

/// A unified schema by its namespace, or by its file name as the others import it.
pub(crate) fn unified(name: &str) -> Option<&'static [u8]> {
    let file = match name {
        "urn:waybill:business:1" => "business.xsd",
        "urn:waybill:metadata:1" => "metadata.xsd",
        "urn:waybill:directory:1" => "directory.xsd",
        "urn:waybill:trading:1" => "trading.xsd",
        "urn:waybill:authority:1" => "authority.xsd",
        "urn:waybill:mapping:1" => "mapping.xsd",
        "urn:waybill:common:1" => "common.xsd",
        _ => return None,
    };
    xsd::unified::document(file)
}
