//! `waybill xsd show`: what a schema declares, in lines for people or as JSON; types are named and never expanded.

use super::print;
use super::session::Failure;
use super::verbs::usage;
use super::xsd::{Form, Show, located, schemas};
use serde_json::{Value, json};
use xsd::schema::{Child, ElementDecl, Source, TypeDef};
use xsd::tree::QName;

/// `xsd show`.
///
/// # Errors
/// The schemas do not load, or have no such type or element.
pub(super) fn show(arguments: &Show) -> Result<(), Failure> {
    let schemas = schemas(&arguments.schemas, &arguments.reading)?;
    let meant = |name: &QName, wanted: &str| name.local() == wanted || name.to_string() == wanted;
    let (mut elements, mut types): (Vec<ElementDecl<'_>>, Vec<TypeDef<'_>>) = (schemas.elements().collect(), schemas.types().collect());
    let of = arguments.type_name.as_deref().map(|wanted| ("type", wanted));
    let of = of.or(arguments.element.as_deref().map(|wanted| ("element", wanted)));
    if let Some((kind, wanted)) = of {
        elements.retain(|known| kind == "element" && meant(known.name(), wanted));
        types.retain(|known| kind == "type" && known.name().is_some_and(|name| meant(name, wanted)));
        if elements.is_empty() && types.is_empty() {
            return Err(usage(format!("there is no {kind} '{wanted}': waybill xsd show without --{kind} lists them")));
        }
    }
    if arguments.output == Form::Json {
        let whole = of.is_some();
        let elements: Vec<Value> = elements.iter().map(|found| element_json(*found, whole)).collect();
        let types: Vec<Value> = types.iter().map(|found| if whole { content_json(*found) } else { heading_json(*found) }).collect();
        print::out(&format!("{:#}", json!({ "schema": "waybill:xsd-show:1", "elements": elements, "types": types })));
        return Ok(());
    }
    for element in elements {
        let mark = if of.is_none() { "element " } else { "" };
        print::out(&format!("{mark}{}", declared(element)));
        let inside = if of.is_none() { Vec::new() } else { content(element.type_definition()) };
        inside.iter().for_each(|line| print::out(line));
    }
    for known in types {
        let lines = if of.is_none() { vec![format!("type {}", heading(known))] } else { content(known) };
        lines.iter().for_each(|line| print::out(line));
    }
    Ok(())
}

fn source_json(source: &Source) -> Value {
    json!({ "file": &*source.file, "place": located(source.place) })
}

/// An element declaration; with what is in it, where `whole`.
fn element_json(element: ElementDecl<'_>, whole: bool) -> Value {
    let substitutes: Vec<String> = element.substitutes().iter().map(|member| member.name().to_string()).collect();
    let definition = element.type_definition();
    json!({
        "name": element.name().to_string(), "type": type_of(definition), "nillable": element.is_nillable(), "abstract": element.is_abstract(),
        "default": element.default(), "fixed": element.fixed(), "substitutes": substitutes, "declared": source_json(element.source()),
        "content": whole.then(|| content_json(definition)),
    })
}

fn heading_json(known: TypeDef<'_>) -> Value {
    json!({
        "name": type_of(known), "kind": if known.is_simple() { "simple" } else { "complex" }, "base": known.base().map(type_of),
        "abstract": known.is_abstract(), "opaque": known.is_opaque(), "declared": source_json(known.source()),
    })
}

fn content_json(known: TypeDef<'_>) -> Value {
    let attribute = |of: &xsd::schema::AttributeUse<'_>| json!({ "name": of.name().to_string(), "type": type_of(of.type_definition()), "required": of.is_required(), "default": of.default(), "fixed": of.fixed() });
    let child = |Child { element, min, max, choice, .. }: &Child<'_>| {
        let choice = choice.map(|choice| json!({ "number": choice.number, "alternative": choice.alternative }));
        json!({ "element": element_json(*element, false), "min": min, "max": max, "choice": choice })
    };
    let text = known.simple_content();
    json!({
        "type": heading_json(known),
        "attributes": known.attributes().iter().map(attribute).collect::<Vec<Value>>(), "any_attribute": known.has_any_attribute(),
        "children": known.children().iter().map(child).collect::<Vec<Value>>(), "any": known.has_any(), "mixed": known.is_mixed(),
        "text": text.map(|simple| json!({ "type": type_of(simple.definition()), "enumeration": simple.enumeration() })),
    })
}

fn type_of(definition: TypeDef<'_>) -> String {
    match (definition.name(), definition.simple_content().filter(|_| definition.is_simple())) {
        (Some(name), _) => name.to_string(),
        (None, Some(simple)) => simple.primitive().map_or_else(|| "anonymous".to_owned(), |primitive| format!("anonymous {primitive}")),
        (None, None) => "anonymous".to_owned(),
    }
}

fn declared(element: ElementDecl<'_>) -> String {
    let mut line = format!("{}: {}", element.name(), type_of(element.type_definition()));
    for (told, word) in [(element.is_nillable(), " nillable"), (element.is_abstract(), " abstract")] {
        line += if told { word } else { "" };
    }
    let substitutes: Vec<String> = element.substitutes().iter().map(|member| member.name().to_string()).collect();
    if !substitutes.is_empty() {
        line += &format!(" (or {})", substitutes.join(", "));
    }
    format!("{line}  [{}]", element.source())
}

fn heading(known: TypeDef<'_>) -> String {
    let base = known.base().map_or_else(String::new, |base| format!(" from {}", type_of(base)));
    let kind = if known.is_simple() { "simple" } else { "complex" };
    let marks = if known.is_abstract() { " abstract" } else { "" };
    format!("{}: {kind}{marks}{base}  [{}]", type_of(known), known.source())
}

fn times(min: u32, max: Option<u32>) -> String {
    match max {
        Some(max) if max == min => min.to_string(),
        Some(max) => format!("{min}..{max}"),
        None => format!("{min}..*"),
    }
}

fn content(known: TypeDef<'_>) -> Vec<String> {
    let mut lines = vec![heading(known)];
    for attribute in known.attributes() {
        let required = if attribute.is_required() { "1" } else { "0..1" };
        lines.push(format!("  @{}: {} {required}", attribute.name(), type_of(attribute.type_definition())));
    }
    if known.has_any_attribute() {
        lines.push("  @*: what a wildcard allows".to_owned());
    }
    for Child { element, min, max, choice, .. } in known.children() {
        let choice = choice.map_or_else(String::new, |choice| format!(" (choice {}, alternative {})", choice.number, choice.alternative));
        lines.push(format!("  {} {}{choice}", declared(element), times(min, max)));
    }
    if known.has_any() {
        lines.push("  *: what a wildcard allows".to_owned());
    }
    if let Some(simple) = known.simple_content() {
        let text = simple.enumeration().map_or_else(|| type_of(simple.definition()), |values| format!("one of {}", values.join(" | ")));
        lines.push(format!("  text: {text}"));
    } else if known.is_mixed() {
        lines.push("  text between the elements".to_owned());
    }
    lines
}
