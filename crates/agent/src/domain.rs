//! Active Directory as the agent sees it.
//!
//! The domain itself is spoken to by `ad`, in a build with the feature `ad`; without it nothing implements
//! [`Domain`], and `join-domain` says so.

#[cfg(feature = "ad")]
mod active_directory;

#[cfg(feature = "ad")]
pub use active_directory::{ActiveDirectory, Found, Keys, keys_of, look, use_keytab};

use laps::{
    active_directory::{Placement, Wanted},
    cycle::Consulted,
    id::VersionId,
    password::Password,
    rotation::{Failure, Intent, Outcome},
};
use std::{future::Future, pin::Pin};

/// An answer that is waited for on the agent's one thread.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = T> + 'a>>;

/// A new password on its way into Active Directory.
#[derive(Debug)]
pub struct Backup<'a> {
    /// The version, its account and its expiry.
    pub intent: &'a Intent,
    /// Where it goes.
    pub placement: &'a Placement,
    /// The password.
    pub password: &'a Password,
    /// Earlier ones that are kept.
    pub history_max: usize,
    /// The object may hold a password in another form.
    pub moved: bool,
    /// An earlier modify for this version may have arrived: read before writing again (rotation.md 9).
    pub in_doubt: bool,
}

/// The computer object of this machine, on a writable controller. Tests bring one of their own.
pub trait Domain {
    /// What the object holds, and how the next password is to be kept.
    fn consult<'a>(
        &'a mut self,
        wanted: &'a Wanted,
        last: Option<(VersionId, &'a Placement)>,
    ) -> Answer<'a, Result<Consulted, Failure>>;

    /// The one modify. [`Outcome::Refused`] only when it is certain that nothing was changed.
    fn store<'a>(&'a mut self, backup: Backup<'a>) -> Answer<'a, Outcome>;

    /// The cycle is over: connections end.
    fn close(&mut self);
}
