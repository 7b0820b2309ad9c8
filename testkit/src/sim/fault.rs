//! What can go wrong (rotation.md 5), and how it is done to a run.
//!
//! A fault of a process, a disk or a message is laid in wait and counted when it comes true; the others come
//! true at once. A new kind is a variant here, a line in [`Fault::ALL`], and what it does in `fails` or `ends`.

use super::{
    accounts::{OPS, hash},
    backend::Dies,
    disk::{self, Content, Stop},
    machine::{Damage, Machine},
    message::Envelope,
    world::{DAY, Event, HOUR, World},
};
use laps::{
    account::Selection,
    decide::{Manage, Plan, Unmanaged},
    id::Incarnation,
    policy::{BackupDirectory, PostAuthentication},
    post_auth::{Attempts, Waiting},
};
use proto::graph::DevicePatch;
use server::authz::{Caller, Job};

/// A kind of fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The agent is killed, or the power is cut, at some act.
    AgentStops,
    /// The disk is full, or fails, at some act.
    DiskFails,
    /// The journal is torn or lost.
    JournalDamaged,
    /// The memory of the last rotation is lost.
    MemoryLost,
    /// The fingerprint key is lost.
    KeyLost,
    /// The account database cannot be read for a moment: `compare` cannot tell.
    Unreadable,
    /// The account database is read-only for hours.
    ReadOnly,
    /// The machine's own rules refuse a password.
    QualityRefuses,
    /// Somebody sets another password on the machine.
    HandChange,
    /// The machine goes back to a snapshot.
    RollBack,
    /// `/etc` alone goes back.
    RollBackEtc,
    /// `/var` alone goes back.
    RollBackVar,
    /// A clone of the machine runs beside it for days.
    Clone,
    /// A second agent with a state directory of its own runs on the machine for days.
    SecondAgent,
    /// Somebody signs in with the password: it is to be changed at a deadline.
    SignIn,
    /// The machine's clock jumps.
    MachineClock,
    /// The machine has no network for hours or weeks.
    Offline,
    /// Requests or answers are lost.
    Lost,
    /// Requests come after the device has given up.
    Late,
    /// Requests come twice, the second time late.
    Repeated,
    /// The server dies in a request.
    ServerDies,
    /// The server dies between two requests.
    ServerStops,
    /// A backup is restored.
    Restored,
    /// The device is disabled for hours.
    Disabled,
    /// The device is deleted; brought back, or joined again.
    Deleted,
    /// The machine joins again.
    Rejoined,
    /// "Enable LAPS" is off for hours.
    SwitchOff,
    /// Policy names another account.
    AccountChanged,
    /// Policy leaves the machine for a while.
    PolicyLeft,
    /// The key-encryption key is rotated.
    KeyRotated,
    /// The server's clock jumps.
    ServerClock,
}

impl Fault {
    /// Every kind.
    pub const ALL: [Self; 31] = [
        Self::AgentStops,
        Self::DiskFails,
        Self::JournalDamaged,
        Self::MemoryLost,
        Self::KeyLost,
        Self::Unreadable,
        Self::ReadOnly,
        Self::QualityRefuses,
        Self::HandChange,
        Self::RollBack,
        Self::RollBackEtc,
        Self::RollBackVar,
        Self::Clone,
        Self::SecondAgent,
        Self::SignIn,
        Self::MachineClock,
        Self::Offline,
        Self::Lost,
        Self::Late,
        Self::Repeated,
        Self::ServerDies,
        Self::ServerStops,
        Self::Restored,
        Self::Disabled,
        Self::Deleted,
        Self::Rejoined,
        Self::SwitchOff,
        Self::AccountChanged,
        Self::PolicyLeft,
        Self::KeyRotated,
        Self::ServerClock,
    ];
}

/// What is going to happen to messages.
#[derive(Debug, Clone, Default)]
pub(super) struct Network {
    /// The next so many requests, or their answers, are lost.
    pub(super) lost: u32,
    /// The next so many requests come late.
    pub(super) late: u32,
    /// The next so many requests come twice.
    pub(super) repeated: u32,
}

/// The policy that manages the built-in administrator, or the second account.
pub(super) fn manages(selection: Selection, age_days: u32) -> Plan {
    Plan::Manage(Manage { directory: BackupDirectory::Entra, selection, age_days })
}

