//! What gives the index its leaves, beside the ledger, and where histories are asked for.

use crate::fault::{Fault, Reason};
use crate::replica::{Replica, Unrecorded};
use ledger::archive::Archive;
use ledger::index::{Direction, Filter, Index, IndexError, Page, Terms};
use ledger::medium::Directory;
use ledger::record::Leaf;
use ledger::segment::BUNDLE;
use ledger::tree::Hash;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::{JoinHandle, spawn_blocking};

/// Leaves that are given at once: the ledger's thread copies them.
const LEAVES: u64 = BUNDLE;
/// What a question waits for leaves that the index lacks.
const PATIENCE: Duration = Duration::from_secs(5);
/// Before it is tried again after an error.
const PAUSE: Duration = Duration::from_secs(1);

/// Histories of this node's ledger. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Histories {
    index: Index,
    replica: Replica,
    /// Says when the index knows more, or less.
    known: watch::Receiver<u64>,
}

/// The task that feeds the index. It ends, and so does a merge that runs, when this is dropped.
#[derive(Debug)]
pub struct Feeding {
    index: Index,
    task: JoinHandle<()>,
}

impl Drop for Feeding {
    fn drop(&mut self) {
        self.index.stop();
        self.task.abort();
    }
}

/// Why the index did not get its leaves.
#[derive(Debug)]
enum Starved {
    Index(IndexError),
    Replica(Unrecorded),
    Ledger(String),
}

impl std::fmt::Display for Starved {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Index(error) => error.fmt(f),
            Self::Replica(error) => write!(f, "the ledger cannot be asked: {error:?}"),
            Self::Ledger(what) => f.write_str(what),
        }
    }
}

impl From<IndexError> for Starved {
    fn from(error: IndexError) -> Self {
        Self::Index(error)
    }
}

impl From<Unrecorded> for Starved {
    fn from(error: Unrecorded) -> Self {
        Self::Replica(error)
    }
}

impl Histories {
    /// Starts to feed the index.
    #[must_use]
    pub fn start(index: Index, replica: Replica, archive: Archive<Directory>) -> (Self, Feeding) {
        let (says, known) = watch::channel(0);
        let histories = Self { index: index.clone(), replica: replica.clone(), known };
        let task = tokio::spawn(feed(index.clone(), replica, archive, says));
        (histories, Feeding { index, task })
    }

    /// One page of a history of all leaves that this node has.
    ///
    /// # Errors
    /// Busy, the index lacks more leaves than it can take in in time, or it cannot be read.
    pub async fn page(&self, filter: Filter, cursor: Option<u64>, limit: usize, direction: Direction) -> Result<Page, Fault> {
        for _ in 0..3 {
            let (size, floor) = self.replica.read(|node| (node.state().size(), node.store().floor())).await?;
            self.caught_up(size).await?;
            let (index, filter) = (self.index.clone(), Filter { leaves: Some(floor..size), ..filter.clone() });
            let asked = spawn_blocking(move || index.query(&filter, cursor, limit, direction)).await;
            match asked.map_err(|_ended| Fault::new(Reason::Internal, "the question was broken off"))? {
                Ok(page) => return Ok(page),
                Err(error @ (IndexError::Damaged(_) | IndexError::Panicked)) => tracing::error!(%error, "index"),
                Err(error @ IndexError::TooMany) => return Err(Fault::new(Reason::TooLarge, error.to_string())),
                Err(error) => return Err(Fault::new(Reason::Internal, format!("the history cannot be read: {error}"))),
            }
        }
        Err(Fault::new(Reason::Internal, "the index is damaged again and again: look at its disk"))
    }

    /// Waits until the index knows `size` leaves.
    async fn caught_up(&self, size: u64) -> Result<(), Fault> {
        let mut known = self.known.clone();
        // What the task said last may be more than what is known after damage.
        let wait = async {
            while self.index.known().0 < size {
                known.changed().await.map_err(|_gone| Fault::new(Reason::Busy, "the node stops"))?;
            }
            known.wait_for(|judged| *judged > 0).await.map(drop).map_err(|_gone| Fault::new(Reason::Busy, "the node stops"))
        };
        match tokio::time::timeout(PATIENCE, wait).await {
            Ok(done) => done,
            Err(_) => {
                let behind = size.saturating_sub(self.index.known().0);
                Err(Fault::new(
                    Reason::Busy,
                    format!("the index of histories is being made: {behind} of {size} leaves are left, try again"),
                ))
            }
        }
    }
}

