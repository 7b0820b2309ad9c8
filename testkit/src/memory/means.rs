//! Kept secrets, second factors, passkeys, API tokens, keys of programs, foreign providers.

use super::state::State;
use laps::{id::PrincipalId, time::Timestamp};
use server::{
    audit::AuditEntry,
    seal::{KeyId, Sealed},
    store::*,
};
use std::collections::{BTreeMap, BTreeSet};

/// What users and programs sign in with beside passwords and secrets.
#[derive(Debug, Clone, Default)]
pub(super) struct Means {
    pub(super) secrets: BTreeMap<String, Sealed>,
    totp: BTreeMap<PrincipalId, Timestamp>,
    recovery: BTreeSet<(PrincipalId, SecretHash)>,
    passkeys: BTreeMap<Vec<u8>, Passkey>,
    pub(super) tickets: BTreeMap<(&'static str, SecretHash), (String, Timestamp)>,
    pub(super) tokens: BTreeMap<[u8; 16], ApiToken>,
    keys: BTreeMap<[u8; 16], ClientKey>,
    providers: BTreeMap<[u8; 16], IdentityProvider>,
    links: BTreeMap<([u8; 16], String), IdentityLink>,
}

impl State {
    fn expect_user(&self, user: PrincipalId) -> Result<(), StoreError> {
        if self.users.contains_key(&user) { Ok(()) } else { Err(StoreError::NotFound("user")) }
    }

    /// What goes with a principal that is removed.
    pub(super) fn forget_means(&mut self, of: PrincipalId) {
        let means = &mut self.means;
        means.secrets.remove(&totp_secret(of));
        means.secrets.remove(&totp_candidate(of));
        means.totp.remove(&of);
        means.recovery.retain(|(user, _)| *user != of);
        means.passkeys.retain(|_, passkey| passkey.principal != of);
        means.tokens.retain(|_, token| token.principal != of);
        means.keys.retain(|_, key| key.principal != of);
        means.links.retain(|_, link| link.principal != of);
    }

    fn keep(&mut self, name: String, sealed: Sealed) -> Result<(), StoreError> {
        if !self.keys.iter().any(|key| key.id == sealed.key && key.retired_at.is_none()) {
            return Err(StoreError::KeyRetired { active: self.active_key()? });
        }
        self.means.secrets.insert(name, sealed);
        Ok(())
    }

    pub(super) fn put_secret(&mut self, name: String, sealed: Sealed, audit: AuditEntry) -> Result<(), StoreError> {
        self.keep(name, sealed)?;
        self.append_audit(audit)
    }

    pub(super) fn secret(&self, name: String) -> Result<Option<Sealed>, StoreError> {
        Ok(self.means.secrets.get(&name).cloned())
    }

    pub(super) fn delete_secret(&mut self, name: String, audit: AuditEntry) -> Result<(), StoreError> {
        match self.means.secrets.remove(&name) {
            Some(_) => self.append_audit(audit),
            None => Ok(()),
        }
    }

    pub(super) fn secrets_under(&self, key: KeyId, limit: u32) -> Result<Vec<WrappedSecret>, StoreError> {
        let under = self.means.secrets.iter().filter(|(_, sealed)| sealed.key == key).take(limit as usize);
        Ok(under.map(|(name, sealed)| WrappedSecret { name: name.clone(), wrapped_key: sealed.wrapped_key }).collect())
    }

    pub(super) fn rewrap_secrets(
        &mut self,
        from: KeyId,
        to: KeyId,
        secrets: Vec<WrappedSecret>,
    ) -> Result<u64, StoreError> {
        if !self.keys.iter().any(|key| key.id == to && key.retired_at.is_none()) {
            return Err(StoreError::KeyRetired { active: self.active_key()? });
        }
        let mut replaced = 0;
        for secret in secrets {
            if let Some(sealed) = self.means.secrets.get_mut(&secret.name).filter(|sealed| sealed.key == from) {
                sealed.key = to;
                sealed.wrapped_key = secret.wrapped_key;
                replaced += 1;
            }
        }
        Ok(replaced)
    }

