//! What twelve real client stacks sent, replayed byte for byte, and what becomes of each message.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::print_stdout,
    clippy::too_many_lines,
    reason = "a test stops where it fails, and its tables are long"
)]

use adapter::fault::{Fault, Reason};
use adapter::http::{self, Request, Response};
use adapter::limits::HttpLimits;
use adapter::security::{Fingerprint, Profile, Security, Trust, Window};
use adapter::soap::{self, Envelope, Version};
use adapter::{addressing, security::Signed};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use xsd::read::Limits;
use xsd::time::Timestamp;
use xsd::tree::Element;

fn captures() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/captures");
    if folder.is_dir() {
        return Some(folder);
    }
    println!("SKIPPED: the captures of real clients are not at {}", folder.display());
    None
}

fn security(folder: &Path) -> Security {
    let trust = Trust::from_pem(&std::fs::read(folder.join("pki/client.pem")).unwrap()).unwrap();
    Security::new(trust, None, Window::default(), Limits::default())
}

/// The instant a second after the message says that it was made.
fn moment(octets: &[u8]) -> Timestamp {
    let text = String::from_utf8_lossy(octets);
    let created = text.split("Created>").nth(1).and_then(|rest| rest.split('<').next()).and_then(Timestamp::parse);
    created.unwrap_or(Timestamp(1_795_220_000_000)).plus_ms(1000)
}

fn verify(security: &Security, envelope: &Envelope, octets: &[u8]) -> Result<Signed<Element>, Fault> {
    let signed = String::from_utf8_lossy(octets).contains("SignedInfo");
    let profile = if signed { Profile::Signature } else { Profile::Transport };
    addressing::read(envelope)?;
    security.verify(envelope, Some(Fingerprint::of(b"a sector's own system")), profile, moment(octets))
}

/// Answers with the version and the local name of the Body's first child, or with the fault.
fn answer(security: &Security, request: &Request) -> Response {
    let content_type = request.header("content-type").unwrap_or_default();
    let envelope = match soap::parse(&request.body, content_type, request.header("soapaction"), &Limits::default()) {
        Ok(envelope) => envelope,
        Err(refused) => return fault(&refused.fault, refused.version),
    };
    match verify(security, &envelope, &request.body) {
        Err(error) => fault(&error, envelope.version()),
        Ok(body) => {
            let first = body.content().elements().next().map(|element| element.name().local().to_owned());
            let version = if envelope.version() == Version::Soap11 { "1.1" } else { "1.2" };
            Response::new(200, "text/plain", format!("{version} {}", first.unwrap_or_default()).into_bytes())
        }
    }
}

fn fault(fault: &Fault, version: Version) -> Response {
    let mut response = Response::of_fault(fault, version, fault.draft(version).octets());
    response.headers.push(("x-code".parse().unwrap(), fault.reason().code().parse().unwrap()));
    response
}

/// Sends the octets of a capture and returns (status, the fault's code or the body).
async fn replay(address: std::net::SocketAddr, octets: &[u8]) -> (u16, String) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(octets).await.unwrap();
    let mut reply = Vec::new();
    let deadline = tokio::time::Instant::now() + Duration::from_secs(5);
    loop {
        let text = String::from_utf8_lossy(&reply).into_owned();
        let text = text.strip_prefix("HTTP/1.1 100 Continue\r\n\r\n").unwrap_or(&text);
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let field = |name: &str| {
                head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix(name).map(|value| value.trim().to_owned()))
            };
            let length: usize = field("content-length:").and_then(|value| value.parse().ok()).unwrap_or_default();
            if body.len() >= length {
                let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_default();
                return (status, field("x-code:").unwrap_or_else(|| body.to_owned()));
            }
        }
        let read = tokio::time::timeout_at(deadline, stream.read_buf(&mut reply)).await;
        assert!(matches!(read, Ok(Ok(1..))), "the server closed or stalled: {read:?} after {reply:?}");
    }
}

