//! The names of documents: one entry for each distinct name as written, and one number for each expanded name, kept from document to
//! document.

use crate::chars;
use crate::scope::XML_NAMESPACE;
use std::cell::OnceCell;
use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

/// No namespace.
pub(crate) const NONE: usize = 0;
/// A prefix that stands for nothing.
const UNBOUND: usize = usize::MAX;
/// The entry of no prefix.
pub(crate) const EMPTY: usize = 0;
/// The entry of `xml`, which always stands for its namespace.
const XML: usize = 1;
/// The entry of `xmlns`, which stands for nothing that a name could be in.
pub(crate) const XMLNS: usize = 2;

/// A name as written, and what it meant when it was met last.
#[derive(Clone, Debug)]
struct Entry {
    start: usize,
    length: usize,
    /// Its first eight octets, or all with zeros behind, and its last eight: most names are compared by them.
    head: u64,
    tail: u64,
    hash: u64,
    /// The entries of its prefix and of its local part: itself where it has no prefix.
    prefix: usize,
    local: usize,
    /// Where this is a prefix: the namespace that it stands for now.
    bound: usize,
    /// (namespace, number) as an element's name and as an attribute's.
    element: (usize, usize),
    attribute: (usize, usize),
    /// The entry of the start tag that followed that of this name last, and that of the attribute that did.
    next: usize,
    next_attribute: usize,
    shared: OnceCell<Arc<str>>,
}

/// The table.
#[derive(Clone, Debug)]
pub(crate) struct Names {
    text: String,
    entries: Vec<Entry>,
    /// Open addressing: an entry's index and one, or 0.
    slots: Vec<usize>,
    namespaces: Vec<Arc<str>>,
    /// Octets of all namespace names.
    spelled: usize,
    namespace_ids: HashMap<Arc<str>, usize>,
    /// (namespace, entry of the local part) to number.
    numbers: HashMap<(usize, usize), usize>,
    expanded: Vec<(usize, usize)>,
    /// What makes hashes of this table unlike those of any other: names are chosen by peers.
    secret: (u64, u64),
}

impl Default for Names {
    fn default() -> Self {
        let state = RandomState::new();
        let mut names = Self {
            text: String::new(),
            entries: Vec::new(),
            slots: vec![0; 256],
            namespaces: Vec::new(),
            spelled: 0,
            namespace_ids: HashMap::new(),
            numbers: HashMap::new(),
            expanded: Vec::new(),
            secret: (state.hash_one(1), state.hash_one(2) | 1),
        };
        for namespace in ["", XML_NAMESPACE] {
            names.namespace(namespace);
        }
        for prefix in ["", "xml", "xmlns"] {
            let hash = names.hash(prefix.as_bytes());
            names.insert(prefix, hash, EMPTY, None);
        }
        names.unbind();
        names
    }
}

impl Names {
    /// Octets of memory that the distinct names cost, more or less.
    pub(crate) fn cost(&self) -> usize {
        self.text.len() + self.spelled + (self.entries.len() + self.namespaces.len()) * 200
    }

    /// The entry of a name as written; `None` if it is no qualified name.
    #[inline]
    pub(crate) fn intern(&mut self, raw: &str) -> Option<usize> {
        let hash = self.hash(raw.as_bytes());
        match self.find(raw.as_bytes(), hash) {
            Some(EMPTY) => None,
            Some(entry) => Some(entry),
            None => self.learn(raw, hash),
        }
    }

    #[cold]
    fn learn(&mut self, raw: &str, hash: u64) -> Option<usize> {
        let (prefix, local) = chars::split_qname(raw)?;
        if prefix.is_empty() {
            return Some(self.insert(raw, hash, EMPTY, None));
        }
        let prefix = self.intern(prefix)?;
        let local = self.intern(local)?;
        Some(self.insert(raw, hash, prefix, Some(local)))
    }

