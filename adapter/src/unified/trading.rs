//! Trading: orders and trades (urn:waybill:trading:1), and the messages of the trading service.

#![allow(non_snake_case, reason = "yaserde names a variable after the field `where_`")]

use super::business::Records;
use super::metadata::Resource;
use super::shape::{Content, text_of};
use super::{Criterion, Instant, MendedBy, PartySignature, Principal, Receipt, Status, XSI};
use std::io::Read;
use xsd::tree::Element;
use yaserde::__xml::reader::XmlEvent;
use yaserde::YaDeserialize;
use yaserde::de::Deserializer;

tokens! {
    /// How far the ledger is with a record (named after Fabric's and CCF's promises).
    State {
        /// Never seen here.
        Unknown = "UNKNOWN",
        /// Proposed, not committed.
        Pending = "PENDING",
        /// On the ledger.
        Committed = "COMMITTED",
        /// Will never be on it.
        Invalid = "INVALID",
    }
}

shape! {
    /// What the receiver's adapter signs before anything moves; `id` is the trade's.
    Order = "t" "Order" {
        attributes { "id" id: String, "ledger" ledger: String }
        elements {
            "t" "ConversationId" conversation_id: String,
            "t" "Sender" sender: String,
            "t" "Receiver" receiver: String,
            "t" "User" user: Principal,
            "t" "Resource" resource: String,
            "t" "Selection" selection: String,
            "t" "Purpose" purpose: String,
            "t" "Requested" requested: Instant,
        }
    }
    /// One trade record: Who, What, Where, When, How.
    Trade = "t" "Trade" {
        attributes { "id" id: String, "ledger" ledger: String }
        elements {
            "t" "ConversationId" conversation_id: String,
            "t" "Who" who: Who,
            "t" "What" what: What,
            "t" "Where" where_: Where,
            "t" "When" when: When,
            "t" "How" how: How,
            "t" "Evidence" evidence: Option<Evidence>,
        }
    }
    /// t:Who.
    Who {
        elements { "t" "Sender" sender: String, "t" "Receiver" receiver: String, "t" "User" user: Principal }
    }
    /// t:What; digests are salted.
    What {
        elements {
            "t" "Resource" resource: String,
            "t" "Record" records: Vec<String>,
            "t" "Digest" digest: Option<String>,
            "t" "Size" size: u64,
            "t" "Mapping" mapping: Option<MappingRef>,
        }
    }
    /// t:Mapping.
    MappingRef {
        attributes { "id" id: String, "version" version: String, "sha256" sha256: String }
    }
    /// t:Where.
    Where {
        elements { "t" "Server" server: String, "t" "Service" service: String, "t" "Operation" operation: String }
    }
    /// t:When; the recorded time is the leaf's.
    When {
        elements {
            "t" "Requested" requested: Instant,
            "t" "Authorised" authorised: Option<Instant>,
            "t" "Packed" packed: Option<Instant>,
        }
    }
    /// t:How.
    How {
        elements {
            "t" "Status" status: Status,
            "t" "Token" tokens: Vec<Token>,
            "t" "GrantRef" grant_ref: Option<String>,
            "t" "Fault" fault: Option<String>,
            "t" "Purpose" purpose: String,
        }
    }
    /// t:Token.
    Token {
        attributes { "id" id: String, "digest" digest: String, "state" state: String }
    }
    /// The receiver's order and its signature.
    Evidence {
        elements { "t" "Order" order: Order, "t" "Signature" signature: PartySignature }
    }

    /// Request (W1).
    Locate = "st" "Locate" {
        elements { "st" "ConversationId" conversation_id: Option<String>, "st" "Resource" resources: Vec<String> }
    }
    /// Answer (W5).
    LocateResponse = "st" "LocateResponse" {
        elements { "st" "ConversationId" conversation_id: String, "st" "Location" locations: Vec<Location> }
    }
    /// Where one resource is: the content of st:Location when it is not nil.
    Place {
        elements {
            "st" "Sector" sector: String,
            "st" "Server" server: String,
            "st" "EntryIndex" entry_index: u64,
            "st" "Title" title: String,
        }
    }
    /// Request (W6).
    Fetch = "st" "Fetch" {
        elements {
            "st" "ConversationId" conversation_id: Option<String>,
            "st" "Purpose" purpose: String,
            "st" "Item" items: Vec<Item>,
        }
    }
    /// One requested item: a trade of its own.
    Item {
        elements { "st" "Resource" resource: String, "st" "Criterion" criteria: Vec<Criterion> }
    }
    /// Answer (W15).
    FetchResponse = "st" "FetchResponse" {
        elements { "st" "ConversationId" conversation_id: String, "st" "Result" results: Vec<Outcome> }
    }
    /// st:Result: what became of one item.
    Outcome {
        elements {
            "st" "Resource" resource: String,
            "st" "TradeId" trade_id: Option<String>,
            "st" "Status" status: Status,
            "st" "Packet" packet: Option<Packet>,
            "st" "Fault" fault: Option<Refusal>,
            "r" "Receipt" receipt: Option<Receipt>,
        }
    }
    /// st:Fault: why an item was not delivered.
    Refusal {
        elements {
            "st" "Code" code: String,
            "st" "Reason" reason: String,
            "st" "Retry" retry: bool,
            "st" "MendedBy" mended_by: MendedBy,
        }
    }
    /// Records, metadata, and the trade record that both sides signed.
    Packet {
        elements {
            "st" "Salt" salt: String,
            "b" "Records" records: Records,
            "m" "Resource" metadata: Resource,
            "t" "Trade" trade: Trade,
            "st" "Signature" signatures: Vec<PartySignature>,
        }
    }
    /// Request between adapters (W7, W8).
    PlaceOrder = "st" "PlaceOrder" {
        elements {
            "t" "Order" order: Order,
            "st" "Signature" signature: PartySignature,
            "st" "Salt" salt: String,
            "st" "Criterion" criteria: Vec<Criterion>,
        }
    }
    /// The offer.
    PlaceOrderResponse = "st" "PlaceOrderResponse" {
        elements { "t" "Trade" trade: Trade, "st" "Signature" signature: PartySignature }
    }
    /// The countersignature.
    AcceptOffer = "st" "AcceptOffer" {
        elements { "st" "TradeId" trade_id: String, "st" "Signature" signature: PartySignature }
    }
    /// Answer (W13, W14).
    AcceptOfferResponse = "st" "AcceptOfferResponse" {
        elements { "st" "Packet" packet: Packet, "r" "Receipt" receipt: Receipt }
    }
    /// Request.
    TradeStatus = "st" "TradeStatus" {
        elements { "st" "TradeId" trade_id: String }
    }
    /// Answer.
    TradeStatusResponse = "st" "TradeStatusResponse" {
        elements { "st" "State" state: State, "st" "LeafIndex" leaf_index: Option<u64>, "st" "Status" status: Option<Status> }
    }
    /// Request: of every filter that is given, one of its values.
    #[derive(Default)]
    History = "st" "History" {
        elements {
            "st" "Sender" sender: Vec<String>,
            "st" "Receiver" receiver: Vec<String>,
            "st" "User" user: Vec<Principal>,
            "st" "Resource" resource: Vec<String>,
            "st" "Grant" grant: Vec<String>,
            "st" "Server" server: Vec<String>,
            "st" "Service" service: Vec<String>,
            "st" "Operation" operation: Vec<String>,
            "st" "From" from: Option<Instant>,
            "st" "To" to: Option<Instant>,
            "st" "Status" status: Vec<Status>,
            "st" "Purpose" purpose: Vec<String>,
            "st" "Conversation" conversation: Vec<String>,
            "st" "Cursor" cursor: Option<u64>,
            "st" "LatestFirst" latest_first: Option<bool>,
            "st" "Limit" limit: Option<u64>,
        }
    }
    /// Answer.
    HistoryResponse = "st" "HistoryResponse" {
        elements { "st" "Entry" entries: Vec<TradeEntry>, "st" "Next" next: Option<u64>, "st" "Previous" previous: Option<u64> }
    }
    /// st:Entry: a trade, its leaf and ledger time.
    TradeEntry {
        attributes { "index" index: u64, "time" time: Instant }
        elements { "t" "Trade" trade: Trade }
    }
}

