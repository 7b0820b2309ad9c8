//! The effect runner of a simulated machine: what `agent::effect` does on a real one, on a disk that can fail.
//!
//! It is written plainly beside the real one, which needs a file system and system calls; the pure parts (the
//! cycle, fingerprints, what a failed call means) are the agent's own. `docs/design/simulation.md` says what
//! follows from that.

use super::{
    accounts::{hash, opens},
    dice::Dice,
    disk::{Broken, Content, Stop},
    machine::{Held, Machine, Process, Running},
    message::{Answer, Request},
    mutation::Mutation,
};
use agent::directory;
use client::Error;
use laps::{
    cycle::{self, CheckedIn, Effect, Outcome},
    decide::{Reason, View},
    event, password,
    password::{Password, PasswordSpec},
    rotation::{self, AccountRef, Comparison, Failure, Intent, ProofKind},
    time::Timestamp,
};
use proto::device::{Abandon, AccountReport, Evidence, LastError, Prove, Report, ReportAnswer, Store, Usability};

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
            let found = match machine.accounts.content() {
                _ if machine.unreadable > 0 => {
                    machine.unreadable -= 1;
                    running.excuse("account database unreadable");
                    Err(failure("account_db_unreadable"))
                }
                Content::Whole(accounts) => match accounts.find(&selection) {
                    Some(account) => Ok(account.facts(process.fingerprint(account))),
                    None => Err(failure("account_not_found")),
                },
                _ => Err(failure("account_db_malformed")),
            };
            running.selection = Some(selection);
            Act::Answered(Outcome::Inspected(found))
        }
        // Nothing renames or deletes an account here.
        Effect::Trace(_) => Act::Answered(Outcome::Traced(None)),
        // No policy of a run asks for automatic management.
        Effect::Shape(_) => Act::Answered(Outcome::Shaped(Err(failure("not_simulated")))),
        Effect::Remove(_) => Act::Answered(Outcome::Removed(Err(failure("not_simulated")))),
        Effect::Report(report) => Act::Sends(Request::Report(Box::new(wire(report, given.now)))),
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
        Effect::Rotation(effect) => return rotate(effect, machine, process, running, given),
    };
    Ok((act, None))
}

fn rotate(
    effect: rotation::Effect,
    machine: &mut Machine,
    process: &mut Process,
    running: &mut Running,
    given: &mut Given<'_>,
) -> Result<(Act, Option<Made>), Stop> {
    let mutation = given.mutation;
    let careful = mutation != Some(Mutation::NothingSynced);
    let mut made = None;
    let Machine { states, active, hazard, accounts, .. } = machine;
    let state = &mut states[*active];
    let outcome = match effect {
        rotation::Effect::Preflight => match preflight(machine, running) {
            Ok(()) => rotation::Outcome::Done,
            Err(None) => refused("preflight_refused"),
            Err(Some(stop)) => return Err(stop),
        },
        rotation::Effect::Generate { version } => {
            let (outcome, new) = generate(version, machine, process, running, given);
            made = new;
            outcome
        }
        rotation::Effect::Journal(intent) => match state.journal.replace(intent, hazard, careful) {
            Ok(()) => rotation::Outcome::Done,
            Err(Broken::Stopped(stop)) => return Err(stop),
            Err(_) => {
                running.excuse("journal not written");
                refused("journal_not_written")
            }
        },
        rotation::Effect::Store(intent) => {
            if mutation == Some(Mutation::SetBeforeStored)
                && let Err(Broken::Stopped(stop)) = set(&intent, machine, process, running, careful)
            {
                return Err(stop);
            }
            let Some(held) = process.held.as_mut().filter(|held| held.version == intent.version) else {
                return Ok((Act::Answered(Outcome::Rotation(refused("secret_gone"))), None));
            };
            held.in_doubt = core::mem::replace(&mut held.maybe_stored, true);
            let store = Store {
                version: intent.version,
                account: intent.account,
                fingerprint: intent.fingerprint,
                expires_at: intent.expires_at,
                device_time: given.now,
                reasons: running.reasons().iter().map(|reason: &Reason| reason.as_str().to_owned()).collect(),
            };
            return Ok((Act::Sends(Request::Store(store.encode(&held.password))), None));
        }
        rotation::Effect::Set(intent) => match set(&intent, machine, process, running, careful) {
            Ok(()) => rotation::Outcome::Done,
            Err(Broken::Stopped(stop)) => return Err(stop),
            Err(Broken::Before(_)) => refused("set_failed"),
            Err(Broken::After(_)) => rotation::Outcome::Unknown(failure("may_be_set")),
        },
        rotation::Effect::Compare(intent) => {
            rotation::Outcome::Compared(compare(&intent, machine, process, running, mutation)?)
        }
        rotation::Effect::Prove(intent) => {
            let held = process.held.as_ref().filter(|held| held.version == intent.version);
            let account = accounts.whole().and_then(|accounts| accounts.of(intent.account.id));
            match (held, account) {
                (Some(held), Some(account))
                    if account.account == intent.account && opens(held.password.reveal(), &account.verifier) =>
                {
                    rotation::Outcome::Proven(ProofKind::Verifier)
                }
                (Some(_), _) => refused("not_proven"),
                (None, _) => refused("secret_gone"),
            }
        }
        rotation::Effect::Acknowledge { version, kind } => {
            let prove = Prove { version, kind: kind.into(), device_time: given.now };
            return Ok((Act::Sends(Request::Prove(prove)), None));
        }
        rotation::Effect::Abandon { version, reason } => {
            return Ok((Act::Sends(Request::Abandon(Abandon { version, reason: reason.into() })), None));
        }
        rotation::Effect::Resolve { version } => {
            process.held.take_if(|held| held.version == version);
            match state.journal.remove(hazard) {
                Ok(()) => rotation::Outcome::Done,
                Err(Broken::Stopped(stop)) => return Err(stop),
                Err(_) => rotation::Outcome::Unknown(failure("journal_not_cleared")),
            }
        }
    };
    Ok((Act::Answered(Outcome::Rotation(outcome)), made))
}

