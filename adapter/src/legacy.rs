//! The sector's own system behind this adapter: asked in its own words, its answer turned into unified records.

use crate::client::{CallError, Client};
use crate::config::{self, Misconfigured};
use crate::fault::{Fault, Reason, Received};
use crate::soap::{self, Draft, Version};
use crate::unified::business::{Records, Selection};
use crate::unified::trading::MappingRef;
use crate::unified::{Criterion, Document};
use mappings::{Change, Live, Resource, Sector, Unmappable};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;
use wsdl::{Contract, SoapVersion};
use xsd::read::Limits;
use xsd::tree::{Element, Node, QName};

/// The legacy system's resources, each with the operation that answers for it.
#[derive(Debug)]
pub struct Legacy {
    live: Live<Mapped>,
    endpoint: String,
    timeout: Duration,
    reader: Limits,
}

/// The mappings, and for each resource the operation that it is bound to.
#[derive(Debug)]
struct Mapped {
    sector: Sector,
    operations: BTreeMap<String, Operation>,
}

#[derive(Clone, Debug)]
struct Operation {
    version: Version,
    soap_action: String,
    charset: String,
    /// The header entries that the contract asks for.
    headers: Vec<Element>,
}

/// The file beside the mappings that holds the header entries of requests, in an element of any name.
const HEADERS: &str = "headers.xml";
/// A text in it that becomes a fresh UUID with each request.
const FRESH: &str = "{uuid}";

/// The selection that a request stands for: what an order commits to, in one form on both sides.
#[must_use]
pub fn selection(resource: &str, criteria: &[Criterion]) -> Selection {
    Selection { resource: resource.to_owned(), criteria: criteria.to_vec() }
}

impl Legacy {
    /// Loads the mappings of a sector and the contract of its legacy system.
    ///
    /// # Errors
    /// Every mapping error, located; a contract that does not hold together or lacks the bound operation.
    pub fn load(config: &config::Legacy) -> Result<Self, Misconfigured> {
        let live = Live::load(&config.mappings, mapped).map_err(|why| Misconfigured::Value(why.join("\n")))?;
        for warning in live.current().sector.warnings() {
            tracing::debug!(%warning, "mapping");
        }
        let reader = Limits { document_bytes_max: 64 << 20, ..Limits::default() };
        Ok(Self { live, endpoint: config.endpoint.clone(), timeout: Duration::from_millis(config.timeout_ms), reader })
    }

    /// Takes up mappings that changed on the disk and check clean; says in the log what was taken and what was refused. Calls that have
    /// begun go on with the mappings that they began with.
    pub fn refresh(&self) {
        match self.live.refresh() {
            Change::None => {}
            Change::Taken(mappings) => {
                for (id, sha256) in mappings {
                    tracing::info!(mapping = id, sha256, "mapping in force");
                }
            }
            Change::Refused(why) => {
                let first: Vec<&str> = why.iter().take(REFUSALS_SHOWN).map(String::as_str).collect();
                tracing::warn!(findings = why.len(), first = first.join("; "), "changed mappings refused, the old ones stay in force");
            }
        }
    }

    /// W13, W14: the records of a resource that fit the criteria, as unified records, and the mapping that made them.
    ///
    /// # Errors
    /// No such resource, a criterion that it does not know, a legacy system that is down, refuses, or answers what its contract
    /// does not say.
    pub async fn fetch(&self, client: &Client, id: &str, criteria: &[Criterion]) -> Result<(Records, MappingRef), Fault> {
        let unknown = || Fault::new(Reason::NoRecord, format!("no mapping here answers for {id}"));
        let mapped = self.live.current();
        let (resource, operation) = mapped.sector.resource(id).zip(mapped.operations.get(id)).ok_or_else(unknown)?;
        let asked = resource.ask(criteria.iter().map(|criterion| (criterion.field.as_str(), criterion.value.as_str())));
        let request = asked.map_err(|unmappable| Fault::new(Reason::Unmapped, format!("{id} cannot be asked for that: {unmappable}")))?;
        let body = self.call(client, operation, request.element().clone()).await?;
        let answer = resource.answer(body).map_err(|unmappable| answer_fault(id, &unmappable))?;
        if !answer.rejects.is_empty() {
            tracing::warn!(resource = id, rejected = answer.rejects.len(), first = ?answer.rejects.first().map(|reject| reject.code), "records rejected");
        }
        let records = Records::of(answer.records.element()).map_err(|unreadable| Fault::new(Reason::Internal, unreadable.to_string()))?;
        let made_by = resource.response();
        let mapping =
            MappingRef { id: made_by.id().to_owned(), version: made_by.version().to_owned(), sha256: made_by.sha256().to_owned() };
        Ok((records, mapping))
    }

