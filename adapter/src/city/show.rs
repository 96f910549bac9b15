//! What the demo shows: the city set up, the fifteen steps, a granted, a denied and a partly answered request, the proof.

use super::plan::Member;
use crate::cli::audit::{self, Question};
use crate::cli::profile::Profile;
use crate::cli::session::{Failure, Session};
use crate::cli::{Filter, verbs};
use crate::config::Misconfigured;
use crate::steps::Step;
use crate::unified::authority::{AssignRole, AssignRoleResponse, DefineRole, DefineRoleResponse, GiveGrant, GiveGrantResponse};
use crate::unified::directory::PublishResponse;
use crate::unified::registry::{AddUser, AddUserResponse};
use crate::unified::trading::{Fetch, FetchResponse, Item, Locate, LocateResponse, TradeStatus, TradeStatusResponse};
use crate::unified::{Criterion, Document, FaultDetail, Instant, Period, Permission, Principal};
use ledger::checkpoint::Policy;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant as Stopwatch};

/// How long the nodes may take to elect a leader.
const READY: Duration = Duration::from_secs(20);
/// A year in milliseconds.
const YEAR: u64 = 365 * 86_400_000;
/// The main walk's purpose, which the health sector's grant is limited to.
const PURPOSE: &str = "medical-aid";
/// A purpose that the health sector does not allow.
const OTHER: &str = "registration-check";

/// What was shown.
pub(super) struct Shown {
    /// {id, ok, ms} of W1 to W15.
    pub(super) steps: Vec<Value>,
    /// {case, status, index}.
    pub(super) trades: Vec<Value>,
    /// {verified, checkpoint, size}.
    pub(super) proof: Value,
}

impl Shown {
    /// Whether everything is as the paper says.
    #[must_use]
    pub(super) fn ok(&self) -> bool {
        self.missing().is_empty()
    }

    /// What is not.
    #[must_use]
    pub(super) fn missing(&self) -> Vec<String> {
        let mut missing = Vec::new();
        for step in self.steps.iter().filter(|step| step["ok"] != json!(true)) {
            missing.push(format!("error[step]: {} left no trace in the process that should have taken it", step["id"]));
        }
        for (trade, status) in self.trades.iter().zip(["delivered", "delivered", "denied", "delivered", "denied"]) {
            if trade["status"] != json!(status) {
                missing.push(format!("error[trade]: {trade} should be {status}"));
            }
        }
        if self.proof.get("verified") != Some(&json!(true)) {
            missing.push(String::from("error[proof]: the evidence does not verify"));
        }
        missing
    }
}

struct City<'a> {
    dir: &'a Path,
    members: &'a [Member],
    mappings: &'a Path,
}

