//! Users, service principals and roles.

use super::state::{State, UserRow, page};
use laps::{id::PrincipalId, time::Timestamp};
use server::{audit::AuditEntry, store::*};

impl State {
    pub(super) fn epoch_of(&self, principal: PrincipalId) -> Option<u64> {
        let user = self.users.get(&principal).map(|row| row.user.epoch);
        user.or_else(|| self.service_principals.get(&principal).map(|known| known.epoch))
    }

    /// Voids what was given out on the ground of a principal's former rights.
    pub(super) fn next_epoch(&mut self, principal: PrincipalId) {
        self.end_sign_ins(principal);
        if let Some(row) = self.users.get_mut(&principal) {
            row.user.epoch += 1;
        }
        if let Some(known) = self.service_principals.get_mut(&principal) {
            known.epoch += 1;
        }
    }

    /// Sessions, and codes that were agreed to and not fetched yet.
    fn end_sign_ins(&mut self, principal: PrincipalId) {
        self.sessions.retain(|_, (session, _)| session.principal != principal);
        self.codes.retain(|_, row| row.answer != Some(Some(principal)));
    }

    /// What goes with a principal: roles, sessions, what it agreed to.
    fn forget_principal(&mut self, principal: PrincipalId) {
        self.forget_means(principal);
        self.roles.retain(|role| role.principal != principal);
        self.end_sign_ins(principal);
    }

    fn is_enabled(&self, principal: PrincipalId) -> bool {
        self.users.get(&principal).is_some_and(|row| row.user.enabled)
            || self.service_principals.get(&principal).is_some_and(|known| known.enabled)
    }

    /// Whether somebody else than `without` is an enabled Global Administrator of the whole tenant.
    fn has_other_administrator(&self, without: impl Fn(&RoleAssignment) -> bool) -> bool {
        self.roles.iter().any(|role| {
            role.role == GLOBAL_ADMINISTRATOR
                && role.scope.is_none()
                && !without(role)
                && self.is_enabled(role.principal)
        })
    }

    fn is_administrator(&self, principal: PrincipalId) -> bool {
        self.is_enabled(principal)
            && self
                .roles
                .iter()
                .any(|role| role.principal == principal && role.role == GLOBAL_ADMINISTRATOR && role.scope.is_none())
    }

    fn refuse_last(&self, principal: PrincipalId) -> Result<(), StoreError> {
        let last =
            self.is_administrator(principal) && !self.has_other_administrator(|role| role.principal == principal);
        if last { Err(StoreError::LastAdministrator) } else { Ok(()) }
    }

    pub(super) fn create_user(&mut self, new: NewUser, now: Timestamp, audit: AuditEntry) -> Result<User, StoreError> {
        if self.epoch_of(new.id).is_some() || self.user_by_name(new.user_name.clone())?.is_some() {
            return Err(StoreError::Exists("user"));
        }
        let user = User {
            id: new.id,
            user_name: new.user_name,
            display_name: new.display_name,
            enabled: true,
            password_hash: new.password_hash,
            one_time_until: new.one_time.map(|(_, until)| until),
            epoch: 1,
            created_at: now,
        };
        let row = UserRow { user: user.clone(), one_time: new.one_time.map(|(hash, _)| hash) };
        self.users.insert(new.id, row);
        self.append_audit(audit)?;
        Ok(user)
    }

    pub(super) fn user(&self, id: PrincipalId) -> Result<Option<User>, StoreError> {
        Ok(self.users.get(&id).map(|row| row.user.clone()))
    }

    pub(super) fn user_by_name(&self, user_name: String) -> Result<Option<User>, StoreError> {
        let wanted = user_name.to_lowercase();
        let found = self.users.values().find(|row| row.user.user_name.to_lowercase() == wanted);
        Ok(found.map(|row| row.user.clone()))
    }

    pub(super) fn users(&self, wanted: Page) -> Result<PageOf<User>, StoreError> {
        page(self.users.values().map(|row| row.user.clone()), &wanted, |user| user.id.to_string())
    }

