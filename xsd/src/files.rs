//! Schema documents on disk: locations are followed below the folders that were allowed, and never over a network.

use crate::load::{Defect, Level, Loaded};
use crate::schema::{Schemas, Source};
use crate::tree::Place;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Error, ErrorKind, Read};
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

/// The largest schema document.
const FILE_BYTES_MAX: u64 = 64 << 20;

/// Folders that schema documents may be in, and what was asked for elsewhere.
#[derive(Debug, Default)]
pub struct Folders {
    roots: Vec<PathBuf>,
    refused: RefCell<Vec<String>>,
    /// Where the locations that were asked for lead, and the first name of each of those.
    real: RefCell<BTreeMap<String, PathBuf>>,
    names: RefCell<BTreeMap<PathBuf, String>>,
}

impl Folders {
    /// The folders of the files themselves, and those beside them that are allowed.
    #[must_use]
    pub fn of(files: &[PathBuf], allowed: &[PathBuf]) -> Self {
        let folder = |file: &PathBuf| file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new(".")).to_owned();
        let roots = files.iter().map(folder).chain(allowed.iter().cloned());
        Self { roots: roots.filter_map(|root| std::fs::canonicalize(root).ok()).collect(), ..Self::default() }
    }

    /// Finds a document by its location, as [`crate::load::Resolver`] asks.
    pub fn find(&self, location: &str, namespace: &str) -> Option<Vec<u8>> {
        if location.is_empty() {
            return crate::unified::by_namespace(namespace).map(<[u8]>::to_vec);
        }
        let found = match location.split_once(':') {
            Some((scheme, _)) if scheme.len() > 1 => Err("nothing is fetched, neither from a network nor by a URL".to_owned()),
            _ => self.file(Path::new(location)),
        };
        match found {
            Ok(octets) => Some(octets),
            Err(why) => {
                self.refused.borrow_mut().push(format!("{location}: {why}"));
                crate::unified::by_namespace(namespace).map(<[u8]>::to_vec)
            }
        }
    }

    /// The one name of a document that has several, as `a.xsd` and `../here/a.xsd`: the first that was asked for.
    pub fn name(&self, location: &str) -> String {
        if let Some(known) = self.real.borrow().get(location).and_then(|real| self.names.borrow().get(real).cloned()) {
            return known;
        }
        let Ok(real) = std::fs::canonicalize(location) else { return location.to_owned() };
        self.real.borrow_mut().insert(location.to_owned(), real.clone());
        self.names.borrow_mut().entry(real).or_insert_with(|| location.to_owned()).clone()
    }

    fn file(&self, path: &Path) -> Result<Vec<u8>, String> {
        let known = path.to_str().and_then(|location| self.real.borrow().get(location).cloned());
        let real = known.map_or_else(|| std::fs::canonicalize(path), Ok).map_err(|error| error.to_string())?;
        if !self.roots.iter().any(|root| real.starts_with(root)) {
            return Err("outside of the schemas' folders: --root allows another".to_owned());
        }
        read(&real)
    }

    /// What was asked for and not given, each with the reason.
    #[must_use]
    pub fn refused(&self) -> Vec<String> {
        self.refused.borrow().clone()
    }
}

/// Opens a file for reading. What is none, as a FIFO, which would wait for a writer for ever, is refused by what it is.
///
/// # Errors
/// There is none, it may not be read, or it is something else.
pub fn open(path: &Path) -> std::io::Result<File> {
    let kind = std::fs::metadata(path)?.file_type();
    let other = [
        (kind.is_dir(), "a directory"),
        (kind.is_fifo(), "a FIFO"),
        (kind.is_socket(), "a socket"),
        (kind.is_char_device() || kind.is_block_device(), "a device"),
    ];
    match other.into_iter().find(|(is, _)| *is) {
        None => File::open(path),
        Some((_, what)) => Err(Error::new(ErrorKind::InvalidInput, ["this is ", what, ", not a file"].concat())),
    }
}

/// Reads a whole file that [`open`] opens, of at most 64 MiB.
///
/// # Errors
/// It cannot be opened or read, or is larger; in words.
pub fn read(path: &Path) -> Result<Vec<u8>, String> {
    let file = open(path).map_err(|error| error.to_string())?;
    // A limited reader does not say how much to expect, and is read in a dozen small steps.
    let expected = file.metadata().map_or(0, |metadata| metadata.len().min(FILE_BYTES_MAX) + 1);
    let mut octets = Vec::with_capacity(usize::try_from(expected).unwrap_or_default());
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut octets).map_err(|error| error.to_string())?;
    match u64::try_from(octets.len()) {
        Ok(..=FILE_BYTES_MAX) => Ok(octets),
        _ => Err(format!("larger than {FILE_BYTES_MAX} octets")),
    }
}

/// Loads schema files, or at [`Level::Sample`] sample documents, and what they name below their folders and those allowed.
///
/// # Errors
/// All defects that the level does not let pass; files that cannot be read are among them.
pub fn load(level: Level, files: &[PathBuf], folders: &Folders) -> Result<Loaded, Vec<Defect>> {
    let mut documents = Vec::new();
    let mut defects = Vec::new();
    for file in files {
        let name = file.to_string_lossy().into_owned();
        if folders.name(&name) != name {
            continue;
        }
        match read(file) {
            Ok(octets) => documents.push((name, octets)),
            Err(what) => {
                let source = Source { file: name.as_str().into(), place: Place::default() };
                defects.push(Defect { rule: "file", source, what, help: None });
            }
        }
    }
    if !defects.is_empty() {
        return Err(defects);
    }
    let documents: Vec<(&str, &[u8])> = documents.iter().map(|(name, octets)| (name.as_str(), octets.as_slice())).collect();
    Schemas::load_named(level, &documents, &|location, namespace| folders.find(location, namespace), &|location| folders.name(&location))
}
