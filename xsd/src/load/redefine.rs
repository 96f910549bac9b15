//! `xs:redefine` (part 1 §4.2.2): a component of another document takes the place of itself, changed.

use super::complex::Attributes;
use super::components::{At, Compiler, State};
use super::documents::Item;
use crate::automaton::{EDGES_MAX, Model};
use crate::schema::{Complex, Particle, TypeId, Use};
use crate::tree::QName;
use std::sync::Arc;

impl<'d> Compiler<'d> {
    /// Puts each redefinition in front of what it redefines, the innermost document's first.
    pub(super) fn redefine(&mut self) {
        for schema in self.documents().iter().rev() {
            for redefine in schema.root.all(&["redefine"]) {
                redefine.children.iter().for_each(|item| self.redefine_item(At { schema, item }));
            }
        }
    }

    fn redefine_item(&mut self, at: At<'d>) {
        let Some(name) = self.own_name(at) else { return };
        let name = QName::new(Arc::clone(&at.schema.target), name);
        let same = |item: &&Item| item.local == at.item.local && item.token("name") == at.item.token("name");
        if at.schema.root.children.iter().any(|item| same(&item)) {
            return self.report(at, "src-redefine", format!("{name} is redefined by the document that defines it"));
        }
        // What is redefined stands in another document.
        let other = |levels: &&mut Vec<At<'d>>| levels.last().is_some_and(|last| !std::ptr::eq(last.schema, at.schema));
        let known = match at.item.local {
            "group" => self.groups.get_mut(&name).filter(other).map(|levels| levels.push(at)).is_some(),
            "attributeGroup" => self.attribute_groups.get_mut(&name).filter(other).map(|levels| levels.push(at)).is_some(),
            _ => self.redefine_type(at, &name),
        };
        if !known {
            self.report(at, "src-redefine", format!("there is no xs:{} {name} in another document to be redefined", at.item.local));
        }
    }

    fn redefine_type(&mut self, at: At<'d>, name: &QName) -> bool {
        let Some(original) = self.schemas.global_types.get(name).copied() else { return false };
        if matches!(self.states.get(original), Some(State::Waiting(of)) if std::ptr::eq(of.schema, at.schema)) {
            return false;
        }
        let id: TypeId = self.new_type(at, Some(name.clone()));
        self.schemas.global_types.insert(name.clone(), id);
        self.originals.insert(id, original);
        let derivation = match at.item.local {
            "simpleType" => at.first(&["restriction"]),
            _ => at.first(&["simpleContent", "complexContent"]).and_then(|content| content.first(&["restriction", "extension"])),
        };
        let base = derivation.and_then(|derivation| derivation.item.token("base").map(|base| at.schema.name(derivation.item, base)));
        if !matches!(base, Some(Ok(base)) if base == *name) {
            self.report(at, "src-redefine.5", "a type is redefined by a derivation from itself");
        }
        true
    }

    /// src-redefine.6: a redefined group contains itself once, or restricts itself.
    pub(super) fn redefined_group(&mut self, at: At<'d>, name: &QName, particle: &Particle, below: usize) {
        let mut own = Vec::new();
        references(at, "group", name, &mut own);
        match own.as_slice() {
            [] => {
                let Some(group) = self.groups.get(name).and_then(|levels| levels.get(below)).copied() else { return };
                let Some(original) = self.named_group(group, name, below) else { return };
                let names =
                    |id: crate::schema::ElementId| self.schemas.elements.get(id).map(|noun| (noun.name.clone(), id)).into_iter().collect();
                let mut budget = EDGES_MAX;
                let (Ok(new), Ok(old)) = (Model::new(particle, &names, &mut budget), Model::new(&original, &names, &mut budget)) else {
                    return;
                };
                if let Some(beyond) = new.beyond(&old, &|_, _| true) {
                    self.report(at, "src-redefine.6.2.2", format!("the group is no restriction of what it redefines: {}", beyond.what));
                }
            }
            [only] => {
                let once = |attribute: &str| matches!(only.item.token(attribute), None | Some("1"));
                if !once("minOccurs") || !once("maxOccurs") {
                    self.report(*only, "src-redefine.6.1.2", "a redefined group contains itself exactly once");
                }
            }
            [_, second, ..] => self.report(*second, "src-redefine.6.1.1", "a redefined group contains itself exactly once"),
        }
    }

    fn attribute_name(&self, used: &Use) -> Option<&QName> {
        self.schemas.attributes.get(used.attribute).map(|noun| &noun.name)
    }

    /// src-redefine.7: a redefined attribute group contains itself once, or restricts itself.
    pub(super) fn redefined_attributes(&mut self, at: At<'d>, name: &QName, level: usize, new: Attributes) {
        let redefinition = self.attribute_groups.get(name).and_then(|levels| levels.get(level)).copied();
        let (Some(below), true) = (level.checked_sub(1), redefinition.is_some_and(|found| std::ptr::eq(found.item, at.item))) else {
            return;
        };
        let mut own = Vec::new();
        references(at, "attributeGroup", name, &mut own);
        match own.as_slice() {
            [] => {
                let Some(group) = self.attribute_groups.get(name).and_then(|levels| levels.get(below)).copied() else { return };
                let old = self.attribute_uses(group, &mut vec![(name.clone(), below)]);
                // What a group leaves out it does not have: unlike a type's restriction, it takes nothing over.
                let kept = |used: &Use| new.uses.iter().any(|own| self.attribute_name(own) == self.attribute_name(used));
                if let Some(lost) = old.uses.iter().find(|used| used.required && !kept(used)) {
                    let name = self.attribute_name(lost).map(ToString::to_string).unwrap_or_default();
                    self.report(at, "src-redefine.7.2.2", format!("the attribute {name} is required in the group it redefines"));
                }
                let base = Complex { attributes: old.uses, any_attribute: old.any, ..Complex::default() };
                self.restricted_attributes(at, &base, new);
            }
            [_] => {}
            [_, second, ..] => self.report(*second, "src-redefine.7.1", "a redefined attribute group contains itself exactly once"),
        }
    }
}

fn references<'d>(at: At<'d>, local: &str, name: &QName, found: &mut Vec<At<'d>>) {
    for item in &at.item.children {
        let child = at.inside(item);
        let own = item.local == local && item.token("ref").is_some_and(|text| at.schema.name(item, text).is_ok_and(|own| own == *name));
        if own {
            found.push(child);
        } else if item.local != "element" {
            references(child, local, name, found);
        }
    }
}
