//! The validator: a push machine over start tags, text and end tags, driven by a tree or by the reader. It keeps what is open, and
//! nothing of what is closed but IDs.

use crate::automaton::{At, Target};
use crate::chars;
use crate::event::{Event, Kind as EventKind, Name};
use crate::frame::{Expect, Frame, Way, is_any};
use crate::ids::Ids;
use crate::keys::Keys;
use crate::plan::{Plan, TypePlan, XSI_LAST, XSI_NIL, XSI_TYPE};
use crate::report::{limited, qualified, shown, shown_attribute};
use crate::schema::{
    ANY_TYPE, AttributeNoun, Complex, Content, Derivations, ElementDecl, ElementId, ElementNoun, Kind, Process, Schemas, TypeDef, TypeId,
    Use, Wildcard,
};
use crate::scope::Scope;
use crate::simple::Simple;

pub use crate::site::Site;
pub use crate::verdict::{Checker, Invalid, VIOLATIONS_MAX, Valid, Violation};

/// The machine. Feed it one document's start tags, texts and end tags in order.
pub struct Validator<'s> {
    pub(crate) schemas: &'s Schemas,
    plan: &'s Plan,
    pub(crate) frames: Vec<Frame<'s>>,
    /// For each open element the names of its children that have been, with how many there were.
    counts: Vec<(usize, u32)>,
    /// The text of the open elements that have simple content.
    text: String,
    /// For each number of a name in the document that in the plan, and one.
    known: Vec<usize>,
    pub(crate) violations: Vec<Violation>,
    pub(crate) max: usize,
    pub(crate) identities: Ids,
    pub(crate) keys: Keys<'s>,
    /// A root that no schema declares is assessed by its `xsi:type`.
    pub(crate) lax_root: bool,
}

/// Names of children that are counted for paths.
const COUNTED_NAMES_MAX: usize = 32;
/// Octets of the value of an element; one that every text is a value of may be longer.
const VALUE_BYTES_MAX: usize = 16 << 20;

/// What a start tag is checked against.
enum Against<'s> {
    Skip,
    Lax,
    Element(ElementId, &'s ElementNoun),
}

