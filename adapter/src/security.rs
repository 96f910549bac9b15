//! WS-Security behind two functions: whose message this is, and which octets of it count. No type of OpenSSL leaves this module.

mod dsig;
mod keys;
mod replay;
mod timestamp;

pub use keys::{BadKey, Certificate, Fingerprint, Signer, Trust};

use crate::fault::{Fault, Reason};
use crate::soap::{self, Draft, Envelope};
use dsig::Coverage;
use replay::Replay;
use std::ptr;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use xsd::read::{self, Limits};
use xsd::time::Timestamp;
use xsd::tree::{Element, Node};
use xsd::write::Binding;

/// The namespace of the WS-Security 1.0 header.
pub const WSSE: &str = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd";
/// The namespace of `wsu:Id` and the timestamp.
pub const WSU: &str = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd";
const WSSE11: &str = "http://docs.oasis-open.org/wss/oasis-wss-wssecurity-secext-1.1.xsd";
const DS: &str = "http://www.w3.org/2000/09/xmldsig#";

/// Who called, as far as it was proved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The certificate of the TLS client (or of the TLS server, for a reply).
    pub tls: Option<Fingerprint>,
    /// The certificate whose key signed the message.
    pub message: Option<Fingerprint>,
}

/// Content that came from somebody known.
///
/// Only [`Security::verify`] makes one, only [`Signed::try_map`] changes its content: what a service acts on is derived from what
/// was verified, or it does not compile. Skip verification:
///
/// ```compile_fail,E0308
/// use adapter::{service, site::Site, soap::Envelope};
/// async fn skip_verification(site: &std::sync::Arc<Site>, envelope: Envelope, now: xsd::time::Timestamp) {
///     service::serve(site, envelope, now).await.unwrap();
/// }
/// ```
/// Skip validation:
///
/// ```compile_fail,E0308
/// use adapter::{security::Signed, service};
/// use xsd::tree::Element;
/// fn skip_validation(body: Signed<Element>) {
///     body.try_map(|element| service::decode("trading", &element)).unwrap();
/// }
/// ```
/// Skip mapping, where a legacy system's valid answer shall become a unified record:
///
/// ```compile_fail,E0308
/// use mappings::Unified;
/// use xsd::validate::Valid;
/// fn release(_: Unified) {}
/// fn skip_mapping(legacy_answer: Valid) {
///     release(legacy_answer);
/// }
/// ```
/// Skip decoding:
///
/// ```compile_fail,E0308
/// use adapter::{security::Signed, service, site::Site};
/// use xsd::validate::Valid;
/// async fn skip_decoding(site: &std::sync::Arc<Site>, body: Signed<Valid>, now: xsd::time::Timestamp) {
///     service::serve(site, body, now).await.unwrap();
/// }
/// ```
/// Forge a signer:
///
/// ```compile_fail,E0451
/// use adapter::security::{Caller, Signed};
/// fn forge_a_signer(content: u8) -> Signed<u8> {
///     Signed { caller: Caller { tls: None, message: None }, content }
/// }
/// ```
/// What is allowed:
///
/// ```
/// use adapter::{fault::Fault, security::Signed, service, site::Site};
/// use xsd::tree::Element;
/// async fn answer(site: &std::sync::Arc<Site>, body: Signed<Element>, now: xsd::time::Timestamp) -> Result<Element, Fault> {
///     let valid = body.try_map(|body| site.schemas.validate(body).map_err(Fault::from))?;
///     let call = valid.try_map(|valid| service::decode("trading", &valid))?;
///     service::serve(site, call, now).await
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct Signed<T> {
    caller: Caller,
    content: T,
}

impl<T> Signed<T> {
    /// Passes the content to the next stage; the caller stays attached.
    ///
    /// # Errors
    /// What `stage` returns.
    pub fn try_map<U, E>(self, stage: impl FnOnce(T) -> Result<U, E>) -> Result<Signed<U>, E> {
        Ok(Signed { caller: self.caller, content: stage(self.content)? })
    }

    /// The content.
    pub fn content(&self) -> &T {
        &self.content
    }

    /// Who called.
    pub fn caller(&self) -> Caller {
        self.caller
    }

