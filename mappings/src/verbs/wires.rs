//! A mapping as wires: for each rule what it reads of the source schema and what it writes of the target schema, as far as these have it.

use crate::document::{Block, Document, Origin, Rule, RuleKind, Set, WhenTest};
use crate::path::{Path, Scope, Step, Test};
use xsd::schema::{AttributeUse, Child, ElementDecl, Schemas, TypeDef};
use xsd::schema::{SimpleType, Source};
use xsd::tree::{Place, QName};

/// One rule.
#[derive(Clone, Debug)]
pub(crate) struct Wire<'d, 's> {
    pub(crate) place: Place,
    /// The element of the language, as `set`.
    pub(crate) rule: &'static str,
    pub(crate) set: Option<&'d Set>,
    pub(crate) reads: Vec<Reading<'s>>,
    /// What is written, from the target's root.
    pub(crate) writes: Option<Reading<'s>>,
    /// Which target.
    pub(crate) to: Option<usize>,
    /// The m:record or m:once.
    pub(crate) block: usize,
}

/// A path of a rule, resolved as far as the schema goes.
#[derive(Clone, Debug)]
pub(crate) struct Reading<'s> {
    /// The attribute of the rule, as `from`.
    pub(crate) attribute: &'static str,
    /// As the mapping writes it.
    pub(crate) text: String,
    /// From the document's root, in the prefixes of the mapping.
    pub(crate) shown: String,
    /// What the steps of the path itself lead to.
    pub(crate) nodes: Vec<Node<'s>>,
    /// What it leads to in the end; `None` where the schema has no such thing.
    pub(crate) end: Option<Node<'s>>,
}

/// An element or an attribute of a schema, seen from where it stands.
#[derive(Clone, Copy)]
pub(crate) enum Node<'s> {
    Element {
        decl: ElementDecl<'s>,
        /// The type it stands in, and its particle there; nothing at the root.
        inside: Option<(TypeDef<'s>, Child<'s>)>,
        /// Its type, or the one that a predicate or a case narrows it to.
        of: TypeDef<'s>,
    },
    Attribute {
        used: AttributeUse<'s>,
        owner: TypeDef<'s>,
    },
}

impl std::fmt::Debug for Node<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.name())
    }
}

impl<'s> Node<'s> {
    pub(crate) fn name(&self) -> &'s QName {
        match self {
            Self::Element { decl, .. } => decl.name(),
            Self::Attribute { used, .. } => used.name(),
        }
    }

    pub(crate) fn source(&self) -> &'s Source {
        match self {
            Self::Element { decl, .. } => decl.source(),
            Self::Attribute { used, .. } => used.source(),
        }
    }

    /// The type of its text, if it has any.
    pub(crate) fn text(&self) -> Option<SimpleType<'s>> {
        match self {
            Self::Element { of, .. } => of.simple_content(),
            Self::Attribute { used, .. } => used.type_definition().simple_content(),
        }
    }

    pub(crate) fn type_definition(&self) -> TypeDef<'s> {
        match self {
            Self::Element { of, .. } => *of,
            Self::Attribute { used, .. } => used.type_definition(),
        }
    }

    /// Its own documentation, else that of its type.
    pub(crate) fn documentation(&self) -> Option<&'s str> {
        let own = match self {
            Self::Element { decl, .. } => decl.documentation(),
            Self::Attribute { .. } => None,
        };
        own.or_else(|| self.type_definition().documentation())
    }

    /// Whether it may stand more than once where it stands.
    pub(crate) fn repeats(&self) -> bool {
        matches!(self, Self::Element { inside: Some((_, child)), .. } if child.max != Some(1))
    }

    pub(crate) fn optional(&self) -> bool {
        match self {
            Self::Element { inside, .. } => inside.as_ref().is_some_and(|(_, child)| child.min == 0),
            Self::Attribute { used, .. } => !used.is_required(),
        }
    }
}

/// Where rules stand: the nodes from the root to there, with how they are written.
#[derive(Clone, Debug)]
pub(crate) struct Stand<'s> {
    nodes: Vec<(Option<Node<'s>>, String)>,
}

/// The child of a type by name, also as a member of a substitution group.
pub(crate) fn child<'s>(of: TypeDef<'s>, name: &QName) -> Option<(Child<'s>, ElementDecl<'s>)> {
    let children = of.children();
    let exact = children.iter().find(|child| child.element.name() == name).map(|child| (*child, child.element));
    exact.or_else(|| {
        let member =
            |child: &Child<'s>| child.element.substitutes().into_iter().find(|member| member.name() == name).map(|member| (*child, member));
        children.iter().find_map(member)
    })
}

