//! The command line at its edges: files it makes, words it says, exit statuses it promises.

use conformance::city::{scratch, waybill};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Output};

fn run(arguments: &[&str]) -> Output {
    Command::new(waybill()).args(arguments).output().expect("waybill runs")
}

/// (arguments, exit status, what stands on stderr)
fn check(arguments: &[&str], status: i32, told: &str) {
    let output = run(arguments);
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(status), "{arguments:?}: {text}");
    assert!(text.contains(told), "{arguments:?}: {text}");
}

#[test]
fn usage_and_configuration() {
    let dir = scratch("cli");
    fs::create_dir_all(&dir).expect("a directory");
    let file = |name: &str, text: &str| {
        let path = dir.join(name);
        fs::write(&path, text).expect("writable");
        path.display().to_string()
    };
    check(&["nonsense"], 2, "unrecognized subcommand");
    check(&["trade", "request"], 2, "--profile");
    check(&["serve", "--config", "/nowhere/waybill.toml"], 3, "/nowhere/waybill.toml");
    check(&["serve", "--config", &file("typo.toml", "sectr = \"energy\"\n")], 3, "unknown field `sectr`");
    check(&["serve", "--config", &file("broken.toml", "sector = \n")], 3, "line 1");
    check(&["status", "--profile", "/nowhere/p.toml"], 3, "/nowhere/p.toml");
    let profile = |node: &str| {
        let text = format!("node = \"{node}\"\ncertificate = \"c.pem\"\nkey = \"k.pem\"\nca = \"ca.pem\"\n");
        file("profile.toml", &text)
    };
    check(&["status", "--profile", &profile("https://127.0.0.1:1")], 3, "c.pem");
    let authority = adapter::pki::Authority::found("Nobody").expect("an authority");
    let issued = authority.issue("nobody", &[], adapter::pki::Use::Client).expect("a certificate");
    for (name, text) in [("c.pem", issued.certificate.as_str()), ("k.pem", &issued.key), ("ca.pem", authority.pem())] {
        file(name, text);
    }
    check(&["status", "--profile", &profile("https://127.0.0.1:1")], 4, "error[unreachable]");
    check(&["trade", "request", "--profile", &profile("https://127.0.0.1:1"), "transport/vehicle", "nonsense"], 2, "field=value");
    check(&["trade", "history", "--profile", &profile("https://127.0.0.1:1"), "--from", "yesterday"], 2, "2026-11-21T08:00:00Z");
    check(&["audit", "verify", "/nowhere", "--genesis", &"0".repeat(64)], 3, "/nowhere");
    check(&["demo", "--dir", dir.to_str().expect("UTF-8"), "--exit"], 3, "no earlier city");
}

#[test]
fn init_makes_a_sector() {
    let dir = scratch("init");
    let name = dir.to_str().expect("UTF-8");
    let init =
        ["init", "--sector", "energy", "--dir", name, "--service", "gateway.energy.example:7101", "--peer", "gateway.energy.example:7201"];
    let output = run(&init);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    for secret in ["tls.key", "message.key", "record.key", "node.key"] {
        let mode = fs::metadata(dir.join(secret)).expect("a key").permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{secret}");
    }
    for request in ["tls.csr", "message.csr"] {
        let path = dir.join(request).display().to_string();
        let judged = Command::new("openssl").args(["req", "-in", &path, "-noout", "-verify", "-subject"]).output().expect("openssl runs");
        let text = [judged.stdout, judged.stderr].concat();
        assert!(
            judged.status.success() && String::from_utf8_lossy(&text).contains("energy"),
            "{request}: {}",
            String::from_utf8_lossy(&text)
        );
    }
    check(&init, 3, "exists");
    check(&["serve", "--check", "--config", &dir.join("waybill.toml").display().to_string()], 3, "genesis");
    check(&["init", "--sector", "Energy!", "--dir", name, "--service", "a:1", "--peer", "a:2"], 2, "a-z, 0-9 and -");
    check(&["init", "--sector", "energy", "--dir", name, "--service", "a", "--peer", "a:2"], 2, "host:port");
}
