//! Schema documents on disk: locations are followed below the folders that were allowed, and never over a network.

use crate::load::{Defect, Level, Loaded};
use crate::schema::{Schemas, Source};
use crate::tree::Place;
use std::cell::RefCell;
use std::io::Read;
use std::path::{Path, PathBuf};

/// The largest schema document.
const FILE_BYTES_MAX: u64 = 64 << 20;

/// Folders that schema documents may be in, and what was asked for elsewhere.
#[derive(Debug, Default)]
pub struct Folders {
    roots: Vec<PathBuf>,
    refused: RefCell<Vec<String>>,
}

impl Folders {
    /// The folders of the files themselves, and those beside them that are allowed.
    #[must_use]
    pub fn of(files: &[PathBuf], allowed: &[PathBuf]) -> Self {
        let folder = |file: &PathBuf| file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new(".")).to_owned();
        let roots = files.iter().map(folder).chain(allowed.iter().cloned());
        Self { roots: roots.filter_map(|root| std::fs::canonicalize(root).ok()).collect(), refused: RefCell::default() }
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

    fn file(&self, path: &Path) -> Result<Vec<u8>, String> {
        let real = std::fs::canonicalize(path).map_err(|error| error.to_string())?;
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

fn read(path: &Path) -> Result<Vec<u8>, String> {
    let file = std::fs::File::open(path).map_err(|error| error.to_string())?;
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
    Schemas::load_at(level, &documents, &|location, namespace| folders.find(location, namespace))
}
