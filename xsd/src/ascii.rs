//! A pattern as a table of states over ASCII: most patterns are codes of some digits and letters, and most values have nothing else.

use std::iter::Peekable;
use std::str::Chars;

/// Characters that a pattern may stand for, counts written out: one bit each, and one for the start.
const POSITIONS_MAX: usize = 127;
const START: usize = POSITIONS_MAX;
const STATES_MAX: usize = 256;

/// The states of a pattern: 0 is that of what cannot match any more, 1 the first.
#[derive(Debug)]
pub(crate) struct Table {
    /// For each octet its class.
    classes: Vec<u8>,
    /// For each state the next one by class.
    next: Vec<u8>,
    width: usize,
    accepts: Vec<bool>,
}

impl Table {
    /// A table for what the crate regex would be asked for; `source` is a pattern of XML Schema. `None`: it is too large, or says something
    /// that only the crate knows.
    pub(crate) fn new(source: &str) -> Option<Self> {
        let mut rest = source.chars().peekable();
        let piece = choice(&mut rest)?;
        if rest.next().is_some() {
            return None;
        }
        let mut build = Build::default();
        let whole = build.piece(&piece)?;
        let last = whole.last | u128::from(whole.nullable) << START;
        let holds = |octet: &u32| build.sets.iter().enumerate().fold(0, |mask, (at, set)| mask | (set >> octet & 1) << at);
        let masks: Vec<u128> = (0..128).map(|octet| holds(&octet)).collect();
        let mut kinds = masks.clone();
        kinds.sort_unstable();
        kinds.dedup();
        let class = |mask: &u128| kinds.binary_search(mask).ok().and_then(|class| u8::try_from(class).ok());
        let classes = masks.iter().map(class).collect::<Option<Vec<u8>>>()?;
        let mut states: Vec<u128> = vec![0, 1 << START];
        let mut next = Vec::new();
        let mut at = 0;
        while let Some(state) = states.get(at).copied() {
            let follow = bits(state).fold(0, |all, bit| all | if bit == START { whole.first } else { build.followers(bit) });
            for kind in &kinds {
                let to = follow & kind;
                let known = states.iter().position(|state| *state == to).unwrap_or_else(|| {
                    states.push(to);
                    states.len() - 1
                });
                next.push(u8::try_from(known).ok()?);
            }
            at += 1;
        }
        let accepts = states.iter().map(|state| state & last != 0).collect();
        (states.len() <= STATES_MAX).then_some(Self { classes, next, width: kinds.len(), accepts })
    }

    /// Whether the whole of `text` matches. `None`: it is not all ASCII.
    #[inline]
    pub(crate) fn matches(&self, text: &str) -> Option<bool> {
        let mut state = 1;
        for octet in text.bytes() {
            let class = *self.classes.get(usize::from(octet))?;
            state = usize::from(*self.next.get(state * self.width + usize::from(class))?);
            if state == 0 {
                return Some(false);
            }
        }
        self.accepts.get(state).copied()
    }
}

fn bits(set: u128) -> impl Iterator<Item = usize> {
    (0..=START).filter(move |bit| set >> bit & 1 == 1)
}

/// A part of a pattern; sets are of ASCII characters, a bit each.
enum Piece {
    Set(u128),
    Row(Vec<Piece>),
    Choice(Vec<Piece>),
    Times(Box<Piece>, usize, Option<usize>),
}

/// The positions that a part may start and end with, and whether it may be nothing.
#[derive(Clone, Copy, Default)]
struct Fragment {
    first: u128,
    last: u128,
    nullable: bool,
}

/// Positions and what may follow them (Glushkov's construction).
#[derive(Default)]
struct Build {
    sets: Vec<u128>,
    follow: Vec<u128>,
}

impl Build {
    fn followers(&self, position: usize) -> u128 {
        self.follow.get(position).copied().unwrap_or_default()
    }

    fn join(&mut self, from: u128, to: u128) {
        bits(from).for_each(|bit| self.follow.get_mut(bit).into_iter().for_each(|follow| *follow |= to));
    }

