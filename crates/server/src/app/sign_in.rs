//! Signing in: tokens by grant, the device code, and who a bearer token is. The page on which a person
//! answers a device code: `verification`.

use super::record::{activity, category, target};
use super::roles::assignments;
use super::{App, Error, Kind, Result, hex, unhex16};
use crate::authz::{Caller, Identity, Principal, Scopes};
use crate::oauth::token::{ACCESS_TOKEN_S, audience, unix_s};
use crate::oauth::{AccessClaims, IdClaims, secret};
use crate::store::{Authorization, DeviceCode, DeviceCodePoll, Replaced, Session, SessionKind, StoreError};
use laps::id::PrincipalId;
use laps::time::TICKS_PER_DAY;
use proto::oauth::{
    ClientProof, DeviceAuthorization, Grant, Keys, Metadata, Secret, TokenAnswer, TokenErrorKind, TokenRequest,
    TokenRequestError, client_info,
};
use serde_json::{Value, json};

/// Life of a device code, seconds.
const DEVICE_CODE_S: u64 = 900;
/// Seconds between two polls.
const INTERVAL_S: u32 = 5;
/// Life of a refresh token since its last use, days.
const REFRESH_DAYS: u64 = 7;
/// Begins every refresh token.
const REFRESH_PREFIX: &str = "lapwing-refresh.";

/// Why no token was given.
#[derive(Debug)]
pub enum TokenRefusal {
    /// OAuth's kind and a sentence.
    Refused(TokenErrorKind, String),
    /// A fault, or a bound.
    Failed(Error),
}

impl<E: Into<Error>> From<E> for TokenRefusal {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

fn refuse<T>(kind: TokenErrorKind, text: impl Into<String>) -> std::result::Result<T, TokenRefusal> {
    Err(TokenRefusal::Refused(kind, text.into()))
}

type TokenResult<T> = std::result::Result<T, TokenRefusal>;

/// For whom a token is made.
struct Subject {
    id: PrincipalId,
    /// A person's sign-in name.
    user_name: Option<String>,
    display_name: String,
    epoch: u64,
    scopes: Scopes,
    roles: Vec<crate::authz::Assignment>,
    /// The sign-in that the token follows from.
    family: Option<[u8; 16]>,
}

impl App {
    /// The metadata document, for any name of the tenant.
    pub fn oidc_metadata(&self, _caller: &Caller, tenant: &str, base: &str) -> TokenResult<Metadata> {
        self.check_tenant(tenant)?;
        Ok(Metadata::of(base, &self.tenant.to_string()))
    }

    /// The keys that sign tokens.
    pub fn token_keys(&self, _caller: &Caller) -> Keys {
        self.signer.keys()
    }

    /// Whether a path's tenant is this server's: its id, one of the server's names, or one of the words
    /// for "whichever".
    fn check_tenant(&self, tenant: &str) -> TokenResult<()> {
        let known = tenant.eq_ignore_ascii_case(&self.tenant.to_string())
            || ["common", "organizations"].contains(&tenant)
            || self.is_own_host(tenant);
        if known {
            return Ok(());
        }
        refuse(
            TokenErrorKind::TenantUnknown,
            format!(
                "Tenant '{}' not found; this server's tenant is {}.",
                tenant.chars().take(80).collect::<String>(),
                self.tenant
            ),
        )
    }

    /// Answers a token request.
    pub async fn token(
        &self,
        caller: &Caller,
        tenant: &str,
        request: &TokenRequest,
        base: &str,
    ) -> TokenResult<TokenAnswer> {
        self.check_tenant(tenant)?;
        let grant = match request.grant() {
            Ok(grant) => grant,
            Err(error @ TokenRequestError::Missing(_)) => {
                return refuse(TokenErrorKind::InvalidRequest, format!("{error}."));
            }
            Err(error @ TokenRequestError::UnsupportedGrant(_)) => {
                return refuse(TokenErrorKind::UnsupportedGrantType, format!("{error}."));
            }
        };
        match grant {
            Grant::ClientCredentials { client_id, proof } => {
                self.client_token(caller, request, &client_id, &proof, tenant, base).await
            }
            Grant::DeviceCode { client_id, device_code } => {
                self.device_token(caller, request, &client_id, &device_code, base).await
            }
            Grant::RefreshToken { client_id, refresh_token } => {
                self.refreshed_token(caller, request, &client_id, &refresh_token, base).await
            }
        }
    }

