//! The primitive value spaces of XML Schema 1.0 part 2 §3.2: lexical forms to values, their equality and order.

use crate::calendar::{Duration, Moment};
use crate::scope::Scope;
use crate::tree::QName;
use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;

/// The primitive types, and `anySimpleType`, their root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the variants are the names of XML Schema part 2 §3.2")]
pub enum Primitive {
    AnySimpleType,
    String,
    Boolean,
    Decimal,
    Float,
    Double,
    Duration,
    DateTime,
    Time,
    Date,
    GYearMonth,
    GYear,
    GMonthDay,
    GDay,
    GMonth,
    HexBinary,
    Base64Binary,
    AnyUri,
    QName,
    Notation,
}

impl Primitive {
    /// The name in the namespace of XML Schema.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::AnySimpleType => "anySimpleType",
            Self::String => "string",
            Self::Boolean => "boolean",
            Self::Decimal => "decimal",
            Self::Float => "float",
            Self::Double => "double",
            Self::Duration => "duration",
            Self::DateTime => "dateTime",
            Self::Time => "time",
            Self::Date => "date",
            Self::GYearMonth => "gYearMonth",
            Self::GYear => "gYear",
            Self::GMonthDay => "gMonthDay",
            Self::GDay => "gDay",
            Self::GMonth => "gMonth",
            Self::HexBinary => "hexBinary",
            Self::Base64Binary => "base64Binary",
            Self::AnyUri => "anyURI",
            Self::QName => "QName",
            Self::Notation => "NOTATION",
        }
    }
}

impl fmt::Display for Primitive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "xs:{}", self.name())
    }
}

/// A value of one of the primitive types, or a list of them.
#[derive(Clone, Debug)]
pub(crate) enum Value<'t> {
    Text(Cow<'t, str>),
    Boolean(bool),
    Decimal(Decimal<'t>),
    /// float and double: a float is read as f32 and widened.
    Float(f64),
    Duration(Duration),
    Moment(Moment),
    Octets(Vec<u8>),
    Name(QName),
    List(Vec<Value<'t>>),
}

impl Value<'_> {
    pub(crate) fn into_owned(self) -> Value<'static> {
        match self {
            Self::Text(text) => Value::Text(Cow::Owned(text.into_owned())),
            Self::Boolean(value) => Value::Boolean(value),
            Self::Decimal(value) => Value::Decimal(value.into_owned()),
            Self::Float(value) => Value::Float(value),
            Self::Duration(value) => Value::Duration(value),
            Self::Moment(value) => Value::Moment(value),
            Self::Octets(value) => Value::Octets(value),
            Self::Name(value) => Value::Name(value),
            Self::List(values) => Value::List(values.into_iter().map(Value::into_owned).collect()),
        }
    }

    /// Equality in the value space; NaN equals itself (part 2 §3.2.4).
    pub(crate) fn equals(&self, other: &Value<'_>) -> bool {
        match (self, other) {
            (Self::Text(left), Value::Text(right)) => left == right,
            (Self::Boolean(left), Value::Boolean(right)) => left == right,
            (Self::Octets(left), Value::Octets(right)) => left == right,
            (Self::Name(left), Value::Name(right)) => left == right,
            (Self::Float(left), Value::Float(right)) => left == right || left.is_nan() && right.is_nan(),
            (Self::List(left), Value::List(right)) => {
                left.len() == right.len() && left.iter().zip(right).all(|(left, right)| left.equals(right))
            }
            _ => self.order(other) == Some(Ordering::Equal),
        }
    }

    /// The order of the value space; `None` where two values have none.
    pub(crate) fn order(&self, other: &Value<'_>) -> Option<Ordering> {
        match (self, other) {
            (Self::Decimal(left), Value::Decimal(right)) => Some(left.order(right)),
            (Self::Float(left), Value::Float(right)) => left.partial_cmp(right),
            (Self::Duration(left), Value::Duration(right)) => left.order(right),
            (Self::Moment(left), Value::Moment(right)) => left.order(right),
            _ => None,
        }
    }

    /// The length that the length facets measure: characters, octets or items. `None`: they do not apply.
    pub(crate) fn length(&self) -> Option<usize> {
        match self {
            Self::Text(text) => Some(text.chars().count()),
            Self::Octets(octets) => Some(octets.len()),
            Self::List(items) => Some(items.len()),
            _ => None,
        }
    }
}

/// Reads a lexical form whose white space is already processed. Names resolve in `scope`; without one they must have no prefix.
pub(crate) fn parse<'t>(primitive: Primitive, text: &'t str, scope: Option<&Scope>) -> Option<Value<'t>> {
    Some(match primitive {
        Primitive::AnySimpleType | Primitive::String => Value::Text(Cow::Borrowed(text)),
        Primitive::AnyUri => is_uri(text).then_some(Value::Text(Cow::Borrowed(text)))?,
        Primitive::Boolean => Value::Boolean(match text {
            "true" | "1" => true,
            "false" | "0" => false,
            _ => return None,
        }),
        Primitive::Decimal => Value::Decimal(Decimal::parse(text)?),
        Primitive::Float => Value::Float(f64::from(float(text)?.parse::<f32>().ok()?)),
        Primitive::Double => Value::Float(float(text)?.parse().ok()?),
        Primitive::Duration => Value::Duration(Duration::parse(text)?),
        Primitive::HexBinary => Value::Octets(hex(text)?),
        Primitive::Base64Binary => Value::Octets(base64(text)?),
        Primitive::QName | Primitive::Notation => Value::Name(match scope {
            Some(scope) => scope.qname(text)?,
            None => Scope::default().qname(text)?,
        }),
        moment => Value::Moment(Moment::parse(moment, text)?),
    })
}

