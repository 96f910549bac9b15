//! Certificates that are trusted to sign messages, how a message names one, and the key that signs ours.

use crate::fault::{Fault, Reason};
use data_encoding::{HEXLOWER, HEXLOWER_PERMISSIVE};
use openssl::asn1::{Asn1Time, Asn1TimeRef};
use openssl::bn::BigNum;
use openssl::error::ErrorStack;
use openssl::nid::Nid;
use openssl::pkey::{Id, PKey, Private, Public};
use openssl::x509::X509;
use sha2::{Digest, Sha256};
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt;
use xsd::time::Timestamp;

/// The smallest RSA modulus, in bits.
const RSA_BITS_MIN: u32 = 2048;
/// The smallest RSA public exponent.
const RSA_EXPONENT_MIN: u32 = 65_537;

/// SHA-256 of a certificate's DER: what the ledger knows it by.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// That of a certificate in DER.
    #[must_use]
    pub fn of(der: &[u8]) -> Self {
        Self(Sha256::digest(der).into())
    }

    /// Reads 64 hexadecimal digits of either case.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        HEXLOWER_PERMISSIVE.decode(text.as_bytes()).ok()?.try_into().ok().map(Self)
    }

    /// The fingerprint of these octets.
    #[must_use]
    pub fn from_octets(octets: [u8; 32]) -> Self {
        Self(octets)
    }

    /// The 32 octets.
    #[must_use]
    pub fn octets(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&HEXLOWER.encode(&self.0))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Why a certificate or key cannot be used for messages.
#[derive(Debug)]
pub enum BadKey {
    /// OpenSSL cannot read or use it.
    Unreadable(ErrorStack),
    /// RSA below 2048 bits or with an exponent below 65537, or a curve other than P-256 and P-384.
    Weak,
    /// The private key is not that of the certificate.
    Mismatch,
    /// The PEM holds no certificate.
    Empty,
}

impl fmt::Display for BadKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(error) => write!(f, "unreadable: {error}"),
            Self::Weak => f.write_str("the key is neither RSA of 2048 bits or more nor ECDSA over P-256 or P-384"),
            Self::Mismatch => f.write_str("the private key is not that of the certificate"),
            Self::Empty => f.write_str("no certificate"),
        }
    }
}

impl std::error::Error for BadKey {}

impl From<ErrorStack> for BadKey {
    fn from(error: ErrorStack) -> Self {
        Self::Unreadable(error)
    }
}

/// What kind of key, with the octets of one coordinate for an elliptic curve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Rsa,
    Ecdsa { octets: i32 },
}

fn kind_of(key: &PKey<Public>) -> Result<Kind, BadKey> {
    match key.id() {
        Id::RSA => {
            let rsa = key.rsa()?;
            let strong = rsa.size() * 8 >= RSA_BITS_MIN && *rsa.e() >= *BigNum::from_u32(RSA_EXPONENT_MIN)?;
            if strong { Ok(Kind::Rsa) } else { Err(BadKey::Weak) }
        }
        Id::EC => match key.ec_key()?.group().curve_name() {
            Some(Nid::X9_62_PRIME256V1) => Ok(Kind::Ecdsa { octets: 32 }),
            Some(Nid::SECP384R1) => Ok(Kind::Ecdsa { octets: 48 }),
            _ => Err(BadKey::Weak),
        },
        _ => Err(BadKey::Weak),
    }
}

/// A certificate whose key was parsed once.
pub struct Certificate {
    fingerprint: Fingerprint,
    der: Vec<u8>,
    key: PKey<Public>,
    kind: Kind,
    not_before: Timestamp,
    not_after: Timestamp,
    subject_key_id: Option<Vec<u8>>,
    thumbprint: Vec<u8>,
    serial: String,
    issuer: Vec<(String, String)>,
    rsa_bits: u32,
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Certificate({}, {} bits, serial {})", self.fingerprint, self.rsa_bits, self.serial)
    }
}