    pub(super) fn update_user(
        &mut self,
        id: PrincipalId,
        change: UserChange,
        audit: AuditEntry,
    ) -> Result<User, StoreError> {
        if change.enabled == Some(false) {
            self.refuse_last(id)?;
        }
        let row = self.users.get_mut(&id).ok_or(StoreError::NotFound("user"))?;
        let bears = change.enabled.is_some() || change.password_hash.is_some() || change.one_time.is_some();
        let ends_tokens = change.one_time.is_some();
        if let Some(display_name) = change.display_name {
            row.user.display_name = display_name;
        }
        if let Some(enabled) = change.enabled {
            row.user.enabled = enabled;
        }
        if let Some(hash) = change.password_hash {
            row.user.password_hash = Some(hash);
            row.user.one_time_until = None;
            row.one_time = None;
        }
        if let Some((hash, until)) = change.one_time {
            row.user.password_hash = None;
            row.user.one_time_until = Some(until);
            row.one_time = Some(hash);
        }
        if bears {
            row.user.epoch += 1;
        }
        let user = row.user.clone();
        if ends_tokens {
            self.means.tokens.retain(|_, token| token.principal != id);
        }
        if bears {
            self.end_sign_ins(id);
        }
        self.append_audit(audit)?;
        Ok(user)
    }

    pub(super) fn delete_user(&mut self, id: PrincipalId, audit: AuditEntry) -> Result<(), StoreError> {
        if !self.users.contains_key(&id) {
            return Err(StoreError::NotFound("user"));
        }
        self.refuse_last(id)?;
        self.users.remove(&id);
        self.forget_principal(id);
        self.append_audit(audit)
    }

    pub(super) fn redeem_one_time(
        &mut self,
        id: PrincipalId,
        secret: SecretHash,
        password_hash: String,
        now: Timestamp,
        audit: AuditEntry,
    ) -> Result<User, StoreError> {
        let row = self.users.get_mut(&id).ok_or(StoreError::TokenUnknown)?;
        if row.one_time != Some(secret) || !row.user.enabled {
            return Err(StoreError::TokenUnknown);
        }
        if row.user.one_time_until.is_none_or(|until| now >= until) {
            return Err(StoreError::TokenExpired);
        }
        row.one_time = None;
        row.user.one_time_until = None;
        row.user.password_hash = Some(password_hash);
        row.user.epoch += 1;
        let user = row.user.clone();
        self.end_sign_ins(id);
        self.append_audit(audit)?;
        Ok(user)
    }

    pub(super) fn create_service_principal(
        &mut self,
        new: NewServicePrincipal,
        now: Timestamp,
        audit: AuditEntry,
    ) -> Result<ServicePrincipal, StoreError> {
        if self.epoch_of(new.id).is_some() {
            return Err(StoreError::Exists("service principal"));
        }
        let principal = ServicePrincipal {
            id: new.id,
            name: new.name,
            enabled: true,
            permissions: new.permissions,
            secrets: Vec::new(),
            epoch: 1,
            created_at: now,
        };
        self.service_principals.insert(new.id, principal.clone());
        self.append_audit(audit)?;
        Ok(principal)
    }

    pub(super) fn service_principal(&self, id: PrincipalId) -> Result<Option<ServicePrincipal>, StoreError> {
        Ok(self.service_principals.get(&id).cloned())
    }

    pub(super) fn service_principals(&self, wanted: Page) -> Result<PageOf<ServicePrincipal>, StoreError> {
        page(self.service_principals.values().cloned(), &wanted, |principal| principal.id.to_string())
    }

