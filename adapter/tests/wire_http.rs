//! The HTTP edge with real sockets: limits, odd requests, mutual TLS, and the pooled client.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::print_stdout,
    clippy::too_many_lines,
    reason = "a test stops where it fails, and its tables are long"
)]

use adapter::client::{CallError, Client};
use adapter::http::{self, HeaderValue, Request, Response};
use adapter::limits::HttpLimits;
use adapter::pki::{Authority, Issued, Use};
use adapter::tls::{self, ClientCertificate, IdentityPem};
use flate2::Compression;
use flate2::write::GzEncoder;
use std::future::Future;
use std::io::Write;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

const TOTAL: Duration = Duration::from_secs(5);

struct Running {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

async fn serve<H, F>(limits: HttpLimits, tls: Option<Arc<rustls::ServerConfig>>, handler: H) -> Running
where
    H: Fn(Request) -> F + Send + Sync + 'static,
    F: Future<Output = Response> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel();
    let stopped = async move { drop(stopped.await) };
    Running { address, stop, task: tokio::spawn(http::serve(listener, tls, limits, handler, stopped)) }
}

/// Answers with what it got: method, path, body.
async fn echo(request: Request) -> Response {
    let text = [request.method.as_str().as_bytes(), b" ", request.path.as_bytes(), b" ", &request.body].concat();
    Response::new(200, "text/plain", text)
}

fn small() -> HttpLimits {
    HttpLimits { body_bytes_max: 1000, header_timeout_ms: 300, body_timeout_ms: 300, header_bytes_max: 4096, ..HttpLimits::default() }
}

/// Sends octets and returns everything that comes back until the server closes or is silent for a second.
async fn raw(address: SocketAddr, octets: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(octets).await.unwrap();
    drain(&mut stream).await
}

async fn drain(stream: &mut TcpStream) -> String {
    let mut reply = Vec::new();
    while let Ok(Ok(1..)) = tokio::time::timeout(Duration::from_secs(1), stream.read_buf(&mut reply)).await {}
    String::from_utf8_lossy(&reply).into_owned()
}

fn gzip(octets: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(octets).unwrap();
    encoder.finish().unwrap()
}

fn post(headers: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("POST /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{headers}\r\n");
    [head.as_bytes(), body].concat()
}

fn sized(headers: &str, body: &[u8]) -> Vec<u8> {
    post(&format!("{headers}Content-Length: {}\r\n", body.len()), body)
}

