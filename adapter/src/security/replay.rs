//! Messages seen within their window, so that none is taken twice.

use crate::fault::{Fault, Reason};
use std::collections::BTreeSet;
use std::collections::HashSet;
use xsd::time::Timestamp;

/// A bounded memory of digests, each kept until the message it stands for has expired.
#[derive(Debug)]
pub(super) struct Replay {
    seen: HashSet<[u8; 32]>,
    expiries: BTreeSet<(Timestamp, [u8; 32])>,
    entries_max: usize,
}

impl Replay {
    pub(super) fn new(entries_max: usize) -> Self {
        Self { seen: HashSet::new(), expiries: BTreeSet::new(), entries_max }
    }

    /// Notes a message that cannot be accepted after `until`. A full memory says busy: forgetting one early would let it in again.
    pub(super) fn note(&mut self, digest: [u8; 32], until: Timestamp, now: Timestamp) -> Result<(), Fault> {
        while let Some(&(expiry, old)) = self.expiries.first().filter(|(expiry, _)| *expiry < now) {
            self.expiries.remove(&(expiry, old));
            self.seen.remove(&old);
        }
        if self.seen.contains(&digest) {
            return Err(Fault::new(Reason::FailedAuthentication, "this signed message was received before")
                .xpath("/Envelope/Header/Security")
                .because("replayed"));
        }
        if self.seen.len() >= self.entries_max {
            return Err(Fault::new(Reason::Busy, "too many signed messages within their window"));
        }
        self.seen.insert(digest);
        self.expiries.insert((until, digest));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_taken_once_within_its_window() {
        let mut replay = Replay::new(2);
        let mut check = |digest: u8, until: u64, now: u64, expected: Option<Reason>| {
            let verdict = replay.note([digest; 32], Timestamp(until), Timestamp(now));
            assert_eq!(verdict.err().map(|fault| fault.reason()), expected, "{digest} at {now}");
        };
        check(1, 100, 0, None);
        check(1, 100, 100, Some(Reason::FailedAuthentication));
        check(2, 200, 100, None);
        check(3, 200, 100, Some(Reason::Busy));
        check(3, 300, 101, None);
        check(2, 200, 150, Some(Reason::FailedAuthentication));
        check(1, 400, 201, None);
    }
}
