//! The reader: what is well formed, what is refused and where, encodings and limits.

use std::time::{Duration, Instant};
use xsd::decode::{Charset, encode};
use xsd::read::{Limits, Rule, read};
use xsd::tree::{Element, Node};
use xsd::write::{document, encoded};

/// A document as `{namespace}name` with attributes, content and comments, so that one line shows all that was read.
fn infoset(element: &Element) -> String {
    let mut text = format!("({}", element.name());
    for attribute in element.attributes() {
        text += &format!(" {}={:?}", attribute.name, attribute.value);
    }
    for node in element.children() {
        match node {
            Node::Element(child) => text += &infoset(child),
            Node::Text(content) => text += &format!(" {content:?}"),
            Node::Comment => text += " !",
            Node::Instruction { target, data } => text += &format!(" ?{target} {data:?}"),
        }
    }
    text + ")"
}

fn outcome(octets: &[u8], charset: Option<&str>, limits: &Limits) -> String {
    match read(octets, charset, limits) {
        Ok(root) => infoset(&root),
        Err(malformed) => format!("{:?} {}", malformed.rule, malformed.place),
    }
}

fn check(text: &str, expected: &str) {
    assert_eq!(outcome(text.as_bytes(), None, &Limits::default()), expected, "{text}");
}

#[test]
fn what_is_well_formed_is_read() {
    for (text, expected) in [
        ("<a/>", "(a)"),
        ("<?xml version='1.0'?><a></a >", "(a)"),
        ("<?xml version=\"1.0\" encoding='utf-8' standalone = 'no' ?>\n<!-- c --><?p d?><a/><!----><?q?>\n", "(a)"),
        ("<a>x&amp;y&#x41;&#66;<![CDATA[<&]]>z</a>", "(a \"x&yAB<&z\")"),
        ("<a>1<!-- - -->2<?t  d?d ?></a>", "(a \"1\" ! \"2\" ?t \"d?d \")"),
        ("<a b='1' c=\"'2'\"\n\td = '&lt;\n\t&#10;&apos;'/>", "(a b=\"1\" c=\"'2'\" d=\"<  \\n'\")"),
        ("<a>\r\n\r&#13;\n</a>", "(a \"\\n\\n\\r\\n\")"),
        ("<a b='x\r\ny'/>", "(a b=\"x y\")"),
        ("<a>]]&gt;</a>", "(a \"]]>\")"),
        ("<a><![CDATA[]]></a>", "(a)"),
        ("<a><![CDATA[]]]]><![CDATA[>]]></a>", "(a \"]]>\")"),
        ("<a b='x>y'>></a>", "(a b=\"x>y\" \">\")"),
        (
            "<p:a xmlns:p='urn:p' xmlns='urn:d' p:x='1' x='2'><b/><p:c xmlns=''><d/></p:c></p:a>",
            "({urn:p}a {urn:p}x=\"1\" x=\"2\"({urn:d}b)({urn:p}c(d)))",
        ),
        ("<a xml:lang='zh' xmlns:xml='http://www.w3.org/XML/1998/namespace'/>", "(a {http://www.w3.org/XML/1998/namespace}lang=\"zh\")"),
        ("<a xmlns:p='urn:1'><b xmlns:p='urn:2'><p:c/></b><p:d/></a>", "(a(b({urn:2}c))({urn:1}d))"),
        ("<机构 名='张'>李</机构>", "(机构 名=\"张\" \"李\")"),
        ("<a>&#x10FFFF;&#x000000041;</a>", "(a \"\u{10ffff}A\")"),
        ("<a>\u{FEFF}</a>", "(a \"\u{feff}\")"),
    ] {
        check(text, &expected.replace('\u{10ffff}', "\\u{10ffff}").replace('\u{feff}', "\\u{feff}"));
    }
}

