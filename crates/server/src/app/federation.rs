//! Signing in with a foreign OpenID provider: authorization code with PKCE, nonce and state; the verified subject must
//! be linked to a user who is here already. Nobody is made by a sign-in.
//!
//! One random secret lies in the browser's cookie; verifier, nonce and state are derived from it, and the store knows
//! its hash. So an answer is good once, in the browser that began, and nothing secret lies in the database meanwhile.

use super::groups::checked_name;
use super::people::unknown_principal;
use super::record::{activity, category, target};
use super::{App, Error, Kind, Result, hex, unhex16};
use crate::authz::{Action, Caller};
use crate::oauth::relying::{self, Discovered, Expected, RelyingError};
use crate::oauth::{secret, token::unix_s};
use crate::store::{self, IdentityLink, Ticket, provider_secret};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use laps::id::PrincipalId;
use laps::time::Timestamp;
use proto::admin::{Identity, IdentityProvider, NewIdentityProvider};
use proto::oauth::Secret;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use subtle::ConstantTimeEq;

/// Seconds that a person may take at the provider.
const AWAY_S: u64 = 600;
/// Seconds between the way back and the agreement.
const KNOWN_S: u64 = 300;
/// Keeps the tickets apart.
const AWAY: &str = "foreign_sign_in";
pub(super) const KNOWN: &str = "foreign_person";
/// Seconds that a provider's discovery document is good for without being asked for again.
const DISCOVERED_S: u64 = 600;
/// Providers whose document is remembered.
const DISCOVERED_MAX: usize = 100;
/// Longest URL of an issuer, bytes.
const ISSUER_BYTES_MAX: usize = 500;

/// An exchange with the outside: HTTPS only, no redirect, bounded in time and size. Not `Debug`: it carries secrets.
#[derive(Clone, Copy)]
pub struct OutsideRequest<'a> {
    /// An `https` URL.
    pub url: &'a str,
    /// A form to post; without one it is a GET.
    pub form: Option<&'a [(&'a str, &'a str)]>,
    /// The header `Authorization`.
    pub authorization: Option<&'a str>,
    /// A certificate authority to trust, PEM; else those of the machine.
    pub ca: Option<&'a str>,
}

/// What it gives: the body of a successful answer.
pub type OutsideAnswer<'a> = Pin<Box<dyn Future<Output = std::result::Result<Vec<u8>, String>> + Send + 'a>>;

/// The network, as the application is given it.
pub trait Outside: Send + Sync + 'static {
    /// Asks once. The error is for the log.
    fn ask<'a>(&'a self, request: OutsideRequest<'a>) -> OutsideAnswer<'a>;
}

/// A sign-in that begins: where the browser goes, and its cookie.
pub struct Departure {
    /// The provider's page.
    pub location: String,
    /// The value of the cookie.
    pub cookie: Secret,
}

/// A person who came back and is who the provider says.
pub struct Arrival {
    /// For the form with which the person goes on; it stands for name and password.
    pub ticket: Secret,
    /// The user.
    pub user_name: String,
    /// The provider.
    pub provider: String,
    /// What the page that sent the person away wanted to know again.
    pub to: Value,
}

/// Who came back from a provider.
pub enum Arrived {
    /// Somebody who is a user here.
    Known(Arrival),
    /// Somebody who went there to link the account to one of here.
    ToLink {
        /// What the person gives, with the password of the account here; good once, for ten minutes.
        code: Secret,
        /// The provider.
        provider: String,
        /// Who the person is there.
        subject: String,
    },
}

/// Discovery documents of providers, each good for ten minutes.
#[derive(Default)]
pub(super) struct Discoveries(Mutex<BTreeMap<[u8; 16], (Timestamp, Discovered)>>);

