//! Other processors of XML Schema over the same list of judgements: xmllint, the JDK's Xerces and the crate xsd-schema, each within limits.

use super::{Group, Judgement};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What a peer accepts, by the names of judgements; what it was not asked, or did not answer in time, is left out.
pub type Verdicts = BTreeMap<String, bool>;

/// Seconds of a whole list in one process.
const LIST_SECONDS: u32 = 600;
/// Seconds of one schema and its instances: some schemas of the suite keep libxml2 busy for hours.
const GROUP_SECONDS: u32 = 5;
/// Octets of memory of one process of xmllint.
const GROUP_BYTES: u64 = 1 << 30;

fn limited(program: impl AsRef<OsStr>, seconds: u32) -> Command {
    let mut command = Command::new("timeout");
    command.arg("--kill-after=1").arg(seconds.to_string()).arg(program);
    command
}

fn is_installed(program: &str, version: &str) -> bool {
    Command::new(program).arg(version).stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok()
}

/// xmllint over every group of one schema document, a process each, on all processors. `None`: it is not installed.
///
/// # Errors
/// The scratch document cannot be written, or a process not be started.
pub fn xmllint(root: &Path, groups: &[Group], scratch: &Path) -> std::io::Result<Option<Verdicts>> {
    if !is_installed("xmllint", "--version") {
        return Ok(None);
    }
    let nothing = scratch.join("nothing.xml");
    std::fs::write(&nothing, "<waybill-nothing/>")?;
    let next = AtomicUsize::new(0);
    let found: Mutex<std::io::Result<Verdicts>> = Mutex::new(Ok(Verdicts::new()));
    let work = || {
        while let Some(group) = groups.get(next.fetch_add(1, Ordering::Relaxed)) {
            let judged = xmllint_group(root, group, &nothing);
            let Ok(mut found) = found.lock() else { return };
            match (judged, found.as_mut()) {
                (Ok(judged), Ok(all)) => all.extend(judged),
                (Err(error), Ok(_)) => *found = Err(error),
                (_, Err(_)) => return,
            }
        }
    };
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| (0..workers).for_each(|_| drop(scope.spawn(work))));
    found.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner()).map(Some)
}

fn xmllint_group(root: &Path, group: &Group, nothing: &Path) -> std::io::Result<Verdicts> {
    let mut verdicts = Verdicts::new();
    let [document] = group.documents.as_slice() else { return Ok(verdicts) };
    let mut command = limited("prlimit", GROUP_SECONDS);
    command.arg(format!("--as={GROUP_BYTES}")).args(["xmllint", "--noout", "--nonet", "--schema", document]).current_dir(root);
    match group.instances.as_slice() {
        [] => command.arg(nothing),
        instances => command.args(instances.iter().map(|instance| &instance.document)),
    };
    let output = command.output()?;
    // 5: the schema does not compile; 124 and what signals leave: it did not end.
    let loads = match output.status.code() {
        Some(0 | 1 | 3 | 4) => true,
        Some(5) => false,
        _ => return Ok(verdicts),
    };
    let said = String::from_utf8_lossy(&output.stderr);
    verdicts.insert(group.name.clone(), loads);
    for instance in group.instances.iter().filter(|_| loads) {
        let valid = said.lines().any(|line| line.strip_suffix(" validates") == Some(&instance.document));
        verdicts.insert(format!("{}/{}", group.name, instance.name), valid);
    }
    Ok(verdicts)
}

/// The JDK's Xerces over the whole list, in one process. `None`: no JDK is installed.
///
/// # Errors
/// It ended otherwise than well.
pub fn xerces(root: &Path, list: &Path, program: &Path) -> std::io::Result<Option<Verdicts>> {
    if !is_installed("java", "-version") {
        return Ok(None);
    }
    let mut command = limited("java", LIST_SECONDS);
    command.arg("-Xmx1g").arg(program);
    judged(command, root, list).map(Some)
}

/// The crate xsd-schema over the whole list, in one process: a program that was built in `peers/xsd-schema`. `None`: it is not there.
///
/// # Errors
/// It ended otherwise than well.
pub fn xsd_schema(root: &Path, list: &Path, program: &Path) -> std::io::Result<Option<Verdicts>> {
    if !program.exists() {
        return Ok(None);
    }
    judged(limited(program, LIST_SECONDS), root, list).map(Some)
}

/// What a program says of a list, a name and a verdict a line.
fn judged(mut command: Command, root: &Path, list: &Path) -> std::io::Result<Verdicts> {
    let output = command.arg(root).arg(list).stderr(Stdio::null()).output()?;
    if !output.status.success() {
        return Err(std::io::Error::other(format!("{command:?} ended with {}", output.status)));
    }
    let said = String::from_utf8_lossy(&output.stdout);
    let verdicts = said.lines().filter_map(|line| line.rsplit_once('\t')).map(|(name, verdict)| (name.to_owned(), verdict == "valid"));
    Ok(verdicts.collect())
}

/// A judgement on which a peer and this house differ.
#[derive(Clone, Copy, Debug)]
pub struct Disagreement<'j> {
    /// Ours, with what the suite says.
    pub judgement: &'j Judgement,
    /// What the peer accepts.
    pub peer: bool,
}

impl Disagreement<'_> {
    /// What is judged, and who says what.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match (self.judgement.instance, self.peer, self.judgement.agrees()) {
            (false, true, true) => "an invalid schema that the peer accepts",
            (false, false, true) => "a valid schema that the peer refuses",
            (true, true, true) => "an invalid instance that the peer accepts",
            (true, false, true) => "a valid instance that the peer refuses",
            (false, _, false) => "a schema on which the suite is with the peer",
            (true, _, false) => "an instance on which the suite is with the peer",
        }
    }
}

/// Where a peer says other than this house.
#[must_use]
pub fn disagreements<'j>(judgements: &'j [Judgement], verdicts: &Verdicts) -> Vec<Disagreement<'j>> {
    let peer = |judgement: &'j Judgement| verdicts.get(&judgement.name).map(|peer| Disagreement { judgement, peer: *peer });
    judgements.iter().filter_map(peer).filter(|found| found.judgement.accepted.is_some_and(|ours| ours != found.peer)).collect()
}
