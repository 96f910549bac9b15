//! The calendar types of XML Schema 1.0 part 2: dates, times and durations, and their partial order.

use crate::value::Primitive;
use std::cmp::Ordering;

/// A value of one of the eight date and time types, missing fields filled in as part 2 §3.2.7.3 fills them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Moment {
    /// Seconds since 0001-01-01T00:00:00 of the local clock, proleptic Gregorian.
    seconds: i64,
    /// The digits behind the decimal point, without trailing zeros.
    fraction: String,
    /// Minutes east of UTC.
    zone: Option<i64>,
}

const DAY: i64 = 86_400;
const FOURTEEN_HOURS: i64 = 14 * 3600;
/// A year has at most this many digits here, so that its seconds fit.
const YEAR_DIGITS_MAX: usize = 11;

impl Moment {
    pub(crate) fn parse(kind: Primitive, text: &str) -> Option<Self> {
        let (body, zone) = split_zone(text)?;
        let (mut year, mut month, mut day) = (2000, 1, 1);
        let (date, clock) = match kind {
            Primitive::DateTime => body.split_once('T').map(|(date, clock)| (date, Some(clock)))?,
            Primitive::Time => ("", Some(body)),
            _ => (body, None),
        };
        match kind {
            Primitive::DateTime | Primitive::Date => {
                let (rest, last) = date.rsplit_once('-')?;
                let (first, middle) = rest.rsplit_once('-')?;
                (year, month, day) = (year_of(first)?, two(middle)?, two(last)?);
            }
            Primitive::GYearMonth => {
                let (first, last) = date.rsplit_once('-')?;
                (year, month) = (year_of(first)?, two(last)?);
            }
            Primitive::GYear => year = year_of(date)?,
            Primitive::GMonthDay => {
                let (first, last) = date.strip_prefix("--")?.split_once('-')?;
                (month, day) = (two(first)?, two(last)?);
            }
            Primitive::GDay => day = two(date.strip_prefix("---")?)?,
            Primitive::GMonth => month = two(date.strip_prefix("--")?)?,
            _ => {}
        }
        if !(1..=12).contains(&month) || day < 1 || day > days_in(year, month) {
            return None;
        }
        let (of_day, fraction) = clock.map_or(Some((0, "")), seconds_of_day)?;
        let of_day = if kind == Primitive::Time { of_day % DAY } else { of_day };
        Some(Self { seconds: days(year, month, day) * DAY + of_day, fraction: fraction.trim_end_matches('0').to_owned(), zone })
    }

    /// The same text for equal values.
    pub(crate) fn canonical(&self) -> String {
        match self.zone {
            Some(zone) => format!("{}.{}Z", self.seconds - zone * 60, self.fraction),
            None => format!("{}.{}", self.seconds, self.fraction),
        }
    }

    /// Part 2 §3.2.7.4: a moment without zone lies somewhere in a span of 28 hours.
    pub(crate) fn order(&self, other: &Self) -> Option<Ordering> {
        let exact = |left: i64, right: i64| left.cmp(&right).then_with(|| self.fraction.cmp(&other.fraction));
        let utc = |moment: &Self| moment.zone.map(|zone| moment.seconds - zone * 60);
        match (utc(self), utc(other)) {
            (Some(left), Some(right)) => Some(exact(left, right)),
            (None, None) => Some(exact(self.seconds, other.seconds)),
            (Some(left), None) => within(exact(left, other.seconds - FOURTEEN_HOURS), exact(left, other.seconds + FOURTEEN_HOURS)),
            (None, Some(right)) => within(exact(self.seconds - FOURTEEN_HOURS, right), exact(self.seconds + FOURTEEN_HOURS, right)),
        }
    }
}

fn within(early: Ordering, late: Ordering) -> Option<Ordering> {
    (early == late && early != Ordering::Equal).then_some(early)
}

fn split_zone(text: &str) -> Option<(&str, Option<i64>)> {
    if let Some(body) = text.strip_suffix('Z') {
        return Some((body, Some(0)));
    }
    let Some((body, zone)) = text.len().checked_sub(6).and_then(|at| text.split_at_checked(at)) else { return Some((text, None)) };
    let sign = match zone.as_bytes() {
        [b'+', _, _, b':', ..] => 1,
        [b'-', _, _, b':', ..] => -1,
        _ => return Some((text, None)),
    };
    let (hours, minutes) = (two(zone.get(1..3)?)?, two(zone.get(4..)?)?);
    let real = hours < 14 && minutes < 60 || hours == 14 && minutes == 0;
    real.then_some((body, Some(sign * (hours * 60 + minutes))))
}

fn number(text: &str) -> Option<i64> {
    (!text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok())?
}

fn two(text: &str) -> Option<i64> {
    (text.len() == 2).then(|| number(text))?
}

