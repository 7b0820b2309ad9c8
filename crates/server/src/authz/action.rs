//! What can be done, under Entra's names where Entra has one.

/// One thing that a caller may want to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action {
    /// See that a password is stored, and its times.
    CredentialRead,
    /// Read passwords.
    CredentialReveal,
    /// Read passwords of a deleted device, while its tombstone stands: a stricter role.
    CredentialRevealDeleted,
    /// Approve or deny other people's requests to read passwords.
    AccessApprove,
    /// Read passwords past approval, loudly.
    BreakGlass,
    /// Disclose passwords in bulk, sealed to age recipients; and say that such an archive opens.
    CredentialExport,
    /// List and see devices.
    DeviceRead,
    /// Enable and disable devices.
    DeviceEnable,
    /// Delete and restore devices.
    DeviceDelete,
    /// Ask a device to rotate now.
    Rotate,
    /// Rotate whatever somebody was given, and see what that was.
    Revoke,
    /// See the device registration policy (the tenant switch).
    RegistrationPolicyRead,
    /// Change it.
    RegistrationPolicyWrite,
    /// Read the audit log.
    AuditRead,
    /// Read policies and their assignment.
    PolicyRead,
    /// Make, change and assign policies.
    PolicyWrite,
    /// See device groups.
    GroupRead,
    /// Make groups and change their members.
    GroupWrite,
    /// List join tokens (never their secret).
    JoinTokenRead,
    /// Create and revoke join tokens.
    JoinTokenWrite,
    /// Ask why a password is missing.
    Explain,
    /// List people and service principals.
    PeopleRead,
    /// Create people and service principals, give and take roles.
    PeopleWrite,
    /// See the server's settings.
    SettingsRead,
    /// Change them.
    SettingsWrite,
    /// See the tenant and oneself.
    OrganizationRead,
    /// Read the metrics from afar.
    MetricsRead,
    /// Change what one signs in with, end one's own sessions, make API tokens: every person for themselves.
    AccountWrite,
    /// What a device says about itself and asks for itself: join, store, prove, report, wait, manage.
    DeviceSpeak,
}

