//! A person's calls to a node: SOAP 1.2 over mutual TLS, as any other client makes them.

use crate::cli::profile::Profile;
use crate::client::{CallError, Client};
use crate::config::{Misconfigured, file};
use crate::fault::{Reason, Received};
use crate::limits::HttpLimits;
use crate::soap::{self, Draft, Version};
use crate::tls::{self, IdentityPem};
use crate::unified::{Document, FaultDetail};
use std::fmt;
use std::time::Duration;
use xsd::read::Limits;
use xsd::tree::Element;

/// An answer may hold many records.
const ANSWER_BYTES_MAX: usize = 256 << 20;

/// A profile ready to call.
#[derive(Debug)]
pub struct Session {
    node: String,
    client: Client,
}

/// Why a verb did not do what it was asked.
#[derive(Debug)]
pub enum Failure {
    /// The profile or a file is wrong.
    Misconfigured(Misconfigured),
    /// An argument that makes no sense, and what would.
    Usage(String),
    /// The node cannot be reached.
    Unreached(String, CallError),
    /// The node answered with a fault.
    Fault(Box<Received>),
    /// The caller may not.
    Denied(String),
    /// It cannot be done now, as things stand there.
    Conflict(String),
    /// The node's answer is not what its contract says.
    Garbled(String),
    /// A check does not hold; the lines say where.
    DoesNotHold(Vec<String>),
    /// A watched node shows what it must not.
    Alarm(String),
    /// The runtime does not start.
    Runtime(std::io::Error),
}

impl From<Misconfigured> for Failure {
    fn from(misconfigured: Misconfigured) -> Self {
        Self::Misconfigured(misconfigured)
    }
}

impl Failure {
    /// The process's exit status.
    #[must_use]
    pub fn status(&self) -> u8 {
        match self {
            Self::DoesNotHold(_) => 1,
            Self::Usage(_) => 2,
            Self::Misconfigured(_) | Self::Alarm(_) => 3,
            Self::Unreached(..) => 4,
            Self::Runtime(_) => 70,
            Self::Fault(received) => match received.stable() {
                Some(Reason::Denied | Reason::NotRegistered | Reason::NotPermitted | Reason::FailedAuthentication) => 5,
                Some(Reason::NoQuorum | Reason::Busy | Reason::Conflict | Reason::Refused) => 6,
                _ => 1,
            },
            Self::Denied(_) => 5,
            Self::Conflict(_) => 6,
            Self::Garbled(_) => 70,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Misconfigured(misconfigured) => write!(f, "error[config]: {misconfigured}"),
            Self::Usage(what) => write!(f, "error[usage]: {what}"),
            Self::Unreached(node, error) => {
                write!(f, "error[unreachable]: {node}: {error}\n  help: is the node running? waybill serve --config …")
            }
            Self::Fault(received) => {
                let detail = received.detail.iter().find_map(|entry| FaultDetail::of(entry).ok());
                let code = detail.as_ref().map_or(received.code.as_str(), |detail| &detail.code);
                write!(f, "error[{code}]: {}", received.text)?;
                if let Some(xpath) = detail.as_ref().and_then(|detail| detail.xpath.as_ref()) {
                    write!(f, "\n  at {xpath}")?;
                }
                if let Some(trade) = detail.as_ref().and_then(|detail| detail.trade_id.as_ref()) {
                    write!(f, "\n  on record as trade {trade}")?;
                }
                let retry = detail.as_ref().is_some_and(|detail| detail.retry);
                let who = detail.map_or_else(String::new, |detail| format!(" Who can mend it: the {}.", detail.mended_by));
                write!(f, "\n  help: {}{who}", if retry { "try again." } else { "trying again will not help." })
            }
            Self::Denied(what) => write!(f, "error[denied]: {what}"),
            Self::Conflict(what) => write!(f, "error[conflict]: {what}"),
            Self::Garbled(what) => write!(f, "error[answer]: {what}"),
            Self::DoesNotHold(lines) => f.write_str(&lines.join("\n")),
            Self::Alarm(what) => f.write_str(what),
            Self::Runtime(error) => write!(f, "error[runtime]: {error}"),
        }
    }
}