impl World {
    /// Sends a request on its way, through what happens to messages.
    pub(super) fn deliver(&mut self, there_ms: u64, mut envelope: Envelope) {
        let machine = envelope.machine;
        // A session with the management server is held by one connection.
        let session = matches!(envelope.request, super::message::Request::CheckIn(_));
        if self.network.lost > 0 && self.dice.percent(60) {
            self.network.lost -= 1;
            self.excuse(machine, "message lost");
            if self.dice.percent(50) {
                self.tally.fault("request lost");
                return self.say(|_| format!("request {} is lost", envelope.number));
            }
            self.tally.fault("answer lost");
            envelope.deaf = true;
        } else if self.network.late > 0 && !session && self.dice.percent(60) {
            self.network.late -= 1;
            self.tally.fault("request late");
            self.excuse(machine, "message late");
            let after = self.dice.pick(&[31_000, 45_000, 120_000, HOUR, 30 * HOUR]);
            return self.at(after, Event::Arrives(Box::new(envelope)));
        } else if self.network.repeated > 0 && !session && self.dice.percent(60) {
            self.network.repeated -= 1;
            self.tally.fault("request repeated");
            let after = self.dice.pick(&[50, 5_000, 90_000, 6 * HOUR, 50 * HOUR]);
            let mut again = envelope.clone();
            again.deaf = true;
            self.at(after, Event::Arrives(Box::new(again)));
        }
        self.at(there_ms, Event::Arrives(Box::new(envelope)));
    }

    /// Something goes wrong, and later something else.
    pub(super) fn fails(&mut self) {
        if self.calm {
            return;
        }
        let next = self.dice.between(HOUR, 2 * DAY);
        self.at(next, Event::Fails);
        let machine = self.dice.below(self.machines.len() as u64) as usize;
        let fault = self.dice.pick(&Fault::ALL);
        if self.machines[machine].gone || !self.options.faults.is_none_or(|only| only.contains(&fault)) {
            return;
        }
        self.say(|w| format!("-- {fault:?} at {}", w.machines[machine].name));
        match fault {
            Fault::Lost => self.network.lost += self.dice.between(1, 4) as u32,
            Fault::Late => self.network.late += self.dice.between(1, 4) as u32,
            Fault::Repeated => self.network.repeated += self.dice.between(1, 4) as u32,
            Fault::ServerDies
            | Fault::ServerStops
            | Fault::Restored
            | Fault::SwitchOff
            | Fault::KeyRotated
            | Fault::ServerClock => self.fails_server(fault),
            Fault::Clone | Fault::SecondAgent | Fault::Disabled | Fault::Deleted | Fault::Rejoined => {
                self.fails_identity(fault, machine);
            }
            Fault::AccountChanged | Fault::PolicyLeft => self.fails_policy(fault, machine),
            _ => self.fails_machine(fault, machine),
        }
    }

