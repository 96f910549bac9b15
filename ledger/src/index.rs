//! Histories: from the 4W+H of records to their leaves. It can be lost: the leaves say everything it knows.

mod book;
mod closing;
mod posting;
mod recent;
mod run;
mod terms;

pub use terms::Terms;

use crate::archive::Damage;
use crate::medium::{self, Directory, Medium, StoreError};
use crate::tree::Hash;
use book::Book;
use closing::Closing;
use posting::{Bits, CHUNK};
use recent::Recent;
use run::{AHEAD, Found, Run, WINDOW_MIN};
use std::fmt;
use std::io::ErrorKind;
use std::ops::Range;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use terms::{Field, key};
use xsd::time::Timestamp;

/// Leaves of one page.
pub const PAGE_MAX: usize = 1000;
/// Values of one filter.
pub const VALUES_MAX: usize = 64;
/// The folder of sled's files.
const ROWS: &str = "recent";
/// Neighbours that become one run.
const MERGED: usize = 4;
/// Leaves of the largest run.
const RUN_MAX: u64 = CHUNK << 8;

/// Why the index cannot answer.
#[derive(Debug)]
pub enum IndexError {
    /// sled failed. Deleting the index's directory is allowed.
    Sled(sled::Error),
    /// sled gave up on its files. Whoever opens the index again opens it without them.
    Panicked,
    /// Its files could not be read or written.
    Store(StoreError),
    /// A file was damaged. What it said is forgotten: take in the leaves from [`Index::known`] on and ask again.
    Damaged(StoreError),
    /// Leaves are missing between those that are known and those that were given.
    Gap {
        /// How many are known.
        known: u64,
    },
    /// The octets of the leaf of this hash are no leaf.
    NotALeaf(Hash),
    /// More than [`VALUES_MAX`] values in one filter.
    TooMany,
}

impl fmt::Display for IndexError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sled(error) => write!(f, "index: {error}"),
            Self::Panicked => f.write_str("index: sled cannot go on with its files: start again, and they are made again from the leaves"),
            Self::Store(error) => error.fmt(f),
            Self::Damaged(error) => write!(f, "{error}: this part of the index is made again from the leaves, ask again"),
            Self::Gap { known } => write!(f, "the index knows {known} leaves and was given later ones than the next"),
            Self::NotALeaf(hash) => write!(f, "the leaf with the hash {hash} has no index or time"),
            Self::TooMany => write!(f, "more than {VALUES_MAX} values in one filter: ask for fewer at once"),
        }
    }
}

impl std::error::Error for IndexError {}

impl From<sled::Error> for IndexError {
    fn from(error: sled::Error) -> Self {
        Self::Sled(error)
    }
}

impl From<StoreError> for IndexError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// What to look for: of every field that has values, a record has one of them. An empty field asks nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Sectors as sender, issuer or producer, or as receiver.
    pub who: Vec<String>,
    /// Sectors as sender, issuer or producer.
    pub sender: Vec<String>,
    /// Sectors as receiver.
    pub receiver: Vec<String>,
    /// Users, as `civil/wang`.
    pub user: Vec<String>,
    /// Members that signed.
    pub signer: Vec<String>,
    /// Resources.
    pub what: Vec<String>,
    /// Grants.
    pub grant: Vec<String>,
    /// Kinds of record.
    pub kind: Vec<String>,
    /// Servers, as `transport.example:443`.
    pub server: Vec<String>,
    /// Services.
    pub service: Vec<String>,
    /// Operations.
    pub operation: Vec<String>,
    /// A trade's or a directory entry's status.
    pub status: Vec<String>,
    /// `done` or refusals' codes.
    pub outcome: Vec<String>,
    /// Purposes.
    pub purpose: Vec<String>,
    /// Conversations.
    pub conversation: Vec<String>,
    /// Ledger time from here on.
    pub from: Option<Timestamp>,
    /// Ledger time before this.
    pub to: Option<Timestamp>,
    /// The numbers of the leaves.
    pub leaves: Option<Range<u64>>,
}

/// Of every group, a record has one of the keys.
type Groups = Vec<Vec<Vec<u8>>>;

