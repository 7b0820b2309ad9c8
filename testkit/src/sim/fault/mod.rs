//! What can go wrong (rotation.md 5), and how it is done to a run.
//!
//! A fault of a process, a disk or a message is laid in wait and counted when it comes true; the others come
//! true at once. A new kind is a variant here, a line in [`Fault::ALL`], and what it does in `fails` or `ends`.

mod account;
mod identity;
mod machine;
mod policy;
mod server;

pub(super) use policy::manages;
pub(super) use server::retention;

use super::{
    disk::Stop,
    message::Envelope,
    world::{DAY, Event, HOUR, World},
};
use laps::{account::Selection, decide::Plan};

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
    /// The file of the policy is torn.
    PolicyTorn,
    /// The file that says who the machine is is lost or torn: a person joins it again.
    IdentityLost,
    /// The account database cannot be read for a moment: `compare` cannot tell.
    Unreadable,
    /// The account database is read-only for hours.
    ReadOnly,
    /// The machine's own rules refuse a password.
    QualityRefuses,
    /// The account database lies in memory for hours: a restart takes away what is written there.
    Volatile,
    /// Somebody sets another password on the machine.
    HandChange,
    /// Somebody renames an account.
    HandRename,
    /// Somebody deletes an account, and perhaps makes another one of that name.
    HandDelete,
    /// Somebody locks an account, or takes it out of the administrators' group.
    HandDemote,
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
    /// Policy names another account, target, name, prefix, randomising, or whether it is enabled.
    AccountChanged,
    /// Policy names another directory for a while.
    DirectoryChanged,
    /// Policy leaves the machine for a while.
    PolicyLeft,
    /// The key-encryption key is rotated.
    KeyRotated,
    /// The server's clock jumps.
    ServerClock,
}

impl Fault {
    /// Every kind.
    pub const ALL: [Self; 38] = [
        Self::AgentStops,
        Self::DiskFails,
        Self::JournalDamaged,
        Self::MemoryLost,
        Self::KeyLost,
        Self::PolicyTorn,
        Self::IdentityLost,
        Self::Unreadable,
        Self::ReadOnly,
        Self::QualityRefuses,
        Self::Volatile,
        Self::HandChange,
        Self::HandRename,
        Self::HandDelete,
        Self::HandDemote,
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
        Self::DirectoryChanged,
        Self::PolicyLeft,
        Self::KeyRotated,
        Self::ServerClock,
    ];
}

impl Fault {
    /// Whether it may happen between two acts of a cycle without stopping the agent.
    const fn may_come_in_the_middle(self) -> bool {
        matches!(
            self,
            Self::HandChange
                | Self::HandRename
                | Self::HandDelete
                | Self::HandDemote
                | Self::Clone
                | Self::Disabled
                | Self::Deleted
                | Self::SwitchOff
                | Self::AccountChanged
                | Self::DirectoryChanged
                | Self::PolicyLeft
                | Self::KeyRotated
                | Self::SignIn
                | Self::ReadOnly
                | Self::MachineClock
                | Self::ServerClock
        )
    }
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
        if fault.may_come_in_the_middle() && self.dice.percent(50) {
            // In the middle of a rotation, when there is one.
            let one = &mut self.machines[machine];
            one.hazard.midst = Some(self.dice.between(4, 28) as u32);
            one.midst = Some(fault);
            return;
        }
        self.say(|w| format!("-- {fault:?} at {}", w.machines[machine].name));
        self.happens(fault, machine);
    }

    /// A fault begins.
    pub(super) fn happens(&mut self, fault: Fault, machine: usize) {
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
            Fault::AccountChanged | Fault::DirectoryChanged | Fault::PolicyLeft => self.fails_policy(fault, machine),
            Fault::Volatile
            | Fault::HandChange
            | Fault::HandRename
            | Fault::HandDelete
            | Fault::HandDemote
            | Fault::RollBack
            | Fault::RollBackEtc
            | Fault::RollBackVar => self.fails_account(fault, machine),
            _ => self.fails_machine(fault, machine),
        }
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
            // In calm it is gone already, and the first agent must keep what it was asked for.
            Fault::SecondAgent if one.states.len() > 1 => {
                one.stop(Stop::Killed, &mut self.dice);
                one.active = 0;
                one.states.truncate(1);
                self.wake(machine, 60_000);
            }
            Fault::Volatile if one.volatile.is_some() => {
                one.stop(Stop::PowerCut, &mut self.dice);
                self.machines[machine].volatile = None;
                self.wake(machine, 60_000);
            }
            Fault::IdentityLost => self.join_if_lost(machine),
            Fault::HandChange | Fault::HandDemote => self.again(fault, machine),
            Fault::HandRename | Fault::HandDelete => self.put_accounts_right(machine),
            Fault::PolicyLeft | Fault::DirectoryChanged => {
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
}
