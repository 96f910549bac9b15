//! Histories: a sled index from the 4W+H of records to their leaves. It can be lost: the leaves say everything it knows.

use crate::body::{Content, Request};
use crate::medium::Medium;
use crate::record::{Leaf, StreamKind};
use crate::segment::StoreError;
use crate::store::Store;
use std::fmt;
use std::path::Path;
use xsd::time::Timestamp;

/// Leaves indexed with one atomic write.
const BATCH_MAX: u64 = 512;
/// Leaves of one page.
pub const PAGE_MAX: usize = 1000;
const COUNT: &[u8] = b"\0count";
const HEAD: &[u8] = b"\0head";

/// Why the index cannot answer.
#[derive(Debug)]
pub enum IndexError {
    /// sled failed. Deleting its directory is allowed.
    Sled(sled::Error),
    /// The leaves could not be read.
    Store(StoreError),
}

impl fmt::Display for IndexError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sled(error) => write!(f, "index: {error}"),
            Self::Store(error) => error.fmt(f),
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

/// What to look for; everything that is set must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// A sector as sender, issuer or producer, or as receiver.
    pub who: Option<String>,
    /// A sector as sender, issuer or producer.
    pub sender: Option<String>,
    /// A sector as receiver.
    pub receiver: Option<String>,
    /// A user, as `civil/wang`.
    pub user: Option<String>,
    /// A resource.
    pub what: Option<String>,
    /// A trade's status.
    pub status: Option<String>,
    /// `done` or a refusal's code.
    pub outcome: Option<String>,
    /// A kind of record.
    pub kind: Option<String>,
    /// A conversation.
    pub conversation: Option<String>,
    /// Ledger time from here on.
    pub from: Option<Timestamp>,
    /// Ledger time before this.
    pub to: Option<Timestamp>,
}

/// Some leaves of a history, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// The leaves' indexes, ascending.
    pub indexes: Vec<u64>,
    /// Where the next page starts; `None` at the end.
    pub next: Option<u64>,
}

/// The index. Clones share it; asking needs no node.
#[derive(Clone, Debug)]
pub struct Index {
    db: sled::Db,
}

impl Index {
    /// Opens or makes the index in a directory of its own. A directory that sled finds damaged is emptied.
    ///
    /// # Errors
    /// sled.
    pub fn open(dir: &Path) -> Result<Self, IndexError> {
        let config = || sled::Config::new().path(dir).cache_capacity(64 << 20);
        let db = match config().open() {
            Err(sled::Error::Corruption { .. }) => {
                std::fs::remove_dir_all(dir).map_err(sled::Error::Io)?;
                config().open()?
            }
            other => other?,
        };
        Ok(Self { db })
    }

    /// Takes in the leaves it does not know yet and returns how many it knows. An index of another history starts again.
    ///
    /// # Errors
    /// sled, or the leaves.
    pub fn follow<M: Medium>(&self, store: &Store<M>) -> Result<u64, IndexError> {
        let mut count = self.count()?;
        let head = match count.checked_sub(1) {
            Some(last) if last < store.size() => Some(Leaf::hash(&store.leaf(last)?).0.to_vec()),
            _ => None,
        };
        if self.db.get(HEAD)?.map(|hash| hash.to_vec()) != head {
            self.db.clear()?;
            count = 0;
        }
        while count < store.size() {
            let end = store.size().min(count + BATCH_MAX);
            let mut batch = sled::Batch::default();
            for index in count..end {
                let octets = store.leaf(index)?;
                for key in keys(index, &octets)? {
                    batch.insert(key, &[]);
                }
                if index + 1 == end {
                    batch.insert(HEAD, &Leaf::hash(&octets).0);
                }
            }
            batch.insert(COUNT, &end.to_be_bytes());
            self.db.apply_batch(batch)?;
            count = end;
        }
        Ok(count)
    }

    /// The leaves that match, from leaf `start` on, at most `limit` and [`PAGE_MAX`]. Costs a few seeks for each answer, not
    /// the length of the history.
    ///
    /// # Errors
    /// sled.
    pub fn query(&self, filter: &Filter, start: u64, limit: usize) -> Result<Page, IndexError> {
        let terms = terms(filter);
        let (first, end) = self.between(filter)?;
        let mut page = Page::default();
        let mut at = start.max(first);
        while at < end {
            let mut highest = at;
            for term in &terms {
                let Some(found) = self.seek(term, highest)? else { return Ok(page) };
                highest = found;
            }
            if highest > at {
                at = highest;
                continue;
            }
            if page.indexes.len() == limit.clamp(1, PAGE_MAX) {
                page.next = Some(at);
                return Ok(page);
            }
            page.indexes.push(at);
            at += 1;
        }
        Ok(page)
    }

