//! What stands at the cursor of a mapping that is being typed: the rule, the path so far, and what both schemas have there.

use crate::document::LANGUAGE;
use crate::path::{self, Path, Scope};
use crate::verbs::markup::{Attribute, Piece, Tag, local, pieces};
use crate::verbs::wires::{Node, Stand};
use xsd::schema::{Schemas, TypeDef};
use xsd::tree::QName;

/// The schemas of a mapping: source, then targets by name.
pub(crate) struct Sides<'s> {
    pub(crate) source: Option<&'s Schemas>,
    pub(crate) targets: Vec<(String, Option<&'s Schemas>)>,
    pub(crate) language: &'s Schemas,
}

/// What may be typed at the cursor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Choice {
    pub(crate) label: String,
    pub(crate) detail: String,
    pub(crate) documentation: String,
    pub(crate) kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Element,
    Attribute,
    Rule,
    Value,
}

/// Where the cursor is.
pub(crate) struct Cursor<'t> {
    /// The tags around it, from the root; the one it is in is not among them.
    open: Vec<Tag<'t>>,
    /// All tags before it that declare sides or tables.
    declared: Vec<Tag<'t>>,
    /// The tag that it is in.
    tag: Option<Tag<'t>>,
    at: usize,
    text: &'t str,
}

/// Attributes with a path of the source.
const SOURCE_PATHS: [&str; 6] = ["from", "select", "of", "exists", "missing", "count"];

impl<'t> Cursor<'t> {
    pub(crate) fn at(text: &'t str, at: usize) -> Self {
        let (mut open, mut declared, mut tag): (Vec<Tag<'t>>, Vec<Tag<'t>>, Option<Tag<'t>>) = (Vec::new(), Vec::new(), None);
        for piece in pieces(text) {
            let span = piece.span();
            match piece {
                Piece::Start(inside) if span.start < at && (at < span.end || !inside.closed && at <= span.end) => {
                    tag = Some(inside);
                }
                Piece::Start(one) => {
                    if ["source", "target", "codes"].contains(&one.local()) {
                        declared.push(one.clone());
                    }
                    if span.end <= at && !one.empty && one.closed {
                        open.push(one);
                    }
                }
                Piece::End { name, .. } if span.end <= at => {
                    if let Some(last) = open.iter().rposition(|tag| tag.name == name) {
                        open.truncate(last);
                    }
                }
                _ => {}
            }
        }
        Self { open, declared, tag, at, text }
    }

    /// The attribute whose value the cursor is in.
    fn attribute(&self) -> Option<&Attribute<'t>> {
        let inside = |attribute: &&Attribute<'t>| attribute.value.start <= self.at && self.at <= attribute.value.end;
        self.tag.as_ref()?.attributes.iter().find(inside)
    }

    fn scope(&self) -> Scope {
        let mut scope = Scope::default();
        for attribute in self.open.iter().chain(&self.tag).flat_map(|tag| &tag.attributes) {
            if let Some(prefix) = attribute.name.strip_prefix("xmlns:") {
                scope.declare(prefix, attribute.raw);
            }
        }
        scope
    }

