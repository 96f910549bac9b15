//! A walk over canonical octets that this program has written or checked itself, without a tree: for those who read millions.

use std::borrow::Cow;

/// One step of the walk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step<'a> {
    /// A start tag: the local name, and the attributes as written.
    Open(&'a str, Attributes<'a>),
    /// Text between two tags, as written: see [`unescaped`].
    Text(&'a str),
    /// An end tag.
    Close,
}

/// The attributes of a start tag, as written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attributes<'a>(&'a str);

impl<'a> Attributes<'a> {
    /// The value of the attribute of this name, without a prefix.
    #[must_use]
    pub fn get(self, name: &str) -> Option<Cow<'a, str>> {
        let mut rest = self.0;
        while let Some((key, tail)) = rest.split_once("=\"") {
            let (value, tail) = tail.split_once('"')?;
            if key.trim_start() == name {
                return Some(unescaped(value));
            }
            rest = tail;
        }
        None
    }
}

/// The steps over one canonical document. It ends early where the octets are not canonical; whoever needs to know reads with
/// [`crate::read`].
#[derive(Clone, Debug)]
pub struct Scan<'a> {
    rest: &'a str,
}

impl<'a> Scan<'a> {
    /// A walk over `text`.
    #[must_use]
    pub fn new(text: &'a str) -> Self {
        Self { rest: text }
    }
}

impl<'a> Iterator for Scan<'a> {
    type Item = Step<'a>;

    fn next(&mut self) -> Option<Step<'a>> {
        let Some(tag) = self.rest.strip_prefix('<') else {
            let end = self.rest.find('<')?;
            let (text, rest) = self.rest.split_at_checked(end)?;
            self.rest = rest;
            return Some(Step::Text(text));
        };
        // A canonical attribute may hold '>': the tag ends at the first one outside quotes.
        let mut quoted = false;
        let end = tag.bytes().position(|byte| {
            quoted ^= byte == b'"';
            byte == b'>' && !quoted
        })?;
        let (tag, rest) = tag.split_at_checked(end)?;
        self.rest = rest.strip_prefix('>')?;
        if tag.starts_with('/') {
            return Some(Step::Close);
        }
        let (name, attributes) = tag.split_once(' ').unwrap_or((tag, ""));
        Some(Step::Open(name.rsplit_once(':').map_or(name, |(_, local)| local), Attributes(attributes)))
    }
}

/// Text or an attribute's value with its references resolved: those that canonical XML writes (Canonical XML 1.0 §2.3).
#[must_use]
pub fn unescaped(text: &str) -> Cow<'_, str> {
    if !text.contains('&') {
        return Cow::Borrowed(text);
    }
    let known = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#x9;", "\t"), ("&#xA;", "\n"), ("&#xD;", "\r")];
    let mut plain = text.to_owned();
    for (reference, character) in known {
        plain = plain.replace(reference, character);
    }
    Cow::Owned(plain.replace("&amp;", "&"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::{Element, QName};

    /// Of every element: path, attribute `a`, text.
    type Seen = (String, Option<String>, String);

    fn by_tree(element: &Element, path: &str, found: &mut Vec<Seen>) {
        let path = format!("{path}/{}", element.name().local());
        let own = element.children().iter().filter_map(|node| if let crate::tree::Node::Text(text) = node { Some(&**text) } else { None });
        found.push((path.clone(), element.attribute("", "a").map(str::to_owned), own.collect()));
        for child in element.elements() {
            by_tree(child, &path, found);
        }
    }

    #[test]
    fn a_walk_says_what_the_tree_says() {
        let inner = Element::new("p", QName::new("urn:p", "Inner")).with("a", "x\"<>&\t\n\r&lt;'").text("a&b <c> &amp; \r é 市");
        let mut root = Element::new("q", QName::new("urn:q", "Root")).with("b", "1").with("a", "").child(inner.clone());
        root.push_text("tail>");
        root.push(inner.child(Element::new("", QName::new("", "Empty"))));
        let octets = crate::write::canonical(&root, &[], &[]);
        let mut expected = Vec::new();
        by_tree(&root, "", &mut expected);

        let (mut found, mut open): (Vec<Seen>, Vec<usize>) = (Vec::new(), Vec::new());
        for step in Scan::new(std::str::from_utf8(&octets).unwrap()) {
            match step {
                Step::Open(name, attributes) => {
                    let path = open.last().map_or(String::new(), |parent| found[*parent].0.clone());
                    open.push(found.len());
                    found.push((format!("{path}/{name}"), attributes.get("a").map(Cow::into_owned), String::new()));
                }
                Step::Text(text) => found[*open.last().unwrap()].2.push_str(&unescaped(text)),
                Step::Close => drop(open.pop()),
            }
        }
        assert_eq!(found, expected);
        assert!(open.is_empty());
    }
}
