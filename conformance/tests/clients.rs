//! zeep and PHP's SoapClient, given only the contract's address and a client certificate, fetch a resource and get its receipt.

#![allow(
    clippy::print_stdout,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::too_many_lines,
    reason = "a test says what it measured and skipped, and fails by panicking"
)]

use conformance::city::{City, root};
use std::path::Path;
use std::process::{Command, Output};

fn arguments(city: &City) -> Vec<String> {
    let file = |name: &str| city.dir().join("civil").join(name).display().to_string();
    let example = adapter::city::example().expect("an example");
    let (resource, field, value) = &example[0];
    vec![
        format!("{}/ws/trading?wsdl", city.url("civil")),
        file("clerk.pem"),
        file("clerk.key"),
        city.dir().join("ca.pem").display().to_string(),
        String::from("medical-aid"),
        (*resource).to_owned(),
        format!("{field}={value}"),
    ]
}

fn check(client: &str, output: &Output, value: &str) {
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(0), "{client}: {text}{}", String::from_utf8_lossy(&output.stderr));
    for expected in ["located in transport", "status delivered", "leaf ", "c2sp.org/tlog-proof@v1", "city.example/main/1", value] {
        assert!(text.contains(expected), "{client}: no '{expected}' in {text}");
    }
}

#[test]
fn clients_of_others_fetch_a_resource() {
    let city = City::start("clients");
    let arguments = arguments(&city);
    let value = arguments[6].split_once('=').expect("field=value").1.to_owned();
    let peers = root().join("conformance/peers");
    let mut ran = 0;
    if Command::new("php").arg("-r").arg("exit(class_exists('SoapClient') ? 0 : 1);").status().is_ok_and(|status| status.success()) {
        let output = Command::new("php").arg(peers.join("php/fetch.php")).args(&arguments).output().expect("php runs");
        check("php", &output, &value);
        ran += 1;
    } else {
        println!("skipped: PHP's SoapClient: apt-get install php-cli php-soap");
    }
    match std::env::var("WAYBILL_ZEEP_PYTHON") {
        Ok(python) if Path::new(&python).exists() => {
            let output = Command::new(python).arg(peers.join("zeep/fetch.py")).args(&arguments).output().expect("python runs");
            check("zeep", &output, &value);
            ran += 1;
        }
        _ => println!("skipped: zeep: python3 -m venv, pip install zeep, and WAYBILL_ZEEP_PYTHON naming its python"),
    }
    ran += readme(&city, &value);
    println!("{ran} clients");
}

/// The lines that the README shows, as they stand there but for this city's place and ports.
fn readme(city: &City, value: &str) -> usize {
    let text = std::fs::read_to_string(root().join("README.md")).expect("a README");
    assert!(text.contains(value), "the README asks for a citizen that exists: {value}");
    let here = |code: &str| {
        let code = code.replace("https://127.0.0.1:7103", &city.url("civil")).replace("\"city/", &format!("\"{}/", city.dir().display()));
        code.replace("city/civil", &city.dir().join("civil").display().to_string())
    };
    let between = |start: &str, end: &str| here(text.split_once(start).and_then(|(_, rest)| rest.split_once(end)).expect("the lines").0);
    let shown = |client: &str, output: &Output| {
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let good = output.status.success() && text.contains("delivered") && text.contains(value) && text.contains("tlog-proof");
        assert!(good, "README {client}: {text}{}", String::from_utf8_lossy(&output.stderr));
    };
    let mut ran = 0;
    if Command::new("php").arg("-r").arg("exit(class_exists('SoapClient') ? 0 : 1);").status().is_ok_and(|status| status.success()) {
        let code = between("php -r '", "'\n```");
        shown("PHP", &Command::new("php").args(["-r", &code]).output().expect("php runs"));
        ran += 1;
    }
    if let Ok(python) = std::env::var("WAYBILL_ZEEP_PYTHON") {
        let code = between("<<'PY'\n", "PY\n");
        shown("zeep", &Command::new(python).args(["-c", &code]).output().expect("python runs"));
        ran += 1;
    }
    let request = text.lines().find(|line| line.starts_with("waybill trade request")).expect("the line");
    let arguments: Vec<String> = request.split_whitespace().skip(1).map(here).collect();
    shown("waybill", &city.run(&arguments.iter().map(String::as_str).collect::<Vec<_>>()));
    ran + 1
}
