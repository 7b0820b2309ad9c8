//! The tenant: one per data directory.

use crate::seal::KeyId;
use laps::{
    id::{Incarnation, TenantId},
    time::Timestamp,
};

/// The tenant and its settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tenant {
    /// Fixed at `init`.
    pub id: TenantId,
    /// Which life of the data this is: a restore makes a new one (rotation.md 3).
    pub incarnation: Incarnation,
    /// When the directory was initialised.
    pub initialised_at: Timestamp,
    /// The time of the backup that was last restored, if any was.
    pub restored_from: Option<Timestamp>,
    /// When it was restored.
    pub restored_at: Option<Timestamp>,
    /// The settings that people change.
    pub settings: Settings,
    /// Counts changes of `settings`.
    pub revision: u64,
    /// Set while jobs that destroy wait for a person (rotation.md 3): when the clock was seen to move.
    pub clock_held_at: Option<Timestamp>,
}

/// Settings of the tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The switch "Enable LAPS"; off until a person turns it on (laps-behaviour.md 8.1).
    pub laps_enabled: bool,
    /// How long a deleted device's password stays readable, days; 0 loses it at once, as Entra does.
    pub tombstone_days: u32,
    /// Versions that a device may store in 24 h (rotation.md 3).
    pub versions_per_day: u32,
    /// Pending versions that a device may have (rotation.md 3).
    pub unresolved_max: u32,
    /// Repairs of drift in 24 h after which a device holds repair (rotation.md 10).
    pub repairs_per_day: u32,
    /// The scheduled escrow export.
    pub escrow: super::EscrowSettings,
    /// The other properties of Graph's `deviceRegistrationPolicy`, as JSON text; opaque here.
    pub registration_policy: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            laps_enabled: false,
            tombstone_days: 30,
            versions_per_day: 12,
            unresolved_max: 4,
            repairs_per_day: laps::drift::REPAIRS_PER_DAY,
            escrow: super::EscrowSettings::default(),
            registration_policy: "{}".into(),
        }
    }
}

/// What `init` writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewTenant {
    /// The tenant's id.
    pub id: TenantId,
    /// The first incarnation.
    pub incarnation: Incarnation,
    /// The first key-encryption key; becomes the active one.
    pub key: KeyId,
    /// Settings to start with.
    pub settings: Settings,
}

/// What the server's clock did since it was last observed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockReading {
    /// The wall clock.
    pub now: Timestamp,
    /// Seconds on the monotonic clock since the last observation by this process; `None` at its first.
    pub elapsed_s: Option<u64>,
}

/// Numbers for metrics and the overview.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Devices that are enabled.
    pub devices_enabled: u64,
    /// Devices that are disabled.
    pub devices_disabled: u64,
    /// Tombstones.
    pub devices_deleted: u64,
    /// Versions that are pending.
    pub versions_pending: u64,
    /// Versions that are current.
    pub versions_current: u64,
    /// Versions kept as history.
    pub versions_history: u64,
    /// Rotation requests that are not met yet.
    pub rotations_open: u64,
    /// Records in the audit log.
    pub audit_records: u64,
}
