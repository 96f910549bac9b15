//! Checkpoints (C2SP tlog-checkpoint) as signed notes, and the policy that says whose signatures make one worth trusting.

use crate::body::Genesis;
use crate::keys::{PublicKey, SecretKey};
use crate::record::number;
use crate::tree::Hash;
use data_encoding::BASE64;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// The algorithm octet of a plain Ed25519 note signature (C2SP signed-note).
const ED25519: u8 = 1;
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

/// A note verifier: a key name and a key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Verifier {
    /// The key name, as `transport.city.example/main/1`.
    pub name: String,
    /// The key.
    pub key: PublicKey,
}

impl Verifier {
    /// The verifier of a member's node.
    #[must_use]
    pub fn of_member(member: &str, origin: &str, key: PublicKey) -> Self {
        Self { name: format!("{member}.{origin}"), key }
    }

    /// The key id: the first four octets of SHA-256(name ‖ LF ‖ 0x01 ‖ key).
    #[must_use]
    pub fn id(&self) -> [u8; 4] {
        let mut hash = Sha256::new();
        hash.update(self.name.as_bytes());
        hash.update([b'\n', ED25519]);
        hash.update(self.key.0);
        let digest: [u8; 32] = hash.finalize().into();
        let [a, b, c, d, ..] = digest;
        [a, b, c, d]
    }

    /// The `vkey`: name, key id in hexadecimal and base64 of 0x01 ‖ key, joined by plus signs; what Go's note package reads.
    #[must_use]
    pub fn vkey(&self) -> String {
        let key = BASE64.encode(&[[ED25519].as_slice(), &self.key.0].concat());
        format!("{}+{:08x}+{key}", self.name, u32::from_be_bytes(self.id()))
    }

    /// Reads a `vkey`.
    #[must_use]
    pub fn parse(vkey: &str) -> Option<Self> {
        let mut parts = vkey.splitn(3, '+');
        let (name, _, key) = (parts.next()?, parts.next()?, parts.next()?);
        let octets = BASE64.decode(key.as_bytes()).ok()?;
        let key = PublicKey(octets.strip_prefix(&[ED25519])?.try_into().ok()?);
        let verifier = Self { name: name.to_owned(), key };
        (is_name(name) && verifier.vkey() == vkey).then_some(verifier)
    }
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
    /// Signs a note text.
    #[must_use]
    pub fn sign(name: &str, key: &SecretKey, text: &str) -> Self {
        Self::put(&Verifier { name: name.to_owned(), key: key.public() }, &key.sign(text.as_bytes()))
    }

    /// A signature made elsewhere.
    #[must_use]
    pub fn put(verifier: &Verifier, signature: &[u8; 64]) -> Self {
        Self { name: verifier.name.clone(), octets: [verifier.id().as_slice(), signature].concat() }
    }

    fn verifies(&self, verifier: &Verifier, text: &str) -> bool {
        let signature = self.octets.strip_prefix(&verifier.id()).and_then(|octets| octets.try_into().ok());
        self.name == verifier.name && signature.is_some_and(|signature| verifier.key.verifies(text.as_bytes(), signature))
    }
}

/// A checkpoint with signatures: a C2SP signed note.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// What is signed.
    pub checkpoint: Checkpoint,
    /// Sorted by name when this crate wrote them.
    pub signatures: Vec<NoteSignature>,
}

/// Why a note or a policy is not believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Distrust {
    /// Not a signed note with a checkpoint.
    Malformed,
    /// Of another ledger.
    Origin,
    /// A signature of a key in the policy does not verify.
    Signature(String),
    /// Fewer signatures than the quorum.
    Quorum {
        /// Valid signatures of keys in the policy.
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
            Self::Signature(name) => write!(f, "the signature of {name} does not verify"),
            Self::Quorum { found, wanted } => write!(f, "{found} of {wanted} signatures"),
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
        for signature in &self.signatures {
            text.push_str(&format!("\u{2014} {} {}\n", signature.name, BASE64.encode(&signature.octets)));
        }
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

/// Whose signatures make a checkpoint worth trusting: the auditor's trust root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// The ledger's id.
    pub origin: String,
    /// The nodes' verifiers by member.
    pub witnesses: BTreeMap<String, Verifier>,
    /// How many of them must have signed.
    pub quorum: usize,
}

