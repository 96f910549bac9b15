//! Receipts: c2sp.org/tlog-proof@v1 files, made from a tree and verified offline against a policy.

use crate::checkpoint::{Checkpoint, Distrust, Policy};
use crate::record::number;
use crate::tree::{Hash, Tree, leaf_hash, root_of_inclusion};
use std::fmt;

const MAGIC: &str = "c2sp.org/tlog-proof@v1";
/// Hashes of an inclusion proof: the height of the tallest tree.
const PATH_MAX: usize = 63;

/// The proof that a leaf stands in the tree of a checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The leaf.
    pub index: u64,
    /// From its sibling up (RFC 6962 §2.1.1).
    pub path: Vec<Hash>,
    /// The checkpoint as a signed note.
    pub checkpoint: String,
}

/// Why a receipt does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unproven {
    /// Not a proof file as this crate writes it.
    Malformed,
    /// The checkpoint is not believed.
    Checkpoint(Distrust),
    /// The leaf is not at this place of the checkpoint's tree.
    NotIncluded,
}

impl fmt::Display for Unproven {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed => f.write_str("not a proof"),
            Self::Checkpoint(distrust) => write!(f, "checkpoint: {distrust}"),
            Self::NotIncluded => f.write_str("the leaf is not in the checkpoint's tree"),
        }
    }
}

impl std::error::Error for Unproven {}

impl Receipt {
    /// The receipt of leaf `index` under a signed checkpoint of this tree; `None` if it does not cover the leaf.
    #[must_use]
    pub fn make(tree: &Tree, index: u64, size: u64, note: &str) -> Option<Self> {
        Some(Self { index, path: tree.inclusion(index, size)?, checkpoint: note.to_owned() })
    }

    /// The file's text.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = format!("{MAGIC}\nindex {}\n", self.index);
        for hash in &self.path {
            text.push_str(&hash.to_base64());
            text.push('\n');
        }
        text.push('\n');
        text.push_str(&self.checkpoint);
        text
    }

    /// Reads a proof file. An `extra` line is refused: ours have none, and it would be bytes that nothing protects.
    ///
    /// # Errors
    /// [`Unproven::Malformed`].
    pub fn parse(text: &str) -> Result<Self, Unproven> {
        let (head, checkpoint) = text.split_once("\n\n").ok_or(Unproven::Malformed)?;
        let receipt = Self::split(head, checkpoint).ok_or(Unproven::Malformed)?;
        if receipt.text() == text { Ok(receipt) } else { Err(Unproven::Malformed) }
    }

    /// Verifies that `leaf` (a leaf's octets) stands at this receipt's index under a checkpoint that `policy` believes.
    ///
    /// # Errors
    /// The checkpoint is not believed or the leaf is not in it.
    pub fn verify(&self, leaf: &[u8], policy: &Policy) -> Result<Checkpoint, Unproven> {
        let checkpoint = policy.verify(&self.checkpoint).map_err(Unproven::Checkpoint)?;
        let root = root_of_inclusion(leaf_hash(leaf), self.index, checkpoint.size, &self.path);
        if root == Some(checkpoint.root) { Ok(checkpoint) } else { Err(Unproven::NotIncluded) }
    }

    fn split(head: &str, checkpoint: &str) -> Option<Self> {
        let mut lines = head.split('\n');
        let magic = lines.next()? == MAGIC;
        let index = number(lines.next()?.strip_prefix("index ")?)?;
        let path: Vec<Hash> = lines.map(Hash::from_base64).collect::<Option<_>>()?;
        (magic && path.len() <= PATH_MAX).then(|| Self { index, path, checkpoint: checkpoint.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::{Note, NoteSignature, Verifier};
    use crate::keys::SecretKey;

    #[test]
    fn a_receipt_proves_its_leaf_and_no_other() {
        let key = SecretKey::from_seed([9; 32]);
        let origin = "city.example/main/1";
        let verifier = Verifier::cosigner("a", origin, key.public());
        let log = Verifier::log(origin, key.public());
        let policy = Policy::parse(&format!("log {}\nwitness a {}\nquorum a\n", log.vkey(), verifier.vkey())).unwrap();
        let mut tree = Tree::default();
        for leaf in 0_u8..11 {
            tree.push(leaf_hash(&[leaf]));
        }
        let checkpoint = Checkpoint { origin: origin.to_owned(), size: 11, root: tree.root(11).unwrap() };
        let text = checkpoint.text();
        let signatures = vec![NoteSignature::sign(origin, &key, &text), NoteSignature::cosign(&verifier, &key, 1, &text)];
        let note = Note { checkpoint: checkpoint.clone(), signatures }.text();
        for index in 0_u8..11 {
            let receipt = Receipt::make(&tree, u64::from(index), 11, &note).unwrap();
            let text = receipt.text();
            assert_eq!(Receipt::parse(&text).as_ref(), Ok(&receipt));
            assert_eq!(receipt.verify(&[index], &policy).as_ref(), Ok(&checkpoint));
            assert_eq!(receipt.verify(&[index + 1], &policy), Err(Unproven::NotIncluded));
            for at in 0..text.len() {
                let mut damaged = text.clone().into_bytes();
                damaged[at] ^= 1;
                let holds = String::from_utf8(damaged).ok().and_then(|text| Receipt::parse(&text).ok());
                assert!(holds.is_none_or(|receipt| receipt.verify(&[index], &policy).is_err()), "{index} {at}");
            }
        }
        assert_eq!(Receipt::make(&tree, 11, 11, &note), None);
    }
}
