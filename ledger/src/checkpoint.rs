//! Checkpoints (C2SP tlog-checkpoint) as signed notes, with the log's signature and the nodes' cosignatures.

mod policy;

pub use policy::{Policy, Signers};

use crate::keys::{PublicKey, SecretKey};
use crate::record::number;
use crate::tree::Hash;
use data_encoding::BASE64;
use sha2::{Digest, Sha256};
use std::fmt;

/// Octets of a note, signatures included.
pub const NOTE_BYTES_MAX: usize = 64 << 10;

/// A tree head: which ledger, how many leaves, which root.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Checkpoint {
    /// The ledger's id.
    pub origin: String,
    /// Leaves.
    pub size: u64,
    /// Their root.
    pub root: Hash,
}

impl Checkpoint {
    /// The note text that is signed.
    #[must_use]
    pub fn text(&self) -> String {
        format!("{}\n{}\n{}\n", self.origin, self.size, self.root.to_base64())
    }

    /// Reads a note text without extension lines.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut lines = text.strip_suffix('\n')?.split('\n');
        let (origin, size, root) = (lines.next()?, lines.next()?, lines.next()?);
        let checkpoint = Self { origin: origin.to_owned(), size: number(size)?, root: Hash::from_base64(root)? };
        (lines.next().is_none() && !origin.is_empty()).then_some(checkpoint)
    }
}

/// What a line of a note says, by the algorithm octet of its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Line {
    /// The log's signature over the checkpoint (C2SP signed-note, 0x01).
    Log,
    /// A cosignature/v1: a node has the log up to here on its disk and has verified it (C2SP tlog-cosignature, 0x04).
    Cosignature,
}

impl Line {
    fn octet(self) -> u8 {
        match self {
            Self::Log => 1,
            Self::Cosignature => 4,
        }
    }
}

/// A note verifier: a key name, what it signs, and a key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Verifier {
    /// The key name: the origin for the log, `transport.city.example/main/1` for a node.
    pub name: String,
    /// What its lines say.
    pub line: Line,
    /// The key.
    pub key: PublicKey,
}

impl Verifier {
    /// A node's key as one of the log's.
    #[must_use]
    pub fn log(origin: &str, key: PublicKey) -> Self {
        Self { name: origin.to_owned(), line: Line::Log, key }
    }

    /// A member's node as cosigner.
    #[must_use]
    pub fn cosigner(member: &str, origin: &str, key: PublicKey) -> Self {
        Self { name: format!("{member}.{origin}"), line: Line::Cosignature, key }
    }

    /// The key id: the first four octets of SHA-256(name ‖ LF ‖ algorithm ‖ key).
    #[must_use]
    pub fn id(&self) -> [u8; 4] {
        let mut hash = Sha256::new();
        hash.update(self.name.as_bytes());
        hash.update([b'\n', self.line.octet()]);
        hash.update(self.key.0);
        let digest: [u8; 32] = hash.finalize().into();
        let [a, b, c, d, ..] = digest;
        [a, b, c, d]
    }

    /// The `vkey`: name, key id in hexadecimal and base64 of algorithm ‖ key, joined by plus signs.
    #[must_use]
    pub fn vkey(&self) -> String {
        let key = BASE64.encode(&[[self.line.octet()].as_slice(), &self.key.0].concat());
        format!("{}+{:08x}+{key}", self.name, u32::from_be_bytes(self.id()))
    }

    /// Reads a `vkey`.
    #[must_use]
    pub fn parse(vkey: &str) -> Option<Self> {
        let mut parts = vkey.splitn(3, '+');
        let (name, _, key) = (parts.next()?, parts.next()?, parts.next()?);
        let octets = BASE64.decode(key.as_bytes()).ok()?;
        let (octet, key) = octets.split_first()?;
        let line = [Line::Log, Line::Cosignature].into_iter().find(|line| line.octet() == *octet)?;
        let verifier = Self { name: name.to_owned(), line, key: PublicKey(key.try_into().ok()?) };
        (is_name(name) && verifier.vkey() == vkey).then_some(verifier)
    }
}