const NOT_WELL_FORMED: &[(&str, &str)] = &[
    ("", "1:1"),
    ("  \n", "2:1"),
    ("x", "1:1"),
    ("<a/>x", "1:5"),
    ("<a/>\n<b/>", "2:1"),
    ("<a/>&#32;", "1:5"),
    ("<a/><![CDATA[]]>", "1:5"),
    ("<a>", "1:4"),
    ("<a></b>", "1:4"),
    ("<a></ a>", "1:4"),
    ("</a>", "1:1"),
    ("<a></a b='c'>", "1:4"),
    ("<a", "1:1"),
    ("<a>\n <b", "2:2"),
    ("<>", "1:1"),
    ("< a/>", "1:1"),
    ("<1a/>", "1:1"),
    ("<a/ >", "1:1"),
    ("<a:/>", "1:1"),
    ("<:a/>", "1:1"),
    ("<a:b:c xmlns:a='urn:a'/>", "1:1"),
    ("<a\u{D7}/>", "1:1"),
    ("<p:a/>", "1:1"),
    ("<a p:b=''/>", "1:4"),
    ("<xmlns:a/>", "1:1"),
    ("<a b/>", "1:4"),
    ("<a b=/>", "1:4"),
    ("<a b=c/>", "1:4"),
    ("<a b='c\"/>", "1:1"),
    ("<a b='1'c='2'/>", "1:9"),
    ("<a b='<'/>", "1:4"),
    ("<a b='&c;'/>", "1:4"),
    ("<a b='&lt'/>", "1:4"),
    ("<a b='1' b='2'/>", "1:10"),
    ("<a xmlns:p='urn:x' xmlns:q='urn:x' p:b='1' q:b='2'/>", "1:44"),
    ("<a xmlns:p='urn:x' xmlns:p='urn:x'/>", "1:20"),
    ("<a xmlns='' xmlns=''/>", "1:13"),
    ("<a xmlns:p=''/>", "1:4"),
    ("<a xmlns='relative'/>", "1:4"),
    ("<a xmlns:p='../x'/>", "1:4"),
    ("<a xmlns:xml='urn:x'/>", "1:4"),
    ("<a xmlns:xmlns='urn:x'/>", "1:4"),
    ("<a xmlns:p='http://www.w3.org/XML/1998/namespace'/>", "1:4"),
    ("<a xmlns='http://www.w3.org/2000/xmlns/'/>", "1:4"),
    ("<a>&b;</a>", "1:4"),
    ("<a>&;</a>", "1:4"),
    ("<a>& b</a>", "1:4"),
    ("<a>&#;</a>", "1:4"),
    ("<a>&#x;</a>", "1:4"),
    ("<a>&#X41;</a>", "1:4"),
    ("<a>&#0;</a>", "1:4"),
    ("<a>&#xD800;</a>", "1:4"),
    ("<a>&#xFFFE;</a>", "1:4"),
    ("<a>&#x110000;</a>", "1:4"),
    ("<a>&#99999999999999;</a>", "1:4"),
    ("<a>&#+65;</a>", "1:4"),
    ("<a>]]></a>", "1:4"),
    ("<a>张\u{1}</a>", "1:5"),
    ("<a>\u{FFFF}</a>", "1:4"),
    ("<!-- \u{8} --><a/>", "1:6"),
    ("<!-- a--b --><a/>", "1:1"),
    ("<!-- a---><a/>", "1:1"),
    ("<!-- a", "1:1"),
    ("<a><![CDATA[x]]</a>", "1:4"),
    ("<a><![cdata[x]]></a>", "1:4"),
    ("<a><!x></a>", "1:4"),
    (" <?xml version='1.0'?><a/>", "1:2"),
    ("<a><?xml version='1.0'?></a>", "1:4"),
    ("<?xml?><a/>", "1:1"),
    ("<?xml version='1.1'?><a/>", "1:1"),
    ("<?xml version='1.0' encoding='-'?><a/>", "1:1"),
    ("<?xml encoding='utf-8'?><a/>", "1:1"),
    ("<?xml version='1.0' standalone='maybe'?><a/>", "1:1"),
    ("<?xml version='1.0' standalone='yes' encoding='utf-8'?><a/>", "1:1"),
    ("<?xml version='1.0'encoding='utf-8'?><a/>", "1:1"),
    ("<?xml version='1.0' x='y'?><a/>", "1:1"),
    ("<?XML?><a/>", "1:1"),
    ("<?xMl d?><a/>", "1:1"),
    ("<? p?><a/>", "1:1"),
    ("<?a:b?><a/>", "1:1"),
    ("<?p<?><a/>", "1:1"),
    ("<a/><?p", "1:5"),
    ("\u{FEFF}\u{FEFF}<a/>", "1:1"),
];

