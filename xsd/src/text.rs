//! Character data: text, references and CDATA sections, joined where they stand side by side.

use crate::chars;
use crate::token::{Before, Broken, Core, Kind, Stage, Step, shown};
use std::ops::Range;

impl Core {
    pub(crate) fn has_text(&self) -> bool {
        !(self.run.is_empty() && self.joined.is_empty())
    }

    pub(crate) fn tell(&mut self) -> Step {
        self.before = Before::Text;
        Step::Event(Kind::Text)
    }

    /// Joins a piece to the text, and passes on to `next`.
    #[inline]
    fn join(&mut self, text: &str, piece: Range<usize>, next: usize) {
        self.at = next;
        if !self.has_text() {
            self.run = piece;
            return;
        }
        if self.joined.is_empty() {
            self.joined.push_str(text.get(self.run.clone()).unwrap_or_default());
            self.run = 0..0;
        }
        self.joined.push_str(text.get(piece).unwrap_or_default());
    }

    pub(crate) fn characters(&mut self, text: &str, rest: &[u8], last: bool) -> Result<Option<Step>, Broken> {
        let first = stop(rest);
        // Most texts stand between two tags.
        if let Some(length) = first
            && self.forbidden.is_none()
            && !self.has_text()
            && matches!(rest.get(length..length + 2), Some([b'<', second]) if *second != b'!')
        {
            self.run = self.at..self.at + length;
            self.at += length;
            return Ok(Some(self.tell()));
        }
        self.characters_in_pieces(text, rest, last)
    }

    fn characters_in_pieces(&mut self, text: &str, rest: &[u8], last: bool) -> Result<Option<Step>, Broken> {
        let mut from = 0;
        let (length, complete) = loop {
            let tail = rest.get(from..).unwrap_or_default();
            let Some(found) = stop(tail).map(|found| from + found) else { break (rest.len(), last) };
            if rest.get(found) != Some(&b']') {
                break (found, true);
            }
            if rest.get(found..).is_some_and(|tail| tail.starts_with(b"]]>")) {
                self.sound(text, self.at + found)?;
                return Err(self.wrong(text, self.at + found, "]]> in text"));
            }
            from = found + 1;
        };
        if !complete && length < self.piece_bytes {
            return Ok(Some(Step::More));
        }
        let brackets = rest.iter().rev().take(2).take_while(|byte| !complete && **byte == b']').count();
        let end = self.at + length - brackets;
        self.sound(text, end)?;
        self.join(text, self.at..end, end);
        Ok((!complete || self.joined.len() >= self.piece_bytes).then(|| self.tell()))
    }

    pub(crate) fn blank(&mut self, text: &str, rest: &[u8]) -> Result<(), Broken> {
        let length = rest.iter().take_while(|byte| chars::is_space(**byte)).count();
        if matches!(rest.get(length), None | Some(b'<')) {
            self.at += length;
            return Ok(());
        }
        let end = memchr::memchr2(b'<', b'&', rest).unwrap_or(rest.len());
        self.sound(text, self.at + end)?;
        Err(self.wrong(text, self.at + length, "text outside the root element"))
    }

    pub(crate) fn reference(&mut self, text: &str, rest: &[u8], last: bool) -> Result<Option<Step>, Broken> {
        if self.stage != Stage::Root {
            return Err(self.wrong(text, self.at, "text outside the root element"));
        }
        let tail = rest.get(1..).unwrap_or_default();
        let Some(length) = memchr::memchr3(b';', b'<', b'&', tail) else { return self.cut(text, last, "& without ;") };
        let end = self.at + 1 + length;
        let name = text.get(self.at + 1..end).unwrap_or_default();
        self.sound(text, end + 1)?;
        let found = chars::reference(name).filter(|_| tail.get(length) == Some(&b';'));
        let character = found.ok_or_else(|| self.no_reference(text, self.at, name))?;
        self.join(text, 0..0, end + 1);
        self.joined.push(character);
        Ok((self.joined.len() >= self.piece_bytes).then(|| self.tell()))
    }

    pub(crate) fn no_reference(&self, text: &str, at: usize, name: &str) -> Broken {
        self.wrong(text, at, format!("&{}; is neither a predefined entity nor the number of a character", shown(name)))
    }

    pub(crate) fn cdata(&mut self, text: &str, tail: &[u8], opening: usize, last: bool) -> Result<Option<Step>, Broken> {
        if self.stage != Stage::Root {
            return Err(self.wrong(text, self.at, "text outside the root element"));
        }
        let start = self.at + opening;
        let mut from = 0;
        let length = loop {
            let Some(found) = memchr::memchr(b'>', tail.get(from..).unwrap_or_default()) else {
                return self.cut(text, last, "a CDATA section without an end");
            };
            let at = from + found;
            if at >= 2 && tail.get(at - 2..at) == Some(b"]]") {
                break at - 2;
            }
            from = at + 1;
        };
        self.sound(text, start + length)?;
        self.join(text, start..start + length, start + length + 3);
        Ok((self.joined.len() >= self.piece_bytes).then(|| self.tell()))
    }
}

/// Where text may end.
#[inline]
fn stop(text: &[u8]) -> Option<usize> {
    // Most texts are shorter than it takes to call for help.
    const SHORT: usize = 16;
    let short = text.get(..SHORT).unwrap_or(text);
    match short.iter().position(|byte| matches!(byte, b'<' | b'&' | b']')) {
        None if text.len() > SHORT => memchr::memchr3(b'<', b'&', b']', text.get(SHORT..)?).map(|found| SHORT + found),
        found => found,
    }
}
