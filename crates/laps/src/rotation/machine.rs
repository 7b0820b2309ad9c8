//! The state machine of the eight steps.

use super::{AccountRef, Comparison, Destination, Effect, Failure, Fingerprint, Intent, Next, Outcome, ProofKind};
use crate::{
    id::{DeviceId, TenantId, VersionId},
    time::Timestamp,
};

/// How often one `store` whose answer was lost is sent again at once. It is idempotent (rotation.md 3).
const STORE_ATTEMPTS_MAX: u8 = 3;

/// The steps of rotation.md 2, as they are named in events and failures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Step {
    /// 0
    Preflight,
    /// 2
    Generate,
    /// 3
    Journal,
    /// 4
    Store,
    /// 5
    Set,
    /// 6
    Prove,
    /// 7
    Acknowledge,
    /// Recovery: looking at the account database.
    Compare,
    /// Recovery: telling the directory that a version was never set.
    Abandon,
    /// 8
    Resolve,
}

/// How a rotation ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finish {
    /// The version is set, proven, and the directory knows it.
    Proven {
        /// The intent that was carried out.
        intent: Intent,
        /// How it was proven.
        kind: ProofKind,
    },
    /// The account is as it was, and no intent is left.
    Untouched {
        /// Where it stopped.
        step: Step,
        /// Why.
        failure: Failure,
    },
    /// An interrupted version was found never set and is abandoned; no intent is left. Start afresh.
    Abandoned {
        /// The version.
        version: VersionId,
    },
    /// Set, not proven: the intent and the secret stay; try again.
    NotProven {
        /// The version.
        version: VersionId,
        /// Why the proof failed.
        failure: Failure,
    },
    /// The intent stays; the next cycle resolves it before anything else.
    Unresolved {
        /// The version.
        version: VersionId,
        /// Where it stopped.
        step: Step,
        /// Why.
        failure: Failure,
    },
    /// The directory does not know the version (any more), or the machine cannot tell what is set: no
    /// intent is left, rotate at once.
    RotateAgain {
        /// The version that was given up.
        version: VersionId,
        /// Why: `version_unknown`, `version_abandoned`, `cannot_tell`.
        failure: Failure,
    },
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    Preflight,
    Generating,
    Journalling(Intent),
    Storing {
        intent: Intent,
        attempt: u8,
    },
    Setting(Intent),
    /// `set` failed: find out what is there. The secret is still held.
    ComparingAfterSet {
        intent: Intent,
        failure: Failure,
    },
    /// Recovery of an intent from the journal; `secret` when the shell still holds its password.
    Recovering {
        intent: Intent,
        secret: bool,
    },
    Proving(Intent),
    Acknowledging {
        intent: Intent,
        kind: ProofKind,
    },
    Abandoning {
        intent: Intent,
        finish: Box<Finish>,
    },
    Resolving(Box<Finish>),
    Finished,
}

/// One rotation, or the recovery of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rotation {
    tenant: TenantId,
    device: DeviceId,
    version: VersionId,
    expires_at: Timestamp,
    destination: Destination,
    state: State,
}

impl Rotation {
    /// A new rotation. `version` is a fresh random one; `expires_at` is when the new password is due.
    pub fn start(
        tenant: TenantId,
        device: DeviceId,
        version: VersionId,
        expires_at: Timestamp,
        destination: Destination,
    ) -> (Self, Effect) {
        let rotation = Self { tenant, device, version, expires_at, destination, state: State::Preflight };
        (rotation, Effect::Preflight)
    }

    /// Recovers an intent that was journalled (or rebuilt from the directory's answer to `report`).
    /// `secret_held` says that this process still has the password of this version in memory.
    pub fn resume(intent: Intent, secret_held: bool) -> (Self, Effect) {
        let rotation = Self {
            tenant: intent.tenant,
            device: intent.device,
            version: intent.version,
            expires_at: intent.expires_at,
            destination: intent.destination.clone(),
            state: State::Recovering { intent: intent.clone(), secret: secret_held },
        };
        (rotation, Effect::Compare(intent))
    }