    fn append(&mut self, before: Fragment, part: Fragment) -> Fragment {
        self.join(before.last, part.first);
        Fragment {
            first: before.first | if before.nullable { part.first } else { 0 },
            last: part.last | if part.nullable { before.last } else { 0 },
            nullable: before.nullable && part.nullable,
        }
    }

    fn piece(&mut self, piece: &Piece) -> Option<Fragment> {
        const NOTHING: Fragment = Fragment { first: 0, last: 0, nullable: true };
        match piece {
            Piece::Set(set) => {
                let at = self.sets.len();
                self.sets.push(*set);
                self.follow.push(0);
                (at < POSITIONS_MAX).then_some(Fragment { first: 1 << at, last: 1 << at, nullable: false })
            }
            Piece::Row(parts) => parts.iter().try_fold(NOTHING, |row, part| {
                let part = self.piece(part)?;
                Some(self.append(row, part))
            }),
            Piece::Choice(parts) => parts.iter().try_fold(Fragment::default(), |all, part| {
                let part = self.piece(part)?;
                Some(Fragment { first: all.first | part.first, last: all.last | part.last, nullable: all.nullable || part.nullable })
            }),
            Piece::Times(part, min, max) => {
                if max.unwrap_or(*min) > POSITIONS_MAX {
                    return None;
                }
                let mut row = NOTHING;
                for time in 0..max.unwrap_or(min + 1) {
                    let mut copy = self.piece(part)?;
                    copy.nullable |= time >= *min;
                    if max.is_none() && time == *min {
                        self.join(copy.last, copy.first);
                    }
                    row = self.append(row, copy);
                }
                Some(row)
            }
        }
    }
}

type Rest<'p> = Peekable<Chars<'p>>;

fn choice(rest: &mut Rest<'_>) -> Option<Piece> {
    let mut rows = vec![Vec::new()];
    while let Some(c) = rest.next_if(|c| *c != ')') {
        if c == '|' {
            rows.push(Vec::new());
            continue;
        }
        let piece = match c {
            '(' => {
                let inner = choice(rest)?;
                rest.next_if_eq(&')')?;
                inner
            }
            '[' => Piece::Set(class(rest)?),
            '.' => Piece::Set(!(1 << b'\n' | 1 << b'\r')),
            '\\' => Piece::Set(escape(rest)?),
            c => Piece::Set(one(c)?),
        };
        let piece = times(rest, piece)?;
        rows.last_mut()?.push(piece);
    }
    Some(Piece::Choice(rows.into_iter().map(Piece::Row).collect()))
}

fn one(c: char) -> Option<u128> {
    c.is_ascii().then(|| 1 << u32::from(c))
}

fn times(rest: &mut Rest<'_>, piece: Piece) -> Option<Piece> {
    let (min, max) = match rest.peek() {
        Some('?') => (0, Some(1)),
        Some('*') => (0, None),
        Some('+') => (1, None),
        Some('{') => {
            rest.next();
            let inside: String = std::iter::from_fn(|| rest.next_if(|c| *c != '}')).collect();
            let (min, max) = inside.split_once(',').unwrap_or((&inside, &inside));
            (min.parse().ok()?, if max.is_empty() { None } else { Some(max.parse().ok()?) })
        }
        _ => return Some(piece),
    };
    rest.next();
    Some(Piece::Times(Box::new(piece), min, max))
}

fn escape(rest: &mut Rest<'_>) -> Option<u128> {
    const DIGITS: u128 = 0x3FF << b'0';
    const SPACES: u128 = 1 << b' ' | 1 << b'\t' | 1 << b'\n' | 1 << b'\r';
    match rest.next()? {
        'n' => one('\n'),
        'r' => one('\r'),
        't' => one('\t'),
        'd' => Some(DIGITS),
        'D' => Some(!DIGITS),
        's' => Some(SPACES),
        'S' => Some(!SPACES),
        c if c.is_ascii_alphanumeric() => None,
        c => one(c),
    }
}

