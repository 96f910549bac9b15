//! A compiled mapping: everything that the schemas could decide is decided, and what is left reads no schema.

use crate::date::{Kind, Pattern};
use crate::document::{Absent, Missing};
use crate::function::Function;
use crate::identifier::Scheme;
use std::collections::BTreeMap;
use std::sync::Arc;
use xsd::tree::{Place, QName};

/// One kind of target document, made once for each window or once for all.
#[derive(Debug)]
pub(crate) struct Block {
    /// Which target.
    pub(crate) target: usize,
    /// From the root; `None` for `m:once`.
    pub(crate) window: Option<Select>,
    pub(crate) ops: Vec<Op>,
    pub(crate) guards: Vec<Guard>,
    pub(crate) place: Place,
}

/// Elements of which the rules read only those that satisfy a predicate: any other must not pass unseen.
#[derive(Clone, Debug)]
pub(crate) struct Guard {
    /// From the window to the elements that hold them.
    pub(crate) parents: Vec<QName>,
    pub(crate) name: QName,
    /// Each rule's predicates.
    pub(crate) seen: Vec<Vec<Check>>,
}

/// Where a rule reads, from where it stands.
#[derive(Clone, Debug, Default)]
pub(crate) struct Select {
    pub(crate) up: usize,
    pub(crate) down: Vec<Down>,
    pub(crate) attribute: Option<QName>,
    /// What the schema says that an absent attribute or an empty element means.
    pub(crate) declared_default: Option<String>,
    /// As the mapping writes it.
    pub(crate) text: String,
}

#[derive(Clone, Debug)]
pub(crate) struct Down {
    pub(crate) name: QName,
    pub(crate) checks: Vec<Check>,
}

#[derive(Clone, Debug)]
pub(crate) enum Check {
    Position(usize),
    Attribute(QName, String),
    Child(QName, String),
    Type(TypeCheck),
}

/// Which types an element may have to pass.
#[derive(Clone, Debug)]
pub(crate) struct TypeCheck {
    /// Whether it passes without xsi:type.
    pub(crate) declared: bool,
    pub(crate) named: Vec<QName>,
}

/// An element that the target gets.
#[derive(Clone, Debug)]
pub(crate) struct Slot {
    pub(crate) name: QName,
    pub(crate) prefix: Arc<str>,
    /// Its place among its siblings in the content model.
    pub(crate) rank: usize,
}

/// What a value is written to.
#[derive(Clone, Debug)]
pub(crate) enum Last {
    Element(Slot),
    Attribute(QName, Arc<str>),
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
    In { through: Vec<Slot>, slot: Slot, select: Option<Select>, ops: Vec<Op> },
    Each { through: Vec<Slot>, slot: Slot, select: Select, ops: Vec<Op> },
    Choose { whens: Vec<(Test, Vec<Op>)>, otherwise: Option<Vec<Op>> },
    Case { of: Select, branches: Vec<(TypeCheck, Vec<Op>)>, otherwise: Option<Vec<Op>> },
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
    /// SHA-256 of the documents of a target, one after the other.
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
