//! The messages of the audit service (urn:waybill:ws:audit:1).

use super::shape::empty;
use super::{Instant, Status};

shape! {
    /// Request.
    GetCheckpoint = "su" "GetCheckpoint" {}
    /// Answer: a signed note.
    GetCheckpointResponse = "su" "GetCheckpointResponse" {
        elements { "su" "Checkpoint" checkpoint: String }
    }
    /// Request.
    GetEntry = "su" "GetEntry" {
        elements { "su" "Index" index: u64 }
    }
    /// Answer: the leaf's octets in base64.
    GetEntryResponse = "su" "GetEntryResponse" {
        elements { "su" "Leaf" leaf: String }
    }
    /// Request.
    GetProof = "su" "GetProof" {
        elements { "su" "Index" index: u64, "su" "Size" size: Option<u64> }
    }
    /// Answer.
    GetProofResponse = "su" "GetProofResponse" {
        elements { "su" "Size" size: u64, "su" "Hash" hashes: Vec<String>, "su" "Proof" proof: Option<String> }
    }
    /// Request.
    GetConsistency = "su" "GetConsistency" {
        elements { "su" "From" from: u64, "su" "To" to: u64 }
    }
    /// Answer.
    GetConsistencyResponse = "su" "GetConsistencyResponse" {
        elements { "su" "Hash" hashes: Vec<String> }
    }
    /// Request.
    ListEntries = "su" "ListEntries" {
        elements {
            "su" "Kind" kind: Option<String>,
            "su" "Sector" sector: Option<String>,
            "su" "From" from: Option<Instant>,
            "su" "To" to: Option<Instant>,
            "su" "Cursor" cursor: Option<u64>,
            "su" "Limit" limit: Option<u64>,
        }
    }
    /// Answer.
    ListEntriesResponse = "su" "ListEntriesResponse" {
        elements { "su" "Entry" entries: Vec<LogEntry>, "su" "Next" next: Option<u64> }
    }
    /// Request: an evidence bundle.
    Pull = "su" "Pull" {
        elements {
            "su" "Sector" sector: Option<String>,
            "su" "Partner" partner: Option<String>,
            "su" "Sender" sender: Option<String>,
            "su" "Receiver" receiver: Option<String>,
            "su" "Resource" resource: Option<String>,
            "su" "Kind" kind: Option<String>,
            "su" "Status" status: Option<Status>,
            "su" "Purpose" purpose: Option<String>,
            "su" "From" from: Option<Instant>,
            "su" "To" to: Option<Instant>,
            "su" "Limit" limit: Option<u64>,
        }
    }
    /// Answer: the bundle's files, and until when, if it is a part.
    PullResponse = "su" "PullResponse" {
        elements { "su" "File" files: Vec<BundleFile>, "su" "Until" until: Option<Instant> }
    }
    /// su:File: a path below the bundle's directory, and the content in base64.
    BundleFile {
        attributes { "name" name: String }
        text content
    }
    /// su:Entry.
    LogEntry {
        attributes { "index" index: u64, "kind" kind: String, "time" time: Instant, "client" client: String, "outcome" outcome: String }
    }
}