impl Action {
    /// Every action, in the order of the matrix.
    pub const ALL: &'static [Self] = &[
        Self::CredentialRead,
        Self::CredentialReveal,
        Self::CredentialRevealDeleted,
        Self::AccessApprove,
        Self::BreakGlass,
        Self::CredentialExport,
        Self::DeviceRead,
        Self::DeviceEnable,
        Self::DeviceDelete,
        Self::Rotate,
        Self::Revoke,
        Self::RegistrationPolicyRead,
        Self::RegistrationPolicyWrite,
        Self::AuditRead,
        Self::PolicyRead,
        Self::PolicyWrite,
        Self::GroupRead,
        Self::GroupWrite,
        Self::JoinTokenRead,
        Self::JoinTokenWrite,
        Self::Explain,
        Self::PeopleRead,
        Self::PeopleWrite,
        Self::SettingsRead,
        Self::SettingsWrite,
        Self::OrganizationRead,
        Self::MetricsRead,
        Self::AccountWrite,
        Self::DeviceSpeak,
    ];

    /// The action's name: Entra's where it has one (laps-behaviour.md 8.3), else ours.
    pub const fn name(self) -> &'static str {
        match self {
            Self::CredentialRead => "microsoft.directory/deviceLocalCredentials/standard/read",
            Self::CredentialReveal => "microsoft.directory/deviceLocalCredentials/password/read",
            Self::CredentialRevealDeleted => "lapwing.directory/deletedDevices/password/read",
            Self::AccessApprove => "lapwing.directory/deviceLocalCredentials/access/approve",
            Self::BreakGlass => "lapwing.directory/deviceLocalCredentials/password/breakGlass",
            Self::CredentialExport => "lapwing.directory/deviceLocalCredentials/export",
            Self::DeviceRead => "microsoft.directory/devices/standard/read",
            Self::DeviceEnable => "microsoft.directory/devices/enable",
            Self::DeviceDelete => "microsoft.directory/devices/delete",
            Self::Rotate => "microsoft.intune/managedDevices/rotateLocalAdminPassword",
            Self::Revoke => "lapwing.directory/deviceLocalCredentials/revoke",
            Self::RegistrationPolicyRead => "microsoft.directory/deviceRegistrationPolicy/standard/read",
            Self::RegistrationPolicyWrite => "microsoft.directory/deviceRegistrationPolicy/basic/update",
            Self::AuditRead => "microsoft.directory/auditLogs/allProperties/read",
            Self::PolicyRead => "lapwing.management/policies/read",
            Self::PolicyWrite => "lapwing.management/policies/write",
            Self::GroupRead => "lapwing.directory/deviceGroups/read",
            Self::GroupWrite => "lapwing.directory/deviceGroups/write",
            Self::JoinTokenRead => "lapwing.directory/joinTokens/read",
            Self::JoinTokenWrite => "lapwing.directory/joinTokens/write",
            Self::Explain => "lapwing.directory/devices/explain",
            Self::PeopleRead => "microsoft.directory/users/standard/read",
            Self::PeopleWrite => "lapwing.directory/people/write",
            Self::SettingsRead => "lapwing.server/settings/read",
            Self::SettingsWrite => "lapwing.server/settings/write",
            Self::OrganizationRead => "microsoft.directory/organization/standard/read",
            Self::MetricsRead => "lapwing.server/metrics/read",
            Self::AccountWrite => "lapwing.directory/me/write",
            Self::DeviceSpeak => "lapwing.device/self",
        }
    }

    /// The Graph permissions of which one must be among a user token's scopes. Empty: none is needed.
    pub const fn permissions(self) -> &'static [&'static str] {
        match self {
            Self::CredentialRead => &["DeviceLocalCredential.ReadBasic.All", "DeviceLocalCredential.Read.All"],
            Self::CredentialReveal => &["DeviceLocalCredential.Read.All"],
            Self::CredentialRevealDeleted => &["DeviceLocalCredential.ReadDeleted.All"],
            Self::AccessApprove => &["DeviceLocalCredential.Approve.All"],
            Self::BreakGlass => &["DeviceLocalCredential.BreakGlass.All"],
            Self::CredentialExport => &["DeviceLocalCredential.Export.All"],
            Self::DeviceRead | Self::GroupRead | Self::Explain => &[
                "Device.Read.All",
                "Device.ReadWrite.All",
                "DeviceManagementManagedDevices.Read.All",
                "DeviceManagementManagedDevices.ReadWrite.All",
                "Directory.Read.All",
            ],
            Self::DeviceEnable | Self::DeviceDelete => &["Device.ReadWrite.All"],
            Self::Rotate | Self::Revoke => &["DeviceManagementManagedDevices.PrivilegedOperations.All"],
            Self::RegistrationPolicyRead => {
                &["Policy.Read.DeviceConfiguration", "Policy.Read.All", "Policy.ReadWrite.DeviceConfiguration"]
            }
            Self::RegistrationPolicyWrite => &["Policy.ReadWrite.DeviceConfiguration"],
            Self::AuditRead => &["AuditLog.Read.All"],
            Self::PolicyRead => {
                &["DeviceManagementConfiguration.Read.All", "DeviceManagementConfiguration.ReadWrite.All"]
            }
            Self::PolicyWrite => &["DeviceManagementConfiguration.ReadWrite.All"],
            Self::GroupWrite | Self::JoinTokenRead | Self::JoinTokenWrite => &["Device.ReadWrite.All"],
            Self::PeopleRead => &["Directory.Read.All", "RoleManagement.ReadWrite.Directory"],
            Self::PeopleWrite => &["RoleManagement.ReadWrite.Directory"],
            Self::SettingsRead => &["Organization.Read.All", "Organization.ReadWrite.All"],
            Self::SettingsWrite => &["Organization.ReadWrite.All"],
            Self::MetricsRead => &["Reports.Read.All"],
            Self::AccountWrite => &[ACCOUNT],
            Self::OrganizationRead | Self::DeviceSpeak => &[],
        }
    }

    /// The role with the fewest rights that allows it; for the text of a refusal.
    pub fn least_role(self) -> super::BuiltIn {
        super::BuiltIn::ALL
            .iter()
            .rev()
            .copied()
            .filter(|role| role.allows(self))
            .min_by_key(|role| Self::ALL.iter().filter(|action| role.allows(**action)).count())
            .unwrap_or(super::BuiltIn::GlobalAdministrator)
    }

    /// Whether devices do this for themselves.
    pub const fn is_of_devices(self) -> bool {
        matches!(self, Self::DeviceSpeak)
    }

    /// Whether people do this for themselves, whatever their roles.
    pub const fn is_of_oneself(self) -> bool {
        matches!(self, Self::AccountWrite)
    }

    /// Whether a role may hold it.
    pub const fn is_of_roles(self) -> bool {
        !self.is_of_devices() && !self.is_of_oneself()
    }
}

