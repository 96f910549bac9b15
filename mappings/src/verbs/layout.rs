//! `map fmt`: one layout for all mappings, so that a difference between two of them is a difference of meaning. Comments stay.

use crate::verbs::markup::{Piece, Tag, pieces};
use xsd::read::{Limits, Malformed, read};

/// Columns of a line; attributes that go beyond are continued on the next one.
const WIDTH: usize = 140;

/// The order of the attributes of rules; others stand behind in their own order, declarations of namespaces first of all.
const ORDER: [&str; 32] = [
    "name",
    "version",
    "id",
    "schema",
    "root",
    "encoding",
    "level",
    "sha256",
    "wsdl",
    "operation",
    "message",
    "resource",
    "href",
    "path",
    "from",
    "value",
    "count",
    "digest",
    "alg",
    "select",
    "to",
    "at",
    "of",
    "is",
    "exists",
    "missing",
    "equals",
    "via",
    "check",
    "parse",
    "as",
    "zone",
];
const LAST: [&str; 9] = ["codes", "default", "on-missing", "when-nil", "when-empty", "reason", "confidence", "max", "ignore-others"];

/// Lays a mapping out. The result reads as the same document, and laying it out again changes nothing.
///
/// # Errors
/// It is not well-formed.
pub fn fmt(text: &str) -> Result<String, Malformed> {
    read(text.as_bytes(), Some("UTF-8"), &Limits::default())?;
    Ok(laid_out(text))
}

/// A well-formed document in this layout.
pub(crate) fn laid_out(text: &str) -> String {
    let pieces = pieces(text.trim_start_matches('\u{feff}'));
    let mut blocks = vec![Vec::new()];
    let mut open: Vec<Tag<'_>> = Vec::new();
    for piece in pieces {
        match piece {
            Piece::Start(tag) if !tag.empty => {
                open.push(tag);
                blocks.push(Vec::new());
            }
            Piece::Start(tag) => push(&mut blocks, Block::Element(tag, Vec::new())),
            Piece::End { .. } => {
                let inside = blocks.pop().unwrap_or_default();
                if let Some(tag) = open.pop() {
                    push(&mut blocks, Block::Element(tag, inside));
                }
            }
            Piece::Text(span) => push(&mut blocks, Block::Text(text_of(text, span))),
            Piece::Comment(span) => push(&mut blocks, Block::Comment(text_of(text, span))),
            Piece::Other(span) => push(&mut blocks, Block::Other(text_of(text, span))),
        }
    }
    let mut out = String::new();
    inside(&blocks.pop().unwrap_or_default(), 0, &mut out);
    out
}

fn text_of(text: &str, span: std::ops::Range<usize>) -> &str {
    text.trim_start_matches('\u{feff}').get(span).unwrap_or_default()
}

fn push<'t>(blocks: &mut [Vec<Block<'t>>], block: Block<'t>) {
    if let Some(last) = blocks.last_mut() {
        last.push(block);
    }
}

