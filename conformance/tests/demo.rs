//! `waybill demo --exit --json`: the product's front door, as a program reads it.

#![allow(
    clippy::print_stdout,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::too_many_lines,
    reason = "a test says what it measured and skipped, and fails by panicking"
)]

use conformance::city::{root, scratch, waybill};
use serde_json::Value;
use std::process::Command;

#[test]
fn the_demo_prints_one_document_and_ends() {
    let dir = scratch("demo");
    let output =
        Command::new(waybill()).args(["demo", "--exit", "--json", "--dir"]).arg(&dir).current_dir(root()).output().expect("waybill runs");
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{told}");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    let document: Value = serde_json::from_str(&text).expect("one JSON document and nothing else");
    assert_eq!(document["ok"], true, "{text}");
    assert!(document["seconds"].as_f64().is_some_and(|seconds| seconds < 30.0), "{text}");
    let sectors: Vec<&str> = document["sectors"].as_array().expect("sectors").iter().filter_map(|sector| sector["name"].as_str()).collect();
    assert_eq!(sectors, ["transport", "health", "civil", "bureau"]);
    assert!(
        document["sectors"]
            .as_array()
            .expect("sectors")
            .iter()
            .all(|sector| sector["url"].as_str().is_some_and(|url| url.starts_with("https://")))
    );
    let steps = document["steps"].as_array().expect("steps");
    assert_eq!(steps.len(), 15);
    for (step, number) in steps.iter().zip(1..) {
        assert_eq!(step["id"], format!("W{number}"), "{text}");
        assert_eq!(step["ok"], true, "{text}");
        assert!(step["ms"].is_number(), "{text}");
    }
    let trades: Vec<(&str, &str)> = document["trades"]
        .as_array()
        .expect("trades")
        .iter()
        .map(|trade| (trade["case"].as_str().unwrap_or_default(), trade["status"].as_str().unwrap_or_default()))
        .collect();
    assert_eq!(
        trades,
        [("granted", "delivered"), ("granted", "delivered"), ("denied", "denied"), ("partial", "delivered"), ("partial", "denied")],
        "{text}"
    );
    assert!(document["trades"].as_array().expect("trades").iter().all(|trade| trade["index"].is_u64()), "{text}");
    assert_eq!(document["proof"]["verified"], true, "{text}");
    assert!(document["proof"]["checkpoint"].as_str().is_some_and(|note| note.starts_with("city.example/main/1\n")), "{text}");
    assert!(document["proof"]["size"].as_u64().is_some_and(|size| size > 10), "{text}");
}
