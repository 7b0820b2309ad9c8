//! What follows a sign-in with the managed account (post-authentication actions, laps-behaviour.md 5;
//! rotation.md 10).
//!
//! Facts in, what is due out. A [`Schedule`] is what the agent keeps across restarts: at most one [`Waiting`]
//! (a sign-in whose password is still to be changed) and one [`Acting`] (the change is proven; sessions end or
//! the machine restarts soon). The order is fixed: nothing is ended before the new password is proven.

use crate::{
    id::{BootId, VersionId},
    policy::PostAuthentication,
    rotation::AccountRef,
    time::{TICKS_PER_HOUR, TICKS_PER_SECOND, Timestamp},
};

/// Seconds from the warning to the end of sessions: fixed (laps-behaviour.md 5.3).
pub const SESSIONS_END_AFTER_SECONDS: u64 = 120;
/// Seconds from the announcement to the restart of the machine: fixed (laps-behaviour.md 5.3).
pub const RESTART_AFTER_SECONDS: u64 = 60;
/// Seconds between two attempts that were refused (laps-behaviour.md 12, row 11).
pub const RETRY_AFTER_SECONDS: u64 = 300;
/// Attempts in one run of the machine (laps-behaviour.md 5.2).
pub const ATTEMPTS_MAX: u32 = 100;
/// How far a clock may stand before a sign-in that it has seen; further back, the clock was changed and the
/// deadline counts as reached.
const CLOCK_BACK_SECONDS_MAX: u64 = 300;

/// What is kept of sign-ins. The default is: nothing follows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Schedule {
    /// A sign-in whose password is to be changed.
    pub waiting: Option<Waiting>,
    /// The password was changed; this is still to be done.
    pub acting: Option<Acting>,
}

/// A sign-in whose password is to be changed at a deadline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// Who signed in.
    pub account: AccountRef,
    /// The version whose password was used last. When another one is proven, the reset is done.
    pub version: VersionId,
    /// When, by the device's clock.
    pub signed_in_at: Timestamp,
    /// When the actions are due.
    pub deadline: Timestamp,
    /// Delay and actions as they were in force at the sign-in.
    pub actions: PostAuthentication,
    /// Attempts that were refused.
    pub attempts: Attempts,
}

/// What follows the proven reset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acting {
    /// Whose sessions end.
    pub account: AccountRef,
    /// What is to be done.
    pub actions: PostAuthentication,
    /// The run of the machine in which the warning was given. In another one there is nothing left to end.
    pub boot: BootId,
    /// When it is done.
    pub at: Timestamp,
    /// Attempts that failed.
    pub attempts: Attempts,
}

/// Attempts in one run of the machine.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Attempts {
    /// How many.
    pub count: u32,
    /// In which run of the machine; attempts of an earlier one do not count.
    pub boot: Option<BootId>,
    /// When the last one was.
    pub last_at: Option<Timestamp>,
}

impl Attempts {
    /// Attempts in this run of the machine.
    pub fn count_in(&self, boot: BootId) -> u32 {
        if self.boot == Some(boot) { self.count } else { 0 }
    }

    fn failed(&mut self, now: Timestamp, boot: BootId) -> u32 {
        self.count = self.count_in(boot).saturating_add(1);
        (self.boot, self.last_at) = (Some(boot), Some(now));
        self.count
    }

    /// When the next attempt may be, if it waits for `due`; `None` when there were too many.
    fn next(&self, due: Timestamp, boot: BootId) -> Option<Timestamp> {
        match (self.count_in(boot), self.last_at) {
            (ATTEMPTS_MAX.., _) => None,
            (1.., Some(last)) => Some(due.max(last.plus_seconds(RETRY_AFTER_SECONDS))),
            _ => Some(due),
        }
    }
}

/// What a sign-in came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    /// The first one: the actions are due then.
    Scheduled(Timestamp),
    /// One more while a deadline stands; it is not moved (rotation.md 10).
    Standing(Timestamp),
    /// Policy lets nothing follow.
    Nothing,
}

impl Heard {
    /// The deadline, if there is one.
    pub const fn deadline(self) -> Option<Timestamp> {
        match self {
            Self::Scheduled(at) | Self::Standing(at) => Some(at),
            Self::Nothing => None,
        }
    }
}

/// Whether something is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Due {
    /// Now.
    Now,
    /// Then, by the clock that decides.
    At(Timestamp),
    /// Not in this run of the machine: it was refused too often.
    Never,
}

/// Which account policy manages at the end of a cycle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Managed<'a> {
    /// This one.
    Account(&'a AccountRef),
    /// None.
    Nobody,
    /// It could not be told: the account was not found, or the cycle ended before it looked.
    Unknown,
}

/// How a cycle ended, as far as it bears on a sign-in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ended<'a> {
    /// The device's clock.
    pub now: Timestamp,
    /// This run of the machine.
    pub boot: BootId,
    /// Which account is managed.
    pub managed: Managed<'a>,
    /// The version that was proven last, of that account.
    pub proven: Option<VersionId>,
    /// Directory or machine refused. Being off the network is no refusal (rotation.md 10).
    pub refused: bool,
}

/// What became of a waiting sign-in at the end of a cycle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Turned {
    /// Nothing: no sign-in waits, its time has not come, or the directory was not reached.
    Unchanged,
    /// The account is no longer managed; nothing follows.
    Dropped(Waiting),
    /// Another password is proven: what follows is in [`Schedule::acting`] now, if anything does.
    Reset(Waiting),
    /// Refused; the count in this run of the machine.
    Refused(u32),
    /// Refused for the last time in this run of the machine.
    GivenUp(u32),
}

