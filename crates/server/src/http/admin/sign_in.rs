//! Signing in and out.

use super::super::context::{Base, Shared};
use super::super::from_json;
use super::super::page::is_own_form;
use super::shell::page;
use super::shown::Shown;
use super::visit::{Visit, foreign_form, form as fields, set_cookie};
use crate::app::browser::BrowserSignIn;
use crate::app::{Error, Kind};
use crate::authz::Caller;
use askama::Template;
use axum::Extension;
use axum::body::Bytes;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Redirect, Response};
use http::{HeaderMap, StatusCode};
use proto::oauth::{Secret, Verification, VerificationResult};
use serde::Deserialize;

/// Where a person goes who wanted nowhere else.
const HOME: &str = "/admin";

#[derive(Deserialize, Default)]
pub(crate) struct Wanted {
    #[serde(default)]
    next: String,
    #[serde(default)]
    why: String,
}

#[derive(Template)]
#[template(path = "sign_in.html")]
struct SignInPage {
    /// Where to go afterwards.
    next: String,
    name: String,
    note: String,
    bad: bool,
    /// Foreign providers: address and name.
    providers: Vec<(String, Shown)>,
}

#[derive(Template)]
#[template(path = "account/second_factor.html")]
struct SecondFactorPage {
    next: String,
    ticket: Secret,
    note: String,
    bad: bool,
}

#[derive(Template)]
#[template(path = "first_sign_in.html")]
struct FirstSignInPage {
    next: String,
    name: String,
    note: String,
    bad: bool,
}

/// Only to a place of the admin centre: never away from this server.
fn safe(next: &str) -> String {
    let plain = next.starts_with("/admin")
        && next.len() <= 2_000
        && !next.starts_with("/admin/sign-")
        && next.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    if plain { next.to_owned() } else { HOME.to_owned() }
}

/// The form.
pub(crate) async fn form(
    State(shared): State<Shared>,
    Extension(caller): Extension<Caller>,
    Query(wanted): Query<Wanted>,
) -> Result<Response, Error> {
    let note = match wanted.why.as_str() {
        "session_ended" => "Your session has ended, or your rights changed since it began. Sign in again.",
        "cookie_of_another_tenant" => "Your browser's session is of another server. Sign in to this one.",
        "signed_out" => "You are signed out.",
        _ => "",
    };
    let next = safe(&wanted.next);
    let providers = providers(&shared, &caller, &next).await?;
    let shown = SignInPage { next, name: String::new(), note: note.into(), bad: false, providers };
    page(StatusCode::OK, &shown)
}

/// The answer to the form.
pub(crate) async fn sign_in(
    State(shared): State<Shared>,
    Extension(caller): Extension<Caller>,
    Extension(Base(base)): Extension<Base>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Error> {
    if !is_own_form(&headers, &base) {
        return Err(foreign_form());
    }
    let given: Verification = fields(&body)?;
    let Wanted { next, .. } = fields(&body)?;
    let next = safe(&next);
    let answer = match shared.app.browser_sign_in(&caller, &given).await? {
        BrowserSignIn::Done(cookie) => {
            let mut response = Redirect::to(&next).into_response();
            set_cookie(&mut response, Some(&cookie));
            return Ok(response);
        }
        BrowserSignIn::Answer(answer) => answer,
    };
    let (name, note) = (given.user_name.chars().take(120).collect(), answer.message.clone());
    let first = |bad| FirstSignInPage { next: next.clone(), name, note, bad };
    match answer.result {
        VerificationResult::NewPasswordRequired => page(StatusCode::UNPROCESSABLE_ENTITY, &first(false)),
        VerificationResult::SecondFactorRequired | VerificationResult::SecondFactorWrong => {
            let bad = answer.result == VerificationResult::SecondFactorWrong;
            let FirstSignInPage { next, note, .. } = first(bad);
            let ticket = answer.ticket.unwrap_or_default();
            page(StatusCode::UNPROCESSABLE_ENTITY, &SecondFactorPage { next, ticket, note, bad })
        }
        VerificationResult::NewPasswordUnfit => page(StatusCode::UNPROCESSABLE_ENTITY, &first(true)),
        result => {
            let status = match result {
                VerificationResult::LockedOut => StatusCode::TOO_MANY_REQUESTS,
                _ => StatusCode::FORBIDDEN,
            };
            let FirstSignInPage { next, name, note, .. } = first(true);
            let providers = providers(&shared, &caller, &next).await?;
            page(status, &SignInPage { next, name, note, bad: true, providers })
        }
    }
}

async fn providers(shared: &Shared, caller: &Caller, next: &str) -> Result<Vec<(String, Shown)>, Error> {
    let query = serde_urlencoded::to_string([("next", next)]).unwrap_or_default();
    let known = shared.app.sign_in_providers(caller).await?;
    Ok(known.into_iter().map(|(id, name)| (format!("/device/with/{id}?{query}"), Shown::new(&name))).collect())
}

#[derive(Deserialize)]
struct PasskeyForm {
    ticket: String,
    credential: serde_json::Value,
    #[serde(default)]
    next: String,
}

/// The script of the page brings what the authenticator said.
pub(crate) async fn sign_in_by_passkey(
    State(shared): State<Shared>,
    Extension(caller): Extension<Caller>,
    Extension(Base(base)): Extension<Base>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Error> {
    if !is_own_form(&headers, &base) {
        return Err(foreign_form());
    }
    let given: PasskeyForm = from_json(&body)?;
    match shared.app.browser_sign_in_by_passkey(&caller, &given.ticket, &given.credential).await? {
        Some(cookie) => {
            let mut response = axum::Json(serde_json::json!({"next": safe(&given.next)})).into_response();
            set_cookie(&mut response, Some(&cookie));
            Ok(response)
        }
        None => Err(Error::refused(Kind::Denied, "sign_in_failed", "that passkey does not open this account")),
    }
}

/// Ends the session.
pub(crate) async fn sign_out(visit: Visit) -> Result<Response, Error> {
    visit.app.browser_sign_out(&visit.browsing).await?;
    let mut response = Redirect::to("/admin/sign-in?why=signed_out").into_response();
    set_cookie(&mut response, None);
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_sent_away_from_this_server() {
        assert_eq!(safe("/admin/devices?search=a%20b"), "/admin/devices?search=a%20b");
        for hostile in
            ["", "https://evil.test", "//evil.test", "/\\evil.test", "/admin\n/x", "/device", "/admin/sign-out"]
        {
            assert_eq!(safe(hostile), HOME, "{hostile}");
        }
    }
}
