//! The log: Raft's entries and hard state and the published checkpoint, durable before they are answered for.

use crate::frames::{Files, Frames, Place, ROOM, Torn};
use crate::medium::{Medium, StoreError};
use crate::mutant;
use crate::tree::Hash;
use std::collections::{BTreeMap, VecDeque};

/// Log entries kept in memory for followers that are a little behind, and for mending a damaged file: their number, those since
/// the last seal and some more, and their octets.
const RECENT_MAX: usize = 20_480;
const RECENT_BYTES_MAX: usize = 16 << 20;

/// Octets of the largest frame whose memory is kept.
const FRAME_KEPT: usize = 4 << 20;

const HARD_STATE: u8 = 1;
const ENTRY: u8 = 2;
const NOTE: u8 = 3;
const RESTART: u8 = 5;
const LIFE: u8 = 6;
const KNOWN: u8 = 7;
const ALONE: u8 = 8;

/// Raft's hard state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HardState {
    /// The current term.
    pub term: u64,
    /// The node voted for in it; 0 for none.
    pub vote: u64,
    /// The highest index known to be committed.
    pub commit: u64,
}

/// One entry of the Raft log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogEntry {
    /// Its Raft index, from 1.
    pub index: u64,
    /// Its term.
    pub term: u64,
    /// What it carries; empty for a leader's first entry.
    pub data: Vec<u8>,
}

/// What becomes durable together.
#[derive(Clone, Copy, Debug, Default)]
pub struct Batch<'a> {
    /// The hard state, if it changed.
    pub hard_state: Option<HardState>,
    /// Entries; those from the first one's index on are replaced.
    pub entries: &'a [LogEntry],
    /// The latest published checkpoint, if there is a new one.
    pub note: Option<&'a str>,
}

/// The log of one node.
#[derive(Debug)]
pub(crate) struct Wal<M> {
    frames: Frames<M>,
    said: Said,
    /// The last frame's buffer, for the next one.
    frame: Vec<u8>,
}

/// A quorum of the nodes was lost, and the ledger went on from this copy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Alone {
    /// Up to this entry this node is the only member of Raft; 0 for never.
    pub(crate) until: u64,
    /// Nodes up to this number, but this one, take no part any more.
    pub(crate) lost: u64,
}

/// What the frames say.
#[derive(Debug, Default)]
struct Said {
    hard_state: HardState,
    note: Option<String>,
    /// This directory's life, and whether it may vote.
    life: Option<(u64, bool)>,
    /// The lives of other nodes.
    lives: BTreeMap<u64, u64>,
    alone: Alone,
    /// Index and, if it is known, term of the entry before the first.
    base: (u64, Option<u64>),
    /// Term and frame of entry `base.0 + 1 + i`.
    entries: VecDeque<(u64, Place)>,
    recent: BTreeMap<u64, LogEntry>,
    recent_bytes: usize,
}

impl<M: Medium> Wal<M> {
    /// Opens the log and cuts off a torn end.
    ///
    /// # Errors
    /// It is damaged, of another ledger, or the medium failed.
    pub(crate) fn open(medium: M, ledger: &Hash) -> Result<(Self, Option<Torn>), StoreError> {
        let mut said = Said { base: (0, Some(0)), ..Said::default() };
        let mut started = false;
        let (frames, torn) = Frames::open(medium, ledger, &mut |place, payload| {
            let cut = !std::mem::replace(&mut started, true) && !place.opens_log();
            said.take(place, payload, cut).ok_or_else(|| "a frame of the log that cannot be read".to_owned())
        })?;
        Ok((Self { frames, said, frame: Vec::new() }, torn))
    }

    pub(crate) fn hard_state(&self) -> HardState {
        self.said.hard_state
    }

    pub(crate) fn note(&self) -> Option<&str> {
        self.said.note.as_deref()
    }

    /// This directory's life, and whether it may vote.
    pub(crate) fn life(&self) -> Option<(u64, bool)> {
        self.said.life
    }

