//! Roles that people made.

use super::state::State;
use laps::id::{PrincipalId, RoleId};
use server::{audit::AuditEntry, store::*};

impl State {
    pub(super) fn custom_roles(&self) -> Result<Vec<CustomRole>, StoreError> {
        let mut all: Vec<_> = self.custom_roles.values().cloned().collect();
        all.sort_by_key(|role| role.name.to_lowercase());
        Ok(all)
    }

    /// The custom roles that a principal has, in the order of their ids.
    pub(super) fn custom_roles_of(&self, principal: PrincipalId) -> Vec<CustomRole> {
        let has = |id: &RoleId| {
            self.roles.iter().any(|role| role.principal == principal && role.role.parse().as_ref() == Ok(id))
        };
        self.custom_roles.iter().filter(|(id, _)| has(id)).map(|(_, role)| role.clone()).collect()
    }

    fn role_named(&self, name: &str, except: RoleId) -> bool {
        let same = |role: &CustomRole| role.id != except && role.name.to_lowercase() == name.to_lowercase();
        self.custom_roles.values().any(same)
    }

    pub(super) fn create_role(&mut self, new: CustomRole, audit: AuditEntry) -> Result<CustomRole, StoreError> {
        if self.custom_roles.contains_key(&new.id) || self.role_named(&new.name, new.id) {
            return Err(StoreError::Exists("role"));
        }
        if self.custom_roles.len() >= CUSTOM_ROLES_MAX {
            return Err(StoreError::TooMany("custom roles"));
        }
        self.custom_roles.insert(new.id, new.clone());
        self.append_audit(audit)?;
        Ok(new)
    }

    pub(super) fn update_role(
        &mut self,
        id: RoleId,
        change: CustomRoleChange,
        audit: AuditEntry,
    ) -> Result<CustomRole, StoreError> {
        if change.name.as_ref().is_some_and(|name| self.role_named(name, id)) {
            return Err(StoreError::Exists("role"));
        }
        let role = self.custom_roles.get_mut(&id).ok_or(StoreError::NotFound("role"))?;
        if let Some(name) = change.name {
            role.name = name;
        }
        let bears = change.actions.as_ref().is_some_and(|actions| *actions != role.actions);
        if let Some(actions) = change.actions {
            role.actions = actions;
        }
        let role = role.clone();
        if bears {
            let mut holders: Vec<_> = self.roles.iter().filter(|held| held.role == id.to_string()).collect();
            holders.dedup_by_key(|held| held.principal);
            let holders: Vec<_> = holders.into_iter().map(|held| held.principal).collect();
            holders.into_iter().for_each(|holder| self.next_epoch(holder));
        }
        self.append_audit(audit)?;
        Ok(role)
    }

    pub(super) fn delete_role(&mut self, id: RoleId, audit: AuditEntry) -> Result<(), StoreError> {
        if !self.custom_roles.contains_key(&id) {
            return Err(StoreError::NotFound("role"));
        }
        if self.roles.iter().any(|held| held.role == id.to_string()) {
            return Err(StoreError::InUse("a role assignment"));
        }
        self.custom_roles.remove(&id);
        self.append_audit(audit)
    }
}
