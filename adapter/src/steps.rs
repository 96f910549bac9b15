//! The fifteen steps of the paper's Figure 4, as one log line each: what the demo and an operator read.

use std::time::Instant;

/// The target of the lines.
pub const TARGET: &str = "step";

/// What a process has done for a conversation. Two sectors that are asked at once take the same step under two numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// W1: a user's question where something is has come in.
    Asked,
    /// W2: the Trading Service has asked the Directory Service.
    Queried,
    /// W3: the Directory Service has looked into the directory chain.
    LookedUp,
    /// W4: the locations, or Null, are with the Trading Service.
    Located,
    /// W5: the user's sector has them.
    Told,
    /// W6: a user's request for the information has come in, with the user's id.
    Submitted,
    /// W7, W8: a sector has the order for its information.
    Ordered,
    /// W9, W10: that sector has asked Authority Management.
    AuthorityAsked,
    /// W11, W12: Authority Management has answered with the permission and its period.
    AuthorityAnswered,
    /// W13, W14: the information is packed with its metadata and on its way.
    Packed,
    /// W15: the packets are with the user's sector and the trades on the ledger.
    Returned,
}

impl Step {
    /// Its name in the log.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Asked => "asked",
            Self::Queried => "queried",
            Self::LookedUp => "looked-up",
            Self::Located => "located",
            Self::Told => "told",
            Self::Submitted => "submitted",
            Self::Ordered => "ordered",
            Self::AuthorityAsked => "authority-asked",
            Self::AuthorityAnswered => "authority-answered",
            Self::Packed => "packed",
            Self::Returned => "returned",
        }
    }
}

/// Says that a step of a conversation is done, and how long it took.
pub fn done(step: Step, conversation: &str, since: Instant) {
    let us = u64::try_from(since.elapsed().as_micros()).unwrap_or(u64::MAX);
    tracing::info!(target: TARGET, step = step.name(), conversation, us);
}