impl Filter {
    fn groups(&self) -> Result<Groups, IndexError> {
        let fields: [(&[Field], &[String]); 15] = [
            (&[Field::Sender, Field::Receiver], &self.who),
            (&[Field::Sender], &self.sender),
            (&[Field::Receiver], &self.receiver),
            (&[Field::User], &self.user),
            (&[Field::Signer], &self.signer),
            (&[Field::Object], &self.what),
            (&[Field::Grant], &self.grant),
            (&[Field::Kind], &self.kind),
            (&[Field::Server], &self.server),
            (&[Field::Service], &self.service),
            (&[Field::Operation], &self.operation),
            (&[Field::Status], &self.status),
            (&[Field::Outcome], &self.outcome),
            (&[Field::Purpose], &self.purpose),
            (&[Field::Conversation], &self.conversation),
        ];
        if fields.iter().map(|(_, values)| values.len()).sum::<usize>() > VALUES_MAX {
            return Err(IndexError::TooMany);
        }
        let asked = fields.into_iter().filter(|(_, values)| !values.is_empty());
        Ok(asked.map(|(fields, values)| values.iter().flat_map(|value| fields.iter().map(|field| key(*field, value))).collect()).collect())
    }
}

/// Which way a history is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Direction {
    /// Oldest first.
    #[default]
    Ascending,
    /// Latest first.
    Descending,
}

/// Some leaves of a history.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// The leaves' indexes, in the direction that was asked for.
    pub indexes: Vec<u64>,
    /// The cursor of the next page; `None` at the end.
    pub next: Option<u64>,
    /// The cursor with which the other direction leads to what came before this page; `None` for a page from the very end.
    pub previous: Option<u64>,
}

/// The index. Clones share it, and each of its calls may run on a thread of its own: queries wait for neither leaves nor merges.
#[derive(Clone, Debug)]
pub struct Index {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    medium: Directory,
    book: Book,
    view: Mutex<View>,
    /// Held by who changes how many leaves are known.
    taking: Mutex<()>,
    /// Held by who merges.
    merging: Mutex<()>,
    stops: AtomicBool,
    /// Dropped after all the others.
    _closing: Closing,
}

/// What queries see: runs, then a full chunk that is being written as one, then the leaves since.
#[derive(Debug)]
struct View {
    runs: Vec<Arc<Run>>,
    full: Option<Arc<Recent>>,
    recent: Recent,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether a file says something else than was written, or nothing any more.
fn is_damage(error: &StoreError) -> bool {
    match error {
        StoreError::Corrupt { .. } => true,
        StoreError::Io { error, .. } => matches!(error.kind(), ErrorKind::UnexpectedEof | ErrorKind::NotFound),
        _ => false,
    }
}

/// Opening and taking in.
impl Index {
    /// Opens or makes the index in a directory of its own. What is damaged or unfinished there is removed.
    ///
    /// # Errors
    /// The directory cannot be used, or another process uses it.
    pub fn open(dir: &Path) -> Result<Self, IndexError> {
        let medium = Directory::open(dir)?;
        let rows = dir.join(ROWS);
        closing::reopen(&medium, &rows)?;
        match book::guarded(|| Self::load(&medium, &rows)) {
            Err(IndexError::Panicked | IndexError::Sled(sled::Error::Corruption { .. } | sled::Error::ReportableBug(_))) => {}
            Err(IndexError::Sled(sled::Error::Io(error)))
                if matches!(
                    error.kind(),
                    ErrorKind::InvalidData | ErrorKind::InvalidInput | ErrorKind::UnexpectedEof | ErrorKind::Other
                ) => {}
            other => return other,
        }
        medium::remove_folder(&rows)?;
        Self::load(&medium, &rows)
    }

    fn load(medium: &Directory, rows: &Path) -> Result<Self, IndexError> {
        let book = Book::open(rows)?;
        let mut runs: Vec<Arc<Run>> = Vec::new();
        for leaves in book.runs()? {
            match Run::open(medium, &leaves) {
                Ok(run) => runs.push(Arc::new(run)),
                Err(error) if is_damage(&error) => break,
                Err(error) => return Err(error.into()),
            }
        }
        let kept: Vec<String> = runs.iter().map(|run| run::name(&run.leaves)).collect();
        for name in medium.list()?.into_iter().filter(|name| !kept.contains(name)) {
            medium.remove(&name)?;
        }
        let (end, head) = runs.last().map_or((0, None), |run| (run.leaves.end, Some(run.head)));
        let view = Mutex::new(View { runs, full: None, recent: Recent::new(end, head) });
        let shared = Shared {
            medium: medium.clone(),
            book,
            view,
            taking: Mutex::default(),
            merging: Mutex::default(),
            stops: AtomicBool::new(false),
            _closing: Closing { medium: medium.clone(), rows: rows.to_owned() },
        };
        let index = Self { shared: Arc::new(shared) };
        let known = index.shared.book.leaves(end, |leaf| {
            index.view().recent.push(leaf);
            index.seal_if_full()
        })?;
        index.shared.book.forget(known)?;
        Ok(index)
    }

