//! Where policy comes from, where passwords go, and what a machine is joined to.

use core::fmt;

/// A source of policy, in the order of precedence (laps-behaviour.md 2.1): the first that holds one
/// explicit value wins whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    /// The configuration tree that a management server writes.
    Csp,
    /// Group policy.
    Gpo,
    /// Configuration on the machine itself.
    Local,
    /// The policy of legacy Microsoft LAPS, emulated.
    Legacy,
}

impl Source {
    /// All sources, the strongest first.
    pub const ALL: [Self; 4] = [Self::Csp, Self::Gpo, Self::Local, Self::Legacy];

    /// As events and the command line print it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Csp => "CSP",
            Self::Gpo => "GPO",
            Self::Local => "Local",
            Self::Legacy => "Legacy LAPS",
        }
    }
    /// The registry key under HKEY_LOCAL_MACHINE (laps-behaviour.md 2.1).
    pub const fn registry_key(self) -> &'static str {
        match self {
            Self::Csp => r"Software\Microsoft\Policies\LAPS",
            Self::Gpo => r"Software\Microsoft\Windows\CurrentVersion\Policies\LAPS",
            Self::Local => r"Software\Microsoft\Windows\CurrentVersion\LAPS\Config",
            Self::Legacy => r"Software\Policies\Microsoft Services\AdmPwd",
        }
    }
}
impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The directory that holds the password (setting BackupDirectory).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum BackupDirectory {
    /// 0: nothing is backed up, every other setting is ignored.
    #[default]
    Disabled = 0,
    /// 1: Microsoft Entra ID, here the Lapwing server.
    Entra = 1,
    /// 2: Active Directory.
    Ad = 2,
}

impl BackupDirectory {
    /// From the number of the setting.
    pub const fn from_number(number: u32) -> Option<Self> {
        match number {
            0 => Some(Self::Disabled),
            1 => Some(Self::Entra),
            2 => Some(Self::Ad),
            _ => None,
        }
    }
    /// As people read it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Disabled => "disabled",
            Self::Entra => "Entra ID",
            Self::Ad => "Active Directory",
        }
    }
}
impl fmt::Display for BackupDirectory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What a machine is joined to (laps-behaviour.md 2.3).
///
/// Joined to a Lapwing server counts as [`JoinState::Entra`], a machine keytab as [`JoinState::Ad`],
/// both as [`JoinState::Hybrid`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum JoinState {
    /// Not joined.
    #[default]
    None,
    /// Entra-joined only.
    Entra,
    /// Joined to both.
    Hybrid,
    /// Joined to Active Directory only.
    Ad,
    /// Entra-registered: not supported.
    Workplace,
    /// A domain controller: only its DSRM account can be managed.
    DomainController,
}

impl JoinState {
    /// All join states.
    pub const ALL: [Self; 6] =
        [Self::None, Self::Entra, Self::Hybrid, Self::Ad, Self::Workplace, Self::DomainController];

    /// Whether a machine in this state can back up to this directory. `Disabled` needs no join.
    pub const fn allows(self, directory: BackupDirectory) -> bool {
        match directory {
            BackupDirectory::Disabled => true,
            BackupDirectory::Entra => matches!(self, Self::Entra | Self::Hybrid),
            BackupDirectory::Ad => matches!(self, Self::Hybrid | Self::Ad | Self::DomainController),
        }
    }
    /// As people read it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "not joined",
            Self::Entra => "Entra-joined",
            Self::Hybrid => "hybrid-joined",
            Self::Ad => "AD-joined",
            Self::Workplace => "workplace-joined",
            Self::DomainController => "domain controller",
        }
    }
}
impl fmt::Display for JoinState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use BackupDirectory::{Ad, Disabled, Entra};

    /// The join-state table of laps-behaviour.md 2.3, row by row.
    #[test]
    fn join_states_allow_their_directories() {
        for (state, entra, ad) in [
            (JoinState::Entra, true, false),
            (JoinState::Hybrid, true, true),
            (JoinState::Ad, false, true),
            (JoinState::Workplace, false, false),
            (JoinState::DomainController, false, true),
            (JoinState::None, false, false),
        ] {
            assert_eq!(state.allows(Entra), entra, "{state}");
            assert_eq!(state.allows(Ad), ad, "{state}");
            assert!(state.allows(Disabled));
        }
    }
}
