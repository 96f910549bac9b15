//! The octets of a leaf: written from its parts, and read back.

use super::{BATCH_MAX, Entry, Head, Kind, LEDGER_NS, Leaf, NotALeaf, Outcome, PartySignature, Place, StreamKind, limits, number};
use crate::tree::{Hash, leaf_hash};
use data_encoding::BASE64;
use xsd::time::Timestamp;
use xsd::tree::Element;
use xsd::write::Pieces;

/// What a leaf is written from.
pub(crate) struct Parts<'a> {
    pub(crate) index: u64,
    pub(crate) time: &'a str,
    pub(crate) client: &'a str,
    pub(crate) kind: Kind,
    pub(crate) heads: &'a [(StreamKind, &'a str, u64, Hash)],
    pub(crate) outcome: Outcome,
    pub(crate) place: Option<Place>,
    pub(crate) body: &'a [u8],
    /// Accounts with their signatures in base64.
    pub(crate) signatures: &'a [(&'a str, &'a str)],
}

impl Parts<'_> {
    /// The leaf's canonical octets, with the body inside as it was signed.
    pub(crate) fn octets(&self) -> Vec<u8> {
        let mut leaf = Pieces::with_capacity(self.body.len() + 512 + 256 * self.signatures.len() + 192 * self.heads.len());
        let index = self.index.to_string();
        let attributes =
            [("xmlns:leaf", LEDGER_NS), ("client", self.client), ("index", &index), ("kind", self.kind.code()), ("time", self.time)];
        leaf.open("leaf:Leaf", &attributes);
        for (kind, id, sequence, previous) in self.heads {
            let (sequence, previous) = (sequence.to_string(), previous.hex());
            leaf.open("leaf:Stream", &[("id", id), ("kind", kind.code()), ("previous", previous.as_str()), ("sequence", &sequence)]);
            leaf.close("leaf:Stream");
        }
        leaf.leaf("leaf:Outcome", &[], self.outcome.code());
        if let Some(place) = &self.place {
            let (position, root, size) = (place.position.to_string(), place.root.hex(), place.size.to_string());
            leaf.open("leaf:Batch", &[("position", &position), ("root", root.as_str()), ("size", &size)]);
            leaf.close("leaf:Batch");
        }
        leaf.open("leaf:Body", &[]);
        leaf.splice(self.body);
        leaf.close("leaf:Body");
        for (account, value) in self.signatures {
            leaf.leaf("leaf:Signature", &[("account", account), ("algorithm", "Ed25519")], value);
        }
        leaf.close("leaf:Leaf");
        leaf.octets()
    }
}

impl Leaf {
    /// The leaf's octets: the canonical form of its element with the body inside as it was signed.
    #[must_use]
    pub fn octets(&self) -> Vec<u8> {
        let heads: Vec<_> = self.heads.iter().map(|head| (head.kind, head.id.as_str(), head.sequence, head.previous)).collect();
        let values: Vec<String> = self.entry.signatures().iter().map(|signature| BASE64.encode(&signature.value)).collect();
        let signatures: Vec<_> =
            self.entry.signatures().iter().zip(&values).map(|(signature, value)| (signature.account.as_str(), value.as_str())).collect();
        let parts = Parts {
            index: self.index,
            time: &self.time.to_string(),
            client: &self.client,
            kind: self.kind,
            heads: &heads,
            outcome: self.outcome,
            place: self.entry.place(),
            body: self.entry.body(),
            signatures: &signatures,
        };
        parts.octets()
    }

    /// Reads a leaf, and accepts nothing but the octets that [`Leaf::octets`] writes.
    ///
    /// # Errors
    /// The octets are no leaf, or not its canonical form.
    pub fn read(octets: &[u8]) -> Result<Self, NotALeaf> {
        let root = xsd::read::read(octets, Some("UTF-8"), &limits()).map_err(|error| NotALeaf(error.to_string()))?;
        let leaf = Self::of(&root).ok_or_else(|| NotALeaf("a part is missing or has the wrong form".to_owned()))?;
        if leaf.octets() == octets { Ok(leaf) } else { Err(NotALeaf("not in canonical form".to_owned())) }
    }

    /// The hash of a leaf's octets (RFC 6962 §2.1).
    #[must_use]
    pub fn hash(octets: &[u8]) -> Hash {
        leaf_hash(octets)
    }

    fn of(root: &Element) -> Option<Self> {
        let heads = root.all(LEDGER_NS, "Stream").map(read_head).collect::<Option<Vec<_>>>()?;
        let body = root.first(LEDGER_NS, "Body")?.elements().next()?;
        let signatures = root.all(LEDGER_NS, "Signature").map(PartySignature::read).collect::<Option<Vec<_>>>()?;
        let place = match root.first(LEDGER_NS, "Batch") {
            Some(batch) => Some(read_place(batch)?),
            None => None,
        };
        let leaf = Self {
            index: number(root.attribute("", "index")?)?,
            time: Timestamp::parse(root.attribute("", "time")?)?,
            client: root.attribute("", "client")?.to_owned(),
            kind: Kind::from_code(root.attribute("", "kind")?)?,
            heads,
            outcome: Outcome::from_code(&root.first(LEDGER_NS, "Outcome")?.string())?,
            entry: Entry::of_leaf(xsd::write::canonical(body, &[], &[]), signatures, place),
        };
        root.name().is(LEDGER_NS, "Leaf").then_some(leaf)
    }
}

/// The client id of a leaf that is known to be one, by its hash.
pub(crate) fn client_of(octets: &[u8]) -> Option<String> {
    let start = [b"<leaf:Leaf xmlns:leaf=\"", LEDGER_NS.as_bytes(), b"\" client=\""].concat();
    let id = octets.strip_prefix(start.as_slice())?.split(|octet| *octet == b'"').next()?;
    if id.contains(&b'&') {
        return Leaf::read(octets).ok().map(|leaf| leaf.client);
    }
    String::from_utf8(id.to_vec()).ok()
}

fn read_place(batch: &Element) -> Option<Place> {
    let number = |name| number(batch.attribute("", name)?);
    let (position, size) = (u8::try_from(number("position")?).ok()?, u16::try_from(number("size")?).ok()?);
    let root = Hash::from_hex(batch.attribute("", "root")?)?;
    (u16::from(position) < size && usize::from(size) <= BATCH_MAX).then_some(Place { position, size, root })
}

fn read_head(stream: &Element) -> Option<Head> {
    Some(Head {
        kind: StreamKind::from_code(stream.attribute("", "kind")?)?,
        id: stream.attribute("", "id")?.to_owned(),
        sequence: number(stream.attribute("", "sequence")?)?,
        previous: Hash::from_hex(stream.attribute("", "previous")?)?,
    })
}
