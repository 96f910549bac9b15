//! One sector's directory: the resources it answers for, each with the way in and the way back.

use crate::diagnostic::{Diagnostic, Location, Severity};
use crate::mapping::{Mapping, Unified, has_errors};
use crate::run::Reject;
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use xsd::read::{Limits, read};
use xsd::schema::Schemas;
use xsd::tree::{Element, Node, Place, QName};
use xsd::validate::{Invalid, Valid};

const BUSINESS: &str = "urn:waybill:business:1";
const METADATA: &str = "urn:waybill:metadata:1";
/// `b:Records` holds no more (business.xsd): what a trade record can commit to.
const RECORDS_MAX: usize = 500;

/// The mappings of one sector, all checked.
#[derive(Debug)]
pub struct Sector {
    resources: BTreeMap<String, Resource>,
    warnings: Vec<Diagnostic>,
}

/// A shared resource that a legacy operation answers for.
#[derive(Debug)]
pub struct Resource {
    id: String,
    wsdl: PathBuf,
    operation: String,
    request: Mapping,
    response: Mapping,
    metadata: Valid,
    definition: Valid,
}

/// What a legacy answer became.
#[derive(Debug)]
pub struct Answer {
    /// `b:Records`: the content of the trade packet. It may hold no record: then nothing was found.
    pub records: Valid,
    /// The text of each record's `b:RecordId`, in the order of the records.
    pub ids: Vec<String>,
    /// Records that could not be made; the others stand.
    pub rejects: Vec<Reject>,
}

/// Why a request or an answer could not be mapped at all.
#[derive(Debug)]
pub enum Unmappable {
    /// The legacy answer is not of the schema that the sector declares.
    Invalid(Invalid),
    /// What was asked for makes no legacy request, or an answer whose every record was rejected.
    Rejected(Vec<Reject>),
    /// More records than one packet holds.
    TooMany(usize),
}

impl fmt::Display for Unmappable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invalid(invalid) => match invalid.violations.first() {
                Some(first) => write!(f, "not of the declared schema: {} at {}", first.rule, first.path),
                None => f.write_str("not of the declared schema"),
            },
            Self::Rejected(rejects) => match rejects.first() {
                Some(first) => write!(f, "{} rejected, the first: {first}", rejects.len()),
                None => f.write_str("nothing could be made"),
            },
            Self::TooMany(found) => write!(f, "{found} records, and a packet holds {RECORDS_MAX}"),
        }
    }
}

impl std::error::Error for Unmappable {}

impl Sector {
    /// Loads every `*.map.xml` of a directory, with `<resource>.metadata.xml` and `<resource>.definition.xml` beside them. A resource
    /// is what two mappings are bound to by `m:bind resource=`: one to the operation's input, one to its output.
    ///
    /// # Errors
    /// Everything found in all files, if there is an error among it.
    pub fn load(dir: &Path) -> Result<Self, Vec<Diagnostic>> {
        let mut found = Vec::new();
        let mut pairs: BTreeMap<String, Pair> = BTreeMap::new();
        for path in map_files(dir).map_err(|why| vec![problem("SM000", &dir.to_string_lossy(), Place::default(), why)])? {
            let checked = Mapping::check(&path);
            found.extend(checked.diagnostics);
            if let Some(mapping) = checked.mapping {
                found.extend(file_by_resource(mapping, &mut pairs));
            }
        }
        let mut resources = BTreeMap::new();
        for (id, pair) in pairs {
            match pair.into_resource(dir, &id) {
                Ok(resource) => {
                    resources.insert(id, resource);
                }
                Err(why) => found.push(why),
            }
        }
        if has_errors(&found) { Err(found) } else { Ok(Self { resources, warnings: found }) }
    }

    /// The resources, in the order of their ids.
    pub fn resources(&self) -> impl Iterator<Item = &Resource> {
        self.resources.values()
    }

    /// A resource by its id, as `transport/vehicle`.
    #[must_use]
    pub fn resource(&self, id: &str) -> Option<&Resource> {
        self.resources.get(id)
    }

