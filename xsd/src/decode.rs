//! Octets to text and back: the one place that knows character encodings.
//!
//! A document has one interpretation: the byte order mark, the transport's charset and the XML declaration must not contradict
//! one another (RFC 7303 §3 ranks them; this house refuses instead).

use crate::read::{Malformed, Rule};
use crate::tree::Place;
use encoding_rs::{DecoderResult, Encoding, WINDOWS_874, WINDOWS_1252, WINDOWS_1254};
use std::borrow::Cow;

/// A character encoding that this house reads and writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Charset {
    /// UTF-8 (RFC 3629).
    Utf8,
    /// UTF-16, little end first.
    Utf16Le,
    /// UTF-16, big end first.
    Utf16Be,
    /// UTF-16 whose byte order mark says which end is first; written big end first with a mark (RFC 2781 §3.3).
    Utf16,
    /// US-ASCII: seven bits.
    Ascii,
    /// ISO-8859-1, -9 and -11: as the table, but 80–9F are the control characters that the table replaces.
    Iso(&'static Encoding),
    /// Any other, by its table in the WHATWG Encoding Standard.
    Table(&'static Encoding),
}

impl Charset {
    /// The encoding of an IANA name. `None` for what is not read here: UTF-7, UTF-32, EBCDIC and unknown names.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let name = name.trim().to_ascii_lowercase();
        Some(match name.as_str() {
            "utf-8" | "utf8" => Self::Utf8,
            "utf-16" => Self::Utf16,
            "utf-16le" => Self::Utf16Le,
            "utf-16be" => Self::Utf16Be,
            "us-ascii" | "ascii" | "ansi_x3.4-1968" | "iso646-us" => Self::Ascii,
            "iso-8859-1" | "iso8859-1" | "iso_8859-1" | "latin1" => Self::Iso(WINDOWS_1252),
            "iso-8859-9" | "iso8859-9" | "iso_8859-9" | "latin5" => Self::Iso(WINDOWS_1254),
            "iso-8859-11" | "iso8859-11" | "tis-620" => Self::Iso(WINDOWS_874),
            _ => {
                let encoding = Encoding::for_label(name.as_bytes())?;
                let known = matches!(encoding.name(), "GBK" | "gb18030" | "Big5" | "Shift_JIS") || encoding.name().starts_with("ISO-8859-");
                known.then_some(Self::Table(encoding))?
            }
        })
    }

    /// Whether two sources of knowledge may both be right: GBK is read as its superset GB 18030 (WHATWG Encoding §10.1).
    fn agrees(self, other: Self) -> bool {
        let utf16 = |charset| matches!(charset, Self::Utf16 | Self::Utf16Le | Self::Utf16Be);
        let chinese = |charset| matches!(charset, Self::Table(table) if matches!(table.name(), "GBK" | "gb18030"));
        self == other || chinese(self) && chinese(other) || utf16(self) && utf16(other) && (self == Self::Utf16 || other == Self::Utf16)
    }
}

fn refused(place: Place, what: impl Into<String>) -> Malformed {
    Malformed { rule: Rule::Encoding, place, what: what.into() }
}

const START: Place = Place { line: 1, column: 1 };

/// The text of a document, byte order mark removed. `charset` is what the transport said, if it said anything.
///
/// # Errors
/// [`Rule::Encoding`]: unknown, contradicting itself, or octets that are not of the encoding.
pub fn decode<'o>(octets: &'o [u8], charset: Option<&str>) -> Result<Cow<'o, str>, Malformed> {
    let (encoding, octets) = recognise(octets, charset)?;
    let text = to_text(octets, encoding)?;
    agreed(&text, encoding)?;
    Ok(text)
}

