//! The policy in force: one source wins whole, and every setting says why it is what it is.

use super::{
    AGE_DAYS_MIN_ENTRA,
    info::{Condition, DefaultValue, SettingInfo},
    set::{Given, PolicySet},
    setting::Setting,
    source::{BackupDirectory, JoinState, Source},
    value::{Value, ValueError},
};
use core::fmt;

/// Why a setting has no effect although the winning source may set it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Unused {
    /// BackupDirectory is 0.
    Disabled,
    /// It means nothing in this directory.
    Directory(BackupDirectory),
    /// The machine is not joined to the directory that the policy names.
    JoinState(JoinState),
    /// PasswordComplexity makes passwords of another kind.
    Complexity(u32),
    /// Encryption is off.
    EncryptionOff,
    /// Automatic account management is off.
    AutomaticOff,
    /// Automatic account management is on.
    AutomaticOn,
    /// For domain controllers only.
    NotADomainController,
    /// Not for domain controllers.
    DomainController,
}

impl fmt::Display for Unused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Disabled => f.write_str("BackupDirectory is 0"),
            Self::Directory(directory) => write!(f, "it has no meaning in {directory}"),
            Self::JoinState(join) => write!(f, "the machine is {join}"),
            Self::Complexity(number) => write!(f, "PasswordComplexity is {number}"),
            Self::EncryptionOff => f.write_str("ADPasswordEncryptionEnabled is false"),
            Self::AutomaticOff => f.write_str("AutomaticAccountManagementEnabled is false"),
            Self::AutomaticOn => f.write_str("AutomaticAccountManagementEnabled is true"),
            Self::NotADomainController => f.write_str("the machine is not a domain controller"),
            Self::DomainController => f.write_str("the machine is a domain controller"),
        }
    }
}

/// Why a setting has the value that it has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// The winning source sets it.
    Explicit,
    /// The winning source means it without naming it.
    Implied,
    /// The winning source does not set it (or sets it to nothing): the default.
    NotSet,
    /// No source sets anything: the default.
    NoPolicy,
    /// What the winning source says is not an allowed value: the default (laps-behaviour.md 2.4, rule 1).
    BadValue {
        /// As given.
        given: String,
        /// What is wrong.
        error: ValueError,
    },
    /// A value that is not allowed and has no default to fall back to: the backup stops (rule 3).
    Unusable {
        /// As given.
        given: String,
        /// What is wrong.
        error: ValueError,
    },
    /// PasswordAgeDays below 7 with BackupDirectory 1: 7 (rule 2, event 10058).
    Raised {
        /// As given.
        given: String,
    },
    /// It has no effect here: the default.
    Unused {
        /// As given, if the winning source sets it.
        given: Option<String>,
        /// Why.
        because: Unused,
    },
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Explicit => f.write_str("set"),
            Self::Implied => f.write_str("meant by the source"),
            Self::NotSet => f.write_str("default: not set"),
            Self::NoPolicy => f.write_str("default: there is no policy"),
            Self::BadValue { given, error } => write!(f, "default: \"{given}\" is {error}"),
            Self::Unusable { given, error } => {
                write!(f, "stops the backup: \"{given}\" is {error}")
            }
            Self::Raised { given } => {
                write!(f, "raised from {given}: at least {AGE_DAYS_MIN_ENTRA} with BackupDirectory 1")
            }
            Self::Unused { given: None, because } => write!(f, "no effect: {because}"),
            Self::Unused { given: Some(given), because } => write!(f, "\"{given}\" has no effect: {because}"),
        }
    }
}

/// One setting of the policy in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EffectiveSetting {
    /// Which.
    pub setting: Setting,
    /// Its value; `None` when it is absent and means something by that (see its [`DefaultValue`]).
    pub value: Option<Value>,
    /// The source of the value; `None` for defaults.
    pub source: Option<Source>,
    /// Why it has this value.
    pub reason: Reason,
    /// What weaker sources say about it, and that is ignored because the winner wins whole.
    pub overridden: Vec<(Source, Given)>,
}

/// Whether a policy makes this machine manage an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Management {
    /// No source sets anything (event 10007).
    NoPolicy,
    /// BackupDirectory is 0 (event 10024).
    Disabled,
    /// The machine is not joined to the directory that the policy names (event 10007).
    JoinStateDoesNotFit {
        /// What the policy names.
        directory: BackupDirectory,
        /// What the machine is.
        join: JoinState,
    },
    /// A domain controller whose policy does not ask for its DSRM account (event 10008).
    DomainController,
    /// The DSRM account of a domain controller.
    Dsrm,
    /// A local account.
    Managed(BackupDirectory),
}