impl Certificate {
    /// Reads one from DER.
    ///
    /// # Errors
    /// Not a certificate, or a key of a kind that may not sign messages.
    pub fn from_der(der: &[u8]) -> Result<Self, BadKey> {
        Self::new(&X509::from_der(der)?)
    }

    fn new(x509: &X509) -> Result<Self, BadKey> {
        let der = x509.to_der()?;
        let key = x509.public_key()?;
        let kind = kind_of(&key)?;
        let entry = |entry: &openssl::x509::X509NameEntryRef| {
            let name = entry.object().nid().short_name().map_or_else(|_| entry.object().to_string(), str::to_owned);
            let value = entry.data().to_string().unwrap_or_default();
            (name.to_ascii_uppercase(), squeeze(&value))
        };
        let mut issuer: Vec<_> = x509.issuer_name().entries().map(entry).collect();
        issuer.sort();
        Ok(Self {
            fingerprint: Fingerprint::of(&der),
            kind,
            not_before: instant(x509.not_before())?,
            not_after: instant(x509.not_after())?,
            subject_key_id: x509.subject_key_id().map(|id| id.as_slice().to_vec()),
            thumbprint: x509.digest(openssl::hash::MessageDigest::sha1())?.to_vec(),
            serial: x509.serial_number().to_bn()?.to_dec_str()?.to_string(),
            issuer,
            rsa_bits: key.bits(),
            key,
            der,
        })
    }

    /// What the ledger knows it by.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    pub(super) fn key(&self) -> &PKey<Public> {
        &self.key
    }

    pub(super) fn kind(&self) -> Kind {
        self.kind
    }

    /// Refuses it outside its time.
    pub(super) fn check_time(&self, now: Timestamp) -> Result<(), Fault> {
        if self.not_before <= now && now <= self.not_after {
            return Ok(());
        }
        Err(Fault::new(Reason::FailedAuthentication, "the certificate is not valid at this time"))
    }
}

fn instant(time: &Asn1TimeRef) -> Result<Timestamp, BadKey> {
    let epoch = Asn1Time::from_unix(0)?;
    if time.compare(&epoch)? == Ordering::Less {
        return Ok(Timestamp(0));
    }
    let since = epoch.diff(time)?;
    let seconds = i64::from(since.days) * 86_400 + i64::from(since.secs);
    Ok(Timestamp(u64::try_from(seconds).unwrap_or_default().saturating_mul(1000).min(xsd::time::LAST.0)))
}

/// How a message says which certificate to use. A hint: it counts only if it means a trusted one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Hint {
    /// The whole certificate.
    Der(Vec<u8>),
    /// RFC 5280 subject key identifier.
    SubjectKeyId(Vec<u8>),
    /// SHA-1 of the certificate (WSS 1.1 X.509 token profile §3.2.3).
    Thumbprint(Vec<u8>),
    /// The issuer's name in the manner of RFC 2253, and the serial number in decimal digits.
    IssuerSerial(String, String),
}

/// The certificates that may sign messages. Whose they are, and whether they still count, is said by the ledger.
#[derive(Debug, Default)]
pub struct Trust {
    certificates: BTreeMap<Fingerprint, Certificate>,
}

impl Trust {
    /// Nobody.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads certificates from PEM; none is fine.
    ///
    /// # Errors
    /// Not PEM, not certificates, or keys of a kind that may not sign messages.
    pub fn from_pem(pem: &[u8]) -> Result<Self, BadKey> {
        let mut trust = Self::new();
        for x509 in X509::stack_from_pem(pem)? {
            trust.add(Certificate::new(&x509)?);
        }
        Ok(trust)
    }

    /// Adds one.
    pub fn add(&mut self, certificate: Certificate) {
        self.certificates.insert(certificate.fingerprint, certificate);
    }

