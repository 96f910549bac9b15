//! The verbs of `ledger member`: who is in it, the cards of new members and nodes, and the proposals that bring or remove them.

use crate::cli::audit::{self, Question};
use crate::cli::govern::{self, Change, Record};
use crate::cli::session::Failure;
use crate::cli::{Caller, Filter, Output, print, verbs};
use crate::config::{Config, Misconfigured, file};
use crate::keyring::Keyring;
use crate::security::Signer;
use crate::unified::governance::{NewMember, NewNode, ShowGovernance, ShowGovernanceResponse};
use crate::unified::{Document, Phrase};
use clap::{Args, Subcommand};
use ledger::keys::SecretKey;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// Verbs of `ledger member`.
#[derive(Debug, Subcommand)]
pub enum Member {
    /// Prints what a new member, or a member's new node, says of itself: for `add` or `replace`.
    ///
    /// Example: waybill ledger member card --config energy/waybill.toml --node 5 --peer ledger.energy.example:7201 --name en=Energy --administrator energy/admin.pem
    Card(Card),
    /// Proposes a new member, by its card.
    Add {
        /// The record of it.
        #[command(flatten)]
        record: Record,
        /// Why: a code.
        #[arg(long, default_value = "joins")]
        reason: String,
        /// The card, XML.
        card: PathBuf,
    },
    /// Proposes that a member leaves.
    Remove {
        /// The record of it.
        #[command(flatten)]
        record: Record,
        /// Why: a code.
        #[arg(long, default_value = "leaves")]
        reason: String,
        /// Who.
        member: String,
    },
    /// Proposes another node for a member whose disk is lost, by its card. The old number never comes back.
    Replace {
        /// The record of it.
        #[command(flatten)]
        record: Record,
        /// Why: a code.
        #[arg(long, default_value = "disk-lost")]
        reason: String,
        /// The card, XML.
        card: PathBuf,
    },
    /// Pulls what a node needs that starts with nothing: a bundle that proves who the members are, for its `[ledger] introduction`.
    Introduce {
        /// Who asks whom.
        #[command(flatten)]
        caller: Caller,
        /// The directory to write; it must not exist.
        bundle: PathBuf,
    },
    /// Lists the members and, of each, what its node answers.
    List {
        /// Who asks whom.
        #[command(flatten)]
        caller: Caller,
    },
}

/// Arguments of `ledger member card`.
#[derive(Debug, Args)]
pub struct Card {
    /// The new node's configuration, with its keys and certificates in place.
    #[arg(long, env = "WAYBILL_CONFIG")]
    pub config: PathBuf,
    /// The node's number: above HighestNode of `waybill govern status`.
    #[arg(long)]
    pub node: u64,
    /// Public host:port of the ledger node; without it, where it listens.
    #[arg(long)]
    pub peer: Option<String>,
    /// Of a member that is there already: only its node is another.
    #[arg(long, conflicts_with_all = ["name", "role", "suffrage", "administrator"])]
    pub replace: bool,
    /// The member's name for people, language=name.
    #[arg(long, value_parser = named, required_unless_present = "replace")]
    pub name: Vec<Phrase>,
    /// sector or bureau.
    #[arg(long, default_value = "sector", value_parser = ["sector", "bureau"])]
    pub role: String,
    /// voter or learner.
    #[arg(long, default_value = "voter", value_parser = ["voter", "learner"])]
    pub suffrage: String,
    /// The certificate of its first administrator, PEM.
    #[arg(long, required_unless_present = "replace")]
    pub administrator: Option<PathBuf>,
}

fn named(text: &str) -> Result<Phrase, String> {
    let (lang, name) = text.split_once('=').ok_or_else(|| format!("'{text}' is not language=name, as en=Energy"))?;
    Ok(Phrase { lang: lang.to_owned(), text: name.to_owned() })
}

/// `waybill ledger member …`.
///
/// # Errors
/// See [`Failure`].
pub async fn run(verb: Member) -> Result<(), Failure> {
    match verb {
        Member::Card(arguments) => {
            let octets = card(&arguments)?;
            print::out(&String::from_utf8_lossy(&octets));
            Ok(())
        }
        Member::Add { record, reason, card } => propose(&record, reason, Change::AddMember { card }).await,
        Member::Remove { record, reason, member } => propose(&record, reason, Change::RemoveMember { member }).await,
        Member::Replace { record, reason, card } => propose(&record, reason, Change::ReplaceNode { card }).await,
        Member::Introduce { caller, bundle } => introduce(&caller, &bundle).await,
        Member::List { caller } => list(&caller).await,
    }
}

