//! Where the text of a document comes from: all of it at once, or in parts that are forgotten when they have been read.

use crate::decode::{Decoder, HEAD_BYTES};
use crate::read::{Limits, Malformed, Rule};
use crate::tree::Place;
use std::io::Read;

/// A window of decoded text with line ends normalised that moves over a document.
pub trait Source {
    /// What is in sight.
    fn text(&self) -> &str;

    /// Whether nothing follows what is in sight.
    fn is_last(&self) -> bool;

    /// Bytes of character data after which a text is given out in pieces.
    fn piece_bytes(&self) -> usize;

    /// Octets of memory that the names of the document may cost.
    fn names_bytes_max(&self) -> usize;

    /// Forgets the first `passed` bytes, and brings more into sight unless that was the last.
    ///
    /// # Errors
    /// The rule and what is wrong with the octets behind what is in sight.
    fn advance(&mut self, passed: usize) -> Result<(), (Rule, String)>;
}

/// All of a document.
#[derive(Clone, Copy, Debug)]
pub struct Whole<'t>(pub(crate) &'t str);

impl Source for Whole<'_> {
    fn text(&self) -> &str {
        self.0
    }

    fn is_last(&self) -> bool {
        true
    }

    fn piece_bytes(&self) -> usize {
        usize::MAX
    }

    fn names_bytes_max(&self) -> usize {
        usize::MAX
    }

    fn advance(&mut self, _: usize) -> Result<(), (Rule, String)> {
        Ok(())
    }
}

/// Octets that are asked for at once.
pub(crate) const PART_BYTES: usize = 64 << 10;
/// What a tag, a comment or an instruction may have.
const TOKEN_BYTES_MAX: usize = 8 << 20;
const NAMES_BYTES_MAX: usize = 16 << 20;

/// A document that is read in parts. Its memory does not grow with the document: a window, and the distinct names.
pub struct Parts<R> {
    from: R,
    octets: Vec<u8>,
    /// The octets of the head that wait to be decoded.
    head: Vec<u8>,
    decoder: Decoder,
    text: String,
    /// The part before ended in a carriage return.
    carriage_return: bool,
    document_bytes: usize,
    document_bytes_max: usize,
    part_bytes: usize,
    ended: bool,
    failed: Option<(Rule, String)>,
}

impl<R: Read> Parts<R> {
    /// Reads the head of a document.
    ///
    /// # Errors
    /// [`Rule::Source`], or [`Rule::Encoding`]: unknown or contradicting itself.
    pub(crate) fn new(mut from: R, charset: Option<&str>, limits: &Limits, part_bytes: usize) -> Result<Self, Malformed> {
        let mut head = vec![0; HEAD_BYTES];
        let mut length = 0;
        while let Some(free) = head.get_mut(length..).filter(|free| !free.is_empty()) {
            match from.read(free) {
                Ok(0) => break,
                Ok(more) => length += more,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(Malformed { rule: Rule::Source, place: Place::default(), what: error.to_string() }),
            }
        }
        head.truncate(length);
        let (decoder, rest) = Decoder::new(&head, charset)?;
        head.drain(..length - rest.len());
        Ok(Self {
            from,
            octets: Vec::new(),
            head,
            decoder,
            text: String::new(),
            carriage_return: false,
            document_bytes: length,
            document_bytes_max: limits.document_bytes_max,
            part_bytes: part_bytes.max(1),
            ended: false,
            failed: None,
        })
    }

    /// The next octets are in `octets`, up to the length that is returned.
    fn fill(&mut self, wanted: usize) -> Result<usize, (Rule, String)> {
        if !self.head.is_empty() {
            self.octets.clear();
            self.octets.extend(self.head.drain(..wanted.min(self.head.len())));
            return Ok(self.octets.len());
        }
        if self.octets.len() < wanted {
            self.octets.resize(wanted, 0);
        }
        let length = loop {
            let free = self.octets.get_mut(..wanted).unwrap_or_default();
            match self.from.read(free) {
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                read => break read.map_err(|error| (Rule::Source, error.to_string()))?,
            }
        };
        self.document_bytes = self.document_bytes.saturating_add(length);
        if self.document_bytes > self.document_bytes_max {
            return Err((Rule::TooLarge, format!("the document has more than {} octets", self.document_bytes_max)));
        }
        Ok(length)
    }

    /// XML 1.0 §2.11, from byte `start` on.
    fn end_lines(&mut self, start: usize) {
        let part = self.text.get(start..).unwrap_or_default();
        let splits = self.carriage_return && part.starts_with('\n');
        if !part.is_empty() {
            self.carriage_return = part.ends_with('\r');
        }
        if !splits && memchr::memchr(b'\r', part.as_bytes()).is_none() {
            return;
        }
        let part = self.text.split_off(start);
        let part = if splits { part.get(1..).unwrap_or_default() } else { &part };
        crate::read::end_lines(part, &mut self.text);
    }
}

impl<R: Read> Source for Parts<R> {
    fn text(&self) -> &str {
        &self.text
    }

    fn is_last(&self) -> bool {
        self.ended && self.failed.is_none()
    }

    fn piece_bytes(&self) -> usize {
        PART_BYTES
    }

    fn names_bytes_max(&self) -> usize {
        NAMES_BYTES_MAX
    }

    fn advance(&mut self, passed: usize) -> Result<(), (Rule, String)> {
        self.text.drain(..passed);
        if let Some(failed) = &self.failed {
            return Err(failed.clone());
        }
        if self.text.len() > TOKEN_BYTES_MAX {
            return Err((Rule::TooLarge, format!("markup of more than {TOKEN_BYTES_MAX} bytes")));
        }
        // A token larger than the window is looked at anew when more of it has come: each time there is twice as much.
        let wanted = if self.text.len() > PART_BYTES { self.text.len() } else { self.part_bytes };
        let start = self.text.len();
        match self.fill(wanted) {
            Err(failed) => self.failed = Some(failed),
            Ok(length) => {
                self.ended = length == 0;
                let octets = self.octets.get(..length).unwrap_or_default();
                // What stands before the octets that are wrong is read first.
                self.failed = self.decoder.push(octets, self.ended, &mut self.text).err().map(|what| (Rule::Encoding, what));
            }
        }
        self.end_lines(start);
        Ok(())
    }
}
