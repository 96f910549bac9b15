//! XPath 1.0 expressions as text, composed so that their meaning stays.

use xsd::tree::QName;

/// A test that always holds, and one that never does.
pub(crate) const ALWAYS: &str = "true()";
pub(crate) const NEVER: &str = "false()";
pub(crate) const XSI: &str = "http://www.w3.org/2001/XMLSchema-instance";

/// A location path.
#[derive(Clone, Debug)]
pub(crate) struct Xpath {
    pub(crate) text: String,
}

impl Xpath {
    /// The nodes of which a test holds, as a test.
    pub(crate) fn where_(&self, test: &str) -> String {
        match test {
            NEVER => NEVER.to_owned(),
            ALWAYS if self.text == "." => ALWAYS.to_owned(),
            ALWAYS => format!("boolean({})", self.text),
            _ if self.text == "." => test.to_owned(),
            // A step of `.` or `..` takes no predicate of its own.
            _ if self.text.ends_with('.') => format!("boolean({}/self::*[{test}])", self.text),
            _ => format!("boolean({}[{test}])", self.text),
        }
    }
}

/// One of several tests.
pub(crate) fn any(tests: &[String]) -> String {
    if tests.iter().any(|test| test == ALWAYS) {
        return ALWAYS.to_owned();
    }
    let mut some: Vec<&str> = tests.iter().map(String::as_str).filter(|test| *test != NEVER).collect();
    some.dedup();
    match some.as_slice() {
        [] => NEVER.to_owned(),
        [one] => (*one).to_owned(),
        _ => format!("({})", some.join(" or ")),
    }
}

/// All of several tests.
pub(crate) fn all(tests: &[String]) -> String {
    if tests.iter().any(|test| test == NEVER) {
        return NEVER.to_owned();
    }
    let some: Vec<&str> = tests.iter().map(String::as_str).filter(|test| *test != ALWAYS).collect();
    match some.as_slice() {
        [] => ALWAYS.to_owned(),
        [one] => (*one).to_owned(),
        _ => format!("({})", some.join(" and ")),
    }
}

/// Of (condition, then) pairs what stands beside the first condition that holds, and `last` where none does.
pub(crate) fn first(pairs: &[(String, String)], last: &str) -> String {
    if pairs.iter().map(|(_, then)| then.as_str()).chain([last]).all(|then| then == NEVER) {
        return NEVER.to_owned();
    }
    let mut before: Vec<String> = Vec::new();
    let mut cases = Vec::new();
    for (condition, then) in pairs {
        cases.push(all(&before.iter().cloned().chain([condition.clone(), then.clone()]).collect::<Vec<_>>()));
        before.push(format!("not({condition})"));
    }
    cases.push(all(&before.into_iter().chain([last.to_owned()]).collect::<Vec<_>>()));
    any(&cases)
}

/// A string literal, by concat() where it has both quotes.
pub(crate) fn literal(text: &str) -> String {
    match (text.contains('\''), text.contains('"')) {
        (false, _) => ["'", text, "'"].concat(),
        (true, false) => ["\"", text, "\""].concat(),
        (true, true) => {
            let pieces: Vec<String> = text.split('\'').map(|piece| ["'", piece, "'"].concat()).collect();
            format!("concat({})", pieces.join(", \"'\", "))
        }
    }
}

/// Whether the element's xsi:type is one of these names.
pub(crate) fn typed(names: &[QName], declared: bool) -> String {
    let one = |name: &QName| {
        let (local, namespace) = (literal(name.local()), literal(name.namespace()));
        let kind = "normalize-space(@xsi:type)";
        let prefixed = format!(
            "contains({kind}, ':') and substring-after({kind}, ':') = {local} and string(namespace::*[name() = substring-before(normalize-space(../@xsi:type), ':')]) = {namespace}"
        );
        format!("(({prefixed}) or ({kind} = {local} and string(namespace::*[name() = '']) = {namespace}))")
    };
    let tests: Vec<String> = declared.then(|| "not(@xsi:type)".to_owned()).into_iter().chain(names.iter().map(one)).collect();
    any(&tests)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_are_composed_and_simplified() {
        let text = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        assert_eq!(any(&text(&["a", NEVER, "b"])), "(a or b)");
        assert_eq!(any(&text(&["a", ALWAYS])), ALWAYS);
        assert_eq!(all(&text(&["a", ALWAYS])), "a");
        assert_eq!(all(&text(&["a", NEVER])), NEVER);
        assert_eq!(first(&[("a".to_owned(), ALWAYS.to_owned())], NEVER), "a");
        assert_eq!(first(&[("a".to_owned(), NEVER.to_owned()), ("b".to_owned(), "c".to_owned())], NEVER), "(not(a) and b and c)");
        assert_eq!(literal("it's \"x\""), "concat('it', \"'\", 's \"x\"')");
        assert_eq!(Xpath { text: "../a".to_owned() }.where_("b"), "boolean(../a[b])");
        assert_eq!(Xpath { text: "..".to_owned() }.where_("b"), "boolean(../self::*[b])");
    }
}
