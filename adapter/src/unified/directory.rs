//! The directory: entries and inquiries (urn:waybill:directory:1), and the messages of the directory service.

use super::metadata::Resource;
use super::{Instant, Phrase, Principal, Receipt};

tokens! {
    /// Whether a resource can be had.
    EntryStatus {
        /// It can.
        Active = "active",
        /// Not for now.
        Suspended = "suspended",
        /// No more.
        Withdrawn = "withdrawn",
    }
}

shape! {
    /// Where a resource is.
    Entry = "d" "Entry" {
        attributes { "id" id: String, "ledger" ledger: String }
        elements {
            "d" "Resource" resource: String,
            "d" "Metadata" metadata: String,
            "d" "Producer" producer: String,
            "d" "Timestamp" timestamp: Instant,
            "d" "Format" format: String,
            "d" "Content" content: EntryContent,
            "d" "AccessPath" access_paths: Vec<AccessPath>,
            "d" "Server" servers: Vec<String>,
            "d" "Catalog" catalogs: Vec<String>,
            "d" "Status" status: EntryStatus,
            "d" "Supersedes" supersedes: Option<String>,
        }
    }
    /// d:Content.
    EntryContent {
        elements { "d" "Title" titles: Vec<Phrase>, "d" "Keyword" keywords: Vec<String> }
    }
    /// d:AccessPath.
    AccessPath {
        elements {
            "d" "Service" service: String,
            "d" "Operation" operation: String,
            "d" "Endpoint" endpoint: String,
            "d" "Version" version: String,
        }
    }
    /// A look into the directory, on record; `id` is the conversation.
    Inquiry = "d" "Inquiry" {
        attributes { "id" id: String, "ledger" ledger: String }
        elements {
            "d" "Sector" sector: String,
            "d" "User" user: Principal,
            "d" "Resource" resources: Vec<String>,
            "d" "Asked" asked: Instant,
        }
    }

    /// Request.
    Publish = "sd" "Publish" {
        elements { "m" "Resource" metadata: Resource, "sd" "Catalog" catalogs: Vec<String> }
    }
    /// Answer.
    PublishResponse = "sd" "PublishResponse" {
        elements { "sd" "EntryId" entry_id: String, "sd" "LeafIndex" leaf_index: u64, "r" "Receipt" receipt: Option<Receipt> }
    }
    /// Request.
    Search = "sd" "Search" {
        elements {
            "sd" "Text" text: Option<String>,
            "sd" "Producer" producer: Option<String>,
            "sd" "Catalog" catalog: Option<String>,
            "sd" "Cursor" cursor: Option<u64>,
            "sd" "Limit" limit: Option<u64>,
        }
    }
    /// Answer.
    SearchResponse = "sd" "SearchResponse" {
        elements { "sd" "Found" found: Vec<Found>, "sd" "Next" next: Option<u64> }
    }
    /// sd:Found: an entry, its leaf and ledger time, and the metadata where it is held.
    Found {
        attributes { "index" index: u64, "time" time: Instant }
        elements { "d" "Entry" entry: Entry, "m" "Resource" metadata: Option<Resource> }
    }
    /// Request.
    Show = "sd" "Show" {
        elements { "sd" "Resource" resource: String }
    }
    /// Answer; `None` is the paper's Null.
    ShowResponse = "sd" "ShowResponse" {
        elements { "sd" "Found" found: Option<Found> }
    }
    /// Request.
    Withdraw = "sd" "Withdraw" {
        elements { "sd" "Resource" resource: String }
    }
    /// Answer.
    WithdrawResponse = "sd" "WithdrawResponse" {
        elements { "sd" "EntryId" entry_id: String, "sd" "LeafIndex" leaf_index: u64, "r" "Receipt" receipt: Option<Receipt> }
    }
}
