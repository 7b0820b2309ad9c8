//! Passkeys (WebAuthn level 2): registered by a person who is signed in, used in the place of name, password and code.
//!
//! The authenticator verifies the person, so a passkey is both factors. Challenges are drawn by the library; what a
//! ceremony has come to lies in the store, is bound to the person and good once.

use super::authenticate::user_key;
use super::groups::checked_name;
use super::record::{activity, category, target};
use super::{App, Error, Kind, Result, hex};
use crate::authz::Caller;
use crate::oauth::secret;
use crate::store::{self, Ticket, User};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use laps::id::PrincipalId;
use proto::admin::{BegunPasskey, NewPasskey, Passkey, PasskeyAnswer};
use proto::oauth::{VerificationAnswer, VerificationResult};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};
use webauthn_rs::prelude::{self as webauthn, Url, Uuid, Webauthn, WebauthnBuilder};

/// Seconds that a ceremony may take.
const CEREMONY_S: u64 = 300;
const REGISTER: &str = "passkey_register";
const SIGN_IN: &str = "passkey_sign_in";
const TICKET_PREFIX: &str = "lapwing-step.";
/// Longest answer of a browser, bytes as JSON text.
const CREDENTIAL_BYTES_MAX: usize = 16 * 1024;

impl App {
    /// The relying party: its id is the server's host name.
    fn relying_party(&self) -> Result<Webauthn> {
        let needs_a_name = || {
            Error::refused(
                Kind::Unavailable,
                "passkeys_need_a_name",
                "passkeys need a server with a host name, not an address",
            )
        };
        let url = Url::parse(&self.options.url).map_err(|_| needs_a_name())?;
        let host = url.domain().ok_or_else(needs_a_name)?.to_owned();
        let builder = WebauthnBuilder::new(&host, &url).map_err(|_| needs_a_name())?;
        builder.rp_name("Lapwing").allow_any_port(true).build().map_err(|error| Error::Internal(error.to_string()))
    }

    /// Begins to register a passkey of the caller's own.
    pub async fn begin_passkey(&self, caller: &Caller) -> Result<BegunPasskey> {
        let user = self.own_user(caller).await?;
        let known = self.store.factors(user.id).await?.passkeys;
        let exclude = known.into_iter().map(|passkey| passkey.id).collect();
        let (options, state) = self
            .relying_party()?
            .start_passkey_registration(
                Uuid::from_bytes(*user.id.as_bytes()),
                &user.user_name,
                &user.display_name,
                Some(exclude),
            )
            .map_err(|error| Error::Internal(error.to_string()))?;
        self.begun(REGISTER, Some(&user), &state, &options).await
    }

    /// The authenticator has answered: the passkey is registered.
    pub async fn register_passkey(&self, caller: &Caller, new: &NewPasskey) -> Result<Passkey> {
        let user = self.own_user(caller).await?;
        let name = checked_name(&new.name)?;
        let state: webauthn::PasskeyRegistration = self
            .ceremony(REGISTER, &new.ticket)
            .await?
            .filter(|(of, _)| *of == Some(user.id))
            .and_then(|(_, state)| serde_json::from_value(state).ok())
            .ok_or_else(step_unknown)?;
        let credential: webauthn::RegisterPublicKeyCredential = credential(&new.credential)?;
        let passkey = self
            .relying_party()?
            .finish_passkey_registration(&credential, &state)
            .map_err(|_| Error::invalid("passkey_refused", "the authenticator's answer does not fit; try again"))?;
        let id: &[u8] = passkey.cred_id().as_ref();
        let stored = store::Passkey {
            id: id.to_vec(),
            principal: user.id,
            name,
            data: text(&passkey)?,
            created_at: self.now(),
            used_at: None,
        };
        let audit = self.entry(
            caller,
            activity::ENROL_FACTOR,
            category::USER,
            target("user", &user.id, &user.user_name),
            json!({"method": "passkey", "passkey": hex(&stored.id), "name": stored.name}),
        )?;
        self.store.add_passkey(stored.clone(), audit).await?;
        Ok(Passkey {
            id: hex(&stored.id),
            name: stored.name,
            created_date_time: stored.created_at,
            last_used_date_time: None,
        })
    }

