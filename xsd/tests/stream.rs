//! Documents read in parts: what is told of a document does not depend on where it is cut, and memory does not grow with it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test stops at what it did not expect")]

use std::io::Read;
use xsd::decode::{Charset, encode};
use xsd::event::{Builder, Event};
use xsd::read::{Kind, Limits, Reader, Rule, read, text};

fn told(event: Event<'_>) -> String {
    let name = event.name();
    match event.kind() {
        Kind::Start => {
            let attributes: Vec<String> =
                event.attributes().map(|(name, value)| format!(" {{{}}}{name}={value:?}", name.namespace)).collect();
            let declared: Vec<String> = event.scope().bindings().map(|(prefix, name)| format!(" {prefix}:{name}")).collect();
            // Of some elements the place is asked at once, of others when they end, or something in them does.
            let place = if name.local.len().is_multiple_of(2) { event.place().to_string() } else { String::new() };
            format!("<{{{}}}{name} {place}{}{}", name.namespace, attributes.concat(), declared.concat())
        }
        Kind::Text => format!("{:?}", event.text()),
        Kind::End => {
            let places: Vec<String> = (1..=event.depth()).rev().map(|depth| event.place_at(depth).to_string()).collect();
            format!(">{name} {}", places.join(" "))
        }
        Kind::Comment => "!".to_owned(),
        Kind::Instruction => format!("?{:?}", event.instruction()),
    }
}

fn parts(octets: &[u8], charset: Option<&str>, part_bytes: usize) -> Vec<String> {
    let mut found = Vec::new();
    match Reader::stream_by(octets, charset, &Limits::default(), part_bytes) {
        Err(malformed) => found.push(format!("{:?} {malformed}", malformed.rule)),
        Ok(mut reader) => loop {
            match reader.next_event() {
                Ok(Some(event)) => found.push(told(event)),
                Ok(None) => break,
                Err(malformed) => {
                    found.push(format!("{:?} {malformed}", malformed.rule));
                    break;
                }
            }
        },
    }
    found
}

fn whole(octets: &[u8], charset: Option<&str>) -> Vec<String> {
    let mut found = Vec::new();
    let failed = |malformed: xsd::read::Malformed| format!("{:?} {malformed}", malformed.rule);
    let text = match text(octets, charset, &Limits::default()) {
        Ok(text) => text,
        Err(malformed) => return vec![failed(malformed)],
    };
    let mut reader = Reader::new(&text, &Limits::default());
    loop {
        match reader.next_event() {
            Ok(Some(event)) => found.push(told(event)),
            Ok(None) => return found,
            Err(malformed) => {
                found.push(failed(malformed));
                return found;
            }
        }
    }
}

const DOCUMENT: &str = "<?xml version='1.0' encoding='UTF-8'?>\r\n<!-- c -->\r<p:r xmlns:p='urn:t' xmlns=\"urn:d\"\r\n\ta='1&amp;&#x41;' p:b = 'x\ty'>\r\
    <d>20<![CDATA[24]]>&lt;]] ]&#32;</d><?t  d?d?><e xmlns=''/>张\u{20BB7}三]]<x xmlns:q='urn:q'><q:y q:z='é>'></q:y ></x><![CDATA[]]]]><![CDATA[>]]>\r\r\n<!----></p:r>\n<?q?>";

#[test]
fn a_document_cut_anywhere_is_the_same_document() {
    let mut cases: Vec<(Vec<u8>, Option<&str>)> = vec![(DOCUMENT.as_bytes().to_vec(), None)];
    for name in ["GB18030", "UTF-16LE", "UTF-16", "UTF-16BE"] {
        let text = DOCUMENT.replace("UTF-8", name);
        let octets = encode(&text, Charset::named(name).unwrap()).unwrap();
        cases.push((octets, Some(name)));
    }
    for (name, body) in
        [("Big5", "張三"), ("GBK", "张三"), ("Shift_JIS", "日本ｱ"), ("ISO-8859-1", "é\u{85}"), ("ISO-8859-15", "€"), ("us-ascii", "a")]
    {
        let text = format!("<?xml version='1.0' encoding='{name}'?><a b='{body}'>{body}\r\n{body}<c/></a>");
        cases.push((encode(&text, Charset::named(name).unwrap()).unwrap(), None));
    }
    for (octets, charset) in cases {
        let expected = whole(&octets, charset);
        assert!(expected.len() > 4 && !expected.last().unwrap().contains("not"), "{charset:?}: {expected:?}");
        for part in 1..octets.len() {
            assert_eq!(parts(&octets, charset, part), expected, "{charset:?} in parts of {part}");
        }
    }
}

