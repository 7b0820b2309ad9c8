//! How a cycle ends: what is answered, told last and kept.

use super::{Cycle, State};
use crate::{
    cycle::{Effect, Finish},
    decide::Plan,
    event,
};

impl Cycle {
    /// The management server hears how its reset ended.
    pub(super) fn answer(&mut self) -> Effect {
        if !self.csp_reset {
            return self.close();
        }
        self.state = State::Answering;
        let result = self.failure.clone().map_or(Ok(()), Err);
        Effect::CheckIn { reset_result: Some(result) }
    }

    /// The directory hears of what it does not know yet: a failure, that one is over, drift that is repaired.
    pub(super) fn close(&mut self) -> Effect {
        if let Some(memory) = self.remembered_as_left() {
            self.start.memory = Some(memory.clone());
            self.state = State::Leaving;
            return Effect::Remember(memory);
        }
        if !core::mem::replace(&mut self.left, true) {
            let departed = self.departed();
            if !departed.is_empty() {
                self.state = State::Removing;
                return Effect::Remove(departed);
            }
        }
        let told = self.told.as_ref().is_some_and(|told| *told == self.to_tell(&self.failure));
        // What was seen of the account is of before the rotation, and a report tells what is there now.
        let look_again = core::mem::take(&mut self.outdated) || (!told && self.rotations > 0);
        match &self.plan {
            Plan::Manage(manage) if look_again => {
                let selection = manage.selection.clone();
                self.closing = true;
                self.inspect(selection)
            }
            _ if told => self.finish(),
            _ => self.report(State::Closing),
        }
    }

    pub(super) fn finish(&mut self) -> Effect {
        if let (true, Some(memory)) = (core::mem::take(&mut self.watch_changed), &self.start.memory) {
            self.state = State::Noting;
            return Effect::Remember(memory.clone());
        }
        self.state = State::Finished;
        match &self.failure {
            None => self.note(event::POLICY_SUCCEEDED, "policy processing succeeded"),
            Some(failure) => {
                let text = format!("policy processing failed: {}", failure.code);
                self.note(event::POLICY_FAILED, text);
            }
        }
        let expires_at = self.due_at();
        Effect::Finish(Finish {
            proven: core::mem::take(&mut self.proven),
            last_error: self.failure.clone(),
            offline: self.offline,
            unresolved: self.intent_left.is_some(),
            expires_at,
            reasons: core::mem::take(&mut self.reasons),
        })
    }
}
