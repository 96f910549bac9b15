//! Business data: records, selections, definitions (urn:waybill:business:1).

use super::shape::empty;
use super::{Criterion, DefinitionRef, Digest, Identifier, Phrase};

tokens! {
    /// Whether a definition is of fields or of files.
    Kind {
        /// Fields.
        Structured = "structured",
        /// Files.
        Unstructured = "unstructured",
    }
}

shape! {
    /// The content of a trade packet.
    Records = "b" "Records" {
        elements { "b" "Record" records: Vec<Record> }
    }
    /// One record of a sector in the form that all sectors share.
    Record = "b" "Record" {
        elements {
            "b" "RecordId" record_id: Identifier,
            "b" "DefinitionRef" definition_ref: DefinitionRef,
            "b" "SourceSector" source_sector: Identifier,
            "b" "OccurredAt" occurred_at: String,
            "b" "Subject" subjects: Vec<Subject>,
            "b" "Value" values: Vec<Value>,
            "b" "Attachment" attachments: Vec<Attachment>,
            "b" "Validity" validity: Option<Validity>,
        }
    }
    /// Whom or what a record is about: one of the three.
    Subject {
        attributes { "role" role: String }
        elements {
            "b" "Person" person: Option<Person>,
            "b" "LegalEntity" legal_entity: Option<LegalEntity>,
            "b" "Thing" thing: Option<Thing>,
        }
    }
    /// b:Person.
    Person {
        elements {
            "b" "Name" name: String,
            "b" "Identifier" identifiers: Vec<Identifier>,
            "b" "BirthDate" birth_date: Option<String>,
            "b" "Sex" sex: Option<String>,
            "b" "Address" address: Option<String>,
        }
    }
    /// b:LegalEntity.
    LegalEntity {
        elements { "b" "Name" name: String, "b" "Identifier" identifiers: Vec<Identifier>, "b" "Address" address: Option<String> }
    }
    /// b:Thing.
    Thing {
        elements { "b" "Name" name: Option<String>, "b" "Identifier" identifiers: Vec<Identifier> }
    }
    /// A field of the definition and its value.
    Value {
        attributes { "field" field: String, "code" code: Option<String>, "unit" unit: Option<String> }
        text text
    }
    /// b:Attachment.
    Attachment {
        elements {
            "b" "MediaType" media_type: String,
            "b" "Size" size: u64,
            "b" "Digest" digest: Digest,
            "b" "Href" href: String,
        }
    }
    /// From the first day to the last, both inside.
    Validity {
        elements { "b" "From" from: Option<String>, "b" "Until" until: Option<String> }
    }
    /// Which records of a resource are asked for.
    Selection = "b" "Selection" {
        attributes { "resource" resource: String }
        elements { "b" "Criterion" criteria: Vec<Criterion> }
    }
    /// The dictionary of one resource: fields, or the form of files.
    Definition = "b" "Definition" {
        attributes { "id" id: String, "version" version: String }
        elements {
            "b" "Title" titles: Vec<Phrase>,
            "b" "Kind" kind: Kind,
            "b" "Field" fields: Vec<Field>,
            "b" "Unstructured" unstructured: Option<Unstructured>,
        }
    }
    /// Name, type, length, content and description of a field.
    Field {
        elements {
            "b" "Name" name: String,
            "b" "Type" xs_type: String,
            "b" "Length" length: Option<Length>,
            "b" "Content" content: Option<ValueDomain>,
            "b" "Description" descriptions: Vec<Phrase>,
            "b" "Sensitivity" sensitivity: String,
            "b" "ModelReference" model_references: Vec<String>,
        }
    }
    /// b:Length.
    Length {
        attributes { "max" max: Option<u64>, "digits" digits: Option<u64>, "scale" scale: Option<u64> }
    }
    /// b:Content: what values there are.
    ValueDomain {
        attributes { "codeList" code_list: Option<String>, "pattern" pattern: Option<String>, "unit" unit: Option<String> }
    }
    /// Format, coding, resolution and frames per second of files.
    Unstructured {
        elements {
            "b" "Format" format: String,
            "b" "Coding" coding: Option<String>,
            "b" "Resolution" resolution: Option<Resolution>,
            "b" "FrameRate" frame_rate: Option<String>,
        }
    }
    /// b:Resolution.
    Resolution {
        attributes { "width" width: u64, "height" height: u64, "dpi" dpi: Option<u64> }
    }
}