#[tokio::test]
async fn requests_are_answered_or_refused_by_status() {
    let server = serve(small(), None, echo).await;
    let many: String = (0..120).map(|number| format!("x-{number}: 1\r\n")).collect();
    let long = format!("x: {}\r\n", "a".repeat(5000));
    let broken = [&gzip(&[7; 100])[..20], b"garbage"].concat();
    let cases: Vec<(&str, Vec<u8>, &str, &str)> = vec![
        ("plain", sized("", b"hello"), "HTTP/1.1 200", "POST /x hello"),
        ("chunked", post("Transfer-Encoding: chunked\r\n", b"3\r\nhel\r\n2;a=b\r\nlo\r\n0\r\n\r\n"), "HTTP/1.1 200", "POST /x hello"),
        ("HTTP/1.0", b"POST /x HTTP/1.0\r\nContent-Length: 2\r\n\r\nhi".to_vec(), "HTTP/1.0 200", "POST /x hi"),
        ("query", b"GET /x?wsdl HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".to_vec(), "HTTP/1.1 200", "GET /x "),
        ("gzip", sized("Content-Encoding: gzip\r\n", &gzip(b"hello")), "HTTP/1.1 200", "POST /x hello"),
        ("at the limit", sized("", &[b'a'; 1000]), "HTTP/1.1 200", "aaa"),
        ("over the limit", sized("", &[b'a'; 1001]), "HTTP/1.1 413", "xml.too-large"),
        ("over the limit, not sent yet", post("Content-Length: 99999999999\r\nExpect: 100-continue\r\n", b""), "HTTP/1.1 413", "Client"),
        (
            "over the limit in chunks",
            post("Transfer-Encoding: chunked\r\n", &[b"FFF\r\n".as_slice(), &[b'a'; 4095]].concat()),
            "HTTP/1.1 413",
            "",
        ),
        ("a bomb", sized("Content-Encoding: gzip\r\n", &gzip(&[0; 900_000])), "HTTP/1.1 413", "xml.too-large"),
        ("broken gzip", sized("Content-Encoding: gzip\r\n", &broken), "HTTP/1.1 400", "http.bad-request"),
        ("unknown coding", sized("Content-Encoding: br\r\n", b"x"), "HTTP/1.1 415", "http.media-type"),
        ("two codings", sized("Content-Encoding: gzip\r\nContent-Encoding: gzip\r\n", b"x"), "HTTP/1.1 415", ""),
        ("a fault in SOAP 1.2", sized("Content-Type: application/soap+xml\r\nContent-Encoding: br\r\n", b"x"), "HTTP/1.1 415", "Sender"),
        ("no host", b"GET / HTTP/1.1\r\n\r\n".to_vec(), "HTTP/1.1 400", "Host"),
        ("two hosts", b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n".to_vec(), "HTTP/1.1 400", "Host"),
        ("method", b"DELETE / HTTP/1.1\r\nHost: a\r\n\r\n".to_vec(), "HTTP/1.1 405", "allow: GET, HEAD, POST"),
        ("two lengths", post("Content-Length: 2\r\nContent-Length: 3\r\n", b"hi"), "HTTP/1.1 400", ""),
        ("a signed length", post("Content-Length: +2\r\n", b"hi"), "HTTP/1.1 400", ""),
        ("an unknown transfer coding", post("Transfer-Encoding: gzip\r\n", b"hi"), "HTTP/1.1 400", ""),
        ("chunks in HTTP/1.0", b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n".to_vec(), "HTTP/1.1 400", ""),
        ("a folded header", sized("x: a\r\n b\r\n", b""), "HTTP/1.1 400", ""),
        ("NUL in a header", sized("x: a\0b\r\n", b""), "HTTP/1.1 400", ""),
        ("headers too many", sized(&many, b""), "HTTP/1.1 431", ""),
        ("a header too long", sized(&long, b""), "HTTP/1.1 431", ""),
        ("late headers", b"POST / HTTP/1.1\r\nHost".to_vec(), "HTTP/1.1 408", ""),
        ("a late body", post("Content-Length: 10\r\n", b"hi"), "HTTP/1.1 408", "http.timeout"),
        ("a body that breaks off", post("Transfer-Encoding: chunked\r\n", b"zz\r\n"), "HTTP/1.1 400", ""),
    ];
    for (name, request, status, content) in cases {
        let reply = raw(server.address, &request).await;
        assert!(reply.starts_with(status) && reply.contains(content), "{name}: {reply}");
    }
    assert!(raw(server.address, &sized("", b"again")).await.contains("again"), "the server goes on");
}

#[tokio::test]
async fn a_continue_is_sent_before_the_body_and_only_if_it_is_wanted() {
    let server = serve(small(), None, echo).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(&post("Content-Length: 2\r\nExpect: 100-continue\r\n", b"")).await.unwrap();
    let mut interim = [0; 25];
    stream.read_exact(&mut interim).await.unwrap();
    assert_eq!(&interim, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(b"hi").await.unwrap();
    assert!(drain(&mut stream).await.contains("POST /x hi"));
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let server = serve(HttpLimits::default(), None, echo).await;
    let requests: String = (0..200).map(|number| format!("GET /{number} HTTP/1.1\r\nHost: a\r\n\r\n")).collect();
    let reply = raw(server.address, requests.as_bytes()).await;
    let mut rest = reply.as_str();
    for number in 0..200 {
        let wanted = format!("GET /{number} ");
        rest = &rest[rest.find(&wanted).unwrap_or_else(|| panic!("no reply {number}"))..];
    }
}

async fn slow(request: Request) -> Response {
    tokio::time::sleep(Duration::from_millis(400)).await;
    echo(request).await
}

#[tokio::test]
async fn more_calls_than_allowed_are_told_to_come_back() {
    let server = serve(HttpLimits { calls_max: 1, ..HttpLimits::default() }, None, slow).await;
    let first = tokio::spawn(raw(server.address, &sized("", b"one").leak()[..]));
    tokio::time::sleep(Duration::from_millis(150)).await;
    let second = raw(server.address, &sized("", b"two")).await;
    assert!(second.starts_with("HTTP/1.1 503") && second.contains("retry-after: 2"), "{second}");
    assert!(first.await.unwrap().contains("one"));
    assert!(raw(server.address, &sized("", b"two")).await.contains("two"), "the place is free again");
}

#[tokio::test]
async fn more_connections_than_allowed_are_closed() {
    let server = serve(HttpLimits { connections_max: 1, ..HttpLimits::default() }, None, echo).await;
    let first = TcpStream::connect(server.address).await.unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    let mut second = TcpStream::connect(server.address).await.unwrap();
    assert_eq!(second.read(&mut [0; 1]).await.unwrap_or(0), 0);
    drop(first);
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(raw(server.address, &sized("", b"hi")).await.contains("hi"));
}

#[tokio::test]
async fn a_peer_that_does_not_read_is_cut_off() {
    let limits = HttpLimits { write_timeout_ms: 200, connections_max: 1, ..HttpLimits::default() };
    let large = |_: Request| async { Response::new(200, "text/plain", vec![0; 32 << 20]) };
    let server = serve(limits, None, large).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(&sized("", b"")).await.unwrap();
    tokio::time::sleep(Duration::from_millis(900)).await;
    let mut next = TcpStream::connect(server.address).await.unwrap();
    next.write_all(&sized("", b"")).await.unwrap();
    let mut status = [0; 12];
    next.read_exact(&mut status).await.unwrap();
    assert_eq!(&status, b"HTTP/1.1 200", "the only connection allowed is free again");
}

#[tokio::test]
async fn stopping_lets_calls_in_flight_finish() {
    let server = serve(HttpLimits::default(), None, slow).await;
    let idle = TcpStream::connect(server.address).await.unwrap();
    let call = tokio::spawn(raw(server.address, &sized("", b"last").leak()[..]));
    tokio::time::sleep(Duration::from_millis(150)).await;
    let begun = Instant::now();
    server.stop.send(()).unwrap();
    server.task.await.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(2), "an idle connection does not hold the server up");
    assert!(call.await.unwrap().contains("last"));
    assert!(TcpStream::connect(server.address).await.is_err());
    drop(idle);
}

fn url(server: &Running, path: &str) -> String {
    format!("http://{}{path}", server.address)
}

#[tokio::test]
async fn the_client_keeps_connections_and_survives_their_end() {
    let tell = |request: Request| async move {
        let text = [request.remote.port().to_string().as_bytes(), b" ", &request.body[..]].concat();
        assert_eq!(request.header("soapaction"), Some("\"urn:a\""));
        Response::new(200, "text/plain", text)
    };
    let server = serve(HttpLimits::default(), None, tell).await;
    let client = Client::new(None, HttpLimits::default());
    let call = async |body: &str| {
        let headers = [("content-type", "text/xml"), ("soapaction", "\"urn:a\"")];
        let reply = client.post(&url(&server, "/x"), &headers, body.as_bytes().to_vec(), TOTAL).await.unwrap();
        assert_eq!((reply.status, reply.header("content-type"), reply.peer), (200, Some("text/plain"), None));
        let text = String::from_utf8(reply.body).unwrap();
        text.split_once(' ').map(|(port, echoed)| (port.to_owned(), echoed.to_owned())).unwrap()
    };
    let (first, second) = (call("one").await, call("two").await);
    assert_eq!(first.0, second.0, "one connection for both");
    assert_eq!((first.1.as_str(), second.1.as_str()), ("one", "two"));

    let address = server.address;
    server.stop.send(()).unwrap();
    server.task.await.unwrap();
    let listener = TcpListener::bind(address).await.unwrap();
    let task = tokio::spawn(http::serve(listener, None, HttpLimits::default(), tell, std::future::pending()));
    let reply = client.post(&format!("http://{address}/x"), &[("soapaction", "\"urn:a\"")], b"three".to_vec(), TOTAL).await.unwrap();
    assert!(reply.body.ends_with(b"three"), "a closed connection in the pool is not an error");
    task.abort();
}

#[tokio::test]
async fn the_client_says_why_there_is_no_reply() {
    let client = Client::new(None, HttpLimits { body_bytes_max: 1000, ..HttpLimits::default() });
    let closed = {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        format!("http://{}/", listener.local_addr().unwrap())
    };
    let by_path = |request: Request| async move {
        match request.path.as_str() {
            "/slow" => slow(request).await,
            "/large" => Response::new(200, "text/plain", vec![0; 1001]),
            "/away" => {
                let mut away = Response::empty(302);
                away.headers.push((hyper::header::LOCATION, HeaderValue::from_static("http://127.0.0.1:1/")));
                away
            }
            _ => Response::new(500, "text/xml", b"fault".to_vec()),
        }
    };
    let server = serve(HttpLimits::default(), None, by_path).await;
    let outcome = async |url: &str| match client.post(url, &[], Vec::new(), Duration::from_millis(200)).await {
        Ok(reply) => format!("{} {}", reply.status, reply.body.len()),
        Err(CallError::Refused(_)) => String::from("refused"),
        Err(CallError::Timeout) => String::from("timeout"),
        Err(CallError::TooLarge) => String::from("too large"),
        Err(CallError::Address(_)) => String::from("address"),
        Err(CallError::Protocol(_)) => String::from("protocol"),
        Err(CallError::Tls(_)) => String::from("tls"),
    };
    assert_eq!(outcome(&closed).await, "refused");
    assert_eq!(outcome(&url(&server, "/slow")).await, "timeout");
    assert_eq!(outcome(&url(&server, "/large")).await, "too large");
    assert_eq!(outcome(&url(&server, "/away")).await, "302 0");
    assert_eq!(outcome(&url(&server, "/other")).await, "500 5");
    assert_eq!(outcome("https://127.0.0.1:1/").await, "refused");
    assert_eq!(outcome("ftp://127.0.0.1/").await, "address");
    assert_eq!(outcome("nonsense").await, "address");

    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = silent.local_addr().unwrap();
    let rude = tokio::spawn(async move {
        let (mut stream, _) = silent.accept().await.unwrap();
        stream.write_all(b"220 not HTTP\r\n\r\n").await.unwrap();
    });
    assert_eq!(outcome(&format!("http://{address}/")).await, "protocol");
    rude.await.unwrap();
}

fn identity(issued: &Issued) -> IdentityPem<'_> {
    IdentityPem { certificate: issued.certificate.as_bytes(), key: issued.key.as_bytes() }
}

#[tokio::test]
async fn certificates_decide_who_speaks() {
    let (city, elsewhere) = (Authority::found("city").unwrap(), Authority::found("elsewhere").unwrap());
    let hosts = [String::from("127.0.0.1")];
    let (node, user) = (city.issue("node", &hosts, Use::Node).unwrap(), city.issue("user", &[], Use::Client).unwrap());
    let (stranger, false_node) = (elsewhere.issue("user", &[], Use::Client).unwrap(), elsewhere.issue("node", &hosts, Use::Node).unwrap());
    let misnamed = city.issue("node", &[String::from("localhost")], Use::Node).unwrap();
    let server_only = city.issue("message", &[], Use::Message).unwrap();

    let tell = |request: Request| async move {
        Response::new(200, "text/plain", request.peer.map_or_else(|| String::from("nobody"), |peer| peer.to_string()).into_bytes())
    };
    let case = async |server: &Issued, demand: ClientCertificate, client: Option<&Issued>| {
        let config = tls::server(identity(server), city.pem().as_bytes(), demand).unwrap();
        let running = serve(HttpLimits::default(), Some(config), tell).await;
        let client = Client::new(Some(tls::client(client.map(identity), city.pem().as_bytes()).unwrap()), HttpLimits::default());
        match client.get(&format!("https://{}/", running.address), TOTAL).await {
            Ok(reply) => {
                assert_eq!(reply.peer.unwrap().to_string(), server.fingerprint);
                Ok(String::from_utf8(reply.body).unwrap())
            }
            Err(CallError::Tls(_)) => Err("tls"),
            Err(error) => panic!("{error:?}"),
        }
    };
    use ClientCertificate::{Optional, Required};
    assert_eq!(case(&node, Required, Some(&user)).await, Ok(user.fingerprint.clone()));
    assert_eq!(case(&node, Optional, Some(&user)).await, Ok(user.fingerprint.clone()));
    assert_eq!(case(&node, Optional, None).await, Ok(String::from("nobody")));
    assert_eq!(case(&node, Required, None).await, Err("tls"), "T01");
    assert_eq!(case(&node, Required, Some(&stranger)).await, Err("tls"), "T02");
    assert_eq!(case(&node, Optional, Some(&stranger)).await, Err("tls"), "T02");
    assert_eq!(case(&false_node, Required, Some(&user)).await, Err("tls"));
    assert_eq!(case(&misnamed, Required, Some(&user)).await, Err("tls"));
    assert!(case(&node, Required, Some(&node)).await.is_ok(), "a node is a client as well");
    assert!(
        case(&node, Required, Some(&server_only)).await.is_ok(),
        "without extended key usage every use is allowed (RFC 5280 §4.2.1.12)"
    );
    assert!(tls::server(IdentityPem { certificate: b"", key: b"" }, city.pem().as_bytes(), Required).is_err());
    assert!(tls::server(IdentityPem { key: user.key.as_bytes(), ..identity(&node) }, city.pem().as_bytes(), Required).is_err());
}
