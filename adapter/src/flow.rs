//! One call, from bytes to bytes. This file is the only one that knows the order of the stages.

use crate::addressing::{self, Addressing};
use crate::fault::{Fault, Reason};
use crate::http::{Request, Response};
use crate::security::Profile;
use crate::service;
use crate::site::Site;
use crate::soap::{self, Draft, Envelope, Version};
use std::sync::Arc;
use xsd::time::Timestamp;
use xsd::tree::Element;

/// Answers one SOAP request to `/ws/<name>`.
pub async fn answer(site: &Arc<Site>, name: &str, request: &Request, now: Timestamp) -> Response {
    let envelope =
        match soap::parse(&request.body, request.header("content-type").unwrap_or_default(), request.header("soapaction"), &site.reader) {
            Ok(envelope) => envelope,
            Err(refused) => {
                crate::refusals::of_call(site, request, None, &refused.fault).await;
                return fault(site, &refused.fault, refused.version, None, false, now);
            }
        };
    let version = envelope.version();
    match call(site, name, request, &envelope, now).await {
        Ok(reply) => {
            let action = format!("urn:waybill:ws:{name}:1:{}", reply.name().local());
            respond(site, Draft::new(version).body(reply), &envelope, &action, 200, now)
        }
        Err(fault_) => {
            crate::refusals::of_call(site, request, envelope.body(), &fault_).await;
            fault(site, &fault_, version, Some(&envelope), envelope.is_signed(), now)
        }
    }
}

/// The stages: verify, validate, decode, serve.
async fn call(site: &Arc<Site>, name: &str, request: &Request, envelope: &Envelope, now: Timestamp) -> Result<Element, Fault> {
    let addressed = addressing::read(envelope)?;
    let body = site.security.verify(envelope, request.peer, Profile::Transport, now)?; // Signed<Element>: the only maker
    let payload = body.try_map(soap::payload)?; // the one element of the Body
    check_action(name, payload.content(), envelope, addressed.as_ref())?;
    let valid = payload.try_map(|payload| site.schemas.validate(payload).map_err(Fault::from))?; // Signed<Valid>
    let call = valid.try_map(|valid| service::decode(name, &valid))?; // Signed<Call>
    service::serve(site, call, now).await // to the ledger and back
}

/// An action, wherever it stands, must be that of the operation in the Body; the Body alone decides what runs.
fn check_action(name: &str, payload: &Element, envelope: &Envelope, addressed: Option<&Addressing>) -> Result<(), Fault> {
    let action = format!("urn:waybill:ws:{name}:1:{}", payload.name().local());
    if let Some(said) = envelope.action().filter(|said| *said != action) {
        let sentence = format!("the action '{said}' is not that of {}: {action}", payload.name().local());
        return Err(Fault::new(Reason::ActionNotSupported, sentence));
    }
    addressed.map_or(Ok(()), |addressed| addressed.check_action(&[&action]))
}

/// Signs the reply if the request was signed; a client that signed nothing could not read a Security header.
fn respond(site: &Site, draft: Draft, request: &Envelope, action: &str, status: u16, now: Timestamp) -> Response {
    let version = draft.version();
    let draft = match addressing::read(request) {
        Ok(Some(addressed)) => addressed.reply_headers(action, &crate::services::urn()).into_iter().fold(draft, Draft::header),
        _ => draft,
    };
    let octets = if request.is_signed() {
        match site.security.sign(draft, now) {
            Ok(octets) => octets,
            Err(unsigned) => return fault(site, &unsigned, version, None, false, now),
        }
    } else {
        draft.octets()
    };
    Response::new(status, &version.content_type(None), octets)
}

fn fault(site: &Site, fault: &Fault, version: Version, request: Option<&Envelope>, signed: bool, now: Timestamp) -> Response {
    let status = fault.status(version);
    let draft = fault.draft(version);
    let response = match request {
        Some(request) if signed => respond(site, draft, request, fault.action(), status, now),
        _ => return Response::of_fault(fault, version, draft.octets()),
    };
    Response::of_fault(fault, version, response.body)
}
