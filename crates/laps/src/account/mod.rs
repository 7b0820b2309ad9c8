//! The managed account: which one policy asks for, what was found on the machine, and, in automatic mode
//! (laps-behaviour.md 6), what is to be done about it.
//!
//! Wanted shape and facts go in, plans come out: [`NameRule`] says what the account is called, [`find`] which
//! one it is, [`differences`] what about it is not as policy wants it, [`may_remove`] whether an account that
//! policy has left may go.

mod find;
mod name;
mod removal;
mod shape;

pub use find::{Line, find};
pub use name::{NameError, NameRule, SUFFIX_DIGITS, SUFFIXES};
pub use removal::{Standing, may_remove};
pub use shape::{Difference, Shape, differences};

use crate::{
    policy::AutomaticAccount,
    rotation::{AccountRef, Fingerprint},
};
use core::fmt;

/// The description (GECOS) of an account that Lapwing made. It holds no comma and no colon.
pub const DESCRIPTION: &str = "Local administrator managed by Lapwing";

/// Which account policy asks for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Selection {
    /// The built-in administrator whatever its name: RID 500 on Windows, uid 0 on Linux (design.md 4).
    BuiltIn,
    /// The account of this name; it must exist, it is never created in manual mode (laps-behaviour.md 2.4, 6).
    Named(String),
    /// The account that automatic management owns: the built-in administrator, or one that the agent makes.
    Automatic(AutomaticAccount),
}

impl Selection {
    /// The name rule of an account that the agent makes and names; `None` for every other one. The built-in
    /// administrator is never renamed (docs/departures.md).
    pub fn name_rule(&self) -> Option<NameRule> {
        match self {
            Self::Automatic(wanted) if !wanted.built_in => Some(NameRule::of(wanted)),
            _ => None,
        }
    }
}

impl fmt::Display for Selection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BuiltIn => f.write_str("the built-in administrator"),
            Self::Named(name) => write!(f, "account {name:?}"),
            Self::Automatic(wanted) => {
                match NameRule::of(wanted) {
                    _ if wanted.built_in => f.write_str("the built-in administrator")?,
                    rule if wanted.randomize_name => write!(f, "account {:?} and {SUFFIX_DIGITS} digits", rule.base())?,
                    rule => write!(f, "account {:?}", rule.base())?,
                }
                let kept = if wanted.enable { "enabled" } else { "disabled" };
                write!(f, " (automatic, kept {kept})")
            }
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
