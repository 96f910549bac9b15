//! Particles: elements, model groups and wildcards with their occurrence (part 1 §3.7 to §3.10).

use super::components::{At, Compiler, DEPTH_MAX};
use crate::schema::{ElementId, Namespaces, Particle, Process, Term, Wildcard};
use crate::tree::QName;
use std::sync::Arc;

impl<'d> Compiler<'d> {
    /// Part 1 §3.9.2: an element, group, wildcard or model group with its occurrence.
    pub(super) fn particle(&mut self, at: At<'d>) -> Option<Particle> {
        if self.nested >= DEPTH_MAX {
            self.report(at, "unsupported", format!("more than {DEPTH_MAX} groups stand in one another"));
            return None;
        }
        self.nested += 1;
        let particle = self.particle_in(at);
        self.nested -= 1;
        particle
    }

    fn particle_in(&mut self, at: At<'d>) -> Option<Particle> {
        let (min, max) = self.occurs(at);
        let source = at.item.source.clone();
        let term = match at.item.local {
            "element" => Term::Element(self.local_element(at)?),
            "any" => Term::Any(self.wildcard(at)),
            "group" => {
                let Some(text) = at.item.token("ref") else {
                    self.report(at, "s4s-att-must-appear", "a group inside a type is a reference");
                    return None;
                };
                if !at.item.children.is_empty() {
                    self.report(at, "s4s-elt-invalid-content", "a reference to a group holds nothing");
                }
                let name = self.name_in(at, text)?;
                // Inside a redefinition the group's own name is that of the group it redefines.
                let below = self.redefining.as_ref().filter(|(own, _)| *own == name).map(|(_, level)| level.saturating_sub(1));
                let levels = self.groups.get(&name).map(Vec::as_slice).unwrap_or_default();
                let level = below.unwrap_or(levels.len().saturating_sub(1));
                let Some(group) = levels.get(level).copied() else {
                    if self.is_missing(at, "group", &name) {
                        let term = Term::Any(Wildcard { namespaces: Namespaces::Any, process: Process::Lax });
                        return Some(Particle { min: 0, max: None, term, source });
                    }
                    let known = self.groups.keys().cloned().collect();
                    self.unresolved(at, "group", &name, known);
                    return None;
                };
                self.named_group(group, &name, level)?.term
            }
            "sequence" => Term::Sequence(self.particles(at)),
            "choice" => Term::Choice(self.particles(at)),
            _ => {
                let members = self.particles(at);
                if members.iter().any(|member| member.max.is_none_or(|max| max > 1)) || max != Some(1) {
                    self.report(at, "cos-all-limited.2", "an all group and its members stand once at most");
                }
                Term::All(members)
            }
        };
        if matches!(term, Term::All(_)) && at.item.local == "group" && max.is_none_or(|max| max > 1) {
            self.report(at, "cos-all-limited.1.2", "an all group stands once at most");
        }
        Some(Particle { min, max, term, source })
    }

    fn particles(&mut self, at: At<'d>) -> Vec<Particle> {
        let mut particles = Vec::new();
        for child in at.children(&["element", "group", "choice", "sequence", "any"]) {
            let particle = self.particle(child);
            if let Some(Particle { term: Term::All(_), .. }) = particle {
                self.report(child, "cos-all-limited.1.2", "an all group is the whole content of a type");
                continue;
            }
            particles.extend(particle);
        }
        particles
    }