/// The answer for one resource; without a place it is xsi:nil, the paper's Null.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Location {
    /// Attribute `resource`.
    pub resource: String,
    /// Where it is.
    pub place: Option<Place>,
}

impl Content for Location {
    fn fill(&self, element: &mut Element) {
        element.set_attribute(xsd::tree::Attribute {
            name: xsd::tree::QName::new("", "resource"),
            prefix: "".into(),
            value: self.resource.clone(),
        });
        match &self.place {
            Some(place) => place.fill(element),
            None => super::set_nil(element),
        }
    }
}

/// By hand, because yaserde turns xsi:nil into empty content.
impl YaDeserialize for Location {
    fn deserialize<R: Read>(reader: &mut Deserializer<R>) -> yaserde::Result<Self> {
        let XmlEvent::StartElement { attributes, .. } = reader.peek()? else {
            return Err(yaserde::Error::custom("st:Location expected"));
        };
        let value = |namespace: Option<&str>, local: &str| {
            let found = attributes.iter().find(|a| a.name.namespace.as_deref() == namespace && a.name.local_name == local);
            found.map(|attribute| attribute.value.clone())
        };
        let resource = value(None, "resource").ok_or_else(|| yaserde::Error::custom("st:Location without resource"))?;
        let place = match value(Some(XSI), "nil") {
            Some(_) => text_of(reader).map(|_| None)?,
            None => Some(Place::deserialize(reader)?),
        };
        Ok(Self { resource, place })
    }
}
