//! Whether somebody is who they say: name and password, the one-time secret of the first sign-in, the second factor;
//! and the bounds on guessing, by account and by address. Every page on which people sign in asks here.

use super::admit::subnet;
use super::federation::KNOWN;
use super::people::ONE_TIME_PREFIX;
use super::record::{activity, category, target};
use super::{App, Result};
use crate::authz::{Caller, Identity, Principal, Scopes};
use crate::oauth::{PasswordError, Passwords, secret, totp};
use crate::store::{Lockout, LockoutRule, StoreError, Ticket, User, totp_secret};
use laps::id::PrincipalId;
use proto::oauth::Secret;
use serde_json::{Value, json};

/// Ten failures in ten minutes lock an account for five.
pub(super) const LOCKOUT: LockoutRule = LockoutRule { threshold: 10, window_s: 600, lock_s: 300 };
/// A hundred from one address: many people sit behind one.
const ADDRESS_LOCKOUT: LockoutRule = LockoutRule { threshold: 100, window_s: 600, lock_s: 300 };
/// Seconds between the password and the code of the second factor.
const SECOND_FACTOR_S: u64 = 300;
/// Keeps the tickets of sign-ins apart from others.
const SECOND_FACTOR: &str = "second_factor";
/// Longest part of a typed name that is recorded, characters.
const NAME_CHARS_MAX: usize = 120;
/// Begins such a ticket.
const TICKET_PREFIX: &str = "lapwing-step.";

/// What a person brings.
#[derive(Debug, Default)]
pub(super) struct Brought<'a> {
    pub(super) name: &'a str,
    pub(super) password: Option<&'a Secret>,
    pub(super) new_password: Option<&'a Secret>,
    pub(super) new_password_again: Option<&'a Secret>,
    /// What the step before gave, in the place of name and password.
    pub(super) ticket: Option<&'a Secret>,
    /// The code of the generator, or a recovery code.
    pub(super) code: Option<&'a str>,
}

/// What it comes to.
pub(super) enum Authenticated {
    /// This user.
    User(User),
    /// The password is right: a code is asked for, with this ticket. `wrong`: the one before was not right.
    CodeRequired { ticket: Secret, wrong: bool },
    /// The first sign-in: a password is to be chosen.
    NewPasswordRequired,
    /// Another one is to be chosen.
    NewPasswordUnfit(PasswordError),
    /// Not right.
    Failed,
    /// Too many failures of this account or from this address.
    LockedOut,
}

impl App {
    /// Whether somebody is who they say. Counts and records failures; a success is the caller's to record.
    pub(super) async fn authenticate(&self, caller: &Caller, brought: &Brought<'_>) -> Result<Authenticated> {
        if self.is_address_locked(caller).await? {
            return Ok(Authenticated::LockedOut);
        }
        if let Some(ticket) = brought.ticket {
            return self.second_step(caller, ticket, brought.code).await;
        }
        let name = brought.name.trim();
        let key = user_key(name);
        if self.is_locked(&key).await? {
            return Ok(Authenticated::LockedOut);
        }
        let empty = Secret::default();
        let password = brought.password.unwrap_or(&empty);
        let user = self.store.user_by_name(name.to_owned()).await?.filter(|user| user.enabled);
        let shown: String = name.chars().take(NAME_CHARS_MAX).collect();
        let of = target("user", &shown, &shown);
        let by_one_time = password.reveal().starts_with(ONE_TIME_PREFIX);
        let user = if by_one_time {
            // Nobody guesses 256 random bits: counted when it was wrong.
            match self.redeem(caller, user, name, password, brought).await? {
                Authenticated::User(user) => user,
                Authenticated::Failed => {
                    self.failed(caller, &key, of).await?;
                    return Ok(Authenticated::Failed);
                }
                other => return Ok(other),
            }
        } else {
            let turn = self.passwords.turn()?;
            let Some(counted) = self.count_guess(&key).await? else { return Ok(Authenticated::LockedOut) };
            let stored = user.as_ref().and_then(|user| user.password_hash.as_deref());
            let good = turn.check(password, stored).await?;
            let Some(user) = user.filter(|_| good) else {
                self.missed(caller, counted, of, "sign_in_failed").await?;
                return Ok(Authenticated::Failed);
            };
            user
        };
        if self.store.factors(user.id).await?.totp_since.is_some() {
            if !by_one_time {
                // Right, and not signed in yet: wrong codes of before still count.
                self.store.take_back_guess(key).await?;
            }
            return match brought.code {
                Some(code) => self.with_code(caller, user, code).await,
                None => self.code_required(&user, false).await,
            };
        }
        self.store.clear_failures(key).await?;
        Ok(Authenticated::User(user))
    }

