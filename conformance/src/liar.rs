//! A node that lies: a member with its own keys that shows one half of the others another history than the other half.

use adapter::config::{Config, file};
use adapter::peers::{self, Link, Post};
use adapter::replica::{Committed, Replica, Unrecorded};
use adapter::tls::{self, ClientCertificate, IdentityPem};
use ledger::body::{Content, Request};
use ledger::checkpoint::{Checkpoint, Cosignature};
use ledger::keys::SecretKey;
use ledger::medium::Directory;
use ledger::node::Node;
use ledger::record::Entry;
use ledger::store::Store;
use ledger::tree::Hash;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::net::TcpListener;

/// The first octets of frames between nodes, as `ledger/src/frame.rs` has them.
const RAFT: u8 = 1;
const HEAD: u8 = 3;
const NOTE: u8 = 4;
const TRANSFER: u8 = 6;

/// What the liar says to whom.
#[derive(Debug, Default)]
struct Script {
    /// The nodes that are shown the lie.
    deceived: BTreeSet<u64>,
    /// An entry's octets, and the others of the same length that stand in their place.
    lie: Option<(Vec<u8>, Vec<u8>)>,
}

/// A running liar. Everything of it but its tongue is the product's: store, node, links.
#[derive(Debug)]
pub struct Liar {
    replica: Replica,
    links: Arc<BTreeMap<u64, Link>>,
    script: Arc<Mutex<Script>>,
    record: SecretKey,
    ledger: String,
    me: u64,
}

impl Liar {
    /// Takes the place of a sector's node, whose process must have ended.
    ///
    /// # Panics
    /// A file is missing, or the node's address is taken.
    #[expect(clippy::expect_used, reason = "a test cannot go on without its liar")]
    pub async fn start(city: &Path, sector: &str) -> Self {
        let config = Config::load(&city.join(sector).join("waybill.toml")).expect("the sector is configured");
        let genesis = Entry::decode(&file(&config.genesis).expect("a genesis")).expect("a genesis");
        let request = Request::read(genesis.clone()).expect("a genesis");
        let Content::Genesis(founded) = request.content().clone() else { unreachable!("leaf 0 is a genesis") };
        let me = founded.members.iter().find(|member| member.id == sector).cloned().expect("a member");
        let node_key = SecretKey::from_seed(adapter::pki::read_seed(&config.keys.node).expect("a key"));
        let record = SecretKey::from_seed(adapter::pki::read_seed(&config.keys.record).expect("a key"));
        let (certificate, key) = (file(&config.tls.certificate).expect("a file"), file(&config.tls.key).expect("a file"));
        let ca = file(&config.tls.ca).expect("a file");
        let identity = IdentityPem { certificate: &certificate, key: &key };
        let client = tls::client(Some(identity), &ca).expect("a TLS identity");
        let server = tls::server(identity, &ca, ClientCertificate::Required).expect("a TLS identity");
        let others = founded.members.iter().filter(|member| member.node != me.node);
        let links: BTreeMap<u64, Link> = others
            .map(|member| {
                let fingerprint = adapter::site::fingerprint(member.tls_certificate);
                (member.node, Link::dial(member.peer.clone(), fingerprint, Arc::clone(&client)))
            })
            .collect();
        let links = Arc::new(links);
        let store = Directory::open(&config.data).and_then(|directory| Store::open(directory, &Hash::of(genesis.body()), None));
        let node = Node::open(ledger::node::Config::new(sector, genesis, node_key.clone()), store.expect("a store")).expect("a node");
        let script: Arc<Mutex<Script>> = Arc::default();
        let (out, tongue) = (Arc::clone(&links), Arc::clone(&script));
        let (replica, _thread) = Replica::start(node, move |post| {
            let Post::Frame { to, octets: frame } = post else { return };
            let said = tongue.lock().unwrap_or_else(PoisonError::into_inner).say(to, frame);
            if let (Some(link), Some(said)) = (out.get(&to), said) {
                link.send(said);
            }
        })
        .expect("a thread");
        let known = founded.members.iter().map(|member| (adapter::site::fingerprint(member.tls_certificate), member.node)).collect();
        let listener = TcpListener::bind(&config.peer.listen).await.expect("the node's address is free");
        let (inbox, back, ear, origin) = (replica.clone(), Arc::clone(&links), Arc::clone(&script), request.ledger().to_owned());
        let deliver = move |from: u64, frame: Vec<u8>| {
            let believed = ear.lock().unwrap_or_else(PoisonError::into_inner).hear(from, &frame, &node_key, &origin);
            match (believed, back.get(&from)) {
                (Some(answer), Some(link)) => link.send(answer),
                _ => inbox.deliver(from, frame),
            }
        };
        let listener = listener.into_std().expect("a listener");
        drop(tokio::spawn(peers::accept(listener, server, tokio::sync::watch::channel(known).1, deliver)));
        Self { replica, links, script, record, ledger: request.ledger().to_owned(), me: me.node }
    }