    /// Reads all files of an index that nobody has open, and changes nothing: which octets are not as they were written. An index that
    /// was not closed, and a directory that is not there, say so too.
    ///
    /// # Errors
    /// The directory cannot be read, or a process uses it.
    pub fn inspect(dir: &Path) -> Result<Vec<Damage>, IndexError> {
        closing::inspect(&Directory::look(dir)?, &dir.join(ROWS))
    }

    fn view(&self) -> MutexGuard<'_, View> {
        lock(&self.shared.view)
    }

    /// How many leaves it knows, and the hash of the last one. Whoever has another leaf there has another history: see
    /// [`Index::clear`].
    #[must_use]
    pub fn known(&self) -> (u64, Option<Hash>) {
        let view = self.view();
        (view.recent.leaves().end, view.recent.head())
    }

    /// Takes in leaves in order and returns how many it knows then. Those it knows already change nothing; those after a crash that
    /// it does not know any more have to be given again.
    ///
    /// # Errors
    /// [`IndexError::Gap`], sled, or the files.
    pub fn take(&self, leaves: &[Terms]) -> Result<u64, IndexError> {
        let _one = lock(&self.shared.taking);
        self.seal_if_full()?;
        let (known, _) = self.known();
        let mut rest = leaves.get(leaves.partition_point(|leaf| leaf.index < known)..).unwrap_or_default();
        if (known..).zip(rest).any(|(index, leaf)| leaf.index != index) {
            return Err(IndexError::Gap { known });
        }
        while !rest.is_empty() {
            let room = usize::try_from(self.view().recent.room()).unwrap_or(usize::MAX);
            let (row, later) = rest.split_at(Book::row(rest.get(..room).unwrap_or(rest)));
            self.shared.book.put(row)?;
            let mut view = self.view();
            row.iter().for_each(|leaf| view.recent.push(leaf));
            drop(view);
            self.seal_if_full()?;
            rest = later;
        }
        Ok(self.known().0)
    }

    /// Makes a run of a full chunk. Queries find its leaves in memory until the file is durable.
    fn seal_if_full(&self) -> Result<(), IndexError> {
        let mut view = self.view();
        if view.recent.room() == 0 {
            let (end, head) = (view.recent.leaves().end, view.recent.head());
            let full = std::mem::replace(&mut view.recent, Recent::new(end, head));
            view.full = Some(Arc::new(full));
        }
        let Some(full) = view.full.clone() else { return Ok(()) };
        drop(view);
        full.write(&self.shared.medium)?;
        let run = Run::open(&self.shared.medium, &full.leaves())?;
        self.shared.book.has_run(&run.leaves)?;
        let mut view = self.view();
        view.runs.push(Arc::new(run));
        view.full = None;
        Ok(())
    }

    /// Makes one run of four neighbours, if there are four of one size; false if there are not. Costs seconds for millions of leaves,
    /// beside which leaves are taken in and queries answered.
    ///
    /// # Errors
    /// sled or the files; [`IndexError::Damaged`].
    pub fn merge(&self) -> Result<bool, IndexError> {
        let _one = lock(&self.shared.merging);
        let runs = self.view().runs.clone();
        let fits = |group: &&[Arc<Run>]| {
            let size = |run: &Run| run.leaves.end - run.leaves.start;
            group.first().is_some_and(|first| {
                let merged = size(first) * MERGED as u64;
                merged <= RUN_MAX && first.leaves.start % merged == 0 && group.iter().all(|run| size(run) == size(first))
            })
        };
        let size = |group: &&[Arc<Run>]| group.first().map_or(0, |run| run.leaves.end - run.leaves.start);
        let Some(group) = runs.windows(MERGED).filter(fits).min_by_key(size) else { return Ok(false) };
        let sources: Vec<&Run> = group.iter().map(Arc::as_ref).collect();
        let start = sources.first().map_or(0, |run| run.leaves.start);
        let merged = run::merge(&self.shared.medium, &sources, &self.shared.stops).map_err(|error| self.damaged(start, error))?;
        let Some(merged) = merged else { return Ok(false) };
        let mut view = self.view();
        let place = view.runs.iter().position(|run| run.leaves.start == start);
        let same =
            |at: usize| view.runs.get(at..at + MERGED).is_some_and(|now| now.iter().zip(group).all(|(now, then)| Arc::ptr_eq(now, then)));
        let Some(place) = place.filter(|place| same(*place)) else {
            merged.is_merged();
            return Ok(true);
        };
        self.shared.book.has_run(&merged.leaves)?;
        for run in view.runs.splice(place..place + MERGED, [Arc::new(merged)]) {
            run.is_merged();
        }
        Ok(true)
    }

