//! "My account": password, one-time codes, passkeys, sessions, API tokens of the person who is signed in.

use super::super::from_json;
use super::mistake::{again, mistake};
use super::password::{Qr, qr};
use super::shell::{Section, Shell, ok};
use super::shown::{Shown, When};
use super::visit::{Visit, done, form};
use crate::app::Error;
use askama::Template;
use axum::Json;
use axum::body::Bytes;
use axum::extract::Path;
use axum::response::{IntoResponse, Redirect, Response};
use proto::admin::{NewApiToken, OneTimeCode, OwnLink, OwnUnlink, PasswordChange};
use proto::oauth::Secret;
use serde::Deserialize;

/// What an API token of the page may cover; others are made with `lapwing token create`.
const SCOPES: &[&str] =
    &["DeviceLocalCredential.Read.All", "DeviceLocalCredential.ReadBasic.All", "Device.Read.All", "AuditLog.Read.All"];
const PAGE: &str = "/admin/account";
/// Where a person goes whose sessions have all ended.
const AGAIN: &str = "/admin/sign-in?why=session_ended";

struct PasskeyLine {
    id: String,
    name: Shown,
    since: String,
    used: String,
}

struct SessionLine {
    id: String,
    client: Shown,
    kind: &'static str,
    since: String,
}

struct TokenLine {
    id: String,
    name: Shown,
    scopes: String,
    until: String,
    used: String,
}

/// An account elsewhere that is linked.
struct IdentityLine {
    provider: String,
    provider_name: Shown,
    /// As it is, for the form that takes it away.
    subject: String,
    shown: Shown,
    since: String,
}

#[derive(Template)]
#[template(path = "account/account.html")]
struct AccountPage {
    shell: Shell,
    totp_since: Option<String>,
    recovery_codes: u32,
    passkeys: Vec<PasskeyLine>,
    sessions: Vec<SessionLine>,
    tokens: Vec<TokenLine>,
    scopes: &'static [&'static str],
    identities: Vec<IdentityLine>,
    /// Providers at which the person may have an account: address and name.
    providers: Vec<(String, Shown)>,
    /// What was typed for a new API token.
    token: NewToken,
    mistakes: Vec<Shown>,
}

#[derive(Template)]
#[template(path = "account/totp.html")]
struct TotpPage {
    shell: Shell,
    qr: Option<Qr>,
    /// Shown once; not again after a code that did not fit.
    secret: Option<Secret>,
    mistakes: Vec<Shown>,
}

/// Something that is shown this once.
#[derive(Template)]
#[template(path = "account/shown.html")]
struct ShownPage {
    shell: Shell,
    title: &'static str,
    explanation: &'static str,
    lines: Vec<Secret>,
}

/// The page.
pub(crate) async fn account(visit: Visit) -> Result<Response, Error> {
    ok(&account_page(&visit, NewToken::default(), Vec::new()).await?)
}

/// The page again, with what went wrong.
async fn refused(visit: &Visit, error: Error, token: NewToken) -> Result<Response, Error> {
    let mistakes = vec![mistake(error)?];
    again(&account_page(visit, token, mistakes).await?)
}

async fn account_page(visit: &Visit, token: NewToken, mistakes: Vec<Shown>) -> Result<AccountPage, Error> {
    let (app, caller) = (&visit.app, &visit.caller);
    let near = |at| When::of(at, visit.now).near;
    let factors = app.my_factors(caller).await?;
    Ok(AccountPage {
        shell: visit.shell("My account", Section::Account).await?,
        totp_since: factors.totp_since.map(near),
        recovery_codes: factors.recovery_codes,
        passkeys: factors
            .passkeys
            .into_iter()
            .map(|passkey| PasskeyLine {
                id: passkey.id,
                name: Shown::new(&passkey.name),
                since: near(passkey.created_date_time),
                used: passkey.last_used_date_time.map(near).unwrap_or_default(),
            })
            .collect(),
        sessions: app
            .my_sessions(caller)
            .await?
            .into_iter()
            .map(|session| SessionLine {
                client: Shown::new(session.client.as_deref().unwrap_or("a program")),
                kind: if session.kind == "cookie" { "browser" } else { "program" },
                since: near(session.created_date_time),
                id: session.id,
            })
            .collect(),
        tokens: app
            .my_api_tokens(caller)
            .await?
            .into_iter()
            .map(|token| TokenLine {
                name: Shown::new(&token.name),
                scopes: token.scopes.join(", "),
                until: near(token.expires_date_time),
                used: token.last_used_date_time.map(near).unwrap_or_default(),
                id: token.id,
            })
            .collect(),
        scopes: SCOPES,
        identities: app
            .my_identities(caller)
            .await?
            .into_iter()
            .map(|linked| IdentityLine {
                provider_name: Shown::new(&linked.provider_name),
                shown: Shown::new(&linked.subject),
                since: near(linked.linked_date_time),
                provider: linked.provider,
                subject: linked.subject,
            })
            .collect(),
        providers: app
            .my_identity_providers(caller)
            .await?
            .into_iter()
            .map(|known| (format!("/device/with/{}?link=yes", known.id), Shown::new(&known.name)))
            .collect(),
        token,
        mistakes,
    })
}

#[derive(Deserialize)]
struct Passwords {
    current_password: String,
    new_password: String,
    new_password_again: String,
}

