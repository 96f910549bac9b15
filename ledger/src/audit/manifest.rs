//! The manifest of an evidence bundle: what was asked, which files there are, and which streams they cover.

use super::TEN;
use super::complete::Whole;
use crate::record::{Head, StreamKind, limits, number};
use crate::streams::{Neighbour, Proof, Reach};
use crate::tree::Hash;
use std::collections::BTreeMap;
use xsd::read::Limits;
use xsd::tree::{Element, QName};

const NS: &str = "urn:waybill:bundle:3";

/// A stream of which a bundle holds every leaf from `first` to `last`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Covered {
    /// The stream's kind.
    pub kind: StreamKind,
    /// Its id.
    pub id: String,
    /// The sequence of the first leaf here.
    pub first: u64,
    /// The sequence of the last one.
    pub last: u64,
}

/// What a state root says of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Proven {
    pub(super) kind: StreamKind,
    pub(super) id: String,
    /// The state root's leaf.
    pub(super) root: u64,
    pub(super) proof: Proof,
}

impl Proven {
    fn write(&self, parent: &Element) -> Element {
        let mut proven = parent.sibling("Proven").with("kind", self.kind.code()).with("id", self.id.as_str());
        proven = proven.with("root", self.root.to_string()).with("streams", self.proof.streams.to_string());
        for Neighbour { place, reach, path } in &self.proof.neighbours {
            let mut at =
                parent.sibling("At").with("place", place.to_string()).with("kind", reach.kind.code()).with("id", reach.id.as_str());
            at = at.with("count", reach.count.to_string()).with("last", reach.last.to_string());
            for hash in path {
                at.push(parent.sibling("Node").text(hash.to_string()));
            }
            proven.push(at);
        }
        proven
    }

    fn read(element: &Element) -> Option<Self> {
        let name =
            |element: &Element| Some((StreamKind::from_code(element.attribute("", "kind")?)?, element.attribute("", "id")?.to_owned()));
        let at = |element: &Element| {
            let (kind, id) = name(element)?;
            let count = number(element.attribute("", "count")?)?;
            let reach = Reach { kind, id, count, last: Hash::from_hex(element.attribute("", "last")?)? };
            let path = element.all(NS, "Node").map(|node| Hash::from_hex(&node.string())).collect::<Option<_>>()?;
            Some(Neighbour { place: number(element.attribute("", "place")?)?, reach, path })
        };
        let (kind, id) = name(element)?;
        let streams = number(element.attribute("", "streams")?)?;
        let proof = Proof { streams, neighbours: element.all(NS, "At").map(at).collect::<Option<_>>()? };
        Some(Self { kind, id, root: number(element.attribute("", "root")?)?, proof })
    }
}

/// The signed list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Manifest {
    pub(super) ledger: String,
    pub(super) exporter: String,
    pub(super) query: Vec<(String, String)>,
    /// The leaves that answer it; the others show that these are all.
    pub(super) answers: Vec<u64>,
    pub(super) streams: Vec<Covered>,
    pub(super) proven: Vec<Proven>,
    pub(super) files: BTreeMap<String, Hash>,
}

impl Manifest {
    pub(super) fn octets(&self) -> Vec<u8> {
        let mut root = Element::new("b", QName::new(NS, "Manifest"));
        root = root.with("ledger", self.ledger.as_str()).with("exporter", self.exporter.as_str());
        for (name, value) in &self.query {
            root.push(root.sibling("Asked").with("name", name.as_str()).text(value));
        }
        for answer in &self.answers {
            root.push(root.sibling("Answer").with("index", answer.to_string()));
        }
        for stream in &self.streams {
            let element = root.sibling("Stream").with("kind", stream.kind.code()).with("id", stream.id.as_str());
            root.push(element.with("first", stream.first.to_string()).with("last", stream.last.to_string()));
        }
        for proven in &self.proven {
            root.push(proven.write(&root));
        }
        for (name, hash) in &self.files {
            root.push(root.sibling("File").with("name", name.as_str()).with("sha256", hash.to_string()));
        }
        xsd::write::canonical(&root, &[], &[])
    }

    /// Reads a manifest, and nothing but the octets that [`Manifest::octets`] writes.
    pub(super) fn read(octets: &[u8]) -> Option<Self> {
        let limits = Limits { document_bytes_max: 256 << 20, children_max: 2_000_000, ..limits() };
        let root = xsd::read::read(octets, Some("UTF-8"), &limits).ok()?;
        let attribute = |element: &Element, name: &str| element.attribute("", name).map(str::to_owned);
        let asked = |element: &Element| Some((attribute(element, "name")?, element.string()));
        let file = |element: &Element| Some((attribute(element, "name")?, Hash::from_hex(element.attribute("", "sha256")?)?));
        let stream = |element: &Element| {
            let (first, last) = (number(element.attribute("", "first")?)?, number(element.attribute("", "last")?)?);
            Some(Covered { kind: StreamKind::from_code(element.attribute("", "kind")?)?, id: attribute(element, "id")?, first, last })
        };
        let manifest = Self {
            ledger: attribute(&root, "ledger")?,
            exporter: attribute(&root, "exporter")?,
            query: root.all(NS, "Asked").map(asked).collect::<Option<_>>()?,
            answers: root.all(NS, "Answer").map(|answer| number(answer.attribute("", "index")?)).collect::<Option<_>>()?,
            streams: root.all(NS, "Stream").map(stream).collect::<Option<_>>()?,
            proven: root.all(NS, "Proven").map(Proven::read).collect::<Option<_>>()?,
            files: root.all(NS, "File").map(file).collect::<Option<_>>()?,
        };
        (manifest.octets() == octets).then_some(manifest)
    }
}

/// The streams of which these leaves are a run without a gap. Leaves come in the ledger's order.
pub(super) fn covered(leaves: &[Whole]) -> Vec<Covered> {
    let mut runs: BTreeMap<(StreamKind, &str), Vec<(&Head, Hash)>> = BTreeMap::new();
    for Whole { leaf, hash, .. } in leaves {
        for head in &leaf.heads {
            runs.entry((head.kind, head.id.as_str())).or_default().push((head, *hash));
        }
    }
    let whole = |run: &[(&Head, Hash)]| {
        run.windows(2).all(|pair| match pair {
            [(left, hash), (right, _)] => right.sequence == left.sequence + 1 && right.previous == *hash,
            _ => false,
        })
    };
    let runs = runs.into_iter().filter(|(_, run)| whole(run));
    let ends = runs.filter_map(|((kind, id), run)| {
        let (first, last) = (run.first()?.0.sequence, run.last()?.0.sequence);
        Some(Covered { kind, id: id.to_owned(), first, last })
    });
    ends.collect()
}

/// The ten digits that name a leaf's files.
pub(super) fn digits(index: u64) -> String {
    format!("{index:0TEN$}")
}

/// The leaf that a file is about, by its name.
pub(super) fn entry_of(name: &str) -> Option<u64> {
    let kinds = [("entries/", ".xml"), ("proofs/", ".tlog-proof"), ("batches/", ".path")];
    let digits = kinds.iter().find_map(|(folder, end)| name.strip_prefix(folder)?.strip_suffix(end))?;
    digits.parse().ok().filter(|index| self::digits(*index) == digits)
}