    fn count(&self) -> Result<u64, IndexError> {
        Ok(self.db.get(COUNT)?.and_then(|value| value.first_chunk().copied()).map_or(0, u64::from_be_bytes))
    }

    /// The first leaf at or after `from` under a term.
    fn seek(&self, term: &[u8], from: u64) -> Result<Option<u64>, IndexError> {
        let bound = |index: u64| [term, &index.to_be_bytes()].concat();
        let found = self.db.range(bound(from)..=bound(u64::MAX)).keys().next().transpose()?;
        Ok(found.and_then(|key| key.last_chunk().copied()).map(u64::from_be_bytes))
    }

    /// The leaves of a time span: ledger time never goes back.
    fn between(&self, filter: &Filter) -> Result<(u64, u64), IndexError> {
        let count = self.count()?;
        let bound = |time: Option<Timestamp>, otherwise| {
            let Some(time) = time else { return Ok(otherwise) };
            let key = [b"@".as_slice(), &time.0.to_be_bytes()].concat();
            let found = self.db.range(key..vec![b'@' + 1]).keys().next().transpose()?;
            Ok::<u64, IndexError>(found.and_then(|key| key.last_chunk().copied()).map_or(count, u64::from_be_bytes))
        };
        Ok((bound(filter.from, 0)?, bound(filter.to, count)?))
    }
}

fn term(tag: u8, value: &str) -> Vec<u8> {
    [&[tag], value.as_bytes(), &[0]].concat()
}

fn terms(filter: &Filter) -> Vec<Vec<u8>> {
    let fields = [
        (b'w', &filter.who),
        (b's', &filter.sender),
        (b'r', &filter.receiver),
        (b'u', &filter.user),
        (b'o', &filter.what),
        (b'h', &filter.status),
        (b'f', &filter.outcome),
        (b'k', &filter.kind),
        (b'c', &filter.conversation),
    ];
    fields.into_iter().filter_map(|(tag, value)| value.as_ref().map(|value| term(tag, value))).collect()
}

fn keys(index: u64, octets: &[u8]) -> Result<Vec<Vec<u8>>, IndexError> {
    let broken = |what: String| IndexError::Store(StoreError::Diverged(format!("leaf {index}: {what}")));
    let leaf = Leaf::read(octets).map_err(|error| broken(error.to_string()))?;
    let mut terms = vec![term(b'k', leaf.kind.code()), term(b'f', leaf.outcome.code())];
    for head in &leaf.heads {
        let tags: &[u8] = match head.kind {
            StreamKind::Sender => b"sw",
            StreamKind::Receiver => b"rw",
            StreamKind::Object => b"o",
            StreamKind::Grant | StreamKind::Governance => b"",
        };
        terms.extend(tags.iter().map(|tag| term(*tag, &head.id)));
    }
    let request = Request::read(leaf.entry).map_err(|verdict| broken(verdict.to_string()))?;
    match request.content() {
        Content::Trade(trade) => {
            terms.push(term(b'u', &trade.terms.user.to_string()));
            terms.push(term(b'h', &trade.status));
            terms.push(term(b'c', &trade.terms.conversation));
        }
        Content::Inquiry(inquiry) => {
            terms.push(term(b'u', &inquiry.user.to_string()));
            terms.push(term(b'c', request.id()));
            terms.extend(inquiry.resources.iter().map(|resource| term(b'o', resource)));
        }
        Content::User(user) => terms.push(term(b'u', &user.user.to_string())),
        Content::Assignment(assignment) => terms.push(term(b'u', &assignment.user.to_string())),
        Content::Grant(grant) => terms.extend([term(b's', &grant.issuer), term(b'w', &grant.issuer)]),
        Content::Revocation(revocation) => terms.extend([term(b's', &revocation.issuer), term(b'w', &revocation.issuer)]),
        Content::Genesis(_)
        | Content::Role(_)
        | Content::Directory(_)
        | Content::Log(_)
        | Content::StateRoot(_)
        | Content::Proposal(_)
        | Content::Ballot(_)
        | Content::Key(_)
        | Content::Refusal(_) => {}
    }
    terms.push([b"@".as_slice(), &leaf.time.0.to_be_bytes()].concat());
    Ok(terms.into_iter().map(|term| [term.as_slice(), &index.to_be_bytes()].concat()).collect())
}
