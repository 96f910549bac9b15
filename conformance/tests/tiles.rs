//! A running node's log over HTTP, judged by others: Cloudflare's tlog_tiles and signed_note, Go's sumdb/tlog, Tessera's fsck.

#![allow(
    clippy::print_stdout,
    clippy::unwrap_in_result,
    clippy::indexing_slicing,
    reason = "a test says what it skips, and fails by panicking"
)]

use adapter::cli::session::Session;
use adapter::http::{self, Response};
use adapter::limits::HttpLimits;
use adapter::unified::trading::{Locate, LocateResponse};
use conformance::city::{City, scratch};
use signed_note::{Note, StandardVerifier, Verifier, VerifierList};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use tlog_tiles::{
    Checkpoint, Error, Hash, HashReader, Tile, TileHashReader, TileReader, check_record, check_tree, prove_record, prove_tree,
};
use tokio::runtime::Runtime;

const GOPATH: &str = "/usr/share/gocode";

/// One octet of the answer to one path is another one.
#[derive(Clone, Copy)]
struct Damage {
    path: &'static str,
    at: usize,
}

/// A node as it shows itself to its auditor, or as somebody in between shows it.
struct Seen<'a> {
    runtime: &'a Runtime,
    session: &'a Session,
    damage: Option<Damage>,
}

impl Seen<'_> {
    fn get(&self, path: &str) -> Vec<u8> {
        let (status, mut octets) = self.runtime.block_on(self.session.get(path)).expect("the node answers");
        assert_eq!(status, 200, "{path}: {}", String::from_utf8_lossy(&octets));
        if let Some(damage) = self.damage.filter(|damage| damage.path == path) {
            octets[damage.at] ^= 1;
        }
        octets
    }

    /// Verifies the whole log: the signature of its checkpoint, the inclusion of each leaf, the consistency of some sizes.
    fn verify(&self, log: &[String]) -> Result<u64, String> {
        let said = |error: &dyn std::fmt::Display| error.to_string();
        let note = Note::from_bytes(&self.get("/checkpoint")).map_err(|error| said(&error))?;
        let known = log.iter().map(|vkey| Box::new(StandardVerifier::new(vkey).expect("a vkey")) as Box<dyn Verifier>);
        let (signed, _) = note.verify(&VerifierList::new(known.collect())).map_err(|error| said(&error))?;
        assert_eq!(signed.len(), 1, "the log signs once");
        let head = Checkpoint::from_bytes(note.text()).map_err(|error| said(&error))?;
        let reader = TileHashReader::new(head.size(), *head.hash(), self);
        for first in (0..head.size()).step_by(256) {
            let width = u32::try_from((head.size() - first).min(256)).expect("256 at most");
            let path = Tile::new(8, 0, first / 256, width, true).path();
            let bundle = self.get(&format!("/tile/entries/{}", path.strip_prefix("tile/8/data/").expect("a data tile")));
            let leaves = ledger::segment::leaves_of(&bundle).ok_or("a bundle is cut off")?;
            for (index, leaf) in (first..).zip(leaves) {
                let proof = prove_record(head.size(), index, &reader).map_err(|error| said(&error))?;
                check_record(&proof, head.size(), *head.hash(), index, tlog_tiles::record_hash(&bundle[leaf]))
                    .map_err(|error| said(&error))?;
            }
        }
        for size in [1, 2, 15, head.size() / 2, head.size() - 1, head.size()] {
            let root: Hash = tlog_tiles::tree_hash(size, &reader).map_err(|error| said(&error))?;
            let proof = prove_tree(head.size(), size, &reader).map_err(|error| said(&error))?;
            check_tree(&proof, head.size(), *head.hash(), size, root).map_err(|error| said(&error))?;
        }
        assert_eq!(reader.read_hashes(&[0]).map_err(|error| said(&error))?.len(), 1);
        Ok(head.size())
    }
}

impl TileReader for Seen<'_> {
    fn height(&self) -> u8 {
        8
    }

    fn read_tiles(&self, tiles: &[Tile]) -> Result<Vec<Vec<u8>>, Error> {
        let path = |tile: &Tile| format!("/tile/{}", tile.path().strip_prefix("tile/8/").expect("a tile of height 8"));
        Ok(tiles.iter().map(|tile| self.get(&path(tile))).collect())
    }

    fn save_tiles(&self, _: &[Tile], _: &[Vec<u8>]) {}
}

