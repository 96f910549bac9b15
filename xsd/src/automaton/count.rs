//! The ways in which children can have been counted, where counted particles nest so that several are possible: the innermost count of
//! each as an interval, so that ways which differ only there are one.

use super::{Counter, Edge, Model};

/// Ways to count that are followed at once. A model that needs more refuses the child, with a reason: a step costs their square.
pub(super) const WAYS_MAX: usize = 32;

/// At a position, how often the particles around it have been there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Standing {
    pub(super) at: usize,
    /// Of all counters but the innermost.
    outer: Vec<u32>,
    /// The innermost has one of these counts; 0 where nothing is counted.
    low: u32,
    high: u32,
}

/// More than [`WAYS_MAX`].
#[derive(Debug)]
pub(super) struct Crowded;

impl Standing {
    /// One that is counted in one way.
    pub(super) fn new(at: usize, mut counts: Vec<u32>) -> Self {
        let last = counts.pop().unwrap_or_default();
        Self { at, outer: counts, low: last, high: last }
    }

    /// Nothing has been yet.
    pub(super) fn nowhere() -> Self {
        Self::new(usize::MAX, Vec::new())
    }

    /// Whether each counter has its least count.
    pub(super) fn is_enough(&self, counters: &[Counter]) -> bool {
        let Some((innermost, around)) = counters.split_last() else { return true };
        self.high >= innermost.min && around.iter().zip(&self.outer).all(|(counter, count)| *count >= counter.min)
    }

    /// The same, as far as the counts let an edge be taken.
    pub(super) fn permitted(&self, counters: &[Counter], edge: &Edge) -> Option<Self> {
        let Some((innermost, around)) = counters.split_last() else { return Some(self.clone()) };
        if !super::permits(around, &self.outer, edge) {
            return None;
        }
        let (mut low, mut high) = (self.low, self.high);
        if edge.keep < counters.len() {
            low = low.max(innermost.min);
        } else if let (true, Some(max)) = (edge.bump && edge.keep == counters.len(), innermost.max) {
            high = high.min(max.saturating_sub(1));
        }
        (low <= high).then(|| Self { low, high, ..self.clone() })
    }

    /// Whether it can do all that `other` can, at the same position: beyond the least count, fewer are better.
    fn covers(&self, other: &Self, counters: &[Counter]) -> bool {
        let Some((innermost, around)) = counters.split_last() else { return true };
        let better = |(counter, (left, right)): (&Counter, (&u32, &u32))| left == right || *left >= counter.min && left < right;
        let inner = other.low >= self.low && (other.high <= self.high || self.high >= innermost.min);
        inner && around.iter().zip(self.outer.iter().zip(&other.outer)).all(better)
    }

    /// Without the counts that can do no more than a smaller one.
    fn reduced(mut self, counters: &[Counter]) -> Self {
        let least = counters.last().map_or(0, |innermost| innermost.min);
        self.high = self.high.min(self.low.max(least));
        self
    }

    /// Both as one, if they differ only in the innermost count and leave no gap.
    fn joined(&self, other: &Self) -> Option<Self> {
        let near = self.low <= other.high.saturating_add(1) && other.low <= self.high.saturating_add(1);
        let same = self.at == other.at && self.outer == other.outer;
        (near && same).then(|| Self { low: self.low.min(other.low), high: self.high.max(other.high), ..self.clone() })
    }
}

impl Model {
    /// Takes an edge that `from`, as [`Standing::permitted`] left it, may take.
    pub(super) fn follow(&self, places: &mut Vec<Standing>, from: &Standing, edge: Edge) -> Result<(), Crowded> {
        let Some(target) = self.positions.get(edge.target) else { return Ok(()) };
        let depth = self.positions.get(from.at).map_or(0, |position| position.counters.len());
        let wanted = target.counters.len();
        let counted = |innermost: u32| {
            let own = (depth > 0).then_some(innermost);
            let mut counts: Vec<u32> = from.outer.iter().copied().chain(own).take(edge.keep).collect();
            let counter = edge.keep.checked_sub(1).and_then(|at| target.counters.get(at));
            if let (true, Some(last), Some(counter)) = (edge.bump, counts.last_mut(), counter) {
                // Beyond the least count of an unbounded particle there is nothing left to tell apart.
                *last = if counter.max.is_none() { (*last + 1).min(counter.min) } else { *last + 1 };
            }
            counts.resize(wanted, 1);
            Standing::new(edge.target, counts)
        };
        if edge.keep == depth && depth == wanted {
            let (least, most) = (counted(from.low), counted(from.high));
            return self.add(places, Standing { high: most.high, ..least });
        }
        // Of what ends only one count matters; of what goes on around something deeper, each.
        let last = if edge.keep == depth { from.high } else { from.low };
        (from.low..=last).try_for_each(|innermost| self.add(places, counted(innermost)))
    }

    /// Adds a place unless others can do all that it can, and drops those that can do no more than it.
    pub(super) fn add(&self, places: &mut Vec<Standing>, place: Standing) -> Result<(), Crowded> {
        let Some(counters) = self.positions.get(place.at).map(|position| position.counters.as_slice()) else { return Ok(()) };
        let mut place = place.reduced(counters);
        if places.iter().any(|other| other.at == place.at && other.covers(&place, counters)) {
            return Ok(());
        }
        while let Some((at, joined)) = places.iter().enumerate().find_map(|(at, other)| Some((at, other.joined(&place)?))) {
            places.remove(at);
            place = joined.reduced(counters);
        }
        places.retain(|other| other.at != place.at || !place.covers(other, counters));
        if places.len() >= WAYS_MAX {
            return Err(Crowded);
        }
        places.push(place);
        Ok(())
    }
}
