//! Components and the names between them: registers what is global, declares elements and attributes, reads particles.

use super::documents::{Item, Schema};
use super::{Defect, Level, Opaque, builtin, check, nearest};
use crate::identity::ConstraintId;
use crate::schema::{
    ANY_SIMPLE_TYPE, ANY_TYPE, Complex, Derivations, ElementId, ElementNoun, Kind, Notes, Particle, Schemas, TypeId, TypeNoun,
};
use crate::scope::Scope;
use crate::tree::QName;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A component and the document it stands in.
#[derive(Clone, Copy)]
pub(super) struct At<'d> {
    pub(super) schema: &'d Schema,
    pub(super) item: &'d Item,
}

impl<'d> At<'d> {
    pub(super) fn inside(self, item: &'d Item) -> Self {
        Self { schema: self.schema, item }
    }

    pub(super) fn children(self, locals: &'d [&'d str]) -> impl Iterator<Item = Self> {
        self.item.all(locals).map(move |item| self.inside(item))
    }

    pub(super) fn first(self, locals: &[&str]) -> Option<Self> {
        self.item.first(locals).map(|item| self.inside(item))
    }

    /// What prefixes in a default or fixed value stand for.
    pub(super) fn names(self) -> Option<Arc<Scope>> {
        let valued = self.item.attribute("default").is_some() || self.item.attribute("fixed").is_some();
        valued.then(|| Arc::clone(&self.item.scope))
    }

    pub(super) fn notes(self) -> Notes {
        Notes { foreign: self.item.foreign.clone(), documentation: self.item.documentation.clone() }
    }
}

