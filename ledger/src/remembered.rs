//! What a simulated city has computed already: its machines are one thread, and each asks again what the others have asked.
//!
//! Only functions of their arguments are remembered, under all of their arguments, so the answers stay what they are. Outside the
//! simulator nothing is.

use crate::tree::Hash;
use sha2::{Digest, Sha256};
use std::cell::RefCell;
use std::collections::BTreeMap;

/// Signatures that are remembered.
const SIGNATURES_MAX: usize = 100_000;
/// Octets of trees that are remembered.
const OCTETS_MAX: usize = 128 << 20;

#[derive(Default)]
struct Memory {
    /// By SHA-256 of key, signature and octets.
    signatures: BTreeMap<[u8; 32], bool>,
    /// What led to a root, by its kind and the root.
    trees: BTreeMap<(&'static str, Hash), Vec<u8>>,
    octets: usize,
}

thread_local! {
    static MEMORY: RefCell<Option<Memory>> = const { RefCell::new(None) };
}

/// From now on this thread remembers.
pub(crate) fn remember() {
    MEMORY.with_borrow_mut(|memory| _ = memory.get_or_insert_default());
}

/// Whether this thread remembers.
pub(crate) fn remembers() -> bool {
    MEMORY.with_borrow(Option::is_some)
}

/// What `verify` says of a signature, or said of the same one.
pub(crate) fn verified(key: &[u8; 32], octets: &[u8], signature: &[u8; 64], verify: impl FnOnce() -> bool) -> bool {
    if !remembers() {
        return verify();
    }
    let mut name = Sha256::new();
    name.update(key);
    name.update(signature);
    name.update(octets);
    let name: [u8; 32] = name.finalize().into();
    if let Some(known) = MEMORY.with_borrow(|memory| memory.as_ref()?.signatures.get(&name).copied()) {
        return known;
    }
    let right = verify();
    MEMORY.with_borrow_mut(|memory| {
        let signatures = &mut memory.get_or_insert_default().signatures;
        if signatures.len() >= SIGNATURES_MAX {
            signatures.clear();
        }
        signatures.insert(name, right);
    });
    right
}

/// Whether `octets` of a `kind` lead to `root`: `lead` says where they lead, unless exactly these octets have led there before.
pub(crate) fn leads_to(kind: &'static str, root: Hash, octets: &[u8], lead: impl FnOnce() -> Option<Hash>) -> bool {
    let name = (kind, root);
    if MEMORY.with_borrow(|memory| memory.as_ref().and_then(|memory| memory.trees.get(&name)).is_some_and(|known| known == octets)) {
        return true;
    }
    let right = lead() == Some(root);
    MEMORY.with_borrow_mut(|memory| {
        let Some(memory) = memory.as_mut().filter(|_| right) else { return };
        if memory.octets + octets.len() > OCTETS_MAX {
            memory.trees.clear();
            memory.octets = 0;
        }
        memory.octets += octets.len();
        let replaced = memory.trees.insert(name, octets.to_vec());
        memory.octets -= replaced.map_or(0, |replaced| replaced.len());
    });
    right
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_arguments_are_asked_again() {
        remember();
        let (root, other) = (Hash::of(b"root"), Hash::of(b"other"));
        // (the root, the octets, where they would lead if they were asked, the answer)
        let cases: [(Hash, &[u8], Option<Hash>, bool); 6] = [
            (root, b"leaves", None, false),
            (root, b"leaves", Some(root), true),
            (root, b"leaves", None, true),
            (root, b"leavez", Some(other), false),
            (other, b"leaves", Some(root), false),
            (root, b"leaves", None, true),
        ];
        for (at, (root, octets, leads, expected)) in cases.into_iter().enumerate() {
            assert_eq!(leads_to("tile", root, octets, || leads), expected, "case {at}");
        }
        assert!(!leads_to("bundle", root, b"leaves", || None), "another kind is read in another way");
        // (the key, the octets, the signature, what verification would say, the answer)
        let cases: [(u8, &[u8], u8, bool, bool); 6] = [
            (1, b"a", 1, true, true),
            (1, b"a", 1, false, true),
            (2, b"a", 1, false, false),
            (1, b"b", 1, false, false),
            (1, b"a", 2, false, false),
            (2, b"a", 1, true, false),
        ];
        for (at, (key, octets, signature, says, expected)) in cases.into_iter().enumerate() {
            assert_eq!(verified(&[key; 32], octets, &[signature; 64], || says), expected, "case {at}");
        }
    }
}
