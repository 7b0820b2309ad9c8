//! The managed account: which one policy asks for, and what was found on the machine.

use crate::rotation::{AccountRef, Fingerprint};
use core::fmt;

/// Which account policy asks for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Selection {
    /// The built-in administrator whatever its name: RID 500 on Windows, uid 0 on Linux (design.md 4).
    BuiltIn,
    /// The account of this name; it must exist, it is never created in manual mode (laps-behaviour.md 2.4, 6).
    Named(String),
}

impl fmt::Display for Selection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BuiltIn => f.write_str("the built-in administrator"),
            Self::Named(name) => write!(f, "account {name:?}"),
        }
    }
}

/// The account as it stands in the account database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountFacts {
    /// Its uid and name.
    pub account: AccountRef,
    /// No lock mark stands before the verifier.
    pub enabled: bool,
    /// Its expiry date is past.
    pub expired: bool,
    /// Its shell refuses sign-in.
    pub no_login_shell: bool,
    /// uid 0, or a member of the Administrators group.
    pub administrator: bool,
    /// Fingerprint of what the account database holds; `None` when there is no salted verifier or no key.
    pub installed: Option<Fingerprint>,
}
