//! What the policy in force means: typed answers for those who act on it.

use super::{
    effective::{EffectivePolicy, Reason},
    principal::{Principal, PrincipalError},
    setting::Setting,
    source::BackupDirectory,
    value::{Value, ValueError},
};
use crate::password::PasswordSpec;

/// Which account is managed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Account {
    /// The built-in administrator, whatever its name.
    BuiltIn,
    /// The account of this name, which must exist.
    Named(String),
    /// Automatic account management.
    Automatic(AutomaticAccount),
}

/// An account that is managed as a whole (laps-behaviour.md 6).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct AutomaticAccount {
    /// Whether it is the built-in administrator; otherwise an account of its own.
    pub built_in: bool,
    /// Its name, or the prefix of its random names.
    pub name_or_prefix: String,
    /// Whether the name gets a new random suffix at each rotation.
    pub randomize_name: bool,
    /// Whether it is kept enabled; otherwise it is kept disabled.
    pub enable: bool,
}

/// What happens after a sign-in with the managed account (laps-behaviour.md 5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PostAuthentication {
    /// Hours from the sign-in to the actions, 1 to 24.
    pub delay_hours: u32,
    /// Whether sessions of the account are ended (after two minutes).
    pub end_sessions: bool,
    /// Whether the machine is restarted (after one minute).
    pub restart: bool,
    /// Whether whatever still runs as the account is ended.
    pub end_processes: bool,
}

impl PostAuthentication {
    /// The number of the setting PostAuthenticationActions: 1, 3, 5 or 11.
    pub const fn number(self) -> u32 {
        1 | (self.end_sessions as u32) << 1 | (self.restart as u32) << 2 | (self.end_processes as u32) << 3
    }
}

/// How a password is kept in Active Directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Encryption {
    /// In clear, without history.
    Off,
    /// Encrypted.
    On {
        /// Who can decrypt it; `None` is Domain Admins of the machine's domain.
        principal: Option<Principal>,
        /// How many earlier passwords are kept, 0 to 12.
        history_size: u32,
    },
}

/// Why nothing may be backed up to Active Directory.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EncryptionError {
    /// The principal is not one (event 10034).
    #[error("ADPasswordEncryptionPrincipal: {0}")]
    Principal(#[from] PrincipalError),
    /// The value of the setting cannot be used at all.
    #[error("ADPasswordEncryptionPrincipal: {0}")]
    Value(ValueError),
}

impl EffectivePolicy {
    fn int(&self, setting: Setting) -> u32 {
        self.setting(setting).value.as_ref().and_then(Value::as_int).unwrap_or(0)
    }
    fn yes(&self, setting: Setting) -> bool {
        self.setting(setting).value.as_ref().and_then(Value::as_bool).unwrap_or(false)
    }
    fn text(&self, setting: Setting) -> Option<&str> {
        self.setting(setting).value.as_ref().and_then(Value::as_text)
    }

    /// The directory that the policy names. Whether the machine can use it says
    /// [`EffectivePolicy::management`].
    pub fn backup_directory(&self) -> BackupDirectory {
        BackupDirectory::from_number(self.int(Setting::BackupDirectory)).unwrap_or_default()
    }
    /// The greatest age of a password, in days of 24 hours: 1 to 365, at least 7 with Entra.
    pub fn password_age_days(&self) -> u32 {
        self.int(Setting::PasswordAgeDays)
    }
    /// The number that was given, when PasswordAgeDays was raised to 7 (event 10058).
    pub fn age_days_raised_from(&self) -> Option<u32> {
        match &self.setting(Setting::PasswordAgeDays).reason {
            Reason::Raised { given } => given.trim().parse().ok(),
            _ => None,
        }
    }
    /// What a password is made of.
    pub fn password_spec(&self) -> PasswordSpec {
        PasswordSpec::new(
            self.int(Setting::PasswordComplexity),
            self.int(Setting::PasswordLength),
            self.int(Setting::PassphraseLength),
        )
        .unwrap_or_default()
    }
    /// Which account is managed.
    pub fn account(&self) -> Account {
        if self.yes(Setting::AutomaticAccountManagementEnabled) {
            return Account::Automatic(AutomaticAccount {
                built_in: self.int(Setting::AutomaticAccountManagementTarget) == 0,
                name_or_prefix: self
                    .text(Setting::AutomaticAccountManagementNameOrPrefix)
                    .unwrap_or_default()
                    .to_owned(),
                randomize_name: self.yes(Setting::AutomaticAccountManagementRandomizeName),
                enable: self.yes(Setting::AutomaticAccountManagementEnableAccount),
            });
        }
        match self.text(Setting::AdministratorAccountName) {
            Some(name) => Account::Named(name.to_owned()),
            None => Account::BuiltIn,
        }
    }
    /// What happens after a sign-in; `None` when nothing does.
    pub fn post_authentication(&self) -> Option<PostAuthentication> {
        let delay_hours = self.int(Setting::PostAuthenticationResetDelay);
        let actions = self.int(Setting::PostAuthenticationActions);
        let on_a_controller =
            matches!(self.setting(Setting::PostAuthenticationActions).reason, Reason::Unused { .. } | Reason::NoPolicy);
        if delay_hours == 0 || actions == 0 || on_a_controller {
            return None;
        }
        Some(PostAuthentication {
            delay_hours,
            end_sessions: actions & 2 != 0,
            restart: actions & 4 != 0,
            end_processes: actions & 8 != 0,
        })
    }
    /// How a password is kept in Active Directory; an error stops the backup
    /// (laps-behaviour.md 2.4, rules 3 and 9).
    pub fn encryption(&self) -> Result<Encryption, EncryptionError> {
        if self.backup_directory() != BackupDirectory::Ad || !self.yes(Setting::ADPasswordEncryptionEnabled) {
            return Ok(Encryption::Off);
        }
        let principal = self.setting(Setting::ADPasswordEncryptionPrincipal);
        if let Reason::Unusable { error, .. } = &principal.reason {
            return Err(EncryptionError::Value(error.clone()));
        }
        Ok(Encryption::On {
            principal: self.text(Setting::ADPasswordEncryptionPrincipal).map(Principal::parse).transpose()?,
            history_size: self.history_size(),
        })
    }
    /// How many earlier encrypted passwords Active Directory keeps, 0 to 12.
    pub fn history_size(&self) -> u32 {
        self.int(Setting::ADEncryptedPasswordHistorySize)
    }
    /// Whether an expiry in Active Directory beyond the greatest age causes a rotation.
    pub fn protects_expiration(&self) -> bool {
        self.backup_directory() == BackupDirectory::Ad && self.yes(Setting::PasswordExpirationProtectionEnabled)
    }
    /// Whether the DSRM password of this domain controller is managed.
    pub fn backs_up_dsrm(&self) -> bool {
        self.yes(Setting::ADBackupDSRMPassword)
    }
}
