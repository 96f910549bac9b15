//! The contracts as they are served import into the toolkits of others: zeep, PHP, gSOAP, JAX-WS.

#![allow(clippy::print_stdout, reason = "a test says what it skips")]

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

/// Runs a command in `folder`; `None` where there is no such program.
fn run(folder: &Path, program: &str, arguments: &[&str]) -> Option<Output> {
    Command::new(program).args(arguments).current_dir(folder).output().ok()
}

/// Imports every contract, flat, with a toolkit; `said` is how often its output must speak of each operation, at least.
fn check(toolkit: &str, available: &[&str], import: &[&str], said: usize) {
    let folder = std::env::temp_dir().join(format!("waybill-{toolkit}-{}", std::process::id()));
    fs::create_dir_all(&folder).expect("a folder for temporary files");
    let (program, probe) = available.split_first().expect("a program and how to ask whether it is there");
    if run(&folder, program, probe).is_none_or(|output| !output.status.success()) {
        println!("skipped: {toolkit} is not installed");
        return;
    }
    let (importer, arguments) = import.split_first().expect("a command");
    for service in wsdl::SERVICES {
        let contract = wsdl::contract(service).expect("a contract without defects");
        fs::write(folder.join("served.wsdl"), contract.flat("https://gateway.city:7101/ws/x")).expect("a file to hand over");
        let output = run(&folder, importer, arguments).expect("a program that answered before");
        let text = [output.stdout.as_slice(), &output.stderr].concat();
        let text = String::from_utf8_lossy(&text);
        assert!(output.status.success(), "{toolkit}, {service}: {text}");
        let port = contract.ports().next().expect("a port");
        for operation in &port.operations {
            let count = text.matches(&operation.name).count();
            assert!(count >= said, "{toolkit}, {service}: {} is spoken of {count} times:\n{text}", operation.name);
        }
    }
    fs::remove_dir_all(&folder).expect("the folder that was made above");
}

#[test]
fn contracts_import_into_zeep() {
    let python = std::env::var("WAYBILL_ZEEP_PYTHON").unwrap_or_else(|_unset| String::from("python3"));
    check("zeep", &[&python, "-c", "import zeep"], &[&python, "-m", "zeep", "served.wsdl"], 4);
}

#[test]
fn contracts_import_into_php() {
    let list = "foreach ((new SoapClient('served.wsdl', ['cache_wsdl' => WSDL_CACHE_NONE]))->__getFunctions() as $f) print \"$f\\n\";";
    check("php", &["php", "-r", "exit(class_exists('SoapClient') ? 0 : 1);"], &["php", "-r", list], 2);
}

#[test]
fn contracts_import_into_gsoap() {
    check("gsoap", &["wsdl2h", "-V"], &["wsdl2h", "-c", "-o", "/dev/stdout", "served.wsdl"], 4);
}

#[test]
fn contracts_import_into_jax_ws() {
    let import = "rm -rf waybill && wsimport -extension -Xnocompile -d . served.wsdl && find waybill -name '*.java' -exec cat {} +";
    check("jax-ws", &["wsimport", "-version"], &["sh", "-c", import], 2);
}
