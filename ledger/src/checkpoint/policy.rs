//! Whose signatures make a checkpoint worth trusting: the auditor's trust root, as a C2SP tlog-policy file.

use super::{Checkpoint, Distrust, Line, Note, NoteSignature, Verifier};
use crate::body::{Genesis, Member};
use crate::record::number;
use std::collections::{BTreeMap, BTreeSet};

/// The group over the nodes in a policy that a genesis leads to.
const NODES: &str = "nodes";
/// The quorum that asks for no cosignature.
const NONE: &str = "none";
/// Lines of a policy file.
const LINES_MAX: usize = 4096;

/// Some witnesses and groups, of which a number must be met.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Group {
    name: String,
    count: usize,
    members: Vec<String>,
}

/// The keys of one log and the cosignatures that its checkpoints need.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    logs: Vec<Verifier>,
    witnesses: BTreeMap<String, Verifier>,
    /// A group names witnesses and groups that stand before it: there is no circle.
    groups: Vec<Group>,
    quorum: String,
}

/// Who signed a note, by name in the policy, each once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Signers<'a> {
    /// As the log.
    pub log: BTreeSet<&'a str>,
    /// As cosigners.
    pub cosigners: BTreeSet<&'a str>,
}

impl Policy {
    /// The policy of a genesis: the log's signature by any member's node, and cosignatures of any `Quorum` of them.
    #[must_use]
    pub fn of_genesis(origin: &str, genesis: &Genesis) -> Self {
        Self::of_members(origin, &genesis.members, genesis.quorum)
    }

