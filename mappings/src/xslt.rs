//! The escape hatch: an XSLT 1.0 stylesheet on one element, in a process of its own with limits, without network or other files.

use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};
use xsd::read::{Limits, read};
use xsd::tree::Element;
use xsd::write::document;

const XSLT: &str = "http://www.w3.org/1999/XSL/Transform";

/// What one run of a stylesheet may use.
const CPU_SECONDS_MAX: u32 = 5;
const WALL_CLOCK_MAX: Duration = Duration::from_secs(10);
const MEMORY_BYTES_MAX: u64 = 256 << 20;
const FILES_MAX: u32 = 16;
const OUTPUT_BYTES_MAX: u64 = 8 << 20;
const TEMPLATE_DEPTH_MAX: u32 = 500;

/// Instructions that read or write other documents, or that reach outside the language.
const OUTSIDE: [&str; 3] = ["import", "include", "document"];

/// A stylesheet that was looked through.
#[derive(Clone, Debug)]
pub(crate) struct Stylesheet {
    name: Arc<str>,
    path: PathBuf,
    octets: Arc<[u8]>,
}

impl Stylesheet {
    /// Takes a stylesheet that keeps to XSLT 1.0 and to its own input.
    pub(crate) fn new(name: &str, path: PathBuf, octets: &[u8]) -> Result<Self, String> {
        let root = read(octets, None, &Limits::default()).map_err(|why| format!("{name}:{why}"))?;
        let rooted = root.name().is(XSLT, "stylesheet") || root.name().is(XSLT, "transform");
        if !rooted || root.attribute("", "version") != Some("1.0") {
            return Err(format!("'{name}' is no stylesheet of XSLT 1.0"));
        }
        harmless(&root).map_err(|why| format!("{name}:{why}"))?;
        Ok(Self { name: name.into(), path, octets: octets.into() })
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// What the stylesheet makes of `element`.
    ///
    /// # Errors
    /// It cannot be run, it fails, it takes too long or too much, or what it makes is no XML document.
    pub(crate) fn run(&self, element: &Element) -> Result<Element, String> {
        let now = xsd::files::read(&self.path).map_err(|why| format!("cannot be read: {why}"))?;
        if *now != *self.octets {
            return Err("is not the file any more that was checked".to_owned());
        }
        let mut child = self.command().spawn().map_err(|why| format!("cannot be run, as prlimit and xsltproc are needed: {why}"))?;
        let (input, output) = (child.stdin.take(), child.stdout.take());
        let octets = document(element);
        let writer = std::thread::spawn(move || input.map(|mut input| input.write_all(&octets)));
        let reader = std::thread::spawn(move || {
            let mut made = Vec::new();
            output.map(|output| output.take(OUTPUT_BYTES_MAX + 1).read_to_end(&mut made)).transpose().map(|_| made)
        });
        let status = wait(&mut child)?;
        let made = reader.join().map_err(|_panic| "could not be read".to_owned())?.map_err(|why| format!("could not be read: {why}"))?;
        // A stylesheet that fails does not read its input to the end: what it says of itself is in its status.
        drop(writer.join());
        if !status {
            return Err("failed, or used more time, memory or output than it may".to_owned());
        }
        if u64::try_from(made.len()).unwrap_or(u64::MAX) > OUTPUT_BYTES_MAX {
            return Err(format!("made more than {OUTPUT_BYTES_MAX} octets"));
        }
        read(&made, None, &Limits::default()).map_err(|_values| "made no XML document".to_owned())
    }

    fn command(&self) -> Command {
        let mut command = Command::new("prlimit");
        command.arg(format!("--cpu={CPU_SECONDS_MAX}")).arg(format!("--as={MEMORY_BYTES_MAX}"));
        command.arg(format!("--nofile={FILES_MAX}")).arg("--fsize=0").arg("--core=0").arg("--");
        command.args(["xsltproc", "--nonet", "--novalid", "--nowrite", "--nomkdir", "--maxdepth", &TEMPLATE_DEPTH_MAX.to_string()]);
        command.arg(&self.path).arg("-");
        let path = std::env::var_os("PATH").unwrap_or_default();
        command.env_clear().env("PATH", path).env("XML_CATALOG_FILES", "");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        command
    }
}

/// Refuses what would read or write anything but the input.
fn harmless(element: &Element) -> Result<(), String> {
    let place = element.place();
    let instruction = element.name().namespace() == XSLT;
    if instruction && OUTSIDE.contains(&element.name().local()) {
        return Err(format!("{place}: xsl:{} reaches other documents", element.name().local()));
    }
    for attribute in element.attributes() {
        if attribute.name.is("", "extension-element-prefixes") || attribute.name.is(XSLT, "extension-element-prefixes") {
            return Err(format!("{place}: extension elements are not allowed"));
        }
        let mut rest = attribute.value.as_str();
        while let Some((_, after)) = rest.split_once("document") {
            if after.trim_start().starts_with('(') {
                return Err(format!("{place}: document() reaches other documents"));
            }
            rest = after;
        }
    }
    element.elements().try_for_each(harmless)
}

/// Whether the process ended well; one that takes too long is ended.
fn wait(child: &mut Child) -> Result<bool, String> {
    let end = Instant::now() + WALL_CLOCK_MAX;
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Ok(status.success()),
            Ok(None) if Instant::now() < end => std::thread::sleep(Duration::from_millis(1)),
            Ok(None) => {
                child.kill().and_then(|()| child.wait()).map_err(|why| format!("could not be ended: {why}"))?;
                return Ok(false);
            }
            Err(why) => return Err(format!("could not be waited for: {why}")),
        }
    }
}
