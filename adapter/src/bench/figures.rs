//! What was measured, as lines for people or one JSON object a line.

use crate::cli::print;
use serde_json::json;

/// What a figure has to be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Floor {
    /// Nothing is promised.
    None,
    /// The ratio is at most this.
    RatioAtMost(f64),
    /// The ratio is at least this.
    RatioAtLeast(f64),
    /// Our value is at most this.
    AtMost(f64),
}

/// One figure: medians over the rounds.
#[derive(Clone, Debug)]
pub(super) struct Figure {
    /// P1 …, or what was swept.
    pub(super) id: String,
    pub(super) ours: f64,
    pub(super) unit: &'static str,
    /// Against whom, and what it reached; the ratio is ours to it, the median of the rounds'.
    pub(super) peer: Option<(&'static str, f64, f64)>,
    /// What the disks of a majority allow, in the same unit.
    pub(super) limit: Option<f64>,
    pub(super) floor: Floor,
}

impl Figure {
    /// A figure of ours alone.
    pub(super) fn alone(id: &str, ours: f64, unit: &'static str, floor: Floor) -> Self {
        Self { id: id.to_owned(), ours, unit, peer: None, limit: None, floor }
    }

    /// Whether the floor holds, if there is one.
    pub(super) fn holds(&self) -> Option<bool> {
        let ratio = self.peer.map(|(_, _, ratio)| ratio);
        match self.floor {
            Floor::None => None,
            Floor::RatioAtMost(floor) => ratio.map(|ratio| ratio <= floor),
            Floor::RatioAtLeast(floor) => ratio.map(|ratio| ratio >= floor),
            Floor::AtMost(floor) => Some(self.ours <= floor),
        }
    }

    fn bound(&self) -> Option<f64> {
        match self.floor {
            Floor::None => None,
            Floor::RatioAtMost(floor) | Floor::RatioAtLeast(floor) | Floor::AtMost(floor) => Some(floor),
        }
    }

    /// Prints it.
    pub(super) fn print(&self, as_json: bool) {
        if as_json {
            let (peer, value, ratio) = self.peer.map_or((None, None, None), |(peer, value, ratio)| (Some(peer), Some(value), Some(ratio)));
            let object = json!({
                "id": self.id, "ours": self.ours, "unit": self.unit, "peer": peer, "peer_value": value,
                "limit": self.limit, "ratio": ratio, "floor": self.bound(), "holds": self.holds(),
            });
            return print::out(&object.to_string());
        }
        let mut line = format!("{:28} {:>12.3} {}", self.id, self.ours, self.unit);
        if let Some((peer, value, ratio)) = self.peer {
            line += &format!("  {peer} {value:.3}  ratio {ratio:.2}");
        }
        if let Some(limit) = self.limit {
            line += &format!("  limit {limit:.3}");
        }
        let bound = match self.floor {
            Floor::None => String::new(),
            Floor::RatioAtMost(floor) | Floor::AtMost(floor) => format!("  at most {floor}"),
            Floor::RatioAtLeast(floor) => format!("  at least {floor}"),
        };
        let verdict = self.holds().map_or("", |holds| if holds { ": holds" } else { ": DOES NOT HOLD" });
        print::out(&(line + &bound + verdict));
    }
}

/// The middle one; of two, the larger.
pub(super) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_floor_is_about_the_ratio_or_about_us() {
        let figure = |floor| Figure { peer: Some(("etcd", 4.0, 0.5)), ..Figure::alone("P", 2.0, "ms", floor) };
        let held = |floor| figure(floor).holds();
        assert_eq!(held(Floor::None), None);
        assert_eq!((held(Floor::RatioAtMost(0.5)), held(Floor::RatioAtMost(0.4))), (Some(true), Some(false)));
        assert_eq!((held(Floor::RatioAtLeast(0.5)), held(Floor::RatioAtLeast(0.6))), (Some(true), Some(false)));
        assert_eq!((held(Floor::AtMost(2.0)), held(Floor::AtMost(1.9))), (Some(true), Some(false)));
        assert_eq!(Figure::alone("P", 2.0, "ms", Floor::RatioAtLeast(1.0)).holds(), None, "nothing to compare with");
        assert!((median(&[3.0, 1.0, 2.0]) - 2.0).abs() < f64::EPSILON);
    }
}
