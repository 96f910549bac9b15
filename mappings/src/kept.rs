//! What of a source document is kept: a trie over element names, made while rules are compiled, walked while the document passes.
//!
//! Rules name the elements they read by their number here, so that nothing compares names once a document is in.

use crate::plan::{Check, Select};
use std::collections::HashMap;
use xsd::tree::QName;

/// The root of every trie.
pub(crate) const ROOT: usize = 0;

/// The elements that rules read, by the way that leads to them.
#[derive(Debug)]
pub(crate) struct Kept(Vec<Way>);

/// One element by the way that leads to it from the root.
#[derive(Debug, Default)]
pub(crate) struct Way {
    parent: usize,
    /// Its number among the ways of its parent, and how many lead on from it.
    pub(crate) slot: usize,
    pub(crate) slots: usize,
    /// In the order of the schema.
    children: Vec<(QName, usize, usize)>,
    /// The same by their names, until all rules are compiled.
    known: HashMap<QName, usize>,
    /// What rules read of its attributes; they name them by their place here.
    pub(crate) attributes: Vec<QName>,
    /// Whether it is kept; if not, it is at most counted.
    pub(crate) stored: bool,
    /// Whether its text is.
    pub(crate) text: bool,
    /// Whether everything in it is, as it stands.
    pub(crate) whole: bool,
    /// Whether it is kept until the document ends.
    pub(crate) retained: bool,
    /// Which count it adds to.
    pub(crate) counter: Option<usize>,
    /// The blocks whose window it is.
    pub(crate) windows: Vec<usize>,
    /// Whether windows stand in it.
    pub(crate) above: bool,
}

impl Default for Kept {
    fn default() -> Self {
        Self(vec![Way { stored: true, ..Way::default() }])
    }
}

impl Kept {
    /// The way to a child, made where it is new; `rank` is its place in the content model.
    pub(crate) fn child(&mut self, parent: usize, name: &QName, rank: usize) -> usize {
        let next = self.0.len();
        let Some(way) = self.0.get_mut(parent) else { return ROOT };
        if let Some(at) = way.known.get(name) {
            return *at;
        }
        way.known.insert(name.clone(), next);
        way.children.push((name.clone(), next, rank));
        let slot = way.slots;
        way.slots += 1;
        self.0.push(Way { parent, slot, ..Way::default() });
        next
    }

    /// The number of an attribute that is read there.
    pub(crate) fn attribute(&mut self, at: usize, name: &QName) -> usize {
        let Some(way) = self.0.get_mut(at) else { return 0 };
        way.attributes.iter().position(|known| known == name).unwrap_or_else(|| {
            way.attributes.push(name.clone());
            way.attributes.len() - 1
        })
    }

    /// Keeps the element, and those around it; changes what is kept of it by `change`.
    pub(crate) fn keep(&mut self, at: usize, retained: bool, change: impl FnOnce(&mut Way)) {
        if let Some(way) = self.0.get_mut(at) {
            change(way);
        }
        let mut at = at;
        while let Some(way) = self.0.get_mut(at) {
            way.stored = true;
            way.retained |= retained;
            if at == ROOT {
                return;
            }
            at = way.parent;
        }
    }

    /// Makes the element the window of a block.
    pub(crate) fn window(&mut self, at: usize, block: usize) {
        self.keep(at, false, |way| way.windows.push(block));
        let mut at = at;
        while at != ROOT {
            let Some(parent) = self.0.get(at).map(|way| way.parent) else { return };
            at = parent;
            if let Some(way) = self.0.get_mut(at) {
                way.above = true;
            }
        }
    }

    /// Counts the element.
    pub(crate) fn count(&mut self, at: usize, counter: usize) {
        if let Some(way) = self.0.get_mut(at) {
            way.counter = Some(counter);
        }
        let parent = self.0.get(at).map_or(ROOT, |way| way.parent);
        self.keep(parent, false, |_| {});
    }

    /// Whether rules read elements in the one there; attributes and text of its own are not in it.
    pub(crate) fn is_read_inside(&self, at: usize) -> bool {
        let mut children = self.get(at).into_iter().flat_map(|way| &way.children);
        children.any(|(_, child, _)| self.get(*child).is_some_and(|way| way.stored || way.counter.is_some()))
    }

    pub(crate) fn get(&self, at: usize) -> Option<&Way> {
        self.0.get(at)
    }

    /// The ways by their numbers.
    pub(crate) fn ways(&self) -> impl Iterator<Item = &Way> {
        self.0.iter()
    }

    /// Leaves out what is only named, as by `m:ignore`, and puts children into the order of the schema.
    pub(crate) fn finish(&mut self) {
        let live: Vec<bool> = self.0.iter().map(|way| way.stored || way.counter.is_some()).collect();
        for way in &mut self.0 {
            way.known = HashMap::new();
            way.children.retain(|(_, at, _)| live.get(*at).copied().unwrap_or_default());
            way.children.sort_by_key(|(_, _, rank)| *rank);
        }
    }
}

impl Way {
    /// The way to a child. `hint` is where to look first: children mostly come in the order of the schema.
    pub(crate) fn child(&self, name: (&str, &str), hint: &mut usize) -> Option<usize> {
        let (namespace, local) = name;
        let same = |(known, ..): &&(QName, usize, usize)| known.is(namespace, local);
        if let Some((_, to, _)) = self.children.get(*hint).filter(same) {
            return Some(*to);
        }
        let from_here = self.children.iter().enumerate().cycle().skip(*hint).take(self.children.len());
        let (at, (_, to, _)) = from_here.into_iter().find(|(_, child)| same(child))?;
        *hint = at;
        Some(*to)
    }
}

/// Whether a select looks at more than names.
pub(crate) fn is_plain(select: &Select) -> bool {
    select.up == 0 && select.attribute.is_none() && select.down.iter().all(|step| step.checks.is_empty())
}

/// Whether a check counts siblings.
pub(crate) fn counts(check: &Check) -> bool {
    matches!(check, Check::Position(_))
}