    fn insert(&mut self, raw: &str, hash: u64, prefix: usize, local: Option<usize>) -> usize {
        let at = self.entries.len();
        let start = self.text.len();
        self.text.push_str(raw);
        let nothing = (UNBOUND, 0);
        self.entries.push(Entry {
            start,
            length: raw.len(),
            head: head(raw.as_bytes()),
            tail: raw.as_bytes().last_chunk().map_or(0, |last| u64::from_le_bytes(*last)),
            hash,
            prefix,
            local: local.unwrap_or(at),
            bound: UNBOUND,
            element: nothing,
            attribute: nothing,
            next: EMPTY,
            next_attribute: EMPTY,
            shared: OnceCell::new(),
        });
        if self.entries.len() * 2 > self.slots.len() {
            self.slots = vec![0; self.slots.len() * 4];
            for entry in 0..=at {
                self.place(entry);
            }
        } else {
            self.place(at);
        }
        at
    }

    fn place(&mut self, entry: usize) {
        let Some(hash) = self.entries.get(entry).map(|entry| entry.hash) else { return };
        let mask = self.slots.len() - 1;
        let mut slot = slot_of(hash, mask);
        while let Some(taken) = self.slots.get_mut(slot) {
            if *taken == 0 {
                *taken = entry + 1;
                return;
            }
            slot = (slot + 1) & mask;
        }
    }

    #[inline]
    fn find(&self, raw: &[u8], hash: u64) -> Option<usize> {
        let mask = self.slots.len() - 1;
        let mut slot = slot_of(hash, mask);
        loop {
            let at = self.slots.get(slot)?.checked_sub(1)?;
            let entry = self.entries.get(at)?;
            if entry.hash == hash && self.text.as_bytes().get(entry.start..entry.start + entry.length) == Some(raw) {
                return Some(at);
            }
            slot = (slot + 1) & mask;
        }
    }

    /// Two keyed multiplications a word: who does not know the key cannot choose names that collide.
    #[inline]
    fn hash(&self, bytes: &[u8]) -> u64 {
        let (words, tail) = bytes.as_chunks::<8>();
        let mut hash = self.secret.0;
        for word in words {
            hash = fold(hash ^ u64::from_le_bytes(*word), self.secret.1);
        }
        let last = tail.iter().fold(0, |last, byte| last << 8 | u64::from(*byte));
        let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        fold(hash ^ last ^ length.rotate_right(8), self.secret.1)
    }

    /// As written.
    #[inline]
    pub(crate) fn raw(&self, entry: usize) -> &str {
        self.entries.get(entry).and_then(|entry| self.text.get(entry.start..entry.start + entry.length)).unwrap_or_default()
    }

    /// The name that a start tag with `text` behind its `<` has, if it is the one that came behind `before` the last time: documents
    /// repeat themselves.
    #[inline]
    pub(crate) fn follows(&self, before: usize, text: &[u8]) -> Option<(usize, usize)> {
        let entry = self.entries.get(before)?.next;
        let length = self.starts(entry, text).filter(|_| entry != EMPTY)?;
        let ends = matches!(text.get(length), Some(b'>' | b'/' | b' ' | b'\t' | b'\n' | b'\r'));
        ends.then_some((entry, length))
    }

    /// The length of a name as written, if `text` starts with it.
    #[inline]
    pub(crate) fn starts(&self, entry: usize, text: &[u8]) -> Option<usize> {
        let entry = self.entries.get(entry)?;
        let length = entry.length;
        let same = match text.first_chunk::<8>() {
            Some(first) if length < 8 => u64::from_le_bytes(*first) & ((1 << (length * 8)) - 1) == entry.head,
            Some(first) if length <= 16 => {
                let last = text.get(length - 8..length)?.first_chunk::<8>()?;
                u64::from_le_bytes(*first) == entry.head && u64::from_le_bytes(*last) == entry.tail
            }
            _ => text.starts_with(self.text.as_bytes().get(entry.start..entry.start + length)?),
        };
        same.then_some(length)
    }

    /// As [`Names::follows`], of attributes: behind the name of the start tag, or of the attribute before.
    #[inline]
    pub(crate) fn follows_attribute(&self, before: usize, text: &[u8]) -> Option<(usize, usize)> {
        let entry = self.entries.get(before)?.next_attribute;
        let length = self.starts(entry, text).filter(|_| entry != EMPTY)?;
        let ends = matches!(text.get(length), Some(b'=' | b' ' | b'\t' | b'\n' | b'\r'));
        ends.then_some((entry, length))
    }

