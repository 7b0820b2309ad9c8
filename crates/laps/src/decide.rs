//! Facts in, reasons out: whether a device manages an account, and whether its password is due.
//!
//! The reasons are those of laps-behaviour.md 4.2 that apply to the cloud directory, and those of
//! rotation.md 2 and 3. A changed age, length or complexity is not one: it counts from the next rotation.

use crate::{
    account::Selection,
    drift::{Drift, Watch},
    id::{DeviceId, Incarnation, TenantId, VersionId},
    policy::{Account, BackupDirectory, EffectivePolicy, Management},
    rotation::{AccountRef, Fingerprint},
    time::{TICKS_PER_DAY, TICKS_PER_SECOND, Timestamp},
};
use core::fmt;

/// How far the device's clock may be off before server time decides the expiry (rotation.md 10).
pub const CLOCK_SKEW_SECONDS_MAX: u64 = 300;

/// What policy asks of this device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Plan {
    /// No password is managed.
    Unmanaged(Unmanaged),
    /// This account's password is managed.
    Manage(Manage),
}

/// Why no password is managed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Unmanaged {
    /// No source has a value.
    NoPolicy,
    /// BackupDirectory is 0 or absent.
    BackupDisabled,
    /// BackupDirectory names a directory that the device has not joined.
    JoinStateMismatch,
    /// The policy asks for Active Directory, which this agent cannot back up to yet.
    ActiveDirectory,
}

impl Unmanaged {
    /// A stable word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NoPolicy => "no_policy",
            Self::BackupDisabled => "backup_disabled",
            Self::JoinStateMismatch => "join_state_mismatch",
            Self::ActiveDirectory => "active_directory",
        }
    }
}

/// What the policy in force asks of this device.
pub fn plan(policy: &EffectivePolicy) -> Plan {
    let unmanaged = match policy.management() {
        Management::NoPolicy => Unmanaged::NoPolicy,
        Management::Disabled => Unmanaged::BackupDisabled,
        Management::JoinStateDoesNotFit { .. } => Unmanaged::JoinStateMismatch,
        Management::DomainController | Management::Dsrm | Management::Managed(BackupDirectory::Ad) => {
            Unmanaged::ActiveDirectory
        }
        Management::Managed(directory) => {
            let selection = match policy.account() {
                Account::BuiltIn => Selection::BuiltIn,
                Account::Named(name) => Selection::Named(name),
                Account::Automatic(wanted) => Selection::Automatic(wanted),
            };
            return Plan::Manage(Manage { directory, selection, age_days: policy.password_age_days() });
        }
    };
    Plan::Unmanaged(unmanaged)
}

/// Which account is managed, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manage {
    /// Where the password goes.
    pub directory: BackupDirectory,
    /// Which account.
    pub selection: Selection,
    /// Days of 24 hours until a new password is due.
    pub age_days: u32,
}

/// What the agent remembers of the last rotation that the directory acknowledged. Never the password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Memory {
    /// The tenant.
    pub tenant: TenantId,
    /// The device object.
    pub device: DeviceId,
    /// The incarnation of the server's data at that time.
    pub incarnation: Incarnation,
    /// The version that was proven.
    pub version: VersionId,
    /// Whose password it is.
    pub account: AccountRef,
    /// Where it went.
    pub directory: BackupDirectory,
    /// When it was proven, by the clock that decides.
    pub rotated_at: Timestamp,
    /// When it is due.
    pub expires_at: Timestamp,
    /// What the account database held then.
    pub fingerprint: Fingerprint,
    /// What drift is measured by.
    pub watch: Watch,
}

/// What the directory answered to `report`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View {
    /// Its current version of this device.
    pub current: Option<VersionId>,
    /// Pending versions, newest first.
    pub unresolved: Vec<crate::rotation::Intent>,
    /// The incarnation of its data.
    pub incarnation: Incarnation,
    /// A request to rotate that no proof has met yet.
    pub rotate_requested: bool,
    /// Repairs of drift in 24 h after which repair is held (rotation.md 10).
    pub repairs_per_day: u32,
    /// `store` would be refused now, with this code.
    pub store_refused: Option<String>,
    /// Its clock.
    pub server_time: Timestamp,
}

