//! Active Directory as the backup directory, simulated apart (rotation.md 9): no pending state, one modify, then
//! local. Two domain controllers, of which one may be lost before it replicated; answers to the modify are lost;
//! the agent dies anywhere.
//!
//! A model on both sides: the agent speaks to Active Directory in a later part of the house, and its rules are
//! written down here first, so that they are proven before they are built.

use super::dice::Dice;

/// A rule of rotation.md 9 that is left out, to show that the run sees what it is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Broken {
    /// The password is set locally while the modify is unknown.
    SetWhileUnknown,
    /// A retried modify appends the present password to the history again.
    AppendedTwice,
    /// A modify goes to any controller, also to one that does not have the last one yet: replication then takes
    /// the last one away everywhere.
    AnotherController,
    /// A version that was never set is pushed into the history like one that was: with a history of one entry
    /// two crashes in a row push out the one that is installed.
    NeverSetAppended,
}

/// What a run came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Rotations that were done.
    pub rotations: u64,
    /// Answers that were lost.
    pub lost_answers: u64,
    /// Crashes of the agent.
    pub crashes: u64,
    /// Controllers that were lost before they had replicated.
    pub lost_controllers: u64,
    /// Times at which the machine held a password that its controller did not have: with history 0 the window
    /// between the modify and the set, or a lost controller; each closed by the next rotation.
    pub windows: u64,
}

/// The computer object on one controller.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Object {
    /// The version in the password attribute; 0: none.
    current: u32,
    /// The encrypted history, newest first.
    history: Vec<u32>,
    /// The order of its changes, for replication.
    stamp: u64,
}

impl Object {
    fn holds(&self, version: u32) -> bool {
        self.current == version || self.history.contains(&version)
    }
}

/// What the agent's journal says: a version, and the controller that the modify goes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Intent {
    version: u32,
    controller: usize,
}

struct Run {
    dice: Dice,
    history_max: usize,
    broken: Option<Broken>,
    controllers: [Option<Object>; 2],
    stamp: u64,
    installed: u32,
    journal: Option<Intent>,
    /// The controller that acknowledged what is installed.
    acknowledged_by: usize,
    /// The controller that took the last modify.
    written: usize,
    /// The agent holds the password of this version in memory.
    secret: Option<u32>,
    /// A window is open: it must be closed by the next rotation.
    open: bool,
    counts: Counts,
}

/// How a modify ended, as the agent sees it.
enum Modified {
    Acknowledged,
    Unknown,
    Unreachable,
}

/// Runs one seed: so many rotations under faults. `history_max`: entries of the encrypted history.
///
/// # Errors
/// What was lost, as text.
pub fn run(seed: u64, history_max: usize, broken: Option<Broken>) -> Result<Counts, String> {
    let mut run = Run {
        dice: Dice::new(seed),
        history_max,
        broken,
        controllers: [Some(Object::default()), Some(Object::default())],
        stamp: 0,
        installed: 0,
        journal: None,
        acknowledged_by: 0,
        written: 0,
        secret: None,
        open: false,
        counts: Counts::default(),
    };
    for next in 1..=30 {
        if run.dice.percent(4) {
            run.lose_controller();
        }
        run.rotate(next, false)?;
        if run.dice.percent(60) {
            run.replicate();
        }
        run.check("between two cycles")?;
    }
    // Calm: the next rotation closes whatever is open.
    run.dice = Dice::new(0);
    run.rotate(1000, true)?;
    if run.open || run.installed != 1000 {
        return Err(format!("after calm version {} is installed, window open: {}", run.installed, run.open));
    }
    Ok(run.counts)
}

impl Run {
    fn alive(&self) -> Vec<usize> {
        (0..2).filter(|index| self.controllers[*index].is_some()).collect()
    }

    /// The newer object wins everywhere.
    fn replicate(&mut self) {
        if let [Some(first), Some(second)] = &self.controllers {
            let newer = if first.stamp >= second.stamp { first.clone() } else { second.clone() };
            self.controllers = [Some(newer.clone()), Some(newer)];
        }
    }

