//! The entry that is submitted: one body or a batch of them, its signatures, and its one wire form.

use super::{BATCH_BYTES_MAX, BATCH_MAX, ENTRY_BYTES_MAX, PartySignature, SIGNATURES_MAX, Verdict};
use crate::tree::Hash;

const WIRE_SINGLE: u8 = 1;
const WIRE_BATCH: u8 = 2;

/// Where a body stands among those that were signed together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// From 0.
    pub position: u8,
    /// How many there are, at most [`BATCH_MAX`].
    pub size: u16,
    /// The RFC 6962 root over their octets.
    pub root: Hash,
}

impl Place {
    /// What the parties of a batch sign: four lines.
    #[must_use]
    pub fn statement(&self, ledger: &str) -> Vec<u8> {
        format!("urn:waybill:batch:1\n{ledger}\n{}\n{}\n", self.size, self.root.to_base64()).into_bytes()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Single,
    Batch,
    /// One body of a batch, as its leaf holds it.
    Member(Place),
}

/// What is submitted: the octets of one body, or of several that were signed together, and the signatures of the parties,
/// sorted by account, one each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    bodies: Vec<Vec<u8>>,
    signatures: Vec<PartySignature>,
    form: Form,
}

impl Entry {
    /// Puts an entry together, sorting the signatures.
    ///
    /// # Errors
    /// [`Verdict::TooLarge`], or [`Verdict::Malformed`] for two signatures of one account.
    pub fn new(body: Vec<u8>, signatures: Vec<PartySignature>) -> Result<Self, Verdict> {
        Self { bodies: vec![body], signatures, form: Form::Single }.sorted()
    }

    /// Puts a batch together: the signatures are over [`Place::statement`] of any of its bodies.
    ///
    /// # Errors
    /// As [`Entry::new`], and for no body or more than [`BATCH_MAX`].
    pub fn batch(bodies: Vec<Vec<u8>>, signatures: Vec<PartySignature>) -> Result<Self, Verdict> {
        if bodies.is_empty() {
            return Err(Verdict::Malformed("a batch without a body".to_owned()));
        }
        Self { bodies, signatures, form: Form::Batch }.sorted()
    }

    /// The body and signatures of a leaf.
    pub(super) fn of_leaf(body: Vec<u8>, signatures: Vec<PartySignature>, place: Option<Place>) -> Self {
        Self { bodies: vec![body], signatures, form: place.map_or(Form::Single, Form::Member) }
    }

    fn sorted(mut self) -> Result<Self, Verdict> {
        self.signatures.sort();
        if self.signatures.windows(2).any(|pair| matches!(pair, [left, right] if left.account == right.account)) {
            return Err(Verdict::Malformed("two signatures of one account".to_owned()));
        }
        let accounts = self.signatures.iter().all(|signature| u8::try_from(signature.account.len()).is_ok());
        let head: usize = self.signatures.iter().map(|signature| 65 + signature.account.len()).sum();
        let each = self.bodies.iter().all(|body| 2 + head + body.len() <= ENTRY_BYTES_MAX);
        let all: usize = self.bodies.iter().map(|body| 4 + body.len()).sum();
        if !accounts || !each || all + head > BATCH_BYTES_MAX || self.signatures.len() > SIGNATURES_MAX || self.bodies.len() > BATCH_MAX {
            return Err(Verdict::TooLarge);
        }
        Ok(self)
    }

