//! Start tags: names, declarations and attributes, with the rules of XML 1.0 §3.1 and Namespaces in XML 1.0.

use crate::chars;
use crate::names::{EMPTY, XMLNS};
use crate::read::Rule;
use crate::token::{Broken, Core, shown};
use std::ops::Range;

/// An attribute of the start tag that was read last.
#[derive(Clone, Debug)]
pub(crate) struct Pair {
    at: usize,
    /// Its name as written, and the number of its expanded name.
    pub(crate) name: usize,
    pub(crate) number: usize,
    /// Where its value is: in the window, or in the values.
    pub(crate) value: Range<usize>,
    pub(crate) changed: bool,
}

impl Core {
    /// Opens an element whose `<` is at `at`, with the entry of its name and where that ends, and whose attributes end at `end`.
    #[inline]
    pub(crate) fn open_tag(&mut self, text: &str, at: usize, name: (usize, usize), end: usize) -> Result<(), Broken> {
        self.pairs.clear();
        self.values.clear();
        let (entry, from) = name;
        let declares = if from < end { self.read_pairs(text, entry, from, end)? } else { 0 };
        let Some(number) = self.names.element(entry) else { return Err(self.undeclared(text, at, entry)) };
        if !self.pairs.is_empty() {
            self.resolve(text)?;
        }
        self.push(entry, number, at, declares);
        Ok(())
    }

    fn undeclared(&self, text: &str, at: usize, entry: usize) -> Broken {
        self.wrong(text, at, format!("the prefix {:?} is not declared", shown(self.names.raw(self.names.parts(entry).0))))
    }

    #[inline]
    pub(crate) fn name(&mut self, text: &str, at: usize, span: Range<usize>) -> Result<usize, Broken> {
        if span.len() > self.limits.name_bytes_max {
            return Err(self.fail(text, Rule::TooLarge, at, format!("a name of more than {} bytes", self.limits.name_bytes_max)));
        }
        let raw = text.get(span).unwrap_or_default();
        match self.names.intern(raw) {
            Some(_) if self.names.cost() > self.names_bytes_max => {
                Err(self.fail(text, Rule::TooLarge, at, "the document has too many different names"))
            }
            Some(entry) => Ok(entry),
            None => Err(self.wrong(text, at, format!("{:?} is no name", shown(raw)))),
        }
    }

    /// Reads `name="value"` pairs (XML 1.0 production 41), puts declarations into the scope, and says how many these were.
    fn read_pairs(&mut self, text: &str, entry: usize, start: usize, end: usize) -> Result<usize, Broken> {
        let bytes = text.as_bytes();
        let skip = |from: usize| from + bytes.get(from..end).unwrap_or_default().iter().take_while(|byte| chars::is_space(**byte)).count();
        let (mut from, mut found, mut declares, mut before) = (start, 0, 0, entry);
        loop {
            let at = skip(from);
            if at >= end {
                return Ok(declares);
            }
            if at == from {
                return Err(self.wrong(text, at, "white space is missing before an attribute"));
            }
            found += 1;
            if found > self.limits.attributes_max {
                let what = format!("more than {} attributes in one element", self.limits.attributes_max);
                return Err(self.fail(text, Rule::TooLarge, at, what));
            }
            let tail = bytes.get(at..end).unwrap_or_default();
            let expected = self.names.follows_attribute(before, tail);
            let length = expected.map(|(_, length)| length);
            let length = length.or_else(|| tail.iter().position(|byte| *byte == b'=' || chars::is_space(*byte)));
            let name_end = at + length.unwrap_or(tail.len());
            let equals = skip(name_end);
            let open = skip(equals + 1);
            let quote = bytes.get(open).copied().filter(|byte| open < end && matches!(byte, b'"' | b'\''));
            let value = quote.filter(|_| bytes.get(equals) == Some(&b'=')).and_then(|quote| {
                let value = bytes.get(open + 1..end)?;
                memchr::memchr(quote, value).map(|length| open + 1..open + 1 + length)
            });
            let Some(value) = value else { return Err(self.wrong(text, at, "an attribute is a name, =, and a value in quotes")) };
            from = value.end + 1;
            let name = match expected {
                Some((name, _)) => name,
                None => self.attribute_name(text, before, at..name_end)?,
            };
            before = name;
            let (value, changed) = self.value(text, at, value)?;
            let (prefix, local) = self.names.parts(name);
            match name == XMLNS || prefix == XMLNS {
                true => {
                    self.declare(text, at, if name == XMLNS { EMPTY } else { local }, (value, changed), declares == 0)?;
                    declares += 1;
                }
                false => self.pairs.push(Pair { at, name, number: 0, value, changed }),
            }
        }
    }