impl Discoveries {
    fn known(&self, provider: [u8; 16], now: Timestamp) -> Option<Discovered> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (until, found) = known.get(&provider)?;
        // A clock that was set back does not make it good for longer.
        let good = now < *until && until.ticks_since(now) <= DISCOVERED_S * laps::time::TICKS_PER_SECOND;
        good.then(|| found.clone())
    }
    fn note(&self, provider: [u8; 16], found: &Discovered, now: Timestamp) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|_, (until, _)| now < *until);
        if known.len() < DISCOVERED_MAX {
            known.insert(provider, (now.plus_seconds(DISCOVERED_S), found.clone()));
        }
    }
    fn forget(&self, provider: [u8; 16]) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&provider);
    }
}

impl App {
    /// The providers with which people may sign in: id and name.
    pub async fn sign_in_providers(&self, _caller: &Caller) -> Result<Vec<(String, String)>> {
        let known = self.store.identity_providers().await?;
        Ok(known.into_iter().map(|provider| (hex(&provider.id), provider.name)).collect())
    }

    /// The providers.
    pub async fn identity_providers(&self, caller: &Caller) -> Result<Vec<IdentityProvider>> {
        self.require(caller, Action::SettingsRead)?;
        Ok(self.store.identity_providers().await?.into_iter().map(entity).collect())
    }

    /// Sets a provider up; its discovery document must be there and fit.
    pub async fn add_identity_provider(&self, caller: &Caller, new: &NewIdentityProvider) -> Result<IdentityProvider> {
        self.require(caller, Action::SettingsWrite)?;
        let name = checked_name(&new.name)?;
        let fits = new.issuer.starts_with("https://")
            && new.issuer.len() <= ISSUER_BYTES_MAX
            && new.issuer.bytes().all(|byte| byte.is_ascii_graphic())
            && !new.issuer.contains(['?', '#']);
        if !fits {
            return Err(Error::invalid("bad_issuer", "the issuer is an https URL without query and fragment"));
        }
        if new.client_id.is_empty() || new.client_id.len() > 200 || new.client_secret.len() > 1_000 {
            return Err(Error::invalid("bad_client", "give the client id and the secret that the provider gave you"));
        }
        let provider = store::IdentityProvider {
            id: self.random_bytes()?,
            name,
            issuer: new.issuer.clone(),
            client_id: new.client_id.clone(),
            ca: new.ca.clone(),
            created_at: self.now(),
        };
        self.discover(&provider).await?;
        let audit = self.entry(
            caller,
            activity::ADD_PROVIDER,
            category::DIRECTORY,
            target("identityProvider", &hex(&provider.id), &provider.name),
            json!({"issuer": provider.issuer, "clientId": provider.client_id}),
        )?;
        self.keep(&provider_secret(provider.id), new.client_secret.as_bytes(), |sealed| {
            self.store.add_identity_provider(provider.clone(), sealed, audit.clone())
        })
        .await?;
        Ok(entity(provider))
    }

    /// Removes a provider with its links.
    pub async fn remove_identity_provider(&self, caller: &Caller, id: &str) -> Result<()> {
        self.require(caller, Action::SettingsWrite)?;
        let provider = self.provider(id).await?;
        let audit = self.entry(
            caller,
            activity::REMOVE_PROVIDER,
            category::DIRECTORY,
            target("identityProvider", &hex(&provider.id), &provider.name),
            json!({}),
        )?;
        self.discovered.forget(provider.id);
        Ok(self.store.remove_identity_provider(provider.id, audit).await?)
    }

    /// The subjects that are a user.
    pub async fn identities(&self, caller: &Caller, user: PrincipalId) -> Result<Vec<Identity>> {
        self.require(caller, Action::PeopleRead)?;
        let links = self.store.identity_links(user).await?;
        Ok(links.into_iter().map(|link| Identity { provider: hex(&link.provider), subject: link.subject }).collect())
    }

