//! The engine: start tags, texts and end tags of a source document go in, target documents and rejects come out, in one pass.
//!
//! What is kept of the document is what rules read of it outside windows, and one window at a time: see [`crate::kept`].

use crate::digest::Digests;
use crate::document::When;
use crate::kept::{ROOT, Way};
use crate::out::{Out, OutId};
use crate::plan::{Block, Plan, Select};
use crate::run::{Reject, Run};
use crate::store::{Mark, NodeId, Store, TOP};
use crate::witness::Witness;
use std::collections::BTreeSet;
use std::sync::Arc;
use xsd::schema::XSI_NAMESPACE;
use xsd::scope::Scope;
use xsd::tree::{Element, Place, QName};

/// What a window may keep, and what may be kept for the rules outside windows, in octets; `max` of a block says otherwise.
pub(crate) const KEPT_OCTETS_MAX: usize = 8 << 20;

/// A target document that was made and is not validated yet.
pub(crate) struct Draft<'a> {
    pub(crate) block: &'a Block,
    pub(crate) out: &'a Out,
    pub(crate) root: OutId,
    /// Where the source stood.
    pub(crate) source: Place,
}

/// Takes what comes out.
pub(crate) trait Sink {
    /// Validates and takes a document; what is not valid becomes a reject.
    fn take(&mut self, draft: &Draft<'_>) -> Result<(), Reject>;

    /// Takes a record that could not be made.
    fn reject(&mut self, reject: Reject);
}

/// A start tag, from a tree or from the reader.
pub(crate) trait Tag {
    /// The namespace and the local part of its name.
    fn name(&self) -> (&str, &str);

    /// Where it stands.
    fn place(&self) -> Place;

    /// What prefixes stand for in it.
    fn scope(&self) -> &Scope;

    /// Calls `visit` with the namespace, the local part and the value of each attribute.
    fn attributes(&self, visit: impl FnMut(&str, &str, &str));

    /// The element without content.
    fn shell(&self) -> Element;
}

/// An open element that is kept.
struct Open<'m> {
    node: NodeId,
    way: &'m Way,
    /// Where its children are looked for first.
    hint: usize,
    before: Mark,
    /// Its number among its siblings of the name, from 0, and its children's counts: where a window asks for positions.
    ordinal: usize,
    counts: Vec<(QName, usize)>,
}

/// One document's way through a mapping.
pub(crate) struct Engine<'m> {
    plan: &'m Plan,
    file: &'m Arc<str>,
    root: &'m QName,
    /// The rule that names the source.
    source: Place,
    store: Store,
    open: Vec<Open<'m>>,
    /// Open elements of which nothing is kept.
    skipped: usize,
    /// Elements that are kept whole, with what is open in them.
    wholes: Vec<(Option<NodeId>, Element)>,
    whole_octets: usize,
    counters: Vec<u64>,
    digests: Digests,
    out: Out,
    /// Elements that were records when they ended, and that a record of the whole document might take, too.
    taken: BTreeSet<NodeId>,
    /// How many elements were open when the outermost window opened.
    window: Option<usize>,
    /// Why the open window makes no record.
    refused: Option<(&'static str, Place, String)>,
    started: bool,
    /// Nothing can be made of the rest.
    dead: bool,
    document_max: usize,
    positions: bool,
    witness: Option<&'m Witness>,
}