    fn side(&self, kind: &str, name: Option<&str>) -> Option<&Tag<'t>> {
        let named = |tag: &&Tag<'t>| name.is_none_or(|name| tag.attribute("name").is_some_and(|attribute| attribute.raw == name));
        self.declared.iter().filter(|tag| tag.local() == kind).find(named)
    }

    fn root<'s>(&self, kind: &str, name: Option<&str>, schemas: Option<&'s Schemas>, scope: &Scope) -> Option<Stand<'s>> {
        let root = self.side(kind, name)?.attribute("root")?.raw;
        Some(Stand::root(schemas, &path::name(root, scope).ok()?, scope))
    }

    /// Where the rules around the cursor stand: in the source and in the target.
    fn stands<'s>(&self, sides: &Sides<'s>, scope: &Scope) -> (Option<Stand<'s>>, Option<Stand<'s>>) {
        let mut source = self.root("source", None, sides.source, scope);
        let mut target = None;
        for tag in &self.open {
            let value = |name: &str| tag.attribute(name).map(|attribute| attribute.raw);
            let follow = |stand: &Option<Stand<'s>>, text: Option<&str>, schemas: Option<&'s Schemas>| {
                let path = text.and_then(|text| Path::parse(text, scope).ok());
                match (stand, path) {
                    (Some(stand), Some(path)) => Some(stand.follow(&path, schemas, scope).0),
                    (stand, _) => stand.clone(),
                }
            };
            let schemas = self.target_schemas(sides);
            match tag.local() {
                "record" | "once" => {
                    target = self.root("target", value("to"), schemas, scope);
                    source = follow(&source, value("select"), sides.source);
                }
                "in" | "each" => {
                    source = follow(&source, value("select"), sides.source);
                    target = follow(&target, value("path"), schemas);
                }
                "set" => target = follow(&target, value("path"), schemas),
                "case" => source = follow(&source, value("of"), sides.source),
                "type" => {
                    let is = value("is").and_then(|is| path::name(is, scope).ok());
                    source = source.zip(is).map(|(stand, is)| stand.narrowed(&is, sides.source));
                }
                _ => {}
            }
        }
        (source, target)
    }

    fn target_schemas<'s>(&self, sides: &Sides<'s>) -> Option<&'s Schemas> {
        let block = self.open.iter().chain(&self.tag).find(|tag| matches!(tag.local(), "record" | "once"))?;
        let to = block.attribute("to")?.raw;
        sides.targets.iter().find(|(name, _)| name == to).and_then(|(_, schemas)| *schemas)
    }

    /// The stand that the path in the attribute at the cursor starts from.
    fn start<'s>(&self, sides: &Sides<'s>, scope: &Scope) -> Option<(Stand<'s>, Option<&'s Schemas>)> {
        let (tag, attribute) = (self.tag.as_ref()?, self.attribute()?);
        let (source, target) = self.stands(sides, scope);
        let reads = SOURCE_PATHS.contains(&attribute.name) || attribute.name == "path" && tag.local() == "ignore";
        if reads {
            return Some((source?, sides.source));
        }
        (attribute.name == "path").then_some((target?, self.target_schemas(sides)))
    }

    /// What the path leads to that ends with the step at the cursor.
    pub(crate) fn node<'s>(&self, sides: &Sides<'s>) -> Option<Node<'s>> {
        let scope = self.scope();
        let attribute = self.attribute()?;
        if attribute.name == "root" {
            let source = self.tag.as_ref().is_some_and(|tag| tag.local() == "source");
            let name = self.tag.as_ref()?.attribute("name").map(|attribute| attribute.raw);
            let schemas = if source {
                sides.source
            } else {
                sides.targets.iter().find(|(known, _)| Some(known.as_str()) == name).and_then(|(_, schemas)| *schemas)
            };
            return Stand::root(schemas, &path::name(attribute.raw, &scope).ok()?, &scope).last();
        }
        if attribute.name == "is" {
            let (source, _) = self.stands(sides, &scope);
            return source?.narrowed(&path::name(attribute.raw, &scope).ok()?, sides.source).last();
        }
        let (stand, schemas) = self.start(sides, &scope)?;
        let cursor = self.at - attribute.value.start;
        let rest = attribute.raw.get(cursor..)?;
        let end = cursor + rest.find(['/', '|', '[']).unwrap_or(rest.len());
        let until = attribute.raw.get(..end)?;
        let path = Path::parse(until.rsplit('|').next()?, &scope).ok()?;
        stand.follow(&path, schemas, &scope).0.last()
    }

    /// The name that the attribute at the cursor gives, as (attribute, value).
    pub(crate) fn named(&self) -> Option<(&'t str, &'t str)> {
        self.attribute().map(|attribute| (attribute.name, attribute.raw))
    }

    /// The span of the declaration of a code table or a target.
    pub(crate) fn declaration(&self, kind: &str, name: &str) -> Option<usize> {
        self.side(kind, Some(name)).map(|tag| tag.span.start)
    }

    /// What may be typed here.
    pub(crate) fn choices(&self, sides: &Sides<'_>) -> Vec<Choice> {
        match (&self.tag, self.attribute()) {
            (Some(tag), Some(attribute)) => self.values(tag, attribute, sides),
            (Some(tag), None) if self.text.get(tag.span.start..self.at).is_some_and(|typed| typed.contains(char::is_whitespace)) => {
                attributes(tag, sides)
            }
            (Some(_), None) => self.rules(sides),
            (None, _) if self.text.get(..self.at).is_some_and(|before| before.ends_with('<')) => self.rules(sides),
            _ => Vec::new(),
        }
    }

    fn values(&self, tag: &Tag<'t>, attribute: &Attribute<'t>, sides: &Sides<'_>) -> Vec<Choice> {
        let scope = self.scope();
        let plain = |label: &str, detail: &str| Choice {
            label: label.to_owned(),
            detail: detail.to_owned(),
            documentation: String::new(),
            kind: Kind::Value,
        };
        match attribute.name {
            "codes" => self
                .declared
                .iter()
                .filter(|tag| tag.local() == "codes")
                .filter_map(|tag| tag.attribute("name"))
                .map(|name| plain(name.raw, "code table"))
                .collect(),
            "to" => self
                .declared
                .iter()
                .filter(|tag| tag.local() == "target")
                .filter_map(|tag| tag.attribute("name"))
                .map(|name| plain(name.raw, "target"))
                .collect(),
            "is" => {
                let of = self.stands(sides, &scope).0.and_then(|stand| stand.type_definition());
                let types: Vec<TypeDef<'_>> = of.map(|of| of.concrete_types()).unwrap_or_default();
                types.iter().filter_map(|of| Some(plain(&scope.show(of.name()?), "type"))).collect()
            }
            "root" => {
                let schemas = if tag.local() == "source" { sides.source } else { sides.targets.first().and_then(|(_, schemas)| *schemas) };
                schemas
                    .iter()
                    .flat_map(|schemas| schemas.elements())
                    .map(|element| plain(&scope.show(element.name()), "global element"))
                    .collect()
            }
            "value" => {
                let (_, target) = self.stands(sides, &scope);
                let path = tag.attribute("path").and_then(|path| Path::parse(path.raw, &scope).ok());
                let there = target.zip(path).and_then(|(target, path)| target.follow(&path, self.target_schemas(sides), &scope).0.last());
                let values = there.and_then(|node| node.text()?.enumeration()).unwrap_or_default();
                values.into_iter().map(|value| plain(value, "allowed value")).collect()
            }
            _ => {
                let fixed = language_attribute(tag, attribute.name, sides);
                if fixed.is_empty() { self.steps(attribute, sides, &scope) } else { fixed.iter().map(|value| plain(value, "")).collect() }
            }
        }
    }

    /// The steps that a path can go on with.
    fn steps(&self, attribute: &Attribute<'t>, sides: &Sides<'_>, scope: &Scope) -> Vec<Choice> {
        let Some((stand, schemas)) = self.start(sides, scope) else { return Vec::new() };
        let typed = attribute.raw.get(..self.at - attribute.value.start).unwrap_or_default();
        let typed = typed.rsplit('|').next().unwrap_or_default();
        let before = typed.rsplit_once('/').map_or("", |(before, _)| before);
        let stand = match Path::parse(if before.is_empty() { "." } else { before }, scope) {
            Ok(path) => stand.follow(&path, schemas, scope).0,
            Err(_) => return Vec::new(),
        };
        let Some(of) = stand.type_definition() else { return Vec::new() };
        let mut choices: Vec<Choice> = Vec::new();
        for child in of.children() {
            let members = child.element.substitutes();
            let own = Some(child.element).filter(|element| !element.is_abstract());
            for element in own.into_iter().chain(members) {
                let node = Node::Element { decl: element, inside: Some((of, child)), of: element.type_definition() };
                choices.push(choice(scope.show(element.name()), &node, Kind::Element));
            }
        }
        for used in of.attributes() {
            choices.push(choice(format!("@{}", scope.show(used.name())), &Node::Attribute { used, owner: of }, Kind::Attribute));
        }
        choices
    }

    /// The elements of the language that may stand here.
    fn rules(&self, sides: &Sides<'_>) -> Vec<Choice> {
        let prefix = self.prefix();
        let parent = self.open.last().map_or("mapping", |tag| tag.local());
        let Some(of) = language_type(parent, sides.language) else { return Vec::new() };
        let one = |name: &QName, documentation: Option<&str>| Choice {
            label: if prefix.is_empty() { name.local().to_owned() } else { format!("{prefix}:{}", name.local()) },
            detail: String::new(),
            documentation: documentation.unwrap_or_default().to_owned(),
            kind: Kind::Rule,
        };
        of.children().iter().map(|child| one(child.element.name(), child.element.documentation())).collect()
    }

    /// The prefix of the language in this document.
    fn prefix(&self) -> String {
        let bound = |tag: &Tag<'t>| tag.attributes.iter().find(|attribute| attribute.raw == LANGUAGE).map(|attribute| attribute.name);
        let name = self.open.iter().chain(&self.tag).find_map(bound).unwrap_or("xmlns:m");
        name.strip_prefix("xmlns:").unwrap_or_default().to_owned()
    }
}

