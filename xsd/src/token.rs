//! The tokens of a document: what stands in a window of its text, as far as it can be told without what follows.
//!
//! quick-xml's parsers say where markup ends; every rule of XML 1.0 and Namespaces in XML 1.0 that they leave unchecked is checked
//! here and in `tag.rs`.

use crate::chars;
use crate::decode::{Lines, parse_declaration};
use crate::names::{EMPTY, Names};
use crate::read::{Limits, Malformed, Rule};
use crate::scope::Scope;
use crate::tag::Pair;
use crate::tree::Place;
use quick_xml::parser::{CommentParser, ElementParser, Parser, PiParser};
use std::cell::Cell;
use std::ops::Range;

/// In a box, so that the way of what is well formed has it not in its hands.
pub(crate) type Broken = Box<Malformed>;

/// What an event is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A start tag.
    Start,
    /// Character data inside the root, CDATA and references resolved, never empty.
    Text,
    /// The end of the innermost open element, which is still open for who asks.
    End,
    /// A comment.
    Comment,
    /// A processing instruction.
    Instruction,
}

/// What a window holds next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Event(Kind),
    /// It cannot be told before more is in sight.
    More,
    Done,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    Prolog,
    Root,
    Epilog,
}

/// What the last event leaves to do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Before {
    #[default]
    Nothing,
    /// A text: forget it.
    Text,
    /// The start of an element that is empty: it ends.
    Empty,
    /// An end: leave the element.
    End,
    /// Nothing: the document is broken.
    Failed,
}

/// An open element.
#[derive(Clone, Debug)]
pub(crate) struct Open {
    /// Its name as written, and the number of its expanded name.
    pub(crate) name: usize,
    pub(crate) number: usize,
    /// Where it starts: in the window, and as a place once somebody has asked, or the window has moved on.
    at: usize,
    place: Cell<Option<Place>>,
    /// Declarations that end with it.
    pub(crate) declares: usize,
    children: usize,
}

/// The state between two tokens. Positions are bytes of the window.
pub(crate) struct Core {
    pub(crate) limits: Limits,
    pub(crate) names: Names,
    pub(crate) scope: Scope,
    pub(crate) open: Vec<Open>,
    /// Of the start tag that was read last: attributes, and their values where these are not in the window as they are.
    pub(crate) pairs: Vec<Pair>,
    pub(crate) values: String,
    /// Prefixes declared by open elements, with what they stood for before.
    pub(crate) undo: Vec<(usize, usize)>,
    /// For each expanded name the element that had it last as an attribute.
    pub(crate) stamps: Vec<usize>,
    pub(crate) elements: usize,
    pub(crate) piece_bytes: usize,
    pub(crate) names_bytes_max: usize,
    /// The place where the window starts, and the last one that was asked for.
    start: Lines,
    lines: Cell<Lines>,
    /// A text: where it stands, or what it is where it is in pieces.
    pub(crate) run: Range<usize>,
    pub(crate) joined: String,
    /// An instruction: target and data.
    pub(crate) target: Range<usize>,
    pub(crate) data: Range<usize>,
    pub(crate) at: usize,
    /// The entry of the start tag that was read last.
    last: usize,
    /// Up to where characters have been looked at, and the first that XML does not allow.
    seen: usize,
    pub(crate) forbidden: Option<usize>,
    pub(crate) stage: Stage,
    started: bool,
    pub(crate) before: Before,
    failed: Option<Broken>,
}

impl Core {
    pub(crate) fn new(limits: &Limits, piece_bytes: usize, names_bytes_max: usize) -> Self {
        Self {
            limits: *limits,
            names: Names::default(),
            scope: Scope::default(),
            open: Vec::new(),
            pairs: Vec::new(),
            values: String::new(),
            undo: Vec::new(),
            stamps: Vec::new(),
            elements: 0,
            piece_bytes,
            names_bytes_max,
            start: Lines::default(),
            lines: Cell::default(),
            run: 0..0,
            joined: String::new(),
            target: 0..0,
            data: 0..0,
            at: 0,
            last: EMPTY,
            seen: 0,
            forbidden: None,
            stage: Stage::Prolog,
            started: false,
            before: Before::Nothing,
            failed: None,
        }
    }

    /// Makes ready for another document; names keep their numbers.
    pub(crate) fn reset(&mut self) {
        self.names.unbind();
        self.scope.clear();
        self.open.clear();
        self.undo.clear();
        self.stamps.clear();
        self.elements = 0;
        self.start = Lines::default();
        self.lines = Cell::default();
        self.run = 0..0;
        (self.at, self.seen, self.forbidden) = (0, 0, None);
        self.stage = Stage::Prolog;
        (self.started, self.before) = (false, Before::Nothing);
        self.failed = None;
    }

