//! Bytes nobody meant: mutated documents and schemas end in a value or an error, never in a panic, and what is read can be written and
//! read again.

use xsd::load::Level;
use xsd::read::{Limits, read};
use xsd::schema::Schemas;
use xsd::write::document;

const INSTANCE: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?><!-- c --><p:r xmlns:p='urn:t' xmlns='urn:d' xmlns:xsi='http://www.w3.org/2001/XMLSchema-instance' \
    a='1&amp;&#x41;' xsi:type='p:T'><p:d>2024-02-29T24:00:00Z</p:d><![CDATA[]]]]><?t d?><x>1.50</x><u>P1Y2M3DT4H5.6S</u>张三</p:r>";
const SCHEMA: &str = "<xs:schema xmlns:xs='http://www.w3.org/2001/XMLSchema' xmlns:p='urn:t' targetNamespace='urn:t' elementFormDefault='qualified'>\
    <xs:element name='r' type='p:B'/><xs:complexType name='B' abstract='true' mixed='true'><xs:sequence><xs:element name='d' type='xs:dateTime'/></xs:sequence></xs:complexType>\
    <xs:complexType name='T' mixed='true'><xs:complexContent><xs:extension base='p:B'><xs:sequence maxOccurs='30' minOccurs='2'><xs:any namespace='##other' processContents='lax'/>\
    <xs:element name='e' maxOccurs='9' minOccurs='0' type='p:S' default='5'/></xs:sequence><xs:attribute name='a' type='p:S' use='required'/></xs:extension></xs:complexContent></xs:complexType>\
    <xs:simpleType name='S'><xs:restriction base='xs:decimal'><xs:pattern value='[\\d-[7]]{1,3}(\\.\\p{Nd}+)?'/><xs:enumeration value='5'/><xs:maxInclusive value='9'/></xs:restriction></xs:simpleType></xs:schema>";

/// xorshift64: the same mutations on every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(sides).unwrap_or(1)).unwrap_or(0)
    }

    /// A few bytes changed, cut out, doubled, or replaced by what markup is made of.
    fn mutate(&mut self, text: &str) -> Vec<u8> {
        const PIECES: &[&str] =
            &["<", ">", "'", "&", "]]>", "--", "xmlns:p='urn:t'", "\u{0}", "\u{FFFE}", "<!DOCTYPE", "0", "9", "p:", "=", "<?", "{", "["];
        let mut octets = text.as_bytes().to_vec();
        for _ in 0..=self.roll(4) {
            let at = self.roll(octets.len());
            let end = (at + self.roll(12)).min(octets.len());
            match self.roll(4) {
                0 => octets.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= 1 << (at % 8)),
                1 => drop(octets.drain(at..end)),
                2 => {
                    let copy: Vec<u8> = octets.get(at..end).unwrap_or_default().to_vec();
                    octets.splice(at..at, copy);
                }
                _ => drop(octets.splice(at..at, PIECES.get(self.roll(PIECES.len())).copied().unwrap_or_default().bytes())),
            }
        }
        octets
    }
}

#[test]
fn mutated_documents_are_read_or_refused() {
    let schemas = Schemas::load(&[("s.xsd", SCHEMA.as_bytes())], &|_, _| None);
    let Ok(schemas) = schemas else { unreachable!("{schemas:?}") };
    let mut dice = Dice(0x9E37_79B9_7F4A_7C15);
    let (mut accepted, limits) = (0, Limits::default());
    for _ in 0..20_000 {
        let octets = dice.mutate(INSTANCE);
        if let Ok(root) = read(&octets, None, &limits) {
            accepted += 1;
            let again = read(&document(&root), None, &limits);
            let written = again.map(|again| document(&again));
            assert_eq!(written.as_deref(), Ok(document(&root).as_slice()), "{}", String::from_utf8_lossy(&octets));
            let _ = schemas.validate_all(&root, 5).len();
        }
    }
    assert!(accepted > 1000 && accepted < 19_000, "{accepted} were read: the mutations are too weak or too strong");
}

