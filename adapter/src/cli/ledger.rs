//! The verbs of `ledger`: where a node stands, its checkpoint, proofs, and bringing its checkpoint to a witness, copies, and what is
//! done to a stopped node.

use crate::cli::session::{Failure, Session};
use crate::cli::{Caller, Output, print, verbs};
use crate::config::{Config, file};
use crate::unified::audit::{GetConsistency, GetConsistencyResponse, GetProof, GetProofResponse};
use crate::unified::governance::{ShowGovernance, ShowGovernanceResponse};
use crate::unified::trading::{TradeStatus, TradeStatusResponse};
use clap::Subcommand;
use ledger::checkpoint::{Note, Policy};
use ledger::tree::Hash;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Verbs of `ledger`.
#[derive(Debug, Subcommand)]
pub enum Ledger {
    /// Says who the members are, how far each node is, how old the checkpoint is and who cosigned it, and what is on the disk.
    Status {
        /// Who asks whom.
        #[command(flatten)]
        caller: Caller,
    },
    /// Prints the latest checkpoint, a C2SP signed note.
    Checkpoint {
        /// Who asks whom.
        #[command(flatten)]
        caller: Caller,
        /// Verify it first, against this policy file.
        #[arg(long)]
        policy: Option<PathBuf>,
    },
    /// Prints the proof that a record is on the ledger, a C2SP tlog-proof.
    Proof {
        /// Who asks whom.
        #[command(flatten)]
        caller: Caller,
        /// The leaf's number, or the record's id.
        what: String,
    },
    /// Says where two nodes part: the first leaf that differs, found by a few hashes, and who signed what. Ends 0 if they are the same,
    /// or one goes on from the other, and 1 if they differ.
    ///
    /// Examples: waybill ledger diff --profile city/bureau/auditor.toml https://127.0.0.1:7101 https://127.0.0.1:7102
    ///           waybill ledger diff --genesis city/genesis city/civil/ledger city/health/ledger
    Diff(Box<crate::cli::diff::Diff>),
    /// Brings the latest checkpoint to a witness and prints its cosignature.
    Witness {
        /// Who asks whom.
        #[command(flatten)]
        caller: Caller,
        /// The witness's address, as https://127.0.0.1:7104.
        #[arg(long)]
        to: String,
    },
    /// The members: card, add, remove, replace, list.
    ///
    /// Example: waybill ledger member list --profile city/bureau/admin.toml
    #[command(subcommand)]
    Member(crate::cli::member::Member),
    /// Asks that a member's node leads, and waits until it does.
    Transfer {
        /// Who asks whom: an administrator his own node.
        #[command(flatten)]
        caller: Caller,
        /// The member.
        member: String,
    },
    /// Asks for a state root of what is on the ledger now, and says how much is sealed.
    Snapshot {
        /// Who asks whom: an administrator his own node.
        #[command(flatten)]
        caller: Caller,
    },
    /// Copies a node's ledger while it runs, and opens the copy to check it.
    Backup {
        /// The node's configuration.
        #[arg(long, env = "WAYBILL_CONFIG")]
        config: PathBuf,
        /// The directory to write; it must not exist.
        to: PathBuf,
    },
    /// Puts a backup in place of a lost ledger, when every node is lost: all restore the same one, then the members agree on the
    /// next epoch. A single lost node comes back under a new number instead: `ledger member card --replace`.
    Restore {
        /// The node's configuration; its ledger's directory must be empty.
        #[arg(long, env = "WAYBILL_CONFIG")]
        config: PathBuf,
        /// That no node of this ledger has more than the backup, or ever comes back with it.
        #[arg(long, required = true)]
        every_node_is_lost: bool,
        /// What `ledger backup` wrote.
        from: PathBuf,
    },
    /// Goes on from the copy of this one node, which must not run, when a quorum of the voters is lost for ever. Records that only the
    /// others held are gone, also if they were answered. Take the voter that led last or has most leaves, and one only.
    ///
    /// Example: waybill ledger recover --config city/health/waybill.toml --alone --the-others-are-lost
    Recover {
        /// The node's configuration.
        #[arg(long, env = "WAYBILL_CONFIG")]
        config: PathBuf,
        /// That this node goes on alone, and no other one does.
        #[arg(long, required = true)]
        alone: bool,
        /// That the other nodes' disks are lost, or never come back: if they do, there are two ledgers.
        #[arg(long, required = true)]
        the_others_are_lost: bool,
    },
    /// Archives a ledger whose node does not run, verifies the archive, and removes whole segments of old leaves. Hashes stay, and proofs;
    /// who asks this node for such a leaf is told. There is no way back, and a city needs one node that does not prune.
    ///
    /// Example: waybill ledger prune --config city/civil/waybill.toml --below 1000000 --archive /mnt/2026
    Prune {
        /// The node's configuration.
        #[arg(long, env = "WAYBILL_CONFIG")]
        config: PathBuf,
        /// The first leaf that shall stay.
        #[arg(long)]
        below: u64,
        /// The directory to write; it must not exist. It holds all leaves that are here now, and verifies alone.
        #[arg(long)]
        archive: PathBuf,
    },
}

