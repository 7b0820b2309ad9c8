//! What the agent does after somebody signed in with the managed account (laps-behaviour.md 5; rotation.md 10).
//!
//! A PAM hook ([`tell`], run by `pam_exec` once the password was found right) says who signed in; notices are
//! taken from an inbox in the state directory, so that none is lost while the agent is busy or dead. The rules
//! are in [`laps::post_auth`]; [`Machine`] is what they are carried out on.

mod hook;
mod inbox;
mod machine;
mod notice;

pub use hook::{ANSWER_LIMIT, Told, tell};
pub use inbox::Inbox;
pub use machine::{Machine, NoSessions, WitnessedSession};
pub use notice::{NotANotice, Notice, ProcessRef};

use crate::{
    clock::Clock,
    events::EventLog,
    state::{Kept, StateDir, StateError},
};
use laps::{
    cycle::Finish,
    decide::Memory,
    event,
    policy::PostAuthentication,
    post_auth::{Due, Ended, Heard, Managed, Turned, Waiting},
    rotation::{AccountRef, Failure},
    time::{TICKS_PER_SECOND, Timestamp},
};
use proto::device::{SIGN_INS_MAX, SignIn};
use std::time::Duration;

/// Sign-ins that are kept until a report has told them; beyond that the oldest are left out, and an event says so.
const UNREPORTED_MAX: usize = 64;
/// Sign-ins by which a repeated notice is known.
const RECENT_MAX: usize = 64;
/// Processes in which people signed in, kept until they are gone.
const ROOTS_MAX: usize = 64;

/// Sign-ins with the managed account, and what follows from them.
pub struct SignIns {
    state: StateDir,
    inbox: Inbox,
    kept: Kept,
    machine: Box<dyn Machine>,
    /// Event 10042 was written for the deadline that waits.
    said_due: bool,
    /// The people in the sessions were warned by this process.
    warned: bool,
    /// Sessions that an event has told of.
    unexplained: Vec<String>,
}

impl SignIns {
    /// What is kept, after [`StateDir::mend`]; nothing can be ended until [`SignIns::on`] names the machine.
    ///
    /// # Errors
    /// [`StateError`].
    pub fn load(state: &StateDir) -> Result<Self, StateError> {
        Ok(Self {
            inbox: Inbox::of(state),
            state: state.clone(),
            kept: state.sign_ins()?,
            machine: Box::new(NoSessions::default()),
            said_due: false,
            warned: false,
            unexplained: Vec::new(),
        })
    }

    /// Names the machine on which sessions are ended.
    pub fn on(&mut self, machine: Box<dyn Machine>) {
        self.machine = machine;
    }

    /// The sign-in whose password is to be changed, for a cycle that begins.
    pub fn for_cycle<C: Clock>(&mut self, now: Timestamp, events: &mut EventLog<C>) -> Option<Waiting> {
        let waiting = self.kept.schedule.waiting.as_ref()?;
        match waiting.due(now, self.machine.boot()) {
            Due::Never => return None,
            Due::Now if !self.said_due => {
                self.said_due = true;
                let text = format!(
                    "account {:?} was used at {}; the password is changed now",
                    waiting.account.name, waiting.signed_in_at
                );
                events.write(event::GRACE_OVER, &text);
            }
            Due::Now | Due::At(_) => {}
        }
        Some(waiting.clone())
    }

    /// What was kept was lost: the password is to be changed once.
    pub const fn is_lost(&self) -> bool {
        self.kept.lost
    }

    /// Whether a notice of a sign-in with the managed account waits; those of other accounts are forgotten.
    pub fn waits(&self, memory: impl FnOnce() -> Option<Memory>) -> bool {
        let (mut notices, refused) = self.inbox.read();
        if notices.is_empty() {
            return !refused.is_empty();
        }
        let memory = memory();
        let ours = |notice: &Notice| memory.as_ref().is_some_and(|memory| memory.account.name == notice.user);
        let count = notices.len();
        notices.retain(|notice| !ours(notice));
        self.inbox.forget(&notices);
        notices.len() < count
    }

    /// Takes the notices of the inbox. Those of other accounts are forgotten.
    pub fn hear<C: Clock>(
        &mut self,
        memory: Option<&Memory>,
        policy: impl FnOnce() -> Option<PostAuthentication>,
        now: Timestamp,
        events: &mut EventLog<C>,
    ) {
        let (notices, refused) = self.inbox.read();
        for text in refused {
            events.write(event::SIGN_IN_REFUSED, &text);
        }
        let ours: Vec<&Notice> = notices
            .iter()
            .filter(|notice| memory.is_some_and(|memory| memory.account.name == notice.user))
            .filter(|notice| !self.kept.recent.contains(&notice.id))
            .collect();
        if let (Some(memory), false) = (memory, ours.is_empty()) {
            let policy = policy();
            let before = self.kept.clone();
            for notice in ours {
                self.take(notice, memory, policy, now, events);
            }
            if let Err(error) = self.state.keep_sign_ins(&self.kept) {
                // The notices stay in the inbox and are taken again.
                events.failure(&error.failure());
                self.kept = before;
                return;
            }
            self.machine.observe(&memory.account, &self.kept.roots);
        }
        self.inbox.forget(&notices);
    }