    /// Says that a subject of a provider is this user.
    pub async fn link_identity(&self, caller: &Caller, user: PrincipalId, asked: &Identity) -> Result<()> {
        self.require(caller, Action::PeopleWrite)?;
        let known = self.store.user(user).await?.ok_or_else(|| unknown_principal(user))?;
        self.refuse_above(caller, user).await?;
        let provider = self.provider(&asked.provider).await?;
        let chars = asked.subject.chars().count();
        if chars == 0 || chars > 255 || asked.subject.chars().any(char::is_control) {
            return Err(Error::invalid("bad_subject", "a subject has 1 to 255 printable characters"));
        }
        let audit = self.entry(
            caller,
            activity::LINK_IDENTITY,
            category::USER,
            target("user", &user, &known.user_name),
            json!({"provider": provider.name, "subject": asked.subject}),
        )?;
        let link = IdentityLink {
            provider: provider.id,
            subject: asked.subject.clone(),
            principal: user,
            linked_at: self.now(),
        };
        Ok(self.store.link_identity(link, audit).await?)
    }

    /// Takes a link away; sessions of the user end.
    pub async fn unlink_identity(&self, caller: &Caller, user: PrincipalId, asked: &Identity) -> Result<()> {
        self.require(caller, Action::PeopleWrite)?;
        self.refuse_above(caller, user).await?;
        let provider = self.provider(&asked.provider).await?;
        let linked = self.store.linked_identity(provider.id, asked.subject.clone()).await?;
        if linked.is_none_or(|link| link.principal != user) {
            return Err(Error::not_found("identity_unknown", "this user has no such identity"));
        }
        let audit = self.entry(
            caller,
            activity::UNLINK_IDENTITY,
            category::USER,
            target("user", &user, ""),
            json!({"provider": provider.name, "subject": asked.subject}),
        )?;
        Ok(self.store.unlink_identity(provider.id, asked.subject.clone(), audit).await?)
    }

    /// Sends a browser to a provider. `to` comes back with the person.
    pub async fn depart(&self, _caller: &Caller, provider: &str, base: &str, to: Value) -> Result<Departure> {
        let provider = self.provider(provider).await?;
        let found = self.discovered(&provider).await?;
        let cookie = secret::bearer("", &self.random_bytes()?);
        self.store
            .put_ticket(Ticket {
                hash: secret::digest(cookie.reveal()),
                purpose: AWAY,
                data: json!({"provider": hex(&provider.id), "to": to}).to_string(),
                expires_at: self.now().plus_seconds(AWAY_S),
            })
            .await?;
        let verifier = derived(&cookie, "verifier");
        let query = serde_urlencoded::to_string([
            ("response_type", "code"),
            ("client_id", &provider.client_id),
            ("redirect_uri", &callback(base)),
            ("scope", "openid"),
            ("state", &derived(&cookie, "state")),
            ("nonce", &derived(&cookie, "nonce")),
            ("code_challenge", &relying::challenge(&verifier)),
            ("code_challenge_method", "S256"),
        ])
        .map_err(|error| Error::Internal(error.to_string()))?;
        let mark = if found.authorization_endpoint.contains('?') { '&' } else { '?' };
        Ok(Departure { location: format!("{}{mark}{query}", found.authorization_endpoint), cookie })
    }

