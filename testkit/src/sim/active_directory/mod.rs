//! Active Directory as the backup directory, simulated apart (rotation.md 9): no pending state, one modify, then
//! local. The agent's half is the product's: `laps::cycle`, `laps::rotation`, `laps::active_directory`; its shell here
//! does what `agent::domain` does. The domain is a model: two controllers, of which one may be unreachable, lag behind
//! or be lost for good; modifies are lost, answered late, or arrive late.

mod controllers;
mod machine;

use super::dice::Dice;
use controllers::Controllers;
use laps::{active_directory::REPLICATION_TICKS_MAX, time::Timestamp};
use machine::Machine;

/// A rule of rotation.md 9 that is left out, to show that the run sees what it is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Broken {
    /// The password is set locally while the modify is unknown.
    SetWhileUnknown,
    /// A modify goes to any controller, also to one that does not have the last one yet: replication then takes
    /// the last one away everywhere.
    AnotherController,
    /// A version that was never set is pushed into the history like one that was: with a history of one entry
    /// two crashes in a row push out the one that is installed.
    NeverSetAppended,
    /// A modify does not name the version that it takes the place of: one that arrives late undoes a later one.
    Unconditional,
    /// No history is kept although policy asks for one.
    NoHistory,
}

/// What a run came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Rotations that were done.
    pub rotations: u64,
    /// Answers to a modify that were lost.
    pub lost_answers: u64,
    /// Modifies that arrived after their sender had given up.
    pub late: u64,
    /// Modifies that were refused because the object had changed.
    pub refused: u64,
    /// Crashes of the agent.
    pub crashes: u64,
    /// Cycles that waited for replication.
    pub waits: u64,
    /// Crashes that took the agent's memory with them.
    pub lost_memories: u64,
    /// Controllers that were lost before they had replicated.
    pub lost_controllers: u64,
    /// Times at which the machine held a password that its controller did not have: with history 0 the window
    /// between the modify and the set, or a lost controller; each closed by the next rotation.
    pub windows: u64,
}

/// The domain of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Domain {
    /// Entries of the encrypted history.
    pub history_max: usize,
    /// The schema has msLAPS-CurrentPasswordVersion.
    pub has_version: bool,
}

impl Domain {
    /// The kind of domain that a seed runs in: histories of 0, 1 and 3 entries, and 2 in a schema without versions.
    pub const fn of_seed(seed: u64) -> Self {
        match seed % 4 {
            0 => Self { history_max: 0, has_version: true },
            1 => Self { history_max: 1, has_version: true },
            2 => Self { history_max: 3, has_version: true },
            _ => Self { history_max: 2, has_version: false },
        }
    }
}

impl Counts {
    /// Adds those of another run.
    pub const fn add(&mut self, other: &Self) {
        self.rotations += other.rotations;
        self.lost_answers += other.lost_answers;
        self.late += other.late;
        self.refused += other.refused;
        self.crashes += other.crashes;
        self.waits += other.waits;
        self.lost_memories += other.lost_memories;
        self.lost_controllers += other.lost_controllers;
        self.windows += other.windows;
    }
}

struct Run {
    dice: Dice,
    now: Timestamp,
    controllers: Controllers,
    replicated_at: Timestamp,
    machine: Machine,
    history_max: usize,
    broken: Option<Broken>,
    calm: bool,
    /// A window is open: it must be closed by the next rotation.
    open: bool,
    counts: Counts,
}

/// Runs one seed: so many cycles under faults, then calm.
///
/// # Errors
/// What was lost, as text.
pub fn run(seed: u64, domain: Domain, broken: Option<Broken>) -> Result<Counts, String> {
    let mut run = Run {
        dice: Dice::new(seed),
        now: super::START,
        controllers: Controllers::new(domain.has_version, true),
        replicated_at: super::START,
        machine: Machine::default(),
        history_max: domain.history_max,
        broken,
        calm: false,
        open: false,
        counts: Counts::default(),
    };
    for _ in 0..60 {
        let days = run.dice.pick(&[0, 0, 0, 1, 8, 31]);
        run.now = run.now.plus_seconds(days * 86_400 + run.dice.below(7200));
        // Replication that takes longer is a controller that is lost (`REPLICATION_TICKS_MAX`).
        if run.now.ticks_since(run.replicated_at) >= REPLICATION_TICKS_MAX {
            run.replicate();
        }
        run.fails();
        run.cycle()?;
        if run.dice.percent(60) {
            run.replicate();
        }
        run.check("between two cycles")?;
    }
    // Calm: whatever is open is closed, and what is installed is what people read.
    run.calm = true;
    for _ in 0..4 {
        run.now = run.now.plus_seconds(5 * 3600);
        run.deliver_late();
        run.replicate();
        run.cycle()?;
        run.check("in calm")?;
    }
    let held = run.machine.installed.is_some_and(|version| {
        run.controllers.alive().iter().all(|controller| {
            run.controllers
                .object(*controller)
                .and_then(|object| object.encrypted)
                .is_some_and(|value| value.bytes == Controllers::value(version))
                || *controller != run.machine.written
        })
    });
    if run.open || !held {
        return Err(format!("after calm {:?} is installed, window open: {}", run.machine.installed, run.open));
    }
    Ok(run.counts)
}

