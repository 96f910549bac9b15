//! Decimal numbers in text: exact, without a float, for the functions `number-format` and `unit`.

/// The most digits that a number may have.
const DIGITS_MAX: usize = 30;

/// A decimal number of at most [`DIGITS_MAX`] digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Decimal {
    /// The number without its point.
    digits: i128,
    /// How many of the digits stand behind the point.
    scale: u32,
}

/// How a number is written: `0.00`, `#,##0.##`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NumberPattern {
    integer_min: usize,
    fraction_min: usize,
    fraction_max: usize,
    /// Digits between two commas; 0 for none.
    group: usize,
}

/// What a number of one unit is multiplied by to be one of another: a whole number and a power of ten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Factor {
    times: i128,
    ten: i32,
}

/// Units by their symbols: what they measure, and what they are in its base unit, as a whole number and a power of ten.
const UNITS: [(&str, Measure, i128, i32); 36] = [
    ("mg", Measure::Mass, 1, -6),
    ("g", Measure::Mass, 1, -3),
    ("kg", Measure::Mass, 1, 0),
    ("t", Measure::Mass, 1, 3),
    ("mm", Measure::Length, 1, -3),
    ("cm", Measure::Length, 1, -2),
    ("m", Measure::Length, 1, 0),
    ("km", Measure::Length, 1, 3),
    ("mm2", Measure::Area, 1, -6),
    ("cm2", Measure::Area, 1, -4),
    ("m2", Measure::Area, 1, 0),
    ("ha", Measure::Area, 1, 4),
    ("km2", Measure::Area, 1, 6),
    ("ml", Measure::Volume, 1, -3),
    ("l", Measure::Volume, 1, 0),
    ("m3", Measure::Volume, 1, 3),
    ("ms", Measure::Time, 1, -3),
    ("s", Measure::Time, 1, 0),
    ("min", Measure::Time, 6, 1),
    ("h", Measure::Time, 36, 2),
    ("d", Measure::Time, 864, 2),
    ("J", Measure::Energy, 1, 0),
    ("kJ", Measure::Energy, 1, 3),
    ("MJ", Measure::Energy, 1, 6),
    ("GJ", Measure::Energy, 1, 9),
    ("Wh", Measure::Energy, 36, 2),
    ("kWh", Measure::Energy, 36, 5),
    ("MWh", Measure::Energy, 36, 8),
    ("W", Measure::Power, 1, 0),
    ("kW", Measure::Power, 1, 3),
    ("MW", Measure::Power, 1, 6),
    ("Pa", Measure::Pressure, 1, 0),
    ("kPa", Measure::Pressure, 1, 3),
    ("MPa", Measure::Pressure, 1, 6),
    ("V", Measure::Voltage, 1, 0),
    ("kV", Measure::Voltage, 1, 3),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Measure {
    Mass,
    Length,
    Area,
    Volume,
    Time,
    Energy,
    Power,
    Pressure,
    Voltage,
}

impl Factor {
    /// How many zeros it has, if it is a power of ten and no fraction.
    pub(crate) fn zeros(self) -> Option<usize> {
        usize::try_from(self.ten).ok().filter(|_| self.times == 1)
    }

    /// The factor between two units, if it is a finite decimal.
    pub(crate) fn between(from: &str, to: &str) -> Result<Self, String> {
        let unit = |name: &str| {
            let symbols = || UNITS.map(|(symbol, ..)| symbol).join(" ");
            UNITS.iter().find(|(symbol, ..)| *symbol == name).ok_or_else(|| format!("there is no unit '{name}'; there are {}", symbols()))
        };
        let (&(_, measure, from_times, from_ten), &(_, other, to_times, to_ten)) = (unit(from)?, unit(to)?);
        if measure != other {
            return Err(format!("'{from}' and '{to}' do not measure the same"));
        }
        let finite = (0..6_u32).find(|zeros| (from_times * 10_i128.pow(*zeros)) % to_times == 0);
        let zeros = finite.ok_or_else(|| format!("a number in '{from}' has no exact form in '{to}'"))?;
        Ok(Self { times: from_times * 10_i128.pow(zeros) / to_times, ten: from_ten - to_ten - i32::try_from(zeros).unwrap_or(i32::MAX) })
    }
}

impl NumberPattern {
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let wrong = || format!("'{text}' is no number pattern: # and 0, commas between groups, and a point, as '#,##0.00'");
        let (integer, fraction) = text.split_once('.').unwrap_or((text, ""));
        let group = integer.rsplit_once(',').map_or(0, |(_, last)| last.len());
        let places: String = integer.chars().filter(|letter| *letter != ',').collect();
        let ordered = |text: &str, first: char, second: char| text.trim_start_matches(first).trim_start_matches(second).is_empty();
        let commas = group > 0 || !integer.contains(',');
        let short = places.len() <= DIGITS_MAX && fraction.len() <= DIGITS_MAX;
        let pointed = !text.contains('.') || !fraction.is_empty();
        if !ordered(&places, '#', '0') || !ordered(fraction, '0', '#') || !commas || !short || !pointed || places.is_empty() {
            return Err(wrong());
        }
        let zeros = |text: &str| text.chars().filter(|letter| *letter == '0').count();
        Ok(Self { integer_min: zeros(&places), fraction_min: zeros(fraction), fraction_max: fraction.len(), group })
    }
}

