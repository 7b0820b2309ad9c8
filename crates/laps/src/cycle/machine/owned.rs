//! What a cycle does about an account that policy owns as a whole (laps-behaviour.md 6).

use super::{Cycle, State};
use crate::{
    account::Difference,
    cycle::{Effect, Removal},
    decide::{Memory, Plan, Unmanaged},
    event,
    rotation::Failure,
};

impl Cycle {
    pub(super) fn shaped(&mut self, shaped: Result<Vec<Difference>, Failure>) -> Effect {
        match shaped {
            Ok(differences) => {
                for difference in &differences {
                    self.note(
                        event::ACCOUNT_SHAPED,
                        format!("the account {} and is as policy wants it again", words_of(*difference)),
                    );
                }
                self.undone = self.undone_by_shaping(&differences);
            }
            Err(failure) => self.fail(failure),
        }
        match &self.plan {
            Plan::Manage(manage) => {
                let selection = manage.selection.clone();
                self.inspect(selection)
            }
            Plan::Unmanaged(_) => self.report(State::Reporting),
        }
    }

    /// Accounts that the agent made and that policy has left. The account that policy wants now has been proven
    /// to the directory first; an unfit or unknown policy leaves nothing.
    pub(super) fn departed(&self) -> Vec<u32> {
        if !self.is_told() || self.intent_left.is_some() || self.failure.is_some() {
            return Vec::new();
        }
        let managed = match &self.plan {
            Plan::Unmanaged(Unmanaged::NoPolicy | Unmanaged::BackupDisabled) => None,
            Plan::Unmanaged(_) => return Vec::new(),
            Plan::Manage(_) => match &self.start.memory {
                Some(memory)
                    if !self.proven.is_empty()
                        || self.account.as_ref().is_some_and(|facts| facts.account.id == memory.account.id) =>
                {
                    Some(memory.account.id)
                }
                _ => return Vec::new(),
            },
        };
        self.start.created.iter().copied().filter(|id| Some(*id) != managed).collect()
    }

    /// Policy has left the account and the directory was told, which released its live set (rotation.md 3). A
    /// proof ends a release; so the password is due as soon as policy comes back.
    pub(super) fn remembered_as_left(&self) -> Option<Memory> {
        let has_left = matches!(self.plan, Plan::Unmanaged(Unmanaged::NoPolicy | Unmanaged::BackupDisabled));
        if !has_left || self.policy_unknown || !self.is_told() || self.intent_left.is_some() {
            return None;
        }
        let memory = self.start.memory.clone().filter(|memory| memory.expires_at > memory.rotated_at)?;
        Some(Memory { expires_at: memory.rotated_at, ..memory })
    }

    /// The server, if there is one, has heard of this cycle.
    fn is_told(&self) -> bool {
        self.view.is_some() || !self.start.has_server
    }

    pub(super) fn removed(&mut self, removal: Result<Removal, Failure>) {
        match removal {
            Ok(removal) => {
                for account in removal.removed {
                    self.note(
                        event::ACCOUNT_REMOVED,
                        format!("account {:?} (uid {}), which this agent made, was deleted", account.name, account.id),
                    );
                }
                for account in removal.kept {
                    self.note(
                        event::ACCOUNT_KEPT,
                        format!(
                            "account {:?} (uid {}) stays: no other administrator of this machine could sign in",
                            account.name, account.id
                        ),
                    );
                }
            }
            Err(failure) => self.fail(failure),
        }
    }
}

fn words_of(difference: Difference) -> &'static str {
    match difference {
        Difference::Disabled => "was disabled",
        Difference::Enabled => "was enabled",
        Difference::NotAdministrator => "was no administrator",
        Difference::Description => "was described otherwise",
    }
}
