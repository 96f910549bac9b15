//! Calls of one adapter to another: a signed SOAP 1.2 message out, a signed reply in.

use crate::addressing;
use crate::client::CallError;
use crate::fault::{Fault, Reason, Received};
use crate::security::Profile;
use crate::site::{Declined, Located, Site};
use crate::soap::{self, Draft, Version};
use crate::unified::{Document, Receipt};
use std::time::Duration;
use xsd::tree::Element;

impl Site {
    /// Sends `request` to the trading service of another sector and reads the reply, which must be signed by that sector.
    ///
    /// # Errors
    /// Not reached, not answered in time, answered with a fault, or with something that is no signed answer.
    pub async fn ask<T: Document>(&self, located: &Located, operation: &str, request: &Element) -> Result<T, Declined> {
        let now = crate::replica::now();
        let url = format!("https://{}/ws/trading", located.server);
        let action = format!("urn:waybill:ws:trading:1:{operation}");
        let headers = addressing::request_headers(&url, &action, &crate::services::urn());
        let draft = headers.into_iter().fold(Draft::new(Version::Soap12), Draft::header).body(request.clone());
        let octets = self.security.sign(draft, now)?;
        let total = Duration::from_millis(self.config.limits.peer_timeout_ms);
        let content_type = Version::Soap12.content_type(Some(&action));
        let answer = self
            .client
            .post(&url, &[("content-type", &content_type)], octets, total)
            .await
            .map_err(|error| unreachable(located, &error))?;
        let garbled = |what: String| Fault::new(Reason::PeerAnswer, format!("{} answered with no message: {what}", located.sector));
        let envelope = soap::parse(&answer.body, answer.header("content-type").unwrap_or_default(), None, &self.reader)
            .map_err(|refused| garbled(refused.fault.sentence().to_owned()))?;
        if let Some(received) = envelope.body().and_then(Received::read) {
            return Err(self.declined(located, &received));
        }
        let body = self
            .security
            .verify(&envelope, answer.peer, Profile::Signature, crate::replica::now())
            .map_err(|fault| garbled(fault.sentence().to_owned()))?;
        let signer = self.account(body.caller()).await?;
        if signer.sector() != located.sector {
            return Err(garbled(format!("it is signed by {}", signer.sector())).into());
        }
        let payload = body.try_map(soap::payload)?;
        let (_, valid) = payload.try_map(|payload| self.schemas.validate(payload).map_err(Fault::from))?.into_parts();
        T::of(valid.element()).map_err(|unreadable| garbled(unreadable.to_string()).into())
    }

    /// Another adapter's fault in this adapter's words. Its reason counts only where it is one that a provider may give.
    fn declined(&self, located: &Located, received: &Received) -> Declined {
        let reason = match received.stable() {
            Some(
                reason @ (Reason::Denied
                | Reason::NoRecord
                | Reason::UnknownTrade
                | Reason::Unmapped
                | Reason::LegacyUnavailable
                | Reason::LegacyAnswer
                | Reason::NoQuorum
                | Reason::Busy
                | Reason::Conflict),
            ) => reason,
            _ => Reason::PeerAnswer,
        };
        let receipt = received.detail.iter().find_map(|entry| Receipt::of(entry).ok());
        Declined { fault: Fault::new(reason, format!("{}: {}", located.sector, received.text)), receipt }
    }
}

fn unreachable(located: &Located, error: &CallError) -> Fault {
    let reason = if matches!(error, CallError::Timeout) { Reason::PeerTimeout } else { Reason::PeerUnavailable };
    Fault::new(reason, format!("{} cannot be reached: {error}", located.sector))
}
