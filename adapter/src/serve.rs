//! `waybill serve`: puts a site together from its configuration and runs it until it is told to stop.

use crate::client::Client;
use crate::config::{Config, Misconfigured, file};
use crate::histories::Histories;
use crate::http;
use crate::keyring::Keyring;
use crate::legacy::Legacy;
use crate::limits::HttpLimits;
use crate::peers::{self, Links, Post};
use crate::refusals::{self, Refusals};
use crate::replica::Replica;
use crate::salts::Salts;
use crate::security::{Security, Signer, Trust, Window};
use crate::site::Site;
use crate::tls::{self, ClientCertificate, IdentityPem};
use crate::trade::{self, Offers};
use crate::witness::Witness;
use data_encoding::HEXLOWER;
use ledger::at_rest::AtRest;
use ledger::body::{Content, Member, Request};
use ledger::checkpoint::{Line, Verifier};
use ledger::index::Index;
use ledger::keys::{PublicKey, SecretKey};
use ledger::medium::Directory;
use ledger::node::{Introduction, Node};
use ledger::record::Entry;
use ledger::store::Store;
use ledger::tree::Hash;
use std::path::Path;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use xsd::read::Limits;

fn wrong(what: &str, error: &impl std::fmt::Display) -> Misconfigured {
    Misconfigured::Value(format!("{what}: {error}"))
}

/// Ticks of 25 ms without a leader before an election, up to twice as many: longer than a loaded machine stalls.
pub(crate) const ELECTION_TICKS: usize = 14;

/// What the files of a configuration hold, checked and ready to run.
pub struct Checked {
    config: Config,
    genesis: Entry,
    ledger: String,
    me: Seat,
    security: Security,
    legacy: Option<Legacy>,
    record: Keyring,
    node: SecretKey,
    server_tls: Arc<rustls::ServerConfig>,
    peer_tls: Arc<rustls::ServerConfig>,
    client_tls: Arc<rustls::ClientConfig>,
}

/// Which node of the ledger this is.
struct Seat {
    id: String,
    node: u64,
    key: PublicKey,
    service: String,
}

/// Reads and checks everything that the configuration names, and starts nothing.
///
/// # Errors
/// A file is missing or wrong, or the keys are not those that the genesis registers.
pub fn check(config: Config) -> Result<Checked, Misconfigured> {
    let genesis = Entry::decode(&file(&config.genesis)?).map_err(|verdict| wrong("genesis", &verdict))?;
    let request = Request::read(genesis.clone()).map_err(|verdict| wrong("genesis", &verdict))?;
    let Content::Genesis(founded) = request.content().clone() else {
        return Err(Misconfigured::Value(format!("{}: not a genesis", config.genesis.display())));
    };
    let ledger = request.ledger().to_owned();
    // Which record key counts is said by the ledger, which this does not open.
    let record = Keyring::open(&config.keys.record)?;
    let node = SecretKey::from_seed(crate::pki::read_seed(&config.keys.node)?);
    let (me, message_certificate) = seat(&config, &founded.members, node.public())?;
    let (certificate, key, ca) = (file(&config.tls.certificate)?, file(&config.tls.key)?, file(&config.tls.ca)?);
    let identity = IdentityPem { certificate: &certificate, key: &key };
    let tls_wrong = |error| wrong("[tls]", &error);
    let signer =
        Signer::from_pem(&file(&config.message.certificate)?, &file(&config.message.key)?).map_err(|error| wrong("[message]", &error))?;
    if message_certificate.is_some_and(|registered| *signer.fingerprint().octets() != registered.0) {
        return Err(Misconfigured::Value(String::from("[message]: not the certificate that the genesis registers for this sector")));
    }
    let trust = Trust::from_pem(&file(&config.message.members)?).map_err(|error| wrong("[message] members", &error))?;
    let legacy = config.legacy.as_ref().map(Legacy::load).transpose()?;
    Ok(Checked {
        server_tls: tls::server(identity, &ca, ClientCertificate::Optional).map_err(tls_wrong)?,
        peer_tls: tls::server(identity, &ca, ClientCertificate::Required).map_err(tls_wrong)?,
        client_tls: tls::client(Some(identity), &ca).map_err(tls_wrong)?,
        security: Security::new(trust, Some(signer), Window::default(), limits(&config)),
        config,
        genesis,
        ledger,
        me,
        legacy,
        record,
        node,
    })
}

