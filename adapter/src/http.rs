//! The HTTP/1 server: limits first, then whole requests to one handler.

mod body;
mod patience;
mod ranges;

use crate::fault::{Fault, Reason};
use crate::limits::HttpLimits;
use crate::security::Fingerprint;
use crate::soap::Version;
use crate::tls;
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{ALLOW, CONNECTION, CONTENT_TYPE, HOST, RETRY_AFTER};
use hyper::server::conn::http1;
use hyper::service::Service;
use hyper::{StatusCode, http};
use hyper_util::rt::{TokioIo, TokioTimer};
use patience::Patient;
use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

pub use hyper::header::{HeaderMap, HeaderName, HeaderValue};
pub use hyper::http::Method;
pub use ranges::Representation;

/// A request that arrived whole, its body decompressed.
#[derive(Clone, Debug)]
pub struct Request {
    /// GET, HEAD or POST.
    pub method: Method,
    /// The path, still percent-encoded.
    pub path: String,
    /// The query without its question mark.
    pub query: Option<String>,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Vec<u8>,
    /// The client certificate that TLS proved.
    pub peer: Option<Fingerprint>,
    /// The other end.
    pub remote: SocketAddr,
}

impl Request {
    /// The value of a header as text; `None` if it is missing or not ASCII.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// A reply.
#[derive(Clone, Debug)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// Headers besides those of the connection and the body's length.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Response {
    /// A reply with a body of the given `Content-Type`; one that is no header value is left out.
    #[must_use]
    pub fn new(status: u16, content_type: &str, body: Vec<u8>) -> Self {
        let headers = HeaderValue::from_str(content_type).map(|value| (CONTENT_TYPE, value));
        Self { status, headers: headers.into_iter().collect(), body }
    }

    /// A reply without a body, as 202 for a one-way call.
    #[must_use]
    pub fn empty(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Vec::new() }
    }

    /// The reply that carries `fault`, whose message (signed or not) is `octets`.
    #[must_use]
    pub fn of_fault(fault: &Fault, version: Version, octets: Vec<u8>) -> Self {
        let mut response = Self::new(fault.status(version), &version.content_type(None), octets);
        response.headers.extend(fault.retry_after_s().map(|seconds| (RETRY_AFTER, HeaderValue::from(seconds))));
        if fault.reason() == Reason::MethodNotAllowed {
            response.headers.push((ALLOW, HeaderValue::from_static("GET, HEAD, POST")));
        }
        response
    }
}

/// Serves `listener` until `stop` is ready, then lets calls in flight finish.
///
/// Plain HTTP without `tls`. Every request that keeps within `limits` is given to `handler`; the others are answered here with a
/// fault in the version their media type suggests.
pub async fn serve<H, F>(
    listener: TcpListener,
    tls: Option<Arc<rustls::ServerConfig>>,
    limits: HttpLimits,
    handler: H,
    stop: impl Future<Output = ()>,
) where
    H: Fn(Request) -> F + Send + Sync + 'static,
    F: Future<Output = Response> + Send + 'static,
{
    let acceptor = tls.map(TlsAcceptor::from);
    let handler = Arc::new(handler);
    let connections = Arc::new(Semaphore::new(limits.connections_max));
    let calls = Arc::new(Semaphore::new(limits.calls_max));
    let (stopping, stopped) = watch::channel(false);
    let mut tasks = JoinSet::new();
    tokio::pin!(stop);
    loop {
        let accepted = tokio::select! {
            () = &mut stop => break,
            Some(_) = tasks.join_next() => continue,
            accepted = listener.accept() => accepted,
        };
        let (stream, remote) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of file handles, or the connection is gone already; neither ends the server.
                tracing::warn!(%error, "accept");
                tokio::time::sleep(Duration::from_millis(20)).await;
                continue;
            }
        };
        let Ok(permit) = Arc::clone(&connections).try_acquire_owned() else { continue };
        let acceptor = acceptor.clone();
        let call = Call { handler: Arc::clone(&handler), calls: Arc::clone(&calls), limits, peer: None, remote };
        let stopped = stopped.clone();
        tasks.spawn(async move {
            let _permit = permit;
            // Without this every small reply waits for the acknowledgement of the one before.
            if let Err(error) = stream.set_nodelay(true) {
                tracing::debug!(%remote, %error, "nodelay");
            }
            let Some(acceptor) = acceptor else { return connection(stream, call, stopped).await };
            match timeout(Duration::from_millis(limits.header_timeout_ms), acceptor.accept(stream)).await {
                Ok(Ok(stream)) => {
                    let peer = tls::peer(stream.get_ref().1);
                    connection(stream, Call { peer, ..call }, stopped).await;
                }
                Ok(Err(error)) => tracing::info!(%remote, %error, "TLS handshake"),
                Err(_elapsed) => tracing::info!(%remote, "TLS handshake takes too long"),
            }
        });
    }
    drop(listener);
    stopping.send_replace(true);
    let drained = timeout(Duration::from_millis(limits.drain_timeout_ms), async { while tasks.join_next().await.is_some() {} });
    if drained.await.is_err() {
        tasks.shutdown().await;
    }
}

