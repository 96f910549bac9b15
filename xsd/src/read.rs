//! The one reader: octets to events and to a tree, behind a well-formedness guard and limits.
//!
//! quick-xml only says where a token starts and ends; every rule of XML 1.0 and Namespaces in XML 1.0 that it leaves unchecked is
//! checked here.

use crate::chars;
use crate::decode::{Lines, decode, parse_declaration};
use crate::scope::{Name, Names, Scope, XMLNS_NAMESPACE};
use crate::tree::{Attribute, Element, Node, Place, QName};
use quick_xml::events::Event as Token;
use std::borrow::Cow;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

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
    let mut open: Vec<Element> = Vec::new();
    while let Some(event) = reader.next_event()? {
        let done = match event {
            Event::Start(element) => {
                open.push(element);
                continue;
            }
            Event::End => open.pop(),
            Event::Text(text) => {
                if let Some(parent) = open.last_mut() {
                    parent.push_node(Node::Text(text.into_owned()));
                }
                continue;
            }
            Event::Comment => {
                open.last_mut().into_iter().for_each(|parent| parent.push_node(Node::Comment));
                continue;
            }
            Event::Instruction { target, data } => {
                let instruction =
                    |parent: &mut Element| parent.push_node(Node::Instruction { target: target.to_owned(), data: data.to_owned() });
                open.last_mut().into_iter().for_each(instruction);
                continue;
            }
        };
        match (done, open.last_mut()) {
            (Some(element), Some(parent)) => parent.push(element),
            (Some(root), None) => {
                // What follows the root is still to be checked.
                while reader.next_event()?.is_some() {}
                return Ok(root);
            }
            (None, _) => break,
        }
    }
    Err(reader.fail(Rule::NotWellFormed, text.len(), "no root element"))
}

/// The text of a document for a [`Reader`]: decoded, line ends normalised (XML 1.0 §2.11).
///
/// # Errors
/// Too many octets, or [`Rule::Encoding`].
pub fn text<'o>(octets: &'o [u8], charset: Option<&str>, limits: &Limits) -> Result<Cow<'o, str>, Malformed> {
    if octets.len() > limits.document_bytes_max {
        let what = format!("the document has {} octets, more than {}", octets.len(), limits.document_bytes_max);
        return Err(Malformed { rule: Rule::TooLarge, place: Place::default(), what });
    }
    let text = decode(octets, charset)?;
    if !text.as_bytes().contains(&b'\r') {
        return Ok(text);
    }
    let mut normal = String::with_capacity(text.len());
    for (number, part) in text.split('\r').enumerate() {
        if number > 0 {
            normal.push('\n');
        }
        normal.push_str(if number > 0 { part.strip_prefix('\n').unwrap_or(part) } else { part });
    }
    Ok(Cow::Owned(normal))
}

/// What a [`Reader`] meets, in document order. Every start has its end; text in pieces is joined.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event<'t> {
    /// A start tag: an element with name, declarations, attributes and place, without content.
    Start(Element),
    /// The end of the innermost open element.
    End,
    /// Character data inside the root, CDATA and references resolved, never empty.
    Text(Cow<'t, str>),
    /// A comment.
    Comment,
    /// A processing instruction.
    Instruction {
        /// Its target.
        target: &'t str,
        /// What follows the target and its white space.
        data: &'t str,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Prolog,
    Root,
    Epilog,
}

/// A pull reader over the text of one document.
pub struct Reader<'t> {
    text: &'t str,
    limits: Limits,
    tokens: quick_xml::Reader<&'t [u8]>,
    forbidden: Option<usize>,
    names: Names<'t>,
    scope: Scope,
    /// The number of child elements so far, of each open element.
    children: Vec<usize>,
    elements: usize,
    lines: Lines,
    stage: Stage,
    waiting: Option<Event<'t>>,
    closing: bool,
    failed: Option<Malformed>,
}

impl<'t> Reader<'t> {
    /// A reader over what [`text`] returned.
    #[must_use]
    pub fn new(text: &'t str, limits: &Limits) -> Self {
        Self {
            text,
            limits: *limits,
            tokens: quick_xml::Reader::from_str(text),
            forbidden: chars::first_forbidden(text),
            names: Names::default(),
            scope: Scope::default(),
            children: Vec::new(),
            elements: 0,
            lines: Lines::default(),
            stage: Stage::Prolog,
            waiting: None,
            closing: false,
            failed: None,
        }
    }