#[test]
fn what_is_not_well_formed_is_refused_where_it_stands() {
    for (text, place) in NOT_WELL_FORMED {
        check(text, &format!("NotWellFormed {place}"));
    }
    for (text, place) in [
        ("<!DOCTYPE a><a/>", "1:1"),
        ("\n<!DOCTYPE a [<!ENTITY x '\u{1}", "2:1"),
        ("<!doctype a><a/>", "1:1"),
        ("<a><!DOCTYPE b></a>", "1:4"),
        ("<!DOCTYPE", "1:1"),
    ] {
        check(text, &format!("Doctype {place}"));
    }
}

#[test]
fn a_document_has_one_encoding() {
    let declared = |name: &str, body: &str| format!("<?xml version='1.0' encoding='{name}'?><a>{body}</a>");
    let wide = |text: &str, to: fn(u16) -> [u8; 2]| text.encode_utf16().flat_map(to).collect::<Vec<u8>>();
    let marked = |mark: &[u8], octets: &[u8]| [mark, octets].concat();
    let cases: Vec<(Vec<u8>, Option<&str>, &str)> = vec![
        (marked(b"\xEF\xBB\xBF", "<a>张</a>".as_bytes()), None, "(a \"张\")"),
        (marked(b"\xFF\xFE", &wide("<a>张</a>", u16::to_le_bytes)), None, "(a \"张\")"),
        (marked(b"\xFE\xFF", &wide(&declared("UTF-16", "张"), u16::to_be_bytes)), Some("utf-16"), "(a \"张\")"),
        (wide(&declared("UTF-16LE", "张"), u16::to_le_bytes), Some("UTF-16LE"), "(a \"张\")"),
        (wide("<a/>", u16::to_le_bytes), None, "Encoding 1:1"),
        (wide("<a/>", u16::to_be_bytes), Some("utf-16"), "Encoding 1:1"),
        (marked(b"\xFF\xFE", &wide(&declared("UTF-8", "x"), u16::to_le_bytes)), None, "Encoding 1:1"),
        (marked(b"\xFF\xFE", b"<\0a\0/\0>"), None, "Encoding 1:4"),
        (marked(b"\xEF\xBB\xBF", declared("GBK", "x").as_bytes()), None, "Encoding 1:1"),
        (marked(b"\xEF\xBB\xBF", b"<a/>"), Some("GBK"), "Encoding 1:1"),
        (declared("UTF-8", "x").into_bytes(), Some("GBK"), "Encoding 1:1"),
        (declared("GBK", "x").into_bytes(), Some("utf-8"), "Encoding 1:1"),
        (declared("utf-16", "x").into_bytes(), None, "Encoding 1:1"),
        (declared("UTF-7", "x").into_bytes(), None, "Encoding 1:1"),
        (declared("utf-32", "x").into_bytes(), None, "Encoding 1:1"),
        (declared("klingon", "x").into_bytes(), None, "Encoding 1:1"),
        (b"+/v8-<a/>".to_vec(), None, "Encoding 1:1"),
        (b"\0\0\xFE\xFF\0\0\0<".to_vec(), None, "Encoding 1:1"),
        (b"<a>\n\xC0\xAF</a>".to_vec(), None, "Encoding 2:1"),
        (b"<a>\xED\xA0\x80</a>".to_vec(), None, "Encoding 1:4"),
        (b"<a>\xE9</a>".to_vec(), Some("iso-8859-1"), "(a \"é\")"),
        (b"<a>\xE9\x85</a>".to_vec(), Some("ISO-8859-1"), "(a \"é\\u{85}\")"),
        (b"<a>\xE9</a>".to_vec(), Some("us-ascii"), "Encoding 1:4"),
        (b"<a>\xD0</a>".to_vec(), Some("iso-8859-9"), "(a \"Ğ\")"),
        (b"<a>\xA4</a>".to_vec(), Some("ISO-8859-15"), "(a \"€\")"),
        (encode(&declared("GB18030", "张\u{20BB7}"), Charset::named("GB18030").unwrap()).unwrap(), None, "(a \"张\u{20BB7}\")"),
        (encode(&declared("GB2312", "张"), Charset::named("gbk").unwrap()).unwrap(), Some("gb18030"), "(a \"张\")"),
        (encode(&declared("Big5", "張"), Charset::named("big5").unwrap()).unwrap(), None, "(a \"張\")"),
        (encode(&declared("Shift_JIS", "日本"), Charset::named("Shift_JIS").unwrap()).unwrap(), None, "(a \"日本\")"),
        (b"<?xml version='1.0' encoding='GBK'?>\n<a>\x81</a>".to_vec(), None, "Encoding 2:4"),
    ];
    for (octets, charset, expected) in cases {
        assert_eq!(outcome(&octets, charset, &Limits::default()), expected, "{} {charset:?}", String::from_utf8_lossy(&octets));
    }
}

