//! The catalogue: namespaces that schemas import without a document, with declarations of our own; looked up last.

/// Namespaces, and the documents that declare what is in them.
const DOCUMENTS: &[(&str, &str, &[u8])] = &[
    ("http://www.w3.org/XML/1998/namespace", "catalogue/xml.xsd", include_bytes!("../catalogue/xml.xsd")),
    ("http://www.w3.org/1999/xlink", "catalogue/xlink.xsd", include_bytes!("../catalogue/xlink.xsd")),
    ("http://schemas.xmlsoap.org/soap/encoding/", "catalogue/soap-encoding.xsd", include_bytes!("../catalogue/soap-encoding.xsd")),
    ("http://schemas.xmlsoap.org/soap/envelope/", "catalogue/soap-envelope.xsd", include_bytes!("../catalogue/soap-envelope.xsd")),
    ("http://www.w3.org/2005/08/addressing", "catalogue/ws-addressing.xsd", include_bytes!("../catalogue/ws-addressing.xsd")),
    (
        "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd",
        "catalogue/wsu.xsd",
        include_bytes!("../catalogue/wsu.xsd"),
    ),
    ("http://www.w3.org/2004/08/xop/include", "catalogue/xop.xsd", include_bytes!("../catalogue/xop.xsd")),
    ("http://www.w3.org/2005/05/xmlmime", "catalogue/xmime.xsd", include_bytes!("../catalogue/xmime.xsd")),
];

/// Well-known namespaces that are left opaque.
const OPAQUE: &[(&str, &str)] = &[
    ("http://www.w3.org/2000/09/xmldsig#", "XML Signature"),
    ("http://www.w3.org/2001/04/xmlenc#", "XML Encryption"),
    ("http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd", "WS-Security"),
];

/// The name and the octets of the document of a namespace.
pub(super) fn document(namespace: &str) -> Option<(&'static str, &'static [u8])> {
    DOCUMENTS.iter().find(|(known, ..)| *known == namespace).map(|(_, name, octets)| (*name, *octets))
}

/// Why a well-known namespace is not declared here.
pub(super) fn left_opaque(namespace: &str) -> Option<String> {
    let (_, name) = OPAQUE.iter().find(|(known, _)| *known == namespace)?;
    Some(format!("{name} is checked by the security layer and not mapped: to look into it, put its schema beside the one that imports it"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::Schemas;

    #[test]
    fn every_document_of_the_catalogue_loads() {
        for (namespace, name, octets) in DOCUMENTS {
            let loaded = Schemas::load(&[(name, octets)], &|_, _| None);
            let found = loaded.map(|schemas| schemas.elements().count() + schemas.global_attributes.len());
            assert!(matches!(found, Ok(1..)), "{name}: {found:?}");
            assert!(left_opaque(namespace).is_none(), "{namespace} is declared and left opaque");
        }
    }
}
