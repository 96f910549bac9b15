//! Check digits of identifiers: vehicles (GB 16735), citizens (GB 11643), organisations (GB 32100).

use crate::date::Pattern;

/// A scheme with a check digit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scheme {
    Vin,
    Citizen,
    Organisation,
}

impl Scheme {
    pub(crate) fn named(name: &str) -> Option<Self> {
        match name {
            "vin" => Some(Self::Vin),
            "gb11643" => Some(Self::Citizen),
            "gb32100" => Some(Self::Organisation),
            _ => None,
        }
    }

    /// Why `value` is not an identifier of this scheme, if it is not.
    pub(crate) fn fault(self, value: &str) -> Option<&'static str> {
        match self {
            Self::Vin if value.len() != 17 => Some("a VIN has 17 characters"),
            Self::Vin => (vin_check(value)? != value.chars().nth(8)?).then_some("the check digit of the VIN does not agree"),
            Self::Citizen => citizen_fault(value),
            Self::Organisation => organisation_fault(value),
        }
    }
}

const VIN_WEIGHTS: [u32; 17] = [8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2];

/// The check character of a VIN; a letter that no VIN has counts as one that never agrees.
fn vin_check(value: &str) -> Option<char> {
    let mut sum = 0;
    for (letter, weight) in value.chars().zip(VIN_WEIGHTS) {
        let Some(number) = vin_number(letter) else { return Some('\0') };
        sum += number * weight;
    }
    if sum % 11 == 10 { Some('X') } else { char::from_digit(sum % 11, 10) }
}

fn vin_number(letter: char) -> Option<u32> {
    match letter {
        '0'..='9' => letter.to_digit(10),
        'A' | 'J' => Some(1),
        'B' | 'K' | 'S' => Some(2),
        'C' | 'L' | 'T' => Some(3),
        'D' | 'M' | 'U' => Some(4),
        'E' | 'N' | 'V' => Some(5),
        'F' | 'W' => Some(6),
        'G' | 'P' | 'X' => Some(7),
        'H' | 'Y' => Some(8),
        'R' | 'Z' => Some(9),
        _ => None,
    }
}

fn citizen_fault(value: &str) -> Option<&'static str> {
    const CHECKS: &str = "10X98765432";
    let Some((digits, check)) = value.split_at_checked(17) else { return Some("a citizen's number has 18 characters") };
    if check.len() != 1 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some("a citizen's number has 17 digits and a check character");
    }
    let day = Pattern::parse("yyyyMMdd").ok().zip(digits.get(6..14)).and_then(|(pattern, day)| pattern.read(day));
    if day.is_none() {
        return Some("the date of birth in the citizen's number is not a day of the calendar");
    }
    let remainder = digits.chars().filter_map(|digit| digit.to_digit(10)).fold(0, |sum, digit| (sum + digit) * 2 % 11);
    let expected = CHECKS.chars().nth(usize::try_from(remainder).unwrap_or(usize::MAX));
    (check.chars().next() != expected).then_some("the check character of the citizen's number does not agree")
}

fn organisation_fault(value: &str) -> Option<&'static str> {
    const ALPHABET: &str = "0123456789ABCDEFGHJKLMNPQRTUWXY";
    let numbers: Option<Vec<usize>> = value.chars().map(|letter| ALPHABET.find(letter)).collect();
    let Some(numbers) = numbers.filter(|numbers| numbers.len() == 18) else {
        return Some("a unified social credit code has 18 characters of 0-9 and A-Y without I, O, S, V");
    };
    let mut weight = 1;
    let mut sum = 0;
    for number in numbers.iter().take(17) {
        sum += number * weight;
        weight = weight * 3 % 31;
    }
    (numbers.last() != Some(&((31 - sum % 31) % 31))).then_some("the check character of the credit code does not agree")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(scheme: Scheme, value: &str, good: bool) {
        assert_eq!(scheme.fault(value).is_none(), good, "{scheme:?} {value}: {:?}", scheme.fault(value));
    }

    #[test]
    fn check_digits_agree() {
        check(Scheme::Vin, "1M8GDM9AXKP042788", true);
        check(Scheme::Vin, "11111111111111111", true);
        check(Scheme::Vin, "1M8GDM9A1KP042788", false);
        check(Scheme::Vin, "1M8GDM9AXKP04278", false);
        check(Scheme::Vin, "1M8GDM9AXKPO42788", false);
        check(Scheme::Citizen, "11010519491231002X", true);
        check(Scheme::Citizen, "440524188001010014", true);
        check(Scheme::Citizen, "110105194912310021", false);
        check(Scheme::Citizen, "11010519490231002X", false);
        check(Scheme::Citizen, "11010519491231002", false);
        check(Scheme::Organisation, "91350100M000100Y43", true);
        check(Scheme::Organisation, "91350100M000100Y44", false);
        check(Scheme::Organisation, "91350100M000100I43", false);
        check(Scheme::Organisation, "", false);
        check(Scheme::Citizen, "一二三四五六七八九十一二三四五六七八", false);
    }
}
