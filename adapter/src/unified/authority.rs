//! Authority: grants, users, roles, assignments (urn:waybill:authority:1), and the messages of the authority service.

use super::{Instant, Period, Permission, Principal, Receipt};

tokens! {
    /// What a User record does to an account.
    UserAction {
        /// Opens it.
        Add = "add",
        /// Replaces class and certificates.
        Modify = "modify",
        /// Ends it.
        Delete = "delete",
    }
    /// What a Role record does.
    RoleAction {
        /// The role exists from here on.
        Define = "define",
        /// It gives nobody anything from here on.
        Retire = "retire",
    }
    /// What an Assignment record does.
    AssignmentAction {
        /// Gives the role for the period.
        Assign = "assign",
        /// Takes it at once.
        Withdraw = "withdraw",
    }
    /// The answer of CheckAuthority.
    Decision {
        /// A grant allows it.
        Permit = "permit",
        /// None does.
        Deny = "deny",
    }
}

shape! {
    /// The 4-tuple <Role, Operation object, Operation permission, Effective period>; `id` is the GrantId.
    Grant = "a" "Grant" {
        attributes { "id" id: String, "ledger" ledger: String }
        elements {
            "a" "Issuer" issuer: String,
            "a" "Role" role: Principal,
            "a" "Object" object: String,
            "a" "Permission" permissions: Vec<Permission>,
            "a" "Period" period: Period,
            "a" "Purpose" purposes: Vec<String>,
            "a" "Supersedes" supersedes: Option<String>,
        }
    }
    /// Ends a grant.
    Revocation = "a" "Revocation" {
        attributes { "id" id: String, "ledger" ledger: String }
        elements { "a" "Issuer" issuer: String, "a" "GrantRef" grant_ref: String, "a" "Reason" reason: String }
    }
    /// An account of the issuer.
    User = "a" "User" {
        attributes { "id" id: String, "ledger" ledger: String }
        elements {
            "a" "Issuer" issuer: String,
            "a" "Action" action: UserAction,
            "a" "UserId" user_id: String,
            "a" "Class" class: String,
            "a" "Certificate" certificates: Vec<String>,
        }
    }
    /// A role of the issuer.
    Role = "a" "Role" {
        attributes { "id" id: String, "ledger" ledger: String }
        elements { "a" "Issuer" issuer: String, "a" "Action" action: RoleAction, "a" "RoleName" role_name: String }
    }
    /// Who has which role of the issuer, and when.
    Assignment = "a" "Assignment" {
        attributes { "id" id: String, "ledger" ledger: String }
        elements {
            "a" "Issuer" issuer: String,
            "a" "Action" action: AssignmentAction,
            "a" "UserId" user_id: String,
            "a" "RoleName" role_name: String,
            "a" "Period" period: Period,
        }
    }

    /// Request.
    GiveGrant = "sa" "GiveGrant" {
        elements {
            "sa" "Role" role: Principal,
            "sa" "Object" object: String,
            "sa" "Permission" permissions: Vec<Permission>,
            "sa" "Period" period: Period,
            "sa" "Purpose" purposes: Vec<String>,
            "sa" "Supersedes" supersedes: Option<String>,
        }
    }
    /// Answer.
    GiveGrantResponse = "sa" "GiveGrantResponse" {
        elements { "sa" "GrantId" grant_id: String, "sa" "LeafIndex" leaf_index: u64, "r" "Receipt" receipt: Option<Receipt> }
    }
    /// Request.
    RevokeGrant = "sa" "RevokeGrant" {
        elements { "sa" "GrantId" grant_id: String, "sa" "Reason" reason: String }
    }
    /// Answer.
    RevokeGrantResponse = "sa" "RevokeGrantResponse" {
        elements { "sa" "RecordId" record_id: String, "sa" "LeafIndex" leaf_index: u64, "r" "Receipt" receipt: Option<Receipt> }
    }
    /// Request.
    ListGrants = "sa" "ListGrants" {
        elements {
            "sa" "Object" object: Option<String>,
            "sa" "Role" role: Option<Principal>,
            "sa" "Issuer" issuer: Option<String>,
            "sa" "At" at: Option<Instant>,
            "sa" "Cursor" cursor: Option<u64>,
            "sa" "Limit" limit: Option<u64>,
        }
    }
    /// Answer.
    ListGrantsResponse = "sa" "ListGrantsResponse" {
        elements { "sa" "Entry" entries: Vec<GrantEntry>, "sa" "Next" next: Option<u64> }
    }
    /// sa:Entry: a grant, its leaf and ledger time, and the leaf that ended it.
    GrantEntry {
        attributes { "index" index: u64, "time" time: Instant, "ended" ended: Option<u64> }
        elements { "a" "Grant" grant: Grant }
    }
    /// Request (W9, W10).
    CheckAuthority = "sa" "CheckAuthority" {
        elements {
            "sa" "User" user: Principal,
            "sa" "Object" object: String,
            "sa" "Permission" permission: Permission,
            "sa" "Purpose" purpose: String,
            "sa" "At" at: Option<Instant>,
        }
    }
    /// Answer (W11, W12).
    CheckAuthorityResponse = "sa" "CheckAuthorityResponse" {
        elements {
            "sa" "Decision" decision: Decision,
            "sa" "Reason" reason: Option<String>,
            "sa" "GrantId" grant_id: Option<String>,
            "sa" "Period" period: Option<Period>,
            "sa" "LeafIndex" leaf_index: Option<u64>,
            "r" "Receipt" receipt: Option<Receipt>,
        }
    }
    /// Request.
    DefineRole = "sa" "DefineRole" {
        elements { "sa" "RoleName" role_name: String }
    }
    /// Answer.
    DefineRoleResponse = "sa" "DefineRoleResponse" {
        elements { "sa" "RecordId" record_id: String, "sa" "LeafIndex" leaf_index: u64, "r" "Receipt" receipt: Option<Receipt> }
    }
    /// Request.
    RetireRole = "sa" "RetireRole" {
        elements { "sa" "RoleName" role_name: String }
    }
    /// Answer.
    RetireRoleResponse = "sa" "RetireRoleResponse" {
        elements { "sa" "RecordId" record_id: String, "sa" "LeafIndex" leaf_index: u64, "r" "Receipt" receipt: Option<Receipt> }
    }
    /// Request.
    AssignRole = "sa" "AssignRole" {
        elements { "sa" "UserId" user_id: String, "sa" "RoleName" role_name: String, "sa" "Period" period: Period }
    }
    /// Answer.
    AssignRoleResponse = "sa" "AssignRoleResponse" {
        elements { "sa" "RecordId" record_id: String, "sa" "LeafIndex" leaf_index: u64, "r" "Receipt" receipt: Option<Receipt> }
    }
    /// Request.
    WithdrawRole = "sa" "WithdrawRole" {
        elements { "sa" "UserId" user_id: String, "sa" "RoleName" role_name: String }
    }
    /// Answer.
    WithdrawRoleResponse = "sa" "WithdrawRoleResponse" {
        elements { "sa" "RecordId" record_id: String, "sa" "LeafIndex" leaf_index: u64, "r" "Receipt" receipt: Option<Receipt> }
    }
}
