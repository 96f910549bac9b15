//! The one thread that owns the ledger node: everybody else sends it work and waits for the answer.

use ledger::node::{Input, Node, Output};
use ledger::proof::Receipt;
use ledger::record::{Entry, Outcome, Verdict};
use ledger::store::{Files, StoreError};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::time::{Duration, Instant, SystemTime};
use tokio::sync::{oneshot, watch};
use xsd::time::Timestamp;

/// Work that waits for the thread; a full queue says busy.
const QUEUE: usize = 4096;
/// Raft's tick; an election takes ten to twenty of them.
const TICK: Duration = Duration::from_millis(50);

/// A ledger node as the services see it. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Replica {
    work: SyncSender<Work>,
    published: watch::Receiver<u64>,
    tickets: std::sync::Arc<AtomicU64>,
}

/// What became of an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Committed {
    /// The leaf.
    pub index: u64,
    /// Done, or the refusal that is now on record.
    pub outcome: Outcome,
}

/// Why an entry is not on the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unrecorded {
    /// No leaf can hold it: the verdict says why.
    Invalid(Verdict),
    /// No quorum answered in time. The entry may still be committed later, under the same id.
    NoQuorum,
    /// The queue is full.
    Busy,
    /// The node has stopped.
    Stopped,
}

type Reading = Box<dyn FnOnce(&Node<Files>) + Send>;

enum Work {
    Message { from: u64, octets: Vec<u8> },
    Submit { ticket: u64, entry: Entry, reply: oneshot::Sender<Result<Committed, Unrecorded>> },
    Withdraw { ticket: u64 },
    Read(Reading),
    Stop,
}

impl std::fmt::Debug for Work {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Work")
    }
}

/// The clock of this process: read here, at the edge, and handed inward as an argument.
#[must_use]
pub fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Timestamp(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

impl Replica {
    /// Starts the thread. `send` hands a frame to the link of a peer. The handle ends with the store's error, if it was one.
    ///
    /// # Errors
    /// The thread cannot be started.
    pub fn start(
        node: Node<Files>,
        send: impl Fn(u64, Vec<u8>) + Send + 'static,
    ) -> std::io::Result<(Self, std::thread::JoinHandle<Result<(), StoreError>>)> {
        let (work, queue) = sync_channel(QUEUE);
        let (publish, published) = watch::channel(node.checkpoint_size());
        let thread = std::thread::Builder::new().name(String::from("ledger")).spawn(move || {
            let mut owner = Owner { node, send, publish, waiting: BTreeMap::new(), outputs: Vec::new() };
            let mut tick_at = Instant::now() + TICK;
            loop {
                let step = match queue.recv_timeout(tick_at.saturating_duration_since(Instant::now())) {
                    Ok(Work::Stop) | Err(RecvTimeoutError::Disconnected) => return Ok(()),
                    Ok(work) => owner.take(work),
                    Err(RecvTimeoutError::Timeout) => Ok(()),
                };
                let step = step.and_then(|()| {
                    if Instant::now() < tick_at {
                        return Ok(());
                    }
                    tick_at = Instant::now() + TICK;
                    owner.step(Input::Tick)
                });
                if let Err(error) = step {
                    tracing::error!(%error, "the ledger's disk failed: this node stops, it does not vote with a broken disk");
                    return Err(error);
                }
            }
        })?;
        Ok((Self { work, published, tickets: std::sync::Arc::default() }, thread))
    }

    /// Delivers a frame of a peer. A full queue drops it, which Raft repairs.
    pub fn deliver(&self, from: u64, octets: Vec<u8>) {
        if self.work.try_send(Work::Message { from, octets }).is_err() {
            tracing::debug!(from, "ledger queue full: frame dropped");
        }
    }

    /// Proposes an entry and waits until this replica has applied it, at most `timeout`.
    ///
    /// # Errors
    /// See [`Unrecorded`].
    pub async fn submit(&self, entry: Entry, timeout: Duration) -> Result<Committed, Unrecorded> {
        let ticket = self.tickets.fetch_add(1, Ordering::Relaxed);
        let (reply, answer) = oneshot::channel();
        self.queue(Work::Submit { ticket, entry, reply })?;
        match tokio::time::timeout(timeout, answer).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => Err(Unrecorded::Stopped),
            Err(_) => {
                self.queue(Work::Withdraw { ticket })?;
                Err(Unrecorded::NoQuorum)
            }
        }
    }

    /// Runs `look` on the ledger's thread, between two steps: keep it short.
    ///
    /// # Errors
    /// Busy or stopped.
    pub async fn read<T: Send + 'static>(&self, look: impl FnOnce(&Node<Files>) -> T + Send + 'static) -> Result<T, Unrecorded> {
        let (reply, answer) = oneshot::channel();
        self.queue(Work::Read(Box::new(move |node| drop(reply.send(look(node))))))?;
        answer.await.map_err(|_| Unrecorded::Stopped)
    }

    /// Waits until a checkpoint covers leaf `index` and gives its receipt; none if no quorum signs one within `timeout`.
    ///
    /// # Errors
    /// Busy, stopped, or [`Unrecorded::NoQuorum`].
    pub async fn receipt(&self, index: u64, timeout: Duration) -> Result<Receipt, Unrecorded> {
        let mut published = self.published.clone();
        match tokio::time::timeout(timeout, published.wait_for(|size| *size > index)).await {
            Ok(Ok(_)) => {}
            Ok(Err(_)) => return Err(Unrecorded::Stopped),
            Err(_) => return Err(Unrecorded::NoQuorum),
        }
        self.read(move |node| node.receipt(index)).await?.ok_or(Unrecorded::NoQuorum)
    }

    /// Ends the thread after the work that is queued.
    pub fn stop(&self) {
        drop(self.work.send(Work::Stop));
    }

    fn queue(&self, work: Work) -> Result<(), Unrecorded> {
        self.work.try_send(work).map_err(|error| match error {
            TrySendError::Full(_) => Unrecorded::Busy,
            TrySendError::Disconnected(_) => Unrecorded::Stopped,
        })
    }
}