    /// Goes on to the next event in `text`; `last` says that nothing follows it.
    ///
    /// # Errors
    /// The first violation; the same again when called again.
    #[inline(always)]
    pub(crate) fn step(&mut self, text: &str, last: bool) -> Result<Step, Broken> {
        self.next(text, last).map_err(|failed| self.remember(failed))
    }

    #[cold]
    fn remember(&mut self, failed: Broken) -> Broken {
        self.before = Before::Failed;
        self.failed.get_or_insert(failed).clone()
    }

    /// Bytes of the window that are not needed any more.
    pub(crate) fn passed(&self) -> usize {
        if self.run.is_empty() { self.at } else { self.run.start }
    }

    /// The window moves on.
    pub(crate) fn shift(&mut self, text: &str, passed: usize) {
        for open in &self.open {
            self.place_of(text, open);
        }
        self.place(text, passed);
        self.lines.get_mut().shift(passed);
        self.start = self.lines.get();
        self.at -= passed.min(self.at);
        self.seen -= passed.min(self.seen);
        self.forbidden = self.forbidden.map(|at| at.saturating_sub(passed));
        self.run = self.run.start.saturating_sub(passed)..self.run.end.saturating_sub(passed);
    }

    /// What stands behind the window is wrong: a token that is too large where it starts, all else where it stands.
    pub(crate) fn broken(&mut self, text: &str, rule: Rule, what: String) -> Broken {
        let at = if rule == Rule::TooLarge { self.at } else { text.len() };
        let failed = self.fail(text, rule, at, what);
        self.remember(failed)
    }

    fn next(&mut self, text: &str, last: bool) -> Result<Step, Broken> {
        match std::mem::take(&mut self.before) {
            Before::Nothing => {}
            Before::Text => {
                self.run = 0..0;
                self.joined.clear();
            }
            Before::End => self.leave(),
            Before::Failed => {
                if let Some(failed) = &self.failed {
                    return Err(failed.clone());
                }
            }
            Before::Empty => {
                self.before = Before::End;
                return Ok(Step::Event(Kind::End));
            }
        }
        if self.seen < text.len() {
            self.look(text)?;
        }
        loop {
            let rest = text.as_bytes().get(self.at..).unwrap_or_default();
            let step = match rest.first() {
                Some(b'<') => self.angle(text, rest, last)?,
                None if !last => Some(Step::More),
                None if self.has_text() => Some(self.tell()),
                None => Some(self.finish(text)?),
                Some(b'&') => self.reference(text, rest, last)?,
                Some(_) if self.stage != Stage::Root => {
                    self.blank(text, rest)?;
                    None
                }
                Some(_) => self.characters(text, rest, last)?,
            };
            if let Some(step) = step {
                return Ok(step);
            }
        }
    }

    /// Looks at the characters that have come into sight.
    fn look(&mut self, text: &str) -> Result<(), Broken> {
        if !std::mem::replace(&mut self.started, true) && text.starts_with('\u{FEFF}') {
            return Err(self.wrong(text, 0, "a second byte order mark"));
        }
        if self.forbidden.is_none() {
            self.forbidden = chars::first_forbidden(text.get(self.seen..).unwrap_or_default()).map(|at| self.seen + at);
        }
        self.seen = text.len();
        Ok(())
    }

    /// A token that ends at `end` has only characters that XML allows.
    pub(crate) fn sound(&self, text: &str, end: usize) -> Result<(), Broken> {
        match self.forbidden.filter(|at| *at < end) {
            None => Ok(()),
            Some(at) => Err(self.wrong(text, at, "a character that XML does not allow")),
        }
    }

    /// What is to be said of markup whose end is not in sight.
    pub(crate) fn cut(&self, text: &str, last: bool, what: &str) -> Result<Option<Step>, Broken> {
        if !last {
            return Ok(Some(Step::More));
        }
        self.sound(text, text.len())?;
        Err(self.wrong(text, self.at, what))
    }

    /// What starts with `<`. `None`: it was a CDATA section.
    fn angle(&mut self, text: &str, rest: &[u8], last: bool) -> Result<Option<Step>, Broken> {
        const CDATA: &[u8] = b"<![CDATA[";
        if rest.get(1).is_none_or(|second| *second == b'!') {
            if rest.len() < CDATA.len() && !last {
                return Ok(Some(Step::More));
            }
            if rest.starts_with(CDATA) {
                return self.cdata(text, rest.get(CDATA.len()..).unwrap_or_default(), CDATA.len(), last);
            }
        }
        if self.has_text() {
            return Ok(Some(self.tell()));
        }
        match rest.get(1) {
            Some(b'/') => self.end(text, rest, last),
            Some(b'?') => self.instruction(text, rest, last),
            Some(b'!') => self.declared(text, rest, last),
            _ => self.start(text, rest, last),
        }
    }