    fn take<C: Clock>(
        &mut self,
        notice: &Notice,
        memory: &Memory,
        policy: Option<PostAuthentication>,
        now: Timestamp,
        events: &mut EventLog<C>,
    ) {
        let at = notice.at.min(now);
        let heard = self.kept.schedule.sign_in(&memory.account, memory.version, at, policy);
        let who = format!(
            "account {:?} (uid {}) through {}{}",
            memory.account.name,
            memory.account.id,
            notice.service,
            notice.from.as_ref().map(|from| format!(" from {from}")).unwrap_or_default()
        );
        match heard {
            Heard::Scheduled(deadline) => {
                (self.said_due, self.warned) = (false, false);
                events.write(event::SIGNED_IN, &format!("{who}; the password is changed at {deadline}"));
            }
            Heard::Standing(deadline) => {
                events.write(event::SIGNED_IN_AGAIN, &format!("{who}; the password is changed at {deadline} already"));
            }
            Heard::Nothing => {
                events.write(event::SIGNED_IN_AGAIN, &format!("{who}; policy lets nothing follow"));
            }
        }
        keep_last(&mut self.kept.recent, notice.id, RECENT_MAX);
        if let Some(process) = notice.process {
            keep_last(&mut self.kept.roots, process, ROOTS_MAX);
        }
        let signed_in = SignIn {
            id: notice.id,
            version: memory.version,
            account_name: memory.account.name.clone(),
            at,
            service: notice.service.clone(),
            from: notice.from.clone(),
            deadline: heard.deadline(),
        };
        if keep_last(&mut self.kept.unreported, signed_in, UNREPORTED_MAX) {
            events.write(event::SIGN_IN_REFUSED, "too many sign-ins wait for a report; the oldest is left out");
        }
    }

    /// What the next report tells, oldest first.
    pub fn unreported(&self) -> Vec<SignIn> {
        self.kept.unreported.iter().take(SIGN_INS_MAX).cloned().collect()
    }

    /// A report has told these.
    pub fn reported<C: Clock>(&mut self, told: &[SignIn], events: &mut EventLog<C>) {
        if told.is_empty() {
            return;
        }
        self.kept.unreported.retain(|kept| !told.iter().any(|told| told.id == kept.id));
        self.keep(events);
    }

    /// Takes how a cycle ended: `managed` and `proven` are what holds after it.
    pub fn after_cycle<C: Clock>(
        &mut self,
        finish: &Finish,
        managed: Managed<'_>,
        proven: Option<&Memory>,
        now: Timestamp,
        events: &mut EventLog<C>,
    ) {
        if self.kept.lost && !finish.proven.is_empty() {
            self.kept.lost = false;
            self.keep(events);
        }
        if let Managed::Account(account) = managed {
            self.machine.observe(account, &self.kept.roots);
            self.witness(account, events);
        }
        let boot = self.machine.boot();
        let before = self.kept.schedule.clone();
        let turned = self.kept.schedule.turn(&Ended {
            now,
            boot,
            managed,
            proven: proven.map(|memory| memory.version),
            refused: is_refusal(finish),
        });
        let failure = || finish.last_error.as_ref().map(ToString::to_string).unwrap_or_default();
        match &turned {
            Turned::Unchanged => {}
            Turned::Dropped(waiting) => events.write(
                event::POST_AUTHENTICATION_DROPPED,
                &format!("account {:?} is not managed any more", waiting.account.name),
            ),
            Turned::Reset(waiting) => {
                self.warned = false;
                if self.kept.schedule.acting.is_none() {
                    let text = format!("the password that was used at {} is changed", waiting.signed_in_at);
                    events.write(event::POST_AUTHENTICATION_DONE, &text);
                }
            }
            Turned::Refused(count) => {
                let text = format!("attempt {count}: {}; it is tried again in five minutes", failure());
                events.write(event::POST_AUTHENTICATION_RETRY, &text);
            }
            Turned::GivenUp(count) => {
                events.write(event::POST_AUTHENTICATION_GIVEN_UP, &format!("{count} attempts: {}", failure()));
            }
        }
        let gone = self.kept.roots.len();
        if self.kept.schedule.waiting.is_none() && self.kept.schedule.acting.is_none() {
            self.kept.roots.retain(|root| self.machine.is_alive(root));
        }
        if self.kept.schedule != before || self.kept.roots.len() != gone {
            self.keep(events);
        }
    }