    /// What the checks found that does not stop the mappings.
    #[must_use]
    pub fn warnings(&self) -> &[Diagnostic] {
        &self.warnings
    }
}

impl Resource {
    /// The id, as `transport/vehicle`.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The legacy system's WSDL.
    #[must_use]
    pub fn wsdl(&self) -> &Path {
        &self.wsdl
    }

    /// The operation of that WSDL, by its name.
    #[must_use]
    pub fn operation(&self) -> &str {
        &self.operation
    }

    /// The mapping from a selection to the legacy request; its encoding is that of the request.
    #[must_use]
    pub fn request(&self) -> &Mapping {
        &self.request
    }

    /// The mapping from the legacy answer to records: the one that trade records name.
    #[must_use]
    pub fn response(&self) -> &Mapping {
        &self.response
    }

    /// `m:Resource`, without white space between elements.
    #[must_use]
    pub fn metadata(&self) -> &Valid {
        &self.metadata
    }

    /// `b:Definition`: the fields that records have and that can be selected by, without white space between elements.
    #[must_use]
    pub fn definition(&self) -> &Valid {
        &self.definition
    }

    /// The legacy request for the records whose fields have these values.
    ///
    /// # Errors
    /// A criterion that is none, or that the legacy system does not know.
    pub fn ask<'c>(&self, criteria: impl IntoIterator<Item = (&'c str, &'c str)>) -> Result<Unified, Unmappable> {
        let mut selection = Element::new("b", QName::new(BUSINESS, "Selection")).with("resource", self.id.as_str());
        for (field, value) in criteria {
            let criterion = selection.sibling("Criterion").with("field", field).text(value);
            selection.push(criterion);
        }
        let selection = self.request.validate(selection).map_err(Unmappable::Invalid)?;
        let outcome = self.request.apply(&selection);
        match outcome.once.into_iter().next() {
            Some(request) if outcome.rejects.is_empty() => Ok(request),
            _ => Err(Unmappable::Rejected(outcome.rejects)),
        }
    }

    /// The records of a legacy answer: the child of the SOAP body, with the declarations around it that its content uses.
    ///
    /// # Errors
    /// An answer that is not of the declared schema, too many records, or not one that could be made.
    pub fn answer(&self, body: Element) -> Result<Answer, Unmappable> {
        let body = self.response.validate(body).map_err(Unmappable::Invalid)?;
        let outcome = self.response.apply(&body);
        if outcome.records.len() > RECORDS_MAX {
            return Err(Unmappable::TooMany(outcome.records.len()));
        }
        if outcome.records.is_empty() && !outcome.rejects.is_empty() {
            return Err(Unmappable::Rejected(outcome.rejects));
        }
        let mut records = Element::new("b", QName::new(BUSINESS, "Records"));
        let mut ids = Vec::new();
        for record in outcome.records {
            ids.push(record.element().first(BUSINESS, "RecordId").map(Element::string).unwrap_or_default());
            records.push(record.into_valid().into_element());
        }
        let schemas = self.response.target_schemas().ok_or_else(|| Unmappable::Rejected(Vec::new()))?;
        let records = schemas.validate(records).map_err(Unmappable::Invalid)?;
        Ok(Answer { records, ids, rejects: outcome.rejects })
    }
}

