//! Conditional inclusion (XML Schema 1.1 part 1 §4.2.2): what a document keeps for processors of another version is no part of it.

use super::{builtin, grammar};
use crate::schema::XSD_NAMESPACE;
use crate::scope::Scope;
use crate::simple::words;
use crate::tree::Element;
use crate::value::Decimal;
use std::cmp::Ordering;

const VERSIONING_NAMESPACE: &str = "http://www.w3.org/2007/XMLSchema-versioning";

/// Whether an element of a schema document is for others than processors of version 1.0. Prefixes stand for what they do `around` it.
pub(super) fn is_excluded(element: &Element, around: &Scope) -> bool {
    let given = |name: &str| element.attribute(VERSIONING_NAMESPACE, name);
    if !element.attributes().iter().any(|attribute| attribute.name.namespace() == VERSIONING_NAMESPACE) {
        return false;
    }
    let version = |name: &str| Some(Decimal::parse(crate::chars::trim(given(name)?))?.order(&Decimal::parse("1.0")?));
    let mut scope = around.clone();
    scope.enter_element(element);
    let known = |name: &str, has: &dyn Fn(&str) -> bool| {
        let found =
            words(given(name)?).map(|word| scope.qname(word).is_some_and(|name| name.namespace() == XSD_NAMESPACE && has(name.local())));
        Some(found.collect::<Vec<bool>>())
    };
    let is_facet = |local: &str| grammar::FACETS.contains(&local);
    let lacks = |found: Option<Vec<bool>>| found.is_some_and(|found| found.contains(&false));
    let has_all = |found: Option<Vec<bool>>| found.is_some_and(|found| !found.contains(&false));
    version("minVersion") == Some(Ordering::Greater)
        || matches!(version("maxVersion"), Some(Ordering::Less | Ordering::Equal))
        || lacks(known("typeAvailable", &builtin::is_type))
        || lacks(known("facetAvailable", &is_facet))
        || has_all(known("typeUnavailable", &builtin::is_type))
        || has_all(known("facetUnavailable", &is_facet))
}