    async fn client_token(
        &self,
        caller: &Caller,
        request: &TokenRequest,
        client_id: &str,
        proof: &ClientProof,
        tenant: &str,
        base: &str,
    ) -> TokenResult<TokenAnswer> {
        let Some(id) = self.proven_client(caller, client_id, proof, tenant, base).await? else {
            return refuse(
                TokenErrorKind::InvalidClient,
                "Invalid client secret or assertion provided, or there is no such client; check both, or make a new \
                 secret or key.",
            );
        };
        let principal = self.store.service_principal(id).await?;
        let (Some(principal), Some(authorization)) = (principal, self.store.authorization(id).await?) else {
            return refuse(TokenErrorKind::InvalidClient, "There is no such client any more.");
        };
        let roles = assignments(&authorization);
        let subject = Subject {
            id,
            user_name: None,
            display_name: principal.name,
            epoch: authorization.epoch,
            scopes: app_scopes(&authorization, &roles),
            roles,
            family: None,
        };
        self.signed_in_record(caller, &subject, client_id).await?;
        self.answer(request, &subject, client_id, None, base)
    }

    async fn device_token(
        &self,
        caller: &Caller,
        request: &TokenRequest,
        client_id: &str,
        device_code: &Secret,
        base: &str,
    ) -> TokenResult<TokenAnswer> {
        let now = self.now();
        let polled =
            self.store.poll_device_code(secret::digest(device_code.reveal()), client_id.to_owned(), now).await?;
        match polled {
            DeviceCodePoll::Pending => refuse(
                TokenErrorKind::AuthorizationPending,
                "OAuth 2.0 device flow error. Authorization is pending. Continue polling.",
            ),
            DeviceCodePoll::SlowDown => {
                refuse(TokenErrorKind::SlowDown, "Polled too early; wait five seconds longer between two polls.")
            }
            DeviceCodePoll::Denied => refuse(TokenErrorKind::AuthorizationDeclined, "The person refused the sign-in."),
            DeviceCodePoll::Expired => refuse(
                TokenErrorKind::ExpiredToken,
                "The device code has run out or is not known; start the sign-in again.",
            ),
            DeviceCodePoll::Approved { principal, code } => {
                let family = self.random_bytes()?;
                let subject = self.user_subject(principal, &code.scope, family).await?;
                let refresh = secret::bearer(REFRESH_PREFIX, &self.random_bytes()?);
                self.store
                    .put_session(Session {
                        hash: secret::digest(refresh.reveal()),
                        kind: SessionKind::Refresh,
                        family,
                        principal,
                        epoch: subject.epoch,
                        data: json!({"client": client_id, "scope": code.scope}).to_string(),
                        created_at: now,
                        expires_at: now.plus_ticks(REFRESH_DAYS * TICKS_PER_DAY),
                    })
                    .await?;
                self.signed_in_record(caller, &subject, client_id).await?;
                // The scope that the code was made with counts, whatever is asked for now.
                let request = TokenRequest { scope: Some(code.scope), ..request.clone() };
                self.answer(&request, &subject, client_id, Some(refresh), base)
            }
        }
    }

    async fn refreshed_token(
        &self,
        caller: &Caller,
        request: &TokenRequest,
        client_id: &str,
        refresh_token: &Secret,
        base: &str,
    ) -> TokenResult<TokenAnswer> {
        let now = self.now();
        let gone = || {
            refuse(
                TokenErrorKind::InvalidGrant,
                "The refresh token has run out, was used, or was ended; sign in again.",
            )
        };
        let old = secret::digest(refresh_token.reveal());
        let session = self.store.session(SessionKind::Refresh, old, now).await?;
        let scope = match &session {
            Some(session) => {
                let data: Value = serde_json::from_str(&session.data).unwrap_or_default();
                if data["client"].as_str() != Some(client_id) {
                    return gone();
                }
                data["scope"].as_str().unwrap_or_default().to_owned()
            }
            None => String::new(),
        };
        let fresh = secret::bearer(REFRESH_PREFIX, &self.random_bytes()?);
        let replaced = self
            .store
            .replace_session(old, secret::digest(fresh.reveal()), now.plus_ticks(REFRESH_DAYS * TICKS_PER_DAY), now)
            .await?;
        match replaced {
            Replaced::Unknown => gone(),
            Replaced::Reused => {
                self.record_refusal(
                    caller,
                    activity::SIGN_IN,
                    category::SIGN_IN,
                    target("client", &client_id, ""),
                    "refresh_token_reused",
                )
                .await?;
                gone()
            }
            Replaced::Done(session) => {
                let subject = self.user_subject(session.principal, &scope, session.family).await?;
                let request = TokenRequest {
                    // Narrower or another resource may be asked for; more than the first sign-in gave is not.
                    scope: request.scope.clone().or(Some(scope)),
                    ..request.clone()
                };
                self.answer(&request, &subject, client_id, Some(fresh), base)
            }
        }
    }

