//! Rules under a condition: choices, cases by type, and whether every one is handled.

use super::{Compiler, Site};
use crate::coverage::Key;
use crate::document::{self, Branch, Rule, WhenTest};
use crate::path::{Path, Step};
use crate::plan::{Op, OpKind, Test, TypeCheck};
use crate::source::{End, Node, Nodes};
use crate::target::Draft;
use xsd::schema::Choice;
use xsd::tree::Place;

impl<'a> Compiler<'a> {
    pub(super) fn choose(
        &mut self,
        whens: &[document::Test],
        otherwise: Option<&[Rule]>,
        place: Place,
        site: &Site<'a, '_>,
        draft: &mut Draft,
    ) -> OpKind {
        let mut merged: Option<Draft> = None;
        let mut compiled = Vec::new();
        let mut merge = |branch: Draft| {
            merged = Some(match merged.take() {
                None => branch,
                Some(before) => before.either(&branch),
            });
        };
        for when in whens {
            let test = self.when_test(&when.test, when.place, site);
            let mut branch = draft.fresh();
            let ops = self.rules(&when.rules, site, &mut branch);
            merge(branch);
            compiled.extend(test.map(|test| (test, ops)));
        }
        let otherwise_ops = otherwise.map(|rules| {
            let mut branch = draft.fresh();
            let ops = self.rules(rules, site, &mut branch);
            merge(branch);
            ops
        });
        if otherwise.is_none() && !self.exhaustive(whens, site) {
            let text = "these cases do not cover every source: a record that fits none is rejected";
            self.report.warning("SM133", place, text).helped("add <m:otherwise/>, or the missing m:when");
        }
        if let Some(merged) = merged {
            draft.then(&merged);
        }
        OpKind::Choose { whens: compiled, otherwise: otherwise_ops }
    }

    fn when_test(&mut self, test: &WhenTest, place: Place, site: &Site<'a, '_>) -> Option<Test> {
        let (path, equals) = match test {
            WhenTest::Exists(path) | WhenTest::Missing(path) => (path, None),
            WhenTest::Equals(path, value) => (path, Some(value)),
        };
        let found = self.source.resolve(path, site.focus, place, self.report)?;
        let text = match &found.end {
            End::Attribute(id) => self.source.graph.text_type(*id),
            End::Element(nodes) => nodes.last().and_then(|node| self.source.graph.text_type(node.type_id)),
        };
        let bare = text.is_none();
        let counts = equals.is_some() || bare;
        self.source.touch.at(&found.keys, &|touch| touch.read |= counts);
        self.source.keep(&found, |way| way.text |= equals.is_some() && found.select.attribute.is_none());
        if let (Some(value), Some(text)) = (equals, text)
            && text.check(value).is_err()
        {
            self.report.error("SM155", place, format!("'{value}' is never the value of '{path}'")).declared_at(found.declared.clone());
        }
        if equals.is_some() && bare {
            self.report.error("SM102", place, format!("'{path}' holds elements, not text")).declared_at(found.declared.clone());
        }
        Some(match test {
            WhenTest::Exists(_) => Test::Exists(found.select),
            WhenTest::Missing(_) => Test::Missing(found.select),
            WhenTest::Equals(_, value) => Test::Equals(found.select, value.clone()),
        })
    }

    /// Whether one of the cases always holds: a path and its absence, all of a choice, or all values of an enumeration.
    fn exhaustive(&self, whens: &[document::Test], site: &Site<'_, '_>) -> bool {
        let graph = self.source.graph;
        let exists = |text: &str| whens.iter().any(|when| matches!(&when.test, WhenTest::Exists(path) if path.text == text));
        let both = whens.iter().any(|when| matches!(&when.test, WhenTest::Missing(path) if exists(&path.text)));
        let Some(here) = site.focus.last() else { return both };
        let children = graph.children(here.type_id);
        let tested: Vec<_> =
            children.iter().filter(|child| exists(&self.source.show(&child.name))).filter_map(|child| child.choice).collect();
        let covers = |choice: &Choice| {
            let alternatives = children.iter().filter_map(|child| child.choice).filter(|other| other.number == choice.number);
            choice.min > 0 && alternatives.into_iter().all(|other| tested.contains(&other))
        };
        let all = tested.iter().any(covers);
        let values = |path: &Path| -> Option<Vec<String>> {
            let Step::Element { name, .. } = path.steps.first().filter(|_| path.steps.len() == 1)? else { return None };
            let child = children.iter().find(|child| child.name == *name && child.min > 0)?;
            Some(graph.text_type(child.type_id)?.enumeration()?.into_iter().map(str::to_owned).collect())
        };
        let tested = |text: &str, value: &str| {
            whens.iter().any(|when| matches!(&when.test, WhenTest::Equals(path, tested) if path.text == text && tested == value))
        };
        let enumerated = whens.iter().any(|when| match &when.test {
            WhenTest::Equals(path, _) => values(path).is_some_and(|values| values.iter().all(|value| tested(&path.text, value))),
            _ => false,
        });
        both || all || enumerated
    }

