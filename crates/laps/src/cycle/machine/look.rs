//! What a cycle does with a look at the account: before it decides, after a rotation, and before it ends at an
//! intent that it cannot resolve. Only what was just seen is told; a look that failed leaves nothing to go by.

use super::{Cycle, State};
use crate::{
    account::{AccountFacts, Selection},
    cycle::Effect,
    drift::{self, Trace},
    event,
    rotation::{AccountRef, Failure},
};

impl Cycle {
    pub(super) fn inspect(&mut self, selection: Selection) -> Effect {
        self.account = None;
        self.trace = None;
        self.absent = false;
        self.state = State::Inspecting;
        Effect::Inspect(selection)
    }

    /// What was found is told, and in the middle of a cycle decided on.
    fn looked(&mut self) -> Effect {
        self.report(if self.closing { State::Closing } else { State::Reporting })
    }

    pub(super) fn inspected(&mut self, facts: AccountFacts) -> Effect {
        if !facts.enabled && !self.closing {
            let text = format!("account {:?} is disabled; its password is managed all the same", facts.account.name);
            self.note(event::ACCOUNT_DISABLED, text);
        }
        self.account = Some(facts);
        self.looked()
    }

    /// There is no account yet: the next rotation makes it.
    pub(super) fn absent(&mut self) -> Effect {
        self.absent = true;
        self.looked()
    }

    /// Policy's account could not be looked at. When it is the one that was managed until now, its uid tells
    /// what became of it.
    pub(super) fn not_inspected(&mut self, failure: Failure) -> Effect {
        let lost = match (self.selection(), self.memory()) {
            (Some(selection), Some(memory)) if failure.event == event::ACCOUNT_NOT_FOUND => {
                drift::lost(selection, memory).cloned()
            }
            _ => None,
        };
        self.fail(failure);
        match lost {
            Some(account) => {
                self.state = State::Tracing;
                Effect::Trace(account)
            }
            None => self.looked(),
        }
    }

    pub(super) fn traced(&mut self, trace: Option<Trace>) -> Effect {
        self.trace = trace;
        self.looked()
    }

    /// Something is known of the account that policy asks for.
    pub(super) const fn is_seen(&self) -> bool {
        self.account.is_some() || self.absent || self.trace.is_some()
    }

    /// The cycle ends at an intent that is left: the report names the account that it is about, by its uid. A
    /// rename that is part of the intent may have been done or not.
    pub(super) fn seek(&mut self, account: AccountRef) -> Effect {
        self.closing = true;
        self.state = State::Seeking(account.clone());
        Effect::Trace(account)
    }

    pub(super) fn sought(&mut self, account: AccountRef, trace: Option<Trace>) -> Effect {
        match trace {
            Some(Trace::Gone) => self.looked(),
            Some(Trace::Named(name)) => self.inspect(Selection::Named(name)),
            // Looking at it says why it cannot be told.
            None => self.inspect(Selection::Named(account.name)),
        }
    }
}
