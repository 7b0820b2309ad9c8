//! What goes wrong on a machine: its process, its disk, its clock, its network.

use super::{Fault, server::jump};
use crate::sim::{
    disk::{self, Content, Stop},
    machine::Damage,
    world::{DAY, Event, HOUR, World},
};
use laps::{
    policy::PostAuthentication,
    post_auth::{Attempts, Waiting},
};

impl World {
    pub(super) fn fails_machine(&mut self, fault: Fault, machine: usize) {
        let dice = &mut self.dice;
        let one = &mut self.machines[machine];
        let active = one.active;
        match fault {
            Fault::AgentStops => {
                let stop = if dice.percent(50) { Stop::Killed } else { Stop::PowerCut };
                one.hazard.stop = Some((dice.between(0, 40) as u32, stop));
            }
            Fault::DiskFails => {
                let how = if dice.percent(50) { disk::Fault::Full } else { disk::Fault::Failed };
                one.hazard.fault = Some((dice.between(0, 16) as u32, dice.between(1, 4) as u32, how));
            }
            Fault::JournalDamaged => {
                // In the middle of a rotation, when there is one.
                one.hazard.stop = Some((dice.between(12, 34) as u32, Stop::PowerCut));
                one.at_stop = Some(if dice.percent(50) { Damage::JournalTorn } else { Damage::JournalLost });
            }
            Fault::KeyLost if dice.percent(60) => {
                one.hazard.stop = Some((dice.between(12, 34) as u32, Stop::Killed));
                one.at_stop = Some(Damage::KeyLost);
            }
            Fault::MemoryLost => {
                one.stop(Stop::Killed, dice);
                one.states[active].memory.force(Content::Absent);
                self.tally.fault("memory lost");
                self.wake(machine, 60_000);
            }
            Fault::KeyLost => {
                one.stop(Stop::Killed, dice);
                one.states[active].key.force(Content::Absent);
                self.tally.fault("fingerprint key lost");
                self.wake(machine, 60_000);
            }
            Fault::PolicyTorn | Fault::IdentityLost => {
                let what = if fault == Fault::PolicyTorn { Damage::PolicyTorn } else { Damage::IdentityLost };
                one.at_stop = Some(what);
                if dice.percent(50) {
                    one.hazard.stop = Some((dice.between(0, 34) as u32, Stop::Killed));
                } else {
                    self.stop(machine, Stop::Killed);
                    self.wake(machine, 60_000);
                }
            }
            Fault::Unreadable => {
                one.unreadable += 1;
                self.tally.fault("account database unreadable");
            }
            Fault::QualityRefuses => {
                one.refuses += dice.between(1, 3) as u32;
                self.tally.fault("quality rule refuses");
            }
            Fault::ReadOnly => {
                one.read_only = true;
                self.tally.fault("account database read-only");
                let after = self.dice.between(HOUR, 2 * DAY);
                self.at(after, Event::Ends(fault, machine));
            }
            Fault::SignIn => self.sign_in(machine),
            Fault::MachineClock => {
                one.clock_offset = jump(dice);
                self.tally.fault("machine's clock jumps");
                self.excuse(machine, "clock jumped");
            }
            Fault::Offline => {
                one.offline = true;
                self.tally.fault("machine off the network");
                self.excuse(machine, "offline");
                let after = self.dice.pick(&[HOUR, 10 * HOUR, 3 * DAY, 45 * DAY]);
                self.at(after, Event::Ends(fault, machine));
            }
            _ => {}
        }
    }

    /// A sign-in with the managed account's password (laps-behaviour.md 5): the first one sets the deadline.
    fn sign_in(&mut self, machine: usize) {
        let now = self.machines[machine].clock(self.now());
        let hours = self.dice.between(1, 24);
        // The deadline of an earlier sign-in may come at any step of a rotation that runs.
        let running = self.machines[machine].process.as_ref().is_some_and(|process| process.running.is_some());
        let soon = (running && self.dice.percent(60)).then(|| self.dice.between(0, 1_500));
        let state = self.machines[machine].state();
        let Some(memory) = state.memory.whole() else { return };
        let answered = state.signed_in.as_ref().is_none_or(|waiting| waiting.version != memory.version);
        if !answered {
            return;
        }
        state.signed_in = Some(Waiting {
            account: memory.account.clone(),
            version: memory.version,
            signed_in_at: now,
            deadline: soon.map_or(now.plus_seconds(hours * 3_600), |ms| now.plus_ticks(ms * 10_000)),
            actions: PostAuthentication {
                delay_hours: hours as u32,
                end_sessions: true,
                restart: false,
                end_processes: false,
            },
            attempts: Attempts::default(),
        });
        if soon.is_some() {
            return self.tally.fault("a sign-in's deadline within a cycle");
        }
        self.tally.fault("sign-in with a deadline");
        self.wake(machine, hours * HOUR + 60_000);
    }
}
