//! What the validator says of a violation: rule, place, path, and what may help. Nothing here runs for a valid document.

use crate::automaton::{Cursor, Model};
use crate::event::Name;
use crate::load::nearest;
use crate::schema::{Complex, ElementId, ElementNoun, TypeDef, TypeId, XSD_NAMESPACE};
use crate::simple::Simple;
use crate::site::Site;
use crate::tree::QName;
use crate::validate::{Finding, Validator};
use crate::verdict::Violation;
use std::sync::Arc;

/// Names that a message lists.
const LISTED_MAX: usize = 12;

impl Validator<'_> {
    pub(crate) fn path<S: Site>(&self, site: &S) -> String {
        let mut path = String::new();
        for (at, frame) in self.frames.iter().enumerate() {
            let Some(name) = site.name_at(at + 1) else { break };
            path.push('/');
            path.push_str(&name.to_string());
            if frame.ordinal > 1 {
                path.push_str(&format!("[{}]", frame.ordinal));
            }
        }
        path
    }

    /// Reports at the innermost open element.
    #[cold]
    pub(crate) fn report<S: Site>(&mut self, site: &S, finding: Finding) {
        if self.violations.len() < self.max {
            let (rule, what, help) = finding;
            let place = site.place_at(self.frames.len());
            self.violations.push(Violation { rule, place, path: self.path(site), what, help });
        }
    }

    #[cold]
    pub(crate) fn report_attribute<S: Site>(&mut self, site: &S, name: Name<'_>, finding: Finding) {
        let before = self.violations.len();
        self.report(site, finding);
        if let Some(last) = self.violations.get_mut(before) {
            last.path.push_str(&format!("/@{name}"));
        }
    }

    pub(crate) fn no_root(&self, name: Name<'_>) -> Finding {
        let roots = self.schemas.global_elements.keys().map(QName::local);
        let help = nearest(name.local, roots).map(|near| format!("did you mean '{near}'?"));
        ("cvc-elt.1", format!("no schema declares the root element {}", qualified(name)), help)
    }

    /// A child that cannot stand where the others have got to.
    pub(crate) fn unexpected<S: Site>(&self, site: &S, model: &Model, cursor: &Cursor) -> Finding {
        if let Some(ways) = cursor.crowded() {
            let what = format!(
                "{} and what stands before it can be counted in more than {ways} ways: the content model is too ambiguous",
                site.name()
            );
            let help = "let only one of the particles around each other that are repeated have a least count above 1".to_owned();
            return ("cvc-complex-type.2.4", what, Some(help));
        }
        let (name, expected, open) = (site.name(), model.expected(cursor), model.expects_any(cursor));
        if expected.is_empty() && !open {
            return ("cvc-complex-type.2.4.d", format!("{name} cannot stand here, where nothing may follow"), None);
        }
        let mut list: Vec<String> = expected.iter().take(LISTED_MAX).map(|name| shown(site, name)).collect();
        if expected.len() > LISTED_MAX {
            list.push("…".to_owned());
        }
        if open {
            list.push("what a wildcard allows".to_owned());
        }
        let what = format!("{name} cannot stand here; expected: {}", list.join(", "));
        let help = match expected.iter().find(|other| other.local() == name.local) {
            Some(other) if other.namespace().is_empty() => Some(format!("'{}' has no namespace here", other.local())),
            Some(other) => Some(format!("'{}' is of namespace {} here", other.local(), other.namespace())),
            None => nearest(name.local, expected.iter().map(|name| name.local())).map(|near| format!("did you mean '{near}'?")),
        };
        ("cvc-complex-type.2.4.a", what, help)
    }

    pub(crate) fn incomplete<S: Site>(&self, site: &S, model: &Model, cursor: &Cursor) -> Finding {
        let list: Vec<String> = model.expected(cursor).into_iter().take(LISTED_MAX).map(|name| shown(site, name)).collect();
        ("cvc-complex-type.2.4.b", format!("the content is not complete; expected: {}", list.join(", ")), None)
    }

    pub(crate) fn is_abstract<S: Site>(&mut self, site: &S, id: ElementId, noun: &ElementNoun) {
        let members = self.schemas.members.get(&id).into_iter().flatten().filter_map(|id| self.schemas.elements.get(*id));
        let members: Vec<String> = members.map(|noun| shown(site, &noun.name)).collect();
        let help = (!members.is_empty()).then(|| format!("one of {} may stand for it", members.join(", ")));
        self.report(site, ("cvc-elt.2", format!("{} is abstract", shown(site, &noun.name)), help));
    }

    pub(crate) fn is_abstract_type<S: Site>(&mut self, site: &S, definition: TypeId) {
        let concrete = TypeDef { schemas: self.schemas, id: definition }.concrete_types();
        let concrete: Vec<String> = concrete.iter().filter_map(|known| known.name()).map(|name| shown(site, name)).collect();
        let help = (!concrete.is_empty()).then(|| format!("xsi:type may name {}", concrete.join(", ")));
        self.report(site, ("cvc-type.2", format!("the type {} is abstract", self.type_name(site, definition)), help));
    }

    pub(crate) fn type_name<S: Site>(&self, site: &S, definition: TypeId) -> String {
        match self.schemas.types.get(definition).and_then(|noun| noun.name.as_ref()) {
            None => "an anonymous type".to_owned(),
            Some(name) if name.namespace() == XSD_NAMESPACE => format!("xs:{}", name.local()),
            Some(name) => shown(site, name),
        }
    }

    /// The type that `xsi:type` names (cvc-elt.4.1, 4.2).
    pub(crate) fn named_type<S: Site>(&mut self, site: &S, text: &str) -> Option<TypeId> {
        let Some((namespace, local)) = site.scope().expanded(text) else {
            let what = format!("xsi:type='{}' is no name, or its prefix is not declared", limited(text));
            self.report(site, ("cvc-elt.4.1", what, None));
            return None;
        };
        let found = self.schemas.plan().definition(namespace, local);
        if found.is_none() {
            let known = self.schemas.types().filter_map(|known| known.name().map(QName::local));
            let help = nearest(local, known).map(|near| format!("did you mean '{near}'?"));
            let name = QName::new(Arc::clone(namespace), local);
            self.report(site, ("cvc-elt.4.2", format!("xsi:type: there is no type {name}"), help));
        }
        found
    }

    pub(crate) fn no_attribute<S: Site>(&mut self, site: &S, complex: &Complex, name: Name<'_>) {
        let known = complex.attributes.iter().filter_map(|used| self.schemas.attributes.get(used.attribute)).map(|noun| noun.name.local());
        let help = nearest(name.local, known).map(|near| format!("did you mean '{near}'?"));
        let what = format!("{} has no attribute {}", site.name().local, qualified(name));
        self.report_attribute(site, name, ("cvc-complex-type.3.2.2", what, help));
    }
}

