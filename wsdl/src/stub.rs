//! The first form of the documents that describe a resource: everything that has to be said stands there as TODO.

use xsd::tree::{Element, QName};
use xsd::write::document;

const METADATA: &str = "urn:waybill:metadata:1";
const BUSINESS: &str = "urn:waybill:business:1";

/// `m:Resource` for the resource `sector/name`, valid and to be completed.
#[must_use]
pub fn metadata(sector: &str, name: &str) -> Vec<u8> {
    let id = [sector, "/", name].concat();
    let root = Element::new("m", QName::new(METADATA, "Resource")).declare("m", METADATA);
    let phrase = |local: &str, text: &str| root.sibling(local).with("lang", "en").text(text);
    let agent = |local: &str| root.sibling(local).leaf("Identifier", sector).child(phrase("Name", "TODO: name of the sector"));
    let resource = root
        .clone()
        .leaf("ResourceId", &id)
        .child(phrase("Name", "TODO: name of the resource"))
        .child(phrase("Overview", "TODO: what its records say"))
        .child(agent("Producer"))
        .leaf("StorageLocation", ["urn:waybill:adapter:", sector, ":legacy:", name].concat())
        .leaf("MediaType", "application/xml")
        .child(root.sibling("Structure").with("id", id.as_str()).with("version", "1.0"))
        .leaf("TypeCode", name)
        .child(root.sibling("Classification").with("scheme", "urn:cn:gov:catalogue").text("TODO"))
        .leaf("ShareType", "conditional")
        .leaf("ShareMode", "service")
        .leaf("Published", "2000-01-01T00:00:00.000Z")
        .child(agent("Manager"))
        .leaf("PolicyModified", "false")
        .leaf("MetadataVersion", "1.0");
    document(&resource)
}

/// `b:Definition` for the resource `sector/name`, valid and to be completed: one field that stands for those that the mapping writes.
#[must_use]
pub fn definition(sector: &str, name: &str) -> Vec<u8> {
    let root = Element::new("b", QName::new(BUSINESS, "Definition")).declare("b", BUSINESS);
    let phrase = |local: &str, text: &str| root.sibling(local).with("lang", "en").text(text);
    let field = root.sibling("Field").leaf("Name", "todo").leaf("Type", "string");
    let field = field.child(phrase("Description", "TODO: a field for each b:Value/@field of the mapping")).leaf("Sensitivity", "internal");
    let definition = root.clone().with("id", [sector, "/", name].concat()).with("version", "1.0");
    document(&definition.child(phrase("Title", "TODO: name of the resource")).leaf("Kind", "structured").child(field))
}
