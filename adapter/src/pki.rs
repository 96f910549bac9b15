//! Certificates and keys for a sector: the one place that makes key material.

use crate::config::Misconfigured;
use data_encoding::HEXLOWER;
use openssl::rand::rand_bytes;
use rcgen::{BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use sha2::{Digest, Sha256};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// How long the demo's certificates live.
const DAYS: i64 = 825;

/// A certification authority.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

/// What a certificate is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// TLS, as server and as client.
    Node,
    /// TLS as client.
    Client,
    /// Signing SOAP messages.
    Message,
}

/// A certificate with its private key, in PEM, and the SHA-256 of its DER.
pub struct Issued {
    /// The certificate.
    pub certificate: String,
    /// The key, PKCS#8.
    pub key: String,
    /// What the ledger knows the certificate by, in lower-case hexadecimal.
    pub fingerprint: String,
}

fn wrong(error: impl std::fmt::Display) -> Misconfigured {
    Misconfigured::Value(format!("cannot make a certificate: {error}"))
}

fn params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    let now = std::time::SystemTime::now();
    let day = std::time::Duration::from_secs(86_400);
    params.not_before = (now - day).into();
    params.not_after = (now + day * u32::try_from(DAYS).unwrap_or(1)).into();
    params
}

impl Authority {
    /// Makes a new one.
    ///
    /// # Errors
    /// The random source failed.
    pub fn found(name: &str) -> Result<Self, Misconfigured> {
        let key = KeyPair::generate().map_err(wrong)?;
        let mut params = params(name);
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let pem = params.self_signed(&key).map_err(wrong)?.pem();
        Ok(Self { issuer: Issuer::new(params, key), pem })
    }

    /// Its own certificate.
    #[must_use]
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// Issues a P-256 certificate for `name`, valid for `hosts` (names or addresses).
    ///
    /// # Errors
    /// A host is no name, or the random source failed.
    pub fn issue(&self, name: &str, hosts: &[String], purpose: Use) -> Result<Issued, Misconfigured> {
        let key = KeyPair::generate().map_err(wrong)?;
        let mut params = params(name);
        params.subject_alt_names = CertificateParams::new(hosts.to_vec()).map_err(wrong)?.subject_alt_names;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.use_authority_key_identifier_extension = true;
        params.extended_key_usages = match purpose {
            Use::Node => vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth],
            Use::Client => vec![ExtendedKeyUsagePurpose::ClientAuth],
            Use::Message => Vec::new(),
        };
        let certificate = params.signed_by(&key, &self.issuer).map_err(wrong)?;
        let fingerprint = HEXLOWER.encode(&Sha256::digest(certificate.der()));
        Ok(Issued { certificate: certificate.pem(), key: key.serialize_pem(), fingerprint })
    }
}

/// A new Ed25519 seed.
///
/// # Errors
/// The random source failed.
pub fn seed() -> Result<[u8; 32], Misconfigured> {
    let mut seed = [0; 32];
    rand_bytes(&mut seed).map_err(wrong)?;
    Ok(seed)
}

/// Writes a secret so that only its owner reads it.
///
/// # Errors
/// The file exists already or cannot be written.
pub fn write_secret(path: &Path, secret: &[u8]) -> Result<(), Misconfigured> {
    write(path, secret, 0o600)
}

/// Writes a public file.
///
/// # Errors
/// The file exists already or cannot be written.
pub fn write_public(path: &Path, content: &[u8]) -> Result<(), Misconfigured> {
    write(path, content, 0o644)
}

fn write(path: &Path, content: &[u8], mode: u32) -> Result<(), Misconfigured> {
    let failed = |error| Misconfigured::File(PathBuf::from(path), error);
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(path).map_err(failed)?;
    file.write_all(content).and_then(|()| file.sync_all()).map_err(failed)
}

/// Reads an Ed25519 seed: 64 hexadecimal digits.
///
/// # Errors
/// The file cannot be read or holds something else.
pub fn read_seed(path: &Path) -> Result<[u8; 32], Misconfigured> {
    let text = crate::config::file(path)?;
    let seed = HEXLOWER.decode(text.trim_ascii()).ok().and_then(|seed| <[u8; 32]>::try_from(seed).ok());
    seed.ok_or_else(|| Misconfigured::Value(format!("{}: a key is 64 hexadecimal digits", path.display())))
}

/// A certificate request for `name` and its private key, both PEM: for an authority that is not ours.
///
/// # Errors
/// A host is no name, or the random source failed.
pub fn request(name: &str, hosts: &[String]) -> Result<(String, String), Misconfigured> {
    let key = KeyPair::generate().map_err(wrong)?;
    let mut params = CertificateParams::new(hosts.to_vec()).map_err(wrong)?;
    params.distinguished_name.push(DnType::CommonName, name);
    let request = params.serialize_request(&key).and_then(|request| request.pem()).map_err(wrong)?;
    Ok((request, key.serialize_pem()))
}