    /// The version that it is about.
    pub fn version(&self) -> VersionId {
        self.version
    }

    /// The intent, when it is proven and only the journal is left to clear. Whatever is remembered of it is written
    /// before that: a crash between the two then costs nothing.
    pub fn proven(&self) -> Option<&Intent> {
        match &self.state {
            State::Resolving(finish) => match &**finish {
                Finish::Proven { intent, .. } => Some(intent),
                _ => None,
            },
            _ => None,
        }
    }

    /// Whether the directory may hold the version by now. From here on the rotation is finished, whatever
    /// policy or switch say (rotation.md 2).
    pub fn is_past_store(&self) -> bool {
        !matches!(
            self.state,
            State::Preflight | State::Generating | State::Journalling(_) | State::Storing { .. } | State::Finished
        )
    }

    /// Takes the outcome of the effect that was asked for last, and says what comes next.
    ///
    /// An outcome that does not belong to that effect, or one after the end, is a defect of the shell; it
    /// ends the rotation with the intent left in place, which the next cycle resolves.
    pub fn on(&mut self, outcome: Outcome) -> Next {
        let state = core::mem::replace(&mut self.state, State::Finished);
        match (state, outcome) {
            (State::Preflight, Outcome::Done) => self.go(State::Generating, Effect::Generate { version: self.version }),
            (State::Preflight, Outcome::Refused(failure) | Outcome::Unknown(failure)) => {
                self.end(Finish::Untouched { step: Step::Preflight, failure })
            }

            (State::Generating, Outcome::Generated { account, fingerprint }) => {
                let intent = self.intent(account, fingerprint);
                self.go(State::Journalling(intent.clone()), Effect::Journal(intent))
            }
            (State::Generating, Outcome::Refused(failure) | Outcome::Unknown(failure)) => {
                self.end(Finish::Untouched { step: Step::Generate, failure })
            }

            (State::Journalling(intent), Outcome::Done) => {
                self.go(State::Storing { intent: intent.clone(), attempt: 1 }, Effect::Store(intent))
            }
            // What a failed journal write left behind is an intent of a version that nobody stored: clear it.
            (State::Journalling(_), Outcome::Refused(failure) | Outcome::Unknown(failure)) => {
                self.resolve(Finish::Untouched { step: Step::Journal, failure })
            }

            (State::Storing { intent, .. }, Outcome::Done) => {
                self.go(State::Setting(intent.clone()), Effect::Set(intent))
            }
            (State::Storing { .. }, Outcome::Refused(failure)) => {
                self.resolve(Finish::Untouched { step: Step::Store, failure })
            }
            (State::Storing { intent, attempt }, Outcome::Unknown(_)) if attempt < STORE_ATTEMPTS_MAX => {
                self.go(State::Storing { intent: intent.clone(), attempt: attempt + 1 }, Effect::Store(intent))
            }
            (State::Storing { .. }, Outcome::Unknown(failure)) => self.unresolved(Step::Store, failure),

            (State::Setting(intent), Outcome::Done) => self.go(State::Proving(intent.clone()), Effect::Prove(intent)),
            (State::Setting(intent), Outcome::Refused(failure) | Outcome::Unknown(failure)) => {
                self.go(State::ComparingAfterSet { intent: intent.clone(), failure }, Effect::Compare(intent))
            }

            (State::ComparingAfterSet { intent, failure }, Outcome::Compared(comparison)) => match comparison {
                Comparison::Same => self.go(State::Proving(intent.clone()), Effect::Prove(intent)),
                Comparison::Different => {
                    self.abandon(intent, "set_failed", Finish::Untouched { step: Step::Set, failure })
                }
                Comparison::CannotTell => self.unresolved(Step::Set, failure),
            },
            (State::ComparingAfterSet { failure, .. }, Outcome::Refused(_) | Outcome::Unknown(_)) => {
                self.unresolved(Step::Set, failure)
            }

            (State::Recovering { intent, secret }, Outcome::Compared(comparison)) => match comparison {
                Comparison::Same if secret => self.go(State::Proving(intent.clone()), Effect::Prove(intent)),
                Comparison::Same => self.acknowledge(intent, ProofKind::Verifier),
                Comparison::Different => {
                    let version = intent.version;
                    self.abandon(intent, "never_set", Finish::Abandoned { version })
                }
                Comparison::CannotTell => {
                    let text = "the machine cannot tell which password is set; it rotates at once";
                    let failure = Failure::new(crate::event::POLICY_FAILED, "cannot_tell", text);
                    self.resolve(Finish::RotateAgain { version: intent.version, failure })
                }
            },
            (State::Recovering { .. }, Outcome::Refused(failure) | Outcome::Unknown(failure)) => {
                self.unresolved(Step::Compare, failure)
            }

            (State::Proving(intent), Outcome::Proven(kind)) => self.acknowledge(intent, kind),
            (State::Proving(intent), Outcome::Refused(failure) | Outcome::Unknown(failure)) => {
                self.end(Finish::NotProven { version: intent.version, failure })
            }

            (State::Acknowledging { intent, kind }, Outcome::Done) => self.resolve(Finish::Proven { intent, kind }),
            (State::Acknowledging { intent, .. }, Outcome::Refused(failure)) => {
                self.resolve(Finish::RotateAgain { version: intent.version, failure })
            }
            (State::Acknowledging { .. }, Outcome::Unknown(failure)) => self.unresolved(Step::Acknowledge, failure),

            (State::Abandoning { finish, .. }, Outcome::Done) => self.resolve(*finish),
            (State::Abandoning { .. }, Outcome::Refused(failure) | Outcome::Unknown(failure)) => {
                self.unresolved(Step::Abandon, failure)
            }

            // A journal that could not be cleared is found again by the next cycle, which then finds the
            // version proven or abandoned already: both verbs may be repeated.
            (State::Resolving(finish), Outcome::Done | Outcome::Refused(_) | Outcome::Unknown(_)) => self.end(*finish),

            (_, _) => self.unresolved(
                Step::Resolve,
                Failure::new(crate::event::POLICY_FAILED, "internal_error", "an outcome out of turn; report this"),
            ),
        }
    }

