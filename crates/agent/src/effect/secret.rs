//! The one secret: the password of the version that is being set.

use crate::{
    accounts::Verifier,
    platform::{Account, Whole},
};
use laps::{id::VersionId, password::Password};

/// Held from Generate to Resolve, in memory only (rotation.md 2).
pub(super) struct Held {
    pub(super) version: VersionId,
    pub(super) password: Password,
    pub(super) verifier: Verifier,
    /// The account as it was when the rotation began.
    pub(super) seen: Account,
    /// What it is called and how it is kept from step 5 on; `None` in manual mode, where only its password changes.
    pub(super) whole: Option<Whole>,
    /// A `store` of it was sent and may have arrived.
    pub(super) maybe_stored: bool,
}

impl core::fmt::Debug for Held {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Held").field("version", &self.version).finish_non_exhaustive()
    }
}
