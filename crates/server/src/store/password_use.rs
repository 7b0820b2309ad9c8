//! Uses of passwords: sign-ins with a managed account, as devices tell them (laps-behaviour.md 5).

use laps::{
    id::{DeviceId, SignInId, VersionId},
    time::Timestamp,
};

/// Uses of one device that are kept; older ones stay in the audit log.
pub const USES_KEPT: u32 = 200;

/// A sign-in with the password of a version. Times of the device are shown, never compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PasswordUse {
    /// The device.
    pub device: DeviceId,
    /// Made by the device: the same again is the same sign-in.
    pub id: SignInId,
    /// The version whose password it was, as the device says.
    pub version: VersionId,
    /// Name of the account.
    pub account_name: String,
    /// What asked for the password: `login`, `sshd`, `su`, ….
    pub service: String,
    /// From where, as the device knows it.
    pub from: Option<String>,
    /// When, by the device's clock.
    pub at: Timestamp,
    /// When the device changes the password for it, by its clock; `None` when nothing follows.
    pub deadline: Option<Timestamp>,
    /// When the server was told.
    pub reported_at: Timestamp,
}
