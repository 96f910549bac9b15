//! Where a rule reads: paths resolved against the source schema, with what can be absent, repeat or be nil.

use crate::coverage::{Key, Touch, What, wheres};
use crate::diagnostic::{Location, Report, closest, meant};
use crate::graph::{Child, Graph, TypeId};
use crate::kept::{Kept, ROOT, Way};
use crate::path::{Path, Scope, Step, Test};
use crate::plan::{Check, Down, Select, TypeCheck};
use crate::turn::{Branch, Keys, Turn, Turns};
use xsd::tree::{Place, QName};

/// An element that rules stand in, as far as the schema knows it.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) type_id: TypeId,
    pub(crate) nillable: bool,
    /// From the root to here.
    pub(crate) keys: Vec<Key>,
    pub(crate) declared: Option<Location>,
    /// Its way in what is kept.
    pub(crate) way: usize,
    /// Its own step in its parent's content model; nothing at the root.
    rank: usize,
    name: QName,
}

/// The elements from the root to where a rule stands.
pub(crate) type Nodes = Vec<Node>;

/// What a path leads to.
#[derive(Debug)]
pub(crate) struct Resolved {
    pub(crate) select: Select,
    pub(crate) optional: bool,
    pub(crate) many: bool,
    /// How often it is there at least.
    pub(crate) least: usize,
    /// How often it may be there.
    pub(crate) most: Option<usize>,
    pub(crate) end: End,
    pub(crate) keys: Vec<Key>,
    /// The element that it leads to, or whose attribute.
    pub(crate) way: usize,
    pub(crate) declared: Option<Location>,
}

#[derive(Debug)]
pub(crate) enum End {
    Element(Nodes),
    /// Its simple type.
    Attribute(TypeId),
}

/// The source schema together with what the rules have touched of it.
pub(crate) struct Source<'a> {
    pub(crate) graph: &'a Graph<'a>,
    pub(crate) scope: &'a Scope,
    pub(crate) touch: Touch,
    pub(crate) kept: Kept,
    /// The window and what stands around it: outside of it, what rules read must be a header. Nothing where all is known.
    pub(crate) ahead: Nodes,
    /// Whether what rules read is kept until the document ends.
    pub(crate) retained: bool,
    /// Where the mapping parts.
    pub(crate) turns: Turns,
    /// The type of the root.
    pub(crate) top: TypeId,
}

struct Walk {
    nodes: Nodes,
    down: Vec<Down>,
    optional: bool,
    many: bool,
    least: usize,
    most: Option<usize>,
    default: Option<String>,
}

impl<'a> Source<'a> {
    pub(crate) fn new(graph: &'a Graph<'a>, scope: &'a Scope) -> Self {
        let (touch, kept, ahead, turns) = Default::default();
        Self { graph, scope, touch, kept, ahead, retained: false, turns, top: 0 }
    }
}

