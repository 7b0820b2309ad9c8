//! Roles: built-in ones and those that people make, and who has them.
//!
//! Nobody gives what they do not hold: a role, an application permission or power over somebody with rights that
//! the caller lacks is refused, unless the caller is a Global Administrator.

use super::groups::checked_name;
use super::people::unknown_principal;
use super::record::{activity, category, target};
use super::{App, Error, Kind, Result};
use crate::authz::{self, Action, Actions, Assignment, BuiltIn, Caller, Identity, Role, RoleScope, Scopes, Target};
use crate::store::{self, CustomRole, CustomRoleChange, StoreError};
use laps::id::{GroupId, PrincipalId, RoleId};
use proto::admin::{self, NewRole, PersonRole, RoleChange};
use serde_json::json;
use std::collections::BTreeMap;

/// Holders of a role that are named.
const HOLDERS_MAX: usize = 100;

/// Somebody who has a role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleHolder {
    /// The sign-in name, or a program's shown name.
    pub name: String,
    /// A person, or else a program.
    pub is_person: bool,
    /// The name of the group that the role counts for; `None`: every device.
    pub group: Option<String>,
}

/// Who has a role.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RoleHolders {
    /// At most a hundred of them.
    pub holders: Vec<RoleHolder>,
    /// There are more.
    pub more: bool,
}

impl App {
    /// Every role, built-in ones first.
    pub async fn roles(&self, caller: &Caller) -> Result<Vec<admin::Role>> {
        self.require(caller, Action::PeopleRead)?;
        Ok(self.every_role().await?.iter().map(entity).collect())
    }

    /// One role by its name or id.
    pub async fn role(&self, caller: &Caller, named: &str) -> Result<admin::Role> {
        self.require(caller, Action::PeopleRead)?;
        Ok(entity(&self.role_named(named).await?))
    }

    /// Who has a role, and for which devices.
    pub async fn role_holders(&self, caller: &Caller, named: &str) -> Result<RoleHolders> {
        self.require(caller, Action::PeopleRead)?;
        let key = stored_key(&self.role_named(named).await?);
        let held = self.store.role_assignments(None).await?.into_iter().filter(|held| held.role == key);
        let mut found = RoleHolders::default();
        for held in held {
            if found.holders.len() == HOLDERS_MAX {
                found.more = true;
                break;
            }
            let (name, is_person) = match self.store.user(held.principal).await? {
                Some(user) => (user.user_name, true),
                None => match self.store.service_principal(held.principal).await? {
                    Some(program) => (program.name, false),
                    None => continue,
                },
            };
            let group = match held.scope {
                Some(id) => Some(self.store.group(id).await?.map_or_else(|| id.to_string(), |group| group.name)),
                None => None,
            };
            found.holders.push(RoleHolder { name, is_person, group });
        }
        Ok(found)
    }

    /// Makes a role.
    pub async fn create_role(&self, caller: &Caller, new: &NewRole) -> Result<admin::Role> {
        self.require(caller, Action::PeopleWrite)?;
        let name = role_name(&new.display_name)?;
        let actions = checked_actions(&new.actions)?;
        may_give(caller, actions, RoleScope::Tenant)?;
        let id = RoleId::from_random_bytes(self.random_bytes()?);
        let names = action_names(actions);
        let audit = self.entry(
            caller,
            activity::ADD_ROLE_DEFINITION,
            category::ROLE,
            target("role", &id, &name),
            json!({"actions": names}),
        )?;
        let made =
            self.store.create_role(CustomRole { id, name, actions: names, created_at: self.now() }, audit).await?;
        Ok(entity(&role_of(&made)))
    }

    /// Changes a role that people made; who has it must sign in again when it allows something else.
    pub async fn change_role(&self, caller: &Caller, named: &str, change: &RoleChange) -> Result<admin::Role> {
        self.require(caller, Action::PeopleWrite)?;
        let role = self.custom_role(named).await?;
        let name = change.display_name.as_deref().map(role_name).transpose()?;
        let actions = change.actions.as_deref().map(checked_actions).transpose()?;
        // Taking rights away is power over those who have them, too.
        may_give(caller, role.actions(), RoleScope::Tenant)?;
        if let Some(actions) = actions {
            may_give(caller, actions, RoleScope::Tenant)?;
        }
        let actions = actions.map(action_names);
        let audit = self.entry(
            caller,
            activity::UPDATE_ROLE_DEFINITION,
            category::ROLE,
            target("role", &role.id(), role.name()),
            json!({"name": name, "actions": actions}),
        )?;
        let changed = self.store.update_role(role.id(), CustomRoleChange { name, actions }, audit).await?;
        Ok(entity(&role_of(&changed)))
    }

    /// Removes a role that people made and nobody has.
    pub async fn delete_role(&self, caller: &Caller, named: &str) -> Result<()> {
        self.require(caller, Action::PeopleWrite)?;
        let role = self.custom_role(named).await?;
        let audit = self.entry(
            caller,
            activity::DELETE_ROLE_DEFINITION,
            category::ROLE,
            target("role", &role.id(), role.name()),
            json!({}),
        )?;
        Ok(self.store.delete_role(role.id(), audit).await?)
    }