/// Another password; every session ends with it.
pub(crate) async fn password(visit: Visit, body: Bytes) -> Result<Response, Error> {
    let asked: Passwords = form(&body)?;
    if asked.new_password != asked.new_password_again {
        let error = Error::invalid("password_unfit", "the two entries of the new password differ");
        return refused(&visit, error, NewToken::default()).await;
    }
    let change = PasswordChange { current_password: asked.current_password, new_password: asked.new_password };
    match visit.app.change_password(&visit.caller, &change).await {
        Ok(()) => Ok(Redirect::to(AGAIN).into_response()),
        Err(error) => refused(&visit, error, NewToken::default()).await,
    }
}

/// A new secret for a generator.
pub(crate) async fn totp(visit: Visit) -> Result<Response, Error> {
    let new = visit.app.begin_totp(&visit.caller).await?;
    ok(&TotpPage {
        shell: visit.shell("Set up a generator", Section::Account).await?,
        qr: qr(&new.uri),
        secret: Some(Secret::new(new.secret.clone())),
        mistakes: Vec::new(),
    })
}

/// The generator works; the recovery codes are shown.
pub(crate) async fn confirm_totp(visit: Visit, body: Bytes) -> Result<Response, Error> {
    let shown: OneTimeCode = form(&body)?;
    let codes = match visit.app.confirm_totp(&visit.caller, &shown).await {
        Ok(codes) => codes,
        Err(error) => {
            let mistakes = vec![mistake(error)?];
            let shell = visit.shell("Set up a generator", Section::Account).await?;
            return again(&TotpPage { shell, qr: None, secret: None, mistakes });
        }
    };
    ok(&ShownPage {
        shell: visit.shell("Recovery codes", Section::Account).await?,
        title: "Recovery codes",
        explanation: "One-time codes are asked for from now on. Keep these recovery codes where your phone is not: each \
                      works once, in the place of a code. They are shown this once.",
        lines: codes.recovery_codes.iter().map(|code| Secret::new(code.clone())).collect(),
    })
}

/// One-time codes are no longer asked for; every session ends with it.
pub(crate) async fn remove_totp(visit: Visit, body: Bytes) -> Result<Response, Error> {
    match visit.app.remove_totp(&visit.caller, &form(&body)?).await {
        Ok(()) => Ok(Redirect::to(AGAIN).into_response()),
        Err(error) => refused(&visit, error, NewToken::default()).await,
    }
}

/// Begins to register a passkey, for the script of the page.
pub(crate) async fn begin_passkey(visit: Visit) -> Result<Response, Error> {
    Ok(Json(visit.app.begin_passkey(&visit.caller).await?).into_response())
}

/// Registers it.
pub(crate) async fn add_passkey(visit: Visit, body: Bytes) -> Result<Response, Error> {
    Ok(Json(visit.app.register_passkey(&visit.caller, &from_json(&body)?).await?).into_response())
}

/// Removes a passkey; every session ends with it.
pub(crate) async fn remove_passkey(visit: Visit, Path(id): Path<String>) -> Result<Response, Error> {
    visit.app.remove_my_passkey(&visit.caller, &id).await?;
    Ok(Redirect::to(AGAIN).into_response())
}

/// Ends a session.
pub(crate) async fn end_session(visit: Visit, Path(id): Path<String>) -> Result<Response, Error> {
    visit.app.end_my_session(&visit.caller, &id).await?;
    Ok(done(PAGE, "session_over"))
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Code {
    code: String,
    current_password: String,
}

/// Links the account elsewhere that a code stands for.
pub(crate) async fn link_identity(visit: Visit, body: Bytes) -> Result<Response, Error> {
    let asked: Code = form(&body)?;
    let link = OwnLink { code: asked.code, current_password: asked.current_password };
    match visit.app.link_my_identity(&visit.caller, &link).await {
        Ok(_) => Ok(done(PAGE, "identity_linked")),
        Err(error) => refused(&visit, error, NewToken::default()).await,
    }
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Linked {
    provider: String,
    subject: String,
    current_password: String,
}

/// Takes a link away; every session ends with it.
pub(crate) async fn unlink_identity(visit: Visit, body: Bytes) -> Result<Response, Error> {
    let asked: Linked = form(&body)?;
    let (provider, subject) = (asked.provider, asked.subject);
    let link = OwnUnlink { provider, subject, current_password: asked.current_password };
    match visit.app.unlink_my_identity(&visit.caller, &link).await {
        Ok(()) => Ok(Redirect::to(AGAIN).into_response()),
        Err(error) => refused(&visit, error, NewToken::default()).await,
    }
}

#[derive(Deserialize)]
#[serde(default)]
struct NewToken {
    name: String,
    scope: String,
    days: String,
}

impl Default for NewToken {
    fn default() -> Self {
        Self { name: String::new(), scope: String::new(), days: "30".into() }
    }
}

/// Makes an API token, which is shown this once.
pub(crate) async fn create_token(visit: Visit, body: Bytes) -> Result<Response, Error> {
    let asked: NewToken = form(&body)?;
    // What is no number is refused as no day is.
    let days = asked.days.trim().parse().unwrap_or(0);
    let new = NewApiToken { name: asked.name.clone(), scopes: vec![asked.scope.clone()], days };
    let made = match visit.app.create_api_token(&visit.caller, &new).await {
        Ok(made) => made,
        Err(error) => return refused(&visit, error, asked).await,
    };
    ok(&ShownPage {
        shell: visit.shell("API token", Section::Account).await?,
        title: "API token",
        explanation: "Send it as Authorization: Bearer. It covers what you chose, as far as your roles do, and is shown \
                      this once.",
        lines: vec![Secret::new(made.token.clone())],
    })
}

/// Revokes an API token.
pub(crate) async fn revoke_token(visit: Visit, Path(id): Path<String>) -> Result<Response, Error> {
    visit.app.revoke_my_api_token(&visit.caller, &id).await?;
    Ok(done(PAGE, "token_revoked"))
}
