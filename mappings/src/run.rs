//! Runs a compiled mapping over what is kept of a document. A record that cannot be made is a reject beside the others, never an error.

use crate::digest::Digests;
use crate::out::{Out, OutId};
use crate::plan::{Block, Check, Guard, Last, Op, OpKind, Select, Set, Slot, Test, TypeCheck, Value};
use crate::store::{NodeId, Store};
use crate::witness::Witness;
use crate::xslt::Stylesheet;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use xsd::tree::{Element, Place};

/// A record that was not made, and why. It names places, never values: values are business data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reject {
    /// Family SM9xx.
    pub code: &'static str,
    /// The mapping's file.
    pub mapping: Arc<str>,
    /// The rule in the mapping.
    pub rule: Place,
    /// Where the source stands that it could not take.
    pub source: Place,
    /// Why, in one sentence.
    pub text: String,
}

impl fmt::Display for Reject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "reject[{}] {}:{}: source {}: {}", self.code, self.mapping, self.rule, self.source, self.text)
    }
}

/// What one run needs, and what it makes.
pub(crate) struct Run<'r> {
    pub(crate) file: &'r Arc<str>,
    pub(crate) store: &'r Store,
    pub(crate) counters: &'r [u64],
    pub(crate) digests: &'r Digests,
    pub(crate) out: &'r mut Out,
    pub(crate) witness: Option<&'r Witness>,
}

/// A value in the text of [`Out`], and where the source stood.
type Written = Option<(Range<usize>, Place)>;

/// A step of a [`Guard`].
type GuardStep = (usize, Option<TypeCheck>);

