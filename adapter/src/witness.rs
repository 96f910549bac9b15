//! This node as a witness of logs (C2SP tlog-witness): what it cosigned last of each is on the disk before anybody sees it.

use crate::archive::refused;
use crate::config::Misconfigured;
use crate::http::{Request, Response};
use crate::site::Site;
use data_encoding::HEXLOWER;
use ledger::checkpoint::{Checkpoint, NoteSignature, Verifier};
use ledger::keys::SecretKey;
use ledger::tree::Hash;
use ledger::witness::outside::{AddCheckpoint, Refusal};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// The media type of the body that says which size is known here.
const SIZE: &str = "text/x.tlog.size";

/// Logs, their keys, and what was cosigned of them last.
#[derive(Debug)]
pub struct Witness {
    dir: PathBuf,
    me: Verifier,
    key: SecretKey,
    logs: BTreeMap<String, Vec<Verifier>>,
    /// `None` after a write that failed: what is on the disk is not known until the next start.
    last: Mutex<Option<BTreeMap<String, Checkpoint>>>,
}

/// Why no cosignature was made.
#[derive(Debug)]
enum Unsigned {
    Refused(Refusal),
    Disk(Misconfigured),
    Stopped,
}

impl Witness {
    /// Takes up what is remembered in `dir`. `logs` are the keys of logs besides this node's own, by whose names they go.
    ///
    /// # Errors
    /// The directory cannot be made, or what is in it cannot be read.
    pub fn open(dir: &Path, me: Verifier, key: SecretKey, logs: &[Verifier]) -> Result<Self, Misconfigured> {
        let failed = |error| Misconfigured::File(dir.to_owned(), error);
        std::fs::create_dir_all(dir).map_err(failed)?;
        let mut last = BTreeMap::new();
        for item in dir.read_dir().map_err(failed)? {
            let path = item.map_err(failed)?.path();
            // Anything else is what a crash left of a write that nobody saw.
            if path.extension().is_some_and(|extension| extension == "checkpoint") {
                let text = String::from_utf8_lossy(&crate::config::file(&path)?).into_owned();
                let seen = read(&text).filter(|seen| path.ends_with(name(&seen.origin)));
                let damaged = || Misconfigured::Value(format!("{}: not what this witness wrote; it must not guess", path.display()));
                let seen = seen.ok_or_else(damaged)?;
                last.insert(seen.origin.clone(), seen);
            }
        }
        let mut by_origin: BTreeMap<String, Vec<Verifier>> = BTreeMap::new();
        for log in logs {
            by_origin.entry(log.name.clone()).or_default().push(log.clone());
        }
        Ok(Self { dir: dir.to_owned(), me, key, logs: by_origin, last: Mutex::new(Some(last)) })
    }

    /// Cosigns what continues the last checkpoint of its origin, and remembers it first: the check and the write are one step.
    fn cosign(&self, asked: &AddCheckpoint, log: &[Verifier], seconds: u64) -> Result<NoteSignature, Unsigned> {
        let mut guard = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let last = guard.as_mut().ok_or(Unsigned::Stopped)?;
        let seen = last.get(&asked.checkpoint.origin).map(|seen| (seen.size, seen.root));
        asked.decide(log, seen).map_err(Unsigned::Refused)?;
        if seen != Some((asked.checkpoint.size, asked.checkpoint.root)) {
            if let Err(error) = self.remember(&asked.checkpoint) {
                *guard = None;
                return Err(Unsigned::Disk(error));
            }
            last.insert(asked.checkpoint.origin.clone(), asked.checkpoint.clone());
        }
        Ok(NoteSignature::cosign(&self.me, &self.key, seconds, &asked.text))
    }

    fn remember(&self, checkpoint: &Checkpoint) -> Result<(), Misconfigured> {
        let path = self.dir.join(name(&checkpoint.origin));
        let new = path.with_extension("new");
        let failed = |error| Misconfigured::File(path.clone(), error);
        let mut file = File::create(&new).map_err(failed)?;
        file.write_all(written(checkpoint).as_bytes()).and_then(|()| file.sync_all()).map_err(failed)?;
        std::fs::rename(&new, &path).map_err(failed)?;
        File::open(&self.dir).and_then(|dir| dir.sync_all()).map_err(failed)
    }
}

fn name(origin: &str) -> String {
    format!("{}.checkpoint", HEXLOWER.encode(&Sha256::digest(origin)))
}

