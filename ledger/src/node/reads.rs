//! Reads that wait until this node is as far as the ledger was when they were asked for (Raft's ReadIndex).

use std::collections::BTreeMap;
use xsd::time::Timestamp;

/// Reads by the question that was asked for them. Those that come together share one question.
#[derive(Debug, Default)]
pub(super) struct Reads {
    new: Vec<u64>,
    asked: BTreeMap<Vec<u8>, Asked>,
    granted: Vec<(u64, Vec<u64>)>,
    questions: u64,
}

#[derive(Debug)]
struct Asked {
    tickets: Vec<u64>,
    at: u64,
}

impl Reads {
    pub(super) fn add(&mut self, ticket: u64) {
        self.new.push(ticket);
    }

    pub(super) fn withdraw(&mut self, ticket: u64) {
        self.new.retain(|waiting| *waiting != ticket);
        self.asked.values_mut().for_each(|asked| asked.tickets.retain(|waiting| *waiting != ticket));
        self.asked.retain(|_, asked| !asked.tickets.is_empty());
        self.granted.iter_mut().for_each(|(_, tickets)| tickets.retain(|waiting| *waiting != ticket));
    }

    /// The name of a question for the reads that have none yet. A name never comes twice, not after a restart either: an
    /// answer to an older question would say less than this one asks.
    pub(super) fn ask(&mut self, node: u64, now: Timestamp, ticks: u64) -> Option<Vec<u8>> {
        if self.new.is_empty() {
            return None;
        }
        self.questions += 1;
        let name = [node, now.0, self.questions].iter().flat_map(|number| number.to_be_bytes()).collect::<Vec<u8>>();
        self.asked.insert(name.clone(), Asked { tickets: std::mem::take(&mut self.new), at: ticks });
        if crate::mutant::is("stale-read") {
            self.granted(&name, 0);
            return None;
        }
        Some(name)
    }

    /// Questions asked at this tick or before are asked anew: their answer was lost.
    pub(super) fn late(&mut self, until: u64) {
        let late: Vec<Vec<u8>> = self.asked.iter().filter(|(_, asked)| asked.at <= until).map(|(name, _)| name.clone()).collect();
        for name in late {
            self.new.extend(self.asked.remove(&name).into_iter().flat_map(|asked| asked.tickets));
        }
    }

    /// The leader's answer: what is committed up to `index` is fresh enough.
    pub(super) fn granted(&mut self, name: &[u8], index: u64) {
        if let Some(asked) = self.asked.remove(name) {
            self.granted.push((index, asked.tickets));
        }
    }

    /// The reads that can be answered when everything up to `applied` is applied.
    pub(super) fn ready(&mut self, applied: u64) -> Vec<(u64, u64)> {
        let (ready, waiting) =
            std::mem::take(&mut self.granted).into_iter().partition(|(index, _)| *index <= applied || crate::mutant::is("stale-read"));
        self.granted = waiting;
        let ready: Vec<(u64, Vec<u64>)> = ready;
        ready.into_iter().flat_map(|(_, tickets)| tickets).map(|ticket| (ticket, applied)).collect()
    }
}
