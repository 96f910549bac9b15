//! What names of legacy fields mean: a dictionary of pinyin initials, Chinese and abbreviated English names, and names split into words.

/// A term, its Chinese, and the name of the field in unified terms.
pub(crate) type Entry = (&'static str, &'static str, &'static str);

/// The dictionary, one entry a line: term, Chinese, field name, parted by tabs.
const DICTIONARY: &str = include_str!("names.tsv");

fn entries() -> impl Iterator<Item = Entry> {
    DICTIONARY.lines().filter_map(|line| {
        let mut parts = line.split('\t');
        Some((parts.next()?, parts.next()?, parts.next()?))
    })
}

/// What the dictionary knows of a name: of the whole of it, else of its last words. Whether it was the whole is told too.
pub(crate) fn meaning(name: &str) -> Option<(Entry, bool)> {
    let plain: String = name.chars().filter(|letter| letter.is_alphanumeric()).collect::<String>().to_lowercase();
    let known = |wanted: &str| entries().find(|(term, chinese, _)| *term == wanted || *chinese == wanted);
    if let Some(entry) = known(&plain) {
        return Some((entry, true));
    }
    let words = words(name);
    (1..words.len()).find_map(|from| known(&words.get(from..)?.concat())).map(|entry| (entry, false))
}

/// The words of a name in lower case: `VisitNo`, `visit_no` and `visit-no` have two.
pub(crate) fn words(name: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut before = ' ';
    for letter in name.chars() {
        if !letter.is_alphanumeric() {
            before = ' ';
            continue;
        }
        let digits = letter.is_ascii_digit() != before.is_ascii_digit();
        let starts = before == ' ' || digits || letter.is_uppercase() && before.is_lowercase();
        if starts {
            words.push(String::new());
        }
        if let Some(word) = words.last_mut() {
            word.extend(letter.to_lowercase());
        }
        before = letter;
    }
    words
}

/// A name for `b:Value/@field`: from the dictionary where it knows the whole name, else the name's own words.
pub(crate) fn field(name: &str) -> String {
    if let Some(((_, _, english), true)) = meaning(name) {
        return english.to_owned();
    }
    let joined: String = words(name).join("-").chars().filter(|letter| letter.is_ascii_alphanumeric() || *letter == '-').collect();
    let trimmed: String = joined.trim_matches('-').chars().take(64).collect();
    match trimmed.chars().next() {
        Some(first) if first.is_ascii_lowercase() => trimmed,
        Some(_) => format!("f-{trimmed}").chars().take(64).collect(),
        None => "field".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_dictionary_is_sound() {
        let all: Vec<Entry> = entries().collect();
        assert!(all.len() > 300 && DICTIONARY.lines().all(|line| line.split('\t').count() == 3));
        let mut terms: Vec<&str> = all.iter().map(|(term, ..)| *term).collect();
        terms.sort_unstable();
        assert!(terms.windows(2).all(|pair| pair[0] != pair[1]), "a term stands twice");
        assert!(all.iter().all(|(_, _, english)| english.chars().all(|letter| letter.is_ascii_lowercase() || letter == '-')));
    }

    #[test]
    fn names_have_meanings_and_fields() {
        for (name, expected, field_name) in [
            ("xm", Some(("name", true)), "name"),
            ("SFZH", Some(("citizen-id", true)), "citizen-id"),
            ("hphm", Some(("plate", true)), "plate"),
            ("姓名", Some(("name", true)), "name"),
            ("OwnerXm", Some(("name", false)), "owner-xm"),
            ("BirthDate", Some(("birth-date", true)), "birth-date"),
            ("patient_name", Some(("name", false)), "patient-name"),
            ("Zzyzx", None, "zzyzx"),
            ("2ndWard", None, "f-2-nd-ward"),
        ] {
            assert_eq!(meaning(name).map(|((_, _, english), whole)| (english, whole)), expected, "{name}");
            assert_eq!(field(name), field_name, "{name}");
        }
    }
}
