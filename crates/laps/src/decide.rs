//! Facts in, reasons out: whether a device manages an account, and whether its password is due.
//!
//! The reasons are those of laps-behaviour.md 4.2 that apply to the cloud directory, and those of
//! rotation.md 2 and 3. A changed age, length or complexity is not one: it counts from the next rotation.

use crate::{
    account::Selection,
    active_directory::{self, Wanted, WantedForm},
    drift::{Drift, Watch},
    event,
    id::{DeviceId, Incarnation, TenantId, VersionId},
    policy::{
        Account, BackupDirectory, EffectivePolicy, Encryption, EncryptionError, Management, PrincipalError, Source,
    },
    rotation::{AccountRef, Destination, Failure, Fingerprint},
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
    /// The machine is a domain controller, and policy does not ask for its recovery account.
    DomainController,
    /// The password is kept in Active Directory, and was proven there: no server keeps it any more. Only a report
    /// says so, never a plan.
    ActiveDirectory,
}

impl Unmanaged {
    /// A stable word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NoPolicy => "no_policy",
            Self::BackupDisabled => "backup_disabled",
            Self::JoinStateMismatch => "join_state_mismatch",
            Self::DomainController => "domain_controller",
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
        Management::DomainController => Unmanaged::DomainController,
        // The recovery account of a controller is the built-in one; no policy names another (laps-behaviour.md 7.12).
        Management::Dsrm => {
            let form =
                if policy.encryption() == Ok(Encryption::Off) { Err(dsrm_in_clear()) } else { Ok(WantedForm::Dsrm) };
            return Plan::Manage(Manage {
                target: in_active_directory(policy, form),
                selection: Selection::BuiltIn,
                age_days: policy.password_age_days(),
            });
        }
        Management::Managed(directory) => {
            let selection = match policy.account() {
                Account::BuiltIn => Selection::BuiltIn,
                Account::Named(name) => Selection::Named(name),
                Account::Automatic(wanted) => Selection::Automatic(wanted),
            };
            let target = match directory {
                BackupDirectory::Ad => in_active_directory(policy, wanted_form(policy)),
                BackupDirectory::Entra | BackupDirectory::Disabled => Target::Cloud,
            };
            return Plan::Manage(Manage { target, selection, age_days: policy.password_age_days() });
        }
    };
    Plan::Unmanaged(unmanaged)
}

fn in_active_directory(policy: &EffectivePolicy, form: Result<WantedForm, Failure>) -> Target {
    Target::ActiveDirectory(Wanted {
        form,
        history_max: policy.history_size() as usize,
        protects_expiration: policy.protects_expiration(),
    })
}

/// How Active Directory keeps the password of a local account.
fn wanted_form(policy: &EffectivePolicy) -> Result<WantedForm, Failure> {
    if policy.source() == Some(Source::Legacy) {
        return Ok(WantedForm::Legacy);
    }
    match policy.encryption() {
        Ok(Encryption::On { principal, .. }) => Ok(WantedForm::Encrypted { principal }),
        Ok(Encryption::Off) => Ok(WantedForm::Clear),
        Err(error) => Err(principal_failure(&error)),
    }
}

fn dsrm_in_clear() -> Failure {
    Failure::new(
        event::POLICY_FAILED,
        "dsrm_needs_encryption",
        "the recovery password of a domain controller is only kept encrypted; set ADPasswordEncryptionEnabled to true",
    )
}

/// A principal that stops the backup (laps-behaviour.md 2.4, rules 3 and 9).
fn principal_failure(error: &EncryptionError) -> Failure {
    let (event, code) = match error {
        EncryptionError::Principal(PrincipalError::Isolated) => (event::PRINCIPAL_ISOLATED, "principal_isolated"),
        EncryptionError::Principal(_) | EncryptionError::Value(_) => (event::PRINCIPAL_UNKNOWN, "principal_malformed"),
    };
    Failure::new(event, code, format!("{error}; nothing was stored, the current password was not changed"))
}

/// Which account is managed, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manage {
    /// Where the password goes.
    pub target: Target,
    /// Which account.
    pub selection: Selection,
    /// Days of 24 hours until a new password is due.
    pub age_days: u32,
}

impl Manage {
    /// The directory that policy names.
    pub const fn directory(&self) -> BackupDirectory {
        match self.target {
            Target::Cloud => BackupDirectory::Entra,
            Target::ActiveDirectory(_) => BackupDirectory::Ad,
        }
    }
}

