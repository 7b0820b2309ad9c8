//! Devices, their certificates and join tokens.

use super::SecretHash;
use laps::{
    id::{DeviceId, GroupId, PrincipalId},
    time::Timestamp,
};

/// The server's group that every device belongs to. It is not stored and cannot be changed.
pub const ALL_DEVICES: GroupId = GroupId::from_bytes([0xff; 16]);

/// The state of a device object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DeviceState {
    /// It may store passwords.
    Enabled,
    /// It may only tell the truth about itself (rotation.md 3).
    Disabled,
    /// A tombstone: as disabled; its password stays readable for a set time, to a stricter role.
    Deleted,
    /// Only the name is left; the passwords are gone for good.
    Purged,
}

impl DeviceState {
    /// The stored and shown word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Enabled => "enabled",
            Self::Disabled => "disabled",
            Self::Deleted => "deleted",
            Self::Purged => "purged",
        }
    }
    /// From the word.
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Enabled, Self::Disabled, Self::Deleted, Self::Purged].into_iter().find(|state| state.word() == word)
    }
}

/// A device object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    /// Its id; Graph's `deviceId` and `id`.
    pub id: DeviceId,
    /// The name it joined with, or reported last.
    pub name: String,
    /// Operating system and version as it reported them.
    pub os: String,
    /// Version of its agent; empty when it never reported one.
    pub agent_version: String,
    /// Its state.
    pub state: DeviceState,
    /// Counts every change that bears on who may read it: state, groups, predecessor. A [`reveal`]
    /// names the revision that its decision was made on.
    ///
    /// [`reveal`]: super::Store::reveal
    pub revision: u64,
    /// When it joined.
    pub registered_at: Timestamp,
    /// Last authentic contact; kept in memory and written in batches.
    pub last_seen: Option<Timestamp>,
    /// When it was disabled, while it is; `None` also of one that was disabled before this was kept.
    pub disabled_at: Option<Timestamp>,
    /// When it was deleted, for a tombstone.
    pub deleted_at: Option<Timestamp>,
    /// When it was purged.
    pub purged_at: Option<Timestamp>,
    /// Whether it has reported since it was deleted: then it is never purged by a job.
    pub reported_since_deletion: bool,
    /// The device object that this machine had before it joined again (rotation.md 3, "Re-join").
    pub predecessor: Option<DeviceId>,
    /// SubjectPublicKeyInfo of its key, DER; a re-join proves itself with it.
    pub public_key: Vec<u8>,
    /// What machine it is, as the agent said when it joined: a digest, only ever compared. Claimed, not proven.
    pub hardware: Option<[u8; 32]>,
    /// Groups that it is a member of; [`ALL_DEVICES`] is not listed.
    pub groups: Vec<GroupId>,
    /// Set while it counts as forked (rotation.md 3): when that was seen.
    pub forked_at: Option<Timestamp>,
    /// Why it is suspected to be cloned or stolen: two forks in 7 days.
    pub clone_suspected: bool,
    /// Set when its rows come from a restored backup and it has not reported since: the backup's time.
    pub from_backup_at: Option<Timestamp>,
}

/// What a join stores.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewDevice {
    /// Its new id.
    pub id: DeviceId,
    /// Its name.
    pub name: String,
    /// Operating system and version.
    pub os: String,
    /// SubjectPublicKeyInfo of its key, DER.
    pub public_key: Vec<u8>,
    /// What machine it is, when its agent knows.
    pub hardware: Option<[u8; 32]>,
    /// Its former object; the caller has checked the signature of the former key.
    pub predecessor: Option<DeviceId>,
    /// The certificate that it is given.
    pub certificate: NewCertificate,
}

/// A certificate that was issued to a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewCertificate {
    /// SHA-256 of the DER certificate.
    pub fingerprint: [u8; 32],
    /// Its serial number.
    pub serial: Vec<u8>,
    /// First moment of validity.
    pub not_before: Timestamp,
    /// Last moment of validity.
    pub not_after: Timestamp,
}

/// A certificate of a device, as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// Whose it is.
    pub device: DeviceId,
    /// SHA-256 of the DER certificate.
    pub fingerprint: [u8; 32],
    /// Its serial number.
    pub serial: Vec<u8>,
    /// First moment of validity.
    pub not_before: Timestamp,
    /// Last moment of validity.
    pub not_after: Timestamp,
    /// When a person revoked it.
    pub revoked_at: Option<Timestamp>,
}

/// Answer of [`join`](super::Store::join).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Joined {
    /// The device object.
    pub device: Device,
    /// The same token came again with the same key: the object of the first time, nothing new but the
    /// certificate (the first answer was lost).
    pub again: bool,
}

