//! Which command meets which fault. What a fault does is told by `fault`.

use std::collections::BTreeMap;
use std::time::Duration;

use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};

use crate::fault::{Answer, Fault};

/// Which command meets which fault. Commands are counted from 0 over all connections; those that set
/// up a connection (`AUTH`, `HELLO`, `CLIENT`, `SELECT` and the like) meet none and are not counted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Schedule {
    faults: BTreeMap<u64, Fault>,
    for_ever: Option<(u64, Fault)>,
}

/// How many faults a random schedule has, and how densely.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Intensity {
    /// How many faults there are. After the last one there is none, so that whoever tries often enough
    /// succeeds.
    pub faults: u64,
    /// A fault is at most twice so many commands after the one before, and at least one.
    pub every: u64,
}

impl Intensity {
    /// A few faults, far apart.
    pub const LIGHT: Self = Self { faults: 5, every: 40 };
    /// Many faults, each soon after the one before.
    pub const HEAVY: Self = Self { faults: 40, every: 6 };
}

impl Schedule {
    /// No fault.
    pub fn none() -> Self {
        Self::default()
    }

    /// One fault.
    pub fn once(command: u64, fault: Fault) -> Self {
        Self::none().then(command, fault)
    }

    /// The same fault for a command and for all that follow it.
    pub fn permanent(first: u64, fault: Fault) -> Self {
        Self { for_ever: Some((first, fault)), ..Self::none() }
    }

    /// One fault more. A command meets one at most: the last that was said.
    #[must_use]
    pub fn then(mut self, command: u64, fault: Fault) -> Self {
        self.faults.insert(command, fault);
        self
    }

    /// Faults of all kinds that pass by themselves: every one but [`Fault::Hang`], which a client needs
    /// a time limit for, and [`Fault::Corrupt`], which no second try of a write heals.
    pub fn random(seed: u64, intensity: Intensity) -> Self {
        let mut draw = Draw(Xoshiro256PlusPlus::seed_from_u64(seed));
        let mut schedule = Self::none();
        let mut command = 0;
        for _ in 0..intensity.faults {
            command += 1 + draw.below(2 * intensity.every);
            schedule = schedule.then(command, draw.fault());
        }
        schedule
    }

    pub(crate) fn at(&self, command: u64) -> Option<&Fault> {
        let for_ever = self.for_ever.as_ref().filter(|(first, _)| command >= *first);
        self.faults.get(&command).or_else(|| for_ever.map(|(_, fault)| fault))
    }
}

struct Draw(Xoshiro256PlusPlus);

impl Draw {
    /// The bias of a remainder does not matter here.
    fn below(&mut self, end: u64) -> u64 {
        self.0.next_u64() % end.max(1)
    }

    /// From some bytes to some 2 MiB, each order of magnitude as often as the others.
    fn bytes(&mut self) -> u64 {
        let order = self.below(18);
        (8 << order) + self.below(8 << order)
    }

    fn millis(&mut self, end: u64) -> Duration {
        Duration::from_millis(1 + self.below(end))
    }

    fn fault(&mut self) -> Fault {
        match self.below(12) {
            0 | 1 => Fault::CutBeforeRequest,
            2 | 3 => Fault::CutInRequest { after: self.bytes() },
            4 | 5 => Fault::LoseReply,
            6 | 7 => Fault::CutInReply { after: self.bytes() },
            8 => Fault::Stall { span: self.millis(400) },
            9 => {
                // A second at most.
                let bytes_per_second = self.bytes().max(1024);
                Fault::Slow { bytes_per_second, bytes: self.below(bytes_per_second) }
            }
            10 if self.below(2) == 0 => Fault::Outage { span: self.millis(300) },
            10 => Fault::Refuse { connections: 1 + self.below(3) },
            _ => {
                let kinds = Answer::TRANSIENT;
                let drawn = usize::try_from(self.below(kinds.len() as u64)).unwrap_or(0);
                Fault::Answer { answer: kinds[drawn].clone(), commands: 1 + self.below(4) }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_says_all_and_another_seed_something_else() {
        let schedule = Schedule::random(7, Intensity::HEAVY);
        assert_eq!(schedule, Schedule::random(7, Intensity::HEAVY));
        assert_ne!(schedule, Schedule::random(8, Intensity::HEAVY));
        assert_eq!(schedule.faults.len(), 40);
    }

    #[test]
    fn a_random_schedule_ends() {
        for seed in 0..200 {
            let schedule = Schedule::random(seed, Intensity::HEAVY);
            let last = schedule.faults.keys().last().unwrap();
            assert!(*last <= 40 * 12);
            assert_eq!(schedule.at(last + 1), None);
        }
    }

    #[test]
    fn a_permanent_fault_does_not_end() {
        let schedule = Schedule::permanent(3, Fault::Hang);
        assert_eq!(schedule.at(2), None);
        assert_eq!(schedule.at(u64::MAX), Some(&Fault::Hang));
    }
}
