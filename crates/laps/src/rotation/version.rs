//! What a rotation speaks of: accounts, fingerprints, the journalled intent (rotation.md 1).

use crate::{
    active_directory::Placement,
    id::{DeviceId, TenantId, VersionId},
    policy::BackupDirectory,
    time::Timestamp,
};
use core::{fmt, str::FromStr};

/// An account of a machine: its uid and its name.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct AccountRef {
    /// The uid; it never changes.
    pub id: u32,
    /// The name, which a rename changes.
    pub name: String,
}

/// The first 128 bits of HMAC-SHA-256(K, "lapwing/fp/1" ‖ length-prefixed uid, name, verifier), K random
/// and on the device only (rotation.md 1). It tells whether two verifiers are one, and nothing else.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint([u8; 16]);

impl Fingerprint {
    /// From its 16 bytes.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }
    /// Its 16 bytes.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A text that is not a fingerprint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a fingerprint: expected 32 hexadecimal digits")]
pub struct NotAFingerprint;

impl FromStr for Fingerprint {
    type Err = NotAFingerprint;
    fn from_str(text: &str) -> Result<Self, NotAFingerprint> {
        if text.len() != 32 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(NotAFingerprint);
        }
        u128::from_str_radix(text, 16).map(|value| Self(value.to_be_bytes())).map_err(|_| NotAFingerprint)
    }
}

/// How a version was proven (rotation.md 8).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ProofKind {
    /// The account database was read again and the password checked with a second crypt; or, after a
    /// crash, the verifier there has the fingerprint of the intent.
    Verifier,
    /// Also through the PAM service `lapwing`.
    Pam,
}

/// Where a version goes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Destination {
    /// The server that the device has joined, with its verbs (rotation.md 3).
    Cloud,
    /// Active Directory: one modify, and no verb after it (rotation.md 9).
    ActiveDirectory(Placement),
}

impl Destination {
    /// The directory, as policy names it.
    pub const fn directory(&self) -> BackupDirectory {
        match self {
            Self::Cloud => BackupDirectory::Entra,
            Self::ActiveDirectory(_) => BackupDirectory::Ad,
        }
    }
    /// Where in Active Directory.
    pub const fn placement(&self) -> Option<&Placement> {
        match self {
            Self::Cloud => None,
            Self::ActiveDirectory(placement) => Some(placement),
        }
    }
}

/// What is journalled before anything is stored (rotation.md 2, step 3): enough to finish or undo the
/// rotation after a crash, and no password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Intent {
    /// The tenant that the device had joined.
    pub tenant: TenantId,
    /// The device object of that time.
    pub device: DeviceId,
    /// The new version.
    pub version: VersionId,
    /// The account, with the name that it has after step 5.
    pub account: AccountRef,
    /// Fingerprint of the account with the new verifier.
    pub fingerprint: Fingerprint,
    /// When the new password is to be changed again.
    pub expires_at: Timestamp,
    /// Where it goes.
    pub destination: Destination,
}

/// Whether the account database holds the version of an intent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    /// It does.
    Same,
    /// It holds another verifier.
    Different,
    /// No fingerprint key, or no readable verifier.
    CannotTell,
}

/// Why an effect did not do its work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Event id (laps-behaviour.md 10).
    pub event: u32,
    /// Stable code, such as `account_db_not_durable` or `laps_disabled`.
    pub code: String,
    /// A plain sentence with what to do next; never a secret.
    pub text: String,
}

impl Failure {
    /// A failure with these parts.
    pub fn new(event: u32, code: impl Into<String>, text: impl Into<String>) -> Self {
        Self { event, code: code.into(), text: text.into() }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}): {}", self.code, self.event, self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fingerprint_text() {
        let fingerprint = Fingerprint::from_bytes([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 255]);
        assert_eq!(fingerprint.to_string(), "000102030405060708090a0b0c0d0eff");
        assert_eq!(fingerprint.to_string().parse(), Ok(fingerprint));
        for bad in ["", "00", "+00102030405060708090a0b0c0d0eff", "000102030405060708090a0b0c0d0efg"] {
            assert_eq!(bad.parse::<Fingerprint>(), Err(NotAFingerprint));
        }
    }
}
