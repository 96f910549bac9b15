//! What a run did, for whoever tests or traces a mapping: which rules, cases and codes had their turn, and where a value came from.

use std::cell::RefCell;
use std::collections::BTreeSet;
use xsd::tree::Place;

/// Watches runs of one mapping. Ordinary runs have none.
#[derive(Debug, Default)]
pub struct Witness {
    seen: RefCell<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    rules: BTreeSet<Place>,
    branches: BTreeSet<(Place, usize)>,
    codes: BTreeSet<(String, String)>,
}

/// One value of a document that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Traced {
    /// From the document's root, as `/b:Record/b:Subject/@role`.
    pub path: String,
    /// The value.
    pub value: String,
    /// The rule that made it.
    pub rule: Place,
    /// Where it stood in the source; the window for a constant.
    pub source: Place,
}

impl Witness {
    pub(crate) fn rule(&self, rule: Place) {
        self.seen.borrow_mut().rules.insert(rule);
    }

    /// Branch `at` of the rule, from 0; what otherwise does comes after all others.
    pub(crate) fn branch(&self, rule: Place, at: usize) {
        self.seen.borrow_mut().branches.insert((rule, at));
    }

    pub(crate) fn code(&self, table: &str, from: &str) {
        self.seen.borrow_mut().codes.insert((table.to_owned(), from.to_owned()));
    }

    pub(crate) fn has_rule(&self, rule: Place) -> bool {
        self.seen.borrow().rules.contains(&rule)
    }

    pub(crate) fn has_branch(&self, rule: Place, at: usize) -> bool {
        self.seen.borrow().branches.contains(&(rule, at))
    }

    pub(crate) fn has_code(&self, table: &str, from: &str) -> bool {
        self.seen.borrow().codes.contains(&(table.to_owned(), from.to_owned()))
    }
}
