//! `map invert`: the way back, from unified records to the legacy document, as far as values can be computed back.

use crate::date::Kind;
use crate::diagnostic::Severity;
use crate::document::{Missing, Origin, Rule, RuleKind, Set};
use crate::files::Files;
use crate::function::Function;
use crate::mapping::Mapping;
use crate::path::{Path, Step};
use crate::verbs::layout::laid_out;
use crate::verbs::markup::{edited, tag_at, unescaped};
use crate::verbs::page::{Item, Node, element, written};
use crate::verbs::parts::Parts;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path as File;
use xsd::tree::Place;

/// Whether a rule can be read backwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// Each value of the source is one of the target, and the other way round.
    Bijective,
    /// The source's value can be told from the target's; not every value of the target has one.
    Injective,
    /// It cannot.
    Lossy,
}

/// A mapping backwards, and the class of each of its rules.
#[derive(Debug)]
pub struct Inverted {
    /// The document.
    pub text: String,
    /// (place of the rule, what it writes, its class, why it is lossy).
    pub classes: Vec<(Place, String, Class, String)>,
}

/// Turns a mapping round: its first target is read, its source is written. What cannot be turned is a comment with TODO.
///
/// # Errors
/// The mapping cannot be read, or makes no document of a window.
pub fn invert(map: &std::path::Path) -> Result<Inverted, String> {
    let parts = Parts::load(map).map_err(|found| found.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))?;
    let document = &parts.document;
    let block = document.blocks.first().ok_or("the mapping has no record")?;
    let side = document.targets.iter().find(|side| side.name == block.to).ok_or("the record's target is not declared")?;
    let mut turner = Turner { parts: &parts, tables: BTreeMap::new(), classes: Vec::new(), wanted: BTreeSet::new() };
    turner.tables = document.codes.iter().map(|table| (table.name.clone(), table)).collect();
    let base: Vec<String> = block.window.iter().flat_map(steps).collect();
    let items = turner.rules(&block.rules, &At { source: String::new(), base: Some(base) });
    let scope = &document.scope;
    let mut mapping = element("m:mapping")
        .with("xmlns:m", crate::document::LANGUAGE)
        .with("version", "1.0")
        .with("id", &[&document.id, ".back"].concat());
    let mut bound = BTreeSet::new();
    for namespace in [document.source.root.namespace(), side.root.namespace()] {
        let prefix = scope.prefix(namespace);
        if !prefix.is_empty() && bound.insert(prefix.clone()) {
            mapping = mapping.with(&["xmlns:", &prefix].concat(), namespace);
        }
    }
    let sides = [
        element("m:source").with("schema", &side.schema).with("root", &scope.show(&side.root)),
        element("m:target").with("name", "legacy").with("schema", &document.source.schema).with("root", &scope.show(&document.source.root)),
    ];
    let codes = turner.codes();
    let record = element("m:once").with("to", "legacy").with("at", "end").items(items);
    let mapping = mapping.children(sides).children(codes).child(record);
    let note = format!(
        "The way back of {} {}. Each TODO wants a rule: what it stands for cannot be computed back.",
        document.id, document.version
    );
    let text =
        ["<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n", &written(&Item::Comment(note)), "\n", &written(&Item::Node(mapping))].concat();
    let text = finished(map, laid_out(&text));
    Ok(Inverted { text, classes: turner.classes })
}

/// What the checks of the mapping backwards say is mended where it can be, and said in it where a person must: text that is to be a
/// number or the like passes through a function, and what is wrong then, as what the legacy document needs and nothing gives, is a TODO.
fn finished(map: &File, text: String) -> String {
    const FILE: &str = "back.map.xml";
    let dir = map.parent().unwrap_or(File::new(""));
    let check = |text: &str| Mapping::check_with(FILE, &Files::new(dir).with(FILE, text.as_bytes().to_vec())).diagnostics;
    let mut edits = Vec::new();
    for finding in check(&text).iter().filter(|finding| finding.code == "SM160") {
        let tag = tag_at(&text, finding.at.place).filter(|tag| tag.attribute("via").is_none() && tag.attribute("from").is_some());
        edits.extend(tag.and_then(|tag| Some(tag.attribute("from")?.span.end)).map(|at| (at..at, " via=\"trim\"".to_owned())));
    }
    edits.dedup();
    let text = edited(&text, edits);
    let wrong = check(&text).into_iter().filter(|finding| finding.severity == Severity::Error);
    let missing: BTreeSet<String> = wrong.map(|finding| finding.text).collect();
    let end = text.rfind("</m:once>").unwrap_or(text.len());
    let todo: String = missing.into_iter().map(|what| written(&Item::Comment(format!("TODO {what}")))).collect::<Vec<_>>().join("\n");
    laid_out(&edited(&text, vec![(end..end, todo)]))
}

