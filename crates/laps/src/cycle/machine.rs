//! The state machine of a cycle.

mod active_directory;
mod end;
mod look;
mod owned;
mod rotate;
mod watch;

use super::{CheckedIn, Effect, Note, Outcome, Report, Start, Tick, Turn};
use crate::{
    account::{AccountFacts, Selection},
    active_directory::WantedForm,
    decide::{Facts, Manage, Memory, Plan, Reason, Target, Unmanaged, View, deciding_time, is_skewed, reasons},
    drift::{Drift, Trace},
    event,
    id::VersionId,
    rotation::{self, AccountRef, Failure, Intent, Next, Rotation},
    time::Timestamp,
};

/// Rotations in one cycle: the due one, one that overtakes a lost one, one that was asked for meanwhile.
const ROTATIONS_MAX: u8 = 3;

#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    /// An intent is resolved; `account` is the one that it is about.
    Recovering {
        rotation: Rotation,
        account: AccountRef,
    },
    CheckingIn,
    Shaping,
    Inspecting,
    Tracing,
    Reporting,
    /// Active Directory is asked.
    Consulting,
    Rotating(Rotation),
    /// What was proven is remembered, before the journal is cleared; `account` in a recovery.
    Remembering {
        rotation: Rotation,
        account: Option<AccountRef>,
    },
    /// The result of a reset goes to the management server.
    Answering,
    /// Policy has left the account: when it comes back, the password is due.
    Leaving,
    /// Accounts that policy has left go.
    Removing,
    /// An intent is left: where is the account that it is about?
    Seeking(AccountRef),
    /// The directory is told how it ended.
    Closing,
    /// What drift is measured by has changed and is kept.
    Noting,
    Finished,
}

/// One processing cycle.
#[derive(Debug, Clone)]
pub struct Cycle {
    start: Start,
    state: State,
    plan: Plan,
    account: Option<AccountFacts>,
    /// Drift that automatic management has undone before the account was looked at.
    undone: Vec<Drift>,
    /// What became of the account that was managed last, when policy's was not found.
    trace: Option<Trace>,
    /// What drift is measured by is to be kept.
    watch_changed: bool,
    /// There is no such account yet: a rotation makes it.
    absent: bool,
    /// What is looked at from now on is for the last report; nothing is decided on it any more.
    closing: bool,
    /// A rotation made or renamed the account since it was looked at.
    outdated: bool,
    /// A version that recovery found never set, and when it was written to Active Directory.
    never_set: Option<(VersionId, Timestamp)>,
    /// Accounts that policy has left were dealt with in this cycle.
    left: bool,
    view: Option<View>,
    /// No source has a policy, and the session with the management server did not come to its end.
    policy_unknown: bool,
    /// Reasons beside those that [`reasons`] finds.
    asked: Vec<Reason>,
    /// Reasons of the rotation that runs or ran.
    reasons: Vec<Reason>,
    /// A request came while a rotation ran (rotation.md 2, end).
    again: Option<Reason>,
    csp_reset: bool,
    rotations: u8,
    proven: Vec<VersionId>,
    failure: Option<Failure>,
    /// What the directory was told of in this cycle, if it was told anything.
    told: Option<Told>,
    /// The version of an intent that could not be resolved.
    intent_left: Option<VersionId>,
    offline: bool,
    notes: Vec<Note>,
}

/// What a report says that may have changed when the cycle ends: failure, why nothing is managed, drift, whether
/// repair is held.
type Told = (Option<(u32, String)>, Option<Unmanaged>, Vec<Drift>, bool);

impl Cycle {
    /// A new cycle and the first thing to do.
    pub fn start(start: Start) -> (Self, Turn) {
        let mut cycle = Self {
            state: State::CheckingIn,
            plan: Plan::Unmanaged(Unmanaged::NoPolicy),
            account: None,
            undone: Vec::new(),
            trace: None,
            watch_changed: false,
            absent: false,
            closing: false,
            outdated: false,
            never_set: None,
            left: false,
            view: None,
            policy_unknown: false,
            asked: Vec::new(),
            reasons: Vec::new(),
            again: None,
            csp_reset: false,
            rotations: 0,
            proven: Vec::new(),
            failure: None,
            told: None,
            intent_left: None,
            offline: false,
            notes: Vec::new(),
            start,
        };
        cycle.note(event::POLICY_BEGIN, "policy processing begins");
        if cycle.start.reset {
            cycle.note(event::ADMINISTRATOR_UPDATE, "an administrator of this machine asked for a new password");
            cycle.asked.push(Reason::AdministratorRequest);
        }
        let effect = match cycle.start.intent.take() {
            // An intent of another device object can be neither proven nor abandoned; the first cycle after
            // a join rotates anyway.
            Some(intent) if intent.device == cycle.start.device && intent.tenant == cycle.start.tenant => {
                cycle.note(
                    event::RECOVERED,
                    format!("version {} was interrupted; looking at the account", intent.version),
                );
                cycle.recover(intent)
            }
            _ => cycle.check_in(),
        };
        let turn = cycle.turn(effect);
        (cycle, turn)
    }

