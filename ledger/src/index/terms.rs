//! What a leaf can be found by: its terms, taken from its octets in one walk.

use super::IndexError;
use crate::record::number;
use crate::tree::Hash;
use std::borrow::Cow;
use xsd::scan::{Attributes, Scan, Step, unescaped};
use xsd::time::Timestamp;

/// A value's octets in a key; longer ones are hashed.
const VALUE_MAX: usize = 64;
const TEXT: u8 = b'T';
const UUID: u8 = b'U';
const HASHED: u8 = b'H';

/// The fields of a [`super::Filter`]; a key starts with the number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Field {
    Kind,
    Outcome,
    Sender,
    Receiver,
    User,
    Object,
    Grant,
    Signer,
    Server,
    Service,
    Operation,
    Status,
    Purpose,
    Conversation,
}

/// How many fields there are.
pub(super) const FIELDS: usize = Field::Conversation as usize + 1;

/// The key of a value: the field, a form, and the value as text, as the 16 octets of a UUID, or as SHA-256 of a long one.
pub(super) fn key(field: Field, value: &str) -> Vec<u8> {
    let mut key = vec![field as u8];
    push_value(&mut key, value);
    key
}

fn push_value(key: &mut Vec<u8>, value: &str) {
    if let Some(octets) = uuid(value) {
        key.push(UUID);
        key.extend_from_slice(&octets);
    } else if value.len() <= VALUE_MAX {
        key.push(TEXT);
        key.extend_from_slice(value.as_bytes());
    } else {
        key.push(HASHED);
        key.extend_from_slice(&Hash::of(value.as_bytes()).0);
    }
}

/// The octets of a UUID in its one form, which [`TEXT`] then never has.
fn uuid(value: &str) -> Option<[u8; 16]> {
    let text: &[u8; 36] = value.as_bytes().try_into().ok()?;
    let mut octets = [0; 16];
    let mut digits = 0;
    for (place, byte) in text.iter().enumerate() {
        let digit = match byte {
            b'-' if matches!(place, 8 | 13 | 18 | 23) => continue,
            b'0'..=b'9' if !matches!(place, 8 | 13 | 18 | 23) => byte - b'0',
            b'a'..=b'f' if !matches!(place, 8 | 13 | 18 | 23) => byte - b'a' + 10,
            _ => return None,
        };
        let octet = octets.get_mut(digits / 2)?;
        *octet = *octet << 4 | digit;
        digits += 1;
    }
    Some(octets)
}

/// What one leaf can be found by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    pub(super) index: u64,
    pub(super) time: Timestamp,
    pub(super) hash: Hash,
    /// Per term: the field, the length of the rest of the key, the rest.
    pub(super) octets: Vec<u8>,
}

impl Terms {
    /// Takes the terms from a leaf's octets in one walk, without judging them: leaves are checked before they are leaves.
    /// `hash` is the leaf's.
    ///
    /// # Errors
    /// [`IndexError::NotALeaf`].
    pub fn read(octets: &[u8], hash: Hash) -> Result<Self, IndexError> {
        let not = || IndexError::NotALeaf(hash);
        let text = std::str::from_utf8(octets).map_err(|_not_text| not())?;
        let mut walk = Walk::default();
        let mut path: Vec<&str> = Vec::with_capacity(8);
        for step in Scan::new(text) {
            match step {
                Step::Open(name, attributes) => {
                    path.push(name);
                    walk.open(&path, attributes);
                }
                Step::Text(text) => walk.text(&path, text),
                Step::Close => drop(path.pop()),
            }
        }
        let (Some(index), Some(time), true) = (walk.index, walk.time, path.is_empty()) else { return Err(not()) };
        Ok(Self { index, time, hash, octets: walk.terms })
    }

    /// The terms of a leaf that is not there any more: none. No filter with a value finds it.
    #[must_use]
    pub fn pruned(index: u64, hash: Hash) -> Self {
        Self { index, time: Timestamp(0), hash, octets: Vec::new() }
    }

    /// The keys' parts: the field's number, and the rest.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u8, &[u8])> {
        Parts(&self.octets)
    }
}

struct Parts<'a>(&'a [u8]);

impl<'a> Iterator for Parts<'a> {
    type Item = (u8, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (&[field, length], rest) = self.0.split_first_chunk::<2>()?;
        let (value, rest) = rest.split_at_checked(usize::from(length))?;
        self.0 = rest;
        Some((field, value))
    }
}

#[derive(Default)]
struct Walk<'a> {
    index: Option<u64>,
    time: Option<Timestamp>,
    kind: Cow<'a, str>,
    /// What a user's name stands under.
    authority: Cow<'a, str>,
    terms: Vec<u8>,
}

