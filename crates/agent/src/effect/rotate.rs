//! The effects of a rotation: the eight steps of rotation.md 2 on a real machine.

use super::{
    Runner, Witness, no_domain,
    owned::{automatic, refusal},
    secret::Held,
};
use crate::{accounts, clock::Clock, directory, directory::Directory, domain::Backup, platform::AccountError};
use getrandom::{SysRng, rand_core::UnwrapErr};
use laps::{
    active_directory::Placement,
    decide::Reason,
    event,
    id::VersionId,
    password,
    rotation::{Effect, Failure, Intent, Outcome},
};
use proto::device::{Abandon, Prove, Store};

/// Candidates that are drawn until the machine's own rules accept one.
const CANDIDATES_MAX: u32 = 100;

fn refused(error: &AccountError) -> Outcome {
    Outcome::Refused(error.failure())
}

impl<D: Directory, C: Clock + Clone, W: Witness> Runner<D, C, W> {
    pub(super) async fn rotation(&mut self, effect: Effect, reasons: &[Reason]) -> Outcome {
        match effect {
            Effect::Preflight => self.preflight(),
            Effect::Generate { version } => self.generate(version),
            Effect::Journal(intent) => match self.state.write_journal(&intent) {
                Ok(()) => Outcome::Done,
                Err(error) => Outcome::Refused(error.failure()),
            },
            Effect::Store(intent) => self.store(intent, reasons).await,
            Effect::Set(intent) => self.set(&intent),
            Effect::Compare(intent) => {
                // A rename that broke off is finished or undone first.
                if let Err(error) = self.settle() {
                    self.events.failure(&error.failure());
                }
                Outcome::Compared(self.tree.compare(&intent.account, intent.fingerprint, Some(&self.key)))
            }
            Effect::Prove(intent) => self.prove(&intent),
            Effect::Acknowledge { version, kind } => {
                let prove = Prove { version, kind: kind.into(), device_time: self.clock.now() };
                let Some(server) = &self.server else { return Outcome::Unknown(no_server()) };
                match server.directory.prove(&prove).await {
                    Ok(answer) => {
                        self.saw_server_time(answer.server_time);
                        Outcome::Done
                    }
                    Err(error) => directory::prove_outcome(&error),
                }
            }
            Effect::Abandon { version, reason } => {
                let Some(server) = &self.server else { return Outcome::Unknown(no_server()) };
                match server.directory.abandon(&Abandon { version, reason: reason.into() }).await {
                    Ok(_) => Outcome::Done,
                    Err(error) => Outcome::Unknown(directory::failure(&error, "a version was not abandoned")),
                }
            }
            Effect::Resolve { version } => {
                self.held.take_if(|held| held.version == version);
                match self.state.clear_journal() {
                    Ok(()) => Outcome::Done,
                    Err(error) => {
                        let failure = error.failure();
                        self.events.failure(&failure);
                        Outcome::Unknown(failure)
                    }
                }
            }
        }
    }

    fn preflight(&mut self) -> Outcome {
        if let Err(error) = self.state.probe() {
            return Outcome::Refused(error.failure());
        }
        let Some(selection) = &self.selection else {
            return Outcome::Refused(internal("a rotation without a managed account"));
        };
        let found = match automatic(Some(selection)) {
            Some(wanted) => self.preflight_owned(&wanted),
            None => self.tree.preflight(selection, self.durability, self.today()).map(Some),
        };
        match found {
            Ok(account) => {
                self.seen = account;
                Outcome::Done
            }
            Err(error) => Outcome::Refused(refusal(&error)),
        }
    }

    fn generate(&mut self, version: VersionId) -> Outcome {
        let Some(spec) = self.in_force.as_ref().map(|in_force| in_force.policy.password_spec()) else {
            return Outcome::Refused(internal("a password without a policy"));
        };
        // The system's generator is tried first: the infallible form of it would panic.
        if crate::clock::random::<1>().is_err() {
            return Outcome::Refused(Failure::new(
                event::NO_ACCEPTABLE_PASSWORD,
                "no_randomness",
                "the system's random generator failed; no password was made",
            ));
        }
        let (seen, whole) = match (automatic(self.selection.as_ref()), self.seen.take()) {
            (Some(wanted), seen) => match self.bring_into_shape(&wanted, seen) {
                Ok((seen, whole)) => (seen, Some(whole)),
                Err(error) => return Outcome::Refused(refusal(&error)),
            },
            (None, Some(seen)) => (seen, None),
            (None, None) => return Outcome::Refused(internal("a password without an account")),
        };
        let mut account = seen.account.clone();
        if let Some(whole) = &whole {
            account.name.clone_from(&whole.name);
        }
        let mut rng = UnwrapErr(SysRng);
        let rules = match self.tree.rules() {
            Ok(rules) => rules,
            Err(error) => return refused(&error),
        };
        let mut refusal = None;
        let accepted = (0..CANDIDATES_MAX).find_map(|_| {
            let candidate = password::generate(spec, &mut rng);
            match rules.check(&candidate, &account.name) {
                Ok(()) => Some(candidate),
                Err(error) => {
                    refusal = Some(error);
                    None
                }
            }
        });
        let Some(password) = accepted else {
            let error = refusal.map(AccountError::Rule);
            return error.map_or_else(|| Outcome::Refused(internal("no candidate")), |error| refused(&error));
        };
        let verifier = match self.tree.hash(&password, &mut rng) {
            Ok(verifier) => verifier,
            Err(error) => return refused(&error),
        };
        let Some(fingerprint) = self.key.fingerprint(&account, &verifier) else {
            return Outcome::Refused(internal("a verifier without a salt"));
        };
        self.held = Some(Held { version, password, verifier, seen, whole, maybe_stored: false });
        Outcome::Generated { account, fingerprint }
    }

