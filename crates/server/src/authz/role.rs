//! The built-in roles: Entra's names and template ids, and what each allows here.

use super::{Action, Target};
use laps::id::GroupId;

/// A built-in role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Everything; made by `lapwingd init`.
    GlobalAdministrator,
    /// Policy and rotation; reads passwords (laps-behaviour.md 8.3).
    IntuneAdministrator,
    /// Devices and their passwords.
    CloudDeviceAdministrator,
    /// Metadata only.
    HelpdeskAdministrator,
    /// Metadata and the audit log.
    SecurityReader,
}

impl Role {
    /// Every role, in the order of the matrix.
    pub const ALL: &'static [Self] = &[
        Self::GlobalAdministrator,
        Self::IntuneAdministrator,
        Self::CloudDeviceAdministrator,
        Self::HelpdeskAdministrator,
        Self::SecurityReader,
    ];

    /// Entra's display name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::GlobalAdministrator => "Global Administrator",
            Self::IntuneAdministrator => "Intune Administrator",
            Self::CloudDeviceAdministrator => "Cloud Device Administrator",
            Self::HelpdeskAdministrator => "Helpdesk Administrator",
            Self::SecurityReader => "Security Reader",
        }
    }

    /// Entra's template id: the value in the claim `wids`.
    pub const fn template_id(self) -> &'static str {
        match self {
            Self::GlobalAdministrator => "62e90394-69f5-4237-9190-012177145e10",
            Self::IntuneAdministrator => "3a2c62db-5318-420d-8d74-23affee5d9d5",
            Self::CloudDeviceAdministrator => "7698a772-787b-4ac8-901f-60d6b08affd2",
            Self::HelpdeskAdministrator => "729827e3-9c14-49f7-bb1b-9608f156bbb8",
            Self::SecurityReader => "5d6b6bb7-de71-4623-b4af-96380a352509",
        }
    }

    /// A role by its name or template id; case, spaces, hyphens and underscores do not matter.
    pub fn parse(text: &str) -> Option<Self> {
        let plain = |text: &str| -> String {
            text.chars().filter(|c| c.is_ascii_alphanumeric()).map(|c| c.to_ascii_lowercase()).collect()
        };
        let wanted = plain(text);
        Self::ALL.iter().copied().find(|role| plain(role.name()) == wanted || plain(role.template_id()) == wanted)
    }

    /// Whether the role allows an action.
    pub const fn allows(self, action: Action) -> bool {
        use Action as A;
        // What every role may see.
        if matches!(
            action,
            A::CredentialRead
                | A::DeviceRead
                | A::RegistrationPolicyRead
                | A::PolicyRead
                | A::GroupRead
                | A::Explain
                | A::SettingsRead
                | A::OrganizationRead
        ) {
            return true;
        }
        match self {
            Self::GlobalAdministrator => !matches!(action, A::DeviceSpeak),
            Self::IntuneAdministrator => matches!(
                action,
                A::CredentialReveal
                    | A::AccessApprove
                    | A::Rotate
                    | A::Revoke
                    | A::PolicyWrite
                    | A::GroupWrite
                    | A::JoinTokenRead
                    | A::JoinTokenWrite
            ),
            Self::CloudDeviceAdministrator => matches!(
                action,
                A::CredentialReveal
                    | A::AccessApprove
                    | A::BreakGlass
                    | A::DeviceEnable
                    | A::DeviceDelete
                    | A::RegistrationPolicyWrite
                    | A::GroupWrite
                    | A::JoinTokenRead
                    | A::JoinTokenWrite
            ),
            Self::HelpdeskAdministrator => false,
            Self::SecurityReader => matches!(action, A::AuditRead | A::PeopleRead | A::MetricsRead),
        }
    }
}

/// Where a role counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RoleScope {
    /// Everywhere.
    Tenant,
    /// For the devices of one group.
    Group(GroupId),
}

impl RoleScope {
    /// Whether it covers a target.
    pub fn covers(self, target: Target<'_>) -> bool {
        match (self, target) {
            (Self::Tenant, _) => true,
            (Self::Group(group), Target::Device(groups)) => groups.contains(&group),
            (Self::Group(_), Target::Tenant) => false,
        }
    }
}

/// A role that somebody has, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Assignment {
    /// The role.
    pub role: Role,
    /// Where it counts.
    pub scope: RoleScope,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_ids_find_their_role() {
        for role in Role::ALL {
            assert_eq!(Role::parse(role.name()), Some(*role));
            assert_eq!(Role::parse(role.template_id()), Some(*role));
        }
        assert_eq!(Role::parse("cloud-device_administrator"), Some(Role::CloudDeviceAdministrator));
        assert_eq!(Role::parse("root"), None);
    }
}