/// Why the password is changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// The device has never rotated, or its state was lost.
    FirstRotation,
    /// The first cycle after a join (rotation.md 3).
    Joined,
    /// The password is due.
    Expired,
    /// Policy names another directory.
    DirectoryChanged,
    /// Policy names another account, or the one that it owns is gone.
    AccountChanged,
    /// The account that policy owns has another name than policy gives it: name, prefix or randomising changed.
    AccountNameChanged,
    /// The stored state lies in the future.
    StateInconsistent,
    /// The server was restored from a backup (rotation.md 3).
    IncarnationChanged,
    /// The server's current version is not the one that this device set last (rotation.md 3, "forked").
    DirectoryDiffers,
    /// An interrupted version was unknown or abandoned, or the machine cannot tell what is set.
    Overtaken,
    /// An administrator of the machine asked.
    AdministratorRequest,
    /// The management server sent `ResetPassword`.
    CspRequest,
    /// The directory holds a request that no proof has met.
    DirectoryRequest,
    /// The account is not as it was set (rotation.md 10).
    Drift(Drift),
    /// Somebody signed in with the account, and the delay of policy is over (laps-behaviour.md 5).
    PostAuthentication,
}

impl Reason {
    /// A stable word for events and the directory.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::FirstRotation => "first_rotation",
            Self::Joined => "joined",
            Self::Expired => "expired",
            Self::DirectoryChanged => "directory_changed",
            Self::AccountChanged => "account_changed",
            Self::AccountNameChanged => "account_name_changed",
            Self::StateInconsistent => "state_inconsistent",
            Self::IncarnationChanged => "incarnation_changed",
            Self::DirectoryDiffers => "directory_differs",
            Self::Overtaken => "overtaken",
            Self::AdministratorRequest => "administrator_request",
            Self::CspRequest => "csp_request",
            Self::DirectoryRequest => "directory_request",
            Self::Drift(Drift::ChangedByHand) => "drift_changed_by_hand",
            Self::Drift(Drift::RolledBack) => "drift_rolled_back",
            Self::Drift(Drift::Renamed) => "drift_renamed",
            Self::Drift(Drift::NotAdministrator) => "drift_not_administrator",
            Self::Drift(Drift::Disabled) => "drift_disabled",
            Self::Drift(Drift::Deleted) => "drift_deleted",
            Self::PostAuthentication => "post_authentication",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The time that decides: the device's own, unless it is more than [`CLOCK_SKEW_SECONDS_MAX`] off the
/// server's (rotation.md 10).
pub fn deciding_time(device: Timestamp, server: Timestamp) -> Timestamp {
    if is_skewed(device, server) { server } else { device }
}

/// Whether the device's clock is too far off.
pub fn is_skewed(device: Timestamp, server: Timestamp) -> bool {
    device.ticks_since(server).max(server.ticks_since(device)) > CLOCK_SKEW_SECONDS_MAX * TICKS_PER_SECOND
}

/// All that bears on whether the password is due.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// The time that decides.
    pub now: Timestamp,
    /// The device object.
    pub device: DeviceId,
    /// What policy asks for.
    pub manage: &'a Manage,
    /// The account that was found; `None` when the agent is to make it.
    pub account: Option<&'a AccountRef>,
    /// What the agent remembers.
    pub memory: Option<&'a Memory>,
    /// What the directory says.
    pub view: &'a View,
}

impl Facts<'_> {
    fn is_misnamed(&self) -> bool {
        let rule = self.manage.selection.name_rule();
        self.account.zip(rule).is_some_and(|(account, rule)| !rule.fits(&account.name))
    }
}

/// The reasons to change the password now, sorted; none when it is not due.
pub fn reasons(facts: &Facts<'_>) -> Vec<Reason> {
    let mut reasons = Vec::new();
    if facts.view.rotate_requested {
        reasons.push(Reason::DirectoryRequest);
    }
    let Some(memory) = facts.memory else {
        reasons.push(Reason::FirstRotation);
        reasons.sort_unstable();
        return reasons;
    };
    let rules = [
        (Reason::Joined, memory.device != facts.device),
        (Reason::Expired, facts.now >= memory.expires_at),
        (Reason::DirectoryChanged, memory.directory != facts.manage.directory),
        (Reason::AccountChanged, facts.account.is_none_or(|account| memory.account.id != account.id)),
        (Reason::AccountNameChanged, facts.is_misnamed()),
        // One day of grace: the clock that decides may change from the device's to the server's.
        (Reason::StateInconsistent, memory.rotated_at > facts.now.plus_ticks(TICKS_PER_DAY)),
        (Reason::IncarnationChanged, memory.incarnation != facts.view.incarnation),
        (Reason::DirectoryDiffers, facts.view.current != Some(memory.version)),
    ];
    reasons.extend(rules.into_iter().filter(|(_, holds)| *holds).map(|(reason, _)| reason));
    reasons.sort_unstable();
    reasons
}