    fn finish(&mut self, text: &str) -> Result<Step, Broken> {
        match self.stage {
            Stage::Epilog => Ok(Step::Done),
            Stage::Prolog => Err(self.wrong(text, text.len(), "no root element")),
            Stage::Root => Err(self.wrong(text, text.len(), "the document ends inside an element")),
        }
    }

    /// A comment, or what is not accepted at all.
    fn declared(&mut self, text: &str, rest: &[u8], last: bool) -> Result<Option<Step>, Broken> {
        if rest.get(2..9).is_some_and(|word| word.eq_ignore_ascii_case(b"doctype")) {
            return Err(self.fail(text, Rule::Doctype, self.at, "a document type declaration, which is not accepted"));
        }
        if !rest.starts_with(b"<!--") {
            return Err(self.wrong(text, self.at, "neither a comment nor a CDATA section"));
        }
        let Some(length) = CommentParser::default().feed(rest.get(4..).unwrap_or_default()) else {
            return self.cut(text, last, "a comment without an end");
        };
        let end = self.at + 4 + length;
        self.sound(text, end)?;
        match text.get(self.at + 4..end - 3).unwrap_or_default() {
            text_of if text_of.contains("--") || text_of.ends_with('-') => Err(self.wrong(text, self.at, "-- inside a comment")),
            _ => {
                self.at = end;
                Ok(Some(Step::Event(Kind::Comment)))
            }
        }
    }

    fn instruction(&mut self, text: &str, rest: &[u8], last: bool) -> Result<Option<Step>, Broken> {
        let Some(length) = PiParser::default().feed(rest.get(2..).unwrap_or_default()) else {
            return self.cut(text, last, "a processing instruction without an end");
        };
        let (start, end) = (self.at + 2, self.at + 2 + length + 1);
        self.sound(text, end)?;
        let content = text.get(start..end - 2).unwrap_or_default();
        let length = content.bytes().take_while(|byte| !chars::is_space(*byte)).count();
        let target = content.get(..length).unwrap_or_default();
        if target == "xml" {
            self.declaration(text, content.get(3..).unwrap_or_default())?;
            self.at = end;
            return Ok(None);
        }
        if !chars::is_ncname(target) || target.eq_ignore_ascii_case("xml") || target.len() > self.limits.name_bytes_max {
            return Err(self.wrong(text, self.at, format!("{:?} is no target of a processing instruction", shown(target))));
        }
        let data = content.get(length..).unwrap_or_default().trim_start_matches([' ', '\t', '\n']);
        self.target = start..start + length;
        self.data = end - 2 - data.len()..end - 2;
        self.at = end;
        Ok(Some(Step::Event(Kind::Instruction)))
    }

    fn declaration(&self, text: &str, content: &str) -> Result<(), Broken> {
        if self.at != 0 || !self.start.is_start() {
            return Err(self.wrong(text, self.at, "an XML declaration that does not start the document"));
        }
        parse_declaration(content).map(drop).map_err(|what| self.wrong(text, self.at, what))
    }

    fn end(&mut self, text: &str, rest: &[u8], last: bool) -> Result<Option<Step>, Broken> {
        let entry = self.open.last().map_or(EMPTY, |open| open.name);
        let length = self.names.starts(entry, rest.get(2..).unwrap_or_default()).filter(|_| entry != EMPTY);
        let end = match length {
            Some(length) if rest.get(2 + length) == Some(&b'>') => self.at + 2 + length,
            _ => {
                let Some(close) = memchr::memchr(b'>', rest) else { return self.cut(text, last, "an end tag without an end") };
                let end = self.at + close;
                self.sound(text, end)?;
                let raw = text.get(self.at + 2..end).unwrap_or_default().trim_end_matches([' ', '\t', '\n', '\r']);
                let name = self.names.raw(entry);
                if raw != name || name.is_empty() {
                    let what = match name {
                        "" => format!("an end tag of '{}' without a start tag", shown(raw)),
                        name => format!("the end tag of '{}' stands where that of '{}' is due", shown(raw), shown(name)),
                    };
                    return Err(self.wrong(text, self.at, what));
                }
                end
            }
        };
        self.at = end + 1;
        self.before = Before::End;
        Ok(Some(Step::Event(Kind::End)))
    }

