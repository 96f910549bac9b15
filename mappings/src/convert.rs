//! The way of one value at run time: read, then `via`, `check`, `parse`, `as`, `codes`.

use crate::date::{Kind, Moment};
use crate::document::{Absent, Missing};
use crate::plan::{Read, Select};
use crate::run::{Reject, Run};
use crate::store::{NodeId, Store};
use std::borrow::Cow;
use xsd::tree::Place;

/// What functions may make of one value.
const VALUE_BYTES_MAX: usize = 64 << 10;

/// What is there at a path, and where.
type Raw<'s> = Option<(Cow<'s, str>, Place)>;

impl Run<'_> {
    /// Appends the value to the text of the document, and says where the source stood; `None`: there is none, nothing is appended.
    pub(crate) fn read(&mut self, place: Place, read: &Read, focus: NodeId) -> Result<Option<Place>, Reject> {
        let store = self.store;
        for (select, collapse) in &read.from {
            let Some((raw, source)) = self.raw(store, (place, read, focus), select)? else { continue };
            let raw = if *collapse { collapsed(raw) } else { raw };
            if raw.is_empty() {
                match read.empty {
                    Some(Absent::Omit) => continue,
                    Some(Absent::Reject) => return Err(self.reject("SM903", place, source, format!("'{}' is empty", select.text))),
                    Some(Absent::Empty) | None => {}
                }
            }
            if let Some(value) = self.converted(place, source, read, raw)? {
                self.out.push(&value);
                return Ok(Some(source));
            }
        }
        let Some(default) = &read.default else { return Ok(None) };
        self.out.push(default);
        Ok(Some(store.place(focus)))
    }

    /// The text at `select`, if something is there.
    fn raw<'s>(&self, store: &'s Store, at: (Place, &Read, NodeId), select: &'s Select) -> Result<Raw<'s>, Reject> {
        let (place, read, focus) = at;
        let (mut first, mut more) = (None, None);
        store.select(select, focus, &mut |found| {
            if let Some(text) = store.read(select, found) {
                if first.is_none() {
                    first = Some((found, text));
                } else {
                    more = Some(found);
                }
            }
            more.is_none()
        });
        let Some((node, text)) = first else { return Ok(None) };
        let source = store.place(node);
        if more.is_some() {
            return Err(self.reject("SM902", place, source, format!("there is more than one '{}'", select.text)));
        }
        match read.nil {
            _ if select.attribute.is_some() || !store.is_nil(node) => Ok(Some((Cow::Borrowed(text), source))),
            Some(Absent::Omit) => Ok(None),
            Some(Absent::Empty) => Ok(Some((Cow::Borrowed(""), source))),
            Some(Absent::Reject) | None => Err(self.reject("SM904", place, source, format!("'{}' is nil", select.text))),
        }
    }

    fn converted<'s>(&self, place: Place, source: Place, read: &'s Read, raw: Cow<'s, str>) -> Result<Option<Cow<'s, str>>, Reject> {
        let mut value = raw;
        for function in &read.via {
            match function.apply(&value).filter(|next| next.len() <= VALUE_BYTES_MAX) {
                Some(next) => value = Cow::Owned(next),
                None => return Err(self.reject("SM907", place, source, "a function of via has no result, or one that is too long")),
            }
        }
        if let Some(fault) = read.check.and_then(|scheme| scheme.fault(&value)) {
            return Err(self.reject("SM909", place, source, fault));
        }
        let parsed =
            match &read.parse {
                None => None,
                Some(pattern) => Some(pattern.read(&value).ok_or_else(|| {
                    self.reject("SM908", place, source, "this is not a date of the calendar in the form that parse says")
                })?),
            };
        if parsed.is_some() || read.convert.is_some() {
            let moment = parsed.or_else(|| Moment::read(&value)).and_then(|moment| written(moment, read.convert, read.zone));
            value =
                Cow::Owned(moment.ok_or_else(|| {
                    self.reject("SM908", place, source, "this is not a date, or an instant with a zone, as the rule needs")
                })?);
        }
        let Some(codes) = &read.codes else { return Ok(Some(value)) };
        if let Some(witness) = self.witness {
            witness.code(&codes.name, &value);
        }
        match (codes.to.get(&*value), &codes.missing) {
            (Some(code), _) => Ok(Some(Cow::Borrowed(code))),
            (None, Missing::Keep) => Ok(Some(value)),
            (None, Missing::Omit) => Ok(None),
            (None, Missing::Default(code)) => Ok(Some(Cow::Borrowed(code))),
            (None, Missing::Reject) => {
                Err(self.reject("SM911", place, source, format!("code table '{}' does not have this value", codes.name)))
            }
        }
    }
}

/// Runs of white space are one space, none at the ends.
fn collapsed(text: Cow<'_, str>) -> Cow<'_, str> {
    let bytes = text.as_bytes();
    let blank = |byte: &u8| byte.is_ascii_whitespace();
    let ends = bytes.first().is_some_and(blank) || bytes.last().is_some_and(blank);
    let inside = || bytes.windows(2).any(|pair| matches!(pair, [left, right] if blank(left) && (blank(right) || *left != b' ')));
    if !ends && !inside() {
        return text;
    }
    Cow::Owned(text.split_ascii_whitespace().collect::<Vec<_>>().join(" "))
}

fn written(moment: Moment, convert: Option<Kind>, zone: Option<i64>) -> Option<String> {
    match (convert, zone) {
        (Some(Kind::Date), zone) => Some(moment.to_date(zone.unwrap_or_default())),
        (Some(Kind::DateTime), zone) => moment.to_instant(zone.unwrap_or_default()),
        (None, Some(zone)) => moment.to_instant(zone),
        (None, None) => Some(moment.write()),
    }
}