impl Run {
    /// Something goes wrong between two cycles.
    fn fails(&mut self) {
        if self.dice.percent(3) && self.controllers.alive().len() == 2 {
            let lost = self.dice.below(2) as usize;
            if self.controllers.lose(lost) {
                self.counts.lost_controllers += 1;
            }
        }
        if self.dice.percent(10) {
            let controller = self.dice.below(2) as usize;
            let at = self.dice.pick(&[self.now, self.now.plus_days(400), self.now.plus_days(2)]);
            self.controllers.expire(controller, at);
        }
        if self.dice.percent(50) {
            self.deliver_late();
        }
        if self.dice.percent(3) {
            self.machine.reset = true;
        }
    }

    fn replicate(&mut self) {
        self.controllers.replicate();
        self.replicated_at = self.now;
    }

    /// I1, relative to the controller that acknowledged (rotation.md 9).
    fn check(&mut self, when: &str) -> Result<(), String> {
        let Some(installed) = self.machine.installed else { return Ok(()) };
        if self.controllers.holds(self.machine.acknowledged_by, installed) {
            self.open = false;
            return Ok(());
        }
        let gone = !self.controllers.alive().contains(&self.machine.acknowledged_by);
        if !gone && self.history_max > 0 && !self.machine.forgetful {
            return Err(format!(
                "{when}: {installed} is installed, {} has {:?}",
                Controllers::name(self.machine.acknowledged_by),
                self.controllers.object(self.machine.acknowledged_by)
            ));
        }
        if gone && self.controllers.alive().iter().any(|controller| self.controllers.holds(*controller, installed)) {
            return Ok(());
        }
        if !self.open {
            self.counts.windows += 1;
        }
        self.open = true;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEEDS: u64 = 1_000;

    fn all(domain: Domain) -> Counts {
        let mut all = Counts::default();
        for seed in 0..SEEDS {
            let counts = run(seed, domain, None).unwrap_or_else(|lost| panic!("seed {seed}: {lost}"));
            all.add(&counts);
        }
        println!("{domain:?}: {all:?}");
        all
    }

    /// rotation.md 9: with a history of one entry or more I1 holds relative to the controller that acknowledged;
    /// what is left are controllers that were lost before they replicated.
    #[test]
    fn with_a_history_only_a_lost_controller_opens_a_window() {
        for history_max in [1, 3] {
            let counts = all(Domain { history_max, has_version: true });
            assert!(counts.lost_answers > 0 && counts.crashes > 0 && counts.lost_controllers > 0 && counts.waits > 0);
            assert!(counts.late > 0 && counts.refused > 0);
            assert!(counts.windows <= counts.lost_controllers + counts.lost_memories, "{counts:?}");
        }
    }

    /// rotation.md 9: without a history there is a window, which the next rotation closes.
    #[test]
    fn without_a_history_there_is_a_window_and_it_is_closed() {
        let counts = all(Domain { history_max: 0, has_version: true });
        assert!(counts.windows > counts.lost_controllers + counts.lost_memories, "{counts:?}");
    }

    /// rotation.md 9, "else the expiry": a schema without versions. What arrives late is not guarded there.
    #[test]
    fn without_versions_the_expiry_tells() {
        let counts = all(Domain { history_max: 2, has_version: false });
        assert!(counts.windows <= counts.lost_controllers + counts.lost_memories, "{counts:?}");
    }

    /// Each rule is needed: without it the run sees a loss.
    #[test]
    fn every_rule_is_needed() {
        for (broken, history_max) in [
            (Broken::SetWhileUnknown, 3),
            (Broken::AnotherController, 3),
            (Broken::NeverSetAppended, 1),
            (Broken::Unconditional, 3),
            (Broken::NoHistory, 3),
        ] {
            let domain = Domain { history_max, has_version: true };
            let found = (0..1_000).any(|seed| run(seed, domain, Some(broken)).is_err());
            assert!(found, "{broken:?} was not found");
        }
    }
}