enum Block<'t> {
    Element(Tag<'t>, Vec<Self>),
    Text(&'t str),
    Comment(&'t str),
    Other(&'t str),
}

impl Block<'_> {
    fn is_blank(&self) -> bool {
        matches!(self, Self::Text(text) if text.trim().is_empty())
    }

    /// Whether it stands as it is: text has to.
    fn is_text(&self) -> bool {
        matches!(self, Self::Text(text) if !text.trim().is_empty()) || matches!(self, Self::Other(text) if text.starts_with("<![CDATA["))
    }
}

/// The blocks of one element, each on a line of its own, with at most one blank line where there were some.
fn inside(blocks: &[Block<'_>], depth: usize, out: &mut String) {
    let mut gap = "";
    let mut first = true;
    for block in blocks {
        if let Block::Text(text) = block
            && block.is_blank()
        {
            gap = text;
            continue;
        }
        let trailing = matches!(block, Block::Comment(comment) if !comment.contains('\n')) && !first && !gap.contains('\n');
        if trailing {
            out.truncate(out.trim_end_matches('\n').len());
            out.push(' ');
        } else {
            if !first && gap.matches('\n').count() > 1 {
                out.push('\n');
            }
            out.push_str(&"  ".repeat(depth));
        }
        one(block, depth, out);
        out.push('\n');
        (gap, first) = ("", false);
    }
}

fn one(block: &Block<'_>, depth: usize, out: &mut String) {
    match block {
        Block::Text(text) | Block::Other(text) | Block::Comment(text) => out.push_str(text.trim()),
        Block::Element(tag, children) if children.iter().all(Block::is_blank) => {
            let kept = matches!(children.as_slice(), [Block::Text(_)]) && tag.local() == "text";
            if kept { verbatim(block, out) } else { out.push_str(&start(tag, depth, true)) }
        }
        Block::Element(_, children) if children.iter().any(Block::is_text) => verbatim(block, out),
        Block::Element(tag, children) => {
            if let Some(line) = on_one_line(tag, children, depth) {
                out.push_str(&line);
                return;
            }
            out.push_str(&start(tag, depth, false));
            out.push('\n');
            inside(children, depth + 1, out);
            out.push_str(&"  ".repeat(depth));
            end(tag, out);
        }
    }
}

fn end(tag: &Tag<'_>, out: &mut String) {
    out.push_str("</");
    out.push_str(tag.name);
    out.push('>');
}

/// A rule whose rules inside have none inside themselves, if it fits.
fn on_one_line(tag: &Tag<'_>, children: &[Block<'_>], depth: usize) -> Option<String> {
    if !["set", "in", "codes"].contains(&tag.local()) {
        return None;
    }
    let mut line = start(tag, depth, false);
    for child in children.iter().filter(|child| !child.is_blank()) {
        match child {
            Block::Element(inner, below) if below.iter().all(Block::is_blank) => line.push_str(&start(inner, depth, true)),
            _ => return None,
        }
    }
    end(tag, &mut line);
    (!line.contains('\n') && line.chars().count() + depth * 2 <= WIDTH).then_some(line)
}

fn verbatim(block: &Block<'_>, out: &mut String) {
    match block {
        Block::Text(text) | Block::Other(text) | Block::Comment(text) => out.push_str(text),
        Block::Element(tag, children) if children.is_empty() => out.push_str(&flat(tag, true)),
        Block::Element(tag, children) => {
            out.push_str(&flat(tag, false));
            children.iter().for_each(|child| verbatim(child, out));
            end(tag, out);
        }
    }
}

/// The attributes in their order, as they are written.
fn attributes(tag: &Tag<'_>) -> Vec<String> {
    let rank = |name: &str| match name {
        _ if name == "xmlns" || name.starts_with("xmlns:") => (0, 0),
        _ => match (ORDER.iter().position(|known| *known == name), LAST.iter().position(|known| *known == name)) {
            (Some(at), _) => (1, at),
            (None, None) => (2, 0),
            (None, Some(at)) => (3, at),
        },
    };
    let mut attributes: Vec<_> = tag.attributes.iter().collect();
    attributes.sort_by_key(|attribute| rank(attribute.name));
    let value = |raw: &str| raw.replace('"', "&quot;").replace(['\n', '\r', '\t'], " ");
    attributes.iter().map(|attribute| [attribute.name, "=\"", &value(attribute.raw), "\""].concat()).collect()
}

fn flat(tag: &Tag<'_>, empty: bool) -> String {
    let mut line = ["<", tag.name].concat();
    for attribute in attributes(tag) {
        line.push(' ');
        line.push_str(&attribute);
    }
    line.push_str(if empty { "/>" } else { ">" });
    line
}

fn start(tag: &Tag<'_>, depth: usize, empty: bool) -> String {
    let whole = flat(tag, empty);
    if whole.chars().count() + depth * 2 <= WIDTH {
        return whole;
    }
    let mut line = ["<", tag.name].concat();
    let mut column = depth * 2 + line.chars().count();
    for attribute in attributes(tag) {
        let more = attribute.chars().count() + 1;
        if column + more > WIDTH - 2 {
            line.push('\n');
            line.push_str(&"  ".repeat(depth + 2));
            column = (depth + 2) * 2;
        } else {
            line.push(' ');
        }
        line.push_str(&attribute);
        column += more;
    }
    line.push_str(if empty { "/>" } else { ">" });
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        let once = fmt(text).unwrap();
        assert_eq!(once, expected, "{text}");
        assert_eq!(fmt(&once).unwrap(), once, "not idempotent");
        let (before, after) = (read(text.as_bytes(), None, &Limits::default()), read(once.as_bytes(), None, &Limits::default()));
        let set_in = |root: xsd::tree::Element| {
            let mut root = root;
            super::super::set_in(&mut root);
            xsd::write::canonical(&root, &[], &[])
        };
        assert_eq!(set_in(before.unwrap()), set_in(after.unwrap()), "another document");
    }

    #[test]
    fn one_layout_with_all_comments() {
        check("<m:a xmlns:m='urn:u'><m:b/></m:a>", "<m:a xmlns:m=\"urn:u\">\n  <m:b/>\n</m:a>\n");
        check(
            "<?xml version=\"1.0\"?>\n<!-- one\n  two -->\n<a><!--three--><b></b>  <!-- four -->\n\n\n<c/></a>",
            "<?xml version=\"1.0\"?>\n<!-- one\n  two -->\n<a>\n  <!--three-->\n  <b/> <!-- four -->\n\n  <c/>\n</a>\n",
        );
        check(
            "<r><set from='@a' path=\"x\"   confidence=\"0.5\" via='replace(\"a\",&apos;b&apos;)'><set path='@s'\n value='&lt;'/></set></r>",
            "<r>\n  <set path=\"x\" from=\"@a\" via=\"replace(&quot;a&quot;,&apos;b&apos;)\" confidence=\"0.5\"><set path=\"@s\" value=\"&lt;\"/></set>\n</r>\n",
        );
        check("<a>text <b>x</b>\n y</a>", "<a>text <b>x</b>\n y</a>\n");
        let long = "x".repeat(70);
        let wide = ["<a><in path=\"", &long, "\" select=\"", &long, "\"/></a>"].concat();
        check(&wide, &["<a>\n  <in path=\"", &long, "\"\n      select=\"", &long, "\"/>\n</a>\n"].concat());
        assert!(fmt("<a>").is_err());
    }
}
