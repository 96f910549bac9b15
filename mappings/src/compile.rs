//! The compiler: rules against both schemas, into a plan. Everything wrong with a mapping is said in one run.

mod branches;

use crate::coverage::{Coverage, Leaf, State, Touch, Walk, Watch, What, Wheres, wheres};
use crate::diagnostic::{Report, meant};
use crate::document::{Absent, Block, Document, Missing, Origin, Rule, RuleKind, Set, When};
use crate::graph::Graph;
use crate::judge::Produced;
use crate::kept::{ROOT, is_plain};
use crate::path::Path;
use crate::plan::{self, Check, CodeTable, Guard, Last, Names, Op, OpKind, Plan};
use crate::source::{End, Node, Nodes, Resolved, Source};
use crate::target::{Aim, Draft, Target, Times, Written};
use crate::xslt::Stylesheet;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;
use xsd::tree::{Place, QName};

/// A target: its schema and its root, by the name that records use.
pub(crate) struct Named<'a> {
    pub(crate) name: &'a str,
    pub(crate) root: &'a QName,
    pub(crate) graph: &'a Graph<'a>,
}

/// What the compiler works on.
pub(crate) struct Compiler<'a> {
    pub(crate) document: &'a Document,
    pub(crate) source: Source<'a>,
    pub(crate) targets: Vec<Named<'a>>,
    pub(crate) codes: BTreeMap<String, Arc<CodeTable>>,
    pub(crate) stylesheets: BTreeMap<String, Arc<Stylesheet>>,
    pub(crate) plan: Plan,
    pub(crate) names: &'a RefCell<Names>,
    /// What m:ignore leaves out.
    pub(crate) ignored: Vec<(Resolved, Place)>,
    pub(crate) report: &'a mut Report,
}

/// What came out: the plan, and the leaves of the windows.
pub(crate) struct Compiled {
    pub(crate) plan: Plan,
    pub(crate) coverage: Coverage,
    pub(crate) leaves: Vec<Leaf>,
}

/// Where rules stand: what they read from and what they write to.
struct Site<'a, 't> {
    focus: &'t Nodes,
    target: Target<'a>,
}

impl<'a> Compiler<'a> {
    pub(crate) fn compile(mut self) -> Compiled {
        let document = self.document;
        let Some(root) = self.source.graph.global(&document.source.root) else {
            self.no_root();
            return Compiled { plan: self.plan, coverage: Coverage::default(), leaves: Vec::new() };
        };
        self.source.top = root.type_id;
        let root = self.source.root(&document.source.root, &root);
        let mut windows: Vec<(Node, Place)> = Vec::new();
        // m:once at the start asks where the first record stands, so records come first.
        let early = |block: &&Block| block.when == When::Start;
        let (start, others): (Vec<&Block>, Vec<&Block>) = document.blocks.iter().partition(early);
        let first = others.iter().find(|block| block.window.is_some()).copied();
        for block in others.into_iter().chain(start) {
            let Some((mut compiled, window)) = self.block(block, &root, first) else { continue };
            if let (Some(node), true) = (&window, block.when == When::Window) {
                self.source.kept.window(node.way, self.plan.blocks.len());
            }
            compiled.max = block.max;
            self.plan.blocks.push(compiled);
            windows.extend(window.map(|window| (window, block.place)));
        }
        self.retained(&windows);
        self.covered();
        // Where a block could not be compiled its leaves would all seem forgotten.
        let whole = self.plan.blocks.len() == document.blocks.len();
        let (coverage, leaves) = if whole { self.cover(&root, windows) } else { Default::default() };
        self.source.kept.finish();
        self.plan.kept = self.source.kept;
        self.plan.names = self.names.take();
        Compiled { plan: self.plan, coverage, leaves }
    }

    fn no_root(&mut self) {
        let names = self.source.graph.global_names();
        let source = &self.document.source;
        let shown = self.source.show(&source.root);
        let diagnostic = self.report.error("SM103", source.place, format!("source schema has no global element '{shown}'"));
        if let Some(likely) = meant(source.root.local(), names.iter().map(|name| name.local())) {
            diagnostic.helped(format!("did you mean '{likely}'?"));
        }
    }