    async fn call(&self, client: &Client, operation: &Operation, request: Element) -> Result<Element, Fault> {
        let action = Some(operation.soap_action.as_str()).filter(|action| !action.is_empty());
        let draft = operation.headers.iter().cloned().fold(Draft::new(operation.version), |draft, mut block| {
            refresh(&mut block);
            draft.header(block)
        });
        let envelope = draft.body(request).element();
        let unsayable = |error: xsd::read::Malformed| {
            Fault::new(Reason::Unmapped, format!("the request cannot be said in the legacy system's encoding: {error}"))
        };
        let octets = xsd::write::encoded(&envelope, &operation.charset).map_err(unsayable)?;
        let content_type = operation.version.content_type(action).replace("utf-8", &operation.charset);
        let quoted = format!("\"{}\"", operation.soap_action);
        let mut headers = vec![("content-type", content_type.as_str())];
        if operation.version == Version::Soap11 {
            headers.push(("soapaction", &quoted));
        }
        let reply = client.post(&self.endpoint, &headers, octets, self.timeout).await.map_err(|error| unreachable(&error))?;
        let rubbish = |what: &str| {
            Fault::new(Reason::LegacyAnswer, format!("the legacy system answered HTTP {} with no envelope: {what}", reply.status))
        };
        let envelope = soap::parse(&reply.body, reply.header("content-type").unwrap_or("text/xml"), None, &self.reader);
        let envelope = envelope.map_err(|refused| rubbish(refused.fault.sentence()))?;
        let mut body = envelope.body().cloned().ok_or_else(|| rubbish("no Body"))?;
        if Received::read(&body).is_some() {
            // Its words may hold anything about anybody; they stay in the sector.
            return Err(Fault::new(Reason::LegacyAnswer, "the legacy system answered with a fault of its own"));
        }
        soap::inherit(&mut body, envelope.root().namespaces());
        soap::payload(body).map_err(|fault| rubbish(fault.sentence()))
    }
}

/// Findings of refused mappings that the log shows.
const REFUSALS_SHOWN: usize = 5;
/// How often the mappings' directory is looked at.
const REFRESH_MS: u64 = 2_000;

/// Looks after the mappings until it is aborted.
pub async fn follow(site: std::sync::Arc<crate::site::Site>) {
    while site.legacy.is_some() {
        tokio::time::sleep(Duration::from_millis(REFRESH_MS)).await;
        let site = std::sync::Arc::clone(&site);
        let looked = tokio::task::spawn_blocking(move || site.legacy.iter().for_each(Legacy::refresh)).await;
        if let Err(error) = looked {
            tracing::error!(%error, "the mappings could not be looked at");
        }
    }
}

fn mapped(sector: Sector) -> Result<Mapped, Vec<String>> {
    let mut operations = BTreeMap::new();
    for resource in sector.resources() {
        operations.insert(resource.id().to_owned(), operation(resource).map_err(|wrong| vec![wrong.to_string()])?);
    }
    Ok(Mapped { sector, operations })
}