impl<'s> Stand<'s> {
    pub(crate) fn root(schemas: Option<&'s Schemas>, name: &QName, scope: &Scope) -> Self {
        let decl = schemas.and_then(|schemas| schemas.element(name));
        let node = decl.map(|decl| Node::Element { decl, inside: None, of: decl.type_definition() });
        Self { nodes: vec![(node, scope.show(name))] }
    }

    /// Where it is, as far as the schema has it.
    pub(crate) fn last(&self) -> Option<Node<'s>> {
        self.nodes.last().and_then(|(node, _)| *node)
    }

    pub(crate) fn type_definition(&self) -> Option<TypeDef<'s>> {
        self.last().map(|node| node.type_definition())
    }

    /// One step further down.
    pub(crate) fn step(&self, name: &QName, scope: &Scope) -> Self {
        let path = Path { text: String::new(), steps: vec![Step::Element { name: name.clone(), tests: Vec::new() }] };
        self.follow(&path, None, scope).0
    }

    /// The same place, where its element is of this type.
    pub(crate) fn narrowed(&self, is: &QName, schemas: Option<&'s Schemas>) -> Self {
        let mut narrowed = self.clone();
        if let Some((node, _)) = narrowed.nodes.last_mut() {
            retype(node, is, schemas);
        }
        narrowed
    }

    fn shown(&self) -> String {
        self.nodes.iter().map(|(_, shown)| shown.as_str()).collect::<Vec<_>>().join("/")
    }

    pub(crate) fn follow(&self, path: &Path, schemas: Option<&'s Schemas>, scope: &Scope) -> (Self, Vec<Node<'s>>) {
        let mut here = self.clone();
        let mut met = Vec::new();
        for step in &path.steps {
            match step {
                Step::Up => {
                    here.nodes.pop();
                }
                Step::Element { name, tests } => {
                    let of = here.nodes.last().and_then(|(node, _)| *node).map(|node| node.type_definition());
                    let mut node = of.and_then(|of| {
                        let (child, decl) = child(of, name)?;
                        Some(Node::Element { decl, inside: Some((of, child)), of: decl.type_definition() })
                    });
                    let mut shown = scope.show(name);
                    let types = tests.iter().filter_map(|test| if let Test::Type(name) = test { Some(name) } else { None });
                    for name in types {
                        shown = format!("{shown}[{}]", scope.show(name));
                        retype(&mut node, name, schemas);
                    }
                    met.extend(node);
                    here.nodes.push((node, shown));
                }
                Step::Attribute(name) => {
                    let of = here.nodes.last().and_then(|(node, _)| *node).map(|node| node.type_definition());
                    let node = of.and_then(|owner| {
                        let used = owner.attribute(name.namespace(), name.local())?;
                        Some(Node::Attribute { used, owner })
                    });
                    met.extend(node);
                    here.nodes.push((node, format!("@{}", scope.show(name))));
                }
            }
        }
        (here, met)
    }
}

fn retype<'s>(node: &mut Option<Node<'s>>, name: &QName, schemas: Option<&'s Schemas>) {
    let named = schemas.and_then(|schemas| schemas.type_named(name));
    if let (Some(Node::Element { of, .. }), Some(named)) = (node, named) {
        *of = named;
    }
}

/// The wires of a mapping, in the order of the document.
pub(crate) fn wires<'d, 's>(document: &'d Document, source: Option<&'s Schemas>, targets: &[Option<&'s Schemas>]) -> Vec<Wire<'d, 's>> {
    let mut weaver = Weaver { document, source, targets, wires: Vec::new(), block: 0, to: None };
    for (at, block) in document.blocks.iter().enumerate() {
        weaver.block = at;
        weaver.weave(block);
    }
    weaver.wires
}

struct Weaver<'d, 's, 't> {
    document: &'d Document,
    source: Option<&'s Schemas>,
    targets: &'t [Option<&'s Schemas>],
    wires: Vec<Wire<'d, 's>>,
    block: usize,
    to: Option<usize>,
}

/// Source and target.
type Site<'s> = (Stand<'s>, Stand<'s>);

