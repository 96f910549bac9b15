//! WS-Addressing 1.0 headers: read from a request, written for a reply; 2004/08 is read where it means the same.

use crate::fault::{Fault, Reason};
use crate::soap::{Envelope, Version};
use xsd::tree::{Attribute, Element, Node, QName};

/// The namespace of WS-Addressing 1.0.
pub const NAMESPACE: &str = "http://www.w3.org/2005/08/addressing";
/// The namespace of the member submission of August 2004.
pub const NAMESPACE_2004: &str = "http://schemas.xmlsoap.org/ws/2004/08/addressing";

const ANONYMOUS: &str = "http://www.w3.org/2005/08/addressing/anonymous";
const ANONYMOUS_2004: &str = "http://schemas.xmlsoap.org/ws/2004/08/addressing/role/anonymous";
const NONE: &str = "http://www.w3.org/2005/08/addressing/none";
const PREFIX: &str = "wsa";

/// Where a reply goes. No reply is ever sent to an address that a message names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Address {
    /// Back on the connection of the request.
    Anonymous,
    /// Nowhere: the answer is 202 with an empty body.
    None,
}

/// The addressing properties of one message (WS-Addressing 1.0 Core §3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Addressing {
    namespace: &'static str,
    message_id: Option<String>,
    action: Option<String>,
    to: Option<String>,
    relates_to: Option<String>,
    reply: Address,
    fault: Address,
    parameters: Vec<Element>,
}

/// Reads the addressing headers; `None` where there are none.
///
/// # Errors
/// A header twice, an action missing or unlike the HTTP one, a reply address that is neither anonymous nor none.
pub fn read(envelope: &Envelope) -> Result<Option<Addressing>, Fault> {
    let speaks = |namespace: &str| envelope.blocks_for_us().any(|block| block.name().namespace() == namespace);
    let namespace = match (speaks(NAMESPACE), speaks(NAMESPACE_2004)) {
        (false, false) => return Ok(None),
        (true, false) => NAMESPACE,
        (false, true) => NAMESPACE_2004,
        (true, true) => return Err(Fault::new(Reason::InvalidAddressingHeader, "headers of two versions of WS-Addressing in one message")),
    };
    let action = text(envelope, namespace, "Action")?;
    let Some(wanted) = action.as_deref() else {
        let fault = Fault::new(Reason::MessageAddressingHeaderRequired, "an addressed message has a wsa:Action");
        return Err(fault.xpath("/Envelope/Header/Action"));
    };
    if envelope.action().is_some_and(|http| http != wanted) {
        let sentence = "wsa:Action and the action of the HTTP headers are not the same";
        return Err(Fault::new(Reason::ActionNotSupported, sentence).xpath("/Envelope/Header/Action"));
    }
    text(envelope, namespace, "From")?;
    let (reply, mut parameters) = endpoint(envelope, namespace, "ReplyTo")?;
    let (fault, of_fault) = endpoint(envelope, namespace, "FaultTo")?;
    if reply == Some(Address::None) {
        parameters.clear();
    }
    let parameters = if parameters.is_empty() { of_fault } else { parameters };
    let reply = reply.unwrap_or(Address::Anonymous);
    Ok(Some(Addressing {
        namespace,
        message_id: text(envelope, namespace, "MessageID")?,
        to: text(envelope, namespace, "To")?,
        relates_to: relates_to(envelope, namespace),
        action,
        reply,
        fault: fault.unwrap_or(reply),
        parameters,
    }))
}

/// The header blocks of this name, of which there may be one.
fn single<'a>(envelope: &'a Envelope, namespace: &str, local: &str) -> Result<Option<&'a Element>, Fault> {
    let mut blocks = envelope.blocks_for_us().filter(|block| block.name().is(namespace, local));
    match (blocks.next(), blocks.next()) {
        (first, None) => Ok(first),
        (_, Some(second)) => {
            let fault = Fault::new(Reason::InvalidCardinality, format!("wsa:{local} is given more than once"));
            Err(fault.xpath(format!("/Envelope/Header/{local}")).at(second.place()))
        }
    }
}

fn text(envelope: &Envelope, namespace: &str, local: &str) -> Result<Option<String>, Fault> {
    let block = single(envelope, namespace, local)?;
    Ok(block.map(|block| block.string().trim().to_owned()).filter(|text| !text.is_empty()))
}

/// An endpoint reference and its reference parameters.
fn endpoint(envelope: &Envelope, namespace: &str, local: &str) -> Result<(Option<Address>, Vec<Element>), Fault> {
    let Some(block) = single(envelope, namespace, local)? else { return Ok((None, Vec::new())) };
    let Some(address) = block.first(namespace, "Address") else {
        let fault = Fault::new(Reason::InvalidAddressingHeader, format!("wsa:{local} has no wsa:Address"));
        return Err(fault.xpath(format!("/Envelope/Header/{local}")).at(block.place()));
    };
    let kind = match address.string().trim() {
        ANONYMOUS | ANONYMOUS_2004 => Address::Anonymous,
        NONE => Address::None,
        _ => {
            let sentence = "replies go back on the connection of the request (anonymous) or nowhere (none)";
            let fault = Fault::new(Reason::OnlyAnonymousAddressSupported, sentence);
            return Err(fault.xpath(format!("/Envelope/Header/{local}/Address")).at(address.place()));
        }
    };
    let parameters = block.first(namespace, "ReferenceParameters").into_iter().flat_map(Element::elements).cloned();
    Ok((Some(kind), parameters.collect()))
}

