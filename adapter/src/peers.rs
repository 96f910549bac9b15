//! The links between ledger nodes: length-prefixed frames over mutual TLS, each link one way, identified by certificate.

use crate::refusals::Refused;
use crate::security::Fingerprint;
use ledger::body::Member;
use std::collections::{BTreeMap, VecDeque};
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, watch};
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, ServerConfig};
use tokio_rustls::{TlsAcceptor, TlsConnector};

/// Octets of one frame; the length that precedes it is a big-endian u32.
pub const FRAME_BYTES_MAX: usize = 16 << 20;
/// Octets that wait for a slow peer; more are dropped, which Raft repairs.
const QUEUE_BYTES_MAX: usize = 4 * FRAME_BYTES_MAX;
const HANDSHAKE: Duration = Duration::from_secs(5);
const RETRY_MIN: Duration = Duration::from_millis(20);
const RETRY_MAX: Duration = Duration::from_millis(500);

/// The nodes by certificate fingerprint: who may connect, and as which node. The ledger changes it.
pub type Nodes = watch::Receiver<BTreeMap<Fingerprint, u64>>;

/// Accepts links until the task is aborted. A connection whose certificate is of no member is closed without a word.
///
/// # Errors
/// The runtime does not take the listener.
#[expect(clippy::infinite_loop, reason = "its owner aborts it when the node stops")]
pub async fn accept<D>(listener: std::net::TcpListener, tls: Arc<ServerConfig>, nodes: Nodes, deliver: D) -> std::io::Result<()>
where
    D: Fn(u64, Vec<u8>) + Clone + Send + 'static,
{
    listener.set_nonblocking(true)?;
    let listener = TcpListener::from_std(listener)?;
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
    let mut nodes = nodes.clone();
    let stranger = || std::io::Error::new(std::io::ErrorKind::PermissionDenied, "the certificate is of no member");
    let node = |nodes: &mut Nodes| fingerprint.and_then(|fingerprint| nodes.borrow_and_update().get(&fingerprint).copied());
    let mut from = node(&mut nodes).ok_or_else(stranger)?;
    loop {
        let length = usize::try_from(stream.read_u32().await?).unwrap_or(usize::MAX);
        if length > FRAME_BYTES_MAX {
            return Err(std::io::Error::new(std::io::ErrorKind::InvalidData, "frame over the limit"));
        }
        let mut frame = vec![0; length];
        stream.read_exact(&mut frame).await?;
        // The member whose certificate it is may have another node by now, or be none.
        if nodes.has_changed().unwrap_or(false) {
            from = node(&mut nodes).ok_or_else(stranger)?;
        }
        deliver(from, frame);
    }
}

/// A link to one peer; dialled again whenever it breaks. Clones are one link, which ends with the last of them.
#[derive(Clone, Debug)]
pub struct Link {
    pipe: Arc<Pipe>,
    _dialling: Arc<Dialling>,
}

impl Link {
    /// Starts to dial `address`, and accepts there only the certificate `fingerprint`. Must be called on the runtime that dials.
    #[must_use]
    pub fn dial(address: String, fingerprint: Fingerprint, tls: Arc<ClientConfig>) -> Self {
        let pipe = Arc::<Pipe>::default();
        let dialling = tokio::spawn(keep(address, fingerprint, tls, Arc::clone(&pipe)));
        Self { pipe, _dialling: Arc::new(Dialling(dialling.abort_handle())) }
    }

    /// Writes a frame, or as much of it as the connection takes now; the rest follows. Beyond what may wait it is dropped.
    pub fn send(&self, frame: Vec<u8>) {
        let mut flow = self.pipe.flow();
        if flow.octets + frame.len() > QUEUE_BYTES_MAX {
            tracing::debug!("peer queue full: frame dropped");
            return;
        }
        flow.push(frame);
        // Handing the frame to another thread would cost more than writing it, and a peer's disk waits for it.
        if flow.poll_write(&mut Context::from_waker(Waker::noop())).is_pending() {
            drop(flow);
            self.pipe.more.notify_one();
        }
    }
}

#[derive(Debug)]
struct Dialling(tokio::task::AbortHandle);

