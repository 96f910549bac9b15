//! The command line: verbs, their arguments, and their exit statuses.

pub mod audit;
mod diff;
mod examine;
pub mod govern;
pub mod history;
pub mod init;
mod later;
pub mod ledger;
pub mod map;
pub mod map_make;
mod map_run;
pub mod member;
pub mod print;
pub mod profile;
mod pull;
mod report;
pub mod salt;
pub mod session;
mod sim;
pub mod verbs;
mod watch;
pub mod wsdl;
pub mod xsd;
mod xsd_show;

use clap::{Args, Parser, Subcommand, ValueEnum};
use later::Later;
use session::Failure;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;
use tracing_subscriber::EnvFilter;

/// The gateway of a government sector: records exchanged over Web Services, every exchange on a shared ledger.
#[derive(Debug, Parser)]
#[command(name = "waybill", version, arg_required_else_help = true)]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
}

/// The verbs of surface that exist so far.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Runs a city: three sectors and the Bureau, and walks the fifteen steps of a trade.
    ///
    /// Example: waybill demo --dir city
    Demo(Demo),
    /// Makes a sector's configuration, keys and certificate requests.
    ///
    /// Example: waybill init --sector energy --dir energy --service gateway.energy.example:7101 --peer gateway.energy.example:7201
    Init(Init),
    /// Runs a node.
    ///
    /// Example: waybill serve --config energy/waybill.toml
    Serve(Serve),
    /// Says what a node is doing.
    ///
    /// Example: waybill status --profile city/civil/clerk.toml
    Status(Caller),
    /// Trades: request, show, history, status.
    ///
    /// Example: waybill trade request --profile city/civil/clerk.toml --purpose medical-aid transport/vehicle owner-id=310107195104077850
    #[command(subcommand)]
    Trade(Later<Trade>),
    /// Grants, the 4-tuples of role, object, permission and effective period: give, revoke, list, check.
    ///
    /// Example: waybill grant list --profile city/transport/admin.toml
    #[command(subcommand)]
    Grant(Later<Grant>),
    /// The directory of resources: publish, search, show, withdraw.
    ///
    /// Example: waybill directory search --profile city/civil/clerk.toml
    #[command(subcommand)]
    Directory(Later<Directory>),
    /// Evidence: pull a history, verify it offline, report on it, follow nodes live.
    ///
    /// Example: waybill audit pull --profile city/bureau/auditor.toml --sector civil --bundle evidence
    #[command(subcommand)]
    Audit(Later<audit::Audit>),
    /// What the members decide together: propose, vote, list, show, status.
    ///
    /// Example: waybill govern propose --profile city/civil/admin.toml quorum 3
    #[command(subcommand)]
    Govern(Later<govern::Govern>),
    /// The keys that sign the sectors' records: rotate, prepare, revoke, list.
    ///
    /// Example: waybill key rotate --profile city/civil/admin.toml
    #[command(subcommand)]
    Key(Later<govern::Key>),
    /// The emergency brake: pull, release.
    ///
    /// Example: waybill brake pull --profile city/bureau/admin.toml --reason key-stolen
    #[command(subcommand)]
    Brake(Later<govern::Brake>),
    /// The ledger of a node: status, checkpoint, proof, diff, witness, member, transfer, snapshot, backup, restore.
    ///
    /// Example: waybill ledger status --profile city/bureau/admin.toml
    #[command(subcommand)]
    Ledger(Later<ledger::Ledger>),
    /// The salts of this sector's trades: list, confirm, erase.
    ///
    /// Example: waybill salt erase --config energy/waybill.toml --subject owner-id=310107195104077850
    #[command(subcommand)]
    Salt(Later<Salt>),
    /// Those that talk to nobody.
    #[command(flatten)]
    Alone(Alone),
    /// Measures: the ledger beside etcd, the disks alone, parsing and validating beside libxml2 and Xerces.
    ///
    /// Example: waybill bench ledger --peer etcd --etcd /usr/bin/etcd --quick
    #[command(subcommand)]
    Bench(Later<crate::bench::Bench>),
    /// The simulator: a city on a seeded network, clock and disk, with faults.
    ///
    /// Example: waybill sim --seed 1 --hours 1
    Sim(sim::Sim),
    /// One of the demo's legacy systems.
    #[command(hide = true)]
    LegacySystem(LegacySystem),
    /// A ledger node without services, as `bench` measures it.
    #[command(hide = true)]
    LedgerNode(crate::bench::LedgerNode),
}