/// The encoding of a document by its first octets, and what follows its byte order mark.
fn recognise<'o>(octets: &'o [u8], charset: Option<&str>) -> Result<(Charset, &'o [u8]), Malformed> {
    let (marked, octets) = byte_order_mark(octets)?;
    let told = charset.map(|name| known(name, "the transport")).transpose()?;
    if let (Some(marked), Some(told)) = (marked, told)
        && !marked.agrees(told)
    {
        return Err(refused(START, "the byte order mark contradicts the transport's charset"));
    }
    let wide = matches!(octets, [b'<', 0, ..] | [0, b'<', ..]);
    let encoding = match (marked, told) {
        (Some(marked), _) => marked,
        (None, Some(Charset::Utf16)) => return Err(refused(START, "UTF-16 without a byte order mark")),
        (None, Some(told)) => told,
        (None, None) if wide => return Err(refused(START, "UTF-16 without a byte order mark")),
        (None, None) => match declared(&ascii_head(octets)) {
            Some(name) => match known(name, "the XML declaration")? {
                Charset::Utf16 | Charset::Utf16Le | Charset::Utf16Be => {
                    return Err(refused(START, "an eight-bit document that says it is UTF-16"));
                }
                narrow => narrow,
            },
            None => Charset::Utf8,
        },
    };
    Ok((encoding, octets))
}

/// The XML declaration must not say another encoding than the one that the document is read as.
fn agreed(text: &str, encoding: Charset) -> Result<(), Malformed> {
    match declared(text) {
        Some(name) if !known(name, "the XML declaration")?.agrees(encoding) => {
            Err(refused(START, format!("the XML declaration says {name:?}, but the document is not read as that")))
        }
        _ => Ok(()),
    }
}

/// Octets in parts to text: what is left of a character waits for its other octets.
pub(crate) struct Decoder {
    charset: Charset,
    table: Option<encoding_rs::Decoder>,
    /// UTF-8 only: the first octets of a character.
    waiting: Vec<u8>,
}

impl Decoder {
    /// A decoder for a document that starts with `head` (as much as [`HEAD_BYTES`], or all), and what follows its byte order mark.
    pub(crate) fn new<'o>(head: &'o [u8], charset: Option<&str>) -> Result<(Self, &'o [u8]), Malformed> {
        let (charset, rest) = recognise(head, charset)?;
        let table = match charset {
            Charset::Utf16Le => Some(encoding_rs::UTF_16LE),
            Charset::Utf16Be | Charset::Utf16 => Some(encoding_rs::UTF_16BE),
            Charset::Table(table) => Some(table),
            Charset::Utf8 | Charset::Ascii | Charset::Iso(_) => None,
        };
        let mut decoder = Self { charset, table: table.map(Encoding::new_decoder_without_bom_handling), waiting: Vec::new() };
        let mut start = String::new();
        // What is wrong behind the declaration is found again where it stands.
        let _reported_later = decoder.push(rest, false, &mut start);
        if start.starts_with("<?xml") && head.len() >= HEAD_BYTES && !start.contains("?>") {
            return Err(refused(START, format!("the XML declaration does not end within {HEAD_BYTES} octets")));
        }
        agreed(&start, charset)?;
        decoder.waiting.clear();
        decoder.table = table.map(Encoding::new_decoder_without_bom_handling);
        Ok((decoder, rest))
    }

    /// Appends the text of the next octets; `last` says that none follow.
    ///
    /// # Errors
    /// Octets that are not of the encoding; the text before them has been appended.
    pub(crate) fn push(&mut self, octets: &[u8], last: bool, text: &mut String) -> Result<(), String> {
        match (self.charset, &mut self.table) {
            (_, Some(table)) => {
                let more = table.max_utf8_buffer_length_without_replacement(octets.len()).ok_or("too many octets")?;
                text.reserve(more);
                match table.decode_to_string_without_replacement(octets, text, last) {
                    (DecoderResult::InputEmpty, _) => Ok(()),
                    _ => Err(format!("octets that are not {}", table.encoding().name())),
                }
            }
            (Charset::Utf8, None) if self.waiting.is_empty() => self.utf8(octets, last, text),
            (Charset::Utf8, None) => {
                let mut joined = std::mem::take(&mut self.waiting);
                joined.extend_from_slice(octets);
                self.utf8(&joined, last, text)
            }
            (charset, None) => match to_text(octets, charset) {
                Ok(part) => {
                    text.push_str(&part);
                    Ok(())
                }
                Err(malformed) => {
                    octets.chunks(1).map_while(|octet| to_text(octet, charset).ok()).for_each(|part| text.push_str(&part));
                    Err(malformed.what)
                }
            },
        }
    }

    fn utf8(&mut self, octets: &[u8], last: bool, text: &mut String) -> Result<(), String> {
        let error = match std::str::from_utf8(octets) {
            Ok(part) => {
                text.push_str(part);
                return Ok(());
            }
            Err(error) => error,
        };
        let (valid, rest) = octets.split_at_checked(error.valid_up_to()).unwrap_or_default();
        text.push_str(std::str::from_utf8(valid).unwrap_or_default());
        if error.error_len().is_some() || last {
            return Err("octets that are not UTF-8".to_owned());
        }
        self.waiting.extend_from_slice(rest);
        Ok(())
    }
}

