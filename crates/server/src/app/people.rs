//! People and service principals (design.md 5, "People and roles").

use super::credentials::Listed;
use super::groups::checked_name;
use super::record::{activity, category, target};
use super::roles::{may_give, permitted};
use super::{App, Error, Result, hex, store_page};
use crate::authz::{Action, Caller, RoleScope, Scopes};
use crate::oauth::secret;
use crate::store::{self, ClientSecret, NewServicePrincipal, NewUser, ServicePrincipalChange, UserChange};
use laps::id::PrincipalId;
use proto::admin::{self, CreatedServicePrincipal, CreatedUser, Person};
use proto::graph::User;
use serde_json::json;

/// Days that a one-time secret can be redeemed.
const ONE_TIME_DAYS: u32 = 7;
/// Begins every one-time secret, so that the sign-in page knows what it was given.
pub(super) const ONE_TIME_PREFIX: &str = "lapwing-once.";
/// Begins every client secret, so that scanners of source code find it.
const CLIENT_SECRET_PREFIX: &str = "lapwing-client.";
/// Most days of a client secret.
const SECRET_DAYS_MAX: u32 = 730;

impl App {
    /// Who the caller is.
    pub async fn me(&self, caller: &Caller) -> Result<User> {
        let principal = caller.principal().ok_or(crate::authz::Denied::Anonymous)?;
        let (display_name, name) = match self.store.user(principal.id).await? {
            Some(user) => (user.display_name, user.user_name),
            None => (principal.name.clone(), principal.name.clone()),
        };
        Ok(User {
            id: principal.id,
            display_name,
            user_principal_name: name,
            roles: principal.assignments.iter().map(|assignment| assignment.role.name().to_owned()).collect(),
        })
    }

    /// People.
    pub async fn users(&self, caller: &Caller, after: Option<String>, limit: u32) -> Result<Listed<Person>> {
        self.require(caller, Action::PeopleRead)?;
        let page = self.store.users(store_page(after, limit)).await?;
        let names = self.role_names().await?;
        let mut items = Vec::with_capacity(page.items.len());
        for user in page.items {
            let roles = self.roles_of(user.id, &names).await?;
            items.push(person(user, roles));
        }
        Ok(Listed::new(items, page.next))
    }

    /// One person.
    pub async fn person_of(&self, caller: &Caller, id: PrincipalId) -> Result<Person> {
        self.require(caller, Action::PeopleRead)?;
        let user = self.stored_user(id).await?;
        let names = self.role_names().await?;
        let roles = self.roles_of(user.id, &names).await?;
        Ok(person(user, roles))
    }

    /// Service principals.
    pub async fn service_principals(
        &self,
        caller: &Caller,
        after: Option<String>,
        limit: u32,
    ) -> Result<Listed<Person>> {
        self.require(caller, Action::PeopleRead)?;
        let page = self.store.service_principals(store_page(after, limit)).await?;
        let names = self.role_names().await?;
        let mut items = Vec::with_capacity(page.items.len());
        for principal in page.items {
            items.push(Person {
                id: principal.id,
                name: principal.name.clone(),
                display_name: principal.name,
                enabled: principal.enabled,
                kind: "servicePrincipal".into(),
                roles: self.roles_of(principal.id, &names).await?,
                permissions: principal.permissions,
            });
        }
        Ok(Listed::new(items, page.next))
    }

    /// Makes a person with a one-time secret, and gives the role when one is named.
    pub async fn create_user(&self, caller: &Caller, new: &admin::NewUser) -> Result<CreatedUser> {
        self.require(caller, Action::PeopleWrite)?;
        let user_name = checked_name(&new.user_name)?;
        let display_name = match &new.display_name {
            Some(name) => checked_name(name)?,
            None => user_name.clone(),
        };
        let role = self.asked_role(caller, new.role.as_deref(), new.group.as_deref()).await?;
        let id = PrincipalId::from_random_bytes(self.random_bytes()?);
        let now = self.now();
        let one_time = secret::bearer(ONE_TIME_PREFIX, &self.random_bytes()?);
        let until = now.plus_days(ONE_TIME_DAYS);
        let audit =
            self.entry(caller, activity::ADD_USER, category::USER, target("user", &id, &user_name), json!({}))?;
        self.store
            .create_user(
                NewUser {
                    id,
                    user_name: user_name.clone(),
                    display_name,
                    one_time: Some((secret::digest(one_time.reveal()), until)),
                    password_hash: None,
                },
                now,
                audit,
            )
            .await?;
        if let Some(assignment) = role {
            self.give_role(caller, id, &user_name, assignment).await?;
        }
        Ok(CreatedUser { id, user_name, one_time_secret: one_time.reveal().to_owned(), expires_date_time: until })
    }

    /// Gives a person a new one-time secret; the password stops working.
    pub async fn reset_user(&self, caller: &Caller, id: PrincipalId) -> Result<CreatedUser> {
        self.require(caller, Action::PeopleWrite)?;
        let user = self.stored_user(id).await?;
        self.refuse_above(caller, id).await?;
        let one_time = secret::bearer(ONE_TIME_PREFIX, &self.random_bytes()?);
        let until = self.now().plus_days(ONE_TIME_DAYS);
        let audit = self.entry(
            caller,
            activity::UPDATE_USER,
            category::USER,
            target("user", &id, &user.user_name),
            json!({"oneTimeSecret": "new"}),
        )?;
        self.store
            .update_user(
                id,
                UserChange { one_time: Some((secret::digest(one_time.reveal()), until)), ..UserChange::default() },
                audit,
            )
            .await?;
        Ok(CreatedUser {
            id,
            user_name: user.user_name,
            one_time_secret: one_time.reveal().to_owned(),
            expires_date_time: until,
        })
    }

