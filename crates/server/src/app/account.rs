//! One's own account: password, one-time codes, sessions; and what an administrator does about those of others.

use super::authenticate::{address_key, user_key};
use super::record::{activity, category, target};
use super::{App, Error, Kind, Result, hex, unhex16};
use crate::authz::{self, Action, Caller, Principal};
use crate::oauth::{Passwords, secret, totp};
use crate::store::{self, Session, UserChange, totp_candidate};
use laps::id::PrincipalId;
use proto::admin::{Factors, NewTotp, OneTimeCode, Passkey, PasswordChange, RecoveryCodes, SignInSession};
use proto::oauth::Secret;
use serde_json::{Value, json};

/// Recovery codes that an enrolment gives.
const RECOVERY_CODES: usize = 10;

impl App {
    /// The caller, for what one does to one's own account: a person, with a token that covers it.
    pub(super) fn oneself<'a>(&self, caller: &'a Caller) -> Result<&'a Principal> {
        self.require(caller, Action::AccountWrite)?;
        Ok(caller.principal().ok_or(authz::Denied::Kind(Action::AccountWrite))?)
    }

    pub(super) async fn own_user(&self, caller: &Caller) -> Result<store::User> {
        let id = self.oneself(caller)?.id;
        self.stored_user(id).await
    }

    /// What the caller signs in with beside the password.
    pub async fn my_factors(&self, caller: &Caller) -> Result<Factors> {
        let id = self.oneself(caller)?.id;
        self.factors_of(id).await
    }

    /// The same of another person.
    pub async fn factors(&self, caller: &Caller, user: PrincipalId) -> Result<Factors> {
        self.require(caller, Action::PeopleRead)?;
        self.stored_user(user).await?;
        self.factors_of(user).await
    }

    async fn factors_of(&self, user: PrincipalId) -> Result<Factors> {
        let factors = self.store.factors(user).await?;
        Ok(Factors {
            totp_since: factors.totp_since,
            recovery_codes: factors.recovery_codes,
            passkeys: factors
                .passkeys
                .into_iter()
                .map(|passkey| Passkey {
                    id: hex(&passkey.id),
                    name: passkey.name,
                    created_date_time: passkey.created_at,
                    last_used_date_time: passkey.used_at,
                })
                .collect(),
        })
    }

    /// Another password; the one until now is asked for.
    pub async fn change_password(&self, caller: &Caller, change: &PasswordChange) -> Result<()> {
        let user = self.own_user(caller).await?;
        self.prove_password(caller, &user, &change.current_password).await?;
        let chosen = Secret::new(change.new_password.clone());
        Passwords::fit(&chosen, &user.user_name)?;
        let hash = self.passwords.hash(&chosen, self.random_bytes()?).await?;
        let audit = self.entry(
            caller,
            activity::CHANGE_PASSWORD,
            category::USER,
            target("user", &user.id, &user.user_name),
            json!({}),
        )?;
        let change = UserChange { password_hash: Some(hash), ..UserChange::default() };
        self.store.update_user(user.id, change, audit).await?;
        Ok(())
    }

    /// A new secret for a generator of one-time codes. It counts once a code of it was shown.
    pub async fn begin_totp(&self, caller: &Caller) -> Result<NewTotp> {
        let user = self.own_user(caller).await?;
        if self.store.factors(user.id).await?.totp_since.is_some() {
            return Err(Error::refused(
                Kind::Conflict,
                "totp_enrolled",
                "one-time codes are asked for already; remove the generator first to set up another one",
            ));
        }
        let bytes = zeroize::Zeroizing::new(self.random_bytes::<{ totp::SECRET_BYTES }>()?);
        let audit = self.entry(
            caller,
            activity::ENROL_FACTOR,
            category::USER,
            target("user", &user.id, &user.user_name),
            json!({"method": "totp", "step": "begun"}),
        )?;
        let name = totp_candidate(user.id);
        self.keep(&name, bytes.as_slice(), |sealed| self.store.put_secret(name.clone(), sealed, audit.clone())).await?;
        let host = self.options.url.strip_prefix("https://").unwrap_or(&self.options.url);
        let uri = totp::key_uri(&format!("Lapwing {host}"), &user.user_name, bytes.as_slice());
        let qr = qrcode::QrCode::new(uri.as_bytes()).map_err(|error| Error::Internal(error.to_string()))?;
        let svg = qr.render::<qrcode::render::svg::Color<'_>>().min_dimensions(220, 220).build();
        Ok(NewTotp { secret: totp::base32(bytes.as_slice()).to_string(), uri: uri.to_string(), qr_svg: svg })
    }

    /// The generator works: one-time codes are asked for from now on.
    pub async fn confirm_totp(&self, caller: &Caller, shown: &OneTimeCode) -> Result<RecoveryCodes> {
        let user = self.own_user(caller).await?;
        let key = user_key(&user.user_name);
        if self.is_locked(&key).await? {
            return Err(locked_out());
        }
        let Some(kept) = self.kept(&totp_candidate(user.id)).await? else {
            return Err(Error::invalid("totp_not_begun", "ask for a new secret first: POST /v1.0/lapwing/me/totp"));
        };
        let Some(counted) = self.count_guess(&key).await? else { return Err(locked_out()) };
        // Each code works once: this one is not good for a sign-in any more.
        let good = match totp::matching_step(&kept, &shown.code, self.now()) {
            Some(step) => self.take_step(user.id, step).await?,
            None => false,
        };
        if !good {
            self.missed(caller, counted, target("user", &user.id, &user.user_name), "sign_in_failed").await?;
            return Err(code_wrong());
        }
        self.store.take_back_guess(key).await?;
        let mut codes = Vec::with_capacity(RECOVERY_CODES);
        for _ in 0..RECOVERY_CODES {
            codes.push(secret::recovery_code(&self.random_bytes()?));
        }
        let hashes: Vec<_> = codes.iter().filter_map(|code| secret::recovery_digest(code.reveal())).collect();
        let audit = self.entry(
            caller,
            activity::ENROL_FACTOR,
            category::USER,
            target("user", &user.id, &user.user_name),
            json!({"method": "totp"}),
        )?;
        let now = self.now();
        self.keep(&store::totp_secret(user.id), &kept, |sealed| {
            self.store.enrol_totp(user.id, sealed, hashes.clone(), now, audit.clone())
        })
        .await?;
        Ok(RecoveryCodes { recovery_codes: codes.iter().map(|code| code.reveal().to_owned()).collect() })
    }

    /// One-time codes are no longer asked for; a code is asked for once more.
    pub async fn remove_totp(&self, caller: &Caller, shown: &OneTimeCode) -> Result<()> {
        let user = self.own_user(caller).await?;
        let key = user_key(&user.user_name);
        if self.is_locked(&key).await? {
            return Err(locked_out());
        }
        if self.store.factors(user.id).await?.totp_since.is_some() {
            let Some(counted) = self.count_guess(&key).await? else { return Err(locked_out()) };
            if !self.is_code(caller, &user, &shown.code).await? {
                self.missed(caller, counted, target("user", &user.id, &user.user_name), "sign_in_failed").await?;
                return Err(code_wrong());
            }
            self.store.take_back_guess(key).await?;
        }
        let audit = self.entry(
            caller,
            activity::REMOVE_FACTOR,
            category::USER,
            target("user", &user.id, &user.user_name),
            json!({"method": "totp"}),
        )?;
        Ok(self.store.remove_totp(user.id, audit).await?)
    }

    /// An administrator takes a generator away from a person who lost it.
    pub async fn reset_totp(&self, caller: &Caller, id: PrincipalId) -> Result<()> {
        self.require(caller, Action::PeopleWrite)?;
        let user = self.stored_user(id).await?;
        self.refuse_above(caller, id).await?;
        let audit = self.entry(
            caller,
            activity::RESET_FACTOR,
            category::USER,
            target("user", &id, &user.user_name),
            json!({"method": "totp"}),
        )?;
        Ok(self.store.remove_totp(id, audit).await?)
    }

    /// Where the caller is signed in.
    pub async fn my_sessions(&self, caller: &Caller) -> Result<Vec<SignInSession>> {
        let id = self.oneself(caller)?.id;
        Ok(self.store.sessions_of(id, self.now()).await?.into_iter().map(session).collect())
    }

    /// Where another person is.
    pub async fn sessions(&self, caller: &Caller, of: PrincipalId) -> Result<Vec<SignInSession>> {
        self.require(caller, Action::PeopleRead)?;
        Ok(self.store.sessions_of(of, self.now()).await?.into_iter().map(session).collect())
    }

    /// Ends a sign-in of the caller's own: its access tokens stop working at once.
    pub async fn end_my_session(&self, caller: &Caller, session: &str) -> Result<()> {
        let id = self.oneself(caller)?.id;
        self.end_session_of(caller, id, session).await
    }

    /// Ends a sign-in of another person.
    pub async fn end_session(&self, caller: &Caller, of: PrincipalId, session: &str) -> Result<()> {
        self.require(caller, Action::PeopleWrite)?;
        self.refuse_above(caller, of).await?;
        self.end_session_of(caller, of, session).await
    }

    async fn end_session_of(&self, caller: &Caller, of: PrincipalId, session: &str) -> Result<()> {
        let family = unhex16(session).ok_or_else(session_unknown)?;
        let audit = self.entry(caller, activity::END_SESSION, category::SIGN_IN, target("user", &of, ""), json!({}))?;
        match self.store.end_session(of, family, audit).await {
            Err(store::StoreError::NotFound(_)) => Err(session_unknown()),
            other => Ok(other?),
        }
    }

    /// Takes the lock of too many failures off a person.
    pub async fn unlock_user(&self, caller: &Caller, id: PrincipalId) -> Result<()> {
        self.require(caller, Action::PeopleWrite)?;
        let user = self.stored_user(id).await?;
        self.refuse_above(caller, id).await?;
        let audit =
            self.entry(caller, activity::UNLOCK, category::USER, target("user", &id, &user.user_name), json!({}))?;
        Ok(self.store.unlock(user_key(&user.user_name), audit).await?)
    }

    /// Takes it off an address.
    pub async fn unlock_address(&self, caller: &Caller, address: &str) -> Result<()> {
        self.require(caller, Action::PeopleWrite)?;
        let parsed = address
            .parse()
            .map_err(|_| Error::invalid("bad_address", "expected an IP address, such as 192.0.2.1 or 2001:db8::1"))?;
        let mut locked = caller.clone();
        locked.origin.address = Some(parsed);
        let key = address_key(&locked).unwrap_or_default();
        let audit = self.entry(caller, activity::UNLOCK, category::USER, target("address", &address, ""), json!({}))?;
        Ok(self.store.unlock(key, audit).await?)
    }
}

fn session(stored: Session) -> SignInSession {
    let facts: Value = serde_json::from_str(&stored.data).unwrap_or_default();
    SignInSession {
        id: hex(&stored.family),
        kind: stored.kind.word().to_owned(),
        client: facts["client"].as_str().map(str::to_owned),
        created_date_time: stored.created_at,
        expires_date_time: stored.expires_at,
    }
}

fn session_unknown() -> Error {
    Error::not_found("session_unknown", "there is no such session; it may have ended")
}

fn code_wrong() -> Error {
    Error::invalid("code_wrong", "that code is wrong or was used before; wait for the next one")
}

pub(super) fn locked_out() -> Error {
    Error::refused(Kind::TooMany, "locked_out", "too many failures; try again in five minutes")
}
