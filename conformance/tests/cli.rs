//! The command line at its edges: files it makes, words it says, exit statuses it promises.

use conformance::city::{scratch, waybill};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Output};

fn run(arguments: &[&str]) -> Output {
    Command::new(waybill()).args(arguments).output().expect("waybill runs")
}

/// (arguments, exit status, what stands on stderr)
fn check(arguments: &[&str], status: i32, told: &str) {
    let output = run(arguments);
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(status), "{arguments:?}: {text}");
    assert!(text.contains(told), "{arguments:?}: {text}");
}

#[test]
fn usage_and_configuration() {
    let dir = scratch("cli");
    fs::create_dir_all(&dir).expect("a directory");
    let file = |name: &str, text: &str| {
        let path = dir.join(name);
        fs::write(&path, text).expect("writable");
        path.display().to_string()
    };
    check(&["nonsense"], 2, "unrecognized subcommand");
    check(&["trade", "request"], 2, "--profile");
    check(&["serve", "--config", "/nowhere/waybill.toml"], 3, "/nowhere/waybill.toml");
    check(&["serve", "--config", &file("typo.toml", "sectr = \"energy\"\n")], 3, "unknown field `sectr`");
    check(&["serve", "--config", &file("broken.toml", "sector = \n")], 3, "line 1");
    check(&["status", "--profile", "/nowhere/p.toml"], 3, "/nowhere/p.toml");
    let profile = |node: &str| {
        let text = format!("node = \"{node}\"\ncertificate = \"c.pem\"\nkey = \"k.pem\"\nca = \"ca.pem\"\n");
        file("profile.toml", &text)
    };
    check(&["status", "--profile", &profile("https://127.0.0.1:1")], 3, "c.pem");
    let authority = adapter::pki::Authority::found("Nobody").expect("an authority");
    let issued = authority.issue("nobody", &[], adapter::pki::Use::Client).expect("a certificate");
    for (name, text) in [("c.pem", issued.certificate.as_str()), ("k.pem", &issued.key), ("ca.pem", authority.pem())] {
        file(name, text);
    }
    check(&["status", "--profile", &profile("https://127.0.0.1:1")], 4, "error[unreachable]");
    check(&["trade", "request", "--profile", &profile("https://127.0.0.1:1"), "transport/vehicle", "nonsense"], 2, "field=value");
    check(&["trade", "history", "--profile", &profile("https://127.0.0.1:1"), "--from", "yesterday"], 2, "2026-11-21T08:00:00Z");
    check(&["audit", "verify", "/nowhere", "--genesis", &"0".repeat(64)], 3, "/nowhere");
    check(&["demo", "--dir", dir.to_str().expect("UTF-8"), "--exit"], 3, "no earlier city");
}

#[test]
fn a_full_disk_behind_standard_output_is_said() {
    let mappings = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../mappings/health");
    let (map, document) = (mappings.join("visit.map.xml"), mappings.join("tests/payers/in.xml"));
    for arguments in
        [vec!["run", map.to_str().expect("UTF-8"), document.to_str().expect("UTF-8")], vec!["check", map.to_str().expect("UTF-8")]]
    {
        let full = fs::OpenOptions::new().write(true).open("/dev/full").expect("the device");
        let output = Command::new(waybill()).arg("map").args(&arguments).stdout(full).output().expect("waybill runs");
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(3), "{arguments:?}: {text}");
        assert!(text.contains("standard output"), "{text}");
    }
}