    /// A controller is lost for good, replicated or not; the other one stays.
    fn lose_controller(&mut self) {
        if self.alive().len() < 2 {
            return;
        }
        let lost = self.dice.below(2) as usize;
        let ahead = |one: &Option<Object>| one.as_ref().map_or(0, |object| object.stamp);
        if ahead(&self.controllers[lost]) > ahead(&self.controllers[1 - lost]) {
            self.counts.lost_controllers += 1;
        }
        self.controllers[lost] = None;
    }

    /// I1, relative to the controller that acknowledged (rotation.md 9).
    fn check(&mut self, when: &str) -> Result<(), String> {
        if self.installed == 0 {
            return Ok(());
        }
        let object = self.controllers[self.acknowledged_by].as_ref();
        if object.is_some_and(|object| object.holds(self.installed)) {
            return Ok(());
        }
        let excused = object.is_none() || self.history_max == 0;
        if !excused {
            return Err(format!("{when}: version {} is installed, the controller has {object:?}", self.installed));
        }
        if object.is_none() && self.alive().iter().any(|index| self.holds(*index, self.installed)) {
            return Ok(());
        }
        if !self.open {
            self.counts.windows += 1;
        }
        self.open = true;
        Ok(())
    }

    fn holds(&self, controller: usize, version: u32) -> bool {
        self.controllers[controller].as_ref().is_some_and(|object| object.holds(version))
    }

    /// The controller that took the last modify, or one that has it; another only when that one is lost.
    fn choose(&mut self) -> usize {
        let (alive, last) = (self.alive(), self.written);
        let up_to_date = |index: &usize| self.controllers[*index] == self.controllers[last];
        let fit: Vec<usize> = alive.iter().copied().filter(up_to_date).collect();
        let free = fit.is_empty() || self.broken == Some(Broken::AnotherController);
        self.dice.pick(if free { &alive } else { &fit })
    }

    /// An intent is resolved before anything else; then a new version.
    fn rotate(&mut self, version: u32, calm: bool) -> Result<(), String> {
        if let Some(intent) = self.journal
            && !self.resolve(intent, calm)?
        {
            return Ok(());
        }
        let controller = self.choose();
        let intent = Intent { version, controller };
        self.journal = Some(intent);
        self.secret = Some(version);
        if self.dies(calm) {
            return Ok(());
        }
        self.carry_out(intent, calm)
    }

    /// The modify, again until it is known, then the set.
    fn carry_out(&mut self, intent: Intent, calm: bool) -> Result<(), String> {
        let mut controller = intent.controller;
        for attempt in 0..4 {
            let modified = self.modify(intent, controller, attempt > 0, calm);
            if self.broken == Some(Broken::SetWhileUnknown) && !matches!(modified, Modified::Acknowledged) {
                return self.set(intent, calm);
            }
            match modified {
                Modified::Acknowledged => return self.set(intent, calm),
                // The version id is read again on the same controller; it tells whether the modify arrived.
                Modified::Unknown => match self.controllers[controller].as_ref().map(|object| object.current) {
                    Some(current) if current == intent.version && self.broken != Some(Broken::AppendedTwice) => {
                        return self.set(intent, calm);
                    }
                    _ if self.broken == Some(Broken::AnotherController) => controller = 1 - controller,
                    _ => {}
                },
                Modified::Unreachable => return Ok(()),
            }
            if self.dies(calm) {
                return Ok(());
            }
        }
        Ok(())
    }