impl City<'_> {
    fn session(&self, sector: &str, user: &str) -> Result<Session, Failure> {
        Ok(Session::open(&Profile::load(&self.dir.join(sector).join(format!("{user}.toml")))?)?)
    }

    fn fingerprint(&self, sector: &str, user: &str) -> Result<String, Failure> {
        let path = self.dir.join(sector).join(format!("{user}.fingerprint"));
        Ok(String::from_utf8_lossy(&crate::config::file(&path)?).into_owned())
    }

    /// Waits until every node knows a leader and has a checkpoint.
    async fn ready(&self) -> Result<(), Failure> {
        let until = Stopwatch::now() + READY;
        for member in self.members {
            let session = self.session(member.id, "admin")?;
            loop {
                match session.get("/readyz").await {
                    Ok((200, _)) => break,
                    _ if Stopwatch::now() < until => tokio::time::sleep(Duration::from_millis(50)).await,
                    other => {
                        let log = member.dir(self.dir).join("log");
                        let seen =
                            other.map_or_else(|failure| failure.to_string(), |(_, body)| String::from_utf8_lossy(&body).into_owned());
                        return Err(Failure::DoesNotHold(vec![format!(
                            "error[start]: {} is not ready: {seen}; see {}",
                            member.id,
                            log.display()
                        )]));
                    }
                }
            }
        }
        Ok(())
    }

    /// Directory, users, roles and grants, each by the sector that owns them.
    async fn set_up(&self) -> Result<(), Failure> {
        for (sector, resource) in [("transport", "vehicle"), ("health", "visit"), ("civil", "household")] {
            let admin = self.session(sector, "admin")?;
            let publish = verbs::publication(&self.mappings.join(sector).join(format!("{resource}.metadata.xml")))?;
            let _published: PublishResponse = admin.call("directory", &publish).await?;
        }
        let now = crate::replica::now();
        let period = Period { not_before: Instant(now), not_after: Instant(now.plus_ms(YEAR)) };
        let civil = self.session("civil", "admin")?;
        let bureau = self.session("bureau", "admin")?;
        for (admin, sector, user, class) in
            [(&civil, "civil", "clerk", "official"), (&civil, "civil", "trainee", "official"), (&bureau, "bureau", "auditor", "auditor")]
        {
            let certificates = vec![self.fingerprint(sector, user)?];
            let add = AddUser { user_id: user.to_owned(), class: class.to_owned(), certificates };
            let _added: AddUserResponse = admin.call("registry", &add).await?;
        }
        let _defined: DefineRoleResponse = civil.call("authority", &DefineRole { role_name: String::from("clerk") }).await?;
        let assign = AssignRole { user_id: String::from("clerk"), role_name: String::from("clerk"), period: period.clone() };
        let _assigned: AssignRoleResponse = civil.call("authority", &assign).await?;
        for (sector, object, purposes) in [("transport", "transport/vehicle", vec![]), ("health", "health/visit", vec![PURPOSE.to_owned()])]
        {
            let grant = GiveGrant {
                role: Principal { authority: String::from("civil"), name: String::from("clerk") },
                object: object.to_owned(),
                permissions: vec![Permission::Read],
                period: period.clone(),
                purposes,
                supersedes: None,
            };
            let _given: GiveGrantResponse = self.session(sector, "admin")?.call("authority", &grant).await?;
        }
        Ok(())
    }

    /// W1 to W15 as the fifteen lines that the processes left in their logs.
    fn steps(&self, conversation: &str) -> Vec<Value> {
        let lines = |sector: &str| std::fs::read_to_string(self.dir.join(sector).join("log")).unwrap_or_default();
        let (transport, health, civil) = (lines("transport"), lines("health"), lines("civil"));
        let took = [
            (&civil, Step::Asked),
            (&civil, Step::Queried),
            (&civil, Step::LookedUp),
            (&civil, Step::Located),
            (&civil, Step::Told),
            (&civil, Step::Submitted),
            (&transport, Step::Ordered),
            (&health, Step::Ordered),
            (&transport, Step::AuthorityAsked),
            (&health, Step::AuthorityAsked),
            (&transport, Step::AuthorityAnswered),
            (&health, Step::AuthorityAnswered),
            (&transport, Step::Packed),
            (&health, Step::Packed),
            (&civil, Step::Returned),
        ];
        let found = took.iter().zip(1..).map(|((log, step), number)| {
            let us = log.lines().find_map(|line| micros(line, *step, conversation));
            json!({ "id": format!("W{number}"), "ok": us.is_some(), "ms": us.map(thousandths) })
        });
        found.collect()
    }
}

/// Thousandths of a unit as a number with three decimals.
pub(super) fn thousandths(number: u64) -> Value {
    serde_json::from_str(&format!("{}.{:03}", number / 1000, number % 1000)).unwrap_or(Value::Null)
}

fn micros(line: &str, step: Step, conversation: &str) -> Option<u64> {
    let field = |name: &str| {
        let value = line.split_once(&format!(" {name}="))?.1.split_whitespace().next()?;
        Some(value.trim_matches('"'))
    };
    (field("step")? == step.name() && field("conversation")? == conversation).then(|| field("us")?.parse().ok())?
}

