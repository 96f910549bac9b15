//! Runs a compiled mapping over one document. A record that cannot be made is a reject beside the others, never an error.

use crate::date::{Kind, Moment};
use crate::document::{Absent, Missing};
use crate::plan::{Block, Check, Guard, Last, Op, OpKind, Read, Select, Set, Slot, Test, TypeCheck, Value};
use crate::witness::{Traced, Witness};
use sha2::{Digest, Sha256};
use std::fmt;
use std::sync::Arc;
use xsd::tree::{Attribute, Element, Place, QName};

/// What functions may make of one value.
const VALUE_BYTES_MAX: usize = 64 << 10;
const XSI: &str = "http://www.w3.org/2001/XMLSchema-instance";

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

/// A target document being made: its children are sorted into the content model's order at the end.
pub(crate) struct Out {
    slot: Slot,
    /// The rule that made it, and where the source stood.
    origin: (Place, Place),
    shared: bool,
    /// With the rule, and where the source stood.
    attributes: Vec<(Attribute, (Place, Place))>,
    text: String,
    /// Of the text, where a rule for it alone made it.
    text_origin: Option<(Place, Place)>,
    children: Vec<Self>,
}

/// For each element made, in the order of the document, the rule that made it and where the source stood. The element itself
/// carries its number in this list (from 1) as its line, so that whoever finds fault with it can say where it comes from.
#[derive(Debug, Default)]
pub(crate) struct Trail {
    origins: Vec<(Place, Place)>,
    /// The names from the root to the element being written, and what was traced; only where somebody watches.
    traced: Option<(Vec<String>, Vec<Traced>)>,
}

impl Trail {
    pub(crate) fn origin(&self, made: Place) -> Option<(Place, Place)> {
        let at = usize::try_from(made.line).ok()?.checked_sub(1)?;
        self.origins.get(at).copied()
    }

    fn mark(&mut self, origin: (Place, Place)) -> Place {
        self.origins.push(origin);
        Place { line: u32::try_from(self.origins.len()).unwrap_or(u32::MAX), column: 0 }
    }

    fn enter(&mut self, out: &Out) {
        let Some((path, values)) = &mut self.traced else { return };
        path.push(prefixed(&out.slot.prefix, &out.slot.name));
        let here = path.join("/");
        for (attribute, (rule, source)) in &out.attributes {
            let path = format!("/{here}/@{}", prefixed(&attribute.prefix, &attribute.name));
            values.push(Traced { path, value: attribute.value.clone(), rule: *rule, source: *source });
        }
        if !out.text.is_empty() {
            let (rule, source) = out.text_origin.unwrap_or(out.origin);
            values.push(Traced { path: format!("/{here}"), value: out.text.clone(), rule, source });
        }
    }

    fn leave(&mut self) {
        if let Some((path, _)) = &mut self.traced {
            path.pop();
        }
    }
}

/// The elements from the root to where a rule stands.
type Focus<'a> = Vec<&'a Element>;

enum Found<'a> {
    Element(Focus<'a>),
    Attribute(String, Place),
}

/// What one run needs beside the plan.
pub(crate) struct Run<'a> {
    pub(crate) mapping: &'a Arc<str>,
    /// Octets of the documents made so far, by target.
    pub(crate) made: &'a [Sha256],
    pub(crate) witness: Option<&'a Witness>,
}