    /// One LDAP modify: password, history, version id.
    fn modify(&mut self, intent: Intent, controller: usize, again: bool, calm: bool) -> Modified {
        let arrives = calm || !self.dice.percent(10);
        let answered = calm || !self.dice.percent(20);
        let (history_max, careless) = (self.history_max, self.broken == Some(Broken::AppendedTwice));
        let (installed, every) = (self.installed, self.broken == Some(Broken::NeverSetAppended) || careless);
        let stamp = self.stamp + 1;
        let Some(object) = &mut self.controllers[controller] else {
            return Modified::Unreachable;
        };
        if arrives && (object.current != intent.version || (again && careless)) {
            // What stood there goes into the history, once, and only if it was ever set: a modify that was applied
            // is not made again.
            if object.current != 0 && (object.current == installed || every) {
                object.history.insert(0, object.current);
                object.history.truncate(history_max);
            }
            object.current = intent.version;
            object.stamp = stamp;
            self.stamp = stamp;
            self.written = controller;
        }
        if arrives && answered {
            return Modified::Acknowledged;
        }
        self.counts.lost_answers += 1;
        Modified::Unknown
    }

    fn set(&mut self, intent: Intent, calm: bool) -> Result<(), String> {
        self.check("after the modify")?;
        if self.dies(calm) {
            return Ok(());
        }
        self.installed = intent.version;
        self.acknowledged_by = intent.controller;
        self.check("after the set")?;
        if self.dies(calm) {
            return Ok(());
        }
        self.done(intent);
        Ok(())
    }

    fn done(&mut self, intent: Intent) {
        self.journal = None;
        self.secret = None;
        self.counts.rotations += 1;
        if self.holds(intent.controller, self.installed) {
            self.open = false;
        }
    }

    /// After a crash, or a cycle that could not finish. False: it stays.
    fn resolve(&mut self, intent: Intent, calm: bool) -> Result<bool, String> {
        if self.installed == intent.version {
            self.done(intent);
            return Ok(true);
        }
        if self.secret == Some(intent.version) && self.controllers[intent.controller].is_some() {
            self.carry_out(intent, calm)?;
            return Ok(self.journal.is_none());
        }
        // The password is gone with the process: it was never set. The object may hold it; a new rotation follows
        // at once, and its modify takes its place, with the history as it is.
        self.journal = None;
        self.secret = None;
        self.check("after a restart")?;
        Ok(true)
    }

    fn dies(&mut self, calm: bool) -> bool {
        let dies = !calm && self.dice.percent(6);
        if dies {
            self.counts.crashes += 1;
            self.secret = None;
        }
        dies
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEEDS: u64 = 20_000;

    fn all(history_max: usize) -> Counts {
        let mut all = Counts::default();
        for seed in 0..SEEDS {
            let counts = run(seed, history_max, None).unwrap_or_else(|lost| panic!("seed {seed}: {lost}"));
            all.rotations += counts.rotations;
            all.lost_answers += counts.lost_answers;
            all.crashes += counts.crashes;
            all.lost_controllers += counts.lost_controllers;
            all.windows += counts.windows;
        }
        println!("Active Directory, history {history_max}: {all:?}");
        all
    }

    /// rotation.md 9: with a history of one entry or more I1 holds relative to the controller that acknowledged;
    /// what is left are controllers that were lost before they replicated.
    #[test]
    fn with_a_history_only_a_lost_controller_opens_a_window() {
        for history in [1, 3] {
            let counts = all(history);
            assert!(counts.lost_answers > 0 && counts.crashes > 0 && counts.lost_controllers > 0);
            assert!(counts.windows <= counts.lost_controllers, "{counts:?}");
        }
    }

    /// rotation.md 9: without a history there is a window, which the next rotation closes.
    #[test]
    fn without_a_history_there_is_a_window_and_it_is_closed() {
        let counts = all(0);
        assert!(counts.windows > counts.lost_controllers, "{counts:?}");
    }

    /// Each rule is needed: without it the run sees a loss.
    #[test]
    fn every_rule_is_needed() {
        for (broken, history) in [
            (Broken::SetWhileUnknown, 3),
            (Broken::AppendedTwice, 1),
            (Broken::AnotherController, 3),
            (Broken::NeverSetAppended, 1),
        ] {
            let found = (0..1_000).any(|seed| run(seed, history, Some(broken)).is_err());
            assert!(found, "{broken:?} was not found");
        }
    }
}
