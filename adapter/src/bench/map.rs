//! Mapping: this house's engine beside libxslt in process and Saxon in a warm JVM, in turn, on the same documents. The others run the
//! stylesheet that `waybill map export` writes for the same mapping. Ours validates source and target; they do not.

use super::arguments::{BenchMap, MapPeer};
use super::beside::{Asked, compiled, rounds, written};
use super::wrong;
use crate::config::Misconfigured;
use mappings::{Item, Mapper, Mapping};
use std::ops::ControlFlow;
use std::process::Command;
use xsd::read::Limits;
use xsd::write::Pieces;

/// Entries of a document, how large it then is, and the floors beside libxslt and Saxon.
const DOCUMENTS: [(usize, &str, f64, f64); 2] = [(1, "1.4 kB", 5.0, 3.0), (8, "10 kB", 3.0, 3.0)];

/// Measures and prints; whether all floors hold.
pub(super) fn run(arguments: &BenchMap) -> Result<bool, Misconfigured> {
    let dir = &arguments.dir;
    if dir.exists() {
        return Err(wrong("--dir", &format!("{} exists: name a folder that does not, or remove it", dir.display())));
    }
    std::fs::create_dir_all(dir).map_err(|error| Misconfigured::File(dir.clone(), error))?;
    let path = arguments.peers.join("register.map.xml");
    let mapping = Mapping::load(&path).map_err(|found| wrong(&path.display().to_string(), &format!("{} findings", found.len())))?;
    let stylesheet = mappings::verbs::export::export(&path, None).map_err(|why| wrong("export", &why))?;
    let stylesheet = written(dir.join("register.xsl"), stylesheet.as_bytes())?;
    let documents: Vec<Vec<u8>> = DOCUMENTS.iter().map(|(entries, ..)| register(*entries)).collect();
    let mut files = Vec::new();
    for (octets, (entries, ..)) in documents.iter().zip(DOCUMENTS) {
        files.push(written(dir.join(format!("{entries}.xml")), octets)?);
    }
    let mut peers = Vec::new();
    if arguments.peer.contains(&MapPeer::Libxslt) {
        let program = compiled(&arguments.peers.join("libxslt.c"), &["-lxslt", "-lxml2"], "libxslt1-dev", dir.join("libxslt"))?;
        let floors = DOCUMENTS.iter().map(|(_, _, floor, _)| *floor).collect();
        peers.push(Asked::start("libxslt", floors, Command::new(program).arg(&stylesheet).args(&files))?);
    }
    if arguments.peer.contains(&MapPeer::Saxon) {
        let mut java = Command::new("java");
        java.args(["-XX:+UseSerialGC", "-cp"]).arg(&arguments.saxon).arg(arguments.peers.join("Saxon.java")).arg(&stylesheet).args(&files);
        peers.push(Asked::start("Saxon, warm", DOCUMENTS.iter().map(|(_, _, _, floor)| *floor).collect(), &mut java)?);
    }
    let mut holds = true;
    let mut mapper = Mapper::new(&mapping, &Limits::default());
    for (number, (octets, (entries, size, ..))) in documents.iter().zip(DOCUMENTS).enumerate() {
        let mut map = |times: u64| {
            for _ in 0..times {
                let counts = mapper.map(octets, None, &mut |item| match item {
                    Item::Record(_) | Item::Once(_) => ControlFlow::Continue(()),
                    Item::Reject(_) => ControlFlow::Break(()),
                });
                if counts.as_ref().map(|counts| counts.records) != Ok(entries as u64) {
                    return Err(wrong("register", &format!("{counts:?}")));
                }
            }
            Ok(())
        };
        let id = format!("mapping {size}, {} octets, {entries} records", octets.len());
        for figure in rounds(&id, number, arguments.quick, &mut map, &mut peers)? {
            holds &= figure.holds().unwrap_or(true);
            figure.print(arguments.json);
        }
    }
    drop(peers);
    std::fs::remove_dir_all(dir).map_err(|error| Misconfigured::File(dir.clone(), error))?;
    Ok(holds)
}

/// Fields of an entry, in the order of register.xsd.
const FIELDS: [(&str, &str); 30] = [
    ("name", "Zhang San 张三"),
    ("phone", "+86 21 5012 3456"),
    ("city", "上海市"),
    ("street", "Century Avenue 世纪大道"),
    ("house", "1001"),
    ("post", "200120"),
    ("office", "Pudong vehicle administration"),
    ("clerk", "Li Si & partners"),
    ("model", "SGM7200ATA"),
    ("maker", "Shanghai General Motors"),
    ("serial", "LSGPC52U6AF102554"),
    ("engine", "LDE*102330571*"),
    ("colour", "K"),
    ("fuel", "C"),
    ("use", "A"),
    ("state", "B"),
    ("built", "20190517"),
    ("first", "20190602"),
    ("until", "20290601"),
    ("checked", "20250528"),
    ("mass", "1485.5"),
    ("axle", "2700"),
    ("seats", "5"),
    ("power", "108.0"),
    ("insurer", "People's Insurance Company"),
    ("policy", "PDAA201931010000123456"),
    ("remark", "transferred from another province; papers complete"),
    ("owner", "Zhang San"),
    ("plate", " 沪a 12345 "),
    ("region", "310115"),
];

/// Indented, as most systems write them.
fn register(entries: usize) -> Vec<u8> {
    let mut pieces = Pieces::with_capacity(entries * 1500);
    pieces.open("r:Register", &[("xmlns:r", "urn:bench:register")]);
    pieces.text("\n  ");
    pieces.leaf("r:Sector", &[], "transport");
    for number in 0..entries {
        pieces.text("\n  ");
        pieces.open("r:Entry", &[("no", &format!("E{number:06}"))]);
        for (name, value) in FIELDS {
            pieces.text("\n        ");
            pieces.leaf(&["r:", name].concat(), &[], value);
        }
        pieces.text("\n    ");
        pieces.close("r:Entry");
    }
    pieces.text("\n");
    pieces.close("r:Register");
    pieces.octets()
}