    async fn store(&mut self, intent: Intent, reasons: &[Reason]) -> Outcome {
        if let Some(placement) = intent.destination.placement() {
            return self.store_in_domain(&intent, placement, reasons).await;
        }
        let Some(held) = self.held.as_mut().filter(|held| held.version == intent.version) else {
            return Outcome::Refused(internal("the password of the version is gone"));
        };
        let store = Store {
            version: intent.version,
            account: intent.account,
            fingerprint: intent.fingerprint,
            expires_at: intent.expires_at,
            device_time: self.clock.now(),
            reasons: reasons.iter().map(|reason| reason.as_str().to_owned()).collect(),
        };
        let in_doubt = core::mem::replace(&mut held.maybe_stored, true);
        let Some(server) = &self.server else { return Outcome::Refused(no_server()) };
        match server.directory.store(&store, &held.password).await {
            Ok(answer) => {
                self.saw_server_time(answer.server_time);
                Outcome::Done
            }
            Err(error) => {
                let outcome = directory::store_outcome(&error, in_doubt);
                if matches!(outcome, Outcome::Refused(_)) {
                    held.maybe_stored = in_doubt;
                }
                outcome
            }
        }
    }

    /// One LDAP modify (rotation.md 9).
    async fn store_in_domain(&mut self, intent: &Intent, placement: &Placement, reasons: &[Reason]) -> Outcome {
        let Some(held) = self.held.as_mut().filter(|held| held.version == intent.version) else {
            return Outcome::Refused(internal("the password of the version is gone"));
        };
        let Some(domain) = &mut self.domain else { return Outcome::Refused(no_domain()) };
        let moved = |reason: &Reason| {
            matches!(reason, Reason::FirstRotation | Reason::Joined | Reason::DirectoryChanged | Reason::StorageChanged)
        };
        let in_doubt = core::mem::replace(&mut held.maybe_stored, true);
        let backup = Backup {
            intent,
            placement,
            password: &held.password,
            history_max: self.in_force.as_ref().map_or(0, |in_force| in_force.policy.history_size() as usize),
            moved: reasons.iter().any(moved),
            in_doubt,
        };
        let outcome = domain.store(backup).await;
        if matches!(outcome, Outcome::Refused(_)) {
            held.maybe_stored = in_doubt;
        }
        outcome
    }

    fn set(&mut self, intent: &Intent) -> Outcome {
        let today = self.today();
        let Some(held) = self.held.as_ref().filter(|held| held.version == intent.version) else {
            return Outcome::Refused(internal("the password of the version is gone"));
        };
        let done = match held.whole {
            Some(_) => self.set_owned(today),
            None => self.tree.set(&held.seen, &held.verifier, today),
        };
        match done {
            Ok(()) => Outcome::Done,
            Err(error) if error.untouched() => refused(&error),
            Err(error) => Outcome::Unknown(error.failure()),
        }
    }

    fn prove(&mut self, intent: &Intent) -> Outcome {
        let Some(held) = self.held.as_ref().filter(|held| held.version == intent.version) else {
            return Outcome::Refused(internal("the password of the version is gone"));
        };
        match self.tree.prove(&intent.account, &held.password) {
            Ok(proof) => Outcome::Proven(proof.kind),
            Err(error) => {
                let failure = error.failure();
                Outcome::Refused(Failure { event: event::SET_NOT_PROVEN, ..failure })
            }
        }
    }

    /// Days since 1970-01-01 by the device's clock, for the day of the last change.
    pub(super) fn today(&self) -> u32 {
        accounts::day_of(self.clock.now())
    }
}

/// A verb of the server, and the machine has left it.
pub(super) fn no_server() -> Failure {
    Failure::new(
        event::DISCOVERY_FAILED,
        "not_joined",
        "this machine has joined no server; join it: lapwing-agent join",
    )
}

fn internal(what: &str) -> Failure {
    Failure::new(event::POLICY_FAILED, "internal_error", format!("{what}; report this"))
}
