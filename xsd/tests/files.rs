//! Schema files on the disk: a file of several names is one, and what is no file is refused by what it is.

#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

use std::fs;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use xsd::files::{Folders, load};
use xsd::load::Level;

const OPEN: &str = "<xs:schema xmlns:xs='http://www.w3.org/2001/XMLSchema'>";

/// Files in a folder `here` of a folder of their own.
fn folder(name: &str, files: &[(&str, &str)]) -> PathBuf {
    let here = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name).join("here");
    drop(fs::remove_dir_all(&here));
    fs::create_dir_all(&here).unwrap();
    for (name, body) in files {
        fs::write(here.join(name), [OPEN, body, "</xs:schema>"].concat()).unwrap();
    }
    here
}

/// What loading says, `strict`: defects and warnings, without their files.
fn found(files: &[PathBuf]) -> Vec<String> {
    let folders = Folders::of(files, &[]);
    let told = match load(Level::Strict, files, &folders) {
        Ok(loaded) => loaded.warnings,
        Err(defects) => defects,
    };
    let said = told.iter().map(|defect| [defect.rule, ": ", &defect.what].concat());
    said.chain(folders.refused().into_iter().map(|why| why.rsplit('/').next().unwrap().to_owned())).collect()
}

#[test]
fn a_file_of_several_names_is_one() {
    let element = "<xs:element name='a'/>";
    let check = |names: &[&str], expected: &[&str]| {
        let includes: String = names.iter().map(|name| ["<xs:include schemaLocation='", name, "'/>"].concat()).collect();
        let here = folder("one", &[("a.xsd", &[&includes, element].concat()), ("b.xsd", "<xs:element name='b'/>")]);
        drop(fs::hard_link(here.join("b.xsd"), here.join("other.xsd")));
        std::os::unix::fs::symlink(here.join("b.xsd"), here.join("link.xsd")).unwrap();
        assert_eq!(found(&[here.join("a.xsd")]), expected, "{names:?}");
    };
    check(&["../here/a.xsd"], &[]);
    check(&["./a.xsd", "b.xsd", "../here/b.xsd", "./x/../b.xsd"], &[]);
    check(&["b.xsd", "link.xsd"], &[]);
    // A copy is another file, whose components are there twice.
    check(&["b.xsd", "other.xsd"], &["sch-props-correct.2: a second xs:element of the name b"]);
    let here = folder("twice", &[("a.xsd", element)]);
    assert_eq!(found(&[here.join("a.xsd"), here.join("../here/a.xsd")]), [""; 0]);
}

#[test]
fn what_is_no_file_is_refused_by_what_it_is() {
    let check = |location: &str, make: &dyn Fn(&Path), expected: &str| {
        let here = folder("kinds", &[("a.xsd", &["<xs:include schemaLocation='", location, "'/>"].concat())]);
        make(&here.join(location));
        let told = found(&[here.join("a.xsd")]).join("\n");
        assert!(told.contains(expected), "{location}: {told}");
        let told = found(&[here.join(location)]).join("\n");
        assert!(told.starts_with("file: ") && told.contains(expected), "{told}");
    };
    check("pipe", &|path| assert!(Command::new("mkfifo").arg(path).status().unwrap().success()), "this is a FIFO, not a file");
    check("folder", &|path| fs::create_dir(path).unwrap(), "this is a directory, not a file");
    check("none", &|_| {}, "No such file");
    let device = found(&[PathBuf::from("/dev/zero")]).join("\n");
    assert!(device.contains("this is a device, not a file"), "{device}");
    // The names of sockets are short.
    let socket = std::env::temp_dir().join(["waybill-files-", &std::process::id().to_string()].concat());
    let listener = UnixListener::bind(&socket).unwrap();
    let told = found(std::slice::from_ref(&socket)).join("\n");
    drop((listener, fs::remove_file(&socket)));
    assert!(told.contains("this is a socket, not a file"), "{told}");
}