fn preflight(machine: &mut Machine, running: &mut Running) -> Result<(), Option<Stop>> {
    let Machine { states, active, hazard, accounts, .. } = machine;
    let probe = &mut states[*active].probe;
    let tried = probe.replace((), hazard, true).and_then(|()| probe.remove(hazard));
    match tried {
        Err(Broken::Stopped(stop)) => return Err(Some(stop)),
        Err(_) => {
            running.excuse("state directory not writable");
            return Err(None);
        }
        Ok(()) => {}
    }
    if machine.read_only {
        running.excuse("account database read-only");
        return Err(None);
    }
    let selection = running.selection.as_ref();
    let account = accounts.whole().zip(selection).and_then(|(accounts, selection)| accounts.find(selection));
    running.seen = account.cloned();
    account.map(|_| ()).ok_or(None)
}

fn generate(
    version: laps::id::VersionId,
    machine: &mut Machine,
    process: &mut Process,
    running: &mut Running,
    given: &mut Given<'_>,
) -> (rotation::Outcome, Option<Made>) {
    let Some(seen) = running.seen.take() else {
        return (refused("no_account"), None);
    };
    if machine.refuses > 0 {
        machine.refuses -= 1;
        running.excuse("quality rule");
        return (refused("no_acceptable_password"), None);
    }
    let spec = PasswordSpec::new(4, 14, 6).unwrap();
    let password = password::generate(spec, &mut given.dice.fork());
    let verifier = hash(password.reveal(), given.dice.below(u64::MAX));
    let fingerprint = process.key.fingerprint(&seen.account, &verifier).unwrap();
    let account = seen.account.clone();
    let made = Made { version, password: password.clone(), account: account.clone(), verifier: verifier.clone() };
    process.held = Some(Held { version, password, verifier, seen, maybe_stored: false, in_doubt: false });
    (rotation::Outcome::Generated { account, fingerprint }, Some(made))
}

fn set(
    intent: &Intent,
    machine: &mut Machine,
    process: &mut Process,
    running: &mut Running,
    careful: bool,
) -> Result<(), Broken> {
    let none = Broken::Before(super::disk::Fault::Failed);
    let held = process.held.as_ref().filter(|held| held.version == intent.version).ok_or(none)?;
    if machine.read_only {
        running.excuse("account database read-only");
        return Err(none);
    }
    let mut next = machine.accounts.whole().cloned().ok_or(none)?;
    let account = next.of_mut(intent.account.id).ok_or(none)?;
    // "Re-read; stop if the account is not as it was in step 1" (rotation.md 7).
    if *account != held.seen && account.verifier != held.verifier {
        running.excuse("account changed meanwhile");
        return Err(none);
    }
    account.verifier = held.verifier.clone();
    machine.accounts.replace(next, &mut machine.hazard, careful)
}

