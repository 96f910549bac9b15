//! The closed list of functions that a value may pass through: no loops, no recursion, no input or output.

use crate::date::{Moment, Pattern};
use crate::decimal::{Decimal, Factor, NumberPattern};
use crate::path::split_outside;
use regex::{Regex, RegexBuilder};
use std::collections::BTreeMap;

/// One function with its arguments.
#[derive(Clone, Debug)]
pub(crate) enum Function {
    Trim,
    Upper,
    Lower,
    /// Takes these characters out, wherever they stand.
    Strip(String),
    /// Fills up at the left to a width in characters.
    Pad(usize, char),
    /// From a character, counted from 1, and how many.
    Substring(usize, Option<usize>),
    Replace(Box<Regex>, String),
    /// The pieces in their order; `None` is the value itself.
    Concat(Vec<Option<String>>),
    /// The piece at this position, counted from 1, between separators.
    Split(String, usize),
    /// A decimal number in a pattern.
    Number(NumberPattern),
    /// An xs:date or xs:dateTime in a pattern.
    Date(Pattern),
    /// A decimal number in another unit.
    Unit(Factor),
}

impl Function {
    /// Whether nothing of the value is in the result.
    pub(crate) fn drops(&self) -> bool {
        matches!(self, Self::Concat(pieces) if pieces.iter().all(Option::is_some))
    }
}

const NAMES: [&str; 12] =
    ["trim", "upper", "lower", "strip", "pad", "substring", "replace", "concat", "split", "number-format", "date-format", "unit"];
const PATTERN_BYTES_MAX: usize = 1 << 16;
const WIDTH_MAX: usize = 1024;

/// Functions that one value may pass, those of named chains counted each.
const FUNCTIONS_MAX: usize = 256;

/// Reads a chain such as `trim upper replace('[^0-9]','')`; `named` are the chains of `m:fn` so far.
pub(crate) fn chain(text: &str, named: &BTreeMap<String, Vec<Function>>) -> Result<Vec<Function>, String> {
    let wrong = |why: String| format!("via '{text}': {why}");
    let pieces = split_outside(text.trim(), ' ').ok_or_else(|| wrong("a quote or a parenthesis does not close".to_owned()))?;
    let mut functions = Vec::new();
    for piece in pieces.into_iter().map(str::trim).filter(|piece| !piece.is_empty()) {
        let (name, arguments) = piece.split_once('(').unwrap_or((piece, ")"));
        let arguments = arguments.strip_suffix(')').ok_or_else(|| wrong(format!("'{piece}' does not end with its parenthesis")))?;
        if let Some(composed) = named.get(name).filter(|_| arguments.is_empty()) {
            functions.extend(composed.iter().cloned());
            if functions.len() > FUNCTIONS_MAX {
                return Err(wrong(format!("more than {FUNCTIONS_MAX} functions, one after the other")));
            }
            continue;
        }
        let arguments = read_arguments(arguments).map_err(wrong)?;
        functions.push(function(name, &arguments).map_err(wrong)?);
    }
    Ok(functions)
}

#[derive(Debug)]
enum Argument {
    Text(String),
    Number(usize),
    Value,
}

fn read_arguments(text: &str) -> Result<Vec<Argument>, String> {
    if text.trim().is_empty() {
        return Ok(Vec::new());
    }
    let pieces = split_outside(text, ',').ok_or_else(|| "a quote does not close".to_owned())?;
    pieces
        .into_iter()
        .map(str::trim)
        .map(|piece| {
            let quoted = piece.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\''));
            match (quoted, piece.parse()) {
                (Some(text), _) => Ok(Argument::Text(text.to_owned())),
                (None, Ok(number)) => Ok(Argument::Number(number)),
                (None, Err(_)) if piece == "." => Ok(Argument::Value),
                (None, Err(_)) => Err(format!("{piece} is neither a number, a quoted text nor .")),
            }
        })
        .collect()
}