/// Rules that write the same, as those of two cases, are one that reads the first that is there; where they do more than that, the later
/// ones are left to a person.
fn merged(items: Vec<Item>) -> Vec<Item> {
    let mut kept: Vec<Item> = Vec::new();
    for item in items {
        let Item::Node(node) = &item else {
            kept.push(item);
            continue;
        };
        let of = |node: &Node, name: &str| node.attributes.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone());
        let same = |other: &Node| node.name == "m:set" && other.name == "m:set" && of(other, "path") == of(node, "path");
        let before =
            kept.iter_mut().find_map(|kept| if let Item::Node(other) = kept { Some(other).filter(|other| same(other)) } else { None });
        let Some(before) = before else {
            kept.push(item);
            continue;
        };
        let plain = |node: &Node| node.attributes.iter().filter(|(name, _)| name != "from").cloned().collect::<Vec<_>>();
        let alike = plain(node) == plain(before);
        match (of(node, "from"), before.attributes.iter_mut().find(|(name, _)| name == "from")) {
            (Some(from), _) if !alike => {
                kept.push(Item::Comment(format!("TODO {from}: it is converted otherwise than what is written there")))
            }
            (Some(from), Some((_, first))) if !first.split(" | ").any(|known| known == from) => {
                *first = [first.as_str(), " | ", &from].concat()
            }
            _ => {}
        }
    }
    kept
}

struct Turner<'a> {
    parts: &'a Parts,
    tables: BTreeMap<String, &'a crate::document::Codes>,
    classes: Vec<(Place, String, Class, String)>,
    wanted: BTreeSet<String>,
}

/// Where a rule stands, seen from the other side.
#[derive(Clone)]
struct At {
    /// From where the turned rules read: a path in the unified record, with what tells its elements apart.
    source: String,
    /// The steps in the legacy document from where the turned rules write; nothing inside a case that cannot be written.
    base: Option<Vec<String>>,
}

fn steps(path: &Path) -> Vec<String> {
    path.text.split('/').map(str::trim).filter(|step| *step != ".").map(str::to_owned).collect()
}

fn join(path: &str, step: &str) -> String {
    match (path, step) {
        ("", step) => step.to_owned(),
        (path, "." | "") => path.to_owned(),
        (path, step) => format!("{path}/{step}"),
    }
}

