//! `map scaffold`: a first mapping for an unknown schema, in which every rule is a suggestion with its score and its reason.
//!
//! A rule with `confidence` is warned of (SM091) until a person has looked at it; what cannot be suggested is ignored with a reason that
//! begins with TODO. Evidence counts in this order: modelReference, name and dictionary, type and facets, text of annotations.

use crate::verbs::layout::laid_out;
use crate::verbs::leaves::{Leaf, Leaves, Prefixes, leaves};
use crate::verbs::names::{field, meaning};
use crate::verbs::page::{Item, Node, element, written};
use crate::verbs::suggest::{Suggestion, dated, sex_codes, suggest};
use std::collections::BTreeSet;
use xsd::schema::{ElementDecl, Schemas, TypeDef};
use xsd::tree::QName;

/// What a scaffold is made from and for.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// The schema as the mapping is to name it: relative to where the mapping will be.
    pub schema: String,
    /// The root; the only global element, or the one with most below it, where none is named.
    pub root: Option<String>,
    /// The element that is a record; what repeats below the root, where none is named.
    pub record: Option<String>,
    /// The mapping's id, as `health.visit`.
    pub id: String,
    /// The WSDL and its operation, as `m:bind` names them.
    pub bind: Option<(String, String)>,
}

/// A mapping that nobody has confirmed yet.
#[derive(Debug)]
pub struct Scaffold {
    /// The document.
    pub text: String,
    /// Rules that were suggested.
    pub suggested: usize,
    /// What was left with a TODO.
    pub todo: usize,
    /// The root and the path to the records.
    pub records: (String, String),
}

const BUSINESS: &str = "urn:waybill:business:1";

/// Writes a mapping from `source` to the unified business record.
///
/// # Errors
/// The schema has no such root, or none to choose.
pub fn scaffold(source: &Schemas, wanted: &Wanted) -> Result<Scaffold, String> {
    let root = root(source, wanted.root.as_deref())?;
    let prefixes = Prefixes::default();
    let shown_root = prefixes.show(root.name());
    let window = chosen(root, wanted.record.as_deref())?;
    let found = leaves(window.of, &prefixes);
    let headers = headers(root, &window, &prefixes);
    let mut draft = Draft { suggested: 0, todo: 0, codes: Vec::new(), fields: BTreeSet::new() };
    let rules = draft.record(&found, &headers, wanted);
    let steps: Vec<String> = window.steps.iter().map(|name| prefixes.show(name)).collect();
    let select = if steps.is_empty() { ".".to_owned() } else { steps.join("/") };
    let resource = wanted.id.replace('.', "/");
    let mut mapping = element("m:mapping").with("xmlns:m", crate::document::LANGUAGE).with("version", "1.0").with("id", &wanted.id);
    for (prefix, namespace) in prefixes.all() {
        mapping = mapping.with(&["xmlns:", &prefix].concat(), &namespace);
    }
    let target = element("m:target").with("name", "business").with("schema", BUSINESS).with("root", "b:Record");
    mapping =
        mapping.with("xmlns:b", BUSINESS).child(element("m:source").with("schema", &wanted.schema).with("root", &shown_root)).child(target);
    if let Some((wsdl, operation)) = &wanted.bind {
        let bind = element("m:bind").with("wsdl", wsdl).with("operation", operation).with("message", "output").with("resource", &resource);
        mapping = mapping.child(bind);
    }
    mapping = mapping.children(draft.codes).child(element("m:record").with("select", &select).with("to", "business").items(rules));
    let head = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";
    let note = "A scaffold: every rule with confidence is a suggestion. Look at it, mend it, remove the attribute; a reason with TODO wants a true one.";
    let document = [head, &written(&Item::Comment(note.to_owned())), "\n", &written(&Item::Node(mapping))].concat();
    Ok(Scaffold { text: laid_out(&document), suggested: draft.suggested, todo: draft.todo, records: (shown_root, select) })
}