/// What is remembered: the checkpoint's text, an empty line, and SHA-256 of the text.
fn written(checkpoint: &Checkpoint) -> String {
    let text = checkpoint.text();
    format!("{text}\nsha256 {}\n", HEXLOWER.encode(&Sha256::digest(&text)))
}

/// Reads what [`written`] gives; the first version wrote the text alone.
fn read(text: &str) -> Option<Checkpoint> {
    let seen = Checkpoint::parse(text.split_once("\n\n").map_or(text.to_owned(), |(seen, _)| format!("{seen}\n")).as_str())?;
    (text == written(&seen) || text == seen.text()).then_some(seen)
}

/// What is wrong with what a witness remembered. `ours` gives the root of a log that is at hand, at a size, if it goes so far.
pub(crate) fn inspect(dir: &Path, ours: &dyn Fn(&str, u64) -> Option<Hash>) -> Vec<String> {
    let mut lines = Vec::new();
    for item in dir.read_dir().into_iter().flatten() {
        let Ok(path) = item.map(|item| item.path()) else { continue };
        let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let seen =
            std::fs::read(&path).ok().and_then(|octets| read(&String::from_utf8(octets).ok()?)).filter(|seen| file == name(&seen.origin));
        match seen {
            None if file.ends_with(".new") => {
                lines.push(format!("witness/{file} at 0: a file that was never finished, which the next start does not read"))
            }
            None => lines.push(format!("witness/{file} at 0: not what this witness wrote; it must not guess")),
            Some(seen) if ours(&seen.origin, seen.size).is_some_and(|root| root != seen.root) => {
                lines.push(format!("witness/{file} at 0: what was cosigned is not of this history"));
            }
            Some(_) => {}
        }
    }
    lines
}

/// `POST /add-checkpoint`.
pub async fn answer(site: &Arc<Site>, request: &Request) -> Response {
    let Some(asked) = AddCheckpoint::read(&request.body) else {
        return refused(400, "Not a body of tlog-witness: old SIZE, the proof's hashes, an empty line, the signed checkpoint.\n");
    };
    let log = if asked.checkpoint.origin == site.ledger {
        let (size, root) = (asked.checkpoint.size, asked.checkpoint.root);
        let own = site.replica.read(move |node| (node.policy().logs().to_vec(), node.tree().root(size))).await;
        match own {
            Ok((log, ours)) if asked.is_signed(&log) => match held(&asked, ours, root) {
                Ok(()) => log,
                Err(response) => return response,
            },
            Ok((log, _)) => log,
            Err(_) => return refused(503, "The ledger is busy; come back soon.\n"),
        }
    } else {
        match site.witness.logs.get(&asked.checkpoint.origin) {
            Some(log) => log.clone(),
            None => return refused(404, "This witness does not know the origin.\n"),
        }
    };
    let (site, seconds) = (Arc::clone(site), crate::replica::now().0 / 1000);
    let done = tokio::task::spawn_blocking(move || site.witness.cosign(&asked, &log, seconds)).await;
    respond(done.unwrap_or(Err(Unsigned::Stopped)))
}

/// Of its own ledger a node cosigns only what it has itself.
fn held(asked: &AddCheckpoint, ours: Option<Hash>, root: Hash) -> Result<(), Response> {
    match ours {
        Some(ours) if ours == root => Ok(()),
        Some(_) => {
            tracing::error!(checkpoint = asked.text, "a member signed a tree head that contradicts ours");
            Err(refused(422, "This node holds another history of that size.\n"))
        }
        None => Err(refused(503, "This node has not so many leaves yet; come back soon.\n")),
    }
}

