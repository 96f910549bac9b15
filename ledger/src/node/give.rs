//! What a node gives to others that are behind or damaged: its newest snapshot and its bundles, read beside the hot path.

use super::Node;
use super::job::{Job, Work};
use crate::archive::Archive;
use crate::frame::{Frame, Item, PIECE_BYTES_MAX};
use crate::medium::{Medium, StoreError};
use crate::segment::BUNDLE;
use crate::snapshot::Snapshot;
use crate::store::note_of;
use crate::tree::Hash;
use std::collections::VecDeque;
use std::sync::Arc;

/// Wishes that wait; more are dropped, and asked again.
const QUEUE_MAX: usize = 256;
/// What leaves in one tick, at most: the links and the disk are the records' first. With 25 ms a tick it is 40 MB a second.
const TICK_BYTES: usize = 1 << 20;
/// Things of several parts that are kept until the last part is asked for.
const KEPT_MAX: usize = 4;

/// Who wants what.
#[derive(Debug, Default)]
pub(super) struct Wishes {
    queue: VecDeque<(u64, Item, u32)>,
    kept: VecDeque<(Item, Arc<[u8]>)>,
    running: bool,
}

/// A snapshot, and how whoever gets it sees that it is that of the ledger: a checkpoint of just its leaves, or of more and the
/// path between the two.
#[derive(Clone, Debug)]
struct Newest {
    snapshot: Arc<Snapshot>,
    published: Option<(String, Vec<Hash>)>,
}

/// The work of one tick.
#[derive(Debug)]
pub(super) struct Give<M> {
    archive: Archive<M>,
    newest: Option<Newest>,
    wishes: VecDeque<(u64, Item, u32)>,
    kept: VecDeque<(Item, Arc<[u8]>)>,
}

#[derive(Debug)]
pub(super) struct Given {
    frames: Vec<(u64, Vec<u8>)>,
    /// What was over the tick's measure.
    left: VecDeque<(u64, Item, u32)>,
    kept: VecDeque<(Item, Arc<[u8]>)>,
}

impl Wishes {
    pub(super) fn add(&mut self, from: u64, item: Item, part: u32) {
        if self.queue.len() < QUEUE_MAX && !self.queue.contains(&(from, item, part)) {
            self.queue.push_back((from, item, part));
        }
    }
}

impl<M: Medium> Node<M> {
    /// Once a tick: the wishes that can be fulfilled in it.
    pub(super) fn give(&mut self) {
        if self.wishes.running || self.wishes.queue.is_empty() {
            return;
        }
        let newest = self.store().newest().map(|snapshot| {
            let published = self.witness.published().and_then(|(checkpoint, note)| {
                let path = self.tree.consistency(snapshot.size, checkpoint.size)?;
                Some((note.to_owned(), path))
            });
            Newest { snapshot, published }
        });
        self.wishes.running = true;
        let (wishes, kept) = (std::mem::take(&mut self.wishes.queue), std::mem::take(&mut self.wishes.kept));
        let archive = self.store().archive();
        self.jobs.push_back(Job(Work::Give(Box::new(Give { archive, newest, wishes, kept }))));
    }

    pub(super) fn given(&mut self, given: Given) -> Vec<(u64, Vec<u8>)> {
        self.wishes.running = false;
        self.wishes.kept = given.kept;
        for wish in given.left.into_iter().rev() {
            self.wishes.queue.push_front(wish);
        }
        given.frames
    }
}

impl<M: Medium> Give<M> {
    pub(super) fn run(mut self) -> Given {
        let (mut frames, mut octets) = (Vec::new(), 0);
        while let Some((to, item, part)) = self.wishes.pop_front() {
            let frame = self.find(item).and_then(|(item, whole)| piece(item, part, &whole));
            let none = || Frame::Piece { item, part: 0, parts: 0, octets: Vec::new() };
            let frame = frame.unwrap_or_else(none).encode();
            octets += frame.len();
            frames.push((to, frame));
            if octets >= TICK_BYTES {
                break;
            }
        }
        Given { frames, left: self.wishes, kept: self.kept }
    }

    /// What is not to be had, or cannot be read, another node may have.
    fn find(&mut self, item: Item) -> Option<(Item, Arc<[u8]>)> {
        let item = match (item, &self.newest) {
            (Item::Newest, Some(newest)) => Item::Snapshot(newest.snapshot.size),
            (item, _) => item,
        };
        if let Some((_, whole)) = self.kept.iter().find(|(kept, _)| *kept == item) {
            return Some((item, Arc::clone(whole)));
        }
        let whole: Arc<[u8]> = match item {
            Item::Newest => return None,
            Item::Snapshot(size) => self.snapshot(size).ok()??.into(),
            Item::Roots(size) => {
                let roots = self.archive.roots();
                let roots = roots.get(..usize::try_from(size / BUNDLE).ok()?)?;
                roots.iter().flat_map(|root| root.0).collect::<Vec<u8>>().into()
            }
            Item::Bundle(number) => self.archive.packed(number).ok()?.into(),
        };
        if whole.len() > PIECE_BYTES_MAX {
            self.kept.push_back((item, Arc::clone(&whole)));
            if self.kept.len() > KEPT_MAX {
                self.kept.pop_front();
            }
        }
        Some((item, whole))
    }

    fn snapshot(&self, size: u64) -> Result<Option<Vec<u8>>, StoreError> {
        let Some(newest) = self.newest.as_ref().filter(|newest| newest.snapshot.size == size) else { return Ok(None) };
        let proof = note_of(&self.archive.medium, size)?.map(|note| (note, Vec::new())).or_else(|| newest.published.clone());
        let Some((note, path)) = proof else { return Ok(None) };
        super::take::offer(&newest.snapshot, &note, &path).map(Some)
    }
}

fn piece(item: Item, part: u32, whole: &[u8]) -> Option<Frame> {
    let mut pieces = whole.chunks(PIECE_BYTES_MAX);
    let parts = u32::try_from(pieces.len()).ok()?;
    let octets = pieces.nth(usize::try_from(part).ok()?)?.to_vec();
    Some(Frame::Piece { item, part, parts, octets })
}