#[test]
fn what_is_not_there_has_one_status_in_every_verb() {
    let dir = scratch("absent");
    fs::create_dir_all(&dir).expect("a directory");
    let mappings = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../mappings/health");
    let at = |name: &str| mappings.join(name).display().to_string();
    let (map, schema, none) = (at("visit.map.xml"), at("visit.xsd"), dir.join("none").display().to_string());
    // A schema, a mapping or a contract that cannot be read does not hold.
    for arguments in [
        vec!["xsd", "check", &none],
        vec!["xsd", "show", &none],
        vec!["xsd", "validate", "--schema", &none, &none],
        vec!["wsdl", "check", &none],
        vec!["wsdl", "import", &none, "--into", &none],
        vec!["map", "fmt", &none],
        vec!["map", "run", &none, &none],
        vec!["map", "coverage", &none],
        vec!["map", "export", &none],
        vec!["map", "invert", &none],
        vec!["map", "lock", &none],
        vec!["map", "doc", &none],
        vec!["map", "annotate", &none],
        vec!["map", "diff", &none, &none],
        vec!["map", "scaffold", &none],
        vec!["map", "scaffold", "--wsdl", &none, "--operation", "O"],
        vec!["map", "explain", "Person/Sex", "--map", &none],
    ] {
        check(&arguments, 1, "none");
    }
    // Its report is what it is asked for.
    check(&["map", "check", &none], 1, "");
    // A document or a folder of documents is what the verb works on.
    for arguments in [
        vec!["xsd", "validate", "--schema", &schema, &none],
        vec!["map", "run", &map, &none],
        vec!["map", "coverage", &map, &none],
        vec!["map", "test", &none],
        vec!["map", "scaffold", "--from-sample", &none],
    ] {
        check(&arguments, 3, "none");
    }
    let pipe = dir.join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().expect("mkfifo runs").success());
    let pipe = pipe.display().to_string();
    check(&["xsd", "check", &pipe], 1, "this is a FIFO, not a file");
    check(&["map", "run", &map, &pipe], 3, "this is a FIFO, not a file");
    check(&["wsdl", "check", &pipe], 1, "this is a FIFO, not a file");
    // Rejects of two runs are not mixed.
    let sample = at("tests/payers/in.xml");
    fs::create_dir_all(dir.join("old")).expect("a directory");
    fs::write(dir.join("old/1.txt"), "of yesterday").expect("writable");
    let old = dir.join("old").display().to_string();
    check(&["map", "run", &map, &sample, "--reject", &old], 2, "there are files in it already");
    // Help says what was meant, and which forms there are.
    check(&["help", "mapp"], 2, "'map'");
    check(&["map", "help", "chek"], 2, "'check'");
    let told = run(&["map", "test", "--help"]);
    let told = String::from_utf8_lossy(&told.stdout).into_owned();
    assert!(told.contains("junit") && !told.contains("sarif"), "{told}");
}

#[test]
fn init_makes_a_sector() {
    let dir = scratch("init");
    let name = dir.to_str().expect("UTF-8");
    let init =
        ["init", "--sector", "energy", "--dir", name, "--service", "gateway.energy.example:7101", "--peer", "gateway.energy.example:7201"];
    let output = run(&init);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    for secret in ["tls.key", "message.key", "record.key", "node.key"] {
        let mode = fs::metadata(dir.join(secret)).expect("a key").permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{secret}");
    }
    for request in ["tls.csr", "message.csr"] {
        let path = dir.join(request).display().to_string();
        let judged = Command::new("openssl").args(["req", "-in", &path, "-noout", "-verify", "-subject"]).output().expect("openssl runs");
        let text = [judged.stdout, judged.stderr].concat();
        assert!(
            judged.status.success() && String::from_utf8_lossy(&text).contains("energy"),
            "{request}: {}",
            String::from_utf8_lossy(&text)
        );
    }
    check(&init, 3, "exists");
    check(&["serve", "--check", "--config", &dir.join("waybill.toml").display().to_string()], 3, "genesis");
    check(&["init", "--sector", "Energy!", "--dir", name, "--service", "a:1", "--peer", "a:2"], 2, "a-z, 0-9 and -");
    check(&["init", "--sector", "energy", "--dir", name, "--service", "a", "--peer", "a:2"], 2, "host:port");
}

#[test]
fn schemas_are_checked_shown_and_documents_validated() {
    let dir = scratch("cli-xsd");
    fs::create_dir_all(dir.join("inner")).expect("a directory");
    let file = |name: &str, text: &str| {
        let path = dir.join(name);
        fs::write(&path, text).expect("writable");
        path.display().to_string()
    };
    let schema = |body: &str| ["<xs:schema xmlns:xs='http://www.w3.org/2001/XMLSchema'>", body, "</xs:schema>"].concat();
    let items = "<xs:element name='items'><xs:complexType><xs:sequence><xs:element name='item' type='N' maxOccurs='unbounded'/></xs:sequence></xs:complexType></xs:element>";
    file("n.xsd", &schema("<xs:simpleType name='N'><xs:restriction base='xs:int'/></xs:simpleType>"));
    let good = file("inner/good.xsd", &schema(&["<xs:include schemaLocation='../n.xsd'/>", items].concat()));
    let root = dir.display().to_string();
    // What is outside of the schema's folder is read only if that is allowed; nothing is fetched.
    check(&["xsd", "check", "--level", "strict", &good], 1, "outside of the schemas' folders");
    check(&["xsd", "check", "--level", "strict", "--root", &root, &good], 0, "");
    check(
        &[
            "xsd",
            "check",
            "--level",
            "strict",
            &file("broken.xsd", &schema("<xs:element name='a' type='T'/><xs:element name='b' tipe='T'/>")),
        ],
        1,
        "did you mean 'type'?",
    );
    let remote = schema("<xs:import namespace='urn:x' schemaLocation='http://127.0.0.1/x.xsd'/>");
    check(&["xsd", "check", &file("remote.xsd", &remote)], 0, "nothing is fetched");
    check(&["xsd", "check", "/nowhere.xsd"], 1, "/nowhere.xsd");
    check(&["xsd", "show", "--root", &root, &good, "--type", "M"], 2, "there is no type 'M'");
    let shown = run(&["xsd", "show", "--root", &root, &good, "--element", "items"]);
    let text = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(shown.status.success() && text.contains("item: N  [") && text.contains("1..*"), "{text}");

    let validate =
        |document: &str, status: i32, told: &str| check(&["xsd", "validate", "--root", &root, "--schema", &good, document], status, told);
    validate(&file("1.xml", "<items><item>1</item></items>"), 0, "");
    validate(&file("2.xml", "<items>\n<item>x</item></items>"), 1, "2.xml:2:1");
    validate(&file("3.xml", "<items>"), 1, "3.xml:1:8");
    validate("/nowhere.xml", 3, "/nowhere.xml");
    let json = run(&[
        "xsd",
        "validate",
        "--output",
        "json",
        "--root",
        &root,
        "--schema",
        &good,
        &file("4.xml", "<items><item>x</item><itme/></items>"),
    ]);
    let report: serde_json::Value = serde_json::from_slice(&json.stdout).expect("JSON");
    let rules: Vec<&str> =
        report["documents"][0]["violations"].as_array().expect("violations").iter().filter_map(|found| found["rule"].as_str()).collect();
    assert_eq!((json.status.code(), rules), (Some(1), vec!["cvc-datatype-valid.1.2.1", "cvc-complex-type.2.4.a"]));
}