/// The permission for one's own account. No API token has it: who steals one does not get the account.
const ACCOUNT: &str = "User.ReadWrite";

/// The Graph permissions in a user's token.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Scopes(Vec<&'static str>);

impl Scopes {
    /// Every permission that any action knows.
    pub fn all() -> Self {
        let mut all: Vec<&'static str> = Action::ALL.iter().flat_map(|action| action.permissions()).copied().collect();
        all.sort_unstable();
        all.dedup();
        Self(all)
    }

    /// The known ones among space-separated scopes. A scope may carry its resource
    /// (`https://…/Device.Read.All`); `.default` stands for all of them; case does not matter.
    pub fn parse(text: &str) -> Self {
        let known = Self::all();
        let asked: Vec<&str> =
            text.split_ascii_whitespace().map(|scope| scope.rsplit('/').next().unwrap_or(scope)).collect();
        if asked.iter().any(|scope| scope.eq_ignore_ascii_case(".default")) {
            return known;
        }
        Self(known.0.into_iter().filter(|name| asked.iter().any(|scope| scope.eq_ignore_ascii_case(name))).collect())
    }

    /// Whether one of the permissions that an action needs is there.
    pub fn cover(&self, action: Action) -> bool {
        let needed = action.permissions();
        needed.is_empty() || needed.iter().any(|name| self.0.contains(name))
    }

    /// The permissions that an application with these rights has: those of which every action that
    /// needs them is allowed by `allows`.
    pub fn granted_by(allows: impl Fn(Action) -> bool) -> Self {
        let mut all = Self::all();
        all.0.retain(|name| {
            Action::ALL.iter().filter(|action| action.permissions().contains(name)).all(|action| allows(*action))
        });
        all
    }

    /// Those that are in both.
    pub fn narrowed(&self, other: &Self) -> Self {
        let both = self.0.iter().copied().filter(|name| other.0.contains(name));
        Self(both.collect())
    }
    /// Those that are in either.
    pub fn joined(&self, other: &Self) -> Self {
        let mut all = self.0.clone();
        all.extend(&other.0);
        all.sort_unstable();
        all.dedup();
        Self(all)
    }

    /// Whether they let the holder change the account itself.
    pub fn cover_account(&self) -> bool {
        self.0.contains(&ACCOUNT)
    }
    /// They without that.
    #[must_use]
    pub fn without_account(&self) -> Self {
        Self(self.0.iter().copied().filter(|name| *name != ACCOUNT).collect())
    }

    /// Their names.
    pub fn names(&self) -> &[&'static str] {
        &self.0
    }
}

/// Space-separated, as in the claim `scp`.
impl std::fmt::Display for Scopes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0.join(" "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_are_read_as_clients_send_them() {
        assert_eq!(Scopes::parse("https://graph.microsoft.com/.default offline_access openid"), Scopes::all());
        let two = Scopes::parse("https://host:8443/device.read.all openid AuditLog.Read.All x");
        assert_eq!(two.to_string(), "AuditLog.Read.All Device.Read.All");
        assert_eq!(Scopes::parse("openid profile"), Scopes::default());
    }
}
