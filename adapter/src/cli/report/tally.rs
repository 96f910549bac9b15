//! What an auditor counts: who asked what of whom, what was given and what was not, by which grants, and what nobody answered.

use ledger::body::{Content, Grant, Record, Trade};
use ledger::record::{Leaf, Outcome};
use std::collections::{BTreeMap, BTreeSet};
use xsd::time::Timestamp;

/// One trade as it stands on the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) index: u64,
    pub(super) time: Timestamp,
    pub(super) trade: Trade,
    /// What the ledger made of it: a refused one counts for nothing.
    pub(super) outcome: Outcome,
}

impl Line {
    fn counts(&self) -> bool {
        self.outcome == Outcome::Done
    }

    fn given(&self) -> bool {
        self.counts() && self.trade.status == "delivered"
    }
}

/// Sender, receiver, resource, purpose and month, as 2026-11.
pub(super) type Subject = [String; 5];

/// How often.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) permitted: u64,
    pub(super) denied: u64,
    /// Not found, failed, timed out.
    pub(super) other: u64,
    /// Refused by the ledger.
    pub(super) refused: u64,
}

/// A grant and what was done by it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Given {
    pub(super) index: u64,
    pub(super) grant: Grant,
    /// When it was revoked or replaced, and the leaf that did it.
    pub(super) ended: Option<(Timestamp, u64)>,
    pub(super) uses: u64,
    /// Leaves of trades that were delivered by it before, after or beside what it allows.
    pub(super) outside: Vec<u64>,
}

/// Something asked for of which no trade is on record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Unanswered {
    pub(super) index: u64,
    pub(super) time: Timestamp,
    pub(super) sector: String,
    pub(super) user: String,
    pub(super) resource: String,
}

/// The whole count.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally {
    pub(super) kinds: BTreeMap<&'static str, u64>,
    pub(super) trades: Vec<Line>,
    pub(super) counts: BTreeMap<Subject, Counts>,
    /// Of each sector, how often it gave and received.
    pub(super) shares: BTreeMap<String, (u64, u64)>,
    pub(super) grants: BTreeMap<String, Given>,
    /// Leaves of delivered trades whose grant is not among the records.
    pub(super) unknown_grants: BTreeMap<String, Vec<u64>>,
    pub(super) ungranted: Vec<u64>,
    pub(super) unanswered: Vec<Unanswered>,
    /// Leaves of offers that nobody accepted in time.
    pub(super) lapsed: Vec<u64>,
}

impl Tally {
    /// Counts leaves that were verified, in the ledger's order.
    pub(super) fn of(leaves: &[(Leaf, Record)]) -> Self {
        let mut tally = Self::default();
        for (leaf, record) in leaves {
            *tally.kinds.entry(leaf.kind.code()).or_default() += 1;
            tally.take(leaf, record);
        }
        tally.trade_by_trade();
        tally.inquiries(leaves);
        tally
    }

    fn take(&mut self, leaf: &Leaf, record: &Record) {
        let done = leaf.outcome == Outcome::Done;
        match record.content() {
            Content::Grant(grant) if done => {
                if let Some(old) = grant.supersedes.as_ref().and_then(|old| self.grants.get_mut(old)) {
                    old.ended = Some((leaf.time, leaf.index));
                }
                let given = Given { index: leaf.index, grant: grant.clone(), ended: None, uses: 0, outside: Vec::new() };
                self.grants.insert(record.id().to_owned(), given);
            }
            Content::Revocation(revocation) if done => {
                if let Some(given) = self.grants.get_mut(&revocation.grant) {
                    given.ended = Some((leaf.time, leaf.index));
                }
            }
            Content::Trade(trade) => {
                self.trades.push(Line { index: leaf.index, time: leaf.time, trade: (**trade).clone(), outcome: leaf.outcome });
            }
            _ => {}
        }
    }

    fn trade_by_trade(&mut self) {
        for line in &self.trades {
            let terms = &line.trade.terms;
            let month = line.time.to_string().chars().take(7).collect();
            let subject = [terms.sender.clone(), terms.receiver.clone(), terms.resource.clone(), terms.purpose.clone(), month];
            let counts = self.counts.entry(subject).or_default();
            match line.trade.status.as_str() {
                _ if !line.counts() => counts.refused += 1,
                "delivered" => counts.permitted += 1,
                "denied" => counts.denied += 1,
                _ => counts.other += 1,
            }
            if line.counts() && line.trade.status == "timed-out" {
                self.lapsed.push(line.index);
            }
            if !line.given() {
                continue;
            }
            self.shares.entry(terms.sender.clone()).or_default().0 += 1;
            self.shares.entry(terms.receiver.clone()).or_default().1 += 1;
            let Some(id) = &line.trade.grant else {
                self.ungranted.push(line.index);
                continue;
            };
            let Some(given) = self.grants.get_mut(id) else {
                self.unknown_grants.entry(id.clone()).or_default().push(line.index);
                continue;
            };
            given.uses += 1;
            if !allows(given, line) {
                given.outside.push(line.index);
            }
        }
    }

