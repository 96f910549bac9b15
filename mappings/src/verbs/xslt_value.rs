//! Paths, tests and values of rules in XPath 1.0 and XSLT 1.0: when a value is there, and what becomes of it on its way.

use crate::date::Kind;
use crate::document::{Absent, Branch, Document, Missing, Origin, Set, WhenTest};
use crate::function::Function;
use crate::path::{Path, Step, Test};
use crate::plan::CodeTable;
use crate::verbs::export::Refusals;
use crate::verbs::page::{Item, Node, element};
use crate::verbs::wires::{self, Stand};
use crate::verbs::xpath::{self, NEVER, XSI, Xpath, literal};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use xsd::schema::Schemas;
use xsd::simple::WhiteSpace;
use xsd::tree::{Place, QName};

/// Writes values, and remembers which prefixes, code tables and templates they need.
pub(crate) struct Values<'a> {
    document: &'a Document,
    source: &'a Schemas,
    tables: Vec<Arc<CodeTable>>,
    used: RefCell<BTreeMap<String, String>>,
    wanted: BTreeSet<String>,
    library: bool,
    variables: usize,
    pub(crate) refused: Refusals,
}

impl<'a> Values<'a> {
    pub(crate) fn new(document: &'a Document, source: &'a Schemas, tables: Vec<Arc<CodeTable>>) -> Self {
        let used = RefCell::new(BTreeMap::from([(XSI.to_owned(), "xsi".to_owned())]));
        Self { document, source, tables, used, wanted: BTreeSet::new(), library: false, variables: 0, refused: Vec::new() }
    }

    /// A name with a prefix that the stylesheet binds.
    pub(crate) fn name(&self, name: &QName) -> String {
        if name.namespace().is_empty() {
            return name.local().to_owned();
        }
        let mut used = self.used.borrow_mut();
        let count = used.len();
        let fresh = || {
            let own = self.document.scope.prefix(name.namespace());
            if own.is_empty() || matches!(&*own, "xsl" | "xsi") { format!("ns{count}") } else { own.to_string() }
        };
        let prefix = used.entry(name.namespace().to_owned()).or_insert_with(fresh);
        format!("{prefix}:{}", name.local())
    }

    /// (prefix, namespace) of all names so far.
    pub(crate) fn namespaces(&self) -> Vec<(String, String)> {
        self.used.borrow().iter().map(|(namespace, prefix)| (prefix.clone(), namespace.clone())).collect()
    }

    /// The named templates of the code tables that values use.
    pub(crate) fn templates(&self) -> Vec<Node> {
        let table = |table: &&Arc<CodeTable>| {
            let mut choose = element("xsl:choose");
            for (from, to) in &table.to {
                choose = choose.child(element("xsl:when").with("test", &format!("$value = {}", literal(from))).text(to));
            }
            let otherwise = element("xsl:otherwise");
            match &table.missing {
                Missing::Keep => choose = choose.child(otherwise.child(element("xsl:value-of").with("select", "$value"))),
                Missing::Default(value) => choose = choose.child(otherwise.text(value)),
                Missing::Reject | Missing::Omit => {}
            }
            element("xsl:template")
                .with("name", &["codes-", &table.name].concat())
                .child(element("xsl:param").with("name", "value"))
                .child(choose)
        };
        self.tables.iter().filter(|table| self.wanted.contains(&table.name)).map(|one| table(&one)).collect()
    }

    /// The templates of the library, if any value calls one.
    pub(crate) fn library(&self, whole: &str) -> Option<String> {
        let from = whole.find("<xsl:template")?;
        let end = whole.rfind("</xsl:stylesheet>")?;
        self.library.then(|| whole.get(from..end).unwrap_or_default().trim_end().to_owned())
    }