/// What this endpoint says to a capture, from what its line in expect.tsv says of it.
fn expected(row: &[&str], octets: &[u8]) -> Result<String, Reason> {
    let (file, version, child, security) = (row[0], row[2], row[3], row[4]);
    let head = String::from_utf8_lossy(octets).split("\r\n\r\n").next().unwrap_or_default().to_ascii_lowercase();
    let content_type = head.lines().find_map(|line| line.strip_prefix("content-type:")).unwrap_or_default().trim().to_owned();
    // Neither MTOM nor binary XML is offered by the contracts of this house.
    if content_type.starts_with("multipart/") || content_type.contains("msbin1") {
        return Err(Reason::MediaType);
    }
    if file.starts_with("strongcert") && security == "signature" {
        return Err(Reason::UnsupportedAlgorithm);
    }
    // gSOAP without SOAP_XML_CANONICAL digests what it happened to write and names no canonicalisation: nobody can verify that.
    if file.starts_with("gsoapsigexp") {
        return Err(Reason::InvalidSecurity);
    }
    match security {
        "-" => {}
        "signature" if String::from_utf8_lossy(octets).contains("rsa-sha1") => return Err(Reason::UnsupportedAlgorithm),
        "signature" => {}
        _ => return Err(Reason::UnsupportedSecurityToken),
    }
    // A mandatory WS-ReliableMessaging header stands where gSOAP says so.
    if file.starts_with("gsoaprm") && String::from_utf8_lossy(octets).contains("Sequence SOAP-ENV:mustUnderstand") {
        return Err(Reason::MustUnderstand);
    }
    Ok(format!("{version} {child}"))
}

#[tokio::test]
async fn every_captured_request_gets_its_verdict() {
    let Some(folder) = captures() else { return };
    let security = Arc::new(security(&folder));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let handler = move |request: Request| {
        let security = Arc::clone(&security);
        async move { answer(&security, &request) }
    };
    let server = tokio::spawn(http::serve(listener, None, HttpLimits::default(), handler, std::future::pending()));

    let table = std::fs::read_to_string(folder.join("http/expect.tsv")).unwrap();
    let mut wrong = Vec::new();
    let mut seen: BTreeMap<String, u32> = BTreeMap::new();
    for line in table.lines().skip(1) {
        let row: Vec<&str> = line.split('\t').collect();
        if row[1] != "POST" {
            continue;
        }
        let octets = std::fs::read(folder.join("http").join(row[0])).unwrap();
        let (status, got) = replay(address, &octets).await;
        let wanted = expected(&row, &octets);
        let wanted_text = wanted.clone().unwrap_or_else(|reason| reason.code().to_owned());
        *seen.entry(if wanted.is_ok() { String::from("accepted") } else { wanted_text.clone() }).or_default() += 1;
        if got != wanted_text || (status == 200) != wanted.is_ok() {
            wrong.push(format!("{}: wanted {wanted_text}, got {status} {got}", row[0]));
        }
    }
    server.abort();
    println!("{seen:?}");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(seen.values().sum::<u32>() > 100, "the captures are where this test looks: {seen:?}");
}

#[test]
fn envelopes_of_wss4j_are_verified_or_refused_by_name() {
    let Some(folder) = captures() else { return };
    let mut cases = 0;
    for entry in std::fs::read_dir(folder.join("wss4j")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let octets = std::fs::read(&path).unwrap();
        let envelope = soap::parse(&octets, "text/xml", None, &Limits::default()).unwrap();
        let verdict = verify(&security(&folder), &envelope, &octets);
        let wanted = match name.as_str() {
            "wss4j-sig-bst" | "wss4j-sig-ski" | "wss4j-sig-x509keyid" => Ok(Some(String::from("EchoString"))),
            _ => Err(Reason::UnsupportedSecurityToken),
        };
        let got = verdict.map(|body| body.content().elements().next().map(|element| element.name().local().to_owned()));
        assert_eq!(got.map_err(|fault| fault.reason()), wanted, "{name}");
        cases += 1;
    }
    assert!(cases > 5, "the envelopes are where this test looks");
}