/// Octets that a streaming reader looks at before it knows the encoding.
pub(crate) const HEAD_BYTES: usize = 4096;

/// The octets of a document's text in `charset`. A character that the encoding lacks becomes a character reference where XML
/// allows one, in text and in attribute values.
///
/// # Errors
/// [`Rule::Encoding`]: a name holds a character that the encoding lacks.
pub fn encode(text: &str, charset: Charset) -> Result<Vec<u8>, Malformed> {
    let wide = |to: fn(u16) -> [u8; 2]| -> Vec<u8> { text.encode_utf16().flat_map(to).collect() };
    match charset {
        Charset::Utf8 => Ok(text.as_bytes().to_vec()),
        Charset::Utf16Le => Ok(wide(u16::to_le_bytes)),
        Charset::Utf16Be => Ok(wide(u16::to_be_bytes)),
        Charset::Utf16 => Ok([0xFE, 0xFF].into_iter().chain(wide(u16::to_be_bytes)).collect()),
        Charset::Ascii => narrow(text, |_| None),
        Charset::Iso(table) => narrow(text, |c| match u8::try_from(c) {
            Ok(control @ 0x80..=0x9F) => Some(vec![control]),
            _ => tabled(c, table).filter(|octets| !matches!(octets.as_slice(), [0x80..=0x9F])),
        }),
        Charset::Table(table) => narrow(text, |c| tabled(c, table)),
    }
}

fn tabled(c: char, table: &'static Encoding) -> Option<Vec<u8>> {
    let mut buffer = [0; 4];
    let (octets, _, replaced) = table.encode(c.encode_utf8(&mut buffer));
    (!replaced).then(|| octets.into_owned())
}

/// Walks over markup: between `<` and `>`, outside quotes, only names and white space stand.
fn narrow(text: &str, of: impl Fn(char) -> Option<Vec<u8>>) -> Result<Vec<u8>, Malformed> {
    let mut octets = Vec::with_capacity(text.len());
    let mut in_tag = false;
    let mut quote = None;
    for (at, c) in text.char_indices() {
        match c {
            '<' => in_tag = true,
            '>' if quote.is_none() => in_tag = false,
            '"' | '\'' if in_tag => quote = if quote == Some(c) { None } else { quote.or(Some(c)) },
            _ => {}
        }
        if let (true, Ok(ascii)) = (c.is_ascii(), u8::try_from(c)) {
            octets.push(ascii);
            continue;
        }
        match of(c) {
            Some(encoded) => octets.extend_from_slice(&encoded),
            None if in_tag && quote.is_none() => {
                let place = place_in(text, at);
                return Err(refused(place, format!("the name's character U+{:04X} is not in the encoding", u32::from(c))));
            }
            None => octets.extend_from_slice(format!("&#{};", u32::from(c)).as_bytes()),
        }
    }
    Ok(octets)
}

fn known(name: &str, source: &str) -> Result<Charset, Malformed> {
    Charset::named(name).ok_or_else(|| refused(START, format!("{source} names the encoding {:?}, which is not read here", shown(name))))
}

fn shown(name: &str) -> String {
    name.chars().take(40).collect()
}