/// Shows everything.
///
/// # Errors
/// The city cannot be set up, or a call that must succeed fails.
pub(super) async fn all(dir: &Path, members: &[Member], mappings: &Path, say: &impl Fn(&str)) -> Result<Shown, Failure> {
    let city = City { dir, members, mappings };
    city.ready().await?;
    say("Four nodes, one ledger: transport (A), health (B), civil affairs (C), and the Bureau as learner.");
    city.set_up().await?;
    say("Directory, users, roles and grants are on the ledger, each signed by the sector that owns it.");
    let clerk = city.session("civil", "clerk")?;
    let items = super::example()?;
    let item = |resource: &str| Item {
        resource: resource.to_owned(),
        criteria: items
            .iter()
            .filter(|(of, _, _)| *of == resource)
            .map(|(_, field, value)| Criterion { field: (*field).to_owned(), value: value.clone() })
            .collect(),
    };
    let resources = vec![String::from("transport/vehicle"), String::from("health/visit"), String::from("energy/meter")];
    let located: LocateResponse = clerk.call("trading", &Locate { conversation_id: None, resources }).await?;
    for location in &located.locations {
        match &location.place {
            Some(place) => say(&format!("  {} is in {} at {} ({})", location.resource, place.sector, place.server, place.title)),
            None => say(&format!("  {} is Null: nobody shares it", location.resource)),
        }
    }
    let conversation = located.conversation_id;
    let request = Fetch {
        conversation_id: Some(conversation.clone()),
        purpose: PURPOSE.to_owned(),
        items: vec![item("transport/vehicle"), item("health/visit")],
    };
    let fetched: FetchResponse = clerk.call("trading", &request).await?;
    let mut trades = Vec::new();
    granted(&fetched, say, &mut trades);
    denied(&city, item("transport/vehicle"), say, &mut trades).await?;
    partial(&clerk, vec![item("transport/vehicle"), item("health/visit")], say, &mut trades).await?;
    let proof = prove(&city, say).await?;
    let steps = city.steps(&conversation);
    for step in &steps {
        let number = step["id"].as_str().and_then(|id| id.strip_prefix('W')?.parse::<usize>().ok()).unwrap_or(1);
        let words = WORDS.get(number - 1).copied().unwrap_or_default();
        say(&format!("  {:<4} {:>8} ms  {words}", step["id"].as_str().unwrap_or_default(), step["ms"].to_string()));
    }
    Ok(Shown { steps, trades, proof })
}

/// The steps in the words of the paper, and how each crosses processes.
const WORDS: [&str; 15] = [
    "C's user asks its adapter for info X and info Y (SOAP over mutual TLS)",
    "TS sends the query to DS (in process)",
    "DS looks X and Y up in the directory chain (in process)",
    "DS returns the locations to TS (in process)",
    "TS returns the locations to Sector C (SOAP reply)",
    "C's user submits the requests with the user ID (SOAP over mutual TLS)",
    "TS sends the request for X to Sector A (signed SOAP)",
    "TS sends the request for Y to Sector B (signed SOAP)",
    "Sector A queries AM by user ID (in process)",
    "Sector B queries AM by user ID (in process)",
    "AM answers A: the user can Read Only X in Tstart-Tend (in process)",
    "AM answers B: the user can Read Only Y in Tstart-Tend (in process)",
    "A packs X with its metadata and returns it (signed SOAP)",
    "B packs Y with its metadata and returns it (signed SOAP)",
    "TS returns the packets to C; the trades are on the ledger (SOAP reply)",
];

fn granted(fetched: &FetchResponse, say: &impl Fn(&str), trades: &mut Vec<Value>) {
    for result in &fetched.results {
        let records = result.packet.as_ref().map_or(0, |packet| packet.records.records.len());
        let index = result.receipt.as_ref().map(|receipt| receipt.leaf_index);
        say(&format!("granted: {} {} with {records} record(s){}", result.resource, result.status, leaf(index)));
        trades.push(json!({ "case": "granted", "status": result.status.to_string(), "index": index }));
    }
}

