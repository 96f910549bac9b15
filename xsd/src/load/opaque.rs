//! Components whose document was not found: at [`Level::Compat`] they take any content, and are listed.

use super::components::{At, Compiler};
use super::{Level, Opaque, catalogue};
use crate::schema::{ANY_TYPE, AttributeId, Derivations, ElementId, Notes, TypeId, TypeNoun};
use crate::tree::QName;

impl<'d> Compiler<'d> {
    /// Whether an unknown name is let pass, as opaque: then it is listed.
    pub(super) fn is_missing(&mut self, at: At<'_>, kind: &'static str, name: &QName) -> bool {
        if self.level == Level::Strict {
            return false;
        }
        let documents = self.documents().iter();
        let import = at.schema.missing.get(name.namespace());
        let import = import.or_else(|| documents.filter_map(|schema| schema.missing.get(name.namespace())).next());
        let why = match (import, catalogue::left_opaque(name.namespace())) {
            (_, Some(why)) => why,
            (Some(import), None) => format!("the document named at {import} was not found"),
            (None, None) => {
                self.report(at, "missing", format!("there is no {kind} {name}"));
                "no document declares it".to_owned()
            }
        };
        let opaque = Opaque { kind, name: name.clone(), source: at.item.source.clone(), why };
        self.opaque.entry((kind, name.clone())).or_insert(opaque);
        true
    }

    pub(super) fn is_opaque(&self, id: TypeId) -> bool {
        self.schemas.types.get(id).is_some_and(|noun| noun.opaque)
    }

    /// A type that takes any content.
    pub(super) fn opaque_type(&mut self, at: At<'_>, name: Option<QName>) -> TypeId {
        let kind = self.schemas.types.get(ANY_TYPE).map(|any| any.kind.clone()).unwrap_or_default();
        let id = self.made_type(TypeNoun {
            name: name.clone(),
            base: ANY_TYPE,
            method: Derivations::RESTRICTION,
            is_abstract: false,
            block: Derivations::default(),
            last: Derivations::default(),
            opaque: true,
            kind,
            source: at.item.source.clone(),
            notes: Notes::default(),
        });
        self.schemas.global_types.extend(name.map(|name| (name, id)));
        id
    }

    /// A global element of an opaque type.
    pub(super) fn opaque_element(&mut self, at: At<'_>, name: QName) -> ElementId {
        let definition = self.opaque_type(at, None);
        let id = self.new_element(at, name.clone());
        if let Some(noun) = self.schemas.elements.get_mut(id) {
            noun.definition = definition;
            noun.global = true;
        }
        self.schemas.global_elements.insert(name, id);
        id
    }

    /// A global attribute that takes any value.
    pub(super) fn opaque_attribute(&mut self, at: At<'_>, name: QName) -> AttributeId {
        let id = self.new_attribute(at, name.clone());
        self.schemas.global_attributes.insert(name, id);
        id
    }
}