    /// A request to change the password came while the cycle runs. Repeats coalesce.
    pub fn ask(&mut self, reason: Reason) {
        match self.state {
            State::Recovering { .. }
            | State::CheckingIn
            | State::Shaping
            | State::Inspecting
            | State::Reporting
            | State::Consulting
                if !self.closing =>
            {
                self.asked.push(reason);
            }
            _ => self.again = Some(reason),
        }
    }

    /// Why the password is being changed; empty before that is decided.
    pub fn reasons(&self) -> &[Reason] {
        &self.reasons
    }

    /// A request that came too late for this cycle; the shell starts another one.
    pub fn asked_too_late(&self) -> bool {
        self.again.is_some() && self.state == State::Finished
    }

    /// Takes the outcome of the effect that was asked for last, and says what comes next.
    pub fn on(&mut self, outcome: Outcome, tick: Tick) -> Turn {
        let state = core::mem::replace(&mut self.state, State::Finished);
        let effect = match (state, outcome) {
            (State::Recovering { rotation, account }, Outcome::Rotation(outcome)) => {
                self.recovering(rotation, account, outcome, tick)
            }
            (State::CheckingIn, Outcome::CheckedIn(checked_in)) => self.checked_in(checked_in),
            (State::Shaping, Outcome::Shaped(shaped)) => self.shaped(shaped),
            (State::Inspecting, Outcome::AccountAbsent) => self.absent(),
            (State::Inspecting, Outcome::Inspected(Ok(facts))) => self.inspected(facts),
            (State::Inspecting, Outcome::Inspected(Err(failure))) => self.not_inspected(failure),
            (State::Seeking(account), Outcome::Traced(trace)) => self.sought(account, trace),
            (State::Tracing, Outcome::Traced(trace)) => self.traced(trace),
            (State::Reporting, Outcome::Reported(Ok(view))) => self.reported(view, tick),
            (State::Reporting, Outcome::Reported(Err(failure))) => self.not_reported(failure),
            (State::Consulting, Outcome::Consulted(Ok(consulted))) => self.consulted(consulted, tick),
            (State::Consulting, Outcome::Consulted(Err(failure))) => self.not_consulted(failure),
            (State::Rotating(rotation), Outcome::Rotation(outcome)) => self.rotating(rotation, outcome, tick),
            (State::Remembering { rotation, account }, Outcome::Done) => self.resolve(rotation, account),
            (State::Answering, Outcome::CheckedIn(_)) => self.close(),
            (State::Leaving, Outcome::Done) => self.close(),
            (State::Removing, Outcome::Removed(removal)) => {
                self.removed(removal);
                self.close()
            }
            (State::Closing, Outcome::Reported(_)) | (State::Noting, Outcome::Done) => self.finish(),
            (_, _) => {
                self.fail(Failure::new(event::POLICY_FAILED, "internal_error", "an outcome out of turn; report this"));
                self.finish()
            }
        };
        self.turn(effect)
    }

    fn turn(&mut self, effect: Effect) -> Turn {
        Turn { notes: core::mem::take(&mut self.notes), effect }
    }

    fn note(&mut self, event: u32, text: impl Into<String>) {
        self.notes.push(Note { event, text: text.into() });
    }

    /// The first failure of a cycle is the one that explains it.
    fn fail(&mut self, failure: Failure) {
        self.note(failure.event, format!("{}: {}", failure.code, failure.text));
        self.failure.get_or_insert(failure);
    }

    fn check_in(&mut self) -> Effect {
        self.state = State::CheckingIn;
        Effect::CheckIn { reset_result: None }
    }

    fn recover(&mut self, intent: Intent) -> Effect {
        self.never_set = intent.destination.placement().map(|placement| (intent.version, placement.written_at));
        let account = intent.account.clone();
        let (rotation, effect) = Rotation::resume(intent, self.start.secret_held);
        self.state = State::Recovering { rotation, account };
        Effect::Rotation(effect)
    }

