//! The account database of a Linux machine as pure bytes: reading, one-field edits, hashing, rules.
//!
//! Nothing here opens a file, knows the time or draws a random number: [`crate::platform`] brings the
//! bytes and takes them back. Rules: rotation.md 1, 6 and 7; formats: passwd(5), shadow(5), group(5),
//! crypt(5), login.defs(5), pwquality.conf(5), pam_unix(8).

mod census;
mod change;
mod fingerprint;
mod group;
mod hash;
mod method;
mod passwd;
mod rules;
mod settings;
mod shadow;
mod survey;
mod table;
mod usability;
mod verifier;

pub use census::{Census, LocalAccount};
pub use change::{AccountFiles, ChangeError, NameChange, Replacement};
pub use fingerprint::FingerprintKey;
pub use group::{AdministratorsGroup, GroupFile, GroupLine};
pub use hash::{HashError, hash};
pub use method::{HashChoice, Method};
pub use passwd::{NewAccount, Passwd, PasswdLine};
pub use rules::{MachineRules, Rule, RuleRefusal};
pub use settings::{LoginDefs, PamModule, pam_password_modules};
pub use shadow::{Lock, Shadow, ShadowLine};
pub use table::{AccountFile, Defect, DefectKind, NotAField, Table};
pub use usability::Usability;
pub use verifier::{NotAVerifier, PasswordField, Verifier};

use laps::time::Timestamp;

/// The day of a time as shadow(5) counts it: whole days since 1970-01-01 UTC.
pub fn day_of(time: Timestamp) -> u32 {
    u32::try_from(time.unix_ms().div_euclid(86_400_000)).unwrap_or(0)
}
