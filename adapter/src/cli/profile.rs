//! A caller's profile: which node, and with which certificate.

use crate::config::Misconfigured;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// One TOML file per person; every path in it is relative to the file.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// The adapter's address, as `https://127.0.0.1:7103`.
    pub node: String,
    /// The person's certificate, PEM.
    pub certificate: PathBuf,
    /// Its private key, PEM.
    pub key: PathBuf,
    /// The authority that vouches for the node, PEM.
    pub ca: PathBuf,
}

impl Profile {
    /// Reads `path`.
    ///
    /// # Errors
    /// The file cannot be read, is not TOML, has an unknown key or lacks one.
    pub fn load(path: &Path) -> Result<Self, Misconfigured> {
        let text = std::fs::read_to_string(path).map_err(|error| Misconfigured::File(path.to_owned(), error))?;
        let mut profile: Self = toml::from_str(&text).map_err(|error| Misconfigured::Toml(path.to_owned(), error.to_string()))?;
        let base = path.parent().unwrap_or_else(|| Path::new("."));
        for file in [&mut profile.certificate, &mut profile.key, &mut profile.ca] {
            *file = base.join(&*file);
        }
        Ok(profile)
    }
}
