//! API tokens of people: scoped, expiring, shown once.

use super::groups::checked_name;
use super::record::{activity, category, target};
use super::roles::assignments;
use super::{App, Error, Result, hex, unhex16};
use crate::authz::{Action, Caller, Identity, Principal, Scopes};
use crate::oauth::secret;
use crate::store::{self, StoreError};
use laps::id::PrincipalId;
use proto::admin::{ApiToken, CreatedApiToken, NewApiToken};
use serde_json::json;

/// Begins every API token, so that scanners of source code find it.
pub(super) const PREFIX: &str = "lapwing-pat.";
/// Most days of an API token.
const DAYS_MAX: u32 = 365;

impl App {
    /// Makes a token of the caller's own, for no more than the caller's present token covers.
    pub async fn create_api_token(&self, caller: &Caller, new: &NewApiToken) -> Result<CreatedApiToken> {
        let oneself = self.oneself(caller)?;
        let name = checked_name(&new.name)?;
        if !(1..=DAYS_MAX).contains(&new.days) {
            return Err(Error::invalid("bad_lifetime", format!("days is {}, expected 1 to {DAYS_MAX}", new.days)));
        }
        let mut scopes = Scopes::default();
        for asked in &new.scopes {
            let one = Scopes::parse(asked);
            let given = one.names().len() == 1 && oneself.scopes.narrowed(&one) == one && !one.cover_account();
            if !given {
                return Err(Error::invalid(
                    "scope_unknown",
                    format!(
                        "'{}' is not a scope that this token can give; expected some of {}",
                        asked.chars().take(80).collect::<String>(),
                        oneself.scopes.without_account()
                    ),
                ));
            }
            scopes = scopes.joined(&one);
        }
        if scopes.names().is_empty() {
            return Err(Error::invalid(
                "scope_unknown",
                format!("name at least one scope; expected some of {}", oneself.scopes.without_account()),
            ));
        }
        let id: [u8; 16] = self.random_bytes()?;
        let token = secret::bearer(PREFIX, &self.random_bytes()?);
        let now = self.now();
        let expires_at = now.plus_days(new.days);
        let audit = self.entry(
            caller,
            activity::ADD_API_TOKEN,
            category::USER,
            target("user", &oneself.id, &oneself.name),
            json!({"token": hex(&id), "name": name, "scopes": scopes.to_string(), "expires": expires_at.to_string()}),
        )?;
        self.store
            .create_api_token(
                store::ApiToken {
                    id,
                    hash: secret::digest(token.reveal()),
                    principal: oneself.id,
                    name,
                    scope: scopes.to_string(),
                    created_at: now,
                    expires_at,
                    used_at: None,
                },
                audit,
            )
            .await?;
        Ok(CreatedApiToken { id: hex(&id), token: token.reveal().to_owned(), expires_date_time: expires_at })
    }

    /// The caller's own tokens.
    pub async fn my_api_tokens(&self, caller: &Caller) -> Result<Vec<ApiToken>> {
        let id = self.oneself(caller)?.id;
        Ok(self.store.api_tokens(Some(id)).await?.into_iter().map(entity).collect())
    }

    /// Everybody's tokens.
    pub async fn api_tokens(&self, caller: &Caller) -> Result<Vec<ApiToken>> {
        self.require(caller, Action::PeopleRead)?;
        Ok(self.store.api_tokens(None).await?.into_iter().map(entity).collect())
    }

    /// Revokes a token of the caller's own.
    pub async fn revoke_my_api_token(&self, caller: &Caller, id: &str) -> Result<()> {
        let oneself = self.oneself(caller)?.id;
        let found = self.stored_api_token(id, Some(oneself)).await?;
        self.revoke_found(caller, &found).await
    }

    /// Revokes anybody's token.
    pub async fn revoke_api_token(&self, caller: &Caller, id: &str) -> Result<()> {
        self.require(caller, Action::PeopleWrite)?;
        let found = self.stored_api_token(id, None).await?;
        self.refuse_above(caller, found.principal).await?;
        self.revoke_found(caller, &found).await
    }

    async fn stored_api_token(&self, id: &str, of: Option<PrincipalId>) -> Result<store::ApiToken> {
        let wanted = unhex16(id);
        let all = self.store.api_tokens(of).await?;
        all.into_iter().find(|token| Some(token.id) == wanted).ok_or_else(token_unknown)
    }

    async fn revoke_found(&self, caller: &Caller, found: &store::ApiToken) -> Result<()> {
        let audit = self.entry(
            caller,
            activity::REVOKE_API_TOKEN,
            category::USER,
            target("user", &found.principal, ""),
            json!({"token": hex(&found.id), "name": found.name}),
        )?;
        match self.store.revoke_api_token(found.id, audit).await {
            Err(StoreError::NotFound(_)) => Err(token_unknown()),
            other => Ok(other?),
        }
    }

    /// Who an API token is, by what is stored now.
    pub(super) async fn by_api_token(&self, nobody: &Caller, token: &str) -> Result<Caller> {
        let refused =
            || Error::not_signed_in("this API token is not known, has run out or was revoked; make another one");
        let found = self.store.use_api_token(secret::digest(token), self.now()).await?.ok_or_else(refused)?;
        let authorization =
            self.store.authorization(found.principal).await?.filter(|held| held.enabled && held.is_user);
        let (Some(authorization), Some(user)) = (authorization, self.store.user(found.principal).await?) else {
            return Err(refused());
        };
        Ok(nobody.with(Identity::User(Principal {
            id: found.principal,
            name: user.user_name,
            assignments: assignments(&authorization),
            scopes: Scopes::parse(&found.scope),
            epoch: authorization.epoch,
            client_id: format!("api-token:{}", hex(&found.id)),
        })))
    }
}

fn entity(stored: store::ApiToken) -> ApiToken {
    ApiToken {
        id: hex(&stored.id),
        user: stored.principal,
        name: stored.name,
        scopes: stored.scope.split_ascii_whitespace().map(str::to_owned).collect(),
        created_date_time: stored.created_at,
        expires_date_time: stored.expires_at,
        last_used_date_time: stored.used_at,
    }
}

fn token_unknown() -> Error {
    Error::not_found("api_token_unknown", "there is no such API token; it may have been revoked")
}