impl Policy {
    /// The policy of a genesis: any `Quorum` of its members' nodes.
    #[must_use]
    pub fn of_genesis(origin: &str, genesis: &Genesis) -> Self {
        let witness = |member: &crate::body::Member| (member.id.clone(), Verifier::of_member(&member.id, origin, member.node_key));
        Self {
            origin: origin.to_owned(),
            witnesses: genesis.members.iter().map(witness).collect(),
            quorum: usize::try_from(genesis.quorum).unwrap_or(usize::MAX),
        }
    }

    /// The members whose signatures over a checkpoint of this origin verify, each once.
    ///
    /// # Errors
    /// Malformed, another origin, a wrong signature under a key of the policy, or fewer than the quorum.
    pub fn verify(&self, text: &str) -> Result<Checkpoint, Distrust> {
        let note = Note::parse(text)?;
        if note.checkpoint.origin != self.origin {
            return Err(Distrust::Origin);
        }
        let signed = note.checkpoint.text();
        let mut found = BTreeSet::new();
        for signature in &note.signatures {
            let known = |verifier: &&Verifier| verifier.name == signature.name && signature.octets.starts_with(&verifier.id());
            let Some(verifier) = self.witnesses.values().find(known) else { continue };
            if !signature.verifies(verifier, &signed) {
                return Err(Distrust::Signature(signature.name.clone()));
            }
            found.insert(verifier.key);
        }
        if found.len() < self.quorum.max(1) {
            return Err(Distrust::Quorum { found: found.len(), wanted: self.quorum.max(1) });
        }
        Ok(note.checkpoint)
    }

