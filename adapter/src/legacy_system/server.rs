//! The plain HTTP server of a legacy system: one path, one version of SOAP, one encoding.

use super::{Complaint, System};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use xsd::decode::{Charset, encode};
use xsd::read::Limits;
use xsd::time::Timestamp;
use xsd::tree::{Element, QName};

const SOAP11: &str = "http://schemas.xmlsoap.org/soap/envelope/";
const SOAP12: &str = "http://www.w3.org/2003/05/soap-envelope";
const XSI: &str = "http://www.w3.org/2001/XMLSchema-instance";

/// Octets of one request.
const REQUEST_BYTES_MAX: usize = 1 << 20;
/// Connections at once; more wait in the backlog.
const CONNECTIONS_MAX: usize = 256;

/// What makes a system a system of its time.
struct Profile {
    path: &'static str,
    wsdl: &'static [u8],
    schema: (&'static str, &'static [u8]),
    soap: &'static str,
    charset: &'static str,
    prefix: (&'static str, &'static str),
}

impl System {
    fn profile(&self) -> Profile {
        match self {
            Self::Transport(_) => Profile {
                path: "/trff/services/VehicleService",
                wsdl: include_bytes!("../../../mappings/transport/vehicle.wsdl"),
                schema: ("vehicle.xsd", include_bytes!("../../../mappings/transport/vehicle.xsd")),
                soap: SOAP11,
                charset: "GB18030",
                prefix: ("v", super::transport::NAMESPACE),
            },
            Self::Health(_) => Profile {
                path: "/his/visits",
                wsdl: include_bytes!("../../../mappings/health/visit.wsdl"),
                schema: ("visit.xsd", include_bytes!("../../../mappings/health/visit.xsd")),
                soap: SOAP11,
                charset: "UTF-8",
                prefix: ("h", super::health::NAMESPACE),
            },
            Self::Civil(_) => Profile {
                path: "/household",
                wsdl: include_bytes!("../../../mappings/civil/household.wsdl"),
                schema: ("household.xsd", include_bytes!("../../../mappings/civil/household.xsd")),
                soap: SOAP12,
                charset: "UTF-8",
                prefix: ("r", super::civil::NAMESPACE),
            },
        }
    }
}

/// Serves the legacy system of a sector on `listener` until the future is dropped, with the first `records` records of `seed`.
///
/// # Errors
/// There is no such sector, or the listener broke.
pub async fn serve(sector: &str, listener: TcpListener, records: usize, seed: u64) -> io::Result<()> {
    let system = System::new(sector, seed, records).map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
    let system = Arc::new(system);
    let mut connections = JoinSet::new();
    loop {
        while connections.len() >= CONNECTIONS_MAX {
            connections.join_next().await;
        }
        while connections.try_join_next().is_some() {}
        let (stream, _) = listener.accept().await?;
        let system = Arc::clone(&system);
        connections.spawn(async move {
            let service = service_fn(move |request| respond(Arc::clone(&system), request));
            let mut http = hyper::server::conn::http1::Builder::new();
            http.timer(TokioTimer::new()).header_read_timeout(Duration::from_secs(30));
            // A client that goes away is no event for a legacy system.
            http.serve_connection(TokioIo::new(stream), service).await.is_ok()
        });
    }
}

async fn respond(system: Arc<System>, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let profile = system.profile();
    let (head, body) = request.into_parts();
    if head.method == Method::GET {
        return Ok(document(&profile, head.uri.path(), head.uri.query()));
    }
    if head.method != Method::POST || head.uri.path() != profile.path {
        return Ok(reply(StatusCode::NOT_FOUND, "text/plain", b"no such service\n".to_vec()));
    }
    let content_type = head.headers.get("content-type").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let charset = content_type
        .split(';')
        .filter_map(|parameter| parameter.trim().split_once('='))
        .find(|(name, _)| name.eq_ignore_ascii_case("charset"));
    let charset = charset.map(|(_, value)| value.trim_matches(['"', '\'']).to_owned());
    let Ok(body) = Limited::new(body, REQUEST_BYTES_MAX).collect().await else {
        return Ok(reply(StatusCode::PAYLOAD_TOO_LARGE, "text/plain", b"too large\n".to_vec()));
    };
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let now = Timestamp(u64::try_from(now.as_millis()).unwrap_or_default());
    let (status, envelope) = match question(&profile, &body.to_bytes(), charset.as_deref()) {
        Some(question) => match system.answer(&question, now) {
            Ok(answer) => (StatusCode::OK, envelope(&profile, answer)),
            Err(complaint) => (StatusCode::INTERNAL_SERVER_ERROR, envelope(&profile, fault(&profile, Some(complaint)))),
        },
        None => (StatusCode::INTERNAL_SERVER_ERROR, envelope(&profile, fault(&profile, None))),
    };
    let media_type = if profile.soap == SOAP12 { "application/soap+xml" } else { "text/xml" };
    Ok(reply(status, &[media_type, "; charset=", profile.charset].concat(), octets(&profile, &envelope)))
}