impl Source<'_> {
    pub(crate) fn root(&self, name: &QName, child: &Child) -> Node {
        Node {
            type_id: child.type_id,
            nillable: child.nillable,
            keys: Vec::new(),
            declared: child.declared.clone(),
            way: ROOT,
            rank: 0,
            name: name.clone(),
        }
    }

    pub(crate) fn show(&self, name: &QName) -> String {
        self.scope.show(name)
    }

    fn show_type(&self, id: TypeId) -> String {
        self.graph.type_name(id).map_or_else(|| "an anonymous type".to_owned(), |name| self.show(&name))
    }

    /// Resolves `path` from `focus`. What is wrong with it is in `report`.
    pub(crate) fn resolve(&mut self, path: &Path, focus: &Nodes, place: Place, report: &mut Report) -> Option<Resolved> {
        let up = path.steps.iter().take_while(|step| **step == Step::Up).count();
        if up >= focus.len() {
            report.error("SM110", place, format!("'{path}' leaves the document"));
            return None;
        }
        let nodes: Nodes = focus.iter().take(focus.len() - up).cloned().collect();
        let header = self.ahead.get(nodes.len()).cloned();
        let mut walk = Walk { nodes, down: Vec::new(), optional: false, many: false, least: 1, most: Some(1), default: None };
        let mut attribute = None;
        for (at, step) in path.steps.iter().skip(up).enumerate() {
            match step {
                Step::Up => {}
                Step::Element { name, tests } => {
                    self.element(&mut walk, (name, tests), path, place, report)?;
                    let found = walk.nodes.last()?;
                    if let Some(window) = header.as_ref().filter(|window| at == 0 && found.rank >= window.rank) {
                        let text =
                            format!("'{path}' does not stand before '{}' in the document, so it is not known yet", self.show(&window.name));
                        report.error("SM401", place, text).helped("read it in <m:once at=\"end\">");
                    }
                }
                Step::Attribute(name) => attribute = Some(self.attribute(&mut walk, name, path, place, report)?),
            }
        }
        let select = Select {
            up,
            down: walk.down,
            attribute: attribute.as_ref().map(|(name, ..)| self.kept.attribute(walk.nodes.last().map_or(ROOT, |node| node.way), name)),
            declared_default: walk.default,
            text: path.text.clone(),
        };
        let last = walk.nodes.last()?;
        let mut keys = last.keys.clone();
        let (end, declared) = match attribute {
            None => (End::Element(walk.nodes.clone()), last.declared.clone()),
            Some((name, id, declared)) => {
                keys.push(Key::Attribute(name));
                (End::Attribute(id), declared)
            }
        };
        let way = last.way;
        let least = if walk.optional { 0 } else { walk.least };
        Some(Resolved { select, optional: walk.optional, many: walk.many, least, most: walk.most, end, keys, way, declared })
    }

    fn element(&mut self, walk: &mut Walk, step: (&QName, &[Test]), path: &Path, place: Place, report: &mut Report) -> Option<()> {
        let (name, tests) = step;
        let parent = walk.nodes.last()?.clone();
        let children = self.graph.children(parent.type_id);
        let Some(child) = children.named(name) else {
            self.no_element(&parent, &children, name, path, place, report);
            return None;
        };
        let mut node = Node {
            type_id: child.type_id,
            nillable: child.nillable,
            keys: with(&parent.keys, Key::Child(name.clone())),
            declared: child.declared.clone(),
            way: self.kept.child(parent.way, name, child.rank),
            rank: child.rank,
            name: name.clone(),
        };
        walk.default.clone_from(&child.default);
        walk.optional |= child.min == 0 || tests.iter().any(|test| !matches!(test, Test::Position(at) if *at <= child.min));
        walk.many |= child.max != Some(1) && tests.iter().all(|test| matches!(test, Test::Type(_)));
        let one = tests.iter().any(|test| matches!(test, Test::Position(_)));
        let (least, most) = if one { (child.min.min(1), Some(1)) } else { (child.min, child.max) };
        walk.least = walk.least.saturating_mul(least);
        walk.most = walk.most.zip(most).map(|(walked, most)| walked.saturating_mul(most));
        let mut checks = Vec::new();
        for test in tests {
            checks.push(self.test(test, &mut node, path, place, report)?);
        }
        // Types stand in the keys; the first of what stands once at most is all of it.
        let parts = |check: &&Check| !(matches!(check, Check::Type(_)) || child.max == Some(1) && **check == Check::Position(1));
        let only: Vec<Check> = checks.iter().filter(parts).cloned().collect();
        if !only.is_empty() {
            node.keys.push(Key::Where(only));
        }
        // A predicate reads what it asks for where it holds.
        for test in tests {
            let key = match test {
                Test::Attribute(name, _) => Key::Attribute(name.clone()),
                Test::Child(name, _) => Key::Child(name.clone()),
                Test::Position(_) | Test::Type(_) => continue,
            };
            self.claim(&with(&node.keys, key), What::Tests);
        }
        walk.down.push(Down { to: node.way, checks });
        walk.nodes.push(node);
        Some(())
    }

    fn test(&mut self, test: &Test, node: &mut Node, path: &Path, place: Place, report: &mut Report) -> Option<Check> {
        match test {
            Test::Position(position) => Some(Check::Position(*position)),
            Test::Attribute(name, value) => {
                let attributes = self.graph.attributes(node.type_id);
                let Some(attribute) = attributes.iter().find(|attribute| attribute.name == *name) else {
                    let text = format!("source has no attribute '@{}' in the predicate of '{path}'", self.show(name));
                    report.error("SM101", place, text).declared_at(node.declared.clone());
                    return None;
                };
                let default = attribute.default.as_ref() == Some(value);
                Some(Check::Attribute(self.kept.attribute(node.way, name), value.clone(), default))
            }
            Test::Child(name, value) => {
                let children = self.graph.children(node.type_id);
                let Some(child) = children.named(name) else {
                    let text = format!("source has no element '{}' in the predicate of '{path}'", self.show(name));
                    report.error("SM100", place, text).declared_at(node.declared.clone());
                    return None;
                };
                let way = self.kept.child(node.way, name, child.rank);
                self.kept.keep(way, self.retained, |way| way.text = true);
                Some(Check::Child(way, value.clone(), child.default.as_ref() == Some(value)))
            }
            Test::Type(name) => {
                let id = self.derived(name, node, place, report)?;
                let declared = node.type_id;
                let concrete = self.graph.concrete(id);
                node.type_id = id;
                node.keys.push(Key::Typed(concrete.clone()));
                Some(Check::Type(self.type_check(declared, &concrete)))
            }
        }
    }

    /// Keeps what was resolved; of an element `change` says what.
    pub(crate) fn keep(&mut self, found: &Resolved, change: impl FnOnce(&mut Way)) {
        self.kept.keep(found.way, self.retained, change);
    }

    /// Says that a rule reads what was resolved.
    pub(crate) fn read(&mut self, found: &Resolved) {
        self.claim(&found.keys, What::Read);
    }

    /// Says what the rules that stand here do with what `keys` lead to.
    pub(crate) fn claim(&mut self, keys: &[Key], what: What) {
        let (turn, only) = (self.turns.now(), wheres(keys));
        self.touch.at(keys, &|touch| touch.claim(what, turn.clone(), only.clone()));
    }

    /// What cannot be there where `keys` lead to something: the other alternatives of the choices on the way.
    fn excluded(&self, keys: &[Key]) -> Vec<Keys> {
        let (mut here, mut above, mut found) = (self.top, Keys::new(), Vec::new());
        for key in keys {
            match key {
                Key::Child(name) => {
                    let children = self.graph.children(here);
                    let Some(child) = children.named(name) else { return found };
                    let others = children.iter().filter(|other| child.excludes(other));
                    found.extend(others.map(|other| with(&above, Key::Child(other.name.clone()))));
                    here = child.type_id;
                }
                Key::Typed(types) => here = types.first().copied().unwrap_or(here),
                Key::Attribute(_) | Key::Where(_) => {}
            }
            above.push(key.clone());
        }
        found
    }

    /// A case in which `present` is there and `absent` is not.
    pub(crate) fn branch(&self, words: String, place: Place, present: Vec<Keys>, absent: Vec<Keys>) -> Branch {
        let others = present.iter().flat_map(|keys| self.excluded(keys));
        let absent = absent.iter().cloned().chain(others).collect();
        Branch { words, place, present, absent, said: false }
    }

    /// The type `name`, if an element at `node` can have it.
    pub(crate) fn derived(&self, name: &QName, node: &Node, place: Place, report: &mut Report) -> Option<TypeId> {
        let Some(id) = self.graph.type_named(name) else {
            report.error("SM131", place, format!("source has no type '{}'", self.show(name)));
            return None;
        };
        if !self.graph.derives(id, node.type_id) {
            let text = format!(
                "'{}' is not derived from {}, the type of '{}'",
                self.show(name),
                self.show_type(node.type_id),
                self.show(&node.name)
            );
            report.error("SM132", place, text).declared_at(node.declared.clone());
            return None;
        }
        Some(id)
    }

    pub(crate) fn type_check(&self, declared: TypeId, concrete: &[TypeId]) -> TypeCheck {
        TypeCheck { declared: concrete.contains(&declared), named: concrete.iter().filter_map(|id| self.graph.type_name(*id)).collect() }
    }

    fn no_element(&mut self, parent: &Node, children: &[Child], name: &QName, path: &Path, place: Place, report: &mut Report) {
        let (graph, scope) = (self.graph, self.scope);
        let locals: Vec<&str> = children.iter().map(|child| child.name.local()).collect();
        let found = if children.is_empty() { "no children".to_owned() } else { format!("children: {}", locals.join(", ")) };
        let text = format!("source has no element '{}' at '{path}' ({found})", scope.show(name));
        let likely =
            meant(name.local(), locals.iter().copied()).and_then(|local| children.iter().find(|child| child.name.local() == local));
        let holder = graph.concrete(parent.type_id).into_iter().find(|id| graph.children(*id).named(name).is_some());
        let diagnostic = report.error("SM100", place, text).declared_at(parent.declared.clone());
        if let Some(child) = likely {
            diagnostic.helped(format!("did you mean '{}'?", scope.show(&child.name)));
        } else if let Some(holder) = holder.and_then(|id| graph.type_name(id)) {
            diagnostic.helped(format!("only {} has it: use m:case or the predicate [{}]", scope.show(&holder), scope.show(&holder)));
        } else if graph.attributes(parent.type_id).iter().any(|attribute| attribute.name.local() == name.local()) {
            diagnostic.helped(format!("did you mean '@{}'?", name.local()));
        }
        // The leaf that was meant is in this report already; SM300 would say it again.
        let untouched = children.iter().filter(|child| self.touch_of(&parent.keys, &child.name).is_none()).map(|child| child.name.local());
        if let Some((local, _)) = closest(name.local(), untouched)
            && let Some(child) = children.iter().find(|child| child.name.local() == local)
        {
            let keys = with(&parent.keys, Key::Child(child.name.clone()));
            self.touch.at(&keys, &|touch| touch.claim(What::Read, Turn::new(), Vec::new()));
        }
    }

    fn touch_of(&self, keys: &[Key], name: &QName) -> Option<&Touch> {
        let mut touch = &self.touch;
        for key in keys {
            if let Key::Child(name) = key {
                touch = touch.child(name)?;
            }
        }
        touch.child(name)
    }

    fn attribute(
        &mut self,
        walk: &mut Walk,
        name: &QName,
        path: &Path,
        place: Place,
        report: &mut Report,
    ) -> Option<(QName, TypeId, Option<Location>)> {
        let node = walk.nodes.last()?;
        let attributes = self.graph.attributes(node.type_id);
        if let Some(found) = attributes.iter().find(|attribute| attribute.name == *name) {
            walk.optional |= !found.required && found.default.is_none();
            walk.default.clone_from(&found.default);
            return Some((name.clone(), found.type_id, found.declared.clone()));
        }
        let text = format!("source has no attribute '@{}' at '{path}' (type {})", self.show(name), self.show_type(node.type_id));
        let locals: Vec<&str> = attributes.iter().map(|attribute| attribute.name.local()).collect();
        let diagnostic = report.error("SM101", place, text).declared_at(node.declared.clone());
        if let Some(likely) = meant(name.local(), locals.iter().copied()) {
            diagnostic.helped(format!("did you mean '@{likely}'?"));
        }
        let likely =
            closest(name.local(), locals).and_then(|(local, _)| attributes.iter().find(|attribute| attribute.name.local() == local));
        if let Some(likely) = likely {
            let keys = with(&node.keys, Key::Attribute(likely.name.clone()));
            self.touch.at(&keys, &|touch| touch.claim(What::Read, Turn::new(), Vec::new()));
        }
        None
    }
}

fn with(keys: &[Key], last: Key) -> Vec<Key> {
    keys.iter().cloned().chain([last]).collect()
}