    pub(crate) fn set_life(&mut self, life: u64, born: bool) -> Result<(), StoreError> {
        let mut frame = self.frame();
        put(&mut frame, LIFE, &[life, u64::from(born)], &[]);
        self.append(frame)
    }

    pub(crate) fn alone(&self) -> Alone {
        self.said.alone
    }

    pub(crate) fn set_alone(&mut self, alone: Alone) -> Result<(), StoreError> {
        let mut frame = self.frame();
        put(&mut frame, ALONE, &[alone.until, alone.lost], &[]);
        self.append(frame)
    }

    /// The lives of other nodes; 0 for one that was forgotten.
    pub(crate) fn lives(&self) -> &BTreeMap<u64, u64> {
        &self.said.lives
    }

    pub(crate) fn put_life(&mut self, node: u64, life: u64) -> Result<(), StoreError> {
        let mut frame = self.frame();
        put(&mut frame, KNOWN, &[node, life], &[]);
        self.append(frame)
    }

    /// The first index that Raft may ask for: the term of the one before it is known.
    pub(crate) fn first(&self) -> u64 {
        self.said.base.0 + if self.said.base.1.is_some() { 1 } else { 2 }
    }

    pub(crate) fn last(&self) -> u64 {
        self.said.base.0 + self.said.entries.len() as u64
    }

    pub(crate) fn term(&self, index: u64) -> Option<u64> {
        if index == self.said.base.0 { self.said.base.1 } else { self.said.place(index).map(|(term, _)| term) }
    }

    pub(crate) fn entry(&self, index: u64) -> Result<LogEntry, StoreError> {
        if let Some(entry) = self.said.recent.get(&index) {
            return Ok(entry.clone());
        }
        let (_, place) = self.said.place(index).ok_or_else(|| StoreError::Diverged(format!("no log entry {index}")))?;
        let payload = self.frames.read(place)?;
        let found = records(&payload).into_iter().flatten().find_map(|(tag, numbers, data)| match (tag, numbers.as_slice()) {
            (ENTRY, [at, term]) if *at == index => Some(LogEntry { index, term: *term, data: data.to_vec() }),
            _ => None,
        });
        found.ok_or_else(|| StoreError::Diverged(format!("log entry {index} is not in its frame")))
    }

    /// Makes a batch durable: one frame, one sync.
    pub(crate) fn save(&mut self, batch: Batch<'_>) -> Result<(), StoreError> {
        let mut frame = self.frame();
        if let Some(state) = batch.hard_state {
            put(&mut frame, HARD_STATE, &[state.term, state.vote, state.commit], &[]);
        }
        if let Some(note) = batch.note {
            put(&mut frame, NOTE, &[], note.as_bytes());
        }
        for entry in batch.entries {
            put(&mut frame, ENTRY, &[entry.index, entry.term], &entry.data);
        }
        if frame.len() == ROOM.len() { Ok(()) } else { self.append(frame) }
    }

    /// Fits the log to a snapshot: if it ends before it, or disagrees with it, it starts anew after it.
    pub(crate) fn follow(&mut self, index: u64, term: u64) -> Result<(), StoreError> {
        if self.first() > index + 1 && self.said.base.0 != index {
            return Err(StoreError::Diverged(format!("the log begins with entry {}, and the snapshot ends with {index}", self.first())));
        }
        if self.said.base == (index, None) {
            self.said.base.1 = Some(term);
        }
        if self.term(index) == Some(term) { Ok(()) } else { self.restart(index, term) }
    }

    /// Starts the log anew after an entry, durably.
    pub(crate) fn restart(&mut self, index: u64, term: u64) -> Result<(), StoreError> {
        let mut frame = self.frame();
        put(&mut frame, RESTART, &[index, term], &[]);
        self.append(frame)
    }

    /// Forgets the entries up to an index, and removes the files that hold nothing else.
    pub(crate) fn forget(&mut self, index: u64) -> Result<(), StoreError> {
        while self.said.base.0 < index {
            let Some((term, _)) = self.said.entries.pop_front() else { break };
            self.said.base = (self.said.base.0 + 1, Some(term));
            if let Some(gone) = self.said.recent.remove(&self.said.base.0) {
                self.said.recent_bytes -= gone.data.len();
            }
        }
        self.frames.remove_before(self.said.entries.front().map(|(_, place)| *place))
    }