    pub(super) fn factors(&self, user: PrincipalId) -> Result<Factors, StoreError> {
        let mut passkeys: Vec<_> =
            self.means.passkeys.values().filter(|passkey| passkey.principal == user).cloned().collect();
        passkeys.sort_by_key(|passkey| (passkey.created_at, passkey.id.clone()));
        Ok(Factors {
            totp_since: self.means.totp.get(&user).copied(),
            recovery_codes: self.means.recovery.iter().filter(|(of, _)| *of == user).count() as u32,
            passkeys,
        })
    }

    pub(super) fn enrol_totp(
        &mut self,
        user: PrincipalId,
        secret: Sealed,
        recovery: Vec<SecretHash>,
        now: Timestamp,
        audit: AuditEntry,
    ) -> Result<(), StoreError> {
        self.expect_user(user)?;
        if self.means.totp.contains_key(&user) {
            return Err(StoreError::Exists("one-time password generator"));
        }
        self.keep(totp_secret(user), secret)?;
        self.means.secrets.remove(&totp_candidate(user));
        self.means.totp.insert(user, now);
        self.means.recovery.extend(recovery.into_iter().map(|code| (user, code)));
        self.append_audit(audit)
    }

    pub(super) fn remove_totp(&mut self, user: PrincipalId, audit: AuditEntry) -> Result<(), StoreError> {
        self.expect_user(user)?;
        self.means.secrets.remove(&totp_secret(user));
        self.means.secrets.remove(&totp_candidate(user));
        self.means.recovery.retain(|(of, _)| *of != user);
        if self.means.totp.remove(&user).is_none() {
            return Ok(());
        }
        self.next_epoch(user);
        self.append_audit(audit)
    }

    pub(super) fn use_recovery_code(
        &mut self,
        user: PrincipalId,
        code: SecretHash,
        audit: AuditEntry,
    ) -> Result<bool, StoreError> {
        let used = self.means.recovery.remove(&(user, code));
        if used {
            self.append_audit(audit)?;
        }
        Ok(used)
    }

    pub(super) fn add_passkey(&mut self, new: Passkey, audit: AuditEntry) -> Result<(), StoreError> {
        self.expect_user(new.principal)?;
        if self.factors(new.principal)?.passkeys.len() >= PASSKEYS_MAX {
            return Err(StoreError::TooMany("passkeys"));
        }
        if self.means.passkeys.contains_key(&new.id) {
            return Err(StoreError::Exists("passkey"));
        }
        self.means.passkeys.insert(new.id.clone(), Passkey { used_at: None, ..new });
        self.append_audit(audit)
    }

    pub(super) fn passkey(&self, id: Vec<u8>) -> Result<Option<Passkey>, StoreError> {
        Ok(self.means.passkeys.get(&id).cloned())
    }

    pub(super) fn use_passkey(&mut self, id: Vec<u8>, data: String, now: Timestamp) -> Result<(), StoreError> {
        let passkey = self.means.passkeys.get_mut(&id).ok_or(StoreError::NotFound("passkey"))?;
        passkey.data = data;
        passkey.used_at = Some(now);
        Ok(())
    }

    pub(super) fn remove_passkey(
        &mut self,
        user: PrincipalId,
        id: Vec<u8>,
        audit: AuditEntry,
    ) -> Result<(), StoreError> {
        if self.means.passkeys.get(&id).is_none_or(|passkey| passkey.principal != user) {
            return Err(StoreError::NotFound("passkey"));
        }
        self.means.passkeys.remove(&id);
        self.next_epoch(user);
        self.append_audit(audit)
    }