/// How far a type has been built.
#[derive(Clone, Copy)]
pub(super) enum State<'d> {
    Waiting(At<'d>),
    Building(At<'d>),
    Done,
}

pub(super) struct Compiler<'d> {
    pub(super) level: Level,
    /// What is used and not known, by kind and name.
    pub(super) opaque: BTreeMap<(&'static str, QName), Opaque>,
    documents: &'d [Schema],
    pub(super) schemas: Schemas,
    pub(super) defects: Vec<Defect>,
    /// By type id.
    pub(super) states: Vec<State<'d>>,
    /// Named groups: each redefinition stands behind what it redefines.
    pub(super) groups: BTreeMap<QName, Vec<At<'d>>>,
    pub(super) attribute_groups: BTreeMap<QName, Vec<At<'d>>>,
    /// Particles that are being read inside one another.
    pub(super) nested: usize,
    /// The particles of named groups, by name and number of redefinitions; `None` while one is being read.
    pub(super) read_groups: BTreeMap<(QName, usize), Option<Particle>>,
    /// The group that is being read, if it is a redefinition.
    pub(super) redefining: Option<(QName, usize)>,
    /// The types that redefinitions redefine, by the redefinition.
    pub(super) originals: BTreeMap<TypeId, TypeId>,
    /// The type that is being built.
    pub(super) current: Option<TypeId>,
    /// What keyrefs refer to, resolved when all keys are known.
    pub(super) keyrefs: Vec<(ConstraintId, At<'d>, QName)>,
    /// Elements that take their type from the head of their substitution group.
    headed: Vec<ElementId>,
    depth: usize,
    /// Particles and attributes that were copied from groups and bases into what uses them.
    copied: usize,
}

/// Bases and groups that may build on one another.
pub(super) const DEPTH_MAX: usize = 256;

pub(super) fn compile(level: Level, documents: &[Schema]) -> (Schemas, Vec<Defect>, Vec<Opaque>) {
    let schemas = builtin::schemas();
    let states = vec![State::Done; schemas.types.len()];
    let mut compiler = Compiler {
        level,
        opaque: BTreeMap::new(),
        documents,
        schemas,
        defects: Vec::new(),
        states,
        groups: BTreeMap::new(),
        attribute_groups: BTreeMap::new(),
        nested: 0,
        read_groups: BTreeMap::new(),
        redefining: None,
        originals: BTreeMap::new(),
        current: None,
        keyrefs: Vec::new(),
        headed: Vec::new(),
        depth: 0,
        copied: 0,
    };
    compiler.register();
    compiler.redefine();
    compiler.declare();
    let mut next = 0;
    while next < compiler.states.len() {
        compiler.ensure(next);
        next += 1;
    }
    compiler.inherit_types();
    compiler.resolve_keyrefs();
    check::finish(&mut compiler);
    (compiler.schemas, compiler.defects, compiler.opaque.into_values().collect())
}

/// Which of a group and its redefinitions an item is.
fn level_of(levels: Option<&Vec<At<'_>>>, item: &Item) -> usize {
    levels.and_then(|levels| levels.iter().position(|at| std::ptr::eq(at.item, item))).unwrap_or_default()
}

impl<'d> Compiler<'d> {
    pub(super) fn documents(&self) -> &'d [Schema] {
        self.documents
    }

    pub(super) fn report(&mut self, at: At<'_>, rule: &'static str, what: impl Into<String>) {
        self.defects.push(at.item.defect(rule, what));
    }

    /// Gives every global component its id (sch-props-correct.2).
    fn register(&mut self) {
        for schema in self.documents {
            for item in &schema.root.children {
                let at = At { schema, item };
                if matches!(item.local, "include" | "import" | "redefine") {
                    continue;
                }
                for local in ["ref", "form", "use", "minOccurs", "maxOccurs"].iter().filter(|local| item.attribute(local).is_some()) {
                    self.report(at, "s4s-att-not-allowed", format!("{local} is for local declarations and references"));
                }
                let Some(name) = self.own_name(at) else { continue };
                let name = QName::new(Arc::clone(&schema.target), name);
                if !self.register_as(at, &name) {
                    self.report(at, "sch-props-correct.2", format!("a second xs:{} of the name {name}", item.local));
                }
            }
        }
    }

    /// False if there is such a component already.
    fn register_as(&mut self, at: At<'d>, name: &QName) -> bool {
        match at.item.local {
            "simpleType" | "complexType" => {
                let id = self.new_type(at, Some(name.clone()));
                self.schemas.global_types.insert(name.clone(), id).is_none()
            }
            "element" => {
                let id = self.new_element(at, name.clone());
                self.schemas.global_elements.insert(name.clone(), id).is_none()
            }
            "attribute" => {
                let id = self.new_attribute(at, name.clone());
                self.schemas.global_attributes.insert(name.clone(), id).is_none()
            }
            "group" => self.groups.insert(name.clone(), vec![at]).is_none(),
            "notation" => {
                if at.item.attribute("public").is_none() && at.item.attribute("system").is_none() {
                    self.report(at, "s4s-att-must-appear", "a notation has a public or a system identifier");
                }
                self.schemas.notations.insert(name.clone())
            }
            _ => self.attribute_groups.insert(name.clone(), vec![at]).is_none(),
        }
    }

    /// Counts what is copied, so that groups in groups do not grow without end. False if it is too much.
    pub(super) fn may_copy(&mut self, at: At<'_>, count: usize) -> bool {
        /// Some hundred megabytes.
        const COPIED_MAX: usize = 200_000;
        let before = self.copied;
        self.copied = before.saturating_add(count);
        if before <= COPIED_MAX && self.copied > COPIED_MAX {
            self.report(at, "unsupported", format!("groups and base types are copied into more than {COPIED_MAX} places"));
        }
        self.copied <= COPIED_MAX
    }

    pub(super) fn own_name(&mut self, at: At<'_>) -> Option<String> {
        match at.item.token("name") {
            Some(name) if crate::chars::is_ncname(name) => Some(name.to_owned()),
            Some(name) => {
                self.report(at, "s4s-att-invalid-value", format!("'{name}' is no name"));
                None
            }
            None => {
                self.report(at, "s4s-att-must-appear", format!("xs:{} has no name", at.item.local));
                None
            }
        }
    }

    /// Declares the global elements and attributes, and reads the groups that nothing refers to.
    fn declare(&mut self) {
        for schema in self.documents {
            let redefined = schema.root.all(&["redefine"]).flat_map(|redefine| &redefine.children);
            for item in schema.root.children.iter().chain(redefined) {
                let at = At { schema, item };
                let name = item.token("name").map(|name| QName::new(Arc::clone(&schema.target), name));
                let Some(name) = name else { continue };
                match item.local {
                    "element" => {
                        let id = self.schemas.global_elements.get(&name).copied();
                        id.into_iter().for_each(|id| self.fill_element(at, id, true));
                    }
                    "attribute" => {
                        let id = self.schemas.global_attributes.get(&name).copied();
                        id.into_iter().for_each(|id| self.fill_attribute(at, id));
                    }
                    "group" => {
                        let level = level_of(self.groups.get(&name), item);
                        self.named_group(at, &name, level);
                    }
                    "attributeGroup" => {
                        let level = level_of(self.attribute_groups.get(&name), item);
                        let uses = self.attribute_uses(at, &mut vec![(name.clone(), level)]);
                        self.redefined_attributes(at, &name, level, uses);
                    }
                    _ => {}
                }
            }
        }
    }

    pub(super) fn new_type(&mut self, at: At<'d>, name: Option<QName>) -> TypeId {
        self.schemas.types.push(TypeNoun {
            name,
            base: ANY_TYPE,
            method: Derivations::RESTRICTION,
            is_abstract: false,
            block: Derivations::default(),
            last: Derivations::default(),
            opaque: false,
            kind: Kind::Complex(Complex::default()),
            source: at.item.source.clone(),
            notes: at.notes(),
        });
        self.states.push(State::Waiting(at));
        self.schemas.types.len() - 1
    }

    /// A type inside another component: built when the list of types gets to it, so that it may refer to what stands around it.
    pub(super) fn anonymous_type(&mut self, at: At<'d>) -> TypeId {
        if at.item.attribute("name").is_some() {
            self.report(at, "s4s-att-not-allowed", format!("a local xs:{} has no name", at.item.local));
        }
        self.new_type(at, None)
    }

    /// A type that no item of its own defines, already built.
    pub(super) fn made_type(&mut self, noun: TypeNoun) -> TypeId {
        self.schemas.types.push(noun);
        self.states.push(State::Done);
        self.schemas.types.len() - 1
    }

    /// Builds a type if it is not built; false if it is being built, so that its definition is circular.
    pub(super) fn ensure(&mut self, id: TypeId) -> bool {
        match self.states.get(id).copied() {
            Some(State::Building(_)) => false,
            Some(State::Waiting(at)) => {
                self.depth += 1;
                if self.depth > DEPTH_MAX {
                    self.report(at, "unsupported", format!("more than {DEPTH_MAX} types build on one another"));
                    self.depth -= 1;
                    return true;
                }
                self.set_state(id, State::Building(at));
                let around = self.current.replace(id);
                if at.item.local == "simpleType" {
                    self.simple_type(at, id)
                } else {
                    self.complex_type(at, id)
                }
                self.current = around;
                self.set_state(id, State::Done);
                self.depth -= 1;
                true
            }
            _ => true,
        }
    }

    fn set_state(&mut self, id: TypeId, state: State<'d>) {
        if let Some(slot) = self.states.get_mut(id) {
            *slot = state;
        }
    }

    /// A name in an attribute, visible from its document (src-resolve).
    pub(super) fn name_in(&mut self, at: At<'_>, text: &str) -> Option<QName> {
        match at.schema.name(at.item, text) {
            Ok(name) if at.schema.sees(name.namespace()) => Some(name),
            Ok(name) => {
                let help = Some("add an xs:import of the namespace".to_owned());
                let what = format!("{name} is of a namespace that this document does not import");
                self.defects.push(Defect { help, ..at.item.defect("src-resolve.4.2", what) });
                (self.level != Level::Strict).then_some(name)
            }
            Err(defect) => {
                self.defects.push(defect);
                None
            }
        }
    }

    pub(super) fn unresolved(&mut self, at: At<'_>, word: &str, name: &QName, known: Vec<QName>) {
        let missing = at.schema.missing.get(name.namespace());
        let here = known.iter().filter(|known| known.namespace() == name.namespace()).map(QName::local);
        let elsewhere = || {
            known
                .iter()
                .find(|known| known.local() == name.local())
                .map(|known| format!("there is one in namespace '{}'", known.namespace()))
        };
        let help = match missing {
            Some(import) => Some(format!("the import at {import} found no document")),
            None => nearest(name.local(), here).map(|near| format!("did you mean '{near}'?")).or_else(elsewhere),
        };
        self.defects.push(Defect { help, ..at.item.defect("src-resolve", format!("there is no {word} {name}")) });
    }

    pub(super) fn type_in(&mut self, at: At<'_>, text: &str) -> Option<TypeId> {
        let name = self.name_in(at, text)?;
        if let Some(id) = self.schemas.global_types.get(&name) {
            return Some(*id);
        }
        if self.is_missing(at, "type", &name) {
            return Some(self.opaque_type(at, Some(name)));
        }
        let known = self.schemas.global_types.keys().cloned().collect();
        self.unresolved(at, "type", &name, known);
        None
    }

    /// The base of a derivation: inside a redefinition the type's own name is that of the type it redefines.
    pub(super) fn base_in(&mut self, at: At<'_>, text: &str) -> Option<TypeId> {
        let id = self.type_in(at, text)?;
        let name = |id: TypeId| self.schemas.types.get(id).and_then(|noun| noun.name.as_ref());
        let original = self.current.filter(|current| name(*current) == name(id)).and_then(|current| self.originals.get(&current));
        Some(original.copied().unwrap_or(id))
    }

    /// A type that must be simple; `None` after a report.
    pub(super) fn simple_in(&mut self, at: At<'_>, text: &str) -> Option<TypeId> {
        let id = self.base_in(at, text)?;
        if self.is_opaque(id) {
            return Some(ANY_SIMPLE_TYPE);
        }
        let simple = match self.states.get(id) {
            Some(State::Waiting(of) | State::Building(of)) => of.item.local == "simpleType",
            _ => self.schemas.simple(id).is_some(),
        };
        if !simple {
            self.report(at, "src-resolve", format!("'{text}' is a complex type, and a simple one is needed"));
            return None;
        }
        Some(id)
    }

    pub(super) fn new_element(&mut self, at: At<'_>, name: QName) -> ElementId {
        self.schemas.elements.push(ElementNoun {
            name,
            definition: ANY_TYPE,
            global: false,
            nillable: false,
            is_abstract: false,
            default: None,
            fixed: None,
            names: None,
            head: None,
            constraints: Vec::new(),
            block: Derivations::default(),
            last: Derivations::default(),
            source: at.item.source.clone(),
            notes: at.notes(),
        });
        self.schemas.elements.len() - 1
    }

    pub(super) fn fill_element(&mut self, at: At<'d>, id: ElementId, global: bool) {
        let inline = at.first(&["simpleType", "complexType"]);
        let named = at.item.token("type");
        if named.is_some() && inline.is_some() {
            self.report(at, "src-element.3", "an element has a type by name and one inside");
        }
        if at.item.attribute("default").is_some() && at.item.attribute("fixed").is_some() {
            self.report(at, "src-element.1", "an element has a default and a fixed value");
        }
        let head = match at.item.token("substitutionGroup") {
            Some(text) => self.element_in(at, text),
            None => None,
        };
        let definition = match (named, inline) {
            (Some(text), _) => self.type_in(at, text),
            (None, Some(inline)) => Some(self.anonymous_type(inline)),
            (None, None) => {
                if head.is_some() {
                    self.headed.push(id);
                }
                None
            }
        };
        let (nillable, is_abstract) = (self.boolean(at, "nillable"), self.boolean(at, "abstract"));
        let block = self.derivations(
            at,
            "block",
            "blockDefault",
            Derivations::EXTENSION.and(Derivations::RESTRICTION).and(Derivations::SUBSTITUTION),
        );
        let last = self.derivations(at, "final", "finalDefault", Derivations::EXTENSION.and(Derivations::RESTRICTION));
        let constraints = at.children(&["unique", "key", "keyref"]).filter_map(|at| self.constraint(at)).collect();
        if let Some(noun) = self.schemas.elements.get_mut(id) {
            noun.constraints = constraints;
            noun.definition = definition.unwrap_or(ANY_TYPE);
            noun.global = global;
            noun.nillable = nillable;
            noun.is_abstract = is_abstract;
            noun.default = at.item.attribute("default").map(str::to_owned);
            noun.fixed = at.item.attribute("fixed").map(str::to_owned);
            noun.names = at.names();
            noun.head = head;
            noun.block = block;
            noun.last = last;
        }
    }

    pub(super) fn element_in(&mut self, at: At<'_>, text: &str) -> Option<ElementId> {
        let name = self.name_in(at, text)?;
        if let Some(id) = self.schemas.global_elements.get(&name) {
            return Some(*id);
        }
        if self.is_missing(at, "element", &name) {
            return Some(self.opaque_element(at, name));
        }
        let known = self.schemas.global_elements.keys().cloned().collect();
        self.unresolved(at, "element", &name, known);
        None
    }

    /// Part 1 §3.3.2: without a type of its own an element has the type of its head.
    fn inherit_types(&mut self) {
        for id in std::mem::take(&mut self.headed) {
            let mut at = id;
            let mut steps = 0;
            while let Some(noun) =
                self.schemas.elements.get(at).filter(|noun| noun.definition == ANY_TYPE && noun.head.is_some() && steps < DEPTH_MAX)
            {
                at = noun.head.unwrap_or(at);
                steps += 1;
            }
            let definition = self.schemas.elements.get(at).map_or(ANY_TYPE, |noun| noun.definition);
            if let Some(noun) = self.schemas.elements.get_mut(id) {
                noun.definition = definition;
            }
        }
    }

    pub(super) fn boolean(&mut self, at: At<'_>, attribute: &str) -> bool {
        match at.item.token(attribute) {
            None | Some("false" | "0") => false,
            Some("true" | "1") => true,
            Some(other) => {
                self.report(at, "s4s-att-invalid-value", format!("{attribute}='{other}' is neither true nor false"));
                false
            }
        }
    }

    /// `block` and `final`, with the default of the document, as far as they are `allowed` here.
    pub(super) fn derivations(&mut self, at: At<'_>, attribute: &str, default: &str, allowed: Derivations) -> Derivations {
        let own = at.item.token(attribute);
        let mut set = Derivations::default();
        for word in crate::simple::words(own.or_else(|| at.schema.root.token(default)).unwrap_or_default()) {
            let method = match word {
                "#all" => allowed,
                "extension" => Derivations::EXTENSION,
                "restriction" => Derivations::RESTRICTION,
                "substitution" => Derivations::SUBSTITUTION,
                "list" => Derivations::LIST,
                "union" => Derivations::UNION,
                other => {
                    self.report(at, "s4s-att-invalid-value", format!("{attribute} has no value '{other}'"));
                    Derivations::default()
                }
            };
            if word == "#all" && own.is_some_and(|own| crate::chars::trim(own) != word) {
                self.report(at, "s4s-att-invalid-value", format!("{attribute}: #all stands alone"));
            }
            if own.is_some() && method.0 & !allowed.0 != 0 {
                self.report(at, "s4s-att-invalid-value", format!("{attribute} has no value '{word}' here"));
            }
            set = set.and(method);
        }
        Derivations(set.0 & allowed.0)
    }

    pub(super) fn local_name(&mut self, at: At<'_>, local: String, default: &str) -> QName {
        let qualified = match at.item.token("form") {
            None => at.schema.flag(default),
            Some("qualified") => true,
            Some("unqualified") => false,
            Some(other) => {
                self.report(at, "s4s-att-invalid-value", format!("form has no value '{other}'"));
                false
            }
        };
        if qualified { QName::new(Arc::clone(&at.schema.target), local) } else { QName::new("", local) }
    }
}
