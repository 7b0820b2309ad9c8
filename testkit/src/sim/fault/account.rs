//! What happens to the account database without the agent: by another hand, by a snapshot, by a restart.

use super::Fault;
use crate::sim::{
    accounts::{OPS, OPS_NAME, hash},
    disk::Stop,
    world::{DAY, Event, HOUR, World},
};
use laps::{account::Selection, decide::Plan};

impl World {
    pub(super) fn fails_account(&mut self, fault: Fault, machine: usize) {
        match fault {
            Fault::RollBack | Fault::RollBackEtc | Fault::RollBackVar => return self.roll_back(fault, machine),
            Fault::Volatile => return self.go_volatile(machine),
            _ => {}
        }
        let Some(uid) = self.pick_account(machine) else { return };
        match fault {
            Fault::HandChange => self.hand_change(machine, uid),
            Fault::HandRename => self.hand_rename(machine, uid),
            Fault::HandDelete => self.hand_delete(machine, uid),
            _ => self.hand_demote(machine, uid),
        }
        self.excuse(machine, "changed by hand");
    }

    /// Mostly the account that policy manages.
    fn pick_account(&mut self, machine: usize) -> Option<u32> {
        let one = &self.machines[machine];
        let uids: Vec<u32> = one.accounts.files()?.passwd.lines().iter().map(|entry| entry.uid).collect();
        let managed = match &one.wanted.plan {
            Plan::Manage(manage) => one.managed(&manage.selection).map(|account| account.account.id),
            Plan::Unmanaged(_) => None,
        };
        match managed {
            Some(managed) if self.dice.percent(70) => Some(managed),
            _ => Some(self.dice.pick(&uids)),
        }
    }

    fn hand_change(&mut self, machine: usize, uid: u32) {
        let verifier = hash("by another hand", self.dice.below(u64::MAX));
        self.machines[machine].accounts.set_by_hand(uid, &verifier);
        self.oracle.changed_by_hand(machine, uid, verifier.as_str());
        self.tally.fault("password changed by hand");
        self.hand_comes_back(Fault::HandChange, machine);
    }

    fn hand_rename(&mut self, machine: usize, uid: u32) {
        let name = format!("renamed{}", self.dice.below(100_000));
        self.machines[machine].accounts.rename_by_hand(uid, &name);
        self.oracle.changed_by_hand(machine, uid, &name);
        self.tally.fault("account renamed by hand");
        let after = self.dice.between(HOUR, 4 * DAY);
        self.at(after, Event::Ends(Fault::HandRename, machine));
    }

    fn hand_delete(&mut self, machine: usize, uid: u32) {
        // Nobody deletes the account of uid 0.
        let uid = if uid == 0 { OPS } else { uid };
        let Some(account) = self.machines[machine].accounts.of(uid) else { return };
        self.machines[machine].accounts.delete_by_hand(uid);
        self.oracle.deleted_by_hand(machine, uid);
        self.tally.fault("account deleted by hand");
        if self.dice.percent(40) {
            let uid = if self.dice.percent(50) { uid } else { uid + 1 };
            self.make_by_hand(machine, uid, &account.account.name);
            self.tally.fault("account deleted and made anew by hand");
        }
        let after = self.dice.between(HOUR, 4 * DAY);
        self.at(after, Event::Ends(Fault::HandDelete, machine));
    }

    fn make_by_hand(&mut self, machine: usize, uid: u32, name: &str) {
        if self.machines[machine].accounts.of(uid).is_some() {
            return;
        }
        let verifier = hash("made by another hand", self.dice.below(u64::MAX));
        self.machines[machine].accounts.create_by_hand(uid, name, &verifier);
        self.oracle.changed_by_hand(machine, uid, verifier.as_str());
        self.oracle.changed_by_hand(machine, uid, name);
    }

    fn hand_demote(&mut self, machine: usize, uid: u32) {
        let locks = uid == 0 || self.dice.percent(50);
        let accounts = &mut self.machines[machine].accounts;
        if locks {
            accounts.lock_by_hand(uid);
            self.tally.fault("account disabled by hand");
        } else {
            accounts.demote_by_hand(uid);
            self.tally.fault("account removed from the group by hand");
        }
        self.hand_comes_back(Fault::HandDemote, machine);
    }

    /// Some hands do it again and again: repair is held (rotation.md 10).
    fn hand_comes_back(&mut self, fault: Fault, machine: usize) {
        if self.dice.percent(40) {
            let after = self.dice.between(HOUR, 8 * HOUR);
            self.at(after, Event::Ends(fault, machine));
        }
    }

    /// The next time of a hand that comes back.
    pub(super) fn again(&mut self, fault: Fault, machine: usize) {
        if !self.calm && !self.machines[machine].gone {
            self.fails_account(fault, machine);
            self.wake(machine, 60_000);
        }
    }

    /// The account that policy names is there under its name.
    pub(in crate::sim) fn put_accounts_right(&mut self, machine: usize) {
        let one = &mut self.machines[machine];
        if one.gone {
            return;
        }
        if self.calm
            && let Some(disk) = one.volatile.take()
        {
            one.stop(Stop::Killed, &mut self.dice);
            self.machines[machine].accounts.restore(disk);
        }
        let one = &mut self.machines[machine];
        let named = one.accounts.find(&Selection::Named(OPS_NAME.into()), &[], None);
        match (named, one.accounts.of(OPS)) {
            (Some(_), _) => {}
            (None, Some(_)) => {
                one.accounts.rename_by_hand(OPS, OPS_NAME);
                self.oracle.changed_by_hand(machine, OPS, OPS_NAME);
            }
            (None, None) => self.make_by_hand(machine, OPS, OPS_NAME),
        }
        self.free_the_name(machine);
        self.excuse(machine, "changed by hand");
    }

    /// Somebody's own account that has the name that policy wants for another one goes.
    fn free_the_name(&mut self, machine: usize) {
        let one = &mut self.machines[machine];
        let Plan::Manage(manage) = &one.wanted.plan else { return };
        let Some(rule) = manage.selection.name_rule() else { return };
        let holder = one.accounts.find(&Selection::Named(rule.base()), &[], None).map(|holder| holder.account.id);
        let managed = one.managed(&manage.selection).map(|account| account.account.id);
        if let Some(uid) = holder.filter(|uid| Some(*uid) != managed) {
            one.accounts.delete_by_hand(uid);
            self.oracle.deleted_by_hand(machine, uid);
        }
    }

    fn go_volatile(&mut self, machine: usize) {
        let one = &mut self.machines[machine];
        if one.volatile.is_some() {
            return;
        }
        one.stop(Stop::PowerCut, &mut self.dice);
        let one = &mut self.machines[machine];
        one.volatile = Some(one.accounts.clone());
        self.tally.fault("account database volatile");
        self.wake(machine, 60_000);
        let after = self.dice.between(HOUR, 3 * DAY);
        self.at(after, Event::Ends(Fault::Volatile, machine));
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
            one.volatile = None;
            one.accounts.restore(snapshot.accounts);
            // Every account that there may be.
            one.rolled_back.extend(core::iter::once(0).chain(OPS..OPS + 64));
        }
        if fault != Fault::RollBackEtc {
            one.active = 0;
            one.states = snapshot.states;
            one.repairs.held |= !one.repairs.at.is_empty();
        }
        self.tally.fault(match fault {
            Fault::RollBackEtc => "/etc rolled back",
            Fault::RollBackVar => "/var rolled back",
            _ => "machine rolled back",
        });
        self.wake(machine, 2 * 60_000);
    }
}