/// What a cosigner signs: the time in seconds since 1970 and the checkpoint.
fn cosigned(seconds: u64, text: &str) -> String {
    format!("cosignature/v1\ntime {seconds}\n{text}")
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && !name.contains('+') && !name.contains(char::is_whitespace)
}

/// One signature line of a note.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct NoteSignature {
    /// The key name.
    pub name: String,
    /// The key id and the signature.
    pub octets: Vec<u8>,
}

impl NoteSignature {
    /// Signs a note text as the log.
    #[must_use]
    pub fn sign(origin: &str, key: &SecretKey, text: &str) -> Self {
        let verifier = Verifier::log(origin, key.public());
        Self { octets: [verifier.id().as_slice(), &key.sign(text.as_bytes())].concat(), name: verifier.name }
    }

    /// Cosigns a checkpoint's text as a member's node, at a time in seconds since 1970.
    #[must_use]
    pub fn cosign(verifier: &Verifier, key: &SecretKey, seconds: u64, text: &str) -> Self {
        Self::put(verifier, &Cosignature::sign(key, seconds, text))
    }

    /// A cosignature made elsewhere.
    #[must_use]
    pub fn put(verifier: &Verifier, cosignature: &Cosignature) -> Self {
        let octets = [verifier.id().as_slice(), &cosignature.seconds.to_be_bytes(), &cosignature.value].concat();
        Self { name: verifier.name.clone(), octets }
    }

    /// The line, with its end.
    #[must_use]
    pub fn text(&self) -> String {
        format!("\u{2014} {} {}\n", self.name, BASE64.encode(&self.octets))
    }

    /// Whether this line claims to be of that key.
    fn is_of(&self, verifier: &Verifier) -> bool {
        self.name == verifier.name && self.octets.starts_with(&verifier.id())
    }

    pub(crate) fn verifies(&self, verifier: &Verifier, text: &str) -> bool {
        let Some(octets) = self.octets.strip_prefix(&verifier.id()).filter(|_| self.name == verifier.name) else { return false };
        match verifier.line {
            Line::Log => octets.try_into().is_ok_and(|signature| verifier.key.verifies(text.as_bytes(), signature)),
            Line::Cosignature => Cosignature::read(octets).is_some_and(|cosignature| cosignature.verifies(&verifier.key, text)),
        }
    }
}

/// A node's signature over a checkpoint and the time when it made it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cosignature {
    /// Seconds since 1970 by the node's clock.
    pub seconds: u64,
    /// Raw Ed25519.
    pub value: [u8; 64],
}

impl Cosignature {
    /// Cosigns the text of a checkpoint.
    #[must_use]
    pub fn sign(key: &SecretKey, seconds: u64, text: &str) -> Self {
        Self { seconds, value: key.sign(cosigned(seconds, text).as_bytes()) }
    }

    /// Reads eight octets of time and 64 of signature.
    #[must_use]
    pub fn read(octets: &[u8]) -> Option<Self> {
        let (seconds, value) = octets.split_first_chunk::<8>()?;
        Some(Self { seconds: u64::from_be_bytes(*seconds), value: value.try_into().ok()? })
    }

    /// Whether it stands over the text of a checkpoint. One without a time says nothing of freshness and is refused.
    #[must_use]
    pub fn verifies(&self, key: &PublicKey, text: &str) -> bool {
        self.seconds > 0 && key.verifies(cosigned(self.seconds, text).as_bytes(), &self.value)
    }
}

/// A checkpoint with signatures: a C2SP signed note.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// What is signed.
    pub checkpoint: Checkpoint,
    /// The log's first, then the cosignatures by name, when this crate wrote them.
    pub signatures: Vec<NoteSignature>,
}