/// What the first octets give away, and what follows a byte order mark (XML 1.0 appendix F.1).
fn byte_order_mark(octets: &[u8]) -> Result<(Option<Charset>, &[u8]), Malformed> {
    match octets {
        [0xFF, 0xFE, 0, 0, ..] | [0, 0, 0xFE, 0xFF, ..] | [0, 0, 0, b'<', ..] | [b'<', 0, 0, 0, ..] => {
            Err(refused(START, "UTF-32 is not read here"))
        }
        [b'+', b'/', b'v', ..] => Err(refused(START, "UTF-7 is not read here")),
        [0x4C, 0x6F, 0xA7, 0x94, ..] => Err(refused(START, "EBCDIC is not read here")),
        [0xEF, 0xBB, 0xBF, rest @ ..] => Ok((Some(Charset::Utf8), rest)),
        [0xFF, 0xFE, rest @ ..] => Ok((Some(Charset::Utf16Le), rest)),
        [0xFE, 0xFF, rest @ ..] => Ok((Some(Charset::Utf16Be), rest)),
        _ => Ok((None, octets)),
    }
}

/// The first octets of a document as far as they are ASCII: enough for its XML declaration.
fn ascii_head(octets: &[u8]) -> String {
    const DECLARATION_BYTES_MAX: usize = 512;
    octets.iter().take(DECLARATION_BYTES_MAX).take_while(|byte| byte.is_ascii()).map(|byte| char::from(*byte)).collect()
}

/// The encoding that the XML declaration at the start of `text` names.
fn declared(text: &str) -> Option<&str> {
    let (declaration, _) = text.strip_prefix("<?xml")?.split_once("?>")?;
    parse_declaration(declaration).ok()?.encoding
}

/// What an XML declaration says beside the version.
pub(crate) struct Declaration<'t> {
    encoding: Option<&'t str>,
}

/// Reads what stands between `<?xml` and `?>` (XML 1.0 production 23). Only version 1.0 is spoken here: other processors end lines
/// elsewhere in 1.1.
pub(crate) fn parse_declaration(text: &str) -> Result<Declaration<'_>, &'static str> {
    let mut rest = text;
    let version = pseudo_attribute(&mut rest, "version")?.ok_or("an XML declaration starts with a version")?;
    if version != "1.0" {
        return Err("only XML 1.0 is read here");
    }
    let encoding = pseudo_attribute(&mut rest, "encoding")?;
    let named = |name: &str| {
        let mut bytes = name.bytes();
        bytes.next().is_some_and(|first| first.is_ascii_alphabetic())
            && bytes.all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))
    };
    if encoding.is_some_and(|name| !named(name)) {
        return Err("the XML declaration's encoding is no encoding name");
    }
    let standalone = pseudo_attribute(&mut rest, "standalone")?;
    if standalone.is_some_and(|value| !matches!(value, "yes" | "no")) {
        return Err("standalone is yes or no");
    }
    if !crate::chars::is_blank(rest) {
        return Err("an XML declaration holds version, encoding, standalone, in this order, and nothing else");
    }
    Ok(Declaration { encoding })
}

fn pseudo_attribute<'t>(rest: &mut &'t str, name: &str) -> Result<Option<&'t str>, &'static str> {
    const BROKEN: &str = "the XML declaration is broken";
    let spaces = ['\u{20}', '\t', '\n', '\r'];
    let trimmed = rest.trim_start_matches(spaces);
    let Some(tail) = trimmed.strip_prefix(name) else { return Ok(None) };
    if trimmed.len() == rest.len() {
        return Err(BROKEN);
    }
    let tail = tail.trim_start_matches(spaces).strip_prefix('=').ok_or(BROKEN)?.trim_start_matches(spaces);
    let quote = tail.chars().next().filter(|c| matches!(c, '"' | '\'')).ok_or(BROKEN)?;
    let (value, after) = tail.strip_prefix(quote).and_then(|tail| tail.split_once(quote)).ok_or(BROKEN)?;
    *rest = after;
    Ok(Some(value))
}