    pub(super) fn put_ticket(&mut self, ticket: Ticket) -> Result<(), StoreError> {
        let key = (ticket.purpose, ticket.hash);
        if self.means.tickets.contains_key(&key) {
            return Err(StoreError::Exists("ticket"));
        }
        self.means.tickets.insert(key, (ticket.data, ticket.expires_at));
        Ok(())
    }

    pub(super) fn take_ticket(
        &mut self,
        purpose: &'static str,
        hash: SecretHash,
        now: Timestamp,
    ) -> Result<Option<String>, StoreError> {
        let taken = self.means.tickets.remove(&(purpose, hash));
        Ok(taken.filter(|(_, expires_at)| now < *expires_at).map(|(data, _)| data))
    }

    pub(super) fn create_api_token(&mut self, new: ApiToken, audit: AuditEntry) -> Result<(), StoreError> {
        self.expect_user(new.principal)?;
        if self.api_tokens(Some(new.principal))?.len() >= API_TOKENS_MAX {
            return Err(StoreError::TooMany("API tokens"));
        }
        if self.means.tokens.values().any(|known| known.id == new.id || known.hash == new.hash) {
            return Err(StoreError::Exists("API token"));
        }
        self.means.tokens.insert(new.id, ApiToken { used_at: None, ..new });
        self.append_audit(audit)
    }

    pub(super) fn use_api_token(&mut self, hash: SecretHash, now: Timestamp) -> Result<Option<ApiToken>, StoreError> {
        let found = self.means.tokens.values_mut().find(|token| token.hash == hash && now < token.expires_at);
        Ok(found.map(|token| {
            if token.used_at.is_none_or(|used| now >= used.plus_seconds(USE_NOTED_S)) {
                token.used_at = Some(now);
            }
            token.clone()
        }))
    }

    pub(super) fn api_tokens(&self, user: Option<PrincipalId>) -> Result<Vec<ApiToken>, StoreError> {
        let mut tokens: Vec<_> = self
            .means
            .tokens
            .values()
            .filter(|token| user.is_none_or(|user| token.principal == user))
            .cloned()
            .collect();
        tokens.sort_by_key(|token| (token.created_at, token.id));
        Ok(tokens)
    }

    pub(super) fn revoke_api_token(&mut self, id: [u8; 16], audit: AuditEntry) -> Result<(), StoreError> {
        self.means.tokens.remove(&id).ok_or(StoreError::NotFound("API token"))?;
        self.append_audit(audit)
    }

    pub(super) fn add_client_key(&mut self, new: ClientKey, audit: AuditEntry) -> Result<(), StoreError> {
        if !self.service_principals.contains_key(&new.principal) {
            return Err(StoreError::NotFound("service principal"));
        }
        if self.client_keys(new.principal)?.len() >= CLIENT_KEYS_MAX {
            return Err(StoreError::TooMany("keys of a service principal"));
        }
        if self.means.keys.contains_key(&new.id) {
            return Err(StoreError::Exists("key"));
        }
        self.means.keys.insert(new.id, new);
        self.append_audit(audit)
    }

    pub(super) fn client_keys(&self, of: PrincipalId) -> Result<Vec<ClientKey>, StoreError> {
        Ok(self.means.keys.values().filter(|key| key.principal == of).cloned().collect())
    }

    pub(super) fn remove_client_key(
        &mut self,
        of: PrincipalId,
        id: [u8; 16],
        audit: AuditEntry,
    ) -> Result<(), StoreError> {
        if self.means.keys.get(&id).is_none_or(|key| key.principal != of) {
            return Err(StoreError::NotFound("key"));
        }
        self.means.keys.remove(&id);
        self.next_epoch(of);
        self.append_audit(audit)
    }

    pub(super) fn identity_providers(&self) -> Result<Vec<IdentityProvider>, StoreError> {
        let mut all: Vec<_> = self.means.providers.values().cloned().collect();
        all.sort_by_key(|provider| (provider.name.clone(), provider.id));
        Ok(all)
    }

