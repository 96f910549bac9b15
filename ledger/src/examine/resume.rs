//! Where an examination stands, as octets: what a run that was killed goes on from.

use super::Findings;
use crate::archive::Damage;
use crate::tree::Hash;

const MAGIC: &[u8] = b"waybill verify 1\n";

/// An examination up to a leaf.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Halfway {
    pub(super) level: u8,
    /// How deep it still can go: a leaf that cannot be read ends what can be replayed.
    pub(super) now: u8,
    /// The leaf that comes next.
    pub(super) next: u64,
    /// The root over those before it: the same directory has it again.
    pub(super) root: Hash,
    /// The encoding of the ledger's state before the next leaf, as the level needs it.
    pub(super) state: Vec<u8>,
    pub(super) found: Findings,
}

impl Halfway {
    /// Magic ‖ fingerprint(32) ‖ level(1) ‖ level still possible(1) ‖ next(8) ‖ root(32) ‖ checkpoints(8) ‖ signatures(8) ‖ damage ‖ unseen ‖ state, each of the
    /// three after its length(8), a damage as file, what, offset(8) ‖ SHA-256 of all that.
    pub(super) fn octets(&self, ledger: &Hash) -> Vec<u8> {
        let mut octets = [MAGIC, &ledger.0, &[self.level, self.now], &self.next.to_be_bytes(), &self.root.0].concat();
        let mut part = |part: &[u8]| octets.extend([(part.len() as u64).to_be_bytes().as_slice(), part].concat());
        [self.found.checkpoints, self.found.signatures].iter().for_each(|number| part(&number.to_be_bytes()));
        part(&(self.found.damage.len() as u64).to_be_bytes());
        for damage in &self.found.damage {
            part(damage.file.as_bytes());
            part(damage.what.as_bytes());
            part(&damage.offset.to_be_bytes());
            part(damage.bundle.map(u64::to_be_bytes).as_ref().map_or(&[], <[u8; 8]>::as_slice));
        }
        part(&(self.found.unseen.len() as u64).to_be_bytes());
        self.found.unseen.iter().for_each(|unseen| part(unseen.as_bytes()));
        part(&self.state);
        let digest = Hash::of(&octets);
        [octets.as_slice(), &digest.0].concat()
    }

    /// Reads [`Halfway::octets`] of the same ledger and level; otherwise says what is wrong.
    pub(super) fn read(octets: &[u8], ledger: &Hash, level: u8) -> Result<Self, String> {
        let whole = octets.split_last_chunk::<32>().filter(|(octets, digest)| Hash::of(octets).0 == **digest);
        let rest = whole.and_then(|(octets, _)| octets.strip_prefix(MAGIC));
        let rest = rest.ok_or("damaged, or not what an examination leaves; begin again without it")?;
        let rest = rest.strip_prefix(&ledger.0).ok_or("of another ledger; begin again without it")?;
        let halfway = Self::parts(rest).ok_or("of another version; begin again without it")?;
        if halfway.level == level {
            Ok(halfway)
        } else {
            Err(format!("of an examination at level {}; go on at that level, or begin again without it", halfway.level))
        }
    }

    fn parts(octets: &[u8]) -> Option<Self> {
        let ([level, now], rest) = octets.split_first_chunk::<2>()?;
        let (next, rest) = rest.split_first_chunk::<8>()?;
        let (root, mut rest) = rest.split_first_chunk::<32>()?;
        let mut part = || {
            let (length, after) = rest.split_first_chunk::<8>()?;
            let (part, after) = after.split_at_checked(usize::try_from(u64::from_be_bytes(*length)).ok()?)?;
            rest = after;
            Some(part.to_vec())
        };
        let number = |octets: Vec<u8>| octets.try_into().ok().map(u64::from_be_bytes);
        let mut found = Findings { checkpoints: number(part()?)?, signatures: number(part()?)?, ..Findings::default() };
        for _ in 0..number(part()?)? {
            let (file, what) = (String::from_utf8(part()?).ok()?, String::from_utf8(part()?).ok()?);
            let (offset, bundle) = (number(part()?)?, part()?);
            let bundle = if bundle.is_empty() { None } else { Some(number(bundle)?) };
            found.damage.push(Damage { file, offset, bundle, what });
        }
        for _ in 0..number(part()?)? {
            found.unseen.push(String::from_utf8(part()?).ok()?);
        }
        let state = part()?;
        rest.is_empty().then_some(Self { level: *level, now: *now, next: u64::from_be_bytes(*next), root: Hash(*root), state, found })
    }
}
