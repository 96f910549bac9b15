//! `waybill init`: a sector's configuration, keys and certificate requests.

use crate::cli::Init;
use crate::cli::session::Failure;
use crate::config::{Config, Identity, KeyPair, Keys, Limits, Misconfigured, Peer, Service};
use crate::pki;
use data_encoding::HEXLOWER;
use std::path::{Path, PathBuf};

/// What stands above the generated configuration.
const HEAD: &str = "# Written by `waybill init`. Paths are relative to this file.
# Put beside it: tls.pem and message.pem (your authority's answers to tls.csr and message.csr), ca.pem (whom you trust),
# messages.pem (the members' message certificates) and genesis (the entry that founds the ledger).
# A sector with a legacy system adds:
# [legacy]
# mappings = \"mappings/SECTOR\"     # contract, schemas and *.map.xml
# endpoint = \"http://127.0.0.1:8080/\"

";

/// Writes the files and gives the lines to print.
///
/// # Errors
/// A name is no name, or a file is there already or cannot be written.
pub fn run(init: &Init) -> Result<Vec<String>, Failure> {
    let named =
        !init.sector.is_empty() && init.sector.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    if !named {
        return Err(Failure::Usage(format!("--sector '{}': a name is made of a-z, 0-9 and -", init.sector)));
    }
    let (host, port) = host_port("--service", &init.service)?;
    let (_, peer_port) = host_port("--peer", &init.peer)?;
    std::fs::create_dir_all(&init.dir).map_err(|error| Misconfigured::File(init.dir.clone(), error))?;
    for (file, hosts) in [("tls", vec![host.to_owned()]), ("message", Vec::new())] {
        let (request, key) = pki::request(&init.sector, &hosts)?;
        pki::write_secret(&init.dir.join(format!("{file}.key")), key.as_bytes())?;
        pki::write_public(&init.dir.join(format!("{file}.csr")), request.as_bytes())?;
    }
    let mut lines = Vec::new();
    for file in ["record", "node"] {
        let seed = pki::seed()?;
        pki::write_secret(&init.dir.join(format!("{file}.key")), HEXLOWER.encode(&seed).as_bytes())?;
        lines.push(format!("{file} key: {}", HEXLOWER.encode(&crate::founding::public(&seed))));
    }
    let config = config(init, port, peer_port);
    let text = toml::to_string(&config).map_err(|error| Misconfigured::Value(error.to_string()))?;
    pki::write_public(&init.dir.join("waybill.toml"), [HEAD, &text].concat().as_bytes())?;
    lines
        .push(format!("written to {}: waybill.toml, tls.key, tls.csr, message.key, message.csr, record.key, node.key", init.dir.display()));
    lines.push(String::from("next: have the two requests signed, give the two public keys above to the founders of the ledger,"));
    lines.push(format!(
        "put the files named at the top of waybill.toml beside it, and run: waybill serve --check --config {}",
        shown(&init.dir)
    ));
    Ok(lines)
}

fn shown(dir: &Path) -> String {
    dir.join("waybill.toml").display().to_string()
}

fn host_port<'a>(flag: &str, text: &'a str) -> Result<(&'a str, u16), Failure> {
    let parts = text.rsplit_once(':').and_then(|(host, port)| port.parse().ok().map(|port| (host, port)));
    parts.filter(|(host, _)| !host.is_empty()).ok_or_else(|| Failure::Usage(format!("{flag} '{text}' is not host:port")))
}

fn config(init: &Init, port: u16, peer_port: u16) -> Config {
    let file = PathBuf::from;
    Config {
        sector: init.sector.clone(),
        data: file("ledger"),
        genesis: file("genesis"),
        service: Service { listen: format!("0.0.0.0:{port}"), address: format!("https://{}", init.service) },
        peer: Peer { listen: format!("0.0.0.0:{peer_port}") },
        tls: Identity { certificate: file("tls.pem"), key: file("tls.key"), ca: file("ca.pem") },
        message: KeyPair { certificate: file("message.pem"), key: file("message.key"), members: file("messages.pem") },
        keys: Keys { record: file("record.key"), node: file("node.key") },
        legacy: None,
        ledger: crate::config::Ledger::default(),
        limits: Limits::default(),
    }
}