    /// The policy as a file, in the shape of C2SP tlog-policy; `ledger/FORMAT.md` has the one difference.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = format!("origin {}\n", self.origin);
        for (member, verifier) in &self.witnesses {
            text.push_str(&format!("witness {member} {}\n", verifier.vkey()));
        }
        let members: Vec<&str> = self.witnesses.keys().map(String::as_str).collect();
        text.push_str(&format!("group nodes {} {}\nquorum nodes\n", self.quorum, members.join(" ")));
        text
    }

    /// Reads a policy file: one `origin`, one `witness` line a node, one `group` over them (a number, `any` or `all`), one
    /// `quorum` that names the group. Empty lines and lines that start with `#` are skipped.
    ///
    /// # Errors
    /// The number of the line that is wrong, from 1; 0 when a line is missing.
    pub fn parse(text: &str) -> Result<Self, usize> {
        let (mut origin, mut group, mut quorum) = (None, None, None);
        let mut witnesses = BTreeMap::new();
        for (at, line) in (1..).zip(text.lines()) {
            let words: Vec<&str> = line.split_ascii_whitespace().collect();
            match words.as_slice() {
                [] => {}
                [first, ..] if first.starts_with('#') => {}
                ["origin", name] if origin.is_none() => origin = Some((*name).to_owned()),
                ["witness", name, vkey] | ["witness", name, vkey, _] => {
                    let verifier = Verifier::parse(vkey).ok_or(at)?;
                    let fresh = !witnesses.values().any(|other: &Verifier| other.key == verifier.key);
                    if !fresh || witnesses.insert((*name).to_owned(), verifier).is_some() {
                        return Err(at);
                    }
                }
                ["group", name, count, members @ ..] if group.is_none() => {
                    let distinct: BTreeSet<&str> = members.iter().copied().collect();
                    let known = distinct.len() == members.len() && members.iter().all(|member| witnesses.contains_key(*member));
                    let count = match *count {
                        "any" => Some(1),
                        "all" => Some(members.len()),
                        count => number(count).and_then(|count| usize::try_from(count).ok()),
                    };
                    let count = count.filter(|count| known && (1..=members.len()).contains(count)).ok_or(at)?;
                    group = Some(((*name).to_owned(), count, members.iter().map(|member| (*member).to_owned()).collect::<BTreeSet<_>>()));
                }
                ["quorum", name] if quorum.is_none() => quorum = Some((*name).to_owned()),
                _ => return Err(at),
            }
        }
        let (origin, (name, quorum_count, members)) = origin.zip(group).ok_or(0_usize)?;
        if quorum.as_deref() != Some(name.as_str()) {
            return Err(0);
        }
        witnesses.retain(|member, _| members.contains(member));
        Ok(Self { origin, witnesses, quorum: quorum_count })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(quorum: usize) -> (Policy, Vec<SecretKey>) {
        let keys: Vec<SecretKey> = (1_u8..4).map(|n| SecretKey::from_seed([n; 32])).collect();
        let origin = "city.example/main/1";
        let witnesses = ["a", "b", "c"].iter().zip(&keys);
        let witnesses = witnesses.map(|(name, key)| ((*name).to_owned(), Verifier::of_member(name, origin, key.public()))).collect();
        (Policy { origin: origin.to_owned(), witnesses, quorum }, keys)
    }

    fn note(origin: &str, signers: &[(&str, &SecretKey)]) -> String {
        let checkpoint = Checkpoint { origin: origin.to_owned(), size: 7, root: Hash::of(b"root") };
        let text = checkpoint.text();
        let signatures = signers.iter().map(|(name, key)| NoteSignature::sign(name, key, &text)).collect();
        Note { checkpoint, signatures }.text()
    }

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
    fn a_checkpoint_is_believed_by_policy_only() {
        let (policy, keys) = policy(2);
        let (a, b) = ("a.city.example/main/1", "b.city.example/main/1");
        let good = note("city.example/main/1", &[(a, &keys[0]), (b, &keys[1])]);
        assert_eq!(policy.verify(&good).unwrap().size, 7);
        let quorum = |found| Err(Distrust::Quorum { found, wanted: 2 });
        assert_eq!(policy.verify(&note("city.example/main/1", &[(a, &keys[0])])), quorum(1));
        assert_eq!(policy.verify(&note("city.example/main/1", &[(a, &keys[0]), (a, &keys[0])])), quorum(1));
        assert_eq!(policy.verify(&note("city.example/main/1", &[(a, &keys[1]), (b, &keys[0])])), quorum(0));
        assert_eq!(policy.verify(&note("city.example/main/2", &[(a, &keys[0]), (b, &keys[1])])), Err(Distrust::Origin));
        for (at, octet) in good.bytes().enumerate() {
            let mut damaged = good.clone().into_bytes();
            damaged[at] = octet ^ 1;
            let refused = String::from_utf8(damaged).map_or(true, |text| policy.verify(&text).is_err());
            assert!(refused, "octet {at}");
        }
    }

    #[test]
    fn a_policy_file_reads_as_it_was_written() {
        let (policy, _) = policy(2);
        let text = policy.text();
        assert_eq!(Policy::parse(&text), Ok(policy));
        for (from, to, line) in [
            ("origin", "orogin", 1),
            ("quorum nodes", "quorum none", 0),
            ("group nodes 2", "group nodes 4", 5),
            ("group nodes 2 a", "group nodes 2 d", 5),
            ("group nodes 2 a b", "group nodes 2 a a", 5),
            ("quorum nodes\n", "", 0),
            ("witness b", "witness a", 3),
            ("+", "-", 2),
        ] {
            assert_eq!(Policy::parse(&text.replacen(from, to, 1)), Err(line), "{from}");
        }
        assert!(Policy::parse(&text.replace("group nodes 2", "# a comment\n\ngroup nodes all")).is_ok_and(|policy| policy.quorum == 3));
    }
}