#[test]
fn mutated_schemas_are_loaded_or_refused() {
    let mut dice = Dice(0x2545_F491_4F6C_DD1D);
    let loaded = (0..5000).filter(|_| Schemas::load(&[("s.xsd", &dice.mutate(SCHEMA))], &|_, _| None).is_ok()).count();
    assert!(loaded > 50 && loaded < 4900, "{loaded} were loaded: the mutations are too weak or too strong");
}

const HEAD: &str = "<xs:schema xmlns:xs='http://www.w3.org/2001/XMLSchema'>";

/// The rules of the first defects of a schema that was written to cost much; `ok` if it loads. It must not take long.
fn hostile(body: &str, instance: &str, expected: &str) {
    let start = std::time::Instant::now();
    let text = format!("{HEAD}{body}</xs:schema>");
    let itself = text.clone();
    let loaded = Schemas::load(&[("s.xsd", text.as_bytes())], &|_, _| Some(itself.clone().into_bytes()));
    let found = match &loaded {
        Err(defects) => defects.first().map_or("", |defect| defect.rule).to_owned(),
        Ok(schemas) if instance.is_empty() => format!("ok {}", schemas.elements().count()),
        Ok(schemas) => {
            let Ok(root) = read(instance.as_bytes(), None, &Limits::default()) else { unreachable!("{instance}") };
            schemas.validate_all(&root, 1).first().map_or("valid", |violation| violation.rule).to_owned()
        }
    };
    let shown: String = body.chars().take(200).collect();
    assert_eq!(found, expected, "{shown}");
    assert!(start.elapsed().as_secs() < 20, "{:?}: {shown}", start.elapsed());
}