/// `waybill ledger …`.
///
/// # Errors
/// See [`Failure`].
pub async fn run(verb: Ledger) -> Result<(), Failure> {
    match verb {
        Ledger::Status { caller } => status(&caller).await,
        Ledger::Checkpoint { caller, policy } => checkpoint(&caller, policy.as_deref()).await,
        Ledger::Proof { caller, what } => proof(&caller, &what).await,
        Ledger::Diff(diff) => crate::cli::diff::run(&diff).await,
        Ledger::Witness { caller, to } => witness(&caller, &to).await,
        Ledger::Member(verb) => crate::cli::member::run(verb).await,
        Ledger::Transfer { caller, member } => transfer(&caller, &member).await,
        Ledger::Snapshot { caller } => snapshot(&caller).await,
        Ledger::Backup { config, to } => backup(&config, &to),
        Ledger::Restore { config, every_node_is_lost: _, from } => restore(&config, &from),
        Ledger::Recover { config, alone: _, the_others_are_lost: _ } => recover(&config),
        Ledger::Prune { config, below, archive } => prune(&config, below, &archive),
    }
}

/// Copies a node's ledger while it runs.
fn backup(config: &Path, to: &Path) -> Result<(), Failure> {
    let held = crate::backup::make(&Config::load(config)?, to)?;
    print::out(&format!(
        "{}: {} leaves, root {}, {} octets; the copy was opened and every leaf applied",
        to.display(),
        held.leaves,
        held.root,
        held.octets
    ));
    Ok(())
}

async fn got(session: &Session, path: &str) -> Result<Vec<u8>, Failure> {
    match session.get(path).await? {
        (200, body) => Ok(body),
        (status, body) => {
            Err(Failure::DoesNotHold(vec![format!("error[{status}]: {path}: {}", String::from_utf8_lossy(&body).trim_end())]))
        }
    }
}

/// Puts a backup in place, and says what comes next.
fn restore(config: &Path, from: &Path) -> Result<(), Failure> {
    let config = Config::load(config)?;
    let held = crate::backup::restore(&config, from)?;
    print::out(&format!("{}: {} leaves, root {}; every leaf was applied", config.data.display(), held.leaves, held.root));
    print::out("next: restore the same backup on every node, start them, and agree on the next epoch, which says for ever that");
    print::out("records may be missing: waybill govern propose --profile … --reason restored epoch N");
    Ok(())
}

/// Makes a node the only one that votes, and says what comes next.
fn recover(config: &Path) -> Result<(), Failure> {
    let config = Config::load(config)?;
    let copy = crate::keeping::recover(&config)?;
    let data = config.data.display();
    print::out(&format!("{data}: node {} goes on alone from {} leaves, root {}", copy.node, copy.leaves, copy.root));
    print::out(&format!(
        "a published checkpoint covers {} of them; receipts over more than {} leaves show what is gone",
        copy.covered, copy.leaves
    ));
    print::out(&format!(
        "next: start it; nodes up to number {} take no part any more, learners neither. So that this is on record for ever:",
        copy.lost
    ));
    print::out("  waybill govern propose --profile … --reason quorum-lost epoch N");
    print::out("then a new node for each other member: waybill ledger member card --replace, replace, introduce; a sector whose node is");
    print::out("lost gives its voice by waybill govern sign, and this one hands it in: waybill govern hand-in");
    Ok(())
}

