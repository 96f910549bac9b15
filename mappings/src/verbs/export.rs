//! `map export --xslt 1.0`: a mapping as a stylesheet that makes the same documents of every record that the mapping accepts.
//!
//! What only rejects (check digits, validation, values that a code table lacks) is no part of it: XSLT 1.0 has no way to leave one
//! record out and say why. What XSLT 1.0 cannot say at all is refused by name.

use crate::document::{Document, Rule, RuleKind, Set};
use crate::path::Step;
use crate::verbs::layout::laid_out;
use crate::verbs::page::{Item, Node, element, written};
use crate::verbs::parts::Parts;
use crate::verbs::wires::{Stand, child};
use crate::verbs::xpath::{self, Xpath};
use crate::verbs::xslt_value::Values;
use std::collections::BTreeSet;
use std::path::Path;
use xsd::schema::Schemas;
use xsd::tree::{Place, QName};

const XSL: &str = "http://www.w3.org/1999/XSL/Transform";
/// Named templates that values may need.
const LIBRARY: &str = include_str!("export.xsl");

/// What cannot be said in XSLT 1.0: (the rule, why).
pub(crate) type Refusals = Vec<(Place, String)>;

/// Writes the stylesheet for one target of a mapping; the first one where none is named.
///
/// # Errors
/// The mapping does not load, or has rules that XSLT 1.0 cannot say: all of them, a line each.
pub fn export(map: &Path, target: Option<&str>) -> Result<String, String> {
    let checked = crate::Mapping::check(map);
    if checked.mapping.is_none() {
        return Err(checked.diagnostics.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"));
    }
    let parts = Parts::load(map).map_err(|found| found.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))?;
    let tables = checked.mapping.iter().flat_map(|mapping| mapping.tables().values().cloned()).collect();
    let name = target.or_else(|| parts.document.targets.first().map(|side| side.name.as_str())).unwrap_or_default();
    let at =
        parts.document.targets.iter().position(|side| side.name == name).ok_or_else(|| format!("the mapping has no target '{name}'"))?;
    let (Some(source), Some(Some(schemas))) = (parts.source.as_ref(), parts.targets.get(at)) else {
        return Err("a schema of the mapping does not load".to_owned());
    };
    let values = Values::new(&parts.document, source, tables);
    let mut export = Export { document: &parts.document, source, target: schemas, at, values, refused: Vec::new() };
    let sheet = export.sheet();
    let mut refused = export.refused;
    refused.extend(export.values.refused);
    refused.sort();
    refused.dedup();
    if refused.is_empty() {
        return Ok(laid_out(&["<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n", &written(&Item::Node(sheet))].concat()));
    }
    let file = map.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let lines = refused.into_iter().map(|(place, why)| format!("error[export] {file}:{place}: XSLT 1.0 cannot say {why}"));
    Err(lines.collect::<Vec<_>>().join("\n"))
}

struct Export<'a> {
    document: &'a Document,
    source: &'a Schemas,
    target: &'a Schemas,
    at: usize,
    values: Values<'a>,
    refused: Refusals,
}

/// Where rules stand: the source, and the element of the target that is being made.
#[derive(Clone)]
struct Site<'a> {
    source: Stand<'a>,
    target: Stand<'a>,
    /// Steps of the rules' paths that lead to the element being made from where the rules stand.
    base: Vec<QName>,
}

/// One portion of what rules make of an element.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Portion {
    Attributes,
    Text,
    /// Child elements of a rank: those that rules make themselves.
    Direct(usize),
    /// The one child of a rank and name that several rules share.
    Shared(usize, QName),
}

impl Portion {
    /// Attributes come before text, and children in the order of the content model, whoever makes them.
    fn rank(&self) -> (usize, usize) {
        match self {
            Self::Attributes => (0, 0),
            Self::Text => (1, 0),
            Self::Direct(rank) | Self::Shared(rank, _) => (2, *rank),
        }
    }
}

/// An instruction with a test.
fn instruction(name: &str, test: &str) -> Node {
    element(name).with("test", test)
}

fn for_each(select: &str) -> Node {
    element("xsl:for-each").with("select", select)
}

