//! The one reader: octets to events and to a tree, behind a well-formedness guard and limits.

use crate::decode::decode;
use crate::event::{Builder, Event};
use crate::source::PART_BYTES;
use crate::token::{Broken, Core, Step};
use crate::tree::{Element, Place};
use std::borrow::Cow;
use std::fmt;
use std::io::Read;

pub use crate::event::Kind;
pub use crate::source::{Parts, Source, Whole};

/// What a document may cost before it is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Octets of the whole document.
    pub document_bytes_max: usize,
    /// Depth of nested elements.
    pub depth_max: usize,
    /// Attributes and declarations of one element.
    pub attributes_max: usize,
    /// Child elements of one element.
    pub children_max: usize,
    /// Bytes of one name.
    pub name_bytes_max: usize,
    /// Bytes of one attribute value.
    pub value_bytes_max: usize,
    /// Namespace bindings in scope at once.
    pub bindings_max: usize,
    /// Elements of the whole document: an element costs some 150 bytes of memory, however few octets it has.
    pub elements_max: usize,
    /// Whether namespace names that are no absolute URI are read. Canonicalization refuses them, so nothing signed can have one;
    /// some legacy schemas do.
    pub relative_namespaces: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            document_bytes_max: 10 << 20,
            depth_max: 100,
            attributes_max: 256,
            children_max: 50_000,
            name_bytes_max: 1024,
            value_bytes_max: 64 << 10,
            bindings_max: 128,
            elements_max: 500_000,
            relative_namespaces: false,
        }
    }
}

impl Limits {
    /// For a document that is read in parts: how long it is and how many elements it has costs no memory, so neither is limited.
    #[must_use]
    pub fn endless() -> Self {
        Self {
            document_bytes_max: usize::MAX,
            children_max: usize::MAX,
            elements_max: usize::MAX,
            relative_namespaces: true,
            ..Self::default()
        }
    }
}

/// Why octets are not a document this house reads, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Malformed {
    /// Which rule.
    pub rule: Rule,
    /// Where the offending construct starts.
    pub place: Place,
    /// What stands there, in one sentence.
    pub what: String,
}

/// The rules of the reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// XML 1.0 or Namespaces in XML 1.0 well-formedness.
    NotWellFormed,
    /// A document type declaration, whatever is in it.
    Doctype,
    /// One of [`Limits`].
    TooLarge,
    /// The character encoding is unknown, contradicts itself, or the octets are not of it.
    Encoding,
    /// The octets could not be had: only of a document that is read in parts.
    Source,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.what)
    }
}

impl std::error::Error for Malformed {}

/// Reads one document. `charset` is what the transport said of the encoding, if it said anything. Comments and processing
/// instructions outside the root are checked and left out.
///
/// # Errors
/// Not well formed, not allowed, or too large.
pub fn read(octets: &[u8], charset: Option<&str>, limits: &Limits) -> Result<Element, Malformed> {
    let text = text(octets, charset, limits)?;
    let mut reader = Reader::new(&text, limits);
    let mut builder = Builder::default();
    let mut root = None;
    while let Some(event) = reader.pull().map_err(|broken| *broken)? {
        root = builder.take(event).or(root);
    }
    root.ok_or_else(|| Malformed { rule: Rule::NotWellFormed, place: Place::default(), what: "no root element".to_owned() })
}

/// The text of a document for [`Reader::new`]: decoded, line ends normalised (XML 1.0 §2.11).
///
/// # Errors
/// Too many octets, or [`Rule::Encoding`].
pub fn text<'o>(octets: &'o [u8], charset: Option<&str>, limits: &Limits) -> Result<Cow<'o, str>, Malformed> {
    if octets.len() > limits.document_bytes_max {
        let what = format!("the document has {} octets, more than {}", octets.len(), limits.document_bytes_max);
        return Err(Malformed { rule: Rule::TooLarge, place: Place::default(), what });
    }
    let text = decode(octets, charset)?;
    if memchr::memchr(b'\r', text.as_bytes()).is_none() {
        return Ok(text);
    }
    let mut normal = String::with_capacity(text.len());
    end_lines(&text, &mut normal);
    Ok(Cow::Owned(normal))
}

