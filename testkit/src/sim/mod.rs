//! The simulator: the agent's real cycle and the server's real application under one seed, with virtual clock,
//! network, disk and account database, faults of every kind of rotation.md 5, and an oracle that judges
//! I1 to I4 of rotation.md 4 after every step. `docs/design/simulation.md` tells what is real and what is not.

mod accounts;
pub mod active_directory;
mod backend;
mod dice;
mod disk;
mod duty;
mod fault;
mod hand;
mod machine;
mod message;
mod mutation;
mod oracle;
mod runner;
mod server;
mod tally;
mod trace;
mod world;

pub use backend::Kind;
pub use fault::Fault;
pub use mutation::Mutation;
pub use oracle::Loss;
pub use tally::Tally;

use laps::{account::Selection, time::Timestamp};
use machine::Machine;
use world::{DAY, Event, HOUR, World};

/// When every run begins.
pub(crate) const START: Timestamp = Timestamp::from_unix_ms(1_790_000_000_000);
/// Machines of a run, clones not counted.
const MACHINES: usize = 3;
/// Rotations of each, at least.
const ROTATIONS_MIN: u64 = 20;
/// Faults of a run, at least, and of so many kinds.
const FAULTS_MIN: u64 = 10;
const KINDS_MIN: usize = 4;
/// Steps after which a run that does not come to its end is a defect of the simulator.
const STEPS_MAX: u64 = 200_000;
/// Of so many runs one is on the real SQLite store.
const SQLITE_EVERY: u64 = 10;

/// What is run.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// The seed, from which all follows.
    pub seed: u64,
    /// The store; by the seed when it is not given: every tenth is SQLite.
    pub store: Option<Kind>,
    /// A protection that is missing.
    pub mutation: Option<Mutation>,
    /// Faults that are injected; all kinds when it is not given.
    pub faults: Option<&'static [Fault]>,
    /// Whether a trace is kept.
    pub trace: bool,
}

impl Options {
    /// A run of a seed, with everything in it.
    pub const fn new(seed: u64) -> Self {
        Self { seed, store: None, mutation: None, faults: None, trace: false }
    }

    /// Which store it uses.
    pub fn kind(&self) -> Kind {
        let by_seed = if self.seed.is_multiple_of(SQLITE_EVERY) { Kind::Sqlite } else { Kind::Memory };
        self.store.unwrap_or(by_seed)
    }
}

/// How a run ended.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// Its seed.
    pub seed: u64,
    /// The invariant that did not hold, if one did not.
    pub loss: Option<Loss>,
    /// What happened, counted.
    pub tally: Tally,
    /// What happened, line by line, if that was asked for.
    pub trace: Vec<String>,
}

/// Runs one seed.
pub fn run(options: Options) -> Outcome {
    let mut world = World::new(options);
    world.begin();
    while !world.is_over() && world.step() {
        if world.tally.steps > STEPS_MAX {
            world.lose(Some(Loss::new("simulator", "the run does not come to its end")));
        }
    }
    if world.loss.is_none() {
        world.end();
    }
    world.finish()
}

impl World {
    fn begin(&mut self) {
        for index in 0..MACHINES {
            let name = ["alder", "birch", "cedar"][index % 3].to_owned();
            let age = self.dice.between(7, 30) as u32;
            let machine = Machine::new(name, fault::manages(Selection::BuiltIn, age), &mut self.dice);
            self.machines.push(machine);
            self.join(index, false);
            let after = self.dice.between(1_000, HOUR);
            self.wake(index, after);
        }
        self.server.back_up();
        self.at(DAY, Event::Jobs);
        self.at(2 * DAY, Event::Reads);
        if self.options.faults.is_none_or(|faults| !faults.is_empty()) {
            self.at(HOUR, Event::Fails);
        }
    }

    fn is_over(&self) -> bool {
        let rotated = self.originals().all(|(_, machine)| machine.rotations >= ROTATIONS_MIN);
        let faults = self.options.faults.is_some()
            || (self.tally.faults_total() >= FAULTS_MIN && self.tally.faults.len() >= KINDS_MIN);
        rotated && faults
    }

    /// Calm, two cycles of every machine a day apart and one with a rotation that is asked for; then what a
    /// reader is shown first must open the account.
    fn end(&mut self) {
        self.calm_down();
        for round in 0..4 {
            if round == 3 {
                for machine in &mut self.machines {
                    if let Some(process) = &mut machine.process {
                        process.reset = true;
                    }
                }
            }
            let until = self.now_ms + 26 * HOUR;
            for index in 0..MACHINES {
                self.wake(index, 60_000);
            }
            while self.now_ms < until {
                if !self.step() {
                    return;
                }
                // Idle agents sleep until the next round.
                let all =
                    self.originals().all(|(_, machine)| machine.process.as_ref().is_some_and(|p| p.running.is_none()));
                if all && self.now_ms + HOUR < until && self.now_ms > until - 26 * HOUR + 10 * 60_000 {
                    break;
                }
            }
            self.now_ms = until;
        }
        for index in 0..MACHINES {
            let machine = &self.machines[index];
            let managed = match &machine.wanted.plan {
                laps::decide::Plan::Manage(manage) => machine.managed(&manage.selection),
                laps::decide::Plan::Unmanaged(_) => None,
            };
            let uid = managed.map_or(0, |account| account.account.id);
            let loss = self.oracle.judge_end(&mut self.server, &self.machines[index], uid);
            self.lose(loss);
        }
        let loss = self.oracle.judge_bytes("what the server has written", &self.server.written());
        self.lose(loss);
        let states = self.machines.iter().flat_map(|machine| &machine.states);
        let text: String = states.map(machine::StateDirectory::text).collect();
        let loss = self.oracle.judge_bytes("a state directory", text.as_bytes());
        self.lose(loss);
    }

    fn finish(mut self) -> Outcome {
        self.tally.checks = self.oracle.checks;
        self.tally.exceptions.clone_from(&self.oracle.exceptions);
        Outcome { seed: self.options.seed, loss: self.loss, tally: self.tally, trace: self.trace }
    }
}
