//! `map explain CODE`: what each code of `check` and of a run means, an example of the fault, and the edit that mends it.

use crate::diagnostic::meant;

/// A code and what to know of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Code {
    /// As `SM120`.
    pub code: &'static str,
    /// What is wrong, and why it matters, in a sentence or two.
    pub meaning: &'static str,
    /// What has the fault.
    pub fault: &'static str,
    /// What mends it.
    pub edit: &'static str,
}

/// All codes, in their order.
pub const ALL: &[Code] = &[
    code(
        "SM000",
        "The file cannot be read, or is no XML that this house reads (no DTD, no undeclared prefix).",
        "<m:mapping …><m:record …>   (never closed)",
        "close the element; the place is where the reader stopped",
    ),
    code(
        "SM001",
        "The document is XML but not of the mapping language: its schema is xsd/mapping.xsd, and an editor that is given it completes.",
        "<m:set paht=\"b:Name\" from=\"Name\"/>",
        "<m:set path=\"b:Name\" from=\"Name\"/>",
    ),
    code(
        "SM010",
        "A path, a name or its prefix cannot be read. Paths have steps, '.', '..' at the start, @name last, and the predicates [n], [@a='v'], [child='v'], [ns:Type]; no functions and no '//'.",
        "from=\"//h:Name\"",
        "from=\"h:Patient/h:Name\"",
    ),
    code(
        "SM012",
        "Attributes of one rule exclude or need each other.",
        "<m:set path=\"b:Name\" from=\"Name\" value=\"x\"/>",
        "keep exactly one of from, value, count and digest",
    ),
    code("SM013", "A function of via is not in the list, or does not take these arguments.", "via=\"trimm\"", "via=\"trim\""),
    code(
        "SM014",
        "The pattern of parse cannot be read: yyyy MM dd, each once, HH mm ss SSS, letters in single quotes.",
        "parse=\"yyMMdd\"",
        "parse=\"yyyyMMdd\"",
    ),
    code(
        "SM020",
        "A rule names a target that the mapping does not declare.",
        "<m:record select=\"h:Visit\" to=\"busines\">",
        "to=\"business\", the name of an m:target",
    ),
    code(
        "SM021",
        "A schema is not there: names are relative to the mapping and may not leave its folder, or are urn:waybill:… for a unified schema.",
        "schema=\"../visit.xsd\"",
        "copy the schema beside the mapping: schema=\"visit.xsd\"",
    ),
    code(
        "SM022",
        "A schema does not load; the place declared is in the schema.",
        "schema=\"visit.xsd\" where that has type=\"h:Ymdd\"",
        "mend the schema, or set level=\"compat\" on m:source where it is not yours",
    ),
    code(
        "SM023",
        "The file of a code table is not there, or is no m:codeList.",
        "<m:codes name=\"plate\" href=\"codes/plates.csv\"/>",
        "href=\"codes/plates.codes.xml\" with the root m:codeList",
    ),
    code(
        "SM024",
        "The stylesheet of m:xslt is not there, is no XSLT 1.0, or reaches other documents (document(), xsl:import, xsl:include, extensions).",
        "<xsl:copy-of select=\"document('codes.xml')\"/>",
        "an m:codes table in the mapping; the stylesheet sees its one element",
    ),
    code("SM030", "The WSDL of m:bind is not there or cannot be read.", "wsdl=\"visits.wsdl\"", "wsdl=\"visit.wsdl\", beside the mapping"),
    code("SM031", "The WSDL has no such operation.", "operation=\"QueryVisit\"", "operation=\"QueryVisits\""),
    code(
        "SM032",
        "The operation's message is another element than the mapping reads (output) or writes (input).",
        "<m:bind … message=\"output\"/> on a mapping whose source root is the request",
        "message=\"input\", or the other root",
    ),
    code(
        "SM040",
        "Two mappings are bound to the same direction of one resource.",
        "two files with m:bind resource=\"health/visit\" message=\"output\"",
        "keep one of them, or give the other its own resource",
    ),
    code(
        "SM041",
        "A resource has a mapping for one direction only: it could not be asked, or not answer.",
        "visit.map.xml bound, visit-query.map.xml missing",
        "write the mapping of the other message with the same m:bind resource",
    ),
    code(
        "SM042",
        "The two mappings of a resource are bound to different operations.",
        "operation=\"QueryVisits\" here and operation=\"ListVisits\" there",
        "bind both to the operation that answers",
    ),
    code(
        "SM043",
        "The metadata or the definition beside the mappings is of another resource.",
        "m:ResourceId health/visits in visit.metadata.xml",
        "health/visit, as m:bind resource says",
    ),
    code(
        "SM044",
        "The metadata or the definition beside the mappings is not there, or not valid.",
        "no visit.definition.xml",
        "write it: its schema is xsd/business.xsd (b:Definition) or xsd/metadata.xsd (m:Resource)",
    ),
    code(
        "SM091",
        "A scaffold proposed this rule and nobody has confirmed it.",
        "<m:set path=\"b:Name\" from=\"xm\" confidence=\"0.90\"/>",
        "look at it, then remove the attribute confidence",
    ),
    code("SM100", "The source schema has no such element there.", "from=\"h:Nane\"", "from=\"h:Name\""),
    code("SM101", "The source schema has no such attribute there.", "from=\"@num\"", "from=\"@no\""),
    code(
        "SM102",
        "The path leads to an element that holds elements and no text, so there is no value.",
        "from=\"h:Patient\"",
        "from=\"h:Patient/h:Name\"",
    ),
    code("SM103", "The source schema has no global element of that name.", "root=\"h:VisitReports\"", "root=\"h:VisitReport\""),
    code("SM104", "An attribute stands where the rule needs an element.", "<m:each path=\"b:Item\" select=\"@no\">", "select an element"),
    code(
        "SM110",
        "The path goes up beyond the root.",
        "from=\"../../h:Hospital\" in a window that is a child of the root",
        "from=\"../h:Hospital\"",
    ),
    code(
        "SM120",
        "What is read repeats, and the rule takes one value: the others would be lost.",
        "<m:in path=\"b:Item\" select=\"h:Diag\">",
        "<m:each path=\"b:Item\" select=\"h:Diag\">",
    ),
    code(
        "SM121",
        "The target requires a value that the source may not have; a record without it is rejected.",
        "<m:set path=\"b:Name\" from=\"h:Nick\"/> where h:Nick may be absent",
        "add default=\"…\" if there is a true one, or another path: from=\"h:Nick|h:Name\"",
    ),
    code(
        "SM130",
        "An xsi:type that the element may have is handled by no m:type: such a record would be rejected.",
        "<m:case of=\"h:Payer\"> with h:OrgParty only",
        "<m:type is=\"h:PersonParty\">…</m:type>, or <m:otherwise/>",
    ),
    code("SM131", "The source schema has no type of that name.", "is=\"h:OrgPart\"", "is=\"h:OrgParty\""),
    code(
        "SM132",
        "The type is not derived from the one the element is declared with, so it can never stand there.",
        "h:Payer[h:Visit]",
        "a type derived from h:Party",
    ),
    code(
        "SM133",
        "The cases do not cover every source: a record that fits none is rejected.",
        "<m:choose> with m:when exists=\"h:Outpatient\" only",
        "add the missing m:when, or <m:otherwise/>",
    ),
    code(
        "SM140",
        "The element may be nil (xsi:nil), and the rule does not say what then.",
        "<m:set path=\"b:Identifier\" from=\"h:IdNo\"/>",
        "add when-nil=\"omit\" or when-nil=\"reject\"",
    ),
    code("SM150", "There is no code table of that name.", "codes=\"sexx\"", "codes=\"sex\""),
    code(
        "SM151",
        "The code table misses values that the source's enumeration has.",
        "m:codes with 1 and 2 where the source has 1, 2 and 9",
        "<m:code from=\"9\" to=\"U\"/>, or on-missing=\"omit\" on the table",
    ),
    code(
        "SM152",
        "The code table yields values that the target does not allow.",
        "<m:code from=\"3\" to=\"X\"/>",
        "to=\"U\", one of the values of the target's enumeration",
    ),
    code(
        "SM153",
        "A constant or a default is not of the target's type, or not the value that the target's schema fixes.",
        "<m:set path=\"b:BirthDate\" value=\"unknown\"/>",
        "a value of the type, or no rule",
    ),
    code(
        "SM155",
        "The value of equals can never be the value of the path.",
        "<m:when of=\"h:Sex\" equals=\"male\">",
        "equals=\"1\", as the source's enumeration has it",
    ),
    code("SM156", "The code table has a value twice, so one of the two never counts.", "two m:code with from=\"1\"", "remove one"),
    code(
        "SM160",
        "A value of this type can never be of the target's type.",
        "<m:set path=\"b:BirthDate\" from=\"h:Birth\"/> where h:Birth is text",
        "add parse=\"yyyyMMdd\", or as=\"date\" zone=\"+08:00\" for a dateTime",
    ),
    code(
        "SM161",
        "m:copy takes an element over as it stands, so source and target must be of one type, or the target of xs:anyType.",
        "<m:copy path=\"b:Subject\" from=\"h:Patient\"/>",
        "<m:in path=\"b:Subject\" select=\"h:Patient\"> and in it a rule for each part",
    ),
    code(
        "SM163",
        "A dateTime may have no zone, and the rule does not say in which one it was written: the day would be a guess.",
        "as=\"date\"",
        "as=\"date\" zone=\"+08:00\"",
    ),
    code(
        "SM164",
        "as needs a date, and the source is something else.",
        "<m:set path=\"b:Day\" from=\"h:Room\" as=\"date\"/>",
        "add parse=\"yyyyMMdd\", or the pattern that the source has",
    ),
    code(
        "SM165",
        "A day cannot become a dateTime: it has no time.",
        "parse=\"yyyyMMdd\" as=\"dateTime\"",
        "write it to a date, or read a value that has a time",
    ),
    code(
        "SM170",
        "Some values of the source are not allowed by the target (length, pattern, enumeration): those records are rejected.",
        "<m:set path=\"b:Code\" from=\"h:Remark\"/> where b:Code takes 10 characters",
        "shorten with via=\"substring(1,10)\" if that is true, or accept the rejects",
    ),
    code("SM200", "The target schema has no such element there.", "path=\"b:Amont\"", "path=\"b:Amount\""),
    code("SM201", "The target schema has no such attribute there.", "path=\"@curency\"", "path=\"@currency\""),
    code(
        "SM202",
        "The target requires something that no rule ever writes: no record would be valid.",
        "no rule for b:RecordId",
        "<m:set path=\"b:RecordId\" from=\"@no\"/>",
    ),
    code(
        "SM203",
        "Something that may stand once may be written more often, or is always written more often than it may stand.",
        "two rules for b:Amount",
        "keep one, or part them by m:choose",
    ),
    code(
        "SM204",
        "The target element holds elements, so no text can be written to it.",
        "<m:set path=\"b:Subject\" from=\"h:Name\"/>",
        "path=\"b:Subject/b:Name\"",
    ),
    code(
        "SM205",
        "The target takes one of several elements, and more than one is always written.",
        "rules for b:Person and for b:LegalEntity side by side",
        "part them by m:choose or m:case",
    ),
    code(
        "SM206",
        "The target takes one of two elements, and rules write both where the source has both: such a record is rejected.",
        "rules for b:Person from h:Guest and for b:LegalEntity from h:Firm, both optional",
        "m:choose with m:when exists=\"h:Guest\" and m:when exists=\"h:Firm\"",
    ),
    code(
        "SM207",
        "The target takes only so many of an element, and the source may have more: a record with more is rejected.",
        "<m:each path=\"b:Phone\" select=\"h:Phone\"> where b:Phone stands at most three times and h:Phone without bound",
        "rules for the first ones, h:Phone[1], h:Phone[2], and what becomes of the others; or accept the rejects",
    ),
    code("SM210", "A target path may only go down.", "path=\"../b:Name\"", "write the rule where the element is made"),
    code("SM211", "This rule makes elements, and its path leads to an attribute or to text.", "<m:in path=\"@name\">", "path=\"b:Item\""),
    code(
        "SM212",
        "Rules stand inside a rule that writes an attribute or text: nothing can be inside that.",
        "<m:set path=\"@a\" …><m:set path=\"@b\" …/></m:set>",
        "put the inner rule beside it",
    ),
    code("SM213", "The target schema has no global element of that name.", "root=\"b:Recrod\"", "root=\"b:Record\""),
    code(
        "SM214",
        "A target path has a predicate: which element is written follows from the rules, not from what was written before.",
        "<m:set path=\"b:Item[2]/b:Text\" …/>",
        "<m:in path=\"b:Item\"> with the rules for that element in it",
    ),
    code(
        "SM300",
        "A leaf of the records is neither mapped nor ignored: it would be lost in silence.",
        "no rule reads h:Payer/h:Phone",
        "<m:ignore path=\"h:Payer/h:Phone\" reason=\"privacy: …\"/>, or a rule that reads it",
    ),
    code(
        "SM301",
        "A leaf outside the records (a header) is neither mapped nor ignored.",
        "no rule reads h:Hospital",
        "<m:set … from=\"../h:Hospital\"/> or <m:ignore path=\"../h:Hospital\" reason=\"…\"/>",
    ),
    code(
        "SM302",
        "An m:ignore leaves out an element of whose children rules read some: what a later schema adds there would be lost in silence.",
        "<m:ignore path=\"h:Patient\" reason=\"privacy\"/> beside a rule from h:Patient/h:Name",
        "<m:ignore path=\"h:Patient/h:Phone\" reason=\"privacy\"/>, a part that no rule reads",
    ),
    code(
        "SM303",
        "A leaf is read in one branch, and in another, where it may be there as well, no rule reads it: there it would be lost in silence.",
        "h:Ward read in <m:when exists=\"h:Inpatient\"> where <m:otherwise> may have it, too",
        "read it outside of the branches, or <m:ignore path=\"h:Ward\" reason=\"…\"/> in the branch that leaves it out",
    ),
    code(
        "SM304",
        "A leaf decides which rules run, and in a branch where its value may be several nothing takes it over.",
        "<m:when of=\"h:Kind\" equals=\"1\"> and <m:otherwise/>, and no rule that reads h:Kind",
        "a rule that reads it, an m:when for each value, or <m:ignore path=\"h:Kind\" reason=\"…\"/> in m:otherwise",
    ),
    code(
        "SM401",
        "The value stands behind the record in the document, so a stream does not know it yet.",
        "from=\"../h:Total\"",
        "read it in <m:once at=\"end\">",
    ),
    code(
        "SM402",
        "Rules outside of the records read in them, so all records stay in memory until the document ends: no document larger than memory.",
        "<m:once …><m:set … from=\"h:Visit[1]/@date\"/>",
        "count=\"h:Visit\", which keeps nothing, or max on m:once",
    ),
    code(
        "SM500",
        "A pinned file is not the one that was pinned (sha256).",
        "the schema was replaced after `waybill map lock`",
        "waybill map diff OLD.xsd NEW.xsd --map FILE, then lock again",
    ),
    code(
        "SM501",
        "A file is not the one that the lock file beside the mapping pins: a schema, a code table, a contract or a stylesheet changed.",
        "visit.xsd was replaced by a newer release",
        "waybill map diff OLD.xsd NEW.xsd, mend the rules that are hit, then waybill map lock",
    ),
    code(
        "SM502",
        "The lock file does not pin a file that the mapping reads, pins one that it does not read, or is no lock file.",
        "a second code table since the lock file was written",
        "waybill map lock",
    ),
    code("SM900", "The document is not one that this mapping reads.", "another root element", "the mapping whose m:source root it is"),
    code(
        "SM901",
        "The source is not what its schema says: in a record, that record is rejected; outside of records, nothing more is made.",
        "<h:Fee>12,50</h:Fee> where an xs:decimal is declared",
        "mend the source, or the schema if it is wrong about it",
    ),
    code("SM902", "One value is read, and this document has several.", "two h:Fee in a record", "m:each, if the schema is wrong about it"),
    code(
        "SM903",
        "The value is empty, and when-empty=\"reject\" says that such a record is none.",
        "<h:IdNo></h:IdNo>",
        "mend the record at its source, or when-empty=\"omit\"",
    ),
    code(
        "SM904",
        "The value is nil, and when-nil says reject.",
        "<h:IdNo xsi:nil=\"true\"/>",
        "mend the record at its source, or when-nil=\"omit\"",
    ),
    code(
        "SM905",
        "The rules read only some of these elements by predicates, and this one matches none: it would be lost.",
        "b:Criterion field=\"color\" where only plate and vin are read; a second r:Row with select=\"r:Row[1]\"",
        "a rule for it, or ask without it; ignore-others=\"why\" on the m:record",
    ),
    code("SM906", "No case holds for this record.", "an xsi:type without m:type", "add the case, or m:otherwise"),
    code(
        "SM907",
        "A function of via has no result for this value, or one that is too long.",
        "split(',',3) of \"a,b\"",
        "mend the value, or the function",
    ),
    code(
        "SM908",
        "The value is no date of the calendar in the form that the rule says.",
        "20010229",
        "mend the record at its source, or parse",
    ),
    code("SM909", "The identifier's check digit is wrong.", "a citizen's number with a slip", "mend the record at its source"),
    code(
        "SM910",
        "What the rules made is not valid against the target schema; the text names the rule of XML Schema.",
        "a text longer than the target takes",
        "a function that makes it fit, or a mended record",
    ),
    code("SM911", "The code table does not have this value.", "3 where the table has 1, 2 and 9", "add the code, or on-missing"),
    code(
        "SM912",
        "The stylesheet of m:xslt failed on this record, took more than it may, or made another element than the rule's path.",
        "a template that calls itself for ever",
        "mend the stylesheet; it has 5 seconds and 256 MiB",
    ),
    code(
        "SM913",
        "What rules outside records keep of the document is more than they may; nothing more is made of it.",
        "buffer=\"document\" on a document of 100 MB",
        "max=\"…\" in octets on the m:once or m:record, or rules that need less",
    ),
    code(
        "SM914",
        "The record needs more octets than a window may.",
        "a record with a scanned page in it",
        "max=\"…\" in octets on the m:record",
    ),
];