#[test]
fn a_document_larger_than_memory_is_validated_from_a_pipe() {
    let dir = scratch("cli-pipe");
    fs::create_dir_all(&dir).expect("a directory");
    let schema = dir.join("items.xsd");
    let text = "<xs:schema xmlns:xs='http://www.w3.org/2001/XMLSchema'><xs:element name='items'><xs:complexType><xs:sequence>\
                <xs:element name='item' type='xs:int' maxOccurs='unbounded'/></xs:sequence></xs:complexType></xs:element></xs:schema>";
    fs::write(&schema, text).expect("writable");
    let schema = schema.display().to_string();
    // 32 MB from a pipe; the memory it took is asked of the system while it waits for the end.
    let mut child = Command::new(waybill());
    child.args(["xsd", "validate", "--schema", &schema, "-"]).stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped());
    let mut child = child.spawn().expect("waybill runs");
    let mut pipe = child.stdin.take().expect("a pipe");
    let part = "<item>12345</item>\n".repeat(1000);
    std::io::Write::write_all(&mut pipe, b"<items>").expect("it reads");
    for _ in 0..1800 {
        std::io::Write::write_all(&mut pipe, part.as_bytes()).expect("it reads");
    }
    let status = fs::read_to_string(format!("/proc/{}/status", child.id())).expect("it runs");
    std::io::Write::write_all(&mut pipe, b"</items>").expect("it reads");
    drop(pipe);
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("Linux").trim().trim_end_matches(" kB").parse::<u64>();
    let output = child.wait_with_output().expect("it ends");
    assert!(output.status.success() && String::from_utf8_lossy(&output.stdout).contains("-: valid"));
    assert!(peak.as_ref().is_ok_and(|kib| *kib < 64 << 10), "{peak:?} KiB");
}

#[test]
fn a_document_is_mapped_as_it_passes_by() {
    let dir = scratch("cli-map-run");
    let sector = concat!(env!("CARGO_MANIFEST_DIR"), "/../mappings/health");
    let map = [sector, "/visit.map.xml"].concat();
    let (made, rejected) = (dir.join("made"), dir.join("rejected"));
    let (out, reject) = (made.display().to_string(), rejected.display().to_string());
    for (sample, status) in [("payers", 0), ("bad-birth-date", 1)] {
        let sample = [sector, "/tests/", sample].concat();
        let document = [&sample, "/in.xml"].concat();
        check(&["map", "run", &map, &document, "--out", &out, "--reject", &reject], status, " made, ");
        let lines = fs::read_to_string(made.join("business.xml")).expect("a file for each target");
        let expected = fs::read_to_string([&sample, "/expect.business.xml"].concat()).expect("a sample");
        assert_eq!(lines.trim_end(), expected.trim_end());
    }
    let why = fs::read_to_string(rejected.join("1.txt")).expect("why");
    let record = fs::read_to_string(rejected.join("1.xml")).expect("the record");
    assert!(why.starts_with("reject[SM908]") && record.contains("Visit"), "{why}{record}");
    check(&["map", "run", &map, "/nowhere.xml"], 3, "/nowhere.xml");
}
