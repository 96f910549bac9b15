//! Cosigning checkpoints that are brought from outside (C2SP tlog-witness): what is asked, and whether it may be answered.

use crate::checkpoint::{Checkpoint, NOTE_BYTES_MAX, NoteSignature, Verifier};
use crate::record::number;
use crate::tree::{Hash, consistent};
use data_encoding::BASE64;

/// Hashes of a consistency proof.
const PROOF_MAX: usize = 63;

/// The body of `POST /add-checkpoint`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddCheckpoint {
    /// The size that the client believes we cosigned last.
    pub old: u64,
    /// From there to the checkpoint.
    pub proof: Vec<Hash>,
    /// Its text as it was signed, with the extension lines it may have.
    pub text: String,
    /// What the text says.
    pub checkpoint: Checkpoint,
    signatures: Vec<NoteSignature>,
}

/// Why a checkpoint is not cosigned; in the order in which a witness looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Not such a body, or the old size is beyond the checkpoint's.
    Malformed,
    /// No signature of a key that is known for this origin.
    Unsigned,
    /// We cosigned another size, or another root of this size.
    Conflict {
        /// The size that we cosigned last.
        size: u64,
    },
    /// The proof does not lead from what we cosigned to the checkpoint.
    Unproven,
}

impl AddCheckpoint {
    /// Reads a body; `None` if it is malformed.
    #[must_use]
    pub fn read(body: &[u8]) -> Option<Self> {
        let body = std::str::from_utf8(body).ok().filter(|body| body.len() <= NOTE_BYTES_MAX)?;
        let (head, note) = body.split_once("\n\n")?;
        let mut lines = head.split('\n');
        let old = number(lines.next()?.strip_prefix("old ")?)?;
        let proof: Vec<Hash> = lines.map(Hash::from_base64).collect::<Option<_>>()?;
        let (text, signatures) = note.split_at_checked(note.rfind("\n\n")? + 1)?;
        // A client of another make may have extension lines: they are signed along, and mean nothing here.
        let mut parts = text.splitn(4, '\n');
        let (origin, size, root, rest) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let checkpoint = Checkpoint::parse(&format!("{origin}\n{size}\n{root}\n"))?;
        let whole = rest.is_empty() || rest.ends_with('\n') && rest.lines().all(|line| !line.is_empty());
        let signatures = signatures.strip_prefix('\n')?.strip_suffix('\n')?.split('\n').map(line).collect::<Option<_>>()?;
        let sound = whole && proof.len() <= PROOF_MAX;
        sound.then(|| Self { old, proof, text: text.to_owned(), checkpoint, signatures })
    }

    /// Whether one of these keys of the log signed it.
    #[must_use]
    pub fn is_signed(&self, log: &[Verifier]) -> bool {
        log.iter().any(|verifier| self.signatures.iter().any(|signature| signature.verifies(verifier, &self.text)))
    }

    /// Whether it continues what was cosigned last, a size and its root, or nothing.
    ///
    /// # Errors
    /// See [`Refusal`].
    pub fn decide(&self, log: &[Verifier], last: Option<(u64, Hash)>) -> Result<(), Refusal> {
        let Checkpoint { size, root, .. } = self.checkpoint;
        if !self.is_signed(log) {
            return Err(Refusal::Unsigned);
        }
        if self.old > size {
            return Err(Refusal::Malformed);
        }
        let (old, old_root) = last.unwrap_or((0, Hash::of(&[])));
        if self.old != old || size == old && root != old_root {
            return Err(Refusal::Conflict { size: old });
        }
        if consistent(old, old_root, size, root, &self.proof) { Ok(()) } else { Err(Refusal::Unproven) }
    }
}

fn line(line: &str) -> Option<NoteSignature> {
    let (name, octets) = line.strip_prefix("\u{2014} ")?.split_once(' ')?;
    Some(NoteSignature { name: name.to_owned(), octets: BASE64.decode(octets.as_bytes()).ok().filter(|octets| octets.len() > 4)? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::SecretKey;
    use crate::tree::{Tree, leaf_hash};

    const ORIGIN: &str = "log.example/other";

    fn tree(leaves: u32) -> Tree {
        let mut tree = Tree::default();
        (0..leaves).for_each(|leaf| tree.push(leaf_hash(&leaf.to_be_bytes())));
        tree
    }

    fn body(key: &SecretKey, old: u64, size: u64, extension: &str) -> String {
        let tree = tree(20);
        let text = Checkpoint { origin: ORIGIN.to_owned(), size, root: tree.root(size).unwrap() }.text() + extension;
        let proof: String = tree.consistency(old.min(size), size).unwrap().iter().map(|hash| hash.to_base64() + "\n").collect();
        let line = NoteSignature::sign(ORIGIN, key, &text).text();
        format!("old {old}\n{proof}\n{text}\n{line}")
    }

    #[test]
    fn a_witness_cosigns_what_continues_and_nothing_else() {
        let key = SecretKey::from_seed([3; 32]);
        let log = [Verifier::log(ORIGIN, key.public())];
        let at = |size: u64| Some((size, tree(20).root(size).unwrap()));
        let decide = |body: &str, last| AddCheckpoint::read(body.as_bytes()).map(|asked| asked.decide(&log, last));
        assert_eq!(decide(&body(&key, 0, 5, ""), None), Some(Ok(())));
        assert_eq!(decide(&body(&key, 0, 5, "an extension\nand another\n"), None), Some(Ok(())));
        assert_eq!(decide(&body(&key, 5, 20, ""), at(5)), Some(Ok(())));
        assert_eq!(decide(&body(&key, 5, 5, ""), at(5)), Some(Ok(())), "the same again");
        assert_eq!(decide(&body(&key, 5, 20, ""), at(7)), Some(Err(Refusal::Conflict { size: 7 })));
        assert_eq!(decide(&body(&key, 5, 20, ""), None), Some(Err(Refusal::Conflict { size: 0 })));
        assert_eq!(decide(&body(&key, 7, 7, ""), Some((7, Hash::of(b"fork")))), Some(Err(Refusal::Conflict { size: 7 })));
        assert_eq!(decide(&body(&key, 5, 20, ""), Some((5, Hash::of(b"fork")))), Some(Err(Refusal::Unproven)));
        assert_eq!(decide(&body(&key, 9, 5, ""), at(9)), Some(Err(Refusal::Malformed)));
        assert_eq!(decide(&body(&SecretKey::from_seed([4; 32]), 0, 5, ""), None), Some(Err(Refusal::Unsigned)));
        let whole = body(&key, 5, 20, "");
        for at_octet in 0..whole.len() {
            let mut damaged = whole.clone().into_bytes();
            damaged[at_octet] ^= 1;
            let answer = AddCheckpoint::read(&damaged).map(|asked| asked.decide(&log, at(5)));
            assert_ne!(answer, Some(Ok(())), "{at_octet}");
        }
        for wrong in ["", "old 5\n", "old 05\n\nx\n1\n", &whole.replace("old 5", "old -5"), &whole.replace("\n\n", "\n")] {
            assert_eq!(AddCheckpoint::read(wrong.as_bytes()), None, "{wrong}");
        }
    }
}