/// The verbs that talk to nobody. They are short, and a script runs them by the hundred.
#[derive(Debug, Subcommand)]
pub enum Alone {
    /// Mappings, from an unknown schema to unified records: scaffold, check, explain, test, run, diff, coverage, and more.
    ///
    /// Example: waybill map check mappings/health/visit.map.xml
    #[command(subcommand)]
    Map(Later<map::Map>),
    /// Contracts of legacy systems: check, import.
    ///
    /// Example: waybill wsdl check mappings/health/visit.wsdl
    #[command(subcommand)]
    Wsdl(Later<wsdl::Wsdl>),
    /// Schemas: check them, show what they declare, validate documents of any length.
    ///
    /// Example: waybill xsd validate --schema mappings/health/visit.xsd mappings/health/tests/payers/in.xml
    #[command(subcommand)]
    Xsd(Later<xsd::Xsd>),
}

/// A command line whose verb is one of these: the others need not be described to read it.
#[derive(Debug, Parser)]
#[command(name = "waybill", version)]
struct AloneArguments {
    #[command(subcommand)]
    verb: Alone,
}

/// Arguments of `demo`.
#[derive(Debug, Args)]
pub struct Demo {
    /// What is broken on purpose after the walk.
    #[command(subcommand)]
    pub drill: Option<Drill>,
    /// Where the city's files go; it must not exist yet, unless it is an earlier city, which is replaced.
    #[arg(long, default_value = "city", global = true)]
    pub dir: PathBuf,
    /// End when everything has been shown, instead of leaving the city running.
    #[arg(long, global = true)]
    pub exit: bool,
    /// Print one JSON document instead of text.
    #[arg(long, global = true)]
    pub json: bool,
    /// The sectors' mappings, contracts and schemas.
    #[arg(long, default_value = "mappings", global = true)]
    pub mappings: PathBuf,
    /// Records in each legacy system.
    #[arg(long, default_value_t = 1200, global = true)]
    pub records: usize,
}

/// What a demo breaks on purpose.
#[derive(Clone, Copy, Debug, Subcommand)]
pub enum Drill {
    /// Kills the leader in the middle of a trade: what was answered is on every node afterwards.
    ///
    /// Example: waybill demo kill --exit
    Kill,
    /// Flips octets on the disk of a running node: it finds and names each within a second, and mends it from the others.
    ///
    /// Example: waybill demo tamper --exit
    Tamper,
}

/// Arguments of `init`.
#[derive(Debug, Args)]
pub struct Init {
    /// The sector's name on the ledger: a-z, 0-9 and -.
    #[arg(long)]
    pub sector: String,
    /// Where the files go; made if it is not there.
    #[arg(long)]
    pub dir: PathBuf,
    /// Public host:port of the services.
    #[arg(long)]
    pub service: String,
    /// Public host:port of the ledger node.
    #[arg(long)]
    pub peer: String,
}

/// Arguments of `serve`.
#[derive(Debug, Args)]
pub struct Serve {
    /// The node's configuration.
    #[arg(long, env = "WAYBILL_CONFIG")]
    pub config: PathBuf,
    /// Check the configuration and everything it names, then end.
    #[arg(long)]
    pub check: bool,
}

/// Who calls which node.
#[derive(Clone, Debug, Args)]
pub struct Caller {
    /// The caller's profile: a TOML file with node, certificate, key and ca.
    #[arg(long, env = "WAYBILL_PROFILE")]
    pub profile: PathBuf,
    /// How the answer is printed.
    #[arg(long, value_enum, default_value_t = Output::Table)]
    pub output: Output,
}

/// Forms of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// Lines for people.
    Table,
    /// One JSON document.
    Json,
    /// The reply's body as it came.
    Xml,
}

/// Verbs of `trade`.
#[derive(Debug, Subcommand)]
pub enum Trade {
    /// Asks for a resource and prints its records and the receipt.
    Request {
        /// Who asks whom.
        #[command(flatten)]
        caller: Caller,
        /// What for: a code that grants may be limited to.
        #[arg(long, default_value = "inquiry")]
        purpose: String,
        /// The resource, as transport/vehicle.
        resource: String,
        /// Which records: field=value.
        #[arg(value_parser = pair)]
        criteria: Vec<(String, String)>,
    },
    /// Prints one trade record.
    Show {
        /// Who asks whom.
        #[command(flatten)]
        caller: Caller,
        /// The trade's id.
        id: String,
    },
    /// Lists trades, by any of who, what, where, when and how.
    History {
        /// Who asks whom.
        #[command(flatten)]
        caller: Caller,
        /// Which trades.
        #[command(flatten)]
        asked: Box<history::Asked>,
    },
    /// Says which promise a trade has reached: UNKNOWN, PENDING, COMMITTED or INVALID.
    Status {
        /// Who asks whom.
        #[command(flatten)]
        caller: Caller,
        /// The trade's id.
        id: String,
    },
}

