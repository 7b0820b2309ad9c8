//! What policy changes in the middle.

use super::Fault;
use crate::sim::{
    accounts::OPS_NAME,
    dice::Dice,
    world::{DAY, Event, HOUR, World},
};
use laps::{
    account::Selection,
    decide::{Manage, Plan, Target, Unmanaged},
    policy::AutomaticAccount,
};

/// The policy that manages an account.
pub(in crate::sim) fn manages(selection: Selection, age_days: u32) -> Plan {
    Plan::Manage(Manage { target: Target::Cloud, selection, age_days })
}

/// An account that policy may name: every target, two names, with and without random digits, enabled or not.
fn any_account(dice: &mut Dice) -> Selection {
    match dice.below(10) {
        0..2 => Selection::BuiltIn,
        2..4 => Selection::Named(OPS_NAME.into()),
        rest => Selection::Automatic(AutomaticAccount {
            built_in: rest == 4,
            name_or_prefix: dice.pick(&["WLapsAdmin", "local.admin"]).into(),
            randomize_name: dice.percent(50),
            enable: dice.percent(70),
        }),
    }
}

impl World {
    pub(super) fn fails_policy(&mut self, fault: Fault, machine: usize) {
        let age = self.dice.between(7, 30) as u32;
        if fault != Fault::AccountChanged {
            let after = self.dice.between(HOUR, 5 * DAY);
            self.at(after, Event::Ends(fault, machine));
        }
        let plan = match fault {
            Fault::PolicyLeft => Plan::Unmanaged(self.dice.pick(&[Unmanaged::BackupDisabled, Unmanaged::NoPolicy])),
            Fault::DirectoryChanged => {
                Plan::Unmanaged(self.dice.pick(&[Unmanaged::DomainController, Unmanaged::JoinStateMismatch]))
            }
            _ => manages(any_account(&mut self.dice), age),
        };
        self.machines[machine].wanted.plan = plan;
        self.excuse(machine, "policy changed");
        self.tally.fault(match fault {
            Fault::PolicyLeft => "policy left",
            Fault::DirectoryChanged => "directory changed by policy",
            _ => "account changed by policy",
        });
    }
}
