//! The `wsu:Timestamp` of a message (WSS SOAP Message Security 1.1 §10), read and written.

use super::{WSU, Window};
use crate::fault::{Fault, Reason};
use xsd::time::Timestamp;
use xsd::tree::{Element, QName};

/// A Timestamp that was found to be within its time.
pub(super) struct Lifetime<'a> {
    pub(super) element: &'a Element,
    /// After this instant the message would no longer be taken.
    pub(super) until: Timestamp,
}

/// Reads and checks the Timestamp in a security header, if there is one.
pub(super) fn read<'a>(header: &'a Element, window: &Window, now: Timestamp) -> Result<Option<Lifetime<'a>>, Fault> {
    let Some(element) = header.first(WSU, "Timestamp") else { return Ok(None) };
    let fault = |reason, sentence: &str| Fault::new(reason, sentence).xpath("/Envelope/Header/Security/Timestamp").at(element.place());
    let invalid = |sentence| fault(Reason::InvalidSecurity, sentence);
    let mut parts = element.elements();
    let (created, expires) = (parts.next(), parts.next());
    let shaped = created.is_some_and(|part| part.name().is(WSU, "Created")) && expires.is_none_or(|part| part.name().is(WSU, "Expires"));
    if !shaped || parts.next().is_some() {
        return Err(invalid("a Timestamp holds Created, then Expires, each once"));
    }
    let instant = |part: &Element| Timestamp::parse(part.string().trim()).ok_or_else(|| invalid("not an instant with a time zone"));
    let created = created.map(instant).transpose()?.unwrap_or_default();
    let expires = expires.map(instant).transpose()?;
    if expires.is_some_and(|expires| expires < created) {
        return Err(invalid("the Timestamp expires before it is created"));
    }
    let last = created.plus_ms(window.past_ms);
    let until = expires.map_or(last, |expires| expires.min(last));
    if created > now.plus_ms(window.future_ms) {
        return Err(fault(Reason::MessageExpired, "the message was created in the future; compare the clocks"));
    }
    if until < now {
        return Err(fault(Reason::MessageExpired, "the message has expired; compare the clocks, then send it again with a new Timestamp"));
    }
    Ok(Some(Lifetime { element, until }))
}

/// A Timestamp of our own.
pub(super) fn write(created: Timestamp, expires: Timestamp) -> Element {
    Element::new("wsu", QName::new(WSU, "Timestamp")).leaf("Created", created.to_string()).leaf("Expires", expires.to_string())
}