    fn block(&mut self, block: &Block, root: &Node, first: Option<&Block>) -> Option<(plan::Block, Option<Node>)> {
        let mut focus = vec![root.clone()];
        let mut window = None;
        self.source.retained = matches!(block.when, When::End | When::Buffered);
        self.source.ahead = Nodes::new();
        if let Some(path) = &block.window {
            let resolved = self.source.resolve(path, &focus, block.place, self.report)?;
            let End::Element(nodes) = &resolved.end else {
                self.report.error("SM104", block.place, format!("'{path}' is an attribute; a window is an element"));
                return None;
            };
            self.source.touch.at(&resolved.keys, &|_| {});
            self.source.keep(&resolved, |_| {});
            focus.clone_from(nodes);
            window = Some(resolved.select);
        }
        if block.when == When::Window {
            self.source.ahead.clone_from(&focus);
        }
        if let (When::Start, Some(path)) = (block.when, first.and_then(|first| first.window.as_ref()))
            && let Some(End::Element(nodes)) = self.source.resolve(path, &focus, block.place, self.report).map(|found| found.end)
        {
            self.source.ahead = nodes;
        }
        let Some((at, named)) = self.targets.iter().enumerate().find(|(_, named)| named.name == block.to) else {
            self.report.error("SM020", block.place, format!("there is no target '{}'", block.to));
            return None;
        };
        let target = Target { graph: named.graph, scope: &self.document.scope, names: self.names };
        let child = named.graph.global(named.root)?;
        let mut draft = Draft::new(child.type_id, target.show(named.root), child.declared);
        let slot = target.slot(named.root, 0);
        let ops = self.rules(&block.rules, &Site { focus: &focus, target }, &mut draft);
        target.finish(&draft, &self.source.turns, block.place, self.report);
        let node = window.is_some().then(|| focus.last().cloned()).flatten();
        let (when, guards) = (block.when, Vec::new());
        let ignores_others = block.ignores_others;
        Some((plan::Block { target: at, when, window, max: None, ignores_others, root: slot, ops, guards, place: block.place }, node))
    }

    /// Says where an m:ignore leaves out more than what nobody reads: a leaf that is new in a later schema would be lost in silence.
    fn covered(&mut self) {
        for (found, place) in std::mem::take(&mut self.ignored) {
            if self.source.kept.is_read_inside(found.way) && !self.source.touch.is_read_in_part(&found.keys) {
                let text = format!("'{}' is ignored as a whole, and rules read in it", found.select.text);
                let help = "ignore its parts that no rule reads, each with its reason";
                self.report.warning("SM302", place, text).declared_at(found.declared).helped(help);
            }
        }
    }

    /// Says of windows that they stay in memory, since rules outside read in them.
    fn retained(&mut self, windows: &[(Node, Place)]) {
        for (node, place) in windows {
            let passes = |block: &&plan::Block| block.place == *place && block.when == When::Window;
            if self.plan.blocks.iter().any(|block| passes(&block)) && self.source.kept.get(node.way).is_some_and(|way| way.retained) {
                let text = "rules outside of this m:record read in it, so that all records are kept until the document ends";
                self.report.warning("SM402", *place, text).helped("count the records, or say with max on m:once how much may be kept");
            }
        }
    }

    /// Counts the leaves of the windows, of each for every predicate that makes it one, and has the blocks watch what rules read only
    /// where predicates hold; without windows the root is one.
    fn cover(&mut self, root: &Node, mut windows: Vec<(Node, Place)>) -> (Coverage, Vec<Leaf>) {
        let (graph, scope, touch) = (self.source.graph, self.source.scope, self.source.touch.clone());
        let turns = std::mem::take(&mut self.source.turns);
        let (mut total, mut all) = (Coverage::default(), Vec::new());
        let mut headers = touch.clone();
        let mut watched = Vec::new();
        while let Some((window, place)) = windows.first().cloned() {
            let (same, others) = windows.into_iter().partition(|(other, _)| other.way == window.way && other.type_id == window.type_id);
            windows = others;
            let here = touch.find(&window.keys).unwrap_or(&touch);
            let mut known: Option<Walk<'_, '_>> = None;
            for (other, place) in same {
                let mut walk = Walk::new(graph, scope, &turns, &other.keys, (place, true));
                walk.element(other.type_id, here, "");
                watched.push((other.way, place, crate::coverage::depth(&other.keys), walk.watches()));
                match &mut known {
                    None => known = Some(walk),
                    Some(known) => walk.finish().1.into_iter().for_each(|leaf| known.add(leaf)),
                }
            }
            let (coverage, leaves) = known.map(Walk::finish).unwrap_or_default();
            total += coverage;
            self.open("SM300", &leaves, place);
            all.extend(leaves);
            headers.at(&window.keys, &|touch| *touch = Touch::ignored());
        }
        let whole = watched.is_empty();
        let place = self.document.blocks.first().map_or(root.declared.as_ref().map(|at| at.place).unwrap_or_default(), |block| block.place);
        let mut walk = Walk::new(graph, scope, &turns, &[], (place, whole));
        walk.element(root.type_id, &headers, "");
        if whole {
            let watches = walk.watches();
            watched.extend(self.plan.blocks.iter().map(|block| (ROOT, block.place, 0, watches.clone())));
        }
        let (coverage, leaves) = walk.finish();
        self.open(if whole { "SM300" } else { "SM301" }, &leaves, place);
        for (way, place, depth, watches) in watched {
            let guards: Vec<Guard> = watches.iter().map(|watch| self.guard(way, depth, watch)).collect();
            self.plan.blocks.iter_mut().filter(|block| block.place == place).for_each(|block| block.guards.clone_from(&guards));
        }
        if whole { (coverage, leaves) } else { (total, all) }
    }

