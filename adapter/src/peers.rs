//! The links between ledger nodes: length-prefixed frames over mutual TLS, each link one way, identified by certificate.

use crate::refusals::Refused;
use crate::security::Fingerprint;
use ledger::body::Member;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, ServerConfig};
use tokio_rustls::{TlsAcceptor, TlsConnector};

/// Octets of one frame; the length that precedes it is a big-endian u32.
pub const FRAME_BYTES_MAX: usize = 16 << 20;
/// Frames that wait for a slow peer; more are dropped, which Raft repairs.
const QUEUE_FRAMES: usize = 4096;
const HANDSHAKE: Duration = Duration::from_secs(5);
const RETRY_MIN: Duration = Duration::from_millis(20);
const RETRY_MAX: Duration = Duration::from_millis(500);

/// The nodes by certificate fingerprint: who may connect, and as which node. The ledger changes it.
pub type Nodes = watch::Receiver<BTreeMap<Fingerprint, u64>>;

/// Accepts links until the task is aborted. A connection whose certificate is of no member is closed without a word.
#[expect(clippy::infinite_loop, reason = "its owner aborts it when the node stops")]
pub async fn accept<D>(listener: TcpListener, tls: Arc<ServerConfig>, nodes: Nodes, deliver: D)
where
    D: Fn(u64, Vec<u8>) + Clone + Send + 'static,
{
    let acceptor = TlsAcceptor::from(tls);
    let mut links = tokio::task::JoinSet::new();
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "peer listener");
                tokio::time::sleep(RETRY_MAX).await;
                continue;
            }
        };
        while links.try_join_next().is_some() {}
        let (acceptor, nodes, deliver) = (acceptor.clone(), nodes.clone(), deliver.clone());
        links.spawn(async move {
            if let Err(error) = receive(stream, acceptor, &nodes, deliver).await {
                tracing::debug!(%error, "peer link closed");
            }
        });
    }
}

async fn receive<D>(stream: TcpStream, acceptor: TlsAcceptor, nodes: &Nodes, deliver: D) -> std::io::Result<()>
where
    D: Fn(u64, Vec<u8>),
{
    stream.set_nodelay(true)?;
    let mut stream = tokio::time::timeout(HANDSHAKE, acceptor.accept(stream)).await??;
    let fingerprint = crate::tls::peer(stream.get_ref().1);
    let Some(from) = fingerprint.and_then(|fingerprint| nodes.borrow().get(&fingerprint).copied()) else {
        return Err(std::io::Error::new(std::io::ErrorKind::PermissionDenied, "the certificate is of no member"));
    };
    loop {
        let length = usize::try_from(stream.read_u32().await?).unwrap_or(usize::MAX);
        if length > FRAME_BYTES_MAX {
            return Err(std::io::Error::new(std::io::ErrorKind::InvalidData, "frame over the limit"));
        }
        let mut frame = vec![0; length];
        stream.read_exact(&mut frame).await?;
        deliver(from, frame);
    }
}

/// A link to one peer; dialled again whenever it breaks.
#[derive(Clone, Debug)]
pub struct Link {
    frames: mpsc::Sender<Vec<u8>>,
}

impl Link {
    /// Starts to dial `address`, and accepts there only the certificate `fingerprint`. The task ends when the link is dropped.
    #[must_use]
    pub fn dial(address: String, fingerprint: Fingerprint, tls: Arc<ClientConfig>) -> Self {
        let (frames, queue) = mpsc::channel(QUEUE_FRAMES);
        tokio::spawn(keep(address, fingerprint, tls, queue));
        Self { frames }
    }

    /// Queues a frame; a full queue drops it.
    pub fn send(&self, frame: Vec<u8>) {
        if self.frames.try_send(frame).is_err() {
            tracing::debug!("peer queue full: frame dropped");
        }
    }
}

/// What a ledger node asks of its links.
#[derive(Debug)]
pub enum Post {
    /// Send a frame.
    Frame {
        /// To this node.
        to: u64,
        /// The frame.
        octets: Vec<u8>,
    },
    /// These are the members from now on.
    Members(Vec<Member>),
    /// A member's node handed on what no leaf can hold. No link has to do anything.
    Refused(Refused),
}