/// Which node this is, and the message certificate if the genesis registers one for it.
fn seat(config: &Config, founders: &[Member], key: PublicKey) -> Result<(Seat, Option<Hash>), Misconfigured> {
    let id = config.sector.clone();
    let founder = founders.iter().find(|member| member.id == id);
    if let Some(node) = config.ledger.node.filter(|node| founder.is_none_or(|founder| founder.node != *node)) {
        let service = config.service.address.trim_start_matches("https://").to_owned();
        return Ok((Seat { id, node, key, service }, None));
    }
    let unknown = format!("sector = \"{id}\": the genesis has no such member; a node that came later needs [ledger] node, its number");
    let founder = founder.ok_or(Misconfigured::Value(unknown))?;
    if config.ledger.node.is_none() && key != founder.node_key {
        let other = "[keys] node: not the key that the genesis registers for this sector; after a change of keys, [ledger] node is the node's number";
        return Err(Misconfigured::Value(String::from(other)));
    }
    Ok((Seat { id, node: founder.node, key, service: founder.service.clone() }, Some(founder.message_certificate)))
}

fn limits(config: &Config) -> Limits {
    Limits { document_bytes_max: config.limits.body_bytes_max, ..Limits::default() }
}

fn http_limits(config: &Config) -> HttpLimits {
    HttpLimits { body_bytes_max: config.limits.body_bytes_max, calls_max: config.limits.calls_max, ..HttpLimits::default() }
}

/// Runs the node until SIGTERM or SIGINT.
///
/// # Errors
/// An address cannot be bound, or the ledger's directory cannot be opened.
pub async fn run(checked: Checked) -> Result<(), Misconfigured> {
    let Checked { config, genesis, ledger, me, security, legacy, record, node, server_tls, peer_tls, client_tls } = checked;
    let bound = |address: &str, error: std::io::Error| Misconfigured::Value(format!("cannot listen on {address}: {error}"));
    let services = TcpListener::bind(&config.service.listen).await.map_err(|error| bound(&config.service.listen, error))?;
    let peers = std::net::TcpListener::bind(&config.peer.listen).map_err(|error| bound(&config.peer.listen, error))?;
    let witness = witness(&config, &me, &ledger, node.clone())?;
    let (node, index) = open(&config, &me, genesis, node)?;
    let archive = node.store().archive();
    let (mut links, known) = Links::new(me.node, Arc::clone(&client_tls));
    let keys = Arc::new(record);
    let (refusals, refused) = refusals::desk();
    let (ring, told, sector) = (Arc::clone(&keys), refusals.clone(), config.sector.clone());
    let (replica, thread) =
        Replica::start(node, move |post| take(&mut links, &ring, &told, &sector, post)).map_err(|error| wrong("ledger thread", &error))?;
    let (histories, _feeding) = Histories::start(index, replica.clone(), archive.clone());
    let inbox = replica.clone();
    let accepting = replica.runtime().spawn(peers::accept(peers, peer_tls, known, move |from, frame| inbox.deliver(from, frame)));
    let (contracts, schemas) = crate::contracts::load()?;
    let http_limits = http_limits(&config);
    let site = Arc::new(Site {
        sector: config.sector.clone(),
        ledger,
        server: me.service.clone(),
        reader: limits(&config),
        security,
        schemas,
        contracts,
        legacy,
        client: Client::new(Some(client_tls), http_limits),
        replica: replica.clone(),
        archive,
        histories,
        keys,
        refusals,
        offers: Offers::default(),
        salts: Salts::open(&config.salts())?,
        witness,
        metadata_dir: config.data.join("../metadata"),
        config,
    });
    let tasks = [
        tokio::spawn(trade::expire(Arc::clone(&site))),
        tokio::spawn(refusals::record(Arc::clone(&site), refused)),
        tokio::spawn(crate::legacy::follow(Arc::clone(&site))),
    ];
    tracing::info!(sector = site.sector, address = site.config.service.address, "serving");
    let handler = move |request| {
        let site = Arc::clone(&site);
        async move { crate::endpoint::answer(&site, request).await }
    };
    let mut ledger = tokio::task::spawn_blocking(move || thread.join());
    let stop = async {
        tokio::select! {
            () = told_to_stop() => {}
            _ = &mut ledger => {}
        }
    };
    http::serve(services, Some(server_tls), http_limits, handler, stop).await;
    tasks.iter().for_each(tokio::task::JoinHandle::abort);
    replica.stop().await;
    // The peers are heard until the thread has handed the lead over.
    if !ledger.is_finished() {
        let _joined = (&mut ledger).await;
    }
    accepting.abort();
    match replica.failed() {
        Some(failure) => Err(Misconfigured::Value(format!("the ledger node has stopped: {failure}"))),
        None => Ok(()),
    }
}

