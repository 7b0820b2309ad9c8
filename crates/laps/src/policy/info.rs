//! What the table says about a setting and about an action.

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

/// Everything about an action. Actions exist in the CSP only.
#[derive(Debug)]
pub struct ActionInfo {
    /// The published name: of the CSP node below `Actions`.
    pub name: &'static str,
    /// The format of its value; `None` for a node without one (`null`).
    pub format: Option<Format>,
    /// Its value before anything happened.
    pub default: Option<&'static str>,
    /// Whether it is run with Exec; otherwise it is read with Get.
    pub exec: bool,
    /// Since when the published implementation has it.
    pub since: &'static Release,
    /// One sentence of help.
    pub help: &'static str,
}