    /// Forgets everything.
    ///
    /// # Errors
    /// sled.
    pub fn clear(&self) -> Result<(), IndexError> {
        self.forget(0)
    }

    /// Forgets what it knows beyond the first `size` leaves, and somewhat more: a history that is shorter after a restart.
    ///
    /// # Errors
    /// sled.
    pub fn rewind(&self, size: u64) -> Result<(), IndexError> {
        if self.known().0 <= size { Ok(()) } else { self.forget(size) }
    }

    /// Ends a merge that runs, for whoever wants to end soon.
    pub fn stop(&self) {
        self.shared.stops.store(true, Ordering::Relaxed);
    }

    /// Forgets the run with leaf `from` and everything after it.
    fn forget(&self, from: u64) -> Result<(), IndexError> {
        let _one = lock(&self.shared.taking);
        let mut view = self.view();
        let kept = view.runs.iter().take_while(|run| run.leaves.end <= from).count();
        for run in view.runs.drain(kept..) {
            run.is_merged();
        }
        let (end, head) = view.runs.last().map_or((0, None), |run| (run.leaves.end, Some(run.head)));
        view.full = None;
        view.recent = Recent::new(end, head);
        self.shared.book.forget(end)
    }

    /// What to say of an error in the run with leaf `from`; after damage it is forgotten.
    fn damaged(&self, from: u64, error: IndexError) -> IndexError {
        match error {
            IndexError::Store(error) if is_damage(&error) => match self.forget(from) {
                Ok(()) => IndexError::Damaged(error),
                Err(worse) => worse,
            },
            other => other,
        }
    }
}

/// Asking.
impl Index {
    /// The leaves that match, at most `limit` and [`PAGE_MAX`]. A cursor stands before the leaf of its number: ascending pages go on with
    /// that leaf, descending ones with the one before it; without one they start at the oldest and the latest leaf. The memory it
    /// takes does not depend on how many leaves match.
    ///
    /// # Errors
    /// [`IndexError::TooMany`], the files, or [`IndexError::Damaged`].
    pub fn query(&self, filter: &Filter, cursor: Option<u64>, limit: usize, direction: Direction) -> Result<Page, IndexError> {
        let groups = filter.groups()?;
        let limit = limit.clamp(1, PAGE_MAX);
        let leaves = filter.leaves.clone().unwrap_or(0..u64::MAX);
        let cursors = match direction {
            Direction::Ascending => leaves.start.max(cursor.unwrap_or(0))..leaves.end,
            Direction::Descending => leaves.start..leaves.end.min(cursor.unwrap_or(u64::MAX)),
        };
        let (runs, recent) = self.search_memory(filter, &groups, &cursors, direction, limit);
        let mut indexes = Vec::new();
        match direction {
            Direction::Ascending => {
                self.search_runs(&runs, filter, &groups, &cursors, (direction, limit), &mut indexes)?;
                indexes.extend(recent);
            }
            Direction::Descending => {
                indexes = recent;
                self.search_runs(&runs, filter, &groups, &cursors, (direction, limit), &mut indexes)?;
            }
        }
        let beyond = indexes.get(limit).copied();
        indexes.truncate(limit);
        let next = match direction {
            Direction::Ascending => beyond,
            Direction::Descending => beyond.and(indexes.last().copied()),
        };
        Ok(Page { indexes, next, previous: cursor })
    }

