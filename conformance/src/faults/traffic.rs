//! What the nodes are busy with while they are disturbed: administrators that define roles, one record a call.

use super::history::{Phase, Recorder};
use super::town::{Town, VOTERS};
use adapter::cli::session::{Failure, Session};
use adapter::fault::Reason;
use adapter::unified::authority::{DefineRole, DefineRoleResponse};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;

/// Clients of each voting node.
const CLIENTS: usize = 3;
/// How long a client waits: longer than a node waits for its quorum.
const PATIENCE: Duration = Duration::from_secs(7);

/// Running clients.
#[derive(Debug)]
pub struct Traffic {
    /// What they saw.
    pub recorder: Arc<Recorder>,
    /// What their keys begin with.
    pub prefix: String,
    stop: Arc<AtomicBool>,
    clients: Vec<JoinHandle<()>>,
}

impl Traffic {
    /// Starts the clients; their history goes to `path`.
    ///
    /// # Errors
    /// A file cannot be read or made.
    pub fn start(town: &Town, path: &Path, prefix: &str) -> Result<Self, String> {
        let recorder = Arc::new(Recorder::create(path).map_err(|error| error.to_string())?);
        let stop = Arc::new(AtomicBool::new(false));
        let mut clients = Vec::new();
        for (at, number) in VOTERS.iter().flat_map(|at| (0..CLIENTS).map(move |number| (*at, number))) {
            let (recorder, stop, prefix) = (Arc::clone(&recorder), Arc::clone(&stop), format!("{prefix}-{at}-{number}"));
            clients.push(town.runtime.spawn(client(town.session(at)?, at as u64 + 1, recorder, stop, prefix)));
        }
        Ok(Self { recorder, prefix: format!("{prefix}-"), stop, clients })
    }

    /// Waits until this many calls that began at `from` or later are acknowledged.
    ///
    /// # Errors
    /// They are not within `within`: too little traffic shows nothing.
    pub fn wait(&self, from: u64, count: usize, within: Duration) -> Result<(), String> {
        let until = Instant::now() + within;
        loop {
            let acknowledged: usize = self.recorder.acknowledged(from).values().sum();
            if acknowledged >= count {
                return Ok(());
            }
            if Instant::now() > until {
                return Err(format!("too little traffic: {acknowledged} of {count} records were acknowledged in {within:?}"));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Ends the clients after the calls they are in.
    pub fn stop(self, town: &Town) {
        self.stop.store(true, Ordering::SeqCst);
        for client in self.clients {
            drop(town.runtime.block_on(client));
        }
    }
}

async fn client(session: Session, node: u64, recorder: Arc<Recorder>, stop: Arc<AtomicBool>, prefix: String) {
    let mut number = 0_u64;
    while !stop.load(Ordering::SeqCst) {
        number += 1;
        let key = format!("{prefix}-{number}");
        recorder.take(node, &key, Phase::Invoke);
        let request = DefineRole { role_name: key.clone() };
        let call = session.call::<DefineRoleResponse>("authority", &request);
        let phase = match tokio::time::timeout(PATIENCE, call).await {
            Ok(Ok(done)) => Phase::Ok { id: done.record_id, index: done.leaf_index, receipt: done.receipt.map(|receipt| receipt.proof) },
            Ok(Err(Failure::Fault(fault))) if fault.stable() == Some(Reason::Refused) => Phase::Fail,
            Ok(Err(_)) | Err(_) => Phase::Info,
        };
        let pause = !matches!(phase, Phase::Ok { .. });
        recorder.take(node, &key, phase);
        if pause {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}