    /// Removes a passkey of the caller's own; every session ends with it.
    pub async fn remove_my_passkey(&self, caller: &Caller, id: &str) -> Result<()> {
        let user = self.own_user(caller).await?;
        let id = proto::hex::decode(id).ok_or_else(passkey_unknown)?;
        let audit = self.entry(
            caller,
            activity::REMOVE_FACTOR,
            category::USER,
            target("user", &user.id, &user.user_name),
            json!({"method": "passkey", "passkey": hex(&id)}),
        )?;
        match self.store.remove_passkey(user.id, id, audit).await {
            Err(store::StoreError::NotFound(_)) => Err(passkey_unknown()),
            other => Ok(other?),
        }
    }

    /// An administrator removes every passkey of a person who lost them.
    pub async fn reset_passkeys(&self, caller: &Caller, id: PrincipalId) -> Result<()> {
        self.require(caller, crate::authz::Action::PeopleWrite)?;
        let user = self.stored_user(id).await?;
        self.refuse_above(caller, id).await?;
        for passkey in self.store.factors(id).await?.passkeys {
            let audit = self.entry(
                caller,
                activity::RESET_FACTOR,
                category::USER,
                target("user", &id, &user.user_name),
                json!({"method": "passkey", "passkey": hex(&passkey.id)}),
            )?;
            self.store.remove_passkey(id, passkey.id, audit).await?;
        }
        Ok(())
    }

    /// Begins a sign-in. A name that nobody has, or without a passkey, is answered alike: with a credential that no
    /// authenticator holds.
    pub async fn begin_passkey_sign_in(&self, _caller: &Caller, name: &str) -> Result<BegunPasskey> {
        let name = name.trim();
        let user = self.store.user_by_name(name.to_owned()).await?.filter(|user| user.enabled);
        let known = match &user {
            Some(user) => self.store.factors(user.id).await?.passkeys,
            None => Vec::new(),
        };
        let passkeys: Vec<webauthn::Passkey> =
            known.iter().filter_map(|passkey| serde_json::from_str(&passkey.data).ok()).collect();
        let party = self.relying_party()?;
        if let Some(user) = user.filter(|_| !passkeys.is_empty()) {
            let (options, state) =
                party.start_passkey_authentication(&passkeys).map_err(|error| Error::Internal(error.to_string()))?;
            return self.begun(SIGN_IN, Some(&user), &state, &options).await;
        }
        let host = Url::parse(&self.options.url).ok().and_then(|url| url.domain().map(str::to_owned));
        let options = json!({"publicKey": {
            "challenge": URL_SAFE_NO_PAD.encode(self.random_bytes::<32>()?),
            "timeout": CEREMONY_S * 1000,
            "rpId": host,
            "allowCredentials": [{"type": "public-key", "id": URL_SAFE_NO_PAD.encode(self.signer.decoy(name))}],
            "userVerification": "required",
        }});
        self.begun(SIGN_IN, None, &Value::Null, &options).await
    }

    /// Who signed in with a passkey; `None` when it was not right, which is counted and recorded.
    pub(super) async fn by_passkey(&self, caller: &Caller, ticket: &str, answer: &Value) -> Result<Option<User>> {
        if self.is_address_locked(caller).await? {
            return Err(super::account::locked_out());
        }
        let (of, state) = self.ceremony(SIGN_IN, ticket).await?.ok_or_else(step_unknown)?;
        let user = match of {
            Some(id) => self.store.user(id).await?.filter(|user| user.enabled),
            None => None,
        };
        let good = match &user {
            Some(user) => self.is_passkey(user, state, answer).await?,
            None => false,
        };
        if good {
            return Ok(user);
        }
        let key = user.as_ref().map_or_else(|| user_key("-"), |user| user_key(&user.user_name));
        let of = target("user", &user.as_ref().map_or_else(|| "-".to_owned(), |user| user.id.to_string()), "");
        self.failed_with(caller, &key, of, "passkey_refused").await?;
        Ok(None)
    }

