//! Reading again what is on the disk, beside the hot path: what is sealed, the snapshot, the log.

use crate::archive::{Archive, Damage};
use crate::frames::Files;
use crate::medium::{Medium, StoreError};
use crate::snapshot::{Snapshot, name};
use std::sync::Arc;

/// Stored octets that are looked at in each sweep besides: a segment, so that what is in the first few is seen within a second.
const GLANCE_OCTETS: u64 = 2 << 20;

/// Some of what there is, to be read again.
#[derive(Debug)]
pub(crate) struct Sweep<M> {
    pub(crate) archive: Archive<M>,
    /// The bundle to go on with, and how many logical octets to read.
    pub(crate) from: u64,
    pub(crate) octets: u64,
    pub(crate) snapshot: Option<Arc<Snapshot>>,
    pub(crate) log: Files<M>,
    /// Which files of the log.
    pub(crate) files: Vec<usize>,
}

/// What a sweep has found.
#[derive(Debug)]
pub(crate) struct Swept {
    /// Where to go on, and what was found there. What can be made anew from the leaves is made anew already.
    pub(crate) sealed: Result<(u64, Vec<Damage>), StoreError>,
    /// The snapshot of so many leaves is damaged.
    pub(crate) snapshot: Option<(u64, Damage)>,
    pub(crate) log: Vec<Damage>,
}

impl<M: Medium> Sweep<M> {
    pub(crate) fn run(self) -> Swept {
        let sealed = self.archive.scrub(self.from, self.octets).and_then(|(next, mut found)| {
            let glanced = self.archive.glance(GLANCE_OCTETS)?;
            found.extend(glanced.into_iter().filter(|damage| !found.contains(damage)).collect::<Vec<_>>());
            Ok((next, found))
        });
        let round = matches!(sealed, Ok((0, _)));
        let snapshot = self.snapshot.filter(|_| round).and_then(|snapshot| {
            let file = name(snapshot.size);
            let read = Snapshot::read(&self.archive.medium, &file, &self.archive.ledger, self.archive.at_rest.as_ref());
            let damage = |error: StoreError| Damage { file, offset: 0, bundle: None, what: error.to_string() };
            read.err().map(|error| (snapshot.size, damage(error)))
        });
        let what = "a frame that is not what was written";
        // A file that cannot be read was forgotten meanwhile; one that is there will be read again.
        let found = self.files.iter().filter_map(|at| self.log.check(*at).ok().flatten());
        let log = found.map(|(file, offset)| Damage { file, offset, bundle: None, what: what.to_owned() }).collect();
        Swept { sealed, snapshot, log }
    }
}