fn root<'s>(source: &'s Schemas, named: Option<&str>) -> Result<ElementDecl<'s>, String> {
    let all: Vec<ElementDecl<'s>> = source.elements().filter(|element| !element.is_abstract()).collect();
    if let Some(named) = named {
        let local = named.rsplit([':', '}']).next().unwrap_or(named);
        return all.iter().find(|element| element.name().local() == local).copied().ok_or_else(|| {
            let names: Vec<&str> = all.iter().map(|element| element.name().local()).collect();
            format!("the schema has no global element '{named}'; it has {}", names.join(", "))
        });
    }
    let weight = |element: &&ElementDecl<'_>| leaves(window(**element).of, &Prefixes::default()).found.len();
    all.iter().max_by_key(weight).copied().ok_or_else(|| "the schema has no global element".to_owned())
}

/// The element that repeats and holds a record.
struct Window<'s> {
    steps: Vec<QName>,
    of: TypeDef<'s>,
}

/// How deep records are looked for.
const WINDOW_DEPTH_MAX: usize = 4;

/// How deep a record that is named may stand.
const NAMED_DEPTH_MAX: usize = 8;
/// So many fields beside what repeats are no header: what holds them is the record, and what repeats a part of it.
const HEADER_MAX: usize = 12;

/// The records that were asked for, or those that look like some.
fn chosen<'s>(root: ElementDecl<'s>, named: Option<&str>) -> Result<Window<'s>, String> {
    let Some(named) = named else { return Ok(whole(root, window(root))) };
    let local = |name: &str| name.rsplit([':', '}']).next().unwrap_or(name).to_owned();
    let wanted: Vec<String> = named.split('/').map(local).collect();
    let mut level: Vec<(Vec<QName>, TypeDef<'_>)> = vec![(Vec::new(), root.type_definition())];
    if *root.name().local() == *local(named) {
        return Ok(Window { steps: Vec::new(), of: root.type_definition() });
    }
    let mut met: Vec<TypeDef<'_>> = Vec::new();
    for _ in 0..NAMED_DEPTH_MAX {
        let mut next = Vec::new();
        for (steps, of) in &level {
            for child in of.children() {
                let (steps, of): (Vec<QName>, _) =
                    (steps.iter().chain([child.element.name()]).cloned().collect(), child.element.type_definition());
                if !of.is_simple()
                    && steps.iter().rev().map(QName::local).zip(wanted.iter().rev()).all(|(step, wanted)| step == wanted)
                    && steps.len() >= wanted.len()
                {
                    return Ok(Window { steps, of });
                }
                if !of.is_simple() && !met.contains(&of) {
                    met.push(of);
                    next.push((steps, of));
                }
            }
        }
        level = next;
    }
    Err(format!("no element '{named}' that holds elements or attributes stands below '{}'", root.name().local()))
}

/// What repeats may be the lines of a record, not records: where they have no date, and what holds them has one and many fields more.
fn whole<'s>(root: ElementDecl<'s>, window: Window<'s>) -> Window<'s> {
    let plain = |of: TypeDef<'s>| -> Vec<Leaf<'s>> {
        leaves(of, &Prefixes::default()).found.into_iter().filter(|leaf| leaf.each.is_none()).collect()
    };
    let dated = |found: &[Leaf<'_>]| found.iter().any(|leaf| suggest("OccurredAt", leaf).is_some());
    if window.steps.is_empty() || dated(&plain(window.of)) {
        return window;
    }
    let mut around = vec![root.type_definition()];
    for step in window.steps.iter().take(window.steps.len() - 1) {
        around.extend(around.last().and_then(|of| of.child(step)).map(|child| child.element.type_definition()));
    }
    let holds = |of: &TypeDef<'s>| {
        let found = plain(*of);
        found.len() > HEADER_MAX && dated(&found)
    };
    match around.iter().rposition(holds) {
        Some(depth) => Window { steps: window.steps.into_iter().take(depth).collect(), of: around.swap_remove(depth) },
        None => window,
    }
}