/// What is known of a node, in a line.
pub(crate) fn words(node: &Node<'_>) -> String {
    let occurs = match node {
        Node::Element { inside: Some((_, child)), .. } => {
            format!(", {}..{}", child.min, child.max.map_or_else(|| "∞".to_owned(), |max| max.to_string()))
        }
        Node::Element { .. } => String::new(),
        Node::Attribute { used, .. } => if used.is_required() { ", required" } else { ", optional" }.to_owned(),
    };
    let values =
        node.text().and_then(|simple| simple.enumeration()).map(|values| format!(", one of {}", values.join(" "))).unwrap_or_default();
    format!("{}{occurs}{values}", super::explain::type_words(node))
}

fn choice(label: String, node: &Node<'_>, kind: Kind) -> Choice {
    Choice { label, detail: words(node), documentation: node.documentation().unwrap_or_default().to_owned(), kind }
}

fn attributes(tag: &Tag<'_>, sides: &Sides<'_>) -> Vec<Choice> {
    let Some(of) = language_type(tag.local(), sides.language) else { return Vec::new() };
    let fresh = of.attributes().into_iter().filter(|used| tag.attribute(used.name().local()).is_none());
    let detail = |required: bool| if required { "required" } else { "" }.to_owned();
    let one = |name: &str, required: bool| Choice {
        label: name.to_owned(),
        detail: detail(required),
        documentation: String::new(),
        kind: Kind::Attribute,
    };
    fresh.map(|used| one(used.name().local(), used.is_required())).collect()
}

/// The values that the language itself allows for an attribute, if it lists them.
fn language_attribute<'s>(tag: &Tag<'_>, name: &str, sides: &Sides<'s>) -> Vec<&'s str> {
    let of = language_type(tag.local(), sides.language);
    let used = of.and_then(|of| of.attribute("", name));
    used.and_then(|used| used.type_definition().simple_content()?.enumeration()).unwrap_or_default()
}

/// The type of an element of the language; m:when, m:type and m:code are declared inside others.
fn language_type<'s>(name: &str, language: &'s Schemas) -> Option<TypeDef<'s>> {
    let global = |name: &str| language.element(&QName::new(LANGUAGE, name)).map(|element| element.type_definition());
    let inside = |parent: &str| global(parent)?.child(&QName::new(LANGUAGE, local(name))).map(|child| child.element.type_definition());
    global(local(name)).or_else(|| ["choose", "case", "codes"].into_iter().find_map(inside))
}
