//! Instants: milliseconds since 1970 in UTC, and their one form as xs:dateTime.

use std::fmt;

/// Milliseconds since 1970-01-01T00:00:00Z, leap seconds not counted. Written as `2026-11-21T02:32:00.123Z`, always with
/// three decimals and `Z`, so that equal instants have equal bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub u64);

/// 9999-12-31T23:59:59.999Z: the last instant that has a four-digit year.
pub const LAST: Timestamp = Timestamp(253_402_300_799_999);

const DAY_MS: u64 = 86_400_000;

impl Timestamp {
    /// Reads an xs:dateTime with a zone, from 1970 to 9999. `None` for anything else, a missing zone included
    /// (GB/T 7408 and ISO 8601 instants carry one). Fractions finer than a millisecond are cut off.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (date, rest) = text.split_once('T')?;
        let mut parts = date.splitn(3, '-');
        let (year, month, day) = (digits(parts.next()?, 4)?, digits(parts.next()?, 2)?, digits(parts.next()?, 2)?);
        let zone_at = rest.find(['Z', '+', '-'])?;
        let (clock, zone) = rest.split_at_checked(zone_at)?;
        let (seconds_text, fraction) = clock.split_once('.').unwrap_or((clock, "0"));
        let mut parts = seconds_text.splitn(3, ':');
        let (hour, minute, second) = (digits(parts.next()?, 2)?, digits(parts.next()?, 2)?, digits(parts.next()?, 2)?);
        let real = (1..=12).contains(&month) && day >= 1 && day <= days_in(year, month) && hour < 24 && minute < 60 && second < 60;
        if !real || year < 1970 {
            return None;
        }
        let ms_of_day = ((hour * 60 + minute) * 60 + second) * 1000 + millis(fraction)?;
        let local = i64::try_from(days_since_1970(year, month, day) * DAY_MS + ms_of_day).ok()?;
        u64::try_from(local - zone_ms(zone)?).ok().map(Self).filter(|instant| *instant <= LAST)
    }

    /// This instant and `ms` milliseconds more, at most [`LAST`].
    #[must_use]
    pub fn plus_ms(self, ms: u64) -> Self {
        Self(self.0.saturating_add(ms).min(LAST.0))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = self.0.min(LAST.0);
        let (year, month, day) = civil(ms / DAY_MS);
        let of_day = ms % DAY_MS;
        let (hour, minute) = (of_day / 3_600_000, of_day / 60_000 % 60);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{:02}.{:03}Z", of_day / 1000 % 60, of_day % 1000)
    }
}

fn digits(text: &str, length: usize) -> Option<u64> {
    (text.len() == length && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok())?
}

fn millis(fraction: &str) -> Option<u64> {
    let plain = !fraction.is_empty() && fraction.bytes().all(|byte| byte.is_ascii_digit());
    let three: String = fraction.chars().chain("000".chars()).take(3).collect();
    plain.then(|| three.parse().ok())?
}

fn zone_ms(zone: &str) -> Option<i64> {
    if zone == "Z" {
        return Some(0);
    }
    let (sign, rest) = zone.split_at_checked(1)?;
    let (hours, minutes) = rest.split_once(':')?;
    let (hours, minutes) = (digits(hours, 2)?, digits(minutes, 2)?);
    let real = hours < 14 && minutes < 60 || hours == 14 && minutes == 0;
    let ms = i64::try_from((hours * 60 + minutes) * 60_000).ok()?;
    real.then_some(if sign == "-" { -ms } else { ms })
}

fn leap(year: u64) -> bool {
    year.is_multiple_of(4) && !year.is_multiple_of(100) || year.is_multiple_of(400)
}

fn days_in(year: u64, month: u64) -> u64 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if leap(year) => 29,
        2 => 28,
        _ => 31,
    }
}

fn days_before_year(year: u64) -> u64 {
    let last = year - 1;
    last * 365 + last / 4 - last / 100 + last / 400
}

fn days_since_1970(year: u64, month: u64, day: u64) -> u64 {
    let months: u64 = (1..month).map(|month| days_in(year, month)).sum();
    days_before_year(year) - days_before_year(1970) + months + day - 1
}

fn civil(days: u64) -> (u64, u64, u64) {
    let mut year = 1970 + days / 366;
    while days_since_1970(year + 1, 1, 1) <= days {
        year += 1;
    }
    let mut rest = days - days_since_1970(year, 1, 1);
    let mut month = 1;
    while rest >= days_in(year, month) {
        rest -= days_in(year, month);
        month += 1;
    }
    (year, month, rest + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Option<&str>) {
        assert_eq!(Timestamp::parse(text).map(|instant| instant.to_string()).as_deref(), expected, "{text}");
    }

    #[test]
    fn instants_have_one_form() {
        check("1970-01-01T00:00:00Z", Some("1970-01-01T00:00:00.000Z"));
        check("2026-11-21T02:32:00.1239Z", Some("2026-11-21T02:32:00.123Z"));
        check("2024-02-29T23:59:59+08:00", Some("2024-02-29T15:59:59.000Z"));
        check("2000-03-01T00:00:00-14:00", Some("2000-03-01T14:00:00.000Z"));
        check("9999-12-31T23:59:59.999Z", Some("9999-12-31T23:59:59.999Z"));
        for bad in [
            "2023-02-29T00:00:00Z",
            "2026-11-21T02:32:00",
            "2026-11-21T24:00:00Z",
            "2026-11-21T02:32:00.Z",
            "1969-12-31T23:59:59Z",
            "2026-11-21T02:32:00+14:01",
            "9999-12-31T23:59:59-01:00",
            "2026-1-1T00:00:00Z",
            "T",
            "",
        ] {
            check(bad, None);
        }
    }
}
