//! Mistakes on purpose, for the simulator to find: compiled in by the feature `mutants` alone, and never in a product.

#[cfg(feature = "mutants")]
thread_local! {
    static ACTIVE: std::cell::Cell<&'static str> = const { std::cell::Cell::new("") };
}

/// Every mistake.
#[cfg(feature = "mutants")]
pub const ALL: [&str; 14] = [
    "ack-before-sync",
    "vote-not-saved",
    "term-not-saved",
    "applied-twice",
    "ids-forgotten",
    "forged-accepted",
    "stale-read",
    "grant-never-ends",
    "time-goes-back",
    "stream-stuck",
    "conflict-blind",
    "tail-kept",
    "checkpoint-alone",
    "answered-early",
];

/// Makes one of them on this thread from now on; an empty name for none.
#[cfg(feature = "mutants")]
pub fn make(name: &'static str) {
    ACTIVE.set(name);
}

/// Whether this mistake is made.
#[cfg(feature = "mutants")]
pub(crate) fn is(name: &str) -> bool {
    ACTIVE.get() == name
}

/// No mistake is made.
#[cfg(not(feature = "mutants"))]
pub(crate) const fn is(_name: &str) -> bool {
    false
}