/// Which trades; all that are given must hold.
#[derive(Clone, Debug, Default, Args)]
pub struct Filter {
    /// The sector that gave the data.
    #[arg(long)]
    pub sender: Option<String>,
    /// The sector that asked.
    #[arg(long)]
    pub receiver: Option<String>,
    /// The resource.
    #[arg(long)]
    pub what: Option<String>,
    /// delivered, denied, failed, not-found or timed-out.
    #[arg(long)]
    pub status: Option<String>,
    /// Not before this instant, as 2026-11-01T00:00:00Z, or day, as 2026-11-01.
    #[arg(long)]
    pub from: Option<String>,
    /// Before this instant or day.
    #[arg(long)]
    pub to: Option<String>,
}

/// Verbs of `grant`.
#[derive(Debug, Subcommand)]
pub enum Grant {
    /// Gives a role a permission on an object of one's own sector.
    Give {
        /// Who asks whom.
        #[command(flatten)]
        caller: Caller,
        /// The role, as civil:clerk.
        #[arg(long)]
        role: String,
        /// The object, as transport/vehicle.
        #[arg(long)]
        object: String,
        /// read, query, write, subscribe or transfer.
        #[arg(long, default_value = "read")]
        permission: Vec<String>,
        /// Start of the effective period, inside it.
        #[arg(long)]
        from: String,
        /// End of the effective period, outside it.
        #[arg(long)]
        to: String,
        /// Purposes it is limited to.
        #[arg(long)]
        purpose: Vec<String>,
    },
    /// Ends a grant at once.
    Revoke {
        /// Who asks whom.
        #[command(flatten)]
        caller: Caller,
        /// The grant's id.
        id: String,
        /// Why: a code.
        #[arg(long, default_value = "withdrawn")]
        reason: String,
    },
    /// Lists grants.
    List {
        /// Who asks whom.
        #[command(flatten)]
        caller: Caller,
        /// Only those on this object.
        #[arg(long)]
        object: Option<String>,
    },
    /// Says whether a user may do something, and by which grant.
    Check {
        /// Who asks whom.
        #[command(flatten)]
        caller: Caller,
        /// The user, as civil:clerk.
        #[arg(long)]
        user: String,
        /// The object.
        #[arg(long)]
        object: String,
        /// The permission.
        #[arg(long, default_value = "read")]
        permission: String,
        /// The purpose.
        #[arg(long, default_value = "inquiry")]
        purpose: String,
    },
}

/// Verbs of `directory`.
#[derive(Debug, Subcommand)]
pub enum Directory {
    /// Publishes a resource by its metadata document.
    Publish {
        /// Who asks whom.
        #[command(flatten)]
        caller: Caller,
        /// The metadata, a document of urn:waybill:metadata:1.
        metadata: PathBuf,
    },
    /// Finds resources.
    Search {
        /// Who asks whom.
        #[command(flatten)]
        caller: Caller,
        /// Words of the title, a keyword, or a part of the id.
        text: Option<String>,
    },
    /// Prints a resource's entry.
    Show {
        /// Who asks whom.
        #[command(flatten)]
        caller: Caller,
        /// The resource.
        resource: String,
    },
    /// Withdraws a resource; its entries stay on the ledger.
    Withdraw {
        /// Who asks whom.
        #[command(flatten)]
        caller: Caller,
        /// The resource.
        resource: String,
    },
}

/// Verbs of `salt`.
#[derive(Debug, Subcommand)]
pub enum Salt {
    /// Lists the trades whose salts are kept here.
    List {
        /// The node's configuration.
        #[arg(long, env = "WAYBILL_CONFIG")]
        config: PathBuf,
        /// Only those that were asked for by this criterion: field=value.
        #[arg(long, value_parser = pair)]
        subject: Option<(String, String)>,
    },
    /// Says whether a trade was of a record, by its commitment on the ledger.
    Confirm {
        /// The node's configuration.
        #[arg(long, env = "WAYBILL_CONFIG")]
        config: PathBuf,
        /// Who asks whom.
        #[command(flatten)]
        caller: Caller,
        /// The trade's id.
        trade: String,
        /// The record's id in its sector.
        record: String,
    },
    /// Erases salts for ever: the records stay on the ledger, and nobody can confirm any more whom they were of.
    Erase {
        /// The node's configuration.
        #[arg(long, env = "WAYBILL_CONFIG")]
        config: PathBuf,
        /// One trade's.
        trade: Option<String>,
        /// All that were asked for by this criterion: field=value.
        #[arg(long, value_parser = pair, conflicts_with = "trade")]
        subject: Option<(String, String)>,
    },
}