/// A violation that has no place yet: rule, what is wrong, what may help.
pub(crate) type Finding = (&'static str, String, Option<String>);

impl<'s> Validator<'s> {
    /// A machine that stops looking after `max` violations.
    #[must_use]
    pub fn new(schemas: &'s Schemas, max: usize) -> Self {
        Self {
            schemas,
            plan: schemas.plan(),
            frames: Vec::new(),
            counts: Vec::new(),
            text: String::new(),
            known: Vec::new(),
            violations: Vec::new(),
            max: max.max(1),
            identities: Ids::default(),
            keys: Keys::default(),
            lax_root: false,
        }
    }

    /// Takes an event; all of one document must come from one reader.
    #[inline]
    pub fn event(&mut self, event: Event<'_>) {
        match event.kind() {
            EventKind::Start => self.start(&event),
            EventKind::Text => self.text(&event, event.text()),
            EventKind::End => self.end(&event),
            EventKind::Comment | EventKind::Instruction => {}
        }
    }

    /// What was found since this was asked last; what is found later counts against the maximum anew.
    pub fn take_violations(&mut self) -> Vec<Violation> {
        std::mem::take(&mut self.violations)
    }

    /// Ends the document and returns what was found.
    #[must_use]
    pub fn finish(mut self) -> Vec<Violation> {
        self.conclude()
    }

    /// Ends the document and returns what was found; the machine is ready for the next one of the same reader.
    pub fn conclude(&mut self) -> Vec<Violation> {
        let left = self.max.saturating_sub(self.violations.len());
        self.violations.extend(self.identities.conclude().take(left));
        self.keys = Keys::default();
        self.frames.clear();
        self.counts.clear();
        self.text.clear();
        std::mem::take(&mut self.violations)
    }

    /// Forgets the numbers of names: the next document comes from another reader, or another site.
    pub fn forget(&mut self) {
        self.known.clear();
    }

    /// Violations found so far.
    #[must_use]
    pub fn violations(&self) -> &[Violation] {
        &self.violations
    }

    /// The declaration of the innermost open element, if it is known.
    #[must_use]
    pub fn declaration(&self) -> Option<ElementDecl<'s>> {
        let (id, _) = self.frames.last()?.element?;
        Some(ElementDecl { schemas: self.schemas, id })
    }

    /// The type of the innermost open element, after `xsi:type`, if it is known.
    #[must_use]
    pub fn definition(&self) -> Option<TypeDef<'s>> {
        let id = self.frames.last()?.definition?;
        Some(TypeDef { schemas: self.schemas, id })
    }

    /// Whether the innermost open element is nil.
    #[must_use]
    pub fn is_nil(&self) -> bool {
        self.frames.last().is_some_and(|frame| frame.nil)
    }

    #[inline]
    fn number(&mut self, number: usize, planned: impl Fn() -> usize) -> usize {
        match self.known.get(number) {
            Some(known) if *known > 0 => known - 1,
            _ => self.learn(number, planned()),
        }
    }

    #[cold]
    fn learn(&mut self, number: usize, known: usize) -> usize {
        if self.known.len() <= number {
            self.known.resize(number + 1, 0);
        }
        self.known.get_mut(number).into_iter().for_each(|slot| *slot = known + 1);
        known
    }

    fn planned(&mut self, name: Name<'_>) -> usize {
        let plan = self.plan;
        self.number(name.number, || plan.number(name.namespace, name.local))
    }

    /// Takes the start tag of the site's innermost element: from another source of events than the reader, as [`Validator::event`] from that.
    pub fn start<S: Site>(&mut self, site: &S) {
        let (plan, number) = (self.plan, site.number());
        let named = || plan.number(site.name().namespace, site.name().local);
        let name = self.number(number, named);
        let ordinal = self.count(number);
        let against = self.against(site, name);
        self.frames.push(Frame {
            ordinal,
            counts: self.counts.len(),
            text: self.text.len(),
            element: None,
            definition: None,
            content: Expect::Skip,
            nil: false,
        });
        let (id, noun) = match against {
            Ok(Against::Skip) => return self.watch(site),
            Ok(Against::Lax) => return self.lax(site),
            Ok(Against::Element(id, noun)) => (id, noun),
            Err(finding) => {
                self.report(site, finding);
                match self.recover(site.name()) {
                    Some(found) => found,
                    None => return self.lax(site),
                }
            }
        };
        self.element(site, id, noun);
    }

    #[inline]
    fn count(&mut self, number: usize) -> u32 {
        let Some(parent) = self.frames.last() else { return 1 };
        let counts = self.counts.get_mut(parent.counts..).unwrap_or_default();
        if let Some((_, count)) = counts.iter_mut().find(|(counted, _)| *counted == number) {
            *count = count.saturating_add(1);
            return *count;
        }
        if counts.len() >= COUNTED_NAMES_MAX {
            return 0;
        }
        self.counts.push((number, 1));
        1
    }

    /// What the parent's content says of a child (cvc-complex-type.2, cvc-particle).
    #[inline]
    fn against<S: Site>(&mut self, site: &S, name: usize) -> Result<Against<'s>, Finding> {
        let (schemas, plan) = (self.schemas, self.plan);
        let declared = |id: ElementId| schemas.elements.get(id).map_or(Against::Lax, |noun| Against::Element(id, noun));
        let global = || plan.element(name);
        let Some(parent) = self.frames.last_mut() else {
            let lax = self.lax_root && self.xsi(site, XSI_TYPE).is_some();
            return global().map(declared).or(lax.then_some(Against::Lax)).ok_or_else(|| self.no_root(site.name()));
        };
        if parent.nil {
            return Err(("cvc-elt.3.2.1", format!("{} stands in an element that is nil", site.name()), None));
        }
        let fixed = parent.is_fixed();
        let (model, way, broken) = match &mut parent.content {
            Expect::Skip => return Ok(Against::Skip),
            Expect::Lax if fixed => {
                return Err(("cvc-elt.5.2.2.1", format!("{} stands in an element of a fixed value", site.name()), None));
            }
            Expect::Lax => return Ok(global().map_or(Against::Lax, declared)),
            Expect::Empty => {
                return Err(("cvc-complex-type.2.1", format!("{} stands in an element that must be empty", site.name()), None));
            }
            Expect::Simple { .. } => {
                return Err(("cvc-type.3.1.2", format!("{} stands in an element that has text only", site.name()), None));
            }
            Expect::Elements { .. } if fixed => {
                return Err(("cvc-elt.5.2.2.1", format!("{} stands in an element of a fixed value", site.name()), None));
            }
            Expect::Elements { model, way, broken, .. } => (*model, way, broken),
        };
        let target = match way {
            Way::Table(table, at) => table.step(at, name, || site.name().namespace),
            Way::Model(cursor) => model.step(cursor, &qualified(site.name())),
        };
        match target {
            Some(Target::Element(id)) => Ok(declared(id)),
            Some(Target::Any(Wildcard { process: Process::Skip, .. })) => Ok(Against::Skip),
            Some(Target::Any(Wildcard { process: Process::Lax, .. })) => Ok(global().map_or(Against::Lax, declared)),
            Some(Target::Any(_)) => match global() {
                Some(id) => Ok(declared(id)),
                None if self.xsi(site, XSI_TYPE).is_some() => Ok(Against::Lax),
                None => {
                    let what = format!("no schema declares {}, and a declaration is asked for", qualified(site.name()));
                    Err(("cvc-complex-type.2.4.c", what, None))
                }
            },
            None if std::mem::replace(broken, true) => {
                Ok(model.find(&qualified(site.name())).or_else(global).map_or(Against::Lax, declared))
            }
            None => {
                let cursor = way.cursor();
                Err(self.unexpected(site, model, &cursor))
            }
        }
    }

    /// A declaration to go on with after a child that cannot stand where it does.
    fn recover(&self, name: Name<'_>) -> Option<(ElementId, &'s ElementNoun)> {
        let parent = self.frames.len().checked_sub(2).and_then(|at| self.frames.get(at))?;
        let Expect::Elements { model, .. } = &parent.content else { return None };
        let id = model.find(&qualified(name))?;
        self.schemas.elements.get(id).map(|noun| (id, noun))
    }

    /// The value of one of the attributes that every element may have.
    fn xsi<'d, S: Site>(&mut self, site: &'d S, wanted: usize) -> Option<&'d str> {
        site.attributes().find(|(name, _)| self.planned(*name) == wanted).map(|(_, value)| value)
    }

    /// Part 1 §3.3.4, schema-validity assessment without a declaration: `xsi:type` may still name a type.
    fn lax<S: Site>(&mut self, site: &S) {
        self.watch(site);
        match self.xsi(site, XSI_TYPE).and_then(|text| self.named_type(site, text)) {
            Some(definition) => self.typed(site, definition),
            None => self.set(Expect::Lax),
        }
    }

    fn set(&mut self, content: Expect<'s>) {
        if let Some(frame) = self.frames.last_mut() {
            frame.content = content;
        }
    }

    /// Lets the identity constraints around look at the element that starts.
    #[inline(always)]
    fn watch<S: Site>(&mut self, site: &S) {
        if !self.keys.is_idle() {
            self.watched(site);
        }
    }

    fn watched<S: Site>(&mut self, site: &S) {
        let findings = self.keys.start(site, self.frames.len());
        findings.into_iter().for_each(|finding| self.report(site, finding));
    }

    /// Part 1 §3.3.4 (cvc-elt).
    #[inline]
    fn element<S: Site>(&mut self, site: &S, id: ElementId, noun: &'s ElementNoun) {
        if let Some(frame) = self.frames.last_mut() {
            frame.element = Some((id, noun));
        }
        if noun.is_abstract {
            self.is_abstract(site, id, noun);
        }
        if !noun.constraints.is_empty() {
            self.keys.open(self.schemas, noun, self.frames.len());
        }
        self.watch(site);
        let mut definition = noun.definition;
        // One that has not been met yet may be any.
        let own = |known: Option<&usize>| known.is_some_and(|known| *known > 0 && !(1..=XSI_LAST).contains(&(known - 1)));
        if site.attribute_numbers().all(|number| own(self.known.get(number))) {
            return self.typed(site, definition);
        }
        if let Some(text) = self.xsi(site, XSI_TYPE)
            && let Some(named) = self.named_type(site, text)
        {
            let declared_block = self.schemas.types.get(definition).map(|noun| noun.block).unwrap_or_default();
            let methods = self.schemas.methods(named, definition);
            if !self.schemas.derives(named, definition) || methods.has(Derivations(noun.block.0 | declared_block.0)) {
                let declared = self.type_name(site, definition);
                let what = format!("xsi:type: {} is not derived from {declared}, or that is blocked", limited(text));
                self.report(site, ("cvc-elt.4.3", what, None));
            } else {
                definition = named;
            }
        }
        self.typed(site, definition);
        if let Some(text) = self.xsi(site, XSI_NIL) {
            self.nil(site, noun, text);
        }
    }

    fn nil<S: Site>(&mut self, site: &S, noun: &'s ElementNoun, text: &str) {
        let nil = match chars::trim(text) {
            "true" | "1" => true,
            "false" | "0" => false,
            _ => {
                let what = format!("xsi:nil='{}' is neither true nor false", limited(text));
                return self.report(site, ("cvc-datatype-valid.1.2.1", what, None));
            }
        };
        if !noun.nillable {
            return self.report(site, ("cvc-elt.3.1", format!("{} is not nillable", shown(site, &noun.name)), None));
        }
        if nil && noun.fixed.is_some() {
            self.report(site, ("cvc-elt.3.2.2", "an element with a fixed value is not nil".to_owned(), None));
        }
        if let Some(frame) = self.frames.last_mut() {
            frame.nil = nil;
        }
    }

    /// Part 1 §3.4.4 (cvc-type, cvc-complex-type.3 and .4): attributes now, content as it comes.
    #[inline]
    fn typed<S: Site>(&mut self, site: &S, definition: TypeId) {
        let Some(noun) = self.schemas.types.get(definition) else { return };
        if noun.is_abstract {
            self.is_abstract_type(site, definition);
        }
        if let Some(frame) = self.frames.last_mut() {
            frame.definition = Some(definition);
        }
        if noun.opaque {
            return self.set(Expect::Lax);
        }
        let complex = match &noun.kind {
            Kind::Simple(simple) => {
                self.set(Expect::Simple { simple, any: !self.keys.is_watching() && is_any(simple) });
                let other = site.attributes().find(|(name, _)| name.namespace != crate::schema::XSI_NAMESPACE);
                if let Some((name, _)) = other {
                    let what = "an element of a simple type has no attributes".to_owned();
                    self.report_attribute(site, name, ("cvc-type.3.1.1", what, None));
                }
                return;
            }
            Kind::Complex(complex) => complex,
        };
        let (schemas, plan) = (self.schemas, self.plan);
        let Some(types) = plan.of(schemas, definition) else { return };
        let content = match &complex.content {
            Content::Empty => Expect::Empty,
            Content::Simple(simple) => schemas.simple(*simple).map_or(Expect::Skip, |simple| {
                let any = !self.keys.is_watching() && is_any(simple);
                Expect::Simple { simple, any }
            }),
            Content::Elements { .. } if definition == ANY_TYPE => Expect::Lax,
            Content::Elements { mixed, model, .. } => {
                let way = types.table.as_ref().map(|table| Way::Table(table, At::default()));
                let way = way.unwrap_or_else(|| Way::Model(Box::new(model.start())));
                Expect::Elements { mixed: *mixed, model, way, broken: false }
            }
        };
        self.set(content);
        if types.required != 0 || site.attributes().len() > 0 || complex.attributes.len() > 128 {
            self.attributes(site, complex, types);
        }
        self.implied(site, complex, types);
    }

    fn attributes<S: Site>(&mut self, site: &S, complex: &'s Complex, types: &'s TypePlan) {
        let schemas = self.schemas;
        let declared = |used: &Use| schemas.attributes.get(used.attribute);
        let (mut seen, mut wild_id): (u128, bool) = (0, false);
        for (name, value) in site.attributes() {
            let number = self.planned(name);
            let own = types.uses.iter().position(|used| *used == number && number != 0);
            if let Some((at, used)) = own.and_then(|at| complex.attributes.get(at).map(|used| (at, used)))
                && let Some(noun) = declared(used)
            {
                seen |= u32::try_from(at).ok().and_then(|at| 1_u128.checked_shl(at)).unwrap_or_default();
                let fixed = used.fixed.as_deref().map(|fixed| (Some(fixed), used.names.as_deref()));
                self.attribute(site, (name, value), noun, fixed.unwrap_or((noun.fixed.as_deref(), noun.names.as_deref())));
                continue;
            }
            if (1..=XSI_LAST).contains(&number) {
                self.of_instance(site, (name, value), number);
                continue;
            }
            let wildcard = complex.any_attribute.as_ref().filter(|any| any.allows(name.namespace));
            let global = self.plan.attribute(number).and_then(|id| schemas.attributes.get(id));
            match (wildcard.map(|any| any.process), global) {
                (Some(Process::Skip), _) | (Some(Process::Lax), None) => {}
                (Some(_), Some(noun)) => {
                    self.wild_id(site, complex, noun, &mut wild_id);
                    self.attribute(site, (name, value), noun, (noun.fixed.as_deref(), noun.names.as_deref()));
                }
                (Some(Process::Strict), None) => {
                    let what = "no schema declares the attribute, and a declaration is asked for".to_owned();
                    self.report_attribute(site, name, ("cvc-complex-type.3.2.2", what, None));
                }
                (None, _) => self.no_attribute(site, complex, name),
            }
        }
        if types.required & !seen == 0 && complex.attributes.len() <= 128 {
            return;
        }
        for noun in complex.attributes.iter().filter(|used| used.required).filter_map(declared) {
            if !site.attributes().any(|(name, _)| name.is(noun.name.namespace(), noun.name.local())) {
                self.report(site, ("cvc-complex-type.4", format!("the attribute {} is missing", shown_attribute(site, &noun.name)), None));
            }
        }
    }

    fn attribute<S: Site>(
        &mut self,
        site: &S,
        attribute: (Name<'_>, &str),
        noun: &'s AttributeNoun,
        fixed: (Option<&str>, Option<&Scope>),
    ) {
        let ((name, text), (fixed, names)) = (attribute, fixed);
        let wanted = |simple: &&Simple| fixed.is_some() || self.keys.is_watching() || !simple.takes(text);
        let Some(simple) = self.schemas.simple(noun.definition).filter(wanted) else { return };
        match simple.value(self.schemas, text, Some(site.scope())) {
            Err(failure) => {
                let help = crate::report::suggestion(failure.rule, simple, text);
                self.report_attribute(site, name, (failure.rule, failure.what, help));
            }
            Ok(value) => {
                let same = |fixed: &str| simple.value(self.schemas, fixed, names).is_ok_and(|fixed| fixed.equals(&value));
                if let Some(fixed) = fixed.filter(|fixed| !same(fixed)) {
                    self.report_attribute(site, name, ("cvc-au", format!("the value is not the fixed one, '{fixed}'"), None));
                }
                self.field(site, name, &value);
                self.identify(site, simple, text);
            }
        }
    }

    /// Takes character data in the site's innermost element.
    pub fn text<S: Site>(&mut self, site: &S, text: &str) {
        let Some(frame) = self.frames.last_mut() else { return };
        if frame.nil && !text.is_empty() {
            return self.report(site, ("cvc-elt.3.2.1", "an element that is nil has text".to_owned(), None));
        }
        let fixed = frame.is_fixed();
        let finding = match &mut frame.content {
            // All that counts of such a text is whether there is one.
            Expect::Simple { any: true, .. } if self.text.len() > frame.text => return,
            Expect::Simple { any: true, .. } if frame.element.is_none_or(|(_, noun)| noun.fixed.is_none()) => {
                return self.text.push_str(if text.is_empty() { "" } else { "." });
            }
            Expect::Simple { any, .. } => {
                self.text.push_str(text);
                if self.text.len() - frame.text <= VALUE_BYTES_MAX {
                    return;
                }
                *any = true;
                self.text.truncate(frame.text);
                ("cvc-simple-type", format!("a value of more than {VALUE_BYTES_MAX} bytes, which is not looked at"))
            }
            Expect::Elements { mixed: true, .. } | Expect::Lax if fixed => {
                let left = (frame.text + VALUE_BYTES_MAX).saturating_sub(self.text.len());
                return self.text.push_str(text.get(..left).unwrap_or(text));
            }
            Expect::Elements { mixed: false, .. } if !chars::is_blank(text) => {
                ("cvc-complex-type.2.3", "text stands between child elements".to_owned())
            }
            Expect::Empty if !text.is_empty() => ("cvc-complex-type.2.1", "text stands in an element that must be empty".to_owned()),
            _ => return,
        };
        self.report(site, (finding.0, finding.1, None));
    }

    /// Takes the end tag of the site's innermost element.
    pub fn end<S: Site>(&mut self, site: &S) {
        if let Some(frame) = self.frames.last().filter(|frame| !frame.nil) {
            let noun = frame.element.map(|(_, noun)| noun);
            let start = frame.text;
            match &frame.content {
                Expect::Simple { any: true, .. } if noun.is_none_or(|noun| noun.fixed.is_none() && noun.default.is_none()) => {}
                Expect::Simple { simple, .. } => {
                    let simple: &'s Simple = simple;
                    self.content(site, simple, noun, start);
                }
                Expect::Elements { model, way, broken: false, .. } if !way.accepts(model) => {
                    let finding = self.incomplete(site, model, &way.cursor());
                    self.report(site, finding);
                }
                Expect::Elements { .. } | Expect::Lax => {
                    let text = self.text.get(start..).unwrap_or_default();
                    let fixed = noun.and_then(|noun| noun.fixed.as_deref()).filter(|fixed| *fixed != text && !text.is_empty());
                    if let Some(fixed) = fixed {
                        self.report(site, ("cvc-elt.5.2.2.2.1", format!("the text is not the fixed one, '{fixed}'"), None));
                    }
                }
                Expect::Skip | Expect::Empty => {}
            }
        }
        if !self.keys.is_idle() {
            self.end_keys(site);
        }
        if let Some(frame) = self.frames.pop() {
            self.counts.truncate(frame.counts);
            self.text.truncate(frame.text);
        }
    }

    /// Part 1 §3.3.4, cvc-elt.5: an empty element has its default or fixed value, which `xsi:type` may have made wrong.
    fn content<S: Site>(&mut self, site: &S, simple: &'s Simple, noun: Option<&'s ElementNoun>, start: usize) {
        let fixed = noun.and_then(|noun| noun.fixed.as_deref());
        let own = self.text.get(start..).unwrap_or_default();
        if !own.is_empty() && fixed.is_none() && !self.keys.is_watching() && simple.takes(own) {
            return;
        }
        let buffer = std::mem::take(&mut self.text);
        let own = buffer.get(start..).unwrap_or_default();
        let implied = noun.and_then(|noun| noun.default.as_deref()).or(fixed).filter(|_| own.is_empty());
        let text = implied.unwrap_or(own);
        let scope = noun.filter(|_| implied.is_some()).and_then(|noun| noun.names.as_deref()).unwrap_or(site.scope());
        match simple.value(self.schemas, text, Some(scope)) {
            Err(failure) => {
                let help = crate::report::suggestion(failure.rule, simple, text);
                self.report(site, (failure.rule, failure.what, help));
            }
            Ok(value) => {
                let names = noun.and_then(|noun| noun.names.as_deref());
                let same = |fixed: &str| simple.value(self.schemas, fixed, names).is_ok_and(|fixed| fixed.equals(&value));
                if let Some(fixed) = fixed.filter(|fixed| !same(fixed)) {
                    self.report(site, ("cvc-elt.5.2.2.2.2", format!("the value is not the fixed one, '{fixed}'"), None));
                }
                if self.keys.is_watching() {
                    self.keys.value(self.frames.len(), &value);
                }
                self.identify(site, simple, text);
            }
        }
        self.text = buffer;
    }
}