/// The node through somebody in between, over plain HTTP: its address.
fn between(runtime: &Runtime, session: Arc<Session>, damage: Option<Damage>) -> String {
    let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).expect("a port");
    let address = format!("http://{}", listener.local_addr().expect("an address"));
    let handler = move |request: http::Request| {
        let session = Arc::clone(&session);
        async move {
            let (status, mut octets) = session.get(&request.path).await.expect("the node answers");
            if let Some(damage) = damage.filter(|damage| damage.path == request.path) {
                octets[damage.at] ^= 1;
            }
            Response::new(status, "application/octet-stream", octets)
        }
    };
    drop(runtime.spawn(http::serve(listener, None, HttpLimits::default(), handler, std::future::pending())));
    address
}

/// A judge in Go: the program, and what stands before and after the address on its command line.
struct Judge {
    program: PathBuf,
    before: Vec<PathBuf>,
    after: Vec<PathBuf>,
}

impl Judge {
    fn says(&self, url: &str, files: &[PathBuf]) -> Result<String, String> {
        let ran = Command::new(&self.program).args(&self.before).arg(url).args(&self.after).args(files).output().expect("the judge starts");
        let text = |octets: &[u8]| String::from_utf8_lossy(octets).trim().to_owned();
        if ran.status.success() { Ok(text(&ran.stdout)) } else { Err(text(&ran.stderr)) }
    }
}

fn source(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("peers").join(name)
}

/// Go's own sumdb/tlog, from Debian's package; `None`, said aloud, where it is missing.
fn go_tlog(dir: &Path) -> Option<PathBuf> {
    if !Path::new(GOPATH).join("src/golang.org/x/mod/sumdb/tlog").exists() || Command::new("go").arg("version").output().is_err() {
        println!("skipped: apt-get install golang-go golang-golang-x-mod-dev");
        return None;
    }
    let program = dir.join("go-tlog");
    let mut go = Command::new("go");
    go.args(["build", "-o"]).arg(&program).arg(source("go-tlog/main.go"));
    go.env("GO111MODULE", "off").env("GOPATH", GOPATH).env("GOFLAGS", "").env("GOCACHE", dir.join("cache"));
    let built = go.output().expect("go, which just said its version");
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    Some(program)
}

/// Tessera's fsck; `None`, said aloud, where Go is too old or its modules cannot be had.
fn fsck(dir: &Path) -> Option<PathBuf> {
    let program = dir.join("fsck");
    let mut go = Command::new("go");
    go.args(["build", "-mod=readonly", "-o"]).arg(&program).arg(".").current_dir(source("tessera"));
    match go.output() {
        Ok(built) if built.status.success() => Some(program),
        Ok(built) => {
            let said = String::from_utf8_lossy(&built.stderr).into_owned();
            let modules = ["go 1.24", "download", "dial tcp", "lookup", "proxy", "toolchain"].iter().any(|word| said.contains(word));
            assert!(modules, "{said}");
            println!("skipped: Tessera's fsck needs Go 1.24 and its modules");
            None
        }
        Err(_) => {
            println!("skipped: Tessera's fsck needs Go");
            None
        }
    }
}

/// Enough leaves for one full tile, and with it one of level 1.
fn fill(runtime: &Runtime, city: &City) {
    let clerk = city.session("civil", "clerk");
    for _ in 0..260 {
        let ask = Locate { conversation_id: None, resources: vec![String::from("transport/vehicle")] };
        let _located: LocateResponse = runtime.block_on(clerk.call("trading", &ask)).expect("located");
    }
    runtime.block_on(city.settled());
}

