//! When a rule has its turn: the branches that it stands in, and what of the source is there or absent in each.

use crate::coverage::{Key, holds_in, wheres};
use xsd::tree::Place;

/// The way to an element or an attribute, from the root.
pub(crate) type Keys = Vec<Key>;

/// The branches that a rule stands in, from the outermost: the number of what parts them, and which of its branches.
pub(crate) type Turn = Vec<(usize, usize)>;

/// One of several cases, of which one happens.
#[derive(Clone, Debug, Default)]
pub(crate) struct Branch {
    /// As the mapping says it.
    pub(crate) words: String,
    pub(crate) place: Place,
    /// What is there in this case.
    pub(crate) present: Vec<Keys>,
    /// What is absent in this case.
    pub(crate) absent: Vec<Keys>,
    /// One rule says in one attribute what comes first, so nobody overlooks it.
    pub(crate) said: bool,
}

/// All places where a mapping parts, and where the compiler is.
#[derive(Debug, Default)]
pub(crate) struct Turns {
    forks: Vec<Vec<Branch>>,
    now: Turn,
}

impl Branch {
    /// Whether what stands at `keys` cannot be there in this case. What predicates ask for says nothing of what they leave out.
    fn excludes(&self, keys: &[Key]) -> bool {
        let speaks = |around: &Keys| holds_in(&wheres(around), &wheres(keys));
        self.absent.iter().any(|absent| follow(absent, keys) == Met::Inside && speaks(absent))
            || self.present.iter().any(|present| follow(present, keys) == Met::OtherType && speaks(present))
    }
}

impl Turns {
    pub(crate) fn fork(&mut self, branches: Vec<Branch>) -> usize {
        self.forks.push(branches);
        self.forks.len() - 1
    }

    /// Goes into a branch; [`Self::leave`] goes out of it.
    pub(crate) fn enter(&mut self, fork: usize, branch: usize) {
        self.now.push((fork, branch));
    }

    pub(crate) fn leave(&mut self) {
        self.now.pop();
    }

    /// Goes out of a branch if one was `entered`.
    pub(crate) fn left(&mut self, entered: bool) {
        if entered {
            self.leave();
        }
    }

    pub(crate) fn now(&self) -> Turn {
        self.now.clone()
    }

    /// The first case in which what stands at `keys` may be there and none of `turns` has its turn.
    pub(crate) fn missed(&self, turns: &[&[(usize, usize)]], keys: &[Key]) -> Option<&Branch> {
        let mut missed = None;
        for turn in turns {
            let (fork, _) = turn.first()?;
            let open = self.forks.get(*fork).into_iter().flatten().enumerate().find_map(|(number, branch)| {
                if branch.excludes(keys) {
                    return None;
                }
                let inner: Vec<&[(usize, usize)]> = turns
                    .iter()
                    .filter_map(|turn| turn.split_first().filter(|(first, _)| **first == (*fork, number)).map(|(_, rest)| rest))
                    .collect();
                if inner.is_empty() { Some(branch) } else { self.missed(&inner, keys) }
            });
            missed = missed.or(Some(open?));
        }
        missed
    }

    /// Whether one document can have both turns, with what is known to be there in each.
    pub(crate) fn meet(&self, left: (&Turn, &Branch), right: (&Turn, &Branch)) -> bool {
        let branches = |(turn, there): (&Turn, &'_ Branch)| -> Vec<Branch> {
            let around = turn.iter().filter_map(|(fork, branch)| self.forks.get(*fork).and_then(|fork| fork.get(*branch)));
            around.chain([there]).cloned().collect()
        };
        let apart = left.0.iter().any(|(fork, branch)| right.0.iter().any(|(other, number)| fork == other && branch != number));
        let (here, there) = (branches(left), branches(right));
        let excluded = |by: &[Branch], what: &[Branch]| {
            let mut keys = what.iter().flat_map(|branch| &branch.present);
            keys.any(|keys| by.iter().any(|branch| branch.excludes(keys)))
        };
        !apart && !excluded(&here, &there) && !excluded(&there, &here)
    }
}

#[derive(PartialEq, Eq)]
enum Met {
    /// It is what `around` leads to, or in it.
    Inside,
    /// They part at a type.
    OtherType,
    Apart,
}

/// How `keys` lie to what `around` leads to. Types that one of the two does not ask for do not part them.
fn follow(around: &[Key], keys: &[Key]) -> Met {
    let (mut around, mut keys) = (around, keys);
    loop {
        match (around, keys) {
            ([Key::Where(_), more @ ..], _) => around = more,
            (_, [Key::Where(_), rest @ ..]) => keys = rest,
            ([Key::Typed(wanted), more @ ..], [Key::Typed(has), rest @ ..]) => {
                if !has.iter().any(|id| wanted.contains(id)) {
                    return Met::OtherType;
                }
                (around, keys) = (more, rest);
            }
            ([], _) => return Met::Inside,
            (_, [Key::Typed(_), rest @ ..]) => keys = rest,
            ([Key::Typed(_), more @ ..], [_, ..]) => around = more,
            ([left, more @ ..], [right, rest @ ..]) if left == right => (around, keys) = (more, rest),
            _ => return Met::Apart,
        }
    }
}