    /// The files, to be read again on another thread.
    pub(crate) fn files(&self) -> Files<M> {
        self.frames.files()
    }

    /// Writes everything again into new files and removes the old ones: one of them is damaged. False, and nothing is done, if
    /// that damage is all there is of an entry.
    pub(crate) fn renew(&mut self) -> Result<bool, StoreError> {
        let (mut base, mut entries) = (self.said.base, Vec::new());
        let mut read: Option<(Place, Vec<LogEntry>)> = None;
        for index in self.said.base.0 + 1..=self.last() {
            let Some((term, place)) = self.said.place(index) else { return Ok(false) };
            if base.1.is_none() {
                // The term before the first entry is not known, so Raft does not ask for this one either.
                base = (index, Some(term));
                continue;
            }
            if let Some(entry) = self.said.recent.get(&index) {
                entries.push(entry.clone());
                continue;
            }
            if read.as_ref().is_none_or(|(known, _)| *known != place) {
                match self.frames.read(place) {
                    Ok(payload) => read = Some((place, entries_of(&payload))),
                    Err(StoreError::Corrupt { .. }) => return Ok(false),
                    Err(other) => return Err(other),
                }
            }
            let found = read.iter().flat_map(|(_, entries)| entries).find(|entry| entry.index == index && entry.term == term);
            let Some(entry) = found else { return Ok(false) };
            entries.push(entry.clone());
        }
        let begin = self.frames.turn()?;
        // One frame for all: a log that began anew and has lost its power before its entries were written would have lost them.
        let mut frame = self.frame();
        put(&mut frame, RESTART, &[base.0, base.1.unwrap_or_default()], &[]);
        for entry in &entries {
            put(&mut frame, ENTRY, &[entry.index, entry.term], &entry.data);
        }
        self.append(frame)?;
        self.frames.remove_before(Some(begin))?;
        Ok(true)
    }

    /// An empty frame. Its memory is that of the last one: new memory for each would cost more than all that is done with it.
    fn frame(&mut self) -> Vec<u8> {
        let mut frame = std::mem::take(&mut self.frame);
        frame.clear();
        frame.extend(ROOM);
        frame
    }

    fn append(&mut self, mut frame: Vec<u8>) -> Result<(), StoreError> {
        // Each file says all that is no entry again, so that those before it can be removed.
        let head = self.head();
        if self.frames.opens_file(head.len() + frame.len()) {
            frame.splice(ROOM.len()..ROOM.len(), head);
        }
        let place = self.frames.append(&mut frame)?;
        if !mutant::is("ack-before-sync") {
            self.frames.sync()?;
        }
        let taken = frame.get(ROOM.len()..).and_then(|payload| self.said.take(place, payload, false));
        assert!(taken.is_some(), "what was written is what is read");
        if frame.capacity() <= FRAME_KEPT {
            self.frame = frame;
        }
        Ok(())
    }

    fn head(&self) -> Vec<u8> {
        let mut head = Vec::new();
        let state = self.said.hard_state;
        put(&mut head, HARD_STATE, &[state.term, state.vote, state.commit], &[]);
        if let Some(note) = &self.said.note {
            put(&mut head, NOTE, &[], note.as_bytes());
        }
        if let Some((life, born)) = self.said.life {
            put(&mut head, LIFE, &[life, u64::from(born)], &[]);
        }
        if self.said.alone != Alone::default() {
            put(&mut head, ALONE, &[self.said.alone.until, self.said.alone.lost], &[]);
        }
        for (node, life) in &self.said.lives {
            put(&mut head, KNOWN, &[*node, *life], &[]);
        }
        head
    }
}

impl Said {
    fn place(&self, index: u64) -> Option<(u64, Place)> {
        let at = index.checked_sub(self.base.0)?.checked_sub(1)?;
        self.entries.get(usize::try_from(at).ok()?).copied()
    }