impl Run<'_> {
    /// The windows of a block: the root itself where it has none.
    pub(crate) fn windows<'a>(root: &'a Element, block: &Block) -> Vec<Focus<'a>> {
        match &block.window {
            None => vec![vec![root]],
            Some(select) => elements(select, &vec![root]),
        }
    }

    /// Makes the target document of one window.
    pub(crate) fn document(&self, block: &Block, root: &Slot, focus: &Focus<'_>) -> Result<(Element, Trail), Reject> {
        for guard in &block.guards {
            self.guard(guard, block.place, focus)?;
        }
        let mut out = Out::new(root.clone(), (block.place, here(focus)), false);
        self.ops(&block.ops, focus, &mut out)?;
        let mut trail = Trail { origins: Vec::new(), traced: self.witness.map(|_| Default::default()) };
        let element = out.into_element(&mut trail);
        if let (Some(witness), Some((_, values))) = (self.witness, trail.traced.take()) {
            witness.values(values);
        }
        Ok((element, trail))
    }

    pub(crate) fn reject(&self, code: &'static str, rule: Place, source: Place, text: impl Into<String>) -> Reject {
        Reject { code, mapping: Arc::clone(self.mapping), rule, source, text: text.into() }
    }

    fn guard(&self, guard: &Guard, rule: Place, focus: &Focus<'_>) -> Result<(), Reject> {
        let mut parents = vec![focus.clone()];
        for name in &guard.parents {
            parents = parents.iter().flat_map(|parent| children(parent, name)).collect();
        }
        for parent in &parents {
            let all = children(parent, &guard.name);
            for (at, child) in all.iter().enumerate() {
                if !guard.seen.iter().any(|checks| checks.iter().all(|check| passes(check, at, child))) {
                    let text = format!("no rule reads this '{}': its predicates match none", guard.name.local());
                    return Err(self.reject("SM905", rule, here(child), text));
                }
            }
        }
        Ok(())
    }

    fn ops(&self, ops: &[Op], focus: &Focus<'_>, out: &mut Out) -> Result<(), Reject> {
        ops.iter().try_for_each(|op| self.op(op, focus, out))
    }

    fn op(&self, op: &Op, focus: &Focus<'_>, out: &mut Out) -> Result<(), Reject> {
        match &op.kind {
            OpKind::Set(set) => self.set(op.place, set, focus, out),
            OpKind::In { through, slot, select: None, ops } => self.inside((op.place, through, slot), ops, focus, out),
            OpKind::In { through, slot, select: Some(select), ops } => match self.one(select, op.place, focus)? {
                Some(inner) => self.inside((op.place, through, slot), ops, &inner, out),
                None => Ok(()),
            },
            OpKind::Each { through, slot, select, ops } => {
                let all = elements(select, focus);
                all.iter().try_for_each(|inner| self.inside((op.place, through, slot), ops, inner, out))
            }
            OpKind::Choose { whens, otherwise } => {
                let at = whens.iter().position(|(test, _)| holds(test, focus)).unwrap_or(whens.len());
                match whens.get(at).map(|(_, ops)| ops).or(otherwise.as_ref()) {
                    Some(ops) => {
                        self.chose(op.place, at);
                        self.ops(ops, focus, out)
                    }
                    None => Err(self.reject("SM906", op.place, here(focus), "no m:when holds")),
                }
            }
            OpKind::Case { of, branches, otherwise } => {
                let Some(inner) = self.one(of, op.place, focus)? else { return Ok(()) };
                let at = branches.iter().position(|(check, _)| has_type(check, &inner)).unwrap_or(branches.len());
                match branches.get(at).map(|(_, ops)| ops).or(otherwise.as_ref()) {
                    Some(ops) => {
                        self.chose(op.place, at);
                        self.ops(ops, &inner, out)
                    }
                    None => Err(self.reject("SM906", op.place, here(&inner), "no m:type is for the type that this element has")),
                }
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

    fn inside(&self, at: (Place, &[Slot], &Slot), ops: &[Op], focus: &Focus<'_>, out: &mut Out) -> Result<(), Reject> {
        let (place, through, slot) = at;
        let mut made = Out::new(slot.clone(), (place, here(focus)), false);
        self.ops(ops, focus, &mut made)?;
        if !made.is_bare() {
            self.wrote(place);
            out.through(through, (place, here(focus))).children.push(made);
        }
        Ok(())
    }

    fn set(&self, place: Place, set: &Set, focus: &Focus<'_>, out: &mut Out) -> Result<(), Reject> {
        let Some((value, source)) = self.value(place, &set.value, focus)? else { return Ok(()) };
        self.wrote(place);
        let parent = out.through(&set.through, (place, source));
        match &set.last {
            Last::Text => {
                value.clone_into(&mut parent.text);
                parent.text_origin = Some((place, source));
            }
            Last::Attribute(name, prefix) => {
                let attribute = Attribute { name: name.clone(), prefix: Arc::clone(prefix), value };
                parent.attributes.push((attribute, (place, source)));
            }
            Last::Element(slot) => {
                let mut made = Out::new(slot.clone(), (place, source), false);
                made.text = value;
                self.ops(&set.inside, focus, &mut made)?;
                parent.children.push(made);
            }
        }
        Ok(())
    }

    fn value(&self, place: Place, value: &Value, focus: &Focus<'_>) -> Result<Option<(String, Place)>, Reject> {
        match value {
            Value::Constant(constant) => Ok(Some((constant.clone(), here(focus)))),
            Value::Count(select) => Ok(Some((elements(select, focus).len().to_string(), here(focus)))),
            Value::Digest(target) => {
                let digest = self.made.get(*target).cloned().unwrap_or_default().finalize();
                Ok(Some((data_encoding::HEXLOWER.encode(&digest), here(focus))))
            }
            Value::Read(read) => self.read(place, read, focus),
        }
    }

    fn read(&self, place: Place, read: &Read, focus: &Focus<'_>) -> Result<Option<(String, Place)>, Reject> {
        for (select, collapse) in &read.from {
            let Some((raw, source)) = self.raw(place, read, select, focus)? else { continue };
            let raw = if *collapse { raw.split_ascii_whitespace().collect::<Vec<_>>().join(" ") } else { raw };
            if raw.is_empty() {
                match read.empty {
                    Some(Absent::Omit) => continue,
                    Some(Absent::Reject) => return Err(self.reject("SM903", place, source, format!("'{}' is empty", select.text))),
                    Some(Absent::Empty) | None => {}
                }
            }
            if let Some(value) = self.converted(place, source, read, raw)? {
                return Ok(Some((value, source)));
            }
        }
        Ok(read.default.clone().map(|value| (value, here(focus))))
    }

    /// The text at `select`, if something is there.
    fn raw(&self, place: Place, read: &Read, select: &Select, focus: &Focus<'_>) -> Result<Option<(String, Place)>, Reject> {
        let mut found = find(select, focus).into_iter();
        let Some(first) = found.next() else { return Ok(None) };
        let (value, source, nil) = match first {
            Found::Attribute(value, source) => (value, source, false),
            Found::Element(focus) => {
                let text = focus.last().map(|element| element.string()).unwrap_or_default();
                let declared = select.declared_default.clone().filter(|_| text.is_empty());
                (declared.unwrap_or(text), here(&focus), is_nil(&focus))
            }
        };
        if found.next().is_some() {
            return Err(self.reject("SM902", place, source, format!("there is more than one '{}'", select.text)));
        }
        match read.nil {
            _ if !nil => Ok(Some((value, source))),
            Some(Absent::Omit) => Ok(None),
            Some(Absent::Empty) => Ok(Some((String::new(), source))),
            Some(Absent::Reject) | None => Err(self.reject("SM904", place, source, format!("'{}' is nil", select.text))),
        }
    }

    fn converted(&self, place: Place, source: Place, read: &Read, raw: String) -> Result<Option<String>, Reject> {
        let mut value = raw;
        for function in &read.via {
            match function.apply(&value).filter(|next| next.len() <= VALUE_BYTES_MAX) {
                Some(next) => value = next,
                None => return Err(self.reject("SM907", place, source, "a function of via has no result, or one that is too long")),
            }
        }
        if let Some(fault) = read.check.and_then(|scheme| scheme.fault(&value)) {
            return Err(self.reject("SM909", place, source, fault));
        }
        let parsed =
            match &read.parse {
                None => None,
                Some(pattern) => Some(pattern.read(&value).ok_or_else(|| {
                    self.reject("SM908", place, source, "this is not a date of the calendar in the form that parse says")
                })?),
            };
        if parsed.is_some() || read.convert.is_some() {
            value = parsed
                .or_else(|| Moment::read(&value))
                .and_then(|moment| written(moment, read.convert, read.zone))
                .ok_or_else(|| self.reject("SM908", place, source, "this is not a date, or an instant with a zone, as the rule needs"))?;
        }
        let Some(codes) = &read.codes else { return Ok(Some(value)) };
        if let Some(witness) = self.witness {
            witness.code(&codes.name, &value);
        }
        match (codes.to.get(&value), &codes.missing) {
            (Some(code), _) => Ok(Some(code.clone())),
            (None, Missing::Keep) => Ok(Some(value)),
            (None, Missing::Omit) => Ok(None),
            (None, Missing::Default(code)) => Ok(Some(code.clone())),
            (None, Missing::Reject) => {
                Err(self.reject("SM911", place, source, format!("code table '{}' does not have this value", codes.name)))
            }
        }
    }

    /// The one element at `select`, if there is one.
    fn one<'a>(&self, select: &Select, place: Place, focus: &Focus<'a>) -> Result<Option<Focus<'a>>, Reject> {
        let mut found = elements(select, focus).into_iter();
        match (found.next(), found.next()) {
            (Some(_), Some(second)) => Err(self.reject("SM902", place, here(&second), format!("there is more than one '{}'", select.text))),
            (first, _) => Ok(first),
        }
    }
}

