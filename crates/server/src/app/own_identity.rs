//! A person links accounts at foreign providers to the own account here, and takes the links away. The way there and
//! back proves the foreign account and gives a code; the code and a fresh proof of the password here make the link.
//! So nothing that opens an account travels in an address, and neither proof alone links anything.

use super::authenticate::user_key;
use super::record::{activity, category, target};
use super::{App, Error, Kind, Result, hex, unhex16};
use crate::authz::Caller;
use crate::oauth::secret;
use crate::store::{self, IdentityLink, StoreError, Ticket};
use proto::admin::{LinkedIdentity, OwnLink, OwnUnlink, SignInProvider};
use proto::oauth::Secret;
use serde_json::{Value, json};

/// Seconds between the way back and the link.
const LINK_S: u64 = 600;
/// Keeps the tickets apart.
const LINK: &str = "foreign_link";

impl App {
    /// The providers at which the caller may have an account to link.
    pub async fn my_identity_providers(&self, caller: &Caller) -> Result<Vec<SignInProvider>> {
        self.oneself(caller)?;
        let known = self.sign_in_providers(caller).await?;
        Ok(known.into_iter().map(|(id, name)| SignInProvider { id, name }).collect())
    }

    /// The accounts elsewhere with which the caller signs in.
    pub async fn my_identities(&self, caller: &Caller) -> Result<Vec<LinkedIdentity>> {
        let id = self.oneself(caller)?.id;
        let providers = self.store.identity_providers().await?;
        let name = |id| providers.iter().find(|provider| provider.id == id).map(|provider| provider.name.clone());
        let links = self.store.identity_links(id).await?;
        Ok(links
            .into_iter()
            .map(|link| LinkedIdentity {
                provider: hex(&link.provider),
                provider_name: name(link.provider).unwrap_or_default(),
                subject: link.subject,
                linked_date_time: link.linked_at,
            })
            .collect())
    }

    /// What a person who proved an account elsewhere gives to link it.
    pub(super) async fn link_code(&self, provider: &store::IdentityProvider, subject: &str) -> Result<Secret> {
        let code = secret::recovery_code(&self.random_bytes()?);
        let hash = link_digest(code.reveal()).ok_or_else(|| Error::Internal("a code that is none".into()))?;
        self.store
            .put_ticket(Ticket {
                hash,
                purpose: LINK,
                data: json!({"provider": hex(&provider.id), "subject": subject}).to_string(),
                expires_at: self.now().plus_seconds(LINK_S),
            })
            .await?;
        Ok(code)
    }

    /// Links the account elsewhere that a code stands for to the caller's own.
    pub async fn link_my_identity(&self, caller: &Caller, asked: &OwnLink) -> Result<LinkedIdentity> {
        let user = self.own_user(caller).await?;
        self.prove_password(caller, &user, &asked.current_password).await?;
        let unknown =
            || Error::invalid("link_code_unknown", "this code is not known, was used, or has run out; begin again");
        let hash = link_digest(&asked.code).ok_or_else(unknown)?;
        let data = self.store.take_ticket(LINK, hash, self.now()).await?.ok_or_else(unknown)?;
        let facts: Value = serde_json::from_str(&data).unwrap_or_default();
        let (Some(id), Some(subject)) = (facts["provider"].as_str(), facts["subject"].as_str()) else {
            return Err(unknown());
        };
        let provider = self.provider(id).await?;
        let link = IdentityLink {
            provider: provider.id,
            subject: subject.to_owned(),
            principal: user.id,
            linked_at: self.now(),
        };
        let audit = self.entry(
            caller,
            activity::LINK_IDENTITY,
            category::USER,
            target("user", &user.id, &user.user_name),
            json!({"provider": provider.name, "subject": subject, "own": true}),
        )?;
        match self.store.link_identity(link.clone(), audit).await {
            Err(StoreError::Exists(_)) => Err(Error::refused(
                Kind::Conflict,
                "identity_linked",
                "this account is linked already, to you or to somebody else here; an administrator can take that away",
            )),
            Err(error) => Err(error.into()),
            Ok(()) => Ok(LinkedIdentity {
                provider: hex(&provider.id),
                provider_name: provider.name,
                subject: link.subject,
                linked_date_time: link.linked_at,
            }),
        }
    }

    /// Takes a link of the caller's own away; every session ends with it.
    pub async fn unlink_my_identity(&self, caller: &Caller, asked: &OwnUnlink) -> Result<()> {
        let user = self.own_user(caller).await?;
        self.prove_password(caller, &user, &asked.current_password).await?;
        let unknown = || Error::not_found("identity_unknown", "you have no such account elsewhere");
        let provider = unhex16(&asked.provider).ok_or_else(unknown)?;
        let linked = self.store.linked_identity(provider, asked.subject.clone()).await?;
        if linked.is_none_or(|link| link.principal != user.id) {
            return Err(unknown());
        }
        let audit = self.entry(
            caller,
            activity::UNLINK_IDENTITY,
            category::USER,
            target("user", &user.id, &user.user_name),
            json!({"provider": asked.provider, "subject": asked.subject, "own": true}),
        )?;
        Ok(self.store.unlink_identity(provider, asked.subject.clone(), audit).await?)
    }

    /// A fresh proof that the person who is signed in knows the password; guesses count as at the sign-in.
    pub(super) async fn prove_password(&self, caller: &Caller, user: &store::User, password: &str) -> Result<()> {
        let key = user_key(&user.user_name);
        if self.is_locked(&key).await? {
            return Err(super::account::locked_out());
        }
        let turn = self.passwords.turn()?;
        let Some(counted) = self.count_guess(&key).await? else { return Err(super::account::locked_out()) };
        if turn.check(&Secret::new(password.to_owned()), user.password_hash.as_deref()).await? {
            return Ok(self.store.take_back_guess(key).await?);
        }
        self.missed(caller, counted, target("user", &user.id, &user.user_name), "sign_in_failed").await?;
        Err(Error::invalid("password_wrong", "that is not your password"))
    }
}

/// What is stored of a code; `None` when it cannot be one.
fn link_digest(typed: &str) -> Option<[u8; 32]> {
    // 80 random bits, as recovery codes have; under a purpose of their own.
    secret::recovery_digest(typed)
}
