//! The one thread that owns the ledger node: everybody else sends it work and waits for the answer.

use crate::peers::Post;
use crate::refusals::Refused;
use ledger::archive::Damage;
use ledger::medium::Directory;
use ledger::node::{Answer, Done, Input, Job, Node, Outbox, Output};
use ledger::proof::Receipt;
use ledger::record::{Entry, Outcome, Verdict};
use ledger::segment::StoreError;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};
use tokio::runtime::{Builder, Handle};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::sync::{oneshot, watch};
use tokio::time::Instant;
use xsd::time::Timestamp;

/// Work that waits for the thread; a full queue says busy.
const QUEUE: usize = 4096;
/// Raft's tick; an election takes ten to twenty of them.
const TICK: Duration = Duration::from_millis(25);
/// What a leader that shall end takes at most to hand the lead over.
const HANDOVER: Duration = Duration::from_millis(500);
/// Inputs taken together: one fdatasync makes all of them durable.
const BATCH: usize = 512;
/// After so long without a leaf a mark was lost.
const MARK: Duration = Duration::from_millis(250);

/// A ledger node as the services see it. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Replica {
    work: Sender<Work>,
    runtime: Handle,
    progress: watch::Receiver<Progress>,
    tickets: Arc<AtomicU64>,
    failure: Arc<OnceLock<String>>,
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

/// How far this replica is, in leaves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Progress {
    applied: u64,
    published: u64,
    forks: u64,
}

type Reading = Box<dyn FnOnce(&Node<Directory>) + Send>;

enum Work {
    Message { from: u64, octets: Vec<u8> },
    Submit { ticket: u64, entry: Entry, reply: oneshot::Sender<Result<Committed, Unrecorded>> },
    Withdraw { ticket: u64 },
    Fresh { ticket: u64, reply: oneshot::Sender<()> },
    Mark,
    Read(Reading),
    Wish(Input),
    Done(Box<Done<Directory>>),
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
    /// Starts the thread, with a runtime of its own for the node's links. `post` has these and is called there. See
    /// [`Replica::failed`] for a thread that ended.
    ///
    /// # Errors
    /// The thread cannot be started.
    pub fn start(node: Node<Directory>, post: impl FnMut(Post) + Send + 'static) -> std::io::Result<(Self, std::thread::JoinHandle<()>)> {
        let (work, queue) = channel(QUEUE);
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let back = work.clone();
        let failure = Arc::new(OnceLock::new());
        let said = Arc::clone(&failure);
        let (progress, watched) = watch::channel(Progress::default());
        let thread = std::thread::Builder::new().name(String::from("ledger")).spawn(move || {
            let desk = Desk { post, answered: false, held: Vec::new(), forks: 0, waiting: BTreeMap::new(), reads: BTreeMap::new() };
            let owner = Owner { node, desk, progress, inputs: Vec::new(), leaves: None, hands: Hands::new(back), finished: Vec::new() };
            // What it writes to the links must not be cut short by the runtime's idea of fairness: it yields by itself.
            if let Err(error) = runtime.block_on(tokio::task::unconstrained(owner.run(queue))) {
                tracing::error!(%error, "the ledger's disk failed: this node stops, it does not vote with a broken disk");
                let _first = said.set(error.to_string());
            }
        })?;
        Ok((Self { work, runtime: handle, progress: watched, tickets: Arc::default(), failure }, thread))
    }

    /// The runtime of the ledger's thread. What hears the node's peers belongs there: a frame then needs no other thread to get to
    /// the node, which halves the latency of a commit.
    #[must_use]
    pub fn runtime(&self) -> &Handle {
        &self.runtime
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

    /// Hands the node a wish that nobody waits for.
    ///
    /// # Errors
    /// Busy or stopped.
    pub fn wish(&self, wish: Input) -> Result<(), Unrecorded> {
        self.queue(Work::Wish(wish))
    }

    /// Runs `look` on the ledger's thread, between two steps: keep it short.
    ///
    /// # Errors
    /// Busy or stopped.
    pub async fn read<T: Send + 'static>(&self, look: impl FnOnce(&Node<Directory>) -> T + Send + 'static) -> Result<T, Unrecorded> {
        let (reply, answer) = oneshot::channel();
        self.queue(Work::Read(Box::new(move |node| drop(reply.send(look(node))))))?;
        answer.await.map_err(|_dropped| Unrecorded::Stopped)
    }