impl Schedule {
    /// A sign-in with `account`, whose password is that of `version`, under the policy in force.
    pub fn sign_in(
        &mut self,
        account: &AccountRef,
        version: VersionId,
        at: Timestamp,
        policy: Option<PostAuthentication>,
    ) -> Heard {
        // A deadline of an account that is not this one any more is dropped by the next cycle.
        if let Some(waiting) = &mut self.waiting
            && waiting.account.id == account.id
        {
            // Another rotation met the reset of the first sign-in; this one asks for its own, at the same time.
            waiting.version = version;
            return Heard::Standing(waiting.deadline);
        }
        let Some(actions) = policy else {
            return Heard::Nothing;
        };
        let deadline = at.plus_ticks(u64::from(actions.delay_hours) * TICKS_PER_HOUR);
        self.waiting = Some(Waiting {
            account: account.clone(),
            version,
            signed_in_at: at,
            deadline,
            actions,
            attempts: Attempts::default(),
        });
        Heard::Scheduled(deadline)
    }

    /// Takes how a cycle ended.
    pub fn turn(&mut self, ended: &Ended<'_>) -> Turned {
        let Some(mut waiting) = self.waiting.take() else {
            return Turned::Unchanged;
        };
        match ended.managed {
            Managed::Nobody => return Turned::Dropped(waiting),
            Managed::Account(account) if account.id != waiting.account.id => return Turned::Dropped(waiting),
            Managed::Account(_) | Managed::Unknown => {}
        }
        let due = waiting.is_reached(ended.now);
        if ended.proven.is_some_and(|proven| proven != waiting.version) {
            if !due && waiting.actions.number() != 1 {
                // The reset part is over; the rest keeps its time (laps-behaviour.md 5.1).
                self.waiting = Some(waiting);
                return Turned::Unchanged;
            }
            self.acting = Acting::after(&waiting, ended.now, ended.boot);
            return Turned::Reset(waiting);
        }
        let turned = if due && ended.refused {
            match waiting.attempts.failed(ended.now, ended.boot) {
                count @ ATTEMPTS_MAX.. => Turned::GivenUp(count),
                count => Turned::Refused(count),
            }
        } else {
            Turned::Unchanged
        };
        self.waiting = Some(waiting);
        turned
    }

    /// An action failed; answers the count, and whether it was the last attempt in this run of the machine.
    pub fn act_failed(&mut self, now: Timestamp, boot: BootId) -> (u32, bool) {
        let Some(acting) = &mut self.acting else {
            return (0, false);
        };
        let count = acting.attempts.failed(now, boot);
        (count, count >= ATTEMPTS_MAX)
    }
}

impl Waiting {
    /// The deadline has come, or the clock was set back to before the sign-in.
    pub fn is_reached(&self, now: Timestamp) -> bool {
        now >= self.deadline || now.plus_seconds(CLOCK_BACK_SECONDS_MAX) < self.signed_in_at
    }

    /// When a cycle is to run for this sign-in.
    pub fn due(&self, now: Timestamp, boot: BootId) -> Due {
        match self.attempts.next(self.deadline, boot) {
            None => Due::Never,
            // A clock that was set back makes both times meaningless.
            Some(_) if now < self.deadline && self.is_reached(now) => Due::Now,
            Some(at) if now >= at => Due::Now,
            Some(at) => Due::At(at),
        }
    }

    /// Whether a cycle that runs now changes the password for this sign-in: `account` is managed and `proven`
    /// is the version that was proven last.
    pub fn asks_for_reset(&self, now: Timestamp, account: &AccountRef, proven: Option<VersionId>) -> bool {
        self.is_reached(now) && self.account.id == account.id && proven == Some(self.version)
    }
}

impl Acting {
    /// What follows the reset; `None` when that was all.
    fn after(waiting: &Waiting, now: Timestamp, boot: BootId) -> Option<Self> {
        let actions = waiting.actions;
        let seconds = match (actions.restart, actions.end_sessions || actions.end_processes) {
            (true, _) => RESTART_AFTER_SECONDS,
            (false, true) => SESSIONS_END_AFTER_SECONDS,
            (false, false) => return None,
        };
        Some(Self {
            account: waiting.account.clone(),
            actions,
            boot,
            at: now.plus_seconds(seconds),
            attempts: Attempts::default(),
        })
    }

    /// The machine was started anew since the warning: no session of before is left.
    pub fn is_over(&self, boot: BootId) -> bool {
        self.boot != boot
    }

    /// When it is to be done.
    pub fn due(&self, now: Timestamp, boot: BootId) -> Due {
        match self.attempts.next(self.at, boot) {
            None => Due::Never,
            Some(at) if now >= at => Due::Now,
            // The wait is never longer than it was meant to be, whatever the clock does.
            Some(at) if at.ticks_since(now) > RETRY_AFTER_SECONDS * TICKS_PER_SECOND => Due::Now,
            Some(at) => Due::At(at),
        }
    }

    /// What the people in the sessions are told.
    pub fn warning(&self) -> &'static str {
        if self.actions.restart {
            "The password of this account was changed by Lapwing. This machine restarts in one minute: save your work."
        } else {
            "The password of this account was changed by Lapwing. This session ends in two minutes: save your work."
        }
    }
}

#[cfg(test)]
#[path = "post_auth_tests.rs"]
mod tests;