    fn leave(&mut self) {
        if let Some(open) = self.open.pop()
            && open.declares > 0
        {
            self.scope.leave();
            for _ in 0..open.declares {
                if let Some((prefix, before)) = self.undo.pop() {
                    self.names.bind(prefix, before);
                }
            }
        }
        if self.open.is_empty() {
            self.stage = Stage::Epilog;
        }
    }

    fn start(&mut self, text: &str, rest: &[u8], last: bool) -> Result<Option<Step>, Broken> {
        const UNENDED: &str = "a start tag without an end";
        let at = self.at;
        let tail = rest.get(1..).unwrap_or_default();
        let ends_name = |byte: &u8| matches!(byte, b'>' | b'/' | b' ' | b'\t' | b'\n' | b'\r');
        let expected = self.names.follows(self.last, tail);
        let length = match expected {
            Some((_, length)) => length,
            None => match tail.iter().position(ends_name) {
                Some(length) => length,
                None => return self.cut(text, last, UNENDED),
            },
        };
        // Most tags have no attributes, and end with their name.
        let (mut name, mut content, mut empty) = (length, length, false);
        let mut end = at + 1 + length;
        if tail.get(length) != Some(&b'>') {
            let Some(close) = ElementParser::default().feed(tail) else { return self.cut(text, last, UNENDED) };
            end = at + 1 + close;
            empty = close.checked_sub(1).and_then(|before| tail.get(before)) == Some(&b'/');
            content = close - usize::from(empty);
            if tail.get(length) == Some(&b'/') {
                let within = tail.get(..content).unwrap_or_default();
                name = within.iter().position(|byte| chars::is_space(*byte)).unwrap_or(content);
            }
        }
        if self.forbidden.is_some() {
            self.sound(text, end + 1)?;
        }
        self.count(text, at)?;
        let entry = match expected {
            Some((entry, length)) if length == name => entry,
            _ => {
                let entry = self.name(text, at, at + 1..at + 1 + name)?;
                self.names.followed(self.last, entry);
                entry
            }
        };
        self.last = entry;
        self.open_tag(text, at, (entry, at + 1 + name), at + 1 + content)?;
        self.at = end + 1;
        if empty {
            self.before = Before::Empty;
        }
        Ok(Some(Step::Event(Kind::Start)))
    }

    fn count(&mut self, text: &str, at: usize) -> Result<(), Broken> {
        if self.stage == Stage::Epilog {
            return Err(self.wrong(text, at, "a second root element"));
        }
        self.stage = Stage::Root;
        self.elements += 1;
        let siblings = self.open.last_mut().map_or(0, |parent| {
            parent.children += 1;
            parent.children
        });
        let within =
            self.elements <= self.limits.elements_max && self.open.len() < self.limits.depth_max && siblings <= self.limits.children_max;
        if within {
            return Ok(());
        }
        let too_large = [
            (self.elements, self.limits.elements_max, "elements in the document"),
            (self.open.len() + 1, self.limits.depth_max, "elements inside one another"),
            (siblings, self.limits.children_max, "child elements in one element"),
        ];
        let (_, max, what) = too_large.into_iter().find(|(found, max, _)| found > max).unwrap_or_default();
        Err(self.fail(text, Rule::TooLarge, at, format!("more than {max} {what}")))
    }

    pub(crate) fn push(&mut self, name: usize, number: usize, at: usize, declares: usize) {
        self.open.push(Open { name, number, at, place: Cell::new(None), declares, children: 0 });
    }

    /// Where an open element starts. Few ask, so that it is not counted before.
    pub(crate) fn place_of(&self, text: &str, open: &Open) -> Place {
        open.place.get().unwrap_or_else(|| {
            let place = self.place(text, open.at);
            open.place.set(Some(place));
            place
        })
    }

    /// The place of a byte of the window.
    fn place(&self, text: &str, at: usize) -> Place {
        let mut lines = self.lines.get();
        if at < lines.at() {
            lines = self.start;
        }
        let place = lines.advance(text, at);
        self.lines.set(lines);
        place
    }

    #[cold]
    pub(crate) fn wrong(&self, text: &str, at: usize, what: impl Into<String>) -> Broken {
        self.fail(text, Rule::NotWellFormed, at, what)
    }

    #[cold]
    pub(crate) fn fail(&self, text: &str, rule: Rule, at: usize, what: impl Into<String>) -> Broken {
        Box::new(Malformed { rule, place: self.place(text, at), what: what.into() })
    }
}

/// The start of what a peer wrote, short enough for a message.
pub(crate) fn shown(text: &str) -> String {
    text.chars().take(60).collect()
}
