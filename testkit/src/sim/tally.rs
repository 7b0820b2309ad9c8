//! What happened, counted.

use std::collections::BTreeMap;

/// Counts over one run or many.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    /// Runs.
    pub runs: u64,
    /// Of them on the real SQLite store.
    pub sqlite_runs: u64,
    /// Rotations that were proven.
    pub rotations: u64,
    /// Faults that came true, by kind.
    pub faults: BTreeMap<&'static str, u64>,
    /// Exceptions of I1 that were met, by their letter in rotation.md 4.
    pub exceptions: BTreeMap<&'static str, u64>,
    /// How often I1 was judged.
    pub checks: u64,
    /// Cycles that I4 was judged on, the device being due and nothing in the way.
    pub due_cycles: u64,
    /// Steps of the scheduler.
    pub steps: u64,
}

impl Tally {
    /// A fault came true.
    pub(super) fn fault(&mut self, kind: &'static str) {
        *self.faults.entry(kind).or_default() += 1;
    }

    /// Adds another tally.
    pub fn add(&mut self, other: &Self) {
        self.runs += other.runs;
        self.sqlite_runs += other.sqlite_runs;
        self.rotations += other.rotations;
        self.checks += other.checks;
        self.due_cycles += other.due_cycles;
        self.steps += other.steps;
        for (kind, number) in &other.faults {
            *self.faults.entry(kind).or_default() += number;
        }
        for (letter, number) in &other.exceptions {
            *self.exceptions.entry(letter).or_default() += number;
        }
    }

    /// Faults of every kind together.
    pub fn faults_total(&self) -> u64 {
        self.faults.values().sum()
    }
}
