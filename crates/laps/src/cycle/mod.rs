//! One processing cycle of the agent: recover, check in, look, report, decide, rotate.
//!
//! [`Cycle`] composes [`crate::decide`] and [`crate::rotation`] and is a state machine like the latter:
//! the shell carries out one [`Effect`] and answers with an [`Outcome`]; each [`Turn`] also names the
//! events to write. It has no clock and no randomness: the shell passes a [`Tick`].

mod machine;

pub use machine::Cycle;

use crate::{
    account::{AccountFacts, Difference, Selection},
    active_directory::{self, Wanted},
    decide::{Memory, Plan, Reason, Unmanaged, View},
    drift::{Drift, Trace},
    id::{DeviceId, Incarnation, TenantId, VersionId},
    policy::AutomaticAccount,
    post_auth::Waiting,
    rotation::{self, AccountRef, Failure, Intent},
    time::Timestamp,
};

/// What the shell passes with every outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tick {
    /// The device's clock.
    pub now: Timestamp,
    /// A fresh random version, used if a rotation begins now.
    pub fresh: VersionId,
}

/// What a cycle starts from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Start {
    /// The tenant that the device has joined; without a server, the join to its domain.
    pub tenant: TenantId,
    /// The device object; without a server, the machine in its domain.
    pub device: DeviceId,
    /// The device has joined a server, which is told how each cycle went.
    pub has_server: bool,
    /// The intent in the journal.
    pub intent: Option<Intent>,
    /// This process still holds the password of that intent.
    pub secret_held: bool,
    /// What the agent remembers of its last rotation.
    pub memory: Option<Memory>,
    /// The incarnation of the server's data that the device joined.
    pub joined_incarnation: Incarnation,
    /// The failure that the directory was told of last.
    pub last_error: Option<Failure>,
    /// An administrator of the machine asked for a new password.
    pub reset: bool,
    /// A sign-in whose password is to be changed at a deadline (laps-behaviour.md 5).
    pub signed_in: Option<Waiting>,
    /// Uids of the accounts that the agent made and that still stand.
    pub created: Vec<u32>,
}

/// What the shell is to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// A session with the management server: policy comes in, the result of a reset goes out.
    /// Answer: [`Outcome::CheckedIn`].
    CheckIn {
        /// A reset that the server asked for has ended so.
        reset_result: Option<Result<(), Failure>>,
    },
    /// Keep the automatically managed account as policy wants it: enabled or disabled, in the group, described
    /// ([`crate::account::differences`]). Its password and name wait for a rotation. Answer:
    /// [`Outcome::Shaped`].
    Shape(AutomaticAccount),
    /// Find the account in the account database. Answer: [`Outcome::Inspected`], or
    /// [`Outcome::AccountAbsent`].
    Inspect(Selection),
    /// Policy's account was not found: what has become of the account that was managed last, by its uid?
    /// Answer: [`Outcome::Traced`].
    Trace(AccountRef),
    /// `report` to the server. Answer: [`Outcome::Reported`].
    Report(Report),
    /// Ask Active Directory about this machine: a writable controller, the one of `last` when it can be had; the
    /// principal as a SID; what the computer object holds. Answer: [`Outcome::Consulted`].
    Consult {
        /// What policy asks for.
        wanted: Wanted,
        /// Where the last version went, and which it was.
        last: Option<(VersionId, active_directory::Placement)>,
    },
    /// A step of a rotation. Answer: [`Outcome::Rotation`].
    Rotation(rotation::Effect),
    /// Keep this, durably, in place of what was remembered. Answer: [`Outcome::Done`].
    Remember(Memory),
    /// Policy has left these accounts, which the agent made: delete each that may go
    /// ([`crate::account::may_remove`]). Answer: [`Outcome::Removed`].
    Remove(Vec<u32>),
    /// The cycle is over.
    Finish(Finish),
}

/// What the agent tells the directory about the machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The account that was found.
    pub account: Option<AccountFacts>,
    /// Why no password is managed.
    pub unmanaged: Option<Unmanaged>,
    /// The version of the last proof that the server acknowledged, for this device object.
    pub last_acknowledged: Option<VersionId>,
    /// The version of an intent that is left unresolved. When it is the directory's current one, only the
    /// answer to its proof was lost, and the device is not forked.
    pub intent: Option<VersionId>,
    /// In what the account is not as it was set, as far as the machine alone can tell.
    pub drift: Vec<Drift>,
    /// Repair of drift is held (rotation.md 10).
    pub repair_held: bool,
    /// The incarnation that was seen with it.
    pub incarnation: Option<Incarnation>,
    /// What went wrong.
    pub last_error: Option<Failure>,
}

/// What became of an [`Effect`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// [`Effect::Remember`] is done. A memory that could not be written costs one more rotation.
    Done,
    /// [`Effect::CheckIn`].
    CheckedIn(CheckedIn),
    /// [`Effect::Shape`]: what was put right; nothing when there is no account yet.
    Shaped(Result<Vec<Difference>, Failure>),
    /// [`Effect::Inspect`].
    Inspected(Result<AccountFacts, Failure>),
    /// [`Effect::Trace`]; `None` when the account database cannot tell.
    Traced(Option<Trace>),
    /// [`Effect::Inspect`] of an account that step 2 of the next rotation makes.
    AccountAbsent,
    /// [`Effect::Remove`].
    Removed(Result<Removal, Failure>),
    /// [`Effect::Report`].
    Reported(Result<View, Failure>),
    /// [`Effect::Consult`].
    Consulted(Result<Consulted, Failure>),
    /// [`Effect::Rotation`].
    Rotation(rotation::Outcome),
}

/// What Active Directory answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Consulted {
    /// What it says of this machine.
    pub answer: active_directory::Answer,
    /// The clock of the controller.
    pub server_time: Timestamp,
}

/// What became of accounts that policy has left.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Removal {
    /// They were deleted.
    pub removed: Vec<AccountRef>,
    /// They stay for now, because no other administrator could sign in.
    pub kept: Vec<AccountRef>,
}

/// How a check-in went. Without an answer the policy that is in force stays in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckedIn {
    /// What the policy in force asks for.
    pub plan: Plan,
    /// The server sent `ResetPassword`.
    pub reset: bool,
    /// The session did not come to its end.
    pub failure: Option<Failure>,
}

/// How a cycle ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finish {
    /// Versions that were proven in this cycle.
    pub proven: Vec<VersionId>,
    /// What the directory should be told, or was: kept as `last_error` for the next cycle.
    pub last_error: Option<Failure>,
    /// Nothing was reached: try again with backoff, whatever the timer says.
    pub offline: bool,
    /// An intent is left: try again soon.
    pub unresolved: bool,
    /// When the password is due, if one is managed.
    pub expires_at: Option<Timestamp>,
    /// Why the password was changed, if it was.
    pub reasons: Vec<Reason>,
}

/// An event to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// Its id ([`crate::event`]).
    pub event: u32,
    /// What happened; never a secret.
    pub text: String,
}

/// Events to write, then an effect to carry out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Turn {
    /// Events, in order.
    pub notes: Vec<Note>,
    /// The effect.
    pub effect: Effect,
}
