//! Documents that verbs make, with their comments: a small tree that the one writer of markup writes.

use xsd::write::Pieces;

/// An element under construction; names are written as given, with their prefixes.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) name: String,
    pub(crate) attributes: Vec<(String, String)>,
    pub(crate) items: Vec<Item>,
}

/// What an element holds.
#[derive(Clone, Debug)]
pub(crate) enum Item {
    Node(Node),
    Text(String),
    /// Without the marks; two hyphens in it are parted.
    Comment(String),
    /// Markup that is whole and was written before.
    Raw(String),
}

/// An empty element.
pub(crate) fn element(name: &str) -> Node {
    Node { name: name.to_owned(), attributes: Vec::new(), items: Vec::new() }
}

impl Node {
    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.attributes.push((name.to_owned(), value.to_owned()));
        self
    }

    /// With an attribute, if there is a value for it.
    pub(crate) fn maybe(self, name: &str, value: Option<&str>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    pub(crate) fn child(mut self, child: Self) -> Self {
        self.items.push(Item::Node(child));
        self
    }

    pub(crate) fn children(mut self, children: impl IntoIterator<Item = Self>) -> Self {
        self.items.extend(children.into_iter().map(Item::Node));
        self
    }

    pub(crate) fn items(mut self, items: impl IntoIterator<Item = Item>) -> Self {
        self.items.extend(items);
        self
    }

    pub(crate) fn text(mut self, text: &str) -> Self {
        self.items.push(Item::Text(text.to_owned()));
        self
    }

    pub(crate) fn comment(mut self, text: &str) -> Self {
        self.items.push(Item::Comment(text.to_owned()));
        self
    }
}

/// The octets as text, without a line that is not in a text.
pub(crate) fn written(item: &Item) -> String {
    let mut pieces = Pieces::with_capacity(4096);
    write(item, &mut pieces);
    String::from_utf8_lossy(&pieces.octets()).into_owned()
}

fn write(item: &Item, pieces: &mut Pieces) {
    match item {
        Item::Text(text) => pieces.text(text),
        Item::Raw(markup) => pieces.splice(markup.as_bytes()),
        Item::Comment(text) => {
            let parted = text.replace("--", "- -");
            pieces.splice(["<!-- ", parted.trim_end_matches('-').trim(), " -->"].concat().as_bytes());
        }
        Item::Node(node) => {
            let attributes: Vec<(&str, &str)> = node.attributes.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            pieces.open(&node.name, &attributes);
            node.items.iter().for_each(|item| write(item, pieces));
            pieces.close(&node.name);
        }
    }
}
