//! From a schema to its mapping: what `sawsdl:liftingSchemaMapping` (SAWSDL, W3C 2007, §4.2) names.

use crate::verbs::diff::schema;
use std::path::{Component, Path, PathBuf};

/// The mapping that a file stands for: itself, or if it is a schema (`*.xsd`) the one that its global elements name as the way to lift
/// their documents. Mappings stand beside the schema or below it.
///
/// # Errors
/// A schema that does not load, names no mapping or several, or one that is not beside it; as text.
pub fn mapping_of(path: &Path) -> Result<PathBuf, String> {
    if path.extension().is_none_or(|extension| extension != "xsd") {
        return Ok(path.to_owned());
    }
    let schemas = schema(path)?;
    let own = path.file_name().unwrap_or_default();
    let here = schemas.elements().filter(|element| Path::new(&*element.source().file).file_name() == Some(own));
    let mut named: Vec<&str> = here.flat_map(|element| element.lifting_mappings()).collect();
    named.sort_unstable();
    named.dedup();
    let shown = path.display();
    let location = match named.as_slice() {
        [] => {
            return Err(format!(
                "{shown}: no global element has a sawsdl:liftingSchemaMapping: name the mapping itself, or `map annotate` it"
            ));
        }
        [only] => Path::new(only),
        several => return Err(format!("{shown} names several mappings, say which: {}", several.join(", "))),
    };
    let is_address = location.to_string_lossy().contains(':');
    let beside = !is_address && location.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
    let mapping = path.with_file_name(location);
    match (beside, mapping.is_file()) {
        (true, true) => Ok(mapping),
        (true, false) => Err(format!("{shown}: sawsdl:liftingSchemaMapping names {}, which is not there", mapping.display())),
        (false, _) => {
            Err(format!("{shown}: sawsdl:liftingSchemaMapping names '{}': only a file beside the schema is followed", location.display()))
        }
    }
}
