//! The watch over the disk: all of it is read again and again, damage is named, and put right here or from another node.

use super::job::{Job, Work};
use super::{Answer, Input, Node, Outbox, Output};
use crate::archive::Damage;
use crate::frame::Frame;
use crate::medium::{Medium, StoreError};
use crate::scrub::Swept;
use std::collections::{BTreeSet, VecDeque};

/// Ticks between two sweeps, and the logical octets of one: at 25 ms a tick 5 MiB a second, so a store of a few MiB is read
/// every second, at a fortieth of a core.
const SWEEP_TICKS: u64 = 8;
const SWEEP_OCTETS: u64 = 1 << 20;
/// Who writes so many leaves between two sweeps, 20,000 a second, is pressed: sweeps at an eighth of that pace, and compresses lightly.
const BUSY_LEAVES: u64 = 4096;
const BUSY_SLOWER: u64 = 8;
/// Of so many sweeps one reads the log: its last file and one other.
const LOG_EVERY: u64 = 4;
/// What is said about damage to who cannot read it all.
const NOTICES_MAX: usize = 256;

#[derive(Debug, Default)]
pub(super) struct Keeping {
    /// A job has the disk: one at a time.
    busy: bool,
    sweeps: u64,
    /// The leaves there were when a sweep was last due.
    size: u64,
    /// Bundles that have come for damaged ones.
    arrived: VecDeque<(u64, Vec<u8>)>,
    /// Damage that was told and is not mended yet.
    told: BTreeSet<Damage>,
    /// Damage that was mended as soon as it was found.
    found: VecDeque<Damage>,
}

impl Keeping {
    pub(super) fn mend(&mut self, bundle: u64, octets: Vec<u8>) {
        self.arrived.push_back((bundle, octets));
    }
}

impl<M: Medium> Node<M> {
    /// Once a tick: tells what was found, and has the next part of the disk read.
    pub(super) fn keep_watch(&mut self, outputs: &mut dyn Outbox) {
        for damage in std::mem::take(&mut self.keeping.found) {
            outputs.put(Output::Damaged { damage: damage.clone() });
            outputs.put(Output::Mended { damage });
        }
        let now: BTreeSet<Damage> = self.store().damaged().into_iter().take(NOTICES_MAX).collect();
        for damage in now.difference(&self.keeping.told) {
            outputs.put(Output::Damaged { damage: damage.clone() });
        }
        for damage in self.keeping.told.difference(&now) {
            outputs.put(Output::Mended { damage: damage.clone() });
        }
        self.keeping.told = now;
        if self.keeping.busy {
            return;
        }
        if let Some((bundle, octets)) = self.keeping.arrived.pop_front() {
            self.keeping.busy = true;
            self.jobs.push_back(Job(Work::Mend { archive: self.store().archive(), bundle, octets }));
        } else if self.ticks.is_multiple_of(SWEEP_TICKS) && !self.taking.installs() {
            let written = self.tree.size().saturating_sub(std::mem::replace(&mut self.keeping.size, self.tree.size()));
            let pressed = written >= BUSY_LEAVES;
            self.raft.mut_store().store.pressed = pressed;
            if pressed && !self.ticks.is_multiple_of(SWEEP_TICKS * BUSY_SLOWER) {
                return;
            }
            self.keeping.busy = true;
            self.keeping.sweeps += 1;
            let files = if self.keeping.sweeps.is_multiple_of(LOG_EVERY) { 2 } else { 0 };
            let sweep = self.raft.mut_store().store.sweep(SWEEP_OCTETS, files);
            self.jobs.push_back(Job(Work::Sweep(Box::new(sweep))));
        }
    }

    pub(super) fn swept(&mut self, swept: Swept) -> Result<(), StoreError> {
        self.keeping.busy = false;
        let found = self.raft.mut_store().store.swept(swept)?;
        let left: BTreeSet<Damage> = self.store().damaged().into_iter().collect();
        self.keeping.found.extend(found.into_iter().filter(|damage| !left.contains(damage)).take(NOTICES_MAX));
        Ok(())
    }

    pub(super) fn mended(&mut self, bundle: u64, mended: Result<(), StoreError>) -> Result<(), StoreError> {
        self.keeping.busy = false;
        self.taking.mended(bundle);
        match mended {
            // What came was not it: it is still damaged, and asked for again.
            Err(StoreError::Diverged(_)) => Ok(()),
            Ok(()) if self.store().lacking().is_some() && self.store().damaged().iter().all(|damage| damage.bundle.is_none()) => {
                self.go_on()
            }
            other => other,
        }
    }

    /// An input while it is not known which records were sealed here: nothing is voted for, stored or applied. Damaged bundles are asked
    /// for, and others are given what they ask for.
    pub(super) fn be_mended(&mut self, input: Input, outputs: &mut dyn Outbox) {
        match input {
            Input::Tick => {
                self.ticks += 1;
                self.take_on(outputs);
                self.keep_watch(outputs);
                self.give();
            }
            Input::Message { from, octets } if self.members.contains_key(&from) => match Frame::decode(&octets) {
                Some(Frame::Want { item, part }) => self.wishes.add(from, item, part),
                Some(Frame::Piece { item, part, parts, octets }) => self.piece(from, (item, part, parts), &octets, outputs),
                _ => {}
            },
            Input::Propose { ticket, .. } => outputs.put(Output::Answer { ticket, answer: Answer::Busy }),
            Input::Read { ticket } => self.reads.add(ticket),
            _ => {}
        }
    }
}