/// Its contract at `?wsdl`, its schema beside it.
fn document(profile: &Profile, path: &str, query: Option<&str>) -> Response<Full<Bytes>> {
    let (name, schema) = profile.schema;
    if path == profile.path && query.is_some_and(|query| query.eq_ignore_ascii_case("wsdl")) {
        return reply(StatusCode::OK, "text/xml; charset=utf-8", profile.wsdl.to_vec());
    }
    if path.rsplit('/').next() == Some(name) {
        return reply(StatusCode::OK, "text/xml; charset=utf-8", schema.to_vec());
    }
    reply(StatusCode::NOT_FOUND, "text/plain", b"no such document\n".to_vec())
}

/// The one child of the Body of an envelope in this system's version of SOAP.
fn question(profile: &Profile, octets: &[u8], charset: Option<&str>) -> Option<Element> {
    let envelope = xsd::read::read(octets, charset, &Limits::default()).ok()?;
    let body = envelope.first(profile.soap, "Body").filter(|_| envelope.name().is(profile.soap, "Envelope"));
    body.and_then(|body| body.elements().next().cloned())
}

fn soap(profile: &Profile, name: &str) -> Element {
    Element::new("soap", QName::new(profile.soap, name))
}

fn envelope(profile: &Profile, content: Element) -> Element {
    let (prefix, namespace) = profile.prefix;
    let envelope = soap(profile, "Envelope").declare(prefix, namespace).declare("xsi", XSI);
    envelope.child(soap(profile, "Body").child(content))
}

/// A fault with the system's own detail, or without one for what is no question.
fn fault(profile: &Profile, complaint: Option<Complaint>) -> Element {
    let words = complaint.as_ref().map_or("cannot parse the request", |complaint| complaint.words.as_str());
    let details = complaint.as_ref().map(|complaint| complaint.detail.as_ref().clone());
    let bare = |name: &str| Element::new("", QName::new("", name));
    let mut fault = soap(profile, "Fault");
    let mut detail = if profile.soap == SOAP12 {
        fault.push(soap(profile, "Code").leaf("Value", "soap:Sender"));
        let mut text = soap(profile, "Text").text(words);
        let lang = QName::new("http://www.w3.org/XML/1998/namespace", "lang");
        text.set_attribute(xsd::tree::Attribute { name: lang, prefix: "xml".into(), value: "en".to_owned() });
        fault.push(soap(profile, "Reason").child(text));
        soap(profile, "Detail")
    } else {
        fault.push(bare("faultcode").text("soap:Client"));
        fault.push(bare("faultstring").text(words));
        bare("detail")
    };
    if let Some(details) = details {
        detail.push(details);
        fault.push(detail);
    }
    fault
}

/// The envelope in this system's encoding, which its XML declaration names.
fn octets(profile: &Profile, envelope: &Element) -> Vec<u8> {
    let declaration = ["<?xml version=\"1.0\" encoding=\"", profile.charset, "\"?>\n"].concat();
    let text = [declaration.into_bytes(), xsd::write::document(envelope)].concat();
    let charset = Charset::named(profile.charset).unwrap_or(Charset::Utf8);
    let text = String::from_utf8_lossy(&text);
    // GB 18030 and UTF-8 encode every character, so the alternative is never taken.
    encode(&text, charset).unwrap_or_else(|_| text.as_bytes().to_vec())
}

fn reply(status: StatusCode, content_type: &str, body: Vec<u8>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    if let Ok(value) = content_type.parse() {
        response.headers_mut().insert("content-type", value);
    }
    response
}