fn compare(
    intent: &Intent,
    machine: &mut Machine,
    process: &Process,
    running: &mut Running,
    mutation: Option<Mutation>,
) -> Result<Comparison, Stop> {
    if machine.unreadable > 0 {
        machine.unreadable -= 1;
        running.excuse("account database unreadable");
        return Ok(Comparison::CannotTell);
    }
    if !matches!(mutation, Some(Mutation::NothingSynced | Mutation::ComparedUnsynced)) {
        match machine.accounts.settle(&mut machine.hazard) {
            Ok(()) => {}
            Err(Broken::Stopped(stop)) => return Err(stop),
            Err(_) => {
                running.excuse("disk fault");
                return Ok(Comparison::CannotTell);
            }
        }
    }
    let Content::Whole(accounts) = machine.accounts.content() else {
        return Ok(Comparison::CannotTell);
    };
    let account = accounts.of(intent.account.id).filter(|account| account.account == intent.account);
    Ok(match account.and_then(|account| process.fingerprint(account)) {
        Some(installed) if installed == intent.fingerprint => Comparison::Same,
        _ => Comparison::Different,
    })
}

/// The report as the agent writes it.
fn wire(report: cycle::Report, now: Timestamp) -> Report {
    Report {
        installed_fingerprint: report.account.as_ref().and_then(|account| account.installed),
        account: report.account.map(|facts| AccountReport {
            id: facts.account.id,
            name: facts.account.name,
            usability: Usability {
                enabled: facts.enabled,
                expired: facts.expired,
                no_login_shell: facts.no_login_shell,
                administrator: facts.administrator,
            },
        }),
        last_acknowledged: report.last_acknowledged,
        intent: report.intent,
        incarnation: report.incarnation,
        evidence: Evidence {
            unmanaged: report.unmanaged.map(|why| why.as_str().to_owned()),
            agent_version: "0.1.0".into(),
            ..Evidence::default()
        },
        last_error: report.last_error.map(|failure| LastError {
            event: failure.event,
            code: failure.code,
            text: failure.text,
            at: now,
        }),
        audit_head: None,
        sign_ins: Vec::new(),
        device_time: now,
    }
}

/// What an answer, or none, means for the effect that asked.
pub(super) fn understand(
    machine: &mut Machine,
    process: &mut Process,
    effect: &Effect,
    answer: Result<Answer, Error>,
) -> Outcome {
    let state = &mut machine.states[machine.active];
    match (effect, answer) {
        (Effect::CheckIn { .. }, Ok(Answer::CheckedIn(plan, reset))) => {
            state.plan = plan.clone();
            Outcome::CheckedIn(CheckedIn { plan, reset, failure: None })
        }
        (Effect::CheckIn { .. }, answer) => Outcome::CheckedIn(CheckedIn {
            plan: state.plan.clone(),
            reset: false,
            failure: answer.err().map(|error| directory::failure(&error, "no check-in")),
        }),
        (Effect::Report(_), Ok(Answer::Report(answer))) => {
            let identity = state.identity.as_ref().unwrap();
            Outcome::Reported(Ok(view(*answer, identity.certificate.device)))
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
    }
}

fn view(answer: ReportAnswer, device: laps::id::DeviceId) -> View {
    View {
        current: answer.current.map(|current| current.version),
        unresolved: answer
            .unresolved
            .into_iter()
            .map(|pending| Intent {
                tenant: super::server::TENANT,
                device,
                version: pending.version,
                account: AccountRef { id: pending.account_id, name: pending.account_name },
                fingerprint: pending.fingerprint,
                expires_at: pending.expires_at,
            })
            .collect(),
        incarnation: answer.incarnation,
        rotate_requested: answer.rotate_requested.is_some(),
        repairs_per_day: answer.repairs_per_day,
        store_refused: answer.store_refused,
        server_time: answer.server_time,
    }
}
