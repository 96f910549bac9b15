//! The verbs of `govern`, `key` and `brake`: what the members decide, the keys they hold, and the emergency stop.

use crate::cli::session::{Failure, Session};
use crate::cli::{Caller, Output, print, verbs};
use crate::config::{Config, Misconfigured, file};
use crate::keyring::Keyring;
use crate::unified::Document;
use crate::unified::governance::{
    Ballot, Ending, ListKeys, ListKeysResponse, ListProposals, ListProposalsResponse, NewMember, NewNode, Nothing, PrepareKey, Proposal,
    ProposalEntry, Propose, ProposeResponse, RevokeKey, RotateKey, Rule, Rules, ShowGovernance, ShowGovernanceResponse, Suffrage, Voice,
    Vote, VoteResponse, Whom,
};
use crate::unified::registry::{ListSectors, ListSectorsResponse};
use clap::{Args, Subcommand};
use ledger::record::{Entry, PartySignature};
use std::path::{Path, PathBuf};
use xsd::tree::Element;

/// Verbs of `govern`.
#[derive(Debug, Subcommand)]
pub enum Govern {
    /// Proposes a change in this sector's name, which counts as its vote for it.
    Propose {
        /// The record of it.
        #[command(flatten)]
        record: Record,
        /// Why: a code.
        #[arg(long, default_value = "agreed", global = true)]
        reason: String,
        /// What.
        #[command(subcommand)]
        change: Change,
    },
    /// Gives this sector's voice on a proposal: yes or no. The proposer's no withdraws it.
    Vote {
        /// The record of it.
        #[command(flatten)]
        record: Record,
        /// The proposal's id.
        proposal: String,
        /// yes or no.
        #[arg(value_parser = voice)]
        voice: Voice,
    },
    /// Signs this sector's voice on a proposal into a file, where its node is lost: another sector hands it in.
    ///
    /// Example: waybill govern sign --config city/civil/waybill.toml 8c1b…e2 yes civil.ballot
    Sign {
        /// The configuration of the sector's node, whose record key signs.
        #[arg(long, env = "WAYBILL_CONFIG")]
        config: PathBuf,
        /// The proposal's id.
        proposal: String,
        /// yes or no.
        #[arg(value_parser = voice)]
        voice: Voice,
        /// The file to write.
        to: PathBuf,
    },
    /// Puts another sector's signed voice on record, through the own node.
    HandIn {
        /// Who asks whom: an administrator his own node.
        #[command(flatten)]
        caller: Caller,
        /// What `govern sign` wrote.
        ballot: PathBuf,
    },
    /// Lists proposals and the voices on them, oldest first.
    List {
        /// Who asks whom.
        #[command(flatten)]
        caller: Caller,
        /// Only those that are open.
        #[arg(long)]
        open: bool,
    },
    /// Prints one proposal and the voices on it.
    Show {
        /// Who asks whom.
        #[command(flatten)]
        caller: Caller,
        /// The proposal's id.
        proposal: String,
    },
    /// Says what the members have agreed on: members, nodes, rules, quorum, epoch, and whether the brake is pulled.
    Status {
        /// Who asks whom.
        #[command(flatten)]
        caller: Caller,
    },
}

/// Verbs of `key`: the keys that sign the sectors' records.
#[derive(Debug, Subcommand)]
pub enum Key {
    /// Replaces this sector's record key; its node goes on without a restart, and what was signed before stays valid.
    Rotate {
        /// Who asks whom.
        #[command(flatten)]
        caller: Caller,
    },
    /// Makes this sector's next record key on its node and prints it, for others to name as a successor.
    Prepare {
        /// Who asks whom.
        #[command(flatten)]
        caller: Caller,
    },
    /// Proposes that a member's record key or node key is not to be trusted any more.
    Revoke {
        /// The record of it.
        #[command(flatten)]
        record: Record,
        /// Why: a code.
        #[arg(long, default_value = "compromised")]
        reason: String,
        /// Whose.
        member: String,
        /// The key; without it, the member's record key.
        key: Option<String>,
        /// The key instead of it, as `key prepare` prints it; a node key needs one.
        #[arg(long)]
        successor: Option<String>,
    },
    /// Lists the keys that members hold and held, and from which leaf to which.
    List {
        /// Who asks whom.
        #[command(flatten)]
        caller: Caller,
        /// Only this member's.
        member: Option<String>,
    },
}

/// Verbs of `brake`.
#[derive(Debug, Subcommand)]
pub enum Brake {
    /// Stops the ledger at once: only governance, keys, revocations, logs and refusals take effect any more.
    Pull {
        /// Who asks whom.
        #[command(flatten)]
        caller: Caller,
        /// Why: a code.
        #[arg(long, default_value = "emergency")]
        reason: String,
    },
    /// Proposes that the ledger goes on, or votes for it where another member has proposed it.
    Release {
        /// Who asks whom.
        #[command(flatten)]
        caller: Caller,
        /// Why: a code.
        #[arg(long, default_value = "over")]
        reason: String,
    },
}

