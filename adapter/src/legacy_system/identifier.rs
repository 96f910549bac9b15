//! Numbers with check digits: citizens (GB 11643), organisations (GB 32100, GB 11714), vehicles (GB 16735, ISO 3779).

/// Sum of weight times value.
fn weighted(weights: &[u64], values: impl Iterator<Item = u64>) -> u64 {
    weights.iter().zip(values).map(|(weight, value)| weight * value).sum()
}

fn digit_values(text: &str) -> impl Iterator<Item = u64> {
    text.chars().map(|c| c.to_digit(36).unwrap_or_default().into())
}

fn nth(alphabet: &str, index: u64) -> char {
    alphabet.chars().nth(usize::try_from(index).unwrap_or_default()).unwrap_or('0')
}

/// A citizen's number from its first 17 digits (GB 11643-1999 §4.2.4, ISO 7064 mod 11-2).
pub(super) fn citizen(first17: &str) -> String {
    const WEIGHTS: [u64; 17] = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
    let mut number = first17.to_owned();
    number.push(nth("10X98765432", weighted(&WEIGHTS, digit_values(first17)) % 11));
    number
}

/// An organisation's unified social credit code from its kind and division (8 characters) and the first 8 of its
/// organisation code (GB 32100-2015 §4.2, GB 11714-1997 §4.2).
pub(super) fn organisation(kind_and_division: &str, organisation8: &str) -> String {
    const ALPHABET: &str = "0123456789ABCDEFGHJKLMNPQRTUWXY";
    const ORGANISATION: [u64; 8] = [3, 7, 9, 10, 5, 8, 4, 2];
    const CODE: [u64; 17] = [1, 3, 9, 27, 19, 26, 16, 17, 20, 29, 25, 13, 8, 24, 10, 30, 28];
    let mut code = [kind_and_division, organisation8].concat();
    code.push(nth("0X987654321", weighted(&ORGANISATION, digit_values(organisation8)) % 11));
    let value = |c: char| ALPHABET.chars().position(|known| known == c).and_then(|at| u64::try_from(at).ok()).unwrap_or_default();
    let sum = weighted(&CODE, code.chars().map(value));
    code.push(nth(ALPHABET, (31 - sum % 31) % 31));
    code
}

/// A vehicle identification number from its 17 characters; what stands at the ninth is replaced by the check digit
/// (GB 16735-2019 §5.3.3).
pub(super) fn vin(characters: &str) -> String {
    const WEIGHTS: [u64; 17] = [8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2];
    let value = |c: char| match c {
        '0'..='9' => c.to_digit(10).unwrap_or_default().into(),
        'A' | 'J' => 1,
        'B' | 'K' | 'S' => 2,
        'C' | 'L' | 'T' => 3,
        'D' | 'M' | 'U' => 4,
        'E' | 'N' | 'V' => 5,
        'F' | 'W' => 6,
        'G' | 'P' | 'X' => 7,
        'H' | 'Y' => 8,
        'R' | 'Z' => 9,
        _ => 0,
    };
    let check = nth("0123456789X", weighted(&WEIGHTS, characters.chars().map(value)) % 11);
    characters.chars().enumerate().map(|(at, c)| if at == 8 { check } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_numbers_have_their_check_digits() {
        assert_eq!(citizen("11010519491231002"), "11010519491231002X", "GB 11643-1999, 4.2.4");
        assert_eq!(citizen("44052418800101001"), "440524188001010014", "GB 11643-1999, 4.2.4");
        assert_eq!(organisation("91350100", "M000100Y"), "91350100M000100Y43", "GB 32100-2015, annex B");
        assert_eq!(vin("1M8GDM9A?KP042788"), "1M8GDM9AXKP042788", "49 CFR 565, the published example");
        assert_eq!(vin("11111111111111111"), "11111111111111111");
    }
}
