//! Dates of legacy systems: patterns such as `yyyyMMdd`, days and instants, and the zone that was never written down.

/// What a pattern has at one place.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Digits(Part, usize),
    Literal(char),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Year,
    Month,
    Day,
    Hour,
    Minute,
    Second,
    Milli,
}

/// A date pattern: yyyy MM dd HH mm ss SSS and literal characters, letters among these in single quotes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pattern(Vec<Piece>);

/// What a written date can be taken for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Date,
    DateTime,
}

/// A real calendar date, perhaps with a time of day, perhaps with the minutes its zone is ahead of UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Moment {
    day: i64,
    time_ms: Option<i64>,
    zone_minutes: Option<i64>,
}

const DAY_MS: i64 = 86_400_000;

impl Part {
    fn letter(self) -> char {
        match self {
            Self::Year => 'y',
            Self::Month => 'M',
            Self::Day => 'd',
            Self::Hour => 'H',
            Self::Minute => 'm',
            Self::Second => 's',
            Self::Milli => 'S',
        }
    }
}

impl Pattern {
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut pieces = Vec::new();
        let mut letters = text.chars().peekable();
        while let Some(letter) = letters.next() {
            if letter == '\'' {
                pieces.extend(letters.by_ref().take_while(|inside| *inside != '\'').map(Piece::Literal));
                continue;
            }
            if !letter.is_ascii_alphabetic() {
                pieces.push(Piece::Literal(letter));
                continue;
            }
            let mut length = 1;
            while letters.next_if_eq(&letter).is_some() {
                length += 1;
            }
            let part = match (letter, length) {
                ('y', 4) => Part::Year,
                ('M', 2) => Part::Month,
                ('d', 2) => Part::Day,
                ('H', 2) => Part::Hour,
                ('m', 2) => Part::Minute,
                ('s', 2) => Part::Second,
                ('S', 3) => Part::Milli,
                _ => return Err(format!("'{}' is none of yyyy MM dd HH mm ss SSS", letter.to_string().repeat(length))),
            };
            pieces.push(Piece::Digits(part, length));
        }
        let has = |wanted: Part| pieces.iter().filter(|piece| matches!(piece, Piece::Digits(part, _) if *part == wanted)).count();
        if [Part::Year, Part::Month, Part::Day].into_iter().any(|part| has(part) != 1) {
            return Err("a pattern needs yyyy, MM and dd, each once".to_owned());
        }
        if [Part::Hour, Part::Minute, Part::Second, Part::Milli].into_iter().any(|part| has(part) > 1) {
            return Err("a pattern names each part once".to_owned());
        }
        Ok(Self(pieces))
    }

    /// Whether what it reads has a time of day.
    pub(crate) fn kind(&self) -> Kind {
        let timed = self.0.iter().any(|piece| matches!(piece, Piece::Digits(Part::Hour, _)));
        if timed { Kind::DateTime } else { Kind::Date }
    }

    /// Its pieces in their order: a part by its letter, with how many digits it has, or a character that stands as it is.
    pub(crate) fn parts(&self) -> impl Iterator<Item = Result<(char, usize), char>> {
        self.0.iter().map(|piece| match piece {
            Piece::Literal(letter) => Err(*letter),
            Piece::Digits(part, width) => Ok((part.letter(), *width)),
        })
    }

    /// Where the digits of a part stand in what it reads, by the part's letter: from a character counted from 1, and how many.
    pub(crate) fn position(&self, letter: char) -> Option<(usize, usize)> {
        let mut at = 1;
        for piece in &self.0 {
            let length = match piece {
                Piece::Literal(_) => 1,
                Piece::Digits(_, length) => *length,
            };
            match piece {
                Piece::Digits(part, _) if part.letter() == letter => return Some((at, length)),
                _ => at += length,
            }
        }
        None
    }

    /// Reads a value of exactly this form that is a day of the calendar.
    pub(crate) fn read(&self, value: &str) -> Option<Moment> {
        let mut rest = value;
        let (mut year, mut month, mut day, mut time) = (0, 0, 0, [0_i64; 4]);
        for piece in &self.0 {
            match piece {
                Piece::Literal(letter) => rest = rest.strip_prefix(*letter)?,
                Piece::Digits(part, length) => {
                    let (digits, after) = rest.split_at_checked(*length)?;
                    rest = after;
                    let number = number(digits, *length)?;
                    let [hour, minute, second, milli] = &mut time;
                    let place = match part {
                        Part::Year => &mut year,
                        Part::Month => &mut month,
                        Part::Day => &mut day,
                        Part::Hour => hour,
                        Part::Minute => minute,
                        Part::Second => second,
                        Part::Milli => milli,
                    };
                    *place = number;
                }
            }
        }
        let time_ms = if self.kind() == Kind::DateTime { Some(time_of_day(time)?) } else { None };
        rest.is_empty().then_some(Moment { day: civil_day(year, month, day)?, time_ms, zone_minutes: None })
    }
}