fn window(root: ElementDecl<'_>) -> Window<'_> {
    let mut level: Vec<(Vec<QName>, TypeDef<'_>)> = vec![(Vec::new(), root.type_definition())];
    for _ in 0..WINDOW_DEPTH_MAX {
        let mut next = Vec::new();
        let mut repeating = Vec::new();
        for (steps, of) in &level {
            for child in of.children() {
                let steps: Vec<QName> = steps.iter().chain([child.element.name()]).cloned().collect();
                let of = child.element.type_definition();
                let plain = !of.is_simple() && !of.is_abstract() && !child.element.is_abstract();
                match (plain, child.max) {
                    (true, Some(0 | 1)) => next.push((steps, of)),
                    (true, _) => repeating.push((steps, of)),
                    (false, _) => {}
                }
            }
        }
        let weight = |(_, of): &(Vec<QName>, TypeDef<'_>)| leaves(*of, &Prefixes::default()).found.len();
        if let Some((steps, of)) = repeating.into_iter().filter(|one| weight(one) > 1).max_by_key(weight) {
            return Window { steps, of };
        }
        level = next;
    }
    Window { steps: Vec::new(), of: root.type_definition() }
}

/// What stands beside the way from the root to the record, before it: (path from the record, leaf or nothing where it is no leaf).
fn headers<'s>(root: ElementDecl<'s>, window: &Window<'s>, prefixes: &Prefixes) -> Leaves<'s> {
    let mut all = Leaves::default();
    let mut here = root.type_definition();
    for (at, step) in window.steps.iter().enumerate() {
        let up = "../".repeat(window.steps.len() - at);
        for used in here.attributes() {
            all.found.push(Leaf::attribute(used, &format!("{up}@{}", prefixes.show(used.name())), None));
        }
        let mut children = here.children().into_iter();
        for child in children.by_ref().take_while(|child| child.element.name() != step) {
            let path = format!("{up}{}", prefixes.show(child.element.name()));
            let of = child.element.type_definition();
            if of.is_simple() && child.max == Some(1) {
                all.found.push(Leaf::element(child, &path, None));
            } else {
                all.left.push((path, "header: not of the record".to_owned()));
            }
        }
        all.late.extend(children.map(|child| prefixes.show(child.element.name())));
        match here.child(step) {
            Some(child) => here = child.element.type_definition(),
            None => return all,
        }
    }
    all
}

struct Draft {
    suggested: usize,
    todo: usize,
    codes: Vec<Node>,
    /// The names of fields that are taken.
    fields: BTreeSet<String>,
}

impl Draft {
    fn record(&mut self, found: &Leaves<'_>, headers: &Leaves<'_>, wanted: &Wanted) -> Vec<Item> {
        let mut taken: Vec<String> = Vec::new();
        let mut rules = Vec::new();
        let plain: Vec<&Leaf<'_>> = found.found.iter().filter(|leaf| leaf.each.is_none() && leaf.of_type.is_none()).collect();
        let heads: Vec<&Leaf<'_>> = headers.found.iter().collect();
        let both: Vec<&Leaf<'_>> = heads.iter().chain(&plain).copied().collect();
        let best = |slot: &str, among: &[&Leaf<'_>], taken: &[String]| -> Option<(Suggestion, String)> {
            let scored =
                among.iter().filter(|leaf| !taken.contains(&leaf.path)).filter_map(|leaf| Some((suggest(slot, leaf)?, leaf.path.clone())));
            // Of equals the first.
            scored.rev().max_by_key(|(suggestion, _)| suggestion.score)
        };
        let of = |path: &str| both.iter().find(|leaf| leaf.path == path).copied();
        if let Some((suggestion, path)) = best("RecordId", &plain, &taken) {
            let scheme = element("m:set").with("path", "@scheme").with("value", &format!("urn:TODO:{}", wanted.id));
            rules.extend(self.rule(set("b:RecordId", &path).child(scheme), &suggestion));
            taken.push(path);
        } else {
            rules.extend(self.missing("b:RecordId: no leaf looks like the record's own number"));
        }
        let resource = wanted.id.replace('.', "/");
        let reference = element("m:in").with("path", "b:DefinitionRef");
        let constant = |path: &str, value: &str| element("m:set").with("path", path).with("value", value);
        rules.push(Item::Node(reference.child(constant("@id", &resource)).child(constant("@version", "1.0"))));
        let sector = best("SourceSector", &heads, &taken).or_else(|| best("SourceSector", &plain, &taken));
        match sector {
            Some((suggestion, path)) => {
                rules.extend(self.rule(set("b:SourceSector", &path).child(constant("@scheme", "urn:cn:gb:32100")), &suggestion));
                taken.push(path);
            }
            None => {
                let node = constant("b:SourceSector", "TODO").child(constant("@scheme", "urn:cn:gb:32100"));
                rules.extend(self.rule(node, &Suggestion::weak("no leaf names the organisation that sends: write its number")));
            }
        }
        match best("OccurredAt", &both, &taken) {
            Some((suggestion, path)) => {
                let node = of(&path).map_or_else(|| set("b:OccurredAt", &path), |leaf| dated(set("b:OccurredAt", &path), leaf, true));
                rules.extend(self.rule(node, &suggestion));
                taken.push(path);
            }
            None => rules.extend(self.missing("b:OccurredAt: no leaf is a date")),
        }
        rules.extend(self.subject(&plain, &mut taken));
        rules.extend(self.validity(&plain, &mut taken));
        for leaf in found.found.iter().filter(|leaf| !taken.contains(&leaf.path) && leaf.of_type.is_none()) {
            rules.extend(self.value(leaf));
        }
        rules.extend(self.cases(found));
        for (path, why) in found.left.iter().chain(&headers.left) {
            rules.push(self.ignored(path, why));
        }
        for leaf in headers.found.iter().filter(|leaf| !taken.contains(&leaf.path)) {
            rules.push(self.ignored(&leaf.path, "header: not of the record"));
        }
        for late in &headers.late {
            rules.extend(self.missing(&format!("'{late}' stands behind the records: read or ignore it in an m:once at=\"end\"")));
        }
        rules
    }

    /// A rule with its score, and its reason beside it.
    fn rule(&mut self, node: Node, suggestion: &Suggestion) -> [Item; 2] {
        self.suggested += 1;
        let confidence = format!("{}.{:02}", suggestion.score / 100, suggestion.score % 100);
        [Item::Node(node.with("confidence", &confidence)), Item::Comment(suggestion.why.clone())]
    }

    fn missing(&mut self, what: &str) -> [Item; 2] {
        self.todo += 1;
        [Item::Text("\n".to_owned()), Item::Comment(format!("TODO {what}"))]
    }

    fn ignored(&mut self, path: &str, why: &str) -> Item {
        self.todo += 1;
        Item::Node(element("m:ignore").with("path", path).with("reason", &format!("TODO {why}")))
    }

    /// The person, or else the organisation, that the record is about.
    fn subject(&mut self, plain: &[&Leaf<'_>], taken: &mut Vec<String>) -> Vec<Item> {
        let kinds: [(&str, &[&str]); 2] =
            [("Person", &["Name", "Identifier", "BirthDate", "Sex", "Address"]), ("LegalEntity", &["Name", "Identifier", "Address"])];
        let mut drafts = kinds.map(|(kind, slots)| (kind, picked(kind, slots, plain, taken)));
        // What only one of the two has counts; a name alone says nothing.
        let telling = |kind: &str, picked: &[Picked<'_, '_>]| {
            let tells = |one: &&Picked<'_, '_>| match one.slot {
                "Identifier" | "BirthDate" | "Sex" => true,
                "Name" => kind == "LegalEntity" && !one.generic,
                _ => false,
            };
            picked.iter().filter(tells).count()
        };
        if telling(drafts[1].0, &drafts[1].1) > telling(drafts[0].0, &drafts[0].1) {
            drafts.reverse();
        }
        for (kind, picked) in drafts {
            if !picked.iter().any(|one| one.slot == "Name") {
                continue;
            }
            let least = picked.iter().map(|one| one.suggestion.score).min().unwrap_or_default();
            let open = telling(kind, &picked) == 0;
            let mut inner = element("m:in").with("path", &["b:", kind].concat());
            for Picked { slot, suggestion, leaf, .. } in picked {
                taken.push(leaf.path.clone());
                let node = self.subject_rule(slot, leaf);
                inner = inner.items(self.rule(node, &suggestion));
            }
            let role = element("m:set").with("path", "@role").with("value", "subject");
            let whole = element("m:in").with("path", "b:Subject").child(role).child(inner);
            let role_of = "@role: say what part they have in the record, as owner or patient";
            let either = "; a person or a b:LegalEntity? nothing says which";
            let (score, more) = if open { (least.min(30), either) } else { (least, "") };
            let why = Suggestion { score, why: [role_of, more].concat() };
            return self.rule(whole, &why).into();
        }
        Vec::new()
    }

    fn subject_rule(&mut self, slot: &str, leaf: &Leaf<'_>) -> Node {
        let node = set(&["b:", slot].concat(), &leaf.path);
        let node = if leaf.nillable() { node.with("when-nil", "omit") } else { node };
        match slot {
            "Identifier" => {
                let citizen = meaning(leaf.name()).is_some_and(|((_, _, english), _)| english == "citizen-id");
                let organisation = meaning(leaf.name()).is_some_and(|((_, _, english), _)| english == "organisation-id");
                let scheme = if citizen {
                    "urn:cn:gb:11643"
                } else if organisation {
                    "urn:cn:gb:32100"
                } else {
                    "urn:TODO:scheme"
                };
                node.child(element("m:set").with("path", "@scheme").with("value", scheme))
            }
            "BirthDate" => dated(node, leaf, false),
            "Sex" => {
                if self.codes.is_empty() {
                    self.codes.push(sex_codes(leaf));
                }
                node.with("codes", "sex")
            }
            _ => node,
        }
    }

    fn validity(&mut self, plain: &[&Leaf<'_>], taken: &mut Vec<String>) -> Vec<Item> {
        let mut inside: Vec<Item> = Vec::new();
        for slot in ["From", "Until"] {
            let free = plain.iter().filter(|leaf| !taken.contains(&leaf.path));
            let best = free
                .filter_map(|leaf| Some((suggest(&["Validity/", slot].concat(), leaf)?, *leaf)))
                .max_by_key(|(suggestion, _)| suggestion.score);
            if let Some((suggestion, leaf)) = best {
                taken.push(leaf.path.clone());
                inside.extend(self.rule(dated(set(&["b:", slot].concat(), &leaf.path), leaf, false), &suggestion));
            }
        }
        if inside.is_empty() { Vec::new() } else { vec![Item::Node(element("m:in").with("path", "b:Validity").items(inside))] }
    }

    /// A name for the field of a leaf that no other has: with the names of what holds it, as far as they are needed.
    fn field(&mut self, leaf: &Leaf<'_>) -> String {
        let own = field(leaf.name());
        let above = leaf.path.split('/').rev().skip(1).filter(|step| !matches!(*step, ".." | "."));
        let mut name = own.clone();
        for step in above {
            if !self.fields.contains(&name) {
                break;
            }
            name = format!("{}-{name}", field(step.rsplit(':').next().unwrap_or(step)));
        }
        let most = |name: &str| name.chars().take(60).collect::<String>();
        let numbered = (2..).map(|number| format!("{}-{number}", most(&own)));
        let name = std::iter::once(name).filter(|name| name.len() <= 64).chain(numbered).find(|name| !self.fields.contains(name));
        let name = name.unwrap_or(own);
        self.fields.insert(name.clone());
        name
    }

    /// A field of the record: `b:Value`.
    fn value(&mut self, leaf: &Leaf<'_>) -> Vec<Item> {
        let (name, suggestion) = Suggestion::field(leaf, self.field(leaf));
        let field = element("m:set").with("path", "@field").with("value", &name);
        let node = match &leaf.each {
            Some(select) => {
                let inner = element("m:set").with("path", ".").with("from", leaf.inner());
                let inner = if leaf.nillable() { inner.with("when-nil", "omit") } else { inner };
                element("m:each").with("path", "b:Value").with("select", select).child(field).child(inner)
            }
            None => {
                let node = set("b:Value", &leaf.path);
                let node = if leaf.nillable() { node.with("when-nil", "omit") } else { node };
                let node = if leaf.may_be_empty() { node.with("when-empty", "omit") } else { node };
                let node = node.child(field);
                if leaf.codes().is_some() { node.child(element("m:set").with("path", "@code").with("from", &leaf.path)) } else { node }
            }
        };
        self.rule(node, &suggestion).into()
    }

    /// An m:case for each element that may be of several types.
    fn cases(&mut self, found: &Leaves<'_>) -> Vec<Item> {
        let mut rules = Vec::new();
        for case in &found.cases {
            let mut node = element("m:case").with("of", &case.path);
            // One of the types has its turn, so the same field may stand in several.
            let (before, mut after) = (self.fields.clone(), self.fields.clone());
            for (name, inside) in &case.types {
                self.fields.clone_from(&before);
                let mut branch = element("m:type").with("is", name);
                for leaf in &inside.found {
                    branch = branch.items(self.value(leaf));
                }
                for (path, why) in &inside.left {
                    branch = branch.items([self.ignored(path, why)]);
                }
                node = node.child(branch);
                after.append(&mut self.fields);
            }
            self.fields = after;
            rules.push(Item::Node(node));
        }
        rules
    }
}

/// A leaf for a part of a subject.
struct Picked<'f, 's> {
    slot: &'static str,
    suggestion: Suggestion,
    leaf: &'f Leaf<'s>,
    /// Named as anything may be named, `name`.
    generic: bool,
}

fn picked<'f, 's>(kind: &str, slots: &[&'static str], plain: &[&'f Leaf<'s>], taken: &[String]) -> Vec<Picked<'f, 's>> {
    let mut found: Vec<Picked<'f, 's>> = Vec::new();
    for slot in slots {
        let key = [kind, "/", slot].concat();
        let free = plain.iter().filter(|leaf| !taken.contains(&leaf.path) && !found.iter().any(|other| other.leaf.path == leaf.path));
        let best = free.filter_map(|leaf| Some((suggest(&key, leaf)?, *leaf))).max_by_key(|(suggestion, _)| suggestion.score);
        found.extend(best.map(|(suggestion, leaf)| {
            let generic = meaning(leaf.name()).is_some_and(|((_, _, english), _)| english == "name");
            Picked { slot, suggestion, leaf, generic }
        }));
    }
    found
}

fn set(path: &str, from: &str) -> Node {
    element("m:set").with("path", path).with("from", from)
}

/// The schema of a WSDL 1.1 operation's answer, for a scaffold: (file that the mapping is to name, its octets where it has to be written
/// first, the local name of the answer's element).
///
/// # Errors
/// The WSDL cannot be read, or its answer is not one element of a schema that it names or holds.
pub fn of_wsdl(wsdl: &std::path::Path, operation: &str) -> Result<(String, Option<Vec<u8>>, String), String> {
    const WSDL: &str = "http://schemas.xmlsoap.org/wsdl/";
    const XS: &str = xsd::schema::XSD_NAMESPACE;
    let unread = |why: std::io::Error| format!("{}: {why}", wsdl.display());
    let mut octets = Vec::new();
    std::io::Read::read_to_end(&mut xsd::files::open(wsdl).map_err(unread)?, &mut octets).map_err(unread)?;
    let definitions = xsd::read::read(&octets, None, &xsd::read::Limits::default()).map_err(|why| format!("{}:{why}", wsdl.display()))?;
    let mut operations = definitions.all(WSDL, "portType").flat_map(|port| port.all(WSDL, "operation"));
    let found = operations
        .find(|found| found.attribute("", "name") == Some(operation))
        .ok_or_else(|| format!("the WSDL has no operation '{operation}'"))?;
    let answer = crate::bind::message_element(&definitions, found, "output")
        .ok_or_else(|| {
            let (file, apart) = (wsdl.display(), "is not one element (rpc, or of several parts)");
            format!(
                "the answer of '{operation}' {apart}: `waybill wsdl import {file} --into FOLDER` writes a schema of it, and a contract that names it; \
                 scaffold that one"
            )
        })?;
    let schemas: Vec<_> = definitions.all(WSDL, "types").flat_map(|types| types.all(XS, "schema")).collect();
    let own = schemas.iter().find(|schema| {
        let here = schema.attribute("", "targetNamespace").unwrap_or_default() == answer.namespace();
        here && schema.all(XS, "element").any(|element| element.attribute("", "name") == Some(answer.local()))
    });
    if let Some(schema) = own {
        let mut whole = (*schema).clone();
        for (prefix, namespace) in definitions.namespaces() {
            if !schema.namespaces().iter().any(|(known, _)| known == prefix) {
                whole.push_namespace(prefix.clone(), namespace.clone());
            }
        }
        let stem = wsdl.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        return Ok((format!("{stem}.types.xsd"), Some(xsd::write::document(&whole)), answer.local().to_owned()));
    }
    let named = schemas
        .iter()
        .flat_map(|schema| schema.all(XS, "import").chain(schema.all(XS, "include")))
        .find(|import| import.attribute("", "namespace").is_none_or(|namespace| namespace == answer.namespace()));
    let location =
        named.and_then(|import| import.attribute("", "schemaLocation")).ok_or_else(|| format!("no schema of the WSDL has '{answer}'"))?;
    Ok((location.to_owned(), None, answer.local().to_owned()))
}