/// A name that does not depend on prefixes.
pub(crate) fn qualified(name: Name<'_>) -> QName {
    QName::new(name.namespace, name.local)
}

/// A name as the document around would write it.
pub(crate) fn shown<S: Site>(site: &S, name: &QName) -> String {
    match site.scope().prefix_of(name.namespace()) {
        Some("") => name.local().to_owned(),
        Some(prefix) => format!("{prefix}:{}", name.local()),
        None => name.to_string(),
    }
}

pub(crate) fn shown_attribute<S: Site>(site: &S, name: &QName) -> String {
    if name.namespace().is_empty() { name.local().to_owned() } else { shown(site, name) }
}

pub(crate) fn suggestion(rule: &str, simple: &Simple, text: &str) -> Option<String> {
    let values = simple.facets.enumeration.as_ref().filter(|_| rule == "cvc-enumeration-valid")?;
    nearest(crate::chars::trim(text), values.iter().map(|value| value.lexical.as_str())).map(|near| format!("did you mean '{near}'?"))
}

/// What stands in a schema, cut where it is longer than anybody reads.
pub(crate) fn shortened(text: &str) -> String {
    const SHOWN_MAX: usize = 200;
    match text.char_indices().nth(SHOWN_MAX) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

/// The start of what a peer wrote, short enough for a message.
pub(crate) fn limited(text: &str) -> String {
    text.chars().take(60).collect()
}