    /// The step behind the password: a ticket of before, and a code.
    async fn second_step(&self, caller: &Caller, ticket: &Secret, code: Option<&str>) -> Result<Authenticated> {
        let hash = secret::digest(ticket.reveal());
        let mut known = false;
        let mut taken = self.store.take_ticket(SECOND_FACTOR, hash, self.now()).await?;
        if taken.is_none() {
            // A foreign provider has said who it is: that is in the place of the password.
            taken = self.store.take_ticket(KNOWN, hash, self.now()).await?;
            known = taken.is_some();
        }
        let facts: Value = taken.and_then(|data| serde_json::from_str(&data).ok()).unwrap_or_default();
        let id = facts["user"].as_str().and_then(|id| id.parse::<PrincipalId>().ok());
        let user = match id {
            Some(id) => self.store.user(id).await?.filter(|user| user.enabled && facts["epoch"] == user.epoch),
            None => None,
        };
        let Some(user) = user else {
            self.record_refusal(
                caller,
                activity::SIGN_IN,
                category::SIGN_IN,
                target("user", &"-", ""),
                "sign_in_step_unknown",
            )
            .await?;
            self.count_address(caller).await?;
            return Ok(Authenticated::Failed);
        };
        if known {
            return match self.store.factors(user.id).await?.totp_since {
                Some(_) => self.code_required(&user, false).await,
                None => Ok(Authenticated::User(user)),
            };
        }
        self.with_code(caller, user, code.unwrap_or_default()).await
    }

    async fn with_code(&self, caller: &Caller, user: User, code: &str) -> Result<Authenticated> {
        let key = user_key(&user.user_name);
        if self.is_locked(&key).await? {
            return Ok(Authenticated::LockedOut);
        }
        let Some(counted) = self.count_guess(&key).await? else { return Ok(Authenticated::LockedOut) };
        if self.is_code(caller, &user, code).await? {
            self.store.clear_failures(key).await?;
            return Ok(Authenticated::User(user));
        }
        self.missed(caller, counted, target("user", &user.id, &user.user_name), "sign_in_failed").await?;
        self.code_required(&user, true).await
    }

    async fn code_required(&self, user: &User, wrong: bool) -> Result<Authenticated> {
        let ticket = secret::bearer(TICKET_PREFIX, &self.random_bytes()?);
        self.store
            .put_ticket(Ticket {
                hash: secret::digest(ticket.reveal()),
                purpose: SECOND_FACTOR,
                data: json!({"user": user.id.to_string(), "epoch": user.epoch}).to_string(),
                expires_at: self.now().plus_seconds(SECOND_FACTOR_S),
            })
            .await?;
        Ok(Authenticated::CodeRequired { ticket, wrong })
    }

    /// Whether a code is one of the user's generator that was not used before, or a recovery code; uses it up.
    pub(super) async fn is_code(&self, caller: &Caller, user: &User, code: &str) -> Result<bool> {
        if let Some(recovery) = secret::recovery_digest(code) {
            let known = caller.with(Identity::User(principal_of(user)));
            let audit = self.entry(
                &known,
                activity::USE_RECOVERY_CODE,
                category::SIGN_IN,
                target("user", &user.id, &user.user_name),
                json!({}),
            )?;
            return Ok(self.store.use_recovery_code(user.id, recovery, audit).await?);
        }
        let Some(kept) = self.kept(&totp_secret(user.id)).await? else {
            return Ok(false);
        };
        let Some(step) = totp::matching_step(&kept, code, self.now()) else {
            return Ok(false);
        };
        self.take_step(user.id, step).await
    }

    /// Notes a step of a generator as used; false when it was before. A step that was taken is not taken again
    /// (RFC 6238 5.2), on no node and not after a restart.
    pub(super) async fn take_step(&self, user: PrincipalId, step: u64) -> Result<bool> {
        let now = self.now();
        let used = secret::digest(&format!("{user}/{step}"));
        // For longer than the clock is let go back without jobs being held.
        Ok(self.store.use_once("totp", used, now.plus_days(2), now).await?)
    }