    fn recovering(
        &mut self,
        mut rotation: Rotation,
        account: AccountRef,
        outcome: rotation::Outcome,
        tick: Tick,
    ) -> Effect {
        match rotation.on(outcome) {
            Next::Do(_) if let Some(intent) = rotation.proven().cloned() => {
                self.proven(intent, State::Remembering { rotation, account: Some(account) }, tick)
            }
            Next::Do(effect) => {
                self.state = State::Recovering { rotation, account };
                Effect::Rotation(effect)
            }
            Next::Finished(rotation::Finish::Proven { .. }) => self.remembered(tick),
            Next::Finished(rotation::Finish::Abandoned { version }) => {
                self.note(event::RECOVERED, format!("version {version} was never set and is abandoned"));
                self.after_recovery()
            }
            Next::Finished(rotation::Finish::RotateAgain { failure, .. }) => {
                self.note(event::RECOVERED, format!("{}: {}", failure.code, failure.text));
                self.asked.push(Reason::Overtaken);
                self.after_recovery()
            }
            // It is resolved before anything else (rotation.md 2, step 3): nothing more can be done now but
            // to tell the directory.
            Next::Finished(
                rotation::Finish::NotProven { failure, .. }
                | rotation::Finish::Unresolved { failure, .. }
                | rotation::Finish::Untouched { failure, .. },
            ) => {
                self.intent_left = Some(rotation.version());
                self.fail(failure);
                // Before the check-in nobody has looked at the account yet.
                if self.view.is_none() { self.seek(account) } else { self.close() }
            }
        }
    }

    /// Recovery of the journal comes before the check-in, adoption of what the directory knows after it.
    fn after_recovery(&mut self) -> Effect {
        match (&self.plan, &self.view) {
            (Plan::Manage(_), Some(_)) => self.report(State::Reporting), // only a server has pending versions
            _ => self.check_in(),
        }
    }

    fn checked_in(&mut self, checked_in: CheckedIn) -> Effect {
        self.plan = checked_in.plan;
        if checked_in.reset {
            self.note(event::ADMINISTRATOR_UPDATE, "the management server asked for a new password");
            self.csp_reset = true;
            self.asked.push(Reason::CspRequest);
        }
        if let Some(failure) = checked_in.failure {
            // The policy on this machine may have been lost, and the session did not bring it again: that is not
            // a policy that has left the account.
            self.policy_unknown = matches!(self.plan, Plan::Unmanaged(Unmanaged::NoPolicy));
            self.fail(failure);
        }
        match &self.plan {
            Plan::Manage(manage) => {
                let selection = manage.selection.clone();
                let text = format!("{selection}, a new password every {} days", manage.age_days);
                let event = policy_event(&manage.target);
                self.note(event, text);
                match selection {
                    Selection::Automatic(wanted) => {
                        self.state = State::Shaping;
                        Effect::Shape(wanted)
                    }
                    other => self.inspect(other),
                }
            }
            Plan::Unmanaged(why) => {
                let why = *why;
                match why {
                    Unmanaged::NoPolicy => self.note(event::NO_ACCOUNT_MANAGED, "no source has a policy"),
                    Unmanaged::BackupDisabled => self.note(event::POLICY_DISABLED, "BackupDirectory is 0 or absent"),
                    Unmanaged::JoinStateMismatch => self.fail(Failure::new(
                        event::JOIN_STATE_MISMATCH,
                        why.as_str(),
                        "BackupDirectory names a directory that this device has not joined; \
                         set BackupDirectory to 1, or join the device to that directory",
                    )),
                    Unmanaged::DomainController => self.note(
                        event::NOT_ON_CONTROLLERS,
                        "this machine is a domain controller, and policy does not set ADBackupDSRMPassword",
                    ),
                    Unmanaged::ActiveDirectory => {} // a report's word
                }
                self.report(State::Reporting)
            }
        }
    }

    fn report(&mut self, then: State) -> Effect {
        self.state = then;
        let last_error = match self.state {
            State::Reporting => self.failure.clone().or_else(|| self.start.last_error.clone()),
            _ => self.failure.clone(),
        };
        self.told = Some(self.to_tell(&last_error));
        if !self.start.has_server {
            return match self.state {
                State::Reporting => self.not_told(),
                _ => self.finish(),
            };
        }
        let memory = self.memory();
        Effect::Report(Report {
            account: self.account.clone(),
            unmanaged: self.unmanaged(),
            last_acknowledged: memory.and_then(Memory::in_cloud),
            intent: self.intent_left,
            drift: self.drift(),
            repair_held: self.repair_held(),
            incarnation: memory.map(|memory| memory.incarnation),
            last_error,
        })
    }