    /// What a block looks for at run time; what it looks at is kept.
    fn guard(&mut self, window: usize, depth: usize, watch: &Watch) -> Guard {
        let (mut way, mut steps) = (window, Vec::new());
        for (at, (name, rank, types)) in watch.steps.iter().enumerate() {
            if at > 0 {
                way = self.source.kept.child(way, name, *rank);
            }
            steps.push((way, types.clone()));
        }
        self.source.kept.keep(way, false, |_| {});
        let attribute = watch.attribute.as_ref().map(|name| self.source.kept.attribute(way, name));
        let asked = |seen: &Wheres, at: usize| {
            let own = seen.iter().filter(|(known, _)| *known == depth + at);
            own.map(|(_, check)| check.clone()).collect::<Vec<Check>>()
        };
        let seen = watch.seen.iter().map(|seen| (0..steps.len()).map(|at| asked(seen, at)).collect()).collect();
        Guard { steps, attribute, leaf: watch.leaf.clone(), seen }
    }

    fn open(&mut self, code: &'static str, leaves: &[Leaf], place: Place) {
        let what = if code == "SM301" { "header" } else { "leaf" };
        for leaf in leaves.iter().filter(|leaf| leaf.open) {
            let path = &leaf.path;
            let up = if code == "SM301" { "../" } else { "" };
            let prefix = if path.contains('{') { "declare a prefix for the namespace in braces, then " } else { "" };
            let (code, place, text, help) = match (&leaf.lost, leaf.state) {
                (Some((case, place)), State::Decides) => {
                    let text = format!("source {what} '{path}' only decides, and its value is lost where {case}");
                    ("SM304", *place, text, format!("{prefix}read it, or say in that branch with m:ignore why it may be lost"))
                }
                (Some((case, place)), _) => {
                    let text = format!("source {what} '{path}' is read in some branches only: it is lost where {case}");
                    ("SM303", *place, text, format!("{prefix}read it there, too, or say there with m:ignore why it may be lost"))
                }
                (None, _) => {
                    let text = format!("source {what} '{path}' is neither mapped nor ignored");
                    (code, place, text, format!("{prefix}map it, or add an m:ignore with path '{up}{path}' and a reason"))
                }
            };
            self.report.warning(code, place, text).declared_at(leaf.declared.clone()).helped(help);
        }
    }

    fn rules(&mut self, rules: &[Rule], site: &Site<'a, '_>, draft: &mut Draft) -> Vec<Op> {
        rules.iter().filter_map(|rule| self.rule(rule, site, draft).map(|kind| Op { place: rule.place, kind })).collect()
    }

