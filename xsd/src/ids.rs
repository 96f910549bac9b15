//! IDs and references to them: the one thing that is kept of what has been passed, within a limit.

use crate::report::limited;
use crate::simple::{Identity, words};
use crate::tree::Place;
use crate::validate::Finding;
use crate::verdict::Violation;
use std::collections::HashSet;

/// Octets of memory that IDs and open references may cost, more or less.
const BYTES_MAX: usize = 24 << 20;
/// What an entry costs beside its text.
const ENTRY_BYTES: usize = 64;

/// Part 1 §3.15.4 (cvc-id).
#[derive(Default)]
pub(crate) struct Ids {
    ids: HashSet<Box<str>>,
    /// References to IDs that have not been yet, with where they stand.
    open: Vec<(Box<str>, Place, String)>,
    bytes: usize,
    full: bool,
}

impl Ids {
    /// Takes the words of a value.
    pub(crate) fn take(&mut self, identity: Identity, text: &str, here: impl Fn() -> (Place, String)) -> Result<(), Finding> {
        let mut twice = None;
        for word in words(text) {
            if self.full {
                return Ok(());
            }
            let known = self.ids.contains(word);
            match identity {
                Identity::Reference if known => continue,
                Identity::Reference => {
                    let (place, path) = here();
                    self.bytes += path.len();
                    self.open.push((word.into(), place, path));
                }
                _ if known => {
                    twice = twice.or_else(|| Some(format!("a second element has the ID '{}'", limited(word))));
                    continue;
                }
                _ => drop(self.ids.insert(word.into())),
            }
            self.bytes += word.len() + ENTRY_BYTES;
            if self.bytes > BYTES_MAX {
                self.full = true;
                let what = format!("the IDs and references so far take more than {BYTES_MAX} bytes: they are not looked at from here on");
                return Err(("cvc-id", what, None));
            }
        }
        twice.map_or(Ok(()), |what| Err(("cvc-id.2", what, None)))
    }

    /// Ends a document: the references that no ID came for.
    pub(crate) fn conclude(&mut self) -> impl Iterator<Item = Violation> + use<> {
        let all = std::mem::take(self);
        let open = if all.full { Vec::new() } else { all.open };
        open.into_iter().filter(move |(id, ..)| !all.ids.contains(id)).map(|(id, place, path)| {
            let what = format!("no element of the document has the ID '{}'", limited(&id));
            Violation { rule: "cvc-id.1", place, path, what, help: None }
        })
    }
}
