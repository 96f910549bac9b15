//! The mapping document as written: what each rule says and where it stands, before any schema is asked.

use crate::date::{self, Kind, Pattern};
use crate::diagnostic::Report;
use crate::function::{self, Function};
use crate::identifier::Scheme;
use crate::path::{self, Path, Scope};
use std::collections::BTreeMap;
use xsd::load::Level;
use xsd::tree::{Element, Place, QName};

/// The namespace of the mapping language.
pub(crate) const LANGUAGE: &str = "urn:waybill:mapping:1";

#[derive(Debug)]
pub(crate) struct Document {
    pub(crate) id: String,
    pub(crate) version: String,
    pub(crate) source: Side,
    pub(crate) targets: Vec<Side>,
    pub(crate) binds: Vec<Bind>,
    pub(crate) codes: Vec<Codes>,
    pub(crate) blocks: Vec<Block>,
    /// The stylesheets of `m:xslt`: file, digest it must have, place.
    pub(crate) stylesheets: Vec<(String, Option<String>, Place)>,
    pub(crate) scope: Scope,
}

/// A schema that the mapping reads or writes.
#[derive(Debug)]
pub(crate) struct Side {
    /// Empty for the source.
    pub(crate) name: String,
    pub(crate) schema: String,
    pub(crate) root: QName,
    pub(crate) encoding: Option<String>,
    pub(crate) sha256: Option<String>,
    /// How much of XML Schema's law it must keep; of the source alone, which is not ours.
    pub(crate) level: Level,
    pub(crate) place: Place,
}

#[derive(Clone, Debug)]
pub(crate) struct Bind {
    pub(crate) wsdl: String,
    pub(crate) operation: String,
    pub(crate) input: bool,
    pub(crate) resource: Option<String>,
    pub(crate) place: Place,
}

#[derive(Debug)]
pub(crate) struct Codes {
    pub(crate) name: String,
    pub(crate) href: Option<String>,
    pub(crate) sha256: Option<String>,
    pub(crate) missing: Missing,
    pub(crate) pairs: Vec<(String, String)>,
    pub(crate) place: Place,
}

/// What a code table does with a value that it does not have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Missing {
    Reject,
    Keep,
    Omit,
    Default(String),
}

/// When the rules of a block run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum When {
    /// `m:record`: at the end of each window.
    Window,
    /// `m:record buffer="document"`: for each window, when the whole document is known.
    Buffered,
    /// `m:once at="start"`: before the first window.
    Start,
    /// `m:once at="end"`.
    End,
}

/// `m:record` or `m:once`.
#[derive(Debug)]
pub(crate) struct Block {
    pub(crate) when: When,
    pub(crate) window: Option<Path>,
    /// What may be kept for it, in octets.
    pub(crate) max: Option<usize>,
    /// Whether elements that do not satisfy the predicates of its window are left out, for a reason.
    pub(crate) ignores_others: bool,
    pub(crate) to: String,
    pub(crate) rules: Vec<Rule>,
    pub(crate) place: Place,
}

#[derive(Debug)]
pub(crate) struct Rule {
    pub(crate) place: Place,
    pub(crate) kind: RuleKind,
}

/// What an element may hold that no path can name: elements of `xs:any`, attributes of `xs:anyAttribute`, and text between elements.
pub(crate) const OPEN: [&str; 3] = ["*", "@*", "text()"];

#[derive(Debug)]
pub(crate) enum RuleKind {
    Set(Box<Set>),
    In {
        path: Path,
        select: Option<Path>,
        rules: Vec<Rule>,
    },
    Each {
        path: Path,
        select: Path,
        rules: Vec<Rule>,
    },
    Choose {
        whens: Vec<Test>,
        otherwise: Option<Vec<Rule>>,
    },
    Case {
        of: Path,
        types: Vec<Branch>,
        otherwise: Option<Vec<Rule>>,
    },
    Copy {
        path: Path,
        from: Path,
    },
    Xslt {
        path: Path,
        select: Path,
        href: String,
    },
    Ignore(Path),
    /// Of the element at the path what no path can name: one of [`OPEN`].
    IgnoreOpen(Path, &'static str),
}

/// `m:when`.
#[derive(Debug)]
pub(crate) struct Test {
    pub(crate) test: WhenTest,
    pub(crate) rules: Vec<Rule>,
    pub(crate) place: Place,
}

#[derive(Debug)]
pub(crate) enum WhenTest {
    Exists(Path),
    Missing(Path),
    Equals(Path, String),
}

#[derive(Debug)]
pub(crate) struct Branch {
    pub(crate) is: QName,
    pub(crate) rules: Vec<Rule>,
    pub(crate) place: Place,
}

#[derive(Debug)]
pub(crate) struct Set {
    pub(crate) path: Path,
    pub(crate) origin: Origin,
    pub(crate) via: Vec<Function>,
    pub(crate) check: Option<Scheme>,
    pub(crate) parse: Option<Pattern>,
    pub(crate) convert: Option<Kind>,
    /// Minutes ahead of UTC.
    pub(crate) zone: Option<i64>,
    pub(crate) codes: Option<String>,
    pub(crate) default: Option<String>,
    pub(crate) nil: Option<Absent>,
    pub(crate) empty: Option<Absent>,
    pub(crate) inside: Vec<Rule>,
}

#[derive(Debug)]
pub(crate) enum Origin {
    From(Vec<Path>),
    Value(String),
    Count(Path),
    Digest(String, Algorithm),
}

/// What a digest is computed by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Algorithm {
    Sha256,
    /// GB/T 32905.
    Sm3,
}