    fn rule(&mut self, rule: &Rule, site: &Site<'a, '_>, draft: &mut Draft) -> Option<OpKind> {
        match &rule.kind {
            RuleKind::Set(set) => self.set(set, rule.place, site, draft),
            RuleKind::In { path, select: None, rules } => {
                let (aim, slot) = self.aim_element(path, rule.place, site, draft)?;
                let ops = self.inside(rules, &aim, rule.place, site);
                draft.write(&aim, Times::ONCE, &self.written(None));
                Some(OpKind::In { through: aim.through, slot, select: None, ops })
            }
            RuleKind::In { path, select: Some(select), rules } => {
                let aim = self.aim_element(path, rule.place, site, draft);
                let found = self.select(select, rule.place, site)?;
                self.not_many(&found, rule.place);
                let (focus, (aim, slot)) = (self.element_focus(&found, rule.place)?, aim?);
                let forked = self.where_there(&found, rule.place);
                let ops = self.inside(rules, &aim, rule.place, &Site { focus: &focus, target: site.target });
                self.source.turns.left(forked);
                draft.write(&aim, if found.optional { Times::PERHAPS } else { Times::ONCE }, &self.written(Some(&found)));
                Some(OpKind::In { through: aim.through, slot, select: Some(found.select), ops })
            }
            RuleKind::Each { path, select, rules } => {
                let aim = self.aim_element(path, rule.place, site, draft);
                let found = self.select(select, rule.place, site)?;
                let (focus, (aim, slot)) = (self.element_focus(&found, rule.place)?, aim?);
                let forked = self.where_there(&found, rule.place);
                let ops = self.inside(rules, &aim, rule.place, &Site { focus: &focus, target: site.target });
                self.source.turns.left(forked);
                draft.write(&aim, Times { min: found.least, max: found.most }, &self.written(Some(&found)));
                Some(OpKind::Each { through: aim.through, slot, select: found.select, ops })
            }
            RuleKind::Choose { whens, otherwise } => Some(self.choose(whens, otherwise.as_deref(), rule.place, site, draft)),
            RuleKind::Case { of, types, otherwise } => {
                let found = self.select(of, rule.place, site)?;
                self.not_many(&found, rule.place);
                let focus = self.element_focus(&found, rule.place)?;
                let (branches, merged) = self.case(types, otherwise.as_deref(), (&focus, found.optional), rule.place, site, draft);
                let fresh = draft.fresh();
                draft.then(&if found.optional { merged.0.either(&fresh) } else { merged.0 });
                Some(OpKind::Case { of: found.select, branches, otherwise: merged.1 })
            }
            RuleKind::Copy { path, from } => self.copy(path, from, rule.place, site, draft),
            RuleKind::Xslt { path, select, href } => {
                let aim = self.aim_element(path, rule.place, site, draft);
                let found = self.whole(select, What::Transforms, rule.place, site)?;
                let (aim, slot) = aim?;
                draft.write(&aim, if found.optional { Times::PERHAPS } else { Times::ONCE }, &self.written(Some(&found)));
                let stylesheet = Arc::clone(self.stylesheets.get(href)?);
                Some(OpKind::Xslt { through: aim.through, slot, select: found.select, stylesheet })
            }
            RuleKind::IgnoreOpen(path, open) => {
                let ahead = std::mem::take(&mut self.source.ahead);
                let found = self.source.resolve(path, site.focus, rule.place, self.report);
                self.source.ahead = ahead;
                let (found, turn) = (found?, self.source.turns.now());
                self.source.touch.at(&found.keys, &|touch| touch.open(open).claim(What::Ignores, turn.clone(), wheres(&found.keys)));
                None
            }
            RuleKind::Ignore(path) => {
                // What is never read may stand behind the records, too.
                let ahead = std::mem::take(&mut self.source.ahead);
                let found = self.source.resolve(path, site.focus, rule.place, self.report);
                self.source.ahead = ahead;
                let found = found?;
                self.source.claim(&found.keys, What::Ignores);
                if matches!(found.end, End::Element(_)) {
                    self.ignored.push((found, rule.place));
                }
                None
            }
        }
    }

    /// When a rule that stands here writes.
    fn written(&self, found: Option<&Resolved>) -> Written {
        let present = found.map(|found| found.keys.clone()).into_iter().collect();
        Written { turn: self.source.turns.now(), there: self.source.branch(String::new(), Place::default(), present, Vec::new()) }
    }

    /// Goes where what was found is there, if it may be absent.
    fn where_there(&mut self, found: &Resolved, place: Place) -> bool {
        if found.optional {
            let (here, text) = (vec![found.keys.clone()], &found.select.text);
            let there = self.source.branch(format!("'{text}' is there"), place, here.clone(), Vec::new());
            let absent = self.source.branch(format!("'{text}' is absent"), place, Vec::new(), here);
            let fork = self.source.turns.fork(vec![there, absent]);
            self.source.turns.enter(fork, 0);
        }
        found.optional
    }

