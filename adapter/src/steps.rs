//! The fifteen steps of the paper's Figure 4, as one log line each: what the demo and an operator read.

use std::time::Instant;

/// The target of the lines.
pub const TARGET: &str = "step";

/// Says that a step of a conversation is done, and how long it took.
pub fn done(step: &'static str, conversation: &str, since: Instant) {
    let us = u64::try_from(since.elapsed().as_micros()).unwrap_or(u64::MAX);
    tracing::info!(target: TARGET, step, conversation, us);
}

/// What each step is, in the words of the paper.
pub const STEPS: [(&str, &str); 15] = [
    ("W1", "Sector C's user submits requests for info X and info Y to the Trading Service"),
    ("W2", "TS sends the query to the Directory Service"),
    ("W3", "DS looks X and Y up in the directory chain"),
    ("W4", "DS returns the locations to TS"),
    ("W5", "TS returns the locations to Sector C"),
    ("W6", "Sector C's user submits the access requests with the user ID"),
    ("W7", "TS sends the request for X to Sector A"),
    ("W8", "TS sends the request for Y to Sector B"),
    ("W9", "Sector A queries Authority Management by user ID"),
    ("W10", "Sector B queries Authority Management by user ID"),
    ("W11", "AM answers A: the user can Read Only info X in Tstart-Tend"),
    ("W12", "AM answers B: the user can Read Only info Y in Tstart-Tend"),
    ("W13", "Sector A packs info X with its metadata and returns it"),
    ("W14", "Sector B packs info Y with its metadata and returns it"),
    ("W15", "TS returns the packets to C; the trading data is on the ledger"),
];
