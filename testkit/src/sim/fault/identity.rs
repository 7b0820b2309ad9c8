//! What goes wrong with who a machine is: clones, second agents, devices that are disabled, deleted, joined again.

use super::Fault;
use crate::sim::{
    disk::{Content, Stop},
    machine::Machine,
    world::{DAY, Event, HOUR, World},
};
use proto::graph::DevicePatch;

impl World {
    pub(super) fn fails_identity(&mut self, fault: Fault, machine: usize) {
        match fault {
            Fault::Clone => self.clone_machine(machine),
            Fault::SecondAgent => {
                if self.machines[machine].states.len() > 1 || !self.server.is_up() {
                    return;
                }
                let one = &mut self.machines[machine];
                one.stop(Stop::Killed, &mut self.dice);
                one.add_state();
                one.active = 1;
                if self.join(machine, false) {
                    self.tally.fault("second agent");
                } else {
                    let one = &mut self.machines[machine];
                    one.states.truncate(1);
                    one.active = 0;
                }
                self.wake(machine, HOUR);
                let after = self.dice.between(DAY, 5 * DAY);
                self.at(after, Event::Ends(fault, machine));
            }
            Fault::Disabled if self.change_device(machine, false) => {
                self.tally.fault("device disabled");
                let after = self.dice.between(HOUR, 3 * DAY);
                self.at(after, Event::Ends(fault, machine));
            }
            Fault::Deleted => {
                let Some(object) = self.machines[machine].object().filter(|_| self.server.is_up()) else { return };
                let person = self.server.person();
                if self.server.wait(self.server.app().delete_device(&person, object)).is_ok() {
                    self.server.generation += 1;
                    self.tally.fault("device deleted");
                    self.disturb_all("device deleted");
                    let after = self.dice.pick(&[HOUR, 3 * DAY, 35 * DAY]);
                    self.at(after, Event::Ends(fault, machine));
                }
            }
            Fault::Rejoined if self.server.is_up() && self.machines[machine].active == 0 => {
                self.machines[machine].stop(Stop::Killed, &mut self.dice);
                if self.join(machine, true) {
                    self.tally.fault("machine joined again");
                }
                self.wake(machine, 60_000);
            }
            _ => {}
        }
    }

    fn change_device(&mut self, machine: usize, enabled: bool) -> bool {
        let Some(object) = self.machines[machine].object().filter(|_| self.server.is_up()) else { return false };
        let person = self.server.person();
        let patch = DevicePatch { account_enabled: Some(enabled) };
        self.disturb_all("device state");
        self.server.generation += 1;
        self.server.wait(self.server.app().patch_device(&person, object, &patch)).is_ok()
    }

    /// A clone runs beside the machine for days, unless there is one already.
    fn clone_machine(&mut self, machine: usize) {
        if self.calm || self.machines.iter().any(|one| one.copy_of.is_some() && !one.gone) {
            return;
        }
        let copy = self.copy(machine);
        self.tally.fault("machine cloned");
        let (first, last) = (self.dice.pick(&[5, 50, 1_000, HOUR]), self.dice.between(DAY, 10 * DAY));
        self.wake(copy, first);
        self.at(last, Event::Ends(Fault::Clone, copy));
    }

    /// The same disks, another machine.
    fn copy(&mut self, machine: usize) -> usize {
        let index = self.machines.len();
        let from = &self.machines[machine];
        let snapshot = from.snapshot();
        let mut copy = Machine::new(format!("{}'s clone", from.name), from.wanted.plan.clone(), &mut self.dice);
        copy.accounts.restore(snapshot.accounts);
        copy.volatile.clone_from(&from.volatile);
        copy.repairs.clone_from(&from.repairs);
        copy.states = snapshot.states;
        copy.active = from.active;
        copy.objects.clone_from(&from.objects);
        copy.rolled_back.clone_from(&from.rolled_back);
        copy.copy_of = Some(machine);
        self.machines.push(copy);
        self.oracle.copied(machine, index);
        index
    }

    /// The agent joins the server. False: it was refused.
    pub(in crate::sim) fn join(&mut self, machine: usize, again: bool) -> bool {
        let one = &self.machines[machine];
        let (name, former) = (one.name.clone(), one.states[one.active].identity.whole().cloned());
        let joined = self.server.join(&name, former.as_ref().filter(|_| again));
        match joined {
            Ok(identity) => {
                let one = &mut self.machines[machine];
                one.objects.push(identity.certificate.device);
                one.state().identity.force(Content::Whole(identity));
                true
            }
            Err(_) => false,
        }
    }

    pub(super) fn join_if_unknown(&mut self, machine: usize) {
        let Some(object) = self.machines[machine].object() else { return };
        let found = self.server.wait(self.server.store().device(object)).unwrap();
        let known = found.is_some_and(|device| device.state != server::store::DeviceState::Purged);
        if known || self.machines[machine].gone {
            return;
        }
        if !self.server.is_up() {
            return self.at(HOUR, Event::Ends(Fault::Rejoined, machine));
        }
        self.machines[machine].stop(Stop::Killed, &mut self.dice);
        self.join(machine, true);
        self.tally.fault("machine joined again");
        self.wake(machine, 60_000);
    }

    /// A machine that does not know who it is joins as another device; nobody knows its old key.
    pub(super) fn join_if_lost(&mut self, machine: usize) {
        let one = &mut self.machines[machine];
        if one.gone || one.object().is_some() {
            return;
        }
        if !self.server.is_up() {
            return self.at(HOUR, Event::Ends(Fault::IdentityLost, machine));
        }
        one.stop(Stop::Killed, &mut self.dice);
        self.join(machine, false);
        self.tally.fault("machine joined again without its key");
        self.wake(machine, 60_000);
    }

    /// A device that was disabled or deleted is brought back; one that is gone for good joins again.
    pub(super) fn right_device(&mut self, fault: Fault, machine: usize) {
        if self.machines[machine].gone {
            return;
        }
        if !self.server.is_up() {
            return self.at(HOUR, Event::Ends(fault, machine));
        }
        let Some(object) = self.machines[machine].object() else { return };
        self.disturb_all("device state");
        let again = match fault {
            Fault::Disabled => {
                self.change_device(machine, true);
                false
            }
            _ if self.dice.percent(50) => true,
            _ => {
                let person = self.server.person();
                self.server.generation += 1;
                self.server.wait(self.server.app().restore_device(&person, object)).is_err()
            }
        };
        if again && self.machines[machine].active == 0 {
            self.machines[machine].stop(Stop::Killed, &mut self.dice);
            if self.join(machine, true) {
                self.tally.fault("machine joined again");
            }
            self.wake(machine, 60_000);
        }
    }
}
