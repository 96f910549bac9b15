//! Metadata of a shared resource (urn:waybill:metadata:1).

use super::{DefinitionRef, Digest, Identifier, Instant, Period, Phrase};

shape! {
    /// What a resource is, who answers for it, how it is shared.
    Resource = "m" "Resource" {
        elements {
            "m" "ResourceId" resource_id: String,
            "m" "Name" names: Vec<Phrase>,
            "m" "Overview" overviews: Vec<Phrase>,
            "m" "Producer" producer: Agent,
            "m" "StorageLocation" storage_location: String,
            "m" "MediaType" media_type: String,
            "m" "Backup" backups: Vec<Backup>,
            "m" "Structure" structure: DefinitionRef,
            "m" "Term" terms: Vec<Term>,
            "m" "TypeCode" type_code: String,
            "m" "Classification" classifications: Vec<Identifier>,
            "m" "Keyword" keywords: Vec<String>,
            "m" "ShareType" share_type: String,
            "m" "ShareCondition" share_condition: Option<String>,
            "m" "ShareMode" share_mode: String,
            "m" "UpdateCycle" update_cycle: Option<String>,
            "m" "Published" published: Instant,
            "m" "Modified" modified: Option<Instant>,
            "m" "Validity" validity: Option<Period>,
            "m" "RecordCount" record_count: Option<u64>,
            "m" "PayloadDigest" payload_digest: Option<Digest>,
            "m" "Manager" manager: Agent,
            "m" "Owner" owners: Vec<Agent>,
            "m" "PolicyModified" policy_modified: bool,
            "m" "PolicyComplement" policy_complement: Option<String>,
            "m" "MetadataVersion" metadata_version: String,
            "m" "Maintainer" maintainer: Option<Agent>,
        }
    }
    /// A sector and its name.
    Agent {
        elements { "m" "Identifier" identifier: String, "m" "Name" names: Vec<Phrase> }
    }
    /// A copy of the resource.
    Backup {
        elements { "m" "Location" location: String, "m" "Digest" digest: Digest, "m" "At" at: Instant }
    }
    /// A metadata term: an element, what it means, its modifiers.
    Term {
        elements { "m" "Name" name: String, "m" "Definition" definitions: Vec<Phrase>, "m" "Modifier" modifiers: Vec<String> }
    }
}