#[test]
fn hostile_schemas_end_in_bounded_time_with_a_reason() {
    let element = |content: &str| format!("<xs:element name='r'><xs:complexType>{content}</xs:complexType></xs:element>");
    let sequence = |content: &str| element(&format!("<xs:sequence>{content}</xs:sequence>"));
    // Counts are counted, not unrolled.
    hostile(&sequence("<xs:element name='a' minOccurs='2' maxOccurs='1000000000'/>"), "<r><a/><a/></r>", "valid");
    hostile(&sequence("<xs:element name='a' minOccurs='999999999' maxOccurs='1000000000'/>"), "<r><a/><a/></r>", "cvc-complex-type.2.4.b");
    let nested = (0..40).fold("<xs:element name='a'/>".to_owned(), |inner, _| {
        format!("<xs:sequence minOccurs='2' maxOccurs='1000000'>{inner}</xs:sequence>")
    });
    hostile(&sequence(&nested), "<r><a/><a/></r>", "cvc-complex-type.2.4.b");
    // Ways to count that differ in the innermost count only are one; where there are more than are followed, it is said.
    let nested = "<xs:sequence maxOccurs='5000'><xs:choice maxOccurs='5000'><xs:element name='a' minOccurs='300' maxOccurs='3000'/>\
        <xs:element name='b' minOccurs='300' maxOccurs='3000'/></xs:choice></xs:sequence>";
    let counted = |last: usize| format!("<r>{}{}{}</r>", "<a/>".repeat(400), "<b/>".repeat(3300), "<a/>".repeat(last));
    hostile(&element(nested), &counted(40_000), "valid");
    hostile(&element(nested), &counted(299), "cvc-complex-type.2.4.b");
    let nested = (0..12).fold("<xs:element name='a'/>".to_owned(), |inner, _| {
        format!("<xs:sequence minOccurs='2' maxOccurs='1000000'>{inner}</xs:sequence>")
    });
    hostile(&sequence(&nested), &format!("<r>{}</r>", "<a/>".repeat(600)), "cvc-complex-type.2.4");
    // Groups that double at each step.
    let double = |number: usize| {
        let inner = match number {
            0 => "<xs:element name='a'/>".to_owned(),
            number => format!("<xs:group ref='g{}'/>", number - 1).repeat(2),
        };
        format!("<xs:group name='g{number}'><xs:sequence>{inner}</xs:sequence></xs:group>")
    };
    let doubled: String = (0..64).map(double).collect();
    hostile(&format!("{doubled}{}", sequence("<xs:group ref='g63'/>")), "", "unsupported");
    let tenfold: String = (0..30)
        .map(|number| {
            format!(
                "<xs:group name='t{number}'><xs:sequence>{}</xs:sequence></xs:group>",
                format!("<xs:group ref='t{}'/>", number + 1).repeat(10)
            )
        })
        .collect();
    let last = "<xs:group name='t30'><xs:sequence><xs:element name='a'/></xs:sequence></xs:group>";
    hostile(&format!("{tenfold}{last}{}", sequence("<xs:group ref='t0'/>")), "", "unsupported");
    let attributes = |number: usize| {
        let inner = match number {
            0 => "<xs:attribute name='a'/>".to_owned(),
            number => format!("<xs:attributeGroup ref='g{}'/>", number - 1).repeat(2),
        };
        format!("<xs:attributeGroup name='g{number}'>{inner}</xs:attributeGroup>")
    };
    let doubled: String = (0..64).map(attributes).collect();
    hostile(&format!("{doubled}{}", element("<xs:attributeGroup ref='g63'/>")), "", "unsupported");
    // A document that includes itself, and components that contain themselves.
    hostile("<xs:include schemaLocation='s.xsd'/><xs:element name='r'/>", "", "ok 1");
    hostile("<xs:group name='g'><xs:sequence><xs:group ref='g'/></xs:sequence></xs:group>", "", "mg-props-correct.2");
    // Unions of unions: whoever checks a value goes down as many calls.
    let unions = |many: usize| {
        let one = |at: usize| format!("<xs:simpleType name='u{at}'><xs:union memberTypes='u{}'/></xs:simpleType>", at - 1);
        "<xs:simpleType name='u0'><xs:restriction base='xs:date'/></xs:simpleType>".to_owned() + &(1..=many).map(one).collect::<String>()
    };
    hostile(&format!("{}<xs:element name='r' type='u200'/>", unions(200)), "<r>2020-02-29</r>", "valid");
    hostile(&format!("{}<xs:element name='r' type='u30000'/>", unions(30_000)), "", "unsupported");
    let chain =
        |heads: usize| (1..=heads).map(|at| format!("<xs:element name='e{at}' substitutionGroup='e{}'/>", at - 1)).collect::<String>();
    hostile(&format!("<xs:element name='e0'/>{}{}", chain(256), sequence("<xs:element ref='e0'/>")), "<r><e256/></r>", "valid");
    hostile(&format!("<xs:element name='e0'/>{}", chain(20_000)), "", "unsupported");
    hostile("<xs:attributeGroup name='g'><xs:attributeGroup ref='g'/></xs:attributeGroup>", "", "src-attribute_group.3");
    hostile("<xs:simpleType name='t'><xs:restriction base='t'/></xs:simpleType>", "", "st-props-correct.2");
    // Elements that contain themselves are what a graph is for.
    hostile(
        "<xs:element name='r' type='t'/><xs:complexType name='t'><xs:sequence><xs:element name='r' type='t' minOccurs='0'/></xs:sequence></xs:complexType>",
        "<r><r><r/></r></r>",
        "valid",
    );
}

