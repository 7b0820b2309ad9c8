//! Who may do what: a pure decision over a table. Everything is denied unless a role allows it.
//!
//! A person's right is what a role allows *and* the token's scopes cover; a service principal's is what
//! its roles allow, or one of the application permissions that it was granted. Devices and background jobs have their own short lists. Names and template ids of
//! the roles are Entra's (laps-behaviour.md 8.3).

pub mod action;
pub mod actions;
pub mod caller;
pub mod role;

pub use action::{Action, Scopes};
pub use actions::Actions;
pub use caller::{Caller, DeviceIdentity, Identity, Job, Origin, Principal};
pub use role::{Assignment, BuiltIn, Role, RoleScope};

use laps::id::GroupId;

/// What an action is done to, as far as scope by device group needs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target<'a> {
    /// The whole tenant: settings, people, policies, lists.
    Tenant,
    /// One device, with the groups that it is in.
    Device(&'a [GroupId]),
}

/// Why something was refused. The code is stable; the text says what to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// Nobody has signed in.
    #[error("sign in first: this needs an access token")]
    Anonymous,
    /// No role of the caller allows the action.
    #[error("no role of yours allows {}; ask an administrator for a role that does, such as {}", .0.name(), .0.least_role().name())]
    Role(Action),
    /// A role would allow it, but the token was issued for less.
    #[error("your role allows {}, but this token does not; sign in again and ask for one of the scopes {}", .0.name(), .0.permissions().join(", "))]
    Scope(Action),
    /// A role allows it, but not for this device.
    #[error("your role allows {} only for devices of other groups", .0.name())]
    Group(Action),
    /// The identity is of a kind that never does this.
    #[error("{} is not for this kind of identity", .0.name())]
    Kind(Action),
}

impl Denied {
    /// The stable code.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Anonymous => "not_signed_in",
            Self::Role(_) => "role_missing",
            Self::Scope(_) => "scope_missing",
            Self::Group(_) => "device_out_of_scope",
            Self::Kind(_) => "wrong_identity",
        }
    }
}

/// Decides. Pure: the same question has always the same answer.
pub fn decide(caller: &Caller, action: Action, target: Target<'_>) -> Result<(), Denied> {
    let principal = match &caller.identity {
        Identity::Anonymous => return Err(Denied::Anonymous),
        Identity::Device(_) => {
            return if action.is_of_devices() { Ok(()) } else { Err(Denied::Kind(action)) };
        }
        Identity::System(job) => {
            return if job.may(action) { Ok(()) } else { Err(Denied::Kind(action)) };
        }
        Identity::User(principal) | Identity::App(principal) => principal,
    };
    if action.is_of_oneself() {
        return match caller.identity {
            Identity::User(_) if principal.scopes.cover(action) => Ok(()),
            Identity::User(_) => Err(Denied::Scope(action)),
            _ => Err(Denied::Kind(action)),
        };
    }
    if matches!(caller.identity, Identity::App(_)) && !action.permissions().is_empty() && principal.scopes.cover(action)
    {
        return Ok(());
    }
    let mut allowed = principal.assignments.iter().filter(|assignment| assignment.role.allows(action)).peekable();
    if allowed.peek().is_none() {
        return Err(Denied::Role(action));
    }
    if !allowed.any(|assignment| assignment.scope.covers(target)) {
        return Err(Denied::Group(action));
    }
    if matches!(caller.identity, Identity::User(_)) && !principal.scopes.cover(action) {
        return Err(Denied::Scope(action));
    }
    Ok(())
}

/// The devices that a list may show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reach {
    /// All.
    Tenant,
    /// Those of these groups.
    Groups(Vec<GroupId>),
}