/// What becomes of a nil or an empty value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Absent {
    Omit,
    Reject,
    Empty,
}

/// Reads a document that is valid against mapping.xsd. What it cannot take is in `report`.
pub(crate) fn read(root: &Element, report: &mut Report) -> Document {
    let mut reader = Reader { report, scope: Scope::default().within(root), named: BTreeMap::new(), stylesheets: Vec::new() };
    let mut document = Document {
        id: text(root, "id"),
        version: text(root, "version"),
        source: Side {
            name: String::new(),
            schema: String::new(),
            root: QName::new("", ""),
            encoding: None,
            sha256: None,
            level: Level::Strict,
            place: root.place(),
        },
        targets: Vec::new(),
        binds: Vec::new(),
        codes: Vec::new(),
        blocks: Vec::new(),
        stylesheets: Vec::new(),
        scope: reader.scope.clone(),
    };
    for child in root.elements() {
        match child.name().local() {
            "source" => document.source = reader.within(child, |reader| reader.side(child)),
            "target" => document.targets.push(reader.within(child, |reader| reader.side(child))),
            "bind" => document.binds.push(bind(child)),
            "codes" => document.codes.push(reader.codes(child)),
            "fn" => reader.function(child),
            "record" | "once" => document.blocks.push(reader.within(child, |reader| reader.block(child))),
            _ => {}
        }
    }
    document.stylesheets = reader.stylesheets;
    document
}

struct Reader<'a> {
    report: &'a mut Report,
    scope: Scope,
    named: BTreeMap<String, Vec<Function>>,
    stylesheets: Vec<(String, Option<String>, Place)>,
}

fn text(element: &Element, attribute: &str) -> String {
    element.attribute("", attribute).unwrap_or_default().to_owned()
}

fn optional(element: &Element, attribute: &str) -> Option<String> {
    element.attribute("", attribute).map(str::to_owned)
}

fn bind(element: &Element) -> Bind {
    Bind {
        wsdl: text(element, "wsdl"),
        operation: text(element, "operation"),
        input: element.attribute("", "message") == Some("input"),
        resource: optional(element, "resource"),
        place: element.place(),
    }
}

fn absent(word: Option<&str>) -> Option<Absent> {
    match word {
        Some("omit") => Some(Absent::Omit),
        Some("reject") => Some(Absent::Reject),
        Some("empty" | "keep") => Some(Absent::Empty),
        _ => None,
    }
}

/// The pairs of a code table, here or in its own file.
pub(crate) fn pairs(table: &Element) -> Vec<(String, String)> {
    table.all(LANGUAGE, "code").map(|code| (text(code, "from"), text(code, "to"))).collect()
}