/// Prunes, and says what is where.
fn prune(config: &Path, below: u64, archive: &Path) -> Result<(), Failure> {
    let config = Config::load(config)?;
    let pruned = crate::keeping::prune(&config, below, archive)?;
    print::out(&format!("{}: begins with leaf {} now, {} octets are free", config.data.display(), pruned.floor, pruned.freed));
    let archive = archive.display();
    print::out(&format!(
        "{archive}: {} leaves; it was verified, and is so anywhere: waybill audit verify {archive}/ledger --genesis {archive}/genesis",
        pruned.archived
    ));
    Ok(())
}

/// How long a handover may take: an election and a little more.
const HANDOVER: Duration = Duration::from_secs(10);

pub(super) async fn posted(session: &Session, path: &str, body: Vec<u8>) -> Result<Value, Failure> {
    match session.post(path, body).await? {
        (200 | 202, body) => serde_json::from_slice(&body).map_err(|error| Failure::Garbled(format!("{path}: {error}"))),
        (403, body) => Err(Failure::Denied(String::from_utf8_lossy(&body).trim_end().to_owned())),
        (_, body) => Err(Failure::Conflict(String::from_utf8_lossy(&body).trim_end().to_owned())),
    }
}

/// Asks the node that another one leads, and waits for it.
async fn transfer(caller: &Caller, member: &str) -> Result<(), Failure> {
    let session = verbs::open(caller)?;
    let agreed: ShowGovernanceResponse = session.call("governance", &ShowGovernance {}).await?;
    let unknown = || Failure::Usage(format!("{member} is no member: waybill ledger member list"));
    let to = agreed.members.iter().find(|known| known.id == member).ok_or_else(unknown)?.node;
    let until = Instant::now() + HANDOVER;
    posted(&session, &format!("/ledger/transfer?to={to}"), Vec::new()).await?;
    loop {
        let (_, body) = session.get("/readyz").await?;
        let seen: Value = serde_json::from_slice(&body).map_err(|error| Failure::Garbled(format!("/readyz: {error}")))?;
        if seen.get("leader") == Some(&json!(to)) {
            let (node, term) = (json!(to), seen.get("term").cloned().unwrap_or_default());
            print::out(&match caller.output {
                Output::Json => json!({ "leader": node, "member": member, "term": term }).to_string(),
                _ => format!("{member} leads (node {node}, term {term})"),
            });
            return Ok(());
        }
        if Instant::now() > until {
            let leader = seen.get("leader").cloned().unwrap_or_default();
            return Err(Failure::Conflict(format!("{member} does not lead after {HANDOVER:?}, node {leader} does: is its node up?")));
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn snapshot(caller: &Caller) -> Result<(), Failure> {
    let said = posted(&verbs::open(caller)?, "/ledger/snapshot", Vec::new()).await?;
    if caller.output == Output::Json {
        print::out(&said.to_string());
    } else {
        table(&said);
    }
    Ok(())
}

async fn note(session: &Session) -> Result<(String, Note), Failure> {
    let text = String::from_utf8_lossy(&got(session, "/checkpoint").await?).into_owned();
    let note = Note::parse(&text).map_err(|distrust| Failure::Garbled(format!("/checkpoint: {distrust}")))?;
    Ok((text, note))
}

/// A node's own account, and for each member what its node answers now.
async fn status(caller: &Caller) -> Result<(), Failure> {
    let session = verbs::open(caller)?;
    let garbled = |error: serde_json::Error| Failure::Garbled(format!("/ledger/status: {error}"));
    let mut status: Value = serde_json::from_slice(&got(&session, "/ledger/status").await?).map_err(garbled)?;
    let leaves = status.get("leaves").and_then(Value::as_u64).unwrap_or(0);
    for member in status.get_mut("members").and_then(Value::as_array_mut).into_iter().flatten() {
        let service = member.get("service").and_then(Value::as_str).unwrap_or_default().to_owned();
        let seen = session.get_from(&format!("https://{service}"), "/readyz").await.ok();
        let seen: Option<Value> = seen.and_then(|(_, body)| serde_json::from_slice(&body).ok());
        let number = |key: &str| seen.as_ref().and_then(|seen| seen.get(key)?.as_u64());
        if let Some(member) = member.as_object_mut() {
            member.insert(String::from("answers"), json!(seen.is_some()));
            member.insert(String::from("leaves"), json!(number("leaves")));
            member.insert(String::from("behind"), json!(number("leaves").map(|theirs| leaves.saturating_sub(theirs))));
        }
    }
    if caller.output == Output::Json {
        print::out(&status.to_string());
    } else {
        table(&status);
    }
    Ok(())
}

fn table(status: &Value) {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    for (key, value) in status.as_object().into_iter().flatten() {
        let Some(rows) = value.as_array() else {
            print::out(&format!("{key}: {}", text(value)));
            continue;
        };
        print::out(&format!("{key}:"));
        for row in rows {
            let cells = row.as_object().into_iter().flatten().map(|(name, value)| format!("{name}={}", text(value)));
            let cells: Vec<String> = cells.collect();
            print::out(&format!("  {}", cells.join(" ")));
        }
    }
}

async fn checkpoint(caller: &Caller, policy: Option<&Path>) -> Result<(), Failure> {
    let (text, _) = note(&verbs::open(caller)?).await?;
    if let Some(path) = policy {
        let policy = String::from_utf8_lossy(&file(path)?).into_owned();
        let policy = Policy::parse(&policy).map_err(|line| Failure::Usage(format!("{}:{line}: not a policy line", path.display())))?;
        policy.verify(&text).map_err(|distrust| Failure::DoesNotHold(vec![format!("error[checkpoint]: {distrust}")]))?;
    }
    print::out(text.trim_end_matches('\n'));
    Ok(())
}

/// Prints a tlog-proof: of a leaf by its number, or of a record by its client id.
async fn proof(caller: &Caller, what: &str) -> Result<(), Failure> {
    let session = verbs::open(caller)?;
    let index = match ledger::record::number(what) {
        Some(index) => index,
        None => {
            let seen: TradeStatusResponse = session.call("trading", &TradeStatus { trade_id: what.to_owned() }).await?;
            let none = || Failure::DoesNotHold(vec![format!("error[not-found]: no leaf has the client id {what}")]);
            seen.leaf_index.ok_or_else(none)?
        }
    };
    let answer: GetProofResponse = session.call("audit", &GetProof { index, size: None }).await?;
    let proof =
        answer.proof.ok_or_else(|| Failure::DoesNotHold(vec![format!("error[not-published]: no checkpoint covers leaf {index} yet")]))?;
    print::out(proof.trim_end_matches('\n'));
    Ok(())
}

/// Brings the node's checkpoint to a witness, and prints the cosignature lines it answers with. The witness says itself what
/// it has seen last.
async fn witness(caller: &Caller, to: &str) -> Result<(), Failure> {
    let session = verbs::open(caller)?;
    let (text, note) = note(&session).await?;
    let mut old = 0;
    for _ in 0..2 {
        let path: Vec<String> = if old == 0 || old == note.checkpoint.size {
            Vec::new()
        } else {
            let request = GetConsistency { from: old, to: note.checkpoint.size };
            let answer: GetConsistencyResponse = session.call("audit", &request).await?;
            answer.hashes
        };
        let path = path.iter().map(|hash| Hash::from_hex(hash).map(|hash| hash.to_base64() + "\n"));
        let path = path.collect::<Option<String>>().ok_or_else(|| Failure::Garbled(String::from("a hash of the consistency proof")))?;
        let body = format!("old {old}\n{path}\n{text}").into_bytes();
        let (status, answer) = session.post_to(to, "/add-checkpoint", body).await?;
        let answer = String::from_utf8_lossy(&answer).into_owned();
        match (status, ledger::record::number(answer.trim_end())) {
            (200, _) => {
                print::out(answer.trim_end_matches('\n'));
                return Ok(());
            }
            (409, Some(size)) if size != old && size <= note.checkpoint.size => old = size,
            _ => return Err(Failure::DoesNotHold(vec![format!("error[{status}]: {to}: {}", answer.trim_end())])),
        }
    }
    Err(Failure::DoesNotHold(vec![format!("error[409]: {to}: somebody else brings it checkpoints at the same time")]))
}
