//! The effect runner of a simulated machine: what `agent::effect` does on a real one, on a disk that can fail.
//!
//! It is written plainly beside the real one, which needs a file system and system calls; the pure parts (the
//! cycle, fingerprints, what a failed call means) are the agent's own. `docs/design/simulation.md` says what
//! follows from that.

mod owned;
mod rotate;
mod wire;

use super::{
    dice::Dice,
    disk::{Broken, Stop},
    machine::{Machine, Process, Running},
    message::{Answer, Request},
    mutation::Mutation,
};
use agent::{accounts::day_of, directory};
use client::Error;
use laps::{
    account::Selection,
    cycle::{CheckedIn, Effect, Outcome},
    drift::Trace,
    event,
    password::Password,
    rotation::{self, AccountRef, Failure},
    time::Timestamp,
};
use owned::{Place, Trouble};

/// What an effect came to.
pub(super) enum Act {
    /// It is done.
    Answered(Outcome),
    /// It sends this, and the answer decides.
    Sends(Request),
}

/// What the runner is given besides the machine.
pub(super) struct Given<'a> {
    /// The device's clock.
    pub(super) now: Timestamp,
    /// Chance.
    pub(super) dice: &'a mut Dice,
    /// A protection that is missing.
    pub(super) mutation: Option<Mutation>,
}

/// A new password, for the oracle.
pub(super) struct Made {
    /// The version that it becomes.
    pub(super) version: laps::id::VersionId,
    /// The password in clear: the oracle is the one reader who knows it.
    pub(super) password: Password,
    /// The account with its new verifier.
    pub(super) account: AccountRef,
    /// The verifier.
    pub(super) verifier: agent::accounts::Verifier,
}

fn failure(code: &str) -> Failure {
    Failure::new(event::POLICY_FAILED, code, format!("{code} in the simulation"))
}

fn refused(code: &str) -> rotation::Outcome {
    rotation::Outcome::Refused(failure(code))
}

/// Carries out one effect. Also the password that was made, if one was.
///
/// # Errors
/// The machine stopped in it.
pub(super) fn carry_out(
    machine: &mut Machine,
    process: &mut Process,
    running: &mut Running,
    given: &mut Given<'_>,
) -> Result<(Act, Option<Made>), Stop> {
    let effect = running.effect.clone();
    machine.hazard.act()?;
    let act = match effect {
        Effect::CheckIn { reset_result } => Act::Sends(Request::CheckIn(reset_result)),
        Effect::Inspect(selection) => {
            let today = day_of(given.now);
            let place = Place::of(machine, process, today, given.mutation);
            let account = place.find(&selection);
            let found = if machine.unreadable > 0 {
                machine.unreadable -= 1;
                running.excuse("account database unreadable");
                Err(Failure::new(event::POLICY_FAILED, "account_db_unreadable", "in the simulation"))
            } else {
                let facts = account.and_then(|account| {
                    let installed = process.fingerprint(&account);
                    machine.accounts.facts(&account, installed, today)
                });
                facts.ok_or_else(|| Failure::new(event::ACCOUNT_NOT_FOUND, "account_not_found", "in the simulation"))
            };
            let absent = found.is_err() && selection.name_rule().is_some() && machine.accounts.files().is_some();
            if found.is_err() && matches!(selection, Selection::Named(_)) {
                running.excuse("no such account");
            }
            running.selection = Some(selection);
            match found {
                Err(failure) if absent && failure.event == event::ACCOUNT_NOT_FOUND => {
                    Act::Answered(Outcome::AccountAbsent)
                }
                found => Act::Answered(Outcome::Inspected(found)),
            }
        }
        Effect::Trace(account) => Act::Answered(Outcome::Traced(machine.accounts.files().map(|files| {
            let holder = files.passwd.lines().iter().find(|entry| entry.uid == account.id);
            holder.map_or(Trace::Gone, |entry| Trace::Named(entry.name.clone()))
        }))),
        Effect::Shape(wanted) => {
            let shaped = Place::of(machine, process, day_of(given.now), given.mutation).shape(&wanted);
            Act::Answered(Outcome::Shaped(answered(shaped, running)?))
        }
        Effect::Remove(ids) => {
            let removal = Place::of(machine, process, day_of(given.now), given.mutation).remove(&ids, true);
            Act::Answered(Outcome::Removed(answered(removal, running)?))
        }
        Effect::Report(report) => Act::Sends(Request::Report(Box::new(wire::report(report, given.now)))),
        Effect::Consult { .. } => Act::Answered(Outcome::Consulted(Err(failure("no domain")))),
        Effect::Remember(memory) => {
            let memory = if given.mutation == Some(Mutation::ExpiryForgotten) {
                laps::decide::Memory { expires_at: memory.expires_at.plus_days(3000), ..memory }
            } else {
                memory
            };
            let Machine { states, hazard, active, .. } = machine;
            match states[*active].memory.replace(memory, hazard, true) {
                Err(Broken::Stopped(stop)) => return Err(stop),
                Err(_) => running.excuse("memory not written"),
                Ok(()) => {}
            }
            Act::Answered(Outcome::Done)
        }
        Effect::Finish(_) => Act::Answered(Outcome::Done),
        Effect::Rotation(effect) => return rotate::rotate(effect, machine, process, running, given),
    };
    Ok((act, None))
}