    /// The last step: takes both apart to act on them.
    pub fn into_parts(self) -> (Caller, T) {
        (self.caller, self.content)
    }
}

/// What an endpoint demands of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// A client certificate of TLS suffices; a signature, if there is one, must verify all the same and cover Body and Timestamp.
    Transport,
    /// A signature over Body, Timestamp and every addressing header, besides TLS: what adapters demand of each other.
    Signature,
}

/// How far a message's time may be from ours, and how many signed messages are remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Milliseconds after its creation in which a message is taken.
    pub past_ms: u64,
    /// Milliseconds by which its creation may lie in the future.
    pub future_ms: u64,
    /// Signed messages remembered, so that none is taken twice.
    pub replay_entries_max: usize,
}

impl Default for Window {
    fn default() -> Self {
        Self { past_ms: 300_000, future_ms: 60_000, replay_entries_max: 1 << 20 }
    }
}

/// The keys and rules of this node.
#[derive(Debug)]
pub struct Security {
    trust: RwLock<Arc<Trust>>,
    signer: Option<Signer>,
    window: Window,
    limits: Limits,
    replay: Mutex<Replay>,
}

impl Security {
    /// `limits` are those of the reader, for the octets that were signed.
    #[must_use]
    pub fn new(trust: Trust, signer: Option<Signer>, window: Window, limits: Limits) -> Self {
        let replay = Mutex::new(Replay::new(window.replay_entries_max));
        Self { trust: RwLock::new(Arc::new(trust)), signer, window, limits, replay }
    }

    /// Replaces the certificates that may sign messages from the next message on.
    pub fn replace_trust(&self, trust: Trust) {
        *self.trust.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(trust);
    }

    /// Says who sent `envelope` and returns its Body, with what was in scope declared on it.
    ///
    /// If the message is signed, the Body is the one read again from the octets that the signature covers. `tls_peer` is the
    /// certificate that the TLS handshake proved.
    ///
    /// # Errors
    /// One of the `wsse:` faults, `wsu:MessageExpired`, or busy.
    pub fn verify(
        &self,
        envelope: &Envelope,
        tls_peer: Option<Fingerprint>,
        profile: Profile,
        now: Timestamp,
    ) -> Result<Signed<Element>, Fault> {
        if tls_peer.is_none() && profile == Profile::Transport {
            return Err(Fault::new(Reason::FailedAuthentication, "this endpoint asks for a client certificate in TLS"));
        }
        let body = envelope.body().ok_or_else(|| Fault::new(Reason::Envelope, "an Envelope holds a Body"))?;
        let header = security_header(envelope)?;
        let time = header.map(|header| timestamp::read(header, &self.window, now)).transpose()?.flatten();
        let Some(signature) = header.and_then(|header| header.first(DS, "Signature")) else {
            if profile == Profile::Signature {
                return Err(Fault::new(Reason::InvalidSecurity, "this endpoint asks for a signed message").xpath("/Envelope/Header"));
            }
            let mut content = body.clone();
            soap::inherit(&mut content, envelope.root().namespaces());
            return Ok(Signed { caller: Caller { tls: tls_peer, message: None }, content });
        };
        let trust = Arc::clone(&self.trust.read().unwrap_or_else(PoisonError::into_inner));
        let coverage = dsig::verify(envelope, signature, &trust, now)?;
        let Some(time) = time else {
            return Err(Fault::new(Reason::InvalidSecurity, "a signed message has a Timestamp").xpath("/Envelope/Header/Security"));
        };
        required(envelope, time.element, profile, &coverage)?;
        let content = self.read_again(body, &coverage)?;
        let mut replay = self.replay.lock().unwrap_or_else(PoisonError::into_inner);
        replay.note(coverage.signed_info, time.until, now)?;
        Ok(Signed { caller: Caller { tls: tls_peer, message: Some(coverage.signer) }, content })
    }

    /// The octets of `draft` with Body, Timestamp and addressing headers signed.
    ///
    /// # Errors
    /// This node has no key for messages, or OpenSSL failed.
    pub fn sign(&self, draft: Draft, now: Timestamp) -> Result<Vec<u8>, Fault> {
        let signer = self.signer.as_ref().ok_or_else(|| Fault::new(Reason::Internal, "this node has no key that signs messages"))?;
        let timestamp = timestamp::write(now, now.plus_ms(self.window.past_ms));
        dsig::sign(draft, timestamp, signer).map_err(|_failure| Fault::new(Reason::Internal, "the message could not be signed"))
    }

