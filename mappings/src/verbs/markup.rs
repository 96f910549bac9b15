//! The text of an XML document piece by piece with its offsets, for what edits or shows text: comments, blanks and quotes stay as they are.
//!
//! Meaning is given to documents by `xsd::read` alone. This one takes half-written documents too, because people type in them.

use std::ops::Range;
use xsd::tree::Place;

/// A piece of a document. Spans are byte offsets; the pieces' spans cover the text without gap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Piece<'t> {
    Start(Tag<'t>),
    End {
        name: &'t str,
        span: Range<usize>,
    },
    Text(Range<usize>),
    Comment(Range<usize>),
    /// The XML declaration, an instruction, a CDATA section or a document type.
    Other(Range<usize>),
}

/// A start tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tag<'t> {
    pub(crate) name: &'t str,
    pub(crate) span: Range<usize>,
    pub(crate) attributes: Vec<Attribute<'t>>,
    /// Whether it ends with `/>`.
    pub(crate) empty: bool,
    /// Whether it ends at all.
    pub(crate) closed: bool,
}

/// An attribute as written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Attribute<'t> {
    pub(crate) name: &'t str,
    /// Name, equals sign and quotes.
    pub(crate) span: Range<usize>,
    /// Between the quotes; references are not resolved.
    pub(crate) value: Range<usize>,
    /// Between the quotes.
    pub(crate) raw: &'t str,
}

impl Piece<'_> {
    pub(crate) fn span(&self) -> Range<usize> {
        match self {
            Self::Start(tag) => tag.span.clone(),
            Self::End { span, .. } | Self::Text(span) | Self::Comment(span) | Self::Other(span) => span.clone(),
        }
    }
}

impl<'t> Tag<'t> {
    pub(crate) fn attribute(&self, name: &str) -> Option<&Attribute<'t>> {
        self.attributes.iter().find(|attribute| attribute.name == name)
    }

    /// The name without its prefix.
    pub(crate) fn local(&self) -> &'t str {
        local(self.name)
    }
}

/// A name without its prefix.
pub(crate) fn local(name: &str) -> &str {
    name.rsplit(':').next().unwrap_or(name)
}

/// All pieces of `text`, in their order.
pub(crate) fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        let piece = piece(text, rest, at);
        at = piece.span().end.max(at + 1);
        found.push(piece);
    }
    found
}

fn piece<'t>(text: &'t str, rest: &'t str, at: usize) -> Piece<'t> {
    let until = |mark: &str| at + rest.find(mark).map_or(rest.len(), |found| found + mark.len());
    if rest.starts_with("<!--") {
        return Piece::Comment(at..until("-->"));
    }
    for (open, close) in [("<![CDATA[", "]]>"), ("<?", "?>"), ("<!", ">")] {
        if rest.starts_with(open) {
            return Piece::Other(at..until(close));
        }
    }
    if let Some(name) = rest.strip_prefix("</") {
        let end = name.find(['>', '<', ' ', '\n', '\r', '\t']).unwrap_or(name.len());
        return Piece::End { name: name.get(..end).unwrap_or_default(), span: at..until(">") };
    }
    if rest.starts_with('<') {
        return Piece::Start(tag(text, at));
    }
    Piece::Text(at..at + rest.find('<').unwrap_or(rest.len()))
}

fn tag(text: &str, start: usize) -> Tag<'_> {
    let name_end = skip(text, start + 1, |letter| !letter.is_whitespace() && !"/><=".contains(letter));
    let mut tag = Tag {
        name: text.get(start + 1..name_end).unwrap_or_default(),
        span: start..name_end,
        attributes: Vec::new(),
        empty: false,
        closed: false,
    };
    let mut at = name_end;
    loop {
        at = skip(text, at, char::is_whitespace);
        let rest = text.get(at..).unwrap_or_default();
        if rest.starts_with("/>") || rest.starts_with('>') {
            tag.empty = rest.starts_with('/');
            tag.closed = true;
            tag.span.end = at + if tag.empty { 2 } else { 1 };
            return tag;
        }
        if rest.is_empty() || rest.starts_with('<') {
            tag.span.end = at;
            return tag;
        }
        let (attribute, next) = attribute(text, at);
        tag.attributes.extend(attribute);
        at = next;
    }
}

