//! The demo's legacy systems: servers that know nothing but their own contract in `mappings/<sector>/` and their own records.
//!
//! They stand in for software of three decades that nobody can change: other element names, other encodings, other versions of
//! SOAP, their own faults. Their records are made up, the same for the same seed, and believable: numbers have right check digits,
//! and the citizens of one register own the vehicles and visit the hospitals of the others.

mod city;
mod civil;
mod health;
mod identifier;
mod server;
mod transport;

pub use server::serve;

use std::fmt;
use xsd::time::Timestamp;
use xsd::tree::{Element, Node};

/// Why a legacy system does not answer a question: its code and its words, in its own fault element.
#[derive(Debug)]
struct Complaint {
    /// The child of the fault's detail.
    detail: Box<Element>,
    /// For faultstring or Reason.
    words: String,
}

/// One of the three systems with its records.
enum System {
    Transport(Vec<transport::Vehicle>),
    Health(Vec<health::Visit>),
    Civil(Vec<city::Household>),
}

/// There is no legacy system of that sector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownSector(pub String);

impl fmt::Display for UnknownSector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "there is no legacy system {:?}: transport, health or civil", self.0)
    }
}

impl std::error::Error for UnknownSector {}

impl System {
    fn new(sector: &str, seed: u64, n: usize) -> Result<Self, UnknownSector> {
        match sector {
            "transport" => Ok(Self::Transport(transport::vehicles(seed, n))),
            "health" => Ok(Self::Health(health::visits(seed, n))),
            "civil" => Ok(Self::Civil(city::households(seed, n))),
            other => Err(UnknownSector(other.to_owned())),
        }
    }

    fn records(&self) -> Vec<Element> {
        match self {
            Self::Transport(vehicles) => vehicles.iter().map(transport::Vehicle::element).collect(),
            Self::Health(visits) => visits.iter().map(health::Visit::element).collect(),
            Self::Civil(households) => households.iter().map(civil::element).collect(),
        }
    }

    fn answer(&self, question: &Element, now: Timestamp) -> Result<Element, Complaint> {
        match self {
            Self::Transport(vehicles) => transport::answer(vehicles, question, now),
            Self::Health(visits) => health::answer(visits, question),
            Self::Civil(households) => civil::answer(households, question),
        }
    }
}

/// The first `n` records of a sector in the form of its own schema, the same for the same seed; more records begin with the
/// same ones. The first records of all three sectors are about the same citizen.
///
/// # Errors
/// There is no such sector.
pub fn records(sector: &str, seed: u64, n: usize) -> Result<Vec<Element>, UnknownSector> {
    System::new(sector, seed, n).map(|system| system.records())
}

/// Every value in those records: texts and attributes, as they stand.
///
/// # Errors
/// There is no such sector.
pub fn values(sector: &str, seed: u64, n: usize) -> Result<Vec<String>, UnknownSector> {
    let mut values = Vec::new();
    records(sector, seed, n)?.iter().for_each(|record| collect(record, &mut values));
    Ok(values)
}

fn collect(element: &Element, values: &mut Vec<String>) {
    values.extend(element.attributes().iter().map(|attribute| attribute.value.clone()));
    for node in element.children() {
        match node {
            Node::Element(child) => collect(child, values),
            Node::Text(text) => values.push(text.clone()),
            Node::Comment | Node::Instruction { .. } => {}
        }
    }
}

#[cfg(test)]
mod tests;