/// Which devices a list shows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeviceFilter {
    /// Only these states; empty means enabled, disabled and deleted.
    pub states: Vec<DeviceState>,
    /// Only this name (compared without case).
    pub name: Option<String>,
    /// Only this machine.
    pub hardware: Option<[u8; 32]>,
    /// Only names that start so (compared without case).
    pub name_prefix: Option<String>,
    /// Only members of one of these groups (the caller's scope); `None` means the whole tenant.
    pub groups: Option<Vec<GroupId>>,
}

/// A change of a device's state by a person or a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeviceChange {
    /// Disabled → enabled.
    Enable,
    /// Enabled → disabled.
    Disable,
    /// Enabled or disabled → tombstone.
    Delete,
    /// Tombstone → enabled.
    Restore,
}

/// Who asks for a purge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PurgeBy {
    /// A person, explicitly.
    Person,
    /// The job that ends tombstones: only past their time, never when the device has reported since
    /// (rotation.md 3).
    Job,
}

/// A join token, without the token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JoinToken {
    /// Its id, 16 random bytes.
    pub id: [u8; 16],
    /// What the person wrote about it.
    pub note: String,
    /// The group that its device enters; `None`: no group but all devices.
    pub group: Option<GroupId>,
    /// Who made it.
    pub created_by: PrincipalId,
    /// When.
    pub created_at: Timestamp,
    /// Until when it can be used.
    pub expires_at: Timestamp,
    /// When it was used.
    pub used_at: Option<Timestamp>,
    /// The device that used it.
    pub used_by: Option<DeviceId>,
    /// When it was revoked by a person or voided by a restore.
    pub revoked_at: Option<Timestamp>,
}

/// What is stored of a new join token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewJoinToken {
    /// Its id, 16 random bytes.
    pub id: [u8; 16],
    /// SHA-256 of the token.
    pub hash: SecretHash,
    /// What the person wrote about it.
    pub note: String,
    /// The group that its device enters.
    pub group: Option<GroupId>,
    /// Who made it.
    pub created_by: PrincipalId,
    /// Until when it can be used.
    pub expires_at: Timestamp,
}

/// Something that happened to a device, seen by the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceEvent {
    /// Its place in the order of all events.
    pub sequence: u64,
    /// The device.
    pub device: DeviceId,
    /// When, by the server's clock.
    pub at: Timestamp,
    /// What.
    pub kind: DeviceEventKind,
    /// More about it, as JSON text; holds no secret.
    pub detail: String,
}

/// The kinds of [`DeviceEvent`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DeviceEventKind {
    /// Its last acknowledged version is not the server's current one (rotation.md 1, "forked").
    Forked,
    /// Two forks in 7 days: alert "cloned or stolen identity".
    CloneSuspected,
    /// A person cleared the fork.
    ForkCleared,
    /// The installed verifier is that of no known version (rotation.md 4, I1 a and b).
    UnknownVerifier,
    /// A live set was released: policy left the account.
    Released,
    /// The first report after a restore of the server.
    ReportedAfterRestore,
    /// The account is not as it was set (rotation.md 10); the detail names how.
    Drift,
    /// The device holds repair of drift.
    RepairHeld,
    /// The device could not read a file of its own state; the detail says which and what follows.
    StateDamaged,
    /// The device keeps a signed head of the audit log that the log does not hold: it was cut or written anew.
    AuditLogDiffers,
    /// The machine has a new name.
    Renamed,
}

impl DeviceEventKind {
    /// Every kind.
    pub const ALL: [Self; 11] = [
        Self::Forked,
        Self::CloneSuspected,
        Self::ForkCleared,
        Self::UnknownVerifier,
        Self::Released,
        Self::ReportedAfterRestore,
        Self::Drift,
        Self::RepairHeld,
        Self::StateDamaged,
        Self::AuditLogDiffers,
        Self::Renamed,
    ];
    /// The stored and shown word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Forked => "forked",
            Self::CloneSuspected => "clone_suspected",
            Self::ForkCleared => "fork_cleared",
            Self::UnknownVerifier => "unknown_verifier",
            Self::Released => "released",
            Self::ReportedAfterRestore => "reported_after_restore",
            Self::Drift => "drift",
            Self::RepairHeld => "repair_held",
            Self::StateDamaged => "state_damaged",
            Self::AuditLogDiffers => "audit_log_differs",
            Self::Renamed => "renamed",
        }
    }
    /// From the word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.word() == word)
    }
}