    fn select(&mut self, path: &Path, place: Place, site: &Site<'a, '_>) -> Option<Resolved> {
        let found = self.source.resolve(path, site.focus, place, self.report)?;
        self.source.touch.at(&found.keys, &|_| {});
        self.source.keep(&found, |_| {});
        Some(found)
    }

    /// An element that a rule takes with everything in it.
    fn whole(&mut self, path: &Path, what: What, place: Place, site: &Site<'a, '_>) -> Option<Resolved> {
        let found = self.source.resolve(path, site.focus, place, self.report)?;
        self.source.claim(&found.keys, what);
        self.source.keep(&found, |way| way.whole = true);
        self.not_many(&found, place);
        self.element_focus(&found, place)?;
        Some(found)
    }

    fn copy(&mut self, path: &Path, from: &Path, place: Place, site: &Site<'a, '_>, draft: &mut Draft) -> Option<OpKind> {
        let found = self.whole(from, What::Copies, place, site);
        let (aim, slot) = self.aim_element(path, place, site, draft)?;
        let found = found?;
        let End::Element(nodes) = &found.end else { return None };
        let source = nodes.last()?.type_id;
        let (has, wants) = (self.source.graph.type_name(source), site.target.graph.type_name(aim.type_id));
        let any = wants.as_ref().is_some_and(|name| name.is(xsd::schema::XSD_NAMESPACE, "anyType"));
        if !any && (has.is_none() || has != wants) {
            let words = |name: Option<QName>| name.map_or_else(|| "an anonymous type".to_owned(), |name| self.source.show(&name));
            let text = format!("'{from}' is {} and target '{}' is {}: only one type is copied", words(has), aim.path, words(wants));
            self.report.error("SM161", place, text).declared_at(aim.declared.clone()).helped("map what is in it with m:in");
        }
        draft.write(&aim, if found.optional { Times::PERHAPS } else { Times::ONCE }, &self.written(Some(&found)));
        Some(OpKind::Copy { through: aim.through, slot, select: found.select })
    }

    fn element_focus(&mut self, found: &Resolved, place: Place) -> Option<Nodes> {
        match &found.end {
            End::Element(nodes) => Some(nodes.clone()),
            End::Attribute(_) => {
                self.report.error("SM104", place, format!("'{}' is an attribute; this rule needs an element", found.select.text));
                None
            }
        }
    }

    fn not_many(&mut self, found: &Resolved, place: Place) {
        if found.many {
            let text = format!("'{}' repeats", found.select.text);
            self.report
                .error("SM120", place, text)
                .declared_at(found.declared.clone())
                .helped("use <m:each>, or [1] where the first is meant");
        }
    }

    /// Where a rule that makes elements aims: at an element.
    fn aim_element(&mut self, path: &Path, place: Place, site: &Site<'a, '_>, draft: &mut Draft) -> Option<(Aim, plan::Slot)> {
        let aim = site.target.aim(path, draft, place, self.report)?;
        match &aim.last {
            Last::Element(slot) => {
                let slot = slot.clone();
                Some((aim, slot))
            }
            Last::Attribute(..) | Last::Text => {
                self.report.error("SM211", place, format!("target path '{path}' must lead to an element"));
                None
            }
        }
    }

    fn inside(&mut self, rules: &[Rule], aim: &Aim, place: Place, site: &Site<'a, '_>) -> Vec<Op> {
        let mut inner = aim.draft();
        let ops = self.rules(rules, site, &mut inner);
        site.target.finish(&inner, &self.source.turns, place, self.report);
        ops
    }

    fn set(&mut self, set: &Set, place: Place, site: &Site<'a, '_>, draft: &mut Draft) -> Option<OpKind> {
        let aim = site.target.aim(&set.path, draft, place, self.report);
        let read = self.value(set, place, site, aim.as_ref());
        let aim = aim?;
        let Some((value, times)) = read else {
            // The fault is reported where the value comes from; the target was thought of.
            draft.write(&aim, Times::ONCE, &self.written(None));
            return None;
        };
        let mut inner = aim.draft();
        let whole = matches!(aim.last, Last::Element(_));
        if !whole && !set.inside.is_empty() {
            self.report.error("SM212", place, format!("nothing can be inside '{}'", aim.path));
        }
        let written = self.known(set, place, site);
        let omitted = times.min == 0 && !set.inside.is_empty();
        if omitted {
            self.where_written(set, written.as_ref(), place);
        }
        let ops = self.rules(&set.inside, site, &mut inner);
        self.source.turns.left(omitted);
        if whole {
            inner.write_text();
            site.target.finish(&inner, &self.source.turns, place, self.report);
        }
        draft.write(&aim, times, &self.written(written.as_ref()));
        Some(OpKind::Set(Box::new(plan::Set { through: aim.through, last: aim.last, value, inside: ops })))
    }

