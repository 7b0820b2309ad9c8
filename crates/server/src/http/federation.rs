//! Foreign OpenID providers: their administration, and the way of a browser there and back.

use super::admin::Shown;
use super::asked::Who;
use super::context::Base;
use super::lapwing::{Answer, created, done, ok, principal};
use super::page::{TITLE, plain};
use super::{from_json, no_store};
use crate::app::{Arrived, Error, Kind};
use askama::Template;
use axum::Extension;
use axum::body::Bytes;
use axum::extract::{Path, Query};
use axum::response::{IntoResponse, Redirect, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use proto::admin::List;
use proto::oauth::Secret;
use serde::Deserialize;
use serde_json::json;

/// The cookie of a browser that is on its way; the prefix binds it to this host and to https.
const COOKIE: &str = "__Host-lapwing-away";

pub(crate) async fn providers(who: Who) -> Answer {
    ok(&List { value: who.app.identity_providers(&who.caller).await?, next_link: None })
}

pub(crate) async fn add_provider(who: Who, body: Bytes) -> Answer {
    created(&who.app.add_identity_provider(&who.caller, &from_json(&body)?).await?)
}

pub(crate) async fn remove_provider(who: Who, Path(id): Path<String>) -> Answer {
    who.app.remove_identity_provider(&who.caller, &id).await?;
    done()
}

pub(crate) async fn identities(who: Who, Path(id): Path<String>) -> Answer {
    ok(&List { value: who.app.identities(&who.caller, principal(&id)?).await?, next_link: None })
}

pub(crate) async fn link(who: Who, Path(id): Path<String>, body: Bytes) -> Answer {
    who.app.link_identity(&who.caller, principal(&id)?, &from_json(&body)?).await?;
    done()
}

pub(crate) async fn unlink(who: Who, Path(id): Path<String>, body: Bytes) -> Answer {
    who.app.unlink_identity(&who.caller, principal(&id)?, &from_json(&body)?).await?;
    done()
}

pub(crate) async fn my_providers(who: Who) -> Answer {
    ok(&List { value: who.app.my_identity_providers(&who.caller).await?, next_link: None })
}

pub(crate) async fn my_identities(who: Who) -> Answer {
    ok(&List { value: who.app.my_identities(&who.caller).await?, next_link: None })
}

pub(crate) async fn link_mine(who: Who, body: Bytes) -> Answer {
    created(&who.app.link_my_identity(&who.caller, &from_json(&body)?).await?)
}

pub(crate) async fn unlink_mine(who: Who, body: Bytes) -> Answer {
    who.app.unlink_my_identity(&who.caller, &from_json(&body)?).await?;
    done()
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(crate) struct Wanted {
    user_code: String,
    /// A place of the admin centre.
    next: String,
    /// Any text: to link the account there to one of here, and not to sign in.
    link: String,
}

fn with_cookie(mut response: Response, value: &str, seconds: u32) -> Response {
    let text = format!("{COOKIE}={value}; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age={seconds}");
    if let Ok(mut value) = HeaderValue::from_str(&text) {
        value.set_sensitive(true);
        response.headers_mut().append(header::SET_COOKIE, value);
    }
    no_store(&mut response);
    response
}

/// To the provider.
pub(crate) async fn depart(
    who: Who,
    Extension(Base(base)): Extension<Base>,
    Path(provider): Path<String>,
    Query(wanted): Query<Wanted>,
) -> Result<Response, Error> {
    let code: String = wanted.user_code.chars().take(20).collect();
    let departure = who
        .app
        .depart(
            &who.caller,
            &provider,
            &base,
            json!({
                "user_code": code,
                "next": wanted.next.chars().take(2_000).collect::<String>(),
                "link": !wanted.link.is_empty(),
            }),
        )
        .await?;
    let response = Redirect::to(&departure.location).into_response();
    Ok(with_cookie(response, departure.cookie.reveal(), 600))
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(crate) struct Back {
    state: String,
    code: String,
}

#[derive(Template)]
#[template(path = "code/link.html")]
struct Link {
    title: &'static str,
    provider: Shown,
    subject: Shown,
    code: Secret,
}

#[derive(Template)]
#[template(path = "code/arrived.html")]
struct ArrivedPage<'a> {
    title: &'static str,
    name: Shown,
    provider: Shown,
    /// Which program waits for a device code; `None` when the way goes to the admin centre.
    asks: Option<Shown>,
    code: &'a str,
    next: &'a str,
    ticket: Secret,
}

/// And back: the person agrees to what was begun.
pub(crate) async fn arrive(
    who: Who,
    Extension(Base(base)): Extension<Base>,
    headers: HeaderMap,
    Query(back): Query<Back>,
) -> Result<Response, Error> {
    let cookie = headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .find_map(|pair| pair.trim().strip_prefix(COOKIE)?.strip_prefix('='))
        .map(|value| Secret::new(value.to_owned()))
        .ok_or_else(|| {
            Error::refused(Kind::Denied, "oidc_state", "this sign-in was not begun in this browser; begin again")
        })?;
    let arrival = match who.app.arrive(&who.caller, &cookie, &back.state, &back.code, &base).await? {
        Arrived::Known(arrival) => arrival,
        Arrived::ToLink { code, provider, subject } => {
            let (provider, subject) = (Shown::new(&provider), Shown::new(&subject));
            let whole = Link { title: "Link an account", provider, subject, code };
            return Ok(with_cookie(plain(StatusCode::OK, &whole)?, "", 0));
        }
    };
    let (name, provider) = (Shown::new(&arrival.user_name), Shown::new(&arrival.provider));
    let next = arrival.to["next"].as_str().unwrap_or_default();
    if !next.is_empty() {
        let whole = ArrivedPage { title: TITLE, name, provider, asks: None, code: "", next, ticket: arrival.ticket };
        return Ok(with_cookie(plain(StatusCode::OK, &whole)?, "", 0));
    }
    let code = arrival.to["user_code"].as_str().unwrap_or_default();
    let client = who.app.code_client(&who.caller, code).await?;
    let asks = client.map_or_else(
        || "The code has run out: start the sign-in in your program again.".to_owned(),
        |client| format!("The program {client} asks to sign in as you."),
    );
    let asks = Some(Shown::cut(&asks, 200));
    let whole = ArrivedPage { title: TITLE, name, provider, asks, code, next: "", ticket: arrival.ticket };
    Ok(with_cookie(plain(StatusCode::OK, &whole)?, "", 0))
}
