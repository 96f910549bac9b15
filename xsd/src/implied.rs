//! What is told apart in a document, IDs and keys, as the validator sees it: attributes that are left out or stand for instances count, too.

use crate::event::Name;
use crate::frame::Expect;
use crate::keys::Ended;
use crate::plan::{TypePlan, XSI_NIL, XSI_TYPE};
use crate::report::shown_attribute;
use crate::schema::{AttributeNoun, Complex, Schemas};
use crate::simple::{Identity, Simple, Variety};
use crate::site::Site;
use crate::validate::Validator;
use crate::value::{Primitive, Value, parse};
use std::borrow::Cow;

impl<'s> Validator<'s> {
    /// Part 1 §3.2.5: an attribute that is left out has its default or fixed value, which is a field of keys and an ID or reference, too.
    pub(crate) fn implied<S: Site>(&mut self, site: &S, complex: &'s Complex, types: &TypePlan) {
        if !types.implied && !self.keys.is_watching() {
            return;
        }
        for used in &complex.attributes {
            let Some(noun) = self.schemas.attributes.get(used.attribute) else { continue };
            let (own, declared) = (
                (used.default.as_ref().or(used.fixed.as_ref()), &used.names),
                (noun.default.as_ref().or(noun.fixed.as_ref()), &noun.names),
            );
            let (Some(text), names) = (if own.0.is_some() { own } else { declared }) else { continue };
            let name = Name { namespace: noun.name.namespace(), local: noun.name.local(), prefix: "", number: 0 };
            if site.attributes().any(|(given, _)| given.is(name.namespace, name.local)) {
                continue;
            }
            let Some(simple) = self.schemas.simple(noun.definition) else { continue };
            let Ok(value) = simple.value(self.schemas, text, names.as_deref()) else { continue };
            self.field(site, name, &value);
            self.identify(site, simple, text);
        }
    }

    /// An attribute that every element may have, `xsi:nil` and the like: of no type's, and a field of keys all the same.
    pub(crate) fn of_instance<S: Site>(&mut self, site: &S, (name, text): (Name<'_>, &str), number: usize) {
        if !self.keys.is_watching() {
            return;
        }
        let text = crate::chars::trim(text);
        let value = match number {
            XSI_NIL => parse(Primitive::Boolean, text, None),
            XSI_TYPE => parse(Primitive::QName, text, Some(site.scope())),
            _ => None,
        };
        self.field(site, name, &value.unwrap_or(Value::Text(Cow::Borrowed(text))));
    }

    /// Gives the value of an attribute to the keys around.
    pub(crate) fn field<S: Site>(&mut self, site: &S, name: Name<'_>, value: &Value<'_>) {
        if self.keys.is_watching() {
            let findings = self.keys.attribute(site, self.frames.len(), name, value);
            findings.into_iter().for_each(|finding| self.report_attribute(site, name, finding));
        }
    }

    /// Part 1 §3.15.4 (cvc-id): an ID stands once, a reference has its ID.
    pub(crate) fn identify<S: Site>(&mut self, site: &S, simple: &Simple, text: &str) {
        if simple.identity == Identity::None || matches!(simple.variety, Variety::Union(_)) {
            return;
        }
        let mut identities = std::mem::take(&mut self.identities);
        let taken = identities.take(simple.identity, text, || (site.place_at(self.frames.len()), self.path(site)));
        self.identities = identities;
        if let Err(finding) = taken {
            self.report(site, finding);
        }
    }

    /// The innermost element ends, and with it the keys that it has or belongs to.
    pub(crate) fn end_keys<S: Site>(&mut self, site: &S) {
        let mut keys = std::mem::take(&mut self.keys);
        let ended = self.frames.last().map_or(Ended::Value, |frame| match (&frame.content, frame.definition) {
            // What has no declaration has no type that could be wrong for a key.
            (Expect::Simple { .. }, _) | (_, None) => {
                if frame.nil {
                    Ended::Nil
                } else {
                    Ended::Value
                }
            }
            _ => Ended::Complex,
        });
        let (findings, violations) = keys.end(self.schemas, self.frames.len(), ended, || self.path(site));
        self.keys = keys;
        findings.into_iter().for_each(|finding| self.report(site, finding));
        let left = self.max.saturating_sub(self.violations.len());
        self.violations.extend(violations.into_iter().take(left));
    }

    /// cvc-complex-type.5: of the IDs of an element at most one is there by a wildcard, and only where the type has none itself.
    pub(crate) fn wild_id<S: Site>(&mut self, site: &S, complex: &Complex, noun: &AttributeNoun, seen: &mut bool) {
        if !is_id(self.schemas, noun) {
            return;
        }
        let name = shown_attribute(site, &noun.name);
        if std::mem::replace(seen, true) {
            let what = format!("{name} is the second ID that a wildcard lets in");
            self.report(site, ("cvc-complex-type.5.1", what, None));
        } else if complex
            .attributes
            .iter()
            .any(|used| self.schemas.attributes.get(used.attribute).is_some_and(|own| is_id(self.schemas, own)))
        {
            let what = format!("{name} is an ID, and the type has one of its own");
            self.report(site, ("cvc-complex-type.5.2", what, None));
        }
    }
}

fn is_id(schemas: &Schemas, noun: &AttributeNoun) -> bool {
    schemas.simple(noun.definition).is_some_and(|simple| simple.identity == Identity::Id)
}