impl<'a> Export<'a> {
    fn sheet(&mut self) -> Node {
        let document = self.document;
        let root = Stand::root(Some(self.source), &document.source.root, &document.scope);
        let mut main = element("xsl:template").with("match", "/");
        let blocks: Vec<_> =
            document.blocks.iter().filter(|block| document.targets.get(self.at).is_some_and(|side| side.name == block.to)).collect();
        for once in [false, true] {
            for block in blocks.iter().filter(|block| block.window.is_none() == once) {
                let (source, _) = block
                    .window
                    .as_ref()
                    .map_or_else(|| (root.clone(), Vec::new()), |path| root.follow(path, Some(self.source), &document.scope));
                let Some(side) = document.targets.get(self.at) else { continue };
                let target = Stand::root(Some(self.target), &side.root, &document.scope);
                let site = Site { source, target, base: Vec::new() };
                let made = element(&self.values.name(&side.root)).items(self.inside(&block.rules, &site));
                let line = element("xsl:text").text("\n");
                let one = block.window.as_ref().map_or_else(
                    || for_each("/*").child(made.clone()).child(line.clone()),
                    |path| {
                        let window = self.values.path(path, &root);
                        for_each("/*").child(for_each(&window.text).child(made.clone()).child(line.clone()))
                    },
                );
                main = main.child(one);
            }
        }
        let mut sheet = element("xsl:stylesheet").with("version", "1.0").with("xmlns:xsl", XSL);
        let bound = self.values.namespaces();
        for (prefix, namespace) in &bound {
            sheet = sheet.with(&["xmlns:", prefix].concat(), namespace);
        }
        let hidden: Vec<&str> = bound
            .iter()
            .filter(|(_, namespace)| *namespace == xpath::XSI || *namespace == document.source.root.namespace())
            .map(|(prefix, _)| prefix.as_str())
            .collect();
        if !hidden.is_empty() {
            sheet = sheet.with("exclude-result-prefixes", &hidden.join(" "));
        }
        let note = format!(
            "Made from mapping {} {}: the same documents for every record that the mapping accepts.",
            document.id, document.version
        );
        let output = element("xsl:output").with("method", "xml").with("omit-xml-declaration", "yes").with("encoding", "UTF-8");
        let mut whole = sheet.comment(&note).child(output).child(main).children(self.values.templates());
        if let Some(library) = self.values.library(LIBRARY) {
            whole = whole.items([Item::Raw(library)]);
        }
        whole
    }

    /// Everything that rules make inside the element they stand in, in the order of the target's content model.
    fn inside(&mut self, rules: &'a [Rule], site: &Site<'a>) -> Vec<Item> {
        let mut portions = BTreeSet::new();
        self.portions(rules, site, &mut portions);
        let mut portions: Vec<Portion> = portions.into_iter().collect();
        portions.sort_by_key(Portion::rank);
        let mut items = Vec::new();
        for portion in portions {
            if let Portion::Shared(_, name) = &portion {
                let inner = Site {
                    base: site.base.iter().chain([name]).cloned().collect(),
                    target: site.target.step(name, &self.document.scope),
                    ..site.clone()
                };
                let writes = self.writes(rules, &inner);
                let made = element(&self.values.name(name)).items(self.inside(rules, &inner));
                items.extend(guarded(&writes, vec![Item::Node(made)]));
            } else {
                items.extend(self.portion(rules, site, &portion));
            }
        }
        items
    }

    /// What a path writes of the element at `base`: nothing where it leads elsewhere.
    fn aims(&mut self, path: &crate::path::Path, site: &Site<'a>, place: Place) -> Option<(Portion, Option<QName>)> {
        let mut steps = path.steps.iter();
        for wanted in &site.base {
            match steps.next() {
                Some(Step::Element { name, .. }) if name == wanted => {}
                _ => return None,
            }
        }
        if path.steps.iter().any(|step| matches!(step, Step::Element { tests, .. } if !tests.is_empty())) {
            self.refused.push((place, "a predicate in a target path".to_owned()));
        }
        let rest: Vec<&Step> = steps.collect();
        match rest.as_slice() {
            [] => Some((Portion::Text, None)),
            [Step::Attribute(name)] => Some((Portion::Attributes, Some(name.clone()))),
            [Step::Element { name, .. }] => Some((Portion::Direct(self.rank(site, name)), Some(name.clone()))),
            [Step::Element { name, .. }, ..] => Some((Portion::Shared(self.rank(site, name), name.clone()), None)),
            _ => None,
        }
    }

    fn rank(&self, site: &Site<'a>, name: &QName) -> usize {
        site.target.type_definition().and_then(|of| child(of, name)).map_or(usize::MAX, |(child, _)| child.order)
    }