#[test]
fn the_log_of_a_running_node_is_what_others_take_for_one() {
    let runtime = Runtime::new().expect("a runtime");
    let city = City::start("tiles");
    fill(&runtime, &city);
    let policy = std::fs::read_to_string(city.dir().join("policy")).expect("the demo's policy");
    let log: Vec<String> = policy.lines().filter_map(|line| line.strip_prefix("log ")).map(str::to_owned).collect();
    let auditor = Arc::new(city.session("bureau", "auditor"));
    let seen = Seen { runtime: &runtime, session: &auditor, damage: None };
    let size = seen.verify(&log).expect("tlog_tiles and signed_note take it");
    assert!(size > 256, "{size}");
    println!("tlog_tiles and signed_note verified {size} leaves of the Bureau's node");
    let damages = [("/tile/0/000", 40), ("/tile/1/000.p/1", 0), ("/tile/entries/000", 1000), ("/checkpoint", 25)];
    let damages = damages.map(|(path, at)| Damage { path, at });
    for damage in damages {
        let lied = Seen { damage: Some(damage), ..seen };
        assert!(lied.verify(&log).is_err(), "tlog_tiles overlooks {}", damage.path);
    }

    let dir = scratch("judges");
    std::fs::create_dir_all(&dir).expect("a folder");
    let ca = city.dir().join("ca.pem");
    let tls = [ca.clone(), city.dir().join("bureau/auditor.pem"), city.dir().join("bureau/auditor.key")];
    // The node that is asked signs its checkpoint as the log: fsck wants to know with which key.
    let key = Note::from_bytes(&seen.get("/checkpoint")).expect("a note");
    let signs = |vkey: &&String| key.verify(&VerifierList::new(vec![Box::new(StandardVerifier::new(vkey).expect("a vkey"))])).is_ok();
    let vkey = PathBuf::from(log.iter().find(signs).expect("one of the log's keys"));
    let go = go_tlog(&dir).map(|program| Judge { program, before: vec!["tiles".into(), city.dir().join("policy")], after: Vec::new() });
    let fsck = fsck(&dir).map(|program| Judge { program, before: Vec::new(), after: vec![vkey] });
    for judge in go.into_iter().chain(fsck) {
        let said = judge.says(&format!("{}/", city.url("bureau")), &tls).expect("the node's log holds");
        println!("{said}");
        let through = between(&runtime, Arc::clone(&auditor), None);
        judge.says(&format!("{through}/"), &tls[..1]).expect("nothing is changed in between");
        for damage in damages {
            let through = between(&runtime, Arc::clone(&auditor), Some(damage));
            let said = judge.says(&format!("{through}/"), &tls[..1]);
            assert!(said.is_err(), "{} overlooks {}: {said:?}", judge.program.display(), damage.path);
        }
    }
    shown_to_whom_it_may(&runtime, &city, size);
}

/// Who sees what, and what there is.
fn shown_to_whom_it_may(runtime: &Runtime, city: &City, size: u64) {
    let status = |sector: &str, user: &str, path: &str| runtime.block_on(city.session(sector, user).get(path)).expect("an answer").0;
    for (sector, user, path, expected) in [
        ("civil", "clerk", "/tile/0/000", 200),
        ("civil", "clerk", "/tile/entries/000", 403),
        ("civil", "admin", "/tile/entries/000", 200),
        ("bureau", "auditor", "/tile/entries/000.p/17", 200),
        ("bureau", "auditor", "/tile/0/099", 404),
        ("bureau", "auditor", "/tile/1/000.p/2", 404),
        ("bureau", "auditor", "/tile/0/0", 404),
    ] {
        assert_eq!(status(sector, user, path), expected, "{user}: {path}");
    }
    assert!(size < 512, "one full tile: {size}");
    let curl = |arguments: &[&str], path: &str| {
        let mut curl = Command::new("curl");
        curl.args(["-s", "-i", "--cacert"]).arg(city.dir().join("ca.pem")).args(arguments).arg(format!("{}{path}", city.url("bureau")));
        String::from_utf8_lossy(&curl.output().expect("curl runs").stdout).to_lowercase()
    };
    let stranger = curl(&[], "/tile/0/000");
    assert!(stranger.starts_with("http/1.1 403"), "{stranger}");
    let (certificate, key) = (city.dir().join("bureau/auditor.pem"), city.dir().join("bureau/auditor.key"));
    let (certificate, key) = (certificate.display().to_string(), key.display().to_string());
    let me = ["--cert", certificate.as_str(), "--key", key.as_str()];
    let head = curl(&[&me[..], &["-I"]].concat(), "/tile/0/000");
    for line in [
        "http/1.1 200",
        "content-length: 8192",
        "etag: \"",
        "immutable",
        "repr-digest: sha-256=:",
        "content-type: application/octet-stream",
    ] {
        assert!(head.contains(line), "{line} in {head}");
    }
    let part = curl(&[&me[..], &["-r", "32-63", "-o", "/dev/null", "-D", "-"]].concat(), "/tile/0/000");
    assert!(part.starts_with("http/1.1 206") && part.contains("content-range: bytes 32-63/8192"), "{part}");
    let beyond = curl(&[&me[..], &["-r", "9000-"]].concat(), "/tile/0/000");
    assert!(beyond.starts_with("http/1.1 416") && beyond.contains("content-range: bytes */8192"), "{beyond}");
}
