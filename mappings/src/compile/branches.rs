//! Rules under a condition: choices, cases by type, and whether every one is handled.

use super::{Compiler, Site};
use crate::coverage::{Key, What};
use crate::diagnostic::Report;
use crate::document::{self, Branch, Rule, WhenTest};
use crate::path::Path;
use crate::plan::{Op, OpKind, Test, TypeCheck};
use crate::source::{End, Node, Nodes, Resolved, Source};
use crate::target::Draft;
use crate::turn::Keys;
use xsd::schema::{Choice, SimpleType};
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
        let fork = self.fork(whens, otherwise.is_some(), place, site);
        for (number, when) in whens.iter().enumerate() {
            let test = self.when_test(&when.test, when.place, site);
            let mut branch = draft.fresh();
            self.source.turns.enter(fork, number);
            let ops = self.rules(&when.rules, site, &mut branch);
            self.source.turns.leave();
            merge(branch);
            compiled.extend(test.map(|test| (test, ops)));
        }
        let otherwise_ops = otherwise.map(|rules| {
            let mut branch = draft.fresh();
            self.source.turns.enter(fork, whens.len());
            let ops = self.rules(rules, site, &mut branch);
            self.source.turns.leave();
            merge(branch);
            ops
        });
        if otherwise.is_none() && !self.exhaustive(whens, place, site) {
            let text = "these cases do not cover every source: a record that fits none is rejected";
            self.report.warning("SM133", place, text).helped("add <m:otherwise/>, or the missing m:when");
        }
        if let Some(merged) = merged {
            draft.then(&merged);
        }
        OpKind::Choose { whens: compiled, otherwise: otherwise_ops }
    }

    /// The branches of a choice, with what each knows of the source; what is tested decides, where its value is known then.
    fn fork(&mut self, whens: &[document::Test], otherwise: bool, place: Place, site: &Site<'a, '_>) -> usize {
        // What is wrong with a test is said where it is compiled.
        let mut unsaid = Report::new("");
        let mut found = |source: &mut Source<'a>, path: &Path| source.resolve(path, site.focus, place, &mut unsaid);
        let (mut branches, mut known, mut absent) = (Vec::new(), Vec::new(), Vec::new());
        let mut there = Vec::new();
        for (number, when) in whens.iter().enumerate() {
            let (mut present, mut lacking) = (there.clone(), absent.clone());
            let (path, words) = match &when.test {
                WhenTest::Exists(path) => (path, format!("'{path}' is there")),
                WhenTest::Missing(path) => (path, format!("'{path}' is absent")),
                WhenTest::Equals(path, value) => (path, format!("'{path}' is '{value}'")),
            };
            if let Some(found) = found(&mut self.source, path) {
                let keys = found.keys.clone();
                match &when.test {
                    WhenTest::Exists(_) => {
                        present.push(keys.clone());
                        absent.push(keys.clone());
                    }
                    WhenTest::Missing(_) => {
                        lacking.push(keys.clone());
                        there.push(keys.clone());
                    }
                    WhenTest::Equals(..) => present.push(keys.clone()),
                }
                known.push((number, found));
            }
            branches.push(self.source.branch(words, when.place, present, lacking));
        }
        if otherwise {
            branches.push(self.source.branch("m:otherwise holds".to_owned(), place, there, absent));
        }
        let last = whens.len();
        let fork = self.source.turns.fork(branches);
        for (number, found) in &known {
            self.decides(whens, (fork, *number, otherwise.then_some(last)), found);
        }
        fork
    }

    /// What an m:when asks for is known in its branch, and where all other values are gone.
    fn decides(&mut self, whens: &[document::Test], at: (usize, usize, Option<usize>), found: &Resolved) {
        let (fork, number, last) = at;
        let Some(when) = whens.get(number) else { return };
        let text = self.text_of(found);
        let others = || (number + 1..whens.len()).chain(last);
        let branches: Vec<usize> = match (&when.test, text) {
            (WhenTest::Equals(path, _), Some(text)) => {
                let tested = |value: &&str| {
                    whens
                        .iter()
                        .any(|when| matches!(&when.test, WhenTest::Equals(other, known) if other.text == path.text && known == value))
                };
                let open = text.enumeration().map(|values| values.iter().filter(|value| !tested(value)).count());
                std::iter::once(number).chain(last.filter(|_| open.is_some_and(|open| open <= 1))).collect()
            }
            // Of what has no text there is nothing to know but that it is there.
            (WhenTest::Exists(_), None) => vec![number],
            (WhenTest::Missing(_), None) => others().collect(),
            _ => return,
        };
        for branch in branches {
            self.source.turns.enter(fork, branch);
            self.source.claim(&found.keys, What::Decides);
            self.source.turns.leave();
        }
    }

    fn text_of(&self, found: &Resolved) -> Option<SimpleType<'a>> {
        match &found.end {
            End::Attribute(id) => self.source.graph.text_type(*id),
            End::Element(nodes) => nodes.last().and_then(|node| self.source.graph.text_type(node.type_id)),
        }
    }

    fn when_test(&mut self, test: &WhenTest, place: Place, site: &Site<'a, '_>) -> Option<Test> {
        let (path, equals) = match test {
            WhenTest::Exists(path) | WhenTest::Missing(path) => (path, None),
            WhenTest::Equals(path, value) => (path, Some(value)),
        };
        let found = self.source.resolve(path, site.focus, place, self.report)?;
        let text = self.text_of(&found);
        let bare = text.is_none();
        self.source.touch.at(&found.keys, &|_| {});
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
    fn exhaustive(&mut self, whens: &[document::Test], place: Place, site: &Site<'a, '_>) -> bool {
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
        // What is wrong with a path is said where the test is compiled.
        let mut unsaid = Report::new("");
        let mut values = |path: &Path| -> Option<Vec<String>> {
            let found = self.source.resolve(path, site.focus, place, &mut unsaid).filter(|found| !found.optional)?;
            Some(self.text_of(&found)?.enumeration()?.into_iter().map(str::to_owned).collect())
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
        (focus, optional): (&Nodes, bool),
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
        let open: Vec<usize> = concrete.iter().copied().filter(|id| nearest(*id).is_none()).collect();
        let handled = |at: usize| concrete.iter().copied().filter(|concrete| nearest(*concrete) == Some(at)).collect::<Vec<usize>>();
        let fork = self.types(types, &|at| handled(at), otherwise.map(|_| open.as_slice()), (&node, optional, place));
        let mut merged: Option<Draft> = None;
        let mut branches = Vec::new();
        for (at, branch) in types.iter().enumerate() {
            let Some(Some(id)) = named.get(at) else { continue };
            self.source.turns.enter(fork, at);
            let (check, written, ops) = self.branch(&branch.rules, (focus, *id, &handled(at)), site, draft);
            self.source.turns.leave();
            merged = Some(merged.map_or_else(|| written.clone(), |before| before.either(&written)));
            branches.push((check, ops));
        }
        let otherwise = otherwise.map(|rules| {
            self.source.turns.enter(fork, types.len());
            let (_, written, ops) = self.branch(rules, (focus, node.type_id, &open), site, draft);
            self.source.turns.leave();
            merged = Some(merged.take().map_or_else(|| written.clone(), |before| before.either(&written)));
            ops
        });
        if otherwise.is_none() {
            self.unhandled(&open, &node, place);
        }
        (branches, (merged.unwrap_or(fallback.0), otherwise))
    }

    /// The branches of a case: a type each, what m:otherwise takes, and where the element is absent.
    fn types(
        &mut self,
        types: &[Branch],
        handled: &dyn Fn(usize) -> Vec<usize>,
        open: Option<&[usize]>,
        of: (&Node, bool, Place),
    ) -> usize {
        let (node, optional, place) = of;
        let typed = |ids: Vec<usize>| node.keys.iter().cloned().chain([Key::Typed(ids)]).collect::<Keys>();
        let case = |words: String, place: Place, ids: Vec<usize>| self.source.branch(words, place, vec![typed(ids)], Vec::new());
        let each = types.iter().enumerate();
        let each = each.map(|(at, branch)| case(format!("it is {}", self.source.show(&branch.is)), branch.place, handled(at)));
        let mut branches: Vec<_> = each.collect();
        branches.extend(open.map(|open| case("m:otherwise holds".to_owned(), place, open.to_vec())));
        if optional {
            let name = node.keys.iter().rev().find_map(|key| if let Key::Child(name) = key { Some(self.source.show(name)) } else { None });
            let words = format!("'{}' is absent", name.unwrap_or_default());
            branches.push(self.source.branch(words, place, Vec::new(), vec![node.keys.clone()]));
        }
        self.source.turns.fork(branches)
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