    /// The log's signature by any of these members' nodes, and cosignatures of any `quorum` of them.
    #[must_use]
    pub fn of_members<'a>(origin: &str, members: impl IntoIterator<Item = &'a Member>, quorum: u64) -> Self {
        let (mut logs, mut witnesses) = (Vec::new(), BTreeMap::new());
        for member in members {
            logs.push(Verifier::log(origin, member.node_key));
            witnesses.insert(member.id.clone(), Verifier::cosigner(&member.id, origin, member.node_key));
        }
        let count = usize::try_from(quorum).unwrap_or(usize::MAX);
        let group = Group { name: NODES.to_owned(), count, members: witnesses.keys().cloned().collect() };
        Self { logs, witnesses, groups: vec![group], quorum: NODES.to_owned() }
    }

    /// The same keys with a quorum of any `count` of the witnesses.
    #[must_use]
    pub fn with_quorum(mut self, count: usize) -> Self {
        let group = Group { name: NODES.to_owned(), count, members: self.witnesses.keys().cloned().collect() };
        (self.groups, self.quorum) = (vec![group], NODES.to_owned());
        self
    }

    /// The ledger's id.
    #[must_use]
    pub fn origin(&self) -> &str {
        self.logs.first().map_or("", |log| log.name.as_str())
    }

    /// The log's keys, one for each node that may sign as the log.
    #[must_use]
    pub fn logs(&self) -> &[Verifier] {
        &self.logs
    }

    /// The cosigner of this name in the policy.
    #[must_use]
    pub fn witness(&self, name: &str) -> Option<&Verifier> {
        self.witnesses.get(name)
    }

    /// Whether the cosignatures of these witnesses are enough.
    #[must_use]
    pub fn met(&self, witnesses: &BTreeSet<&str>) -> bool {
        let (found, wanted) = self.count(witnesses);
        found >= wanted || crate::mutant::is("checkpoint-alone") && found > 0
    }

    /// Reads a note and gives its checkpoint if the log has signed it and enough witnesses have cosigned it.
    ///
    /// # Errors
    /// Malformed, another origin, a wrong signature under a key of the policy, none of the log, or too few cosignatures.
    pub fn verify(&self, text: &str) -> Result<Checkpoint, Distrust> {
        let note = Note::parse(text)?;
        let signers = self.signers(&note)?;
        if signers.log.is_empty() {
            return Err(Distrust::Log);
        }
        let (found, wanted) = self.count(&signers.cosigners);
        if found < wanted { Err(Distrust::Quorum { found, wanted }) } else { Ok(note.checkpoint) }
    }

    /// Whose signatures a note of this log bears.
    ///
    /// # Errors
    /// Another origin, or a signature of a key of the policy that does not verify.
    pub fn signers(&self, note: &Note) -> Result<Signers<'_>, Distrust> {
        if note.checkpoint.origin != self.origin() {
            return Err(Distrust::Origin);
        }
        let text = note.checkpoint.text();
        let mut found = Signers::default();
        let known = self.logs.iter().map(|verifier| (verifier, self.named(verifier)));
        for signature in &note.signatures {
            let witnesses = self.witnesses.iter().map(|(name, verifier)| (verifier, name.as_str()));
            let Some((verifier, name)) = known.clone().chain(witnesses).find(|(verifier, _)| signature.is_of(verifier)) else { continue };
            if !signature.verifies(verifier, &text) {
                return Err(Distrust::Signature(signature.name.clone()));
            }
            match verifier.line {
                Line::Log => found.log.insert(name),
                Line::Cosignature => found.cosigners.insert(name),
            };
        }
        Ok(found)
    }

    /// Whether a line is by one of the policy's keys. Others count for nothing.
    pub(crate) fn knows(&self, line: &NoteSignature) -> bool {
        self.logs.iter().chain(self.witnesses.values()).any(|verifier| line.is_of(verifier))
    }

    /// A log's key is a node's: it goes by the name of the witness with the same key, or by the log's.
    fn named<'a>(&'a self, log: &'a Verifier) -> &'a str {
        self.witnesses.iter().find(|(_, witness)| witness.key == log.key).map_or(&log.name, |(name, _)| name)
    }

    /// How many members of the quorum are met, and how many must be.
    fn count(&self, witnesses: &BTreeSet<&str>) -> (usize, usize) {
        let mut met: BTreeSet<&str> = witnesses.iter().copied().filter(|name| self.witnesses.contains_key(*name)).collect();
        for group in &self.groups {
            let found = group.members.iter().filter(|member| met.contains(member.as_str())).count();
            if group.name == self.quorum {
                return (found, group.count);
            }
            if found >= group.count {
                met.insert(&group.name);
            }
        }
        (usize::from(met.contains(self.quorum.as_str())), usize::from(self.quorum != NONE))
    }

    /// The policy as a C2SP tlog-policy file.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        for log in &self.logs {
            text.push_str(&format!("log {}\n", log.vkey()));
        }
        for (name, verifier) in &self.witnesses {
            text.push_str(&format!("witness {name} {}\n", verifier.vkey()));
        }
        for group in &self.groups {
            text.push_str(&format!("group {} {} {}\n", group.name, group.count, group.members.join(" ")));
        }
        text.push_str(&format!("quorum {}\n", self.quorum));
        text
    }

    /// Reads a C2SP tlog-policy file: `log` lines with keys of one origin, `witness` lines with cosignature/v1 keys, `group`
    /// lines (a number, `any` or `all`, of witnesses and groups named before), one `quorum` line. Empty lines and lines
    /// that start with `#` are skipped, addresses too.
    ///
    /// # Errors
    /// The number of the line that is wrong, from 1; 0 when a line is missing.
    pub fn parse(text: &str) -> Result<Self, usize> {
        let mut policy = Self { logs: Vec::new(), witnesses: BTreeMap::new(), groups: Vec::new(), quorum: String::new() };
        for (at, line) in (1..).zip(text.lines()) {
            let words: Vec<&str> = line.split_ascii_whitespace().collect();
            let skipped = words.first().is_none_or(|first| first.starts_with('#'));
            if at > LINES_MAX || !(skipped || policy.take(&words).is_some()) {
                return Err(at);
            }
        }
        if policy.logs.is_empty() || policy.quorum.is_empty() { Err(0) } else { Ok(policy) }
    }

    fn take(&mut self, words: &[&str]) -> Option<()> {
        match words {
            ["log", vkey] | ["log", vkey, _] => {
                let verifier = Verifier::parse(vkey).filter(|verifier| verifier.line == Line::Log)?;
                let one = self.logs.iter().all(|log| log.name == verifier.name && log.key != verifier.key);
                self.logs.push(verifier);
                one.then_some(())
            }
            ["witness", name, vkey] | ["witness", name, vkey, _] => {
                let verifier = Verifier::parse(vkey).filter(|verifier| verifier.line == Line::Cosignature)?;
                let fresh = self.is_free(name) && self.witnesses.values().all(|other| other.key != verifier.key);
                self.witnesses.insert((*name).to_owned(), verifier);
                fresh.then_some(())
            }
            ["group", name, count, members @ ..] => {
                let distinct: BTreeSet<&str> = members.iter().copied().collect();
                let known = distinct.len() == members.len() && members.iter().all(|member| !self.is_free(member) && *member != NONE);
                let count = match *count {
                    "any" => 1,
                    "all" => members.len(),
                    count => usize::try_from(number(count)?).ok()?,
                };
                let right = known && self.is_free(name) && (1..=members.len()).contains(&count);
                let members = members.iter().map(|member| (*member).to_owned()).collect();
                self.groups.push(Group { name: (*name).to_owned(), count, members });
                right.then_some(())
            }
            ["quorum", name] => {
                let known = self.quorum.is_empty() && !self.is_free(name);
                (*name).clone_into(&mut self.quorum);
                known.then_some(())
            }
            _ => None,
        }
    }

    /// Whether a name is not taken yet; `none` always is.
    fn is_free(&self, name: &str) -> bool {
        name != NONE && !self.witnesses.contains_key(name) && self.groups.iter().all(|group| group.name != name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::NoteSignature;
    use crate::keys::SecretKey;
    use crate::tree::Hash;

    const ORIGIN: &str = "city.example/main/1";

    fn keys() -> Vec<SecretKey> {
        (1_u8..5).map(|n| SecretKey::from_seed([n; 32])).collect()
    }

    fn policy() -> Policy {
        let mut text = String::new();
        for key in &keys()[..3] {
            text.push_str(&format!("log {}\n", Verifier::log(ORIGIN, key.public()).vkey()));
        }
        for (name, key) in ["a", "b", "c"].iter().zip(&keys()) {
            text.push_str(&format!("witness {name} {}\n", Verifier::cosigner(name, ORIGIN, key.public()).vkey()));
        }
        Policy::parse(&format!("{text}group nodes 2 a b c\nquorum nodes\n")).unwrap()
    }

    fn note(origin: &str, log: Option<usize>, cosigners: &[(&str, usize)]) -> String {
        let checkpoint = Checkpoint { origin: origin.to_owned(), size: 7, root: Hash::of(b"root") };
        let (text, keys) = (checkpoint.text(), keys());
        let mut signatures: Vec<NoteSignature> = log.iter().map(|key| NoteSignature::sign(origin, &keys[*key], &text)).collect();
        for (name, key) in cosigners {
            signatures.push(NoteSignature::cosign(
                &Verifier::cosigner(name, origin, keys[*key].public()),
                &keys[*key],
                1_679_315_147,
                &text,
            ));
        }
        Note { checkpoint, signatures }.text()
    }

    #[test]
    fn a_checkpoint_is_believed_by_policy_only() {
        let policy = policy();
        let good = note(ORIGIN, Some(2), &[("a", 0), ("b", 1)]);
        assert_eq!(policy.verify(&good).unwrap().size, 7);
        let quorum = |found| Err(Distrust::Quorum { found, wanted: 2 });
        assert_eq!(policy.verify(&note(ORIGIN, Some(0), &[("a", 0)])), quorum(1));
        assert_eq!(policy.verify(&note(ORIGIN, Some(0), &[("a", 0), ("a", 0)])), quorum(1));
        assert_eq!(policy.verify(&note(ORIGIN, Some(0), &[("a", 1), ("b", 0)])), quorum(0));
        assert_eq!(policy.verify(&note(ORIGIN, None, &[("a", 0), ("b", 1)])), Err(Distrust::Log));
        assert_eq!(policy.verify(&note(ORIGIN, Some(3), &[("a", 0), ("b", 1)])), Err(Distrust::Log));
        assert_eq!(policy.verify(&note("city.example/main/2", Some(0), &[("a", 0), ("b", 1)])), Err(Distrust::Origin));
        let mut timeless = Note::parse(&good).unwrap();
        let text = timeless.checkpoint.text();
        timeless.signatures[1] = NoteSignature::cosign(&Verifier::cosigner("a", ORIGIN, keys()[0].public()), &keys()[0], 0, &text);
        assert!(matches!(policy.verify(&timeless.text()), Err(Distrust::Signature(_))));
        for (at, octet) in good.bytes().enumerate() {
            let mut damaged = good.clone().into_bytes();
            damaged[at] = octet ^ 1;
            let refused = String::from_utf8(damaged).map_or(true, |text| policy.verify(&text).is_err());
            assert!(refused, "octet {at}");
        }
    }

    #[test]
    fn a_policy_file_reads_as_it_was_written() {
        let text = policy().text();
        assert_eq!(Policy::parse(&text), Ok(policy()));
        for (from, to, line) in [
            ("log", "origin", 1),
            ("quorum nodes", "quorum nobody", 8),
            ("group nodes 2", "group nodes 4", 7),
            ("group nodes 2", "group a 2", 7),
            ("group nodes 2 a", "group nodes 2 d", 7),
            ("group nodes 2 a", "group nodes 2 none", 7),
            ("group nodes 2 a b", "group nodes 2 a a", 7),
            ("quorum nodes\n", "", 0),
            ("quorum nodes\n", "quorum nodes\nquorum nodes\n", 9),
            ("witness b", "witness a", 5),
            ("+", "-", 1),
        ] {
            assert_eq!(Policy::parse(&text.replacen(from, to, 1)), Err(line), "{from}");
        }
        let as_witness = Verifier::cosigner("d", ORIGIN, keys()[3].public()).vkey();
        assert_eq!(Policy::parse(&format!("log {as_witness}\nquorum none\n")), Err(1));
        let all = Policy::parse(&text.replace("group nodes 2", "# a comment\n\ngroup nodes all")).unwrap();
        assert_eq!(all.verify(&note(ORIGIN, Some(0), &[("a", 0), ("b", 1)])), Err(Distrust::Quorum { found: 2, wanted: 3 }));
    }

    #[test]
    fn groups_may_hold_groups() {
        let outside = Verifier::cosigner("d", "witness.example", keys()[3].public());
        let text = policy().text().replace(
            "quorum nodes\n",
            &format!("witness outside {} https://witness.example/\ngroup both all nodes outside\nquorum both\n", outside.vkey()),
        );
        let policy = Policy::parse(&text).unwrap();
        let known = note(ORIGIN, Some(0), &[("a", 0), ("b", 1)]);
        assert_eq!(policy.verify(&known), Err(Distrust::Quorum { found: 1, wanted: 2 }));
        let mut note = Note::parse(&known).unwrap();
        let text = note.checkpoint.text();
        note.signatures.push(NoteSignature::cosign(&outside, &keys()[3], 1, &text));
        assert_eq!(policy.verify(&note.text()).unwrap().size, 7);
        let alone = Policy::parse(&format!("log {}\nquorum none\n", Verifier::log(ORIGIN, keys()[0].public()).vkey())).unwrap();
        assert!(alone.verify(&known).is_ok());
    }
}