impl Session {
    /// Reads what the profile names.
    ///
    /// # Errors
    /// A file is missing or wrong.
    pub fn open(profile: &Profile) -> Result<Self, Misconfigured> {
        let (certificate, key, ca) = (file(&profile.certificate)?, file(&profile.key)?, file(&profile.ca)?);
        let tls = tls::client(Some(IdentityPem { certificate: &certificate, key: &key }), &ca)
            .map_err(|error| Misconfigured::Value(format!("profile: {error}")))?;
        let limits = HttpLimits { body_bytes_max: ANSWER_BYTES_MAX, ..HttpLimits::default() };
        Ok(Self { node: profile.node.clone(), client: Client::new(Some(tls), limits) })
    }

    /// Calls an operation and reads its answer.
    ///
    /// # Errors
    /// See [`Failure`].
    pub async fn call<T: Document>(&self, service: &str, request: &impl Document) -> Result<T, Failure> {
        self.call_at(&self.node, service, request).await
    }

    /// Calls an operation of another node and reads its answer.
    ///
    /// # Errors
    /// See [`Failure`].
    pub async fn call_at<T: Document>(&self, node: &str, service: &str, request: &impl Document) -> Result<T, Failure> {
        let answer = self.element_at(node, service, &request.element()).await?;
        T::of(&answer).map_err(|unreadable| Failure::Garbled(unreadable.to_string()))
    }

    /// Calls an operation; the answer is the element in its Body.
    ///
    /// # Errors
    /// See [`Failure`].
    pub async fn element(&self, service: &str, request: &Element) -> Result<Element, Failure> {
        self.element_at(&self.node, service, request).await
    }

    async fn element_at(&self, node: &str, service: &str, request: &Element) -> Result<Element, Failure> {
        let url = format!("{node}/ws/{service}");
        let octets = Draft::new(Version::Soap12).body(request.clone()).octets();
        let content_type = Version::Soap12.content_type(None);
        let reply = self.client.post(&url, &[("content-type", &content_type)], octets, Duration::from_secs(60)).await;
        let reply = reply.map_err(|error| Failure::Unreached(node.to_owned(), error))?;
        let limits = Limits { document_bytes_max: ANSWER_BYTES_MAX, ..Limits::default() };
        let envelope = soap::parse(&reply.body, reply.header("content-type").unwrap_or_default(), None, &limits);
        let envelope = envelope.map_err(|refused| Failure::Garbled(format!("HTTP {}: {}", reply.status, refused.fault.sentence())))?;
        let body = envelope.body().cloned().ok_or_else(|| Failure::Garbled(String::from("an envelope without a Body")))?;
        if let Some(received) = Received::read(&body) {
            return Err(Failure::Fault(Box::new(received)));
        }
        soap::payload(body).map_err(|fault| Failure::Garbled(fault.sentence().to_owned()))
    }

    /// Gets a path of the node.
    ///
    /// # Errors
    /// It cannot be reached.
    pub async fn get(&self, path: &str) -> Result<(u16, Vec<u8>), Failure> {
        self.get_from(&self.node, path).await
    }

    /// Gets a path of another node.
    ///
    /// # Errors
    /// It cannot be reached.
    pub async fn get_from(&self, node: &str, path: &str) -> Result<(u16, Vec<u8>), Failure> {
        let reply = self.client.get(&format!("{node}{path}"), Duration::from_secs(10)).await;
        reply.map(|reply| (reply.status, reply.body)).map_err(|error| Failure::Unreached(node.to_owned(), error))
    }

    /// Posts octets to a path of the node.
    ///
    /// # Errors
    /// It cannot be reached.
    pub async fn post(&self, path: &str, body: Vec<u8>) -> Result<(u16, Vec<u8>), Failure> {
        self.post_to(&self.node, path, body).await
    }

    /// Posts octets to a path of another node.
    ///
    /// # Errors
    /// It cannot be reached.
    pub async fn post_to(&self, node: &str, path: &str, body: Vec<u8>) -> Result<(u16, Vec<u8>), Failure> {
        let reply = self.client.post(&format!("{node}{path}"), &[], body, Duration::from_secs(10)).await;
        reply.map(|reply| (reply.status, reply.body)).map_err(|error| Failure::Unreached(node.to_owned(), error))
    }
}