/// What becomes a record.
#[derive(Clone, Debug, Args)]
pub struct Record {
    /// Who asks whom.
    #[command(flatten)]
    pub caller: Caller,
    /// The record's id, a UUID: sent again with the same id, it is the same record.
    #[arg(long)]
    pub id: Option<String>,
}

/// A change that can be proposed.
#[derive(Clone, Debug, Subcommand)]
pub enum Change {
    /// A new member, as the card says that `ledger member card` printed on its node.
    AddMember {
        /// The card, XML.
        card: PathBuf,
    },
    /// A member leaves.
    RemoveMember {
        /// Who.
        member: String,
    },
    /// Another node for a member whose disk is lost, as the card says that `ledger member card --replace` printed.
    ReplaceNode {
        /// The card, XML.
        card: PathBuf,
    },
    /// Whether a member's node votes in Raft.
    Suffrage {
        /// Whose.
        member: String,
        /// voter or learner.
        #[arg(value_parser = ["voter", "learner"])]
        suffrage: String,
    },
    /// How many nodes must sign a checkpoint.
    Quorum {
        /// Nodes.
        nodes: u64,
    },
    /// What proposals need, all of these: a threshold (ANY, ALL, MAJORITY, 2, 2/3), of sectors or bureaus alone with @sector or @bureau,
    /// of some members alone with =a,b.
    ///
    /// Example: waybill govern propose --profile city/civil/admin.toml rules 2/3@sector ANY=health,civil
    Rules {
        /// The rules; none for a majority of the sectors.
        #[arg(value_parser = rule, required = true)]
        rules: Vec<Rule>,
    },
    /// A member's key is not to be trusted any more.
    RevokeKey {
        /// Whose.
        member: String,
        /// The key.
        key: String,
        /// The key instead of it.
        #[arg(long)]
        successor: Option<String>,
    },
    /// The emergency brake, which does not wait for votes.
    Stop,
    /// The end of it.
    Resume,
    /// The ledger was restored: checkpoints are of this epoch from then on.
    Epoch {
        /// The next one.
        epoch: u64,
    },
}

fn voice(text: &str) -> Result<Voice, String> {
    Voice::parse(text).ok_or_else(|| format!("'{text}' is neither yes nor no"))
}

/// THRESHOLD[@ROLE][=MEMBER,…]
fn rule(text: &str) -> Result<Rule, String> {
    let (whom, members) = text.split_once('=').map_or((text, None), |(whom, members)| (whom, Some(members)));
    let (threshold, role) = whom.split_once('@').map_or((whom, None), |(threshold, role)| (threshold, Some(role)));
    let known = ledger::body::Threshold::parse(threshold).is_some() && role.is_none_or(|role| matches!(role, "sector" | "bureau"));
    let organizations: Vec<String> = members.into_iter().flat_map(|members| members.split(',')).map(str::to_owned).collect();
    if !known || organizations.iter().any(String::is_empty) {
        return Err(format!("'{text}': a rule looks like MAJORITY, 2/3@sector or ANY=health,civil"));
    }
    Ok(Rule { role: role.map(str::to_owned), threshold: threshold.to_owned(), organizations })
}

/// `waybill govern …`.
///
/// # Errors
/// See [`Failure`].
pub async fn govern(verb: Govern) -> Result<(), Failure> {
    match verb {
        Govern::Propose { record, reason, change } => {
            let action = action(change)?;
            propose(&record, reason, &action).await
        }
        Govern::Vote { record, proposal, voice } => vote(&record, proposal, voice).await,
        Govern::Sign { config, proposal, voice, to } => sign(&config, proposal, voice, &to),
        Govern::HandIn { caller, ballot } => hand_in(&caller, &ballot).await,
        Govern::List { caller, open } => {
            let session = verbs::open(&caller)?;
            let entries = proposals(&session, None, open.then_some(true)).await?;
            print::answer(&ListProposalsResponse { entries, next: None }.element(), caller.output);
            Ok(())
        }
        Govern::Show { caller, proposal } => {
            let entries = proposals(&verbs::open(&caller)?, Some(proposal.clone()), None).await?;
            let none = || Failure::DoesNotHold(vec![format!("error[not-found]: no proposal {proposal}: waybill govern list")]);
            let entry = entries.into_iter().next().ok_or_else(none)?;
            print::answer(&ListProposalsResponse { entries: vec![entry], next: None }.element(), caller.output);
            Ok(())
        }
        Govern::Status { caller } => verbs::ask(&caller, "governance", &ShowGovernance {}).await,
    }
}