    pub(crate) fn path(&self, path: &Path, from: &Stand<'a>) -> Xpath {
        let mut steps = Vec::new();
        let mut here = from.clone();
        for step in &path.steps {
            let one = Path { text: String::new(), steps: vec![step.clone()] };
            match step {
                Step::Up => steps.push("..".to_owned()),
                Step::Attribute(name) => steps.push(["@", &self.name(name)].concat()),
                Step::Element { name, tests } => {
                    let declared = here.type_definition().and_then(|of| wires::child(of, name)).map(|(_, decl)| decl.type_definition());
                    // Positions count among those of the name, whatever else is asked.
                    let (positions, others): (Vec<&Test>, Vec<&Test>) = tests.iter().partition(|test| matches!(test, Test::Position(_)));
                    let tests = positions.into_iter().chain(others).map(|test| match test {
                        Test::Position(at) => format!("[{at}]"),
                        Test::Attribute(name, value) => format!("[@{} = {}]", self.name(name), literal(value)),
                        Test::Child(name, value) => format!("[{} = {}]", self.name(name), literal(value)),
                        Test::Type(name) => format!("[{}]", self.of_type(name, declared)),
                    });
                    let tests: String = tests.collect();
                    steps.push(format!("{}{tests}", self.name(name)));
                }
            }
            here = here.follow(&one, Some(self.source), &self.document.scope).0;
        }
        Xpath { text: if steps.is_empty() { ".".to_owned() } else { steps.join("/") } }
    }

    fn of_type(&self, name: &QName, declared: Option<xsd::schema::TypeDef<'a>>) -> String {
        let Some(named) = self.source.type_named(name) else { return NEVER.to_owned() };
        let concrete = named.concrete_types();
        let names: Vec<QName> = concrete.iter().filter_map(|of| of.name().cloned()).collect();
        xpath::typed(&names, declared.is_some_and(|declared| concrete.contains(&declared)))
    }

