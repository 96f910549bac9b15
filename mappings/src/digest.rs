//! The digests of what was made: SHA-256, or SM3 (GB/T 32905), over the canonical octets of a target's documents.

use crate::document::Algorithm;
use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};
use sm3::Sm3;

/// One digest being computed.
#[derive(Clone, Debug)]
enum State {
    Sha256(Sha256),
    Sm3(Sm3),
}

/// Those that the rules of one mapping ask for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Digests(Vec<(usize, State)>);

impl Digests {
    pub(crate) fn new(wanted: &[(usize, Algorithm)]) -> Self {
        let start = |algorithm: Algorithm| match algorithm {
            Algorithm::Sha256 => State::Sha256(Sha256::new()),
            Algorithm::Sm3 => State::Sm3(Sm3::new()),
        };
        Self(wanted.iter().map(|(target, algorithm)| (*target, start(*algorithm))).collect())
    }

    /// Whether a rule asks for a digest of this target.
    pub(crate) fn wants(&self, target: usize) -> bool {
        self.0.iter().any(|(wanted, _)| *wanted == target)
    }

    pub(crate) fn update(&mut self, target: usize, octets: &[u8]) {
        for (_, state) in self.0.iter_mut().filter(|(wanted, _)| *wanted == target) {
            match state {
                State::Sha256(digest) => digest.update(octets),
                State::Sm3(digest) => digest.update(octets),
            }
        }
    }

    /// One of them so far, in lower-case hexadecimal.
    pub(crate) fn hex(&self, number: usize) -> String {
        match self.0.get(number) {
            Some((_, State::Sha256(digest))) => HEXLOWER.encode(&digest.clone().finalize()),
            Some((_, State::Sm3(digest))) => HEXLOWER.encode(&digest.clone().finalize()),
            None => String::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_those_of_the_standards() {
        let mut digests = Digests::new(&[(0, Algorithm::Sha256), (0, Algorithm::Sm3), (1, Algorithm::Sm3)]);
        digests.update(0, b"a");
        digests.update(0, b"bc");
        assert_eq!(digests.hex(0), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_eq!(digests.hex(1), "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0");
        assert_eq!(digests.hex(2), "1ab21d8355cfa17f8e61194831e81a8f22bec8c728fefb747ed035eb5082aa2b");
        assert!(digests.wants(1) && !digests.wants(2));
    }
}