/// The policy in force on one machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EffectivePolicy {
    source: Option<Source>,
    overridden: Vec<Source>,
    join: JoinState,
    settings: Vec<EffectiveSetting>,
}

impl EffectivePolicy {
    /// The first source, in the order of [`Source::ALL`], that says anything wins whole; the order of
    /// `sets` does not matter.
    pub fn resolve(sets: &[PolicySet], join: JoinState) -> Self {
        let mut by_strength: Vec<&PolicySet> = sets.iter().filter(|set| !set.is_empty()).collect();
        by_strength.sort_by_key(|set| set.source());
        let (winner, losers) = match by_strength.split_first() {
            Some((winner, losers)) => (Some(*winner), losers),
            None => (None, &[][..]),
        };
        let facts = Facts::of(winner, join);
        let settings = Setting::all()
            .map(|setting| {
                let (value, source, reason) = facts.judge(setting.info(), winner);
                EffectiveSetting {
                    setting,
                    value,
                    source,
                    reason,
                    overridden: losers
                        .iter()
                        .filter_map(|set| Some((set.source(), set.get(setting)?.clone())))
                        .collect(),
                }
            })
            .collect();
        Self {
            source: winner.map(PolicySet::source),
            overridden: losers.iter().map(|set| set.source()).collect(),
            join,
            settings,
        }
    }

    /// The source that won; `None` when no source says anything.
    pub fn source(&self) -> Option<Source> {
        self.source
    }
    /// The sources that say something and are ignored.
    pub fn overridden_sources(&self) -> &[Source] {
        &self.overridden
    }
    /// What the machine is joined to, as it was told.
    pub fn join_state(&self) -> JoinState {
        self.join
    }
    /// Every setting, in the order of the table.
    pub fn settings(&self) -> &[EffectiveSetting] {
        &self.settings
    }
    /// One setting.
    pub fn setting(&self, setting: Setting) -> &EffectiveSetting {
        &self.settings[setting as usize]
    }
    /// Whether an account is managed, and if not, why.
    pub fn management(&self) -> Management {
        let directory = self.backup_directory();
        if self.source.is_none() {
            Management::NoPolicy
        } else if directory == BackupDirectory::Disabled {
            Management::Disabled
        } else if self.join == JoinState::DomainController {
            if directory == BackupDirectory::Ad && self.backs_up_dsrm() {
                Management::Dsrm
            } else {
                Management::DomainController
            }
        } else if self.join.allows(directory) {
            Management::Managed(directory)
        } else {
            Management::JoinStateDoesNotFit { directory, join: self.join }
        }
    }
}

/// What settings depend on, read from the winning source before anything is ignored.
struct Facts {
    policy: bool,
    directory: BackupDirectory,
    join: JoinState,
    complexity: u32,
    automatic: bool,
    encrypted: bool,
}

impl Facts {
    fn of(winner: Option<&PolicySet>, join: JoinState) -> Self {
        let value = |setting: Setting| match winner.and_then(|set| set.get(setting)) {
            Some(Given::Value(value) | Given::Implied(value)) => Some(value.clone()),
            _ => default_of(setting.info(), winner.map(PolicySet::source)),
        };
        let int = |setting| value(setting).as_ref().and_then(Value::as_int).unwrap_or(0);
        let yes = |setting| value(setting).as_ref().and_then(Value::as_bool).unwrap_or(false);
        Self {
            policy: winner.is_some(),
            directory: BackupDirectory::from_number(int(Setting::BackupDirectory)).unwrap_or_default(),
            join,
            complexity: int(Setting::PasswordComplexity),
            automatic: yes(Setting::AutomaticAccountManagementEnabled),
            encrypted: yes(Setting::ADPasswordEncryptionEnabled),
        }
    }

