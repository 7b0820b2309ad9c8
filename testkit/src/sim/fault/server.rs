//! What goes wrong at the server.

use super::Fault;
use crate::sim::{
    backend::Dies,
    world::{DAY, Event, HOUR, World},
};
use laps::id::Incarnation;
use server::authz::{Caller, Job};

impl World {
    pub(super) fn fails_server(&mut self, fault: Fault) {
        match fault {
            Fault::ServerDies => {
                let dies = if self.dice.percent(50) { Dies::BeforeCommit } else { Dies::AfterCommit };
                self.server.dies = Some((self.dice.below(12) as u32, dies));
            }
            Fault::ServerStops => {
                self.server.crash(&mut self.dice);
                self.tally.fault("server dies");
                self.disturb_all("server died");
                let pause = self.dice.pick(&[1_000, 60_000, 5 * HOUR]);
                self.at(pause, Event::ServerStarts);
            }
            Fault::Restored => {
                if self.server.backups() == 0 {
                    return self.server.back_up();
                }
                let which = self.dice.below(self.server.backups() as u64) as usize;
                let incarnation = Incarnation::from_random_bytes(self.dice.bytes());
                let objects = self.objects();
                self.oracle.restoring(&mut self.server, &objects, |server| server.restore(which, incarnation));
                self.last_jobs = None;
                self.tally.fault("server restored");
                self.disturb_all("server restored");
            }
            Fault::SwitchOff => {
                self.switch(false);
                self.tally.fault("switch off");
                let after = self.dice.between(HOUR, 2 * DAY);
                self.at(after, Event::Ends(fault, 0));
            }
            Fault::KeyRotated if self.server.is_up() => {
                self.server.rekey();
                self.tally.fault("key-encryption key rotated");
            }
            Fault::ServerClock => {
                self.server.clock_offset = jump(&mut self.dice);
                self.tally.fault("server's clock jumps");
                self.disturb_all("server's clock jumped");
            }
            _ => {}
        }
    }

    /// Turns "Enable LAPS" on or off.
    pub(in crate::sim) fn switch(&mut self, on: bool) {
        self.disturb_all("switch");
        let store = self.server.store();
        let mut tenant = self.server.wait(store.tenant()).unwrap();
        tenant.settings.laps_enabled = on;
        let entry = self.server.entry("switch");
        self.server.wait(store.update_settings(tenant.settings, tenant.revision, entry)).unwrap();
        self.server.generation += 1;
    }
}

/// A clock that is off: by minutes, days or years, either way; or right again.
pub(super) fn jump(dice: &mut crate::sim::dice::Dice) -> i64 {
    let size = dice.pick(&[0, 2 * 60_000, 10 * 60_000, 5 * HOUR, 3 * DAY, 200 * DAY]) as i64 * 10_000;
    if dice.percent(50) { size } else { -size }
}

/// The background jobs' caller.
pub(in crate::sim) fn retention() -> Caller {
    Caller::system(Job::Retention)
}