#[test]
fn a_reader_is_used_again() {
    let text = DOCUMENT.replace('\r', "");
    let mut reader = Reader::new("<p:r xmlns:p='urn:q'><d><c", &Limits::default());
    while reader.next_event().is_ok() {}
    let mut reader = reader.again(&text);
    let mut numbers = Vec::new();
    for _ in 0..2 {
        let mut found = Vec::new();
        while let Some(event) = reader.next_event().unwrap() {
            found.push(told(event));
            numbers.push(event.name().number);
        }
        assert_eq!(found, whole(text.as_bytes(), None));
        reader = reader.again(&text);
    }
    let (first, second) = numbers.split_at(numbers.len() / 2);
    assert!(first == second && first.iter().max() < Some(&20), "{numbers:?}");
}

#[test]
fn what_is_wrong_is_found_at_the_same_place() {
    for (octets, charset) in [
        (b"<a>\n\xC0\xAF</a>".as_slice(), None),
        (b"<a>\xE5\xBC".as_slice(), None),
        (b"<a>\xED\xA0\x80</a>".as_slice(), None),
        (b"<?xml version='1.0' encoding='GBK'?>\n<a>\x81</a>".as_slice(), None),
        (b"<a>\xE9</a>".as_slice(), Some("us-ascii")),
        (b"<a>\xE9\xFF</a>".as_slice(), Some("iso-8859-11")),
        (b"\xFF\xFE<\0a\0/\0>".as_slice(), None),
    ] {
        let [.., expected] = &whole(octets, charset)[..] else { panic!("nothing") };
        for part in 1..octets.len() {
            assert_eq!(parts(octets, charset, part).last(), Some(expected), "{charset:?} in parts of {part}");
        }
    }
    for text in [
        "<a>\n<b>张</c></a>",
        "<a>]]></a>",
        "<a>x",
        "<a",
        "<a b='",
        "<a><b/></a><c/>",
        "<a>&b;</a>",
        "<a>&",
        "<!-- a--b --><a/>",
        "<!-- a",
        "<a><!DOCTYPE b></a>",
        "<a/>x",
        "<a><![CDATA[x]]</a>",
        "<a><?xml version='1.0'?></a>",
        "<a>张\u{1}</a>",
        "<a b='1' b='2'/>",
        "<p:a/>",
        "<?p",
        "<a>\u{FFFF}</a>",
        "",
        " ",
        "</a>",
        "<a></a b>",
        "<a xmlns:p=''/>",
        "<?xml version='1.1'?><a/>",
        "<?p<?><a/>",
        "\u{FEFF}\u{FEFF}<a/>",
    ] {
        let expected = whole(text.as_bytes(), None);
        assert!(expected.last().unwrap().contains(':'), "{text}");
        for part in 1..=text.len().max(1) {
            assert_eq!(parts(text.as_bytes(), None, part), expected, "{text} in parts of {part}");
        }
    }
}

/// A document of any length that is nowhere as a whole.
struct Endless {
    head: &'static [u8],
    body: &'static [u8],
    tail: &'static [u8],
    bodies: usize,
    waiting: Vec<u8>,
}

impl Read for Endless {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        while self.waiting.len() < into.len() && self.bodies > 0 {
            self.waiting.extend_from_slice(std::mem::take(&mut self.head));
            self.waiting.extend_from_slice(self.body);
            self.bodies -= 1;
            if self.bodies == 0 {
                self.waiting.extend_from_slice(self.tail);
            }
        }
        let length = self.waiting.as_slice().read(into)?;
        self.waiting.drain(..length);
        Ok(length)
    }
}

fn endless(head: &'static str, body: &'static str, tail: &'static str, bodies: usize) -> Endless {
    Endless { head: head.as_bytes(), body: body.as_bytes(), tail: tail.as_bytes(), bodies, waiting: Vec::new() }
}

