//! Names of activities: Entra's where Entra has one (laps-behaviour.md 8.4).

/// A device stored or proved a password.
pub const UPDATE_PASSWORD: &str = proto::audit::UPDATE_PASSWORD;
/// A reader was given passwords.
pub const RECOVER_PASSWORD: &str = proto::audit::RECOVER_PASSWORD;
/// Somebody signed in with a password, as the device tells; Entra has no name for it.
pub const USE_PASSWORD: &str = "Use device local administrator password";
/// Passwords were disclosed in bulk, sealed to age.
pub const EXPORT_PASSWORDS: &str = "Export device local administrator passwords";
/// Somebody showed that an escrow archive opens.
pub const DRILL_EXPORT: &str = "Test export of device local administrator passwords";
/// A request to rotate was closed, since no rotation will meet it.
pub const CLOSE_ROTATION: &str = "Close rotation request";
/// A rotation was requested.
pub const ROTATE_PASSWORD: &str = proto::audit::ROTATE_PASSWORD;
/// A device joined.
pub const REGISTER_DEVICE: &str = "Register device";
/// A device changed: state, certificate, predecessor, fork cleared.
pub const UPDATE_DEVICE: &str = "Update device";
/// A device was deleted.
pub const DELETE_DEVICE: &str = "Delete device";
/// A deleted device was restored.
pub const RESTORE_DEVICE: &str = "Restore device";
/// A device and its passwords were removed for good.
pub const PURGE_DEVICE: &str = "Hard delete device";
/// Versions were removed because their time was over.
pub const TRIM_PASSWORDS: &str = "Remove expired device local administrator passwords";
/// A live set was released.
pub const RELEASE_PASSWORD: &str = "Release device local administrator password";
/// The tenant's device settings changed.
pub const SET_REGISTRATION_POLICY: &str = "Set device registration policies";
/// A join token was made.
pub const CREATE_JOIN_TOKEN: &str = "Create join token";
/// A join token was revoked.
pub const REVOKE_JOIN_TOKEN: &str = "Revoke join token";
/// The directory was initialised.
pub const INITIALISE: &str = "Initialise directory";
/// A backup was restored.
pub const RESTORE_BACKUP: &str = "Restore directory from backup";
/// A new key-encryption key became active.
pub const BEGIN_REKEY: &str = "Change key-encryption key";
/// A key-encryption key was retired.
pub const RETIRE_KEY: &str = "Retire key-encryption key";
/// A person confirmed the clock.
pub const CONFIRM_CLOCK: &str = "Confirm server clock";
/// Old records of the audit log were removed.
pub const PRUNE_AUDIT: &str = "Prune audit log";
/// Somebody began to export the audit log.
pub const EXPORT_AUDIT: &str = "Export audit log";
/// Somebody asked for a rotation of many devices.
pub const START_CAMPAIGN: &str = "Rotate device local administrator passwords";
/// Somebody asked that everything that a person was given be rotated.
pub const REVOKE_PASSWORDS: &str = "Revoke disclosed device local administrator passwords";
/// Somebody called such a rotation off.
pub const CANCEL_CAMPAIGN: &str = "Cancel rotation of device local administrator passwords";
/// The last device of such a rotation was proven, or is known not to follow.
pub const COMPLETE_CAMPAIGN: &str = "Complete rotation of device local administrator passwords";
