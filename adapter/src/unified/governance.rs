//! Governance: proposals, ballots and key records of the ledger (urn:waybill:ledger:1), and the messages of the governance service.

use super::shape::empty;
use super::{Instant, Phrase, Receipt};

tokens! {
    /// A member's voice.
    Voice {
        /// For it.
        Yes = "yes",
        /// Against it.
        No = "no",
    }
    /// How a proposal ended.
    Ending {
        /// It took effect.
        Accepted = "accepted",
        /// It cannot be accepted any more.
        Rejected = "rejected",
        /// Its proposer took it back.
        Withdrawn = "withdrawn",
        /// It was not possible any more when it was decided.
        Void = "void",
    }
}

shape! {
    /// l:Proposal, with one action: the rest are none.
    Proposal = "l" "Proposal" {
        attributes { "id" id: String, "ledger" ledger: String }
        elements {
            "l" "Proposer" proposer: String,
            "l" "Reason" reason: String,
            "l" "AddMember" add_member: Option<NewMember>,
            "l" "RemoveMember" remove_member: Option<Whom>,
            "l" "ReplaceNode" replace_node: Option<NewNode>,
            "l" "Suffrage" suffrage: Option<Suffrage>,
            "l" "Quorum" quorum: Option<u64>,
            "l" "Rules" rules: Option<Rules>,
            "l" "RevokeKey" revoke_key: Option<RevokeKey>,
            "l" "Stop" stop: Option<Nothing>,
            "l" "Resume" resume: Option<Nothing>,
            "l" "Epoch" epoch: Option<u64>,
        }
    }
    /// l:Member, as a document of its own what a new member says of itself.
    NewMember = "l" "AddMember" {
        attributes { "id" id: String, "node" node: u64, "role" role: String, "suffrage" suffrage: String }
        elements {
            "l" "Name" names: Vec<Phrase>,
            "l" "RecordKey" record_key: String,
            "l" "NodeKey" node_key: String,
            "l" "TlsCertificate" tls_certificate: String,
            "l" "MessageCertificate" message_certificate: String,
            "l" "Administrator" administrator: String,
            "l" "Service" service: String,
            "l" "Peer" peer: String,
        }
    }
    /// A member by its name.
    Whom {
        attributes { "id" id: String }
    }
    /// Another node for a member, as a document of its own what the member says of it.
    NewNode = "l" "ReplaceNode" {
        attributes { "id" id: String, "node" node: u64 }
        elements {
            "l" "NodeKey" node_key: String,
            "l" "TlsCertificate" tls_certificate: String,
            "l" "Service" service: String,
            "l" "Peer" peer: String,
        }
    }
    /// voter or learner.
    Suffrage {
        attributes { "id" id: String }
        text suffrage
    }
    /// What proposals need, all of them.
    Rules {
        elements { "l" "Rule" rules: Vec<Rule> }
    }
    /// l:Rule: how many of whom.
    Rule {
        attributes { "role" role: Option<String>, "threshold" threshold: String }
        elements { "l" "Organization" organizations: Vec<String> }
    }
    /// A key that is not to be trusted any more.
    RevokeKey {
        attributes { "id" id: String }
        elements { "l" "Revoked" revoked: String, "l" "Successor" successor: Option<String> }
    }
    /// An action without particulars.
    Nothing {}
    /// l:Ballot.
    Ballot = "l" "Ballot" {
        attributes { "id" id: String, "ledger" ledger: String }
        elements { "l" "Voter" voter: String, "l" "Proposal" proposal: String, "l" "Vote" vote: Voice }
    }
    /// l:Key.
    Key = "l" "Key" {
        attributes { "id" id: String, "ledger" ledger: String }
        elements {
            "l" "Member" member: String,
            "l" "RecordKey" record_key: Option<ProvenKey>,
            "l" "NodeKey" node_key: Option<ProvenKey>,
            "l" "TlsCertificate" tls_certificate: Option<String>,
            "l" "MessageCertificate" message_certificate: Option<String>,
        }
    }
    /// l:Refusal.
    RefusalRecord = "l" "Refusal" {
        attributes { "id" id: String, "ledger" ledger: String }
        elements { "l" "Sector" sector: String, "l" "Account" account: String, "l" "Verdict" verdict: String, "l" "Digest" digest: String }
    }
    /// A new key, and its signature over the statement of FORMAT.md in base64.
    ProvenKey {
        attributes { "proof" proof: String }
        text key
    }
    /// Request.
    Propose = "sg" "Propose" {
        elements { "l" "Proposal" proposal: Proposal }
    }
    /// Answer.
    ProposeResponse = "sg" "ProposeResponse" {
        elements {
            "sg" "RecordId" record_id: String,
            "sg" "LeafIndex" leaf_index: u64,
            "sg" "Ending" ending: Option<Ending>,
            "r" "Receipt" receipt: Option<Receipt>,
        }
    }
    /// Request.
    Vote = "sg" "Vote" {
        elements { "l" "Ballot" ballot: Ballot }
    }
    /// Answer.
    VoteResponse = "sg" "VoteResponse" {
        elements {
            "sg" "RecordId" record_id: String,
            "sg" "LeafIndex" leaf_index: u64,
            "sg" "Ending" ending: Option<Ending>,
            "r" "Receipt" receipt: Option<Receipt>,
        }
    }
    /// Request.
    ListProposals = "sg" "ListProposals" {
        elements {
            "sg" "ProposalId" proposal_id: Option<String>,
            "sg" "Open" open: Option<bool>,
            "sg" "Cursor" cursor: Option<u64>,
            "sg" "Limit" limit: Option<u64>,
        }
    }
    /// Answer.
    ListProposalsResponse = "sg" "ListProposalsResponse" {
        elements { "sg" "Entry" entries: Vec<ProposalEntry>, "sg" "Next" next: Option<u64> }
    }
    /// sg:Entry.
    ProposalEntry {
        attributes { "decided" decided: Option<u64>, "ending" ending: Option<String>, "index" index: u64, "time" time: Instant }
        elements { "l" "Proposal" proposal: Proposal, "sg" "Voice" voices: Vec<MemberVoice> }
    }
    /// Whose voice, and which.
    MemberVoice {
        attributes { "member" member: String }
        text voice
    }
    /// Request.
    ShowGovernance = "sg" "ShowGovernance" {}
    /// Answer.
    ShowGovernanceResponse = "sg" "ShowGovernanceResponse" {
        elements {
            "sg" "Origin" origin: String,
            "sg" "Stopped" stopped: bool,
            "sg" "Quorum" quorum: u64,
            "sg" "HighestNode" highest_node: u64,
            "sg" "Changed" changed: u64,
            "sg" "Rule" rules: Vec<Rule>,
            "sg" "Member" members: Vec<MemberEntry>,
        }
    }
    /// sg:Member.
    MemberEntry {
        attributes { "id" id: String, "node" node: u64, "role" role: String, "suffrage" suffrage: String }
        elements {
            "sg" "Service" service: String,
            "sg" "Peer" peer: String,
            "sg" "TlsCertificate" tls_certificate: String,
            "sg" "MessageCertificate" message_certificate: String,
        }
    }
    /// Request.
    PrepareKey = "sg" "PrepareKey" {}
    /// Answer.
    PrepareKeyResponse = "sg" "PrepareKeyResponse" {
        elements { "sg" "RecordKey" record_key: String }
    }
    /// Request.
    RotateKey = "sg" "RotateKey" {}
    /// Answer.
    RotateKeyResponse = "sg" "RotateKeyResponse" {
        elements {
            "sg" "RecordId" record_id: String,
            "sg" "LeafIndex" leaf_index: u64,
            "sg" "RecordKey" record_key: String,
            "r" "Receipt" receipt: Option<Receipt>,
        }
    }
    /// Request.
    ListKeys = "sg" "ListKeys" {
        elements { "sg" "Member" member: Option<String> }
    }
    /// Answer.
    ListKeysResponse = "sg" "ListKeysResponse" {
        elements { "sg" "Held" held: Vec<HeldKeys> }
    }
    /// sg:Held.
    HeldKeys {
        attributes { "from" from: u64, "member" member: String, "until" until: Option<u64> }
        elements { "sg" "RecordKey" record_key: Option<String>, "sg" "NodeKey" node_key: String }
    }
}