    /// The one trusted certificate that every hint means.
    pub(super) fn find(&self, hints: &[Hint]) -> Result<&Certificate, Fault> {
        let unknown = || Fault::new(Reason::FailedAuthentication, "the message names no certificate that is trusted here");
        if let Some(Hint::Der(der)) = hints.first() {
            let certificate = self.certificates.get(&Fingerprint::of(der)).ok_or_else(unknown)?;
            return if hints.iter().all(|hint| means(certificate, hint)) { Ok(certificate) } else { Err(unknown()) };
        }
        let mut meant = self.certificates.values().filter(|certificate| hints.iter().all(|hint| means(certificate, hint)));
        match (hints.is_empty(), meant.next(), meant.next()) {
            (false, Some(certificate), None) => Ok(certificate),
            _ => Err(unknown()),
        }
    }
}

fn means(certificate: &Certificate, hint: &Hint) -> bool {
    match hint {
        Hint::Der(der) => certificate.der == *der,
        Hint::SubjectKeyId(id) => certificate.subject_key_id.as_ref() == Some(id),
        Hint::Thumbprint(digest) => certificate.thumbprint == *digest,
        Hint::IssuerSerial(issuer, serial) => certificate.serial == *serial && certificate.issuer == names(issuer),
    }
}

/// The parts of a distinguished name as messages write them: RFC 2253 or 1779 escapes, any order, any white space.
fn names(text: &str) -> Vec<(String, String)> {
    let mut parts: Vec<(String, String)> = Vec::new();
    let mut part = String::new();
    let (mut quoted, mut escaped) = (false, false);
    for character in text.chars().chain(",".chars()) {
        match character {
            _ if escaped => {
                part.push(character);
                escaped = false;
            }
            '\\' => escaped = true,
            '"' => quoted = !quoted,
            ',' | ';' | '+' if !quoted => {
                let (name, value) = part.split_once('=').unwrap_or((&part, ""));
                let name = name.trim().to_ascii_uppercase();
                let name = name.strip_prefix("OID.").unwrap_or(&name).to_owned();
                let name = if name == "1.2.840.113549.1.9.1" || name == "E" { String::from("EMAILADDRESS") } else { name };
                parts.push((name, squeeze(value)));
                part.clear();
            }
            _ => part.push(character),
        }
    }
    parts.sort();
    parts
}

fn squeeze(value: &str) -> String {
    value.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The certificate and private key that sign this node's messages.
pub struct Signer {
    pub(super) certificate: Certificate,
    pub(super) key: PKey<Private>,
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signer({:?})", self.certificate)
    }
}

impl Signer {
    /// Reads the first certificate of `certificate` and the private key of `key`, both PEM.
    ///
    /// # Errors
    /// Unreadable, too weak, or not of one pair.
    pub fn from_pem(certificate: &[u8], key: &[u8]) -> Result<Self, BadKey> {
        let x509 = X509::stack_from_pem(certificate)?.into_iter().next().ok_or(BadKey::Empty)?;
        let key = PKey::private_key_from_pem(key)?;
        if !x509.public_key()?.public_eq(&key) {
            return Err(BadKey::Mismatch);
        }
        Ok(Self { certificate: Certificate::new(&x509)?, key })
    }

    /// The certificate by which others know this node's messages.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        self.certificate.fingerprint
    }

    pub(super) fn der(&self) -> &[u8] {
        &self.certificate.der
    }
}

#[cfg(test)]
mod tests {
    use super::names;

    #[test]
    fn distinguished_names_are_compared_as_sets() {
        let same = [
            "CN=Sector CA,O=Test CA,C=EE",
            "C=EE, O=Test CA, CN=Sector CA",
            "CN=\"Sector CA\",O=Test  CA;C=EE",
            "cn = Sector CA , o=Test CA,c=EE",
        ];
        for text in same {
            assert_eq!(names(text), names(same[0]), "{text}");
        }
        assert_eq!(names("O=A\\, B"), vec![(String::from("O"), String::from("A, B"))]);
        assert_ne!(names("CN=Sector CA,O=Test CA"), names(same[0]));
        assert_ne!(names("CN=Sector CB,O=Test CA,C=EE"), names(same[0]));
    }
}
