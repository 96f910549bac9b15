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
    // Most texts are shorter than it takes to call for help: eight octets at a time.
    const WORDS: usize = 6;
    let (words, _) = text.as_chunks::<8>();
    for (at, word) in words.iter().take(WORDS).enumerate() {
        let word = u64::from_le_bytes(*word);
        let found = zeros(word ^ each(b'<')) | zeros(word ^ each(b'&')) | zeros(word ^ each(b']'));
        if found != 0 {
            return usize::try_from(found.trailing_zeros() / 8).ok().map(|within| at * 8 + within);
        }
    }
    let passed = words.len().min(WORDS) * 8;
    memchr::memchr3(b'<', b'&', b']', text.get(passed..)?).map(|found| passed + found)
}

const fn each(byte: u8) -> u64 {
    u64::from_le_bytes([byte; 8])
}

/// The high bits of the octets that are zero; of those above the lowest of them nothing is certain.
#[inline]
fn zeros(word: u64) -> u64 {
    word.wrapping_sub(each(1)) & !word & each(0x80)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_may_end_wherever_one_of_three_octets_stands() {
        let check = |fill: u8, length: usize, at: usize, found: u8| {
            let mut text = vec![fill; length];
            text[at] = found;
            assert_eq!(stop(&text), Some(at), "{fill} {length} {at}");
            text[length - 1] = found;
            assert_eq!(stop(&text), Some(at), "{fill} {length} {at}, and a second one");
        };
        // Octets one above what is looked for are where eight at a time could go wrong.
        for fill in *b"a=;'^\x00\x80\xFF" {
            for length in 0..90 {
                assert_eq!(stop(&vec![fill; length]), None, "{fill} {length}");
                (0..length).for_each(|at| b"<&]".iter().for_each(|found| check(fill, length, at, *found)));
            }
        }
    }
}
