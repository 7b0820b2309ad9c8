//! What a verb of the store can refuse, and why it can fail.

use crate::seal::KeyId;
use laps::time::Timestamp;

/// Why a verb did not do what it was asked. Whatever the variant, nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// No such object. The text names its kind: `device`, `policy`, `group`, `user`, …
    #[error("there is no such {0}")]
    NotFound(&'static str),
    /// An object with this key or name is there already. The text names its kind.
    #[error("there is already such a {0}")]
    Exists(&'static str),
    /// The object is in use by another one and cannot be removed. The text says by what.
    #[error("still in use by {0}")]
    InUse(&'static str),
    /// The group's members follow from its filter.
    #[error("the members of this group follow from its filter: change the filter, or use another group")]
    Filtered,
    /// The group's members are those that people put in.
    #[error("this group has no filter: its members are those that were put in")]
    Unfiltered,
    /// A bound on the number of such objects is reached. The text names their kind.
    #[error("there are as many {0} as there may be: remove one first")]
    TooMany(&'static str),
    /// The object changed since the caller read it: read it again and decide again.
    #[error("changed meanwhile: read it again")]
    Changed,

    /// "Enable LAPS" is off (design.md 5, "Tenant switch").
    #[error("the tenant switch \"Enable LAPS\" is off")]
    SwitchOff,
    /// No device object with this id, or it was purged.
    #[error("the device is not known")]
    DeviceUnknown,
    /// The certificate that the device speaks with was revoked.
    #[error("this certificate was revoked; join again")]
    CertificateRevoked,
    /// The device object is disabled.
    #[error("the device is disabled")]
    DeviceDisabled,
    /// The device object is a tombstone.
    #[error("the device was deleted")]
    DeviceDeleted,
    /// The state asked for cannot follow the present one (restore of a device that is not deleted, …).
    #[error("the device is {0}")]
    DeviceState(&'static str),

    /// The same version id with another account or fingerprint (rotation.md 3, `store`: 409).
    #[error("this version is stored with another account or fingerprint")]
    VersionConflict,
    /// `prove` of a version that was abandoned (rotation.md 3: 409).
    #[error("this version was abandoned")]
    VersionAbandoned,
    /// `prove` of a version that was never stored (rotation.md 3: 404).
    #[error("this version is not known")]
    VersionUnknown,
    /// The bound on versions in 24 h is reached (rotation.md 3).
    #[error("too many versions in 24 hours")]
    TooManyVersions {
        /// When the oldest of them leaves the window.
        retry_at: Timestamp,
    },
    /// The bound on unresolved versions is reached (rotation.md 3).
    #[error("too many unresolved versions")]
    TooManyUnresolved,
    /// The envelope names a key-encryption key that is retired or not known: seal again with `active`.
    #[error("the key-encryption key is retired")]
    KeyRetired {
        /// The key to seal with.
        active: KeyId,
    },

    /// The device has no password that could be read.
    #[error("no password is stored for this device")]
    NoPassword,
    /// The caller's rights changed since the decision was made (design.md 5, "Audit").
    #[error("the caller's rights changed meanwhile: decide again")]
    AuthorizationChanged,

    /// No such join token.
    #[error("the join token is not known")]
    TokenUnknown,
    /// The join token, code or one-time secret was used before.
    #[error("already used")]
    TokenUsed,
    /// The join token, code or one-time secret has run out.
    #[error("expired")]
    TokenExpired,
    /// The join token was revoked by a person, or voided by a restore.
    #[error("revoked")]
    TokenRevoked,

    /// The last enabled Global Administrator of the whole tenant would go.
    #[error("the last Global Administrator cannot be removed")]
    LastAdministrator,
    /// The clock moved by more than 24 h: jobs that destroy wait for a person (rotation.md 3).
    #[error("the clock moved by more than 24 hours: nothing is destroyed until a person confirms it")]
    ClockHeld,
    /// The purge would lose something that must be kept (rotation.md 3).
    #[error("not purged: {0}")]
    PurgeRefused(PurgeRefusal),

    /// The data directory has not been initialised.
    #[error("the database is not initialised: run lapwingd init")]
    NotInitialised,
    /// A page cursor that this server did not make.
    #[error("not a page cursor of this list")]
    BadCursor,
    /// The disk is full. Nothing was changed.
    #[error("the disk of the server is full")]
    DiskFull,
    /// The database cannot be written. Nothing was changed.
    #[error("the database is read-only")]
    ReadOnly,
    /// The database was written by a newer version of the program.
    #[error("the database has version {found}, this program knows {known}: install a newer lapwingd")]
    Newer {
        /// Version found in the database.
        found: u32,
        /// Newest version that this program knows.
        known: u32,
    },
    /// The store was closed, or stopped working; the text is for the log only.
    #[error("the store does not answer: {0}")]
    Unavailable(String),
    /// A row does not decode; the text is for the log only.
    #[error("the database holds something that cannot be: {0}")]
    Corrupt(String),
}

/// Why a deleted device is kept for now (rotation.md 3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PurgeRefusal {
    /// A device that follows it has no proven password of its own yet.
    #[error("the machine joined again and has no proven password yet")]
    SuccessorUnproven,
    /// The machine still runs: it spoke after its deletion.
    #[error("the device has reported since it was deleted")]
    Reported,
    /// The days of the tombstone are not over.
    #[error("its time is not over")]
    NotDue,
}

impl StoreError {
    /// A stable code for logs and for the edges.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotFound(_) => "not_found",
            Self::Exists(_) => "exists",
            Self::InUse(_) => "in_use",
            Self::Filtered => "group_is_filtered",
            Self::Unfiltered => "group_is_not_filtered",
            Self::TooMany(_) => "too_many_objects",
            Self::Changed => "changed_meanwhile",
            Self::SwitchOff => "laps_disabled",
            Self::DeviceUnknown => "device_unknown",
            Self::CertificateRevoked => "certificate_revoked",
            Self::DeviceDisabled => "device_disabled",
            Self::DeviceDeleted => "device_deleted",
            Self::DeviceState(_) => "device_state",
            Self::VersionConflict => "version_conflict",
            Self::VersionAbandoned => "version_abandoned",
            Self::VersionUnknown => "version_unknown",
            Self::TooManyVersions { .. } => "too_many_versions",
            Self::TooManyUnresolved => "too_many_unresolved",
            Self::KeyRetired { .. } => "key_retired",
            Self::NoPassword => "no_password",
            Self::AuthorizationChanged => "authorization_changed",
            Self::TokenUnknown => "token_unknown",
            Self::TokenUsed => "token_used",
            Self::TokenExpired => "token_expired",
            Self::TokenRevoked => "token_revoked",
            Self::LastAdministrator => "last_administrator",
            Self::ClockHeld => "clock_held",
            Self::PurgeRefused(_) => "purge_refused",
            Self::NotInitialised => "not_initialised",
            Self::BadCursor => "bad_cursor",
            Self::DiskFull => "disk_full",
            Self::ReadOnly => "database_read_only",
            Self::Newer { .. } => "database_newer",
            Self::Unavailable(_) => "store_unavailable",
            Self::Corrupt(_) => "store_corrupt",
        }
    }
}