#[test]
fn what_an_encoding_lacks_becomes_a_reference() {
    let check = |text: &str, charset: &str, expected: Option<&[u8]>| {
        assert_eq!(encode(text, Charset::named(charset).unwrap()).ok().as_deref(), expected, "{text} {charset}");
    };
    check("<a b=\"张\">é</a>", "us-ascii", Some(b"<a b=\"&#24352;\">&#233;</a>"));
    check("<张/>", "us-ascii", None);
    check("<a>\u{20BB7}></a>", "GBK", Some(b"<a>&#134071;></a>"));
    check("<a>é\u{85}€</a>", "iso-8859-1", Some(b"<a>\xE9\x85&#8364;</a>"));
    check("<a/>", "utf-16", Some(b"\xFE\xFF\0<\0a\0/\0>"));
}

#[test]
fn limits_hold_and_refusal_is_quick() {
    let limits = Limits { document_bytes_max: 20 << 20, ..Limits::default() };
    let nested = |depth: usize| "<a>".repeat(depth) + &"</a>".repeat(depth);
    let attributes = |count: usize| format!("<a {}/>", (0..count).map(|n| format!("a{n}='' ")).collect::<String>());
    let bindings = |count: usize| format!("<a {}/>", (0..count).map(|n| format!("xmlns:a{n}='urn:a' ")).collect::<String>());
    let cases = [
        (nested(100), None),
        (nested(101), Some("1:301")),
        (nested(1_000_000), Some("1:301")),
        (attributes(256), None),
        (attributes(257), Some("1:1942")),
        (attributes(800_000), Some("1:1942")),
        (bindings(128), None),
        (bindings(129), Some("1:2326")),
        (format!("<a>{}</a>", "<b/>".repeat(50_000)), None),
        (format!("<a>{}</a>", "<b/>".repeat(50_001)), Some("1:200004")),
        (format!("<{}/>", "a".repeat(1024)), None),
        (format!("<{}/>", "a".repeat(10_000_000)), Some("1:1")),
        (format!("<a b='{}'/>", "x".repeat(64 << 10)), None),
        (format!("<a b='{}'/>", "x".repeat((64 << 10) + 1)), Some("1:4")),
        (format!("<a>{}</a>", format!("<b>{}</b>", "<c/>".repeat(49_999)).repeat(11)), Some("1:2000026")),
        ("<a>".to_owned() + &"x".repeat(21 << 20), Some("0:0")),
    ];
    for (number, (text, expected)) in cases.iter().enumerate() {
        let start = Instant::now();
        let found = read(text.as_bytes(), None, &limits).err().map(|malformed| (malformed.rule, malformed.place.to_string()));
        assert_eq!(found, expected.map(|place| (Rule::TooLarge, place.to_owned())), "case {number}");
        assert!(start.elapsed() < Duration::from_secs(2), "case {number} took {:?}", start.elapsed());
    }
}

#[test]
fn what_is_read_is_written_and_read_again() {
    for text in
        ["<a xmlns:p=\"urn:p\"><p:b x=\"1&#xA;\">&amp;&lt;&#xD;</p:b></a>", "<a xmlns=\"urn:a\" xmlns:b=\"urn:b\"><c xmlns=\"\"></c></a>"]
    {
        let root = read(text.as_bytes(), None, &Limits::default()).unwrap();
        assert_eq!(String::from_utf8(document(&root)).unwrap(), text);
    }
    let root = read("<机构 名=\"张\">\u{20BB7}</机构>".as_bytes(), None, &Limits::default()).unwrap();
    for encoding in ["GB18030", "GBK", "UTF-16", "UTF-8"] {
        assert_eq!(read(&encoded(&root, encoding).unwrap(), None, &Limits::default()).as_ref(), Ok(&root), "{encoding}");
    }
    assert!(encoded(&root, "ISO-8859-1").is_err() && encoded(&root, "UTF-7").is_err());
}