    /// For each branch of an m:case the test that the element's type is one of those it handles.
    pub(crate) fn cases(&self, types: &[Branch], there: &Stand<'a>) -> Vec<String> {
        let Some(declared) = there.type_definition() else { return vec![NEVER.to_owned(); types.len()] };
        let named: Vec<_> = types.iter().map(|branch| self.source.type_named(&branch.is)).collect();
        let nearest = |of: &xsd::schema::TypeDef<'a>| {
            let fitting = named
                .iter()
                .enumerate()
                .filter_map(|(at, named)| named.filter(|named| of.is_derived_from(*named)).map(|named| (at, named)));
            fitting.reduce(|best, next| if next.1.is_derived_from(best.1) { next } else { best }).map(|(at, _)| at)
        };
        let concrete = declared.concrete_types();
        let test = |at: usize| {
            let mine: Vec<_> = concrete.iter().filter(|of| nearest(of) == Some(at)).collect();
            let names: Vec<QName> = mine.iter().filter_map(|of| of.name().cloned()).collect();
            xpath::typed(&names, mine.contains(&&declared))
        };
        (0..types.len()).map(test).collect()
    }

    pub(crate) fn test(&self, test: &WhenTest, from: &Stand<'a>) -> String {
        match test {
            WhenTest::Exists(path) => self.there(path, from).where_(xpath::ALWAYS),
            WhenTest::Missing(path) => format!("not({})", self.there(path, from).where_(xpath::ALWAYS)),
            WhenTest::Equals(path, value) => format!("{} = {}", self.path(path, from).text, literal(value)),
        }
    }

    /// A path, or its element where the schema gives the attribute at its end a default: then it is always there.
    fn there(&self, path: &Path, from: &Stand<'a>) -> Xpath {
        if self.declared_default(path, from).is_some() && matches!(path.steps.last(), Some(Step::Attribute(_))) {
            let steps = path.steps.iter().take(path.steps.len() - 1).cloned().collect();
            return self.path(&Path { text: String::new(), steps }, from);
        }
        self.path(path, from)
    }

    /// What the schema says that an absent attribute or an empty element means.
    fn declared_default(&self, path: &Path, from: &Stand<'a>) -> Option<&'a str> {
        let (there, _) = from.follow(path, Some(self.source), &self.document.scope);
        match there.last()? {
            wires::Node::Attribute { used, .. } => used.default().or(used.fixed()),
            wires::Node::Element { decl, .. } => decl.default().or(decl.fixed()),
        }
    }

    fn collapses(&self, path: &Path, from: &Stand<'a>) -> bool {
        let (there, _) = from.follow(path, Some(self.source), &self.document.scope);
        there.last().and_then(|node| node.text()).is_some_and(|simple| simple.facets().white_space == WhiteSpace::Collapse)
    }

    /// When a rule writes its value, as a test.
    pub(crate) fn present(&mut self, set: &Set, place: Place, from: &Stand<'a>) -> String {
        match &set.origin {
            Origin::From(paths) if set.default.is_none() => {
                let tests: Vec<String> = paths.iter().map(|path| self.alternative(set, path, place, from)).collect();
                xpath::any(&tests)
            }
            _ => xpath::ALWAYS.to_owned(),
        }
    }

    /// When one of the paths of `from` gives the value.
    fn alternative(&mut self, set: &Set, path: &Path, place: Place, from: &Stand<'a>) -> String {
        let mut tests = Vec::new();
        if set.nil == Some(Absent::Omit) {
            tests.push("not(@xsi:nil = 'true' or @xsi:nil = '1')".to_owned());
        }
        if set.empty == Some(Absent::Omit) {
            tests.push(if self.collapses(path, from) { "normalize-space(.) != ''".to_owned() } else { "string(.) != ''".to_owned() });
        }
        let table = set.codes.as_ref().and_then(|name| self.tables.iter().find(|table| table.name == *name)).cloned();
        if let Some(table) = table.filter(|table| table.missing == Missing::Omit) {
            if set.via.is_empty() && set.parse.is_none() && set.convert.is_none() {
                let value = if self.collapses(path, from) { "normalize-space(.)" } else { "string(.)" };
                tests.push(xpath::any(&table.to.keys().map(|key| format!("{value} = {}", literal(key))).collect::<Vec<_>>()));
            } else {
                self.refused.push((place, "on-missing=\"omit\" after via, parse or as".to_owned()));
            }
        }
        self.there(path, from).where_(&xpath::all(&tests))
    }

    fn fresh(&mut self) -> String {
        self.variables += 1;
        format!("v{}", self.variables)
    }

    /// A variable with what an expression gives; returns how to read it.
    pub(crate) fn select(&mut self, items: &mut Vec<Item>, expression: &str) -> String {
        let name = self.fresh();
        items.push(Item::Node(element("xsl:variable").with("name", &name).with("select", expression)));
        ["$", &name].concat()
    }

    pub(crate) fn filled(&mut self, items: &mut Vec<Item>, content: Node) -> String {
        let name = self.fresh();
        items.push(Item::Node(element("xsl:variable").with("name", &name).child(content)));
        format!("string(${name})")
    }

    /// The result of a template of the library.
    pub(crate) fn called(&mut self, items: &mut Vec<Item>, template: &str, parameters: &[(&str, &str)]) -> String {
        self.library = true;
        self.call(items, template, parameters)
    }

    fn call(&mut self, items: &mut Vec<Item>, template: &str, parameters: &[(&str, &str)]) -> String {
        let call = element("xsl:call-template").with("name", template);
        let parameter = |(name, value): &(&str, &str)| element("xsl:with-param").with("name", name).with("select", value);
        self.filled(items, call.children(parameters.iter().map(parameter)))
    }

    /// The variables that a value needs, and the expression that is the value.
    pub(crate) fn value(&mut self, set: &Set, place: Place, from: &Stand<'a>) -> (Vec<Item>, String) {
        let mut items = Vec::new();
        let paths = match &set.origin {
            Origin::Value(value) => return (items, literal(value)),
            Origin::Count(path) => return (items, format!("count({})", self.path(path, from).text)),
            Origin::Digest(..) => {
                self.refused.push((place, "digest: it has no hash function".to_owned()));
                return (items, literal(""));
            }
            Origin::From(paths) => paths,
        };
        let mut value = match paths.as_slice() {
            [path] => self.raw(path, from),
            _ => {
                let mut choose = element("xsl:choose");
                for path in paths {
                    let test = self.alternative(set, path, place, from);
                    let value = element("xsl:value-of").with("select", &self.raw(path, from));
                    choose = choose.child(element("xsl:when").with("test", &test).child(value));
                }
                self.filled(&mut items, choose)
            }
        };
        for function in &set.via {
            value = self.function(function, &value, place, &mut items);
        }
        value = self.date(set, &value, &mut items);
        if let Some(name) = &set.codes {
            self.wanted.insert(name.clone());
            value = self.call(&mut items, &["codes-", name].concat(), &[("value", &value)]);
        }
        if let Some(default) = &set.default {
            let there: Vec<String> = paths.iter().map(|path| self.alternative(set, path, place, from)).collect();
            let when = element("xsl:when").with("test", &xpath::any(&there)).child(element("xsl:value-of").with("select", &value));
            value = self.filled(&mut items, element("xsl:choose").child(when).child(element("xsl:otherwise").text(default)));
        }
        (items, value)
    }

    /// The text at a path, white space as its type has it.
    fn raw(&self, path: &Path, from: &Stand<'a>) -> String {
        let text = self.path(path, from).text;
        let own = if self.collapses(path, from) { format!("normalize-space({text})") } else { format!("string({text})") };
        match self.declared_default(path, from) {
            // The first character of nothing is nothing: this is the default where the text is empty.
            Some(default) => format!("concat({own}, substring({}, 1 div ({own} = '')))", literal(default)),
            None => own,
        }
    }

    fn function(&mut self, function: &Function, value: &str, place: Place, items: &mut Vec<Item>) -> String {
        match function {
            Function::Trim => {
                self.library = true;
                self.call(items, "trim", &[("text", value)])
            }
            Function::Upper | Function::Lower => {
                let (lower, upper) = letters();
                let (from, to) = if matches!(function, Function::Upper) { (lower, upper) } else { (upper, lower) };
                self.select(items, &format!("translate({value}, {}, {})", literal(&from), literal(&to)))
            }
            Function::Strip(characters) => self.select(items, &format!("translate({value}, {}, '')", literal(characters))),
            Function::Pad(width, fill) => {
                let (value, filling) = (self.select(items, value), fill.to_string().repeat(*width));
                self.select(items, &format!("concat(substring({}, 1, {width} - string-length({value})), {value})", literal(&filling)))
            }
            Function::Substring(start, None) => self.select(items, &format!("substring({value}, {start})")),
            Function::Substring(start, Some(length)) => self.select(items, &format!("substring({value}, {start}, {length})")),
            Function::Concat(pieces) => {
                let value = self.select(items, value);
                let pieces: Vec<String> =
                    pieces.iter().map(|piece| piece.as_ref().map_or_else(|| value.clone(), |text| literal(text))).collect();
                self.select(items, &format!("concat('', {})", pieces.join(", ")))
            }
            Function::Split(separator, position) => {
                self.library = true;
                self.call(items, "split", &[("text", value), ("separator", &literal(separator)), ("position", &position.to_string())])
            }
            Function::Replace(pattern, with) if plain(pattern.as_str()) && !with.contains('$') => {
                let pattern = pattern.as_str();
                let text = pattern.trim_start_matches('^').trim_end_matches('$').to_owned();
                self.replaced(items, value, (pattern.starts_with('^'), pattern.ends_with('$')), &text, with)
            }
            Function::Replace(pattern, with) => {
                if let Some(value) = self.shaped(pattern.as_str(), with, value, items) {
                    return value;
                }
                self.refused.push((place, format!("replace('{}',…): it has no regular expressions", pattern.as_str())));
                literal("")
            }
            other => {
                let said = match other {
                    Function::Date(pattern) => self.dated(pattern, value, items),
                    Function::Unit(factor) => self.unit(*factor, value, items),
                    // It rounds, and the doubles of XSLT 1.0 do not round as decimals do.
                    _ => None,
                };
                if let Some(value) = said {
                    return value;
                }
                self.refused.push((place, format!("{other:?}").split('(').next().unwrap_or_default().to_lowercase()));
                literal("")
            }
        }
    }

    /// A text without anything special replaced everywhere, at the start, at the end, or where it is the whole.
    fn replaced(&mut self, items: &mut Vec<Item>, value: &str, anchors: (bool, bool), text: &str, with: &str) -> String {
        let value = self.select(items, value);
        let (what, other, length) = (literal(text), literal(with), text.chars().count());
        let end = format!("substring({value}, string-length({value}) - {length} + 1) = {what}");
        let (test, then) = match anchors {
            (false, false) => {
                self.library = true;
                return self.call(items, "replace", &[("text", &value), ("what", &what), ("with", &other)]);
            }
            (true, true) => (format!("{value} = {what}"), other),
            (true, false) => (format!("starts-with({value}, {what})"), format!("concat({other}, substring({value}, {}))", length + 1)),
            (false, true) => (end, format!("concat(substring({value}, 1, string-length({value}) - {length}), {other})")),
        };
        let value_of = |select: &str| element("xsl:value-of").with("select", select);
        let choose = element("xsl:choose").child(element("xsl:when").with("test", &test).child(value_of(&then)));
        self.filled(items, choose.child(element("xsl:otherwise").child(value_of(&value))))
    }

    fn date(&mut self, set: &Set, value: &str, items: &mut Vec<Item>) -> String {
        let mut value = value.to_owned();
        if let Some(pattern) = &set.parse {
            let raw = self.select(items, &value);
            let part = |letter: char, otherwise: &str| {
                pattern.position(letter).map_or_else(|| literal(otherwise), |(at, length)| format!("substring({raw}, {at}, {length})"))
            };
            let day = format!("{}, '-', {}, '-', {}", part('y', ""), part('M', ""), part('d', ""));
            let clock = format!("'T', {}, ':', {}, ':', {}, '.', {}", part('H', "00"), part('m', "00"), part('s', "00"), part('S', "000"));
            let whole = if pattern.kind() == Kind::DateTime { format!("concat({day}, {clock})") } else { format!("concat({day})") };
            value = self.select(items, &whole);
        }
        let kind = match (set.convert, set.zone) {
            (Some(Kind::Date), _) => "'date'",
            (Some(Kind::DateTime), _) | (None, Some(_)) => "'instant'",
            (None, None) => return value,
        };
        self.library = true;
        let zone = set.zone.unwrap_or_default().to_string();
        self.call(items, "moment", &[("text", &value), ("as", kind), ("zone", &zone)])
    }
}

/// Whether a regular expression is a text, perhaps with its anchors.
fn plain(pattern: &str) -> bool {
    let inner = pattern.strip_prefix('^').unwrap_or(pattern);
    let inner = inner.strip_suffix('$').unwrap_or(inner);
    !inner.is_empty() && !inner.contains(|letter| "\\.+*?()|[]{}^$".contains(letter))
}

/// Letters of which both cases are one letter, up to Cyrillic: for translate().
fn letters() -> (String, String) {
    let one = |mut letters: std::char::ToUppercase| letters.next().filter(|_| letters.next().is_none());
    let pairs = ('a'..='\u{4ff}').filter_map(|lower| {
        let upper = one(lower.to_uppercase())?;
        let mut back = upper.to_lowercase();
        (upper != lower && back.next() == Some(lower) && back.next().is_none()).then_some((lower, upper))
    });
    pairs.unzip()
}