    /// Gives a role; again is success.
    pub async fn assign_role(&self, caller: &Caller, asked: &admin::RoleAssignment) -> Result<()> {
        self.require(caller, Action::PeopleWrite)?;
        let authorization =
            self.store.authorization(asked.principal).await?.ok_or_else(|| unknown_principal(asked.principal))?;
        match self.asked_role(caller, Some(&asked.role), asked.group.as_deref()).await? {
            Some(assignment) => self.give_role(caller, asked.principal, &authorization.display_name, assignment).await,
            None => Ok(()),
        }
    }

    /// Takes a role; one that is not had is success.
    pub async fn unassign_role(&self, caller: &Caller, asked: &admin::RoleAssignment) -> Result<()> {
        self.require(caller, Action::PeopleWrite)?;
        let Some(wanted) = self.asked_role(caller, Some(&asked.role), asked.group.as_deref()).await? else {
            return Ok(());
        };
        let assignments = self.store.role_assignments(Some(asked.principal)).await?;
        let scope = group_of(wanted.scope);
        let key = stored_key(&wanted.role);
        let Some(found) = assignments.iter().find(|held| held.role == key && held.scope == scope) else {
            return Ok(());
        };
        let audit = self.entry(
            caller,
            activity::REMOVE_ROLE,
            category::ROLE,
            target("principal", &asked.principal, ""),
            json!({"role": wanted.role.name(), "group": scope.map(|group| group.to_string())}),
        )?;
        Ok(self.store.unassign_role(found.id, audit).await?)
    }

    pub(super) async fn give_role(
        &self,
        caller: &Caller,
        principal: PrincipalId,
        name: &str,
        assignment: Assignment,
    ) -> Result<()> {
        let scope = group_of(assignment.scope);
        let audit = self.entry(
            caller,
            activity::ADD_ROLE,
            category::ROLE,
            target("principal", &principal, name),
            json!({
                "role": assignment.role.name(),
                "group": scope.map(|group| group.to_string()),
            }),
        )?;
        let role = stored_key(&assignment.role);
        let assigned = self
            .store
            .assign_role(store::RoleAssignment { id: self.random_bytes()?, principal, role, scope }, audit)
            .await;
        match assigned {
            Err(StoreError::Exists(_)) => Ok(()),
            other => Ok(other?),
        }
    }

    /// The role that a body names, with its scope, if the caller may give and take it.
    pub(super) async fn asked_role(
        &self,
        caller: &Caller,
        role: Option<&str>,
        group: Option<&str>,
    ) -> Result<Option<Assignment>> {
        let Some(role) = role else { return Ok(None) };
        let role = self.role_named(role).await?;
        let scope = match group {
            None => RoleScope::Tenant,
            Some(name) => match self.group_named(name).await? {
                Some(group) => RoleScope::Group(group.id),
                None => RoleScope::Tenant,
            },
        };
        may_give(caller, role.actions(), scope)?;
        Ok(Some(Assignment { role, scope }))
    }

    /// Refuses what gives the caller power over somebody who may do more than the caller.
    pub(super) async fn refuse_above(&self, caller: &Caller, id: PrincipalId) -> Result<()> {
        let authorization = self.store.authorization(id).await?.ok_or_else(|| unknown_principal(id))?;
        for held in assignments(&authorization) {
            may_give(caller, held.role.actions(), held.scope)?;
        }
        may_give(caller, permitted(&authorization.permissions), RoleScope::Tenant)
    }

    /// Refuses to let a group have more devices for which the caller's own roles for it would count: nobody widens
    /// what they hold themselves.
    pub(super) fn refuse_widening(&self, caller: &Caller, group: GroupId) -> Result<()> {
        let own = caller.principal().map(|principal| principal.assignments.as_slice()).unwrap_or_default();
        for held in own.iter().filter(|held| held.scope == RoleScope::Group(group)) {
            may_give(caller, held.role.actions(), RoleScope::Tenant)?;
        }
        Ok(())
    }

    /// Names of custom roles by what is stored of an assignment.
    pub(super) async fn role_names(&self) -> Result<BTreeMap<String, String>> {
        Ok(self.store.custom_roles().await?.into_iter().map(|role| (role.id.to_string(), role.name)).collect())
    }

    pub(super) async fn roles_of(
        &self,
        principal: PrincipalId,
        names: &BTreeMap<String, String>,
    ) -> Result<Vec<PersonRole>> {
        let held = self.store.role_assignments(Some(principal)).await?;
        let name = |role: String| names.get(&role).cloned().unwrap_or(role);
        Ok(held.into_iter().map(|held| PersonRole { role: name(held.role), group: held.scope }).collect())
    }

    async fn every_role(&self) -> Result<Vec<Role>> {
        let custom = self.store.custom_roles().await?;
        Ok(BuiltIn::ALL.iter().copied().map(Role::from).chain(custom.iter().map(role_of)).collect())
    }

