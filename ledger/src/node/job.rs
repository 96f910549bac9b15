//! The node's work that is not for its own thread: sealing, giving to others, taking from them, mending, reading again.

use super::give::{Give, Given};
use super::take::{Take, Taken};
use crate::archive::Archive;
use crate::medium::{Medium, StoreError};
use crate::scrub::{Sweep, Swept};
use crate::seal::{Seal, Sealed};

/// A piece of work that is due, for the driver to run on any thread; its result goes to [`super::Node::done`].
#[derive(Debug)]
pub struct Job<M: Medium>(pub(super) Work<M>);

/// What came of a [`Job`].
#[derive(Debug)]
pub struct Done<M: Medium>(pub(super) Outcome<M>);

#[derive(Debug)]
pub(super) enum Work<M: Medium> {
    Seal(Box<Seal<M>>),
    Give(Box<Give<M>>),
    Take(Box<Take<M>>),
    Sweep(Box<Sweep<M>>),
    /// Puts a bundle of another node in place of a damaged one.
    Mend {
        archive: Archive<M>,
        bundle: u64,
        octets: Vec<u8>,
    },
}

#[derive(Debug)]
pub(super) enum Outcome<M: Medium> {
    Sealed(Box<Result<Sealed, StoreError>>),
    Given(Given),
    Taken(Box<Taken<M>>),
    Swept(Box<Swept>),
    Mended { bundle: u64, mended: Result<(), StoreError> },
}

impl<M: Medium> Job<M> {
    /// Whether it may take seconds.
    #[must_use]
    pub fn is_long(&self) -> bool {
        matches!(self.0, Work::Seal(_))
    }

    /// Does it. Whatever fails is in the result.
    #[must_use]
    pub fn run(self) -> Done<M> {
        Done(match self.0 {
            Work::Seal(seal) => Outcome::Sealed(Box::new(seal.run())),
            Work::Give(give) => Outcome::Given(give.run()),
            Work::Take(take) => Outcome::Taken(Box::new(take.run())),
            Work::Sweep(sweep) => Outcome::Swept(Box::new(sweep.run())),
            Work::Mend { archive, bundle, octets } => Outcome::Mended { bundle, mended: archive.repair(bundle, &octets) },
        })
    }
}