    /// Waits until this replica has applied everything that was answered anywhere before this call: what is read then is
    /// linearizable.
    ///
    /// # Errors
    /// Busy, stopped, or [`Unrecorded::NoQuorum`] if no leader with a quorum says so within `timeout`.
    pub async fn fresh(&self, timeout: Duration) -> Result<(), Unrecorded> {
        let ticket = self.tickets.fetch_add(1, Ordering::Relaxed);
        let (reply, answer) = oneshot::channel();
        self.queue(Work::Fresh { ticket, reply })?;
        match tokio::time::timeout(timeout, answer).await {
            Ok(answer) => answer.map_err(|_dropped| Unrecorded::Stopped),
            Err(_) => {
                self.queue(Work::Withdraw { ticket })?;
                Err(Unrecorded::NoQuorum)
            }
        }
    }

    /// Waits until a published state root speaks of every leaf that was answered anywhere before this call, and gives its leaf. Where
    /// none does it asks the leader for one.
    ///
    /// # Errors
    /// Busy, stopped, or [`Unrecorded::NoQuorum`] if that takes longer than `timeout`.
    pub async fn rooted(&self, timeout: Duration) -> Result<u64, Unrecorded> {
        self.fresh(timeout).await?;
        let reach = |node: &Node<Directory>| (node.state().size(), node.state().rooted().index());
        let (size, _) = self.read(reach).await?;
        let until = tokio::time::Instant::now() + timeout;
        loop {
            let (_, root) = self.read(reach).await?;
            let left = until.saturating_duration_since(tokio::time::Instant::now());
            // Before the first state root its index is beyond all leaves.
            if root + 1 >= size && root < u64::MAX - 1 {
                self.wait_for(left, move |progress| progress.published > root).await?;
                return Ok(root);
            }
            self.queue(Work::Mark)?;
            let applied = self.progress.borrow().applied;
            // A mark may be lost: who waits asks again.
            if self.wait_for(left.min(MARK), move |progress| progress.applied > applied).await.is_err() && left.is_zero() {
                return Err(Unrecorded::NoQuorum);
            }
        }
    }

    /// Waits until a checkpoint covers leaf `index` and gives its receipt; none if no quorum signs one within `timeout`.
    ///
    /// # Errors
    /// Busy, stopped, or [`Unrecorded::NoQuorum`].
    pub async fn receipt(&self, index: u64, timeout: Duration) -> Result<Receipt, Unrecorded> {
        self.wait_for(timeout, move |progress| progress.published > index).await?;
        self.read(move |node| node.receipt(index)).await?.ok_or(Unrecorded::NoQuorum)
    }

    /// Waits until this replica has applied leaf `index`.
    ///
    /// # Errors
    /// Stopped, or [`Unrecorded::NoQuorum`] if it takes too long.
    pub async fn caught_up(&self, index: u64, timeout: Duration) -> Result<(), Unrecorded> {
        self.wait_for(timeout, move |progress| progress.applied > index).await
    }

    async fn wait_for(&self, timeout: Duration, reached: impl Fn(&Progress) -> bool) -> Result<(), Unrecorded> {
        let mut progress = self.progress.clone();
        match tokio::time::timeout(timeout, progress.wait_for(reached)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(_)) => Err(Unrecorded::Stopped),
            Err(_) => Err(Unrecorded::NoQuorum),
        }
    }

    /// Contradictions that were found since the start; the evidence is in the ledger's directory.
    #[must_use]
    pub fn forks(&self) -> u64 {
        self.progress.borrow().forks
    }

    /// Why the thread ended by itself, if it did.
    #[must_use]
    pub fn failed(&self) -> Option<&str> {
        self.failure.get().map(String::as_str)
    }

    /// Ends the thread after the work that is queued.
    pub async fn stop(&self) {
        drop(self.work.send(Work::Stop).await);
    }

    fn queue(&self, work: Work) -> Result<(), Unrecorded> {
        self.work.try_send(work).map_err(|error| match error {
            TrySendError::Full(_) => Unrecorded::Busy,
            TrySendError::Closed(_) => Unrecorded::Stopped,
        })
    }
}