    async fn role_named(&self, named: &str) -> Result<Role> {
        if let Some(built_in) = BuiltIn::parse(named) {
            return Ok(built_in.into());
        }
        let all = self.every_role().await?;
        let wanted = named.trim().to_lowercase();
        let found = all.iter().find(|role| role.id().to_string() == wanted || role.name().to_lowercase() == wanted);
        found.cloned().ok_or_else(|| {
            let names: Vec<&str> = all.iter().map(Role::name).collect();
            Error::invalid(
                "role_unknown",
                format!(
                    "there is no role '{}'; expected one of {}",
                    named.chars().take(80).collect::<String>(),
                    names.join(", ")
                ),
            )
        })
    }

    async fn custom_role(&self, named: &str) -> Result<Role> {
        let role = self.role_named(named).await?;
        match role.built_in() {
            None => Ok(role),
            Some(_) => Err(Error::invalid(
                "role_is_built_in",
                "a built-in role cannot be changed; make a role of your own with the actions that you want",
            )),
        }
    }
}

/// Refuses to give rights that the caller does not hold where they would count.
pub(super) fn may_give(caller: &Caller, actions: Actions, scope: RoleScope) -> Result<()> {
    let everything = match &caller.identity {
        Identity::System(_) => true,
        Identity::User(principal) | Identity::App(principal) => principal
            .assignments
            .iter()
            .any(|held| held.role.built_in() == Some(BuiltIn::GlobalAdministrator) && held.scope == RoleScope::Tenant),
        Identity::Anonymous | Identity::Device(_) => false,
    };
    if everything {
        return Ok(());
    }
    let group;
    let target = match scope {
        RoleScope::Tenant => Target::Tenant,
        RoleScope::Group(id) => {
            group = [id];
            Target::Device(&group)
        }
    };
    match actions.iter().find(|action| authz::decide(caller, *action, target).is_err()) {
        None => Ok(()),
        Some(action) => Err(Error::refused(
            Kind::Denied,
            "more_than_you_hold",
            format!(
                "this would give or take {}, which you do not hold yourself there; ask a Global Administrator",
                action.name()
            ),
        )),
    }
}

/// What application permissions let a program do on every device.
pub(super) fn permitted(permissions: &[String]) -> Actions {
    let granted = Scopes::parse(&permissions.join(" "));
    let covered = |action: &Action| action.is_of_roles() && !action.permissions().is_empty() && granted.cover(*action);
    Action::ALL.iter().copied().filter(covered).collect()
}

/// The roles of an authorization that this program knows; others allow nothing.
pub(super) fn assignments(authorization: &store::Authorization) -> Vec<Assignment> {
    let role = |key: &str| match BuiltIn::parse(key) {
        Some(built_in) => Some(built_in.into()),
        None => authorization.custom.iter().find(|role| role.id.to_string() == key).map(role_of),
    };
    authorization
        .roles
        .iter()
        .filter_map(|held| {
            Some(Assignment { role: role(&held.role)?, scope: held.scope.map_or(RoleScope::Tenant, RoleScope::Group) })
        })
        .collect()
}

/// A stored role; actions that this program does not know allow nothing.
fn role_of(stored: &CustomRole) -> Role {
    let actions = stored.actions.iter().filter_map(|name| Actions::parse(name)).collect();
    Role::custom(stored.id, stored.name.clone(), actions)
}

/// What is stored of an assignment of a role.
fn stored_key(role: &Role) -> String {
    match role.built_in() {
        Some(built_in) => built_in.name().to_owned(),
        None => role.id().to_string(),
    }
}

fn role_name(name: &str) -> Result<String> {
    let name = checked_name(name)?;
    if BuiltIn::parse(&name).is_some() || name.parse::<RoleId>().is_ok() {
        return Err(Error::invalid("bad_name", "a role of your own cannot have the name of a built-in one, or an id"));
    }
    Ok(name)
}

fn checked_actions(names: &[String]) -> Result<Actions> {
    let mut actions = Actions::default();
    for name in names {
        let action = Actions::parse(name).ok_or_else(|| {
            let known: Vec<_> = Action::ALL.iter().filter(|action| action.is_of_roles()).map(|a| a.name()).collect();
            Error::invalid(
                "action_unknown",
                format!(
                    "there is no action '{}'; expected some of {}",
                    name.chars().take(80).collect::<String>(),
                    known.join(", ")
                ),
            )
        })?;
        actions = actions.with(action);
    }
    if actions == Actions::default() {
        return Err(Error::invalid(
            "action_unknown",
            "a role allows at least one action; lapwing role list shows them",
        ));
    }
    Ok(actions)
}

fn action_names(actions: Actions) -> Vec<String> {
    actions.iter().map(|action| action.name().to_owned()).collect()
}

fn entity(role: &Role) -> admin::Role {
    admin::Role {
        id: role.id(),
        display_name: role.name().to_owned(),
        is_built_in: role.built_in().is_some(),
        actions: action_names(role.actions()),
    }
}

const fn group_of(scope: RoleScope) -> Option<GroupId> {
    match scope {
        RoleScope::Tenant => None,
        RoleScope::Group(group) => Some(group),
    }
}
