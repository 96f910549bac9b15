//! The sector's own system behind this adapter: asked in its own words, its answer turned into unified records.

use crate::client::{CallError, Client};
use crate::config::{self, Misconfigured};
use crate::fault::{Fault, Reason, Received};
use crate::soap::{self, Draft, Version};
use crate::unified::business::{Records, Selection};
use crate::unified::trading::MappingRef;
use crate::unified::{Criterion, Document};
use mappings::{Resource, Sector, Unmappable};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;
use wsdl::{Contract, SoapVersion};
use xsd::read::Limits;

/// The legacy system's resources, each with the operation that answers for it.
#[derive(Debug)]
pub struct Legacy {
    sector: Sector,
    operations: BTreeMap<String, Operation>,
    endpoint: String,
    timeout: Duration,
    reader: Limits,
}

#[derive(Clone, Debug)]
struct Operation {
    version: Version,
    soap_action: String,
    charset: String,
}

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
        let wrong = |lines: Vec<String>| Misconfigured::Value(lines.join("\n"));
        let sector = Sector::load(&config.mappings).map_err(|found| wrong(found.iter().map(ToString::to_string).collect()))?;
        for warning in sector.warnings() {
            tracing::debug!(%warning, "mapping");
        }
        let mut operations = BTreeMap::new();
        for resource in sector.resources() {
            operations.insert(resource.id().to_owned(), operation(resource)?);
        }
        let reader = Limits { document_bytes_max: 64 << 20, ..Limits::default() };
        Ok(Self { sector, operations, endpoint: config.endpoint.clone(), timeout: Duration::from_millis(config.timeout_ms), reader })
    }

    /// W13, W14: the records of a resource that fit the criteria, as unified records, and the mapping that made them.
    ///
    /// # Errors
    /// No such resource, a criterion that it does not know, a legacy system that is down, refuses, or answers what its contract
    /// does not say.
    pub async fn fetch(&self, client: &Client, id: &str, criteria: &[Criterion]) -> Result<(Records, MappingRef), Fault> {
        let unknown = || Fault::new(Reason::NoRecord, format!("no mapping here answers for {id}"));
        let (resource, operation) = self.sector.resource(id).zip(self.operations.get(id)).ok_or_else(unknown)?;
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

    async fn call(&self, client: &Client, operation: &Operation, request: xsd::tree::Element) -> Result<xsd::tree::Element, Fault> {
        let action = Some(operation.soap_action.as_str()).filter(|action| !action.is_empty());
        let envelope = Draft::new(operation.version).body(request).element();
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
        Some((port.version, operation.soap_action.clone()))
    });
    let missing = || Misconfigured::Value(format!("{}: no port has the operation {}", path.display(), resource.operation()));
    let (version, soap_action) = found.ok_or_else(missing)?;
    let version = if version == SoapVersion::Soap11 { Version::Soap11 } else { Version::Soap12 };
    let name = resource.request().encoding().unwrap_or("UTF-8");
    Ok(Operation { version, soap_action, charset: name.to_owned() })
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
