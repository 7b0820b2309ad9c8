//! How a person answers a device code (RFC 8628 3.3): name and password, or at the first sign-in the
//! one-time secret; and the bound on guessing.

use super::people::ONE_TIME_PREFIX;
use super::record::{activity, category, target};
use super::{App, Result};
use crate::authz::{Caller, Identity, Principal, Scopes};
use crate::oauth::{Passwords, secret};
use crate::store::{LockoutRule, StoreError, User};
use proto::oauth::{Verification, VerificationAnswer, VerificationResult};
use serde_json::json;

/// Ten wrong passwords in ten minutes lock a name for five.
const LOCKOUT: LockoutRule = LockoutRule { threshold: 10, window_s: 600, lock_s: 300 };

impl App {
    /// The client that a typed code belongs to, for the verification page; `None` for no open code.
    pub async fn code_client(&self, _caller: &Caller, typed: &str) -> Result<Option<String>> {
        let Some(code) = secret::typed_code(typed) else {
            return Ok(None);
        };
        let found = self.store.device_code_by_user_code(code, self.now()).await?;
        Ok(found.map(|code| code.client_id))
    }

    /// A person answers a code: name and password, or at the first sign-in the one-time secret and a
    /// password of their choice.
    pub async fn verify(&self, caller: &Caller, form: &Verification) -> Result<VerificationAnswer> {
        let now = self.now();
        let codes = format!("codes:{}", caller.origin.address.map_or_else(String::new, |address| address.to_string()));
        if self.is_locked(&codes).await? {
            return Ok(answer(VerificationResult::LockedOut));
        }
        let code = match secret::typed_code(&form.user_code) {
            Some(code) => self.store.device_code_by_user_code(code.clone(), now).await?.map(|_| code),
            None => None,
        };
        let Some(code) = code else {
            self.store.count_failure(codes, LOCKOUT, now).await?;
            return Ok(answer(VerificationResult::CodeUnknown));
        };
        let user = match self.person(caller, form).await? {
            Ok(user) => user,
            Err(answer) => return Ok(answer),
        };
        let refused = form.answer.as_deref() == Some("refuse");
        let known = caller.with(Identity::User(Principal {
            id: user.id,
            name: user.user_name.clone(),
            assignments: Vec::new(),
            scopes: Scopes::default(),
            epoch: user.epoch,
            client_id: String::new(),
        }));
        let audit = self.entry(
            &known,
            activity::APPROVE_DEVICE_CODE,
            category::SIGN_IN,
            target("user", &user.id, &user.user_name),
            json!({"agreed": !refused}),
        )?;
        let answered = self.store.answer_device_code(code, (!refused).then_some(user.id), now, audit).await;
        match answered {
            Ok(()) if refused => Ok(answer(VerificationResult::Refused)),
            Ok(()) => Ok(answer(VerificationResult::Approved)),
            Err(StoreError::TokenUnknown | StoreError::TokenUsed | StoreError::TokenExpired) => {
                Ok(answer(VerificationResult::CodeUnknown))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Who a form with name and password is from; counts, bounds and records what fails. At the first
    /// sign-in it redeems the one-time secret for the password that the form chooses.
    pub(super) async fn person(
        &self,
        caller: &Caller,
        form: &Verification,
    ) -> Result<std::result::Result<User, VerificationAnswer>> {
        let name = form.user_name.trim();
        let key = format!("user:{}", name.chars().take(200).collect::<String>().to_lowercase());
        if self.is_locked(&key).await? {
            return Ok(Err(answer(VerificationResult::LockedOut)));
        }
        let user = self.store.user_by_name(name.to_owned()).await?.filter(|user| user.enabled);
        let first = form.password.reveal().starts_with(ONE_TIME_PREFIX);
        let user = if first {
            match self.redeem(caller, user, name, form).await? {
                Ok(user) => Some(user),
                Err(answer) => {
                    if answer.result == VerificationResult::SignInFailed {
                        self.failed(caller, &key, target("user", &name, name)).await?;
                    }
                    return Ok(Err(answer));
                }
            }
        } else {
            let stored = user.as_ref().and_then(|user| user.password_hash.as_deref());
            let good = self.passwords.check(&form.password, stored).await?;
            user.filter(|_| good)
        };
        let Some(user) = user else {
            self.failed(caller, &key, target("user", &name, name)).await?;
            return Ok(Err(answer(VerificationResult::SignInFailed)));
        };
        self.store.clear_failures(key).await?;
        Ok(Ok(user))
    }

    /// The first sign-in. Without a chosen password the answer is the same for every name, so that it
    /// tells nothing about who exists; the secret itself is checked when it is used up.
    async fn redeem(
        &self,
        caller: &Caller,
        user: Option<User>,
        name: &str,
        form: &Verification,
    ) -> Result<std::result::Result<User, VerificationAnswer>> {
        let Some(chosen) = &form.new_password else {
            return Ok(Err(answer(VerificationResult::NewPasswordRequired)));
        };
        let again = form.new_password_again.as_ref();
        let fit = if again.is_some_and(|again| again != chosen) {
            Err(crate::oauth::PasswordError::Different)
        } else {
            Passwords::fit(chosen, name)
        };
        if let Err(error) = fit {
            return Ok(Err(VerificationAnswer {
                result: VerificationResult::NewPasswordUnfit,
                message: format!("{error}."),
            }));
        }
        // Hashed for unknown names too, so that time tells nothing.
        let hash = self.passwords.hash(chosen, self.random_bytes()?).await?;
        let Some(user) = user else {
            return Ok(Err(answer(VerificationResult::SignInFailed)));
        };
        let audit = self.entry(
            caller,
            activity::REDEEM_ONE_TIME,
            category::SIGN_IN,
            target("user", &user.id, &user.user_name),
            json!({}),
        )?;
        let redeemed =
            self.store.redeem_one_time(user.id, secret::digest(form.password.reveal()), hash, self.now(), audit).await;
        match redeemed {
            Ok(user) => Ok(Ok(user)),
            Err(StoreError::TokenUnknown | StoreError::TokenExpired | StoreError::TokenUsed) => {
                Ok(Err(answer(VerificationResult::SignInFailed)))
            }
            Err(error) => Err(error.into()),
        }
    }

    pub(super) async fn is_locked(&self, key: &str) -> Result<bool> {
        let now = self.now();
        let lockout = self.store.lockout(key.to_owned(), now).await?;
        Ok(lockout.locked_until.is_some_and(|until| now < until))
    }

    /// Counts and records a failed sign-in.
    pub(super) async fn failed(&self, caller: &Caller, key: &str, target: crate::audit::Target) -> Result<()> {
        self.metrics.sign_in_failures.inc();
        let lockout = self.store.count_failure(key.to_owned(), LOCKOUT, self.now()).await?;
        let code = if lockout.locked_until.is_some() { "locked_out" } else { "sign_in_failed" };
        self.record_refusal(caller, activity::SIGN_IN, category::SIGN_IN, target, code).await
    }
}

fn answer(result: VerificationResult) -> VerificationAnswer {
    use VerificationResult as R;
    VerificationAnswer {
        result,
        message: match result {
            R::Approved => "Signed in. You can close this page and go back to your program.",
            R::Refused => "Refused. The program does not get access.",
            R::NewPasswordRequired => "This is your first sign-in: choose a password.",
            R::NewPasswordUnfit => "Choose another password.",
            R::SignInFailed => "The name or the password is wrong, or the account may not sign in.",
            R::LockedOut => "Too many failures. Try again in five minutes.",
            R::CodeUnknown => "There is no such code, or it has run out. Start the sign-in in your program again.",
        }
        .into(),
    }
}