fn map_files(dir: &Path) -> Result<Vec<PathBuf>, String> {
    let entries = std::fs::read_dir(dir).map_err(|why| format!("the directory cannot be read: {why}"))?;
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.map_err(|why| format!("the directory cannot be read: {why}"))?.path();
        if path.file_name().is_some_and(|name| name.to_string_lossy().ends_with(".map.xml")) {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn problem(code: &'static str, file: &str, place: Place, text: impl Into<String>) -> Diagnostic {
    let at = Location { file: file.into(), place };
    Diagnostic { severity: Severity::Error, code, at, text: text.into(), declared: None, help: None }
}

/// The two mappings of a resource, as they turn up.
#[derive(Default)]
struct Pair {
    request: Option<Mapping>,
    response: Option<Mapping>,
}

/// Files a mapping under the resource it is bound to. A mapping without one is checked and nothing more.
fn file_by_resource(mapping: Mapping, pairs: &mut BTreeMap<String, Pair>) -> Option<Diagnostic> {
    let bind = mapping.binds().iter().find(|bind| bind.resource.is_some())?.clone();
    let pair = pairs.entry(bind.resource?).or_default();
    let place = if bind.input { &mut pair.request } else { &mut pair.response };
    let twice = place.as_ref().map(|before| {
        let text = format!("the resource has this direction already, in {}", before.file());
        problem("SM040", mapping.file(), bind.place, text)
    });
    *place = Some(mapping);
    twice
}

impl Pair {
    fn into_resource(self, dir: &Path, id: &str) -> Result<Resource, Diagnostic> {
        let (Some(request), Some(response)) = (self.request, self.response) else {
            return Err(problem(
                "SM041",
                id,
                Place::default(),
                "a resource needs a mapping of the operation's input and one of its output",
            ));
        };
        let bind = |mapping: &Mapping| mapping.binds().iter().find(|bind| bind.resource.as_deref() == Some(id)).cloned();
        let (Some(input), Some(output)) = (bind(&request), bind(&response)) else {
            return Err(problem("SM041", id, Place::default(), "a resource needs two mappings that are bound to it"));
        };
        if (&input.wsdl, &input.operation) != (&output.wsdl, &output.operation) {
            return Err(problem(
                "SM042",
                request.file(),
                input.place,
                "the two mappings of the resource are bound to different operations",
            ));
        }
        let name = id.rsplit('/').next().unwrap_or(id);
        let metadata = document(dir, &format!("{name}.metadata.xml"), METADATA, "Resource")?;
        let definition = document(dir, &format!("{name}.definition.xml"), BUSINESS, "Definition")?;
        if metadata.element().first(METADATA, "ResourceId").map(Element::string).as_deref() != Some(id) {
            return Err(problem("SM043", &format!("{name}.metadata.xml"), Place::default(), format!("this is not the metadata of {id}")));
        }
        if definition.element().attribute("", "id") != Some(id) {
            return Err(problem(
                "SM043",
                &format!("{name}.definition.xml"),
                Place::default(),
                format!("this is not the definition of {id}"),
            ));
        }
        let (wsdl, operation) = (dir.join(&output.wsdl), output.operation);
        Ok(Resource { id: id.to_owned(), wsdl, operation, request, response, metadata, definition })
    }
}

/// A document of a unified schema beside the mappings, without the white space that only sets it out.
fn document(dir: &Path, file: &str, namespace: &str, root: &str) -> Result<Valid, Diagnostic> {
    let fault = |place: Place, why: String| problem("SM044", file, place, why);
    let octets = xsd::files::read(&dir.join(file)).map_err(|why| fault(Place::default(), format!("cannot be read: {why}")))?;
    let mut element = read(&octets, None, &Limits::default()).map_err(|why| fault(why.place, why.what))?;
    if !element.name().is(namespace, root) {
        return Err(fault(element.place(), format!("the root is not '{root}' of {namespace}")));
    }
    set_in(&mut element);
    unified_schemas(namespace)?.validate(element).map_err(|invalid| match invalid.violations.first() {
        Some(first) => fault(first.place, format!("{} at {}", first.what, first.path)),
        None => fault(Place::default(), "is not valid".to_owned()),
    })
}

fn unified_schemas(namespace: &str) -> Result<Schemas, Diagnostic> {
    let fault = |why: String| problem("SM022", namespace, Place::default(), why);
    let octets = crate::files::unified(namespace).ok_or_else(|| fault("there is no such unified schema".to_owned()))?;
    let resolve = |_: &str, namespace: &str| crate::files::unified(namespace).map(<[u8]>::to_vec);
    Schemas::load(&[(namespace, octets)], &resolve)
        .map_err(|defects| fault(defects.first().map(|defect| defect.what.clone()).unwrap_or_default()))
}

fn set_in(element: &mut Element) {
    if element.elements().next().is_some() {
        element.children_mut().retain(|node| matches!(node, Node::Element(_)));
    }
    for node in element.children_mut() {
        if let Node::Element(child) = node {
            set_in(child);
        }
    }
}