/// A decimal of any length: digits without leading zeros before and without trailing zeros behind the point.
#[derive(Clone, Debug)]
pub(crate) struct Decimal<'t> {
    negative: bool,
    integer: Cow<'t, str>,
    fraction: Cow<'t, str>,
}

impl<'t> Decimal<'t> {
    pub(crate) fn parse(text: &'t str) -> Option<Self> {
        let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
        let point = digits.bytes().position(|byte| byte == b'.');
        let (integer, fraction) = point.map_or(Some((digits, "")), |at| digits.get(..at).zip(digits.get(at + 1..)))?;
        let plain = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        let plain = integer.len() + fraction.len() > 0 && plain(integer) && plain(fraction);
        let zeros = integer.bytes().take_while(|byte| *byte == b'0').count();
        let significant = fraction.len() - fraction.bytes().rev().take_while(|byte| *byte == b'0').count();
        let (integer, fraction) = (integer.get(zeros..)?, fraction.get(..significant)?);
        let negative = text.starts_with('-') && integer.len() + fraction.len() > 0;
        plain.then_some(Self { negative, integer: Cow::Borrowed(integer), fraction: Cow::Borrowed(fraction) })
    }

    fn into_owned(self) -> Decimal<'static> {
        Decimal {
            negative: self.negative,
            integer: Cow::Owned(self.integer.into_owned()),
            fraction: Cow::Owned(self.fraction.into_owned()),
        }
    }

    pub(crate) fn order(&self, other: &Decimal<'_>) -> Ordering {
        let size = |left: &Self, right: &Decimal<'_>| {
            let integer = left.integer.len().cmp(&right.integer.len()).then_with(|| (*left.integer).cmp(&*right.integer));
            integer.then_with(|| (*left.fraction).cmp(&*right.fraction))
        };
        match (self.negative, other.negative) {
            (false, false) => size(self, other),
            (true, true) => size(self, other).reverse(),
            (negative, _) => {
                if negative {
                    Ordering::Less
                } else {
                    Ordering::Greater
                }
            }
        }
    }

    /// The same text for equal values.
    pub(crate) fn canonical(&self) -> String {
        format!("{}{}.{}", if self.negative { "-" } else { "" }, self.integer, self.fraction)
    }

    /// Significant digits (totalDigits): zeros that carry nothing do not count.
    pub(crate) fn digits(&self) -> usize {
        match self.integer.is_empty() {
            true => self.fraction.trim_start_matches('0').len().max(1),
            false => self.integer.len() + self.fraction.len(),
        }
    }

    pub(crate) fn fraction_digits(&self) -> usize {
        self.fraction.len()
    }
}

/// A lexical form of float or double that Rust's parser reads alike (part 2 §3.2.4.1).
fn float(text: &str) -> Option<&str> {
    match text {
        "INF" => return Some("inf"),
        "-INF" => return Some("-inf"),
        "NaN" => return Some("NaN"),
        _ => {}
    }
    let mut parts = text.splitn(2, ['e', 'E']);
    let mantissa = parts.next().is_some_and(|mantissa| Decimal::parse(mantissa).is_some());
    let exponent = parts.next().is_none_or(|exponent| !exponent.contains('.') && Decimal::parse(exponent).is_some());
    (mantissa && exponent).then_some(text)
}

fn hex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: &u8| char::from(*byte).to_digit(16);
    text.as_bytes()
        .chunks(2)
        .map(|pair| match pair {
            [high, low] => u8::try_from(digit(high)? * 16 + digit(low)?).ok(),
            _ => None,
        })
        .collect()
}

/// RFC 2045 base64 as part 2 §3.2.16 has it: white space between characters, padding in place, unused bits zero.
fn base64(text: &str) -> Option<Vec<u8>> {
    let mut octets = Vec::with_capacity(text.len() / 4 * 3);
    let (mut bits, mut held, mut padding) = (0_u32, 0_u32, 0_u32);
    for byte in text.bytes().filter(|byte| *byte != b' ') {
        let six = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            b'=' => {
                padding += 1;
                continue;
            }
            _ => return None,
        };
        if padding > 0 {
            return None;
        }
        bits = bits << 6 | u32::from(six);
        held += 6;
        if held >= 8 {
            held -= 8;
            octets.push(u8::try_from(bits >> held & 0xFF).ok()?);
            bits &= (1 << held) - 1;
        }
    }
    let whole = matches!((held, padding), (0, 0) | (2, 1) | (4, 2));
    (whole && bits == 0).then_some(octets)
}

/// RFC 2396 as amended by RFC 2732, after the escaping of XLink §5.4: what is certainly wrong is refused.
pub(crate) fn is_uri(text: &str) -> bool {
    let escapes = text.split('%').skip(1).all(|tail| tail.as_bytes().get(..2).is_some_and(|two| two.iter().all(u8::is_ascii_hexdigit)));
    escapes && !text.starts_with(':') && text.matches('#').count() <= 1
}