/// What one connection needs to answer its requests.
struct Call<H> {
    handler: Arc<H>,
    calls: Arc<Semaphore>,
    limits: HttpLimits,
    peer: Option<Fingerprint>,
    remote: SocketAddr,
}

impl<H> Clone for Call<H> {
    fn clone(&self) -> Self {
        Self { handler: Arc::clone(&self.handler), calls: Arc::clone(&self.calls), ..*self }
    }
}

async fn connection<S, H, F>(stream: S, call: Call<H>, mut stopped: watch::Receiver<bool>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    H: Fn(Request) -> F + Send + Sync + 'static,
    F: Future<Output = Response> + Send + 'static,
{
    let (limits, remote) = (call.limits, call.remote);
    let stream = Patient::new(stream, Duration::from_millis(limits.write_timeout_ms));
    let mut connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_millis(limits.header_timeout_ms))
        .max_headers(limits.headers_max)
        .max_header_size(limits.header_bytes_max)
        .serve_connection(TokioIo::new(stream), call);
    let result = tokio::select! {
        result = poll_fn(|context| connection.poll_without_shutdown(context)) => result,
        _ = stopped.changed() => {
            Pin::new(&mut connection).graceful_shutdown();
            poll_fn(|context| connection.poll_without_shutdown(context)).await
        }
    };
    let parts = connection.into_parts();
    let begun = !parts.read_buf.is_empty();
    let mut stream = parts.io.into_inner();
    if let Err(error) = result {
        tracing::debug!(%remote, %error, "connection");
        // hyper closes a connection whose headers are late; the status tells a client why. One that sent nothing is only idle.
        if error.is_timeout() && begun {
            const LATE: &[u8] = b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
            if let Err(error) = stream.write_all(LATE).await {
                tracing::debug!(%remote, %error, "408");
            }
        }
    }
    if let Err(error) = stream.shutdown().await {
        tracing::debug!(%remote, %error, "shutdown");
    }
}

impl<H, F> Service<http::Request<Incoming>> for Call<H>
where
    H: Fn(Request) -> F + Send + Sync + 'static,
    F: Future<Output = Response> + Send + 'static,
{
    type Response = http::Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn call(&self, request: http::Request<Incoming>) -> Self::Future {
        let call = self.clone();
        Box::pin(async move {
            let version = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
            let version = version.map_or(Version::Soap11, Version::of_media_type);
            let answered = call.answer(request).await;
            let refused = answered.is_err();
            let response = answered.unwrap_or_else(|fault| Response::of_fault(&fault, version, fault.draft(version).octets()));
            Ok(written(response, refused))
        })
    }
}

impl<H, F> Call<H>
where
    H: Fn(Request) -> F,
    F: Future<Output = Response>,
{
    async fn answer(self, request: http::Request<Incoming>) -> Result<Response, Fault> {
        let (head, incoming) = request.into_parts();
        check_head(&head)?;
        let _permit = self.calls.try_acquire().map_err(|_full| Fault::new(Reason::Busy, "too many calls at once; come back soon"))?;
        let body = body::read(&head.headers, incoming, &self.limits).await?;
        let request = Request {
            method: head.method,
            path: head.uri.path().to_owned(),
            query: head.uri.query().map(str::to_owned),
            headers: head.headers,
            body,
            peer: self.peer,
            remote: self.remote,
        };
        Ok((self.handler)(request).await)
    }
}

/// RFC 9112 §3.2: a request of HTTP/1.1 names its host once.
fn check_head(head: &http::request::Parts) -> Result<(), Fault> {
    let hosts = head.headers.get_all(HOST).iter().count();
    if hosts > 1 || hosts == 0 && head.version == http::Version::HTTP_11 {
        return Err(Fault::new(Reason::BadRequest, "a request of HTTP/1.1 has one Host header"));
    }
    if ![Method::GET, Method::HEAD, Method::POST].contains(&head.method) {
        return Err(Fault::new(Reason::MethodNotAllowed, "only GET, HEAD and POST are served"));
    }
    Ok(())
}

/// A request refused here may not have been read to its end, so its connection is not used again.
fn written(response: Response, close: bool) -> http::Response<Full<Bytes>> {
    let mut reply = http::Response::new(Full::new(Bytes::from(response.body)));
    *reply.status_mut() = StatusCode::from_u16(response.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    reply.headers_mut().extend(response.headers);
    if close {
        reply.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    reply
}