    /// The second witness: sessions that nobody told of.
    fn witness<C: Clock>(&mut self, account: &AccountRef, events: &mut EventLog<C>) {
        let seen = self.machine.sessions(account);
        let strange: Vec<&WitnessedSession> = seen
            .iter()
            .filter(|session| !self.kept.roots.iter().any(|root| Some(root.pid) == session.leader))
            .collect();
        for session in &strange {
            if !self.unexplained.contains(&session.id) {
                let text = format!(
                    "session {} of account {:?} ({}); a key, root or another program opened it, or the PAM hook is missing: lapwing-agent pam check",
                    session.id, account.name, session.service
                );
                events.write(event::SESSION_UNEXPLAINED, &text);
            }
        }
        self.unexplained = strange.into_iter().map(|session| session.id.clone()).collect();
    }

    /// How long until something is to be done that [`SignIns::act`] or a cycle does; `None` when nothing has a
    /// time, or when a cycle is late already and its own pace decides.
    pub fn due_in(&self, now: Timestamp) -> Option<Duration> {
        let boot = self.machine.boot();
        let schedule = &self.kept.schedule;
        let at = |due: Due| match due {
            Due::At(at) => Some(Duration::from_secs(at.ticks_since(now).div_ceil(TICKS_PER_SECOND))),
            Due::Now | Due::Never => None,
        };
        let waiting = schedule.waiting.as_ref().and_then(|waiting| at(waiting.due(now, boot)));
        let acting = schedule.acting.as_ref().and_then(|acting| at(acting.due(now, boot)));
        waiting.into_iter().chain(acting).min()
    }

    /// Does what is due after a proven reset: warns first, then ends sessions and processes, or restarts.
    pub fn act<C: Clock>(&mut self, now: Timestamp, events: &mut EventLog<C>) {
        let Some(acting) = self.kept.schedule.acting.clone() else {
            return;
        };
        let boot = self.machine.boot();
        if acting.is_over(boot) {
            self.done("the machine was started anew: no session of before is left", events);
            return;
        }
        if !self.warned {
            self.warned = true;
            self.machine.observe(&acting.account, &self.kept.roots);
            let told = self.machine.warn(&acting.account, &self.kept.roots, acting.warning());
            let text = format!("account {:?}: {} ({told} terminals told)", acting.account.name, acting.warning());
            events.write(event::SESSIONS_END, &text);
        }
        if acting.due(now, boot) != Due::Now {
            return;
        }
        let done = if acting.actions.restart {
            self.machine.restart().map(|()| "the machine restarts".to_owned())
        } else {
            self.end(&acting.account, acting.actions)
        };
        match done {
            Ok(text) => self.done(&text, events),
            Err(failure) => {
                let (count, last) = self.kept.schedule.act_failed(now, boot);
                let event = match (last, acting.actions.restart) {
                    (true, _) => event::POST_AUTHENTICATION_GIVEN_UP,
                    (false, true) => event::RESTART_FAILED,
                    (false, false) => event::POST_AUTHENTICATION_RETRY,
                };
                events.write(event, &format!("attempt {count}: {failure}"));
                self.keep(events);
            }
        }
    }

    fn end(&mut self, account: &AccountRef, actions: PostAuthentication) -> Result<String, Failure> {
        let sessions = self.machine.end_sessions(account, &self.kept.roots)?;
        let mut text = format!("{sessions} processes in sessions of account {:?} were ended", account.name);
        if actions.end_processes {
            let processes = self.machine.end_processes(account, &self.kept.roots)?;
            text.push_str(&format!(", and {processes} others"));
        }
        Ok(text)
    }

    fn done<C: Clock>(&mut self, text: &str, events: &mut EventLog<C>) {
        self.kept.schedule.acting = None;
        self.keep(events);
        events.write(event::POST_AUTHENTICATION_DONE, text);
    }

    fn keep<C: Clock>(&self, events: &mut EventLog<C>) {
        // What is not written is done once more after a restart.
        if let Err(error) = self.state.keep_sign_ins(&self.kept) {
            events.failure(&error.failure());
        }
    }
}

/// Directory or machine said no. Being off the network is no refusal, and an intent that is left is tried again
/// soon anyway (rotation.md 10).
fn is_refusal(finish: &Finish) -> bool {
    let unreachable = |failure: &Failure| failure.event == event::DISCOVERY_FAILED;
    !finish.offline && !finish.unresolved && finish.last_error.as_ref().is_some_and(|failure| !unreachable(failure))
}

/// Adds to a list that has a limit; answers whether the oldest had to go.
fn keep_last<T: PartialEq>(list: &mut Vec<T>, item: T, most: usize) -> bool {
    if list.contains(&item) {
        return false;
    }
    list.push(item);
    if list.len() > most {
        list.remove(0);
        return true;
    }
    false
}