    fn fails_machine(&mut self, fault: Fault, machine: usize) {
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
            Fault::HandChange => self.hand_change(machine),
            Fault::RollBack | Fault::RollBackEtc | Fault::RollBackVar => self.roll_back(fault, machine),
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
            deadline: now.plus_seconds(hours * 3_600),
            actions: PostAuthentication {
                delay_hours: hours as u32,
                end_sessions: true,
                restart: false,
                end_processes: false,
            },
            attempts: Attempts::default(),
        });
        self.tally.fault("sign-in with a deadline");
        self.wake(machine, hours * HOUR + 60_000);
    }

    fn hand_change(&mut self, machine: usize) {
        let uid = if self.dice.percent(75) { 0 } else { OPS };
        let verifier = hash("by another hand", self.dice.below(u64::MAX));
        let one = &mut self.machines[machine];
        let Some(mut accounts) = one.accounts.whole().cloned() else { return };
        let Some(account) = accounts.of_mut(uid) else { return };
        account.verifier = verifier.clone();
        one.accounts.force(Content::Whole(accounts));
        self.oracle.changed_by_hand(machine, uid, verifier.as_str());
        self.tally.fault("changed by hand");
        self.excuse(machine, "changed by hand");
    }

    fn roll_back(&mut self, fault: Fault, machine: usize) {
        let one = &mut self.machines[machine];
        if one.snapshots.is_empty() {
            return one.take_snapshot();
        }
        let which = self.dice.below(one.snapshots.len() as u64) as usize;
        let snapshot = one.snapshots[which].clone();
        one.stop(Stop::PowerCut, &mut self.dice);
        if fault != Fault::RollBackVar {
            one.accounts = snapshot.accounts;
            one.rolled_back.extend([0, OPS]);
        }
        if fault != Fault::RollBackEtc {
            one.active = 0;
            one.states = snapshot.states;
        }
        self.tally.fault(match fault {
            Fault::RollBackEtc => "/etc rolled back",
            Fault::RollBackVar => "/var rolled back",
            _ => "machine rolled back",
        });
        self.wake(machine, 2 * 60_000);
    }

    fn fails_server(&mut self, fault: Fault) {
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
    pub(super) fn switch(&mut self, on: bool) {
        self.disturb_all("switch");
        let store = self.server.store();
        let mut tenant = self.server.wait(store.tenant()).unwrap();
        tenant.settings.laps_enabled = on;
        let entry = self.server.entry("switch");
        self.server.wait(store.update_settings(tenant.settings, tenant.revision, entry)).unwrap();
        self.server.generation += 1;
    }

    fn fails_identity(&mut self, fault: Fault, machine: usize) {
        match fault {
            Fault::Clone => {
                if self.dice.percent(50) {
                    // In the middle of a rotation, when there is one.
                    let one = &mut self.machines[machine];
                    one.hazard.clone = Some(self.dice.between(6, 24) as u32);
                } else {
                    self.clone_machine(machine);
                }
            }
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
    pub(super) fn clone_machine(&mut self, machine: usize) {
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
        copy.accounts = snapshot.accounts;
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
    pub(super) fn join(&mut self, machine: usize, again: bool) -> bool {
        let one = &self.machines[machine];
        let (name, former) = (one.name.clone(), one.states[one.active].identity.clone());
        let joined = self.server.join(&name, former.as_ref().filter(|_| again));
        match joined {
            Ok(identity) => {
                let one = &mut self.machines[machine];
                one.objects.push(identity.certificate.device);
                one.state().identity = Some(identity);
                true
            }
            Err(_) => false,
        }
    }

    fn fails_policy(&mut self, fault: Fault, machine: usize) {
        let age = self.dice.between(7, 30) as u32;
        if fault == Fault::PolicyLeft {
            let after = self.dice.between(HOUR, 5 * DAY);
            self.at(after, Event::Ends(fault, machine));
        }
        let wanted = &mut self.machines[machine].wanted;
        wanted.plan = match (&wanted.plan, fault) {
            (_, Fault::PolicyLeft) => Plan::Unmanaged(Unmanaged::BackupDisabled),
            (Plan::Manage(Manage { selection: Selection::BuiltIn, .. }), _) => {
                manages(Selection::Named(super::accounts::OPS_NAME.into()), age)
            }
            _ => manages(Selection::BuiltIn, age),
        };
        self.excuse(machine, "policy changed");
        self.tally.fault(if fault == Fault::PolicyLeft { "policy left" } else { "account changed by policy" });
    }

    /// What went wrong is put right.
    pub(super) fn ends(&mut self, fault: Fault, machine: usize) {
        self.say(|w| format!("-- {fault:?} ends at {}", w.machines[machine].name));
        let one = &mut self.machines[machine];
        match fault {
            Fault::ReadOnly => one.read_only = false,
            Fault::Offline => one.offline = false,
            Fault::SwitchOff => self.switch(true),
            Fault::Clone => {
                one.gone = true;
                one.process = None;
            }
            Fault::SecondAgent => {
                one.stop(Stop::Killed, &mut self.dice);
                one.active = 0;
                one.states.truncate(1);
                self.wake(machine, 60_000);
            }
            Fault::PolicyLeft => {
                if matches!(one.wanted.plan, Plan::Unmanaged(_)) {
                    one.wanted.plan = manages(Selection::BuiltIn, 14);
                    self.excuse(machine, "policy changed");
                }
            }
            Fault::Disabled | Fault::Deleted => self.right_device(fault, machine),
            Fault::Rejoined => self.join_if_unknown(machine),
            _ => {}
        }
    }

    fn join_if_unknown(&mut self, machine: usize) {
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

/// A clock that is off: by minutes, days or years, either way; or right again.
fn jump(dice: &mut super::dice::Dice) -> i64 {
    let size = dice.pick(&[0, 2 * 60_000, 10 * 60_000, 5 * HOUR, 3 * DAY, 200 * DAY]) as i64 * 10_000;
    if dice.percent(50) { size } else { -size }
}

/// The background jobs' caller.
pub(super) fn retention() -> Caller {
    Caller::system(Job::Retention)
}
