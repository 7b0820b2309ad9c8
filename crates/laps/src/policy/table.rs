//! The one table of settings.
//!
//! Adding a setting is one entry here and one name in [`Setting`]. Facts: laps-behaviour.md 1.1, 1.4, 2.2
//! to 2.5.

use super::{setting::Setting, source::Source};

/// The format of a value in the tree (OMA DM 1.2, `Format`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// A decimal number; REG_DWORD.
    Int,
    /// `true` or `false`; REG_DWORD 0 or 1.
    Bool,
    /// Text; REG_SZ.
    Chr,
}

impl Format {
    /// The name in SyncML.
    pub const fn dm_name(self) -> &'static str {
        match self {
            Self::Int => "int",
            Self::Bool => "bool",
            Self::Chr => "chr",
        }
    }
    /// The type of the registry value.
    pub const fn registry_type(self) -> &'static str {
        match self {
            Self::Int | Self::Bool => "REG_DWORD",
            Self::Chr => "REG_SZ",
        }
    }
}

/// One value of an enumeration.
#[derive(Debug)]
pub struct EnumValue {
    /// The number.
    pub value: u32,
    /// What it means.
    pub meaning: &'static str,
    /// Whether the CSP has it; the others exist in group policy and local configuration only.
    pub in_csp: bool,
}

