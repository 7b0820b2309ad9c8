//! A cycle whose directory is Active Directory (rotation.md 9): it is asked after the server, if there is one, and
//! answers in its place.

use super::{Cycle, State};
use crate::{
    active_directory::{Answer, Placement, Replaces, is_replicating},
    cycle::{Consulted, Effect, Tick},
    decide::{Manage, Plan, Target, View, deciding_time, is_skewed},
    drift::REPAIRS_PER_DAY,
    event,
    rotation::{Destination, Failure, Intent},
    time::Timestamp,
};

impl Cycle {
    /// What to ask Active Directory, when policy names it.
    pub(super) fn consult(&mut self) -> Option<Effect> {
        let Plan::Manage(Manage { target: Target::ActiveDirectory(wanted), .. }) = &self.plan else { return None };
        let wanted = wanted.clone();
        if let Err(failure) = wanted.form {
            // Nothing falls back to another principal, or to clear text (laps-behaviour.md 2.4, rules 3 and 4).
            self.fail(failure);
            return Some(self.answer());
        }
        let last = self.memory().and_then(|memory| Some((memory.version, memory.destination.placement()?.clone())));
        self.state = State::Consulting;
        Some(Effect::Consult { wanted, last })
    }

    /// There is no server to tell.
    pub(super) fn not_told(&mut self) -> Effect {
        self.consult().unwrap_or_else(|| self.answer())
    }

    /// The server could not be told. Active Directory does not wait for it.
    pub(super) fn not_reported(&mut self, failure: Failure) -> Effect {
        self.fail(failure);
        self.consult().unwrap_or_else(|| {
            self.offline = true;
            self.finish()
        })
    }

    pub(super) fn consulted(&mut self, consulted: Consulted, tick: Tick) -> Effect {
        let Consulted { answer, server_time } = consulted;
        let now = deciding_time(tick.now, server_time);
        self.note(event::CONTROLLER_FOUND, answer.controller.clone());
        if is_skewed(tick.now, server_time) {
            let text = format!(
                "this clock says {}, that of {} {server_time}; expiry is computed from the latter: set the clock",
                tick.now, answer.controller
            );
            self.note(event::CLOCK_SKEW, text);
        }
        if !answer.has_version {
            let text = "msLAPS-CurrentPasswordVersion is not in the schema; extend it: lapwing ad schema extend";
            self.note(event::NO_ROLLBACK_DETECTION, text);
        }
        if !answer.is_readable {
            let text = "this machine may not read its own encrypted password, so that no history is kept and a crash \
                        can leave a password that nobody has; grant it: lapwing ad permit self OU";
            self.note(event::INSUFFICIENT_RIGHTS, text);
        }
        let view = self.view_of(answer, server_time, now);
        self.view = Some(view.clone());
        match self.plan.clone() {
            Plan::Manage(manage) => self.decide(&manage, &view, now, tick),
            Plan::Unmanaged(_) => self.answer(),
        }
    }

    /// Existing passwords stay valid, also after their expiry (laps-behaviour.md 4.3).
    pub(super) fn not_consulted(&mut self, failure: Failure) -> Effect {
        self.offline = matches!(failure.event, event::NO_CONTROLLER | event::AD_QUERY_FAILED | event::BIND_FAILED);
        self.fail(failure);
        self.answer()
    }

    fn view_of(&self, answer: Answer, server_time: Timestamp, now: Timestamp) -> View {
        let memory = self.memory();
        let last = memory.and_then(|memory| memory.destination.placement());
        let store_refused = last.filter(|last| is_replicating(&answer, last, now)).map(|last| {
            let text = format!(
                "{} does not have yet what {} took at {}; nothing is written before replication is through, the \
                 current password was not changed",
                answer.controller, last.controller, last.written_at
            );
            Failure::new(event::AD_UPDATE_FAILED, "replication_pending", text)
        });
        View {
            current: memory.filter(|_| answer.holds_last).map(|memory| memory.version),
            unresolved: Vec::new(),
            incarnation: memory.map_or(self.start.joined_incarnation, |memory| memory.incarnation),
            // A request of the server is met by a proof that the server takes.
            rotate_requested: false,
            repairs_per_day: self.view.as_ref().map_or(REPAIRS_PER_DAY, |view| view.repairs_per_day),
            store_refused,
            server_time,
            active_directory: Some(answer),
        }
    }

    /// Where the next version goes: to the directory that answered last.
    pub(super) fn destination(&self, now: Timestamp) -> Destination {
        let Some(answer) = self.view.as_ref().and_then(|view| view.active_directory.as_ref()) else {
            return Destination::Cloud;
        };
        Destination::ActiveDirectory(Placement {
            controller: answer.controller.clone(),
            form: answer.form.clone(),
            written_at: now,
            replaces: self.replaces(),
        })
    }

    /// When the account is as it was set last, only that version was ever set.
    fn replaces(&self) -> Replaces {
        let installed = self.account.as_ref().and_then(|account| account.installed);
        match self.memory().and_then(|memory| Some((memory, memory.destination.placement()?))) {
            Some((memory, placement)) if installed == Some(memory.fingerprint) => {
                Replaces::Installed { version: memory.version, written_at: placement.written_at }
            }
            // An intent that could be resolved and was not proven was never set.
            _ => self
                .never_set
                .filter(|(version, _)| !self.proven.contains(version))
                .map_or(Replaces::Any, |(version, written_at)| Replaces::AnyBut { version, written_at }),
        }
    }

    pub(super) fn sending(&mut self, intent: &Intent) {
        let (version, name) = (intent.version, &intent.account.name);
        match &intent.destination {
            Destination::Cloud => self
                .note(event::BACKUP_SENDING, format!("version {version} of account {name:?} is sent to the directory")),
            Destination::ActiveDirectory(placement) => self.note(
                event::BACKUP_TO_AD,
                format!("version {version} of account {name:?} is sent to {}", placement.controller),
            ),
        }
    }

    pub(super) fn stored(&mut self, intent: &Intent) {
        match &intent.destination {
            Destination::Cloud => {
                self.note(event::BACKUP_SUCCEEDED, format!("the directory has version {}", intent.version));
            }
            Destination::ActiveDirectory(placement) => {
                self.note(event::AD_UPDATED, format!("{} has version {}", placement.controller, intent.version));
            }
        }
    }

    /// When the password is due: in Active Directory a person may have moved it.
    pub(super) fn due_at(&self) -> Option<Timestamp> {
        let asked = self.view.as_ref().and_then(|view| view.active_directory.as_ref());
        let own = self.start.memory.as_ref().map(|memory| memory.expires_at);
        match asked.and_then(|answer| answer.expires_at) {
            Some(at) if self.proven.is_empty() => Some(at),
            _ => own,
        }
    }
}
