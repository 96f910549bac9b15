//! Paths of the mapping language: a subset of XPath's syntax, with names resolved and nothing left to run time.

use std::fmt;
use std::sync::Arc;
use xsd::scope::XML_NAMESPACE;
use xsd::tree::{Element, QName};

/// A path, as `h:Patient/h:Name`, `../@dept`, `.`, `h:Payer[h:PersonParty]/h:IdNo`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Path {
    pub(crate) text: String,
    pub(crate) steps: Vec<Step>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// `..`
    Up,
    /// A child element and its predicates.
    Element { name: QName, tests: Vec<Test> },
    /// An attribute: the last step, if there.
    Attribute(QName),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Test {
    /// `[2]`, counted from 1 among those of the name.
    Position(usize),
    /// `[@a='v']`
    Attribute(QName, String),
    /// `[child='v']`
    Child(QName, String),
    /// `[ns:Type]`: the element, where its type is this one or derived from it.
    Type(QName),
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// The prefixes in scope at a place of the mapping document. Without prefix a name is in no namespace, whatever the default is.
#[derive(Clone, Debug, Default)]
pub(crate) struct Scope(Vec<(Arc<str>, Arc<str>)>);

impl Scope {
    /// This scope and what `element` declares.
    pub(crate) fn within(&self, element: &Element) -> Self {
        Self(self.0.iter().chain(element.namespaces()).cloned().collect())
    }

    /// Adds one declaration.
    pub(crate) fn declare(&mut self, prefix: &str, namespace: &str) {
        self.0.push((prefix.into(), namespace.into()));
    }

    pub(crate) fn namespace(&self, prefix: &str) -> Option<&str> {
        match prefix {
            "" => return Some(""),
            "xml" => return Some(XML_NAMESPACE),
            _ => {}
        }
        self.0.iter().rev().find(|(declared, _)| **declared == *prefix).map(|(_, namespace)| &**namespace)
    }

    /// The prefix that the mapping document uses for a namespace; empty where it has none for it.
    pub(crate) fn prefix(&self, namespace: &str) -> Arc<str> {
        let declared = self.0.iter().rev().find(|(prefix, bound)| !prefix.is_empty() && **bound == *namespace);
        declared.map_or_else(|| "".into(), |(prefix, _)| Arc::clone(prefix))
    }

    /// A name as the mapping document writes it; with its namespace in braces where the document has no prefix for it.
    pub(crate) fn show(&self, name: &QName) -> String {
        let prefix = self.prefix(name.namespace());
        if prefix.is_empty() { name.to_string() } else { format!("{prefix}:{}", name.local()) }
    }
}

impl Path {
    /// Reads one path.
    pub(crate) fn parse(text: &str, scope: &Scope) -> Result<Self, String> {
        let text = text.trim();
        let mut steps = Vec::new();
        for piece in split_outside(text, '/').ok_or_else(|| format!("'{text}' has a bracket or a quote that does not close"))? {
            let step = step(piece.trim(), scope).map_err(|why| format!("'{text}': {why}"))?;
            steps.extend(step);
        }
        let ups = steps.iter().take_while(|step| **step == Step::Up).count();
        if steps.iter().skip(ups).any(|step| *step == Step::Up) {
            return Err(format!("'{text}': '..' may stand only at the start"));
        }
        if steps.iter().rev().skip(1).any(|step| matches!(step, Step::Attribute(_))) {
            return Err(format!("'{text}': nothing may follow an attribute"));
        }
        Ok(Self { text: text.to_owned(), steps })
    }

    /// Reads alternatives parted by `|`.
    pub(crate) fn alternatives(text: &str, scope: &Scope) -> Result<Vec<Self>, String> {
        let pieces = split_outside(text, '|').ok_or_else(|| format!("'{text}' has a bracket or a quote that does not close"))?;
        pieces.into_iter().map(|piece| Self::parse(piece, scope)).collect()
    }
}

fn step(piece: &str, scope: &Scope) -> Result<Option<Step>, String> {
    match piece {
        "" => return Err("an empty step (paths are relative, '//' is not in the language)".to_owned()),
        "." => return Ok(None),
        ".." => return Ok(Some(Step::Up)),
        _ => {}
    }
    if let Some(attribute) = piece.strip_prefix('@') {
        return name(attribute, scope).map(|name| Some(Step::Attribute(name)));
    }
    let (head, mut rest) = piece.find('[').and_then(|at| piece.split_at_checked(at)).unwrap_or((piece, ""));
    let mut tests = Vec::new();
    while let Some(open) = rest.strip_prefix('[') {
        let end = end_of_predicate(open).ok_or("a predicate that does not close")?;
        let (inside, after) = open.split_at_checked(end).ok_or("a predicate that does not close")?;
        tests.push(test(inside.trim(), scope)?);
        rest = after.strip_prefix(']').unwrap_or(after).trim_start();
    }
    if !rest.is_empty() {
        return Err(format!("'{rest}' after a predicate"));
    }
    if tests.iter().skip(1).any(|test| matches!(test, Test::Position(_))) {
        let first = "a position counts all elements of the name, so it stands before other predicates";
        return Err(format!("{first}: {head}[1][…]; to have the first that satisfies a predicate is not in the language, m:each has all"));
    }
    Ok(Some(Step::Element { name: name(head.trim(), scope)?, tests }))
}

fn test(inside: &str, scope: &Scope) -> Result<Test, String> {
    if let Ok(position) = inside.parse::<usize>() {
        return if position == 0 { Err("positions count from 1".to_owned()) } else { Ok(Test::Position(position)) };
    }
    let Some((left, right)) = inside.split_once('=') else {
        return name(inside, scope).map(Test::Type);
    };
    let value = unquote(right.trim()).ok_or_else(|| format!("{right} is not a quoted value"))?;
    match left.trim().strip_prefix('@') {
        Some(attribute) => Ok(Test::Attribute(name(attribute, scope)?, value.to_owned())),
        None => Ok(Test::Child(name(left.trim(), scope)?, value.to_owned())),
    }
}

/// A name of a path or of an attribute of the mapping: without prefix it is in no namespace.
pub(crate) fn name(text: &str, scope: &Scope) -> Result<QName, String> {
    let (prefix, local) = text.split_once(':').unwrap_or(("", text));
    let plain = !local.is_empty() && local.chars().all(|letter| letter.is_alphanumeric() || "_-.".contains(letter));
    let starts = local.chars().next().is_some_and(|letter| letter.is_alphabetic() || letter == '_');
    if !plain || !starts || (prefix.is_empty() && text.contains(':')) {
        return Err(format!("'{text}' is not a name (functions and axes are not in the language)"));
    }
    let namespace = scope.namespace(prefix).ok_or_else(|| format!("prefix '{prefix}' is not declared"))?;
    Ok(QName::new(namespace, local))
}

fn unquote(text: &str) -> Option<&str> {
    ['\'', '"'].into_iter().find_map(|quote| text.strip_prefix(quote)?.strip_suffix(quote))
}

fn end_of_predicate(text: &str) -> Option<usize> {
    let mut quote = None;
    for (at, letter) in text.char_indices() {
        match (quote, letter) {
            (None, ']') => return Some(at),
            (None, '\'' | '"') => quote = Some(letter),
            (Some(open), _) if open == letter => quote = None,
            _ => {}
        }
    }
    None
}

/// Splits at `separator` where it stands outside quotes, brackets and parentheses; `None` if one of those does not close.
pub(crate) fn split_outside(text: &str, separator: char) -> Option<Vec<&str>> {
    let (mut pieces, mut start, mut depth, mut quote) = (Vec::new(), 0, 0_usize, None);
    for (at, letter) in text.char_indices() {
        match (quote, letter) {
            (Some(open), _) if open == letter => quote = None,
            (Some(_), _) => {}
            (None, '\'' | '"') => quote = Some(letter),
            (None, '[' | '(') => depth += 1,
            (None, ']' | ')') => depth = depth.checked_sub(1)?,
            (None, _) if letter == separator && depth == 0 => {
                pieces.push(text.get(start..at)?);
                start = at + letter.len_utf8();
            }
            _ => {}
        }
    }
    pieces.push(text.get(start..)?);
    (depth == 0 && quote.is_none()).then_some(pieces)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope() -> Scope {
        Scope(vec![("h".into(), "urn:h".into()), ("".into(), "urn:default".into())])
    }

    fn check(text: &str, expected: &str) {
        let shown = match Path::parse(text, &scope()) {
            Ok(path) => path.steps.iter().map(|step| format!("{step:?}")).collect::<Vec<_>>().join(" "),
            Err(why) => format!("! {why}"),
        };
        let shown = shown
            .replace("QName { namespace: \"urn:h\", local: ", "h(")
            .replace("QName { namespace: \"\", local: ", "(")
            .replace("\" }", "\")");
        assert_eq!(shown, expected, "{text}");
    }

    #[test]
    fn paths_are_read_or_refused_with_a_reason() {
        check(".", "");
        check("hphm", "Element { name: (\"hphm\"), tests: [] }");
        check("../@dept", "Up Attribute((\"dept\"))");
        check("h:A/h:B[2]", "Element { name: h(\"A\"), tests: [] } Element { name: h(\"B\"), tests: [Position(2)] }");
        check("h:C[@field='a/b]|c']", "Element { name: h(\"C\"), tests: [Attribute((\"field\"), \"a/b]|c\")] }");
        check("h:P[h:T]/h:N", "Element { name: h(\"P\"), tests: [Type(h(\"T\"))] } Element { name: h(\"N\"), tests: [] }");
        check("h:P[h:k=\"v\"]", "Element { name: h(\"P\"), tests: [Child(h(\"k\"), \"v\")] }");
        check("//h:P", "! '//h:P': an empty step (paths are relative, '//' is not in the language)");
        check("h:P/../h:Q", "! 'h:P/../h:Q': '..' may stand only at the start");
        check("@a/b", "! '@a/b': nothing may follow an attribute");
        check("z:P", "! 'z:P': prefix 'z' is not declared");
        check(
            "P/@xml:lang",
            "Element { name: (\"P\"), tests: [] } Attribute(QName { namespace: \"http://www.w3.org/XML/1998/namespace\", local: \"lang\"))",
        );
        check("h:P[0]", "! 'h:P[0]': positions count from 1");
        check("h:P[@a=b]", "! 'h:P[@a=b]': b is not a quoted value");
        check("h:P[", "! 'h:P[' has a bracket or a quote that does not close");
        check("text()", "! 'text()': 'text()' is not a name (functions and axes are not in the language)");
    }

    #[test]
    fn alternatives_are_parted_outside_quotes() {
        let paths = Path::alternatives("a | b[@x='p|q'] |c", &scope()).unwrap();
        assert_eq!(paths.iter().map(|path| path.text.as_str()).collect::<Vec<_>>(), ["a", "b[@x='p|q']", "c"]);
    }
}