/// Why a note or a policy is not believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Distrust {
    /// Not a signed note with a checkpoint.
    Malformed,
    /// Of another ledger.
    Origin,
    /// No signature of the log under a key in the policy.
    Log,
    /// A signature of a key in the policy does not verify.
    Signature(String),
    /// Fewer cosignatures than the quorum.
    Quorum {
        /// Members of the quorum's group that are met.
        found: usize,
        /// How many the policy wants.
        wanted: usize,
    },
}

impl fmt::Display for Distrust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed => f.write_str("not a signed checkpoint"),
            Self::Origin => f.write_str("a checkpoint of another ledger"),
            Self::Log => f.write_str("no signature of the log"),
            Self::Signature(name) => write!(f, "the signature of {name} does not verify"),
            Self::Quorum { found, wanted } => write!(f, "{found} of {wanted} cosignatures"),
        }
    }
}

impl std::error::Error for Distrust {}

impl Note {
    /// The note's text: checkpoint, empty line, one line for each signature.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = self.checkpoint.text();
        text.push('\n');
        self.signatures.iter().for_each(|signature| text.push_str(&signature.text()));
        text
    }

    /// Reads a note, and accepts only what [`Note::text`] writes.
    ///
    /// # Errors
    /// [`Distrust::Malformed`].
    pub fn parse(text: &str) -> Result<Self, Distrust> {
        let note = Self::split(text).ok_or(Distrust::Malformed)?;
        if text.len() <= NOTE_BYTES_MAX && note.text() == text { Ok(note) } else { Err(Distrust::Malformed) }
    }

    fn split(text: &str) -> Option<Self> {
        let at = text.rfind("\n\n")?;
        let (signed, lines) = text.split_at_checked(at + 1)?;
        let signature = |line: &str| {
            let (name, octets) = line.strip_prefix("\u{2014} ")?.split_once(' ')?;
            let octets = BASE64.decode(octets.as_bytes()).ok().filter(|octets| octets.len() > 4)?;
            is_name(name).then(|| NoteSignature { name: name.to_owned(), octets })
        };
        let lines = lines.strip_prefix('\n')?.strip_suffix('\n')?.split('\n');
        let signatures: Vec<NoteSignature> = lines.map(signature).collect::<Option<_>>()?;
        Some(Self { checkpoint: Checkpoint::parse(signed)?, signatures })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_id_is_that_of_gos_note_package() {
        // The example of golang.org/x/mod/sumdb/note: PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW
        let vkey = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
        let verifier = Verifier::parse(vkey).unwrap();
        assert_eq!(verifier.vkey(), vkey);
        let text = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n";
        let line = BASE64.decode(b"x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=").unwrap();
        assert!(NoteSignature { name: "PeterNeumann".to_owned(), octets: line }.verifies(&verifier, text));
    }

    #[test]
    fn a_cosignature_is_that_of_c2sp() {
        // The checkpoint of c2sp.org/tlog-cosignature, cosigned by Python's cryptography with the seed 07…07.
        let key = SecretKey::from_seed([7; 32]);
        let vkey = "witness.example.com/w1+8122a5ab+BOpKbGPinFIKvvVQexMuxfmVR3auvr57kkIe6mkURtIs";
        let verifier = Verifier::parse(vkey).unwrap();
        assert_eq!((verifier.key, verifier.vkey().as_str()), (key.public(), vkey));
        let text = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n";
        let line = NoteSignature::cosign(&verifier, &key, 1_679_315_147, text);
        assert_eq!(
            BASE64.encode(&line.octets),
            "gSKlqwAAAABkGFDLWr4Jea05CAgwNVtwky0Jgz6WfX0QJgM//FkB/W9BoT9TX0DkTxG+2cT4p/ViKNhUM/SnUwFcYQzugGFQ15LwDw=="
        );
        assert!(line.verifies(&verifier, text));
        let checkpoint = Checkpoint::parse(text).unwrap();
        let note = Note { checkpoint, signatures: vec![line] };
        assert_eq!(Note::parse(&note.text()), Ok(note));
    }
}
