//! The load generator: one thread, one connection, so many requests in flight, the same for every system that is measured.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// What waits at most for the answers that are outstanding when a burst ends.
const DRAIN: Duration = Duration::from_secs(10);

/// How a system's requests and answers lie on a connection.
pub(super) trait Wire {
    /// Appends a request to `out`, or keeps it back until the other side takes more.
    fn put(&mut self, request: &[u8], out: &mut Vec<u8>);
    /// Takes what is complete from the start of `input`, and appends to `out` what the protocol wants said.
    ///
    /// # Errors
    /// What came is not of this protocol.
    fn take(&mut self, input: &mut Vec<u8>, out: &mut Vec<u8>) -> std::io::Result<Vec<Reply>>;
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reply {
    /// Whether it is done.
    pub(super) good: bool,
    /// What it says.
    pub(super) octets: Vec<u8>,
}

/// A connection to one process.
pub(super) struct Connection<W> {
    stream: TcpStream,
    wire: W,
    input: Vec<u8>,
    out: Vec<u8>,
}

/// What a burst did.
#[derive(Clone, Copy, Debug)]
pub(super) struct Burst {
    /// Requests answered with success.
    pub(super) done: u64,
    /// Requests refused or failed.
    pub(super) failed: u64,
    /// From the first request to the last answer.
    pub(super) took: Duration,
}

impl<W: Wire> Connection<W> {
    /// Connects.
    ///
    /// # Errors
    /// Nobody listens.
    pub(super) fn open(address: &str, wire: W, greeting: &[u8]) -> std::io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(DRAIN))?;
        Ok(Self { stream, wire, input: Vec::new(), out: greeting.to_vec() })
    }

    /// One request, and its answer.
    ///
    /// # Errors
    /// The connection broke, or nothing came in time.
    pub(super) fn call(&mut self, request: &[u8]) -> std::io::Result<Reply> {
        self.wire.put(request, &mut self.out);
        loop {
            if let Some(reply) = self.exchange()?.pop() {
                return Ok(reply);
            }
        }
    }

    /// Keeps `in_flight` requests outstanding until `limit` has passed or there are no more.
    ///
    /// # Errors
    /// The connection broke, or nothing came for ten seconds.
    pub(super) fn burst<'a>(
        &mut self,
        mut requests: impl Iterator<Item = &'a [u8]>,
        in_flight: usize,
        limit: Duration,
    ) -> std::io::Result<Burst> {
        let since = Instant::now();
        let (mut outstanding, mut open) = (0_usize, true);
        let mut burst = Burst { done: 0, failed: 0, took: Duration::ZERO };
        loop {
            while open && outstanding < in_flight {
                match requests.next() {
                    Some(request) => {
                        self.wire.put(request, &mut self.out);
                        outstanding += 1;
                    }
                    None => open = false,
                }
            }
            if outstanding == 0 {
                burst.took = since.elapsed();
                return Ok(burst);
            }
            for reply in self.exchange()? {
                outstanding = outstanding.saturating_sub(1);
                if reply.good {
                    burst.done += 1;
                } else {
                    burst.failed += 1;
                }
            }
            open = open && since.elapsed() < limit;
        }
    }

    /// Sends a fresh request each `every` until one succeeds: how long that took from `since`. `None` if the connection
    /// broke or nothing succeeded for `patience`.
    pub(super) fn first_success(
        &mut self,
        mut request: impl FnMut() -> Vec<u8>,
        since: Instant,
        every: Duration,
        patience: Duration,
    ) -> Option<Duration> {
        self.stream.set_read_timeout(Some(Duration::from_millis(2))).ok()?;
        let mut next = Instant::now();
        let answer = loop {
            if since.elapsed() > patience {
                break None;
            }
            if Instant::now() >= next {
                self.wire.put(&request(), &mut self.out);
                next = Instant::now() + every;
            }
            match self.exchange() {
                Ok(replies) if replies.iter().any(|reply| reply.good) => break Some(since.elapsed()),
                Ok(_) => {}
                Err(error) if matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut) => {}
                Err(_) => break None,
            }
        };
        self.stream.set_read_timeout(Some(DRAIN)).ok()?;
        answer
    }

    /// Writes what waits, and reads what has come.
    fn exchange(&mut self) -> std::io::Result<Vec<Reply>> {
        if !self.out.is_empty() {
            self.stream.write_all(&self.out)?;
            self.out.clear();
        }
        let mut buffer = [0; 1 << 16];
        let length = self.stream.read(&mut buffer)?;
        if length == 0 {
            return Err(std::io::Error::new(std::io::ErrorKind::UnexpectedEof, "the other side hung up"));
        }
        self.input.extend_from_slice(buffer.get(..length).unwrap_or_default());
        self.wire.take(&mut self.input, &mut self.out)
    }
}