    /// An inquiry's id is the conversation of the trades that answer it.
    fn inquiries(&mut self, leaves: &[(Leaf, Record)]) {
        let answered: BTreeSet<(&str, &str)> =
            self.trades.iter().map(|line| (line.trade.terms.conversation.as_str(), line.trade.terms.resource.as_str())).collect();
        for (leaf, record) in leaves {
            let Content::Inquiry(inquiry) = record.content() else { continue };
            for resource in inquiry.resources.iter().filter(|resource| !answered.contains(&(record.id(), resource))) {
                self.unanswered.push(Unanswered {
                    index: leaf.index,
                    time: leaf.time,
                    sector: inquiry.sector.clone(),
                    user: inquiry.user.to_string(),
                    resource: resource.clone(),
                });
            }
        }
    }
}

/// Whether a delivery lies inside its grant: the resource, the issuer, the purpose, and the period, whose start is inside and whose end is not.
fn allows(given: &Given, line: &Line) -> bool {
    let (grant, terms) = (&given.grant, &line.trade.terms);
    given.index < line.index
        && terms.resource == grant.object
        && grant.issuer == terms.sender
        && (grant.purposes.is_empty() || grant.purposes.contains(&terms.purpose))
        && grant.period.start <= line.time
        && line.time < grant.period.end
        && given.ended.is_none_or(|(_, leaf)| line.index < leaf)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ledger::body::{Period, Permission, Principal, Terms};
    use ledger::record::Refusal;

    const MARCH: Timestamp = Timestamp(1_772_323_200_000);

    fn grant(purposes: &[&str]) -> Given {
        let grant = Grant {
            issuer: String::from("transport"),
            role: Principal { authority: String::from("civil"), name: String::from("clerk") },
            object: String::from("transport/vehicle"),
            permissions: BTreeSet::from([Permission::Read]),
            period: Period { start: MARCH, end: MARCH.plus_ms(1000) },
            purposes: purposes.iter().map(|purpose| (*purpose).to_owned()).collect(),
            supersedes: None,
        };
        Given { index: 5, grant, ended: None, uses: 0, outside: Vec::new() }
    }

    fn line(index: u64, after_ms: u64, status: &str, grant: Option<&str>) -> Line {
        let user = Principal { authority: String::from("civil"), name: String::from("wang") };
        let terms = Terms {
            id: format!("trade-{index}"),
            ledger: String::from("city.example/main/1"),
            conversation: format!("conversation-{index}"),
            sender: String::from("transport"),
            receiver: String::from("civil"),
            user,
            resource: String::from("transport/vehicle"),
            purpose: String::from("inquiry"),
            requested: MARCH,
        };
        let trade = Trade { terms, status: status.to_owned(), grant: grant.map(str::to_owned), packed: false, evidence: None };
        Line { index, time: MARCH.plus_ms(after_ms), trade, outcome: Outcome::Done }
    }

    #[test]
    fn a_use_outside_of_a_grant_is_seen_at_the_boundary() {
        let within = |given: &Given, index, after_ms| allows(given, &line(index, after_ms, "delivered", Some("grant")));
        let open = grant(&[]);
        assert!(within(&open, 6, 0) && within(&open, 6, 999), "the start is inside");
        assert!(!within(&open, 6, 1000), "the end is not");
        assert!(!within(&open, 4, 10), "before it was given");
        let revoked = Given { ended: Some((MARCH, 9)), ..grant(&[]) };
        assert!(within(&revoked, 8, 10) && !within(&revoked, 10, 10), "by the place on the ledger");
        assert!(within(&grant(&["inquiry"]), 6, 1) && !within(&grant(&["medical-aid"]), 6, 1));
        let mut below = grant(&[]);
        below.grant.object = String::from("transport/veh");
        assert!(!within(&below, 6, 1), "another resource whose name begins the same");
    }

    #[test]
    fn every_trade_is_counted_once() {
        let refused = Line { outcome: Outcome::Refused(Refusal::KeyRevoked), ..line(13, 40, "delivered", Some("grant")) };
        let lines = vec![
            line(7, 10, "delivered", Some("grant")),
            line(8, 1000, "delivered", Some("grant")),
            line(9, 20, "denied", None),
            line(10, 20, "timed-out", None),
            line(11, 30, "delivered", Some("elsewhere")),
            line(12, 30, "delivered", None),
            refused,
        ];
        let mut tally = Tally { trades: lines, grants: BTreeMap::from([(String::from("grant"), grant(&[]))]), ..Tally::default() };
        tally.trade_by_trade();
        let subject = ["transport", "civil", "transport/vehicle", "inquiry", "2026-03"].map(str::to_owned);
        assert_eq!(tally.counts, BTreeMap::from([(subject, Counts { permitted: 4, denied: 1, other: 1, refused: 1 })]));
        let given = tally.grants.get("grant").map(|given| (given.uses, given.outside.clone()));
        assert_eq!(given, Some((2, vec![8])));
        assert_eq!((tally.ungranted, tally.lapsed), (vec![12], vec![10]));
        assert_eq!(tally.unknown_grants, BTreeMap::from([(String::from("elsewhere"), vec![11])]));
        assert_eq!(tally.shares, BTreeMap::from([(String::from("transport"), (4, 0)), (String::from("civil"), (0, 4))]));
    }
}