    #[expect(clippy::type_complexity, reason = "the branches, and what they write together with what otherwise does")]
    pub(super) fn case(
        &mut self,
        types: &[Branch],
        otherwise: Option<&[Rule]>,
        focus: &Nodes,
        place: Place,
        site: &Site<'a, '_>,
        draft: &Draft,
    ) -> (Vec<(TypeCheck, Vec<Op>)>, (Draft, Option<Vec<Op>>)) {
        let graph = self.source.graph;
        let fallback = (draft.fresh(), None);
        let Some(node) = focus.last().cloned() else { return (Vec::new(), fallback) };
        let named: Vec<_> = types.iter().map(|branch| self.source.derived(&branch.is, &node, branch.place, self.report)).collect();
        let concrete = graph.concrete(node.type_id);
        // Each concrete type goes to the branch that names its nearest ancestor.
        let nearest = |id: usize| {
            let handles =
                named.iter().enumerate().filter_map(|(at, named)| named.filter(|named| graph.derives(id, *named)).map(|named| (at, named)));
            handles.reduce(|best, next| if graph.derives(next.1, best.1) { next } else { best }).map(|(at, _)| at)
        };
        let mut merged: Option<Draft> = None;
        let mut branches = Vec::new();
        for (at, branch) in types.iter().enumerate() {
            let Some(Some(id)) = named.get(at) else { continue };
            let handled: Vec<usize> = concrete.iter().copied().filter(|concrete| nearest(*concrete) == Some(at)).collect();
            let (check, written, ops) = self.branch(&branch.rules, (focus, *id, &handled), site, draft);
            merged = Some(merged.map_or_else(|| written.clone(), |before| before.either(&written)));
            branches.push((check, ops));
        }
        let open: Vec<usize> = concrete.iter().copied().filter(|id| nearest(*id).is_none()).collect();
        let otherwise = otherwise.map(|rules| {
            let (_, written, ops) = self.branch(rules, (focus, node.type_id, &open), site, draft);
            merged = Some(merged.take().map_or_else(|| written.clone(), |before| before.either(&written)));
            ops
        });
        if otherwise.is_none() {
            self.unhandled(&open, &node, place);
        }
        (branches, (merged.unwrap_or(fallback.0), otherwise))
    }

    fn branch(&mut self, rules: &[Rule], of: (&Nodes, usize, &[usize]), site: &Site<'a, '_>, draft: &Draft) -> (TypeCheck, Draft, Vec<Op>) {
        let (focus, id, handled) = of;
        let mut focus = focus.clone();
        let mut check = TypeCheck { declared: false, named: Vec::new() };
        if let Some(node) = focus.last_mut() {
            check = self.source.type_check(node.type_id, handled);
            node.type_id = id;
            node.keys.push(Key::Typed(handled.to_vec()));
        }
        let mut written = draft.fresh();
        let ops = self.rules(rules, &Site { focus: &focus, target: site.target }, &mut written);
        (check, written, ops)
    }

    fn unhandled(&mut self, open: &[usize], node: &Node, place: Place) {
        for id in open {
            let name = self.source.graph.type_name(*id).map(|name| self.source.show(&name)).unwrap_or_default();
            let step = node.keys.iter().rev().find_map(|key| match key {
                Key::Child(name) => Some(self.source.show(name)),
                _ => None,
            });
            let text = format!("xsi:type {name} of '{}' is not handled", step.unwrap_or_default());
            self.report
                .error("SM130", place, text)
                .declared_at(self.source.graph.declared(*id))
                .helped(format!("add m:type with is=\"{name}\", or m:otherwise"));
            // Said here, so that coverage need not say it leaf by leaf.
            let keys: Vec<Key> = node.keys.iter().cloned().chain([Key::Typed(vec![*id])]).collect();
            self.source.touch.at(&keys, &|touch| touch.skipped = true);
        }
    }
}