impl<'m> Engine<'m> {
    pub(crate) fn new(plan: &'m Plan, file: &'m Arc<str>, root: (&'m QName, Place), witness: Option<&'m Witness>) -> Self {
        let (root, source) = root;
        let kept = plan.blocks.iter().filter(|block| block.when != When::Window).filter_map(|block| block.max).max();
        let asks = |select: &Select| select.down.iter().any(|step| step.checks.iter().any(crate::kept::counts));
        Self {
            plan,
            file,
            root,
            source,
            store: Store::new(&plan.kept),
            open: Vec::new(),
            skipped: 0,
            wholes: Vec::new(),
            whole_octets: 0,
            counters: vec![0; plan.counters],
            digests: Digests::new(&plan.digests),
            out: Out::default(),
            taken: BTreeSet::new(),
            window: None,
            refused: None,
            started: false,
            dead: false,
            document_max: kept.unwrap_or(KEPT_OCTETS_MAX),
            positions: plan.blocks.iter().filter_map(|block| block.window.as_ref()).any(asks),
            witness,
        }
    }

    /// Makes ready for another document.
    pub(crate) fn again(&mut self) {
        self.store.forget(Mark::default());
        self.taken.clear();
        self.open.clear();
        self.wholes.clear();
        (self.skipped, self.whole_octets) = (0, 0);
        self.counters.fill(0);
        self.digests = Digests::new(&self.plan.digests);
        (self.window, self.refused) = (None, None);
        (self.started, self.dead) = (false, false);
    }

    fn rejected(&self, code: &'static str, rule: Place, source: Place, text: impl Into<String>) -> Reject {
        Reject { code, mapping: Arc::clone(self.file), rule, source, text: text.into() }
    }

    fn die(&mut self, reject: Reject, sink: &mut dyn Sink) {
        self.dead = true;
        sink.reject(reject);
    }

    /// Says that the source is not what its schema says: the open window makes no record, or the document makes no more.
    pub(crate) fn invalid(&mut self, place: Place, why: String, sink: &mut dyn Sink) {
        if self.dead {
            return;
        }
        if self.window.is_some() {
            self.refused.get_or_insert(("SM901", place, why));
        } else {
            self.die(self.rejected("SM901", self.source, place, why), sink);
        }
    }

    /// A start tag.
    pub(crate) fn start(&mut self, tag: &impl Tag, sink: &mut dyn Sink) {
        if self.dead {
            return;
        }
        if self.skipped > 0 || self.refused.is_some() && !self.open.is_empty() {
            self.skipped += 1;
            return self.whole(None, tag);
        }
        let Some((number, way, ordinal)) = self.way(tag, sink) else { return };
        if !way.windows.is_empty() && !self.started {
            self.once(When::Start, sink);
        }
        let before = self.store.mark();
        let parent = self.open.last().map_or(TOP, |open| open.node);
        let node = self.store.open(number, parent, tag.place());
        self.attributes(tag, way);
        if way.whole {
            self.whole(Some(node), tag);
        } else {
            self.whole(None, tag);
        }
        if !way.windows.is_empty() && self.window.is_none() {
            self.window = Some(self.open.len());
        }
        self.open.push(Open { node, way, hint: 0, before, ordinal, counts: Vec::new() });
        self.limited(tag.place(), sink);
    }

    /// The way of an element that is kept; one that is not is counted and skipped.
    fn way(&mut self, tag: &impl Tag, sink: &mut dyn Sink) -> Option<(usize, &'m Way, usize)> {
        let plan = self.plan;
        let Some(parent) = self.open.last_mut() else {
            let (namespace, local) = tag.name();
            if !self.root.is(namespace, local) {
                let text = format!("the document is '{}', not '{}'", QName::new(namespace, local), self.root);
                self.die(self.rejected("SM900", self.source, tag.place(), text), sink);
                return None;
            }
            return plan.kept.get(ROOT).map(|way| (ROOT, way, 0));
        };
        let mut ordinal = 0;
        if self.positions {
            let (namespace, local) = tag.name();
            match parent.counts.iter_mut().find(|(name, _)| name.is(namespace, local)) {
                Some((_, count)) => {
                    *count += 1;
                    ordinal = *count;
                }
                None => parent.counts.push((QName::new(namespace, local), 0)),
            }
        }
        let number = parent.way.child(tag.name(), &mut parent.hint);
        let way = number.and_then(|number| plan.kept.get(number).map(|way| (number, way)));
        if let Some(count) = way.and_then(|(_, way)| way.counter).and_then(|number| self.counters.get_mut(number)) {
            *count += 1;
        }
        let stored = way.filter(|(_, way)| way.stored);
        if stored.is_none() {
            self.skipped = 1;
            self.whole(None, tag);
        }
        stored.map(|(number, way)| (number, way, ordinal))
    }

    fn attributes(&mut self, tag: &impl Tag, way: &Way) {
        let store = &mut self.store;
        tag.attributes(|namespace, local, value| {
            if namespace == XSI_NAMESPACE {
                match local {
                    "nil" if matches!(value.trim(), "true" | "1") => store.nil(),
                    "type" => tag.scope().qname(value).into_iter().for_each(|name| store.type_name(name)),
                    _ => {}
                }
            }
            if let Some(number) = way.attributes.iter().position(|name| name.is(namespace, local)) {
                store.attribute(number, value);
            }
        });
    }

    /// Keeps a start tag for those elements that are kept whole.
    fn whole(&mut self, node: Option<NodeId>, tag: &impl Tag) {
        if node.is_none() && self.wholes.is_empty() {
            return;
        }
        let mut shell = tag.shell();
        if node.is_some() {
            // It may be taken out of what stands around it, so it brings along what that declares.
            for (prefix, namespace) in tag.scope().bindings() {
                if !shell.namespaces().iter().any(|(own, _)| own == prefix) {
                    shell.push_namespace(Arc::clone(prefix), Arc::clone(namespace));
                }
            }
        }
        let attributes = shell.attributes().iter().map(|attribute| ELEMENT_OCTETS + attribute.value.len());
        self.whole_octets += ELEMENT_OCTETS + attributes.sum::<usize>();
        self.wholes.push((node, shell));
    }

    /// Character data.
    pub(crate) fn text(&mut self, text: &str) {
        if let Some((_, element)) = self.wholes.last_mut() {
            element.push_text(text);
            self.whole_octets += text.len();
        }
        if self.dead || self.skipped > 0 {
            return;
        }
        if let Some(open) = self.open.last().filter(|open| open.way.text) {
            self.store.push_text(open.node, text);
        }
    }

    /// An end tag.
    pub(crate) fn end(&mut self, sink: &mut dyn Sink) {
        if self.dead {
            return;
        }
        self.end_whole();
        if self.skipped > 0 {
            self.skipped -= 1;
            return;
        }
        let Some((node, way)) = self.open.last().map(|open| (open.node, open.way)) else { return };
        if self.refused.is_none() {
            self.limited(self.store.place(node), sink);
        }
        if !way.windows.is_empty() {
            self.windows(way, node, sink);
        }
        let Some(open) = self.open.pop() else { return };
        if self.window == Some(self.open.len()) {
            self.window = None;
            self.refused = None;
        }
        let passes = self.window.is_none() && (way.above || !way.windows.is_empty()) && !way.retained && !self.open.is_empty();
        if passes {
            self.store.forget(open.before);
        }
    }

    fn end_whole(&mut self) {
        let Some((node, element)) = self.wholes.pop() else { return };
        if let Some(node) = node {
            self.store.keep_whole(node, element.clone(), self.whole_octets);
        }
        match self.wholes.last_mut() {
            Some((_, parent)) => parent.push(element),
            None => self.whole_octets = 0,
        }
    }

    /// A window that is too large makes no record; a document that is makes no more.
    fn limited(&mut self, place: Place, sink: &mut dyn Sink) {
        let octets = self.store.octets() + self.whole_octets;
        if octets <= KEPT_OCTETS_MAX.min(self.document_max) && self.plan.blocks.iter().all(|block| block.max.is_none()) {
            return;
        }
        let window = self.window.and_then(|depth| self.open.get(depth));
        let retained = window.is_some_and(|open| open.way.retained);
        if let Some(open) = window.filter(|_| !retained) {
            let blocks = open.way.windows.iter().filter_map(|number| self.plan.blocks.get(*number));
            let max = blocks.filter_map(|block| block.max).max().unwrap_or(KEPT_OCTETS_MAX);
            if octets.saturating_sub(open.before.octets()) > max {
                let why = format!("the record needs more than {max} octets: say so with max on the m:record, if it may");
                self.refused.get_or_insert(("SM914", self.store.place(open.node), why));
            }
        } else if octets > self.document_max {
            let why = format!("what is kept of the document outside records is more than {} octets", self.document_max);
            self.die(self.rejected("SM913", self.source, place, why), sink);
        }
    }

    fn windows(&mut self, way: &'m Way, node: NodeId, sink: &mut dyn Sink) {
        let plan = self.plan;
        let (mut other, mut taken) = (None, false);
        for block in way.windows.iter().filter_map(|number| plan.blocks.get(*number)).filter(|block| block.when == When::Window) {
            if let Some((code, source, why)) = &self.refused {
                sink.reject(self.rejected(code, block.place, *source, why.as_str()));
                taken = true;
            } else if self.is_window(block) {
                self.block(block, node, sink);
                taken = true;
            } else {
                taken |= block.ignores_others;
                other = other.or(Some(block));
            }
        }
        // Where a record of the whole document may still take it, what is lost is known at the end.
        let buffered = self.is_buffered(way);
        if taken && buffered {
            self.taken.insert(node);
        }
        if let Some(block) = other.filter(|_| !taken && !buffered) {
            self.lost(block, node, sink);
        }
    }

    /// Whether an m:record of the whole document has its windows here, too.
    fn is_buffered(&self, way: &Way) -> bool {
        let buffered = self.plan.blocks.iter().filter(|block| block.when == When::Buffered);
        let mut ends = buffered.filter_map(|block| block.window.as_ref()?.down.last());
        ends.any(|end| self.plan.kept.get(end.to).is_some_and(|other| std::ptr::eq(other, way)))
    }

    /// An element that is the window of no record, by its predicates, and that nobody leaves out for a reason.
    fn lost(&self, block: &Block, node: NodeId, sink: &mut dyn Sink) {
        let why = "no m:record takes this element: it does not satisfy their predicates";
        sink.reject(self.rejected("SM905", block.place, self.store.place(node), why));
    }

    /// What windows of the whole document leave out.
    fn left(&self, taken: &BTreeSet<NodeId>, sink: &mut dyn Sink) {
        let mut seen = taken.clone();
        for block in self.plan.blocks.iter().filter(|block| block.when == When::Buffered && !block.ignores_others) {
            let mut all = block.window.clone().unwrap_or_default();
            all.down.iter_mut().for_each(|step| step.checks.clear());
            self.store.select(&all, TOP, &mut |found| {
                if seen.insert(found) {
                    self.lost(block, found, sink);
                }
                true
            });
        }
    }

    /// Whether the innermost open element is a window of the block, its predicates looked at.
    fn is_window(&self, block: &Block) -> bool {
        let steps = block.window.as_ref().map(|select| select.down.as_slice()).unwrap_or_default();
        let around = self.open.get(self.open.len().saturating_sub(steps.len())..).unwrap_or_default();
        let passes = |(step, open): (&crate::plan::Down, &Open<'_>)| {
            step.checks.iter().all(|check| self.store.passes(check, open.ordinal, open.node))
        };
        steps.iter().zip(around).all(passes)
    }

    fn block(&mut self, block: &Block, focus: NodeId, sink: &mut dyn Sink) {
        let made = Run {
            file: self.file,
            store: &self.store,
            counters: &self.counters,
            digests: &self.digests,
            out: &mut self.out,
            witness: self.witness,
        }
        .document(block, focus);
        let draft = made.map(|root| Draft { block, out: &self.out, root, source: self.store.place(focus) });
        match draft.and_then(|draft| sink.take(&draft).map(|()| draft)) {
            Ok(draft) => {
                if self.digests.wants(block.target) {
                    self.digests.update(block.target, &draft.octets(self.plan));
                }
            }
            Err(reject) => sink.reject(reject),
        }
    }

    fn once(&mut self, when: When, sink: &mut dyn Sink) {
        self.started = true;
        let plan = self.plan;
        for block in plan.blocks.iter().filter(|block| block.when == when) {
            self.block(block, TOP, sink);
        }
    }

    /// The end of the document.
    pub(crate) fn finish(&mut self, sink: &mut dyn Sink) {
        if self.dead {
            return;
        }
        if !self.started {
            self.once(When::Start, sink);
        }
        let plan = self.plan;
        let mut taken = std::mem::take(&mut self.taken);
        for block in plan.blocks.iter().filter(|block| block.when == When::Buffered) {
            let mut windows = Vec::new();
            block.window.iter().for_each(|select| {
                self.store.select(select, TOP, &mut |found| {
                    windows.push(found);
                    true
                });
            });
            taken.extend(windows.iter().copied());
            windows.into_iter().for_each(|window| self.block(block, window, sink));
        }
        self.left(&taken, sink);
        self.once(When::End, sink);
    }
}

/// What an element or an attribute of a tree costs beside its text.
const ELEMENT_OCTETS: usize = 150;

impl Draft<'_> {
    /// The canonical octets.
    pub(crate) fn octets(&self, plan: &Plan) -> Vec<u8> {
        if self.out.has_foreign() {
            let element = self.out.element(self.root, &plan.names);
            return element.map(|element| xsd::write::canonical(&element, &[], &[])).unwrap_or_default();
        }
        let mut pieces = xsd::write::Pieces::with_capacity(1024);
        self.out.write(self.root, &plan.names, &mut crate::out::Bound::default(), &mut pieces);
        pieces.octets()
    }
}