    async fn user_subject(&self, id: PrincipalId, scope: &str, family: [u8; 16]) -> TokenResult<Subject> {
        let user = self.store.user(id).await?;
        let authorization = self.store.authorization(id).await?;
        let (Some(user), Some(authorization)) = (user, authorization) else {
            return refuse(TokenErrorKind::InvalidGrant, "There is no such user any more.");
        };
        if !authorization.enabled {
            return refuse(
                TokenErrorKind::InvalidGrant,
                "The user may not sign in; an administrator can enable the account.",
            );
        }
        Ok(Subject {
            id,
            user_name: Some(user.user_name),
            display_name: user.display_name,
            epoch: authorization.epoch,
            scopes: user_scopes(scope),
            roles: assignments(&authorization),
            family: Some(family),
        })
    }

    fn answer(
        &self,
        request: &TokenRequest,
        subject: &Subject,
        client_id: &str,
        refresh_token: Option<Secret>,
        base: &str,
    ) -> TokenResult<TokenAnswer> {
        let now_s = unix_s(self.now());
        let tenant = self.tenant.to_string();
        let id = subject.id.to_string();
        let host = base.strip_prefix("https://").unwrap_or(base);
        let asked = request
            .resource
            .as_ref()
            .map(|resource| format!("{}/.default", resource.trim_end_matches('/')))
            .or_else(|| request.scope.clone())
            .unwrap_or_default();
        let issuer = format!("{base}/{tenant}/v2.0");
        let is_user = subject.user_name.is_some();
        // A refresh may narrow what the sign-in gave.
        let scopes = if is_user && !asked.is_empty() {
            subject.scopes.narrowed(&user_scopes(&asked))
        } else {
            subject.scopes.clone()
        };
        let access_token = self.signer.sign(&AccessClaims {
            aud: audience(&asked, host),
            iss: issuer.clone(),
            iat: now_s,
            nbf: now_s,
            exp: now_s + ACCESS_TOKEN_S,
            tid: tenant.clone(),
            oid: id.clone(),
            sub: id.clone(),
            appid: client_id.to_owned(),
            app_displayname: Some(match is_user {
                true => client_id.to_owned(),
                false => subject.display_name.clone(),
            }),
            idtyp: if is_user { "user" } else { "app" }.to_owned(),
            scp: is_user.then(|| scopes.to_string()),
            roles: (!is_user).then(|| scopes.names().iter().map(|name| (*name).to_owned()).collect()),
            wids: subject.roles.iter().map(|assignment| assignment.role.id().to_string()).collect(),
            upn: subject.user_name.clone(),
            name: Some(subject.display_name.clone()),
            ver: "2.0".into(),
            sid: subject.family.as_ref().map(|family| hex(family)),
            lapwing_epoch: subject.epoch,
            lapwing_incarnation: self.incarnation.to_string(),
        })?;
        let id_token = match &subject.user_name {
            Some(name) => Some(self.signer.sign(&IdClaims {
                aud: client_id.to_owned(),
                iss: issuer,
                iat: now_s,
                nbf: now_s,
                exp: now_s + ACCESS_TOKEN_S,
                tid: tenant.clone(),
                oid: id.clone(),
                sub: id.clone(),
                preferred_username: name.clone(),
                name: subject.display_name.clone(),
                ver: "2.0".into(),
            })?),
            None => None,
        };
        Ok(TokenAnswer {
            token_type: "Bearer".into(),
            expires_in: ACCESS_TOKEN_S,
            ext_expires_in: ACCESS_TOKEN_S,
            access_token,
            refresh_token,
            id_token,
            scope: is_user.then(|| asked.clone()),
            client_info: is_user.then(|| client_info(&id, &tenant)),
        })
    }

    /// Begins a sign-in by device code (RFC 8628).
    pub async fn device_code(
        &self,
        _caller: &Caller,
        tenant: &str,
        client_id: &str,
        scope: &str,
        base: &str,
    ) -> TokenResult<DeviceAuthorization> {
        self.check_tenant(tenant)?;
        if client_id.is_empty() || client_id.len() > 128 || scope.len() > 2048 {
            return refuse(
                TokenErrorKind::InvalidRequest,
                "The request body must contain 'client_id' of at most 128 and 'scope' of at most 2048 characters.",
            );
        }
        let now = self.now();
        let device_code = secret::bearer("", &self.random_bytes()?);
        // A code that is taken, or bytes that give none: draw again.
        for _ in 0..16 {
            let Some(user_code) = secret::user_code(&self.random_bytes::<24>()?) else {
                continue;
            };
            let created = self
                .store
                .create_device_code(DeviceCode {
                    hash: secret::digest(device_code.reveal()),
                    user_code: user_code.clone(),
                    client_id: client_id.to_owned(),
                    scope: scope.to_owned(),
                    created_at: now,
                    expires_at: now.plus_seconds(DEVICE_CODE_S),
                    interval_s: INTERVAL_S,
                })
                .await;
            match created {
                Err(StoreError::Exists(_)) => {}
                Err(error) => return Err(error.into()),
                Ok(()) => {
                    let shown = secret::shown_code(&user_code);
                    let page = format!("{base}/device");
                    return Ok(DeviceAuthorization {
                        message: format!(
                            "To sign in, use a web browser to open the page {page} and enter the code {shown} to authenticate."
                        ),
                        verification_uri_complete: Some(format!("{page}?code={shown}")),
                        verification_url: page.clone(),
                        verification_uri: page,
                        user_code: shown,
                        device_code,
                        expires_in: DEVICE_CODE_S,
                        interval: u64::from(INTERVAL_S),
                    });
                }
            }
        }
        Err(Error::Internal("no free user code in sixteen draws".into()).into())
    }

