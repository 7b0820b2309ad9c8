//! Roles: the built-in ones with Entra's names and template ids, and those that people make.

use super::{Action, Actions, Target};
use laps::id::{GroupId, RoleId};

/// A built-in role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BuiltIn {
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
    /// As Security Reader: what Entra adds for this role has no counterpart here.
    SecurityAdministrator,
    /// Sees everything, reads no password, changes nothing.
    GlobalReader,
    /// Finds a device and reads its password, nothing else: for a help desk (field.md D.29). Not one of Entra's.
    PasswordReader,
}

impl BuiltIn {
    /// Every role, in the order of the matrix.
    pub const ALL: &'static [Self] = &[
        Self::GlobalAdministrator,
        Self::IntuneAdministrator,
        Self::CloudDeviceAdministrator,
        Self::HelpdeskAdministrator,
        Self::SecurityReader,
        Self::SecurityAdministrator,
        Self::GlobalReader,
        Self::PasswordReader,
    ];

    /// Its display name: Entra's where Entra has it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::GlobalAdministrator => "Global Administrator",
            Self::IntuneAdministrator => "Intune Administrator",
            Self::CloudDeviceAdministrator => "Cloud Device Administrator",
            Self::HelpdeskAdministrator => "Helpdesk Administrator",
            Self::SecurityReader => "Security Reader",
            Self::SecurityAdministrator => "Security Administrator",
            Self::GlobalReader => "Global Reader",
            Self::PasswordReader => "LAPS Password Reader",
        }
    }

    /// Its template id: the value in the claim `wids`.
    pub const fn template_id(self) -> &'static str {
        match self {
            Self::GlobalAdministrator => "62e90394-69f5-4237-9190-012177145e10",
            Self::IntuneAdministrator => "3a2c62db-5318-420d-8d74-23affee5d9d5",
            Self::CloudDeviceAdministrator => "7698a772-787b-4ac8-901f-60d6b08affd2",
            Self::HelpdeskAdministrator => "729827e3-9c14-49f7-bb1b-9608f156bbb8",
            Self::SecurityReader => "5d6b6bb7-de71-4623-b4af-96380a352509",
            Self::SecurityAdministrator => "194ae4cb-b126-40b2-bd5b-6091b380977d",
            Self::GlobalReader => "f2ef992c-3afb-46b9-b7cf-a126ee74c451",
            Self::PasswordReader => "6c617077-696e-4700-8000-000000000001",
        }
    }

    /// The template id as an id.
    pub fn id(self) -> RoleId {
        // Every id in the table is one; the test below looks at each.
        self.template_id().parse().unwrap_or(RoleId::from_bytes([0; 16]))
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
        if matches!(self, Self::PasswordReader) {
            return matches!(
                action,
                A::CredentialRead | A::CredentialReveal | A::DeviceRead | A::Explain | A::OrganizationRead
            );
        }
        // What every other role may see.
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
            Self::GlobalAdministrator => action.is_of_roles(),
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
            Self::HelpdeskAdministrator | Self::PasswordReader => false,
            Self::SecurityReader | Self::SecurityAdministrator => {
                matches!(action, A::AuditRead | A::PeopleRead | A::MetricsRead)
            }
            Self::GlobalReader => {
                matches!(action, A::AuditRead | A::PeopleRead | A::MetricsRead | A::JoinTokenRead)
            }
        }
    }
}

/// A role: a name, an id, and what it allows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Role {
    id: RoleId,
    name: String,
    actions: Actions,
}

impl Role {
    /// A role that people made.
    pub const fn custom(id: RoleId, name: String, actions: Actions) -> Self {
        Self { id, name, actions }
    }
    /// Its id: a built-in one's template id.
    pub const fn id(&self) -> RoleId {
        self.id
    }
    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }
    /// What it allows.
    pub const fn actions(&self) -> Actions {
        self.actions
    }
    /// Whether it allows an action.
    pub const fn allows(&self, action: Action) -> bool {
        self.actions.contains(action)
    }
    /// The built-in role that it is.
    pub fn built_in(&self) -> Option<BuiltIn> {
        BuiltIn::ALL.iter().copied().find(|built_in| built_in.id() == self.id)
    }
}

impl From<BuiltIn> for Role {
    fn from(built_in: BuiltIn) -> Self {
        let actions = Action::ALL.iter().copied().filter(|action| built_in.allows(*action)).collect();
        Self { id: built_in.id(), name: built_in.name().to_owned(), actions }
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
#[derive(Debug, Clone, PartialEq, Eq)]
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
        for role in BuiltIn::ALL {
            assert_eq!(BuiltIn::parse(role.name()), Some(*role));
            assert_eq!(BuiltIn::parse(role.template_id()), Some(*role));
            assert_eq!(role.id().to_string(), role.template_id());
            assert_eq!(Role::from(*role).built_in(), Some(*role));
        }
        assert_eq!(BuiltIn::parse("cloud-device_administrator"), Some(BuiltIn::CloudDeviceAdministrator));
        assert_eq!(BuiltIn::parse("root"), None);
    }
}
