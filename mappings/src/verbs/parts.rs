//! The parts of a mapping that need not be sound: its text, its rules, and those of its schemas that load.

use crate::diagnostic::{Diagnostic, Report};
use crate::document::{self, Document};
use crate::files::Files;
use crate::mapping::schemas;
use crate::verbs::wires::{Wire, wires};
use std::path::Path;
use xsd::read::{Limits, read};
use xsd::schema::Schemas;

/// A mapping as far as it can be read.
#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) text: String,
    pub(crate) document: Document,
    pub(crate) source: Option<Schemas>,
    pub(crate) targets: Vec<Option<Schemas>>,
}

impl Parts {
    /// Reads a mapping from the disk.
    pub(crate) fn load(path: &Path) -> Result<Self, Vec<Diagnostic>> {
        let file = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        Self::read(&file, &Files::new(path.parent().unwrap_or(Path::new(""))))
    }

    /// Reads a mapping; what is wrong with its rules or schemas is left to `check`.
    pub(crate) fn read(file: &str, files: &Files) -> Result<Self, Vec<Diagnostic>> {
        let mut report = Report::new(file);
        let found = Self::built(file, files, &mut report);
        found.ok_or_else(|| report.into_sorted())
    }

    fn built(file: &str, files: &Files, report: &mut Report) -> Option<Self> {
        let nowhere = xsd::tree::Place::default();
        let octets = files.read(file).map_err(|why| report.error("SM000", nowhere, why).code).ok()?;
        let text = xsd::decode::decode(&octets, None).map_err(|why| report.error("SM000", why.place, why.what).code).ok()?.into_owned();
        let root = read(&octets, None, &Limits::default()).map_err(|why| report.error("SM000", why.place, why.what).code).ok()?;
        if !root.name().is(document::LANGUAGE, "mapping") {
            report.error("SM001", root.place(), "the root is not m:mapping");
            return None;
        }
        let mut ignored = Report::new(file);
        let document = document::read(&root, &mut ignored);
        let source = schemas(&document.source, files, &mut ignored);
        let targets = document.targets.iter().map(|side| schemas(side, files, &mut ignored)).collect();
        Some(Self { text, document, source, targets })
    }

    pub(crate) fn wires(&self) -> Vec<Wire<'_, '_>> {
        let targets: Vec<Option<&Schemas>> = self.targets.iter().map(Option::as_ref).collect();
        wires(&self.document, self.source.as_ref(), &targets)
    }
}
