//! Patterns: the regular expressions of XML Schema 1.0 part 2 appendix F, in terms of the crate regex, and of tables where these are enough.

use crate::ascii::Table;
use regex::{Regex, RegexBuilder};
use std::fmt::Write as _;
use std::iter::Peekable;
use std::str::Chars;
use std::sync::{Arc, OnceLock};

/// A pattern: checked when it is made, compiled when it is first asked, once for all copies.
#[derive(Clone, Debug)]
pub struct Pattern(Arc<Lazy>);

#[derive(Debug)]
struct Lazy {
    source: String,
    translated: String,
    /// `None` inside: it says more than a table can.
    table: OnceLock<Option<Table>>,
    /// `None` inside: too large when compiled, although its size was estimated to be bearable.
    regex: OnceLock<Option<Regex>>,
}

/// Groups inside one another that a pattern may have.
const DEPTH_MAX: usize = 50;
/// What a compiled pattern may cost in memory.
const COMPILED_BYTES_MAX: usize = 32 << 20;
/// States that a pattern may have, as estimated before it is compiled: counts multiply what they count.
const STATES_MAX: u64 = 1_000_000;
/// What a class of Unicode is taken to cost.
const CLASS_STATES: u64 = 200;

impl Pattern {
    /// Checks a pattern.
    pub(crate) fn new(source: &str) -> Result<Self, String> {
        let mut translation = Translation { rest: source.chars().peekable(), out: String::from("\\A(?:"), depth: 0, states: 0 };
        translation.branches()?;
        if translation.rest.next().is_some() {
            return Err("a ) without a (".to_owned());
        }
        if translation.states >= STATES_MAX {
            return Err("the pattern is too large when compiled".to_owned());
        }
        translation.out.push_str(")\\z");
        Ok(Self(Arc::new(Lazy { source: source.to_owned(), translated: translation.out, table: OnceLock::new(), regex: OnceLock::new() })))
    }

    /// As written in the schema.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.0.source
    }

    /// Whether it matches the whole of `text`. A pattern that is too large to be compiled matches nothing.
    #[must_use]
    pub fn matches(&self, text: &str) -> bool {
        let table = self.0.table.get_or_init(|| Table::new(&self.0.source)).as_ref();
        table.and_then(|table| table.matches(text)).unwrap_or_else(|| self.searches(text))
    }

    /// As the crate regex sees it.
    pub(crate) fn searches(&self, text: &str) -> bool {
        let compile = || {
            let mut builder = RegexBuilder::new(&self.0.translated);
            builder.size_limit(COMPILED_BYTES_MAX).dfa_size_limit(COMPILED_BYTES_MAX).build().ok()
        };
        self.0.regex.get_or_init(compile).as_ref().is_some_and(|regex| regex.is_match(text))
    }
}

struct Translation<'p> {
    rest: Peekable<Chars<'p>>,
    out: String,
    depth: usize,
    /// An estimate of what the compiled pattern costs.
    states: u64,
}

type Parsed = Result<(), String>;

const NAME_START: &str = ":A-Z_a-z\\u{C0}-\\u{D6}\\u{D8}-\\u{F6}\\u{F8}-\\u{2FF}\\u{370}-\\u{37D}\\u{37F}-\\u{1FFF}\\u{200C}-\\u{200D}\\u{2070}-\\u{218F}\
    \\u{2C00}-\\u{2FEF}\\u{3001}-\\u{D7FF}\\u{F900}-\\u{FDCF}\\u{FDF0}-\\u{FFFD}\\u{10000}-\\u{EFFFF}";
const NAME_MORE: &str = "\\-.0-9\\u{B7}\\u{300}-\\u{36F}\\u{203F}-\\u{2040}";

