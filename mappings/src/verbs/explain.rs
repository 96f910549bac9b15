//! `map explain TARGETPATH`: where a value of the target comes from, rule by rule, with every place.

use crate::document::{Missing, Origin, Set};
use crate::verbs::markup::{local, tag_at};
use crate::verbs::parts::Parts;
use crate::verbs::report::push;
use crate::verbs::wires::{Node, Reading, Wire};
use std::path::Path;
use xsd::schema::XSD_NAMESPACE;

/// A type in words: its name, or what it is derived from.
pub(crate) fn type_words(node: &Node<'_>) -> String {
    let of = node.type_definition();
    match of.name() {
        Some(name) if name.namespace() == XSD_NAMESPACE => format!("xs:{}", name.local()),
        Some(name) => match node.text().and_then(|simple| simple.primitive()) {
            Some(primitive) => format!("{} ({primitive})", name.local()),
            None => name.local().to_owned(),
        },
        None => node
            .text()
            .and_then(|simple| simple.primitive())
            .map_or_else(|| "an anonymous type".to_owned(), |primitive| primitive.to_string()),
    }
}

/// How a path is compared: without prefixes, predicates and the slash it may begin with.
fn bare(path: &str) -> String {
    let steps = path.trim_matches('/').split('/').map(|step| {
        let name = step.split('[').next().unwrap_or_default();
        let (at, name) = name.strip_prefix('@').map_or(("", name), |name| ("@", name));
        [at, local(name)].concat()
    });
    steps.collect::<Vec<_>>().join("/")
}

/// Whether a rule writes what `asked` names: the whole path, or its last steps.
fn writes(wire: &Wire<'_, '_>, asked: &str) -> bool {
    wire.writes.as_ref().is_some_and(|writes| {
        let path = bare(&writes.shown);
        path == asked || path.ends_with(&["/", asked].concat())
    })
}

/// Says where the values at a target path come from. The path may be its last steps, with or without prefixes.
///
/// # Errors
/// The mapping cannot be read, or no rule writes such a thing: then what rules do write.
pub fn explain(asked: &str, map: &Path) -> Result<String, String> {
    let parts = Parts::load(map).map_err(|found| found.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))?;
    let wires = parts.wires();
    let wanted = bare(asked);
    let found: Vec<&Wire<'_, '_>> =
        wires.iter().filter(|wire| matches!(wire.rule, "set" | "in" | "each") && writes(wire, &wanted)).collect();
    if found.is_empty() {
        let mut paths: Vec<&str> =
            wires.iter().filter(|wire| wire.rule == "set").filter_map(|wire| Some(wire.writes.as_ref()?.shown.as_str())).collect();
        paths.sort_unstable();
        paths.dedup();
        return Err(format!("no rule of {} writes '{asked}'; rules write:\n  {}", map.display(), paths.join("\n  ")));
    }
    let mut out = String::new();
    for wire in found {
        let Some(target) = &wire.writes else { continue };
        let to = wire.to.and_then(|at| parts.document.targets.get(at)).map_or("", |side| side.name.as_str());
        push(&mut out, format_args!("{}  ({to})\n", target.shown));
        node("  target", target, &mut out);
        push(&mut out, format_args!("  rule    {}:{}", map.display(), wire.place));
        if let Some(tag) = tag_at(&parts.text, wire.place) {
            push(&mut out, format_args!("  {}", parts.text.get(tag.span).unwrap_or_default()));
        }
        out.push('\n');
        for reading in &wire.reads {
            push(&mut out, format_args!("  {:7} {}\n", reading.attribute, reading.shown));
            node("  source", reading, &mut out);
        }
        if let Some(set) = wire.set {
            steps(set, &parts, &mut out);
        }
        conditions(wire, &wires, &mut out);
        out.push('\n');
    }
    Ok(out)
}

fn node(label: &str, reading: &Reading<'_>, out: &mut String) {
    let Some(node) = &reading.end else {
        push(out, format_args!("{label}  not in the schema: `waybill map check` says more\n"));
        return;
    };
    let flags = [(node.optional(), ", optional"), (node.repeats(), ", repeats")];
    let flags: String = flags.iter().filter(|(has, _)| *has).map(|(_, word)| *word).collect();
    push(out, format_args!("{label}  {}{flags}, declared at {}\n", type_words(node), node.source()));
    if let Some(words) = node.documentation() {
        push(out, format_args!("          “{}”\n", words.split_whitespace().collect::<Vec<_>>().join(" ")));
    }
}

/// What happens to the value on its way.
fn steps(set: &Set, parts: &Parts, out: &mut String) {
    match &set.origin {
        Origin::Value(value) => push(out, format_args!("  value   the constant '{value}'\n")),
        Origin::Digest(target, algorithm) => push(out, format_args!("  digest  {algorithm:?} over the documents of target '{target}'\n")),
        Origin::From(paths) if paths.len() > 1 => out.push_str("  from    the first of these that is present\n"),
        Origin::From(_) | Origin::Count(_) => {}
    }
    if let Some(table) = set.codes.as_ref().and_then(|name| parts.document.codes.iter().find(|table| table.name == *name)) {
        let missing = match &table.missing {
            Missing::Reject => "a value that it lacks rejects the record".to_owned(),
            Missing::Keep => "a value that it lacks stays".to_owned(),
            Missing::Omit => "a value that it lacks is left out".to_owned(),
            Missing::Default(value) => format!("a value that it lacks becomes '{value}'"),
        };
        let what = table.href.as_ref().map_or_else(
            || table.pairs.iter().take(12).map(|(from, to)| format!("{from}→{to}")).collect::<Vec<_>>().join(" "),
            |href| format!("the table in {href}"),
        );
        push(out, format_args!("  codes   '{}': {what}; {missing}\n", table.name));
    }
    if let Some(default) = &set.default {
        push(out, format_args!("  default '{default}' where the source has nothing\n"));
    }
}

/// What the rules around this one ask of the source.
fn conditions(wire: &Wire<'_, '_>, wires: &[Wire<'_, '_>], out: &mut String) {
    let window = wires.iter().find(|other| other.block == wire.block && matches!(other.rule, "record" | "once"));
    if let Some(reading) = window.and_then(|window| window.reads.first()) {
        push(out, format_args!("  record  for each {}\n", reading.shown));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_followed_to_its_source() {
        let map = Path::new(env!("CARGO_MANIFEST_DIR")).join("health/visit.map.xml");
        for (asked, pieces) in [
            ("Person/Sex", vec!["h:VisitReport/h:Visit/h:Patient/h:Sex", "'sex': 1→M 2→F 9→U", "visit.xsd:", "visit.map.xml:18:9"]),
            ("/b:Record/b:DefinitionRef/@id", vec!["the constant 'health/visit'"]),
            ("b:Record/b:Value", vec!["h:VisitReport/h:Visit/h:Diag", "h:Payer[h:InsurerParty]/h:PolicyNo"]),
        ] {
            let said = explain(asked, &map).unwrap();
            for piece in pieces {
                assert!(said.contains(piece), "{asked}: no {piece} in\n{said}");
            }
        }
        assert!(explain("b:Nothing", &map).unwrap_err().contains("b:Record/b:RecordId"));
    }
}