/// Links and keys follow the members that the ledger names.
fn take(links: &mut Links, keys: &Keyring, refusals: &Refusals, sector: &str, post: Post) {
    match &post {
        Post::Members(members) => keys.follow(sector, members),
        Post::Refused(refused) => return refusals.tell(refused.clone()),
        Post::Frame { .. } => {}
    }
    links.take(post);
}

/// The keys at rest: the current one first.
pub(crate) fn at_rest(path: &Path) -> Result<AtRest, Misconfigured> {
    let text = file(path)?;
    let wrong =
        || Misconfigured::Value(format!("{}: a key at rest is 64 hexadecimal digits, one a line, the current one first", path.display()));
    let key = |line: &[u8]| HEXLOWER.decode(line.trim_ascii()).ok().and_then(|key| <[u8; 32]>::try_from(key).ok()).ok_or_else(wrong);
    let lines = text.split(|octet| *octet == b'\n').filter(|line| !line.trim_ascii().is_empty());
    let mut keys = lines.map(key).collect::<Result<Vec<_>, _>>()?.into_iter();
    Ok(AtRest::new(keys.next().ok_or_else(wrong)?, keys.collect()))
}

/// The node as a witness: under the name and with the key by which the policy knows it.
fn witness(config: &Config, me: &Seat, ledger: &str, key: SecretKey) -> Result<Witness, Misconfigured> {
    let unknown = |vkey: &str| Misconfigured::Value(format!("[ledger] witness_of: {vkey}: not the vkey of a log (type 01)"));
    let log = |vkey: &String| Verifier::parse(vkey).filter(|log| log.line == Line::Log && log.name != ledger).ok_or_else(|| unknown(vkey));
    let logs: Vec<Verifier> = config.ledger.witness_of.iter().map(log).collect::<Result<_, _>>()?;
    Witness::open(&config.data.join("../witness"), Verifier::cosigner(&me.id, ledger, me.key), key, &logs)
}

fn open(config: &Config, me: &Seat, genesis: Entry, key: SecretKey) -> Result<(Node<Directory>, Index), Misconfigured> {
    let at = |error: &dyn std::fmt::Display| Misconfigured::Value(format!("{}: {error}", config.data.display()));
    let founded = Hash::of(genesis.body());
    let keys = config.ledger.at_rest_key.as_deref().map(at_rest).transpose()?;
    let store = Directory::open(&config.data).and_then(|directory| Store::open(directory, &founded, keys));
    let mut store = store.map_err(|error| at(&error))?;
    let rewrapped = store.rewrap().map_err(|error| at(&error))?;
    if rewrapped > 0 {
        tracing::info!(rewrapped, "data keys at rest are wrapped by the current key now");
    }
    for torn in store.repairs() {
        tracing::warn!(?torn, "a torn end was cut off");
    }
    let settings = ledger::node::Config::new(&me.id, genesis, key);
    let introduction = config.ledger.introduction.as_deref().map(|bundle| introduced(bundle, founded)).transpose()?;
    let life = crate::replica::now().0;
    let settings = ledger::node::Config { node: me.node, life, election_ticks: ELECTION_TICKS, introduction, ..settings };
    if let Some(error) = store.lacking() {
        tracing::warn!(%error, "both copies of the client tags of these leaves are damaged, too: this node takes no part until others have sent them");
    }
    let node = Node::start(settings, store).map_err(|error| at(&error))?;
    let index = Index::open(&config.data.join("index")).map_err(|error| at(&error))?;
    Ok((node, index))
}

/// Who the members are, by a bundle that is believed by the genesis alone.
fn introduced(bundle: &Path, genesis: Hash) -> Result<Introduction, Misconfigured> {
    let report = ledger::audit::verify(bundle, &ledger::audit::Trust::Fingerprint(genesis))
        .map_err(|error| Misconfigured::File(bundle.to_owned(), error))?;
    if let Some(problem) = report.problems.first() {
        return Err(wrong("[ledger] introduction", &format!("{}: {problem}", bundle.display())));
    }
    Ok(Introduction { size: report.root.map_or(0, |(root, _)| root + 1), members: report.members })
}

async fn told_to_stop() {
    let (Ok(mut term), Ok(mut int)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt())) else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = term.recv() => {}
        _ = int.recv() => {}
    }
}