struct Owner<P> {
    node: Node<Directory>,
    desk: Desk<P>,
    progress: watch::Sender<Progress>,
    inputs: Vec<Input>,
    /// Set when the thread was told to end: until when it may take.
    leaves: Option<Instant>,
    hands: Hands,
    finished: Vec<Done<Directory>>,
}

/// Where the node's outputs go while it works: a frame is on its link before the disk has it.
/// So long a node that waits for an answer, or gave one, asks for its turn again and again before it sleeps: what comes next often
/// comes within this time, and to wake a processor takes longer than all that is done then.
const POLL: Duration = Duration::from_micros(100);

struct Desk<P> {
    post: P,
    /// Somebody was answered in this step, and what was then to be sent to other nodes waits until that is on its way.
    answered: bool,
    held: Vec<(u64, Vec<u8>)>,
    /// Contradictions since the start.
    forks: u64,
    waiting: BTreeMap<u64, oneshot::Sender<Result<Committed, Unrecorded>>>,
    reads: BTreeMap<u64, oneshot::Sender<()>>,
}

impl<P: FnMut(Post)> Owner<P> {
    async fn run(mut self, mut queue: Receiver<Work>) -> Result<(), StoreError> {
        self.report();
        let mut tick_at = Instant::now() + TICK;
        loop {
            let taken = self.take(&mut queue, tick_at).await;
            if Instant::now() >= tick_at {
                tick_at = Instant::now() + TICK;
                self.inputs.push(Input::Tick);
            }
            self.step()?;
            if (!taken || self.leaves.is_some()) && self.goes() {
                self.desk.let_go();
                return Ok(());
            }
            // The turn of the links and of who was answered: what came meanwhile goes into the next step.
            tokio::task::yield_now().await;
            if self.desk.answered || !self.desk.waiting.is_empty() {
                let until = Instant::now() + POLL;
                // Who was answered on this runtime tells its client first.
                tokio::task::yield_now().await;
                self.desk.let_go();
                while queue.is_empty() && Instant::now() < until {
                    std::thread::yield_now();
                    tokio::task::yield_now().await;
                }
            }
            if queue.is_empty() {
                self.node.tell(now(), &mut self.desk)?;
                self.desk.let_go();
                // A processor that others wait for is theirs first: this can wait.
                std::thread::yield_now();
                self.node.prepare();
            }
        }
    }

    /// Takes what waits in the queue, or waits for the first until `until`. False when the thread shall end.
    async fn take(&mut self, queue: &mut Receiver<Work>, until: Instant) -> bool {
        let mut next = match tokio::time::timeout_at(until, queue.recv()).await {
            Ok(Some(work)) => Some(work),
            Ok(None) => return false,
            Err(_) => None,
        };
        while let Some(work) = next {
            match work {
                Work::Message { from, octets } => self.inputs.push(Input::Message { from, octets }),
                Work::Submit { ticket, entry, reply } => {
                    self.desk.waiting.insert(ticket, reply);
                    self.inputs.push(Input::Propose { ticket, entry });
                }
                Work::Fresh { ticket, reply } => {
                    self.desk.reads.insert(ticket, reply);
                    self.inputs.push(Input::Read { ticket });
                }
                Work::Withdraw { ticket } => {
                    self.desk.waiting.remove(&ticket);
                    self.desk.reads.remove(&ticket);
                    self.inputs.push(Input::Withdraw { ticket });
                }
                Work::Mark => self.inputs.push(Input::Mark),
                Work::Read(look) => look(&self.node),
                Work::Wish(wish) => self.inputs.push(wish),
                Work::Done(done) => self.finished.push(*done),
                Work::Stop => return false,
            }
            next = if self.inputs.len() < BATCH { queue.try_recv().ok() } else { None };
        }
        true
    }

    /// Whether the thread may end. A leader hands the lead over first, so that nobody waits for an election, but not for long.
    fn goes(&mut self) -> bool {
        let until = *self.leaves.get_or_insert_with(|| Instant::now() + HANDOVER);
        match self.node.successor().filter(|_| Instant::now() < until) {
            Some(to) => {
                self.inputs.push(Input::Transfer { to });
                false
            }
            None => true,
        }
    }

