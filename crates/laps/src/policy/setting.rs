//! The names of the settings.

use super::{info::SettingInfo, table::TABLE};
use core::fmt;

/// A LAPS policy setting, under the name of the published CSP (laps-behaviour.md 1.4 and 2.2).
///
/// Everything else about a setting stands in its [`SettingInfo`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
#[expect(missing_docs, reason = "each is described by its entry in TABLE")]
pub enum Setting {
    ADBackupDSRMPassword,
    ADEncryptedPasswordHistorySize,
    AdministratorAccountName,
    ADPasswordEncryptionEnabled,
    ADPasswordEncryptionPrincipal,
    AutomaticAccountManagementEnableAccount,
    AutomaticAccountManagementEnabled,
    AutomaticAccountManagementNameOrPrefix,
    AutomaticAccountManagementRandomizeName,
    AutomaticAccountManagementTarget,
    BackupDirectory,
    PassphraseLength,
    PasswordAgeDays,
    PasswordComplexity,
    PasswordExpirationProtectionEnabled,
    PasswordLength,
    PostAuthenticationActions,
    PostAuthenticationResetDelay,
}

impl Setting {
    /// How many settings there are.
    pub const COUNT: usize = TABLE.len();

    /// All settings, in the order of the table.
    pub fn all() -> impl Iterator<Item = Self> {
        TABLE.iter().map(|info| info.setting)
    }
    /// The settings that are nodes of the CSP tree, in the order of the published page.
    pub fn in_csp() -> impl Iterator<Item = Self> {
        TABLE.iter().filter(|info| info.in_csp).map(|info| info.setting)
    }
    /// The setting of exactly this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::all().find(|setting| setting.name() == name)
    }
    /// The setting of this name without regard to ASCII case, as registry values are named.
    pub fn from_registry_name(name: &str) -> Option<Self> {
        Self::all().find(|setting| setting.name().eq_ignore_ascii_case(name))
    }
    /// The entry of the table.
    pub fn info(self) -> &'static SettingInfo {
        &TABLE[self as usize]
    }
    /// The published name.
    pub fn name(self) -> &'static str {
        self.info().name
    }
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
impl fmt::Debug for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_the_order_of_the_enum() {
        for (index, info) in TABLE.iter().enumerate() {
            assert_eq!(info.setting as usize, index, "{}", info.name);
        }
        assert_eq!(Setting::COUNT, 18);
        assert_eq!(Setting::in_csp().count(), 17);
    }

    #[test]
    fn names_lead_back() {
        for setting in Setting::all() {
            assert_eq!(Setting::from_name(setting.name()), Some(setting));
            let lower = setting.name().to_lowercase();
            assert_eq!(Setting::from_registry_name(&lower), Some(setting));
        }
        assert_eq!(Setting::from_name("passwordlength"), None);
    }
}