fn to_text(octets: &[u8], charset: Charset) -> Result<Cow<'_, str>, Malformed> {
    match charset {
        Charset::Utf8 => match std::str::from_utf8(octets) {
            Ok(text) => Ok(Cow::Borrowed(text)),
            Err(error) => {
                let valid = octets.get(..error.valid_up_to()).unwrap_or_default();
                let place = std::str::from_utf8(valid).map_or(START, |text| place_in(text, text.len()));
                Err(refused(place, "octets that are not UTF-8"))
            }
        },
        Charset::Ascii => match octets.iter().position(|byte| !byte.is_ascii()) {
            None => std::str::from_utf8(octets).map(Cow::Borrowed).map_err(|error| refused(START, error.to_string())),
            Some(at) => {
                let valid: String = octets.iter().take(at).map(|byte| char::from(*byte)).collect();
                Err(refused(place_in(&valid, valid.len()), "an octet that is not US-ASCII"))
            }
        },
        Charset::Utf16Le => by_table(octets, encoding_rs::UTF_16LE),
        Charset::Utf16Be | Charset::Utf16 => by_table(octets, encoding_rs::UTF_16BE),
        Charset::Iso(table) => {
            let mut text = String::with_capacity(octets.len());
            for run in octets.chunk_by(|left, right| is_c1(*left) == is_c1(*right)) {
                if run.first().is_some_and(|byte| is_c1(*byte)) {
                    text.extend(run.iter().map(|byte| char::from(*byte)));
                } else {
                    text.push_str(&by_table(run, table)?);
                }
            }
            Ok(Cow::Owned(text))
        }
        Charset::Table(table) => by_table(octets, table),
    }
}

fn is_c1(byte: u8) -> bool {
    matches!(byte, 0x80..=0x9F)
}

fn by_table(octets: &[u8], table: &'static Encoding) -> Result<Cow<'static, str>, Malformed> {
    let mut decoder = table.new_decoder_without_bom_handling();
    let length = decoder.max_utf8_buffer_length_without_replacement(octets.len());
    let mut text = String::with_capacity(length.ok_or_else(|| refused(START, "too many octets"))?);
    match decoder.decode_to_string_without_replacement(octets, &mut text, true) {
        (DecoderResult::InputEmpty, _) => Ok(Cow::Owned(text)),
        _ => Err(refused(place_in(&text, text.len()), format!("octets that are not {}", table.name()))),
    }
}

/// The place of byte `at` of `text`.
pub(crate) fn place_in(text: &str, at: usize) -> Place {
    let mut lines = Lines::default();
    lines.advance(text, at);
    lines.place
}

/// Counts lines and columns while a reader moves forward.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lines {
    at: usize,
    place: Place,
}

impl Default for Lines {
    fn default() -> Self {
        Self { at: 0, place: START }
    }
}

impl Lines {
    /// Moves to byte `to` of `text`, not before where it stands, and says which place that is.
    #[inline]
    pub(crate) fn advance(&mut self, text: &str, to: usize) -> Place {
        const SHORT: usize = 24;
        let mut line = text.as_bytes().get(self.at..to).unwrap_or_default();
        if line.len() > SHORT {
            while let Some(end) = memchr::memchr(b'\n', line) {
                line = line.get(end + 1..).unwrap_or_default();
                self.place = Place { line: self.place.line.saturating_add(1), column: 1 };
            }
            let characters = line.iter().filter(|byte| **byte & 0xC0 != 0x80).count();
            self.place.column = self.place.column.saturating_add(u32::try_from(characters).unwrap_or(u32::MAX));
        } else {
            // From tag to tag it is mostly a few bytes.
            for byte in line {
                match byte {
                    b'\n' => self.place = Place { line: self.place.line.saturating_add(1), column: 1 },
                    0x80..=0xBF => {}
                    _ => self.place.column = self.place.column.saturating_add(1),
                }
            }
        }
        self.at = self.at.max(to);
        self.place
    }

    /// The byte where it stands.
    pub(crate) fn at(&self) -> usize {
        self.at
    }

    /// Whether nothing of the document has been passed.
    pub(crate) fn is_start(&self) -> bool {
        self.at == 0 && self.place == START
    }

    /// The first `octets` of the text are gone; the reader had passed them.
    pub(crate) fn shift(&mut self, octets: usize) {
        self.at = self.at.saturating_sub(octets);
    }
}