fn prefixed(prefix: &str, name: &QName) -> String {
    if prefix.is_empty() { name.local().to_owned() } else { format!("{prefix}:{}", name.local()) }
}

fn written(moment: Moment, convert: Option<Kind>, zone: Option<i64>) -> Option<String> {
    match (convert, zone) {
        (Some(Kind::Date), zone) => Some(moment.to_date(zone.unwrap_or_default())),
        (Some(Kind::DateTime), zone) => moment.to_instant(zone.unwrap_or_default()),
        (None, Some(zone)) => moment.to_instant(zone),
        (None, None) => Some(moment.write()),
    }
}

fn here(focus: &Focus<'_>) -> Place {
    focus.last().map(|element| element.place()).unwrap_or_default()
}

fn children<'a>(focus: &Focus<'a>, name: &QName) -> Vec<Focus<'a>> {
    let Some(parent) = focus.last() else { return Vec::new() };
    parent.elements().filter(|child| child.name() == name).map(|child| focus.iter().copied().chain([child]).collect()).collect()
}

fn elements<'a>(select: &Select, focus: &Focus<'a>) -> Vec<Focus<'a>> {
    let start = focus.iter().copied().take(focus.len().saturating_sub(select.up)).collect();
    let mut found: Vec<Focus<'a>> = vec![start];
    for step in &select.down {
        let mut next = Vec::new();
        for parent in &found {
            let all = children(parent, &step.name);
            next.extend(
                all.into_iter()
                    .enumerate()
                    .filter(|(at, child)| step.checks.iter().all(|check| passes(check, *at, child)))
                    .map(|(_, child)| child),
            );
        }
        found = next;
    }
    found
}