async fn feed(index: Index, replica: Replica, archive: Archive<Directory>, says: watch::Sender<u64>) {
    let mut merging: Option<JoinHandle<()>> = None;
    let mut judged = false;
    loop {
        let done = async {
            if !judged {
                judge(&index, &replica).await?;
                judged = true;
                says.send_replace(index.known().0);
            }
            step(&index, &replica, &archive).await
        };
        if let Err(starved) = done.await {
            if matches!(starved, Starved::Replica(Unrecorded::Stopped)) {
                return;
            }
            tracing::error!(error = %starved, "the index of histories is not fed: trying again");
            tokio::time::sleep(PAUSE).await;
            continue;
        }
        says.send_replace(index.known().0);
        if merging.as_ref().is_none_or(JoinHandle::is_finished) {
            let index = index.clone();
            merging = Some(spawn_blocking(move || {
                if let Err(error) = index.merge() {
                    tracing::error!(%error, "index");
                }
            }));
        }
    }
}

/// Whether what the index knows is of this ledger, and not more than the ledger has after a restart.
async fn judge(index: &Index, replica: &Replica) -> Result<(), Starved> {
    let size = replica.read(|node| node.state().size()).await?;
    index.rewind(size)?;
    let (known, head) = index.known();
    let Some(last) = known.checked_sub(1) else { return Ok(()) };
    let hash = hash(replica, last).await?;
    if head != Some(hash) {
        tracing::warn!(known, "the index is of another history: it is made anew");
        index.clear()?;
    }
    Ok(())
}

async fn hash(replica: &Replica, leaf: u64) -> Result<Hash, Starved> {
    let hash =
        replica.read(move |node| node.tree().leaf(leaf).map_or_else(|| node.leaf(leaf).map(|octets| Leaf::hash(&octets)), Ok)).await?;
    hash.map_err(|error| Starved::Ledger(error.to_string()))
}

/// Gives the index its next leaves, once there are any.
async fn step(index: &Index, replica: &Replica, archive: &Archive<Directory>) -> Result<(), Starved> {
    let next = index.known().0;
    // Damage that a question finds makes the index know less: so it is looked at now and then.
    match replica.caught_up(next, PAUSE).await {
        Err(Unrecorded::NoQuorum) => return Ok(()),
        other => other?,
    }
    let leaves = if next < archive.floor() {
        let end = archive.floor().min((next / LEAVES + 1) * LEAVES);
        // Nothing is said of leaves that are not there; the last hash is what a restart looks at.
        let last = hash(replica, end - 1).await.unwrap_or_default();
        (next..end).map(|index| Terms::pruned(index, last)).collect()
    } else if next < archive.size() {
        let archive = archive.clone();
        in_thread(move || sealed(&archive, next)).await?
    } else {
        let copied = replica.read(move |node| {
            let end = node.state().size().min(next + LEAVES);
            (next..end).map(|index| node.leaf(index)).collect::<Result<Vec<_>, _>>()
        });
        let octets = copied.await?.map_err(|error| Starved::Ledger(error.to_string()))?;
        in_thread(move || terms(octets.iter().map(Vec::as_slice))).await?
    };
    let index = index.clone();
    in_thread(move || Ok(index.take(&leaves)?)).await?;
    Ok(())
}

async fn in_thread<T: Send + 'static>(work: impl FnOnce() -> Result<T, Starved> + Send + 'static) -> Result<T, Starved> {
    spawn_blocking(work).await.map_err(|_ended| Starved::Ledger(String::from("a thread ended before its work")))?
}

/// The leaves of a sealed bundle from `next` on.
fn sealed(archive: &Archive<Directory>, next: u64) -> Result<Vec<Terms>, Starved> {
    let bundle = archive.bundle(next / BUNDLE).map_err(|error| Starved::Ledger(error.to_string()))?;
    let mut rest = bundle.as_slice();
    let leaves = std::iter::from_fn(|| {
        let (length, after) = rest.split_first_chunk::<2>()?;
        let (leaf, after) = after.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
        rest = after;
        Some(leaf)
    });
    terms(leaves.skip(usize::try_from(next % BUNDLE).unwrap_or_default()))
}

fn terms<'a>(leaves: impl Iterator<Item = &'a [u8]>) -> Result<Vec<Terms>, Starved> {
    leaves.map(|octets| Ok(Terms::read(octets, Leaf::hash(octets))?)).collect()
}
