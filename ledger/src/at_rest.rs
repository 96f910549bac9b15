//! Encryption at rest: each file has a data key of its own, which the configured key wraps.

use aes_gcm::aead::{Aead, Payload};
use aes_gcm::{Aes256Gcm, KeyInit};
use sha2::{Digest, Sha256};
use std::fmt;

/// Octets of a wrapped key: id of the wrapping key(8), nonce(12), data key and tag(48).
pub(crate) const WRAPPED: usize = 68;

/// The configured keys. What is written is wrapped by the current one; the others still open what they wrapped.
#[derive(Clone)]
pub struct AtRest {
    current: [u8; 32],
    old: Vec<[u8; 32]>,
}

impl fmt::Debug for AtRest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AtRest({} keys)", 1 + self.old.len())
    }
}

impl AtRest {
    /// Keys of 32 octets from a good source of randomness. To rotate, the current one becomes old; see `Store::rewrap`.
    #[must_use]
    pub fn new(current: [u8; 32], old: Vec<[u8; 32]>) -> Self {
        Self { current, old }
    }

    /// The data key of a file. `about` says what the file holds, down to the hash of its content: no randomness is needed here.
    pub(crate) fn data_key(&self, about: &[u8]) -> DataKey {
        DataKey(digest(b"waybill data key", &self.current, about))
    }

    /// The data key, encrypted by the current key.
    pub(crate) fn wrap(&self, key: &DataKey) -> Vec<u8> {
        let nonce = digest(b"waybill wrap nonce", &self.current, &key.0);
        let nonce = nonce.first_chunk::<12>().copied().unwrap_or_default();
        let sealed = encrypt(&self.current, nonce, b"waybill data key", &key.0);
        [key_id(&self.current).as_slice(), &nonce, &sealed].concat()
    }

    /// The data key, and whether the current key wraps it. `None` without the key that does, or if it is damaged.
    pub(crate) fn unwrap(&self, wrapped: &[u8]) -> Option<(DataKey, bool)> {
        let (id, rest) = wrapped.split_first_chunk::<8>()?;
        let (nonce, sealed) = rest.split_first_chunk::<12>()?;
        let with = [&self.current].into_iter().chain(&self.old).find(|key| key_id(key) == *id)?;
        let key = decrypt(with, *nonce, b"waybill data key", sealed)?;
        Some((DataKey(key.try_into().ok()?), *with == self.current))
    }
}

/// Encrypts the parts of one file.
#[derive(Clone)]
pub(crate) struct DataKey([u8; 32]);

impl fmt::Debug for DataKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DataKey")
    }
}

impl DataKey {
    /// The nonce follows from what is encrypted, so that two texts never share one, whatever was written here before.
    pub(crate) fn encrypt(&self, part: u64, octets: &[u8]) -> Vec<u8> {
        let about = [part.to_be_bytes().as_slice(), octets].concat();
        let nonce = digest(b"waybill part nonce", &self.0, &about).first_chunk::<12>().copied().unwrap_or_default();
        [nonce.as_slice(), &encrypt(&self.0, nonce, &part.to_be_bytes(), octets)].concat()
    }

    pub(crate) fn decrypt(&self, part: u64, octets: &[u8]) -> Option<Vec<u8>> {
        let (nonce, sealed) = octets.split_first_chunk::<12>()?;
        decrypt(&self.0, *nonce, &part.to_be_bytes(), sealed)
    }
}

fn key_id(key: &[u8; 32]) -> [u8; 8] {
    digest(b"waybill key id", key, b"").first_chunk().copied().unwrap_or_default()
}

fn digest(purpose: &[u8], key: &[u8; 32], about: &[u8]) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(purpose);
    hash.update(key);
    hash.update(about);
    hash.finalize().into()
}

fn encrypt(key: &[u8; 32], nonce: [u8; 12], aad: &[u8], msg: &[u8]) -> Vec<u8> {
    let cipher = Aes256Gcm::new(&(*key).into());
    cipher.encrypt(&nonce.into(), Payload { msg, aad }).expect("AES-GCM refuses only more than 64 GiB")
}

fn decrypt(key: &[u8; 32], nonce: [u8; 12], aad: &[u8], msg: &[u8]) -> Option<Vec<u8>> {
    Aes256Gcm::new(&(*key).into()).decrypt(&nonce.into(), Payload { msg, aad }).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrapped_key_opens_with_the_key_that_wrapped_it_and_no_other() {
        let old = AtRest::new([1; 32], Vec::new());
        let key = old.data_key(b"a file");
        let wrapped = old.wrap(&key);
        assert_eq!(wrapped.len(), WRAPPED);
        let rotated = AtRest::new([2; 32], vec![[1; 32]]);
        let (found, current) = rotated.unwrap(&wrapped).unwrap();
        assert_eq!((found.0, current), (key.0, false));
        assert!(rotated.unwrap(&rotated.wrap(&found)).unwrap().1);
        assert!(AtRest::new([2; 32], Vec::new()).unwrap(&wrapped).is_none());
        for at in 0..WRAPPED {
            let mut damaged = wrapped.clone();
            damaged[at] ^= 1;
            assert!(old.unwrap(&damaged).is_none());
        }
        let sealed = key.encrypt(7, b"text");
        assert_eq!(key.decrypt(7, &sealed).unwrap(), b"text");
        assert!(key.decrypt(8, &sealed).is_none(), "parts cannot change places");
        assert_ne!(old.data_key(b"another").0, key.0);
    }
}