    /// A browser comes back. Everything is checked; what fails is recorded with its code.
    pub async fn arrive(
        &self,
        caller: &Caller,
        cookie: &Secret,
        state: &str,
        code: &str,
        base: &str,
    ) -> Result<Arrived> {
        if self.is_address_locked(caller).await? {
            return Err(super::account::locked_out());
        }
        let taken = self.store.take_ticket(AWAY, secret::digest(cookie.reveal()), self.now()).await?;
        let facts: Value = taken.and_then(|data| serde_json::from_str(&data).ok()).unwrap_or_default();
        let same: bool = derived(cookie, "state").as_bytes().ct_eq(state.as_bytes()).into();
        let Some(id) = facts["provider"].as_str().filter(|_| same) else {
            return Err(self.turned_away(caller, "-", "oidc_state", "").await?);
        };
        let provider = self.provider(id).await?;
        let subject = match self.exchange(&provider, cookie, code, base).await {
            Ok(subject) => subject,
            Err(code) => {
                // It may have moved since it was asked.
                self.discovered.forget(provider.id);
                return Err(self.turned_away(caller, &provider.name, code, "").await?);
            }
        };
        if facts["to"]["link"].as_bool() == Some(true) {
            let code = self.link_code(&provider, &subject).await?;
            return Ok(Arrived::ToLink { code, provider: provider.name, subject });
        }
        let link = self.store.linked_identity(provider.id, subject.clone()).await?;
        let user = match link {
            Some(link) => self.store.user(link.principal).await?.filter(|user| user.enabled),
            None => None,
        };
        let Some(user) = user else {
            return Err(self.turned_away(caller, &provider.name, "oidc_not_linked", &subject).await?);
        };
        let ticket = secret::bearer("lapwing-step.", &self.random_bytes()?);
        self.store
            .put_ticket(Ticket {
                hash: secret::digest(ticket.reveal()),
                purpose: KNOWN,
                data: json!({"user": user.id.to_string(), "epoch": user.epoch}).to_string(),
                expires_at: self.now().plus_seconds(KNOWN_S),
            })
            .await?;
        let to = facts["to"].clone();
        Ok(Arrived::Known(Arrival { ticket, user_name: user.user_name, provider: provider.name, to }))
    }

    async fn turned_away(&self, caller: &Caller, provider: &str, code: &'static str, subject: &str) -> Result<Error> {
        self.metrics.sign_in_failures.inc();
        let of = target("identityProvider", &provider, subject);
        self.record_refusal(caller, activity::SIGN_IN, category::SIGN_IN, of, code).await?;
        self.count_address(caller).await?;
        Ok(match code {
            "oidc_not_linked" => Error::refused(
                Kind::Denied,
                code,
                format!("your account at {provider} is nobody here; give an administrator this subject: {subject}"),
            ),
            _ => Error::refused(Kind::Denied, code, "the sign-in elsewhere did not fit; begin again"),
        })
    }