    fn portions(&mut self, rules: &'a [Rule], site: &Site<'a>, into: &mut BTreeSet<Portion>) {
        for rule in rules {
            match &rule.kind {
                RuleKind::Set(set) => into.extend(self.aims(&set.path, site, rule.place).map(|(portion, _)| portion)),
                RuleKind::In { path, .. } | RuleKind::Each { path, .. } => {
                    into.extend(self.aims(path, site, rule.place).map(|(portion, _)| portion))
                }
                RuleKind::Choose { whens, otherwise } => {
                    whens.iter().for_each(|when| self.portions(&when.rules, site, into));
                    self.portions(otherwise.as_deref().unwrap_or_default(), site, into);
                }
                RuleKind::Case { types, otherwise, .. } => {
                    types.iter().for_each(|branch| self.portions(&branch.rules, site, into));
                    self.portions(otherwise.as_deref().unwrap_or_default(), site, into);
                }
                RuleKind::Ignore(_) | RuleKind::IgnoreOpen(..) => {}
                RuleKind::Copy { .. } => self.refused.push((rule.place, "m:copy as this house does it".to_owned())),
                RuleKind::Xslt { .. } => self.refused.push((rule.place, "m:xslt: it is a stylesheet of its own".to_owned())),
            }
        }
    }

    fn portion(&mut self, rules: &'a [Rule], site: &Site<'a>, portion: &Portion) -> Vec<Item> {
        rules.iter().flat_map(|rule| self.rule(rule, site, portion)).collect()
    }

    fn rule(&mut self, rule: &'a Rule, site: &Site<'a>, portion: &Portion) -> Vec<Item> {
        match &rule.kind {
            RuleKind::Set(set) => match self.aims(&set.path, site, rule.place) {
                Some((own, name)) if own == *portion => self.set(set, rule.place, site, name.as_ref(), &own),
                _ => Vec::new(),
            },
            RuleKind::In { path, select, rules } => match self.aims(path, site, rule.place) {
                Some((own, Some(name))) if own == *portion => {
                    let select = select.as_ref();
                    let inner = self.entered(select, &name, site);
                    self.element(select.map(|path| self.values.path(path, &site.source)), rules, &name, &inner)
                }
                _ => Vec::new(),
            },
            RuleKind::Each { path, select, rules } => match self.aims(path, site, rule.place) {
                Some((own, Some(name))) if own == *portion => {
                    let inner = self.entered(Some(select), &name, site);
                    self.element(Some(self.values.path(select, &site.source)), rules, &name, &inner)
                }
                _ => Vec::new(),
            },
            RuleKind::Choose { whens, otherwise } => {
                let mut choose = element("xsl:choose");
                let mut any = false;
                for when in whens {
                    let test = self.values.test(&when.test, &site.source);
                    let inside = self.portion(&when.rules, site, portion);
                    any |= !inside.is_empty();
                    choose = choose.child(instruction("xsl:when", &test).items(inside));
                }
                let inside = self.portion(otherwise.as_deref().unwrap_or_default(), site, portion);
                any |= !inside.is_empty();
                if !inside.is_empty() {
                    choose = choose.child(element("xsl:otherwise").items(inside));
                }
                if any { vec![Item::Node(choose)] } else { Vec::new() }
            }
            RuleKind::Case { of, types, otherwise } => {
                let (there, _) = site.source.follow(of, Some(self.source), &self.document.scope);
                let tests = self.values.cases(types, &there);
                let mut choose = element("xsl:choose");
                let mut any = false;
                for (branch, test) in types.iter().zip(tests) {
                    let inner = Site { source: there.narrowed(&branch.is, Some(self.source)), ..site.clone() };
                    let inside = self.portion(&branch.rules, &inner, portion);
                    any |= !inside.is_empty();
                    choose = choose.child(instruction("xsl:when", &test).items(inside));
                }
                let inside = self.portion(otherwise.as_deref().unwrap_or_default(), &Site { source: there, ..site.clone() }, portion);
                any |= !inside.is_empty();
                if !inside.is_empty() {
                    choose = choose.child(element("xsl:otherwise").items(inside));
                }
                let of = self.values.path(of, &site.source);
                if any { vec![Item::Node(for_each(&of.text).child(choose))] } else { Vec::new() }
            }
            RuleKind::Ignore(_) | RuleKind::IgnoreOpen(..) | RuleKind::Copy { .. } | RuleKind::Xslt { .. } => Vec::new(),
        }
    }