impl Translation<'_> {
    /// Production 1: branches, up to the end or a closing parenthesis.
    fn branches(&mut self) -> Parsed {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(format!("groups nest deeper than {DEPTH_MAX}"));
        }
        while let Some(c) = self.rest.peek().copied() {
            match c {
                ')' => break,
                '|' => {
                    self.rest.next();
                    self.out.push('|');
                }
                _ => {
                    let before = self.states;
                    self.atom()?;
                    let times = self.quantifier()?;
                    self.states = before.saturating_add(self.states.saturating_sub(before).saturating_add(1).saturating_mul(times.max(1)));
                }
            }
        }
        self.depth -= 1;
        Ok(())
    }

    /// Production 9.
    fn atom(&mut self) -> Parsed {
        match self.rest.next() {
            Some('(') => {
                if self.rest.peek() == Some(&'?') {
                    return Err("(? is no construct of XML Schema".to_owned());
                }
                self.out.push_str("(?:");
                self.branches()?;
                self.out.push(')');
                self.rest.next().map(drop).ok_or_else(|| "a ( without a )".to_owned())
            }
            Some('[') => self.class(),
            Some('.') => {
                self.out.push_str("[^\\n\\r]");
                Ok(())
            }
            Some('\\') => {
                let set = self.escape()?;
                self.out.push_str(&set);
                Ok(())
            }
            Some(c @ ('?' | '*' | '+' | '{')) => Err(format!("a quantifier {c} without something before it")),
            Some(c @ ('}' | ']')) => Err(format!("a {c} that is not escaped")),
            Some(c) => {
                self.out.push_str(&literal(c));
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// Production 4: how often the atom is compiled.
    fn quantifier(&mut self) -> Result<u64, String> {
        let mut times = 1;
        match self.rest.peek().copied() {
            Some(c @ ('?' | '*' | '+')) => {
                self.rest.next();
                self.out.push(c);
            }
            Some('{') => {
                self.rest.next();
                let inside: String = std::iter::from_fn(|| self.rest.next_if(|c| *c != '}')).collect();
                if self.rest.next().is_none() {
                    return Err("a { without a }".to_owned());
                }
                let (min, max) = inside.split_once(',').unwrap_or((&inside, &inside));
                let number =
                    |text: &str| (!text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse::<u32>().ok())?;
                let least = number(min).ok_or_else(|| format!("{{{inside}}} is no quantifier"))?;
                let most = number(max);
                if !max.is_empty() && most.is_none_or(|most| most < least) {
                    return Err(format!("{{{inside}}} is no quantifier"));
                }
                times = u64::from(most.unwrap_or(least));
                match most {
                    Some(most) => write!(self.out, "{{{least},{most}}}"),
                    None => write!(self.out, "{{{least},}}"),
                }
                .map_err(|error| error.to_string())?;
            }
            _ => return Ok(1),
        }
        match self.rest.peek() {
            Some(c @ ('?' | '*' | '+' | '{')) => Err(format!("a quantifier {c} behind a quantifier")),
            _ => Ok(times),
        }
    }

    /// Productions 11 to 22: a class after its opening bracket, as a class of the crate regex.
    fn class(&mut self) -> Parsed {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(format!("classes nest deeper than {DEPTH_MAX}"));
        }
        let negated = self.rest.next_if_eq(&'^').is_some();
        // [^a-[b]] is (not a) without b: the negation is bound to an inner class.
        self.out.push_str(if negated { "[[^" } else { "[[" });
        let mut members = 0;
        loop {
            let c = self.rest.next().ok_or("a [ without a ]")?;
            match c {
                ']' if members > 0 => break,
                ']' => return Err("an empty class".to_owned()),
                '-' if members > 0 && self.rest.peek() == Some(&'[') => {
                    self.rest.next();
                    self.out.push_str("]--");
                    self.class()?;
                    self.depth -= 1;
                    self.out.push(']');
                    return match self.rest.next() {
                        Some(']') => Ok(()),
                        _ => Err("a subtraction ends its class".to_owned()),
                    };
                }
                '[' => return Err("a [ in a class that is not escaped".to_owned()),
                c => self.member(c, members == 0)?,
            }
            members += 1;
        }
        self.depth -= 1;
        self.out.push_str("]]");
        Ok(())
    }

    /// A character, a range or an escape in a class.
    fn member(&mut self, c: char, first: bool) -> Parsed {
        let start = match c {
            '\\' => match self.escape()? {
                set if single(&set).is_none() => {
                    self.out.push_str(&set);
                    return Ok(());
                }
                set => single(&set).unwrap_or(c),
            },
            '-' => {
                let mut ahead = self.rest.clone();
                let subtracts = ahead.next() == Some('-') && ahead.next() == Some('[');
                let lone = first || subtracts || self.rest.peek() == Some(&']');
                self.out.push_str("\\-");
                return if lone { Ok(()) } else { Err("a - that is neither a range nor at an end of its class".to_owned()) };
            }
            c => c,
        };
        let mut ahead = self.rest.clone();
        if ahead.next() != Some('-') || matches!(ahead.peek(), Some('[' | ']') | None) {
            self.out.push_str(&literal(start));
            return Ok(());
        }
        self.rest.next();
        let end = match self.rest.next() {
            Some('\\') => single(&self.escape()?).ok_or("a range that ends in a class")?,
            Some(c) => c,
            None => return Err("a range without an end".to_owned()),
        };
        if end < start {
            return Err(format!("the range {start}-{end} is the wrong way round"));
        }
        self.out.push_str(&literal(start));
        self.out.push('-');
        self.out.push_str(&literal(end));
        Ok(())
    }

    /// Productions 23 to 37, after the backslash.
    fn escape(&mut self) -> Result<String, String> {
        let c = self.rest.next().ok_or("a \\ at the end")?;
        Ok(match c {
            'n' => "\\n".to_owned(),
            'r' => "\\r".to_owned(),
            't' => "\\t".to_owned(),
            '\\' | '|' | '.' | '?' | '*' | '+' | '(' | ')' | '{' | '}' | '-' | '[' | ']' | '^' => literal(c),
            's' => "[ \\t\\n\\r]".to_owned(),
            'S' => "[^ \\t\\n\\r]".to_owned(),
            _ if matches!(c, 'i' | 'I' | 'c' | 'C' | 'd' | 'D' | 'w' | 'W' | 'p' | 'P') => {
                self.states = self.states.saturating_add(CLASS_STATES);
                return self.class_escape(c);
            }
            other => return Err(format!("\\{other} is no escape of XML Schema")),
        })
    }

    fn class_escape(&mut self, c: char) -> Result<String, String> {
        Ok(match c {
            'i' => format!("[{NAME_START}]"),
            'I' => format!("[^{NAME_START}]"),
            'c' => format!("[{NAME_START}{NAME_MORE}]"),
            'C' => format!("[^{NAME_START}{NAME_MORE}]"),
            'd' => "\\p{Nd}".to_owned(),
            'D' => "\\P{Nd}".to_owned(),
            'w' => "[^\\p{P}\\p{Z}\\p{C}]".to_owned(),
            'W' => "[\\p{P}\\p{Z}\\p{C}]".to_owned(),
            _ => self.property(c == 'P')?,
        })
    }

    /// Productions 25 to 36: `{L}` or `{IsBlock}`.
    fn property(&mut self, negated: bool) -> Result<String, String> {
        if self.rest.next() != Some('{') {
            return Err("\\p without {".to_owned());
        }
        let name: String = std::iter::from_fn(|| self.rest.next_if(|c| *c != '}')).collect();
        self.rest.next().ok_or("\\p{ without }")?;
        if let Some(block) = name.strip_prefix("Is") {
            let ranges = crate::blocks::ranges(block).ok_or_else(|| format!("{block} is no block of Unicode"))?;
            let ranges: String = ranges.iter().map(|(from, to)| format!("\\u{{{from:X}}}-\\u{{{to:X}}}")).collect();
            return Ok(match (ranges.is_empty(), negated) {
                (false, _) => format!("[{}{ranges}]", if negated { "^" } else { "" }),
                (true, true) => "[\\x{0}-\\x{10FFFF}]".to_owned(),
                (true, false) => "[^\\x{0}-\\x{10FFFF}]".to_owned(),
            });
        }
        let known = matches!(
            name.as_str(),
            "L" | "Lu"
                | "Ll"
                | "Lt"
                | "Lm"
                | "Lo"
                | "M"
                | "Mn"
                | "Mc"
                | "Me"
                | "N"
                | "Nd"
                | "Nl"
                | "No"
                | "P"
                | "Pc"
                | "Pd"
                | "Ps"
                | "Pe"
                | "Pi"
                | "Pf"
                | "Po"
                | "Z"
                | "Zs"
                | "Zl"
                | "Zp"
                | "S"
                | "Sm"
                | "Sc"
                | "Sk"
                | "So"
                | "C"
                | "Cc"
                | "Cf"
                | "Co"
                | "Cn"
        );
        match known {
            true => Ok(format!("\\{}{{{name}}}", if negated { 'P' } else { 'p' })),
            false => Err(format!("{name} is no category of Unicode")),
        }
    }
}

/// A character that stands for itself.
fn literal(c: char) -> String {
    if c.is_ascii() && !c.is_ascii_alphanumeric() { format!("\\x{{{:X}}}", u32::from(c)) } else { c.to_string() }
}

/// The character that an escape stands for, if it is one character.
fn single(set: &str) -> Option<char> {
    match set {
        "\\n" => Some('\n'),
        "\\r" => Some('\r'),
        "\\t" => Some('\t'),
        _ => {
            let code = set.strip_prefix("\\x{")?.strip_suffix('}')?;
            char::from_u32(u32::from_str_radix(code, 16).ok()?)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_appendix_f_says() {
        let check = |pattern: &str, yes: &[&str], no: &[&str]| {
            let pattern = Pattern::new(pattern).unwrap_or_else(|error| panic!("{pattern}: {error}"));
            yes.iter().for_each(|text| assert!(pattern.matches(text), "{} {text}", pattern.source()));
            no.iter().for_each(|text| assert!(!pattern.matches(text), "{} {text}", pattern.source()));
        };
        check("a|b", &["a", "b"], &["ab", "xa", ""]);
        check("", &[""], &["a"]);
        check("^a$", &["^a$"], &["a"]);
        check("[a-z-[aeiou]]+", &["xyz"], &["xaz"]);
        check("[^a-[b]]", &["c"], &["a", "b"]);
        check("[\\w-[\\d_]]{2,3}", &["ab", "张三李"], &["a", "a1", "abcd"]);
        check("\\i\\c*", &["a-1:x", "_", ":"], &["1a", "-", ""]);
        check("[\\i-[:]][\\c-[:]]*", &["a-1"], &["a:b"]);
        check(".", &["x", "张"], &["\n", "\r", "xx"]);
        check("\\p{IsBasicLatin}+\\P{IsBasicLatin}", &["ab张"], &["张张"]);
        check("\\p{Lu}\\P{Lu}", &["Aa"], &["aa", "AA"]);
        check("[&&a~-]+", &["&~a-"], &["b"]);
        check("[-a]", &["-", "a"], &["b"]);
        check("[a-]", &["-", "a"], &["b"]);
        check("[+--]", &["+", ",", "-"], &["."]);
        check("\\d{3}", &["123", "１２３"], &["12"]);
        check("(ab){2,}c?", &["abab", "ababc"], &["ab"]);
        check("[0-9]{4}-\\d\\d", &["2026-11"], &["202611"]);
        check("\\s\\S", &[" a"], &["a ", "\u{A0}a"]);
        check("#\\-\\.", &["#-."], &["#-x"]);
    }

    #[test]
    fn what_appendix_f_does_not_know_is_an_error() {
        for wrong in [
            "(",
            ")",
            "a)",
            "[",
            "[]",
            "[^]",
            "[b-a]",
            "*",
            "a**",
            "a{2,1}",
            "a{,2}",
            "a{x}",
            "a{2",
            "\\",
            "\\b",
            "\\p",
            "\\p{Xx}",
            "\\p{IsNowhere}",
            "(?:a)",
            "[a",
            "a]",
            "a}",
            "[a-z-[b]c]",
            "[[a]]",
            "{2}",
            "[\\d-z]",
        ] {
            assert!(Pattern::new(wrong).is_err(), "{wrong}");
        }
        assert!(Pattern::new(&"(".repeat(100_000)).is_err());
        assert!(Pattern::new("(((a{1000}){1000}){1000}){1000}").is_err());
    }
}
