//! How a type says its XML form once: the struct, its yaserde attributes, and its way back to a tree.

use std::io::Read;
use xsd::tree::{Element, QName};
use yaserde::__xml::reader::XmlEvent;
use yaserde::de::Deserializer;

/// The house's prefixes. The macro below repeats them, because an attribute takes nothing but literals.
const NAMESPACES: [(&str, &str); 15] = [
    ("a", "urn:waybill:authority:1"),
    ("b", "urn:waybill:business:1"),
    ("d", "urn:waybill:directory:1"),
    ("f", "urn:waybill:fault:1"),
    ("l", "urn:waybill:ledger:1"),
    ("m", "urn:waybill:metadata:1"),
    ("r", "urn:waybill:receipt:1"),
    ("sa", "urn:waybill:ws:authority:1"),
    ("sd", "urn:waybill:ws:directory:1"),
    ("sg", "urn:waybill:ws:governance:1"),
    ("sr", "urn:waybill:ws:registry:1"),
    ("st", "urn:waybill:ws:trading:1"),
    ("su", "urn:waybill:ws:audit:1"),
    ("t", "urn:waybill:trading:1"),
    ("xsi", super::XSI),
];

/// Namespaces of the house without a prefix of their own here.
const KNOWN: [&str; 2] = ["urn:waybill:common:1", "urn:waybill:mapping:1"];

/// The namespace of a prefix of the house; none for "".
#[must_use]
pub fn namespace(prefix: &str) -> &'static str {
    NAMESPACES.iter().find(|(house, _)| *house == prefix).map_or("", |(_, namespace)| namespace)
}

/// Whether a namespace is one of the house's that this version knows.
#[must_use]
pub fn is_known(namespace: &str) -> bool {
    NAMESPACES.iter().any(|(_, known)| *known == namespace) || KNOWN.contains(&namespace)
}

/// The house's prefix of a namespace; a namespace that is not the house's is written as the default one.
pub(super) fn prefix(namespace: &str) -> &'static str {
    NAMESPACES.iter().find(|(_, house)| *house == namespace).map_or("", |(prefix, _)| prefix)
}

/// What can stand in an element.
pub trait Content {
    /// Writes attributes and content into `element`.
    fn fill(&self, element: &mut Element);

    /// Writes itself as a child of `parent`.
    fn put(&self, prefix: &str, local: &str, parent: &mut Element) {
        let mut element = Element::new(prefix, QName::new(namespace(prefix), local));
        self.fill(&mut element);
        parent.push(element);
    }
}

impl Content for String {
    fn fill(&self, element: &mut Element) {
        element.push_text(self);
    }
}

impl Content for u64 {
    fn fill(&self, element: &mut Element) {
        element.push_text(&self.to_string());
    }
}

impl Content for bool {
    fn fill(&self, element: &mut Element) {
        element.push_text(if *self { "true" } else { "false" });
    }
}

impl<T: Content> Content for Option<T> {
    fn fill(&self, element: &mut Element) {
        self.iter().for_each(|content| content.fill(element));
    }

    fn put(&self, prefix: &str, local: &str, parent: &mut Element) {
        self.iter().for_each(|content| content.put(prefix, local, parent));
    }
}

impl<T: Content> Content for Vec<T> {
    fn fill(&self, element: &mut Element) {
        self.iter().for_each(|content| content.fill(element));
    }

    fn put(&self, prefix: &str, local: &str, parent: &mut Element) {
        self.iter().for_each(|content| content.put(prefix, local, parent));
    }
}

/// The value of an attribute, if there is one.
pub(super) trait AttributeValue {
    fn value(&self) -> Option<String>;
}

impl AttributeValue for String {
    fn value(&self) -> Option<String> {
        Some(self.clone())
    }
}

impl AttributeValue for Option<String> {
    fn value(&self) -> Option<String> {
        self.clone()
    }
}

impl AttributeValue for u64 {
    fn value(&self) -> Option<String> {
        Some(self.to_string())
    }
}

impl AttributeValue for super::Instant {
    fn value(&self) -> Option<String> {
        Some(self.to_string())
    }
}

impl AttributeValue for Option<u64> {
    fn value(&self) -> Option<String> {
        self.map(|number| number.to_string())
    }
}