    /// Why the server keeps no password of this device, or none any more.
    fn unmanaged(&self) -> Option<Unmanaged> {
        match &self.plan {
            // Before the check-in nothing is known of the policy: the account is not said to be left.
            Plan::Unmanaged(why) if self.intent_left.is_none() && !self.policy_unknown => Some(*why),
            // The server's live set stays until Active Directory has the password (rotation.md 9).
            Plan::Manage(Manage { target: Target::ActiveDirectory(_), .. }) => {
                self.memory().and_then(|memory| memory.destination.placement()).map(|_| Unmanaged::ActiveDirectory)
            }
            Plan::Unmanaged(_) | Plan::Manage(_) => None,
        }
    }

    fn to_tell(&self, failure: &Option<Failure>) -> Told {
        let code = failure.as_ref().map(|failure| (failure.event, failure.code.clone()));
        (code, self.unmanaged(), self.drift(), self.repair_held())
    }

    fn reported(&mut self, view: View, tick: Tick) -> Effect {
        let now = deciding_time(tick.now, view.server_time);
        if is_skewed(tick.now, view.server_time) {
            let text = format!(
                "this clock says {}, the server's {}; expiry is computed from server time: set the clock",
                tick.now, view.server_time
            );
            self.note(event::CLOCK_SKEW, text);
        }
        let first_report = self.view.is_none();
        self.view = Some(view.clone());

        if let Some(effect) = self.consult() {
            return effect;
        }
        let Plan::Manage(manage) = self.plan.clone() else {
            if self.csp_reset {
                // laps-behaviour.md 1.8, row 15
                self.fail(Failure::new(
                    event::POLICY_FAILED,
                    "not_supported",
                    "a new password was asked for, and no policy manages an account; assign a policy",
                ));
            }
            return self.answer();
        };
        // A lost journal is rebuilt from the directory's answer (rotation.md 2, end).
        let known = self.start.memory.as_ref().map(|memory| memory.version);
        let account = self.account.as_ref();
        let lost = view.unresolved.iter().find(|intent| {
            Some(intent.version) != known
                && account.is_some_and(|account| {
                    account.installed == Some(intent.fingerprint) && intent.account.id == account.account.id
                })
        });
        if let (true, Some(intent)) = (first_report, lost) {
            self.note(event::RECOVERED, format!("version {} is set and was not proven", intent.version));
            self.start.secret_held = false;
            return self.recover(intent.clone());
        }
        self.decide(&manage, &view, now, tick)
    }

    /// Whether the password is due, and if so, the rotation.
    fn decide(&mut self, manage: &Manage, view: &View, now: Timestamp, tick: Tick) -> Effect {
        if self.account.is_none() && !self.absent {
            self.watch(view, now);
            return self.answer();
        }
        let account = self.account.clone();
        let known = self.start.memory.as_ref().map(|memory| memory.version);
        let repairs = self.watch(view, now);
        let facts = Facts {
            now,
            device: self.start.device,
            manage,
            account: account.as_ref().map(|account| &account.account),
            memory: self.start.memory.as_ref(),
            view,
        };
        let mut found = reasons(&facts);
        found.extend(repairs);
        found.append(&mut self.asked);
        // The device's clock decides: the deadline was set by it.
        if let (Some(waiting), Some(account)) = (&self.start.signed_in, &account)
            && waiting.asks_for_reset(tick.now, &account.account, known)
        {
            found.push(Reason::PostAuthentication);
        }
        found.sort_unstable();
        found.dedup();
        if found.is_empty() {
            let due = self.due_at();
            let text = due.map_or_else(String::new, |due| format!("the password is due at {due}"));
            self.note(event::UPDATE_NOT_NEEDED, text);
            return self.answer();
        }
        if let Some(failure) = view.store_refused.clone() {
            // The account is left alone: a new password could not be stored (rotation.md 2, step 4).
            self.note(event::UPDATE_NEEDED, words(&found));
            self.fail(failure);
            return self.answer();
        }
        self.rotate(found, manage, now, tick.fresh)
    }
}

const fn policy_event(target: &Target) -> u32 {
    match target {
        Target::Cloud => event::POLICY_CLOUD,
        Target::ActiveDirectory(wanted) => match &wanted.form {
            Ok(WantedForm::Legacy) => event::POLICY_LEGACY,
            Ok(_) | Err(_) => event::POLICY_AD,
        },
    }
}

fn words(reasons: &[Reason]) -> String {
    let words: Vec<&str> = reasons.iter().map(|reason| reason.as_str()).collect();
    format!("reasons: {}", words.join(", "))
}