impl Reader<'_> {
    /// Reads `element` with its own declarations in scope.
    fn within<T>(&mut self, element: &Element, read: impl FnOnce(&mut Self) -> T) -> T {
        let inner = self.scope.within(element);
        let outer = std::mem::replace(&mut self.scope, inner);
        let result = read(self);
        self.scope = outer;
        result
    }

    fn path(&mut self, element: &Element, attribute: &str) -> Option<Path> {
        let text = element.attribute("", attribute)?;
        let path = Path::parse(text, &self.scope);
        path.map_err(|why| self.report.error("SM010", element.place(), format!("{attribute}: {why}")).code).ok()
    }

    fn name(&mut self, element: &Element, attribute: &str) -> QName {
        let text = text(element, attribute);
        path::name(&text, &self.scope).unwrap_or_else(|why| {
            self.report.error("SM010", element.place(), format!("{attribute}: {why}"));
            QName::new("", text)
        })
    }

    fn side(&mut self, element: &Element) -> Side {
        Side {
            name: text(element, "name"),
            schema: text(element, "schema"),
            root: self.name(element, "root"),
            encoding: optional(element, "encoding"),
            sha256: optional(element, "sha256"),
            level: element.attribute("", "level").and_then(|level| level.parse().ok()).unwrap_or_default(),
            place: element.place(),
        }
    }

    fn codes(&mut self, element: &Element) -> Codes {
        let default = optional(element, "default");
        let missing = match (element.attribute("", "on-missing"), default) {
            (Some("keep"), None) => Missing::Keep,
            (Some("omit"), None) => Missing::Omit,
            (None | Some("default"), Some(value)) => Missing::Default(value),
            (None | Some("reject"), None) => Missing::Reject,
            _ => {
                self.report.error("SM012", element.place(), "on-missing=\"default\" and default=\"…\" go together, and with nothing else");
                Missing::Reject
            }
        };
        let (pairs, href) = (pairs(element), optional(element, "href"));
        if pairs.is_empty() == href.is_none() {
            self.report.error("SM012", element.place(), "a code table has its codes here or in the file at href");
        }
        Codes { name: text(element, "name"), href, sha256: optional(element, "sha256"), missing, pairs, place: element.place() }
    }

    fn function(&mut self, element: &Element) {
        let chain = self.chain(element).unwrap_or_default();
        self.named.insert(text(element, "name"), chain);
    }

    fn chain(&mut self, element: &Element) -> Option<Vec<Function>> {
        let chain = function::chain(element.attribute("", "via")?, &self.named);
        chain.map_err(|why| self.report.error("SM013", element.place(), why).code).ok()
    }

    fn block(&mut self, element: &Element) -> Block {
        let when = match (element.name().local(), element.attribute("", "buffer"), element.attribute("", "at")) {
            ("record", Some("document"), _) => When::Buffered,
            ("record", ..) => When::Window,
            (_, _, Some("start")) => When::Start,
            _ => When::End,
        };
        let max = element.attribute("", "max").and_then(|max| max.trim().parse().ok());
        Block {
            when,
            max,
            ignores_others: element.attribute("", "ignore-others").is_some(),
            window: self.path(element, "select"),
            to: text(element, "to"),
            rules: self.rules(element),
            place: element.place(),
        }
    }

    fn rules(&mut self, parent: &Element) -> Vec<Rule> {
        parent.elements().filter_map(|element| self.within(element, |reader| reader.rule(element))).collect()
    }

    fn rule(&mut self, element: &Element) -> Option<Rule> {
        if let Some(confidence) = element.attribute("", "confidence") {
            let text = format!("this rule was proposed with confidence {confidence} and nobody has confirmed it");
            self.report.warning("SM091", element.place(), text).helped("remove the attribute confidence once you have looked at it");
        }
        let kind = match element.name().local() {
            "set" => RuleKind::Set(Box::new(self.set(element)?)),
            "in" => RuleKind::In { path: self.path(element, "path")?, select: self.path(element, "select"), rules: self.rules(element) },
            "each" => {
                RuleKind::Each { path: self.path(element, "path")?, select: self.path(element, "select")?, rules: self.rules(element) }
            }
            "choose" => self.choose(element),
            "case" => self.case(element)?,
            "copy" => RuleKind::Copy { path: self.path(element, "path")?, from: self.path(element, "from")? },
            "xslt" => {
                self.stylesheets.push((text(element, "href"), optional(element, "sha256"), element.place()));
                RuleKind::Xslt { path: self.path(element, "path")?, select: self.path(element, "select")?, href: text(element, "href") }
            }
            _ => self.ignore(element)?,
        };
        Some(Rule { place: element.place(), kind })
    }

    fn ignore(&mut self, element: &Element) -> Option<RuleKind> {
        let path = text(element, "path");
        let (before, last) = path.trim().rsplit_once('/').unwrap_or((".", path.trim()));
        match OPEN.into_iter().find(|open| *open == last) {
            None => self.path(element, "path").map(RuleKind::Ignore),
            Some(open) => {
                let around = Path::parse(before, &self.scope);
                let around = around.map_err(|why| self.report.error("SM010", element.place(), format!("path: {why}")).code);
                around.ok().map(|around| RuleKind::IgnoreOpen(around, open))
            }
        }
    }

    fn otherwise(&mut self, element: &Element) -> Option<Vec<Rule>> {
        element.first(LANGUAGE, "otherwise").map(|otherwise| self.within(otherwise, |reader| reader.rules(otherwise)))
    }

    fn choose(&mut self, element: &Element) -> RuleKind {
        let mut whens = Vec::new();
        for when in element.all(LANGUAGE, "when") {
            let read = self.within(when, |reader| {
                let test = reader.when_test(when)?;
                Some(Test { test, rules: reader.rules(when), place: when.place() })
            });
            whens.extend(read);
        }
        RuleKind::Choose { whens, otherwise: self.otherwise(element) }
    }

    fn when_test(&mut self, when: &Element) -> Option<WhenTest> {
        let has = |name: &str| when.attribute("", name).is_some();
        match (has("exists"), has("missing"), has("of"), has("equals")) {
            (true, false, false, false) => self.path(when, "exists").map(WhenTest::Exists),
            (false, true, false, false) => self.path(when, "missing").map(WhenTest::Missing),
            (false, false, true, true) => Some(WhenTest::Equals(self.path(when, "of")?, text(when, "equals"))),
            _ => {
                self.report.error("SM012", when.place(), "m:when has exists, or missing, or of together with equals");
                None
            }
        }
    }

    fn case(&mut self, element: &Element) -> Option<RuleKind> {
        let mut types = Vec::new();
        for branch in element.all(LANGUAGE, "type") {
            types.push(self.within(branch, |reader| Branch {
                is: reader.name(branch, "is"),
                rules: reader.rules(branch),
                place: branch.place(),
            }));
        }
        Some(RuleKind::Case { of: self.path(element, "of")?, types, otherwise: self.otherwise(element) })
    }

    fn set(&mut self, element: &Element) -> Option<Set> {
        let place = element.place();
        let origin = self.origin(element);
        let parse = optional(element, "parse").and_then(|pattern| {
            Pattern::parse(&pattern).map_err(|why| self.report.error("SM014", place, format!("parse='{pattern}': {why}")).code).ok()
        });
        let convert = element.attribute("", "as").map(|kind| if kind == "date" { Kind::Date } else { Kind::DateTime });
        let zone = element.attribute("", "zone").and_then(date::zone);
        let timed = parse.as_ref().is_some_and(|pattern| pattern.kind() == Kind::DateTime);
        if zone.is_some() && convert.is_none() && !timed {
            self.report.error("SM012", place, "zone goes with as, or with a parse that reads a time");
        }
        let set = Set {
            path: self.path(element, "path")?,
            origin: origin?,
            via: self.chain(element).unwrap_or_default(),
            check: element.attribute("", "check").and_then(Scheme::named),
            parse,
            convert,
            zone,
            codes: optional(element, "codes"),
            default: optional(element, "default"),
            nil: absent(element.attribute("", "when-nil")),
            empty: absent(element.attribute("", "when-empty")),
            inside: self.rules(element),
        };
        let read = matches!(set.origin, Origin::From(_));
        if !read && (set.default.is_some() || set.nil.is_some() || set.empty.is_some() || set.parse.is_some() || set.convert.is_some()) {
            self.report.error("SM012", place, "default, when-nil, when-empty, parse and as go with from");
        }
        Some(set)
    }

    fn origin(&mut self, element: &Element) -> Option<Origin> {
        let given = ["from", "value", "count", "digest"].map(|name| (name, element.attribute("", name)));
        let mut given = given.into_iter().filter_map(|(name, value)| value.map(|value| (name, value)));
        let (Some((name, value)), None) = (given.next(), given.next()) else {
            self.report.error("SM012", element.place(), "m:set has exactly one of from, value, count and digest");
            return None;
        };
        let algorithm = element.attribute("", "alg");
        if algorithm.is_some() && name != "digest" {
            self.report.error("SM012", element.place(), "alg goes with digest");
        }
        match name {
            "from" => match Path::alternatives(value, &self.scope) {
                Ok(paths) => Some(Origin::From(paths)),
                Err(why) => {
                    self.report.error("SM010", element.place(), format!("from: {why}"));
                    None
                }
            },
            "value" => Some(Origin::Value(value.to_owned())),
            "count" => self.path(element, "count").map(Origin::Count),
            _ => {
                let algorithm = if algorithm == Some("sm3") { Algorithm::Sm3 } else { Algorithm::Sha256 };
                Some(Origin::Digest(value.to_owned(), algorithm))
            }
        }
    }
}