fn respond(done: Result<NoteSignature, Unsigned>) -> Response {
    match done {
        Ok(line) => Response::new(200, "text/plain; charset=utf-8", line.text().into_bytes()),
        Err(Unsigned::Refused(Refusal::Malformed)) => refused(400, "The old size is larger than the checkpoint's.\n"),
        Err(Unsigned::Refused(Refusal::Unsigned)) => refused(403, "No signature of a key that this witness knows for the origin.\n"),
        Err(Unsigned::Refused(Refusal::Unproven)) => refused(422, "The proof does not lead from what was cosigned last to this.\n"),
        Err(Unsigned::Refused(Refusal::Conflict { size })) => Response::new(409, SIZE, format!("{size}\n").into_bytes()),
        Err(Unsigned::Disk(error)) => {
            tracing::error!(%error, "witness");
            refused(500, "The witness cannot remember; it cosigns nothing until it is started again.\n")
        }
        Err(Unsigned::Stopped) => refused(500, "The witness could not remember; it cosigns nothing until it is started again.\n"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ledger::tree::{Tree, leaf_hash};

    const ORIGIN: &str = "log.example/other";

    struct Log {
        key: SecretKey,
        tree: Tree,
    }

    impl Log {
        fn asked(&self, old: u64, size: u64) -> AddCheckpoint {
            let text = Checkpoint { origin: ORIGIN.to_owned(), size, root: self.tree.root(size).unwrap() }.text();
            let proof: String = self.tree.consistency(old, size).unwrap().iter().map(|hash| hash.to_base64() + "\n").collect();
            let line = NoteSignature::sign(ORIGIN, &self.key, &text).text();
            AddCheckpoint::read(format!("old {old}\n{proof}\n{text}\n{line}").as_bytes()).unwrap()
        }
    }

    #[test]
    fn what_was_cosigned_is_remembered_before_it_is_answered() {
        let dir = std::env::temp_dir().join(format!("waybill-witness-{}", std::process::id()));
        drop(std::fs::remove_dir_all(&dir));
        let mut log = Log { key: SecretKey::from_seed([3; 32]), tree: Tree::default() };
        (0_u32..20).for_each(|leaf| log.tree.push(leaf_hash(&leaf.to_be_bytes())));
        let keys = [Verifier::log(ORIGIN, log.key.public())];
        let mine = SecretKey::from_seed([4; 32]);
        let me = Verifier::cosigner("civil", "city.example/main/1", mine.public());
        let open = || Witness::open(&dir, me.clone(), mine.clone(), &keys);
        let conflict = |done: Result<NoteSignature, Unsigned>| match done {
            Err(Unsigned::Refused(Refusal::Conflict { size })) => size,
            other => panic!("{other:?}"),
        };
        let first = open().unwrap();
        assert_eq!(first.cosign(&log.asked(0, 5), &keys, 1).unwrap().name, me.name);
        // The process ends here; the next one knows.
        let again = open().unwrap();
        assert_eq!(conflict(again.cosign(&log.asked(0, 5), &keys, 1)), 5);
        again.cosign(&log.asked(5, 12), &keys, 2).unwrap();
        // A crash in the middle of a write leaves this; nobody saw its cosignature.
        let file = dir.join(name(ORIGIN));
        std::fs::write(file.with_extension("new"), "log.example/other\n13\nhalf").unwrap();
        assert_eq!(conflict(open().unwrap().cosign(&log.asked(5, 12), &keys, 3)), 12);
        // Who cannot remember does not sign, and goes on not signing: what the disk has is unknown.
        let blocked = open().unwrap();
        std::fs::remove_file(file.with_extension("new")).unwrap();
        std::fs::create_dir(file.with_extension("new")).unwrap();
        assert!(matches!(blocked.cosign(&log.asked(12, 20), &keys, 4), Err(Unsigned::Disk(_))));
        std::fs::remove_dir(file.with_extension("new")).unwrap();
        assert!(matches!(blocked.cosign(&log.asked(12, 20), &keys, 5), Err(Unsigned::Stopped)));
        assert!(open().unwrap().cosign(&log.asked(12, 20), &keys, 6).is_ok());
        std::fs::write(&file, "damaged").unwrap();
        assert!(open().is_err());
        std::fs::remove_dir_all(&dir).unwrap();
    }

    #[test]
    fn one_of_two_that_continue_the_same_checkpoint_differently_is_cosigned() {
        let dir = std::env::temp_dir().join(format!("waybill-witness-race-{}", std::process::id()));
        drop(std::fs::remove_dir_all(&dir));
        let key = SecretKey::from_seed([3; 32]);
        let keys = vec![Verifier::log(ORIGIN, key.public())];
        let mine = SecretKey::from_seed([4; 32]);
        let me = Verifier::cosigner("civil", "city.example/main/1", mine.public());
        let witness = Arc::new(Witness::open(&dir, me, mine, &keys).unwrap());
        let threads: Vec<_> = (0_u32..8)
            .map(|branch| {
                let (witness, keys, key) = (Arc::clone(&witness), keys.clone(), key.clone());
                std::thread::spawn(move || {
                    let mut log = Log { key, tree: Tree::default() };
                    (0..9).for_each(|leaf| log.tree.push(leaf_hash(&(leaf + branch * 1000).to_be_bytes())));
                    witness.cosign(&log.asked(0, 9), &keys, 1).is_ok()
                })
            })
            .collect();
        let signed = threads.into_iter().map(|thread| thread.join().unwrap()).filter(|signed| *signed).count();
        assert_eq!(signed, 1);
        std::fs::remove_dir_all(&dir).unwrap();
    }
}
