//! What a schedule draws from its seed.

use super::Dice;
use super::disk::Faults;

/// What a schedule draws from its seed: a swarm, so that each schedule stresses something else.
#[derive(Clone, Debug)]
pub struct Plan {
    pub(super) seed: u64,
    pub(super) ms: u64,
    /// Of a thousand frames.
    pub(super) loss: u64,
    pub(super) duplicate: u64,
    pub(super) replay: u64,
    pub(super) delay_ms: (u64, u64),
    pub(super) disk_ms: (u64, u64),
    pub(super) disk: Faults,
    /// Milliseconds between two faults, on average; 0 for none.
    pub(super) fault_ms: u64,
    pub(super) clock_jumps: bool,
    pub(super) power: bool,
    pub(super) think_ms: (u64, u64),
    pub(super) batches: bool,
    /// So many batches that segments are sealed.
    pub(super) seals: bool,
    pub(super) grant_ms: u64,
}

impl Plan {
    /// The plan of a seed.
    #[must_use]
    pub fn draw(seed: u64) -> Self {
        let mut dice = Dice::new(seed, "plan");
        let mut some = |permille, high| if dice.chance(permille) { dice.between(1, high) } else { 0 };
        let (loss, duplicate, replay) = (some(500, 300), some(300, 300), some(300, 100));
        let (read, write, sync) = (some(150, 2), some(200, 5), some(200, 5));
        let disk = Faults { read, write, sync, capacity: 0 };
        let slow = dice.chance(200);
        let seals = dice.chance(40);
        let far = if dice.chance(300) { 200 } else { 10 };
        Self {
            seed,
            ms: dice.between(60_000, 400_000),
            loss,
            duplicate,
            replay,
            delay_ms: (0, dice.between(1, far)),
            disk_ms: (0, if slow { dice.between(20, 400) } else { dice.between(1, 8) }),
            disk,
            fault_ms: if dice.chance(50) { 0 } else { dice.between(300, 10_000) },
            clock_jumps: dice.chance(400),
            power: dice.chance(600),
            think_ms: (100, if seals { 600 } else { dice.between(1_000, 10_000) }),
            seals,
            batches: seals || dice.chance(500),
            grant_ms: dice.between(20_000, 400_000),
        }
    }
}
