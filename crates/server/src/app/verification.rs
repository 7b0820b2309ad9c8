//! How a person answers a device code (RFC 8628 3.3).

use super::authenticate::{Authenticated, Brought, LOCKOUT, principal_of};
use super::record::{activity, category, target};
use super::{App, Result};
use crate::authz::{Caller, Identity};
use crate::oauth::secret;
use crate::store::{StoreError, User};
use proto::oauth::{Verification, VerificationAnswer, VerificationResult};
use serde_json::json;

impl App {
    /// The client that a typed code belongs to, for the verification page; `None` for no open code.
    pub async fn code_client(&self, _caller: &Caller, typed: &str) -> Result<Option<String>> {
        let Some(code) = secret::typed_code(typed) else {
            return Ok(None);
        };
        let found = self.store.device_code_by_user_code(code, self.now()).await?;
        Ok(found.map(|code| code.client_id))
    }

    /// A person answers a code: name and password and the code of the generator, or at the first sign-in the
    /// one-time secret and a password of their choice.
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
        self.answer_code(caller, &user, code, form.answer.as_deref() == Some("refuse")).await
    }

    /// Who a form of a sign-in page is from, or what the page shows next.
    pub(super) async fn person(
        &self,
        caller: &Caller,
        form: &Verification,
    ) -> Result<std::result::Result<User, VerificationAnswer>> {
        let brought = Brought {
            name: &form.user_name,
            password: Some(&form.password),
            new_password: form.new_password.as_ref(),
            new_password_again: form.new_password_again.as_ref(),
            ticket: form.ticket.as_ref(),
            code: form.one_time_code.as_deref().filter(|code| !code.is_empty()),
        };
        Ok(Err(match self.authenticate(caller, &brought).await? {
            Authenticated::User(user) => return Ok(Ok(user)),
            Authenticated::CodeRequired { ticket, wrong } => {
                let result = match wrong {
                    true => VerificationResult::SecondFactorWrong,
                    false => VerificationResult::SecondFactorRequired,
                };
                VerificationAnswer { ticket: Some(ticket), ..answer(result) }
            }
            Authenticated::NewPasswordRequired => answer(VerificationResult::NewPasswordRequired),
            Authenticated::NewPasswordUnfit(error) => {
                VerificationAnswer { message: format!("{error}."), ..answer(VerificationResult::NewPasswordUnfit) }
            }
            Authenticated::Failed => answer(VerificationResult::SignInFailed),
            Authenticated::LockedOut => answer(VerificationResult::LockedOut),
        }))
    }

    /// A user who is known answers an open code.
    pub(super) async fn answer_code(
        &self,
        caller: &Caller,
        user: &User,
        code: String,
        refused: bool,
    ) -> Result<VerificationAnswer> {
        let known = caller.with(Identity::User(principal_of(user)));
        let audit = self.entry(
            &known,
            activity::APPROVE_DEVICE_CODE,
            category::SIGN_IN,
            target("user", &user.id, &user.user_name),
            json!({"agreed": !refused}),
        )?;
        let answered = self.store.answer_device_code(code, (!refused).then_some(user.id), self.now(), audit).await;
        match answered {
            Ok(()) if refused => Ok(answer(VerificationResult::Refused)),
            Ok(()) => Ok(answer(VerificationResult::Approved)),
            Err(StoreError::TokenUnknown | StoreError::TokenUsed | StoreError::TokenExpired) => {
                Ok(answer(VerificationResult::CodeUnknown))
            }
            Err(error) => Err(error.into()),
        }
    }
}

pub(super) fn answer(result: VerificationResult) -> VerificationAnswer {
    use VerificationResult as R;
    VerificationAnswer {
        result,
        message: match result {
            R::Approved => "Signed in. You can close this page and go back to your program.",
            R::Refused => "Refused. The program does not get access.",
            R::NewPasswordRequired => "This is your first sign-in: choose a password.",
            R::NewPasswordUnfit => "Choose another password.",
            R::SecondFactorRequired => "Type the code that your generator shows, or a recovery code.",
            R::SecondFactorWrong => "That code is wrong or was used before. Wait for the next one and type it.",
            R::SignInFailed => "The name or the password is wrong, or the account may not sign in.",
            R::LockedOut => "Too many failures. Try again in five minutes.",
            R::CodeUnknown => "There is no such code, or it has run out. Start the sign-in in your program again.",
        }
        .into(),
        ticket: None,
    }
}
