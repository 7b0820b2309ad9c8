//! Policy: the one table of settings, the sources that set them, and what is in force.
//!
//! Every setting and action is described once, in [`TABLE`], [`RESET_PASSWORD`] and [`RESET_PASSWORD_STATUS`]. Parsing, defaults, dependencies, the CSP tree, the DDF
//! document, the group policy template and the reference pages all come from there.

mod effective;
mod info;
mod lint;
mod local;
mod meaning;
mod pol;
mod principal;
mod registry;
mod set;
mod setting;
mod source;
mod table;
mod value;

pub use effective::{EffectivePolicy, EffectiveSetting, Management, Reason, Unused};
pub use info::{
    ActionInfo, Allowed, BASE, Condition, DefaultValue, Dependency, EDITIONS, EnumValue, Format, Release, SettingInfo,
    V1_1,
};
pub use lint::{Lint, Machine, MachineAccount, Severity, lint, lint_on};
pub use local::{LOCAL_BYTES_MAX, LocalError, parse_local};
pub use meaning::{Account, AutomaticAccount, Encryption, EncryptionError, PostAuthentication};
pub use pol::{POL_BYTES_MAX, PolEntry, PolError, PolErrorKind, PolFile};
pub use principal::{Principal, PrincipalError};
pub use registry::{LegacyMachine, LegacyOff, RegistryData, RegistryValues};
pub use set::{Given, PolicySet};
pub use setting::Setting;
pub use source::{BackupDirectory, JoinState, Source};
pub use table::{RESET_PASSWORD, RESET_PASSWORD_STATUS, TABLE};
pub use value::{Value, ValueError};

/// The least PasswordAgeDays with BackupDirectory 1 (laps-behaviour.md 2.4).
pub const AGE_DAYS_MIN_ENTRA: u32 = 7;