impl Run<'_> {
    /// Makes the target document of one window.
    pub(crate) fn document(&mut self, block: &Block, focus: NodeId) -> Result<OutId, Reject> {
        for guard in &block.guards {
            if guard.seen.is_empty() && !self.store.has_types() {
                continue;
            }
            let seen: Vec<&[Vec<Check>]> = guard.seen.iter().map(Vec::as_slice).collect();
            self.guard(guard, (&guard.steps, &seen), block.place, focus)?;
        }
        let root = self.out.start(&block.root, (block.place, self.store.place(focus)));
        self.ops(&block.ops, focus, root)?;
        Ok(root)
    }

    pub(crate) fn reject(&self, code: &'static str, rule: Place, source: Place, text: impl Into<String>) -> Reject {
        Reject { code, mapping: Arc::clone(self.file), rule, source, text: text.into() }
    }

    /// Looks from `focus`, at the first of the steps that are left, for leaves that satisfy what no rule asks for; `at` also says what
    /// those rules ask for from here on whose predicates hold so far.
    fn guard(&self, guard: &Guard, at: (&[GuardStep], &[&[Vec<Check>]]), rule: Place, focus: NodeId) -> Result<(), Reject> {
        let (steps, seen) = at;
        let Some(((_, types), rest)) = steps.split_first() else { return Ok(()) };
        if types.as_ref().is_some_and(|types| !self.store.has_type(types, focus)) {
            return Ok(());
        }
        let seen: Vec<&[Vec<Check>]> = seen.iter().filter_map(|asked| asked.get(1..)).collect();
        let Some((way, _)) = rest.first() else {
            let there = guard.attribute.is_none_or(|attribute| self.store.value(focus, attribute).is_some());
            if there && seen.is_empty() {
                let why = if guard.seen.is_empty() { "no rule reads the attributes of its type" } else { "its predicates match none" };
                let text = format!("no rule reads this '{}': {why}", guard.leaf);
                return Err(self.reject("SM905", rule, self.store.place(focus), text));
            }
            return Ok(());
        };
        for (at, child) in self.store.children(focus, *way).enumerate() {
            let passes =
                |asked: &&&[Vec<Check>]| asked.first().is_none_or(|checks| checks.iter().all(|check| self.store.passes(check, at, child)));
            let left: Vec<&[Vec<Check>]> = seen.iter().filter(passes).copied().collect();
            self.guard(guard, (rest, &left), rule, child)?;
        }
        Ok(())
    }

    fn ops(&mut self, ops: &[Op], focus: NodeId, to: OutId) -> Result<(), Reject> {
        ops.iter().try_for_each(|op| self.op(op, focus, to))
    }

    fn op(&mut self, op: &Op, focus: NodeId, to: OutId) -> Result<(), Reject> {
        match &op.kind {
            OpKind::Set(set) => self.set(op.place, set, focus, to),
            OpKind::In { through, slot, select: None, ops } => self.inside((op.place, through, slot), ops, focus, to),
            OpKind::In { through, slot, select: Some(select), ops } => match self.one(select, op.place, focus)? {
                Some(inner) => self.inside((op.place, through, slot), ops, inner, to),
                None => Ok(()),
            },
            OpKind::Each { through, slot, select, ops } => {
                let mut all = Vec::new();
                self.store.select(select, focus, &mut |found| {
                    all.push(found);
                    true
                });
                all.into_iter().try_for_each(|inner| self.inside((op.place, through, slot), ops, inner, to))
            }
            OpKind::Choose { whens, otherwise } => {
                let at = whens.iter().position(|(test, _)| self.holds(test, focus)).unwrap_or(whens.len());
                match whens.get(at).map(|(_, ops)| ops).or(otherwise.as_ref()) {
                    Some(ops) => {
                        self.chose(op.place, at);
                        self.ops(ops, focus, to)
                    }
                    None => Err(self.reject("SM906", op.place, self.store.place(focus), "no m:when holds")),
                }
            }
            OpKind::Case { of, branches, otherwise } => {
                let Some(inner) = self.one(of, op.place, focus)? else { return Ok(()) };
                let at = branches.iter().position(|(check, _)| self.store.has_type(check, inner)).unwrap_or(branches.len());
                match branches.get(at).map(|(_, ops)| ops).or(otherwise.as_ref()) {
                    Some(ops) => {
                        self.chose(op.place, at);
                        self.ops(ops, inner, to)
                    }
                    None => Err(self.reject("SM906", op.place, self.store.place(inner), "no m:type is for the type that this element has")),
                }
            }
            OpKind::Copy { through, slot, select } => {
                let Some(inner) = self.one(select, op.place, focus)? else { return Ok(()) };
                let Some(whole) = self.store.whole(inner).cloned() else { return Ok(()) };
                self.take((op.place, through, slot), whole, inner, to);
                Ok(())
            }
            OpKind::Xslt { through, slot, select, stylesheet } => {
                let Some(inner) = self.one(select, op.place, focus)? else { return Ok(()) };
                let made = self.transformed(op.place, stylesheet, slot, inner)?;
                self.take((op.place, through, slot), made, inner, to);
                Ok(())
            }
        }
    }

    fn chose(&self, rule: Place, at: usize) {
        if let Some(witness) = self.witness {
            witness.branch(rule, at);
        }
    }

    fn wrote(&self, rule: Place) {
        if let Some(witness) = self.witness {
            witness.rule(rule);
        }
    }

    fn take(&mut self, at: (Place, &[Slot], &Slot), content: Element, from: NodeId, to: OutId) {
        let (place, through, slot) = at;
        self.wrote(place);
        let origin = (place, self.store.place(from));
        let made = self.out.make(slot, origin);
        self.out.set_content(made, content);
        let parent = self.out.through(to, through, origin);
        self.out.attach(parent, made);
    }

    fn transformed(&self, place: Place, stylesheet: &Stylesheet, slot: &Slot, from: NodeId) -> Result<Element, Reject> {
        let source = self.store.place(from);
        let failed = |why: &str| self.reject("SM912", place, source, format!("the stylesheet '{}' {why}", stylesheet.name()));
        let whole = self.store.whole(from).ok_or_else(|| failed("was given nothing"))?;
        let made = stylesheet.run(whole).map_err(|why| failed(&why))?;
        if *made.name() == slot.name { Ok(made) } else { Err(failed("made an element of another name than the rule's path")) }
    }

    fn inside(&mut self, at: (Place, &[Slot], &Slot), ops: &[Op], focus: NodeId, to: OutId) -> Result<(), Reject> {
        let (place, through, slot) = at;
        let origin = (place, self.store.place(focus));
        let made = self.out.make(slot, origin);
        self.ops(ops, focus, made)?;
        if !self.out.is_bare(made) {
            self.wrote(place);
            let parent = self.out.through(to, through, origin);
            self.out.attach(parent, made);
        }
        Ok(())
    }

    fn set(&mut self, place: Place, set: &Set, focus: NodeId, to: OutId) -> Result<(), Reject> {
        let Some((value, source)) = self.value(place, &set.value, focus)? else { return Ok(()) };
        self.wrote(place);
        let origin = (place, source);
        let parent = self.out.through(to, &set.through, origin);
        match &set.last {
            Last::Text => self.out.set_text(parent, value, origin),
            Last::Attribute(_, number) => self.out.set_attribute(parent, *number, value, origin),
            Last::Element(slot) => {
                let made = self.out.make(slot, origin);
                self.out.set_text(made, value, origin);
                self.ops(&set.inside, focus, made)?;
                self.out.attach(parent, made);
            }
        }
        Ok(())
    }

    fn value(&mut self, place: Place, value: &Value, focus: NodeId) -> Result<Written, Reject> {
        let start = self.out.mark();
        let source = match value {
            Value::Constant(constant) => {
                self.out.push(constant);
                self.store.place(focus)
            }
            Value::Count(select) => {
                let mut found = 0_u64;
                self.store.select(select, focus, &mut |_| {
                    found += 1;
                    true
                });
                self.out.push(&found.to_string());
                self.store.place(focus)
            }
            Value::Counter(number) => {
                self.out.push(&self.counters.get(*number).copied().unwrap_or_default().to_string());
                self.store.place(focus)
            }
            Value::Digest(number) => {
                self.out.push(&self.digests.hex(*number));
                self.store.place(focus)
            }
            Value::Read(read) => match self.read(place, read, focus)? {
                Some(source) => source,
                None => return Ok(None),
            },
        };
        Ok(Some((start..self.out.mark(), source)))
    }

    /// The one element at `select`, if there is one.
    pub(crate) fn one(&self, select: &Select, place: Place, focus: NodeId) -> Result<Option<NodeId>, Reject> {
        match self.store.one(select, focus) {
            (_, Some(second)) => {
                Err(self.reject("SM902", place, self.store.place(second), format!("there is more than one '{}'", select.text)))
            }
            (first, None) => Ok(first),
        }
    }

    fn holds(&self, test: &Test, focus: NodeId) -> bool {
        let (Test::Exists(select) | Test::Missing(select) | Test::Equals(select, _)) = test;
        let mut met = false;
        self.store.select(select, focus, &mut |found| {
            met = match test {
                Test::Equals(_, value) if select.attribute.is_some() => self.store.read(select, found) == Some(value),
                Test::Equals(_, value) => self.store.text(found) == value,
                _ => select.attribute.is_none() || self.store.read(select, found).is_some(),
            };
            !met
        });
        met != matches!(test, Test::Missing(_))
    }
}