    /// Remembers which attribute came behind a name.
    pub(crate) fn followed_attribute(&mut self, before: usize, next: usize) {
        if let Some(entry) = self.entries.get_mut(before) {
            entry.next_attribute = next;
        }
    }

    /// Remembers what came behind a start tag.
    pub(crate) fn followed(&mut self, before: usize, next: usize) {
        if let Some(entry) = self.entries.get_mut(before) {
            entry.next = next;
        }
    }

    /// As written, to be kept.
    pub(crate) fn shared(&self, entry: usize) -> Arc<str> {
        match self.entries.get(entry) {
            Some(found) => Arc::clone(found.shared.get_or_init(|| self.raw(entry).into())),
            None => "".into(),
        }
    }

    /// The entries of the prefix (that of the empty name for none) and of the local part.
    #[inline]
    pub(crate) fn parts(&self, entry: usize) -> (usize, usize) {
        self.entries.get(entry).map_or((EMPTY, EMPTY), |entry| (entry.prefix, entry.local))
    }

    /// The number of a namespace.
    pub(crate) fn namespace(&mut self, namespace: &str) -> usize {
        if let Some(known) = self.namespace_ids.get(namespace) {
            return *known;
        }
        let name: Arc<str> = namespace.into();
        self.spelled += name.len();
        self.namespaces.push(Arc::clone(&name));
        self.namespace_ids.insert(name, self.namespaces.len() - 1);
        self.namespaces.len() - 1
    }

    /// A namespace by its number.
    pub(crate) fn namespace_name(&self, number: usize) -> Option<&Arc<str>> {
        self.namespaces.get(number)
    }

    /// Lets a prefix stand for a namespace, and says what it stood for.
    pub(crate) fn bind(&mut self, prefix: usize, namespace: usize) -> usize {
        self.entries.get_mut(prefix).map_or(UNBOUND, |entry| std::mem::replace(&mut entry.bound, namespace))
    }

    /// The number of an element's expanded name. `None`: its prefix is not declared.
    #[inline]
    pub(crate) fn element(&mut self, entry: usize) -> Option<usize> {
        let found = self.entries.get(entry)?;
        let namespace = self.entries.get(found.prefix)?.bound;
        let (known, number) = found.element;
        if known == namespace && namespace != UNBOUND {
            return Some(number);
        }
        let number = self.number(namespace, found.local)?;
        self.entries.get_mut(entry)?.element = (namespace, number);
        Some(number)
    }

    /// The number of an attribute's expanded name. `None`: its prefix is not declared.
    #[inline]
    pub(crate) fn attribute(&mut self, entry: usize) -> Option<usize> {
        let found = self.entries.get(entry)?;
        let namespace = if found.prefix == EMPTY { NONE } else { self.entries.get(found.prefix)?.bound };
        let (known, number) = found.attribute;
        if known == namespace && namespace != UNBOUND {
            return Some(number);
        }
        let number = self.number(namespace, found.local)?;
        self.entries.get_mut(entry)?.attribute = (namespace, number);
        Some(number)
    }

    #[cold]
    fn number(&mut self, namespace: usize, local: usize) -> Option<usize> {
        self.namespaces.get(namespace)?;
        let fresh = self.expanded.len();
        let number = *self.numbers.entry((namespace, local)).or_insert(fresh);
        if number == fresh {
            self.expanded.push((namespace, local));
        }
        Some(number)
    }

    /// The namespace and the local part of an expanded name.
    #[inline]
    pub(crate) fn expanded(&self, number: usize) -> (&str, &str) {
        let (namespace, local) = self.expanded.get(number).copied().unwrap_or_default();
        (self.namespaces.get(namespace).map_or("", |namespace| namespace), self.raw(local))
    }

    /// The namespace and the local part of an expanded name, to be kept.
    pub(crate) fn shared_expanded(&self, number: usize) -> (Arc<str>, Arc<str>) {
        let (namespace, local) = self.expanded.get(number).copied().unwrap_or_default();
        (self.namespaces.get(namespace).map_or_else(|| "".into(), Arc::clone), self.shared(local))
    }