    /// The octets of the body; of a batch, of the first.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        self.bodies.first().map_or(&[], Vec::as_slice)
    }

    /// The octets of all bodies.
    #[must_use]
    pub fn bodies(&self) -> &[Vec<u8>] {
        &self.bodies
    }

    /// The signatures, sorted by account.
    #[must_use]
    pub fn signatures(&self) -> &[PartySignature] {
        &self.signatures
    }

    /// Whether the bodies were submitted as a batch.
    #[must_use]
    pub fn is_batch(&self) -> bool {
        self.form == Form::Batch
    }

    /// The place of a leaf's body in its batch.
    #[must_use]
    pub fn place(&self) -> Option<Place> {
        match self.form {
            Form::Member(place) => Some(place),
            Form::Single | Form::Batch => None,
        }
    }

    /// The one wire form: version, signature count, then per signature the account's length and octets and 64 octets of
    /// signature; then the body to the end, or the bodies of a batch: their number in 16 bits, then each after its length in 32.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let size: usize = self.bodies.iter().map(|body| 4 + body.len()).sum();
        let mut octets = Vec::with_capacity(size + 100 * (self.signatures.len() + 1));
        self.pieces(|piece| octets.extend_from_slice(piece));
        octets
    }

    /// Gives the wire form piece by piece.
    pub(crate) fn pieces(&self, mut put: impl FnMut(&[u8])) {
        put(&[if self.is_batch() { WIRE_BATCH } else { WIRE_SINGLE }]);
        put(&[u8::try_from(self.signatures.len()).unwrap_or(u8::MAX)]);
        for signature in &self.signatures {
            put(&[u8::try_from(signature.account.len()).unwrap_or(u8::MAX)]);
            put(signature.account.as_bytes());
            put(&signature.value);
        }
        if !self.is_batch() {
            return put(self.body());
        }
        put(&u16::try_from(self.bodies.len()).unwrap_or(u16::MAX).to_be_bytes());
        for body in &self.bodies {
            put(&u32::try_from(body.len()).unwrap_or(u32::MAX).to_be_bytes());
            put(body);
        }
    }

    /// Whether these octets are its wire form.
    pub(crate) fn is(&self, octets: &[u8]) -> bool {
        let mut rest = Some(octets);
        self.pieces(|piece| rest = rest.and_then(|rest| rest.strip_prefix(piece)));
        rest.is_some_and(<[u8]>::is_empty)
    }

    /// Reads the wire form, and nothing else than it.
    ///
    /// # Errors
    /// [`Verdict::TooLarge`] or [`Verdict::Malformed`].
    pub fn decode(octets: &[u8]) -> Result<Self, Verdict> {
        let limit = if octets.first() == Some(&WIRE_BATCH) { BATCH_BYTES_MAX } else { ENTRY_BYTES_MAX };
        if octets.len() > limit {
            return Err(Verdict::TooLarge);
        }
        let entry = Self::split(octets).ok_or_else(|| Verdict::Malformed("not the wire form of an entry".to_owned()))?;
        let ordered = entry.signatures.is_sorted();
        let entry = entry.sorted()?;
        if ordered { Ok(entry) } else { Err(Verdict::Malformed("signatures out of order".to_owned())) }
    }

    fn split(octets: &[u8]) -> Option<Self> {
        let (&[version, count], mut rest) = octets.split_first_chunk::<2>()?;
        let mut signatures = Vec::with_capacity(usize::from(count));
        for _ in 0..count {
            let (length, tail) = rest.split_first()?;
            let (account, tail) = tail.split_at_checked(usize::from(*length))?;
            let (value, tail) = tail.split_first_chunk::<64>()?;
            signatures.push(PartySignature { account: std::str::from_utf8(account).ok()?.to_owned(), value: *value });
            rest = tail;
        }
        match version {
            WIRE_SINGLE => Some(Self { bodies: vec![rest.to_vec()], signatures, form: Form::Single }),
            WIRE_BATCH => {
                let (count, mut rest) = rest.split_first_chunk::<2>()?;
                let count = usize::from(u16::from_be_bytes(*count));
                let mut bodies = Vec::with_capacity(count.min(BATCH_MAX));
                for _ in 0..count {
                    let (length, tail) = rest.split_first_chunk::<4>()?;
                    let (body, tail) = tail.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)?;
                    bodies.push(body.to_vec());
                    rest = tail;
                }
                (rest.is_empty() && count > 0).then_some(Self { bodies, signatures, form: Form::Batch })
            }
            _ => None,
        }
    }
}
