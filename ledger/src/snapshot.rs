//! Snapshots: what the leaves so far lead to, so that a restart need not apply them again.

use crate::at_rest::{AtRest, WRAPPED};
use crate::medium::{Medium, StoreError};
use crate::tree::Hash;

const MAGIC: &[u8; 12] = b"WAYBILL2snap";
const PREFIX: &str = "snap_";
/// Of the state in it.
pub(crate) const STATE_OCTETS_MAX: u64 = 4 << 30;

/// What a node needs of everything before a place in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// The last log entry that is applied whole.
    pub raft_index: u64,
    /// Its term.
    pub raft_term: u64,
    /// Raft's members, as its `ConfState` is encoded.
    pub members: Vec<u8>,
    /// The records of the next entry that are leaves already.
    pub skip: u32,
    /// Leaves.
    pub size: u64,
    /// The tree's root over them.
    pub root: Hash,
    /// The state before the state-root leaf, which is the last of them.
    pub state: Vec<u8>,
}

/// The file of a snapshot after `size` leaves.
pub(crate) fn name(size: u64) -> String {
    format!("{PREFIX}{size:012}")
}

/// The size in a snapshot's name.
pub(crate) fn size_of(name: &str) -> Option<u64> {
    name.strip_prefix(PREFIX)?.parse().ok()
}

impl Snapshot {
    /// The octets of its file.
    ///
    /// # Errors
    /// The compressor has no memory.
    pub(crate) fn encode(&self, ledger: &Hash, at_rest: Option<&AtRest>) -> Result<Vec<u8>, StoreError> {
        let plain = self.plain();
        let failed = |error| StoreError::Io { what: "compress", path: "a snapshot".into(), error };
        let packed = zstd::bulk::compress(&plain, 1).map_err(failed)?;
        let mut octets = [MAGIC.as_slice(), &ledger.0, &(plain.len() as u64).to_be_bytes()].concat();
        if let Some(at_rest) = at_rest {
            let key = at_rest.data_key(&[octets.as_slice(), &Hash::of(&plain).0].concat());
            octets.push(1);
            octets.extend_from_slice(&at_rest.wrap(&key));
            octets.extend_from_slice(&key.encrypt(self.size, &packed));
        } else {
            octets.push(0);
            octets.extend_from_slice(&packed);
        }
        let digest = Hash::of(&octets);
        octets.extend_from_slice(&digest.0);
        Ok(octets)
    }

    /// Reads a snapshot's file.
    ///
    /// # Errors
    /// It is damaged, of another ledger, or encrypted by a key that is not configured; or the medium failed.
    pub(crate) fn read<M: Medium>(medium: &M, name: &str, ledger: &Hash, at_rest: Option<&AtRest>) -> Result<Self, StoreError> {
        let octets = medium.read_all(name)?;
        let corrupt = |what: &str| StoreError::corrupt(medium.path(name), 0, what);
        let whole = octets.split_last_chunk::<32>().filter(|(octets, digest)| Hash::of(octets).0 == **digest);
        let (octets, _) = whole.ok_or_else(|| corrupt("the snapshot does not match its hash"))?;
        let rest = octets.strip_prefix(MAGIC).and_then(|rest| rest.strip_prefix(&ledger.0));
        let rest = rest.ok_or_else(|| corrupt("no snapshot of this ledger, or of another version"))?;
        let (length, rest) = rest.split_first_chunk::<8>().ok_or_else(|| corrupt("too short"))?;
        let length = Some(u64::from_be_bytes(*length)).filter(|length| *length <= STATE_OCTETS_MAX);
        let length = length.and_then(|length| usize::try_from(length).ok()).ok_or_else(|| corrupt("too long"))?;
        let packed = match (rest.split_first(), at_rest) {
            (Some((0, packed)), _) => packed.to_vec(),
            (Some((1, _)), None) => return Err(StoreError::Diverged(format!("{name} is encrypted, and no key at rest is configured"))),
            (Some((1, rest)), Some(at_rest)) => {
                let missing = || StoreError::Diverged(format!("none of the configured keys at rest opens {name}"));
                let (wrapped, sealed) = rest.split_at_checked(WRAPPED).ok_or_else(|| corrupt("too short"))?;
                let (key, _) = at_rest.unwrap(wrapped).ok_or_else(missing)?;
                size_of(name).and_then(|size| key.decrypt(size, sealed)).ok_or_else(|| corrupt("it cannot be decrypted"))?
            }
            _ => return Err(corrupt("neither plain nor encrypted")),
        };
        let plain = zstd::bulk::decompress(&packed, length).map_err(|_broken| corrupt("it cannot be decompressed"))?;
        let snapshot = Self::parse(&plain).filter(|snapshot| size_of(name) == Some(snapshot.size));
        snapshot.ok_or_else(|| corrupt("its parts do not fit"))
    }

    /// Its octets, as they are before compression.
    pub(crate) fn plain(&self) -> Vec<u8> {
        let mut plain = Vec::new();
        for number in [self.raft_index, self.raft_term, self.size, u64::from(self.skip), self.members.len() as u64] {
            plain.extend_from_slice(&number.to_be_bytes());
        }
        plain.extend_from_slice(&self.root.0);
        plain.extend_from_slice(&self.members);
        plain.extend_from_slice(&self.state);
        plain
    }

    pub(crate) fn parse(plain: &[u8]) -> Option<Self> {
        let (numbers, rest) = plain.split_first_chunk::<40>()?;
        let mut numbers = numbers.as_chunks::<8>().0.iter().map(|number| u64::from_be_bytes(*number));
        let mut next = || numbers.next().unwrap_or(0);
        let (raft_index, raft_term, size, skip, members) = (next(), next(), next(), next(), next());
        let (root, rest) = rest.split_first_chunk::<32>()?;
        let (members, state) = rest.split_at_checked(usize::try_from(members).ok()?)?;
        let (skip, root) = (u32::try_from(skip).ok()?, Hash(*root));
        Some(Self { raft_index, raft_term, members: members.to_vec(), skip, size, root, state: state.to_vec() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::medium::Scratch;

    #[test]
    fn a_snapshot_is_read_back_whole_or_not_at_all() {
        let root = Hash::of(b"root");
        let snapshot = Snapshot { raft_index: 7, raft_term: 2, members: vec![1, 2, 3], skip: 5, size: 4096, root, state: vec![9; 1000] };
        let (medium, ledger) = (Scratch::default(), Hash::of(b"g"));
        let key = AtRest::new([1; 32], Vec::new());
        for at_rest in [None, Some(&key)] {
            let octets = snapshot.encode(&ledger, at_rest).unwrap();
            assert!(octets.len() < 400, "it is compressed");
            medium.put(&name(4096), octets.clone());
            assert_eq!(Snapshot::read(&medium, &name(4096), &ledger, at_rest).unwrap(), snapshot);
            assert!(Snapshot::read(&medium, &name(4096), &Hash::of(b"other"), at_rest).is_err());
            for at in 0..octets.len() {
                let mut damaged = octets.clone();
                damaged[at] ^= 4;
                medium.put(&name(4096), damaged);
                assert!(matches!(Snapshot::read(&medium, &name(4096), &ledger, at_rest), Err(StoreError::Corrupt { .. })), "{at}");
            }
            medium.put(&name(8192), octets);
            assert!(Snapshot::read(&medium, &name(8192), &ledger, at_rest).is_err(), "one under another's name");
        }
        assert!(matches!(Snapshot::read(&medium, &name(8192), &ledger, None), Err(StoreError::Diverged(_))));
    }
}