    fn step(&mut self) -> Result<(), StoreError> {
        for done in self.finished.drain(..) {
            self.node.done(done)?;
        }
        self.node.steps(self.inputs.drain(..), now(), &mut self.desk)?;
        while let Some(job) = self.node.job() {
            self.hands.give(job)?;
        }
        self.report();
        Ok(())
    }

    fn report(&self) {
        let published = self.node.published().map_or(0, |(checkpoint, _)| checkpoint.size);
        let progress = Progress { applied: self.node.state().size(), published, forks: self.desk.forks };
        self.progress.send_if_modified(|stands| {
            let moved = *stands != progress;
            *stands = progress;
            moved
        });
    }
}

impl<P: FnMut(Post)> Desk<P> {
    fn let_go(&mut self) {
        self.answered = false;
        for (to, octets) in self.held.drain(..) {
            (self.post)(Post::Frame { to, octets });
        }
    }
}

/// The threads that do the node's jobs, one for those that may take long and one for all others.
struct Hands {
    /// Where a thread says that a job is done, and what came of it.
    back: Sender<Work>,
    long: Option<std::sync::mpsc::Sender<Job<Directory>>>,
    short: Option<std::sync::mpsc::Sender<Job<Directory>>>,
}

impl Hands {
    const fn new(back: Sender<Work>) -> Self {
        Self { back, long: None, short: None }
    }

    /// Has a job done after those of its kind that were given before. The threads end with the node.
    fn give(&mut self, job: Job<Directory>) -> Result<(), StoreError> {
        let hand = if job.is_long() { &mut self.long } else { &mut self.short };
        if hand.is_none() {
            let (work, jobs) = std::sync::mpsc::channel::<Job<Directory>>();
            let back = self.back.clone();
            let run = move || {
                let _stopped = jobs.into_iter().try_for_each(|job| back.blocking_send(Work::Done(Box::new(job.run()))));
            };
            let named = std::thread::Builder::new().name(String::from("job"));
            named.spawn(run).map_err(|error| StoreError::Io { what: "start a thread", path: "job".into(), error })?;
            *hand = Some(work);
        }
        // A thread that is gone has panicked.
        let gone = hand.as_ref().is_some_and(|hand| hand.send(job).is_err());
        if gone { Err(StoreError::Stopped) } else { Ok(()) }
    }
}

impl<P: FnMut(Post)> Outbox for Desk<P> {
    fn put(&mut self, output: Output) {
        match output {
            Output::Send { to, octets } if self.answered => self.held.push((to, octets)),
            Output::Send { to, octets } => (self.post)(Post::Frame { to, octets }),
            Output::Answer { ticket, answer } => {
                if let Some(reply) = self.waiting.remove(&ticket) {
                    self.answered = true;
                    let answer = match answer {
                        Answer::Committed { index, outcome, .. } => Ok(Committed { index, outcome }),
                        Answer::Invalid(verdict) => Err(Unrecorded::Invalid(verdict)),
                        Answer::Busy => Err(Unrecorded::Busy),
                    };
                    drop(reply.send(answer));
                }
            }
            Output::Checkpoint { .. } => {}
            Output::Members { members } => (self.post)(Post::Members(members)),
            Output::Refused { member, verdict, digest } => {
                (self.post)(Post::Refused(Refused { account: member, verdict: verdict.code().to_owned(), digest }));
            }
            Output::Leader { node, term } => tracing::info!(leader = node, term, "ledger leader"),
            Output::ReadAt { ticket, .. } => {
                if let Some(reply) = self.reads.remove(&ticket) {
                    let _gone = reply.send(());
                }
            }
            Output::Fork { evidence } => {
                self.forks += 1;
                tracing::error!(kept = evidence.name(), evidence = evidence.text(), "a member signed a tree head that contradicts ours");
            }
            Output::Damaged { damage } => {
                let Damage { file, offset, bundle, what } = damage;
                tracing::error!(file, offset, bundle, what, "damage on this node's disk");
            }
            Output::Mended { damage } => {
                tracing::info!(file = damage.file, offset = damage.offset, bundle = damage.bundle, "damage mended")
            }
            Output::Clock { leader, ahead_ms } => tracing::warn!(leader, ahead_ms, "the leader's clock is far from this node's"),
        }
    }
}
