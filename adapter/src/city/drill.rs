//! What the demo breaks on purpose: the leader is killed in the middle of a trade, and nothing that was answered is lost.

use super::plan::Member;
use super::processes::Processes;
use super::show::thousandths;
use crate::cli::profile::Profile;
use crate::cli::session::{Failure, Session};
use crate::unified::Criterion;
use crate::unified::trading::{Fetch, FetchResponse, Item, State, TradeStatus, TradeStatusResponse};
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// Clerks that trade at once.
const CLERKS: usize = 3;
/// Trades that are answered before the kill, and again after it.
const TRADES: usize = 5;
/// How long anything here may take.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

/// What a drill showed.
pub(super) struct Drilled {
    /// For `--json`.
    pub(super) document: Value,
    /// What does not hold.
    pub(super) missing: Vec<String>,
}

/// A trade that was answered with its receipt.
#[derive(Clone, Debug)]
struct Answered {
    trade: String,
    index: u64,
    begun: Instant,
    ended: Instant,
}

/// The city, and where its files are.
pub(super) struct City<'a> {
    pub(super) dir: &'a Path,
    pub(super) members: &'a [Member],
}

impl City<'_> {
    fn session(&self, sector: &str, user: &str) -> Result<Session, Failure> {
        Ok(Session::open(&Profile::load(&self.dir.join(sector).join(format!("{user}.toml")))?)?)
    }

    /// What a node says of itself, if it answers.
    async fn standing(&self, sector: &str) -> Option<Value> {
        let (_, body) = self.session(sector, "admin").ok()?.get("/readyz").await.ok()?;
        serde_json::from_slice(&body).ok()
    }

    /// The member whose node leads, by what the others say.
    async fn leader(&self) -> Option<&Member> {
        for member in self.members {
            let seen = self.standing(member.id).await.and_then(|seen| seen.get("leader")?.as_u64());
            if let Some(member) = (1_u64..).zip(self.members).find(|(node, _)| Some(*node) == seen).map(|(_, member)| member) {
                return Some(member);
            }
        }
        None
    }

    /// Waits until all nodes hold the same leaves: how many, and their root.
    pub(super) async fn settled(&self) -> Option<(u64, String)> {
        let until = Instant::now() + PATIENCE;
        while Instant::now() < until {
            let mut seen = Vec::new();
            for member in self.members {
                let standing = self.standing(member.id).await;
                seen.push(standing.and_then(|seen| {
                    Some((seen.get("published")?.as_u64()?, seen.get("leaves")?.as_u64()?, seen.get("root")?.as_str()?.to_owned()))
                }));
            }
            if let Some(Some((published, leaves, root))) = seen.first().cloned()
                && published == leaves
                && seen.iter().all(|other| other.as_ref().is_some_and(|other| other.1 == leaves && other.2 == root))
            {
                return Some((leaves, root));
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        None
    }
}

/// Clerks of civil affairs who ask for one resource over and over.
struct Traffic {
    clerks: JoinSet<Vec<Answered>>,
    stop: Arc<AtomicBool>,
    answered: Arc<AtomicU64>,
    in_flight: Arc<AtomicU64>,
}

impl Traffic {
    fn start(city: &City<'_>, item: &Item) -> Result<Self, Failure> {
        let mut traffic = Self { clerks: JoinSet::new(), stop: Arc::default(), answered: Arc::default(), in_flight: Arc::default() };
        for _ in 0..CLERKS {
            let clerk = Clerk {
                session: city.session("civil", "clerk")?,
                item: item.clone(),
                stop: Arc::clone(&traffic.stop),
                answered: Arc::clone(&traffic.answered),
                in_flight: Arc::clone(&traffic.in_flight),
            };
            traffic.clerks.spawn(clerk.work());
        }
        Ok(traffic)
    }

    /// Waits until so many more trades were answered.
    async fn wait_for(&self, more: usize) -> Result<(), Failure> {
        let wanted = self.answered.load(Ordering::Relaxed) + more as u64;
        let until = Instant::now() + PATIENCE;
        while self.answered.load(Ordering::Relaxed) < wanted {
            if Instant::now() > until {
                return Err(Failure::DoesNotHold(vec![format!("error[trades]: fewer than {more} trades were answered in {PATIENCE:?}")]));
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        Ok(())
    }

    async fn end(mut self) -> Vec<Answered> {
        self.stop.store(true, Ordering::Relaxed);
        let mut trades = Vec::new();
        while let Some(done) = self.clerks.join_next().await {
            trades.extend(done.unwrap_or_default());
        }
        trades
    }
}

struct Clerk {
    session: Session,
    item: Item,
    stop: Arc<AtomicBool>,
    answered: Arc<AtomicU64>,
    in_flight: Arc<AtomicU64>,
}

impl Clerk {
    async fn work(self) -> Vec<Answered> {
        let mut trades = Vec::new();
        while !self.stop.load(Ordering::Relaxed) {
            self.in_flight.fetch_add(1, Ordering::Relaxed);
            let answered = self.trade().await;
            self.in_flight.fetch_sub(1, Ordering::Relaxed);
            self.answered.fetch_add(u64::from(answered.is_some()), Ordering::Relaxed);
            trades.extend(answered);
        }
        trades
    }

    /// One trade. Without a receipt nobody was promised anything: the clerk asks again.
    async fn trade(&self) -> Option<Answered> {
        let begun = Instant::now();
        let request = Fetch { conversation_id: None, purpose: String::from("medical-aid"), items: vec![self.item.clone()] };
        let fetched: FetchResponse = self.session.call("trading", &request).await.ok()?;
        let result = fetched.results.into_iter().next()?;
        Some(Answered { trade: result.trade_id?, index: result.receipt?.leaf_index, begun, ended: Instant::now() })
    }
}

/// `waybill demo kill`.
///
/// # Errors
/// The city cannot be reached, or no trade is answered any more.
pub(super) async fn kill(dir: &Path, members: &[Member], processes: &mut Processes, say: &impl Fn(&str)) -> Result<Drilled, Failure> {
    let city = City { dir, members };
    let leader = lead_away(&city, processes).await?;
    // The clerk's own gateway lives on, and so does the provider's: what dies is the node that orders their records.
    let resource = if leader.id == "transport" { "health/visit" } else { "transport/vehicle" };
    let criteria = super::example()?.into_iter().filter(|(of, _, _)| *of == resource);
    let criteria = criteria.map(|(_, field, value)| Criterion { field: field.to_owned(), value }).collect();
    let traffic = Traffic::start(&city, &Item { resource: resource.to_owned(), criteria })?;
    traffic.wait_for(TRADES).await?;
    while traffic.in_flight.load(Ordering::Relaxed) == 0 {
        tokio::task::yield_now().await;
    }
    let in_flight = traffic.in_flight.load(Ordering::Relaxed);
    let killed = Instant::now();
    processes.kill(leader.id).await?;
    say(&format!("{} led, and was killed with {in_flight} trade(s) of civil under way.", leader.id));
    traffic.wait_for(TRADES).await?;
    let next = city.leader().await.filter(|next| next.id != leader.id).map(|next| next.id);
    processes.start_again(leader.dir(dir).as_path(), leader.id)?;
    traffic.wait_for(TRADES).await?;
    let trades = traffic.end().await;
    let first = trades.iter().filter(|trade| trade.begun > killed).map(|trade| trade.ended).min();
    let pause = first.map(|first| u64::try_from((first - killed).as_micros()).unwrap_or(u64::MAX));
    let before = trades.iter().filter(|trade| trade.ended < killed).count();
    say(&format!(
        "{} trades were answered before and {} after; the next whole trade was done {} ms after the kill, under {}.",
        before,
        trades.len() - before,
        pause.map_or_else(|| String::from("?"), |us| (us / 1000).to_string()),
        next.unwrap_or("?")
    ));
    let mut missing = Vec::new();
    let settled = city.settled().await;
    if settled.is_none() {
        missing.push(String::from("error[nodes]: the nodes do not hold the same leaves"));
    }
    let lost = lost(&city, &trades).await?;
    missing.extend(lost.iter().map(|(node, trade)| format!("error[lost]: {node} does not have trade {trade}, which was answered")));
    if let Some((leaves, root)) = &settled {
        say(&format!(
            "{} has caught up: all four nodes hold the same {leaves} leaves, root {root}; {} answered trades are lost.",
            leader.id,
            lost.len()
        ));
    }
    let document = json!({
        "ok": missing.is_empty(), "drill": "kill", "killed": leader.id, "leads": next, "in_flight": in_flight,
        "answered_before": before, "answered_after": trades.len() - before, "next_trade_ms": pause.map(thousandths),
        "lost": lost.len(), "leaves": settled.as_ref().map(|(leaves, _)| leaves), "root": settled.as_ref().map(|(_, root)| root),
    });
    Ok(Drilled { document, missing })
}

/// The member whose node leads, when one does.
///
/// # Errors
/// None in time.
pub(super) async fn leader<'a>(city: &City<'a>) -> Result<&'a Member, Failure> {
    let until = Instant::now() + PATIENCE;
    while Instant::now() < until {
        let leads = city.leader().await.map(|leader| leader.id);
        match city.members.iter().find(|member| Some(member.id) == leads) {
            Some(leader) => return Ok(leader),
            None => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
    Err(Failure::DoesNotHold(vec![String::from("error[leader]: the city has no leader")]))
}

/// The leader, after civil's node, if it was that one, has handed the lead over.
async fn lead_away<'a>(city: &City<'a>, processes: &mut Processes) -> Result<&'a Member, Failure> {
    loop {
        let leads = leader(city).await?;
        if leads.id != "civil" {
            return Ok(leads);
        }
        processes.end(leads.id).await?;
        processes.start_again(leads.dir(city.dir).as_path(), leads.id)?;
        city.settled().await;
    }
}

/// Which node does not have which of the answered trades at the index of its receipt.
async fn lost(city: &City<'_>, trades: &[Answered]) -> Result<Vec<(&'static str, String)>, Failure> {
    let mut lost = Vec::new();
    for member in city.members {
        let session = city.session(member.id, "admin")?;
        for trade in trades {
            let seen: TradeStatusResponse = session.call("trading", &TradeStatus { trade_id: trade.trade.clone() }).await?;
            if seen.state != State::Committed || seen.leaf_index != Some(trade.index) {
                lost.push((member.id, trade.trade.clone()));
            }
        }
    }
    Ok(lost)
}