struct Owner<S> {
    node: Node<Files>,
    send: S,
    publish: watch::Sender<u64>,
    waiting: BTreeMap<u64, oneshot::Sender<Result<Committed, Unrecorded>>>,
    outputs: Vec<Output>,
}

impl<S: Fn(u64, Vec<u8>)> Owner<S> {
    fn take(&mut self, work: Work) -> Result<(), StoreError> {
        match work {
            Work::Message { from, octets } => self.step(Input::Message { from, octets }),
            Work::Submit { ticket, entry, reply } => {
                self.waiting.insert(ticket, reply);
                self.step(Input::Propose { ticket, entry })
            }
            Work::Withdraw { ticket } => {
                self.waiting.remove(&ticket);
                self.step(Input::Withdraw { ticket })
            }
            Work::Read(look) => {
                look(&self.node);
                Ok(())
            }
            Work::Stop => Ok(()),
        }
    }

    fn step(&mut self, input: Input) -> Result<(), StoreError> {
        self.node.step(input, now(), &mut self.outputs)?;
        for output in std::mem::take(&mut self.outputs) {
            self.put(output);
        }
        Ok(())
    }

    fn put(&mut self, output: Output) {
        match output {
            Output::Send { to, octets } => (self.send)(to, octets),
            Output::Answer { ticket, answer } => {
                if let Some(reply) = self.waiting.remove(&ticket) {
                    let answer = match answer {
                        ledger::node::Answer::Committed { index, outcome } => Ok(Committed { index, outcome }),
                        ledger::node::Answer::Invalid(verdict) => Err(Unrecorded::Invalid(verdict)),
                    };
                    drop(reply.send(answer));
                }
            }
            Output::Checkpoint { size } => {
                self.publish.send_replace(size);
            }
            Output::Leader { leader } => tracing::info!(leader, "ledger leader"),
        }
    }
}
