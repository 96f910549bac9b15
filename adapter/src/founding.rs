//! The genesis of a ledger: its members and their keys, signed by all of them.

use data_encoding::HEXLOWER;
use ledger::keys::SecretKey;
use ledger::record::{Entry, PartySignature, Verdict};
use xsd::time::Timestamp;
use xsd::tree::{Element, QName};

/// The namespace of the ledger's own documents.
pub const NAMESPACE: &str = "urn:waybill:ledger:1";

/// What a founder says of itself.
#[derive(Clone, Debug)]
pub struct Founder {
    /// Its name on the ledger.
    pub id: String,
    /// Its names for people, (language, name).
    pub names: Vec<(String, String)>,
    /// The platform's manager: owns no resources, and its node learns without voting.
    pub bureau: bool,
    /// Its Raft node, from 1.
    pub node: u64,
    /// Public half of the key that signs its records.
    pub record_key: [u8; 32],
    /// Public half of the key that signs tree heads.
    pub node_key: [u8; 32],
    /// SHA-256 of its TLS certificate, in hexadecimal like the two below.
    pub tls_certificate: String,
    /// SHA-256 of the certificate that signs its messages.
    pub message_certificate: String,
    /// SHA-256 of its first administrator's certificate.
    pub administrator: String,
    /// host:port of its services.
    pub service: String,
    /// host:port of its ledger node.
    pub peer: String,
}

/// The public key of a seed.
#[must_use]
pub fn public(seed: &[u8; 32]) -> [u8; 32] {
    SecretKey::from_seed(*seed).public().0
}

/// The genesis body. A checkpoint needs the signatures of as many nodes as a commit needs: a
/// majority of the voters, so that what is committed can be published.
#[must_use]
pub fn genesis(id: &str, ledger: &str, founded: Timestamp, founders: &[Founder]) -> Element {
    let voters = founders.iter().filter(|founder| !founder.bureau).count();
    let mut genesis = Element::new("l", QName::new(NAMESPACE, "Genesis")).with("id", id).with("ledger", ledger);
    genesis = genesis.leaf("Founded", founded.to_string()).leaf("Quorum", (voters / 2 + 1).to_string());
    for founder in founders {
        let mut member = genesis.sibling("Member");
        for (language, name) in &founder.names {
            member.push(genesis.sibling("Name").with("lang", language).text(name));
        }
        let member = member
            .leaf("RecordKey", HEXLOWER.encode(&founder.record_key))
            .leaf("NodeKey", HEXLOWER.encode(&founder.node_key))
            .leaf("TlsCertificate", &founder.tls_certificate)
            .leaf("MessageCertificate", &founder.message_certificate)
            .leaf("Administrator", &founder.administrator)
            .leaf("Service", &founder.service)
            .leaf("Peer", &founder.peer)
            .with("id", &founder.id)
            .with("node", founder.node.to_string())
            .with("role", if founder.bureau { "bureau" } else { "sector" })
            .with("suffrage", if founder.bureau { "learner" } else { "voter" });
        genesis.push(member);
    }
    genesis
}

/// The founding entry: the genesis with the signature of every founder, (name, seed of its record key).
///
/// # Errors
/// The genesis is too large.
pub fn entry(genesis: &Element, seeds: &[(String, [u8; 32])]) -> Result<Entry, Verdict> {
    let body = xsd::write::canonical(genesis, &[], &[]);
    let sign = |(account, seed): &(String, [u8; 32])| PartySignature::sign(account, &SecretKey::from_seed(*seed), &body);
    let signatures = seeds.iter().map(sign).collect();
    Entry::new(body, signatures)
}