    async fn is_passkey(&self, user: &User, state: Value, answer: &Value) -> Result<bool> {
        let state = serde_json::from_value::<webauthn::PasskeyAuthentication>(state);
        let (Ok(state), Ok(answer)) = (state, credential::<webauthn::PublicKeyCredential>(answer)) else {
            return Ok(false);
        };
        // A counter that goes back is refused here: the authenticator may have been cloned.
        let Ok(result) = self.relying_party()?.finish_passkey_authentication(&answer, &state) else {
            return Ok(false);
        };
        let id: &[u8] = result.cred_id().as_ref();
        let Some(stored) = self.store.passkey(id.to_vec()).await?.filter(|stored| stored.principal == user.id) else {
            return Ok(false);
        };
        let Ok(mut passkey) = serde_json::from_str::<webauthn::Passkey>(&stored.data) else {
            return Ok(false);
        };
        passkey.update_credential(&result);
        self.store.use_passkey(stored.id, text(&passkey)?, self.now()).await?;
        Ok(true)
    }

    /// A person answers a device code with a passkey.
    pub async fn verify_by_passkey(&self, caller: &Caller, form: &PasskeyAnswer) -> Result<VerificationAnswer> {
        let code = match secret::typed_code(&form.user_code) {
            Some(code) => self.store.device_code_by_user_code(code.clone(), self.now()).await?.map(|_| code),
            None => None,
        };
        let Some(code) = code else {
            return Ok(super::verification::answer(VerificationResult::CodeUnknown));
        };
        match self.by_passkey(caller, &form.ticket, &form.credential).await? {
            Some(user) => self.answer_code(caller, &user, code, form.refuse).await,
            None => Ok(super::verification::answer(VerificationResult::SignInFailed)),
        }
    }

    async fn begun(
        &self,
        purpose: &'static str,
        user: Option<&User>,
        state: &impl Serialize,
        options: &impl Serialize,
    ) -> Result<BegunPasskey> {
        let ticket = secret::bearer(TICKET_PREFIX, &self.random_bytes()?);
        let state = serde_json::to_value(state).map_err(|error| Error::Internal(error.to_string()))?;
        self.store
            .put_ticket(Ticket {
                hash: secret::digest(ticket.reveal()),
                purpose,
                data: json!({"user": user.map(|user| user.id.to_string()), "state": state}).to_string(),
                expires_at: self.now().plus_seconds(CEREMONY_S),
            })
            .await?;
        let options = serde_json::to_value(options).map_err(|error| Error::Internal(error.to_string()))?;
        Ok(BegunPasskey { ticket: ticket.reveal().to_owned(), options })
    }

    /// What a ceremony has come to: of whom, and the library's state. Taken once.
    async fn ceremony(&self, purpose: &'static str, ticket: &str) -> Result<Option<(Option<PrincipalId>, Value)>> {
        let taken = self.store.take_ticket(purpose, secret::digest(ticket), self.now()).await?;
        let facts: Option<Value> = taken.and_then(|data| serde_json::from_str(&data).ok());
        Ok(facts.map(|mut facts| {
            let user = facts["user"].as_str().and_then(|id| id.parse().ok());
            (user, facts["state"].take())
        }))
    }
}

fn credential<T: DeserializeOwned>(answer: &Value) -> Result<T> {
    let bad = || Error::invalid("bad_credential", "expected the authenticator's answer as the browser gives it");
    if answer.to_string().len() > CREDENTIAL_BYTES_MAX {
        return Err(bad());
    }
    T::deserialize(answer).map_err(|_| bad())
}

fn text(value: &impl Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(|error| Error::Internal(error.to_string()))
}

fn step_unknown() -> Error {
    Error::invalid("sign_in_step_unknown", "this step has run out or was used before; begin again")
}

fn passkey_unknown() -> Error {
    Error::not_found("passkey_unknown", "you have no such passkey; it may have been removed")
}
