//! The submit protocol of a measured ledger node: length-prefixed requests and answers over TCP on the loopback.

use super::load::{Reply, Wire};
use crate::config::Misconfigured;
use crate::replica::Replica;
use ledger::record::Entry;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// A request: an entry in its wire form. The answer: its leaf's index in 64 bits.
pub(super) const SUBMIT: u8 = 1;
/// A request without content. The answer is [`Standing`].
pub(super) const STATUS: u8 = 2;
/// A request: a client id. The answer: its leaf as it is at some moment after the request came.
pub(super) const GET: u8 = 3;

const REQUEST_BYTES_MAX: usize = 2 << 20;
const PATIENCE: Duration = Duration::from_secs(10);

/// Where a node stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Standing {
    /// Whether it leads.
    pub(super) leads: bool,
    /// Its leaves.
    pub(super) size: u64,
    /// Leaves that a checkpoint covers.
    pub(super) covered: u64,
}

impl Standing {
    fn encode(self) -> Vec<u8> {
        [[u8::from(self.leads)].as_slice(), &self.size.to_be_bytes(), &self.covered.to_be_bytes()].concat()
    }

    /// Reads an answer to [`STATUS`].
    pub(super) fn decode(octets: &[u8]) -> Option<Self> {
        let (&[leads], rest) = octets.split_first_chunk::<1>()?;
        let (size, covered) = rest.split_first_chunk::<8>()?;
        Some(Self { leads: leads == 1, size: u64::from_be_bytes(*size), covered: u64::from_be_bytes(covered.try_into().ok()?) })
    }
}

/// A request: what it wants, and its content.
pub(super) fn request(what: u8, content: &[u8]) -> Vec<u8> {
    [[what].as_slice(), content].concat()
}

/// The load generator's side. A frame is its length in 32 bits and its content.
pub(super) struct Submit;

impl Wire for Submit {
    fn put(&mut self, request: &[u8], out: &mut Vec<u8>) {
        out.extend_from_slice(&u32::try_from(request.len()).unwrap_or(u32::MAX).to_be_bytes());
        out.extend_from_slice(request);
    }

    fn take(&mut self, input: &mut Vec<u8>, _out: &mut Vec<u8>) -> std::io::Result<Vec<Reply>> {
        let (mut replies, mut used) = (Vec::new(), 0);
        while let Some((length, rest)) = input.get(used..).and_then(|rest| rest.split_first_chunk::<4>()) {
            let length = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
            let Some((good, octets)) = rest.get(..length).and_then(<[u8]>::split_first) else { break };
            replies.push(Reply { good: *good == 0, octets: octets.to_vec() });
            used += 4 + length;
        }
        input.drain(..used);
        Ok(replies)
    }
}

/// Answers until the listener fails: each request as soon as it is done, in whatever order that is.
pub(super) async fn serve(listener: std::net::TcpListener, replica: Replica) -> Result<(), Misconfigured> {
    let listener = TcpListener::from_std(listener).map_err(|error| super::wrong("submit port", &error))?;
    let mut talks = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.map_err(|error| super::wrong("submit port", &error))?;
        talks.spawn(talk(stream, replica.clone()));
        while talks.try_join_next().is_some() {}
    }
}

async fn talk(stream: TcpStream, replica: Replica) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let (read, mut write) = stream.into_split();
    let (answers, mut queue) = mpsc::channel::<Vec<u8>>(4096);
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let mut out = Vec::new();
        while let Some(answer) = queue.recv().await {
            Submit.put(&answer, &mut out);
            while let Ok(answer) = queue.try_recv() {
                Submit.put(&answer, &mut out);
            }
            if write.write_all(&out).await.is_err() {
                return;
            }
            out.clear();
        }
    });
    let mut read = BufReader::with_capacity(1 << 16, read);
    loop {
        let length = usize::try_from(read.read_u32().await?).unwrap_or(usize::MAX);
        if length > REQUEST_BYTES_MAX {
            return Err(std::io::Error::new(std::io::ErrorKind::InvalidData, "request over the limit"));
        }
        let mut request = vec![0; length];
        read.read_exact(&mut request).await?;
        let (answers, replica) = (answers.clone(), replica.clone());
        tasks.spawn(async move {
            let answer = answer(&replica, &request).await;
            let good = u8::from(answer.is_none());
            drop(answers.send([[good].as_slice(), &answer.unwrap_or_default()].concat()).await);
        });
        while tasks.try_join_next().is_some() {}
    }
}

async fn answer(replica: &Replica, request: &[u8]) -> Option<Vec<u8>> {
    let (what, content) = request.split_first()?;
    match *what {
        SUBMIT => {
            let entry = Entry::decode(content).ok()?;
            let committed = replica.submit(entry, PATIENCE).await.ok()?;
            Some(committed.index.to_be_bytes().to_vec())
        }
        STATUS => {
            let status = replica.read(|node| node.status()).await.ok()?;
            Some(Standing { leads: status.leads, size: status.size, covered: status.covered }.encode())
        }
        GET => {
            let id = std::str::from_utf8(content).ok()?.to_owned();
            replica.fresh(PATIENCE).await.ok()?;
            replica.read(move |node| node.client(&id).ok().flatten().and_then(|seen| node.leaf(seen.index).ok())).await.ok()?
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_come_apart_as_they_were_put_together() {
        let standing = Standing { leads: true, size: 7, covered: 5 };
        let mut input = Vec::new();
        Submit.put(&request(0, &standing.encode()), &mut input);
        Submit.put(&[1], &mut input);
        input.extend_from_slice(&[0, 0]);
        let replies = Submit.take(&mut input, &mut Vec::new()).unwrap();
        assert_eq!(replies.iter().map(|reply| reply.good).collect::<Vec<_>>(), [true, false]);
        assert_eq!(replies.first().and_then(|reply| Standing::decode(&reply.octets)), Some(standing));
        assert_eq!(input, [0, 0]);
    }
}
