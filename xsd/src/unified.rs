//! The unified schemas: the documents beside this crate, embedded, loaded once and served as they are.

use crate::load::Defect;
use crate::schema::Schemas;

/// Every unified schema by its file name.
const DOCUMENTS: &[(&str, &[u8])] = &[
    ("authority.xsd", include_bytes!("../authority.xsd")),
    ("business.xsd", include_bytes!("../business.xsd")),
    ("common.xsd", include_bytes!("../common.xsd")),
    ("directory.xsd", include_bytes!("../directory.xsd")),
    ("ledger.xsd", include_bytes!("../ledger.xsd")),
    ("mapping.xsd", include_bytes!("../mapping.xsd")),
    ("metadata.xsd", include_bytes!("../metadata.xsd")),
    ("trading.xsd", include_bytes!("../trading.xsd")),
];

/// The unified schemas as one graph.
///
/// # Errors
/// Their defects: a test keeps them free of any.
pub fn schemas() -> Result<Schemas, Vec<Defect>> {
    Schemas::load(DOCUMENTS, &resolve)
}

/// A unified schema's document by its file name, as `trading.xsd`.
#[must_use]
pub fn document(name: &str) -> Option<&'static [u8]> {
    DOCUMENTS.iter().find(|(known, _)| *known == name).map(|(_, octets)| *octets)
}

/// The file names of the unified schemas.
pub fn names() -> impl Iterator<Item = &'static str> {
    DOCUMENTS.iter().map(|(name, _)| *name)
}

/// A resolver that knows the unified schemas only, for schemas that import them.
#[must_use]
pub fn resolve(location: &str, _namespace: &str) -> Option<Vec<u8>> {
    document(location.rsplit('/').next().unwrap_or(location)).map(<[u8]>::to_vec)
}

/// A unified schema's document by its namespace.
#[must_use]
pub fn by_namespace(namespace: &str) -> Option<&'static [u8]> {
    let name = namespace.strip_prefix("urn:waybill:")?.strip_suffix(":1")?;
    DOCUMENTS.iter().find(|(file, _)| file.strip_suffix(".xsd") == Some(name)).map(|(_, octets)| *octets)
}