    /// The Body from its signed octets, placed as the received text had it.
    fn read_again(&self, body: &Element, coverage: &Coverage<'_>) -> Result<Element, Fault> {
        let differs = || Fault::new(Reason::FailedCheck, "the signed octets do not read as the Body").xpath("/Envelope/Body");
        let covered = coverage.parts.iter().find(|part| ptr::eq(part.element, body)).ok_or_else(differs)?;
        let mut read = read::read(&covered.octets, None, &self.limits).map_err(|_malformed| differs())?;
        if place(&mut read, body) { Ok(read) } else { Err(differs()) }
    }
}

/// Gives the elements of `read` the places of `original`; false where the two differ in more than the order of attributes.
fn place(read: &mut Element, original: &Element) -> bool {
    let known = |element: &Element| {
        let mut attributes: Vec<_> = element.attributes().iter().map(|one| (one.name.clone(), one.value.clone())).collect();
        attributes.sort();
        attributes
    };
    if read.name() != original.name() || known(read) != known(original) || read.children().len() != original.children().len() {
        return false;
    }
    read.set_place(original.place());
    read.children_mut().iter_mut().zip(original.children()).all(|pair| match pair {
        (Node::Element(read), Node::Element(original)) => place(read, original),
        (read, original) => read == original,
    })
}

/// The one security header. A second one, whoever it is for, is refused: two readers could choose differently.
fn security_header(envelope: &Envelope) -> Result<Option<&Element>, Fault> {
    let mut headers = envelope.blocks().filter(|block| block.name().is(WSSE, "Security"));
    let (first, second) = (headers.next(), headers.next());
    let invalid =
        |sentence: &str, at: &Element| Err(Fault::new(Reason::InvalidSecurity, sentence).xpath("/Envelope/Header/Security").at(at.place()));
    if let Some(second) = second {
        return invalid("more than one wsse:Security header", second);
    }
    let Some(header) = first else { return Ok(None) };
    if !envelope.blocks_for_us().any(|block| ptr::eq(block, header)) {
        return invalid("the wsse:Security header is for another node", header);
    }
    let (mut timestamps, mut signatures) = (0_u32, 0_u32);
    for child in header.elements() {
        match (child.name().namespace(), child.name().local()) {
            (WSU, "Timestamp") => timestamps += 1,
            (DS, "Signature") => signatures += 1,
            (WSSE, "BinarySecurityToken") | (WSSE11, "SignatureConfirmation") => {}
            (_, local) => {
                let sentence = format!("{local} in wsse:Security is not accepted here");
                return Err(Fault::new(Reason::UnsupportedSecurityToken, sentence).xpath("/Envelope/Header/Security").at(child.place()));
            }
        }
    }
    match (timestamps, signatures) {
        (0 | 1, 0 | 1) => Ok(Some(header)),
        _ => invalid("wsse:Security holds one Timestamp and one Signature at most", header),
    }
}

/// The policy: Body and Timestamp are among what was signed; where the signature alone counts, every addressing header too.
fn required(envelope: &Envelope, timestamp: &Element, profile: Profile, coverage: &Coverage<'_>) -> Result<(), Fault> {
    let addressing = [crate::addressing::NAMESPACE, crate::addressing::NAMESPACE_2004];
    let addressed = envelope.blocks().filter(|block| profile == Profile::Signature && addressing.contains(&block.name().namespace()));
    for element in envelope.body().into_iter().chain([timestamp]).chain(addressed) {
        if !coverage.parts.iter().any(|part| ptr::eq(part.element, element)) {
            let sentence = format!("the signature does not cover {}", element.name().local());
            return Err(Fault::new(Reason::FailedCheck, sentence).xpath("/Envelope/Header/Security/Signature").at(element.place()));
        }
    }
    Ok(())
}

/// What is in scope below `parents`, outermost first.
fn scope(parents: &[&Element]) -> Vec<Binding> {
    parents.iter().flat_map(|parent| parent.namespaces().iter().cloned()).collect()
}