/// What a change of an account came to; a refusal is an excuse when it is the machine's.
fn answered<T>(done: Result<T, Trouble>, running: &mut Running) -> Result<Result<T, Failure>, Stop> {
    match done {
        Ok(done) => Ok(Ok(done)),
        Err(Trouble::Stopped(stop)) => Err(stop),
        Err(Trouble::Refused(code) | Trouble::Unknown(code)) => {
            running.excuse(code);
            Ok(Err(failure(code)))
        }
    }
}

/// The agent reads what it keeps of its accounts, at the start of a cycle.
///
/// # Errors
/// The machine stopped in it.
pub(super) fn load_ownership(
    machine: &mut Machine,
    process: &mut Process,
    now: Timestamp,
    mutation: Option<Mutation>,
) -> Result<(), Stop> {
    Place::of(machine, process, day_of(now), mutation).load()
}

/// What an answer, or none, means for the effect that asked.
///
/// # Errors
/// The machine stopped while it wrote the policy down.
pub(super) fn understand(
    machine: &mut Machine,
    process: &mut Process,
    effect: &Effect,
    answer: Result<Answer, Error>,
) -> Result<Outcome, Stop> {
    let Machine { states, active, hazard, .. } = machine;
    let state = &mut states[*active];
    Ok(match (effect, answer) {
        (Effect::CheckIn { .. }, Ok(Answer::CheckedIn(plan, reset))) => {
            let kept = if plan == state.plan() { Ok(()) } else { state.policy.replace(plan, hazard, true) };
            if let Err(Broken::Stopped(stop)) = kept {
                return Err(stop);
            }
            let failure = kept.err().map(|_| failure("policy_not_written"));
            Outcome::CheckedIn(CheckedIn { plan: state.plan(), reset, failure })
        }
        (Effect::CheckIn { .. }, answer) => Outcome::CheckedIn(CheckedIn {
            plan: state.plan(),
            reset: false,
            failure: answer.err().map(|error| directory::failure(&error, "no check-in")),
        }),
        (Effect::Report(_), Ok(Answer::Report(answer))) => {
            let identity = state.identity.whole().unwrap();
            Outcome::Reported(Ok(wire::view(*answer, identity.certificate.device)))
        }
        (Effect::Report(_), Err(error)) => {
            Outcome::Reported(Err(directory::failure(&error, "the directory could not be asked")))
        }
        (Effect::Rotation(rotation::Effect::Store(intent)), answer) => Outcome::Rotation(match answer {
            Ok(_) => rotation::Outcome::Done,
            Err(error) => {
                let held = process.held.as_mut().filter(|held| held.version == intent.version);
                let in_doubt = held.as_ref().is_some_and(|held| held.in_doubt);
                let outcome = directory::store_outcome(&error, in_doubt);
                if let (Some(held), rotation::Outcome::Refused(_)) = (held, &outcome) {
                    held.maybe_stored = in_doubt;
                }
                outcome
            }
        }),
        (Effect::Rotation(rotation::Effect::Acknowledge { .. }), answer) => Outcome::Rotation(match answer {
            Ok(_) => rotation::Outcome::Done,
            Err(error) => directory::prove_outcome(&error),
        }),
        (Effect::Rotation(rotation::Effect::Abandon { .. }), answer) => Outcome::Rotation(match answer {
            Ok(_) => rotation::Outcome::Done,
            Err(error) => rotation::Outcome::Unknown(directory::failure(&error, "a version was not abandoned")),
        }),
        (_, _) => Outcome::Rotation(refused("an answer out of turn")),
    })
}
