//! The part of the compiler that follows a value: from where it is read, through its functions, to the type it must be of.

use crate::compile::Compiler;
use crate::coverage::Key;
use crate::date::Kind;
use crate::diagnostic::meant;
use crate::document::{Absent, Missing, Set};
use crate::function::Function;
use crate::graph::TypeId;
use crate::judge::{Produced, Verdict, judge, list, texty, words};
use crate::path::Path;
use crate::plan::{self, CodeTable, Select};
use crate::source::{End, Nodes, Resolved};
use crate::target::{Aim, Target, Times};
use std::sync::Arc;
use xsd::Primitive;
use xsd::schema::SimpleType;
use xsd::simple::WhiteSpace;
use xsd::tree::Place;

/// One place a value is read from.
struct From<'s> {
    select: Select,
    simple: SimpleType<'s>,
    optional: bool,
    nillable: bool,
}

impl<'a> Compiler<'a> {
    pub(crate) fn read(
        &mut self,
        set: &Set,
        paths: &[Path],
        place: Place,
        site: (&Nodes, Target<'a>),
        aim: Option<&Aim>,
    ) -> Option<(plan::Value, Times)> {
        let (focus, target) = site;
        let found = self.sources(set, paths, focus, place);
        let codes = self.code_table(set, place);
        if found.len() < paths.len() {
            return None;
        }
        for from in &found {
            self.dates(set, from, place);
            let aimed = aim.and_then(|aim| self.aimed(aim, target, place).map(|simple| (aim, simple)));
            self.fits(set, from, codes.as_deref(), aimed, target, place);
        }
        if let (Some(default), Some(aim)) = (&set.default, aim) {
            self.constant_for(default, place, target, aim);
        }
        let sure = |from: &From<'_>| !(from.optional || from.nillable && set.nil == Some(Absent::Omit));
        let kept = set.empty != Some(Absent::Omit) && codes.as_ref().is_none_or(|codes| codes.missing != Missing::Omit);
        let times = if set.default.is_some() || kept && found.iter().any(sure) { Times::ONCE } else { Times::PERHAPS };
        let read = plan::Read {
            from: found.into_iter().map(|from| (from.select, from.simple.facets().white_space == WhiteSpace::Collapse)).collect(),
            nil: set.nil,
            empty: set.empty,
            default: set.default.clone(),
            via: set.via.clone(),
            check: set.check,
            parse: set.parse.clone(),
            convert: set.convert,
            zone: set.zone,
            codes,
        };
        Some((plan::Value::Read(Box::new(read)), times))
    }

    /// What is read from each path. Of several the first that is there counts, so the others are read where those before are absent.
    fn sources(&mut self, set: &Set, paths: &[Path], focus: &Nodes, place: Place) -> Vec<From<'a>> {
        let resolved: Vec<Option<Resolved>> = paths.iter().map(|path| self.source.resolve(path, focus, place, self.report)).collect();
        let keys: Vec<_> = resolved.iter().flatten().map(|found| found.keys.clone()).collect();
        let fork = (keys.len() > 1 && keys.len() == paths.len()).then(|| {
            let case = |at: usize, path: &Path| {
                let present = keys.get(at).cloned().into_iter().collect();
                let before = keys.iter().take(at).cloned().collect();
                crate::turn::Branch { said: true, ..self.source.branch(format!("'{path}' is there"), place, present, before) }
            };
            let branches = paths.iter().enumerate().map(|(at, path)| case(at, path)).collect();
            self.source.turns.fork(branches)
        });
        let mut sources = Vec::new();
        for (at, (path, found)) in paths.iter().zip(resolved).enumerate() {
            let Some(found) = found else { continue };
            if let Some(fork) = fork {
                self.source.turns.enter(fork, at);
            }
            // A constant in the place of the value carries nothing of it.
            if !set.via.iter().any(Function::drops) {
                self.source.read(&found);
            }
            if fork.is_some() {
                self.source.turns.leave();
            }
            sources.extend(self.from(path, found, set, place));
        }
        sources
    }

