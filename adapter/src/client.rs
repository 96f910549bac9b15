//! Outgoing calls: pooled HTTP and HTTPS POSTs with a bound on everything, and no redirects.

use crate::limits::HttpLimits;
use crate::security::Fingerprint;
use crate::tls;
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::{Builder, SendRequest};
use hyper::header::{CONTENT_ENCODING, HOST, HeaderMap, HeaderName, HeaderValue, USER_AGENT};
use hyper::http::uri::Scheme;
use hyper::http::{self, Method, Uri};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsConnector;

/// Idle connections kept for one endpoint.
const IDLE_MAX: usize = 8;
/// Idle connections older than this are not used again; servers close theirs after about as long.
const IDLE_AGE_MAX: Duration = Duration::from_secs(5);

/// A reply that arrived whole.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The status code.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Vec<u8>,
    /// The server certificate that TLS proved.
    pub peer: Option<Fingerprint>,
}

impl Reply {
    /// The value of a header as text; `None` if it is missing or not ASCII.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// Why a call brought no reply.
#[derive(Debug)]
pub enum CallError {
    /// The address is not an `http` or `https` URL with a host, or a header is not one.
    Address(String),
    /// Nobody took the connection.
    Refused(io::Error),
    /// The handshake failed: not the certificate expected, or ours is not accepted.
    Tls(io::Error),
    /// Nothing came in time; whether the call was carried out is not known.
    Timeout,
    /// The reply is larger than allowed.
    TooLarge,
    /// The connection broke, or what came is not HTTP; whether the call was carried out is not known.
    Protocol(String),
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(what) => write!(f, "not an address to call: {what}"),
            Self::Refused(error) => write!(f, "no connection: {error}"),
            Self::Tls(error) => write!(f, "TLS: {error}"),
            Self::Timeout => f.write_str("no answer in time"),
            Self::TooLarge => f.write_str("the answer is too large"),
            Self::Protocol(what) => write!(f, "not an HTTP answer: {what}"),
        }
    }
}

impl std::error::Error for CallError {}

/// Where a connection leads.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Endpoint {
    secure: bool,
    host: String,
    port: u16,
}

struct Connection {
    sender: SendRequest<Full<Bytes>>,
    peer: Option<Fingerprint>,
    since: Instant,
}

/// A client with its pool of connections.
pub struct Client {
    tls: Option<TlsConnector>,
    limits: HttpLimits,
    idle: Mutex<BTreeMap<Endpoint, Vec<Connection>>>,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("tls", &self.tls.is_some()).field("limits", &self.limits).finish_non_exhaustive()
    }
}

impl Client {
    /// A client; without `tls` it calls `http` addresses only. Of `limits` those of headers, bodies and handshakes count.
    #[must_use]
    pub fn new(tls: Option<Arc<rustls::ClientConfig>>, limits: HttpLimits) -> Self {
        Self { tls: tls.map(TlsConnector::from), limits, idle: Mutex::new(BTreeMap::new()) }
    }