impl<'a> Walk<'a> {
    fn put(&mut self, field: Field, value: &str) {
        self.terms.extend([field as u8, 0]);
        let start = self.terms.len();
        push_value(&mut self.terms, value);
        let length = u8::try_from(self.terms.len() - start).unwrap_or_default();
        if let Some(place) = self.terms.get_mut(start - 1) {
            *place = length;
        }
    }

    fn open(&mut self, path: &[&str], attributes: Attributes<'a>) {
        match path {
            ["Leaf"] => {
                self.index = attributes.get("index").and_then(|index| number(&index));
                self.time = attributes.get("time").and_then(|time| Timestamp::parse(&time));
                self.kind = attributes.get("kind").unwrap_or_default();
                let kind = self.kind.clone();
                self.put(Field::Kind, &kind);
                // An inquiry has the id that its trades' conversation will have, and the ballots on a proposal name its id.
                if matches!(&*kind, "inquiry" | "proposal") {
                    self.put(Field::Conversation, &attributes.get("client").unwrap_or_default());
                }
            }
            ["Leaf", "Stream"] => {
                let field = match attributes.get("kind").as_deref() {
                    Some("grant") => Field::Grant,
                    Some("object") => Field::Object,
                    Some("receiver") => Field::Receiver,
                    Some("sender") => Field::Sender,
                    _ => return,
                };
                self.put(field, &attributes.get("id").unwrap_or_default());
            }
            ["Leaf", "Signature"] => self.put(Field::Signer, &attributes.get("account").unwrap_or_default()),
            // What is proposed says its kind by its name.
            ["Leaf", "Body", "Proposal", action] if !matches!(*action, "Proposer" | "Reason") => self.put(Field::Operation, action),
            [_, "Body", _, .., "User"] => self.authority = attributes.get("authority").unwrap_or_default(),
            _ => {}
        }
    }

    fn text(&mut self, path: &[&str], text: &'a str) {
        let field = match (&*self.kind, path) {
            (_, ["Leaf", "Outcome"]) => Field::Outcome,
            ("trade", [_, _, _, "ConversationId"]) | ("ballot", [_, _, _, "Proposal"]) => Field::Conversation,
            ("log", [_, _, _, "Source"]) => Field::Service,
            ("ballot", [_, _, _, "Vote"]) | ("refusal", [_, _, _, "Verdict"]) => Field::Status,
            ("proposal" | "revocation", [_, _, _, "Reason"]) => Field::Purpose,
            ("trade", [_, _, _, "Who", "User"]) | ("inquiry", [_, _, _, "User"]) | ("user" | "assignment", [_, _, _, "UserId"]) => {
                let user = [&*self.authority, "/", &*unescaped(text)].concat();
                return self.put(Field::User, &user);
            }
            ("user" | "assignment", [_, _, _, "Issuer"]) => {
                self.authority = unescaped(text);
                return;
            }
            ("trade", [_, _, _, "Where", "Server"]) | ("directory", [_, _, _, "Server"]) => Field::Server,
            ("trade", [_, _, _, "Where", "Service"]) | ("directory", [_, _, _, "AccessPath", "Service"]) => Field::Service,
            ("trade", [_, _, _, "Where", "Operation"]) | ("directory", [_, _, _, "AccessPath", "Operation"]) => Field::Operation,
            ("trade", [_, _, _, "How", "Status"]) | ("directory", [_, _, _, "Status"]) => Field::Status,
            ("trade", [_, _, _, "How", "Purpose"]) | ("grant", [_, _, _, "Purpose"]) => Field::Purpose,
            ("inquiry", [_, _, _, "Resource"]) => Field::Object,
            ("grant" | "revocation", [_, _, _, "Issuer"]) => Field::Sender,
            _ => return,
        };
        self.put(field, &unescaped(text));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_says_which_value_it_is_of() {
        let id = "01234567-89ab-4def-8123-456789abcdef";
        let long = "x".repeat(VALUE_MAX + 1);
        let values = [id, "", "civil", &id.replace('-', "_"), &id.to_uppercase(), &long, "T", &"x".repeat(VALUE_MAX)];
        let keys: std::collections::BTreeSet<Vec<u8>> = values.iter().map(|value| key(Field::Grant, value)).collect();
        assert_eq!(keys.len(), values.len());
        assert_eq!(key(Field::Grant, id).len(), 18);
        assert_ne!(key(Field::Grant, id), key(Field::Conversation, id));
    }
}
