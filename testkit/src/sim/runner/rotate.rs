//! The effects of a rotation, as `agent::effect::rotate` carries them out.

use super::{
    Act, Given, Made, failure,
    owned::{Place, Trouble},
    refused,
};
use crate::sim::{
    accounts::{automatic, hash, opens},
    disk::{Broken, Stop},
    machine::{Held, Machine, Process, Running},
    message::Request,
    mutation::Mutation,
};
use agent::accounts::day_of;
use laps::{
    cycle::Outcome,
    decide::Reason,
    password::{self, PasswordSpec},
    rotation::{self, Comparison, Intent, ProofKind},
};
use proto::device::{Abandon, Prove, Store};

/// The effects of a rotation.
pub(super) fn rotate(
    effect: rotation::Effect,
    machine: &mut Machine,
    process: &mut Process,
    running: &mut Running,
    given: &mut Given<'_>,
) -> Result<(Act, Option<Made>), Stop> {
    let mutation = given.mutation;
    let careful = mutation != Some(Mutation::NothingSynced);
    let today = day_of(given.now);
    let mut made = None;
    let outcome = match effect {
        rotation::Effect::Preflight => match preflight(machine, process, running, given) {
            Ok(()) => rotation::Outcome::Done,
            Err(None) => refused("preflight_refused"),
            Err(Some(stop)) => return Err(stop),
        },
        rotation::Effect::Generate { version } => {
            let (outcome, new) = generate(version, machine, process, running, given)?;
            made = new;
            outcome
        }
        rotation::Effect::Journal(intent) => match machine.write_journal(intent, careful) {
            Ok(()) => rotation::Outcome::Done,
            Err(Broken::Stopped(stop)) => return Err(stop),
            Err(_) => {
                running.excuse("journal not written");
                refused("journal_not_written")
            }
        },
        rotation::Effect::Store(intent) => {
            if mutation == Some(Mutation::SetBeforeStored)
                && let Err(Trouble::Stopped(stop)) = set(&intent, machine, process, running, today, mutation)
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
        rotation::Effect::Set(intent) => match set(&intent, machine, process, running, today, mutation) {
            Ok(()) => rotation::Outcome::Done,
            Err(Trouble::Stopped(stop)) => return Err(stop),
            Err(Trouble::Refused(code)) => refused(code),
            Err(Trouble::Unknown(code)) => rotation::Outcome::Unknown(failure(code)),
        },
        rotation::Effect::Compare(intent) => {
            // A rename that broke off is finished or undone first.
            Place::of(machine, process, today, mutation).settle_or_go_on()?;
            rotation::Outcome::Compared(compare(&intent, machine, process, running, mutation)?)
        }
        rotation::Effect::Prove(intent) => {
            let held = process.held.as_ref().filter(|held| held.version == intent.version);
            let account = machine.accounts.of(intent.account.id).filter(|account| account.account == intent.account);
            match (held, account.and_then(|account| account.verifier)) {
                (Some(held), Some(verifier)) if opens(held.password.reveal(), &verifier) => {
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
            match machine.clear_journal() {
                Ok(()) => rotation::Outcome::Done,
                Err(Broken::Stopped(stop)) => return Err(stop),
                Err(_) => rotation::Outcome::Unknown(failure("journal_not_cleared")),
            }
        }
    };
    Ok((Act::Answered(Outcome::Rotation(outcome)), made))
}

fn preflight(
    machine: &mut Machine,
    process: &mut Process,
    running: &mut Running,
    given: &Given<'_>,
) -> Result<(), Option<Stop>> {
    let Machine { states, active, hazard, .. } = machine;
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
    if machine.volatile.is_some() && given.mutation != Some(Mutation::VolatileTaken) {
        running.excuse("account database volatile");
        return Err(None);
    }
    let mut place = Place::of(machine, process, day_of(given.now), given.mutation);
    let seen = match automatic(running.selection.as_ref()) {
        Some(wanted) => match place.preflight(&wanted) {
            Ok(seen) => seen,
            Err(Trouble::Stopped(stop)) => return Err(Some(stop)),
            Err(Trouble::Refused(code) | Trouble::Unknown(code)) => {
                running.excuse(code);
                return Err(None);
            }
        },
        None => Some(running.selection.as_ref().and_then(|selection| place.find(selection)).ok_or(None)?),
    };
    running.seen = seen;
    Ok(())
}

fn generate(
    version: laps::id::VersionId,
    machine: &mut Machine,
    process: &mut Process,
    running: &mut Running,
    given: &mut Given<'_>,
) -> Result<(rotation::Outcome, Option<Made>), Stop> {
    let seen = running.seen.take();
    let wanted = automatic(running.selection.as_ref());
    let mut place = Place::of(machine, process, day_of(given.now), given.mutation);
    if given.mutation == Some(Mutation::OldGoesFirst)
        && let Err(Trouble::Stopped(stop)) = place.remove_too_early(running.selection.as_ref())
    {
        return Err(stop);
    }
    let (seen, whole) = match (wanted, seen) {
        (Some(wanted), seen) => match place.bring_into_shape(&wanted, seen, given.dice) {
            Ok((seen, whole)) => (seen, Some(whole)),
            Err(Trouble::Stopped(stop)) => return Err(stop),
            Err(Trouble::Refused(code) | Trouble::Unknown(code)) => {
                running.excuse(code);
                return Ok((refused(code), None));
            }
        },
        (None, Some(seen)) => (seen, None),
        (None, None) => return Ok((refused("no_account"), None)),
    };
    if machine.refuses > 0 {
        machine.refuses -= 1;
        running.excuse("quality rule");
        return Ok((refused("no_acceptable_password"), None));
    }
    let spec = PasswordSpec::new(4, 14, 6).unwrap();
    let password = password::generate(spec, &mut given.dice.fork());
    let verifier = hash(password.reveal(), given.dice.below(u64::MAX));
    let mut account = seen.account.clone();
    if let Some(whole) = &whole {
        account.name.clone_from(&whole.name);
    }
    let fingerprint = process.key.fingerprint(&account, &verifier).unwrap();
    let made = Made { version, password: password.clone(), account: account.clone(), verifier: verifier.clone() };
    process.held = Some(Held { version, password, verifier, seen, whole, maybe_stored: false, in_doubt: false });
    Ok((rotation::Outcome::Generated { account, fingerprint }, Some(made)))
}

fn set(
    intent: &Intent,
    machine: &mut Machine,
    process: &mut Process,
    running: &mut Running,
    today: u32,
    mutation: Option<Mutation>,
) -> Result<(), Trouble> {
    let Some(held) = process.held.take_if(|held| held.version == intent.version) else {
        return Err(Trouble::Refused("secret_gone"));
    };
    let done = Place::of(machine, process, today, mutation).set(&held);
    process.held = Some(held);
    if let Err(Trouble::Refused(code) | Trouble::Unknown(code)) = done {
        running.excuse(code);
    }
    done
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
    if machine.accounts.files().is_none() {
        return Ok(Comparison::CannotTell);
    }
    let Some(account) = machine.accounts.of(intent.account.id) else { return Ok(Comparison::Different) };
    let under_its_name = account.verifier.and_then(|verifier| process.key.fingerprint(&intent.account, &verifier));
    Ok(match under_its_name {
        Some(installed) if installed != intent.fingerprint => Comparison::Different,
        None => Comparison::Different,
        Some(_) if account.account == intent.account => Comparison::Same,
        // Set, and renamed by another hand since.
        Some(_) if mutation != Some(Mutation::RenamedAbandoned) => Comparison::CannotTell,
        Some(_) => Comparison::Different,
    })
}
