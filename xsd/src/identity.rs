//! Identity constraints (part 1 §3.11): `unique`, `key` and `keyref`, their XPaths compiled to steps.

use crate::chars;
use crate::schema::Source;
use crate::scope::Scope;
use crate::tree::QName;
use std::sync::Arc;

pub(crate) type ConstraintId = usize;

/// Part 1 §3.11.1: {identity-constraint category}.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Category {
    Unique,
    Key,
    Keyref,
}

/// An identity constraint definition. It belongs to an element declaration and holds inside each element of it.
#[derive(Clone, Debug)]
pub(crate) struct IdentityConstraint {
    pub(crate) name: QName,
    pub(crate) category: Category,
    /// The alternatives of the selector: from the element down to the nodes that are told apart.
    pub(crate) selector: Vec<XPath>,
    /// The alternatives of each field, in order: from a selected node to an element or attribute with a simple value.
    pub(crate) fields: Vec<Vec<XPath>>,
    /// Of a keyref: the key or unique that its values must be found in. `None` after a defect only.
    pub(crate) refer: Option<ConstraintId>,
    pub(crate) source: Source,
}

/// One alternative: `.//` or nothing, child steps (`.` left out: no step is the element itself), an attribute or nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct XPath {
    pub(crate) descendants: bool,
    pub(crate) steps: Vec<NameTest>,
    pub(crate) attribute: Option<NameTest>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum NameTest {
    /// `*`
    Any,
    /// `p:*`
    Namespace(Arc<str>),
    Name(QName),
}

impl NameTest {
    pub(crate) fn matches(&self, name: &QName) -> bool {
        match self {
            Self::Any => true,
            Self::Namespace(namespace) => *name.namespace() == **namespace,
            Self::Name(listed) => listed == name,
        }
    }
}

/// What separates the steps of a path, and the names between them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token<'t> {
    Dot,
    Slash,
    Slashes,
    Bar,
    At,
    Name(&'t str),
}

/// Reads the alternatives of a selector, or of a field, which may end in an attribute (c-selector-xpath, c-fields-xpaths). Names without
/// prefix have no namespace, as XPath 1.0 says.
///
/// # Errors
/// What is wrong, in a few words.
pub(crate) fn parse(text: &str, field: bool, scope: &Scope) -> Result<Vec<XPath>, String> {
    // White space may stand on both sides of an axis.
    let words: Vec<&str> = text.split("::").map(chars::trim).collect();
    let text = words.join("::");
    let tokens = tokens(&text)?;
    tokens.split(|token| *token == Token::Bar).map(|path| alternative(path, field, scope)).collect()
}

const SPACE: [char; 4] = [' ', '\t', '\n', '\r'];

fn tokens(text: &str) -> Result<Vec<Token<'_>>, String> {
    let mut tokens = Vec::new();
    let mut rest = chars::trim(text);
    let separators: [(&str, Token<'static>); 7] = [
        ("child::", Token::Name("")),
        ("attribute::", Token::At),
        ("//", Token::Slashes),
        ("/", Token::Slash),
        ("|", Token::Bar),
        ("@", Token::At),
        (".", Token::Dot),
    ];
    while !rest.is_empty() {
        if let Some((spelled, token)) = separators.iter().find(|(spelled, _)| rest.starts_with(spelled)) {
            // The axis child is what a name without an axis means.
            if *token != Token::Name("") {
                tokens.push(*token);
            } else if !rest
                .get(spelled.len()..)
                .and_then(|after| after.chars().next())
                .is_some_and(|c| c == '*' || chars::starts_name_or_colon(c))
            {
                return Err("child:: without a name".to_owned());
            }
            rest = rest.get(spelled.len()..).unwrap_or_default().trim_start_matches(SPACE);
            continue;
        }
        let name = |c: char| c == '*' || chars::continues_name_or_colon(c);
        let end = rest.find(|c| !name(c)).unwrap_or(rest.len());
        let (word, after) = rest.split_at_checked(end).unwrap_or_default();
        if word.is_empty() {
            return Err(format!("'{}' is no part of the XPath that XML Schema knows", rest.chars().take(20).collect::<String>()));
        }
        tokens.push(Token::Name(word));
        rest = after.trim_start_matches(SPACE);
    }
    Ok(tokens)
}

fn alternative(tokens: &[Token<'_>], field: bool, scope: &Scope) -> Result<XPath, String> {
    let (descendants, tokens) = match tokens {
        [Token::Dot, Token::Slashes, rest @ ..] => (true, rest),
        rest => (false, rest),
    };
    let mut path = XPath { descendants, steps: Vec::new(), attribute: None };
    let mut steps = tokens.split(|token| *token == Token::Slash).peekable();
    while let Some(step) = steps.next() {
        match step {
            [Token::Dot] => {}
            [Token::Name(name)] => path.steps.push(test(name, scope)?),
            [Token::At, Token::Name(name)] if field && steps.peek().is_none() => path.attribute = Some(test(name, scope)?),
            [Token::At, ..] => return Err("an attribute ends a field, and stands nowhere else".to_owned()),
            _ => return Err("a path is names with / between them, .// before it at most".to_owned()),
        }
    }
    Ok(path)
}

fn test(name: &str, scope: &Scope) -> Result<NameTest, String> {
    if name == "*" {
        return Ok(NameTest::Any);
    }
    let namespace = |prefix: &str| scope.namespace(prefix).cloned().ok_or_else(|| format!("the prefix of '{name}' is not declared"));
    if let Some(prefix) = name.strip_suffix(":*").filter(|prefix| chars::is_ncname(prefix)) {
        return namespace(prefix).map(NameTest::Namespace);
    }
    match chars::split_qname(name).ok_or_else(|| format!("'{name}' is no name"))? {
        ("", local) => Ok(NameTest::Name(QName::new("", local))),
        (prefix, local) => Ok(NameTest::Name(QName::new(namespace(prefix)?, local))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_subset_of_xpath() {
        let mut scope = Scope::default();
        scope.enter();
        scope.declare("p".into(), "urn:p".into());
        let check = |text: &str, field: bool, expected: &str| {
            let shown = |test: &NameTest| match test {
                NameTest::Any => "*".to_owned(),
                NameTest::Namespace(namespace) => format!("{{{namespace}}}*"),
                NameTest::Name(name) => name.to_string(),
            };
            let found = parse(text, field, &scope).map(|paths| {
                let one = |path: &XPath| {
                    let steps: Vec<String> = path.steps.iter().map(shown).collect();
                    let attribute = path.attribute.iter().map(|test| format!(" @{}", shown(test))).collect::<String>();
                    format!("{}{}{attribute}", if path.descendants { ".//" } else { "" }, steps.join(" "))
                };
                paths.iter().map(one).collect::<Vec<_>>().join(" | ")
            });
            assert_eq!(found.as_deref().unwrap_or("error"), expected, "{text}");
        };
        check("a", false, "a");
        check(".", false, "");
        check(" .//p:a / b | * ", false, ".//{urn:p}a b | *");
        check("p:*/./child::b", false, "{urn:p}* b");
        check("a/@p:b", true, "a @{urn:p}b");
        check("attribute :: x", true, " @x");
        check(".//@*", true, ".// @*");
        for wrong in
            ["", "/a", "a/", "a//b", "//a", "@a", "a[1]", "..", "a b", "q:a", "a|", "a::b", "child::", "a/@b", "1a", "text()", "child::."]
        {
            check(wrong, false, "error");
        }
        for wrong in ["@a/b", "@", "a/@", "@q:a"] {
            check(wrong, true, "error");
        }
    }
}