/// `waybill key …`.
///
/// # Errors
/// See [`Failure`].
pub async fn key(verb: Key) -> Result<(), Failure> {
    match verb {
        Key::Rotate { caller } => verbs::ask(&caller, "governance", &RotateKey {}).await,
        Key::Prepare { caller } => verbs::ask(&caller, "governance", &PrepareKey {}).await,
        Key::List { caller, member } => verbs::ask(&caller, "governance", &ListKeys { member }).await,
        Key::Revoke { record, reason, member, key, successor } => {
            let key = match key {
                Some(key) => key,
                None => record_key(&verbs::open(&record.caller)?, &member).await?,
            };
            let action = action(Change::RevokeKey { member, key, successor })?;
            propose(&record, reason, &action).await
        }
    }
}

async fn record_key(session: &Session, member: &str) -> Result<String, Failure> {
    let keys: ListKeysResponse = session.call("governance", &ListKeys { member: Some(member.to_owned()) }).await?;
    let present = keys.held.into_iter().find(|held| held.until.is_none()).and_then(|held| held.record_key);
    present.ok_or_else(|| Failure::DoesNotHold(vec![format!("error[not-found]: {member} holds no record key: waybill key list")]))
}

/// `waybill brake …`. What is so already needs no record.
///
/// # Errors
/// See [`Failure`].
pub async fn brake(verb: Brake) -> Result<(), Failure> {
    let (caller, reason, stop) = match verb {
        Brake::Pull { caller, reason } => (caller, reason, true),
        Brake::Release { caller, reason } => (caller, reason, false),
    };
    let session = verbs::open(&caller)?;
    let agreed: ShowGovernanceResponse = session.call("governance", &ShowGovernance {}).await?;
    if agreed.stopped == stop {
        print::err(if stop { "the brake is pulled already" } else { "the brake is not pulled" });
        print::answer(&agreed.element(), caller.output);
        return Ok(());
    }
    let record = Record { caller, id: None };
    let resumes = |entry: &ProposalEntry| entry.proposal.resume.is_some();
    let open = if stop { None } else { proposals(&session, None, Some(true)).await?.into_iter().find(resumes) };
    match open {
        Some(entry) => vote(&record, entry.proposal.id, Voice::Yes).await,
        None => propose(&record, reason, &action(if stop { Change::Stop } else { Change::Resume })?).await,
    }
}

/// All proposals that fit.
async fn proposals(session: &Session, proposal_id: Option<String>, open: Option<bool>) -> Result<Vec<ProposalEntry>, Failure> {
    let mut request = ListProposals { proposal_id, open, cursor: None, limit: Some(500) };
    let mut entries = Vec::new();
    loop {
        let page: ListProposalsResponse = session.call("governance", &request).await?;
        entries.extend(page.entries);
        request.cursor = page.next;
        if request.cursor.is_none() {
            return Ok(entries);
        }
    }
}

/// A proposal that lacks only who proposes it and where.
pub(super) fn action(change: Change) -> Result<Proposal, Failure> {
    let none = Proposal {
        id: String::new(),
        ledger: String::new(),
        proposer: String::new(),
        reason: String::new(),
        add_member: None,
        remove_member: None,
        replace_node: None,
        suffrage: None,
        quorum: None,
        rules: None,
        revoke_key: None,
        stop: None,
        resume: None,
        epoch: None,
    };
    Ok(match change {
        Change::AddMember { card } => Proposal { add_member: Some(read_card::<NewMember>(&card)?), ..none },
        Change::RemoveMember { member } => Proposal { remove_member: Some(Whom { id: member }), ..none },
        Change::ReplaceNode { card } => Proposal { replace_node: Some(read_card::<NewNode>(&card)?), ..none },
        Change::Suffrage { member, suffrage } => Proposal { suffrage: Some(Suffrage { id: member, suffrage }), ..none },
        Change::Quorum { nodes } => Proposal { quorum: Some(nodes), ..none },
        Change::Rules { rules } => Proposal { rules: Some(Rules { rules }), ..none },
        Change::RevokeKey { member, key, successor } => {
            Proposal { revoke_key: Some(RevokeKey { id: member, revoked: key, successor }), ..none }
        }
        Change::Stop => Proposal { stop: Some(Nothing {}), ..none },
        Change::Resume => Proposal { resume: Some(Nothing {}), ..none },
        Change::Epoch { epoch } => Proposal { epoch: Some(epoch), ..none },
    })
}

fn read_card<T: Document>(path: &Path) -> Result<T, Failure> {
    let wrong = |error: &dyn std::fmt::Display| {
        Failure::Usage(format!("{}: {error}: a card is what `waybill ledger member card` prints", path.display()))
    };
    let element = xsd::read::read(&file(path)?, None, &xsd::read::Limits::default()).map_err(|malformed| wrong(&malformed))?;
    T::of(&element).map_err(|unreadable| wrong(&unreadable))
}

