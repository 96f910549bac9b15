//! Bytes nobody meant: mutated documents and schemas end in a value or an error, never in a panic, and what is read can be written and
//! read again.

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