/// Four digits, more only without a leading zero; there is no year 0 (part 2 §3.2.7.1).
fn year_of(text: &str) -> Option<i64> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let formed = (4..=YEAR_DIGITS_MAX).contains(&digits.len()) && (digits.len() == 4 || !digits.starts_with('0'));
    let year = formed.then(|| number(digits))?.filter(|year| *year != 0)?;
    // The year -1 is the one before 1: astronomers call it 0.
    Some(if text.starts_with('-') { 1 - year } else { year })
}

fn seconds_of_day(clock: &str) -> Option<(i64, &str)> {
    let (whole, fraction) = match clock.split_once('.') {
        Some((whole, fraction)) => (whole, number_text(fraction)?),
        None => (clock, ""),
    };
    let mut parts = whole.splitn(3, ':');
    let (hour, minute, second) = (two(parts.next()?)?, two(parts.next()?)?, two(parts.next()?)?);
    let midnight = hour == 24 && minute == 0 && second == 0 && fraction.bytes().all(|byte| byte == b'0');
    let real = hour < 24 && minute < 60 && second < 60 || midnight;
    real.then_some(((hour * 60 + minute) * 60 + second, fraction))
}

fn number_text(text: &str) -> Option<&str> {
    (!text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())).then_some(text)
}

fn leap(year: i64) -> bool {
    year.rem_euclid(4) == 0 && year.rem_euclid(100) != 0 || year.rem_euclid(400) == 0
}

fn days_in(year: i64, month: i64) -> i64 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if leap(year) => 29,
        2 => 28,
        _ => 31,
    }
}

/// Days since 0001-01-01 of a date whose day may lie beyond its month's end.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let last = year - 1;
    let before = last * 365 + last.div_euclid(4) - last.div_euclid(100) + last.div_euclid(400);
    before + (1..month).map(|month| days_in(year, month)).sum::<i64>() + day - 1
}

/// A duration: months and seconds of one sign (part 2 §3.2.6).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Duration {
    negative: bool,
    months: i64,
    seconds: i64,
    fraction: String,
}

impl Duration {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let negative = text.starts_with('-');
        let body = text.strip_prefix('-').unwrap_or(text).strip_prefix('P')?;
        let (date, clock) = match body.split_once('T') {
            Some((date, clock)) => (date, Some(clock).filter(|clock| !clock.is_empty())?),
            None => (Some(body).filter(|body| !body.is_empty())?, ""),
        };
        let mut date = date;
        let (years, months, days) = (field(&mut date, 'Y')?, field(&mut date, 'M')?, field(&mut date, 'D')?);
        let mut clock = clock;
        let (hours, minutes) = (field(&mut clock, 'H')?, field(&mut clock, 'M')?);
        let (seconds, fraction) = match clock.strip_suffix('S') {
            Some(number_of) => match number_of.split_once('.') {
                Some((whole, fraction)) => (number(whole)?, number_text(fraction)?),
                None => (number(number_of)?, ""),
            },
            None => (0, Some(clock).filter(|rest| rest.is_empty())?),
        };
        let months = years.checked_mul(12)?.checked_add(months)?;
        let minutes = days.checked_mul(24)?.checked_add(hours)?.checked_mul(60)?.checked_add(minutes)?;
        let seconds = minutes.checked_mul(60)?.checked_add(seconds)?;
        let bounded = months < 1 << 40 && seconds < 1 << 58 && date.is_empty();
        bounded.then(|| Self { negative, months, seconds, fraction: fraction.trim_end_matches('0').to_owned() })
    }

    /// Part 2 §3.2.6.2: ordered if they are so from each of four dates.
    pub(crate) fn order(&self, other: &Self) -> Option<Ordering> {
        let mut orders = [(1696, 9), (1697, 2), (1903, 3), (1903, 7)].into_iter().map(|(year, month)| {
            let (left, right) = (self.from(year, month), other.from(year, month));
            left.cmp(&right).then_with(|| match (self.negative, other.negative) {
                (false, false) => self.fraction.cmp(&other.fraction),
                (true, true) => other.fraction.cmp(&self.fraction),
                (false, true) => {
                    if self.fraction.is_empty() && other.fraction.is_empty() {
                        Ordering::Equal
                    } else {
                        Ordering::Greater
                    }
                }
                (true, false) => {
                    if self.fraction.is_empty() && other.fraction.is_empty() {
                        Ordering::Equal
                    } else {
                        Ordering::Less
                    }
                }
            })
        });
        let first = orders.next()?;
        orders.all(|order| order == first).then_some(first)
    }

    /// Whole seconds since 0001-01-01 of the first of a month plus this duration.
    fn from(&self, year: i64, month: i64) -> i64 {
        let sign = if self.negative { -1 } else { 1 };
        let months = year * 12 + month - 1 + sign * self.months;
        days(months.div_euclid(12), months.rem_euclid(12) + 1, 1).saturating_mul(DAY).saturating_add(sign * self.seconds)
    }
}

/// `12Y` at the start of `rest`; 0 if there is none; `None` if what stands before the letter is no number.
fn field(rest: &mut &str, letter: char) -> Option<i64> {
    match rest.split_once(letter) {
        None => Some(0),
        Some((digits, after)) => {
            *rest = after;
            number(digits)
        }
    }
}