    /// `cut`: the files before this frame's were removed, and the first entry may have any index.
    fn take(&mut self, place: Place, payload: &[u8], cut: bool) -> Option<()> {
        let mut cut = cut;
        for (tag, numbers, data) in records(payload)? {
            match (tag, numbers.as_slice()) {
                (HARD_STATE, &[term, vote, commit]) => self.hard_state = HardState { term, vote, commit },
                (ENTRY, &[index, term]) => {
                    if std::mem::replace(&mut cut, false) {
                        self.base = (index.checked_sub(1)?, None);
                    }
                    self.put(place, LogEntry { index, term, data: data.to_vec() })?;
                }
                (LIFE, &[life, born]) => self.life = Some((life, born == 1)),
                (KNOWN, &[node, life]) => drop(self.lives.insert(node, life)),
                (ALONE, &[until, lost]) => self.alone = Alone { until, lost },
                (NOTE, []) => self.note = Some(String::from_utf8(data.to_vec()).ok()?),
                (RESTART, &[index, term]) => {
                    cut = false;
                    self.restart(index, Some(term));
                }
                _ => return None,
            }
        }
        Some(())
    }

    fn restart(&mut self, index: u64, term: Option<u64>) {
        self.base = (index, term);
        self.entries.clear();
        self.recent.clear();
        self.recent_bytes = 0;
    }

    /// Entries from its index on are replaced, as Raft replaces what was never committed.
    fn put(&mut self, place: Place, entry: LogEntry) -> Option<()> {
        let before = entry.index.checked_sub(1)?;
        if before < self.base.0 {
            self.restart(before, None);
        }
        let at = usize::try_from(before - self.base.0).ok()?;
        if at > self.entries.len() {
            return None;
        }
        if mutant::is("tail-kept") && at < self.entries.len() {
            return Some(());
        }
        self.entries.truncate(at);
        self.entries.push_back((entry.term, place));
        while self.recent.last_key_value().is_some_and(|(index, _)| *index >= entry.index) {
            let (_, gone) = self.recent.pop_last()?;
            self.recent_bytes -= gone.data.len();
        }
        self.recent_bytes += entry.data.len();
        self.recent.insert(entry.index, entry);
        while self.recent.len() > RECENT_MAX || (self.recent_bytes > RECENT_BYTES_MAX && self.recent.len() > 1) {
            let (_, gone) = self.recent.pop_first()?;
            self.recent_bytes -= gone.data.len();
        }
        Some(())
    }
}

fn entries_of(payload: &[u8]) -> Vec<LogEntry> {
    let entry = |(tag, numbers, data): Record<'_>| match (tag, numbers.as_slice()) {
        (ENTRY, &[index, term]) => Some(LogEntry { index, term, data: data.to_vec() }),
        _ => None,
    };
    records(payload).into_iter().flatten().filter_map(entry).collect()
}

type Record<'a> = (u8, Vec<u64>, &'a [u8]);

/// A record of a log frame: its tag, its numbers' count, the numbers, the length of its data, the data.
fn put(payload: &mut Vec<u8>, tag: u8, numbers: &[u64], data: &[u8]) {
    payload.push(tag);
    payload.push(u8::try_from(numbers.len()).unwrap_or(u8::MAX));
    for number in numbers {
        payload.extend_from_slice(&number.to_be_bytes());
    }
    payload.extend_from_slice(&(data.len() as u64).to_be_bytes());
    payload.extend_from_slice(data);
}

fn records(mut payload: &[u8]) -> Option<Vec<Record<'_>>> {
    let mut records = Vec::new();
    while let Some((&[tag, count], mut rest)) = payload.split_first_chunk::<2>() {
        let mut numbers = Vec::new();
        for _ in 0..count {
            let (number, tail) = rest.split_first_chunk::<8>()?;
            numbers.push(u64::from_be_bytes(*number));
            rest = tail;
        }
        let (length, tail) = rest.split_first_chunk::<8>()?;
        let (data, tail) = tail.split_at_checked(usize::try_from(u64::from_be_bytes(*length)).ok()?)?;
        records.push((tag, numbers, data));
        payload = tail;
    }
    payload.is_empty().then_some(records)
}