    /// Where the value comes from, if it is known that it is there: of one path without a default.
    fn known(&mut self, set: &Set, place: Place, site: &Site<'a, '_>) -> Option<Resolved> {
        match &set.origin {
            Origin::From(paths) if set.default.is_none() && paths.len() == 1 => {
                paths.first().and_then(|path| self.source.resolve(path, site.focus, place, self.report))
            }
            _ => None,
        }
    }

    /// Goes where an element is written that may be left out. What stands in one that is absent is absent, too; of one that is left
    /// out though it is there that is not known.
    fn where_written(&mut self, set: &Set, written: Option<&Resolved>, place: Place) {
        let text = match &set.origin {
            Origin::From(paths) => paths.iter().map(|path| path.text.as_str()).collect::<Vec<_>>().join(" | "),
            _ => String::new(),
        };
        let missing = set.codes.as_ref().and_then(|name| self.codes.get(name)).is_some_and(|codes| codes.missing == Missing::Omit);
        let dropped = missing || set.nil == Some(Absent::Omit) || set.empty == Some(Absent::Omit);
        let here: Vec<_> = written.map(|found| found.keys.clone()).into_iter().collect();
        let absent = if dropped { Vec::new() } else { here.clone() };
        let there = self.source.branch(format!("'{text}' is written"), place, here, Vec::new());
        let left_out = self.source.branch(format!("'{text}' is left out"), place, Vec::new(), absent);
        let fork = self.source.turns.fork(vec![there, left_out]);
        self.source.turns.enter(fork, 0);
    }

    fn value(&mut self, set: &Set, place: Place, site: &Site<'a, '_>, aim: Option<&Aim>) -> Option<(plan::Value, Times)> {
        match &set.origin {
            Origin::Value(constant) => {
                if let Some(aim) = aim {
                    self.constant_for(constant, place, site.target, aim);
                }
                Some((plan::Value::Constant(constant.clone()), Times::ONCE))
            }
            Origin::Count(path) => {
                let found = self.source.resolve(path, site.focus, place, self.report)?;
                self.source.touch.at(&found.keys, &|_| {});
                if let Some(aim) = aim {
                    self.computed(&Produced::Count, &found.select.text, place, site.target, aim);
                }
                Some((self.count(found, site.focus.len()), Times::ONCE))
            }
            Origin::Digest(target, algorithm) => {
                let Some(at) = self.targets.iter().position(|named| named.name == *target) else {
                    self.report.error("SM020", place, format!("there is no target '{target}'"));
                    return None;
                };
                if let Some(aim) = aim {
                    self.computed(&Produced::Digest, target, place, site.target, aim);
                }
                if !self.source.retained {
                    let text = format!("what is made of target '{target}' is not known yet");
                    self.report.error("SM401", place, text).helped("write the digest in <m:once at=\"end\">");
                }
                let wanted = (at, *algorithm);
                let number = self.plan.digests.iter().position(|known| *known == wanted).unwrap_or_else(|| {
                    self.plan.digests.push(wanted);
                    self.plan.digests.len() - 1
                });
                Some((plan::Value::Digest(number), Times::ONCE))
            }
            Origin::From(paths) => self.read(set, paths, place, (site.focus, site.target), aim),
        }
    }

    /// What is counted from the root is counted as it passes; nothing of it is kept.
    fn count(&mut self, found: Resolved, depth: usize) -> plan::Value {
        let passing = self.source.retained && depth == 1 && is_plain(&found.select) && found.way != ROOT;
        if !passing {
            self.source.keep(&found, |_| {});
            return plan::Value::Count(found.select);
        }
        let number = self.source.kept.get(found.way).and_then(|way| way.counter).unwrap_or(self.plan.counters);
        self.plan.counters = self.plan.counters.max(number + 1);
        self.source.kept.count(found.way, number);
        plan::Value::Counter(number)
    }
}
