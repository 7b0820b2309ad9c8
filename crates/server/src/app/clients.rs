//! How service principals prove themselves: secrets, and keys with which they sign assertions.

use super::groups::checked_name;
use super::people::unknown_principal;
use super::record::{activity, category, target};
use super::sign_in::TokenRefusal;
use super::{App, Error, Result, hex, unhex16};
use crate::authz::{Action, Caller};
use crate::oauth::token::unix_s;
use crate::oauth::{assertion, secret};
use crate::store::{self, ServicePrincipal, StoreError};
use laps::id::PrincipalId;
use laps::time::Timestamp;
use proto::admin::{ClientKey, NewClientKey};
use proto::oauth::{ClientProof, Secret, TokenErrorKind};
use serde_json::json;
use sha2::{Digest, Sha256};

/// Most days of a key.
const KEY_DAYS_MAX: u32 = 730;

impl App {
    /// The service principal that a token request is of, if it proved itself. Failures are counted and recorded.
    pub(super) async fn proven_client(
        &self,
        caller: &Caller,
        client_id: &str,
        proof: &ClientProof,
        tenant: &str,
        base: &str,
    ) -> std::result::Result<Option<PrincipalId>, TokenRefusal> {
        let Ok(id) = client_id.parse::<PrincipalId>() else {
            return Ok(None);
        };
        if self.is_address_locked(caller).await? {
            return Err(TokenRefusal::Refused(
                TokenErrorKind::LockedOut,
                "Too many failures from this address; try again in five minutes.".to_owned(),
            ));
        }
        let key = format!("client:{id}");
        if self.is_locked(&key).await? {
            return Err(TokenRefusal::Refused(
                TokenErrorKind::LockedOut,
                "Too many wrong secrets for this client; try again in five minutes.".to_owned(),
            ));
        }
        let principal = self.store.service_principal(id).await?.filter(|principal| principal.enabled);
        let refused = match (&principal, proof) {
            (None, _) => Some("client_unknown"),
            (Some(principal), ClientProof::Secret(secret)) => {
                (!self.has_secret(principal, secret)).then_some("sign_in_failed")
            }
            (Some(_), ClientProof::Assertion(assertion)) => {
                self.judge_assertion(id, assertion, tenant, base).await?.err()
            }
        };
        match refused {
            None => {
                self.store.clear_failures(key).await?;
                Ok(Some(id))
            }
            Some(code) => {
                self.failed_with(caller, &key, target("servicePrincipal", &id, ""), code).await?;
                Ok(None)
            }
        }
    }

    fn has_secret(&self, principal: &ServicePrincipal, secret: &Secret) -> bool {
        let (now, digest) = (self.now(), secret::digest(secret.reveal()));
        principal.secrets.iter().any(|known| {
            now < known.expires_at
                && bool::from(subtle::ConstantTimeEq::ct_eq(known.hash.as_slice(), digest.as_slice()))
        })
    }

    /// Whether an assertion is good and was not seen before; else why not.
    async fn judge_assertion(
        &self,
        id: PrincipalId,
        assertion: &Secret,
        tenant: &str,
        base: &str,
    ) -> Result<std::result::Result<(), &'static str>> {
        let now = self.now();
        let keys = self.store.client_keys(id).await?;
        let keys: Vec<Vec<u8>> =
            keys.into_iter().filter(|key| now < key.expires_at).map(|key| key.public_key).collect();
        let own = self.tenant.to_string();
        let is_audience = |audience: &str| {
            let endpoint = |tenant: &str| audience == format!("{base}/{tenant}/oauth2/v2.0/token");
            endpoint(tenant) || endpoint(&own) || audience == format!("{base}/{own}/v2.0")
        };
        let checked = assertion::check(assertion.reveal(), &id.to_string(), &keys, is_audience, unix_s(now));
        let checked = match checked {
            Ok(checked) => checked,
            Err(error) => return Ok(Err(error.code())),
        };
        let seen = secret::digest(&format!("{id}/{}", checked.jti));
        let until = Timestamp::from_unix_ms(0).plus_seconds(checked.exp).plus_days(1);
        let first = self.store.use_once("client_assertion", seen, until, now).await?;
        Ok(if first { Ok(()) } else { Err("assertion_replayed") })
    }

    /// The keys of a service principal.
    pub async fn client_keys(&self, caller: &Caller, of: PrincipalId) -> Result<Vec<ClientKey>> {
        self.require(caller, Action::PeopleRead)?;
        Ok(self.store.client_keys(of).await?.into_iter().map(entity).collect())
    }

    /// Registers a key of a service principal.
    pub async fn add_client_key(&self, caller: &Caller, of: PrincipalId, new: &NewClientKey) -> Result<ClientKey> {
        self.require(caller, Action::PeopleWrite)?;
        let principal = self.store.service_principal(of).await?.ok_or_else(|| unknown_principal(of))?;
        self.refuse_above(caller, of).await?;
        let name = checked_name(&new.name)?;
        let days = new.days.unwrap_or(365);
        if !(1..=KEY_DAYS_MAX).contains(&days) {
            return Err(Error::invalid("bad_lifetime", format!("days is {days}, expected 1 to {KEY_DAYS_MAX}")));
        }
        let public_key = assertion::public_key(&new.pem).ok_or_else(|| {
            Error::invalid(
                "bad_key",
                "expected a certificate or a public key as PEM text, RSA of at least 2048 bits or P-256",
            )
        })?;
        let id: [u8; 16] = self.random_bytes()?;
        let key = store::ClientKey { id, principal: of, name, public_key, expires_at: self.now().plus_days(days) };
        let audit = self.entry(
            caller,
            activity::UPDATE_SERVICE_PRINCIPAL,
            category::APPLICATION,
            target("servicePrincipal", &of, &principal.name),
            json!({"keyAdded": hex(&id), "thumbprint": thumbprint(&key), "expires": key.expires_at.to_string()}),
        )?;
        self.store.add_client_key(key.clone(), audit).await?;
        Ok(entity(key))
    }

    /// Removes a key; tokens that the service principal has stop working.
    pub async fn remove_client_key(&self, caller: &Caller, of: PrincipalId, key: &str) -> Result<()> {
        self.require(caller, Action::PeopleWrite)?;
        let principal = self.store.service_principal(of).await?.ok_or_else(|| unknown_principal(of))?;
        self.refuse_above(caller, of).await?;
        let unknown = || Error::not_found("key_unknown", "this service principal has no such key");
        let id = unhex16(key).ok_or_else(unknown)?;
        let audit = self.entry(
            caller,
            activity::UPDATE_SERVICE_PRINCIPAL,
            category::APPLICATION,
            target("servicePrincipal", &of, &principal.name),
            json!({"keyRemoved": hex(&id)}),
        )?;
        match self.store.remove_client_key(of, id, audit).await {
            Err(StoreError::NotFound(_)) => Err(unknown()),
            other => Ok(other?),
        }
    }
}

fn thumbprint(key: &store::ClientKey) -> String {
    hex(&Sha256::digest(&key.public_key))
}

fn entity(key: store::ClientKey) -> ClientKey {
    ClientKey { id: hex(&key.id), thumbprint: thumbprint(&key), name: key.name, expires_date_time: key.expires_at }
}