/// The text of the element that comes next, its end left to the caller as yaserde's generated code expects.
pub(super) fn text_of<R: Read>(reader: &mut Deserializer<R>) -> yaserde::Result<String> {
    reader.next_event()?;
    if let XmlEvent::Characters(text) = reader.peek()? {
        let text = text.clone();
        reader.next_event()?;
        return Ok(text);
    }
    match reader.peek()? {
        XmlEvent::EndElement { .. } => Ok(String::new()),
        other => Err(yaserde::Error::custom(format!("text expected, not {other:?}"))),
    }
}

/// What a text content defaults to: an element without any text is an empty text.
pub(super) fn empty() -> String {
    String::new()
}

/// A type with `parse(&str) -> Option<Self>` and `Display` as the content of an element.
macro_rules! simple {
    ($type:ty) => {
        impl $crate::unified::Content for $type {
            fn fill(&self, element: &mut xsd::tree::Element) {
                element.push_text(&self.to_string());
            }
        }

        impl yaserde::YaDeserialize for $type {
            fn deserialize<R: std::io::Read>(reader: &mut yaserde::de::Deserializer<R>) -> yaserde::Result<Self> {
                let text = $crate::unified::shape::text_of(reader)?;
                <$type>::parse(&text).ok_or_else(|| yaserde::Error::custom(format!("{text:?} is no {}", stringify!($type))))
            }
        }
    };
}

/// Code lists.
macro_rules! tokens {
    ($($(#[$doc:meta])* $name:ident { $($(#[$token_doc:meta])* $token:ident = $text:literal,)* })*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum $name { $($(#[$token_doc])* $token,)* }

        impl $name {
            /// The code as it stands in documents.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$token => $text,)* }
            }

            /// The code of this text.
            #[must_use]
            pub fn parse(text: &str) -> Option<Self> {
                match text { $($text => Some(Self::$token),)* _ => None }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        simple!($name);
    )*};
}

/// Types by their XML form: attributes (`"name" field: type`), then a text or elements (`"prefix" "Name" field: type`) in the
/// order of the schema. `Name = "prefix" "Root"` is a document, `Name` alone a part of one.
macro_rules! shape {
    ($(
        $(#[$doc:meta])* $name:ident $(= $root_prefix:tt $root:tt)? {
            $(attributes { $($attribute_name:tt $attribute:ident: $attribute_type:ty),* $(,)? })?
            $(text $text:ident)?
            $(elements { $($prefix:tt $local:tt $field:ident: $type:ty),* $(,)? })?
        }
    )*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, yaserde::YaDeserialize)]
        #[yaserde(
            $(prefix = $root_prefix, rename = $root,)?
            namespaces = {
                "a" = "urn:waybill:authority:1", "b" = "urn:waybill:business:1", "d" = "urn:waybill:directory:1",
                "f" = "urn:waybill:fault:1", "l" = "urn:waybill:ledger:1", "m" = "urn:waybill:metadata:1",
                "r" = "urn:waybill:receipt:1", "sa" = "urn:waybill:ws:authority:1", "sd" = "urn:waybill:ws:directory:1",
                "sg" = "urn:waybill:ws:governance:1", "sr" = "urn:waybill:ws:registry:1", "st" = "urn:waybill:ws:trading:1",
                "su" = "urn:waybill:ws:audit:1", "t" = "urn:waybill:trading:1",
            }
        )]
        pub struct $name {
            $($(
                #[doc = concat!("Attribute `", $attribute_name, "`.")]
                #[yaserde(attribute = true, rename = $attribute_name)]
                pub $attribute: $attribute_type,
            )*)?
            $(
                #[doc = "The text."]
                #[yaserde(text = true, default = "empty")]
                pub $text: String,
            )?
            $($(
                #[doc = concat!("Element `", $prefix, ":", $local, "`.")]
                #[yaserde(prefix = $prefix, rename = $local)]
                pub $field: $type,
            )*)?
        }

        impl $crate::unified::Content for $name {
            #[allow(unused_variables, reason = "a message can be empty")]
            fn fill(&self, element: &mut xsd::tree::Element) {
                $($(
                    if let Some(value) = $crate::unified::shape::AttributeValue::value(&self.$attribute) {
                        element.set_attribute(xsd::tree::Attribute {
                            name: xsd::tree::QName::new("", $attribute_name),
                            prefix: "".into(),
                            value,
                        });
                    }
                )*)?
                $(element.push_text(&self.$text);)?
                $($($crate::unified::Content::put(&self.$field, $prefix, $local, element);)*)?
            }
        }

        $(
            impl $crate::unified::Document for $name {
                const ROOT: (&'static str, &'static str) = ($root_prefix, $root);
            }
        )?
    )*};
}