    fn intent(&self, account: AccountRef, fingerprint: Fingerprint) -> Intent {
        Intent {
            tenant: self.tenant,
            device: self.device,
            version: self.version,
            account,
            fingerprint,
            expires_at: self.expires_at,
            destination: self.destination.clone(),
        }
    }

    fn go(&mut self, state: State, effect: Effect) -> Next {
        self.state = state;
        Next::Do(effect)
    }

    /// Active Directory has no pending state: what was set there is current (rotation.md 9).
    fn acknowledge(&mut self, intent: Intent, kind: ProofKind) -> Next {
        if let Destination::ActiveDirectory(_) = intent.destination {
            return self.resolve(Finish::Proven { intent, kind });
        }
        let version = intent.version;
        self.go(State::Acknowledging { intent, kind }, Effect::Acknowledge { version, kind })
    }

    /// Nor has it a verb for this: the next modify takes the place of what was never set.
    fn abandon(&mut self, intent: Intent, reason: &'static str, finish: Finish) -> Next {
        if let Destination::ActiveDirectory(_) = intent.destination {
            return self.resolve(finish);
        }
        let version = intent.version;
        self.go(State::Abandoning { intent, finish: Box::new(finish) }, Effect::Abandon { version, reason })
    }

    fn resolve(&mut self, finish: Finish) -> Next {
        self.go(State::Resolving(Box::new(finish)), Effect::Resolve { version: self.version })
    }

    fn unresolved(&mut self, step: Step, failure: Failure) -> Next {
        self.end(Finish::Unresolved { version: self.version, step, failure })
    }

    fn end(&mut self, finish: Finish) -> Next {
        self.state = State::Finished;
        Next::Finished(finish)
    }
}
