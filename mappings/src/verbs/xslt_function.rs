//! Functions of `via` that XSLT 1.0 says in its own way: dates in a pattern, units that differ by a power of ten, and the regular
//! expressions that are a matter of places.

use crate::date::Pattern;
use crate::decimal::Factor;
use crate::verbs::page::{Item, element};
use crate::verbs::xpath::literal;
use crate::verbs::xslt_value::Values;

/// What `\s` means beside the blanks of XML.
const SPACES: &str = "\u{b}\u{c}\u{85}\u{a0}\u{1680}\u{2000}\u{2001}\u{2002}\u{2003}\u{2004}\u{2005}\u{2006}\u{2007}\u{2008}\u{2009}\u{200a}\u{2028}\u{2029}\u{202f}\u{205f}\u{3000}";

impl Values<'_> {
    /// An xs:date or xs:dateTime in a pattern; `None`: the pattern has a part that does not stand at a place of its own.
    pub(crate) fn dated(&mut self, pattern: &Pattern, value: &str, items: &mut Vec<Item>) -> Option<String> {
        let value = self.select(items, value);
        let mut parts = Vec::new();
        for part in pattern.parts() {
            let at = match part {
                Err(letter) => {
                    parts.push(literal(&letter.to_string()));
                    continue;
                }
                Ok(('y', 4)) => 1,
                Ok(('M', 2)) => 6,
                Ok(('d', 2)) => 9,
                Ok(('H', 2)) => 12,
                Ok(('m', 2)) => 15,
                Ok(('s', 2)) => 18,
                Ok(_) => return None,
            };
            parts.push(format!("substring({value}, {at}, {})", if at == 1 { 4 } else { 2 }));
        }
        Some(self.select(items, &format!("concat('', {})", parts.join(", "))))
    }

    /// A decimal number in a unit that is so many times smaller: its point moves, which doubles would not do exactly.
    pub(crate) fn unit(&mut self, factor: Factor, value: &str, items: &mut Vec<Item>) -> Option<String> {
        let zeros = "0".repeat(factor.zeros()?);
        Some(self.called(items, "shift", &[("text", value), ("zeros", &literal(&zeros))]))
    }

    /// A regular expression of a kind that is known: white space made one space, all up to the last of a character, and figures that
    /// stand in places.
    pub(crate) fn shaped(&mut self, pattern: &str, with: &str, value: &str, items: &mut Vec<Item>) -> Option<String> {
        if (pattern, with) == (r"\s+", " ") {
            // What stands at the ends stays a space: the marks around it keep it from being trimmed.
            let spaces: Vec<char> = SPACES.chars().filter(|space| is_xml(*space)).collect();
            let (from, to): (String, String) = (spaces.iter().collect(), " ".repeat(spaces.len()));
            let marked = format!("normalize-space(concat('x', translate({value}, {}, {}), 'x'))", literal(&from), literal(&to));
            let marked = self.select(items, &marked);
            return Some(self.select(items, &format!("substring({marked}, 2, string-length({marked}) - 2)")));
        }
        if let Some(last) = pattern.strip_prefix("^.*").filter(|last| last.chars().count() == 1 && !is_special(last) && !with.contains('$'))
        {
            let value = self.select(items, value);
            let line = self.select(items, &format!("substring-before(concat({value}, '\n'), '\n')"));
            let after = self.called(items, "after-last", &[("text", &line), ("what", &literal(last)), ("with", &literal(with))]);
            return Some(self.select(items, &format!("concat({after}, substring({value}, string-length({line}) + 1))")));
        }
        self.placed(pattern, with, value, items)
    }

    /// `^([0-9]{4})-([0-9]{2})$` and its like: groups of figures and characters between them, the groups written in any order.
    fn placed(&mut self, pattern: &str, with: &str, value: &str, items: &mut Vec<Item>) -> Option<String> {
        let mut rest = pattern.strip_prefix('^')?.strip_suffix('$')?;
        let (mut shape, mut groups) = (String::new(), Vec::new());
        while let Some(first) = rest.chars().next() {
            if let Some((count, after)) = rest.strip_prefix("([0-9]{").and_then(|inner| inner.split_once("})")) {
                let count: usize = count.parse().ok().filter(|count| (1..=64).contains(count))?;
                groups.push((shape.chars().count() + 1, count));
                shape.push_str(&"0".repeat(count));
                rest = after;
            } else {
                let one = rest.get(..first.len_utf8()).filter(|one| !is_special(one) && !first.is_ascii_digit())?;
                shape.push_str(one);
                rest = rest.get(first.len_utf8()..)?;
            }
        }
        let value = self.select(items, value);
        let mut parts = Vec::new();
        let mut rest = with;
        while let Some(first) = rest.chars().next() {
            let number = rest.strip_prefix('$').and_then(|digits| digits.chars().next()?.to_digit(10));
            let next = rest.chars().nth(2);
            match (first, number) {
                // A name that goes on is another group for a regular expression.
                ('$', Some(number)) if !next.is_some_and(|next| next.is_alphanumeric() || next == '_') => {
                    let (at, length) = groups.get(usize::try_from(number).ok()?.checked_sub(1)?)?;
                    parts.push(format!("substring({value}, {at}, {length})"));
                    rest = rest.get(2..)?;
                }
                ('$', _) => return None,
                _ => {
                    parts.push(literal(&first.to_string()));
                    rest = rest.get(first.len_utf8()..)?;
                }
            }
        }
        let test = format!("translate({value}, '123456789', '000000000') = {}", literal(&shape));
        let value_of = |select: &str| element("xsl:value-of").with("select", select);
        let when = element("xsl:when").with("test", &test).child(value_of(&format!("concat('', {})", parts.join(", "))));
        Some(self.filled(items, element("xsl:choose").child(when).child(element("xsl:otherwise").child(value_of(&value)))))
    }
}

/// Whether a character may stand in a document of XML 1.0 at all.
fn is_xml(letter: char) -> bool {
    letter >= ' ' || matches!(letter, '\t' | '\n' | '\r')
}

fn is_special(text: &str) -> bool {
    text.contains(|letter| "\\.+*?()|[]{}^$".contains(letter))
}
