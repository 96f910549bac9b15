//! Messages as they stand in an envelope: the child of the Body, its parts, and the header entries.

use crate::WSDL;
use crate::contract::{Part, Style};
use crate::cursor::Cursor;
use crate::finding::Rule;
use crate::read::Judge;
use xsd::tree::QName;

const MIME: &str = "http://schemas.xmlsoap.org/wsdl/mime/";

/// One direction of an operation.
pub(crate) struct Message {
    /// The child of the Body.
    pub(crate) element: QName,
    /// The parts in an rpc wrapper.
    pub(crate) parts: Vec<Part>,
    pub(crate) headers: Vec<QName>,
    pub(crate) encoded: bool,
}

impl<'d> Judge<'d, '_> {
    /// `name` is what an rpc wrapper is called. `None`: it cannot be told what stands in the Body.
    pub(crate) fn message(
        &mut self,
        abstract_: &Cursor<'d>,
        bound: Option<&Cursor<'d>>,
        operation: &Cursor<'d>,
        style: Style,
        name: &str,
    ) -> Option<Message> {
        let message = self.find(abstract_, "message", "message")?;
        let within = bound.map(|bound| self.root_part(bound));
        let body = within.as_ref().and_then(|within| within.soap("body"));
        if body.is_none() {
            let direction = abstract_.element.name().local();
            let what = format!("the binding of operation {:?} has no soap:body for its {direction}: taken as literal", operation.name());
            self.say(Rule::W031, operation, what);
        }
        let (headers, elsewhere) = match &within {
            Some(within) => self.headers(within, &message, style),
            None => (Vec::new(), Vec::new()),
        };
        let encoded = body.as_ref().is_some_and(|body| self.literal(body));
        let parts = self.body_parts(&message, body.as_ref(), style, &elsewhere)?;
        let at = body.as_ref().unwrap_or(operation);
        match style {
            Style::Document => self.document(&message, &parts, at).map(|element| Message { element, parts: Vec::new(), headers, encoded }),
            Style::Rpc => {
                let namespace = self.wrapper_namespace(at);
                let parts = self.accessors(&parts)?;
                Some(Message { element: QName::new(namespace, name), parts, headers, encoded })
            }
        }
    }

    /// Where the envelope's extensions stand: in the first part of a MIME message that has attachments.
    fn root_part(&mut self, bound: &Cursor<'d>) -> Cursor<'d> {
        let Some(related) = bound.first(MIME, "multipartRelated") else { return bound.clone() };
        let parts: Vec<Cursor<'d>> = related.all(MIME, "part").collect();
        if parts.len() > 1 {
            self.say(Rule::W035, &related, "this message has attachments: only its envelope is mapped");
        }
        parts.into_iter().find(|part| part.soap("body").is_some()).unwrap_or_else(|| bound.clone())
    }

    /// The header entries, and the parts of `message` that they take.
    fn headers(&mut self, within: &Cursor<'d>, message: &Cursor<'d>, style: Style) -> (Vec<QName>, Vec<&'d str>) {
        let (mut entries, mut taken) = (Vec::new(), Vec::new());
        for header in within.soaps("header") {
            self.literal(&header);
            if header.attribute("namespace").is_some() {
                let rule = if style == Style::Rpc { Rule::R2726 } else { Rule::R2716 };
                self.say(rule, &header, "soap:header has a namespace: its part names the element already");
            }
            let Some(of) = self.find(&header, "message", "message") else { continue };
            let wanted = header.attribute("part").unwrap_or_default();
            let Some(part) = of.all(WSDL, "part").find(|part| part.name() == wanted) else {
                self.say(Rule::W032, &header, format!("message {:?} has no part {wanted:?}", of.name()));
                continue;
            };
            if (of.file, of.place()) == (message.file, message.place()) {
                taken.push(part.name());
            }
            if part.attribute("element").is_some() {
                entries.extend(self.declared(&part));
            } else {
                self.say(Rule::R2205, &part, format!("the header part {wanted:?} is defined by type: no element says what it is called"));
            }
        }
        (entries, taken)
    }

    /// The parts that stand in the Body, in their order.
    fn body_parts(&mut self, message: &Cursor<'d>, body: Option<&Cursor<'d>>, style: Style, elsewhere: &[&str]) -> Option<Vec<Cursor<'d>>> {
        let all: Vec<Cursor<'d>> = message.all(WSDL, "part").collect();
        let listed = body.and_then(|body| Some((body, body.attribute("parts")?)));
        let Some((body, listed)) = listed else {
            let own: Vec<Cursor<'d>> = all.iter().filter(|part| !elsewhere.contains(&part.name())).cloned().collect();
            if style == Style::Document && all.len() > 1 {
                let what =
                    format!("message {:?} has {} parts, and soap:body does not say which stands in the Body", message.name(), all.len());
                self.say(Rule::R2210, message, what);
            }
            return Some(own);
        };
        let names: Vec<&str> = listed.split_whitespace().collect();
        if style == Style::Document && names.len() > 1 {
            self.say(Rule::R2201, body, format!("soap:body names {} parts", names.len()));
            return None;
        }
        for name in names.iter().filter(|name| all.iter().all(|part| part.name() != **name)) {
            self.say(Rule::W032, body, format!("message {:?} has no part {name:?}", message.name()));
        }
        for part in all.iter().filter(|part| !names.contains(&part.name()) && !elsewhere.contains(&part.name())) {
            self.say(Rule::R2209, body, format!("part {:?} of message {:?} is bound to nothing", part.name(), message.name()));
        }
        Some(all.into_iter().filter(|part| names.contains(&part.name())).collect())
    }

    fn document(&mut self, message: &Cursor<'d>, parts: &[Cursor<'d>], body: &Cursor<'d>) -> Option<QName> {
        if body.attribute("namespace").is_some() {
            self.say(Rule::R2716, body, "soap:body of a document has a namespace: its part names the element already");
        }
        match parts {
            [part] if part.attribute("element").is_some() => self.declared(part),
            [part] => {
                let what = format!("the part {:?} of a document is defined by type: no element stands in the Body", part.name());
                self.say(Rule::R2204, part, what);
                None
            }
            [] => {
                self.say(Rule::W030, message, format!("message {:?} puts nothing into the Body", message.name()));
                None
            }
            // Said by R2210 already.
            _ => None,
        }
    }

    fn accessors(&mut self, parts: &[Cursor<'d>]) -> Option<Vec<Part>> {
        let mut found = Vec::new();
        for part in parts {
            if part.attribute("type").is_none() {
                self.say(Rule::R2203, part, format!("the part {:?} of an rpc message is defined by element", part.name()));
                return None;
            }
            found.push(self.typed(part)?);
        }
        Some(found)
    }
}
