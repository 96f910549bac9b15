//! Whether one content model accepts only what another accepts: the restriction of complex content (part 1 §3.9.6), asked of what the
//! models mean and not of how they are written, as XSD 1.1 does.

use super::{Cursor, Leaf, Model, Target};
use crate::schema::{ElementId, Source};
use crate::tree::QName;
use std::collections::VecDeque;

/// Pairs of places that are looked at; models whose counts need more are taken as they are.
const PAIRS_MAX: usize = 4000;

/// What a restriction would accept beyond its base.
pub(crate) struct Beyond {
    pub(crate) what: String,
    pub(crate) source: Option<Source>,
}

type Pair = (Cursor, Cursor);

impl Model {
    /// The first thing found that this model accepts and `base` does not. `fits` says whether the first declaration may stand where
    /// the base has the second.
    pub(crate) fn beyond(&self, base: &Self, fits: &dyn Fn(ElementId, ElementId) -> bool) -> Option<Beyond> {
        let start = (self.start(), base.start());
        let mut seen: Vec<Pair> = vec![start.clone()];
        let mut queue = VecDeque::from([start]);
        while let Some((own, outer)) = queue.pop_front() {
            if own.crowded || outer.crowded {
                return None;
            }
            if self.accepts(&own) && !base.accepts(&outer) {
                return Some(Beyond { what: "the content may end where that of the base type may not".to_owned(), source: None });
            }
            let next = match self.followers(&own, base, &outer, fits) {
                Ok(next) => next,
                Err(beyond) => return Some(beyond),
            };
            for pair in next {
                if seen.len() >= PAIRS_MAX {
                    return None;
                }
                if !seen.contains(&pair) {
                    seen.push(pair.clone());
                    queue.push_back(pair);
                }
            }
        }
        None
    }

    fn followers(
        &self,
        own: &Cursor,
        base: &Self,
        outer: &Cursor,
        fits: &dyn Fn(ElementId, ElementId) -> bool,
    ) -> Result<Vec<Pair>, Beyond> {
        let mut next = Vec::new();
        for at in self.targets(own) {
            let Some(position) = self.positions.get(at) else { continue };
            match &position.leaf {
                Leaf::Element(names) => {
                    for named in names {
                        let pair = self.named((own, named), base, outer, fits);
                        next.push(pair.map_err(|what| Beyond { what, source: Some(position.source.clone()) })?);
                    }
                }
                Leaf::Any(wildcard) => {
                    let wider = |leaf: &Leaf| matches!(leaf, Leaf::Any(outer) if crate::load::subset(&wildcard.namespaces, &outer.namespaces) && wildcard.process >= outer.process);
                    let (own, outer) = (self.through(own, &|leaf: &Leaf| *leaf == position.leaf), base.through(outer, &wider));
                    if outer.places.is_empty() && !outer.crowded {
                        let what = "a wildcard allows more than the base type".to_owned();
                        return Err(Beyond { what, source: Some(position.source.clone()) });
                    }
                    next.push((own, outer));
                }
            }
        }
        Ok(next)
    }

    fn named(
        &self,
        (own, (name, id)): (&Cursor, &(QName, ElementId)),
        base: &Self,
        outer: &Cursor,
        fits: &dyn Fn(ElementId, ElementId) -> bool,
    ) -> Result<Pair, String> {
        let (mut own, mut outer) = (own.clone(), outer.clone());
        match base.step(&mut outer, name) {
            None if outer.crowded => {}
            None => return Err(format!("{name} cannot stand there in the base type")),
            Some(Target::Element(of)) if !fits(*id, of) => return Err(mismatch(name)),
            Some(_) => {}
        }
        self.step(&mut own, name);
        Ok((own, outer))
    }

    fn targets(&self, cursor: &Cursor) -> Vec<usize> {
        let mut targets: Vec<usize> = match self.all {
            true => cursor.seen.iter().enumerate().filter(|(_, seen)| !**seen).map(|(at, _)| at).collect(),
            false => self.enabled(cursor).map(|(edge, _)| edge.target).collect(),
        };
        targets.sort_unstable();
        targets.dedup();
        targets
    }

    /// Where the edges lead to whose leaf is taken.
    fn through(&self, cursor: &Cursor, taken: &dyn Fn(&Leaf) -> bool) -> Cursor {
        let mut places = Vec::new();
        let mut edges = self.enabled(cursor).filter(|(edge, _)| self.positions.get(edge.target).is_some_and(|to| taken(&to.leaf)));
        let crowded = edges.try_for_each(|(edge, from)| self.follow(&mut places, &from, edge)).is_err();
        Cursor { places, seen: cursor.seen.clone(), started: true, crowded }
    }
}

fn mismatch(name: &QName) -> String {
    format!("{name} is not what the base type has there: its type must be a restriction, nillable and fixed value no wider")
}