fn function(name: &str, arguments: &[Argument]) -> Result<Function, String> {
    match (name, arguments) {
        ("trim", []) => Ok(Function::Trim),
        ("upper", []) => Ok(Function::Upper),
        ("lower", []) => Ok(Function::Lower),
        ("strip", []) => Ok(Function::Strip(" \t\r\n".to_owned())),
        ("strip", [Argument::Text(characters)]) => Ok(Function::Strip(characters.clone())),
        ("pad", [Argument::Number(width), Argument::Text(fill)]) => {
            let mut letters = fill.chars();
            match (letters.next(), letters.next()) {
                (Some(fill), None) if *width <= WIDTH_MAX => Ok(Function::Pad(*width, fill)),
                _ => Err(format!("pad takes a width up to {WIDTH_MAX} and one character")),
            }
        }
        ("substring", [Argument::Number(start)]) if *start > 0 => Ok(Function::Substring(*start, None)),
        ("substring", [Argument::Number(start), Argument::Number(length)]) if *start > 0 => Ok(Function::Substring(*start, Some(*length))),
        ("replace", [Argument::Text(pattern), Argument::Text(with)]) => {
            let regex =
                RegexBuilder::new(pattern).size_limit(PATTERN_BYTES_MAX).build().map_err(|why| format!("pattern '{pattern}': {why}"))?;
            Ok(Function::Replace(Box::new(regex), with.clone()))
        }
        ("concat", pieces) if !pieces.is_empty() => pieces
            .iter()
            .map(|piece| match piece {
                Argument::Text(text) => Ok(Some(text.clone())),
                Argument::Value => Ok(None),
                Argument::Number(number) => Err(format!("concat takes quoted texts and ., not {number}")),
            })
            .collect::<Result<_, _>>()
            .map(Function::Concat),
        ("split", [Argument::Text(separator), Argument::Number(position)]) if !separator.is_empty() && *position > 0 => {
            Ok(Function::Split(separator.clone(), *position))
        }
        ("number-format", [Argument::Text(pattern)]) => NumberPattern::parse(pattern).map(Function::Number),
        ("date-format", [Argument::Text(pattern)]) => {
            Pattern::parse(pattern).map(Function::Date).map_err(|why| format!("pattern '{pattern}': {why}"))
        }
        ("unit", [Argument::Text(from), Argument::Text(to)]) => Factor::between(from, to).map(Function::Unit),
        _ if NAMES.contains(&name) => Err(format!("{name} does not take these arguments")),
        _ => Err(format!("there is no function '{name}'; there are {}", NAMES.join(", "))),
    }
}

impl Function {
    /// The value after this function; `None` where it has no such piece, or is no number or date where one is needed.
    pub(crate) fn apply(&self, value: &str) -> Option<String> {
        match self {
            Self::Trim => Some(value.trim().to_owned()),
            Self::Upper => Some(value.to_uppercase()),
            Self::Lower => Some(value.to_lowercase()),
            Self::Strip(characters) => Some(value.chars().filter(|letter| !characters.contains(*letter)).collect()),
            Self::Pad(width, fill) => {
                let missing = width.saturating_sub(value.chars().count());
                Some(std::iter::repeat_n(*fill, missing).chain(value.chars()).collect())
            }
            Self::Substring(start, length) => Some(value.chars().skip(start - 1).take(length.unwrap_or(usize::MAX)).collect()),
            Self::Replace(pattern, with) => Some(pattern.replace_all(value, with.as_str()).into_owned()),
            Self::Concat(pieces) => Some(pieces.iter().map(|piece| piece.as_deref().unwrap_or(value)).collect()),
            Self::Split(separator, position) => value.split(separator.as_str()).nth(position - 1).map(str::to_owned),
            Self::Number(pattern) => Decimal::read(value)?.format(pattern),
            Self::Date(pattern) => Moment::read(value.trim())?.format(pattern),
            Self::Unit(factor) => Some(Decimal::read(value)?.times(*factor)?.write()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(via: &str, value: &str, expected: &str) {
        let named = BTreeMap::from([("plate".to_owned(), vec![Function::Trim, Function::Upper])]);
        let shown = match chain(via, &named) {
            Ok(functions) => {
                functions.iter().try_fold(value.to_owned(), |value, function| function.apply(&value)).unwrap_or("none".to_owned())
            }
            Err(_) => "wrong".to_owned(),
        };
        assert_eq!(shown, expected, "{via}");
    }

    #[test]
    fn functions_do_what_they_say() {
        check("trim upper", " a1 ", "A1");
        check("plate strip('·')", " 沪a·1 ", "沪A1");
        check("pad(5,'0')", "12", "00012");
        check("substring(2,3)", "北京市海淀区", "京市海");
        check("substring(9)", "short", "");
        check("replace('([0-9]+)kg','$1')", "1500kg", "1500");
        check("concat('urn:', ., ' x')", "a", "urn:a x");
        check("split('/',2)", "a/b/c", "b");
        check("split('/',9)", "a/b/c", "none");
        check("number-format('0.00')", "1", "1.00");
        check("number-format('0.00')", "one", "none");
        check("trim unit('kg','t') number-format('0.000')", " 1500 ", "1.500");
        check("date-format('yyyyMMdd')", "2026-07-03+08:00", "20260703");
        check("date-format('dd.MM.yyyy HH:mm')", "2026-07-03T09:05:00Z", "03.07.2026 09:05");
        check("date-format('yyyyMMddHHmmss')", "2026-07-03", "none");
        for bad in [
            "number-format('x')",
            "date-format('yy')",
            "unit('kg','m')",
            "trimm",
            "pad(5)",
            "pad(5,'ab')",
            "replace('(','')",
            "substring(0)",
            "trim(",
            "concat(1)",
            "pad(99999,'0')",
        ] {
            check(bad, "x", "wrong");
        }
    }
}