impl Moment {
    /// Reads an xs:date or an xs:dateTime of a year from 1 to 9999. A fraction finer than a millisecond is cut off.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let (date, rest) = text.split_at_checked(10)?;
        let mut parts = date.splitn(3, '-');
        let (year, month, day) = (number(parts.next()?, 4)?, number(parts.next()?, 2)?, number(parts.next()?, 2)?);
        let day = civil_day(year, month, day)?;
        let Some(rest) = rest.strip_prefix('T') else {
            return Some(Self { day, time_ms: None, zone_minutes: optional_zone(rest)? });
        };
        let (clock, zone) = rest.split_at_checked(rest.find(['Z', '+', '-']).unwrap_or(rest.len()))?;
        let (whole, fraction) = clock.split_once('.').unwrap_or((clock, "0"));
        let mut parts = whole.splitn(3, ':');
        let (hour, minute, second) = (number(parts.next()?, 2)?, number(parts.next()?, 2)?, number(parts.next()?, 2)?);
        if fraction.is_empty() || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let milli: String = fraction.chars().chain("000".chars()).take(3).collect();
        let time_ms = time_of_day([hour, minute, second, number(&milli, 3)?])?;
        Some(Self { day, time_ms: Some(time_ms), zone_minutes: optional_zone(zone)? })
    }

    /// The form of XML Schema: a date without zone, a dateTime with the zone it was read with.
    pub(crate) fn write(self) -> String {
        let mut text = String::with_capacity(30);
        date_text(&mut text, self.day);
        if let Some(ms) = self.time_ms {
            clock_text(&mut text, ms);
            self.zone_minutes.into_iter().for_each(|minutes| zone_text(&mut text, minutes));
        }
        text
    }

    /// The form of `pattern`; `None` where that has a time of day and this is a bare date.
    pub(crate) fn format(self, pattern: &Pattern) -> Option<String> {
        let (year, month, day) = civil(self.day);
        let mut text = String::new();
        for piece in &pattern.0 {
            let (value, width) = match piece {
                Piece::Literal(letter) => {
                    text.push(*letter);
                    continue;
                }
                Piece::Digits(Part::Year, width) => (year, *width),
                Piece::Digits(Part::Month, width) => (month, *width),
                Piece::Digits(Part::Day, width) => (day, *width),
                Piece::Digits(Part::Hour, width) => (self.time_ms? / 3_600_000, *width),
                Piece::Digits(Part::Minute, width) => (self.time_ms? / 60_000 % 60, *width),
                Piece::Digits(Part::Second, width) => (self.time_ms? / 1000 % 60, *width),
                Piece::Digits(Part::Milli, width) => (self.time_ms? % 1000, *width),
            };
            digits(&mut text, value, width);
        }
        Some(text)
    }

    /// The calendar day that this is in `zone`: what was written without a zone was written there.
    pub(crate) fn to_date(self, zone_minutes: i64) -> String {
        let day = match (self.time_ms, self.zone_minutes) {
            (Some(ms), Some(own)) => self.day + (ms + (zone_minutes - own) * 60_000).div_euclid(DAY_MS),
            _ => self.day,
        };
        let mut text = String::with_capacity(10);
        date_text(&mut text, day);
        text
    }

    /// The instant in UTC with three decimals; `None` for a bare date, which is not an instant.
    pub(crate) fn to_instant(self, zone_minutes: i64) -> Option<String> {
        let utc = self.time_ms? - self.zone_minutes.unwrap_or(zone_minutes) * 60_000;
        let mut text = String::with_capacity(24);
        date_text(&mut text, self.day + utc.div_euclid(DAY_MS));
        clock_text(&mut text, utc.rem_euclid(DAY_MS));
        text.push('Z');
        Some(text)
    }
}

/// Minutes ahead of UTC: `Z`, `+08:00`, `-03:30`.
pub(crate) fn zone(text: &str) -> Option<i64> {
    if text == "Z" {
        return Some(0);
    }
    let (sign, rest) = text.split_at_checked(1)?;
    let (hours, minutes) = rest.split_once(':')?;
    let minutes = number(hours, 2)? * 60 + number(minutes, 2).filter(|minutes| *minutes < 60)?;
    match sign {
        _ if minutes > 14 * 60 => None,
        "+" => Some(minutes),
        "-" => Some(-minutes),
        _ => None,
    }
}

fn optional_zone(text: &str) -> Option<Option<i64>> {
    if text.is_empty() { Some(None) } else { zone(text).map(Some) }
}

fn number(text: &str, length: usize) -> Option<i64> {
    (text.len() == length && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok())?
}

