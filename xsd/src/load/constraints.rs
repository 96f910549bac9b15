//! Identity constraints of element declarations (part 1 §3.11), and what keyrefs refer to.

use super::components::{At, Compiler};
use crate::identity::{Category, ConstraintId, IdentityConstraint, parse};
use crate::tree::QName;
use std::sync::Arc;

impl<'d> Compiler<'d> {
    /// Reads a `unique`, `key` or `keyref`.
    pub(super) fn constraint(&mut self, at: At<'d>) -> Option<ConstraintId> {
        let name = QName::new(Arc::clone(&at.schema.target), self.own_name(at)?);
        let category = match at.item.local {
            "unique" => Category::Unique,
            "key" => Category::Key,
            _ => Category::Keyref,
        };
        if self.schemas.constraints.iter().any(|known| known.name == name) {
            self.report(at, "sch-props-correct.2", format!("a second identity constraint of the name {name}"));
        }
        let mut paths = |local: &'static str| -> Vec<_> {
            let mut read = Vec::new();
            for child in at.children(if local == "field" { &["field"] } else { &["selector"] }) {
                let (rule, text) = (if local == "field" { "c-fields-xpaths" } else { "c-selector-xpath" }, child.item.attribute("xpath"));
                match text.map(|text| parse(text, local == "field", &child.item.scope)) {
                    Some(Ok(path)) => read.push(path),
                    Some(Err(what)) => self.report(child, rule, what),
                    None => self.report(child, "s4s-att-must-appear", format!("xs:{local} has no xpath")),
                }
            }
            read
        };
        let (selector, fields) = (paths("selector").into_iter().next(), paths("field"));
        if at.first(&["selector"]).is_none() || at.first(&["field"]).is_none() {
            self.report(at, "s4s-elt-invalid-content", "an identity constraint has a selector and fields");
        }
        let id = self.schemas.constraints.len();
        match (category, at.item.token("refer")) {
            (Category::Keyref, Some(text)) => {
                let refer = self.name_in(at, text)?;
                self.keyrefs.push((id, at, refer));
            }
            (Category::Keyref, None) => self.report(at, "s4s-att-must-appear", "a keyref refers to a key"),
            _ => {}
        }
        let source = at.item.source.clone();
        let selector = selector.unwrap_or_default();
        self.schemas.constraints.push(IdentityConstraint { name, category, selector, fields, refer: None, source });
        Some(id)
    }

    /// c-props-correct: a keyref refers to a key or unique that has as many fields.
    pub(super) fn resolve_keyrefs(&mut self) {
        for (id, at, name) in std::mem::take(&mut self.keyrefs) {
            let found = self.schemas.constraints.iter().position(|known| known.name == name && known.category != Category::Keyref);
            let Some(refer) = found else {
                let known = self.schemas.constraints.iter().filter(|known| known.category != Category::Keyref);
                let known = known.map(|known| known.name.clone()).collect();
                self.unresolved(at, "key", &name, known);
                continue;
            };
            let fields = |id: ConstraintId| self.schemas.constraints.get(id).map_or(0, |known| known.fields.len());
            if fields(id) != fields(refer) {
                self.report(at, "c-props-correct.2", format!("a keyref has as many fields as the key {name}"));
            }
            if let Some(constraint) = self.schemas.constraints.get_mut(id) {
                constraint.refer = Some(refer);
            }
        }
    }
}