    fn from(&mut self, path: &Path, found: Resolved, set: &Set, place: Place) -> Option<From<'a>> {
        self.source.keep(&found, |way| way.text |= found.select.attribute.is_none());
        let (id, nillable): (TypeId, bool) = match &found.end {
            End::Attribute(id) => (*id, false),
            End::Element(nodes) => nodes.last().map(|node| (node.type_id, node.nillable))?,
        };
        let Some(simple) = self.source.graph.text_type(id) else {
            let text = format!("'{path}' holds elements, not text");
            self.report.error("SM102", place, text).declared_at(found.declared).helped("read one of its children");
            return None;
        };
        if found.many {
            let text = format!("'{path}' repeats");
            self.report
                .error("SM120", place, text)
                .declared_at(found.declared.clone())
                .helped("use <m:each>, or [1] where the first is meant");
        }
        if nillable && set.nil.is_none() {
            let text = format!("'{path}' may be nil, and the rule does not say what then");
            self.report.error("SM140", place, text).declared_at(found.declared).helped("add when-nil=\"omit\" or when-nil=\"reject\"");
        }
        // Types narrowed by a predicate read only some of the elements.
        let optional = found.optional || found.keys.iter().any(|key| matches!(key, Key::Typed(types) if types.is_empty()));
        Some(From { select: found.select, simple, optional, nillable })
    }

    fn code_table(&mut self, set: &Set, place: Place) -> Option<Arc<CodeTable>> {
        let name = set.codes.as_ref()?;
        if let Some(table) = self.codes.get(name) {
            return Some(Arc::clone(table));
        }
        let names: Vec<&str> = self.codes.keys().map(String::as_str).collect();
        let likely = meant(name, names.iter().copied()).map(|likely| format!("did you mean '{likely}'?"));
        let diagnostic = self.report.error("SM150", place, format!("there is no code table '{name}'"));
        diagnostic.help = likely;
        None
    }

    /// What `parse`, `as` and `zone` ask of the source.
    fn dates(&mut self, set: &Set, from: &From<'_>, place: Place) {
        let Some(kind) = set.convert else { return };
        let path = &from.select.text;
        let read = match (&set.parse, from.simple.primitive()) {
            (Some(pattern), _) => Some(pattern.kind()),
            (None, Some(Primitive::Date)) => Some(Kind::Date),
            (None, Some(Primitive::DateTime)) => Some(Kind::DateTime),
            (None, _) if !set.via.is_empty() => return,
            (None, _) => spelled(from.simple),
        };
        match (read, kind) {
            (None, _) => {
                let text = format!("as needs a date, and '{path}' is {}", self.type_words(from.simple));
                self.report.error("SM164", place, text).helped("add parse=\"yyyyMMdd\", or the pattern that the source has");
            }
            (Some(Kind::Date), Kind::DateTime) => {
                self.report.error("SM165", place, format!("'{path}' is a day, which has no time: it cannot become a dateTime"));
            }
            (Some(Kind::DateTime), wanted) if set.zone.is_none() && !(wanted == Kind::DateTime && zoned(from.simple)) => {
                let text = format!("'{path}' may have no zone, and the rule does not say in which one it was written");
                self.report.error("SM163", place, text).helped("add zone=\"+08:00\", or the zone of the source");
            }
            _ => {}
        }
    }

    fn type_words(&self, simple: SimpleType<'_>) -> String {
        words(simple, &|name| self.source.show(name))
    }

    /// The type of the text at a target, or a report that it has none.
    fn aimed(&mut self, aim: &Aim, target: Target<'a>, place: Place) -> Option<SimpleType<'a>> {
        let simple = target.graph.text_type(aim.type_id);
        if simple.is_none() {
            let text = format!("target '{}' holds elements, not text", aim.path);
            self.report.error("SM204", place, text).declared_at(aim.declared.clone());
        }
        simple
    }

    fn fits(
        &mut self,
        set: &Set,
        from: &From<'a>,
        codes: Option<&CodeTable>,
        aimed: Option<(&Aim, SimpleType<'a>)>,
        target: Target<'a>,
        place: Place,
    ) {
        let path = &from.select.text;
        let produced = match codes {
            Some(table) => {
                self.table_covers(set, from, table, place);
                let kept = table.missing == Missing::Keep;
                if kept { Produced::Text } else { Produced::Codes(outputs(table)) }
            }
            None => produced(set, from.simple),
        };
        let Some((aim, wanted)) = aimed else { return };
        let (has, wants) = (self.type_words(from.simple), words(wanted, &|name| target.show(name)));
        match (judge(&produced, wanted), &produced) {
            (Verdict::Fits, _) => {
                let others = |fixed: &&String| from.simple.enumeration().is_none_or(|values| values.iter().any(|value| value != fixed));
                if let Some(fixed) = aim.fixed.as_ref().filter(others) {
                    let text = format!("target '{}' is always '{fixed}': what else '{path}' is is rejected", aim.path);
                    self.report.warning("SM170", place, text).declared_at(aim.declared.clone());
                }
            }
            (Verdict::Narrow(bad), Produced::Codes(_)) => {
                let table = codes.map(|table| table.name.as_str()).unwrap_or_default();
                let allowed = wanted.enumeration().map(|values| format!(" (allowed: {})", list(&values))).unwrap_or_default();
                let text = format!("code table '{table}' yields {bad}, not allowed by target '{}'{allowed}", aim.path);
                self.report.error("SM152", place, text).declared_at(aim.declared.clone());
            }
            (Verdict::Narrow(why), _) => {
                let text = format!("'{path}' is {has}, target '{}' is {wants}: {why}; what does not fit is rejected", aim.path);
                self.report.warning("SM170", place, text).declared_at(aim.declared.clone());
            }
            (Verdict::Never, _) => {
                let text = format!("'{path}' is {has} but target '{}' is {wants}", aim.path);
                let help = mend(set, from.simple, wanted);
                self.report.error("SM160", place, text).declared_at(aim.declared.clone()).help = help;
            }
        }
    }

    /// Every value that the source can have is in the table, after the functions before it.
    fn table_covers(&mut self, set: &Set, from: &From<'_>, table: &CodeTable, place: Place) {
        let Some(values) = from.simple.enumeration().filter(|_| table.missing == Missing::Reject) else { return };
        let after = |value: &str| set.via.iter().try_fold(value.to_owned(), |value, function| function.apply(&value));
        let missing: Vec<&str> =
            values.into_iter().filter(|value| after(value).is_none_or(|value| !table.to.contains_key(&value))).collect();
        if !missing.is_empty() {
            let of = self.type_words(from.simple);
            let text = format!("code table '{}' misses source values {} (enumeration of {of})", table.name, list(&missing));
            self.report.error("SM151", place, text).helped("add a code for each, or on-missing=\"omit\" to the table");
        }
    }

    /// A constant, or the values of a code table that no rule of the source decides.
    pub(crate) fn constant_for(&mut self, constant: &str, place: Place, target: Target<'a>, aim: &Aim) {
        let Some(wanted) = self.aimed(aim, target, place) else { return };
        if judge(&Produced::Constant(constant.to_owned()), wanted) != Verdict::Fits {
            let wants = wanted.enumeration().map_or_else(|| words(wanted, &|name| target.show(name)), |values| list(&values));
            let text = format!("value '{constant}' is not allowed by target '{}' ({wants})", aim.path);
            self.report.error("SM153", place, text).declared_at(aim.declared.clone());
        } else if let Some(fixed) = aim.fixed.as_deref().filter(|fixed| !wanted.equals(constant, fixed)) {
            let text = format!("value '{constant}' is not allowed by target '{}', which is always '{fixed}'", aim.path);
            self.report.error("SM153", place, text).declared_at(aim.declared.clone());
        }
    }

    pub(crate) fn computed(&mut self, produced: &Produced<'_>, what: &str, place: Place, target: Target<'a>, aim: &Aim) {
        let Some(wanted) = self.aimed(aim, target, place) else { return };
        if judge(produced, wanted) != Verdict::Fits {
            let wants = words(wanted, &|name| target.show(name));
            let text = format!("what is computed from '{what}' does not fit target '{}', which is {wants}", aim.path);
            self.report.error("SM160", place, text).declared_at(aim.declared.clone());
        }
    }
}

/// The kind of date that every text of a pattern is, as in schemas that wrote their own dateTime: a pattern that takes some date, and
/// none of what is often in the place of one.
pub(crate) fn spelled(simple: SimpleType<'_>) -> Option<Kind> {
    const DATES: &[&str] = &["2020-02-29", "2021-01-31", "1999-12-01"];
    const INSTANTS: &[&str] = &["2020-02-29T10:20:30Z", "2021-01-31T10:20:30+08:00", "2021-01-31T10:00:00-03:00", "2021-01-31T10:20:30"];
    const OTHERS: &[&str] = &["", "0", "20210131", "20210131102030", "31/01/2021", "2021-01-31 10:20:30", "2021-01", "10:20:30", "text"];
    let takes = |texts: &[&str]| texts.iter().any(|text| simple.check(text).is_ok());
    if simple.facets().patterns.is_empty() || takes(OTHERS) {
        return None;
    }
    match (takes(DATES), takes(INSTANTS)) {
        (true, false) => Some(Kind::Date),
        (false, true) => Some(Kind::DateTime),
        _ => None,
    }
}

/// Whether every instant of a type that spells its own says its zone.
fn zoned(simple: SimpleType<'_>) -> bool {
    spelled(simple) == Some(Kind::DateTime) && simple.check("2021-01-31T10:20:30").is_err()
}

fn outputs(table: &CodeTable) -> Vec<String> {
    let default = match &table.missing {
        Missing::Default(value) => Some(value.clone()),
        _ => None,
    };
    let mut values: Vec<String> = table.to.values().cloned().chain(default).collect();
    values.sort();
    values.dedup();
    values
}

/// What becomes of a value of type `source` without a code table.
fn produced<'s>(set: &Set, source: SimpleType<'s>) -> Produced<'s> {
    match (set.convert, &set.parse) {
        (Some(Kind::Date), _) => Produced::Date,
        (Some(Kind::DateTime), _) => Produced::Instant,
        (None, Some(pattern)) if pattern.kind() == Kind::Date => Produced::Date,
        (None, Some(_)) if set.zone.is_some() => Produced::Instant,
        (None, Some(_)) => Produced::LocalTime,
        (None, None) if set.via.is_empty() => Produced::Typed(source),
        (None, None) => Produced::Text,
    }
}

/// What would make the value fit, where that can be guessed.
fn mend(set: &Set, source: SimpleType<'_>, wanted: SimpleType<'_>) -> Option<String> {
    let dated = matches!(wanted.primitive(), Some(Primitive::Date | Primitive::DateTime));
    match source.primitive() {
        Some(Primitive::DateTime) if wanted.primitive() == Some(Primitive::Date) => {
            Some("add as=\"date\" zone=\"+08:00\", or the zone of the source".to_owned())
        }
        _ if dated && texty(source) && set.parse.is_none() => Some("add parse=\"yyyyMMdd\", or the pattern that the source has".to_owned()),
        _ if wanted.enumeration().is_some() => Some("add codes=\"…\" and a code table".to_owned()),
        _ => None,
    }
}