impl Decimal {
    /// Reads the form of xs:decimal; `None` for anything else, and for more than [`DIGITS_MAX`] digits.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let text = text.trim();
        let (negative, plain) = match text.strip_prefix('-') {
            Some(plain) => (true, plain),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let (integer, fraction) = plain.split_once('.').unwrap_or((plain, ""));
        let digits: String = [integer, fraction].concat();
        if digits.is_empty() || digits.len() > DIGITS_MAX || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let digits: i128 = digits.parse().ok()?;
        Some(Self { digits: if negative { -digits } else { digits }, scale: u32::try_from(fraction.len()).ok()? })
    }

    /// The same quantity in the other unit.
    pub(crate) fn times(self, factor: Factor) -> Option<Self> {
        let digits = self.digits.checked_mul(factor.times)?;
        let scale = i32::try_from(self.scale).ok()? - factor.ten;
        match u32::try_from(scale) {
            Ok(scale) => Some(Self { digits, scale }),
            Err(_) => Some(Self { digits: digits.checked_mul(10_i128.checked_pow(scale.unsigned_abs())?)?, scale: 0 }),
        }
    }

    /// The shortest form.
    pub(crate) fn write(self) -> String {
        let (mut digits, mut scale) = (self.digits, self.scale);
        while scale > 0 && digits % 10 == 0 {
            digits /= 10;
            scale -= 1;
        }
        Self { digits, scale }.plain(1)
    }

    /// All digits, at least `integer_min` of them before the point.
    fn plain(self, integer_min: usize) -> String {
        let scale = usize::try_from(self.scale).unwrap_or(usize::MAX);
        let digits = self.digits.unsigned_abs().to_string();
        let padded = format!("{}{digits}", "0".repeat(scale.saturating_add(integer_min).saturating_sub(digits.len())));
        let (integer, fraction) = padded.split_at_checked(padded.len().saturating_sub(scale)).unwrap_or((&padded, ""));
        let sign = if self.digits < 0 { "-" } else { "" };
        let point = if fraction.is_empty() { "" } else { "." };
        [sign, integer, point, fraction].concat()
    }

    /// In the form of `pattern`, rounded half away from zero.
    pub(crate) fn format(self, pattern: &NumberPattern) -> Option<String> {
        let most = u32::try_from(pattern.fraction_max).ok()?;
        let mut rounded = self;
        if self.scale > most {
            let cut = 10_i128.checked_pow(self.scale - most)?;
            let half = if self.digits < 0 { -(cut / 2) } else { cut / 2 };
            rounded = Self { digits: self.digits.checked_add(half)? / cut, scale: most };
        }
        while rounded.scale > u32::try_from(pattern.fraction_min).ok()? && rounded.digits % 10 == 0 {
            rounded = Self { digits: rounded.digits / 10, scale: rounded.scale - 1 };
        }
        let missing = pattern.fraction_min.saturating_sub(usize::try_from(rounded.scale).ok()?);
        let plain = rounded.plain(pattern.integer_min);
        let (sign, plain) = plain.strip_prefix('-').map_or(("", plain.as_str()), |rest| ("-", rest));
        let (integer, fraction) = plain.split_once('.').unwrap_or((plain, ""));
        let integer = if integer.is_empty() && fraction.is_empty() && missing == 0 { "0" } else { integer };
        let fraction = [fraction, &"0".repeat(missing)].concat();
        let mut grouped = String::new();
        for (at, digit) in integer.chars().enumerate() {
            if pattern.group > 0 && at > 0 && (integer.len() - at) % pattern.group == 0 {
                grouped.push(',');
            }
            grouped.push(digit);
        }
        let point = if fraction.is_empty() { "" } else { "." };
        Some([sign, &grouped, point, &fraction].concat())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_in_their_pattern() {
        for (pattern, value, expected) in [
            ("0.00", "1", "1.00"),
            ("0.00", "-1.005", "-1.01"),
            ("0.00", "1.0049", "1.00"),
            ("0", "0.5", "1"),
            ("0.##", "1.50", "1.5"),
            ("0.##", "1.00", "1"),
            ("#,##0.0", "1234567", "1,234,567.0"),
            ("000", "7", "007"),
            ("#.#", "0.04", "0"),
            ("#.00", ".5", ".50"),
            ("0.0", "999.95", "1000.0"),
        ] {
            let formatted = Decimal::read(value).unwrap().format(&NumberPattern::parse(pattern).unwrap()).unwrap();
            assert_eq!(formatted, expected, "{pattern} {value}");
        }
        for bad in ["", "0#", "0.#0", "0.", "x", "0,", "0.0.0"] {
            assert!(NumberPattern::parse(bad).is_err(), "{bad}");
        }
        for bad in ["", "-", ".", "1e3", "1,5", "1234567890123456789012345678901"] {
            assert_eq!(Decimal::read(bad), None, "{bad}");
        }
    }

    #[test]
    fn quantities_change_their_unit_exactly() {
        for (from, to, value, expected) in [
            ("kg", "t", "1500", "1.5"),
            ("t", "kg", "1.5", "1500"),
            ("kWh", "MJ", "2.5", "9"),
            ("h", "s", "-0.5", "-1800"),
            ("min", "s", "1", "60"),
            ("mm2", "km2", "1", "0.000000000001"),
        ] {
            assert_eq!(
                Decimal::read(value).unwrap().times(Factor::between(from, to).unwrap()).unwrap().write(),
                expected,
                "{value} {from}"
            );
        }
        for (from, to) in [("kg", "m"), ("J", "kWh"), ("kg", "lb"), ("s", "h")] {
            assert!(Factor::between(from, to).is_err(), "{from} {to}");
        }
    }
}