/// Appends `text` with every line end as a line feed.
pub(crate) fn end_lines(text: &str, normal: &mut String) {
    for (number, part) in text.split('\r').enumerate() {
        if number > 0 {
            normal.push('\n');
        }
        normal.push_str(if number > 0 { part.strip_prefix('\n').unwrap_or(part) } else { part });
    }
}

/// A pull reader over one document: all of it, or read in parts.
///
/// ```
/// use xsd::read::{Kind, Limits, Reader};
///
/// let mut reader = Reader::stream("<visits><visit no='1'/></visits>".as_bytes(), None, &Limits::endless())?;
/// let mut found = Vec::new();
/// while let Some(event) = reader.next_event()? {
///     if event.kind() == Kind::Start && event.name().is("", "visit") {
///         found.extend(event.attribute("", "no").map(str::to_owned));
///     }
/// }
/// assert_eq!(found, ["1"]);
/// # Ok::<(), xsd::read::Malformed>(())
/// ```
pub struct Reader<S> {
    source: S,
    core: Core,
}

impl<'t> Reader<Whole<'t>> {
    /// A reader over what [`text`] returned.
    #[must_use]
    pub fn new(text: &'t str, limits: &Limits) -> Self {
        let source = Whole(text);
        let core = Core::new(limits, source.piece_bytes(), source.names_bytes_max());
        Self { source, core }
    }

    /// A reader over another document in the memory of this one: names keep their numbers.
    #[must_use]
    pub fn again(mut self, text: &str) -> Reader<Whole<'_>> {
        self.core.reset();
        Reader { source: Whole(text), core: self.core }
    }

    /// Its memory for the next document, to be had with [`Reader::again`]; none if so many names have gathered that it is better to
    /// start anew.
    #[must_use]
    pub fn idle(self) -> Option<Reader<Whole<'static>>> {
        const NAMES_BYTES_MAX: usize = 4 << 20;
        (self.core.names.cost() <= NAMES_BYTES_MAX).then(|| self.again(""))
    }
}

impl<R: Read> Reader<Parts<R>> {
    /// A reader over a document that is longer than memory: of it a window of some 64 KiB is kept, its markup may have at most 8 MiB
    /// a piece, and its different names 16 MiB. `charset` is what the transport said of the encoding.
    ///
    /// # Errors
    /// [`Rule::Source`], or [`Rule::Encoding`]: unknown or contradicting itself.
    pub fn stream(from: R, charset: Option<&str>, limits: &Limits) -> Result<Self, Malformed> {
        Self::stream_by(from, charset, limits, PART_BYTES)
    }

    /// As [`Reader::stream`], with at most so many octets asked for at once.
    ///
    /// # Errors
    /// As there.
    pub fn stream_by(from: R, charset: Option<&str>, limits: &Limits, part_bytes: usize) -> Result<Self, Malformed> {
        let source = Parts::new(from, charset, limits, part_bytes)?;
        let core = Core::new(limits, source.piece_bytes(), source.names_bytes_max());
        Ok(Self { source, core })
    }
}

impl<S: Source> Reader<S> {
    /// The next event; `None` after the end of a well-formed document. Every start has its end; text is joined.
    ///
    /// # Errors
    /// The first violation; the same again when called again.
    #[inline]
    pub fn next_event(&mut self) -> Result<Option<Event<'_>>, Malformed> {
        self.pull().map_err(|broken| *broken)
    }

    /// As [`Reader::next_event`], for loops inside this crate: what fails is a pointer, so that an event passes in registers.
    #[inline(always)]
    pub(crate) fn pull(&mut self) -> Result<Option<Event<'_>>, Broken> {
        loop {
            match self.core.step(self.source.text(), self.source.is_last())? {
                Step::Event(kind) => return Ok(Some(Event::new(kind, &self.core, self.source.text()))),
                Step::Done => return Ok(None),
                Step::More => self.more()?,
            }
        }
    }

    #[cold]
    fn more(&mut self) -> Result<(), Broken> {
        let passed = self.core.passed();
        self.core.shift(self.source.text(), passed);
        let more = self.source.advance(passed);
        more.map_err(|(rule, what)| self.core.broken(self.source.text(), rule, what))
    }
}