    /// Reads a named group: `level` is the number of redefinitions below this one.
    pub(super) fn named_group(&mut self, at: At<'d>, name: &QName, level: usize) -> Option<Particle> {
        let key = (name.clone(), level);
        match self.read_groups.get(&key) {
            Some(Some(particle)) => {
                // What is refused is not copied first: groups of groups multiply.
                let weight = particle.weight();
                return if self.may_copy(at, weight) { self.read_groups.get(&key).cloned().flatten() } else { None };
            }
            Some(None) => {
                self.report(at, "mg-props-correct.2", format!("the group {name} contains itself"));
                return None;
            }
            None => {}
        }
        self.read_groups.insert(key.clone(), None);
        let inner = at.first(&["all", "choice", "sequence"]);
        if let Some(inner) = inner.filter(|inner| ["minOccurs", "maxOccurs"].iter().any(|name| inner.item.attribute(name).is_some())) {
            self.report(inner, "s4s-att-not-allowed", "the occurrence of a group is said where it is referred to");
        }
        if inner.is_none() {
            self.report(at, "s4s-elt-invalid-content", "a named group holds an all, a choice or a sequence");
        }
        let around = std::mem::replace(&mut self.redefining, (level > 0).then(|| key.clone()));
        let particle = inner.and_then(|inner| self.particle(inner));
        self.redefining = around;
        match &particle {
            Some(particle) => self.read_groups.insert(key, Some(particle.clone())),
            None => self.read_groups.remove(&key),
        };
        if let (Some(particle), Some(below)) = (&particle, level.checked_sub(1)) {
            self.redefined_group(at, name, particle, below);
        }
        particle
    }

    fn local_element(&mut self, at: At<'d>) -> Option<ElementId> {
        if let Some(text) = at.item.token("ref") {
            let own =
                ["name", "type", "nillable", "default", "fixed", "form", "block"].iter().any(|other| at.item.attribute(other).is_some());
            if own || !at.item.children.is_empty() {
                self.report(at, "src-element.2", "a reference to an element has nothing of its own but its occurrence");
            }
            return self.element_in(at, text);
        }
        if ["substitutionGroup", "abstract", "final"].iter().any(|other| at.item.attribute(other).is_some()) {
            self.report(at, "s4s-att-not-allowed", "substitutionGroup, abstract and final are for global elements");
        }
        let local = self.own_name(at)?;
        let name = self.local_name(at, local, "elementFormDefault");
        let id = self.new_element(at, name);
        self.fill_element(at, id, false);
        Some(id)
    }

    fn occurs(&mut self, at: At<'_>) -> (u32, Option<u32>) {
        let number = |text: &str| {
            let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            // A count beyond what any document can have is as good as the greatest one.
            plain.then(|| text.parse::<u32>().unwrap_or(u32::MAX))
        };
        let (min_text, max_text) = (at.item.token("minOccurs").unwrap_or("1"), at.item.token("maxOccurs").unwrap_or("1"));
        let min = number(min_text);
        let max = if max_text == "unbounded" { Some(None) } else { number(max_text).map(Some) };
        match (min, max) {
            (Some(min), Some(Some(max))) if min > max => {
                self.report(at, "p-props-correct.2.1", format!("minOccurs {min} is more than maxOccurs {max}"));
                (min, Some(min))
            }
            (Some(min), Some(max)) => (min, max),
            _ => {
                self.report(at, "s4s-att-invalid-value", format!("minOccurs='{min_text}' maxOccurs='{max_text}' is no occurrence"));
                (1, Some(1))
            }
        }
    }

    /// Part 1 §3.10.2.
    pub(super) fn wildcard(&mut self, at: At<'_>) -> Wildcard {
        let process = match at.item.token("processContents") {
            None | Some("strict") => Process::Strict,
            Some("lax") => Process::Lax,
            Some("skip") => Process::Skip,
            Some(other) => {
                self.report(at, "s4s-att-invalid-value", format!("processContents has no value '{other}'"));
                Process::Strict
            }
        };
        let target = &at.schema.target;
        let namespaces = match at.item.token("namespace") {
            None | Some("##any") => Namespaces::Any,
            Some("##other") => Namespaces::Not(Arc::clone(target)),
            Some(list) => {
                let mut these: Vec<Arc<str>> = Vec::new();
                for word in crate::simple::words(list) {
                    match word {
                        "##targetNamespace" => these.push(Arc::clone(target)),
                        "##local" => these.push("".into()),
                        word if word.starts_with("##") => {
                            self.report(at, "s4s-att-invalid-value", format!("namespace has no value '{word}'"))
                        }
                        word => these.push(word.into()),
                    }
                }
                Namespaces::These(these)
            }
        };
        Wildcard { namespaces, process }
    }
}