    /// Posts `body` to `url` and waits at most `total` for the whole reply, of whatever status. A redirect is a reply.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn post(&self, url: &str, headers: &[(&str, &str)], body: Vec<u8>, total: Duration) -> Result<Reply, CallError> {
        let mut fields = HeaderMap::new();
        for (name, value) in headers {
            let field = HeaderName::from_bytes(name.as_bytes()).ok().zip(HeaderValue::from_str(value).ok());
            let (name, value) = field.ok_or_else(|| CallError::Address(format!("header {name}")))?;
            fields.append(name, value);
        }
        self.call(Method::POST, url, fields, body, total).await
    }

    /// Gets `url`, as [`Client::post`] posts.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn get(&self, url: &str, total: Duration) -> Result<Reply, CallError> {
        self.call(Method::GET, url, HeaderMap::new(), Vec::new(), total).await
    }

    async fn call(&self, method: Method, url: &str, fields: HeaderMap, body: Vec<u8>, total: Duration) -> Result<Reply, CallError> {
        let (endpoint, mut request) = request(method, url, fields, body)?;
        let deadline = Instant::now() + total;
        // A pooled connection may have been closed meanwhile; the request then comes back unsent and goes out on a new one.
        while let Some(mut connection) = self.pooled(&endpoint) {
            match timeout_at(deadline, connection.sender.try_send_request(request)).await {
                Err(_elapsed) => return Err(CallError::Timeout),
                Ok(Ok(response)) => return self.finish(endpoint, connection, response, deadline).await,
                Ok(Err(mut failed)) => match failed.take_message() {
                    Some(unsent) => request = unsent,
                    None => return Err(broken(failed.error())),
                },
            }
        }
        let connecting = Duration::from_millis(self.limits.header_timeout_ms);
        let connected = timeout_at(deadline.min(Instant::now() + connecting), self.connect(&endpoint)).await;
        let mut connection = connected.map_err(|_elapsed| CallError::Timeout)??;
        match timeout_at(deadline, connection.sender.send_request(request)).await {
            Err(_elapsed) => Err(CallError::Timeout),
            Ok(Err(error)) => Err(broken(&error)),
            Ok(Ok(response)) => self.finish(endpoint, connection, response, deadline).await,
        }
    }

    fn pooled(&self, endpoint: &Endpoint) -> Option<Connection> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = idle.get_mut(endpoint)?;
        kept.retain(|connection| connection.since.elapsed() < IDLE_AGE_MAX && connection.sender.is_ready());
        kept.pop()
    }

    async fn connect(&self, endpoint: &Endpoint) -> Result<Connection, CallError> {
        let host = endpoint.host.trim_start_matches('[').trim_end_matches(']');
        let stream = TcpStream::connect((host, endpoint.port)).await.map_err(CallError::Refused)?;
        stream.set_nodelay(true).map_err(CallError::Refused)?;
        if !endpoint.secure {
            return self.handshake(stream, None).await;
        }
        let tls = self.tls.as_ref().ok_or_else(|| CallError::Address(String::from("https without certificates")))?;
        let name = ServerName::try_from(host.to_owned()).map_err(|error| CallError::Address(error.to_string()))?;
        let stream = tls.connect(name, stream).await.map_err(CallError::Tls)?;
        let peer = tls::peer(stream.get_ref().1);
        self.handshake(stream, peer).await
    }

    async fn handshake<S>(&self, stream: S, peer: Option<Fingerprint>) -> Result<Connection, CallError>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let mut builder = Builder::new();
        builder.max_headers(self.limits.headers_max).max_header_size(self.limits.header_bytes_max);
        let (sender, driver) = builder.handshake(TokioIo::new(stream)).await.map_err(|error| broken(&error))?;
        // The driver ends when the sender is dropped or the other side closes; an error of its own reaches the call as well.
        tokio::spawn(async move {
            if let Err(error) = driver.await {
                tracing::debug!(%error, "outgoing connection");
            }
        });
        Ok(Connection { sender, peer, since: Instant::now() })
    }

    async fn finish(
        &self,
        endpoint: Endpoint,
        mut connection: Connection,
        response: http::Response<Incoming>,
        deadline: Instant,
    ) -> Result<Reply, CallError> {
        let (head, mut incoming) = response.into_parts();
        if head.headers.contains_key(CONTENT_ENCODING) {
            return Err(CallError::Protocol(String::from("a content coding that was not asked for")));
        }
        let mut body = Vec::new();
        while let Some(frame) = timeout_at(deadline, incoming.frame()).await.map_err(|_elapsed| CallError::Timeout)? {
            let Ok(data) = frame.map_err(|error| broken(&error))?.into_data() else { continue };
            if body.len() + data.len() > self.limits.body_bytes_max {
                return Err(CallError::TooLarge);
            }
            body.extend_from_slice(&data);
        }
        let peer = connection.peer;
        connection.since = Instant::now();
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = idle.entry(endpoint).or_default();
        if kept.len() < IDLE_MAX && !connection.sender.is_closed() {
            kept.push(connection);
        }
        Ok(Reply { status: head.status.as_u16(), headers: head.headers, body, peer })
    }
}

/// With TLS 1.3 a server that does not accept our certificate says so only after the handshake.
fn broken(error: &hyper::Error) -> CallError {
    let io = error.source().and_then(|source| source.downcast_ref::<io::Error>());
    let tls = io.and_then(io::Error::get_ref).and_then(|inner| inner.downcast_ref::<rustls::Error>());
    tls.map_or_else(|| CallError::Protocol(error.to_string()), |tls| CallError::Tls(io::Error::other(tls.clone())))
}

fn request(method: Method, url: &str, fields: HeaderMap, body: Vec<u8>) -> Result<(Endpoint, http::Request<Full<Bytes>>), CallError> {
    let wrong = |what: &str| CallError::Address(format!("{url}: {what}"));
    let uri: Uri = url.parse().map_err(|error: http::uri::InvalidUri| wrong(&error.to_string()))?;
    let secure = match uri.scheme() {
        Some(scheme) if *scheme == Scheme::HTTPS => true,
        Some(scheme) if *scheme == Scheme::HTTP => false,
        _ => return Err(wrong("neither http nor https")),
    };
    let authority = uri.authority().ok_or_else(|| wrong("no host"))?;
    let endpoint =
        Endpoint { secure, host: authority.host().to_owned(), port: authority.port_u16().unwrap_or(if secure { 443 } else { 80 }) };
    let named = uri.port_u16().map_or_else(|| endpoint.host.clone(), |port| format!("{}:{port}", endpoint.host));
    let mut request = http::Request::new(Full::new(Bytes::from(body)));
    *request.method_mut() = method;
    let target = uri.path_and_query().map_or("/", |target| target.as_str());
    *request.uri_mut() = target.parse().map_err(|_error: http::uri::InvalidUri| wrong("no path"))?;
    *request.headers_mut() = fields;
    let host = HeaderValue::from_str(&named).map_err(|_error| wrong("no host"))?;
    request.headers_mut().insert(HOST, host);
    request.headers_mut().entry(USER_AGENT).or_insert(HeaderValue::from_static("waybill"));
    Ok((endpoint, request))
}