fn operation(resource: &Resource) -> Result<Operation, Misconfigured> {
    let path = resource.wsdl();
    let beside = |location: &str| {
        let file = path.parent().unwrap_or(Path::new("")).join(location);
        std::fs::read(file).ok().filter(|_| !location.contains(".."))
    };
    let contract = Contract::read(&path.display().to_string(), &config::file(path)?, &beside)
        .map_err(|defects| Misconfigured::Value(defects.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")))?;
    let found = contract.ports().find_map(|port| {
        let operation = port.operations.iter().find(|operation| operation.name == resource.operation())?;
        Some((port.version, operation.soap_action.clone(), operation.input_headers.clone()))
    });
    let missing = || Misconfigured::Value(format!("{}: no port has the operation {}", path.display(), resource.operation()));
    let (version, soap_action, asked) = found.ok_or_else(missing)?;
    let version = if version == SoapVersion::Soap11 { Version::Soap11 } else { Version::Soap12 };
    let name = resource.request().encoding().unwrap_or("UTF-8");
    let headers = headers(&path.with_file_name(HEADERS), &asked)?;
    Ok(Operation { version, soap_action, charset: name.to_owned(), headers })
}

/// The header entries of these names, with the declarations around them that their content uses.
fn headers(path: &Path, asked: &[QName]) -> Result<Vec<Element>, Misconfigured> {
    if asked.is_empty() {
        return Ok(Vec::new());
    }
    let wrong = |what: String| Misconfigured::Value(format!("{}: {what}", path.display()));
    let octets = config::file(path).map_err(|_absent| {
        wrong(format!("the contract asks for header entries: write {} into this file, in one element", listed(asked)))
    })?;
    let root = xsd::read::read(&octets, None, &Limits::default()).map_err(|malformed| wrong(malformed.to_string()))?;
    let mut found = Vec::new();
    for name in asked {
        let block = root.elements().find(|block| block.name() == name).cloned();
        let mut block = block.ok_or_else(|| wrong(format!("there is no header entry {name}, which the contract asks for")))?;
        soap::inherit(&mut block, root.namespaces());
        found.push(block);
    }
    Ok(found)
}

fn listed(names: &[QName]) -> String {
    names.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn refresh(block: &mut Element) {
    for node in block.children_mut() {
        match node {
            Node::Element(child) => refresh(child),
            Node::Text(text) if text.trim() == FRESH => *text = uuid::Uuid::new_v4().to_string(),
            _ => {}
        }
    }
}

fn unreachable(error: &CallError) -> Fault {
    let reason =
        if matches!(error, CallError::TooLarge | CallError::Protocol(_)) { Reason::LegacyAnswer } else { Reason::LegacyUnavailable };
    Fault::new(reason, format!("the legacy system does not answer: {error}"))
}

fn answer_fault(id: &str, unmappable: &Unmappable) -> Fault {
    let (reason, what) = match unmappable {
        Unmappable::TooMany(_) => (Reason::Unmapped, "too many records fit, ask for fewer"),
        Unmappable::Invalid(_) | Unmappable::Rejected(_) => {
            (Reason::LegacyAnswer, "the legacy system's answer is not what its contract says")
        }
    };
    Fault::new(reason, format!("{id}: {what}: {unmappable}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_entries_come_from_the_file_beside_the_mappings() {
        let folder = std::env::temp_dir().join(format!("waybill-headers-{}", uuid::Uuid::new_v4()));
        std::fs::create_dir_all(&folder).expect("a folder");
        let path = folder.join(HEADERS);
        let names = [QName::new("urn:h", "id"), QName::new("urn:h", "client")];
        let refused = |piece: &str| {
            let why = headers(&path, &names).expect_err("refused").to_string();
            assert!(why.contains(piece), "{why}");
        };
        assert!(headers(&path, &[]).is_ok_and(|none| none.is_empty()), "a contract without headers needs no file");
        refused("asks for header entries: write {urn:h}id, {urn:h}client into this file");
        std::fs::write(&path, "<headers xmlns:h='urn:h'><h:id>{uuid}</h:id></headers>").expect("written");
        refused("there is no header entry {urn:h}client");
        let whole = "<headers xmlns:h='urn:h'><h:client><code>70</code></h:client><h:other/><h:id>{uuid}</h:id></headers>";
        std::fs::write(&path, whole).expect("written");
        let found = headers(&path, &names).expect("both are there");
        let sent = || {
            let mut block = found.first().cloned().expect("the id");
            refresh(&mut block);
            block.string()
        };
        let (first, second) = (sent(), sent());
        assert!(first.len() == 36 && second.len() == 36 && first != second, "{first} {second}");
        let client = found.get(1).map(|client| String::from_utf8(xsd::write::canonical(client, &[], &[])).expect("text"));
        assert_eq!(client.as_deref(), Some("<h:client xmlns:h=\"urn:h\"><code>70</code></h:client>"));
        std::fs::remove_dir_all(&folder).expect("removed");
    }
}