    /// Exchanges the code, and checks what the provider says; answers the subject, or the code of what did not fit.
    async fn exchange(
        &self,
        provider: &store::IdentityProvider,
        cookie: &Secret,
        code: &str,
        base: &str,
    ) -> std::result::Result<String, &'static str> {
        let found = self.discovered(provider).await.map_err(|_| "oidc_unreachable")?;
        let kept = self.kept(&provider_secret(provider.id)).await.ok().flatten().ok_or("oidc_client_secret")?;
        let client_secret = core::str::from_utf8(&kept).map_err(|_| "oidc_client_secret")?;
        let part =
            |text: &str| serde_urlencoded::to_string([("", text)]).map(|pair| pair.trim_start_matches('=').to_owned());
        // RFC 6749 2.3.1: both parts are form-encoded first.
        let (id, word) = (part(&provider.client_id), part(client_secret));
        let (Ok(id), Ok(word)) = (id, word) else { return Err("oidc_client_secret") };
        let pair = zeroize::Zeroizing::new(format!("{id}:{word}"));
        let authorization = zeroize::Zeroizing::new(format!("Basic {}", STANDARD.encode(pair.as_bytes())));
        let (verifier, back) = (derived(cookie, "verifier"), callback(base));
        let form = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", back.as_str()),
            ("client_id", provider.client_id.as_str()),
            ("code_verifier", verifier.as_str()),
        ];
        let request = OutsideRequest {
            url: &found.token_endpoint,
            form: Some(&form),
            authorization: Some(&authorization),
            ca: provider.ca.as_deref(),
        };
        let answer = self.outside()?.ask(request).await.map_err(|error| {
            tracing::warn!(provider = %provider.name, %error, "the code was not exchanged");
            "oidc_code_refused"
        })?;
        let answer: Value = serde_json::from_slice(&answer).map_err(|_| "oidc_malformed")?;
        let id_token = answer["id_token"].as_str().ok_or("oidc_malformed")?;
        let request =
            OutsideRequest { url: &found.jwks_uri, form: None, authorization: None, ca: provider.ca.as_deref() };
        let keys = self.outside()?.ask(request).await.map_err(|_| "oidc_unreachable")?;
        let nonce = derived(cookie, "nonce");
        let expected = Expected {
            issuer: &provider.issuer,
            client_id: &provider.client_id,
            nonce: &nonce,
            now_s: unix_s(self.now()),
        };
        relying::subject(id_token, &keys, expected).map_err(RelyingError::code)
    }

    /// What a provider's discovery document says, at most ten minutes old.
    async fn discovered(&self, provider: &store::IdentityProvider) -> Result<Discovered> {
        let now = self.now();
        if let Some(known) = self.discovered.known(provider.id, now) {
            return Ok(known);
        }
        let found = self.discover(provider).await?;
        self.discovered.note(provider.id, &found, now);
        Ok(found)
    }

    async fn discover(&self, provider: &store::IdentityProvider) -> Result<Discovered> {
        let url = relying::discovery_url(&provider.issuer);
        let request = OutsideRequest { url: &url, form: None, authorization: None, ca: provider.ca.as_deref() };
        let unreachable = |why: String| {
            tracing::warn!(provider = %provider.name, error = %why, "the provider was not reached");
            Error::refused(
                Kind::Invalid,
                "oidc_unreachable",
                "the provider does not answer at its issuer's address, over TLS that this server trusts",
            )
        };
        let outside = self.outside().map_err(|code| unreachable(code.to_owned()))?;
        let document = outside.ask(request).await.map_err(unreachable)?;
        relying::discovered(&document, &provider.issuer)
            .map_err(|error| Error::refused(Kind::Invalid, error.code(), error.to_string()))
    }

    fn outside(&self) -> std::result::Result<&dyn Outside, &'static str> {
        self.outside.get().map(AsRef::as_ref).ok_or("oidc_unreachable")
    }

    pub(super) async fn provider(&self, id: &str) -> Result<store::IdentityProvider> {
        let wanted = unhex16(id);
        let known = self.store.identity_providers().await?;
        known.into_iter().find(|provider| Some(provider.id) == wanted).ok_or_else(|| {
            Error::not_found(
                "identity_provider_unknown",
                "there is no such identity provider; list them with GET /v1.0/lapwing/identityProviders",
            )
        })
    }
}

/// A value that follows from the cookie and tells nothing about it.
fn derived(cookie: &Secret, of: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(format!("lapwing/{of}/{}", cookie.reveal())))
}

fn callback(base: &str) -> String {
    format!("{base}/device/callback")
}

fn entity(provider: store::IdentityProvider) -> IdentityProvider {
    IdentityProvider {
        id: hex(&provider.id),
        name: provider.name,
        issuer: provider.issuer,
        client_id: provider.client_id,
        created_date_time: provider.created_at,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_discovery_document_is_good_for_ten_minutes_and_no_longer() {
        let document = br#"{"issuer":"https://x.test","authorization_endpoint":"https://x.test/a",
            "token_endpoint":"https://x.test/t","jwks_uri":"https://x.test/k"}"#;
        let found = relying::discovered(document, "https://x.test").unwrap();
        let (known, start) = (Discoveries::default(), Timestamp::from_unix_ms(1_790_000_000_000));
        assert_eq!(known.known([1; 16], start), None);
        known.note([1; 16], &found, start);
        assert_eq!(known.known([1; 16], start.plus_seconds(DISCOVERED_S - 1)), Some(found.clone()));
        assert_eq!(known.known([1; 16], start.plus_seconds(DISCOVERED_S)), None);
        assert_eq!(known.known([1; 16], start.minus_ticks(1)), None, "the clock was set back");
        assert_eq!(known.known([2; 16], start), None);
        known.forget([1; 16]);
        assert_eq!(known.known([1; 16], start), None);
        for n in 0..=255 {
            known.note([n; 16], &found, start);
        }
        assert_eq!(known.0.lock().unwrap().len(), DISCOVERED_MAX);
    }
}
