//! A compiled mapping: everything that the schemas could decide is decided, and what is left reads no schema.

use crate::date::{Kind, Pattern};
use crate::document::{Absent, Algorithm, Missing, When};
use crate::function::Function;
use crate::identifier::Scheme;
use crate::kept::Kept;
use crate::xslt::Stylesheet;
use std::collections::BTreeMap;
use std::sync::Arc;
use xsd::tree::{Place, QName};

/// All of it.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    pub(crate) blocks: Vec<Block>,
    pub(crate) kept: Kept,
    /// The elements and attributes that targets get.
    pub(crate) names: Names,
    /// How many counts there are.
    pub(crate) counters: usize,
    /// Which digests of which targets rules ask for.
    pub(crate) digests: Vec<(usize, Algorithm)>,
}

/// The names of elements and attributes that targets get, each with the prefix that it is written with.
#[derive(Debug, Default)]
pub(crate) struct Names {
    written: Vec<Written>,
    numbers: BTreeMap<QName, Vec<usize>>,
}

/// A name as it is written.
#[derive(Debug)]
pub(crate) struct Written {
    pub(crate) name: QName,
    pub(crate) prefix: Arc<str>,
    /// With its prefix.
    pub(crate) text: String,
}

impl Names {
    /// The number of a name.
    pub(crate) fn intern(&mut self, name: &QName, prefix: &Arc<str>) -> usize {
        let known = self.numbers.get(name).into_iter().flatten().copied();
        let same = |number: &usize| self.get(*number).is_some_and(|known| known.prefix == *prefix);
        known.into_iter().find(same).unwrap_or_else(|| {
            let text = if prefix.is_empty() { name.local().to_owned() } else { format!("{prefix}:{}", name.local()) };
            self.written.push(Written { name: name.clone(), prefix: Arc::clone(prefix), text });
            let number = self.written.len() - 1;
            self.numbers.entry(name.clone()).or_default().push(number);
            number
        })
    }

    pub(crate) fn get(&self, number: usize) -> Option<&Written> {
        self.written.get(number)
    }
}

/// One kind of target document, made once for each window or once for all.
#[derive(Debug)]
pub(crate) struct Block {
    /// Which target.
    pub(crate) target: usize,
    pub(crate) when: When,
    /// From the root; `None` for `m:once`.
    pub(crate) window: Option<Select>,
    /// Octets that a window may need.
    pub(crate) max: Option<usize>,
    /// Whether elements that do not satisfy the predicates of the window are left out, for a reason.
    pub(crate) ignores_others: bool,
    /// The target's root.
    pub(crate) root: Slot,
    pub(crate) ops: Vec<Op>,
    pub(crate) guards: Vec<Guard>,
    pub(crate) place: Place,
}

/// A leaf that rules read or ignore only where predicates hold: any other must not pass unseen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Guard {
    /// From the window, which stands first, to the element that the leaf is, or whose attribute: the ways, and the types that have it.
    pub(crate) steps: Vec<(usize, Option<TypeCheck>)>,
    pub(crate) attribute: Option<usize>,
    /// As the mapping writes it.
    pub(crate) leaf: String,
    /// What each rule asks for at each step. Nothing where no rule reads what those types have: then they are looked for.
    pub(crate) seen: Vec<Vec<Vec<Check>>>,
}

/// Where a rule reads, from where it stands.
#[derive(Clone, Debug, Default)]
pub(crate) struct Select {
    pub(crate) up: usize,
    pub(crate) down: Vec<Down>,
    /// Its number among those kept there.
    pub(crate) attribute: Option<usize>,
    /// What the schema says that an absent attribute or an empty element means.
    pub(crate) declared_default: Option<String>,
    /// As the mapping writes it.
    pub(crate) text: String,
}

#[derive(Clone, Debug)]
pub(crate) struct Down {
    /// Which way of [`Kept`].
    pub(crate) to: usize,
    pub(crate) checks: Vec<Check>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Check {
    Position(usize),
    /// The number of the attribute, its value, and whether that is its default.
    Attribute(usize, String, bool),
    /// The way to the child, its text, and whether that is its default.
    Child(usize, String, bool),
    Type(TypeCheck),
}

/// Which types an element may have to pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TypeCheck {
    /// Whether it passes without xsi:type.
    pub(crate) declared: bool,
    pub(crate) named: Vec<QName>,
}

/// An element that the target gets.
#[derive(Clone, Debug)]
pub(crate) struct Slot {
    pub(crate) name: QName,
    /// In [`Names`].
    pub(crate) number: usize,
    /// Its place among its siblings in the content model.
    pub(crate) rank: usize,
}

/// What a value is written to.
#[derive(Clone, Debug)]
pub(crate) enum Last {
    Element(Slot),
    Attribute(QName, usize),
    /// The text of the element the rule stands in.
    Text,
}

#[derive(Debug)]
pub(crate) struct Op {
    pub(crate) place: Place,
    pub(crate) kind: OpKind,
}

#[derive(Debug)]
pub(crate) enum OpKind {
    Set(Box<Set>),
    In {
        through: Vec<Slot>,
        slot: Slot,
        select: Option<Select>,
        ops: Vec<Op>,
    },
    Each {
        through: Vec<Slot>,
        slot: Slot,
        select: Select,
        ops: Vec<Op>,
    },
    /// The element as it stands.
    Copy {
        through: Vec<Slot>,
        slot: Slot,
        select: Select,
    },
    Xslt {
        through: Vec<Slot>,
        slot: Slot,
        select: Select,
        stylesheet: Arc<Stylesheet>,
    },
    Choose {
        whens: Vec<(Test, Vec<Op>)>,
        otherwise: Option<Vec<Op>>,
    },
    Case {
        of: Select,
        branches: Vec<(TypeCheck, Vec<Op>)>,
        otherwise: Option<Vec<Op>>,
    },
}

#[derive(Debug)]
pub(crate) enum Test {
    Exists(Select),
    Missing(Select),
    Equals(Select, String),
}

#[derive(Debug)]
pub(crate) struct Set {
    /// Elements on the way, made where they are not there yet.
    pub(crate) through: Vec<Slot>,
    pub(crate) last: Last,
    pub(crate) value: Value,
    pub(crate) inside: Vec<Op>,
}

#[derive(Debug)]
pub(crate) enum Value {
    Constant(String),
    Count(Select),
    /// How often an element passed, by the number of its count.
    Counter(usize),
    /// The digest of the documents of a target, one after the other, by its place in [`Plan::digests`].
    Digest(usize),
    Read(Box<Read>),
}

/// The way of a value: read, then `via`, `check`, `parse`, `as`, `codes`.
#[derive(Debug)]
pub(crate) struct Read {
    /// Alternatives, each with whether white space around it means nothing.
    pub(crate) from: Vec<(Select, bool)>,
    pub(crate) nil: Option<Absent>,
    pub(crate) empty: Option<Absent>,
    pub(crate) default: Option<String>,
    pub(crate) via: Vec<Function>,
    pub(crate) check: Option<Scheme>,
    pub(crate) parse: Option<Pattern>,
    pub(crate) convert: Option<Kind>,
    pub(crate) zone: Option<i64>,
    pub(crate) codes: Option<Arc<CodeTable>>,
}

/// A code table, wherever it was written.
#[derive(Debug)]
pub(crate) struct CodeTable {
    pub(crate) name: String,
    pub(crate) to: BTreeMap<String, String>,
    pub(crate) missing: Missing,
}