/// The links of a node to all others, as the ledger names them.
#[derive(Debug)]
pub struct Links {
    me: u64,
    tls: Arc<ClientConfig>,
    runtime: tokio::runtime::Handle,
    links: BTreeMap<u64, (String, Fingerprint, Link)>,
    nodes: watch::Sender<BTreeMap<Fingerprint, u64>>,
}

impl Links {
    /// No links yet; also who may connect, which follows the same members. Must be called on the runtime that dials.
    #[must_use]
    pub fn new(me: u64, tls: Arc<ClientConfig>) -> (Self, Nodes) {
        let (nodes, known) = watch::channel(BTreeMap::new());
        (Self { me, tls, runtime: tokio::runtime::Handle::current(), links: BTreeMap::new(), nodes }, known)
    }

    /// Does what the ledger node asks of its links. A node that is not linked gets nothing.
    pub fn take(&mut self, post: Post) {
        match post {
            Post::Frame { to, octets } => {
                if let Some((_, _, link)) = self.links.get(&to) {
                    link.send(octets);
                }
            }
            Post::Members(members) => self.follow(&members),
            Post::Refused(_) => {}
        }
    }

    /// Dials who is new or has another address or certificate, and hangs up on who is gone.
    fn follow(&mut self, members: &[Member]) {
        let _entered = self.runtime.enter();
        let mut links = BTreeMap::new();
        for member in members.iter().filter(|member| member.node != self.me) {
            let (address, fingerprint) = (member.peer.clone(), crate::site::fingerprint(member.tls_certificate));
            let standing = self.links.remove(&member.node).filter(|(was, shown, _)| *was == address && *shown == fingerprint);
            let dial = || (address.clone(), fingerprint, Link::dial(address.clone(), fingerprint, Arc::clone(&self.tls)));
            links.insert(member.node, standing.unwrap_or_else(dial));
        }
        self.links = links;
        let known = members.iter().map(|member| (crate::site::fingerprint(member.tls_certificate), member.node)).collect();
        self.nodes.send_replace(known);
    }
}

async fn keep(address: String, fingerprint: Fingerprint, tls: Arc<ClientConfig>, mut queue: mpsc::Receiver<Vec<u8>>) {
    let mut pause = RETRY_MIN;
    while !queue.is_closed() {
        match send(&address, fingerprint, Arc::clone(&tls), &mut queue, &mut pause).await {
            Ok(()) => return,
            Err(error) => tracing::debug!(%address, %error, "peer link"),
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(RETRY_MAX);
    }
}

async fn send(
    address: &str,
    fingerprint: Fingerprint,
    tls: Arc<ClientConfig>,
    queue: &mut mpsc::Receiver<Vec<u8>>,
    pause: &mut Duration,
) -> std::io::Result<()> {
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host).trim_matches(['[', ']']).to_owned();
    let name = ServerName::try_from(host).map_err(|error| std::io::Error::new(std::io::ErrorKind::InvalidInput, error))?;
    let stream = tokio::time::timeout(HANDSHAKE, TcpStream::connect(address)).await??;
    stream.set_nodelay(true)?;
    let mut stream = tokio::time::timeout(HANDSHAKE, TlsConnector::from(tls).connect(name, stream)).await??;
    if crate::tls::peer(stream.get_ref().1) != Some(fingerprint) {
        return Err(std::io::Error::new(std::io::ErrorKind::PermissionDenied, "the peer shows another member's certificate"));
    }
    *pause = RETRY_MIN;
    let mut buffer = Vec::new();
    loop {
        let Some(frame) = queue.recv().await else { return Ok(()) };
        push(&mut buffer, &frame);
        while let Ok(frame) = queue.try_recv() {
            push(&mut buffer, &frame);
        }
        stream.write_all(&buffer).await?;
        stream.flush().await?;
        buffer.clear();
    }
}

fn push(buffer: &mut Vec<u8>, frame: &[u8]) {
    if let Ok(length) = u32::try_from(frame.len()) {
        buffer.extend_from_slice(&length.to_be_bytes());
        buffer.extend_from_slice(frame);
    }
}
