//! Bodies of one fixed form, recognised octet by octet: what matches here is what the reader, the writer and the schema accept.

use super::{Log, is_uuid};

/// A log record with the prefix `l`: its id, its ledger and what it says. Anything else is left to the general way.
pub(super) fn log(octets: &[u8]) -> Option<(&str, &str, Log)> {
    let text = std::str::from_utf8(octets).ok()?;
    let rest = text.strip_prefix("<l:Log xmlns:l=\"urn:waybill:ledger:1\" id=\"")?;
    let (id, rest) = rest.split_at_checked(36)?;
    let (ledger, mut rest) = rest.strip_prefix("\" ledger=\"")?.split_once("\">")?;
    let sector = element(&mut rest, "<l:Sector>", "</l:Sector>")?;
    let peer = element(&mut rest, "<l:Peer>", "</l:Peer>");
    let source = element(&mut rest, "<l:Source>", "</l:Source>")?;
    let mut digests = 0;
    while let Some(digest) = element(&mut rest, "<l:Digest>", "</l:Digest>") {
        digests += 1;
        if digest.len() != 64 || !digest.bytes().all(is_hex) {
            return None;
        }
    }
    let right = rest == "</l:Log>"
        && (1..=64).contains(&digests)
        && is_uuid(id)
        && is_origin(ledger)
        && is_sector(sector)
        && peer.is_none_or(is_sector)
        && is_code(source);
    right.then(|| (id, ledger, Log { sector: sector.to_owned(), peer: peer.map(str::to_owned) }))
}

fn element<'a>(rest: &mut &'a str, open: &str, close: &str) -> Option<&'a str> {
    let (value, after) = rest.strip_prefix(open)?.split_once('<')?;
    let after_close = after.strip_prefix(close.get(1..)?)?;
    *rest = after_close;
    Some(value)
}

fn is_hex(byte: u8) -> bool {
    byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte)
}

fn is_lower(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit()
}

/// `c:SectorId`.
fn is_sector(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.first().is_some_and(u8::is_ascii_lowercase) && bytes.len() <= 32 && bytes.iter().all(|byte| is_lower(*byte) || *byte == b'-')
}

/// `c:Code`.
fn is_code(text: &str) -> bool {
    let bytes = text.as_bytes();
    let inside = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-');
    bytes.first().is_some_and(u8::is_ascii_alphabetic) && bytes.len() <= 64 && bytes.iter().all(inside)
}

/// `c:Origin`.
fn is_origin(text: &str) -> bool {
    let mut parts = text.split('/');
    let (Some(deployment), Some(ledger), Some(epoch), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
        return false;
    };
    let deployed = deployment.bytes().next().is_some_and(is_lower) && deployment.len() <= 64;
    deployed
        && deployment.bytes().all(|byte| is_lower(byte) || matches!(byte, b'.' | b'-'))
        && (1..=32).contains(&ledger.len())
        && ledger.bytes().all(|byte| is_lower(byte) || byte == b'-')
        && (1..=9).contains(&epoch.len())
        && epoch.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::super::Record;
    use super::*;
    use crate::record::Verdict;
    use crate::tree::Hash;

    /// What matches, the general way reads alike; what does not is left to it.
    fn check(octets: &[u8]) {
        let general = Record::parse(octets, Hash::default());
        let Some((id, ledger, said)) = log(octets) else { return };
        let record = general.unwrap();
        assert_eq!((record.id(), record.ledger()), (id, ledger));
        assert_eq!(record.content(), &super::super::Content::Log(said));
    }

    fn body(sector: &str, peer: Option<&str>, source: &str, digests: usize) -> String {
        let peer = peer.map_or(String::new(), |peer| ["<l:Peer>", peer, "</l:Peer>"].concat());
        let digest = ["<l:Digest>", &"a0".repeat(32), "</l:Digest>"].concat().repeat(digests);
        let head = "<l:Log xmlns:l=\"urn:waybill:ledger:1\" id=\"01234567-89ab-4def-8123-456789abcdef\" ledger=\"city.example/main/1\">";
        [head, "<l:Sector>", sector, "</l:Sector>", &peer, "<l:Source>", source, "</l:Source>", &digest, "</l:Log>"].concat()
    }

    #[test]
    fn what_matches_is_what_the_general_way_reads() {
        let good = body("transport", Some("civil"), "Gate-way.1", 3);
        assert!(log(good.as_bytes()).is_some());
        assert_eq!(Record::read(good.as_bytes()).unwrap().signers().len(), 2);
        for (sector, peer, source, digests) in [
            ("a", None, "x", 1),
            ("", None, "x", 1),
            ("1a", None, "x", 1),
            ("a-0", Some(""), "x", 1),
            ("abcdefghijklmnopqrstuvwxyz0123456", None, "x", 1),
            ("abcdefghijklmnopqrstuvwxyz012345", None, "x", 64),
            ("a", None, "x", 65),
            ("a", None, "", 1),
            ("a", None, "x y", 1),
            (" a", None, "x", 1),
            ("a", Some("a"), "x", 0),
        ] {
            check(body(sector, peer, source, digests).as_bytes());
        }
        // Every octet of a good body, changed in several ways, removed and doubled.
        for at in 0..good.len() {
            for by in [0x01, 0x02, 0x04, 0x10, 0x20, 0x40] {
                let mut changed = good.clone().into_bytes();
                changed[at] ^= by;
                check(&changed);
            }
            let mut shorter = good.clone().into_bytes();
            let octet = shorter.remove(at);
            check(&shorter);
            let mut longer = good.clone().into_bytes();
            longer.insert(at, octet);
            check(&longer);
        }
        assert_eq!(
            Record::read(good.replace("urn:waybill:ledger:1", "urn:waybill:ledger:9").as_bytes()).unwrap_err(),
            Verdict::UnknownKind
        );
    }
}
