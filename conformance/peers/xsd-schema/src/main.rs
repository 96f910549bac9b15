//! Judges a list of schemas and instances with the crate xsd-schema: `judge ROOT LIST` prints `name TAB valid|invalid` for each.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use xsd_schema::validation::{CollectingValidationSink, SchemaValidator, ValidationFlags, drive_quick_xml};
use xsd_schema::{SchemaSet, SchemaSetBuilder};

fn load(root: &Path, documents: &str) -> Option<SchemaSet> {
    let mut builder = SchemaSetBuilder::new();
    for document in documents.split(' ') {
        builder = builder.add("", root.join(document).to_str()?).ok()?;
    }
    Some(builder.compile().ok()?.into_schema_set())
}

fn validate(root: &Path, document: &str, schemas: &SchemaSet) -> Option<bool> {
    let octets = std::fs::read(root.join(document)).ok()?;
    let validator = SchemaValidator::new(schemas, ValidationFlags::default());
    let (mut errors, mut warnings) = (Vec::new(), Vec::new());
    let sink = CollectingValidationSink { errors: &mut errors, warnings: &mut warnings };
    let mut runtime = validator.start_run(sink);
    let read = drive_quick_xml(octets.as_slice(), &mut runtime, schemas).is_ok();
    drop(runtime);
    Some(read && errors.is_empty())
}

fn main() {
    std::panic::set_hook(Box::new(|_| {}));
    let mut arguments = std::env::args().skip(1);
    let (Some(root), Some(list)) = (arguments.next(), arguments.next()) else { return eprintln!("usage: judge ROOT LIST") };
    let list = match std::fs::read_to_string(&list) {
        Ok(list) => list,
        Err(error) => return eprintln!("{list}: {error}"),
    };
    let root = Path::new(&root);
    let (mut group, mut schemas) = (String::new(), None);
    for line in list.lines() {
        let word = |valid| if valid { "valid" } else { "invalid" };
        match line.split('\t').collect::<Vec<_>>().as_slice() {
            ["G", set, name, _, documents] => {
                (group, schemas) = (format!("{set}/{name}"), None);
                if !documents.is_empty() {
                    schemas = catch_unwind(|| load(root, documents)).ok().flatten();
                    println!("{group}\t{}", word(schemas.is_some()));
                }
            }
            ["I", name, document, _] => {
                let Some(schemas) = &schemas else { continue };
                let valid = catch_unwind(AssertUnwindSafe(|| validate(root, document, schemas))).ok().flatten();
                println!("{group}/{name}\t{}", word(valid == Some(true)));
            }
            _ => {}
        }
    }
}