    /// Forgets what prefixes stand for, for the next document.
    pub(crate) fn unbind(&mut self) {
        self.entries.iter_mut().for_each(|entry| entry.bound = UNBOUND);
        self.bind(EMPTY, NONE);
        self.bind(XML, 1);
    }
}

/// The first octets of a name as a number.
fn head(name: &[u8]) -> u64 {
    let mut first = [0; 8];
    first.iter_mut().zip(name).for_each(|(slot, byte)| *slot = *byte);
    u64::from_le_bytes(first)
}

fn slot_of(hash: u64, mask: usize) -> usize {
    usize::try_from(hash).unwrap_or_default() & mask
}

#[inline]
#[expect(clippy::cast_possible_truncation, reason = "the two halves of a product")]
fn fold(left: u64, right: u64) -> u64 {
    let product = u128::from(left) * u128::from(right);
    (product >> 64) as u64 ^ product as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_one_entry_and_means_what_its_prefix_means() {
        let mut names = Names::default();
        let (p, q) = (names.intern("p").unwrap(), names.intern("q").unwrap());
        let (pa, qa, a) = (names.intern("p:a").unwrap(), names.intern("q:a").unwrap(), names.intern("a").unwrap());
        assert_eq!((names.intern("p:a"), names.raw(pa), names.parts(pa)), (Some(pa), "p:a", (p, a)));
        for wrong in ["", ":", "a:", ":a", "a:b:c", "1", "a b", "a\u{D7}"] {
            assert_eq!(names.intern(wrong), None, "{wrong}");
        }
        assert_eq!(names.element(pa), None);
        let (one, two) = (names.namespace("urn:1"), names.namespace("urn:2"));
        names.bind(p, one);
        names.bind(q, one);
        let number = names.element(pa).unwrap();
        assert_eq!((names.element(qa), names.attribute(qa), names.expanded(number)), (Some(number), Some(number), ("urn:1", "a")));
        assert_eq!(names.bind(q, two), one);
        let (other, plain) = (names.element(qa).unwrap(), names.element(a).unwrap());
        assert_eq!((names.expanded(other), names.expanded(plain)), (("urn:2", "a"), ("", "a")));
        names.bind(EMPTY, two);
        let (element, attribute) = (names.element(a).unwrap(), names.attribute(a).unwrap());
        assert_eq!((names.expanded(element), names.expanded(attribute)), (("urn:2", "a"), ("", "a")));
        names.unbind();
        assert_eq!((names.element(pa), names.element(a)), (None, Some(attribute)));
    }

    #[test]
    fn what_came_behind_a_name_is_expected_behind_it_and_no_longer_name() {
        let mut names = Names::default();
        let (a, no, number) = (names.intern("a").unwrap(), names.intern("no").unwrap(), names.intern("number-of-it").unwrap());
        let check = |names: &Names, before: usize, text: &str, expected: Option<usize>| {
            let found = names.follows_attribute(before, text.as_bytes());
            assert_eq!(found, expected.map(|entry| (entry, names.raw(entry).len())), "{text}");
        };
        check(&names, a, "no='1'", None);
        names.followed_attribute(a, no);
        names.followed_attribute(no, number);
        for text in ["no='1' b", "no = '1'", "no\t='1'", "no\n"] {
            check(&names, a, text, Some(no));
        }
        for text in ["no", "now='1'", "n='1' no", "", "No='12345678'", "no>", "no/"] {
            check(&names, a, text, None);
        }
        check(&names, no, "number-of-it=''", Some(number));
        check(&names, no, "number-of-at=''", None);
        assert_eq!(names.follows(a, b"no>     "), None, "a start tag is no attribute");
    }

    #[test]
    fn the_table_grows() {
        let mut names = Names::default();
        let all: Vec<String> = (0..5000).map(|n| format!("n{n}")).collect();
        let entries: Vec<usize> = all.iter().map(|name| names.intern(name).unwrap()).collect();
        assert!(all.iter().zip(&entries).all(|(name, entry)| names.intern(name) == Some(*entry) && names.raw(*entry) == name));
    }
}