    /// Where the rules inside an m:in or m:each stand.
    fn entered(&self, select: Option<&crate::path::Path>, name: &QName, site: &Site<'a>) -> Site<'a> {
        let source = select.map_or_else(|| site.source.clone(), |path| site.source.follow(path, Some(self.source), &self.document.scope).0);
        Site { source, target: site.target.step(name, &self.document.scope), base: Vec::new() }
    }

    /// An element for each place selected, or one here; not where nothing would be in it.
    fn element(&mut self, select: Option<Xpath>, rules: &'a [Rule], name: &QName, inner: &Site<'a>) -> Vec<Item> {
        let writes = self.writes(rules, inner);
        let made = element(&self.values.name(name)).items(self.inside(rules, inner));
        let items = guarded(&writes, vec![Item::Node(made)]);
        match select {
            Some(path) => vec![Item::Node(for_each(&path.text).items(items))],
            None => items,
        }
    }

    fn set(&mut self, set: &'a Set, place: Place, site: &Site<'a>, name: Option<&QName>, portion: &Portion) -> Vec<Item> {
        let there = self.values.present(set, place, &site.source);
        let (mut items, value) = self.values.value(set, place, &site.source);
        let value_of = element("xsl:value-of").with("select", &value);
        match (portion, name) {
            (Portion::Attributes, Some(name)) => {
                items.push(Item::Node(element("xsl:attribute").with("name", &self.values.name(name)).child(value_of)))
            }
            (Portion::Direct(_), Some(name)) => {
                let inner = Site { target: site.target.step(name, &self.document.scope), base: Vec::new(), ..site.clone() };
                let attributes = self.inside(&set.inside, &inner);
                items.push(Item::Node(element(&self.values.name(name)).items(attributes).child(value_of)));
            }
            _ => items.push(Item::Node(value_of)),
        }
        guarded(&there, items)
    }

    /// When rules write anything at all in the element they stand in, as a test.
    fn writes(&mut self, rules: &'a [Rule], site: &Site<'a>) -> String {
        let tests: Vec<String> = rules.iter().map(|rule| self.rule_writes(rule, site)).collect();
        xpath::any(&tests)
    }

    fn rule_writes(&mut self, rule: &'a Rule, site: &Site<'a>) -> String {
        match &rule.kind {
            RuleKind::Set(set) => match self.aims(&set.path, site, rule.place) {
                Some(_) => self.values.present(set, rule.place, &site.source),
                None => xpath::NEVER.to_owned(),
            },
            RuleKind::In { path, select: None, rules } => match self.aims(path, site, rule.place) {
                Some((_, name)) => {
                    let inner = name.map_or_else(|| site.clone(), |name| self.entered(None, &name, site));
                    self.writes(rules, &inner)
                }
                None => xpath::NEVER.to_owned(),
            },
            RuleKind::In { path, select: Some(select), rules } | RuleKind::Each { path, select, rules } => {
                let Some((_, name)) = self.aims(path, site, rule.place) else { return xpath::NEVER.to_owned() };
                let inner = name.map_or_else(|| site.clone(), |name| self.entered(Some(select), &name, site));
                let inside = self.writes(rules, &inner);
                self.values.path(select, &site.source).where_(&inside)
            }
            RuleKind::Choose { whens, otherwise } => {
                let tests: Vec<(String, String)> =
                    whens.iter().map(|when| (self.values.test(&when.test, &site.source), self.writes(&when.rules, site))).collect();
                let last = self.writes(otherwise.as_deref().unwrap_or_default(), site);
                xpath::first(&tests, &last)
            }
            RuleKind::Case { of, types, otherwise } => {
                let (there, _) = site.source.follow(of, Some(self.source), &self.document.scope);
                let tests = self.values.cases(types, &there);
                let narrowed = |is: &QName| Site { source: there.narrowed(is, Some(self.source)), ..site.clone() };
                let sites: Vec<Site<'a>> = types.iter().map(|branch| narrowed(&branch.is)).collect();
                let tests: Vec<(String, String)> =
                    types.iter().zip(tests).zip(sites).map(|((branch, test), inner)| (test, self.writes(&branch.rules, &inner))).collect();
                let last = self.writes(otherwise.as_deref().unwrap_or_default(), &Site { source: there, ..site.clone() });
                let inside = xpath::first(&tests, &last);
                self.values.path(of, &site.source).where_(&inside)
            }
            RuleKind::Ignore(_) | RuleKind::IgnoreOpen(..) | RuleKind::Copy { .. } | RuleKind::Xslt { .. } => xpath::NEVER.to_owned(),
        }
    }
}

/// Items under a test; as they are where it always holds, and nothing where it never does.
fn guarded(test: &str, items: Vec<Item>) -> Vec<Item> {
    match test {
        xpath::ALWAYS => items,
        xpath::NEVER => Vec::new(),
        _ => vec![Item::Node(instruction("xsl:if", test).items(items))],
    }
}