/// A class behind its bracket: characters, ranges of letters or digits, escapes, and a hyphen at an end. Of what is subtler nothing is said.
fn class(rest: &mut Rest<'_>) -> Option<u128> {
    let negated = rest.next_if_eq(&'^').is_some();
    let mut set = 0;
    let mut first = true;
    loop {
        let c = rest.next()?;
        let hyphen = rest.peek() == Some(&'-');
        match c {
            ']' => return Some(if negated { !set } else { set }),
            '-' if first || rest.peek() == Some(&']') => set |= one(c)?,
            '-' | '[' | '^' => return None,
            '\\' => {
                set |= escape(rest)?;
                if rest.peek() == Some(&'-') && !ends_next(rest) {
                    return None;
                }
            }
            c if hyphen && !ends_next(rest) => {
                rest.next();
                let last = rest.next().filter(char::is_ascii_alphanumeric)?;
                let range = c.is_ascii_alphanumeric() && c <= last;
                let (from, to) = range.then_some((u32::from(c), u32::from(last)))?;
                set |= (from..=to).fold(0, |all, code| all | 1 << code);
            }
            c => set |= one(c)?,
        }
        first = false;
    }
}

/// Whether the character after the next one ends the class.
fn ends_next(rest: &Rest<'_>) -> bool {
    let mut ahead = rest.clone();
    ahead.next();
    ahead.next() == Some(']')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Pattern;

    /// What a table says is what the crate regex says; `tabled`: there is one.
    fn check(source: &str, tabled: bool) {
        const TEXTS: [&str; 36] = [
            "",
            "a",
            "b",
            "ab",
            "ba",
            "aab",
            "abab",
            "ababc",
            "0",
            "12",
            "123",
            "1234",
            "A1",
            "A12",
            "A12.3",
            "A12.",
            "I10",
            "E11.9",
            "E11.9999",
            "-",
            "a-b",
            "-a",
            "^a$",
            "xyz",
            "xaz",
            ".",
            "x.y",
            " ",
            "\n",
            "\r",
            "a b",
            "310101199001011234",
            "31010119900101123X",
            "MZ",
            "]",
            "é1",
        ];
        let (table, pattern) = (Table::new(source), Pattern::new(source).unwrap());
        assert_eq!(table.is_some(), tabled, "{source}");
        for text in TEXTS {
            let said = table.as_ref().and_then(|table| table.matches(text));
            assert_eq!(said.is_some(), tabled && (text.is_ascii() || said == Some(false)), "{source} {text:?}");
            assert!(said.is_none_or(|said| said == pattern.searches(text)), "{source} {text:?}");
        }
    }

    #[test]
    fn tables_agree_with_the_crate_regex() {
        for source in [
            "",
            "a",
            "a|b",
            "|a",
            "(a|)b",
            "a*",
            "a+b?",
            "(ab)+",
            "(ab){2,}c?",
            "(a|b){1,3}",
            "(a*)*b",
            "(a?){3}",
            "(a?b?){0,2}",
            "a{0}",
            "[0-9]{17}[0-9X]",
            "[A-Z][0-9]{2}(\\.[0-9]{1,3})?",
            "\\d{3}",
            "\\D\\s?\\S*",
            ".",
            ".+",
            "[^a]",
            "[^a-z0-9]",
            "[-a]+",
            "[a-]+",
            "[\\-a]*",
            "[a\\-]",
            "[.]",
            "^a$",
            "[\\].]",
            "[\\d.]+",
            "(a|ab)(c|bcd|b)*",
            "[&&a~-]+",
            "é?1*",
        ] {
            check(source, !source.contains('é'));
        }
        for source in ["\\w+", "\\p{L}", "\\i\\c*", "[a-z-[aeiou]]+", "[^a-[b]]", "[+--]", "[\\+-a]", "a{128}", "[é]", "(.{60}){2}.{8}"] {
            check(source, false);
        }
        // So many states that a number of them is no octet.
        check("[ab]*a[ab]{12}", false);
    }
}