/// What part of a list of devices the caller may see: everything that [`decide`] would allow one by one.
pub fn reach(caller: &Caller, action: Action) -> Result<Reach, Denied> {
    match decide(caller, action, Target::Tenant) {
        Ok(()) => Ok(Reach::Tenant),
        Err(Denied::Group(_)) => {
            let groups: Vec<GroupId> = caller
                .principal()
                .map(|principal| principal.assignments.as_slice())
                .unwrap_or_default()
                .iter()
                .filter(|assignment| assignment.role.allows(action))
                .filter_map(|assignment| match assignment.scope {
                    RoleScope::Group(group) => Some(group),
                    RoleScope::Tenant => None,
                })
                .collect();
            // Scopes of the token count as for a single device.
            decide(caller, action, Target::Device(&groups))?;
            Ok(Reach::Groups(groups))
        }
        Err(denied) => Err(denied),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use laps::id::PrincipalId;

    fn principal(role: Option<(BuiltIn, RoleScope)>, scopes: Scopes) -> Principal {
        Principal {
            id: PrincipalId::from_random_bytes([3; 16]),
            name: "ada@example.test".into(),
            assignments: role.into_iter().map(|(role, scope)| Assignment { role: role.into(), scope }).collect(),
            scopes,
            epoch: 1,
            client_id: String::new(),
        }
    }
    fn user(role: BuiltIn) -> Caller {
        Caller::new(Identity::User(principal(Some((role, RoleScope::Tenant)), Scopes::all())), Origin::internal("test"))
    }

    /// The checked-in matrix: role by action. A change of rights is a change of this table.
    const MATRIX: &[(Action, [bool; 8])] = &[
        // GA, Intune, CloudDevice, Helpdesk, SecurityReader, SecurityAdministrator, GlobalReader, PasswordReader
        (Action::CredentialRead, [true, true, true, true, true, true, true, true]),
        (Action::CredentialReveal, [true, true, true, false, false, false, false, true]),
        (Action::CredentialRevealDeleted, [true, false, false, false, false, false, false, false]),
        (Action::AccessApprove, [true, true, true, false, false, false, false, false]),
        (Action::BreakGlass, [true, false, true, false, false, false, false, false]),
        (Action::CredentialExport, [true, false, false, false, false, false, false, false]),
        (Action::DeviceRead, [true, true, true, true, true, true, true, true]),
        (Action::DeviceEnable, [true, false, true, false, false, false, false, false]),
        (Action::DeviceDelete, [true, false, true, false, false, false, false, false]),
        (Action::Rotate, [true, true, false, false, false, false, false, false]),
        (Action::Revoke, [true, true, false, false, false, false, false, false]),
        (Action::RegistrationPolicyRead, [true, true, true, true, true, true, true, false]),
        (Action::RegistrationPolicyWrite, [true, false, true, false, false, false, false, false]),
        (Action::AuditRead, [true, false, false, false, true, true, true, false]),
        (Action::PolicyRead, [true, true, true, true, true, true, true, false]),
        (Action::PolicyWrite, [true, true, false, false, false, false, false, false]),
        (Action::GroupRead, [true, true, true, true, true, true, true, false]),
        (Action::GroupWrite, [true, true, true, false, false, false, false, false]),
        (Action::JoinTokenRead, [true, true, true, false, false, false, true, false]),
        (Action::JoinTokenWrite, [true, true, true, false, false, false, false, false]),
        (Action::Explain, [true, true, true, true, true, true, true, true]),
        (Action::PeopleRead, [true, false, false, false, true, true, true, false]),
        (Action::PeopleWrite, [true, false, false, false, false, false, false, false]),
        (Action::SettingsRead, [true, true, true, true, true, true, true, false]),
        (Action::SettingsWrite, [true, false, false, false, false, false, false, false]),
        (Action::OrganizationRead, [true, true, true, true, true, true, true, true]),
        (Action::MetricsRead, [true, false, false, false, true, true, true, false]),
        (Action::AccountWrite, [true, true, true, true, true, true, true, true]),
        (Action::DeviceSpeak, [false, false, false, false, false, false, false, false]),
    ];

    #[test]
    fn every_role_has_exactly_the_rights_of_the_matrix() {
        assert_eq!(MATRIX.iter().map(|row| row.0).collect::<Vec<_>>(), Action::ALL, "an action without a row");
        for (action, row) in MATRIX {
            for (role, expected) in BuiltIn::ALL.iter().zip(row) {
                assert_eq!(decide(&user(*role), *action, Target::Tenant).is_ok(), *expected, "{role:?} {action:?}");
            }
        }
    }

    #[test]
    fn denied_by_default() {
        let nobody = Caller::new(Identity::Anonymous, Origin::internal("test"));
        let no_role = Caller::new(Identity::User(principal(None, Scopes::all())), Origin::internal("test"));
        for action in Action::ALL {
            assert_eq!(decide(&nobody, *action, Target::Tenant), Err(Denied::Anonymous));
            let expected = if action.is_of_oneself() { Ok(()) } else { Err(Denied::Role(*action)) };
            assert_eq!(decide(&no_role, *action, Target::Tenant), expected);
        }
    }

    #[test]
    fn a_token_for_less_gives_less() {
        let scopes = Scopes::parse("Device.Read.All DeviceLocalCredential.ReadBasic.All");
        let caller = Caller::new(
            Identity::User(principal(Some((BuiltIn::GlobalAdministrator, RoleScope::Tenant)), scopes)),
            Origin::internal("test"),
        );
        assert!(decide(&caller, Action::CredentialRead, Target::Tenant).is_ok());
        assert!(decide(&caller, Action::DeviceRead, Target::Tenant).is_ok());
        assert_eq!(
            decide(&caller, Action::CredentialReveal, Target::Tenant),
            Err(Denied::Scope(Action::CredentialReveal))
        );
    }

    #[test]
    fn an_application_has_what_it_was_granted_and_no_more() {
        let caller = Caller::new(
            Identity::App(principal(None, Scopes::parse("DeviceLocalCredential.Read.All"))),
            Origin::internal("test"),
        );
        for action in Action::ALL {
            assert_eq!(
                decide(&caller, *action, Target::Tenant).is_ok(),
                matches!(action, Action::CredentialRead | Action::CredentialReveal),
                "{action:?}"
            );
        }
    }

    #[test]
    fn scope_by_group() {
        let mine = GroupId::from_random_bytes([1; 16]);
        let other = GroupId::from_random_bytes([2; 16]);
        let caller = Caller::new(
            Identity::User(principal(Some((BuiltIn::CloudDeviceAdministrator, RoleScope::Group(mine))), Scopes::all())),
            Origin::internal("test"),
        );
        let reveal = |target: Target<'_>| decide(&caller, Action::CredentialReveal, target);
        assert!(reveal(Target::Device(&[other, mine])).is_ok());
        assert_eq!(reveal(Target::Device(&[other])), Err(Denied::Group(Action::CredentialReveal)));
        assert_eq!(reveal(Target::Tenant), Err(Denied::Group(Action::CredentialReveal)));
        assert_eq!(reach(&caller, Action::CredentialReveal), Ok(Reach::Groups(vec![mine])));
        assert_eq!(reach(&caller, Action::AuditRead), Err(Denied::Role(Action::AuditRead)));
    }

    #[test]
    fn devices_and_jobs_have_their_own_lists() {
        let device = Caller::device_for_test();
        for action in Action::ALL {
            assert_eq!(decide(&device, *action, Target::Tenant).is_ok(), *action == Action::DeviceSpeak);
        }
        let job = Caller::system(Job::Retention);
        assert!(decide(&job, Action::CredentialReveal, Target::Tenant).is_err());
    }
}