/// The sector that a session's adapter speaks for, and the ledger.
async fn identity(session: &Session) -> Result<(String, String), Failure> {
    let (_, body) = session.get("/readyz").await?;
    let value: serde_json::Value = serde_json::from_slice(&body).map_err(|error| Failure::Garbled(format!("/readyz: {error}")))?;
    let text = |key: &str| value.get(key).and_then(serde_json::Value::as_str).map(str::to_owned);
    text("sector").zip(text("ledger")).ok_or_else(|| Failure::Garbled(String::from("/readyz: the ledger node does not answer")))
}

pub(super) async fn propose(record: &Record, reason: String, action: &Proposal) -> Result<(), Failure> {
    let session = verbs::open(&record.caller)?;
    let (proposer, ledger) = identity(&session).await?;
    let id = record.id.clone().unwrap_or_else(crate::services::id);
    let proposal = Proposal { id, ledger, proposer, reason, ..action.clone() };
    let answer: ProposeResponse = session.call("governance", &Propose { proposal }).await?;
    told(&session, &record.caller, &answer.element(), &answer.record_id, answer.ending).await
}

async fn vote(record: &Record, proposal: String, vote: Voice) -> Result<(), Failure> {
    let session = verbs::open(&record.caller)?;
    let (voter, ledger) = identity(&session).await?;
    let id = record.id.clone().unwrap_or_else(crate::services::id);
    let ballot = Ballot { id, ledger, voter, proposal, vote };
    let of = ballot.proposal.clone();
    let answer: VoteResponse = session.call("governance", &Vote { ballot }).await?;
    told(&session, &record.caller, &answer.element(), &of, answer.ending).await
}

/// Signs a voice as the sector's node would.
fn sign(config: &Path, proposal: String, vote: Voice, to: &Path) -> Result<(), Failure> {
    let config = Config::load(config)?;
    let wrong = |error: &dyn std::fmt::Display| Misconfigured::Value(format!("{}: {error}", config.genesis.display()));
    let genesis = Entry::decode(&file(&config.genesis)?).map_err(|verdict| wrong(&verdict))?;
    let ledger = ledger::body::Request::read(genesis).map_err(|verdict| wrong(&verdict))?.ledger().to_owned();
    let key = Keyring::open(&config.keys.record)?.current();
    let ballot = Ballot { id: crate::services::id(), ledger, voter: config.sector.clone(), proposal, vote };
    let body = ballot.octets();
    let signature = PartySignature::sign(&config.sector, &key, &body);
    let entry = Entry::new(body, vec![signature]).map_err(|verdict| Failure::Usage(format!("no ballot: {verdict}")))?;
    crate::pki::write_public(to, &entry.encode())?;
    print::out(&format!("{}: another sector puts it on record: waybill govern hand-in --profile … FILE", to.display()));
    Ok(())
}

async fn hand_in(caller: &Caller, ballot: &Path) -> Result<(), Failure> {
    let said = super::ledger::posted(&verbs::open(caller)?, "/ledger/ballot", file(ballot)?).await?;
    print::out(&said.to_string());
    Ok(())
}

/// The answer, and for people what it means.
async fn told(session: &Session, caller: &Caller, answer: &Element, proposal: &str, ending: Option<Ending>) -> Result<(), Failure> {
    print::answer(answer, caller.output);
    if caller.output == Output::Table {
        let open = format!("open: others vote with waybill govern vote {proposal} yes");
        print::out(&match ending {
            Some(Ending::Accepted) => String::from("accepted: it counts from the next leaf on"),
            Some(Ending::Rejected) => String::from("rejected: enough voices are against it"),
            Some(Ending::Withdrawn) => String::from("withdrawn"),
            Some(Ending::Void) => String::from("void: enough voices were for it, when it was not possible any more"),
            None => match voiceless(session, proposal).await? {
                voiceless if voiceless.is_empty() => open,
                voiceless => format!("{open}; not heard yet: {}", voiceless.join(", ")),
            },
        });
    }
    Ok(())
}

/// Members that have not voted on a proposal.
async fn voiceless(session: &Session, proposal: &str) -> Result<Vec<String>, Failure> {
    let entries = proposals(session, Some(proposal.to_owned()), None).await?;
    let heard: Vec<String> = entries.into_iter().flat_map(|entry| entry.voices).map(|voice| voice.member).collect();
    let sectors: ListSectorsResponse = session.call("registry", &ListSectors {}).await?;
    Ok(sectors.sectors.into_iter().map(|sector| sector.id).filter(|id| !heard.contains(id)).collect())
}
