//! The plan beside XSLT: `conformance/peers/map` has a mapping of thirty fields and a stylesheet of the same meaning, written by hand;
//! both must make the same records, ours in one pass and the other in xsltproc.
#![expect(clippy::unwrap_used, reason = "the helpers of tests stand outside #[test] functions")]

use mappings::{Item, Mapping};
use std::fs;
use std::ops::ControlFlow;
use std::path::Path;
use std::process::Command;
use xsd::read::{Limits, read};
use xsd::tree::{Element, QName};
use xsd::write::{canonical, document};

/// A register with so many entries, every field filled as its schema wants.
fn register(mapping: &Mapping, entries: u32) -> Vec<u8> {
    let root = mapping.source_schemas().element(mapping.source_root()).unwrap();
    let entry = root.type_definition().child(&QName::new("urn:bench:register", "Entry")).unwrap().element;
    let mut register = Element::new("r", mapping.source_root().clone()).leaf("Sector", "H310101001 <&>");
    for number in 0..entries {
        let mut made = register.sibling("Entry").with("no", format!("E{number:06}"));
        for child in entry.type_definition().children() {
            let simple = child.element.type_definition().simple_content().unwrap();
            let codes = simple.enumeration().unwrap_or_default();
            let at = usize::try_from(number).unwrap();
            let guesses = [
                codes.get(at % codes.len().max(1)).map(|code| (*code).to_owned()).unwrap_or_default(),
                format!("{}{:02}{:02}", 1990 + number % 30, 1 + number % 12, 1 + number % 28),
                format!("{number}.50"),
            ];
            let text = if simple.check("  any text ").is_ok() {
                format!(" b{number} x ")
            } else {
                guesses.into_iter().find(|guess| simple.check(guess).is_ok()).unwrap()
            };
            made = made.leaf(child.element.name().local(), text);
        }
        register.push(made);
    }
    document(&register)
}

#[test]
fn a_stylesheet_of_the_same_meaning_makes_the_same_records() {
    let peers = Path::new(env!("CARGO_MANIFEST_DIR")).join("../conformance/peers/map");
    let mapping = Mapping::load(&peers.join("register.map.xml")).unwrap();
    let octets = register(&mapping, 40);
    let mut ours = Vec::new();
    let counts = mapping.stream(octets.as_slice(), None, &Limits::default(), &mut |item| {
        if let Item::Record(made) = item {
            ours.push(String::from_utf8(made.octets().to_vec()).unwrap());
        }
        ControlFlow::Continue(())
    });
    assert_eq!(counts.map(|counts| (counts.records, counts.rejects)), Ok((40, 0)));
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("register.xml");
    fs::write(&file, octets).unwrap();
    let Ok(output) = Command::new("xsltproc").arg(peers.join("register.xsl")).arg(&file).output() else {
        eprintln!("skipped: xsltproc is not here");
        return;
    };
    let theirs = read(&output.stdout, None, &Limits::default()).unwrap();
    let theirs: Vec<String> = theirs.elements().map(|made| String::from_utf8(canonical(made, &[], &[])).unwrap()).collect();
    assert_eq!(ours, theirs);
}
