//! Attribute declarations and their uses (part 1 §3.2, §3.5).

use super::components::{At, Compiler};
use crate::schema::{ANY_SIMPLE_TYPE, AttributeId, AttributeNoun, Use};
use crate::tree::QName;

impl<'d> Compiler<'d> {
    pub(super) fn new_attribute(&mut self, at: At<'_>, name: QName) -> AttributeId {
        if name.local() == "xmlns" {
            self.report(at, "no-xmlns", "no attribute is named xmlns");
        }
        if name.namespace() == crate::schema::XSI_NAMESPACE {
            self.report(at, "no-xsi", "no attribute is declared in the namespace of schema instances");
        }
        self.schemas.attributes.push(AttributeNoun {
            name,
            definition: ANY_SIMPLE_TYPE,
            default: at.item.attribute("default").map(str::to_owned),
            fixed: at.item.attribute("fixed").map(str::to_owned),
            names: at.names(),
            source: at.item.source.clone(),
            notes: at.notes(),
        });
        self.schemas.attributes.len() - 1
    }

    pub(super) fn fill_attribute(&mut self, at: At<'d>, id: AttributeId) {
        let inline = at.first(&["simpleType"]);
        let named = at.item.token("type");
        if named.is_some() && inline.is_some() {
            self.report(at, "src-attribute.4", "an attribute has a type by name and one inside");
        }
        if at.item.attribute("default").is_some() && at.item.attribute("fixed").is_some() {
            self.report(at, "src-attribute.1", "an attribute has a default and a fixed value");
        }
        let definition = match (named, inline) {
            (Some(text), _) => self.simple_in(at, text).unwrap_or(ANY_SIMPLE_TYPE),
            (None, Some(inline)) => self.anonymous_type(inline),
            (None, None) => ANY_SIMPLE_TYPE,
        };
        if let Some(noun) = self.schemas.attributes.get_mut(id) {
            noun.definition = definition;
        }
    }

    /// An attribute use of a complex type or an attribute group; the flag says that it is prohibited.
    pub(super) fn attribute_use(&mut self, at: At<'d>) -> Option<(Use, bool)> {
        let attribute = match at.item.token("ref") {
            Some(text) => {
                if ["name", "type", "form"].iter().any(|other| at.item.attribute(other).is_some()) || !at.item.children.is_empty() {
                    self.report(at, "src-attribute.3", "a reference to an attribute has no name, form or type of its own");
                }
                let name = self.name_in(at, text)?;
                let found = self.schemas.global_attributes.get(&name).copied();
                match found {
                    Some(id) => id,
                    None if self.is_missing(at, "attribute", &name) => self.opaque_attribute(at, name),
                    None => {
                        let known = self.schemas.global_attributes.keys().cloned().collect();
                        self.unresolved(at, "attribute", &name, known);
                        return None;
                    }
                }
            }
            None => {
                let local = self.own_name(at)?;
                let name = self.local_name(at, local, "attributeFormDefault");
                let id = self.new_attribute(at, name);
                self.fill_attribute(at, id);
                id
            }
        };
        let (required, prohibited) = match at.item.token("use") {
            None | Some("optional") => (false, false),
            Some("required") => (true, false),
            Some("prohibited") => (false, true),
            Some(other) => {
                self.report(at, "s4s-att-invalid-value", format!("use has no value '{other}'"));
                (false, false)
            }
        };
        if at.item.attribute("default").is_some() && (required || prohibited) {
            self.report(at, "src-attribute.2", "an attribute with a default is optional");
        }
        // A local declaration holds its values itself.
        let of_reference = |name: &str| at.item.attribute(name).filter(|_| at.item.attribute("ref").is_some()).map(str::to_owned);
        let (default, fixed) = (of_reference("default"), of_reference("fixed"));
        let noun = self.schemas.attributes.get(attribute);
        let declared = noun.filter(|_| at.item.attribute("ref").is_some()).and_then(|noun| Some((noun.definition, noun.fixed.clone()?)));
        if let Some((definition, declared)) = declared
            && (default.is_some() || fixed.as_ref().is_some_and(|own| !self.same_value(definition, own, &declared)))
        {
            self.report(at, "au-props-correct.2", format!("the declaration fixes the value '{declared}'"));
        }
        let names = at.names().filter(|_| at.item.attribute("ref").is_some());
        Some((Use { attribute, required, default, fixed, names }, prohibited))
    }
}