fn time_of_day([hour, minute, second, milli]: [i64; 4]) -> Option<i64> {
    (hour < 24 && minute < 60 && second < 60).then_some(((hour * 60 + minute) * 60 + second) * 1000 + milli)
}

/// Days since 0000-03-01 of the proleptic Gregorian calendar.
fn civil_day(year: i64, month: i64, day: i64) -> Option<i64> {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        1..=12 => 31,
        _ => return None,
    };
    if year < 1 || day < 1 || day > days {
        return None;
    }
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    Some(year * 365 + year / 4 - year / 100 + year / 400 + (month * 153 + 2) / 5 + day - 1)
}

/// Year, month and day of a day since 0000-03-01.
fn civil(day: i64) -> (i64, i64, i64) {
    let era = day.div_euclid(146_097);
    let of_era = day.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let (month, next) = if shifted < 10 { (shifted + 3, 0) } else { (shifted - 9, 1) };
    (year_of_era + era * 400 + next, month, day)
}

/// Appends a number that is not negative with leading zeros. The formatting of the standard library costs several times as much.
fn digits(text: &mut String, number: i64, width: usize) {
    let mut power = 10_i64.pow(u32::try_from(width.saturating_sub(1)).unwrap_or(0).min(17));
    while number >= power * 10 {
        power *= 10;
    }
    while power > 0 {
        let digit = u32::try_from(number / power % 10).ok().and_then(|digit| char::from_digit(digit, 10));
        text.push(digit.unwrap_or('0'));
        power /= 10;
    }
}

fn date_text(text: &mut String, day: i64) {
    let (year, month, day) = civil(day);
    digits(text, year, 4);
    text.push('-');
    digits(text, month, 2);
    text.push('-');
    digits(text, day, 2);
}

fn clock_text(text: &mut String, ms: i64) {
    text.push('T');
    digits(text, ms / 3_600_000, 2);
    text.push(':');
    digits(text, ms / 60_000 % 60, 2);
    text.push(':');
    digits(text, ms / 1000 % 60, 2);
    text.push('.');
    digits(text, ms % 1000, 3);
}

fn zone_text(text: &mut String, minutes: i64) {
    if minutes == 0 {
        return text.push('Z');
    }
    text.push(if minutes < 0 { '-' } else { '+' });
    digits(text, minutes.abs() / 60, 2);
    text.push(':');
    digits(text, minutes.abs() % 60, 2);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_read_only_what_they_say() {
        for (pattern, value, expected) in [
            ("yyyyMMdd", "19900101", Some("1990-01-01")),
            ("yyyyMMdd", "20010229", None),
            ("yyyyMMdd", "20000229", Some("2000-02-29")),
            ("yyyyMMdd", "1990010", None),
            ("yyyyMMdd", "199001011", None),
            ("yyyyMMdd", "1990-1-1", None),
            ("yyyy年MM月dd日", "1949年10月01日", Some("1949-10-01")),
            ("dd.MM.yyyy HH:mm", "31.12.1999 23:59", Some("1999-12-31T23:59:00.000")),
            ("yyyyMMdd'T'HHmmssSSS", "20260703T235959001", Some("2026-07-03T23:59:59.001")),
            ("yyyyMMddHH", "2026070324", None),
        ] {
            let read = Pattern::parse(pattern).unwrap().read(value).map(Moment::write);
            assert_eq!(read.as_deref(), expected, "{pattern} {value}");
        }
        for bad in ["yyyy", "yyyyMMddMM", "yyMMdd", "yyyyMMddX", "yyyyMMddHHHH"] {
            assert!(Pattern::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_day_is_a_day_of_its_zone() {
        for (text, ahead, date, instant) in [
            ("2026-07-03T23:30:00", "+08:00", "2026-07-03", Some("2026-07-03T15:30:00.000Z")),
            ("2026-07-03T23:30:00Z", "+08:00", "2026-07-04", Some("2026-07-03T23:30:00.000Z")),
            ("2026-01-01T00:30:00+08:00", "Z", "2025-12-31", Some("2025-12-31T16:30:00.000Z")),
            ("1959-02-28T23:59:59.9999", "-00:01", "1959-02-28", Some("1959-03-01T00:00:59.999Z")),
            ("2026-07-03", "+08:00", "2026-07-03", None),
            ("2026-07-03+08:00", "Z", "2026-07-03", None),
        ] {
            let (moment, ahead) = (Moment::read(text).unwrap(), zone(ahead).unwrap());
            assert_eq!((moment.to_date(ahead).as_str(), moment.to_instant(ahead).as_deref()), (date, instant), "{text}");
        }
        for bad in ["2026-02-29", "2026-07-03T24:00:00", "2026-07-03T10:00:00+15:00", "2026-07-03T10:00:00.", "26-07-03", "2026-07-0三"] {
            assert_eq!(Moment::read(bad), None, "{bad}");
        }
    }
}