#[test]
fn hostile_sizes() {
    let typed = |facets: &str| {
        format!(
            "<xs:element name='r'><xs:simpleType><xs:restriction base='xs:string'>{facets}</xs:restriction></xs:simpleType></xs:element>"
        )
    };
    let long = format!("<r>{}</r>", "a".repeat(50_000));
    hostile(&typed("<xs:pattern value='(a+)+b'/>"), &long, "cvc-pattern-valid");
    hostile(&typed("<xs:pattern value='(a|a)*(a|aa)+b?'/>"), &long, "valid");
    hostile(&typed("<xs:pattern value='(((a{1000}){1000}){1000}){1000}'/>"), "", "src-pattern-value");
    hostile(&typed(&format!("<xs:pattern value='{}'/>", "(".repeat(100_000))), "", "src-pattern-value");
    hostile(&typed(&"<xs:pattern value='(a|b|c)*[a-z]{0,500}x'/>".repeat(5000)), &long, "unsupported");
    let many: String = (0..50_000).map(|number| format!("<xs:enumeration value='v{number}'/>")).collect();
    let narrowed = format!(
        "<xs:simpleType name='t'><xs:restriction base='xs:string'>{many}</xs:restriction></xs:simpleType><xs:element name='r'><xs:simpleType><xs:restriction base='t'>{many}</xs:restriction></xs:simpleType></xs:element>"
    );
    hostile(&narrowed, "<r>v49999</r>", "valid");
    let optional: String = (0..20_000).map(|number| format!("<xs:element name='e{number}' minOccurs='0'/>")).collect();
    hostile(&format!("<xs:complexType name='t'><xs:sequence>{optional}</xs:sequence></xs:complexType>"), "", "unsupported");
    let chain: String = (1..5000)
        .rev()
        .map(|number| {
            format!(
                "<xs:complexType name='t{number}'><xs:complexContent><xs:extension base='t{}'/></xs:complexContent></xs:complexType>",
                number - 1
            )
        })
        .collect();
    hostile(&format!("{chain}<xs:complexType name='t0'/>"), "", "unsupported");
    let deep = "<xs:sequence>".repeat(300);
    hostile(&format!("<xs:complexType name='t'>{deep}{}</xs:complexType>", "</xs:sequence>".repeat(300)), "", "xml");
}

#[test]
fn addresses_are_never_fetched() {
    let refuse = |location: &str, expected: &str| {
        let text = format!("{HEAD}<xs:include schemaLocation='{location}'/></xs:schema>");
        let loaded = Schemas::load_at(Level::Strict, &[("folder/s.xsd", text.as_bytes())], &|_, _| None);
        let defects = loaded.map(|loaded| loaded.warnings).unwrap_or_default();
        let whats: Vec<&str> = defects.iter().map(|defect| defect.what.as_str()).collect();
        assert!(matches!(whats.as_slice(), [what] if what.ends_with(expected)), "{location}: {whats:?}");
    };
    refuse("http://localhost/x.xsd", "nothing is ever fetched from a network");
    refuse("https://localhost/x.xsd", "nothing is ever fetched from a network");
    refuse("file:///etc/passwd", "no file is read by its address");
    refuse("/etc/passwd", "no file is read outside the folder of the schema");
    refuse("nothing.xsd", "there is no document at \"folder/nothing.xsd\"");
    let asked = |location: &str| {
        let text = format!("{HEAD}<xs:include schemaLocation='{location}'/></xs:schema>");
        let seen = std::cell::Cell::new(false);
        let loaded = Schemas::load(&[("s.xsd", text.as_bytes())], &|_, _| {
            seen.set(true);
            None
        });
        assert!(loaded.is_ok());
        seen.get()
    };
    assert!(!asked("/etc/passwd") && !asked("file:///etc/passwd") && asked("x.xsd"));
}

/// What a defect says of something too large: which limit it is, and what to do; and no more of the schema than a line.
#[test]
fn what_is_too_large_is_said_with_its_limit() {
    let defect = |body: &str| {
        let text = format!("{HEAD}{body}</xs:schema>");
        let found = Schemas::load(&[("s.xsd", text.as_bytes())], &|_, _| None).err().and_then(|defects| defects.into_iter().next());
        found.map(|defect| (defect.what, defect.help.unwrap_or_default())).unwrap_or_default()
    };
    let optional: String = (0..8_000).map(|number| format!("<xs:element name='e{number}' minOccurs='0'/>")).collect();
    let (what, help) = defect(&format!("<xs:complexType name='t'><xs:sequence>{optional}</xs:sequence></xs:complexType>"));
    assert!(what.contains("3000000 steps") && help.contains("elements of their own"), "{what} {help}");
    let restriction = |value: &str| {
        format!("<xs:simpleType name='t'><xs:restriction base='xs:string'><xs:pattern value='{value}'/></xs:restriction></xs:simpleType>")
    };
    let (what, _) = defect(&restriction(&format!("a{{3}}{}(", "a".repeat(50_000))));
    assert!(what.contains("the pattern 'a{3}aaa") && what.len() < 400, "{what}");
}