    /// The runs, and what matches in memory after them.
    fn search_memory(
        &self,
        filter: &Filter,
        groups: &Groups,
        cursors: &Range<u64>,
        direction: Direction,
        limit: usize,
    ) -> (Vec<Arc<Run>>, Vec<u64>) {
        let view = self.view();
        let mut found = Vec::new();
        let mut parts: Vec<&Recent> = view.full.as_deref().into_iter().chain([&view.recent]).collect();
        if direction == Direction::Descending {
            parts.reverse();
        }
        for part in parts {
            let start = filter.from.map_or(0, |from| part.since(from)).max(cursors.start);
            let end = filter.to.map_or(u64::MAX, |to| part.since(to)).min(cursors.end);
            if found.len() <= limit {
                part.search(groups, &(start..end), direction, limit, &mut found);
            }
        }
        (view.runs.clone(), found)
    }

    fn search_runs(
        &self,
        runs: &[Arc<Run>],
        filter: &Filter,
        groups: &Groups,
        cursors: &Range<u64>,
        (direction, limit): (Direction, usize),
        found: &mut Vec<u64>,
    ) -> Result<(), IndexError> {
        let mut order: Vec<&Arc<Run>> =
            runs.iter().filter(|run| run.leaves.start < cursors.end && cursors.start < run.leaves.end).collect();
        if direction == Direction::Descending {
            order.reverse();
        }
        if found.len() > limit {
            return Ok(());
        }
        let mut search = |run: &Run| {
            let start = filter.from.map_or(Ok(0), |from| run.since(from))?.max(run.leaves.start.max(cursors.start));
            let end = filter.to.map_or(Ok(u64::MAX), |to| run.since(to))?.min(run.leaves.end.min(cursors.end));
            search_run(run, groups, &(start..end), (direction, limit), found)?;
            Ok(found.len() > limit)
        };
        for (at, run) in order.iter().enumerate() {
            // A disk answers many questions at once as fast as one. A page that the first run does not fill may need all the others.
            match at {
                0 => run.announce(groups, WINDOW_MIN),
                1 => order.iter().skip(1).for_each(|run| run.announce(groups, AHEAD)),
                _ => {}
            }
            if search(run).map_err(|error| self.damaged(run.leaves.start, error))? {
                break;
            }
        }
        Ok(())
    }
}

/// Where the terms of each group are in a run; `None` if one group has none there.
fn find_groups(run: &Run, groups: &Groups) -> Result<Option<Vec<Vec<Found>>>, IndexError> {
    let mut fields: Vec<Vec<Found>> = Vec::with_capacity(groups.len());
    for group in groups {
        let postings = group.iter().filter_map(|key| run.find(key).transpose()).collect::<Result<Vec<_>, _>>()?;
        if postings.is_empty() {
            return Ok(None);
        }
        fields.push(postings);
    }
    Ok(Some(fields))
}

/// Adds the leaves of `range` that have a value of every group, until there are more than `limit`: chunk by chunk, the rarest group
/// first, and no container is read that cannot matter.
fn search_run(
    run: &Run,
    groups: &Groups,
    range: &Range<u64>,
    (direction, limit): (Direction, usize),
    found: &mut Vec<u64>,
) -> Result<(), IndexError> {
    if range.is_empty() {
        return Ok(());
    }
    let Some(mut fields) = find_groups(run, groups)? else { return Ok(()) };
    fields.sort_by_key(|postings| postings.iter().map(|posting| posting.length).sum::<usize>());
    let (mut bits, mut any) = (Bits::new(), Bits::new());
    let mut search = |chunk: u64| -> Result<bool, IndexError> {
        if fields.iter().any(|postings| postings.iter().all(|posting| posting.part(chunk).is_none())) {
            return Ok(true);
        }
        let base = chunk * CHUNK;
        bits.set(&(range.start.max(base) - base..range.end.min(base + CHUNK) - base));
        for postings in &mut fields {
            any.clear();
            for posting in postings {
                let Some(part) = posting.part(chunk) else { continue };
                posting.fill(run, &part, direction, &mut any)?;
            }
            if !bits.and(&any) {
                return Ok(true);
            }
        }
        Ok(bits.each(direction, |place| {
            found.push(base + place);
            found.len() <= limit
        }))
    };
    let chunks = range.start / CHUNK..range.end.div_ceil(CHUNK);
    let count = chunks.end - chunks.start;
    for step in 0..count {
        let chunk = match direction {
            Direction::Ascending => chunks.start + step,
            Direction::Descending => chunks.end - 1 - step,
        };
        if !search(chunk)? {
            break;
        }
    }
    Ok(())
}
