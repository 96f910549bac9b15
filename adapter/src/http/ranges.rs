//! Whole and partial answers of what does not change: strong validators, single byte ranges (RFC 9110), digests (RFC 9530).

use super::{Request, Response};
use data_encoding::BASE64;
use hyper::header::{ACCEPT_RANGES, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, HeaderName, HeaderValue};
use hyper::http::Method;
use sha2::{Digest, Sha256};

/// What a resource is, without its octets.
#[derive(Clone, Debug)]
pub struct Representation {
    /// The media type.
    pub content_type: &'static str,
    /// Cache-Control.
    pub cache: &'static str,
    /// Octets.
    pub length: u64,
    /// SHA-256 of them; the validator as well.
    pub sha256: [u8; 32],
}

/// Which octets an answer brings.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Wanted {
    Whole,
    /// From, to (outside).
    Part(u64, u64),
    /// The client has it.
    Nothing,
    /// None of the range is there.
    Beyond,
}

impl Representation {
    /// Of octets at hand.
    #[must_use]
    pub fn of(content_type: &'static str, cache: &'static str, octets: &[u8]) -> Self {
        Self { content_type, cache, length: octets.len() as u64, sha256: Sha256::digest(octets).into() }
    }

    fn etag(&self) -> String {
        format!("\"{}\"", data_encoding::HEXLOWER.encode(&self.sha256))
    }

    /// Answers a GET or HEAD; `read` gives the octets from a place to another, and is not called when none are wanted.
    ///
    /// # Errors
    /// Those of `read`.
    pub fn answer<E>(&self, request: &Request, read: impl FnOnce(u64, u64) -> Result<Vec<u8>, E>) -> Result<Response, E> {
        let wanted = self.wanted(request);
        let (status, length, body) = match wanted {
            Wanted::Nothing => (304, None, Vec::new()),
            Wanted::Beyond => (416, Some(0), Vec::new()),
            Wanted::Whole if request.method == Method::HEAD => (200, Some(self.length), Vec::new()),
            Wanted::Whole => (200, None, read(0, self.length)?),
            Wanted::Part(from, to) => (206, None, read(from, to)?),
        };
        let mut headers = vec![
            (ETAG, self.etag()),
            (CACHE_CONTROL, self.cache.to_owned()),
            (ACCEPT_RANGES, "bytes".to_owned()),
            (HeaderName::from_static("repr-digest"), format!("sha-256=:{}:", BASE64.encode(&self.sha256))),
        ];
        if status != 304 {
            headers.push((CONTENT_TYPE, self.content_type.to_owned()));
        }
        headers.extend(length.map(|length| (CONTENT_LENGTH, length.to_string())));
        match wanted {
            Wanted::Part(from, to) => headers.push((CONTENT_RANGE, format!("bytes {from}-{}/{}", to - 1, self.length))),
            Wanted::Beyond => headers.push((CONTENT_RANGE, format!("bytes */{}", self.length))),
            Wanted::Whole | Wanted::Nothing => {}
        }
        let headers = headers.into_iter().filter_map(|(name, value)| Some((name, HeaderValue::from_str(&value).ok()?))).collect();
        Ok(Response { status, headers, body })
    }

    fn wanted(&self, request: &Request) -> Wanted {
        let etag = self.etag();
        let has = |list: &str| list.split(',').map(str::trim).any(|tag| tag == "*" || tag.trim_start_matches("W/") == etag);
        if request.header("if-none-match").is_some_and(has) {
            return Wanted::Nothing;
        }
        // Range has a meaning for GET only; If-Range is compared strongly, and a date is not our validator.
        let unchanged = request.header("if-range").is_none_or(|tag| tag == etag);
        let range = request.header("range").filter(|_| request.method == Method::GET && unchanged);
        range.and_then(|range| part(range, self.length)).unwrap_or(Wanted::Whole)
    }
}