impl Drop for Dialling {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// What a link has to say, and the connection that says it.
#[derive(Debug, Default)]
struct Pipe {
    flow: Mutex<Flow>,
    /// The task of the link has something to do.
    more: Notify,
}

impl Pipe {
    fn flow(&self) -> MutexGuard<'_, Flow> {
        self.flow.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug, Default)]
struct Flow {
    stream: Option<TlsStream<TcpStream>>,
    /// Frames with their lengths before them.
    frames: VecDeque<Vec<u8>>,
    /// Octets of all of them.
    octets: usize,
    /// Octets of the first that are written: a new connection begins with the whole frame.
    written: usize,
}

impl Flow {
    fn push(&mut self, frame: Vec<u8>) {
        let Ok(length) = u32::try_from(frame.len()) else { return };
        let frame = [length.to_be_bytes().as_slice(), &frame].concat();
        self.octets += frame.len();
        self.frames.push_back(frame);
    }

    /// Writes what the connection takes. Pending also when there is none, or it failed: the link's task has to see to it.
    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match self.poll_frames(cx) {
            Poll::Ready(Ok(())) => Poll::Ready(()),
            Poll::Ready(Err(_)) | Poll::Pending => Poll::Pending,
        }
    }

    fn poll_frames(&mut self, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        let Some(stream) = &mut self.stream else { return Poll::Pending };
        while let Some(first) = self.frames.front() {
            let rest = first.get(self.written..).unwrap_or_default();
            self.written += ready!(Pin::new(&mut *stream).poll_write(cx, rest))?;
            if self.written >= first.len() {
                self.octets -= first.len();
                self.written = 0;
                self.frames.pop_front();
            }
        }
        Pin::new(stream).poll_flush(cx)
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
    links: BTreeMap<u64, (String, Fingerprint, Link)>,
    nodes: watch::Sender<BTreeMap<Fingerprint, u64>>,
}

impl Links {
    /// No links yet; also who may connect, which follows the same members.
    #[must_use]
    pub fn new(me: u64, tls: Arc<ClientConfig>) -> (Self, Nodes) {
        let (nodes, known) = watch::channel(BTreeMap::new());
        (Self { me, tls, links: BTreeMap::new(), nodes }, known)
    }

    /// Does what the ledger node asks of its links, on the runtime that dials. A node that is not linked gets nothing.
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

#[expect(clippy::infinite_loop, reason = "it ends with its link")]
async fn keep(address: String, fingerprint: Fingerprint, tls: Arc<ClientConfig>, pipe: Arc<Pipe>) {
    let mut pause = RETRY_MIN;
    loop {
        match connect(&address, fingerprint, Arc::clone(&tls)).await {
            Ok(stream) => {
                pause = RETRY_MIN;
                {
                    let mut flow = pipe.flow();
                    flow.stream = Some(stream);
                    flow.written = 0;
                }
                let error = write(&pipe).await;
                pipe.flow().stream = None;
                tracing::debug!(%address, %error, "peer link");
            }
            Err(error) => tracing::debug!(%address, %error, "peer link"),
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(RETRY_MAX);
    }
}

async fn connect(address: &str, fingerprint: Fingerprint, tls: Arc<ClientConfig>) -> std::io::Result<TlsStream<TcpStream>> {
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host).trim_matches(['[', ']']).to_owned();
    let name = ServerName::try_from(host).map_err(|error| std::io::Error::new(std::io::ErrorKind::InvalidInput, error))?;
    let stream = tokio::time::timeout(HANDSHAKE, TcpStream::connect(address)).await??;
    stream.set_nodelay(true)?;
    let stream = tokio::time::timeout(HANDSHAKE, TlsConnector::from(tls).connect(name, stream)).await??;
    if crate::tls::peer(stream.get_ref().1) != Some(fingerprint) {
        return Err(std::io::Error::new(std::io::ErrorKind::PermissionDenied, "the peer shows another member's certificate"));
    }
    Ok(stream)
}

/// Writes what [`Link::send`] could not, until the connection breaks.
async fn write(pipe: &Pipe) -> std::io::Error {
    loop {
        tokio::select! {
            biased;
            // A sender has polled the connection after this task: its waker counts there, so poll again.
            () = pipe.more.notified() => {}
            written = poll_fn(|cx| pipe.flow().poll_frames(cx)) => match written {
                Ok(()) => pipe.more.notified().await,
                Err(error) => return error,
            },
        }
    }
}
