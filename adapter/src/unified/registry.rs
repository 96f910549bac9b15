//! The messages of the registry service (urn:waybill:ws:registry:1).

use super::authority::{Assignment, Role, User};
use super::{Instant, Phrase, Principal, Receipt};

shape! {
    /// Request.
    AddUser = "sr" "AddUser" {
        elements { "sr" "UserId" user_id: String, "sr" "Class" class: String, "sr" "Certificate" certificates: Vec<String> }
    }
    /// Answer.
    AddUserResponse = "sr" "AddUserResponse" {
        elements { "sr" "RecordId" record_id: String, "sr" "LeafIndex" leaf_index: u64, "r" "Receipt" receipt: Option<Receipt> }
    }
    /// Request.
    ModifyUser = "sr" "ModifyUser" {
        elements { "sr" "UserId" user_id: String, "sr" "Class" class: String, "sr" "Certificate" certificates: Vec<String> }
    }
    /// Answer.
    ModifyUserResponse = "sr" "ModifyUserResponse" {
        elements { "sr" "RecordId" record_id: String, "sr" "LeafIndex" leaf_index: u64, "r" "Receipt" receipt: Option<Receipt> }
    }
    /// Request.
    DeleteUser = "sr" "DeleteUser" {
        elements { "sr" "UserId" user_id: String }
    }
    /// Answer.
    DeleteUserResponse = "sr" "DeleteUserResponse" {
        elements { "sr" "RecordId" record_id: String, "sr" "LeafIndex" leaf_index: u64, "r" "Receipt" receipt: Option<Receipt> }
    }
    /// Request.
    QueryUser = "sr" "QueryUser" {
        elements { "sr" "User" user: Principal }
    }
    /// Answer; `None`: no such account.
    QueryUserResponse = "sr" "QueryUserResponse" {
        elements { "sr" "Entry" entry: Option<UserEntry> }
    }
    /// sr:Entry.
    UserEntry {
        attributes { "index" index: u64, "time" time: Instant }
        elements { "a" "User" user: User }
    }
    /// Request.
    ViewRelationships = "sr" "ViewRelationships" {
        elements { "sr" "Sector" sector: String, "sr" "UserId" user_id: Option<String> }
    }
    /// Answer.
    ViewRelationshipsResponse = "sr" "ViewRelationshipsResponse" {
        elements { "a" "User" users: Vec<User>, "a" "Role" roles: Vec<Role>, "a" "Assignment" assignments: Vec<Assignment> }
    }
    /// Request.
    ListSectors = "sr" "ListSectors" {}
    /// Answer.
    ListSectorsResponse = "sr" "ListSectorsResponse" {
        elements { "sr" "Sector" sectors: Vec<Sector> }
    }
    /// A member of the ledger.
    Sector {
        attributes { "id" id: String, "node" node: u64, "role" role: String, "suffrage" suffrage: String }
        elements {
            "sr" "Name" names: Vec<Phrase>,
            "sr" "RecordKey" record_key: String,
            "sr" "NodeKey" node_key: String,
            "sr" "Service" service: String,
        }
    }
}