    /// Who a bearer token is, by what is stored now: a change of rights, a disabled account or a restored
    /// server void it.
    pub async fn signed_in(&self, nobody: &Caller, token: &str) -> Result<Caller> {
        let invalid = |text: &str| Err(Error::not_signed_in(text));
        if token.starts_with(super::api_tokens::PREFIX) {
            return self.by_api_token(nobody, token).await;
        }
        let Some(claims) = self.signer.check(token, &self.tenant.to_string(), self.now()) else {
            return invalid(
                "Access token validation failure: it has run out, is for another audience, or is not of this server; sign in again",
            );
        };
        let Ok(id) = claims.oid.parse::<PrincipalId>() else {
            return invalid("Access token validation failure: it names nobody");
        };
        let Some(authorization) = self.store.authorization(id).await? else {
            return invalid("the account of this token was removed");
        };
        if !authorization.enabled
            || authorization.epoch != claims.lapwing_epoch
            || self.incarnation.to_string() != claims.lapwing_incarnation
        {
            return invalid("the rights of this account changed since the token was made; sign in again");
        }
        if let Some(session) = &claims.sid {
            let stands = match unhex16(session) {
                Some(family) => self.store.session_stands(id, family).await?,
                None => false,
            };
            if !stands {
                return invalid("this session was ended; sign in again");
            }
        }
        let roles = assignments(&authorization);
        let scopes = if authorization.is_user {
            Scopes::parse(claims.scp.as_deref().unwrap_or_default())
        } else {
            Scopes::parse(&authorization.permissions.join(" "))
        };
        let principal = Principal {
            id,
            name: claims.upn.unwrap_or_else(|| authorization.display_name.clone()),
            assignments: roles,
            scopes,
            epoch: authorization.epoch,
            client_id: claims.appid,
        };
        Ok(nobody.with(if authorization.is_user { Identity::User(principal) } else { Identity::App(principal) }))
    }

    async fn signed_in_record(&self, caller: &Caller, subject: &Subject, client: &str) -> Result<()> {
        let name = subject.user_name.as_deref().unwrap_or(&subject.display_name);
        let principal = Principal {
            id: subject.id,
            name: name.to_owned(),
            assignments: Vec::new(),
            scopes: Scopes::default(),
            epoch: subject.epoch,
            client_id: client.to_owned(),
        };
        let (identity, kind) = match subject.user_name {
            Some(_) => (Identity::User(principal), "user"),
            None => (Identity::App(principal), "servicePrincipal"),
        };
        let entry = self.entry(
            &caller.with(identity),
            activity::SIGN_IN,
            category::SIGN_IN,
            target(kind, &subject.id, name),
            json!({"client": client}),
        )?;
        Ok(self.store.append_audit(entry).await?)
    }
}

fn user_scopes(scope: &str) -> Scopes {
    // Sign-in scopes alone (openid, offline_access …) mean everything: that is what a tool without
    // scopes of its own wants, and the person's roles still bound it.
    let asked = Scopes::parse(scope);
    if asked.names().is_empty() { Scopes::all() } else { asked }
}

fn app_scopes(authorization: &Authorization, roles: &[crate::authz::Assignment]) -> Scopes {
    let granted = Scopes::parse(&authorization.permissions.join(" "));
    let by_role = Scopes::granted_by(|action| {
        roles
            .iter()
            .any(|assignment| assignment.scope == crate::authz::RoleScope::Tenant && assignment.role.allows(action))
    });
    granted.joined(&by_role)
}

impl TokenRefusal {
    /// As an error of `app`, for surfaces that have no OAuth shape.
    pub fn into_error(self) -> Error {
        match self {
            Self::Refused(kind, text) => Error::refused(
                if kind == TokenErrorKind::TenantUnknown { Kind::NotFound } else { Kind::Invalid },
                kind.word(),
                text,
            ),
            Self::Failed(error) => error,
        }
    }
}
