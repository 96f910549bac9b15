//! Ed25519 keys and signatures: the one place that signs and verifies, singly and in batches, by the rule of ZIP-215.

use crate::remembered;
use data_encoding::BASE64;
use ed25519_zebra::{Signature, SigningKey, VerificationKey, VerificationKeyBytes, batch};
use rand_core::{TryCryptoRng, TryRng};
use sha2::{Digest, Sha256, Sha512};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fmt;

/// A raw Ed25519 public key (RFC 8032 §5.1.5).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct PublicKey(pub [u8; 32]);

impl PublicKey {
    /// From 64 lower-case hexadecimal digits, as in a genesis.
    #[must_use]
    pub fn from_hex(text: &str) -> Option<Self> {
        crate::tree::Hash::from_hex(text).map(|hash| Self(hash.0))
    }

    /// Whether `signature` by this key stands over `octets` (ZIP-215: cofactored, any encoding of A and R, canonical S).
    #[must_use]
    pub fn verifies(&self, octets: &[u8], signature: &[u8; 64]) -> bool {
        if crate::mutant::is("forged-accepted") {
            return true;
        }
        remembered::verified(&self.0, octets, signature, || {
            self.expanded().is_some_and(|key| key.verify(&Signature::from_bytes(signature), octets).is_ok())
        })
    }

    /// The key's point, which the same few members' keys are asked for again and again.
    fn expanded(&self) -> Option<VerificationKey> {
        EXPANDED.with_borrow_mut(|expanded| {
            if let Some(key) = expanded.get(&self.0) {
                return Some(*key);
            }
            let key = VerificationKey::try_from(self.0).ok()?;
            if expanded.len() >= EXPANDED_MAX {
                expanded.clear();
            }
            expanded.insert(self.0, key);
            Some(key)
        })
    }

    /// The key as `SubjectPublicKeyInfo` in PEM (RFC 8410 §4), what `openssl pkeyutl -pubin` reads.
    #[must_use]
    pub fn pem(&self) -> String {
        const PREFIX: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
        let der = [PREFIX.as_slice(), &self.0].concat();
        format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", BASE64.encode(&der))
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&crate::tree::Hash(self.0), f)
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// An Ed25519 private key: a sector's record key or a node's checkpoint key.
#[derive(Clone)]
pub struct SecretKey(SigningKey);

impl SecretKey {
    /// From the 32 octets of RFC 8032 §5.1.5; any octets are a key.
    #[must_use]
    pub fn from_seed(seed: [u8; 32]) -> Self {
        Self(SigningKey::from_bytes(&seed))
    }

    /// The public half.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        PublicKey(VerificationKeyBytes::from(&self.0).into())
    }

    /// The raw signature over `octets`: deterministic, RFC 8032 §5.1.6.
    #[must_use]
    pub fn sign(&self, octets: &[u8]) -> [u8; 64] {
        self.0.sign(octets).to_bytes()
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretKey of {}", self.public())
    }
}

thread_local! {
    /// Keys that this thread has verified with.
    static EXPANDED: RefCell<BTreeMap<[u8; 32], VerificationKey>> = const { RefCell::new(BTreeMap::new()) };
}
/// Keys that are kept.
const EXPANDED_MAX: usize = 256;

/// One signature to verify.
#[derive(Clone, Copy, Debug)]
pub struct Check<'a> {
    /// Whose.
    pub key: PublicKey,
    /// Over what.
    pub octets: &'a [u8],
    /// The raw signature.
    pub signature: &'a [u8; 64],
}

/// So many are faster one by one. An empty batch would cost as much as a signature.
const FEW: usize = 1;

/// Verifies many signatures at once, about twice as fast as one by one; the answers are the same as those of
/// [`PublicKey::verifies`], one per check, in order.
#[must_use]
pub fn verify(checks: &[Check<'_>]) -> Vec<bool> {
    if checks.len() <= FEW || remembered::remembers() {
        return checks.iter().map(|one| one.key.verifies(one.octets, one.signature)).collect();
    }
    let mut verifier = batch::Verifier::new();
    let mut transcript = Sha512::new();
    for check in checks {
        transcript.update(check.key.0);
        transcript.update(check.signature);
        transcript.update(Sha256::digest(check.octets));
        verifier.queue((VerificationKeyBytes::from(check.key.0), Signature::from_bytes(check.signature), check.octets));
    }
    if verifier.verify(Coefficients::new(&transcript.finalize())).is_ok() {
        return vec![true; checks.len()];
    }
    checks.iter().map(|check| check.key.verifies(check.octets, check.signature)).collect()
}

/// The batch equation's coefficients, drawn from a hash of all that is verified: the forger would have to know them before
/// the signatures exist, and every replica draws the same.
struct Coefficients {
    seed: [u8; 64],
    counter: u64,
    left: Vec<u8>,
}

impl Coefficients {
    fn new(transcript: &[u8]) -> Self {
        Self { seed: Sha512::digest(transcript).into(), counter: 0, left: Vec::new() }
    }

    fn next(&mut self) -> u8 {
        if self.left.is_empty() {
            let mut block = Sha512::new();
            block.update(self.seed);
            block.update(self.counter.to_be_bytes());
            self.left = block.finalize().to_vec();
            self.counter = self.counter.wrapping_add(1);
        }
        self.left.pop().unwrap_or_default()
    }
}

impl TryRng for Coefficients {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(u32::from_le_bytes(std::array::from_fn(|_| self.next())))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(u64::from_le_bytes(std::array::from_fn(|_| self.next())))
    }

    fn try_fill_bytes(&mut self, octets: &mut [u8]) -> Result<(), Infallible> {
        octets.fill_with(|| self.next());
        Ok(())
    }
}

impl TryCryptoRng for Coefficients {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_answer_as_single_checks_do() {
        let keys: Vec<SecretKey> = (0_u8..4).map(|n| SecretKey::from_seed([n; 32])).collect();
        let octets: Vec<Vec<u8>> = (0_u8..20).map(|n| vec![n; usize::from(n)]).collect();
        let mut signatures: Vec<[u8; 64]> = octets.iter().zip(keys.iter().cycle()).map(|(octets, key)| key.sign(octets)).collect();
        for broken in [None, Some((3, 0)), Some((7, 40)), Some((19, 63))] {
            if let Some((at, octet)) = broken {
                signatures[at][octet] ^= 1;
            }
            let checks: Vec<Check<'_>> = octets
                .iter()
                .zip(&signatures)
                .zip(keys.iter().cycle())
                .map(|((octets, signature), key)| Check { key: key.public(), octets, signature })
                .collect();
            let single: Vec<bool> = checks.iter().map(|check| check.key.verifies(check.octets, check.signature)).collect();
            assert_eq!(verify(&checks), single);
            assert_eq!(single.iter().all(|right| *right), broken.is_none());
        }
        assert!(verify(&[]).is_empty());
    }

    #[test]
    fn rfc_8032_test_2() {
        let key = SecretKey::from_seed(*b"\x4c\xcd\x08\x9b\x28\xff\x96\xda\x9d\xb6\xc3\x46\xec\x11\x4e\x0f\x5b\x8a\x31\x9f\x35\xab\xa6\x24\xda\x8c\xf6\xed\x4f\xb8\xa6\xfb");
        assert_eq!(key.public().to_string(), "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c");
        assert!(data_encoding::HEXLOWER.encode(&key.sign(&[0x72])).starts_with("92a009a9f0d4cab8720e820b5f642540"));
    }
}