    /// Lets a person sign in, or not.
    pub async fn enable_user(&self, caller: &Caller, id: PrincipalId, enabled: bool) -> Result<()> {
        self.require(caller, Action::PeopleWrite)?;
        let user = self.stored_user(id).await?;
        self.refuse_above(caller, id).await?;
        let audit = self.entry(
            caller,
            activity::UPDATE_USER,
            category::USER,
            target("user", &id, &user.user_name),
            json!({"enabled": enabled}),
        )?;
        self.store.update_user(id, UserChange { enabled: Some(enabled), ..UserChange::default() }, audit).await?;
        Ok(())
    }

    /// Removes a person.
    pub async fn delete_user(&self, caller: &Caller, id: PrincipalId) -> Result<()> {
        self.require(caller, Action::PeopleWrite)?;
        let user = self.stored_user(id).await?;
        self.refuse_above(caller, id).await?;
        let audit =
            self.entry(caller, activity::DELETE_USER, category::USER, target("user", &id, &user.user_name), json!({}))?;
        Ok(self.store.delete_user(id, audit).await?)
    }

    /// Makes a service principal with a secret; the only time that it is shown.
    pub async fn create_service_principal(
        &self,
        caller: &Caller,
        new: &admin::NewServicePrincipal,
    ) -> Result<CreatedServicePrincipal> {
        self.require(caller, Action::PeopleWrite)?;
        let name = checked_name(&new.display_name)?;
        let known = Scopes::all();
        if let Some(unknown) = new.permissions.iter().find(|permission| !known.names().contains(&permission.as_str())) {
            return Err(Error::invalid(
                "permission_unknown",
                format!(
                    "there is no permission '{}'; expected some of {}",
                    unknown.chars().take(80).collect::<String>(),
                    known.names().join(", ")
                ),
            ));
        }
        may_give(caller, permitted(&new.permissions), RoleScope::Tenant)?;
        let days = new.secret_days.unwrap_or(365);
        if !(1..=SECRET_DAYS_MAX).contains(&days) {
            return Err(Error::invalid(
                "bad_lifetime",
                format!("secretDays is {days}, expected 1 to {SECRET_DAYS_MAX}"),
            ));
        }
        let role = self.asked_role(caller, new.role.as_deref(), new.group.as_deref()).await?;
        let id = PrincipalId::from_random_bytes(self.random_bytes()?);
        let now = self.now();
        let client_secret = secret::bearer(CLIENT_SECRET_PREFIX, &self.random_bytes()?);
        let expires_at = now.plus_days(days);
        let audit = self.entry(
            caller,
            activity::ADD_SERVICE_PRINCIPAL,
            category::APPLICATION,
            target("servicePrincipal", &id, &name),
            json!({"permissions": new.permissions}),
        )?;
        self.store
            .create_service_principal(
                NewServicePrincipal { id, name: name.clone(), permissions: new.permissions.clone() },
                now,
                audit,
            )
            .await?;
        let secret_id: [u8; 16] = self.random_bytes()?;
        let audit = self.entry(
            caller,
            activity::UPDATE_SERVICE_PRINCIPAL,
            category::APPLICATION,
            target("servicePrincipal", &id, &name),
            json!({"secretAdded": hex(&secret_id), "expires": expires_at.to_string()}),
        )?;
        let hint = client_secret.reveal().chars().skip(CLIENT_SECRET_PREFIX.len()).take(3).collect();
        self.store
            .update_service_principal(
                id,
                ServicePrincipalChange {
                    add_secret: Some(ClientSecret {
                        id: secret_id,
                        hash: secret::digest(client_secret.reveal()),
                        hint,
                        expires_at,
                    }),
                    ..ServicePrincipalChange::default()
                },
                audit,
            )
            .await?;
        if let Some(assignment) = role {
            self.give_role(caller, id, &name, assignment).await?;
        }
        Ok(CreatedServicePrincipal {
            client_id: id,
            tenant_id: self.tenant.to_string(),
            client_secret: client_secret.reveal().to_owned(),
            expires_date_time: expires_at,
        })
    }

    /// Removes a service principal.
    pub async fn delete_service_principal(&self, caller: &Caller, id: PrincipalId) -> Result<()> {
        self.require(caller, Action::PeopleWrite)?;
        let principal = self.store.service_principal(id).await?.ok_or_else(|| unknown_principal(id))?;
        self.refuse_above(caller, id).await?;
        let audit = self.entry(
            caller,
            activity::DELETE_SERVICE_PRINCIPAL,
            category::APPLICATION,
            target("servicePrincipal", &id, &principal.name),
            json!({}),
        )?;
        Ok(self.store.delete_service_principal(id, audit).await?)
    }

    pub(super) async fn stored_user(&self, id: PrincipalId) -> Result<store::User> {
        self.store.user(id).await?.ok_or_else(|| unknown_principal(id))
    }
}

pub(super) fn unknown_principal(id: PrincipalId) -> Error {
    Error::not_found(
        "principal_unknown",
        format!("there is nobody with the id {id}; list them with GET /v1.0/lapwing/users"),
    )
}

fn person(user: store::User, roles: Vec<admin::PersonRole>) -> Person {
    Person {
        id: user.id,
        name: user.user_name,
        display_name: user.display_name,
        enabled: user.enabled,
        kind: "user".into(),
        roles,
        permissions: Vec::new(),
    }
}