    fn attribute_name(&mut self, text: &str, before: usize, span: Range<usize>) -> Result<usize, Broken> {
        let name = self.name(text, span.start, span)?;
        self.names.followed_attribute(before, name);
        Ok(name)
    }

    /// XML 1.0 §3.3.3 for CDATA attributes: where the value is, and whether that is in `values`.
    #[inline]
    fn value(&mut self, text: &str, at: usize, span: Range<usize>) -> Result<(Range<usize>, bool), Broken> {
        if span.len() > self.limits.value_bytes_max {
            let what = format!("an attribute value of more than {} bytes", self.limits.value_bytes_max);
            return Err(self.fail(text, Rule::TooLarge, at, what));
        }
        let raw = text.get(span.clone()).unwrap_or_default();
        // A fold without early exit, so that the compiler turns it into vector instructions.
        let special = raw.bytes().fold(false, |found, byte| found | matches!(byte, b'&' | b'<' | b'\t' | b'\n'));
        if special { self.normalised(text, at, raw).map(|value| (value, true)) } else { Ok((span, false)) }
    }

    fn normalised(&mut self, text: &str, at: usize, raw: &str) -> Result<Range<usize>, Broken> {
        let start = self.values.len();
        let mut rest = raw;
        while let Some(c) = rest.chars().next() {
            rest = rest.get(c.len_utf8()..).unwrap_or_default();
            match c {
                '<' => return Err(self.wrong(text, at, "< in an attribute value")),
                '\t' | '\n' => self.values.push(' '),
                '&' => {
                    let (name, after) = rest.split_once(';').ok_or_else(|| self.wrong(text, at, "& without ; in an attribute value"))?;
                    let character = chars::reference(name).ok_or_else(|| self.no_reference(text, at, name))?;
                    self.values.push(character);
                    rest = after;
                }
                other => self.values.push(other),
            }
        }
        Ok(start..self.values.len())
    }

    /// A namespace declaration (Namespaces in XML 1.0 §3, §5); relative namespace names are refused, as canonicalization does.
    fn declare(&mut self, text: &str, at: usize, prefix: usize, value: (Range<usize>, bool), first: bool) -> Result<(), Broken> {
        let (span, changed) = value;
        let namespace = if changed { self.values.get(span) } else { text.get(span) }.unwrap_or_default();
        if let Some(what) = crate::scope::forbidden(self.names.raw(prefix), namespace, self.limits.relative_namespaces) {
            let colon = if prefix == EMPTY { "" } else { ":" };
            let what = format!("xmlns{colon}{}={:?}: {what}", shown(self.names.raw(prefix)), shown(namespace));
            return Err(self.wrong(text, at, what));
        }
        let number = self.names.namespace(namespace);
        let name = self.names.namespace_name(number).cloned().unwrap_or_else(|| "".into());
        if first {
            self.scope.enter();
        }
        if !self.scope.declare(self.names.shared(prefix), name) {
            return Err(self.wrong(text, at, "a prefix declared twice in one element"));
        }
        if self.scope.len() > self.limits.bindings_max {
            let what = format!("more than {} namespace bindings in scope", self.limits.bindings_max);
            return Err(self.fail(text, Rule::TooLarge, at, what));
        }
        let before = self.names.bind(prefix, number);
        self.undo.push((prefix, before));
        Ok(())
    }

    /// What the attributes' names stand for; each stands once.
    fn resolve(&mut self, text: &str) -> Result<(), Broken> {
        let mut pairs = std::mem::take(&mut self.pairs);
        let mut twice = None;
        for pair in &mut pairs {
            let Some(number) = self.names.attribute(pair.name) else { return Err(self.undeclared(text, pair.at, pair.name)) };
            pair.number = number;
            if self.stamps.len() <= number {
                self.stamps.resize(number + 1, 0);
            }
            if let Some(stamp) = self.stamps.get_mut(number)
                && std::mem::replace(stamp, self.elements) == self.elements
            {
                twice = twice.or(Some(number));
            }
        }
        let last = pairs.last().map_or(0, |pair| pair.at);
        self.pairs = pairs;
        match twice {
            None => Ok(()),
            Some(number) => {
                let (namespace, local) = self.names.expanded(number);
                let name = crate::tree::QName::new(namespace, shown(local));
                Err(self.wrong(text, last, format!("the attribute {name} stands twice in one element")))
            }
        }
    }
}