impl Turner<'_> {
    fn rules(&mut self, rules: &[Rule], at: &At) -> Vec<Item> {
        merged(rules.iter().flat_map(|rule| self.rule(rule, at)).collect())
    }

    fn rule(&mut self, rule: &Rule, at: &At) -> Vec<Item> {
        match &rule.kind {
            RuleKind::Set(set) => self.set(set, rule.place, at),
            RuleKind::In { path, select, rules } => {
                let source = join(&at.source, &told_apart(path, rules));
                let base = select.as_ref().map_or_else(|| at.base.clone(), |select| at.target(select));
                self.rules(rules, &At { source, base })
            }
            RuleKind::Each { path, select, rules } => {
                let inside = self.rules(rules, &At { source: String::new(), base: Some(Vec::new()) });
                let from = join(&at.source, &told_apart(path, rules));
                match at.target(select).filter(|target| !target.is_empty()) {
                    Some(target) => vec![Item::Node(element("m:each").with("path", &target.join("/")).with("select", &from).items(inside))],
                    None => vec![self.todo(rule.place, &path.text, "the path cannot be written backwards")],
                }
            }
            RuleKind::Choose { whens, otherwise } => {
                let all = whens.iter().map(|when| when.rules.as_slice()).chain(otherwise.as_deref());
                let mut items = vec![Item::Comment("TODO m:choose: which case it was is to be told from the unified record".to_owned())];
                items.extend(all.flat_map(|rules| self.rules(rules, at)).collect::<Vec<_>>());
                items
            }
            RuleKind::Case { of, types, otherwise } => {
                let all = types.iter().map(|branch| branch.rules.as_slice()).chain(otherwise.as_deref());
                all.for_each(|rules| drop(self.rules(rules, &At { base: None, ..at.clone() })));
                vec![self.todo(rule.place, &of.text, "xsi:type is not written by rules")]
            }
            RuleKind::Ignore(path) | RuleKind::IgnoreOpen(path, _) => {
                vec![Item::Comment(format!("TODO {}: it was ignored, so it is not known", path.text))]
            }
            #[allow(unreachable_patterns, reason = "what the language gets later is left to a person")]
            _ => vec![self.todo(rule.place, "a rule", "it is not turned round")],
        }
    }

    fn todo(&mut self, place: Place, what: &str, why: &str) -> Item {
        self.classes.push((place, what.to_owned(), Class::Lossy, why.to_owned()));
        Item::Comment(format!("TODO {what}: {why}"))
    }

    fn set(&mut self, set: &Set, place: Place, at: &At) -> Vec<Item> {
        let source = join(&at.source, &told_apart(&set.path, &set.inside));
        let inside = self.rules(&set.inside, &At { source: source.clone(), ..at.clone() });
        let paths = match &set.origin {
            Origin::From(paths) => paths,
            // A constant says which rule it was, and nothing of the source.
            Origin::Value(_) => return inside,
            _ => return [vec![self.todo(place, &set.path.text, "it is computed from several values")], inside].concat(),
        };
        let (class, why, turned) = self.class(set, place);
        let target = paths.first().filter(|_| paths.len() == 1).and_then(|path| at.target(path));
        self.classes.push((place, source.clone(), class, why.clone()));
        let (Some(target), false) = (target, class == Class::Lossy) else {
            let why = if why.is_empty() { "the path cannot be written backwards".to_owned() } else { why };
            return [vec![Item::Comment(format!("TODO {source}: {why}"))], inside].concat();
        };
        let path = if target.is_empty() { ".".to_owned() } else { target.join("/") };
        let from = if source.is_empty() { ".".to_owned() } else { source };
        let node = turned
            .into_iter()
            .fold(element("m:set").with("path", &path).with("from", &from), |node, (name, value)| node.with(&name, &value));
        [vec![Item::Node(node)], inside].concat()
    }

    /// The class of a rule, why it is lossy, and the attributes of the rule that undoes it.
    fn class(&mut self, set: &Set, place: Place) -> (Class, String, Vec<(String, String)>) {
        let lossy = |why: &str| (Class::Lossy, why.to_owned(), Vec::new());
        if matches!(&set.origin, Origin::From(paths) if paths.len() > 1) {
            return lossy("which of several paths it came from is not known");
        }
        if set.default.is_some() {
            return lossy("a default cannot be told from the value itself");
        }
        if let Some(function) = set.via.first() {
            return match function {
                Function::Trim | Function::Upper | Function::Lower | Function::Strip(_) => lossy("what via took away is gone"),
                _ => lossy("via is not turned round"),
            };
        }
        if set.convert.is_some() && set.parse.is_none() {
            return lossy("the time or the zone that was written is gone");
        }
        let mut turned = Vec::new();
        let mut class = Class::Bijective;
        if let Some(pattern) = &set.parse {
            if set.convert.is_some() || pattern.kind() == Kind::DateTime {
                return lossy("the zone that was written is gone");
            }
            let raw = tag_at(&self.parts.text, place).and_then(|tag| Some(unescaped(tag.attribute("parse")?.raw))).unwrap_or_default();
            turned.push(("via".to_owned(), format!("date-format('{}')", raw.replace('\'', ""))));
            class = Class::Injective;
        }
        if let Some(name) = &set.codes {
            let Some(table) = self.tables.get(name) else { return lossy("the code table is not there") };
            let values: BTreeSet<&String> = table.pairs.iter().map(|(_, to)| to).collect();
            if table.href.is_some() {
                return lossy("its code table stands in a file of its own: write one for the way back");
            }
            if values.len() < table.pairs.len() || table.missing != Missing::Reject {
                return lossy("several codes become one value");
            }
            self.wanted.insert(name.clone());
            turned.push(("codes".to_owned(), format!("{name}-back")));
            class = Class::Injective;
        }
        (class, String::new(), turned)
    }

    /// The code tables that turned rules use, turned.
    fn codes(&self) -> Vec<Node> {
        let table = |name: &String| {
            let pairs = self.tables.get(name).map(|table| table.pairs.as_slice()).unwrap_or_default();
            let code = |(from, to): &(String, String)| element("m:code").with("from", to).with("to", from);
            element("m:codes").with("name", &format!("{name}-back")).children(pairs.iter().map(code))
        };
        self.wanted.iter().map(table).collect()
    }
}

impl At {
    /// Where a path of the source leads, as steps to write: nothing where it has predicates or leaves what is written.
    fn target(&self, path: &Path) -> Option<Vec<String>> {
        let mut steps_ = self.base.clone()?;
        for (step, text) in path.steps.iter().zip(steps(path)) {
            match step {
                Step::Up => drop(steps_.pop()?),
                Step::Element { tests, .. } if !tests.is_empty() => return None,
                Step::Element { .. } | Step::Attribute(_) => steps_.push(text),
            }
        }
        Some(steps_)
    }
}

/// A target path with the constant attributes that tell its element apart from others of its name.
fn told_apart(path: &Path, rules: &[Rule]) -> String {
    let constant = |rule: &Rule| match &rule.kind {
        RuleKind::Set(set) => match (&set.origin, set.path.steps.as_slice()) {
            (Origin::Value(value), [Step::Attribute(_)]) if !value.contains('\'') => Some(format!("[{}='{value}']", set.path.text)),
            _ => None,
        },
        _ => None,
    };
    let is_element = matches!(path.steps.last(), Some(Step::Element { .. }));
    let tests: String = rules.iter().filter(|_| is_element).filter_map(constant).collect();
    format!("{}{tests}", path.text)
}
