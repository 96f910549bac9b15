//! Go's sumdb/note and sumdb/tlog accept our checkpoints and proofs, and refuse damaged ones.

#![allow(clippy::print_stdout, clippy::unwrap_in_result, reason = "a test says what it skips, and fails by panicking")]

use ledger::checkpoint::{Checkpoint, Note, NoteSignature, Policy, Verifier};
use ledger::keys::SecretKey;
use ledger::proof::Receipt;
use ledger::tree::{Tree, leaf_hash};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const GOPATH: &str = "/usr/share/gocode";
const ORIGIN: &str = "city.example/main/1";

struct Go {
    program: PathBuf,
    folder: PathBuf,
}

impl Go {
    /// Builds the verifier; `None`, said aloud, where Debian's Go packages are missing.
    fn build() -> Option<Self> {
        if !Path::new(GOPATH).join("src/golang.org/x/mod/sumdb/tlog").exists() || Command::new("go").arg("version").output().is_err() {
            println!("skipped: apt-get install golang-go golang-golang-x-mod-dev");
            return None;
        }
        let folder = std::env::temp_dir().join(format!("waybill-go-tlog-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder for temporary files");
        let program = folder.join("check");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers/go-tlog/main.go");
        let mut go = Command::new("go");
        go.args(["build", "-o"]).arg(&program).arg(source);
        go.env("GO111MODULE", "off").env("GOPATH", GOPATH).env("GOFLAGS", "").env("GOCACHE", folder.join("cache"));
        let built = go.output().expect("go, which just said its version");
        assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
        Some(Self { program, folder })
    }

    /// Runs the verifier over files of these contents: what it prints, or what it complains of.
    fn check(&self, verb: &str, contents: &[&str]) -> Result<String, String> {
        let mut go = Command::new(&self.program);
        go.arg(verb);
        for (at, content) in contents.iter().enumerate() {
            let file = self.folder.join(format!("{verb}.{at}"));
            fs::write(&file, content).expect("a file to hand over");
            go.arg(file);
        }
        let ran = go.output().expect("the program that was built");
        let text = |octets: &[u8]| String::from_utf8_lossy(octets).trim().to_owned();
        if ran.status.success() { Ok(text(&ran.stdout)) } else { Err(text(&ran.stderr)) }
    }
}

impl Drop for Go {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.folder) {
            println!("{} is left: {error}", self.folder.display());
        }
    }
}

struct Log {
    tree: Tree,
    policy: Policy,
    keys: Vec<(String, SecretKey)>,
}

impl Log {
    fn new(leaves: u64) -> Self {
        let mut tree = Tree::default();
        (0..leaves).for_each(|leaf| tree.push(leaf_hash(Self::leaf(leaf).as_bytes())));
        let keys: Vec<(String, SecretKey)> = (["civil", "health", "transport"].iter().zip(1_u8..))
            .map(|(name, n)| ((*name).to_owned(), SecretKey::from_seed([n; 32])))
            .collect();
        let lines = keys.iter().map(|(name, key)| {
            let (log, witness) = (Verifier::log(ORIGIN, key.public()), Verifier::cosigner(name, ORIGIN, key.public()));
            format!("log {}\nwitness {name} {}\n", log.vkey(), witness.vkey())
        });
        let text = lines.collect::<String>() + "group nodes 2 civil health transport\nquorum nodes\n";
        Self { tree, policy: Policy::parse(&text).expect("a policy file"), keys }
    }

    fn leaf(index: u64) -> String {
        format!("leaf {index}")
    }

    fn note(&self, size: u64, signers: usize) -> String {
        let checkpoint = Checkpoint { origin: ORIGIN.to_owned(), size, root: self.tree.root(size).expect("a size of the tree") };
        let text = checkpoint.text();
        let cosign = |(name, key): &(String, SecretKey)| {
            NoteSignature::cosign(&Verifier::cosigner(name, ORIGIN, key.public()), key, 1_790_000_000, &text)
        };
        let log = self.keys.iter().take(1).map(|(_, key)| NoteSignature::sign(ORIGIN, key, &text));
        let signatures = log.chain(self.keys.iter().take(signers).map(cosign)).collect();
        Note { checkpoint, signatures }.text()
    }
}

#[test]
fn go_accepts_our_checkpoints_and_proofs_and_refuses_damaged_ones() {
    let Some(go) = Go::build() else { return };
    let log = Log::new(21);
    let policy = log.policy.text();
    assert!(go.check("checkpoint", &[&policy, &log.note(21, 2)]).is_ok_and(|said| said.starts_with("checkpoint of 21 leaves")));
    assert_eq!(
        go.check("checkpoint", &[&policy, &log.note(21, 1)]),
        Err("1 cosignatures of known witnesses, the policy wants 2".to_owned())
    );
    let unsigned = log.note(21, 2).lines().filter(|line| !line.starts_with("\u{2014} city.example")).collect::<Vec<_>>().join("\n") + "\n";
    assert_eq!(go.check("checkpoint", &[&policy, &unsigned]), Err("no signature of the log city.example/main/1".to_owned()));
    let longer = log.note(21, 2).replacen("\n21\n", "\n22\n", 1);
    assert!(go.check("checkpoint", &[&policy, &longer]).is_err(), "a signed size cannot be changed");

    for (index, size) in [(0, 1), (0, 21), (7, 8), (7, 21), (16, 17), (20, 21)] {
        let receipt = Receipt::make(&log.tree, index, size, &log.note(size, 3)).expect("an index inside");
        let said = go.check("receipt", &[&policy, &receipt.text(), &Log::leaf(index)]);
        assert_eq!(said, Ok(format!("leaf {index} is in the tree of {size}")));
        assert!(go.check("receipt", &[&policy, &receipt.text(), &Log::leaf(index + 1)]).is_err());
    }
    for (old, new) in [(1, 21), (7, 8), (8, 21), (16, 17), (20, 21), (21, 21)] {
        let path = log.tree.consistency(old, new).expect("sizes of the tree");
        let lines: Vec<String> = path.iter().map(|hash| hash.to_base64() + "\n").collect();
        let said = go.check("consistency", &[&policy, &log.note(old, 2), &log.note(new, 2), &lines.concat()]);
        assert_eq!(said, Ok(format!("the tree of {new} continues the tree of {old}")));
        if old < 21 && new == 21 {
            let mut forked = Log::new(20);
            forked.tree.push(leaf_hash(b"another leaf 20"));
            assert!(go.check("consistency", &[&policy, &log.note(old, 2), &forked.note(new, 2), &lines.concat()]).is_err(), "a fork");
        }
    }
}