    /// The next event; `None` after the end of a well-formed document.
    ///
    /// # Errors
    /// The first violation; the same again when called again.
    pub fn next_event(&mut self) -> Result<Option<Event<'t>>, Malformed> {
        if let Some(event) = self.waiting.take() {
            return Ok(Some(event));
        }
        if std::mem::take(&mut self.closing) {
            self.close();
            return Ok(Some(Event::End));
        }
        if let Some(failed) = &self.failed {
            return Err(failed.clone());
        }
        let event = self.advance();
        if let Err(failed) = &event {
            self.failed = Some(failed.clone());
        }
        event
    }

    /// Joins text, and puts the markup that ends it aside.
    fn advance(&mut self) -> Result<Option<Event<'t>>, Malformed> {
        let mut run: Cow<'t, str> = Cow::Borrowed("");
        let event = loop {
            let (token, span) = self.token()?;
            let inside = self.stage == Stage::Root;
            match token {
                Token::Text(_) if inside => join(&mut run, self.character_data(span)?),
                Token::Text(_) => self.blank(span)?,
                Token::CData(_) if inside => join(&mut run, self.slice(span.start + 9..span.end.saturating_sub(3))),
                Token::GeneralRef(_) if inside => run.to_mut().push(self.reference(span)?),
                Token::CData(_) | Token::GeneralRef(_) => return Err(self.wrong(span.start, "text outside the root element")),
                Token::Decl(_) => self.declaration(span)?,
                Token::Eof => break self.finish()?,
                markup => break Some(self.markup(&markup, span)?),
            }
        };
        if run.is_empty() {
            return Ok(event);
        }
        self.waiting = event;
        Ok(Some(Event::Text(run)))
    }

    fn token(&mut self) -> Result<(Token<'t>, Range<usize>), Malformed> {
        const DOCTYPE: &str = "a document type declaration, which is not accepted";
        let start = self.position();
        if start == 0 && self.text.starts_with('\u{FEFF}') {
            return Err(self.wrong(0, "a second byte order mark"));
        }
        if self.slice(start..self.text.len()).starts_with("<!DOCTYPE") {
            return Err(self.fail(Rule::Doctype, start, DOCTYPE));
        }
        let token = self.tokens.read_event();
        let end = self.position();
        if let Some(at) = self.forbidden.filter(|at| *at < end) {
            return Err(self.wrong(at, "a character that XML does not allow"));
        }
        match token {
            Ok(Token::DocType(_)) => Err(self.fail(Rule::Doctype, start, DOCTYPE)),
            Ok(token) => Ok((token, start..end)),
            Err(error) => Err(self.wrong(start, error.to_string())),
        }
    }

    fn position(&self) -> usize {
        usize::try_from(self.tokens.buffer_position()).unwrap_or(usize::MAX).min(self.text.len())
    }

    fn slice(&self, span: Range<usize>) -> &'t str {
        self.text.get(span).unwrap_or_default()
    }

    fn character_data(&self, span: Range<usize>) -> Result<&'t str, Malformed> {
        let text = self.slice(span.clone());
        match text.find("]]>") {
            None => Ok(text),
            Some(at) => Err(self.wrong(span.start + at, "]]> in text")),
        }
    }

    fn blank(&self, span: Range<usize>) -> Result<(), Malformed> {
        match self.slice(span.clone()).bytes().position(|byte| !chars::is_space(byte)) {
            None => Ok(()),
            Some(at) => Err(self.wrong(span.start + at, "text outside the root element")),
        }
    }

    fn reference(&self, span: Range<usize>) -> Result<char, Malformed> {
        let name = self.slice(span.start + 1..span.end.saturating_sub(1));
        chars::reference(name).ok_or_else(|| self.no_reference(span.start, name))
    }

    fn no_reference(&self, at: usize, name: &str) -> Malformed {
        self.wrong(at, format!("&{}; is neither a predefined entity nor the number of a character", shown(name)))
    }

    fn declaration(&self, span: Range<usize>) -> Result<(), Malformed> {
        if span.start != 0 {
            return Err(self.wrong(span.start, "an XML declaration that does not start the document"));
        }
        let content = self.slice(span.start + 5..span.end.saturating_sub(2));
        parse_declaration(content).map(drop).map_err(|what| self.wrong(span.start, what))
    }

    fn finish(&mut self) -> Result<Option<Event<'t>>, Malformed> {
        match self.stage {
            Stage::Epilog => Ok(None),
            Stage::Prolog => Err(self.wrong(self.text.len(), "no root element")),
            Stage::Root => Err(self.wrong(self.text.len(), "the document ends inside an element")),
        }
    }

    fn markup(&mut self, token: &Token<'t>, span: Range<usize>) -> Result<Event<'t>, Malformed> {
        match token {
            Token::Start(_) => self.start(span.start, span.start + 1..span.end.saturating_sub(1)),
            Token::Empty(_) => {
                let event = self.start(span.start, span.start + 1..span.end.saturating_sub(2));
                self.closing = event.is_ok();
                event
            }
            Token::End(_) => {
                self.close();
                Ok(Event::End)
            }
            Token::PI(_) => self.instruction(span),
            _ => match self.slice(span.start + 4..span.end.saturating_sub(3)) {
                text if text.contains("--") || text.ends_with('-') => Err(self.wrong(span.start, "-- inside a comment")),
                _ => Ok(Event::Comment),
            },
        }
    }

    fn instruction(&self, span: Range<usize>) -> Result<Event<'t>, Malformed> {
        let content = self.slice(span.start + 2..span.end.saturating_sub(2));
        let (target, data) =
            content.split_at_checked(content.bytes().take_while(|byte| !chars::is_space(*byte)).count()).unwrap_or_default();
        if !chars::is_ncname(target) || target.eq_ignore_ascii_case("xml") || target.len() > self.limits.name_bytes_max {
            return Err(self.wrong(span.start, format!("{:?} is no target of a processing instruction", shown(target))));
        }
        Ok(Event::Instruction { target, data: data.trim_start_matches([' ', '\t', '\n']) })
    }

    fn close(&mut self) {
        self.scope.leave();
        self.children.pop();
        if self.children.is_empty() {
            self.stage = Stage::Epilog;
        }
    }

    /// A start tag whose `<` is at `at` and whose content, name and attributes, is `span`.
    fn start(&mut self, at: usize, span: Range<usize>) -> Result<Event<'t>, Malformed> {
        self.count(at)?;
        let content = self.slice(span.clone());
        let length = content.bytes().position(chars::is_space).unwrap_or(content.len());
        let (raw, rest) = content.split_at_checked(length).unwrap_or_default();
        let name = self.name(at, raw)?;
        self.scope.enter();
        let pairs = self.pairs(span.start + length, rest)?;
        let namespace = match self.scope.namespace(&name.prefix) {
            Some(namespace) => Arc::clone(namespace),
            None => return Err(self.wrong(at, format!("the prefix {:?} is not declared", &*name.prefix))),
        };
        let mut element = Element::new(name.prefix, QName::new(namespace, name.local));
        for (prefix, namespace) in self.scope.innermost() {
            element.push_namespace(Arc::clone(prefix), Arc::clone(namespace));
        }
        self.attributes(&mut element, pairs)?;
        element.set_place(self.lines.advance(self.text, at));
        Ok(Event::Start(element))
    }

    fn count(&mut self, at: usize) -> Result<(), Malformed> {
        self.elements += 1;
        if let Some(siblings) = self.children.last_mut() {
            *siblings += 1;
        }
        self.children.push(0);
        let siblings = self.children.iter().rev().nth(1).copied().unwrap_or_default();
        let too_large = [
            (self.elements, self.limits.elements_max, "elements in the document"),
            (self.children.len(), self.limits.depth_max, "elements inside one another"),
            (siblings, self.limits.children_max, "child elements in one element"),
        ];
        if self.stage == Stage::Epilog {
            return Err(self.wrong(at, "a second root element"));
        }
        self.stage = Stage::Root;
        match too_large.iter().find(|(found, max, _)| found > max) {
            None => Ok(()),
            Some((_, max, what)) => Err(self.fail(Rule::TooLarge, at, format!("more than {max} {what}"))),
        }
    }

    fn name(&mut self, at: usize, raw: &'t str) -> Result<Name, Malformed> {
        if raw.len() > self.limits.name_bytes_max {
            return Err(self.fail(Rule::TooLarge, at, format!("a name of more than {} bytes", self.limits.name_bytes_max)));
        }
        self.names.get(raw).ok_or_else(|| self.wrong(at, format!("{:?} is no name", shown(raw))))
    }

    /// Reads `name="value"` pairs, puts declarations into the scope, and returns the others in order (XML 1.0 production 41).
    fn pairs(&mut self, start: usize, text: &'t str) -> Result<Vec<(usize, Name, String)>, Malformed> {
        let mut pairs = Vec::new();
        let mut rest = text;
        let mut found = 0;
        loop {
            let trimmed = rest.trim_start_matches([' ', '\t', '\n']);
            let at = start + text.len() - trimmed.len();
            if trimmed.is_empty() {
                return Ok(pairs);
            }
            if trimmed.len() == rest.len() {
                return Err(self.wrong(at, "white space is missing before an attribute"));
            }
            found += 1;
            if found > self.limits.attributes_max {
                return Err(self.fail(Rule::TooLarge, at, format!("more than {} attributes in one element", self.limits.attributes_max)));
            }
            let broken = || self.wrong(at, "an attribute is a name, =, and a value in quotes");
            let length = trimmed.bytes().position(|byte| byte == b'=' || chars::is_space(byte)).unwrap_or(trimmed.len());
            let (raw, tail) = trimmed.split_at_checked(length).ok_or_else(broken)?;
            let tail = chars::trim_start(tail).strip_prefix('=').map(chars::trim_start).ok_or_else(broken)?;
            let quote = tail.chars().next().filter(|c| matches!(c, '"' | '\'')).ok_or_else(broken)?;
            let (value, after) = tail.strip_prefix(quote).and_then(|tail| tail.split_once(quote)).ok_or_else(broken)?;
            rest = after;
            let name = self.name(at, raw)?;
            let value = self.value(at, value)?;
            match (&*name.prefix, &*name.local) {
                ("xmlns", _) => self.declare(at, name.local, value)?,
                ("", "xmlns") => self.declare(at, Arc::clone(&name.prefix), value)?,
                _ => pairs.push((at, name, value)),
            }
        }
    }

    /// XML 1.0 §3.3.3 for CDATA attributes.
    fn value(&self, at: usize, raw: &str) -> Result<String, Malformed> {
        if raw.len() > self.limits.value_bytes_max {
            return Err(self.fail(Rule::TooLarge, at, format!("an attribute value of more than {} bytes", self.limits.value_bytes_max)));
        }
        let special = |byte: &u8| matches!(byte, b'&' | b'<' | b'\t' | b'\n');
        if !raw.as_bytes().iter().any(special) {
            return Ok(raw.to_owned());
        }
        let mut value = String::with_capacity(raw.len());
        let mut rest = raw;
        while let Some(c) = rest.chars().next() {
            rest = rest.get(c.len_utf8()..).unwrap_or_default();
            match c {
                '<' => return Err(self.wrong(at, "< in an attribute value")),
                '\t' | '\n' => value.push(' '),
                '&' => {
                    let (name, after) = rest.split_once(';').ok_or_else(|| self.wrong(at, "& without ; in an attribute value"))?;
                    value.push(chars::reference(name).ok_or_else(|| self.no_reference(at, name))?);
                    rest = after;
                }
                other => value.push(other),
            }
        }
        Ok(value)
    }

    /// A namespace declaration (Namespaces in XML 1.0 §3, §5); relative namespace names are refused, as canonicalization does.
    fn declare(&mut self, at: usize, prefix: Arc<str>, namespace: String) -> Result<(), Malformed> {
        if let Some(what) = crate::scope::forbidden(&prefix, &namespace, self.limits.relative_namespaces) {
            return Err(
                self.wrong(at, format!("xmlns{}{prefix}={:?}: {what}", if prefix.is_empty() { "" } else { ":" }, shown(&namespace)))
            );
        }
        let namespace = self.names.namespace(namespace);
        if !self.scope.declare(prefix, namespace) {
            return Err(self.wrong(at, "a prefix declared twice in one element"));
        }
        if self.scope.len() > self.limits.bindings_max {
            return Err(self.fail(Rule::TooLarge, at, format!("more than {} namespace bindings in scope", self.limits.bindings_max)));
        }
        Ok(())
    }

    fn attributes(&self, element: &mut Element, pairs: Vec<(usize, Name, String)>) -> Result<(), Malformed> {
        let mut attributes: Vec<Attribute> = Vec::with_capacity(pairs.len());
        let last = pairs.last().map_or(0, |(at, ..)| *at);
        for (at, name, value) in pairs {
            let namespace = match &*name.prefix {
                "" => self.names.none(),
                prefix => match self.scope.namespace(prefix) {
                    Some(namespace) if **namespace != *XMLNS_NAMESPACE => Arc::clone(namespace),
                    _ => return Err(self.wrong(at, format!("the prefix {prefix:?} is not declared"))),
                },
            };
            attributes.push(Attribute { name: QName::new(namespace, name.local), prefix: name.prefix, value });
        }
        let mut names: Vec<&QName> = attributes.iter().map(|attribute| &attribute.name).collect();
        names.sort_unstable();
        if let Some(twice) =
            names.windows(2).find_map(|pair| matches!(pair, [left, right] if left == right).then(|| pair.first()).flatten())
        {
            return Err(self.wrong(last, format!("the attribute {twice} stands twice in one element")));
        }
        element.replace_attributes(attributes);
        Ok(())
    }

    fn wrong(&self, at: usize, what: impl Into<String>) -> Malformed {
        self.fail(Rule::NotWellFormed, at, what)
    }

    fn fail(&self, rule: Rule, at: usize, what: impl Into<String>) -> Malformed {
        let mut lines = self.lines;
        Malformed { rule, place: lines.advance(self.text, at), what: what.into() }
    }
}

fn join<'t>(run: &mut Cow<'t, str>, piece: &'t str) {
    if run.is_empty() {
        *run = Cow::Borrowed(piece);
    } else {
        run.to_mut().push_str(piece);
    }
}

/// The start of what a peer wrote, short enough for a message.
fn shown(text: &str) -> String {
    text.chars().take(60).collect()
}