async fn propose(record: &Record, reason: String, change: Change) -> Result<(), Failure> {
    govern::propose(record, reason, &govern::action(change)?).await
}

fn card(card: &Card) -> Result<Vec<u8>, Failure> {
    let config = Config::load(&card.config)?;
    let certificate = |path: &Path| -> Result<String, Misconfigured> {
        let fingerprint = crate::tls::fingerprint(&file(path)?);
        fingerprint
            .map(|fingerprint| fingerprint.to_string())
            .ok_or_else(|| Misconfigured::Value(format!("{}: no certificate in PEM", path.display())))
    };
    let node_key = SecretKey::from_seed(crate::pki::read_seed(&config.keys.node)?).public().to_string();
    let service = config.service.address.trim_start_matches("https://").trim_end_matches('/').to_owned();
    let peer = card.peer.clone().unwrap_or_else(|| config.peer.listen.clone());
    let tls_certificate = certificate(&config.tls.certificate)?;
    if card.replace {
        return Ok(NewNode { id: config.sector, node: card.node, node_key, tls_certificate, service, peer }.octets());
    }
    let signer = Signer::from_pem(&file(&config.message.certificate)?, &file(&config.message.key)?);
    let signer = signer.map_err(|error| Misconfigured::Value(format!("[message]: {error}")))?;
    let administrator = card.administrator.as_deref().ok_or_else(|| Failure::Usage(String::from("--administrator FILE")))?;
    let member = NewMember {
        record_key: Keyring::open(&config.keys.record)?.current().public().to_string(),
        message_certificate: signer.fingerprint().to_string(),
        administrator: certificate(administrator)?,
        id: config.sector,
        node: card.node,
        role: card.role.clone(),
        suffrage: card.suffrage.clone(),
        names: card.name.clone(),
        node_key,
        tls_certificate,
        service,
        peer,
    };
    Ok(member.octets())
}

/// The governance stream is in every bundle: a question that leaf 0 alone answers brings nothing else.
async fn introduce(caller: &Caller, bundle: &Path) -> Result<(), Failure> {
    let kind = Some(String::from(ledger::record::Kind::Genesis.code()));
    let (with, purpose) = (None, None);
    let question = Question { sector: None, with, kind, purpose, filter: Filter::default() };
    let files = audit::pull(&verbs::open(caller)?, &question).await?;
    audit::write_bundle(bundle, files)?;
    print::out(&format!("{}: in the new node's configuration: [ledger] introduction = \"…\"", bundle.display()));
    Ok(())
}

async fn list(caller: &Caller) -> Result<(), Failure> {
    let session = verbs::open(caller)?;
    let agreed: ShowGovernanceResponse = session.call("governance", &ShowGovernance {}).await?;
    let mut members = Vec::new();
    for member in &agreed.members {
        let seen = session.get_from(&format!("https://{}", member.service), "/readyz").await.ok();
        let seen: Option<Value> = seen.and_then(|(_, body)| serde_json::from_slice(&body).ok());
        let of = |key: &str| seen.as_ref().and_then(|seen| seen.get(key).cloned()).unwrap_or(Value::Null);
        members.push(json!({
            "id": member.id, "node": member.node, "role": member.role, "suffrage": member.suffrage, "service": member.service,
            "peer": member.peer, "answers": seen.is_some(), "ready": of("ready"), "leaves": of("leaves"),
            "leads": of("leader") == json!(member.node),
        }));
    }
    if caller.output == Output::Json {
        print::out(&json!({ "origin": agreed.origin, "highest_node": agreed.highest_node, "members": members }).to_string());
        return Ok(());
    }
    for member in members {
        let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let cells: Vec<String> = member.as_object().into_iter().flatten().map(|(name, value)| format!("{name}={}", text(value))).collect();
        print::out(&cells.join(" "));
    }
    Ok(())
}
