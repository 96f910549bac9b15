//! Other processors of XML Schema over the same list of judgements: xmllint and the JDK's Xerces.

use super::{Group, Judgement};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};

/// What a peer accepts, by the names of judgements; what it was not asked is left out.
pub type Verdicts = BTreeMap<String, bool>;

/// xmllint over every group of one schema document. `None`: it is not installed.
///
/// # Errors
/// The scratch document cannot be written.
pub fn xmllint(root: &Path, groups: &[Group], scratch: &Path) -> std::io::Result<Option<Verdicts>> {
    if Command::new("xmllint").arg("--version").stderr(Stdio::null()).status().is_err() {
        return Ok(None);
    }
    let nothing = scratch.join("nothing.xml");
    std::fs::write(&nothing, "<waybill-nothing/>")?;
    let mut verdicts = Verdicts::new();
    for group in groups {
        let [document] = group.documents.as_slice() else { continue };
        let mut command = Command::new("xmllint");
        command.args(["--noout", "--nonet", "--schema", document]).current_dir(root);
        match group.instances.as_slice() {
            [] => command.arg(&nothing),
            instances => command.args(instances.iter().map(|instance| &instance.document)),
        };
        let output = command.output()?;
        let said = String::from_utf8_lossy(&output.stderr);
        // The exit code 5: the schema does not compile.
        let loads = output.status.code() != Some(5);
        verdicts.insert(group.name.clone(), loads);
        for instance in group.instances.iter().filter(|_| loads) {
            let valid = said.lines().any(|line| line.strip_suffix(" validates") == Some(&instance.document));
            verdicts.insert(format!("{}/{}", group.name, instance.name), valid);
        }
    }
    Ok(Some(verdicts))
}

/// The JDK's Xerces over the whole list, in one process. `None`: no JDK is installed.
///
/// # Errors
/// It ended otherwise than well.
pub fn xerces(root: &Path, list: &Path, program: &Path) -> std::io::Result<Option<Verdicts>> {
    if Command::new("java").arg("-version").stderr(Stdio::null()).status().is_err() {
        return Ok(None);
    }
    let output = Command::new("java").arg(program).arg(root).arg(list).stderr(Stdio::null()).output()?;
    if !output.status.success() {
        return Err(std::io::Error::other(format!("{} ended with {}", program.display(), output.status)));
    }
    let said = String::from_utf8_lossy(&output.stdout);
    let verdicts = said.lines().filter_map(|line| line.rsplit_once('\t')).map(|(name, verdict)| (name.to_owned(), verdict == "valid"));
    Ok(Some(verdicts.collect()))
}

/// A judgement on which a peer and this house differ.
#[derive(Clone, Copy, Debug)]
pub struct Disagreement<'j> {
    /// Ours, with what the suite says.
    pub judgement: &'j Judgement,
    /// What the peer accepts.
    pub peer: bool,
}

/// Where a peer says other than this house.
#[must_use]
pub fn disagreements<'j>(judgements: &'j [Judgement], verdicts: &Verdicts) -> Vec<Disagreement<'j>> {
    let peer = |judgement: &'j Judgement| verdicts.get(&judgement.name).map(|peer| Disagreement { judgement, peer: *peer });
    judgements.iter().filter_map(peer).filter(|found| found.judgement.accepted.is_some_and(|ours| ours != found.peer)).collect()
}