/// Where the password goes, as policy wants it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// The server that the device has joined.
    Cloud,
    /// Active Directory.
    ActiveDirectory(Wanted),
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
    pub destination: Destination,
    /// In Active Directory: the version that the cloud directory acknowledged last, before policy left it.
    pub left_in_cloud: Option<VersionId>,
    /// When it was proven, by the clock that decides.
    pub rotated_at: Timestamp,
    /// When it is due.
    pub expires_at: Timestamp,
    /// What the account database held then.
    pub fingerprint: Fingerprint,
    /// What drift is measured by.
    pub watch: Watch,
}

impl Memory {
    /// The directory that holds it.
    pub const fn directory(&self) -> BackupDirectory {
        self.destination.directory()
    }

    /// Whether the directory's current version is what this device set there last. One that it did not set last in
    /// is not asked for it.
    pub fn is_held(&self, view: &View) -> bool {
        match (&view.active_directory, &self.destination) {
            (Some(answer), Destination::ActiveDirectory(_)) => answer.holds_last,
            (Some(_), Destination::Cloud) => true,
            (None, _) => view.current == self.in_cloud(),
        }
    }

    /// The version of the last proof that the cloud directory acknowledged.
    pub const fn in_cloud(&self) -> Option<VersionId> {
        match self.destination {
            Destination::Cloud => Some(self.version),
            Destination::ActiveDirectory(_) => self.left_in_cloud,
        }
    }
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
    /// `store` would be refused now, for this reason.
    pub store_refused: Option<Failure>,
    /// Its clock.
    pub server_time: Timestamp,
    /// What Active Directory says, when that is the directory.
    pub active_directory: Option<active_directory::Answer>,
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
    /// Active Directory has no expiry for it.
    NoExpiry,
    /// The expiry in Active Directory lies farther ahead than the greatest age (laps-behaviour.md 4.4).
    ExpirationProtection,
    /// Active Directory has no password in the form that policy asks for.
    PasswordMissing,
    /// It is to be kept encrypted now, or in clear now, or as legacy LAPS does.
    StorageChanged,
    /// Another principal is to decrypt it.
    DecryptorChanged,
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
            Self::NoExpiry => "no_expiry",
            Self::ExpirationProtection => "expiration_protection",
            Self::PasswordMissing => "password_missing",
            Self::StorageChanged => "storage_changed",
            Self::DecryptorChanged => "decryptor_changed",
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

    /// The cloud directory leaves the expiry to the device; in Active Directory a person may move it
    /// (laps-behaviour.md 4.1). One that lies before the rotation says that policy had left the account.
    fn is_expired(&self, memory: &Memory) -> bool {
        match &self.view.active_directory {
            Some(answer) => {
                answer.expires_at.is_some_and(|at| self.now >= at) || memory.expires_at <= memory.rotated_at
            }
            None => self.now >= memory.expires_at,
        }
    }

    /// The reasons of laps-behaviour.md 4.2 that Active Directory alone has.
    fn of_active_directory(&self, memory: &Memory) -> Vec<Reason> {
        let (Target::ActiveDirectory(wanted), Some(answer)) = (&self.manage.target, &self.view.active_directory) else {
            return Vec::new();
        };
        let beyond =
            answer.expires_at.is_some_and(|at| active_directory::is_beyond(at, self.now, self.manage.age_days));
        let form = memory.destination.placement().map(|placement| &placement.form);
        let same_kind = form.is_none_or(|form| form.attribute() == answer.form.attribute());
        let rules = [
            (Reason::NoExpiry, answer.expires_at.is_none()),
            (Reason::ExpirationProtection, wanted.protects_expiration && beyond),
            (Reason::PasswordMissing, answer.has_password == Some(false)),
            (Reason::StorageChanged, !same_kind),
            (Reason::DecryptorChanged, same_kind && form.is_some_and(|form| *form != answer.form)),
        ];
        rules.into_iter().filter(|(_, holds)| *holds).map(|(reason, _)| reason).collect()
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
        (Reason::Expired, facts.is_expired(memory)),
        (Reason::DirectoryChanged, memory.directory() != facts.manage.directory()),
        (Reason::AccountChanged, facts.account.is_none_or(|account| memory.account.id != account.id)),
        (Reason::AccountNameChanged, facts.is_misnamed()),
        // One day of grace: the clock that decides may change from the device's to the server's.
        (Reason::StateInconsistent, memory.rotated_at > facts.now.plus_ticks(TICKS_PER_DAY)),
        (Reason::IncarnationChanged, memory.incarnation != facts.view.incarnation),
        (Reason::DirectoryDiffers, !memory.is_held(facts.view)),
    ];
    reasons.extend(rules.into_iter().filter(|(_, holds)| *holds).map(|(reason, _)| reason));
    reasons.extend(facts.of_active_directory(memory));
    reasons.sort_unstable();
    reasons
}