/// What values a setting allows.
#[derive(Debug)]
pub enum Allowed {
    /// Numbers from `min` to `max`, both included.
    Range {
        /// The least.
        min: u32,
        /// The greatest.
        max: u32,
    },
    /// One of a list of numbers.
    Enum(&'static [EnumValue]),
    /// True or false.
    Bool {
        /// What false means.
        no: &'static str,
        /// What true means.
        yes: &'static str,
        /// Whether the published DDF spells the values `False` and `True`.
        capitalised: bool,
    },
    /// Printable text.
    Text {
        /// At most so many characters: the limit of the group policy template.
        chars_max: usize,
    },
}

/// The value of a setting that is not set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DefaultValue {
    /// A number.
    Int(u32),
    /// A truth value.
    Bool(bool),
    /// A text that is used although the DDF prints no default.
    Text(&'static str),
    /// None: the setting has its meaning by being absent (explained in words).
    Absent(&'static str),
}

/// What another setting must be for a setting (or a narrower range of it) to have effect.
#[derive(Debug, PartialEq, Eq)]
pub enum Condition {
    /// Equal to this number.
    Is(u32),
    /// True.
    IsTrue,
    /// A number from the first to the second.
    Within(u32, u32),
}

/// A dependency group of the DDF.
#[derive(Debug)]
pub struct Dependency {
    /// The name of the group.
    pub group: &'static str,
    /// The setting that it depends on.
    pub on: Setting,
    /// The condition on that setting.
    pub condition: Condition,
    /// When the condition holds: the range that the setting has then (`DependencyChangedAllowedValues`).
    /// Such a group narrows the range and takes no effect away.
    pub range: Option<(u32, u32)>,
}

/// The builds of the published implementation that have a node.
#[derive(Debug, PartialEq, Eq)]
pub struct Release {
    /// `MSFT:CspVersion`.
    pub csp_version: &'static str,
    /// `MSFT:OsBuildVersion`.
    pub os_builds: &'static str,
}

/// The first release of the CSP.
pub static BASE: Release = Release {
    csp_version: "1.0",
    os_builds: "10.0.25145, 10.0.22621.1480, 10.0.22000.1754, 10.0.20348.1663, 10.0.19041.2784, 10.0.17763.4244",
};
/// The release that brought passphrases and automatic account management.
pub static V1_1: Release = Release { csp_version: "1.1", os_builds: "10.0.26100" };
/// `MSFT:EditionAllowList` of the CSP.
pub const EDITIONS: &str = "0x4;0x1B;0x30;0x31;0x48;0x54;0x62;0x63;0x64;0x65;0x79;0x7A;0x7D;0x7E;0x81;0x82;0x88;0x8A;0x8B;0xA1;0xA2;0xA4;0xA5;0xAB;0xAC;0xAF;0xBC;0xBF;0xCA;0xCB;0xCD;0xCF";

/// Everything about one setting.
#[derive(Debug)]
pub struct SettingInfo {
    /// Which.
    pub setting: Setting,
    /// The published name: of the CSP node, and of the registry value.
    pub name: &'static str,
    /// A short label for people.
    pub label: &'static str,
    /// The format of its values.
    pub format: Format,
    /// What it allows.
    pub allowed: Allowed,
    /// Its default.
    pub default: DefaultValue,
    /// Its dependency groups, in the order of the DDF.
    pub dependencies: &'static [Dependency],
    /// Whether it means anything with BackupDirectory 1.
    pub entra: bool,
    /// Whether it means anything with BackupDirectory 2.
    pub ad: bool,
    /// Whether it is for domain controllers, and only for those.
    pub domain_controllers: bool,
    /// Whether it is a node of the CSP. If not: group policy and local configuration only.
    pub in_csp: bool,
    /// The name of the legacy registry value that maps to it.
    pub legacy_name: Option<&'static str>,
    /// Since when the published implementation has it.
    pub since: &'static Release,
    /// What its number counts.
    pub unit: Option<&'static str>,
    /// One sentence of help.
    pub help: &'static str,
    /// What else was published about it, one fact each.
    pub notes: &'static [&'static str],
}

impl SettingInfo {
    /// Whether a source can hold this setting.
    pub const fn is_in(&self, source: Source) -> bool {
        match source {
            Source::Csp => self.in_csp,
            Source::Gpo | Source::Local => true,
            Source::Legacy => self.legacy_name.is_some(),
        }
    }
    /// The greatest number of characters, for a text.
    pub const fn chars_max(&self) -> Option<usize> {
        match self.allowed {
            Allowed::Text { chars_max } => Some(chars_max),
            _ => None,
        }
    }
}

const AD_ONLY: &[Dependency] =
    &[Dependency { group: "BackupDirectory", on: Setting::BackupDirectory, condition: Condition::Is(2), range: None }];
const AUTOMATIC: &[Dependency] = &[Dependency {
    group: "AutomaticAccountManagementEnabled",
    on: Setting::AutomaticAccountManagementEnabled,
    condition: Condition::IsTrue,
    range: None,
}];

const fn item(value: u32, meaning: &'static str) -> EnumValue {
    EnumValue { value, meaning, in_csp: true }
}

/// All settings, in the order of the published page (the group policy one first).
pub static TABLE: [SettingInfo; 18] = [
    SettingInfo {
        setting: Setting::ADBackupDSRMPassword,
        name: "ADBackupDSRMPassword",
        label: "Back up the DSRM password",
        format: Format::Bool,
        allowed: Allowed::Bool {
            no: "The DSRM password is not managed.",
            yes: "The DSRM password of the domain controller is managed and backed up.",
            capitalised: false,
        },
        default: DefaultValue::Bool(false),
        dependencies: AD_ONLY,
        entra: false,
        ad: true,
        domain_controllers: true,
        in_csp: false,
        legacy_name: None,
        since: &BASE,
        unit: None,
        help: "Manages the directory services restore mode password of a domain controller.",
        notes: &[
            "In group policy and local configuration only; the CSP does not have it.",
            "Needs encryption; the decrypting principal is always Domain Admins of the controller's domain.",
        ],
    },
    SettingInfo {
        setting: Setting::ADEncryptedPasswordHistorySize,
        name: "ADEncryptedPasswordHistorySize",
        label: "Size of the encrypted password history",
        format: Format::Int,
        allowed: Allowed::Range { min: 0, max: 12 },
        default: DefaultValue::Int(0),
        dependencies: AD_ONLY,
        entra: false,
        ad: true,
        domain_controllers: false,
        in_csp: true,
        legacy_name: None,
        since: &BASE,
        unit: Some("passwords"),
        help: "How many earlier encrypted passwords Active Directory keeps.",
        notes: &["Ignored while encryption is off: clear text keeps no history."],
    },
    SettingInfo {
        setting: Setting::AdministratorAccountName,
        name: "AdministratorAccountName",
        label: "Name of the managed account",
        format: Format::Chr,
        allowed: Allowed::Text { chars_max: 64 },
        default: DefaultValue::Absent("the built-in administrator, whatever its name"),
        dependencies: &[],
        entra: true,
        ad: true,
        domain_controllers: false,
        in_csp: true,
        legacy_name: Some("AdminAccountName"),
        since: &BASE,
        unit: None,
        help: "The local account whose password is managed, instead of the built-in administrator.",
        notes: &[
            "The account must exist; naming it does not create it (event 10013 when it is missing).",
            "Ignored while automatic account management is on.",
            "Blanks at the ends are part of the name.",
        ],
    },
    SettingInfo {
        setting: Setting::ADPasswordEncryptionEnabled,
        name: "ADPasswordEncryptionEnabled",
        label: "Encrypt the password in Active Directory",
        format: Format::Bool,
        allowed: Allowed::Bool {
            no: "The password is stored in clear in Active Directory.",
            yes: "The password is stored encrypted in Active Directory.",
            capitalised: false,
        },
        default: DefaultValue::Bool(true),
        dependencies: AD_ONLY,
        entra: false,
        ad: true,
        domain_controllers: false,
        in_csp: true,
        legacy_name: None,
        since: &BASE,
        unit: None,
        help: "Whether the password is encrypted before it is stored in Active Directory.",
        notes: &[
            "Needs the domain functional level 2016; below it nothing is backed up (event 10006).",
            "The default was false in the first published DDF (2022).",
        ],
    },
    SettingInfo {
        setting: Setting::ADPasswordEncryptionPrincipal,
        name: "ADPasswordEncryptionPrincipal",
        label: "Who may decrypt the password",
        format: Format::Chr,
        allowed: Allowed::Text { chars_max: 128 },
        default: DefaultValue::Absent("Domain Admins of the machine's domain"),
        dependencies: AD_ONLY,
        entra: false,
        ad: true,
        domain_controllers: false,
        in_csp: true,
        legacy_name: None,
        since: &BASE,
        unit: None,
        help: "The user or group that can decrypt the password: a SID, DOMAIN\\name or name@domain.",
        notes: &[
            "Ignored while encryption is off.",
            "A name without a domain is refused (event 10034); one that cannot be resolved stops the backup (event 10035).",
            "Taken literally: no quotation marks.",
        ],
    },
    SettingInfo {
        setting: Setting::AutomaticAccountManagementEnableAccount,
        name: "AutomaticAccountManagementEnableAccount",
        label: "Enable the automatically managed account",
        format: Format::Bool,
        allowed: Allowed::Bool {
            no: "The managed account is kept disabled.",
            yes: "The managed account is kept enabled.",
            capitalised: true,
        },
        default: DefaultValue::Bool(false),
        dependencies: AUTOMATIC,
        entra: true,
        ad: true,
        domain_controllers: false,
        in_csp: true,
        legacy_name: None,
        since: &V1_1,
        unit: None,
        help: "Whether the automatically managed account is enabled or disabled.",
        notes: &["Enforced at each cycle."],
    },
    SettingInfo {
        setting: Setting::AutomaticAccountManagementEnabled,
        name: "AutomaticAccountManagementEnabled",
        label: "Manage the account automatically",
        format: Format::Bool,
        allowed: Allowed::Bool {
            no: "The account is made and configured by other means; only its password is managed.",
            yes: "The whole account is managed.",
            capitalised: false,
        },
        default: DefaultValue::Bool(false),
        dependencies: &[],
        entra: true,
        ad: true,
        domain_controllers: false,
        in_csp: true,
        legacy_name: None,
        since: &V1_1,
        unit: None,
        help: "Whether the managed account itself is created, named, enabled and kept in Administrators.",
        notes: &["While on, AdministratorAccountName is ignored."],
    },
    SettingInfo {
        setting: Setting::AutomaticAccountManagementNameOrPrefix,
        name: "AutomaticAccountManagementNameOrPrefix",
        label: "Name or prefix of the automatically managed account",
        format: Format::Chr,
        allowed: Allowed::Text { chars_max: 20 },
        default: DefaultValue::Text("WLapsAdmin"),
        dependencies: AUTOMATIC,
        entra: true,
        ad: true,
        domain_controllers: false,
        in_csp: true,
        legacy_name: None,
        since: &V1_1,
        unit: None,
        help: "The name of the automatically managed account, or its prefix when names are randomised.",
        notes: &["With a random suffix of six digits the prefix is cut to 14 characters."],
    },
    SettingInfo {
        setting: Setting::AutomaticAccountManagementRandomizeName,
        name: "AutomaticAccountManagementRandomizeName",
        label: "Randomise the name of the automatically managed account",
        format: Format::Bool,
        allowed: Allowed::Bool {
            no: "The name has no random suffix.",
            yes: "The name gets a new random numeric suffix at each rotation.",
            capitalised: true,
        },
        default: DefaultValue::Bool(false),
        dependencies: AUTOMATIC,
        entra: true,
        ad: true,
        domain_controllers: false,
        in_csp: true,
        legacy_name: None,
        since: &V1_1,
        unit: None,
        help: "Whether the automatically managed account gets a random numeric suffix at each rotation.",
        notes: &[],
    },
    SettingInfo {
        setting: Setting::AutomaticAccountManagementTarget,
        name: "AutomaticAccountManagementTarget",
        label: "Which account is managed automatically",
        format: Format::Int,
        allowed: Allowed::Enum(&[
            item(0, "The built-in administrator is managed."),
            item(1, "A new account is made and managed."),
        ]),
        default: DefaultValue::Int(1),
        dependencies: AUTOMATIC,
        entra: true,
        ad: true,
        domain_controllers: false,
        in_csp: true,
        legacy_name: None,
        since: &V1_1,
        unit: None,
        help: "Whether automatic management takes the built-in administrator or an account of its own.",
        notes: &[],
    },
    SettingInfo {
        setting: Setting::BackupDirectory,
        name: "BackupDirectory",
        label: "Backup directory",
        format: Format::Int,
        allowed: Allowed::Enum(&[
            item(0, "Disabled: the password is not backed up."),
            item(1, "The password is backed up to Microsoft Entra ID (a Lapwing server) only."),
            item(2, "The password is backed up to Active Directory only."),
        ]),
        default: DefaultValue::Int(0),
        dependencies: &[],
        entra: true,
        ad: true,
        domain_controllers: false,
        in_csp: true,
        legacy_name: None,
        since: &BASE,
        unit: None,
        help: "The directory that the password is backed up to; 0 turns everything off.",
        notes: &[
            "With 0, or when it is absent, every other setting is ignored.",
            "1 needs an Entra or hybrid join, 2 an Active Directory or hybrid join.",
        ],
    },
    SettingInfo {
        setting: Setting::PassphraseLength,
        name: "PassphraseLength",
        label: "Words of a passphrase",
        format: Format::Int,
        allowed: Allowed::Range { min: 3, max: 10 },
        default: DefaultValue::Int(6),
        dependencies: &[Dependency {
            group: "PasswordComplexity",
            on: Setting::PasswordComplexity,
            condition: Condition::Within(6, 8),
            range: None,
        }],
        entra: true,
        ad: true,
        domain_controllers: false,
        in_csp: true,
        legacy_name: None,
        since: &V1_1,
        unit: Some("words"),
        help: "How many words a passphrase has.",
        notes: &["Used with PasswordComplexity 6 to 8 only."],
    },
    SettingInfo {
        setting: Setting::PasswordAgeDays,
        name: "PasswordAgeDays",
        label: "Greatest age of a password",
        format: Format::Int,
        allowed: Allowed::Range { min: 1, max: 365 },
        default: DefaultValue::Int(30),
        dependencies: &[
            Dependency {
                group: "BackupDirectoryAADMode",
                on: Setting::BackupDirectory,
                condition: Condition::Is(1),
                range: Some((7, 365)),
            },
            Dependency {
                group: "BackupDirectoryADMode",
                on: Setting::BackupDirectory,
                condition: Condition::Is(2),
                range: Some((1, 365)),
            },
        ],
        entra: true,
        ad: true,
        domain_controllers: false,
        in_csp: true,
        legacy_name: Some("PasswordAgeDays"),
        since: &BASE,
        unit: Some("days"),
        help: "After how many days the password is replaced.",
        notes: &[
            "At least 7 with BackupDirectory 1; a smaller number by any other path becomes 7 (event 10058).",
            "A change counts from the next rotation on; it neither moves an expiry nor causes a rotation.",
        ],
    },
    SettingInfo {
        setting: Setting::PasswordComplexity,
        name: "PasswordComplexity",
        label: "Complexity of the password",
        format: Format::Int,
        allowed: Allowed::Enum(&[
            item(1, "Upper-case letters."),
            item(2, "Upper-case and lower-case letters."),
            item(3, "Upper-case and lower-case letters, digits."),
            item(4, "Upper-case and lower-case letters, digits, special characters."),
            item(5, "As 4, from characters that are easy to tell apart."),
            item(6, "A passphrase of long words."),
            item(7, "A passphrase of short words."),
            item(8, "A passphrase of short words with unique prefixes."),
        ]),
        default: DefaultValue::Int(4),
        dependencies: &[],
        entra: true,
        ad: true,
        domain_controllers: false,
        in_csp: true,
        legacy_name: Some("PasswordComplexity"),
        since: &BASE,
        unit: None,
        help: "What a password is made of.",
        notes: &[
            "1, 2 and 3 exist for compatibility with older versions; 4 or more is recommended.",
            "On Windows 5 to 8 need Windows 11 24H2 or Windows Server 2025; older ones use 4. Lapwing has them everywhere.",
            "The word lists are the Electronic Frontier Foundation's, under CC BY 3.0 US.",
        ],
    },
    SettingInfo {
        setting: Setting::PasswordExpirationProtectionEnabled,
        name: "PasswordExpirationProtectionEnabled",
        label: "Expiration protection",
        format: Format::Bool,
        allowed: Allowed::Bool {
            no: "The expiry in the directory may lie beyond the greatest age.",
            yes: "An expiry in the directory beyond the greatest age causes a rotation at once.",
            capitalised: false,
        },
        default: DefaultValue::Bool(true),
        dependencies: AD_ONLY,
        entra: false,
        ad: true,
        domain_controllers: false,
        in_csp: true,
        legacy_name: Some("PwdExpirationProtectionEnabled"),
        since: &BASE,
        unit: None,
        help: "Refuses an expiry in the directory that lies farther ahead than PasswordAgeDays.",
        notes: &["The default is false in a legacy LAPS policy."],
    },
    SettingInfo {
        setting: Setting::PasswordLength,
        name: "PasswordLength",
        label: "Characters of a password",
        format: Format::Int,
        allowed: Allowed::Range { min: 8, max: 64 },
        default: DefaultValue::Int(14),
        dependencies: &[Dependency {
            group: "PasswordComplexity",
            on: Setting::PasswordComplexity,
            condition: Condition::Within(1, 5),
            range: None,
        }],
        entra: true,
        ad: true,
        domain_controllers: false,
        in_csp: true,
        legacy_name: Some("PasswordLength"),
        since: &BASE,
        unit: Some("characters"),
        help: "How many characters a password has.",
        notes: &["Used with PasswordComplexity 1 to 5 only."],
    },
    SettingInfo {
        setting: Setting::PostAuthenticationActions,
        name: "PostAuthenticationActions",
        label: "Actions after a sign-in",
        format: Format::Int,
        allowed: Allowed::Enum(&[
            EnumValue { value: 0, meaning: "Nothing is done.", in_csp: false },
            item(1, "The password is replaced."),
            item(3, "The password is replaced and the account's sessions are ended."),
            item(5, "The password is replaced and the machine is restarted."),
            item(11, "As 3, and whatever still runs as the account is ended."),
        ]),
        default: DefaultValue::Int(3),
        dependencies: &[],
        entra: true,
        ad: true,
        domain_controllers: false,
        in_csp: true,
        legacy_name: None,
        since: &BASE,
        unit: None,
        help: "What is done when the delay after a sign-in with the managed account is over.",
        notes: &[
            "Sessions get two minutes, a restart one minute; neither can be configured.",
            "0 exists in group policy and local configuration only.",
            "On Windows the value 11 needs Windows 11 24H2 or Windows Server 2025.",
        ],
    },
    SettingInfo {
        setting: Setting::PostAuthenticationResetDelay,
        name: "PostAuthenticationResetDelay",
        label: "Delay of the actions after a sign-in",
        format: Format::Int,
        allowed: Allowed::Range { min: 0, max: 24 },
        default: DefaultValue::Int(24),
        dependencies: &[],
        entra: true,
        ad: true,
        domain_controllers: false,
        in_csp: true,
        legacy_name: None,
        since: &BASE,
        unit: Some("hours"),
        help: "How many hours after a sign-in with the managed account the actions are taken.",
        notes: &["0 turns the actions off."],
    },
];
