//! The character classes of XML 1.0 (fifth edition): what may stand in a document, in a name, and behind a reference.

/// XML 1.0 §2.3: white space.
pub(crate) fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

/// Whether `text` is white space only, or empty.
pub(crate) fn is_blank(text: &str) -> bool {
    text.bytes().all(is_space)
}

/// `text` without white space at both ends.
pub(crate) fn trim(text: &str) -> &str {
    text.trim_matches(|c| matches!(c, ' ' | '\t' | '\n' | '\r'))
}

/// XML 1.0 §2.2 production 2.
pub(crate) fn is_char(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | '\u{20}'..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}' | '\u{10000}'..='\u{10FFFF}')
}

/// The byte offset of the first character that no document may contain.
pub(crate) fn first_forbidden(text: &str) -> Option<usize> {
    const CHUNK: usize = 64;
    let suspect = |byte: u8| byte < 0x20 && !is_space(byte) || byte == 0xEF;
    for (number, chunk) in text.as_bytes().chunks(CHUNK).enumerate() {
        // A fold without early exit, so that the compiler turns it into vector instructions.
        if !chunk.iter().fold(false, |found, byte| found | suspect(*byte)) {
            continue;
        }
        for (within, byte) in chunk.iter().enumerate() {
            let at = number * CHUNK + within;
            let forbidden = suspect(*byte) && text.get(at..).and_then(|rest| rest.chars().next()).is_some_and(|c| !is_char(c));
            if forbidden {
                return Some(at);
            }
        }
    }
    None
}

/// XML 1.0 §2.3 production 4, the colon left out as Namespaces in XML 1.0 §4 asks.
fn starts_name(c: char) -> bool {
    matches!(c, 'A'..='Z' | '_' | 'a'..='z'
        | '\u{C0}'..='\u{D6}' | '\u{D8}'..='\u{F6}' | '\u{F8}'..='\u{2FF}' | '\u{370}'..='\u{37D}' | '\u{37F}'..='\u{1FFF}'
        | '\u{200C}'..='\u{200D}' | '\u{2070}'..='\u{218F}' | '\u{2C00}'..='\u{2FEF}' | '\u{3001}'..='\u{D7FF}'
        | '\u{F900}'..='\u{FDCF}' | '\u{FDF0}'..='\u{FFFD}' | '\u{10000}'..='\u{EFFFF}')
}

/// XML 1.0 §2.3 production 4a, the colon left out.
fn continues_name(c: char) -> bool {
    starts_name(c) || matches!(c, '-' | '.' | '0'..='9' | '\u{B7}' | '\u{300}'..='\u{36F}' | '\u{203F}'..='\u{2040}')
}

/// XML 1.0 production 4 with the colon, for `\i` of XML Schema patterns and the type Name.
pub(crate) fn starts_name_or_colon(c: char) -> bool {
    c == ':' || starts_name(c)
}

/// XML 1.0 production 4a with the colon, for `\c` of XML Schema patterns and the type NMTOKEN.
pub(crate) fn continues_name_or_colon(c: char) -> bool {
    c == ':' || continues_name(c)
}

/// Namespaces in XML 1.0 production 4.
pub(crate) fn is_ncname(text: &str) -> bool {
    let mut chars = text.chars();
    chars.next().is_some_and(starts_name) && chars.all(continues_name)
}

/// A qualified name as (prefix, local part); the prefix is empty where there is none (Namespaces in XML 1.0 production 7).
pub(crate) fn split_qname(text: &str) -> Option<(&str, &str)> {
    let (prefix, local) = match text.split_once(':') {
        Some((prefix, local)) => (is_ncname(prefix).then_some(prefix)?, local),
        None => ("", text),
    };
    is_ncname(local).then_some((prefix, local))
}

/// The character that `name` of `&name;` stands for (XML 1.0 §4.1, §4.6): the five predefined entities and character references.
pub(crate) fn reference(name: &str) -> Option<char> {
    let Some(number) = name.strip_prefix('#') else {
        return match name {
            "lt" => Some('<'),
            "gt" => Some('>'),
            "amp" => Some('&'),
            "apos" => Some('\''),
            "quot" => Some('"'),
            _ => None,
        };
    };
    let (digits, radix) = number.strip_prefix('x').map_or((number, 10), |digits| (digits, 16));
    let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    let code = plain.then(|| u32::from_str_radix(digits.trim_start_matches('0'), radix).ok())??;
    char::from_u32(code).filter(|c| is_char(*c))
}
