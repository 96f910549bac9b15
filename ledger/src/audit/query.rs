//! What a bundle was asked for: which records fit, and which streams hold all that could. The verifier asks again for itself.

use crate::body::{Content, Record};
use crate::record::{Head, Kind, Leaf, Outcome, StreamKind};
use xsd::time::Timestamp;

/// Which records are wanted; of what is set, everything must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    /// A sector as sender, issuer or producer, or as receiver.
    pub sector: Option<String>,
    /// The other party, beside `sector`.
    pub with: Option<String>,
    /// A sector as sender, issuer or producer.
    pub sender: Option<String>,
    /// A sector as receiver.
    pub receiver: Option<String>,
    /// A resource.
    pub what: Option<String>,
    /// A grant's id.
    pub grant: Option<String>,
    /// A kind of record.
    pub kind: Option<Kind>,
    /// A trade's status.
    pub status: Option<String>,
    /// A trade's purpose.
    pub purpose: Option<String>,
    /// `done`, or a refusal.
    pub outcome: Option<Outcome>,
    /// Ledger time from here on.
    pub from: Option<Timestamp>,
    /// Ledger time before this.
    pub to: Option<Timestamp>,
}

impl Query {
    /// Names and values in one order, as a manifest has them.
    #[must_use]
    pub fn pairs(&self) -> Vec<(String, String)> {
        let fields = [
            ("sector", self.sector.clone()),
            ("with", self.with.clone()),
            ("sender", self.sender.clone()),
            ("receiver", self.receiver.clone()),
            ("what", self.what.clone()),
            ("grant", self.grant.clone()),
            ("kind", self.kind.map(|kind| kind.code().to_owned())),
            ("status", self.status.clone()),
            ("purpose", self.purpose.clone()),
            ("outcome", self.outcome.map(|outcome| outcome.code().to_owned())),
            ("from", self.from.map(|from| from.to_string())),
            ("to", self.to.map(|to| to.to_string())),
        ];
        fields.into_iter().filter_map(|(name, value)| value.map(|value| (name.to_owned(), value))).collect()
    }

    /// Reads what [`Query::pairs`] gives, and nothing else.
    #[must_use]
    pub fn read(pairs: &[(String, String)]) -> Option<Self> {
        let mut query = Self::default();
        for (name, value) in pairs {
            let text = Some(value.clone());
            match name.as_str() {
                "sector" => query.sector = text,
                "with" => query.with = text,
                "sender" => query.sender = text,
                "receiver" => query.receiver = text,
                "what" => query.what = text,
                "grant" => query.grant = text,
                "kind" => query.kind = Some(Kind::from_code(value)?),
                "status" => query.status = text,
                "purpose" => query.purpose = text,
                "outcome" => query.outcome = Some(Outcome::from_code(value)?),
                "from" => query.from = Some(Timestamp::parse(value)?),
                "to" => query.to = Some(Timestamp::parse(value)?),
                _ => return None,
            }
        }
        (query.pairs() == pairs).then_some(query)
    }

    /// The streams in which every record that could fit stands; none when the query names no party, resource or grant.
    #[must_use]
    pub fn streams(&self) -> Vec<(StreamKind, String)> {
        let one = [
            (StreamKind::Grant, &self.grant),
            (StreamKind::Sender, &self.sender),
            (StreamKind::Receiver, &self.receiver),
            (StreamKind::Object, &self.what),
        ];
        if let Some((kind, Some(id))) = one.into_iter().find(|(_, id)| id.is_some()) {
            return vec![(kind, id.clone())];
        }
        let sector = self.sector.iter().flat_map(|id| [(StreamKind::Receiver, id.clone()), (StreamKind::Sender, id.clone())]);
        sector.collect()
    }

    /// Whether a time is in the period.
    #[must_use]
    pub fn covers(&self, time: Timestamp) -> bool {
        self.from.is_none_or(|from| from <= time) && self.to.is_none_or(|to| time < to)
    }

    /// Whether a leaf, with what was read of its body, answers the query.
    #[must_use]
    pub fn fits(&self, leaf: &Leaf, record: &Record) -> bool {
        let head =
            |kind, id: &Option<String>| id.as_ref().is_none_or(|id| leaf.heads.iter().any(|head| head.kind == kind && head.id == *id));
        let trade = match record.content() {
            Content::Trade(trade) => Some(trade),
            _ => None,
        };
        let says = |asked: &Option<String>, said: Option<&String>| asked.as_ref().is_none_or(|asked| said == Some(asked));
        self.covers(leaf.time)
            && self.between(&leaf.heads)
            && head(StreamKind::Sender, &self.sender)
            && head(StreamKind::Receiver, &self.receiver)
            && head(StreamKind::Object, &self.what)
            && head(StreamKind::Grant, &self.grant)
            && self.kind.is_none_or(|kind| kind == leaf.kind)
            && self.outcome.is_none_or(|outcome| outcome == leaf.outcome)
            && says(&self.status, trade.map(|trade| &trade.status))
            && says(&self.purpose, trade.map(|trade| &trade.terms.purpose))
    }

    /// The sector, and beside it the other one, are the parties.
    fn between(&self, heads: &[Head]) -> bool {
        let mut parties: Vec<&str> = heads.iter().filter(|head| is_party(head.kind)).map(|head| head.id.as_str()).collect();
        [&self.sector, &self.with].into_iter().flatten().all(|id| {
            let at = parties.iter().position(|party| party == id);
            at.map(|at| parties.swap_remove(at)).is_some()
        })
    }
}

fn is_party(kind: StreamKind) -> bool {
    matches!(kind, StreamKind::Sender | StreamKind::Receiver)
}