/// Arguments of the hidden `legacy-system`.
#[derive(Debug, Args)]
pub struct LegacySystem {
    /// Which one.
    pub sector: String,
    /// Address and port to bind.
    #[arg(long)]
    pub listen: String,
    /// Its contract and schema.
    #[arg(long)]
    pub mappings: PathBuf,
    /// How many records it holds.
    #[arg(long, default_value_t = 1200)]
    pub records: usize,
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (field, value) = text.split_once('=').ok_or_else(|| format!("'{text}' is not field=value"))?;
    Ok((field.to_owned(), value.to_owned()))
}

/// The whole program.
#[must_use]
pub fn main() -> ExitCode {
    match run(parse()) {
        Ok(()) => match print::failed() {
            None => ExitCode::SUCCESS,
            Some(error) => {
                print::err(&format!("error[io]: standard output: {error}"));
                ExitCode::from(3)
            }
        },
        Err(failure) => {
            let text = failure.to_string();
            if !text.is_empty() {
                print::err(&text);
            }
            ExitCode::from(failure.status())
        }
    }
}

fn parse() -> Verb {
    let words = helped(std::env::args_os().collect());
    let alone = words.get(1).and_then(|first| first.to_str()).is_some_and(Alone::has_subcommand);
    if alone { Verb::Alone(AloneArguments::parse_from(words).verb) } else { Arguments::parse_from(words).verb }
}

/// `help VERB` is `VERB --help`, which says what a mistyped verb was meant to be.
fn helped(mut words: Vec<OsString>) -> Vec<OsString> {
    let at = words.iter().take(3).skip(1).position(|word| word == "help").map(|at| at + 1);
    if let Some(at) = at.filter(|at| at + 1 < words.len()) {
        words.remove(at);
        words.push("--help".into());
    }
    words
}

/// The verbs that talk to nobody need no runtime: it starts a thread for each processor.
fn run(verb: Verb) -> Result<(), Failure> {
    match verb {
        Verb::Alone(Alone::Map(Later(verb))) => map::run(&verb),
        Verb::Alone(Alone::Wsdl(Later(verb))) => wsdl::run(&verb),
        Verb::Alone(Alone::Xsd(Later(verb))) => xsd::run(&verb),
        Verb::Sim(verb) => sim::run(&verb),
        talking => {
            let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
            runtime.map_err(Failure::Runtime)?.block_on(talk(talking))
        }
    }
}

async fn talk(verb: Verb) -> Result<(), Failure> {
    match verb {
        Verb::Demo(demo) => crate::city::run(demo).await,
        Verb::Init(arguments) => {
            for line in init::run(&arguments)? {
                print::out(&line);
            }
            Ok(())
        }
        Verb::Serve(arguments) => serve(&arguments).await,
        Verb::Status(caller) => verbs::node_status(&caller).await,
        Verb::Trade(Later(verb)) => verbs::trade(verb).await,
        Verb::Grant(Later(verb)) => verbs::grant(verb).await,
        Verb::Directory(Later(verb)) => verbs::directory(verb).await,
        Verb::Audit(Later(verb)) => audit::run(verb).await,
        Verb::Govern(Later(verb)) => govern::govern(verb).await,
        Verb::Key(Later(verb)) => govern::key(verb).await,
        Verb::Brake(Later(verb)) => govern::brake(verb).await,
        Verb::Ledger(Later(verb)) => ledger::run(verb).await,
        Verb::Salt(Later(verb)) => salt::run(verb).await,
        verb @ (Verb::Alone(_) | Verb::Sim(_)) => run(verb),
        Verb::Bench(Later(verb)) => crate::bench::run(verb).await,
        Verb::LegacySystem(arguments) => crate::city::legacy(&arguments).await,
        Verb::LedgerNode(arguments) => Ok(crate::bench::member::run(&arguments).await?),
    }
}

async fn serve(arguments: &Serve) -> Result<(), Failure> {
    let filter = EnvFilter::try_from_env("WAYBILL_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt().with_env_filter(filter).with_ansi(false).with_writer(std::io::stderr).init();
    let config = crate::config::Config::load(&arguments.config)?;
    let checked = crate::serve::check(config)?;
    if arguments.check {
        print::out(&format!("{}: fine", arguments.config.display()));
        return Ok(());
    }
    let pid = arguments.config.with_file_name("pid");
    std::fs::write(&pid, std::process::id().to_string()).map_err(|error| crate::config::Misconfigured::File(pid, error))?;
    Ok(crate::serve::run(checked).await?)
}