    pub(super) fn update_service_principal(
        &mut self,
        id: PrincipalId,
        change: ServicePrincipalChange,
        audit: AuditEntry,
    ) -> Result<ServicePrincipal, StoreError> {
        if change.enabled == Some(false) {
            self.refuse_last(id)?;
        }
        let taken = |secret: &ClientSecret| {
            self.service_principals.values().any(|known| known.secrets.iter().any(|held| held.id == secret.id))
        };
        if change.add_secret.as_ref().is_some_and(taken) {
            return Err(StoreError::Exists("client secret"));
        }
        let principal = self.service_principals.get_mut(&id).ok_or(StoreError::NotFound("service principal"))?;
        let bears = change.enabled.is_some() || change.permissions.is_some() || change.remove_secret.is_some();
        if let Some(name) = change.name {
            principal.name = name;
        }
        if let Some(enabled) = change.enabled {
            principal.enabled = enabled;
        }
        if let Some(permissions) = change.permissions {
            principal.permissions = permissions;
        }
        if let Some(secret) = change.add_secret {
            principal.secrets.push(secret);
            principal.secrets.sort_by_key(|secret| secret.id);
        }
        if let Some(gone) = change.remove_secret {
            principal.secrets.retain(|secret| secret.id != gone);
        }
        if bears {
            self.next_epoch(id);
        }
        let principal = self.service_principals.get(&id).cloned().ok_or(StoreError::NotFound("service principal"))?;
        self.append_audit(audit)?;
        Ok(principal)
    }

    pub(super) fn delete_service_principal(&mut self, id: PrincipalId, audit: AuditEntry) -> Result<(), StoreError> {
        if !self.service_principals.contains_key(&id) {
            return Err(StoreError::NotFound("service principal"));
        }
        self.refuse_last(id)?;
        self.service_principals.remove(&id);
        self.forget_principal(id);
        self.append_audit(audit)
    }

    pub(super) fn assign_role(&mut self, mut new: RoleAssignment, audit: AuditEntry) -> Result<(), StoreError> {
        new.scope = new.scope.filter(|group| *group != ALL_DEVICES);
        if self.epoch_of(new.principal).is_none() {
            return Err(StoreError::NotFound("user or service principal"));
        }
        if new.scope.is_some_and(|group| !self.has_group(group)) {
            return Err(StoreError::NotFound("group"));
        }
        if new.role.parse().is_ok_and(|id| !self.custom_roles.contains_key(&id)) {
            return Err(StoreError::NotFound("role"));
        }
        let same = |known: &RoleAssignment| {
            (known.principal, &known.role, known.scope) == (new.principal, &new.role, new.scope) || known.id == new.id
        };
        if self.roles.iter().any(same) {
            return Err(StoreError::Exists("role assignment"));
        }
        self.next_epoch(new.principal);
        self.roles.push(new);
        self.roles.sort_by_key(|role| (role.principal, role.id));
        self.append_audit(audit)
    }

    pub(super) fn unassign_role(&mut self, id: [u8; 16], audit: AuditEntry) -> Result<(), StoreError> {
        let role = self.roles.iter().find(|role| role.id == id).cloned();
        let role = role.ok_or(StoreError::NotFound("role assignment"))?;
        let administrator =
            role.role == GLOBAL_ADMINISTRATOR && role.scope.is_none() && self.is_enabled(role.principal);
        if administrator && !self.has_other_administrator(|other| other.id == id) {
            return Err(StoreError::LastAdministrator);
        }
        self.roles.retain(|role| role.id != id);
        self.next_epoch(role.principal);
        self.append_audit(audit)
    }

    pub(super) fn role_assignments(&self, principal: Option<PrincipalId>) -> Result<Vec<RoleAssignment>, StoreError> {
        let wanted = self.roles.iter().filter(|role| principal.is_none_or(|principal| role.principal == principal));
        Ok(wanted.cloned().collect())
    }

    pub(super) fn authorization(&self, principal: PrincipalId) -> Result<Option<Authorization>, StoreError> {
        let roles = self.role_assignments(Some(principal))?;
        if let Some(row) = self.users.get(&principal) {
            return Ok(Some(Authorization {
                principal,
                display_name: row.user.display_name.clone(),
                is_user: true,
                enabled: row.user.enabled,
                epoch: row.user.epoch,
                roles,
                custom: self.custom_roles_of(principal),
                permissions: Vec::new(),
            }));
        }
        Ok(self.service_principals.get(&principal).map(|known| Authorization {
            principal,
            display_name: known.name.clone(),
            is_user: false,
            enabled: known.enabled,
            epoch: known.epoch,
            roles,
            custom: self.custom_roles_of(principal),
            permissions: known.permissions.clone(),
        }))
    }
}