    pub(super) fn add_identity_provider(
        &mut self,
        new: IdentityProvider,
        secret: Sealed,
        audit: AuditEntry,
    ) -> Result<(), StoreError> {
        if self.means.providers.len() >= IDENTITY_PROVIDERS_MAX {
            return Err(StoreError::TooMany("identity providers"));
        }
        if self.means.providers.values().any(|known| known.id == new.id || known.issuer == new.issuer) {
            return Err(StoreError::Exists("identity provider"));
        }
        self.keep(provider_secret(new.id), secret)?;
        self.means.providers.insert(new.id, new);
        self.append_audit(audit)
    }

    pub(super) fn remove_identity_provider(&mut self, id: [u8; 16], audit: AuditEntry) -> Result<(), StoreError> {
        self.means.providers.remove(&id).ok_or(StoreError::NotFound("identity provider"))?;
        self.means.links.retain(|(provider, _), _| *provider != id);
        self.means.secrets.remove(&provider_secret(id));
        self.append_audit(audit)
    }

    pub(super) fn link_identity(&mut self, new: IdentityLink, audit: AuditEntry) -> Result<(), StoreError> {
        self.expect_user(new.principal)?;
        if !self.means.providers.contains_key(&new.provider) {
            return Err(StoreError::NotFound("identity provider"));
        }
        let key = (new.provider, new.subject.clone());
        if self.means.links.contains_key(&key) {
            return Err(StoreError::Exists("link of this subject"));
        }
        self.means.links.insert(key, new);
        self.append_audit(audit)
    }

    pub(super) fn unlink_identity(
        &mut self,
        provider: [u8; 16],
        subject: String,
        audit: AuditEntry,
    ) -> Result<(), StoreError> {
        let link = self.means.links.remove(&(provider, subject)).ok_or(StoreError::NotFound("link"))?;
        self.next_epoch(link.principal);
        self.append_audit(audit)
    }

    pub(super) fn linked_identity(
        &self,
        provider: [u8; 16],
        subject: String,
    ) -> Result<Option<IdentityLink>, StoreError> {
        Ok(self.means.links.get(&(provider, subject)).cloned())
    }

    pub(super) fn identity_links(&self, user: PrincipalId) -> Result<Vec<IdentityLink>, StoreError> {
        Ok(self.means.links.values().filter(|link| link.principal == user).cloned().collect())
    }

    pub(super) fn sessions_of(&self, principal: PrincipalId, now: Timestamp) -> Result<Vec<Session>, StoreError> {
        let good = |session: &&Session| {
            session.principal == principal
                && now < session.expires_at
                && self.epoch_of(principal) == Some(session.epoch)
        };
        let standing = self.sessions.values().filter(|(_, used)| !used).map(|(session, _)| session);
        let mut sessions: Vec<_> = standing.filter(good).cloned().collect();
        sessions.sort_by_key(|session| (core::cmp::Reverse(session.created_at), session.hash));
        sessions.truncate(Page::LIMIT_MAX as usize);
        Ok(sessions)
    }

    pub(super) fn session_stands(&self, principal: PrincipalId, family: [u8; 16]) -> Result<bool, StoreError> {
        let mut all = self.sessions.values().map(|(session, _)| session);
        Ok(all.any(|session| session.principal == principal && session.family == family))
    }

    pub(super) fn end_session(
        &mut self,
        principal: PrincipalId,
        family: [u8; 16],
        audit: AuditEntry,
    ) -> Result<(), StoreError> {
        if !self.session_stands(principal, family)? {
            return Err(StoreError::NotFound("session"));
        }
        self.sessions.retain(|_, (session, _)| session.principal != principal || session.family != family);
        self.append_audit(audit)
    }

    pub(super) fn unlock(&mut self, key: String, audit: AuditEntry) -> Result<(), StoreError> {
        match self.failures.remove(&key) {
            Some(_) => self.append_audit(audit),
            None => Ok(()),
        }
    }
}
