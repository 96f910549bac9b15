//! What goes wrong in a schedule, and how it is healed.

use super::city::MEMBERS;
use super::disk::Faults;
use super::world::{Event, Machine, Mend, World};
use std::collections::BTreeSet;

impl World {
    /// One fault, and when it is over.
    pub(super) fn fault(&mut self) {
        if self.healing {
            return;
        }
        self.faults += 1;
        let mean = self.plan.fault_ms;
        let next = self.dice.between(mean / 2, mean * 3 / 2 + 1);
        self.later(next, Event::Fault);
        let name = self.dice.between(1, MEMBERS.len() as u64);
        let long = self.dice.between(200, 12_000);
        if self.plan.seals && self.dice.chance(300) {
            return self.rot_or_sleep(name);
        }
        match self.dice.below(12) {
            0 | 1 => self.kill(name),
            2 | 3 => {
                let operations = self.dice.between(1, 12);
                if let Some(machine) = self.machines.get(&name) {
                    machine.disk.die_in(operations);
                }
            }
            4 if self.plan.power => self.lose_power(name),
            5 if self.plan.power => self.names().into_iter().for_each(|name| self.lose_power(name)),
            6 | 7 => self.partition(name, long),
            8 => {
                if let Some(machine) = self.machines.get_mut(&name) {
                    machine.asleep = true;
                }
                self.later(long, Event::Mend(Mend::Wake(name)));
            }
            9 if self.plan.clock_jumps => {
                let jump = i64::try_from(self.dice.between(0, 7_200_000)).unwrap_or_default() - 3_600_000;
                if let Some(machine) = self.machines.get_mut(&name) {
                    machine.clock_ms = jump;
                }
                self.later(long, Event::Mend(Mend::Clock(name)));
            }
            10 => {
                if let Some(machine) = self.machines.get(&name) {
                    machine.disk.set(Faults { capacity: 1, ..self.plan.disk });
                }
                self.later(long, Event::Mend(Mend::Disk(name)));
            }
            _ => self.kill_leader(),
        }
    }

    /// A bit of what is sealed flips, on one machine at a time; or a machine is away so long that the log forgets what it needs.
    fn rot_or_sleep(&mut self, name: u64) {
        if self.dice.chance(500) {
            let whole = |machine: &Machine| machine.node.as_ref().is_some_and(|node| node.status().damaged == 0);
            let rotten = self.machines.values().any(|machine| !whole(machine));
            if let Some(machine) = self.machines.get(&name).filter(|_| !rotten) {
                let _flipped = machine.disk.rot();
            }
        } else {
            let ms = self.dice.between(20_000, 60_000);
            if let Some(machine) = self.machines.get_mut(&name) {
                machine.asleep = true;
            }
            self.later(ms, Event::Mend(Mend::Wake(name)));
        }
    }

    fn kill_leader(&mut self) {
        let leads = |machine: &Machine| machine.node.as_ref().is_some_and(|node| node.status().leads);
        if let Some(name) = self.machines.iter().find(|(_, machine)| leads(machine)).map(|(name, _)| *name) {
            self.kill(name);
        }
    }

    fn lose_power(&mut self, name: u64) {
        self.kill(name);
        if let Some(machine) = self.machines.get(&name) {
            machine.disk.lose_power();
        }
    }

    /// Isolates a machine, one way or both, or cuts the city in two, or leaves a bridge.
    fn partition(&mut self, name: u64, ms: u64) {
        let all = self.names();
        let shape = self.dice.below(4);
        let side: BTreeSet<u64> = all.iter().copied().filter(|_| self.dice.chance(500)).collect();
        let cut = |from: u64, to: u64| match shape {
            0 => from == name || to == name,
            1 => from == name,
            2 => side.contains(&from) != side.contains(&to),
            _ => from != name && to != name && side.contains(&from) != side.contains(&to),
        };
        for from in &all {
            for to in all.iter().filter(|to| *to != from && cut(*from, **to)) {
                self.blocked.insert((*from, *to));
            }
        }
        for link in self.blocked.clone() {
            self.later(ms, Event::Mend(Mend::Link(link.0, link.1)));
        }
    }

    /// Everything works again, and every machine runs.
    pub(super) fn heal(&mut self) {
        self.healing = true;
        self.blocked.clear();
        for name in self.names() {
            let Some(machine) = self.machines.get_mut(&name) else { continue };
            machine.disk.set(Faults::default());
            machine.disk.revive();
            (machine.asleep, machine.clock_ms) = (false, 0);
            if machine.node.is_none() {
                self.start(name);
            }
        }
    }
}