/// One range of octets; a header with several, or of another unit or form, is ignored, as the standard allows.
fn part(header: &str, length: u64) -> Option<Wanted> {
    let (first, last) = header.strip_prefix("bytes=")?.split_once('-')?;
    let digits = |text: &str| text.bytes().all(|octet| octet.is_ascii_digit());
    if !digits(first) || !digits(last) || first.is_empty() && last.is_empty() {
        return None;
    }
    // A number that does not fit is larger than any length.
    let parse = |text: &str| text.parse::<u64>().unwrap_or(u64::MAX);
    let (from, to) = match (first, last) {
        ("", suffix) => (length.saturating_sub(parse(suffix)), length),
        (first, "") => (parse(first), length),
        (first, last) if parse(last) < parse(first) => return None,
        (first, last) => (parse(first), parse(last).saturating_add(1).min(length)),
    };
    Some(if from < to { Wanted::Part(from, to) } else { Wanted::Beyond })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::HeaderMap;

    const OCTETS: &[u8] = b"0123456789";

    fn ask(method: Method, headers: &[(&'static str, &str)]) -> Response {
        let headers = headers.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap()));
        let request = Request {
            method,
            path: String::new(),
            query: None,
            headers: headers.collect::<HeaderMap>(),
            body: Vec::new(),
            peer: None,
            remote: ([127, 0, 0, 1], 1).into(),
        };
        let what = Representation::of("application/octet-stream", "no-cache", OCTETS);
        what.answer(&request, |from, to| Ok::<_, ()>(OCTETS[usize::try_from(from).unwrap()..usize::try_from(to).unwrap()].to_vec()))
            .unwrap()
    }

    fn header(response: &Response, name: &str) -> Option<String> {
        let found = response.headers.iter().find(|(key, _)| key.as_str() == name);
        found.map(|(_, value)| value.to_str().unwrap().to_owned())
    }

    #[test]
    fn ranges_are_those_of_rfc_9110() {
        for (range, status, body, said) in [
            ("bytes=0-0", 206, "0", Some("bytes 0-0/10")),
            ("bytes=2-4", 206, "234", Some("bytes 2-4/10")),
            ("bytes=7-", 206, "789", Some("bytes 7-9/10")),
            ("bytes=7-99999999999999999999999", 206, "789", Some("bytes 7-9/10")),
            ("bytes=-3", 206, "789", Some("bytes 7-9/10")),
            ("bytes=-30", 206, "0123456789", Some("bytes 0-9/10")),
            ("bytes=10-", 416, "", Some("bytes */10")),
            ("bytes=-0", 416, "", Some("bytes */10")),
            ("bytes=99999999999999999999999-", 416, "", Some("bytes */10")),
            ("bytes=4-2", 200, "0123456789", None),
            ("bytes=0-1,3-4", 200, "0123456789", None),
            ("bytes=-", 200, "0123456789", None),
            ("bytes=+1-2", 200, "0123456789", None),
            ("lines=0-1", 200, "0123456789", None),
        ] {
            let response = ask(Method::GET, &[("range", range)]);
            assert_eq!((response.status, String::from_utf8(response.body.clone()).unwrap().as_str()), (status, body), "{range}");
            assert_eq!(header(&response, "content-range").as_deref(), said, "{range}");
        }
        let part = ask(Method::HEAD, &[("range", "bytes=2-4")]);
        assert_eq!((part.status, part.body.len(), header(&part, "content-length").as_deref()), (200, 0, Some("10")));
    }

    #[test]
    fn the_validator_is_strong_and_the_digest_is_of_the_whole() {
        let whole = ask(Method::GET, &[]);
        assert_eq!(header(&whole, "repr-digest").as_deref(), Some("sha-256=:hNiYd/DUBB77a/kaFvAkjy/Vc+avBcGflr7bn4gveII=:"));
        let etag = header(&whole, "etag").unwrap();
        assert!(etag.starts_with("\"84d89877"), "{etag}");
        assert_eq!(ask(Method::GET, &[("if-range", &etag), ("range", "bytes=0-1")]).status, 206);
        let weak = format!("W/{etag}");
        for other in ["\"other\"", &weak, "Sat, 21 Nov 2026 08:00:00 GMT"] {
            assert_eq!(ask(Method::GET, &[("if-range", other), ("range", "bytes=0-1")]).status, 200, "{other}");
        }
        for same in [etag.as_str(), &weak, "*", &format!("\"x\", {etag}")] {
            let response = ask(Method::GET, &[("if-none-match", same), ("range", "bytes=0-1")]);
            assert_eq!((response.status, response.body.len()), (304, 0), "{same}");
        }
        assert_eq!(ask(Method::GET, &[("if-none-match", "\"other\"")]).status, 200);
        assert_eq!(header(&ask(Method::GET, &[("range", "bytes=0-1")]), "repr-digest"), header(&whole, "repr-digest"));
    }
}
