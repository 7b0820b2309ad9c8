//! The tree.

use super::{
    command::{Answer, Command, Verb},
    hresult::HResult,
    status::NodeStatus,
    storage::Storage,
    transaction::{Transaction, View},
};
use crate::policy::{PolicySet, Setting, Source, Value};
use std::collections::BTreeMap;

/// The explicit values of the tree: what was added or replaced, and not deleted.
pub type Values = BTreeMap<Setting, Value>;

/// How the tree behaves where the published texts leave a choice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Replace of a node without a value: `false` creates it (200), `true` refuses (404). Row 9.
    pub strict_replace: bool,
    /// The longest Data of one node, in bytes; more is 413. Row 31.
    pub data_bytes_max: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { strict_replace: false, data_bytes_max: 4096 }
    }
}

/// What a caller may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rights {
    /// Get.
    pub read: bool,
    /// Add, Replace, Delete.
    pub write: bool,
    /// Exec.
    pub exec: bool,
}

impl Rights {
    /// Everything: the management server, root.
    pub const ALL: Self = Self { read: true, write: true, exec: true };
    /// Reading only.
    pub const READ: Self = Self { read: true, write: false, exec: false };
}

/// What the caller must do after a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Nothing.
    None,
    /// The explicit values changed: run one cycle.
    PolicyChanged,
    /// ResetPassword was submitted: rotate, then call [`Tree::finish_reset`].
    ResetRequested {
        /// A reset was still running: it is finished first, then one more is made (repeats coalesce).
        again: bool,
    },
}

/// A command outside an Atomic that was carried out (or refused).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Executed {
    /// The answer.
    pub answer: Answer,
    /// What the caller must do now.
    pub effect: Effect,
}

/// The configuration tree of one device: its explicit values and the state of the last reset.
#[derive(Debug, Clone)]
pub struct Tree {
    pub(super) options: Options,
    pub(super) values: Values,
    pub(super) reset: HResult,
}

impl Tree {
    /// A tree without any value.
    pub fn new(options: Options) -> Self {
        Self::load(options, Values::new(), HResult::OK)
    }

    /// A tree with stored values and the last stored reset status. A reset that was pending when the
    /// machine went down counts as aborted (laps-behaviour.md 1.5).
    pub fn load(options: Options, values: Values, last_reset: HResult) -> Self {
        let reset = if last_reset.is_pending() { HResult::ABORTED } else { last_reset };
        Self { options, values, reset }
    }

    /// The explicit values.
    pub fn values(&self) -> &Values {
        &self.values
    }

    /// The explicit values as a source of policy.
    pub fn policy_set(&self) -> PolicySet {
        let mut set = PolicySet::new(Source::Csp);
        for (setting, value) in &self.values {
            set.set(*setting, value.clone());
        }
        set
    }

    /// The status of the last reset, as ResetPasswordStatus returns it.
    pub fn reset_status(&self) -> HResult {
        self.reset
    }

    /// Tells how the submitted reset ended. (Of resets that coalesced: call it when the last one ended.)
    pub fn finish_reset(&mut self, result: HResult) {
        self.reset = result;
    }

    /// Carries out one command that stands outside an Atomic. A write is its own transaction: checked,
    /// stored, or refused without a change.
    pub fn execute(&mut self, storage: &mut dyn Storage, rights: Rights, command: &Command<'_>) -> Executed {
        if command.verb == Verb::Exec {
            let answer = View::new(self, rights).exec(command);
            let again = self.reset.is_pending();
            if answer.status == NodeStatus::Accepted {
                self.reset = HResult::PENDING;
                return Executed { answer, effect: Effect::ResetRequested { again } };
            }
            return Executed { answer, effect: Effect::None };
        }
        if command.verb == Verb::Get {
            return Executed { answer: View::new(self, rights).read(command), effect: Effect::None };
        }
        let mut transaction = self.begin(rights);
        transaction.apply(command);
        let commit = transaction.commit(storage);
        let effect = if commit.changed { Effect::PolicyChanged } else { Effect::None };
        let mut answer = commit.answers.into_iter().next().unwrap_or(Answer::status(NodeStatus::BadRequest));
        if answer.status == NodeStatus::RollbackFailed {
            // 516 speaks of an Atomic; a single command reports the store
            answer.status = NodeStatus::StoreFailed;
        }
        Executed { answer, effect }
    }

    /// Begins an Atomic.
    pub fn begin(&mut self, rights: Rights) -> Transaction<'_> {
        Transaction::new(self, rights)
    }
}