#[test]
fn a_long_document_is_read_record_by_record() {
    let source = endless("<r xmlns='urn:r'><h>x</h>\n", "<v no='1'><w>张</w></v>\n", "</r>", 100_000);
    let mut reader = Reader::stream(source, None, &Limits::endless()).unwrap();
    let (mut records, mut last, mut builder) = (0, None, Builder::default());
    while let Some(event) = reader.next_event().unwrap() {
        if (builder.is_open() || event.kind() == Kind::Start && event.name().is("urn:r", "v"))
            && let Some(record) = builder.take(event)
        {
            records += 1;
            last = Some(record);
        }
    }
    let (last, expected) = (last.unwrap(), read("<v no='1' xmlns='urn:r'><w>张</w></v>".as_bytes(), None, &Limits::default()).unwrap());
    assert_eq!((records, &last, last.place().line), (100_000, &expected, 100_001));
}

#[test]
fn a_long_text_comes_in_pieces_and_the_rest_has_limits() {
    let count = |source: Endless| {
        let mut reader = Reader::stream(source, None, &Limits::endless()).unwrap();
        let (mut longest, mut sum) = (0, 0);
        loop {
            match reader.next_event() {
                Ok(Some(event)) => {
                    longest = longest.max(event.text().len());
                    sum += event.text().len();
                }
                Ok(None) => return Ok((longest, sum)),
                Err(malformed) => return Err((malformed.rule, malformed.place.to_string())),
            }
        }
    };
    for body in ["0123456789", "张]]三四\n]]&gt;五六", "<![CDATA[0123456789]]>", "&#33333;", "]]]]]]]]]]"] {
        let (longest, sum) = count(endless("<a>", body, "</a>", 300_000)).unwrap();
        let once = read(format!("<a>{body}</a>").as_bytes(), None, &Limits::default()).unwrap().string().len();
        assert!(longest <= 200 << 10 && sum == 300_000 * once, "{body}: {longest} {sum}");
    }
    for (head, body, tail, rule, place) in [
        ("<a b='", "0123456789", "'/>", Rule::TooLarge, "1:1"),
        ("<!--", "0123456789", "--><a/>", Rule::TooLarge, "1:1"),
        ("<a ", "b='' ", "/>", Rule::TooLarge, "1:1"),
        ("", "<a>", "", Rule::TooLarge, "1:301"),
        ("<a", "a", "/>", Rule::TooLarge, "1:1"),
    ] {
        let found = count(endless(head, body, tail, 3_000_000)).unwrap_err();
        assert_eq!((found.0, found.1.as_str()), (rule, place), "{head}{body}");
    }
}

#[test]
fn names_of_an_endless_document_have_a_limit() {
    struct Names(usize, Vec<u8>);
    impl Read for Names {
        fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
            while self.1.len() < into.len() {
                let next = if self.0 == 0 { "<a>".to_owned() } else { format!("<a{:0900}/>", self.0) };
                self.1.extend_from_slice(next.as_bytes());
                self.0 += 1;
            }
            let length = self.1.as_slice().read(into)?;
            self.1.drain(..length);
            Ok(length)
        }
    }
    let mut reader = Reader::stream(Names(0, Vec::new()), None, &Limits::endless()).unwrap();
    let failed = loop {
        if let Err(failed) = reader.next_event().map(drop) {
            break failed;
        }
    };
    assert_eq!(failed.rule, Rule::TooLarge);
}

#[test]
fn a_source_that_fails_is_reported_where_it_does() {
    struct Breaks(&'static [u8]);
    impl Read for Breaks {
        fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
            match self.0.is_empty() {
                true => Err(std::io::Error::other("the line is dead")),
                false => self.0.read(into),
            }
        }
    }
    let head = "<a>\n".repeat(2000).leak();
    let limits = Limits { depth_max: 5000, ..Limits::endless() };
    assert!(Reader::stream(Breaks(b"<a>"), None, &limits).is_err_and(|failed| failed.rule == Rule::Source));
    let mut reader = Reader::stream(Breaks(head.as_bytes()), None, &limits).unwrap();
    let failed = loop {
        if let Err(failed) = reader.next_event().map(drop) {
            break failed;
        }
    };
    assert_eq!((failed.rule, failed.to_string().as_str()), (Rule::Source, "2001:1: the line is dead"));
    assert_eq!(reader.next_event().map(drop), Err(failed));
    for wrong in ["<a><b></a>", "<a>&b;</a>", "<a", "x"] {
        let mut reader = Reader::new(wrong, &limits);
        let failed = loop {
            if let Err(failed) = reader.next_event().map(drop) {
                break failed;
            }
        };
        assert_eq!(reader.next_event().map(drop), Err(failed.clone()), "{wrong}");
        assert_eq!(reader.next_event().map(drop), Err(failed), "{wrong}");
    }
}
