//! TLS with certificates on both sides: what rustls is told, and whom a handshake proved.

use crate::security::Fingerprint;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{VerifierBuilderError, WebPkiClientVerifier};
use rustls::{ClientConfig, CommonState, RootCertStore, ServerConfig};
use std::fmt;
use std::sync::Arc;

/// Whether a TLS client must show a certificate. One that is shown must always lead to the authority.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientCertificate {
    /// The handshake fails without one.
    Required,
    /// Contracts and health may be read without one.
    Optional,
}

/// Why TLS cannot be set up.
#[derive(Debug)]
pub enum BadTls {
    /// The PEM cannot be read or does not hold what it should.
    Pem(pem::Error),
    /// A certificate or key that rustls does not take.
    Rustls(rustls::Error),
    /// The authorities do not make a verifier.
    Verifier(VerifierBuilderError),
}

impl fmt::Display for BadTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pem(error) => write!(f, "PEM: {error}"),
            Self::Rustls(error) => write!(f, "certificate or key: {error}"),
            Self::Verifier(error) => write!(f, "authorities: {error}"),
        }
    }
}

impl std::error::Error for BadTls {}

impl From<pem::Error> for BadTls {
    fn from(error: pem::Error) -> Self {
        Self::Pem(error)
    }
}

impl From<rustls::Error> for BadTls {
    fn from(error: rustls::Error) -> Self {
        Self::Rustls(error)
    }
}

/// A certificate chain (leaf first) and its private key, both PEM.
#[derive(Clone, Copy)]
pub struct IdentityPem<'a> {
    /// The chain.
    pub certificate: &'a [u8],
    /// The key, PKCS#8, SEC1 or PKCS#1.
    pub key: &'a [u8],
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

fn chain(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, BadTls> {
    let chain: Vec<_> = CertificateDer::pem_slice_iter(pem).collect::<Result<_, _>>()?;
    if chain.is_empty() { Err(BadTls::Pem(pem::Error::NoItemsFound)) } else { Ok(chain) }
}

/// The fingerprint of the first certificate in PEM.
#[must_use]
pub fn fingerprint(pem: &[u8]) -> Option<Fingerprint> {
    chain(pem).ok()?.first().map(|certificate| Fingerprint::of(certificate))
}

fn roots(pem: &[u8]) -> Result<Arc<RootCertStore>, BadTls> {
    let mut roots = RootCertStore::empty();
    for certificate in chain(pem)? {
        roots.add(certificate)?;
    }
    Ok(Arc::new(roots))
}

/// A server that shows `identity` and accepts client certificates that lead to one of the authorities in `ca` (PEM).
///
/// # Errors
/// The PEM is not what it should be, or the key is not that of the certificate.
pub fn server(identity: IdentityPem<'_>, ca: &[u8], clients: ClientCertificate) -> Result<Arc<ServerConfig>, BadTls> {
    let builder = WebPkiClientVerifier::builder_with_provider(roots(ca)?, provider());
    let builder = if clients == ClientCertificate::Optional { builder.allow_unauthenticated() } else { builder };
    let verifier = builder.build().map_err(BadTls::Verifier)?;
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain(identity.certificate)?, PrivateKeyDer::from_pem_slice(identity.key)?)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// A client that shows `identity`, if given, and accepts servers whose certificate leads to one of the authorities in `ca` (PEM).
///
/// # Errors
/// The PEM is not what it should be, or the key is not that of the certificate.
pub fn client(identity: Option<IdentityPem<'_>>, ca: &[u8]) -> Result<Arc<ClientConfig>, BadTls> {
    let builder = ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions()?.with_root_certificates(roots(ca)?);
    let config = match identity {
        None => builder.with_no_client_auth(),
        Some(pem) => builder.with_client_auth_cert(chain(pem.certificate)?, PrivateKeyDer::from_pem_slice(pem.key)?)?,
    };
    Ok(Arc::new(config))
}

/// The fingerprint of the other side's certificate, if it showed one.
#[must_use]
pub fn peer(connection: &CommonState) -> Option<Fingerprint> {
    connection.peer_certificates()?.first().map(|leaf| Fingerprint::of(leaf))
}