impl<'d, 's> Weaver<'d, 's, '_> {
    fn weave(&mut self, block: &'d Block) {
        let (document, scope) = (self.document, &self.document.scope);
        self.to = document.targets.iter().position(|side| side.name == block.to);
        let side = self.to.and_then(|at| document.targets.get(at));
        let empty = QName::new("", "");
        let target = Stand::root(self.to.and_then(|at| *self.targets.get(at)?), side.map_or(&empty, |side| &side.root), scope);
        let root = Stand::root(self.source, &document.source.root, scope);
        let mut site = (root, target);
        let mut reads = Vec::new();
        if let Some(window) = &block.window {
            let (there, reading) = self.reading("select", window, &site.0);
            site.0 = there;
            reads.push(reading);
        }
        let writes = Some(Self::written(&site.1, ""));
        self.wire(block.place, if block.window.is_some() { "record" } else { "once" }, None, reads, writes);
        self.rules(&block.rules, &site);
    }

    fn wire(&mut self, place: Place, rule: &'static str, set: Option<&'d Set>, reads: Vec<Reading<'s>>, writes: Option<Reading<'s>>) {
        self.wires.push(Wire { place, rule, set, reads, writes, to: self.to, block: self.block });
    }

    fn reading(&self, attribute: &'static str, path: &Path, from: &Stand<'s>) -> (Stand<'s>, Reading<'s>) {
        let (there, nodes) = from.follow(path, self.source, &self.document.scope);
        let end = there.nodes.last().and_then(|(node, _)| *node);
        let reading = Reading { attribute, text: path.text.clone(), shown: there.shown(), nodes, end };
        (there, reading)
    }

    fn writing(&self, path: &Path, from: &Stand<'s>) -> (Stand<'s>, Option<Reading<'s>>) {
        let schemas = self.to.and_then(|at| *self.targets.get(at)?);
        let (there, nodes) = from.follow(path, schemas, &self.document.scope);
        let mut reading = Self::written(&there, &path.text);
        reading.nodes = nodes;
        (there, Some(reading))
    }

    fn written(there: &Stand<'s>, text: &str) -> Reading<'s> {
        let end = there.nodes.last().and_then(|(node, _)| *node);
        Reading { attribute: "path", text: text.to_owned(), shown: there.shown(), nodes: end.into_iter().collect(), end }
    }

    fn rules(&mut self, rules: &'d [Rule], site: &Site<'s>) {
        rules.iter().for_each(|rule| self.rule(rule, site));
    }

    fn rule(&mut self, rule: &'d Rule, site: &Site<'s>) {
        let place = rule.place;
        match &rule.kind {
            RuleKind::Set(set) => {
                let (target, writes) = self.writing(&set.path, &site.1);
                let reads = match &set.origin {
                    Origin::From(paths) => paths.iter().map(|path| self.reading("from", path, &site.0).1).collect(),
                    Origin::Count(path) => vec![self.reading("count", path, &site.0).1],
                    Origin::Value(_) | Origin::Digest(..) => Vec::new(),
                };
                self.wire(place, "set", Some(set), reads, writes);
                self.rules(&set.inside, &(site.0.clone(), target));
            }
            RuleKind::In { path, select, rules } => {
                let read = select.as_ref().map(|select| self.reading("select", select, &site.0));
                let (target, writes) = self.writing(path, &site.1);
                let source = read.as_ref().map_or_else(|| site.0.clone(), |(there, _)| there.clone());
                self.wire(place, "in", None, read.into_iter().map(|(_, reading)| reading).collect(), writes);
                self.rules(rules, &(source, target));
            }
            RuleKind::Each { path, select, rules } => {
                let (source, reading) = self.reading("select", select, &site.0);
                let (target, writes) = self.writing(path, &site.1);
                self.wire(place, "each", None, vec![reading], writes);
                self.rules(rules, &(source, target));
            }
            RuleKind::Choose { whens, otherwise } => {
                for when in whens {
                    let (attribute, path) = match &when.test {
                        WhenTest::Exists(path) => ("exists", path),
                        WhenTest::Missing(path) => ("missing", path),
                        WhenTest::Equals(path, _) => ("of", path),
                    };
                    let reading = self.reading(attribute, path, &site.0).1;
                    self.wire(when.place, "when", None, vec![reading], None);
                    self.rules(&when.rules, site);
                }
                self.rules(otherwise.as_deref().unwrap_or_default(), site);
            }
            RuleKind::Case { of, types, otherwise } => {
                let (source, reading) = self.reading("of", of, &site.0);
                self.wire(place, "case", None, vec![reading], None);
                for branch in types {
                    let mut narrowed = source.clone();
                    if let Some((node, shown)) = narrowed.nodes.last_mut() {
                        retype(node, &branch.is, self.source);
                        *shown = format!("{shown}[{}]", self.document.scope.show(&branch.is));
                    }
                    self.rules(&branch.rules, &(narrowed, site.1.clone()));
                }
                self.rules(otherwise.as_deref().unwrap_or_default(), &(source, site.1.clone()));
            }
            RuleKind::Copy { path, from: read } | RuleKind::Xslt { path, select: read, .. } => {
                let copied = matches!(rule.kind, RuleKind::Copy { .. });
                let reading = self.reading(if copied { "from" } else { "select" }, read, &site.0).1;
                let writes = self.writing(path, &site.1).1;
                self.wire(place, if copied { "copy" } else { "xslt" }, None, vec![reading], writes);
            }
            RuleKind::Ignore(path) | RuleKind::IgnoreOpen(path, _) => {
                let reading = self.reading("path", path, &site.0).1;
                self.wire(place, "ignore", None, vec![reading], None);
            }
        }
    }
}