    /// The first sign-in. Without a chosen password the answer is the same for every name, so that it
    /// tells nothing about who exists; the secret itself is checked when it is used up.
    async fn redeem(
        &self,
        caller: &Caller,
        user: Option<User>,
        name: &str,
        one_time: &Secret,
        brought: &Brought<'_>,
    ) -> Result<Authenticated> {
        let Some(chosen) = brought.new_password else {
            return Ok(Authenticated::NewPasswordRequired);
        };
        let fit = if brought.new_password_again.is_some_and(|again| again != chosen) {
            Err(PasswordError::Different)
        } else {
            Passwords::fit(chosen, name)
        };
        if let Err(error) = fit {
            return Ok(Authenticated::NewPasswordUnfit(error));
        }
        // Hashed for unknown names too, so that time tells nothing.
        let hash = self.passwords.hash(chosen, self.random_bytes()?).await?;
        let Some(user) = user else {
            return Ok(Authenticated::Failed);
        };
        let audit = self.entry(
            caller,
            activity::REDEEM_ONE_TIME,
            category::SIGN_IN,
            target("user", &user.id, &user.user_name),
            json!({}),
        )?;
        let redeemed =
            self.store.redeem_one_time(user.id, secret::digest(one_time.reveal()), hash, self.now(), audit).await;
        match redeemed {
            Ok(user) => Ok(Authenticated::User(user)),
            Err(StoreError::TokenUnknown | StoreError::TokenExpired | StoreError::TokenUsed) => {
                Ok(Authenticated::Failed)
            }
            Err(error) => Err(error.into()),
        }
    }

    pub(super) async fn is_locked(&self, key: &str) -> Result<bool> {
        let now = self.now();
        let lockout = self.store.lockout(key.to_owned(), now).await?;
        Ok(lockout.locked_until.is_some_and(|until| now < until))
    }

    /// Counts a guess against the account before it is looked at, so that guesses at once get no more looks than one
    /// after the other; `None` while the account is locked. What was wrong goes to [`Self::missed`]; what was right is
    /// taken back, or clears the counter.
    pub(super) async fn count_guess(&self, key: &str) -> Result<Option<Lockout>> {
        Ok(self.store.count_guess(key.to_owned(), LOCKOUT, self.now()).await?)
    }

    /// Counts and records a failed sign-in, against the account and against the address.
    pub(super) async fn failed(&self, caller: &Caller, key: &str, of: crate::audit::Target) -> Result<()> {
        self.failed_with(caller, key, of, "sign_in_failed").await
    }

    /// The same, with a code of its own.
    pub(super) async fn failed_with(
        &self,
        caller: &Caller,
        key: &str,
        of: crate::audit::Target,
        code: &'static str,
    ) -> Result<()> {
        let counted = self.store.count_failure(key.to_owned(), LOCKOUT, self.now()).await?;
        self.missed(caller, counted, of, code).await
    }

    /// Records a guess that was counted before and was wrong, and counts it against the address.
    pub(super) async fn missed(
        &self,
        caller: &Caller,
        counted: Lockout,
        of: crate::audit::Target,
        code: &'static str,
    ) -> Result<()> {
        self.metrics.sign_in_failures.inc();
        let code = if counted.locked_until.is_some() { "locked_out" } else { code };
        self.record_refusal(caller, activity::SIGN_IN, category::SIGN_IN, of, code).await?;
        self.count_address(caller).await
    }

    /// Whether the caller's address is locked.
    pub(super) async fn is_address_locked(&self, caller: &Caller) -> Result<bool> {
        match address_key(caller) {
            Some(key) => self.is_locked(&key).await,
            None => Ok(false),
        }
    }

    /// Counts a failure against the caller's address, and records that it locked it.
    pub(super) async fn count_address(&self, caller: &Caller) -> Result<()> {
        let Some(address) = address_key(caller) else { return Ok(()) };
        let before = self.is_locked(&address).await?;
        let lockout = self.store.count_failure(address.clone(), ADDRESS_LOCKOUT, self.now()).await?;
        if lockout.locked_until.is_some() && !before {
            let of = target("address", &address.trim_start_matches("address:"), "");
            self.record_refusal(caller, activity::SIGN_IN, category::SIGN_IN, of, "address_locked_out").await?;
        }
        Ok(())
    }
}

/// The counter of an account.
pub(super) fn user_key(name: &str) -> String {
    format!("user:{}", name.trim().chars().take(200).collect::<String>().to_lowercase())
}

/// The counter of an address; IPv6 hosts have a whole /64.
pub(super) fn address_key(caller: &Caller) -> Option<String> {
    caller.origin.address.map(|address| format!("address:{}", subnet(address)))
}

/// A user as the actor of a record, before there is a token.
pub(super) fn principal_of(user: &User) -> Principal {
    Principal {
        id: user.id,
        name: user.user_name.clone(),
        assignments: Vec::new(),
        scopes: Scopes::default(),
        epoch: user.epoch,
        client_id: String::new(),
    }
}