    /// The ledger's id.
    #[must_use]
    pub fn ledger(&self) -> &str {
        &self.ledger
    }

    /// The record key with which it signs both branches.
    #[must_use]
    pub fn record_key(&self) -> &SecretKey {
        &self.record
    }

    /// Asks whoever leads to hand the lead over, until this node has it.
    ///
    /// # Panics
    /// It does not within 20 s.
    pub async fn lead(&self) {
        for _ in 0..200 {
            if self.replica.read(|node| node.status().leads).await == Ok(true) {
                return;
            }
            for link in self.links.values() {
                link.send([[TRANSFER].as_slice(), &self.me.to_be_bytes()].concat());
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        unreachable!("the liar does not come to lead");
    }

    /// Commits `truth`, which the nodes `deceived` see as `lie`: an entry of the same length.
    ///
    /// # Errors
    /// As [`Replica::submit`].
    pub async fn tell(&self, truth: Entry, lie: &Entry, deceived: &[u64]) -> Result<Committed, Unrecorded> {
        assert_eq!(truth.encode().len(), lie.encode().len(), "the lie fits where the truth stood");
        {
            let mut script = self.script.lock().unwrap_or_else(PoisonError::into_inner);
            *script = Script { deceived: deceived.iter().copied().collect(), lie: Some((truth.encode(), lie.encode())) };
        }
        self.replica.submit(truth, Duration::from_secs(10)).await
    }
}

impl Script {
    /// What goes to a node instead of `frame`: to the deceived the other entry, and no head or checkpoint of the branch that
    /// they do not have.
    fn say(&self, to: u64, frame: Vec<u8>) -> Option<Vec<u8>> {
        let Some((truth, lie)) = self.lie.as_ref().filter(|_| self.deceived.contains(&to)) else { return Some(frame) };
        match frame.first() {
            Some(&RAFT) => Some(replaced(frame, truth, lie)),
            Some(&(HEAD | NOTE)) => None,
            _ => Some(frame),
        }
    }

    /// A deceived node's head is cosigned, whatever it says: that makes the lie believable, and provable.
    fn hear(&self, from: u64, frame: &[u8], key: &SecretKey, origin: &str) -> Option<Vec<u8>> {
        let (tag, rest) = frame.split_first()?;
        if *tag != HEAD || self.lie.is_none() || !self.deceived.contains(&from) {
            return None;
        }
        let (size, rest) = rest.split_first_chunk::<8>()?;
        let (root, rest) = rest.split_first_chunk::<32>()?;
        let seconds = Cosignature::read(rest)?.seconds;
        let checkpoint = Checkpoint { origin: origin.to_owned(), size: u64::from_be_bytes(*size), root: Hash(*root) };
        let signed = Cosignature::sign(key, seconds, &checkpoint.text());
        Some([[HEAD].as_slice(), size, root, &signed.seconds.to_be_bytes(), &signed.value].concat())
    }
}

/// `octets` with every `from` in it replaced by `to`, which is as long.
fn replaced(mut octets: Vec<u8>, from: &[u8], to: &[u8]) -> Vec<u8> {
    let places: Vec<usize> = octets.windows(from.len()).enumerate().filter(|(_, window)| *window == from).map(|(at, _)| at).collect();
    for at in places {
        if let Some(place) = octets.get_mut(at..at + to.len()) {
            place.copy_from_slice(to);
        }
    }
    octets
}