fn leaf(index: Option<u64>) -> String {
    index.map_or_else(String::new, |index| format!(", leaf {index}"))
}

async fn denied(city: &City<'_>, item: Item, say: &impl Fn(&str), trades: &mut Vec<Value>) -> Result<(), Failure> {
    let trainee = city.session("civil", "trainee")?;
    let request = Fetch { conversation_id: None, purpose: PURPOSE.to_owned(), items: vec![item] };
    let answer: Result<FetchResponse, Failure> = trainee.call("trading", &request).await;
    let Err(Failure::Fault(received)) = answer else {
        return Err(Failure::DoesNotHold(vec![String::from("error[denied]: a user without a grant was not refused")]));
    };
    let trade = received.detail.iter().find_map(|entry| FaultDetail::of(entry).ok()).and_then(|detail| detail.trade_id).unwrap_or_default();
    let recorded: TradeStatusResponse = trainee.call("trading", &TradeStatus { trade_id: trade }).await?;
    say(&format!("denied: {}; on record{}", received.text, leaf(recorded.leaf_index)));
    trades.push(json!({ "case": "denied", "status": recorded.status.map(|status| status.to_string()), "index": recorded.leaf_index }));
    Ok(())
}

async fn partial(clerk: &Session, items: Vec<Item>, say: &impl Fn(&str), trades: &mut Vec<Value>) -> Result<(), Failure> {
    let request = Fetch { conversation_id: None, purpose: OTHER.to_owned(), items };
    let answered: FetchResponse = clerk.call("trading", &request).await?;
    for result in &answered.results {
        let index = result.receipt.as_ref().map(|receipt| receipt.leaf_index);
        say(&format!("partial: {} {}{}", result.resource, result.status, leaf(index)));
        trades.push(json!({ "case": "partial", "status": result.status.to_string(), "index": index }));
    }
    Ok(())
}

/// Pulls the evidence from the Bureau's node as its auditor, and verifies it offline against the policy of the genesis.
async fn prove(city: &City<'_>, say: &impl Fn(&str)) -> Result<Value, Failure> {
    let auditor = city.session("bureau", "auditor")?;
    let filter = Filter { sender: None, receiver: None, what: None, status: None, from: None, to: None };
    let question = Question { sector: Some(String::from("civil")), with: None, kind: None, purpose: None, filter };
    let bundle = audit::pull(&auditor, &question).await?;
    let dir: PathBuf = city.dir.join("evidence");
    audit::write_bundle(&dir, bundle)?;
    let genesis = ledger::record::Entry::decode(&crate::config::file(&city.dir.join("genesis"))?);
    let request = genesis.and_then(ledger::body::Request::read).map_err(|verdict| Misconfigured::Value(verdict.to_string()))?;
    let ledger::body::Content::Genesis(founded) = request.content() else {
        return Err(Failure::Garbled(String::from("the genesis is none")));
    };
    let policy = Policy::of_genesis(request.ledger(), founded);
    crate::pki::write_public(&city.dir.join("policy"), policy.text().as_bytes())?;
    crate::pki::write_public(&city.dir.join("genesis.fingerprint"), ledger::tree::Hash::of(request.entry().body()).to_string().as_bytes())?;
    let report =
        ledger::audit::verify(&dir, &ledger::audit::Trust::Policy(policy)).map_err(|error| Misconfigured::File(dir.clone(), error))?;
    let size = report.checkpoint.as_ref().map_or(0, |checkpoint| checkpoint.size);
    let checkpoint = std::fs::read_to_string(dir.join("checkpoint")).unwrap_or_default();
    let verified = report.problems.is_empty();
    say(&format!(
        "proof: {} entries of civil, pulled from the Bureau, {} offline under a checkpoint of {} leaves",
        report.entries,
        if verified { "verify" } else { "DO NOT verify" },
        size
    ));
    Ok(json!({ "verified": verified, "checkpoint": checkpoint, "size": size }))
}