/// The relationship that is a reply (Core §3.2): without a type, or with the one for replies.
fn relates_to(envelope: &Envelope, namespace: &str) -> Option<String> {
    const REPLY: &str = "http://www.w3.org/2005/08/addressing/reply";
    let mut blocks = envelope.blocks_for_us().filter(|block| block.name().is(namespace, "RelatesTo"));
    let reply = blocks.find(|block| block.attribute("", "RelationshipType").is_none_or(|kind| kind == REPLY || kind.ends_with(":Reply")));
    reply.map(|block| block.string().trim().to_owned())
}

impl Addressing {
    /// The message's own id, which a reply relates to and the log names.
    #[must_use]
    pub fn message_id(&self) -> Option<&str> {
        self.message_id.as_deref()
    }

    /// The action.
    #[must_use]
    pub fn action(&self) -> Option<&str> {
        self.action.as_deref()
    }

    /// Whom the message is for.
    #[must_use]
    pub fn to(&self) -> Option<&str> {
        self.to.as_deref()
    }

    /// The id of the message that this one replies to.
    #[must_use]
    pub fn relates_to(&self) -> Option<&str> {
        self.relates_to.as_deref()
    }

    /// Where the reply goes.
    #[must_use]
    pub fn reply(&self) -> Address {
        self.reply
    }

    /// Where a fault goes: to FaultTo, else where the reply goes.
    #[must_use]
    pub fn fault(&self) -> Address {
        self.fault
    }

    /// Refuses an action that is none of `actions`.
    ///
    /// # Errors
    /// `wsa:ActionNotSupported`.
    pub fn check_action(&self, actions: &[&str]) -> Result<(), Fault> {
        if self.action.as_deref().is_some_and(|action| actions.contains(&action)) {
            return Ok(());
        }
        Err(Fault::new(Reason::ActionNotSupported, "the action is not that of the element in the Body").xpath("/Envelope/Header/Action"))
    }

    /// The headers of the reply to this message (SOAP binding §3.4): RelatesTo, Action, MessageID, and the caller's reference parameters.
    #[must_use]
    pub fn reply_headers(&self, action: &str, message_id: &str) -> Vec<Element> {
        let mut headers = vec![self.header("Action", action), self.header("MessageID", message_id)];
        if let Some(id) = &self.message_id {
            headers.push(self.header("RelatesTo", id));
        }
        let mark = |parameter: &Element| {
            let mut parameter = parameter.clone();
            if self.namespace == NAMESPACE {
                let name = QName::new(NAMESPACE, "IsReferenceParameter");
                parameter.set_attribute(Attribute { name, prefix: PREFIX.into(), value: String::from("true") });
            }
            parameter
        };
        headers.extend(self.parameters.iter().filter(|parameter| harmless(parameter)).map(mark));
        headers
    }

    fn header(&self, local: &str, text: &str) -> Element {
        Element::new(PREFIX, QName::new(self.namespace, local)).text(text)
    }
}

/// A reference parameter becomes a header of ours only if it claims to be neither addressing, security nor mandatory.
fn harmless(parameter: &Element) -> bool {
    let namespace = parameter.name().namespace();
    let taken = [
        "",
        NAMESPACE,
        NAMESPACE_2004,
        crate::security::WSSE,
        crate::security::WSU,
        Version::Soap11.namespace(),
        Version::Soap12.namespace(),
        crate::fault::NAMESPACE,
    ];
    let directs = |element: &Element| {
        let steers = |attribute: &Attribute| [crate::soap::SOAP11, crate::soap::SOAP12].contains(&attribute.name.namespace());
        let names =
            |attribute: &Attribute| attribute.name.local() == "Id" && ["", crate::security::WSU].contains(&attribute.name.namespace());
        element.attributes().iter().any(|attribute| steers(attribute) || names(attribute))
    };
    fn any(element: &Element, test: &impl Fn(&Element) -> bool) -> bool {
        let comment = element.children().iter().any(|node| matches!(node, Node::Comment));
        comment || test(element) || element.elements().any(|child| any(child, test))
    }
    !taken.contains(&namespace) && !any(parameter, &directs)
}

/// The headers of a request of our own: To, Action, MessageID and an anonymous ReplyTo.
#[must_use]
pub fn request_headers(to: &str, action: &str, message_id: &str) -> Vec<Element> {
    let element = |local: &str| Element::new(PREFIX, QName::new(NAMESPACE, local));
    vec![
        element("To").text(to),
        element("Action").text(action),
        element("MessageID").text(message_id),
        element("ReplyTo").leaf("Address", ANONYMOUS),
    ]
}
