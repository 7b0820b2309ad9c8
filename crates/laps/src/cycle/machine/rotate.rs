//! The rotations of a cycle: the due one, and what follows from how it ended.

use super::{Cycle, ROTATIONS_MAX, State, words};
use crate::{
    cycle::{Effect, Tick},
    decide::{Manage, Memory, Plan, Reason, deciding_time},
    event,
    id::VersionId,
    rotation::{self, AccountRef, Destination, Intent, Next, Rotation, Step},
    time::Timestamp,
};

impl Cycle {
    pub(super) fn rotate(&mut self, reasons: Vec<Reason>, manage: &Manage, now: Timestamp, fresh: VersionId) -> Effect {
        self.note(event::UPDATE_NEEDED, words(&reasons));
        if reasons.contains(&Reason::PostAuthentication) {
            self.note(event::UPDATE_POST_AUTHENTICATION, "");
        }
        self.reasons = reasons;
        self.rotations += 1;
        let expires_at = now.plus_days(manage.age_days);
        let destination = self.destination(now);
        let (rotation, effect) = Rotation::start(self.start.tenant, self.start.device, fresh, expires_at, destination);
        self.state = State::Rotating(rotation);
        Effect::Rotation(effect)
    }

    pub(super) fn rotating(&mut self, mut rotation: Rotation, outcome: rotation::Outcome, tick: Tick) -> Effect {
        match rotation.on(outcome) {
            Next::Do(_) if let Some(intent) = rotation.proven().cloned() => {
                self.proven(intent, State::Remembering { rotation, account: None }, tick)
            }
            Next::Do(effect) => {
                match &effect {
                    rotation::Effect::Store(intent) => self.sending(intent),
                    rotation::Effect::Set(intent) => self.stored(intent),
                    rotation::Effect::Prove(intent) => self.note(
                        event::SET_SUCCEEDED,
                        format!(
                            "the password of account {:?} (uid {}) was set",
                            intent.account.name, intent.account.id
                        ),
                    ),
                    _ => {}
                }
                self.state = State::Rotating(rotation);
                Effect::Rotation(effect)
            }
            Next::Finished(finish) => match finish {
                rotation::Finish::Proven { .. } => self.remembered(tick),
                rotation::Finish::RotateAgain { failure, .. } if self.rotations < ROTATIONS_MAX => {
                    self.note(failure.event, format!("{}: {}", failure.code, failure.text));
                    self.rotate_once_more(Reason::Overtaken, tick)
                }
                rotation::Finish::Untouched { step, failure } => {
                    debug_assert!(step != Step::Acknowledge);
                    self.fail(failure);
                    self.answer()
                }
                rotation::Finish::RotateAgain { failure, .. } => {
                    self.fail(failure);
                    self.answer()
                }
                rotation::Finish::Abandoned { .. } => self.answer(),
                rotation::Finish::NotProven { failure, .. } | rotation::Finish::Unresolved { failure, .. } => {
                    self.intent_left = Some(rotation.version());
                    self.fail(failure);
                    self.answer()
                }
            },
        }
    }

    pub(super) fn proven(&mut self, intent: Intent, then: State, tick: Tick) -> Effect {
        let now = self.view.as_ref().map_or(tick.now, |view| deciding_time(tick.now, view.server_time));
        self.note(event::PROVEN, format!("version {} is proven, due at {}", intent.version, intent.expires_at));
        self.proven.push(intent.version);
        let watch = self.watch_after(&intent, now);
        self.outdated = match &self.plan {
            Plan::Manage(manage) => manage.selection.name_rule().is_some(),
            Plan::Unmanaged(_) => false,
        };
        let memory = Memory {
            tenant: intent.tenant,
            device: intent.device,
            incarnation: match (&self.view, &self.start.memory) {
                (Some(view), _) => view.incarnation,
                (None, Some(memory)) => memory.incarnation,
                (None, None) => self.start.joined_incarnation,
            },
            version: intent.version,
            account: intent.account,
            left_in_cloud: match intent.destination {
                Destination::Cloud => None,
                Destination::ActiveDirectory(_) => self.memory().and_then(Memory::in_cloud),
            },
            destination: intent.destination,
            rotated_at: now,
            expires_at: intent.expires_at,
            fingerprint: intent.fingerprint,
            watch,
        };
        self.start.memory = Some(memory.clone());
        self.state = then;
        Effect::Remember(memory)
    }

    pub(super) fn resolve(&mut self, rotation: Rotation, account: Option<AccountRef>) -> Effect {
        let version = rotation.version();
        self.state = match account {
            Some(account) => State::Recovering { rotation, account },
            None => State::Rotating(rotation),
        };
        Effect::Rotation(rotation::Effect::Resolve { version })
    }

    pub(super) fn remembered(&mut self, tick: Tick) -> Effect {
        if self.rotations == 0 {
            return self.after_recovery(); // it was a recovery: go on with the cycle
        }
        match self.again.take() {
            Some(reason) if self.rotations < ROTATIONS_MAX => self.rotate_once_more(reason, tick),
            Some(reason) => {
                self.again = Some(reason);
                self.answer()
            }
            None => self.answer(),
        }
    }

    pub(super) fn rotate_once_more(&mut self, reason: Reason, tick: Tick) -> Effect {
        match (self.plan.clone(), &self.view) {
            (Plan::Manage(manage), Some(view)) => {
                let now = deciding_time(tick.now, view.server_time);
                self.rotate(vec![reason], &manage, now, tick.fresh)
            }
            _ => self.answer(),
        }
    }
}