const fn code(code: &'static str, meaning: &'static str, fault: &'static str, edit: &'static str) -> Code {
    Code { code, meaning, fault, edit }
}

/// What to know of a code.
#[must_use]
pub fn of(code: &str) -> Option<&'static Code> {
    ALL.iter().find(|known| known.code.eq_ignore_ascii_case(code))
}

/// The text of `map explain CODE`.
///
/// # Errors
/// There is no such code; the text names the nearest.
pub fn explain(code: &str) -> Result<String, String> {
    let Some(known) = of(code) else {
        let near = meant(&code.to_uppercase(), ALL.iter().map(|known| known.code));
        return Err(format!("there is no code '{code}'{}", near.map(|near| format!("; did you mean {near}?")).unwrap_or_default()));
    };
    let when = if known.code.starts_with("SM9") {
        "found while a document is mapped: the record is rejected"
    } else {
        "found by `waybill map check`"
    };
    Ok(format!("{}: {}\n  {when}\n\n  fault:  {}\n  edit:   {}\n", known.code, known.meaning, known.fault, known.edit))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::path::Path;

    fn codes_in(folder: &Path, found: &mut BTreeSet<String>) {
        for entry in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if entry.is_dir() {
                codes_in(&entry, found);
            } else if entry.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&entry).unwrap();
                let digits = |rest: &str| rest.bytes().all(|byte| byte.is_ascii_digit());
                let code = |piece: &str| piece.strip_prefix("SM").is_some_and(digits).then(|| piece.to_owned());
                found.extend(text.split('"').filter(|piece| piece.len() == 5).filter_map(code));
            }
        }
    }

    #[test]
    fn every_code_of_the_sources_is_explained() {
        let mut found = BTreeSet::new();
        codes_in(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut found);
        let known: BTreeSet<String> = ALL.iter().map(|known| known.code.to_owned()).collect();
        assert!(found.len() > 60, "the sources are where this test looks");
        let unexplained: Vec<_> = found.difference(&known).collect();
        assert!(unexplained.is_empty(), "add them to mappings/src/verbs/codes.rs: {unexplained:?}");
        assert!(ALL.windows(2).all(|pair| pair[0].code < pair[1].code), "in their order, each once");
    }

    #[test]
    fn a_code_is_explained_whatever_its_case() {
        assert!(explain("sm120").unwrap().contains("<m:each path="));
        assert!(explain("SM12").unwrap_err().contains("did you mean SM0"), "{:?}", explain("SM12"));
    }
}