fn find<'a>(select: &Select, focus: &Focus<'a>) -> Vec<Found<'a>> {
    let found = elements(select, focus);
    let Some(attribute) = &select.attribute else { return found.into_iter().map(Found::Element).collect() };
    let value = |focus: &Focus<'a>| {
        let element = focus.last()?;
        let value = element.attribute(attribute.namespace(), attribute.local()).or(select.declared_default.as_deref());
        value.map(|value| Found::Attribute(value.to_owned(), element.place()))
    };
    found.iter().filter_map(value).collect()
}

fn passes(check: &Check, at: usize, focus: &Focus<'_>) -> bool {
    let Some(element) = focus.last() else { return false };
    match check {
        Check::Position(position) => at + 1 == *position,
        Check::Attribute(name, value) => element.attribute(name.namespace(), name.local()) == Some(value),
        Check::Child(name, value) => element.all(name.namespace(), name.local()).any(|child| child.string() == *value),
        Check::Type(check) => has_type(check, focus),
    }
}

/// Whether the element's own type, as xsi:type or its declaration gives it, is one of those checked for.
fn has_type(check: &TypeCheck, focus: &Focus<'_>) -> bool {
    let Some(name) = focus.last().and_then(|element| element.attribute(XSI, "type")) else { return check.declared };
    let (prefix, local) = name.trim().split_once(':').unwrap_or(("", name.trim()));
    let declared =
        |element: &&Element| element.namespaces().iter().rev().find(|(bound, _)| **bound == *prefix).map(|(_, to)| Arc::clone(to));
    let namespace = focus.iter().rev().find_map(declared).unwrap_or_else(|| "".into());
    check.named.iter().any(|named| named.is(&namespace, local))
}

fn is_nil(focus: &Focus<'_>) -> bool {
    let nil = focus.last().and_then(|element| element.attribute(XSI, "nil"));
    nil.is_some_and(|nil| matches!(nil.trim(), "true" | "1"))
}

fn holds(test: &Test, focus: &Focus<'_>) -> bool {
    match test {
        Test::Exists(select) => !find(select, focus).is_empty(),
        Test::Missing(select) => find(select, focus).is_empty(),
        Test::Equals(select, value) => find(select, focus).iter().any(|found| match found {
            Found::Attribute(read, _) => read == value,
            Found::Element(focus) => focus.last().is_some_and(|element| element.string() == *value),
        }),
    }
}

impl Out {
    fn new(slot: Slot, origin: (Place, Place), shared: bool) -> Self {
        Self { slot, origin, shared, attributes: Vec::new(), text: String::new(), text_origin: None, children: Vec::new() }
    }

    fn is_bare(&self) -> bool {
        self.attributes.is_empty() && self.text.is_empty() && self.children.is_empty()
    }

    /// The element that a path leads to; elements on the way are shared by the rules that name them.
    fn through(&mut self, path: &[Slot], origin: (Place, Place)) -> &mut Self {
        let Some((slot, rest)) = path.split_first() else { return self };
        let at = self.children.iter().rposition(|child| child.shared && child.slot.name == slot.name).unwrap_or_else(|| {
            self.children.push(Self::new(slot.clone(), origin, true));
            self.children.len() - 1
        });
        self.children.get_mut(at).expect("found or pushed just now").through(rest, origin)
    }

    fn into_element(mut self, trail: &mut Trail) -> Element {
        trail.enter(&self);
        let mut element = Element::new(self.slot.prefix, self.slot.name);
        element.set_place(trail.mark(self.origin));
        self.attributes.into_iter().for_each(|(attribute, _)| element.set_attribute(attribute));
        element.push_text(&self.text);
        self.children.sort_by_key(|child| child.slot.rank);
        self.children.into_iter().for_each(|child| element.push(child.into_element(trail)));
        trail.leave();
        element
    }
}