    fn judge(&self, info: &SettingInfo, winner: Option<&PolicySet>) -> (Option<Value>, Option<Source>, Reason) {
        let source = winner.map(PolicySet::source);
        let default = default_of(info, source);
        if !self.policy {
            return (default, None, Reason::NoPolicy);
        }
        let given = winner.and_then(|set| set.get(info.setting));
        if let Some(because) = self.unused(info) {
            let given = given.map(|given| match given {
                Given::Value(value) | Given::Implied(value) => value.to_string(),
                Given::Bad { text, .. } => text.clone(),
            });
            return (default, None, Reason::Unused { given, because });
        }
        let raised = |text: &str| {
            info.setting == Setting::PasswordAgeDays
                && self.directory == BackupDirectory::Entra
                && text.trim().parse().is_ok_and(|age: u32| age < AGE_DAYS_MIN_ENTRA)
        };
        match given {
            None => (default, None, Reason::NotSet),
            Some(Given::Value(value)) if value.as_text().is_some_and(|text| text.trim().is_empty()) => {
                (default, None, Reason::NotSet)
            }
            Some(Given::Value(value)) if raised(&value.to_string()) => {
                (Some(Value::Int(AGE_DAYS_MIN_ENTRA)), source, Reason::Raised { given: value.to_string() })
            }
            Some(Given::Bad { text, .. }) if raised(text) => {
                (Some(Value::Int(AGE_DAYS_MIN_ENTRA)), source, Reason::Raised { given: text.clone() })
            }
            Some(Given::Value(value)) => (Some(value.clone()), source, Reason::Explicit),
            Some(Given::Implied(value)) => (Some(value.clone()), source, Reason::Implied),
            Some(Given::Bad { text, error }) if info.setting == Setting::ADPasswordEncryptionPrincipal => {
                let reason = Reason::Unusable { given: text.clone(), error: error.clone() };
                (None, source, reason)
            }
            Some(Given::Bad { text, error }) => {
                let reason = Reason::BadValue { given: text.clone(), error: error.clone() };
                (default, None, reason)
            }
        }
    }

    /// Why a setting has no effect here, if it has none.
    fn unused(&self, info: &SettingInfo) -> Option<Unused> {
        if info.setting == Setting::BackupDirectory {
            return None;
        }
        if self.directory == BackupDirectory::Disabled {
            return Some(Unused::Disabled);
        }
        let has_meaning = match self.directory {
            BackupDirectory::Entra => info.entra,
            _ => info.ad,
        };
        if !has_meaning {
            return Some(Unused::Directory(self.directory));
        }
        if !info.entra && !self.join.allows(self.directory) {
            return Some(Unused::JoinState(self.join));
        }
        match (info.domain_controllers, self.join) {
            (true, join) if join != JoinState::DomainController => {
                return Some(Unused::NotADomainController);
            }
            (false, JoinState::DomainController) if FOR_LOCAL_ACCOUNTS.contains(&info.setting) => {
                return Some(Unused::DomainController);
            }
            _ => {}
        }
        for dependency in info.dependencies.iter().filter(|group| group.range.is_none()) {
            match (dependency.on, &dependency.condition) {
                (Setting::PasswordComplexity, Condition::Within(min, max))
                    if !(min..=max).contains(&&self.complexity) =>
                {
                    return Some(Unused::Complexity(self.complexity));
                }
                (Setting::AutomaticAccountManagementEnabled, Condition::IsTrue) if !self.automatic => {
                    return Some(Unused::AutomaticOff);
                }
                _ => {} // BackupDirectory groups say the same as `entra` and `ad`
            }
        }
        match info.setting {
            Setting::AdministratorAccountName if self.automatic => Some(Unused::AutomaticOn),
            Setting::ADPasswordEncryptionPrincipal | Setting::ADEncryptedPasswordHistorySize if !self.encrypted => {
                Some(Unused::EncryptionOff)
            }
            _ => None,
        }
    }
}

/// Settings that mean nothing for the DSRM account (laps-behaviour.md 2.4 rule 8, 5.1, 6).
const FOR_LOCAL_ACCOUNTS: [Setting; 9] = [
    Setting::AdministratorAccountName,
    Setting::ADPasswordEncryptionPrincipal,
    Setting::AutomaticAccountManagementEnableAccount,
    Setting::AutomaticAccountManagementEnabled,
    Setting::AutomaticAccountManagementNameOrPrefix,
    Setting::AutomaticAccountManagementRandomizeName,
    Setting::AutomaticAccountManagementTarget,
    Setting::PostAuthenticationActions,
    Setting::PostAuthenticationResetDelay,
];

/// The default of a setting when this source wins.
fn default_of(info: &SettingInfo, source: Option<Source>) -> Option<Value> {
    if source == Some(Source::Legacy) && info.setting == Setting::PasswordExpirationProtectionEnabled {
        return Some(Value::Bool(false)); // laps-behaviour.md 2.5
    }
    match info.default {
        DefaultValue::Int(number) => Some(Value::Int(number)),
        DefaultValue::Bool(yes) => Some(Value::Bool(yes)),
        DefaultValue::Text(text) => Some(Value::Text(text.to_owned())),
        DefaultValue::Absent(_) => None,
    }
}

#[cfg(test)]
#[path = "effective_tests.rs"]
mod tests;
