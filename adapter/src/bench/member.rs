//! `waybill ledger-node`: a member's real ledger node and peer links, without services, for measurements on the loopback.

use super::{LedgerNode, submit, wrong};
use crate::config::Misconfigured;
use crate::peers::{self, Links};
use crate::replica::Replica;
use crate::serve::ELECTION_TICKS;
use crate::tls::{self, ClientCertificate, IdentityPem};
use ledger::body::{Content, Request};
use ledger::keys::SecretKey;
use ledger::medium::Directory;
use ledger::node::Node;
use ledger::record::Entry;
use ledger::store::Store;
use ledger::tree::Hash;
use std::sync::Arc;
use tokio::net::TcpListener;

/// Runs the node until it is killed.
///
/// # Errors
/// A file is missing or wrong, an address cannot be bound, or the ledger's disk failed.
pub async fn run(arguments: &LedgerNode) -> Result<(), Misconfigured> {
    let dir = &arguments.dir;
    let read = |name: &str| std::fs::read(dir.join(name)).map_err(|error| Misconfigured::File(dir.join(name), error));
    let bad = |error: &dyn std::fmt::Display| wrong("genesis", error);
    let genesis = Entry::decode(&read("genesis")?).map_err(|error| bad(&error))?;
    let request = Request::read(genesis.clone()).map_err(|error| bad(&error))?;
    let Content::Genesis(founded) = request.content() else { return Err(bad(&"not one")) };
    let key = SecretKey::from_seed(crate::pki::read_seed(&dir.join("node.key"))?);
    let me = founded.members.iter().find(|member| member.node_key == key.public());
    let me = me.ok_or_else(|| bad(&"no member has the key of this node"))?;

    let (certificate, tls_key, ca) = (read("tls.pem")?, read("tls.key")?, read("ca.pem")?);
    let identity = IdentityPem { certificate: &certificate, key: &tls_key };
    let server = tls::server(identity, &ca, ClientCertificate::Required).map_err(|error| wrong("TLS", &error))?;
    let client = tls::client(Some(identity), &ca).map_err(|error| wrong("TLS", &error))?;

    let peer_port = TcpListener::bind(&me.peer).await.map_err(|error| wrong(&me.peer, &error))?;
    let submit_port = TcpListener::bind(&me.service).await.map_err(|error| wrong(&me.service, &error))?;
    let directory = Directory::open(&dir.join("data")).map_err(|error| wrong("data", &error))?;
    let store = Store::open(directory, &Hash::of(genesis.body()), None).map_err(|error| wrong("data", &error))?;
    let settings = ledger::node::Config { election_ticks: ELECTION_TICKS, ..ledger::node::Config::new(&me.id, genesis, key) };
    let node = Node::open(settings, store).map_err(|error| wrong("data", &error))?;
    let (mut links, known) = Links::new(me.node, Arc::clone(&client));
    let (replica, thread) = Replica::start(node, move |post| links.take(post)).map_err(|error| wrong("ledger thread", &error))?;
    let inbox = replica.clone();
    let peer_port = peer_port.into_std().map_err(|error| wrong(&me.peer, &error))?;
    let submit_port = submit_port.into_std().map_err(|error| wrong(&me.service, &error))?;
    let mut accepting = replica.runtime().spawn(peers::accept(peer_port, server, known, move |from, frame| inbox.deliver(from, frame)));
    let mut ledger = tokio::task::spawn_blocking(move || thread.join());
    let mut serving = replica.runtime().spawn(submit::serve(submit_port, replica.clone()));
    let ended = tokio::select! {
        ended = &mut serving => ended.map_err(|error| wrong("the submit port", &error))?,
        _ = &mut ledger => Err(wrong("the ledger node has stopped", &replica.failed().unwrap_or("by itself"))),
        _ = &mut accepting => Err(wrong("the peer port", &"has ended")),
    };
    accepting.abort();
    ended
}