/// An attribute at `at`, and where to go on; always further on than `at`.
fn attribute(text: &str, at: usize) -> (Option<Attribute<'_>>, usize) {
    let name_end = skip(text, at, |letter| !letter.is_whitespace() && !"/><='\"".contains(letter));
    let equals = skip(text, name_end, char::is_whitespace);
    if name_end == at || text.get(equals..).is_none_or(|rest| !rest.starts_with('=')) {
        let next = text.get(name_end..).and_then(|rest| rest.chars().next()).filter(|_| name_end == at);
        return (None, name_end + next.map_or(0, char::len_utf8));
    }
    let open = skip(text, equals + 1, char::is_whitespace);
    let Some(quote) = text.get(open..).and_then(|rest| rest.chars().next()).filter(|quote| "'\"".contains(*quote)) else {
        return (None, open.max(at + 1));
    };
    let close = skip(text, open + 1, |letter| letter != quote && letter != '<');
    let end = if text.get(close..).is_some_and(|rest| rest.starts_with(quote)) { close + 1 } else { close };
    let raw = text.get(open + 1..close).unwrap_or_default();
    (Some(Attribute { name: text.get(at..name_end).unwrap_or_default(), span: at..end, value: open + 1..close, raw }), end)
}

fn skip(text: &str, at: usize, while_: impl Fn(char) -> bool) -> usize {
    let rest = text.get(at..).unwrap_or_default();
    at + rest.find(|letter| !while_(letter)).unwrap_or(rest.len())
}

/// The byte offset of a place; the end of the text where the text does not reach so far.
pub(crate) fn offset(text: &str, place: Place) -> usize {
    let mut at = 0;
    for _ in 1..place.line {
        let Some(next) = text.get(at..).and_then(|rest| rest.find('\n')) else { return text.len() };
        at += next + 1;
    }
    let column = usize::try_from(place.column.saturating_sub(1)).unwrap_or(usize::MAX);
    let rest = text.get(at..).unwrap_or_default();
    at + rest.char_indices().nth(column).map_or(rest.len(), |(more, _)| more)
}

/// The place of a byte offset.
pub(crate) fn place(text: &str, offset: usize) -> Place {
    let before = text.get(..offset).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    Place { line: u32::try_from(line).unwrap_or(u32::MAX), column: u32::try_from(column).unwrap_or(u32::MAX) }
}

/// The start tag that begins at a place.
pub(crate) fn tag_at(text: &str, place: Place) -> Option<Tag<'_>> {
    let start = offset(text, place);
    text.get(start..)
        .is_some_and(|rest| rest.starts_with('<') && !rest.starts_with("<!") && !rest.starts_with("<?"))
        .then(|| tag(text, start))
}

/// A value with the references that every document has resolved.
pub(crate) fn unescaped(raw: &str) -> String {
    raw.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&apos;", "'").replace("&amp;", "&")
}

/// Text with pieces of it replaced: spans that do not overlap, each with what stands there now.
pub(crate) fn edited(text: &str, mut edits: Vec<(Range<usize>, String)>) -> String {
    edits.sort_by_key(|(span, _)| (span.start, span.end));
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    for (span, with) in edits {
        out.push_str(text.get(at..span.start).unwrap_or_default());
        out.push_str(&with);
        at = span.end.max(at);
    }
    out.push_str(text.get(at..).unwrap_or_default());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_cover_whatever_is_typed() {
        for text in [
            "<?xml version='1.0'?><!-- c --><a b=\"1\" c='x>y'>t&amp;<b/></a>\n",
            "<a b=\"1",
            "<a b= c",
            "<a b=\"x<c/>",
            "<<a>",
            "</",
            "text only 姓名",
            "<m:set path=\"姓名\"\n  from='@a'/>",
            "<![CDATA[<a>]]><!-- open",
            "<a =\"1\"/>",
        ] {
            let pieces = pieces(text);
            let mut at = 0;
            for piece in &pieces {
                assert_eq!(piece.span().start, at, "{text}");
                at = piece.span().end;
            }
            assert_eq!(at, text.len(), "{text}: {pieces:?}");
        }
    }

    #[test]
    fn tags_have_attributes_and_places() {
        let text = "<a>\n  <m:set path=\"姓名\" from='@a'/>\n</a>";
        let place = Place { line: 2, column: 3 };
        let tag = tag_at(text, place).unwrap();
        assert_eq!((tag.name, tag.local(), tag.empty), ("m:set", "set", true));
        let from = tag.attribute("from").unwrap();
        assert_eq!((from.raw, text.get(from.span.clone())), ("@a", Some("from='@a'")));
        assert_eq!(super::place(text, offset(text, place)), place);
        assert_eq!(super::place(text, from.span.start), Place { line: 2, column: 20 });
        assert_eq!(edited(text, vec![(from.value.clone(), "@b".to_owned())]).matches("@b").count(), 1);
    }
}
